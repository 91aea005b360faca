"""The common schemas hold together, are the tables that they say, and are what docs/schemas.md says."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from blocks.lake import Lake
from spark.schemas import SCHEMAS, Column, Schema, page
from spark.schemas.base import EARLIEST, LATEST
from spark.session import readable
from spark.tables import Tables
from spark.writer import write

ID = Column(name="id", doc="", required=True)
VALUES: dict[str, Any] = {
    "string": "a",
    "int": 1,
    "bigint": 2**40,
    "double": 0.5,
    "decimal(18,2)": Decimal("-1234.50"),
    "decimal(18,4)": Decimal("0.3333"),
    "boolean": True,
    "date": date(2020, 2, 29),
    "timestamp": datetime(2023, 1, 27, 16, 17, 47, tzinfo=UTC),
    "array<string>": ["a", None, ""],
}


def test_the_page_is_up_to_date() -> None:
    written = Path(page.__file__).parents[2] / "docs" / "schemas.md"
    assert written.read_text() == page.page(), "make docs"


def test_the_page_has_every_column() -> None:
    text = page.page()
    for name, schema in SCHEMAS.items():
        table = text.partition(f"### `{name}`\n")[2].partition("\n##")[0]
        rows = [line for line in table.splitlines() if line.startswith("| `")]
        assert [row.split("`")[1] for row in rows] == [column.name for column in schema.columns]
        assert all(row.replace("\\|", "").count("|") == 7 for row in rows)  # no cell breaks the table


def test_every_module_says_which_public_model_it_follows() -> None:
    for module in page.MODULES:
        assert any(word in (module.__doc__ or "") for word in ("ollow", "Open Payments"))
        schemas = [value for value in vars(module).values() if isinstance(value, Schema)]
        assert schemas
        assert all(SCHEMAS[str(schema)] is schema for schema in schemas)


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=str)
def test_a_reference_leads_to_a_column_of_its_type(schema: Schema) -> None:
    for column in schema.columns:
        assert column.doc
        assert not column.doc.endswith(".") or column.doc.endswith(("Jr.", "M.D."))
        if column.references:
            table, name = column.references.split(".")
            found = next(c for c in SCHEMAS[table].columns if c.name == name)
            assert (found.type, found.required) == (column.type, True)
            assert found.phi == column.phi  # what identifies a person does so in both places


def test_a_version_is_a_table_beside_the_old() -> None:
    first = Schema(name="thing", doc="", key=("id",), columns=(ID,))
    assert [str(first), str(first.model_copy(update={"version": 2}))] == ["thing", "thing_v2"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"columns": (ID, ID)}, "two columns have one name"),
        ({"key": ("no",)}, "the key's no must be"),
        ({"columns": (ID.model_copy(update={"required": False}),)}, "the key's id must be"),
        ({"latest": "no"}, "no column no"),
    ],
)
def test_a_schema_that_contradicts_itself_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Schema.model_validate({"name": "thing", "doc": "", "key": ("id",), "columns": (ID,), **change})


@pytest.mark.parametrize(
    "column",
    [
        {"type": "int", "values": ("1",)},
        {"type": "string", "least": 1},
        {"type": "date", "most": 1},
        {"type": "array<string>", "least": 1},
    ],
)
def test_a_column_that_contradicts_itself_is_refused(column: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="only"):
        Column.model_validate({"name": "a", "doc": "", **column})


def limits(column: Column) -> tuple[list[Any], list[Any]]:
    """Values that the column may hold, and some that it may not."""
    if column.values:
        wrong = ["", "~", column.values[0] + " ", column.values[-1] + "x"]
        if column.type == "array<string>":
            return [list(column.values), [], [column.values[0]]], [[column.values[0], value] for value in wrong]
        return list(column.values), wrong
    if column.type in ("date", "timestamp"):
        days = [EARLIEST, LATEST], [EARLIEST - timedelta(1), LATEST + timedelta(1), date(1, 1, 1), date(9999, 12, 31)]
        if column.type == "date":
            return days
        instants = [[datetime(d.year, d.month, d.day, 12, tzinfo=UTC) for d in some] for some in days]
        return instants[0], instants[1]
    bounds = [(column.least, -1), (column.most, 1)]
    kind = float if column.type == "double" else int
    right = [kind(bound) for bound, _ in bounds if bound is not None]
    return right, [kind(bound + step) for bound, step in bounds if bound is not None]


LIMITED = [schema for schema in SCHEMAS.values() if any(column.condition for column in schema.columns)]


@pytest.mark.parametrize("schema", LIMITED, ids=str)
def test_what_a_column_may_hold_is_known_to_spark(spark: SparkSession, schema: Schema) -> None:
    conditions = {column: column.condition for column in schema.columns if column.condition}
    cases = {column: [(v, ok) for ok, some in zip((True, False), limits(column), strict=True) for v in some]
             for column in conditions}  # fmt: skip
    longest = max(map(len, cases.values()))
    fields = [schema.arrow.field(column.name) for column in conditions]
    rows = {c.name: [v for v, _ in cases[c]] + [None] * (longest - len(cases[c]) + 1) for c in conditions}
    frame = spark.createDataFrame(pa.table(rows, pa.schema(fields)))
    held = frame.selectExpr(*(f"({sql}) AS {column.name}" for column, sql in conditions.items())).collect()
    for column, some in cases.items():
        assert [row[column.name] for row in held] == [ok for _, ok in some] + [None] * (longest - len(some) + 1)


def row_of(schema: Schema, n: int) -> dict[str, Any]:
    """A row with a value in every column."""
    origin = {"_source": "party", "_drop": "d1", "_file": "f", "_record": n, "_deleted": False}
    return origin | {column.name: VALUES[column.type] for column in schema.columns}


EVERYTHING = Schema(
    name="everything",
    doc="",
    key=("id",),
    columns=(
        ID,
        *(Column.model_validate({"name": f"c{n}", "type": kind, "doc": kind}) for n, kind in enumerate(VALUES)),
    ),
)


@pytest.mark.parametrize("schema", [*SCHEMAS.values(), EVERYTHING], ids=str)
def test_a_table_is_what_the_schema_says(local_lake: Lake, spark: SparkSession, schema: Schema) -> None:
    tables = Tables(local_lake.catalog_properties(), local_lake.url())
    name = f"transformed.{schema}"
    full = row_of(schema, 1)
    empty = full | {column.name: None for column in schema.columns if not column.required} | {"_record": 2}
    rows = pa.Table.from_pylist([full, empty], schema.arrow)

    def put(drop: str, made: pa.Table) -> None:
        files = write([made], tables.folder(name), made.schema, local_lake.fs())
        mark = {"fingerprint": "f", "run": "r"}
        tables.replace(name, made.schema, {"_source": "party", "_drop": drop}, files, mark=("drop", drop, mark))

    put("d1", rows)
    scanned = tables.catalog.load_table(name).scan().to_arrow()
    assert scanned.to_pylist() == [full, empty]
    files = tables.files(name)
    if schema is EVERYTHING or "array<string>" in {column.type for column in schema.columns}:
        read = spark.read.schema(from_arrow_schema(schema.arrow)).parquet(*map(readable, files)).toArrow()
        assert read.sort_by("_record").to_pylist() == [full, empty]
        paths = [file.removeprefix("file://") for file in files]
        with duckdb.connect() as db:
            found = db.read_parquet(paths, hive_partitioning=False).order("_record").to_arrow_table()
            assert found.select(schema.arrow.names).to_pylist() == [full, empty]
    # a column that comes later is null in the files that were there
    later = schema.model_copy(update={"columns": (*schema.columns, Column(name="added", type="array<string>", doc=""))})
    put("d2", pa.Table.from_pylist([full | {"_drop": "d2", "added": ["x"]}], later.arrow))
    both = tables.catalog.load_table(name).scan().to_arrow().to_pylist()
    assert sorted((row["_drop"], row["_record"], row["added"]) for row in both) == [
        ("d1", 1, None), ("d1", 2, None), ("d2", 1, ["x"]),
    ]  # fmt: skip
