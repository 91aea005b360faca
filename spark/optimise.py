"""Joining small files of a table: what daily increments leave, or a drop of many small files.

Tables of Raw are partitioned by `_drop`, and a file has one partition. Where files of several drops are joined, `_drop`
is taken out of the table's partitioning (Iceberg: "partition evolution"), in the same commit: files of before keep
theirs, joined and later ones are found by the bounds of their column `_drop`, which the table keeps in full. Rows stay
as they are, marks too. Old files stay where they are as long as a snapshot names them.
"""

from collections.abc import Sequence
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.expressions import EqualTo
from pyiceberg.table import ALWAYS_TRUE, FileScanTask, Table
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from spark.drift import united
from spark.errors import CountMismatch
from spark.parts import DataFile
from spark.tables import Tables, batches, file_system, swap
from spark.writer import ParquetWriter

AT_ONCE = 64
"""Files that are joined in one commit at most: so much is done again where another writer commits meanwhile."""

DROP = "_drop"


class Joined(BaseModel, frozen=True):
    """Data files of a table, before and after."""

    before: int = 0
    after: int = 0


def optimise(tables: Tables, name: str, source: str | None = None) -> Joined:
    """Join the small files of a table, those of one row group (below `writer.ROW_GROUP`), until one at most is left.

    `source` is whose files are joined in a table that several share, which stays partitioned by `_source`. `Joined()`
    without such a table. Only one row group is in memory, whatever there is to join. A race lost to another
    writer is run again on what is there then. Raises `CountMismatch` where other rows came out than went in.
    """
    where = {"_source": source} if source else {}
    before = len(tables.files(name, **where))
    while _join_some(tables, name, source):
        pass
    return Joined(before=before, after=len(tables.files(name, **where)))


@retry(
    retry=retry_if_exception_type(CommitFailedException),
    stop=stop_after_attempt(10),
    wait=wait_random_exponential(max=2),
    reraise=True,
)
def _join_some(tables: Tables, name: str, source: str | None) -> bool:
    """Join the first small files in order of drops' keys; whether files are fewer then."""
    table = tables.get(name)
    if table is None:
        return False
    number = table.schema().find_field(DROP).field_id
    where = EqualTo("_source", source) if source else ALWAYS_TRUE  # type: ignore[call-arg, arg-type]
    small = [task for task in table.scan(row_filter=where).plan_files() if len(task.file.split_offsets or ()) <= 1]
    small.sort(key=lambda task: (task.file.lower_bounds.get(number, b""), task.file.file_path))
    if len(chosen := small[:AT_ONCE]) < 2:
        return False
    made = _joined(table, chosen)
    try:
        _commit(table, chosen, made, {task.file.lower_bounds.get(number) for task in chosen})
    except BaseException:
        with suppress(Exception):  # the error that led here is the one to be told
            file_system(table).rm([file.url for file in made])
        raise
    return len(made) < len(chosen)


def _joined(table: Table, tasks: Sequence[FileScanTask]) -> list[DataFile]:
    """The rows of files in as few as their size asks for, the columns of all; what fields say is the last file's."""
    urls = [task.file.file_path for task in tasks]
    schemas = []
    for url in urls:
        with table.io.new_input(url).open() as stream:
            schemas.append(pq.read_schema(stream))
    schema = united(reversed(schemas))
    with ParquetWriter(f"{table.location()}/data", schema, file_system(table)) as writer:
        for url in urls:
            with table.io.new_input(url).open() as stream:
                for rows in batches(pq.ParquetFile(stream)):
                    writer.write(_with_all(rows, schema))
        made = writer.close()
    before, after = sum(task.file.record_count for task in tasks), sum(file.rows for file in made)
    if before != after:
        raise CountMismatch(f"{'.'.join(table.name())}: {before:,} rows went into joined files, but {after:,} came out")
    return made


def _with_all(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    missing = [field for field in schema if field.name not in rows.column_names]
    for field in missing:
        rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    return rows


def _commit(table: Table, old: Sequence[FileScanTask], new: Sequence[DataFile], drops: set[bytes | None]) -> None:
    """Put joined files in the place of those that they were made of, unless another has committed meanwhile."""
    with table.transaction() as change:
        if len(drops) > 1 and any(field.name == DROP for field in table.spec().fields):
            with change.update_spec() as spec:
                spec.remove_field(DROP)
        swap(change, [task.file for task in old], new, {"inlet.joined": str(len(old))})
