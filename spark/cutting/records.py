"""Cutting a forward-only stream of delimited records or lines into pieces, counting the records on the way."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

import numpy as np

from spark.cutting.bits import Flags, Positions
from spark.cutting.dialect import Dialect, Ends, LineEnd
from spark.cutting.plain import Plain, canonical, is_utf8
from spark.errors import Miscounted, Unreadable
from spark.parts import PART, Bad, Piece

MAX_RECORD = 16 * 1024 * 1024
"""Bytes that a record may span before it is taken for a quote left open."""

_READ = 1024 * 1024
"""Bytes that are scanned at once, however long pieces are: enough for numpy, few enough for the processor's cache."""

_CHUNK = 64 * 1024
"""Bytes that are read at once: so few that the C library has their memory at hand, without page faults."""

_AGAIN = 64 * 1024
"""Bytes that are scanned at once behind a record that ended too late: a file may hold many."""

_STRAY = "a stray quote"

_HEAD = 1024 * 1024
"""Bytes that a header may span."""


class Records:
    """Whole records from a plain stream; `offset` is where the next one begins in the file, in bytes.

    `max_record`: bytes that a record may span; a longer one, and one that the file's end leaves within quotes, is
    `bad`: its span ends before the next line that is a record of the right number of fields. Bad is also a record with
    a stray quote: it ends before such a line, too, if one stands within it, as then a quote was left open. With
    `trailing` a record may end with a delimiter more than its fields need; `ragged` ones may have any number of fields.
    """

    def __init__(
        self,
        plain: Plain,
        dialect: Dialect,
        max_record: int = MAX_RECORD,
        *,
        trailing: bool = False,
        ragged: bool = False,
    ) -> None:
        self._plain = plain
        self._dialect = dialect
        self._max = max_record
        self._trailing = trailing
        self._ragged = ragged
        self._buffer = bytearray()  # what is read and not passed is `_start` to `_stop` of it
        self._start = self._stop = 0
        self._found: Ends | None = None  # in what is not passed, where they are known
        self._ended = False
        self._look = 0  # how many bytes are scanned at once, 0 for all: few behind a record that ended too late
        self._lost: _Lost | None = None
        self._plain_lines = Dialect(quote=None, line_end=dialect.line_end)
        self._undecodable = f"not {plain.recoded}" if plain.recoded else ""
        self.offset = plain.offset

    def line(self) -> bytes:
        """The next line, whatever stands in quotes, with its line end; b"" at the end of the stream."""
        wanted = min(_READ, _HEAD)
        while True:
            self._fill(wanted)
            carry = self._carry()
            end = next((end for _, end in self._lines(carry)), 0)
            may_go_on = end == len(carry) and carry.endswith(b"\r")  # half of a CRLF
            if self._ended or (end and not may_go_on):
                return bytes(self._pass(end))
            if wanted >= _HEAD:
                raise Unreadable(f"the line at byte {self.offset:,} does not end within {_HEAD:,} bytes")
            wanted = min(2 * wanted, _HEAD)

    def one(self) -> bytes:
        """The next record that is neither blank nor a comment, with its line end; b"" at the end of the stream.

        Raises `Unreadable` where it does not end or has a stray quote.
        """
        wanted = min(_READ, _HEAD)
        while True:
            self._fill(wanted)
            found = self._dialect.ends(self._carry(), final=self._ended)
            if len(found.ends):
                if found.stray[0]:
                    raise Unreadable(
                        f"the header at byte {self.offset:,} has {_STRAY}: more than blanks behind a closing one"
                    )
                data = bytes(self._pass(int(found.ends[0])))
                if found.filled[0]:
                    return data
            elif self._ended and not found.quoted:
                return b""
            elif self._ended or wanted >= _HEAD:
                raise Unreadable(f"the record at byte {self.offset:,} does not end within {_HEAD:,} bytes or the file")
            else:
                wanted = min(2 * wanted, _HEAD)

    def peek(self, width: int = 0) -> bytes:
        """The first record from here on, or the first line that is one, without passing over it; b"" where none is.

        Unless `width` is 0, the first of the right number of fields.
        """
        self._fill(_HEAD)
        carry = self._carry()
        found = self._dialect.ends(carry, final=self._ended)
        starts = np.append(0, found.ends[:-1])
        for at in np.flatnonzero(found.filled & ~found.stray):
            record = carry[int(starts[at]) : int(found.ends[at])]
            if not width or self._is_record(record, width):
                return record
        lines = (carry[start:end] for start, end in self._lines(carry))
        return next((line for line in lines if self._is_record(line, width)), b"")

    def pieces(self, size: int = PART, columns: tuple[str, ...] = (), footer: int = 0) -> Iterator[Piece]:
        """Pieces of about `size` bytes, at least one; none is longer than `size` or, of one record, `max_record`.

        The number of `columns` tells a right record where cutting has to find one again; `footer` records at the end
        are left out.
        """
        first, begun, piece, width = 1, False, _Piece(), 0 if self._ragged else len(columns)
        while True:
            offset, records, bad = self.offset, 0, list[Bad]()
            while (left := size - piece.length) > 0:
                start = piece.length
                if lost := self._lost:
                    ordinal = first + records if lost.begins else None
                    records += lost.begins
                    if skipped := self._skip(lost, left, width):
                        piece.append(skipped)
                        if ordinal is None and bad:  # it goes on within this piece
                            start, ordinal = bad[-1].start, bad.pop().record
                        bad.append(Bad(start=start, length=piece.length - start, record=ordinal, reason=lost.reason))
                    continue
                taken, filled, wrong = self._take(size, left, footer, width, alone=not start)
                bad += [
                    Bad(start=start + at, length=span, record=first + records + nth, reason=reason)
                    for at, span, nth, reason in wrong
                ]
                records += filled
                piece.append(taken)
                if not taken and not self._lost:
                    break
            if not piece.length and begun:
                return
            data = piece.taken()
            yield Piece(
                data=data,
                offset=offset,
                first_record=first,
                records=records,
                bad=tuple(bad),
                columns=columns,
            )
            if not data:
                return
            first, begun = first + records, True

    def checked(
        self,
        size: int,
        columns: tuple[str, ...],
        footer: int,
        trailer: str | None,
        above: int = 0,
        encoding: str = "utf-8",
    ) -> Iterator[Piece]:
        """As `pieces`, and in the end the footer is compared with what `trailer` says; `above` lines are passed before.

        Raises `Unreadable` where none of the footer's records matches, and `Miscounted` where one says another number
        of records, or of lines, than were cut.
        """
        count = 0
        for piece in self.pieces(size, columns, footer):
            count += piece.records or 0
            yield piece
        if trailer is None:
            return
        texts = [self._dialect.bare(record).decode(encoding, "replace") for record in self._left()]
        match = next(filter(None, (re.match(trailer, text) for text in texts)), None)
        if match is None:
            raise Unreadable("the file does not end with the trailer that is declared: it may be cut off")
        for what, counted in (("records", count), ("lines", above + count + len(texts))):
            if (told := match.groupdict().get(what)) is None:
                continue
            said = int(re.sub(r"\D", "", told) or -1)
            if said != counted:
                raise Miscounted(f"the trailer says {said:,} {what}, but {counted:,} were cut")

    def _left(self) -> list[bytes]:
        """The records that are read and not passed."""
        carry = self._carry()
        found = self._dialect.ends(carry, final=True)
        spans = zip(pairwise([0, *found.ends.tolist()]), found.filled.tolist(), strict=True)
        return [carry[start:end] for (start, end), filled in spans if filled]

    def _take(
        self, size: int, limit: int, footer: int, width: int, *, alone: bool
    ) -> tuple[memoryview, int, list[tuple[int, int, int, str]]]:
        """Whole records of at most `limit` bytes, or, `alone`, one of any length; and how many they are.

        Then start, length and ordinal from 0 of those that could not be decoded or have a stray quote, and why. No
        bytes where none fits, at the end, and before a bad record, at which `_lost` is set. Of a piece of `size` bytes
        as many are scanned at once.
        """
        wanted = min(size, _READ) if self._found is None else 0
        while True:
            found = self._scan(wanted, footer)
            ends = found.ends[: self._before_footer(found, footer)]
            if self._stop - self._start > self._max:
                ends = ends[: self._before_long(found.ends)]
            fitting = int(np.searchsorted(ends, limit, "right")) or int(alone and len(ends) > 0)
            if fitting:
                ends, filled, stray = ends[:fitting].copy(), found.filled[:fitting], found.stray[:fitting]
                end = int(ends[-1])
                if stray.any() and (sooner := self._sooner(ends, np.flatnonzero(stray), width)):
                    fitting = sooner[0] + 1
                    ends, filled, stray = ends[:fitting], filled[:fitting], stray[:fitting]
                    ends[-1] = sooner[1]
                    data = self._pass(int(ends[-1]))
                    self._look = _AGAIN
                else:
                    data = self._pass(end)
                    if fitting < len(found.ends):  # the rest need not be found again
                        strays = found.strays[found.strays >= end] - end if len(found.strays) else found.strays
                        self._found = Ends(found.ends[fitting:] - end, found.filled[fitting:], found.quoted, strays)
                wrong = self._not_decoded(bytes(data), ends, filled) if self._undecodable else []
                if stray.any():
                    starts, nth = np.append(0, ends[:-1]), np.cumsum(filled) - 1
                    undecodable = {one[2] for one in wrong}
                    wrong += [
                        (int(starts[at]), int(ends[at] - starts[at]), int(nth[at]), _STRAY)
                        for at in np.flatnonzero(stray).tolist()
                        if nth[at] not in undecodable
                    ]
                    wrong.sort()
                return data, int(np.count_nonzero(filled)), wrong
            have = self._stop - self._start
            next_end = int(found.ends[0]) if len(found.ends) else have
            if next_end > self._max:
                self._lost = _Lost(f"longer than {self._max:,} bytes")
            elif self._ended and found.quoted and not len(found.ends):
                self._lost = _Lost("the file ends within its quotes")
            if self._lost or self._ended or (not alone and have >= limit):
                return self._pass(0), 0, []
            wanted = max(_READ, 2 * have)
            if not alone:
                wanted = min(wanted, limit)
            if not len(found.ends):
                wanted = min(wanted, self._max + 1)

    def _sooner(self, ends: Positions, stray: Positions, width: int) -> tuple[int, int] | None:
        """The first record with a stray quote that ended too late: which, and where it ends before a right one."""
        view = memoryview(self._buffer)[self._start : self._stop]
        for at in stray.tolist():
            start = int(ends[at - 1]) if at else 0
            record = bytes(view[start : int(ends[at])])
            lines = list(self._plain_lines.lines(record))[1:]
            for line, stop in lines:
                if self._is_record(record[line:stop], width):
                    return at, start + line
        return None

    def _scan(self, wanted: int, footer: int) -> Ends:
        """The ends of records in at least `wanted` bytes, or in as many as have been scanned and not passed."""
        self._fill(wanted)
        if self._found is None:
            have = self._stop - self._start
            if self._look and not footer:
                look, self._look = self._look, 2 * self._look if self._look < _READ else 0
                while look < have:
                    found = self._dialect.ends(self._carry()[:look])
                    if len(found.ends):
                        self._found = found
                        return found
                    look *= 2
            self._found = self._dialect.ends(
                self._buffer if have == len(self._buffer) else self._carry(), final=self._ended
            )
        return self._found

    def _before_long(self, ends: Positions) -> int:
        """How many of the ends are those of records before the first that is too long."""
        long = np.flatnonzero(np.diff(ends, prepend=0) > self._max)
        return int(long[0]) if len(long) else len(ends)

    def _not_decoded(self, data: bytes, ends: Positions, filled: Flags) -> list[tuple[int, int, int, str]]:
        if is_utf8(data):
            return []
        stops = ends[filled]
        starts = np.append(0, ends[:-1])[filled]
        spans = enumerate(zip(starts.tolist(), stops.tolist(), strict=True))
        return [
            (start, stop - start, nth, self._undecodable)
            for nth, (start, stop) in spans
            if not is_utf8(data[start:stop])
        ]

    def _before_footer(self, found: Ends, footer: int) -> int:
        """How many of the ends found are those of records before the file's last `footer`, as far as it is read."""
        if not footer or (self._ended and found.quoted):
            return len(found.ends)
        records = np.flatnonzero(found.filled)
        return int(records[-footer]) if len(records) >= footer else 0

    def _skip(self, lost: "_Lost", limit: int, width: int) -> memoryview:
        """About `limit` bytes of a bad record at most; where it ends among them, `_lost` is None again."""
        if lost.begins:
            limit = max(limit, self._max)  # so that as much of it as a record may be stands together
        wanted = min(limit, _READ)
        while True:  # a line that may be the next record is needed as a whole
            self._fill(wanted)
            carry = self._carry()
            ends = self._plain_lines.ends(carry, final=self._ended).ends
            if len(ends) or self._ended or len(carry) > self._max or not lost.at_line:
                break
            wanted = min(max(_READ, 2 * wanted), self._max + 1)
        starts = np.append(0, ends[:-1])[: len(ends)]
        for line in np.flatnonzero((starts < limit) & self._may_be_records(carry, ends, width)):
            start = int(starts[line])
            if (start or lost.at_line) and self._is_record(carry[start : int(ends[line])], width):
                self._lost = None
                return self._pass(start)
        lost.begins = False
        if self._ended and len(carry) <= limit:
            self._lost = None
            return self._pass(len(carry))
        whole = int(np.searchsorted(ends, limit, "right"))
        lost.at_line = whole > 0
        return self._pass(int(ends[whole - 1]) if whole else min(len(carry), limit))

    def _may_be_records(self, lines: bytes, ends: Positions, width: int) -> Flags:
        """Which lines have as many delimiters as a record needs, or more, of which some may stand in quotes."""
        delimiters = np.flatnonzero(self._dialect.delimiters(lines))
        each = np.diff(np.searchsorted(delimiters, ends), prepend=0)
        special = [mark for mark in (self._dialect.quote, self._dialect.escape) if mark and mark in lines]
        if special or not width:
            may_be: Flags = each >= width - 1
        elif self._trailing:
            may_be = (each == width - 1) | (each == width)
        else:
            may_be = each == width - 1
        return may_be

    def _is_record(self, line: bytes, width: int) -> bool:
        """Whether a line is a whole record of the right number of fields; 0 for any."""
        dialect = self._dialect
        text = dialect.bare(line)
        if not text or len(text) > self._max or (dialect.comment and text.startswith(dialect.comment)):
            return False
        if width and not any(special and special in text for special in (dialect.quote, dialect.escape)):
            more = self._trailing and text.endswith(dialect.delimiter)
            return width - 1 <= text.count(dialect.delimiter) <= width - 1 + more
        fields = dialect.split(text)
        if fields is None or len(dialect.ends(text, final=True).strays):
            return False
        more = self._trailing and fields[-1] == (b"", False)
        return not width or width <= len(fields) <= width + more

    def _lines(self, carry: bytes) -> Iterator[tuple[int, int]]:
        """Start and end of the lines that are read and not passed, at the stream's end also of an unended one."""
        end = 0
        for start, end in self._dialect.lines(carry):
            yield start, end
        if self._ended and end < len(carry):
            yield end, len(carry)

    def _carry(self) -> bytes:
        """What is read and not passed."""
        return bytes(memoryview(self._buffer)[self._start : self._stop])

    def _fill(self, wanted: int) -> None:
        """Read until `wanted` bytes are there, at the beginning of a buffer that is as long."""
        have = self._stop - self._start
        if self._ended or have >= wanted:
            return
        buffer = self._buffer if len(self._buffer) == wanted else bytearray(wanted)
        into = memoryview(buffer)  # a bytearray would copy twice
        into[:have] = memoryview(self._buffer)[self._start : self._stop]
        self._buffer, self._start, self._stop, self._found = buffer, 0, have, None
        while not self._ended and self._stop < wanted:
            missing = min(wanted - self._stop, _CHUNK)
            data = self._plain.read(missing)
            self._ended = len(data) < missing
            into[self._stop : self._stop + len(data)] = data
            self._stop += len(data)

    def _pass(self, length: int) -> memoryview:
        """The next bytes, which stand there until others are read."""
        data = memoryview(self._buffer)[self._start : self._start + length]
        self._start += length
        self._found = None if length else self._found
        self.offset += self._plain.original_length(bytes(data)) if self._plain.recoded else length
        return data


