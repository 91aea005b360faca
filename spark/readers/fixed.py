"""Fixed width records: cut at line ends, their columns gathered by numpy, kept as strings.

A piece is taken as a matrix of cells, a row a record and a cell a character, and turned by 90 degrees, so that what is
asked of every record (is this column blank? how long is the value?) is asked of a whole column of cells at once.
Cells are the file's bytes; only records that hold more than ASCII are decoded, into cells of four bytes. No step runs
the interpreter once a record, but for decoding those and for what is rejected.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, BinaryIO, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pydantic
from pydantic import BaseModel

from spark.cutting import MAX_RECORD, canonical, cut_lines, holds_ascii
from spark.cutting.records import trailer_pattern
from spark.errors import CountMismatch, Unreadable
from spark.parts import PART, Piece, Rejected
from spark.readers.base import Encoding, Ordinals, Shell, without_bad
from spark.readers.layouts import Layout

_BLANK, _CR, _LF = 32, 13, 10
_BLOCK = 64 * 1024 * 1024  # bytes of cells that are turned as one
_NARROW = 16  # cells up to which a column is dealt out rather than moved
_TABLE = 1024  # cells up to which the flags of a value are looked up by its length
_TURN = 64  # records that are turned at once: their cells stay in the cache

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Cells = npt.NDArray[np.uint8] | npt.NDArray[np.uint32]


class Span(BaseModel, frozen=True, extra="forbid"):
    """Columns of a record: the first, from 1, and how many."""

    start: int = pydantic.Field(ge=1)
    length: int = pydantic.Field(ge=1)


class Fixed(Shell, frozen=True, extra="forbid"):
    """A fixed width format: lines (LF or CRLF) whose columns one of `layouts` explains.

    - Several layouts are for kinds of records, told by the value in the columns `record_type`, or for years: see `of`.
      The table has the columns of all of them, null where a record's layout lacks one.
    - A value is the text in its columns without blanks behind it (`trim` "right"), around it ("both") or with all of
      them ("none"); nothing but blanks is null.
    - Rejected is a record of a type that no layout has, one that ends before its layout's last field does, and one with
      more than blanks beyond the record's length. With `pad` a short record is taken for one whose blanks at the end
      were cut off.
    - Columns are characters, as pandas, DuckDB, polars and Spark count them, or, with `unit` "bytes", the bytes of
      UTF-8, as mainframes and SAS do. The former is the default as it errs loudly: taken for bytes, a file of
      characters shifts unseen where blanks are at the end; taken for characters, a file of bytes has short records.
    - `encoding` is UTF-8, unless a byte order mark says UTF-16 or UTF-32, or any that Python knows, EBCDIC as well. A
      record whose bytes are not `encoding` is decoded as `fallback` where one is given; else it is rejected.
    - Rejected is a record longer than `max_record` bytes, too.
    - `skip` lines at the top, whatever they hold, and `footer` lines at the end that are not blank are no records.
    - `trailer` is a regular expression that one of the footer's lines must match from its beginning on; its group
      `records`, where it has one, must be the number of records, and `lines` that of all lines that are not blank.
    """

    layouts: tuple[Layout, ...] = pydantic.Field(min_length=1)
    record_type: Span | None = None
    trim: Literal["right", "both", "none"] = "right"
    pad: bool = False
    unit: Literal["characters", "bytes"] = "characters"
    encoding: Encoding = "utf-8"
    fallback: Encoding | None = None
    skip: int = pydantic.Field(default=0, ge=0)
    footer: int = pydantic.Field(default=0, ge=0)
    trailer: Annotated[str, pydantic.AfterValidator(trailer_pattern)] | None = None
    max_record: int = pydantic.Field(default=MAX_RECORD, gt=0, le=1024**3)

    @pydantic.model_validator(mode="after")
    def _is_one_format(self) -> Self:
        if self.unit == "bytes" and canonical(self.encoding) != "utf-8":
            raise ValueError(
                "columns can be counted in bytes of UTF-8 only; in single-byte encodings they are characters"
            )
        if self.fallback and not (holds_ascii(canonical(self.encoding)) and holds_ascii(canonical(self.fallback))):
            raise ValueError("a fallback is for encodings that hold ASCII as it is, and must be one")
        if self.trailer is not None and not self.footer:
            raise ValueError("a trailer needs a `footer`, the number of lines at the end that are no records")
        kinds = [(layout.record_type, layout.since) for layout in self.layouts]
        if len(set(kinds)) < len(kinds):
            raise ValueError("two layouts are for the same record type and year")
        if self.record_type is None and any(kind is not None for kind, _ in kinds):
            raise ValueError("layouts for record types need `record_type`, the columns that tell the type")
        if self.record_type is not None:
            if any(kind is None for kind, _ in kinds):
                raise ValueError("every layout needs its `record_type`")
            if any(len(kind or "") > self.record_type.length for kind, _ in kinds):
                raise ValueError("a layout's `record_type` is longer than the columns that tell it")
        return self

    def of(self, year: int) -> "Fixed":
        """This format as it is in `year`: of each record type the layout with the latest `since` up to then.

        A layout without `since` holds from the beginning. Raises `Unreadable` where the year is before all of them.
        """
        latest: dict[str | None, Layout] = {}
        for layout in sorted(self.layouts, key=lambda layout: layout.since or 0):
            if (layout.since or 0) <= year:
                latest[layout.record_type] = layout
        if not latest:
            raise Unreadable(f"no layout holds in {year}")
        return self.model_copy(update={"layouts": tuple(latest.values())})

    @property
    def _encoding(self) -> str:
        """Of a piece's data."""
        encoding = canonical(self.encoding)
        return encoding if holds_ascii(encoding) else "utf-8"

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields' names, in the order of the layouts; those that layouts share stand once."""
        return tuple(name for name, _ in _keys(self.layouts))

    def cut(self, stream: BinaryIO, size: int = PART) -> Iterator[Piece]:
        """See `Reader.cut`. Raises `Unreadable` where `encoding` cannot be the file's, and where no trailer is there;
        `Miscounted` where it says another number.

        A piece's data are bytes of the file; where its encoding does not hold ASCII as it is, as UTF-16, they are its
        UTF-8. Offsets are always the file's.
        """
        pieces = cut_lines(
            stream,
            size,
            encoding=self.encoding,
            line_end="lf",
            skip=self.skip,
            footer=self.footer,
            trailer=self.trailer,
            max_record=self.max_record,
        )
        for piece in pieces:
            yield piece.model_copy(update={"columns": self.columns})

    def read(self, piece: Piece) -> tuple[pa.Table, list[Rejected]]:
        """See `Reader.read`. Raises `CountMismatch` where the lines are not as many as the cutter counted.

        `Unreadable` where several years' layouts are left to choose from: choose by `of`.
        """
        kinds = [layout.record_type for layout in self.layouts]
        if len(set(kinds)) < len(kinds):
            raise Unreadable("the layouts are of several years: choose one by Fixed.of(year)")
        data, ordinals, rejected = without_bad(piece, self._encoding)
        found = _lines(data, ordinals)
        tables = []
        for group in self._groups(found, rejected):
            for layout, rows in self._kinds(group, found, rejected):
                fits = self._that_fit(rows, layout, found, rejected)
                tables += [self._table(block, layout, found) for block in _blocks(fits, layout.end)]
        return self._joined(tables), rejected

    def _groups(self, found: "_Lines", rejected: list[Rejected]) -> Iterator["_Group"]:
        """The records by what their cells are: bytes, or characters where a record holds more than ASCII."""
        bytes_ = np.frombuffer(found.data, np.uint8)
        everything = np.arange(len(found.starts))
        if found.data.isascii():
            yield _Group(bytes_, found.starts, found.lengths, everything)
            return
        wide = np.maximum.reduceat(bytes_, found.starts) >= 0x80 if len(everything) else np.zeros(0, bool)
        ascii_ = everything[~wide]
        yield _Group(bytes_, found.starts[ascii_], found.lengths[ascii_], ascii_)
        in_bytes: list[int] = []
        decoded: list[int] = []
        texts: list[str] = []
        for index in everything[wide].tolist():
            record = found.record(index)
            try:
                text = record.decode(self._encoding)
                if self.unit == "bytes":
                    in_bytes.append(index)
                    continue
            except UnicodeDecodeError:
                try:
                    text = record.decode(self.fallback or "ascii")
                except UnicodeDecodeError:
                    rejected.append(self._rejected(index, f"not {self._encoding}", found))
                    continue
            decoded.append(index)
            texts.append(text)
        if in_bytes:
            rows = np.array(in_bytes)
            yield _Group(bytes_, found.starts[rows], found.lengths[rows], rows, multibyte=True)
        if decoded:
            cells = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)
            lengths = np.array([len(text) for text in texts])
            yield _Group(cells, np.cumsum(lengths) - lengths, lengths, np.array(decoded))

    def _kinds(self, group: "_Group", found: "_Lines", rejected: list[Rejected]) -> Iterator[tuple[Layout, "_Group"]]:
        """The records of a group by the layout of their record type."""
        if self.record_type is None:
            yield self.layouts[0], group
            return
        first, length = self.record_type.start - 1, self.record_type.length
        told = group.matrix(first, length)
        left = np.ones(len(group.lines), bool)
        for layout in self.layouts:
            value = layout.record_type or ""
            value_cells = [*value.encode()] if self.unit == "bytes" else [ord(character) for character in value]
            value_cells += [_BLANK] * (length - len(value_cells))
            same = (told == np.array(value_cells)).all(axis=1)
            yield layout, group.only(same)
            left &= ~same
        reason = "of a record type that no layout has"
        rejected.extend(self._rejected(index, reason, found) for index in group.lines[left].tolist())

    def _that_fit(self, group: "_Group", layout: Layout, found: "_Lines", rejected: list[Rejected]) -> "_Group":
        """The records that are as long as their layout says, or beyond that hold but blanks."""
        reasons: dict[int, str] = {}
        if not self.pad:
            for row in np.flatnonzero(group.lengths < layout.end).tolist():
                reasons[row] = f"{group.lengths[row]} columns where {layout.end} belong"
        over = np.flatnonzero(group.lengths > layout.record_length)
        for length in np.unique(group.lengths[over]).tolist():
            rows = over[group.lengths[over] == length]
            beyond = _taken(group.cells, group.starts[rows] + layout.record_length, length - layout.record_length)
            for row in rows[(beyond != _BLANK).any(axis=1)].tolist():
                reasons[row] = f"more than blanks beyond column {layout.record_length}"
        if group.multibyte:
            for edge in {field.start - 1 for field in layout.fields} | {field.end for field in layout.fields}:
                rows = np.flatnonzero(group.lengths > edge)
                inside = group.cells[group.starts[rows] + edge] & 0xC0 == 0x80
                reasons |= dict.fromkeys(rows[inside].tolist(), f"a character on both sides of column {edge}'s end")
        if not reasons:
            return group
        for row, reason in reasons.items():
            rejected.append(self._rejected(int(group.lines[row]), reason, found))
        good = np.ones(len(group.lines), bool)
        good[list(reasons)] = False
        return group.only(good)

    def _table(self, group: "_Group", layout: Layout, found: "_Lines") -> pa.Table:
        matrix = group.matrix(0, layout.end)
        turned = np.empty(matrix.shape[::-1], matrix.dtype)
        for row in range(0, len(matrix), _TURN):
            turned[:, row : row + _TURN] = matrix[row : row + _TURN].T
        values = {
            key: _column(matrix, turned[field.start - 1 : field.end], field.start - 1, self.trim)
            for key, field in zip(_keys((layout,)), layout.fields, strict=True)
        }
        arrays = [values[key] if key in values else pa.nulls(len(matrix), pa.string()) for key in _keys(self.layouts)]
        record = pa.array(found.ordinals[group.lines], pa.int64())
        return pa.Table.from_arrays([record, *arrays], names=["_record", *self.columns])

    def _joined(self, tables: Sequence[pa.Table]) -> pa.Table:
        """One table, in the order of the file."""
        if not tables:
            empty = [pa.array([], pa.int64()), *[pa.array([], pa.string())] * len(self.columns)]
            return pa.Table.from_arrays(empty, names=["_record", *self.columns])
        table = pa.concat_tables(tables)
        ordinals = table.column(0).to_numpy()
        if len(ordinals) and (np.diff(ordinals) < 0).any():
            return table.take(pa.array(np.argsort(ordinals)))
        return table

    def _rejected(self, index: int, reason: str, found: "_Lines") -> Rejected:
        return Rejected(record=int(found.ordinals[index]), reason=reason, text=self._text(found.record(index)))

    def _text(self, record: bytes) -> str:
        try:
            return record.decode(self._encoding)
        except UnicodeDecodeError:
            return record.decode(self.fallback or self._encoding, "backslashreplace")


