"""Dialects found: made files of every pollution, real files, and what is no CSV at all.

The pollutions are those of the Pollock benchmark (Vitagliano et al., "Pollock: A Data Loading Benchmark", VLDB 2023),
made of a table of our own: on the whole file, or on each record and field in turn. Each is read with its dialect given
and with its dialect found. What is expected: a polluted record is rejected alone, no other is lost, nothing is shifted.
"""

import csv
import io
import json
import random
import string
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.synthetic import nppes
from spark.detect import DOUBTFUL, Detected, detect
from spark.errors import DataError, Unreadable
from spark.parts import Rejected
from spark.readers import Csv
from tasks.wrappings import peel
from tests.spark.made import BOM, Made, csv_files

Row = list[str | None]


class Read(NamedTuple):
    columns: list[str]
    rows: list[Row]
    rejected: list[Rejected]
    records: int

    @property
    def reasons(self) -> list[str]:
        return sorted(reject.reason for reject in self.rejected)


def read(reader: Csv, data: bytes, size: int = 1 << 20) -> Read:
    """The whole file; every record is a row or rejected, once."""
    out = Read([], [], [], 0)
    ordinals: list[int] = []
    for piece in reader.cut(io.BytesIO(data), size):
        table, rejected = reader.read(piece)
        record, *columns = (column.to_pylist() for column in table.columns)
        ordinals += [*record, *(reject.record for reject in rejected)]
        out = Read(
            list(piece.columns),
            out.rows + [list(row) for row in zip(*columns, strict=True)],
            out.rejected + rejected,
            out.records + (piece.records or 0),
        )
    assert sorted(ordinals) == list(range(1, out.records + 1))
    return out


def found(data: bytes) -> Detected:
    sample = data[: 256 * 1024]
    return detect(sample, whole=len(sample) == len(data))


# A table as shops have it: dates, times, prices, apostrophes, inches, commas and quotes in quotes, an empty column.

NAMES = ["DATE", "TIME", "Qty", "PRODUCTID", "Price", "ProductType", "Description", "URL", "Comments"]
_TYPES = [
    "Men's Hiking Boots",
    "Sandals",
    "Throw Pillow, Wooden",
    'Dining Table, Round 48"',
    "Heated Insoles",
    "Kids' Hat",
]
_TEXTS = [
    "The comfort of wool, in a minimal style.",
    "You'll be light on your feet: they deliver all the stability you expect.",
    'A 9" length fly rod, designed for her.',
    "Durable and cosy.",
]


class Table(NamedTuple):
    """Records of fields, each as written, with quotes; and their values."""

    fields: list[list[str]]
    rows: list[Row]


def _table(rows: int = 12, seed: int = 1) -> Table:
    chance = random.Random(seed)
    values: list[list[str]] = []
    for day in range(rows):
        key = "".join(chance.choices(string.ascii_uppercase, k=2)) + f"-{chance.randrange(1000, 9999)}"
        price = f"${chance.randrange(100)}.{chance.randrange(100):02}"
        kind, text = _TYPES[day % len(_TYPES)], _TEXTS[day % len(_TEXTS)]
        address = f"https://www.example.com/product/{key.replace('-', '_')}.html"
        values.append(
            [f"{day + 1:02}/01/2018", f"{day:02}:15", str(chance.randrange(40)), key, price, kind, text, address, ""]
        )
    fields = [[_written(value, always=at in {6, 7}) for at, value in enumerate(row)] for row in [NAMES, *values]]
    return Table(fields, [[value or None for value in row] for row in values])


def _written(value: str, *, always: bool) -> str:
    doubled = value.replace('"', '""')
    return f'"{doubled}"' if always or "," in value or '"' in value else value


TABLE = _table()
WIDTH = len(NAMES)


def _file(fields: list[list[str]], delimiter: str = ",", line_end: str = "\r\n") -> bytes:
    return "".join(delimiter.join(record) + line_end for record in fields).encode()


def _requoted(quote: str, inner: str) -> list[list[str]]:
    """Quoted fields with other quotes, and `inner` for a quote that is data."""
    rows = [NAMES, *([value or "" for value in row] for row in TABLE.rows)]
    return [
        [
            quote + value.replace(quote, inner) + quote if written.startswith('"') else value
            for value, written in zip(values, record, strict=True)
        ]
        for values, record in zip(rows, TABLE.fields, strict=True)
    ]


class Polluted(NamedTuple):
    """`reader` is the dialect given; `columns`, `rows` and `rejected` what it and the dialect found must give."""

    name: str
    data: bytes
    reader: Csv = Csv()
    columns: list[str] = NAMES
    rows: list[Row] = TABLE.rows
    rejected: dict[str, int] = {}  # noqa: RUF012  # never written to


