import json
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from blocks.lake import Lake
from spark.errors import TableMoved
from spark.parts import DataFile
from spark.tables import Mark, Ranged, Tables
from spark.writer import write

NAME = "raw.party_things"
SCHEMA = pa.schema([("_drop", pa.string()), ("n", pa.int64())])


def tables_of(lake: Lake) -> Tables:
    return Tables(lake.catalog_properties(), lake.url())


@pytest.fixture
def tables(lake: Lake) -> Tables:
    return tables_of(lake)


def files(lake: Lake, drop: str, numbers: range, **more: list[Any]) -> list[DataFile]:
    made = pa.table({"_drop": pa.repeat(drop, len(numbers)), "n": pa.array(numbers, pa.int64()), **more})
    return write([made], tables_of(lake).folder(NAME), made.schema, lake.fs())


def mark(fingerprint: str, **more: Any) -> Mark:
    return {"fingerprint": fingerprint, "run": "r1", **more}


def put(tables: Tables, lake: Lake, drop: str, numbers: range, fingerprint: str = "f") -> None:
    made = files(lake, drop, numbers) if len(numbers) else []
    tables.replace(NAME, SCHEMA, {"_drop": drop}, made, mark=("drop", drop, mark(fingerprint)))


def rows(tables: Tables, **where: str) -> list[int]:
    """What a reader that knows nothing of `Tables` sees."""
    found = tables.catalog.load_table(NAME).scan(
        row_filter=" and ".join(f"{k} = '{v}'" for k, v in where.items()) or "true"
    )
    return sorted(found.to_arrow()["n"].to_pylist())


def test_a_slice_is_replaced_and_the_others_stay(tables: Tables, lake: Lake) -> None:
    put(tables, lake, "a", range(3))
    put(tables, lake, "b", range(10, 12))
    put(tables, lake, "a", range(5, 9), "g")
    assert rows(tables) == [5, 6, 7, 8, 10, 11]
    assert tables.rows(NAME) == 6
    assert tables.rows(NAME, _drop="a") == 4
    assert tables.rows(NAME, _drop=("b", "c")) == 2
    assert tables.marks(NAME, "drop") == {"a": mark("g"), "b": mark("f")}
    assert tables.marks(NAME, "source") == {}
    read = [pq.read_table(lake.fs().open(url)) for url in tables.files(NAME, _drop="a")]
    assert sorted(pa.concat_tables(read)["n"].to_pylist()) == [5, 6, 7, 8]
    assert tables.schema(NAME).names == ["_drop", "n"]
    summary = tables.catalog.load_table(NAME).current_snapshot().summary  # type: ignore[union-attr]
    assert summary["inlet.drop"] == "a"  # type: ignore[index]
    assert summary["inlet.fingerprint"] == "g"  # type: ignore[index]


def test_where_no_table_is(tables: Tables) -> None:
    assert tables.get(NAME) is None
    assert tables.files(NAME) == []
    assert tables.rows(NAME, _drop="a") == 0
    assert tables.marks(NAME, "drop") == {}
    with pytest.raises(KeyError):
        tables.schema(NAME)


def test_an_empty_slice_leaves_a_mark_and_takes_the_rows_away(tables: Tables, lake: Lake) -> None:
    put(tables, lake, "a", range(0))
    assert tables.rows(NAME) == 0
    assert tables.marks(NAME, "drop") == {"a": mark("f")}
    put(tables, lake, "a", range(3))
    put(tables, lake, "b", range(2))
    put(tables, lake, "a", range(0), "g")
    assert rows(tables) == [0, 1]
    assert tables.marks(NAME, "drop") == {"a": mark("g"), "b": mark("f")}


def test_what_is_left_beside_the_mark(tables: Tables, lake: Lake) -> None:
    """In the same commit, by a kind and a key of its own; a later commit leaves what it does not name."""
    layout = {"columns": [["n", "N", "int64"]]}
    for drop, also in (("a", [("columns", "x1", layout)]), ("b", [("columns", "x2", {})]), ("c", [])):
        made = files(lake, drop, range(2))
        tables.replace(NAME, SCHEMA, {"_drop": drop}, made, mark=("drop", drop, mark("f")), also=also)
    assert tables.marks(NAME, "columns") == {"x1": layout, "x2": {}}
    assert tables.marks(NAME, "drop").keys() == {"a", "b", "c"}


def test_a_replacement_is_one_snapshot(tables: Tables, lake: Lake) -> None:
    """There is none in between, to which a table could be rolled back, that lacks the drop."""
    for numbers in (range(3), range(5), range(0)):
        put(tables, lake, "a", numbers)
    found = [s.summary["total-records"] for s in tables.catalog.load_table(NAME).snapshots() if s.summary]
    assert found == ["3", "5", "0"]


