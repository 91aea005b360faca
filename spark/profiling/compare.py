"""How a dataset of one drop differs from the same one of an earlier drop.

Counts over all rows are compared as they are. What rests on samples counts only where it is more than chance gives
(`estimates.UNLIKELY`), and what is judged is said in a sentence that shows no value. Keys that vanished are counted by
sketches of distinct values, so only between drops that were sampled whole, and only where more are missing than the
sketches may be wrong by.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from math import sqrt
from typing import NamedTuple

from pydantic import BaseModel

from spark.profiling import estimates
from spark.profiling.estimates import by_chance, categorical, categories, distinct, given, missing
from spark.profiling.findings import Finding, in_order, percent, span
from spark.profiling.profiles import ColumnProfile, DatasetProfile
from spark.profiling.shown import masked
from spark.profiling.sketches import LG_K
from spark.schemas.base import EARLIEST, LATEST


class Limits(BaseModel, frozen=True):
    """From what on a difference is told as a warning; below it, as mere information or not at all.

    `rows` is the change in their number as a share; `nulls` that in the share of rows without a value; `psi` the
    population stability index; `values` the share of values that are new, or that were of a category that is gone;
    `keys` the share of keys that vanished, None where drops are not full and each has its own; `patterns` the share of
    values of a shape that was not met before; `days` by how many dates reach further than before.
    """

    rows: float = 0.2
    nulls: float = 0.05
    psi: float = 0.2
    values: float = 0.01
    keys: float | None = 0.05
    patterns: float = 0.05
    days: int = 366


LIMITS = Limits()


def compare(before: DatasetProfile, now: DatasetProfile, limits: Limits = LIMITS) -> tuple[Finding, ...]:
    """What changed from one drop to another of the same kind, the gravest first, then by column."""
    found = [*_rows(before, now, limits), *_columns(before, now)]
    for name, column in now.columns.items():
        if name in before.columns:
            found += _column(before.columns[name], column, limits)
    found += _keys(before, now, limits)
    return in_order(found, now)


def _rows(before: DatasetProfile, now: DatasetProfile, limits: Limits) -> Iterator[Finding]:
    if not before.rows:
        return
    change = (now.rows - before.rows) / before.rows
    if not now.rows or abs(change) > limits.rows:
        yield Finding(
            kind="rows",
            severity="warning" if now.rows else "problem",
            measured=change,
            limit=limits.rows,
            sentence=f"{now.rows:,} records, {before.rows:,} before: {_change(change)}",
        )


def _columns(before: DatasetProfile, now: DatasetProfile) -> Iterator[Finding]:
    for name in before.columns:
        if name not in now.columns:
            sentence = "the column is not there any more"
            yield Finding(
                kind="missing column", column=name, severity="problem", measured=1, limit=0, sentence=sentence
            )
    for name in now.columns:
        if before.columns and name not in before.columns:
            sentence = "a column that was not there before"
            yield Finding(kind="new column", column=name, severity="info", measured=1, limit=0, sentence=sentence)


def _column(before: ColumnProfile, now: ColumnProfile, limits: Limits) -> Iterator[Finding]:
    if before.type != now.type:
        sentence = f"its type is {now.type}, it was {before.type}"
        yield Finding(kind="type", column=now.name, severity="warning", measured=1, limit=0, sentence=sentence)
    yield from _nulls(before, now, limits)
    if not (given(before) and given(now)):
        return
    was, is_ = estimates.format_of(before), estimates.format_of(now)
    if was and is_ and before.type == now.type and not estimates.reads(now, was):
        sentence = f"dates are written as {estimates.readable(is_)}, they were as {estimates.readable(was)}"
        yield Finding(kind="date format", column=now.name, severity="problem", measured=1, limit=0, sentence=sentence)
    elif was and is_:
        yield from _days(before, now, limits)
    elif (values := [*_new(before, now, limits), *_vanished(before, now, limits)]) and _grave(values):
        yield from values
    else:
        yield from values
        yield from _distribution(before, now, limits)
        yield from _patterns(before, now, limits)
    if not was:
        yield from _lengths(before, now)


def _grave(findings: list[Finding]) -> bool:
    """Whether what is found of a column's categories already says why its distribution and patterns are others."""
    return any(finding.severity != "info" for finding in findings)


