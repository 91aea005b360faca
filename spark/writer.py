"""The one way Parquet is written: by Arrow, in the process that holds the rows, straight into the lake."""

import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.spec import AbstractBufferedFile

from spark.parts import DataFile

ROW_GROUP = 128 * 1024 * 1024
"""Bytes in memory of one row group; a writer holds one at a time."""

SORTED = 16 * 1024 * 1024
"""Bytes in memory of a row group where rows are sorted by key: who looks for some keys reads the groups whose bounds
they are in."""

FILE = 1024 * 1024 * 1024
"""Bytes in memory of rows after which a writer begins the next file: those of 512 MiB of plaintext stay together."""

DICTIONARY = 256 * 1024
"""Bytes of a column's dictionary in a row group, after which its values are written as they are. With Parquet's usual
1 MiB columns of hardly any repeated value have large dictionaries: files a tenth larger, written 3 % slower."""


class ParquetWriter:
    """Writes tables of one schema into as many files below `folder` as their size asks for.

    `folder` is a URL that fsspec opens, credentials coming from the environment, or a path of `fs`. File names are
    unique, so that attempts and runs never write over each other; only files in `close()`'s answer count. Leaving the
    context by an error leaves no readable file behind but the finished ones, which nobody lists. A row group takes
    about `row_group` bytes in memory, `ROW_GROUP` where it is None. `seen` is shown the rows that are written at once,
    each once; `footers` are those of finished files.
    """

    def __init__(
        self,
        folder: str,
        schema: pa.Schema,
        fs: fsspec.AbstractFileSystem | None = None,
        row_group: int | None = None,
        seen: Callable[[pa.Table], None] | None = None,
    ) -> None:
        self._fs, path = (fs, folder) if fs else fsspec.core.url_to_fs(folder)
        self._folder = path.rstrip("/")
        self._schema = schema
        self._row_group = row_group or ROW_GROUP
        self._seen = seen
        self.footers: list[pq.FileMetaData] = []
        self._pending: list[pa.Table] = []
        self._pending_bytes = 0
        self._file_bytes = 0
        self._open: tuple[str, pq.ParquetWriter, object] | None = None
        self._rows = 0
        self._done: list[DataFile] = []

    def write(self, table: pa.Table) -> None:
        """Add rows; columns are matched by name and cast to the schema."""
        if table.schema != self._schema:
            table = table.select(self._schema.names).cast(self._schema)
        self._pending.append(table)
        self._pending_bytes += table.nbytes
        if self._pending_bytes >= self._row_group:
            self._flush()
            if self._file_bytes >= FILE:
                self._finish()

    def close(self) -> list[DataFile]:
        """Finish the last file; the answer lists all of them, none where there were no rows."""
        self._flush()
        self._finish()
        return self._done

    def _flush(self) -> None:
        rows = sum(table.num_rows for table in self._pending)
        if rows:
            if self._open is None:
                self._open = self._begin()
            groups = max(1, self._pending_bytes // self._row_group)
            table = pa.concat_tables(self._pending)
            if self._seen:
                self._seen(table)
            self._open[1].write_table(table, row_group_size=-(-rows // groups))
            self._rows += rows
            self._file_bytes += self._pending_bytes
        self._pending, self._pending_bytes = [], 0

    def _begin(self) -> tuple[str, pq.ParquetWriter, object]:
        self._fs.makedirs(self._folder, exist_ok=True)
        path = f"{self._folder}/{uuid.uuid4().hex}.parquet"
        stream = self._fs.open(path, "wb")
        writer = pq.ParquetWriter(
            stream,
            self._schema,
            compression="zstd",
            dictionary_pagesize_limit=DICTIONARY,
            write_page_index=True,
            write_page_checksum=True,
            store_schema=True,
            metadata_collector=self.footers,
        )
        return path, writer, stream

    def _finish(self) -> None:
        if self._open is None:
            return
        path, writer, stream = self._open
        writer.close()
        stream.close()  # type: ignore[attr-defined]
        url = self._fs.unstrip_protocol(path)
        self._done.append(DataFile(url=url, rows=self._rows, bytes=self._fs.size(path)))
        self._open, self._rows, self._file_bytes = None, 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        if kind is not None and self._open is not None:
            path, writer, stream = self._open
            self._open = None
            with suppress(Exception):  # the error that led here is the one to be told
                writer.close()
            if isinstance(stream, AbstractBufferedFile):
                stream.discard()  # aborts the multipart upload
                stream.closed = True  # or it fails when it is collected
            else:
                stream.close()  # type: ignore[attr-defined]
                self._fs.rm(path)


def write(
    tables: Iterable[pa.Table], folder: str, schema: pa.Schema, fs: fsspec.AbstractFileSystem | None = None
) -> list[DataFile]:
    """Write all of `tables`; see `ParquetWriter`."""
    with ParquetWriter(folder, schema, fs) as writer:
        for table in tables:
            writer.write(table)
        return writer.close()
