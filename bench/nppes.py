"""`make bench-nppes`: the whole path of a month of NPPES, and the run after it that finds nothing new.

Cases `month` and `nothing_new`; the only system is `inlet`, as no peer does the whole path. Time includes the start of
Python, Prefect's ephemeral API and Spark. `full` is a million providers, 1.2 GB of CSV.
"""

import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import typer
from rich.console import Console
from rich.table import Table

from bench.measure import measure, save
from bench.synthetic.nppes import World

Size = Literal["small", "full"]
PROVIDERS: dict[Size, int] = {"small": 20_000, "full": 1_000_000}


def main(size: Size = "small") -> None:
    """Measure both cases and show them."""
    with tempfile.TemporaryDirectory(prefix="inlet-bench-") as scratch:
        folder = Path(scratch)
        outside = folder / "outside"
        outside.mkdir()
        world = World(1, PROVIDERS[size])
        month = world.monthly(world.start, outside)
        env = {
            **os.environ,
            "PREFECT_HOME": str(folder),
            "PREFECT_LOGGING_LEVEL": "ERROR",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "SPARK_LOCAL_DIRS": str(folder),
            "INLET_CADENCE": "off",
        }
        command = [sys.executable, "-c", _FLOW, str(outside), str(folder / "lake")]
        results = [
            measure(command, case=case, system="inlet", size=month.csv_bytes, rows=month.well_formed, env=env)
            for case in ("month", "nothing_new")
        ]
    path = save("nppes", results)
    table = Table(
        *results[0].model_dump(), title=f"{month.csv_bytes / 1e6:,.0f} MB of CSV, {datetime.now(UTC):%Y-%m-%d}"
    )
    for result in results:
        table.add_row(*map(str, result.model_dump().values()))
    Console().print(table, str(path))


_FLOW = """
import sys
from pathlib import Path
from blocks.drive import Drive
from blocks.lake import Lake
from flows.nppes import nppes
Drive(path=Path(sys.argv[1])).save("nppes", overwrite=True)
Lake(root=sys.argv[2]).save("lake", overwrite=True)
nppes()
"""

if __name__ == "__main__":
    typer.run(main)
