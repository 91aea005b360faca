"""`make demo`: a synthetic NPPES from a folder that plays the outside world to checked Parquet."""

import os
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer
from rich import box
from rich.console import Console
from rich.table import Column, Table

from spark.session import SMALL
from spark.tables import Tables

if TYPE_CHECKING:
    from blocks.lake import Lake
    from tasks.source import Source

OUTSIDE, LAKE, HOME = Path("outside"), Path("lake"), Path("build/demo")


def main(providers: int = 20_000) -> None:
    """Run the flow over what the outside world has, and show what the lake then holds."""
    started = time.monotonic()
    # before Prefect is imported: the demonstration keeps its blocks and runs to itself, and has no server outlive it
    HOME.mkdir(parents=True, exist_ok=True)
    os.environ["PREFECT_HOME"] = str(HOME.resolve())
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("SPARK_LOCAL_DIRS", str(HOME.resolve()))
    os.environ.setdefault("INLET_JAVA_OPTIONS", SMALL)
    os.environ.setdefault("INLET_CADENCE", "off")  # the synthetic drops are of one day for ever
    console = Console()
    if not OUTSIDE.exists():
        deliver(providers)
        console.print(f"{OUTSIDE}/ plays the outside world: a month and two weeks of {providers:,} synthetic providers")

    from prefect.client.schemas.objects import State

    from blocks.drive import Drive
    from blocks.lake import Lake
    from flows.nppes import NPPES, nppes
    from tasks.manifest import landed

    lake = Lake(root=str(LAKE.resolve()))
    before = landed(lake, NPPES)
    with console.status("running the flow nppes"):
        Drive(path=OUTSIDE.resolve()).save(NPPES.at, overwrite=True)
        lake.save("lake", overwrite=True)
        state = cast("State[object]", nppes(return_state=True))
    console.print(f"nppes: {state.message}")
    new = len(landed(lake, NPPES)) - len(before)
    console.print(summary(lake, NPPES, new))
    console.print(f"{time.monotonic() - started:.0f} s; {'run it again: nothing is new' if new else 'nothing was new'}")
    raise typer.Exit(0 if state.is_completed() else 1)


def deliver(providers: int) -> None:
    """Let the outside world publish; in a folder of its own until all is there."""
    from bench.synthetic.nppes import publish

    unfinished = OUTSIDE.with_suffix(".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    publish(providers, seed=1, folder=unfinished)
    unfinished.rename(OUTSIDE)


def summary(lake: "Lake", source: "Source", new: int) -> Table:
    """One line a zone: what it holds, and where."""
    from tasks.manifest import landed

    tables = Tables(lake.catalog_properties(), lake.url())
    manifests = landed(lake, source).values()
    raw = {dataset: source.table("raw", dataset) for dataset in source.datasets}
    marks = [mark for name in raw.values() for mark in tables.marks(name, "drop").values()]
    why: Counter[str] = sum((Counter(mark["reasons"]) for mark in marks), Counter())
    held: Counter[str] = sum((Counter(m["reasons"]) for m in tables.marks("held.provider", "drop").values()), Counter())
    table = Table(
        Column("zone"), "what", Column("count", justify="right"), Column("where", no_wrap=True), box=box.SIMPLE_HEAD
    )
    files = sum(len(m.latest.files) for m in manifests)
    table.add_row("landed", f"files, {new} of them new", f"{files:,}", f"{LAKE}/landed/{source.slug}")
    for dataset, name in raw.items():
        table.add_row("raw", f"rows of {dataset}", f"{tables.rows(name):,}", _where(name))
    table.add_row("rejected", _reasons(why), f"{why.total():,}", f"{LAKE}/rejected")
    table.add_row(
        "transformed", "rows of provider", f"{tables.rows('transformed.provider'):,}", _where("transformed.provider")
    )
    table.add_row("held", _reasons(held), f"{held.total():,}", _where("held.provider"))
    table.add_row("current", "providers", f"{tables.rows('current.provider'):,}", _where("current.provider"))
    return table


def _where(name: str) -> str:
    return f"{LAKE}/{name.replace('.', '/')}"


def _reasons(counts: Counter[str]) -> str:
    return "\n".join(f"{n} × {reason}" for reason, n in counts.items()) or "none"


if __name__ == "__main__":
    typer.run(main)
