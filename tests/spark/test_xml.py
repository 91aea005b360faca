"""XML read into nested columns."""

import io
import json
import re
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast
from xml.etree import ElementTree
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from pydantic import ValidationError

from bench.synthetic.pubmed import PUBMED, article, articles
from spark.convert import parse, schema_of
from spark.cutting import element_spans
from spark.errors import CountMismatch, DataError, Unreadable
from spark.parts import Piece, Rejected
from spark.readers import xml
from spark.readers.xml import Xml
from spark.readers.xml_fields import Element, Paths, local
from spark.readers.xml_nodes import fitted, parsed
from tests.spark.made import Dribble

Row = dict[str, Any]


def read(reader: Xml, data: bytes, size: int = 1_000_000) -> tuple[list[Row], list[Rejected]]:
    """The rows of a file, `_record` left out and `_special` a dict, and what is rejected; drafted on the whole."""
    pieces = list(reader.cut(io.BytesIO(data), size))
    reader = reader.drafted(pieces)
    rows, rejected = list[Row](), list[Rejected]()
    for piece in pieces:
        table, more = reader.read(piece)
        assert table.schema.equals(reader.schema, check_metadata=True)
        table.validate(full=True)
        rows += table.to_pylist()
        rejected += more
    records = [row.pop("_record") for row in rows] + [one.record for one in rejected]
    assert sorted(records) == list(range(1, len(records) + 1))
    return [{**row, "_special": dict(row["_special"]) if row["_special"] else None} for row in rows], rejected


def file(*rows: str) -> bytes:
    return f"<rows>{' '.join(rows)}</rows>".encode()


class Case(NamedTuple):
    """Fields declared, a row, what is read of it, and what does not fit."""

    name: str
    fields: list[str | Element]
    row: str
    values: Row
    special: dict[str, str] | None = None