PLAIN = _file(TABLE.fields)
OTHER = f"{WIDTH - 1} fields where {WIDTH} belong", f"{WIDTH + 1} fields where {WIDTH} belong"
COLUMNS = [f"column_{i + 1}" for i in range(WIDTH)]
SECOND = _table(seed=2)
STRAY = "a stray quote"


def _second(width: int) -> list[list[str]]:
    return [(record + ["x"] * 3)[:width] for record in SECOND.fields]


FILES = [
    Polluted("as it should be", PLAIN),
    Polluted("nothing in it", b"", columns=[], rows=[]),
    Polluted("blank lines alone", b"\r\n\r\n", columns=[], rows=[]),
    Polluted("no newline at the end", PLAIN[:-2]),
    Polluted("two newlines at the end", PLAIN + b"\r\n"),
    Polluted("no header", _file(TABLE.fields[1:]), Csv(header=False), COLUMNS),
    Polluted("two header rows", _file([TABLE.fields[0], *TABLE.fields]), Csv(header=2), [f"{n} {n}" for n in NAMES]),
    Polluted(
        "three header rows", _file([TABLE.fields[0]] * 2 + TABLE.fields), Csv(header=3), [f"{n} {n} {n}" for n in NAMES]
    ),
    Polluted("a preamble with delimiters", b"PREAMBLE,,,,,,,,\r\n,,,,,,,,\r\n" + PLAIN, Csv(skip=2)),
    Polluted("a preamble without", b"Sales, by day\r\nof our shop\r\n\r\n" + PLAIN, Csv(skip=3)),
    Polluted("a preamble that holds a quote", b'Report "January\r\n' + PLAIN, Csv(skip=1)),
    Polluted("a footnote with delimiters", PLAIN + b",,,,,,,,\r\nFOOTNOTE,,,,,,,,\r\n", Csv(footer=2)),
    Polluted("a footnote without", PLAIN + b"\r\nSource: our shop\r\n", Csv(footer=1)),
    Polluted("a trailer", PLAIN + b"TRL,12\r\n", Csv(footer=1)),
    Polluted("a second table, narrower", _file(TABLE.fields + _second(8)), rejected={OTHER[0]: 13}),
    Polluted("a second table, wider", _file(TABLE.fields + _second(10)), rejected={OTHER[1]: 13}),
    Polluted(
        "a second table, as wide", _file(TABLE.fields + SECOND.fields), rows=[*TABLE.rows, [*NAMES], *SECOND.rows]
    ),
    Polluted("a header alone", _file(TABLE.fields[:1]), rows=[]),
    Polluted("one record", _file(TABLE.fields[:2]), rows=TABLE.rows[:1]),
    Polluted("a record and no header", _file(TABLE.fields[1:2]), Csv(header=False), COLUMNS, TABLE.rows[:1]),
    Polluted("LF", _file(TABLE.fields, line_end="\n")),
    Polluted("CR", _file(TABLE.fields, line_end="\r")),
    *(
        Polluted(f"{delimiter!r} for commas", _file(TABLE.fields, delimiter), Csv(delimiter=delimiter))
        for delimiter in [";", "\t", "|", ", ", "^", "~", "$$", "\x01", "\x1f", "||", "~|~", "|^|", "¦", "\t\t"]
    ),
    Polluted("single quotes", _file(_requoted("'", "''")), Csv(quote="'")),
    Polluted("quotes behind a backslash", _file(_requoted('"', '\\"')), Csv(escape="\\")),
    Polluted("single quotes behind a backslash", _file(_requoted("'", "\\'")), Csv(quote="'", escape="\\")),
    Polluted(
        "quotes neither doubled nor escaped",
        _file(_requoted('"', '"')),
        rows=[row for row in TABLE.rows if not any('"' in (value or "") for value in row)],
        rejected={STRAY: sum(any('"' in (value or "") for value in row) for row in TABLE.rows)},
    ),
    Polluted("UTF-8 with a byte order mark", BOM + PLAIN),
    Polluted("UTF-16", PLAIN.decode().encode("utf-16"), Csv(encoding="utf-16")),
    Polluted("UTF-16 without a mark", PLAIN.decode().encode("utf-16-le"), Csv(encoding="utf-16-le")),
    Polluted("UTF-16 of the other order", PLAIN.decode().encode("utf-16-be"), Csv(encoding="utf-16-be")),
    Polluted("UTF-32 without a mark", PLAIN.decode().encode("utf-32-le"), Csv(encoding="utf-32-le")),
    Polluted("names twice", PLAIN.replace(b"TIME", b"DATE", 1), columns=["DATE", "DATE", *NAMES[2:]]),
    Polluted("a name missing", PLAIN.replace(b"TIME", b"", 1), columns=["DATE", "", *NAMES[2:]]),
    Polluted("a name that is odd", PLAIN.replace(b"TIME", b"T/%M-E", 1), columns=["DATE", "T/%M-E", *NAMES[2:]]),
    Polluted("a long name", PLAIN.replace(b"TIME", b"T" * 100_000, 1), columns=["DATE", "T" * 100_000, *NAMES[2:]]),
    Polluted("one column", b"name\r\nSandals\r\nBoots\r\n", columns=["name"], rows=[["Sandals"], ["Boots"]]),
    Polluted(
        "a thousand columns",
        _file([[f"col{i}" for i in range(1000)], *[[str(i * n) for i in range(1000)] for n in (1, 2, 3)]]),
        columns=[f"col{i}" for i in range(1000)],
        rows=[[str(i * n) for i in range(1000)] for n in (1, 2, 3)],
    ),
    Polluted(
        "marks for null",
        b"a,b,c\nNULL,NA,1\n-,n/a,2\n\\N,,3\n",
        columns=["a", "b", "c"],
        rows=[["NULL", "NA", "1"], ["-", "n/a", "2"], ["\\N", None, "3"]],
    ),
    Polluted(
        "numbers and dates of several kinds",
        b'a,b\n1.5,01/02/2018\n"1,5",2018-02-01\n"1.000,5",1 Feb 2018\n1e5,Feb 2018\n',
        columns=["a", "b"],
        rows=[["1.5", "01/02/2018"], ["1,5", "2018-02-01"], ["1.000,5", "1 Feb 2018"], ["1e5", "Feb 2018"]],
    ),
]


