"""Old snapshots and what they alone name: gone; what is kept: whole."""

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table
from pyiceberg.table.snapshots import ancestors_of

from blocks.lake import Lake
from spark import expire as module
from spark.expire import Expired, expire, listed, named, path_of
from spark.parts import DataFile
from spark.tables import Tables
from spark.writer import write

NAME = "current.thing"
SCHEMA = pa.schema([("_source", pa.string()), ("_drop", pa.string()), ("n", pa.int64())])
NOW, DAY, WEEK = timedelta(0), timedelta(days=1), timedelta(days=7)


def tables_of(lake: Lake) -> Tables:
    return Tables(lake.catalog_properties(), lake.url())


@pytest.fixture
def tables(lake: Lake) -> Tables:
    return tables_of(lake)


def made(tables: Tables, fs: Any, source: str, numbers: range, name: str = NAME) -> list[DataFile]:
    rows = pa.table({"_source": pa.repeat(source, len(numbers)), "_drop": pa.repeat("d", len(numbers)), "n": numbers})
    return write([rows.cast(SCHEMA)], tables.folder(name), SCHEMA, fs)


def publish(tables: Tables, fs: Any, source: str, numbers: range, name: str = NAME) -> None:
    """Put these rows in the place of all that the source has, as publishing does."""
    files = made(tables, fs, source, numbers, name) if numbers else []
    said = {"fingerprint": f"{numbers}", "run": "r"}
    tables.replace(name, SCHEMA, {"_source": source}, files, mark=("source", source, said))


def table_of(tables: Tables, name: str = NAME) -> Table:
    return tables.catalog.load_table(name)


def rows(table: Table, snapshot: int | None = None) -> list[tuple[str, int]]:
    found = table.scan(snapshot_id=snapshot).to_arrow()
    return sorted(zip(found["_source"].to_pylist(), found["n"].to_pylist(), strict=True))


def on_disk(table: Table) -> dict[str, int]:
    return {path: file.bytes for path, file in listed(table).items()}


def age(table: Table, by: timedelta) -> None:
    """Let all files of a table that is on disk be older."""
    for path in on_disk(table):
        then = Path(path).stat().st_mtime - by.total_seconds()
        os.utime(path, (then, then))


def test_what_only_old_snapshots_name(tables: Tables, lake: Lake) -> None:
    for turn in range(5):
        publish(tables, lake.fs(), "a", range(turn, turn + 3))
    table = table_of(tables)
    before, last = on_disk(table), [s.snapshot_id for s in table.snapshots()][-2:]
    promised = expire(tables, NAME, NOW, dry_run=True)
    assert on_disk(table) == before
    assert table_of(tables).metadata == table.metadata
    done = expire(tables, NAME, NOW)
    assert done == promised
    assert done.snapshots == 3
    table = table_of(tables)
    after = on_disk(table)
    gone = {path for path in before if path not in after}
    assert done == Expired(snapshots=3, files=len(gone), bytes=sum(before[path] for path in gone))
    assert sum(path.endswith(".parquet") for path in gone) == 3
    assert rows(table, last[0]) == [("a", n) for n in (3, 4, 5)]
    assert rows(table) == rows(table, last[1]) == [("a", n) for n in (4, 5, 6)]
    assert {path for path in after if path.endswith((".avro", ".parquet"))} == named(table, table.snapshots())
    assert tables.marks(NAME, "source").keys() == {"a"}
    # what says what was once removed is handed on no more
    assert len(table.current_snapshot().manifests(table.io)) == 1  # type: ignore[union-attr]
    assert expire(tables, NAME, NOW) == Expired()
    publish(tables, lake.fs(), "a", range(2))
    assert rows(table_of(tables)) == [("a", 0), ("a", 1)]


def test_where_there_is_nothing_to_expire(tables: Tables, lake: Lake) -> None:
    assert expire(tables, NAME) == Expired()
    publish(tables, lake.fs(), "a", range(0))
    assert expire(tables, NAME, NOW) == Expired()  # a table without a snapshot
    publish(tables, lake.fs(), "a", range(3))
    before = table_of(tables).metadata
    assert expire(tables, NAME, NOW) == Expired()
    assert table_of(tables).metadata == before


@pytest.mark.parametrize("wrong", [{"keep": 0}, {"older_than": -DAY}, {"orphans": -DAY}])
def test_what_would_keep_nothing(wrong: dict[str, Any], local_lake: Lake) -> None:
    with pytest.raises(ValueError, match="always kept"):
        expire(tables_of(local_lake), NAME, **wrong)


def test_age_counts_from_when_a_snapshot_was_replaced(local_lake: Lake) -> None:
    """One that was current an hour ago may have readers, however old it is."""
    tables = tables_of(local_lake)
    publish(tables, local_lake.fs(), "a", range(1))
    time.sleep(1.2)
    for turn in (2, 3, 4):
        publish(tables, local_lake.fs(), "a", range(turn))
    assert expire(tables, NAME, timedelta(seconds=1), keep=1).snapshots == 0
    assert expire(tables, NAME, WEEK, keep=1).snapshots == 0
    time.sleep(1.2)
    assert expire(tables, NAME, timedelta(seconds=1), keep=1).snapshots == 3


