"""Small files joined: the same rows in fewer files, and every drop in them still its own."""

import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from blocks.lake import Lake
from spark import optimise as module
from spark import writer
from spark.convert import raw_schema
from spark.errors import CountMismatch
from spark.mapping import Mapping, npi
from spark.optimise import Joined, optimise
from spark.parts import DataFile
from spark.schemas import Provider
from spark.tables import Mark, Tables
from spark.transform import Input, transform
from spark.writer import write

NAME = "raw.party_things"
SCHEMA = raw_schema(["NPI", "Note"])


def tables_of(lake: Lake) -> Tables:
    return Tables(lake.catalog_properties(), lake.url())


@pytest.fixture
def tables(local_lake: Lake) -> Tables:
    return tables_of(local_lake)


def key(day: int) -> str:
    """Alike in their first 16 characters, which are all that Iceberg keeps of a bound if it is not told otherwise."""
    return f"deactivated-since-2026-{day:03}"


def made(lake: Lake, drop: str, rows: int, note: str = "", schema: pa.Schema = SCHEMA, **more: Any) -> list[DataFile]:
    columns = {
        "_drop": pa.repeat(drop, rows),
        "_file": pa.repeat("f.csv", rows),
        "_record": pa.array(range(1, rows + 1)),
        "npi": pa.array([f"{n:010}" for n in range(rows)]),
        "note": pa.array([f"{note or drop} {n}" if n % 7 else None for n in range(rows)]),
        **more,
    }
    table = pa.table({name: columns[name] for name in schema.names})
    return write([table], tables_of(lake).folder(NAME), schema, lake.fs())


def put(lake: Lake, drop: str, rows: int = 1_000, note: str = "", schema: pa.Schema = SCHEMA, **more: Any) -> None:
    files = made(lake, drop, rows, note, schema, **more) if rows else []
    mark = {"fingerprint": note or "f", "run": "r1", "rows": rows}
    tables_of(lake).replace(NAME, schema, {"_drop": drop}, files, mark=("drop", drop, mark))


def rows(tables: Tables, snapshot: int | None = None) -> pa.Table:
    """What a reader that knows nothing of this finds, in order."""
    found = tables.catalog.load_table(NAME).scan(snapshot_id=snapshot).to_arrow()
    return found.sort_by([("_drop", "ascending"), ("_record", "ascending")])


def by_polars(tables: Tables) -> list[dict[str, Any]]:
    """The same, as polars reads it: pyiceberg 0.12 takes a list of structs that is null for an empty one."""
    table = tables.catalog.load_table(NAME)
    return pl.scan_iceberg(table).sort("_drop", "_record").collect().to_dicts()


def of(found: pa.Table, drop: str) -> pa.Table:
    return found.filter(pc.equal(found["_drop"], drop))


def marks(tables: Tables) -> dict[str, Mark]:
    return tables.marks(NAME, "drop")


def test_where_there_is_nothing_to_join(tables: Tables, local_lake: Lake) -> None:
    assert optimise(tables, NAME) == Joined()
    put(local_lake, key(1), 0)
    assert optimise(tables, NAME) == Joined()
    put(local_lake, key(1))
    before = tables.catalog.load_table(NAME).metadata
    assert optimise(tables, NAME) == Joined(before=1, after=1)
    assert tables.catalog.load_table(NAME).metadata == before


@pytest.fixture(scope="module")
def sixty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, pa.Table, dict[str, Mark]]:
    """Sixty daily drops, joined; their rows and marks from before."""
    lake = Lake(root=f"file://{tmp_path_factory.mktemp('sixty')}/lake")
    for day in range(60):
        put(lake, key(day))
    tables = tables_of(lake)
    before = rows(tables), marks(tables)
    assert len(tables.files(NAME)) == 60
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # or threads within pyiceberg seldom meet
    try:
        assert optimise(tables, NAME) == Joined(before=60, after=1)
    finally:
        sys.setswitchinterval(interval)
    return lake, *before


Sixty = tuple[Lake, pa.Table, dict[str, Mark]]


