"""Publishing a first drop by its rows, and increments of as many rows into a growing `current`."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.scale.measuring import Bench, Clock
from bench.scale.points import GIB, Point

INCREMENT = 5_000  # rows


def publish(bench: Bench) -> Iterator[Point]:
    """A first drop by its rows, and as many rows again into each."""
    with tempfile.TemporaryDirectory(dir=bench.scratch) as folder:
        yield from bench.run(publish_drops, folder=folder, amounts=bench.rows)


def publish_drops(folder: Path, amounts: Sequence[int]) -> list[Point]:
    """Publish the rows of a first drop, then two increments of `INCREMENT` rows to what is there then."""
    from bench.synthetic import claims
    from bench.transform_lakes import Files, commit, drop, fresh, pattern_of
    from spark.schemas import Claim
    from tasks.publish import apply

    points = []
    for rows in amounts:
        run = fresh(folder / str(rows))
        commit(run, drop(0), claims.transformed(rows))
        with Clock() as clock:
            apply(Claim, run)
        there = Files.of(run, f"current.{Claim}")
        size = sum(there.sizes.values()) / GIB
        points.append(clock.point("publish", "first", "rows", rows, out=size, files=len(there.sizes)))
        for number, pattern in enumerate(("clustered", "uniform"), 1):
            there = Files.of(run, f"current.{Claim}")
            commit(run, drop(number), [claims.increment(pattern_of(pattern), number, rows, INCREMENT)])
            with Clock() as clock:
                apply(Claim, run)
            new = Files.of(run, f"current.{Claim}")
            touched, written = new.gone(there) / len(there.sizes), new.new(there) / GIB
            points.append(clock.point("publish", pattern, "rows", rows, touched=touched, written=written))
    return points