def test_the_one_before_stays_for_each_source(local_lake: Lake) -> None:
    """One that publishes each month can be rolled back though another has published daily since."""
    tables, fs = tables_of(local_lake), local_lake.fs()
    publish(tables, fs, "monthly", range(10))
    publish(tables, fs, "monthly", range(20))
    publish(tables, fs, "monthly", range(30))
    for day in range(6):
        publish(tables, fs, "daily", range(day + 1))
    before = [s.snapshot_id for s in table_of(tables).snapshots()]
    assert expire(tables, NAME, NOW).snapshots == 5
    table = table_of(tables)
    assert set(before) & {s.snapshot_id for s in table.snapshots()} == {before[i] for i in (1, 2, 7, 8)}
    assert len(rows(table, before[1])) == 20
    assert len(rows(table)) == 36
    assert expire(tables, NAME, NOW) == Expired()
    publish(tables, fs, "daily", range(7))
    assert expire(tables, NAME, NOW).snapshots == 2  # and the one that only said less about what was once removed
    table = table_of(tables)
    assert {before[i] for i in (1, 2, 8)} <= {s.snapshot_id for s in table.snapshots()}


def test_what_a_tag_names_stays(local_lake: Lake) -> None:
    tables, fs = tables_of(local_lake), local_lake.fs()
    for turn in range(5):
        publish(tables, fs, "a", range(turn, turn + 2))
    table = table_of(tables)
    first = table.snapshots()[0].snapshot_id
    table.manage_snapshots().create_tag(first, "audit").commit()
    assert expire(tables, NAME, NOW).snapshots == 2
    assert rows(table_of(tables), first) == [("a", 0), ("a", 1)]


def test_orphans(local_lake: Lake) -> None:
    """What a run that died has left goes a day later; what a run is about to commit stays."""
    tables, fs = tables_of(local_lake), local_lake.fs()
    publish(tables, fs, "a", range(3))
    old = [path_of(made(tables, fs, "a", range(5))[0].url) for _ in range(2)]
    half = Path(old[0]).with_name("half.parquet")
    half.write_bytes(b"PAR1")
    lost = Path(old[0]).parents[1] / "metadata" / "lost-m0.avro"
    lost.write_bytes(b"Obj")
    table = table_of(tables)
    age(table, DAY + timedelta(minutes=1))
    young = made(tables, fs, "a", range(7))
    size = sum(Path(path).stat().st_size for path in (*old, half, lost))
    assert expire(tables, NAME, WEEK, orphans=2 * DAY) == Expired()
    assert expire(tables, NAME, WEEK, dry_run=True) == Expired(files=4, bytes=size)
    assert expire(tables, NAME, WEEK) == Expired(files=4, bytes=size)
    assert not any(Path(path).exists() for path in (*old, half, lost))
    tables.replace(NAME, SCHEMA, {"_source": "b"}, young, mark=("source", "b", {"fingerprint": "g", "run": "r"}))
    assert len(rows(table_of(tables))) == 10


def test_a_commit_that_took_longer_than_a_day(local_lake: Lake) -> None:
    """It fails and leaves the table as it was: it never names a file that is gone."""
    tables, fs = tables_of(local_lake), local_lake.fs()
    publish(tables, fs, "a", range(3))
    late = made(tables, fs, "b", range(7))
    age(table_of(tables), 2 * DAY)
    assert expire(tables, NAME).files == 1
    before = table_of(tables).metadata
    with pytest.raises(FileNotFoundError):
        tables.replace(NAME, SCHEMA, {"_source": "b"}, late, mark=("source", "b", {"fingerprint": "g", "run": "r"}))
    assert table_of(tables).metadata == before


def test_metadata_of_before_that_no_catalog_keeps(local_lake: Lake) -> None:
    tables, fs = tables_of(local_lake), local_lake.fs()
    publish(tables, fs, "a", range(3))
    table = table_of(tables)
    kept = {path for path in on_disk(table) if path.endswith(".json")}
    stray = Path(path_of(table.metadata_location)).with_name("00001-8b1b3a4e-0000-4000-8000-000000000000.metadata.json")
    stray.write_bytes(b"{}")
    age(table, 2 * DAY)
    assert expire(tables, NAME).files == 1
    assert {path for path in on_disk(table) if path.endswith(".json")} == kept


def test_beside_others_that_commit(lake: Lake) -> None:
    """Neither loses a row to the other."""
    failed: list[BaseException] = []
    publish(tables_of(lake), lake.fs(), "a", range(1))

    def run(source: str) -> None:
        try:
            tables = tables_of(lake)
            for turn in range(4):
                publish(tables, lake.fs(), source, range(turn, turn + 3))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(source,)) for source in "ab"]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        expire(tables_of(lake), NAME, timedelta(seconds=1))
        time.sleep(0.1)
    assert failed == []
    expire(tables_of(lake), NAME, NOW)
    table = table_of(tables_of(lake))
    assert rows(table) == [(source, n) for source in "ab" for n in (3, 4, 5)]
    for snapshot in table.snapshots():
        rows(table, snapshot.snapshot_id)


