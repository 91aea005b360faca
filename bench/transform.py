"""`make bench-transform`: Raw to a common schema, and an increment into `current`, by inlet and by others, in turn.

Cases, on synthetic claims (`bench.synthetic.claims`): `full`, raw rows of 45 columns of text into `claim`, checked, of
each key one row, what does not fit apart; `clustered` and `uniform`, an increment of a hundredth into a `current` of
as many rows, its keys the last ones or anywhere; `sequence`, 1, 10 and 100 such increments in a row of either kind on
a twentieth of the rows, and what a reader takes after them. Systems:

- `inlet`: plans, maps, writes and commits to Iceberg tables, all in one process; no flow run and no Prefect; it
  counts what is lost, sorts by key, and keeps versions that end in `history`
- `spark`, `duckdb`: the same rows by their own SQL to Parquet with zstd, neither sorted nor committed; for an increment
  they write all of `current` again

Seconds run from files of Raw or Transformed to Parquet that is there, of inlet to the commit; what Python and Spark's
session take to start before that is shown apart; CPU time and memory are the whole process tree's, of all of it. What
came out is compared with what the generator knows, outside that time: the number of rows, a sum over the hashes of
rows, and the number of those that are held, or closed. A system that brought anything else has no number.

    python -m bench.transform --size full --case uniform --system inlet --cores 1
    python -m bench.transform --size full --publish      # of what was measured last, into docs/

What was measured of other cases and systems of the same size is kept beside it: it can be measured in parts.
"""

# ruff: noqa: S608  the SQL is made of this file's names and paths

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import duckdb
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Column, Table

from bench.measure import RESULTS, Repeated, Result, measure, median, save
from bench.synthetic import claims
from bench.synthetic.claims import Pattern
from bench.transform_lakes import SEQUENCE, SHARE, pattern_of
from bench.transform_sequence import Point
from bench.transform_systems import COMPARED, SYSTEMS, Said

Size = Literal["small", "full"]
CASES = ("full", *get_args(Pattern), "sequence")
ROWS: dict[Size, int] = {"small": 500_000, "full": 10_000_000}
GOALS: dict[str, dict[str, float]] = {  # the other's seconds by inlet's, at least
    "full": {"spark": 1.0},
    "clustered": {"spark": 1.0, "duckdb": 1.0},
    "uniform": {"spark": 1.0},
    "sequence": {},
}
LAKES = {"full": "raw", "sequence": "sequence"}
CONSTANT = 2.0  # seconds that inlet may take for an increment, however few files it touches


class Truth(BaseModel, frozen=True):
    """Rows, the sum of their hashes, and rows beside them: held, or closed."""

    rows: int
    sum: int
    aside: int | None


class Measured(Repeated, frozen=True):
    """One system's median of one case; `python` and `session` are seconds of starting, not in `seconds`.

    Files and bytes as in `Said`. `setting` says on how many cores.
    """

    python: float
    session: float
    before: int
    touched: int
    arrived: int
    written: int
    history: int
    points: tuple[Point, ...]
    setting: str


