"""SAS data sets: sas7bdat, and XPORT of version 5 and 8."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

import pyarrow as pa
from pydantic import BaseModel, field_validator

from spark.errors import Unreadable
from spark.readers import sas7bdat
from spark.readers.sas7bdat import Sas7bdat
from spark.readers.sas_values import Container, Span, schema_of, to_batch
from spark.readers.xport import Xport

_LOOKS_LIKE = {
    sas7bdat.CATALOG: "a SAS catalog, which holds formats and no data set",
    b"**COMPRESSED**": "a CPORT file, which only SAS can read: ask for XPORT or sas7bdat",
    b"LIB CONTROL": "a CPORT file, which only SAS can read: ask for XPORT or sas7bdat",
    b"\x1f\x8b": "still wrapped by gzip",
    b"PK\x03\x04": "still wrapped by zip",
    b"<": "a web page, as a server sends it for a file that it does not have",
}


@dataclass(frozen=True)
class Described:
    """What a file says before its rows are read.

    `schema` is that of the batches; `rows` leaves deleted ones out; `created` is by the writer's clock, without a time
    zone; `encoding` is the declared one by Python's name, None where none is; `kind` is sas7bdat, xport5 or xport8.
    """

    schema: pa.Schema
    rows: int
    kind: str
    dataset: str
    label: str
    created: datetime | None
    encoding: str | None


BATCH = 16 * 1024 * 1024
"""Bytes of records in a batch: of 64 MiB reading takes half a GB more and a quarter longer, of 4 MiB 40 % longer."""


class Sas(BaseModel, frozen=True, extra="forbid"):
    """A SAS data set in a seekable binary stream.

    Columns keep their type: character is string, numeric is double or, by its format and unless `temporal` is false,
    date32, time64[us] or timestamp[us] (rounded to the microsecond). A missing value is null, a blank string "". What a
    cell's type cannot hold is null there and stands in the row's `_special`, a map from column to text: a special
    missing value as its letter (`.A` to `.Z`, `._`), a date with a fraction or a time that is no time of day as the
    number, bytes that are not of the encoding as a SAS literal (`'E9'x`).

    `encoding` is for where the file declares none (XPORT: UTF-8 is taken) or a wrong one. `dataset` names one of the
    data sets in an XPORT file that holds several.
    """

    encoding: str | None = None
    dataset: str | None = None
    temporal: bool = True

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, name: str | None) -> str | None:
        try:
            return name and codecs.lookup(name).name
        except LookupError as error:
            raise ValueError(f"{name!r} is no encoding that Python knows") from error

    def describe(self, file: BinaryIO) -> Described:
        """Read the headers. Raises `Unreadable`, `Damaged`."""
        header = self._open(file).header
        return Described(
            schema=schema_of(header, self.temporal),
            rows=header.rows,
            kind=header.kind,
            dataset=header.dataset,
            label=header.label,
            created=header.created,
            encoding=header.encoding,
        )

    def batches(
        self, file: BinaryIO, start: int = 0, rows: int | None = None, offset: int = -1, size: int = BATCH
    ) -> Iterator[pa.RecordBatch]:
        """Rows from `start`, counted from 0, in batches of about `size` bytes of records.

        `_record`, from 1, comes first, then the columns under the file's names. `start`, `rows` and `offset` are those
        of one of `spans`: the offset spares the search for the row. Raises `Unreadable`, `Damaged`.
        """
        container = self._open(file)
        header = container.header
        encoding = self.encoding or header.encoding or ("ascii" if header.kind == "sas7bdat" else "utf-8")
        schema = schema_of(header, self.temporal)
        rows = max(0, min(header.rows - start, header.rows if rows is None else rows))
        if not rows:
            return
        for records in container.records(file, Span(start, rows, offset), size):
            yield to_batch(records, start + 1, container, encoding, schema)
            start += len(records)

    def spans(self, file: BinaryIO, rows: int = 1_000_000) -> list[Span]:
        """The file in consecutive ranges of at least `rows` rows, for workers side by side: `batches(file, *span)`.

        A sas7bdat file is read once for it, only its pages' heads where it is not compressed. Raises `Damaged`.
        """
        return self._open(file).spans(file, rows)

    def _open(self, file: BinaryIO) -> Container:
        file.seek(0)
        head = file.read(80)
        if head.startswith(sas7bdat.MAGIC):
            return Sas7bdat(file, self.encoding)
        if head.startswith(b"HEADER RECORD*******LIB"):
            return Xport(file, self.encoding, self.dataset)
        looks = next((what for begin, what in _LOOKS_LIKE.items() if head.lstrip().startswith(begin)), None)
        raise Unreadable(f"no SAS data set, but {looks or ('of an unknown format' if head else 'empty')}")
