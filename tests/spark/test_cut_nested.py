"""XML elements and members of a JSON array."""

import io
import json
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark.cutting import cut_elements, cut_members, element_spans, spans
from spark.errors import Unreadable
from spark.parts import Piece
from spark.readers.base import without_bad
from tests.spark.made import Dribble

READS = [1, 2, 3, 7, 1_000]
SIZES = [1, 10, 1_000]


def check(pieces: list[Piece], file: bytes, body: bytes) -> None:
    """Together, the pieces are the body, and each says where it stands in the file."""
    assert b"".join(piece.data for piece in pieces) == body
    assert all(file[p.offset : p.offset + len(p.data)] == p.data for p in pieces)
    assert [p.first_record for p in pieces] == [1 + sum(p.records or 0 for p in pieces[:i]) for i in range(len(pieces))]


class Xml(NamedTuple):
    """A document; `body` is from its first row's start to its last one's end, `rows` are the rows."""

    name: str
    data: bytes
    rows: list[bytes]
    body: bytes | None = None
    tag: str = "row"


XML = [
    Xml(
        "rows",
        b"<r>\n<row>1</row>\n<row>2</row>\n</r>",
        [b"<row>1</row>", b"<row>2</row>"],
        b"<row>1</row>\n<row>2</row>",
    ),
    Xml("self-closing", b"<r><row/><row a='/'/><row /></r>", [b"<row/>", b"<row a='/'/>", b"<row />"]),
    Xml("a > in an attribute", b"<r><row a='>' b=\"</row>\">x</row ></r>", [b"<row a='>' b=\"</row>\">x</row >"]),
    Xml(
        "a row in a row", b"<r><row>1<row>2<row/></row></row><row/></r>", [b"<row>1<row>2<row/></row></row>", b"<row/>"]
    ),
    Xml("names that begin alike", b"<r><rows/><row-x/><row.y/><row>1</row><rowing/></r>", [b"<row>1</row>"]),
    Xml(
        "comments",
        b"<r><!-- <row> > --><row><!-- </row> -- ' --></row><!--<row/>--></r>",
        [b"<row><!-- </row> -- ' --></row>"],
    ),
    Xml("CDATA", b"<r><![CDATA[<row>]]><row><![CDATA[</row>]]]]></row></r>", [b"<row><![CDATA[</row>]]]]></row>"]),
    Xml("instructions", b"<?x <row>?><r><row><?y </row>?></row></r>", [b"<row><?y </row>?></row>"]),
    Xml("a document type", b"<!DOCTYPE r SYSTEM '<row/>'>\n<r><row/></r>", [b"<row/>"]),
    Xml(
        "one with declarations",
        b"<!DOCTYPE r [<!-- ' <row> ]> --><!ELEMENT r ANY><!ATTLIST row a CDATA ']>'><?z ]>?>] >\n<r><row/></r>",
        [b"<row/>"],
    ),
    Xml(
        "prefixes",
        b"<r xmlns:p='u'><p:row>1</p:row><row:p/><row/></r>",
        [b"<p:row>1</p:row>", b"<row/>"],
        b"<p:row>1</p:row><row:p/><row/>",
    ),
    Xml("one prefix alone", b"<r xmlns:p='u'><p:row>1</p:row><row/></r>", [b"<p:row>1</p:row>"], tag="p:row"),
    Xml(
        "at several depths",
        b"<r><a><row/></a><b><c><row>x</row></c></b></r>",
        [b"<row/>", b"<row>x</row>"],
        b"<row/></a><b><c><row>x</row>",
    ),
    Xml("the root itself", b"<?xml version='1.0'?><row><x/></row>", [b"<row><x/></row>"]),
    Xml("no row", b"<r><x/></r>", []),
    Xml("a byte order mark", b"\xef\xbb\xbf<r><row>\xc3\xa9</row></r>", [b"<row>\xc3\xa9</row>"]),
    Xml("not UTF-8 within a row", b"<r><row>\xe9</row><row/></r>", [b"<row>\xe9</row>", b"<row/>"]),
    Xml("not well-formed within a row", b"<r><row><a></row><row>&x;</row></r>", [b"<row><a></row>", b"<row>&x;</row>"]),
    Xml("a tag in a script of its own", "<ř><řádek>1</řádek></ř>".encode(), ["<řádek>1</řádek>".encode()], tag="řádek"),
]


