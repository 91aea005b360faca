"""What Prefect is told of a source and its drops: each event really happens, and no value of a record is in it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any
from uuid import uuid4

import pytest
from prefect import flow
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

import flows
from blocks.drive import Drive
from blocks.lake import Lake
from tasks.drop import Drop, Offered
from tasks.manifest import now
from tasks.run import Run, running
from tasks.source import Source
from tasks.transfer import transfer
from tests import servers
from tests.servers import HTTP, PrefectServer

ROOT = Path(__file__).parents[2]
SECRET = "Xanthippe"  # in every drop, as an id

Event = dict[str, Any]


def told(server: PrefectServer, *, count: int, of: str = "the-party", seconds: float = 60) -> list[Event]:
    """The events of a source, in their order, once there are so many: the server writes them every few seconds."""
    deadline, found = time.monotonic() + seconds, []
    query = {"filter": {"resource": {"id": [f"inlet.source.{of}"]}, "order": "ASC"}, "limit": 50}
    while len(found) < count and time.monotonic() < deadline:
        time.sleep(0.5)
        found = HTTP.post(f"{server.api_url}/events/filter", json=query, timeout=30).json()["events"]
    assert len(found) == count, [event["event"] for event in found]
    return found


def related(event: Event, role: str) -> list[str]:
    """The identifiers of an event's related resources that have a role."""
    return [r["prefect.resource.id"] for r in event["related"] if r["prefect.resource.role"] == role]


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Event]]:
    """What is told of drops of which one is published, and the others are each stopped by something else."""
    servers.require("java", "there is no Java")
    home = tmp_path_factory.mktemp("party")
    days = [now() - timedelta(days=n) for n in range(10, 4, -1)]
    contents = {
        "wrong": "id,amount\nXanthippe,2\n2,3\n",  # the mapping names a column that no drop has yet
        "good": "id,paid\nXanthippe,2\n2,3\n",
        "good again": "id,paid\nXanthippe,2\n2,3\n",  # the same rows, and so nothing but a drop
        "rejected": "id,paid\nXanthippe,2,3\n2,3\n",
        "held": "id,paid\nXanthippe,much\n2,more\n3,4\n",
        "gained": "id,paid,colour\nXanthippe,2,red\n2,3,blue\n",
    }
    with pytest.MonkeyPatch.context() as patch, servers.prefect(home) as server:
        patch.setattr(flows, "__path__", [*flows.__path__, str(ROOT / "tests" / "sources")])
        patch.setenv("SPARK_LOCAL_DIRS", str(home))
        patch.setenv("INLET_SPARK_MASTER", os.environ.get("INLET_SPARK_MASTER", "local[2]"))
        patch.setenv("INLET_CADENCE", "off")
        from flows.party import party  # type: ignore[import-not-found]

        (home / "outside").mkdir()
        with temporary_settings({PREFECT_API_URL: server.api_url}):
            Drive(path=home / "outside").save("the-party")  # type: ignore[call-arg]
            Lake(root=f"{home}/lake").save("lake")  # type: ignore[call-arg]
            for day, text in zip(days, contents.values(), strict=True):
                (home / "outside" / f"things_{day:%Y%m%d}.csv").write_text(text)
            state = party(return_state=True)
            assert state.name == "DropsFailed", state.message
            # each poll finds again what failed: its rejects are counted anew, its checks are not
            assert party(return_state=True).name == "DropsFailed"
        yield told(server, count=22)


Find = Callable[[str], list[Event]]


@pytest.fixture
def find(events: list[Event]) -> Find:
    return lambda name: [event for event in events if event["event"] == name]


def key(days: int) -> str:
    return f"{now() - timedelta(days=days):%Y-%m-%d}"


def test_every_event_names_its_source_drop_and_run(events: list[Event]) -> None:
    for event in events:
        assert event["resource"]["prefect.resource.name"] == event["payload"]["source"] == "the-party"
        (drop,) = related(event, "drop")
        assert drop == f"inlet.drop.the-party.{event['payload']['drop']}"
        assert len(related(event, "flow-run")) == len(related(event, "flow")) == 1


def test_no_event_has_a_value_of_a_record(events: list[Event]) -> None:
    assert SECRET not in json.dumps(events)
    assert "much" not in json.dumps(events)


def test_what_lands_is_told_once(find: Find) -> None:
    landed = find("inlet.drop.landed")
    assert [event["payload"]["drop"] for event in landed] == [key(n) for n in range(10, 4, -1)]
    assert landed[1]["payload"] == {
        "source": "the-party",
        "drop": key(9),
        "files": 1,
        "bytes": len("id,paid\nXanthippe,2\n2,3\n"),
    }


def test_data_of_which_nobody_said_whose_they_are_are_flagged(find: Find) -> None:
    flagged = find("inlet.compliance.flagged")
    assert [event["payload"]["drop"] for event in flagged] == [key(n) for n in range(10, 4, -1)]
    assert flagged[0]["payload"]["what"].endswith("phi is unknown")


def test_what_is_published_is_told(find: Find) -> None:
    published = find("inlet.drop.published")
    assert [event["payload"]["applied"] for event in published] == [[key(9)], [key(8)], [key(5)]]
    assert [related(event, "schema") for event in published] == [["inlet.schema.thing"]] * 3
    assert published[0]["payload"]["rows"] == 2


