"""Raw to a common schema: Spark maps and sorts, Arrow writes what fits and what is held, and counts both.

Everything that a drop says on a subject goes through one shuffle, so that two datasets which say two things about one
key are seen.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel
from pyspark.errors import (
    ArithmeticException,
    ArrayIndexOutOfBoundsException,
    DateTimeException,
    NumberFormatException,
    SparkRuntimeException,
)
from pyspark.sql import SparkSession

from spark.alike import alike
from spark.errors import CountMismatch, Misdeclared
from spark.mapped import Input, Mapped, ranged
from spark.parts import DataFile
from spark.profiling.shown import Example, masked
from spark.schemas import Schema
from spark.writer import SORTED, ParquetWriter

__all__ = ["HELD", "RESULT", "Input", "Transformed", "transform"]

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
"""Columns of every `held` table; `_raw` is the raw row as a JSON object, the mapped one where that contradicts
another."""

CONTRADICTS = "contradicts another record of its key"
"""Why a row is held that fits, but is not what the row of its key says that stays."""

RESULT = "result"
"""Name of the one column in which a partition's writer reports."""

EXAMPLES = 5
"""Rows that are named of those that conflict, that are held for a reason, or whose value of a column is lost."""

Places = dict[str, tuple[Example, ...]]

MASKED = 3
"""Masked examples of a column's lost values."""

_OF_A_VALUE = (
    ArithmeticException,
    ArrayIndexOutOfBoundsException,
    DateTimeException,
    NumberFormatException,
    SparkRuntimeException,
)


class Transformed(BaseModel, frozen=True):
    """What a transform made, and its counts: rows + held + duplicates + superseded + skipped are the raw rows or, by
    `Mapping.each`, the rows that these became.

    `duplicates` repeat the row of their key that stays, `superseded` are lower in the schema's `latest` or, where by
    `Mapping.later` the later wins, earlier than it; `skipped` do not meet `Mapping.where`. `conflicting` rows, held
    like those that do not fit, contradict the row of their key that stays. `reasons` counts held rows by reason, and
    `held_at` names some of each. By column, `given` counts values, `lost` those of them that do not convert or that the
    column may not hold, `examples` shows some of these, letters as a and digits as 9, and `lost_at` says where some
    stand.
    """

    files: tuple[DataFile, ...] = ()
    held_files: tuple[DataFile, ...] = ()
    raw: int = 0
    rows: int = 0
    duplicates: int = 0
    superseded: int = 0
    skipped: int = 0
    reasons: dict[str, int] = {}
    given: dict[str, int] = {}
    lost: dict[str, int] = {}
    examples: dict[str, tuple[str, ...]] = {}
    held_at: Places = {}
    lost_at: Places = {}
    conflicting: int = 0

    @property
    def held(self) -> int:
        """Rows that do not fit, or contradict another."""
        return sum(self.reasons.values())

    @property
    def conflicts(self) -> tuple[str, ...]:
        """The first rows that contradict another, by file and record."""
        return tuple(f"{row.file} record {row.record:,}" for row in self.held_at.get(CONTRADICTS, ()))

    @property
    def judged(self) -> int:
        """Rows that were not skipped."""
        return self.rows + self.held + self.duplicates + self.superseded

    def __add__(self, other: "Transformed") -> "Transformed":
        return Transformed(
            files=self.files + other.files,
            held_files=self.held_files + other.held_files,
            raw=self.raw + other.raw,
            rows=self.rows + other.rows,
            duplicates=self.duplicates + other.duplicates,
            superseded=self.superseded + other.superseded,
            skipped=self.skipped + other.skipped,
            reasons=Counter(self.reasons) + Counter(other.reasons),
            given=Counter(self.given) + Counter(other.given),
            lost=Counter(self.lost) + Counter(other.lost),
            examples={
                name: tuple(dict.fromkeys(self.examples.get(name, ()) + other.examples.get(name, ())))[:MASKED]
                for name in self.examples | other.examples
            },
            held_at=_first(self.held_at, other.held_at),
            lost_at=_first(self.lost_at, other.lost_at),
            conflicting=self.conflicting + other.conflicting,
        )


def _first(some: Places, more: Places) -> Places:
    return {name: (some.get(name, ()) + more.get(name, ()))[:EXAMPLES] for name in some | more}