def test_sixty_drops_in_one_file(sixty: Sixty, spark: SparkSession) -> None:
    lake, before, said = sixty
    tables = tables_of(lake)
    (url,) = tables.files(NAME)
    assert before.num_rows == 60_000
    assert rows(tables) == before
    assert marks(tables) == said
    assert tables.rows(NAME) == 60_000
    assert tables.rows(NAME, _drop=key(7)) == 1_000
    assert tables.rows(NAME, _drop=(key(7), key(8), "none")) == 2_000
    assert tables.files(NAME, _drop="none") == []
    schema = pq.read_schema(lake.fs().open(url))
    assert schema.names == SCHEMA.names
    assert schema.field("npi").metadata == SCHEMA.field("npi").metadata
    table = tables.catalog.load_table(NAME)
    by_polars = pl.scan_iceberg(table).filter(pl.col("_drop") == key(7)).sort("_record").collect()
    assert by_polars["note"].to_list() == of(before, key(7))["note"].to_pylist()
    found = table.scan(row_filter=f"_drop = '{key(7)}'").to_arrow()
    assert sorted(found["note"].to_pylist(), key=str) == sorted(of(before, key(7))["note"].to_pylist(), key=str)
    by = Mapping(columns={"npi": npi("npi"), "name": "note"})
    done = transform(
        spark,
        [Input(tables.files(NAME, _drop=key(7)), tables.schema(NAME), 1_000, by)],
        Provider,
        "party",
        drop=key(7),
        into=lake.url("transformed"),
        held_into=lake.url("held"),
    )
    assert (done.raw, done.rows + done.held) == (1_000, 1_000)


def test_again_does_nothing(sixty: Sixty) -> None:
    tables = tables_of(sixty[0])
    before = tables.catalog.load_table(NAME).metadata
    assert optimise(tables, NAME) == Joined(before=1, after=1)
    assert tables.catalog.load_table(NAME).metadata == before


@pytest.fixture
def ten(local_lake: Lake) -> Tables:
    """Ten drops of ten rows, joined."""
    for day in range(10):
        put(local_lake, key(day), 10)
    tables = tables_of(local_lake)
    assert optimise(tables, NAME) == Joined(before=10, after=1)
    return tables


def test_a_drop_within_a_joined_file_is_replaced(ten: Tables, local_lake: Lake) -> None:
    before = rows(ten)
    (old,) = ten.files(NAME)
    put(local_lake, key(3), 7, "again")
    assert old not in ten.files(NAME)
    assert len(ten.files(NAME)) == 2  # the others', and its own
    after = rows(ten)
    assert after.num_rows == 97
    assert of(after, key(3))["note"].to_pylist() == [f"again {n}" if n % 7 else None for n in range(7)]
    assert after.filter(pc.not_equal(after["_drop"], key(3))) == before.filter(pc.not_equal(before["_drop"], key(3)))
    assert ten.rows(NAME, _drop=key(3)) == 7
    assert marks(ten)[key(3)]["rows"] == 7
    put(local_lake, key(3), 10)  # and so again, though its rows are in a file of their own
    assert rows(ten) == before
    put(local_lake, key(4), 0)  # none are left
    assert rows(ten) == before.filter(pc.not_equal(before["_drop"], key(4)))
    put(local_lake, key(10), 10)  # a drop that comes after
    assert ten.rows(NAME, _drop=key(10)) == 10
    assert optimise(ten, NAME) == Joined(before=3, after=1)
    assert ten.rows(NAME) == 100


def test_a_replacement_is_one_snapshot_and_can_be_rolled_back(ten: Tables, local_lake: Lake) -> None:
    before, table = rows(ten), ten.catalog.load_table(NAME)
    known, then = len(table.snapshots()), table.metadata.current_snapshot_id
    put(local_lake, key(3), 7, "again")
    table = ten.catalog.load_table(NAME)
    assert len(table.snapshots()) == known + 1
    summary = table.current_snapshot().summary  # type: ignore[union-attr]
    assert (summary["inlet.drop"], summary["total-records"]) == (key(3), "97")  # type: ignore[index]
    assert rows(ten, then) == before
    assert then is not None
    table.manage_snapshots().rollback_to_snapshot(then).commit()
    assert rows(ten) == before
    put(local_lake, key(3), 7, "again")
    assert ten.rows(NAME) == 97


def test_the_only_drop_in_a_joined_file_goes_as_a_whole(tables: Tables, local_lake: Lake) -> None:
    """Files of one drop, joined under the partitioning as it is."""
    files = [file for _ in range(5) for file in made(local_lake, key(1), 10)]
    tables.replace(NAME, SCHEMA, {"_drop": key(1)}, files, mark=("drop", key(1), {"fingerprint": "f", "run": "r"}))
    assert optimise(tables, NAME) == Joined(before=5, after=1)
    assert [field.name for field in tables.catalog.load_table(NAME).spec().fields] == ["_drop"]
    put(local_lake, key(2), 3)
    put(local_lake, key(1), 2)
    assert [tables.rows(NAME, _drop=key(day)) for day in (1, 2)] == [2, 3]
    assert len(tables.files(NAME)) == 2


