"""Excel workbooks, by calamine; read whole, as their format has no place to cut."""

import io
from collections.abc import Iterator
from datetime import date, datetime
from typing import BinaryIO

import pyarrow as pa
from pydantic import BaseModel
from python_calamine import CalamineError, CalamineWorkbook

from spark.errors import Unreadable
from spark.parts import PART, Piece, Rejected


class Excel(BaseModel, frozen=True, extra="forbid"):
    """One sheet of a workbook, its cells as text (dates as ISO 8601, whole numbers without a point).

    `header_row` is the row, from 1, that holds the names; rows above it are titles, empty rows are no records.
    """

    sheet: int = 0
    header_row: int = 1

    def cut(self, stream: BinaryIO, size: int = PART) -> Iterator[Piece]:
        """The whole workbook as one piece."""
        data = stream.read()
        rows = self._rows(data)
        columns = tuple(_text(cell) or "" for cell in rows[0])
        yield Piece(data=data, offset=0, first_record=1, records=len(rows) - 1, columns=columns)

    def read(self, piece: Piece) -> tuple[pa.Table, list[Rejected]]:
        """See `Reader.read`."""
        rows = self._rows(piece.data)[1:]
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(piece.columns)
        arrays = [pa.array([_text(cell) for cell in column], pa.string()) for column in columns]
        record = pa.array(range(1, len(rows) + 1), pa.int64())
        return pa.table([record, *arrays], names=["_record", *piece.columns]), []

    def _rows(self, data: bytes) -> list[list[object]]:
        """The header and the rows below it that are not empty. Raises `Unreadable`."""
        try:
            sheet = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(self.sheet)
        except (CalamineError, IndexError) as error:
            raise Unreadable(f"not a workbook with a sheet {self.sheet}: {error}") from error
        rows = [list[object](row) for row in sheet.to_python(skip_empty_area=False)]
        if len(rows) < self.header_row:
            raise Unreadable(f"the sheet has {len(rows)} rows, and no header in row {self.header_row}")
        header, *body = rows[self.header_row - 1 :]
        return [header, *(row for row in body if any(cell != "" for cell in row))]


def _text(cell: object) -> str | None:
    match cell:
        case "":
            return None
        case datetime() if cell.time() == datetime.min.time():
            return cell.date().isoformat()
        case date() | datetime():
            return cell.isoformat()
        case float() if cell.is_integer():
            return str(int(cell))
        case _:
            return str(cell)
