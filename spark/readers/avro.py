"""Avro: decoded by fastavro, with the types that it has, as far as Iceberg has them too.

Avro's binary form has no names in it, so that other schemas describe the same bytes. The file's blocks are read behind
a header of our own, whose schema is the file's but for this: logical types are taken off, as Arrow takes their plain
integers; a branch of a union of several is a record of one field, named after the branch, so that each value says what
it is; a schema that is no record's is that of its one field `value`.
"""

import io
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any, BinaryIO, NamedTuple, cast

import fastavro
import pyarrow as pa
from pydantic import BaseModel

from spark.errors import Damaged, DataError, Unreadable
from spark.readers.columnar import Described, stored_batch, stored_schema

_MAGIC = b"Obj\x01"
_SYNC = 16  # bytes of a file's marker behind each block
_ROWS = 1 << 14  # of a batch at most
_BYTES = 16 * 1024 * 1024  # of blocks in a batch, about
_DIGITS = 38  # of a decimal at most, in Iceberg

_PLAIN: Mapping[str, pa.DataType] = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
}
_LOGICAL: Mapping[tuple[str, str], pa.DataType] = {
    ("int", "date"): pa.date32(),
    ("int", "time-millis"): pa.time32("ms"),
    ("long", "time-micros"): pa.time64("us"),
    ("long", "timestamp-millis"): pa.timestamp("ms", "UTC"),
    ("long", "timestamp-micros"): pa.timestamp("us", "UTC"),
    ("long", "timestamp-nanos"): pa.timestamp("ns", "UTC"),
    ("long", "local-timestamp-millis"): pa.timestamp("ms"),
    ("long", "local-timestamp-micros"): pa.timestamp("us"),
    ("long", "local-timestamp-nanos"): pa.timestamp("ns"),
}


class Blocks(NamedTuple):
    """Consecutive blocks: the byte at which the first begins, how many bytes they are, how many rows stand before."""

    start: int
    length: int
    rows: int


class Avro(BaseModel, frozen=True, extra="forbid"):
    """An Avro object container file.

    A union of null and one type is that type; of several, a struct with a field for each branch, all null but one.
    Enums are text; a uuid is what it is written as, text or 16 bytes; a duration its 12 bytes (three little-endian
    numbers: months, days, milliseconds); a decimal of more than 38 digits its bytes. A record without fields is a
    struct with one, `_`, that is null. Nanoseconds that a microsecond cannot hold stand in `_special`. A schema whose
    types hold themselves is refused.
    """

    def describe(self, file: BinaryIO) -> Described:
        """Read the header, and count the rows block by block. Raises `Unreadable`, `Damaged`."""
        header = _Header(file)
        return Described(stored_schema(header.schema), sum(rows for _, _, rows in header.blocks()))

    def spans(self, file: BinaryIO, rows: int = 1_000_000) -> list[Blocks]:
        """The blocks in consecutive ranges of at least `rows` rows. Raises `Unreadable`, `Damaged`."""
        found: list[Blocks] = []
        before = count = 0
        begin: int | None = None
        stop = 0
        for start, stop, number in _Header(file).blocks():
            begin = start if begin is None else begin
            count += number
            if count >= rows:
                found.append(Blocks(begin, stop - begin, before))
                begin, before, count = None, before + count, 0
        if begin is not None:
            found.append(Blocks(begin, stop - begin, before))
        return found

    def batches(
        self, file: BinaryIO, start: int | None = None, length: int | None = None, rows: int = 0
    ) -> Iterator[pa.RecordBatch]:
        """The rows of one of `spans`, or all: `_record`, from 1, then the columns. Raises `Unreadable`, `Damaged`."""
        header = _Header(file)
        schema = stored_schema(header.schema)
        for records in header.records(start, length):
            with _damage("a record"):
                batch = pa.RecordBatch.from_pylist(records, header.schema)
            yield stored_batch(batch, rows, schema)
            rows += batch.num_rows


