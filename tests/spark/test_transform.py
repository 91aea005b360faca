import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from spark.convert import raw_schema
from spark.errors import CountMismatch, Misdeclared, MissingColumns
from spark.mapping import Mapping, code, npi, text
from spark.mapping import date as day
from spark.schemas import Column, Provider, Schema
from spark.transform import CONTRADICTS, HELD, Input, Transformed, transform
from spark.writer import write

COLUMNS = ("npi", "kind", "name", "since", "gone")
MAPPING = Mapping(
    columns={
        "npi": npi("npi"),
        "entity_type": code("kind", {"1": "individual", "2": "organization"}),
        "name": text("name"),
        "enumeration_date": day("since", "MM/dd/yyyy"),
    },
    deleted="gone = 'Y'",
)
Raw = Sequence[str | None]


@dataclass(frozen=True)
class Done:
    counts: Transformed
    rows: list[dict[str, Any]]
    held: list[dict[str, Any]]

    def by_record(self) -> dict[int, dict[str, Any]]:
        return {row["_record"]: row for row in self.rows}


class Transform:
    """Runs a transform over rows made by hand; records are numbered from 1."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.spark, self.folder = spark, folder

    def __call__(
        self,
        raw: Sequence[Raw],
        columns: Sequence[str] = COLUMNS,
        mapping: Mapping = MAPPING,
        schema: Schema = Provider,
        files: int = 1,
        claimed: int | None = None,
    ) -> Done:
        made = raw_schema(columns)
        own = [["d1", "f.csv", n, *row] for n, row in enumerate(raw, 1)]
        rows = pa.Table.from_pylist([dict(zip(made.names, row, strict=True)) for row in own], made)
        size = -(-len(raw) // files)
        paths = [
            file.url
            for i in range(files)
            for file in write([rows.slice(i * size, size)], f"file://{self.folder}/raw", made)
        ]
        given = Input(paths, made, len(raw) if claimed is None else claimed, mapping)
        return self.of([given], schema)

    def of(self, inputs: Sequence[Input], schema: Schema) -> Done:
        counts = transform(
            self.spark,
            inputs,
            schema,
            "party",
            into=f"file://{self.folder}/fits",
            held_into=f"file://{self.folder}/held",
        )
        fits, held = (
            pa.concat_tables(
                [template.empty_table(), *(pq.read_table(f.url.removeprefix("file://"), partitioning=None) for f in of)]
            ).to_pylist()
            for template, of in ((schema.arrow, counts.files), (HELD, counts.held_files))
        )
        assert (len(fits), len(held)) == (counts.rows, counts.held)
        assert counts.raw == sum(given.rows for given in inputs)
        if all(given.mapping.each is None for given in inputs):
            assert counts.raw == counts.judged + counts.skipped
        assert Counter(row["_reason"] for row in held) == counts.reasons
        return Done(counts, fits, held)


@pytest.fixture
def run(spark: SparkSession, tmp_path: Path) -> Transform:
    return Transform(spark, tmp_path)


@pytest.fixture
def small_batches(spark: SparkSession) -> Any:
    """Arrow batches of two rows."""
    name = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = spark.conf.get(name) or ""
    spark.conf.set(name, "2")
    yield
    spark.conf.set(name, before)


def luhn(nine: int) -> int:
    """The check digit of an NPI: doubled are the last, the third last, … of nine; 24 stands for the prefix 80840."""
    digits = [int(d) for d in f"{nine:09}"]
    doubled = [sum(divmod(2 * d, 10)) if i % 2 == 0 else d for i, d in enumerate(digits)]
    return -(sum(doubled) + 24) % 10


def right(n: int) -> str:
    return f"{100_000_000 + n}{luhn(100_000_000 + n)}"


def test_the_check_digit_of_the_tests_is_that_of_cms() -> None:
    assert f"123456789{luhn(123_456_789)}" == "1234567893"  # the example in CMS's paper


OUTCOMES: list[tuple[Raw, str | None]] = [
    ((right(1), "1", "Doe, Jane", "12/31/2020", None), None),
    ((f" {right(2)}\t", "2", " Acme ", "", "N"), None),
    ((None, "1", "x", None, None), "npi is required"),
    (("", "1", "x", None, None), "npi is required"),
    ((right(3)[:-1], "1", "x", None, None), "npi is required"),
    ((right(4), "3", "x", None, None), "entity_type is required"),
    ((right(5), "1", "  ", None, None), "name is required"),
    ((right(6), None, None, None, None), "entity_type is required; name is required"),
    ((None, None, None, None, None), "npi is required; entity_type is required; name is required"),
    ((right(7), None, None, None, "Y"), None),
    ((None, "1", "x", None, "Y"), "npi is required"),
    ((right(8), "1", 'say "é"\n', None, "y"), None),
]


@pytest.mark.usefixtures("small_batches")
def test_what_fits_and_what_is_held(run: Transform) -> None:
    done = run([raw for raw, _ in OUTCOMES], files=3)
    found: dict[int, str | None] = {row["_record"]: row["_reason"] for row in done.held}
    found |= dict.fromkeys(done.by_record())
    assert found == {n: reason for n, (_, reason) in enumerate(OUTCOMES, 1)}
    for row in done.held:
        given = dict(zip(COLUMNS, OUTCOMES[row["_record"] - 1][0], strict=True))
        used = {name: given[name] for name in ("npi", "kind", "name", "since")}
        assert json.loads(row["_raw"]) == {name: value for name, value in used.items() if value is not None}
        assert (row["_source"], row["_drop"], row["_file"]) == ("party", "d1", "f.csv")
    first, second = done.by_record()[1], done.by_record()[2]
    assert first["enumeration_date"] == date(2020, 12, 31)
    assert (first["entity_type"], first["name"], first["sex"]) == ("individual", "Doe, Jane", None)
    assert (first["_source"], first["_drop"], first["_file"], first["_deleted"]) == ("party", "d1", "f.csv", False)
    assert (second["npi"], second["name"], second["enumeration_date"]) == (right(2), "Acme", None)
    assert {n for n, row in done.by_record().items() if row["_deleted"]} == {10}
    at = {reason: [(e.file, e.record, e.text) for e in where] for reason, where in done.counts.held_at.items()}
    assert {reason: len(where) for reason, where in at.items()} == done.counts.reasons
    assert all(OUTCOMES[record - 1][1] == reason for reason, where in at.items() for _, record, _ in where)
    assert {(file, text_) for where in at.values() for file, _, text_ in where} == {("f.csv", "")}
    assert done.counts.lost == {"npi": 1, "entity_type": 1}
    assert done.counts.examples == {"npi": ("999999999",), "entity_type": ("9",)}
    assert done.counts.given == {"npi": 8, "entity_type": 9, "name": 8, "enumeration_date": 1}


@pytest.mark.parametrize("copies", [2, 3, 8])
@pytest.mark.usefixtures("small_batches")
def test_exact_duplicates_are_one_row_wherever_they_stand(run: Transform, copies: int) -> None:
    keys = [right(n) for n in (1, 2, 3)]
    held: Raw = (None, "1", "x", None, None)
    raw: list[Raw] = [row for _ in range(copies) for row in (*((key, "1", "n", None, None) for key in keys), held)]
    raw.append((right(9), "1", "alone", "01/01/2001", None))
    done = run(raw, files=2)
    assert sorted(row["npi"] for row in done.rows) == sorted([*keys, right(9)])
    assert done.counts.duplicates == 3 * (copies - 1)
    assert done.counts.held == copies


@pytest.mark.parametrize(
    "other",
    [("1", "another", None, None), ("1", "n", "01/01/2001", None), ("1", "n", None, "Y"), ("2", "n", None, None)],
    ids=["a value", "null and a value", "deleted or not", "a code"],
)
@pytest.mark.parametrize("copies", [1, 2, 5])
@pytest.mark.usefixtures("small_batches")
def test_of_rows_that_contradict_each_other_the_first_stays_and_others_are_held(
    run: Transform, other: Raw, copies: int
) -> None:
    fine: list[Raw] = [(right(n), "1", "n", None, None) for n in (1, 2, 3)]
    first: Raw = (right(7), "1", "n", None, None)
    done = run([*fine, *[first] * copies, (right(7), *other), first, (right(7), *other)])
    records = [4 + copies, 6 + copies]
    assert sorted(done.by_record()) == [1, 2, 3, 4]
    assert (done.counts.duplicates, done.counts.conflicting) == (copies, 2)
    assert done.counts.conflicts == tuple(f"f.csv record {n}" for n in records)
    assert [(row["_record"], row["_reason"]) for row in done.held] == [(n, CONTRADICTS) for n in records]
    assert [json.loads(row["_raw"])["npi"] for row in done.held] == [right(7)] * 2


@pytest.mark.usefixtures("small_batches")
def test_what_two_datasets_say_of_one_key_is_seen(run: Transform) -> None:
    made = raw_schema(COLUMNS)

    def file(name: str, *rows: Raw) -> Input:
        own = [dict(zip(made.names, ["d1", name, n, *row], strict=True)) for n, row in enumerate(rows, 1)]
        [written] = write([pa.Table.from_pylist(own, made)], f"file://{run.folder}/raw", made)
        return Input([written.url], made, len(rows), MAPPING)

    one = (right(1), "1", "one", None, None)
    b = file("b.csv", one, (right(2), "1", "b", None, None), (right(3), None, None, None, "Y"))
    a = file("a.csv", (right(2), "1", "a", None, None), one, (right(3), "1", "gone", None, "Y"))
    done = run.of([b, a], Provider)
    assert {row["npi"]: (row["_file"], row["_record"]) for row in done.rows} == {
        right(1): ("a.csv", 2), right(2): ("a.csv", 1), right(3): ("a.csv", 3),
    }  # fmt: skip
    assert done.counts.duplicates == 2  # one of them a deletion, of which only the key counts
    assert done.counts.conflicts == ("b.csv record 2",)


def test_a_mapping_to_a_column_that_the_schema_lacks_is_named(run: Transform) -> None:
    mapping = MAPPING.model_copy(update={"columns": {**MAPPING.columns, "shoe_size": text("degree")}})
    with pytest.raises(Misdeclared, match=r"party: the mapping names shoe_size, which provider"):
        run([(right(1), "1", "n", None, None)], mapping=mapping)


def test_a_column_that_is_not_there_is_named(run: Transform) -> None:
    mapping = MAPPING.model_copy(update={"columns": {**MAPPING.columns, "credential": text("degree_2")}})
    with pytest.raises(MissingColumns, match=r"party to provider.*degree_2"):
        run([(right(1), "1", "n", None, None)], mapping=mapping)
    run([(right(1), "1", "n", None, None)], mapping=mapping.model_copy(update={"optional": ("degree_2",)}))


def test_an_optional_column_is_read_where_it_is(run: Transform) -> None:
    mapping = MAPPING.model_copy(
        update={
            "columns": {**MAPPING.columns, "credential": text("coalesce(degree, title)")},
            "optional": ("degree", "title"),
        }
    )
    done = run([(right(1), "1", "n", None, None, "MD")], columns=(*COLUMNS, "title"), mapping=mapping)
    assert done.rows[0]["credential"] == "MD"
    assert done.counts.lost == {}


def test_names_may_be_spelt_as_the_party_spells_them(run: Transform) -> None:
    columns = {**MAPPING.columns, "npi": npi("NPI"), "credential": text("coalesce(Degree, Title)")}
    mapping = MAPPING.model_copy(update={"columns": columns, "where": "Kind = '1'", "optional": ("Degree", "Title")})
    raw = [(right(1), "1", "n", None, None, "MD"), (right(2), "2", "n", None, None, None)]
    done = run(raw, columns=(*COLUMNS, "title"), mapping=mapping)
    assert [(row["npi"], row["credential"]) for row in done.rows] == [(right(1), "MD")]


DATES = [
    ("12/31/2020", date(2020, 12, 31)),
    ("02/29/2024", date(2024, 2, 29)),
    (" 01/02/1899 ", date(1899, 1, 2)),
    ("13/45/2020", None),
    ("02/29/2023", None),
    ("2/3/2020", None),
    ("2020-12-31", None),
    ("12/31/20", None),
    ("12/31/2020x", None),
    ("", None),
    (None, None),
]


def test_a_day_that_is_none_is_null_and_counted(run: Transform) -> None:
    done = run([(right(n), "1", "n", given, None) for n, (given, _) in enumerate(DATES)])
    assert {n: row["enumeration_date"] for n, row in done.by_record().items()} == {
        n: expected for n, (_, expected) in enumerate(DATES, 1)
    }
    assert done.counts.lost == {"enumeration_date": 6}


def test_of_ten_last_digits_one_is_right(run: Transform) -> None:
    starts = [100_000_000 + 7_654_321 * n for n in range(12)] + [234_567_890, 299_999_999]
    raw: list[Raw] = [(f"{start}{digit}", "1", "n", None, None) for start in starts for digit in range(10)]
    wrong = ["0" * 10, "3234567893", "123456789A", "12345678931", "１２３４５６７８９３"]
    done = run([*raw, *((value, "1", "n", None, None) for value in wrong)])
    assert sorted(row["npi"] for row in done.rows) == sorted(f"{start}{luhn(start)}" for start in starts)


THINGS = Schema(
    name="thing",
    doc="Every type.",
    key=("id", "part"),
    columns=(
        Column(name="id", type="string", doc="", required=True),
        Column(name="part", type="int", doc="", required=True),
        Column(name="big", type="bigint", doc=""),
        Column(name="share", type="double", doc=""),
        Column(name="good", type="boolean", doc=""),
        Column(name="at", type="timestamp", doc=""),
    ),
)
TYPED: list[tuple[Raw, Raw | tuple[Any, ...] | None]] = [
    (("a", "1", "12345678901", "0.5", "true", "2020-01-02T03:04:05Z"),
     ("a", 1, 12345678901, 0.5, True, datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC))),
    (("a", "2", "x", "x", "x", "x"), ("a", 2, None, None, None, None)),
    (("a", "3", "99999999999999999999", "1e400", "2", "2020-02-30"), ("a", 3, None, float("inf"), None, None)),
    (("a", "99999999999", None, None, None, None), None),
    (("a", "x", None, None, None, None), None),
]  # fmt: skip


def test_every_type_is_cast_or_null(run: Transform) -> None:
    names = ("id", "order", "größe", "share", "good", "at")
    columns: dict[str, Any] = {
        "id": "id",
        "part": "order",
        "big": "`größe`",
        "share": "share",
        "good": "good",
        "at": "at",
    }
    done = run([raw for raw, _ in TYPED], columns=names, mapping=Mapping(columns=columns), schema=THINGS)
    assert {n: tuple(row[c.name] for c in THINGS.columns) for n, row in done.by_record().items()} == {
        n: expected for n, (_, expected) in enumerate(TYPED, 1) if expected is not None
    }
    assert done.counts.reasons == {"part is required": 2}
    assert done.counts.lost == {"part": 2, "big": 2, "share": 1, "good": 2, "at": 2}


def test_a_key_of_two_columns_repeats_only_as_a_whole(run: Transform) -> None:
    names = ("id", "n", "v")
    mapping = Mapping(columns={"id": "id", "part": "n", "big": "v"})
    raw: list[Raw] = [("a", "1", "1"), ("a", "2", "1"), ("b", "1", "1"), ("a", "1", "1")]
    done = run(raw, columns=names, mapping=mapping, schema=THINGS)
    assert (done.counts.rows, done.counts.duplicates) == (3, 1)
    assert run([*raw, ("b", "1", "2")], columns=names, mapping=mapping, schema=THINGS).counts.conflicting == 1


def test_a_double_that_is_no_number_repeats_like_another(run: Transform) -> None:
    names, mapping = ("id", "n", "v"), Mapping(columns={"id": "id", "part": "n", "share": "v"})
    done = run([("a", "1", "NaN"), ("a", "1", "NaN")], columns=names, mapping=mapping, schema=THINGS)
    assert (done.counts.rows, done.counts.duplicates) == (1, 1)
    done = run([("a", "1", "NaN"), ("a", "1", None)], columns=names, mapping=mapping, schema=THINGS)
    assert done.counts.conflicting == 1


def test_rows_that_raw_says_it_has_and_are_not_read_are_missed(run: Transform) -> None:
    with pytest.raises(CountMismatch, match="2 raw rows, 1 read"):
        run([(right(1), "1", "n", None, None)], claimed=2)


def test_nothing_to_transform(spark: SparkSession) -> None:
    empty = Input([], raw_schema(COLUMNS), 0, MAPPING)
    done = transform(spark, [empty], Provider, "party", into="none", held_into="none")
    assert done == Transformed()
    with pytest.raises(CountMismatch, match="1 raw rows, 0 read"):
        transform(spark, [empty._replace(rows=1)], Provider, "party", into="none", held_into="none")


CLAIM = Schema(
    name="claim",
    doc="One row per claim.",
    key=("claim_id",),
    columns=(
        Column(name="claim_id", doc="Number", required=True),
        Column(name="kind", doc="Kind", values=("institutional", "professional")),
        Column(name="paid", type="decimal(18,2)", least=0, doc="Paid"),
        Column(name="from_date", type="date", doc="First day"),
        Column(name="codes", type="array<string>", doc="Codes"),
    ),
)


def test_what_a_column_may_not_hold_is_nulled_and_counted(run: Transform) -> None:
    by = Mapping(
        columns={"claim_id": "id", "kind": "kind", "paid": "paid", "from_date": "`from`", "codes": "split(codes, ';')"}
    )
    done = run(
        [
            ["1", "professional", "1.50", "2026-01-31", "a;b"],
            ["2", "dental", "-1", "9999-12-31", None],
        ],
        ("id", "kind", "paid", "from", "codes"),
        by,
        CLAIM,
    )
    first, second = (done.by_record()[n] for n in (1, 2))
    assert (first["kind"], str(first["paid"]), first["from_date"], first["codes"]) == (
        "professional",
        "1.50",
        date(2026, 1, 31),
        ["a", "b"],
    )
    assert (second["kind"], second["paid"], second["from_date"], second["codes"]) == (None, None, None, None)
    assert done.counts.lost == {"kind": 1, "paid": 1, "from_date": 1}


def test_rows_of_lists_are_duplicates_where_the_lists_are_equal(run: Transform) -> None:
    by = Mapping(columns={"claim_id": "id", "codes": "split(codes, ';')"})
    done = run([["1", "a;b"], ["1", "a;b"], ["2", None], ["2", None]], ("id", "codes"), by, CLAIM)
    assert (done.counts.rows, done.counts.duplicates) == (2, 2)
    done = run([["1", "a;b"], ["1", "a;c"]], ("id", "codes"), by, CLAIM)
    assert done.counts.conflicting == 1
    assert json.loads(done.held[0]["_raw"]) == {"claim_id": "1", "codes": ["a", "c"]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"columns": {"npi": "array(npi) + 1"}}, r"party to provider, npi: \[DATATYPE_MISMATCH"),
        ({"columns": {"npi": "npi", "name": "upper(name"}}, r"party to provider, name: \[?.*PARSE_SYNTAX_ERROR"),
        ({"where": "no_such_function(npi)"}, r"party to provider, where: \[UNRESOLVED_ROUTINE"),
        ({"each": "npi"}, "party to provider, each: "),
        ({"deleted": "npi + npi"}, "party to provider, deleted: |party to provider, its mapping: "),
    ],
    ids=["types", "syntax", "where", "each", "deleted"],
)
def test_an_expression_that_is_wrong_is_named(run: Transform, change: dict[str, Any], said: str) -> None:
    with pytest.raises(Misdeclared, match=said):
        run([(right(1), "1", "n", None, None)], mapping=MAPPING.model_copy(update=change))


def test_an_expression_that_fails_on_a_value_does_not_tell_it(run: Transform) -> None:
    mapping = Mapping(columns={"npi": "npi", "name": "name", "entity_type": "kind", "credential": "CAST(name AS int)"})
    with pytest.raises(Misdeclared, match="CAST_INVALID_INPUT") as caught:
        run([(right(1), "1", "Doe", None, None)], mapping=mapping)
    assert "Doe" not in str(caught.value)
    assert caught.value.__cause__ is None


CODES = Schema(
    name="code",
    doc="",
    key=("id", "rank"),
    columns=(
        Column(name="id", doc="", required=True),
        Column(name="rank", type="int", doc="", required=True),
        Column(name="code", doc="", required=True, values=("a", "b")),
    ),
)


@pytest.mark.usefixtures("small_batches")
def test_a_row_for_every_element(run: Transform) -> None:
    by = Mapping(
        columns={"id": "id", "rank": "_position", "code": "_each"},
        each="split(codes, ';')",
        where="_each <> '' AND kind = 'x'",
    )
    raw: list[Raw] = [("1", "x", "a;;b"), ("2", "x", None), ("3", "y", "a;b"), ("4", "x", "a;~"), ("1", "x", "a")]
    done = run(raw, ("id", "kind", "codes"), by, CODES)
    assert sorted((row["id"], row["rank"], row["code"], row["_record"]) for row in done.rows) == [
        ("1", 1, "a", 1), ("1", 3, "b", 1), ("4", 1, "a", 4),
    ]  # fmt: skip
    assert (done.counts.raw, done.counts.judged, done.counts.duplicates, done.counts.skipped) == (5, 5, 1, 4)
    [held] = done.held
    assert (held["_record"], held["_reason"]) == (4, "code is required")
    assert json.loads(held["_raw"]) == {"id": "4", "_position": 2, "_each": "~"}


@pytest.mark.parametrize("rows", [1, 3])
def test_a_drop_of_which_all_is_skipped(run: Transform, rows: int) -> None:
    """Spark replaces a plan that proves empty, and what would have counted its rows with it."""
    by = Mapping(columns={"id": "id", "rank": "1", "code": "_each"}, each="split(codes, ';')", where="false")
    done = run([("a", "1", "x;y")] * rows, columns=("id", "rank", "codes"), mapping=by, schema=CODES)
    assert (done.counts.raw, done.counts.rows, done.counts.skipped) == (rows, 0, 2 * rows)


def test_of_elements_that_contradict_each_other_the_first_stays(run: Transform) -> None:
    by = Mapping(columns={"id": "id", "rank": "1", "code": "_each"}, each="split(codes, ';')")
    done = run([("1", "b;a;b")], ("id", "codes"), by, CODES)
    assert [(row["code"], done.counts.duplicates, done.counts.conflicting) for row in done.rows] == [("b", 1, 1)]


VERSIONS = Schema(
    name="version",
    doc="",
    key=("id",),
    latest="at",
    columns=(
        Column(name="id", doc="", required=True),
        Column(name="at", type="int", doc=""),
        Column(name="says", doc=""),
    ),
)
# rows of one key, as (at, says, deleted), and which of them, from 1, stays; then duplicates, superseded, conflicting
LATEST: list[tuple[list[tuple[str | None, str | None, str | None]], int, tuple[int, int, int]]] = [
    ([("1", "a", None), ("2", "b", None), ("10", "c", None)], 3, (0, 2, 0)),
    ([("2", "a", None), ("2", "a", None), ("1", "a", None), ("1", "b", None)], 1, (1, 2, 0)),
    ([("2", "a", None), ("2", "b", None), ("1", "c", None), ("2", "b", None)], 1, (0, 1, 2)),
    ([(None, "a", None), ("-5", "b", None), (None, "a", None)], 2, (0, 2, 0)),
    ([("3", "a", None), ("4", None, "Y")], 2, (0, 1, 0)),
    ([("3", "a", "Y"), ("4", "b", None)], 2, (0, 1, 0)),
    ([("9", "a", None), (None, None, "Y"), ("9", "b", None)], 2, (0, 2, 0)),
    ([(None, None, "Y"), ("8", "b", "Y"), (None, "x", "Y")], 1, (2, 0, 0)),
    ([(None, "a", None), (None, None, "Y")], 2, (0, 0, 1)),
]


@pytest.mark.parametrize(("rows", "stays", "counts"), LATEST)
@pytest.mark.usefixtures("small_batches")
def test_the_greatest_latest_stays(
    run: Transform,
    rows: list[tuple[str | None, str | None, str | None]],
    stays: int,
    counts: tuple[int, int, int],
) -> None:
    by = Mapping(columns={"id": "id", "at": "at", "says": "says"}, deleted="gone = 'Y'")
    raw: list[Raw] = [("k", *row) for row in rows]
    done = run([*raw, ("l", "1", "z", None)], ("id", "at", "says", "gone"), by, VERSIONS, files=len(rows))
    assert sorted(done.by_record()) == [stays, len(rows) + 1]
    found = done.counts
    assert (found.duplicates, found.superseded, found.conflicting) == counts


# as above: where the later record wins, what another dataset says has no place before or behind it
LATER: list[tuple[list[tuple[str | None, str | None, str | None]], int, tuple[int, int, int]]] = [
    ([("1", "a", None), ("1", "b", None)], 2, (0, 1, 0)),
    ([("1", "a", None), ("1", "b", None), ("1", "a", None)], 3, (1, 1, 0)),
    ([("2", "a", None), ("1", "b", None), ("1", "c", None)], 1, (0, 2, 0)),
    ([("2", "a", None), ("3", "b", None), ("3", "c", None), ("1", "d", None)], 3, (0, 3, 0)),
    ([(None, None, "Y"), ("8", "b", None)], 1, (0, 1, 0)),
    ([("8", "b", None), ("8", "b", "Y")], 2, (0, 1, 0)),
]


@pytest.mark.parametrize(("rows", "stays", "counts"), LATER)
@pytest.mark.usefixtures("small_batches")
def test_the_later_record_wins_where_the_mapping_says_so(
    run: Transform,
    rows: list[tuple[str | None, str | None, str | None]],
    stays: int,
    counts: tuple[int, int, int],
) -> None:
    by = Mapping(columns={"id": "id", "at": "at", "says": "says"}, deleted="gone = 'Y'", later="wins")
    raw: list[Raw] = [("k", *row) for row in rows]
    done = run([*raw, ("l", "1", "z", None)], ("id", "at", "says", "gone"), by, VERSIONS, files=len(rows))
    assert sorted(done.by_record()) == [stays, len(rows) + 1]
    found = done.counts
    assert (found.duplicates, found.superseded, found.conflicting) == counts


def test_the_later_of_elements_and_files_wins_but_datasets_contradict_each_other(run: Transform) -> None:
    made, columns = raw_schema(("id", "at", "says")), {"id": "id", "at": "at", "says": "_each"}
    by = Mapping(columns=columns, each="split(says, ';')", later="wins")

    def given(name: str, *rows: tuple[str, int, str, str]) -> Input:
        listed = [dict(zip(made.names, ("d", file, n, key, "1", says), strict=True)) for file, n, key, says in rows]
        (file,) = write([pa.Table.from_pylist(listed, made)], f"file://{run.folder}/{name}", made)
        return Input([file.url], made, len(rows), by)

    first = given("a", ("g", 1, "k", "a;b"), ("f", 9, "k", "c"), ("g", 2, "l", "a"))
    second = given("b", ("a", 1, "l", "b"), ("z", 5, "l", "c"))
    done = run.of([first, second], VERSIONS)
    assert {(row["id"], row["says"]) for row in done.rows} == {("k", "b"), ("l", "a")}
    assert (done.counts.superseded, done.counts.conflicting) == (2, 2)  # c and a of k; both of l in the other dataset


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks from ten rows on, two hundred at most."""
    monkeypatch.setattr("spark.mapped._LEAST_ROWS_A_TASK", 10)
    monkeypatch.setattr("spark.mapped._ROWS_A_TASK", 200)


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize("key", ["npi", "'same'", "CASE WHEN npi > '3' THEN concat('é', npi) ELSE npi END", "NULL"])
def test_files_are_sorted_and_have_ranges_of_their_own(run: Transform, key: str) -> None:
    by = Mapping(columns={"claim_id": key, "kind": "'professional'"})
    raw: list[Raw] = [(f"{(n * 7919) % 1000 % 700}",) for n in range(1000)]
    done = run(raw, ("npi",), by, CLAIM, files=3)
    ranges = []
    for file in done.counts.files:
        keys = pq.read_table(file.url.removeprefix("file://"), partitioning=None)["claim_id"].to_pylist()
        assert keys == sorted(keys, key=lambda k: k.encode())
        ranges.append((keys[0].encode(), keys[-1].encode()))
    ranges.sort()
    assert all(one[1] < other[0] for one, other in pairwise(ranges))
    many = {"'same'": (1, 999), "NULL": (0, 0)}
    rows, duplicates = many.get(key, (700, 300))
    assert (done.counts.rows, done.counts.duplicates) == (rows, duplicates)
    assert len(ranges) == {1: 1, 0: 0}.get(rows, 5)