def _nulls(before: ColumnProfile, now: ColumnProfile, limits: Limits) -> Iterator[Finding]:
    p, q = missing(before), missing(now)
    if abs(q - p) <= limits.nulls or abs(q - p) <= by_chance(p, before.rows, q, now.rows):
        return
    emptied = q == 1 and p < 1
    yield Finding(
        kind="nulls",
        column=now.name,
        severity="problem" if emptied else "warning" if q > p else "info",
        measured=q - p,
        limit=limits.nulls,
        sentence=f"empty in {'every record' if emptied else f'{percent(q)} of records'}, {percent(p)} before",
    )


def _new(before: ColumnProfile, now: ColumnProfile, limits: Limits) -> Iterator[Finding]:
    if not categorical(before):
        return
    known, met = categories(before), categories(now)
    new = [value for value in met if value not in known]
    n, m = given(before), given(now)
    share = 1 - sum(met.get(value, 0) for value in known) / m
    chance = estimates.unseen(known, n, m)
    if not new or (share <= chance and before.sampled < before.rows):
        return
    kinds = f"{len(new):,} value{'' if len(new) == 1 else 's'}" if categorical(now) else "many values"
    yield Finding(
        kind="new values",
        column=now.name,
        severity="warning" if share > max(limits.values, chance) else "info",
        measured=share,
        limit=limits.values,
        sentence=f"{kinds} not met before, in {percent(share)} of records that have one; {len(known):,} are known",
        values=tuple(new[:SHOWN]),
    )


def _vanished(before: ColumnProfile, now: ColumnProfile, limits: Limits) -> Iterator[Finding]:
    if not categorical(before):
        return
    known, met = categories(before), categories(now)
    n, m = given(before), given(now)
    least = 0 if categorical(now) else min(met.values(), default=0)  # what is not listed may be met as often as that
    gone = [value for value, count in known.items() if value not in met and count / n * m > max(7, least)]
    if not gone:
        return
    share = sum(known[value] for value in gone) / n
    yield Finding(
        kind="vanished values",
        column=now.name,
        severity="warning" if share > limits.values else "info",
        measured=share,
        limit=limits.values,
        sentence=f"{len(gone):,} of {len(known):,} values are gone, which {percent(share)} of records had",
        values=tuple(gone[:SHOWN]),
    )


SOME = 20
"""Values from which on it is no accident that all are of one length."""

SHOWN = 5
"""Values that a finding names, at most."""


def _distribution(before: ColumnProfile, now: ColumnProfile, limits: Limits) -> Iterator[Finding]:
    index, chance = stability(before, now)
    if index <= max(limits.psi / 2, chance):
        return
    yield Finding(
        kind="distribution",
        column=now.name,
        severity="warning" if index > limits.psi else "info",
        measured=index,
        limit=limits.psi,
        sentence=f"its values are distributed differently: a stability index of {index:.2f}",
    )


TOP = 10
"""Most frequent values by which the distribution of text is compared, and bins of numbers."""


def stability(before: ColumnProfile, now: ColumnProfile) -> tuple[float, float]:
    """The population stability index of a column against an earlier drop, and what chance alone may make it.

    Of numbers in bins between the deciles of before; of text by the most frequent values of before, and all others.
    (0, 0) of identifiers, dates and columns without values, of which it says nothing.
    """
    if estimates.format_of(before) or estimates.identifying(before) or not (given(before) and given(now)):
        return 0.0, 0.0
    was, is_ = estimates.numbers(before), estimates.numbers(now)
    if was is not None and is_ is not None and not categorical(before):
        edges = sorted(set(was.get_quantiles([step / TOP for step in range(1, TOP)])))
        return estimates.instability(estimates.in_bins(was, edges), estimates.in_bins(is_, edges))
    n, m = given(before), given(now)
    old, new = categories(before), categories(now)
    top = sorted(old, key=lambda value: -old[value])[:TOP]
    least = 0 if categorical(now) else min(new.values(), default=0)
    # a value that is not listed was met up to `least` times: taken as what is nearest to before
    counts = [new.get(value, min(least, old[value] / n * m)) for value in top]
    return estimates.instability(
        [*(old[value] for value in top), max(0.0, n - sum(old[value] for value in top))],
        [*counts, max(0.0, m - sum(counts))],
    )


