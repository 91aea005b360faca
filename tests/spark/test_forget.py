"""What is left of a source in a table that it shared; the rest is in `tests/tasks/test_purge.py`."""

import io
from itertools import count
from typing import Any

import pytest

from blocks.lake import Lake
from spark import forget as module
from spark.expire import named
from spark.forget import Forgotten, forget, knows, may_become, mentions
from tests.spark.test_expire import NAME, publish, rows, table_of, tables_of


def test_tags_do_not_keep_it(local_lake: Lake) -> None:
    tables, fs = tables_of(local_lake), local_lake.fs()
    for source in "abab":
        publish(tables, fs, source, range(3))
    table = table_of(tables)
    table.manage_snapshots().create_tag(table.snapshots()[0].snapshot_id, "audit").commit()
    assert knows(table, "a")
    before = named(table, table.snapshots())
    done = forget(tables, NAME, "a")
    table = table_of(tables)
    assert done == Forgotten(rows=3, unnamed=frozenset(before - named(table, table.snapshots())))
    assert not knows(table, "a")
    assert list(table.refs()) == ["main"]
    assert rows(table) == [("b", 0), ("b", 1), ("b", 2)]
    assert tables.marks(NAME, "source").keys() == {"b"}
    assert forget(tables, NAME, "a") == forget(tables, "current.nothing", "a") == Forgotten()


def test_a_race_that_is_lost(local_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another has published meanwhile stays."""
    tables, fs = tables_of(local_lake), local_lake.fs()
    for source in "ab":
        publish(tables, fs, source, range(3))
    unmoved, turns = module.if_unmoved, count()

    def then_published(*given: Any) -> None:
        unmoved(*given)
        if not next(turns):
            publish(tables, fs, "b", range(5))

    monkeypatch.setattr(module, "if_unmoved", then_published)
    assert forget(tables, NAME, "a").rows == 3
    assert next(turns) == 2
    assert rows(table_of(tables)) == [("b", n) for n in range(5)]


def test_metadata_of_a_commit_that_is_being_made(local_lake: Lake) -> None:
    tables = tables_of(local_lake)
    publish(tables, local_lake.fs(), "a", range(3))
    table = table_of(tables)
    number = int(table.metadata_location.rpartition("/")[2].partition("-")[0])
    folder = table.metadata_location.rpartition("/")[0]
    for ahead, may in ((0, False), (-1, False), (1, True)):
        assert may_become(table, f"{folder}/{number + ahead:05}-x.metadata.json") is may
    assert not may_become(table, f"{folder}/{number + 1:05}-m0.avro")


@pytest.mark.parametrize("name", ["x.parquet", "x.avro", "x.metadata.json"])
@pytest.mark.parametrize("data", [b"", b"PAR1", b"Obj\x01\x02", b'{"properties": {"inlet.source.a'])
def test_what_was_not_written_to_its_end(name: str, data: bytes) -> None:
    assert mentions(name, io.BytesIO(data), "a") is None


def test_names_that_begin_alike(local_lake: Lake) -> None:
    tables = tables_of(local_lake)
    for source in ("acme", "acme-care"):
        publish(tables, local_lake.fs(), source, range(2))
    forget(tables, NAME, "acme")
    table = table_of(tables)
    assert not knows(table, "acme")
    assert knows(table, "acme-care")
    assert rows(table) == [("acme-care", 0), ("acme-care", 1)]
