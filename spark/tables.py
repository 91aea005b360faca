"""The lake's tables: what makes a set of Parquet files one Apache Iceberg table, through pyiceberg.

A stage replaces one slice of a table, such as the rows of one drop, in one transaction, and leaves a *mark* in the
table's properties in that same transaction: the fingerprint of what the slice was made from, and its counts. Whether a
stage is up to date is read from the mark and nowhere else.

A data file may hold rows of several slices, once `spark.optimise` has joined small ones. What replaces one of them
writes such a file again without its rows.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial, reduce
from typing import Any, NamedTuple, TypeAlias

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.conversions import from_bytes
from pyiceberg.exceptions import (
    CommitFailedException,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression, EqualTo, In
from pyiceberg.expressions.visitors import ROWS_MUST_MATCH, _StrictMetricsEvaluator
from pyiceberg.io.pyarrow import parquet_file_to_data_file
from pyiceberg.manifest import DataFile as Listed
from pyiceberg.manifest import ManifestFile
from pyiceberg.table import ALWAYS_TRUE, FileScanTask, Table, TableProperties, Transaction
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.update import AssertRefSnapshotId, RemoveSnapshotRefUpdate, SetSnapshotRefUpdate
from pyiceberg.types import PrimitiveType
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random_exponential

from spark.errors import TableMoved
from spark.parts import PART, DataFile
from spark.writer import ParquetWriter

Mark = dict[str, Any]
"""`fingerprint` and whatever else the stage wants to know later: counts, run, as_of."""

_MARK = "inlet."
_PROPERTIES = {
    # pyiceberg's own retry keeps the rows that both of two racing writers added; replacing is only right when what is
    # replaced is looked up again, so a lost race is an error here and redone from the start.
    "commit.retry.num-retries": "0",
    "write.metadata.previous-versions-max": "100",
    "write.metadata.delete-after-commit.enabled": "true",
    # by default 16 characters of a text's bounds are kept, which do not tell whether a file is of one drop alone
    "write.metadata.metrics.column._drop": "full",
}

Slice = Mapping[str, str | Collection[str] | Collection[int]]
"""Values of partition columns: equal to one, or among several."""

Value: TypeAlias = Any
"""A value of a column, as Python has it: text, a number, a date, an instant."""


class Ranged(NamedTuple):
    """A data file, and the least and the greatest value of one of its columns; None where that is not known."""

    url: str
    rows: int
    bytes: int
    low: Value | None
    high: Value | None


class Said(NamedTuple):
    """A snapshot of a table, in order of commits, and what its summary says under names of ours."""

    snapshot: int
    sequence: int
    summary: Mapping[str, str]


_again = retry(
    retry=retry_if_exception_type(CommitFailedException),
    stop=stop_after_delay(300),  # with eight writers on one table, some lost ten times in a row
    wait=wait_random_exponential(max=5),
    reraise=True,
)
"""Makes a commit that lost a race to another writer be made again, on what that one left."""


class Tables:
    """The tables of one lake; `properties` are those of a pyiceberg catalog, `root` the URL that tables stand below."""

    def __init__(self, properties: Mapping[str, str], root: str) -> None:
        self._properties = dict(properties)
        self._root = root.rstrip("/")
        self._catalog: Catalog | None = None

    @property
    def catalog(self) -> Catalog:
        """The catalog, opened when first needed; its own tables are created where they are missing."""
        if self._catalog is None:
            self._catalog = load_catalog("lake", **self._properties)
        return self._catalog

    def names(self, zone: str) -> list[str]:
        """The names of all tables in a zone, such as `held.provider`, sorted."""
        try:
            return sorted(".".join(found) for found in self.catalog.list_tables(zone))
        except NoSuchNamespaceError:
            return []

    def folder(self, name: str) -> str:
        """The URL below which the data files of a table such as `raw.nppes_npidata` stand."""
        return f"{self._root}/{name.replace('.', '/')}/data"

    def get(self, name: str) -> Table | None:
        """The table as it is now, or None."""
        try:
            return self.catalog.load_table(name)
        except NoSuchTableError:
            return None

    def schema(self, name: str) -> pa.Schema:
        """The table's columns as Arrow sees them, without Iceberg's field numbers. Raises `KeyError`."""
        table = self.get(name)
        if table is None:
            raise KeyError(name)
        return table.schema().as_arrow()

    def files(self, name: str, **where: str | Collection[str] | Collection[int]) -> list[str]:
        """URLs of the data files that hold the rows of a slice, pruned by Iceberg's plan; [] without such a table.

        Once joined, they hold rows of other slices as well: who reads them filters.
        """
        return [task.file.file_path for task in self._plan(name, where)]

    def rows(self, name: str, **where: str | Collection[str] | Collection[int]) -> int:
        """Number of rows in a slice, from metadata; of files that hold others as well, by their columns in `where`."""
        table = self.get(name)
        if table is None:
            return 0
        return table.scan(row_filter=_filter(where), selected_fields=tuple(where) or ("*",)).count()

    def _plan(self, name: str, where: Slice) -> Iterable[FileScanTask]:
        table = self.get(name)
        return table.scan(row_filter=_filter(where)).plan_files() if table is not None else []

    def marks(self, name: str, kind: str) -> dict[str, Mark]:
        """All marks of one kind, such as `drop`, by their key; {} without such a table."""
        table = self.get(name)
        return _marks(table, kind) if table is not None else {}

    def ranges(self, name: str, column: str, **where: str) -> list[Ranged]:
        """The data files of a slice with their range of a column, as the table's metadata has it, in no order.

        Bounds may be wider than the file's values, unless files came by `exchange` as ordered by that column.
        """
        table = self.get(name)
        if table is None:
            return []
        field = table.schema().find_field(column)
        as_arrow = table.schema().as_arrow().field(column).type

        def value(bounds: Mapping[int, bytes] | None) -> Value | None:
            if not bounds or field.field_id not in bounds or not isinstance(field.field_type, PrimitiveType):
                return None
            found = from_bytes(field.field_type, bounds[field.field_id])
            return pa.array([found]).cast(_STORED.get(as_arrow, as_arrow)).cast(as_arrow)[0].as_py()

        files = [task.file for task in table.scan(row_filter=_filter(where)).plan_files()]
        return [
            Ranged(f.file_path, f.record_count, f.file_size_in_bytes, value(f.lower_bounds), value(f.upper_bounds))
            for f in files
        ]

    def said(self, name: str, **summary: str) -> list[Said]:
        """The snapshots, first to last, whose summary says of us what is asked for (`source="nppes"`)."""
        table = self.get(name)
        if table is None:
            return []
        found = [
            Said(
                snapshot.snapshot_id,
                snapshot.sequence_number or 0,
                {
                    key.removeprefix(_MARK): value
                    for key, value in snapshot.summary.additional_properties.items()
                    if key.startswith(_MARK)
                },
            )
            for snapshot in table.snapshots()
            if snapshot.summary is not None
        ]
        chosen = [one for one in found if summary.items() <= one.summary.items()]
        return sorted(chosen, key=lambda one: one.sequence)

    def files_at(self, name: str, snapshot: int, **where: str) -> list[DataFile]:
        """The data files of a slice in a snapshot that the table still has."""
        table = self.catalog.load_table(name)
        tasks = table.scan(row_filter=_filter(where), snapshot_id=snapshot).plan_files()
        return [
            DataFile(url=t.file.file_path, rows=t.file.record_count, bytes=t.file.file_size_in_bytes) for t in tasks
        ]

    @_again
    def replace(
        self,
        name: str,
        schema: pa.Schema,
        where: Slice,
        files: Sequence[DataFile],
        *,
        mark: tuple[str, str, Mark],
        also: Sequence[tuple[str, str, Mark]] = (),
        if_marked: Callable[[dict[str, Mark]], bool] | None = None,
    ) -> None:
        """Put `files` in the place of the rows of a slice, in one snapshot's step that readers see whole or not at all.

        The table is created, partitioned by the columns of `where`, or gains the columns that it lacks. `mark` is
        (kind, key, content), as is whatever else it leaves by `also`. `if_marked` is asked, with the marks of that kind
        as they are when committing, whether the files still are right; otherwise `TableMoved` is raised. A race lost to
        another writer is run again.
        """
        kind, key, content = mark
        table = self.get(name) or self._create(name, schema, list(where))
        if if_marked is not None and not if_marked(_marks(table, kind)):
            raise TableMoved(f"{name} has been published to meanwhile")
        summary = {f"{_MARK}{kind}": key, f"{_MARK}fingerprint": content["fingerprint"], f"{_MARK}run": content["run"]}
        with table.transaction() as change:
            with change.update_schema() as columns:
                columns.union_by_name(schema)
            if_unmoved(change, table)
            old = list(table.scan(row_filter=_filter(where)).plan_files())
            if old or files:
                others = [file for task in old if not _within(table, task, where) for file in _rest(table, task, where)]
                swap(change, [task.file for task in old], [*others, *files], summary)
            marks = {f"{_MARK}{kind}.{key}": json.dumps(said, sort_keys=True) for kind, key, said in [mark, *also]}
            change.set_properties(marks)

    @_again
    def exchange(
        self,
        name: str,
        schema: pa.Schema,
        old: Collection[str],
        files: Sequence[DataFile],
        *,
        partitions: Sequence[str],
        ordered_by: str,
        mark: tuple[str, str, Mark],
        if_marked: Callable[[dict[str, Mark]], bool],
        summary: Mapping[str, str] | None = None,
        needs: int | None = None,
    ) -> None:
        """Put `files` in the place of the `old` ones, by URL, in one snapshot; there is one even where both are none.

        As `replace`, but that other files of the slice stay; raises `TableMoved` also where an old one is not there any
        more. It fails where the snapshot `needs`, whose files are among the new ones, has been expired. `summary` is
        kept with the snapshot, for `said`. The bounds of the column `ordered_by` are kept in full.
        """
        kind, key, content = mark
        table = self.get(name) or self._create(name, schema, partitions)
        if not if_marked(_marks(table, kind)):
            raise TableMoved(f"{name} has been published to meanwhile")
        gone = [task.file for task in table.scan().plan_files() if task.file.file_path in set(old)] if old else []
        if len(gone) < len(set(old)):
            raise TableMoved(f"{name} has other files meanwhile")
        with table.transaction() as change:
            with change.update_schema() as columns:
                columns.union_by_name(schema)
            change.set_properties(
                {
                    f"write.metadata.metrics.column.{ordered_by}": "full",
                    f"{_MARK}{kind}.{key}": json.dumps(content, sort_keys=True),
                }
            )
            if_unmoved(change, table)
            if needs is not None:
                _if_there(change, needs)
            said = {kind: key, "fingerprint": content["fingerprint"], "run": content["run"], **(summary or {})}
            swap(change, gone, files, {f"{_MARK}{name}": value for name, value in said.items()})

    def _create(self, name: str, schema: pa.Schema, partitions: Sequence[str]) -> Table:
        location = self.folder(name).removesuffix("/data")
        namespace = name.rpartition(".")[0]
        try:
            self.catalog.create_namespace_if_not_exists(namespace)
        except Exception:
            # pyiceberg looks, then inserts: a database refuses the later of two runs by an error of its own
            if not self.catalog.namespace_exists(namespace):
                raise
        try:
            with (
                self.catalog.create_table_transaction(name, schema, location, properties=_PROPERTIES) as creation,
                creation.update_spec() as spec,
            ):
                for column in partitions:
                    spec.add_identity(column)
        except TableAlreadyExistsError:
            pass  # another run was faster
        return self.catalog.load_table(name)


def swap(change: Transaction, old: Sequence[Listed], new: Sequence[DataFile], summary: Mapping[str, str]) -> None:
    """Put new data files in the place of old ones, in one snapshot."""
    if change.table_metadata.name_mapping() is None:  # by which the columns of files are found that have no numbers
        mapping = change.table_metadata.schema().name_mapping.model_dump_json()
        change.set_properties({TableProperties.DEFAULT_NAME_MAPPING: mapping})
    if not old and new:
        change.add_files([f.url for f in new], snapshot_properties=dict(summary), check_duplicate_files=False)
        return
    with change.update_snapshot(snapshot_properties=dict(summary)).overwrite() as snapshot:
        # pyiceberg (0.12) otherwise looks for the manifests of these files' partitions in threads that share one
        # evaluator's state, and may miss some; files are deleted by name, whatever this says
        snapshot.delete_by_predicate(ALWAYS_TRUE)
        # and carries on every manifest that says nothing but what is gone, to read it again in each commit that follows
        carried = snapshot._existing_manifests
        snapshot._existing_manifests = lambda: [m for m in carried() if live(m)]  # type: ignore[method-assign]
        for listed in old:
            snapshot.delete_data_file(listed)
        with ThreadPoolExecutor() as pool:  # each footer is read
            read = partial(parquet_file_to_data_file, change._table.io, change.table_metadata)
            for added in pool.map(read, [file.url for file in new]):
                snapshot.append_data_file(added)


def live(manifest: ManifestFile) -> bool:
    """Whether a manifest names files that are there, and not only such as its snapshot has taken away."""
    return manifest.has_added_files() or manifest.has_existing_files()


_STORED = {pa.date32(): pa.int32(), pa.timestamp("us", tz="UTC"): pa.int64()}
"""What Iceberg's bounds of a type are read as."""


