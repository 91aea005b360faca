"""Staged parts in, Parquet files and counts out: plain functions that this process, a thread or an executor runs."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import BinaryIO, NamedTuple, TypeVar, cast

import fsspec
import pyarrow as pa
import zstandard
from pydantic import BaseModel, Field

from spark.errors import CountMismatch, DataError, Unreadable
from spark.names import normalise
from spark.parts import PART, DataFile, Part, Piece, Rejected, StagedFile, Step
from spark.profiling.profiler import Profiler
from spark.profiling.profiles import DatasetProfile
from spark.readers.base import SPECIAL, FileReader, Reader, cuts, is_structured
from spark.writer import ParquetWriter

R = TypeVar("R", bound=Reader | FileReader)

REJECTED = pa.schema(
    [
        ("_drop", pa.string()),
        ("_file", pa.string()),
        ("_record", pa.int64()),
        ("_reason", pa.string()),
        ("_text", pa.string()),
    ]
)
"""Columns of every `rejected` table."""

GROUP = 8
"""Parts, of 64 MiB of plaintext each, that one task turns into one file at most."""

LEAST = 2
"""Parts that one task turns into one file at least, as they fill a row group: less is one file, whatever cores wait."""


class Converted(BaseModel, frozen=True):
    """What a conversion made, and its counts: records = rows + rejected.

    `nulls` is per column under its name in the lake; `reasons` counts the rejected by reason. `profile` holds values.
    """

    files: tuple[DataFile, ...] = ()
    rejects: tuple[DataFile, ...] = ()
    records: int = 0
    rows: int = 0
    reasons: dict[str, int] = {}
    nulls: dict[str, int] = {}
    profile: DatasetProfile = Field(default=DatasetProfile(), repr=False)

    @property
    def rejected(self) -> int:
        """Records that did not parse."""
        return sum(self.reasons.values())

    def __add__(self, other: "Converted") -> "Converted":
        return Converted(
            files=self.files + other.files,
            rejects=self.rejects + other.rejects,
            records=self.records + other.records,
            rows=self.rows + other.rows,
            reasons=dict(Counter(self.reasons) + Counter(other.reasons)),
            nulls={k: self.nulls.get(k, 0) + other.nulls.get(k, 0) for k in {**self.nulls, **other.nulls}},
            profile=self.profile + other.profile,
        )


def raw_schema(columns: Sequence[str] | pa.Schema) -> pa.Schema:
    """Columns of a `raw` table: `_drop`, `_file`, `_record`, then the file's, strings where only names are given.

    The name that a column has in the file, with its label where it has one, is its field's `doc`, which Iceberg shows
    as the column's comment; `name` is it alone. `_special`, a reader's own, keeps its name.
    """
    own = [pa.field("_drop", pa.string()), pa.field("_file", pa.string()), pa.field("_record", pa.int64())]
    fields = columns if isinstance(columns, pa.Schema) else [pa.field(name, pa.string()) for name in columns]
    return pa.schema(
        own + [_raw_field(field, name) for field, name in zip(fields, _in_lake([f.name for f in fields]), strict=True)]
    )


def _raw_field(field: pa.Field, name: str) -> pa.Field:
    said = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    doc = f"{field.name}: {said['doc']}" if said.get("doc") else field.name
    return pa.field(name, field.type, metadata={**said, "doc": doc, "name": field.name})


def _in_lake(columns: Sequence[str]) -> tuple[str, ...]:
    """The names that a file's columns, and behind them its reader's own, have in the lake."""
    if columns and columns[-1] == SPECIAL:
        return (*normalise(columns[:-1]), SPECIAL)
    return normalise(columns)


def schema_of(reader: Reader, columns: Sequence[str]) -> pa.Schema:
    """Columns of the `raw` table of what a reader makes of pieces with these columns.

    Raises `Unreadable` where the fields of its records are neither declared nor drafted.
    """
    if not is_structured(reader):
        return raw_schema(columns)
    if reader.schema is None:
        raise Unreadable("its fields are neither declared nor drafted")
    return raw_schema(_fields(reader.schema))


def _fields(schema: pa.Schema) -> pa.Schema:
    """A reader's schema without `_record`, which stands first; a column of the file may have that name as well."""
    return schema.remove(0)


class Target(BaseModel, frozen=True):
    """Whose records are converted and where they go: `rows` and `rejects` are folders, URLs or paths of the `fs` given.

    `columns` are the file's own names, where its format can be cut. Of its records one in `one_in` is sampled for the
    profile.
    """

    drop: str
    file: str
    columns: tuple[str, ...]
    rows: str
    rejects: str
    one_in: int = 1


