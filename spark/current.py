"""`current`: of each key and source the version that holds, and `history`: those that no longer do.

A publish is cut into slabs, and shares of slabs side by side are done by threads, or wherever Spark has cores. It goes
forward from what `current` has, where its drops come after all that are applied; else the versions of keys are worked
out again from all drops. What is committed is the caller's to decide: here files are read and written.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import BinaryIO, NamedTuple, TypeVar, cast

import fsspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel

from spark.errors import CountMismatch
from spark.parts import DataFile
from spark.schemas import Schema
from spark.slabs import Group, Slab, overlapping, slabs
from spark.tables import Ranged, Value, batches
from spark.versions import (
    RANK,
    Ranked,
    among,
    current_schema,
    history_schema,
    instants,
    like_before,
    like_the_row_before,
    names,
    versions,
)
from spark.writer import SORTED, ParquetWriter

T = TypeVar("T")
R = TypeVar("R")

SLAB = 64 * 1024 * 1024
"""Bytes in memory of a file of `current`. That is what one changed row has written again, some 15 MiB of Parquet, and
several times that is what a thread holds. A table of 1 TiB in memory has 16,000 such files, which Iceberg's plan lists
in seconds; larger ones would be fewer, and every increment would cost as much more."""

CACHE = 256 * 1024 * 1024
"""Bytes in memory of drops' row groups that a share keeps, as the next slab begins within them."""

LONGEST = 4000
"""Bytes of a value in a key's first column: of longer ones Parquet keeps no bounds, and they would not be found."""


class Job(NamedTuple):
    """What holds for all slabs of a publish.

    `drops` are those that are read, in order. `forward`: what `current` has was said before them; else they are all
    that there are, and nothing but them counts. `parts` are those of drops that `current` has, by key, where they are
    not `""`. `size` is the number of rows of a file.
    """

    schema: Schema
    source: str
    drops: Sequence[Ranked]
    parts: Mapping[str, str]
    forward: bool
    size: int
    into: str
    history_into: str


class Task(NamedTuple):
    """A slab, and of which keys, in it, versions are worked out again; None: all."""

    slab: Slab
    keys: pa.Table | None = None


def tasks(
    files: Iterable[Ranged],
    groups: Iterable[Group],
    key: str,
    size: int,
    *,
    every: bool = False,
    keys: pa.Table | None = None,
) -> list[Task]:
    """What is to be done of `spark.slabs.slabs`: all of them or, where versions of some keys are, those with such."""
    found = slabs(files, groups, size, every=every or keys is not None)
    if keys is None:
        return [Task(slab) for slab in found]
    made = [Task(slab, _own(_between(keys, key, slab.low, slab.high))) for slab in found]
    return [task for task in made if task.slab.shared or task.keys is None or task.keys.num_rows]


def _own(rows: pa.Table) -> pa.Table:
    """Rows in memory of their own, as what they are a slice of would be sent with them."""
    return rows.take(pa.array(np.arange(rows.num_rows)))


class Merged(BaseModel, frozen=True):
    """What shares of a publish came to.

    `files` take the place of `replaced`, URLs; `closed_files` hold `closed` versions. `opened` versions of `current`
    are not those of before, and `ended` of before are not there any more. `memory` is the size of the rows in `files`.
    """

    files: tuple[DataFile, ...] = ()
    replaced: frozenset[str] = frozenset()
    closed_files: tuple[DataFile, ...] = ()
    opened: int = 0
    ended: int = 0
    closed: int = 0
    memory: int = 0

    def __add__(self, other: "Merged") -> "Merged":
        return Merged(
            files=self.files + other.files,
            replaced=self.replaced | other.replaced,
            closed_files=self.closed_files + other.closed_files,
            opened=self.opened + other.opened,
            ended=self.ended + other.ended,
            closed=self.closed + other.closed,
            memory=self.memory + other.memory,
        )

    @property
    def rows(self) -> int:
        """Rows in the files that were written."""
        return sum(file.rows for file in self.files)


