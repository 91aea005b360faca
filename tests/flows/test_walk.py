"""What an engineer does in Prefect's UI, in a real browser: docs/walk.md, whose pictures come from here.

INLET_WALK=docs/walk takes them anew.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from bench.synthetic.nppes import World
from tests import servers
from tests.servers import HTTP

ROOT = Path(__file__).parents[2]
START = date(2026, 11, 8)

SETTINGS = """
[pool]
type = "process"
variables = {{ env = {{ INLET_CADENCE = "off", SPARK_LOCAL_DIRS = "{home}", PYTHONPATH = "{root}" }} }}
[blocks."drive/nppes"]
path = "{home}/outside"
[blocks."lake/lake"]
root = "{home}/lake"
"""


@dataclass(frozen=True)
class Site:
    """A Prefect server whose deployments a process worker runs, and a browser's page."""

    api: str
    page: Page
    pictures: Path | None

    def open(self, path: str) -> None:
        self.page.goto(f"{self.api.removesuffix('/api')}/{path}", wait_until="networkidle")

    def picture(self, name: str) -> None:
        self.page.mouse.move(0, 0)
        self.page.wait_for_timeout(1000)  # what moves on the page comes to rest
        if self.pictures:
            self.page.screenshot(path=self.pictures / f"{name}.png")

    def tab(self, run: dict[str, Any], name: str) -> None:
        """Open a tab of a run's page."""
        self.open(f"runs/flow-run/{run['id']}")
        self.page.wait_for_timeout(2000)  # it draws itself anew once all is there, with the first tab
        self.page.get_by_text(name, exact=True).first.click()

    def artifact(self, run: dict[str, Any], key: str) -> None:
        """Open the page of an artifact of a run."""
        query = {"artifacts": {"key": {"any_": [key]}}, "flow_runs": {"id": {"any_": [run["id"]]}}}
        (found,) = HTTP.post(f"{self.api}/artifacts/filter", json=query, timeout=30).json()
        self.open(f"artifacts/artifact/{found['id']}")

    def deployment(self, name: str) -> str:
        found: dict[str, Any] = HTTP.get(f"{self.api}/deployments/name/{name}", timeout=30).json()
        return str(found["id"])

    def field(self, parameter: str, tag: str) -> Locator:
        return self.page.locator(f"xpath=//label[contains(., '{parameter} (Optional)')]/following::{tag}[1]")

    def submitted(self) -> dict[str, Any]:
        """Submit the form, follow the run to its end on its page, and return it."""
        before = self.asked_for()
        self.page.wait_for_timeout(1000)
        self.page.get_by_role("button", name="Submit").click()
        until = time.monotonic() + 60
        while not (new := self.asked_for() - before):
            assert time.monotonic() < until, self.page.inner_text("body")
            time.sleep(0.5)
        (run_id,) = new
        self.open(f"runs/flow-run/{run_id}")
        return self.ended(run_id)

    def asked_for(self) -> set[str]:
        """The runs that somebody asked for, and neither a schedule nor another run."""
        runs = HTTP.post(f"{self.api}/flow_runs/filter", json={}, timeout=30).json()
        return {run["id"] for run in runs if not run["auto_scheduled"] and not run["parent_task_run_id"]}

    def ended(self, run_id: str) -> dict[str, Any]:
        until = time.monotonic() + 300
        while time.monotonic() < until:
            run: dict[str, Any] = HTTP.get(f"{self.api}/flow_runs/{run_id}", timeout=30).json()
            if run["state_type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}:
                return run
            time.sleep(1)
        raise AssertionError(f"{run['name']} has not ended: {run['state']}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    servers.require("java", "there is no Java")
    chromium = servers.require("chromium", "there is no Chromium")
    home = tmp_path_factory.mktemp("walk")
    (home / "outside").mkdir()
    world = World(seed=5, providers=2_000, start=START)
    world.monthly(START, home / "outside")
    world.weekly(START + timedelta(days=1), START + timedelta(days=28), home / "outside")
    (home / "inlet.toml").write_text(SETTINGS.format(home=home, root=ROOT))
    pictures = os.environ.get("INLET_WALK")
    with servers.prefect(tmp_path_factory.mktemp("prefect")) as server:
        env = server.env | {"PYTHONPATH": str(ROOT)}
        for command in (
            ["deployments.apply", "--settings", str(home / "inlet.toml")],
            ["prefect", "--no-prompt", "deploy", "--all"],
        ):
            subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=env, check=True, timeout=300)
        log = home / "worker.log"
        worker = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "inlet", "--name", "walk"]
        with (
            servers.running(worker, lambda: "started!" in log.read_text(), log, env, seconds=90),
            sync_playwright() as playwright,
            playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as browser,
        ):
            page = browser.new_page(viewport={"width": 1280, "height": 860})
            page.set_default_timeout(60_000)
            yield Site(server.api_url, page, Path(pictures).resolve() if pictures else None)


