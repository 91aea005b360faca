"""What a source's drops are expected to be like, in numbers: kept in the source's file, drafted from a good drop.

The checks before a publish (`tasks/transform.py`) call these limits: a drop that breaks one waits as a candidate.
"""

import json
from collections.abc import Iterator
from datetime import date
from math import ceil, floor, log10

from pydantic import BaseModel

from spark.profiling import estimates
from spark.profiling.compare import SHOWN, stability, vanished_keys
from spark.profiling.estimates import categorical, categories, given, missing
from spark.profiling.findings import Finding, Kind, in_order, percent, span
from spark.profiling.profiles import ColumnProfile, DatasetProfile
from spark.profiling.shown import Phi, shows_values

Range = tuple[int, int]


class Expectations(BaseModel, frozen=True):
    """Limits of one dataset; what is not named is not judged.

    `rows` are the least and the most of a drop. `nulls` is the greatest share of rows without a value (null, or the
    text ""), `values` all that a column may hold, `lengths` the least and the most characters, `dates` the first and
    the last day, each by column. Against the last drop of the same kind: `psi` is the greatest population stability
    index of any column, `vanished` the greatest share of keys that may be gone.

    `rows`, `nulls` and `lengths` are judged over all rows, the others by what the profile has sampled: the most
    frequent values, and sketches.
    """

    rows: Range | None = None
    nulls: dict[str, float] = {}
    values: dict[str, tuple[str, ...]] = {}
    lengths: dict[str, Range] = {}
    dates: dict[str, tuple[date, date]] = {}
    psi: float | None = None
    vanished: float | None = None


def broken(now: DatasetProfile, expected: Expectations, before: DatasetProfile | None = None) -> tuple[Finding, ...]:
    """The expectations that a drop's dataset does not meet, each a problem. A column that is not there breaks its own.

    `before` is the profile of the last drop of its kind; without one nothing is judged against it.
    """
    found = [*_rows(now, expected), *_absent(now, expected), *_columns(now, expected)]
    if before is not None:
        found += _against(before, now, expected)
    return in_order(found, now)


def _problem(kind: Kind, column: str | None, measured: float, limit: float, sentence: str, *values: str) -> Finding:
    return Finding(
        kind=kind, column=column, severity="problem", measured=measured, limit=limit, sentence=sentence, values=values
    )


def _rows(now: DatasetProfile, expected: Expectations) -> Iterator[Finding]:
    if expected.rows and not expected.rows[0] <= now.rows <= expected.rows[1]:
        least, most = expected.rows
        limit = least if now.rows < least else most
        yield _problem("rows", None, now.rows, limit, f"{now.rows:,} records, {least:,} to {most:,} are expected")


def _absent(now: DatasetProfile, expected: Expectations) -> Iterator[Finding]:
    for name in dict.fromkeys([*expected.nulls, *expected.values, *expected.lengths, *expected.dates]):
        if now.rows and name not in now.columns:
            yield _problem("missing column", name, 1, 0, "the column is expected, and not there")


def _columns(now: DatasetProfile, expected: Expectations) -> Iterator[Finding]:
    for name, column in now.columns.items():
        share = missing(column)
        if name in expected.nulls and share > expected.nulls[name]:
            most = expected.nulls[name]
            empty = column.nulls + column.empties
            may = f"{most:.1%} may be" if most else "none may be"
            yield _problem("nulls", name, share, most, f"empty in {empty:,} of {column.rows:,} records, {may}")
        if other := _unexpected(column, expected):
            part = sum(other.values()) / given(column)
            few = "1 value that is" if len(other) == 1 else f"{len(other):,} values that are"
            said = f"{few} not expected, in {percent(part)} of the records that were looked at"
            yield _problem("new values", name, part, 0, said, *list(other)[:SHOWN])
        if name in expected.lengths and column.longest:
            least, most = expected.lengths[name]
            shortest = estimates.shortest(column) or column.longest
            if not least <= shortest <= column.longest <= most:
                off = column.longest if column.longest > most else shortest
                said = f"values have {span(shortest, column.longest)} characters, {span(least, most)} are expected"
                yield _problem("lengths", name, off, most if off > most else least, said)
        if name in expected.dates and given(column):
            first, last = expected.dates[name]
            found = estimates.days(column)
            if found is None:
                yield _problem("date format", name, 1, 0, "its values do not read as dates any more")
            elif found[0] < first or found[1] > last:
                beyond = max((first - found[0]).days, (found[1] - last).days)
                yield _problem("dates", name, beyond, 0, f"dates are up to {beyond:,} days outside of those expected")