def test_a_commit_does_not_grow_with_those_before(tables: Tables, lake: Lake) -> None:
    """What names only files that are gone stays with its snapshot: later ones do not list it, nor read it."""
    put(tables, lake, "a", range(3))
    for n in range(12):
        put(tables, lake, "b", range(n, n + 2))
    table = tables.catalog.load_table(NAME)
    current = table.current_snapshot()
    assert current is not None
    assert len(current.manifests(table.io)) <= 4
    assert rows(tables) == [0, 1, 2, 11, 12]
    seventh = table.snapshots()[6]
    assert sorted(table.scan(snapshot_id=seventh.snapshot_id).to_arrow()["n"].to_pylist()) == [0, 1, 2, 5, 6]


def test_a_column_that_is_new_is_null_before(tables: Tables, lake: Lake) -> None:
    put(tables, lake, "a", range(2))
    schema = pa.schema(
        [("_drop", pa.string()), pa.field("extra", pa.string(), metadata={"doc": "Extra!"}), ("n", pa.int64())]
    )
    new = files(lake, "b", range(2, 3), extra=["x"])
    tables.replace(NAME, schema, {"_drop": "b"}, new, mark=("drop", "b", mark("f")))
    put(tables, lake, "c", range(3, 4))  # an older file again
    found = tables.catalog.load_table(NAME)
    assert [(r["n"], r["extra"]) for r in sorted(found.scan().to_arrow().to_pylist(), key=lambda r: r["n"])] == [
        (0, None),
        (1, None),
        (2, "x"),
        (3, None),
    ]
    assert set(tables.schema(NAME).names) == {"_drop", "n", "extra"}
    assert found.schema().find_field("extra").doc == "Extra!"


def test_two_partition_columns(tables: Tables, lake: Lake) -> None:
    schema = pa.schema([("_source", pa.string()), ("_bucket", pa.int32()), ("n", pa.int64())])

    def replace(source: str, numbers: list[int]) -> None:
        made = [
            file
            for n in numbers
            for file in write(
                [pa.table({"_source": [source], "_bucket": [n % 16], "n": [n]})], tables.folder(NAME), schema, lake.fs()
            )
        ]
        where = {"_source": source, "_bucket": range(16)}
        tables.replace(NAME, schema, where, made, mark=("source", source, mark("f")))

    replace("x", [1, 2, 40])
    replace("y", [7])
    replace("x", [3])
    assert rows(tables) == [3, 7]
    assert tables.rows(NAME, _source="x", _bucket=range(16)) == 1
    assert tables.rows(NAME, _source="x", _bucket=[7]) == 0


def test_if_marked_refuses_what_was_computed_from_an_older_state(tables: Tables, lake: Lake) -> None:
    put(tables, lake, "a", range(3))
    before = tables.marks(NAME, "drop")
    put(tables_of(lake), lake, "b", range(2))
    with pytest.raises(TableMoved) as caught:
        tables.replace(
            NAME,
            SCHEMA,
            {"_drop": "c"},
            files(lake, "c", range(9)),
            mark=("drop", "c", mark("f")),
            if_marked=lambda marks: marks == before,
        )
    assert caught.value.retryable
    assert tables.rows(NAME) == 5
    assert "c" not in tables.marks(NAME, "drop")


def test_if_marked_is_asked_again_after_a_lost_race(tables: Tables, lake: Lake) -> None:
    put(tables, lake, "a", range(3))
    asked: list[dict[str, Mark]] = []

    def still(marks: dict[str, Mark]) -> bool:
        if not asked:
            put(tables_of(lake), lake, "b", range(2))  # somebody else is faster
        asked.append(marks)
        return "b" not in marks

    with pytest.raises(TableMoved):
        tables.replace(
            NAME, SCHEMA, {"_drop": "c"}, files(lake, "c", range(9)), mark=("drop", "c", mark("f")), if_marked=still
        )
    assert len(asked) == 2
    assert tables.rows(NAME) == 5


@pytest.mark.parametrize("mine", [range(3), range(0)], ids=["rows", "no rows"])
def test_a_race_lost_on_an_unrelated_slice_is_run_again(mine: range, tables: Tables, lake: Lake) -> None:
    put(tables, lake, "a", range(3))
    asked: list[dict[str, Mark]] = []

    def meanwhile(marks: dict[str, Mark]) -> bool:
        if not asked:
            put(tables_of(lake), lake, "b", range(2))
        asked.append(marks)
        return True

    made = files(lake, "a", mine) if len(mine) else []
    tables.replace(NAME, SCHEMA, {"_drop": "a"}, made, mark=("drop", "a", mark("g")), if_marked=meanwhile)
    assert tables.rows(NAME, _drop="b") == 2
    assert tables.rows(NAME, _drop="a") == len(mine)
    assert tables.marks(NAME, "drop") == {"a": mark("g"), "b": mark("f")}