CASES = [
    Case("an element", ["a"], "<row><a>1</a></row>", {"a": "1"}),
    Case("absent, empty, self-closing", ["a", "b", "c"], "<row><b></b><c/></row>", {"a": None, "b": "", "c": ""}),
    Case("white space is text", ["a"], "<row> <a> 1\n </a> </row>", {"a": " 1\n "}),
    Case("an attribute", ["@id", "id"], '<row id="1"><id>2</id></row>', {"@id": "1", "id": "2"}),
    Case("one in single quotes", ["@a", "@b"], "<row a='\"1\"' b=''/>", {"@a": '"1"', "@b": ""}),
    Case("quotes of both kinds", ["@a", "@b"], "<row a='1' b=\"2\"/>", {"@a": "1", "@b": "2"}),
    Case("an apostrophe in quotes", ["@a"], '<row a="O\'Brien"/>', {"@a": "O'Brien"}),
    Case("> in an attribute and in text", ["@a", "b"], '<row a="1>2"><b>3>4</b></row>', {"@a": "1>2", "b": "3>4"}),
    Case("line ends in an attribute", ["@a", "@b"], '<row a="1\n2" b="3\t4&#10;5"/>', {"@a": "1 2", "@b": "3 4\n5"}),
    Case("line ends in a tag", ["@a", "@b"], '<row\n  a="1"\r\n\tb = "2"\n/>', {"@a": "1", "@b": "2"}),
    Case("line ends in text", ["a", "b"], "<row><a>1\r\n2\r3</a><b>&#13;</b></row>", {"a": "1\n2\n3", "b": "\r"}),
    Case("the row's text", ["#text"], "<row>1</row>", {"#text": "1"}),
    Case(
        "text beside an attribute",
        [Element("a", "@b", "#text")],
        '<row><a b="1">2</a></row>',
        {"a": {"b": "1", "text": "2"}},
    ),
    Case("none there", [Element("a", "@b", "#text")], '<row><a b="1"/></row>', {"a": {"b": "1", "text": ""}}),
    Case(
        "text or elements",
        [Element("a", "#text", "b", many=True)],
        "<row><a>1</a><a> <b>2</b> </a><a/></row>",
        {"a": [{"text": "1", "b": None}, {"text": None, "b": "2"}, {"text": "", "b": None}]},
    ),
    Case("many", [Element("a", many=True)], "<row><a>1</a><b/><a/></row>", {"a": ["1", ""]}, {"b": "<b/>"}),
    Case("none of many", [Element("a", many=True)], "<row/>", {"a": None}),
    Case(
        "nested",
        [Element("a", Element("b", "c", "d", many=True), "e")],
        "<row><a><b><c>1</c></b><e>2</e><b><d>3</d></b></a></row>",
        {"a": {"b": [{"c": "1", "d": None}, {"c": None, "d": "3"}], "e": "2"}},
    ),
    Case(
        "a struct that is empty",
        [Element("a", "b"), Element("c", "d")],
        "<row><a> </a></row>",
        {"a": {"b": None}, "c": None},
    ),
    Case("a row in a row", [Element("row", "a")], "<row><row><a>1</a></row></row>", {"row": {"a": "1"}}),
    Case(
        "a name within itself",
        [Element("a", Element("a", "a"))],
        "<row><a><a><a>1</a></a></a></row>",
        {"a": {"a": {"a": "1"}}},
    ),
    Case(
        "markup",
        [Element("a", markup=True)],
        "<row><a>1 <i x='2'>3</i> &amp; <b/></a></row>",
        {"a": "1 <i x='2'>3</i> &amp; <b/>"},
    ),
    Case("markup that is empty", [Element("a", markup=True)], "<row><a/></row>", {"a": ""}),
    Case(
        "markup and attributes",
        [Element("a", "@b", "#markup", many=True)],
        '<row><a b="&lt;">1<i>2</i></a><a>3</a></row>',
        {"a": [{"b": "<", "markup": "1<i>2</i>"}, {"b": None, "markup": "3"}]},
    ),
    Case(
        "markup of names that are declared elsewhere",
        [Element("a", markup=True), "b"],
        "<row><a><b>1</b></a></row>",
        {"a": "<b>1</b>", "b": None},
    ),
    Case("a comment in markup", [Element("a", markup=True)], "<row><a>1<!-- <b> --></a></row>", {"a": "1<!-- <b> -->"}),
    Case("the row as markup", ["@a", "#markup"], '<row a="1"><b>2</b></row>', {"@a": "1", "#markup": "<b>2</b>"}),
    Case("references", ["a"], "<row><a>&lt;&gt;&amp;&quot;&apos;&#946;&#x3b2;&#128512;</a></row>", {"a": "<>&\"'ββ😀"}),
    Case("references that make one", ["a"], "<row><a>&amp;lt; &#38;gt;</a></row>", {"a": "&lt; &gt;"}),
    Case("a long one", ["a"], "<row><a>&#0000000000000065;</a></row>", {"a": "A"}),
    Case("CDATA", ["a"], "<row><a>1<![CDATA[<b>&amp;]]>2</a></row>", {"a": "1<b>&amp;2"}),
    Case("a comment", ["a", "b"], "<row><a>1<!-- <b>0</b> -->2</a><!----><b>3</b></row>", {"a": "12", "b": "3"}),
    Case("an instruction", ["a"], "<row><?x <a>0</a> ?><a>1</a></row>", {"a": "1"}),
    Case("nil", ["a", "b"], '<row><a xsi:nil="true"/><b xsi:nil="false"/></row>', {"a": None, "b": ""}),
    Case(
        "nil among many, and with an attribute",
        [Element("a", many=True), Element("b", "@c", "#text")],
        '<row><a>1</a><a xsi:nil="1"></a><b c="2" xsi:nil="true"/></row>',
        {"a": ["1", None], "b": {"c": "2", "text": None}},
    ),
    Case("any prefix", ["a", "@b"], '<row p:b="1"><q:a>2</q:a></row>', {"a": "2", "@b": "1"}),
    Case("a prefix that is declared", ["a", "p:a"], "<row><p:a>1</p:a><q:a>2</q:a></row>", {"a": "2", "p:a": "1"}),
    Case("namespaces", ["a"], '<row xmlns="u" xmlns:p="v"><p:a xmlns:q="w">1</p:a></row>', {"a": "1"}),
    Case(
        "letters of any script", ["název", "@č"], '<row č="ž"><název>日本</název></row>', {"název": "日本", "@č": "ž"}
    ),
    Case("an unknown element", ["a"], "<row><b c='1'>2</b><a>1</a></row>", {"a": "1"}, {"b": "<b c='1'>2</b>"}),
    Case("unknown ones", ["a"], "<row><b>1</b><b>2</b></row>", {"a": None}, {"b": "<b>1</b>", "b[2]": "<b>2</b>"}),
    Case(
        "an unknown element deep down",
        [Element("a", Element("b", "c", many=True))],
        "<row><a><b/><b><c>1</c><d/></b></a></row>",
        {"a": {"b": [{"c": None}, {"c": "1"}]}},
        {"a/b[2]/d": "<d/>"},
    ),
    Case(
        "an unknown attribute",
        ["a"],
        '<row x="1&lt;"><a y="2">3</a></row>',
        {"a": "3"},
        {"@x": 'x="1&lt;"', "a/@y": 'y="2"'},
    ),
    Case("an attribute under two prefixes", ["@a"], '<row p:a="1" q:a="2"/>', {"@a": "1"}, {"@q:a": 'q:a="2"'}),
    Case(
        "another occurrence", ["a"], "<row><a>1</a><a>2</a><a/></row>", {"a": "1"}, {"a[2]": "<a>2</a>", "a[3]": "<a/>"}
    ),
    Case("another under a prefix", ["a"], "<row><a>1</a><p:a>2</p:a></row>", {"a": "1"}, {"a[2]": "<p:a>2</p:a>"}),
    Case("elements where there is text", ["a"], "<row><a>1<i>2</i></a></row>", {"a": None}, {"a": "<a>1<i>2</i></a>"}),
    Case(
        "text among elements",
        [Element("a", "b")],
        "<row><a>1<b>2</b></a></row>",
        {"a": {"b": "2"}},
        {"a/#markup": "1<b>2</b>"},
    ),
    Case(
        "behind them",
        [Element("a", "#text", "b")],
        "<row><a><b>2</b>1</a></row>",
        {"a": {"text": None, "b": "2"}},
        {"a/#markup": "<b>2</b>1"},
    ),
    Case("in the row", ["a"], "<row>1</row>", {"a": None}, {"#markup": "1"}),
    Case("no fields", [], "<row><a>1</a></row>", {}, {"a": "<a>1</a>"}),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_values(case: Case) -> None:
    reader = Xml(row="row", fields=case.fields)
    usual = "<row/>"
    rows, rejected = read(reader, file(usual, case.row, usual))
    assert not rejected
    assert rows[1] == {**case.values, "_special": case.special}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_draft_holds_all(case: Case) -> None:
    rows, rejected = read(Xml(row="row"), file(case.row, "<row/>", case.row))
    assert not rejected
    assert [row["_special"] for row in rows] == [None] * 3
    assert rows[0] == rows[2]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("<row><a></row>", "mismatched tag"),
        ("<row><a></b></row>", "mismatched tag"),
        ("<row></a></row>", "mismatched tag"),
        ("<row><a></a</row>", "not well-formed"),
        ("<row><a b></a></row>", "not well-formed"),
        ("<row><a b=1/></row>", "not well-formed"),
        ('<row><a b="1" b="2"/></row>', "duplicate attribute"),
        ('<row><a b="<"/></row>', "not well-formed"),
        ("<row><1a/></row>", "not well-formed"),
        ("<row>< a/></row>", "not well-formed"),
        ("<row>&x;</row>", "undefined entity"),
        ("<row>&</row>", "not well-formed"),
        ("<row>&amp</row>", "not well-formed"),
        ("<row>&#0;</row>", "reference to invalid character number"),
        ("<row>&#xD800;</row>", "reference to invalid character number"),
        ("<row>]]></row>", "not well-formed"),
        ("<row>\x01</row>", "not well-formed"),
        ("<row>\ufffe</row>", "not well-formed"),
        ("<row a='1'b='2'/>", "not well-formed"),
        ("<row><a><!-- -- --></a></row>", "not well-formed"),
        ("<row>\udce9</row>", "not well-formed"),
    ],
)
@pytest.mark.parametrize("around", ["<row><a>1</a></row>", "<row><a>1<!-- --></a></row>"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_row_that_is_not_well_formed_is_rejected_alone(row: str, reason: str, around: str, line_end: str) -> None:
    data = f"<rows>{line_end}{around}{line_end}{row}{line_end}{around}</rows>".encode("utf-8", "surrogateescape")
    rows, (rejected,) = read(Xml(row="row", fields=("a",)), data)
    assert [row["a"] for row in rows] == ["1", "1"]
    assert rejected.record == 2
    assert reason in rejected.reason
    assert rejected.text == row.replace("\udce9", "\\xe9")


def test_what_is_rejected_is_as_it_came() -> None:
    _, (rejected,) = read(Xml(row="row", fields=("a",)), b"<r>\r\n<row>\r\n<a>1</a></row>\r\n<row>\r\n<a></row></r>")
    assert rejected.text == "<row>\r\n<a></row>"


def test_entities_are_refused() -> None:
    bomb = b'<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><r><row>&b;</row></r>'
    with pytest.raises(Unreadable, match="declares entities"):
        list(Xml(row="row").cut(io.BytesIO(bomb)))


def test_rows_at_several_depths_and_two_datasets_of_a_file() -> None:
    data = b"<r><a><x>1</x><b n='1'/></a><c><d><a><x>2</x><!-- --><b n='2'/></a></d></c></r>"
    assert [row["x"] for row in read(Xml(row="a"), data)[0]] == ["1", "2"]
    assert [row["@n"] for row in read(Xml(row="b"), data)[0]] == ["1", "2"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_encodings(encoding: str) -> None:
    data = f"<?xml version='1.0' encoding='{encoding}'?><r><row a='é'>ü</row></r>".encode(encoding)
    assert read(Xml(row="row"), data)[0] == [{"@a": "é", "#text": "ü", "_special": None}]


def test_a_row_that_is_too_long_is_rejected() -> None:
    data = file("<row>1</row>", f"<row>{'x' * 100}</row>", "<row>2</row>")
    rows, (rejected,) = read(Xml(row="row", fields=("#text",), max_record=50), data)
    assert [row["#text"] for row in rows] == ["1", "2"]
    assert rejected.record == 2


def test_another_count_of_rows_than_was_cut_is_an_error() -> None:
    for records in (1, 3):
        with pytest.raises(CountMismatch):
            Xml(row="row", fields=()).read(Piece(data=b"<row/><row/>", offset=0, first_record=1, records=records))


def test_fields_are_declared_or_drafted_before_rows_are_read() -> None:
    with pytest.raises(Unreadable, match="neither declared nor drafted"):
        Xml(row="row").read(Piece(data=b"<row/>", offset=0, first_record=1, records=1))
    (batch,) = Xml(row="row").batches(io.BytesIO(file("<row>1</row>")))
    assert batch.to_pylist() == [{"_record": 1, "#text": "1", "_special": None}]


# ---- fields


AUTHORS = Xml(
    row="Article",
    fields=("@id", Element("Author", "@ValidYN", "LastName", Element("Affiliation", many=True), many=True)),
)


def test_a_reader_is_json() -> None:
    text = AUTHORS.model_dump_json()
    assert json.loads(text)["fields"] == [
        "@id",
        {
            "name": "Author",
            "fields": ["@ValidYN", "LastName", {"name": "Affiliation", "many": True}],
            "many": True,
        },
    ]
    assert Xml.model_validate_json(text) == AUTHORS


def test_fields_print_as_they_are_written() -> None:
    assert eval(repr(AUTHORS), {"Xml": Xml, "Element": Element}) == AUTHORS
    assert repr(AUTHORS).startswith("Xml(row='Article', fields=('@id', Element('Author', '@ValidYN', ")


def test_names_in_the_lake() -> None:
    reader = Xml(row="row", fields=("@id", "id", "p:Id", Element("Date", "@id", "id", "#text")))
    schema = schema_of(reader, ())
    assert schema.names[3:] == ["id", "id_2", "p_id", "date", "_special"]
    assert [field.metadata[b"name"].decode() for field in list(schema)[3:]] == ["@id", "id", "p:Id", "Date", "_special"]
    inner = schema.field("date").type
    assert [(field.name, field.metadata[b"name"]) for field in inner] == [
        ("id", b"@id"),
        ("id_2", b"id"),
        ("text", b"#text"),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        ("a", "a"),
        ("a b",),
        ("",),
        ("#x",),
        ("@",),
        ("#markup", "a"),
        ({"name": "@a", "many": True},),
        ({"name": "a", "markup": True, "fields": ["b"]},),
        ({"name": "a", "fields": ["b", "b"]},),
        ({"name": "a", "kind": "int"},),
    ],
)
def test_fields_that_make_no_sense(fields: Any) -> None:
    with pytest.raises(ValidationError):
        Xml(row="row", fields=fields)


# ---- drafts


DRAFTS = {
    "attributes, text": (['<row a="1">x</row>', '<row b="2"></row>'], ("@a", "@b", "#text")),
    "no text": (['<row a="1"> </row>'], ("@a",)),
    "many": (["<row><a/></row>", "<row><a/><a/></row>"], (Element("a", many=True),)),
    "once each": (["<row><a/></row>", "<row><b/><a/></row>"], ("a", "b")),
    "mixed": (["<row><a>1 <i>2</i></a></row>"], (Element("a", markup=True),)),
    "mixed, with an attribute": (["<row><a b='1'>1 <i>2</i></a></row>"], (Element("a", "@b", "#markup"),)),
    "text or elements": (["<row><a>1</a></row>", "<row><a><b/></a></row>"], (Element("a", "#text", "b"),)),
    "within itself": (["<row><a><a><c/></a></a></row>"], (Element("a", Element("a", markup=True)),)),
    "within itself, a leaf": (["<row><a><a>1</a></a></row>"], (Element("a", "a"),)),
    "prefixes": (['<row p:x="1"><p:a/><q:b/></row>'], ("@x", "a", "b")),
    "prefixes that clash": (["<row><p:a/></row>", "<row><q:a/><a/></row>"], ("p:a", "q:a", "a")),
    "namespaces": (['<row xmlns="u" xmlns:p="v" xsi:nil="true"/>'], ()),
    "a row that is odd": (["<row><a><![CDATA[1]]></a><b><c/></b><!-- --></row>"], ("a", Element("b", "c"))),
    "one that is not well-formed": (["<row><a/></row>", "<row><b></row>"], ("a",)),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAFTS)
def test_drafts(name: str) -> None:
    rows, fields = DRAFTS[name]
    assert (
        Xml(row="row").drafted(Xml(row="row").cut(io.BytesIO(file(*rows)))).fields
        == Xml(row="row", fields=fields).fields
    )
    oddly = [row.replace("<row", "<!-- --><row", 1).replace("</row>", "<?x?></row>") for row in rows]
    found = Xml(row="row").drafted(Xml(row="row").cut(io.BytesIO(file(*oddly))))
    assert found.fields == Xml(row="row", fields=fields).fields


def test_a_draft_is_of_all_pieces_and_declared_fields_stay() -> None:
    pieces = [
        piece for row in ("<row><a/></row>", "<row><b/></row>") for piece in Xml(row="row").cut(io.BytesIO(file(row)))
    ]
    assert Xml(row="row").drafted(pieces).fields == (Element("a"), Element("b"))
    declared = Xml(row="row", fields=("c",))
    assert declared.drafted(pieces) is declared
    assert Xml(row="row").schema is None
    assert declared.schema is not None


@pytest.mark.parametrize("odd", ["", "<!-- -->"])
@pytest.mark.parametrize(
    "inner",
    ["".join(f"<e{n}>" for n in range(40)) + "".join(f"</e{n}>" for n in reversed(range(40))),
     "<a>" * 10_000 + "</a>" * 10_000,
     "".join(f"<k{n}>1</k{n}>" for n in range(3_000))],
    ids=["deep", "within itself", "names that are data"],
)  # fmt: skip
def test_a_draft_is_bounded(inner: str, odd: str) -> None:
    (row,), rejected = read(Xml(row="row"), file(f"<row>{odd}{inner}</row>"))
    assert not rejected
    assert row["_special"] is None
    (piece,) = Xml(row="row").cut(io.BytesIO(file(f"<row>{inner}</row>")))
    assert len(repr(Xml(row="row").drafted([piece]))) < 1_000


# ---- properties


NAMES = ["a", "b", "c", "d", "p:a", "x-1"]
texts = st.text(alphabet="ab<>&\"' \n\té日]", max_size=6)


@st.composite
def fields_of(draw: st.DrawFn, depth: int = 2) -> tuple[Element, ...]:
    """Some fields of an element."""
    attributes = [Element(f"@{name}") for name in draw(st.lists(st.sampled_from(["a", "id"]), unique=True, max_size=2))]
    if draw(st.integers(0, 5)) == 0:
        return (*attributes, Element("#markup"))
    inner = []
    for name in draw(st.lists(st.sampled_from(NAMES[:5]), unique=True, max_size=3)):
        kind = draw(st.sampled_from(["text", "markup", "struct"] if depth else ["text", "markup"]))
        many = draw(st.booleans())
        nested = draw(fields_of(depth - 1)) if kind == "struct" else ()
        inner.append(Element(name, fields=nested, many=many, markup=kind == "markup"))
    return (*attributes, *([Element("#text")] if draw(st.booleans()) else []), *inner)


@st.composite
def elements(draw: st.DrawFn, name: str = "row", depth: int = 3) -> str:
    """Any element, now and then with something unusual."""
    quote = draw(st.sampled_from('"""\''))
    attributes = "".join(
        f" {one}={quote}{escape(draw(texts), {quote: '&#34;' if quote == chr(34) else '&apos;'})}{quote}"
        for one in draw(st.lists(st.sampled_from(["a", "id", "p:a", "xmlns:p", "xsi:nil"]), unique=True, max_size=2))
    )
    if "xsi:nil" not in attributes:
        attributes += draw(st.sampled_from(["", "", "", f" xsi:nil={quote}true{quote}", " xsi:nil='0'"]))
    end = draw(st.sampled_from(["", "", " ", "\n"]))
    inner = []
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.integers(0, 19))
        if kind < 9 and depth:
            inner.append(draw(elements(draw(st.sampled_from(NAMES)), depth - 1)))
        elif kind < 14:
            inner.append(escape(draw(texts)))
        elif kind < 16:
            inner.append(draw(st.sampled_from(["&#946;", "&#x20;", "&quot;", " ", "\n", "&#13;"])))
        elif kind == 16:
            inner.append(draw(st.sampled_from(["<!-- <a> -->", "<![CDATA[<a>&]]>", "<?p <a>?>"])))
    if not inner and draw(st.booleans()):
        return f"<{name}{attributes}{end}/>"
    return f"<{name}{attributes}{end}>{''.join(inner)}</{name}{end}>"


def one_by_one(reader: Xml, piece: Piece) -> tuple[list[Row], list[int]]:
    """What a piece's rows are, each by a parser of its own."""
    paths = Paths(reader.row, reader.fields or ())
    rows, rejected = list[Row](), list[int]()
    for nth, (start, stop) in enumerate(element_spans(piece.data, reader.row), piece.first_record):
        row = piece.data[start:stop].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        try:
            values, special = fitted(row, parsed(row), paths[0])
        except expat.ExpatError:
            rejected.append(nth)
            continue
        rows.append(
            {
                "_record": nth,
                **{one.name: values.get(one.name) for one in reader.fields or ()},
                "_special": sorted(special.items()) or None,
            }
        )
    assert reader.schema is not None
    return pa.Table.from_pylist(rows, reader.schema).to_pylist(), rejected


def check_piece(reader: Xml, piece: Piece) -> None:
    """It is read as its rows are one by one."""
    table, rejected = reader.read(piece)
    table.validate(full=True)
    rows, wrong = one_by_one(reader, piece)
    assert table.to_pylist() == rows
    assert [one.record for one in rejected] == wrong


@settings(max_examples=150)
@given(
    fields=fields_of(),
    rows=st.lists(elements(), max_size=5),
    block=st.integers(1, 200),
    size=st.integers(1, 300),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_at_once_is_as_one_by_one(
    fields: tuple[Element, ...], rows: list[str], block: int, size: int, line_end: str
) -> None:
    reader = Xml(row="row", fields=fields)
    data = f"<r>{' '.join(rows)}</r>".replace("\n", line_end).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xml, "_BLOCK", block)
        for piece in reader.cut(cast(BinaryIO, Dribble(data, 7)), size):
            check_piece(reader, piece)


@settings(max_examples=150)
@given(rows=st.lists(elements(), min_size=1, max_size=5), size=st.integers(1, 300))
def test_a_draft_on_all_leaves_nothing_over(rows: list[str], size: int) -> None:
    pieces = list(Xml(row="row").cut(io.BytesIO(file(*rows)), size))
    reader = Xml(row="row").drafted(pieces)
    again = Xml(row="row").drafted(iter(pieces))
    assert reader == again
    for piece in pieces:
        table, rejected = reader.read(piece)
        assert not rejected
        assert table["_special"].null_count == table.num_rows
        check_piece(reader, piece)


@settings(max_examples=150)
@given(
    rows=st.lists(elements(), min_size=1, max_size=3),
    junk=st.sampled_from(b"< > & \" ' / \x00 \xff ]]> <!-- </a> <a> <row> =".split(b" ")),
    at=st.integers(0, 400),
    cut=st.integers(0, 8),
    size=st.integers(1, 300),
)  # fmt: skip
def test_any_bytes_are_rows_or_rejected_or_a_named_error(
    rows: list[str], junk: bytes, at: int, cut: int, size: int
) -> None:
    data = file(*rows)
    data = data[:at] + junk + data[at + cut :]
    reader = Xml(row="row", fields=("a", Element("b", "@id", "#text", many=True), Element("c", "#markup")))
    try:
        pieces = list(reader.cut(io.BytesIO(data), size))
        drafted = Xml(row="row").drafted(pieces)
    except DataError:
        return
    for one in (reader, drafted):
        for piece in pieces:
            check_piece(one, piece)


values = st.fixed_dictionaries(
    {},
    optional={
        "@id": texts,
        "name": texts,
        "date": st.fixed_dictionaries({"year": texts}, optional={"month": texts}),
        "author": st.lists(st.fixed_dictionaries({"text": texts}, optional={"valid": texts}), min_size=1, max_size=3),
    },
)
WRITTEN = Xml(
    row="row", fields=("@id", "name", Element("date", "year", "month"), Element("author", "@valid", "#text", many=True))
)


def written(row: Row) -> str:
    def tag(name: str, value: str) -> str:
        return f"<{name}>{escape(value)}</{name}>"

    inner = [tag("name", row["name"])] if "name" in row else []
    if "date" in row:
        inner.append(f"<date>\n {' '.join(tag(*one) for one in row['date'].items())}\n</date>")
    for one in row.get("author", []):
        valid = f" valid={quoteattr(one['valid'])}" if "valid" in one else ""
        inner.append(f"<author{valid}>{escape(one['text'])}</author>")
    head = f" id={quoteattr(row['@id'])}" if "@id" in row else ""
    return f"<row{head}>{'  '.join(inner)}</row>"


@given(rows=st.lists(values, max_size=6), size=st.integers(1, 200))
def test_values_come_back(rows: list[Row], size: int) -> None:
    found, rejected = read(WRITTEN, file(*map(written, rows)), size)
    assert not rejected
    nothing: Row = {"@id": None, "name": None, "date": None, "author": None, "_special": None}
    expected = [{**nothing, **row} for row in rows]
    for row in expected:
        row["date"] = row["date"] and {"year": None, "month": None, **row["date"]}
        row["author"] = row["author"] and [{"valid": None, **one} for one in row["author"]]
    assert found == expected


# ---- real files


@pytest.fixture(scope="module")
def truth(realdata: Path) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads((realdata / "truth.json").read_text()))


