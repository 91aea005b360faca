"""convert: staged parts to Raw, lossless, what does not parse kept beside it."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from prefect import get_run_logger
from pydantic import BaseModel
from pyspark import SparkContext

from spark.convert import (
    REJECTED,
    Converted,
    Job,
    Rows,
    Split,
    Target,
    convert_files,
    convert_share,
    raw_schema,
    settled,
    split,
    total,
)
from spark.drift import Column, Drift, Layout, drift, kept, layout, united
from spark.errors import DataError, Drifted, Miscounted, Mislisted, TooManyRejected
from spark.frozen import frozen
from spark.parts import Part, StagedFile
from spark.profiling.profiler import one_in
from spark.readers import FileReader, Fixed, Reader
from spark.session import not_ended, session
from spark.tables import Mark
from tasks import contents, decisions, index, metrics, profiles
from tasks.cores import SPARK_FROM, cores
from tasks.drop import order
from tasks.engine import Log
from tasks.events import emit
from tasks.run import Run, Step, current
from tasks.source import Drop, fingerprint
from tasks.tracked import tracked
from tasks.unwrap import Parts, clean, raw_is_due

CORES = min(4, cores())
"""Threads that convert at once: each takes some 0.2 GB, and a task stays below 1 GiB."""

RECORD = 512
"""Bytes of a record, about, where nobody has counted them."""


class RawDataset(BaseModel, frozen=True):
    """What one dataset of a drop has in Raw: records = rows + rejected.

    `drift` is against the drop before; None where there is none, or where no file says what columns it has.
    """

    rows: int
    rejected: int
    reasons: dict[str, int]
    nulls: dict[str, int]
    drift: Drift | None = None


class Raw(BaseModel, frozen=True):
    """A drop that is in Raw, by dataset."""

    drop: Drop
    fingerprint: str
    datasets: dict[str, RawDataset]


@tracked("convert {parts.drop}")
def convert(parts: Parts) -> Raw:
    """Turn a drop's parts into Raw, or answer with what is committed."""
    run = current()
    if run.dry is not None:
        why = raw_is_due(parts.drop, parts.fingerprint, run)
        run.dry.append(Step(drop=parts.drop.key, stage="convert", why=why, bytes=parts.drop.bytes))
    elif not parts.up_to_date:
        to_raw(parts, run, log=get_run_logger())
        clean(run.lake, parts.drop, run.id)
    return committed(parts.drop, parts.fingerprint, run)


def to_raw(parts: Parts, run: Run, *, spark_from: int = SPARK_FROM, log: Log | None = None) -> None:
    """Convert every dataset, then replace the drop in each `rejected` and `raw` table.

    Raises `Drifted`, before a record is converted, where the columns of a dataset are such as its policy does not take,
    `TooManyRejected` where a dataset's share of rejected records is above the source's limit and nobody has accepted
    the drop, `Mislisted` where its files are not as the lists among them say and nobody has, and `Miscounted` where a
    delivered file has not the records that the party counted; then, as after any other error, nothing is committed.
    """
    source, drop, log = run.source, parts.drop, log or logging.getLogger("inlet")
    plans = {name: _splits(files, name, drop, run, spark_from) for name, files in parts.datasets.items()}
    met = {name: _met(plan, name, drop, run, log) for name, plan in plans.items()}
    by_file = {name: _converted(columns.plans, name, drop, run) for name, columns in met.items()}
    _count(drop, [(file, converted) for files in by_file.values() for file, converted in files])
    done = {name: sum((converted for _, converted in files), Converted()) for name, files in by_file.items()}
    accepted = _accepted(done, _contradictions(plans, by_file, drop, run), drop, run, log)
    index.keep(run.lake, drop, parts.fingerprint, parts.datasets)
    profiles.keep(run.lake, drop, parts.fingerprint, {name: converted.profile for name, converted in done.items()})
    gone = [name for name in source.datasets if name not in done and _mark(name, drop, run)]
    for name, converted in {**done, **dict.fromkeys(gone, Converted())}.items():
        columns = met.get(name, Met((), raw_schema([]), (), None))
        mark = run.mark(
            parts.fingerprint,
            datasets=sorted(done),
            rows=converted.rows,
            rejected=converted.rejected,
            reasons=converted.reasons,
            nulls=converted.nulls,
            as_of=drop.as_of.isoformat(),
            kind=drop.kind,
            revision=drop.revision,
            columns=columns.id,
            drift=columns.drift and columns.drift.model_dump(),
            accepted=accepted,
        )
        here = {"_drop": drop.key}
        rejected, raw = source.table("rejected", name), source.table("raw", name)
        run.tables.replace(rejected, REJECTED, here, converted.rejects, mark=("drop", drop.key, mark))
        also = [("columns", columns.id, {"columns": columns.layout})] if columns.id else []
        run.tables.replace(raw, columns.schema, here, converted.files, mark=("drop", drop.key, mark), also=also)
        written = {"files": len(converted.files), "bytes": sum(file.bytes for file in converted.files)}
        metrics.add(source.slug, "raw", rows=converted.rows, rejected=converted.rejected, **written)


