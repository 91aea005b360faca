"""What a day costs, by list prices."""

from dataclasses import dataclass
from typing import NamedTuple

from bench.scale.plan import UTILISATION, Plan
from bench.scale.points import BILLED


@dataclass(frozen=True)
class Prices:
    """List prices of AWS, us-east-1, in US dollars, as they stood in 2025; look them up before relying on them."""

    run_core: float = 0.0504  # an hour of a vCPU with 4 GiB, on demand: m7i.2xlarge, 0.4032 for 8
    executor_core: float = 0.0593  # the same with 59 GB of local NVMe: m6id.2xlarge, 0.4746 for 8
    spot: float = 0.4  # an assumption, not a list price: what spot takes of that
    storage: float = 0.022  # S3 Standard, a GB (GiB) and month, of 50 to 500 TB
    put: float = 0.005 / 1000
    get: float = 0.0004 / 1000
    control_plane: float = 0.10  # EKS, an hour
    nat: float = 0.045  # a NAT gateway, each GB (GiB) that goes through it
    nat_hour: float = 0.045
    database: float = 0.336  # RDS for PostgreSQL, an hour: db.m7g.large in two zones
    node: float = 4 * 0.0504  # an hour of the one on which server and workers are: half an m7i.2xlarge


PRICES = Prices()


class Cost(NamedTuple):
    """Dollars a day, what for, and the sum in words; `by_nat` costs can be done without."""

    what: str
    sum: str
    dollars: float
    by_nat: bool = False


def costs(plan: Plan, prices: Prices = PRICES) -> list[Cost]:
    """What a day of a plan costs."""
    run, executor = plan.run_core_hours, plan.executor_core_hours / UTILISATION
    spot = prices.executor_core * prices.spot
    put, get = (sum(plan.requests(kind).values()) for kind in BILLED)
    stored = plan.stored()
    stay, landed = sum(stored.values()), stored["landed"]
    from_parties = sum(feed.delivered * feed.drops for feed in plan.feeds if feed.access != "s3")
    return [
        Cost("runs, on demand", f"{run:,.0f} core-h × {prices.run_core}", run * prices.run_core),
        Cost("executors, on spot", f"{executor:,.0f} core-h × {spot:.4f}", executor * spot),
        Cost(
            "S3 requests",
            f"{put:,.0f} × {prices.put:.6f} + {get:,.0f} × {prices.get:.7f}",
            put * prices.put + get * prices.get,
        ),
        Cost(
            "S3 storage of what the day leaves, its first month",
            f"{stay:,.0f} GiB × {prices.storage}",
            stay * prices.storage,
        ),
        Cost(
            "control plane, database, node for both",
            f"24 h × ({prices.control_plane} + {prices.database} + {prices.node:.4f})",
            24 * (prices.control_plane + prices.database + prices.node),
        ),
        Cost(
            "a NAT gateway, if parties are reached by one",
            f"{from_parties:,.0f} GiB × {prices.nat} + 24 h × {prices.nat_hour}",
            from_parties * prices.nat + 24 * prices.nat_hour,
            by_nat=True,
        ),
        Cost(
            "… and if S3 were, too",
            f"more than {landed + stay:,.0f} GiB × {prices.nat}",
            (landed + stay) * prices.nat,
            by_nat=True,
        ),
    ]