def parse(pieces: Iterable[Piece], reader: Reader, file: str) -> Iterator[tuple[pa.Table, list[Rejected]]]:
    """Rows, under the lake's names and with `_record` in front, and rejected records of each piece of one file.

    Raises `CountMismatch` where rows and rejected are not the records that the cutter counted, and what the reader
    raises, naming the file and the byte at which the piece begins.
    """
    names: list[str] = []
    for piece in pieces:
        names = names or ["_record", *schema_of(reader, piece.columns).names[3:]]
        try:
            table, rejected = reader.read(piece)
            if piece.records is not None and table.num_rows + len(rejected) != piece.records:
                counts = f"{table.num_rows:,} rows and {len(rejected):,} rejected"
                raise CountMismatch(f"{piece.records:,} records were cut, but {counts} came out")
        except DataError as error:
            raise type(error)(f"{file}, part at byte {piece.offset:,}: {error.what}") from error
        yield table.rename_columns(names), rejected


def _written(
    parsed: Iterable[tuple[pa.Table, list[Rejected]]],
    schema: pa.Schema,
    to: Target,
    fs: fsspec.AbstractFileSystem | None,
) -> Converted:
    """Write rows, under the lake's names, and rejected records, count and profile them."""
    done = 0
    reasons, nulls = Counter[str](), Counter[str]()
    profiler = Profiler(schema, to.file, one_in=to.one_in, written=True)
    with (
        ParquetWriter(to.rows, schema, fs, seen=profiler.add) as rows,
        ParquetWriter(to.rejects, REJECTED, fs) as rejects,
    ):
        for table, rejected in parsed:
            done += table.num_rows
            reasons.update(r.reason for r in rejected)
            nulls.update({name: table[name].null_count for name in table.column_names[1:]})
            rows.write(with_constants(table, {"_drop": to.drop, "_file": to.file}))
            if rejected:
                rejects.write(rejected_table(rejected, to.drop, to.file))
        return Converted(
            files=tuple(rows.close()),
            rejects=tuple(rejects.close()),
            records=done + reasons.total(),
            rows=done,
            reasons=dict(reasons),
            nulls=dict(nulls),
            profile=profiler.close(rows.footers),
        )


def convert_parts(
    parts: Sequence[Part], reader: Reader, to: Target, fs: fsspec.AbstractFileSystem | None = None
) -> Converted:
    """Parse parts of one file and write what parses and what does not; raises what `parse` raises.

    Without `fs` the lake's credentials come from the environment.
    """
    return _written(parse(_pieces(parts, to.columns, fs), reader, to.file), schema_of(reader, to.columns), to, fs)


SAMPLED = 16
"""Files of a dataset whose first part shows what fields its records have, where none are declared."""


def settled(reader: R, files: Sequence[StagedFile], fs: fsspec.AbstractFileSystem) -> R:
    """The reader with the fields of its records, drafted from these files where it declares none."""
    if not is_structured(reader):
        return reader
    return reader.drafted(piece for file in files[:SAMPLED] for piece in _pieces(file.parts[:1], file.columns, fs))


class Rows(BaseModel, frozen=True):
    """What one task converts of a file that is staged whole: some of its reader's spans."""

    part: Part
    spans: tuple[tuple[int, ...], ...]


class Split(NamedTuple):
    """How a staged file is converted: the schema of its rows in Raw, the records in it, and a share for each task.

    `records` is the cutter's count, or what the file's own header says; None where neither knows.
    """

    schema: pa.Schema
    records: int | None
    shares: Sequence[Sequence[Part] | Rows]


