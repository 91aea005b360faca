"""What a profile's counts and sketches come to: shares, numbers of distinct values, quantiles, ranges of days.

What rests on the sample is as good as that is: batches are drawn, not rows, so what stands together in a file is met
together.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from itertools import pairwise
from math import log, sqrt
from statistics import NormalDist

from datasketches import kll_doubles_sketch

from spark.profiling import sketches
from spark.profiling.profiles import ColumnProfile

DATES = 0.9
"""Share of a column's values that read by one format, from which on its values are days."""

NUMBERS = 0.9
"""Share of a column's values that are numbers from which on it is one of numbers."""

CODES = 12
"""So many numbers are taken for codes; where there are more, they measure something."""

UNLIKELY = 0.001
"""How likely what is found may be by chance."""

_Z = NormalDist().inv_cdf(1 - UNLIKELY / 2)


def missing(column: ColumnProfile) -> float:
    """Share of rows without a value: null, or the text "", as which of the two is a matter of quotes."""
    return (column.nulls + column.empties) / column.rows if column.rows else 0.0


def given(column: ColumnProfile) -> int:
    """How many of the sampled rows have a value."""
    return column.filled


def categories(column: ColumnProfile) -> dict[str, int]:
    """The most frequent values and how often each was met, without the text ""."""
    return {value: n for value, n in column.values.items() if value}


def distinct(column: ColumnProfile) -> float:
    """Distinct values of the sampled rows, within some 2 %, few of them exactly."""
    return sketches.estimate(column.hll)


def categorical(column: ColumnProfile) -> bool:
    """Whether its most frequent values are all that were met, and came again and again; numbers if they are few."""
    known = len(categories(column))
    return (
        0 < known <= given(column) / 5
        and distinct(column) <= 1.05 * known + 0.5
        and (known <= CODES or numbers(column) is None)
    )


def identifying(column: ColumnProfile) -> bool:
    """Whether hardly a value came twice, and none has a decimal point: what a distribution says nothing of."""
    n = given(column)
    return n > 0 and distinct(column) > 0.8 * n and not any("." in shape for shape in column.patterns)


def numbers(column: ColumnProfile) -> kll_doubles_sketch | None:
    """Quantiles of a column of numbers; None where it is none, or of digits of one width, which are codes."""
    found = _kll(column.kll) if column.kll else None
    if found is None or found.is_empty() or found.n < NUMBERS * given(column):
        return None
    coded = column.type == "string" and column.shortest == column.longest and (column.longest or 0) > 2
    return None if coded and not any("." in shape for shape in column.patterns) else found


def in_bins(sketch: kll_doubles_sketch, edges: Sequence[float]) -> list[float]:
    """Numbers below the first edge, from it to below the second, …, from the last on; sorted edges, no two alike."""
    upto = [0.0, *sketch.get_cdf(list(edges))]
    return [float(sketch.n * (high - low)) for low, high in pairwise(upto)]


def both(some: ColumnProfile, other: ColumnProfile) -> float:
    """Distinct values of two columns together."""
    return sketches.estimate(sketches.either(some.hll, other.hll))


def by_chance(p: float, n: int, q: float, m: int) -> float:
    """By how much shares of n and of m that are `p` and `q` may differ though they are of one kind."""
    if not (n and m):
        return 1.0
    pooled = (p * n + q * m) / (n + m)
    return _Z * sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))


def unseen(counts: Mapping[str, int], n: int, m: int) -> float:
    """The share of values that may be new in m others by chance alone, where n were met so often each.

    As many as were met once, of n (Good and Turing), and as much again as chance gives.
    """
    often = list(counts.values())
    once, twice = often.count(1), often.count(2)
    share = (once + 1) / n
    return share + _Z * sqrt(share / m + (once + 4 * twice) / n**2)


def instability(before: Sequence[float], now: Sequence[float]) -> tuple[float, float]:
    """The population stability index of counts in the same bins, and what it reaches by chance where nothing changed.

    Σ (q − p) ln(q/p), half a count added to each bin, as an empty one has no logarithm. Without a change it is
    distributed like (1/n + 1/m) χ² of bins − 1 degrees of freedom (Yurdakul 2018), here by Wilson and Hilferty.
    """
    n, m, bins = sum(before), sum(now), len(before)
    if not (n and m) or bins < 2:
        return 0.0, 0.0
    shares = [((b + 0.5) / (n + 0.5 * bins), (c + 0.5) / (m + 0.5 * bins)) for b, c in zip(before, now, strict=True)]
    index = sum((q - p) * log(q / p) for p, q in shares)
    free = bins - 1
    z = NormalDist().inv_cdf(1 - UNLIKELY)
    chi2 = free * (1 - 2 / (9 * free) + z * sqrt(2 / (9 * free))) ** 3
    return index, (1 / n + 1 / m) * chi2


def format_of(column: ColumnProfile) -> str | None:
    """The strptime format by which nearly all values read as days; ISO's for a typed column; else None."""
    if column.type.startswith(("date", "timestamp")):
        return "%Y-%m-%d"
    best = max(column.dates, key=lambda fmt: column.dates[fmt], default=None)
    return (
        best if best and column.dates[best] >= DATES * max(1, given(column) - sum(column.sentinels.values())) else None
    )


def readable(fmt: str) -> str:
    """A strptime format for who knows none, such as MM/DD/YYYY."""
    return re.sub("%([a-zA-Z])", lambda found: _WRITTEN.get(found[1], found[0]), fmt)


_WRITTEN = {
    **{"Y": "YYYY", "y": "YY", "m": "MM", "d": "DD", "b": "MON", "B": "MONTH"},
    **{"H": "hh", "I": "hh", "M": "mm", "S": "ss", "f": "ffffff", "p": "AM", "z": "+hh:mm"},
}


def reads(column: ColumnProfile, fmt: str) -> bool:
    """Whether most of its values still read by a format, though another may fit them as well."""
    return format_of(column) == fmt or column.dates.get(fmt, 0) > given(column) / 2


def shortest(column: ColumnProfile) -> int | None:
    """Characters of the shortest value; None where the text "" is the shortest, which is none."""
    return None if column.empties else column.shortest


def days(column: ColumnProfile) -> tuple[date, date] | None:
    """The first and the last day of a column of dates, sentinels apart; None of one that is none.

    Of a format that sorts as days do, of all rows; else of the values that the profile has.
    """
    fmt = format_of(column)
    if fmt is None:
        return None
    if re.fullmatch(r"%Y.?%m.?%d.*", fmt):
        first, last = _day(column.least, fmt, column), _day(column.most, fmt, column)
        if first and last:
            return first, last
    known = [day for text in (*column.values, *column.examples) if (day := _day(text, fmt, column))]
    return (min(known), max(known)) if known else None


def _day(text: str | None, fmt: str, column: ColumnProfile) -> date | None:
    if not text or text in column.sentinels:
        return None
    typed = column.type.startswith(("date", "timestamp"))
    try:
        return datetime.strptime(text[:10] if typed else text, fmt).date()
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _kll(text: str) -> kll_doubles_sketch:
    return kll_doubles_sketch.deserialize(base64.b64decode(text))
