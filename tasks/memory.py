"""memory: whether a run's memory ran out, and what is said of it.

Two have to say so. Where the kernel kills one process of a pod, the run's or a child's, what is left of the pod asks
its control group (`say_if_it_ran_out`). Where it kills the whole pod, Prefect's worker sees that, and an automation
says it (deployments/automations.py).
"""

from pathlib import Path

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Crashed

RAN_OUT = (
    "Its memory ran out. Give its deployment the next size in prefect.yaml, medium after small and large after medium,"
    " or this run alone a larger memory_limit by its job variables. What is committed is not done twice."
)
"""What is said of a run whose memory ran out."""

_GROUPS = (
    (Path("/sys/fs/cgroup/memory.events"), "memory.max"),
    (Path("/sys/fs/cgroup/memory/memory.oom_control"), "memory.limit_in_bytes"),
)
_NO_LIMIT = 2**60  # version 1 writes the most that fits where there is none


def killed_at(groups: tuple[tuple[Path, str], ...] = _GROUPS) -> int | None:
    """Bytes that this pod may have, where a process of it was killed for wanting more; None where none was.

    Linux, "Control Group v2", `memory.events` and `memory.max`; in version 1 `memory.oom_control` counts as well.
    """
    for events, limit in groups:
        try:
            counts = dict(line.split() for line in events.read_text().splitlines())
            most = int(events.with_name(limit).read_text())
            return most if int(counts["oom_kill"]) and most < _NO_LIMIT else None
        except (OSError, ValueError, KeyError):
            continue
    return None


async def say_if_it_ran_out(flow: Flow[..., object], flow_run: FlowRun, state: State[object]) -> None:
    """In the place of a crashed run's state: of the process that is gone all that was known is that it was killed."""
    if (most := killed_at()) is None:
        return
    async with get_client() as client:
        said = f"{RAN_OUT} It had {most / 2**30:,.1f} GiB."
        await client.set_flow_run_state(flow_run.id, Crashed(message=said), force=True)