@pytest.mark.parametrize("xml", XML, ids=[xml.name for xml in XML])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("read", READS)
def test_elements(xml: Xml, size: int, read: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "READ", read)
    pieces = list(cut_elements(io.BytesIO(xml.data), xml.tag, size))
    check(pieces, xml.data, b"".join(xml.rows) if xml.body is None else xml.body)
    rows = [[piece.data[a:b] for a, b in element_spans(piece.data, xml.tag)] for piece in pieces]
    assert [row for of_piece in rows for row in of_piece] == xml.rows
    assert [piece.records for piece in pieces] == list(map(len, rows))
    longest = max([len(row) for row in xml.rows], default=0) + len(xml.body or b"")
    assert all(len(piece.data) <= max(size, longest) for piece in pieces)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<r><row></r>", "ends within <row>"),
        (b"<r><row>x</row><row", "unclosed token"),
        (b"<r><row/>", "no element found"),
        (b"<r></row></r>", "</row> at byte 3 ends no row"),
        (b"<r><x></r>", "mismatched tag"),
        (b"<r><row/></r><r/>", "junk after document element"),
        (b"<r><!-- <row/></r>", "unclosed token"),
        (b"", "no element found"),
        (b"npi,name\n1,x\n", "syntax error"),
        (b'<!DOCTYPE r [<!ENTITY a "b">]><r><row>&a;</row></r>', "declares entities"),
        (b'<!DOCTYPE r [<!ENTITY % a SYSTEM "file:///etc/passwd">]><r><row/></r>', "declares entities"),
        (b"<?xml version='1.0' encoding='klingon'?><r/>", "unknown encoding"),
        (b"<r>&undeclared;<row/></r>", "undefined entity"),
    ],
)
@pytest.mark.parametrize("read", READS)
def test_xml_that_is_none(data: bytes, reason: str, read: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "READ", read)
    with pytest.raises(Unreadable, match=reason):
        list(cut_elements(io.BytesIO(data), "row"))


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        *(
            (wide, mark)
            for wide in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-8")
            for mark in (True, False)
        ),
        *((narrow, False) for narrow in ("iso-8859-1", "windows-1252", "shift_jis")),
    ],
)
@pytest.mark.parametrize("size", [1, 1_000])
def test_xml_in_any_encoding_is_cut_as_utf8(encoding: str, mark: bool, size: int) -> None:
    rows = [f"<row>{value}</row>" for value in ("b", "c|" if encoding == "shift_jis" else "é")]
    text = f"<?xml version='1.0' encoding='{encoding.removesuffix('-le').removesuffix('-be')}'?><r>{''.join(rows)}</r>"
    file = (("\ufeff" if mark else "") + text).encode(encoding)
    pieces = list(cut_elements(cast(BinaryIO, Dribble(file, 3)), "row", size))
    assert b"".join(piece.data for piece in pieces).decode() == "".join(rows)
    assert all(file[piece.offset :].startswith(piece.data.decode().encode(encoding)) for piece in pieces)


def bad_of(pieces: list[Piece]) -> tuple[dict[int, bytes], list[bytes], list[int]]:
    """What is bad, by record, put together again; what is good, and its ordinals."""
    bad: dict[int, bytes] = {}
    good, ordinals = list[bytes](), list[int]()
    last = 0
    for piece in pieces:
        data, numbers, _ = without_bad(piece)
        good.append(data)
        ordinals += numbers.tolist()
        for span in piece.bad:
            last = span.record or last
            bad[last] = bad.get(last, b"") + piece.data[span.start : span.start + span.length]
    return bad, good, ordinals


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("read", READS)
def test_a_row_longer_than_any_may_be_is_bad_alone(size: int, read: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "READ", read)
    long = b"<row>" + b"<x/>" * 30 + b"</row>"
    rows = [b"<row>1</row>", long, b"<row>2</row>"]
    file = b"<r>" + b" ".join(rows) + b"</r>"
    pieces = list(cut_elements(io.BytesIO(file), "row", size, max_record=40))
    check(pieces, file, b" ".join(rows))
    bad, good, ordinals = bad_of(pieces)
    assert bad == {2: long}
    assert b"".join(good).split() == [rows[0], rows[2]]
    assert ordinals == [1, 3]
    assert all(len(piece.data) <= size + 40 for piece in pieces)


