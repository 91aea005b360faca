"""JSON: scenarios, values put together again from columns and `_special`, any bytes, real files."""

import io
import json
import os
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.lake import Lake
from spark.convert import Target, convert_file, settled, split
from spark.cutting import spans
from spark.errors import CountMismatch, DataError, Unreadable
from spark.parts import Piece, Rejected
from spark.readers.fields import ITSELF, Number, Shape, is_double, top
from spark.readers.json import Json
from spark.tables import Tables
from tests.spark.made import stage

REALDATA = Path(os.environ.get("INLET_REALDATA", "-"))
REAL = sorted(
    str(path.relative_to(REALDATA))
    for ending in ("json", "jsonl", "ndjson")
    for path in (REALDATA.rglob(f"*.{ending}") if os.environ.get("INLET_REALDATA") else [])
)


def read(data: bytes, reader: Json, size: int = 1 << 20) -> tuple[list[dict[str, Any]], list[Rejected]]:
    """Rows as Python sees them, by a reader that is drafted on all of it where it declares nothing."""
    pieces = list(reader.cut(io.BytesIO(data), size))
    reader = reader.drafted(pieces)
    rows: list[dict[str, Any]] = []
    rejected: list[Rejected] = []
    for piece in pieces:
        table, wrong = reader.read(piece)
        table.validate(full=True)
        assert table.schema == reader.schema
        assert sorted([*table[0].to_pylist(), *(bad.record for bad in wrong)]) == list(
            range(piece.first_record, piece.first_record + (piece.records or 0))
        )
        rows += table.to_pylist(maps_as_pydicts="strict")
        rejected += wrong
    return rows, rejected


class Case(NamedTuple):
    """A file, its reader, what its columns and `_special` hold, and what is rejected, by record."""

    name: str
    data: bytes
    rows: list[dict[str, Any]]
    rejected: Mapping[int, str] = MappingProxyType({})
    reader: Json = Json()


def _row(_special: dict[str, str] | None = None, **columns: object) -> dict[str, Any]:
    return {**columns, "_special": _special}


