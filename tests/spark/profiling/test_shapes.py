"""Shapes, dates, damage and stand-ins for nothing: what is looked for, case by case."""

import re
from base64 import b64decode
from datetime import date, datetime, timedelta

import pyarrow as pa
import pytest
from datasketches import kll_doubles_sketch
from hypothesis import given, settings
from hypothesis import strategies as st

from spark.profiling import shapes, texts
from spark.profiling.profiler import profile
from spark.profiling.profiles import ColumnProfile


def column(*values: str | None) -> ColumnProfile:
    """The profile of one column of text."""
    table = pa.table({"_record": pa.array(range(1, len(values) + 1), pa.int64()), "x": pa.array(values, pa.string())})
    return profile([table], table.schema).columns["x"]


def kll(text: str) -> kll_doubles_sketch:
    return kll_doubles_sketch.deserialize(b64decode(text))


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("Main St. 12-B", "Aaaa Aa. 99-A"),
        ("a\tb\n", "a\ta\n"),
        ("Jos\u00e9 \u00d6Z\u00df", "Aaaa AAa"),
        ("\u0394\u03b1 \u6771\u4eac \u0661\u0662", "Aa aa 99"),  # letters without case are small ones
        ("\ufffd\u20ac1", "\ufffd\u20ac9"),
        ("\U0001f600x", "\U0001f600a"),
    ],
)
def test_the_shape_of_a_text(text: str, shape: str) -> None:
    assert column(text, "Plain 1").patterns == {shape: 1, "Aaaaa 9": 1}


@given(st.lists(st.text(min_size=1, max_size=12), max_size=20), st.integers(0, 3))
def test_a_shape_hides_every_letter_and_digit_wherever_an_array_begins(values: list[str], skipped: int) -> None:
    whole = pa.array(values, pa.string())
    for text, shape in zip(values[skipped:], shapes.shapes(whole[skipped:]).to_pylist(), strict=True):
        assert len(shape) == len(text)
        for was, now in zip(text, shape, strict=True):
            assert now == ("A" if was.isupper() else "a") if was.isalpha() else now == ("9" if was.isdigit() else was)


@pytest.mark.parametrize(
    ("values", "formats"),
    [
        (["2024-02-29", "2023-02-29", "2023-13-01"], {"%Y-%m-%d": 1}),
        (["20240131", "12345678"], {"%Y%m%d": 1}),
        (["05/23/2005", "12/31/1999"], {"%m/%d/%Y": 2}),
        (["01/02/2005"], {"%m/%d/%Y": 1, "%d/%m/%Y": 1}),
        (["23/05/2005", "1/2/2005"], {"%d/%m/%Y": 2, "%m/%d/%Y": 1}),
        (["31DEC1999", "01feb2001"], {"%d%b%Y": 2}),
        (["31-Dec-99"], {"%d-%b-%y": 1}),
        (["March 3, 2021"], {"%B %d, %Y": 1}),
        (["May 3, 2021"], {"%b %d, %Y": 1, "%B %d, %Y": 1}),
        (["2021-03"], {"%Y-%m": 1}),
        (["202103", "202113"], {"%Y%m": 1}),
        (["2021-03-04T05:06:07Z", "2021-03-04T05:06:07+01:00"], {"%Y-%m-%dT%H:%M:%S%z": 2}),
        (["2021-03-04 05:06:07.123"], {"%Y-%m-%d %H:%M:%S.%f": 1}),
        (["01/31/2021 11:59:00 PM"], {"%m/%d/%Y %I:%M:%S %p": 1}),
        (["31DEC1999:23:59:59"], {"%d%b%Y:%H:%M:%S": 1}),
        (["20210304050607"], {"%Y%m%d%H%M%S": 1}),
        (["1003000126", "555-1234", "12", "3/4", "A1", "0000-00-00", "30 Feb"], {}),
    ],
)
def test_what_reads_as_a_date(values: list[str], formats: dict[str, int]) -> None:
    assert column(*values, "no date").dates == formats


@given(st.dates(date(1800, 1, 1), date(2199, 12, 31)), st.sampled_from(shapes.DATES))
def test_what_strftime_writes_is_found(day: date, fmt: str) -> None:
    written = datetime(day.year, day.month, day.day, 13, 5, 9, 120).strftime(fmt.replace("%z", "Z"))
    found = column(written).dates
    assert fmt in found
    assert all(datetime.strptime(written, one) for one in found)


def test_every_day_of_years_and_no_other_reads() -> None:
    days = [f"{year}-{month:02}-{day:02}" for year in (1900, 2023, 2024) for month in range(14) for day in range(33)]
    start = [date(year, 1, 1) + timedelta(n) for year in (1900, 2023, 2024) for n in range(366)]
    real = {day.isoformat() for day in start if day.year in (1900, 2023, 2024)}
    assert column(*days).dates["%Y-%m-%d"] == len(real & set(days)) == 365 + 365 + 366


