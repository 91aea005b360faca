"""Peel wrappings: zip, tar, gzip, bzip2, xz, lzma, zstd and PGP, in any order and depth, as streams.

A wrapping is known by its first bytes, never by its name. A name only helps where the bytes say nothing: a
file called `x.zip` that is no zip is an error (it is often a saved error page), not a file to be read.
Nothing here touches a disk. Only a zip needs to seek: inside another wrapping it is staged by `spool` first.
"""

import io
import lzma
import re
import stat
import struct
import tarfile
import zipfile
from bz2 import BZ2Decompressor
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

import zstandard
from isal import igzip_lib, isal_zlib
from pydantic import BaseModel

from spark.errors import Damaged, Undecryptable, UnknownWrapping, Unsafe
from tasks.decrypt import Decrypt

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

HEAD = 1024
"""Bytes that `sniff` wants to see: a tar header is 512, a zstd skippable frame may come first."""

CHUNK = 1 << 17
"""Bytes of wrapped data that are read at a time."""

PLAIN = 1 << 20
"""Bytes of plaintext that a decoder makes at a time, whatever the ratio."""

ZSTD_SLICE = 2048
"""Bytes handed to zstd at a time. A block of 4 bytes may stand for 128 KiB (RFC 8878, 3.1.1.2), so this makes
at most 64 MiB; 4 KiB or 128 KiB are no faster."""

TAR_META = 1 << 20
"""Bytes of one pax or GNU long-name record. tarfile reads it into memory whole."""

READABLE = ("zip", "tar", "gzip", "bzip2", "xz", "lzma", "zstd", "pgp")
"""Every wrapping that `peel` opens, by the name that `expect` and `Member.wrappings` use."""

UNREADABLE = ("7z", "lz4", "compress", "snappy", "rar", "pgp-clearsigned")
"""Wrappings that are recognised, so that the error says their name."""


class Bounds(BaseModel, frozen=True):
    """How far a file may expand before it is refused as `Unsafe`.

    The defaults let every public source through (NPPES: 9 GB from 1 GB, one wrapping, four members) and stop
    what deflate can do at most (1,032:1).
    """

    ratio: int = 1_000  # plaintext bytes for each byte of the outermost file
    free: int = 100_000_000  # bytes of plaintext before the ratio counts
    total: int = 5_000_000_000_000  # bytes that may come out of all wrappings of one depth together
    members: int = 100_000  # entries of all archives together, folders included
    depth: int = 5  # wrappings round one member: tar in gzip in zip in PGP is 4
    memory: int = 1 << 31  # bytes that an xz or zstd window may ask for: `zstd --long=31` wants 2 GiB


class Member(BaseModel, frozen=True):
    """A file that came out of all its wrappings.

    `names` go from the outermost file to the innermost, `wrappings` name what was round each but the last:
    `("NPPES.zip", "npidata.csv")` and `("zip",)`. `size` is in bytes where an archive's directory tells it.
    """

    names: tuple[str, ...]
    wrappings: tuple[str, ...] = ()
    size: int | None = None

    @property
    def path(self) -> str:
        """All names joined by `/`, unique within one outermost file."""
        return "/".join(self.names)

    @property
    def name(self) -> str:
        """The innermost name, with the folders that it has in its archive."""
        return self.names[-1]


def sniff(head: bytes) -> str | None:
    """The wrapping that the first bytes show, one of `READABLE` or `UNREADABLE`, or None.

    `head` should hold `HEAD` bytes: tar is known by bytes 257 to 262, or, before ustar (v7), by its checksum alone.
    """
    for kind, magic in _MAGIC:
        if magic.match(head):
            return kind
    if _is_tar(head):
        return "tar"
    return None


