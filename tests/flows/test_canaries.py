"""No value of people's data gets out: not by a log, an error, an event, an artifact, a mark, or what Spark writes."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.servers import HTTP, PrefectServer
from tests.sources.canaries import CANARIES, CSVS, FORMATS, KEY, ODD

ROOT = Path(__file__).parents[2]
SLUGS = ("people", "others", "strangers", "cut")


@dataclass(frozen=True)
class Out:
    """All that came out: texts by where they were read, and what the program says of its flows."""

    texts: dict[str, str]
    said: dict[str, Any]

    def failure(self, flow: str, drop: str) -> str:
        failures: dict[str, str] = self.said[flow]["failures"]
        return failures[drop]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, prefect_server: PrefectServer) -> Out:
    """What came of the canaries' flows, in a process of their own: Spark writes to its standard error."""
    servers.require("java", "there is no Java")
    home = tmp_path_factory.mktemp("canaries")
    env = prefect_server.env | {
        "INLET_SPARK_MASTER": "local[2]",
        "INLET_JAVA_OPTIONS": os.environ["INLET_JAVA_OPTIONS"],
        "INLET_SPARK_FROM": "200",  # some files are converted by Spark's workers, others by the run's own process
        "PREFECT_LOGGING_LEVEL": "DEBUG",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "tests.sources.canaries", str(home)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads((home / "said.json").read_text())
    return Out({"output": done.stdout, "error": done.stderr, "said": json.dumps(said), **kept(prefect_server)}, said)


def kept(server: PrefectServer) -> dict[str, str]:
    """What the server has: logs, states of runs, artifacts and events, all pages of each."""
    found = {}
    for what in ("logs", "flow_runs", "task_runs", "artifacts"):
        pages: list[Any] = []
        while page := HTTP.post(f"{server.api_url}/{what}/filter", json={"limit": 200, "offset": len(pages)}).json():
            pages += page
        found[what] = json.dumps(pages)
    events = []
    for slug in SLUGS:
        query = {"filter": {"resource": {"id": [f"inlet.source.{slug}"]}}, "limit": 50}
        page = HTTP.post(f"{server.api_url}/events/filter", json=query).json()
        events += page["events"]
        while page["next_page"]:
            page = HTTP.get(page["next_page"]).json()
            events += page["events"]
    return found | {"events": json.dumps(events)}


def test_no_canary_is_anywhere(out: Out) -> None:
    for where, text in out.texts.items():
        assert len(text) > 1_000 or where == "output", where
        for line in text.splitlines():
            found = [word for word in (*CANARIES, KEY) if word in line.lower()]
            assert not found, (where, found, line[:2000])


def test_all_went_wrong_that_was_to(out: Out) -> None:
    """Or there would have been nothing to get out."""
    failed = {flow: set(out.said[flow]["failures"]) for flow in SLUGS}
    assert failed == {
        "people": CSVS.keys() - {"good", "empty"},
        "others": FORMATS.keys() - {"orc"},  # which is whole, as Arrow reads it
        "strangers": {"good"},
        "cut": {"cast"},
    }
    assert all(len(marks) > 0 for marks in out.said["marks"])


def test_ours_are_told_and_others_are_withheld(out: Out) -> None:
    assert out.failure("people", "cast").startswith("Misdeclared: people to person: an expression of the mapping fails")
    assert "look like 'aaaaaa 9999'" in out.texts["logs"]  # as they are masked
    assert "(1 × the file ends within its quotes, " in out.failure("people", "rejected")
    for drop in ODD.keys() - {"cast", "divide"}:
        assert out.failure("people", drop).startswith("Withheld: ")
        assert "spark/transform.py:" in out.failure("people", drop)
    assert "nobody has decided on people.ssn (ssn), people.name (" in out.failure("strangers", "good")
    assert "`no_column` cannot be resolved" in out.failure("cut", "cast")
