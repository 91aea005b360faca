"""Spark's tasks beside one process's threads, of the whole process tree."""

import json
import subprocess
import sys
from collections.abc import Iterator

from bench.convert import Measured
from bench.measure import RESULTS
from bench.scale.measuring import Bench
from bench.scale.points import GIB, Point

CASES = {"inlet": "threads", "inlet_spark": "tasks"}


def executors(bench: Bench) -> Iterator[Point]:
    """What `bench.convert` measured last; it measures where it has not."""
    path = RESULTS / "convert-curve.json"
    if not path.exists():
        subprocess.run([sys.executable, "-m", "bench.convert", "--curve"], check=True)
    for found in map(Measured.model_validate, json.loads(path.read_text())):
        if found.system in CASES and found.bytes >= bench.sizes[0]:
            yield Point(
                stage="executors",
                case=CASES[found.system],
                unit="GiB",
                amount=found.bytes / GIB,
                cores=found.cores,
                seconds=found.seconds,
                cpu=found.cpu_seconds,
                peak_mb=found.peak_rss_mb,
            )
