"""The sas7bdat container: pages, of which the first describe the columns and the others hold rows.

SAS publishes no description. What is relied on here is what ReadStat, Parso, pandas and the R package sas7bdat agree
on, checked against files written by SAS.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from spark.errors import Damaged, Unreadable
from spark.readers.sas_compression import ross, run_length
from spark.readers.sas_values import Bits, Column, Header, Rows, Span, plain, spelled

MAGIC = bytes(12) + bytes.fromhex("c2ea8160b31411cfbd92080009c7318c181f1011")
CATALOG = MAGIC.replace(b"\x81\x60", b"\x81\x63")

_READ = 8 * 1024 * 1024
_TOGETHER = 4096  # compressed rows at once: so many that numpy has work, so few that they stay in the processor's cache
_LARGEST = 64 * 1024 * 1024  # of a page or a row; what declares more is no such file
_META, _DATA, _MIX, _AMENDED = 0x000, 0x100, 0x200, 0x400  # what a page holds, by `kind & _CONTENT`
_CONTENT, _DELETED, _INDEX = 0xF00, 0x080, 0x9000
_ROW_SIZE, _COLUMN_SIZE, _COUNTS, _FORMAT = 0xF7F7F7F7, 0xF6F6F6F6, 0xFFFFFC00, 0xFFFFFBFE
_TEXT, _NAMES, _ATTRIBUTES, _OF_COLUMNS = 0xFFFFFFFD, 0xFFFFFFFF, 0xFFFFFFFC, 0xFFFFFFF8
_WHOLE, _COMPRESSED = 0, 4  # a subheader, by its pointer; 1 more is one that was removed
_COMPRESSIONS = {b"SASYZCRL": run_length, b"SASYZCR2": ross}

ENCODINGS = {
    0: "cp1252",  # not declared: the session's, which was Windows' in all files seen
    20: "utf-8", 28: "ascii", 29: "latin-1", 30: "iso8859-2", 31: "iso8859-3", 32: "iso8859-4", 33: "iso8859-5",
    34: "iso8859-6", 35: "iso8859-7", 36: "iso8859-8", 37: "iso8859-9", 38: "iso8859-10", 39: "iso8859-11",
    40: "iso8859-15", 41: "cp437", 42: "cp850", 43: "cp852", 44: "cp857", 45: "cp858", 46: "cp862", 47: "cp864",
    48: "cp865", 49: "cp866", 50: "cp869", 51: "cp874", 55: "cp720", 56: "cp737", 57: "cp775", 58: "cp860",
    59: "cp863", 60: "cp1250", 61: "cp1251", 62: "cp1252", 63: "cp1253", 64: "cp1254", 65: "cp1255", 66: "cp1256",
    67: "cp1257", 68: "cp1258", 69: "mac-roman", 70: "mac-arabic", 72: "mac-greek", 75: "mac-turkish",
    118: "cp950", 123: "big5", 125: "gb18030", 126: "gbk",
    134: "euc-jp", 136: "cp932", 138: "cp932", 140: "euc-kr", 141: "cp949", 142: "cp949", 163: "mac-iceland",
    167: "iso2022-jp", 168: "iso2022-kr", 204: "cp1252", 205: "gb18030", 227: "iso8859-14", 242: "iso8859-13",
    246: "mac-cyrillic", 245: "mac-croatian", 247: "mac-romanian", 248: "shift-jisx0213",
}  # fmt: skip
"""Python's names of the encodings that byte 70 declares."""


@dataclass(frozen=True)
class _Frame:
    """What the bytes before the first page say; lengths in bytes."""

    order: str
    wide: bool
    header: int
    page: int
    pages: int
    stat_transfer: bool

    @property
    def word(self) -> int:
        return 8 if self.wide else 4

    @property
    def page_header(self) -> int:
        return 40 if self.wide else 24

    @property
    def pointer(self) -> np.dtype[np.void]:
        """How a page points to a subheader."""
        word = f"{self.order}u{self.word}"
        parts = [("offset", word), ("length", word), ("state", "u1"), ("data", "u1"), ("", f"V{self.word - 2}")]
        return np.dtype(parts)

    def unpack(self, types: str, data: bytes, at: int = 0) -> tuple[int, ...]:
        """As `struct.unpack_from`; `n` is a word. Raises `Damaged` where the data are too short."""
        try:
            return struct.unpack_from(self.order + types.replace("n", "Q" if self.wide else "I"), data, at)
        except struct.error as error:
            raise Damaged("a part of the header is cut off") from error


