"""`make bench-unwrap`: wrapped CSV to parts on the lake, beside the bare tools that only unwrap it, to /dev/null.

The CSV is a synthetic main file of NPPES: 330 quoted columns, most of them empty; `full` is 1 GiB of it. Cases are its
wrapping, made once in build/bench by the tool itself with its default level: `gz`, `zip`, `zst`, `bz2`, `gpg` (for a
public key; GnuPG compresses inside), and `several`, four gz files of a quarter each. Systems:

- `inlet`: peeled, cut at record ends, its records counted, compressed and written as parts; no flow run and no Prefect
- `bare`: `pigz -d`, `unzip -p`, `zstd -d`, `bzip2 -d` or `gpg -d`
- `gzip` and `igzip`, for gz; igzip is the limit
- `zstd`, for all cases: `zstd -1 -T2` over the plaintext, which is the other half of the work

Parts go to a folder on a RAM disk, where there is one. Times include the start of the process, Python's too (case
`start`), CPU time and memory are of the process tree. Parts are compared with the CSV outside that time, and a run
whose parts are not the CSV has no number. After a warm-up each is run three times (`full`) or once (`small`).
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import psutil
import typer
import zstandard
from rich.console import Console

from bench.measure import RESULTS, Result, measure, median, save
from bench.synthetic.nppes import main_csv
from bench.transfer import Measured, path_of, table

Size = Literal["small", "full"]
ROWS: dict[Size, int] = {"small": 56_000, "full": 895_000}
RUNS: dict[Size, int] = {"small": 1, "full": 3}
SEVERAL = 4
MEMORY = 300 * 2**20 / 1e6  # MB that inlet may take
GOALS = {"gzip": 1.0, "bare": 1.5}  # of gz: inlet's time by theirs, at most
OTHER_GOAL = 1.3  # of the other cases: by the slower of `bare` and `zstd`, at most

BARE: dict[str, list[str]] = {
    "gz": ["pigz", "-dc"],
    "zip": ["unzip", "-p"],
    "zst": ["zstd", "-dcq"],
    "bz2": ["bzip2", "-dc"],
    "gpg": ["gpg", "--batch", "--quiet", "--decrypt"],
    "several": ["pigz", "-dc"],
}
MORE: dict[str, dict[str, list[str]]] = {"gz": {"gzip": ["gzip", "-dc"], "igzip": ["igzip", "-dc"]}}
ZSTD = ["zstd", "-1", "-T2", "-qc"]

INLET = """
import os, sys
from pathlib import Path
import fsspec
from spark.readers import Csv
from tasks.gpg import decrypter
from tasks.staging import Choice, Stage, Wrapped
folder, home, *files = sys.argv[1:]
wrapped = [Wrapped(path, (os.path.basename(path),)) for path in files]
peeling = {"decrypt": decrypter(Path(home))}
fs = fsspec.filesystem("file")
Stage(fs, folder, lambda file, member: Choice("npidata", Csv()), os.cpu_count() or 1, peeling).files(wrapped)
"""
START = "import fsspec, spark.readers, tasks.gpg, tasks.staging"


@dataclass(frozen=True)
class Inputs:
    """The files of each case; `csv` is their plaintext, `home` GnuPG's, with the key."""

    csv: Path
    files: Mapping[str, Sequence[Path]]
    home: Path


