"""transform: Raw to a common schema; what cannot be made to fit is held, with the reason.

A drop that is not as its checks say becomes a candidate, which nothing publishes, until it is accepted or passes.
"""

from collections.abc import Mapping as Dict
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from prefect import get_run_logger
from prefect.artifacts import create_table_artifact
from pydantic import BaseModel

from spark.checks import Checks, Parent, failures, references
from spark.errors import ChecksFailed, MissingColumns, SchemaChanged
from spark.mapping import Mapping
from spark.parts import DataFile
from spark.schemas import Schema
from spark.session import not_ended, session
from spark.tables import Mark
from spark.transform import HELD, Input, Places, Transformed
from spark.transform import transform as map_rows
from tasks import decisions, expect, metrics
from tasks.compliance import assert_decided, privacies, published, said
from tasks.convert import Raw
from tasks.cores import SPARK_FROM
from tasks.drop import order
from tasks.events import emit, told
from tasks.profile import draw
from tasks.run import Run, Step, current
from tasks.source import Drop, fingerprint
from tasks.tracked import tracked

CHECKS = Checks()
"""What a drop must be like unless its flow says otherwise."""

LARGE = SPARK_FROM // 4
"""Bytes of a drop's Raw, which is compressed, from which Spark's executors do it, where there are any."""


class Candidate(BaseModel, frozen=True):
    """A drop in a common schema, with the counts of `spark.transform.Transformed`.

    It is in Transformed where no check failed or it was `accepted`, for the reason given; else in Candidate.
    `unchecked` are columns whose references lead to tables in which the source has no rows yet. `converted` is the
    fingerprint of Raw that it was made from, of these `datasets`, and `made_of` says by which of their columns those
    are made that rows lack, or that lost a value.
    """

    drop: Drop
    to: Schema
    fingerprint: str
    converted: str = ""
    datasets: tuple[str, ...] = ()
    made_of: dict[str, tuple[str, ...]] = {}
    raw: int = 0
    rows: int = 0
    held: int = 0
    duplicates: int = 0
    superseded: int = 0
    skipped: int = 0
    conflicting: int = 0
    reasons: dict[str, int] = {}
    given: dict[str, int] = {}
    lost: dict[str, int] = {}
    examples: dict[str, tuple[str, ...]] = {}
    held_at: Places = {}
    lost_at: Places = {}
    unchecked: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    accepted: str | None = None

    @property
    def stopped(self) -> bool:
        """Whether it is a candidate, which nothing publishes."""
        return bool(self.failures) and not self.accepted

    def __str__(self) -> str:
        counts = ("raw", "rows", "held", "duplicates", "superseded", "skipped")
        return f"{self.drop} to {self.to}: " + ", ".join(f"{getattr(self, name):,} {name}" for name in counts)


@tracked("transform {raw.drop} to {to}")
def transform(raw: Raw, to: Schema, by: Dict[str, Mapping], checks: Checks = CHECKS) -> Candidate:
    """Map a drop's datasets, each by its mapping, to one common schema, or answer with what is committed.

    A mapping sees what the source's decisions on privacy leave of columns; with another one a drop is transformed anew.
    Raises `Undecided` where there is none on a column that wants one, unless the source is published there already.
    What `to` refers to is transformed before it, as that is where references are looked up. `checks` judge a drop when
    it is transformed: what is committed stays, whatever they become. Raises `ChecksFailed` where one fails and nobody
    has accepted the drop: its rows then are in Candidate, and Transformed is as it was. A drop that failed is done
    again once the checks, or what they compare it with, are others.
    """
    run = current()
    part = [raw.drop.part] if raw.drop.part else []  # what publish asks the mark for
    decided = privacies(run.source, by, raw.drop)
    made_from = fingerprint(raw.fingerprint, to, *sorted(by.items()), *part, *said(decided, by))
    why, known = _due(raw.drop, to, made_from, checks, run)
    if run.dry is not None:
        size = 0 if known else sum(_size(name, raw.drop, run) for name in by)
        run.dry.append(Step(drop=raw.drop.key, stage="transform", why=why, bytes=size))
        return Candidate(drop=raw.drop, to=to, fingerprint=made_from)
    if known is None or not published(run, to):
        assert_decided(raw, to, by, run, get_run_logger())
    was = run.tables.marks(f"held.{to}", "drop").get(key(run, raw.drop), {}) if known is None else {}
    with told(MissingColumns, "inlet.schema.drifted", raw.drop, schema=str(to)):
        done = known or to_schema(raw, to, by, made_from, run, checks)
    if known is None or done.failures:
        show(done, run)
    if known is None:
        if any((done.held, done.lost, was.get("held"), was.get("lost"))):
            draw(raw, run)
        metrics.add(run.source.slug, "transformed", rows=0 if done.stopped else done.rows, rejected=done.held)
        if done.stopped:
            emit("inlet.drop.held", raw.drop, schema=str(to), what="; ".join(done.failures), held=done.held)
    if done.stopped:
        raise ChecksFailed(f"{run.source.slug} {raw.drop} to {to}: {'; '.join(done.failures)}")
    return done