def _unexpected(column: ColumnProfile, expected: Expectations) -> dict[str, int]:
    """Values that the column may not hold, and how often each was met."""
    allowed = expected.values.get(column.name)
    return {} if allowed is None else {v: n for v, n in categories(column).items() if v not in allowed}


def _against(before: DatasetProfile, now: DatasetProfile, expected: Expectations) -> Iterator[Finding]:
    for name, column in now.columns.items() if expected.psi is not None else ():
        if name in before.columns and not _unexpected(column, expected):  # which says it all
            index, chance = stability(before.columns[name], column)
            if index > max(expected.psi or 0, chance):
                said = (
                    f"its values are distributed differently: a stability index of {index:.2f}, {expected.psi} may be"
                )
                yield _problem("distribution", name, index, expected.psi or 0, said)
    found = vanished_keys(before, now) if expected.vanished is not None else None
    if found and found.share - found.error > (expected.vanished or 0):
        said = f"about {found.share:.0%} of its keys are not there any more, {expected.vanished:.0%} may be"
        yield _problem("vanished keys", found.column, found.share, expected.vanished or 0, said)


def draft(good: DatasetProfile, phi: Phi) -> Expectations:
    """Limits that a good drop meets with room to spare: what its next ones should meet too.

    Rows from two thirds to one and a half times as many; columns that are always filled must stay so, those that mostly
    are may be empty half as often again (a small drop shows little, and is given more room). Values are named only
    where the source declares that it holds no health information, of columns that have few.
    """
    columns = good.columns.items()
    values = {
        name: tuple(sorted(categories(column)))
        for name, column in columns
        if shows_values(phi)
        and categorical(column)
        and len(categories(column)) <= FEW
        and min(categories(column).values()) > RARE  # else there are others, not met yet
        and estimates.format_of(column) is None
    }
    return Expectations(
        rows=(_round(good.rows / 1.5, down=True), _round(good.rows * 1.5)) if good.rows else None,
        nulls={name: _room(missing(c), c.rows) for name, c in columns if c.rows and missing(c) <= MOSTLY},
        values=values,
        lengths={
            name: (column.longest, column.longest)
            for name, column in columns
            if name not in values
            and column.longest
            and column.shortest == column.longest
            and given(column) > FEW
            and estimates.numbers(column) is None
        },
        psi=0.2,
    )


FEW = 20
"""So many values, at most, may be named; and from so many on a length that all have is taken for meant."""

RARE = 2
"""Times that a value was met up to which it says that there may be more."""

MOSTLY = 0.2
"""Share of rows without a value up to which a column is mostly filled."""


def _room(share: float, rows: int) -> float:
    """Half as much again; what was never empty in a thousand rows must never be."""
    return 0.0 if not share and rows >= 1000 else min(1.0, ceil((share * 1.5 + max(0.005, 5 / rows)) * 1000) / 1000)


def _round(number: float, *, down: bool = False) -> int:
    """To two digits."""
    unit: int = 10 ** max(0, floor(log10(max(number, 1))) - 1)
    return (floor(number / unit) if down else ceil(number / unit)) * int(unit)


def code(expected: Expectations) -> str:
    """It as Python, to paste behind `expect=` in the source's file."""
    lines = []
    for name in Expectations.model_fields:
        value = getattr(expected, name)
        if isinstance(value, dict) and value:
            rows = "".join(f"        {_written(key)}: {_written(held)},\n" for key, held in value.items())
            lines.append(f"    {name}={{\n{rows}    }},\n")
        elif value is not None and value != {}:
            lines.append(f"    {name}={_written(value)},\n")
    return f"Expectations(\n{''.join(lines)})"


def _written(value: object) -> str:
    """As the house's formatter writes it, with underscores in thousands."""
    if isinstance(value, tuple):
        inside = ", ".join(map(_written, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, date):
        return f"date({value.year}, {value.month}, {value.day})"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return f"{value:_}" if isinstance(value, int) else repr(value)
