"""`make bench-scale`: measures stages, reckons a day's load with what came out, and shows or publishes its tables.

What was measured of other stages is kept: it can be measured in parts.

    python -m bench.scale --stage commit --stage publish
    python -m bench.scale --publish
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from bench.measure import RESULTS
from bench.scale import page
from bench.scale.measuring import Bench, do
from bench.scale.points import Point, Size, keep, kept
from bench.scale.rates import Rates
from bench.scale.stages import commit, executors, prefect, publish, requests, transfer, transform, unwrap_convert

MEASURED: dict[str, Callable[[Bench], Iterator[Point]]] = {
    "unwrap": unwrap_convert.unwrap,
    "convert": unwrap_convert.convert,
    "commit": commit.commit,
    "expire": commit.expire,
    "writers": commit.writers,
    "publish": publish.publish,
    "transfer": transfer.transfer,
    "requests": requests.requests,
    "prefect": prefect.prefect,
    "executors": executors.executors,
    "transform": transform.transform,
}
"""What `--stage` names, in the order in which it is measured."""


def main(
    size: Size = "small",
    stage: Annotated[list[str] | None, typer.Option(help="Of transfer, unwrap, …; all unless told.")] = None,
    publish_last: Annotated[bool, typer.Option("--publish", help="What was measured last.")] = False,
    work: Annotated[str | None, typer.Option(hidden=True)] = None,
    given: Annotated[str, typer.Option(hidden=True)] = "{}",
    answer: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Measure stages, keep what came out, and show what a day of `MIX` takes by it."""
    if work:
        do(work, given, answer)
    elif publish_last:
        page.publish(kept(size))
    else:
        console = Console()
        measure(size, stage or list(MEASURED), console)
        show(size, console)


def measure(size: Size, stages: list[str], console: Console) -> None:
    """Measure stages one after the other; what is measured is kept, whatever comes of the rest."""
    root = RESULTS.resolve()
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="scale-", dir=root) as scratch, console.status("") as status:
        bench = Bench(size, root / "scale", Path(scratch))
        for name, points in MEASURED.items():
            if name in stages:
                status.update(name)
                new: list[Point] = []
                for point in points(bench):
                    new.append(point)
                    keep(size, new)


def show(size: Size, console: Console) -> None:
    """Print the page's tables; without a plan, as there is none before all was measured, what was."""
    rates = Rates(kept(size))
    try:
        tables = page.tables(rates)
    except KeyError as error:
        console.print(error.args[0])
        tables = {"measured": page.measured(rates)}
    for name, (header, *rows) in tables.items():
        shown = Table(*header, title=name)
        for row in rows:
            shown.add_row(*row)
        console.print(shown)
    memory = f"{psutil.virtual_memory().total / 1e9:.0f} GB"
    console.print(f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory}; see {RESULTS}/scale-{size}.json")


if __name__ == "__main__":
    typer.run(main)
