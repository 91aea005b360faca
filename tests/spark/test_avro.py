"""Avro: files that fastavro writes, of every type and codec, by spans; unions put together again; damage."""

import io
from contextlib import suppress
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, BinaryIO, NamedTuple, cast
from uuid import UUID

import fastavro
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.lake import Lake
from spark.convert import Target, convert_file, split
from spark.errors import Damaged, DataError, Unreadable
from spark.parts import Part, StagedFile
from spark.readers.avro import Avro
from spark.tables import Tables


def avro(schema: object, records: list[Any], codec: str = "null", block: int = 16_000) -> BinaryIO:
    file = io.BytesIO()
    fastavro.writer(file, cast(Any, schema), records, codec, sync_interval=block)
    return file


def record(**fields: object) -> dict[str, Any]:
    return {"type": "record", "name": "r", "fields": [{"name": name, "type": kind} for name, kind in fields.items()]}


def read(file: BinaryIO, *span: int) -> pa.Table:
    table = pa.Table.from_batches(Avro().batches(file, *span), Avro().describe(file).schema)
    table.validate(full=True)
    return table


class Case(NamedTuple):
    """A type, its values, and how they are kept."""

    name: str
    type: Any
    values: list[Any]
    stored: str
    kept: list[Any] | None = None
    """As Python sees them, where they are not as they were."""


