"""`make bench-convert`: one delivered file to committed Parquet, by inlet and by others, in turn.

Cases: `csv` and `csv_gz`, a synthetic main file of NPPES of 330 quoted columns without errors in it; `xport`, written
by pyreadstat; `sas`, a real sas7bdat of 392 columns below INLET_REALDATA, whose page of rows is repeated; `xml`,
synthetic PubMed citations; `fwf`, records of 181 columns in the manner of CMS's claim feed. Systems:

- `inlet`: peels, cuts, stages, converts and commits to Iceberg tables, all in one process; no flow run and no Prefect
- `inlet_spark`: the same with every file shared out by Spark
- `spark`, `duckdb`, `polars`, `pandas`, `pyreadstat`, `dlt`: by their own readers and options, to Parquet with zstd

Seconds run from the delivered file to Parquet that is committed; what Python, Spark's session and its workers take to
start before that is shown apart; CPU time and memory are the whole process tree's, of all of it. What came out is
compared with inlet's outside that time: the number of rows, and of some columns the values in whatever order. A system
that brought anything else has no number. Each is run three times (`full`) or once (`small`), in a process of its own.

    python -m bench.convert --size full --case csv --system duckdb --cores 1
    python -m bench.convert --curve
    python -m bench.convert --publish      # of what was measured last, into docs/
"""

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
from typing import Annotated, Any, Literal

import duckdb
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import psutil
import pyreadstat
import typer
from rich.console import Console
from rich.table import Column, Table

from bench.convert_plot import draw, read
from bench.convert_systems import ABSENT, SYSTEMS, WIDTHS
from bench.measure import RESULTS, Repeated, Result, measure, median, save
from bench.synthetic.nppes import main_csv
from bench.synthetic.pubmed import articles
from bench.synthetic.sas import stretched

Size = Literal["small", "full"]
CASES = ("csv", "csv_gz", "xport", "sas", "xml", "fwf")
MB = 10**6
BYTES: dict[Size, dict[str, int]] = {
    "small": {"csv": 64 << 20, "xport": 30 * MB, "sas": 20 * MB, "xml": 20 * MB, "fwf": 64 << 20},
    "full": {"csv": 1 << 30, "xport": 300 * MB, "sas": 200 * MB, "xml": 500 * MB, "fwf": 1 << 30},
}
RUNS: dict[Size, int] = {"small": 1, "full": 3}
CURVE = [1 * MB, 4 * MB, 16 * MB, 64 * MB, 256 * MB, 1024 * MB, 4096 * MB]
CURVED = ("inlet", "inlet_spark", "spark", "duckdb")
CSV_ROW, XPORT_ROW, XPORT_NUMBERS, XPORT_TEXTS = 1199.0, 320, 30, 4  # bytes of a row; its columns of 8 and of 20 bytes
MEMORY = 1024 * 2**20 / 1e6  # MB that inlet may take
GOALS: dict[str, dict[str, float]] = {  # the other's seconds by inlet's, at least
    "csv": {"spark": 3.0, "duckdb": 1 / 1.5},
    "csv_gz": {},
    "xport": {"pyreadstat": 1.2},
    "sas": {"pyreadstat": 1.2},
    "xml": {"spark": 2.0, "pandas": 2.0},
    "fwf": {"spark": 2.0, "duckdb": 2.0, "polars": 2.0, "pandas": 2.0},
}
GZ = 1.2  # csv_gz's seconds by csv's, at most
COMPARED: dict[str, tuple[str, ...]] = {
    "csv": (
        "npi",
        "provider_first_name",
        "provider_business_mailing_address_postal_code",
        "certification_date",
    ),
    "xport": ("n1", "n30", "t1", "t4"),
    "xml": (),
    "fwf": ("cur_clm_uniq_id", "clm_pmt_amt", "bene_eqtbl_bic_hicn_num"),
}
COMPARED["csv_gz"] = COMPARED["csv"]


class Measured(Repeated, frozen=True):
    """One system's median of one case; `python`, `session` and `workers` are seconds of starting, not in `seconds`."""

    python: float
    session: float
    workers: float
    cores: int
    setting: str