def merge(share: Iterable[Task], job: Job, fs: fsspec.AbstractFileSystem | None = None) -> Merged:
    """Do slabs side by side, in their order, and write what came of them; only files in the answer count.

    A file of `current` none of whose rows changes is not written again. Raises `CountMismatch` where a drop has several
    rows of one key, and `ValueError` where the key's first column has a value longer than `LONGEST`.
    """
    drops = _Drops(job, fs)
    done = Merged()
    with ParquetWriter(job.history_into, history_schema(job.schema), fs, row_group=SORTED) as history:
        for task in share:
            done += _slab(task, job, drops, history, fs)
        return done + Merged(closed_files=tuple(history.close()))


def _slab(
    task: Task, job: Job, drops: "_Drops", history: ParquetWriter, fs: fsspec.AbstractFileSystem | None
) -> Merged:
    slab, key = task.slab, job.schema.key
    before = _Held(slab.files, current_schema(job.schema), key, fs)
    results: list[Callable[[], pa.Table]] = []
    opened = ended = closed = 0
    for low, high in slab.steps:
        keys = None if task.keys is None else _between(task.keys, key[0], low, high)
        new = drops.rows(slab.groups, low, high, keys)
        if _passes(new, keys, job):
            results.append(partial(before.between, low, high))
            continue
        rows = before.between(low, high)
        if keys is not None:
            theirs = among(rows, keys, key)
        elif job.forward and not _ends_absent(job):
            theirs = among(rows, new, key[:1])
        else:
            theirs = np.ones(rows.num_rows, bool)
        old = rows.filter(pa.array(theirs))
        said = pa.concat_tables([_opening(old), new]) if job.forward else new
        now = versions(said, job.schema, job.drops, job.parts)
        history.write(now.closed)
        closed += now.closed.num_rows
        if job.forward:
            ended += now.ended
            opened += now.open.num_rows - (old.num_rows - now.ended)
        elif not now.open.equals(old):
            ended += old.num_rows
            opened += now.open.num_rows
        results.append(partial(_together, rows, theirs, now.open, key))
    if not (opened or ended or slab.shared):
        return Merged(closed=closed)
    files, memory = _write([make() for make in results], job, fs)
    return Merged(
        files=tuple(files), replaced=frozenset(slab.files), opened=opened, ended=ended, closed=closed, memory=memory
    )


def _passes(new: pa.Table, keys: pa.Table | None, job: Job) -> bool:
    """Whether nothing is to be done in a range of which drops say `new`, and the files need not be read."""
    if keys is not None:
        return not keys.num_rows
    return job.forward and not new.num_rows and not _ends_absent(job)


def _ends_absent(job: Job) -> bool:
    return any(drop.ends_absent for drop in job.drops)


def _opening(rows: pa.Table) -> pa.Table:
    """Open versions as what was said before all drops."""
    rows = rows.append_column("_deleted", pa.repeat(pa.scalar(False), rows.num_rows))
    return rows.append_column(RANK, pa.repeat(pa.scalar(-1, pa.int32()), rows.num_rows))


def _said_schema(schema: Schema) -> pa.Schema:
    """Columns of what `versions` are made of."""
    return pa.schema([*current_schema(schema), ("_deleted", pa.bool_()), (RANK, pa.int32())])


def _together(rows: pa.Table, without: npt.NDArray[np.bool_], and_: pa.Table, key: Sequence[str]) -> pa.Table:
    """Rows, sorted by key, without some, and others among them."""
    kept = rows.filter(pa.array(~without))
    if not kept.num_rows or not and_.num_rows:
        return kept if kept.num_rows else and_
    both = pa.concat_tables([kept, and_])
    return both.take(pc.sort_indices(both, sort_keys=[(name, "ascending") for name in key]))


