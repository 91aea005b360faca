"""Profiles merge: whatever is put together in whatever order is the profile of all of it."""

import random
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark.profiling import sketches
from spark.profiling.profiler import profile
from spark.profiling.profiles import EXAMPLES, VALUES, ColumnProfile, DatasetProfile

NAMES = ("a", "b", "c")


def made(columns: dict[str, list[Any]], kind: pa.DataType | None = None) -> DatasetProfile:
    """The profile of one table."""
    rows = len(next(iter(columns.values()), []))
    data = {name: pa.array(values, kind or pa.string()) for name, values in columns.items()}
    table = pa.table({"_record": pa.array(range(1, rows + 1), pa.int64()), **data})
    return profile([table], table.schema)


_TEXT = st.one_of(st.none(), st.sampled_from(["", "x", "yy", " z", "1", "2.5", "2020-01-01", "NULL", "\u00c3\u00a9"]))


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[Any]]:
    """Some rows of some of three columns."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    rows = draw(st.integers(0, 8))
    return {name: draw(st.lists(_TEXT, min_size=rows, max_size=rows)) for name in names}


def alike(one: DatasetProfile, other: DatasetProfile, *, keys: bool = True) -> None:
    """Equal but for how sketches of the same stand in bytes, the order of columns, and how big a sample's part is."""
    without = {"columns", "pairs"} | (set() if keys else {"keys"})
    assert one.model_dump(exclude=without) == other.model_dump(exclude=without)
    assert one.columns.keys() == other.columns.keys()
    for name, column in one.columns.items():
        assert column.model_dump(exclude={"hll", "kll"}) == other.columns[name].model_dump(exclude={"hll", "kll"})
        assert sketches.estimate(column.hll) == pytest.approx(sketches.estimate(other.columns[name].hll), rel=1e-6)


@settings(deadline=None, max_examples=40)
@given(tables(), tables(), tables())
def test_in_whatever_order(one: dict[str, list[Any]], two: dict[str, list[Any]], three: dict[str, list[Any]]) -> None:
    a, b, c = made(one), made(two), made(three)
    alike((a + b) + c, a + (b + c))
    alike(a + b, b + a)
    alike(DatasetProfile() + a, a)
    alike(a + DatasetProfile(), a)


@settings(deadline=None, max_examples=40)
@given(tables(), tables())
def test_the_sum_is_the_profile_of_all_rows(one: dict[str, list[Any]], two: dict[str, list[Any]]) -> None:
    rows = [len(next(iter(table.values()))) for table in (one, two)]
    whole = {name: one.get(name, [None] * rows[0]) + two.get(name, [None] * rows[1]) for name in {**one, **two}}
    alike(made(one) + made(two), made(whole), keys=False)  # a value that came once in each came twice


def test_a_column_that_one_lacks_is_null_there() -> None:
    found = made({"a": ["1", "2"], "b": ["x", ""]}) + made({"a": ["3"], "c": ["z"]})
    assert list(found.columns) == ["a", "b", "c"]
    assert [(c.rows, c.nulls, c.sampled, c.filled) for c in found.columns.values()] == [
        (3, 0, 3, 3),
        (3, 1, 3, 1),
        (3, 2, 3, 1),
    ]


@pytest.mark.parametrize(
    ("one", "other", "bounds"),
    [
        ((pa.int64(), [9, 10]), (pa.int64(), [-2, 100]), ("-2", "100")),
        ((pa.int32(), [9]), (pa.float64(), [10.5]), ("9", "10.5")),
        ((pa.string(), ["9", "10"]), (pa.string(), ["100"]), ("10", "9")),
        ((pa.int64(), [9, 10]), (pa.string(), ["1"]), ("1", "10")),
        ((pa.string(), ["\U00010000"]), (pa.string(), ["\uffff"]), ("\uffff", "\U00010000")),  # by code points
        ((pa.float64(), [float("nan")]), (pa.float64(), [1e300, -1e-300]), ("-1e-300", "1e+300")),
        ((pa.string(), [None]), (pa.string(), ["a"]), ("a", "a")),
    ],
)
def test_bounds_of_numbers_are_numbers(one: Any, other: Any, bounds: tuple[str, str]) -> None:
    parts = [made({"x": values}, kind).columns["x"] for kind, values in (one, other)]
    for found in (parts[0] + parts[1], parts[1] + parts[0]):
        assert (found.least, found.most) == bounds


def test_examples_and_values_are_the_same_in_whatever_order_and_bounded() -> None:
    rng = random.Random(1)
    values = [f"value {n}" for n in range(2_000)] + ["often"] * 500 + ["seldom"] * 90
    rng.shuffle(values)
    parts = [made({"x": values[n::5]}).columns["x"] for n in range(5)]
    whole = made({"x": values}).columns["x"]
    for order in ([0, 1, 2, 3, 4], [4, 2, 0, 3, 1]):
        found = parts[order[0]]
        for n in order[1:]:
            found = found + parts[n]
        assert found.examples == whole.examples
        assert len(found.examples) == EXAMPLES
        assert len(found.values) == VALUES
        assert {name: found.values[name] for name in ("often", "seldom")} == Counter(
            value for value in values if not value.startswith("value")
        )
        assert sketches.estimate(found.hll) == pytest.approx(2_002, rel=0.1)


def test_what_is_a_key_of_each_part_may_be_one_of_all() -> None:
    one = made({"id": ["1", "2"], "n": ["1", "1"], "m": ["1", "2"]})
    two = made({"id": ["3", "4"], "n": ["1", "2"], "m": ["1", "1"]})
    assert (one.keys, two.keys) == ((("id",), ("m",)), (("id",), ("n",)))
    assert (one + two).keys == (("id",), ("m", "n"))
    again = made({"id": [str(n) for n in range(500)]})
    assert again.keys == (("id",),)
    assert (again + again).keys == ()  # the sketch has met each of them twice
    assert (again + made({"id": [str(n) for n in range(500, 900)]})).keys == (("id",),)
    assert (again + made({"id": [None, "x"]})).keys == ()


def test_pairs_are_what_every_large_part_has() -> None:
    def part(rows: int, **more: list[str]) -> DatasetProfile:
        return made(
            {"code": [f"c{n % 5}" for n in range(rows)], "word": [f"word {n % 5}" for n in range(rows)], **more}
        )

    large, small, without = part(200), part(20), made({"code": ["c1"] * 100 + ["c2"] * 100, "word": ["x", "y"] * 100})
    assert large.pairs == (("code", "word"),)
    assert (large + small).pairs == (small + large).pairs == large.pairs
    assert (large + without).pairs == (without + large).pairs == ()


def test_no_value_shows_where_a_profile_is_shown_by_accident() -> None:
    found = made({"x": ["Secret1", "Secret2", "NULL"]})
    assert "Secret1" in found.model_dump_json()
    assert "Secret" not in f"{found!r} {found} {found.columns['x']!r}"
    assert "NULL" not in repr(found)


def test_it_survives_json() -> None:
    found = made({"x": ["1", "2", None], "y": ["a", "", "\ud7ff"]})
    assert DatasetProfile.model_validate_json(found.model_dump_json()) == found
    assert isinstance(found.columns["x"], ColumnProfile)