class _Header:
    """What stands before the blocks: the Arrow schema, and the header that is put in its place."""

    def __init__(self, file: BinaryIO) -> None:
        file.seek(0)
        if (head := file.read(len(_MAGIC))) != _MAGIC:
            raise Unreadable(f"no Avro file{'' if head else ': it is empty'}")
        file.seek(0)
        with _damage("the header"):
            about = fastavro.block_reader(file)
            own = json.loads(about.metadata["avro.schema"])
        self._file = file
        self._first = file.tell()
        file.seek(self._first - _SYNC)
        self._sync = file.read(_SYNC)
        types = _Types()
        with _refused():
            known: Any = fastavro.parse_schema(own)
            read_as, kind = types.of(known)
            if not isinstance(known, dict) or known["type"] not in {"record", "error"}:
                read_as, kind = types.alone("value", read_as), pa.struct([("value", kind)])
            self.schema = pa.schema(list(kind))
            header = io.BytesIO()
            fastavro.writer(header, read_as, [], codec=about.codec, sync_marker=self._sync)
        self._header = header.getvalue()

    def blocks(self) -> Iterator[tuple[int, int, int]]:
        """Where each block starts and ends, in bytes, and its rows; nothing of it is decoded."""
        file, at = self._file, self._first
        length = file.seek(0, io.SEEK_END)
        file.seek(at)
        while at < length:
            rows, bytes_ = _long(file), _long(file)
            stop = file.tell() + bytes_ + _SYNC
            if rows < 0 or bytes_ < 0 or stop > length:
                raise Damaged(f"the file ends within the block at byte {at:,}, or its length is wrong")
            file.seek(bytes_, io.SEEK_CUR)
            if file.read(_SYNC) != self._sync:
                raise Damaged(f"the block at byte {at:,} does not end with the file's marker")
            yield at, stop, rows
            at = stop

    def records(self, start: int | None, length: int | None) -> Iterator[list[dict[str, Any]]]:
        """The records of some blocks, or all, batch by batch."""
        begin = self._first if start is None else start
        stop = self._file.seek(0, io.SEEK_END) if length is None else begin + length
        blocks = _Behind(self._header, self._file, begin, stop - begin)
        with _damage(f"what stands behind byte {begin:,}"):
            reader = iter(fastavro.block_reader(cast(BinaryIO, blocks)))
        batch: list[dict[str, Any]] = []
        size = 0
        while True:
            at = begin + blocks.tell() - len(self._header)
            with _damage(f"the block at byte {at:,}"):
                block = next(reader, None)
                records = iter(cast("Iterator[dict[str, Any]]", block or ()))
            if block is None:
                break
            if block.num_records < 0:
                raise Damaged(f"the block at byte {at:,} says that it has less than no records")
            size += block.size
            while True:
                with _damage(f"the block at byte {at:,}"):
                    batch += islice(records, _ROWS - len(batch))
                if len(batch) < _ROWS:
                    break
                yield batch
                batch, size = [], block.size
            if cast(Any, block).bytes_.read(1):
                raise Damaged(f"the block at byte {at:,} is longer than its records")
            if size >= _BYTES:
                yield batch
                batch, size = [], 0
        if at != stop:
            raise Damaged(f"the file ends within the block at byte {at:,}")
        if batch:
            yield batch


_NOTHING = "_"
"""The field of a struct that has none, as Parquet has no such structs."""


