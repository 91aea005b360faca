"""zip: the directory by zipfile, the members by native decoders.

Methods: stored, deflate, deflate64, bzip2, lzma, zstd, xz; zip64, data descriptors, ZipCrypto and WinZip's AES.
Section numbers are APPNOTE.TXT's 6.3.10.
"""

import io
import stat
import struct
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from isal import isal_zlib
from pydantic import SecretStr

from spark.errors import Damaged, Undecryptable, UnknownWrapping, Unsafe
from tasks.wrappings import locks
from tasks.wrappings.decoders import single
from tasks.wrappings.entries import Entry
from tasks.wrappings.names import contained
from tasks.wrappings.streams import CHUNK, as_chunks, as_stream, drain, read

_METHODS = {8: "deflate", 9: "deflate64", 12: "bzip2", 14: "lzma", 20: "zstd", 93: "zstd", 95: "xz"}
_UNREAD = {1: "shrink", 6: "implode", 96: "JPEG", 97: "WavPack", 98: "PPMd"}
_AES = 99
_ERRORS = (zipfile.BadZipFile, struct.error, NotImplementedError, ValueError, OverflowError, IndexError, EOFError)


def opened(stream: BinaryIO, where: str) -> zipfile.ZipFile:
    """The archive's directory. Raises `Damaged` and what `stream` raises."""
    try:
        return zipfile.ZipFile(stream)
    except _ERRORS as error:
        raise Damaged(f"{where}: {error}") from error


def is_document(archive: zipfile.ZipFile) -> bool:
    """OOXML has `[Content_Types].xml` (ECMA-376-2), ODF and EPUB a stored `mimetype` first. A jar is an
    archive: `jar` also packs plain data."""
    infos = archive.infolist()
    if any(info.filename == "[Content_Types].xml" for info in infos):
        return True
    first = min(infos, key=lambda info: info.header_offset, default=None)
    return first is not None and first.filename == "mimetype" and first.compress_type == zipfile.ZIP_STORED


def entries(
    archive: zipfile.ZipFile, stream: BinaryIO, memory: int, passwords: Sequence[SecretStr], where: str
) -> list[Entry]:
    """The entries of a zip, none of them read yet; any may be skipped.

    Raises `Damaged`, `Undecryptable`, `UnknownWrapping` and `Unsafe`, from here or from the chunks.
    """
    _check(archive, stream, where)
    found = []
    for info in archive.infolist():
        name = contained(_name(info), where)
        if not name or info.orig_filename.endswith(("/", "\\")):
            found.append(Entry(name))
            continue
        told = f"{where}: member {name!r}"
        member = _Member(stream, info, _lock(info, told), memory, told)
        found.append(Entry(name, info.file_size, member.chunks(passwords), sequential=False))
    return found


def _name(info: zipfile.ZipInfo) -> str:
    return _unicode_path(info.orig_filename, info.flag_bits, info.extra)


def _unicode_path(name: str, flags: int, extra: bytes) -> str:
    """The name, from the Unicode path extra field (0x7075, 4.6.9) where it holds for this name."""
    body = _extra(extra, 0x7075)
    is_path = len(body) > 5 and body[0] == 1 and not flags & 0x800
    if is_path and int.from_bytes(body[1:5], "little") == isal_zlib.crc32(name.encode("cp437")):
        return body[5:].decode("utf-8", "surrogateescape")
    return name


def _extra(extra: bytes, wanted: int) -> bytes:
    """The body of an extra field; empty where it is not there."""
    while len(extra) >= 4:
        tag, size = struct.unpack_from("<HH", extra)
        if tag == wanted:
            return extra[4 : 4 + size]
        extra = extra[4 + size :]
    return b""


