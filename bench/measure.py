"""One way to measure: a process and its children, and the results as JSON."""

import json
import resource
import statistics
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
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


class Repeated(Result, frozen=True):
    """The median of several runs, each figure by itself; RSS is the highest; `fastest` and `slowest` are in seconds."""

    runs: int
    fastest: float
    slowest: float


def median(results: Sequence[Result]) -> Repeated:
    """What several runs of one case by one system come to."""
    seconds = [result.seconds for result in results]
    whole = results[0].model_dump() | {
        "seconds": round(statistics.median(seconds), 3),
        "cpu_seconds": round(statistics.median(result.cpu_seconds for result in results), 3),
        "peak_rss_mb": max(result.peak_rss_mb for result in results),
    }
    return Repeated(**whole, runs=len(results), fastest=min(seconds), slowest=max(seconds))


def measure(
    command: Sequence[str], *, case: str, system: str, size: int, rows: int, env: Mapping[str, str] | None = None
) -> Result:
    """Run a command to its end; raises `CalledProcessError` where it fails.

    RSS is sampled every 200 ms over the tree, pages that processes share counted in each. CPU time is that of all of
    them: of those that were waited for by their parents as the kernel counts it, of others as it was last seen.
    """
    before = _waited_for()
    started = time.monotonic()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, env=env)
    peak, cpu, ended = 0, {}, False
    while not ended:
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
        with suppress(psutil.TimeoutExpired):
            process.wait(0.2)
            ended = True
    seconds = time.monotonic() - started
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Result(
        case=case,
        system=system,
        seconds=round(seconds, 3),
        # Samples miss a child that lives for less than 200 ms; the kernel's count misses one that nobody waited for.
        cpu_seconds=round(max(_waited_for() - before, sum(cpu.values())), 3),
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


def _waited_for() -> float:
    """CPU seconds of this process's children that have ended and been waited for, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        children: list[psutil.Process] = process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return children
