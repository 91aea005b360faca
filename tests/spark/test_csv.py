import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from spark import cut
from spark.errors import CountMismatch, DataError, Unreadable
from spark.readers import Csv
from spark.readers import csv as csv_module
from tests.spark.made import BOM, Made, csv_files

Row = list[str | None]
Reject = tuple[int, str, str]


class Read(NamedTuple):
    columns: list[str]
    rows: list[tuple[int, Row]]
    rejected: list[Reject]
    records: int


def read(reader: Csv, data: bytes, size: int = 1 << 20) -> Read:
    """The whole file, piece by piece."""
    out = Read([], [], [], 0)
    for piece in reader.cut(io.BytesIO(data), size):
        table, rejected = reader.read(piece)
        assert table.column_names == ["_record", *piece.columns]
        columns = [column.to_pylist() for column in table.columns]
        rows = [(record, list(values)) for record, *values in zip(*columns, strict=True)]
        rejects = [(r.record, r.reason, r.text) for r in rejected]
        out = Read(list(piece.columns), out.rows + rows, out.rejected + rejects, out.records + (piece.records or 0))
    return out


class Scenario(NamedTuple):
    name: str
    data: bytes
    columns: list[str]
    rows: list[Row]
    rejected: Sequence[Reject] = ()
    reader: Csv = Csv()


