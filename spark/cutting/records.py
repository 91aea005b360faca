"""Cutting a forward-only stream of delimited records or lines into pieces, counting the records on the way."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from spark.cutting.bits import Flags, Positions
from spark.cutting.dialect import Dialect, Ends, LineEnd
from spark.cutting.plain import Plain, is_utf8
from spark.errors import Unreadable
from spark.parts import PART, Bad, Piece

MAX_RECORD = 16 * 1024 * 1024
"""Bytes that a record may span before it is taken for a quote left open."""

_READ = 256 * 1024
"""Bytes that are scanned at once: enough for numpy, few enough for the processor's cache."""

_HEAD = 1024 * 1024
"""Bytes that a header may span."""


class Records:
    """Whole records from a plain stream; `offset` is where the next one begins in the file, in bytes.

    `max_record`: bytes that a record may span; a longer one, and one that the file's end leaves within quotes, is
    `bad`: its span ends before the next line that is a record of the right number of fields.
    """

    def __init__(self, plain: Plain, dialect: Dialect, max_record: int = MAX_RECORD) -> None:
        self._plain = plain
        self._dialect = dialect
        self._max = max_record
        self._carry = b""
        self._ended = False
        self._lost: _Lost | None = None
        self._plain_lines = Dialect(quote=None, line_end=dialect.line_end)
        self._undecodable = f"not {plain.recoded}" if plain.recoded else ""
        self.offset = plain.offset

    def line(self) -> bytes:
        """The next line, whatever stands in quotes, with its line end; b"" at the end of the stream."""
        wanted = min(_READ, _HEAD)
        while True:
            self._fill(wanted)
            end = next((end for _, end in self._lines()), 0)
            may_go_on = end == len(self._carry) and self._carry.endswith(b"\r")  # half of a CRLF
            if self._ended or (end and not may_go_on):
                return self._pass(end)
            if wanted >= _HEAD:
                raise Unreadable(f"the line at byte {self.offset:,} does not end within {_HEAD:,} bytes")
            wanted = min(2 * wanted, _HEAD)

    def one(self) -> bytes:
        """The next record that is neither blank nor a comment, with its line end; b"" at the end of the stream.

        Raises `Unreadable` where it does not end.
        """
        wanted = min(_READ, _HEAD)
        while True:
            self._fill(wanted)
            found = self._dialect.ends(self._carry, final=self._ended)
            if len(found.ends):
                data = self._pass(int(found.ends[0]))
                if found.filled[0]:
                    return data
            elif self._ended and not found.quoted:
                return b""
            elif self._ended or wanted >= _HEAD:
                raise Unreadable(f"the record at byte {self.offset:,} does not end within {_HEAD:,} bytes or the file")
            else:
                wanted = min(2 * wanted, _HEAD)

    def peek(self) -> bytes:
        """The first record from here on, or the first line that is one, without passing over it; b"" where none is."""
        self._fill(_HEAD)
        found = self._dialect.ends(self._carry, final=self._ended)
        first = np.flatnonzero(found.filled)[:1]
        if len(first):
            start = int(found.ends[first[0] - 1]) if first[0] else 0
            return self._carry[start : int(found.ends[first[0]])]
        lines = (self._carry[start:end] for start, end in self._lines())
        return next((line for line in lines if self._is_record(line, 0)), b"")

    def pieces(self, size: int = PART, columns: tuple[str, ...] = (), footer: int = 0) -> Iterator[Piece]:
        """Pieces of about `size` bytes, at least one; none is longer than `size` or, of one record, `max_record`.

        The number of `columns` tells a right record where cutting has to find one again; `footer` records at the end
        are left out.
        """
        first, begun = 1, False
        while True:
            piece, length, offset, records, bad = list[bytes](), 0, self.offset, 0, list[Bad]()
            while (left := size - length) > 0:
                start = length
                if lost := self._lost:
                    ordinal = first + records if lost.begins else None
                    records += lost.begins
                    if data := self._skip(lost, left, len(columns)):
                        piece.append(data)
                        length += len(data)
                        if ordinal is None and bad:  # it goes on within this piece
                            start, ordinal = bad[-1].start, bad.pop().record
                        bad.append(Bad(start=start, length=length - start, record=ordinal, reason=lost.reason))
                    continue
                data, filled, undecodable = self._take(left, footer, alone=not start)
                bad += [
                    Bad(start=start + at, length=span, record=first + records + nth, reason=self._undecodable)
                    for at, span, nth in undecodable
                ]
                records += filled
                piece.append(data)
                length += len(data)
                if not data and not self._lost:
                    break
            if not length and begun:
                return
            yield Piece(
                data=b"".join(piece),
                offset=offset,
                first_record=first,
                records=records,
                bad=tuple(bad),
                columns=columns,
            )
            if not length:
                return
            first, begun = first + records, True

    def _take(self, limit: int, footer: int, *, alone: bool) -> tuple[bytes, int, list[tuple[int, int, int]]]:
        """Whole records of at most `limit` bytes, or, `alone`, one of any length; and how many they are.

        Then start, length and ordinal from 0 of those that could not be decoded. No bytes where none fits, at the end,
        and before a bad record, at which `_lost` is set.
        """
        wanted = min(limit, _READ)
        while True:
            self._fill(wanted)
            found = self._dialect.ends(self._carry, final=self._ended)
            ends = found.ends[: self._before_footer(found, footer)]
            if len(self._carry) > self._max:
                ends = ends[: self._before_long(found.ends)]
            fitting = int(np.searchsorted(ends, limit, "right")) or int(alone and len(ends) > 0)
            if fitting:
                data, filled = self._pass(int(ends[fitting - 1])), found.filled[:fitting]
                undecodable = self._not_decoded(data, ends[:fitting], filled) if self._undecodable else []
                return data, int(np.count_nonzero(filled)), undecodable
            next_end = int(found.ends[0]) if len(found.ends) else len(self._carry)
            if next_end > self._max:
                self._lost = _Lost(f"longer than {self._max:,} bytes")
            elif self._ended and found.quoted and not len(found.ends):
                self._lost = _Lost("the file ends within its quotes")
            if self._lost or self._ended or (not alone and wanted >= limit):
                return b"", 0, []
            wanted = max(_READ, 2 * wanted)
            if not alone:
                wanted = min(wanted, limit)
            if not len(found.ends):
                wanted = min(wanted, self._max + 1)

    def _before_long(self, ends: Positions) -> int:
        """How many of the ends are those of records before the first that is too long."""
        long = np.flatnonzero(np.diff(ends, prepend=0) > self._max)
        return int(long[0]) if len(long) else len(ends)

    def _not_decoded(self, data: bytes, ends: Positions, filled: Flags) -> list[tuple[int, int, int]]:
        if is_utf8(data):
            return []
        stops = ends[filled]
        starts = np.append(0, ends[:-1])[filled]
        spans = enumerate(zip(starts.tolist(), stops.tolist(), strict=True))
        return [(start, stop - start, nth) for nth, (start, stop) in spans if not is_utf8(data[start:stop])]

    def _before_footer(self, found: Ends, footer: int) -> int:
        """How many of the ends found are those of records before the file's last `footer`, as far as it is read."""
        if not footer or (self._ended and found.quoted):
            return len(found.ends)
        records = np.flatnonzero(found.filled)
        return int(records[-footer]) if len(records) >= footer else 0

    def _skip(self, lost: "_Lost", limit: int, width: int) -> bytes:
        """About `limit` bytes of a bad record at most; where it ends among them, `_lost` is None again."""
        if lost.begins:
            limit = max(limit, self._max)  # so that as much of it as a record may be stands together
        wanted = min(limit, _READ)
        while True:  # a line that may be the next record is needed as a whole
            self._fill(wanted)
            ends = self._plain_lines.ends(self._carry, final=self._ended).ends
            if len(ends) or self._ended or len(self._carry) > self._max or not lost.at_line:
                break
            wanted = min(max(_READ, 2 * wanted), self._max + 1)
        starts = np.append(0, ends[:-1])[: len(ends)]
        for line in np.flatnonzero((starts < limit) & self._may_be_records(ends, width)):
            start = int(starts[line])
            if (start or lost.at_line) and self._is_record(self._carry[start : int(ends[line])], width):
                self._lost = None
                return self._pass(start)
        lost.begins = False
        if self._ended and len(self._carry) <= limit:
            self._lost = None
            return self._pass(len(self._carry))
        whole = int(np.searchsorted(ends, limit, "right"))
        lost.at_line = whole > 0
        return self._pass(int(ends[whole - 1]) if whole else min(len(self._carry), limit))

    def _may_be_records(self, ends: Positions, width: int) -> Flags:
        """Which lines have as many delimiters as a record needs, or more, of which some may stand in quotes."""
        delimiters = np.flatnonzero(self._dialect.delimiters(self._carry))
        each = np.diff(np.searchsorted(delimiters, ends), prepend=0)
        special = [mark for mark in (self._dialect.quote, self._dialect.escape) if mark and mark in self._carry]
        return each >= width - 1 if special or not width else each == width - 1

    def _is_record(self, line: bytes, width: int) -> bool:
        """Whether a line is a whole record of the right number of fields; 0 for any."""
        dialect = self._dialect
        text = dialect.bare(line)
        if not text or len(text) > self._max or (dialect.comment and text.startswith(dialect.comment)):
            return False
        if width and not any(special and special in text for special in (dialect.quote, dialect.escape)):
            return text.count(dialect.delimiter) == width - 1
        fields = dialect.split(text)
        return fields is not None and width in {0, len(fields)}

    def _lines(self) -> Iterator[tuple[int, int]]:
        """Start and end of the lines that are read and not passed, at the stream's end also of an unended one."""
        end = 0
        for start, end in self._dialect.lines(self._carry):
            yield start, end
        if self._ended and end < len(self._carry):
            yield end, len(self._carry)

    def _fill(self, wanted: int) -> None:
        if not self._ended and (missing := wanted - len(self._carry)) > 0:
            data = self._plain.read(missing)
            self._ended = len(data) < missing
            self._carry += data

    def _pass(self, length: int) -> bytes:
        data, self._carry = self._carry[:length], self._carry[length:]
        self.offset += self._plain.original_length(data)
        return data


@dataclass
class _Lost:
    """A bad record whose end is looked for.

    `begins`: nothing of it is passed yet; `at_line`: the next byte begins a line, which may be the next record.
    """

    reason: str
    begins: bool = True
    at_line: bool = False


def cut_lines(
    stream: BinaryIO,
    size: int = PART,
    *,
    encoding: str = "utf-8",
    line_end: LineEnd = "any",
    skip: int = 0,
    footer: int = 0,
    columns: tuple[str, ...] = (),
    max_record: int = MAX_RECORD,
) -> Iterator[Piece]:
    """Cut a stream whose records are lines, as NDJSON's and those of fixed width are; blank lines are no records.

    `skip` lines at the beginning and `footer` lines that are not blank at the end are left out. The pieces' data are
    the file's bytes, or UTF-8 where `encoding` is UTF-16, UTF-32 or another in which ASCII bytes are not what they
    seem; offsets are the file's. A line longer than `max_record` is bad. Raises `Unreadable` as `Plain` does.
    """
    records = Records(Plain(stream, encoding), Dialect(quote=None, line_end=line_end), max_record)
    for _ in range(skip):
        records.line()
    yield from records.pieces(size, columns, footer)
