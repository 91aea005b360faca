"""7z: its directory and its chains of coders, by 7zFormat.txt and Methods.txt of 7-Zip's sources.

py7zr 1.1.4 reads it too, but pushes what it reads, bounds neither deflate nor zstd inside a 7z, and decodes PPMd where
a damaged file ends the process. The coders themselves are native libraries here as there.

Read: copy, LZMA, LZMA2, PPMd, BZip2, Deflate, Deflate64, zstd, LZ4; delta and the branch filters of x86, ARM, ARM
Thumb, PowerPC, SPARC and IA-64; AES-256, of members and of the directory; solid or not. Not read: BCJ2 and other coders
of several streams, ARM64 and RISC-V filters, Brotli, volumes.
"""

import io
import lzma
import stat
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import bcj
import numpy as np
from isal import isal_zlib
from pydantic import SecretStr

from spark.errors import Damaged, DataError, Undecryptable, UnknownWrapping, Unsafe
from tasks.wrappings import locks
from tasks.wrappings.child import piped
from tasks.wrappings.decoders import decoded, frames, single
from tasks.wrappings.entries import Entry
from tasks.wrappings.names import contained
from tasks.wrappings.streams import CHUNK, PLAIN, as_chunks, as_stream, drain, read

DIRECTORY = 1 << 26
"""Bytes of a directory, which is read into memory whole: enough for the names of 100,000 members."""

_START = 32  # bytes of the start header
_CODERS = 8  # in a chain; 7-Zip uses 4 at most
_NESTED = 4  # times that a directory may be encoded; 7-Zip does it once

# Properties of the directory (7zFormat.txt, "Property IDs")
_END, _HEADER, _ARCHIVE, _OTHERS, _STREAMS, _FILES, _PACK, _UNPACK, _SUBSTREAMS, _SIZE, _CRC, _FOLDER = range(12)
_UNPACK_SIZE, _UNPACK_COUNT, _EMPTY_STREAM, _EMPTY_FILE, _ANTI, _NAMES = range(12, 18)
_ATTRIBUTES, _ENCODED = 0x15, 0x17

_AES = "06f10701"
# Methods by their short and their old number (Methods.txt). bcj declares none of its names to type checkers.
_BRANCH = {
    ("04", "03030103"): "BCJDecoder",
    ("05", "03030205"): "PPCDecoder",
    ("06", "03030401"): "IA64Decoder",
    ("07", "03030501"): "ARMDecoder",
    ("08", "03030701"): "ARMTDecoder",
    ("09", "03030805"): "SparcDecoder",
}
_BRANCH_FILTERS = {method: getattr(bcj, name) for methods, name in _BRANCH.items() for method in methods}
_FRAMES = {"040202": "bzip2", "04f71101": "zstd", "04f71104": "lz4"}
_SINGLE = {"040108": "deflate", "040109": "deflate64"}
_UNREAD = {"0303011b": "BCJ2", "0a": "ARM64 filter", "0b": "RISC-V filter", "04f71102": "Brotli"}


class _Malformed(ValueError):
    """The directory does not hold together."""