def split(file: StagedFile, reader: Reader | FileReader, tasks: int, fs: fsspec.AbstractFileSystem) -> Split:
    """Share a staged file out among `tasks` that run at once; raises what the reader raises, naming the file."""
    if cuts(reader):
        counts = [part.records for part in file.parts]
        known = sum(count for count in counts if count is not None) if None not in counts else None
        return Split(schema_of(reader, file.columns), known, grouped(file.parts, tasks))
    (part,) = file.parts
    with named(file.file), fs.open(part.path, "rb") as stream:
        described = reader.describe(stream)
        shares = _tasks(-(-part.bytes // PART), tasks)
        spans = reader.spans(stream, max(1, -(-described.rows // shares)))
    schema = raw_schema(_fields(described.schema))
    return Split(schema, described.rows, [Rows(part=part, spans=(tuple(span),)) for span in spans])


def read_whole(
    stream: BinaryIO, reader: FileReader, file: str, spans: Sequence[tuple[int, ...]] = ((),)
) -> tuple[pa.Schema, Iterator[pa.Table]]:
    """The schema in Raw of a file that can be sought in, and its rows, of some spans or all, under the lake's names.

    `_record` comes first. Raises what the reader raises, naming the file.
    """
    with named(file):
        described = reader.describe(stream).schema
    schema = raw_schema(_fields(described))

    def tables() -> Iterator[pa.Table]:
        with named(file):
            for span in spans:
                for batch in reader.batches(stream, *span):
                    yield pa.Table.from_batches([batch]).rename_columns(["_record", *schema.names[3:]])

    return schema, tables()


def convert_rows(rows: Rows, reader: FileReader, to: Target, fs: fsspec.AbstractFileSystem | None = None) -> Converted:
    """Convert spans of a file that is staged whole; raises what `read_whole` raises."""
    with fs.open(rows.part.path, "rb") if fs else fsspec.open(rows.part.path, "rb") as stream:
        schema, tables = read_whole(stream, reader, to.file, rows.spans)
        return _written(((table, []) for table in tables), schema, to, fs)


def convert_share(
    share: Sequence[Part] | Rows, reader: Reader | FileReader, to: Target, fs: fsspec.AbstractFileSystem | None = None
) -> Converted:
    """Convert one task's share of a file: the function that a thread or an executor runs."""
    if isinstance(share, Rows):
        return convert_rows(share, cast(FileReader, reader), to, fs)
    return convert_parts(share, cast(Reader, reader), to, fs)


class Job(NamedTuple):
    """A staged file that is to be converted: how it is shared out, what reads it, and where its records go."""

    split: Split
    reader: Reader | FileReader
    to: Target


def convert_files(jobs: Sequence[Job], fs: fsspec.AbstractFileSystem, cores: int) -> list[Converted]:
    """Convert staged files in this process, on `cores` threads for all of them, and answer in their order.

    C++ parses, so that the interpreter is free meanwhile. Raises what `convert_share` and `total` raise, for the first
    file that fails; shares that have not begun are left then.
    """
    with ThreadPoolExecutor(cores) as pool:
        tasks = [
            [pool.submit(convert_share, share, job.reader, job.to, fs) for share in job.split.shares] for job in jobs
        ]
        try:
            return [
                total([task.result() for task in of_file], job.split, job.to.file)
                for of_file, job in zip(tasks, jobs, strict=True)
            ]
        finally:
            for task in (task for of_file in tasks for task in of_file):
                task.cancel()


def convert_file(
    split: Split, reader: Reader | FileReader, to: Target, fs: fsspec.AbstractFileSystem, cores: int
) -> Converted:
    """Convert one staged file; see `convert_files`."""
    return convert_files([Job(split, reader, to)], fs, cores)[0]


def total(done: Iterable[Converted], split: Split, file: str) -> Converted:
    """What all shares of a file came to; raises `CountMismatch` where that is not the records in it."""
    whole = sum(done, Converted())
    if split.records is not None and whole.records != split.records:
        raise CountMismatch(f"{file}: {split.records:,} records are in it, but {whole.records:,} came out")
    return whole


@contextmanager
def named(file: str) -> Iterator[None]:
    """Let errors of a reader, which knows no names, name the file."""
    try:
        yield
    except DataError as error:
        raise error if file in error.what else type(error)(f"{file}: {error.what}") from error


def grouped(parts: Sequence[Part], cores: int) -> list[Sequence[Part]]:
    """Consecutive parts for one task each, as equal as can be."""
    tasks = _tasks(len(parts), cores)
    bounds = [len(parts) * i // tasks for i in range(tasks + 1)]
    return [parts[start:stop] for start, stop in pairwise(bounds)]


def _tasks(parts: int, cores: int) -> int:
    """How many tasks so many parts are shared out among: a multiple of the cores, unless files would be small."""
    rounds = -(-parts // (GROUP * cores))
    return max(1, min(rounds * cores, -(-parts // LEAST)))


def _pieces(parts: Sequence[Part], columns: tuple[str, ...], fs: fsspec.AbstractFileSystem | None) -> Iterator[Piece]:
    """The pieces that parts were made of, each unpacked when it is asked for."""
    for part in parts:
        start, record = 0, part.first_record
        with fs.open(part.path, "rb") if fs else fsspec.open(part.path, "rb") as packed:
            plain = zstandard.ZstdDecompressor().stream_reader(packed)
            for step in part.steps or (Step(part.offset, part.bytes, part.records),):
                data, stop = plain.read(step.bytes), start + step.bytes
                if len(data) < step.bytes:
                    raise zstandard.ZstdError(f"{part.path} ends within its plaintext")
                inside = [bad for bad in part.bad if start <= bad.start < stop]
                yield Piece(
                    data=data,
                    offset=step.offset,
                    first_record=record,
                    records=step.records,
                    bad=tuple(bad.model_copy(update={"start": bad.start - start}) for bad in inside),
                    columns=columns,
                    trailing=part.trailing,
                )
                start, record = stop, record + (step.records or 0)
            plain.read(1)  # reads the checksum


def with_constants(table: pa.Table, values: dict[str, str]) -> pa.Table:
    """The table with columns of one value each in front."""
    for position, (name, value) in enumerate(values.items()):
        table = table.add_column(position, name, pa.repeat(pa.scalar(value), table.num_rows))
    return table


def rejected_table(rejected: Sequence[Rejected], drop: str, file: str) -> pa.Table:
    """Rejected records of one file as rows of `REJECTED`."""
    rows = [{"_drop": drop, "_file": file, "_record": r.record, "_reason": r.reason, "_text": r.text} for r in rejected]
    return pa.Table.from_pylist(rows, REJECTED)
