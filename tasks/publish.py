"""publish: Transformed to current and history, in the order of what drops speak of, in proportion to what changed.

`current.<schema>` is committed first, if its mark still is the one that was gone on from, and `history.<schema>` after
it, under the same id. Where a run dies between the two, or another is just there, the next one finds two ids: it waits
a little, then makes history anew.
"""

import json
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import pyarrow as pa
from prefect import get_run_logger
from prefect.artifacts import create_table_artifact
from pydantic import BaseModel

from spark import current as engine
from spark.current import Job, Merged
from spark.errors import CountMismatch, NothingBefore, TableMoved
from spark.parts import DataFile
from spark.schemas import Schema
from spark.session import not_ended, session
from spark.slabs import Group
from spark.tables import Mark, Ranged, Said
from spark.versions import Ranked, current_schema, history_schema
from tasks import decisions, metrics
from tasks.cores import SPARK_FROM, cores
from tasks.drop import fingerprint, order
from tasks.engine import Log
from tasks.events import emit
from tasks.run import Run, Step, current
from tasks.tracked import tracked
from tasks.transform import Candidate

LARGE = 8 * SPARK_FROM
"""Bytes in memory, of drops and of `current`, from which Spark distributes the slabs; below, this process is faster."""

CORES = min(4, cores())
"""Threads that merge at once: each takes some 0.3 GB."""

SHARES = 4
"""Shares of slabs for each thread, as some have less to do; each may write a file of history."""

WAIT = 5.0
"""Seconds that another publisher has to commit history after `current`."""

KEYS = 4_000_000
"""Keys whose versions are worked out again by themselves; of more, all keys' are."""


class Published(BaseModel, frozen=True):
    """`current` after a publish: its rows of this source, the drops that were applied just now, and what that took.

    `closed` versions went to history, or are there anew. `written` files, with `bytes` and `rows_written`, took the
    place of others, `kept` ones stayed as they were.
    """

    rows: int
    applied: tuple[str, ...]
    closed: int = 0
    written: int = 0
    kept: int = 0
    rows_written: int = 0
    bytes: int = 0


class RolledBack(BaseModel, frozen=True):
    """`current` after a rollback: its rows of this source, and the drops that are applied no more, or otherwise."""

    rows: int
    undone: tuple[str, ...]


@tracked("publish {candidate.drop} to {candidate.to}")
def publish(candidate: Candidate) -> Published:
    """Apply every committed drop that `current` has not applied, this one among them."""
    run = current()
    again = run.redoes("transformed") and not _made_anew(candidate.to, run)
    if run.dry is not None:
        run.dry.append(_step(candidate, run, again=again))
        return Published(rows=0, applied=())
    done = apply(candidate.to, run, again=again, log=get_run_logger())
    metrics.add(run.source.slug, "current", files=done.written, bytes=done.bytes, rows=done.rows_written)
    if done.applied:
        emit("inlet.drop.published", candidate.drop, schema=str(candidate.to), rows=done.rows, applied=[*done.applied])
    _show(done, candidate, run.source.slug)
    return done


def _show(done: Published, candidate: Candidate, slug: str) -> None:
    """What a publish did, as an artifact."""
    counts = {
        "rows": (done.rows, f"of {slug} in current.{candidate.to}"),
        "drops applied": (len(done.applied), ", ".join(done.applied)),
        "versions closed": (done.closed, f"in history.{candidate.to}"),
        "files written": (done.written, f"{done.rows_written:,} rows, {done.bytes / 1e6:.1f} MB"),
        "files kept": (done.kept, "as they were"),
    }
    create_table_artifact(
        [{"what": what, "count": count, "more": more} for what, (count, more) in counts.items()],
        key=f"{slug}-current-{str(candidate.to).replace('_', '-')}",
        description=f"current.{candidate.to} after {candidate.drop}",
    )


