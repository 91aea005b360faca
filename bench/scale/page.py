"""docs/scale.md: its tables, each between marks of its name."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from bench.scale.bottlenecks import bottlenecks
from bench.scale.costs import costs
from bench.scale.feeds import MIX, TB
from bench.scale.plan import STAGES, Plan
from bench.scale.points import BILLED, GIB, Billing, Point
from bench.scale.rates import Rates
from bench.scale.stages.commit import COMMITS

Rows = list[list[str]]
"""Of a table, its header first."""

PAGE = Path("docs/scale.md")
PER = {"GiB": "GiB", "files": "file", "rows": "million rows", "runs": "run"}
INCREMENTS = ("clustered", "uniform")


def publish(points: Sequence[Point], page: Path = PAGE) -> None:
    """Put the tables into the page, each between its marks. Raises `ValueError` where it has none."""
    text = page.read_text()
    for name, (header, *rows) in tables(Rates(points)).items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, opened, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (opened and closed):
            raise ValueError(f"{page} has no place for {name}")
        lines = [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]
        text = "\n".join([before + begin, *lines, end + after])
    page.write_text(text)


def tables(rates: Rates) -> dict[str, Rows]:
    """All tables of the page, by the names of their marks. Raises `KeyError` for what was not measured."""
    plan = Plan.of(MIX, rates)
    delivered = sum(feed.drops * feed.bytes / feed.compression for feed in MIX)
    as_delivered = Plan.of([feed.scaled(10 * TB / delivered) for feed in MIX], rates)
    return {
        "measured": measured(rates),
        "cores": by_cores(rates),
        "growing": growing(rates),
        "commits": commits(rates),
        "requests": requests(rates),
        "mix": mix(plan),
        "drops": drops(plan),
        "day": day(plan, as_delivered),
        "cost": cost(plan),
        "first": first(plan),
    }


def measured(rates: Rates) -> Rows:
    """One row a case: CPU seconds of one more, and by amount whether they stay so."""
    rows = [["stage", "case", "amounts", "CPU s for each", "to begin, CPU s", "of one more", "peak MB"]]
    order = [*STAGES, "executors", "prefect"]
    cases = dict.fromkeys((p.stage, p.case) for p in rates.points if p.stage in order and p.case not in INCREMENTS)
    for stage, case in sorted(cases, key=lambda one: order.index(one[0])):
        points, line = rates.of(stage, case), rates.line(stage, case)
        unit = points[0].unit
        scale = 1e6 if unit == "rows" else 1.0
        peak = max(p.peak_mb for p in points)
        rows.append(
            [
                stage,
                case,
                ", ".join(_amount(p) for p in points),
                ", ".join(_figure(p.cpu / p.amount * scale) for p in points),
                _figure(max(0.0, line.fixed)),
                f"**{_figure(line.marginal * scale)}** a {PER[unit]}",
                f"{peak:,.0f}" if peak else "",
            ]
        )
    return rows


def by_cores(rates: Rates) -> Rows:
    """What the same takes on fewer cores."""
    rows = []
    for point in rates.points:
        same = [p for p in rates.points if (p.stage, p.case, p.unit) == (point.stage, point.case, point.unit)]
        alike = [p for p in same if abs(p.amount - point.amount) < 1e-6 * point.amount]
        if len({p.cores for p in alike}) > 1:
            rows.append([point.stage, point.case, _amount(point), f"{point.cores}", f"{point.cpu:.1f}"])
    return [["stage", "case", "amount", "cores", "CPU s"], *sorted(rows)]


def growing(rates: Rates) -> Rows:
    """Publishing an increment of as many rows to a growing `current`."""
    rows = [["keys", "rows in current", "CPU s", "files written again", "MB written"]]
    for case in INCREMENTS:
        for p in rates.of("publish", case):
            mb = p.more["written"] * GIB / 1e6
            rows.append([case, f"{p.amount:,.0f}", f"{p.cpu:.2f}", f"{p.more['touched']:.0%}", f"{mb:,.1f}"])
    return rows


def commits(rates: Rates) -> Rows:
    """Commits by what grows."""
    rows = [["what grows", "how many", "CPU s", "MB of metadata", "failed"]]
    for p in rates.points:
        if p.stage == "commit":
            metadata = f"{p.more['metadata_mb']:.2f}" if "metadata_mb" in p.more else ""
            failed = f"{p.more['failed']:.0f} of {p.amount * COMMITS:.0f}" if "failed" in p.more else ""
            rows.append([p.case, f"{p.amount:,.0f}", f"{p.cpu:.3f}", metadata, failed])
    return rows


def requests(rates: Rates) -> Rows:
    """Requests counted, of one more GiB of plaintext or file."""
    rows = [["stage", "for each", "PUT, POST, LIST", "GET, HEAD", "free"]]
    for stage, unit in dict.fromkeys((p.case, p.unit) for p in rates.points if p.stage == "requests"):
        each = [rates.requests(stage, unit, kind).marginal for kind in get_args(Billing)]
        rows.append([stage, PER[unit], *(_figure(one) for one in each)])
    return rows


def mix(plan: Plan) -> Rows:
    """What a day brings."""
    header = ["a day's drops", "sources", "drops", "files of each", "TB", "TB landed", "by", "wrapping, format"]
    feeds = plan.feeds
    rows = [
        [
            f.name,
            f"{f.sources}",
            f"{f.drops}",
            f"{f.files:,}",
            f"{f.drops * f.bytes / TB:.2f}",
            f"{f.drops * f.bytes / f.compression / TB:.2f}",
            f.access,
            f"{f.wrapping}, {f.format}",
            f"{f.rows * f.drops / 1e6:,.0f}",
            f"{f.write_amplification:.0f}",
        ]
        for f in feeds
    ]
    total = [
        "all",
        f"{sum(f.sources for f in feeds):,}",
        f"{sum(f.drops for f in feeds):,}",
        f"{sum(f.drops * f.files for f in feeds):,}",
        f"{sum(f.drops * f.bytes for f in feeds) / TB:.2f}",
        f"{sum(f.drops * f.bytes / f.compression for f in feeds) / TB:.2f}",
        "",
        "",
        f"{sum(f.rows * f.drops for f in feeds) / 1e6:,.0f}",
        "",
    ]
    return [[*header, "M rows", "again"], *rows, total]


def drops(plan: Plan) -> Rows:
    """What one drop of each feed takes."""
    header = ["a drop of", *(f"{stage}, h" for stage in STAGES), "all, h", "core-h"]
    rows = [
        [
            drop.feed.name,
            *(f"{drop.hours[stage]:.2f}" for stage in STAGES),
            f"**{drop.all_hours:.1f}**",
            f"{sum(drop.cpu.values()) / 3600:,.1f}",
            f"{drop.executors_for_time}",
            f"{drop.executors_for_scratch}",
            f"{drop.scratch / drop.executors:,.0f}",
        ]
        for drop in plan.drops
    ]
    return [[*header, "executors for time", "for room", "GiB of scratch on each"], *rows]


def day(plaintext: Plan, delivered: Plan) -> Rows:
    """What a day takes, beside another one's."""
    one, other = _day(plaintext), _day(delivered)
    header = ["", "10 TB of plaintext", "10 TB as it is delivered"]
    return [header, *([name, figure, other[name]] for name, figure in one.items())]


