"""transform: Raw to a common schema; what cannot be made to fit is held, with the reason."""

from collections.abc import Mapping as Dict

from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel

from spark.mapping import Mapping
from spark.schemas import Schema
from spark.session import session
from spark.tables import Mark
from spark.transform import HELD, Transformed
from spark.transform import transform as map_rows
from tasks.convert import Raw
from tasks.retrying import RETRY
from tasks.run import Run, current
from tasks.source import Drop, fingerprint


class Candidate(BaseModel, frozen=True):
    """A drop that is in Transformed, checked: raw = rows + held + duplicates."""

    drop: Drop
    to: Schema
    rows: int
    held: int
    duplicates: int
    reasons: dict[str, int]
    nulled: dict[str, int]


@task(task_run_name="transform {raw.drop} to {to}", cache_policy=NO_CACHE, **RETRY)
def transform(raw: Raw, to: Schema, by: Dict[str, Mapping]) -> Candidate:
    """Map a drop's datasets, each by its mapping, to one common schema, or answer with what is committed."""
    run = current()
    made_from = fingerprint(raw.fingerprint, to, *sorted(by.items()))
    mark = run.tables.marks(f"transformed.{to}", "drop").get(key(run, raw.drop))
    if not mark or mark["fingerprint"] != made_from or run.redoes("raw"):
        mark = to_schema(raw, to, by, made_from, run)
    return Candidate.model_validate({**mark, "drop": raw.drop, "to": to})


def to_schema(raw: Raw, to: Schema, by: Dict[str, Mapping], made_from: str, run: Run) -> Mark:
    """Transform and check a drop, then replace it in `held` and `transformed`; answers with the mark it leaves.

    Raises what `spark.transform` raises; then nothing is committed.
    """
    spark = session(run.lake.environment())
    drop, tables = raw.drop, run.tables
    done = Transformed()
    for name, mapping in by.items():
        if name in raw.datasets:
            table = run.source.table("raw", name)
            done += map_rows(
                spark,
                tables.files(table, _drop=drop.key),
                tables.schema(table),
                raw.datasets[name].rows,
                mapping,
                to,
                run.source.slug,
                drop=drop.key,
                into=tables.folder(f"transformed.{to}"),
                held_into=tables.folder(f"held.{to}"),
            )
    mark = run.mark(
        made_from,
        rows=done.rows,
        held=done.held,
        duplicates=done.duplicates,
        reasons=done.reasons,
        nulled=done.nulled,
        as_of=drop.as_of.isoformat(),
        kind=drop.kind,
        revision=drop.revision,
    )
    here = {"_source": run.source.slug, "_drop": drop.key}
    tables.replace(f"held.{to}", HELD, here, done.held_files, mark=("drop", key(run, drop), mark))
    tables.replace(f"transformed.{to}", to.arrow, here, done.files, mark=("drop", key(run, drop), mark))
    return mark


def key(run: Run, drop: Drop) -> str:
    """A drop's key in the marks of a table that sources share."""
    return f"{run.source.slug}/{drop.key}"
