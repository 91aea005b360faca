import io
import json
import random
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from spark.errors import CountMismatch, DataError, Miscounted, Unreadable
from spark.parts import Bad, Piece
from spark.readers import fixed
from spark.readers.fixed import Fixed, Span
from spark.readers.layouts import Field, Layout

Row = tuple[str | None, ...]
Reject = tuple[int, str, str]


class Read(NamedTuple):
    rows: list[tuple[int, Row]]
    rejected: list[Reject]
    records: int


def read(reader: Fixed, data: bytes, size: int = 1 << 20) -> Read:
    """The whole file, piece by piece; every table proves sound, its columns those that the reader says."""
    out = Read([], [], 0)
    for piece in reader.cut(io.BytesIO(data), size):
        table, rejected = reader.read(piece)
        table.validate(full=True)
        assert table.column_names == ["_record", *piece.columns] == ["_record", *reader.columns]
        assert set(table.schema.types[1:]) <= {pa.string()}
        columns = [column.to_pylist() for column in table.columns]
        rows = [(record, tuple(values)) for record, *values in zip(*columns, strict=True)]
        rejects = [(r.record, r.reason, r.text) for r in rejected]
        out = Read(out.rows + rows, out.rejected + rejects, out.records + (piece.records or 0))
    ordinals = [record for record, _ in out.rows]
    assert ordinals == sorted(ordinals)
    assert sorted(ordinals + [record for record, _, _ in out.rejected]) == list(range(1, out.records + 1))
    return out


def layout(*widths: int, **given: Any) -> Layout:
    """Fields a, b, c of these widths, one behind the other."""
    starts = [1 + sum(widths[:i]) for i in range(len(widths))]
    fields = [Field(name="abcdefgh"[i], start=starts[i], length=width) for i, width in enumerate(widths)]
    return Layout(fields=tuple(fields), **given)


AB = Fixed(layouts=(layout(3, 2),))
HEAD = layout(1, 4, record_type="H")
BODY = Layout(
    fields=(Field(name="a", start=1, length=1), Field(name="x", start=2, length=2), Field(name="y", start=4, length=5)),
    record_type="B",
)
TYPED = Fixed(layouts=(HEAD, BODY), record_type=Span(start=1, length=1))


class Scenario(NamedTuple):
    name: str
    data: bytes
    rows: list[Row]
    rejected: Sequence[Reject] = ()
    reader: Fixed = AB


