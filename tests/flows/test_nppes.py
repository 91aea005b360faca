"""The flow in this process, from folder to folder: whatever happens on the way, `current` is the truth."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, temporary_settings

from bench.synthetic.nppes import Delivery, World
from blocks.drive import Drive
from blocks.lake import Lake
from flows.mappings.nppes import PRACTICE, TO_PROVIDER
from flows.nppes import NPPES, nppes
from spark.mapping import text
from spark.tables import Tables
from tasks.manifest import landed
from tasks.plan import size
from tests import servers

ROOT = Path(__file__).parents[2]
DAY = timedelta(days=1)
START = date(2026, 11, 8)


def monthly(world: World, to: Path) -> Delivery:
    return world.monthly(START, to)


def increment(world: World, to: Path) -> Delivery:
    """Four weeks: one week of a small registry would have too large a share of ragged records."""
    return world.weekly(START + DAY, START + 28 * DAY, to)


@pytest.fixture(scope="module", autouse=True)
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.PrefectServer]:
    """A server of this module's own, as the blocks' names are those of the deployed flow."""
    servers.require("java", "there is no Java")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INLET_CADENCE", "off")  # this world has its own calendar
        with (
            servers.prefect(tmp_path_factory.mktemp("prefect")) as server,
            temporary_settings({PREFECT_API_URL: server.api_url}),
        ):
            yield server


@dataclass(frozen=True)
class Site:
    """A party's folder and a lake."""

    outside: Path
    lake: Lake

    @property
    def tables(self) -> Tables:
        return Tables(self.lake.catalog_properties(), self.lake.url())

    def run(self, **parameters: Any) -> State[Any]:
        state: State[Any] = nppes(**parameters, return_state=True)  # type: ignore[assignment]
        return state

    def done(self, **parameters: Any) -> str:
        """Run the flow to its end and say what it says."""
        state = self.run(**parameters)
        assert state.is_completed(), state.message
        return state.message or ""

    def rows(self, table: str, **where: str) -> pa.Table:
        return pa.concat_tables(
            [pq.read_table(url.removeprefix("file://")) for url in self.tables.files(table, **where)],
            promote_options="default",
        )

    def staged(self) -> list[Path]:
        return [path for path in Path(self.lake.path("staged")).rglob("*") if path.is_file()]

    def assert_true(self, truth: pa.Table) -> None:
        """`current` has the rows of the truth, each once; and no table has a record twice."""
        have = {row["npi"]: row for row in self.rows("current.provider").to_pylist()}
        want = {row["npi"]: row for row in truth.to_pylist()}
        assert len(have) == self.tables.rows("current.provider")
        assert have.keys() == want.keys()
        names = {
            "organization_name": "organization_name",
            "first_name": "first_name",
            "primary_taxonomy_code": "primary_taxonomy",
            "last_updated": "last_update_date",
        }
        wrong = [npi for npi, row in want.items() if any((have[npi][n] or "") != row[t] for n, t in names.items())]
        assert wrong == []
        zips = {npi: row["practice_postal_code"] for npi, row in want.items()}
        normal = {npi: z[:5] + (f"-{z[5:]}" if z[5:].strip("0") else "") for npi, z in zips.items()}
        assert {npi: row["practice_zip_code"] or "" for npi, row in have.items()} == normal
        for table in ("raw.nppes_npidata", "rejected.nppes_npidata", "transformed.provider", "held.provider"):
            records = self.rows(table).select(["_drop", "_file", "_record"]).to_pylist()
            assert len({tuple(record.values()) for record in records}) == len(records), table


@pytest.fixture
def site(tmp_path: Path, local_lake: Lake) -> Site:
    outside = tmp_path / "outside"
    outside.mkdir()
    Drive(path=outside).save("nppes", overwrite=True)
    local_lake.save("lake", overwrite=True)
    return Site(outside, local_lake)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1), (1, 3, 0, 2)])
def test_in_whatever_order_files_arrive_the_end_is_the_truth(site: Site, tmp_path: Path, order: Sequence[int]) -> None:
    world, waiting = World(seed=3, providers=2_000), tmp_path / "waiting"
    monthly(world, waiting)
    increment(world, waiting)
    world.deactivations(START + 9 * DAY, waiting)
    world.deactivations(START + 40 * DAY, waiting)
    deliveries = world.deliveries
    for number, next_one in enumerate(order, 1):
        path = deliveries[next_one].path
        path.rename(site.outside / path.name)
        site.done()
        if 0 in order[:number]:  # without a full file there is nothing to compare a deletion with
            site.assert_true(world.truth([deliveries[i] for i in order[:number]]))
    site.assert_true(world.truth())
    assert site.staged() == []