CASES = [
    Case("lines", b'{"a":1}\n{"a":2}\n', [_row(a=1), _row(a=2)]),
    Case("lines by CRLF, blank ones, no last end", b'{"a":1}\r\n\r\n{"a":2}', [_row(a=1), _row(a=2)]),
    Case("an array", b'[{"a":1},{"a":2}]', [_row(a=1), _row(a=2)]),
    Case("an array, a member a line", b'[\n{"a":1},\n{"a":2}\n]\n', [_row(a=1), _row(a=2)]),
    Case("an array whose lines look like records", b'[{\n"a":1},{"a":2}]', [_row(a=1), _row(a=2)]),
    Case("one object over lines", b'{\n  "a": 1\n}\n', [_row(a=1)]),
    Case("objects over lines", b'{\n"a":\n1}{"a":2}\n\n{"a"\n:3}', [_row(a=1), _row(a=2), _row(a=3)]),
    Case("a text sequence", b'\x1e{"a":\n1}\n\x1e{"a":2}\n', [_row(a=1), _row(a=2)], reader=Json(lines=False)),
    Case("arrays in lines", b"[1]\n[2,3]\n", [_row(value=[1]), _row(value=[2, 3])]),
    Case("an array under keys", b'{"n":1,"r":{"s":[{"a":1}]}}', [_row(a=1)], reader=Json(at="$.r.s")),
    Case("scalars", b"[1,null,2]", [_row(value=1), _row(value=None), _row(value=2)]),
    Case("text in lines", b'"x"\n"{"\n', [_row(value="x"), _row(value="{")]),
    Case("scalars and objects", b'[1,{"a":2}]', [_row(value="1"), _row(value='{"a":2}')]),
    Case("nothing", b"", []),
    Case("an empty array", b" [ ]\n", []),
    Case("empty objects", b"{}\n{}\n", [_row(), _row()]),
    Case("null and absent", b'{"a":null,"b":1}\n{"b":null}\n', [_row(a=None, b=1), _row(a=None, b=None)]),
    Case(
        "nested",
        b'{"a":{"B c":[{"d":1},{"d":null},null,{}]},"e":[[1],[]]}\n{"a":null}\n{"a":{}}',
        [
            _row(a={"b_c": [{"d": 1}, {"d": None}, None, {"d": None}]}, e=[[1], []]),
            _row(a=None, e=None),
            _row(a={"b_c": None}, e=None),
        ],
    ),
    Case(
        "keys that clash in the lake",
        b'{"o":{"a":1,"A":2,"":3}}\n{"o":{"A":4}}',
        [_row(o={"a": 1, "a_2": 2, "column_3": 3}), _row(o={"a": None, "a_2": 4, "column_3": None})],
    ),
    Case("ints and doubles", b'{"a":1}\n{"a":2.5}\n{"a":-0.0}', [_row(a=1.0), _row(a=2.5), _row(a=-0.0)]),
    Case("the largest int", b'{"a":9223372036854775807}', [_row(a=2**63 - 1)]),
    Case("one larger", b'{"a":1}\n{"a":9223372036854775809}', [_row(a="1"), _row(a="9223372036854775809")]),
    Case(
        "ints that doubles do not hold",
        b'{"a":9007199254740993}\n{"a":0.5}',
        [_row(a="9007199254740993"), _row(a="0.5")],
    ),
    Case("a long fraction", b'{"a":0.12345678901234567890}', [_row(a="0.12345678901234567890")]),
    Case("a double of 17 digits", b'{"a":0.10000000000000001}', [_row(a=0.1)]),
    Case("beyond doubles", b'{"a":1e400}\n{"a":1e-400}', [_row(a="1e400"), _row(a="1e-400")]),
    Case("mixed", b'{"a":1}\n{"a":"x"}\n{"a":true}', [_row(a="1"), _row(a='"x"'), _row(a="true")]),
    Case("object or list", b'{"a":{"b": 1}}\n{"a":[ 1]}', [_row(a='{"b": 1}'), _row(a="[ 1]")]),
    Case("scalar or list", b'{"a":1}\n{"a":[1]}', [_row(a="1"), _row(a="[1]")]),
    Case("empty objects and lists", b'{"a":{},"b":[]}', [_row(a="{}", b=[])]),
    Case("dates stay text", b'{"a":"2020-01-01T00:00:00Z"}', [_row(a="2020-01-01T00:00:00Z")]),
    Case("NUL and pairs of surrogates", rb'{"a":"x\u0000y\ud83d\ude00"}', [_row(a="x\0y\U0001f600")]),
    Case(
        "half a pair",
        rb'{"a":"\ud800","\udc00":1}' + b'\n{"a":"x"}',
        [_row({"a": r'"\ud800"', r'"\udc00"': "1"}, a=None), _row(a="x")],
    ),
    Case("a key twice", b'{"a":1,"a": 2}\n{"a":3}', [_row({"$": '{"a":1,"a": 2}'}, a=2), _row(a=3)]),
    Case("twice within", b'[{"o":{"a":1,"a":2}}]', [_row({"o": '{"a":1,"a":2}'}, o={"a": 2})]),
    Case("twice, null first", b'{"a":null,"a":1}', [_row({"$": '{"a":null,"a":1}'}, a=1)]),
    Case(
        "what does not fit",
        b'{"a":"x"}\n{"a":1.0}\n{"b":[1,"y",{"c":"z","d":null}]}\n{"e e":{"f" :1}}\n5',
        [
            _row({"a": '"x"'}, a=None, b=None),
            _row({"a": "1.0"}, a=None, b=None),
            _row({"b[0]": "1", "b[1]": '"y"', "b[2].c": '"z"', "b[2].d": "null"}, a=None, b=[None, None, {"x": None}]),
            _row({'"e e"': '{"f" :1}'}, a=None, b=None),
            _row({"$": "5"}, a=None, b=None),
        ],
        reader=Json(fields={"a": "int", "b": [{"x": "int"}]}),
    ),
    Case(
        "a map",
        b'{"m":{"k":1,"l":"x"}}\n{"m":{}}\n{"m":[]}',
        [_row({"m.l": '"x"'}, m={"k": 1, "l": None}), _row(m={}), _row({"m": "[]"}, m=None)],
        reader=Json(fields={"m": {"*": "int"}}),
    ),
    Case(
        "a double that is declared",
        b'{"a":12345678901234567890}\n{"a":1}\n{"a":0.12345678901234567890}',
        [
            _row({"a": "12345678901234567890"}, a=None),
            _row(a=1.0),
            _row({"a": "0.12345678901234567890"}, a=None),
        ],
        reader=Json(fields={"a": "double"}),
    ),
    Case("nothing is declared", b'{"a":1}', [_row({"a": "1"})], reader=Json(fields={})),
    Case(
        "no JSON",
        b'{"a":1}\n{"a":}\n{"a":1,}\n{"a":1\n{"a":NaN}\n{a:1}\n{"a":01}\n{"a":1}{"a":2}\n{"a":1} // x\n{"a":"\t"}\n'
        b'{"a":-Infinity}\n   \n{"a":2}',
        [_row(a=1), _row(a=2)],
        {
            2: "it is no JSON: a value is missing, or unknown",
            3: "it is no JSON: a key is missing",
            4: "it ends too early",
            5: "NaN is no JSON",
            6: "it is no JSON: a key is missing",
            7: "it is no JSON: a comma is missing",
            8: "something stands behind its end",
            9: "something stands behind its end",
            10: "it is no JSON: invalid control character at",
            11: "-Infinity is no JSON",
            12: "it ends too early",
        },
    ),
    Case("NaN in a column of doubles", b'{"a":1.5}\n{"a":NaN}', [_row(a=1.5)], {2: "NaN is no JSON"}),
    Case(
        "two in a line and a blank one",
        b'{"a":1}{"a":2}\n \n{"a":3}',
        [_row(a=3)],
        reader=Json(lines=True),
        rejected={1: "something stands behind its end", 2: "it ends too early"},
    ),
    Case("no member behind the last comma", b'[{"a":1}, ]', [_row(a=1)], {2: "it ends too early"}),
    Case(
        "a member that is none",
        b'[{"a":1},{b},{"a":2}]',
        [_row(a=1), _row(a=2)],
        {2: "it is no JSON: a key is missing"},
    ),
    Case("not UTF-8", b'{"a":"\xff"}\n{"a":"x"}', [_row(a="x")], {1: "not UTF-8"}),
    Case(
        "NUL",
        b'{"a":"x"}\n{"a":"\0"}\n\0',
        [_row(a="x")],
        {2: "it is no JSON: invalid control character at", 3: "it is no JSON: a value is missing, or unknown"},
    ),
    Case(
        "nested too deeply",
        b'{"a":1}\n{"b":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        [_row(a=1)],
        {2: "it is nested too deeply"},
    ),
    Case("a byte order mark", b'\xef\xbb\xbf{"a":1}', [_row(a=1)]),
    Case(
        "a byte order mark within",
        b'{"a":1}\n\xef\xbb\xbf{"a":1}',
        [_row(a=1)],
        {2: "it is no JSON: a value is missing, or unknown"},
    ),
    Case("UTF-16", '\ufeff{"a":"\u0a22"}\n{"a":"x"}\n'.encode("utf-16-le"), [_row(a="\u0a22"), _row(a="x")]),
    Case("latin-1", '{"é":"ü"}'.encode("latin-1"), [_row(**{"é": "ü"})], reader=Json(encoding="latin-1")),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
@pytest.mark.parametrize("size", [1, 20, 1_000_000])
def test_a_file_is_read_as_it_should(case: Case, size: int) -> None:
    rows, rejected = read(case.data, case.reader, size)
    assert [{k: v for k, v in row.items() if k != "_record"} for row in rows] == case.rows
    assert {bad.record: bad.reason for bad in rejected} == case.rejected


@pytest.mark.parametrize(
    ("data", "reader", "reason"),
    [
        (b'{"a":[1]}', Json(at="b"), "no array at b"),
        (b"<html>", Json(at="$"), "no array at"),
        (b"[1", Json(), "ends within its brackets"),
        (b'{\n"a":', Json(), "ends within its brackets"),
        (b'{\n"a":1}\nx\n{}', Json(), "stands between"),
        ('{"a":1}\n'.encode("utf-16-le"), Json(), "every other byte is NUL"),
    ],
)
def test_what_cannot_be_cut_is_refused(data: bytes, reader: Json, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        list(reader.cut(io.BytesIO(data)))


def test_a_record_that_is_too_long_is_rejected_alone() -> None:
    for form in (b'{"a":1}\n{"a":"%s"}\n{"a":2}\n', b'[{"a":1},{"a":"%s"},{"a":2}]', b'{"a"\n:1}{"a":"%s"}{"a":2}'):
        rows, rejected = read(form % (b"x" * 200), Json(max_record=100))
        assert [row["a"] for row in rows] == [1, 2]
        assert [(bad.record, bad.reason) for bad in rejected] == [(2, "longer than 100 bytes")]


def test_a_piece_that_is_not_as_it_was_cut_is_refused() -> None:
    for reader in (Json(fields={}), Json(fields={}, at="$"), Json(fields={}, lines=True), Json(fields={}, lines=False)):
        with pytest.raises(CountMismatch):
            reader.read(Piece(data=b'{"a":1}', offset=0, first_record=1, records=3))
    with pytest.raises(Unreadable, match="neither declared nor drafted"):
        Json().read(Piece(data=b"{}", offset=0, first_record=1, records=1))


def test_a_declaration_is_plain_data() -> None:
    reader = Json(
        at="$.results", fields={"npi": "text", "tax": [{"code": "text", "rank": "int"}], "by": {"*": "double"}}
    )
    assert Json.model_validate_json(reader.model_dump_json()) == reader
    assert reader.drafted([]) is reader
    kinds = {field.name: str(field.type) for field in reader.schema or []}
    assert kinds == {
        "_record": "int64",
        "npi": "string",
        "tax": "list<item: struct<code: string, rank: int64>>",
        "by": "map<string, double>",
        "_special": "map<string, string>",
    }
    for wrong in ({"a": "integer"}, {"a": []}, {"a": ["text", "int"]}, {"a": {}}, {"a": 1}):
        with pytest.raises(ValidationError):
            Json.model_validate({"fields": wrong})
    with pytest.raises(ValidationError, match="not both"):
        Json(at="$", lines=True)


def test_keys_that_are_data_are_drafted_as_a_map() -> None:
    seen = [
        {"by": {f"k{n}": {"n": n} for n in range(i, i + 3)}, "flat": {f"f{n}": n for n in range(300)}}
        for i in range(300)
    ]
    data = "\n".join(map(json.dumps, seen)).encode()
    pieces = list(Json().cut(io.BytesIO(data)))
    drafted = Json().drafted(pieces)
    assert drafted.fields is not None
    assert drafted.fields["by"] == {"*": {"n": "int"}}
    assert len(cast(dict[str, Shape], drafted.fields["flat"])) == 300
    rows, _ = read(data, Json())
    assert [row["by"] for row in rows] == [record["by"] for record in seen]


def test_what_is_deep_is_drafted_as_json() -> None:
    deep = "[" * 60 + "]" * 60
    rows, _ = read(f'{{"a":{deep}}}'.encode(), Json())
    found, levels = rows[0]["a"], 0
    while isinstance(found, list):
        (found,), levels = found, levels + 1
    assert "[" * levels + found + "]" * levels == deep
    assert rows[0]["_special"] is None


def test_a_few_that_do_not_fit_spoil_nothing() -> None:
    records: list[dict[str, Any]] = [{"a": n, "b": [n / 8]} for n in range(5_000)]
    for n in range(0, 5_000, 617):
        records[n] = {"a": "x", "b": [n], "c": n}
    data = "\n".join(map(json.dumps, records)).encode()
    rows, rejected = read(data, Json(fields={"a": "int", "b": ["double"]}))
    assert not rejected
    assert [row["_record"] for row in rows] == list(range(1, 5_001))
    assert [row["b"] for row in rows] == [record["b"] for record in records]
    assert [row["_special"] for row in rows] == [
        {"a": '"x"', "c": str(n)} if n % 617 == 0 else None for n in range(5_000)
    ]


def test_nested_fields_stand_in_the_lake(local_lake: Lake, tmp_path: Path) -> None:
    data = b'[{"Id":1,"Who":{"Full Name":"A"},"m":{"k":1.5},"l":[{"Z z":true}]},{"Id":"x","new":2},{x}]'
    reader = Json(fields={"Id": "int", "Who": {"Full Name": "text"}, "m": {"*": "double"}, "l": [{"Z z": "bool"}]})
    fs, tables = local_lake.fs(), Tables(local_lake.catalog_properties(), local_lake.url())
    staged = stage(data, "x.json", reader, tmp_path, 40)
    assert settled(reader, [staged], fs) is reader
    folder = tables.folder("raw.x_x")
    to = Target(drop="d", file="x.json", columns=(), rows=folder, rejects=folder + "_rejects")
    shares = split(staged, reader, 2, fs)
    done = convert_file(shares, reader, to, fs, 2)
    assert (done.records, done.rows, done.rejected) == (3, 2, 1)
    mark = {"fingerprint": "f", "run": "r"}
    tables.replace("raw.x_x", shares.schema, {"_drop": "d"}, done.files, mark=("drop", "d", mark))
    assert tables.rows("raw.x_x") == 2
    (file,) = tables.files("raw.x_x")  # pyiceberg's own scan makes an empty list of one that is null
    rows = pq.read_table(file.removeprefix("file://")).drop_columns(["_drop", "_file"])
    assert rows.to_pylist(maps_as_pydicts="strict") == [
        {"_record": 1, "id": 1, "who": {"full_name": "A"}, "m": {"k": 1.5}, "l": [{"z_z": True}], "_special": None},
        {"_record": 2, "id": None, "who": None, "m": None, "l": None, "_special": {"Id": '"x"', "new": "2"}},
    ]


# ---- put together again


def numbers(draw_from: list[str] | None = None) -> st.SearchStrategy[Number]:
    written = st.one_of(
        st.integers(-(10**25), 10**25).map(str),
        st.integers(-3, 3).map(str),
        st.floats(allow_nan=False, allow_infinity=False).map(repr),
        st.from_regex(r"-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,3})?", fullmatch=True),
        st.sampled_from(draw_from or ["9007199254740993", "1.7976931348623159e308", "5e-324", "1E5", "-0", "2.50"]),
    )
    return written.map(lambda text: Number(text))


words = st.one_of(st.text(max_size=4), st.sampled_from(["a", "b", "A", "x y", "$", "*", "", 'q"', "a.b", "[0]", "é"]))
scalars = st.one_of(st.none(), st.booleans(), numbers(), words)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=8,
)
records = st.one_of(
    st.lists(st.dictionaries(words, values, max_size=4), max_size=8),
    st.lists(st.fixed_dictionaries({"a": numbers(), "b": words}, optional={"c": st.lists(numbers())}), max_size=8),
    st.lists(values, max_size=8),
)


def written(value: object, blank: str, *, ascii_: bool) -> str:
    """A value as JSON, with blanks and escapes where they may be."""
    if isinstance(value, Number):
        return value
    if isinstance(value, dict):
        pairs = ((json.dumps(key), written(item, blank, ascii_=not ascii_)) for key, item in value.items())
        return "{" + f"{blank},".join(f"{blank}{key}{blank}:{blank}{item}" for key, item in pairs) + blank + "}"
    if isinstance(value, list):
        return "[" + f"{blank},".join(blank + written(item, blank, ascii_=ascii_) for item in value) + blank + "]"
    return json.dumps(value, ensure_ascii=ascii_)


@st.composite
def files(draw: st.DrawFn, of: st.SearchStrategy[list[Any]] = records) -> tuple[bytes, list[Any], Json]:
    """A file, its records, and the reader that cuts it."""
    made = draw(of)
    blank, ascii_ = draw(st.sampled_from(["", " ", "\n", " \r\n\t"])), draw(st.booleans())
    texts = [written(record, blank if n % 2 else "", ascii_=ascii_) for n, record in enumerate(made)]
    form = draw(st.sampled_from(["lines", "lines", "array", "found array", "under", "texts"]))
    if form == "lines":
        return "".join(re.sub(r"[\r\n]", " ", text) + "\n" for text in texts).encode(), made, Json(lines=True)
    if form == "texts":
        kept = [(text, record) for text, record in zip(texts, made, strict=True) if isinstance(record, dict | list)]
        data = draw(st.sampled_from(["", "\n", " \x1e"])).join(text for text, _ in kept)
        return data.encode(), [record for _, record in kept], Json(lines=False)
    array = "[" + ",\n".join(texts) + "]"
    if form == "under":
        return f'{{"n":[0],"r":{{"s":{array}}}}}'.encode(), made, Json(at="r.s")
    return array.encode(), made, Json(at="$") if form == "array" or array.startswith("[[") else Json()


STEP = re.compile(r'\.?(?:(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<name>[^\W\d][\w-]*))|\[(?P<position>\d+)\]')


def plain(value: object) -> object:
    """A value as its columns keep it: without keys that are null."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if item is not None}
    return [plain(item) for item in value] if isinstance(value, list) else value


def loads(text: str | bytes) -> Any:
    return json.loads(text, parse_int=Number, parse_float=Number)


def rebuilt(value: Any, shape: Shape) -> object:
    """What a cell says."""
    if value is None:
        return None
    if isinstance(shape, list):
        return [rebuilt(item, shape[0]) for item in value]
    if isinstance(shape, dict):
        if list(shape) == ["*"]:
            return {key: rebuilt(item, shape["*"]) for key, item in value.items() if item is not None}
        pairs = zip(shape.items(), value.values(), strict=True)  # a struct's fields are in the shape's order
        return {key: rebuilt(item, inner) for (key, inner), item in pairs if item is not None}
    if shape == "json":
        return loads(value)
    return Number(value) if shape == "number" else value


def together(row: Mapping[str, Any], fields: Mapping[str, Shape]) -> object:
    """A record from its columns and `_special`."""
    columns = list(zip(top(fields), list(row.values())[1:-1], strict=True))
    itself = list(fields) == [ITSELF]
    whole: Any = {name: rebuilt(value, shape) for (name, shape), value in columns if value is not None}
    root = [whole.get("value") if itself else whole]
    for path, text in sorted((row["_special"] or {}).items(), key=lambda item: (item[0] == "$", len(item[0]))):
        at: Any = root
        step: Any = 0
        for token in STEP.finditer(path) if path != "$" else ():
            at = at[step]
            step = int(token["position"]) if token["position"] else token["name"] or json.loads(token["quoted"])
        at[step] = loads(text)
    return plain(root[0])


def same(kept: object, came: object) -> bool:
    """Whether what was kept is what came; a double if, shortest or with as many digits as came, it is written so."""
    if isinstance(came, Number):
        if isinstance(kept, float):
            digits = len(re.sub(r"[eE].*|\D", "", came).strip("0")) or 1
            same_digits = Decimal(f"{kept:.{digits - 1}e}") == Decimal(came) and digits <= 17
            return same_digits or Decimal(repr(kept)) == Decimal(came)
        return not isinstance(kept, bool | str) and kept == int(came) if not isinstance(kept, Number) else kept == came
    if isinstance(came, dict):
        return isinstance(kept, dict) and kept.keys() == came.keys() and all(same(kept[key], came[key]) for key in came)
    if isinstance(came, list):
        return isinstance(kept, list) and len(kept) == len(came) and all(map(same, kept, came))
    return type(kept) is type(came) and kept == came


@settings(deadline=None, max_examples=120)
@given(file=files(), size=st.integers(1, 200), read_at_once=st.integers(1, 70))
def test_what_is_drafted_on_the_whole_holds_all(
    file: tuple[bytes, list[Any], Json], size: int, read_at_once: int
) -> None:
    data, made, reader = file
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spans, "READ", read_at_once)
        pieces = list(reader.cut(io.BytesIO(data), size))
    drafted = reader.drafted(pieces)
    assert drafted == reader.drafted(pieces)
    assert drafted.fields is not None
    rows, rejected = read(data, drafted, size)
    assert not rejected
    objects = list(drafted.fields) != [ITSELF]
    assert [row["_special"] for row in rows] == [{"$": "null"} if objects and r is None else None for r in made]
    for row, record in zip(rows, made, strict=True):
        kept, came = together(row, drafted.fields), plain(record)
        assert same(kept, came), (kept, came)


@settings(deadline=None, max_examples=120)
@given(file=files(), other=files(), size=st.integers(1, 200))
def test_what_does_not_fit_is_kept(
    file: tuple[bytes, list[Any], Json], other: tuple[bytes, list[Any], Json], size: int
) -> None:
    """Fields are drafted from another file."""
    data, made, reader = file
    fields = other[2].drafted(other[2].cut(io.BytesIO(other[0]))).fields
    assert fields is not None
    reader = Json.model_validate({**reader.model_dump(), "fields": fields})
    rows, rejected = read(data, reader, size)
    assert not rejected
    for row, record in zip(rows, made, strict=True):
        kept, came = together(row, fields), plain(record)
        assert same(kept, came), (row, kept, came)


@settings(deadline=None, max_examples=120)
@given(
    data=st.one_of(
        st.binary(max_size=60),
        st.text(alphabet='{}[]",:\n ab1e.-\\u', max_size=60).map(str.encode),
        st.tuples(files(), st.integers(0, 300), st.binary(max_size=2)).map(
            lambda made: made[0][0][: made[1]] + made[2] + made[0][0][made[1] + 1 :]
        ),
    ),
    reader=st.sampled_from([Json(), Json(lines=True), Json(lines=False), Json(at="$"), Json(at="a")]),
    fields=st.sampled_from([None, {"a": "double", "b": "text"}, {ITSELF: ["int"]}]),
    size=st.integers(1, 100),
)
def test_any_bytes_are_rows_or_rejected_or_refused(
    data: bytes, reader: Json, fields: dict[str, Shape] | None, size: int
) -> None:
    reader = Json.model_validate({**reader.model_dump(), "fields": fields})
    try:
        found = read(data, reader, size)
    except DataError:
        return
    with pytest.MonkeyPatch.context() as patch:  # what Arrow reads is what is read value by value
        patch.setattr(Json, "_by_arrow", lambda *_: None)
        if fields is not None:
            assert repr(read(data, reader, size)) == repr(found)


def test_doubles_are_what_python_prints() -> None:
    exact = ["0.1", "1e22", "123456789.125", "1e-7", "100", "0.0", "-0.0", "5e-324", "0e999", "1.7976931348623157e308"]
    assert all(map(is_double, exact))
    lost = ["0.1000000000000000055", "9007199254740993", "1e309", "1e-324", "4e-324", "0.30000000000000001e1234567890"]
    assert not any(map(is_double, lost))


# ---- real files


@pytest.mark.usefixtures("realdata")
@pytest.mark.parametrize("name", REAL or [""])
def test_a_real_file_holds_what_json_says(name: str) -> None:
    data = (REALDATA / name).read_bytes()
    if name.endswith(("jsonl", "ndjson")):
        expected = [loads(line) for line in data.splitlines()]
    else:
        whole = loads(data)
        expected = whole if isinstance(whole, list) else [whole]
    pieces = list(Json().cut(io.BytesIO(data), 5_000))
    reader = Json().drafted(pieces)
    assert reader.fields is not None
    rows, rejected = read(data, reader, 5_000)
    assert not rejected
    assert [row["_special"] for row in rows] == [None] * len(expected)
    for row, record in zip(rows, expected, strict=True):
        assert same(together(row, reader.fields), plain(record))


@pytest.mark.parametrize(
    ("name", "at", "records"),
    [
        ("sources/ctgov/v2-from-docs/studies_page_with_nextPageToken.json", "$.studies", 1),
        ("csv/csvw/test005.json", "tables", 1),
    ],
)
def test_a_real_array_under_a_path(name: str, at: str, records: int, realdata: Path) -> None:
    data = (realdata / name).read_bytes()
    rows, rejected = read(data, Json(at=at))
    assert (len(rows), rejected) == (records, [])
    assert len(json.loads(data)[at.removeprefix("$.")]) == records


def test_by_hand_in_a_shell() -> None:
    (batch,) = Json(at="r").batches(io.BytesIO(b'{"r":[{"a":1}]}'))
    assert batch.schema.field("a").type == pa.int64()
    assert batch.to_pylist() == [{"_record": 1, "a": 1, "_special": None}]