NOON = datetime(2020, 1, 2, 12, 0, 0, 123_456, UTC)
LOCAL = NOON.replace(tzinfo=None)
ADDRESS = {"type": "record", "name": "ns.address", "fields": [{"name": "ZipCode", "type": "string"}]}
CASES = [
    Case("null", "null", [None], "string"),
    Case("boolean", "boolean", [True, False], "bool"),
    Case("int", "int", [-(2**31), 2**31 - 1], "int32"),
    Case("long", "long", [-(2**63), 2**63 - 1], "int64"),
    Case("float", "float", [0.5, float("inf")], "float"),
    Case("double", "double", [0.1, -1e300], "double"),
    Case("bytes", "bytes", [b"", b"\0\xff"], "binary"),
    Case("string", "string", ["", "é\0"], "string"),
    Case("nullable", ["null", "long"], [None, 5], "int64"),
    Case("nullable, null last", ["string", "null"], ["x", None], "string"),
    Case("one branch", ["int"], [5], "int32"),
    Case("enum", {"type": "enum", "name": "e", "symbols": ["A", "B"]}, ["B", "A"], "string"),
    Case("fixed", {"type": "fixed", "name": "f", "size": 2}, [b"ab"], "fixed_size_binary[2]"),
    Case("array", {"type": "array", "items": ["null", "int"]}, [[1, None], []], "list<item: int32>"),
    Case("map", {"type": "map", "values": "int"}, [{"a": 1, "é": 2}, {}], "map<string, int32>"),
    Case("record", ADDRESS, [{"ZipCode": "1"}], "struct<ZipCode: string>"),
    Case(
        "record without fields", {"type": "record", "name": "n", "fields": []}, [{}], "struct<_: string>", [{"_": None}]
    ),
    Case("date", {"type": "int", "logicalType": "date"}, [date(1, 1, 1), date(2020, 2, 29)], "date32[day]"),
    Case("time-millis", {"type": "int", "logicalType": "time-millis"}, [time(1, 2, 3, 4_000)], "time64[us]"),
    Case("time-micros", {"type": "long", "logicalType": "time-micros"}, [time(23, 59, 59, 999_999)], "time64[us]"),
    Case(
        "timestamp-millis",
        {"type": "long", "logicalType": "timestamp-millis"},
        [NOON.replace(microsecond=123_000)],
        "timestamp[us, tz=UTC]",
    ),
    Case("timestamp-micros", {"type": "long", "logicalType": "timestamp-micros"}, [NOON], "timestamp[us, tz=UTC]"),
    Case("local-timestamp", {"type": "long", "logicalType": "local-timestamp-micros"}, [LOCAL], "timestamp[us]"),
    Case(
        "decimal in bytes",
        {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 2},
        [Decimal("-1.25"), Decimal(10**36 - 1)],
        "decimal128(38, 2)",
    ),
    Case(
        "decimal in fixed",
        {"type": "fixed", "name": "d", "size": 4, "logicalType": "decimal", "precision": 9, "scale": 4},
        [Decimal("-12345.6789")],
        "decimal128(9, 4)",
    ),
    Case(
        "decimal of 50 digits",
        {"type": "bytes", "logicalType": "decimal", "precision": 50, "scale": 0},
        [Decimal(10**45)],
        "binary",
        [(10**45).to_bytes(19, "big")],
    ),
    Case(
        "uuid",
        {"type": "string", "logicalType": "uuid"},
        [UUID(int=5)],
        "string",
        ["00000000-0000-0000-0000-000000000005"],
    ),
    Case(
        "duration",
        {"type": "fixed", "name": "u", "size": 12, "logicalType": "duration"},
        [bytes(range(12))],
        "fixed_size_binary[12]",
    ),
    Case("a logical type that is none", {"type": "long", "logicalType": "moon"}, [5], "int64"),
    Case(
        "a union of several",
        ["null", "string", "int", "long", "bytes", {"type": "array", "items": "int"}, ADDRESS],
        [None, "x", 5, 2**40, b"y", [1], {"ZipCode": "1"}],
        "struct<string: string, int: int32, long: int64, bytes: binary, array: list<item: int32>, "
        "address: struct<ZipCode: string>>",
        [
            None,
            *(
                {"string": None, "int": None, "long": None, "array": None, "address": None, "bytes": None, name: value}
                for name, value in (
                    ("string", "x"),
                    ("int", 5),
                    ("long", 2**40),
                    ("bytes", b"y"),
                    ("array", [1]),
                    ("address", {"ZipCode": "1"}),
                )
            ),
        ],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_type(case: Case) -> None:
    """As a column, and, by reference, in a list, a map and a record."""
    again = _reference(case.type)
    schema = record(
        x=case.type,
        l={"type": "array", "items": again},
        m={"type": "map", "values": again},
        r={"type": "record", "name": "inner", "fields": [{"name": "y", "type": again}]},
    )
    table = read(avro(schema, [{"x": v, "l": [v, v], "m": {"k": v}, "r": {"y": v}} for v in case.values]))
    kept = case.values if case.kept is None else case.kept
    assert str(table.schema.field("x").type) == case.stored
    assert table.to_pylist(maps_as_pydicts="strict") == [
        {"_record": n, "x": v, "l": [v, v], "m": {"k": v}, "r": {"y": v}} for n, v in enumerate(kept, 1)
    ]


def _reference(kind: Any) -> Any:
    """A type that is declared before, by its name."""
    if isinstance(kind, list):
        return [_reference(branch) for branch in kind]
    return kind["name"] if isinstance(kind, dict) and "name" in kind else kind


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz", "snappy", "zstandard", "lz4"])
def test_every_codec(codec: str) -> None:
    rows = [{"n": n, "s": f"value {n}"} for n in range(5_000)]
    table = read(avro(record(n="long", s="string"), rows, codec))
    assert table.drop_columns("_record").to_pylist() == rows


@pytest.mark.parametrize(
    ("schema", "values", "stored"),
    [
        ("long", [1, 2], "int64"),
        (["null", "string"], ["x", None], "string"),
        ({"type": "array", "items": "int"}, [[1], []], "list<item: int32>"),
        (["null", ADDRESS], [{"ZipCode": "1"}, None], "struct<ZipCode: string>"),
    ],
)
def test_what_is_no_record_is_one_column(schema: Any, values: list[Any], stored: str) -> None:
    table = read(avro(schema, values))
    assert table.schema.names == ["_record", "value"]
    assert str(table.schema.field("value").type) == stored
    assert table["value"].to_pylist() == values


def test_nanoseconds_are_not_lost() -> None:
    ticks = [1_600_000_000_123_456_000, 1_600_000_000_123_456_789]
    schema = record(t={"type": "long", "logicalType": "timestamp-nanos"})
    table = read(avro(schema, [{"t": tick} for tick in ticks]))
    assert table["t"].to_pylist() == [datetime(2020, 9, 13, 12, 26, 40, 123456, UTC), None]
    (special,) = table["_special"].to_pylist()[1]
    assert (special[0], special[1][:29]) == ("t", "2020-09-13 12:26:40.123456789")


def test_names_that_depend_on_where_they_stand() -> None:
    """`a` of one namespace, of another and of none; branches that are called alike."""
    one, two = ({"type": "enum", "name": "a", "namespace": ns, "symbols": [s]} for ns, s in (("n", "X"), ("o", "Y")))
    none = {"type": "enum", "name": "a", "namespace": "", "symbols": ["Z"]}
    schema = {**record(x=one, y=[two, none], z=["null", "n.a", "o.a"]), "namespace": "m"}
    table = read(avro(schema, [{"x": "X", "y": "Z", "z": ("o.a", "Y")}]))
    assert table.drop_columns("_record").to_pylist() == [
        {"x": "X", "y": {"a": None, "a_1": "Z"}, "z": {"a": None, "a_2": "Y"}}
    ]


def test_what_a_field_is_about_is_told() -> None:
    schema = {"type": "record", "name": "r", "fields": [{"name": "x", "type": "int", "doc": "how many"}]}
    assert read(avro(schema, [{"x": 1}])).schema.field("x").metadata == {b"doc": b"how many"}


def test_a_type_that_holds_itself_is_refused() -> None:
    tree = {"type": "record", "name": "tree", "fields": [{"name": "left", "type": ["null", "tree"]}]}
    with pytest.raises(Unreadable, match="type tree holds itself"):
        Avro().describe(avro(record(x=tree), [{"x": {"left": None}}]))


def test_spans_are_blocks_and_records_go_on() -> None:
    rows = [{"n": n} for n in range(50_000)]
    file = avro(record(n="long"), rows, block=1_000)
    spans = Avro().spans(file, 20_000)
    assert len(spans) == 3
    assert sum(length for _, length, _ in spans) + spans[0].start == file.seek(0, io.SEEK_END)
    joined = pa.concat_tables([read(file, *span) for span in spans])
    assert joined["_record"].to_pylist() == list(range(1, 50_001))
    assert joined["n"].to_pylist() == list(range(50_000))
    assert Avro().describe(file).rows == 50_000


def test_batches_are_bounded() -> None:
    one_block = avro(record(n="long"), [{"n": n} for n in range(100_000)], block=1 << 30)
    assert max(batch.num_rows for batch in Avro().batches(one_block)) <= 1 << 14
    large = avro(record(s="string"), [{"s": "x" * 1_000_000} for _ in range(40)])
    assert max(batch.nbytes for batch in Avro().batches(large)) < 20_000_000


def test_an_empty_file_has_its_columns() -> None:
    file = avro(record(n="long", s="string"), [])
    assert Avro().describe(file).rows == 0
    assert Avro().spans(file) == []
    assert read(file).schema.names == ["_record", "n", "s"]


@pytest.mark.parametrize("data", [b"", b"<html>404</html>", b"Obj", b"Obj\x01", b"Obj\x01" + bytes(100)])
def test_what_is_no_such_file_is_refused(data: bytes) -> None:
    with pytest.raises((Unreadable, Damaged)):
        Avro().describe(io.BytesIO(data))


def test_a_codec_that_nobody_knows_is_refused() -> None:
    data = avro(record(n="long"), [{"n": 1}]).getvalue().replace(b"\x08null", b"\x08pkzp")  # type: ignore[attr-defined]
    with pytest.raises((Unreadable, Damaged), match=r"pkzp|header"):
        Avro().describe(io.BytesIO(data))


def test_a_file_that_ends_early_is_damaged() -> None:
    """Wherever it ends, but behind a whole block, which nothing tells from a whole file."""
    rows = [{"n": n, "s": "x" * n} for n in range(40)]
    file = avro(record(n="long", s="string"), rows, "deflate", block=200)
    data = cast(io.BytesIO, file).getvalue()
    ends = [span.start + span.length for span in Avro().spans(file, 1)]
    begin = Avro().spans(file, 1)[0].start
    for length in range(len(data)):
        if length == begin or length in ends:
            continue
        with pytest.raises((Damaged, Unreadable)):
            Avro().describe(io.BytesIO(data[:length]))
        with pytest.raises((Damaged, Unreadable)):
            list(Avro().batches(io.BytesIO(data[:length])))


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard", "xz", "bzip2", "lz4"])
@pytest.mark.parametrize("seed", range(12))
def test_damage_is_an_error_of_ours_or_unseen(seed: int, codec: str) -> None:
    """Only some codecs have checksums; what cannot be text, or does not fill its block, shows."""
    random = np.random.default_rng(seed)
    data = bytearray(
        cast(
            io.BytesIO, avro(record(n="long", s="string"), [{"n": n, "s": f"v {n}"} for n in range(500)], codec)
        ).getvalue()
    )
    for at in random.integers(0, len(data), 3):
        data[at] ^= 1 << random.integers(8)
    with suppress(DataError):
        read(io.BytesIO(bytes(data)))


def test_no_value_is_in_an_error() -> None:
    data = cast(io.BytesIO, avro(record(s="string"), [{"s": "secret"}])).getvalue().replace(b"secret", b"secre\xff")
    with pytest.raises(Damaged) as error:
        read(io.BytesIO(data))
    assert "secre" not in str(error.value)
    assert "block at byte" in str(error.value)


LEAVES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False),
    "string": st.text(max_size=5),
    "bytes": st.binary(max_size=5),
}


