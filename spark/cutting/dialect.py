"""Where delimited records end, by the rules of Arrow's CSV parser.

A quote opens only at the start of a field; inside quotes a doubled quote is one; behind the closing quote everything is
literal up to the next delimiter or line end, and so is a quote within an unquoted field. Seen as a function of one bit,
"inside quotes or not", a run of n adjacent quotes changes nothing where n is even; where n is odd it toggles the bit at
the start of a field, and elsewhere it always leads outside. So the bit is the parity of toggles since the last such
closing run, which numpy tells for a whole block at once.

More than blanks behind a closing quote is a quote that was not doubled, or one too many: what then is a field is a
guess, although the number of fields may be right. Such closing quotes are told, as strays.

Where quotes are dense, most fields are quoted and hardly any quote is stray, the parity is computed 64 bytes a word, as
simdjson does (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", 2019, section 3.1), and is proved right by
every opening quote standing at the start of a field.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from spark.cutting.bits import (
    ONE,
    TOP,
    Bytes,
    Flags,
    Positions,
    Words,
    bits_at,
    bits_before,
    equal,
    escaped,
    lowest,
    next_bits,
    packed,
    parity,
    positions,
)

LineEnd = Literal["any", "lf", "crlf", "cr"]
"""What ends a line: `any` of LF, CRLF and CR; `lf`: LF or CRLF; `crlf` or `cr`: that alone. The rest is data."""

_BLANK, _LF, _CR = 32, 10, 13
_DENSE = 64
"""Quotes are dense where more than one byte in so many is one; then words of bits are faster than positions."""

_FEW = 100
"""Stretches of literal quotes in a block that are taken out singly."""

_NONE: Positions = np.zeros(0, np.int64)

_ENDS = {"any": rb"\r\n|\n|\r", "lf": rb"\r?\n", "crlf": rb"\r\n", "cr": rb"\r"}


class Ends(NamedTuple):
    """Where records end in a block: one past each of their line ends; and which are records, not blank or comments.

    `quoted`: the block ends within quotes. `strays` are closing quotes with more than blanks behind them.
    """

    ends: Positions
    filled: Flags
    quoted: bool
    strays: Positions = _NONE

    @property
    def records(self) -> int:
        """Number of records: lines that are neither blank nor comments."""
        return int(np.count_nonzero(self.filled))

    @property
    def stray(self) -> Flags:
        """Which of the records hold a stray quote."""
        flags = np.zeros(len(self.ends) + 1, bool)  # the last for what has no end here
        flags[np.searchsorted(self.ends, self.strays, "right")] = True
        return flags[:-1]


class Field(NamedTuple):
    """One field of a record, its quotes and escapes taken off."""

    value: bytes
    quoted: bool


@dataclass(frozen=True)
class Dialect:
    """How records are told apart; all of it in bytes as they stand in the file. Without a quote lines are records."""

    delimiter: bytes = b","
    quote: bytes | None = b'"'
    escape: bytes | None = None
    comment: bytes | None = None
    line_end: LineEnd = "any"

    def ends(self, block: bytes | bytearray, *, final: bool = False) -> Ends:
        """Find the ends of records in a block that begins with a record; `final`: the end of the block is one too.

        Without `final` a CR at the very end is not taken for a line end, as an LF may follow.
        """
        plain = self.comment is None or self.comment not in block
        found = self._ends(block, final) if plain else self._ends_among_comments(block, final)
        if not final or found.quoted or not len(block) or (len(found.ends) and found.ends[-1] == len(block)):
            return found
        start = int(found.ends[-1]) if len(found.ends) else 0
        filled = bool(self.bare(bytes(block[start : start + 3]))) and not (
            self.comment and block.startswith(self.comment, start)
        )
        return Ends(np.append(found.ends, len(block)), np.append(found.filled, filled), False, found.strays)

    def lines(self, block: bytes) -> Iterator[tuple[int, int]]:
        """Start and end of each line that ends in the block, whatever stands in quotes."""
        start = 0
        for match in self._line_end.finditer(block):
            yield start, match.end()
            start = match.end()

    def bare(self, record: bytes) -> bytes:
        """The record without its line end."""
        match = self._last_line_end.search(record)
        if match is None:
            return record
        bare = record[: match.start()]
        if self.escape and (len(bare) - len(bare.rstrip(self.escape))) % 2:
            lf_ends = len(match[0]) == 2 and self.line_end != "crlf"
            return record[:-1] if lf_ends else record  # it is escaped
        return bare

    def split(self, record: bytes) -> list[Field] | None:
        """The fields of one record, None where it ends within quotes. Slow: for single records."""
        text = self.bare(record)
        fields: list[Field] = []
        at = 0
        while True:
            match = self._field.match(text, at)
            if match is None:
                return None
            inside, outside = match["inside"], match["outside"]
            value = _unescaped(outside, self._escaped)
            if inside is not None:
                value = _unescaped(inside, self._escaped_or_doubled) + value
            fields.append(Field(value, inside is not None))
            at = match.end()
            if at == len(text):
                return fields
            at += len(self.delimiter)

    def _ends(self, block: bytes | bytearray, final: bool) -> Ends:
        bytes_ = np.frombuffer(block, np.uint8)
        escapes = self.escape is not None and self.escape in block
        not_escaped = ~packed(escaped(bytes_, ord(self.escape or b"\0"))[0]) if escapes else None
        newlines = self._newlines(bytes_, block, final)
        if not_escaped is not None:
            newlines &= not_escaped
            if self.line_end == "crlf":
                newlines &= next_bits(not_escaped)
        quoted, strays = False, _NONE
        if self.quote and self.quote in block:
            quotes = equal(bytes_, ord(self.quote))
            if not_escaped is not None:
                quotes &= not_escaped
            ends, quoted, strays = self._outside(block, quotes, newlines, not_escaped)
        else:
            ends = positions(newlines)
        ends += 1
        return Ends(ends, ~_blank(bytes_, ends), quoted, strays)

    def _outside(
        self, block: bytes | bytearray, quotes: Words, newlines: Words, not_escaped: Words | None
    ) -> tuple[Positions, bool, Positions]:
        """Which newlines stand outside quotes, whether the block's end is inside, and which quotes are strays."""
        dense = int(np.bitwise_count(quotes).sum()) * _DENSE > len(block)
        one_byte = len(self.delimiter) == 1
        bytes_ = np.frombuffer(block, np.uint8)
        behind = begins = None  # what a field may start behind, and where what is behind it begins; for few of them
        if dense or not one_byte or not_escaped is not None:  # single bytes tell it
            behind = equal(bytes_, ord(self.delimiter)) if one_byte else packed(self.delimiters(block))
            begins = behind.copy()
            for _ in range(len(self.delimiter) - 1):
                begins = bits_before(begins)
            begins |= equal(bytes_, _LF) | equal(bytes_, _CR)
            if not_escaped is not None:
                behind &= not_escaped
            behind |= newlines
        if dense and behind is not None and begins is not None:
            found = _inside_by_words(quotes, behind)
            if found is not None:
                inside, used = found
                last = np.uint64((len(block) - 1) % 64)
                closing = positions(used & ~inside & ~bits_before(begins | quotes))
                strays = self._with_text_behind(bytes_, closing, begins)
                return positions(newlines & ~inside), bool(inside[-1] >> last & ONE), strays

        def is_behind(at: Positions) -> Flags:
            if behind is not None:
                return bits_at(behind, at)
            delimits: Flags = bytes_[at] == ord(self.delimiter)
            return delimits | bits_at(newlines, at)

        at = positions(newlines)
        is_inside, quoted, closing = _inside_by_runs(quotes, is_behind, at)
        return at[~is_inside], quoted, self._with_text_behind(bytes_, closing, begins)

    def _with_text_behind(self, bytes_: Bytes, closing: Positions, begins: Words | None) -> Positions:
        """Behind which of these quotes there is more than blanks before the field's end, or the block's."""
        strays = []
        at = closing + 1
        while len(at):
            closing, at = closing[at < len(bytes_)], at[at < len(bytes_)]
            here = bytes_[at]
            if begins is not None:
                goes_on = ~bits_at(begins, at)
            else:
                goes_on = (here != ord(self.delimiter)) & (here != _LF) & (here != _CR)
            strays.append(closing[goes_on & (here != _BLANK)])
            closing, at = closing[goes_on & (here == _BLANK)], at[goes_on & (here == _BLANK)] + 1
        return np.sort(np.concatenate([*strays, _NONE]))

    def delimiters(self, block: bytes | bytearray) -> Flags:
        """The last byte of each delimiter, from left to right, also of those in quotes."""
        length = len(self.delimiter)
        last: Flags
        if length == 1:
            last = np.frombuffer(block, np.uint8) == ord(self.delimiter)
        elif stand_in := unused(block):
            same_length = block.replace(self.delimiter, b"\n" * (length - 1) + stand_in)
            last = np.frombuffer(same_length, np.uint8) == ord(stand_in)
        else:
            last = np.zeros(len(block), bool)
            last[[match.end() - 1 for match in re.finditer(re.escape(self.delimiter), block)]] = True
        return last

    def _newlines(self, bytes_: Bytes, block: bytes | bytearray, final: bool) -> Words:
        """The last byte of each line end."""
        if self.line_end == "cr":
            return equal(bytes_, _CR)
        feeds = equal(bytes_, _LF)
        if self.line_end == "lf" or b"\r" not in block:
            return feeds if self.line_end != "crlf" else np.zeros_like(feeds)
        returns = equal(bytes_, _CR)
        if self.line_end == "crlf":
            return feeds & next_bits(returns)
        alone = returns & ~bits_before(feeds)
        if not final and bytes_[-1] == _CR:
            alone[-1] &= ~(ONE << np.uint64((len(block) - 1) % 64))
        return feeds | alone

    def _ends_among_comments(self, block: bytes | bytearray, final: bool) -> Ends:
        """Stretch by stretch: whether a line is a comment depends on the quotes before it, which comments end."""
        comment = self.comment or b""
        nothing = Ends(np.zeros(0, np.int64), np.zeros(0, bool), False)
        found: list[Ends] = []
        at = 0
        while at < len(block):
            if block.startswith(comment, at):
                line = self._line_end.search(block, at)
                if line is None or (line.end() == len(block) and not self._is_whole(line[0], final)):
                    break
                stretch = Ends(np.array([line.end() - at], np.int64), np.zeros(1, bool), False)
            else:
                stretch = nothing
                for line in self._before_comment.finditer(block, at):
                    before = self._ends(block[at : line.end()], True)
                    if len(before.ends) and before.ends[-1] == line.end() - at:
                        stretch = before
                        break
                else:
                    rest = self._ends(block[at:], final)
                    found.append(Ends(rest.ends + at, rest.filled, rest.quoted, rest.strays + at))
                    break
            found.append(Ends(stretch.ends + at, stretch.filled, False, stretch.strays + at))
            at += int(stretch.ends[-1])
        found = found or [nothing]
        return Ends(
            np.concatenate([part.ends for part in found]),
            np.concatenate([part.filled for part in found]),
            found[-1].quoted,
            np.concatenate([part.strays for part in found]),
        )

    def _is_whole(self, line_end: bytes, final: bool) -> bool:
        """Whether a line end at the end of a block cannot go on: a CR may be half of a CRLF."""
        return final or self.line_end == "cr" or line_end != b"\r"

    @cached_property
    def _line_end(self) -> re.Pattern[bytes]:
        return re.compile(_ENDS[self.line_end])

    @cached_property
    def _last_line_end(self) -> re.Pattern[bytes]:
        # A CRLF of which the file's end has cut the LF is one, too.
        ends = _ENDS[self.line_end] + (rb"|\r" if self.line_end in {"lf", "crlf"} else b"")
        return re.compile(rb"(?:" + ends + rb")\Z")

    @cached_property
    def _before_comment(self) -> re.Pattern[bytes]:
        return re.compile(rb"(?:" + _ENDS[self.line_end] + rb")(?=" + re.escape(self.comment or b"") + rb")")

    @cached_property
    def _field(self) -> re.Pattern[bytes]:
        """One field, up to its delimiter or the end: `inside` its quotes, if it has any, and `outside`."""
        delimiter, quote = re.escape(self.delimiter), re.escape(self.quote or b"")
        escape = re.escape(self.escape or b"")
        pair = escape + rb".?|" if escape else b""
        inside = rb"(?:" + quote + rb"(?P<inside>(?>" + pair + rb"[^" + quote + escape + rb"]|" + quote * 2 + rb")*+)"
        inside += quote + rb"|(?!" + quote + rb"))" if self.quote else b""
        if not self.quote:
            inside = rb"(?P<inside>(?!))?"
        outside = rb"(?P<outside>(?>" + pair + rb"(?!" + delimiter + rb").)*+)"
        return re.compile(inside + outside + rb"(?=" + delimiter + rb"|\Z)", re.DOTALL)

    @cached_property
    def _escaped(self) -> re.Pattern[bytes] | None:
        return re.compile(re.escape(self.escape) + rb"(.)", re.DOTALL) if self.escape else None

    @cached_property
    def _escaped_or_doubled(self) -> re.Pattern[bytes]:
        doubled = re.escape(self.quote or b"") + b"(" + re.escape(self.quote or b"") + b")"
        escaped = re.escape(self.escape) + rb"(.)|" if self.escape else b""
        return re.compile(escaped + doubled, re.DOTALL)


