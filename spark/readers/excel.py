"""Excel workbooks (xlsx, xlsm, xlsb, xls) and OpenDocument's (ods), by calamine.

A workbook has no place to cut, and calamine holds all cells of the sheet that is read: 200,000 rows of 20 columns, an
xlsx of 15 MB, take 340 MB of memory and 5.5 s (one core of a slow machine).
"""

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any, BinaryIO, NamedTuple, Self
from weakref import WeakKeyDictionary

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, Field, model_validator
from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from spark.errors import Damaged, Undecryptable, Unreadable

_ROWS = 1 << 14  # of a batch at most
_EXACT = 2**53  # below it a double holds every whole number
_RANGE = re.compile(r"([A-Za-z]{1,3})([1-9]\d*)?:([A-Za-z]{1,3})([1-9]\d*)?")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # a stream's name ([MS-OFFCRYPTO] 2.3.4)
_LOOKS_LIKE: dict[bytes, str] = {
    _OLE: "an OLE file, as other programs write it, or old Excel under a password",
    b"<": "HTML or XML, as servers send it for a file that they do not have, and programs for Excel to open",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "still wrapped by gzip",
}

Cell = str | bool | int | float | date | datetime | time | timedelta
Row = Sequence[Cell]


@dataclass(frozen=True)
class Described:
    """What a sheet holds: the schema of the batches, and its records."""

    schema: pa.Schema
    rows: int


class Excel(BaseModel, frozen=True, extra="forbid"):
    """One sheet of a workbook, or a range in it.

    - `sheet`: its name, or its number from 0 among the worksheets that are not hidden, in the workbook's order
    - `range`: the cells that are looked at, the header among them, as Excel writes them: `B3:F20`; `B3:F`, down to the
      last row; `B:F`, whole columns
    - `header_row`: the row of the sheet, from 1, where the names begin; else the range's first, or 1. What is above it
      are titles
    - `header`: rows that hold names; of several, a column's cells are joined by a blank, empty ones left out, and above
      the last row a cell that is merged with others stands in all of their columns. With 0 names are
      `column_1`, `column_2`, …
    - `footer`: rows at the end that are no records, as totals; empty ones do not count
    - `typed`: whether columns have types of their own; else all are strings, whatever a party's clerk formats next time

    A column that holds numbers alone is int64 where all of them are whole and below 2^53, else double, which is how
    Excel stores both; dates alone are date32, dates with times timestamp[us], times of day time64[us], booleans
    boolean, durations int64, in microseconds. A column of several kinds is a string: dates by ISO 8601, whole numbers
    without a point, durations as `26:00:00`. Text stays text, `007` as well as ` x `. Dates follow the workbook's own
    system, 1900 or 1904.

    An empty cell is null, and so is one that holds an error, as `#N/A`, or a formula that was never computed: calamine
    tells them not apart. Of merged cells the first has the value. A row without a value is no record, a column with
    neither name nor value no column. `_record` counts records: its row is `_record` rows below the header's last, and
    one more for every row without a value in between.
    """

    sheet: int | str = 0
    range: str | None = Field(default=None, pattern=f"^{_RANGE.pattern}$")
    header_row: int | None = Field(default=None, ge=1)
    header: int = Field(default=1, ge=0)
    footer: int = Field(default=0, ge=0)
    typed: bool = True

    @model_validator(mode="after")
    def _header_is_in_range(self) -> Self:
        area = self._area
        if area.right <= area.left or area.bottom <= area.top:
            raise ValueError("a range goes from its upper left cell to its lower right one")
        if self.header_row is not None and not area.top < self.header_row <= area.bottom:
            raise ValueError("the header's row is not in the range")
        return self

    def describe(self, file: BinaryIO) -> Described:
        """Read the sheet. Raises `Unreadable`, `Damaged`, `Undecryptable`."""
        table = self._table(file)
        return Described(table.schema, table.num_rows)

    def spans(self, file: BinaryIO, rows: int = 1_000_000) -> list[tuple[()]]:
        """The whole sheet, as it has no places to begin at."""
        return [()]

    def batches(self, file: BinaryIO) -> Iterator[pa.RecordBatch]:
        """The records, `_record` first. Raises `Unreadable`, `Damaged`, `Undecryptable`."""
        yield from self._table(file).to_batches(_ROWS)

    @property
    def _area(self) -> "_Area":
        """What `range` says, counted from 0; without end where it does not say."""
        if not (found := _RANGE.fullmatch(self.range or "")):
            return _Area(0, _ENDLESS, 0, _ENDLESS)
        first, top, last, bottom = found.groups()
        return _Area(int(top or 1) - 1, int(bottom or _ENDLESS), _position(first), _position(last) + 1)

    def _table(self, file: BinaryIO) -> pa.Table:
        """The sheet as it is in Arrow; of one stream it is made once, as describing it takes reading it."""
        known = _READ.get(file)
        if known is None or known[0] != self:
            known = _READ[file] = self, self._made(file)
        return known[1]

    def _made(self, file: BinaryIO) -> pa.Table:
        sheet = self._sheet(_workbook(file))
        if sheet.start is None:
            return pa.table({"_record": pa.array([], pa.int64())})
        area = self._area
        cells = _Cells(sheet, area)
        if not cells.has_any:
            raise Unreadable(f"sheet {sheet.name!r} holds nothing in {self.range}, only in {_written(sheet)}")
        first = (area.top if self.header_row is None else self.header_row - 1) + self.header
        names = self._names(sheet, cells, first)
        columns = [_Column(name) for name in names]
        records = sum(_observed(columns, rows) for rows in cells.filled(first)) - self.footer
        kept = [n for n, column in enumerate(columns) if column.name or column.kinds]
        arrays: list[list[pa.Array]] = [[] for _ in kept]
        left = max(0, records)
        for rows in cells.filled(first):
            wide = list(zip(*rows[:left], strict=True)) or [()] * len(names)
            for array, n in zip(arrays, kept, strict=True):
                array.append(columns[n].array(wide[n], typed=self.typed))
            left -= min(left, len(rows))
        fields = [columns[n].field(typed=self.typed) for n in kept]
        made = [pa.chunked_array(array, field.type) for array, field in zip(arrays, fields, strict=True)]
        record = pc.cast(pa.array(range(1, max(0, records) + 1)), pa.int64())
        return pa.Table.from_arrays([record, *made], schema=pa.schema([pa.field("_record", pa.int64()), *fields]))

    def _sheet(self, book: CalamineWorkbook) -> CalamineSheet:
        sheets = _worksheets(book)
        shown = [name for name, is_shown in sheets.items() if is_shown]
        name = self.sheet
        if name not in sheets and str(name).isdigit() and int(name) < len(shown):
            name = shown[int(name)]
        if name not in sheets:
            there = ", ".join(f"{s!r}{'' if is_shown else ' (hidden)'}" for s, is_shown in sheets.items())
            raise Unreadable(f"the workbook has no sheet {self.sheet!r}; there are {there or 'none'}")
        return _sheet(book, str(name))

    def _names(self, sheet: CalamineSheet, cells: "_Cells", first: int) -> list[str]:
        """Of the columns of the area, from the rows above the first record."""
        if not self.header:
            return [f"column_{n + 1}" for n in range(cells.width)]
        rows = [list(row) for row in cells.rows(first - self.header, first)]
        if not any(cell != "" for row in rows for cell in row):
            raise Unreadable(f"row {first - self.header + 1} of sheet {sheet.name!r} is to hold names, but is empty")
        last = cells.left + cells.width - 1
        for (top, left), (_, right) in sheet.merged_cell_ranges or []:
            if first - self.header <= top < first - 1 and cells.left <= left:  # in the last row they name columns
                row = rows[top - (first - self.header)]
                for column in range(left, min(right, last) + 1):
                    row[column - cells.left] = row[left - cells.left]
        texts = [[_text(cell) or "" for cell in row] for row in rows]
        return [" ".join(filter(None, column)) for column in zip(*texts, strict=True)]