@dataclass
class Bench:
    """Where lakes are made and kept, `folder`, and what comes out goes, `scratch`; failures by name."""

    folder: Path
    scratch: Path
    rows: int
    cores: int = os.cpu_count() or 1
    failures: dict[tuple[str, str], str] = field(default_factory=dict)

    def compare(self, case: str, systems: Sequence[str], runs: int) -> list[Measured]:
        """Each system's median of one case; a sequence is inlet's alone, as the others know one way to publish."""
        found: dict[str, list[tuple[Result, Said]]] = {}
        lake, rows = self.lake(case)
        wanted = truth(case, lake, rows) if case != "sequence" else None
        for _ in range(runs):
            for system in systems if case != "sequence" else {"inlet"} & set(systems):
                if (case, system) in self.failures:
                    continue
                out = Path(tempfile.mkdtemp(dir=self.scratch))
                try:
                    result, said = self._run(case, system, lake, rows, out)
                    if wanted:
                        _check(content(said), expected(system, case, wanted))
                    found.setdefault(system, []).append((result, said))
                except (subprocess.CalledProcessError, ValueError, duckdb.Error) as error:
                    self.failures[case, system] = str(error)
                finally:
                    shutil.rmtree(out)
        shutil.rmtree(lake / "lake", ignore_errors=True)
        return [self._measured(results) for results in found.values() if len(results) == runs]

    def lake(self, case: str) -> tuple[Path, int]:
        """The lake that a case begins with, made where it is not there yet, and its rows."""
        rows = self.rows // SEQUENCE if case == "sequence" else self.rows
        lake = self.folder / f"{LAKES.get(case, 'current')}-{rows}"
        if not (lake / "kept").exists():
            lake.mkdir(parents=True, exist_ok=True)
            subprocess.run(self._command("make", case, lake, rows, lake), env=self._env(lake), check=True)
        return lake, rows

    def _run(self, case: str, system: str, lake: Path, rows: int, out: Path) -> tuple[Result, Said]:
        command = self._command(system, case, lake, rows, out)
        result = measure(command, case=case, system=system, size=0, rows=rows, env=self._env(out))
        said = Said.model_validate_json((out / "said.json").read_text())
        return result.model_copy(update={"seconds": round(said.seconds, 3), "bytes": said.written}), said

    def _command(self, system: str, case: str, lake: Path, rows: int, out: Path) -> list[str]:
        command = [sys.executable, "-m", "bench.transform_systems", system, case, str(lake), str(rows), str(out)]
        pinned = self.cores < (os.cpu_count() or 1)
        return ["taskset", "-c", ",".join(map(str, range(self.cores))), *command] if pinned else command

    def _env(self, out: Path) -> dict[str, str]:
        given = {"SPARK_LOCAL_DIRS": str(out / "scratch"), "INLET_SPARK_MEMORY": "4g", "PREFECT_LOGGING_LEVEL": "ERROR"}
        return os.environ | given

    def _measured(self, results: Sequence[tuple[Result, Said]]) -> Measured:
        whole = median([result for result, _ in results]).model_dump()
        last = results[-1][1]
        for name in ("python", "session"):
            whole[name] = round(statistics.median(getattr(said, name) for _, said in results), 3)
        for name in ("before", "touched", "arrived", "written", "history"):
            whole[name] = getattr(last, name)
        return Measured(**whole, points=last.points, setting=f"{self.cores} of {os.cpu_count()} cores")


# --- what must come out -----------------------------------------------------------------------------------


