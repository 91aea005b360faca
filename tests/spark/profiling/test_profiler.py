"""The profile of tables: exact counts against an independent reading, samples that do not depend on how rows come."""

import json
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest
from datasketches import kll_doubles_sketch
from hypothesis import given, settings
from hypothesis import strategies as st

from spark.convert import parse, raw_schema, read_whole, schema_of
from spark.profiling import profiler, sketches
from spark.profiling.profiler import BLOCK, Profiler, one_in, profile
from spark.profiling.profiles import DatasetProfile
from spark.readers import Csv, Sas
from spark.writer import ParquetWriter

FS = fsspec.filesystem("file", auto_mkdir=True)


def table(start: int = 1, **columns: Any) -> pa.Table:
    """Rows with their ordinals in front."""
    rows = len(next(iter(columns.values())))
    return pa.table({"_record": pa.array(range(start, start + rows), pa.int64()), **columns})


# --- exact counts -----------------------------------------------------------------------------------------


def by_pandas(values: list[str | None]) -> dict[str, Any]:
    """Counts of a column of text by pandas and Python."""
    series = pd.Series(values, dtype=object)
    there = [value for value in values if value is not None]
    lengths = series.dropna().map(len)
    return {
        "rows": len(series),
        "nulls": int(series.isna().sum()),
        "empties": int((series == "").sum()),
        "shortest": int(lengths.min()) if there else None,
        "longest": int(lengths.max()) if there else None,
        "least": min(there)[:100] if there else None,
        "most": max(there)[:100] if there else None,
    }


TEXTS = st.lists(
    st.one_of(st.none(), st.just(""), st.text(max_size=5), st.text("\u00e9\U00010000\uffffz", max_size=130))
)


@settings(deadline=None, max_examples=50)
@given(TEXTS, st.lists(st.integers(0, 20), max_size=4))
def test_counts_of_text_are_exact_however_it_comes(values: list[str | None], cuts: list[int]) -> None:
    whole = table(x=pa.array(values, pa.string()))
    bounds = sorted({0, len(values), *(cut for cut in cuts if cut < len(values))})
    pieces = [whole.slice(start, stop - start) for start, stop in pairwise(bounds)]
    for tables in (pieces, [pa.concat_tables([*pieces, whole.slice(0, 0)])]):
        found = profile(tables, whole.schema).columns["x"].model_dump()
        assert {name: found[name] for name in by_pandas(values)} == by_pandas(values)


def test_counts_of_long_arrays_which_are_not_put_together() -> None:
    values = [None if n % 7 == 0 else "\u00e9" * (n % 5) for n in range(2 * profiler.SHORT)]
    halves = [table(x=pa.array(values[: profiler.SHORT])), table(x=pa.array(values[profiler.SHORT :]))]
    found = profile([pa.concat_tables(halves)], halves[0].schema).columns["x"].model_dump()
    assert {name: found[name] for name in by_pandas(values)} == by_pandas(values)


def test_a_null_that_has_bytes_is_no_value() -> None:
    validity = pa.array([True, False, True]).buffers()[1]
    _, offsets, data = pa.array(["ab", "longest", "c"]).buffers()
    hidden = pa.Array.from_buffers(pa.string(), 3, [validity, offsets, data])
    found = profile([table(x=hidden)], table(x=hidden).schema).columns["x"]
    assert (found.nulls, found.shortest, found.longest, found.least, found.most) == (1, 1, 2, "ab", "c")


@pytest.mark.parametrize(
    ("kind", "values", "bounds", "numbers"),
    [
        (pa.int64(), [3, None, -20], ("-20", "3"), 2),
        (pa.float64(), [1.5, float("nan"), float("inf")], ("1.5", "inf"), 1),
        (pa.float64(), [float("nan"), None], (None, None), 0),
        (pa.float32(), [None, 0.1, float("nan"), -2.5], ("-2.5", "0.1"), 2),
        (pa.decimal128(9, 2), [Decimal("10.00"), Decimal("9.50")], ("9.50", "10.00"), 2),
        (pa.date32(), [date(2020, 1, 31), date(999, 12, 1)], ("0999-12-01", "2020-01-31"), 0),
        (pa.timestamp("us"), [datetime(2020, 1, 31, 1, 2, 3)], ("2020-01-31 01:02:03.000000",) * 2, 0),
        (pa.bool_(), [True, False, True], ("false", "true"), 0),
        (pa.binary(), [b"a", None], (None, None), 0),
        (pa.list_(pa.string()), [["a"], None], (None, None), 0),
        (pa.map_(pa.string(), pa.string()), [[("a", "b")], None], (None, None), 0),
    ],
)
def test_typed_columns(kind: pa.DataType, values: list[Any], bounds: tuple[str, str], numbers: int) -> None:
    made = table(x=pa.array(values, kind))
    found = profile([made], made.schema).columns["x"]
    assert (found.type, found.rows, found.nulls) == (str(kind), len(values), values.count(None))
    assert (found.least, found.most, found.shortest) == (*bounds, None)
    assert (json.loads(found.model_dump_json())["kll"] == "") == (numbers == 0)
    if numbers:
        assert sketch(found.kll).n == numbers


