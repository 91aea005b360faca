"""cadence: when drops are expected, and which are overdue."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulebase, rrulestr  # type: ignore[import-untyped]
from pydantic import BaseModel, field_validator

from tasks.delivery import Kind

if TYPE_CHECKING:
    from tasks.source import Drop, Source


class Overdue(Exception):
    """A drop that the source's cadence expects is not there."""


class Cadence(BaseModel, frozen=True):
    """When drops are expected.

    `days` are those up to which drops speak, in the source's zone, as a recurrence rule of RFC 5545 (dateutil.rrule):
    `FREQ=MONTHLY;BYDAY=2SU` is each second Sunday of a month, `FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR` each weekday,
    `FREQ=YEARLY;BYMONTH=3,6,9,12;BYMONTHDAY=-1` the end of each quarter. `grace` is how long after the beginning of
    such a day its drop may take to be there. `by="mtime"` goes by the time at which the party wrote the files instead,
    where what drops speak up to is no date: where they are numbered.
    """

    days: str
    grace: timedelta
    by: Literal["as_of", "mtime"] = "as_of"

    @field_validator("days")
    @classmethod
    def _rule(cls, days: str) -> str:
        _rule(days)
        return days

    def due(self, at: datetime, zone: ZoneInfo) -> datetime | None:
        """The last day up to which a drop must speak at an instant; the UTC instant at which it begins."""
        day = _rule(self.days).before((at - self.grace).astimezone(zone).replace(tzinfo=None), inc=True)
        return day.replace(tzinfo=zone).astimezone(UTC) if day else None

    def after(self, at: datetime, zone: ZoneInfo) -> datetime | None:
        """The first such day that begins after an instant; the UTC instant at which it begins."""
        day = _rule(self.days).after(at.astimezone(zone).replace(tzinfo=None))
        return day.replace(tzinfo=zone).astimezone(UTC) if day else None


class Expected(BaseModel, frozen=True):
    """A drop of a kind that is to come: it speaks of `day` or of later, and is to be there `by` then, both UTC.

    `newest` is the key of the last one that is there, and `of` the instant that the cadence goes by for it.
    """

    kind: Kind
    day: datetime
    by: datetime
    newest: str | None = None
    of: datetime | None = None

    def late(self, at: datetime) -> bool:
        """Whether it is overdue."""
        return at >= self.by

    def said(self, zone: ZoneInfo) -> str:
        """The drop, by when it is expected, and what there is, with dates in the source's zone."""
        day, by = self.day.astimezone(zone), self.by.astimezone(zone)
        have = f"the newest is {self.newest}, of {self.of.astimezone(zone):%Y-%m-%d}" if self.of else "there is none"
        return f"a drop of {day:%Y-%m-%d} or later ({self.kind}), expected by {by:%Y-%m-%d %H:%M}; {have}"


@cache
def _rule(days: str) -> rrulebase:
    # a beginning that is long ago, and a Monday; a rule for every second week says its own: DTSTART:20260105 RRULE:…
    return rrulestr(days, dtstart=datetime(2001, 1, 1))


def expected(source: "Source", drops: Iterable["Drop"], at: datetime) -> list[Expected]:
    """Of each kind of drop that a source's cadence speaks of the one that is due, or else the next one.

    `drops` are those that landed or are offered. In an environment with `INLET_CADENCE=off`, for demonstrations and old
    data, nothing is ever expected.
    """
    zone, found = ZoneInfo(source.zone), []
    cadences = {} if os.environ.get("INLET_CADENCE") == "off" else source.cadence
    there = list(drops) if cadences else []
    for kind, cadence in cadences.items():
        due = cadence.due(at, zone)
        stands = ((_stands(drop, cadence), drop.key) for drop in there if drop.kind == kind)
        of, newest = max(stands, default=(None, None))
        if of is not None and (due is None or of >= due):
            day = cadence.after(of, zone)
        else:
            day = due or cadence.after(at - cadence.grace, zone)
        if day is not None:
            found.append(Expected(kind=kind, day=day, by=day + cadence.grace, newest=newest, of=of))
    return found


def overdue(source: "Source", drops: Iterable["Drop"], at: datetime) -> list[str]:
    """Of each kind of drop that should be there at an instant and is not, which, since when, and what the newest is."""
    return [drop.said(ZoneInfo(source.zone)) for drop in expected(source, drops, at) if drop.late(at)]


def _stands(drop: "Drop", cadence: Cadence) -> datetime:
    """The instant by which a cadence goes; where nobody knows when a drop was written, that up to which it speaks."""
    written = [file.mtime for file in drop.files if file.mtime]
    return max(written) if written and cadence.by == "mtime" else drop.as_of
