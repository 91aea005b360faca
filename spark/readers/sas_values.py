"""SAS records, which are fixed-width, as Arrow: what both containers, sas7bdat and XPORT, have in common.

SAS knows two types: character, padded by blanks, and double, cut to its first 2 to 8 bytes. Dates (days since 1960),
times (seconds) and datetimes (seconds since 1960) are doubles that a format shows as such; the 28 missing values are
doubles too. Facts: SAS 9.4 formats and "Numeric Precision" in the SAS language reference.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache, partial
from typing import BinaryIO, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spark.readers.base import SPECIAL

Rows = npt.NDArray[np.uint8]
"""Records as bytes, one a row."""

Bits = npt.NDArray[np.uint64]

DAYS_TO_1970 = 3653
"""Days from 1960-01-01, SAS's first, to 1970-01-01."""

_DAY = 86_400
_MICROSECONDS = 1_000_000
_NO_LEAP_DAYS = np.array(
    [
        (np.datetime64(f"{year}-02-29") - np.datetime64("1960-01-01")).astype(np.int64) - years_before
        for years_before, year in enumerate((4000, 8000, 12000, 16000))
    ]
)
"""Days from which on SAS is one day more behind the Gregorian calendar, as it has no 29 February in these years.

Seen in files written by SAS with what SAS shows for them: 2,936,547 is 31DEC9999, not two days before.
"""

_DATES = (
    "DATE DAY DOWNAME JDATEMDW JDATEMNW JDATEMON JDATEQRW JDATEQTR JDATESEM JDATESMW JDATEYDW JDATEYM JDATEYMD JDATEYMW"
    " JDATEYT JDATEYTW JDATEMD JULDAY JULIAN MINGUO MONNAME MONTH MONYY NENGO PDJULG PDJULI QTR QTRR WEEKDATE WEEKDATX"
    " WEEKDAY WEEKU WEEKV WEEKW WORDDATE WORDDATX XYYMMDD YEAR YYMON YYWEEKU YYWEEKV YYWEEKW B8601DA E8601DA IS8601DA"
    " ND8601DA HDATE HEBDATE EURDFDD EURDFDE EURDFDN EURDFDWN EURDFMN EURDFMY EURDFWDX EURDFWKX"
)
_DATETIMES = (
    "DATETIME DATEAMPM DTDATE DTMONYY DTWKDATX DTYEAR DTYYQC MDYAMPM EURDFDT XDATETIME"
    " B8601DN B8601DT B8601DX B8601DZ B8601LX E8601DN E8601DT E8601DX E8601DZ E8601LX IS8601DN IS8601DT IS8601DZ"
)
_TIMES = (
    "TIME TIMEAMPM HHMM HOUR MMSS B8601TM B8601TX B8601TZ B8601LZ E8601TM E8601TX E8601TZ E8601LZ IS8601TM IS8601TZ"
    " IS8601LZ"
)
_BY_SEPARATOR = re.compile(r"(DDMMYY|MMDDYY|YYMMDD|MMYY|YYMM|YYQ|YYQR)[BCDNPSZ]?")
_NATIONAL = re.compile(r"NLD(AT)(E|M)|NLTIM(E|AP|MM)")


class Kind(Enum):
    """What a column's numbers mean by its format."""

    TEXT = pa.string()
    NUMBER = pa.float64()
    DATE = pa.date32()
    TIME = pa.time64("us")
    DATETIME = pa.timestamp("us")


_KINDS = {
    **dict.fromkeys(_DATES.split(), Kind.DATE),
    **dict.fromkeys(_DATETIMES.split(), Kind.DATETIME),
    **dict.fromkeys(_TIMES.split(), Kind.TIME),
}


def kind_of(format_: str) -> Kind:
    """What numbers shown by a SAS format are, from its name (`DATETIME22.3`).

    TOD shows times and datetimes alike, so it says nothing; a format that SAS does not bring along is a number's.
    """
    name = re.sub(r"\d*\.?\d*$", "", format_.upper())
    if kind := _KINDS.get(name):
        return kind
    if _BY_SEPARATOR.fullmatch(name):
        return Kind.DATE
    if national := _NATIONAL.match(name):
        return {"E": Kind.DATE, "M": Kind.DATETIME, None: Kind.TIME}[national[2]]
    return Kind.NUMBER


@dataclass(frozen=True)
class Column:
    """A variable: where its bytes stand in a record, and what the file says about it.

    `format` and `informat` are as SAS writes them, without the last dot (`DATE9`, `BEST12.2`, `$20`); empty where none.
    """

    name: str
    character: bool
    offset: int
    length: int
    label: str = ""
    format: str = ""
    informat: str = ""


