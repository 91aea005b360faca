"""The XPORT container, version 5 and 8: records of 80 bytes, numbers as IBM mainframes had them.

Facts: SAS technical note "Record Layout of a SAS Version 5 or 6 Data Set in SAS Transport (XPORT) Format" (TS-140) and
its successor for versions 8 and 9.
"""

import struct
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import accumulate, pairwise
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from spark.errors import Damaged, Unreadable
from spark.readers.sas_values import Bits, Column, Header, Rows, Span, plain, spelled

RECORD = 80
_V5, _V8 = b"LIBRARY ", b"LIBV8   "
_MEMBER = b"HEADER RECORD*******MEMB"  # MEMBER in version 5, MEMBV8 in 8
_NAMESTR = struct.Struct(">hhhh8s40s8shhh2s8shhl32sh18s")


def _header(record: bytes) -> bytes | None:
    """The name in a header record, or None where it is another record."""
    if record[:20] == b"HEADER RECORD*******" and record[28:48] == b"HEADER RECORD!!!!!!!":
        return record[20:28]
    return None


class Xport:
    """An opened XPORT file; see `Container`. Raises `Damaged`, `Unreadable`.

    Of a file that holds several data sets `dataset` names one, in any case of letters.
    """

    def __init__(self, file: BinaryIO, encoding: str | None, dataset: str | None) -> None:
        size = file.seek(0, 2)
        if size % RECORD:
            raise Damaged(f"cut off: {size:,} bytes, which is no multiple of {RECORD}")
        version = _header(_records(file, 0, 1))
        if version not in (_V5, _V8):
            raise Unreadable("not the first record of an XPORT file of version 5 or 8")
        self._v8 = version == _V8
        self._encoding = encoding or "utf-8"
        self._named = dataset is not None
        begin, self._end = 3 * RECORD, size
        if dataset is not None:
            begin, self._end = self._member(file, dataset, size)
        self.header = self._describe(file, begin)

    @property
    def little_endian(self) -> bool:
        """See `Container`."""
        return False

    def doubles(self, bits: Bits) -> tuple[npt.NDArray[np.float64], Rows]:
        """See `Container`. A missing value is its letter, or a dot, and zeros.

        A number is a sign, 7 bits of exponent to base 16 (from -64) and 56 bits of fraction; those that IEEE's 53 do
        not hold are rounded to nearest, which SAS never has to do as it writes doubles.
        """
        first = (bits >> np.uint64(56)).astype(np.uint8)
        fraction = bits & np.uint64((1 << 56) - 1)
        numbers = fraction.astype(np.float64) * _POWERS[first]
        missing = (fraction == 0) & _MISSING[first]
        letters = np.where(missing & (first != ord(".")), first, np.uint8(0))
        numbers[missing] = np.nan
        return numbers, letters

    def records(self, file: BinaryIO, at: Span, size: int) -> Iterator[Rows]:
        """See `Container`. Raises `Unreadable` where another data set begins and none was named."""
        length = self.header.row_length
        for start in range(at.start, at.start + at.rows, max(1, size // length)):
            count = min(max(1, size // length), at.start + at.rows - start)
            begin = self._data + start * length
            file.seek(begin)
            data = file.read(count * length + RECORD)  # one more, as the header of another data set may lie across
            if len(data) < count * length:
                raise Damaged(f"cut off at byte {begin + len(data):,}")
            if not self._named:
                self._refuse_member(data, begin)
            yield np.frombuffer(data, np.uint8, count * length).reshape(count, length)

    def spans(self, file: BinaryIO, rows: int) -> list[Span]:
        """See `Container`."""
        total, length = self.header.rows, self.header.row_length
        return [Span(i, min(rows, total - i), self._data + i * length) for i in range(0, total, rows)]

    def _describe(self, file: BinaryIO, begin: int) -> Header:
        """Read the headers of the data set that begins there, and find where its rows do and how many there are."""
        about = _records(file, begin, 5)
        member, description, names, label, namestrs = (about[i : i + RECORD] for i in range(0, len(about), RECORD))
        expected = (b"MEMBV8  ", b"DSCPTV8 ", b"NAMSTV8 ") if self._v8 else (b"MEMBER  ", b"DSCRPTR ", b"NAMESTR ")
        if (_header(member), _header(description), _header(namestrs)) != expected:
            raise Damaged("the headers of the data set are not in their places")
        step, count = _number(member[74:78]), _number(namestrs[48:58])
        if step not in (136, 140):  # 136 on VAX/VMS
            raise Damaged(f"the description of a column is declared as {step:,} bytes long")
        if count * step > self._end - begin:
            raise Damaged(f"more columns are declared, {count:,}, than the file can describe")
        at = begin + 5 * RECORD
        described = _records(file, at, -(-count * step // RECORD))
        at += len(described)
        columns = [self._column(described[i * step : (i + 1) * step].ljust(140, b"\0")) for i in range(count)]
        record = _records(file, at, 1)
        at += RECORD
        if (kind := _header(record)) in (b"LABELV8 ", b"LABELV9 "):
            columns, at = self._relabelled(file, at, _number(record[48:53]), columns, kind == b"LABELV9 ")
            kind = _header(_records(file, at, 1))
            at += RECORD
        if kind not in (b"OBS     ", b"OBSV8   "):
            raise Damaged("the header of the rows is not in its place")
        placed = _placed(columns)
        self._data = at
        length = sum(column.length for column in placed)
        return Header(
            kind="xport8" if self._v8 else "xport5",
            dataset=plain(names[8:40] if self._v8 else names[8:16], self._encoding),
            label=plain(label[32:72], self._encoding),
            created=_instant(names[64:80]),
            encoding=None,
            columns=placed,
            row_length=length,
            rows=self._count(file, length, any(not column.character for column in placed)),
        )

    def _column(self, described: bytes) -> tuple[int, Column]:
        """A column's number and what a NAMESTR says about it."""
        (
            type_,
            _,
            length,
            number,
            name,
            label,
            form,
            width,
            decimals,
            _,
            _,
            inform,
            in_width,
            in_decimals,
            _,
            long,
            *_,
        ) = _NAMESTR.unpack(described)
        if type_ not in (1, 2) or not 1 <= length <= (32_767 if type_ == 2 else 8):
            raise Damaged(f"column {number} is of type {type_} and {length:,} bytes long")
        if self._v8 and long.strip(b" \0"):
            name = long
        text = self._text
        return number, Column(
            name=text(name),
            character=type_ == 2,
            offset=0,
            length=length,
            label=text(label),
            format=spelled(text(form), width, decimals),
            informat=spelled(text(inform), in_width, in_decimals),
        )

    def _relabelled(
        self, file: BinaryIO, at: int, count: int, columns: list[tuple[int, Column]], formats: bool
    ) -> tuple[list[tuple[int, Column]], int]:
        """The columns with names, labels and (version 9) formats that a NAMESTR has no room for; where they end."""
        sizes = struct.Struct(">5H" if formats else ">3H")
        by_number = dict(columns)
        file.seek(at)
        data, begin = file.read(count * (sizes.size + 4 * 1024)), 0
        for _ in range(count):
            if len(data) < begin + sizes.size:
                raise Damaged("the long labels are cut off")
            number, *lengths = sizes.unpack_from(data, begin)
            begin += sizes.size
            texts = []
            for length in lengths:
                texts.append(self._text(data[begin : begin + length]))
                begin += length
            if begin > len(data) or number not in by_number:
                raise Damaged("the long labels are not those of the columns")
            column = by_number[number]
            name, label = texts[0], texts[-1]
            column = replace(column, name=name or column.name, label=label or column.label)
            if formats:
                form, inform = (text.rstrip(".") for text in texts[1:3])
                column = replace(column, format=form or column.format, informat=inform or column.informat)
            by_number[number] = column
        return list(by_number.items()), at + -(-begin // RECORD) * RECORD

    def _text(self, data: bytes) -> str:
        return plain(data, self._encoding)

    def _count(self, file: BinaryIO, length: int, numeric: bool) -> int:
        """How many rows there are; the rest of their last record is blank. Raises `Damaged` where a row is cut off.

        Of rows shorter than a record that are nothing but blank, those in the rest cannot be told from it and do not
        count. A number is never blank, so where there is one no blank row at the end counts.
        """
        size = self._end - self._data
        if not length:
            return 0
        rows, rest = divmod(size, length)
        file.seek(self._end - rest)
        if rest >= RECORD or file.read(rest).strip(b" "):
            raise Damaged(f"ends within row {rows + 1:,}")
        fewest = 0 if numeric else max(0, rows - (RECORD - 1 - rest) // length)
        while rows > fewest:
            file.seek(self._data + (rows - 1) * length)
            if file.read(length).strip(b" "):
                break
            rows -= 1
        return rows

    def _refuse_member(self, data: bytes, begin: int) -> None:
        for at in _members(data, begin):
            raise Unreadable(f"another data set begins at byte {at:,}: name the one to read as `dataset`")

    def _member(self, file: BinaryIO, dataset: str, size: int) -> tuple[int, int]:
        """Where the data set of that name begins and ends. Raises `Unreadable` where there is none."""
        block = 200_000 * RECORD
        begins: list[int] = []
        for at in range(0, size, block):
            file.seek(at)
            begins += _members(file.read(block), at)
        names = []
        for begin, end in pairwise([*begins, size]):
            about = _records(file, begin + 2 * RECORD, 1)
            names.append(self._text(about[8:40] if self._v8 else about[8:16]))
            if names[-1].upper() == dataset.upper():
                return begin, end
        raise Unreadable(f"holds no data set {dataset}, but {', '.join(names) or 'none'}")


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_POWERS = np.array([(-1.0 if first & 0x80 else 1.0) * 2.0 ** (4 * ((first & 0x7F) - 64) - 56) for first in range(256)])
_MISSING = np.isin(np.arange(256), list(b"._ABCDEFGHIJKLMNOPQRSTUVWXYZ"))


def _records(file: BinaryIO, at: int, count: int) -> bytes:
    """That many records from a byte on. Raises `Damaged` where there are fewer."""
    file.seek(at)
    data = file.read(count * RECORD)
    if len(data) < count * RECORD:
        raise Damaged(f"cut off at byte {at + len(data):,}")
    return data


def _members(data: bytes, begin: int) -> Iterator[int]:
    """Where data sets begin in bytes that stand at `begin` of the file."""
    at = data.find(_MEMBER)
    while at >= 0:
        if not (begin + at) % RECORD and _header(data[at : at + RECORD]) in (b"MEMBER  ", b"MEMBV8  "):
            yield begin + at
        at = data.find(_MEMBER, at + 1)


def _placed(columns: list[tuple[int, Column]]) -> tuple[Column, ...]:
    """The columns one behind the other; SAS's own macro for version 8 declares other places than it writes to."""
    ends = accumulate(column.length for _, column in columns)
    return tuple(replace(column, offset=end - column.length) for (_, column), end in zip(columns, ends, strict=True))


def _number(digits: bytes) -> int:
    text = digits.decode("ascii", "replace").strip()
    if not text.isdecimal():
        raise Damaged("a header declares no number where one belongs")
    return int(text)


def _instant(text: bytes) -> datetime | None:
    """`16APR13:15:54:47`; two digits of a year are from 1960 on, SAS's first."""
    try:
        day, month, year = int(text[:2]), _MONTHS.index(text[2:5].decode().upper()) + 1, int(text[5:7])
        hour, minute, second = map(int, text[8:16].split(b":"))
        return datetime(year + (1900 if year >= 60 else 2000), month, day, hour, minute, second)
    except ValueError:
        return None
