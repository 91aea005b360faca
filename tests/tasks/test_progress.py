"""What an engineer sees of a transfer: in the log, and in Prefect's UI."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tasks.progress import Progress
from tests.servers import HTTP, PrefectServer

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("total", "done", "seconds", "line"),
    [
        (10_000_000_000, 2_500_000_000, 50, "x: 2.50 of 10.00 GB (25 %), 50 MB/s, 2 min 30 s left"),
        (10_000_000_000, 0, 50, "x: 0.00 of 10.00 GB (0 %), 0 MB/s"),
        (2_000_000, 2_000_000, 1, "x: 2.00 of 2.00 MB (100 %), 2 MB/s"),
        (4 * 10**12, 10**12, 10_000, "x: 1,000.00 of 4,000.00 GB (25 %), 100 MB/s, 8 h 20 min left"),
        (0, 5_000_000, 1, "x: 5.00 MB, 5 MB/s"),  # pages of an API, whose size nobody knows
    ],
)
def test_bytes_rate_and_time_left(total: int, done: int, seconds: float, line: str) -> None:
    progress = Progress("x", total)
    progress.add(done)
    assert progress.line(seconds) == line


def test_what_is_quick_shows_nothing() -> None:
    said: list[str] = []
    progress = Progress("x", 100, say=said.append)
    progress.add(100)
    progress.tick()
    progress.end()
    assert said == []


FLOW = """
    import os
    import time
    from contextlib import contextmanager
    from pathlib import Path
    from types import SimpleNamespace

    from blocks.drive import Drive
    from blocks.lake import Lake
    from spark.readers import Csv
    from tasks.ingest import ingest
    from tasks.run import Run
    from tasks.source import Dataset, Delivery, Drop, Source
    from tasks.transfer import transfer

    ACME = Source(
        slug="acme-claims",
        at="acme-claims",
        deliveries=(Delivery(kind="full", names=r"claims_(?P<date>\\d{8})\\.csv", dated="%Y%m%d"),),
        datasets={"claims": Dataset(members=".*", reader=Csv())},
        phi="yes",
        quiet=None,
    )


    class Slow(Drive):
        _block_type_slug = "slow"

        @contextmanager
        def connect(self):
            with super().connect() as remote:
                yield SimpleNamespace(list=remote.list, open=self.slowly(remote.open))

        def slowly(self, open):
            def opened(name):
                time.sleep(2.5)
                return open(name)

            return opened


    Run.place = lambda self, name=None: Slow(path=Path(os.environ["OUTSIDE"]))
    Lake(root=os.environ["LAKE"]).save("lake", overwrite=True)


    @ingest(ACME)
    def acme(drop: Drop) -> None:
        transfer(drop)


    acme()
"""


def test_the_ui_has_a_progress_artifact_and_a_link_to_what_landed(
    prefect_server: PrefectServer, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "claims_20261101.csv").write_bytes(bytes(1000))
    (tmp_path / "acme.py").write_text(dedent(FLOW))
    env = prefect_server.env | {"PYTHONPATH": str(ROOT), "OUTSIDE": str(outside), "LAKE": str(tmp_path / "lake")}
    done = subprocess.run([sys.executable, tmp_path / "acme.py"], env=os.environ | env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ours = {"artifacts": {"key": {"any_": ["acme-claims-transfer", "acme-claims-landed"]}}}
    found = HTTP.post(f"{prefect_server.api_url}/artifacts/filter", json=ours).json()
    artifacts = {artifact["key"]: artifact for artifact in found}
    progress, landed = artifacts["acme-claims-transfer"], artifacts["acme-claims-landed"]
    assert (progress["type"], progress["data"]) == ("progress", 100.0)
    assert progress["description"] == "2026-11-01: 1,000 of 1,000 bytes (100 %), 0 MB/s"
    assert "2026-11-01: 1,000 of 1,000 bytes (100 %), 0 MB/s" in done.stderr, "the log says it too"
    assert f"file://{tmp_path}/lake/landed/acme-claims/2026-11-01" in landed["data"]
    assert landed["description"] == "1 file, 1,000 bytes, as the party sent them"
    assert progress["task_run_id"] == landed["task_run_id"]
