"""Parquet and ORC: real files against what Arrow itself reads, types that Iceberg lacks, damage."""

import io
import json
import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem

from blocks.lake import Lake
from spark import convert
from spark.convert import Target, convert_file, split
from spark.errors import Damaged, DataError, Unreadable
from spark.parts import Part, StagedFile
from spark.readers import Orc, Parquet
from spark.tables import Tables

REALDATA = Path(os.environ.get("INLET_REALDATA", "-"))
TRUTH: dict[str, Any] = json.loads((REALDATA / "truth.json").read_text()) if os.environ.get("INLET_REALDATA") else {}
REAL = sorted(name for name in TRUTH if name.startswith("parquet/") and name.endswith(".parquet"))
GOOD = [name for name in REAL if TRUTH[name]["pyarrow"]["ok"]]
BAD = [name for name in REAL if not TRUTH[name]["pyarrow"]["ok"]]

WIDENED = {
    "uint8": ("int32", [0, 255, None]),
    "int8": ("int32", [-128, 127, None]),
    "uint16": ("int32", [0, 65_535, None]),
    "uint32": ("int64", [0, 2**32 - 1, None]),
    "uint64": ("decimal128(20, 0)", [0, 2**64 - 1, None]),
    "float16": ("float", [np.float16(0.5), np.float16("inf"), None]),
    "large_string": ("string", ["a", "", None]),
    "duration[us]": ("int64", [1, 2, None]),
    "date64[ms]": ("date32[day]", [0, 86_400_000, None]),
    "time32[ms]": ("time64[us]", [0, 1, None]),
    "timestamp[s]": ("timestamp[us]", [0, 1, None]),
    "timestamp[ms, tz=Europe/Berlin]": ("timestamp[us, tz=UTC]", [0, 1, None]),
}
TYPES = {
    "uint64": pa.uint64(),
    "float16": pa.float16(),
    "large_string": pa.large_string(),
    "duration[us]": pa.duration("us"),
    "date64[ms]": pa.date64(),
    "time32[ms]": pa.time32("ms"),
    "timestamp[s]": pa.timestamp("s"),
    "timestamp[ms, tz=Europe/Berlin]": pa.timestamp("ms", "Europe/Berlin"),
}


def parquet(table: pa.Table, **options: Any) -> BinaryIO:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file


def read(reader: Parquet | Orc, file: BinaryIO, *span: int) -> pa.Table:
    return pa.Table.from_batches(reader.batches(file, *span), reader.describe(file).schema)


@pytest.mark.usefixtures("realdata")
@pytest.mark.parametrize("name", GOOD or [""])
def test_a_real_file_is_what_its_truth_says(name: str) -> None:
    truth = TRUTH[name]["pyarrow"]
    with (REALDATA / name).open("rb") as file:
        table = read(Parquet(), file)
        assert table.num_rows == Parquet().describe(file).rows == truth["rows"]
        named = [column for column in table.column_names[1:] if column != "_special"]
        assert sorted(named) == sorted(truth["schema"])
        assert {column: table[column].null_count for column in named} == truth["nulls"]
        file.seek(0)
        whole = pq.ParquetFile(file, coerce_int96_timestamp_unit="us").read()
    for column in named:
        kind = table.schema.field(column).type
        if pa.types.is_floating(kind):
            assert str(table[column].to_pylist()) == str(whole[column].to_pylist())  # nan is not equal to nan
        else:
            assert table[column].equals(whole[column].cast(kind))


@pytest.mark.usefixtures("realdata")
@pytest.mark.parametrize("name", BAD or [""])
def test_a_bad_file_is_refused(name: str) -> None:
    with (REALDATA / name).open("rb") as file, pytest.raises(DataError):
        read(Parquet(), file)


@pytest.mark.parametrize("kind", WIDENED)
def test_what_iceberg_lacks_is_widened(kind: str) -> None:
    stored, values = WIDENED[kind]
    given = pa.array(values, TYPES.get(kind) or pa.type_for_alias(kind))
    file = parquet(pa.table({"x": given, "s": pa.StructArray.from_arrays([given], names=["y"])}))
    table = read(Parquet(), file)
    assert str(table.schema.field("x").type) == stored
    assert str(table.schema.field("s").type) == f"struct<y: {stored}>"
    assert table["x"].null_count == 1
    back = pq.read_table(file)["x"]
    if kind not in {"uint64", "duration[us]"}:
        assert table["x"].to_pylist() == back.to_pylist()


def test_nanoseconds_are_not_lost() -> None:
    whole, fine = 1_600_000_000_123_456_000, 1_600_000_000_123_456_789
    times = pa.array([whole, fine, None], pa.timestamp("ns"))
    table = read(Parquet(), parquet(pa.table({"t": times, "n": [1, 2, 3]})))
    assert table["t"].to_pylist() == [datetime(2020, 9, 13, 12, 26, 40, 123456), None, None]
    assert table["_special"].to_pylist() == [None, [("t", "2020-09-13 12:26:40.123456789")], None]
    nested = pa.StructArray.from_arrays([times], names=["t"])
    with pytest.raises(Unreadable, match=r"column 's' holds struct<t: timestamp\[ns\]>, finer than"):
        read(Parquet(), parquet(pa.table({"s": nested})))