@st.composite
def typed(draw: st.DrawFn, depth: int = 0) -> tuple[Any, st.SearchStrategy[Any]]:
    """A schema, and values of it as (written, kept)."""
    kind = draw(st.sampled_from([*LEAVES, *(["array", "map", "record", "union"] if depth < 3 else [])]))
    if kind in LEAVES:
        return kind, LEAVES[kind].map(lambda value: (value, value))
    if kind == "array":
        items, values = draw(typed(depth + 1))
        lists = st.lists(values, max_size=3)
        return {"type": "array", "items": items}, lists.map(
            lambda pairs: ([w for w, _ in pairs], [k for _, k in pairs])
        )
    if kind == "map":
        of, values = draw(typed(depth + 1))
        maps = st.dictionaries(st.text(max_size=3), values, max_size=3)
        return {"type": "map", "values": of}, maps.map(
            lambda pairs: ({k: w for k, (w, _) in pairs.items()}, {k: kept for k, (_, kept) in pairs.items()})
        )
    if kind == "record":
        fields = draw(st.lists(typed(depth + 1), min_size=1, max_size=3))
        schema = {"type": "record", "name": f"r{draw(st.uuids()).hex}"}
        schema["fields"] = [{"name": f"f{n}", "type": of} for n, (of, _) in enumerate(fields)]  # type: ignore[assignment]
        return schema, st.tuples(*(values for _, values in fields)).map(
            lambda pairs: (
                {f"f{n}": w for n, (w, _) in enumerate(pairs)},
                {f"f{n}": k for n, (_, k) in enumerate(pairs)},
            )
        )
    # fastavro writes an int where it may as a double, and bytes as an array
    some = [name for name in LEAVES if name != draw(st.sampled_from(["long", "double"]))]
    names = draw(st.lists(st.sampled_from(some), min_size=1, max_size=4, unique=True))
    others = [name for name in names if name != "null"]

    def kept(name: str, value: object) -> tuple[object, object]:
        if name == "null" or len(others) == 1:
            return value, value
        return value, {**dict.fromkeys(others), name: value}

    return names, st.one_of(*(LEAVES[n].map(lambda value, n=n: kept(n, value)) for n in names))