def sketch(kll: str) -> kll_doubles_sketch:
    from base64 import b64decode

    return kll_doubles_sketch.deserialize(b64decode(kll))


def test_fields_of_structs_are_columns() -> None:
    people = [{"name": {"last": "A"}, "tags": ["x"]}, None, {"name": None, "tags": None}]
    kind = pa.struct([("name", pa.struct([("last", pa.string())])), ("tags", pa.list_(pa.string()))])
    made = table(person=pa.array(people, kind), n=pa.array([1, 2, 3]))
    found = profile([made], made.schema).columns
    assert {name: (column.nulls, column.filled) for name, column in found.items()} == {
        "person.name.last": (2, 1),
        "person.tags": (2, 0),
        "n": (0, 3),
    }


def test_names_and_labels_are_those_of_the_file() -> None:
    fields = pa.schema([pa.field("Birth Date", pa.string(), metadata={"doc": "Date of birth"}), ("SEX", pa.string())])
    schema = raw_schema(fields)
    made = table(birth_date=pa.array(["x"]), sex=pa.array(["F"]))
    found = profile([made], schema).columns
    assert [(c.name, c.original, c.label) for c in found.values()] == [
        ("birth_date", "Birth Date", "Date of birth"),
        ("sex", "SEX", ""),
    ]


def test_real_csv_files_are_counted_as_pandas_counts_them(realdata: Path) -> None:
    truth = json.loads((realdata / "truth.json").read_text())
    files = [path for path in sorted(realdata.rglob("*.csv")) if path.stat().st_size < 100_000]
    compared = 0
    for path in files:
        try:
            frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8", on_bad_lines="error")
            pieces = list(Csv().cut(path.open("rb")))
            read = list(parse(pieces, Csv(), path.name))
        except Exception:  # of another dialect: both must read it as they are
            continue
        rows = sum(found.num_rows for found, _ in read)
        if any(rejected for _, rejected in read) or rows != len(frame) or rows == 0:
            continue
        found = profile([one for one, _ in read], schema_of(Csv(), pieces[0].columns))
        if len(found.columns) != len(frame.columns):
            continue
        compared += 1
        for (_, series), column in zip(frame.items(), found.columns.values(), strict=True):
            there = [value for value in series if value]
            assert column.nulls + column.empties == len(series) - len(there), path
            assert column.longest == (max(map(len, there)) if there else column.longest), path
            assert column.most == (max(there)[:100] if there else column.most), path
    assert truth
    assert compared > 10


def test_real_sas_files_are_counted_as_pyreadstat_counts_them(realdata: Path) -> None:
    compared = 0
    for path in sorted((realdata / "sas").rglob("*.sas7bdat")):
        try:
            frame, about = pyreadstat.read_sas7bdat(str(path), disable_datetime_conversion=True)
            with path.open("rb") as file:
                schema, lazy = read_whole(file, Sas(), path.name)
                tables = list(lazy)
        except Exception:  # broken on purpose, or of an encoding that one of them does not know
            continue
        found = profile(tables, schema)
        assert found.rows == len(frame)
        for name, column in zip(about.column_names, found.columns.values(), strict=True):
            assert column.original == name
            if column.type == "double":
                numbers = frame[name].dropna()
                assert column.nulls == len(frame) - len(numbers), (path, name)
                if len(numbers):
                    assert float(column.least or "nan") == pytest.approx(numbers.min()), (path, name)
                    assert float(column.most or "nan") == pytest.approx(numbers.max()), (path, name)
            compared += 1
    assert compared > 100


# --- the sample -------------------------------------------------------------------------------------------


def rows(start: int, stop: int) -> pa.Table:
    return table(
        start,
        id=pa.array([str(n) for n in range(start, stop)]),
        n=pa.array([float(n % 97) for n in range(start, stop)]),
    )


def sampled(tables: list[pa.Table], file: str = "f.csv", seed: int = 0, share: int = 8) -> DatasetProfile:
    made = Profiler(tables[0].schema, file, seed=seed, one_in=share)
    for one in tables:
        made.add(one)
    return made.close()


def test_which_rows_are_sampled_does_not_depend_on_how_they_come() -> None:
    whole = sampled([rows(1, 20_001)])
    assert 0 < whole.sampled < 20_000
    assert whole.sampled == pytest.approx(20_000 / 8, rel=0.4)
    pieces = sampled([rows(start, min(start + 777, 20_001)) for start in range(1, 20_001, 777)])
    for name in ("id", "n"):
        assert pieces.columns[name].model_dump(exclude={"kll"}) == whole.columns[name].model_dump(exclude={"kll"})
    shares = sampled([rows(1, 7_001)]) + sampled([rows(7_001, 20_001)])
    assert shares.sampled == whole.sampled
    for name in ("id", "n"):
        one, other = shares.columns[name], whole.columns[name]
        assert (one.filled, one.examples, one.patterns) == (other.filled, other.examples, other.patterns)


