"""What a finding is, of a drop beside an earlier one or beside what is expected of it."""

from typing import Literal

from pydantic import BaseModel, Field

from spark.profiling.profiles import DatasetProfile

Kind = Literal[
    "rows",
    "missing column",
    "new column",
    "type",
    "nulls",
    "distribution",
    "new values",
    "vanished values",
    "vanished keys",
    "patterns",
    "lengths",
    "date format",
    "dates",
]
"""What may be found, in the order in which findings of one column stand."""

Severity = Literal["problem", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("problem", "warning", "info")


class Finding(BaseModel, frozen=True):
    """Something that is not as it was, or not as it is expected to be; `column` None: of the dataset as a whole.

    `measured` is what was found and `limit` what it was held against: shares, a population stability index, rows,
    characters or days, by `kind`. `sentence` follows the column's name, and shows no value. `values` are those that it
    speaks of: `shown.shown` says how they may be seen.
    """

    kind: Kind
    column: str | None = None
    severity: Severity
    measured: float
    limit: float
    sentence: str
    values: tuple[str, ...] = Field(default=(), repr=False)

    def __str__(self) -> str:
        return f"{self.column}: {self.sentence}" if self.column else self.sentence


def in_order(findings: list[Finding], profile: DatasetProfile) -> tuple[Finding, ...]:
    """By severity, then as the columns stand."""
    place = {name: at for at, name in enumerate(profile.columns)}
    return tuple(sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), place.get(f.column or "", -1))))


def span(least: int, most: int) -> str:
    """Such as 5 to 10, or 5 alone."""
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def percent(share: float) -> str:
    """A share, of which what is little does not look like nothing."""
    if 0 < share < 0.001:
        return "less than 0.1%"
    return f"{share:.0%}" if share in (0, 1) else f"{share:.1%}"