def _day(plan: Plan) -> dict[str, str]:
    return {
        "TB delivered": f"{sum(f.delivered * f.drops for f in plan.feeds) * GIB / TB:,.1f}",
        "TB of plaintext": f"{sum(f.bytes * f.drops for f in plan.feeds) / TB:,.1f}",
        **{f"{stage}, core-h": f"{plan.core_hours(stage):,.1f}" for stage in STAGES},
        "starts of runs, core-h": f"{plan.startup_core_hours:,.1f}",
        "executors, core-h at work": f"{plan.executor_core_hours:,.0f}",
        "executors on average": f"{plan.executors}",
        "runs of drops on average": f"{plan.concurrent_runs}",
        "cores asked for": f"**{plan.cores}**",
        "memory asked for, GiB": f"{plan.memory:,.0f}",
        "executors of the largest drop": f"{plan.most_executors}",
        "cores with that drop on top": f"{plan.peak_cores}",
        "runs of Prefect": f"{plan.runs:,}",
        "requests to Prefect's server": f"{plan.prefect_requests:,.0f}",
        "Prefect's server and its PostgreSQL, core-h": f"{plan.prefect_core_hours:,.1f}",
        "what stays, GiB": f"{sum(plan.stored().values()):,.0f}",
        **{f"S3 {kind.upper()}, a second": f"{plan.request_rate(kind):,.1f}" for kind in BILLED},
    }


def cost(plan: Plan) -> Rows:
    """Costs of a day."""
    found = costs(plan)
    rows = [[one.what, one.sum, f"{one.dollars:,.0f}"] for one in found]
    needed = sum(one.dollars for one in found if not one.by_nat)
    return [["for", "reckoned", "$ a day"], *rows, ["all but NAT", "", f"**{needed:,.0f}**"]]


def first(plan: Plan) -> Rows:
    """What gives out first."""
    rows = [["what", "a day takes", "share of what it bears", "gives out at"]]
    for what, load, share in bottlenecks(plan):
        rows.append([what, load, f"{share:.1%}", f"{1 / share:,.1f} × this load" if share else ""])
    return rows


def _amount(point: Point) -> str:
    return f"{point.amount:.2f} {point.unit}" if point.unit == "GiB" else f"{point.amount:,.0f} {point.unit}"


def _figure(value: float) -> str:
    """Three digits that count."""
    if abs(value) < 1e-6:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
