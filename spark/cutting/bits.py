"""Flags of a block's bytes as words of 64 bits, and what can be told by them at once."""

import threading

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

ONE, TOP = np.uint64(1), np.uint64(63)


class _Scratch(threading.local):
    """Memory for flags that each thread uses again: fresh memory costs more page faults than comparing costs time."""

    _MOST = 4 * 1024 * 1024  # bytes that are kept

    def __init__(self) -> None:
        self._kept = np.empty(0, bool)

    def flags(self, length: int) -> Flags:
        """So many flags of any value, until the next call."""
        if length > self._MOST:
            return np.empty(length, bool)
        if length > len(self._kept):
            self._kept = np.empty(length, bool)
        return self._kept[:length]


_scratch = _Scratch()


def packed(flags: Flags) -> Words:
    """Flags as bits, the first the lowest."""
    if len(flags) % 64 == 0:
        return np.packbits(flags, bitorder="little").view("<u8")
    bytes_ = np.packbits(flags, bitorder="little")
    words = np.zeros(-(-len(bytes_) // 8), "<u8")
    words.view(np.uint8)[: len(bytes_)] = bytes_
    return words


def equal(bytes_: Bytes, byte: int) -> Words:
    """Where a byte occurs, as bits."""
    length = len(bytes_)
    flags = _scratch.flags(-(-length // 64) * 64)
    np.equal(bytes_, byte, out=flags[:length])
    flags[length:] = False
    return packed(flags)


def positions(words: Words) -> Positions:
    """Where bits are set. Where few are, it is quicker to look at words than at single bits."""
    at = np.flatnonzero(words)
    if len(at) * 4 > len(words):
        return np.flatnonzero(unpacked(words, 64 * len(words)))
    bits, found = words[at], list[Positions]()
    while len(bits):
        low = bits & np.negative(bits)
        found.append(at * 64 + np.bitwise_count(low - ONE))
        bits ^= low
        more = np.flatnonzero(bits)
        at, bits = at[more], bits[more]
    return found[0] if len(found) == 1 else np.sort(np.concatenate([*found, np.zeros(0, np.int64)]))


def unpacked(words: Words, length: int) -> Flags:
    """The first `length` bits as flags."""
    return np.unpackbits(words.view(np.uint8), count=length, bitorder="little").view(bool)


def parity(bits: Words, *, before: bool = False) -> Words:
    """Of each bit, whether the bits up to and with it that are set, and `before`, are odd in number."""
    found = bits.copy()
    shifted = np.empty_like(found)
    for shift in (1, 2, 4, 8, 16, 32):
        np.left_shift(found, np.uint64(shift), out=shifted)
        found ^= shifted
    odd = shifted
    odd[0] = before
    np.right_shift(found[:-1], TOP, out=odd[1:])
    np.bitwise_xor.accumulate(odd, out=odd)
    found ^= np.negative(odd, out=odd)  # all ones where odd
    return found


def next_bits(bits: Words, first: int = 0) -> Words:
    """From word `first` on, the bits each one further."""
    moved = bits[first:] << ONE
    moved[1:] |= bits[first:-1] >> TOP
    if first:
        moved[0] |= bits[first - 1] >> TOP
    return moved


def bits_before(bits: Words) -> Words:
    """The bits each one back: of each, the one behind it."""
    moved = bits >> ONE
    moved[:-1] |= bits[1:] << TOP
    return moved


def lowest(word: np.uint64) -> np.uint64:
    """The lowest bit that is set."""
    return np.uint64(int(word) & -int(word))


def bits_at(words: Words, at: Positions) -> Flags:
    """The bits at some positions."""
    bits: Words = words[at >> 6] >> (at & 63).astype(np.uint64)
    return (bits & ONE).astype(bool)


def escaped(bytes_: Bytes, escape: int, *, first: bool = False) -> tuple[Flags, bool]:
    """Which bytes stand behind an escape that is not escaped itself, and whether the next byte does.

    `first`: the first byte does.
    """
    at = np.flatnonzero(bytes_ == escape)
    flags = np.zeros(len(bytes_) + 1, bool)
    order = np.arange(len(at))
    runs = np.maximum.accumulate(np.where(np.diff(at, prepend=-2) != 1, order, 0))
    nth = order - runs
    if first and len(at) and at[0] == 0:
        nth[runs == 0] += 1
    flags[at[nth % 2 == 0] + 1] = True
    flags[0] = first
    return flags[:-1], bool(flags[-1])
