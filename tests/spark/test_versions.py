"""Versions are what a dictionary says to which drops are applied one after another."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark.errors import CountMismatch
from spark.schemas import Column, Schema
from spark.versions import RANK, Ranked, Versions, among, current_schema, history_schema, like_the_row_before, versions

THING = Schema(
    name="thing",
    doc="For tests.",
    key=("id", "part"),
    columns=(
        Column(name="id", type="string", doc="", required=True),
        Column(name="part", type="int", doc="", required=True),
        Column(name="value", type="string", doc=""),
        Column(name="amount", type="double", doc=""),
        Column(name="codes", type="array<string>", doc=""),
    ),
)
Key = tuple[str, int]
Says = tuple[str | None, float | None, tuple[str | None, ...] | None]
START = datetime(2026, 1, 1, tzinfo=UTC)


class Drop(NamedTuple):
    """`rows` say of a key what it is, or None: it is gone. `day` is what the drop speaks of, `of` its part."""

    day: int
    ends_absent: bool
    rows: dict[Key, Says | None]
    of: str = ""


class Version(NamedTuple):
    key: Key
    says: Any
    drop: str
    since: datetime
    until: datetime | None = None
    by: str | None = None


says = st.tuples(
    st.sampled_from([None, "", "x", "é"]),
    st.sampled_from([None, math.nan, 0.5]),
    st.sampled_from([None, (), ("a",), (None,), ("a", "b")]),
)
keys = st.tuples(st.sampled_from(["a", "a\0", "é", "z", "￿", "\U00010000"]), st.integers(1, 2))
parts = st.sampled_from(["", "A", "B"])
drop = st.builds(Drop, st.integers(0, 3), st.booleans(), st.dictionaries(keys, st.none() | says, max_size=6), parts)
of_one = drop.map(lambda drop: drop._replace(of=""))
sequences = (st.lists(drop, max_size=7) | st.lists(of_one, max_size=7)).map(
    lambda found: sorted(found, key=lambda drop: drop.day)
)


def ranked(drops: Sequence[Drop]) -> list[Ranked]:
    return [Ranked(f"d{n}", START + timedelta(days=d.day), d.ends_absent, d.of) for n, d in enumerate(drops)]


def parts_of(drops: Sequence[Ranked]) -> dict[str, str]:
    return {drop.key: drop.part for drop in drops if drop.part}


def plain(said: Says | None) -> Any:
    """What compares: a NaN is a NaN."""
    return said and repr((said[0], said[1], None if said[2] is None else list(said[2])))


def model(drops: Sequence[Drop]) -> list[Version]:
    open_: dict[Key, Version] = {}
    closed = []
    of: dict[Key, str] = {}  # the part of the drop that had the last say
    for drop, (name, at, *_) in zip(drops, ranked(drops), strict=True):
        theirs = {key for key in open_ if of[key] == drop.of}
        absent = dict.fromkeys(theirs - drop.rows.keys()) if drop.ends_absent else {}
        for key, said in {**drop.rows, **absent}.items():
            before = open_.get(key)
            if before and (before.says != plain(said) or of[key] != drop.of):
                closed.append(open_.pop(key)._replace(until=at, by=name))
            of[key] = drop.of
            if said is not None and key not in open_:
                open_[key] = Version(key, plain(said), name, at)
    return sorted([*open_.values(), *closed], key=repr)


def rows_of(drops: Sequence[Drop], since: int = 0) -> pa.Table:
    """Rows of the drops from one on, which has rank 0, in no order."""
    rows = [
        {"_source": "party", "_drop": f"d{n}", "_file": "f", "_record": i, "_valid_from": START + timedelta(days=d.day)}
        | {"_deleted": said is None, "id": key[0], "part": key[1], RANK: n - since}
        | dict(zip(("value", "amount", "codes"), said or (None, None, None), strict=True))
        for n, d in reversed(list(enumerate(drops)))
        if n >= since
        for i, (key, said) in enumerate(d.rows.items(), 1)
    ]
    return pa.Table.from_pylist(rows, working())


def working() -> pa.Schema:
    return pa.schema([*current_schema(THING), ("_deleted", pa.bool_()), (RANK, pa.int32())])


def told(rows: pa.Table) -> list[Version]:
    return [
        Version(
            (r["id"], r["part"]),
            plain((r["value"], r["amount"], r["codes"])),
            r["_drop"],
            r["_valid_from"],
            r.get("_valid_to"),
            r.get("_closed_by"),
        )
        for r in rows.to_pylist()
    ]


def opening(rows: pa.Table) -> pa.Table:
    """Open versions as they stand before other drops."""
    rows = rows.append_column("_deleted", pa.array([False] * rows.num_rows, pa.bool_()))
    return rows.append_column(RANK, pa.array([-1] * rows.num_rows, pa.int32())).select(working().names)


def check(found: Versions) -> None:
    assert found.open.schema.equals(current_schema(THING))
    assert found.closed.schema.equals(history_schema(THING))
    opened = [(v.key[0].encode(), v.key[1]) for v in told(found.open)]
    assert opened == sorted(set(opened)), "each once, in order of bytes"


@settings(max_examples=100, deadline=None)
@given(drops=sequences)
def test_versions_are_what_drops_say_one_after_another(drops: list[Drop]) -> None:
    found = versions(rows_of(drops), THING, ranked(drops), {})
    check(found)
    assert sorted([*told(found.open), *told(found.closed)], key=repr) == model(drops)
    assert found.opened == len(model(drops))
    assert found.ended == 0


@settings(max_examples=100, deadline=None)
@given(drops=sequences, at=st.lists(st.integers(0, 7), max_size=3))
def test_going_on_from_open_versions_is_the_same(drops: list[Drop], at: list[int]) -> None:
    """Drops in several publishes: each goes on from what the one before left open."""
    cuts = [0, *sorted(min(cut, len(drops)) for cut in at), len(drops)]
    open_, closed = current_schema(THING).empty_table(), []
    for since, until in pairwise(cuts):
        before, new = ranked(drops)[:since], ranked(drops)[since:until]
        said = pa.concat_tables([opening(open_), rows_of(drops[:until], since)])
        found = versions(said, THING, new, parts_of(before))
        check(found)
        assert open_.num_rows + found.opened == found.open.num_rows + found.closed.num_rows
        open_ = found.open
        closed += told(found.closed)
    assert sorted([*told(open_), *closed], key=repr) == model(drops)


def test_a_drop_that_says_two_things_of_a_key_is_refused() -> None:
    once = rows_of([Drop(0, False, {("a", 1): ("x", None, None)})])
    with pytest.raises(CountMismatch, match="thing: a drop has several rows of one key"):
        versions(pa.concat_tables([once, once]), THING, [Ranked("d0", START)], {})


def test_what_a_full_drop_lacks_is_gone_of_its_part_alone() -> None:
    x, y = ("x", None, None), ("y", None, None)
    drops = [
        Drop(0, True, {("a", 1): x, ("a", 2): x, ("b", 1): x}, "A"),
        Drop(1, True, {("c", 1): x, ("c", 2): x}, "B"),
        Drop(2, False, {("a", 2): x, ("c", 2): y}, "B"),  # moves the one as it is, and changes the other
        Drop(3, True, {("a", 1): x}, "A"),  # ends b alone
        Drop(4, True, {("c", 1): x}, "B"),
    ]
    found = versions(rows_of(drops), THING, ranked(drops), {})
    assert [(v.key, v.drop) for v in told(found.open)] == [(("a", 1), "d0"), (("c", 1), "d1")]
    assert [(v.key, v.drop, v.by) for v in told(found.closed)] == [
        (("a", 2), "d0", "d2"),
        (("a", 2), "d2", "d4"),
        (("b", 1), "d0", "d3"),
        (("c", 2), "d1", "d2"),
        (("c", 2), "d2", "d4"),
    ]


def test_of_nothing_there_are_no_versions() -> None:
    found = versions(working().empty_table(), THING, [Ranked("d0", START, True, "A")], {})
    assert (found.open.num_rows, found.closed.num_rows, found.opened, found.ended) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("values", "like"),
    [
        (pa.array([1, 1, None, None, 2]), [True, False, True, False]),
        (pa.array([math.nan, math.nan, None, math.nan, 0.0, -0.0]), [True, False, False, False, True]),
        (pa.array([[], [], None, [None], [None]], pa.list_(pa.string())), [True, False, False, True]),
        (pa.array([], pa.string()), []),
        (pa.array(["x"]), []),
    ],
)
def test_like_the_row_before(values: pa.Array, like: list[bool]) -> None:
    assert like_the_row_before(pa.chunked_array([values])).tolist() == like


@settings(deadline=None)
@given(have=st.lists(keys, max_size=12), want=st.sets(keys, max_size=6))
def test_among(have: list[Key], want: set[Key]) -> None:
    schema = pa.schema([("id", pa.string()), ("part", pa.int32())])
    rows, sought = (
        pa.Table.from_pylist([{"id": k[0], "part": k[1]} for k in found], schema) for found in (have, sorted(want))
    )
    assert among(rows, sought, ("id", "part")).tolist() == [key in want for key in have]
    assert among(rows, sought, ("id",)).tolist() == [key[0] in {k[0] for k in want} for key in have]