class Span(NamedTuple):
    """A range of rows: from `start`, counted from 0, `rows` many; `offset` is the byte where it begins, -1 unknown."""

    start: int
    rows: int
    offset: int = -1


@dataclass(frozen=True)
class Header:
    """What a file says about itself. `created` is by the writer's clock, without a time zone; None where unreadable.

    `encoding` is Python's name of the declared one, None where the file declares none that Python knows.
    """

    kind: str
    dataset: str
    label: str
    created: datetime | None
    encoding: str | None
    columns: tuple[Column, ...]
    row_length: int
    rows: int


class Container(Protocol):
    """An opened file: its header and its records."""

    header: Header

    def records(self, file: BinaryIO, at: Span, size: int) -> Iterator[Rows]:
        """The records of a span, about `size` bytes at a time. Raises `Damaged`."""
        ...

    def spans(self, file: BinaryIO, rows: int) -> list[Span]:
        """The file in consecutive spans of at least `rows` rows, but for the last. Raises `Damaged`."""
        ...

    def doubles(self, bits: Bits) -> tuple[npt.NDArray[np.float64], Rows]:
        """Numbers from 8 bytes each, read big-endian, and per number the letter of its missing value or 0."""
        ...

    @property
    def little_endian(self) -> bool:
        """Whether a number's bytes stand from the least significant on."""
        ...


def schema_of(header: Header, temporal: bool) -> pa.Schema:
    """`_record`, the file's columns under their own names, `_special`; what the file says of a column is in its field.

    A field's metadata has `doc` (the label), `sas.format`, `sas.informat` and `sas.length` (bytes in a record).
    """
    fields = [pa.field("_record", pa.int64(), nullable=False)]
    for column in header.columns:
        about = {"doc": column.label, "sas.format": column.format, "sas.informat": column.informat}
        about = {key: value for key, value in about.items() if value} | {"sas.length": str(column.length)}
        fields.append(pa.field(column.name, _kind(column, temporal).value, metadata=about))
    return pa.schema([*fields, pa.field(SPECIAL, pa.map_(pa.string(), pa.string()))])


def to_batch(rows: Rows, first: int, container: Container, encoding: str, schema: pa.Schema) -> pa.RecordBatch:
    """Records as a batch of `schema`; `first` is the ordinal, from 1, of the first one."""
    special = _Special(len(rows))
    arrays = [pa.array(np.arange(first, first + len(rows), dtype=np.int64))]
    for column, field in zip(container.header.columns, list(schema)[1:-1], strict=True):
        cells = rows[:, column.offset : column.offset + column.length]
        if column.character:
            arrays.append(_text(cells, encoding, column.name, special))
            continue
        numbers, letters = container.doubles(_bits(cells, container.little_endian))
        special.add(column.name, np.flatnonzero(letters), partial(_letters, letters))
        arrays.append(_typed(numbers, Kind(field.type), column.name, special))
    return pa.RecordBatch.from_arrays([*arrays, special.array()], schema=schema)


def _kind(column: Column, temporal: bool) -> Kind:
    if column.character:
        return Kind.TEXT
    return kind_of(column.format) if temporal else Kind.NUMBER


_MISSING = pa.array([f".{chr(letter)}" for letter in range(256)])


def _letters(letters: Rows, at: npt.NDArray[np.intp]) -> pa.Array:
    return _MISSING.take(pa.array(letters[at]))


class _Special:
    """What cells hold that their column's type cannot: the cell is null, and here its text by column."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.at: list[npt.NDArray[np.intp]] = []
        self.names: list[pa.Array] = []
        self.texts: list[pa.Array] = []

    def add(
        self, name: str, at: npt.NDArray[np.intp], texts: Callable[[npt.NDArray[np.intp]], pa.Array | list[str]]
    ) -> None:
        if len(at):
            self.at.append(at)
            self.names.append(pa.repeat(pa.scalar(name), len(at)))
            self.texts.append(pa.array(texts(at), pa.string()))

    def array(self) -> pa.MapArray:
        """Per row a map from column to text, or null."""
        type_ = pa.map_(pa.string(), pa.string())
        if not self.at:
            return pa.nulls(self.rows, type_)
        at = np.concatenate(self.at)
        order = pa.array(np.argsort(at, kind="stable"))
        counts = np.bincount(at, minlength=self.rows)
        ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        keys, texts = (pa.concat_arrays(parts).take(order) for parts in (self.names, self.texts))
        return pa.MapArray.from_arrays(pa.array(ends), keys, texts, type_, mask=pa.array(counts == 0))


def _bits(cells: Rows, little_endian: bool) -> Bits:
    """The doubles of a column as integers: SAS keeps a double's most significant bytes."""
    count, length = cells.shape
    wide = np.zeros((count, 8), np.uint8)
    if little_endian:
        wide[:, 8 - length :] = cells
        return wide.view("<u8").reshape(count)
    wide[:, :length] = cells
    return wide.view(">u8").reshape(count).astype(np.uint64)


