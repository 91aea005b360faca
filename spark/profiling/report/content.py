"""What a report tells: of one dataset in one drop, beside the drops before it."""

from datetime import datetime

from pydantic import BaseModel

from spark.profiling.findings import SEVERITIES, Finding
from spark.profiling.profiles import DatasetProfile
from spark.profiling.recognised import Recognised
from spark.profiling.shown import Phi


class File(BaseModel, frozen=True):
    """A file as it was delivered; `bytes` None where nobody knows its size."""

    name: str
    bytes: int | None


class Example(BaseModel, frozen=True):
    """Where to look: a record of a plain file, counted from 1, and what stands there, as it may be seen."""

    file: str
    record: int
    text: str = ""


class Refused(BaseModel, frozen=True):
    """Records that could not be read, for one reason, and the first of them."""

    reason: str
    records: int
    examples: tuple[Example, ...] = ()


class Earlier(BaseModel, frozen=True):
    """The dataset in a drop before this one."""

    drop: str
    profile: DatasetProfile


class Report(BaseModel, frozen=True):
    """All that a page shows. `as_of` is UTC; `earlier` are the last drops of the same kind before it, oldest first.

    `beside` is the one of them that it is compared with; None where there is none. `broken` are expectations that the
    drop does not meet, `changed` what is not as in that one; `located` has, by what a finding says of itself (`str`),
    records at which it shows.
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
    def refused_records(self) -> int:
        """Records that could not be read."""
        return sum(refused.records for refused in self.refused)
