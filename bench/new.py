"""`make bench-new`: drafts a source from every real sample, runs it as it was written, and says what came of it.

Each file is alone in a folder that plays a party's drive. `inlet new` drafts a source from it; the drafted flow, not a
letter changed, brings it into a lake in a folder. `SIZE=full` writes the table into docs/new.md; small takes a tenth.
"""

import importlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer
from pydantic import BaseModel

from spark.errors import DataError
from spark.session import SMALL

if TYPE_CHECKING:
    from blocks.lake import Lake

FOLDERS = ("csv", "healthcare", "pii", "xml", "sas", "sources")
HOME, PAGE = Path("build/bench/new"), Path("docs/new.md")
_BEGIN, _END = "<!-- made by make bench-new SIZE=full -->", "<!-- end -->"

_REFUSED = re.compile(
    r".*/imsweb-837/x12_(bad_first_line|bad_segment_identifier|no_isa_line)\.txt"
    r"|.*/bcda-archives/(corrupted|8/invalid)/.*|.*\.ZC9Y18\.D181120\.T1000009|.*NOT_XPT.*|.*/ctgov/v2-from-docs/error_.*"
)
"""Files without an entry in the truth that were made, or kept, to be refused: by their names, and sources/INDEX.md."""

_DOCUMENT = re.compile(
    r"(?i).*\.(md|pdf|html?|dtd|xsd|md5|sas7bcat|serial|tdda)|.*readme.*|.*ASC_NTS.*|.*/templates\.txt"
)
"""Files among the samples that describe others and are no data."""


class Tried(BaseModel, frozen=True):
    """What came of one sample. `came` is yes, refused (rightly: its truth says that a reader must) or no, with `why`.

    `seconds` is how long drafting took, `run` how long the flow did; `mapped` are the schemas that rows came into.
    """

    file: str
    came: Literal["yes", "refused", "no"]
    why: str = ""
    rows: int = 0
    rejected: int = 0
    mapped: dict[str, int] = {}
    proposed: tuple[str, ...] = ()
    seconds: float
    run: float = 0


def main(
    size: Annotated[str, typer.Option(help="small: a tenth of the files; full: all, and docs/new.md")] = "small",
    only: Annotated[str, typer.Option(help="Files whose path holds this.")] = "",
    workers: Annotated[int, typer.Option(help="Processes that try files side by side.")] = 2,
    root: Annotated[str | None, typer.Option(envvar="INLET_REALDATA")] = None,
) -> None:
    """Try all samples and print what did not run."""
    if root is None:
        raise typer.BadParameter("INLET_REALDATA names no folder of real files")
    files = [file for file in samples(Path(root)) if only in file]
    chosen = files if size == "full" or only else files[::10]
    shutil.rmtree(HOME, ignore_errors=True)
    tried = []
    with ProcessPoolExecutor(workers, get_context("spawn"), _alone) as pool:
        for one in pool.map(attempt, [Path(root)] * len(chosen), chosen):
            tried.append(one)
            if one.came != "yes" or only:
                typer.echo(f"{one.came} {one.file} {one.rows:,} {one.why or '; '.join(one.proposed)}")
    for line in sums(tried):
        typer.echo(line)
    (HOME.parent / "new.json").write_text(json.dumps([one.model_dump() for one in tried], indent=1))
    if size == "full" and not only:
        publish(tried)


def samples(root: Path) -> list[str]:
    """Paths below `root` of the files that are data."""
    files = (file for folder in FOLDERS for file in sorted((root / folder).rglob("*")) if file.is_file())
    return [name for file in files if not _DOCUMENT.fullmatch(name := str(file.relative_to(root)))]


def attempt(root: Path, name: str) -> Tried:
    """Draft a source from a file that is alone in its folder, and run it."""
    from tasks.new import draft

    file, truth = root / name, json.loads((root / "truth.json").read_text()).get(name, {})
    home = HOME / re.sub(r"\W+", "_", name)
    shutil.rmtree(home, ignore_errors=True)
    outside = home / "outside"
    outside.mkdir(parents=True)
    shutil.copy2(file, outside)
    shutil.copy("prefect.yaml", home)
    begun = time.monotonic()
    try:
        drafted = draft(str(outside / file.name), _slug(name), home)
    except (DataError, ValueError, OSError) as error:
        came: Literal["refused", "no"] = "refused" if _must_be_refused(name, truth) else "no"
        said = " ".join(str(error).split())
        return Tried(file=name, came=came, why=said[:200], seconds=time.monotonic() - begun)
    seconds = time.monotonic() - begun
    begun = time.monotonic()
    try:
        rows, rejected, mapped = run(Path(drafted.flow), drafted.slug, outside, home / "lake")
    except Exception as error:  # whatever it is, the flow did not run
        return Tried(file=name, came="no", why=f"{type(error).__name__}: {error}"[:200], seconds=seconds)
    return Tried(
        file=name,
        came="yes",
        rows=rows,
        rejected=rejected,
        mapped=mapped,
        proposed=tuple(drafted.proposed),
        seconds=seconds,
        run=time.monotonic() - begun,
    )


