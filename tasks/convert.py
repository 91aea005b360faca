"""convert: staged parts to Raw, lossless, what does not parse kept beside it."""

import os
from collections.abc import Sequence

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel
from pyspark import SparkContext

from spark.convert import (
    REJECTED,
    Converted,
    Rows,
    Split,
    Target,
    convert_file,
    convert_share,
    raw_schema,
    settled,
    split,
    total,
)
from spark.errors import Miscounted, TooManyRejected
from spark.parts import Part, StagedFile
from spark.readers import AnyReader, Fixed
from spark.session import session
from spark.tables import Mark
from tasks.retrying import RETRY
from tasks.run import Run, current
from tasks.source import Drop
from tasks.unwrap import Parts, clean

SPARK_FROM = 1024**3
"""Bytes of plaintext in a file from which Spark distributes its parts; below, this process is faster."""


class RawDataset(BaseModel, frozen=True):
    """What one dataset of a drop has in Raw: records = rows + rejected."""

    rows: int
    rejected: int
    reasons: dict[str, int]
    nulls: dict[str, int]


class Raw(BaseModel, frozen=True):
    """A drop that is in Raw, by dataset."""

    drop: Drop
    fingerprint: str
    datasets: dict[str, RawDataset]


@task(task_run_name="convert {parts.drop}", cache_policy=NO_CACHE, **RETRY)
def convert(parts: Parts) -> Raw:
    """Turn a drop's parts into Raw, or answer with what is committed."""
    run = current()
    if not parts.up_to_date:
        to_raw(parts, run)
        clean(run.lake, parts.drop, run.id)
    return committed(parts.drop, parts.fingerprint, run)


def to_raw(parts: Parts, run: Run, *, spark_from: int = SPARK_FROM) -> None:
    """Convert every dataset, then replace the drop in each `rejected` and `raw` table.

    Raises `TooManyRejected` where a dataset's share of rejected records is above the source's limit, and `Miscounted`
    where a file has not the records that the party counted; then, as after any other error, nothing is committed.
    """
    source, drop = run.source, parts.drop
    by_file = {name: _dataset(files, name, drop, run, spark_from) for name, files in parts.datasets.items()}
    _count(drop, [(file, converted) for files in by_file.values() for file, converted, _ in files])
    done = {name: sum((converted for _, converted, _ in files), Converted()) for name, files in by_file.items()}
    schemas = {name: pa.unify_schemas([schema for _, _, schema in files]) for name, files in by_file.items()}
    for name, converted in done.items():
        if converted.rejected > source.reject_limit * converted.records:
            reasons = ", ".join(f"{n:,} × {reason}" for reason, n in converted.reasons.items())
            raise TooManyRejected(
                f"{source.slug} {drop} {name}: {converted.rejected:,} of {converted.records:,} records ({reasons})"
            )
    gone = [name for name in source.datasets if name not in done and _mark(name, drop, run)]
    for name, converted in {**done, **dict.fromkeys(gone, Converted())}.items():
        mark = run.mark(
            parts.fingerprint,
            datasets=sorted(done),
            rows=converted.rows,
            rejected=converted.rejected,
            reasons=converted.reasons,
            nulls=converted.nulls,
        )
        here = {"_drop": drop.key}
        rejected, raw = source.table("rejected", name), source.table("raw", name)
        run.tables.replace(rejected, REJECTED, here, converted.rejects, mark=("drop", drop.key, mark))
        run.tables.replace(raw, schemas.get(name, raw_schema([])), here, converted.files, mark=("drop", drop.key, mark))


def committed(drop: Drop, fingerprint: str, run: Run) -> Raw:
    """What Raw has of a drop, as made from the inputs of this fingerprint."""
    marks = {name: _mark(name, drop, run) for name in run.source.datasets}
    return Raw(
        drop=drop,
        fingerprint=fingerprint,
        datasets={
            name: RawDataset.model_validate({field: mark[field] for field in RawDataset.model_fields})
            for name, mark in marks.items()
            if mark and name in mark["datasets"]
        },
    )


def _mark(name: str, drop: Drop, run: Run) -> Mark | None:
    return run.tables.marks(run.source.table("raw", name), "drop").get(drop.key)


def _count(drop: Drop, files: list[tuple[str, Converted]]) -> None:
    """Raise `Miscounted` where what a delivered file holds, in whichever datasets, is not what the party counted."""
    for file in drop.files:
        records = sum(done.records for name, done in files if name == file.name or name.startswith(f"{file.name}/"))
        if file.records is not None and records != file.records:
            raise Miscounted(f"{drop.source} {drop} {file.name}: {records:,} records, the party says {file.records:,}")


def _dataset(
    files: tuple[StagedFile, ...], name: str, drop: Drop, run: Run, spark_from: int
) -> list[tuple[str, Converted, pa.Schema]]:
    """What became of each plain file, and the schema of its rows."""
    reader = run.source.datasets[name].reader
    if isinstance(reader, Fixed):
        reader = reader.of(drop.as_of.year)
    reader = settled(reader, files, run.lake.fs())
    folders = [run.tables.folder(run.source.table(zone, name)) for zone in ("raw", "rejected")]
    cores = os.cpu_count() or 1
    done = []
    for staged in files:
        to = Target(drop=drop.key, file=staged.file, columns=staged.columns, rows=folders[0], rejects=folders[1])
        if sum(part.bytes for part in staged.parts) >= spark_from:
            context = session(run.lake.environment()).sparkContext
            shares = split(staged, reader, context.defaultParallelism, run.lake.fs())
            converted = _on_spark(context, shares, reader, to, run)
        else:
            shares = split(staged, reader, cores, run.lake.fs())
            converted = convert_file(shares, reader, to, run.lake.fs(), cores)
        done.append((staged.file, converted, shares.schema))
    return done


def _on_spark(context: SparkContext, file: Split, reader: AnyReader, to: Target, run: Run) -> Converted:
    """The same function, shipped to where Spark has cores; only what comes back from this one collect counts."""
    shares = [_by_url(share, run) for share in file.shares]
    results = context.parallelize(shares, len(shares)).map(lambda share: convert_share(share, reader, to)).collect()
    return total(results, file, to.file)


def _by_url(share: Sequence[Part] | Rows, run: Run) -> Sequence[Part] | Rows:
    """A share whose parts an executor finds without the lake's block."""

    def found(part: Part) -> Part:
        return part.model_copy(update={"path": run.lake.fs().unstrip_protocol(part.path)})

    if isinstance(share, Rows):
        return share.model_copy(update={"part": found(share.part)})
    return [found(part) for part in share]