def test_a_race_lost_by_a_writer_without_rows_is_run_again(tables: Tables, lake: Lake) -> None:
    """Nothing to delete and nothing to add is no snapshot: the commit must know that there is one meanwhile."""
    put(tables, lake, "b", range(2))
    asked: list[dict[str, Mark]] = []

    def meanwhile(marks: dict[str, Mark]) -> bool:
        if not asked:
            put(tables_of(lake), lake, "a", range(3), "theirs")
        asked.append(marks)
        return True

    tables.replace(NAME, SCHEMA, {"_drop": "a"}, [], mark=("drop", "a", mark("mine")), if_marked=meanwhile)
    assert tables.marks(NAME, "drop")["a"] == mark("mine")
    assert tables.rows(NAME, _drop="a") == 0
    assert len(asked) == 2


def test_a_reader_sees_the_old_or_the_new_rows_only(tables: Tables, lake: Lake) -> None:
    put(tables, lake, "a", range(10))
    seen: list[int] = []
    stop = threading.Event()

    def scan() -> None:
        mine = tables_of(lake)
        while not stop.is_set():
            seen.append(len(rows(mine)))

    reader = threading.Thread(target=scan)
    reader.start()
    try:
        for turn in range(60):
            put(tables, lake, "a", range(7 if turn % 2 == 0 else 10))
            if turn >= 5 and {7, 10} <= set(seen) and len(seen) > 10:
                break
            time.sleep(0.02)
    finally:
        stop.set()
        reader.join()
    assert set(seen) == {7, 10}


RACER = """
import json, sys, time
import pyarrow as pa
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from spark.tables import Tables
from spark.writer import write

told = json.load(sys.stdin)
tables = Tables(told["properties"], told["root"])
schema = pa.schema([("_drop", pa.string()), ("n", pa.int64())])
for turn in range(told["turns"]):
    numbers = [told["me"] * 1000 + turn * 10 + i for i in range(told["me"])]
    rows = pa.table({"_drop": ["a"] * len(numbers), "n": numbers})
    files = write([rows], tables.folder(told["name"]), schema)
    if turn == 0:
        Path(told["ready"]).touch()
        while not Path(told["go"]).exists():
            time.sleep(0.005)
    mark = {"fingerprint": str(numbers[0]), "run": str(told["me"])}
    tables.replace(told["name"], schema, {"_drop": "a"}, files, mark=("drop", "a", mark))
"""


