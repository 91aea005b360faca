"""Excel: cells by their kinds, where a table stands in its sheet, real workbooks, and what is none."""

import io
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fsspec.implementations.local import LocalFileSystem
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.worksheet.worksheet import Worksheet
from pydantic import ValidationError

from spark.convert import Target, convert_file, split
from spark.errors import Damaged, DataError, Undecryptable, Unreadable
from spark.parts import Part, StagedFile
from spark.readers import Excel

Row = list[Any]


def saved(book: Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def fill(sheet: Worksheet, *rows: Row) -> None:
    for number, row in enumerate(rows, 1):
        for column, value in enumerate(row, 1):
            sheet.cell(number, column, value)


def workbook(*rows: Row) -> bytes:
    book = Workbook()
    fill(book.worksheets[0], *rows)
    return saved(book)


def read(data: bytes, reader: Excel | None = None) -> pa.Table:
    reader, file = reader or Excel(), io.BytesIO(data)
    described = reader.describe(file)
    (span,) = reader.spans(file, 1)
    table = pa.Table.from_batches(reader.batches(io.BytesIO(data), *span), described.schema)
    assert table.num_rows == described.rows
    assert table.column(0).to_pylist() == list(range(1, table.num_rows + 1))
    assert table.column_names[0] == "_record"
    return table.remove_column(0)


def rows(table: pa.Table) -> list[Row]:
    return [list(row) for row in zip(*(column.to_pylist() for column in table.columns), strict=True)]


KINDS: list[tuple[str, Row, str, Row]] = [
    ("whole numbers", [1, -7.0, None, 10**15], "int64", [1, -7, None, 10**15]),
    ("one is not whole", [1, 0.25, None], "double", [1.0, 0.25, None]),
    ("too long for a double", [2**53 - 1, 2**53], "double", [2.0**53 - 1, 2.0**53]),
    ("booleans", [True, None, False], "bool", [True, None, False]),
    ("days", [date(2026, 11, 8), date(1999, 1, 1)], "date32[day]", [date(2026, 11, 8), date(1999, 1, 1)]),
    (
        "days and instants",
        [datetime(2026, 11, 8, 13, 45, 1), date(2026, 1, 2), None],
        "timestamp[us]",
        [datetime(2026, 11, 8, 13, 45, 1), datetime(2026, 1, 2), None],
    ),
    ("times of day", [time(13, 45), None], "time64[us]", [time(13, 45), None]),
    ("durations", [timedelta(hours=26), timedelta(seconds=1)], "int64", [93_600_000_000, 1_000_000]),
    ("text", ["007", " x ", "é\nü", "1234567893"], "string", ["007", " x ", "é\nü", "1234567893"]),
    ("text among numbers", ["0012", 12, 1.5, True], "string", ["0012", "12", "1.5", "True"]),
    (
        "all of them",
        [date(2026, 11, 8), datetime(2026, 11, 8, 1, 2, 3), time(1, 2), timedelta(hours=30, seconds=1), None],
        "string",
        ["2026-11-08", "2026-11-08T01:02:03", "01:02:00", "30:00:01", None],
    ),
    ("none", [None, None], "string", [None, None]),
]


@pytest.mark.parametrize(("cells", "kind", "values"), [k[1:] for k in KINDS], ids=[k[0] for k in KINDS])
def test_a_column_has_the_type_of_its_cells(cells: Row, kind: str, values: Row) -> None:
    table = read(workbook(["id", "v"], *[[n, cell] for n, cell in enumerate(cells)]))
    assert table.column_names == ["id", "v"]
    assert str(table.schema.field("v").type) == kind
    assert table["v"].to_pylist() == values


@pytest.mark.parametrize(("cells", "kind", "values"), [k[1:] for k in KINDS], ids=[k[0] for k in KINDS])
def test_untyped_all_are_text(cells: Row, kind: str, values: Row) -> None:
    column = read(workbook(["id", "v"], *[[n, cell] for n, cell in enumerate(cells)]), Excel(typed=False))["v"]
    assert column.type == pa.string()
    assert column.null_count == sum(value is None for value in values)
    if kind == "string":
        assert column.to_pylist() == values


CELLS: list[tuple[object, str | None]] = [
    (date(2026, 11, 8), "2026-11-08"),
    (datetime(2026, 11, 8, 13, 45, 1), "2026-11-08T13:45:01"),
    (time(13, 45), "13:45:00"),
    (7, "7"),
    (7.0, "7"),
    (-0.25, "-0.25"),
    (10**15, "1000000000000000"),
    (True, "True"),
    (timedelta(days=2, minutes=3), "48:03:00"),
    ("007", "007"),
    (None, None),
]


@pytest.mark.parametrize(("cell", "text"), CELLS, ids=[repr(c) for c, _ in CELLS])
def test_a_cell_among_text_is_text(cell: object, text: str | None) -> None:
    assert rows(read(workbook(["v"], ["text"], [cell], ["text"]))) == [["text"], *([[text]] if text else []), ["text"]]


def test_durations_say_their_unit() -> None:
    assert read(workbook(["v"], [timedelta(hours=1)])).schema.field("v").metadata == {b"doc": b"microseconds"}


def test_dates_follow_the_system_of_1904() -> None:
    book = Workbook()
    book.epoch = CALENDAR_MAC_1904
    fill(book.worksheets[0], ["d"], [date(2026, 11, 8)])
    data = saved(book)
    assert b"date1904" in zipfile.ZipFile(io.BytesIO(data)).read("xl/workbook.xml")
    assert rows(read(data)) == [[date(2026, 11, 8)]]


def test_errors_and_formulas_never_computed_are_null() -> None:
    book = Workbook()
    sheet = book.worksheets[0]
    fill(sheet, ["n", "v"], [1, 1.0], [2, "#N/A"], [3, "=1+1"], [4, "#N/A"])
    sheet["B5"].data_type = "s"  # of what looks like an error openpyxl makes one
    assert rows(read(saved(book))) == [[1, "1"], [2, None], [3, None], [4, "#N/A"]]


TITLED: list[Row] = [
    ["Payments of 2026"],
    [None, "of", "whom"],
    [None, "id", "name", None],
    [None, 1, "a"],
    [],
    [None, 2, "b"],
    [None, 3, "Total"],
]
PLACES: list[tuple[Excel, list[str], list[Row]]] = [
    (Excel(range="B3:C7"), ["id", "name"], [[1, "a"], [2, "b"], [3, "Total"]]),
    (Excel(range="b3:c"), ["id", "name"], [[1, "a"], [2, "b"], [3, "Total"]]),
    (Excel(range="B3:C4"), ["id", "name"], [[1, "a"]]),
    (Excel(range="C:C", header_row=3), ["name"], [["a"], ["b"], ["Total"]]),
    (Excel(range="B3:Z99"), ["id", "name"], [[1, "a"], [2, "b"], [3, "Total"]]),
    (Excel(header_row=3), ["id", "name"], [[1, "a"], [2, "b"], [3, "Total"]]),
    (Excel(header_row=3, footer=1), ["id", "name"], [[1, "a"], [2, "b"]]),
    (Excel(header_row=3, footer=5), ["id", "name"], []),
    (Excel(header_row=2, header=2, footer=1), ["of id", "whom name"], [[1, "a"], [2, "b"]]),
    (Excel(range="B4:C6", header=0), ["column_1", "column_2"], [[1, "a"], [2, "b"]]),
    (Excel(header_row=7), ["3", "Total"], []),
]


@pytest.mark.parametrize(("reader", "names", "records"), PLACES, ids=[str(place[0]) for place in PLACES])
def test_where_a_table_stands(reader: Excel, names: list[str], records: list[Row]) -> None:
    table = read(workbook(*TITLED), reader)
    assert table.column_names == names
    assert rows(table) == records


def test_names_may_repeat_or_lack() -> None:
    table = read(workbook(["a", "a", None, "d", None], [1, 2, 3, None, None]))
    assert table.column_names == ["a", "a", "", "d"]  # a column with neither name nor value is none
    assert rows(table) == [[1, 2, 3, None]]


def test_a_merged_cell_names_the_columns_below_it() -> None:
    book = Workbook()
    sheet = book.worksheets[0]
    fill(sheet, ["id", "address", None, "x"], [None, "city", "state", None], [1, "Bonn", "NW", 2])
    sheet.merge_cells("B1:C1")
    sheet.merge_cells("A1:A2")
    sheet.merge_cells("B3:C3")  # its first cell has the value
    table = read(saved(book), Excel(header=2))
    assert table.column_names == ["id", "address city", "address state", "x"]
    assert rows(table) == [[1, "Bonn", None, 2]]


def test_a_header_alone_has_no_records_and_an_empty_sheet_no_columns() -> None:
    assert read(workbook(["a", "b"])).schema == pa.schema([("a", pa.string()), ("b", pa.string())])
    assert read(workbook()).num_columns == 0


def sheets() -> bytes:
    book = Workbook()
    book.worksheets[0].title = "Hidden"
    book.worksheets[0].sheet_state = "hidden"
    book.create_chartsheet("Chart")
    for name in ("First", "Second"):
        fill(book.create_sheet(name), ["v"], [name])
    fill(book.worksheets[0], ["v"], ["hidden"])
    return saved(book)


@pytest.mark.parametrize(
    ("sheet", "value"), [(0, "First"), (1, "Second"), ("1", "Second"), ("First", "First"), ("Hidden", "hidden")]
)
def test_a_sheet_by_number_or_name(sheet: int | str, value: str) -> None:
    assert rows(read(sheets(), Excel(sheet=sheet))) == [[value]]


def test_a_sheet_that_is_not_there() -> None:
    said = r"no sheet 'third'; there are 'Hidden' \(hidden\), 'First', 'Second'"
    with pytest.raises(Unreadable, match=said):
        read(sheets(), Excel(sheet="third"))
    with pytest.raises(Unreadable, match="no sheet 2;"):
        read(sheets(), Excel(sheet=2))


def test_rows_and_ranges_that_are_not_there() -> None:
    with pytest.raises(Unreadable, match="row 3 of sheet 'Sheet' is to hold names, but is empty"):
        read(workbook(["a"], [1]), Excel(header_row=3))
    with pytest.raises(Unreadable, match="holds nothing in D1:F9, only in A1:B2"):
        read(workbook(["a", "b"], [1, 2]), Excel(range="D1:F9"))
    with pytest.raises(Unreadable, match="holds nothing in A5:B9, only in A1:B2"):
        read(workbook(["a", "b"], [1, 2]), Excel(range="A5:B9"))


@pytest.mark.parametrize(
    "options",
    [{"range": "A1"}, {"range": "B1:A2"}, {"range": "A3:B2"}, {"range": "A0:B2"}, {"range": "A3:B9", "header_row": 2}],
)
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Excel(**options)


def locked() -> bytes:
    """A compound file as Excel writes a workbook under a password: its directory names the encrypted package."""
    end, fat, free = 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH6xIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, 1, 1, 0, 4096, end, 0, end, 0)
    header += struct.pack("<109I", 0, *[free] * 108)
    table = struct.pack("<128I", fat, end, *[*range(3, 18), end], *[free] * 110)

    def entry(name: str, kind: int, child: int, right: int, start: int, size: int) -> bytes:
        written = (name + "\0").encode("utf-16-le")
        packed = written.ljust(64, b"\0") + struct.pack("<HBBIII", len(written), kind, 1, free, right, child)
        return packed + bytes(36) + struct.pack("<IQ", start, size)

    directory = entry("Root Entry", 5, 1, free, end, 0) + entry("EncryptionInfo", 2, free, 2, 2, 4096)
    directory += entry("EncryptedPackage", 2, free, free, 10, 4096) + entry("", 0, free, free, 0, 0)
    return header + table + directory + bytes(16 * 512)