def transform(
    spark: SparkSession,
    inputs: Sequence[Input],
    schema: Schema,
    source: str,
    *,
    drop: str | None = None,
    into: str,
    held_into: str,
) -> Transformed:
    """Map the raw rows of all `inputs`, write those that fit below `into` and those that are held below `held_into`.

    Of `drop`, its rows alone: files may hold those of others as well. Each data file is sorted by the key, and has a
    range of the key's first column that no other has. Of several rows of a key that with the greatest `schema.latest`
    stays, a deletion without it before all; of these the first by file and record, or the last where `Mapping.later`
    says so.

    Raises `MissingColumns` where an expression names a column that the files do not have, `Misdeclared` where it is
    wrong otherwise, and `CountMismatch` where a row is lost, or counted twice, on the way.
    """
    rows = sum(given.rows for given in inputs)
    mapped = [Mapped(spark, given, drop, schema, source, n) for n, given in enumerate(inputs) if given.files]
    done = Transformed()
    if mapped:
        sorted_ = ranged(mapped, rows, schema, spark.sparkContext.defaultParallelism)
        write = partial(_write, schema=schema, into=into, held_into=held_into)
        try:
            results = sorted_.mapInArrow(write, f"{RESULT} string").collect()  # only files in this answer count
        except _OF_A_VALUE as error:
            raise Misdeclared(  # Spark's own words quote the value
                f"{source} to {schema}: an expression of the mapping fails on a value ({error.getCondition()}), where"
                " it should give null, as try_cast and the functions of spark.mapping do"
            ) from None
        done = sum((Transformed.model_validate_json(row[RESULT]) for row in results), Transformed())
        raw, made, skipped = map(sum, zip(*(given.seen() for given in mapped), strict=True))
        as_they_were = done.judged + skipped - made
        done = done.model_copy(update={"raw": raw + as_they_were, "skipped": skipped})
    if done.raw != rows:
        raise CountMismatch(
            f"{source} to {schema}: {rows:,} raw rows, {done.raw:,} read, {done.rows:,} transformed, {done.held:,}"
            f" held, {done.duplicates:,} duplicates, {done.superseded:,} superseded, {done.skipped:,} skipped"
        )
    return done


def _write(batches: Iterator[pa.RecordBatch], *, schema: Schema, into: str, held_into: str) -> Iterator[pa.RecordBatch]:
    """Write one sorted partition where it is; yields one row, a `Transformed` as JSON."""
    names = [column.name for column in schema.columns]
    stays: pa.Table | None = None
    done = Transformed()
    with ParquetWriter(into, schema.arrow, row_group=SORTED) as fits, ParquetWriter(held_into, HELD) as held:
        for batch in batches:
            table = pa.Table.from_batches([batch])
            fitting, unfit = _parted(table)
            settled = _settle(fitting, stays, schema)
            stays = settled.stays
            fits.write(settled.rows)
            held.write(unfit.select(HELD.names))
            held.write(_held(settled.conflicts, names))
            lost, examples, lost_at = _lost(table, names)
            done += Transformed(
                rows=settled.rows.num_rows,
                duplicates=settled.duplicates,
                superseded=settled.superseded,
                reasons=Counter(unfit["_reason"].to_pylist()) + Counter({CONTRADICTS: settled.conflicts.num_rows}),
                given={name: table.num_rows - table[name].null_count + lost[name] for name in names},
                lost=lost,
                examples=examples,
                held_at=_held_at(unfit, settled.conflicts),
                lost_at=lost_at,
                conflicting=settled.conflicts.num_rows,
            )
        done += Transformed(files=tuple(fits.close()), held_files=tuple(held.close()))
    yield pa.RecordBatch.from_pylist([{RESULT: done.model_dump_json()}])


