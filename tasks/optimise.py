"""optimise: the small files of a source's tables, which daily increments leave, joined."""

import logging

from blocks.lake import Lake
from spark.optimise import Joined
from spark.optimise import optimise as join
from spark.schemas import SCHEMAS
from spark.tables import Tables
from tasks.engine import Log
from tasks.source import Source


def joined(source: Source, lake: Lake, *, log: Log | None = None) -> dict[str, Joined]:
    """The source's tables in Raw whose small files were joined, and those of what is rejected and held.

    Tables of Transformed are left as they are: a mapping is changed more often than a reader, and then every drop is
    replaced, of which each one would write the files that it shares with others again. `current` and `history` are laid
    out by key, by who publishes. Raises what `spark.optimise` raises. Runs beside anything that reads or writes the
    tables. What was joined stays in the lake while a snapshot names it.
    """
    log, lake = log or logging.getLogger("inlet"), lake.tagged(phi=source.phi)
    tables, done = Tables(lake.catalog_properties(), lake.url()), {}
    own = [source.table(zone, dataset) for dataset in source.datasets for zone in ("raw", "rejected")]
    shared = [f"held.{schema}" for schema in SCHEMAS]
    for name in own + shared:
        found = join(tables, name, source.slug if name in shared else None)
        if found.after < found.before:
            done[name] = found
            log.info("%s: %d data files joined to %d", name, found.before, found.after)
    return done