@settings(deadline=None, max_examples=80)
@given(data=st.data(), of=typed(), codec=st.sampled_from(["null", "deflate"]), block=st.integers(1, 100))
def test_any_schema_comes_back(data: st.DataObject, of: tuple[Any, Any], codec: str, block: int) -> None:
    schema, values = of
    rows = data.draw(st.lists(values, max_size=6))
    file = avro(record(x=schema), [{"x": written} for written, _ in rows], codec, block)
    tables = [read(file, *span) for span in Avro().spans(file, 2)]
    found = pa.concat_tables(tables) if tables else read(file)
    assert found["x"].to_pylist(maps_as_pydicts="strict") == [kept for _, kept in rows]
    assert found["_record"].to_pylist() == list(range(1, len(rows) + 1))


def test_an_avro_file_becomes_a_table_with_its_types(local_lake: Lake) -> None:
    schema = record(Id="int", When=["null", {"type": "long", "logicalType": "timestamp-millis"}], U=["int", "string"])
    file = avro(schema, [{"Id": n, "When": NOON, "U": n if n % 2 else "x"} for n in range(1_000)], "snappy", 500)
    fs, path = local_lake.fs(), local_lake.path("staged", "x.avro")
    fs.makedirs(local_lake.path("staged"), exist_ok=True)
    fs.pipe_file(path, cast(io.BytesIO, file).getvalue())
    part = Part(path=path, offset=0, first_record=1, records=None, bytes=fs.size(path))
    reader: Any = Avro()
    shares = split(StagedFile(file="x.avro", columns=(), parts=(part,)), reader, 2, fs)
    tables = Tables(local_lake.catalog_properties(), local_lake.url())
    folder = tables.folder("raw.party_x")
    to = Target(drop="d", file="x.avro", columns=(), rows=folder, rejects=folder)
    done = convert_file(shares, reader, to, fs, 2)
    assert done.records == 1_000
    mark = {"fingerprint": "f", "run": "r"}
    tables.replace("raw.party_x", shares.schema, {"_drop": "d"}, done.files, mark=("drop", "d", mark))
    rows = tables.catalog.load_table("raw.party_x").scan().to_arrow().sort_by("_record")
    assert rows["id"].to_pylist() == list(range(1_000))
    assert rows["when"].to_pylist() == [NOON.replace(microsecond=123_000)] * 1_000
    assert rows["u"][:2].to_pylist() == [{"int": None, "string": "x"}, {"int": 1, "string": None}]