@dataclass(frozen=True)
class _Page:
    """A page's bytes and the numbers at its head."""

    data: bytes
    kind: int
    blocks: int
    subheaders: int

    @property
    def content(self) -> int | None:
        """What the page holds, None where it is an index."""
        return None if self.kind & _INDEX else self.kind & _CONTENT


@dataclass
class _Description:
    """What the metadata pages say, as they are read. A text is (block, offset, length)."""

    row_length: int = 0
    rows: int = -1
    deleted: int = 0
    mixed: int = 0
    columns: int = -1
    label: tuple[int, ...] = (0, 0, 0)
    texts: list[bytes] = field(default_factory=list)
    names: list[tuple[int, ...]] = field(default_factory=list)
    attributes: list[tuple[int, ...]] = field(default_factory=list)
    formats: list[tuple[int, ...]] = field(default_factory=list)
    """Width and decimals of the format and the informat, then the texts of informat, format and label."""

    @property
    def complete(self) -> bool:
        """Whether every column is described, with the texts that it needs."""
        found = (len(self.names), len(self.attributes), len(self.formats))
        if self.rows < 0 or self.columns < 0 or any(n < self.columns for n in found):
            return False
        blocks = [name[0] for name in self.names if name[2]]
        blocks += [part[i] for part in self.formats for i in (4, 7, 10) if part[i + 2]]
        return max(blocks, default=-1) < len(self.texts)

    def text(self, reference: tuple[int, ...]) -> bytes:
        """The text of a reference. Raises `Damaged` where there is none."""
        block, offset, length = reference
        if not length:
            return b""
        if block >= len(self.texts) or offset + length > len(self.texts[block]):
            raise Damaged("a name or label lies outside of the header")
        return self.texts[block][offset : offset + length]


