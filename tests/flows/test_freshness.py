"""The hourly look at the lake: what it shows of each source, and that lateness and recovery are told once each."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, temporary_settings

import flows
from blocks.drive import Drive
from blocks.lake import Lake
from flows.freshness import freshness
from tasks import decisions
from tasks.cadence import Cadence
from tasks.decisions import Decision, Verb
from tasks.freshness import Change, tell
from tasks.manifest import now
from tasks.run import Run, running
from tasks.source import Dataset, Delivery, Drop, Offered, Source
from tasks.status import Standing, standing
from tasks.transfer import land
from tests.servers import HTTP, PrefectServer

ROOT = Path(__file__).parents[2]


@dataclass
class Site:
    """A lake with a source whose drops are due daily within 48 hours, and the server that is told."""

    server: PrefectServer
    lake: Lake
    source: Source
    outside: Path

    def lands(self, *days: int) -> None:
        """Drops of so many days ago land, by the transfer's own function."""
        place = Drive(path=self.outside)
        for ago in days:
            day = now() - timedelta(days=ago)
            name = f"things_{day:%Y%m%d}.csv"
            (self.outside / name).write_text("id,paid\n1,2\n")
            with place.connect() as remote:
                (file,) = [Offered(**vars(found)) for found in remote.list() if found.name == name]
            as_of = day.replace(hour=0, minute=0, second=0, microsecond=0)
            drop = Drop(
                source=self.source.slug, key=f"{day:%Y-%m-%d}", as_of=as_of, kind="full", revision=1, files=(file,)
            )
            land(drop, place, self.lake, uuid4().hex)

    def decides(self, verb: Verb) -> None:
        decision = Decision(verb=verb, reason="as agreed", actor="ann", at=now(), found="")
        decisions.record(self.lake, self.source.slug, decision)

    def look(self) -> str:
        """Run the flow; what it says."""
        state: State[Any] = freshness(return_state=True)  # type: ignore[assignment]
        assert state.is_completed(), state.message
        return state.message or ""

    def row(self) -> dict[str, str]:
        """The source's row in the artifact."""
        query = {"artifacts": {"key": {"any_": ["freshness"]}}, "sort": "CREATED_DESC"}
        newest = HTTP.post(f"{self.server.api_url}/artifacts/filter", json=query).json()[0]
        rows = {row["source"]: row for row in json.loads(newest["data"])}
        assert "nppes" in rows, "other sources are shown as well"
        found: dict[str, str] = rows[self.source.slug]
        return found

    def events(self, since: datetime, count: int) -> list[dict[str, Any]]:
        """What was told of the source since an instant, once there is so much."""
        query = {
            "filter": {
                "resource": {"id": [f"inlet.source.{self.source.slug}"]},
                "occurred": {"since": since.isoformat()},
                "order": "ASC",
            }
        }
        found: list[dict[str, Any]] = []
        for _ in range(80):
            time.sleep(0.5)
            found = HTTP.post(f"{self.server.api_url}/events/filter", json=query, timeout=30).json()["events"]
            if len(found) >= count:
                break
        assert len(found) == count, found
        return found


@pytest.fixture
def site(
    prefect_server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Site]:
    """On a lake in a folder, unless the test says another."""
    monkeypatch.setattr(flows, "__path__", [*flows.__path__, str(ROOT / "tests" / "sources")])
    from flows.party import PARTY  # type: ignore[import-not-found]

    outside = tmp_path / "outside"
    outside.mkdir()
    lake: Lake = request.getfixturevalue(getattr(request, "param", "local_lake"))
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        lake.save("lake", overwrite=True)  # type: ignore[call-arg]
        yield Site(prefect_server, lake, PARTY, outside)


ON_BOTH = pytest.mark.parametrize("site", ["local_lake", "s3_lake"], indirect=True)


def day(ago: int) -> str:
    return f"{now() - timedelta(days=ago):%Y-%m-%d}"


@ON_BOTH
def test_lateness_and_recovery_are_shown_always_and_told_once(site: Site) -> None:
    begun = now()
    assert site.look() == "Late: none"  # nobody ever looked for drops of any source
    assert site.row() == {
        "source": "the-party",
        "last drop": "",
        "speaks of": "",
        "landed": "",
        "next expected": f"full of {day(2)} by {day(0)} 00:00",
        "health": "not in use: nobody looked for its drops",
    }

    site.lands(5)
    due, by = day(2), day(0)
    late = f"a drop of {due} or later (full), expected by {by} 00:00; the newest is {day(5)}, of {day(5)}"
    assert site.look() == "Late: the-party; the-party: late (full)"
    assert site.look() == "Late: the-party"
    row = site.row()
    assert (row["last drop"], row["speaks of"]) == (day(5), day(5))
    assert row["landed"].startswith(f"{now():%Y-%m-%d} ")
    assert row["next expected"] == f"full of {due} by {by} 00:00"
    assert row["health"] == f"landed, not through: {day(5)}; is overdue: {late}"

    site.lands(4)  # later, but not what is due
    assert site.look() == "Late: the-party"
    site.lands(1)
    assert site.look() == "Late: none; the-party: recovered (full)"
    assert site.look() == "Late: none"
    assert site.row()["next expected"] == f"full of {day(0)} by {day(-2)} 00:00"

    first, second = site.events(begun, 2)
    assert (first["event"], second["event"]) == ("inlet.drop.late", "inlet.source.recovered")
    assert first["payload"] == {
        "source": "the-party",
        "kind": "full",
        "day": due,
        "newest": day(5),
        "waiting": [],
        "what": late,
    }
    assert second["payload"]["what"] == f"{day(1)} has landed (full); full of {day(0)} by {day(-2)} 00:00"
    assert {"freshness"} == {
        r["prefect.resource.name"] for r in first["related"] if r["prefect.resource.role"] == "flow"
    }


