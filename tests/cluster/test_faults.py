"""A cluster that loses pods, and people who change their minds: runs go on or end, and the lake ends right."""

from collections.abc import Iterator
from datetime import date

import pytest

from bench.synthetic.nppes import World
from tests.cluster.site import EXECUTORS, Site

START = date(2026, 2, 7)


@pytest.fixture(scope="module")
def world(site: Site, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A month that is in the lake, Landed and further."""
    outside = tmp_path_factory.mktemp("party")
    world = World(seed=6, providers=2_500, start=START)  # as many as before, or checks stop it
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


def test_a_run_that_is_cancelled_stops_its_pod_and_its_executors_within_half_a_minute(site: Site) -> None:
    run = again(site)
    site.until(lambda: site.pods("app.kubernetes.io/name=inlet-executor"), 120, lambda: site.told(run))
    site.cancel(run)
    site.until(lambda: not site.pods(), 30, site.pods)
    assert site.ends(run)["state_type"] == "CANCELLED"


def test_a_run_that_is_cancelled_before_it_has_a_node_leaves_nothing(site: Site) -> None:
    run = again(site, cpu_request="64", cpu_limit="64")  # no node has as many
    site.until(lambda: site.pods(f"prefect.io/flow-run-id={run}"), 60, lambda: site.told(run))
    site.cancel(run)
    site.until(lambda: not site.pods(), 30, site.pods)
    assert site.ends(run)["state_type"] == "CANCELLED"


def test_a_run_whose_pod_is_evicted_is_begun_again_and_ends_right(site: Site) -> None:
    """To delete a pod is what an eviction and a drain do to it: SIGTERM, and SIGKILL after the grace."""
    before = site.current("provider", "npi")
    run = again(site)
    site.until(lambda: site.pods("app.kubernetes.io/name=inlet-executor"), 120, lambda: site.told(run))
    (driver,) = site.pods(f"prefect.io/flow-run-id={run}")
    site.cluster.kubectl("delete", "pod", driver["metadata"]["name"], "--wait=false")
    ended = site.ends(run)
    assert ended["state_type"] == "COMPLETED", site.told(run)
    assert ended["run_count"] > 1
    assert site.current("provider", "npi") == before


def test_an_executor_that_is_lost_costs_its_tasks_alone(site: Site) -> None:
    before = site.current("provider", "npi")
    run = again(site)
    (executor,) = site.until(lambda: site.pods("app.kubernetes.io/name=inlet-executor"), 120, lambda: site.told(run))
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


def test_memory_that_runs_out_is_said_with_what_to_choose(site: Site) -> None:
    run = again(site, memory_request="100Mi", memory_limit="350Mi")
    ended = site.ends(run)
    assert ended["state_type"] == "CRASHED", site.told(run)
    assert "OOMKilled" in ended["state"]["message"], ended["state"]