def peel(
    stream: BinaryIO,
    name: str,
    *,
    bounds: Bounds | None = None,
    spool: Callable[[BinaryIO], BinaryIO] | None = None,
    decrypt: Decrypt | None = None,
    expect: Sequence[str] | None = None,
) -> Generator[tuple[Member, BinaryIO], None, None]:
    """Yield every innermost member of `stream` as a forward-only stream, valid until the next is asked for.

    `stream` is at its start; it need not be seekable. `name` is what errors and paths call it. `spool` stages
    a stream that cannot seek, to its end, and reopens it seekable; it is called for a zip inside another
    wrapping. `decrypt` opens PGP. `expect` is the exact chain of wrappings, outermost first, that every
    member must have. OOXML and ODF documents are zips but come out whole, as a seekable stream.

    A member is right only once its stream has been read to its end, and all of a file only once the iteration
    has ended: checksums and PGP's proof come last. Every wrapping but zip is therefore read to its end even
    if the consumer skips what is in it; a zip member that is not read is not checked. A consumer that may stop
    early, by an error too, closes the generator (`contextlib.closing`): gpg and staged streams end with it.

    Raises `UnknownWrapping` (not readable, or not as expected), `Damaged`, `Undecryptable` and `Unsafe`, from
    here or from a read. A cut exactly between two gzip members or zstd frames cannot be seen: each is a whole file.
    """
    if unknown := set(expect or ()) - set(READABLE):
        raise ValueError(f"expect names no wrapping: {', '.join(sorted(unknown))}")
    peeling = _Peeling(bounds or Bounds(), spool, decrypt, None if expect is None else tuple(expect))
    source = _stream(peeling.source(stream))
    return peeling.peel(source, stream if stream.seekable() else None, Member(names=(name,)))


# What the first bytes show ---------------------------------------------------------------------------

_SKIPPABLE = rb"(?s:[\x50-\x5f]\x2a\x4d\x18)"
_MAGIC: list[tuple[str, re.Pattern[bytes]]] = [
    ("zip", re.compile(rb"PK(\x03\x04|\x05\x06|\x07\x08PK\x03\x04|00PK\x03\x04)")),  # also empty, split
    ("gzip", re.compile(rb"\x1f\x8b\x08")),
    ("bzip2", re.compile(rb"BZh[1-9](1AY&SY|\x17\x72\x45\x38\x50\x90)")),
    ("xz", re.compile(rb"\xfd7zXZ\x00")),
    # A power of two as dictionary size and a length that is unknown or below 1 TiB: .lzma has no magic of its own.
    (
        "lzma",
        re.compile(rb"(?s)\x5d\x00\x00[\x01\x02\x04\x08\x10\x20\x40\x80\x00][\x00-\x08](\xff{8}|.{5}\x00{3})"),
    ),
    ("zstd", re.compile(rb"\x28\xb5\x2f\xfd|" + _SKIPPABLE)),
    ("7z", re.compile(rb"7z\xbc\xaf\x27\x1c")),
    ("lz4", re.compile(rb"\x04\x22\x4d\x18|\x02\x21\x4c\x18")),
    ("compress", re.compile(rb"\x1f\x9d")),
    ("snappy", re.compile(rb"\xff\x06\x00\x00sNaPpY")),
    ("rar", re.compile(rb"Rar!\x1a\x07")),
    ("pgp-clearsigned", re.compile(rb"(\xef\xbb\xbf)?\s*-----BEGIN PGP SIGNED MESSAGE-----")),
    ("pgp", re.compile(rb"(\xef\xbb\xbf)?\s*-----BEGIN PGP MESSAGE")),
    # RFC 9580, 5.1 and 5.3: a session key packet, its length, its version. Version 3 or 6 for a public key, 4
    # to 6 for a passphrase. One-pass signature (tag 4): signed, not encrypted; gpg will say so.
    ("pgp", re.compile(rb"(?s)(\x84.|\x85..|\xc1[\x00-\xbf]|\xc1[\xc0-\xdf].)[\x03\x06]")),
    ("pgp", re.compile(rb"(?s)(\x8c.|\x8d..|\xc3[\x00-\xbf])[\x04-\x06][\x01-\x0d]")),
    ("pgp", re.compile(rb"(\x90|\xc4)\x0d\x03[\x00\x01]")),
]

_ENDINGS: dict[str, dict[str, str]] = {
    "zip": {".zip": "", ".zipx": ""},
    "tar": {".tar": ""},
    "gzip": {".gz": "", ".tgz": ".tar"},
    "bzip2": {".bz2": "", ".tbz": ".tar", ".tbz2": ".tar"},
    "xz": {".xz": "", ".txz": ".tar"},
    "lzma": {".lzma": "", ".tlz": ".tar"},
    "zstd": {".zst": "", ".tzst": ".tar"},
    "pgp": {".pgp": "", ".gpg": ""},
    "7z": {".7z": ""},
    "lz4": {".lz4": ""},
    "compress": {".z": ""},
    "snappy": {".sz": ""},
    "rar": {".rar": ""},
}
"""The endings of a name that claim a wrapping, and what stands in their place once it is peeled. `.asc`
claims nothing: it is also the ending of keys and signatures."""

