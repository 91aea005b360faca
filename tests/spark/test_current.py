"""Files of `current` and `history` by slabs: whatever drops say, rows are those of a dictionary, and files disjoint."""

import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from spark import current
from spark.current import Job, Merged, groups, keys_of, merge, shares, side_by_side, tasks, total, without
from spark.parts import DataFile
from spark.slabs import Group
from spark.tables import Ranged
from spark.versions import Ranked, current_schema, history_schema
from spark.writer import ParquetWriter
from tests.spark.test_versions import (
    THING,
    Drop,
    Key,
    Says,
    drop,
    keys,
    model,
    parts,
    parts_of,
    ranked,
    rows_of,
    says,
    told,
)

KEY = THING.key[0]


class World:
    """Drops in files of their own, and what was made of those that are applied."""

    def __init__(self, folder: str, size: int) -> None:
        self.url, self.size = f"file://{folder}", size
        self.drops: list[Drop] = []
        self.files: list[list[str]] = []
        self.current: list[Ranged] = []
        self.history: list[Ranged] = []
        self.written = 0

    def write(self, at: int) -> list[str]:
        """A drop's rows, sorted, in two files with row groups of two rows or more, each file with keys of its own."""
        names = THING.arrow.names
        only = [Drop(0, False, {}) if n != at else d for n, d in enumerate(self.drops)]
        rows = rows_of(only).select(names).sort_by([(name, "ascending") for name in THING.key])
        first = rows[KEY].to_pylist()
        cut = next((n for n in range(len(first) // 2, len(first)) if n and first[n] != first[n - 1]), len(first))
        made: list[str] = []
        some = max(2, len(first) // 40)
        for half in (rows[:cut], rows[cut:]):
            with ParquetWriter(f"{self.url}/transformed", THING.arrow, row_group=1500) as writer:
                for n in range(0, half.num_rows, some):
                    writer.write(half[n : n + some].combine_chunks())
                made += [file.url for file in writer.close()]
        return made

    def groups(self, which: Sequence[Ranked]) -> list[Group]:
        names = {drop.key for drop in which}
        urls = [url for name, of in zip(ranked(self.drops), self.files, strict=True) if name.key in names for url in of]
        return groups(urls, KEY, names, None, 2)

    def merge(self, drops: Sequence[Ranked], *, forward: bool, some: pa.Table | None = None) -> Merged:
        every = not forward or any(drop.ends_absent for drop in drops)
        todo = tasks(self.current, self.groups(drops), KEY, self.size, every=every, keys=some)
        of = parts_of(ranked(self.drops))
        job = Job(THING, "party", drops, of, forward, self.size, f"{self.url}/current", f"{self.url}/history")
        done = total(side_by_side(lambda share: merge(share, job), shares(todo, 3), 2))
        before = sum(file.rows for file in self.current)
        kept = [file for file in self.current if file.url not in done.replaced]
        assert done.replaced <= {file.url for file in self.current}
        self.current = [*kept, *map(self.ranged, done.files)]
        assert sum(file.rows for file in self.current) == before - done.ended + done.opened
        self.written = len(done.files)
        return done

    def ranged(self, file: DataFile) -> Ranged:
        first = pq.read_table(file.url.removeprefix("file://"))[KEY].to_pylist()
        return Ranged(file.url, file.rows, file.bytes, min(first), max(first))

    def forward(self, new: Sequence[Drop]) -> Merged:
        self.drops += new
        since = len(self.files)
        for at in range(since, len(self.drops)):
            self.files.append(self.write(at))
        done = self.merge(ranked(self.drops)[since:], forward=True)
        self.history += map(self.ranged, done.closed_files)
        return done

    def redo(self, at: int, rows: dict[Key, Says | None], of: str) -> None:
        """Another content of one drop, or another part: its keys alone, or all, where absence from it counts."""
        ends = self.drops[at].ends_absent
        self.drops[at] = self.drops[at]._replace(rows=rows, of=of)
        self.files[at] = self.write(at)
        all_ = ranked(self.drops)
        if ends:
            self.history = [self.ranged(file) for file in self.merge(all_, forward=False).closed_files]
            return
        found = [
            keys_of(places, THING.key, [all_[at].key], by, None, 2)
            for places, by in (
                ([(group.url, group.number) for group in self.groups([all_[at]])], ["_drop"]),
                ([(file.url, None) for file in self.current], ["_drop"]),
                ([(file.url, None) for file in self.history], ["_drop", "_closed_by"]),
            )
            if places
        ]
        if not found:
            return
        some = current.distinct(pa.concat_tables(found), THING.key)
        old, left = without(self.history, some, THING, f"{self.url}/history", None, 2)
        done = self.merge(all_, forward=False, some=some)
        self.history = [file for file in self.history if file.url not in old]
        self.history += map(self.ranged, [*left, *done.closed_files])

    def check(self) -> None:
        open_, closed = (
            [pq.read_table(f.url.removeprefix("file://")) for f in files] for files in (self.current, self.history)
        )
        assert all(table.schema.equals(current_schema(THING)) for table in open_)
        assert all(table.schema.equals(history_schema(THING)) for table in closed)
        rows = [version for table in (*open_, *closed) for version in told(table)]
        assert sorted(rows, key=repr) == model(self.drops)
        ranges = sorted((file.low, file.high) for file in self.current)
        assert all(one[1] < other[0] for one, other in pairwise(ranges))
        for table in open_:
            assert table.num_rows > 0
            of = table.select(THING.key)
            assert of.equals(of.sort_by([(name, "ascending") for name in THING.key]))


@settings(max_examples=30, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(data=st.data(), size=st.integers(1, 5))
def test_whatever_drops_say_forward_or_again(data: st.DataObject, size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(folder, size)
        day = 0
        for _ in range(data.draw(st.integers(1, 5))):
            if world.drops and data.draw(st.booleans()):
                at = data.draw(st.integers(0, len(world.drops) - 1))
                same = data.draw(st.booleans())  # but for its part, it may be
                rows = world.drops[at].rows if same else data.draw(st.dictionaries(keys, st.none() | says, max_size=6))
                world.redo(at, rows, data.draw(parts))
            else:
                new = [
                    one._replace(day=(day := day + one.day % 2))
                    for one in data.draw(st.lists(drop, min_size=1, max_size=3))
                ]
                world.forward(new)
            world.check()


def numbered(numbers: Sequence[int], value: str = "x") -> dict[Key, Says | None]:
    return {(f"{n:05}", 1): (value, None, None) for n in numbers}


@pytest.fixture
def thousand(tmp_path: Path) -> World:
    """Ten files of a hundred keys."""
    world = World(str(tmp_path), 100)
    world.forward([Drop(0, True, numbered(range(0, 10_000, 10)))])
    assert 8 <= len(world.current) <= 12
    return world


@pytest.mark.parametrize(
    ("rows", "least", "most"),
    [
        ({}, 0, 0),
        (numbered([50], "y"), 1, 1),
        (numbered([50]), 0, 0),  # as it is
        (dict.fromkeys(numbered([7])), 0, 0),  # a key that is not there is gone
        (dict.fromkeys(numbered([50])), 1, 1),
        (numbered([7]), 1, 1),
        (numbered(range(20_000, 21_000, 10)), 1, 2),  # all behind
        (numbered(range(20_000, 40_000, 10)), 19, 21),
        (numbered(range(3001, 3009)), 1, 1),
    ],
    ids=["nothing", "one", "same", "not there", "gone", "new", "behind", "many behind", "between"],
)
def test_what_does_not_change_is_not_written(
    thousand: World, rows: dict[Key, Says | None], least: int, most: int
) -> None:
    before = {file.url for file in thousand.current}
    thousand.forward([Drop(1, False, rows)])
    thousand.check()
    assert least <= thousand.written <= most
    assert len(before - {file.url for file in thousand.current}) <= 1


def test_a_full_drop_writes_only_what_changed(thousand: World) -> None:
    rows = numbered(range(0, 10_000, 10))
    rows[("00050", 1)] = ("y", None, None)
    del rows[("05000", 1)]
    done = thousand.forward([Drop(1, True, rows)])
    thousand.check()
    assert (thousand.written, done.opened, done.ended, done.closed) == (2, 1, 2, 2)


def test_a_full_drop_of_a_part_leaves_the_files_of_others(thousand: World) -> None:
    behind = range(20_000, 21_000, 10)
    thousand.forward([Drop(1, True, numbered(behind), "A")])
    assert thousand.written <= 2
    done = thousand.forward([Drop(2, True, numbered(behind[1:]), "A")])
    thousand.check()
    assert (thousand.written, done.opened, done.ended, done.closed) == (1, 0, 1, 1)
    thousand.forward([Drop(3, False, numbered([50]), "A")])  # which is one of its part from now on
    done = thousand.forward([Drop(4, True, numbered(behind[1:]), "A")])
    thousand.check()
    assert (thousand.written, done.opened, done.ended, done.closed) == (1, 0, 1, 1)


def test_files_stay_of_a_size(thousand: World) -> None:
    """They grow and are cut; they shrink and are joined."""
    for day, numbers in enumerate((range(1, 10_000, 10), range(2, 10_000, 10), range(3, 10_000, 10)), 1):
        thousand.forward([Drop(day, False, numbered(numbers))])
        assert all(50 <= file.rows <= 200 for file in thousand.current)
    few = numbered(range(0, 10_000, 100))
    for day in (4, 5):
        thousand.forward([Drop(day, True, few | numbered([day]))])
    thousand.check()
    assert len(thousand.current) <= 3


def test_a_range_into_which_much_falls_is_cut_for_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many drops at once never more than some rows are looked at together, and files come out as of one."""
    seen: list[int] = []
    real = current.versions

    def counted(rows: pa.Table, *more: Any) -> Any:
        seen.append(rows.num_rows)
        return real(rows, *more)

    monkeypatch.setattr(current, "versions", counted)
    world = World(str(tmp_path), 50)
    world.forward([Drop(day, True, numbered(range(0, 400), "xy"[day % 2])) for day in range(12)])
    world.check()
    assert max(seen) <= 400  # of 4,800: a row group of each drop, as steps are cut where these begin
    assert 6 <= len(world.current) <= 10


def test_a_row_group_is_decoded_once_a_share(thousand: World, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, int | None]] = []
    real = current._read

    def counted(url: str, fs: Any, group: int | None = None, *more: Any, **others: Any) -> pa.Table:
        read.append((url, group))
        return real(url, fs, group, *more, **others)

    monkeypatch.setattr(current, "_read", counted)
    thousand.drops.append(Drop(1, False, numbered(range(5, 10_000, 1000))))
    rows = rows_of(thousand.drops, 1).select(THING.arrow.names)
    with ParquetWriter(f"{thousand.url}/transformed", THING.arrow) as writer:  # of all slabs
        writer.write(rows)
        thousand.files.append([file.url for file in writer.close()])
    new = ranked(thousand.drops)[1:]
    job = Job(THING, "party", new, {}, True, 100, f"{thousand.url}/current", f"{thousand.url}/history")
    merge(tasks(thousand.current, thousand.groups(new), KEY, 100), job)
    assert len([one for one in read if one[1] is not None]) == 1


def test_a_key_that_no_bounds_would_find_is_refused(tmp_path: Path) -> None:
    world = World(str(tmp_path), 100)
    with pytest.raises(ValueError, match="party to thing: a value of id is longer than 4,000 bytes"):
        world.forward([Drop(0, False, {("x" * 4001, 1): ("x", None, None)})])