REAL = {
    "spark-xml/ages-mixed-types.xml": ("person", 3, 0),
    "spark-xml/ages-with-spaces.xml": ("person", 3, 0),
    "spark-xml/ages.xml": ("person", 3, 0),
    "spark-xml/basket.xml": ("entry", 2, 0),
    "spark-xml/basket_invalid.xml": ("entry", 2, 0),
    "spark-xml/books-attributes-in-no-child.xml": ("book", 12, 0),
    "spark-xml/books-complicated.xml": ("book", 3, 0),
    "spark-xml/books-namespaces.xml": ("book", 3, 0),
    "spark-xml/books-nested-array.xml": ("book", 12, 0),
    "spark-xml/books.xml": ("book", 12, 0),
    "spark-xml/cars-iso-8859-1.xml": ("ROW", 3, 0),
    "spark-xml/cars-malformed.xml": ("ROW", 1, 2),
    "spark-xml/cars-mixed-attr-no-child.xml": ("ROW", 3, 0),
    "spark-xml/cars.xml": ("ROW", 3, 0),
    "spark-xml/gps-empty-field.xml": ("ROW", 2, 0),
    "spark-xml/mixed_children.xml": ("foo", 1, 0),
    "spark-xml/null-numbers.xml": ("ROW", 3, 0),
    "spark-xml/self-closing-tag.xml": ("ROW", 1, 0),
    "spark-xml/topics-namespaces.xml": ("Topic", 1, 0),
    "pubmed/pubmed-29768149.xml": ("PubmedArticle", 1, 0),
    "pubmed/6605965a.nxml": ("ref", 34, 0),
}
"""Row tag, rows and rejected rows of every file that is XML, by `truth.json`."""


