"""What a column's values are like: how many of them fit a test, and what they are where no test is for them."""

import re
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from spark.profiling.profiles import ColumnProfile
from spark.recognising import checks
from spark.recognising.checks import Test

MOST = 120
"""Distinct values that are looked at: more change no decision, and take time."""

FIRST = 12
"""Values that a test is tried on first: where it fits none of them it is not what the column is."""

_NOTHING = re.compile(
    r"(?i)|[-.?*_$#x]+|n/?a|nan|null|none|nil|missing|unknown|unspecified"
    r"|not (?:applicable|available|reported|specified)|<.*>"
    r"|9999-12-31.*|0001-01-01.*|1900-01-01|99991231|12/31/9999|-[1-9]|0+|9{5,}|no_insurance"
)
"""Values that stand for none."""


class Guess(NamedTuple):
    """A kind that values are, where no name and no test says more: how surely, and why."""

    kind: str
    confidence: float
    why: str


class Contents:
    """The distinct values of a column, without blanks at either end and without stand-ins for nothing."""

    def __init__(self, column: ColumnProfile) -> None:
        self.column = column
        self.values = tuple(_distinct(column))

    def share(self, test: Test) -> float:
        """How well the values fit a test, from 0 to 1; 0 where none of the first ones does."""
        if not any(map(test, self.values[:FIRST])):
            return 0.0
        return sum(map(test, self.values)) / len(self.values)

    @cached_property
    def lengths(self) -> tuple[float, int]:
        """Characters of the values, on average and at most."""
        sizes = [len(value) for value in self.values]
        return sum(sizes) / len(sizes), max(sizes)

    @cached_property
    def words(self) -> float:
        """Words of the values, on average."""
        return sum(len(value.split()) for value in self.values) / len(self.values)

    @cached_property
    def repeats(self) -> bool:
        """Whether few values make up the column."""
        met = sum(self.column.values.values())
        return met > len(self.column.values) and len(self.column.values) <= max(2, met // 3)

    def guess(self) -> Guess:
        """What they are where no test is for them: numbers, text, labels, ids or codes."""
        numbers = self.share(checks.number)
        average, longest = self.lengths
        if numbers > 0.9:
            whole = self.share(checks.whole)
            if whole > 0.9 and not self.repeats and average >= 6:
                return Guess("id", 0.45, "whole numbers of many digits that hardly repeat")
            if set(self.values) <= {"0", "1"} and self.column.type == "bool":
                return Guess("boolean", 0.6, "only 0 and 1")
            if whole > 0.9 and self.repeats and longest <= 2 and len(self.values) <= 12:
                return Guess("code", 0.35, "few small whole numbers")
            return Guess("number", 0.45, "numbers")
        if self.words >= 5 and average > 30 and not self.repeats:
            return Guess("text", 0.7, f"sentences of {self.words:.0f} words on average")
        if self.words >= 1.6 or longest > 24:
            return Guess("description", 0.4, "labels of several words")
        if self.share(checks.identifier) > 0.9 and not self.repeats and average >= 8 and self._digits() > 0.5:
            return Guess("id", 0.45, "letters and digits that hardly repeat")
        if longest <= 6 or self.repeats:
            return Guess("code", 0.35, "short values")
        return Guess("description", 0.3, "words")

    def _digits(self) -> float:
        return sum(any(c.isdigit() for c in value) for value in self.values) / len(self.values)


def _distinct(column: ColumnProfile) -> Iterator[str]:
    seen: set[str] = set()
    fraction = column.type in ("double", "float", "halffloat")
    for value in (*column.values, *column.examples):
        text = value.strip()
        if fraction:
            text = text.removesuffix(".0")
        if text and text not in seen and value not in column.sentinels and not _NOTHING.fullmatch(text):
            seen.add(text)
            yield text
            if len(seen) == MOST:
                return
