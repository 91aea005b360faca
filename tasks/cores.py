"""How much a task does at once: how many threads it keeps busy, and from which size on Spark does its work."""

import os
from pathlib import Path

SPARK_FROM = int(os.environ.get("INLET_SPARK_FROM", 1024**3))
"""Bytes of a file's plaintext from which Spark distributes its parts; below, this process is faster."""

_QUOTAS = (
    Path("/sys/fs/cgroup/cpu.max"),  # in a pod: its own
    Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
)


def cores(quotas: tuple[Path, ...] = _QUOTAS) -> int:
    """The processors that this process may use: those that it may run on, or fewer where its pod's limit says so.

    Linux, "Control Group v2", `cpu.max`: a quota and a period in microseconds, or `max`. In version 1, which older
    nodes have, they are the files `cpu.cfs_quota_us`, -1 where there is no limit, and `cpu.cfs_period_us`.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for quota in quotas:
        try:
            limit, *period = quota.read_text().split()
            each = period[0] if period else quota.with_name("cpu.cfs_period_us").read_text()
            return allowed if limit in {"max", "-1"} else max(1, min(allowed, -(-int(limit) // int(each))))
        except (OSError, ValueError):
            continue
    return allowed