_APPLE_DOUBLE = b"\x00\x05\x16\x07"  # `__MACOSX/._x.zip` is no zip but Finder's notes on x.zip


def _is_tar(head: bytes) -> bool:
    if head[257:262] == b"ustar":
        return True
    if len(head) < 512 or not head[0]:
        return False
    digits = head[148:156].strip(b" \0")
    if not re.fullmatch(rb"[0-7]{1,7}", digits):
        return False
    blank = head[:148] + b" " * 8 + head[156:512]
    signed = sum(b - 256 if b > 127 else b for b in blank)  # some old tars summed signed chars
    return int(digits, 8) in (sum(blank), signed)


def _claim(name: str) -> str | None:
    """The wrapping that a name's ending claims."""
    ending = name[name.rfind(".") :].lower()
    return next((kind for kind, endings in _ENDINGS.items() if ending in endings), None)


def _unwrapped(name: str, kind: str) -> str:
    """`x.csv.gz` -> `x.csv`; a name without the ending stays."""
    endings = _ENDINGS[kind] | ({".asc": ""} if kind == "pgp" else {})
    for ending, instead in endings.items():
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)] + instead
    return name


def contained(name: str, where: str) -> str:
    """A member's name as a relative path with `/`; empty for the archive's root.

    A backslash counts as a separator: that is what the Windows programs that write it mean. Bytes that are
    not UTF-8 become `%XX`. Raises `Unsafe` for `..`, absolute names, drive letters and NUL.
    """
    slashed = name.replace("\\", "/")
    parts = [part for part in slashed.split("/") if part not in ("", ".")]
    if "\0" in name or slashed.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", slashed):
        raise Unsafe(f"{where}: member name {name!r} would escape")
    return "".join(f"%{ord(c) - 0xDC00:02X}" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in "/".join(parts))


# Streams ---------------------------------------------------------------------------------------------


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


def _stream(chunks: Iterator[bytes]) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Layer(chunks), PLAIN))


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


def _drain(stream: BinaryIO) -> None:
    while stream.read(PLAIN):
        pass


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


# Decoders of compressed streams ----------------------------------------------------------------------


