"""How many threads a task may keep busy."""

import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # in a pod: its own


def cores(quota: Path = _QUOTA) -> int:
    """The processors that this process may use: those that it may run on, or fewer where its pod's limit says so.

    Linux, "Control Group v2", `cpu.max`: a quota and a period in microseconds, or `max`.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        limit, period = quota.read_text().split()
    except (OSError, ValueError):
        return allowed
    return allowed if limit == "max" else max(1, min(allowed, -(-int(limit) // int(period))))
