"""The harness of `make bench-transform`: that its numbers are of what they say, not how good they are."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from bench import transform, transform_sequence
from bench.measure import Result
from bench.synthetic import claims
from bench.transform import CASES, GOALS, Bench, Measured, Truth, content, expected, kept, publish, truth, verdicts
from bench.transform_lakes import made_current, made_raw
from bench.transform_sequence import Point
from bench.transform_systems import SYSTEMS, Said, run
from spark.schemas import Claim
from spark.session import SMALL, session

ROWS = 3_000


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Both lakes as `Bench` would make them, by one Spark session, in which all systems then work."""
    folder = tmp_path_factory.mktemp("lakes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_DIRS", str(folder))
        patch.setenv("INLET_SPARK_MASTER", "local[2]")
        patch.setenv("INLET_JAVA_OPTIONS", SMALL)
        session()
        for name, made in {"raw": made_raw, "current": made_current}.items():
            (folder / f"{name}-{ROWS}").mkdir()
            made(folder / f"{name}-{ROWS}", ROWS)
        yield folder


@pytest.fixture
def bench(lakes: Path, tmp_path: Path) -> Bench:
    return Bench(lakes, tmp_path, ROWS)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("case", ["full", "clustered", "uniform"])
def test_systems_give_what_the_generator_knows(bench: Bench, case: str, system: str, tmp_path: Path) -> None:
    lake, rows = bench.lake(case)
    said = run(system, case, lake, rows, tmp_path)
    assert content(said) == expected(system, case, truth(case, lake, rows))
    assert min(said.seconds, said.written) > 0
    if system == "inlet" and case != "full":
        assert 0 < said.touched <= said.before
        assert min(said.arrived, said.history) > 0


def test_a_sequence_is_looked_at_where_it_should_be(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(transform_sequence, "POINTS", (1, 3))
    lake, rows = bench.lake("uniform")
    said = run("inlet", "sequence", lake, rows, tmp_path)
    assert [(p.pattern, p.increments) for p in said.points] == [
        ("clustered", 1),
        ("clustered", 3),
        ("uniform", 1),
        ("uniform", 3),
    ]
    for point in said.points:
        assert min(point.arrived, point.written, point.history, point.files, point.read, point.merged_lookup) > 0
    first, third = said.points[2:]
    assert third.arrived > 2 * first.arrived
    assert third.written > 2 * first.written


def test_readers_that_answer_otherwise_are_no_measurement(tmp_path: Path) -> None:
    def written(name: str, rows: list[dict[str, object]]) -> list[str]:
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / name)
        return [str(tmp_path / name)]

    base = written(
        "base", [{"claim_id": "1", "paid_amount": 1, "_drop": "a"}, {"claim_id": "2", "paid_amount": 1, "_drop": "a"}]
    )
    change = [{"claim_id": "2", "paid_amount": 5, "_drop": "b"}]
    right = written("right", [{"claim_id": "1", "paid_amount": 1, "_drop": "a"}, *change])
    took = transform_sequence.read(right, base, written("change", change))
    assert took.keys() == {"read", "lookup", "merged_read", "merged_lookup"}
    with pytest.raises(ValueError, match="otherwise"):
        transform_sequence.read(base, base, written("change", change))


