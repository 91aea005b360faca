"""operate: the operator's verbs. Each looks whether it may be done, records who wants it and why, and does it."""

import json
import shlex
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from difflib import get_close_matches

from pydantic import BaseModel
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from blocks.errors import PlaceError
from spark.errors import DataError, NothingBefore
from spark.schemas import SCHEMAS
from tasks import decisions, manifest, publish
from tasks.decisions import Decision, Decisions, Refused, Verb
from tasks.discover import pending
from tasks.engine import Log
from tasks.expire import expire_source
from tasks.optimise import joined
from tasks.purge import purge as remove
from tasks.run import Run
from tasks.source import Source, sources


class By(BaseModel, frozen=True):
    """Who wants it, and why; no value of a record belongs into a reason."""

    actor: str
    reason: str | None = None

    def decides(self, verb: Verb, **more: object) -> Decision:
        """Their decision, now; raises `Refused` where it wants a reason, or somebody."""
        reason, actor = (self.reason or "").strip() or None, self.actor.strip()
        if not actor:
            raise Refused(f"{verb} wants an actor: who decides it")
        if len(reason or "") < 3 and (reason or verb not in decisions.ROUTINE):
            raise Refused(f"{verb} wants a reason, in a few words that somebody else understands later")
        return Decision.model_validate(
            {"verb": verb, "actor": actor, "reason": reason, "at": manifest.now(), **more},
        )


class Change(BaseModel, frozen=True):
    """What a verb made of a table: its rows, or its data files, of the source."""

    table: str
    before: int
    after: int


class Outcome(BaseModel, frozen=True):
    """What came of a verb: `done` in one line, and what happens `then`, or who must do what."""

    source: str
    verb: Verb
    done: str
    then: str | None = None
    tables: tuple[Change, ...] = ()

    def __str__(self) -> str:
        return f"{self.done}. {self.then}" if self.then else self.done


def known(slug: str) -> Source:
    """The source of this slug; raises `Refused` with those that there are."""
    found = sources()
    if slug not in found:
        raise Refused(_no("there is no source", slug, found))
    return found[slug]


def hold(run: Run, by: By, drops: Sequence[str] = ()) -> Outcome:
    """Let nothing of the source be done, or nothing with some drops, until `release`.

    A held drop has no say in `current`: where it had one, that is published without it at once. Raises `Refused` where
    it is held, or where nobody knows such a drop.
    """
    return _say(run, by, "hold", drops)


def release(run: Run, by: By, drops: Sequence[str] = ()) -> Outcome:
    """Take a hold back: `current` is published anew at once, and what is not in the lake yet comes with the next run.

    Raises `Refused` where there is no hold.
    """
    return _say(run, by, "release", drops)


def accept(run: Run, by: By, drops: Sequence[str]) -> Outcome:
    """Take landed drops, as they landed last, though they are over their reject limit or a check failed.

    Raises `Refused` where a drop has not landed, is accepted, or went all the way by itself.
    """
    slug, landed = run.source.slug, manifest.landed(run.lake, run.source)
    if not drops:
        raise Refused("accept wants a drop")
    _all_known(f"{slug} has no landed drop", drops, landed)
    for key in drops:
        if landed[key].finished >= landed[key].latest.number and not landed[key].failed:
            raise Refused(f"{slug} {key} went all the way: there is nothing to accept")

    def allowed(before: Decisions) -> None:
        for key in drops:
            if has := before.accepted(landed[key].as_drop()):
                raise Refused(f"{slug} {key} is accepted already: {has.why}")

    made = [
        by.decides("accept", drop=key, revision=landed[key].latest.number, found="for the next run") for key in drops
    ]
    decisions.record(run.lake, slug, *made, allowed=allowed)
    zone = "raw" if all(_candidate(run, key, landed[key].latest.number) for key in drops) else "landed"
    return Outcome(
        source=slug,
        verb="accept",
        done=f"{slug} {_and(f'{d.drop} (revision {d.revision})' for d in made)} {_is(drops)} accepted",
        then=f"It takes effect at the next run: {_command(slug, drops, zone)}",
    )


