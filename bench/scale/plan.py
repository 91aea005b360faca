"""From what one more costs to what a day takes: executors and hours of a drop; pods, cores and requests of all."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from bench.scale.feeds import Feed
from bench.scale.points import Billing
from bench.scale.rates import Rates

RUN_POLL = 2.0  # seconds between two looks of an ingest at its drops' runs (tasks/dispatch.py)
POLLS = 12  # looks of a source at its party in a day
UTILISATION = 0.7  # of the cores asked for, the share at work: pods start, stragglers end, executors idle a minute
WINDOW = 20.0  # hours of a day in which the day's work is to be done
TARGET = 4.0  # hours in which executors are to have done a drop's large stages
RUN_CORES, EXECUTOR_CORES = 4, 4  # prefect.yaml's large, job.yaml's executor_cores
RUN_MEMORY, EXECUTOR_MEMORY = 16.0, 8.0  # GiB that each asks for
EXECUTOR_SCRATCH = 50 * 0.8  # GiB of deployments/kubernetes/executor.yaml's limit that may be filled
SPARK_FROM = 1.0  # GiB of a file from which executors convert it
STREAM_CORES = 1.75  # that one file keeps busy while it is unwrapped: 3.9 CPU s in 2.2 s (docs/unwrap.md)
STREAMS = 3  # files that one pod unwraps at once (tasks/staging.py)
STAGES = ("transfer", "unwrap", "convert", "transform", "publish")
ON_EXECUTORS = ("convert", "transform", "publish")


@dataclass(frozen=True)
class DropPlan:
    """What a drop of a feed takes: CPU seconds and hours by stage, executors for time and for room, GiB of scratch."""

    feed: Feed
    cpu: dict[str, float]
    hours: dict[str, float]
    executors_for_time: int
    executors_for_scratch: int
    scratch: float

    @classmethod
    def of(cls, feed: Feed, rates: Rates) -> Self:
        """What it takes by what was measured. Raises `KeyError` for what was not."""
        cpu = _cpu(feed, rates)
        scratch = feed.rows * rates.marginal("transform", "claim", "scratch")
        shared = cpu["transform"] + cpu["publish"]
        spark_converts = feed.gib / feed.files >= SPARK_FROM
        if spark_converts:
            shared += cpu["convert"]
        for_time = max(1, math.ceil(shared / 3600 / (EXECUTOR_CORES * TARGET * UTILISATION)))
        for_scratch = max(1, math.ceil(scratch / EXECUTOR_SCRATCH))
        cores = max(for_time, for_scratch) * EXECUTOR_CORES * UTILISATION
        stream = rates.marginal("unwrap", feed.wrapping) / STREAM_CORES
        seconds = {
            "transfer": max(feed.bytes / feed.compression / feed.bandwidth, cpu["transfer"] / RUN_CORES),
            "unwrap": max(cpu["unwrap"] / RUN_CORES, feed.gib * stream / min(feed.files, STREAMS)),
            "convert": cpu["convert"] / (cores if spark_converts else RUN_CORES),
            "transform": cpu["transform"] / cores,
            "publish": cpu["publish"] / cores,
        }
        return cls(feed, cpu, {stage: s / 3600 for stage, s in seconds.items()}, for_time, for_scratch, scratch)

    @property
    def executors(self) -> int:
        """As many as are asked for, for either."""
        return max(self.executors_for_time, self.executors_for_scratch)

    @property
    def executor_cpu(self) -> float:
        """CPU seconds of what executors do."""
        return sum(self.cpu[stage] for stage in ON_EXECUTORS)

    @property
    def all_hours(self) -> float:
        """From the first byte to what is published."""
        return sum(self.hours.values())

    @property
    def run_hours(self) -> float:
        """Hours of what the run's own pod does, whatever executors there are."""
        return self.hours["transfer"] + self.hours["unwrap"]


def _cpu(feed: Feed, rates: Rates) -> dict[str, float]:
    """CPU seconds of a drop by stage; of several files what each takes is added to what their bytes take."""
    files = feed.files if feed.files > 1 else 0
    return {
        "transfer": feed.delivered * rates.marginal("transfer", feed.access)
        + files * rates.marginal("transfer", f"{feed.access}, files"),
        "unwrap": feed.gib * rates.marginal("unwrap", feed.wrapping) + files * rates.marginal("unwrap", "files"),
        "convert": feed.gib * rates.marginal("convert", feed.format) + files * rates.marginal("convert", "files"),
        "transform": feed.rows * rates.marginal("transform", "claim"),
        "publish": feed.rows * feed.write_amplification * rates.marginal("publish", "first"),
    }