class _Reader:
    """Reads the directory's numbers; raises `_Malformed` at its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise _Malformed("it ends early")
        self._at += size
        return self._data[self._at - size : self._at]

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        """One to nine bytes: the ones that lead the first say how many follow; the rest of it is the highest part."""
        first = self.byte()
        more = next((i for i in range(8) if not first & 0x80 >> i), 8)
        high = first & (0x7F >> more) if more < 8 else 0
        return high << 8 * more | int.from_bytes(self.take(more), "little")

    def count(self) -> int:
        """A number of things that take at least a byte each of what is left: memory is not had for the asking."""
        number = self.number()
        if number > self.left:
            raise _Malformed("it counts more than it holds")
        return number

    def bits(self, count: int) -> list[bool]:
        data = self.take((count + 7) // 8)
        return [bool(data[i // 8] & 0x80 >> i % 8) for i in range(count)]

    def defined(self, count: int) -> list[bool]:
        return [True] * count if self.byte() else self.bits(count)

    def expect(self, wanted: int) -> None:
        if (found := self.number()) != wanted:
            raise _Malformed(f"property {found} where {wanted} belongs")

    def checks(self, count: int) -> list[int | None]:
        return [struct.unpack("<L", self.take(4))[0] if said else None for said in self.defined(count)]


@dataclass
class _Coder:
    method: str  # hexadecimal
    inputs: int
    properties: bytes
    size: int = 0  # bytes that come out


@dataclass
class _Folder:
    """Coders through which packed streams go; what comes out is one or more members, one after the other."""

    coders: list[_Coder]
    bonds: dict[int, int]  # the coder whose output goes into this input
    packed: list[int]  # inputs that are packed streams
    start: int = 0  # byte in the file
    packed_size: int = 0
    check: int | None = None
    members: list[tuple[int, int | None]] = field(default_factory=list)  # length in bytes and CRC-32

    @property
    def last(self) -> int:
        """The coder whose output no other takes."""
        return next((i for i in range(len(self.coders)) if i not in self.bonds.values()), 0)

    @property
    def size(self) -> int:
        return self.coders[self.last].size

    @property
    def locked(self) -> bool:
        return any(coder.method == _AES for coder in self.coders)

    def chain(self, where: str) -> list[_Coder]:
        """The coders in the order in which the data goes through them."""
        for coder in self.coders:
            if coder.inputs != 1:
                name = _UNREAD.get(coder.method, coder.method)
                raise UnknownWrapping(f"{where}: it is packed by {name}, which is not readable")
        at, chain = self.last, [self.coders[self.last]]
        while at in self.bonds and len(chain) < len(self.coders):
            at = self.bonds[at]
            chain.append(self.coders[at])
        if len(chain) < len(self.coders) or self.packed != [at]:
            raise Damaged(f"{where}: its coders are no chain")
        return chain[::-1]


def _folder(reader: _Reader) -> _Folder:
    coders, inputs = [], 0
    for _ in range(reader.count()):
        flags = reader.byte()
        method = reader.take(flags & 0x0F).hex()
        takes, gives = (reader.number(), reader.number()) if flags & 0x10 else (1, 1)
        if flags & 0x80 or gives != 1 or takes > 32:
            raise _Malformed("a coder of a kind that there is not")
        coders.append(_Coder(method, takes, reader.take(reader.number()) if flags & 0x20 else b""))
        inputs += takes
    if not 0 < len(coders) <= _CODERS:
        raise _Malformed(f"{len(coders)} coders in a chain")
    bonds = {reader.number(): reader.number() for _ in range(len(coders) - 1)}
    if any(output >= len(coders) for output in bonds.values()):
        raise _Malformed("a bond to a coder that is not there")
    free = [i for i in range(inputs) if i not in bonds]
    packed = free if inputs == len(coders) else [reader.number() for _ in range(inputs - len(coders) + 1)]
    return _Folder(coders, bonds, packed)


def _streams(reader: _Reader) -> list[_Folder]:
    """The folders of a StreamsInfo."""
    start, sizes, folders = 0, list[int](), list[_Folder]()
    while (what := reader.number()) != _END:
        if what == _PACK:
            start = reader.number()
            count = reader.count()
            while (what := reader.number()) != _END:
                if what == _SIZE:
                    sizes = [reader.number() for _ in range(count)]
                elif what == _CRC:
                    reader.checks(count)  # of what is packed; that of what comes out is the better one
                else:
                    raise _Malformed(f"property {what} among packed streams")
        elif what == _UNPACK:
            folders = _unpack(reader)
        elif what == _SUBSTREAMS:
            _substreams(reader, folders)
        else:
            raise _Malformed(f"property {what} among streams")
    at = _START + start
    for folder in folders:
        count = len(folder.packed)
        if len(sizes) < count:
            raise _Malformed("fewer packed streams than its coders take")
        folder.start, folder.packed_size = at, sum(sizes[:count])
        at, sizes = at + folder.packed_size, sizes[count:]
    return folders


def _unpack(reader: _Reader) -> list[_Folder]:
    reader.expect(_FOLDER)
    count = reader.count()
    if reader.byte():
        raise _Malformed("folders that are kept elsewhere")
    folders = [_folder(reader) for _ in range(count)]
    reader.expect(_UNPACK_SIZE)
    for folder in folders:
        for coder in folder.coders:
            coder.size = reader.number()
    while (what := reader.number()) != _END:
        if what != _CRC:
            raise _Malformed(f"property {what} among folders")
        for folder, check in zip(folders, reader.checks(count), strict=True):
            folder.check = check
    for folder in folders:
        folder.members = [(folder.size, folder.check)]
    return folders


def _substreams(reader: _Reader, folders: list[_Folder]) -> None:
    counts = [1] * len(folders)
    what = reader.number()
    if what == _UNPACK_COUNT:
        counts = [reader.number() for _ in folders]
        if sum(counts) > reader.left + len(folders):
            raise _Malformed("it counts more than it holds")
        what = reader.number()
    sizes: list[list[int]] = []
    for folder, count in zip(folders, counts, strict=True):
        told = [reader.number() for _ in range(count - 1)] if what == _SIZE else []
        if (count > 1 and what != _SIZE) or sum(told) > folder.size:
            raise _Malformed("its members are longer than what they are in")
        sizes.append([*told, folder.size - sum(told)] if count else [])
    if what == _SIZE:
        what = reader.number()
    checks: list[list[int | None]] = [
        [folder.check] if count == 1 else [None] * count for folder, count in zip(folders, counts, strict=True)
    ]
    while what != _END:
        if what != _CRC:
            raise _Malformed(f"property {what} among members")
        unknown = [i for i, count in enumerate(counts) if count != 1 or folders[i].check is None]
        said = iter(reader.checks(sum(counts[i] for i in unknown)))
        for i in unknown:
            checks[i] = [next(said) for _ in range(counts[i])]
        what = reader.number()
    for folder, lengths, known in zip(folders, sizes, checks, strict=True):
        folder.members = list(zip(lengths, known, strict=True))


@dataclass
class _File:
    name: str = ""
    empty: bool = False  # it has no stream
    is_file: bool = False  # though empty
    anti: bool = False  # it says that a file is to be removed
    attributes: int | None = None

    @property
    def is_folder(self) -> bool:
        if self.attributes is None:
            return self.empty and not self.is_file
        return bool(self.attributes & stat.FILE_ATTRIBUTE_DIRECTORY)

    @property
    def is_link(self) -> bool:
        if not self.attributes:
            return False
        mode = self.attributes >> 16 if self.attributes & 0x8000 else 0  # p7zip's: the upper half is a Unix mode
        regular = stat.S_IFMT(mode) in (0, stat.S_IFREG, stat.S_IFDIR)
        return not regular or bool(self.attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT)


def _header(reader: _Reader, members: int, where: str) -> tuple[list[_Folder], list[_File]]:
    folders, files = list[_Folder](), list[_File]()
    while (what := reader.number()) != _END:
        if what == _ARCHIVE:
            while reader.number() != _END:
                reader.take(reader.number())
        elif what == _STREAMS:
            folders = _streams(reader)
        elif what == _FILES:
            files = _files(reader, members, where)
        else:
            raise _Malformed(f"property {what} at its top")
    return folders, files


def _files(reader: _Reader, members: int, where: str) -> list[_File]:
    count = reader.count()
    if count > members:
        raise Unsafe(f"{where}: more than {members:,} members")
    files = [_File() for _ in range(count)]
    while (what := reader.number()) != _END:
        body = _Reader(reader.take(reader.number()))
        empty = [file for file in files if file.empty]
        if what == _EMPTY_STREAM:
            for file, said in zip(files, body.bits(count), strict=True):
                file.empty = said
        elif what == _EMPTY_FILE:
            for file, said in zip(empty, body.bits(len(empty)), strict=True):
                file.is_file = said
        elif what == _ANTI:
            for file, said in zip(empty, body.bits(len(empty)), strict=True):
                file.anti = said
        elif what == _NAMES:
            if body.byte():
                raise _Malformed("names that are kept elsewhere")
            names = body.take(body.left).decode("utf-16-le", "replace").split("\0")
            if len(names) != count + 1 or names[-1]:
                raise _Malformed(f"{len(names) - 1:,} names for {count:,} members")
            for file, name in zip(files, names, strict=False):
                file.name = name
        elif what == _ATTRIBUTES:
            said_of = body.defined(count)
            if body.byte():
                raise _Malformed("attributes that are kept elsewhere")
            for file, said in zip(files, said_of, strict=True):
                file.attributes = struct.unpack("<L", body.take(4))[0] if said else None
    return files


class Archive:
    """A 7z, its directory read. Raises `Damaged`, `Undecryptable`, `UnknownWrapping` and `Unsafe`, and what `stream`
    raises, as its chunks do."""

    def __init__(self, stream: BinaryIO, memory: int, members: int, passwords: Sequence[SecretStr], where: str) -> None:
        self._stream, self._memory, self._where = stream, memory, where
        self._passwords = [password.get_secret_value() for password in passwords]
        self._keys: dict[tuple[str, bytes, int], bytes] = {}
        try:
            data = self._directory()
            self._folders, self._files = self._parsed(data, members) if data else ([], [])
        except _Malformed as error:
            raise Damaged(f"{where}: its directory is damaged: {error}") from error

    def entries(self) -> list[Entry]:
        """The entries in their order. Of one folder they are to be read one after the other, each to its end."""
        found = []
        packed = ((folder, n) for folder in self._folders for n in range(len(folder.members)))
        plain: dict[int, BinaryIO] = {}
        for file in self._files:
            name = contained(file.name or "contents", self._where)
            told = f"{self._where}: member {name!r}"
            if file.is_link or file.anti:
                raise Unsafe(f"{told} is {'a link or a device' if file.is_link else 'one to be removed'}")
            if not name and not file.is_folder:
                raise Unsafe(f"{self._where}: member {file.name!r} has no name")
            if file.empty:
                found.append(Entry(name) if file.is_folder else Entry(name, 0, iter(())))
                continue
            folder, n = next(packed, (None, 0))
            if folder is None:
                raise Damaged(f"{self._where}: more members than streams")
            found.append(Entry(name, folder.members[n][0], self._member(folder, n, plain, told)))
        if next(packed, None) is not None:
            raise Damaged(f"{self._where}: more streams than members")
        return found

    def _directory(self) -> bytes:
        """The directory as it is, perhaps encoded; empty where the archive is."""
        size = self._stream.seek(0, io.SEEK_END)
        self._stream.seek(0)
        start = read(self._stream, _START)
        if len(start) < _START or isal_zlib.crc32(start[12:]) != int.from_bytes(start[8:12], "little"):
            raise Damaged(f"{self._where}: its first {_START} bytes are damaged or cut off")
        offset, length, check = struct.unpack("<QQL", start[12:])
        end = _START + offset + length
        if end > size:
            raise Damaged(f"{self._where}: cut off at byte {size:,}; its directory ends at byte {end:,}")
        if end < size:
            raise Damaged(f"{self._where}: bytes after its end, at byte {end:,}")
        return self._whole(self._packed(end - length, length), length, check)

    def _parsed(
        self, data: bytes, members: int, password: str | None = None, nested: int = 0
    ) -> tuple[list[_Folder], list[_File]]:
        reader = _Reader(data)
        what = reader.number()
        if what == _ENCODED and nested < _NESTED:
            folders = _streams(reader)
            if len(folders) != 1:
                raise _Malformed(f"it is encoded in {len(folders)} folders")
            if folders[0].locked and password is None:
                return self._unlocked(folders[0], members, nested)
            return self._parsed(self._encoded(folders[0], password), members, password, nested + 1)
        if what != _HEADER:
            raise _Malformed(f"it begins with property {what}")
        return _header(reader, members, self._where)

    def _unlocked(self, folder: _Folder, members: int, nested: int) -> tuple[list[_Folder], list[_File]]:
        """An encrypted directory. It need not have a checksum: a password is right where what it opens makes sense."""
        self._wants_password(f"{self._where}: its directory")
        for password in self._passwords:
            try:
                return self._parsed(self._encoded(folder, password), members, password, nested + 1)
            except (DataError, _Malformed):
                continue
        raise Undecryptable(
            f"{self._where}: its directory is encrypted; none of the {len(self._passwords)} passwords given opens it,"
            " or it is damaged"
        )

    def _encoded(self, folder: _Folder, password: str | None) -> bytes:
        return self._whole(as_chunks(self._decoded(folder, password, self._where)), folder.size, folder.check)

    def _whole(self, chunks: Iterator[bytes], length: int, check: int | None) -> bytes:
        """A directory as bytes, checked."""
        if length > DIRECTORY:
            raise Unsafe(f"{self._where}: its directory of {length:,} bytes is longer than {DIRECTORY:,}")
        data = b"".join(_exactly(chunks, length, self._where))
        if check is not None and isal_zlib.crc32(data) != check:
            raise _Malformed("its CRC-32 is not what it should be")
        return data

    def _wants_password(self, where: str) -> None:
        if not self._passwords:
            raise Undecryptable(f"{where} is encrypted with a password and none was given")

    def _member(self, folder: _Folder, n: int, open_folders: dict[int, BinaryIO], where: str) -> Iterator[bytes]:
        """The plaintext of the n-th member of a folder, whose stream the first one opens."""
        if n == 0:
            open_folders[id(folder)] = self._decoded(folder, self._password(folder, where), where)
        stream = open_folders[id(folder)]
        try:
            yield from _checked(stream, *folder.members[n], where)
        except Damaged as error:
            if not folder.locked:
                raise
            raise Undecryptable(f"{error.what}; the password is wrong or the member is damaged") from error
        if n == len(folder.members) - 1:
            open_folders.pop(id(folder)).close()

    def _password(self, folder: _Folder, where: str) -> str | None:
        """The password that opens a folder. Of several, the one that opens its first member, which is read for it."""
        if not folder.locked:
            return None
        self._wants_password(where)
        for password in self._passwords[:-1]:
            try:
                stream = self._decoded(folder, password, where)
                drain(as_stream(_checked(stream, *folder.members[0], where)))
            except Damaged:
                continue
            return password
        return self._passwords[-1]

    def _packed(self, start: int, size: int) -> Iterator[bytes]:
        self._stream.seek(start)
        left = size
        while left:
            chunk = self._stream.read(min(left, CHUNK))
            if not chunk:
                raise Damaged(f"{self._where}: cut off at byte {start + size - left:,}")
            left -= len(chunk)
            yield chunk

    def _decoded(self, folder: _Folder, password: str | None, where: str) -> BinaryIO:
        """All that a folder unpacks to."""
        where = f"{where}, packed at byte {folder.start:,}"
        stream = as_stream(self._packed(folder.start, folder.packed_size))
        for coder in folder.chain(where):
            stream = as_stream(_exactly(self._coder(stream, coder, password, where), coder.size, where))
        return stream

    def _coder(self, stream: BinaryIO, coder: _Coder, password: str | None, where: str) -> Iterator[bytes]:
        method, properties, memory = coder.method, coder.properties, self._memory
        try:
            if method == "00":
                return as_chunks(stream)
            if method in ("21", "030101"):
                filters = _lzma2(properties) if method == "21" else _lzma(properties)
                _bounded(filters["dict_size"], memory, where)
                decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[filters])
                return decoded(stream, lambda: decoder, where, memory=memory)
            if method == "030401":
                order, model = struct.unpack_from("<BL", properties)  # 7-Zip writes 5 bytes, others more
                _bounded(model, memory, where)
                return piped(stream, where, "ppmd", str(order), str(model), str(coder.size))
            if method == _AES:
                key, vector = self._aes(properties, password or "")
                return locks.cbc(stream, key, vector)
            if method == "03":
                return _delta(stream, properties[0] + 1)
        except (struct.error, IndexError, ValueError, lzma.LZMAError) as error:
            raise Damaged(f"{where}: the properties of coder {method} make no sense") from error
        if method in _BRANCH_FILTERS:
            return map(_BRANCH_FILTERS[method](coder.size).decode, as_chunks(stream))
        if method in _FRAMES:
            return frames(stream, _FRAMES[method], memory, where)
        if method in _SINGLE:
            return single(stream, _SINGLE[method], memory, where)
        raise UnknownWrapping(f"{where}: it is packed by {_UNREAD.get(method, method)}, which is not readable")

    def _aes(self, properties: bytes, password: str) -> tuple[bytes, bytes]:
        """Key and initialisation vector (7zAes.cpp, SetDecoderProperties2)."""
        first, second = properties[0], properties[1] if properties[0] & 0xC0 else 0
        power = first & 0x3F
        salt_size = (first >> 7 & 1) + (second >> 4)
        vector_size = (first >> 6 & 1) + (second & 15)
        salt, vector = properties[2 : 2 + salt_size], properties[2 + salt_size : 2 + salt_size + vector_size]
        if (power > locks.SEVENZIP_ROUNDS and power != 0x3F) or len(vector) != vector_size:
            raise ValueError(power)
        known = (password, salt, power)
        if known not in self._keys:
            self._keys[known] = locks.sevenzip_key(password, salt, power)
        return self._keys[known], vector


def _bounded(size: int, memory: int, where: str) -> None:
    if size > memory:
        raise Unsafe(f"{where}: its window needs more memory than the bound of {memory:,} bytes")


def _lzma(properties: bytes) -> dict[str, int]:
    """lc, lp and pb in one byte, then the window's size (lzma-specification.txt)."""
    packed, size = struct.unpack("<BL", properties)
    lc, lp, pb = packed % 9, packed // 9 % 5, packed // 45
    return {"id": lzma.FILTER_LZMA1, "dict_size": max(size, 4096), "lc": lc, "lp": lp, "pb": pb}