def first_rows(file: BinaryIO, most: int) -> dict[str, list[Row]]:
    """At most so many rows of each worksheet that is not hidden, from the top, by its name; an empty cell is "".

    Raises `Unreadable`, `Damaged`, `Undecryptable`.
    """
    book = _workbook(file)
    shown = [name for name, is_shown in _worksheets(book).items() if is_shown]
    return {name: list(islice(_sheet(book, name).iter_rows(), most)) for name in shown}


def _worksheets(book: CalamineWorkbook) -> dict[str, bool]:
    """Names of the worksheets, and whether they are shown."""
    worksheets = [about for about in book.sheets_metadata if about.typ == SheetTypeEnum.WorkSheet]
    return {about.name: about.visible == SheetVisibleEnum.Visible for about in worksheets}


def _sheet(book: CalamineWorkbook, name: str) -> CalamineSheet:
    try:
        return book.get_sheet_by_name(name)
    except CalamineError as error:
        raise Damaged(f"sheet {name!r} cannot be read") from error  # whose words may quote a cell


class _Area(NamedTuple):
    """Rows and columns, counted from 0, the last ones left out."""

    top: int
    bottom: int
    left: int
    right: int


_ENDLESS = 1 << 30
_READ: WeakKeyDictionary[BinaryIO, tuple[Excel, pa.Table]] = WeakKeyDictionary()


class _Cells:
    """The cells of a sheet that stand in an area, as far as any has a value."""

    def __init__(self, sheet: CalamineSheet, area: _Area) -> None:
        self._sheet = sheet
        (top, first), (bottom, last) = sheet.start or (0, 0), sheet.end or (0, 0)
        self._before = first  # columns on the left that calamine leaves out
        self._area = area
        self.left = area.left
        self.width = max(0, min(area.right, last + 1) - area.left)
        self.has_any = self.width > 0 and area.top <= bottom and area.bottom > top and area.right > first

    def rows(self, top: int, bottom: int = _ENDLESS) -> Iterator[Row]:
        """Rows of `width` cells; below the last that has a value there are none."""
        pad: list[Cell] = [""] * max(0, self._before - self.left)
        start = max(0, self.left - self._before)
        stop = start + self.width - len(pad)
        for row in islice(self._sheet.iter_rows(), top, min(bottom, self._area.bottom)):
            yield row if not pad and len(row) == self.width else [*pad, *row[start:stop]]

    def filled(self, top: int) -> Iterator[list[Row]]:
        """The rows from `top` on that have a value, some at a time."""
        rows = (row for row in self.rows(top) if any(cell != "" for cell in row))
        while some := list(islice(rows, _ROWS)):
            yield some


