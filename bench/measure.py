"""One way to measure: a process and its children, and the results as JSON."""

import json
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil
from pydantic import BaseModel

RESULTS = Path("build/bench")


class Result(BaseModel, frozen=True):
    """One case done by one system; seconds of wall and CPU time, the process tree's peak RSS in MB (10^6 bytes)."""

    case: str
    system: str
    seconds: float
    cpu_seconds: float
    peak_rss_mb: float
    bytes: int
    rows: int


def measure(
    command: Sequence[str], *, case: str, system: str, size: int, rows: int, env: Mapping[str, str] | None = None
) -> Result:
    """Run a command to its end; raises `CalledProcessError` where it fails.

    RSS is sampled every 50 ms over the tree, pages that processes share counted in each; CPU time is that of them all.
    """
    started = time.monotonic()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, env=env)
    peak, cpu = 0, {}
    while process.poll() is None:
        rss = 0
        for member in (process, *_children(process)):
            try:
                with member.oneshot():
                    rss += member.memory_info().rss
                    times = member.cpu_times()
                    cpu[member.pid, member.create_time()] = times.user + times.system
            except psutil.NoSuchProcess:
                continue
        peak = max(peak, rss)
        time.sleep(0.05)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Result(
        case=case,
        system=system,
        seconds=round(time.monotonic() - started, 2),
        cpu_seconds=round(sum(cpu.values()), 2),
        peak_rss_mb=round(peak / 1e6, 1),
        bytes=size,
        rows=rows,
    )


def save(name: str, results: Iterable[Result]) -> Path:
    """Write `build/bench/<name>.json`."""
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([result.model_dump() for result in results], indent=1))
    return path


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        children: list[psutil.Process] = process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return children