def rollback(run: Run, by: By, schema: str) -> Outcome:
    """Bring `current` of a schema back to what it was before the source's last publish, and hold the source.

    The source is held first, so that no run publishes meanwhile, and stays so until `release`, also where the rollback
    itself fails: who calls it knows that what would be published is wrong. Raises `Refused` where the source has
    published nothing to that schema, and what `tasks.publish.rollback` raises.
    """
    slug, table = run.source.slug, f"current.{schema}"
    published = [name for name in SCHEMAS if run.tables.marks(f"current.{name}", "source").get(slug)]
    if schema not in published:
        raise Refused(_no(f"{slug} has published to no schema", schema, published))
    decision = _held_for(run, by, "rollback", table=table)
    before = run.tables.rows(table, _source=slug)
    try:
        done = _RETRYING(publish.rollback, SCHEMAS[schema], run)
    except NothingBefore as error:
        decisions.conclude(run.lake, slug, [decision], f"nothing: {error.what}")
        raise Refused(f"{slug} is held, but not rolled back: {error}") from error
    change = Change(table=table, before=before, after=done.rows)
    found = f"{_and(done.undone)} undone: {_rows([change])}"
    decisions.conclude(run.lake, slug, [decision], found)
    return Outcome(
        source=slug,
        verb="rollback",
        done=f"{slug} is rolled back and held, {found}",
        then=f"Hold the drop that was wrong, or correct what is wrong with it, then: inlet release {slug} --reason …",
        tables=(change,),
    )


def purge(run: Run, by: By, *, confirm: str | None, log: Log | None = None) -> Outcome:
    """Remove all that the lake has of a source, in all zones and snapshots; it cannot be undone.

    The source is held first and stays so, as its schedule would bring everything in again. What was decided is kept.
    Run again, it goes on where it was interrupted. Raises `Refused` unless `confirm` is the source's slug, and what
    `tasks.purge.purge` raises.
    """
    slug = run.source.slug
    if confirm != slug:
        drops = len(manifest.landed(run.lake, run.source))
        raise Refused(
            f"purge removes all of {slug} from {run.lake.root}, {drops:,} landed drops and what was made of them, for"
            f" good: confirm it (--yes; in the form: confirm = {slug})"
        )
    decision = _held_for(run, by, "purge")
    found = str(remove(run.source, run.lake, log=log))
    decisions.conclude(run.lake, slug, [decision], found)
    return Outcome(
        source=slug,
        verb="purge",
        done=f"{slug} is purged and held: {found}",
        then="Take its deployments out of prefect.yaml and its flow out of flows/, and delete its block",
    )


def optimise(run: Run, by: By, *, log: Log | None = None) -> Outcome:
    """Join the small files of the source's tables; recorded where there were any."""
    slug, decision = run.source.slug, by.decides("optimise")
    changes = tuple(
        Change(table=name, before=found.before, after=found.after)
        for name, found in joined(run.source, run.lake, log=log).items()
    )
    if not changes:
        return Outcome(source=slug, verb="optimise", done=f"{slug} has no small files to join")
    before, after = sum(c.before for c in changes), sum(c.after for c in changes)
    found = f"{before:,} data files joined to {after:,} in {_tables(c.table for c in changes)}"
    decisions.record(run.lake, slug, decision.model_copy(update={"found": found}))
    return Outcome(source=slug, verb="optimise", done=f"{slug}: {found}", tables=changes)


def expire(run: Run, by: By, *, older_than: timedelta = timedelta(days=7), log: Log | None = None) -> Outcome:
    """Remove old snapshots of the source's tables, and what nothing names any more; recorded where there was any."""
    slug, decision = run.source.slug, by.decides("expire")
    done = expire_source(run.source, run.lake, older_than=older_than, log=log)
    if not done:
        return Outcome(source=slug, verb="expire", done=f"{slug} has no snapshots to expire")
    snapshots, files, size = (sum(getattr(e, name) for e in done.values()) for name in ("snapshots", "files", "bytes"))
    found = f"{snapshots:,} snapshots and {files:,} files, {size / 1e6:,.1f} MB, removed of {_tables(done)}"
    decisions.record(run.lake, slug, decision.model_copy(update={"found": found}))
    return Outcome(source=slug, verb="expire", done=f"{slug}: {found}")


def _tables(names: Iterable[str]) -> str:
    """One by its name, several by their number."""
    found = list(names)
    return found[0] if len(found) == 1 else f"{len(found)} tables"


def _say(run: Run, by: By, verb: Verb, drops: Sequence[str]) -> Outcome:
    """Hold or release, then publish what that changes."""
    source, slug = run.source, run.source.slug
    drops = list(dict.fromkeys(drops))
    keys: list[str | None] = [*drops] or [None]
    if drops:
        made = decisions.read(run.lake, slug).made
        there = {*manifest.landed(run.lake, source), *pending(source, run.lake), *(d.drop for d in made if d.drop)}
        _all_known(f"{slug} has no drop", drops, there)

    def allowed(before: Decisions) -> None:
        for key in keys:
            last = before.last(key)
            if last and last.verb == verb and last.found is not None:
                raise Refused(f"{_name(slug, key)} is {_DONE[verb]} already: {last.why}")
            if last is None and verb == "release":
                held = [*([slug] if before.held else []), *before.held_drops]
                raise Refused(f"{_name(slug, key)} is not held; {_and(held) or 'nothing'} {_is(held)}")

    said = [by.decides(verb, drop=key) for key in keys]
    now = decisions.record(run.lake, slug, *said, allowed=allowed)
    # a source that is held publishes nothing; what its drops say counts again when it is released
    publishes = not now.held and (verb == "release" or bool(drops))
    changes = tuple(_published(run)) if publishes else ()
    decisions.conclude(run.lake, slug, said, _rows(changes))
    return Outcome(
        source=slug,
        verb=verb,
        done=f"{slug} {_and(drops)}".strip() + f" {_is(drops)} {_DONE[verb]}: {_rows(changes)}",
        then=_next(run, verb, drops, now),
        tables=changes,
    )