@not_ended()
def apply(
    schema: Schema,
    run: Run,
    *,
    again: bool = False,
    log: Log | None = None,
    spark_from: int = LARGE,
    slab: int = engine.SLAB,
) -> Published:
    """Make `current` and `history` what the drops of the run's source say that are committed and not held.

    Drops that come after all that are applied are gone forward to from what `current` has; otherwise the versions of
    the keys that a drop has, or had, something to say of are worked out again from all drops, and those of all keys
    where a full drop, one whose absent keys are gone, changed. `again`: of all keys, though nothing is new. `slab` is
    the size of a file of `current`, in bytes in memory.

    Raises `TableMoved` where another run published meanwhile: what it published must be looked at again; and
    `CountMismatch` where rows do not add up. Then, as after any other error, nothing is committed.
    """
    log = log or logging.getLogger("inlet")
    if hold := decisions.read(run.lake, run.source.slug).held:
        log.warning("%s is held, nothing is published: %s", run.source.slug, hold.why)
        return Published(rows=run.tables.rows(f"current.{schema}", _source=run.source.slug), applied=())
    look = _look(schema, run)
    if not look.in_line:
        look = _waited(schema, run, look)
    if not (look.changed or again) and look.in_line:
        return Published(rows=run.tables.rows(f"current.{schema}", _source=run.source.slug), applied=())
    done = _Publish(schema, run, look, spark_from, slab).done(again)
    log.info(
        "%s: %s rows of %s; %s applied, %s versions closed, %s of %s files written, %s rows, %.1f MB",
        f"current.{schema}",
        f"{done.rows:,}",
        run.source.slug,
        ", ".join(done.applied) or "nothing new",
        f"{done.closed:,}",
        done.written,
        done.written + done.kept,
        f"{done.rows_written:,}",
        done.bytes / 1e6,
    )
    return done


def _made_anew(schema: Schema, run: Run) -> bool:
    """Whether all has been made anew since this run began, as by another drop's run of the same forced backfill."""
    mark = run.tables.marks(f"current.{schema}", "source").get(run.source.slug)
    anew = (mark or {}).get("anew")
    return anew is not None and datetime.fromisoformat(anew) > run.begun


class _Look(NamedTuple):
    """What there is: drops that have a say, in order, by what identifies each; and the marks of the two tables."""

    drops: tuple[Ranked, ...]
    ids: dict[str, str]
    current: Mark | None
    history: Mark | None
    held: frozenset[str]

    @property
    def applied(self) -> dict[str, str]:
        return self.current["applied"] if self.current else {}

    @property
    def changed(self) -> list[str]:
        """Drops that are not in `current` as they are now, or not any more."""
        new = [drop.key for drop in self.drops if self.applied.get(drop.key) != self.ids[drop.key]]
        return new + [key for key in self.applied if key not in self.ids]

    @property
    def in_line(self) -> bool:
        """Whether history is of the publish that `current` is of."""
        return (self.current or {}).get("publish") == (self.history or {}).get("publish")

    @property
    def forward(self) -> tuple[Ranked, ...]:
        """The drops that are new, where they come after all that are applied, and nothing else changed; else ()."""
        new = tuple(drop for drop in self.drops if drop.key not in self.applied)
        same = self.drops[: len(self.drops) - len(new)]
        if len(self.changed) == len(new) and {drop.key for drop in same} == self.applied.keys() and self._alike:
            return new
        return ()

    @property
    def partly(self) -> bool:
        """Whether only keys of which the changed drops say, or are known to have said, something may change."""
        full = {*(drop.key for drop in self.drops if drop.ends_absent), *(self.current or {}).get("full", ())}
        return bool(self.current) and self._alike and not full & set(self.changed)

    @property
    def _alike(self) -> bool:
        """Whether absence from drops that are applied means what it meant then."""
        full = (self.current or {}).get("full", ())
        return all(drop.ends_absent == (drop.key in full) for drop in self.drops if drop.key in self.applied)


