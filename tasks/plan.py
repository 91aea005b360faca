"""plan: which drops a run does, which stages of each and why, and how much it reads. It changes nothing.

Drops are chosen from what is offered and what has landed. What is to be done with each is said by the source's own life
of a drop, executed in a dry run: a plan and the doing are one path through the code.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches
from itertools import groupby
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from tasks import manifest
from tasks.cadence import overdue
from tasks.decisions import Decision
from tasks.discover import Offer, Pending, discover
from tasks.run import Run, Step, running
from tasks.source import Drop

Selection = str | list[str] | None
Period = str | int | None
Life = Callable[[Drop], None]
Row = dict[str, str | int]


class Chosen(BaseModel, frozen=True):
    """The drops of a run, in their order, and those that are not complete or are held.

    `nothing` says what there is where no file is the source's; `overdue` which drops should be there and are not.
    """

    drops: tuple[Drop, ...]
    pending: tuple[Pending, ...] = ()
    held: dict[str, Decision] = {}
    nothing: str = ""
    overdue: tuple[str, ...] = ()


class Work(BaseModel, frozen=True):
    """What there is to do with one drop, stage by stage; `error` is why that is not known to its end."""

    drop: Drop
    steps: tuple[Step, ...] = ()
    error: str | None = None

    @property
    def due(self) -> tuple[Step, ...]:
        """The stages that are to be done."""
        return tuple(step for step in self.steps if step.why)

    @property
    def up_to_date(self) -> bool:
        """Whether every stage is done; one whose stages are not known is not."""
        return bool(self.steps) and not self.due and not self.error

    @property
    def bytes(self) -> int:
        """What its stages read, as far as it is in the lake or offered by now."""
        return sum(step.bytes for step in self.due)

    def __str__(self) -> str:
        if self.up_to_date:
            return "up to date"
        stages = [
            f"{', '.join(dict.fromkeys(step.stage for step in steps))} ({why})"
            for why, steps in groupby(self.due, key=lambda step: step.why)
        ]
        return "; ".join([*stages, *([f"cannot be planned further: {self.error}"] if self.error else [])])


class Plan(BaseModel, frozen=True):
    """What a run does: with each of its drops, in their order."""

    chosen: Chosen
    works: tuple[Work, ...]

    @property
    def to_do(self) -> tuple[Drop, ...]:
        """The drops that are not up to date."""
        return tuple(work.drop for work in self.works if not work.up_to_date)

    @property
    def up_to_date(self) -> tuple[Drop, ...]:
        """The drops of which every stage is done."""
        return tuple(work.drop for work in self.works if work.up_to_date)

    @property
    def bytes(self) -> int:
        """What all stages of all drops read."""
        return sum(work.bytes for work in self.works)

    def said(self, what: str, drops: Sequence[Drop], held: Sequence[str] = ()) -> str:
        """The run's message: what came of it for which drops, beside those that are up to date or left out.

        `held` are those that were held since it was planned.
        """
        parts = [f"{what}: {named(drops)}"] if drops else []
        if count := len(self.up_to_date):
            more = f"{count} {'were' if count > 1 else 'was'} up to date"
            parts.append(more if parts else f"Up to date: {named(self.up_to_date)}")
        if not self.works:
            parts.append("Nothing is new" + (f": {self.chosen.nothing}" if self.chosen.nothing else ""))
        left = [f"{key} is held: {decision.why}" for key, decision in self.chosen.held.items()]
        left += [f"{key} was held meanwhile" for key in held]
        if self.chosen.pending:
            left.insert(0, f"{len(self.chosen.pending)} not complete yet")
        return "; ".join([*([", ".join(parts)] if parts else []), *left])

    def total(self) -> str:
        """How many drops each stage is due for, in the order in which a drop meets them."""
        counts = Counter(stage for work in self.works for stage in dict.fromkeys(step.stage for step in work.due))
        stages = dict.fromkeys(step.stage for work in self.works for step in work.steps)
        return ", ".join(f"{stage} {counts[stage]} ×" for stage in stages if counts[stage]) or "nothing"

    def rows(self, zone: str) -> list[Row]:
        """A row per drop, with the total below: drop, kind, as of (a date in `zone`), revision, to do, reads."""
        days = {work.drop.key: f"{work.drop.as_of.astimezone(ZoneInfo(zone)):%Y-%m-%d}" for work in self.works}
        rows = [
            _row(w.drop.key, str(w), w.drop.kind, days[w.drop.key], w.drop.revision, size(w.bytes) if w.due else "")
            for w in self.works
        ]
        rows += [_row(key, f"held: {decision.why}") for key, decision in self.chosen.held.items()]
        rows += [_row(waits.key, f"waits: {waits.reason}") for waits in self.chosen.pending]
        if len(self.works) > 1:
            reads = size(self.bytes) if any(work.due for work in self.works) else ""
            rows.append(_row(f"{len(self.works)} drops", self.total(), reads=reads))
        return rows


def plan(run: Run, life: Life, chosen: Chosen) -> Plan:
    """Let every chosen drop go through its life in a dry run; one that fails in it stops no other.

    Tables are loaded once for all of them.
    """
    steps: list[Step] = []
    with running(replace(run, dry=steps)):
        return Plan(chosen=chosen, works=tuple(_work(life, drop, steps) for drop in chosen.drops))


def _work(life: Life, drop: Drop, steps: list[Step]) -> Work:
    """What a drop's life leaves in `steps`."""
    steps.clear()
    error = None
    try:
        life(drop)
    except Exception as raised:  # the run meets it as well, and says it in full
        error = in_a_line(raised)
    return Work(drop=drop, steps=tuple(steps), error=error)


