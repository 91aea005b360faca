"""What a transformed drop must be like before it counts, judged by the counts of its one pass.

Only references take a further look: at one column of the files just written, and at the keys that it leads to. pandera
(0.35) counts rows anew for every check of a column, in a job of its own, and says no share; pydeequ (1.7) wants a
PySpark before 4.2 and Deequ's jar, and aggregates in a second pass. Neither sees what is lost or held on the way.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import NamedTuple

from pydantic import BaseModel, Field
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col, count, lit

from spark.profiling.findings import Finding
from spark.schemas import Schema
from spark.session import readable
from spark.transform import Transformed


class Checks(BaseModel, frozen=True):
    """How far a drop may be from what is right, as shares.

    `held` of its rows may be held, `lost` of a column's given values be lost, `dangling` of the distinct values of a
    reference lead nowhere. `conflicting` of its rows may contradict another of their key: they are held, and the first
    of the key by file and record stays, though it is no more likely to be right. A full drop may have `fewer` or `more`
    rows than the last full one before it, as shares of that one's; `more` None: any number. One row or value is always
    allowed, as a small drop has no shares to speak of, unless the limit is 0, as that of `conflicting` is.
    """

    held: float = Field(default=0.05, ge=0)
    lost: float = Field(default=0.05, ge=0)
    dangling: float = Field(default=0.05, ge=0)
    conflicting: float = Field(default=0, ge=0)
    fewer: float = Field(default=0.1, ge=0)
    more: float | None = Field(default=1.0, ge=0)


class Failure(BaseModel, frozen=True):
    """A check that failed: what was found, in counts, and where to look."""

    check: str
    found: str
    look: str

    def __str__(self) -> str:
        return f"{self.found} (look at {self.look})"


class Parent(NamedTuple):
    """Data files in which the rows of a source that may be referred to stand, among others; of `drop`, or of any."""

    files: Sequence[str]
    drop: str | None


class Reference(BaseModel, frozen=True):
    """The distinct values of a column that references another table's, and how many of them do not stand there."""

    values: int
    dangling: int


def references(
    spark: SparkSession, done: Transformed, schema: Schema, source: str, parents: Mapping[str, Sequence[Parent]]
) -> dict[str, Reference]:
    """Look up what the rows just written refer to, by column.

    `parents` are by the name of the column. A deletion is no row that may be referred to, and refers to nothing.
    """
    found = {}
    for column in schema.columns:
        if not column.references or column.name not in parents or not done.files:
            continue
        there = column.references.partition(".")[2]
        own = _values(spark, [f.url for f in done.files], column.name, column.type).where(
            "NOT coalesce(_deleted, false)"
        )
        known = reduce(
            DataFrame.union,
            [
                _values(spark, parent.files, there, column.type)
                .where(col("_source") == source)
                .where(lit(True) if parent.drop is None else col("_drop") == parent.drop)
                .where("NOT coalesce(_deleted, false)")
                .select(col(there).alias("value"))
                for parent in parents[column.name]
            ],
        )
        values = own.select(col(column.name).alias("value")).where("value IS NOT NULL").distinct()
        row = values.join(known.distinct().withColumn("known", lit(1)), "value", "left").agg(
            count("value").alias("values"), count("known").alias("known")
        )
        [counts] = row.collect()
        found[column.name] = Reference(values=counts["values"], dangling=counts["values"] - counts["known"])
    return found


def _values(spark: SparkSession, files: Sequence[str], column: str, kind: str) -> DataFrame:
    """One column of transformed or current rows, of which the latter have no `_deleted`."""
    columns = f"_source string, _drop string, _deleted boolean, `{column}` {kind}"
    return spark.read.schema(columns).parquet(*map(readable, files))


def failures(
    done: Transformed,
    schema: Schema,
    checks: Checks,
    *,
    slice_: str,
    before: int | None = None,
    refers: Mapping[str, Reference] | None = None,
) -> tuple[Failure, ...]:
    """What is not as it must be.

    `slice_` says which rows are the drop's, such as `_source = 'nppes' AND _drop = '2026-11'`; `before` are the rows of
    the last full drop before it, None where there is none or this is no full one.
    """
    return tuple(_failures(done, schema, checks, slice_, before, refers or {}))


def unexpected(broken: Sequence[Finding], dataset: str, look: str) -> tuple[Failure, ...]:
    """Expectations of a dataset that are broken, as checks that failed; `look` says where its rows are."""
    return tuple(
        Failure(
            check="expected",
            found=f"{dataset} {finding}",
            look=f"{look}{f': {finding.column}' if finding.column else ''}",
        )
        for finding in broken
    )


def _failures(
    done: Transformed,
    schema: Schema,
    checks: Checks,
    slice_: str,
    before: int | None,
    refers: Mapping[str, Reference],
) -> Iterator[Failure]:
    held, candidate = f"held.{schema}", f"candidate.{schema}"
    if _over(checks.conflicting, done.conflicting, done.judged):
        yield Failure(
            check="keys",
            found=f"{done.conflicting:,} rows contradict another of their key, among them {'; '.join(done.conflicts)}",
            look=f"{held} where {slice_} AND _reason LIKE 'contradicts%', beside {candidate}: {', '.join(schema.key)}",
        )
    unfit = done.held - done.conflicting
    if _over(checks.held, unfit, done.judged):
        reasons = ", ".join(f"{n:,} × {reason}" for reason, n in sorted(done.reasons.items()))
        yield Failure(
            check="held",
            found=f"{_share(unfit, done.judged)} rows are held, {checks.held:.1%} may be: {reasons}",
            look=f"{held} where {slice_}: _reason, _raw",
        )
    for name, lost in done.lost.items():
        if _over(checks.lost, lost, done.given[name]):
            yield Failure(
                check="lost",
                found=f"{_share(lost, done.given[name])} values of {name} are lost, {checks.lost:.1%} may be; they look"
                f" like {' or '.join(map(repr, done.examples.get(name, ())))}",
                look=f"{candidate} where {slice_} AND {name} IS NULL: _file, _record lead to the record in raw",
            )
    for name, reference in refers.items():
        if _over(checks.dangling, reference.dangling, reference.values):
            there = next(c.references for c in schema.columns if c.name == name)
            yield Failure(
                check="references",
                found=f"{_share(reference.dangling, reference.values)} values of {name} are not in {there},"
                f" {checks.dangling:.1%} may be",
                look=f"{candidate} where {slice_}: {name}",
            )
    if before is not None and _over(checks.fewer, before - done.rows, before):
        yield Failure(
            check="fewer",
            found=f"{done.rows:,} rows, where the last full drop has {before:,}: {checks.fewer:.1%} fewer may be",
            look=f"{candidate} where {slice_}, and raw: is the file whole",
        )
    if before is not None and checks.more is not None and _over(checks.more, done.rows - before, before):
        yield Failure(
            check="more",
            found=f"{done.rows:,} rows, where the last full drop has {before:,}: {checks.more:.1%} more may be",
            look=f"{candidate} where {slice_}: {', '.join(schema.key)}",
        )


def _over(limit: float, n: int, of: int) -> bool:
    return n > (max(1.0, limit * of) if limit else 0)


def _share(n: int, of: int) -> str:
    return f"{n:,} of {of:,}"
