"""Commits to one table, `raw.t`: by what was there before them, by what they bring, and beside other writers."""

import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa

from bench.scale.measuring import Bench, Clock
from bench.scale.points import Point, Unit

if TYPE_CHECKING:
    from spark.parts import DataFile
    from spark.tables import Mark, Tables

DROPS = {45: (1, 100, 400), 330: (1, 50, 150)}  # of a dataset of so many columns, whose nulls each mark counts
MARKS, FILES, WRITERS = (100, 1_000, 5_000), (1, 100, 1_000), (1, 4, 8)
COLUMNS = 45  # where their number is no matter
COMMITS = 5  # of each writer


def commit(bench: Bench) -> Iterator[Point]:
    """One commit, by what was there before it and what it brings."""
    with tempfile.TemporaryDirectory(dir=bench.scratch) as folder:
        for columns, stops in DROPS.items():
            yield from bench.run(commit_drops, folder=f"{folder}/drops-{columns}", columns=columns, stops=stops)
            yield from bench.run(commit_to_marks, folder=f"{folder}/marks-{columns}", columns=columns, stops=MARKS)
        yield from bench.run(commit_files, folder=f"{folder}/files", stops=FILES)


def expire(bench: Bench) -> Iterator[Point]:
    """What it saves that old snapshots are gone."""
    with tempfile.TemporaryDirectory(dir=bench.scratch) as folder:
        yield from bench.run(commit_and_expire, folder=folder, drops=DROPS[COLUMNS][1])


def writers(bench: Bench) -> Iterator[Point]:
    """Commits of several writers to one table at once, by a catalog on PostgreSQL: how long all take, and fail."""
    from tests import servers

    with tempfile.TemporaryDirectory(dir=bench.scratch) as root:
        for number in WRITERS:
            folder = Path(root, str(number))
            with ExitStack() as stack:
                catalog = stack.enter_context(servers.postgres()).replace("asyncpg", "psycopg2")
                OneTable.made(folder, COLUMNS, catalog)
                started = [
                    stack.enter_context(bench.started(commit_at_once, folder=folder, catalog=catalog, writer=writer))
                    for writer in range(number)
                ]
                for writer, process in enumerate(started):
                    process.await_file(folder / f"ready-{writer}")
                (folder / "go").touch()
                points = [point for process in started for point in process.points()]
            update = {
                "amount": number,
                "seconds": max(point.seconds for point in points),
                "cpu": round(sum(point.cpu for point in points), 3),
                "more": {"failed": sum(point.more["failed"] for point in points)},
            }
            yield points[0].model_copy(update=update)


def commit_drops(folder: Path, columns: int, stops: Sequence[int]) -> list[Point]:
    """Commit drop after drop of one small file; what one takes when there are so many, of the last ten."""
    table = OneTable.made(folder, columns)
    clocks, points = [], []
    for number in range(1, stops[-1] + 1):
        with Clock() as clock:
            table.commit(f"{number:06}")
        clocks.append(clock)
        if number in stops:
            points.append(_mean(f"drops of {columns} columns", "drops", number, clocks[-10:], table))
    return points


def commit_to_marks(folder: Path, columns: int, stops: Sequence[int]) -> list[Point]:
    """The same where drops have left their marks and their snapshots have expired."""
    points = []
    for marks in stops:
        table = OneTable.made(folder / str(marks), columns)
        table.commit("first", also=[f"{number:06}" for number in range(marks)])
        clocks = []
        for number in range(3):
            with Clock() as clock:
                table.commit(f"new-{number}")
            clocks.append(clock)
        points.append(_mean(f"marks of {columns} columns", "marks", marks, clocks, table))
    return points


def commit_and_expire(folder: Path, drops: int) -> list[Point]:
    """One commit after so many, and one once their snapshots have been expired."""
    from spark.expire import expire

    table = OneTable.made(folder, COLUMNS)
    for number in range(drops):
        table.commit(f"{number:06}")
    points = []
    for case in ("drops, before expire", "drops, after expire"):
        with Clock() as clock:
            table.commit(case)
        points.append(_mean(case, "drops", drops, [clock], table))
        expire(table.tables, table.name, timedelta(0), 1)
    return points