@not_ended()
def to_schema(
    raw: Raw, to: Schema, by: Dict[str, Mapping], made_from: str, run: Run, checks: Checks = CHECKS
) -> Candidate:
    """Transform and check a drop, then replace it in `held` and in `transformed` or `candidate`.

    Raises `SchemaChanged` where the schema is none that its table can hold, and what `spark.transform` raises; then
    nothing is committed.
    """
    _fits(to, run)
    drop, tables, slug = raw.drop, run.tables, run.source.slug
    large = sum(_size(name, drop, run) for name in by) >= LARGE
    spark = session(run.lake.environment(), large=large)
    inputs, decided = [], privacies(run.source, by, drop)
    for name, mapping in by.items():
        if name in raw.datasets:
            table = run.source.table("raw", name)
            files = tables.files(table, _drop=drop.key)
            inputs.append(Input(files, tables.schema(table), raw.datasets[name].rows, mapping, decided[name]))
    done = map_rows(
        spark,
        inputs,
        to,
        slug,
        drop=drop.key,
        into=tables.folder(f"transformed.{to}"),
        held_into=tables.folder(f"held.{to}"),
    )
    compared = fingerprint(*_compared(drop, to, checks, run))
    parents = _parents(done, drop, to, run)
    found = expect.judge(raw, by, run) + failures(
        done,
        to,
        checks,
        slice_=f"_source = '{slug}' AND _drop = '{drop.key}'",
        before=_before(drop, to, run),
        refers=references(spark, done, to, slug, parents),
    )
    accepted = decisions.read(run.lake, slug).accepted(drop) if found else None
    made = Candidate(
        **done.model_dump(exclude={"files", "held_files"}),
        drop=drop,
        to=to,
        fingerprint=made_from,
        converted=raw.fingerprint,
        datasets=tuple(name for name in by if name in raw.datasets),
        made_of=_made_of(done, to, inputs),
        held=done.held,
        unchecked=tuple(
            c.name for c in to.columns if c.references and c.name not in parents and done.given.get(c.name)
        ),
        failures=tuple(map(str, found)),
        accepted=str(accepted) if accepted else None,
    )
    _commit(made, done, compared, run)
    return made


def _made_of(done: Transformed, to: Schema, inputs: Sequence[Input]) -> dict[str, tuple[str, ...]]:
    """By which raw columns those are made that may be why a row is held, or that lost a value."""
    found = {}
    for column in to.columns:
        if column.name in done.lost or (column.required and done.held):
            paths = [path for given in inputs for path in given.mapping.made_of(column.name, given.raw.names)]
            found[column.name] = tuple(dict.fromkeys(paths))
    return found


def _commit(made: Candidate, done: Transformed, compared: str, run: Run) -> None:
    """Replace the drop in the tables; Transformed, whose mark says that it is done, comes last."""
    to, drop, tables = made.to, made.drop, run.tables
    here = {"_source": run.source.slug, "_drop": drop.key}
    mark = run.mark(
        made.fingerprint,
        **made.model_dump(mode="json", exclude={"drop", "to", "fingerprint"}),
        key=list(to.key),
        compared=compared,
        as_of=drop.as_of.isoformat(),
        kind=drop.kind,
        revision=drop.revision,
        part=drop.part,
    )
    name, candidate = key(run, drop), f"candidate.{to}"
    tables.replace(f"held.{to}", HELD, here, done.held_files, mark=("drop", name, mark))
    if made.failures and not made.accepted:
        files = _moved(done.files, tables.folder(candidate), run)
        tables.replace(candidate, to.arrow, here, files, mark=("drop", name, mark))
        return
    if tables.marks(candidate, "drop").get(name, {}).get("failures"):
        tables.replace(candidate, to.arrow, here, [], mark=("drop", name, {**mark, "failures": []}))
    tables.replace(f"transformed.{to}", to.arrow, here, done.files, mark=("drop", name, mark))


def _moved(files: Sequence[DataFile], folder: str, run: Run) -> list[DataFile]:
    """Files of no table yet, in the folder of the one that will name them: what else is there is an orphan some day."""
    fs = run.lake.fs()
    fs.makedirs(folder, exist_ok=True)
    moved = [file.model_copy(update={"url": f"{folder}/{file.url.rpartition('/')[2]}"}) for file in files]
    for file, new in zip(files, moved, strict=True):
        fs.mv(file.url, new.url)
    return moved


def _due(drop: Drop, to: Schema, made_from: str, checks: Checks, run: Run) -> tuple[str | None, Candidate | None]:
    """Why a drop is to be transformed, None where that is done; and what is known of it where that holds."""
    name = key(run, drop)
    mark = run.tables.marks(f"transformed.{to}", "drop").get(name)
    failed = run.tables.marks(f"candidate.{to}", "drop").get(name)
    if run.redoes("raw"):
        return "forced", None
    if mark and mark["fingerprint"] == made_from:
        return None, _known(mark, drop, to)
    if (
        failed
        and failed["failures"]
        and (failed["fingerprint"], failed["revision"]) == (made_from, drop.revision)
        and failed["compared"] == fingerprint(*_compared(drop, to, checks, run))
        and not decisions.read(run.lake, run.source.slug).accepted(drop)
    ):
        return "its checks failed, and nobody accepted it", _known(failed, drop, to)
    return "its inputs or its declaration changed" if mark else "never done", None