class _Piece:
    """A piece in the making, in memory that is used again."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.length = 0

    def append(self, data: memoryview) -> None:
        """Add bytes."""
        end = self.length + len(data)
        if end > len(self._buffer):
            longer = bytearray(max(end, 2 * len(self._buffer)))
            longer[: self.length] = self._buffer[: self.length]
            self._buffer = longer
        memoryview(self._buffer)[self.length : end] = data
        self.length = end

    def taken(self) -> bytes:
        """The bytes, after which there are none."""
        data = bytes(memoryview(self._buffer)[: self.length])
        self.length = 0
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
    trailer: str | None = None,
    columns: tuple[str, ...] = (),
    max_record: int = MAX_RECORD,
) -> Iterator[Piece]:
    """Cut a stream whose records are lines, as NDJSON's and those of fixed width are; blank lines are no records.

    `skip` lines at the beginning and `footer` lines that are not blank at the end are left out. The pieces' data are
    the file's bytes, or UTF-8 where `encoding` is UTF-16, UTF-32 or another in which ASCII bytes are not what they
    seem; offsets are the file's. A line longer than `max_record` is bad. Raises `Unreadable` as `Plain` does, and for
    `trailer` what `Records.checked` raises.
    """
    plain = Plain(stream, encoding)
    records = Records(plain, Dialect(quote=None, line_end=line_end), max_record)
    for _ in range(skip):
        records.line()
    decoded = "utf-8" if plain.recoded else canonical(encoding)
    yield from records.checked(size, columns, footer, trailer, skip, decoded)


def trailer_pattern(pattern: str) -> str:
    """A trailer as it is declared. Raises `ValueError` for no regular expression, and for groups of other names."""
    try:
        names = set(re.compile(pattern).groupindex)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from None
    if names - {"records", "lines"}:
        raise ValueError("a trailer's groups are `records` and `lines`")
    return pattern
