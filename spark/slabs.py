"""Slabs: how a publish is cut into ranges of the key's first column, each of which is done alone, and in memory.

The files of `current` cover disjoint ranges. A slab is the range of one of them, or of several that have become small,
or a part of the range of one that much more falls into than it holds. Only ranges are slabs that rows of drops may fall
into, as far as the bounds of their row groups tell. Sizes are in rows; all bounds are values of the first column, of
which None is no bound.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple

from spark.tables import Ranged, Value


class Group(NamedTuple):
    """A row group of a drop's file; `drop` None: of several drops. `low` and `high` are in it."""

    url: str
    number: int
    rows: int
    drop: str | None
    low: Value | None
    high: Value | None


class Slab(NamedTuple):
    """The range from `low` up to, but without, `high`; `files` of `current` that may hold keys in it, and `groups`.

    `shared` files hold keys of other slabs as well. `cuts` are the bounds of steps within, by which not more rows of
    drops are in memory than there should.
    """

    low: Value | None
    high: Value | None
    files: tuple[str, ...]
    groups: tuple[Group, ...]
    shared: bool = False
    cuts: tuple[Value, ...] = ()

    @property
    def steps(self) -> list[tuple[Value | None, Value | None]]:
        """The ranges of its steps."""
        bounds = [self.low, *self.cuts, self.high]
        return list(pairwise(bounds))


class _Range(NamedTuple):
    low: Value | None
    high: Value | None
    files: tuple[Ranged, ...]
    groups: tuple[Group, ...]

    @property
    def before(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def expected(self) -> int:
        """About the rows that there will be, as if the largest drop said either of the same keys or of all others."""
        return max(self.before, *self.by_drop.values(), 0)

    @property
    def by_drop(self) -> dict[str | None, int]:
        found: dict[str | None, int] = defaultdict(int)
        for group in self.groups:
            found[group.drop] += group.rows
        return found


def slabs(files: Iterable[Ranged], groups: Iterable[Group], size: int, *, every: bool = False) -> list[Slab]:
    """Slabs in order of keys, such that files of about `size` rows come out.

    `every`: also where no row of a drop falls into, as a full drop may end what it lacks.
    """
    found: list[Slab] = []
    for ranges in _joined(_touched(_ranges(files), groups, every), size):
        whole = _Range(
            ranges[0].low,
            ranges[-1].high,
            tuple(file for r in ranges for file in r.files),
            tuple(dict.fromkeys(group for r in ranges for group in r.groups)),
        )
        found += _cut(whole, size)
    return found


def overlapping(groups: Iterable[Group], low: Value | None, high: Value | None) -> Iterator[Group]:
    """Groups that may hold keys of a range."""
    for group in groups:
        if not _below(group.high, low) and not _at_or_above(group.low, high):
            yield group


def _below(value: Value | None, bound: Value | None) -> bool:
    return value is not None and bound is not None and bool(value < bound)


def _at_or_above(value: Value | None, bound: Value | None) -> bool:
    return value is not None and bound is not None and bool(value >= bound)


def _ranges(files: Iterable[Ranged]) -> list[_Range]:
    """All keys, cut where a file begins; files whose ranges meet stay together, as do those of unknown bounds."""
    clusters: list[list[Ranged]] = []
    end: Value | None = None
    for file in sorted(files, key=lambda f: (f.low is not None, f.low)):
        if clusters and (end is None or file.low is None or file.low <= end):
            clusters[-1].append(file)
            end = None if end is None or file.high is None else max(end, file.high)
        else:
            clusters.append([file])
            end = file.high
    bounds = [None, *(cluster[0].low for cluster in clusters[1:]), None]
    held = [tuple(cluster) for cluster in clusters] or [()]
    return [_Range(low, high, of, ()) for (low, high), of in zip(pairwise(bounds), held, strict=True)]


def _touched(ranges: list[_Range], groups: Iterable[Group], every: bool) -> list[_Range | None]:
    """Ranges with the groups that may fall into them; None for one into which none does."""
    inner = [r.low for r in ranges[1:]]
    into: list[list[Group]] = [[] for _ in ranges]
    for group in groups:
        first = 0 if group.low is None else bisect_right(inner, group.low)
        last = len(inner) if group.high is None else bisect_right(inner, group.high)
        share = max(1, group.rows // (last - first + 1))
        for at in range(first, last + 1):
            into[at].append(group._replace(rows=share))
    return [r._replace(groups=tuple(g)) if g or every else None for r, g in zip(ranges, into, strict=True)]


def _joined(ranges: Iterable[_Range | None], size: int) -> Iterator[list[_Range]]:
    """Ranges side by side that are to be one slab: a small one goes with its neighbour."""
    together: list[_Range] = []
    rows = 0
    for r in ranges:
        if together and (r is None or min(rows, r.expected) > size // 2 or rows + r.expected > size * 3 // 2):
            yield together
            together, rows = [], 0
        if r is not None:
            together.append(r)
            rows += r.expected
    if together:
        yield together


def _cut(whole: _Range, size: int) -> Iterator[Slab]:
    """Cut a range where much more falls into it than one file should hold; then each part into steps."""
    bounds: list[Value] = []
    if whole.expected > 2 * size:
        by_drop = whole.by_drop
        largest = max(by_drop, key=lambda drop: by_drop[drop])
        lead = [group for group in whole.groups if group.drop == largest]
        ends = [file.high for file in whole.files if file.high is not None]
        bounds = _bounds(lead, whole.low, whole.high, size, max(ends) if ends else None)
    for low, high in zip([whole.low, *bounds], [*bounds, whole.high], strict=True):
        files = [f for f in whole.files if not _below(f.high, low) and not _at_or_above(f.low, high)]
        groups = tuple(overlapping(whole.groups, low, high))
        outside = [f for f in files if _reaches(f, low, high, whole)]
        cuts = _bounds(groups, low, high, 2 * size)
        yield Slab(low, high, tuple(f.url for f in files), groups, bool(outside), tuple(cuts))


def _reaches(file: Ranged, low: Value | None, high: Value | None, whole: _Range) -> bool:
    """Whether a file may hold keys outside of a part of its range."""
    below = low != whole.low and (file.low is None or file.low < low)
    above = high != whole.high and (file.high is None or file.high >= high)
    return below or above


def _bounds(
    groups: Sequence[Group], low: Value | None, high: Value | None, size: int, end: Value | None = None
) -> list[Value]:
    """Where to cut a range so that about `size` rows of groups are between two bounds: where a group begins.

    The first group behind `end`, where the files of before end, is such a place whatever stands before it.
    """
    found: list[Value] = []
    rows = 0
    known = [group for group in groups if group.low is not None]
    known.sort(key=attrgetter("low"))
    for group in known:
        inside = (low is None or group.low > low) and (high is None or group.low < high)
        fresh = not found or group.low > found[-1]
        behind = end is not None and group.low > end and (not found or found[-1] <= end)
        if inside and fresh and (rows >= size or behind):
            found.append(group.low)
            rows = 0
        rows += group.rows
    return found
