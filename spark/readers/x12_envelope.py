"""The envelope of X12: separators, and where a stream of interchanges may be cut.

An interchange is ISA (TA1)* (GS (ST … SE)* GE)* IEA. ISA is 106 bytes long and declares the separators by the places
where they stand: element 4, repetition 83 (from version 00402 on), component 105, segment 106. Each of the trailers
counts what its header opened, itself among the segments of SE, and repeats its control number. Fact: ASC X12.5,
"Interchange Control Structures", and X12.6, "Application Control Structure".
"""

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from spark.errors import Damaged, DataError, Miscounted, UnknownFormat, Unreadable
from spark.parts import Piece

ISA = 106
"""Bytes of an ISA segment, its separators among them."""

_READ = 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_BLANK = re.compile(rb"[\s\0\x1a]*")
_IN_PLACE = (3, 6, 17, 20, 31, 34, 50, 53, 69, 76, 81, 83, 89, 99, 101, 103)  # where an ISA's elements begin
_TRAILERS = {b"SE": b"ST", b"GE": b"GS", b"IEA": b"ISA"}
_WITHIN = {b"ISA": None, b"TA1": b"ISA", b"GS": b"ISA", b"ST": b"GS"}
_KNOWN = {
    "999": "an implementation acknowledgment",
    "997": "a functional acknowledgment",
    "277": "a claim acknowledgment or status response",
    "276": "a claim status request",
    "270": "an eligibility inquiry",
    "271": "an eligibility response",
    "278": "a services review",
    "820": "a premium payment",
    "834": "an enrollment",
}


LENIENT = "; X12(counts=False) takes all that came"
"""What may be done where a party counts wrong by habit."""

SEGMENTS = "segments"
"""The kind whose records are the segments of any transaction set."""


class Separators(NamedTuple):
    """What ends a segment, an element, a component, and parts an element's repetitions ("" where nothing does)."""

    segment: str
    element: str
    component: str
    repetition: str


class Roles(NamedTuple):
    """Which segment begins a level above claims, a claim, a service line, and what is behind all claims."""

    level: str
    claim: str
    line: str
    behind: str | None


ROLES = {"837": Roles("HL", "CLM", "LX", None), "835": Roles("LX", "CLP", "SVC", "PLB")}
"""By transaction set."""


def separators(data: bytes, at: int) -> Separators:
    """As declared by the ISA segment that begins at a byte of `data`. Raises `Unreadable`, `Damaged`."""
    isa = data[at : at + ISA]
    if not isa.startswith(b"ISA"):
        raise Unreadable(_instead(isa))
    element, segment = isa[3:4], isa[105:106]
    if len(isa) < ISA or any(isa[place : place + 1] != element for place in _IN_PLACE):
        raise Damaged(f"an ISA segment is not {ISA} bytes long, or its elements do not stand in their places")
    try:
        component, repetition = isa[104:105].decode("ascii"), isa[82:83].decode("ascii")
        found = Separators(segment.decode("ascii"), element.decode("ascii"), component, repetition)
    except UnicodeDecodeError as error:
        raise Damaged("an ISA segment declares separators that are not ASCII") from error
    if repetition.isalnum() or repetition.isspace():  # before 00402 it is the standard's identifier, `U`
        found = found._replace(repetition="")
    declared = [separator for separator in found if separator]
    if len(set(declared)) < len(declared) or any(separator.isalnum() for separator in declared):
        raise Damaged("an ISA segment declares letters, digits or one character twice as separators")
    return found


def first_set(head: bytes) -> str | None:
    """The first transaction's set, such as 834, by a file's beginning; None where nothing says so."""
    at = blank(head, 0)
    try:
        split = separators(head, at)
    except DataError:
        return None
    found = re.search(
        re.escape(split.segment.encode()) + rb"\s*ST" + re.escape(split.element.encode()) + rb"(\d{3})\b", head
    )
    return found[1].decode() if found else None


def blank(data: bytes, at: int) -> int:
    """Where a byte order mark, white space and what old systems end files by end that begin at a byte of `data`."""
    at += len(_BOM) if data.startswith(_BOM, at) else 0
    found = _BLANK.match(data, at)
    return found.end() if found else at


