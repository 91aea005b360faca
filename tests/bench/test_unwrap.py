"""The harness of `make bench-unwrap`: that its numbers are of what they say, not how good they are."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from bench import unwrap
from bench.measure import Result
from bench.unwrap import BARE, Bench, Inputs, inputs, verdicts, verify
from tests import servers

ROWS = 3_000


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inputs]:
    for program in ("gzip", "zip", "zstd", "bzip2", "gpg"):
        servers.require(program, f"{program} is not installed (make bench-unwrap)")
    with inputs(ROWS, tmp_path_factory.mktemp("unwrap")) as given:
        yield given


@pytest.fixture
def bench(given: Inputs, tmp_path: Path) -> Bench:
    return Bench(given, tmp_path, "a test")


@pytest.mark.parametrize("case", BARE)
def test_every_case_gives_the_csv_in_parts_and_leaves_nothing(bench: Bench, case: str) -> None:
    size = bench.given.csv.stat().st_size
    results = {result.system: result for result in bench.compare(case, 1)}
    assert bench.failures == {}
    if not bench.absent:
        assert results.keys() == {"inlet", "bare", "zstd"} | unwrap.MORE.get(case, {}).keys()
    for result in results.values():
        assert (result.case, result.bytes, result.runs) == (case, size, 1)
        assert result.seconds > 0
    assert results["inlet"].peak_rss_mb > results.get("zstd", results["inlet"]).peak_rss_mb / 2
    assert list(bench.scratch.iterdir()) == []


def test_the_quarters_are_the_csv(given: Inputs) -> None:
    header, *lines = given.csv.read_bytes().splitlines(keepends=True)
    quarters = [path.with_suffix("").read_bytes().splitlines(keepends=True) for path in given.files["several"]]
    assert [quarter[0] for quarter in quarters] == [header] * 4
    assert [line for quarter in quarters for line in quarter[1:]] == lines
    assert min(len(quarter) for quarter in quarters) > ROWS / 5


def test_inputs_are_made_once(given: Inputs) -> None:
    made = {path: path.stat().st_mtime_ns for paths in given.files.values() for path in paths}
    with inputs(ROWS, given.csv.parent) as again:
        assert again == given
    assert {path: path.stat().st_mtime_ns for path in made} == made


def test_a_run_whose_parts_are_not_the_csv_has_no_number(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unwrap, "INLET", "pass")
    monkeypatch.setitem(unwrap.BARE, "gz", ["false"])
    results = {result.system for result in bench.compare("gz", 1)}
    assert not results & {"inlet", "bare"}
    assert bench.failures["gz", "inlet"] == "the parts of 1 files are not the CSV"
    assert "returned non-zero exit status 1" in bench.failures["gz", "bare"]
    monkeypatch.setitem(unwrap.BARE, "gz", ["no-such-program"])
    bench.failures.clear()
    assert "bare" not in {result.system for result in bench.compare("gz", 1)}
    assert "no-such-program" in bench.absent  # beside what this machine lacks


def test_parts_are_compared_with_the_csv_behind_its_header(tmp_path: Path) -> None:
    csv, parts = tmp_path / "x.csv", tmp_path / "parts"
    csv.write_bytes(b"id\n1\n2\n")
    parts.mkdir()
    for number, line in enumerate((b"1\n", b"2\n")):
        (parts / f"x-{number}.zst").write_bytes(zstandard.compress(line))
    verify(csv, parts)
    (parts / "x-2.zst").write_bytes(zstandard.compress(b"3\n"))
    with pytest.raises(ValueError, match="are not the CSV"):
        verify(csv, parts)


def test_inlet_is_set_against_the_others_and_its_goals() -> None:
    def took(case: str, system: str, seconds: float, peak: float = 100) -> Result:
        return Result(case=case, system=system, seconds=seconds, cpu_seconds=0, peak_rss_mb=peak, bytes=1, rows=0)

    results = [
        *(took("gz", system, seconds) for system, seconds in (("inlet", 3), ("bare", 2), ("gzip", 2.5), ("igzip", 1))),
        *(took("zst", system, seconds, 400) for system, seconds in (("inlet", 3), ("bare", 1), ("zstd", 2.5))),
        took("zip", "bare", 1),
    ]
    assert list(verdicts(results, goals=True)) == [
        "gz: inlet takes 1.50 x bare (goal: at most 1.50, met)",
        "gz: inlet takes 1.20 x gzip (goal: at most 1.00, NOT met)",
        "gz: inlet takes 3.00 x igzip",
        "gz: inlet peaks at 100 MB (goal: 315, met)",
        "zst: inlet takes 3.00 x bare",
        "zst: inlet takes 1.20 x zstd",
        "zst: inlet takes 1.20 x the slower of bare and zstd (goal: at most 1.30, met)",
        "zst: inlet peaks at 400 MB (goal: 315, NOT met)",
    ]
    assert list(verdicts(results[:2], goals=False)) == ["gz: inlet takes 1.50 x bare", "gz: inlet peaks at 100 MB"]