def _lzma2(properties: bytes) -> dict[str, int]:
    """The window's size as an exponent and one bit (Lzma2Dec.c)."""
    (packed,) = properties
    size = (2 | packed & 1) << packed // 2 + 11 if packed < 40 else (1 << 32) - 1
    return {"id": lzma.FILTER_LZMA2, "dict_size": size}


def _delta(stream: BinaryIO, distance: int) -> Iterator[bytes]:
    """Each byte is the sum of those that stand `distance` apart before it."""
    before = np.zeros(distance, np.uint8)
    while data := read(stream, PLAIN // distance * distance):
        rows = np.frombuffer(data + bytes(-len(data) % distance), np.uint8).reshape(-1, distance)
        sums = np.cumsum(rows, axis=0, dtype=np.uint8) + before
        before = sums[-1]
        yield sums.tobytes()[: len(data)]


def _exactly(chunks: Iterator[bytes], size: int, where: str) -> Iterator[bytes]:
    """The first `size` bytes; what a coder makes beyond them, as padding, is dropped."""
    left = size
    while left:
        chunk = next(chunks, None)
        if chunk is None:
            raise Damaged(f"{where}: it ends {left:,} bytes early")
        yield chunk[:left]
        left -= min(left, len(chunk))


def _checked(stream: BinaryIO, size: int, check: int | None, where: str) -> Iterator[bytes]:
    """The next `size` bytes, their CRC-32 checked at the end where it is known."""
    left, made = size, 0
    while left:
        chunk = stream.read(min(left, PLAIN))
        if not chunk:
            raise Damaged(f"{where}: it ends {left:,} bytes early")
        left -= len(chunk)
        made = isal_zlib.crc32(chunk, made)
        yield chunk
    if check is not None and made != check:
        raise Damaged(f"{where}: its CRC-32 is not what the directory says")
