"""The whole path as a deployment: the documented commands against real servers, from SFTP to S3."""

import hashlib
import json
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from bench.synthetic.nppes import World
from blocks.lake import Lake
from blocks.sftp import SftpServer
from flows.nppes import NPPES
from spark.tables import Tables
from tasks.manifest import landed
from tasks.source import sources
from tests.servers import HTTP, S3, PrefectServer, Sshd, require, running

ROOT = Path(__file__).parents[2]
DAY = timedelta(days=1)
START = date(2025, 11, 8)
DONE = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@dataclass(frozen=True)
class Site:
    """A Prefect server with a worker on the pool, the party's folder, and the lake."""

    server: PrefectServer
    env: dict[str, str]
    home: Path
    outside: Path
    lake: Lake
    secrets: tuple[str, ...]

    def prefect(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "prefect", *arguments],
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )

    def api(self, path: str, **query: Any) -> Any:
        """Everything that a filter endpoint has to give."""
        found: list[Any] = []
        while page := HTTP.post(
            f"{self.server.api_url}/{path}/filter", json={"limit": 200, "offset": len(found), **query}, timeout=30
        ).json():
            found += page
        return found

    def run(self, deployment: str, *parameters: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """`prefect deployment run --watch`; the run that it made and the runs which that one started."""
        before = {run["id"] for run in self.api("flow_runs")}
        done = self.prefect("deployment", "run", deployment, "--watch", *parameters)
        new = [run for run in self.api("flow_runs") if run["id"] not in before]
        (parent,) = [run for run in new if not run["parent_task_run_id"] and not run["auto_scheduled"]]
        assert parent["state_type"] in DONE, done.stdout
        assert (done.returncode == 0) == (parent["state_type"] == "COMPLETED"), done.stdout
        return parent, [run for run in new if run["parent_task_run_id"]]


def until(condition: Callable[[], Any], seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.5)
    return found


@pytest.fixture(scope="module")
def site(prefect_server: PrefectServer, sshd: Sshd, s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    require("java", "there is no Java")
    require(ROOT / "build" / "jars", "Spark's S3 jars are not in build/jars: make jars")
    home = tmp_path_factory.mktemp("deployed")
    outside = sshd.folder / "nppes"
    outside.mkdir()
    lake = Lake(
        root=f"s3://{s3.bucket()}/lake",
        catalog=SecretStr(f"sqlite:///{home}/catalog.db?timeout=60"),
        credentials=s3.credentials,
    )
    env = prefect_server.env | {"PYTHONPATH": str(ROOT), "SPARK_LOCAL_DIRS": str(home), "INLET_CADENCE": "off"}
    secrets = (s3.secret_key, "hunter2-sftp", sshd.private_key.splitlines()[2], f"{home}/catalog.db?timeout")
    site = Site(prefect_server, env, home, outside, lake, secrets)
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        lake.save("lake", overwrite=True)
        SftpServer(
            host=sshd.host,
            port=sshd.port,
            user=sshd.user,
            private_key=SecretStr(sshd.private_key),
            password=SecretStr("hunter2-sftp"),
            host_key=sshd.host_key,
            root="nppes",
        ).save("nppes", overwrite=True)
    created = site.prefect("work-pool", "create", "inlet", "--type", "process")
    assert created.returncode == 0, created.stdout
    deployed = site.prefect("--no-prompt", "deploy", "--all")
    assert deployed.returncode == 0, deployed.stdout
    worker = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "inlet", "--name", "test"]
    log = home / "worker.log"
    # a worker stands in a folder of its own: the code is found as a package, not by where it runs
    with running(worker, lambda: "started!" in log.read_text(), log, env, seconds=90):
        yield site


@pytest.fixture(scope="module")
def world(site: Site) -> World:
    return World(seed=5, providers=4_000, start=START)


def current(site: Site) -> dict[str, dict[str, Any]]:
    tables = Tables(site.lake.catalog_properties(), site.lake.url())
    fs = site.lake.fs()
    rows = [row for url in tables.files("current.provider") for row in pq.read_table(fs.open(url)).to_pylist()]
    found = {row["npi"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def assert_true(site: Site, world: World) -> None:
    """`current` holds what the world says: who is active, and some of what is said of them."""
    have, truth = current(site), {row["npi"]: row for row in world.truth().to_pylist()}
    assert have.keys() == truth.keys()
    names = {
        "organization_name": "organization_name",
        "last_name": "last_name",
        "practice_city": "practice_city",
        "primary_taxonomy_code": "primary_taxonomy",
        "last_updated": "last_update_date",
    }
    for npi, row in truth.items():
        assert {n: have[npi][n] or "" for n in names} == {n: row[t] for n, t in names.items()}


def test_the_deployments_are_as_declared(site: Site) -> None:
    every = {(d["entrypoint"], d["name"]): d for d in site.api("deployments")}
    flows = {f"flows.{source.module}.{source.module}": source.slug for source in sources().values()}
    others = {("flows.operate.operate", "operate"), ("flows.freshness.freshness", "freshness")}
    assert every.keys() == {(flow, name) for flow in flows for name in ("ingest", "drop")} | others
    for (_, name), deployment in every.items():
        assert deployment["work_pool_name"] == "inlet"
        assert deployment["description"]
        assert deployment["pull_steps"] == []
        assert "inlet" in deployment["tags"]  # which the automations watch
        for schedule in deployment["schedules"]:
            assert schedule["slug"]
            assert schedule["schedule"]["timezone"]
        if name == "drop":
            assert deployment["concurrency_options"]["collision_strategy"] == "ENQUEUE"
            assert not deployment["schedules"]
        elif name == "ingest":
            assert deployment["global_concurrency_limit"] is None
            assert deployment["schedules"]
    for (flow, name), slug in {
        (flow, name): slug for flow, slug in flows.items() for name in ("ingest", "drop")
    }.items():
        assert slug in every[flow, name]["tags"]
        properties = every[flow, name]["parameter_openapi_schema"]["properties"]
        form = sorted(properties, key=lambda name: properties[name]["position"])  # PostgreSQL keeps no order
        assert form == ["drops", "since", "until", "start_from", "force", "dry_run"]
        assert all(property["description"] for property in properties.values())
        assert properties["start_from"]["enum"] == ["outside", "landed", "raw", "transformed"]
        # the form opens with fields, not with a choice of types
        assert [properties[name]["default"] for name in form] == ["", "", "", "outside", False, False]


def test_drops_go_from_sftp_to_current_on_s3(site: Site, world: World) -> None:
    world.monthly(START, site.outside)
    world.weekly(START + DAY, START + 28 * DAY, site.outside)
    world.deactivations(START + 9 * DAY, site.outside)

    parent, children = site.run("nppes/ingest")

    assert parent["state_type"] == "COMPLETED", parent["state"]["message"]
    keys = {"2025-11", "2025-12-06", "deactivated-2025-11-17"}
    assert {run["idempotency_key"] for run in children} == {f"{parent['id']}:{key}" for key in keys}
    assert {run["state_type"] for run in children} == {"COMPLETED"}
    assert {run["name"] for run in children} == {f"nppes {key}" for key in keys}

    manifests = landed(site.lake, NPPES)
    assert manifests.keys() == keys
    for manifest in manifests.values():
        for file in manifest.latest.files:
            there = (site.outside / file.name).read_bytes()
            here = site.lake.fs().cat_file(site.lake.path(file.path))
            assert here == there
            assert file.sha256 == hashlib.sha256(here).hexdigest()

    tables = Tables(site.lake.catalog_properties(), site.lake.url())
    for delivery in world.deliveries[:2]:
        key = "2025-11" if delivery.kind == "full" else "2025-12-06"
        assert tables.rows("raw.nppes_npidata", _drop=key) == delivery.well_formed
        assert tables.rows("rejected.nppes_npidata", _drop=key) == delivery.malformed
        assert tables.rows("raw.nppes_endpoint", _drop=key) == delivery.endpoint
    assert tables.rows("raw.nppes_deactivated") == world.deliveries[2].well_formed
    assert tables.rows("held.provider") == sum(delivery.held for delivery in world.deliveries)
    assert_true(site, world)
    staged = site.lake.fs().find(site.lake.path("staged"), detail=True).values()
    assert [info["name"] for info in staged if info["type"] == "file"] == []


def test_nothing_new_starts_nothing(site: Site) -> None:
    parent, children = site.run("nppes/ingest")
    assert parent["state"]["message"] == "Nothing is new"
    assert children == []


def test_a_backfill_is_planned_then_done_from_the_lake_alone(site: Site) -> None:
    keys = ["2025-11", "deactivated-2025-11-17", "2025-12-06"]  # oldest first
    tables = Tables(site.lake.catalog_properties(), site.lake.url())

    def backfill(*more: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        parameters = ["since=2025-01", "until=2025-12", "start_from=raw", *more]
        return site.run("nppes/ingest", *(text for parameter in parameters for text in ("-p", parameter)))

    def runs(table: str) -> set[str]:
        return {mark["run"] for mark in tables.marks(table, "drop").values()}

    def objects() -> dict[str, str]:
        return {path: info["ETag"] for path, info in site.lake.fs().find(site.lake.path(), detail=True).items()}

    away = site.outside.rename(site.outside.with_name("away"))
    raw, transformed, before = runs("raw.nppes_npidata"), runs("transformed.provider"), objects()

    parent, children = backfill("dry_run=true", "force=true")
    size = r"[0-9.]+ [kM]B"
    assert parent["name"] == "nppes since 2025-01 until 2025-12 from raw again (plan only)"
    assert re.fullmatch(rf"Planned: {', '.join(keys)}; reads {size}", parent["state"]["message"])
    assert children == []
    assert objects() == before
    (plan,) = [a for a in site.api("artifacts") if a["flow_run_id"] == parent["id"]]
    *rows, total = json.loads(plan["data"])
    assert [row["drop"] for row in rows] == keys
    assert {row["to do"] for row in rows} == {"transform, publish (forced)"}
    assert (total["drop"], total["to do"]) == ("3 drops", "transform 3 ×, publish 3 ×")
    assert all(re.fullmatch(size, row["reads"]) for row in [*rows, total])
    logged = [log["message"] for log in site.api("logs") if log["flow_run_id"] == parent["id"]]
    first = r"2025-11, full, as of 2025-11-08, revision 1: transform, publish \(forced\); reads "
    assert [message for message in logged if re.fullmatch(first + size, message)]
    tasks = site.api("task_runs", flow_runs={"id": {"any_": [parent["id"]]}})
    assert tasks == []  # nor is the outside asked

    parent, children = backfill("force=true")
    assert parent["state"]["message"] == f"Done: {', '.join(keys)}"
    in_order = sorted(children, key=lambda run: run["created"])
    assert [run["parameters"]["drops"] for run in in_order] == [[key] for key in keys]
    assert {run["state_type"] for run in children} == {"COMPLETED"}
    assert runs("raw.nppes_npidata") == raw
    assert not runs("transformed.provider") & transformed

    before = objects()
    parent, children = backfill()
    assert parent["state"]["message"] == f"Up to date: {', '.join(keys)}"
    assert children == []
    assert [path for path, etag in objects().items() if before.get(path) != etag] == []
    away.rename(site.outside)


def test_a_broken_drop_fails_alone_and_is_done_when_repaired(site: Site, world: World) -> None:
    broken = world.weekly(START + 29 * DAY, START + 57 * DAY, site.outside).path
    world.deactivations(START + 60 * DAY, site.outside)
    whole = broken.read_bytes()
    with zipfile.ZipFile(broken) as archive:
        at = archive.infolist()[0].header_offset + 5_000
    broken.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])

    parent, children = site.run("nppes/ingest")

    assert parent["state_type"] == "FAILED"
    message = parent["state"]["message"]
    assert "2026-01-04: Damaged: " in message
    assert message.endswith("). Done: deactivated-2026-01-07")
    states = {run["parameters"]["drops"][0]: run["state_type"] for run in children}
    assert states == {"2026-01-04": "FAILED", "deactivated-2026-01-07": "COMPLETED"}

    broken.write_bytes(whole)
    parent, children = site.run("nppes/ingest")
    assert parent["state_type"] == "COMPLETED", parent["state"]["message"]
    assert [run["parameters"]["drops"] for run in children] == [["2026-01-04"]]
    assert landed(site.lake, NPPES)["2026-01-04"].latest.number == 2
    assert_true(site, world)


def test_cancelling_an_ingest_cancels_its_drops(site: Site) -> None:
    started = site.prefect("deployment", "run", "nppes/ingest", "-p", "since=2025", "-p", "force=true")
    assert started.returncode == 0, started.stdout

    def children() -> list[dict[str, Any]]:
        """The five drops that are not done, once one of them runs: the ingest has started all that it will."""
        alive = ["SCHEDULED", "PENDING", "RUNNING"]
        runs = site.api("flow_runs", flow_runs={"state": {"type": {"any_": alive}}})
        drops = [run for run in runs if run["parent_task_run_id"]]
        running = [run for run in drops if run["state_type"] == "RUNNING"]
        return running if len(drops) == 5 else []

    child = until(children, 120)[0]
    task = HTTP.get(f"{site.server.api_url}/task_runs/{child['parent_task_run_id']}").json()
    parent = task["flow_run_id"]
    cancelled = site.prefect("flow-run", "cancel", parent)
    assert cancelled.returncode == 0, cancelled.stdout

    def ended() -> list[dict[str, Any]] | None:
        runs = site.api("flow_runs", flow_runs={"parent_flow_run_id": {"any_": [parent]}})
        return runs if all(run["state_type"] in DONE for run in runs) else None

    runs = until(ended, 300)  # each of them is stopped, and its hooks run, in a process of its own
    assert len(runs) == 5
    assert "CANCELLED" in {run["state_type"] for run in runs}
    assert {run["state_type"] for run in runs} <= {"CANCELLED", "COMPLETED"}


def test_no_secret_is_anywhere(site: Site) -> None:
    """In no log, parameter, artifact or state of the runs above, and in no object of the lake."""
    said = [json.dumps(site.api(path)) for path in ("logs", "flow_runs", "task_runs", "artifacts", "deployments")]
    said.append((site.home / "worker.log").read_text())
    fs = site.lake.fs()
    objects = [fs.cat_file(path) for path in fs.find(site.lake.path()) if not path.endswith((".parquet", ".zip"))]
    for url in Tables(site.lake.catalog_properties(), site.lake.url()).files("raw.nppes_npidata"):
        table = pq.read_table(fs.open(url))
        objects.append(json.dumps({name: pc.max(table[name]).as_py() for name in table.schema.names}).encode())
    assert objects
    for secret in site.secrets:
        assert not [text for text in said if secret in text]
        assert not [data for data in objects if secret.encode() in data]
