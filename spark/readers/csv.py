"""Delimited text: cut at record ends, parsed by Arrow's C++ reader, kept as strings."""

import csv
import io
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv
from pydantic import BaseModel, Field, field_validator

from spark.cut import Records, lines
from spark.errors import CountMismatch, Unreadable
from spark.parts import PART, Piece, Rejected

_BOM = b"\xef\xbb\xbf"
_BLOCK = 8 * 1024 * 1024
_ASCII = r"^[\x01-\x09\x0b\x0c\x0e-\x7f]$"  # one byte in the file, and no line end

Ordinals = npt.NDArray[np.int64]


class Csv(BaseModel, frozen=True, extra="forbid"):
    """A delimited text format.

    Bare empty is null, quoted empty is "". Line ends are LF or CRLF; blank lines are no records. A record with another
    number of fields than the header is rejected. A line whose bytes are not `encoding` is decoded as `fallback` where
    one is given; otherwise its record is rejected.
    """

    delimiter: str = Field(default=",", pattern=_ASCII)
    quote: str | None = Field(default='"', pattern=_ASCII)
    header: bool = True
    columns: tuple[str, ...] = ()
    encoding: str = "utf-8"
    fallback: str | None = None

    @field_validator("encoding", "fallback")
    @classmethod
    def _holds_ascii(cls, name: str | None) -> str | None:
        """Records are cut, and fields found, by ASCII bytes: no UTF-16."""
        ascii_ = bytes(range(128))
        try:
            fits = name is None or ascii_.decode(name) == ascii_.decode()
        except (LookupError, UnicodeError):
            fits = False
        if not fits:
            raise ValueError(f"{name!r} is no encoding that holds ASCII as it is")
        return name

    def cut(self, stream: BinaryIO, size: int = PART) -> Iterator[Piece]:
        """See `Reader.cut`. Raises `Unreadable` where a record does not end, as after a quote left open.

        Lines that end by CR alone would all be the header's: then too.
        """
        records = Records(stream, self._quote_byte)
        records.skip(_BOM)
        columns = self.columns
        if self.header:
            header = self._fields(records.one())
            columns = next(header, ())
            if next(header, None):
                raise Unreadable("the header holds a bare CR; lines must end by LF or CRLF")
        first = 1
        while True:
            offset = records.offset
            data, count = records.take(size)
            if not data and first > 1:
                return
            if not columns and data:
                columns = tuple(f"column_{i + 1}" for i in range(len(next(self._fields(data), ()))))
            yield Piece(data=data, offset=offset, first_record=first, records=count, columns=self.columns or columns)
            if not data:
                return
            first += count

    def read(self, piece: Piece) -> tuple[pa.Table, list[Rejected]]:
        """See `Reader.read`. Raises `Unreadable`; `CountMismatch` where Arrow and the cutter count differently."""
        data, ordinals, rejected = self._as_utf8(piece)
        wrong: list[pacsv.InvalidRow] = []

        def skip(row: pacsv.InvalidRow) -> str:
            wrong.append(row)
            return "skip"

        table = self._parse(data, piece, skip)
        if table.num_rows + len(wrong) != len(ordinals):
            raise CountMismatch(
                f"from record {piece.first_record:,} on: {len(ordinals):,} by the cutter's count,"
                f" but {table.num_rows:,} parsed and {len(wrong):,} rejected"
            )
        rejected += [
            Rejected(
                record=int(ordinals[row.number - 1]),
                reason=f"{row.actual_columns} fields where {row.expected_columns} belong",
                text=row.text,
            )
            for row in wrong
        ]
        kept = np.delete(ordinals, [row.number - 1 for row in wrong])
        return table.add_column(0, "_record", pa.array(kept, pa.int64())), rejected

    def _parse(self, data: bytes, piece: Piece, skip: Callable[[pacsv.InvalidRow], str]) -> pa.Table:
        names = [str(i) for i in range(len(piece.columns))]  # positions, as a header may repeat a name
        if not data.strip(b"\r\n"):
            empty = [pa.array([], pa.string())] * len(names)
            return pa.table(empty, names=list(piece.columns))
        if data.startswith(_BOM):
            data = b"\n" + data  # within a file it is data, which Arrow would pass over
        if not data.endswith(b"\n"):
            data += b"\n"  # at the end of data Arrow takes a bare empty field after a quoted one for quoted
        try:
            table = pacsv.read_csv(
                pa.BufferReader(data),
                read_options=pacsv.ReadOptions(use_threads=False, block_size=_BLOCK, column_names=names),
                parse_options=pacsv.ParseOptions(
                    delimiter=self.delimiter,
                    quote_char=self.quote or False,
                    newlines_in_values=self.quote is not None,
                    invalid_row_handler=skip,
                ),
                convert_options=pacsv.ConvertOptions(
                    check_utf8=False,  # made sure of in _as_utf8
                    column_types=dict.fromkeys(names, pa.string()),
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                    null_values=[""],
                ),
            )
        except pa.ArrowInvalid as error:
            # Arrow's message quotes the data, which must not reach a log
            raise Unreadable(f"Arrow cannot parse the records from {piece.first_record:,} on") from error
        return table.rename_columns(list(piece.columns))

    def _as_utf8(self, piece: Piece) -> tuple[bytes, Ordinals, list[Rejected]]:
        """The piece's records in UTF-8, the ordinal of each, and those that cannot be decoded."""
        ordinals = np.arange(piece.first_record, piece.first_record + (piece.records or 0), dtype=np.int64)
        if self.encoding == "utf-8" and _is_utf8(piece.data):
            return piece.data, ordinals, []
        found = lines(piece.data, self._quote_byte, final=True)
        bounds = pairwise([0, *found.ends.tolist()])
        records = [piece.data[a:b] for (a, b), filled in zip(bounds, found.filled, strict=True) if filled]
        recoded = [self._recode(record) for record in records]
        good = np.array([record is not None for record in recoded], bool)
        rejected = [
            Rejected(
                record=int(ordinals[i]),
                reason=f"not {self.encoding}",
                text=records[i].decode(self.encoding, "backslashreplace"),
            )
            for i in np.flatnonzero(~good)
        ]
        return b"".join(record for record in recoded if record is not None), ordinals[good], rejected

    def _recode(self, record: bytes) -> bytes | None:
        """The record in UTF-8, each of its lines by `encoding` or else `fallback`; None where neither fits."""
        try:
            return record.decode(self.encoding).encode()
        except UnicodeDecodeError:
            if not self.fallback:
                return None
        try:
            lines_ = record.split(b"\n")
            return b"\n".join(_decoded(line, self.encoding, self.fallback).encode() for line in lines_)
        except UnicodeDecodeError:
            return None

    def _fields(self, data: bytes) -> Iterator[tuple[str, ...]]:
        """The fields of each record in `data` that is not blank."""
        recoded = self._recode(data)
        text = recoded.decode() if recoded is not None else data.decode(self.encoding, "replace")
        reader = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=self.delimiter,
            quotechar=self.quote or None,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
        )
        try:
            yield from (tuple(row) for row in reader if row)
        except csv.Error as error:
            raise Unreadable(f"the first record cannot be parsed: {error}") from error

    @property
    def _quote_byte(self) -> int | None:
        return ord(self.quote) if self.quote else None


def _decoded(line: bytes, encoding: str, fallback: str) -> str:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return line.decode(fallback)


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
