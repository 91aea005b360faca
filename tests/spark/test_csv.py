import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from spark.cutting import records
from spark.errors import CountMismatch, DataError, Miscounted, Unreadable
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
OPEN = "the file ends within its quotes"
LONG = "longer than 8 bytes"
STRAY = "a stray quote"
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
    Scenario("CR alone", b"a,b\r1,2\r\r3,4", AB, [["1", "2"], ["3", "4"]]),
    Scenario("CR alone, in quotes as well", b'a,b\r1,"x\ry"\r', AB, [["1", "x\ry"]]),
    Scenario("mixed line ends", b"a,b\n1,2\r3,4\r\n5,6", AB, [["1", "2"], ["3", "4"], ["5", "6"]]),
    Scenario(
        "a bare CR is data",
        b'a,b\n1,x\ry\n2,"z\r"\r\n3\r\r,4\n5,6\r\r\n',
        AB,
        [["1", "x\ry"], ["2", "z\r"], ["3\r\r", "4"], ["5", "6\r"]],
        reader=Csv(line_end="lf"),
    ),
    Scenario(
        "a bare LF is data",
        b'a,b\r\n1,x\ny\r\n\r\n2,"\r\n"\r\n3\n,4,\r\n5,6\n',
        AB,
        [["1", "x\ny"], ["2", "\r\n"], ["5", "6\n"]],
        [(3, "3 fields where 2 belong", "3\n,4,")],
        Csv(line_end="crlf"),
    ),
    Scenario("LF is data", b"a,b\r1,\n\r\n,2", AB, [["1", "\n"], ["\n", "2"]], reader=Csv(line_end="cr")),
    Scenario("a CRLF that the file's end has cut", b"a,b\r\n1,2\r", AB, [["1", "2"]], reader=Csv(line_end="crlf")),
    Scenario(
        "inches",
        b'a,b\n1,5" pipe\n"2",6" pipe\n3 "x",""y"\n4,"z" "q"\n',
        AB,
        [["1", '5" pipe'], ["2", '6" pipe']],
        [(3, STRAY, '3 "x",""y"\n'), (4, STRAY, '4,"z" "q"\n')],
    ),
    Scenario("blanks between fields", b'a b\n"1" "x y"\n', AB, [["1", "x y"]], reader=Csv(delimiter=" ")),
    Scenario("blanks behind a closing quote", b'a,b\n"1" ,"x"  \n"" , "y"\n', AB, [["1 ", "x  "], [" ", ' "y"']]),
    Scenario(
        "a quote that the next one closes",
        b'a,b\n1,"x\n2,y\n3,"z\n4,5\n',
        AB,
        [["2", "y"], ["4", "5"]],
        [(1, STRAY, '1,"x\n'), (3, OPEN, '3,"z\n')],
    ),
    Scenario(
        "quotes that are not doubled, and a right number of fields",
        b'a,b\n"5" x","y"\n"5"","y,"z"\n1,"2"\n',
        AB,
        [["1", "2"]],
        [(1, STRAY, '"5" x","y"\n'), (2, STRAY, '"5"","y,"z"\n')],
    ),
    Scenario(
        "a stray quote, newlines and all",
        b'a,b\n"1\n2" x,"3\n\n4"\n5,6\n',
        AB,
        [["5", "6"]],
        [(1, STRAY, '"1\n2" x,"3\n\n4"\n')],
    ),
    Scenario(
        "a stray quote, before a delimiter of two characters",
        b'a||b\n"1"|||2\n"3"||4\n"5"||"6"|\n',
        AB,
        [["1", "|2"], ["3", "4"]],
        [(3, STRAY, '"5"||"6"|\n')],
        Csv(delimiter="||"),
    ),
    Scenario(
        "a quote left open at the end", b'a,b\n1,2\n3,"x\n4,5', AB, [["1", "2"], ["4", "5"]], [(2, OPEN, '3,"x\n')]
    ),
    Scenario(
        "a record too long", b"a,b\n1,2\n3,xxxxxxxx\n", AB, [["1", "2"]], [(2, LONG, "3,xxxxxxxx\n")], Csv(max_record=8)
    ),
    Scenario(
        "escapes",
        b'a,b\n\\"1,x\\,y\n"2\\"","z\\\\"\n3,"\\\n"\n4,\\\n\n5,"a""b"\n6,\\',
        AB,
        [['"1', "x,y"], ['2"', "z\\"], ["3", "\n"], ["4", "\n"], ["5", 'a"b'], ["6", "\\"]],
        reader=Csv(escape="\\"),
    ),
    Scenario(
        "escapes without quotes", b'a|b\n"|\\|\n', AB, [['"', "|"]], reader=Csv(delimiter="|", quote=None, escape="\\")
    ),
    Scenario("comments", b'# x,"\na,b\n#\n1,2\n3,"\n#"\n#', AB, [["1", "2"], ["3", "\n#"]], reader=Csv(comment="#")),
    Scenario("control characters", b"a\x01b\n1\x012\x02\n", AB, [["1", "2\x02"]], reader=Csv(delimiter="\x01")),
    Scenario("NUL between fields", b"a\0b\n1\x002\n", AB, [["1", "2"]], reader=Csv(delimiter="\0")),
    Scenario(
        "two characters between fields",
        b'a||b\n1||"2||3"\n|||x\n"y"||"5|"\n1\n2||',
        AB,
        [["1", "2||3"], [None, "|x"], ["y", "5|"], ["2", None]],
        [(4, "1 fields where 2 belong", "1")],
        Csv(delimiter="||"),
    ),
    Scenario(
        "three characters between fields",
        b"a~|~b\n1~|2~|~3~\n1~|~2~|~3\n",
        AB,
        [["1~|2", "3~"]],
        [(2, "3 fields where 2 belong", "1~|~2~|~3")],
        Csv(delimiter="~|~", quote=None),
    ),
    Scenario(
        "every control character is data",
        bytes(n for n in range(128) if n not in b'\r\n"|').join([b"a||b\n", b'||"||"\n']),
        AB,
        [[bytes(n for n in range(128) if n not in b'\r\n"|').decode(), "||"]],
        reader=Csv(delimiter="||"),
    ),
    Scenario(
        "a bar that is no ASCII",
        "a¦b\n1¦é\n".encode("latin-1"),
        AB,
        [["1", "é"]],
        reader=Csv(delimiter="¦", encoding="latin-1"),
    ),
    Scenario("UTF-16", "a,b\r\n1,€\r\n".encode("utf-16"), AB, [["1", "€"]]),
    Scenario(
        "UTF-16, declared",
        "a¦b\n1¦€".encode("utf-16-be"),
        AB,
        [["1", "€"]],
        reader=Csv(encoding="utf-16-be", delimiter="¦"),
    ),
    Scenario(
        "half a pair",
        "a,b\n1,2\n".encode("utf-16") + b"\x00\xd8" + ",3\n4,5".encode("utf-16-le"),
        AB,
        [["1", "2"], ["4", "5"]],
        [(2, "not utf-16-le", "\\xed\\xb3\\xbf,3\n")],
        Csv(fallback="latin-1"),
    ),
    Scenario("EBCDIC", "a,b\n1,2\n".encode("cp037"), AB, [["1", "2"]], reader=Csv(encoding="cp037")),
    Scenario("lines above", b'Report "1"\n\na,b\n1,2\n', AB, [["1", "2"]], reader=Csv(skip=2)),
    Scenario("two header rows", b"x,\na,b\n1,2\n", ["x a", "b"], [["1", "2"]], reader=Csv(header=2)),
    Scenario(
        "a trailer that counts",
        b'a,b\n1,2\n\n3,"\n"\nTRL|2|4\n\n',
        AB,
        [["1", "2"], ["3", "\n"]],
        reader=Csv(footer=1, trailer=r"TRL\|(?P<records>\d+)\|(?P<lines>\d+)"),
    ),
    Scenario(
        "a trailer that counts the rejected",
        b"\na,b\n1,2\n3\n--\n1,002 lines: 6",
        AB,
        [["1", "2"]],
        [(2, "1 fields where 2 belong", "3")],
        Csv(skip=1, footer=2, trailer=r".*lines: (?P<lines>[\d,]+)$"),
    ),
    Scenario("a trailer", b"a,b\n1,2\nTOTAL 1\n", AB, [["1", "2"]], reader=Csv(footer=1)),
    Scenario(
        "a delimiter at the end of all records",
        b'a$b\r\n1$2$\r\n"3$$\r\n$$\r\n',
        AB,
        [["1", "2"], ['"3', None], [None, None]],
        reader=Csv(delimiter="$", quote=None, trailing=True),
    ),
    Scenario(
        "no delimiter at the end of any record",
        b"a,b\n1,2\n3,\n4,5,\n6,7,\n",
        AB,
        [["1", "2"], ["3", None]],
        [(3, "3 fields where 2 belong", "4,5,"), (4, "3 fields where 2 belong", "6,7,")],
        Csv(trailing=True),
    ),
    Scenario(
        "more or less at the end than a delimiter",
        b'a,b\n0\n1,2,3\n4,5,\n6,7,""\n8,9,,\n1,2,3,4,\n5,6, \n7,8\n"9\n,",,\n0,\n',
        AB,
        [["4", "5"], ["9\n,", None]],
        [
            (1, "1 fields where 3 belong", "0"),
            (2, "the last of 3 fields is not empty", "1,2,3"),
            (4, "the last of 3 fields is not empty", '6,7,""'),
            (5, "4 fields where 3 belong", "8,9,,"),
            (6, "5 fields where 3 belong", "1,2,3,4,"),
            (7, "the last of 3 fields is not empty", "5,6, "),
            (8, "2 fields where 3 belong", "7,8"),
            (10, "2 fields where 3 belong", "0,"),
        ],
        Csv(trailing=True),
    ),
    Scenario(
        "two records on a line that end with a delimiter",
        b"a$b\r\n1$2$\r\n3$4$5$6$\r\n7$$\r\n",
        AB,
        [["1", "2"], ["7", None]],
        [(2, "5 fields where 3 belong", "3$4$5$6$")],
        Csv(delimiter="$", quote=None, trailing=True),
    ),
    Scenario(
        "a delimiter at the end, of two characters, and bare CR as data",
        b"a||b\n1||\r||\n3||4\n5||6||7\n8||9||",
        AB,
        [["1", "\r"], ["8", "9"]],
        [(2, "2 fields where 3 belong", "3||4"), (3, "the last of 3 fields is not empty", "5||6||7")],
        Csv(delimiter="||", line_end="lf", trailing=True),
    ),
    Scenario(
        "a record too long among those that end with a delimiter",
        b"a,b\n1,2,\n3,xxxxxxxx,\n4,5,\n",
        AB,
        [["1", "2"], ["4", "5"]],
        [(2, LONG, "3,xxxxxxxx,\n")],
        Csv(max_record=8, quote=None, trailing=True),
    ),
    Scenario(
        "a quote left open among records that end with a delimiter",
        b'a,b\n1,"x,\n2,y,\n3,"z",\n4,5,\n',
        AB,
        [["2", "y"], ["3", "z"], ["4", "5"]],
        [(1, STRAY, '1,"x,\n')],
        Csv(trailing=True),
    ),
    Scenario(
        "kinds of records, padded",
        b'H|1\n\nL|1|"a|b"\nX\nL|2|""\nL|3|c|d\nH|2||\n"H"|"q\nz"\n',
        ["t", "n", "v"],
        [["H", "1", None], ["L", "1", "a|b"], ["X", None, None], ["L", "2", ""], ["H", "q\nz", None]],
        [(5, "4 fields where 3 belong", "L|3|c|d"), (6, "4 fields where 3 belong", "H|2||")],
        Csv(delimiter="|", header=False, columns=("t", "n", "v"), pad=True),
    ),
    Scenario(
        "padded in latin-1, by two characters, bare CR as data",
        "a||b||c\né\n1||\rx\n1||2||\r\n\rx||2\n".encode("latin-1"),
        ["a", "b", "c"],
        [["é", None, None], ["1", "\rx", None], ["1", "2", None], ["\rx", "2", None]],
        reader=Csv(delimiter="||", encoding="latin-1", line_end="lf", pad=True),
    ),
    Scenario(
        "a quote left open among padded records",
        b'a,b,c\n1,"x\n2\n3,"z"\n4,5,6\n',
        ["a", "b", "c"],
        [["2", None, None], ["3", "z", None], ["4", "5", "6"]],
        [(1, STRAY, '1,"x\n')],
        Csv(pad=True),
    ),
    Scenario(
        "names declared, and a delimiter at the end",
        b"1,2,\n3,4,\n",
        AB,
        [["1", "2"], ["3", "4"]],
        reader=Csv(header=False, columns=("a", "b"), trailing=True),
    ),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[s.name for s in SCENARIOS])
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_scenario(scenario: Scenario, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_READ", 1)
    found = read(scenario.reader, scenario.data, size)
    assert found.columns == scenario.columns
    assert [row for _, row in found.rows] == scenario.rows
    rejected = [(n, why, text[: 8 if size == 1 and why == LONG else None]) for n, why, text in scenario.rejected]
    assert sorted(found.rejected) == sorted(rejected)  # of one that is too long, what its piece holds
    ordinals = [record for record, _ in found.rows] + [record for record, _, _ in found.rejected]
    assert sorted(ordinals) == list(range(1, found.records + 1))


@pytest.mark.parametrize(
    ("data", "reader"),
    [
        (b'"secret' + b"x" * 1_100_000 + b'",b\n1,2\n', Csv()),
        (b'a,"secret\n', Csv()),
        (b'a,"secret" b\n1,2\n', Csv()),
        ("secret,b\n".encode("utf-16-le"), Csv()),
        ("secret,b\n".encode("utf-16"), Csv(encoding="latin-1")),
    ],
    ids=[
        "a name without end",
        "a header in its quotes",
        "a stray quote in a name",
        "UTF-16 undeclared",
        "UTF-16 declared as another",
    ],
)
def test_refused_without_quoting_the_data(data: bytes, reader: Csv) -> None:
    with pytest.raises(Unreadable) as caught:
        read(reader, data)
    assert "secret" not in str(caught.value)


TRAILED = Csv(footer=1, trailer=r"TRL\|(?P<records>\d*)\|?(?P<lines>\d+)?")


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        (b"a,b\n1,2\nTRL|2\n", Miscounted, "says 2 records, but 1 were cut"),
        (b"a,b\n1,2\nTRL|1|2\n", Miscounted, "says 2 lines, but 3 were cut"),
        (b"a,b\n1,2\nTRL|\n", Miscounted, "says -1 records, but 1 were cut"),
        (b"a,b\n1,2\nTRL|1\n3,4\n", Unreadable, "may be cut off"),
        (b"a,b\n1,2\n3,4\n", Unreadable, "may be cut off"),
        (b"a,b\n", Unreadable, "may be cut off"),
        (b"", Unreadable, "may be cut off"),
        (b'a,b\n1,"2\nTRL|1\n', Unreadable, "may be cut off"),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_a_trailer_that_is_wrong_or_missing(data: bytes, error: type[DataError], said: str, size: int) -> None:
    with pytest.raises(error, match=said):
        read(TRAILED, data, size)


@given(made=csv_files(), size=st.integers(1, 200), by=st.integers(-1, 1), end=st.sampled_from(["", "\n", "\r\n\n"]))
def test_a_trailer_counts_wherever_pieces_end(made: Made, size: int, by: int, end: str) -> None:
    whole = made.plaintext if made.plaintext.endswith(b"\n") else made.plaintext + b"\n"
    data = whole + f"TRL|{len(made.records) + by}|{len(made.records) + 2}{end}".encode()
    reader = Csv(delimiter=made.delimiter, footer=1, trailer=TRAILED.trailer)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "_READ", 1)
        if by:
            with pytest.raises(Miscounted):
                read(reader, data, size)
        else:
            assert read(reader, data, size).records == len(made.records)