AB = ["a", "b"]
SCENARIOS = [
    Scenario("plain", b"a,b\n1,2\n3,4\n", AB, [["1", "2"], ["3", "4"]]),
    Scenario("no last newline", b"a,b\n1,2", AB, [["1", "2"]]),
    Scenario("CRLF", b'a,b\r\n1,"x\r\ny"\r\n\r\n3,4\r\n', AB, [["1", "x\r\ny"], ["3", "4"]]),
    Scenario("bare empty is null, quoted empty is not", b'a,b\n,""\n"",\n', AB, [[None, ""], ["", None]]),
    Scenario("a bare empty at the end of the file", b'a,b\n"",', AB, [["", None]]),
    Scenario("nothing is inferred", b"a,b\n007,NULL\n1e3,NaN\n", AB, [["007", "NULL"], ["1e3", "NaN"]]),
    Scenario("blanks are kept", b'a,b\n x ," y "\n', AB, [[" x ", " y "]]),
    Scenario("a blank in the only column", b"a\n \n\nx\n", ["a"], [[" "], ["x"]]),
    Scenario("a quoted empty in the only column", b'a\n""\n\nx\n', ["a"], [[""], ["x"]]),
    Scenario("only empty fields, by tabs", b"a\tb\n\t\n", AB, [[None, None]], reader=Csv(delimiter="\t")),
    Scenario(
        "ragged",
        b'a,b\n1,2\n\n1,2,3\n\n4,5\n6\n"x\ny",,\n7,8\n',
        AB,
        [["1", "2"], ["4", "5"], ["7", "8"]],
        [
            (2, "3 fields where 2 belong", "1,2,3"),
            (4, "1 fields where 2 belong", "6"),
            (5, "3 fields where 2 belong", '"x\ny",,'),
        ],
    ),
    Scenario(
        "all ragged", b"a,b\n1\n2\n", AB, [], [(1, "1 fields where 2 belong", "1"), (2, "1 fields where 2 belong", "2")]
    ),
    Scenario(
        "latin-1 unannounced", b"a,b\n1,2\n\xe9,3\n4,5\n", AB, [["1", "2"], ["4", "5"]], [(2, "not utf-8", "\\xe9,3\n")]
    ),
    Scenario(
        "latin-1 and ragged",
        b'a,b\n1\n\xe9,"\n"\n2\n3,4\n',
        AB,
        [["3", "4"]],
        [(2, "not utf-8", '\\xe9,"\n"\n'), (1, "1 fields where 2 belong", "1"), (3, "1 fields where 2 belong", "2")],
    ),
    Scenario(
        "fallback by line",
        b'a,b\n\xe9,1\n\xc3\xa9,"2\n\xe9"\n',
        AB,
        [["é", "1"], ["é", "2\né"]],
        reader=Csv(fallback="latin-1"),
    ),
    Scenario("fallback in the header", b"\xe9,b\n1,2\n", ["é", "b"], [["1", "2"]], reader=Csv(fallback="latin-1")),
    Scenario(
        "not the fallback either",
        b"a,b\n\x81,1\n\xe9,2\n",
        AB,
        [["é", "2"]],
        [(1, "not utf-8", "\\x81,1\n")],
        Csv(fallback="cp1252"),
    ),
    Scenario("declared latin-1", b"a,b\n\xe9,1\n", AB, [["é", "1"]], reader=Csv(encoding="latin-1")),
    Scenario(
        "not as declared",
        b"a,b\n\x81,1\n\x80,2\n",
        AB,
        [["€", "2"]],
        [(1, "not cp1252", "\\x81,1\n")],
        Csv(encoding="cp1252"),
    ),
    Scenario("byte order mark", BOM + b'"a",b\n1,2\n', AB, [["1", "2"]]),
    Scenario("byte order mark within", b"a,b\n" + BOM + b"1,2\n", AB, [["\ufeff1", "2"]]),
    Scenario("header only", b"a,b\n", AB, []),
    Scenario("header only, unended", b"a,b", AB, []),
    Scenario("header after blank lines", b"\n\r\na,b\n1,2\n", AB, [["1", "2"]]),
    Scenario("empty", b"", [], []),
    Scenario("a byte order mark alone", BOM, [], []),
    Scenario("blank lines alone", b"\n\r\n\n", [], []),
    Scenario("no header", b"1,2\n3,4\n", ["column_1", "column_2"], [["1", "2"], ["3", "4"]], reader=Csv(header=False)),
    Scenario(
        "no header, a blank line first", b"\n1,2\n", ["column_1", "column_2"], [["1", "2"]], reader=Csv(header=False)
    ),
    Scenario("no header, names declared", b"1,2\n", AB, [["1", "2"]], reader=Csv(header=False, columns=("a", "b"))),
    Scenario("no header, empty", b"", AB, [], reader=Csv(header=False, columns=("a", "b"))),
    Scenario(
        "declared names in place of the header's", b"x,y\n1,2\n", AB, [["1", "2"]], reader=Csv(columns=("a", "b"))
    ),
    Scenario("duplicate names", b"a,a,\n1,2,3\n", ["a", "a", ""], [["1", "2", "3"]]),
    Scenario("a newline in a name", b'"a\nb",c\n1,2\n', ["a\nb", "c"], [["1", "2"]]),
    Scenario("pipes", b'a|b\n1,2|"3|4"\n', AB, [["1,2", "3|4"]], reader=Csv(delimiter="|")),
    Scenario("single quotes", b"a,b\n'1,2',\"\n", AB, [["1,2", '"']], reader=Csv(quote="'")),
    Scenario(
        "quoting off",
        b'a|b\n5" pipe|"\n6"|x\n',
        AB,
        [['5" pipe', '"'], ['6"', "x"]],
        reader=Csv(delimiter="|", quote=None),
    ),
    Scenario("doubled quotes", b'a,b\n"say ""hi""",""""\n', AB, [['say "hi"', '"']]),
    Scenario("NUL", b"a,b\n\x00,1\n", AB, [["\x00", "1"]]),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[s.name for s in SCENARIOS])
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_scenario(scenario: Scenario, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut, "_READ", 1)
    monkeypatch.setattr(cut, "_FIRST", 1)
    found = read(scenario.reader, scenario.data, size)
    assert found.columns == scenario.columns
    assert [row for _, row in found.rows] == scenario.rows
    assert sorted(found.rejected) == sorted(scenario.rejected)
    ordinals = [record for record, _ in found.rows] + [record for record, _, _ in found.rejected]
    assert sorted(ordinals) == list(range(1, found.records + 1))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"a,b\r1,2\r3,4\r", Unreadable),
        (b"a,b\n1,2\r3,4\n", CountMismatch),
        (b'a,b\n1,5" pipe\n2,6" pipe\n', CountMismatch),
        (b'"' + b"x" * 200_000 + b'",b\n1,2\n', Unreadable),
    ],
    ids=["old Mac line ends", "a bare CR", "quotes that are inches", "a name without end"],
)
def test_refused(data: bytes, error: type[DataError]) -> None:
    with pytest.raises(error):
        read(Csv(), data)