def said(element: Any, path: str = "") -> list[tuple[str, str]]:
    """All that lxml finds in an element, white space between elements aside, each under its path of local names."""
    own = [(f"{path}@{etree.QName(name).localname}", value) for name, value in element.attrib.items()]
    texts = [element.text, *(child.tail for child in element)]
    own += [(path, text) for text in texts if text and text.strip()]
    for child in element.iterchildren(tag=etree.Element):
        own += said(child, f"{path}/{etree.QName(child).localname}")
    return own


def kept(value: Any, field: Element, path: str = "", *, item: bool = False) -> list[tuple[str, str]]:
    """The same of a value in a table."""
    if value is None:
        return []
    if field.many and not item:
        return [one for each in value for one in kept(each, field, path, item=True)]
    if field.name.startswith("@"):
        return [(f"{path}@{local(field.name)[1:]}", value)]
    here = path if field.name.startswith("#") else f"{path}/{local(field.name)}"
    if field.fields:
        return [
            one for inner, each in zip(field.fields, value.values(), strict=True) for one in kept(each, inner, here)
        ]
    if field.markup or field.name == "#markup":
        return said(etree.fromstring(f'<x xmlns:xlink="x" xmlns:mml="m">{value}</x>'), here)
    return [(here, value)] if value.strip() else []


