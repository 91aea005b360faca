"""tar of every dialect, as a stream: v7, ustar, pax, GNU, star and Solaris, with sparse members."""

import tarfile
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from spark.errors import Damaged, Unsafe
from tasks.wrappings.entries import Entry
from tasks.wrappings.names import contained
from tasks.wrappings.streams import PLAIN, as_chunks

META = 1 << 20
"""Bytes of one pax or GNU long-name record. tarfile reads it into memory whole."""

_META_TYPES = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
               tarfile.GNUTYPE_LONGLINK)  # fmt: skip
_KINDS = {tarfile.SYMTYPE: "symbolic link", tarfile.LNKTYPE: "hard link", tarfile.CHRTYPE: "device",
          tarfile.BLKTYPE: "device", tarfile.FIFOTYPE: "pipe"}  # fmt: skip
_NO_FILES = (b"V", b"D")  # GNU's: the archive's label, a folder with the names in it
_ERRORS = (tarfile.TarError, ValueError, OverflowError, EOFError, IndexError, KeyError, RecursionError)


class _Forward:
    """What tarfile wants of a file object, on a stream that cannot seek: it only ever skips ahead."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._at = 0

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._at += len(data)
        return data

    def seek(self, to: int, whence: int = 0) -> int:
        if whence or to < self._at:
            raise tarfile.ReadError("sizes that lead backwards")
        while self._at < to and self.read(min(to - self._at, PLAIN)):
            pass
        return self._at


class _Header(tarfile.TarInfo):
    """tarfile takes a header that is cut or broken for the end of the archive; here each is an error.

    That the end mark is missing is none: tar programs read such archives, and some write them.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if not buf or (not buf.strip(b"\0") and len(buf) == tarfile.BLOCKSIZE):
                raise  # nothing, or a block of zeros, is the end
            raise tarfile.ReadError(f"{error} in a header") from error
        if header.size < 0:
            raise tarfile.ReadError("a negative size")
        if header.type in _META_TYPES and header.size > META:
            raise Unsafe(f"a tar record of {header.size:,} bytes")
        return header


def entries(stream: BinaryIO, where: str) -> Iterator[Entry]:
    """The entries of a tar; each one's chunks are to be read to their end before the next is asked for.

    Raises `Damaged`, `Unsafe` and what `stream` raises.
    """
    file = _Forward(stream)

    def body(info: tarfile.TarInfo, tar: tarfile.TarFile, name: str) -> Iterator[bytes]:
        try:
            extracted = tar.extractfile(info)
            if extracted is not None:
                yield from as_chunks(cast(BinaryIO, extracted))
        except _ERRORS as error:
            raise Damaged(f"{where}: member {name!r}: {error}, at byte {file.tell():,}") from error

    tar = None
    while True:
        try:
            if tar is None:
                tar = tarfile.TarFile(fileobj=cast(BinaryIO, file), tarinfo=_Header, encoding="utf-8",
                                      errors="surrogateescape")  # fmt: skip
            info = tar.next()
        except Unsafe as error:
            raise Unsafe(f"{where}: {error.what}, at byte {file.tell():,}") from error
        except _ERRORS as error:
            raise Damaged(f"{where}: {error}, at byte {file.tell():,}") from error
        if info is None:
            break
        cast(Any, tar).members.clear()  # tarfile keeps them all
        name = contained(info.name, where)
        if info.isdir() or info.type in _NO_FILES:
            yield Entry(name)
            continue
        if info.type not in tarfile.REGULAR_TYPES or not name:
            raise Unsafe(f"{where}: member {info.name!r} is a {_KINDS.get(info.type, 'thing unknown')}")
        yield Entry(name, info.size, body(info, tar, name))
    while rest := file.read(PLAIN):
        if rest.strip(b"\0"):
            raise Damaged(f"{where}: bytes after its end, before byte {file.tell():,}")