class Cutter:
    """Cuts interchanges behind transactions, checks their envelopes and counts their records.

    A record is a service line, a claim that has none, or a transaction that has no claim; of the kind `SEGMENTS` each
    segment from ST to SE. The count goes by the segments' names alone.
    """

    def __init__(self, stream: BinaryIO, size: int, *, kind: str | None, counts: bool, limit: int) -> None:
        self._stream, self._size, self._kind, self._counts, self._limit = stream, size, kind, counts, limit
        self._left = b""  # read, and not looked at
        self._at = 0  # where that begins in the file
        self._piece: list[bytes] = []
        self._length = self._records = self._begun_at = 0
        self._first = 1
        self._open: dict[bytes, bytes] = {}  # the segments that opened what is open, the outermost first
        self._inside: dict[bytes, int] = {}  # how many of the next smaller ones each of them has had
        self._claims = self._lines = self._segments = 0  # of the open transaction
        self._is_open = False
        self._since = 0  # where the open transaction begins

    def pieces(self) -> Iterator[Piece]:
        """Pieces of about `size` bytes; see `X12.cut`."""
        begun = acknowledged = False
        while self._next_interchange():
            for name, segment, end in self._marks():
                acknowledged |= name == b"TA1"
                self._take(name, segment, end)
                if name == b"SE" and self._length >= self._size:
                    yield self._cut()
                    begun = True
        if acknowledged and not begun and not self._records:
            raise UnknownFormat("an interchange acknowledgment (TA1), while this reader is for 837 and 835")
        if self._length or not begun:
            yield self._cut()

    def _next_interchange(self) -> bool:
        """Whether there is one more; then what is left begins with its ISA segment."""
        while (start := blank(self._left, 0)) == len(self._left) or len(self._left) - start < ISA:
            data = self._stream.read(_READ)
            if not data:
                break
            self._left += data
        if self._length:
            self._keep(self._left[:start])
        else:
            self._at += start
            self._begun_at = self._at
        self._left = self._left[start:]
        if not self._left:
            return False
        self._separators = separators(self._left, 0)
        segment, element = (re.escape(c.encode()) for c in self._separators[:2])
        names = rb"(ISA|TA1|GS|ST|SE|GE|IEA|HL|CLM|LX|CLP|SVC|PLB)" + element
        if self._kind == SEGMENTS:
            names = rb"(?=[^\s" + segment + rb"])([^" + segment + element + rb"]*+)"
        self._mark = re.compile(segment + rb"\s*+" + names + rb"[^" + segment + rb"]*")
        return True

    def _marks(self) -> Iterator[tuple[bytes, bytes, int]]:
        """Segments of the interchange whose names matter: name, text, and where it ends in the file.

        When one is yielded behind which a piece may end, all before its end is kept for the piece.
        """
        end = self._separators.segment.encode()
        while True:
            whole = self._left.rfind(end) + 1
            looked, self._left = self._left[:whole], self._left[whole:]
            kept, begun_at = 0, self._at
            for found in self._mark.finditer(end + looked[:-1]) if looked else ():
                stop = found.end()  # one byte on in what is looked at: the terminator is within
                if found[1] in (b"SE", b"IEA"):
                    self._keep(looked[kept:stop])
                    kept = stop
                yield found[1], found[0][1:].lstrip(), begun_at + stop
                if found[1] == b"IEA":
                    self._left = looked[stop:] + self._left
                    return
            self._keep(looked[kept:])
            if not (data := self._stream.read(_READ)):
                inside = list(self._open)[-1].decode() if self._open else "ISA"
                raise Damaged(f"the file ends within what {inside} opens, at byte {self._at + len(self._left):,}")
            self._left += data
            since = self._since if b"ST" in self._open else self._at
            if self._at + len(self._left) - since > self._limit:
                raise Unreadable(f"what is open at byte {since:,} is longer than {self._limit:,} bytes, the limit")

    def _keep(self, data: bytes) -> None:
        if data:
            self._piece.append(data)
            self._length += len(data)
            self._at += len(data)

    def _take(self, name: bytes, segment: bytes, end: int) -> None:
        """Check a segment's place in the envelope, and count."""
        if name in _WITHIN:
            self._opens(name, segment, end)
        elif name in _TRAILERS:
            self._closes(name, segment, end)
        elif next(reversed(self._open), None) == b"ST":
            self._count(name.decode())
        else:
            raise self._misplaced(name, end)

    def _opens(self, name: bytes, segment: bytes, end: int) -> None:
        around = next(reversed(self._open), None)
        if around != _WITHIN[name]:
            raise self._misplaced(name, end)
        if name == b"TA1":
            return
        if around:
            self._inside[around] += 1
        self._open[name], self._inside[name] = segment, 0
        if name == b"ST":
            self._since = end - len(segment) - 1
            found = self._element(segment, 1)
            if self._kind != SEGMENTS:
                if found != (self._kind or found) or found not in ROLES:
                    about = f", {_KNOWN[found]}," if found in _KNOWN else ""
                    named = found in _KNOWN or found in ROLES
                    what = f"transaction set {found}{about}" if named else "an unknown transaction set"
                    at = f"{what} at byte {self._since:,}, where {self._wanted} belongs"
                    raise UnknownFormat(f"{at}; X12(kind='{SEGMENTS}') takes any, a row a segment")
                self._kind = found
            self._claims = self._lines = self._segments = 0
            self._is_open = False

    def _closes(self, name: bytes, segment: bytes, end: int) -> None:
        opener = _TRAILERS[name]
        if next(reversed(self._open), None) != opener:
            raise self._misplaced(name, end)
        place = {b"SE": 2, b"GE": 6, b"IEA": 13}[name]
        if self._element(segment, 2) != self._element(self._open[opener], place):
            raise Damaged(f"{name.decode()} at byte {end:,} has another control number than its {opener.decode()}")
        if name == b"SE":
            self._close_claim()
            self._records += self._segments + 2 if self._kind == SEGMENTS else not self._claims
        elif self._counts and self._element(segment, 1).strip().lstrip("0") != str(self._inside[opener] or ""):
            has, says = self._inside[opener], counted(self._element(segment, 1))
            raise Miscounted(f"{name.decode()}01 at byte {end:,} counts {says}, but {has} came{LENIENT}")
        del self._open[opener]

    def _count(self, name: str) -> None:
        if self._kind == SEGMENTS:
            self._segments += 1
            return
        roles = ROLES[self._kind or "837"]
        if name in (roles.level, roles.behind):
            self._close_claim()
        elif name == roles.claim:
            self._close_claim()
            self._claims += 1
            self._is_open = True
        elif name == roles.line and self._is_open:
            self._lines += 1
            self._records += 1

    def _close_claim(self) -> None:
        if self._is_open and not self._lines:
            self._records += 1
        self._is_open, self._lines = False, 0

    def _cut(self) -> Piece:
        data = b"".join(self._piece)
        piece = Piece(data=data, offset=self._begun_at, first_record=self._first, records=self._records)
        self._first += self._records
        end = self._separators.segment.encode() if self._open else b""
        self._piece = [segment + end for segment in self._open.values()]  # a copy, which counts for nothing
        self._length = self._records = 0
        self._begun_at = self._at
        return piece

    def _element(self, segment: bytes, number: int) -> str:
        elements = segment.split(self._separators.element.encode())
        return elements[number].decode("ascii", "replace") if number < len(elements) else ""

    @property
    def _wanted(self) -> str:
        return self._kind or " or ".join(ROLES)

    def _misplaced(self, name: bytes, end: int) -> Damaged:
        around = next(reversed(self._open), b"").decode()
        where = f"in what {around} opened" if around else "outside of every interchange"
        return Damaged(f"{name.decode()} stands {where}, at byte {end:,}")


def counted(text: str | None) -> str:
    """A count as a message may show it: what is none may be any value."""
    return text if text and len(text) <= 10 and text.isdecimal() else "no number"


def _instead(data: bytes) -> str:
    """What a file is that does not begin with ISA."""
    if not data:
        return "no X12: the file is empty"
    if data[:3].upper() == b"ISA":
        return "its ISA segment is not in capitals"
    if data[:2] in (b"GS", b"ST"):
        return f"it begins with {data[:2].decode()}: its ISA segment, which declares the separators, is missing"
    if data[:3] in (b"UNA", b"UNB"):
        return "it is EDIFACT, not X12"
    return "no X12: no ISA segment stands where an interchange would begin"
