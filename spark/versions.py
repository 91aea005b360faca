"""Versions: what a key was, and from when until when, as drops say it one after another. Plain Arrow and numpy.

Drops are ranked, from 0, in the order of what they speak of. A version is a run of drops of one part that say the same
of a key; it is of the first of them. A deletion ends the version before it, and is none itself. Where one drop speaks
of the same instant as the one before it, the version between them has no length: it is kept, so that every drop that
ever had a say is named, and what it said can be taken back; no instant lies in it.

A key is of the part whose drop had the last say of it. So a drop that repeats what one of another part said begins a
version of its own: what is open tells by its drop of which part its key is.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import reduce
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spark.alike import alike
from spark.errors import CountMismatch
from spark.schemas import Schema

RANK = "_rank"
"""Column of rows that versions are made of: the rank of the row's drop, -1 for the version that was open before."""

INSTANT = pa.timestamp("us", tz="UTC")


class Ranked(NamedTuple):
    """A drop at its place in the order; `ends_absent`: a key of its part that it lacks is gone."""

    key: str
    as_of: datetime
    ends_absent: bool = False
    part: str = ""


class Versions(NamedTuple):
    """Rows of `current_schema`, and of `history_schema`, each sorted by key.

    `opened` are the versions that a drop began, whether or not another ended it; `ended` are those ended that were open
    before.
    """

    open: pa.Table
    closed: pa.Table
    opened: int
    ended: int


def current_schema(schema: Schema) -> pa.Schema:
    """Columns of a `current` table: the origin of the version and the instant it holds from, then the schema's."""
    own = {"_deleted"}
    fields = [field for field in schema.arrow if field.name not in own]
    at = schema.arrow.names.index("_record") + 1
    return pa.schema([*fields[:at], pa.field("_valid_from", INSTANT), *fields[at:]])


def history_schema(schema: Schema) -> pa.Schema:
    """Columns of a `history` table: those of `current`, the instant the version ended, and the drop that ended it."""
    return pa.schema([*current_schema(schema), pa.field("_valid_to", INSTANT), pa.field("_closed_by", pa.string())])


def versions(rows: pa.Table, schema: Schema, drops: Sequence[Ranked], parts: Mapping[str, str]) -> Versions:
    """The versions of some keys, of which `rows` are all that was said of them.

    `rows` have the columns of `current_schema`, `_deleted` and `_rank`, in any order; a drop has one row of a key at
    most, else `CountMismatch` is raised. `parts` are those of drops before these, by key, where they are not `""`.
    """
    by = [(name, "ascending") for name in (*schema.key, RANK)]
    rows = rows.take(pc.sort_indices(rows, sort_keys=by))
    rank, deleted = rows[RANK].to_numpy(), rows["_deleted"].to_numpy()
    repeated = like_before(rows, schema.key)  # of each row but the first, whether it is of the key of the one before
    if np.any(repeated & (rank[1:] == rank[:-1])):
        raise CountMismatch(f"{schema}: a drop has several rows of one key")
    part, numbers = _parts(rows["_drop"], {**parts, **{drop.key: drop.part for drop in drops}})
    alike = repeated & ~deleted[1:] & ~deleted[:-1] & (part[1:] == part[:-1])
    if alike.any():
        alike &= like_before(rows, [c.name for c in schema.columns if c.name not in schema.key])
    key = np.cumsum(np.concatenate([np.zeros(min(1, len(rank)), bool), ~repeated]))
    row = np.arange(len(rank))
    says_same = np.concatenate([np.zeros(min(1, len(rank)), bool), alike])
    if any(drop.ends_absent for drop in drops):
        ends = [numbers[drop.part] if drop.ends_absent else None for drop in drops]
        key, rank, row = _with_absences(key, rank, part, ends)
    gone = np.where(row < 0, True, deleted[row]) if len(row) else np.zeros(0, bool)
    same_key = key[1:] == key[:-1]
    said_before = np.where((row[1:] >= 0) & (row[:-1] >= 0), says_same[row[1:]], False) | (gone[1:] & gone[:-1])
    kept = np.flatnonzero(np.concatenate([np.ones(min(1, len(key)), bool), ~(same_key & said_before)]))
    key, rank, row, gone = key[kept], rank[kept], row[kept], gone[kept]
    ended = np.concatenate([key[1:] == key[:-1], np.zeros(min(1, len(key)), bool)])
    is_open, is_closed = np.flatnonzero(~gone & ~ended), np.flatnonzero(~gone & ended)
    by_rank = rank[is_closed + 1]
    closed = rows.take(row[is_closed]).select(current_schema(schema).names)
    closed = closed.append_column("_valid_to", instants(drops).take(by_rank))
    closed = closed.append_column("_closed_by", names(drops).take(by_rank))
    return Versions(
        open=rows.take(row[is_open]).select(current_schema(schema).names).cast(current_schema(schema)),
        closed=closed.cast(history_schema(schema)),
        opened=int(np.count_nonzero(rank[~gone] >= 0)),
        ended=int(np.count_nonzero(rank[is_closed] < 0)),
    )


