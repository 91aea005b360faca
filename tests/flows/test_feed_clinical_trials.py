"""ClinicalTrials.gov, from an API that changes in mid-walk to `current.trial`."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bench.synthetic.clinical_trials import FIRST, World
from blocks.api import JsonApi
from blocks.errors import Misconfigured
from flows.clinical_trials import CLINICAL_TRIALS, clinical_trials
from spark.schemas import Trial
from spark.tables import Tables
from tasks.manifest import landed
from tests.blocks.test_api import Answer, Api
from tests.flows.conftest import Feed

PAGE = 30
BUSY = b"Too many requests"
MOVED = b"The data have probably changed while you were paginating. Please, start over from the first page."
KNOWN = {"pageSize", "pageToken", "countTotal"}


class Registry(Api):
    """The API as it is documented, over the studies of a `day` of a world.

    After `moves_after` pages the day ends; every `refuses` request is one too many.
    """

    def __init__(self, world: World) -> None:
        super().__init__()
        self.RequestHandlerClass = Studies
        self.world, self.day, self.moves_after, self.refuses = world, 0, 0, 0
        self.walks: list[str] = []  # the offset of each page that was asked for, and its data's stamp

    @property
    def timestamp(self) -> str:
        return f"{datetime(FIRST.year, FIRST.month, FIRST.day, 9, 0, 5) + timedelta(days=self.day):%Y-%m-%dT%H:%M:%S}"


class Studies(Answer):
    server: Registry

    def do_GET(self) -> None:  # noqa: N802  # http.server's own name
        if self.server.refuses and not (len(self.server.asked) + 1) % self.server.refuses:
            self.server.asked.append("refused")
            self.say(BUSY, 429, "text/plain", Retry_After="0")
        else:
            super().do_GET()

    def version(self, query: dict[str, str]) -> None:
        self.say(json.dumps({"apiVersion": "2.0.5", "dataTimestamp": self.server.timestamp}).encode())

    def studies(self, query: dict[str, str]) -> None:
        server = self.server
        if unknown := [name for name in query if name not in KNOWN]:
            self.say(f"`{unknown[0]}` is unknown parameter".encode(), 400, "text/plain")
            return
        made_from, _, offset = query.get("pageToken", f"{server.timestamp}_0").partition("_")
        if made_from != server.timestamp:
            self.say(MOVED, 400, "text/plain")
            return
        server.walks.append(f"{offset} of {made_from}")
        start, size = int(offset), int(query["pageSize"])
        found = server.world.studies(server.day)
        answer: dict[str, Any] = {"studies": found[start : start + size]}
        if not start and query.get("countTotal") == "true":
            answer["totalCount"] = len(found)
        if start + size < len(found):
            answer["nextPageToken"] = f"{made_from}_{start + size}"
        self.say(json.dumps(answer, ensure_ascii=False).encode())
        server.moves_after -= 1
        if not server.moves_after:
            server.day += 1


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry(World(seed=7, size=100)) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def block(api: Api, **changed: Any) -> JsonApi:
    """As the flow's file says that it is filled in."""
    given: dict[str, Any] = {
        "url": api.url,
        "path": "studies",
        "parameters": {"countTotal": "true"},
        "next_at": "nextPageToken",
        "page_parameter": "pageToken",
        "size_parameter": "pageSize",
        "page_size": PAGE,
        "records": "studies",
        "total": "totalCount",
        "stamp": "version",
        "stamp_at": "dataTimestamp",
        "per_minute": 6000,
    }
    return JsonApi.model_validate(given | changed)


def current(feed: Feed) -> dict[str, dict[str, Any]]:
    """The trials, by the columns that have a value."""
    names = [column.name for column in Trial.columns]
    found = feed.current("trial", "nct_id")
    return {key: {name: row[name] for name in names if row[name] is not None} for key, row in found.items()}


