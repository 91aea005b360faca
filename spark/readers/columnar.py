"""Parquet and ORC: read by Arrow, with the types that they have, as far as Iceberg has them too.

Iceberg (spec, version 2) has no unsigned and no 8- or 16-bit integers, no half floats, no type without values, and
nothing finer than microseconds. What is narrower is widened. A nanosecond that a microsecond cannot hold stands in
`_special`, as with SAS.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel

from spark.errors import Damaged, Unreadable
from spark.parts import PART
from spark.readers.base import SPECIAL

if TYPE_CHECKING:
    from pyarrow import orc

_ROWS = 1 << 16  # of a batch at most


@dataclass(frozen=True)
class Described:
    """What a file's footer says: the schema of the batches, and its rows."""

    schema: pa.Schema
    rows: int


class Groups(NamedTuple):
    """Consecutive row groups, or stripes: the first, how many, and how many rows stand before."""

    first: int
    groups: int
    rows: int


class Parquet(BaseModel, frozen=True, extra="forbid"):
    """A Parquet file; INT96 is taken for microseconds, which is what Spark writes."""

    def describe(self, file: BinaryIO) -> Described:
        """Read the footer. Raises `Unreadable`, `Damaged`."""
        opened = _parquet(file)
        return Described(stored_schema(opened.schema_arrow), opened.metadata.num_rows)

    def spans(self, file: BinaryIO, rows: int = 1_000_000) -> list[Groups]:
        """The row groups in consecutive ranges of at least `rows` rows. Raises `Unreadable`, `Damaged`."""
        about = _parquet(file).metadata
        return _ranges([about.row_group(n).num_rows for n in range(about.num_row_groups)], rows)

    def batches(
        self, file: BinaryIO, first: int = 0, groups: int | None = None, rows: int = 0
    ) -> Iterator[pa.RecordBatch]:
        """The rows of one of `spans`, or all: `_record`, from 1, then the columns. Raises `Unreadable`, `Damaged`."""
        opened = _parquet(file)
        last = opened.num_row_groups if groups is None else first + groups
        schema = stored_schema(opened.schema_arrow)
        for group in range(first, last):
            about = opened.metadata.row_group(group)
            size = max(1, min(_ROWS, PART * about.num_rows // max(1, about.total_byte_size)))
            with _damage():
                for batch in opened.iter_batches(size, row_groups=[group]):
                    yield stored_batch(batch, rows, schema)
                    rows += batch.num_rows


class Orc(BaseModel, frozen=True, extra="forbid"):
    """An ORC file."""

    def describe(self, file: BinaryIO) -> Described:
        """Read the footer. Raises `Unreadable`, `Damaged`."""
        opened = _orc(file)
        return Described(stored_schema(opened.schema), opened.nrows)

    def spans(self, file: BinaryIO, rows: int = 1_000_000) -> list[Groups]:
        """The stripes in consecutive ranges of at least `rows` rows. Raises `Unreadable`, `Damaged`."""
        opened = _orc(file)
        first = opened.schema.names[:1]
        with _damage():
            return _ranges([opened.read_stripe(n, first).num_rows for n in range(opened.nstripes)], rows)

    def batches(
        self, file: BinaryIO, first: int = 0, groups: int | None = None, rows: int = 0
    ) -> Iterator[pa.RecordBatch]:
        """The rows of one of `spans`, or all: `_record`, from 1, then the columns. Raises `Unreadable`, `Damaged`."""
        opened = _orc(file)
        schema = stored_schema(opened.schema)
        for stripe in range(first, opened.nstripes if groups is None else first + groups):
            with _damage():
                batch = opened.read_stripe(stripe)
            yield stored_batch(batch, rows, schema)
            rows += batch.num_rows


def _parquet(file: BinaryIO) -> pq.ParquetFile:
    return _opened(file, "Parquet", lambda: pq.ParquetFile(file, coerce_int96_timestamp_unit="us"))


def _orc(file: BinaryIO) -> "orc.ORCFile":
    from pyarrow import orc  # 20 ms, which most runs do without

    return _opened(file, "ORC", lambda: orc.ORCFile(file))


def _opened(file: BinaryIO, kind: str, opening: Callable[[], Any]) -> Any:  # noqa: ANN401  # Arrow has no types
    file.seek(0)
    magic = {"Parquet": b"PAR1", "ORC": b"ORC"}[kind]
    if not (head := file.read(len(magic))).startswith(magic):
        raise Unreadable(f"no {kind} file{'' if head else ': it is empty'}")
    file.seek(0)
    with _damage():
        return opening()


@contextmanager
def _damage() -> Iterator[None]:
    """Arrow's errors about bytes as ours; they hold positions and types, no values."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the store's, not Arrow's
            raise
        said = " ".join(str(error).split())
        raise Damaged(said.rstrip(".") or type(error).__name__) from error


def _ranges(sizes: list[int], rows: int) -> list[Groups]:
    found: list[Groups] = []
    first = before = count = 0
    for number, size in enumerate(sizes):
        count += size
        if count >= rows or number == len(sizes) - 1:
            found.append(Groups(first, number + 1 - first, before))
            first, before, count = number + 1, before + count, 0
    return found


def stored_schema(schema: pa.Schema) -> pa.Schema:
    """`_record`, the columns with types that Iceberg has, and `_special` where one may be too fine for them."""
    fields = [pa.field(f.name, _stored(f.type), metadata=_about(f)) for f in schema]
    special = [pa.field(SPECIAL, pa.map_(pa.string(), pa.string()))] if any(map(_is_fine, schema.types)) else []
    return pa.schema([pa.field("_record", pa.int64()), *fields, *special])


def _about(field: pa.Field) -> dict[bytes, bytes]:
    """What is said of a field, but for ids, which are another table's."""
    return {key: value for key, value in (field.metadata or {}).items() if key != b"PARQUET:field_id"}


def _is_fine(kind: pa.DataType) -> bool:
    """Whether a type is finer than a microsecond; within a list, struct or map it is cast, or else refused."""
    return bool((pa.types.is_timestamp(kind) or pa.types.is_time(kind)) and kind.unit == "ns")


_STORED: list[tuple[Callable[[pa.DataType], bool], Callable[[pa.DataType], pa.DataType]]] = [
    (pa.types.is_dictionary, lambda t: _stored(t.value_type)),
    (pa.types.is_null, lambda t: pa.string()),
    (lambda t: t in (pa.int8(), pa.int16(), pa.uint8(), pa.uint16()), lambda t: pa.int32()),
    (lambda t: t == pa.uint32(), lambda t: pa.int64()),
    (lambda t: t == pa.uint64(), lambda t: pa.decimal128(20, 0)),
    (pa.types.is_float16, lambda t: pa.float32()),
    (pa.types.is_timestamp, lambda t: pa.timestamp("us", "UTC" if t.tz else None)),
    (pa.types.is_time, lambda t: pa.time64("us")),
    (pa.types.is_date, lambda t: pa.date32()),
    (pa.types.is_duration, lambda t: pa.int64()),
    (lambda t: pa.types.is_large_string(t) or pa.types.is_string_view(t), lambda t: pa.string()),
    (lambda t: pa.types.is_large_binary(t) or pa.types.is_binary_view(t), lambda t: pa.binary()),
    (pa.types.is_struct, lambda t: pa.struct([f.with_type(_stored(f.type)) for f in t])),
    (pa.types.is_map, lambda t: pa.map_(_stored(t.key_type), _stored(t.item_type))),
    (
        lambda t: pa.types.is_list(t) or pa.types.is_large_list(t) or pa.types.is_fixed_size_list(t),
        lambda t: pa.list_(t.value_field.with_type(_stored(t.value_type))),
    ),
]


def _stored(kind: pa.DataType) -> pa.DataType:
    """The type that Iceberg has for one of Arrow's."""
    return next((stored(kind) for is_it, stored in _STORED if is_it(kind)), kind)


def stored_batch(batch: pa.RecordBatch, before: int, schema: pa.Schema) -> pa.RecordBatch:
    """Rows, of which `before` stand before these, as `stored_schema` says. Raises `Unreadable`."""
    columns: list[pa.Array] = []
    special: list[tuple[str, pa.Array, pa.Array]] = []
    for name, column, kind in zip(batch.schema.names, batch.columns, schema.types[1:], strict=False):
        if _is_fine(column.type):
            whole = column.cast(kind, safe=False)
            lost = pc.not_equal(whole.cast(column.type, safe=False), column)
            special.append((name, lost, column))
            columns.append(pc.if_else(pc.fill_null(lost, False), None, whole))
        else:
            try:
                columns.append(column.cast(kind))
            except pa.ArrowInvalid as error:
                raise Unreadable(f"column {name!r} holds {column.type}, finer than {kind} can be") from error
    record = pa.array(np.arange(before + 1, before + batch.num_rows + 1))
    if special:
        columns.append(_specials(special, batch.num_rows))
    return pa.RecordBatch.from_arrays([record, *columns], schema=schema)


def _specials(special: list[tuple[str, pa.Array, pa.Array]], rows: int) -> pa.Array:
    """For each row the columns whose value is finer than a microsecond, and that value."""
    found: dict[int, dict[str, str]] = {}
    for name, lost, column in special:
        indices = pc.indices_nonzero(pc.fill_null(lost, False))
        for index, text in zip(indices.to_pylist(), column.take(indices).cast(pa.string()).to_pylist(), strict=True):
            found.setdefault(index, {})[name] = text
    kind = pa.map_(pa.string(), pa.string())
    if not found:
        return pa.nulls(rows, kind)
    return pa.array([list(found[n].items()) if n in found else None for n in range(rows)], kind)