def test_columns_that_came_and_went(tables: Tables, local_lake: Lake) -> None:
    """New, missing, moved, promoted, nested: what is joined is what the table showed before."""
    home = pa.struct([("zip", pa.int32())])
    wider = pa.struct([("zip", pa.int64()), ("city", pa.string())])
    first = raw_schema(pa.schema([("npi", pa.string()), ("n", pa.int32()), ("Home", home), ("tags", pa.list_(home))]))
    second = raw_schema(pa.schema([("tags", pa.list_(wider)), ("Home", wider), ("n", pa.int64()), ("x", pa.string())]))
    put(
        local_lake,
        key(1),
        2,
        schema=first,
        n=pa.array([1, None], pa.int32()),
        home=pa.array([{"zip": 1}, None], home),
        tags=pa.array([[{"zip": 1}, None], []], pa.list_(home)),
    )
    put(
        local_lake,
        key(2),
        2,
        schema=second,
        n=pa.array([2**40, None]),
        home=pa.array([{"zip": 2**40, "city": "x"}, None], wider),
        tags=pa.array([[{"zip": 1, "city": None}], None], pa.list_(wider)),
        x=pa.array(["x", None]),
    )
    before = by_polars(tables)
    assert [row["n"] for row in before] == [1, None, 2**40, None]
    assert [row["tags"] for row in before] == [
        [{"zip": 1, "city": None}, None],
        [],
        [{"zip": 1, "city": None}],
        None,
    ]
    assert optimise(tables, NAME) == Joined(before=2, after=1)
    assert by_polars(tables) == before
    (url,) = tables.files(NAME)
    assert pq.read_schema(local_lake.fs().open(url)).field("home").metadata[b"name"] == b"Home"
    put(local_lake, key(1), 0, schema=first)
    assert by_polars(tables) == before[2:]


def test_a_large_file_is_left_alone(tables: Tables, local_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "ROW_GROUP", 100_000)
    monkeypatch.setattr(writer, "FILE", 400_000)
    noise = [pa.array(np.random.default_rng(n).bytes(10_000).hex() for _ in range(3)) for n in range(30)]
    for day, rows_ in enumerate([1, 30, 1, 1]):  # the second has several row groups
        tables_ = [
            pa.table({"_drop": [key(day)] * 3, "_file": ["f"] * 3, "_record": [1, 2, 3], "npi": n, "note": n})
            for n in noise[:rows_]
        ]
        files = write(tables_, tables.folder(NAME), SCHEMA, local_lake.fs())
        tables.replace(
            NAME, SCHEMA, {"_drop": key(day)}, files, mark=("drop", key(day), {"fingerprint": "", "run": ""})
        )
    large = {url for url in tables.files(NAME) if pq.ParquetFile(local_lake.fs().open(url)).num_row_groups > 1}
    before = rows(tables)
    assert large
    optimise(tables, NAME)
    assert large <= set(tables.files(NAME))
    assert rows(tables) == before
    sizes = [pq.ParquetFile(local_lake.fs().open(url)).num_row_groups for url in tables.files(NAME)]
    assert sizes.count(1) <= 1
    now = tables.files(NAME)
    assert optimise(tables, NAME).after == len(now)
    assert tables.files(NAME) == now


def test_more_than_are_joined_at_once(tables: Tables, local_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 3)
    for day in range(8):
        put(local_lake, key(day), 2)
    before = rows(tables)
    assert optimise(tables, NAME) == Joined(before=8, after=1)
    assert rows(tables) == before


def test_on_s3(s3_lake: Lake) -> None:
    tables = tables_of(s3_lake)
    for day in range(3):
        put(s3_lake, key(day), 10)
    before = rows(tables)
    assert optimise(tables, NAME) == Joined(before=3, after=1)
    assert rows(tables) == before
    put(s3_lake, key(1), 0)
    assert tables.rows(NAME) == 20


