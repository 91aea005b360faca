"""The two compressions of sas7bdat rows, for many rows at once.

SAS compresses each row for itself. A loop in Python over the bytes of one row would take microseconds a byte; here all
rows take their next token in the same step of numpy, so that the loop is as long as the longest row has tokens.
Facts: sas7bdat is documented by nobody at SAS; the tokens are those on which pandas, Parso and ReadStat agree.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from spark.errors import Damaged

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_WORD = 8
_PAD = 2 * _WORD
"""Bytes behind the input and each row of the output: words are read and written beyond the end of what is meant."""


def run_length(source: Bytes, starts: Ints, lengths: Ints, row_length: int) -> Bytes:
    """Rows compressed by `COMPRESS=CHAR` (`SASYZCRL`), as a matrix; raises `Damaged` where one is of another length.

    Row i stands in `source[starts[i] : starts[i] + lengths[i]]`.
    """
    rows = _Rows(source, starts, lengths, row_length)
    while len(rows.active):
        token, low, second, third = rows.token()
        count = _RL_BASE[token] + low * _RL_LOW[token] + second * _RL_SECOND[token]
        copies, header = _RL_COPIES[token], _RL_HEADER[token]
        fill = np.where(token == 4, third, np.where(token == 12, second, _RL_FILL[token]))
        rows.fill(~copies, count, fill)
        rows.copy(copies, count, rows.at + header)
        rows.advance(header + np.where(copies, count, 0), count)
    return rows.done()


# by the upper half of a token's first byte: 0 to 3 and 8 to 11 copy what follows, the others repeat a byte
_RL_BASE = np.array([64, 4160, 8256, 12352, 18, 17, 17, 17, 1, 17, 33, 49, 3, 2, 2, 2])
_RL_LOW = np.array([256, 256, 256, 256, 16, 256, 256, 256, 1, 1, 1, 1, 1, 1, 1, 1])
_RL_SECOND = np.array([1] * 4 + [1] * 4 + [0] * 8)
_RL_COPIES = np.array([True] * 4 + [False] * 4 + [True] * 4 + [False] * 4)
_RL_HEADER = np.array([2] * 4 + [3, 2, 2, 2] + [1] * 4 + [2, 1, 1, 1])
_RL_FILL = np.array([0] * 4 + [0, ord("@"), ord(" "), 0] + [0] * 4 + [0, ord("@"), ord(" "), 0])


def ross(source: Bytes, starts: Ints, lengths: Ints, row_length: int) -> Bytes:
    """Rows compressed by `COMPRESS=BINARY` (`SASYZCR2`, Ross Data Compression); see `run_length`.

    Every 16 tokens are preceded by 16 bits, of which a 0 is for a byte as it is and a 1 for a repetition.
    """
    rows = _Rows(source, starts, lengths, row_length)
    control = np.full(len(starts), _MARK)  # the bits left, and behind them a 1 as a mark
    while len(rows.active):
        bits = control[rows.active]
        empty = bits == _MARK
        loaded = rows.at + 2 * empty
        high, low, second, _ = rows.token()
        bits[empty] = ((high << 13 | low << 9 | second << 1 | 1) & 0x1FFFF)[empty]
        rows.at = loaded
        literal = _LEADING_ZEROS[bits]
        literal = np.minimum(literal, np.maximum(rows.end - rows.at, 0))
        copies = literal > 0
        token, low, second, third = rows.token()
        ended = ~copies & (rows.at >= rows.end)  # bits without tokens
        count = np.where(token == 0, low + 3, np.where(token == 1, low + 19 + (second << 4), third + 16))
        count = np.where(copies, literal, np.where(token > 2, token, count))
        count[ended] = 0
        repeats = ~(copies | ended)
        rows.copy(copies, count, rows.at)
        rows.fill(repeats & (token < 2), count, np.where(token == 0, second, third))
        rows.repeat(repeats & (token >= 2), count, low + 3 + (second << 4))
        control[rows.active] = bits << np.where(copies, literal, 1) & 0x1FFFF
        rows.advance(np.where(copies, literal, np.where((token == 1) | (token == 2), 3, 2)) * ~ended, count)
    return rows.done()


_MARK = 1 << 16
_LEADING_ZEROS = np.array([17 - n.bit_length() for n in range(1 << 17)])


class _Rows:
    """Rows that are being decompressed side by side, by words of 8 bytes.

    A token's last word may go beyond its end: what it writes there is written over by the row's next token.
    `active` are the numbers of rows with input left; `at`, `end` (of the input) and `to` (in the output) are theirs.
    """

    def __init__(self, source: Bytes, starts: Ints, lengths: Ints, row_length: int) -> None:
        self.row_length, self.stride = row_length, row_length + _PAD
        self.out = np.zeros((len(starts), self.stride), np.uint8)
        self.written = _words(self.out)
        ends, begin = starts + lengths, int(starts.min(initial=len(source)))
        self.read = _words(np.concatenate([source[begin : ends.max(initial=begin)], np.zeros(_PAD, np.uint8)]))
        self.active = np.flatnonzero(lengths > 0)
        self.at, self.end = starts[self.active] - begin, ends[self.active] - begin
        self.to = self.active * self.stride
        self.limit = self.to + row_length
        self.whole = lengths == -1

    def token(self) -> tuple[Ints, Ints, Ints, Ints]:
        """The next token of each active row: both halves of the first byte, the second and the third."""
        word = self.read[self.at].astype(np.int64)
        return word >> 4 & 15, word & 15, word >> 8 & 255, word >> 16 & 255

    def copy(self, which: Mask, count: Ints, start: Ints) -> None:
        """Append `count` bytes of the input from `start`. Raises `Damaged` where there are fewer."""
        at = np.flatnonzero(which)
        count, start = count[at], start[at]
        if (start + count > self.end[at]).any():
            raise Damaged("a compressed row ends within a token")
        for to, now in self._steps(at, count):
            self.written[to] = self.read[start[now[0]] + now[1]]

    def fill(self, which: Mask, count: Ints, byte: Ints) -> None:
        """Append `count` times a byte."""
        at = np.flatnonzero(which)
        words = byte[at].astype(np.uint64) * np.uint64(0x0101010101010101)
        for to, now in self._steps(at, count[at]):
            self.written[to] = words[now[0]]

    def repeat(self, which: Mask, count: Ints, back: Ints) -> None:
        """Append `count` bytes of the output from `back` before its end; they may reach into themselves."""
        at = np.flatnonzero(which)
        count, back = count[at], back[at]
        if (back > self.to[at] - self.active[at] * self.stride).any():
            raise Damaged("a compressed row repeats what was before it")
        for to, now in self._steps(at, count):
            self.written[to] = self.written[to - back[now[0]]]
        for i in np.flatnonzero((back < _WORD) & (back < count)):  # a word would take what is not yet there
            to, flat = self.to[at[i]], self.out.reshape(-1)
            flat[to : to + count[i]] = np.resize(flat[to - back[i] : to], count[i])

    def advance(self, read: Ints, written: Ints) -> None:
        """Go on by that many bytes of input and output, and leave the rows that are at their end."""
        self.at = self.at + read
        self.to = self.to + written
        more = self.at < self.end
        if more.all():
            return
        self.whole[self.active[~more]] = (self.to == self.limit)[~more]
        self.active, self.at, self.end = self.active[more], self.at[more], self.end[more]
        self.to, self.limit = self.to[more], self.limit[more]

    def done(self) -> Bytes:
        """The rows. Raises `Damaged` where one is not whole."""
        if not self.whole.all():
            raise Damaged(f"a compressed row has not {self.row_length:,} bytes")
        return self.out[:, : self.row_length]

    def _steps(self, at: Ints, count: Ints) -> Iterator[tuple[Ints, tuple[Ints, int]]]:
        """Where the words of rows `at` go: the output's positions; which of `at` they are, and how far into them.

        Raises `Damaged` where more would be written than a row has.
        """
        to = self.to[at]
        if (to + count > self.limit[at]).any():
            raise Damaged(f"a compressed row has more than {self.row_length:,} bytes")
        now = np.flatnonzero(count > 0)
        done = 0
        while len(now):
            yield to[now] + done, (now, done)
            done += _WORD
            now = now[count[now] > done]


def _words(data: Bytes) -> npt.NDArray[np.uint64]:
    """The little-endian word that begins at each byte of contiguous data, but for the last 7."""
    return np.ndarray(data.size - _WORD + 1, "<u8", data, strides=(1,))