def choose(
    run: Run,
    drops: Selection = None,
    since: Period = None,
    until: Period = None,
    held: Mapping[str, Decision] | None = None,
) -> Chosen:
    """The drops to do, in their order: new ones that the source offers, and landed ones that are not finished.

    With a selection or a period, every landed drop in it counts too: what is up to date is not done again, and no
    cadence is asked. With `start_from` nobody outside is asked. Forced, a drop that is still there is done as it is
    listed now. Drops that are `held` are left out. Raises `ValueError` for keys that nobody knows or that are held,
    and for periods that are none.
    """
    wanted = None if not drops else [drops] if isinstance(drops, str) else drops
    first, last = period(since)[0] if since else None, period(until)[1] if until else None
    offer = Offer(drops=(), pending=()) if run.start_from else discover()
    landed = manifest.landed(run.lake, run.source)
    chosen = wanted is not None or first is not None or last is not None or run.start_from is not None
    have = {key: m.as_drop() for key, m in landed.items()}
    known = {key: drop for key, drop in have.items() if chosen or landed[key].finished < drop.revision}
    for drop in offer.drops:  # what has landed is among them where the run is forced
        if drop.key in known or drop.key not in have or drop.revision > have[drop.key].revision:
            known[drop.key] = drop
    held = held or {}
    if wanted is not None:
        waiting = {p.key: p.reason for p in offer.pending}
        why = {key: waiting.get(key) or _unknown(key, known) for key in sorted(set(wanted) - known.keys())}
        why |= {
            key: f"held: {held[key].why}; first: inlet release {run.source.slug} {key} --reason …"
            for key in wanted
            if key in held
        }
        if why:
            said = "; ".join(f"{key}: {reason}" for key, reason in why.items())
            raise ValueError(f"{run.source.slug} cannot do {said}")
        known = {key: known[key] for key in wanted}
    inside = [
        drop
        for drop in known.values()
        if (first is None or drop.as_of >= run.source.instant(first))
        and (last is None or drop.as_of < run.source.instant(last))
    ]
    ordered = sorted(inside, key=lambda drop: drop.order)
    return Chosen(
        drops=tuple(drop for drop in ordered if drop.key not in held),
        pending=offer.pending,
        held={drop.key: held[drop.key] for drop in ordered if drop.key in held},
        nothing=offer.nothing,
        overdue=() if chosen else tuple(overdue(run.source, [*have.values(), *offer.drops], manifest.now())),
    )


def period(text: str | int) -> tuple[datetime, datetime]:
    """The first instant of a day, month or year, and the first after it, both without a zone.

    >>> period("2025-12")
    (datetime.datetime(2025, 12, 1, 0, 0), datetime.datetime(2026, 1, 1, 0, 0))
    """
    for pattern in ("%Y-%m-%d", "%Y-%m", "%Y"):
        try:
            start = datetime.strptime(str(text), pattern)
        except ValueError:
            continue
        match pattern:
            case "%Y":
                return start, start.replace(year=start.year + 1)
            case "%Y-%m":
                month = start.year * 12 + start.month
                return start, start.replace(year=month // 12, month=month % 12 + 1)
            case _:
                return start, datetime.fromordinal(start.toordinal() + 1)
    raise ValueError(f"{text!r} is no day, month or year, such as 2025-12-31, 2025-12 or 2025")


def named(drops: Sequence[Drop]) -> str:
    """Drops in a message: a few by their keys, many by how many they are, and the first and last of them."""
    keys = [drop.key for drop in drops]
    return ", ".join(keys) if len(keys) <= 3 else f"{len(keys)} drops ({keys[0]} … {keys[-1]})"


def size(count: int) -> str:
    """Bytes as people read them.

    >>> size(1_234_567), size(999)
    ('1.2 MB', '999 bytes')
    """
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            return f"{count / unit:,.1f} {name}"
    return f"{count} bytes"


def in_a_line(error: BaseException) -> str:
    """An error as the plan, the manifest and `inlet status` show it; the whole of a foreign one is in the log."""
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first[:500]}"


def _unknown(key: str, known: Mapping[str, Drop]) -> str:
    """Why a key cannot be done, with the keys that may be meant, else the latest."""
    latest = sorted(known, key=lambda k: known[k].order, reverse=True)[:3]
    meant = get_close_matches(key, known, cutoff=0.8) or latest
    return "neither offered nor landed" + (f" (there is {', '.join(meant)})" if meant else "")


def _row(drop: str, to_do: str, kind: str = "", as_of: str = "", revision: int | str = "", reads: str = "") -> Row:
    return {"drop": drop, "kind": kind, "as of": as_of, "revision": revision, "to do": to_do, "reads": reads}
