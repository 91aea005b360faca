"""ingest: turns what a source does with one drop into its flow: parameters, plan, dispatch, clean-up."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import cast
from uuid import uuid4
from zoneinfo import ZoneInfo

from prefect import Flow, flow, get_run_logger, runtime
from prefect.artifacts import create_table_artifact
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

from blocks.errors import PlaceError
from spark.errors import DataError
from tasks import manifest
from tasks.cadence import Overdue, overdue
from tasks.discover import Offer, Pending, discover
from tasks.run import Run, Zone, load_lake, running
from tasks.source import Drop, Source
from tasks.transfer import tidy
from tasks.unwrap import clean, sweep

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
    """The drops that a run brings through, in their order, and those that are not complete.

    `nothing` says what there is where no file is the source's; `overdue` which drops should be there and are not.
    """

    drops: tuple[Drop, ...]
    pending: tuple[Pending, ...] = ()
    nothing: str = ""
    overdue: tuple[str, ...] = ()


def ingest(source: Source) -> Callable[[Callable[[Drop], None]], Flow[..., object]]:
    """Make the flow of a source from the function that brings one of its drops through all stages.

    The flow plans which drops to do. As the deployment `<slug>/ingest` it starts one run of `<slug>/drop` for each and
    waits for them; anywhere else it does them in this process, in their order. One drop's failure stops no other.
    A run that looks for what is new fails, when it has done what there is, where the source's cadence is not kept.
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
                drops: Key of a drop, such as 2026-11, or a list of keys. Empty: what is new, changed or unfinished.
                since: A day, month or year, such as 2025-01: only drops that speak of it or of later, landed ones too.
                until: A day, month or year, such as 2025-06: only drops that speak of it or of earlier.
                start_from: Read from this zone of the lake and ask nobody outside. Without drops, since and until:
                    every drop that has landed.
                force: Do every stage from start_from on again, also where it is up to date.
                dry_run: Only show the plan, in the log and as an artifact.
            """
            run = Run(source=source, lake=load_lake(), id=_run_id(), start_from=start_from, force=force)
            with running(run):
                planned = plan(run, drops, since, until)
                _log_plan(run, planned)
                if not dry_run:
                    sweep(run.lake, source)
                    tidy(run.lake, source)
                if dry_run:
                    return Completed(message=_summary(planned))
                if runtime.deployment.name == "ingest":
                    failures = asyncio.run(_dispatch(run, planned.drops))
                else:
                    failures = _in_process(run, planned.drops, life)
                done = f"Done: {', '.join(map(str, planned.drops))}" if planned.drops else _summary(planned)
                errors: list[Exception] = [DropsFailed(failures)] if failures else []
                if planned.overdue:
                    errors.append(Overdue(f"{source.slug} is overdue: {_why_overdue(planned)}"))
                if errors:
                    said = [*map(str, errors), *([] if failures else [done])]
                    return Failed(message=". ".join(said), data=errors[0])
                return Completed(message=done)

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

    With a selection or a period, every landed drop in it counts too: what is up to date is not done again, and no
    cadence is asked. With `start_from` nobody outside is asked. Forced, a drop that is still there is done as it is
    listed now. Raises `ValueError` for keys that nobody knows and for periods that are none.
    """
    wanted = None if not drops else [drops] if isinstance(drops, str) else drops
    first, last = period(since)[0] if since else None, period(until)[1] if until else None
    offer = Offer(drops=(), pending=()) if run.start_from else discover()
    landed = manifest.landed(run.lake, run.source)
    chosen = wanted is not None or first is not None or last is not None or run.start_from is not None
    have = {key: m.as_drop() for key, m in landed.items()}
    known = {key: drop for key, drop in have.items() if chosen or landed[key].finished < drop.revision}
    for drop in offer.drops:  # what has landed is among them where the run is forced
        if drop.key in known or drop.key not in have or drop.revision > have[drop.key].revision:
            known[drop.key] = drop
    if wanted is not None:
        if unknown := sorted(set(wanted) - known.keys()):
            waiting = {p.key: p.reason for p in offer.pending}
            why = "; ".join(f"{key}: {waiting.get(key) or _unknown(key, known)}" for key in unknown)
            raise ValueError(f"{run.source.slug} cannot do {why}")
        known = {key: known[key] for key in wanted}
    inside = [
        drop
        for drop in known.values()
        if (first is None or drop.as_of >= run.source.instant(first))
        and (last is None or drop.as_of < run.source.instant(last))
    ]
    return Plan(
        drops=tuple(sorted(inside, key=lambda drop: drop.order)),
        pending=offer.pending,
        nothing=offer.nothing,
        overdue=() if chosen else tuple(overdue(run.source, [*have.values(), *offer.drops], manifest.now())),
    )


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


