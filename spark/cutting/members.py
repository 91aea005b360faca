"""Cutting JSON: at the members of one array, at the top or under a path, or between texts that follow each other.

Which bytes stand in strings is told by the parity of the quotes that no backslash escapes, 64 bytes a word; brackets
outside of strings then tell the depth of each comma. Members are not looked into: a reader refuses those that are no
JSON.
"""

import json
import re
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from spark.cutting.bits import Positions, bits_at, escaped, packed, parity, unpacked
from spark.cutting.plain import Plain
from spark.cutting.records import MAX_RECORD
from spark.cutting.spans import Found, Spans
from spark.errors import Unreadable
from spark.parts import PART, Piece

_TOKEN = re.compile(rb"""\s*+("(?>[^"\\]|\\.)*+"|[][{},:]|[^][\s{},:"]++(?=[][\s{},:"]))""", re.DOTALL)
_NONE = np.zeros(0, np.int64)
_BETWEEN = b" \t\r\n\x1e"


def cut_members(
    stream: BinaryIO, path: str = "$", size: int = PART, *, encoding: str = "utf-8", max_record: int = MAX_RECORD
) -> Iterator[Piece]:
    """Cut JSON into pieces of whole members of the array at `path`: `$`, or keys as in `$.results` or `a.b`.

    Together the pieces' data, in UTF-8, are what stands between the array's brackets, but for blanks in front; each but
    the last ends with the comma before the next one's first member. A member longer than `max_record` is bad. Offsets
    are the file's, in bytes.

    Raises `Unreadable` where there is no such array, and where the file ends within its brackets.
    """
    plain = Plain(stream, encoding, always=True)
    yield from Spans(plain, _Members(path), max_record).pieces(size)


def cut_texts(
    stream: BinaryIO, size: int = PART, *, encoding: str = "utf-8", max_record: int = MAX_RECORD
) -> Iterator[Piece]:
    """Cut objects and arrays that follow each other, however they are broken into lines, into pieces of whole ones.

    Between them stand blanks, or the record separators of JSON text sequences (RFC 7464). The pieces' data are UTF-8,
    from the first one's start to the last one's end; offsets are the file's. One longer than `max_record` is bad.

    Raises `Unreadable` where something else stands between them, and where the file ends within one.
    """
    plain = Plain(stream, encoding, always=True)
    yield from Spans(plain, _Texts(), max_record).pieces(size)


def member_spans(data: bytes) -> tuple[Positions, Positions]:
    """Start and end of each member in a piece's data, commas left out; of none behind a comma at the very end."""
    brackets = _Brackets()
    marks, depth = brackets.scan(data)
    bytes_ = np.frombuffer(data, np.uint8)
    ends = marks[(depth == 0) & (bytes_[marks] == ord(","))]
    starts = np.append(0, ends + 1)
    if data[int(starts[-1]) :].strip():
        return starts, np.append(ends, len(data))
    return starts[:-1], ends


def text_spans(data: bytes) -> tuple[Positions, Positions]:
    """Start and end of each text in a piece's data. Raises `Unreadable` as `cut_texts` does."""
    found = _Texts().feed(data, final=True)
    return found.starts, found.ends


class _Brackets:
    """Brackets and commas outside of strings, in what is read block by block. Both kinds of brackets are alike here."""

    def __init__(self) -> None:
        self.depth = 0  # brackets that are open
        self._quoted = self._escaping = False

    def scan(self, block: bytes) -> tuple[Positions, Positions]:
        """Where they are in the next block, and the depth behind each."""
        bytes_ = np.frombuffer(block, np.uint8)
        if not len(bytes_):
            return _NONE, _NONE
        quotes = bytes_ == ord('"')
        if self._escaping or b"\\" in block:
            is_escaped, self._escaping = escaped(bytes_, ord("\\"), first=self._escaping)
            quotes &= ~is_escaped
        inside = parity(packed(quotes), before=self._quoted)
        self._quoted = bool(bits_at(inside, np.array([len(bytes_) - 1]))[0])
        folded = bytes_ | 0x20  # both kinds of brackets are alike: their order is the reader's to check
        opening, closing = folded == ord("{"), folded == ord("}")
        marks = np.flatnonzero((opening | closing | (bytes_ == ord(","))) & ~unpacked(inside, len(bytes_)))
        depth = self.depth + np.cumsum(opening[marks].astype(np.int64) - closing[marks])
        if len(marks):
            self.depth = int(depth[-1])
        return marks, depth


