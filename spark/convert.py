"""Staged parts in, Parquet files and counts out: plain functions that this process, a thread or an executor runs."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import fsspec
import pyarrow as pa
import zstandard
from pydantic import BaseModel

from spark.errors import CountMismatch, DataError
from spark.names import normalise
from spark.parts import DataFile, Part, Piece, Rejected
from spark.readers import Reader
from spark.writer import ParquetWriter

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


class Converted(BaseModel, frozen=True):
    """What a conversion made, and its counts: records = rows + rejected.

    `nulls` is per column under its name in the lake; `reasons` counts the rejected by reason.
    """

    files: tuple[DataFile, ...] = ()
    rejects: tuple[DataFile, ...] = ()
    records: int = 0
    rows: int = 0
    reasons: dict[str, int] = {}
    nulls: dict[str, int] = {}

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
        )


def raw_schema(columns: Sequence[str]) -> pa.Schema:
    """Columns of a `raw` table of a text format: `_drop`, `_file`, `_record`, then the file's, all strings.

    The name that a column has in the file is its field's `doc`, which Iceberg shows as the column's comment.
    """
    own = [pa.field("_drop", pa.string()), pa.field("_file", pa.string()), pa.field("_record", pa.int64())]
    return pa.schema(
        own
        + [
            pa.field(name, pa.string(), metadata={"doc": original})
            for name, original in zip(normalise(columns), columns, strict=True)
        ]
    )


class Target(BaseModel, frozen=True):
    """Whose records are converted and where they go: `rows` and `rejects` are folders, URLs or paths of the `fs` given.

    `columns` are the file's own names.
    """

    drop: str
    file: str
    columns: tuple[str, ...]
    rows: str
    rejects: str


def parse(pieces: Iterable[Piece], reader: Reader, file: str) -> Iterator[tuple[pa.Table, list[Rejected]]]:
    """Rows, under the lake's names and with `_record` in front, and rejected records of each piece of one file.

    Raises `CountMismatch` where rows and rejected are not the records that the cutter counted, and what the reader
    raises, naming the file and the byte at which the piece begins.
    """
    for piece in pieces:
        try:
            table, rejected = reader.read(piece)
            if piece.records is not None and table.num_rows + len(rejected) != piece.records:
                counts = f"{table.num_rows:,} rows and {len(rejected):,} rejected"
                raise CountMismatch(f"{piece.records:,} records were cut, but {counts} came out")
        except DataError as error:
            raise type(error)(f"{file}, part at byte {piece.offset:,}: {error.what}") from error
        yield table.rename_columns(["_record", *normalise(piece.columns)]), rejected


def convert_pieces(
    pieces: Iterable[Piece], reader: Reader, to: Target, fs: fsspec.AbstractFileSystem | None = None
) -> Converted:
    """Parse pieces of one file and write what parses and what does not; raises what `parse` raises."""
    schema = raw_schema(to.columns)
    done = Converted()
    with ParquetWriter(to.rows, schema, fs) as rows, ParquetWriter(to.rejects, REJECTED, fs) as rejects:
        for table, rejected in parse(pieces, reader, to.file):
            done += Converted(
                records=table.num_rows + len(rejected),
                rows=table.num_rows,
                reasons=Counter(r.reason for r in rejected),
                nulls={name: table[name].null_count for name in table.column_names[1:]},
            )
            rows.write(with_constants(table, {"_drop": to.drop, "_file": to.file}))
            if rejected:
                rejects.write(rejected_table(rejected, to.drop, to.file))
        return done + Converted(files=tuple(rows.close()), rejects=tuple(rejects.close()))


def convert_parts(
    parts: Sequence[Part], reader: Reader, to: Target, fs: fsspec.AbstractFileSystem | None = None
) -> Converted:
    """`convert_pieces` of parts that stand in the lake; without `fs` credentials come from the environment."""
    return convert_pieces(_pieces(parts, to.columns, fs), reader, to, fs)


def convert_file(
    parts: Sequence[Part], reader: Reader, to: Target, fs: fsspec.AbstractFileSystem, cores: int
) -> Converted:
    """Convert one staged file in this process on `cores` threads; C++ parses, so the interpreter is free meanwhile."""
    with ThreadPoolExecutor(cores) as pool:
        tasks = [pool.submit(convert_parts, group, reader, to, fs) for group in grouped(parts, cores)]
        try:
            return sum((task.result() for task in tasks), Converted())
        finally:
            for task in tasks:
                task.cancel()


def grouped(parts: Sequence[Part], cores: int) -> list[Sequence[Part]]:
    """Consecutive parts for one task each: all cores have work, and files are as large as that allows."""
    size = max(1, min(GROUP, -(-len(parts) // cores)))
    return [parts[i : i + size] for i in range(0, len(parts), size)]


def _pieces(parts: Sequence[Part], columns: Sequence[str], fs: fsspec.AbstractFileSystem | None) -> Iterator[Piece]:
    for part in parts:
        with fs.open(part.path, "rb") if fs else fsspec.open(part.path, "rb") as stream:
            data = zstandard.ZstdDecompressor().decompress(stream.read(), max_output_size=max(part.bytes, 1))
        yield Piece(
            data=data,
            offset=part.offset,
            first_record=part.first_record,
            records=part.records,
            bad=part.bad,
            columns=tuple(columns),
        )


def with_constants(table: pa.Table, values: dict[str, str]) -> pa.Table:
    """The table with columns of one value each in front."""
    for position, (name, value) in enumerate(values.items()):
        table = table.add_column(position, name, pa.repeat(pa.scalar(value), table.num_rows))
    return table


def rejected_table(rejected: Sequence[Rejected], drop: str, file: str) -> pa.Table:
    """Rejected records of one file as rows of `REJECTED`."""
    rows = [{"_drop": drop, "_file": file, "_record": r.record, "_reason": r.reason, "_text": r.text} for r in rejected]
    return pa.Table.from_pylist(rows, REJECTED)
