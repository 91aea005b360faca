"""Files that are staged whole: typed rows, shared out by their reader's spans, and a table that has their types."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest
from fsspec.implementations.local import LocalFileSystem
from pyspark.sql import SparkSession

from blocks.lake import Lake
from spark import convert
from spark.convert import Converted, Split, Target, convert_file, convert_share, raw_schema, split, total
from spark.errors import CountMismatch, Damaged
from spark.parts import Part, StagedFile
from spark.readers import Sas
from spark.tables import Tables

FS = LocalFileSystem()
ROWS = 1_000
LABELS = {"SEQN": "Respondent", "BORN": "Date of birth", "NAME": "Name"}


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> StagedFile:
    frame = pd.DataFrame(
        {
            "SEQN": [float(n) for n in range(ROWS)],
            "BORN": [pd.Timestamp("2000-01-01").date() if n % 3 else None for n in range(ROWS)],
            "NAME": [f"name {n}" for n in range(ROWS)],
        }
    )
    path = tmp_path_factory.mktemp("staged") / "demo.xpt"
    pyreadstat.write_xport(
        frame, path, column_labels=LABELS, table_name="DEMO", file_format_version=5, variable_format={"BORN": "DATE9."}
    )
    part = Part(path=str(path), offset=0, first_record=1, records=None, bytes=path.stat().st_size)
    return StagedFile(file="demo.xpt", columns=(), parts=(part,))


def target(folder: Path) -> Target:
    return Target(drop="2018", file="demo.xpt", columns=(), rows=f"{folder}/rows", rejects=f"{folder}/rejected")


def read(done: Converted) -> pa.Table:
    files = [pq.read_table(file.url.removeprefix("file://"), partitioning=None) for file in done.files]
    return pa.concat_tables(files).sort_by("_record")


def check(done: Converted) -> None:
    rows = read(done)
    assert (done.records, done.rows, done.rejected) == (ROWS, ROWS, 0)
    assert rows.column_names == ["_drop", "_file", "_record", "seqn", "born", "name", "_special"]
    assert rows["_record"].to_pylist() == list(range(1, ROWS + 1))
    assert rows["seqn"].to_pylist() == [float(n) for n in range(ROWS)]
    assert rows["name"].to_pylist() == [f"name {n}" for n in range(ROWS)]
    assert rows.schema.field("born").type == pa.date32()
    assert done.nulls["born"] == rows["born"].null_count == -(-ROWS // 3)
    assert set(rows["_drop"].to_pylist()) == {"2018"}


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_types_and_rows_are_those_of_the_file(
    staged: StagedFile, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "PART", 5_000)  # else it is too small to be shared out
    shares = split(staged, Sas(), cores, FS)
    assert len(shares.shares) == cores
    check(convert_file(shares, Sas(), target(tmp_path), FS, cores))


def test_spark_runs_the_same_function(
    staged: StagedFile, tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "PART", 5_000)
    shares, to = split(staged, Sas(), 3, FS), target(tmp_path)
    results = spark.sparkContext.parallelize(shares.shares, 3).map(lambda share: convert_share(share, Sas(), to))
    check(total(results.collect(), shares, to.file))


def test_a_small_file_gives_one_file(staged: StagedFile, tmp_path: Path) -> None:
    shares = split(staged, Sas(), 8, FS)
    done = convert_file(shares, Sas(), target(tmp_path), FS, 8)
    assert len(shares.shares) == len(done.files) == 1
    check(done)


def test_the_name_and_the_label_are_kept_with_the_column(staged: StagedFile) -> None:
    schema = split(staged, Sas(), 1, FS).schema
    born = schema.field("born").metadata
    assert (born[b"name"], born[b"doc"]) == (b"BORN", b"BORN: Date of birth")
    assert born[b"sas.format"] == b"DATE9"


def test_fewer_rows_than_the_header_says_are_found(
    staged: StagedFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "PART", 5_000)
    shares = split(staged, Sas(), 2, FS)
    short = Split(shares.schema, shares.records, shares.shares[:1])
    with pytest.raises(CountMismatch, match=r"^demo.xpt: 1,000 records are in it, but 500 came out"):
        convert_file(short, Sas(), target(tmp_path), FS, 2)


def test_a_broken_file_is_named(staged: StagedFile, tmp_path: Path) -> None:
    data = Path(staged.parts[0].path).read_bytes()
    broken = tmp_path / "broken.xpt"
    broken.write_bytes(data[:1000])
    part = staged.parts[0].model_copy(update={"path": str(broken)})
    with pytest.raises(Damaged, match=r"^demo\.xpt: "):
        split(staged.model_copy(update={"parts": (part,)}), Sas(), 2, FS)


def test_a_table_has_the_types_and_gives_them_back(staged: StagedFile, lake: Lake) -> None:
    tables = Tables(lake.catalog_properties(), lake.url())
    folder = tables.folder("raw.nhanes_demo")
    to = Target(drop="2018", file="demo.xpt", columns=(), rows=folder, rejects=folder)
    whole = Path(staged.parts[0].path).read_bytes()
    fs = lake.fs()
    here = staged.parts[0].model_copy(update={"path": lake.path("staged", "demo.xpt")})
    fs.makedirs(lake.path("staged"), exist_ok=True)
    fs.pipe_file(here.path, whole)
    shares = split(staged.model_copy(update={"parts": (here,)}), Sas(), 2, fs)
    done = convert_file(shares, Sas(), to, fs, 2)
    mark = {"fingerprint": "f", "run": "r"}
    tables.replace("raw.nhanes_demo", shares.schema, {"_drop": "2018"}, done.files, mark=("drop", "2018", mark))
    found = tables.catalog.load_table("raw.nhanes_demo")
    rows = found.scan().to_arrow().sort_by("_record")
    assert rows.num_rows == ROWS
    assert rows.schema.field("born").type == pa.date32()
    assert rows["name"].to_pylist()[-1] == f"name {ROWS - 1}"
    assert found.schema().find_field("born").doc == "BORN: Date of birth"


def test_special_missing_values_reach_the_table(lake: Lake, tmp_path: Path) -> None:
    """A letter that SAS puts where a number is missing is no number, and is not lost."""
    pyreadstat.write_xport(pd.DataFrame({"X": [1.0, 2.0, 3.0]}), tmp_path / "x.xpt", file_format_version=5)
    data = bytearray((tmp_path / "x.xpt").read_bytes())
    two = bytes.fromhex("4120000000000000")  # 2.0 as IBM writes it
    at = data.rindex(two)
    data[at : at + 8] = b"C" + bytes(7)
    tables = Tables(lake.catalog_properties(), lake.url())
    path = lake.path("staged", "x.xpt")
    lake.fs().makedirs(lake.path("staged"), exist_ok=True)
    lake.fs().pipe_file(path, bytes(data))
    part = Part(path=path, offset=0, first_record=1, records=None, bytes=len(data))
    shares = split(StagedFile(file="x.xpt", columns=(), parts=(part,)), Sas(), 1, lake.fs())
    folder = tables.folder("raw.nhanes_x")
    to = Target(drop="d", file="x.xpt", columns=(), rows=folder, rejects=folder)
    done = convert_file(shares, Sas(), to, lake.fs(), 1)
    tables.replace(
        "raw.nhanes_x", shares.schema, {"_drop": "d"}, done.files, mark=("drop", "d", {"fingerprint": "f", "run": "r"})
    )
    rows = tables.catalog.load_table("raw.nhanes_x").scan().to_arrow().sort_by("_record")
    assert rows["x"].to_pylist() == [1.0, None, 3.0]
    assert [dict(v or {}) for v in rows["_special"].to_pylist()] == [{}, {"X": ".C"}, {}]


def test_the_file_readers_own_column_cannot_be_taken_for_a_column_of_the_file() -> None:
    schema = pa.schema([("_special", pa.string()), ("_special", pa.map_(pa.string(), pa.string()))])
    assert raw_schema(schema).names[3:] == ["special", "_special"]
