"""What differs between the columns of two drops, what a table can take, and what a frozen one keeps beside them."""

import json
import pickle
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark import cloudpickle

from spark.convert import raw_schema, schema_of
from spark.drift import OWN, Column, Drift, Layout, Renamed, Retyped, drift, fits, kept, layout, united
from spark.errors import Drifted
from spark.frozen import frozen
from spark.parts import Piece
from spark.readers import Csv

INNER = pa.struct([("city", pa.string()), ("zip", pa.string())])


def text(*names: str) -> Layout:
    return layout(raw_schema(names))


def typed(**kinds: pa.DataType) -> Layout:
    return layout(raw_schema(pa.schema(list(kinds.items()))))


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        pytest.param(text("a", "b"), text("a", "b"), Drift(), id="none"),
        pytest.param(text("a"), text("a", "b"), Drift(new=("b",)), id="new"),
        pytest.param(text("a", "b", "c"), text("a", "c"), Drift(missing=("b",)), id="missing"),
        pytest.param(text("a", "b", "c", "d"), text("b", "c", "a", "d"), Drift(moved=("a",)), id="moved"),
        pytest.param(text("a", "b", "c"), text("b", "x", "c"), Drift(new=("x",), missing=("a",)), id="not moved"),
        pytest.param(
            text("npi", "Provider Gender Code", "name"),
            text("npi", "Provider Sex Code", "name"),
            Drift(
                new=("provider_sex_code",),
                missing=("provider_gender_code",),
                renamed=(Renamed(old="provider_gender_code", new="provider_sex_code", sure=0.91),),
            ),
            id="renamed in its place",
        ),
        pytest.param(
            text("total_amount", "b", "c", "d"),
            text("b", "c", "d", "total_amt"),
            Drift(
                new=("total_amt",),
                missing=("total_amount",),
                renamed=(Renamed(old="total_amount", new="total_amt", sure=0.86),),
            ),
            id="renamed and moved",
        ),
        pytest.param(
            text("a", "gender", "c"),
            text("a", "phone", "c"),
            Drift(new=("phone",), missing=("gender",)),
            id="another thing in its place",
        ),
        pytest.param(
            text("line_1", "line_2", "z"),
            text("line_a", "line_b", "z"),
            Drift(
                new=("line_a", "line_b"),
                missing=("line_1", "line_2"),
                renamed=(
                    Renamed(old="line_1", new="line_a", sure=0.92),
                    Renamed(old="line_2", new="line_b", sure=0.92),
                ),
            ),
            id="each is one other's new name",
        ),
        pytest.param(
            typed(code=pa.int32(), b=pa.string()),
            typed(codes=pa.string(), b=pa.string()),
            Drift(new=("codes",), missing=("code",)),
            id="another type is no rename",
        ),
        pytest.param(
            typed(n=pa.int32(), d=pa.decimal128(9, 2)),
            typed(n=pa.int64(), d=pa.decimal128(12, 2)),
            Drift(
                retyped=(
                    Retyped(name="n", old="int32", new="int64"),
                    Retyped(name="d", old="decimal128(9, 2)", new="decimal128(12, 2)"),
                )
            ),
            id="types",
        ),
        pytest.param(
            typed(home=INNER, tags=pa.list_(pa.struct([("k", pa.int64())]))),
            typed(
                home=pa.struct([("zip", pa.string()), ("city", pa.string()), ("state", pa.string())]),
                tags=pa.list_(pa.struct([("k", pa.string()), ("v", INNER)])),
            ),
            Drift(
                new=("home.state", "tags[].v"),
                moved=("home.zip",),
                retyped=(Retyped(name="tags[].k", old="int64", new="string"),),
            ),
            id="fields within",
        ),
        pytest.param(
            typed(home=INNER, b=pa.string()),
            typed(home=pa.string(), b=pa.string()),
            Drift(retyped=(Retyped(name="home", old="struct", new="string"),)),
            id="a struct becomes text",
        ),
        pytest.param(
            layout(raw_schema(pa.schema([("a", pa.string()), ("_special", pa.map_(pa.string(), pa.string()))]))),
            text("a"),
            Drift(),
            id="inlet's own columns are no drift",
        ),
    ],
)
def test_drift(before: Layout, now: Layout, found: Drift) -> None:
    assert drift(before, now) == found
    assert Drift.model_validate_json(found.model_dump_json()) == found
    assert found.matters == bool(found.new or found.missing or found.retyped)
    again = tuple(Column(*column) for column in json.loads(json.dumps(before)))
    assert drift(before, again) == Drift()  # as the table's properties keep it