def _slug(name: str) -> str:
    """A name that no other sample has."""
    return f"try-{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}"


def _must_be_refused(name: str, truth: dict[str, Any]) -> bool:
    """Whether an independent reader refuses the file."""
    return _REFUSED.fullmatch(name) is not None or any(
        "error" in key or (isinstance(of, dict) and of.get("error")) for key, of in truth.items()
    )


def run(flow: Path, slug: str, outside: Path, where: Path) -> tuple[int, int, dict[str, int]]:
    """Run a drafted flow on its folder: rows and rejected records in Raw, and rows by common schema.

    Raises `RuntimeError` where it fails, or brings a dataset of it nowhere.
    """
    from prefect.client.schemas.objects import State

    import flows
    from blocks.drive import Drive
    from blocks.lake import Lake
    from spark.tables import Tables
    from tasks.source import Source

    flows.__path__.append(str(flow.parent.resolve()))  # as if it stood beside the others
    module = importlib.import_module(f"flows.{flow.stem}")
    source = next(value for value in vars(module).values() if isinstance(value, Source))
    lake = Lake(root=str(where.resolve()))
    Drive(path=outside.resolve()).save(slug, overwrite=True)
    lake.save("lake", overwrite=True)
    state = cast("State[object]", getattr(module, flow.stem)(return_state=True))
    if not state.is_completed():
        raise RuntimeError(state.message)
    tables = Tables(lake.catalog_properties(), lake.url())
    marks = [mark for each in source.datasets for mark in tables.marks(source.table("raw", each), "drop").values()]
    if len(marks) < len(source.datasets):
        raise RuntimeError(f"it ended, and Raw has {len(marks)} of {len(source.datasets)} datasets: {state.message}")
    return sum(mark["rows"] for mark in marks), sum(mark["rejected"] for mark in marks), _mapped(lake, tables)


def _mapped(lake: "Lake", tables: Any) -> dict[str, int]:  # noqa: ANN401  # as Iceberg loads slowly
    from spark.schemas import SCHEMAS

    return {name: rows for name in SCHEMAS if (rows := tables.rows(f"current.{name}"))}


def sums(tried: Sequence[Tried]) -> Iterator[str]:
    """A line of a table for each folder, and for all."""
    yield "| folder | files | run as written | of those to be read | refused, rightly | median seconds |"
    yield "|---|---:|---:|---:|---:|---:|"
    for folder in (*FOLDERS, ""):
        here = [one for one in tried if one.file.startswith(f"{folder}/") or not folder]
        if not here:
            continue
        ran, refused = (sum(one.came == came for one in here) for came in ("yes", "refused"))
        share = f"{ran / max(1, len(here) - refused):.1%}"
        seconds = sorted(one.seconds for one in here)[len(here) // 2]
        yield f"| {folder or 'all'} | {len(here)} | {ran} | {share} | {refused} | {seconds:.2f} |"


def publish(tried: Sequence[Tried]) -> None:
    """Write the tables into the page, between its marks."""
    lines = [*sums(tried), "", "| file | runs as written | rows | rejected | in Transformed | lines edited | seconds |"]
    lines.append("|---|---|---:|---:|---|---:|---:|")
    for one in tried:
        came = {"yes": "yes", "refused": "refused, rightly", "no": "no"}[one.came]
        why = f": {_plain(one.why)}" if one.why else ""
        mapped = ", ".join(f"{schema} {rows:,}" for schema, rows in one.mapped.items())
        edited = 0 if one.came == "yes" else "–"
        counts = f"{one.rows:,} | {one.rejected:,} | {mapped} | {edited} | {one.seconds:.2f}"
        lines.append(f"| {one.file} | {came}{why} | {counts} |")
    text = PAGE.read_text()
    head, rest = text.split(_BEGIN)
    PAGE.write_text(f"{head}{_BEGIN}\n\n{chr(10).join(lines)}\n\n{_END}{rest.split(_END)[1]}")


def _plain(text: str) -> str:
    return text.replace("|", "/").replace("<", "&lt;").replace(str(Path.cwd()), "").replace("\n", " ")


def _alone() -> None:
    """Before Prefect is imported: a process has blocks and runs of its own, and no log."""
    home = (HOME / f"prefect-{os.getpid()}").resolve()
    home.mkdir(parents=True)
    os.environ["PREFECT_HOME"] = str(home)
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "300")
    os.environ.setdefault("SPARK_LOCAL_DIRS", str(HOME.resolve()))
    os.environ.setdefault("INLET_JAVA_OPTIONS", SMALL)


if __name__ == "__main__":
    typer.run(main)
