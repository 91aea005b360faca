"""profile: what a drop's datasets look like, beside the drops before: a report for who sends them, and artifacts."""

from collections.abc import Iterator, Mapping, Sequence

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from blocks.errors import Conflict, PlaceError
from blocks.lake import Lake
from spark.errors import DataError
from spark.profiling.compare import LIMITS, compare
from spark.profiling.expectations import broken
from spark.profiling.located import located, refused
from spark.profiling.profiles import DatasetProfile
from spark.profiling.report import Earlier, File, Report, Unfit, render
from spark.profiling.report.words import markdown
from spark.recognising import recognise
from tasks import expect, profiles
from tasks.convert import Raw
from tasks.manifest import encoded
from tasks.run import Run, current
from tasks.source import Drop
from tasks.tracked import tracked, without_values

HISTORY = 7
"""Drops before this one that a report shows."""

SURE = 0.6
"""Confidence from which on a report says what a column seems to mean."""


@tracked("profile {raw.drop}")
def profile(raw: Raw) -> None:
    """Write a report on each dataset into the lake, `reports/<source>/<drop>/<dataset>.html`, and artifacts.

    The table has per dataset its rows, rejected records with reasons, and the columns that are empty; the other
    artifact what the reports say in short, with links to them. A drop whose profile was not kept has the table alone.
    In a plan it is no step: it reads nothing but what is kept. A report that cannot be made stops no drop.
    """
    run = current()
    if run.dry is not None:
        return
    made = draw(raw, run)
    create_table_artifact(
        table=summary(raw, made),
        key=f"{run.source.slug}-raw",
        description=f"What arrived in drop {raw.drop}",
    )


def draw(raw: Raw, run: Run) -> dict[str, tuple[Report, str]]:
    """Write what there is to say now of each dataset, and the artifact; the reports and their URLs.

    `transform` has it done again, as it knows more.
    """
    try:
        made = {name: (report, write(report, run.lake)) for name, report in reports(raw, run).items()}
    except (PlaceError, DataError):
        raise
    except Exception as error:  # its text may show a value
        get_run_logger().error("%s %s: no report: %s", run.source.slug, raw.drop, without_values(error))
        return {}
    if made:
        create_markdown_artifact(
            markdown="\n\n".join(markdown(report, link) for report, link in made.values()),
            key=f"{run.source.slug}-report",
            description=f"What is wrong in drop {raw.drop}, and what we ask for",
        )
    return made


def reports(raw: Raw, run: Run) -> dict[str, Report]:
    """What there is to say of each dataset of which a profile was kept."""
    kept = profiles.read(run.lake, raw.drop, raw.fingerprint)
    if not kept:
        return {}
    drops, beside = expect.earlier(raw.drop, run), expect.last(raw.drop, run)
    shown = [*drops[-HISTORY:], *([beside] if beside and beside not in drops[-HISTORY:] else [])]
    before = {drop.key: profiles.read(run.lake, drop) for drop in sorted(shown, key=lambda drop: drop.order)}
    unfit = sorted(_unfit(raw, run), key=lambda one: not one.reasons)
    return {
        name: _report(name, now, raw, before, beside, unfit, run)
        for name, now in kept.items()
        if name in raw.datasets and not (run.source.contents and run.source.contents.dataset == name)
    }


def _report(
    name: str,
    now: DatasetProfile,
    raw: Raw,
    before: Mapping[str, Mapping[str, DatasetProfile]],
    beside: Drop | None,
    unfit: Sequence[Unfit],
    run: Run,
) -> Report:
    drop, source, fs = raw.drop, run.source, run.lake.fs()
    expected, then = source.datasets[name].expect, before[beside.key].get(name) if beside else None
    limits = LIMITS if drop.kind == "full" else LIMITS.model_copy(update={"keys": None})
    failed = broken(now, expected, then) if expected else ()
    changed = compare(then, now, limits) if then else ()
    rejected = run.tables.files(source.table("rejected", name), _drop=drop.key)
    rows = run.tables.files(source.table("raw", name), _drop=drop.key)
    meanings = {column.name: recognise(column)[:1] for column in now.columns.values()}
    return Report(
        source=source.slug,
        dataset=name,
        drop=drop.key,
        as_of=drop.as_of,
        kind=drop.kind,
        revision=drop.revision,
        phi=source.phi,
        now=now,
        files=tuple(File(name=file.name, bytes=file.size) for file in drop.files),
        refused=refused(rejected, drop.key, raw.datasets[name].reasons, source.phi, fs),
        unfit=tuple(one for one in unfit if name in one.datasets),
        earlier=tuple(Earlier(drop=key, profile=of[name]) for key, of in before.items() if name in of),
        beside=beside.key if beside and then else None,
        recognised={column: best[0] for column, best in meanings.items() if best and best[0].confidence >= SURE},
        broken=failed,
        changed=changed,
        located=located([*failed, *changed], rows, drop.key, fs),
    )


def _unfit(raw: Raw, run: Run) -> Iterator[Unfit]:
    """What transforms of a drop as it is in Raw now could not use, by common schema."""
    for table in run.tables.names("held"):
        mark = run.tables.marks(table, "drop").get(f"{run.source.slug}/{raw.drop.key}", {})
        if mark.get("converted") == raw.fingerprint and (mark["reasons"] or mark["lost"]):
            yield Unfit.model_validate({**mark, "to": table.partition(".")[2]})


def write(report: Report, lake: Lake) -> str:
    """Put a report where it belongs, in the place of one that says something else; its URL."""
    where = ("reports", report.source, encoded(report.drop), f"{encoded(report.dataset)}.html")
    page, found = render(report).encode(), lake.read(lake.path(*where))
    if found is None or found[0] != page:
        try:
            lake.put(lake.path(*where), page, found[1] if found else None)
        except Conflict:  # another run reports on the same drop
            return write(report, lake)
    return lake.url(*where)


def summary(raw: Raw, made: Mapping[str, tuple[Report, str]] | None = None) -> list[dict[str, str | int]]:
    """A row per dataset: counts only, no value of any column."""
    return [
        {
            "dataset": name,
            "rows": dataset.rows,
            "rejected": dataset.rejected,
            "why": ", ".join(f"{n} × {reason}" for reason, n in dataset.reasons.items()),
            "columns": len(dataset.nulls),
            "empty columns": sum(n == dataset.rows for n in dataset.nulls.values()) if dataset.rows else 0,
            **(_found(*made[name]) if made and name in made else {}),
        }
        for name, dataset in raw.datasets.items()
    ]


def _found(report: Report, link: str) -> dict[str, str | int]:
    severities = [finding.severity for finding in report.findings]
    return {"problems": severities.count("problem"), "warnings": severities.count("warning"), "report": link}
