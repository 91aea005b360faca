"""Transforming claims by their number, with the room that Spark takes on the disk beside."""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.scale.measuring import Bench
from bench.scale.points import GIB, Point

if TYPE_CHECKING:
    from bench.transform import Measured


def transform(bench: Bench) -> Iterator[Point]:
    """Claims by their number, and some on fewer cores.

    What `bench.transform` has measured of more rows is not done again, but taken from there.
    """
    from bench.transform import Bench as Transform
    from bench.transform import kept

    rows = bench.rows
    for there in (*kept("small"), *kept("full")):
        if (there.case, there.system) == ("full", "inlet") and there.rows > rows[-2]:
            yield _point(there, bench.cores)
    for number, cores in [*((n, bench.cores) for n in rows[:-1]), *((rows[0], c) for c in range(1, bench.cores))]:
        with tempfile.TemporaryDirectory(dir=bench.scratch) as scratch, _watched(Path(scratch)) as sizes:
            measuring = Transform(bench.folder / "transform", Path(scratch), number, cores)
            found = measuring.compare("full", ["inlet"], 1)
        if measuring.failures or not found:
            raise RuntimeError(str(measuring.failures))
        yield _point(found[0], cores, scratch=max(sizes) / GIB)


def _point(found: "Measured", cores: int, **more: float) -> Point:
    return Point(
        stage="transform",
        case="claim",
        unit="rows",
        amount=found.rows,
        cores=cores,
        seconds=found.seconds,
        cpu=found.cpu_seconds,
        peak_mb=found.peak_rss_mb,
        more={"out": found.written / GIB, **more},
    )


@contextmanager
def _watched(folder: Path) -> Iterator[list[int]]:
    """Bytes of Spark's blocks below a folder, twice a second."""
    sizes, stop = [0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.5):
            size = 0
            for path in folder.rglob("blockmgr-*/*/*"):
                try:
                    size += path.stat().st_size
                except OSError:
                    continue
            sizes.append(size)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield sizes
    finally:
        stop.set()
        thread.join()