def _next(run: Run, verb: Verb, drops: Sequence[str], now: Decisions) -> str | None:
    slug = run.source.slug
    if now.held and drops:
        return f"All of {slug} is held, so it counts once that is released: {now.held.why}"
    if verb == "hold":
        return f"Until: inlet release {shlex.join([slug, *drops])} --reason …"
    through = [key for key, m in manifest.landed(run.lake, run.source).items() if m.finished >= m.latest.number]
    waiting = [key for key in drops if key not in through]
    if drops and not waiting:
        return None
    return f"The next run brings in {_and(waiting) or 'what is new'}: {_command(slug, waiting)}"


def _held_for(run: Run, by: By, verb: Verb, *, table: str | None = None) -> Decision:
    """Record what is about to be done to a source that is held for it, unless it is held."""
    slug, decision = run.source.slug, by.decides(verb, table=table)
    held = decisions.read(run.lake, slug).held  # held twice, where two see that it is not, is held as well
    decisions.record(run.lake, slug, *([] if held else [by.decides("hold", found=_rows(()))]), decision)
    return decision


def _published(run: Run) -> Iterator[Change]:
    """Make `current` what the source's drops say now, in every schema that it has rows for."""
    slug = run.source.slug
    for name, schema in SCHEMAS.items():
        if any(key.startswith(f"{slug}/") for key in run.tables.marks(f"transformed.{name}", "drop")):
            table = f"current.{name}"
            before = run.tables.rows(table, _source=slug)
            yield Change(table=table, before=before, after=_RETRYING(publish.apply, schema, run).rows)


def _worth_it(error: BaseException) -> bool:
    return isinstance(error, PlaceError | DataError) and error.retryable


_RETRYING = Retrying(
    retry=retry_if_exception(_worth_it), stop=stop_after_attempt(10), wait=wait_random_exponential(max=5), reraise=True
)
"""Calls a function again where another run was faster."""


def _candidate(run: Run, drop: str, revision: int) -> bool:
    """Whether a drop came as far as its checks, and failed them."""
    name = f"{run.source.slug}/{drop}"
    marks = [run.tables.marks(f"candidate.{schema}", "drop").get(name) for schema in SCHEMAS]
    return any(mark and mark["failures"] and mark["revision"] == revision for mark in marks)


def _all_known(nothing: str, keys: Iterable[str], there: Iterable[str]) -> None:
    """Raise `Refused` for keys that are not there."""
    have = set(there)
    if unknown := [key for key in keys if key not in have]:
        raise Refused("; ".join(_no(nothing, key, have) for key in unknown))


def _no(nothing: str, name: str, there: Iterable[str]) -> str:
    """That there is nothing of this name, and what there is: those that may be meant, else the last few."""
    have = sorted(there, reverse=True)
    meant = get_close_matches(name, have, cutoff=0.6) or have[:_FEW]
    more = f" and {len(have) - len(meant)} more" if len(have) > len(meant) else ""
    return f"{nothing} {name!r}, only {', '.join(meant)}{more}" if have else f"{nothing} at all"


_FEW = 5


def _rows(changes: Sequence[Change]) -> str:
    """What became of `current`."""
    other = [f"{c.table} {c.after:,} rows, before {c.before:,}" for c in changes if c.before != c.after]
    return "; ".join(other) or (
        f"as many rows in current as before ({sum(c.after for c in changes):,})"
        if changes
        else "current stays as it is"
    )


def _command(slug: str, drops: Sequence[str], start_from: str | None = None) -> str:
    """What starts a run of the source with these drops, or with whatever is new."""
    given = [f"drops={drops[0] if len(drops) == 1 else json.dumps(list(drops))}"] if drops else []
    given += [f"start_from={start_from}"] if start_from else []
    return shlex.join(["prefect", "deployment", "run", f"{slug}/ingest", *(f for g in given for f in ("-p", g))])


def _name(slug: str, drop: str | None) -> str:
    return f"{slug} {drop}" if drop else slug


def _and(names: Iterable[str]) -> str:
    *most, last = [*names] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def _is(drops: Sequence[str]) -> str:
    return "are" if len(drops) > 1 else "is"


_DONE = {"hold": "held", "release": "released"}