def test_too_many_rejects_are_told(find: Find) -> None:
    for event in find("inlet.drop.rejected"):
        assert related(event, "dataset") == ["inlet.dataset.the-party.things"]
        about = event["payload"]
        assert (about["drop"], about["rejected"], about["records"]) == (key(7), 1, 2)
        assert about["what"].startswith(f"the-party {key(7)} things: 1 of 2 records (1 × ")
    assert len(find("inlet.drop.rejected")) == 2  # each run finds it anew; its automation tells it once


def test_a_drop_that_fails_its_checks_is_told_when_it_is_judged(find: Find) -> None:
    first, later = find("inlet.drop.held")
    assert (first["payload"]["drop"], first["payload"]["held"]) == (key(6), 2)
    assert later["payload"]["drop"] == key(10)  # whose column is there by then, from later drops, and empty
    for event in (first, later):
        assert "look at held.thing" in event["payload"]["what"]
        assert related(event, "schema") == ["inlet.schema.thing"]


def test_drift_is_told_as_it_is_taken_and_as_it_is_refused(find: Find) -> None:
    refused, changed, gained = find("inlet.schema.drifted")
    assert (refused["payload"]["drop"], refused["payload"]["refused"]) == (key(10), True)
    assert related(refused, "schema") == ["inlet.schema.thing"]
    assert "paid" in refused["payload"]["what"]
    assert (changed["payload"]["drop"], changed["payload"]["refused"]) == (key(9), False)
    assert (changed["payload"]["gained"], changed["payload"]["lost"]) == (["paid"], ["amount"])
    assert related(changed, "dataset") == ["inlet.dataset.the-party.things"]
    assert (gained["payload"]["drop"], gained["payload"]["gained"]) == (key(5), ["colour"])


@pytest.mark.parametrize(
    ("phi", "kms_key", "why"),
    [
        ("yes", None, "it holds people's data, and the lake's block names no KMS key"),
        ("yes", "alias/lake", None),
        ("no", None, None),
    ],
)
def test_peoples_data_want_a_key(
    phi: str, kms_key: str | None, why: str | None, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    slug = f"keyed-{uuid4().hex[:8]}"
    source = Source(slug=slug, at=slug, deliveries=(), datasets={}, phi=phi)  # type: ignore[arg-type]
    place = Drive(path=tmp_path)
    (tmp_path / "a.csv").write_text("id\n1\n")
    with place.connect() as remote:
        files = tuple(Offered(**vars(file)) for file in remote.list())
    drop = Drop(source=slug, key="a", as_of=now(), kind="full", revision=1, files=files)

    @flow
    def lands() -> None:
        with running(Run(source=source, lake=Lake(root=f"{tmp_path}/lake", kms_key=kms_key), id="run")):
            transfer(drop)
            transfer(drop)  # nothing new

    EventsWorker.drain_all(timeout=30)  # else this process goes on to tell the other tests' server
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        place.save(slug)  # type: ignore[call-arg]
        lands()
    landed, *flagged = told(prefect_server, count=2 if why else 1, of=slug)
    assert landed["event"] == "inlet.drop.landed"
    assert [event["payload"]["what"] for event in flagged] == ([why] if why else [])


def run(script: str, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return subprocess.run(
        [sys.executable, "-c", dedent(script)],
        env=kept | {"PYTHONPATH": str(ROOT)} | env,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_what_a_process_tells_last_arrives_before_it_is_gone(prefect_server: PrefectServer) -> None:
    done = run(
        """
        from prefect import flow
        from tasks.events import emit

        @flow
        def short():
            for n in range(100):
                emit("inlet.drop.late", "short-lived", kind="full", n=n)

        short()
        """,
        **prefect_server.env,
    )
    assert done.returncode == 0, done.stderr
    query = {"filter": {"resource": {"id": ["inlet.source.short-lived"]}}, "limit": 1}
    for _ in range(60):
        if HTTP.post(f"{prefect_server.api_url}/events/filter", json=query, timeout=30).json()["total"] == 100:
            return
        time.sleep(0.5)
    pytest.fail("not all events arrived")


def test_without_a_server_nothing_is_told_and_none_is_started(tmp_path: Path) -> None:
    done = run(
        """
        from prefect.events.worker import EventsWorker
        from tasks.events import emit

        emit("inlet.drop.late", "nobody")
        assert not EventsWorker._instances
        """,
        PREFECT_HOME=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr


def test_a_server_that_is_gone_delays_and_fails_nothing(tmp_path: Path) -> None:
    done = run(
        """
        import time
        from tasks.events import emit

        begun = time.monotonic()
        emit("inlet.drop.late", "nobody")
        print(time.monotonic() - begun)
        """,
        PREFECT_HOME=str(tmp_path),
        PREFECT_API_URL=f"http://127.0.0.1:{servers.free_port()}/api",
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 2


def test_what_cannot_be_told_is_only_logged(prefect_server: PrefectServer) -> None:
    done = run(
        """
        from tasks.events import emit

        emit("inlet.drop.late", "nobody", what="x" * 2_000_000)  # larger than the server takes
        """,
        **prefect_server.env,
    )
    assert done.returncode == 0, done.stderr
    assert "inlet.drop.late of nobody is not told" in done.stderr