def commit_files(folder: Path, stops: Sequence[int]) -> list[Point]:
    """Commit a drop of many files, and plan what a reader reads of it."""
    points = []
    for number in stops:
        table = OneTable.made(folder / str(number), COLUMNS)
        file = Path(table.file.url.removeprefix("file://"))
        links = [file.with_name(f"{n}.parquet") for n in range(number)]
        for link in links:
            os.link(file, link)
        files = [table.file.model_copy(update={"url": f"file://{link}"}) for link in links]
        with Clock() as clock:
            table.commit("a", files)
        points.append(clock.point("commit", "files", "files", number))
        with Clock() as clock:
            table.tables.files(table.name)
        points.append(clock.point("commit", "plan of files", "files", number))
    return points


def commit_at_once(folder: Path, catalog: str, writer: int) -> list[Point]:
    """One of several writers, each of drops of its own, when `go` is there; how many of its commits failed."""
    from pyiceberg.exceptions import CommitFailedException

    table = OneTable.there(folder, COLUMNS, catalog)
    (folder / f"ready-{writer}").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    failed = 0
    with Clock() as clock:
        for number in range(COMMITS):
            try:
                table.commit(f"{writer}-{number}")
            except CommitFailedException:
                failed += 1
    return [clock.point("commit", "writers", "writers", COMMITS, failed=failed)]


@dataclass(frozen=True)
class OneTable:
    """A table of so many columns in a lake of its own, and a file of one row for it."""

    tables: "Tables"
    schema: pa.Schema
    file: "DataFile"
    columns: int
    name: ClassVar[str] = "raw.t"

    @classmethod
    def there(cls, folder: Path, columns: int, catalog: str = "") -> "OneTable":
        """The table where it is in a lake below a folder; or where it will be, once a drop is committed."""
        from pydantic import SecretStr

        from blocks.lake import Lake
        from spark.convert import raw_schema
        from spark.tables import Tables
        from spark.writer import write

        folder.mkdir(parents=True, exist_ok=True)
        lake = Lake(root=f"file://{folder}/lake", catalog=SecretStr(catalog) if catalog else None)
        tables = Tables(lake.catalog_properties(), lake.url())
        schema = raw_schema([f"column_{n}" for n in range(columns)])
        row = pa.table([pa.array(["a" if f.type == pa.string() else 1], f.type) for f in schema], schema=schema)
        (file,) = write([row], tables.folder(cls.name), schema)
        return cls(tables, schema, file, columns)

    @classmethod
    def made(cls, folder: Path, columns: int, catalog: str = "") -> "OneTable":
        """The table with a first drop."""
        table = cls.there(folder, columns, catalog)
        table.commit("0")
        return table

    def commit(self, drop: str, files: "Sequence[DataFile] | None" = None, also: Sequence[str] = ()) -> None:
        """Commit a drop of its one file, or of others, and leave the marks of other drops beside its own."""
        self.tables.replace(
            self.name,
            self.schema,
            {"_drop": drop},
            [self.file] if files is None else files,
            mark=("drop", drop, self._mark()),
            also=[("drop", other, self._mark()) for other in also],
        )

    def _mark(self) -> "Mark":
        """A mark as `convert` leaves it: it counts the nulls of each column."""
        nulls = {f"column_{n}_with_a_name": 123_456 for n in range(self.columns)}
        return {"fingerprint": "f" * 64, "run": "r" * 36, "rows": 1, "rejected": 0, "reasons": {}, "nulls": nulls}

    @property
    def metadata_mb(self) -> float:
        """MB of the table's metadata file, which every commit reads and writes."""
        location = self.tables.catalog.load_table(self.name).metadata_location
        return os.path.getsize(location.removeprefix("file://")) / 1e6


def _mean(case: str, unit: Unit, amount: float, clocks: Sequence[Clock], table: OneTable) -> Point:
    """What a commit took on average, and how large the metadata was in the end."""
    point = clocks[-1].point("commit", case, unit, amount, metadata_mb=round(table.metadata_mb, 3))
    seconds, cpu = (statistics.fmean(getattr(clock, name) for clock in clocks) for name in ("seconds", "cpu"))
    return point.model_copy(update={"seconds": round(seconds, 4), "cpu": round(cpu, 4)})
