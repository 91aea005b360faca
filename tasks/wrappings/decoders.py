"""Decoders of compressed streams. Each makes at most some 64 MiB at a time, whatever the ratio; most make 1 MiB."""

import io
import lzma
from bz2 import BZ2Decompressor
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol, cast

import cramjam
import lz4.block  # type: ignore[import-untyped]
import lz4.frame  # type: ignore[import-untyped]
import zstandard
from inflate64 import Inflater
from isal import igzip_lib

from spark.errors import Damaged, Unsafe
from tasks.wrappings.child import piped
from tasks.wrappings.magic import HEAD, SKIPPABLE, sniff
from tasks.wrappings.streams import CHUNK, PLAIN, read


class Decoder(Protocol):
    """One gzip member, bzip2 stream, xz stream, zstd or lz4 frame: the interface of `bz2.BZ2Decompressor`."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """At most `max_length` bytes, or little more, of what `data` and what was held back decode to."""
        ...

    @property
    def eof(self) -> bool:
        """Whether its end was seen."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether nothing is held back."""
        ...

    @property
    def unused_data(self) -> bytes | None:
        """What followed its end."""
        ...


class _Sliced:
    """A decoder that knows no `max_length`, fed so little at a time that it cannot make much."""

    def __init__(self, decode: Callable[[bytes], bytes], size: int) -> None:
        self._decode, self._size = decode, size
        self._data = b""
        self._at = 0

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        if data:
            self._data, self._at = data, 0
        made: list[bytes] = []
        length = 0
        while self._at < len(self._data) and length < max_length and not self.eof:
            made.append(self._decode(self._data[self._at : self._at + self._size]))
            self._at += self._size
            length += len(made[-1])
        return made[0] if len(made) == 1 else b"".join(made)

    @property
    def eof(self) -> bool:
        raise NotImplementedError

    @property
    def needs_input(self) -> bool:
        return not self.eof and self._at >= len(self._data)

    @property
    def unused_data(self) -> bytes:
        return self._data[self._at :]


class _Zstd(_Sliced):
    """A zstd frame. zstandard's stream reader takes a frame that is cut off for the end of the file.

    A block of 4 bytes may stand for 128 KiB (RFC 8878, 3.1.1.2), so that a slice of 2 KiB makes at most 64 MiB; 4 KiB
    or 128 KiB are no faster.
    """

    def __init__(self, memory: int) -> None:
        self._frame = zstandard.ZstdDecompressor(max_window_size=memory).decompressobj()
        super().__init__(self._frame.decompress, 2048)

    @property
    def eof(self) -> bool:
        return self._frame.eof

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data + super().unused_data


class _Deflate64(_Sliced):
    """deflate64: 18 bits may stand for 65,538 bytes (a length code with 16 extra bits), so that 512 bytes make
    15 MiB."""

    def __init__(self) -> None:
        self._inflater = Inflater()
        super().__init__(self._inflater.inflate, 512)

    @property
    def eof(self) -> bool:
        return bool(self._inflater.eof)


_DECODERS: dict[str, Callable[[int], Decoder]] = {
    "gzip": lambda memory: cast(Decoder, igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)),
    "deflate": lambda memory: cast(Decoder, igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE)),
    "deflate64": lambda memory: _Deflate64(),
    "bzip2": lambda memory: BZ2Decompressor(),
    "xz": lambda memory: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=memory),
    "lzma": lambda memory: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=memory),
    "zstd": _Zstd,
    "lz4": lambda memory: cast(Decoder, lz4.frame.LZ4FrameDecompressor()),
}

_DECODE_ERRORS: tuple[type[Exception], ...] = (
    cast(type[Exception], igzip_lib.IsalError),  # its stub takes it for an instance
    lzma.LZMAError,
    zstandard.ZstdError,
    RuntimeError,  # lz4
    OSError,
    ValueError,
    EOFError,
)


def decompressed(stream: BinaryIO, kind: str, memory: int, where: str) -> Iterator[bytes]:
    """The plaintext of a compressed stream of any kind, `stream` a `BufferedReader`.

    `memory` bounds a window in bytes. Raises `Damaged`, `Unsafe` and what `stream` raises.
    """
    if kind == "compress":
        return piped(stream, where, "compress")
    if kind == "snappy":
        return _snappy(stream, where)
    if kind == "lz4" and cast(io.BufferedReader, stream).peek(4)[:4] == _LZ4_LEGACY:
        return _lz4_legacy(stream, where)
    return frames(stream, kind, memory, where)


def frames(stream: BinaryIO, kind: str, memory: int, where: str) -> Iterator[bytes]:
    """All frames of a stream. Zeros after a frame are padding."""
    return decoded(stream, lambda: _DECODERS[kind](memory), where, memory=memory, again=kind)


