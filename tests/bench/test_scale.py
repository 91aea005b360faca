"""The arithmetic of `make bench-scale`: lines, plans and what the page shows; measuring is only tried in small."""

import signal
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.scale import page, plan, points
from bench.scale.bottlenecks import QUOTA, bottlenecks
from bench.scale.costs import Prices, costs
from bench.scale.feeds import MIX, TB, Feed
from bench.scale.measuring import Bench, command, do
from bench.scale.plan import STAGES, DropPlan, Plan
from bench.scale.points import BILLED, GIB, Point, Unit, dump, kept, load
from bench.scale.rates import Line, Rates
from bench.scale.stages import commit
from bench.scale.stages.commit import commit_files
from spark.executors import HERE
from tasks.cores import SPARK_FROM
from tasks.staging import AT_ONCE

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"


def figures() -> Iterator[Point]:
    """As if a GiB, a file, a run took a CPU second and beginning two, a million rows 60, and a byte stayed a half."""

    def three(
        stage: str, case: str, unit: Unit, each: float = 1, more: dict[str, float] | None = None
    ) -> Iterator[Point]:
        for amount in (1, 2, 4):
            many = amount * (1e6 if unit == "rows" else 1)
            said = {name: value * many for name, value in (more or {}).items()}
            cpu = 2 + each * many
            yield Point(stage=stage, case=case, unit=unit, amount=many, cores=2, seconds=cpu / 2, cpu=cpu, more=said)

    for way in ("sftp", "http", "s3", "drive"):
        yield from three("transfer", way, "GiB")
        yield from three("transfer", f"{way}, files", "files", 0.01)
    for wrapping in ("gz", "zip", "zst", "bz2", "gpg", "none", "none, staged whole"):
        yield from three("unwrap", wrapping, "GiB")
    for case in ("csv", "fwf", "xml", "xport"):
        yield from three("convert", case, "GiB", more={"out": 0.5})
    for stage in ("unwrap", "convert"):
        yield from three(stage, "files", "files", 0.01)
        yield from three("requests", stage, "GiB", more={"put": 20, "get": 30})
        yield from three("requests", stage, "files", more={"put": 2, "get": 3})
    yield from three("requests", "transfer", "GiB", more={"put": 64, "get": 1})
    yield from three("requests", "transfer", "files", more={"put": 2, "get": 1})
    yield from three("executors", "threads", "GiB")
    yield from three("executors", "tasks", "GiB")
    yield from three("transform", "claim", "rows", 60e-6, {"scratch": 1e-7, "out": 1e-7})
    yield from three("publish", "first", "rows", 5e-6, {"out": 1e-7, "files": 1e-6})
    for pattern in ("clustered", "uniform"):
        yield from three("publish", pattern, "rows", 1e-6, {"touched": 0, "written": 0})
    yield from three("commit", "drops of 45 columns", "drops", 0.001, {"metadata_mb": 1})
    yield from three("commit", "files", "files", 0.005)
    for name in ("client", "server", "postgres"):
        yield from three("prefect", name, "runs", more={"requests": 20})


RATES = Rates(tuple(figures()))
feeds = st.builds(
    Feed,
    name=st.just("a"),
    sources=st.integers(1, 50),
    drops=st.integers(1, 100),
    files=st.integers(1, 10_000),
    bytes=st.floats(1e6, 1e13),
    compression=st.floats(1, 20),
    access=st.sampled_from(["sftp", "http", "s3", "drive"]),
    wrapping=st.sampled_from(["gz", "zip", "gpg", "none"]),
    format=st.sampled_from(["csv", "fwf", "xml"]),
    write_amplification=st.floats(1, 50),
)


@settings(deadline=None, max_examples=30)
@given(st.floats(0, 1e3), st.floats(0, 1e3), st.lists(st.floats(1, 1e6), min_size=2, unique_by=round))
def test_a_line_goes_through_its_points(fixed: float, marginal: float, amounts: list[float]) -> None:
    line = Line.through((amount, fixed + marginal * amount) for amount in amounts)
    for amount in amounts:
        assert line.fixed + line.marginal * amount == pytest.approx(fixed + marginal * amount, rel=1e-3, abs=1e-2)


def test_of_one_point_the_line_begins_at_nothing() -> None:
    assert Line.through([(4, 2)]) == Line(0, 0.5)