@pytest.mark.parametrize("data", [b"1,2\n3,4\n", b"1\n", b"\xe9,2\n", b'1,"x\n"\n', b"#\n1,2\n\n3,4\n"])
@pytest.mark.parametrize("by", [-1, 1])
def test_a_count_that_is_not_the_cutters_is_found(data: bytes, by: int) -> None:
    reader = Csv(comment="#", header=False, columns=("a", "b"), line_end="lf", fallback="latin-1")
    (piece,) = reader.cut(io.BytesIO(data))
    reader.read(piece)
    with pytest.raises(CountMismatch):
        reader.read(piece.model_copy(update={"records": (piece.records or 0) + by}))


@pytest.mark.parametrize("damage", ["counts", "nothing"])
def test_what_arrow_cannot_read_is_read_record_by_record(damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record longer than Arrow's block, which makes Arrow refuse the piece; and a piece that it counts otherwise."""
    data = b'a,b\n1,""\n' + b'2,"' + b"x\n" * 500 + b'"\n3\n4,\n'
    rows = [(1, ["1", ""]), (2, ["2", "x\n" * 500]), (4, ["4", None])]
    rejected = [(3, "1 fields where 2 belong", "3")]
    monkeypatch.setattr(csv_module, "_BLOCK", 100)
    assert read(Csv(), data) == Read(AB, rows, rejected, 4)
    if damage == "counts":
        real = csv_module.pacsv.read_csv
        monkeypatch.setattr(csv_module.pacsv, "read_csv", lambda *a, **k: real(*a, **k).slice(1))
        assert read(Csv(), data) == Read(AB, rows, rejected, 4)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"delimiter": "\n"}, {"delimiter": "|\r"}, {"delimiter": ""}, {"quote": "«"}, {"sep": ","}),
        *(
            {"delimiter": '"'},
            {"delimiter": '|"|'},
            {"escape": '"'},
            {"escape": ","},
            {"comment": "\n"},
            {"comment": ""},
        ),
        *({"delimiter": "||", "escape": "\\"}, {"delimiter": "€", "encoding": "latin-1"}, {"quote": "\n"}),
        *({"encoding": "latin-0815"}, {"encoding": "rot13"}, {"fallback": "utf-16-le"}, {"fallback": "shift_jis"}),
        {"encoding": "utf-16", "fallback": "latin-1"},
        *({"trailer": "T"}, {"footer": 1, "trailer": "("}, {"footer": 1, "trailer": "(?P<rows>.)"}),
        {"trailing": True, "header": False},
        *({"pad": True, "header": False}, {"pad": True, "trailing": True}),
        *({"skip": -1}, {"footer": -1}, {"header": -1}, {"max_record": 0}, {"line_end": "lfcr"}),
    ],
    ids=str,
)
def test_a_dialect_that_cannot_be_cut_is_refused_when_declared(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Csv.model_validate(wrong)


@given(made=csv_files(), size=st.integers(1, 200), block=st.integers(60, 400))
def test_every_record_is_a_row_or_rejected_as_it_was_written(made: Made, size: int, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "_READ", 1)
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


@given(made=csv_files(), size=st.integers(1, 200))
def test_records_of_fewer_fields_are_padded(made: Made, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "_READ", 1)
        found = read(Csv(delimiter=made.delimiter, pad=True), made.plaintext, size)
    width = len(made.columns)
    fit = {n: one for n, one in enumerate(made.records, 1) if len(one) <= width}
    assert found.rows == [(n, [*one, *[None] * (width - len(one))]) for n, one in fit.items()]
    assert found.rejected == [
        (n, f"{len(one)} fields where {width} belong", made.texts[n - 1])
        for n, one in enumerate(made.records, 1)
        if len(one) > width
    ]


def test_what_was_read_before_there_was_padding_has_the_fingerprint_that_it_had() -> None:
    assert "pad" not in Csv().model_dump_json()
    padded = Csv(pad=True)
    assert Csv.model_validate_json(padded.model_dump_json()) == padded


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
    Csv(pad=True),
    Csv(header=False, columns=("x", "y", "z"), pad=True),
]