def single(stream: BinaryIO, kind: str, memory: int, where: str) -> Iterator[bytes]:
    """The first frame of a stream, whatever follows."""
    return decoded(stream, lambda: _DECODERS[kind](memory), where, memory=memory)


def decoded(
    stream: BinaryIO, make: Callable[[], Decoder], where: str, *, memory: int, again: str | None = None
) -> Iterator[bytes]:
    """Decode one frame, or all of kind `again`; `memory` is what the errors say of the window's bound."""
    decoder = make()
    taken = 0  # bytes of the wrapping read so far

    def more() -> bytes:
        nonlocal taken
        data = stream.read(CHUNK)
        taken += len(data)
        return data

    data = more()
    while True:
        try:
            plain = decoder.decompress(data, PLAIN)
        except _DECODE_ERRORS as error:
            if "emory" in str(error):  # lzma: "Memory usage limit exceeded", zstd: "requires too much memory"
                raise Unsafe(f"{where}: its window needs more memory than the bound of {memory:,} bytes") from error
            raise Damaged(f"{where}: {error}, before byte {taken:,}") from error
        if plain:
            yield plain
        if not decoder.eof:
            data = more() if decoder.needs_input else b""
            if decoder.needs_input and not data:
                raise Damaged(f"{where}: cut off at byte {taken:,}")
            continue
        if again is None:
            return
        data = (decoder.unused_data or b"").lstrip(b"\0")
        # ISA-L wants a gzip header with a checksum in one piece, hence not only a few bytes.
        while len(data) < HEAD and (added := more()):
            data = (data + added).lstrip(b"\0")
        if not data:
            return
        skippable = again in ("zstd", "lz4") and SKIPPABLE.match(data)
        if again == "lzma" or not (skippable or sniff(data) == again):
            raise Damaged(
                f"{where}: {len(data):,} bytes or more that are no {again} after its end, at byte {taken - len(data):,}"
            )
        decoder = make()


# Frames of blocks behind their lengths, which need no decoder with a state ----------------------------

_LZ4_LEGACY = b"\x02\x21\x4c\x18"
_LZ4_BLOCK = 8 << 20  # bytes that one block makes at most (lz4_Frame_format.md, "Legacy frame")
_LZ4_BOUND = _LZ4_BLOCK + _LZ4_BLOCK // 255 + 16  # bytes that such a block takes at most: LZ4_COMPRESSBOUND


def _lz4_legacy(stream: BinaryIO, where: str) -> Iterator[bytes]:
    """The frame of `lz4 -l`, which has neither checksum nor end mark."""
    at = 0
    while head := read(stream, 4):
        at += len(head)
        if head == _LZ4_LEGACY:  # the first, or files joined
            continue
        size = int.from_bytes(head, "little")
        if size > _LZ4_BOUND:
            raise Damaged(f"{where}: no block at byte {at - 4:,}")
        block = read(stream, size)
        at += len(block)
        if len(head) < 4 or len(block) < size:
            raise Damaged(f"{where}: cut off at byte {at:,}")
        try:
            yield lz4.block.decompress(block, uncompressed_size=_LZ4_BLOCK)
        except lz4.block.LZ4BlockError as error:
            raise Damaged(f"{where}: {error}, in the block before byte {at:,}") from error


_SNAPPY_START = b"\xff\x06\x00\x00sNaPpY"
_SNAPPY_BLOCK = 76_490 + 4  # bytes that 64 KiB take at most (snappy's MaxCompressedLength), behind a CRC-32C


def _snappy(stream: BinaryIO, where: str) -> Iterator[bytes]:
    """Framed snappy (framing_format.txt): chunks of at most 64 KiB of plaintext, each with its CRC-32C, no end mark.

    cramjam checks the CRC; it is given one chunk at a time, so that what comes out is bounded.
    """
    at = 0
    while head := read(stream, 4):
        kind, size = head[0], int.from_bytes(head[1:], "little")
        if 0x02 <= kind <= 0x7F or (kind <= 0x01 and size > _SNAPPY_BLOCK):
            raise Damaged(f"{where}: no chunk at byte {at:,}")
        body = read(stream, size)
        at += len(head) + len(body)
        if len(head) < 4 or len(body) < size:
            raise Damaged(f"{where}: cut off at byte {at:,}")
        if kind == 0xFF and head + body != _SNAPPY_START:
            raise Damaged(f"{where}: no snappy after its end, before byte {at:,}")
        if kind <= 0x01:
            try:
                yield bytes(cramjam.snappy.decompress(_SNAPPY_START + head + body))
            except cramjam.DecompressionError as error:
                raise Damaged(f"{where}: {error}, in the chunk before byte {at:,}") from error
