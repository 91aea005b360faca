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
from pydantic import BaseModel, Field

from spark.cut import Records, lines
from spark.errors import CountMismatch, Unreadable
from spark.parts import PART, Piece, Rejected

_BOM = b"\xef\xbb\xbf"
_BLOCK = 8 * 1024 * 1024

Ordinals = npt.NDArray[np.int64]


class Csv(BaseModel, frozen=True, extra="forbid"):
    """A delimited text format.

    Bare empty is null, quoted empty is "". Line ends are LF or CRLF; blank lines are no records. A record with another
    number of fields than the header is rejected. A line whose bytes are not `encoding` is decoded as `fallback` where
    one is given; otherwise its record is rejected.
    """

    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quote: str | None = Field(default='"', min_length=1, max_length=1)
    header: bool = True
    columns: tuple[str, ...] = ()
    encoding: str = "utf-8"
    fallback: str | None = None

    def cut(self, stream: BinaryIO, size: int = PART) -> Iterator[Piece]:
        """See `Reader.cut`. Raises `Unreadable` where a record does not end, as after a quote left open."""
        records = Records(stream, self._quote_byte)
        records.skip(_BOM)
        columns = self._fields(records.one()) if self.header else self.columns
        first = 1
        while True:
            offset = records.offset
            data, count = records.take(size)
            if not data and first > 1:
                return
            if not columns and data:
                columns = tuple(f"column_{i + 1}" for i in range(len(self._fields(data))))
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
        if not data.strip():
            empty = [pa.array([], pa.string())] * len(names)
            return pa.table(empty, names=list(piece.columns))
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
        if self.encoding != "utf-8" or self.fallback:
            recoded = b"\n".join(self._recode(line) for line in piece.data.split(b"\n"))
            return recoded, ordinals, []
        found = lines(piece.data, self._quote_byte, final=True)
        bounds = [(0, int(found.ends[0])), *pairwise(found.ends.tolist())]
        records = [piece.data[a:b] for (a, b), filled in zip(bounds, found.filled, strict=True) if filled]
        good = np.array([_is_utf8(record) for record in records])
        rejected = [
            Rejected(record=int(ordinals[i]), reason="not utf-8", text=records[i].decode("utf-8", "backslashreplace"))
            for i in np.flatnonzero(~good)
        ]
        return b"".join(records[i] for i in np.flatnonzero(good)), ordinals[good], rejected

    def _recode(self, line: bytes) -> bytes:
        try:
            return line.decode(self.encoding).encode()
        except UnicodeDecodeError:
            if not self.fallback:
                raise Unreadable(f"a line is not {self.encoding}; declare the encoding or a fallback") from None
            return line.decode(self.fallback).encode()

    def _fields(self, data: bytes) -> tuple[str, ...]:
        """The fields of the first record in `data`."""
        text = data.decode(self.encoding, "replace")
        reader = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=self.delimiter,
            quotechar=self.quote or None,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
        )
        return tuple(next(reader, []))

    @property
    def _quote_byte(self) -> int | None:
        return ord(self.quote) if self.quote else None


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