def modes(polluted: Polluted) -> dict[str, Csv]:
    return {"given": polluted.reader, "found": found(polluted.data).reader}


@pytest.mark.parametrize("polluted", FILES, ids=[polluted.name for polluted in FILES])
def test_a_polluted_file(polluted: Polluted) -> None:
    for mode, reader in modes(polluted).items():
        got = read(reader, polluted.data)
        assert (mode, got.columns, got.rows) == (mode, polluted.columns, polluted.rows)
        assert {reason: got.reasons.count(reason) for reason in got.reasons} == polluted.rejected


def _each() -> Iterator[tuple[str, int, int]]:
    for kind in ("one delimiter more", "one delimiter less", "one quote more"):
        for record in range(len(TABLE.fields)):
            for at in range(kind == "one delimiter less", WIDTH):
                yield kind, record, at
    for kind in ("blanks for its commas", "semicolons for its commas", "another line end", "other quotes"):
        for record in range(len(TABLE.fields)):
            yield kind, record, 0


def _spoilt(kind: str, record: int, at: int) -> bytes:
    lines = [",".join(fields) + "\r\n" for fields in TABLE.fields]
    fields = list(TABLE.fields[record])
    match kind:
        case "one delimiter more":
            lines[record] = ",".join([*fields[:at], "", *fields[at:]]) + "\r\n"
        case "one delimiter less":
            lines[record] = ",".join([*fields[: at - 1], fields[at - 1] + fields[at], *fields[at + 1 :]]) + "\r\n"
        case "one quote more":
            lines[record] = ",".join([*fields[:at], '"' + fields[at], *fields[at + 1 :]]) + "\r\n"
        case "blanks for its commas":
            lines[record] = " ".join(fields) + "\r\n"
        case "semicolons for its commas":
            lines[record] = ";".join(fields) + "\r\n"
        case "another line end":
            lines[record] = lines[record][:-2] + "\n"
        case "other quotes":
            lines[record] = lines[record].replace('"', "'")
    return "".join(lines).encode()


@pytest.mark.parametrize("kind", sorted({kind for kind, _, _ in _each()}))
def test_a_spoilt_record_is_rejected_alone(kind: str) -> None:
    for _, record, at in (one for one in _each() if one[0] == kind):
        data = _spoilt(kind, record, at)
        for mode, reader in {"given": Csv(), "found": found(data).reader}.items():
            where = (mode, record, at)
            if record == 0 and kind != "another line end":
                _names_are_spoilt(reader, data, where)
                continue
            got = read(reader, data)
            others = TABLE.rows[: record - 1] + TABLE.rows[record:] if record else TABLE.rows
            if kind == "other quotes" and not got.rejected:  # where no comma was quoted, quotes are data as well
                assert got.rows[: record - 1] + got.rows[record:] == others, where
            elif kind == "another line end":
                assert (got.rows, got.rejected) == (TABLE.rows, []), where
            elif kind == "one delimiter less" and len(values := _by_python(data, record)) == WIDTH:
                # The quote of the field that was joined is data now, and a comma behind it separates: right by chance.
                assert got.rows == [*others[: record - 1], values, *others[record - 1 :]], where
            else:
                assert got.rows == others, where
                assert [reject.record for reject in got.rejected] == [record], where


def _by_python(data: bytes, record: int) -> Row:
    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    return [value or None for value in rows[record]]