@given(
    data=st.one_of(st.binary(max_size=60), st.lists(st.sampled_from(DIRT), max_size=40).map(b"".join)),
    reader=st.sampled_from(READERS),
    size=st.integers(1, 80),
)
def test_any_bytes_give_rows_and_rejects_or_a_named_error(data: bytes, reader: Csv, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "_READ", 1)
        try:
            found = read(reader, data, size)
        except DataError:
            return
    ordinals = [record for record, _ in found.rows] + [record for record, _, _ in found.rejected]
    assert sorted(ordinals) == list(range(1, found.records + 1))


@given(made=csv_files(), ends_so=st.booleans(), size=st.integers(1, 80))
def test_a_delimiter_at_the_end_of_all_records_says_nothing(made: Made, ends_so: bool, size: int) -> None:
    records_ = [[*one, None] if ends_so else one for one in made.records]
    texts = [text + made.delimiter * ends_so for text in made.texts]
    data = made.plaintext[: made.body] + "\n".join(texts).encode()
    few = len(made.columns)
    fitting = {n: one for n, one in enumerate(records_, 1) if len(one) in (few, few + 1) and one[few:] in ([], [None])}
    width = len(next(iter(fitting.values()), []))
    right = {n: one[:few] for n, one in fitting.items() if len(one) == width}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "_READ", 1)
        found = read(Csv(delimiter=made.delimiter, trailing=True), data, size)
    assert found.rows == list(right.items())
    assert {n: text for n, _, text in found.rejected} == {n: t for n, t in enumerate(texts, 1) if n not in right}


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