def test_a_backfill_from_the_form_to_its_artifacts(site: Site) -> None:
    page = site.page

    site.open("deployments")
    page.get_by_placeholder("Search deployments").fill("nppes")
    expect(page.get_by_text("2 Deployments", exact=True)).to_be_visible()
    site.picture("1-deployments")

    # the plan: a form whose fields say what they are for, filled in with a month and nothing else
    ingest = site.deployment("nppes/ingest")
    site.open(f"deployments/deployment/{ingest}/run")
    for said in ("Key of a drop, such as 2026-11", "A day, month or year", "Only show the plan"):
        expect(page.get_by_text(said).first).to_be_visible()
    site.field("since", "textarea").fill("2026-11")
    site.field("dry_run", "*[contains(@class, 'p-toggle__control')]").click()
    site.picture("2-form")
    planned = site.submitted()
    assert planned["parameters"] | {"drops": "", "until": ""} == {
        "drops": "",
        "since": "2026-11",
        "until": "",
        "start_from": "outside",
        "force": False,
        "dry_run": True,
    }
    assert planned["name"] == "nppes since 2026-11 (plan only)"
    assert planned["state"]["message"].startswith("Planned: 2026-11, 2026-12-06; reads ")
    site.artifact(planned, "nppes-plan")
    expect(page.get_by_text("transfer (not landed); unwrap, convert").first).to_be_visible()
    site.picture("3-plan")

    # the same without dry_run: a run for each drop
    site.open(f"deployments/deployment/{ingest}/run")
    site.field("since", "textarea").fill("2026-11")
    done = site.submitted()
    assert (done["state_type"], done["state"]["message"]) == ("COMPLETED", "Done: 2026-11, 2026-12-06")
    site.tab(done, "Subflow Runs")
    for name in ("nppes 2026-11", "nppes 2026-12-06"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    site.picture("4-backfill")

    # a drop's own run tells its story: what landed, what arrived, what became of it, what current has
    children = HTTP.post(
        f"{site.api}/flow_runs/filter",
        json={"flow_runs": {"name": {"any_": ["nppes 2026-11"]}, "tags": {"all_": ["nppes"]}}},
        timeout=30,
    ).json()
    (child,) = (run for run in children if run["state_type"] == "COMPLETED")
    site.tab(child, "Task Runs")
    expect(page.get_by_text("publish 2026-11 to provider").first).to_be_visible()
    site.picture("5-drop")
    story = {
        "nppes-landed": "nppes 2026-11, revision 1",
        "nppes-raw": "npidata",
        "nppes-transformed-provider": "raw",
        "nppes-current-provider": "rows",
    }
    for number, (key, shows) in enumerate(story.items(), 6):
        site.artifact(child, key)
        expect(page.get_by_text(shows, exact=True).first).to_be_visible()
        site.picture(f"{number}-{key}")

    # an identical backfill finds everything up to date
    site.open(f"deployments/deployment/{ingest}/run")
    site.field("since", "textarea").fill("2026-11")
    again = site.submitted()
    assert again["state"]["message"] == "Up to date: 2026-11, 2026-12-06"
    site.open(f"runs/flow-run/{again['id']}")
    site.picture("10-again")
