"""Cutting a stream of lines into whole records, counting them on the way.

A record ends at a newline that stands outside quotes; whether a newline does is told by the parity of the quotes before
it, as a doubled quote changes nothing. The parity is computed by numpy over the whole buffer at once, so that cutting
runs at several hundred MB/s and does not hold the interpreter.
"""

from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from spark.errors import Unreadable

MAX_RECORD = 16 * 1024 * 1024
"""Bytes that a record may span before it is taken for a quote left open."""

_READ = 1024 * 1024
_FIRST = 64 * 1024  # bytes that are looked at for a header
_LF, _CR = 10, 13


class Lines(NamedTuple):
    """Where records end in a buffer: one past each newline outside quotes; and which of them are not blank."""

    ends: npt.NDArray[np.int64]
    filled: npt.NDArray[np.bool_]

    @property
    def records(self) -> int:
        """Number of records: lines that are not blank."""
        return int(np.count_nonzero(self.filled))


def lines(data: bytes | bytearray, quote: int | None, *, final: bool = False) -> Lines:
    """Find the ends of records in `data`, which begins at a record's start; `final`: the end of `data` ends one too."""
    bytes_ = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(bytes_ == _LF) + 1
    if quote is not None and len(ends):
        quotes = (bytes_ == quote).view(np.uint8)
        starts = np.concatenate(([0], ends[:-1]))
        quotes = quotes[: ends[-1]]
        inside = np.bitwise_xor.accumulate(np.bitwise_xor.reduceat(quotes, starts))
        ends = ends[inside == 0]
    if final and len(data) and (not len(ends) or ends[-1] < len(data)):
        ends = np.append(ends, len(data))
    length = np.diff(ends, prepend=0)
    first = bytes_[ends - length] if len(ends) else bytes_[:0]
    blank = ((length == 1) & ((first == _LF) | (first == _CR))) | ((length == 2) & (first == _CR))
    return Lines(ends.astype(np.int64), ~blank)


class Records:
    """Whole records from a forward-only stream; `offset` is where the next one begins, in bytes of plaintext."""

    def __init__(self, stream: BinaryIO, quote: int | None) -> None:
        self._stream = stream
        self._quote = quote
        self._carry = bytearray()
        self._ended = False
        self.offset = 0

    def skip(self, prefix: bytes) -> None:
        """Pass over `prefix` if the stream stands before it, as before a byte order mark."""
        self._fill(len(prefix))
        if self._carry.startswith(prefix):
            self._pass(len(prefix))

    def one(self) -> bytes:
        """The next record that is not blank, with its line end; b"" at the end of the stream."""
        while True:
            found = self._find(_FIRST)
            if not len(found.ends):
                return b""
            data = self._pass(int(found.ends[0]))
            if found.filled[0]:
                return data

    def take(self, size: int) -> tuple[bytes, int]:
        """About `size` bytes of whole records, at least one, and how many they are; (b"", 0) at the end."""
        found = self._find(size)
        return (self._pass(int(found.ends[-1])), found.records) if len(found.ends) else (b"", 0)

    def _find(self, size: int) -> Lines:
        """The ends of records in the next `size` bytes, or in as many more as the first of them needs."""
        wanted = size
        while True:
            self._fill(wanted)
            if self._ended and self._quote is not None and self._carry.count(self._quote) % 2:
                raise Unreadable(f"the file ends within quotes, in a record after byte {self.offset:,}")
            found = lines(self._carry, self._quote, final=self._ended)
            if len(found.ends) or self._ended:
                return found
            if wanted >= size + MAX_RECORD:
                raise Unreadable(
                    f"the record at byte {self.offset:,} does not end within {MAX_RECORD:,} bytes,"
                    " as after a quote left open"
                )
            wanted += max(size, _READ)

    def _fill(self, wanted: int) -> None:
        while not self._ended and len(self._carry) < wanted:
            data = self._stream.read(min(_READ, wanted - len(self._carry)))
            if not data:
                self._ended = True
            self._carry += data

    def _pass(self, length: int) -> bytes:
        data = bytes(memoryview(self._carry)[:length])
        del self._carry[:length]
        self.offset += length
        return data
