import gc
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from blocks.lake import Lake
from spark import writer
from spark.writer import ParquetWriter, write

SCHEMA = pa.schema([("n", pa.int64()), ("s", pa.string())])


def table(first: int, rows: int) -> pa.Table:
    numbers = pa.array(range(first, first + rows), pa.int64())
    return pa.table({"n": numbers, "s": numbers.cast(pa.string())})


def test_files_and_row_groups_roll(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "ROW_GROUP", 4_000)
    monkeypatch.setattr(writer, "FILE", 12_000)
    files = write((table(i * 100, 100) for i in range(40)), lake.path("t"), SCHEMA, lake.fs())
    assert len({file.url for file in files}) == len(files) > 3
    assert sorted(file.url for file in files) == sorted(map(lake.fs().unstrip_protocol, lake.fs().find(lake.path("t"))))
    read = []
    for file in files:
        with lake.fs().open(file.url) as stream:
            found = pq.ParquetFile(stream)
            sizes = [found.metadata.row_group(i).num_rows for i in range(found.num_row_groups)]
            read.append(found.read())
        assert file.rows == sum(sizes)
        assert file.bytes == lake.fs().size(file.url)
        assert file is files[-1] or (len(sizes) > 1 and len(set(sizes)) == 1 and sizes[0] > 100)
    assert pa.concat_tables(read).equals(table(0, 4_000))


def test_row_groups_of_a_size_of_their_own(tmp_path: Path) -> None:
    with ParquetWriter(f"file://{tmp_path}", SCHEMA, row_group=4_000) as small:
        small.write(table(0, 10_000))  # cut, though it comes at once
        (file,) = small.close()
    found = pq.ParquetFile(file.url.removeprefix("file://"))
    sizes = [found.metadata.row_group(i).num_rows for i in range(found.num_row_groups)]
    assert sum(sizes) == 10_000
    assert max(sizes) <= 4_000 // (8 + 4)
    assert found.read().equals(table(0, 10_000))


def test_no_rows_make_no_file(lake: Lake) -> None:
    assert write([table(0, 0)], lake.path("t"), SCHEMA, lake.fs()) == []
    assert lake.fs().find(lake.path("t")) == []


def test_columns_are_cast_by_name(tmp_path: Path) -> None:
    other = pa.table({"more": [1], "s": pa.array(["x"], pa.large_string()), "n": pa.array([7], pa.int32())})
    (file,) = write([other, table(8, 1)], f"file://{tmp_path}", SCHEMA)
    found = pq.read_table(file.url.removeprefix("file://"))
    assert found.schema.equals(SCHEMA)
    assert found.to_pylist() == [{"n": 7, "s": "x"}, {"n": 8, "s": "8"}]
    with pytest.raises(KeyError):
        write([pa.table({"n": [1]})], f"file://{tmp_path}", SCHEMA)
    with pytest.raises(pa.ArrowInvalid):
        write([pa.table({"n": ["x"], "s": ["x"]})], f"file://{tmp_path}", SCHEMA)


def _small_blocks(lake: Lake) -> fsspec.AbstractFileSystem:
    """The lake's file system with the smallest parts that S3 allows, so that little data makes a multipart upload."""
    fs = lake.fs()
    if not lake.on_s3:
        return fs
    return type(fs)(**{**fs.storage_options, "default_block_size": 5 * 2**20}, skip_instance_cache=True)


def _uploads(lake: Lake) -> list[dict[str, Any]]:
    if not lake.on_s3 or lake.credentials is None:
        return []
    bucket = lake.root.split("/")[2]
    uploads: list[dict[str, Any]] = (
        lake.credentials.get_s3_client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    )
    return uploads


class Broken(Exception):
    pass


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("rows", [10, 2_000_000], ids=["one put", "multipart"])
def test_nothing_is_left_after_an_error(lake: Lake, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "ROW_GROUP", max(1, rows // 20))  # so that something is sent before it breaks off
    noise = pa.array(np.random.default_rng(1).integers(0, 2**62, rows))
    schema = pa.schema([("n", pa.int64())])

    def break_off() -> None:
        with ParquetWriter(lake.path("t"), schema, _small_blocks(lake)) as out:
            out.write(pa.table({"n": noise}))
            if lake.on_s3:
                assert bool(_uploads(lake)) == (rows > 10)  # or this test shows nothing
            raise Broken

    with pytest.raises(Broken):
        break_off()
    gc.collect()  # a stream that is not closed would finish its upload now
    assert lake.fs().find(lake.path("t")) == []
    assert _uploads(lake) == []


def test_an_error_while_writing_is_the_one_that_is_told(lake: Lake) -> None:
    def rows() -> Any:
        yield table(0, 10)
        yield pa.table({"n": ["x"], "s": ["x"]})

    with pytest.raises(pa.ArrowInvalid):
        write(rows(), lake.path("t"), SCHEMA, lake.fs())
    gc.collect()
    assert lake.fs().find(lake.path("t")) == []
