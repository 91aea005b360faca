"""Readers of datasets whose table is frozen: what a drop has beside the table's columns stands in `_special`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Self, cast

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from spark.convert import raw_schema
from spark.drift import OWN, drift, layout
from spark.names import normalise
from spark.parts import PART, Piece, Rejected
from spark.readers.base import SPECIAL, FileReader, Reader, cuts

MAP = pa.map_(pa.string(), pa.string())
"""Type of `_special`."""


@dataclass(frozen=True)
class Columns:
    """Which of a file's columns a frozen table takes, and how the others are kept.

    `raw` is the schema in Raw of the file's rows, `table` that of the table. A column that the table lacks stands in
    `_special` under the party's name, as text; one with fields within that the table lacks is there as JSON, whole,
    beside what the table takes of it. Null is left out.
    """

    raw: pa.Schema
    table: pa.Schema

    @property
    def schema(self) -> pa.Schema:
        """Of the tables that the reader gives: `_record`, columns under the file's names, `_special`."""
        taken = [field for field in self._party if field.name in self.table.names]
        said = [_said(field) for field in taken]
        if normalise(said) != tuple(field.name for field in taken):  # what a name becomes may hang on those before it
            said = [field.name for field in taken]
        fields = [field.with_name(name).with_type(self._type(field)) for field, name in zip(taken, said, strict=True)]
        return pa.schema([pa.field("_record", pa.int64()), *fields, pa.field(SPECIAL, MAP)])

    @property
    def _party(self) -> list[pa.Field]:
        return [field for field in self.raw if field.name not in OWN]

    def _type(self, field: pa.Field) -> pa.DataType:
        """The file's type, without fields that the table's column lacks."""
        return _within(field.type, self.table.field(field.name).type)

    def take(self, rows: pa.Table) -> pa.Table:
        """A reader's rows, `_record` first, `_special` last if it has it, with the columns of `schema`."""
        names = ["_record", *self.raw.names[3:]]
        columns = dict(zip(names, rows.columns, strict=True))
        said = [_said(field) for field in self._party]
        beside: list[tuple[str, pa.ChunkedArray]] = []
        taken = []
        for field in self._party:
            key = _said(field) if said.count(_said(field)) == 1 else field.name
            column = columns[field.name]
            if field.name not in self.table.names:
                beside.append((key, column))
            elif (kind := self._type(field)) == field.type:
                taken.append(column)
            else:
                beside.append((key, column))
                taken.append(column.cast(kind))
        special = _special(columns.get(SPECIAL), beside, rows.num_rows)
        return pa.Table.from_arrays([columns["_record"], *taken, special], schema=self.schema)


@dataclass(frozen=True)
class Frozen:
    """A `Structured` reader over one whose format is cut."""

    reader: Reader
    columns: Columns

    @property
    def schema(self) -> pa.Schema:
        """See `Structured`."""
        return self.columns.schema

    def drafted(self, pieces: Iterable[Piece]) -> Self:  # the reader within has its fields by now
        """See `Structured`."""
        return self

    def cut(self, stream: BinaryIO, size: int = PART) -> Iterator[Piece]:
        """See `Reader`."""
        return self.reader.cut(stream, size)

    def read(self, piece: Piece) -> tuple[pa.Table, list[Rejected]]:
        """See `Reader`."""
        rows, rejected = self.reader.read(piece)
        return self.columns.take(rows), rejected


@dataclass(frozen=True)
class Described:
    """What a file says, by the columns that are taken."""

    schema: pa.Schema
    rows: int


@dataclass(frozen=True)
class FrozenFile:
    """A `FileReader` over another."""

    reader: FileReader
    columns: Columns

    def describe(self, file: BinaryIO) -> Described:
        """See `FileReader`."""
        return Described(self.columns.schema, self.reader.describe(file).rows)

    def spans(self, file: BinaryIO, rows: int) -> Sequence[tuple[int, ...]]:
        """See `FileReader`."""
        return self.reader.spans(file, rows)

    def batches(self, file: BinaryIO, *span: Any, **options: Any) -> Iterator[pa.RecordBatch]:  # noqa: ANN401
        """See `FileReader`."""
        for batch in self.reader.batches(file, *span, **options):
            yield from self.columns.take(pa.Table.from_batches([batch])).combine_chunks().to_batches()


def frozen(reader: Reader | FileReader, raw: pa.Schema, table: pa.Schema) -> tuple[Reader | FileReader, pa.Schema]:
    """The reader of a file whose rows are `raw`, for a table that is to stay as it is, and the schema of its rows."""
    if not drift(layout(table), layout(raw)).new:
        return reader, raw
    columns = Columns(raw, table)
    taken = raw_schema(columns.schema.remove(0))
    return (Frozen(reader, columns) if cuts(reader) else FrozenFile(reader, columns)), taken


def _said(field: pa.Field) -> str:
    """The party's name."""
    return cast(bytes, (field.metadata or {}).get(b"name", field.name.encode())).decode()


def _within(kind: pa.DataType, table: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(kind):
        return pa.struct(
            [
                field.with_type(_within(field.type, table.field(field.name).type))
                for field in kind
                if table.get_field_index(field.name) >= 0
            ]
        )
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_within(kind.value_type, table.value_type)))
    return kind


def _special(before: pa.ChunkedArray | None, beside: Sequence[tuple[str, pa.ChunkedArray]], rows: int) -> pa.Array:
    """For each row what stood in its `_special`, and the values beside that are not null; null where there is none."""
    owners, keys, values = [], [], []
    if before is not None:
        was = before.combine_chunks()
        ends = np.asarray(was.offsets)
        owners.append(np.repeat(np.arange(rows), np.diff(ends)))
        keys.append(was.keys.slice(ends[0], ends[-1] - ends[0]))
        values.append(was.items.slice(ends[0], ends[-1] - ends[0]))
    for name, column in beside:
        there = pc.indices_nonzero(pc.is_valid(column))
        owners.append(there.to_numpy().astype(np.int64))
        keys.append(pa.repeat(pa.scalar(name), len(there)))
        values.append(_text(column.combine_chunks().take(there)))
    owner = np.concatenate(owners)
    order = pa.array(np.argsort(owner, kind="stable"))
    counts = np.bincount(owner, minlength=rows)
    starts = np.concatenate([[0], np.cumsum(counts)])
    nothing = np.concatenate([counts == 0, [False]])
    offsets = pa.array(starts, pa.int32(), mask=nothing)
    return pa.MapArray.from_arrays(
        offsets, pa.concat_arrays(keys).take(order), pa.concat_arrays(values).take(order), type=MAP
    )


def _text(values: pa.Array) -> pa.Array:
    """Text as it is; numbers, dates, instants as Arrow writes them; bytes in hexadecimal digits; the rest as JSON."""
    if pa.types.is_nested(values.type):
        return pa.array([orjson.dumps(value, default=str).decode() for value in values.to_pylist()], pa.string())
    if pa.types.is_binary(values.type) or pa.types.is_fixed_size_binary(values.type):
        return pa.array([value.hex() for value in values.to_pylist()], pa.string())
    return values.cast(pa.string())