SHORT = "4 columns where 5 belong"
LONG = "more than blanks beyond column 5"
SCENARIOS = [
    Scenario("plain", b"abc12\ndef34\n", [("abc", "12"), ("def", "34")]),
    Scenario("no last newline", b"abc12\ndef34", [("abc", "12"), ("def", "34")]),
    Scenario("CRLF", b"abc12\r\ndef34\r\n", [("abc", "12"), ("def", "34")]),
    Scenario("CRLF and LF", b"abc12\r\ndef34\nghi56", [("abc", "12"), ("def", "34"), ("ghi", "56")]),
    Scenario("a bare CR is data", b"a\rc12\n", [("a\rc", "12")]),
    Scenario("half a CRLF at the end", b"abc12\r\ndef34\r", [("abc", "12"), ("def", "34")]),
    Scenario("blank lines are no records", b"\nabc12\n\r\n\ndef34\n\n", [("abc", "12"), ("def", "34")]),
    Scenario("nothing but blanks is null", b"     \nabc  \n   12\n", [(None, None), ("abc", None), (None, "12")]),
    Scenario("nothing is inferred", b"007-1\nNULNA\n", [("007", "-1"), ("NUL", "NA")]),
    Scenario("blanks behind a value go, others stay", b" a  1\na b2 \n", [(" a", " 1"), ("a b", "2")]),
    Scenario(
        "trim both",
        b" a  1\na b2 \n   12\n",
        [("a", "1"), ("a b", "2"), (None, "12")],
        reader=Fixed(layouts=(layout(3, 2),), trim="both"),
    ),
    Scenario(
        "trim none",
        b" a  1\n   2 \n",
        [(" a ", " 1"), (None, "2 ")],
        reader=Fixed(layouts=(layout(3, 2),), trim="none"),
    ),
    Scenario("a tab is no blank", b"\t  \t \n", [("\t", "\t")]),
    Scenario("NUL", b"\0b\x00\x00 \n", [("\0b\0", "\0")]),
    Scenario("too short", b"abc1\nabc12\n", [("abc", "12")], [(1, SHORT, "abc1")]),
    Scenario("all too short", b"abc1\r\nabc1\r\n", [], [(1, SHORT, "abc1"), (2, SHORT, "abc1")]),
    Scenario("too long", b"abc12\nabc123\n", [("abc", "12")], [(2, LONG, "abc123")]),
    Scenario("too long by blanks", b"abc12 \nabc12   \nabc12\n", [("abc", "12")] * 3),
    Scenario("all too long by blanks", b"abc12  \r\ndef34  \r\n", [("abc", "12"), ("def", "34")]),
    Scenario("blanks and more beyond", b"abc12  x\n", [], [(1, LONG, "abc12  x")]),
    Scenario("the end of a DOS file", b"abc12\n\x1a", [("abc", "12")], [(2, "1 columns where 5 belong", "\x1a")]),
    Scenario(
        "pad",
        b"abc1\na\n \nabc12\nabc123\n",
        [("abc", "1"), ("a", None), (None, None), ("abc", "12")],
        [(5, LONG, "abc123")],
        Fixed(layouts=(layout(3, 2),), pad=True),
    ),
    Scenario(
        "filler",
        b"abc12\nabc12xy\nabc12xyz\n",
        [("abc", "12"), ("abc", "12")],
        [(3, "more than blanks beyond column 7", "abc12xyz")],
        Fixed(layouts=(layout(3, 2, record_length=7),)),
    ),
    Scenario(
        "gaps and overlaps",
        b"abcdef\n",
        [("bc", "cd", "abcdef")],
        reader=Fixed(
            layouts=(
                Layout(
                    fields=(
                        Field(name="b", start=2, length=2),
                        Field(name="c", start=3, length=2),
                        Field(name="whole", start=1, length=6),
                    )
                ),
            )
        ),
    ),
    Scenario("byte order mark", b"\xef\xbb\xbfabc12\n", [("abc", "12")]),
    Scenario("a header line", b"AAABB\nabc12\n", [("abc", "12")], reader=Fixed(layouts=(layout(3, 2),), skip=1)),
    Scenario(
        "a footer",
        b"abc12\ndef34\nEND\n\n",
        [("abc", "12"), ("def", "34")],
        reader=Fixed(layouts=(layout(3, 2),), footer=1),
    ),
    Scenario(
        "values wider than a table of flags",
        ("a b".ljust(1500) + "x\n" + "é".ljust(1499) + " y\n").encode(),
        [("a b", "x"), ("é", "y")],
        reader=Fixed(layouts=(layout(1500, 1),)),
    ),
    Scenario("empty", b"", []),
    Scenario("blank lines alone", b"\n\r\n\n", []),
    Scenario("characters", "éab12\nabc12\n€é 1 \n".encode(), [("éab", "12"), ("abc", "12"), ("€é", "1")]),
    Scenario("characters beyond the basic plane", "a😀b1😀\n".encode(), [("a😀b", "1😀")]),
    Scenario("bytes taken for characters are short", "é 12\n".encode(), [], [(1, SHORT, "é 12")]),
    Scenario(
        "bytes",
        "éa12\nabc12\n".encode(),
        [("éa", "12"), ("abc", "12")],
        reader=Fixed(layouts=(layout(3, 2),), unit="bytes"),
    ),
    Scenario(
        "a character in two columns",
        "abé1\nabc12\nabc1é\n".encode(),
        [("abc", "12")],
        [
            (1, "a character on both sides of column 3's end", "abé1"),
            (3, "a character on both sides of column 5's end", "abc1é"),
        ],
        Fixed(layouts=(layout(3, 2),), unit="bytes"),
    ),
    Scenario("not UTF-8", b"abc12\n\xe9bc12\n", [("abc", "12")], [(2, "not utf-8", "\\xe9bc12")]),
    Scenario(
        "not UTF-8, by bytes",
        b"abc12\n\xe9bc12\n\xc3\xa9c12\n",
        [("abc", "12"), ("éc", "12")],
        [(2, "not utf-8", "\\xe9bc12")],
        Fixed(layouts=(layout(3, 2),), unit="bytes"),
    ),
    Scenario(
        "fallback by line",
        b"abc12\n\xe9bc12\n\xc3\xa9bc12\n",
        [("abc", "12"), ("ébc", "12"), ("ébc", "12")],
        reader=Fixed(layouts=(layout(3, 2),), fallback="latin-1"),
    ),
    Scenario(
        "latin-1",
        b"\xe9bc1\xa0\n\xe9\xe9\xe912\n",
        [("ébc", "1\xa0"), ("ééé", "12")],
        reader=Fixed(layouts=(layout(3, 2),), encoding="latin-1"),
    ),
    Scenario(
        "cp1252",
        b"\x80bc12\n\x81bc12\n",
        [("€bc", "12")],
        [(2, "not cp1252", "\\x81bc12")],
        Fixed(layouts=(layout(3, 2),), encoding="cp1252"),
    ),
    Scenario(
        "EBCDIC",
        "abc12\né 1 \n".encode("cp037"),
        [("abc", "12")],
        [(2, SHORT, "é 1 ")],
        Fixed(layouts=(layout(3, 2),), encoding="cp037"),
    ),
    Scenario("UTF-16", "\ufeffabc12\né€b 1\n".encode("utf-16-le"), [("abc", "12"), ("é€b", " 1")]),
    Scenario(
        "record types",
        "Habcd\nB1212345\nB1 1\nXabcd\nHéfgh\n".encode(),
        [("H", "abcd", None, None), ("B", None, "12", "12345"), ("H", "éfgh", None, None)],
        [
            (3, "4 columns where 8 belong", "B1 1"),
            (4, "of a record type that no layout has", "Xabcd"),
        ],
        TYPED,
    ),
    Scenario(
        "a record without its type",
        b"ab\nabc1\nabcX\n",
        [("ab", "c", "1")],
        [(1, "of a record type that no layout has", "ab"), (3, "of a record type that no layout has", "abcX")],
        Fixed(layouts=(layout(2, 1, 1, record_type="1"),), record_type=Span(start=4, length=1)),
    ),
    Scenario(
        "a type with blanks behind it",
        b"A b\nAAb\n",
        [("A", "b"), ("AA", "b")],
        reader=Fixed(
            layouts=(layout(2, 1, record_type="A"), layout(2, 1, record_type="AA")), record_type=Span(start=1, length=2)
        ),
    ),
    Scenario(
        "a name that stands twice",
        b"ab\n",
        [("a", "b")],
        reader=Fixed(
            layouts=(Layout(fields=(Field(name="x", start=1, length=1), Field(name="x", start=2, length=1))),)
        ),
    ),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[s.name for s in SCENARIOS])