def _look(schema: Schema, run: Run) -> _Look:
    slug, tables = run.source.slug, run.tables
    history = tables.marks(f"history.{schema}", "source").get(slug)
    mark = tables.marks(f"current.{schema}", "source").get(slug)
    held = frozenset(decisions.read(run.lake, slug).held_drops)
    found = {
        key.removeprefix(f"{slug}/"): said
        for key, said in tables.marks(f"transformed.{schema}", "drop").items()
        if key.startswith(f"{slug}/") and key.removeprefix(f"{slug}/") not in held
    }
    in_order = sorted(found, key=lambda key: order(found[key]))
    drops = tuple(
        Ranked(
            key,
            order(found[key])[0],
            ends_absent=run.source.absent == "deleted" and found[key]["kind"] == "full",
            part=found[key].get("part", ""),  # marks of before have none
        )
        for key in in_order
    )
    return _Look(drops, {key: identity(said) for key, said in found.items()}, mark, history, held)


def identity(mark: Mark) -> str:
    """By what `current` knows a drop in Transformed that it has applied: what it was made from, and its place.

    Its part is among what it was made from: where that has changed, the drop has.
    """
    return fingerprint(mark["fingerprint"], *order(mark))


def _waited(schema: Schema, run: Run, look: _Look) -> _Look:
    """What there is once history is in line, or has had its time."""
    until = time.monotonic() + WAIT
    while not look.in_line and time.monotonic() < until:
        time.sleep(WAIT / 20)
        look = _look(schema, run)
    return look


