"""A file's characters as UTF-8 or in a single-byte encoding, so that ASCII bytes are what they seem to be."""

import codecs
from collections.abc import Callable
from functools import cache
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from spark.errors import Unreadable

_BOMS = {  # the longest first, as UTF-32's begins as UTF-16's does
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_WIDE = {"utf-16": 2, "utf-16-le": 2, "utf-16-be": 2, "utf-32": 4, "utf-32-le": 4, "utf-32-be": 4}
_HEAD = 512  # bytes that are looked at for a file in UTF-16 that nobody declared
_CHUNK = 1024 * 1024


def canonical(encoding: str) -> str:
    """Python's name of an encoding. Raises `LookupError` for one that it does not know."""
    name = codecs.lookup(encoding).name
    return "utf-8" if name == "utf-8-sig" else name


@cache
def holds_ascii(encoding: str) -> bool:
    """Whether ASCII bytes are always those characters, so that a file in it can be cut as it is.

    So it is with UTF-8 and single-byte encodings; in Shift JIS a bar may be the second half of a character.
    """
    decode = codecs.lookup(encoding).decode
    try:
        holds = all(decode(bytes([byte]))[0] == chr(byte) for byte in range(128))
        single = all(decode(bytes([byte]) + b"AB", "replace")[0][1:] == "AB" for byte in range(128, 256))
    except UnicodeError:
        return False
    return encoding == "utf-8" or (holds and single)


def is_utf8(data: bytes) -> bool:
    """Whether the bytes are UTF-8."""
    if data.isascii():
        return True
    bounds = pa.array([0, len(data)], pa.int64()).buffers()[1]
    try:  # Arrow takes a thirtieth of the time that Python's decoder does
        pa.Array.from_buffers(pa.large_string(), 1, [None, bounds, pa.py_buffer(data)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


class Plain:
    """A forward-only stream behind its byte order mark, recoded to UTF-8 where ASCII bytes are not what they seem.

    `encoding` is declared, or found by the file's first bytes; a byte order mark goes before UTF-8 and its wide forms.
    `always`: every other encoding is recoded. `recoded` names what the file then is in, else it is None; what cannot
    be decoded becomes bytes that are no UTF-8. `offset` is the length of the byte order mark.

    Raises `Unreadable` for an encoding that Python does not know, for a byte order mark that is another's, and for what
    seems UTF-16 with neither mark nor declaration.
    """

    def __init__(
        self, stream: BinaryIO, encoding: str | Callable[[bytes], str] = "utf-8", *, always: bool = False
    ) -> None:
        self._stream = stream
        self._head = self._read_head()
        try:
            declared = canonical(encoding if isinstance(encoding, str) else encoding(self._head))
        except LookupError as error:
            raise Unreadable(f"the file says that it is in an unknown encoding: {error}") from error
        mark = next((mark for mark in _BOMS if self._head.startswith(mark)), b"")
        unicode = declared == "utf-8" or declared in _WIDE
        if mark and not unicode and mark != codecs.BOM_UTF8:
            raise Unreadable(f"the file begins with the byte order mark of {_BOMS[mark]}, but is to be {declared}")
        self.offset = len(mark)
        self._head = self._head[len(mark) :]
        if mark and (unicode or always):
            declared = _BOMS[mark]
        elif declared in {"utf-16", "utf-32"}:
            declared += "-be" if self._head[:1] == b"\0" else "-le"
        elif declared == "utf-8" and _seems_wide(self._head):
            raise Unreadable("every other byte is NUL, as in UTF-16, but neither mark nor declaration says so")
        as_it_is = declared == "utf-8" or (not always and holds_ascii(declared))
        self.recoded = None if as_it_is else declared
        if self.recoded:
            errors = _KEEP if self.recoded in _WIDE else "surrogateescape"
            self._decoder = codecs.getincrementaldecoder(self.recoded)(errors)
        self._ended = False
        self._pending = b""

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the end of the stream alone."""
        pieces = [self._pending] if self._pending else []
        have = len(self._pending)
        self._pending = b""
        while have < size and not self._ended:
            piece = self._next(size - have)
            pieces.append(piece)
            have += len(piece)
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if have > size:
            data, self._pending = data[:size], data[size:]
        return data

    def original_length(self, data: bytes) -> int:
        """How many bytes of the file whole characters read from here are."""
        if not self.recoded:
            return len(data)
        if width := _WIDE.get(self.recoded):
            bytes_ = np.frombuffer(data, np.uint8)
            characters = int(np.count_nonzero(bytes_ & 0xC0 != 0x80))
            beyond = int(np.count_nonzero(bytes_ >= 0xF0)) if width == 2 else 0  # two units in UTF-16
            return width * (characters + beyond)
        return len(data.decode("utf-8", "surrogatepass").encode(self.recoded, "surrogateescape"))

    def _next(self, wanted: int) -> bytes:
        if self._head:
            data, self._head = self._head, b""
        else:
            data = self._stream.read(min(wanted, _CHUNK))
            self._ended = not data
        if not self.recoded:
            return data
        return self._decoder.decode(data, final=self._ended).encode("utf-8", "surrogatepass")

    def _read_head(self) -> bytes:
        head = b""
        while len(head) < _HEAD and (data := self._stream.read(_HEAD - len(head))):
            head += data
        return head


def _seems_wide(head: bytes) -> bool:
    """Whether text is UTF-16 of ASCII characters."""
    head = head[: len(head) // 2 * 2]
    halves = (head[::2], head[1::2])
    return len(head) >= 8 and any(not half.strip(b"\0") and 0 not in other for half, other in (halves, halves[::-1]))


def _keep(error: UnicodeError) -> tuple[str, int]:
    """Half a pair, or what is no character, as a surrogate: the recoded record is then no UTF-8, and rejected alone."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


_KEEP = "inlet.keep"
codecs.register_error(_KEEP, _keep)