@pytest.mark.parametrize(("size", "block"), [(1, 1), (1 << 20, 1 << 20), (1 << 20, 12)])
def test_scenario(scenario: Scenario, size: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixed, "_BLOCK", block)
    found = read(scenario.reader, scenario.data, size)
    assert [row for _, row in found.rows] == scenario.rows
    assert sorted(found.rejected) == sorted(scenario.rejected)


# ---- against plain slices

CHARACTERS = "ab0 \t\0é€😀"


TRAILED = Fixed(
    layouts=(layout(3, 2),), skip=1, footer=2, trailer=r"(?:T (?P<records>\d+)|LINES (?P<lines>\d+))$", pad=True
)


@pytest.mark.parametrize("size", [1, 8, 1_000])
@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"HEAD\nabc12\nxyz34\n--\nT 2\n", None),
        (b"HEAD\nabc12\n\nxyz34\nLINES 5\n--\n\n", None),
        (b"HEAD\n--\nT 0", None),
        (b"HEAD\nabc12\nxyz34\n--\nT 3\n", Miscounted),
        (b"HEAD\nabc12\nxyz34\n--\nLINES 2\n", Miscounted),
        (b"HEAD\nabc12\nxyz34\n--\nT 2 or so\n", Unreadable),
        (b"HEAD\nabc12\nxyz34\n", Unreadable),
        (b"", Unreadable),
    ],
)
def test_a_trailer_is_compared_with_the_cutters_count(data: bytes, error: type[DataError] | None, size: int) -> None:
    if error:
        with pytest.raises(error):
            read(TRAILED, data, size)
    else:
        read(TRAILED, data, size)


