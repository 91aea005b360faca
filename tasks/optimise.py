"""optimise: the small files of a source's tables in Raw, which daily increments leave, joined."""

import logging

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks.lake import Lake
from spark.optimise import Joined
from spark.optimise import optimise as join
from spark.tables import Tables
from tasks.engine import Log
from tasks.retrying import RETRY
from tasks.run import load_lake
from tasks.source import Source


@task(task_run_name="optimise {source.slug}", cache_policy=NO_CACHE, **RETRY)
def optimise(source: Source) -> dict[str, Joined]:
    """Join the small files of every table that a source has in Raw."""
    return joined(source, load_lake(), log=get_run_logger())


def joined(source: Source, lake: Lake, *, log: Log | None = None) -> dict[str, Joined]:
    """The source's tables in Raw whose small files were joined; raises what `spark.optimise` raises.

    Runs beside anything that reads or writes them. What was joined stays in the lake while a snapshot names it.
    """
    log = log or logging.getLogger("inlet")
    tables, done = Tables(lake.catalog_properties(), lake.url()), {}
    for dataset in source.datasets:
        for name in (source.table("raw", dataset), source.table("rejected", dataset)):
            found = join(tables, name)
            if found.after < found.before:
                done[name] = found
                log.info("%s: %d data files joined to %d", name, found.before, found.after)
    return done
