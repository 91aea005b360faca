"""ingest: turns what a source does with one drop into its flow: parameters, plan, dispatch, clean-up."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import cast
from uuid import uuid4

from prefect import Flow, flow, get_run_logger, runtime
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.deployments import arun_deployment
from prefect.exceptions import MissingContextError
from prefect.futures import PrefectFuture
from prefect.states import Cancelling, Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import BaseModel

from tasks import manifest
from tasks.discover import Offer, Pending, discover
from tasks.run import Run, Zone, load_lake, running
from tasks.source import Drop, Source
from tasks.unwrap import clean

Selection = str | list[str] | None
Period = str | int | None


class DropsFailed(Exception):
    """Some drops of a run failed; the others are done."""

    def __init__(self, failures: dict[str, str]) -> None:
        super().__init__(failures)
        self.failures = failures

    def __str__(self) -> str:
        return "; ".join(f"{drop}: {why}" for drop, why in self.failures.items())


class Plan(BaseModel, frozen=True):
    """The drops that a run brings through, in their order, and those that are not complete."""

    drops: tuple[Drop, ...]
    pending: tuple[Pending, ...] = ()


def ingest(source: Source) -> Callable[[Callable[[Drop], None]], Flow[..., object]]:
    """Make the flow of a source from the function that brings one of its drops through all stages.

    The flow plans which drops to do. As the deployment `<slug>/ingest` it starts one run of `<slug>/drop` for each and
    waits for them; anywhere else it does them in this process, in their order. One drop's failure stops no other.
    """

    def decorate(life: Callable[[Drop], None]) -> Flow[..., object]:
        def run_source(
            drops: Selection = None,
            since: Period = None,
            until: Period = None,
            start_from: Zone | None = None,
            force: bool = False,
            dry_run: bool = False,
        ) -> object:
            """Bring drops of the source into the lake.

            Args:
                drops: Keys of the drops to do, one or a list; empty: whatever is new or unfinished.
                since: Only drops that speak of this day, month or year or later, such as 2025-01.
                until: Only drops that speak of this day, month or year or earlier, the whole of it.
                start_from: The zone that is read: landed, raw or transformed; empty: the outside.
                force: Do the stages from there on again although they are up to date.
                dry_run: Log the plan and stop.
            """
            run = Run(source=source, lake=load_lake(), id=_run_id(), start_from=start_from, force=force)
            with running(run):
                planned = plan(run, drops, since, until)
                _log_plan(run, planned)
                if dry_run or not planned.drops:
                    return Completed(message=_summary(planned, dry_run))
                if runtime.deployment.name == "ingest":
                    failures = asyncio.run(_dispatch(run, planned.drops))
                else:
                    failures = _in_process(run, planned.drops, life)
                if failures:
                    return Failed(message=str(DropsFailed(failures)), data=DropsFailed(failures))
                return Completed(message=f"Done: {', '.join(map(str, planned.drops))}")

        # the flow is found under the name by which its module knows it
        run_source.__module__, run_source.__qualname__ = life.__module__, life.__qualname__
        return flow(
            name=source.slug,
            description=life.__doc__ or f"Drops of {source.slug}.",
            flow_run_name=_run_name(source),
            task_runner=cast(TaskRunner[PrefectFuture[object]], ThreadPoolTaskRunner(max_workers=8)),
            on_cancellation=[_cancel_children],
        )(run_source)

    return decorate


def plan(run: Run, drops: Selection = None, since: Period = None, until: Period = None) -> Plan:
    """The drops to do, in their order: new ones that the source offers, and landed ones that are not finished.

    With a selection or a period, every landed drop in it counts too: what is up to date is not done again. With
    `start_from` nobody outside is asked. Raises `ValueError` for keys that nobody knows and for periods that are none.
    """
    wanted = [drops] if isinstance(drops, str) else drops
    first, last = period(since)[0] if since else None, period(until)[1] if until else None
    offer = Offer(drops=(), pending=()) if run.start_from else discover()
    landed = manifest.landed(run.lake, run.source)
    chosen = wanted is not None or first is not None or last is not None or run.start_from is not None
    known = {key: m.as_drop() for key, m in landed.items() if chosen or m.finished < m.latest.number} | {
        drop.key: drop for drop in offer.drops
    }
    if wanted is not None:
        if unknown := sorted(set(wanted) - known.keys()):
            waiting = {p.key: p.reason for p in offer.pending}
            why = "; ".join(f"{key}: {waiting.get(key, 'neither offered nor landed')}" for key in unknown)
            raise ValueError(f"{run.source.slug} cannot do {why}")
        known = {key: known[key] for key in wanted}
    inside = [
        drop
        for drop in known.values()
        if (first is None or drop.as_of >= run.source.instant(first))
        and (last is None or drop.as_of < run.source.instant(last))
    ]
    return Plan(drops=tuple(sorted(inside, key=lambda drop: drop.order)), pending=offer.pending)


def period(text: str | int) -> tuple[datetime, datetime]:
    """The first instant of a day, month or year, and the first after it, both without a zone.

    >>> period("2025-12")
    (datetime.datetime(2025, 12, 1, 0, 0), datetime.datetime(2026, 1, 1, 0, 0))
    """
    for pattern in ("%Y-%m-%d", "%Y-%m", "%Y"):
        try:
            start = datetime.strptime(str(text), pattern)
        except ValueError:
            continue
        match pattern:
            case "%Y":
                return start, start.replace(year=start.year + 1)
            case "%Y-%m":
                month = start.year * 12 + start.month
                return start, start.replace(year=month // 12, month=month % 12 + 1)
            case _:
                return start, datetime.fromordinal(start.toordinal() + 1)
    raise ValueError(f"{text!r} is no day, month or year, such as 2025-12-31, 2025-12 or 2025")


def _in_process(run: Run, drops: Sequence[Drop], life: Callable[[Drop], None]) -> dict[str, str]:
    """Do drops one after the other; why each of the failed ones failed."""
    failures = {}
    for drop in drops:
        try:
            life(drop)
        except Exception as error:  # whatever stops one drop stops no other
            failures[drop.key] = _in_a_line(error)
            _logger().exception("%s %s failed", run.source.slug, drop)
            manifest.settle(run.lake, drop, error=failures[drop.key])
            clean(run.lake, drop, run.id)
        else:
            manifest.settle(run.lake, drop)
    return failures


def _in_a_line(error: Exception) -> str:
    """An error as the plan, the manifest and `inlet status` show it; the whole of a foreign one is in the log."""
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first[:500]}"


async def _dispatch(run: Run, drops: Sequence[Drop]) -> dict[str, str]:
    """Start one run of the source's `drop` deployment for each drop, wait for all; why each failed one failed."""
    parent = str(runtime.flow_run.id)

    async def one(drop: Drop) -> FlowRun:
        return await arun_deployment(
            f"{run.source.slug}/drop",
            parameters={"drops": [drop.key], "start_from": run.start_from, "force": run.force},
            # new for every request, and the same when this run is rescheduled: its drops are not started twice
            idempotency_key=f"{parent}:{drop.key}",
            timeout=None,
            poll_interval=2,
        )

    finished = await asyncio.gather(*(one(drop) for drop in drops))
    return {
        drop.key: f"{child.state.name}: {child.state.message}" if child.state else "lost"
        for drop, child in zip(drops, finished, strict=True)
        if child.state is None or not child.state.is_completed()
    }


