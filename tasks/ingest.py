"""ingest: turns what a source does with one drop into its flow: parameters, plan, dispatch, clean-up."""

import asyncio
import logging
from collections.abc import Callable
from typing import Annotated, Literal, cast
from uuid import uuid4

from prefect import Flow, flow, get_run_logger, runtime
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.exceptions import MissingContextError
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import Field

from blocks.errors import PlaceError
from spark.errors import DataError
from tasks import decisions, manifest
from tasks.cadence import Overdue
from tasks.dispatch import HELD, LATE, TOLD_ALREADY, Ended, cancel_children, dispatch
from tasks.events import TOLD
from tasks.memory import say_if_it_ran_out
from tasks.plan import Chosen, Life, Plan, choose, in_a_line, plan, size
from tasks.run import Run, load_lake, running
from tasks.server import patient
from tasks.source import Drop, Source
from tasks.transfer import tidy
from tasks.unwrap import clean, sweep

# Each has a default of its first type, so that the UI's form opens with a field to type in; titles name the choices.
Keys = Annotated[str, Field(title="a key")] | Annotated[list[str], Field(title="several keys")]
Period = Annotated[str, Field(title="a day, month or year")] | Annotated[int, Field(title="a year, as a number")]
Start = Literal["outside", "landed", "raw", "transformed"]


class DropsFailed(Exception):
    """Some drops of a run failed; the others are done."""

    def __init__(self, failures: dict[str, str]) -> None:
        super().__init__(failures)
        self.failures = failures

    def __str__(self) -> str:
        return "; ".join(f"{drop}: {why}" for drop, why in self.failures.items())


def ingest(source: Source) -> Callable[[Life], Flow[..., object]]:
    """Make the flow of a source from the function that brings one of its drops through all stages.

    The flow plans which drops to do, and which stages of each: for that it first calls the function in a dry run, of
    which its stages know (`Run.dry`), as must whatever else it does. As the deployment `<slug>/ingest` it starts one
    run of `<slug>/drop` for each drop that is not up to date, and waits for them; anywhere else it does them in this
    process, in their order. One drop's failure stops no other. What is held is left alone. A run that looks for what is
    new fails, when it has done what there is, where the source's cadence is not kept.
    """

    def decorate(life: Life) -> Flow[..., object]:
        def run_source(
            drops: Keys = "",
            since: Period = "",
            until: Period = "",
            start_from: Start = "outside",
            force: bool = False,
            dry_run: bool = False,
        ) -> object:
            """Bring drops of the source into the lake.

            Args:
                drops: Key of a drop, such as 2026-11, or a list of keys. Empty: what is new, changed or unfinished.
                since: A day, month or year, such as 2025-01: only drops that speak of it or of later, landed ones too.
                until: A day, month or year, such as 2025-06: only drops that speak of it or of earlier.
                start_from: Where to begin. A zone of the lake: it is read, nobody outside is asked, and without drops,
                    since and until every drop that has landed is meant.
                force: Do every stage from start_from on again, also where it is up to date; files that have landed are
                    not transferred again.
                dry_run: Only show the plan, drops, stages and bytes, in the log and as an artifact.
            """
            zone = None if start_from == "outside" else start_from
            run = Run(source=source, lake=load_lake(), id=_run_id(), start_from=zone, force=force)
            with running(run):
                made = decisions.read(run.lake, source.slug)
                if held := _held(made, drops):
                    return held
                planned = plan(run, life, choose(run, drops or None, since or None, until or None, made.held_drops))
                _show(run, planned)
                if dry_run:
                    reads = f"; reads {size(planned.bytes)}" if planned.to_do else ""
                    return Completed(message=planned.said("Planned", planned.to_do) + reads)
                sweep(run.lake, source)
                tidy(run.lake, source)
                return _end(run, planned, _do(run, planned, life))

        # the flow is found under the name by which its module knows it
        run_source.__module__, run_source.__qualname__ = life.__module__, life.__qualname__
        return flow(
            name=source.slug,
            description=life.__doc__ or f"Drops of {source.slug}.",
            flow_run_name=_run_name(source),
            task_runner=cast(TaskRunner[PrefectFuture[object]], ThreadPoolTaskRunner(max_workers=8)),
            on_cancellation=[cancel_children],
            on_crashed=[say_if_it_ran_out],
        )(run_source)

    return decorate


def _held(made: decisions.Decisions, drops: Keys) -> State[object] | None:
    """How a run ends that has nothing to do, as its source is held, or, since it was started for it, its drop."""
    if made.held:
        return Completed(name=HELD, message=f"{made.source} is held: {made.held.why}")
    keys = [drops] if drops and isinstance(drops, str) else drops
    if keys and made.held_drops.keys() >= set(keys) and runtime.flow_run.parent_flow_run_id:
        return Completed(name=HELD, message="; ".join(f"{key} is held: {made.held_drops[key].why}" for key in keys))
    return None