@contextmanager
def inputs(rows: int, folder: Path) -> Iterator[Inputs]:
    """Wrapped files of `rows` providers in `folder`, made where they are not there yet; and the key, for as long."""
    folder.mkdir(parents=True, exist_ok=True)
    csv = folder / "npidata.csv"
    if not csv.exists():
        main_csv(rows, 1, csv.with_suffix(".draft"))
        csv.with_suffix(".draft").rename(csv)
    quarters = [folder / f"quarter-{n}.csv" for n in range(SEVERAL)]
    _quarter(csv, quarters)
    made = {
        "gz": [_made(csv, "gz", ["gzip", "-c"])],
        "zip": [_made(csv, "zip", ["zip", "-q", "-j", "-"])],
        "zst": [_made(csv, "zst", ["zstd", "-qc"])],
        "bz2": [_made(csv, "bz2", ["bzip2", "-c"])],
        "several": [_made(quarter, "gz", ["gzip", "-c"]) for quarter in quarters],
    }
    home = folder / "gnupg"
    home.mkdir(mode=0o700, exist_ok=True)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    try:
        if not list(home.glob("openpgp-revocs.d/*.rev")):
            subprocess.run([*gpg, "--quick-generate-key", "bench", "default", "default", "never"], check=True)
        encrypt = [*gpg, "--trust-model", "always", "--recipient", "bench", "--encrypt", "--output", "-"]
        yield Inputs(csv, made | {"gpg": [_made(csv, "gpg", encrypt)]}, home)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)


@dataclass(frozen=True)
class Bench:
    """Where parts go: `scratch`; and the setting in words. What went wrong or is not here is kept by name."""

    given: Inputs
    scratch: Path
    setting: str
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)

    def compare(self, case: str, runs: int) -> list[Measured]:
        """Each system's median of one case, in turn."""
        files = [str(path) for path in self.given.files[case]]
        systems = {"inlet": [sys.executable, "-c", INLET, str(self.scratch / "parts"), str(self.given.home), *files]}
        others = {"bare": BARE[case], **MORE.get(case, {})}
        systems |= {name: [*command, *files] for name, command in others.items()}
        systems["zstd"] = [*ZSTD, str(self.given.csv)]
        found: dict[str, list[Result]] = {}
        for _ in range(runs):
            for system, command in systems.items():
                if (case, system) not in self.failures:
                    found.setdefault(system, []).extend(self._run(case, system, command))
        return [self._measured(results) for results in found.values() if len(results) == runs]

    def start(self) -> Measured:
        """How long Python takes to come up, which inlet's times include."""
        took = [measure([sys.executable, "-c", START], case="start", system="inlet", size=0, rows=0) for _ in range(3)]
        return self._measured(took)

    def _measured(self, results: Sequence[Result]) -> Measured:
        return Measured(**median(results).model_dump(), setting=self.setting)

    def _run(self, case: str, system: str, command: Sequence[str]) -> list[Result]:
        """One run; nothing where the program is not here, or failed."""
        program = path_of(command[0])
        if program is None:
            self.absent.add(command[0])
            return []
        parts = self.scratch / "parts"
        parts.mkdir()
        size, env = self.given.csv.stat().st_size, os.environ | {"GNUPGHOME": str(self.given.home)}
        try:
            result = measure([program, *command[1:]], case=case, system=system, size=size, rows=0, env=env)
            if system == "inlet":
                verify(self.given.csv, parts, files=len(self.given.files[case]))
        except (subprocess.CalledProcessError, ValueError) as error:
            self.failures[case, system] = str(error)
            return []
        finally:
            shutil.rmtree(parts)
        return [result]


def verify(csv: Path, parts: Path, files: int = 1) -> None:
    """Raise `ValueError` unless the parts, in the order of their names, are the CSV behind its header."""
    want, have = hashlib.sha256(), hashlib.sha256()
    with csv.open("rb") as stream:
        stream.readline()
        while block := stream.read(1 << 20):
            want.update(block)
    for path in sorted(parts.iterdir()):
        with path.open("rb") as packed:
            for block in zstandard.ZstdDecompressor().read_to_iter(packed):
                have.update(block)
    if want.digest() != have.digest():
        raise ValueError(f"the parts of {files} files are not the CSV")