def test_a_trailer_is_read_in_the_files_encoding() -> None:
    reader = TRAILED.model_copy(update={"encoding": "cp037", "footer": 1, "skip": 0})
    assert read(reader, "abc12\nT 1\n".encode("cp037")).records == 1
    with pytest.raises(Miscounted):
        read(reader, "abc12\nT 2\n".encode("cp037"))


@st.composite
def formats(draw: st.DrawFn) -> Fixed:
    """Fields that touch, overlap and leave gaps, some wide enough to be moved whole."""
    fields = draw(
        st.lists(
            st.builds(Field, name=st.just("x"), start=st.integers(1, 9), length=st.integers(1, 24)),
            min_size=1,
            max_size=5,
        )
    )
    kind = Layout(fields=tuple(fields), record_length=max(f.end for f in fields) + draw(st.integers(0, 2)))
    return Fixed(
        layouts=(kind,),
        trim=draw(st.sampled_from(["right", "both", "none"])),
        pad=draw(st.booleans()),
        unit=draw(st.sampled_from(["characters", "bytes"])),
    )


def sliced(reader: Fixed, line: str) -> Row | None:
    """What stands in the columns of a line, by Python's own slices; None where the record does not fit."""
    (kind,) = reader.layouts
    record = line.encode() if reader.unit == "bytes" else line
    blank = record[:0].ljust(1)
    if (len(record) < kind.end and not reader.pad) or record[kind.record_length :].strip(blank):
        return None
    values: list[str | None] = []
    for field in kind.fields:
        value = record[field.start - 1 : field.end].ljust(field.length)
        if not value.strip(blank):
            values.append(None)
            continue
        if reader.trim == "both":
            value = value.strip(blank)
        elif reader.trim == "right":
            value = value.rstrip(blank)
        try:
            values.append(value.decode() if isinstance(value, bytes) else value)
        except UnicodeDecodeError:
            return None
    return tuple(values)


@st.composite
def files(draw: st.DrawFn) -> tuple[Fixed, list[str], str]:
    """Lines of which many fit their layout, and their line end."""
    reader = draw(formats())
    length = reader.layouts[0].record_length
    alphabet = draw(st.sampled_from([CHARACTERS, "ab0 ", " a"]))
    line = st.one_of(
        st.text(alphabet, min_size=length, max_size=length),
        st.text(alphabet, min_size=length, max_size=length).map(lambda text: text + "  "),
        st.text(alphabet, min_size=1, max_size=length + 3),
        st.text(alphabet, min_size=1, max_size=length).map(lambda text: text.ljust(length)),
    )
    return reader, draw(st.lists(line, max_size=12)), draw(st.sampled_from(["\n", "\r\n"]))


@given(made=files(), size=st.integers(1, 300), block=st.integers(1, 300))
def test_every_record_is_cut_as_python_slices_it(made: tuple[Fixed, list[str], str], size: int, block: int) -> None:
    reader, texts, end = made
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fixed, "_BLOCK", block)
        found = read(reader, "".join(text + end for text in texts).encode(), size)
    expected = [(n, sliced(reader, text)) for n, text in enumerate(texts, 1)]
    assert found.rows == [(n, row) for n, row in expected if row is not None]
    assert sorted((n, text) for n, _, text in found.rejected) == [
        (n, texts[n - 1]) for n, row in expected if row is None
    ]
    assert found.records == len(texts)


DIRT = [b"a", b"H", b"B", b" ", b"\n", b"\r", b"\r\n", b"\xff", b"\xe9", b"\xc3\xa9", b"\0"]
READERS = [
    AB,
    TYPED,
    Fixed(layouts=(layout(3, 2),), pad=True, fallback="cp1252"),
    Fixed(layouts=(layout(1, 1),), unit="bytes", trim="both"),
    Fixed(layouts=(layout(1, 2),), encoding="shift_jis"),
]


@given(
    data=st.lists(st.sampled_from(DIRT), max_size=60).map(b"".join),
    size=st.integers(1, 40),
    reader=st.sampled_from(READERS),
)
def test_any_bytes_give_rows_and_rejects(data: bytes, size: int, reader: Fixed) -> None:
    read(reader, data, size)