def test_what_is_said_of_it() -> None:
    found = drift(text("a", "b", "Provider Gender Code", "c"), text("b", "Provider Sex Code", "c", "a"))
    assert str(found) == (
        "new: provider_sex_code; missing: provider_gender_code;"
        " perhaps renamed: provider_gender_code to provider_sex_code (91% sure); moved: a"
    )
    assert str(Drift()) == "no drift"


def test_a_layout_has_the_party_s_names() -> None:
    found = layout(raw_schema(pa.schema([("Home Address", INNER), ("NPI", pa.large_string())])))
    assert found == (
        Column("home_address", "Home Address", "struct"),
        Column("home_address.city", "city", "string"),
        Column("home_address.zip", "zip", "string"),
        Column("npi", "NPI", "string"),
    )
    assert [column.parent for column in found] == ["", "home_address", "home_address", ""]


NAMES = st.lists(st.text("abcde", min_size=1, max_size=3), unique=True, max_size=9)


@given(NAMES, NAMES)
def test_whatever_changed_makes_one_of_the_other(before: list[str], now: list[str]) -> None:
    found = drift(text(*before), text(*now))
    assert set(found.new) == set(now) - set(before)
    assert set(found.missing) == set(before) - set(now)
    stay = set(before) & set(now) - set(found.moved)
    assert [name for name in before if name in stay] == [name for name in now if name in stay]
    assert {(r.old in found.missing, r.new in found.new) for r in found.renamed} <= {(True, True)}
    assert len({r.old for r in found.renamed}) == len({r.new for r in found.renamed}) == len(found.renamed)


@given(st.permutations([f"c{n}" for n in range(7)]))
def test_no_more_columns_moved_than_must(order: list[str]) -> None:
    """Against every subsequence: the longest that is still in order is what stayed."""
    moved = drift(text(*sorted(order)), text(*order)).moved
    rising = {
        sum(1 << i for i in chosen): len(chosen)
        for mask in range(1 << len(order))
        if (chosen := [i for i in range(len(order)) if mask >> i & 1]) is not None
        and [order[i] for i in chosen] == sorted(order[i] for i in chosen)
    }
    assert len(moved) == len(order) - max(rising.values())


STRUCTS = pa.struct([("n", pa.int32())]), pa.struct([("n", pa.int64()), ("more", pa.string())])


@pytest.mark.parametrize(
    ("kind", "into", "expected"),
    [
        (pa.int32(), pa.int64(), True),
        (pa.int64(), pa.int32(), False),
        (pa.float32(), pa.float64(), True),
        (pa.int64(), pa.float64(), False),
        (pa.int64(), pa.string(), False),
        (pa.string(), pa.large_string(), True),
        (pa.decimal128(9, 2), pa.decimal128(11, 2), True),
        (pa.decimal128(9, 2), pa.decimal128(11, 3), False),
        (pa.date32(), pa.timestamp("us"), False),
        (*STRUCTS, True),
        (*STRUCTS[::-1], False),
        (pa.list_(pa.int32()), pa.large_list(pa.int64()), True),
        (pa.list_(pa.int32()), pa.int32(), False),
        (pa.map_(pa.string(), pa.int32()), pa.map_(pa.large_string(), pa.int64()), True),
        (pa.map_(pa.string(), pa.int32()), pa.map_(pa.string(), pa.string()), False),
    ],
)
def test_fits(kind: pa.DataType, into: pa.DataType, expected: bool) -> None:
    assert fits(kind, into) is expected


def test_united() -> None:
    one = pa.schema([pa.field("n", pa.int32(), metadata={"name": "N"}), ("home", INNER), ("x", pa.list_(pa.float32()))])
    other = pa.schema(
        [("y", pa.string()), ("x", pa.list_(pa.float64())), pa.field("n", pa.int64(), metadata={"a": "b"})]
    )
    found = united([one, other])
    assert found.names == ["n", "home", "x", "y"]
    assert found.field("n").type == pa.int64()
    assert found.field("n").metadata == {b"name": b"N"}
    assert found.field("x").type.value_type == pa.float64()
    wider = pa.schema([("home", pa.struct([("zip", pa.string()), ("state", pa.string())]))])
    assert united([one, wider]).field("home").type == pa.struct(
        [("city", pa.string()), ("zip", pa.string()), ("state", pa.string())]
    )
    assert united([one]) == one
    with pytest.raises(Drifted, match=r"home.zip is string and int64, which no table's column can both hold"):
        united([one, pa.schema([("home", pa.struct([("zip", pa.int64())]))])])


