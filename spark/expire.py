"""Old snapshots of a table, and the files that nothing names: those of snapshots that went, and of runs that died.

What a snapshot names is never touched. A file that none names is either one of a commit that is yet to come, or
nobody's; which of the two, only its age tells. So it stays until it is `ORPHAN` old. A run that writes for longer than
that before it commits is protected by nothing but `orphans`, which must then be raised. Where it was not, its commit
fails, since it reads the footer of every file that it adds, and the run is done again; only a commit that goes through
in the seconds between the look at the table and the removal would name what is gone.
"""

import errno
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any, NamedTuple

import fsspec
from fsspec.implementations.local import LocalFileSystem
from pydantic import BaseModel
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update.snapshot import ExpireSnapshots
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from spark.tables import Tables, file_system, if_unmoved, live

ORPHAN = timedelta(days=1)
"""Age, by the store's own time, from which a file that no snapshot names is nobody's."""

TIDIED = "inlet.expired"
"""In the summary of a snapshot that changes no row."""


class Expired(BaseModel, frozen=True):
    """What was removed of a table: snapshots; files (of data, and of Iceberg's metadata), and their bytes."""

    snapshots: int = 0
    files: int = 0
    bytes: int = 0


def expire(
    tables: Tables,
    name: str,
    older_than: timedelta = timedelta(days=7),
    keep: int = 2,
    *,
    orphans: timedelta = ORPHAN,
    dry_run: bool = False,
) -> Expired:
    """Take away the snapshots that have not been current for `older_than`, and the files that no other names.

    The last `keep` snapshots stay, in a table that sources publish to the last of each source: a rollback needs the one
    before. So does whatever a branch or a tag names. Files of a table that no snapshot names, and that are older than
    `orphans`, go as well. `Expired()` without such a table; `dry_run` removes nothing. May run beside anything that
    reads or writes the table, and be killed and run again: what it has not removed then is an orphan. Raises
    `ValueError` where nothing would be kept.
    """
    if keep < 1 or older_than < timedelta(0) or orphans < timedelta(0):
        raise ValueError("The current snapshot is always kept, and no age is negative")
    table = tables.get(name)
    if table is None:
        return Expired()
    went = chosen(table, older_than, keep) if dry_run else _commit(table, older_than, keep)
    once: set[str] = set()
    with suppress(FileNotFoundError):  # another run is removing them: what is left of them then is orphans
        once = named(table, went)
    found = listed(table)  # before the look at the table: what is committed from here on is younger
    if not dry_run:
        table.refresh()
    ids = {snapshot.snapshot_id for snapshot in went}
    now = named(table, [s for s in table.snapshots() if s.snapshot_id not in ids]) | of_metadata(table)
    before = datetime.now(UTC) - orphans
    gone = {path: file for path, file in found.items() if path not in now and (path in once or file.written < before)}
    if not dry_run:
        remove(file_system(table), gone)
    return Expired(snapshots=len(went), files=len(gone), bytes=sum(file.bytes for file in gone.values()))


@retry(
    retry=retry_if_exception_type(CommitFailedException),
    stop=stop_after_attempt(10),
    wait=wait_random_exponential(max=2),
    reraise=True,
)
def _commit(table: Table, older_than: timedelta, keep: int) -> list[Snapshot]:
    table.refresh()
    went = chosen(table, older_than, keep)
    current = table.current_snapshot()
    idle = current is not None and any(not live(manifest) for manifest in current.manifests(table.io))
    if went or idle:
        with table.transaction() as change:
            if_unmoved(change, table)  # a rollback may have made a snapshot current that is to go
            if idle:
                # what the last replacement took away, in older tables all that was ever removed, is named, and read,
                # until an appending snapshot leaves it out
                with change.update_snapshot(snapshot_properties={TIDIED: str(len(went))}).fast_append():
                    pass
            if went:
                with ExpireSnapshots(change) as snapshots:
                    snapshots.by_ids([snapshot.snapshot_id for snapshot in went])
    return went