# ---- what a cutter refuses, and counts


def test_spans_that_the_cutter_refuses_are_rejected_and_not_parsed() -> None:
    piece = Piece(
        data=b"xx\nabc12\nabcdefgh\ndef34\nlong",
        offset=0,
        first_record=7,
        records=4,
        bad=(
            Bad(start=0, length=3, record=None, reason="too long"),
            Bad(start=9, length=9, record=8, reason="too long"),
            Bad(start=24, length=4, record=10, reason="too long"),
        ),
    )
    table, rejected = AB.read(piece)
    assert table.to_pylist() == [{"_record": 7, "a": "abc", "b": "12"}, {"_record": 9, "a": "def", "b": "34"}]
    assert [(r.record, r.reason, r.text) for r in rejected] == [(8, "too long", "abcdefgh\n"), (10, "too long", "long")]


def test_a_record_longer_than_records_may_be_is_rejected_alone() -> None:
    reader = Fixed(layouts=(layout(3, 2),), max_record=100_000)
    found = read(reader, b"abc12\n" + b"x" * 600_000 + b"\ndef34\n")
    assert [row for _, row in found.rows] == [("abc", "12"), ("def", "34")]
    assert [(record, reason) for record, reason, _ in found.rejected] == [(2, "longer than 100,000 bytes")]


def test_another_count_than_the_cutters_is_refused() -> None:
    with pytest.raises(CountMismatch):
        AB.read(Piece(data=b"abc12\n", offset=0, first_record=1, records=2))


def test_a_null_is_null_in_parquet_whatever_bytes_it_has() -> None:
    table, _ = AB.read(Piece(data=b"abc  \n   12\n", offset=0, first_record=1, records=2))
    file = io.BytesIO()
    pq.write_table(table, file)
    assert pq.read_table(file).drop_columns("_record").to_pydict() == {"a": ["abc", None], "b": [None, "12"]}


# ---- years


def test_a_layout_that_changes_by_year() -> None:
    reader = Fixed(layouts=(layout(3, 2, since=2012), layout(2, 3), layout(4, 1, since=2020)))
    with pytest.raises(Unreadable, match="of"):
        read(reader, b"abc12\n")
    rows = {year: read(reader.of(year), b"abc12\n").rows[0][1] for year in (1999, 2011, 2012, 2019, 2020, 2030)}
    assert rows == {
        1999: ("ab", "c12"),
        2011: ("ab", "c12"),
        2012: ("abc", "12"),
        2019: ("abc", "12"),
        2020: ("abc1", "2"),
        2030: ("abc1", "2"),
    }


def test_record_types_change_by_year_each_for_itself() -> None:
    both = Fixed(
        layouts=(HEAD, BODY, layout(1, 2, 2, record_type="H", since=2020)), record_type=Span(start=1, length=1)
    )
    assert [row for _, row in read(both.of(2020), b"Habcd\nB1212345\n").rows] == [
        ("H", "ab", "cd", None, None),
        ("B", None, None, "12", "12345"),
    ]


def test_a_year_before_all_layouts_is_refused() -> None:
    with pytest.raises(Unreadable, match="1999"):
        Fixed(layouts=(layout(1, since=2000),)).of(1999)


