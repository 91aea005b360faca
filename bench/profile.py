"""`make bench-profile`: what the profile adds to the conversion whose pass it takes part in.

Cases: `csv`, `fwf`, `xport`, `sas` and `xml` as in `bench.convert`; `narrow`, 20 columns of that CSV; `parquet`, typed
columns. A case is peeled and staged once; then the same staged files are converted to committed tables with the profile
and without, in turn, in one process, and of each the fastest run counts: on a busy machine all others are slower by
what others do. CPU time is the process's, of all its threads. Garbage is collected before each run: else Python does
it all, 0.2 s of it, in every other conversion, those with the profile or those without. Goal: less than 15 % more.

    python -m bench.profile --size full --case csv
    python -m bench.profile --publish      # of what was measured last, into docs/
"""

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Column, Table

from bench.convert import BYTES, MB, made
from bench.convert_systems import reader, staged
from bench.measure import RESULTS
from spark.profiling.profiles import DatasetProfile
from spark.readers import AnyReader, Csv, Parquet

Size = Literal["small", "full"]
CASES = ("csv", "narrow", "fwf", "xport", "sas", "parquet", "xml")
RUNS: dict[Size, int] = {"small": 3, "full": 5}
GOAL = 15.0
PARQUET_ROW = 60  # bytes of a row in the file, about


class Cost(BaseModel, frozen=True):
    """CPU and wall seconds of one conversion with the profile and without; `kept` is its bytes in the lake."""

    case: str
    bytes: int
    rows: int
    columns: int
    sampled: int
    cpu_with: float
    cpu_without: float
    wall_with: float
    wall_without: float
    kept: int

    @property
    def percent(self) -> float:
        """Of the conversion's CPU time without it."""
        return 100 * (self.cpu_with / self.cpu_without - 1)