def test_a_rollback_meanwhile(local_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot that becomes current when it is about to go stays, and the table with it."""
    tables, fs = tables_of(local_lake), local_lake.fs()
    for turn in range(4):
        publish(tables, fs, "a", range(turn + 1))
    first = table_of(tables).snapshots()[0].snapshot_id
    choose, turns = module.chosen, count()

    def then_rolled_back(*given: Any) -> Any:
        found = choose(*given)
        if not next(turns):
            table_of(tables).manage_snapshots().rollback_to_snapshot(first).commit()
        return found

    monkeypatch.setattr(module, "chosen", then_rolled_back)
    expire(tables, NAME, NOW)
    table = table_of(tables)
    assert table.current_snapshot().snapshot_id == first  # type: ignore[union-attr]
    assert rows(table) == [("a", 0)]
    assert next(turns) == 2


def test_a_race_that_is_always_lost(local_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    tables, fs = tables_of(local_lake), local_lake.fs()
    for turn in range(4):
        publish(tables, fs, "a", range(turn + 1))
    before = on_disk(table_of(tables))

    def lost(*_: object) -> None:
        raise CommitFailedException("somebody else")

    monkeypatch.setattr(module, "if_unmoved", lost)
    monkeypatch.setattr(module._commit.retry, "wait", lambda _: 0)  # type: ignore[attr-defined]
    with pytest.raises(CommitFailedException):
        expire(tables, NAME, NOW)
    assert on_disk(table_of(tables)) == before


@pytest.mark.parametrize("when", ["listed", "remove"])
def test_killed_and_run_again(when: str, local_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed when the snapshots are gone, or when half of their files are."""
    tables, fs = tables_of(local_lake), local_lake.fs()
    for turn in range(5):
        publish(tables, fs, "a", range(turn, turn + 3))
    real = module.remove

    def die(*given: Any) -> None:
        if when == "remove":
            real(given[0], list(given[1])[:2])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, when, die)
        with pytest.raises(KeyboardInterrupt):
            expire(tables, NAME, NOW)
    table = table_of(tables)
    assert len(table.snapshots()) == 3  # the last two, and one that says no more what was removed
    assert expire(tables, NAME, NOW).snapshots == 0
    age(table, 2 * DAY)
    assert expire(tables, NAME, NOW).files > 0
    assert {p for p in on_disk(table) if p.endswith((".avro", ".parquet"))} == named(table, table.snapshots())
    assert rows(table) == [("a", n) for n in (4, 5, 6)]


Act = tuple[str, str, int]
_ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from("ab"), st.integers(0, 4)),
        st.tuples(st.just("expire"), st.just(""), st.integers(1, 3)),
        st.tuples(st.just("die"), st.sampled_from("ab"), st.integers(1, 3)),
        st.tuples(st.just("roll back"), st.just(""), st.integers(0, 3)),
        st.tuples(st.just("a day"), st.just(""), st.just(0)),
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def folder() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as name:
        yield name


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=_ACTS)
def test_whatever_two_sources_do(acts: list[Act], folder: str) -> None:
    """Each snapshot that is kept reads as it was, and no file that none names is older than the limit."""
    lake = Lake(root=f"file://{tempfile.mkdtemp(dir=folder)}/lake")
    tables, fs = tables_of(lake), lake.fs()
    truth: dict[int, list[tuple[str, int]]] = {}
    numbers = count()
    for what, source, size in [*acts, ("a day", "", 0), ("expire", "", 2)]:
        table = tables.get(NAME)
        if what == "publish":
            start = next(numbers) * 10
            publish(tables, fs, source, range(start, start + size))
        elif what == "die":
            made(tables, fs, source, range(size))
        elif what == "a day" and table is not None:
            age(table, DAY)
        elif what == "roll back" and table is not None:
            if (found := table.history()) and len(found) > size:
                to = found[-1 - size].snapshot_id
                lineage = {s.snapshot_id for s in ancestors_of(table.current_snapshot(), table.metadata)}
                if to in lineage:
                    table.manage_snapshots().rollback_to_snapshot(to).commit()
        elif what == "expire":
            expire(tables, NAME, NOW, keep=size, orphans=DAY)
        if (now := tables.get(NAME)) is not None and (current := now.current_snapshot()) is not None:
            truth.setdefault(current.snapshot_id, rows(now))
            if table is not None and table.current_snapshot() is not None and what == "expire":
                assert rows(now) == rows(table)
    if (table := tables.get(NAME)) is None:
        return
    for snapshot in table.snapshots():
        assert rows(table, snapshot.snapshot_id) == truth[snapshot.snapshot_id]
    left = listed(table)
    kept = named(table, table.snapshots())
    assert kept <= left.keys()
    limit = time.time() - DAY.total_seconds()
    assert [p for p, f in left.items() if f.written.timestamp() < limit and p not in kept and "json" not in p] == []