def _names_are_spoilt(reader: Csv, data: bytes, where: tuple[str, int, int]) -> None:
    """Either no name fits and so no record does, or the line is taken for a title and columns are numbered."""
    try:
        got = read(reader, data)
    except Unreadable:
        return
    assert got.records == len(TABLE.rows), where
    assert got.rows == [] if len(got.columns) != WIDTH else got.rows == TABLE.rows, where
    if len(got.columns) == WIDTH and got.columns != COLUMNS:  # single quotes for double ones
        assert [name.strip("'") for name in got.columns] == NAMES, where


class Case(NamedTuple):
    """`reader` is what must be found."""

    name: str
    data: bytes | str
    reader: Csv = Csv()


TAB = Csv(delimiter="\t")
NONE = Csv(header=False)
CASES = [
    Case("one column of numbers", "value\n1\n2\n3\n"),
    Case("one column of words", "name\nAlice\nBob\nCarol\n"),
    Case("one column, no header", "1\n2\n3\n", NONE),
    Case("one column of dates", "2020-01-01\n2020-01-02\n", NONE),
    Case("one column of times", "06:00:00\n07:00:00\n08:10:00\n", NONE),
    Case("one column of instants", "when\n2020-01-01 10:00:00\n2020-01-02 11:00:00\n2020-01-02 11:30:00\n"),
    Case("one column of names, quoted", 'name\n"Doe, John"\n"Roe, Jane"\n', TAB),
    Case("one column of names, bare", "name\nDoe, John\nRoe, Jane\nPoe, Edgar\n", TAB),
    Case("one column of thousands", "value\n1,234\n5,678\n12,345\n", TAB),
    Case("one column of decimal commas", "value\n3,14\n2,71\n1,41\n", TAB),
    Case("empty", ""),
    Case("a byte order mark alone", BOM),
    Case("a header alone", "id,name,age\n"),
    Case("one name alone", "id\n"),
    Case("numbers alone", "1,2,3\n4,5,6\n7,8,9\n", NONE),
    Case("years as names", "2019,2020,2021\n1.5,2.5,3.5\n4,5,6\n"),
    Case("years as names, beside a word", "region,2019,2020\nnorth,1,2\nsouth,3,4\n"),
    Case("years as values", "2019,2020\n2018,2017\n2016,2015\n", NONE),
    Case("decimal commas", "a;b\n1,5;2,5\n3,25;4,75\n", Csv(delimiter=";")),
    Case("decimal commas, no header", "1,5;2,5\n3,25;4,75\n5,0;6,1\n", Csv(delimiter=";", header=False)),
    Case("decimal commas and text with commas", "id;n;t\n1;1.234,50;a, b\n2;3,99;c\n", Csv(delimiter=";")),
    Case("newlines in quotes from the start", '"a\nb",c\n"1\n2",3\n"4\n5",6\n'),
    Case("commas in text between tabs", "id\ttext\n1\ta, b, c\n2\td, e\n3\tf\n", TAB),
    Case("times", "start,end\n06:00,07:00\n08:00,09:30\n"),
    Case("dates", "id,when\n1,01/02/2020\n2,03/04/2020\n"),
    Case("JSON in a column", 'id|j\n1|{"a": 1, "b": [1,2]}\n2|{"a": 2, "b": [3,4]}\n', Csv(delimiter="|")),
    Case("JSON in a quoted column", 'id,j\n1,"{""a"": 1, ""b"": 2}"\n2,"{""a"": 3, ""b"": 4}"\n'),
    Case("apostrophes", "id,name\n1,O'Brien\n2,D'Arcy\n3,'t Hooft\n"),
    Case("apostrophes in every record", "name,city\nO'Brien,'s Gravenhage\nD'Arcy,x\n"),
    Case("Excel's own first line", "sep=;\na;b\n1;2\n", Csv(delimiter=";", skip=1)),
    Case("blanks", "a b c\n1 2 3\n4 5 6\n", Csv(delimiter=" ")),
    Case(
        "fields that are mostly empty",
        "1|E|||||7|9|||x|\n2|E|||||8|10|||y|\n3|E|||||4||||z|\n",
        Csv(delimiter="|", header=False),
    ),
    Case("two marks as one", "a||b||c\n1||||3\n4||5||6\n7||8||9|0\n", Csv(delimiter="||")),
    Case("colons", "root:x:0:0:root\nbin:x:1:1:bin\nmail:x:8:12:mail\n", Csv(delimiter=":", header=False)),
    Case("two header rows", ",2019,,2020,\nregion,a,b,a,b\nn,1,2,3,4\ns,5,6,7,8\n", Csv(header=2)),
    Case("meta lines", "##x=1\n##y=2\n#CHROM\tPOS\n1\t100\n1\t200\n", Csv(delimiter="\t", comment="##")),
    Case(
        "meta lines of two kinds",
        "##gff-version 3\n#!build 38\nchr1\tgene\t1\nchr1\tgene\t9\n###\nchr1\texon\t9\n",
        Csv(delimiter="\t", comment="#", header=False),
    ),
    Case("one title with marks", "## made by x\nid,name\n1,a\n2,b\n", Csv(comment="##")),
    Case("marks that are a header's and data", "##a\t##b\n##1\t2\n##2\t3\n", Csv(delimiter="\t")),
    Case(
        "a control record above, and one below that counts",
        "HDR|X|20240131|CLAIMS\n"
        + "".join(f"DTL|{n}|A|2024-01-0{n}|M|1.50\n" for n in range(1, 8))
        + "TRL|20240131|007\n",
        Csv(delimiter="|", skip=1, header=False, footer=1, trailer=r"TRL(?:\|.*?){1}\|\W?\s*(?P<records>\d+)"),
    ),
    Case(
        "control records by numbers",
        "0|ACME|20240131|X\n1|5|A|2024-01-01|1.5\n1|6|B|2024-01-02|2.5\n1|7|C|2024-01-03|2.5\n9|3\n",
        Csv(delimiter="|", skip=1, header=False, footer=1),
    ),
    Case(
        "kinds of records",
        "H|1|A1\nL|1|1|99213|50.00\nL|1|2|99214|60.00\nH|2|A2\nL|2|1|99213|50.00\nT|2\n",
        Csv(delimiter="|", header=False, pad=True, columns=tuple(f"column_{n}" for n in range(1, 6))),
    ),
    Case(
        "a type whose records differ in length is none",
        "state|n|x\nNY|1|A\nNY|2|A|B\nCA|2|A\nCA|3|A\nNY|2|A\nNY|2|A\nCA|2|A\n",
        Csv(delimiter="|"),
    ),
    Case(
        "quotes that are tildes",
        "~01001~^~0100~^~Butter, salted~^~~^15.8\n~01002~^~0100~^~Butter, whipped~^~~^14\n~01003~^~~^~Oil~^~~^3\n",
        Csv(delimiter="^", quote="~", header=False),
    ),
    Case("comments", "# made by x\nid,name\n1,a\n# note, here\n2,b\n3,c\n", Csv(comment="#")),
    Case(
        "a head record and a trailer",
        "HDR|2020\nid|name|n\n1|a|5\n2|b|6\nTRL|2\n",
        Csv(delimiter="|", skip=1, footer=1),
    ),
    Case("a last record cut off", "id,name,n\n1,a,5\n2,b,6\n3,c\n"),
    Case("a source note", "a,b,c\n1,2,3\n4,5,6\n\nSource: CDC\nas of 2020\n", Csv(footer=2)),
    Case("a total is a record", "region,a,b\nnorth,1,2\nsouth,3,4\nTotal,4,6\n"),
    Case("inches", 'id,size\n1,5" pipe\n2,6" pipe\n3,"7"" pipe"\n'),
    Case("a quote that opens nothing", 'id,t,u\n1,"abc,2\n2,def,3\n3,ghi,4\n', Csv(quote=None)),
    Case("paths", "id,path\n1,C:\\dir\\x\n2,D:\\y\n"),
    Case("delimiters behind a backslash", "id,text\n1,a\\,b\n2,c\\,d\n3,e\n4,f\n", Csv(escape="\\")),
    Case("bare CR within fields", b"id,t,u\n1,a\rb,2\n2,c\rd,3\n3,e,4\n", Csv(line_end="lf")),
    Case("bare LF within fields", b"id,t,u\r\n1,a\nb,2\r\n2,c\nd,3\r\n3,e,4\r\n", Csv(line_end="crlf")),
    Case("text alone", "first,last\nHomer,Simpson\nMarge,Simpson\n"),
    Case("codes, no header", "MG-8769,x\nRI-3895,y\nRI-8070,z\n", NONE),
    Case("an index without a name", ",a,b\n0,1,2\n1,3,4\n"),
    Case("a delimiter at the end of lines", "a,b,\n1,2,\n3,4,\n"),
    Case("cp1252", "id,t\n1,it’s “quoted”\n2,€5 – 10\n".encode("cp1252"), Csv(encoding="cp1252")),
    Case("latin-1", "id,nom\n1,Café\n2,Été\n3,garçon\n".encode("latin-1"), Csv(encoding="cp1252")),
    Case("Mac OS", "id,nom\n1,Café\n2,été\n3,garçon\n".encode("mac-roman"), Csv(encoding="mac-roman")),
    Case("DOS", "id,nom\n1,Café\n2,été\n3,garçon\n".encode("cp437"), Csv(encoding="cp437")),
    Case("Polish", "id,t\n1,Łódź\n2,żółty\n3,śnieg\n".encode("cp1250"), Csv(encoding="cp1250")),
    Case("Russian", "id,t\n1,Москва\n2,город\n".encode("cp1251"), Csv(encoding="cp1251")),
    Case("UTF-8 with lines of cp1252", "id,t\n1,é\n2,€\n".encode() + b"3,caf\xe9\n", Csv(fallback="cp1252")),
    Case("NUL as a value", b"a,b\n\0,1\n\0,2\n"),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_dialect_is_found(case: Case) -> None:
    data = case.data.encode() if isinstance(case.data, str) else case.data
    detected = found(data)
    assert detected.reader == case.reader
    assert detected.confidence >= DOUBTFUL
    cut = detect(data, whole=False)  # but for a footer, it is the same for the beginning of a longer file
    assert cut.reader == case.reader.model_copy(update={"footer": 0, "trailer": None})


NO_CSV = {
    "a page that says 404": b"<!DOCTYPE html>\n<html><head><title>Not Found</title></head>\n<body>a, b</body></html>\n",
    "XML": b'<?xml version="1.0"?>\n<a b="c"/>\n',
    "JSON": b'{"a": 1,\n "b": 2}\n',
    "JSON by lines": b'{"a":1,"b":2}\n{"a":3,"b":4}\n',
    "X12": b"ISA*00*          *00*          ~GS*HC*1~",
    "prose": b"It was the best of times, it was the worst.\nSome years ago, never mind, I sailed.\n",
    "a message": b"Access denied\n",
    "a status": b"404: Not Found",
    "a binary file": bytes(range(256)) * 20,
    "Parquet": b"PAR1\x15\x04",
    "fixed width": b"0001SMITH   JOHN    1970\n0002DOE     JANE    1980\n0003ROE     RICHARD 1990\n",
}


@pytest.mark.parametrize("data", NO_CSV.values(), ids=NO_CSV)
def test_what_is_no_csv_is_doubtful_and_why_is_said(data: bytes) -> None:
    detected = found(data)
    assert detected.confidence < DOUBTFUL
    assert len(detected.evidence) > 0
    assert not any(word in " ".join(detected.evidence) for word in ("SMITH", "denied", "worst", "Found"))


@given(data=st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)), whole=st.booleans())
def test_any_bytes_give_one_answer(data: bytes, whole: bool) -> None:
    detected = detect(data, whole=whole)
    assert 0 <= detected.confidence <= 1
    assert detected == detect(data, whole=whole)
    assert detected.reader == Csv.model_validate(detected.reader.model_dump())


