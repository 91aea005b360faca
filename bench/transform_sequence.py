"""Increments in a row by `bench.transform`: what they cost who writes, and who reads, were they merged or not."""

# ruff: noqa: S608  the SQL is made of this file's names and paths

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb
from pydantic import BaseModel

from bench.synthetic.claims import Pattern
from bench.transform_lakes import SEQUENCE, Files, fresh, increment
from spark.current import SLAB
from spark.schemas import Claim

POINTS = (1, 10, 100)
"""After so many increments in a row it is looked at what they cost."""


class Point(BaseModel, frozen=True):
    """After some increments in a row: bytes of their files in Transformed, of those that they put into current and
    history, files that current has, and the median `seconds` of publishing one.

    What a reader then takes, in seconds, to count all rows and add up an amount, and to look one key up: of `current`,
    and `merged`, were it to merge all increments with what there was before them.
    """

    pattern: str
    increments: int
    arrived: int
    written: int
    history: int
    files: int
    seconds: float
    read: float
    lookup: float
    merged_read: float
    merged_lookup: float


def sequence(pattern: Pattern, folder: Path, rows: int) -> list[Point]:
    """Publish increments one by one, and look at what they came to at `POINTS`."""
    from tasks.publish import apply

    run = fresh(folder)
    before, history = Files.of(run, f"current.{Claim}"), Files.of(run, f"history.{Claim}")
    base = tuple(before.sizes)
    arrivals: list[str] = []
    points: list[Point] = []
    took: list[float] = []
    arrived = written = closed = 0
    for number in range(1, POINTS[-1] + 1):
        files, _ = increment(run, pattern, number, rows)
        arrivals += [file.url.removeprefix("file://") for file in files]
        arrived += sum(file.bytes for file in files)
        began = time.monotonic()
        apply(Claim, run, slab=SLAB // SEQUENCE)
        took.append(time.monotonic() - began)
        now, then = Files.of(run, f"current.{Claim}"), Files.of(run, f"history.{Claim}")
        written += now.new(before)
        closed += then.new(history)
        before, history = now, then
        if number in POINTS:
            points.append(
                Point(
                    pattern=pattern,
                    increments=number,
                    arrived=arrived,
                    written=written,
                    history=closed,
                    files=len(now.sizes),
                    seconds=statistics.median(took),
                    **read(tuple(now.sizes), base, arrivals),
                )
            )
    return points


def read(current: Sequence[str], base: Sequence[str], arrivals: Sequence[str]) -> dict[str, float]:
    """Seconds that DuckDB takes for what a reader asks, the best of three; raises `ValueError` where answers differ."""
    key = duckdb.connect().execute(f"SELECT quantile_disc(claim_id, 0.5) FROM read_parquet({arrivals})").fetchone()
    newest = "QUALIFY row_number() OVER (PARTITION BY claim_id ORDER BY _drop DESC) = 1"
    latest = f"SELECT claim_id, paid_amount FROM read_parquet({arrivals}) {newest}"
    merged = (
        f"WITH latest AS MATERIALIZED ({latest}) SELECT claim_id, paid_amount"
        f" FROM read_parquet({list(base)}) AS was ANTI JOIN latest USING (claim_id) UNION ALL FROM latest"
    )
    one = f"WHERE claim_id = '{(key or ('',))[0]}'"
    both = f"read_parquet({[*base, *arrivals]}, union_by_name = true)"
    queries = {
        "read": f"SELECT count(*), sum(paid_amount) FROM read_parquet({list(current)})",
        "merged_read": f"SELECT count(*), sum(paid_amount) FROM ({merged})",
        "lookup": f"SELECT paid_amount, _drop FROM read_parquet({list(current)}) {one}",
        "merged_lookup": f"SELECT paid_amount, _drop FROM {both} {one} ORDER BY _drop DESC LIMIT 1",
    }
    took, answers = {}, {}
    for name, query in queries.items():
        times = []
        for _ in range(3):
            began = time.monotonic()
            answers[name] = duckdb.execute(query).fetchall()
            times.append(time.monotonic() - began)
        took[name] = min(times)
    for name in ("read", "lookup"):
        if answers[name] != answers[f"merged_{name}"]:
            raise ValueError(f"current answers {name} otherwise than its increments do")
    return took
