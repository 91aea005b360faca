"""Cutting a stream of nested records, as XML elements and members of a JSON array, into pieces."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from spark.cutting.bits import Positions
from spark.cutting.plain import Plain
from spark.parts import Bad, Piece

READ = 256 * 1024
"""Bytes that a scanner is fed at once."""


class Found(NamedTuple):
    """Where records start, and where they end, counted from the first byte that a scanner was fed.

    `settled`: no other starts before it.
    """

    starts: Positions
    ends: Positions
    settled: int


class Scanner(Protocol):
    """Knows where records of a format start and end."""

    def feed(self, data: bytes, *, final: bool) -> Found:
        """What is found in the next bytes; `final`: there are no more. Raises `Unreadable`."""
        ...


class Spans:
    """Records of a plain stream as a scanner finds them, and what stands between them."""

    def __init__(self, plain: Plain, scanner: Scanner, max_record: int) -> None:
        self._plain = plain
        self._scanner = scanner
        self._max = max_record
        self._buffer = b""
        self._base = 0  # where the buffer begins in what was fed
        self._starts = self._ends = np.zeros(0, np.int64)
        self._settled = 0
        self._ended = self._lost = self._begins = False
        self.offset = self._passed = plain.offset  # of what is next, and of what was passed last

    def pieces(self, size: int) -> Iterator[Piece]:
        """Pieces of about `size` bytes, at least one.

        None is longer than `size` or, of one record and what stands behind it, twice `max_record`. Each ends where the
        next record starts, the last where the last record ends.
        """
        first, begun = 1, False
        self._to_first()
        while True:
            piece, length, offset, records, bad = list[bytes](), 0, self.offset, 0, list[Bad]()
            while (left := size - length) > 0:
                start = at = length
                if self._lost:
                    ordinal = first + records if self._begins else None
                    records += self._begins
                    if data := self._bad(left):
                        piece.append(data)
                        length += len(data)
                        if ordinal is None and bad:  # it goes on within this piece
                            at, ordinal = bad[-1].start, bad.pop().record
                        reason = f"longer than {self._max:,} bytes"
                        bad.append(Bad(start=at, length=length - at, record=ordinal, reason=reason))
                else:
                    data, count = self._take(left, alone=not start)
                    piece.append(data)
                    length += len(data)
                    records += count
                    if not data and not count and not self._lost:
                        break
                offset = offset if start else self._passed
            if length or records or not begun:
                yield Piece(data=b"".join(piece), offset=offset, first_record=first, records=records, bad=tuple(bad))
            if not (length or records):
                return
            first, begun = first + records, True

    def _take(self, limit: int, *, alone: bool) -> tuple[bytes, int]:
        """Records of at most `limit` bytes, or, `alone`, one of any length; how many. At a bad one `_lost` is set."""
        while True:
            stops = self._stops()
            long = np.flatnonzero(self._ends - self._starts[: len(self._ends)] > self._max)[:1]
            fitting = int(np.searchsorted(stops, self._base + limit, "right")) or int(alone and len(stops) > 0)
            if len(long):
                fitting = min(fitting, int(long[0]))
            if fitting:
                data = self._pass(int(stops[fitting - 1]))
                self._starts, self._ends = self._starts[fitting:], self._ends[fitting:]
                return data, fitting
            if self._is_first_long():
                self._lost = self._begins = True
                return b"", 0
            between = not len(self._starts) and len(self._buffer) > self._max  # longer than any record may be
            if self._ended or (not alone and (between or len(self._buffer) >= limit)):
                return b"", 0
            if between:
                self._to_first()
            else:
                self._feed()

    def _stops(self) -> Positions:
        """Where pieces may end, in order: at the start of the next record, or the end where there is none for long."""
        stops = self._starts[1 : len(self._ends) + 1]
        alone = len(self._starts) and len(self._starts) == len(self._ends)
        if alone and (self._ended or self._base + len(self._buffer) - self._ends[-1] > self._max):
            return np.append(stops, self._ends[-1])
        return stops

    def _is_first_long(self) -> bool:
        """Whether the record that is next is longer than any may be."""
        if not len(self._starts):
            return False
        end = int(self._ends[0]) if len(self._ends) else self._base + len(self._buffer)
        return end - int(self._starts[0]) > self._max

    def _bad(self, limit: int) -> bytes:
        """About `limit` bytes of a bad record at most; where it ends among them, `_lost` is no longer set."""
        if self._begins:
            limit = max(limit, self._max)  # so that as much of it as a record may be stands together
            self._begins = False
        while not len(self._ends) and len(self._buffer) < limit and not self._ended:
            self._feed()
        end = self._base + min(limit, len(self._buffer))
        if len(self._ends) and self._ends[0] <= end:
            end = int(self._ends[0])
            self._starts, self._ends = self._starts[1:], self._ends[1:]
            self._lost = False
        return self._pass(end)

    def _to_first(self) -> None:
        """Leave out what stands before the first record."""
        while not len(self._starts) and not self._ended:
            self._feed()
            self._pass(self._settled)
        self._pass(int(self._starts[0]) if len(self._starts) else self._base + len(self._buffer))

    def _feed(self) -> None:
        data = self._plain.read(READ)
        self._ended = len(data) < READ
        self._buffer += data
        found = self._scanner.feed(data, final=self._ended)
        self._starts = np.append(self._starts, found.starts)
        self._ends = np.append(self._ends, found.ends)
        self._settled = int(self._starts[0]) if len(self._starts) else found.settled

    def _pass(self, to: int) -> bytes:
        data, self._buffer = self._buffer[: to - self._base], self._buffer[to - self._base :]
        self._passed = self.offset
        self.offset += self._plain.original_length(data)
        self._base = to
        return data