def test_shapes_of_lost_values_show_no_letter_and_no_digit(run: Transform) -> None:
    given = ["Ünï-Çode 1²½٣", "东京 12", "नमस्ते", "a\tb\u0000\u200bc", "", "x" * 50, "a-b c/d"]
    by = Mapping(columns={"claim_id": "id", "paid": "paid"})
    shapes = ["Aaa-Aaaa 9999", "aa 99", "aaaaaa", "a·a··a", "", "a" * 20, "a-a a/a"]
    for text_, shape in zip(given, shapes, strict=True):
        done = run([("1", text_)], ("id", "paid"), by, CLAIM)
        assert (done.counts.lost, done.counts.examples) == ({"paid": 1}, {"paid": (shape,)})
    done = run([(str(n), text_) for n, text_ in enumerate(given * 3)], ("id", "paid"), by, CLAIM)
    assert done.counts.lost == {"paid": 21}
    assert done.counts.given == {"claim_id": 21, "paid": 21}
    assert len(done.counts.examples["paid"]) == 3
    assert set(done.counts.examples["paid"]) <= set(shapes)
    where = [(e.file, e.record, e.text) for e in done.counts.lost_at["paid"]]
    assert len(where) == 5
    assert {(file, shapes[(record - 1) % 7]) for file, record, _ in where} == {
        (file, text_) for file, _, text_ in where
    }


