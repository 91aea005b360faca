"""What a sample lets one suppose of a dataset's columns: which are keys, which are a code and its description."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

WIDEST = 12
"""Columns, those of most distinct values, whose pairs are tried as keys."""

LOOK = 1_000
"""Rows that are looked at first: most pairs repeat among them."""

REPEATED = 3
"""How often a code's values must be met on average."""

LONGEST = 12
"""Bytes of a code, on average, at most."""

MANY = 60
"""Codes, and descriptions, that are tried with each other."""


class Coded(NamedTuple):
    """One column of a sample: for each row the number of its value, −1 where it is null or "", `distinct` of them.

    `filled` rows have a value; `length` is the values' mean in bytes, `words` whether there are letters in them.
    """

    codes: npt.NDArray[np.int64]
    distinct: int
    filled: int
    length: float
    words: bool


def keys(columns: Mapping[str, Coded], rows: int) -> list[tuple[str, ...]]:
    """Columns of which no value comes twice; where there is none, pairs of them. Sorted."""
    complete = {name: column for name, column in columns.items() if column.filled == rows > 0}
    single = [(name,) for name, column in complete.items() if column.distinct == rows]
    if single:
        return sorted(single)
    widest = sorted(complete, key=lambda name: (-complete[name].distinct, name))[:WIDEST]
    pairs = combinations(sorted(widest), 2)
    return [(one, other) for one, other in pairs if _tell_apart(complete[one], complete[other], rows)]


def _tell_apart(one: Coded, other: Coded, rows: int) -> bool:
    if one.distinct * other.distinct < rows:
        return False
    both = one.codes * other.distinct + other.codes
    return not any(_repeats(some) for some in (both[:LOOK], both))


def _repeats(numbers: npt.NDArray[np.int64]) -> bool:
    """Whether one comes twice; sorted, as `np.unique` takes five times as long."""
    in_order = np.sort(numbers)
    return bool((in_order[1:] == in_order[:-1]).any())


def pairs(columns: Mapping[str, Coded]) -> list[tuple[str, str]]:
    """A column of short values that repeat, and one of words of which each of them has but one."""
    codes = [name for name, c in columns.items() if 2 <= c.distinct <= c.filled / REPEATED and c.length <= LONGEST]
    words = [name for name, c in columns.items() if c.distinct >= 2 and c.words]
    return sorted(
        (code, text)
        for code in _first(codes, columns)
        for text in _first(words, columns)
        if code != text and _describes(columns[code], columns[text])
    )


def _first(names: Sequence[str], columns: Mapping[str, Coded]) -> list[str]:
    return sorted(names, key=lambda name: -columns[name].filled)[:MANY]


def _describes(code: Coded, text: Coded) -> bool:
    if text.length <= code.length or not code.distinct / 2 <= text.distinct <= code.distinct:
        return False
    there = code.codes >= 0
    of, said = code.codes[there], text.codes[there]
    one = np.empty(code.distinct, np.int64)
    one[of] = said  # the last that was met with each
    return bool((one[of] == said).all()) and bool((said >= 0).any())