@settings(deadline=None, max_examples=30)
@given(st.lists(feeds, min_size=1, max_size=4))
def test_twice_the_drops_take_twice_the_core_hours(mix: list[Feed]) -> None:
    once, twice = (Plan.of([replace(feed, drops=n * feed.drops) for feed in mix], RATES) for n in (1, 2))
    for stage in STAGES:
        assert twice.core_hours(stage) == pytest.approx(2 * once.core_hours(stage))
    assert twice.executor_core_hours == pytest.approx(2 * once.executor_core_hours)
    assert twice.run_core_hours == pytest.approx(2 * once.run_core_hours)
    assert once.cores <= twice.cores <= 2 * once.cores
    for kind in BILLED:
        assert twice.requests(kind) == pytest.approx({stage: 2 * n for stage, n in once.requests(kind).items()})


@settings(deadline=None, max_examples=30)
@given(feeds.filter(lambda feed: feed.files > 1))
def test_a_drop_twice_as_large_takes_twice_the_cpu_time_and_no_longer_by_executors(feed: Feed) -> None:
    once, twice = DropPlan.of(feed, RATES), DropPlan.of(feed.scaled(2), RATES)
    assert twice.cpu == pytest.approx({stage: 2 * cpu for stage, cpu in once.cpu.items()})
    assert once.executors <= twice.executors <= 2 * once.executors
    assert twice.hours["transfer"] == pytest.approx(2 * once.hours["transfer"])
    assert twice.hours["transform"] <= plan.TARGET * 1.001


@settings(deadline=None, max_examples=30)
@given(feeds)
def test_an_executor_has_room_for_what_spark_sorts(feed: Feed) -> None:
    drop = DropPlan.of(feed, RATES)
    assert drop.scratch / drop.executors <= plan.EXECUTOR_SCRATCH * 1.001


def test_a_core_second_is_counted_once() -> None:
    feed = Feed("a", 1, 1, 1, GIB, 1, "sftp", "gz", "csv", write_amplification=2, row_bytes=GIB / 1e6)
    assert DropPlan.of(feed, RATES).cpu == pytest.approx(
        {"transfer": 1, "unwrap": 1, "convert": 1, "transform": 60, "publish": 10}
    )


def test_the_mix_is_ten_terabytes() -> None:
    assert sum(feed.drops * feed.bytes for feed in MIX) == pytest.approx(10 * TB, rel=0.001)


def test_costs_are_what_their_sums_say() -> None:
    day = Plan.of(MIX, RATES)
    found = {cost.what: cost.dollars for cost in costs(day, Prices(executor_core=1, spot=0.5, run_core=2))}
    assert found["executors, on spot"] == pytest.approx(day.executor_core_hours / plan.UTILISATION * 0.5)
    assert found["runs, on demand"] == pytest.approx(day.run_core_hours * 2)


def test_the_most_pressing_comes_first() -> None:
    shares = [found.share for found in bottlenecks(Plan.of(MIX, RATES))]
    assert shares == sorted(shares, reverse=True)


def test_what_was_not_measured_is_named() -> None:
    with pytest.raises(KeyError, match="unwrap gz was not measured"):
        Plan.of(MIX[1:2], Rates([p for p in RATES.points if p.case != "gz"]))
    with pytest.raises(KeyError, match="requests transfer was not measured"):
        page.tables(Rates([p for p in RATES.points if p.stage != "requests"]))


def test_a_case_is_kept_until_it_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "RESULTS", tmp_path)
    one, other, new = (
        Point(stage="unwrap", case=case, unit="GiB", amount=1, cores=1, seconds=1, cpu=cpu)
        for case, cpu in (("gz", 1), ("zip", 1), ("gz", 2))
    )
    dump(tmp_path / "scale-small.json", [one, other])
    assert kept("small", [new]) == [other, new]


def test_the_page_has_a_place_for_every_table(tmp_path: Path) -> None:
    copy = tmp_path / "scale.md"
    copy.write_text(PAGE.read_text())
    page.publish(RATES.points, copy)
    text = copy.read_text()
    for name, (header, *rows) in page.tables(RATES).items():
        assert f"<!-- {name} -->\n| {' | '.join(header)} |" in text
        assert all(len(row) == len(header) for row in rows)
    page.publish(RATES.points, copy)
    assert copy.read_text() == text