def test_which_row_stays_does_not_depend_on_how_rows_are_cut(
    run: Transform, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = random.Random(0)
    raw: list[Raw] = [
        (str(made.randrange(40)), made.choice(["1", "2", None]), made.choice("ab"), made.choice(["Y", None]))
        for _ in range(400)
    ]
    by = Mapping(columns={"id": "id", "at": "at", "says": "says"}, deleted="gone = 'Y'")
    columns = ("id", "at", "says", "gone")
    name = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = spark.conf.get(name) or ""
    whole = run(raw, columns, by, VERSIONS)
    monkeypatch.setattr("spark.mapped._LEAST_ROWS_A_TASK", 10)
    monkeypatch.setattr("spark.mapped._ROWS_A_TASK", 60)
    try:
        spark.conf.set(name, "7")
        cut = run(raw, columns, by, VERSIONS, files=5)
    finally:
        spark.conf.set(name, before)
    assert len(cut.counts.files) > 4
    assert sorted(cut.by_record()) == sorted(whole.by_record())
    assert sorted(row["_record"] for row in cut.held) == sorted(row["_record"] for row in whole.held)
    parts = ("rows", "duplicates", "superseded", "reasons", "given", "lost", "conflicting")
    assert [getattr(cut.counts, part) for part in parts] == [getattr(whole.counts, part) for part in parts]
    oracle: dict[str, tuple[tuple[bool, int, int], int]] = {}
    for n, (key, at, _, gone) in enumerate(raw, 1):
        rank = (gone == "Y" and at is None, -1 if at is None else int(at), -n)
        oracle[key or ""] = max(oracle.get(key or "", (rank, n)), (rank, n))
    assert sorted(n for _, n in oracle.values()) == sorted(whole.by_record())


def test_row_groups_are_small(run: Transform) -> None:
    by = Mapping(columns={"claim_id": "id", "codes": "array(long)"})
    long = "x" * 2_000
    done = run([(str(n), f"{n}{long}") for n in range(20_000)], ("id", "long"), by, CLAIM)
    [file] = done.counts.files
    found = pq.read_metadata(file.url.removeprefix("file://"))
    assert [found.row_group(n).num_rows for n in range(found.num_row_groups)] == [10_000, 10_000]
