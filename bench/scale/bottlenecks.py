"""What gives out first."""

from typing import NamedTuple

from bench.scale.plan import EXECUTOR_CORES, EXECUTOR_SCRATCH, RUN_CORES, WINDOW, Plan
from bench.scale.points import BILLED, GIB

QUOTA = 128  # cores of deployments/kubernetes/flows/quota.yaml
PUT_RATE, GET_RATE = 3_500, 5_500  # a second, that S3 bears for a prefix before it says 503 ("Best practices")
ROUND_TRIP = 0.03  # seconds that a small request to S3 takes: an assumption
COMMITS = 6  # of a drop


class Bottleneck(NamedTuple):
    """What may give out, what of it a day takes, and which share of what it bears that is."""

    what: str
    load: str
    share: float


def bottlenecks(plan: Plan) -> list[Bottleneck]:
    """What may give out, the most pressing first."""
    rates, largest = plan.rates, max(plan.drops, key=lambda drop: drop.feed.bytes)
    name, room = largest.feed.name, (QUOTA - RUN_CORES) // EXECUTOR_CORES
    commits, commit = COMMITS * sum(feed.drops for feed in plan.feeds), commit_seconds(plan)
    files = largest.feed.rows * rates.marginal("publish", "first", "files")
    footers = files * rates.marginal("commit", "files") / 3600
    slowest = max(plan.drops, key=lambda drop: drop.run_hours)
    line = max(feed.delivered * GIB / feed.bandwidth for feed in plan.feeds) / 3600
    put, get = plan.request_rate("put"), plan.request_rate("get")
    found = [
        Bottleneck(
            f"cores of the quota, {QUOTA}",
            f"{plan.cores} on average, {plan.peak_cores} with the largest drop on top",
            plan.peak_cores / QUOTA,
        ),
        Bottleneck(
            "disks of as many executors as the quota lets in",
            f"{largest.scratch:,.0f} GiB of “{name}”, on {room} × {EXECUTOR_SCRATCH:.0f} GiB",
            largest.scratch / (room * EXECUTOR_SCRATCH),
        ),
        Bottleneck(
            f"one commit of “{name}” to current",
            f"{files:,.0f} files, whose footers take {footers:.2f} h of one core",
            footers / WINDOW,
        ),
        Bottleneck(
            "commits, if all were to one table",
            f"{commits:,} of {commit:.1f} s, one after the other",
            commits * commit / 3600 / WINDOW,
        ),
        Bottleneck(
            "Prefect's server, one core",
            f"{plan.prefect_requests:,.0f} requests, {plan.prefect_core_hours:.1f} core-h with PostgreSQL",
            plan.prefect_core_hours / 24,
        ),
        Bottleneck(
            "a run's own pod, which alone transfers and unwraps",
            f"{slowest.run_hours:.1f} h of “{slowest.feed.name}”",
            slowest.run_hours / WINDOW,
        ),
        Bottleneck("a party's line", f"{line:.2f} h of the drop that takes longest", line / WINDOW),
        Bottleneck("S3, PUT below one prefix", f"{put:,.0f} a second", put / PUT_RATE),
        Bottleneck("S3, GET below one prefix", f"{get:,.0f} a second", get / GET_RATE),
    ]
    return sorted(found, key=lambda bottleneck: -bottleneck.share)


def commit_seconds(plan: Plan) -> float:
    """Of one commit, on S3, to a table of as many drops as were measured.

    Its requests are half of what converting asks for beside its data, as that commits to two tables.
    """
    requests = sum(plan.rates.requests("convert", "GiB", kind).fixed for kind in BILLED) / 2
    return plan.rates.of("commit", "drops of 45 columns")[-1].cpu + ROUND_TRIP * requests
