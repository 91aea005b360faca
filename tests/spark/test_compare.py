"""What is told of a drop beside an earlier one, and beside what is expected of it."""

import random
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv

from spark.profiling.compare import Limits, compare
from spark.profiling.expectations import Expectations, broken, code, draft
from spark.profiling.profiles import DatasetProfile
from spark.profiling.shown import Phi
from tests.spark.profiled import Columns, claims, profile_of

N = 2_000
INCREMENTS = Limits(keys=None)
Values = Sequence[str | None]


def draws(weights: Mapping[str, float], n: int = N, seed: int = 0) -> list[str]:
    return random.Random(seed).choices(list(weights), list(weights.values()), k=n)


def numbers(mean: float, n: int = N, seed: int = 0) -> list[str]:
    chance = random.Random(seed)
    return [f"{chance.gauss(mean, 10):.2f}" for _ in range(n)]


def days(first: date, last: date, form: str = "%Y-%m-%d", n: int = N, seed: int = 0) -> list[str]:
    chance = random.Random(seed)
    return [(first + timedelta(days=chance.randrange((last - first).days + 1))).strftime(form) for _ in range(n)]


def keys(first: int, n: int = N) -> list[str]:
    return [f"K{number:08}" for number in range(first, first + n)]


def empty(values: Values, share: float, seed: int = 1) -> list[str | None]:
    chance = random.Random(seed)
    return [None if chance.random() < share else value for value in values]


SEX = {"F": 54, "M": 45, "U": 1}
START, END = date(2024, 1, 1), date(2026, 6, 30)
YEAR = days(START, END)