def _parted(table: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Rows that fit, and those that are held for a reason."""
    reasons = table["_reason"]
    if reasons.null_count == len(reasons):  # as most are, and a filter copies
        return table, table.slice(0, 0)
    return table.filter(pc.is_null(reasons)), table.filter(pc.is_valid(reasons))


class _Settled(NamedTuple):
    """Of sorted rows one of each key, and what the others are; `stays` is the one of the last key."""

    rows: pa.Table
    conflicts: pa.Table
    duplicates: int
    superseded: int
    stays: pa.Table | None


def _settle(table: pa.Table, stays: pa.Table | None, schema: Schema) -> _Settled:
    """Let the first row of each key stay; `stays` is that of the key before the table, which may go on in it."""
    before = 0 if stays is None else 1
    rows = pa.concat_tables([stays, table]) if stays is not None else table
    none = table.slice(0, 0)
    if not table.num_rows:
        return _Settled(table, none, 0, 0, stays)
    every = np.arange(rows.num_rows)
    repeats = np.zeros(rows.num_rows, bool)
    pairs = ((rows[name].slice(1), rows[name].slice(0, len(every) - 1)) for name in schema.key)
    repeats[1:] = np.logical_and.reduce([alike(*pair) for pair in pairs])
    first = np.maximum.accumulate(np.where(repeats, 0, every))
    last = rows.slice(int(first[-1]), 1)
    again = every[repeats]
    if not len(again):
        return _Settled(table, none, 0, 0, last)
    others, those = rows.take(pa.array(again)), rows.take(pa.array(first[again]))
    compared = (column.name for column in schema.columns if column.name not in schema.key)
    agree = {name: alike(others[name], those[name]) for name in compared}
    deleted, also = (np.asarray(some["_deleted"]) for some in (others, those))
    # that a key is gone is all that a deletion says
    same = (deleted & also) | np.logical_and.reduce([deleted == also, *agree.values()])
    earlier = np.asarray(pc.fill_null(pc.equal(others["_wins"], those["_wins"]), False))
    lower = ~same & (earlier | ~agree[schema.latest] if schema.latest else earlier)
    return _Settled(
        rows=table.filter(pa.array(~repeats[before:])),
        conflicts=others.filter(pa.array(~same & ~lower)),
        duplicates=int(same.sum()),
        superseded=int(lower.sum()),
        stays=last,
    )


def _held(conflicts: pa.Table, names: Sequence[str]) -> pa.Table:
    """Rows that contradict others as those of a `held` table."""
    texts = [
        orjson.dumps({name: row[name] for name in names if row[name] is not None}, default=str).decode()
        for row in conflicts.select(names).to_pylist()
    ]
    reasons = pa.repeat(CONTRADICTS, len(texts))
    return pa.table([*conflicts.select(HELD.names[:4]), reasons, pa.array(texts, pa.string())], schema=HELD)


def _held_at(unfit: pa.Table, conflicts: pa.Table) -> Places:
    """Where some of the rows stand that are held, by reason."""
    reasons = unfit["_reason"]
    found = {reason: _named(unfit.filter(pc.equal(reasons, reason))) for reason in pc.unique(reasons).to_pylist()}
    return {**found, **({CONTRADICTS: _named(conflicts)} if conflicts.num_rows else {})}


def _named(rows: pa.Table, texts: Sequence[str] = ("",) * EXAMPLES) -> tuple[Example, ...]:
    """Where the first of some rows stand, and what is said of each."""
    first = rows.select(["_file", "_record"]).slice(0, EXAMPLES).to_pylist()
    return tuple(
        Example(file=row["_file"], record=row["_record"], text=text) for row, text in zip(first, texts, strict=False)
    )


def _lost(table: pa.Table, names: Sequence[str]) -> tuple[Counter[str], dict[str, tuple[str, ...]], Places]:
    """How many values of each column are lost, how some look, and where, from lists with a place for each column."""
    rows = table.select(["_file", "_record", "_lost"]).filter(pc.is_valid(table["_lost"]))
    values = pc.list_flatten(rows["_lost"])
    lost, examples, places = Counter[str](), dict[str, tuple[str, ...]](), Places()
    for place, name in enumerate(names if len(values) else ()):
        of = values.take(np.arange(place, len(values), len(names)))
        which = np.flatnonzero(of.is_valid())
        if len(which):
            lost[name] = len(which)
            examples[name] = tuple(dict.fromkeys(map(masked, pc.unique(of.take(which[:100])).to_pylist())))[:MASKED]
            some = which[:EXAMPLES]
            places[name] = _named(rows.take(some), [masked(text) for text in of.take(some).to_pylist()])
    return lost, examples, places