class Sas7bdat:
    """An opened sas7bdat file; see `Container`. Raises `Damaged`, `Unreadable`."""

    def __init__(self, file: BinaryIO, encoding: str | None) -> None:
        head = _read(file, 0, 352)
        self._frame = frame = _frame(head)
        size = file.seek(0, 2)
        if size < frame.header + frame.pages * frame.page:
            raise Damaged(f"cut off: {size:,} bytes, but {frame.header + frame.pages * frame.page:,} are declared")
        self._said = said = self._describe(file)
        declared = ENCODINGS.get(head[70])
        if not (encoding or declared or all(text.isascii() for text in said.texts)):
            raise Unreadable(f"declares its encoding as {head[70]}, which is none known: name it in the reader")
        used = encoding or declared or "ascii"
        found = [compression for name, compression in _COMPRESSIONS.items() if name in b"".join(said.texts[:1])]
        self._decompress = found[0] if found else None
        align = 4 if head[35] == ord("3") else 0
        self.header = Header(
            kind="sas7bdat",
            dataset=plain(head[92:156], used),
            label=plain(said.text(said.label), used),
            created=_instant(*struct.unpack_from(frame.order + "d", head, 164 + align)),
            encoding=declared,
            columns=_columns(said, used),
            row_length=said.row_length,
            rows=said.rows - said.deleted if said.columns else 0,  # rows of nothing are none
        )

    @property
    def little_endian(self) -> bool:
        """See `Container`."""
        return self._frame.order == "<"

    def doubles(self, bits: Bits) -> tuple[npt.NDArray[np.float64], Rows]:
        """See `Container`. A missing value is a NaN whose third byte is the complement of its letter or number."""
        numbers = bits.view(np.float64)
        letters = np.zeros(len(bits), np.uint8)
        missing = np.isnan(numbers)
        if missing.any():
            letters[missing] = _LETTERS[~(bits[missing] >> np.uint64(40)).astype(np.uint8)]
        return numbers, letters

    def records(self, file: BinaryIO, at: Span, size: int) -> Iterator[Rows]:
        """See `Container`."""
        length = self.header.row_length
        page, first = self._page_of(file, at)
        skip, left = at.start - first, at.rows
        held, count = list[Rows](), 0
        for found in self._found(file, page, size):
            part = found[skip : skip + left]
            skip -= min(skip, len(found))
            left -= len(part)
            held.append(part)
            count += len(part)
            if not left or count * length >= size:
                yield np.concatenate(held)
                held, count = [], 0
            if not left:
                return
        if left:
            raise Damaged(f"{left:,} of {self.header.rows:,} declared rows are not there")

    def spans(self, file: BinaryIO, rows: int) -> list[Span]:
        """See `Container`. Spans begin where pages do, as only a page read tells which of its rows are deleted."""
        if not self.header.rows:
            return []
        spans: list[Span] = []
        start = count = 0
        begin = self._frame.header
        for page, found in enumerate(self._counts(file), 1):
            count += found
            if count >= rows:
                spans.append(Span(start, count, begin))
                start, count, begin = start + count, 0, self._frame.header + page * self._frame.page
        spans.append(Span(start, count, begin))
        if start + count < self.header.rows:
            raise Damaged(f"{self.header.rows - start - count:,} of {self.header.rows:,} declared rows are not there")
        return [span._replace(rows=min(span.rows, self.header.rows - span.start)) for span in spans if span.rows]

    def _page_of(self, file: BinaryIO, at: Span) -> tuple[int, int]:
        """The page where a span's first row is, and the page's first row."""
        if at.offset >= 0:
            return (at.offset - self._frame.header) // self._frame.page, at.start
        first = 0
        for page, count in enumerate(self._counts(file)):
            if first + count > at.start:
                return page, first
            first += count
        raise Damaged(f"{self.header.rows - first:,} of {self.header.rows:,} declared rows are not there")

    def _counts(self, file: BinaryIO) -> Iterator[int]:
        """How many rows each page holds, deleted ones aside; of a page that is all rows only the head is read."""
        frame = self._frame
        for number in range(frame.pages):
            page = self._page(_read(file, frame.header + number * frame.page, frame.page_header))
            if page.content == _DATA and not page.kind & _DELETED:
                yield page.blocks
            elif page.content in (None, _AMENDED):
                yield 0
            else:
                data = _read(file, frame.header + number * frame.page, frame.page)
                page = self._page(data)
                starts, _ = self._pointed(page, np.frombuffer(data, np.uint8))
                yield len(starts) + len(self._plain(page, np.frombuffer(data, np.uint8)))

    def _found(self, file: BinaryIO, page: int, size: int) -> Iterator[Rows]:
        """The rows from a page on, in parts of at most about `size` bytes."""
        frame, length = self._frame, self.header.row_length
        at_once = max(1, min(_READ, size) // frame.page)
        for number in range(page, frame.pages, at_once):
            count = min(at_once, frame.pages - number)
            data = _read(file, frame.header + number * frame.page, count * frame.page)
            block = np.frombuffer(data, np.uint8)
            starts: list[npt.NDArray[np.int64]] = []
            lengths: list[npt.NDArray[np.int64]] = []
            for begin in range(0, len(data), frame.page):
                one = self._page(data[begin : begin + frame.page])
                start, long = self._pointed(one, block[begin : begin + frame.page])
                starts.append(start + begin)
                lengths.append(long)
                plain_rows = self._plain(one, block[begin : begin + frame.page])
                if len(plain_rows):
                    yield from self._unpacked(block, starts, lengths, size // length)
                    starts, lengths = [], []
                    yield plain_rows
            yield from self._unpacked(block, starts, lengths, size // length)

    def _unpacked(
        self,
        block: Rows,
        starts: list[npt.NDArray[np.int64]],
        lengths: list[npt.NDArray[np.int64]],
        most: int,
    ) -> Iterator[Rows]:
        """Rows that stand by themselves in a block, compressed or, where that would not be shorter, as they are."""
        row_length = self.header.row_length
        all_starts, all_lengths = np.concatenate([*starts, _NONE]), np.concatenate([*lengths, _NONE])
        most = max(1, min(most, _TOGETHER))
        for i in range(0, len(all_starts), most):
            start, length = all_starts[i : i + most], all_lengths[i : i + most]
            whole = length == row_length
            if not whole.all() and not self._decompress:
                raise Damaged("a row has another length than is declared")
            if self._decompress and not whole.any():
                yield self._decompress(block, start, length, row_length)
                continue
            rows = np.empty((len(start), row_length), np.uint8)
            rows[whole] = block[start[whole, None] + np.arange(row_length)]
            if self._decompress and not whole.all():
                rows[~whole] = self._decompress(block, start[~whole], length[~whole], row_length)
            yield rows

    def _page(self, data: bytes) -> _Page:
        """A page, from at least its head."""
        return _Page(data, *self._frame.unpack("HHH", data, self._frame.page_header - 8))

    def _plain(self, page: _Page, data: Rows) -> Rows:
        """The rows that stand on a page one behind the other, without deleted ones."""
        frame, length = self._frame, self.header.row_length
        begin = frame.page_header
        if page.content == _DATA:
            count = page.blocks
        elif page.content == _MIX:
            count = min(self._said.mixed, self._said.rows)
            begin += page.subheaders * frame.pointer.itemsize
            padding = page.data[begin : begin + 4]
            if begin % 8 and not (frame.stat_transfer and padding not in (bytes(4), b"    ")):
                begin += 4  # Stat/Transfer does not align
        else:
            return np.empty((0, length), np.uint8)
        if begin + count * length > len(data):
            raise Damaged(f"{count:,} rows of {length:,} bytes do not fit on a page of {len(data):,}")
        rows = data[begin : begin + count * length].reshape(count, length)
        if not page.kind & _DELETED or not count:
            return rows
        # one bit a row, behind the rows and as many bytes more as the word before the page's kind's says
        (gap,) = frame.unpack("n", page.data, 24 if frame.wide else 12)
        bits = data[begin + count * length + gap :][: -(-count // 8)]
        if len(bits) * 8 < count:
            raise Damaged("the list of deleted rows lies outside of its page")
        kept: Rows = rows[np.unpackbits(bits, count=count) == 0]
        return kept

    def _pointed(self, page: _Page, data: Rows) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Begin and length, in the page, of the rows that stand by themselves, as those of compressed files do."""
        if page.content not in (_META, _MIX, _AMENDED):
            return _NONE, _NONE
        pointers = self._pointers(page)
        row = (pointers["data"] == 1) & (pointers["length"] > 0)
        compressed = row & (pointers["state"] == _COMPRESSED)
        whole = row & (pointers["state"] == _WHOLE) & (pointers["length"] == self.header.row_length)
        for i in np.flatnonzero(whole):
            whole[i] = not _is_known(self._signature(page.data, int(pointers["offset"][i])))
        chosen = pointers[compressed | whole]
        return chosen["offset"].astype(np.int64), chosen["length"].astype(np.int64)

    def _pointers(self, page: _Page) -> npt.NDArray[np.void]:
        """A page's pointers to subheaders that were not removed. Raises `Damaged` where one leads out of the page."""
        frame, size = self._frame, np.uint64(len(page.data))
        end = frame.page_header + page.subheaders * frame.pointer.itemsize
        if end > len(page.data):
            raise Damaged("more subheaders are declared than a page can hold")
        pointers = np.frombuffer(page.data, frame.pointer, page.subheaders, frame.page_header)
        pointers = pointers[(pointers["length"] > 0) & np.isin(pointers["state"], (_WHOLE, _COMPRESSED))]
        offset, length = pointers["offset"].astype(np.uint64), pointers["length"].astype(np.uint64)
        if ((offset < end) | (offset > size) | (length > size - np.minimum(offset, size))).any():
            raise Damaged("a subheader lies outside of its page")
        return pointers

    def _signature(self, data: bytes, at: int) -> int:
        """What kind of subheader stands there; a wide big-endian one may have it in its second half."""
        (signature,) = self._frame.unpack("I", data, at)
        if signature == 0xFFFFFFFF and self._frame.wide and not self.little_endian:
            (signature,) = self._frame.unpack("I", data, at + 4)
        return signature

    def _describe(self, file: BinaryIO) -> _Description:
        """Read pages until every column is described. Raises `Damaged` where that never is so."""
        frame, said = self._frame, _Description()
        for number in range(frame.pages):
            page = self._page(_read(file, frame.header + number * frame.page, frame.page_header))
            if page.content not in (_META, _MIX, _AMENDED):
                continue
            page = self._page(_read(file, frame.header + number * frame.page, frame.page))
            for pointer in self._pointers(page):
                if pointer["state"] == _WHOLE:
                    begin = int(pointer["offset"])
                    self._take(page.data[begin : begin + int(pointer["length"])], said)
            if said.complete:
                break
        if said.rows >= 0 and not (said.names or said.attributes or said.formats):
            said.columns = 0
        described = {said.columns, len(said.names), len(said.attributes), len(said.formats)}
        if not said.complete or len(described) > 1:
            raise Damaged("the header does not describe every column, or more")
        return said

    def _take(self, data: bytes, said: _Description) -> None:
        """Add what a subheader says."""
        unpack, word = self._frame.unpack, self._frame.word
        kind = self._signature(data, 0)
        if kind == _ROW_SIZE:
            said.row_length, said.rows, said.deleted = unpack("nnn", data, 5 * word)
            (said.mixed,) = unpack("n", data, 15 * word)
            if said.row_length > _LARGEST:
                raise Damaged(f"the header declares rows of {said.row_length:,} bytes")
            if said.deleted > said.rows:
                raise Damaged(f"{said.deleted:,} of {said.rows:,} rows are declared as deleted")
            if len(data) >= 130:
                said.label = unpack("HHH", data, len(data) - 130)
        elif kind == _COLUMN_SIZE:
            (said.columns,) = unpack("n", data, word)
        elif kind == _TEXT:
            said.texts.append(data[word:])
        elif kind == _NAMES:
            said.names += [unpack("HHH", data, at) for at in range(word + 8, len(data) - word - 11, 8)]
        elif kind == _ATTRIBUTES:
            step = word + 8
            said.attributes += [unpack("nIHB", data, at) for at in range(step, len(data) - 2 * word - 11, step)]
        elif kind == _FORMAT:
            said.formats.append(unpack("HHHH", data, 3 * word) + unpack("9H", data, 16 + 3 * word))


_NONE = np.empty(0, np.int64)
_LETTERS = np.zeros(256, np.uint8)  # by complement: the letter itself or, in newer files, its number
_LETTERS[[0, *range(2, 28)]] = [ord("_"), *range(ord("A"), ord("Z") + 1)]
_LETTERS[[ord("_"), *range(ord("A"), ord("Z") + 1)]] = _LETTERS[[0, *range(2, 28)]]


def _is_known(signature: int) -> bool:
    """Whether it is a subheader's, and no row's beginning."""
    return signature in (_ROW_SIZE, _COLUMN_SIZE, _COUNTS, _FORMAT) or signature >= _OF_COLUMNS


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    """`size` bytes from `at`. Raises `Damaged` where there are fewer."""
    file.seek(at)
    data = file.read(size)
    if len(data) < size:
        raise Damaged(f"cut off at byte {at + len(data):,}")
    return data


def _frame(head: bytes) -> _Frame:
    """The frame, from the first 352 bytes. Raises `Damaged` where it cannot be."""
    wide, align = head[32] == ord("3"), 4 if head[35] == ord("3") else 0
    if head[37] not in (0, 1):
        raise Damaged("the header declares no byte order")
    order = "<" if head[37] else ">"
    header, page = struct.unpack_from(f"{order}II", head, 196 + align)
    (pages,) = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", head, 204 + align)
    if header < len(head) or not 1024 <= page <= _LARGEST:
        raise Damaged(f"the header declares itself as {header:,} bytes and pages as {page:,}")
    release = head[216 + align + 4 * wide :][:8]
    return _Frame(order, wide, header, page, pages, release.startswith((b"8.0000M0", b"9.0000M0")))


def _instant(seconds: float) -> datetime | None:
    try:
        return datetime(1960, 1, 1) + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None


def _columns(said: _Description, encoding: str) -> tuple[Column, ...]:
    """The columns in their order. Raises `Damaged` where one cannot be."""
    columns: list[Column] = []
    for name, (offset, length, _, type_), form in zip(said.names, said.attributes, said.formats, strict=True):
        column = Column(
            name=plain(said.text(name), encoding),
            character=type_ == 2,
            offset=offset,
            length=length,
            label=plain(said.text(form[10:13]), encoding),
            format=spelled(plain(said.text(form[7:10]), encoding), form[0], form[1]),
            informat=spelled(plain(said.text(form[4:7]), encoding), form[2], form[3]),
        )
        if type_ not in (1, 2) or not 1 <= length <= (32_767 if column.character else 8):
            raise Damaged(f"column {len(columns) + 1} is of type {type_} and {length:,} bytes long")
        if offset + length > said.row_length:
            raise Damaged(f"column {len(columns) + 1} ends behind the row's {said.row_length:,} bytes")
        columns.append(column)
    return tuple(columns)