def zipped(**members: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        (b"", Unreadable, "empty"),
        (b"a,b\n1,2\n", Unreadable, "another format"),
        (b"\n<!doctype html><html>404</html>", Unreadable, "HTML"),
        (b"%PDF-1.7", Unreadable, "a PDF"),
        (b"\x1f\x8b\x08", Unreadable, "gzip"),
        (zipped(a="a,b\n"), Unreadable, "another format"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), Unreadable, "OLE"),
        (workbook(["a"])[:-200], Damaged, "cut off"),
        (locked(), Undecryptable, "password"),
    ],
    ids=["empty", "csv", "html", "pdf", "gzip", "another zip", "ole", "cut off", "under a password"],
)
def test_what_is_no_workbook(data: bytes, error: type[DataError], said: str) -> None:
    with pytest.raises(error, match=said):
        read(data)


@pytest.mark.parametrize("seed", range(40))
def test_damage_is_an_error_of_ours_or_unseen(seed: int) -> None:
    random = np.random.default_rng(seed)
    data = bytearray(workbook(["n", "s"], *[[n, f"value {n}"] for n in range(50)]))
    if seed % 2:
        del data[random.integers(1, len(data)) :]
    else:
        for at in random.integers(0, len(data), 3):
            data[at] ^= 1 << random.integers(8)
    with suppress(DataError):
        read(bytes(data))