@given(
    marks=st.lists(
        st.sampled_from(['"', "'", ",", ";", "\n", "\r\n", "\\", "a", "1", " ", "#", '""', "TRL", "||"]), max_size=80
    )
)
def test_what_is_found_reads_every_record_or_refuses_the_file(marks: list[str]) -> None:
    data = "".join(marks).encode()
    with suppress(DataError):
        read(found(data).reader, data)


@given(made=csv_files(), delimiter=st.sampled_from([";", "\t", "|", "||"]))
def test_records_of_any_kind_are_not_shifted_by_what_is_found(made: Made, delimiter: str) -> None:
    """Where the delimiter is found, every record is as it was written or rejected."""
    reader = found(made.plaintext).reader
    if reader.delimiter != made.delimiter or reader.quote != '"' or reader.escape or reader.skip or reader.comment:
        return
    try:
        got = read(reader, made.plaintext)
    except DataError:
        return
    records_ = made.records if reader.header is True else None
    if records_ is not None and reader.line_end == "any" and not reader.footer:
        assert got.rows == [record for record in records_ if len(record) == len(made.columns)]


def test_the_widest_real_table_is_found_in_no_time(tmp_path: Path) -> None:
    path = tmp_path / "npidata.csv"
    nppes.main_csv(300, 1, path)
    sample = path.read_bytes()[: 256 * 1024]
    best = min(_seconds(sample) for _ in range(3))
    assert detect(sample, whole=False).reader == Csv()
    assert best < 0.5