def verdicts(results: Iterable[Result], goals: bool) -> Iterator[str]:
    """Inlet against the others, with the goal, if there is one, and whether it is met."""
    by = {(result.case, result.system): result for result in results}
    for case in BARE:
        inlet = by.get((case, "inlet"))
        if inlet is None:
            continue
        for other in ("bare", "gzip", "igzip", "zstd"):
            if (case, other) in by:
                goal = GOALS.get(other) if case == "gz" else None
                yield _verdict(case, inlet, other, by[case, other].seconds, goal if goals else None)
        if case != "gz" and {(case, "bare"), (case, "zstd")} <= by.keys():
            slower = max(by[case, "bare"].seconds, by[case, "zstd"].seconds)
            yield _verdict(case, inlet, "the slower of bare and zstd", slower, OTHER_GOAL if goals else None)
        met = "met" if inlet.peak_rss_mb <= MEMORY else "NOT met"
        yield f"{case}: inlet peaks at {inlet.peak_rss_mb:,.0f} MB" + (
            f" (goal: {MEMORY:,.0f}, {met})" if goals else ""
        )


def _verdict(case: str, inlet: Result, other: str, seconds: float, goal: float | None) -> str:
    times = inlet.seconds / seconds
    said = f" (goal: at most {goal:.2f}, {'met' if times <= goal else 'NOT met'})" if goal else ""
    return f"{case}: inlet takes {times:.2f} x {other}{said}"


def _made(csv: Path, ending: str, command: Sequence[str]) -> Path:
    """The CSV wrapped by a command that writes to its output."""
    target = csv.with_name(f"{csv.name}.{ending}")
    if not target.exists():
        draft = csv.with_name(f"{csv.name}.{ending}.draft")
        with draft.open("wb") as out:
            subprocess.run([*command, str(csv)], stdout=out, check=True)
        draft.rename(target)
    return target


def _quarter(csv: Path, quarters: Sequence[Path]) -> None:
    """Cut the CSV at line ends; each of its lines is a record, and the header stands in every file."""
    if all(path.exists() for path in quarters):
        return
    size = -(-csv.stat().st_size // len(quarters))
    with csv.open("rb") as stream:
        header = stream.readline()
        for path in quarters:
            with path.open("wb") as out:
                out.write(header)
                left = size
                while left > 0 and (block := stream.read(min(left, 1 << 20))):
                    left -= out.write(block)
                out.write(stream.readline())


@contextmanager
def scratch(need: int) -> Iterator[tuple[Path, str]]:
    """A folder in memory, where that has room for so many bytes, or on disk; and which of the two, in words."""
    memory = Path("/dev/shm")  # noqa: S108  # a folder of our own is made in it
    there = memory.is_dir() and min(shutil.disk_usage(memory).free, psutil.virtual_memory().available) > need
    with tempfile.TemporaryDirectory(prefix="inlet-bench-", dir=memory if there else None) as folder:
        yield Path(folder), "a RAM disk" if there else "a disk"


def main(size: Size = "small") -> None:
    """Measure all cases, show them beside their goals and save them; exits with 1 where a system failed."""
    console = Console()
    with (
        inputs(ROWS[size], RESULTS.resolve() / f"unwrap-{size}") as given,
        scratch(given.csv.stat().st_size) as (folder, where),
        console.status("warming up") as status,
    ):
        bench = Bench(given, folder, f"parts on {where}, {os.cpu_count()} cores")
        results = [bench.start()]
        bench.compare("zst", 1)
        for case in BARE:
            status.update(case)
            results += bench.compare(case, RUNS[size])
    path = save("unwrap", results)
    console.print(table(results[1:]), f"{datetime.now(UTC):%Y-%m-%d}, {bench.setting}; see {path}")
    console.print(f"Of inlet's time, Python's start: {results[0].seconds:.2f} s")
    for line in verdicts(results, goals=size == "full"):
        console.print(line)
    for program in sorted(bench.absent):
        console.print(f"{program} is not here, and was not measured")
    for (case, system), failure in bench.failures.items():
        console.print(f"{case}: {system} FAILED: {failure}")
    raise typer.Exit(1 if bench.failures else 0)


if __name__ == "__main__":
    typer.run(main)