@pytest.mark.parametrize("data", [b'a,b\n1,"secret\r\n"x\n3,4"\n', b"a,b\nsecret\r1,2\n"])
def test_an_error_does_not_quote_the_data(data: bytes) -> None:
    with pytest.raises(DataError) as caught:
        read(Csv(), data)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"delimiter": "§"}, {"delimiter": "\n"}, {"delimiter": ""}, {"quote": "«"}, {"sep": ","}),
        *({"encoding": "utf-16"}, {"encoding": "latin-0815"}, {"fallback": "utf-16-le"}),
    ],
    ids=str,
)
def test_a_dialect_that_cannot_be_cut_is_refused_when_declared(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Csv.model_validate(wrong)


@given(made=csv_files(), size=st.integers(1, 200), block=st.integers(60, 400))
def test_every_record_is_a_row_or_rejected_as_it_was_written(made: Made, size: int, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cut, "_READ", 1)
        patch.setattr(cut, "_FIRST", 1)
        patch.setattr(csv_module, "_BLOCK", block)  # Arrow's own cutting, within a piece
        found = read(Csv(delimiter=made.delimiter), made.plaintext, size)
    width = len(made.columns)
    numbered = list(enumerate(made.records, 1))
    assert found.rows == [(n, record) for n, record in numbered if len(record) == width]
    assert found.rejected == [
        (n, f"{len(record)} fields where {width} belong", made.texts[n - 1])
        for n, record in numbered
        if len(record) != width
    ]


DIRT = [
    b'"',
    b'"',
    b",",
    b",",
    b"\n",
    b"\n",
    b"\r\n",
    b"\r",
    b"a",
    b"1",
    b" ",
    b"\t",
    b"\xff",
    b"\xe9",
    b"\xc3\xa9",
    BOM,
    b"\0",
]
READERS = [
    Csv(),
    Csv(fallback="latin-1"),
    Csv(fallback="cp1252"),
    Csv(encoding="ascii"),
    Csv(encoding="shift_jis"),
    Csv(header=False),
    Csv(header=False, columns=("x", "y")),
    Csv(quote=None),
    Csv(delimiter="\t", quote="'"),
]


@given(
    data=st.one_of(st.binary(max_size=60), st.lists(st.sampled_from(DIRT), max_size=40).map(b"".join)),
    reader=st.sampled_from(READERS),
    size=st.integers(1, 80),
)
def test_any_bytes_give_rows_and_rejects_or_a_named_error(data: bytes, reader: Csv, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cut, "_READ", 1)
        patch.setattr(cut, "_FIRST", 1)
        try:
            found = read(reader, data, size)
        except DataError:
            return
    ordinals = [record for record, _ in found.rows] + [record for record, _, _ in found.rejected]
    assert sorted(ordinals) == list(range(1, found.records + 1))


SPECTRUM = """
    comma_in_quotes empty empty_crlf escaped_quotes json location_coordinates newlines newlines_crlf
    quotes_and_newlines simple simple_crlf utf8
""".split()  # noqa: SIM905  # a list of names reads better so


# Where the twin does not say what the file (as it was taken from the repository) says.
TWIN_ERRS = {"location_coordinates": ("1234567890", "2095257564"), "newlines_crlf": ("\\r\\n", "\\n")}


@pytest.mark.parametrize("name", SPECTRUM)
def test_csv_spectrum(name: str, realdata: Path) -> None:
    folder = realdata / "csv" / "csv-spectrum"
    found = read(Csv(), (folder / f"{name}.csv").read_bytes())
    twin = json.loads((folder / f"{name}.json").read_text().replace(*TWIN_ERRS.get(name, ("", ""))))
    expected = twin if isinstance(twin, list) else [twin]
    assert [dict(zip(found.columns, (v or "" for v in row), strict=True)) for _, row in found.rows] == expected
    assert found.rejected == []


def test_csv_spectrum_is_all_there(realdata: Path) -> None:
    assert {path.stem for path in (realdata / "csv" / "csv-spectrum").glob("*.csv")} == set(SPECTRUM)
