"""When drops are expected, and which are overdue: the publishers' own calendars."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from flows.nppes import NPPES
from tasks.cadence import Cadence, expected, overdue
from tasks.source import Drop, Kind, Offered

NEW_YORK = ZoneInfo("America/New_York")
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("days", "grace", "at", "due"),
    [
        ("FREQ=MONTHLY;BYDAY=2SU", 14 * DAY, "2026-11-21T23:59", "2026-10-11"),  # NPPES, the month
        ("FREQ=MONTHLY;BYDAY=2SU", 14 * DAY, "2026-11-22T00:00", "2026-11-08"),
        ("FREQ=WEEKLY;BYDAY=SU", 7 * DAY, "2026-11-24T12:00", "2026-11-15"),
        ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", 30 * DAY / 24, "2026-11-23T05:00", "2026-11-20"),  # Monday: Friday's
        ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", 30 * DAY / 24, "2026-11-24T06:00", "2026-11-23"),
        ("FREQ=YEARLY;BYMONTH=3,6,9,12;BYMONTHDAY=-1", 20 * DAY, "2026-10-19T12:00", "2026-06-30"),  # FAERS
        ("FREQ=YEARLY;BYMONTH=3,6,9,12;BYMONTHDAY=-1", 20 * DAY, "2026-10-20T12:00", "2026-09-30"),
        ("FREQ=YEARLY;BYMONTH=6;BYMONTHDAY=30", 2 * DAY, "2027-06-30T12:00", "2026-06-30"),  # Open Payments
        ("FREQ=YEARLY;BYMONTH=1,6;BYMONTHDAY=1", 31 * DAY, "2027-02-01T00:00", "2027-01-01"),  # and its refresh
        ("FREQ=DAILY", DAY, "2026-03-09T00:30", "2026-03-08"),  # the clocks went forward in the night
        ("DTSTART:20260105 RRULE:FREQ=WEEKLY;INTERVAL=2", DAY, "2026-01-25T00:00", "2026-01-19"),
        ("DTSTART:20270101 RRULE:FREQ=DAILY", DAY, "2026-11-24T00:00", None),
    ],
)
def test_the_day_that_is_due(days: str, grace: timedelta, at: str, due: str | None) -> None:
    found = Cadence(days=days, grace=grace).due(datetime.fromisoformat(at).replace(tzinfo=NEW_YORK), NEW_YORK)
    assert found == (datetime.fromisoformat(due).replace(tzinfo=NEW_YORK) if due else None)


def test_a_rule_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="FREQ"):
        Cadence(days="FREQ=FORTNIGHTLY", grace=DAY)


def drop(key: str, as_of: str, kind: Kind, written: datetime | None = None) -> Drop:
    instant = datetime.fromisoformat(as_of).replace(tzinfo=NEW_YORK).astimezone(UTC)
    files = (Offered(name=key, size=1, mtime=written),)
    return Drop(source="nppes", key=key, as_of=instant, kind=kind, revision=1, files=files)


MONTH, WEEK = drop("2026-11", "2026-11-08", "full"), drop("2026-11-15", "2026-11-15", "incremental")
LIST = drop("deactivated-2026-11-10", "2026-11-10", "deletions")


@pytest.mark.parametrize(
    ("drops", "at", "late"),
    [
        ([MONTH, WEEK, LIST], "2026-11-24", []),
        (
            [MONTH, WEEK],
            "2026-11-24",
            ["a drop of 2026-10-01 or later (deletions), expected by 2026-10-29 00:00; there is none"],
        ),
        (
            [MONTH, WEEK, LIST],
            "2026-11-29",
            [
                "a drop of 2026-11-22 or later (incremental), expected by 2026-11-29 00:00; "
                "the newest is 2026-11-15, of 2026-11-15"
            ],
        ),
    ],
)
def test_each_kind_has_its_own(drops: list[Drop], at: str, late: list[str]) -> None:
    assert overdue(NPPES, drops, datetime.fromisoformat(at).replace(tzinfo=NEW_YORK)) == late


@pytest.mark.parametrize(
    ("drops", "next_"),
    [
        (
            [MONTH, WEEK, LIST],
            {
                "full": ("2026-12-13", "2026-12-27"),
                "incremental": ("2026-11-22", "2026-11-29"),
                "deletions": ("2026-12-01", "2026-12-29"),
            },
        ),
        (
            [LIST],  # what is overdue comes next
            {
                "full": ("2026-11-08", "2026-11-22"),
                "incremental": ("2026-11-15", "2026-11-22"),
                "deletions": ("2026-12-01", "2026-12-29"),
            },
        ),
    ],
)
def test_the_drop_that_comes_next(drops: list[Drop], next_: dict[str, tuple[str, str]]) -> None:
    found = expected(NPPES, drops, datetime(2026, 11, 24, tzinfo=NEW_YORK))
    days = {e.kind: tuple(f"{at.astimezone(NEW_YORK):%Y-%m-%d}" for at in (e.day, e.by)) for e in found}
    assert days == next_


def test_the_first_drop_is_due_when_the_calendar_begins() -> None:
    begins = Cadence(days="DTSTART:20270101 RRULE:FREQ=DAILY", grace=DAY)
    source = NPPES.model_copy(update={"cadence": {"full": begins}})
    (first,) = expected(source, [], datetime(2026, 11, 24, tzinfo=UTC))
    assert first.day.astimezone(NEW_YORK) == datetime(2027, 1, 1, tzinfo=NEW_YORK)
    assert not first.late(datetime(2026, 11, 24, tzinfo=UTC))


def test_numbered_drops_go_by_when_they_were_written() -> None:
    source = NPPES.model_copy(
        update={"cadence": {"incremental": Cadence(days="FREQ=DAILY", grace=3 * DAY, by="mtime")}}
    )
    at = datetime(2026, 11, 24, tzinfo=UTC)
    assert overdue(source, [drop("2026-1275", "2026-01-01T00:21:15", "incremental", at - DAY)], at) == []
    (late,) = overdue(source, [drop("2026-1275", "2026-01-01T00:21:15", "incremental", at - 5 * DAY)], at)
    assert late.endswith("the newest is 2026-1275, of 2026-11-18")


def test_nothing_is_expected_where_cadences_are_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INLET_CADENCE", "off")
    assert overdue(NPPES, [], datetime(2026, 11, 24, tzinfo=UTC)) == []