@pytest.mark.parametrize(
    "wrong",
    [
        {"layouts": ()},
        {"layouts": (layout(1), layout(2))},
        {"layouts": (HEAD, BODY)},
        {"layouts": (layout(1),), "record_type": Span(start=1, length=1)},
        {"layouts": (layout(3, record_type="AB"),), "record_type": Span(start=1, length=1)},
        {"layouts": (layout(1),), "encoding": "latin-0815"},
        {"layouts": (layout(1),), "fallback": "utf-16"},
        {"layouts": (layout(1),), "encoding": "latin-1", "unit": "bytes"},
        {"layouts": (layout(1),), "delimiter": ","},
    ],
    ids=[
        "no layout",
        "two for one",
        "types without columns",
        "no type",
        "long type",
        "unknown encoding",
        "fallback",
        "bytes",
        "unknown",
    ],
)
def test_a_format_that_is_not_one_is_refused_when_declared(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Fixed.model_validate(wrong)


def test_a_format_survives_json() -> None:
    assert Fixed.model_validate_json(TYPED.model_dump_json()) == TYPED


# ---- real files


def truth(realdata: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((realdata / "truth.json").read_text())[name]
    return found


def flags(day: int) -> Iterator[Field]:
    """A day of GHCN Daily: its value and three flags, by NOAA's readme."""
    start = 22 + 8 * (day - 1)
    for name, at, length in (("value", 0, 5), ("mflag", 5, 1), ("qflag", 6, 1), ("sflag", 7, 1)):
        yield Field(name=f"{name}{day}", start=start + at, length=length)


GHCN = Layout(
    fields=(
        Field(name="id", start=1, length=11),
        Field(name="year", start=12, length=4),
        Field(name="month", start=16, length=2),
        Field(name="element", start=18, length=4),
        *(field for day in range(1, 32) for field in flags(day)),
    )
)


def test_ghcn_daily(realdata: Path) -> None:
    name = "fwf/ghcn/ACW00011604_194901.dly"
    said = truth(realdata, name)
    found = read(Fixed(layouts=(GHCN,), trim="both"), (realdata / name).read_bytes())
    assert found.rejected == []
    assert len(found.rows) == said["lines"] == 3
    names = [field.name for field in GHCN.fields]
    by_element = {row[3]: dict(zip(names, row, strict=True)) for _, row in found.rows}
    assert by_element["TMAX"]["value1"] == str(said["TMAX_day1_tenths_C"])
    assert by_element["TMIN"]["value1"] == str(said["TMIN_day1"])
    # a trace, on the eighth day: the truth's day 9 counts one too many, as the line itself shows
    assert [day for day in range(1, 10) if by_element["PRCP"][f"mflag{day}"] == said["PRCP_day9_flag"][0]] == [8]
    assert {row["year"] for row in by_element.values()} == {"1949"}


READR = {
    "fwf-sample.txt": (layout(20, 10, 12), [("John Smith", "WA", "418-Y11-4111")], 0),
    "epa78.txt": (
        layout(37, 2, 40, 21, 8),
        [
            ("ALFA ROMEO", None, None, "ALFA ROMEO", "78010003"),
            ("ALFETTA", "03", "  81  8    74  7   89  9", "ALFETTA", "78010053"),
        ],
        0,
    ),
    # columns between single blanks, so of no fixed width: lines of 22, 26, 26 and 29 characters
    "whitespace-sample.txt": (
        layout(10, 16),
        [("John Smith", " WA 418-Y11-4111"), ("Evan Nolan", " IL 219-532-c301")],
        2,
    ),
}


@pytest.mark.parametrize("name", READR)
def test_readr(name: str, realdata: Path) -> None:
    kind, first, rejected = READR[name]
    found = read(Fixed(layouts=(kind,)), (realdata / "fwf" / "readr" / name).read_bytes())
    assert [row for _, row in found.rows][: len(first)] == first
    assert len(found.rejected) == rejected
    assert found.records == truth(realdata, f"fwf/readr/{name}")["lines"]


def cclf(realdata: Path, number: str) -> Layout:
    """A layout of CCLF Information Packet v36; its table calls the name label, and the label name."""
    text = (realdata / "sources" / "cclf" / "layout-v36-csv" / f"cclf_{number}.csv").read_text()
    return Layout.from_csv(text, {"name": "field_label", "label": "field_name"})


CCLF8 = {"BENE_MBI_ID": "1A69B98CD30", "BENE_DOB": "1940-10-27"}
CCLF9 = {"CRNT_NUM": "203031401M", "PRVS_NUM": "203031401A", "PRVS_ID_OBSLT_DT": "2016-12-31", "BENE_RRB_NUM": None}
# The control file, CCLF0, is delimited by bars, elsewhere than its layout says: only its records are counted here.
CCLF = [
    ("valid/T.BCD.A0001.ZCY18.D181120.T1000000", "T.BCD.A0001.ZC8Y18.D181120.T1000009", "8", 0, 7, CCLF8),
    ("valid/T.BCD.A0001.ZCY18.D181120.T1000000", "T.BCD.A0001.ZC9Y18.D181120.T1000010", "9", 0, 6, CCLF9),
    (
        "valid/T.BCD.A0001.ZCY18.D181120.T1000000",
        "T.BCD.A0001.ZC0Y18.D181120.T1000011",
        "0",
        1,
        11,
        {},
    ),
    ("valid/T.BCD.A9988.ZCY18.D181120.T1000000", "T.BCD.A9988.ZC8Y18.D181120.T1000009", "8", 0, 6, CCLF8),
    ("8/valid/T.BCD.A0001.ZCY18.D181121.T1000000", "T.BCD.A0001.ZC8Y18.D181120.T1000009", "8", 0, 6, CCLF8),
    ("0/missing_data/T.BCD.A0001.ZCY18.D181120.T1000000", "T.BCD.A0001.ZC0Y18.D181120.T1000011", "0", 1, 9, {}),
]


@pytest.mark.parametrize(("archive", "member", "number", "skip", "rows", "first"), CCLF)
def test_cclf(
    archive: str, member: str, number: str, skip: int, rows: int, first: dict[str, str | None], realdata: Path
) -> None:
    data = zipfile.ZipFile(realdata / "sources" / "cclf" / "bcda-archives" / archive).read(member)
    reader = Fixed(layouts=(cclf(realdata, number),), skip=skip)
    found = read(reader, data)
    assert found.rejected == []
    assert len(found.rows) == rows
    assert first.items() <= dict(zip(reader.columns, found.rows[0][1], strict=True)).items()


@pytest.mark.parametrize(
    ("name", "number", "reasons"),
    [
        ("bcda-synthetic-dev/ZC8", "8", ["27 columns where 549 belong"] * 200),
        ("bcda-synthetic-dev/ZC9", "9", ["43 columns where 55 belong", "53 columns where 55 belong"]),
        ("bcda-cclf9/T.A0001.ACO.ZC9Y18.D181120.T1000009", "9", ["32 columns where 55 belong"]),
        ("bcda-archives/corrupted/T.BCD.A0001.ZCY18.D181120.T1000000", "9", None),
    ],
)
def test_cclf_that_is_not_as_its_layout_says(name: str, number: str, reasons: list[str] | None, realdata: Path) -> None:
    found = read(Fixed(layouts=(cclf(realdata, number),)), (realdata / "sources" / "cclf" / name).read_bytes())
    assert found.rows == []
    assert reasons is None or [reason for _, reason, _ in found.rejected] == reasons


def test_cclf_whose_blanks_are_cut_off(realdata: Path) -> None:
    reader = Fixed(layouts=(cclf(realdata, "9"),), pad=True)
    found = read(reader, (realdata / "sources" / "cclf" / "bcda-synthetic-dev" / "ZC9").read_bytes())
    assert [row[1:3] for _, row in found.rows] == [
        ("203031401M", "203031401A"),
        ("20303140244", "203031402B"),
    ]
    assert [row[-1] for _, row in found.rows] == [None, "A001100001"]


def layouts(realdata: Path) -> dict[str, Layout]:
    """Every layout that a party publishes here."""
    hcup = {path.stem: Layout.from_hcup(path.read_text()) for path in (realdata / "fwf/hcup-layouts").iterdir()}
    texas = {
        path.stem: Layout.from_texas(path.read_text("cp1252")) for path in (realdata / "fwf/tx-pudf-layouts").iterdir()
    }
    return hcup | texas | {f"cclf_{number}": cclf(realdata, number) for number in "0123456789ab"}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_is_written_by_a_published_layout_is_read_by_it(end: str, realdata: Path) -> None:
    made = random.Random(1)
    for name, kind in layouts(realdata).items():
        rows = [
            tuple(
                "".join(made.choices("A1 é", k=made.randint(0, field.length))).rstrip() or None for field in kind.fields
            )
            for _ in range(50)
        ]
        lines = [
            "".join((value or "").ljust(field.length) for value, field in zip(row, kind.fields, strict=True))
            for row in rows
        ]
        found = read(Fixed(layouts=(kind,)), "".join(line.ljust(kind.record_length) + end for line in lines).encode())
        assert [row for _, row in found.rows] == rows, name
        assert found.rejected == [], name