def all_kept(row: Row, reader: Xml) -> list[tuple[str, str]]:
    return sorted(one for field in reader.fields or () for one in kept(row[field.name], field))


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("size", [1, 1_000_000])
def test_real_files(name: str, size: int, realdata: Path, truth: dict[str, Any]) -> None:
    tag, good, bad = REAL[name]
    data = (realdata / "xml" / name).read_bytes()
    stated = truth[f"xml/{name}"].get("stated_by_repo") or {}
    if stated.get("rowTag") == tag and isinstance(stated["rows"], int):
        assert good == stated["rows"]
    if "element_counts" in (known := truth[f"xml/{name}"].get("lxml", {})) and tag in known["element_counts"]:
        assert good == known["element_counts"][tag]
    pieces = list(Xml(row=tag).cut(io.BytesIO(data), size))
    reader = Xml(row=tag).drafted(pieces)
    assert reader.schema is not None
    found, rejected = list[list[tuple[str, str]]](), list[Rejected]()
    for piece in pieces:
        check_piece(reader, piece)
        table, more = reader.read(piece)
        rejected += more
        assert table["_special"].null_count == table.num_rows
        for row in table.to_pylist():
            found.append(all_kept(row, reader))
    assert (len(found), len(rejected)) == (good, bad)
    if not bad:
        root = etree.fromstring(data)
        assert found == [sorted(said(row)) for row in root.iter("{*}" + tag)]