class _Publish:
    """One publish from what was found."""

    def __init__(self, schema: Schema, run: Run, look: _Look, spark_from: int, slab: int) -> None:
        self._schema, self._run, self._look, self._spark_from, self._slab = schema, run, look, spark_from, slab
        self._begun = datetime.now(UTC).isoformat()
        self._fs, self._key, self._slug = run.lake.fs(), schema.key[0], run.source.slug
        self._files = run.tables.ranges(f"current.{schema}", self._key, _source=self._slug)
        self._width = int((look.current or {}).get("width", 0))

    def done(self, again: bool) -> Published:
        """Write and commit."""
        look = self._look
        repair = not (look.changed or again)  # `current` is right, and history is not
        if look.forward and look.in_line and not again:
            merged = self._merged(look.forward, forward=True)
            old, made = frozenset[str](), merged.closed_files
        elif (keys := self._keys() if look.partly and look.in_line and not again else None) is not None:
            merged = self._merged(look.drops, forward=False, keys=keys)
            old, left = self._without(keys)
            made = (*merged.closed_files, *left)
        else:
            merged = self._merged(look.drops, forward=False)
            old, made = frozenset(file.url for file in self._history()), merged.closed_files
        kept = [file for file in self._files if file.url not in merged.replaced]
        before, rows = sum(file.rows for file in self._files), sum(file.rows for file in kept) + merged.rows
        if rows != before - merged.ended + merged.opened:
            raise CountMismatch(
                f"{self._slug} to {self._schema}: of {before:,} rows {merged.ended:,} ended and {merged.opened:,} were"
                f" opened, but there would be {rows:,}"
            )
        mark = look.current if repair and look.current else self._mark(merged, again=again)
        if not repair:
            self._still_wanted()
            self._commit("current", look.current, merged.replaced, merged.files, mark)
        self._commit("history", look.history, old, made, mark)
        return Published(
            rows=rows,
            applied=tuple(key for key in look.changed if key in look.ids),
            closed=merged.closed,
            written=len(merged.files),
            kept=len(kept),
            rows_written=merged.rows,
            bytes=sum(file.bytes for file in merged.files),
        )

    def _still_wanted(self) -> None:
        """Raise `TableMoved` where the source, or one of its drops, was held or released since this was begun."""
        now = decisions.read(self._run.lake, self._slug)
        if now.held or now.held_drops.keys() != self._look.held:
            raise TableMoved(f"{self._slug} was held or released while it was published to {self._schema}")

    def _mark(self, merged: Merged, *, again: bool) -> Mark:
        look = self._look
        return self._run.mark(
            fingerprint(str(self._schema), *sorted(look.ids.items())),
            publish=uuid.uuid4().hex,
            applied=look.ids,
            full=[drop.key for drop in look.drops if drop.ends_absent],
            anew=self._begun if again else (look.current or {}).get("anew"),
            width=merged.memory // merged.rows if merged.rows else self._width,
        )

    def _commit(
        self, table: str, before: Mark | None, old: frozenset[str], files: Sequence[DataFile], mark: Mark
    ) -> None:
        commit(self._run, f"{table}.{self._schema}", self._schema, before, old, files, mark)

    def _history(self) -> list[Ranged]:
        return self._run.tables.ranges(f"history.{self._schema}", self._key, _source=self._slug)

    def _groups(self, drops: Sequence[Ranked]) -> list[Group]:
        """The row groups that have rows of drops."""
        keys = tuple(drop.key for drop in drops)
        urls = self._run.tables.files(f"transformed.{self._schema}", _source=self._slug, _drop=keys) if keys else []
        return engine.groups(urls, self._key, frozenset(keys), self._fs, CORES)

    def _merged(self, drops: Sequence[Ranked], *, forward: bool, keys: pa.Table | None = None) -> Merged:
        """Do all slabs that may change."""
        if keys is not None and not keys.num_rows:
            return Merged()
        groups = self._groups(drops)
        self._width = self._width or engine.width(groups, self._schema, self._slug, drops, self._fs)
        every = not forward or any(drop.ends_absent for drop in drops)
        size = max(1, self._slab // max(1, self._width))
        todo = engine.tasks(self._files, groups, self._key, size, every=every, keys=keys)
        tables = self._run.tables
        job = Job(
            schema=self._schema,
            source=self._slug,
            drops=drops,
            parts={drop.key: drop.part for drop in self._look.drops if drop.part},
            forward=forward,
            size=size,
            into=tables.folder(f"current.{self._schema}"),
            history_into=tables.folder(f"history.{self._schema}"),
        )
        rows = sum(group.rows for group in groups) + sum(file.rows for file in self._files)
        if rows * self._width < self._spark_from:
            shares = list(engine.shares(todo, CORES * SHARES))
            done = engine.side_by_side(partial(engine.merge, job=job, fs=self._fs), shares, CORES)
        else:
            context = session(self._run.lake.environment(), large=True).sparkContext
            shares = list(engine.shares(todo, context.defaultParallelism * SHARES))
            done = (
                context.parallelize(shares, max(1, len(shares))).map(lambda share: engine.merge(share, job)).collect()
            )
        return engine.total(done)

    def _keys(self) -> pa.Table | None:
        """The keys of which a changed drop says, or was the one that said, something; None where they are too many."""
        key, changed = self._schema.key, self._look.changed
        now = [drop for drop in self._look.drops if drop.key in set(changed)]
        said = [(group.url, group.number) for group in self._groups(now)]
        files = [(file.url, None) for file in self._files]
        history = [(file.url, None) for file in self._history()]
        found = [
            engine.keys_of(places, key, changed, by, self._fs, CORES)
            for places, by in ((said, ["_drop"]), (files, ["_drop"]), (history, ["_drop", "_closed_by"]))
            if places
        ]
        fields = [self._schema.arrow.field(name) for name in key]
        keys = engine.distinct(pa.concat_tables([*found, pa.schema(fields).empty_table()]), key)
        return keys if keys.num_rows <= KEYS else None

    def _without(self, keys: pa.Table) -> tuple[frozenset[str], list[DataFile]]:
        """Files of history that have versions of some keys, and what is in them beside."""
        into = self._run.tables.folder(f"history.{self._schema}")
        old, made = engine.without(self._history(), keys, self._schema, into, self._fs, CORES)
        return old, made


def commit(
    run: Run,
    table: str,
    schema: Schema,
    before: Mark | None,
    old: frozenset[str],
    files: Sequence[DataFile],
    mark: Mark,
    needs: int | None = None,
    **said: str,
) -> None:
    """Exchange files of the run's source in `current` or `history`, if its mark there still is `before`.

    Files that come from the snapshot `needs` count only if it has not been expired. The new snapshot keeps what the
    mark was: all but what is applied whole, of that what changes.
    """
    slug, was, now = run.source.slug, (before or {}).get("applied", {}), mark["applied"]
    changed = sorted(key for key in {**was, **now} if was.get(key) != now.get(key))
    summary = {"publish": mark["publish"], "applied_before": json.dumps({key: was.get(key) for key in changed})}
    if before is not None:
        summary["before"] = json.dumps({name: value for name, value in before.items() if name != "applied"})
    run.tables.exchange(
        table,
        current_schema(schema) if table.startswith("current.") else history_schema(schema),
        old,
        files,
        partitions=["_source"],
        ordered_by=schema.key[0],
        mark=("source", slug, mark),
        if_marked=lambda marks: marks.get(slug) == before,
        summary=summary | said,
        needs=needs,
    )


def rollback(schema: Schema, run: Run) -> RolledBack:
    """Undo the source's last publish: its rows in `current` and `history` are again those of before, others' stay.

    Done again it goes one publish further back. What is undone is published again by the next publish: hold the source
    before. A rollback that died between the two tables is only brought to its end. Raises `NothingBefore` where the
    publish is the source's first, or the snapshot before it has been expired; `TableMoved` where another run published
    meanwhile.
    """
    slug, tables, name = run.source.slug, run.tables, f"current.{schema}"
    look = _look(schema, run)
    if look.current is None:
        raise NothingBefore(f"{slug} has published nothing to {schema}")
    last = tables.said(name, source=slug)[-1].summary
    if look.in_line or last.get("undone") != (look.history or {}).get("publish"):
        undone = _undo(name, look.current, schema, run)
    else:  # history still is of the publish that `current` was brought back from
        undone = tuple(json.loads(last["applied_before"]))
    look = _look(schema, run)
    if not look.in_line and look.history is not None:
        _undo(f"history.{schema}", look.history, schema, run)
    return RolledBack(rows=tables.rows(name, _source=slug), undone=undone)


def _undo(table: str, mark: Mark, schema: Schema, run: Run) -> tuple[str, ...]:
    """Bring the source's files in a table back to those before the publish of its mark; the drops that concerns."""
    slug, tables = run.source.slug, run.tables
    made, before = _snapshots(tables.said(table, source=slug), mark["publish"])
    if made is None or "before" not in made.summary:
        why = "has been expired" if made is None else "is the first"
        raise NothingBefore(f"{slug} in {table}: there is nothing before its last publish, which {why}")
    was = json.loads(made.summary["before"])
    if before is None or before.summary.get("publish") != was["publish"]:
        raise NothingBefore(f"{slug} in {table}: the snapshot before its last publish has been expired")
    then = {file.url: file for file in tables.files_at(table, before.snapshot, _source=slug)}
    now = set(tables.files(table, _source=slug))
    changed: Mapping[str, str | None] = json.loads(made.summary["applied_before"])
    applied = {**mark["applied"], **changed}
    was["applied"] = {key: id for key, id in applied.items() if id is not None}
    files = [file for url, file in then.items() if url not in now]
    commit(run, table, schema, mark, frozenset(now - then.keys()), files, was, before.snapshot, undone=mark["publish"])
    return tuple(changed)


def _snapshots(said: Sequence[Said], publish: str) -> tuple[Said | None, Said | None]:
    """The snapshot that a publish made, and the one of the same source before it."""
    for before, made in pairwise([None, *said]):
        if made is not None and made.summary.get("publish") == publish and "undone" not in made.summary:
            return made, before
    return None, None


def _step(candidate: Candidate, run: Run, *, again: bool) -> Step:
    """What a publish of a drop would do."""
    drop, table, slug = candidate.drop, f"transformed.{candidate.to}", run.source.slug
    mark = run.tables.marks(f"current.{candidate.to}", "source").get(slug)
    has = mark["applied"].get(drop.key) if mark else None
    files = run.tables.ranges(table, candidate.to.key[0], _source=slug, _drop=drop.key)
    said = {"as_of": drop.as_of.isoformat(), "kind": drop.kind, "revision": drop.revision}
    if drop.key in decisions.read(run.lake, slug).held_drops:
        why = None
    elif again:
        why = "forced"
    elif has is None:
        why = "never done"
    elif has != identity({"fingerprint": candidate.fingerprint, **said}):
        why = "its inputs or its declaration changed"
    else:
        why = None
    return Step(drop=drop.key, stage="publish", why=why, bytes=sum(file.bytes for file in files))