def _typed(numbers: npt.NDArray[np.float64], kind: Kind, name: str, special: _Special) -> pa.Array:
    """Numbers as what they mean; missing ones, NaN here, are null, and so are those that do not fit."""
    missing = np.isnan(numbers)
    if kind is Kind.NUMBER:
        return pa.array(numbers, mask=missing)
    in_range = np.abs(numbers) < (2**31 - 2 * DAYS_TO_1970 if kind is Kind.DATE else 2**63 / 1e6 - 2**40)
    known = np.where(in_range, numbers, 0.0)
    whole = np.floor(known)
    units = whole.astype(np.int64)
    if kind is Kind.DATE:
        fits = in_range & (known == whole)
        units = (units + _behind(units) - DAYS_TO_1970).astype(np.int32)
    else:
        fits = in_range
        if kind is Kind.DATETIME:
            days = units // _DAY
            units += (_behind(days) - DAYS_TO_1970) * _DAY
        # the fraction apart, as microseconds of far years have more digits than a double
        units = units * _MICROSECONDS + np.rint((known - whole) * _MICROSECONDS).astype(np.int64)
        if kind is Kind.TIME:
            fits = in_range & (units >= 0) & (units < _DAY * _MICROSECONDS)
    special.add(name, np.flatnonzero(~(fits | missing)), lambda at: [repr(n) for n in numbers[at].tolist()])
    return pa.array(units, mask=~fits).cast(kind.value)


def _behind(days: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """By how many days SAS's calendar is behind on these days since 1960."""
    return np.searchsorted(_NO_LEAP_DAYS, days, side="right")


def _text(cells: Rows, encoding: str, name: str, special: _Special) -> pa.Array:
    """Strings without the blanks (and NULs) that pad them; an all-blank one, SAS's missing, is ""."""
    count, length = cells.shape
    offsets = pa.py_buffer(np.arange(0, (count + 1) * length, length, dtype=np.int64).astype(np.int32))
    cells = np.ascontiguousarray(cells)
    padded = pa.Array.from_buffers(pa.string(), count, [None, offsets, pa.py_buffer(cells)])
    texts = pc.ascii_rtrim(padded, characters=" \0")
    if cells.max(initial=0) < 0x80 and _holds_ascii(encoding):
        return texts
    if encoding == "utf-8":
        try:
            texts.validate(full=True)
            return texts
        except pa.ArrowInvalid:
            pass
    return _decoded(texts.cast(pa.binary()), encoding, name, special)


def _decoded(texts: pa.BinaryArray, encoding: str, name: str, special: _Special) -> pa.Array:
    """Bytes in UTF-8; those that are not `encoding` are null, and their bytes as a SAS hex literal are special."""
    coded = texts.dictionary_encode()
    values = [_decode(value, encoding) for value in coded.dictionary.to_pylist()]
    bad = np.array([value is None for value in values])
    if bad.any():
        at = np.flatnonzero(bad[coded.indices.to_numpy()])
        special.add(name, at, lambda at: [f"'{texts[i].as_py().hex().upper()}'x" for i in at.tolist()])
    return pa.array(values, pa.string()).take(coded.indices)


@cache
def _holds_ascii(encoding: str) -> bool:
    """Whether ASCII bytes are ASCII characters: all of them, and whatever stands before them."""
    ascii_ = bytes(range(0x80))
    stateful = encoding.startswith(("iso2022", "hz", "utf-7"))
    return not stateful and ascii_.decode(encoding, "replace").encode("ascii", "replace") == ascii_


def _decode(value: bytes, encoding: str) -> str | None:
    try:
        return value.decode(encoding)
    except UnicodeDecodeError:
        return None


def plain(text: bytes, encoding: str) -> str:
    """A name or label of a header; bytes that are not `encoding` become `\\xNN`, as no name may be lost or refused."""
    return text.rstrip(b" \0").decode(encoding, "backslashreplace")


def spelled(name: str, width: int, decimals: int) -> str:
    """A format as SAS writes it: `DATE9`, `BEST12.2`."""
    return f"{name}{width or ''}" + (f".{decimals}" if decimals else "")