def test_kept() -> None:
    table = raw_schema(pa.schema([("a", pa.large_string()), ("n", pa.int64()), ("home", INNER)]))
    assert kept(raw_schema(pa.schema([("n", pa.int32()), ("a", pa.string())])), table)
    assert not kept(raw_schema(["a", "b"]), table)
    more = pa.struct([("city", pa.string()), ("state", pa.string())])
    assert not kept(raw_schema(pa.schema([("home", more)])), table)
    with pytest.raises(Drifted, match="n is string, which does not fit the frozen table's int64"):
        kept(raw_schema(["n"]), table)


@given(
    st.lists(st.sampled_from(["a", "A", "b", "", "c d", "C-D", "e"]), min_size=1, max_size=6),
    st.sets(st.sampled_from(["a", "a_2", "b", "column_1", "column_3", "c_d", "c_d_2"])),
    st.data(),
)
def test_a_frozen_table_loses_nothing(header: list[str], taken: set[str], data: st.DataObject) -> None:
    """Whatever is new: each value is in its column or, under the party's name, in `_special`."""
    cell = st.one_of(st.none(), st.text("xyz", max_size=3))
    rows = data.draw(st.lists(st.tuples(*[cell] * len(header)).filter(lambda row: row != (None,)), max_size=4))
    written = "".join(",".join("" if v is None else f'"{v}"' for v in row) + "\n" for row in rows)
    piece = Piece(data=written.encode(), offset=0, first_record=1, records=len(rows), columns=tuple(header))
    raw, table = raw_schema(header), raw_schema(sorted(taken))
    reader, schema = frozen(Csv(), raw, table)
    reader = pickle.loads(cloudpickle.dumps(reader))  # as Spark sends it
    read, rejected = reader.read(piece)  # type: ignore[union-attr]
    assert rejected == []
    assert schema == schema_of(reader, piece.columns)  # type: ignore[arg-type]
    names = schema.names[3:]
    assert [name for name in names if name != "_special"] == [name for name in raw.names[3:] if name in taken]
    found = read.rename_columns(["_record", *names]).to_pylist()
    assert len(found) == len(rows)
    for got, row in zip(found, rows, strict=True):
        special = dict(got.get("_special") or [])
        for name, said, value in zip(raw.names[3:], header, row, strict=True):
            if name in taken:
                assert got[name] == value
            else:
                assert special.pop(said if header.count(said) == 1 else name, None) == value
        assert special == {}


class Typed:
    """A file with types, which is sought in."""

    def __init__(self, rows: pa.Table) -> None:
        self.rows = rows

    def describe(self, _file: Any) -> Any:
        return self

    @property
    def schema(self) -> pa.Schema:
        return self.rows.schema

    def spans(self, _file: Any, _rows: int) -> list[tuple[int, ...]]:
        return [()]

    def batches(self, _file: Any) -> Any:
        yield from self.rows.to_batches()


def test_a_frozen_table_and_a_file_with_types() -> None:
    home = pa.struct([("city", pa.string()), ("state", pa.string())])
    rows = pa.table(
        {
            "_record": pa.array([1, 2, 3]),
            "N": pa.array([1, 2, None], pa.int32()),
            "Born": pa.array([0, None, 1], pa.int32()).cast(pa.date32()),
            "Home": pa.array([{"city": "x", "state": "y"}, None, {"city": None, "state": "z"}], home),
            "Raw": pa.array([b"\x00\xff", None, b""]),
            "_special": pa.array([[("N", "A")], None, None], pa.map_(pa.string(), pa.string())),
        }
    )
    raw = raw_schema(rows.schema.remove(0))
    table = raw_schema(pa.schema([("n", pa.int64()), ("home", pa.struct([("city", pa.string())]))]))
    reader, schema = frozen(Typed(rows), raw, table)  # type: ignore[arg-type]
    found = pa.Table.from_batches(list(reader.batches(None)))  # type: ignore[union-attr, arg-type]
    assert schema.names == [*OWN[:3], "n", "home", "_special"]
    assert schema.field("n").metadata[b"name"] == b"N"
    assert found.column_names == ["_record", "N", "Home", "_special"]
    assert found.to_pylist() == [
        {
            "_record": 1,
            "N": 1,
            "Home": {"city": "x"},
            "_special": [("N", "A"), ("Born", "1970-01-01"), ("Home", '{"city":"x","state":"y"}'), ("Raw", "00ff")],
        },
        {"_record": 2, "N": 2, "Home": None, "_special": None},
        {
            "_record": 3,
            "N": None,
            "Home": {"city": None},
            "_special": [("Born", "1970-01-02"), ("Home", '{"city":null,"state":"z"}'), ("Raw", "")],
        },
    ]


def test_a_table_that_has_all_columns_is_read_as_it_is() -> None:
    reader, raw = Csv(), raw_schema(["a"])
    assert frozen(reader, raw, raw_schema(["b", "a"])) == (reader, raw)