def if_unmoved(change: Transaction, table: Table) -> None:
    """Let the commit fail where somebody else has committed a snapshot since `table` was loaded.

    Where nothing is deleted and nothing added, pyiceberg asks for no snapshot: a race would not be seen.
    """
    now = {"ref": MAIN_BRANCH, "snapshot-id": table.metadata.current_snapshot_id}
    change._apply((), (AssertRefSnapshotId.model_validate(now),))


def _if_there(change: Transaction, snapshot: int) -> None:
    """Let the commit fail where a snapshot has been expired meanwhile: a tag on it, which is taken away again."""
    tag = SetSnapshotRefUpdate.model_validate(
        {"action": "set-snapshot-ref", "ref-name": "inlet", "type": "tag", "snapshot-id": snapshot}
    )
    untag = RemoveSnapshotRefUpdate.model_validate({"action": "remove-snapshot-ref", "ref-name": "inlet"})
    change._apply((tag, untag), ())


def _within(table: Table, task: FileScanTask, where: Slice) -> bool:
    """Whether a planned file holds rows of the slice alone, as far as its partition or its bounds tell."""
    strict = _StrictMetricsEvaluator(table.schema(), _filter(where))
    return isinstance(task.residual, AlwaysTrue) or strict.eval(task.file) == ROWS_MUST_MATCH