def _unknown(key: str, known: Mapping[str, Drop]) -> str:
    """Why a key cannot be done, with the keys that may be meant, else the latest."""
    latest = sorted(known, key=lambda k: known[k].order, reverse=True)[:3]
    meant = get_close_matches(key, known, cutoff=0.8) or latest
    return "neither offered nor landed" + (f" (there is {', '.join(meant)})" if meant else "")


def _in_process(run: Run, drops: Sequence[Drop], life: Callable[[Drop], None]) -> dict[str, str]:
    """Do drops one after the other; why each of the failed ones failed."""
    failures = {}
    for drop in drops:
        try:
            life(drop)
            manifest.settle(run.lake, drop)
        except Exception as error:  # whatever stops one drop stops no other
            failures[drop.key] = _in_a_line(error)
            known = isinstance(error, PlaceError | DataError)  # whose message says it all
            _logger().error("%s %s failed: %s", run.source.slug, drop, failures[drop.key], exc_info=not known)
            manifest.settle(run.lake, drop, error=failures[drop.key])
        finally:
            try:
                clean(run.lake, drop, run.id)
            except Exception as error:  # the next run sweeps
                _logger().warning("%s %s: what is staged was not removed: %s", run.source.slug, drop, _in_a_line(error))
    return failures


def _in_a_line(error: BaseException) -> str:
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

    finished = await asyncio.gather(*(one(drop) for drop in drops), return_exceptions=True)
    failures = {drop.key: _why(drop, child) for drop, child in zip(drops, finished, strict=True)}
    return {key: why for key, why in failures.items() if why}


def _why(drop: Drop, child: FlowRun | BaseException) -> str | None:
    """Why a drop's run did not complete, or None where it did."""
    if isinstance(child, BaseException):
        return f"its run is not known to have ended ({_in_a_line(child)})"
    if child.state is None or child.state.is_completed():
        return None if child.state else "its run has no state"
    message = child.state.message or ""
    said = message.partition(f"{drop.key}: ")[2] if child.state.is_failed() else f"{child.state.name} {message}"
    return f"{said or message} (run {child.name}, {child.id})"


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
        drops = given.get("drops") or []
        keys = [drops] if isinstance(drops, str) else drops
        times = [f"{word} {given[word]}" for word in ("since", "until") if given.get(word)]
        what = [", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")] if keys else []
        start = given.get("start_from")
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


def _log_plan(run: Run, planned: Plan) -> None:
    zone = ZoneInfo(run.source.zone)
    rows: list[dict[str, str | int]] = [
        {
            "drop": drop.key,
            "kind": drop.kind,
            "as of": f"{drop.as_of.astimezone(zone):%Y-%m-%d}",
            "revision": drop.revision,
            "bytes": drop.bytes,
            "waits for": "",
        }
        for drop in planned.drops
    ]
    rows += [
        {"drop": p.key, "kind": "", "as of": "", "revision": "", "bytes": "", "waits for": p.reason}
        for p in planned.pending
    ]
    for late in planned.overdue:
        _logger().warning("%s is overdue: %s", run.source.slug, late)
    for row in rows:
        if row["waits for"]:
            _logger().info("%(drop)s is left for a later run: %(waits for)s", row)
        else:
            _logger().info("%(drop)s: %(kind)s, as of %(as of)s, revision %(revision)d, %(bytes)d bytes", row)
    if rows:
        create_table_artifact(
            rows, key=f"{run.source.slug}-plan", description=f"Drops of {run.source.slug} that this run does, in order"
        )


def _summary(planned: Plan) -> str:
    count = len(planned.drops)
    waits = f"; {len(planned.pending)} not complete yet" if planned.pending else ""
    nothing = f": {planned.nothing}" if planned.nothing else ""
    return (f"Planned: {count} drop{'s' if count > 1 else ''}" if count else f"Nothing is new{nothing}") + waits


def _why_overdue(planned: Plan) -> str:
    """Which drops, and what there is instead."""
    waits = [f"{p.key} waits: {p.reason}" for p in planned.pending[:3]]
    more = [f"{len(planned.pending) - 3} more wait"] if len(planned.pending) > 3 else []
    return "; ".join([*planned.overdue, *waits, *more])


def _run_id() -> str:
    """Unique per attempt, and leading to the flow run in the UI."""
    return f"{runtime.flow_run.id or 'local'}-{uuid4().hex[:8]}"


def _logger() -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("inlet")
