import io
import zipfile
from datetime import date, datetime, time

import pytest
from openpyxl import Workbook

from spark.errors import Unreadable
from spark.readers import Excel


def workbook(*rows: list[object], sheets: int = 1) -> bytes:
    book = Workbook()
    for _ in range(1, sheets):
        book.create_sheet()
    for number, row in enumerate(rows, 1):
        for column, value in enumerate(row, 1):
            book.worksheets[-1].cell(number, column, value)  # type: ignore[call-overload]
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def read(reader: Excel, data: bytes) -> tuple[list[str], list[list[object]]]:
    (piece,) = reader.cut(io.BytesIO(data))
    table, rejected = reader.read(piece)
    assert rejected == []
    assert piece.records == table.num_rows
    assert table.column_names == ["_record", *piece.columns]
    return list(piece.columns), [list(row.values()) for row in table.to_pylist()]


def test_a_title_above_and_empty_rows_between() -> None:
    data = workbook(["Deactivated NPIs"], ["NPI", "Date"], ["1234567893", "x"], [], ["0012", None], [None, None])
    assert read(Excel(header_row=2), data) == (["NPI", "Date"], [[1, "1234567893", "x"], [2, "0012", None]])


CELLS: list[tuple[object, str | None]] = [
    (date(2026, 11, 8), "2026-11-08"),
    (datetime(2026, 11, 8, 13, 45, 1), "2026-11-08T13:45:01"),
    (time(13, 45), "13:45:00"),
    (7, "7"),
    (7.0, "7"),
    (-0.25, "-0.25"),
    (1234567893, "1234567893"),
    (10**15, "1000000000000000"),
    (True, "True"),
    ("007", "007"),
    (" x ", " x "),
    ("é\nü", "é\nü"),
    (None, None),
]


@pytest.mark.parametrize(("cell", "expected"), CELLS, ids=[repr(c) for c, _ in CELLS])
def test_a_cell_as_text(cell: object, expected: str | None) -> None:
    assert read(Excel(), workbook(["id", "v"], ["1", cell])) == (["id", "v"], [[1, "1", expected]])


def test_only_a_header_has_no_records() -> None:
    assert read(Excel(), workbook(["a", "b"])) == (["a", "b"], [])


def test_another_sheet() -> None:
    assert read(Excel(sheet=1), workbook(["a"], ["x"], sheets=2)) == (["a"], [[1, "x"]])


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", "a,b\n")
    return out.getvalue()


@pytest.mark.parametrize(
    ("reader", "data"),
    [
        (Excel(), b""),
        (Excel(), b"a,b\n1,2\n"),
        (Excel(), _zip()),
        (Excel(), workbook(["a"])[:-200]),
        (Excel(sheet=3), workbook(["a"])),
        (Excel(header_row=3), workbook(["a"], ["1"])),
        (Excel(), workbook()),
    ],
    ids=["empty", "csv", "another zip", "cut off", "no such sheet", "no such row", "empty sheet"],
)
def test_not_such_a_workbook(reader: Excel, data: bytes) -> None:
    with pytest.raises(Unreadable):
        list(reader.cut(io.BytesIO(data)))