def _rest(table: Table, task: FileScanTask, where: Slice) -> list[DataFile]:
    """What a file holds beside the rows of a slice, in files of its own."""
    with table.io.new_input(task.file.file_path).open() as stream:
        file = pq.ParquetFile(stream)
        with ParquetWriter(f"{table.location()}/data", file.schema_arrow, file_system(table)) as writer:
            for rows in batches(file):
                writer.write(rows.filter(pc.invert(_inside(rows, where))))
            return writer.close()


def _inside(rows: pa.Table, where: Slice) -> pa.Array:
    """For each row whether it is of the slice."""
    among = {column: [value] if isinstance(value, str) else list(value) for column, value in where.items()}
    return reduce(pc.and_, [pc.is_in(rows[column], pa.array(values)) for column, values in among.items()])


def batches(file: pq.ParquetFile) -> Iterator[pa.Table]:
    """The rows of a Parquet file, some at a time, whatever the size of its row groups."""
    for group in range(file.num_row_groups):
        about = file.metadata.row_group(group)
        size = max(1, min(1 << 16, PART * about.num_rows // max(1, about.total_byte_size)))
        for batch in file.iter_batches(size, row_groups=[group]):
            yield pa.Table.from_batches([batch])


def file_system(table: Table) -> fsspec.AbstractFileSystem:
    """Where the table's files are, by the settings of its catalog."""
    io: Any = table.io  # the lake says that it is fsspec's
    return io.get_fs(table.location().partition("://")[0])


def _filter(where: Slice) -> BooleanExpression:
    if not where:
        return ALWAYS_TRUE
    terms: list[BooleanExpression] = []
    for column, value in where.items():
        # pyiceberg's expressions are pydantic models with positional constructors, which the type checker cannot see
        if isinstance(value, str):
            terms.append(EqualTo(column, value))  # type: ignore[call-arg, arg-type]
        else:
            terms.append(In(column, value))  # type: ignore[call-arg, arg-type]
    return terms[0] if len(terms) == 1 else And(*terms)


def _marks(table: Table, kind: str) -> dict[str, Mark]:
    prefix = f"{_MARK}{kind}."
    return {k.removeprefix(prefix): json.loads(v) for k, v in table.properties.items() if k.startswith(prefix)}
