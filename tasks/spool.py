"""Whole files in the lake, read and written in bounded memory."""

import errno
import hashlib
import io
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, BinaryIO, cast

import fsspec

from spark.errors import DataError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK = 1 << 20
AHEAD = 4
"""Chunks that `read_ahead` holds."""

REQUEST = 8 << 20
"""Bytes of an object on S3 that are asked for at once; s3fs would hold 50 MiB for every open file."""


def open_file(fs: fsspec.AbstractFileSystem, path: str) -> BinaryIO:
    """Open a file; it can seek."""
    return cast(BinaryIO, fs.open(path, "rb", block_size=REQUEST))


def copy(stream: BinaryIO, fs: fsspec.AbstractFileSystem, path: str, digest: "hashlib._Hash | None" = None) -> int:
    """Write a stream to its end as one file, in bounded memory; gives its size in bytes. Nothing stays of half."""
    size = 0
    try:
        with fs.open(path, "wb") as file:
            while chunk := stream.read(CHUNK):
                if digest is not None:
                    digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
    except BaseException:
        with suppress(FileNotFoundError):  # a file keeps what was written before the error
            fs.rm_file(path)
        raise
    return size


@contextmanager
def inside(names: Sequence[str]) -> Iterator[None]:
    """Let errors about the file of these names, from the delivered one on, say where it is, not only its own name."""
    try:
        yield
    except DataError as error:
        outer = "/".join(names[:-1])
        raise error if outer in error.what else type(error)(f"{outer}/{error.what}") from error


def spooler(fs: fsspec.AbstractFileSystem, folder: str) -> Callable[[BinaryIO], BinaryIO]:
    """A `spool` for `peel`: stages a stream as one object below `folder`; it is gone when the stream is closed."""

    def spool(stream: BinaryIO) -> BinaryIO:
        path = f"{folder}/spool-{uuid.uuid4().hex}"
        copy(stream, fs, path)
        return cast(BinaryIO, io.BufferedReader(_Spooled(fs, path), CHUNK))

    return spool


@contextmanager
def read_ahead(stream: BinaryIO) -> Iterator[BinaryIO]:
    """The same stream, read in a thread of its own while its reader is busy: some MiB ahead, and no further.

    What `stream` raises is raised where the reader comes to it. When the context ends the thread has ended.
    """
    ahead = _Ahead(stream)
    try:
        yield cast(BinaryIO, io.BufferedReader(ahead, CHUNK))
    finally:
        ahead.stop()


class _Ahead(io.RawIOBase):
    """Chunks that a thread has read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._chunks: Queue[bytes | BaseException] = Queue(AHEAD)
        self._rest = memoryview(b"")
        self._last: bytes | BaseException | None = None  # the end, or what was raised instead
        self._stopped = Event()
        self._thread = Thread(target=self._fill, args=(stream,), name="read-ahead", daemon=True)
        self._thread.start()

    def _fill(self, stream: BinaryIO) -> None:
        try:
            while not self._stopped.is_set() and (chunk := stream.read(CHUNK)):
                self._chunks.put(chunk)
            self._chunks.put(b"")
        except BaseException as error:  # raised where it is read
            self._chunks.put(error)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        if not self._rest and self._last is None:
            chunk = self._chunks.get()
            if not isinstance(chunk, bytes) or not chunk:
                self._last = chunk
            else:
                self._rest = memoryview(chunk)
        if not self._rest and isinstance(self._last, BaseException):
            raise self._last
        target = memoryview(buffer).cast("B")
        taken = min(len(target), len(self._rest))
        target[:taken] = self._rest[:taken]
        self._rest = self._rest[taken:]
        return taken

    def stop(self) -> None:
        self._stopped.set()
        while self._thread.is_alive():
            with suppress(Empty):  # it may wait for room
                self._chunks.get(timeout=0.05)
        self._thread.join()


class _Spooled(io.RawIOBase):
    """An object that is removed when it is closed."""

    def __init__(self, fs: fsspec.AbstractFileSystem, path: str) -> None:
        self._fs, self._path = fs, path
        self._file = open_file(fs, path)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return self._file.seek(offset, whence)
        except ValueError as error:  # s3fs's, where a plain file has the OSError that zipfile expects: of 22 bytes
            raise OSError(errno.EINVAL, str(error)) from error

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: "WriteableBuffer") -> int:
        data = self._file.read(memoryview(buffer).nbytes)
        memoryview(buffer).cast("B")[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
            with suppress(FileNotFoundError):
                self._fs.rm_file(self._path)
        super().close()