def _known(mark: Mark, drop: Drop, to: Schema) -> Candidate:
    return Candidate.model_validate({**mark, "drop": drop, "to": to})


def _size(dataset: str, drop: Drop, run: Run) -> int:
    """Bytes of a drop's raw data files."""
    return sum(f.bytes for f in run.tables.ranges(run.source.table("raw", dataset), "_record", _drop=drop.key))


def _fits(to: Schema, run: Run) -> None:
    """Raise `SchemaChanged` where the table has a column of another type, or rows of another key."""
    table = f"transformed.{to}"
    if run.tables.get(table) is None:
        return
    there, wanted = _types(run.tables.schema(table)), _types(to.arrow)
    changed = [f"{name} is {there[name]}, not {kind}" for name, kind in wanted.items() if there.get(name, kind) != kind]
    keys = {tuple(mark.get("key", to.key)) for mark in run.tables.marks(table, "drop").values()}
    changed += [f"its key is {', '.join(key)}, not {', '.join(to.key)}" for key in sorted(keys - {to.key})]
    if changed:
        raise SchemaChanged(f"{table}: {'; '.join(changed)}")


def _types(schema: pa.Schema) -> dict[str, str]:
    return {field.name: str(field.type).replace("large_", "") for field in schema}


def _compared(drop: Drop, to: Schema, checks: Checks, run: Run) -> list[Any]:
    """What decides, beside a drop's own rows, whether it passes: limits, the full drop before it, what it refers to."""
    slug, marks = run.source.slug, run.tables.marks
    said: list[Any] = [checks, _before(drop, to, run), *expect.compared(drop, run)]
    for parent in sorted({c.references.partition(".")[0] for c in to.columns if c.references}):
        own = marks(f"transformed.{parent}", "drop").get(key(run, drop), {})
        published = marks(f"current.{parent}", "source").get(slug, {})
        said += [parent, own.get("fingerprint"), sorted(published.get("applied", {}).items())]
    return said


def _before(drop: Drop, to: Schema, run: Run) -> int | None:
    """Rows of the last full drop of the same part before this one, where this one is full too and there is one."""
    slug = run.source.slug
    not_these = {key(run, drop), *(f"{slug}/{held}" for held in decisions.read(run.lake, slug).held_drops)}
    full = [
        mark
        for name, mark in run.tables.marks(f"transformed.{to}", "drop").items()
        if name.startswith(f"{slug}/")
        and name not in not_these
        and (mark["kind"], mark.get("part", "")) == ("full", drop.part)
    ]
    earlier = [mark for mark in full if order(mark) < drop.order]
    return int(max(earlier, key=order)["rows"]) if earlier and drop.kind == "full" else None


def _parents(done: Transformed, drop: Drop, to: Schema, run: Run) -> dict[str, list[Parent]]:
    """Where the rows stand that columns refer to: those of this drop, and those that are current."""
    found, slug = {}, run.source.slug
    for column in to.columns:
        if column.references:
            parent = column.references.partition(".")[0]
            of_drop = (
                [file.url for file in done.files]
                if parent == str(to)
                else run.tables.files(f"transformed.{parent}", _source=slug, _drop=drop.key)
            )
            now = run.tables.files(f"current.{parent}", _source=slug)
            if some := [Parent(files, key) for files, key in ((of_drop, drop.key), (now, None)) if files]:
                found[column.name] = some
    return found


def show(done: Candidate, run: Run) -> None:
    """Log what became of a drop's rows, and keep it as an artifact: counts, and how lost values look."""
    log = get_run_logger()
    log.info("%s %s", run.source.slug, done)
    if done.unchecked:
        log.info("%s: no rows yet to compare %s with", done.to, ", ".join(done.unchecked))
    if done.accepted:
        log.warning("%s: taken, though %s (%s)", done.to, "; ".join(done.failures), done.accepted)
    create_table_artifact(
        table=summary(done),
        key=f"{run.source.slug}-transformed-{str(done.to).replace('_', '-')}",
        description=f"{run.source.slug} {done.drop} in {done.to}",
    )


def summary(done: Candidate) -> list[dict[str, str | int]]:
    """Rows of what became of a drop: counts, reasons, and shapes of lost values."""
    counts = ("raw", "rows", "duplicates", "superseded", "skipped")
    return [
        *({"what": name, "count": getattr(done, name), "more": ""} for name in counts),
        *({"what": "held", "count": n, "more": reason} for reason, n in done.reasons.items()),
        *(
            {
                "what": f"{name} lost",
                "count": n,
                "more": f"of {done.given[name]:,}; {', '.join(done.examples.get(name, ()))}",
            }
            for name, n in done.lost.items()
        ),
        *({"what": "check failed", "count": "", "more": failure} for failure in done.failures),
    ]


def key(run: Run, drop: Drop) -> str:
    """A drop's key in the marks of a table that sources share."""
    return f"{run.source.slug}/{drop.key}"