class _Column:
    """A column: its name, and what kinds of values it was seen to have."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.kinds: set[type] = set()
        self._whole = True

    def observe(self, cells: Row) -> None:
        """Learn of what kinds these cells are."""
        self.kinds.update({type(cell) for cell in cells if cell != ""})
        if self._whole and float in self.kinds:
            numbers = [cell for cell in cells if type(cell) is float]
            self._whole = all(map(float.is_integer, numbers)) and max(map(abs, numbers), default=0) < _EXACT

    def type(self, *, typed: bool) -> pa.DataType:
        """The Arrow type that holds all of them."""
        if not typed or not self.kinds:
            return pa.string()
        if self.kinds <= {int, float}:
            return pa.int64() if self._whole else pa.float64()
        if self.kinds == {date, datetime}:
            return pa.timestamp("us")
        return _TYPES.get(next(iter(self.kinds)), pa.string()) if len(self.kinds) == 1 else pa.string()

    def field(self, *, typed: bool) -> pa.Field:
        """Name and type."""
        about = {"doc": "microseconds"} if typed and self.kinds == {timedelta} else None
        return pa.field(self.name, self.type(typed=typed), metadata=about)

    def array(self, cells: Row, *, typed: bool) -> pa.Array:
        """The cells in Arrow."""
        kind = self.type(typed=typed)
        values: list[Any]
        if pa.types.is_string(kind):
            values = [_text(cell) for cell in cells]
        elif self.kinds == {timedelta}:
            values = [cell // timedelta(microseconds=1) if isinstance(cell, timedelta) else None for cell in cells]
        elif date in self.kinds and datetime in self.kinds:
            values = [_as_datetime(cell) for cell in cells]
        else:
            values = [None if cell == "" else cell for cell in cells]
        return pa.array(values, kind)


_TYPES = {
    bool: pa.bool_(),
    date: pa.date32(),
    datetime: pa.timestamp("us"),
    time: pa.time64("us"),
    timedelta: pa.int64(),
}


def _observed(columns: list[_Column], rows: list[Row]) -> int:
    """Let columns see their cells in these rows; how many rows they are."""
    for column, cells in zip(columns, zip(*rows, strict=True), strict=True):
        column.observe(cells)
    return len(rows)


def _workbook(file: BinaryIO) -> CalamineWorkbook:
    file.seek(0)
    try:
        return CalamineWorkbook.from_filelike(file)
    except CalamineError as error:  # which says of all of these that it cannot tell the format
        file.seek(0)
        data = file.read()
        if data.startswith(_OLE) and _ENCRYPTED in data:
            raise Undecryptable("the workbook is under a password: ask for one that is not") from error
        if data.startswith(b"PK") and not zipfile.is_zipfile(file):
            raise Damaged("the workbook is a zip that was cut off: its directory is missing") from error
        looks = next((what for begin, what in _LOOKS_LIKE.items() if data.lstrip().startswith(begin)), "another format")
        raise Unreadable(f"no workbook, but {looks}" if data else "no workbook: the file is empty") from error


def _position(letters: str) -> int:
    """Of a column by its letters, from 0."""
    position = 0
    for letter in letters.upper():
        position = position * 26 + ord(letter) - ord("A") + 1
    return position - 1


def _written(sheet: CalamineSheet) -> str:
    """Where a sheet has values, as Excel writes ranges."""
    corners = []
    for row, column in (sheet.start or (0, 0), sheet.end or (0, 0)):
        letters, left = "", column + 1
        while left:
            left, digit = divmod(left - 1, 26)
            letters = chr(ord("A") + digit) + letters
        corners.append(f"{letters}{row + 1}")
    return ":".join(corners)


def _as_datetime(cell: Cell) -> datetime | None:
    if isinstance(cell, datetime):
        return cell
    return datetime.combine(cell, time()) if isinstance(cell, date) else None


def _text(cell: Cell) -> str | None:
    match cell:
        case "":
            return None
        case datetime() if cell.time() == datetime.min.time():
            return cell.date().isoformat()
        case date() | datetime():
            return cell.isoformat()
        case timedelta():
            seconds = abs(cell).total_seconds()
            minutes = int(seconds // 60)
            sign = "-" if cell < timedelta() else ""
            return f"{sign}{minutes // 60:02}:{minutes % 60:02}:{seconds % 60:09.6f}".removesuffix(".000000")
        case float() if cell.is_integer():
            return str(int(cell))
        case _:
            return str(cell)
