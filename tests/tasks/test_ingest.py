"""Which drops a run does - periods, keys, what is unfinished - and how it ends."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.drive import Drive
from blocks.lake import Lake
from flows.nppes import NPPES
from spark.readers import Csv
from spark.tables import Tables
from tasks import manifest
from tasks.cadence import Cadence
from tasks.convert import convert
from tasks.ingest import DropsFailed, ingest, period, plan
from tasks.manifest import Manifest, Revision, now
from tasks.run import Run
from tasks.source import Dataset, Delivery, Drop, FileList, Kind, Source
from tasks.status import standing
from tasks.transfer import transfer
from tasks.unwrap import unwrap
from tests.servers import PrefectServer

# key, kind, UTC instant (midnight in New York), whether it went all the way
LANDED: list[tuple[str, Kind, datetime, bool]] = [
    ("2026-11", "full", datetime(2026, 11, 8, 5, tzinfo=UTC), True),
    ("2026-11-08", "incremental", datetime(2026, 11, 8, 5, tzinfo=UTC), True),
    ("deactivated-2026-11-08", "deletions", datetime(2026, 11, 8, 5, tzinfo=UTC), True),
    ("2026-11-01", "incremental", datetime(2026, 11, 1, 4, tzinfo=UTC), True),  # before the clocks changed
    ("2026-12", "full", datetime(2026, 12, 31, 5, tzinfo=UTC), False),
    ("2015-03", "full", datetime(2015, 3, 8, 5, tzinfo=UTC), True),
]
ALL = ["2015-03", "2026-11-01", "2026-11", "2026-11-08", "deactivated-2026-11-08", "2026-12"]


@pytest.fixture
def run(local_lake: Lake) -> Run:
    for key, kind, as_of, finished in LANDED:
        revision = Revision(number=1, as_of=as_of, kind=kind, offered=(), files=(), run="run", landed_at=as_of)
        made = Manifest(source="nppes", drop=key, revisions=(revision,), finished=int(finished))
        manifest.write(local_lake, made, None)
    return Run(source=NPPES, lake=local_lake, id="run-00000001", start_from="landed")


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2025", "2025-01-01", "2026-01-01"),
        (2025, "2025-01-01", "2026-01-01"),
        ("2025-12", "2025-12-01", "2026-01-01"),
        ("2025-11", "2025-11-01", "2025-12-01"),
        ("2025-12-31", "2025-12-31", "2026-01-01"),
        ("2024-02-28", "2024-02-28", "2024-02-29"),
        ("2024-02", "2024-02-01", "2024-03-01"),
    ],
)
def test_period(text: str | int, start: str, end: str) -> None:
    assert period(text) == (datetime.fromisoformat(start), datetime.fromisoformat(end))


@pytest.mark.parametrize("text", ["", "soon", "2025-13", "2025-02-30", "25", 202512, "2025-01-01T00:00", "2025/01", -1])
def test_what_is_no_period(text: str | int) -> None:
    with pytest.raises(ValueError, match="is no day, month or year, such as 2025-12-31, 2025-12 or 2025"):
        period(text)


@pytest.mark.parametrize(
    ("chosen", "keys"),
    [
        ({}, ALL),
        ({"drops": []}, ALL),
        ({"drops": ""}, ALL),
        ({"drops": "2026-11"}, ["2026-11"]),
        ({"drops": ["deactivated-2026-11-08", "2015-03"]}, ["2015-03", "deactivated-2026-11-08"]),
        ({"since": 2026}, ALL[1:]),
        ({"since": "2026-11-08"}, ALL[2:]),
        ({"since": "2026-11-09"}, ["2026-12"]),
        ({"until": "2026-11-08"}, ALL[:5]),
        ({"until": "2026-11-07"}, ALL[:2]),
        ({"until": "2026-12"}, ALL),
        ({"since": "2026-11", "until": "2026-11-01"}, ["2026-11-01"]),
        ({"since": "2027"}, []),
        ({"drops": "2026-12", "until": "2026-11"}, []),
    ],
)
def test_plan(run: Run, chosen: dict[str, Any], keys: list[str]) -> None:
    assert [drop.key for drop in plan(run, **chosen).drops] == keys


@pytest.mark.parametrize(
    ("drops", "why"),
    [
        ("2026-1", r"2026-1: neither offered nor landed \(there is 2026-1"),
        (["2026-11", "2026_12"], r"^nppes cannot do 2026_12: neither offered nor landed \(there is 2026-12"),
        ("x", r"x: neither offered nor landed \(there is 2026-12, deactivated-2026-11-08, 2026-11-08\)$"),
    ],
)
def test_an_unknown_key_is_answered_with_known_ones(run: Run, drops: str | list[str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        plan(run, drops)


def test_an_empty_lake_has_no_plan_and_no_keys(local_lake: Lake) -> None:
    run = Run(source=NPPES, lake=local_lake, id="run-00000001", start_from="raw")
    assert plan(run).drops == ()
    with pytest.raises(ValueError, match=r"nppes cannot do 2026-11: neither offered nor landed$"):
        plan(run, "2026-11")


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


def test_a_file_without_the_records_that_the_party_counted_fails_until_one_of_them_is_right(
    outside: Path, local_lake: Lake
) -> None:
    key = deliver(outside, now(), claims=3)
    for _ in range(2):
        state = run_party()
        assert state.is_failed()
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
    assert state.is_failed()
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