def test_days_of_a_registry_that_changes_in_mid_walk(feed: Callable[..., Feed], registry: Registry) -> None:
    world = registry.world
    trials = feed(clinical_trials, CLINICAL_TRIALS, clinical_trials=block(registry))
    registry.refuses = 3
    assert trials.done() == "Done: 2026-11-23T090005"
    assert "refused" in registry.asked
    assert current(trials) == world.truth(0)
    assert len(registry.walks) == 4
    registry.refuses = 0

    # the next day ends while it is walked: what was begun is dropped, and what lands is the day after
    registry.day, registry.moves_after = 1, 2
    registry.walks.clear()
    assert trials.done() == "Done: 2026-11-24T090005"
    assert registry.walks[:3] == ["0 of 2026-11-24T09:00:05", "30 of 2026-11-24T09:00:05", "0 of 2026-11-25T09:00:05"]
    then, now = world.truth(0), world.truth(2)
    assert then.keys() - now.keys(), "some are withdrawn"
    assert now.keys() - then.keys(), "some are new"
    assert any(then[key] != now[key] for key in then.keys() & now.keys()), "some have changed"
    assert current(trials) == now
    manifests = landed(trials.lake, CLINICAL_TRIALS)
    assert manifests.keys() == {"2026-11-23T090005", "2026-11-25T090005"}
    assert [(found.finished, found.failed) for found in manifests.values()] == [(1, None), (1, None)]
    assert not [path for path in trials.lake.fs().find(trials.lake.path("landed")) if "2026-11-24" in path]
    staged = trials.lake.fs().find(trials.lake.path("staged"), detail=True).values()
    assert not [found for found in staged if found["type"] == "file"]
    ended = {row["nct_id"] for row in trials.rows("history.trial")}
    assert ended == {key for key in then if then[key] != now.get(key)}
    assert trials.done().startswith("Nothing is new")

    # what is corrected under the same stamp shows to nobody, and comes with the next one
    world.corrected.add(3)
    assert trials.done().startswith("Nothing is new")
    registry.day = 3
    assert trials.done() == "Done: 2026-11-26T090005"
    assert current(trials) == world.truth(3)
    assert "(corrected)" in world.truth(3)["NCT06000003"]["brief_title"]

    with pytest.raises(Misconfigured, match=r"`filter\.phase` is unknown parameter"):
        block(registry, parameters={"filter.phase": "PHASE2"}).check()


def test_real_studies(feed: Callable[..., Feed], registry: Registry, realdata: Path) -> None:
    """All that they hold has a field, but for one that was cut down to its name, which is held."""
    files = sorted((realdata / "sources" / "ctgov" / "v2-single-study").glob("*.json"))
    page = b'{"totalCount":%d,"studies":[%s]}' % (len(files), b",".join(file.read_bytes() for file in files))
    registry.files["studies"] = (200, "application/json", page, "")
    trials = feed(clinical_trials, CLINICAL_TRIALS, clinical_trials=block(registry))
    assert trials.done() == "Done: 2026-11-23T090005"
    tables: Tables = trials.tables
    assert tables.rows("raw.clinical_trials_study") == len(files) == 10
    assert all(row["_special"] is None for row in trials.rows("raw.clinical_trials_study"))
    [held] = trials.rows("held.trial")
    assert held["_reason"] == "study_type is required; overall_status is required"
    assert "NCT00465816" in held["_raw"]
    found = current(trials)
    assert len(found) == 9
    assert found["NCT02210780"]["has_results"]
    assert {key: (row["overall_status"], row["study_type"], row.get("phases")) for key, row in found.items()} == {
        "NCT00763412": ("COMPLETED", "INTERVENTIONAL", ["NA"]),
        "NCT00973089": ("WITHDRAWN", "INTERVENTIONAL", ["NA"]),
        "NCT02210780": ("COMPLETED", "INTERVENTIONAL", ["PHASE2"]),
        "NCT03418623": ("COMPLETED", "INTERVENTIONAL", ["PHASE2"]),
        "NCT03475563": ("UNKNOWN", "OBSERVATIONAL", None),
        "NCT03630471": ("COMPLETED", "INTERVENTIONAL", ["NA"]),
        "NCT04207047": ("UNKNOWN", "INTERVENTIONAL", ["NA"]),
        "NCT05594173": ("COMPLETED", "OBSERVATIONAL", None),
        "NCT06171568": ("NOT_YET_RECRUITING", "OBSERVATIONAL", None),
    }