def test_spans_are_row_groups_and_records_go_on(tmp_path: Path) -> None:
    numbers = pa.table({"n": range(1_000)})
    file = parquet(numbers, row_group_size=100)
    spans = Parquet().spans(file, 250)
    assert spans == [(0, 3, 0), (3, 3, 300), (6, 3, 600), (9, 1, 900)]
    tables = [read(Parquet(), file, *span) for span in spans]
    joined = pa.concat_tables(tables)
    assert joined["_record"].to_pylist() == list(range(1, 1_001))
    assert joined["n"].to_pylist() == list(range(1_000))


def test_orc_is_read_by_stripes(tmp_path: Path) -> None:
    rows = 200_000
    table = pa.table({"n": range(rows), "name": [f"name {n}" for n in range(rows)], "l": [[n] for n in range(rows)]})
    orc.write_table(table, tmp_path / "x.orc", stripe_size=100_000)
    with (tmp_path / "x.orc").open("rb") as file:
        spans = Orc().spans(file, 50_000)
        assert len(spans) > 1
        assert Orc().describe(file).rows == rows
        joined = pa.concat_tables([read(Orc(), file, *span) for span in spans])
    assert joined["_record"].to_pylist() == list(range(1, rows + 1))
    assert joined.drop_columns("_record").equals(table)


@pytest.mark.parametrize("reader", [Parquet(), Orc()])
@pytest.mark.parametrize("data", [b"", b"<html>404</html>", b"PAR1", b"ORC", b"PAR1" + bytes(100), b"ORC" + bytes(100)])
def test_what_is_no_such_file_is_refused(reader: Parquet | Orc, data: bytes) -> None:
    with pytest.raises((Unreadable, Damaged)):
        reader.describe(io.BytesIO(data))


@pytest.mark.parametrize("seed", range(60))
def test_damage_is_an_error_of_ours_or_unseen(seed: int) -> None:
    """Parquet without page checksums cannot show every flipped bit."""
    random = np.random.default_rng(seed)
    table = pa.table({"n": range(500), "s": [f"value {n}" for n in range(500)]})
    file = parquet(table, row_group_size=100)
    file.seek(0)
    data = bytearray(file.read())
    if seed % 3 == 0:
        data = data[: random.integers(1, len(data))]
    else:
        for at in random.integers(0, len(data), 3):
            data[at] ^= 1 << random.integers(8)
    with suppress(DataError):
        read(Parquet(), io.BytesIO(bytes(data)))


def test_a_parquet_file_becomes_a_table_with_its_types(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "PART", 10_000)
    table = pa.table(
        {
            "Id": pa.array(range(1_000), pa.uint32()),
            "When": pa.array([1_600_000_000_000_000_001 + n for n in range(1_000)], pa.timestamp("ns")),
            "Codes": [[f"c{n}"] for n in range(1_000)],
            "Who": [{"name": f"n{n}"} for n in range(1_000)],
        }
    )
    fs, path = lake.fs(), lake.path("staged", "x.parquet")
    fs.makedirs(lake.path("staged"), exist_ok=True)
    file = parquet(table, row_group_size=100)
    file.seek(0)
    fs.pipe_file(path, file.read())
    part = Part(path=path, offset=0, first_record=1, records=None, bytes=fs.size(path))
    shares = split(StagedFile(file="x.parquet", columns=(), parts=(part,)), Parquet(), 2, fs)
    assert len(shares.shares) == 2
    tables = Tables(lake.catalog_properties(), lake.url())
    folder = tables.folder("raw.party_x")
    to = Target(drop="d", file="x.parquet", columns=(), rows=folder, rejects=folder)
    done = convert_file(shares, Parquet(), to, fs, 2)
    mark = {"fingerprint": "f", "run": "r"}
    tables.replace("raw.party_x", shares.schema, {"_drop": "d"}, done.files, mark=("drop", "d", mark))
    rows = tables.catalog.load_table("raw.party_x").scan().to_arrow().sort_by("_record")
    assert rows["id"].to_pylist() == list(range(1_000))
    assert rows["codes"].to_pylist() == table["Codes"].to_pylist()
    assert rows["who"].to_pylist() == table["Who"].to_pylist()
    assert rows["when"].null_count == 999  # one is whole
    assert dict(rows["_special"][0].as_py()) == {"When": "2020-09-13 12:26:40.000000001"}


def test_a_local_file_system_is_enough(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    part = Part(path=str(tmp_path / "a.parquet"), offset=0, first_record=1, records=None, bytes=1)
    assert split(StagedFile(file="a", columns=(), parts=(part,)), Parquet(), 8, LocalFileSystem()).records == 1
