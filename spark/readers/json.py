"""JSON: cut at its records, parsed by Arrow's C++ reader where they fit their fields, else value by value."""

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from json.decoder import scanstring  # type: ignore[attr-defined]  # which typeshed does not know
from typing import Any, BinaryIO, NamedTuple, NoReturn, Self, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pajson
from pydantic import Field, model_validator

from spark.cutting import MAX_RECORD, Dialect, Plain, Records, cut_members, is_utf8
from spark.cutting.members import cut_texts, member_spans, text_spans
from spark.errors import CountMismatch, Unreadable
from spark.names import normalise
from spark.parts import PART, Piece, Rejected
from spark.readers.base import SPECIAL, Encoding, Ordinals, Shell, without_bad
from spark.readers.fields import (
    ANY,
    ITSELF,
    Number,
    Seen,
    Shape,
    holds,
    is_double,
    is_int,
    is_text,
    parsed,
    stored,
    top,
)

_AROUND = (f'{{"{ITSELF}":'.encode(), b"}")
_MAP = pa.map_(pa.string(), pa.string())
_LINES = Dialect(quote=None, line_end="lf")
_HEAD = 64 * 1024  # bytes that are looked at for how a file's records stand
_FEW = 64  # records that are no longer tried at once
_SHARES = 8
_FIRST = 100  # records that a draft begins with
_WHOLE = 2**53  # from here on doubles are not all integers
_BLANK = re.compile(r"[ \t\n\r]*")
_NAME = re.compile(r"[^\W\d][\w-]*")
_BLANKS = np.isin(np.arange(256), list(b" \t\r\n\x1e"))
_NUMBER = re.compile(rb"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_ALL = np.uint64(0x0101010101010101)
_KEY = re.compile(r'[ \t\n\r]*+"([^"\\\x00-\x1f]*+)"[ \t\n\r]*+:[ \t\n\r]*+')
_NUMBERS_END = re.compile(rb"[0-9.eE+-]*\Z")
_WINDOW = 32

Positions = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Spans = tuple[Positions, Positions]

_NONE: Spans = (np.zeros(0, np.int64), np.zeros(0, np.int64))


class Json(Shell, frozen=True, extra="forbid"):
    """JSON, nested as it is.

    A record is an object, or any other value, which then stands in one column `value`. An absent key and a null are
    both null; numbers keep their values, not how they are written (1.50, 1e2), and text not its escapes. All else that
    does not fit a field is null there and stands in `_special`, as it came, under its path: `a`, `a.b`, `a[0].b`, a key
    that is not a word in quotes, the whole record under `$`. So do values of keys that no field has, and objects that
    repeat a key, whose last value is the field's. A record that is no JSON, not UTF-8, or nested deeper than Python's
    parser goes, some 900 levels, is rejected.

    - `at`: the array that holds the records: `$`, or keys as in `$.results`
    - `lines`: a record a line, or, if False, objects and arrays that follow each other, broken into lines or not.
      Neither said, it is an array where the file begins with one, else lines, unless the first does not hold a record
    - `fields`: what a record's keys hold, see `Shape`: {"npi": "text", "taxonomies": [{"code": "text"}]}; one field
      `$` says it of the record itself. Without them they are drafted from the first records
    - `encoding`: UTF-8, unless a byte order mark says UTF-16 or UTF-32; or any that Python knows
    """

    at: str | None = None
    lines: bool | None = None
    fields: dict[str, Shape] | None = None
    encoding: Encoding = "utf-8"
    max_record: int = Field(default=MAX_RECORD, gt=0, le=1024**3)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.at is not None and self.lines is not None:
            raise ValueError("records are in an array, or lines, not both")
        return self

    @property
    def schema(self) -> pa.Schema | None:  # type: ignore[override]  # pydantic's own is deprecated
        """See `Structured.schema`."""
        return None if self.fields is None else _schema(self.fields)

    def cut(self, stream: BinaryIO, size: int = PART) -> Iterator[Piece]:
        """See `Reader.cut`. A piece's data are UTF-8. Raises `Unreadable` as `cut_members` and `cut_texts` do."""
        at, lines = self.at, self.lines
        if at is None and lines is None:
            head = _read(stream, _HEAD)
            at, lines = _found(Plain(io.BytesIO(head), self.encoding, always=True).read(_HEAD))
            stream = cast(BinaryIO, _Again(head, stream))
        if at is not None:
            return cut_members(stream, at, size, encoding=self.encoding, max_record=self.max_record)
        if not lines:
            return cut_texts(stream, size, encoding=self.encoding, max_record=self.max_record)
        return Records(Plain(stream, self.encoding, always=True), _LINES, self.max_record).pieces(size, (), 0)

    def drafted(self, pieces: Iterable[Piece]) -> Self:
        """See `Structured.drafted`. What these pieces hold fits, but for repeated keys, halves of surrogate pairs, and
        null among objects.

        Mixed values, such as numbers and text, are drafted as `json`; so are those that never are anything but null,
        or empty objects, and what is nested deeper than 20 levels.
        """
        if self.fields is not None:
            return self
        seen = Seen()
        for piece in pieces:
            texts, _ = self._texts(piece)
            first, count = 0, _FIRST
            while first < len(texts.starts):
                part, fields = texts.part(first, first + count), seen.fields()
                reader = self.model_validate({**self.model_dump(), "fields": fields})
                for few, table in reader._parsed(part) if fields else [(part, None)]:
                    if table is None or not all(_is_sure(column.chunk(0), ints=True) for column in table.columns[1:]):
                        _see(few, seen)  # its integers as well, where a double would not hold them
                first, count = first + count, 2 * count
        return self.model_validate({**self.model_dump(), "fields": seen.fields()})

    def read(self, piece: Piece) -> tuple[pa.Table, list[Rejected]]:
        """See `Reader.read`. Records that Arrow cannot read into the fields are read one by one.

        Raises `CountMismatch` where a piece does not hold the records that its cutter counted.
        """
        if self.fields is None:
            raise Unreadable("its fields are neither declared nor drafted")
        texts, rejected = self._texts(piece)
        tables = []
        for few, table in self._parsed(texts):
            if table is None:
                table, more = self._one_by_one(few)
                rejected += more
            tables.append(table)
        whole = pa.concat_tables(tables) if tables else _schema(self.fields).empty_table()
        in_order = (np.diff(whole[0].to_numpy()) > 0).all()
        return whole if in_order else whole.take(pc.sort_indices(whole[0])), rejected

    def _texts(self, piece: Piece) -> tuple["_Texts", list[Rejected]]:
        """The records of a piece, and those that are refused already."""
        data, ordinals, rejected = without_bad(piece)
        starts, ends = self._spans(data, len(ordinals))
        return _Texts(data, *_trimmed(data, starts, ends), ordinals), rejected

    def _spans(self, data: bytes, records: int) -> Spans:
        """Where each record is.

        How records stand shows in them: a line that begins and ends with brackets is one wherever the next line does,
        too, as in JSON a comma stands between the brackets.
        """
        if self.at is not None:
            ways: list[Callable[[bytes, int], Spans]] = [_member_spans]
        elif self.lines is None:
            ways = [_whole_line_spans, _member_spans, _text_spans, _line_spans]
        else:
            ways = [_line_spans if self.lines else _text_spans]
        for way in ways:
            starts, ends = way(data, records)
            if len(starts) == records:
                return starts, ends
        raise CountMismatch(f"{records:,} records were cut, which the piece does not show")

    def _parsed(self, texts: "_Texts") -> Iterator[tuple["_Texts", pa.Table | None]]:
        """The records as Arrow reads them, stretch by stretch; without a table those that it does not, or not well."""
        good = texts.promising(brackets=not self._itself)
        if any(holds(shape, "double") for shape in (self.fields or {}).values()):
            good &= ~texts.doubtful()
        if not good.all():
            yield texts.chosen(~good), None
        yield from self._at_once(texts.chosen(good))

    def _at_once(self, texts: "_Texts") -> Iterator[tuple["_Texts", pa.Table | None]]:
        """Try them all, then shares of them."""
        count = len(texts.starts)
        if not count:
            return
        table = self._by_arrow(texts)
        if table is not None or count <= _FEW:
            yield texts, table
            return
        share = -(-count // _SHARES)
        if all(self._by_arrow(texts.part(first, first + 1)) is None for first in range(0, count, share)):
            yield texts, None  # hardly any fits
            return
        for first in range(0, count, share):
            yield from self._at_once(texts.part(first, first + share))

    def _by_arrow(self, texts: "_Texts") -> pa.Table | None:
        """Records that begin and end with brackets; None where one does not fit the fields, or is no JSON."""
        data = texts.joined(*_AROUND if self._itself else ())
        try:
            table = pajson.read_json(
                pa.BufferReader(data),
                read_options=pajson.ReadOptions(use_threads=False, block_size=len(data) + 1),
                parse_options=pajson.ParseOptions(explicit_schema=self._parsed_as, unexpected_field_behavior="error"),
            )
        except pa.ArrowInvalid:
            return None
        table = table.combine_chunks()
        if table.num_rows != len(texts.starts) or not all(_is_sure(column.chunk(0)) for column in table.columns):
            return None
        columns = [
            _as(column.chunk(0), kind) for column, kind in zip(table.columns, self._stored_as.types[1:], strict=False)
        ]
        special = pa.nulls(table.num_rows, _MAP)
        return pa.Table.from_arrays([pa.array(texts.ordinals), *columns, special], schema=self._stored_as)

    def _one_by_one(self, texts: "_Texts") -> tuple[pa.Table, list[Rejected]]:
        """Each record a row, or rejected alone."""
        kept, rows, specials, rejected = [], [], [], []
        for ordinal, raw in zip(texts.ordinals.tolist(), texts.each(), strict=True):
            try:
                record = _Record(raw.decode())
                value = record.read(self._shape)
            except (UnicodeDecodeError, _NotJson) as error:
                reason = str(error) if isinstance(error, _NotJson) else "not UTF-8"
                rejected.append(Rejected(record=ordinal, reason=reason, text=raw.decode("utf-8", "backslashreplace")))
                continue
            kept.append(ordinal)
            rows.append({ITSELF: value} if self._itself else value or {})
            specials.append(list(record.special.items()) or None)
        names = [ITSELF] if self._itself else normalise(list(self.fields or {}))
        columns = [
            pa.array([row.get(name) for row in rows], kind)
            for name, kind in zip(names, self._stored_as.types[1:], strict=False)
        ]
        arrays = [pa.array(kept, pa.int64()), *columns, pa.array(specials, _MAP)]
        return pa.Table.from_arrays(arrays, schema=self._stored_as), rejected

    @property
    def _itself(self) -> bool:
        return list(self.fields or {}) == [ITSELF]

    @cached_property
    def _shape(self) -> "_Shape":
        fields = self.fields or {}
        return _compiled(fields[ITSELF]) if self._itself else _Object(fields)

    @cached_property
    def _stored_as(self) -> pa.Schema:
        return _schema(self.fields or {})

    @cached_property
    def _parsed_as(self) -> pa.Schema:
        return pa.schema([(name, parsed(shape)) for name, shape in (self.fields or {}).items()])


class _Texts(NamedTuple):
    """Records in a piece: where each starts and ends, blanks around it left out, and its ordinal."""

    data: bytes
    starts: Positions
    ends: Positions
    ordinals: Ordinals

    def each(self) -> Iterator[bytes]:
        """Their bytes."""
        for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True):
            yield self.data[start:end]

    def part(self, first: int, last: int) -> "_Texts":
        """Some of them."""
        return _Texts(self.data, self.starts[first:last], self.ends[first:last], self.ordinals[first:last])

    def chosen(self, flags: Flags) -> "_Texts":
        """Those that are flagged."""
        return _Texts(self.data, self.starts[flags], self.ends[flags], self.ordinals[flags])

    def joined(self, before: bytes = b"", behind: bytes = b"") -> pa.Buffer:
        """All of them, blanks between, each with something around it."""
        gaps = self.starts[1:] - self.ends[:-1]
        bytes_ = np.frombuffer(self.data, np.uint8)
        if not before and (gaps == 1).all() and _BLANKS[bytes_[self.ends[:-1]]].all():
            start = int(self.starts[0])
            return pa.py_buffer(self.data).slice(start, int(self.ends[-1]) - start)
        return pa.py_buffer(before + (behind + b"\n" + before).join(self.each()) + behind)

    def promising(self, *, brackets: bool) -> Flags:
        """Which may be tried at once: UTF-8 without NUL, at which the parser would stop, and whole as far as shows."""
        good = _has_brackets(self.data, self.starts, self.ends) if brackets else self.ends > self.starts
        if b"\0" in self.data or not is_utf8(self.data):
            good &= np.array([b"\0" not in text and is_utf8(text) for text in self.each()], bool)
        return good

    def doubtful(self) -> Flags:
        """Which hold a fraction, or an exponent, such that a double may not be that number.

        Those are of more than 15 digits, which fill one aligned word, or have three digits behind an e.
        """
        bytes_ = np.frombuffer(self.data, np.uint8)
        numeric = (bytes_ - np.uint8(ord("."))) <= ord("9") - ord(".")
        words = numeric[: len(numeric) // 8 * 8].view(np.uint64)
        long = np.flatnonzero(words == _ALL) * 8
        letters = np.flatnonzero(((bytes_[1:-3] | 0x20) == ord("e")) & numeric[:-4] & numeric[3:-1] & numeric[4:]) + 1
        flags = np.zeros(len(self.starts), bool)
        end = 0
        for at in np.union1d(long, letters).tolist():
            if at < end:
                continue
            while (begin := _NUMBERS_END.search(self.data, max(0, at - _WINDOW), at)) and begin.start() < at:
                at = begin.start()
            number = _NUMBER.match(self.data, at)
            end = number.end() if number else at
            if number and (number[1] or number[2]) and not is_double(number[0].decode()):
                flags[np.searchsorted(self.starts, at, "right") - 1] = True
        return flags


class _NotJson(ValueError):
    """A record that does not parse, and why, without anything of it."""


def _refuse(constant: str) -> NoReturn:
    raise _NotJson(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_refuse)
_scan = _DECODER.scan_once  # type: ignore[attr-defined]  # as `raw_decode` calls it


class _Object:
    """A shape that is looked up by key: for each the name in the lake."""

    def __init__(self, fields: Mapping[str, Shape]) -> None:
        own = normalise(list(fields))
        self.fields = {key: (name, _compiled(shape)) for (key, shape), name in zip(fields.items(), own, strict=True)}


class _List(NamedTuple):
    item: "_Shape"


class _Keyed(NamedTuple):
    value: "_Shape"


_Shape = str | _Object | _List | _Keyed


def _compiled(shape: Shape) -> _Shape:
    if isinstance(shape, str):
        return shape
    if isinstance(shape, list):
        return _List(_compiled(shape[0]))
    return _Keyed(_compiled(shape[ANY])) if list(shape) == [ANY] else _Object(shape)


Path = tuple[Any, str | int] | None
"""Where a value stands: where its object or list does, and its key or position; None for the record."""


class _Record:
    """One record, read value by value. `special` is what does not fit."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.special: dict[str, str] = {}

    def read(self, shape: _Shape) -> Any:  # noqa: ANN401  # of any type that Arrow takes
        """The record as its shape says. Raises `_NotJson`."""
        try:
            value, end = self._value(begin := self._next(0), shape, None)
            if value is None and isinstance(shape, _Object):
                self.special[ITSELF] = self._text[begin:end]  # no object; nor is null
            if self._next(end) < len(self._text):
                raise _NotJson("something stands behind its end")
        except RecursionError:
            raise _NotJson("it is nested too deeply") from None
        except json.JSONDecodeError as error:
            raise _NotJson(f"it is no JSON: {error.msg.lower()}") from None
        except StopIteration:
            raise _NotJson("it is no JSON: a value is missing, or unknown") from None
        except IndexError:
            raise _NotJson("it ends too early") from None
        return value

    def _value(self, at: int, shape: _Shape, path: Path) -> tuple[Any, int]:
        first = self._text[at]
        if first == "{" and isinstance(shape, _Object | _Keyed):
            return self._object(at, shape, path)
        if first == "[" and isinstance(shape, _List):
            return self._list(at, shape, path)
        value, end = _scan(self._text, at)
        return self._fitting(value, self._text[at:end], shape, path), end

    def _fitting(self, value: object, raw: str, shape: _Shape, path: Path) -> object:
        """The value where it fits, None where it is null or does not."""
        if value is None:
            return None
        if shape == "json":
            return raw
        match value:
            case Number():
                if shape == "int" and is_int(raw):
                    return int(raw)
                if shape == "double" and is_double(raw):
                    return float(raw)
                if shape == "number":
                    return raw
            case str() if shape == "text" and is_text(value):
                return value
            case bool() if shape == "bool":
                return value
        self.special[_path(path)] = raw
        return None

    def _object(self, start: int, shape: _Object | _Keyed, path: Path) -> tuple[Any, int]:
        text, found, seen = self._text, dict[str, Any](), set[str]()
        at = self._next(start + 1)
        if text[at] == "}":
            return ([] if isinstance(shape, _Keyed) else found), at + 1
        fields = shape.fields if isinstance(shape, _Object) else {}
        count = 0
        while True:
            if simple := _KEY.match(text, at):
                key, at = simple[1], simple.end()
            else:
                key, at = self._key(at)
            count += 1
            seen.add(key)
            if key in fields:
                name, of_key = fields[key]
                found[name], at = self._value(at, of_key, (path, key))
            elif isinstance(shape, _Keyed) and is_text(key):
                found[key], at = self._value(at, shape.value, (path, key))
            else:
                begin = at
                _, at = _scan(text, at)
                self.special[_path((path, key))] = text[begin:at]
            if text[at] != ",":
                at = self._next(at)
                if text[at] == "}":
                    break
                if text[at] != ",":
                    raise _NotJson("it is no JSON: a comma is missing")
            at += 1
        repeated = count > len(seen)
        if repeated:
            self.special[_path(path)] = text[start : at + 1]
        return (list(found.items()) if isinstance(shape, _Keyed) else found), at + 1

    def _key(self, at: int) -> tuple[str, int]:
        """A key, and where its value begins."""
        at = self._next(at)
        if self._text[at] != '"':
            raise _NotJson("it is no JSON: a key is missing")
        key, at = scanstring(self._text, at + 1, True)
        at = self._next(at)
        if self._text[at] != ":":
            raise _NotJson("it is no JSON: a colon is missing")
        return key, self._next(at + 1)

    def _list(self, start: int, shape: _List, path: Path) -> tuple[list[Any], int]:
        text, found = self._text, list[Any]()
        at = self._next(start + 1)
        if text[at] == "]":
            return found, at + 1
        while True:
            value, end = self._value(at, shape.item, (path, len(found)))
            found.append(value)
            at = self._next(end)
            if text[at] == "]":
                return found, at + 1
            if text[at] != ",":
                raise _NotJson("it is no JSON: a comma is missing")
            at = self._next(at + 1)

    def _next(self, at: int) -> int:
        """Where the next character is that is not blank."""
        match = _BLANK.match(self._text, at)
        return match.end() if match else at


def _path(path: Path) -> str:
    steps: list[str] = []
    while path is not None:
        path, step = path
        if isinstance(step, int):
            steps.append(f"[{step}]")
        else:
            steps.append(f".{step if _NAME.fullmatch(step) else json.dumps(step)}")
    return "".join(reversed(steps)).removeprefix(".") or ITSELF


def _see(texts: _Texts, seen: Seen) -> None:
    """Take in records; those that do not parse are rejected when they are read."""
    for raw in texts.each():
        try:
            value, _ = _scan(raw.decode().strip(), 0)
        except (ValueError, StopIteration, RecursionError):
            continue
        seen.add(value)


def _schema(fields: Mapping[str, Shape]) -> pa.Schema:
    columns = [pa.field(name, stored(shape)) for name, shape in top(fields)]
    return pa.schema([pa.field("_record", pa.int64()), *columns, pa.field(SPECIAL, _MAP)])


def _is_sure(array: pa.Array, *, ints: bool = False) -> bool:
    """Whether doubles are numbers, and none, nor any of `ints`, is an integer beyond what doubles hold exactly."""
    if pa.types.is_struct(array.type):
        return all(_is_sure(column, ints=ints) for column in array.flatten())
    if pa.types.is_list(array.type):
        return _is_sure(array.values, ints=ints)
    if not pa.types.is_floating(array.type) and not (ints and pa.types.is_integer(array.type)):
        return True
    inside = pc.and_(pc.less(array, _WHOLE), pc.greater(array, -_WHOLE))
    return pc.all(inside).as_py() is not False


def _as(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """What Arrow's parser gives as the type that is stored: the fields' names are other ones, and nulls have a type."""
    if array.type == kind:
        return array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), kind)
    missing = array.is_null() if array.null_count else None
    if pa.types.is_list(kind):
        return pa.ListArray.from_arrays(array.offsets, _as(array.values, kind.value_type), type=kind, mask=missing)
    inner = [_as(column, field.type) for column, field in zip(array.flatten(), kind, strict=True)]
    return pa.StructArray.from_arrays(inner, fields=list(kind), mask=missing)


def _line_spans(data: bytes, records: int) -> Spans:
    """Start and end of each line that is not empty."""
    found = _LINES.ends(data, final=True)
    starts = np.append(0, found.ends[:-1])[: len(found.ends)]
    return starts[found.filled], found.ends[found.filled]


def _whole_line_spans(data: bytes, records: int) -> Spans:
    """The same if each begins and ends as objects do, else none."""
    starts, ends = _line_spans(data, records)
    return (starts, ends) if _has_brackets(data, *_trimmed(data, starts, ends)).all() else _NONE


def _member_spans(data: bytes, records: int) -> Spans:
    """Start and end of each member; one of no bytes behind a comma at the very end, if it was counted."""
    starts, ends = member_spans(data)
    more = np.full(int(len(starts) == records - 1 and data.rstrip().endswith(b",")), len(data))
    return np.append(starts, more), np.append(ends, more)


def _text_spans(data: bytes, records: int) -> Spans:
    """Start and end of each text; none where something else stands between them."""
    try:
        return text_spans(data)
    except Unreadable:
        return _NONE


def _trimmed(data: bytes, starts: Positions, ends: Positions) -> Spans:
    """The spans without blanks around."""
    bytes_ = np.frombuffer(data, np.uint8)
    starts, ends = starts.copy(), ends.copy()
    left = np.flatnonzero(starts < ends)
    while len(left := left[_BLANKS[bytes_[starts[left]]]]):
        starts[left] += 1
        left = left[starts[left] < ends[left]]
    left = np.flatnonzero(starts < ends)
    while len(left := left[_BLANKS[bytes_[ends[left] - 1]]]):
        ends[left] -= 1  # what is left has a first byte that is none
    return starts, ends


def _has_brackets(data: bytes, starts: Positions, ends: Positions) -> Flags:
    """Which records begin and end as objects do."""
    bytes_ = np.frombuffer(data, np.uint8)
    good = ends > starts
    good[good] = (bytes_[starts[good]] == ord("{")) & (bytes_[ends[good] - 1] == ord("}"))
    return good


def _found(head: bytes) -> tuple[str | None, bool | None]:
    """`at` and `lines` of a file that begins so."""
    lines = [line for line in head.split(b"\n") if line.strip()]
    if not lines:
        return None, True
    try:
        starts, ends = text_spans(lines[0])
        whole = len(starts) == len(ends)
    except Unreadable:
        whole = False
    if head.lstrip().startswith(b"["):
        return ("$", None) if not whole or len(lines) == 1 else (None, True)
    return None, whole or len(lines) == 1 or not head.lstrip().startswith(b"{")


def _read(stream: BinaryIO, size: int) -> bytes:
    """The next `size` bytes; fewer at the end of the stream alone."""
    data = b""
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data


class _Again(io.RawIOBase):
    """A stream whose first bytes were read before."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._head, self._rest = io.BytesIO(head), rest

    def read(self, size: int = -1, /) -> bytes:
        """See `io.RawIOBase`."""
        return self._head.read(size) or self._rest.read(size)