@pytest.mark.parametrize("theirs", [5, 0], ids=["rows", "no rows"])
def test_a_drop_that_is_replaced_meanwhile(
    theirs: int, tables: Tables, local_lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever commits first wins; who loses does it again on what is there then, and leaves no file behind."""
    for day in range(4):
        put(local_lake, key(day), 10)
    commit, lost = module._commit, []

    def late(*arguments: Any) -> None:
        if not lost:
            lost.append([file.url for file in arguments[2]])
            put(local_lake, key(2), theirs, "meanwhile")
        commit(*arguments)

    monkeypatch.setattr(module, "_commit", late)
    assert optimise(tables, NAME).after == 1
    assert tables.rows(NAME) == 30 + theirs
    assert tables.rows(NAME, _drop=key(2)) == theirs
    assert {note.split()[0] for note in of(rows(tables), key(2))["note"].to_pylist() if note} <= {"meanwhile"}
    ((url,),) = lost
    assert not local_lake.fs().exists(url)


def test_a_replacement_that_loses_to_joining(tables: Tables, local_lake: Lake) -> None:
    """The file that it wanted to take away is joined into another meanwhile."""
    for day in range(4):
        put(local_lake, key(day), 10)
    asked: list[int] = []

    def meanwhile(_: dict[str, Mark]) -> bool:
        if not asked:
            optimise(tables_of(local_lake), NAME)
        asked.append(1)
        return True

    files = made(local_lake, key(2), 5, "mine")
    mark = ("drop", key(2), {"fingerprint": "g", "run": "r"})
    tables.replace(NAME, SCHEMA, {"_drop": key(2)}, files, mark=mark, if_marked=meanwhile)
    assert len(asked) == 2
    assert tables.rows(NAME) == 35
    assert tables.rows(NAME, _drop=key(2)) == 5


def test_rows_that_would_be_lost(tables: Tables, local_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in range(2):
        put(local_lake, key(day), 10)
    before = rows(tables)
    monkeypatch.setattr(module, "batches", lambda file: (file.read().slice(1) for _ in range(1)))
    with pytest.raises(CountMismatch, match=r"raw.party_things: 20 rows went into joined files, but 18 came out"):
        optimise(tables, NAME)
    assert rows(tables) == before


KILLED = """
import sys, time
from blocks.lake import Lake
from spark import optimise
from spark.tables import Tables

lake = Lake(root=sys.argv[1])
def held(*_):
    print("written", flush=True)
    time.sleep(60)
optimise._commit = held
optimise.optimise(Tables(lake.catalog_properties(), lake.url()), "raw.party_things")
"""


def test_killed_before_it_commits(tables: Tables, local_lake: Lake) -> None:
    for day in range(3):
        put(local_lake, key(day), 10)
    before, files = rows(tables), tables.files(NAME)
    process = subprocess.Popen([sys.executable, "-c", KILLED, local_lake.root], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert (rows(tables), tables.files(NAME)) == (before, files)
    assert optimise(tables, NAME) == Joined(before=3, after=1)
    assert rows(tables) == before


RACER = """
import sys
from blocks.lake import Lake
from tests.spark.test_optimise import key, put
lake = Lake(root=sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for turn in range(1, 7):
    put(lake, key(2), turn, f"turn{turn}")
"""


def test_a_process_that_replaces_while_another_joins(tables: Tables, local_lake: Lake) -> None:
    for day in range(4):
        put(local_lake, key(day), 10)
    racer = subprocess.Popen(
        [sys.executable, "-c", RACER, local_lake.root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert racer.stdin is not None
    assert racer.stdout is not None
    assert racer.stdout.readline() == "ready\n"
    racer.stdin.write("go\n")
    racer.stdin.flush()
    allowed = {30 + n for n in (10, *range(1, 7))}
    while racer.poll() is None:
        optimise(tables, NAME)
        assert rows(tables).num_rows in allowed
        time.sleep(0.01)
    racer.communicate()
    assert racer.returncode == 0
    optimise(tables, NAME)
    after = rows(tables)
    assert [of(after, key(day)).num_rows for day in range(4)] == [10, 10, 6, 10]
    assert len(tables.files(NAME)) == 1


def test_memory_is_bounded(tables: Tables, local_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """20 files of 10 MB of noise each, row groups of 8 MiB: never all of it in memory."""
    monkeypatch.setattr(writer, "ROW_GROUP", 16 * 2**20)
    noise = pa.array([np.random.default_rng(n).bytes(1_000).hex() for n in range(5_000)])
    for day in range(20):
        put(local_lake, key(day), 5_000, npi=noise)
    monkeypatch.setattr(writer, "ROW_GROUP", 8 * 2**20)
    pool = pa.default_memory_pool()
    pool.release_unused()
    peak, with_all = 0, module._with_all

    def watched(*arguments: Any) -> pa.Table:
        nonlocal peak
        peak = max(peak, pool.bytes_allocated())
        return with_all(*arguments)

    monkeypatch.setattr(module, "_with_all", watched)
    before = pool.bytes_allocated()
    assert optimise(tables, NAME) == Joined(before=20, after=1)
    assert 8 * 2**20 < peak - before < 50 * 2**20  # of 200 MB
    assert tables.rows(NAME) == 100_000
