"""Iterators of chunks and streams, the one made of the other."""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK = 1 << 17
"""Bytes of wrapped data that are read at a time."""

PLAIN = 1 << 20
"""Bytes of plaintext that a decoder makes at a time, whatever the ratio."""


class _Layer(io.RawIOBase):
    """Chunks as a stream. An error is raised again by every later read: never an end of file after it."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")
        self._error: BaseException | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        if self._error is not None:
            raise self._error
        target = memoryview(buffer).cast("B")
        filled = 0
        try:
            while filled < len(target):
                if not self._rest:
                    chunk = next(self._chunks, None)
                    if chunk is None:
                        break
                    self._rest = memoryview(chunk)
                taken = min(len(target) - filled, len(self._rest))
                target[filled : filled + taken] = self._rest[:taken]
                self._rest = self._rest[taken:]
                filled += taken
        except BaseException as error:
            self._error = error
            raise
        return filled

    def close(self) -> None:
        if not self.closed and hasattr(self._chunks, "close"):
            self._chunks.close()
        super().close()


def as_stream(chunks: Iterator[bytes]) -> BinaryIO:
    """Chunks as a buffered stream; closing it closes them."""
    return cast(BinaryIO, io.BufferedReader(_Layer(chunks), PLAIN))


def as_chunks(stream: BinaryIO) -> Iterator[bytes]:
    """A stream's bytes from here to its end."""
    while chunk := stream.read(CHUNK):
        yield chunk


def drain(stream: BinaryIO) -> None:
    """Read a stream to its end, for the checks that come there."""
    while stream.read(PLAIN):
        pass


def read(stream: BinaryIO, size: int) -> bytes:
    """As many bytes as there are, up to `size`: a raw stream may give fewer at a time."""
    parts = []
    while size and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