async def _cancel_children(flow: Flow[..., object], flow_run: FlowRun, state: State[object]) -> None:
    """Cancel the runs that a cancelled run had started: Prefect leaves them running."""
    unfinished = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED]
    async with get_client() as client:
        children = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[flow_run.id]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=unfinished)),
            )
        )
        for child in children:
            await client.set_flow_run_state(child.id, Cancelling())


def _run_name(source: Source) -> Callable[[], str]:
    def name() -> str:
        given = runtime.flow_run.parameters
        drops = given.get("drops") or "new drops"
        what = drops if isinstance(drops, str) else ", ".join(drops)
        period = "".join(f" {word} {given[word]}" for word in ("since", "until") if given.get(word))
        start = f" from {given['start_from']}" if given.get("start_from") else ""
        return f"{source.slug} {what}{period}{start}{' (plan)' if given.get('dry_run') else ''}"

    return name


def _log_plan(run: Run, planned: Plan) -> None:
    lines = [f"| {d} | {d.kind} | {d.as_of:%Y-%m-%d} | {d.revision} | {d.bytes:,} |" for d in planned.drops]
    lines += [f"| {p.key} | waits: {p.reason} | | | |" for p in planned.pending]
    for line in lines or ["nothing to do"]:
        _logger().info("%s plan %s", run.source.slug, line.strip("| "))
    if lines:
        table = "\n".join(["| drop | kind | as of | revision | bytes |", "|---|---|---|---|---:|", *lines])
        create_markdown_artifact(
            table, key=f"{run.source.slug}-plan", description=f"What this run of {run.source.slug} does"
        )


def _summary(planned: Plan, dry_run: bool) -> str:
    waits = f"; {len(planned.pending)} not complete yet" if planned.pending else ""
    return (f"Planned {len(planned.drops)} drops" if dry_run and planned.drops else "Nothing is new") + waits


def _run_id() -> str:
    """Unique per attempt, and leading to the flow run in the UI."""
    return f"{runtime.flow_run.id or 'local'}-{uuid4().hex[:8]}"


def _logger() -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("inlet")