def ods(*rows: Row) -> bytes:
    """The least that is an OpenDocument sheet."""
    written = ""
    for row in rows:
        cells = [
            f'<table:table-cell office:value-type="float" office:value="{cell}"/>'
            if isinstance(cell, int | float)
            else f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>'
            for cell in row
        ]
        written += f"<table:table-row>{''.join(cells)}</table:table-row>"
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
    )
    content = (
        f"<office:document-content {names}><office:body><office:spreadsheet>"
        f'<table:table table:name="One">{written}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    manifest = '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    return zipped(**{"mimetype": kind, "META-INF/manifest.xml": manifest, "content.xml": content})


def test_an_opendocument_sheet() -> None:
    table = read(ods(["id", "name"], [1, "a"], [2, "007"]), Excel(sheet="One"))
    assert table.schema == pa.schema([("id", pa.int64()), ("name", pa.string())])
    assert rows(table) == [[1, "a"], [2, "007"]]


CELL = st.one_of(
    st.none(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15),
    st.booleans(),
    st.dates(date(1900, 3, 1), date(9999, 12, 31)),
    st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=5).filter(lambda t: t[0] != "="),
)


@given(st.lists(st.tuples(CELL, CELL), max_size=8))
def test_what_is_written_is_read(written: list[tuple[Any, Any]]) -> None:
    table = read(workbook(["a", "b"], *[list(row) for row in written]))
    expected = [row for row in written if row != (None, None)]
    assert table.num_rows == len(expected)
    for position in (0, 1):
        values = [row[position] for row in expected]
        kinds = {type(value) for value in values} - {type(None)}
        got = table.column(position).to_pylist()
        assert [value is None for value in got] == [value is None for value in values]
        if kinds <= {int, float} or len(kinds) == 1:
            assert got == [float(f"{v:.16g}") if type(v) is float else v for v in values]  # as openpyxl writes it
        else:
            assert pa.types.is_string(table.column(position).type)