def test_a_source_that_is_held_raises_no_alarm(site: Site) -> None:
    begun = now()
    site.lands(6)
    site.decides("hold")
    assert site.look() == "Late: none"
    assert site.row()["health"].startswith("is held: as agreed (ann, ")
    site.decides("release")
    assert site.look() == "Late: the-party; the-party: late (full)"
    site.decides("hold")
    site.lands(1)
    assert site.look() == "Late: none"  # nor is it said to be well
    site.decides("release")
    assert site.look() == "Late: none; the-party: recovered (full)"
    assert len(site.events(begun, 2)) == 2


def test_nothing_recovers_by_what_is_expected_no_more(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.lands(7)
    assert site.look() == "Late: the-party; the-party: late (full)"
    monkeypatch.setenv("INLET_CADENCE", "off")
    assert site.look() == "Late: none"
    assert site.row()["next expected"] == "no calendar says"
    monkeypatch.delenv("INLET_CADENCE")
    assert site.look() == "Late: the-party"  # as it was told before
    patient = {"full": Cadence(days="FREQ=DAILY", grace=timedelta(days=30))}
    calm = site.source.model_copy(update={"cadence": patient})
    (stands,) = standing([calm], site.lake)
    assert tell(calm, stands, site.lake, now()) == []
    (change,) = tell(site.source, stood(site), site.lake, now())  # late again by the old calendar: that is news
    assert change.event == "inlet.drop.late"


def stood(site: Site) -> Standing:
    (stands,) = standing([site.source], site.lake)
    return stands


@ON_BOTH
def test_of_two_runs_at_once_both_tell_the_same_event_and_one_keeps_it(site: Site) -> None:
    site.lands(8)
    stands, at = stood(site), now()
    assert [c.event for c in tell(site.source, stands, site.lake, at)] == ["inlet.drop.late"]
    path = site.lake.path("landed", "the-party", "_late.json")
    kept = site.lake.read(path)
    assert kept is not None

    class Behind(Lake):
        """A lake that the other run has read before this one wrote."""

        _block_type_slug = "lake-behind"
        _asked = False

        def read(self, where: str) -> tuple[bytes, str] | None:
            asked, self._asked = self._asked, True
            return super().read(where) if asked else None

    behind = Behind(root=site.lake.root, credentials=site.lake.credentials)
    (change,) = tell(site.source, stands, behind, at)
    assert isinstance(change, Change)
    assert site.lake.read(path) == kept


def test_each_kind_is_late_by_itself(site: Site) -> None:
    daily = Cadence(days="FREQ=DAILY", grace=timedelta(hours=48))
    both = site.source.model_copy(update={"cadence": {"full": daily, "deletions": daily}})
    site.lands(1)
    (stands,) = standing([both], site.lake)
    (change,) = tell(both, stands, site.lake, now())
    assert (change.event, change.drop.kind, change.drop.newest) == ("inlet.drop.late", "deletions", None)


def test_a_source_that_was_asked_in_vain_is_late(site: Site) -> None:
    from tasks.discover import discover

    run = Run(source=site.source, lake=site.lake, id="run")
    Drive(path=site.outside).save("the-party", overwrite=True)  # type: ignore[call-arg]
    assert not stood(site).used
    with running(run):
        discover.fn()
    assert stood(site).used
    assert site.look() == "Late: the-party; the-party: late (full)"
    assert site.row()["health"].endswith("there is none")


def test_its_own_file_is_no_drop(site: Site) -> None:
    site.lands(9)
    site.look()
    assert [manifest.drop for manifest in site_manifests(site)] == [day(9)]


def site_manifests(site: Site) -> list[Any]:
    from tasks.manifest import landed

    return list(landed(site.lake, site.source).values())


def test_a_source_without_a_calendar_is_never_late(site: Site) -> None:
    free = Source(
        slug="free",
        at="free",
        deliveries=(Delivery(kind="full", names=".*"),),
        datasets={"a": Dataset(members=".*", reader=site.source.datasets["things"].reader)},
        phi="no",
    )
    (stands,) = standing([free], site.lake)
    assert (stands.expected, stands.overdue, tell(free, stands, site.lake, now())) == ([], [], [])
