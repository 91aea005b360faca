"""Raw to a common schema: Spark maps and sorts, Arrow writes what fits and what is held, and counts both."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col, lit
from pyspark.sql.pandas.types import from_arrow_schema

from spark.errors import ConflictingKeys, CountMismatch, MissingColumns
from spark.mapping import Expression, Mapping
from spark.parts import DataFile
from spark.schemas import Schema
from spark.session import readable
from spark.writer import ParquetWriter

HELD = pa.schema(
    [
        ("_source", pa.string()),
        ("_drop", pa.string()),
        ("_file", pa.string()),
        ("_record", pa.int64()),
        ("_reason", pa.string()),
        ("_raw", pa.string()),
    ]
)
"""Columns of every `held` table; `_raw` is the raw row as a JSON object."""

BUCKETS = 16
"""Slices of `current` by a hash of the key: what an increment does not touch is not rewritten."""

RESULT = "result"
"""Name of the one column in which a partition's writer reports."""

EXAMPLES = 5
"""Conflicting rows that an error names."""

_ROWS_A_TASK = 2_000_000


class Transformed(BaseModel, frozen=True):
    """What a transform made, and its counts: raw = rows + held + duplicates.

    `reasons` counts held rows by reason, `nulled` values that would not convert by column. `conflicting` rows
    say another thing about a key than the row before them; `conflicts` names the first of them by file and record.
    """

    files: tuple[DataFile, ...] = ()
    held_files: tuple[DataFile, ...] = ()
    raw: int = 0
    rows: int = 0
    duplicates: int = 0
    reasons: dict[str, int] = {}
    nulled: dict[str, int] = {}
    conflicting: int = 0
    conflicts: tuple[str, ...] = ()

    @property
    def held(self) -> int:
        """Rows that do not fit."""
        return sum(self.reasons.values())

    def __add__(self, other: "Transformed") -> "Transformed":
        return Transformed(
            files=self.files + other.files,
            held_files=self.held_files + other.held_files,
            raw=self.raw + other.raw,
            rows=self.rows + other.rows,
            duplicates=self.duplicates + other.duplicates,
            reasons=Counter(self.reasons) + Counter(other.reasons),
            nulled=Counter(self.nulled) + Counter(other.nulled),
            conflicting=self.conflicting + other.conflicting,
            conflicts=(self.conflicts + other.conflicts)[:EXAMPLES],
        )