class _Decoder(Protocol):
    """One gzip member, bzip2 stream, xz stream or zstd frame: the interface of `bz2.BZ2Decompressor`."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


class _Zstd:
    """zstandard's decompressor with the interface of `bz2.BZ2Decompressor`.

    Its stream reader takes a frame that is cut off for the end of the file, so it is not used.
    """

    def __init__(self, memory: int) -> None:
        self._frame = zstandard.ZstdDecompressor(max_window_size=memory).decompressobj()
        self._data = b""
        self._at = 0

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        if data:
            self._data, self._at = data, 0
        made: list[bytes] = []
        length = 0
        while self._at < len(self._data) and length < max_length and not self._frame.eof:
            made.append(self._frame.decompress(self._data[self._at : self._at + ZSTD_SLICE]))
            self._at += ZSTD_SLICE
            length += len(made[-1])
        return b"".join(made)

    @property
    def eof(self) -> bool:
        return self._frame.eof

    @property
    def needs_input(self) -> bool:
        return not self.eof and self._at >= len(self._data)

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data + self._data[self._at :]


_DECODERS: dict[str, Callable[[int], _Decoder]] = {
    "gzip": lambda memory: cast(_Decoder, igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)),
    "deflate": lambda memory: cast(_Decoder, igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE)),
    "bzip2": lambda memory: BZ2Decompressor(),
    "xz": lambda memory: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=memory),
    "lzma": lambda memory: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=memory),
    "zstd": _Zstd,
}

_DECODE_ERRORS: tuple[type[Exception], ...] = (
    cast(type[Exception], igzip_lib.IsalError),  # its stub takes it for an instance
    lzma.LZMAError,
    zstandard.ZstdError,
    OSError,
    ValueError,
    EOFError,
)


def _frames(stream: BinaryIO, kind: str, memory: int, where: str, *, single: bool = False) -> Iterator[bytes]:
    """Decode all frames of a stream; with `single`, one, whatever follows. Zeros after a frame are padding."""
    decoder = _DECODERS[kind](memory)
    read = 0  # bytes of the wrapping read so far

    def more() -> bytes:
        nonlocal read
        data = stream.read(CHUNK)
        read += len(data)
        return data

    data = more()
    while True:
        try:
            plain = decoder.decompress(data, PLAIN)
        except _DECODE_ERRORS as error:
            if "emory" in str(error):  # lzma: "Memory usage limit exceeded", zstd: "requires too much memory"
                raise Unsafe(f"{where}: its window needs more memory than the bound of {memory:,} bytes") from error
            raise Damaged(f"{where}: {error}, before byte {read:,}") from error
        if plain:
            yield plain
        if not decoder.eof:
            data = more() if decoder.needs_input else b""
            if decoder.needs_input and not data:
                raise Damaged(f"{where}: cut off at byte {read:,}")
            continue
        if single:
            return
        data = decoder.unused_data.lstrip(b"\0") or b""
        # ISA-L wants a gzip header with a checksum in one piece, hence not only a few bytes.
        while len(data) < HEAD and (added := more()):
            data = (data + added).lstrip(b"\0")
        if not data:
            return
        if kind == "lzma" or sniff(data) != kind:
            raise Damaged(
                f"{where}: {len(data):,} bytes or more that are no {kind} after its end, at byte {read - len(data):,}"
            )
        decoder = _DECODERS[kind](memory)


# tar -------------------------------------------------------------------------------------------------


class _TarHeader(tarfile.TarInfo):
    """tarfile takes a header that is cut, broken or missing for the end of the archive; here each is an error."""

    end_may_be_missing = False

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_TarHeader":
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf and not buf.strip(b"\0") and len(buf) == tarfile.BLOCKSIZE:
                raise  # a block of zeros is the end
            if not buf:
                if cls.end_may_be_missing:
                    raise
                raise tarfile.ReadError("cut off: its end mark is missing") from error
            raise tarfile.ReadError(f"{error} in a header") from error
        if header.size < 0:
            raise tarfile.ReadError("a negative size")
        if header.type in _TAR_META_TYPES and header.size > TAR_META:
            raise Unsafe(f"a tar record of {header.size:,} bytes")
        return header


class _InnerTarHeader(_TarHeader):
    """tar programs read archives without the end mark; where another wrapping vouches for the length, so do we."""

    end_may_be_missing = True


_TAR_META_TYPES = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
                   tarfile.GNUTYPE_LONGLINK)  # fmt: skip
_TAR_KINDS = {tarfile.SYMTYPE: "symbolic link", tarfile.LNKTYPE: "hard link", tarfile.CHRTYPE: "device",
              tarfile.BLKTYPE: "device", tarfile.FIFOTYPE: "pipe"}  # fmt: skip
_TAR_ERRORS = (tarfile.TarError, ValueError, OverflowError, EOFError, IndexError, KeyError, RecursionError)


# zip -------------------------------------------------------------------------------------------------

_ZIP_METHODS = {8: "deflate", 12: "bzip2", 14: "lzma", 20: "zstd", 93: "zstd", 95: "xz"}
_ZIP_NAMES = {1: "shrink", 6: "implode", 9: "deflate64", 97: "WavPack", 98: "PPMd", 99: "AES"}
_ZIP_ERRORS = (zipfile.BadZipFile, struct.error, NotImplementedError, ValueError, OverflowError, IndexError)


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name, from the Unicode path extra field (0x7075, APPNOTE 4.6.9) where it holds for this name."""
    extra = info.extra
    while len(extra) >= 4:
        tag, size = struct.unpack_from("<HH", extra)
        body, extra = extra[4 : 4 + size], extra[4 + size :]
        if tag != 0x7075 or len(body) <= 5 or body[0] != 1 or info.flag_bits & 0x800:
            continue
        if struct.unpack_from("<L", body, 1)[0] == isal_zlib.crc32(info.orig_filename.encode("cp437")):
            return body[5:].decode("utf-8", "surrogateescape")
    return info.orig_filename


def _is_document(infos: list[zipfile.ZipInfo]) -> bool:
    """OOXML has `[Content_Types].xml` (ECMA-376-2), ODF and EPUB a stored `mimetype` first. A jar is an
    archive: `jar` also packs plain data."""
    if any(info.filename == "[Content_Types].xml" for info in infos):
        return True
    first = min(infos, key=lambda info: info.header_offset, default=None)
    return first is not None and first.filename == "mimetype" and first.compress_type == zipfile.ZIP_STORED


