"""A cluster that loses pods, and people who change their minds: runs go on or end, and the lake ends right."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.synthetic.nppes import Rates, World
from tests.cluster.site import EXECUTORS, Site

START = date(2026, 2, 7)
RAW = [f"raw.nppes_{dataset}" for dataset in ("npidata", "othername", "pl", "endpoint")]


@pytest.fixture(scope="module")
def world(site: Site, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A month that is in the lake, Landed and further."""
    outside = tmp_path_factory.mktemp("party")
    # as many as before, or checks stop it
    world = World(seed=6, providers=2_500, start=START, rates=Rates().clean())
    world.monthly(START, outside)
    for file in outside.iterdir():
        site.put(file)
    run = site.ends(site.start("nppes/drop", drops="2026-02"))
    assert run["state_type"] == "COMPLETED", site.told(run["id"])
    return world


@pytest.fixture(autouse=True)
def _nothing_is_left(site: Site, world: World) -> Iterator[None]:
    yield
    site.until(lambda: not site.pods() and not site.jobs(), 60, lambda: (site.pods(), site.jobs()))


def again(site: Site, **variables: object) -> str:
    """A run that does a drop once more, with an executor."""
    return site.start("nppes/drop", EXECUTORS | variables, drops="2026-02", start_from="landed", force=True)


def executors(site: Site) -> list[dict[str, Any]]:
    """The pods of executors, of which some are to be there."""
    return site.pods("app.kubernetes.io/component=inlet-executor")


@contextmanager
def drained(site: Site, run: str) -> Iterator[None]:
    """The node takes no pod, and that of a run is evicted."""
    node = site.cluster.list("nodes")[0]["metadata"]["name"]
    chosen = f"--pod-selector=prefect.io/flow-run-id={run}"
    site.cluster.kubectl("drain", node, chosen, "--delete-emptydir-data", "--force", "--timeout=90s")
    try:
        yield
    finally:
        site.cluster.kubectl("uncordon", node)


