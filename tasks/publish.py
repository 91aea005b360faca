"""publish: Transformed to current, the latest version of every key, in the order of what drops speak of."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel

from spark.current import current_schema, merge
from spark.schemas import Schema
from spark.session import session
from spark.tables import Mark
from spark.transform import BUCKETS
from tasks.drop import order
from tasks.retrying import RETRY
from tasks.run import Run, current
from tasks.transform import Candidate


class Published(BaseModel, frozen=True):
    """`current` after a publish: its rows of this source, and the drops that were applied just now."""

    rows: int
    applied: tuple[str, ...]


@task(task_run_name="publish {candidate.drop} to {candidate.to}", cache_policy=NO_CACHE, **RETRY)
def publish(candidate: Candidate) -> Published:
    """Apply every committed drop that `current` has not applied, this one among them."""
    run = current()
    return apply(candidate.to, run, again=run.redoes("transformed"))


def apply(schema: Schema, run: Run, *, again: bool = False) -> Published:
    """Make `current` what the committed drops of the run's source say; `again`: all of it, though nothing is new.

    Raises `TableMoved` where another run published meanwhile: what it published must be looked at again.
    """
    source, tables, table = run.source, run.tables, f"current.{schema}"
    drops = _of_source(tables.marks(f"transformed.{schema}", "drop"), source.slug)
    before = tables.marks(table, "source").get(source.slug)
    applied: dict[str, str] = before["applied"] if before else {}
    new = [key for key, mark in drops.items() if applied.get(key) != mark["fingerprint"]]
    if not new and not again:
        return Published(rows=tables.rows(table, _source=source.slug), applied=())
    ordered = sorted(drops, key=lambda key: order(drops[key]))
    if source.absent == "deleted":  # what came before the last full drop has no say any more
        full = [i for i, key in enumerate(ordered) if drops[key]["kind"] == "full"]
        ordered = ordered[full[-1] if full else 0 :]
    ranks = {key: rank for rank, key in enumerate(ordered)}
    merged = merge(
        session(run.lake.environment()),
        tables.files(f"transformed.{schema}", _source=source.slug, _drop=tuple(ranks)),
        ranks,
        schema,
        into=tables.folder(table),
    )
    now = {key: mark["fingerprint"] for key, mark in drops.items()}
    tables.replace(
        table,
        current_schema(schema),
        {"_source": source.slug, "_bucket": range(BUCKETS)},
        merged.files,
        mark=("source", source.slug, run.mark(str(schema), applied=now)),
        if_marked=lambda marks: marks.get(source.slug) == before,
    )
    return Published(rows=merged.rows, applied=tuple(new))


def _of_source(marks: dict[str, Mark], slug: str) -> dict[str, Mark]:
    return {key.removeprefix(f"{slug}/"): mark for key, mark in marks.items() if key.startswith(f"{slug}/")}
