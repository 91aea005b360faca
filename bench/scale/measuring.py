"""How stages are measured: how much of each, in processes of their own, by CPU seconds, user and system.

Each stage is measured in several amounts, so that a line can be laid through them: what one more costs, beside what it
costs to begin. Work is a function that takes what JSON can say and returns points; it runs in a process that does
nothing else, whose peak is so the work's.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from types import TracebackType
from typing import NamedTuple, Self

from pydantic import validate_call
from pydantic_core import to_json

from bench.convert import made
from bench.scale.points import MIB, Point, Size, Unit, dump, load

BYTES: dict[Size, tuple[int, ...]] = {
    "small": (16 * MIB, 64 * MIB, 256 * MIB),
    "full": (64 * MIB, 512 * MIB, 2048 * MIB),
}
ROWS: dict[Size, tuple[int, ...]] = {
    "small": (100_000, 300_000, 900_000),
    "full": (500_000, 2_000_000, 10_000_000),
}
FILES, SMALL = (20, 80, 240), 20 << 10  # so many files of so many bytes

Work = Callable[..., Sequence[Point]]


class Clock:
    """What is done inside takes, in this process and in children that end meanwhile: seconds of wall and CPU time."""

    seconds: float
    cpu: float
    peak_mb: float

    def __enter__(self) -> Self:
        self._began, self._before = time.monotonic(), sum(os.times()[:4])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cpu = sum(os.times()[:4]) - self._before
        self.seconds, self.cpu = round(time.monotonic() - self._began, 3), round(cpu, 3)
        self.peak_mb = round(_peak(), 1)

    def point(self, stage: str, case: str, unit: Unit, amount: float, **more: float) -> Point:
        """What it took, as a point."""
        return Point(
            stage=stage,
            case=case,
            unit=unit,
            amount=amount,
            cores=len(os.sched_getaffinity(0)),
            seconds=self.seconds,
            cpu=self.cpu,
            peak_mb=self.peak_mb,
            more=more,
        )


def _peak() -> float:
    # getrusage would count the process that this one was forked from
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024 / 1e6


class Started(NamedTuple):
    """A process at its work, by the work's name, and the file of what it will have measured."""

    process: subprocess.Popen[bytes]
    name: str
    answer: Path

    def points(self) -> list[Point]:
        """What it has measured, once it has ended. Raises `RuntimeError` where it failed."""
        if self.process.wait():
            raise self._failed()
        return load(self.answer)

    def await_file(self, path: Path) -> None:
        """Wait until it has made a file. Raises `RuntimeError` where it ends before."""
        while not path.exists():
            if self.process.poll() is not None:
                raise self._failed()
            time.sleep(0.1)

    def _failed(self) -> RuntimeError:
        return RuntimeError(f"{self.name}: {_log(self.answer).read_text()[-2000:]}")


@dataclass(frozen=True)
class Bench:
    """Where inputs are made and kept, `folder`, and what is made of them goes, `scratch`."""

    size: Size
    folder: Path
    scratch: Path
    cores: int = os.cpu_count() or 1

    @property
    def sizes(self) -> tuple[int, ...]:
        """Bytes of the files that are measured, ascending."""
        return BYTES[self.size]

    @property
    def rows(self) -> tuple[int, ...]:
        """Numbers of rows that are measured, ascending."""
        return ROWS[self.size]

    def file(self, case: str, size: int) -> Path:
        """A file of a case of `bench.convert`, of about `size` bytes. Raises `FileNotFoundError` without one."""
        path = made(case, size, self.folder / ("file" if size == SMALL else f"{size // MIB}"))
        if path is None:
            raise FileNotFoundError(case)
        return path

    def run(
        self, work: Work, *, cores: int | None = None, env: Mapping[str, str] | None = None, **given: object
    ) -> list[Point]:
        """What a process of its own measures of a work, on as many cores; `env` is added to its environment."""
        with self.started(work, cores=cores, env=env, **given) as process:
            return process.points()

    @contextmanager
    def started(
        self, work: Work, *, cores: int | None = None, env: Mapping[str, str] | None = None, **given: object
    ) -> Iterator[Started]:
        """The same without waiting for it; it is killed, and its folder goes, where the context ends before it."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as home:
            answer = Path(home, "answer.json")
            own = {"SPARK_LOCAL_DIRS": home, "PREFECT_LOGGING_LEVEL": "ERROR"}
            with _log(answer).open("wb") as log:
                process = subprocess.Popen(
                    command(work, given, answer, cores), env=os.environ | (env or {}) | own, stdout=log, stderr=log
                )
                try:
                    yield Started(process, f"{work.__name__} {given}", answer)
                finally:
                    process.kill()
                    process.wait()


def _log(answer: Path) -> Path:
    return answer.with_suffix(".log")


def command(work: Work, given: dict[str, object], answer: Path | None = None, cores: int | None = None) -> list[str]:
    """The command by which a process does a work, on the first so many cores; see `do`."""
    pinned = ["taskset", "-c", ",".join(map(str, range(cores)))] if cores else []
    told = ["--work", f"{work.__module__}:{work.__name__}", "--given", to_json(given).decode()]
    return [*pinned, sys.executable, "-m", "bench.scale", *told, *(["--answer", str(answer)] if answer else [])]


def do(work: str, given: str, answer: Path | None) -> None:
    """Do a work, `module:function`, with arguments in JSON, and write its points to a file."""
    points: Sequence[Point] = validate_call(resolve_name(work))(**json.loads(given))
    if answer:
        dump(answer, points)