@pytest.mark.parametrize("size", SIZES)
def test_what_stands_between_rows_is_bounded_too(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "READ", 10)
    file = b"<r>" + b"<x/>" * 100 + b"<row/>" + b"<x/>" * 100 + b"<row>1</row>" + b"<x/>" * 100 + b"</r>"
    pieces = list(cut_elements(io.BytesIO(file), "row", size, max_record=40))
    assert all(len(piece.data) <= 90 for piece in pieces)
    assert all(file[p.offset : p.offset + len(p.data)] == p.data for p in pieces)
    rows = [piece.data[a:b] for piece in pieces for a, b in element_spans(piece.data, "row")]
    assert rows == [b"<row/>", b"<row>1</row>"]


@pytest.fixture(scope="module")
def truth(realdata: Path) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads((realdata / "truth.json").read_text()))


REAL_XML = {
    "spark-xml/ages-mixed-types.xml": "person",
    "spark-xml/ages-with-spaces.xml": "person",
    "spark-xml/ages.xml": "person",
    "spark-xml/basket.xml": "entry",
    "spark-xml/basket_invalid.xml": "entry",
    "spark-xml/books-attributes-in-no-child.xml": "book",
    "spark-xml/books-complicated.xml": "book",
    "spark-xml/books-namespaces.xml": "book",
    "spark-xml/books-nested-array.xml": "book",
    "spark-xml/books.xml": "book",
    "spark-xml/cars-iso-8859-1.xml": "ROW",
    "spark-xml/cars-mixed-attr-no-child.xml": "ROW",
    "spark-xml/cars.xml": "ROW",
    "spark-xml/gps-empty-field.xml": "ROW",
    "spark-xml/mixed_children.xml": "foo",
    "spark-xml/null-numbers.xml": "ROW",
    "spark-xml/self-closing-tag.xml": "ROW",
    "spark-xml/topics-namespaces.xml": "Topic",
    "pubmed/pubmed-29768149.xml": "Author",
    "pubmed/6605965a.nxml": "ref",
}


@pytest.mark.parametrize("name", REAL_XML)
@pytest.mark.parametrize("size", [1, 1_000_000])
def test_real_xml(name: str, size: int, realdata: Path, truth: dict[str, Any]) -> None:
    pieces = list(cut_elements(io.BytesIO((realdata / "xml" / name).read_bytes()), REAL_XML[name], size))
    counts = truth[f"xml/{name}"]["lxml"]["element_counts"]
    assert sum(piece.records or 0 for piece in pieces) == counts[REAL_XML[name]]


def test_real_xml_with_malformed_rows(realdata: Path) -> None:
    pieces = list(cut_elements(io.BytesIO((realdata / "xml/spark-xml/cars-malformed.xml").read_bytes()), "ROW"))
    (piece,) = pieces
    fit = 0
    for a, b in element_spans(piece.data, "ROW"):
        try:
            ElementTree.fromstring(piece.data[a:b])
            fit += 1
        except ElementTree.ParseError:
            pass
    assert (piece.records, fit) == (3, 1)


@pytest.mark.parametrize(("name", "tag"), [("empty.xml", "x"), ("unclosed_tag.xml", "book"), ("cars.xml.gz", "ROW")])
def test_real_xml_that_is_none(name: str, tag: str, realdata: Path) -> None:
    with pytest.raises(Unreadable):
        list(cut_elements(io.BytesIO((realdata / "xml/spark-xml" / name).read_bytes()), tag))


# ---- JSON


class Json(NamedTuple):
    """A text, the path of its array, and what stands in it."""

    name: str
    data: bytes
    path: str
    body: bytes
    records: int