def truth(case: str, lake: Path, rows: int) -> Truth:
    """What the generator knows of a case's result; that of all rows is kept beside the lake."""
    unique = rows - rows // 100 if case == "full" else rows
    kept = lake / "truth.json"
    if not kept.exists():
        sums = [_sums(table) for table in claims.transformed(unique)]
        aside = claims.held(rows) if case == "full" else None
        whole = Truth(rows=sum(n for n, _ in sums), sum=sum(s for _, s in sums), aside=aside)
        kept.write_text(whole.model_dump_json())
    whole = Truth.model_validate_json(kept.read_text())
    if case == "full":
        return whole
    pattern = pattern_of(case)
    old, old_sum = _sums(claims.superseded(pattern, rows, rows // SHARE))
    new, new_sum = _sums(claims.increment(pattern, 1, rows, rows // SHARE))
    return Truth(rows=whole.rows - old + new, sum=whole.sum - old_sum + new_sum, aside=old)


def content(said: Said) -> Truth:
    """What came out, in whatever order."""
    if not said.rows:
        raise ValueError("no Parquet came out")
    rows, total = _whole(duckdb.connect().execute(_summed(_parquet(said.rows))).fetchone())
    aside = None if said.aside is None else sum(pq.read_metadata(file).num_rows for file in said.aside)
    return Truth(rows=rows, sum=total, aside=aside)


def _check(seen: Truth, wanted: Truth) -> None:
    if seen != wanted:
        raise ValueError(f"{seen} came out, not {wanted}")


def expected(system: str, case: str, wanted: Truth) -> Truth:
    """What one system must come to: the others keep no history."""
    return wanted if system == "inlet" or case == "full" else wanted.model_copy(update={"aside": None})


def _sums(table: pa.Table) -> tuple[int, int]:
    memory = duckdb.connect()
    return _whole(memory.register("claims", table).execute(_summed("claims")).fetchone())


def _whole(found: tuple[Any, ...] | None) -> tuple[int, int]:
    rows, total = found or (0, 0)
    return int(rows), int(total or 0)


def _summed(source: str) -> str:
    columns = ", ".join(f"{name}::VARCHAR" for name in COMPARED)
    return f"SELECT count(*), sum(hash({columns})::HUGEINT) FROM {source}"


def _parquet(files: Sequence[str]) -> str:
    return f"read_parquet({list(files)}, union_by_name = true, hive_partitioning = false)"


# --- results ----------------------------------------------------------------------------------------------

COLUMNS = ("seconds", "M rows/s", "CPU s", "peak MB", "Python", "session", "files touched", "MB in", "MB written")
POINT_COLUMNS = (
    "increments",
    "rewritten",
    "with history",
    "files",
    "seconds",
    "read",
    "lookup",
    "merged",
    "merged lookup",
)


def _figures(one: Mapping[str, Any]) -> list[str]:
    starts = [f"{one[name]:.1f}" if one[name] else "" for name in ("python", "session")]
    return [
        f"{one['seconds']:.2f}",
        f"{one['rows'] / 1e6 / one['seconds']:.2f}" if one["case"] == "full" else "",
        f"{one['cpu_seconds']:.1f}",
        f"{one['peak_rss_mb']:,.0f}",
        *starts,
        f"{one['touched']} of {one['before']}" if one["before"] else "",
        f"{one['arrived'] / 1e6:,.1f}" if one["arrived"] else "",
        f"{(one['written'] + one['history']) / 1e6:,.1f}",
    ]


def _point(one: Mapping[str, Any]) -> list[str]:
    milliseconds = [f"{one[name] * 1e3:,.0f}" for name in ("read", "lookup", "merged_read", "merged_lookup")]
    whole = (one["written"] + one["history"]) / one["arrived"]
    rewritten = [f"{one['written'] / one['arrived']:,.1f}", f"{whole:,.1f}"]
    return [str(one["increments"]), *rewritten, str(one["files"]), f"{one['seconds']:.2f}", *milliseconds]


def _tables(found: Sequence[Mapping[str, Any]]) -> Iterator[tuple[tuple[str, ...], list[list[str]]]]:
    """Headings and lines: of the cases, and of what a sequence came to."""
    cases = [[one["case"], one["system"], *_figures(one)] for one in found if one["case"] != "sequence"]
    points = [[point["pattern"], *_point(point)] for one in found for point in one["points"]]
    if cases:
        yield ("case", "system", *COLUMNS), cases
    if points:
        yield ("keys", *POINT_COLUMNS), points


def tables(results: Iterable[Measured]) -> Iterator[Table]:
    """One line for each system of each case, and one for each point of a sequence."""
    for headings, lines in _tables([result.model_dump() for result in results]):
        shown = Table(*(Column(name, no_wrap=name in {"case", "system"}) for name in headings))
        for before, line in zip([lines[0], *lines], lines, strict=False):
            if before[0] != line[0]:
                shown.add_section()
            shown.add_row(*line)
        yield shown


def kept(size: Size, new: Sequence[Measured] = ()) -> list[Measured]:
    """What was measured last of every case and system, `new` in the place of what was there."""
    path = RESULTS / f"transform-{size}.json"
    old = [Measured.model_validate(one) for one in json.loads(path.read_text())] if path.exists() else []
    found = {(one.case, one.system): one for one in (*old, *new)}
    return [found[case, system] for case in CASES for system in SYSTEMS if (case, system) in found]


def publish(size: Size, docs: Path = Path("docs")) -> None:
    """Put the last results into `docs/transform.md`, between its marks."""
    found = [one.model_dump() for one in kept(size)]
    page, (begin, end) = docs / "transform.md", ("<!-- results -->", "<!-- end of results -->")
    before, _, rest = page.read_text().partition(begin)
    _, _, after = rest.partition(end)
    written = []
    for headings, lines in _tables(found):
        rows = [headings, ["---"] * len(headings), *lines]
        written.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    page.write_text("\n".join([f"{before}{begin}", "\n\n".join(written), f"{end}{after}"]))


def verdicts(results: Sequence[Measured], goals: bool) -> Iterator[str]:
    """Inlet against the others, and what an increment costs against the files that it touches."""
    by = {(result.case, result.system): result for result in results}
    for case in CASES:
        for system in SYSTEMS:
            if system != "inlet" and (case, system) in by and (case, "inlet") in by:
                times = by[case, system].seconds / by[case, "inlet"].seconds
                goal = GOALS[case].get(system)
                verdict = _verdict(times >= goal, f"at least {goal:.2f}") if goal and goals else ""
                yield f"{case}: inlet is {times:.2f} x as fast as {system}{verdict}"
    for case in get_args(Pattern):
        if inlet := by.get((case, "inlet")):
            per_byte = inlet.written / inlet.arrived, (inlet.written + inlet.history) / inlet.arrived
            yield (
                f"{case}: {inlet.touched} of {inlet.before} files are written again, {per_byte[0]:,.1f} bytes"
                f" for each that arrived, {per_byte[1]:,.1f} with history"
            )
    clustered, uniform = (by.get((case, "inlet")) for case in get_args(Pattern))
    if clustered and uniform:
        share = (clustered.touched / clustered.before) / (uniform.touched / uniform.before)
        most = share * uniform.seconds + CONSTANT
        yield (
            f"clustered: {share:.0%} of the files that uniform touches, in {clustered.seconds / uniform.seconds:.0%}"
            f" of its seconds, {clustered.cpu_seconds / uniform.cpu_seconds:.0%} of its CPU seconds"
            + (_verdict(clustered.seconds <= most, f"at most {most:.1f} s") if goals else "")
        )


def _verdict(met: bool, goal: str) -> str:
    return f" (goal: {goal}, {'met' if met else 'NOT met'})"


def main(
    size: Size = "small",
    case: Annotated[list[str] | None, typer.Option()] = None,
    system: Annotated[list[str] | None, typer.Option()] = None,
    cores: int = os.cpu_count() or 1,
    runs: Annotated[int, typer.Option(help="Of each.")] = 1,
    publish_last: Annotated[bool, typer.Option("--publish", help="What was measured last.")] = False,
) -> None:
    """Measure cases, show them beside their goals and save them; exits with 1 where a system failed."""
    if publish_last:
        publish(size)
        raise typer.Exit
    console = Console()
    chosen = [name for name in SYSTEMS if name in (system or SYSTEMS)]
    root = RESULTS.resolve()
    root.mkdir(parents=True, exist_ok=True)
    results: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="transform-", dir=root) as scratch, console.status("") as status:
        bench = Bench(root / "transform", Path(scratch), ROWS[size], cores)
        for name in case or CASES:
            status.update(name)
            results += bench.compare(name, chosen, runs)
    results = kept(size, results)
    path = save(f"transform-{size}", results)
    memory = f"{psutil.virtual_memory().total / 1e9:.0f} GB"
    for shown in tables(results):
        console.print(shown)
    console.print(f"{datetime.now(UTC):%Y-%m-%d}, {cores} of {os.cpu_count()} cores, {memory}; see {path}")
    for line in verdicts(results, goals=size == "full"):
        console.print(line)
    for (name, by), failure in bench.failures.items():
        console.print(f"{name}: {by} FAILED: {failure}")
    raise typer.Exit(1 if bench.failures else 0)


if __name__ == "__main__":
    typer.run(main)