def _patterns(before: ColumnProfile, now: ColumnProfile, limits: Limits) -> Iterator[Finding]:
    n, m = given(before), given(now)
    measures = estimates.numbers(before) is not None and not estimates.identifying(before)
    if sum(before.patterns.values()) < 0.95 * n or measures:
        return  # its shapes are many, or those of numbers
    share = 1 - sum(count for shape, count in now.patterns.items() if shape in before.patterns) / m
    if share <= max(limits.patterns, estimates.unseen(before.patterns, n, m)):
        return
    new = [masked(shape) for shape in now.patterns if shape not in before.patterns]
    yield Finding(
        kind="patterns",
        column=now.name,
        severity="warning",
        measured=share,
        limit=limits.patterns,
        sentence=f"{percent(share)} of values have a form that was not met before"
        + (f": {' or '.join(new[:3])}" if new else ""),
    )


def _lengths(before: ColumnProfile, now: ColumnProfile) -> Iterator[Finding]:
    if before.longest is None or now.longest is None or estimates.numbers(before) is not None:
        return
    was, shortest = estimates.shortest(before), estimates.shortest(now) or now.longest
    if was == before.longest and given(before) > SOME and not shortest == now.longest == was:
        off = now.longest if now.longest != was else shortest
        yield Finding(
            kind="lengths",
            column=now.name,
            severity="warning",
            measured=off,
            limit=before.longest,
            sentence=f"values have {span(shortest, now.longest)} characters, all had {before.longest:,}",
        )
    elif now.longest > 2 * before.longest + 10 or (
        2 * now.longest < before.longest - 10 and now.rows > before.rows / 2
    ):
        yield Finding(
            kind="lengths",
            column=now.name,
            severity="info",
            measured=now.longest,
            limit=before.longest,
            sentence=f"its longest value has {now.longest:,} characters, {before.longest:,} before",
        )


def _days(before: ColumnProfile, now: ColumnProfile, limits: Limits) -> Iterator[Finding]:
    was, is_ = estimates.days(before), estimates.days(now)
    if not (was and is_):
        return
    allowed = max(timedelta(days=limits.days), was[1] - was[0])
    beyond = max(was[0] - is_[0], is_[1] - was[1])
    wild = _wild(is_) and not _wild(was)
    if not wild and beyond <= allowed:
        return
    where = "earlier" if was[0] - is_[0] >= is_[1] - was[1] else "later"
    yield Finding(
        kind="dates",
        column=now.name,
        severity="warning",
        measured=beyond.days,
        limit=allowed.days,
        sentence=f"dates reach {beyond.days / 365.25:,.0f} years further than before, to {where} days",
    )


def _wild(days: tuple[date, date]) -> bool:
    return days[0] < EARLIEST or days[1] > LATEST


def _keys(before: DatasetProfile, now: DatasetProfile, limits: Limits) -> Iterator[Finding]:
    found = vanished_keys(before, now) if limits.keys is not None else None
    if found and found.share - found.error > (limits.keys or 0):
        yield Finding(
            kind="vanished keys",
            column=found.column,
            severity="warning",
            measured=found.share,
            limit=limits.keys or 0,
            sentence=f"about {found.share:.0%} of its keys, give or take {found.error:.0%}, are not there any more",
        )


class Vanished(NamedTuple):
    """The share of a column's keys that are gone, and by how much it may be wrong."""

    column: str
    share: float
    error: float


def vanished_keys(before: DatasetProfile, now: DatasetProfile) -> Vanished | None:
    """How many keys of before are not in now; None where that is not known: without a key, or of samples.

    From sketches of drops that were sampled whole: all that both have, less what now has. Each is within 1.04/√2048 of
    the truth, one standard deviation, and three of the difference are what it may be wrong by.
    """
    if before.sampled < before.rows or now.sampled < now.rows or not now.rows:
        return None
    singles = (key[0] for key in before.keys if len(key) == 1 and key[0] in now.columns)
    for name in singles:
        was, is_ = before.columns[name], now.columns[name]
        if estimates.identifying(was) and not estimates.format_of(was) and given(is_):
            keys, kept, together = distinct(was), distinct(is_), estimates.both(was, is_)
            error = 3 * 1.04 / sqrt(2**LG_K) * sqrt(together**2 + kept**2) / keys
            return Vanished(name, min(1.0, max(0.0, together - kept) / keys), error)
    return None


def _change(share: float) -> str:
    return f"{abs(share):.1%} {'more' if share > 0 else 'fewer'}"