def test_real_files_are_read_as_python_reads_them(realdata: Path) -> None:
    truth = json.loads((realdata / "truth.json").read_text())
    files = {name: said for name, said in truth.items() if name.startswith("csv/") and "python_csv_advisory" in said}
    assert len(files) > 60
    other = {}
    files.pop("csv/frictionless/issue-1138.csv")  # it is by semicolons: by commas its quotes are strays
    for name, said in files.items():
        delimiter, encoding = said["python_csv_advisory"]["delim"], said["encoding_detected"]
        data = (realdata / name).read_bytes()
        found = read(Csv(delimiter=delimiter, encoding=encoding, header=False), data, 1_000)
        text = io.StringIO(data.decode(encoding), newline="")
        rows = dict(enumerate(filter(None, csv.reader(text, delimiter=delimiter)), 1))
        width = len(found.columns)
        right = [(n, row) for n, row in rows.items() if len(row) == width]
        if found.records != len(rows) or [(n, [v or "" for v in row]) for n, row in found.rows] != right:
            other[name] = (found.records, len(rows))
    assert other == {}


@pytest.mark.parametrize(
    ("name", "reader", "differ"),
    [
        ("a1k-sq-esc.csv", Csv(quote="'", escape="\\"), 0),
        ("b1k-names-latin1.csv", Csv(encoding="latin-1"), 7),  # the accented names, which the other does not have
    ],
)
def test_one_real_table_in_several_dialects(name: str, reader: Csv, differ: int, realdata: Path) -> None:
    twin = read(Csv(delimiter="|"), (realdata / "csv/tdda/a1k.psv").read_bytes())
    found = read(reader, (realdata / "csv/tdda" / name).read_bytes(), 10_000)
    assert (found.columns, found.records, found.rejected) == (twin.columns, 1_000, [])
    assert sum(one != other for one, other in zip(found.rows, twin.rows, strict=True)) == differ