def shown(language: str) -> list[str]:
    """What the page shows in a language."""
    return [block.partition("```")[0] for block in PAGE.read_text().split(f"```{language}\n")[1:]]


def test_pods_of_the_page_go_to_the_nodes_of_the_page() -> None:
    objects: list[dict[str, Any]] = [said for block in shown("yaml") for said in yaml.safe_load_all(block)]
    pools = {said["metadata"]["name"]: said["spec"]["template"] for said in objects if said.get("kind") == "NodePool"}
    classes = [said["metadata"]["name"] for said in objects if said.get("kind") == "EC2NodeClass"]
    (executor,) = (said["spec"] for said in objects if "kind" not in said)
    run = tomllib.loads(shown("toml")[0])["pool"]["variables"]
    wanted = {
        "inlet-runs": (run["node_selector"], run["tolerations"]),
        "inlet-executors": (executor["nodeSelector"], executor["tolerations"]),
    }
    assert pools.keys() == wanted.keys()
    for name, (selector, tolerations) in wanted.items():
        spec = pools[name]["spec"]
        assert pools[name]["metadata"]["labels"] == selector
        assert [{**taint, "operator": "Equal"} for taint in spec["taints"]] == tolerations
        assert spec["nodeClassRef"]["name"] in classes


def test_an_executor_has_no_such_lines_of_its_own_and_a_run_has_the_variables() -> None:
    assert not {"nodeSelector", "tolerations"} & yaml.safe_load((HERE / "executor.yaml").read_text())["spec"].keys()
    variables = yaml.safe_load((HERE / "job.yaml").read_text())["variables"]
    assert {"node_selector", "tolerations", "executors"} <= variables.keys()


def test_the_plan_is_of_the_sizes_that_pods_have() -> None:
    large = yaml.safe_load((HERE.parents[1] / "prefect.yaml").read_text())["definitions"]["large"]
    variables = yaml.safe_load((HERE / "job.yaml").read_text())["variables"]
    executor = yaml.safe_load((HERE / "executor.yaml").read_text())["spec"]["containers"][0]["resources"]
    memory = sum(int(variables[name]["default"][:-1]) for name in ("executor_memory", "executor_overhead"))
    assert (large["cpu_request"], large["memory_request"]) == (str(plan.RUN_CORES), f"{plan.RUN_MEMORY:.0f}Gi")
    assert (variables["executor_cores"]["default"], memory) == (plan.EXECUTOR_CORES, plan.EXECUTOR_MEMORY)
    quota, _ = yaml.safe_load_all((HERE / "flows" / "quota.yaml").read_text())
    assert quota["spec"]["hard"]["requests.cpu"] == str(QUOTA)
    assert executor["limits"]["ephemeral-storage"] == f"{plan.EXECUTOR_SCRATCH / 0.8:.0f}Gi"


def test_the_plan_knows_what_a_run_does_at_once() -> None:
    assert (plan.STREAMS, plan.SPARK_FROM) == (AT_ONCE, SPARK_FROM / GIB)


def test_small_work_is_measured(tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    _, _, _, _, work, _, given, *_ = command(commit_files, {"folder": tmp_path, "stops": (1, 3)}, answer)
    do(work, given, answer)
    found = load(answer)
    assert [(p.case, p.amount) for p in found] == [
        ("files", 1),
        ("plan of files", 1),
        ("files", 3),
        ("plan of files", 3),
    ]
    assert all(p.seconds > 0 for p in found)


def test_a_writer_that_dies_before_it_is_ready_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "commit_at_once", commit_files)  # which does not take what it is given
    with pytest.raises(RuntimeError, match=r"commit_files .*'writer': 0(?s:.*)ValidationError"):
        next(commit.writers(Bench("small", tmp_path, tmp_path)))


def test_nobody_is_left_at_work(tmp_path: Path) -> None:
    folder, bench = tmp_path / "table", Bench("small", tmp_path, tmp_path)
    with bench.started(commit.commit_at_once, folder=folder, catalog="", writer=0) as one:
        one.await_file(folder / "ready-0")
        assert one.process.poll() is None  # as it waits for all to be ready
    assert one.process.returncode == -signal.SIGKILL