def transform(
    spark: SparkSession,
    files: Sequence[str],
    raw: pa.Schema,
    rows: int,
    mapping: Mapping,
    schema: Schema,
    source: str,
    *,
    drop: str | None = None,
    into: str,
    held_into: str,
) -> Transformed:
    """Map the `rows` raw rows in `files`, whose columns are `raw`'s, and write them below `into` and `held_into`.

    Of a drop, its rows alone: files may hold those of others as well.
    Raises `MissingColumns` where an expression names a column that the file does not have, `ConflictingKeys` where the
    drop says two things about one key, `CountMismatch` where a row is neither transformed, nor held, nor a duplicate.
    """
    if not files:
        return Transformed()
    view = spark.read.schema(from_arrow_schema(raw)).parquet(*map(readable, files))
    if drop is not None:
        view = view.where(col("_drop") == drop)
    for name in mapping.optional:
        if name not in raw.names:
            view = view.withColumn(name, lit(None).cast("string"))
    mapped = _mapped(view, mapping, schema, source)
    tasks = max(1, -(-rows // _ROWS_A_TASK))
    sorted_ = mapped.repartition(tasks, *schema.key).sortWithinPartitions(*schema.key)
    write = partial(_write, schema=schema, into=into, held_into=held_into)
    results = sorted_.mapInArrow(write, f"{RESULT} string").collect()  # only files in this answer count
    done = sum((Transformed.model_validate_json(row[RESULT]) for row in results), Transformed())
    if done.conflicting:
        raise ConflictingKeys(
            f"{source}: {done.conflicting:,} rows of {schema} repeat a key with other values,"
            f" among them {'; '.join(done.conflicts)}"
        )
    if not done.raw == rows == done.rows + done.held + done.duplicates:
        counts = f"{done.rows:,} transformed, {done.held:,} held, {done.duplicates:,} duplicates"
        raise CountMismatch(f"{source} to {schema}: {rows:,} raw rows, {done.raw:,} read, {counts}")
    return done


def _mapped(view: DataFrame, mapping: Mapping, schema: Schema, source: str) -> DataFrame:
    """The columns of the common schema, and beside them `_reason` and `_raw`, null but in held rows, and `_nulled`."""
    if unknown := mapping.columns.keys() - {c.name for c in schema.columns}:
        raise ValueError(f"{source}: the mapping names {', '.join(sorted(unknown))}, which {schema} does not have")
    expressions = {name: e if isinstance(e, Expression) else Expression(e, e) for name, e in mapping.columns.items()}
    given = {c.name: expressions.get(c.name, Expression("NULL", "NULL")) for c in schema.columns}
    used = set(re.findall(r"\w+", " ".join(e.sql for e in given.values())))
    read = [f"`{name}`" for name in view.columns if name in used]
    missing = [
        f"CASE WHEN {c.name} IS NULL{unless_deleted} THEN '{c.name} is required' END"
        for c in schema.columns
        if c.required
        for unless_deleted in ["" if c.name in schema.key else " AND NOT _deleted"]
    ]
    lost = [f"CASE WHEN {c} IS NULL AND _given_{c} THEN '{c}' END" for c in expressions]
    try:
        # steps, each over the names of the one before, so that no expression is worked out twice
        values = view.selectExpr(
            *("_drop", "_file", "_record", f"struct({', '.join(read)}) AS _raw"),
            f"coalesce({mapping.deleted}, false) AS _deleted",
            *(
                f"try_cast(({e.sql}) AS {c.type}) AS {c.name}"
                for c, e in zip(schema.columns, given.values(), strict=True)
            ),
            *(f"({given[name].given}) IS NOT NULL AS _given_{name}" for name in expressions),
        )
        allowed = values.selectExpr(  # what a column may not hold is lost like what does not convert
            *("_drop", "_file", "_record", "_raw", "_deleted"),
            *(f"CASE WHEN {c.condition or 'true'} THEN {c.name} END AS {c.name}" for c in schema.columns),
            *(f"_given_{name}" for name in expressions),
        )
        judged = allowed.selectExpr(
            "*",
            f"nullif(concat_ws('; ', {', '.join(missing)}), '') AS _reason",
            f"concat_ws(',', {', '.join(lost)}) AS _nulled",
        )
        return judged.selectExpr(
            f"'{source}' AS _source",
            *("_drop", "_file", "_record", "_deleted"),
            f"CAST(pmod(xxhash64({', '.join(schema.key)}), {BUCKETS}) AS int) AS _bucket",
            *(c.name for c in schema.columns),
            *("_reason", "CASE WHEN _reason IS NOT NULL THEN to_json(_raw) END AS _raw", "_nulled"),
        )
    except AnalysisException as error:
        raise MissingColumns(f"{source} to {schema}: {str(error).strip().splitlines()[0]}") from error


def _write(batches: Iterator[pa.RecordBatch], *, schema: Schema, into: str, held_into: str) -> Iterator[pa.RecordBatch]:
    """Write one sorted partition where it is; yields one row, a `Transformed` as JSON."""
    compared = ["_deleted", *(c.name for c in schema.columns)]
    previous: pa.Table | None = None
    done = Transformed()
    with ParquetWriter(into, schema.arrow) as fits, ParquetWriter(held_into, HELD) as held:
        for batch in batches:
            table = pa.Table.from_batches([batch])
            is_held = pc.is_valid(table["_reason"])
            held_rows = table.filter(is_held)
            held.write(held_rows)
            fitting = table.filter(pc.invert(is_held))
            unique, duplicates, conflicts = _without_duplicates(fitting, previous, schema.key, compared)
            previous = fitting.slice(max(0, fitting.num_rows - 1)) if fitting.num_rows else previous
            fits.write(unique)
            done += Transformed(
                raw=table.num_rows,
                rows=unique.num_rows,
                duplicates=duplicates,
                reasons=Counter(held_rows["_reason"].to_pylist()),
                nulled=_lost(table["_nulled"]),
                conflicting=len(conflicts),
                conflicts=tuple(conflicts[:EXAMPLES]),
            )
        done += Transformed(files=tuple(fits.close()), held_files=tuple(held.close()))
    yield pa.RecordBatch.from_pylist([{RESULT: done.model_dump_json()}])


def _without_duplicates(
    table: pa.Table, previous: pa.Table | None, key: Sequence[str], compared: Sequence[str]
) -> tuple[pa.Table, int, list[str]]:
    """Rows sorted by key without exact repetitions, how many those were, and where rows of one key differ.

    `previous` is the last row before the table, as a repetition may stand on both sides of a batch's end.
    """
    before = 1 if previous is not None else 0
    rows = pa.concat_tables([previous, table]) if previous is not None else table
    if rows.num_rows < 2:
        return table, 0, []
    same_key = np.logical_and.reduce([_like_the_row_before(rows[name]) for name in key])
    repeated = np.flatnonzero(same_key) + 1
    if not len(repeated):
        return table, 0, []
    same = np.logical_and.reduce([_like_the_row_before(rows[name]) for name in compared])
    conflicts = [
        f"{row['_file']} record {row['_record']:,}"
        for row in rows.select(["_file", "_record"]).take(repeated[~same[repeated - 1]]).to_pylist()
    ]
    keep = np.ones(rows.num_rows, bool)
    keep[repeated] = False
    return table.filter(pa.array(keep[before:])), len(repeated) - len(conflicts), conflicts


def _like_the_row_before(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """For each row but the first: whether its value, or its lack of one, is that of the row before."""
    values = column.combine_chunks()
    if pa.types.is_list(values.type):  # Arrow compares no lists
        return np.fromiter((one == other for one, other in pairwise(values.to_pylist())), bool, max(0, len(values) - 1))
    here, before = values.slice(1), values.slice(0, len(values) - 1)
    equal = pc.fill_null(pc.equal(here, before), False)
    neither = pc.and_(pc.is_null(here, nan_is_null=True), pc.is_null(before, nan_is_null=True))
    alike = pc.and_(neither, pc.equal(pc.is_null(here), pc.is_null(before)))  # a NaN is like a NaN, not like a null
    result: npt.NDArray[np.bool_] = pc.or_(equal, alike).to_numpy(zero_copy_only=False)
    return result


def _lost(nulled: pa.ChunkedArray) -> Counter[str]:
    """How often each column stands in comma-separated lists."""
    lost: Counter[str] = Counter()
    for entry in pc.value_counts(nulled).to_pylist():
        lost.update({name: entry["counts"] for name in entry["values"].split(",") if name})
    return lost