# what stands in a column before and now, and what is told of it: kind and severity
DRIFT: dict[str, tuple[Values, Values, set[tuple[str, str]]]] = {
    "as before": (draws(SEX), draws(SEX, seed=1), set()),
    "numbers as before": (numbers(100), numbers(100, seed=1), set()),
    "a tenth of the rows, as before": (numbers(100), numbers(100, n=N // 10, seed=1), {("rows", "warning")}),
    "half of the rows": (draws(SEX), draws(SEX, n=N // 2), {("rows", "warning")}),
    "no rows": (draws(SEX), [], {("rows", "problem")}),
    "more nulls": (draws(SEX), empty(draws(SEX), 0.2), {("nulls", "warning")}),
    "fewer nulls": (empty(draws(SEX), 0.2), draws(SEX), {("nulls", "info")}),
    "nothing but nulls": (draws(SEX), [None] * N, {("nulls", "problem")}),
    "empty text for null": (empty(draws(SEX), 0.2), [v or "" for v in empty(draws(SEX), 0.2)], set()),
    "nulls by chance": (empty(draws(SEX, n=30), 0.1), empty(draws(SEX, n=30), 0.2), set()),
    "numbers moved": (numbers(100), numbers(115), {("distribution", "warning")}),
    "numbers moved a little": (numbers(100), numbers(104), {("distribution", "info")}),
    "another unit": (numbers(100), [f"{float(v) * 100:.2f}" for v in numbers(100)], {("distribution", "warning")}),
    "other shares": (draws(SEX), draws({"F": 20, "M": 79, "U": 1}), {("distribution", "warning")}),
    "a new value": (draws(SEX), draws({**SEX, "X": 5}), {("new values", "warning")}),
    "a rare new value": (draws(SEX), [*draws(SEX)[:-3], "X", "X", "X"], {("new values", "info")}),
    "a value gone": (draws({**SEX, "U": 0.6}), draws({"F": 55, "M": 45}), {("vanished values", "info")}),
    "a frequent value gone": (draws(SEX), draws({"F": 99, "U": 1}), {("vanished values", "warning")}),
    "other codes": (
        draws(SEX),
        draws({"1": 45, "2": 54, "9": 1}),
        {("new values", "warning"), ("vanished values", "warning")},
    ),
    "another form": (
        [f"{n % 999:05}" for n in range(N)],
        [f"{n % 999:05}" if n % 3 else f"{n % 999:05}-0001" for n in range(N)],
        {("patterns", "warning"), ("lengths", "warning")},
    ),
    "cut to a length": (
        keys(0, 900) * 2,
        [v[:-1] for v in keys(0, 900) * 2],
        {("patterns", "warning"), ("lengths", "warning")},
    ),
    "long texts": (
        ["ab cd"] * N,
        ["ab cd"] * (N - 1) + ["ab cd" * 20],
        {("lengths", "warning"), ("new values", "info")},
    ),
    "days as before": (YEAR, days(START, END, seed=1), set()),
    "a month later": (YEAR, days(START, END + timedelta(days=30)), set()),
    "days written otherwise": (YEAR, days(START, END, "%m/%d/%Y"), {("date format", "problem")}),
    "days far off": (YEAR, [*YEAR[1:], "2126-01-01"], {("dates", "warning")}),
    "days before all schemas": (YEAR, [*YEAR[1:], "1700-01-01"], {("dates", "warning")}),
    "ever new identifiers": (keys(0), keys(N), {("vanished keys", "warning")}),
}


@pytest.mark.parametrize("drift", DRIFT)
def test_what_drifted_is_found_and_nothing_else(drift: str) -> None:
    before, now, expected = DRIFT[drift]
    found = compare(profile_of({"c": before}), profile_of({"c": now}))
    assert {(finding.kind, finding.severity) for finding in found} == expected
    assert all(value not in str(finding) for finding in found for value in finding.values if len(value) > 1)


def test_columns_that_come_and_go() -> None:
    before, now = profile_of({"a": ["1"], "b": ["1"]}), profile_of({"b": ["1"], "c": ["1"]})
    told = [(f.kind, f.column, f.severity) for f in compare(before, now)]
    assert told == [("missing column", "a", "problem"), ("new column", "c", "info")]


@pytest.mark.parametrize(("gone", "told"), [(0, False), (0.02, False), (0.3, True), (1, True)])
def test_keys_that_vanished(gone: float, told: bool) -> None:
    before, now = profile_of({"id": keys(0)}), profile_of({"id": keys(int(gone * N))})
    found = [finding for finding in compare(before, now) if finding.kind == "vanished keys"]
    assert bool(found) == told
    if told:
        assert found[0].measured == pytest.approx(gone, abs=0.12)
    assert "vanished keys" not in {f.kind for f in compare(before, now, INCREMENTS)}
    sampled = now.model_copy(update={"sampled": N // 2})
    assert "vanished keys" not in {f.kind for f in compare(before, sampled)}


def test_a_drop_of_a_party_that_changed_its_system() -> None:
    before, now = profile_of(claims(7, 4_000)), profile_of(claims(8, 2_600, wrong=True))
    told = {(f.column, f.kind) for f in compare(before, now, INCREMENTS) if f.severity != "info"}
    assert told == {
        (None, "rows"),
        ("claim_type", "new values"),
        ("sex", "new values"),
        ("sex", "vanished values"),
        ("service_date", "date format"),
        ("paid_amount", "distribution"),
        ("rendering_npi", "nulls"),
        ("zip", "patterns"),
        ("zip", "lengths"),
    }
    assert compare(profile_of(claims(6, 4_000)), before, INCREMENTS) == ()


tables = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.lists(
        st.one_of(
            st.none(),
            st.sampled_from(["", "A", "B", "1", "2.5", "2026-01-31", "9999-12-31"]),
            st.text(max_size=5),
            st.integers().map(str),
        ),
        min_size=12,
        max_size=12,
    ),
    min_size=1,
)


@settings(max_examples=40)
@given(tables)
def test_a_drop_beside_itself_has_not_changed(columns: Columns) -> None:
    profile = profile_of(columns)
    assert compare(profile, profile) == ()


@settings(max_examples=40)
@given(tables)
def test_a_drop_meets_what_is_drafted_from_it(columns: Columns) -> None:
    profile = profile_of(columns)
    assert broken(profile, draft(profile, "no"), profile) == ()


GOOD = profile_of(claims(7, 3_000))
BROKEN: dict[str, tuple[Expectations, str, str | None]] = {
    "too few": (Expectations(rows=(3_001, 4_000)), "rows", None),
    "too many": (Expectations(rows=(0, 2_999)), "rows", None),
    "nulls": (Expectations(nulls={"referring_npi": 0.5}), "nulls", "referring_npi"),
    "any null": (Expectations(nulls={"diagnosis": 0.0}), "nulls", "diagnosis"),
    "values": (Expectations(values={"sex": ("1", "2")}), "new values", "sex"),
    "longer": (Expectations(lengths={"zip": (3, 4)}), "lengths", "zip"),
    "shorter": (Expectations(lengths={"zip": (6, 9)}), "lengths", "zip"),
    "dates": (Expectations(dates={"service_date": (date(2026, 7, 5), date(2026, 12, 31))}), "dates", "service_date"),
    "no dates": (Expectations(dates={"zip": (START, END)}), "date format", "zip"),
    "no column": (Expectations(nulls={"gone": 1.0}), "missing column", "gone"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_breaks_an_expectation(what: str) -> None:
    expected, kind, column = BROKEN[what]
    [found] = broken(GOOD, expected)
    assert (found.kind, found.column, found.severity) == (kind, column, "problem")


def test_expectations_against_the_drop_before() -> None:
    now = profile_of({**claims(8, 3_000), "paid_amount": claims(8, 3_000, wrong=True)["paid_amount"]})
    assert broken(now, Expectations(psi=0.2)) == ()  # there is no drop before
    [found] = broken(now, Expectations(psi=0.2), GOOD)
    assert (found.kind, found.column) == ("distribution", "paid_amount")
    before, after = profile_of({"id": keys(0)}), profile_of({"id": keys(N // 2)})
    [found] = broken(after, Expectations(vanished=0.1), before)
    assert (found.kind, found.column) == ("vanished keys", "id")
    assert broken(after, Expectations(vanished=0.7), before) == ()


def test_what_is_drafted_is_code_that_means_it() -> None:
    drafted = draft(GOOD, "no")
    assert drafted.rows == (2_000, 4_500)
    assert drafted.values["sex"] == ("0", "1", "2")
    assert drafted.lengths["zip"] == (5, 5)
    assert drafted.nulls["zip"] == 0.0
    assert "drg" not in drafted.nulls
    full = drafted.model_copy(update={"dates": {"service_date": (START, END)}, "values": {"a'\"b": ("x\\",)}})
    assert eval(code(full), {"Expectations": Expectations, "date": date}) == full


@pytest.mark.parametrize("phi", ["yes", "unknown"])
def test_no_value_is_drafted_where_there_may_be_health_information(phi: Phi) -> None:
    assert draft(GOOD, phi).values == {}


def test_the_next_good_drop_meets_what_is_drafted() -> None:
    drafted = draft(GOOD, "no")
    assert broken(profile_of(claims(8, 3_300)), drafted, GOOD) == ()
    wrong = {f.column for f in broken(profile_of(claims(8, 3_000, wrong=True)), drafted, GOOD)}
    assert {"sex", "claim_type", "zip", "rendering_npi", "paid_amount"} <= wrong


def test_a_profile_of_counts_alone() -> None:
    counted = DatasetProfile(
        rows=10,
        columns={
            n: c.model_copy(update={"hll": "", "kll": "", "values": {}, "filled": 0}) for n, c in GOOD.columns.items()
        },
    )
    assert {f.kind for f in compare(GOOD, counted)} <= {"rows", "nulls", "lengths"}


def test_halves_of_real_tables_are_alike(realdata: Path) -> None:
    """Rows are dealt at random, so what differs does so by chance, and is not to be told."""
    columns, told, failed = 0, set(), set()
    for file in sorted((realdata / "sources" / "synthea").glob("*.csv")):
        rows = csv.read_csv(file, convert_options=csv.ConvertOptions(column_types=_texts(file)))
        if rows.num_rows < 80:
            continue
        order = random.Random(3).sample(range(rows.num_rows), min(rows.num_rows, 4_000))
        here, there = (
            profile_of({name: rows[name].take(some).to_pylist() for name in rows.column_names})
            for some in (order[::2], order[1::2])
        )
        columns += rows.num_columns
        told |= {(file.name, f.column) for f in compare(here, there, INCREMENTS) if f.severity != "info"}
        failed |= {(file.name, f.column) for f in broken(there, draft(here, "no"), here)}
    assert columns > 100
    assert len(told) <= columns / 100
    assert len(failed) <= columns / 100


def _texts(file: Path) -> dict[str, pa.DataType]:
    return dict.fromkeys(file.read_text(encoding="utf-8-sig").partition("\n")[0].strip().split(","), pa.string())