@pytest.mark.parametrize(
    ("name", "tag", "reason"),
    [
        ("empty.xml", "x", "no element found"),
        ("unclosed_tag.xml", "book", "not well-formed"),
        ("cars.xml.gz", "ROW", "not well-formed"),
        ("fias_house.xml.bz2", "House", "not well-formed"),
    ],
)
def test_real_files_that_are_none(name: str, tag: str, reason: str, realdata: Path) -> None:
    with pytest.raises(Unreadable, match=reason):
        read(Xml(row=tag), (realdata / "xml/spark-xml" / name).read_bytes())


def test_a_real_file_behind_two_byte_order_marks(realdata: Path, truth: dict[str, Any]) -> None:
    data = (realdata / "xml/spark-xml/fias_house.xml").read_bytes()
    rows, _ = read(Xml(row="House"), data)
    assert len(rows) == truth["xml/spark-xml/fias_house.xml"]["stated_by_repo"]["rows"]
    assert rows[0]["@HOUSEID"] == "96a60057-523d-4d66-b610-0000000608b3"
    assert rows[0]["@HOUSENUM"] == "74"
    elements = ElementTree.fromstring(data.removeprefix(b"\xef\xbb\xbf" * 2))
    for element, row in zip(elements, rows, strict=True):
        assert element.attrib == {name[1:]: value for name, value in row.items() if value is not None}


