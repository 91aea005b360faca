"""Cutting XML at the elements of one name.

In well-formed XML a `<` begins markup wherever it stands, but for comments, CDATA, processing instructions and the
document type, so that row elements are found by their tags alone, and one that is not well-formed spoils no other. All
that stands outside of them is parsed by expat, which tells whether the file is XML and whole.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO
from xml.parsers import expat

import numpy as np

from spark.cutting.plain import Plain
from spark.cutting.records import MAX_RECORD
from spark.cutting.spans import Found, Spans
from spark.errors import Unreadable
from spark.parts import PART, Piece

_TAG_REST = rb"""(?>[^"'>]|"[^"]*"|'[^']*')*+>"""
_OTHER = (
    rb"!--.*?-->|!\[CDATA\[.*?\]\]>|\?.*?\?>"
    rb"""|!DOCTYPE(?=[\s\[>])(?>[^"'\[\]<>]|"[^"]*"|'[^']*')*+"""
    rb"""(?:\[(?><!--.*?-->|<\?.*?\?>|"[^"]*"|'[^']*'|[^"'\]])*+\]\s*+)?>"""
)
_OTHER_BEGUN = rb"!--|!\[CDATA\[|\?|!DOCTYPE(?=[\s\[>])"
_SLASH = ord("/")
_DECLARED = re.compile(rb"""<\?xml\s[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")


def cut_elements(
    stream: BinaryIO, tag: str, size: int = PART, *, encoding: str | None = None, max_record: int = MAX_RECORD
) -> Iterator[Piece]:
    """Cut XML into pieces of whole `tag` elements, at whatever depth; one inside another is its part.

    A `tag` without a prefix is the local name under any prefix. Together the pieces' data, in UTF-8, are the file from
    its first row's start to its last one's end, but for what stands between two rows and is longer than `max_record`. A
    row longer than that is bad. Offsets are the file's, in bytes.

    The encoding is the byte order mark's, `encoding`, or the XML declaration's. Raises `Unreadable` where what stands
    outside rows is not well-formed, declares entities, or the file ends within a row.
    """
    plain = Plain(stream, encoding or _declared, always=True)
    yield from Spans(plain, _Elements(tag), max_record).pieces(size)


def element_spans(data: bytes, tag: str) -> Iterator[tuple[int, int]]:
    """Start and end of each row in a piece's data."""
    scanner = _Elements(tag, outside=False)
    found = scanner.feed(data, final=True)
    yield from zip(found.starts.tolist(), found.ends.tolist(), strict=True)


class _Elements:
    """The scanner; see the module. `outside`: parse what stands outside of rows, too."""

    def __init__(self, tag: str, *, outside: bool = True) -> None:
        prefix = b"" if ":" in tag else rb"(?:[^\s<>/:!?=\"'&;]++:)?+"
        name = prefix + re.escape(tag.encode()) + rb"(?=[\s/>])"
        tags = rb"/" + name + rb"(?P<end>\s*+>)|" + name + rb"(?P<start>" + _TAG_REST + rb")"
        begun = rb"(?P<begun>/?" + name + rb"|" + _OTHER_BEGUN + rb")"
        guard = rb"(?=[!?]|/?+" + name + rb")"  # most markup fails it at once
        self._markup = re.compile(rb"<" + guard + rb"(?:" + tags + rb"|" + _OTHER + rb"|" + begun + rb")", re.DOTALL)
        self._tag = tag
        self._tail = b""
        self._at = 0  # where the tail begins in what was fed
        self._depth = 0
        self._outside = _Outside() if outside else None

    def feed(self, data: bytes, *, final: bool) -> Found:
        """See `Scanner.feed`."""
        text = self._tail + data
        starts, ends, outside = list[int](), list[int](), list[bytes]()
        depth, at, parsed = self._depth, 0, 0
        for token in self._markup.finditer(text):
            kind = token.lastgroup
            if kind == "begun":
                at = token.start()
                break
            at = token.end()
            if kind == "end":
                depth -= 1
                if depth < 0:
                    raise Unreadable(f"</{self._tag}> at byte {self._at + token.start():,} ends no row")
                if depth == 0:
                    ends.append(at)
                    parsed = at
            elif kind == "start":
                if depth == 0:
                    starts.append(token.start())
                    outside.append(text[parsed : token.start()])
                    parsed = at
                if text[at - 2] != _SLASH:
                    depth += 1
                elif depth == 0:
                    ends.append(at)
        else:
            last = text.rfind(b"<", at)
            at = last if last >= 0 and text.find(b">", last) < 0 else len(text)
        self._depth = depth
        at = len(text) if final else at
        if depth and final:
            raise Unreadable(f"the file ends within <{self._tag}>")
        if self._outside and len(text) - at > MAX_RECORD:
            raise Unreadable(f"the markup at byte {self._at + at:,} does not end within {MAX_RECORD:,} bytes")
        if not depth:
            outside.append(text[parsed:at])
        if self._outside:
            self._outside.parse(b"<row/>".join(outside) if depth == 0 else b"<row/>".join([*outside, b""]), final=final)
        found = Found(np.array(starts, np.int64) + self._at, np.array(ends, np.int64) + self._at, self._at + at)
        self._tail, self._at = text[at:], self._at + at
        return found


class _Outside:
    """What stands outside of rows, as expat sees it."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate("utf-8")  # whatever the declaration says: it is recoded
        self._parser.EntityDeclHandler = _refuse_entity

    def parse(self, data: bytes, *, final: bool) -> None:
        try:
            self._parser.Parse(data, final)
        except expat.ExpatError as error:
            what = expat.errors.messages[error.code]
            raise Unreadable(f"what stands outside of rows is not well-formed XML: {what}") from error


def _refuse_entity(*_: object) -> None:
    raise Unreadable("the document type declares entities, which are not expanded")


def _declared(head: bytes) -> str:
    """The encoding that a file without a byte order mark has, by its declaration or how `<` is written."""
    for start, encoding in (
        (b"<\0\0\0", "utf-32-le"),
        (b"\0\0\0<", "utf-32-be"),
        (b"<\0", "utf-16-le"),
        (b"\0<", "utf-16-be"),
    ):
        if head.startswith(start):
            return encoding
    match = _DECLARED.match(head)
    return match[1].decode() if match else "utf-8"
