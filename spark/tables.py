"""The lake's tables: what makes a set of Parquet files one Apache Iceberg table, through pyiceberg.

A stage replaces one slice of a table, such as the rows of one drop, in one transaction, and leaves a *mark* in the
table's properties in that same transaction: the fingerprint of what the slice was made from, and its counts. Whether a
stage is up to date is read from the mark and nowhere else.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.expressions import And, BooleanExpression, EqualTo, In
from pyiceberg.table import ALWAYS_TRUE, FileScanTask, Table
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.update import AssertRefSnapshotId
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from spark.errors import TableMoved
from spark.parts import DataFile

Mark = dict[str, Any]
"""`fingerprint` and whatever else the stage wants to know later: counts, run, as_of."""

_MARK = "inlet."
_NO_RETRY = {
    # pyiceberg's own retry keeps the rows that both of two racing writers added; replacing is only right when what is
    # replaced is looked up again, so a lost race is an error here and redone from the start.
    "commit.retry.num-retries": "0",
    "write.metadata.previous-versions-max": "100",
    "write.metadata.delete-after-commit.enabled": "true",
}

Slice = Mapping[str, str | Collection[str] | Collection[int]]
"""Values of partition columns: equal to one, or among several."""


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
        """URLs of the data files that hold the rows of a slice, pruned by Iceberg's plan; [] without such a table."""
        return [task.file.file_path for task in self._plan(name, where)]

    def rows(self, name: str, **where: str | Collection[str] | Collection[int]) -> int:
        """Number of rows in a slice, from metadata alone."""
        return sum(task.file.record_count for task in self._plan(name, where))

    def _plan(self, name: str, where: Slice) -> Iterable[FileScanTask]:
        table = self.get(name)
        if table is None:
            return []
        return table.scan(row_filter=_filter(where) if where else ALWAYS_TRUE).plan_files()

    def marks(self, name: str, kind: str) -> dict[str, Mark]:
        """All marks of one kind, such as `drop`, by their key; {} without such a table."""
        table = self.get(name)
        return _marks(table, kind) if table is not None else {}

    @retry(
        retry=retry_if_exception_type(CommitFailedException),
        stop=stop_after_attempt(10),
        wait=wait_random_exponential(max=2),
        reraise=True,
    )
    def replace(
        self,
        name: str,
        schema: pa.Schema,
        where: Slice,
        files: Sequence[DataFile],
        *,
        mark: tuple[str, str, Mark],
        if_marked: Callable[[dict[str, Mark]], bool] | None = None,
    ) -> None:
        """Put `files` in the place of the rows of a slice, in one snapshot's step that readers see whole or not at all.

        The table is created, partitioned by the columns of `where`, or gains the columns that it lacks. `mark` is
        (kind, key, content). `if_marked` is asked, with the marks of that kind as they are when committing, whether
        the files still are right; otherwise `TableMoved` is raised. A race lost to another writer is run again.
        """
        kind, key, content = mark
        table = self.get(name) or self._create(name, schema, list(where))
        if if_marked is not None and not if_marked(_marks(table, kind)):
            raise TableMoved(f"{name} has been published to meanwhile")
        summary = {f"{_MARK}{kind}": key, f"{_MARK}fingerprint": content["fingerprint"], f"{_MARK}run": content["run"]}
        with table.transaction() as change:
            with change.update_schema() as columns:
                columns.union_by_name(schema)
            # where nothing is deleted and nothing added, pyiceberg asks for no snapshot: a race would not be seen
            now = {"ref": MAIN_BRANCH, "snapshot-id": table.metadata.current_snapshot_id}
            change._apply((), (AssertRefSnapshotId.model_validate(now),))
            if any(table.scan(row_filter=_filter(where)).plan_files()):
                change.delete(_filter(where), snapshot_properties=summary)
            if files:
                change.add_files([f.url for f in files], snapshot_properties=summary, check_duplicate_files=False)
            change.set_properties({f"{_MARK}{kind}.{key}": json.dumps(content, sort_keys=True)})

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
                self.catalog.create_table_transaction(name, schema, location, properties=_NO_RETRY) as creation,
                creation.update_spec() as spec,
            ):
                for column in partitions:
                    spec.add_identity(column)
        except TableAlreadyExistsError:
            pass  # another run was faster
        return self.catalog.load_table(name)


def _filter(where: Slice) -> BooleanExpression:
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