def _check(archive: zipfile.ZipFile, stream: BinaryIO, where: str) -> None:
    """Refuse what `zipfile` overlooks: bytes before or after the archive, members that overlap."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - 22))
    # A comment may be longer than it says (readers agree); without one, what follows is no part of the archive.
    if not archive.comment and read(stream, 22)[:4] != b"PK\x05\x06":
        raise Damaged(f"{where}: bytes after its end")
    infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    if infos and infos[0].header_offset < 0:
        raise Damaged(f"{where}: its directory is not where its end says")
    if infos and infos[0].header_offset > 4:  # a split marker takes 4
        raise Damaged(f"{where}: {infos[0].header_offset:,} bytes before its first member")
    ends = [info.header_offset for info in infos[1:]] + [archive.start_dir]
    for info, after in zip(infos, ends, strict=False):
        if info.header_offset + 30 + info.compress_size > after:
            raise Unsafe(f"{where}: member {info.filename!r} overlaps the next")


@dataclass(frozen=True)
class _Lock:
    """How a member is encrypted, and by what method it was compressed before."""

    method: int
    strength: int = 0  # of AES, 1 to 3; 0 is ZipCrypto
    has_crc: bool = True  # AE-2 leaves it out


def _lock(info: zipfile.ZipInfo, where: str) -> _Lock | None:
    """Refuse what cannot be read; None where there is no password."""
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == 3 else 0
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Unsafe(f"{where} is a link or a device")
    method, lock = info.compress_type, None
    if info.flag_bits & 0x40:
        raise UnknownWrapping(f"{where} is encrypted by PKWARE's strong encryption, which is not readable")
    if method == _AES:
        body = _extra(info.extra, 0x9901)  # WinZip, "AES Encryption Information", section II.B
        if len(body) < 7 or body[4] not in (1, 2, 3) or not info.flag_bits & 1:
            raise Damaged(f"{where}: it is encrypted by AES and does not say how")
        version, strength, method = struct.unpack_from("<H2xBH", body)
        lock = _Lock(method, strength, has_crc=version == 1)
    elif info.flag_bits & 1:
        lock = _Lock(method)
    if method not in (0, *_METHODS):
        name = _UNREAD.get(method, "unknown")
        raise UnknownWrapping(f"{where} is compressed by method {method} ({name}), which is not readable")
    return lock


@dataclass(frozen=True)
class _Member:
    """One member: where it is and how it is packed.

    Not `ZipFile.open`: ISA-L is three times as fast, and the other methods, zstd to AES, come for nothing.
    """

    stream: BinaryIO
    info: zipfile.ZipInfo
    lock: _Lock | None
    memory: int
    where: str

    def chunks(self, passwords: Sequence[SecretStr]) -> Iterator[bytes]:
        """The plaintext; its length and CRC-32, and an authentication code, are checked at the end."""
        start = self._start()
        if self.lock is None:
            yield from self._decoded(start, None)
            return
        password = self._password(start, passwords)
        try:
            yield from self._decoded(start, password)
        except Damaged as error:
            if self.lock.strength:
                raise
            raise Undecryptable(f"{error.what}; the password is wrong or the member is damaged") from error

    def _start(self) -> int:
        """Where the data begins, behind the member's own header."""
        offset = self.info.header_offset
        self.stream.seek(offset)
        header = read(self.stream, 30)
        if header[:4] != b"PK\x03\x04" or len(header) < 30:
            raise Damaged(f"{self.where}: no member at byte {offset:,}")
        flags, name_length, extra_length = struct.unpack("<6xH18xHH", header)
        name = read(self.stream, name_length).decode("utf-8" if flags & 0x800 else "cp437", "replace")
        extra = read(self.stream, extra_length)
        if name != self.info.orig_filename and _unicode_path(name, flags, extra) != _name(self.info):
            raise Damaged(f"{self.where}: directory and member name it differently, at byte {offset:,}")
        return offset + 30 + int(name_length) + int(extra_length)

    def _password(self, start: int, passwords: Sequence[SecretStr]) -> bytes:
        """The password that fits. Of several that may, the one that opens the whole member."""
        info, lock = self.info, self.lock or _Lock(0)
        if not passwords:
            raise Undecryptable(f"{self.where} is encrypted with a password and none was given")
        self.stream.seek(start)
        if lock.strength:
            header = read(self.stream, locks.aes_header(lock.strength))
            fit = [word for word in locks.spellings(passwords) if locks.aes_fits(header, word, lock.strength)]
        else:
            header = read(self.stream, locks.ZIPCRYPTO_HEADER)
            hour, minute = info.date_time[3:5]
            # 6.1.6; with a data descriptor, Info-ZIP's time instead of the CRC that was not known yet
            check = hour << 3 | minute >> 3 if info.flag_bits & 8 else info.CRC >> 24
            fit = [word for word in locks.spellings(passwords) if locks.zipcrypto_fits(header, word, check)]
        if not fit:
            raise Undecryptable(f"{self.where} is encrypted with a password that is none of the {len(passwords)} given")
        return next((word for word in fit if len(fit) == 1 or self._opens(start, word)), fit[0])

    def _opens(self, start: int, password: bytes) -> bool:
        try:
            drain(as_stream(self._decoded(start, password)))
        except (Damaged, Undecryptable, Unsafe):
            return False
        return True

    def _packed(self, start: int) -> Iterator[bytes]:
        self.stream.seek(start)
        left = self.info.compress_size
        while left:
            chunk = self.stream.read(min(left, CHUNK))
            if not chunk:
                raise Damaged(f"{self.where}: cut off at byte {start + self.info.compress_size - left:,}")
            left -= len(chunk)
            yield chunk

    def _decoded(self, start: int, password: bytes | None) -> Iterator[bytes]:
        info, lock = self.info, self.lock
        method = info.compress_type if lock is None else lock.method
        source = as_stream(self._packed(start))
        if lock is not None and password is not None:
            opened = (
                locks.aes(source, info.compress_size, password, lock.strength, self.where)
                if lock.strength
                else locks.zipcrypto(source, password)
            )
            source = as_stream(opened)
        if method == 14:
            source = as_stream(self._lzma_alone(source))
        chunks = as_chunks(source) if method == 0 else single(source, _METHODS[method], self.memory, self.where)
        length = check = 0
        for chunk in chunks:
            length += len(chunk)
            check = isal_zlib.crc32(chunk, check)
            if length > info.file_size:
                break
            yield chunk
        if lock is not None and length == info.file_size:
            drain(source)  # an authentication code comes last
        wrong_crc = check != info.CRC and (lock is None or lock.has_crc)
        if length != info.file_size or wrong_crc:
            what = "length" if length != info.file_size else "CRC-32"
            raise Damaged(f"{self.where}: its {what} is not what the directory says, member at byte {start:,}")

    def _lzma_alone(self, source: BinaryIO) -> Iterator[bytes]:
        """A member of method 14 as an .lzma file, whose header differs (5.8.8)."""
        header = read(source, 9)
        length = -1 if self.info.flag_bits & 2 else self.info.file_size  # bit 1: it has an end mark of its own
        yield header[4:] + struct.pack("<q", length)
        yield from as_chunks(source)