def _check_zip(archive: zipfile.ZipFile, stream: BinaryIO, where: str) -> int:
    """Refuse what `zipfile` overlooks: bytes before or after the archive, members that overlap. Returns the size."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - 22))
    # A comment may be longer than it says (readers agree); without one, what follows is no part of the archive.
    if not archive.comment and _read(stream, 22)[:4] != b"PK\x05\x06":
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
    return size


def _check_zip_member(info: zipfile.ZipInfo, where: str) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == 3 else 0
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Unsafe(f"{where}: member {info.filename!r} is a link or a device")
    if info.flag_bits & 0x41 or info.compress_type == 99:
        how = "AES" if info.compress_type == 99 else "PKWARE" if info.flag_bits & 0x40 else "ZipCrypto"
        raise Undecryptable(
            f"{where}: member {info.filename!r} is encrypted with a password ({how}), which is not readable yet"
        )
    if info.compress_type not in (0, *_ZIP_METHODS):
        method = _ZIP_NAMES.get(info.compress_type, "unknown")
        raise UnknownWrapping(
            f"{where}: member {info.filename!r} is compressed by method {info.compress_type} "
            f"({method}), which is not readable yet"
        )


def _read(stream: BinaryIO, size: int) -> bytes:
    """As many bytes as there are, up to `size`: a raw stream may give fewer at a time."""
    data = b""
    while len(data) < size and (added := stream.read(size - len(data))):
        data += added
    return data


def _zip_member(stream: BinaryIO, info: zipfile.ZipInfo, memory: int, where: str) -> Iterator[bytes]:
    """The plaintext of one member, its length and CRC-32 checked at the end.

    Not `ZipFile.open`: ISA-L is three times as fast, and zstd and xz come for nothing.
    """
    stream.seek(info.header_offset)
    header = _read(stream, 30)
    if header[:4] != b"PK\x03\x04" or len(header) < 30:
        raise Damaged(f"{where}: no member at byte {info.header_offset:,}")
    flags, name_length, extra_length = struct.unpack("<6xH18xHH", header)
    name = _read(stream, name_length).decode("utf-8" if flags & 0x800 else "cp437", "replace")
    if name != info.orig_filename:
        raise Damaged(f"{where}: directory and member name it differently, at byte {info.header_offset:,}")
    _read(stream, extra_length)
    start = info.header_offset + 30 + name_length + extra_length

    def packed() -> Iterator[bytes]:
        left = info.compress_size
        if info.compress_type == 14 and left >= 9:  # make an .lzma of it: APPNOTE 5.8.8
            properties = _read(stream, 9)[4:]
            left -= 9
            length = -1 if info.flag_bits & 2 else info.file_size  # bit 1: it has an end mark of its own
            yield properties + struct.pack("<q", length)
        while left:
            chunk = stream.read(min(left, CHUNK))
            if not chunk:
                raise Damaged(f"{where}: cut off at byte {start + info.compress_size - left:,}")
            left -= len(chunk)
            yield chunk

    if info.compress_type == 0:
        chunks = packed()
    else:
        source = _stream(packed())
        chunks = _frames(source, _ZIP_METHODS[info.compress_type], memory, where, single=True)
    length = check = 0
    for chunk in chunks:
        length += len(chunk)
        check = isal_zlib.crc32(chunk, check)
        if length > info.file_size:
            break
        yield chunk
    if length != info.file_size or check != info.CRC:
        what = "length" if length != info.file_size else "CRC-32"
        raise Damaged(f"{where}: its {what} is not what the directory says, member at byte {start:,}")


# The walk --------------------------------------------------------------------------------------------


@dataclass
class _Peeling:
    """One walk through one file: the bounds, what was seen, what came out so far."""

    bounds: Bounds
    spool: Callable[[BinaryIO], BinaryIO] | None
    decrypt: Decrypt | None
    expect: tuple[str, ...] | None
    taken: int = 0  # bytes of the outermost file
    made: dict[int, int] = field(default_factory=dict)  # bytes that came out of wrappings, by depth
    entries: int = 0
    seen: set[str] = field(default_factory=set)
    messages: list[tuple[int, BinaryIO]] = field(default_factory=list)  # PGP plaintexts open, by depth

    def source(self, stream: BinaryIO) -> Iterator[bytes]:
        """The outermost file, counted."""
        for chunk in _chunks(stream):
            self.taken += len(chunk)
            yield chunk

    def layer(self, chunks: Iterator[bytes], member: Member) -> BinaryIO:
        """What comes out of a wrapping as a stream, bounded."""
        return _stream(self._bounded(chunks, member))

    def _bounded(self, chunks: Iterator[bytes], member: Member) -> Iterator[bytes]:
        depth = len(member.wrappings)
        try:
            for chunk in chunks:
                made = self.made[depth] = self.made.get(depth, 0) + len(chunk)
                if made > self.bounds.total:
                    raise Unsafe(f"{member.path}: expands to more than {self.bounds.total:,} bytes")
                if made > max(self.bounds.free, self.bounds.ratio * self.taken):
                    raise Unsafe(f"{member.path}: expands to more than {self.bounds.ratio:,} times its file's size")
                yield chunk
        except Damaged:
            # If the damage is inside a PGP message, gpg's verdict on the message is the better reason.
            for outside, message in self.messages:
                if outside < depth:
                    _drain(message)
            raise

    def count(self, entries: int, where: str) -> None:
        """Count an archive's entries."""
        self.entries += entries
        if self.entries > self.bounds.members:
            raise Unsafe(f"{where}: more than {self.bounds.members:,} members")

    def peel(
        self, stream: BinaryIO, seekable: BinaryIO | None, member: Member
    ) -> Generator[tuple[Member, BinaryIO], None, None]:
        """Yield the members in `stream`, which is `seekable` too where it can be."""
        head = cast(io.BufferedReader, stream).peek(HEAD)[:HEAD]  # always a `_stream`
        kind = sniff(head)
        claim = _claim(member.name)
        if kind is None and claim == "tar" and head and not head.strip(b"\0"):
            kind = "tar"  # an empty tar is nothing but zeros
        if kind is None:
            if claim is not None and not head.startswith(_APPLE_DOUBLE):
                if not head:
                    raise Damaged(f"{member.path}: its name says {claim} and it is empty")
                raise UnknownWrapping(f"{member.path}: its name says {claim}, its first bytes do not")
            yield from self._plain(stream, member)
        elif kind in UNREADABLE:
            raise UnknownWrapping(f"{member.path}: {kind} is recognised but not readable yet")
        elif kind == "zip":
            yield from self._zip(stream, seekable, member)
        elif kind == "tar":
            yield from self._tar(stream, self._inside(member, "tar"))
        elif kind == "pgp":
            yield from self._pgp(stream, self._inside(member, "pgp", _unwrapped(member.name, "pgp")))
        else:
            inner = self._inside(member, kind, _unwrapped(member.name, kind))
            where = f"{member.path} ({kind})"
            with self.layer(_frames(stream, kind, self.bounds.memory, where), inner) as plain:
                yield from self.peel(plain, None, inner)
                _drain(plain)

    def _inside(self, member: Member, kind: str, name: str | None = None, size: int | None = None) -> Member:
        """The member inside `member`'s wrapping `kind`; without a name, the wrapping alone is checked."""
        inner = Member(
            names=member.names if name is None else (*member.names, name),
            wrappings=(*member.wrappings, kind),
            size=size,
        )
        if len(inner.wrappings) > self.bounds.depth:
            raise Unsafe(f"{member.path}: more than {self.bounds.depth} wrappings, one in the other")
        if self.expect is not None and inner.wrappings != self.expect[: len(inner.wrappings)]:
            raise UnknownWrapping(self._unexpected(member, inner.wrappings))
        return inner

    def _unexpected(self, member: Member, found: tuple[str, ...]) -> str:
        found_names, expected = (", then ".join(chain) or "none" for chain in (found, self.expect or ()))
        return f"{member.path}: wrappings found are {found_names}; expected are {expected}"

    def _plain(self, stream: BinaryIO, member: Member) -> Iterator[tuple[Member, BinaryIO]]:
        if self.expect is not None and member.wrappings != self.expect:
            raise UnknownWrapping(self._unexpected(member, member.wrappings))
        if member.path in self.seen:
            raise Unsafe(f"{member.path}: there are two of this name")
        self.seen.add(member.path)
        yield member, stream

    def _pgp(self, stream: BinaryIO, inner: Member) -> Iterator[tuple[Member, BinaryIO]]:
        where = "/".join(inner.names[:-1])
        if self.decrypt is None:
            raise Undecryptable(f"{where} is encrypted by PGP and no key was given")
        with self.decrypt(stream, where) as message, self.layer(_chunks(message), inner) as plain:
            self.messages.append((len(inner.wrappings), plain))
            try:
                yield from self.peel(plain, None, inner)
                _drain(plain)  # gpg proves the message at its end
            finally:
                self.messages.pop()

    def _tar(self, stream: BinaryIO, archive: Member) -> Iterator[tuple[Member, BinaryIO]]:
        where = f"{archive.path} (tar)"
        file = _Forward(stream)
        header = _InnerTarHeader if len(archive.wrappings) > 1 else _TarHeader

        def damaged(error: Exception) -> Damaged:
            return Damaged(f"{where}: {error}, at byte {file.tell():,}")

        def body(info: tarfile.TarInfo, tar: tarfile.TarFile, name: str) -> Iterator[bytes]:
            try:
                extracted = tar.extractfile(info)
                if extracted is not None:
                    yield from _chunks(cast(BinaryIO, extracted))
            except _TAR_ERRORS as error:
                raise Damaged(f"{where}: member {name!r}: {error}, at byte {file.tell():,}") from error

        tar = None
        while True:
            try:
                if tar is None:
                    tar = tarfile.TarFile(fileobj=cast(BinaryIO, file), tarinfo=header, encoding="utf-8",
                                          errors="surrogateescape")  # fmt: skip
                info = tar.next()
            except Unsafe as error:
                raise Unsafe(f"{where}: {error.what}, at byte {file.tell():,}") from error
            except _TAR_ERRORS as error:
                raise damaged(error) from error
            if info is None:
                break
            cast(Any, tar).members.clear()  # tarfile keeps them all
            self.count(1, where)
            name = contained(info.name, where)
            if info.isdir():
                continue
            if info.type not in tarfile.REGULAR_TYPES or not name:
                raise Unsafe(f"{where}: member {info.name!r} is a {_TAR_KINDS.get(info.type, 'thing unknown')}")
            inner = archive.model_copy(update={"names": (*archive.names, name), "size": info.size})
            with self.layer(body(info, tar, name), inner) as plain:
                yield from self.peel(plain, None, inner)
                _drain(plain)
        while rest := file.read(PLAIN):
            if rest.strip(b"\0"):
                raise Damaged(f"{where}: bytes after its end, before byte {file.tell():,}")

    def _zip(self, stream: BinaryIO, seekable: BinaryIO | None, member: Member) -> Iterator[tuple[Member, BinaryIO]]:
        where = f"{member.path} (zip)"
        if seekable is not None:
            yield from self._open_zip(seekable, member, where, outermost=True)
            return
        if self.spool is None:
            raise ValueError(f"{where}: a zip that cannot be sought in needs somewhere to be staged")
        with closing(self.spool(stream)) as staged:
            yield from self._open_zip(staged, member, where, outermost=not member.wrappings)

    def _open_zip(
        self, stream: BinaryIO, member: Member, where: str, *, outermost: bool
    ) -> Iterator[tuple[Member, BinaryIO]]:
        try:
            archive = zipfile.ZipFile(stream)
        except _ZIP_ERRORS as error:
            raise Damaged(f"{where}: {error}") from error
        with archive:
            infos = archive.infolist()
            if _is_document(infos):
                stream.seek(0)
                yield from self._plain(stream, member)
                return
            inside = self._inside(member, "zip")
            self.count(len(infos), where)
            size = _check_zip(archive, stream, where)
            if outermost:
                self.taken = size
            names = [contained(_zip_name(info), where) for info in infos]
            files = [
                (info, name)
                for info, name in zip(infos, names, strict=True)
                if name and not info.orig_filename.endswith(("/", "\\"))
            ]
            for info, _ in files:
                _check_zip_member(info, where)
            if sum(info.file_size for info, _ in files) > self.bounds.total:
                raise Unsafe(f"{where}: expands to more than {self.bounds.total:,} bytes")
            for info, name in files:
                inner = inside.model_copy(update={"names": (*member.names, name), "size": info.file_size})
                chunks = _zip_member(stream, info, self.bounds.memory, f"{where}: member {name!r}")
                with self.layer(chunks, inner) as plain:
                    yield from self.peel(plain, None, inner)
