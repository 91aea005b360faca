"""dispatch: each drop in a run of its own, on the deployment `<slug>/drop`; one that fails stops no other."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import httpx
from prefect import Flow, runtime
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.deployments import arun_deployment
from prefect.states import Cancelling

from tasks.plan import Work, in_a_line
from tasks.run import Run
from tasks.server import patient

HELD = "Held"
"""Name of the state, a completed one, in which a run ends that found its source or its drop held."""

TOLD_ALREADY, LATE = "DropsFailed", "Overdue"
"""Names of failed states of which no automation tells: each drop's own run or event does, and `freshness` if late."""

_POLL = 2.0  # seconds between two looks at the runs
_AT_ONCE = 200  # runs that the server tells of in one answer


class Ended(NamedTuple):
    """How a drop's own run ended: `failed` says why, None where it did not fail.

    `told` is whether who must act hears of the failure by itself: from the drop's own run, or by an event.
    """

    failed: str | None
    held: bool = False
    told: bool = False


async def dispatch(run: Run, works: Sequence[Work]) -> dict[str, Ended]:
    """Start a run for each drop, in their order, and wait for all; how each ended, by the drop's key.

    How many run at once is the limit of the deployment. A worker takes runs in the order of the times for which they
    are scheduled; one that finds no free place is scheduled anew for half a minute later (the server's setting
    PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS). So the order is kept but for neighbours that ask at the
    same time, and for runs that others start meanwhile. What is published does not depend on it.
    """
    ended: dict[str, Ended] = {}
    runs: dict[str, UUID] = {}
    for work in works:
        try:
            runs[work.drop.key] = await _start(run, work)
        except Exception as error:  # the others are started all the same
            ended[work.drop.key] = Ended(f"its run could not be started ({in_a_line(error)})")
    return ended | await _wait(runs)


@patient
async def _start(run: Run, work: Work) -> UUID:
    landed = any(step.stage == "transfer" and step.why is None for step in work.steps)
    started = await arun_deployment(
        f"{run.source.slug}/drop",
        parameters={
            "drops": [work.drop.key],
            # what has landed asks the party for nothing, not even for its listing
            "start_from": run.start_from or ("landed" if landed else "outside"),
            "force": run.force,
        },
        # new for every request, and the same when this run is rescheduled: its drops are not started twice
        idempotency_key=f"{runtime.flow_run.id}:{work.drop.key}",
        timeout=0,
    )
    return started.id


async def _wait(runs: Mapping[str, UUID]) -> dict[str, Ended]:
    """How each run ended, by its drop."""
    ended: dict[str, Ended] = {}
    async with get_client() as client:
        while waiting := [drop for drop in runs if drop not in ended][:_AT_ONCE]:
            await asyncio.sleep(_POLL)
            try:
                found = {run.id: run for run in await _read(client, [runs[drop] for drop in waiting])}
            except httpx.HTTPError as error:
                unknown = Ended(f"its run is not known to have ended ({in_a_line(error)})")
                return {drop: ended.get(drop, unknown) for drop in runs}
            for drop in waiting:
                run = found.get(runs[drop])
                if run is None:
                    ended[drop] = Ended("somebody has deleted its run")
                elif run.state and run.state.is_final():
                    ended[drop] = _ended(drop, run, run.state)
    return ended


@patient
async def _read(client: PrefectClient, runs: Sequence[UUID]) -> list[FlowRun]:
    return await client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=list(runs))))


def _ended(drop: str, run: FlowRun, state: State[object]) -> Ended:
    if state.is_completed():
        return Ended(None, held=state.name == HELD)
    message = state.message or ""
    said = message.partition(f"{drop}: ")[2] if state.is_failed() else f"{state.name} {message}"
    return Ended(f"{said or message} (run {run.name}, {run.id})", told=True)


async def cancel_children(flow: Flow[..., object], flow_run: FlowRun, state: State[object]) -> None:
    """Cancel the runs that a cancelled run had started: Prefect leaves them running."""
    unfinished = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED]
    mine = FlowRunFilter(
        parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[flow_run.id]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=unfinished)),
    )
    children: list[FlowRun] = []
    async with get_client() as client:
        while some := await client.read_flow_runs(
            flow_run_filter=mine, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=_AT_ONCE, offset=len(children)
        ):
            children += some
        for child in children:  # the last first, or the place of one that is cancelled goes to one that waits
            await client.set_flow_run_state(child.id, Cancelling())