def test_drops_are_ordered_by_what_they_speak_of_not_by_spelling(site: Site) -> None:
    world = World(seed=3, providers=2_000)
    everybody = world.weekly(date(2005, 5, 24), date(2026, 11, 1), site.outside)  # its key, 2026-11-01, > 2026-11
    month = monthly(world, site.outside)
    assert world.truth([everybody]) != world.truth([month]) == world.truth()
    assert site.done() == "Done: 2026-11-01, 2026-11"
    site.assert_true(world.truth())


def test_a_month_published_again_replaces_its_rows(site: Site) -> None:
    old, new = World(seed=3, providers=2_000), World(seed=4, providers=1_500)
    monthly(old, site.outside)
    site.done()
    delivery = monthly(new, site.outside)  # under the same name
    assert site.done() == "Done: 2026-11"
    revisions = landed(site.lake, NPPES)["2026-11"].revisions
    assert [r.number for r in revisions] == [1, 2]
    for file in (f for revision in revisions for f in revision.files):
        assert Path(site.lake.path(file.path)).stat().st_size == file.size
    assert site.tables.rows("raw.nppes_npidata") == delivery.well_formed
    site.assert_true(new.truth())


def test_a_file_that_was_only_touched_is_no_revision(site: Site) -> None:
    delivery = monthly(World(seed=3, providers=1_000), site.outside)
    site.done()
    os.utime(delivery.path, (0, 0))
    site.done()
    manifest = landed(site.lake, NPPES)["2026-11"]
    assert [r.number for r in manifest.revisions] == [1]
    assert manifest.finished == 1
    assert site.done() == "Nothing is new"


@pytest.mark.parametrize("first", ["2015", "2025"])
def test_files_of_two_eras_are_in_one_lake(site: Site, first: str) -> None:
    then, today = World(seed=3, providers=1_000, era="2015"), World(seed=3, providers=2_000)
    publish = {"2015": lambda: then.monthly(then.start, site.outside), "2025": lambda: monthly(today, site.outside)}
    for era in (first, *(publish.keys() - {first})):
        publish[era]()
        site.done()
    site.assert_true(today.truth())  # a full file replaces the one before it, whichever came first
    for world, key, has in (
        (then, "2015-03", "provider_gender_code"),
        (today, "2026-11", "provider_sex_code"),
    ):
        rows = site.rows("raw.nppes_npidata", _drop=key)
        assert rows.num_rows == world.deliveries[0].well_formed
        assert rows[has].null_count < rows.num_rows


def test_a_backfill_from_the_lake_asks_nobody_outside_and_does_what_changed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(seed=3, providers=2_000)
    monthly(world, site.outside)
    increment(world, site.outside)
    site.done()
    shutil.rmtree(site.outside)
    both = {"since": "2026-11", "until": "2026-12"}

    def runs(table: str) -> set[str]:
        return {mark["run"] for mark in site.tables.marks(table, "drop").values()}

    def lake() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in Path(site.lake.path()).rglob("*") if path.is_file()}

    raw, transformed, before = runs("raw.nppes_npidata"), runs("transformed.provider"), lake()
    assert site.done(**both, start_from="raw") == "Up to date: 2026-11, 2026-12-06"
    assert runs("transformed.provider") == transformed

    columns = {**TO_PROVIDER.columns, "practice_city": text(f"lower({PRACTICE}_city_name)")}
    monkeypatch.setattr("flows.nppes.TO_PROVIDER", TO_PROVIDER.model_copy(update={"columns": columns}))
    before = lake()
    planned = site.done(**both, start_from="raw", dry_run=True)
    raw_bytes = sum(
        Path(url.removeprefix("file://")).stat().st_size
        for table in ("raw.nppes_npidata", "transformed.provider")
        for url in site.tables.files(table)
    )
    assert planned == f"Planned: 2026-11, 2026-12-06; reads {size(raw_bytes)}"
    assert lake() == before
    assert site.done(**both, start_from="raw") == "Done: 2026-11, 2026-12-06"
    assert runs("raw.nppes_npidata") == raw
    assert not runs("transformed.provider") & transformed
    cities = set(site.rows("current.provider")["practice_city"].to_pylist()) - {None}
    assert cities == {city.lower() for city in cities} != set()
    assert site.done(**both, start_from="raw") == "Up to date: 2026-11, 2026-12-06"

    transformed = runs("transformed.provider")
    assert site.done(start_from="raw", force=True, until="2026-11") == "Done: 2026-11"
    assert runs("raw.nppes_npidata") == raw
    assert len(runs("transformed.provider") - transformed) == 1
    site.done(start_from="landed", force=True)
    assert not runs("raw.nppes_npidata") & raw
    site.assert_true(world.truth())
    failed = site.run()
    assert failed.is_failed()
    assert "NotThere" in (failed.message or "")