REAL: list[tuple[str, Excel, int, dict[str, str]]] = [
    ("csv/frictionless/table.xlsx", Excel(), 2, {"id": "int64", "name": "string"}),
    ("csv/frictionless/table.xlsx", Excel(sheet="Sheet 2", header=0), 2, {"column_1": "int64", "column_2": "string"}),
    ("csv/frictionless/sheets.xlsx", Excel(sheet="Sheet3"), 1, {"id ": "int64", "name": "string"}),
    ("csv/frictionless/multiline-headers.xlsx", Excel(range="A6:D9", header=0), 1, {}),
    ("sources/cclf/CCLF_IP_508_v36.xlsx", Excel(sheet="cclf_0"), 8, {"Start Position": "string"}),
]


@pytest.mark.parametrize(("name", "reader", "count", "types"), REAL, ids=[f"{r[0]} {r[1]}" for r in REAL])
def test_a_real_workbook(realdata: Path, name: str, reader: Excel, count: int, types: dict[str, str]) -> None:
    table = read((realdata / name).read_bytes(), reader)
    assert table.num_rows == count
    assert {field.name: str(field.type) for field in table.schema}.items() >= types.items()


def test_a_workbook_goes_the_whole_way(tmp_path: Path) -> None:
    data = workbook(["NPIs"], ["NPI", "Gone On"], *[[str(10**9 + n), date(2026, 1, 1)] for n in range(100)])
    path = tmp_path / "x.xlsx"
    path.write_bytes(data)
    part = Part(path=str(path), offset=0, first_record=1, records=None, bytes=len(data))
    staged = StagedFile(file="x.xlsx", columns=(), parts=(part,))
    shares = split(staged, Excel(header_row=2), 4, LocalFileSystem())
    assert (shares.records, len(shares.shares)) == (100, 1)
    assert shares.schema.field("gone_on").type == pa.date32()
    to = Target(drop="d", file="x.xlsx", columns=(), rows=f"{tmp_path}/rows", rejects=f"{tmp_path}/rejects")
    done = convert_file(shares, Excel(header_row=2), to, LocalFileSystem(), 2)
    assert (done.records, done.rows, done.nulls) == (100, 100, {"npi": 0, "gone_on": 0})


@pytest.mark.parametrize("again", [lambda r, f: r.describe(f).rows, lambda r, f: sum(map(len, r.batches(f)))])
def test_one_stream_is_read_by_several_readers(again: Callable[[Excel, io.BytesIO], int]) -> None:
    file = io.BytesIO(workbook(["a"], [1], [2]))
    assert Excel().describe(file).rows == 2
    assert again(Excel(header=0), file) == 3
    assert again(Excel(), file) == 2