def _write(tables: Sequence[pa.Table], job: Job, fs: fsspec.AbstractFileSystem | None) -> tuple[list[DataFile], int]:
    """Write sorted rows into files of equal size, each with a range of the key's first column of its own."""
    rows = pa.concat_tables([*tables, current_schema(job.schema).empty_table()]).combine_chunks()
    if not rows.num_rows:
        return [], 0
    key = job.schema.key
    if like_before(rows, key).any():
        raise CountMismatch(f"{job.source} to {job.schema}: a key would be in current twice")
    first = rows[key[0]]
    if pa.types.is_string(first.type) and pc.max(pc.binary_length(first)).as_py() > LONGEST:
        raise ValueError(f"{job.source} to {job.schema}: a value of {key[0]} is longer than {LONGEST:,} bytes")
    parts = max(1, round(rows.num_rows / job.size))
    begins = np.flatnonzero(np.concatenate([[True], ~like_the_row_before(first)]))
    wanted = np.searchsorted(begins, [rows.num_rows * part // parts for part in range(parts)])
    bounds = [*sorted({int(begins[at]) for at in wanted if at < len(begins)}), rows.num_rows]
    files = [file for start, end in pairwise(bounds) for file in _file(rows.slice(start, end - start), job.into, fs)]
    return files, rows.nbytes


def _file(rows: pa.Table, into: str, fs: fsspec.AbstractFileSystem | None) -> list[DataFile]:
    with ParquetWriter(into, rows.schema, fs, row_group=SORTED) as writer:
        writer.write(rows)
        return writer.close()


class _Held:
    """What files of `current` hold, sorted by key, read when it is asked for."""

    def __init__(
        self, urls: Sequence[str], schema: pa.Schema, key: Sequence[str], fs: fsspec.AbstractFileSystem | None
    ) -> None:
        self._urls, self._schema, self._key, self._fs = urls, schema, key, fs
        self._rows: pa.Table | None = None

    def between(self, low: Value | None, high: Value | None) -> pa.Table:
        """The rows of a range."""
        if self._rows is None:
            found = [with_all(_read(url, self._fs), self._schema) for url in self._urls]
            rows = pa.concat_tables([*found, self._schema.empty_table()]).combine_chunks()
            if len(found) > 1:
                rows = rows.take(pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in self._key]))
            self._rows = rows
        return _between(self._rows, self._key[0], low, high)


class _Drops:
    """Rows of drops by range; each row group is decoded once, as long as there is room for it."""

    def __init__(self, job: Job, fs: fsspec.AbstractFileSystem | None) -> None:
        self._job, self._fs = job, fs
        self._kept: OrderedDict[tuple[str, int], pa.Table] = OrderedDict()
        self._bytes = 0
        self._about: dict[str, pq.FileMetaData] = {}

    def rows(self, groups: Iterable[Group], low: Value | None, high: Value | None, keys: pa.Table | None) -> pa.Table:
        """What drops say in a range, of all keys or of some in it, in no order."""
        key = self._job.schema.key
        found = [_said_schema(self._job.schema).empty_table()]
        for group in overlapping(groups, low, high):
            if keys is None:
                found.append(_between(self._group(group), key[0], low, high))
            elif _within(keys[key[0]], group.low, group.high):
                rows = self._group(group)
                found.append(rows.filter(pa.array(among(rows, keys, key))))
        return pa.concat_tables(found)

    def _group(self, group: Group) -> pa.Table:
        at = (group.url, group.number)
        if at in self._kept:
            self._kept.move_to_end(at)
            return self._kept[at]
        rows = said(group, self._job.schema, self._job.source, self._job.drops, self._fs, self._about)
        self._kept[at] = rows
        self._bytes += rows.nbytes
        while self._bytes > CACHE and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return rows


def said(
    group: Group,
    schema: Schema,
    source: str,
    drops: Sequence[Ranked],
    fs: fsspec.AbstractFileSystem | None,
    about: dict[str, pq.FileMetaData] | None = None,
) -> pa.Table:
    """The rows of a row group that are of these drops of a source, with their rank and the instant of the drop.

    `about` keeps the footers of files that were opened.
    """
    rows = with_all(_read(group.url, fs, group.number, about=about), schema.arrow)
    rank = pc.index_in(rows["_drop"], value_set=names(drops)).cast(pa.int32())
    theirs = pc.and_(pc.equal(rows["_source"], source), pc.is_valid(rank))
    rows = rows.append_column(RANK, rank).append_column("_valid_from", instants(drops).take(rank.combine_chunks()))
    if not pc.all(theirs).as_py():
        rows = rows.filter(theirs)
    return rows.select(_said_schema(schema).names).cast(_said_schema(schema))


