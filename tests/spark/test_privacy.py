"""What a mapping sees of columns on which something was decided, and that nothing else gets out."""

import hashlib
import hmac
import json
import random
from collections.abc import Mapping as Dict
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError
from pyspark.sql import SparkSession

from spark import privacy
from spark.convert import raw_schema
from spark.errors import Misdeclared
from spark.mapped import Input, Mapped
from spark.mapping import Mapping, zip_code
from spark.mapping import date as day
from spark.privacy import Decision, Privacy, decisions_for, flagged, halves, known_by
from spark.profiling.recognised import Recognised
from spark.schemas import Column, Schema
from spark.transform import HELD, transform
from spark.writer import write

KEY = SecretStr("canary-key-of-32-characters-or-so")
AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
ROW = Schema(
    name="row", doc="", key=("id",), columns=(Column(name="id", required=True, doc=""), Column(name="v", doc=""))
)


def hashed(value: str) -> str:
    return hmac.new(KEY.get_secret_value().encode(), value.encode(), hashlib.sha256).hexdigest()


class Seen:
    """What a mapping sees of values of a column `v`."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self._spark, self._folder = spark, folder

    def __call__(
        self,
        decision: Decision | dict[str, Decision],
        values: Sequence[Any],
        type_: pa.DataType | None = None,
        by: str = "v",
    ) -> list[Any]:
        schema = raw_schema(pa.schema([("id", pa.string()), ("v", type_ or pa.string())]))
        rows = [{"_drop": "d", "_file": "f", "_record": n, "id": f"{n:06}", "v": v} for n, v in enumerate(values)]
        [file] = write([pa.Table.from_pylist(rows, schema)], f"file://{self._folder}", schema)
        how = Privacy(decision if isinstance(decision, dict) else {"v": decision}, {"k": KEY}, AS_OF)
        given = Input([file.url], schema, len(rows), Mapping(columns={"id": "id", "v": by}), how)
        mapped = Mapped(self._spark, given, "d", ROW, "party").rows().orderBy("id").toArrow()
        return list(mapped["v"].to_pylist())


@pytest.fixture
def seen(spark: SparkSession, tmp_path: Path) -> Seen:
    return Seen(spark, tmp_path)


@pytest.mark.parametrize(
    ("decision", "cases"),
    [
        (privacy.Keep(why="by agreement"), {"a": "a", "": "", None: None}),
        (privacy.Drop(), {"a": None, "": None, None: None}),
        (
            privacy.Hash(key="k"),
            {" 12 ": hashed("12"), "12": hashed("12"), "a": hashed("a"), "A": hashed("A"), " ": None, None: None},
        ),
        (
            privacy.Hash(key="k", normal=("trim", "upper", "alphanumeric"), nothing=("~",)),
            {"123-45-6789": hashed("123456789"), "é 1": hashed("É1"), "~": None, " ~ ": None, "-": None},
        ),
        (privacy.Hash(key="k", normal=()), {" a": hashed(" a"), "": None}),
        (
            privacy.Year(),
            {"1945-02-03": "1945-01-01", "19450203": "19450101", "1945-02-30": "?", "02/03/1945": "?", " ": None},
        ),
        (privacy.Year(patterns=("MM/dd/yyyy", "yyyy")), {"02/03/2024": "01/01/2024", "1890": "1890", "x": "?"}),
        (privacy.Year(patterns=("M/d/yy",), latest=2026, nothing=("1/1/01",)), {"2/3/45": "1/1/45", "1/1/01": None}),
        (
            privacy.Year(birth=True),  # who was born in 1936 may be 90 in 2026, and is with all who are older
            {
                "1936-12-31": "1936-01-01",
                "1935-12-31": "1936-01-01",
                "1899-01-01": "1936-01-01",
                "1937-01-01": "1937-01-01",
            },
        ),
        (
            privacy.Zip3(),
            {"02139": "021**", "02139-1234": "021**", "021391234": "021**", "03601": "000**", "2139": "?", "K1A": "?"},
        ),
        (privacy.Zip3(small=("021",)), {"02139": "000**", "03601": "036**", "": None}),
        (
            privacy.Age(),
            {"89": "89", "90": "90", "101": "90", "89.9": "89.9", "0": "0", "90+": "?", "-1": "?", " 7": "7"},
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, BaseModel) else None,
)
def test_text(seen: Seen, decision: Decision, cases: Dict[str | None, str | None]) -> None:
    assert dict(zip(cases, seen(decision, list(cases)), strict=True)) == cases


@pytest.mark.parametrize(
    ("decision", "type_", "cases"),
    [
        (privacy.Drop(), pa.date32(), {date(1945, 2, 3): None}),
        (privacy.Year(birth=True), pa.date32(), {date(1945, 2, 3): "1945-01-01", date(1901, 2, 3): "1936-01-01"}),
        (
            privacy.Year(),
            pa.timestamp("us", tz="UTC"),
            {datetime(2024, 5, 6, 7, 8, tzinfo=UTC): "2024-01-01 00:00:00", None: None},
        ),
        (privacy.Year(patterns=("yyyyMMdd",)), pa.int32(), {19450203: "19450101", 7: "?"}),
        (privacy.Hash(key="k"), pa.int64(), {12: hashed("12"), None: None}),
        (privacy.Hash(key="k"), pa.float64(), {123456789.0: hashed("123456789"), 1.5: hashed("1.5")}),
        (privacy.Hash(key="k"), pa.decimal128(9, 0), {Decimal(12): hashed("12")}),
        (privacy.Zip3(), pa.int32(), {2139: "021**", 21391234: "021**", 601: "006**", 3601: "000**"}),
        (privacy.Zip3(), pa.float64(), {2139.0: "021**"}),
        (privacy.Age(), pa.int32(), {89: "89", 90: "90", 120: "90", None: None}),
        (privacy.Age(), pa.float64(), {89.5: "89.5", 90.5: "90.0"}),
    ],
)
def test_typed(seen: Seen, decision: Decision, type_: pa.DataType, cases: Dict[Any, str | None]) -> None:
    assert dict(zip(cases, seen(decision, list(cases), type_), strict=True)) == cases


@pytest.mark.parametrize(
    ("decision", "type_"),
    [
        (privacy.Hash(key="k"), pa.struct([("a", pa.string())])),
        (privacy.Year(), pa.list_(pa.string())),
        (privacy.Zip3(), pa.date32()),
        (privacy.Age(), pa.bool_()),
    ],
)
def test_what_a_decision_is_not_for_is_refused(seen: Seen, decision: Decision, type_: pa.DataType) -> None:
    with pytest.raises(Misdeclared, match="v is "):
        seen(decision, [None], type_)


WITHIN = pa.struct(
    [
        ("name", pa.string()),
        ("born", pa.struct([("day", pa.string()), ("town", pa.string())])),
        ("number", pa.int64()),
        ("it's", pa.string()),
        ("ids", pa.list_(pa.string())),
    ]
)


def test_fields_within_a_column(seen: Seen) -> None:
    jo = {"name": "Jo", "born": {"day": "1917-11-23", "town": "Ely"}, "number": 7, "it's": "x", "ids": ["a"]}
    values = [jo, None, jo | {"born": None, "name": None}]
    decisions: dict[str, Decision] = {
        "v.name": privacy.Drop(),
        "v.born.day": privacy.Year(birth=True),
        "v.number": privacy.Hash(key="k"),
        "v": privacy.Keep(why="all else"),
    }
    kept = {"number": hashed("7"), "it's": "x", "ids": ["a"]}
    shown = [json.loads(text) if text else None for text in seen(decisions, values, WITHIN, by="to_json(v)")]
    assert shown == [kept | {"born": {"day": "1936-01-01", "town": "Ely"}}, None, kept]
    assert seen(decisions, values, WITHIN, by="V.Name") == [None] * 3
    assert seen(decisions, values, WITHIN, by="v.number") == [hashed("7"), None, hashed("7")]
    assert seen({"v.born": privacy.Drop()}, values, WITHIN, by="v.born.day") == [None] * 3
    assert seen({"v.of_another_drop": privacy.Drop()}, values, WITHIN, by="v.name") == ["Jo", None, None]


@pytest.mark.parametrize("path", ["v.ids.item", "v.number.digit", "v.born.day.year"])
def test_what_has_no_fields_is_decided_on_as_a_whole(seen: Seen, path: str) -> None:
    with pytest.raises(
        Misdeclared, match=rf"{path}: {path.rpartition('.')[0]} is .*, and is kept or dropped as a whole"
    ):
        seen({path: privacy.Drop()}, [None], WITHIN, by="to_json(v)")


def test_mappings_read_what_was_decided_as_they_would_the_value(seen: Seen) -> None:
    born = day("v", "MM/dd/yyyy").sql
    assert seen(privacy.Year(patterns=("MM/dd/yyyy",)), ["02/03/1945", "bad"], by=born) == ["1945-01-01", None]
    assert seen(privacy.Zip3(), ["02139-1234", "03601"], by=zip_code("v").sql) == ["021**", "000**"]


@given(key=st.text(min_size=1, max_size=200).filter(lambda text: text.isprintable()), value=st.binary(max_size=100))
def test_the_halves_of_a_key_make_an_hmac(key: str, value: bytes) -> None:
    inner, outer = halves(SecretStr(key))
    made = hashlib.sha256(outer + hashlib.sha256(inner + value).digest()).hexdigest()
    assert made == hmac.new(key.encode(), value, hashlib.sha256).hexdigest()


def test_a_key_is_known_without_being_shown() -> None:
    assert known_by(KEY) != known_by(SecretStr("another"))
    assert KEY.get_secret_value() not in repr(Privacy({}, {"k": KEY}, AS_OF)) + known_by(KEY)


def test_no_key_stands_in_a_plan(spark: SparkSession, tmp_path: Path) -> None:
    schema = raw_schema(["id", "v"])
    row = {"_drop": "d", "_file": "f", "_record": 1, "id": "1", "v": "x"}
    [file] = write([pa.Table.from_pylist([row], schema)], f"file://{tmp_path}", schema)
    how = Privacy({"v": privacy.Hash(key="k")}, {"k": KEY}, AS_OF)
    rows = Mapped(
        spark, Input([file.url], schema, 1, Mapping(columns={"id": "id", "v": "v"}), how), "d", ROW, "p"
    ).rows()
    assert rows.collect()[0]["v"] == hashed("x")
    run: Any = rows._jdf.queryExecution()
    plans = [str(run.toString()), str(run.stringWithStats()), str(run.debug()), str(run.executedPlan().treeString())]
    plans += [str(run.optimizedPlan().toJSON()), str(run.executedPlan().toJSON())]
    secrets = [KEY.get_secret_value(), *(half.hex() for half in halves(KEY))]
    secrets += [half.decode("latin-1")[:16] for half in halves(KEY)]
    assert all(len(plan) > 50 for plan in plans[:2])
    assert not [secret for secret in secrets for plan in plans if secret.lower() in plan.lower()]


def test_no_mapping_gets_round_a_decision(spark: SparkSession, tmp_path: Path) -> None:
    """Neither by another spelling, all columns, a condition, what is held, or what a table could not hold."""
    special = pa.map_(pa.string(), pa.string())
    schema = raw_schema(pa.schema([("id", pa.string()), ("v", pa.string()), ("_special", special)]))
    rows = [
        {"_drop": "d", "_file": "f", "_record": n, "id": i, "v": "canary", "_special": [("v", "canary")]}
        for n, i in enumerate(["1", None, "2", "2"])
    ]
    [file] = write([pa.Table.from_pylist(rows, schema)], f"file://{tmp_path}/raw", schema)
    sees = "concat_ws(' ', V, `v`, to_json(struct(*)), to_json(_special), _record)"
    mapping = Mapping(columns={"id": "id", "v": sees}, where="coalesce(v, '') != 'canary'", each="array(v)")
    how = Privacy({"v": privacy.Drop()}, {}, AS_OF)
    into = {"into": f"file://{tmp_path}/fits", "held_into": f"file://{tmp_path}/held"}
    done = transform(spark, [Input([file.url], schema, 4, mapping, how)], ROW, "party", **into)
    assert (done.rows, done.held, done.skipped) == (2, 2, 0)
    written = [
        pq.read_table(f.url.removeprefix("file://"), partitioning=None).to_pylist()
        for f in done.files + done.held_files
    ]
    assert "canary" not in json.dumps(written) + done.model_dump_json()
    assert {name for rows in written for row in rows for name in row} >= {"v", *HELD.names}


def test_decisions_stand_in_json() -> None:
    adapter = TypeAdapter[Decision](Decision)
    for decision in (privacy.Keep(why="so it is"), privacy.Drop(), privacy.Hash(key="k"), privacy.Zip3()):
        assert adapter.validate_json(adapter.dump_json(decision)) == decision
    with pytest.raises(ValidationError):
        privacy.Keep(why="")


def test_what_is_proposed() -> None:
    found = {
        "dob": Recognised(kind="birth_date", confidence=0.9, phi="date"),
        "seen": Recognised(kind="service_date", confidence=0.9, phi="date"),
        "age": Recognised(kind="age", confidence=0.9, phi="date"),
        "zip": Recognised(kind="zip", confidence=0.9, phi="geography"),
        "city": Recognised(kind="city", confidence=0.9, phi="geography"),
        "mrn": Recognised(kind="mrn", confidence=0.9, phi="record_number"),
        "ssn": Recognised(kind="ssn", confidence=0.9, phi="ssn"),
        "npi": Recognised(kind="npi", confidence=0.9),
    }
    assert decisions_for(found, "k", {"dob": ("MM/dd/yyyy",)}) == {
        "dob": privacy.Year(birth=True, patterns=("MM/dd/yyyy",)),
        "seen": privacy.Year(),
        "age": privacy.Age(),
        "zip": privacy.Zip3(),
        "city": privacy.Drop(),
        "mrn": privacy.Hash(key="k"),
        "ssn": privacy.Drop(),
    }
    assert flagged([found["mrn"], found["npi"]]) == found["mrn"]
    assert flagged([found["npi"], found["mrn"]]) is None
    assert flagged([Recognised(kind="mrn", confidence=0.4, phi="record_number")]) is None


def test_the_same_value_is_the_same_hash_wherever_it_is(seen: Seen) -> None:
    values = [f"{random.Random(n).getrandbits(64):x}" for n in range(2_000)]
    once, again = seen(privacy.Hash(key="k"), values), seen(privacy.Hash(key="k"), values[::-1])
    assert once == again[::-1] == [hashed(value) for value in values]
