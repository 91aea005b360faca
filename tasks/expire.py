"""expire: old snapshots of the tables that a source has rows in, what only they name, and what runs that died left."""

import logging
from datetime import timedelta

from blocks import uploads
from blocks.lake import Lake
from spark.expire import ORPHAN, Expired, expire
from spark.tables import Tables
from tasks.engine import Log
from tasks.manifest import now
from tasks.source import Source
from tasks.transfer import tidy
from tasks.unwrap import sweep

SHARED = ("transformed", "held", "candidate", "current", "history")
"""Zones of which every table may hold rows of several sources."""


def expire_source(
    source: Source,
    lake: Lake,
    *,
    older_than: timedelta = timedelta(days=7),
    keep: int = 2,
    dry_run: bool = False,
    log: Log | None = None,
) -> dict[str, Expired]:
    """What was removed of each table of the source's, and of each that sources share; see `spark.expire.expire`.

    Tables of which nothing was removed are not named. Uploads of data files, staged parts and landed files that runs
    have left go as well, by their own limits. `dry_run` removes nothing and answers what would be removed of tables. In
    a bucket that keeps versions they stay, as old versions, for as long as its own rules say.
    """
    log, lake = log or logging.getLogger("inlet"), lake.tagged(phi=source.phi)
    tables, done = Tables(lake.catalog_properties(), lake.url()), {}
    own = [source.table(zone, dataset) for dataset in source.datasets for zone in ("raw", "rejected")]
    for name in [*own, *shared(tables)]:
        found = expire(tables, name, older_than, keep, dry_run=dry_run)
        if not dry_run:
            uploads.abort_older(lake, lake.path(*name.split("."), "data"), now() - ORPHAN)
        if found.snapshots or found.files:
            done[name] = found
            does = "would be removed" if dry_run else "removed"
            log.info(
                "%s: %d snapshots and %d files, %d bytes, %s", name, found.snapshots, found.files, found.bytes, does
            )
    if not dry_run:
        sweep(lake, source)
        tidy(lake, source)
    return done


def shared(tables: Tables) -> list[str]:
    """The names of all tables that sources share, such as `current.provider`."""
    return [name for zone in SHARED for name in tables.names(zone)]
