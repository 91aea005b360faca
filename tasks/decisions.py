"""What engineers decided about a source: who, when and why. Kept in the lake, beside its data: it outlives a purge."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from blocks.errors import Conflict
from blocks.lake import Lake
from tasks.drop import Drop

Verb = Literal["hold", "release", "accept", "rollback", "purge", "optimise", "expire"]

ROUTINE: tuple[Verb, ...] = ("optimise", "expire")
"""Verbs that change nothing of what the lake says, and so want no reason."""


class Refused(ValueError):
    """A decision that cannot be made as things stand; the message says how they stand."""


class Decision(BaseModel, frozen=True):
    """One decision; `drop` None: on the whole source. `revision` is the drop's that was accepted.

    `table` is the one that was rolled back. `found` says what came of it; None where that is not known: it is being
    done, or was interrupted.
    """

    verb: Verb
    drop: str | None = None
    revision: int | None = None
    table: str | None = None
    reason: str | None = Field(default=None, min_length=3)
    actor: str = Field(min_length=1)
    at: datetime
    found: str | None = None

    @model_validator(mode="after")
    def _has_a_reason(self) -> Self:
        if self.reason is None and self.verb not in ROUTINE:
            raise ValueError(f"{self.verb} wants a reason")
        return self

    def __str__(self) -> str:
        return f"{self.verb}: {self.why}"

    @property
    def why(self) -> str:
        """Reason, actor and time, in a line."""
        return f"{self.reason or 'no reason given'} ({self.actor}, {self.at:%Y-%m-%d %H:%M} UTC)"


class Decisions(BaseModel, frozen=True):
    """All decisions on a source, in the order in which they were made."""

    source: str
    made: tuple[Decision, ...] = ()

    @property
    def held(self) -> Decision | None:
        """Why nothing of the source is done at present; None where it is not held."""
        return self.hold_of(None)

    @property
    def held_drops(self) -> dict[str, Decision]:
        """Why drops are held, by key: nothing is done with them, and they have no say in `current`."""
        keys = dict.fromkeys(d.drop for d in self.made if d.drop is not None)
        return {key: hold for key in keys if (hold := self.hold_of(key))}

    def accepted(self, drop: Drop) -> Decision | None:
        """Why a drop is taken though it is over its reject limit or a check failed; None where that is not so.

        What was accepted is one revision of the drop: another one is looked at anew.
        """
        found = [d for d in self.made if (d.verb, d.drop, d.revision) == ("accept", drop.key, drop.revision)]
        return found[-1] if found else None

    @property
    def interrupted(self) -> list[Decision]:
        """Decisions of which nobody knows what came, unless the same was decided again since."""
        last = {("hold" if d.verb == "release" else d.verb, d.drop, d.table): d for d in self.made}
        return [decision for decision in last.values() if decision.found is None]

    def last(self, drop: str | None) -> Decision | None:
        """The last hold or release of a drop, None: of the whole source."""
        return next((d for d in reversed(self.made) if d.verb in ("hold", "release") and d.drop == drop), None)

    def hold_of(self, drop: str | None) -> Decision | None:
        """The hold that stands of a drop, None: of the whole source."""
        last = self.last(drop)
        return last if last and last.verb == "hold" else None


def read(lake: Lake, source: str) -> Decisions:
    """What was decided about a source."""
    return _read(lake, source)[0]


def record(
    lake: Lake, source: str, *decided: Decision, allowed: Callable[[Decisions], None] | None = None
) -> Decisions:
    """Add decisions, all or none; `allowed` is asked, with those before, whether they may be made, raises where not.

    Of two that are recorded at once, the later one is asked for with the earlier among those before it.
    """

    def added(before: Decisions) -> tuple[Decision, ...]:
        if set(decided) <= set(before.made):  # sent twice, as the first answer was lost
            return before.made
        if allowed is not None:
            allowed(before)
        return (*before.made, *decided)

    return _change(lake, source, added)


def conclude(lake: Lake, source: str, decided: Iterable[Decision], found: str) -> Decisions:
    """Note what came of decisions that were recorded before they were carried out."""
    done = set(decided)
    return _change(
        lake, source, lambda now: tuple(d.model_copy(update={"found": found}) if d in done else d for d in now.made)
    )


@retry(
    retry=retry_if_exception_type(Conflict),
    stop=stop_after_attempt(20),
    wait=wait_random_exponential(multiplier=0.1, max=2),
    reraise=True,
)
def _change(lake: Lake, source: str, change: Callable[[Decisions], tuple[Decision, ...]]) -> Decisions:
    before, version = _read(lake, source)
    now = before.model_copy(update={"made": change(before)})
    if now != before:
        lake.put(_path(lake, source), now.model_dump_json(indent=1, exclude_none=True).encode(), version)
    return now


def _read(lake: Lake, source: str) -> tuple[Decisions, str | None]:
    found = lake.read(_path(lake, source))
    return (Decisions.model_validate_json(found[0]), found[1]) if found else (Decisions(source=source), None)


def _path(lake: Lake, source: str) -> str:
    return lake.path("decisions", f"{source}.json")
