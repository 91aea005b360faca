"""Which drops a run does - periods, keys, what is unfinished - and how it ends."""

import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.drive import Drive
from blocks.lake import Lake
from spark.readers import Csv
from spark.tables import Tables
from tasks import decisions, manifest
from tasks.cadence import Cadence
from tasks.convert import convert
from tasks.decisions import Decision, Verb
from tasks.ingest import DropsFailed, ingest
from tasks.manifest import now
from tasks.source import Dataset, Delivery, Drop, FileList, Source
from tasks.status import standing
from tasks.transfer import transfer
from tasks.unwrap import unwrap
from tests.servers import HTTP, PrefectServer


def test_failures_are_told_by_drop() -> None:
    assert str(DropsFailed({"a": "Damaged: x", "b": "Changed: y"})) == "a: Damaged: x; b: Changed: y"


NAMES = r"(?P<dataset>claims|members)_(?P<date>\d{8})\.csv"
LISTED = FileList(names=r"list_(?P<date>\d{8})\.csv", name="file", records="rows")
PARTY = Source(
    slug="party",
    at="party",
    deliveries=(
        Delivery(kind="incremental", names=NAMES, dated="%Y%m%d", expected=("claims.*", "members.*"), manifest=LISTED),
    ),
    datasets={"claims": Dataset(reader=Csv()), "members": Dataset(reader=Csv(delimiter="|"))},
    phi="no",
    quiet=None,
    cadence={"incremental": Cadence(days="FREQ=DAILY", grace=timedelta(hours=48))},
)


@ingest(PARTY)
def party(drop: Drop) -> None:
    """Bring one drop into Raw."""
    convert(unwrap(transfer(drop), expect=[]))


@pytest.fixture
def outside(prefect_server: PrefectServer, local_lake: Lake, tmp_path: Path) -> Iterator[Path]:
    """The party's folder; the blocks that the flow wants are there."""
    folder = tmp_path / "outside"
    folder.mkdir()
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        Drive(path=folder).save("party", overwrite=True)
        local_lake.save("lake", overwrite=True)
        yield folder


def deliver(outside: Path, day: datetime, claims: int = 2) -> str:
    """A drop of two claims, or as many as the party says, and a member; its key."""
    text = f"{day:%Y%m%d}"
    (outside / f"claims_{text}.csv").write_text("id,paid\n1,2\n2,3\n")
    (outside / f"members_{text}.csv").write_text("id|name\n1|A\n")
    (outside / f"list_{text}.csv").write_text(f"file,rows\nclaims_{text}.csv,{claims}\nmembers_{text}.csv,1\n")
    return f"{day:%Y-%m-%d}"


def run_party(**parameters: Any) -> State[Any]:
    state: State[Any] = party(**parameters, return_state=True)  # type: ignore[assignment]
    return state


def test_the_files_of_one_drop_go_to_the_datasets_that_their_names_say(outside: Path, local_lake: Lake) -> None:
    key = deliver(outside, now())
    assert run_party().message == f"Done: {key}"
    tables = Tables(local_lake.catalog_properties(), local_lake.url())
    assert {name: tables.rows(PARTY.table("raw", name)) for name in PARTY.datasets} == {"claims": 2, "members": 1}
    assert run_party().message == "Nothing is new"


HISTORY = Delivery(kind="full", names=NAMES, dated="%Y%m%d", key="history-%Y", at="party-history", expected=2)
LONG = PARTY.model_copy(update={"deliveries": (*PARTY.deliveries, HISTORY), "cadence": {}})


@ingest(LONG)
def long(drop: Drop) -> None:
    """Bring one drop into Raw, of the history or since."""
    convert(unwrap(transfer(drop), expect=[]))


def test_files_come_from_the_place_of_their_delivery(outside: Path, local_lake: Lake, tmp_path: Path) -> None:
    def run(**parameters: Any) -> str:
        state: State[Any] = long(**parameters, return_state=True)  # type: ignore[assignment]
        assert state.is_completed(), state.message
        return state.message or ""

    drive = tmp_path / "drive"
    drive.mkdir()
    key = deliver(outside, now())
    assert run().startswith(f"Done: {key}; 1 not complete yet")  # there is no such block
    Drive(path=drive).save("party-history", overwrite=True)
    deliver(drive, now())
    (drive / f"claims_{key.replace('-', '')}.csv").write_text("id,paid\n7,8\n")
    history = f"history-{key[:4]}"
    assert run() == f"Done: {history}"
    tables = Tables(local_lake.catalog_properties(), local_lake.url())
    assert {of: tables.rows("raw.party_claims", _drop=of) for of in (key, history)} == {key: 2, history: 1}
    shutil.rmtree(drive)
    assert run() == "Nothing is new"
    assert run(drops=history, start_from="landed", force=True) == f"Done: {history}"
    drive.mkdir()
    deliver(drive, now())
    assert run() == f"Done: {history}"  # corrected
    assert tables.rows("raw.party_claims", _drop=history) == 2