def _unescaped(value: bytes, pairs: re.Pattern[bytes] | None) -> bytes:
    """The value with the first byte of each pair, an escape or the first of two quotes, taken off."""
    return pairs.sub(lambda match: match[0][1:], value) if pairs else value


def _blank(bytes_: Bytes, ends: Positions) -> Flags:
    """Which records are nothing but a line end."""
    length = ends.copy()
    length[1:] -= ends[:-1]
    if not len(ends) or length.min() > 2:
        return np.zeros(len(ends), bool)
    first = bytes_[ends - length]
    last = bytes_[ends - 1]
    blank: Flags = ((length == 1) & ((first == _LF) | (first == _CR))) | (
        (length == 2) & (first == _CR) & (last == _LF)
    )
    return blank


def _inside_by_runs(
    quotes: Words, is_behind: Callable[[Positions], Flags], at: Positions
) -> tuple[Flags, bool, Positions]:
    """Which of the bytes `at`, no quotes, stand inside quotes, whether the end does, and which quotes are closing ones.

    See the module. `is_behind`: which of some bytes a field may start behind.
    """
    where = positions(quotes)
    if not len(where):
        return np.zeros(len(at), bool), False, _NONE
    first = np.flatnonzero(np.diff(where, prepend=-2) != 1)
    odd = np.diff(first, append=len(where)) % 2 == 1
    start = where[first]
    opening = is_behind(np.maximum(start - 1, 0))
    if start[0] == 0:
        opening[0] = True
    toggles = np.cumsum(odd & opening)
    closed = np.maximum.accumulate(np.where(odd & ~opening, toggles, 0))
    inside = np.append((toggles - closed) % 2 == 1, False)  # the last for what stands before the first run
    closes = np.where(np.roll(inside, 1)[:-1], odd, opening & ~odd)
    closing = where[np.append(first[1:], len(where))[closes] - 1]
    return inside[np.searchsorted(start, at) - 1], bool(inside[-2]), closing