def _do(run: Run, planned: Plan, life: Life) -> dict[str, Ended]:
    """Do what there is to do, and note of the rest that it is done."""
    for drop in planned.up_to_date:  # nothing notes it where a run was killed after its last stage
        manifest.settle(run.lake, drop)
    works = [work for work in planned.works if not work.up_to_date]
    if _deployment() == "ingest":
        return asyncio.run(dispatch(run, works))
    return {work.drop.key: _in_process(run, work.drop, life) for work in works}


@patient
def _deployment() -> str | None:
    """The name of the deployment that this is a run of."""
    name: str | None = runtime.deployment.name
    return name


def _in_process(run: Run, drop: Drop, life: Life) -> Ended:
    """Bring one drop through its life, unless it was held since it was planned."""
    made = decisions.read(run.lake, run.source.slug)
    if made.held or drop.key in made.held_drops:
        return Ended(None, held=True)
    try:
        life(drop)
        manifest.settle(run.lake, run.landed_as(drop))
    except Exception as error:  # whatever stops one drop stops no other
        failure = in_a_line(error)
        known = isinstance(error, PlaceError | DataError)  # whose message says it all
        _logger().error("%s %s failed: %s", run.source.slug, drop, failure, exc_info=not known)
        manifest.settle(run.lake, run.landed_as(drop), error=failure)
        return Ended(failure, told=isinstance(error, TOLD))
    finally:
        try:
            clean(run.lake, run.landed_as(drop), run.id)
        except Exception as error:  # the next run sweeps
            _logger().warning("%s %s: what is staged was not removed: %s", run.source.slug, drop, in_a_line(error))
    return Ended(None)


def _end(run: Run, planned: Plan, ended: dict[str, Ended]) -> State[object]:
    """What the run says in the end."""
    slug, chosen = run.source.slug, planned.chosen
    failures = {key: end.failed for key, end in ended.items() if end.failed}
    held = [key for key, end in ended.items() if end.held]
    done = [drop for drop in planned.to_do if drop.key not in {*failures, *held}]
    errors: list[Exception] = [DropsFailed(failures)] if failures else []
    if chosen.overdue:
        errors.append(Overdue(f"{slug} is overdue: {_why_overdue(chosen)}"))
    said = planned.said("Done", done, held)
    if errors:
        untold = any(end.failed and not end.told for end in ended.values())
        name = "Failed" if untold else TOLD_ALREADY if failures else LATE
        return Failed(name=name, message=". ".join([*map(str, errors), *([said] if said else [])]), data=errors[0])
    return Completed(message=said)


def _show(run: Run, planned: Plan) -> None:
    """The plan in the log, a line a drop, and as an artifact."""
    slug, rows = run.source.slug, planned.rows(run.source.zone)
    for late in planned.chosen.overdue:
        _logger().warning("%s is overdue: %s", slug, late)
    for row in rows:
        about = [str(row["kind"]), f"as of {row['as of']}", f"revision {row['revision']}"] if row["kind"] else []
        reads = [f"reads {row['reads']}"] if row["reads"] else []
        _logger().info("%s", f"{', '.join([str(row['drop']), *about])}: {'; '.join([str(row['to do']), *reads])}")
    if rows:
        patient(create_table_artifact)(
            rows, key=f"{slug}-plan", description=f"What this run does with drops of {slug}, in their order"
        )


def _run_name(source: Source) -> Callable[[], str]:
    def name() -> str:
        given = runtime.flow_run.parameters
        drops = given.get("drops") or []
        keys = [drops] if isinstance(drops, str) else drops
        times = [f"{word} {given[word]}" for word in ("since", "until") if given.get(word)]
        what = [", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")] if keys else []
        start = None if given.get("start_from") == "outside" else given.get("start_from")
        return " ".join(
            [
                source.slug,
                *(what + times or ["all landed drops" if start else "new drops"]),
                *([f"from {start}"] if start else []),
                *(["again"] if given.get("force") else []),
                *(["(plan only)"] if given.get("dry_run") else []),
            ]
        )

    return name


def _why_overdue(chosen: Chosen) -> str:
    """Which drops, and what there is instead."""
    waits = [f"{p.key} waits: {p.reason}" for p in chosen.pending[:3]]
    more = [f"{len(chosen.pending) - 3} more wait"] if len(chosen.pending) > 3 else []
    return "; ".join([*chosen.overdue, *waits, *more])


def _run_id() -> str:
    """Unique per attempt, and leading to the flow run in the UI."""
    return f"{runtime.flow_run.id or 'local'}-{uuid4().hex[:8]}"


def _logger() -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("inlet")