@dataclass
class Bench:
    """Where files are made and kept, `folder`, and what is converted goes, `scratch`; failures and absences by name."""

    folder: Path
    scratch: Path
    cores: int = os.cpu_count() or 1
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    absent: dict[tuple[str, str], str] = field(default_factory=dict)

    def compare(self, case: str, file: Path, systems: Sequence[str], runs: int, label: str = "") -> list[Measured]:
        """Each system's median of one case."""
        found: dict[str, list[tuple[Result, dict[str, float]]]] = {}
        wanted: list[object] | None = None
        for _ in range(runs):
            for system in systems:
                if why := ABSENT.get(system, {}).get(case):
                    self.absent[case, system] = why
                elif (case, system) not in self.failures:
                    out = Path(tempfile.mkdtemp(dir=self.scratch))
                    try:
                        one = self._run(label or case, case, system, file, out)
                        seen = content(out, case)
                        wanted = wanted or seen  # of inlet, where it is among them
                        if seen != wanted:
                            raise ValueError(f"{seen} came out, not {wanted}")
                        found.setdefault(system, []).append(one)
                    except (subprocess.CalledProcessError, ValueError, KeyError, duckdb.Error) as error:
                        self.failures[case, system] = str(error)
                    finally:
                        shutil.rmtree(out)
        rows = int(str(wanted[0])) if wanted else 0
        return [self._measured(results, rows) for results in found.values() if len(results) == runs]

    def _run(self, label: str, case: str, system: str, file: Path, out: Path) -> tuple[Result, dict[str, float]]:
        command = [sys.executable, "-m", "bench.convert_systems", system, case, str(file), str(out)]
        if self.cores < (os.cpu_count() or 1):
            command = ["taskset", "-c", ",".join(map(str, range(self.cores))), *command]
        env = os.environ | {"SPARK_LOCAL_DIRS": str(out / "scratch"), "INLET_SPARK_MEMORY": "4g"}
        result = measure(command, case=label, system=system, size=file.stat().st_size, rows=0, env=env)
        said: dict[str, float] = json.loads((out / "said.json").read_text())
        return result.model_copy(update={"seconds": said["seconds"]}), said

    def _measured(self, results: Sequence[tuple[Result, dict[str, float]]], rows: int) -> Measured:
        whole = median([result for result, _ in results]).model_dump() | {"rows": rows}
        for name in ("python", "session", "workers"):
            whole[name] = round(statistics.median(said.get(name, 0.0) for _, said in results), 3)
        return Measured(**whole, cores=self.cores, setting=f"{self.cores} of {os.cpu_count()} cores")


def content(out: Path, case: str) -> list[object]:
    """Rows, and of the columns that are compared a sum over their values' hashes; empty and null are the same."""
    files = [str(path) for path in out.rglob("*.parquet") if not {"rejected", "pipelines"} & set(path.parts)]
    if not files:
        raise ValueError("no Parquet came out")
    source = f"read_parquet({files}, union_by_name = true, hive_partitioning = false)"
    database = duckdb.connect()  # its own: an answer that is not read to its end blocks the common one
    names = database.execute(f"SELECT * FROM {source} LIMIT 0").description or []  # noqa: S608
    columns = {_plain(name): f'"{name}"::VARCHAR' for name, *_ in names}
    compared = [columns[_plain(name)] for name in COMPARED.get(case, ())]
    sums = [f"sum(hash({column})::HUGEINT) FILTER ({column} <> '')" for column in compared]
    return list(database.execute(f"SELECT {', '.join(['count(*)', *sums])} FROM {source}").fetchone() or ())  # noqa: S608


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


# --- the files --------------------------------------------------------------------------------------------