class _Texts:
    """The scanner of texts that follow each other."""

    def __init__(self) -> None:
        self._brackets = _Brackets()
        self._at = 0  # what was fed

    def feed(self, data: bytes, *, final: bool) -> Found:
        """See `Scanner.feed`."""
        bytes_ = np.frombuffer(data, np.uint8)
        before = self._brackets.depth
        marks, depth = self._brackets.scan(data)
        brackets = bytes_[marks] != ord(",")
        marks, depth = marks[brackets], depth[brackets]
        previous = np.append(before, depth[:-1])[: len(depth)]
        starts, ends = marks[(previous == 0) & (depth == 1)], marks[(previous == 1) & (depth == 0)] + 1
        froms, tos = (ends, starts) if before else (np.append(0, ends), starts)
        tos = np.append(tos, len(data))[: len(froms)]
        if (depth < 0).any() or any(
            data[a:b].strip(_BETWEEN) for a, b in zip(froms.tolist(), tos.tolist(), strict=True)
        ):
            raise Unreadable("something that is neither object nor array stands between them")
        if final and self._brackets.depth:
            raise Unreadable("the file ends within its brackets")
        self._at += len(data)
        settled = self._at if not len(starts) and not self._brackets.depth else self._at - len(data)
        return Found(starts + self._at - len(data), ends + self._at - len(data), settled)


class _Members:
    """The scanner: looks for the array token by token, then for its members by blocks."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._keys = [key for key in path.removeprefix("$").split(".") if key]
        self._tail = b""
        self._at = 0  # where the tail begins in what was fed
        self._brackets = _Brackets()
        self._level = 0  # those of objects that lead to the array
        self._is_key = False  # whether a string that comes next, in the innermost of these, is a key
        self._leads = True  # whether the value that comes next leads to the array, or is it
        self._state = "sought"

    def feed(self, data: bytes, *, final: bool) -> Found:
        """See `Scanner.feed`."""
        text = self._tail + data
        at = 0
        starts, ends = _NONE, _NONE
        if self._state == "sought":
            at = self._seek(text)
        if self._state == "found":
            at += len(text) - at - len(text[at:].lstrip())
            if at < len(text):
                self._state = "empty" if text[at : at + 1] == b"]" else "open"
                starts = np.array([at][: self._state == "open"], np.int64)
        if self._state in {"open", "empty", "closed"}:
            more, ends = self._scan(text, at)
            starts, at = np.append(starts, more), len(text)
        if final and (self._state in {"sought", "found"} or self._brackets.depth):
            raise self._missing() if self._state == "sought" else Unreadable("the file ends within its brackets")
        if len(text) - at > MAX_RECORD:
            raise Unreadable(f"a value before {self._path} is longer than {MAX_RECORD:,} bytes")
        found = Found(starts + self._at, ends + self._at, self._at + at)
        self._tail, self._at = text[at:], self._at + at
        return found

    def _seek(self, text: bytes) -> int:
        """Pass over tokens up to behind the array's bracket, as far as they are read."""
        at = 0
        while self._state == "sought" and (token := _TOKEN.match(text, at)):
            at = token.end()
            self._see(token[1])
        return at

    def _see(self, token: bytes) -> None:
        """Take in one token of what stands before the array."""
        if token in b"[{":
            if self._leads:
                arrived = self._level == len(self._keys)
                if arrived != (token == b"["):
                    raise self._missing()
                self._leads, self._is_key = False, True
                self._level += 1
                if arrived:
                    self._state = "found"
            self._brackets.depth += 1
        elif token in b"]}":
            self._brackets.depth -= 1
            if self._brackets.depth < self._level:
                raise self._missing()
        elif self._leads and token != b":":
            raise self._missing()
        elif self._brackets.depth == self._level and token == b",":
            self._is_key = True
        elif self._brackets.depth == self._level and self._is_key:
            self._is_key = False
            self._leads = _text(token) == self._keys[self._level - 1]

    def _scan(self, text: bytes, first: int) -> tuple[Positions, Positions]:
        """Starts and ends of members, their commas with them, in what stands behind the array's bracket."""
        bytes_ = np.frombuffer(text, np.uint8)[first:]
        if self._state == "closed" and not self._brackets.depth and text.strip():
            raise Unreadable("something stands behind the end of the JSON text")
        marks, depth = self._brackets.scan(text[first:])
        over = np.flatnonzero(depth < self._level)[:1] if self._state != "closed" else _NONE
        members = slice(0, int(over[0]) if len(over) else len(marks))
        commas = marks[members][(depth[members] == self._level) & (bytes_[marks[members]] == ord(","))] + first + 1
        if self._state == "closed":
            commas = commas[:0]
        starts = ends = commas
        if len(over):
            if self._state == "open":
                ends = np.append(ends, marks[over] + first)
            self._state = "closed"
        whole = np.flatnonzero(depth <= 0)[:1]
        if len(whole) and text[first + int(marks[whole[0]]) + 1 :].strip():
            raise Unreadable("something stands behind the end of the JSON text")
        return starts, ends

    def _missing(self) -> Unreadable:
        return Unreadable(f"there is no array at {self._path}")


def _text(token: bytes) -> str | None:
    """The string that a token is."""
    try:
        return str(json.loads(token)) if token.startswith(b'"') else None
    except ValueError:
        return None
