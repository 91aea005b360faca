"""purge: all that the lake has of a source, removed for good, as where its contract has ended.

What was decided about the source (`decisions/<source>.json`) stays: it says who had it purged, and holds no data.
"""

import logging
import shutil
from collections import defaultdict
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

from pydantic import BaseModel
from pyiceberg.exceptions import NoSuchTableError

from blocks.lake import Lake, Stored
from spark.errors import Remaining
from spark.expire import ORPHAN
from spark.forget import forget, knows, may_become, mentions, needed
from spark.tables import Tables
from tasks.engine import Log
from tasks.expire import SHARED, shared
from tasks.manifest import now
from tasks.source import Source

FOLDERS = ("landed", "staged", "reports")
"""Zones in which a source has a folder of its own."""

OWN = ("raw", "rejected")
"""Zones of which every table is one source's."""


class Gone(BaseModel, frozen=True):
    """What was removed of a zone: objects, their bytes, and rows of tables as they were last."""

    objects: int = 0
    bytes: int = 0
    rows: int = 0

    def __str__(self) -> str:
        return f"{self.objects:,} objects, {self.bytes:,} bytes, {self.rows:,} rows"


class Purged(BaseModel, frozen=True):
    """What was removed, by zone; those where nothing was are left out."""

    zones: dict[str, Gone] = {}

    def __str__(self) -> str:
        return "; ".join(f"{zone}: {gone}" for zone, gone in self.zones.items()) or "nothing there"


class Left(NamedTuple):
    """Something that is of a source, and why; `what` is its path, or the name of a table in the catalog.

    `stored` None: it is no object by itself. `sure` False: it may be another source's, as it is not finished.
    """

    what: str
    why: str
    zone: str
    stored: Stored | None = None
    sure: bool = True


def purge(source: Source, lake: Lake, *, log: Log | None = None) -> Purged:
    """Remove a source from all zones and all snapshots, with every version that a bucket keeps of it.

    **Other sources** lose nothing of what is current, and their files stay as they are. Of every table that they share
    with this source they lose the earlier snapshots, as those hold its rows: they can be neither read as they were nor
    rolled back to before the purge. What has been deleted from such a table before is removed in all its versions.

    A commit of theirs that is just being made may fail by `FileNotFoundError`, and goes through when it is made again.

    No run of the source may be going meanwhile. May be killed at any moment and run again; where nothing is left,
    `Purged()`. Raises `Remaining` where anything is left, what is not finished and may be another source's included;
    `Damaged` where a file is not of one source; `AccessDenied` where the bucket has locked an object.
    """
    log, lake = log or logging.getLogger("inlet"), lake.tagged(phi=source.phi)
    tables = Tables(lake.catalog_properties(), lake.url())
    rows: dict[str, int] = defaultdict(int)
    unnamed: set[str] = set()
    for name in shared(tables):
        found = forget(tables, name, source.slug)
        rows[name.partition(".")[0]] += found.rows
        unnamed |= found.unnamed
    for name in _own_tables(source, lake, tables):
        rows[name.partition(".")[0]] += tables.rows(name)
        with suppress(NoSuchTableError):
            tables.catalog.drop_table(name)
    gone: dict[str, list[Stored]] = defaultdict(list)
    for one in _left(source, lake, tables, unnamed):
        if one.stored is not None and one.sure:
            gone[one.zone].append(one.stored)
    for of_zone in gone.values():
        lake.erase(of_zone)
    _without_empty_folders(source, lake)
    if left := remains(source, lake):
        raise Remaining(f"{len(left)} of {source.slug} left, such as {left[0].what} ({left[0].why})")
    zones = {}
    for zone in [*dict.fromkeys([*gone, *rows])]:
        objects = gone.get(zone, [])
        if objects or rows[zone]:
            size = sum(stored.size for stored in objects)
            zones[zone] = Gone(objects=len(objects), bytes=size, rows=rows[zone])
            log.info(
                "%s: %d objects, %d bytes, %d rows of %s removed", zone, len(objects), size, rows[zone], source.slug
            )
    return Purged(zones=zones)


def remains(source: Source, lake: Lake) -> list[Left]:
    """All that the lake still has of a source, or may have; nothing of what was decided about it."""
    return list(_left(source, lake, Tables(lake.catalog_properties(), lake.url())))