@pytest.mark.parametrize(
    "unit", [b",", b'"', b'",', b"',", b'a,"', b'"\\",', b" ", b"\n", b"\\", b"|~", b"\xe9", b"\0a"]
)
def test_no_sample_takes_long(unit: bytes) -> None:
    assert _seconds(unit * (128 * 1024 // len(unit))) < 3


def _seconds(sample: bytes) -> float:
    start = time.process_time()
    detect(sample, whole=False)
    return time.process_time() - start


# Real files.


class Real(NamedTuple):
    """`reader` is the dialect, given and found; `rows` are as many as Python's own module reads."""

    rows: int
    reader: Csv = Csv()
    rejected: int = 0


SPECTRUM = {
    f"csv/csv-spectrum/{name}.csv": Real(rows)
    for name, rows in {
        "comma_in_quotes": 1,
        "empty": 2,
        "empty_crlf": 2,
        "escaped_quotes": 2,
        "json": 1,
        "location_coordinates": 1,
        "newlines": 3,
        "newlines_crlf": 3,
        "quotes_and_newlines": 2,
        "simple": 1,
        "simple_crlf": 1,
        "utf8": 2,
    }.items()
}
CSVW = {
    "csv/csvw/test001.csv": Real(8),
    "csv/csvw/test005.csv": Real(12),
    "csv/csvw/test006.csv": Real(6),
    "csv/csvw/test007.csv": Real(6),
    "csv/csvw/test008.csv": Real(3),
    "csv/csvw/test009.csv": Real(3),
    "csv/csvw/test010.csv": Real(4),
    "csv/csvw/test019.csv": Real(2, NONE),
    "csv/csvw/test020.csv": Real(2),
}
TDDA = {
    "csv/tdda/a1k.psv": Real(1000, Csv(delimiter="|")),
    "csv/tdda/a1k-NULL.csv": Real(1000),
    "csv/tdda/a1k-eurod.csv": Real(1000),
    "csv/tdda/a1k-sq-esc.csv": Real(1000, Csv(quote="'", escape="\\")),
    "csv/tdda/b1k-names-latin1.csv": Real(1000, Csv(encoding="cp1252")),
}
OTHERS = {
    "csv/dataprofiler/all-strings-skip-header-author.csv": Real(5, Csv(skip=1)),
    "csv/dataprofiler/daily-activity-sheet-@-singlequote.csv": Real(30, Csv(delimiter="@", quote="'", skip=1)),
    "csv/dataprofiler/daily-activity-sheet-tab.csv": Real(30, TAB),
    "csv/dataprofiler/iris-utf-16.csv": Real(150, Csv(encoding="utf-16")),
    "csv/dataprofiler/iris-utf-32.csv": Real(150, Csv(encoding="utf-32")),
    "csv/dataprofiler/iris-utf-8.csv": Real(150),
    "csv/dataprofiler/iris-with-null-rows.csv": Real(24),
    "csv/dataprofiler/iris_intentionally_mislabled_file.parquet": Real(150),
    "csv/dataprofiler/log_data_sparse.txt": Real(20, NONE),
    "csv/dataprofiler/multiple-col-delimiter-last.txt": Real(5),
    "csv/dataprofiler/quote-test-singlequote.txt": Real(8, Csv(delimiter=" ", quote="'")),
    "csv/dataprofiler/sparse-first-and-last-column-two-headers.txt": Real(9, Csv(header=2)),
    "csv/frictionless/accent.csv": Real(2, Csv(delimiter=";")),
    "csv/frictionless/blank-headers.csv": Real(2),
    "csv/frictionless/blank-rows.csv": Real(3),
    "csv/frictionless/bom.csv": Real(2),
    "csv/frictionless/defective-rows.csv": Real(0, rejected=2),
    "csv/frictionless/delimiter.csv": Real(2, Csv(delimiter=";")),
    "csv/frictionless/doublequote.csv": Real(5),
    "csv/frictionless/duplicate-headers.csv": Real(2),
    "csv/frictionless/encoding-issue-274.csv": Real(507),
    "csv/frictionless/escaping.csv": Real(2, Csv(delimiter=", "), rejected=1),
    "csv/frictionless/issue-1138.csv": Real(7, Csv(delimiter=";")),
    "csv/frictionless/latin1.csv": Real(2, Csv(encoding="cp1252")),
    "csv/frictionless/leading-zeros.csv": Real(3),
    "csv/frictionless/long.csv": Real(6),
    "csv/frictionless/matrix-with-comment.csv": Real(4, Csv(skip=1)),
    "csv/frictionless/number-test.csv": Real(13),
    "csv/frictionless/skip-rows.csv": Real(2, Csv(comment="#")),
    "csv/frictionless/table-delimiter.csv": Real(2, Csv(delimiter=";")),
    "csv/frictionless/table-infer-iso-8859-7.csv": Real(4, Csv(encoding="cp1253")),
    "csv/frictionless/table-reverse.csv": Real(2),
    "csv/frictionless/table.csv": Real(2),
    "csv/frictionless/table.csv.bz2": Real(2),
    "csv/frictionless/table.csv.gz": Real(2),
    "csv/frictionless/table.csv.xz": Real(2),
    "csv/frictionless/table.csv.zip": Real(2),
    "csv/frictionless/table.tsv": Real(3, TAB),
    "csv/frictionless/timezone.csv": Real(4),
    "csv/frictionless/wide.csv": Real(3),
    "csv/frictionless/without-headers-extra.csv": Real(2, NONE, rejected=1),
    "csv/frictionless/without-headers.csv": Real(3, NONE),
    "csv/frictionless/without-rows.csv": Real(0),
    "healthcare/synthea/payers.csv": Real(2),
}
REAL = SPECTRUM | CSVW | TDDA | OTHERS
DOUBTED = [
    "csv/dataprofiler/html-csv-confusion.html",
    "csv/dataprofiler/nation.plain.intentionally_mislabled_file.csv",
    "csv/frictionless/multiline-headers.xlsx",
    "csv/frictionless/sheets.xlsx",
    "csv/frictionless/table.jsonl",
    "csv/frictionless/table.ndjson",
    "csv/frictionless/table.parquet",
    "csv/frictionless/table.xlsx",
    "csv/tdda/a1k.parquet",
    *(f"csv/tdda/{name}.serial" for name in ("a1k-NULL.csv", "a1k-eurod.csv", "a1k-sq-esc.csv", "a1k.psv")),
    "csv/tdda/b1k-names-latin1.csv.serial",
]


def plain(path: Path) -> bytes:
    with path.open("rb") as stream, closing(peel(stream, path.name)) as members:
        (content,) = (member[1].read() for member in members)
    return content


def by_python(data: bytes, reader: Csv) -> list[Row]:
    """Python's own reading, empty as None, of the records below the header."""
    text = data.decode({"utf-8": "utf-8-sig"}.get(reader.encoding, reader.encoding))
    lines = io.StringIO("".join(text.splitlines(keepends=True)[reader.skip :]), newline="")
    dialect: dict[str, Any] = {"delimiter": reader.delimiter[0], "quotechar": reader.quote, "escapechar": reader.escape}
    rows = list(csv.reader(lines, **dialect, skipinitialspace=len(reader.delimiter) > 1))
    records_ = [row for row in rows if row and not (reader.comment and row[0].startswith(reader.comment))]
    return [[value or None for value in row] for row in records_[int(reader.header) :]]


@pytest.mark.parametrize("name", REAL)
def test_a_real_file(name: str, realdata: Path) -> None:
    real = REAL[name]
    data = plain(realdata / name)
    detected = found(data)
    assert detected.reader == real.reader
    assert detected.confidence >= DOUBTFUL
    got = read(real.reader, data, 1000)
    assert (len(got.rows), len(got.rejected)) == (real.rows, real.rejected)
    rows = [[value or None for value in row] for row in got.rows]
    ragged = 0 if name.endswith("escaping.csv") else real.rejected  # there it is a quote
    expected = by_python(data, real.reader)
    right = [row for row in expected if len(row) == len(got.columns)]
    assert len(expected) - len(right) == ragged
    assert rows == right[: len(rows)]


def test_every_real_file_is_in_one_table(realdata: Path) -> None:
    files = [*(realdata / "csv").rglob("*"), *(realdata / "healthcare").rglob("*")]
    names = {str(path.relative_to(realdata)) for path in files if path.is_file() and path.suffix != ".json"}
    assert names == REAL.keys() | set(DOUBTED)


@pytest.mark.parametrize("name", DOUBTED)
def test_a_real_file_that_is_no_csv(name: str, realdata: Path) -> None:
    assert found((realdata / name).read_bytes()).confidence < DOUBTFUL


# Where the twin does not say what the file (as it was taken from the repository) says.
TWIN_ERRS = {"location_coordinates": ("1234567890", "2095257564"), "newlines_crlf": ("\\r\\n", "\\n")}


@pytest.mark.parametrize("name", [*SPECTRUM, *CSVW])
def test_a_twin_says_the_same(name: str, realdata: Path) -> None:
    data = (realdata / name).read_bytes()
    got = read(found(data).reader, data)
    stem = Path(name).stem
    twin = json.loads((realdata / name).with_suffix(".json").read_text().replace(*TWIN_ERRS.get(stem, ("", ""))))
    if "csvw" in name:  # without what is empty, by names that metadata gives in 019 and 020
        expected = [list(row["describes"][0].values()) for row in twin["tables"][0]["row"]]
        values = [[value for value in row if value] for row in got.rows]
        if stem == "test020":
            expected, values = ([row[:-1] for row in rows] for rows in (expected, values))  # there a date
        assert values == expected
    else:
        rows = [dict(zip(got.columns, (value or "" for value in row), strict=True)) for row in got.rows]
        assert rows == (twin if isinstance(twin, list) else [twin])


@pytest.mark.parametrize("name", TDDA)
def test_a_table_is_the_same_as_its_parquet(name: str, realdata: Path) -> None:
    twin = pq.read_table(realdata / "csv/tdda/a1k.parquet")
    data = (realdata / name).read_bytes()
    got = read(found(data).reader, data)
    null = "NULL" if "NULL" in name else None
    day = "%d/%m/%Y" if "eurod" in name else "%Y-%m-%d"
    texts = [
        [None if value is None else _as_text(value, day) for value in column.to_pylist()] for column in twin.columns
    ]
    differ = sum(
        (None if value == null else value) != text
        for row, right in zip(got.rows, zip(*texts, strict=True), strict=True)
        for value, text in zip(row, right, strict=True)
    )
    assert got.columns == twin.column_names
    assert differ == (7 if "latin1" in name else 0)  # names with accents, which the twin has not


def _as_text(value: Any, day: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value.strftime(day)) if hasattr(value, "strftime") else str(value)
