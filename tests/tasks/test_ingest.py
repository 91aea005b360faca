"""Which drops a run does: periods, keys, what is unfinished."""

from datetime import UTC, datetime
from typing import Any

import pytest

from blocks.lake import Lake
from flows.nppes import NPPES
from tasks import manifest
from tasks.ingest import DropsFailed, period, plan
from tasks.manifest import Manifest, Revision
from tasks.run import Run
from tasks.source import Kind

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