class _Without:
    """In the profiler's place: nothing is counted."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def add(self, table: pa.Table) -> None:
        pass

    def close(self, footers: object = ()) -> DatasetProfile:
        return DatasetProfile()


def cost(case: str, file: Path, runs: int, out: Path) -> Cost:
    """Convert one file `runs` times with the profile and without, in this process."""
    from tasks.convert import to_raw
    from tasks.profiles import read

    by: AnyReader = Parquet() if case == "parquet" else Csv() if case == "narrow" else reader(case)
    parts, run = staged(by, file, out)
    took: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for number in range(2 * runs):
        profiled = number % 2 == 1  # the first run of all, which warms up, is without
        with nullcontext() if profiled else patch("spark.convert.Profiler", _Without):
            gc.collect()
            began, cpu = time.monotonic(), time.process_time()
            to_raw(parts, run, spark_from=sys.maxsize)
            took[profiled].append((time.process_time() - cpu, time.monotonic() - began))
    found = read(run.lake, parts.drop)["data"]
    path = run.lake.path("landed", "bench", "one", "_profile.json.zst")
    return Cost(
        case=case,
        bytes=file.stat().st_size,
        rows=found.rows,
        columns=len(found.columns),
        sampled=found.sampled,
        cpu_with=min(cpu for cpu, _ in took[True]),
        cpu_without=min(cpu for cpu, _ in took[False]),
        wall_with=min(wall for _, wall in took[True]),
        wall_without=min(wall for _, wall in took[False]),
        kept=run.lake.fs().size(path),
    )


# --- the files --------------------------------------------------------------------------------------------


def made_here(case: str, size: Size, folder: Path) -> Path | None:
    """The file of a case, made where it is not there yet; None where its real original is not at hand."""
    wanted = BYTES[size].get(case, BYTES[size]["csv"])
    if case not in {"narrow", "parquet"}:
        return made(case, wanted, folder)
    path = folder / {"narrow": "narrow.csv", "parquet": "made.parquet"}[case]
    if not path.exists():
        draft = path.with_name(f"draft-{path.name}")
        wide = made("csv", BYTES[size]["csv"], folder) if case == "narrow" else None
        _narrow(wide, draft) if wide else _parquet(wanted // 4 // PARQUET_ROW, draft)
        draft.rename(path)
    return path


def _narrow(wide: Path, path: Path) -> None:
    """The 20 columns of the wide file that most often have a value: a narrow file has few empty ones."""
    import duckdb

    rows = f"read_csv('{wide}', header = true, all_varchar = true, delim = ',', quote = '\"', escape = '\"')"
    names = [name for name, *_ in duckdb.execute(f"SELECT * FROM {rows} LIMIT 0").description or ()]  # noqa: S608
    filled = ", ".join(f"count(nullif(\"{name}\", ''))" for name in names)
    counts = duckdb.execute(f"SELECT {filled} FROM (SELECT * FROM {rows} LIMIT 10000)").fetchone() or ()  # noqa: S608
    best = sorted(names, key=lambda name: -counts[names.index(name)])[:20]
    columns = ", ".join(f'"{name}"' for name in names if name in best)
    duckdb.execute(f"COPY (SELECT {columns} FROM {rows}) TO '{path}' (FORMAT csv, HEADER)")  # noqa: S608


def _parquet(rows: int, path: Path) -> None:
    """Claims with types: ids, codes, days, instants, amounts, counts and texts."""
    rng = np.random.default_rng(1)
    codes = np.array([f"{letter}{number:02}.{number % 10}" for letter in "ABCDEFGHJK" for number in range(100)])
    with pq.ParquetWriter(path, _claims(rng, codes, 1).schema, compression="zstd") as writer:
        for start in range(0, rows, 100_000):
            writer.write_table(_claims(rng, codes, min(100_000, rows - start)))


def _claims(rng: Any, codes: Any, rows: int) -> pa.Table:  # noqa: ANN401  # numpy's generator
    day = rng.integers(17_000, 20_000, rows)
    cents = rng.gamma(2.0, 9_000.0, rows).astype(np.int64)
    found: dict[str, pa.Array] = {
        "claim_id": pa.array(rng.integers(10**9, 10**10, rows)),
        "person_id": pa.array(rng.integers(1, 10**6, rows).astype(np.int32)),
        "service_date": pa.array(day.astype(np.int32), pa.date32()),
        "received_at": pa.array(day * 86_400_000_000 + rng.integers(0, 86_400_000_000, rows), pa.timestamp("us")),
        "paid": pa.array(cents).cast(pa.decimal128(19, 0)).cast(pa.decimal128(19, 2)),
        "units": pa.array(rng.integers(1, 30, rows).astype(np.int32)),
        "adjusted": pa.array(rng.random(rows) < 0.1),
        "score": pa.array(rng.normal(0.0, 1.0, rows), mask=rng.random(rows) < 0.2),
    }
    for number in range(1, 9):
        found[f"diagnosis_{number}"] = pa.array(
            codes[rng.integers(0, 1_000, rows)], mask=rng.random(rows) < 0.1 * number
        )
    return pa.table(found)


# --- results ----------------------------------------------------------------------------------------------


HEAD = ("case", "MB", "rows", "columns", "sampled", "CPU s without", "with", "% more", "kept kB")


def _line(one: Cost) -> tuple[str, ...]:
    """The figures of a case, as `HEAD` names them; MB of 10^6 bytes."""
    counts = (f"{one.bytes / MB:,.0f}", f"{one.rows:,}", f"{one.columns:,}", f"{one.sampled:,}")
    seconds = (f"{one.cpu_without:.2f}", f"{one.cpu_with:.2f}", f"{one.percent:.1f}")
    return (one.case, *counts, *seconds, f"{one.kept / 1e3:,.0f}")


def publish(page: Path = Path("docs/profile.md")) -> None:
    """Put the last results into the page, between its marks."""
    costs = [Cost.model_validate(one) for one in json.loads((RESULTS / "profile.json").read_text())]
    begin, end = "<!-- results -->", "<!-- end of results -->"
    before, _, rest = page.read_text().partition(begin)
    _, _, after = rest.partition(end)
    rows = [HEAD, ("---",) * len(HEAD), *map(_line, costs)]
    page.write_text("\n".join([f"{before}{begin}", *(f"| {' | '.join(row)} |" for row in rows), f"{end}{after}"]))


def main(
    size: Size = "small",
    case: Annotated[list[str] | None, typer.Option()] = None,
    runs: int | None = None,
    one: Annotated[Path | None, typer.Option(hidden=True, help="Of this process: the file of the one case.")] = None,
    publish_last: Annotated[bool, typer.Option("--publish")] = False,
) -> None:
    """Measure each case in a process of its own, show and save what came out."""
    if publish_last:
        publish()
        raise typer.Exit
    root = RESULTS.resolve()
    folder = root / f"convert-{size}"
    times = runs or RUNS[size]
    if one is not None and case:
        with tempfile.TemporaryDirectory(prefix="profile-", dir=root) as scratch:
            typer.echo(cost(case[0], one, times, Path(scratch)).model_dump_json())
        return
    folder.mkdir(parents=True, exist_ok=True)
    console, costs = Console(), []
    for name in case or CASES:
        file = made_here(name, size, folder)
        if file is None:
            console.print(f"{name} was not measured: INLET_REALDATA names no folder with many_columns.sas7bdat")
            continue
        command = [sys.executable, "-m", "bench.profile", "--size", size, "--case", name, "--runs", str(times)]
        done = subprocess.run([*command, "--one", str(file)], stdout=subprocess.PIPE, check=True, env=os.environ)
        costs.append(Cost.model_validate(json.loads(done.stdout.splitlines()[-1])))
        console.print(*_line(costs[-1]), sep=" | ")
    path = root / "profile.json"
    path.write_text(json.dumps([one.model_dump() for one in costs], indent=1))
    shown = Table(Column(HEAD[0], no_wrap=True), *(Column(name, justify="right") for name in HEAD[1:]))
    for cost_of_it in costs:
        shown.add_row(*_line(cost_of_it))
    console.print(shown, f"goal: less than {GOAL:.0f} % more CPU time; see {path}")


if __name__ == "__main__":
    typer.run(main)