def test_the_sample_is_another_by_seed_and_file_and_in_blocks() -> None:
    whole = [rows(1, 20_001)]
    found = [sampled(whole), sampled(whole, seed=1), sampled(whole, file="g.csv")]
    assert len({one.columns["id"].examples for one in found}) == 3
    assert sampled(whole) == sampled(whole) or sampled(whole).columns["n"].kll  # numbers' sketches draw by chance
    every = sampled([rows(0, 64 * BLOCK)], share=8)
    assert every.sampled % BLOCK == 0


def test_of_many_small_files_some_are_sampled_and_all_are_counted() -> None:
    parts = [sampled([rows(n * 50 + 1, n * 50 + 51)], file=f"{n}.csv", share=16) for n in range(400)]
    assert 0 < sum(part.sampled == 0 for part in parts) < 400
    whole = sum(parts, DatasetProfile())
    assert (whole.rows, whole.columns["id"].rows) == (20_000, 20_000)
    assert (whole.columns["n"].least, whole.columns["n"].most) == ("0", "96")
    assert whole.sampled == whole.columns["id"].filled == pytest.approx(20_000 / 16, rel=0.5)
    assert whole.keys == (("id",),)
    unsampled = next(n for n in range(400, 500) if not sampled([rows(1, 2)], file=f"{n}.csv", share=16).sampled)
    lacking = table(id=pa.array([None], pa.string()), n=pa.array([1.0]))
    assert (whole + sampled([lacking], file=f"{unsampled}.csv", share=16)).keys == ()


@pytest.mark.parametrize(("records", "share"), [(0, 1), (2_048, 1), (4_096, 2), (100_000, 48), (10**9, 256)])
def test_of_large_files_less_is_sampled(records: int, share: int) -> None:
    assert one_in(records) == share


def test_quantiles_of_the_sample_are_those_of_all_rows_within_their_error() -> None:
    rng = np.random.default_rng(1)
    numbers = rng.lognormal(3, 1, 50_000)
    found = sampled([table(x=pa.array(numbers), y=pa.array([f" {n:.3f}" for n in numbers]))], share=5)
    for name in ("x", "y"):
        for rank in (0.1, 0.5, 0.9):
            at = sketch(found.columns[name].kll).get_quantile(rank)
            assert np.mean(numbers <= at) == pytest.approx(rank, abs=0.04), name
    assert sketches.estimate(found.columns["x"].hll) == pytest.approx(found.sampled, rel=0.1)


def test_what_is_held_is_bounded_and_comes_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = [rows(start, start + 500) for start in range(1, 5_001, 500)]
    at_once = sampled(tables, share=1)
    monkeypatch.setattr(profiler, "HELD", 20_000)
    made = Profiler(tables[0].schema, "f.csv", one_in=1)
    for one in tables:
        made.add(one)
        assert made._held < 20_000
    bit_by_bit = made.close()
    assert bit_by_bit.sampled == at_once.sampled == 5_000
    assert bit_by_bit.columns["id"].examples == at_once.columns["id"].examples
    assert bit_by_bit.keys == at_once.keys == (("id",),)


# --- candidates -------------------------------------------------------------------------------------------


def test_keys_and_pairs_are_found() -> None:
    count = 600
    made = table(
        claim=pa.array([f"c{n // 3}" for n in range(count)]),
        line=pa.array([str(n % 3) for n in range(count)]),
        state=pa.array([("TX", "CA", "NY", "WA")[n // 3 % 4] for n in range(count)]),
        state_name=pa.array([("Texas", "California", "New York", "Washington")[n // 3 % 4] for n in range(count)]),
        city=pa.array([f"City {n // 3 % 7}" for n in range(count)]),
        blank=pa.array([""] * count),
    )
    found = profile([made], made.schema)
    assert found.keys == (("claim", "line"),)
    assert found.pairs == (("state", "state_name"),)
    spoilt = made.set_column(2, "line", pa.array(["", *made["line"].to_pylist()[1:]]))
    assert profile([spoilt], made.schema).keys == ()


# --- with the writer --------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [4_000, 4_097, 9_000])
def test_bounds_by_the_footers_are_those_by_the_kernels(length: int, tmp_path: Path) -> None:
    long = ["z" * length, "b", "c" * length, "\u00e9"]
    short = ["y", "a", None, ""]
    numbers = pa.array([4, 3, None, -7])
    tables = [table(1, x=pa.array(long), n=numbers), table(5, x=pa.array(short), n=numbers)]
    exact = profile(tables, tables[0].schema)
    made = Profiler(tables[0].schema, written=True)
    with ParquetWriter(str(tmp_path), tables[0].schema, FS, row_group=1, seen=made.add) as writer:
        for one in tables:
            writer.write(one)
        (file,) = writer.close()
    footer = pq.read_metadata(file.url.removeprefix("file://"))
    assert footer.num_row_groups > 1
    about = [footer.row_group(n).column(1).statistics for n in range(footer.num_row_groups)]
    kept = sum(one.has_min_max for one in about)
    assert kept == (7 if length <= 4_096 else 5)  # of 8 rows one is null; else nothing is tried
    found = made.close(writer.footers)
    assert found == exact
    assert (found.columns["x"].least, found.columns["x"].most) == ("", "\u00e9")