class _Lines(NamedTuple):
    """The lines of a piece that are records: where each begins, its bytes without the line end, and its ordinal."""

    data: bytes
    starts: Ints
    lengths: Ints
    ordinals: Ordinals

    def record(self, index: int) -> bytes:
        start = int(self.starts[index])
        return self.data[start : start + int(self.lengths[index])]


class _Group(NamedTuple):
    """Records whose cells are alike: where each begins in `cells`, how many it has, and which line it is.

    `multibyte`: cells are bytes of characters of which some are several, so that a column may begin within one.
    """

    cells: Cells
    starts: Ints
    lengths: Ints
    lines: Ints
    multibyte: bool = False

    def only(self, which: Bools | slice) -> "_Group":
        return self._replace(starts=self.starts[which], lengths=self.lengths[which], lines=self.lines[which])

    def matrix(self, first: int, width: int) -> Cells:
        """`width` cells of each record from the cell `first` on, blanks where a record ends before."""
        there = np.clip(self.lengths - first, 0, width)
        if (there == width).all():
            return _taken(self.cells, self.starts + first, width)
        matrix = np.full((len(there), width), _BLANK, self.cells.dtype)
        for length in np.unique(there[there > 0]).tolist():
            rows = np.flatnonzero(there == length)
            matrix[rows, :length] = _taken(self.cells, self.starts[rows] + first, length)
        return matrix