def test_what_is_not_right_has_no_number(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def here(_: Bench, case: str, system: str, lake: Path, rows: int, out: Path) -> tuple[Result, Said]:
        result = Result(case=case, system=system, seconds=1, cpu_seconds=1, peak_rss_mb=1, bytes=1, rows=rows)
        return result, run(system, case, lake, rows, out)

    monkeypatch.setattr(Bench, "_run", here)
    assert [one.system for one in bench.compare("full", ["duckdb"], 1)] == ["duckdb"]
    monkeypatch.setattr(transform, "truth", lambda _case, _lake, _rows: Truth(rows=1, sum=2, aside=3))
    assert bench.compare("full", ["duckdb"], 1) == []
    assert "came out, not rows=1" in bench.failures["full", "duckdb"]
    assert list(bench.scratch.iterdir()) == []


def test_a_system_is_measured_in_a_process_of_its_own(bench: Bench) -> None:
    (found,) = bench.compare("uniform", ["duckdb"], 1)
    assert bench.failures == {}
    assert (found.case, found.system, found.rows, found.runs) == ("uniform", "duckdb", ROWS, 1)
    assert min(found.seconds, found.python, found.cpu_seconds, found.peak_rss_mb, found.written) > 0
    assert list(bench.scratch.iterdir()) == []


def test_content_knows_no_order_but_every_value_and_its_row(tmp_path: Path) -> None:
    rows = next(claims.transformed(100))

    def seen(name: str, table: pa.Table) -> Truth:
        pq.write_table(table, tmp_path / name)
        return content(Said(rows=(str(tmp_path / name),)))

    first = seen("a", rows)
    assert seen("b", rows.take(pc.sort_indices(rows["patient_id"]))) == first
    swapped = pa.concat_tables([rows.slice(1), rows.slice(0, 1)])["patient_id"]
    at = rows.schema.names.index("patient_id")
    assert seen("c", rows.set_column(at, "patient_id", swapped)).sum != first.sum
    assert seen("d", rows.slice(1)).rows == first.rows - 1
    with pytest.raises(ValueError, match="no Parquet"):
        content(Said())


# --- the generator ----------------------------------------------------------------------------------------


def test_rows_are_the_same_whenever_they_are_made() -> None:
    assert next(claims.raw(500)).equals(next(claims.raw(500)))
    assert claims.increment("uniform", 3, 5_000, 50).equals(claims.increment("uniform", 3, 5_000, 50))


def test_raw_rows_repeat_lack_and_do_not_convert() -> None:
    (rows,) = claims.raw(20_000)
    assert len(rows["cur_clm_uniq_id"].unique()) == 19_800
    columns = [name for name in rows.schema.names if name != "_record"]
    assert rows.select(columns).slice(0, 200).equals(rows.select(columns).slice(19_800))
    (made,) = claims.transformed(19_800)
    assert 0 < claims.held(20_000) < 200
    assert 0 < made["facility_npi"].null_count < made.num_rows
    assert made.schema == Claim.arrow


@pytest.mark.parametrize("number", [1, 2, 40])
def test_a_clustered_increment_is_of_the_last_keys(number: int) -> None:
    keys = claims.increment("clustered", number, 10_000, 100)["claim_id"].cast(pa.int64()).to_numpy()
    there = 10_000 + (number - 1) * 30
    places = (keys - claims.FIRST_KEY) // 2
    assert places.min() >= there - 0.02 * there - 1
    assert there <= places.max() < there + 30


def test_a_uniform_increment_is_of_keys_anywhere_and_adds_none_twice() -> None:
    added: set[int] = set()
    for number in range(1, 101):
        keys = claims.increment("uniform", number, 10_000, 100)["claim_id"].cast(pa.int64()).to_numpy()
        assert keys.min() < claims.FIRST_KEY + 5_000
        assert keys.max() > claims.FIRST_KEY + 15_000
        new = {int(key) for key in keys if key % 2}
        assert not added & new
        added |= new
    assert len(added) > 2_900


def test_an_increment_changes_what_the_claims_said() -> None:
    before = claims.superseded("uniform", 10_000, 1_000)
    rows = claims.increment("uniform", 1, 10_000, 1_000)
    both = before.join(rows.select(["claim_id", "paid_amount", "adjustment_type"]), "claim_id", right_suffix="_now")
    assert both.num_rows == before.num_rows
    assert pc.sum(pc.equal(both["paid_amount"], both["paid_amount_now"])).as_py() < 10
    assert pc.unique(both["adjustment_type_now"]).to_pylist() == ["adjustment"]


# --- results ----------------------------------------------------------------------------------------------


def took(case: str, system: str, seconds: float, **more: object) -> Measured:
    one = {"cpu_seconds": 2 * seconds, "peak_rss_mb": 100.0, "bytes": 1, "rows": 10**7, "runs": 1, "setting": ""}
    none = dict.fromkeys(("before", "touched", "arrived", "written", "history"), 0)
    times = {"fastest": seconds, "slowest": seconds, "python": 1.0, "session": 0.0}
    return Measured.model_validate(
        one | none | times | {"case": case, "system": system, "seconds": seconds, "points": ()} | more
    )


RESULTS = [
    took("full", "inlet", 10),
    took("full", "spark", 15),
    took("clustered", "inlet", 5, before=40, touched=2, arrived=10, written=50, history=10),
    took("clustered", "duckdb", 4),
    took("uniform", "inlet", 60, before=40, touched=40, arrived=10, written=1000, history=10),
]


def test_inlet_is_set_against_the_others_and_its_goals() -> None:
    assert list(verdicts(RESULTS, goals=True)) == [
        "full: inlet is 1.50 x as fast as spark (goal: at least 1.00, met)",
        "clustered: inlet is 0.80 x as fast as duckdb (goal: at least 1.00, NOT met)",
        "clustered: 2 of 40 files are written again, 5.0 bytes for each that arrived, 6.0 with history",
        "uniform: 40 of 40 files are written again, 100.0 bytes for each that arrived, 101.0 with history",
        "clustered: 5% of the files that uniform touches, in 8% of its seconds, 8% of its CPU seconds"
        " (goal: at most 5.0 s, met)",
    ]
    assert not any("goal" in line for line in verdicts(RESULTS, goals=False))
    slower = [*RESULTS[:2], took("clustered", "inlet", 5.1, before=40, touched=2, arrived=1), RESULTS[4]]
    assert list(verdicts(slower, goals=True))[-1].endswith("NOT met)")


def test_every_case_has_goals() -> None:
    assert set(CASES) == GOALS.keys()
    assert all(set(goals) < set(SYSTEMS) for goals in GOALS.values())


def test_what_was_measured_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point = Point(
        pattern="uniform",
        increments=10,
        arrived=10,
        written=990,
        history=11,
        files=7,
        seconds=1.5,
        read=0.01,
        lookup=0.02,
        merged_read=0.03,
        merged_lookup=0.04,
    )
    found = [*RESULTS, took("sequence", "inlet", 99, points=[point])]
    monkeypatch.setattr(transform, "RESULTS", tmp_path)
    (tmp_path / "transform-full.json").write_text(json.dumps([one.model_dump() for one in found]))
    page = tmp_path / "transform.md"
    page.write_text("before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n")
    publish("full", tmp_path)
    lines = page.read_text().splitlines()
    assert "| full | inlet | 10.00 | 1.00 | 20.0 | 100 | 1.0 |  |  |  | 0.0 |" in lines
    assert "| uniform | 10 | 99.0 | 100.1 | 7 | 1.50 | 10 | 20 | 30 | 40 |" in lines
    assert (lines[0], lines[-1]) == ("before", "after")
    assert "old" not in lines


def test_what_was_measured_of_other_cases_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transform, "RESULTS", tmp_path)
    assert kept("full", RESULTS[2:4]) == RESULTS[2:4]
    (tmp_path / "transform-full.json").write_text(json.dumps([one.model_dump() for one in RESULTS]))
    again = took("full", "spark", 20)
    assert kept("full", [again]) == [RESULTS[0], again, *RESULTS[2:]]
    assert kept("small") == []