def _inside_by_words(quotes: Words, behind: Words) -> tuple[Words, Words] | None:
    """Which bytes stand inside quotes, from each opening quote on up to before the closing one; and these quotes.

    Every quote that stands outside, but neither at the start of a field nor behind a closing one, is literal, and so
    are those up to the next that can open: they are taken out one after the other. None where they are many.
    """
    start = next_bits(behind)
    start[0] |= ONE
    inside = parity(quotes)
    opening = opening_words = None
    at = 0
    for _ in range(_FEW):
        literal = quotes[at:] & inside[at:]
        literal &= ~(start[at:] | next_bits(quotes, at))
        words = np.flatnonzero(literal)
        if not len(words):
            return inside, quotes
        if opening is None or opening_words is None:
            quotes = quotes.copy()
            opening = quotes & start
            opening_words = np.flatnonzero(opening)
        first = int(words[0])
        here = ~(lowest(literal[first]) - ONE)  # from the literal quote on
        at += first
        ahead = opening[at] & here
        if ahead:
            quotes[at] &= ~(here & (lowest(ahead) - ONE))
        else:
            quotes[at] &= ~here
            following = int(np.searchsorted(opening_words, at + 1))
            end = int(opening_words[following]) if following < len(opening_words) else len(quotes)
            quotes[at + 1 : end] = 0
            if end < len(quotes):
                quotes[end] &= ~(lowest(opening[end]) - ONE)
        inside[at:] = parity(quotes[at:], before=at > 0 and bool(inside[at - 1] >> TOP))
    return None


_CONTROLS = [bytes([n]) for n in (*range(0x1F, 0x0D, -1), *range(1, 9), 0x0B, 0x0C, 0x7F)]


def unused(block: bytes | bytearray) -> bytes | None:
    """A control byte that does not occur in the block, ASCII and no line end; None where all do."""
    return next((byte for byte in _CONTROLS if byte not in block), None)
