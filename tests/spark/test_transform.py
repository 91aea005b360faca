import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from spark.convert import raw_schema
from spark.errors import ConflictingKeys, CountMismatch, MissingColumns
from spark.mapping import Mapping, code, npi, text
from spark.mapping import date as day
from spark.schemas import Column, Provider, Schema
from spark.transform import BUCKETS, HELD, Transformed, transform
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
        counts = transform(
            self.spark,
            paths,
            made,
            len(raw) if claimed is None else claimed,
            mapping,
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
        assert counts.raw == len(raw) == counts.rows + counts.held + counts.duplicates
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
    assert all(0 <= row["_bucket"] < BUCKETS for row in done.rows)
    assert done.counts.nulled == {"npi": 1, "entity_type": 1}


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
@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.usefixtures("small_batches")
def test_a_key_with_other_values_fails_and_is_named(run: Transform, other: Raw, copies: int) -> None:
    fine: list[Raw] = [(right(n), "1", "n", None, None) for n in (1, 2, 3)]
    raw = [*fine, *[(right(7), "1", "n", None, None)] * copies, (right(7), *other)]
    with pytest.raises(ConflictingKeys) as caught:
        run(raw)
    records = range(4, len(raw) + 1)
    assert any(f"f.csv record {n}" in str(caught.value) for n in records)
    assert not any(f"f.csv record {n}" in str(caught.value) for n in (1, 2, 3))
    assert right(7) not in str(caught.value)  # no value of a row in a message


def test_a_mapping_to_a_column_that_the_schema_lacks_is_named(run: Transform) -> None:
    mapping = MAPPING.model_copy(update={"columns": {**MAPPING.columns, "shoe_size": text("degree")}})
    with pytest.raises(ValueError, match=r"party: the mapping names shoe_size, which provider"):
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
    assert done.counts.nulled == {}


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
    assert done.counts.nulled == {"enumeration_date": 6}


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
    assert done.counts.nulled == {"part": 2, "big": 2, "share": 1, "good": 2, "at": 2}


def test_a_key_of_two_columns_repeats_only_as_a_whole(run: Transform) -> None:
    names = ("id", "n", "v")
    mapping = Mapping(columns={"id": "id", "part": "n", "big": "v"})
    raw: list[Raw] = [("a", "1", "1"), ("a", "2", "1"), ("b", "1", "1"), ("a", "1", "1")]
    done = run(raw, columns=names, mapping=mapping, schema=THINGS)
    assert (done.counts.rows, done.counts.duplicates) == (3, 1)
    with pytest.raises(ConflictingKeys):
        run([*raw, ("b", "1", "2")], columns=names, mapping=mapping, schema=THINGS)


def test_a_double_that_is_no_number_repeats_like_another(run: Transform) -> None:
    names, mapping = ("id", "n", "v"), Mapping(columns={"id": "id", "part": "n", "share": "v"})
    done = run([("a", "1", "NaN"), ("a", "1", "NaN")], columns=names, mapping=mapping, schema=THINGS)
    assert (done.counts.rows, done.counts.duplicates) == (1, 1)
    with pytest.raises(ConflictingKeys):
        run([("a", "1", "NaN"), ("a", "1", None)], columns=names, mapping=mapping, schema=THINGS)


def test_rows_that_raw_says_it_has_and_are_not_read_are_missed(run: Transform) -> None:
    with pytest.raises(CountMismatch, match="2 raw rows, 1 read"):
        run([(right(1), "1", "n", None, None)], claimed=2)


def test_nothing_to_transform(spark: SparkSession) -> None:
    done = transform(spark, [], raw_schema(COLUMNS), 0, MAPPING, Provider, "party", into="none", held_into="none")
    assert done == Transformed()


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
    assert done.counts.nulled == {"kind": 1, "paid": 1, "from_date": 1}


def test_rows_of_lists_are_duplicates_where_the_lists_are_equal(run: Transform) -> None:
    by = Mapping(columns={"claim_id": "id", "codes": "split(codes, ';')"})
    done = run([["1", "a;b"], ["1", "a;b"], ["2", None], ["2", None]], ("id", "codes"), by, CLAIM)
    assert (done.counts.rows, done.counts.duplicates) == (2, 2)
    with pytest.raises(ConflictingKeys):
        run([["1", "a;b"], ["1", "a;c"]], ("id", "codes"), by, CLAIM)