def committed(drop: Drop, fingerprint: str, run: Run) -> Raw:
    """What Raw has of a drop, as made from the inputs of this fingerprint."""
    marks = {name: _mark(name, drop, run) for name in run.source.datasets}
    return Raw(
        drop=drop,
        fingerprint=fingerprint,
        datasets={
            name: RawDataset.model_validate({field: mark[field] for field in RawDataset.model_fields if field in mark})
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


def _contradictions(
    plans: Mapping[str, Sequence["Plan"]], by_file: Mapping[str, list[tuple[str, Converted]]], drop: Drop, run: Run
) -> list[str]:
    """In what the party's lists inside the wrapping and what was cut contradict each other."""
    source, fs = run.source, run.lake.fs()
    if source.contents is None:
        return []

    def rows(converted: Converted) -> Iterator[dict[str, object]]:
        for file in converted.files:
            with fs.open(file.url, "rb") as stream:
                yield from pq.read_table(stream).to_pylist()

    lists = {file: list(rows(converted)) for file, converted in by_file.get(source.contents.dataset, ())}
    lengths = {plan.staged.file: record_length(plan.reader) for of_it in plans.values() for plan in of_it}
    files = dict[str, contents.Cut]()
    for dataset, of_it in by_file.items():
        for file, converted in of_it if dataset != source.contents.dataset else ():
            before = files[file].records if file in files else 0  # another dataset's, of the same file
            files[file] = contents.Cut(before + converted.records, lengths[file])
    delivered = [file.name for file in drop.files if not source.ignored(file.name)]
    return contents.contradictions(source.contents, lists, files, delivered, source.ignored)


def record_length(reader: Reader | FileReader) -> int | None:
    """The columns of a whole record of fixed width; None where the format, or its kind of record, leaves that open."""
    lengths = {layout.record_length for layout in reader.layouts} if isinstance(reader, Fixed) else set[int]()
    return lengths.pop() if len(lengths) == 1 else None


SHOWN = 3
"""Contradictions that an error shows; the log has them all."""


def _accepted(
    done: Mapping[str, Converted], contradictions: Sequence[str], drop: Drop, run: Run, log: Log
) -> str | None:
    """By whom and why a drop that is over the limit, or not as its lists say, is taken; None where it is neither.

    Raises `Mislisted` and `TooManyRejected`.
    """
    source = run.source
    over = {name: c for name, c in done.items() if c.rejected > source.reject_limit * c.records}
    decision = decisions.read(run.lake, source.slug).accepted(drop) if over or contradictions else None
    for said in contradictions:
        log.warning("%s %s: %s%s", source.slug, drop, said, f"; taken all the same: {decision}" if decision else "")
    if contradictions and decision is None:
        more = len(contradictions) - SHOWN
        shown = [*contradictions[:SHOWN], *([f"{more} more, which the log names"] if more > 0 else [])]
        raise Mislisted(f"{source.slug} {drop}: {'; '.join(shown)}")
    for name, converted in over.items():
        reasons = ", ".join(f"{n:,} × {reason}" for reason, n in converted.reasons.items())
        found = f"{source.slug} {drop} {name}: {converted.rejected:,} of {converted.records:,} records ({reasons})"
        if decision is None:
            many = converted.rejected
            emit("inlet.drop.rejected", drop, dataset=name, what=found, rejected=many, records=converted.records)
            raise TooManyRejected(found)
        log.warning("%s; taken all the same: %s", found, decision)
    return str(decision) if decision else None


class Plan(NamedTuple):
    """How one plain file is converted, by a reader that knows the fields of its records."""

    staged: StagedFile
    reader: Reader | FileReader
    split: Split
    on_spark: bool


class Met(NamedTuple):
    """How a dataset of a drop is converted once the policy on drift is met.

    `schema` is that of its rows; `layout` are the columns that the drop has, whatever the table takes of them.
    """

    plans: Sequence[Plan]
    schema: pa.Schema
    layout: Layout
    drift: Drift | None

    @property
    def id(self) -> str | None:
        """By which the drop's mark names its columns, which stand in the table's properties once for all drops."""
        return fingerprint(*self.layout) if self.layout else None


def _met(plans: Sequence[Plan], name: str, drop: Drop, run: Run, log: Log) -> Met:
    """Find what a dataset's columns are beside those of the drop before, and do as its policy says.

    Raises `Drifted` where it says to stop, or where a column's type is none that the table's can hold.
    """
    source, policy, table = run.source, run.source.datasets[name].drift, run.source.table("raw", name)
    try:
        schema = united(plan.split.schema for plan in plans)
        columns = layout(schema)
        before = _before(table, drop, run)
        found = drift(before, columns) if before and columns else None
        if found and found != Drift():
            log.info("%s %s %s: columns drifted (%s): %s", source.slug, drop, name, policy, found)
        if policy == "stop" and found and found.matters:
            raise Drifted(f"its policy is to stop, and there is drift against the drop before; {found}")
        if run.tables.marks(table, "drop").keys() - {drop.key}:
            there = run.tables.schema(table)
            if policy != "freeze":
                united([there, schema])
            elif not kept(schema, there):
                plans = [_frozen(plan, there) for plan in plans]
                schema = united(plan.split.schema for plan in plans)
    except Drifted as error:
        emit("inlet.schema.drifted", drop, dataset=name, what=error.what, refused=True)
        raise Drifted(f"{source.slug} {drop} {name}: {error.what}") from error
    if found and found.matters:
        gained, lost = list(found.new), list(found.missing)
        emit("inlet.schema.drifted", drop, dataset=name, what=str(found), gained=gained, lost=lost, refused=False)
    return Met(plans, schema, columns, found)


def _frozen(plan: Plan, table: pa.Schema) -> Plan:
    """The plan for a table that stays as it is."""
    reader, schema = frozen(plan.reader, plan.split.schema, table)
    return plan._replace(reader=reader, split=plan.split._replace(schema=schema))


def _before(table: str, drop: Drop, run: Run) -> Layout:
    """The columns of the last drop in order before this one that said any; () where there is none."""
    drops = [mark for mark in run.tables.marks(table, "drop").values() if mark.get("columns")]
    earlier = [mark for mark in drops if order(mark) < drop.order]
    if not earlier:
        return ()
    said = run.tables.marks(table, "columns")[max(earlier, key=order)["columns"]]
    return tuple(Column(*column) for column in said["columns"])


def _splits(files: tuple[StagedFile, ...], name: str, drop: Drop, run: Run, spark_from: int) -> list[Plan]:
    """What each plain file of a dataset says of itself, and its shares; no record is converted."""
    reader = run.source.datasets[name].reader
    if isinstance(reader, Fixed):
        reader = reader.of(drop.as_of.year)
        files = tuple(file.model_copy(update={"columns": reader.columns}) for file in files)
    reader = settled(reader, files, run.lake.fs())
    plans = []
    for staged in files:
        on_spark = sum(part.bytes for part in staged.parts) >= spark_from
        at_once = _context(run).defaultParallelism if on_spark else CORES
        plans.append(Plan(staged, reader, split(staged, reader, at_once, run.lake.fs()), on_spark))
    return plans


def _converted(plans: Sequence[Plan], name: str, drop: Drop, run: Run) -> list[tuple[str, Converted]]:
    """What became of each plain file of a dataset."""
    rows, rejects = (run.tables.folder(run.source.table(zone, name)) for zone in ("raw", "rejected"))
    here, there = list[Job](), list[Job]()
    records = sum(plan.split.records or sum(part.bytes for part in plan.staged.parts) // RECORD for plan in plans)
    for staged, reader, shares, on_spark in plans:
        to = Target(
            drop=drop.key,
            file=staged.file,
            columns=staged.columns,
            rows=rows,
            rejects=rejects,
            one_in=one_in(records),
        )
        (there if on_spark else here).append(Job(shares, reader, to))
    done = convert_files(here, run.lake.fs(), CORES)
    done += [_on_spark(_context(run), *job, run) for job in there]
    return [(job.to.file, converted) for job, converted in zip(here + there, done, strict=True)]


def _context(run: Run) -> SparkContext:
    return session(run.lake.environment(), large=True).sparkContext


@not_ended()
def _on_spark(context: SparkContext, file: Split, reader: Reader | FileReader, to: Target, run: Run) -> Converted:
    """The same function, shipped to where Spark has cores; only what comes back from this one collect counts."""
    shares = [_by_url(share, run) for share in file.shares]
    results = context.parallelize(shares, len(shares)).map(lambda share: _attempted(share, reader, to)).collect()
    for wrong in (result for result in results if isinstance(result, DataError)):
        raise wrong
    return total((result for result in results if isinstance(result, Converted)), file, to.file)


def _attempted(share: Sequence[Part] | Rows, reader: Reader | FileReader, to: Target) -> Converted | DataError:
    """What becomes of a share, or what is wrong with it: Spark would make a text of an error, and try again."""
    try:
        return convert_share(share, reader, to)
    except DataError as error:
        return error


def _by_url(share: Sequence[Part] | Rows, run: Run) -> Sequence[Part] | Rows:
    """A share whose parts an executor finds without the lake's block."""

    def found(part: Part) -> Part:
        return part.model_copy(update={"path": run.lake.fs().unstrip_protocol(part.path)})

    if isinstance(share, Rows):
        return share.model_copy(update={"part": found(share.part)})
    return [found(part) for part in share]
