"""What the page shows of each column: its picture, what it means, what is odd about it."""

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import NamedTuple

from markupsafe import Markup

from spark.profiling import estimates
from spark.profiling.compare import stability
from spark.profiling.estimates import categories, given, missing
from spark.profiling.findings import Finding, Kind, Severity
from spark.profiling.profiles import ColumnProfile
from spark.profiling.report import charts
from spark.profiling.report.content import Report
from spark.profiling.report.words import percent, plural, short
from spark.profiling.shown import masked, shown, shows_values

BARS = 6
BINS = 26
MULTIPLES = 12
TOP = 5
"""Categories that a small multiple tells apart."""


class Bar(NamedTuple):
    """A value, or a form of values: how often it was met, and as a share of all and of the most frequent one."""

    label: str
    share: float
    width: float


class Card(NamedTuple):
    """A column. `picture` is of numbers, `bars` of other values; `worst` the severity of the gravest finding."""

    name: str
    original: str
    meaning: str
    phi: bool
    facts: tuple[str, ...]
    caption: str
    picture: Markup | None
    ends: tuple[str, str] | None
    bars: tuple[Bar, ...]
    rest: str
    notes: tuple[str, ...]
    worst: Severity | None


def cards(report: Report) -> list[Card]:
    """A card for each column that has values, in the file's order."""
    return [_card(column, report) for column in report.now.columns.values() if missing(column) < 1]


def _card(column: ColumnProfile, report: Report) -> Card:
    found = report.recognised.get(column.name)
    numbers = _histogram(column, report) if _is_measure(column) else None
    bars, caption = ((), "numbers") if numbers else _bars(column, report)
    told = sum(bar.share for bar in bars)
    return Card(
        name=column.name,
        original=" · ".join(dict.fromkeys(filter(None, (_unlike(column), column.label)))),
        meaning=found.kind.replace("_", " ") if found else "",
        phi=bool(found and found.phi),
        facts=tuple(_facts(column)),
        caption=caption,
        picture=numbers and Markup(numbers[0]),  # noqa: S704  # text in it is escaped where it is drawn
        ends=numbers[1] if numbers else None,
        bars=bars,
        rest=percent(max(0.0, 1 - told)) if bars and told < 0.995 else "",
        notes=tuple(_notes(column)),
        worst=next((f.severity for f in report.findings if f.column == column.name), None),
    )


def _unlike(column: ColumnProfile) -> str:
    return column.original if column.original.casefold() != column.name.casefold() else ""


def _is_measure(column: ColumnProfile) -> bool:
    """Whether its numbers measure something, and are no names, categories or days."""
    return not (
        estimates.numbers(column) is None
        or estimates.identifying(column)
        or estimates.format_of(column)
        or (estimates.categorical(column) and len(categories(column)) <= BARS)
    )


def _facts(column: ColumnProfile) -> Iterator[str]:
    share = missing(column)
    yield "always filled" if share == 0 else f"{percent(share)} empty"
    n, different = given(column), round(estimates.distinct(column))
    if n and estimates.identifying(column):
        yield "hardly a value twice"
    elif n:
        exact = different <= len(categories(column))
        yield f"{'' if exact else 'about '}{short(different)} different" if different != 1 else "always the same value"
    if column.longest is not None and column.shortest is not None:
        least = estimates.shortest(column) or column.longest if column.empties else column.shortest
        same = least == column.longest
        yield plural(column.longest, "character") if same else f"{least:,}–{column.longest:,} characters"


def _notes(column: ColumnProfile) -> Iterator[str]:
    if column.damaged:
        yield f"{plural(column.damaged, 'value')} with broken characters"
    if column.leading or column.trailing:
        yield f"{plural(max(column.leading, column.trailing), 'value')} with a blank at the edge"
    if n := sum(column.sentinels.values()):
        yield f"{plural(n, 'value')} that stand{'s' if n == 1 else ''} for “nothing”"


def _bars(column: ColumnProfile, report: Report) -> tuple[tuple[Bar, ...], str]:
    """Its most frequent values where they may be seen and say something, else their forms."""
    if shows_values(report.phi) and not estimates.identifying(column):
        met, caption = {shown(value, report.phi): n for value, n in categories(column).items()}, "values"
    else:
        met, caption = _masked(column), "forms"
    top = sorted(met.items(), key=lambda one: (-one[1], one[0]))[:BARS]
    n = max(given(column), sum(met.values()), 1)
    return tuple(Bar(label, count / n, count / top[0][1]) for label, count in top), caption


def _masked(column: ColumnProfile) -> dict[str, int]:
    """How often each shape was met; masked once more, as who drew it may have kept what is no letter of ours."""
    shapes: dict[str, int] = {}
    for shape, n in column.patterns.items():
        shapes[masked(shape)] = shapes.get(masked(shape), 0) + n
    return shapes