def test_a_real_citation_field_by_field(realdata: Path) -> None:
    (row,), _ = read(Xml(row="PubmedArticle"), (realdata / "xml/pubmed/pubmed-29768149.xml").read_bytes())
    citation = row["MedlineCitation"]
    assert (citation["owner"], citation["status"]) == ("NLM", "MEDLINE")
    assert citation["pmid"] == {"version": "1", "text": "29768149"}
    assert citation["datecompleted"] == {"year": "2018", "month": "05", "day": "24"}
    found = citation["article"]
    assert found["pubmodel"] == "Print"
    assert found["journal"] == {
        "issn": {"issntype": "Electronic", "text": "1533-4406"},
        "journalissue": {
            "citedmedium": "Internet",
            "volume": "378",
            "issue": "20",
            "pubdate": {"year": "2018", "month": "05", "day": "17"},
        },
        "title": "The New England journal of medicine",
        "isoabbreviation": "N Engl J Med",
    }
    assert found["articletitle"] == "Inhaled Combined Budesonide-Formoterol as Needed in Mild Asthma."
    assert found["elocationid"] == {"eidtype": "doi", "validyn": "Y", "text": "10.1056/NEJMoa1715274"}
    texts = found["abstract"]["abstracttext"]
    assert [text["label"] for text in texts] == ["BACKGROUND", "METHODS", "RESULTS", "CONCLUSIONS"]
    assert "a fast-acting &#946;\n\t\t\t\t\t\t<sub>2</sub>-agonist may be" in texts[0]["markup"]
    authors = found["authorlist"]["author"]
    assert [one["lastname"] for one in authors[:3]] == ["O'Byrne", "FitzGerald", "Bateman"]
    assert (len(authors), authors[0]["forename"], authors[0]["initials"]) == (10, "Paul M", "PM")
    assert authors[0]["affiliationinfo"]["affiliation"].startswith("From the Firestone Institute")
    assert found["databanklist"]["databank"]["accessionnumberlist"] == {"accessionnumber": "NCT02149199"}
    assert found["publicationtypelist"]["publicationtype"][5] == {
        "ui": "D013485",
        "text": "Research Support, Non-U.S. Gov't",
    }
    assert citation["chemicallist"]["chemical"][0] == {
        "registrynumber": "0",
        "nameofsubstance": {"ui": "D001993", "text": "Bronchodilator Agents"},
    }
    mesh = citation["meshheadinglist"]["meshheading"]
    assert (len(mesh), sum(len(one["qualifiername"] or ()) for one in mesh)) == (23, 10)