def _read(
    url: str,
    fs: fsspec.AbstractFileSystem | None,
    group: int | None = None,
    columns: list[str] | None = None,
    about: dict[str, pq.FileMetaData] | None = None,
) -> pa.Table:
    with opened(url, fs) as stream:
        file = pq.ParquetFile(stream, metadata=about.get(url) if about is not None else None)
        if about is not None:
            about[url] = file.metadata
        return file.read(columns) if group is None else file.read_row_group(group, columns)


def opened(url: str, fs: fsspec.AbstractFileSystem | None) -> BinaryIO:
    """A data file to read, by the lake's own file system, or by its URL where there is none."""
    return cast(BinaryIO, fs.open(url, "rb") if fs is not None else fsspec.open(url, "rb").open())


def with_all(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows with the columns of a schema, null where a file of before has none."""
    for field in schema:
        if field.name not in rows.column_names:
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    return rows.select(schema.names).cast(schema)


def _between(rows: pa.Table, column: str, low: Value | None, high: Value | None) -> pa.Table:
    """Rows from `low` up to, but without, `high`; sorted ones are not copied."""
    kind = rows.schema.field(column).type
    terms = [
        *([pc.greater_equal(rows[column], pa.scalar(low, kind))] if low is not None else []),
        *([pc.less(rows[column], pa.scalar(high, kind))] if high is not None else []),
    ]
    if not terms:
        return rows
    mask = terms[0] if len(terms) == 1 else pc.and_(*terms)
    at = np.flatnonzero(mask.to_numpy())
    if not len(at):
        return rows.slice(0, 0)
    return rows.slice(at[0], len(at)) if at[-1] - at[0] == len(at) - 1 else rows.filter(mask)


def _within(values: pa.ChunkedArray, low: Value | None, high: Value | None) -> bool:
    """Whether one of some values is between two bounds, and may be them."""
    terms = [pc.greater_equal(values, pa.scalar(low, values.type))] if low is not None else []
    terms += [pc.less_equal(values, pa.scalar(high, values.type))] if high is not None else []
    return bool(pc.any(pc.and_(*terms) if len(terms) == 2 else terms[0]).as_py()) if terms else len(values) > 0


def groups(
    urls: Iterable[str], key: str, drops: Collection[str], fs: fsspec.AbstractFileSystem | None, cores: int
) -> list[Group]:
    """The row groups of drops' files that may hold rows of some drops, with their range of a column."""
    found = side_by_side(partial(_groups, key=key, drops=drops, fs=fs), urls, cores)
    return [group for of_file in found for group in of_file]


def _groups(url: str, key: str, drops: Collection[str], fs: fsspec.AbstractFileSystem | None) -> list[Group]:
    with opened(url, fs) as stream:
        about = pq.ParquetFile(stream).metadata
    columns = {about.schema.column(i).path: i for i in range(about.num_columns)}
    found = []
    for number in range(about.num_row_groups):
        of = about.row_group(number)
        low, high = _bounds(of.column(columns[key]))
        first, last = _bounds(of.column(columns["_drop"]))
        drop = first if first == last else None
        if drop is None or drop in drops:
            found.append(Group(url, number, of.num_rows, drop, low, high))
    return found


def _bounds(column: pq.ColumnChunkMetaData) -> tuple[Value | None, Value | None]:
    about = column.statistics
    return (about.min, about.max) if about is not None and about.has_min_max else (None, None)


def width(
    found: Iterable[Group], schema: Schema, source: str, drops: Sequence[Ranked], fs: fsspec.AbstractFileSystem | None
) -> int:
    """About the bytes in memory of a row: those of the widest of the first row groups of drops."""
    by_drop: dict[str | None, Group] = {}
    for group in found:
        by_drop.setdefault(group.drop, group)
    largest = sorted(by_drop.values(), key=lambda group: group.rows, reverse=True)[:3]
    rows = [said(group, schema, source, drops, fs).drop_columns(["_deleted", RANK]) for group in largest]
    return max([some.nbytes // some.num_rows for some in rows if some.num_rows], default=0)


def keys_of(
    found: Iterable[tuple[str, int | None]],
    key: Sequence[str],
    drops: Collection[str],
    by: Sequence[str],
    fs: fsspec.AbstractFileSystem | None,
    cores: int,
) -> pa.Table:
    """The keys of rows that name one of some drops in a column of `by`; each once, sorted.

    `found` are files, or row groups of them by their number.
    """
    tables = side_by_side(partial(_keys_of, key=key, drops=pa.array(drops, pa.string()), by=by, fs=fs), found, cores)
    rows = pa.concat_tables(tables)
    return distinct(rows, key)


def distinct(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    """The keys of rows, each once, sorted."""
    return rows.group_by(list(key)).aggregate([]).sort_by([(name, "ascending") for name in key])


def _keys_of(
    of: tuple[str, int | None],
    key: Sequence[str],
    drops: pa.Array,
    by: Sequence[str],
    fs: fsspec.AbstractFileSystem | None,
) -> pa.Table:
    rows = _read(of[0], fs, of[1], [*key, *by])
    named = [pc.is_in(rows[name], value_set=drops) for name in by]
    mask = named[0] if len(named) == 1 else pc.or_(*named)
    return rows.filter(mask).select(list(key))


def without(
    files: Iterable[Ranged],
    keys: pa.Table,
    schema: Schema,
    into: str,
    fs: fsspec.AbstractFileSystem | None,
    cores: int,
) -> tuple[frozenset[str], list[DataFile]]:
    """Files of `history` that hold versions of some keys, and those written in their place."""
    key = schema.key
    low, high = (keys[key[0]][at].as_py() for at in (0, -1)) if keys.num_rows else (None, None)
    near = [f for f in files if keys.num_rows and not (f.low is not None and f.low > high) and not _under(f.high, low)]

    def hit(file: Ranged) -> bool:
        return bool(among(_read(file.url, fs, columns=list(key)), keys, key).any())

    hits = side_by_side(hit, near, cores)
    old = [file for file, is_hit in zip(near, hits, strict=True) if is_hit]
    with ParquetWriter(into, history_schema(schema), fs, row_group=SORTED) as writer:
        for file in old:
            with opened(file.url, fs) as stream:
                for some in batches(pq.ParquetFile(stream)):
                    rows = with_all(some, history_schema(schema))
                    writer.write(rows.filter(pa.array(~among(rows, keys, key))))
        made = writer.close()
    return frozenset(f.url for f in old), made


def _under(value: Value | None, bound: Value | None) -> bool:
    return value is not None and bool(value < bound)


def side_by_side(do: Callable[[T], R], what: Iterable[T], cores: int) -> list[R]:
    """Do something with each, on some threads, and answer in order; the first error leaves what has not begun."""
    with ThreadPoolExecutor(cores) as pool:
        begun = [pool.submit(do, one) for one in what]
        try:
            return [one.result() for one in begun]
        finally:
            for one in begun:
                one.cancel()


def total(done: Iterable[Merged]) -> Merged:
    """What all shares came to."""
    return sum(done, Merged())


def shares(todo: Sequence[Task], number: int) -> Iterator[Sequence[Task]]:
    """Tasks side by side in at most so many shares of about as many rows to read."""
    weights = np.cumsum([sum(group.rows for group in task.slab.groups) + 1 for task in todo])
    if len(weights):
        bounds = np.searchsorted(weights, [weights[-1] * at / number for at in range(1, number)])
        for start, end in zip([0, *bounds], [*bounds, len(todo)], strict=True):
            if start < end:
                yield todo[start:end]