def _lines(data: bytes, ordinals: Ordinals) -> _Lines:
    """The lines of a piece that are not blank; raises `CountMismatch` where they are not as many as their ordinals."""
    bytes_ = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(bytes_ == _LF)
    if len(data) and bytes_[-1] != _LF:
        ends = np.append(ends, len(data))
    starts = np.append(0, ends + 1)[:-1]
    lengths = ends - starts
    lengths -= (lengths > 0) & (bytes_[ends - 1] == _CR)
    filled = lengths > 0
    if not filled.all():
        starts, lengths = starts[filled], lengths[filled]
    if len(starts) != len(ordinals):
        raise CountMismatch(f"{len(ordinals):,} records by the cutter's count, but {len(starts):,} lines")
    return _Lines(data, starts, lengths, ordinals)


def _blocks(group: _Group, width: int) -> Iterator[_Group]:
    """The group in blocks whose cells are few enough to be turned in memory."""
    rows = max(1, _BLOCK // (width * group.cells.itemsize))
    for row in range(0, len(group.lines), rows):
        yield group.only(slice(row, row + rows))


def _taken(cells: Cells, starts: Ints, width: int) -> Cells:
    """`width` cells from each of `starts` on; a view where these are evenly spaced."""
    size = cells.itemsize
    steps = np.diff(starts)
    if len(steps) and steps[0] > 0 and (steps == steps[0]).all():
        strides = (int(steps[0]) * size, size)
        return np.ndarray((len(starts), width), cells.dtype, cells, int(starts[0]) * size, strides)
    if not len(starts):
        return np.empty((0, width), cells.dtype)
    windows: npt.NDArray[np.void] = np.ndarray((len(cells) - width + 1,), f"V{width * size}", cells, 0, (size,))
    return windows[starts].view(cells.dtype).reshape(len(starts), width)


def _column(matrix: Cells, rows: Cells, first: int, trim: str) -> pa.StringArray:
    """The values in a column of `matrix` that begins at the cell `first`; `rows` are its cells, transposed."""
    ends = _filled(rows)
    blank = ends == 0
    used = int(ends.max())
    if not used:
        return pa.nulls(len(matrix), pa.string())
    if trim == "none":
        used = len(rows)
        ends[~blank] = used
    begins = None
    if trim == "both" and ((rows[0] == _BLANK) & ~blank).any():
        begins = np.where(blank, 0, len(rows) - _filled(rows[::-1]))
    cells = _packed(matrix, rows[:used], first)
    if begins is None and ((ends == used) | blank).all():
        offsets = np.arange(0, cells.size + 1, used, dtype=np.int32)  # a null may have bytes
    else:
        offsets = _offsets(ends if begins is None else ends - begins)
        kept = _before(ends, used)
        if begins is not None:
            kept &= ~_before(begins, used)
        cells = pa.array(cells).filter(_bits(kept.reshape(-1))).to_numpy()
    if cells.dtype == np.uint32:
        sizes = 1 + (cells >= 0x80) + (cells >= 0x800) + (cells >= 0x10000)
        offsets = _offsets(sizes)[offsets]
        data = pa.py_buffer(cells.tobytes().decode("utf-32-le").encode())
    else:
        data = pa.py_buffer(cells)
    nulls = int(np.count_nonzero(blank))
    valid = pa.py_buffer(np.packbits(~blank, bitorder="little")) if nulls else None
    return pa.StringArray.from_buffers(len(matrix), pa.py_buffer(offsets), data, valid, nulls)


def _offsets(lengths: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
    """Where values of these lengths begin, one behind the other, and where the last ends; a block is below 2 GiB."""
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _before(ends: npt.NDArray[np.integer], width: int) -> Bools:
    """For each of `ends` a row of `width` flags that are set before it."""
    if width > _TABLE:
        flags: Bools = np.arange(width) < ends[:, None]
        return flags
    return np.take(np.tri(width + 1, width, -1, bool), ends, axis=0, mode="clip")


def _bits(flags: Bools) -> pa.BooleanArray:
    return pa.Array.from_buffers(pa.bool_(), len(flags), [None, pa.py_buffer(np.packbits(flags, bitorder="little"))])


def _filled(rows: Cells) -> npt.NDArray[np.unsignedinteger]:
    """For each column of `rows` how many cells it has down to the last that is not blank."""
    width = len(rows)
    kind = np.min_scalar_type(width)
    if (rows[-1] != _BLANK).all():
        return np.full(rows.shape[1], width, kind)
    filled = np.zeros(rows.shape[1], kind)
    for number, row in enumerate(rows, 1):
        np.maximum(filled, (row != _BLANK).view(np.uint8) * kind.type(number), out=filled)
    return filled


def _packed(matrix: Cells, rows: Cells, first: int) -> Cells:
    """The cells of one column of `matrix`, record by record; `rows` are the same, transposed.

    What is narrow is dealt out from the transposed rows, what is wide is moved, a value at a time.
    """
    width = len(rows)
    if width > _NARROW:
        values = matrix[:, first : first + width].view(f"V{width * matrix.itemsize}")
        return np.ascontiguousarray(values).view(matrix.dtype).reshape(-1)
    packed = np.empty((len(matrix), width), matrix.dtype)
    for cell, row in enumerate(rows):
        packed[:, cell] = row
    return packed.reshape(-1)


def _keys(layouts: Sequence[Layout]) -> list[tuple[str, int]]:
    """The names of all fields, each with how often it stood before in its layout, as a layout may repeat one."""
    keys: dict[tuple[str, int], None] = {}
    for layout in layouts:
        seen: Counter[str] = Counter()
        for field in layout.fields:
            keys[field.name, seen[field.name]] = None
            seen[field.name] += 1
    return list(keys)