@pytest.mark.parametrize(
    ("values", "met"),
    [
        (["NULL", "null", "x"], {"NULL": 1, "null": 1}),
        ([".", ".", "1.5"], {".": 2}),
        (["N/A", "Unknown", "knowing"], {"N/A": 1, "Unknown": 1}),
        (["9999-12-31", "2020-01-01"], {"9999-12-31": 1}),
        (
            ["12/31/9999", "31DEC9999", "01/01/1900", "00000000"],
            dict.fromkeys(["12/31/9999", "31DEC9999", "01/01/1900", "00000000"], 1),
        ),
        (["-9", "-8", "3", "4"], {"-9": 1, "-8": 1}),
        (["-9", "-3", "3"], {}),  # it goes below nothing
        (["-9.0", "3.5"], {"-9.0": 1}),
        (["99999", "120", "7"], {"99999": 1}),
        (["99999", "100000"], {}),  # a number among others
        (["99", "-", "?"], {"-": 1, "?": 1}),
        (["", "a"], {}),
    ],
)
def test_stand_ins_for_nothing(values: list[str], met: dict[str, int]) -> None:
    assert column(*values).sentinels == met


@pytest.mark.parametrize(
    ("value", "damaged"),
    [
        ("Jos\u00e9", False),
        ("\u00c3\u00a4rzte", True),
        ("Jos\u00e9".encode().decode("cp1252"), True),
        ("\u201cquoted\u201d".encode().decode("cp1252", "replace"), True),
        ("5 \u00b5g \u00b1 2 \u00b0C".encode().decode("latin-1"), True),
        ("5 \u00b5g \u00b1 2 \u00b0C", False),
        ("\u00c2ngela \u00c3O", False),  # Portuguese capitals, no lead bytes
        ("a\ufffdb", True),
        ("a\x00b", True),
        ("a\x96b", True),  # Windows' dash read as Latin-1
        ("line\nline\ttab\r", False),
        ("\ufeffid", True),
        ("Krak\u00f3w \u6771\u4eac \U0001f600", False),
    ],
)
def test_damage(value: str, damaged: bool) -> None:
    assert column(value, "plain").damaged == damaged


def _is_number(text: str) -> bool:
    plain = text.strip(" ")
    return bool(re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,2})?", plain, re.ASCII))


@given(st.lists(st.one_of(st.text("0123456789.+-eEdM \u0661", max_size=8), st.floats().map(str)), max_size=30))
def test_numbers_are_what_python_reads_as_one(values: list[str]) -> None:
    found = column(*values)
    numbers = sorted(float(text) for text in values if _is_number(text))
    assert (kll(found.kll).n if found.kll else 0) == len(numbers)
    if numbers:
        assert [kll(found.kll).get_min_value(), kll(found.kll).get_max_value()] == [numbers[0], numbers[-1]]


def test_a_month_is_no_number() -> None:
    assert column("2017M03", "1d5").kll == ""


def test_blanks_numbers_and_what_is_left_out() -> None:
    found = column(" a", "b ", "\tc ", " 12", "+3.5", "-.5", "1e3", "1,000", "\u0661", "12.", "", None, "x y")
    assert (found.leading, found.trailing) == (3, 2)
    assert (found.filled, found.sampled, found.nulls, found.empties) == (11, 13, 1, 1)
    assert "" not in found.values


def test_counts_are_of_values_not_of_distinct_ones() -> None:
    found = column(*["2020-01-01"] * 5, *[" NULL"] * 3, *["NULL"] * 4)
    assert (found.dates, found.leading, found.sentinels) == ({"%Y-%m-%d": 5}, 3, {"NULL": 4})
    assert found.patterns == {"9999-99-99": 5, "AAAA": 4, " AAAA": 3}


TEXTS = st.lists(
    st.one_of(
        st.none(),
        st.sampled_from(
            ["", "NULL", "-9", "3.5", "12", " 12", "2020-01-31", "01/02/2005", "a\ufffd", "\u00e9", "x " * 60]
        ),
        st.text(max_size=4),
    ),
    min_size=12,
    max_size=12,
)


@settings(deadline=None, max_examples=50)
@given(st.lists(TEXTS, min_size=1, max_size=5), st.sampled_from([3, 20, texts.TOGETHER]))
def test_a_column_shows_the_same_whatever_others_there_are(columns: list[list[str | None]], together: int) -> None:
    records = pa.array(range(1, 13), pa.int64())
    table = pa.table({"_record": records, **{f"c{n}": pa.array(of, pa.string()) for n, of in enumerate(columns)}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "TOGETHER", together)
        whole = profile([table], table.schema)
    for n, found in enumerate(whole.columns.values()):
        alone = column(*columns[n])
        assert found.model_copy(update={"name": "x", "original": "x"}) == alone
        assert list(found.dates) == list(alone.dates)
