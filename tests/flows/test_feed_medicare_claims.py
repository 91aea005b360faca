"""Claims from a drive and from S3 to `current` on S3: DE-SynPUF once, then Synthea's populations week by week."""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State

from bench.synthetic import synthea
from bench.synthetic.synthea import Population, population
from blocks.drive import Drive
from blocks.s3 import S3Folder
from flows.medicare_claims import MEDICARE_CLAIMS, medicare_claims
from spark.schemas import SCHEMAS
from tasks.discover import offered
from tasks.manifest import now
from tests import claims as parties
from tests.flows.conftest import Feed
from tests.servers import S3

Rows = dict[tuple[Any, ...], dict[str, Any]]

WORLD = parties.world(seed=4)
EARLIER = replace(  # the same people a year before, when all of them lived elsewhere
    WORLD,
    people=tuple(replace(p, state={"MA": "NY", "NY": "CA", "CA": "PR", "PR": "MA"}[p.state]) for p in WORLD.people),
)
WEEKS = [datetime(2026, 1, day, 10, tzinfo=UTC) for day in (5, 12, 19)]
FIRST = population(seed=1, people=40)
SECOND = FIRST.after(seed=2, gone=6, new=8, columns=28)
BETTER = SECOND.corrected(60)
THIRD = BETTER.after(seed=3, gone=4, new=3, columns=28)


def history() -> dict[str, Rows]:
    """What is true of DE-SynPUF's people: the columns that it gives."""
    found = parties.expected(WORLD)
    for row in found["patient"].values():
        row.update({"zip_code": None, "last_name": None, "first_name": None})
    long = WORLD.of("inpatient")[0].id  # its second segment
    found["claim_line"][long, 46] = {"hcpcs_code": "A0425"}
    found["diagnosis"][(f"{long}-11",)] = {"source_code": "2859", "diagnosis_rank": 11, "claim_id": long}
    return found


def assert_current(feed: Feed, of: Population) -> None:
    """`current` has DE-SynPUF's people, this population with every column, and nobody else."""
    old, new = history(), synthea.truth(of)
    for name, rows in new.items():
        schema, before = SCHEMAS[name], old.get(name, {})
        found = feed.rows(f"current.{name}")
        have = {tuple(row[part] for part in schema.key): row for row in found}
        assert len(have) == len(found), name
        assert have.keys() == {*before, *rows}, name
        for key, row in rows.items():
            want = {column.name: row.get(column.name) for column in schema.columns}
            assert {column: have[key][column] for column in want} == want, (name, key)
            assert have[key]["_drop"].startswith("2026-01-"), (name, key)
        for key, row in before.items():
            assert {column: have[key][column] for column in row} == row, (name, key)
            assert have[key]["_drop"] == ("sample-1-2010" if name == "patient" else "sample-1"), (name, key)


def ended(feed: Feed, schema: str) -> dict[Any, list[tuple[datetime, datetime, dict[str, Any]]]]:
    """Versions that are over, by key: since when, until when, and the row."""
    found: dict[Any, list[tuple[datetime, datetime, dict[str, Any]]]] = {}
    for row in feed.rows(f"history.{schema}"):
        key = tuple(row[part] for part in SCHEMAS[schema].key)
        found.setdefault(key, []).append((row["_valid_from"], row["_valid_to"], row))
    return found


def test_a_history_and_then_weekly_populations_reach_current(feed: Callable[..., Feed], s3: S3, tmp_path: Path) -> None:
    drive, exports = Drive(path=tmp_path / "drive"), S3Folder(bucket=s3.bucket(), credentials=s3.credentials)
    into = feed(medicare_claims, MEDICARE_CLAIMS, medicare_claims=exports, medicare_claims_history=drive)
    client = s3.credentials.get_s3_client()
    drive.path.mkdir()

    def export(of: Population, week: int, *, without: str = "", cut: int | None = None) -> None:
        file = synthea.write_zip(of, WEEKS[week], tmp_path, without=without)
        client.put_object(Bucket=exports.bucket, Key=f"runs/{file.name}", Body=file.read_bytes()[:cut])

    def run() -> State[Any]:
        """A run to which what is there has held still for an hour."""
        with exports.connect() as weekly, ExitStack() as mounted:
            remotes: dict[str, Any] = {"medicare-claims": weekly}
            if drive.path.exists():
                remotes["medicare-claims-history"] = mounted.enter_context(drive.connect())
            offered(MEDICARE_CLAIMS, remotes, into.lake, at=now() - timedelta(hours=1))
        return into.run()

    parties.write_beneficiaries(EARLIER, drive.path, year=2009)
    parties.write_desynpuf(WORLD, drive.path)
    export(FIRST, 0)
    export(SECOND, 1, cut=-40)  # whose upload broke off
    state = run()
    assert state.is_failed()
    assert (state.message or "").startswith("2026-01-12T100000: Damaged: "), state.message
    assert "Done: 4 drops" in (state.message or "")
    assert_current(into, FIRST)
    (end_of_2009, end_of_2010) = (datetime(year, 12, 31, tzinfo=UTC) for year in (2009, 2010))
    assert {
        key: [(since, until, row["state"]) for since, until, row in of] for key, of in ended(into, "patient").items()
    } == {(p.id,): [(end_of_2009, end_of_2010, p.state)] for p in EARLIER.people}

    shutil.rmtree(drive.path)  # unmounted: its history is in the lake
    export(SECOND, 1)
    export(THIRD, 2, without="patients.csv")
    state = run()
    assert state.is_failed()
    assert (state.message or "").startswith("2026-01-19T100000: ChecksFailed: "), state.message
    assert "0 rows, where the last full drop has 42" in (state.message or "")
    assert (state.message or "").endswith("Done: 2026-01-12T100000")
    assert_current(into, SECOND)
    gone = ended(into, "patient")
    for person in FIRST.people[:6]:
        assert [(since, until) for since, until, _ in gone[person.id,]] == [(WEEKS[0], WEEKS[1])]

    export(BETTER, 1)
    export(THIRD, 2)
    state = run()
    assert state.is_completed(), state.message
    assert state.message == "Done: 2026-01-12T100000, 2026-01-19T100000"
    assert_current(into, THIRD)
    wrong, right = SECOND.visits[60], BETTER.visits[60]
    line = into.current("claim_line", "claim_id", "claim_line_number")[right.bill, 0]
    assert (line["charge_amount"], line["_valid_from"]) == (right.charges[0].amount, WEEKS[1])
    ((since, until, before),) = ended(into, "claim_line")[right.bill, 0]
    assert (since, until, before["charge_amount"]) == (WEEKS[0], WEEKS[1], wrong.charges[0].amount)
    assert {row["_drop"] for row in into.rows("raw.medicare_claims_patients") if row["middle"] is not None} == {
        "2026-01-12T100000",
        "2026-01-19T100000",
    }
    assert into.done() == "Nothing is new"
