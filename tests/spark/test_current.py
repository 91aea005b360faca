import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from spark.current import Merged, current_schema, merge
from spark.schemas import Column, Schema
from spark.transform import BUCKETS
from spark.writer import write

PEOPLE = Schema(
    name="person",
    doc="For tests.",
    key=("id", "part"),
    columns=(
        Column(name="id", type="string", doc="", required=True),
        Column(name="part", type="int", doc="", required=True),
        Column(name="value", type="string", doc=""),
    ),
)
KINDS = ("full", "incremental", "deletions")
Key = tuple[str, int]


class Drop(NamedTuple):
    """`rows` says of a key whether it is deleted; what a row holds is the drop's own name."""

    kind: str
    as_of: int
    revision: int
    rows: dict[Key, bool]
    applied: bool


@st.composite
def drops(draw: st.DrawFn) -> list[Drop]:
    keys = st.tuples(st.sampled_from("abcdef"), st.integers(1, 2))

    def drop(kind: str) -> st.SearchStrategy[Drop]:
        gone = {"full": st.just(False), "incremental": st.booleans(), "deletions": st.just(True)}[kind]
        rows = st.dictionaries(keys, gone, max_size=8)
        return st.builds(
            Drop, st.just(kind), st.integers(1, 4), st.integers(1, 2), rows, st.sampled_from([True] * 5 + [False])
        )

    # In the order in which they arrive; no two drops of a source share a place in the order.
    kinds = st.sampled_from(KINDS).flatmap(drop)
    return draw(st.lists(kinds, max_size=8, unique_by=lambda d: (d.as_of, d.kind, d.revision)))


def order(drop: Drop) -> tuple[int, int, int]:
    return drop.as_of, KINDS.index(drop.kind), drop.revision


def name(drop: Drop) -> str:
    return f"{drop.kind}-{drop.as_of}-{drop.revision}"


def bucket(key: Key) -> int:
    return zlib.crc32(repr(key).encode()) % BUCKETS


def written(drop: Drop, folder: str) -> list[str]:
    """The drop's rows in Transformed; the keys are in no order, in two files."""
    rows = [
        {"_source": "party", "_drop": name(drop), "_file": "f", "_record": n, "_deleted": gone}
        | {"_bucket": bucket(key), "id": key[0], "part": key[1], "value": None if gone else name(drop)}
        for n, (key, gone) in enumerate(drop.rows.items(), 1)
    ]
    table = pa.Table.from_pylist(rows, PEOPLE.arrow)
    return (
        [file.url for half in (table[::2], table[1::2]) for file in write([half], folder, PEOPLE.arrow)] if rows else []
    )


def read(merged: Merged) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for file in merged.files:
        table = pq.read_table(file.url.removeprefix("file://"), partitioning=None)
        assert table.schema.equals(current_schema(PEOPLE))
        assert len(set(table["_bucket"].to_pylist())) == 1, "a file of one bucket, or Iceberg refuses it"
        assert file.rows == table.num_rows > 0
        found += table.to_pylist()
    assert merged.rows == len(found)
    return found


def run(spark: SparkSession, arrived: Sequence[Drop], folder: str) -> dict[Key, str]:
    files = [file for drop in arrived for file in written(drop, f"file://{folder}/transformed")]
    ranks = {name(drop): rank for rank, drop in enumerate(sorted(arrived, key=order)) if drop.applied}
    rows = read(merge(spark, files, ranks, PEOPLE, into=f"file://{folder}/current"))
    assert all(row["_drop"] == row["value"] and row["_bucket"] == bucket((row["id"], row["part"])) for row in rows)
    current = {(row["id"], row["part"]): row["value"] for row in rows}
    assert len(current) == len(rows), "a key twice"
    return current


def model(arrived: Sequence[Drop]) -> dict[Key, str]:
    """What the drops say, applied one after another in the order of what they speak of."""
    current: dict[Key, str] = {}
    for drop in sorted(arrived, key=order):
        if drop.applied:
            for key, gone in drop.rows.items():
                if gone:
                    current.pop(key, None)
                else:
                    current[key] = name(drop)
    return current


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(arrived=drops())
def test_current_is_what_the_drops_say_in_their_order(spark: SparkSession, arrived: list[Drop]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert run(spark, arrived, folder) == model(arrived)


def test_a_key_that_comes_back(spark: SparkSession, tmp_path: Path) -> None:
    key, other = ("a", 1), ("b", 1)
    arrived = [
        Drop("incremental", 3, 1, {key: False}, True),  # arrives first, speaks of the latest day
        Drop("full", 1, 1, {key: False, other: False}, True),
        Drop("deletions", 1, 1, {other: True}, True),  # of the same day as the full one, and after it
        Drop("deletions", 2, 1, {key: True}, True),
    ]
    assert run(spark, arrived, str(tmp_path)) == model(arrived) == {key: "incremental-3-1"}


def test_many_batches_and_all_buckets(spark: SparkSession, tmp_path: Path) -> None:
    before = spark.conf.get("spark.sql.execution.arrow.maxRecordsPerBatch") or ""
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "3")
    try:
        full = Drop("full", 1, 1, {(letter, n): False for letter in "abcdef" for n in range(40)}, True)
        half = Drop("incremental", 2, 1, {key: key[1] % 4 == 0 for key in full.rows if key[1] % 2 == 0}, True)
        assert run(spark, [half, full], str(tmp_path)) == model([full, half])
    finally:
        spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", before)


def test_nothing_to_merge(spark: SparkSession) -> None:
    assert merge(spark, [], {}, PEOPLE, into="nowhere") == Merged()
