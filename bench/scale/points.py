"""What was measured, a point for each amount of work, and the file that keeps it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from bench.measure import RESULTS

Size = Literal["small", "full"]
Unit = Literal["GiB", "files", "rows", "drops", "marks", "writers", "runs"]
MIB, GIB = 1 << 20, 1 << 30

Billing = Literal["put", "get", "free"]
"""What S3 bills a request as: PUT, POST, COPY and LIST, or GET and HEAD, or nothing."""

BILLED: tuple[Billing, ...] = ("put", "get")


class Point(BaseModel, frozen=True):
    """What one amount of work took, in seconds of wall and CPU time; MB of 10^6 bytes; `more` by name."""

    stage: str
    case: str
    unit: Unit
    amount: float
    cores: int
    seconds: float
    cpu: float
    peak_mb: float = 0
    more: dict[str, float] = {}


def kept(size: Size, new: Sequence[Point] = ()) -> list[Point]:
    """What was measured last of each case, `new` in the place of what was there of the same ones."""
    path = _path(size)
    old = load(path) if path.exists() else []
    again = {(point.stage, point.case) for point in new}
    return [*(point for point in old if (point.stage, point.case) not in again), *new]


def keep(size: Size, new: Sequence[Point]) -> None:
    """Write `build/bench/scale-<size>.json`."""
    dump(_path(size), kept(size, new))


def load(path: Path) -> list[Point]:
    """The points in a file."""
    return [Point.model_validate(point) for point in json.loads(path.read_text())]


def dump(path: Path, points: Sequence[Point]) -> None:
    """Write points to a file, as JSON."""
    path.write_text(json.dumps([point.model_dump() for point in points], indent=1))


def _path(size: Size) -> Path:
    return RESULTS / f"scale-{size}.json"
