"""A source taken out of a table that sources share: its rows, its marks, and every snapshot that knew of them.

Iceberg's metadata holds the bounds of columns, which are values of people, so metadata goes as data does. Files of
other sources stay as they are: `_source` is a partition column, by which no file holds rows of two.
"""

import json
from typing import Any, BinaryIO

import fastavro
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.manifest import ManifestFile
from pyiceberg.table import Table
from pyiceberg.table.update import RemoveSnapshotsUpdate
from pyiceberg.transforms import IdentityTransform
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from spark.errors import Damaged
from spark.expire import TIDIED, Entry, entries, named, path_of
from spark.tables import Tables, if_unmoved, swap

SOURCE = "_source"


class Forgotten(BaseModel, frozen=True):
    """How many rows of a source were taken out of a table, and the paths that no snapshot of it names since."""

    rows: int = 0
    unnamed: frozenset[str] = frozenset()


@retry(
    retry=retry_if_exception_type(CommitFailedException),
    stop=stop_after_attempt(10),
    wait=wait_random_exponential(max=2),
    reraise=True,
)
def forget(tables: Tables, name: str, source: str) -> Forgotten:
    """Take a source out of a table, in one commit, with every snapshot but the one that this makes.

    So no other source can be rolled back to before, nor read as it was then: those snapshots hold the source's rows.
    Tags and branches are no exception. Nothing is done where the table does not know the source. No file is removed:
    that is for the caller, who knows whether the store keeps versions. A race lost to another writer is run again.
    Raises `Damaged` where a file that is current is not of one source.
    """
    table = tables.get(name)
    if table is None or not knows(table, source):
        return Forgotten()
    before = named(table, table.snapshots())
    current = table.current_snapshot()
    old = [entry.file for entry in _files(table).values() if _source(table, entry) == source]
    with table.transaction() as change:
        if_unmoved(change, table)
        if old:
            swap(change, old, [], {TIDIED: "1"})
        if current:
            # the snapshot that removes files names what it has removed; an appending one leaves that out
            with change.update_snapshot(snapshot_properties={TIDIED: "1"}).fast_append():
                pass
            said = change.table_metadata
            ids = [s.snapshot_id for s in said.snapshots if s.snapshot_id != said.current_snapshot_id]
            change._apply((RemoveSnapshotsUpdate.model_validate({"snapshot-ids": ids}),), ())
        if marks := [key for key in table.properties if _marks(key, source)]:
            change.remove_properties(*marks)
    unnamed = before - named(table, table.snapshots())
    return Forgotten(rows=sum(file.record_count for file in old), unnamed=frozenset(unnamed))


def knows(table: Table, source: str) -> bool:
    """Whether the table's metadata, or a manifest that a snapshot of it names, speaks of the source."""
    said = json.loads(table.metadata.model_dump_json(by_alias=True))
    return _in_metadata(said, source) or any(
        _in_manifest(manifest, table, source)
        for snapshot in table.snapshots()
        for manifest in snapshot.manifests(table.io)
    )


def needed(table: Table) -> set[str]:
    """Paths of the table's metadata as it is now, and of all that its snapshots name."""
    return named(table, table.snapshots()) | {path_of(table.metadata_location)}


def may_become(table: Table, path: str) -> bool:
    """Whether metadata may be that of a commit which is just being made: one that follows on what is current.

    A commit goes through only where the metadata that it was made from, one number lower, still is current.
    """
    return path.endswith(".metadata.json") and _number(path) > _number(table.metadata_location)


def mentions(path: str, stream: BinaryIO, source: str) -> bool | None:
    """Whether a file of a table is the source's, or speaks of it; None of one that was not written to its end."""
    try:
        if path.endswith(".metadata.json"):
            return _in_metadata(json.load(stream), source)
        if path.endswith(".avro"):
            return any(_in_avro(record, source) for record in fastavro.reader(stream))
        file = pq.ParquetFile(stream, read_dictionary=[SOURCE])
        batches = file.iter_batches(columns=[SOURCE])
        return any(pc.any(pc.equal(batch[SOURCE], source)).as_py() for batch in batches)
    except (pa.ArrowInvalid, ValueError, EOFError, IndexError):
        return None


def _number(path: str) -> int:
    number = path.rpartition("/")[2].partition("-")[0]
    return int(number) if number.isdigit() else -1


def _files(table: Table) -> dict[str, Entry]:
    current = table.current_snapshot()
    return entries(table, [current])[1] if current else {}


def _source(table: Table, entry: Entry) -> str:
    """The one source whose rows a file holds, by its partition."""
    place = _place(table, entry.spec)
    if place is None:
        raise Damaged(f"{'.'.join(table.name())}: {entry.file.file_path} may hold rows of several sources")
    return str(entry.file.partition[place])


def _place(table: Table, spec: int) -> int | None:
    """Where in a partitioning's values the source stands."""
    fields = enumerate(table.specs()[spec].fields)
    number = table.schema().find_field(SOURCE).field_id
    return next((i for i, f in fields if f.source_id == number and isinstance(f.transform, IdentityTransform)), None)


def _in_manifest(manifest: ManifestFile, table: Table, source: str) -> bool:
    place, bounds = _place(table, manifest.partition_spec_id), manifest.partitions
    if place is None or not bounds:
        return False
    return source.encode() in (bounds[place].lower_bound, bounds[place].upper_bound)


def _in_metadata(said: dict[str, Any], source: str) -> bool:
    """Whether a mark, or what a snapshot says of itself, is of the source."""
    values = [value for s in said.get("snapshots", ()) for key, value in s.get("summary", {}).items() if _own(key)]
    return any(_marks(key, source) for key in said["properties"]) or any(_belongs(value, source) for value in values)


def _in_avro(record: Any, source: str) -> bool:  # noqa: ANN401
    """Whether an entry of a manifest is a file of the source, or one of a manifest list a manifest of such files."""
    if "data_file" in record:
        return bool(record["data_file"]["partition"].get(SOURCE) == source)
    bounds = record.get("partitions") or [{}]  # the source is the first that a table is partitioned by
    return source.encode() in (bounds[0].get("lower_bound"), bounds[0].get("upper_bound"))


def _own(key: str) -> bool:
    return key.startswith("inlet.")


def _marks(key: str, source: str) -> bool:
    """Whether a table's property is a mark of the source: `inlet.<kind>.<source>`, or of one of its drops."""
    return _own(key) and _belongs(key.split(".", 2)[-1], source)


def _belongs(key: str, source: str) -> bool:
    return key == source or key.startswith(f"{source}/")