def test_a_file_without_the_records_that_the_party_counted_fails_until_one_of_them_is_right(
    outside: Path, local_lake: Lake
) -> None:
    key = deliver(outside, now(), claims=3)
    for _ in range(2):
        state = run_party()
        assert state.name == "Failed"
        assert f"{key}: Miscounted: party {key} claims_{key.replace('-', '')}.csv: 2 records, the party says 3" in (
            state.message or ""
        )
    tables = Tables(local_lake.catalog_properties(), local_lake.url())
    assert tables.rows("raw.party_claims") == tables.rows("raw.party_members") == 0
    deliver(outside, now())  # only the list differs
    assert run_party().message == f"Done: {key}"
    assert tables.rows("raw.party_claims") == 2
    assert manifest.landed(local_lake, PARTY)[key].latest.number == 1


def test_a_run_that_finds_nothing_where_something_is_due_fails(
    outside: Path, local_lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = run_party()
    assert (state.is_failed(), state.name) == (True, "Overdue")
    assert "party is overdue: a drop of " in (state.message or "")
    assert (state.message or "").endswith("there is none. Nothing is new: no file is there")
    old = deliver(outside, now() - timedelta(days=10))
    for done in (f"Done: {old}", "Nothing is new"):
        state = run_party()
        assert state.is_failed()  # though it has done what there was
        assert (state.message or "").endswith(f"the newest is {old}, of {old}. {done}")
    assert manifest.landed(local_lake, PARTY)[old].finished == 1
    (stands,) = standing([PARTY], local_lake)
    assert [late.partition("; ")[2] for late in stands.overdue] == [f"the newest is {old}, of {old}"]
    for parameters in ({"drops": old}, {"since": 2020}, {"start_from": "landed"}, {"dry_run": True}):
        assert run_party(**parameters).is_completed()  # an engineer's own wish, which asks no calendar
    for file in outside.iterdir():
        file.unlink()
    assert "Nothing is new: no file is there, where 1 drops came from" in (run_party().message or "")
    today = deliver(outside, now())
    (outside / f"list_{today.replace('-', '')}.csv").unlink()
    state = run_party()
    assert f"; {today} waits: no list (" in (state.message or "")
    deliver(outside, now())
    assert run_party().message == f"Done: {today}"
    deliver(outside, now() - timedelta(days=10))
    monkeypatch.setenv("INLET_CADENCE", "off")
    assert run_party().is_completed()


def test_forced_a_drop_is_done_as_it_is_listed_now_and_no_other(outside: Path, local_lake: Lake) -> None:
    days = [now() - timedelta(days=n) for n in (1, 0)]
    first, last = (deliver(outside, day) for day in days)
    assert run_party().message == f"Done: {first}, {last}"
    assert run_party(force=True).message == "Nothing is new"
    assert run_party(force=True, drops=last).message == f"Done: {last}"


def decide(lake: Lake, verb: Verb, drop: str | None = None, revision: int | None = None) -> None:
    made = Decision(verb=verb, drop=drop, revision=revision, reason="as agreed", actor="ann", at=now())
    decisions.record(lake, "party", made)


def changes(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_dry_run_shows_the_plan_and_does_nothing(
    outside: Path, local_lake: Lake, prefect_server: PrefectServer
) -> None:
    old, new = (deliver(outside, now() - timedelta(days=n)) for n in (1, 0))
    run_party(drops=old)
    before = changes(Path(local_lake.path()))
    state = run_party(since=2020, dry_run=True)
    assert state.message == f"Planned: {new}, 1 was up to date; reads 84 bytes"
    after = changes(Path(local_lake.path()))
    assert {path for path in after if after[path] != before.get(path)} <= {
        local_lake.path("landed/party/_seen.json.zst")
    }
    assert before.keys() == after.keys()

    run_id = str(state.state_details.flow_run_id)

    def of_the_run(path: str, **query: Any) -> list[dict[str, Any]]:
        url = f"{prefect_server.api_url}/{path}/filter"
        rows: list[dict[str, Any]] = HTTP.post(url, json=query).json()
        return [row for row in rows if row["flow_run_id"] == run_id]

    (artifact,) = of_the_run("artifacts", artifacts={"key": {"any_": ["party-plan"]}}, sort="CREATED_DESC")
    todo = "transfer (not landed); unwrap, convert (never done)"
    rows = [list(row.values()) for row in json.loads(artifact["data"])]
    assert rows == [
        [old, "incremental", old, 1, "up to date", ""],
        [new, "incremental", new, 1, todo, "84 bytes"],
        ["2 drops", "", "", "", "transfer 1 ×, unwrap 1 ×, convert 1 ×", "84 bytes"],
    ]
    # A busy server may lose the event that records a task run, so that none may be there: but never another.
    assert {task["name"] for task in of_the_run("task_runs", flow_runs={"id": {"any_": [run_id]}})} <= {"discover"}


def test_nothing_is_done_of_a_source_that_is_held(outside: Path, local_lake: Lake) -> None:
    key = deliver(outside, now())
    decide(local_lake, "hold")
    for parameters in ({}, {"drops": key, "force": True}, {"dry_run": True}):
        state = run_party(**parameters)
        assert (state.is_completed(), state.name) == (True, "Held")
        assert (state.message or "").startswith("party is held: as agreed (ann, ")
    assert not local_lake.fs().exists(local_lake.path("landed"))  # nor is a listing kept: nobody was asked
    decide(local_lake, "release")
    assert run_party().message == f"Done: {key}"


def test_a_drop_that_is_held_is_left_out_and_the_others_are_done(outside: Path, local_lake: Lake) -> None:
    bad, good = (deliver(outside, now() - timedelta(days=n)) for n in (1, 0))
    decide(local_lake, "hold", bad)
    state = run_party()
    assert (state.message or "").startswith(f"Done: {good}; {bad} is held: as agreed (ann, ")
    assert manifest.landed(local_lake, PARTY).keys() == {good}
    assert (run_party().message or "").startswith(f"Nothing is new; {bad} is held: as agreed (ann, ")
    failed = run_party(drops=bad)
    assert failed.is_failed()
    assert f"party cannot do {bad}: held: as agreed (ann, " in (failed.message or "")
    assert f"first: inlet release party {bad} --reason" in (failed.message or "")
    decide(local_lake, "release", bad)
    assert run_party().message == f"Done: {bad}"


def test_a_run_that_was_started_for_a_drop_which_is_held_meanwhile_does_nothing(
    outside: Path, local_lake: Lake
) -> None:
    key = deliver(outside, now())
    decide(local_lake, "hold", key)

    found: list[State[Any]] = []

    @flow
    def parent() -> None:
        found.append(run_party(drops=[key]))

    parent()
    (state,) = found
    assert (state.is_completed(), state.name) == (True, "Held")
    assert (state.message or "").startswith(f"{key} is held: as agreed (ann, ")
    assert not local_lake.fs().exists(local_lake.path("landed"))


def test_a_hold_stops_the_drops_that_a_run_has_not_begun(
    outside: Path, local_lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (deliver(outside, now() - timedelta(days=n)) for n in (2, 1, 0))
    settle = manifest.settle

    def settle_and_hold(lake: Lake, drop: Drop, **more: Any) -> None:
        settle(lake, drop, **more)
        if drop.key == first:
            decide(lake, "hold", second)

    monkeypatch.setattr(manifest, "settle", settle_and_hold)
    assert run_party().message == f"Done: {first}, {third}; {second} was held meanwhile"
    assert manifest.landed(local_lake, PARTY).keys() == {first, third}


def test_a_drop_over_the_reject_limit_is_taken_when_it_is_accepted(outside: Path, local_lake: Lake) -> None:
    key = deliver(outside, now())
    (outside / f"claims_{key.replace('-', '')}.csv").write_text("id,paid\n1,2\n2,3,4\n")
    state = run_party()
    assert state.name == "DropsFailed"  # an event tells of it
    assert "TooManyRejected: party" in (state.message or "")
    assert manifest.landed(local_lake, PARTY)[key].finished == 0
    decide(local_lake, "accept", key, revision=2)  # another revision than the one that landed
    assert run_party().is_failed()
    decide(local_lake, "accept", key, revision=1)
    assert run_party().message == f"Done: {key}"
    tables = Tables(local_lake.catalog_properties(), local_lake.url())
    assert tables.rows("raw.party_claims") == tables.rows("rejected.party_claims") == 1
    for dataset in PARTY.datasets:
        assert "accept: as agreed (ann, " in tables.marks(PARTY.table("raw", dataset), "drop")[key]["accepted"]
    assert run_party(drops=key).message == f"Up to date: {key}"


def test_what_was_killed_after_its_last_stage_is_only_noted_as_done(outside: Path, local_lake: Lake) -> None:
    key = deliver(outside, now())
    run_party()
    found = manifest.read(local_lake, "party", key)
    assert found is not None
    manifest.write(local_lake, found[0].model_copy(update={"finished": 0}), found[1])
    assert run_party().message == f"Up to date: {key}"
    assert manifest.landed(local_lake, PARTY)[key].finished == 1
    assert run_party().message == "Nothing is new"
