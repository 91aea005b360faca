"""What a report tells: of one dataset in one drop, beside the drops before it."""

from datetime import datetime

from pydantic import BaseModel

from spark.profiling.findings import SEVERITIES, Finding
from spark.profiling.profiles import DatasetProfile
from spark.profiling.recognised import Recognised
from spark.profiling.shown import Example, Phi

OFTEN = 0.01
"""Share of a column's values from which on the report warns of those that could not be used."""


class File(BaseModel, frozen=True):
    """A file as it was delivered; `bytes` None where nobody knows its size."""

    name: str
    bytes: int | None


class Refused(BaseModel, frozen=True):
    """Records that could not be read, for one reason, and the first of them."""

    reason: str
    records: int
    examples: tuple[Example, ...] = ()


class Lost(BaseModel, frozen=True):
    """Values of a column of a common schema that could not be used, of those that were `given`."""

    column: str
    made_of: tuple[str, ...]
    values: int
    given: int
    examples: tuple[Example, ...] = ()

    @property
    def share(self) -> float:
        """Of the values that were given."""
        return self.values / self.given


class Unfit(BaseModel, frozen=True):
    """What of a drop's datasets, together, did not fit the common schema `to`, as the transform counts it.

    By reason records that are held, and by column values that are lost; where some of each stand; and by which of the
    datasets' columns those of the schema are made.
    """

    to: str
    datasets: tuple[str, ...]
    reasons: dict[str, int] = {}
    held_at: dict[str, tuple[Example, ...]] = {}
    given: dict[str, int] = {}
    lost: dict[str, int] = {}
    lost_at: dict[str, tuple[Example, ...]] = {}
    made_of: dict[str, tuple[str, ...]] = {}

    @property
    def held(self) -> tuple[Refused, ...]:
        """Records that lack what they must have, or contradict others, most frequent reason first."""
        by_number = sorted(self.reasons.items(), key=lambda one: (-one[1], one[0]))
        return tuple(Refused(reason=why, records=n, examples=self.held_at.get(why, ())) for why, n in by_number)

    @property
    def values(self) -> tuple[Lost, ...]:
        """Columns that lost values, most first."""
        found = [
            Lost(
                column=name,
                made_of=self.made_of.get(name, ()),
                values=n,
                given=self.given[name],
                examples=self.lost_at.get(name, ()),
            )
            for name, n in self.lost.items()
        ]
        return tuple(sorted(found, key=lambda lost: (-lost.values, lost.column)))


class Earlier(BaseModel, frozen=True):
    """The dataset in a drop before this one."""

    drop: str
    profile: DatasetProfile


class Report(BaseModel, frozen=True):
    """All that a page shows. `as_of` is UTC; `earlier` are the last drops of the same kind before it, oldest first.

    `beside` is the one of them that it is compared with; None where there is none. `broken` are expectations that the
    drop does not meet, `changed` what is not as in that one; `located` has, by what a finding says of itself (`str`),
    records at which it shows. `unfit` has what common schemas it was made of.
    """

    source: str
    dataset: str
    drop: str
    as_of: datetime
    kind: str
    revision: int
    phi: Phi
    now: DatasetProfile
    files: tuple[File, ...] = ()
    refused: tuple[Refused, ...] = ()
    unfit: tuple[Unfit, ...] = ()
    earlier: tuple[Earlier, ...] = ()
    beside: str | None = None
    recognised: dict[str, Recognised] = {}
    broken: tuple[Finding, ...] = ()
    changed: tuple[Finding, ...] = ()
    located: dict[str, tuple[Example, ...]] = {}

    @property
    def before(self) -> DatasetProfile | None:
        """The dataset in the drop that this one is compared with."""
        return next((earlier.profile for earlier in self.earlier if earlier.drop == self.beside), None)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong, the gravest first; what breaks an expectation is not told a second time as a change."""
        told = {(finding.kind, finding.column) for finding in self.broken}
        changed = [finding for finding in self.changed if (finding.kind, finding.column) not in told]
        return tuple(sorted([*self.broken, *changed], key=lambda finding: SEVERITIES.index(finding.severity)))

    @property
    def unfit_records(self) -> int:
        """Records that are held, by any common schema."""
        return sum(held.records for unfit in self.unfit for held in unfit.held)

    @property
    def often_lost(self) -> list[Lost]:
        """Columns of which more values could not be used than may happen."""
        return [lost for unfit in self.unfit for lost in unfit.values if lost.share >= OFTEN]

    @property
    def refused_records(self) -> int:
        """Records that could not be read."""
        return sum(refused.records for refused in self.refused)
