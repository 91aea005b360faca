import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from pyspark.sql import SparkSession

from bench.synthetic.nppes import Delivery, main_csv
from blocks.lake import Lake
from spark.convert import Converted, Target, convert_file, convert_parts, grouped, raw_schema, split
from spark.errors import CountMismatch
from spark.names import normalise
from spark.parts import DataFile, Part, StagedFile
from spark.profiling.profiles import DatasetProfile
from spark.profiling.sketches import estimate
from spark.readers import Csv
from tasks import staging
from tasks.convert import to_raw
from tasks.drop import Drop
from tasks.run import Run
from tasks.source import Dataset, Source
from tasks.unwrap import Parts
from tests.spark.made import stage

READER = Csv(fallback="latin-1")
FS = fsspec.filesystem("file", auto_mkdir=True)


@dataclass(frozen=True)
class Dirty:
    """A dirty main file of NPPES, staged in several parts, and Python's reading of it: all records, header first."""

    made: Delivery
    data: bytes
    staged: StagedFile
    records: list[list[str]]

    @property
    def width(self) -> int:
        return len(self.records[0])


def _line(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Dirty:
    folder = tmp_path_factory.mktemp("nppes")
    made = main_csv(2_500, 7, folder / "main.csv")
    assert made.malformed > 1, "or the rejects are not tried"
    assert made.ugly.latin1 > 0
    assert made.ugly.line_feed + made.ugly.carriage_return > 3
    data = (folder / "main.csv").read_bytes()
    text = "\n".join(map(_line, data.split(b"\n")))
    staged = stage(data, "npidata.csv", READER, folder / "parts", 200_000)
    assert len(staged.parts) > 10
    return Dirty(made, data, staged, list(csv.reader(io.StringIO(text, newline=""))))


def target(dirty: Dirty, folder: Path) -> Target:
    return Target(
        drop="2026-11",
        file=dirty.staged.file,
        columns=dirty.staged.columns,
        rows=f"{folder}/rows",
        rejects=f"{folder}/rejects",
    )


def read(files: Sequence[DataFile]) -> pa.Table:
    """The rows of files, in the order of their records."""
    tables = [pq.read_table(file.url.removeprefix("file://"), partitioning=None) for file in files]
    assert [table.num_rows for table in tables] == [file.rows for file in files]
    return pa.concat_tables(tables).sort_by("_record")


@pytest.fixture(scope="module")
def converted(dirty: Dirty, tmp_path_factory: pytest.TempPathFactory) -> Converted:
    return convert_file(
        split(dirty.staged, READER, 1, FS), READER, target(dirty, tmp_path_factory.mktemp("one")), FS, 1
    )


def test_counts_are_what_the_generator_says(dirty: Dirty, converted: Converted) -> None:
    ugly, width = dirty.made.ugly, dirty.width
    assert converted.rows == dirty.made.well_formed
    assert converted.rejected == dirty.made.malformed == ugly.surplus_field + ugly.missing_fields
    assert converted.records == converted.rows + converted.rejected == len(dirty.records) - 1
    few = min(len(record) for record in dirty.records)
    assert converted.reasons == {
        f"{width + 1} fields where {width} belong": ugly.surplus_field,
        f"{few} fields where {width} belong": ugly.missing_fields,
    }
    assert set(converted.nulls) == set(normalise(dirty.records[0]))
    assert not any(converted.nulls.values())  # NPPES quotes every value: none is null
    assert Converted.model_validate_json(converted.model_dump_json()) == converted


def test_every_value_is_that_of_the_record_it_names(dirty: Dirty, converted: Converted) -> None:
    rows = read(converted.files)
    assert rows.schema.equals(raw_schema(dirty.staged.columns))
    good = {n: record for n, record in enumerate(dirty.records[1:], 1) if len(record) == dirty.width}
    assert rows["_record"].to_pylist() == list(good)
    for position, name in enumerate(rows.column_names[3:]):
        assert rows[name].to_pylist() == [record[position] for record in good.values()], name
    assert set(rows["_drop"].to_pylist()) == {"2026-11"}
    assert set(rows["_file"].to_pylist()) == {"npidata.csv"}


def test_rejected_records_are_kept_as_they_came(dirty: Dirty, converted: Converted) -> None:
    bad = {n: record for n, record in enumerate(dirty.records[1:], 1) if len(record) != dirty.width}
    rejects = read(converted.rejects).to_pylist()
    assert {r["_record"]: next(csv.reader(io.StringIO(r["_text"], newline=""))) for r in rejects} == bad
    assert {(r["_drop"], r["_file"]) for r in rejects} == {("2026-11", "npidata.csv")}
    assert all(r["_reason"].startswith(f"{len(bad[r['_record']])} fields ") for r in rejects)


def same(one: Converted, other: Converted) -> None:
    """Equal but for the files' names and number."""
    counts = {"records", "rows", "reasons", "nulls"}
    assert one.model_dump(include=counts) == other.model_dump(include=counts)
    same_profile(one.profile, other.profile)
    assert read(one.files).equals(read(other.files))
    assert read(one.rejects).equals(read(other.rejects))


def same_profile(one: DatasetProfile, other: DatasetProfile) -> None:
    """Equal but for sketches, and values of which not all are kept, which depend on what is merged with what."""
    assert (one.rows, one.sampled, list(one.columns)) == (other.rows, other.sampled, list(other.columns))
    assert 0 < one.sampled <= one.rows
    for name, column in one.columns.items():
        merged = {"hll", "kll", "values", "patterns", "sentinels"}
        assert column.model_dump(exclude=merged) == other.columns[name].model_dump(exclude=merged)
        distinct = estimate(column.hll)
        assert estimate(other.columns[name].hll) == pytest.approx(distinct, rel=0.1)
        if distinct < 40:
            assert column.values == other.columns[name].values


def test_the_profile_counts_what_is_in_the_files(dirty: Dirty, converted: Converted) -> None:
    rows, profile = read(converted.files), converted.profile
    assert profile.rows == profile.sampled == converted.rows  # of so few all are sampled
    assert {name: column.nulls for name, column in profile.columns.items()} == converted.nulls
    for name, column in profile.columns.items():
        values = rows[name].to_pylist()
        assert column.original == dirty.records[0][list(profile.columns).index(name)]
        assert column.empties == values.count("")
        assert (column.least, column.most) == (min(values)[:100], max(values)[:100])
        assert (column.shortest, column.longest) == (min(map(len, values)), max(map(len, values)))
        assert column.filled == len(values) - column.empties
    assert profile.keys == (("npi",),)
    assert sum(column.damaged for column in profile.columns.values()) == 0


def test_two_cores_give_the_same_rows(dirty: Dirty, converted: Converted, tmp_path: Path) -> None:
    two = convert_file(split(dirty.staged, READER, 2, FS), READER, target(dirty, tmp_path), FS, 2)
    assert len(two.files) == len(grouped(dirty.staged.parts, 2)) == 2
    same(converted, two)


def _restaged(dirty: Dirty, reader: Csv, folder: Path) -> StagedFile:
    """The file as unwrapping stages it: several pieces to a step, several steps to a part."""
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name, size in (("PART", 1_000_000), ("STEP", 200_000), ("PIECE", 70_000)):
            patch.setattr(staging, name, size)
        staged = staging.cut(io.BytesIO(dirty.data), dirty.staged.file, reader, FS, f"{folder}/p", 1)
    assert len(staged.parts) > 2
    assert StagedFile.model_validate_json(staged.model_dump_json()) == staged
    return staged


def test_the_steps_of_a_part_are_all_of_it(dirty: Dirty, tmp_path: Path) -> None:
    *parts, _ = _restaged(dirty, READER, tmp_path / "parts").parts  # of the last there may be one step
    for part in parts:
        assert len(part.steps) > 1
        assert part.steps[0].offset == part.offset
        assert sum(step.bytes for step in part.steps) == part.bytes
        assert sum(step.records or 0 for step in part.steps) == part.records
        assert max(step.bytes for step in part.steps) > 70_000  # more than one piece
    steps = [step for part in parts for step in part.steps]
    assert max(step.bytes for step in steps) <= 200_000
    assert all(one.offset + one.bytes == other.offset for one, other in pairwise(steps))


@pytest.mark.parametrize("longest", [16 * 2**20, 1_390], ids=["", "some records too long"])
def test_parts_are_read_step_by_step_to_the_same_rows(dirty: Dirty, longest: int, tmp_path: Path) -> None:
    reader = READER.model_copy(update={"max_record": longest})
    steps, whole = (
        _restaged(dirty, reader, tmp_path / "parts"),
        stage(dirty.data, "npidata.csv", reader, tmp_path, 10**9),
    )
    done = [
        convert_file(split(staged, reader, cores, FS), reader, target(dirty, tmp_path / name), FS, cores)
        for name, cores, staged in (("steps", 2, steps), ("whole", 1, whole))
    ]
    same(*done)
    assert sum(len(part.bad) for part in steps.parts) == sum(
        number for reason, number in done[0].reasons.items() if reason.startswith("longer")
    )
    assert bool(steps.parts[1].bad) == (longest < 10_000)


def test_a_wrong_step_is_named_by_its_byte(dirty: Dirty, tmp_path: Path) -> None:
    staged = _restaged(dirty, READER, tmp_path / "parts")
    part = staged.parts[1]
    wrong = part.steps[2]._replace(records=(part.steps[2].records or 0) + 1)
    parts = [part.model_copy(update={"steps": (*part.steps[:2], wrong, *part.steps[3:])})]
    with pytest.raises(CountMismatch, match=rf"^npidata.csv, part at byte {wrong.offset:,}: "):
        convert_parts(parts, READER, target(dirty, tmp_path), FS)


@pytest.mark.parametrize("lost", [5, 100_000], ids=["the checksum", "data"])
def test_a_part_that_is_cut_off_is_found(dirty: Dirty, lost: int, tmp_path: Path) -> None:
    staged = stage(dirty.data, "npidata.csv", READER, tmp_path, 10**9)
    path = Path(staged.parts[0].path)
    packed = zstandard.ZstdCompressor(1, write_checksum=True).compress(zstandard.decompress(path.read_bytes()))
    path.write_bytes(packed[:-lost])
    with pytest.raises(zstandard.ZstdError, match="ends within"):
        convert_parts(staged.parts, READER, target(dirty, tmp_path), FS)


def test_spark_gives_the_same_rows(dirty: Dirty, converted: Converted, tmp_path: Path, spark: SparkSession) -> None:
    to = target(dirty, tmp_path)
    groups = grouped(dirty.staged.parts, 4)
    results = spark.sparkContext.parallelize(groups, len(groups)).map(lambda group: convert_parts(group, READER, to))
    same(converted, sum(results.collect(), Converted()))


def _in_raw(staged: StagedFile, lake: Lake, spark_from: int) -> pa.Table:
    """What the whole stage commits of the file, files and shares decided by its size."""
    dataset = Dataset(members=".*", reader=READER)
    source = Source(slug="made", at="made", deliveries=(), datasets={"main": dataset}, phi="no", reject_limit=1.0)
    drop = Drop(source="made", key="one", as_of=datetime(2026, 11, 1, tzinfo=UTC), kind="full", revision=1, files=())
    run = Run(source, lake, "run")
    parts = Parts(drop=drop, fingerprint="f", up_to_date=False, datasets={"main": (staged,)})
    to_raw(parts, run, spark_from=spark_from)
    return run.tables.catalog.load_table("raw.made_main").scan().to_arrow().sort_by("_record")


def test_spark_is_asked_only_from_a_size_on_and_brings_the_same(
    dirty: Dirty, tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def session(environment: object, large: bool) -> SparkSession:
        asked.append(environment)
        return spark

    monkeypatch.setattr("tasks.convert.session", session)
    size = sum(part.bytes for part in dirty.staged.parts)
    here = _in_raw(dirty.staged, Lake(root=f"file://{tmp_path}/here"), size + 1)
    assert not asked
    there = _in_raw(dirty.staged, Lake(root=f"file://{tmp_path}/there"), size)
    assert asked
    assert here.num_rows == dirty.made.well_formed
    assert there.equals(here)


def test_what_is_wrong_is_told_by_spark_as_it_is_here(
    dirty: Dirty, tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.convert.session", lambda environment, large: spark)
    parts = _tampered(dirty.staged.parts, 3, 1)
    staged = dirty.staged.model_copy(update={"parts": tuple(parts)})
    with pytest.raises(CountMismatch, match=rf"^npidata.csv, part at byte {parts[3].offset:,}: "):
        _in_raw(staged, Lake(root=f"file://{tmp_path}"), 0)


def _tampered(parts: Sequence[Part], position: int, by: int) -> list[Part]:
    return [
        part.model_copy(update={"records": (part.records or 0) + by}) if i == position else part
        for i, part in enumerate(parts)
    ]


@pytest.mark.parametrize("by", [-1, 1])
@pytest.mark.parametrize("cores", [1, 2])
def test_a_count_that_is_not_the_cutters_is_found(dirty: Dirty, by: int, cores: int, tmp_path: Path) -> None:
    parts = _tampered(dirty.staged.parts, 3, by)
    staged = dirty.staged.model_copy(update={"parts": tuple(parts)})
    with pytest.raises(CountMismatch, match=rf"^npidata.csv, part at byte {parts[3].offset:,}: "):
        convert_file(split(staged, READER, cores, FS), READER, target(dirty, tmp_path), FS, cores)


def test_a_failed_conversion_leaves_no_file_of_its_own(dirty: Dirty, tmp_path: Path) -> None:
    with pytest.raises(CountMismatch):
        convert_parts(_tampered(dirty.staged.parts, 3, 1), READER, target(dirty, tmp_path), FS)
    assert list(tmp_path.rglob("*.parquet")) == []


def test_a_small_input_gives_one_file(dirty: Dirty, tmp_path: Path) -> None:
    few = dirty.staged.model_copy(update={"parts": dirty.staged.parts[:2]})
    done = convert_file(split(few, READER, 64, FS), READER, target(dirty, tmp_path), FS, 64)
    assert len(done.files) == 1
    assert done.records == sum(part.records or 0 for part in few.parts)


@pytest.mark.parametrize(("parts", "cores"), [(1, 2), (2, 2), (7, 2), (16, 2), (17, 2), (100, 2), (100, 64), (3, 8)])
def test_groups_are_consecutive_and_keep_all_cores_busy(parts: int, cores: int) -> None:
    made = [Part(path=str(n), offset=n, first_record=1, records=1, bytes=1) for n in range(parts)]
    groups = grouped(made, cores)
    assert [part for group in groups for part in group] == made
    assert max(map(len, groups)) <= 8
    assert max(map(len, groups)) - min(map(len, groups)) <= 1
    assert len(groups) % cores == 0 or max(map(len, groups)) <= 2


def test_the_names_of_the_file_are_the_docs_of_the_columns() -> None:
    schema = raw_schema(["NPI", "Name (legal)", "npi"])
    assert schema.names == ["_drop", "_file", "_record", "npi", "name_legal", "npi_2"]
    assert [field.metadata[b"doc"] for field in list(schema)[3:]] == [b"NPI", b"Name (legal)", b"npi"]


@pytest.mark.parametrize("data", [b"", b"a,b\n", b"\xef\xbb\xbfa,b\r\n\r\n"])
def test_a_file_without_records_makes_no_data_file(data: bytes, tmp_path: Path) -> None:
    staged = stage(data, "x.csv", READER, tmp_path / "parts", 100)
    to = Target(drop="d", file="x.csv", columns=staged.columns, rows=f"{tmp_path}/r", rejects=f"{tmp_path}/j")
    done = convert_file(split(staged, READER, 2, FS), READER, to, FS, 2)
    assert (done.records, done.rows, done.files, done.rejects) == (0, 0, (), ())