def _histogram(column: ColumnProfile, report: Report) -> tuple[str, tuple[str, str] | None] | None:
    """Between the first and the last 200th, in bins of equal width, what lies outside in the outermost."""
    sketch = estimates.numbers(column)
    if sketch is None:
        return None
    low, high = sketch.get_quantiles([0.005, 0.995])
    if not (isfinite(high - low) and high > low):
        return None
    edges = [low + (high - low) * at / BINS for at in range(1, BINS)]
    before = report.before.columns.get(column.name) if report.before else None
    was = estimates.numbers(before) if before else None
    open_ = shows_values(report.phi)
    said = f"Distribution of {column.name} in {BINS} bins" + (f" from {short(low)} to {short(high)}" if open_ else "")
    drawn = charts.histogram(
        estimates.in_bins(sketch, edges), said, estimates.in_bins(was, edges) if was is not None else ()
    )
    return drawn, ((short(low), short(high)) if open_ else ("low", "high"))


class Multiple(NamedTuple):
    """How a column's values went from drop to drop: `stability` is the index against the drop before."""

    name: str
    stability: str
    moved: bool
    picture: Markup
    legend: tuple[str, ...]
    caption: str


MOVED: tuple[Kind, ...] = ("distribution", "new values", "vanished values")


def multiples(report: Report) -> list[Multiple]:
    """Small pictures of the columns whose values moved most since the drop before, in that order."""
    if report.before is None:
        return []
    before = report.before.columns
    moved = {name: stability(before[name], column) for name, column in report.now.columns.items() if name in before}
    told = {f.column for f in report.findings if f.severity != "info" and f.kind in MOVED}
    names = sorted(moved, key=lambda name: (name not in told, -moved[name][0]))
    drawn = [(name, _drawn(name, report)) for name in names if name in told or moved[name][0] > 0]
    return [
        Multiple(name, f"{moved[name][0]:.2f}", name in told, Markup(one[0]), one[1], one[2])  # noqa: S704
        for name, one in drawn
        if one
    ][:MULTIPLES]


def _drawn(name: str, report: Report) -> tuple[str, tuple[str, ...], str] | None:
    drops = [*(earlier.profile.columns.get(name) for earlier in report.earlier), report.now.columns[name]]
    last = report.now.columns[name]
    if _is_measure(last):
        quantiles = [_quartiles(column) for column in drops]
        if quantiles[-1] is None:
            return None
        return charts.band(quantiles, f"Median and quartiles of {name} by drop"), (), "median and middle half"
    top = _top(drops)
    if not top:
        return None
    stacks = [_stack(column, top) for column in drops]
    said = f"Shares of the {len(top)} most frequent values of {name} by drop"
    legend = tuple(shown(value, report.phi) for value in top) if shows_values(report.phi) else ()
    caption = "shares of values" if legend else f"shares of the {len(top)} most frequent values, and of all others"
    return charts.stack(stacks, said), legend, caption


def _quartiles(column: ColumnProfile | None) -> tuple[float, float, float] | None:
    sketch = estimates.numbers(column) if column else None
    if sketch is None:
        return None
    low, middle, high = sketch.get_quantiles([0.25, 0.5, 0.75])
    return (low, middle, high) if isfinite(high - low) else None


def _top(drops: Sequence[ColumnProfile | None]) -> list[str]:
    """The values that come most often, the last drop and the one before counting alike."""
    weights: dict[str, float] = {}
    for column in filter(None, drops[-2:]):
        for value, n in categories(column).items():
            weights[value] = weights.get(value, 0) + n / max(1, given(column))
    return sorted(weights, key=lambda value: (-weights[value], value))[:TOP]


def _stack(column: ColumnProfile | None, top: Sequence[str]) -> list[float]:
    n = given(column) if column else 0
    if column is None or not n:
        return [0.0] * (len(top) + 1)
    shares = [categories(column).get(value, 0) / n for value in top]
    return [*shares, max(0.0, 1 - sum(shares))]


class Told(NamedTuple):
    """What is wrong with a column, or with all records: `worst` is the severity of the first of `findings`."""

    column: str | None
    worst: Severity
    findings: tuple[Finding, ...]


def by_column(findings: Sequence[Finding]) -> list[Told]:
    """What is found, the gravest first, by column."""
    together: dict[str | None, list[Finding]] = {}
    for finding in findings:
        together.setdefault(finding.column, []).append(finding)
    return [Told(column, some[0].severity, tuple(some)) for column, some in together.items()]


class Strip(NamedTuple):
    """A column's line in the map of what is empty."""

    name: str
    picture: Markup
    now: str
    worst: bool


def strips(report: Report) -> list[Strip]:
    """The columns that are empty in some rows and not in all, of any of the drops."""
    profiles = [*(earlier.profile for earlier in report.earlier), report.now]
    drops = [*(earlier.drop for earlier in report.earlier), report.drop]
    told = {f.column for f in report.findings if f.kind == "nulls" and f.severity != "info"}
    lines = []
    for name, column in report.now.columns.items():
        shares = [missing(p.columns[name]) if name in p.columns else None for p in profiles]
        if {share for share in shares if share is not None} - {0.0, 1.0} or len({*shares} - {None}) > 1:
            picture = Markup(charts.nulls(shares, drops))  # noqa: S704
            lines.append(Strip(name, picture, percent(missing(column)), name in told))
    return lines