@contextmanager
def without_api() -> Iterator[None]:
    """The cluster's API answers nobody."""
    (server,) = (p for p in psutil.process_iter(["name"]) if p.info["name"] == "kube-apiserver")
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def killed(run: str) -> None:
    """The processes of a run's pod end at once, as by a node's loss of power."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("PREFECT__FLOW_RUN_ID") == run:
                process.kill()


def test_a_run_that_is_cancelled_stops_its_pod_and_its_executors_within_half_a_minute(site: Site) -> None:
    run = again(site)
    site.until(lambda: executors(site), 120, lambda: site.told(run))
    site.cancel(run)
    site.until(lambda: not site.pods(), 30, site.pods)
    assert site.ends(run)["state_type"] == "CANCELLED"


def test_a_dispatcher_that_is_cancelled_takes_its_drop_with_it_though_that_has_no_node(site: Site) -> None:
    with site.changed("nppes/drop", cpu_request="64", cpu_limit="64"):
        ingest = site.start("nppes/ingest", EXECUTORS, drops="2026-02", start_from="landed", force=True)
        (drop,) = site.until(lambda: site.children(ingest), 120, lambda: site.told(ingest))
        site.until(lambda: site.pods(f"prefect.io/flow-run-id={drop['id']}"), 60, lambda: site.told(ingest))
        site.cancel(ingest)
        site.until(lambda: not site.pods(), 30, site.pods)
    assert [site.ends(run)["state_type"] for run in (ingest, drop["id"])] == ["CANCELLED"] * 2


def test_a_run_that_is_cancelled_before_it_has_a_node_leaves_nothing(site: Site) -> None:
    run = again(site, cpu_request="64", cpu_limit="64")  # no node has as many
    site.until(lambda: site.pods(f"prefect.io/flow-run-id={run}"), 60, lambda: site.told(run))
    site.cancel(run)
    site.until(lambda: not site.pods(), 30, site.pods)
    assert site.ends(run)["state_type"] == "CANCELLED"


def test_a_run_whose_pod_is_deleted_is_begun_again_and_ends_right(site: Site) -> None:
    """As it is by whoever wants room: SIGTERM, and SIGKILL after the grace."""
    before = site.current("provider", "npi")
    run = again(site)
    site.until(lambda: executors(site), 120, lambda: site.told(run))
    (driver,) = site.pods(f"prefect.io/flow-run-id={run}")
    site.cluster.kubectl("delete", "pod", driver["metadata"]["name"], "--wait=false")
    ended = site.ends(run)
    assert ended["state_type"] == "COMPLETED", site.told(run)
    assert ended["run_count"] > 1
    assert site.current("provider", "npi") == before


def test_after_a_drain_a_run_goes_on_with_what_is_not_committed(site: Site, world: World, tmp_path: Path) -> None:
    before = site.current("provider", "npi")
    world.weekly(date(2026, 2, 9), date(2026, 2, 15), tmp_path)
    (week,) = tmp_path.iterdir()
    site.put(week)
    run = site.start("nppes/drop", EXECUTORS, drops="2026-02-15")
    site.until(
        lambda: all("2026-02-15" in site.tables.marks(table, "drop") for table in RAW), 120, lambda: site.told(run)
    )
    with drained(site, run):
        site.until(
            lambda: [pod for pod in site.pods() if pod["status"]["phase"] == "Pending"], 60, lambda: site.told(run)
        )
        landed, raw = site.landed("nppes", "2026-02-15"), {table: site.tables.marks(table, "drop") for table in RAW}
    ended = site.ends(run)
    assert (ended["state_type"], ended["run_count"] > 1) == ("COMPLETED", True), site.told(run)
    assert site.landed("nppes", "2026-02-15") == landed
    assert {table: site.tables.marks(table, "drop") for table in RAW} == raw
    assert site.current("provider", "npi") != before


def test_a_run_that_is_killed_without_notice_has_crashed_and_the_next_ingest_does_its_drop(
    site: Site, world: World, tmp_path: Path
) -> None:
    if not site.cluster.own:
        pytest.skip("not proved here: only processes of the project's own cluster are at hand")
    before = site.current("provider", "npi")
    world.weekly(date(2026, 2, 16), date(2026, 2, 22), tmp_path)
    (week,) = tmp_path.iterdir()
    site.put(week)
    run = site.start("nppes/drop", EXECUTORS, drops="2026-02-22")
    site.until(lambda: executors(site), 120, lambda: site.told(run))
    killed(run)
    assert site.ends(run)["state_type"] == "CRASHED", site.told(run)
    site.until(lambda: not site.pods(), 60, site.pods)  # executors end that have no driver
    ingest = site.start("nppes/ingest")
    assert site.ends(ingest)["state_type"] == "COMPLETED", site.told(ingest)
    (drop,) = site.children(ingest)
    assert (drop["state_type"], drop["parameters"]["drops"]) == ("COMPLETED", ["2026-02-22"]), site.told(drop["id"])
    assert site.current("provider", "npi") != before


def test_an_executor_that_is_lost_costs_its_tasks_alone(site: Site) -> None:
    before = site.current("provider", "npi")
    run = again(site)
    (executor,) = site.until(lambda: executors(site), 120, lambda: site.told(run))
    site.cluster.kubectl("delete", "pod", executor["metadata"]["name"], "--grace-period=0", "--force")
    ended = site.ends(run)
    assert (ended["state_type"], ended["run_count"]) == ("COMPLETED", 1), site.told(run)
    assert site.current("provider", "npi") == before


def test_the_worker_may_be_gone_while_a_run_goes_on(site: Site) -> None:
    run = again(site)
    site.runs(run, "RUNNING")
    site.cluster.kubectl("delete", "pod", "--selector=app.kubernetes.io/name=inlet-worker", "--wait=false")
    ended = site.ends(run)
    assert (ended["state_type"], ended["run_count"]) == ("COMPLETED", 1), site.told(run)


def test_the_server_may_be_gone_while_a_run_goes_on(site: Site) -> None:
    run = again(site)
    site.runs(run, "RUNNING")
    site.cluster.kubectl("delete", "pod", "--selector=app.kubernetes.io/name=prefect-server", "--wait=false")
    site.cluster.kubectl("rollout", "status", "deployment/prefect-server", "--timeout=120s", seconds=150)
    ended = site.ends(run)
    assert (ended["state_type"], ended["run_count"]) == ("COMPLETED", 1), site.told(run)


def test_the_clusters_api_may_be_away_for_a_minute(site: Site) -> None:
    if not site.cluster.own:
        pytest.skip("not proved here: only the API of the project's own cluster can be stopped")
    before = site.current("provider", "npi")
    run = again(site)
    site.until(lambda: executors(site), 120, lambda: site.told(run))
    with without_api():
        time.sleep(60)
    ended = site.ends(run)
    assert ended["state_type"] == "COMPLETED", site.told(run)
    assert site.current("provider", "npi") == before


@pytest.mark.parametrize("limit", ["350Mi", "100Mi"])  # with the less not even the program begins that starts the run
def test_memory_that_runs_out_is_said_with_what_to_choose(site: Site, limit: str) -> None:
    """By what is left of the pod, where the kernel has killed the run in it; by an automation, where the whole pod."""
    run = again(site, memory_request="100Mi", memory_limit=limit)
    ended = site.ends(run)
    assert ended["state_type"] == "CRASHED", site.told(run)
    site.until(lambda: "medium after small" in site.run(run)["state"]["message"], 60, lambda: site.told(run))
