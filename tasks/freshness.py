"""freshness: whether each source's drops come when they should, told once when they do not and once when they do again.

What was told stands in the lake, `landed/<source>/_late.json`, by conditional put: an event is no state, and a run of
this hour knows nothing of the last hour's. It is written after the events are emitted, so that of a run that dies
between the two the next one tells again, under the same ids.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from blocks.errors import Conflict
from blocks.lake import Lake
from tasks import metrics
from tasks.cadence import Expected
from tasks.delivery import Kind
from tasks.events import Happened, emit
from tasks.manifest import folder
from tasks.source import Source
from tasks.status import Standing

Row = dict[str, str]


class Told(BaseModel, frozen=True):
    """Of each kind of drop that was told to be late the day that it had to speak of first."""

    since: dict[Kind, datetime] = {}


class Change(BaseModel, frozen=True):
    """A kind of drop of a source that has become late, or is there again."""

    event: Happened
    drop: Expected
    day: datetime


def tell(source: Source, stands: Standing, lake: Lake, at: datetime) -> list[Change]:
    """Emit `inlet.drop.late` and `inlet.source.recovered` for what has changed since it was told last; the changes.

    Of a lateness it is told once, however many days pass. A source that is held, or for whose drops nobody ever looked,
    is not late.
    """
    if stands.held or not stands.used:
        return []
    path = lake.path(*folder(source.slug), "_late.json")
    found = lake.read(path)
    before, version = (Told.model_validate_json(found[0]), found[1]) if found else (Told(), None)
    changes = list(_changes(stands, before, at))
    late = {drop.kind for drop in stands.expected if drop.late(at)}
    # a kind of which nothing is expected for the time being (INLET_CADENCE=off) stays what it was
    kinds = late | (before.since.keys() - {drop.kind for drop in stands.expected})
    days = {drop.kind: drop.day for drop in stands.expected} | before.since
    after = Told(since={kind: days[kind] for kind in sorted(kinds)})
    for change in changes:
        _emit(source, stands, change, lake)
    if after != before:
        with suppress(Conflict):  # another run has just told it
            lake.put(path, after.model_dump_json(indent=1).encode(), version)
    return changes


def _changes(stands: Standing, before: Told, at: datetime) -> Iterator[Change]:
    for drop in stands.expected:
        day = before.since.get(drop.kind)
        if drop.late(at) and day is None:
            yield Change(event="inlet.drop.late", drop=drop, day=drop.day)
        elif not drop.late(at) and day is not None and drop.of and drop.of >= day:  # else the calendar was changed
            yield Change(event="inlet.source.recovered", drop=drop, day=day)


def _emit(source: Source, stands: Standing, change: Change, lake: Lake) -> None:
    drop, zone = change.drop, ZoneInfo(source.zone)
    here = f"{drop.newest} has landed" if drop.newest else "nothing has landed"
    emit(
        change.event,
        source.slug,
        id=uuid5(NAMESPACE_URL, f"{lake.url()}/{source.slug}/{drop.kind}/{change.day.isoformat()}/{change.event}"),
        kind=drop.kind,
        day=f"{change.day.astimezone(zone):%Y-%m-%d}",
        newest=drop.newest,
        waiting=stands.pending[:12],
        what=drop.said(zone) if change.event == "inlet.drop.late" else f"{here} ({drop.kind}); {_next(drop, zone)}",
    )


def measure(stands: Standing, at: datetime) -> None:
    """How far behind now the last drop is that landed, and the last one that went all the way."""
    for zone, as_of in (("landed", stands.last_as_of), ("current", stands.through_as_of)):
        if as_of:
            metrics.lag(stands.source, zone, (at - as_of).total_seconds())


def row(source: Source, stands: Standing) -> Row:
    """A source in the table: its last drop, when the next one is expected, and its health in plain words."""
    zone, slug = ZoneInfo(source.zone), source.slug
    notes = [note.removeprefix(slug).lstrip(": ") for note in stands.notes()]
    return {
        "source": slug,
        "last drop": stands.last_drop or "",
        "speaks of": f"{stands.last_as_of.astimezone(zone):%Y-%m-%d}" if stands.last_as_of else "",
        "landed": f"{stands.last_landed_at:%Y-%m-%d %H:%M} UTC" if stands.last_landed_at else "",
        "next expected": "; ".join(_next(drop, zone) for drop in stands.expected) or "no calendar says",
        "health": ("; ".join(notes) or "as it should be") if stands.used else "not in use: nobody looked for its drops",
    }


def _next(drop: Expected, zone: ZoneInfo) -> str:
    return f"{drop.kind} of {drop.day.astimezone(zone):%Y-%m-%d} by {drop.by.astimezone(zone):%Y-%m-%d %H:%M}"
