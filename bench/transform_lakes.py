"""The lakes that `bench.transform` begins with, and the increments that come to them.

A lake is made once and kept; what is measured works on a copy of it, of links.
"""

import os
import shutil
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

import pyarrow as pa

from bench.synthetic import claims
from bench.synthetic.claims import DROP, Pattern
from spark.current import SLAB
from spark.parts import DataFile
from spark.schemas import Claim
from spark.writer import ROW_GROUP, SORTED, ParquetWriter

if TYPE_CHECKING:
    from tasks.drop import Drop
    from tasks.run import Run

SHARE = 100
"""Rows that there are, by those of an increment."""

SEQUENCE = 20
"""All rows, by those that a sequence begins with; their files are smaller by as much, so that there are as many."""


class Files(NamedTuple):
    """Data files of a table by path, and their bytes."""

    sizes: dict[str, int]

    @classmethod
    def of(cls, run: "Run", table: str) -> "Files":
        """Those that its snapshot has now."""
        paths = [url.removeprefix("file://") for url in run.tables.files(table)]
        return cls({path: os.path.getsize(path) for path in paths})

    def new(self, before: "Files") -> int:
        """Bytes of those that were not there before."""
        return sum(size for path, size in self.sizes.items() if path not in before.sizes)

    def gone(self, before: "Files") -> int:
        """How many of those before are no longer there."""
        return len(before.sizes.keys() - self.sizes.keys())


def fresh(folder: Path) -> "Run":
    """The lake as it was made, again: data files are immutable, so that links will do; the catalog is copied."""
    from blocks.lake import Lake
    from spark.readers import Csv
    from tasks.run import Run
    from tasks.source import Dataset, Source

    def kept(source: str, to: str) -> None:
        (shutil.copy2 if source.endswith(".db") else os.link)(source, to)

    lake = folder / "lake"
    shutil.rmtree(lake, ignore_errors=True)
    if (folder / "kept").exists():
        shutil.copytree(folder / "kept", lake, copy_function=kept)
    source = Source(
        slug="bench", at="bench", deliveries=(), datasets={"part_a": Dataset(members=".*", reader=Csv())}, phi="no"
    )
    return Run(source, Lake(root=f"file://{lake}"), "run")


def made_raw(folder: Path, rows: int) -> None:
    """A lake whose table `raw.bench_part_a` holds one drop."""
    run = fresh(folder)
    name = run.source.table("raw", "part_a")
    files = _written(claims.raw(rows), run.tables.folder(name), claims.RAW, ROW_GROUP)
    mark = run.mark("raw", rows=rows, rejected=0, reasons={}, nulls={})
    run.tables.replace(name, claims.RAW, {"_drop": DROP}, files, mark=("drop", DROP, mark))
    _keep(folder)


def made_current(folder: Path, rows: int, slab: int = SLAB) -> None:
    """A lake that has published one drop of `rows` claims, but for those that lack what is required.

    `slab`: bytes in memory of a file of `current`.
    """
    from tasks.publish import apply

    run = fresh(folder)
    commit(run, drop(0), claims.transformed(rows))
    apply(Claim, run, slab=slab)
    _keep(folder)


def _keep(folder: Path) -> None:
    (folder / "lake").rename(folder / "kept")


def drop(number: int) -> "Drop":
    """The drop that was there before, 0, or an increment."""
    from tasks.drop import Drop

    return Drop(
        source="bench",
        key=f"increment-{number:03}" if number else DROP,
        as_of=datetime(2026, 1, 10, tzinfo=UTC) + timedelta(days=number),
        kind="incremental" if number else "full",
        revision=1,
        files=(),
    )


def commit(run: "Run", of: "Drop", rows: Iterable[pa.Table]) -> list[DataFile]:
    """Put rows where a transform would have put them."""
    from tasks.transform import key

    name = f"transformed.{Claim}"
    files = _written(rows, run.tables.folder(name), Claim.arrow, SORTED)
    mark = run.mark(
        of.key,
        rows=sum(file.rows for file in files),
        held=0,
        duplicates=0,
        reasons={},
        as_of=of.as_of.isoformat(),
        kind=of.kind,
        revision=of.revision,
    )
    here = {"_source": of.source, "_drop": of.key}
    run.tables.replace(name, Claim.arrow, here, files, mark=("drop", key(run, of), mark))
    return files


def _written(tables: Iterable[pa.Table], folder: str, schema: pa.Schema, row_group: int) -> list[DataFile]:
    with ParquetWriter(folder, schema, row_group=row_group) as writer:
        for table in tables:
            writer.write(table)
        return writer.close()


def pattern_of(case: str) -> Pattern:
    """The pattern of a case that publishes one increment. Raises `KeyError`."""
    patterns: dict[str, Pattern] = {pattern: pattern for pattern in get_args(Pattern)}
    return patterns[case]


def increment(run: "Run", pattern: Pattern, number: int, rows: int) -> tuple[list[DataFile], float]:
    """An increment in Transformed, not published; and the seconds that making it took."""
    began = time.monotonic()
    files = commit(run, drop(number), [claims.increment(pattern, number, rows, rows // SHARE)])
    return files, time.monotonic() - began