def _left(source: Source, lake: Lake, tables: Tables, unnamed: Collection[str] = ()) -> Iterator[Left]:
    """What is left of a source; with it what is at the paths of `unnamed`, if no snapshot names it."""
    for zone in FOLDERS:
        for stored in lake.stored(f"{lake.path(zone, source.slug)}/"):
            yield Left(stored.path, f"in {zone}", zone, stored)
    for zone in OWN:
        ours = _Ours(source, lake)
        for name in tables.names(zone):
            if ours(name.partition(".")[2]):
                yield Left(name, "in the catalog", zone)
        start = lake.path(zone)
        for stored in lake.stored(f"{start}/{source.module}_"):
            if ours(stored.path.removeprefix(f"{start}/").partition("/")[0]):
                yield Left(stored.path, f"in {zone}", zone, stored)
    for zone in SHARED:
        known = [name.partition(".")[2] for name in tables.names(zone)]
        for name in sorted({*known, *_folders(lake, zone)}):
            yield from _in_shared(source, lake, tables, zone, name, unnamed)


def _in_shared(
    source: Source, lake: Lake, tables: Tables, zone: str, name: str, unnamed: Collection[str]
) -> Iterator[Left]:
    every = list(lake.stored(f"{lake.path(zone, name)}/"))  # before the look at the table: what comes now is not ours
    table = tables.get(f"{zone}.{name}")
    if table is not None and knows(table, source.slug):
        yield Left(f"{zone}.{name}", "a mark, a snapshot or a manifest of the table is of it", zone)
    needs = needed(table) if table is not None else set()
    looked: list[Stored] = []
    for stored in every:
        if stored.upload:
            yield Left(stored.path, "an upload that is not finished", zone, stored, _old(stored))
        elif not stored.seen:
            yield Left(stored.path, "a version of before", zone, stored)
        elif stored.path in needs or (table is not None and may_become(table, stored.path)):
            continue
        elif stored.path in unnamed:
            yield Left(stored.path, "no snapshot names it", zone, stored)
        elif stored.path.endswith((".parquet", ".avro", ".metadata.json")):
            looked.append(stored)
    fs = lake.fs()

    def look(stored: Stored) -> bool | None:
        try:
            with fs.open(stored.path, "rb") as stream:
                return mentions(stored.path, stream, source.slug)
        except FileNotFoundError:  # as metadata of before is removed by every commit
            return False

    with ThreadPoolExecutor(8) as pool:
        for stored, found in zip(looked, pool.map(look, looked), strict=True):
            if found:
                yield Left(stored.path, "it speaks of the source", zone, stored)
            elif found is None:
                yield Left(stored.path, "a file that is not finished", zone, stored, _old(stored))


def _old(stored: Stored) -> bool:
    return now() - stored.written > ORPHAN


class _Ours:
    """Whether a table of Raw or of what was rejected is the source's: of a dataset that it has, or once had.

    What its name alone says of a dataset that it no longer has, is not believed where it may be another source's.
    """

    def __init__(self, source: Source, lake: Lake) -> None:
        self._declared = {source.table("raw", dataset).partition(".")[2] for dataset in source.datasets}
        self._start = f"{source.module}_"
        slugs = {*_folders(lake, "landed"), *(name.removesuffix(".json") for name in _folders(lake, "decisions"))}
        self._others = tuple(f"{slug.replace('-', '_')}_" for slug in slugs - {source.slug})

    def __call__(self, table: str) -> bool:
        return table in self._declared or (table.startswith(self._start) and not table.startswith(self._others))


def _own_tables(source: Source, lake: Lake, tables: Tables) -> list[str]:
    ours = _Ours(source, lake)
    return [name for zone in OWN for name in tables.names(zone) if ours(name.partition(".")[2])]


def _folders(lake: Lake, zone: str) -> list[str]:
    """Names of what stands in a zone."""
    fs, root = lake.fs(), lake.path(zone)
    return [path.rstrip("/").rpartition("/")[2] for path in fs.ls(root, detail=False)] if fs.exists(root) else []


def _without_empty_folders(source: Source, lake: Lake) -> None:
    """Remove the folders of what was the source's alone, from a disk."""
    if lake.on_s3:
        return
    ours = _Ours(source, lake)
    own = [lake.path(zone, source.slug) for zone in FOLDERS]
    own += [lake.path(zone, name) for zone in OWN for name in _folders(lake, zone) if ours(name)]
    for folder in own:
        shutil.rmtree(folder, ignore_errors=True)
