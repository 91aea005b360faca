"""The harness of `make bench-convert`: that its numbers are of what they say, not how good they are."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest

from bench import convert
from bench.convert import CASES, Bench, content, made, publish, verdicts
from bench.convert_systems import ABSENT, SYSTEMS
from bench.measure import Result

BYTES = {"csv": 600_000, "csv_gz": 600_000, "xport": 200_000, "xml": 200_000, "fwf": 300_000}
QUICK = ("inlet", "duckdb", "polars", "pandas", "pyreadstat")  # Spark's and dlt's start would take the suite's time


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    found = {case: made(case, size, folder) for case, size in BYTES.items()}
    return {case: path for case, path in found.items() if path}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, tmp_path)


@pytest.mark.parametrize("case", BYTES)
def test_systems_give_the_same_rows_and_leave_nothing(bench: Bench, files: dict[str, Path], case: str) -> None:
    systems = [system for system in QUICK if case not in ABSENT.get(system, {})]
    results = bench.compare(case, files[case], QUICK, 1)
    assert bench.failures == {}
    assert [result.system for result in results] == systems
    assert len({result.rows for result in results}) == 1
    for result in results:
        assert (result.case, result.bytes) == (case, files[case].stat().st_size)
        assert min(result.rows, result.seconds, result.python, result.cpu_seconds) > 0
    assert set(bench.absent) == {(case, system) for system in QUICK if system not in systems}
    assert list(bench.scratch.iterdir()) == []


def test_files_are_as_large_as_told_and_made_once(files: dict[str, Path]) -> None:
    for case, path in files.items():
        if case != "csv_gz":
            assert path.stat().st_size == pytest.approx(BYTES[case], rel=0.1)
        before = path.stat().st_mtime_ns
        assert made(case, BYTES[case], path.parent) == path
        assert path.stat().st_mtime_ns == before


def test_a_sas_file_is_a_real_one_whose_rows_are_repeated(bench: Bench, realdata: Path) -> None:
    found = made("sas", 200_000, bench.folder)
    assert found is not None
    assert found.stat().st_size == pytest.approx(200_000, rel=0.1)
    results = bench.compare("sas", found, ("inlet", "pyreadstat"), 1)
    assert bench.failures == {}
    assert {result.rows for result in results} == {pyreadstat.read_sas7bdat(str(found))[1].number_rows}


def test_what_is_not_the_file_has_no_number(
    bench: Bench, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = [{"rows": 2}, {"rows": 3}]
    monkeypatch.setattr(convert, "content", lambda _out, _case: [taken.pop(0)["rows"]])
    results = bench.compare("fwf", files["fwf"], ("duckdb", "polars"), 1)
    assert [(result.system, result.rows) for result in results] == [("duckdb", 2)]
    assert bench.failures == {("fwf", "polars"): "[3] came out, not [2]"}


def test_content_knows_no_order_but_every_value(tmp_path: Path) -> None:
    def seen(name: str, values: list[str | None]) -> list[object]:
        (tmp_path / name).mkdir()
        rows = dict.fromkeys(("N1", "n_30", "t1", "t4"), values)
        pq.write_table(pa.table(rows), tmp_path / name / "x.parquet")
        return content(tmp_path / name, "xport")

    first = seen("a", ["x", "y", ""])
    assert first[0] == 3
    assert seen("b", [None, "y", "x"]) == first
    assert seen("c", ["x", "z", ""]) != first
    assert seen("d", ["x", "x", ""]) != first
    (tmp_path / "e").mkdir()
    with pytest.raises(ValueError, match="no Parquet"):
        content(tmp_path / "e", "xport")


def test_every_case_has_goals_and_every_absence_a_reason() -> None:
    assert convert.GOALS.keys() == set(CASES)
    assert all(system in SYSTEMS and why for system, cases in ABSENT.items() for why in cases.values())


def test_inlet_is_set_against_the_others_and_its_goals() -> None:
    def took(case: str, system: str, seconds: float, peak: float = 100) -> Result:
        return Result(case=case, system=system, seconds=seconds, cpu_seconds=0, peak_rss_mb=peak, bytes=1, rows=0)

    results = [
        took("csv", "inlet", 4),
        took("csv", "spark", 16),
        took("csv", "duckdb", 2),
        took("csv_gz", "inlet", 4.4, 2000),
    ]
    assert list(verdicts(results, goals=True)) == [
        "csv: inlet is 4.00 x as fast as spark (goal: at least 3.00, met)",
        "csv: inlet is 0.50 x as fast as duckdb (goal: at least 0.67, NOT met)",
        "csv: inlet peaks at 100 MB (goal: at most 1,073.74, met)",
        "csv_gz: inlet takes 1.10 x csv (goal: at most 1.20, met)",
        "csv_gz: inlet peaks at 2,000 MB (goal: at most 1,073.74, NOT met)",
    ]
    assert list(verdicts(results[:1], goals=False)) == ["csv: inlet peaks at 100 MB"]


def test_what_was_measured_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = {"case": "csv", "system": "inlet", "seconds": 2.0, "cpu_seconds": 3.0, "peak_rss_mb": 1_500.0, "bytes": 10**7}
    found = json.dumps([one | {"python": 1.0, "session": 0.0, "workers": 0.0}])
    monkeypatch.setattr(convert, "RESULTS", tmp_path)
    (tmp_path / "convert.json").write_text(found)
    (tmp_path / "convert-curve.json").write_text(found)
    page = tmp_path / "convert.md"
    page.write_text("before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n")
    publish(tmp_path)
    assert "| csv | inlet | 2.00 | 5 | 3.0 | 1,500 | 1.0 |  |  |" in page.read_text()
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("after\n")
    assert "old" not in page.read_text()
    assert (tmp_path / "convert.svg").read_text().startswith("<?xml")
