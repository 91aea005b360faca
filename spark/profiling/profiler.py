"""The profile of a dataset from its tables, one after the other: what the conversion's own pass takes along."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from spark.profiling import candidates
from spark.profiling.counts import Exact
from spark.profiling.profiles import CUT, ColumnProfile, DatasetProfile
from spark.profiling.samples import seen

OWN = ("_drop", "_file", "_record", "_special")
"""Columns that are inlet's own and no party's."""

BLOCK = 64
"""Consecutive records that are in the sample together, or not."""

LEAST, MOST = 2_048, 256
"""Records of a dataset that are sampled, about, where it has so many; and one in so many where that is more."""

HELD = 16 * 1024 * 1024
"""Bytes of sampled rows that are held before sketches are made of them."""

SHORT = 16_384
"""Values of an array below which to copy it to others takes less than the calls that count it by itself."""


def one_in(records: int) -> int:
    """Of how many blocks of a dataset's records one is sampled, so that a drop of many small files costs no more."""
    return max(1, min(MOST, records // LEAST))


def profile(tables: Iterable[pa.Table], schema: pa.Schema, seed: int = 0) -> DatasetProfile:
    """The profile of tables of `schema`, which is that of Raw, all rows sampled."""
    profiler = Profiler(schema, seed=seed)
    for table in tables:
        profiler.add(table)
    return profiler.close()


class Profiler:
    """Counts what tables of one file hold, whose rows come in the order of their `_record`.

    Of its records, in blocks of 64, one block `in` so many is sampled: which ones follows from the seed, the file's
    name and the records' ordinals, not from how they are shared out among tasks. With `written` texts' bounds come from
    the footers of the Parquet files that the same rows are written to, which have them anyway. Of the sample 16 MiB are
    held at most.
    """

    def __init__(
        self, schema: pa.Schema, file: str = "", *, seed: int = 0, one_in: int = 1, written: bool = False
    ) -> None:
        self._columns = {leaf.path: _Column(leaf) for leaf in _leaves(schema)}
        self._key = np.uint64(int.from_bytes(blake2b(f"{seed}\0{file}".encode(), digest_size=8).digest()))
        self._one_in, self._written = one_in, written
        self._rows = self._held = 0
        self._sample: list[pa.Table] = []
        self._digested = DatasetProfile()

    def add(self, table: pa.Table) -> None:
        """Take in more rows."""
        chosen = self._chosen(table["_record"].to_numpy())
        self._rows += table.num_rows
        for path, values in _flat(table):
            for array in _arrays(values) if path in self._columns else ():
                self._columns[path].exact.add(array, bounds=not self._written)
        if chosen.any():
            self._sample.append(_rows(table.drop_columns([name for name in OWN if name in table.column_names]), chosen))
            self._held += self._sample[-1].nbytes
        if self._held >= HELD:
            self._digest()

    def close(self, footers: Sequence[pq.FileMetaData] = ()) -> DatasetProfile:
        """What all rows came to; `footers` are of the files that they were written to."""
        for footer in footers:
            self._bound(footer)
        if self._sample:
            self._digest()
        exact = DatasetProfile(
            rows=self._rows, columns={path: column.counted() for path, column in self._columns.items()}
        )
        return exact + self._digested

    def _chosen(self, records: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which records are in the sample, by a hash of their blocks' ordinals (splitmix64)."""
        hashed = (records // BLOCK).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + self._key
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            hashed = (hashed ^ (hashed >> np.uint64(shift))) * np.uint64(factor)
        chosen: npt.NDArray[np.bool_] = (hashed ^ (hashed >> np.uint64(31))) % np.uint64(self._one_in) == 0
        return chosen

    def _digest(self) -> None:
        """Make sketches of the rows that are held, which then are held no more."""
        sample = pa.concat_tables(self._sample)
        self._sample, self._held = [], 0
        found = seen({path: values for path, values in _flat(sample) if path in self._columns})
        coded = {path: one.coded for path, one in found.items()}
        self._digested += DatasetProfile(
            sampled=sample.num_rows,
            columns={
                path: column.profile(sampled=sample.num_rows, **(found[path].known if path in found else {}))
                for path, column in self._columns.items()
            },
            keys=tuple(candidates.keys(coded, sample.num_rows)),
            pairs=tuple(candidates.pairs(coded)),
        )

    def _bound(self, footer: pq.FileMetaData) -> None:
        """Take in the bounds of texts in a Parquet file, one row group after the other."""
        for group in (footer.row_group(n) for n in range(footer.num_row_groups)):
            for about in (group.column(n) for n in range(group.num_columns)):
                column = self._columns.get(about.path_in_schema)
                if column and pa.types.is_string(column.exact.type) and (kept := about.statistics) and kept.has_min_max:
                    column.exact.bound(kept.min, kept.max)


class _Leaf(NamedTuple):
    """A column, or a field of structs by its `path` of names in the lake; `original` and `label` are the party's."""

    path: str
    original: str
    label: str
    type: pa.DataType


class _Column:
    """One column, and what is counted over all its rows."""

    def __init__(self, leaf: _Leaf) -> None:
        self.leaf = leaf
        self.exact = Exact(leaf.type)

    def profile(self, **known: Any) -> ColumnProfile:  # noqa: ANN401  # the model's fields
        """Its profile as far as it is known."""
        leaf = self.leaf
        return ColumnProfile(name=leaf.path, original=leaf.original, label=leaf.label, type=str(leaf.type), **known)

    def counted(self) -> ColumnProfile:
        """The exact counts."""
        exact = self.exact
        least, most = exact.bounds()
        counts = {name: getattr(exact, name) for name in ("rows", "nulls", "empties", "shortest", "longest")}
        return self.profile(**counts, least=least and least[:CUT], most=most and most[:CUT])


def _arrays(values: pa.ChunkedArray) -> Sequence[pa.Array]:
    """Its arrays, of short ones one."""
    return values.chunks if len(values) >= SHORT * values.num_chunks else [values.combine_chunks()]


def _rows(table: pa.Table, chosen: npt.NDArray[np.bool_]) -> pa.Table:
    """Some rows of a table, by themselves: what is held of them holds no other."""
    if chosen.all():
        return table
    bounds = np.flatnonzero(np.diff(chosen, prepend=False, append=False)).tolist()
    runs = [table.slice(start, end - start) for start, end in zip(bounds[::2], bounds[1::2], strict=True)]
    return pa.concat_tables(runs).combine_chunks() if runs else table.slice(0, 0)


def _leaves(schema: pa.Schema) -> Iterator[_Leaf]:
    """The columns of a schema of Raw but inlet's own, fields of structs in place of these."""
    for field in schema:
        if field.name not in OWN:
            yield from _within(field, "")


def _within(field: pa.Field, parent: str) -> Iterator[_Leaf]:
    path = f"{parent}{field.name}"
    if pa.types.is_struct(field.type):
        for inner in field.type:
            yield from _within(inner, f"{path}.")
        return
    about = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    original = about.get("name", field.name)
    yield _Leaf(path, original, about.get("doc", "").removeprefix(original).removeprefix(": "), field.type)


def _flat(table: pa.Table) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """The leaves of a table by their paths."""
    while any(pa.types.is_struct(kind) for kind in table.schema.types):
        table = table.flatten()
    yield from zip(table.column_names, table.columns, strict=True)