def test_a_plan_changes_nothing_and_an_unknown_key_is_explained(site: Site) -> None:
    month = monthly(World(seed=3, providers=1_000), site.outside).path
    whole = increment(World(seed=3, providers=1_000), site.outside).path
    whole.write_bytes(whole.read_bytes()[:-500])  # is still being written
    three_times = size(3 * month.stat().st_size)  # transferred, unwrapped and converted
    assert site.done(dry_run=True) == f"Planned: 2026-11; 1 not complete yet; reads {three_times}"
    assert landed(site.lake, NPPES) == {}
    assert site.done(since=2027, dry_run=True) == "Nothing is new; 1 not complete yet"
    for key, why in {
        "2026-12": "nppes cannot do 2026-12: neither offered nor landed (there is 2026-11)",
        "2026-12-06": f"nppes cannot do 2026-12-06: {whole.name}",
    }.items():
        state = site.run(drops=key)
        assert state.is_failed()
        assert why in (state.message or "")
    state = site.run(since="soon")
    assert "'soon' is no day, month or year, such as 2025-12-31, 2025-12 or 2025" in (state.message or "")


def test_a_drop_that_fails_is_tried_again_and_stops_no_other(site: Site) -> None:
    world = World(seed=3, providers=2_000)
    bad = monthly(world, site.outside).path
    world.deactivations(START + DAY, site.outside)
    whole = bad.read_bytes()
    bad.write_bytes(whole[:9_000] + bytes([whole[9_000] ^ 1]) + whole[9_001:])
    for _ in range(2):
        state = site.run()
        assert state.is_failed()
        assert "2026-11: Damaged: " in (state.message or "")
        assert "deactivated-2026-11-09: " not in (state.message or "")
        assert site.staged() == []
    assert "Damaged" in (landed(site.lake, NPPES)["2026-11"].failed or "")
    bad.write_bytes(whole)
    site.done()
    assert landed(site.lake, NPPES)["2026-11"].failed is None
    site.assert_true(world.truth())


RUN = """
from flows.nppes import nppes
print("imported", flush=True)
state = nppes(**{parameters}, return_state=True)
print(state.message)
from pyspark import SparkContext
print("Spark" if SparkContext._active_spark_context else "no Spark")
"""


def process(server: servers.PrefectServer, site: Site, **parameters: Any) -> subprocess.Popen[str]:
    """The flow in a process, and a session of processes, of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", RUN.format(parameters=parameters)],
        cwd=ROOT,
        env=server.env | {"SPARK_LOCAL_DIRS": str(site.outside.parent), "PREFECT_LOGGING_LEVEL": "ERROR"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({}, "Nothing is new"),
        ({"start_from": "raw"}, "Up to date: 2026-11"),
        ({"start_from": "landed", "force": True, "dry_run": True}, "Planned: 2026-11; reads "),
    ],
)
def test_what_there_is_to_do_is_said_without_spark(
    server: servers.PrefectServer, site: Site, parameters: dict[str, Any], says: str
) -> None:
    monthly(World(seed=3, providers=1_000), site.outside)
    site.done()
    out, _ = process(server, site, **parameters).communicate(timeout=120)
    said, spark = out.splitlines()[-2:]
    assert (said.startswith(says), spark) == (True, "no Spark"), out


def test_killed_at_any_moment_and_run_again_it_ends_right(server: servers.PrefectServer, site: Site) -> None:
    world = World(seed=3, providers=2_000)
    monthly(world, site.outside)
    increment(world, site.outside)
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    moments = [chance.uniform(0, 0.5), *(chance.uniform(0.5, 16) for _ in range(5))]
    for number, moment in enumerate(moments):
        # what is new; then, as it may be done by then, a backfill of what has landed
        backfill = {"since": 2026, "start_from": "landed"} if number > 2 else {}
        run = process(server, site, force=True, **backfill)
        assert run.stdout is not None
        assert run.stdout.readline() == "imported\n"
        time.sleep(moment)
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        run.stdout.close()
    site.done()
    site.done(start_from="landed")
    site.assert_true(world.truth())
    for manifest in landed(site.lake, NPPES).values():
        assert (manifest.finished, manifest.failed) == (1, None), (seed, manifest)
    assert site.done(start_from="landed") == "Up to date: 2026-11, 2026-12-06"
    # what the killed had staged goes when it is a day old
    for path in site.staged():
        os.utime(path, (0, 0))
    assert site.done() == "Nothing is new"
    assert site.staged() == []