def _parts(drop: pa.ChunkedArray, parts: Mapping[str, str]) -> tuple[npt.NDArray[np.int64], dict[str, int]]:
    """Of each row the part of its drop, as a number, and the number of each part."""
    numbers = {part: number for number, part in enumerate(sorted({"", *parts.values()}))}  # "" is 0
    if len(numbers) == 1:
        return np.zeros(len(drop), np.int64), numbers
    known = {key: numbers[part] for key, part in parts.items() if part}
    at = pc.index_in(drop, value_set=pa.array(known, pa.string()))
    return pc.fill_null(pa.array(known.values(), pa.int64()).take(at.combine_chunks()), 0).to_numpy(), numbers


def _with_absences(
    key: npt.NDArray[np.int64],
    rank: npt.NDArray[np.int32],
    part: npt.NDArray[np.int64],
    ends: Sequence[int | None],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Keys and ranks as they are and, where a full drop lacks a key that is of its part until then, an end; sorted.

    `part` is that of each row; `ends` says for each drop of which part the keys are gone that it lacks, None: of none.
    The third answer is each one's row, -1 for such an end.
    """
    by_rank = np.argsort(rank, kind="stable")
    until = np.searchsorted(rank[by_rank], np.arange(-1, len(ends)), side="right")
    before = by_rank[: until[0]]
    belongs = np.full(key[-1] + 1 if len(key) else 0, -1)  # the part of each key, -1 before anything is said of it
    belongs[key[before]] = part[before]
    keys, ranks, rows = [key], [rank], [np.arange(len(key))]
    for at, ended in enumerate(ends):
        theirs = by_rank[until[at] : until[at + 1]]
        if ended is not None:
            lacks = belongs == ended
            lacks[key[theirs]] = False
            missing = np.flatnonzero(lacks)
            keys.append(missing)
            ranks.append(np.full(len(missing), at, rank.dtype))
            rows.append(np.full(len(missing), -1))
        belongs[key[theirs]] = part[theirs]
    key, rank, row = np.concatenate(keys), np.concatenate(ranks), np.concatenate(rows)
    order = np.lexsort((rank, key))
    return key[order], rank[order], row[order]


def instants(drops: Sequence[Ranked]) -> pa.Array:
    """The instants that drops speak of, by rank."""
    return pa.array([drop.as_of for drop in drops], INSTANT)


def names(drops: Sequence[Ranked]) -> pa.Array:
    """The keys of drops, by rank."""
    return pa.array([drop.key for drop in drops], pa.string())


def among(rows: pa.Table, keys: pa.Table, key: Sequence[str]) -> npt.NDArray[np.bool_]:
    """For each row whether its key is among `keys`."""
    found: npt.NDArray[np.bool_] = pc.is_in(rows[key[0]], value_set=keys[key[0]].combine_chunks()).to_numpy()
    if len(key) > 1 and found.any():
        at = np.flatnonzero(found)  # few, mostly: the join is of these alone
        likely = rows.select(list(key)).take(at).append_column("_at", pa.array(at))
        hits = likely.join(keys.select(list(key)), list(key), join_type="left semi")["_at"].to_numpy()
        found = np.zeros(rows.num_rows, bool)
        found[hits] = True
    return found


def like_before(rows: pa.Table, columns: Sequence[str]) -> npt.NDArray[np.bool_]:
    """For each row but the first: whether it says in all columns what the row before says."""
    result = np.ones(max(0, rows.num_rows - 1), bool)
    return reduce(np.logical_and, (like_the_row_before(rows[name]) for name in columns), result)


def like_the_row_before(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """For each row but the first: whether its value, or its lack of one, is that of the row before."""
    values = column.combine_chunks()
    return alike(values.slice(1), values.slice(0, max(0, len(values) - 1)))