def test_a_namespace_that_another_run_made_meanwhile(
    tables: Tables, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two first runs at once: the catalog refuses the second one's insert, and both have their rows."""
    catalog = tables.catalog

    def looked_before_the_other_inserted(namespace: str) -> None:
        tables_of(lake).catalog.create_namespace(namespace)
        sql = "INSERT INTO iceberg_namespace_properties VALUES ('lake', 'raw', 'exists', 'true')"
        with catalog.engine.begin() as connection:  # type: ignore[attr-defined]
            connection.exec_driver_sql(sql)

    monkeypatch.setattr(catalog, "create_namespace_if_not_exists", looked_before_the_other_inserted)
    put(tables, lake, "a", range(3))
    assert rows(tables) == [0, 1, 2]


def test_two_processes_that_race_for_a_slice(lake: Lake, tmp_path: Path) -> None:
    """From no table at all: never both sets of rows, never neither, and the mark is that of the rows."""
    told = {"properties": lake.catalog_properties(), "root": lake.url(), "name": NAME, "turns": 5}
    go = tmp_path / "go"
    racers = []
    for me in (3, 4):
        env = os.environ | lake.environment()
        racer = subprocess.Popen([sys.executable, "-c", RACER], stdin=subprocess.PIPE, env=env, text=True)
        assert racer.stdin is not None
        racer.stdin.write(json.dumps(told | {"me": me, "ready": f"{tmp_path}/ready{me}", "go": str(go)}))
        racer.stdin.close()
        racers.append(racer)
    while not all((tmp_path / f"ready{me}").exists() for me in (3, 4)):
        assert all(racer.poll() is None for racer in racers)
        time.sleep(0.01)
    go.touch()
    tables = tables_of(lake)
    seen = set()
    while any(racer.poll() is None for racer in racers):
        if tables.get(NAME) is not None and (now := rows(tables)):
            seen.add(tuple(now))
            allowed = [list(range(now[0], now[0] + me)) for me in (3, 4)]
            assert now in allowed
            assert len(now) == now[0] // 1000
    assert [racer.returncode for racer in racers] == [0, 0]
    last = rows(tables)
    assert len(last) == last[0] // 1000
    assert tables.marks(NAME, "drop")["a"]["fingerprint"] == str(last[0])
    snapshots = tables.catalog.load_table(NAME).snapshots()
    published = [s for s in snapshots if s.summary and s.summary["total-records"] in {"3", "4"}]
    assert len(published) == 10  # each turn of both has its snapshot
    assert all(s.summary and s.summary["total-records"] in {"0", "3", "4"} for s in snapshots)


def exchange(
    tables: Tables, lake: Lake, old: list[str], numbers: range, publish: str, schema: pa.Schema = SCHEMA
) -> list[DataFile]:
    made = files(lake, "a", numbers) if len(numbers) else []
    tables.exchange(
        NAME,
        schema,
        old,
        made,
        partitions=["_drop"],
        ordered_by="n",
        mark=("source", "x", mark(publish)),
        if_marked=lambda _: True,
        summary={"publish": publish},
    )
    return made


def test_files_are_exchanged_and_the_others_stay(tables: Tables, lake: Lake) -> None:
    """By one snapshot each, which says what it was and whose files can be had again."""
    one, two = (exchange(tables, lake, [], range(n, n + 3), str(n))[0] for n in (0, 10))
    exchange(tables, lake, [one.url], range(20, 22), "20")
    exchange(tables, lake, [], range(0), "nothing")
    exchange(tables, lake, [two.url], range(0), "gone")
    assert rows(tables) == [20, 21]
    assert tables.marks(NAME, "source") == {"x": mark("gone")}
    said = tables.said(NAME, source="x")
    assert [one.summary["publish"] for one in said] == ["0", "10", "20", "nothing", "gone"]
    assert [sum(f.rows for f in tables.files_at(NAME, one.snapshot, _drop="a")) for one in said] == [3, 6, 5, 5, 2]
    assert tables.files_at(NAME, said[0].snapshot) == [one]
    assert tables.said(NAME, source="y") == tables.said("raw.nothing") == []


def test_a_file_that_is_gone_is_not_exchanged(tables: Tables, lake: Lake) -> None:
    one = exchange(tables, lake, [], range(3), "0")[0]
    exchange(tables, lake, [one.url], range(10, 12), "1")
    with pytest.raises(TableMoved):
        exchange(tables, lake, [one.url], range(20, 22), "2")
    assert rows(tables) == [10, 11]


def test_an_exchange_from_an_older_state_is_refused(tables: Tables, lake: Lake) -> None:
    exchange(tables, lake, [], range(3), "0")
    with pytest.raises(TableMoved):
        tables.exchange(
            NAME,
            SCHEMA,
            [],
            files(lake, "a", range(5)),
            partitions=["_drop"],
            ordered_by="n",
            mark=("source", "x", mark("1")),
            if_marked=lambda marks: marks == {},
        )
    assert rows(tables) == [0, 1, 2]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["", "x" * 40 + "a", "x" * 40 + "b", "\U00010000"], pa.string()),
        ([-7, 3], pa.int32()),
        ([-(2**40), 2**40], pa.int64()),
        ([date(1931, 2, 3), date(2031, 2, 3)], pa.date32()),
        ([datetime(1931, 2, 3, 4, 5, 6, 7, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC")),
        ([Decimal("-1.50"), Decimal("2.25")], pa.decimal128(18, 2)),
    ],
    ids=["text", "int", "bigint", "date", "timestamp", "decimal"],
)
def test_the_range_of_a_file_is_known_whole(local_lake: Lake, values: list[Any], kind: pa.DataType) -> None:
    tables = tables_of(local_lake)
    made = pa.table({"_drop": pa.repeat("a", len(values)), "n": pa.array(values, kind)})
    done = write([made], tables.folder(NAME), made.schema, local_lake.fs())
    tables.exchange(
        NAME,
        made.schema,
        [],
        done,
        partitions=["_drop"],
        ordered_by="n",
        mark=("source", "x", mark("1")),
        if_marked=lambda _: True,
    )
    assert tables.ranges(NAME, "n", _drop="a") == [
        Ranged(done[0].url, len(values), done[0].bytes, values[0], values[-1])
    ]
    assert tables.ranges(NAME, "n", _drop="b") == tables.ranges("raw.nothing", "n") == []