def made(case: str, size: int, folder: Path) -> Path | None:
    """The file of a case, of about `size` bytes, made where it is not there yet; None where none is at hand."""
    names = {"csv_gz": "npidata.csv.gz", "csv": "npidata.csv", "xport": "made.xpt", "sas": "made.sas7bdat"}
    path = folder / names.get(case, f"made.{case}")
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"draft-{path.name}")
    match case:
        case "csv":
            main_csv(round(size / CSV_ROW), 1, draft, dirty=False)
        case "csv_gz":
            plain = made("csv", size, folder)
            with draft.open("wb") as out:
                subprocess.run(["gzip", "-c", str(plain)], stdout=out, check=True)
        case "xport":
            _xport(size // XPORT_ROW, draft)
        case "sas":
            if (real := _real_sas()) is None:
                return None
            stretched(real, draft, size)
        case "xml":
            articles(draft, size, 1)
        case "fwf":
            _fixed(size // (sum(WIDTHS.values()) + 1), draft)
    return draft.rename(path)


def _real_sas() -> Path | None:
    """A real sas7bdat of 392 columns, 386 of numbers; those at hand are of some KB, of a few rows."""
    root = os.environ.get("INLET_REALDATA")
    return next(Path(root).rglob("many_columns.sas7bdat"), None) if root else None


def _xport(rows: int, path: Path) -> None:
    rng = np.random.default_rng(1)
    columns = {f"N{n}": rng.integers(0, 10**6, rows) / 4 for n in range(1, XPORT_NUMBERS + 1)}
    words = np.array([f"{'value'[: n % 4 + 1]} {n:>04} of twenty"[:20].ljust(20, ".") for n in range(5_000)])
    texts = {f"T{n}": words[rng.integers(0, len(words), rows)] for n in range(1, XPORT_TEXTS + 1)}
    pyreadstat.write_xport(pd.DataFrame({**columns, **texts}), str(path), table_name="MADE", file_format_version=5)


def _fixed(rows: int, path: Path) -> None:
    """Digits, of some fields few different ones, of some blank in every other record."""
    rng = np.random.default_rng(1)
    with path.open("wb") as out:
        for start in range(0, rows, 100_000):
            count = min(100_000, rows - start)
            fields = []
            for number, width in enumerate(WIDTHS.values()):
                cells = rng.integers(48, 58, (count if number % 3 else 50, width), dtype=np.uint8)
                cells = cells if len(cells) == count else cells[rng.integers(0, 50, count)]
                if number % 4 == 2:
                    cells[rng.random(count) < 0.5] = 32
                fields.append(cells)
            out.write(np.hstack([*fields, np.full((count, 1), 10, np.uint8)]).tobytes())


# --- results ----------------------------------------------------------------------------------------------


def table(results: Iterable[Measured]) -> Table:
    """One line for each system of each case."""
    names = ("seconds", "from", "to", "MB/s", "CPU s", "peak MB", "Python", "session", "workers")
    shown = Table(
        Column("case", no_wrap=True), Column("system", no_wrap=True), *(Column(name, justify="right") for name in names)
    )
    last = None
    for result in results:
        if last not in {None, result.case}:
            shown.add_section()
        last = result.case
        times = [f"{seconds:.2f}" for seconds in (result.seconds, result.fastest, result.slowest)]
        more = [
            f"{result.bytes / 1e6 / result.seconds:,.0f}",
            f"{result.cpu_seconds:.1f}",
            f"{result.peak_rss_mb:,.0f}",
        ]
        starts = [f"{seconds:.1f}" if seconds else "" for seconds in (result.python, result.session, result.workers)]
        shown.add_row(result.case, result.system, *times, *more, *starts)
    return shown


def publish(docs: Path = Path("docs")) -> None:
    """Put the last results into `docs/convert.md`, between its marks, and draw `docs/convert.svg`."""
    cases, curve = read(RESULTS / "convert.json"), read(RESULTS / "convert-curve.json")
    page, (begin, end) = docs / "convert.md", ("<!-- results -->", "<!-- end of results -->")
    before, _, rest = page.read_text().partition(begin)
    _, _, after = rest.partition(end)
    lines = [*_markdown(cases), "", *_markdown(curve)]
    page.write_text("\n".join([f"{before}{begin}", *lines, f"{end}{after}"]))
    draw(cases, curve, docs / "convert.svg")


def _markdown(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A table of results, MB of 10^6 bytes."""
    yield "| case | system | seconds | MB/s | CPU s | peak MB | Python | session | workers |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for one in found:
        rate = f"{one['bytes'] / 1e6 / one['seconds']:,.0f}"
        figures = [f"{one['seconds']:.2f}", rate, f"{one['cpu_seconds']:.1f}", f"{one['peak_rss_mb']:,.0f}"]
        starts = [f"{one[name]:.1f}" if one[name] else "" for name in ("python", "session", "workers")]
        yield f"| {' | '.join([one['case'], one['system'], *figures, *starts])} |"


def verdicts(results: Iterable[Result], goals: bool) -> Iterator[str]:
    """Inlet against the others, with the goal, if there is one, and whether it is met."""
    by = {(result.case, result.system): result for result in results}
    for case in CASES:
        inlet = by.get((case, "inlet"))
        if inlet is None:
            continue
        for system in SYSTEMS:
            if system != "inlet" and (case, system) in by:
                times = by[case, system].seconds / inlet.seconds
                yield f"{case}: inlet is {times:.2f} x as fast as {system}" + _verdict(
                    GOALS[case].get(system), times, "at least", goals
                )
        if case == "csv_gz" and ("csv", "inlet") in by:
            times = inlet.seconds / by["csv", "inlet"].seconds
            yield f"csv_gz: inlet takes {times:.2f} x csv" + _verdict(GZ, times, "at most", goals)
        yield f"{case}: inlet peaks at {inlet.peak_rss_mb:,.0f} MB" + _verdict(
            MEMORY, inlet.peak_rss_mb, "at most", goals
        )


def _verdict(goal: float | None, value: float, wanted: str, goals: bool) -> str:
    if not goal or not goals:
        return ""
    met = value >= goal if wanted == "at least" else value <= goal
    return f" (goal: {wanted} {goal:,.2f}, {'met' if met else 'NOT met'})"


def main(
    size: Size = "small",
    case: Annotated[list[str] | None, typer.Option()] = None,
    system: Annotated[list[str] | None, typer.Option()] = None,
    cores: int = os.cpu_count() or 1,
    curve: bool = False,
    runs: Annotated[int | None, typer.Option(help="Of each; 3 with --size full, else 1.")] = None,
    publish_last: Annotated[bool, typer.Option("--publish")] = False,
) -> None:
    """Measure cases, show them beside their goals and save them; exits with 1 where a system failed."""
    if publish_last:
        publish()
        raise typer.Exit
    console = Console()
    chosen = [name for name in SYSTEMS if name in (system or (CURVED if curve else SYSTEMS))]
    root = RESULTS.resolve()
    root.mkdir(parents=True, exist_ok=True)
    results: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="convert-", dir=root) as scratch, console.status("") as status:
        bench = Bench(root / f"convert-{size}", Path(scratch), cores)
        if curve:
            for bytes_ in CURVE:
                label = f"{bytes_ // MB} MB"
                status.update(label)
                file = made("csv", bytes_, root / f"convert-{bytes_ // MB}")
                if file:
                    results += bench.compare("csv", file, chosen, runs or RUNS[size], label)
        for name in () if curve else case or CASES:
            status.update(f"{name}: making the file")
            file = made(name, BYTES[size].get(name, BYTES[size]["csv"]), bench.folder)
            if file is None:
                bench.absent[name, "all"] = "INLET_REALDATA names no folder with many_columns.sas7bdat"
                continue
            status.update(name)
            results += bench.compare(name, file, chosen, runs or RUNS[size])
    path = save("convert-curve" if curve else "convert", results)
    memory = f"{psutil.virtual_memory().total / 1e9:.0f} GB"
    console.print(
        table(results), f"{datetime.now(UTC):%Y-%m-%d}, {cores} of {os.cpu_count()} cores, {memory}; see {path}"
    )
    for line in verdicts(results, goals=size == "full"):
        console.print(line)
    for (name, by), why in bench.absent.items():
        console.print(f"{name}: {by} was not measured: {why}")
    for (name, by), failure in bench.failures.items():
        console.print(f"{name}: {by} FAILED: {failure}")
    raise typer.Exit(1 if bench.failures else 0)


if __name__ == "__main__":
    typer.run(main)
