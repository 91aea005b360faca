"""Unwrapping by wrapping, converting by format, both by amount, cores, and number of small files."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from bench.convert import CSV_ROW
from bench.scale.measuring import FILES, SMALL, Bench, Clock
from bench.scale.points import GIB, MIB, Point, Unit

if TYPE_CHECKING:
    from blocks.lake import Lake
    from spark.parts import StagedFile
    from tasks.drop import Drop
    from tasks.gpg import Decrypt
    from tasks.run import Run
    from tasks.staging import Stage
    from tasks.unwrap import Parts

NO_SPARK = 1 << 60  # bytes of a file from which Spark would convert it


def unwrap(bench: Bench) -> Iterator[Point]:
    """Wrappings of a CSV, bzip2 apart (docs/unwrap.md); all but gzip, which is most common, of two sizes."""
    from bench.unwrap import inputs

    yield from _measured(bench, [(bench.file("csv_gz", size), 1) for size in bench.sizes], "csv", "gz")
    with ExitStack() as stack:
        given = [
            stack.enter_context(inputs(round(size / CSV_ROW), bench.folder / f"wrapped-{size // MIB}"))
            for size in bench.sizes[:2]
        ]
        for wrapping in ("zip", "zst"):
            yield from _measured(bench, [(one.files[wrapping][0], 1) for one in given], "csv", wrapping)
        for one in given:  # each has a key of its own
            yield from _measured(bench, [(one.files["gpg"][0], 1)], "csv", "gpg", gpg_home=one.home)


def convert(bench: Bench) -> Iterator[Point]:
    """Formats, none of them wrapped; a CSV on fewer cores; small files."""
    wrappings = {"csv": "none", "xport": "none, staged whole", "fwf": "none (fwf)", "xml": "none (xml)"}
    for case, wrapping in wrappings.items():
        files = [(bench.file(case, size), 1) for size in bench.sizes]
        yield from _measured(bench, files, case, wrapping, convert=True)
    middle = bench.file("csv", bench.sizes[1])
    for cores in range(1, bench.cores):
        yield from _measured(bench, [(middle, 1)], "csv", "none", cores=cores, convert=True)
    file = bench.file("csv", SMALL)
    yield from _measured(bench, [(file, number) for number in FILES], "csv", "files", convert=True)


def _measured(
    bench: Bench,
    files: Sequence[tuple[Path, int]],
    case: str,
    wrapping: str,
    *,
    gpg_home: Path | None = None,
    cores: int | None = None,
    convert: bool = False,
) -> list[Point]:
    with tempfile.TemporaryDirectory(dir=bench.scratch) as out:
        return bench.run(
            stage_and_convert,
            cores=cores,
            files=files,
            case=case,
            wrapping=wrapping,
            gpg_home=gpg_home,
            out=out,
            convert=convert,
        )


def stage_and_convert(
    files: Sequence[tuple[Path, int]], case: str, wrapping: str, gpg_home: Path | None, out: Path, convert: bool
) -> list[Point]:
    """Unwrap a file, so many times, into parts and, where told, convert these; each into a lake of its own."""
    from blocks.lake import Lake
    from tasks.convert import to_raw
    from tasks.gpg import decrypter
    from tasks.staging import Wrapped

    decrypt = decrypter(gpg_home) if gpg_home else None
    several = wrapping == "files"
    unit: Unit = "files" if several else "GiB"
    points = []
    for file, number in files:
        into = Path(tempfile.mkdtemp(dir=out))
        run, drop = run_of(case, Lake(root=f"file://{into}/lake"))
        wrapped = [Wrapped(str(file), (f"{n:05}-{file.name}",)) for n in range(number)]
        stage = stage_of(run, run.lake.path("staged"), len(os.sched_getaffinity(0)), decrypt)
        with Clock() as clock:
            found = stage.files(wrapped)
        amount = number if several else sum(part.bytes for _, one in found for part in one.parts) / GIB
        points.append(clock.point("unwrap", wrapping, unit, amount))
        if convert:
            parts = parts_of(drop, found)
            with Clock() as clock:
                to_raw(parts, run, spark_from=NO_SPARK)
            size = sum(os.path.getsize(url.removeprefix("file://")) for url in run.tables.files("raw.bench_data"))
            points.append(clock.point("convert", "files" if several else case, unit, amount, out=size / GIB))
        shutil.rmtree(into)
    return points


def run_of(case: str, lake: "Lake") -> tuple["Run", "Drop"]:
    """A run for a source of one dataset, `data`, of the format of a case of `bench.convert`, and a drop."""
    from bench.convert_systems import WIDTHS
    from bench.synthetic.pubmed import PUBMED
    from spark.readers import AnyReader, Csv, Field, Fixed, Layout, Sas
    from tasks.drop import Drop
    from tasks.run import Run
    from tasks.source import Dataset, Source

    starts = accumulate(WIDTHS.values(), initial=1)
    fields = tuple(
        Field(name=name, start=start, length=width)
        for (name, width), start in zip(WIDTHS.items(), starts, strict=False)
    )
    readers: dict[str, AnyReader] = {"fwf": Fixed(layouts=(Layout(fields=fields),)), "xport": Sas(), "xml": PUBMED}
    dataset = Dataset(members=".*", reader=readers.get(case, Csv()))
    source = Source(slug="bench", at="bench", deliveries=(), datasets={"data": dataset}, phi="no")
    instant = datetime(2026, 11, 1, tzinfo=UTC)
    drop = Drop(source="bench", key="one", as_of=instant, kind="full", revision=1, files=())
    return Run(source, lake, "run"), drop


def stage_of(run: "Run", folder: str, cores: int, decrypt: "Decrypt | None" = None) -> "Stage":
    """What unwraps files of that dataset into an empty folder of the lake, which is made."""
    from tasks.staging import Choice, Stage

    fs = run.lake.fs()
    fs.makedirs(folder, exist_ok=True)
    choice = Choice("data", run.source.datasets["data"].reader)
    return Stage(fs, folder, lambda _file, _member: choice, cores, {"decrypt": decrypt} if decrypt else {})


def parts_of(drop: "Drop", found: "Sequence[tuple[str, StagedFile]]") -> "Parts":
    """The parts of a drop whose files have been staged."""
    from tasks.unwrap import Parts

    return Parts(drop=drop, fingerprint="f", up_to_date=False, datasets={"data": tuple(one for _, one in found)})
