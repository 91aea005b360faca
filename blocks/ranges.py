"""A remote file as a stream, over a protocol that gives parts of it."""

import io
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

from blocks.errors import Interrupted
from blocks.place import Status

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

FIRST = 256 << 10  # bytes that the first request of a file asks for, and the first one after a jump
WINDOW = 64 << 20  # bytes of one request at most, to which they grow in order; streamed, never held
SKIP = 1 << 20  # bytes that are read over rather than asked for anew


class RangedStream(io.RawIOBase, ABC):
    """One remote file in ranges that grow while it is read in order; of each no more than a chunk is held.

    `what` names it in errors; `size` is in bytes. With `ranged` false the one answer that the server gives is
    read from its beginning to its end, `size` may be unknown (None), and `seekable()` is False.
    """

    def __init__(self, what: str, size: int | None, *, ranged: bool = True) -> None:
        self._what = what
        self._size = size
        self._ranged = ranged
        self._position = 0
        self._window = FIRST
        self.stop: int | None = None  # see `blocks.place.bound`
        self._begin(iter(()), 0, 0)

    @abstractmethod
    def _ask(self, start: int, stop: int) -> tuple[Iterator[bytes], int]:
        """Let go of the range at hand and begin this one: its chunks, and where it will end, `stop` or later.

        The chunks raise a `PlaceError`.
        """

    def status(self) -> Status:
        """See `blocks.place.status`."""
        return Status(self._size)

    def _begin(self, chunks: Iterator[bytes], start: int, until: int | None) -> None:
        self._chunks = chunks
        self._chunk = b""
        self._start = start  # of the chunk
        self._until = until  # where the chunks end; None: at the end of the file, wherever that is

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Whether the server gives ranges."""
        return self._ranged

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move without a request; the next read makes one."""
        if not self._ranged:
            raise io.UnsupportedOperation(f"{self._what} can only be read from its beginning to its end")
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size or 0}[whence]
        if base + offset < 0:
            raise ValueError(f"negative position {base + offset}")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """The position in bytes."""
        return self._position

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill what the current chunk can fill; raises `Interrupted` or `Changed`."""
        view = memoryview(buffer).cast("B")
        if not view or (self._size is not None and self._position >= self._size):
            return 0
        while not self._start <= self._position < self._start + len(self._chunk):
            if self._ranged:
                self._reach()
            if not self._receive():
                return 0
        at = self._position - self._start
        count = min(len(view), len(self._chunk) - at)
        view[:count] = memoryview(self._chunk)[at : at + count]
        self._position += count
        return count

    def _reach(self) -> None:
        """Ask for the range that begins at the position, unless it is near in the one at hand."""
        until = self._until or 0
        if 0 <= self._position - self._start - len(self._chunk) <= SKIP and self._position < until:
            return
        self._window = min(2 * self._window, WINDOW) if self._position == until > 0 else FIRST
        stop = self._position + self._window if self.stop is None or self.stop <= self._position else self.stop
        chunks, until = self._ask(self._position, min(stop, self._size or 0))
        self._begin(chunks, self._position, until)

    def _receive(self) -> bool:
        """Take the next chunk; False at the end of a file whose length nobody knew."""
        self._start += len(self._chunk)
        self._chunk = next(self._chunks, b"")
        if self._until is None:
            return bool(self._chunk)
        if not self._chunk or self._start + len(self._chunk) > self._until:
            raise Interrupted(f"{self._what} gave another number of bytes than was promised")
        return True