# ---- the synthetic file


@pytest.fixture(scope="module")
def pubmed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    path = tmp_path_factory.mktemp("pubmed") / "pubmed.xml"
    return path, articles(path, 1_500_000, seed=1)


def test_synthetic_citations_are_read_whole(pubmed: tuple[Path, int], monkeypatch: pytest.MonkeyPatch) -> None:
    path, count = pubmed
    monkeypatch.setattr(xml, "_BLOCK", 300_000)
    with path.open("rb") as stream:
        pieces = list(Xml(row="PubmedArticle").cut(stream, 1_000_000))
    reader = Xml(row="PubmedArticle").drafted(pieces)
    assert reader.schema is not None
    found = list[Row]()
    for piece in pieces:
        check_piece(reader, piece)
        found += reader.read(piece)[0].to_pylist()
    root = etree.parse(path).getroot()
    assert len(found) == len(root.findall("PubmedArticle")) == count
    for row, element in zip(found, root, strict=False):
        assert row["_special"] is None
        assert all_kept(row, reader) == sorted(said(element))
    (deleted,), _ = read(Xml(row="DeleteCitation"), path.read_bytes())
    assert [one["text"] for one in deleted["PMID"]] == [one.text for one in root[-1]]


def test_no_synthetic_citation_needs_to_be_read_alone(
    pubmed: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, count = pubmed

    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("spark.readers.xml.parsed", never)
    monkeypatch.setattr("spark.readers.xml_draft.parsed", never)
    rows, rejected = read(Xml(row="PubmedArticle"), path.read_bytes())
    assert (len(rows), rejected) == (count, [])


def test_synthetic_citations_are_as_their_dtd_says(pubmed: tuple[Path, int], realdata: Path) -> None:
    text = (realdata / "sources/pubmed/dtd/pubmed_250101.dtd").read_text()
    text = re.sub(r"<!ENTITY % mathml-in-pubmed[^>]*>\s*%mathml-in-pubmed;", "<!ELEMENT mml:math ANY>", text)
    dtd = etree.DTD(io.StringIO(text))
    assert dtd.validate(etree.parse(pubmed[0])), dtd.error_log


def test_synthetic_files_are_a_function_of_their_seed(pubmed: tuple[Path, int], tmp_path: Path) -> None:
    assert articles(tmp_path / "again.xml", 1_500_000, seed=1) == pubmed[1]
    assert (tmp_path / "again.xml").read_bytes() == pubmed[0].read_bytes()
    assert 1_500_000 <= pubmed[0].stat().st_size < 1_600_000
    assert article(1, 5).encode() in pubmed[0].read_bytes()
    assert article(2, 5) != article(1, 5)


def test_the_contract_of_conversion(pubmed: tuple[Path, int]) -> None:
    with pubmed[0].open("rb") as stream:
        pieces = list(Xml(row="PubmedArticle").cut(stream, 500_000))
    tables = [table for table, _ in parse(pieces, PUBMED, "pubmed.xml")]
    assert sum(table.num_rows for table in tables) == pubmed[1]
    assert tables[0].column_names == ["_record", "medlinecitation", "pubmeddata", "_special"]
    assert all(table["_special"].null_count == table.num_rows for table in tables)