def chosen(table: Table, older_than: timedelta, keep: int) -> list[Snapshot]:
    """The snapshots that `expire` takes away."""
    kept = {ref.snapshot_id for ref in table.refs().values()}
    log, by_id = table.history(), {snapshot.snapshot_id: snapshot for snapshot in table.snapshots()}
    counts: dict[str | None, int] = {}
    # not by their parents: those that went are missing in between
    for number in dict.fromkeys(entry.snapshot_id for entry in reversed(log) if entry.snapshot_id in by_id):
        said = by_id[number].summary
        if said is None or said[TIDIED] is None:
            by = said["inlet.source"] if said else None
            counts[by] = counts.get(by, 0) + 1
            if counts[by] <= keep:
                kept.add(number)
    ended = {entry.snapshot_id: later.timestamp_ms for entry, later in pairwise(log)}
    before = (datetime.now(UTC) - older_than).timestamp() * 1000
    return [
        snapshot
        for snapshot in table.snapshots()
        if snapshot.snapshot_id not in kept and ended.get(snapshot.snapshot_id, snapshot.timestamp_ms) <= before
    ]


class Entry(NamedTuple):
    """A data file that snapshots name, and the manifest's partitioning."""

    file: DataFile
    spec: int


def entries(table: Table, snapshots: Iterable[Snapshot]) -> tuple[set[str], dict[str, Entry]]:
    """Paths of the metadata that snapshots name, and the data files in them by path; each is read once."""
    with ThreadPoolExecutor() as pool:
        lists = {snapshot.manifest_list: snapshot for snapshot in snapshots}
        found = pool.map(lambda snapshot: snapshot.manifests(table.io), lists.values())
        manifests = {manifest.manifest_path: manifest for of_one in found for manifest in of_one}
        read = pool.map(lambda manifest: manifest.fetch_manifest_entry(table.io), manifests.values())
        data = {
            path_of(entry.data_file.file_path): Entry(entry.data_file, manifest.partition_spec_id)
            for manifest, of_one in zip(manifests.values(), read, strict=True)
            for entry in of_one
        }
    return {path_of(url) for url in (*lists, *manifests)}, data


def named(table: Table, snapshots: Iterable[Snapshot]) -> set[str]:
    """Paths of all files that snapshots name."""
    metadata, data = entries(table, snapshots)
    return metadata | data.keys()


def of_metadata(table: Table) -> set[str]:
    """Paths of the table's metadata, of that of before which the catalog still keeps, and of statistics."""
    said = table.metadata
    urls = [table.metadata_location, *(entry.metadata_file for entry in said.metadata_log)]
    urls += [file.statistics_path for file in (*said.statistics, *said.partition_statistics)]
    return {path_of(url) for url in urls}


class Listed(NamedTuple):
    """A file below a table's folder: its bytes, and when it was written, by the store's own time (UTC)."""

    bytes: int
    written: datetime


# a folder on disk is looked at file by file, and commits remove metadata meanwhile
@retry(retry=retry_if_exception_type(FileNotFoundError), stop=stop_after_attempt(10), reraise=True)
def listed(table: Table) -> dict[str, Listed]:
    """All files below a table's folder, by path."""
    fs = file_system(table)
    fs.invalidate_cache()
    try:
        found = fs.find(path_of(table.location()), detail=True)
    finally:
        fs.invalidate_cache()  # pyiceberg's keeps listings, by which what is written later would not be there
    return {path: Listed(info["size"], _written(info)) for path, info in found.items() if info["type"] == "file"}


def _written(info: dict[str, Any]) -> datetime:
    """When a file was written, by what fsspec says of it."""
    return info.get("LastModified") or datetime.fromtimestamp(info["mtime"], UTC)


def remove(fs: fsspec.AbstractFileSystem, paths: Collection[str]) -> None:
    """Remove files, on S3 a thousand in a request; nothing is raised where they are gone."""
    if isinstance(fs, LocalFileSystem):
        for path in paths:
            with suppress(FileNotFoundError):
                fs.rm_file(path)
        return
    left = iter(paths)
    while some := list(islice(left, 1000)):
        # s3fs (2026.9) says nothing of what S3 refuses to delete
        bucket, keys = some[0].partition("/")[0], [{"Key": path.partition("/")[2]} for path in some]
        answer = fs.call_s3("delete_objects", Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        if errors := answer.get("Errors"):
            raise PermissionError(errno.EACCES, f"{len(errors)} files were not removed: {errors[0]['Code']}")


def path_of(url: str) -> str:
    """A URL as fsspec names it in listings: without its scheme."""
    return url.partition("://")[2] or url