class _Types:
    """Avro's types as fastavro is to read them, and as Arrow takes what it gives."""

    def __init__(self) -> None:
        self._named: dict[str, tuple[str, pa.DataType | None]] = {}  # None while it is looked into
        self._count = 0

    def alone(self, field: str, read_as: Any) -> Any:  # noqa: ANN401  # JSON
        """A record of one field."""
        return {"type": "record", "name": self._name(), "fields": [{"name": field, "type": read_as}]}

    def of(self, schema: Any) -> tuple[Any, pa.DataType]:  # noqa: ANN401  # JSON
        """What a schema, as fastavro parses it, is read as."""
        if isinstance(schema, list):
            return self._union(schema)
        if isinstance(schema, str):
            name, kind = (schema, _PLAIN[schema]) if schema in _PLAIN else self._named[schema]
            if kind is None:
                raise Unreadable(f"type {schema} holds itself, which no table can")
            return name, kind
        match schema["type"]:
            case "record" | "error":
                return self._record(schema)
            case "array":
                read_as, item = self.of(schema["items"])
                return {"type": "array", "items": read_as}, pa.list_(item)
            case "map":
                read_as, value = self.of(schema["values"])
                return {"type": "map", "values": read_as}, pa.map_(pa.string(), value)
            case "enum":
                name, kind = self._named[schema["name"]] = self._name(), pa.string()
                return {"type": "enum", "name": name, "symbols": schema["symbols"]}, kind
            case "fixed":
                read_as = {"type": "fixed", "name": self._name(), "size": schema["size"]}
                read_as, kind = _decimal(schema, read_as) or (read_as, pa.binary(schema["size"]))
                self._named[schema["name"]] = read_as["name"], kind
                return read_as, kind
            case str(plain) if plain in _PLAIN:
                logical = _LOGICAL.get((plain, schema.get("logicalType", "")))
                return _decimal(schema, {"type": plain}) or (plain, logical or _PLAIN[plain])
            case inner:
                return self.of(inner)

    def _record(self, schema: dict[str, Any]) -> tuple[Any, pa.DataType]:
        name = self._name()
        self._named[schema["name"]] = name, None
        fields, columns = [], []
        for field in schema["fields"]:
            read_as, kind = self.of(field["type"])
            fields.append({"name": field["name"], "type": read_as})
            doc = field.get("doc")
            columns.append(pa.field(field["name"], kind, metadata={"doc": doc} if doc else None))
        kind = pa.struct(columns or [(_NOTHING, pa.string())])
        self._named[schema["name"]] = name, kind
        return {"type": "record", "name": name, "fields": fields}, kind

    def _name(self) -> str:
        """One for a type: theirs may depend on where they stand."""
        self._count += 1
        return f"type_{self._count}"

    def _union(self, branches: list[Any]) -> tuple[Any, pa.DataType]:
        read = [self.of(branch) for branch in branches]
        others = [kind for branch, (_, kind) in zip(branches, read, strict=True) if _called(branch) != "null"]
        if len(others) < 2:
            return [read_as for read_as, _ in read], others[0] if others else pa.null()
        names: dict[str, int] = {}  # of the fields, and which branch it is
        for number, branch in enumerate(branches):
            name = _called(branch).rpartition(".")[2]
            names["_".join([name, *[str(number)] * (name in names)])] = number
        read_as = [self.alone(name, read[n][0]) if name != "null" else "null" for name, n in names.items()]
        return read_as, pa.struct([(name, read[n][1]) for name, n in names.items() if name != "null"])


def _called(branch: Any) -> str:  # noqa: ANN401  # JSON
    """The name of a branch of a union."""
    while isinstance(branch, dict):
        branch = branch.get("name") or branch["type"]
    return str(branch)


def _decimal(schema: dict[str, Any], read_as: dict[str, Any]) -> tuple[Any, pa.DataType] | None:
    """How a decimal is read, its digits as many as there may be, lest it be rounded; None if it is none for Iceberg."""
    digits, scale = schema.get("precision", 0), schema.get("scale", 0)
    if schema.get("logicalType") != "decimal" or not 0 <= scale <= digits <= _DIGITS or not digits:
        return None
    most = int((8 * schema["size"] - 1) * math.log10(2)) if "size" in schema else _DIGITS
    decimal = {"logicalType": "decimal", "precision": min(most, _DIGITS), "scale": scale}
    return {**read_as, **decimal}, pa.decimal128(digits, scale)


def _long(file: BinaryIO) -> int:
    """The next number, zigzag coded."""
    value = shift = 0
    while True:
        byte = file.read(1)
        if not byte or shift > 63:
            raise Damaged("the file ends within a block's length, or it is none")
        value |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:
            return (value >> 1) ^ -(value & 1)


class _Behind(io.RawIOBase):
    """A header, and some bytes of a file behind it."""

    def __init__(self, header: bytes, file: BinaryIO, start: int, length: int) -> None:
        super().__init__()
        self._header, self._file, self._left = io.BytesIO(header), file, length
        self._passed = 0
        file.seek(start)

    def read(self, size: int = -1, /) -> bytes:
        """See `io.RawIOBase`."""
        data = self._header.read(size)
        if not data:
            data = self._file.read(self._left if size < 0 else min(size, self._left))
            self._left -= len(data)
        self._passed += len(data)
        return data

    def tell(self) -> int:
        """See `io.IOBase`."""
        return self._passed


@contextmanager
def _damage(where: str) -> Iterator[None]:
    """Whatever fastavro, a codec or Arrow stumbles over as ours; their messages may hold values."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:  # the store's
            raise
        raise Damaged(f"{where} cannot be decoded ({type(error).__name__})") from error


@contextmanager
def _refused() -> Iterator[None]:
    """What fastavro says of a schema, or of a codec."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise Unreadable(f"its schema is none that can be read: {error}") from error