JSON = [
    Json("numbers", b"[1,2,3]", "$", b"1,2,3", 3),
    Json("objects", b'\n[\n {"a":1},\n {"b":[{},[]]}\n]\n', "$", b'{"a":1},\n {"b":[{},[]]}', 2),
    Json("none", b" [ ] ", "$", b"", 0),
    Json("what is in strings", b'["],[","\\\\","\\"],","\\\\\\"]"]', "$", b'"],[","\\\\","\\"],","\\\\\\"]"', 4),
    Json("under a key", b'{"m":{"results":[0]},"results":[ {} , 1 ],"n":[2]}', "$.results", b"{} , 1", 2),
    Json("under keys", b'{"a.b":[0],"b":[[{"b":[0]}]],"a":{"c":{},"b":[true,null]}}', "a.b", b"true,null", 2),
    Json("a key that is written otherwise", b'{"\\u0061":[1]}', "a", b"1", 1),
    Json("a value that is called as the key", b'{"b":"a","c":["a"],"a":["a"]}', "a", b'"a"', 1),
    Json("the first of two", b'{"a":[1],"a":[2]}', "a", b"1", 1),
    Json("empty, and more behind", b'{"a":[],"b":[1,2]}', "a", b"", 0),
    Json("a byte order mark", b"\xef\xbb\xbf[1]", "$", b"1", 1),
]


@pytest.mark.parametrize("case", JSON, ids=[case.name for case in JSON])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("read", READS)
def test_members(case: Json, size: int, read: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "READ", read)
    pieces = list(cut_members(io.BytesIO(case.data), case.path, size))
    body = b"".join(piece.data for piece in pieces)
    assert body.rstrip() == case.body
    check(pieces, case.data, body)
    assert [piece.records for piece in pieces] == [len(members(piece.data)) for piece in pieces]
    assert sum(piece.records or 0 for piece in pieces) == case.records


def members(data: bytes) -> list[object]:
    """What a piece holds."""
    return cast(list[object], json.loads(b"[" + data.strip().removesuffix(b",") + b"]"))


@pytest.mark.parametrize(
    ("data", "path", "reason"),
    [
        (b"[1,2", "$", "ends within its brackets"),
        (b'["a]', "$", "ends within its brackets"),
        (b'{"a":[1]', "a", "ends within its brackets"),
        (b'{"a":', "a", "no array at a"),
        (b"[", "$", "ends within its brackets"),
        (b"", "$", "no array at"),
        (b"5", "$", "no array at"),
        (b'{"a":1}', "$", "no array at"),
        (b"[[1]]", "a", "no array at a"),
        (b'{"a":{}}', "a", "no array at a"),
        (b'{"a":"[1]"}', "a", "no array at a"),
        (b'{"b":[1]}', "a", "no array at a"),
        (b'{"a":5,"a":[1]}', "a", "no array at a"),
        (b"[1][2]", "$", "something stands behind"),
        (b"[1]]", "$", "something stands behind"),
        (b"<html>", "$", "no array at"),
    ],
)
@pytest.mark.parametrize("read", READS)
def test_json_that_has_no_such_array(
    data: bytes, path: str, reason: str, read: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "READ", read)
    with pytest.raises(Unreadable, match=reason):
        list(cut_members(io.BytesIO(data), path))


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(alphabet='a"\\\\[]{},:\n\u00e9', max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=8,
)


@settings(deadline=None)
@given(
    values=st.lists(json_values, max_size=8),
    keys=st.lists(st.sampled_from(["a", "b", 'c"', "é"]), max_size=2),
    around=st.dictionaries(st.sampled_from(["x", "y", "z"]), json_values, max_size=2),
    indent=st.sampled_from([None, 1]),
    ascii_=st.booleans(),
    size=st.integers(1, 60),
    read=st.integers(1, 70),
    most=st.integers(5, 200),
)
def test_members_are_what_json_says(
    values: list[object],
    keys: list[str],
    around: dict[str, object],
    indent: int | None,
    ascii_: bool,
    size: int,
    read: int,
    most: int,
) -> None:
    document: object = values
    for key in reversed(keys):
        document = {**around, key: document, "last": 1}
    file = json.dumps(document, indent=indent, ensure_ascii=ascii_).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spans, "READ", read)
        pieces = list(cut_members(cast(BinaryIO, Dribble(file, 7)), ".".join(["$", *keys]), size, max_record=most))
    assert all(file[p.offset : p.offset + len(p.data)] == p.data for p in pieces)
    assert all(len(piece.data) <= size + most for piece in pieces)
    bad, _, ordinals = bad_of(pieces)
    assert sorted([*ordinals, *bad]) == list(range(1, len(values) + 1))
    found = {n: v for p in pieces for n, v in zip(without_bad(p)[1].tolist(), members(without_bad(p)[0]), strict=True)}
    assert found == {n: value for n, value in enumerate(values, 1) if n not in bad}