@dataclass(frozen=True)
class Plan:
    """A day's drops, and what they come to. Averages are of the window."""

    drops: tuple[DropPlan, ...]
    rates: Rates

    @classmethod
    def of(cls, mix: Sequence[Feed], rates: Rates) -> Self:
        """The plan of a mix. Raises `KeyError` for what was not measured."""
        return cls(tuple(DropPlan.of(feed, rates) for feed in mix), rates)

    @property
    def feeds(self) -> list[Feed]:
        """The mix."""
        return [drop.feed for drop in self.drops]

    def core_hours(self, stage: str) -> float:
        """Of a stage, of all drops."""
        return sum(drop.cpu[stage] * drop.feed.drops for drop in self.drops) / 3600

    @property
    def executor_core_hours(self) -> float:
        """Of executors, at work."""
        return sum(drop.executor_cpu * drop.feed.drops for drop in self.drops) / 3600

    @property
    def run_core_hours(self) -> float:
        """That runs' own pods ask for, as long as their drops are under way."""
        return self._under_way * RUN_CORES

    @property
    def startup_core_hours(self) -> float:
        """In which runs come up: what a process takes before it does anything."""
        return self.runs * max(0.0, self.rates.line("executors", "threads").fixed) / 3600

    @property
    def _under_way(self) -> float:
        """Hours of all drops, one after the other."""
        return sum(drop.all_hours * drop.feed.drops for drop in self.drops)

    @property
    def executors(self) -> int:
        """Pods on average."""
        return math.ceil(self.executor_core_hours / UTILISATION / EXECUTOR_CORES / WINDOW)

    @property
    def concurrent_runs(self) -> int:
        """Pods of drops on average."""
        return math.ceil(self.run_core_hours / RUN_CORES / WINDOW)

    @property
    def cores(self) -> int:
        """That pods ask for on average."""
        return self.executors * EXECUTOR_CORES + self.concurrent_runs * RUN_CORES

    @property
    def memory(self) -> float:
        """GiB that they ask for."""
        return self.executors * EXECUTOR_MEMORY + self.concurrent_runs * RUN_MEMORY

    @property
    def most_executors(self) -> int:
        """Of the drop that asks for the most."""
        return max(drop.executors for drop in self.drops)

    @property
    def peak_cores(self) -> int:
        """That pods ask for where the drop of the most executors comes on top of the average: the quota."""
        return self.cores + self.most_executors * EXECUTOR_CORES + RUN_CORES

    @property
    def runs(self) -> int:
        """Of Prefect in a day: looks, drops, and `freshness` each hour."""
        return sum(feed.sources * POLLS + feed.drops for feed in self.feeds) + 24

    @property
    def prefect_requests(self) -> float:
        """Requests to Prefect's server: of runs, and of ingests that wait for their drops' runs."""
        waiting = self._under_way * 3600 / RUN_POLL
        return self.runs * self.rates.marginal("prefect", "client", "requests") + waiting

    @property
    def prefect_core_hours(self) -> float:
        """Of Prefect's server and its PostgreSQL, as if a look took what a request of a run takes."""
        cpu = sum(self.rates.marginal("prefect", name) for name in ("server", "postgres"))
        return self.prefect_requests * cpu / self.rates.marginal("prefect", "client", "requests") / 3600

    def stored(self) -> dict[str, float]:
        """GiB a day that stay, by zone; what is published again takes the place of what was, once that has expired."""
        rates = self.rates
        rows = sum(feed.rows * feed.drops for feed in self.feeds)
        return {
            "landed": sum(feed.delivered * feed.drops for feed in self.feeds),
            "raw": sum(feed.gib * rates.marginal("convert", feed.format, "out") * feed.drops for feed in self.feeds),
            "transformed": rows * rates.marginal("transform", "claim", "out"),
            "current": rows * rates.marginal("publish", "first", "out"),
        }

    def requests(self, kind: Billing) -> dict[str, float]:
        """Requests a day to the lake's S3, by the stages of which they were counted."""
        found = {}
        for stage in ("transfer", "unwrap", "convert"):
            gib = max(0.0, self.rates.requests(stage, "GiB", kind).marginal)
            file = max(0.0, self.rates.requests(stage, "files", kind).marginal)
            found[stage] = sum(
                feed.drops * ((feed.delivered if stage == "transfer" else feed.gib) * gib + feed.files * file)
                for feed in self.feeds
            )
        return found

    def request_rate(self, kind: Billing) -> float:
        """Requests a second to the lake's S3 on average."""
        return sum(self.requests(kind).values()) / WINDOW / 3600
