"""Drift: how the columns of a drop differ from those of the drop before. Structure only, found before a row is read."""

import bisect
from collections import defaultdict
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from functools import reduce
from typing import Literal, NamedTuple

import pyarrow as pa
from pydantic import BaseModel

from spark.errors import Drifted
from spark.readers.base import SPECIAL

Policy = Literal["evolve", "freeze", "stop"]

OWN = ("_drop", "_file", "_record", SPECIAL)
"""Columns that are inlet's own and no party's."""

SURE = 0.75
"""How sure a rename must be, from 0 to 1, to be told."""


class Column(NamedTuple):
    """One column, or a field within one, whose `path` leads to it: `tags` (list), `tags[]` (struct), `tags[].name`.

    `path` is of names in the lake, `name` is the party's; `type` is Arrow's word, of a column with fields its kind.
    """

    path: str
    name: str
    type: str

    @property
    def parent(self) -> str:
        """The path of the column that it stands in; empty at the top."""
        return self.path.removesuffix("[]") if self.path.endswith("[]") else self.path.rpartition(".")[0]


Layout = tuple[Column, ...]
"""The columns of a drop, in its order, fields behind the column that they are in."""


class Renamed(BaseModel, frozen=True):
    """A guess: a column that is missing and one that is new seem to be the same. `sure` is from 0 to 1."""

    old: str
    new: str
    sure: float


class Retyped(BaseModel, frozen=True):
    """A column whose type is another one."""

    name: str
    old: str
    new: str


class Drift(BaseModel, frozen=True):
    """What changed, by paths. A renamed column is new and missing as well, as it is bound by name; of a column that is
    new, missing or of another type the fields within are not listed.
    """

    new: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    renamed: tuple[Renamed, ...] = ()
    retyped: tuple[Retyped, ...] = ()

    @property
    def matters(self) -> bool:
        """Whether anything but the order is another."""
        return bool(self.new or self.missing or self.retyped)

    def __str__(self) -> str:
        said = {
            "new": self.new,
            "missing": self.missing,
            "perhaps renamed": [f"{r.old} to {r.new} ({r.sure:.0%} sure)" for r in self.renamed],
            "another type": [f"{r.name} {r.old} → {r.new}" for r in self.retyped],
            "moved": self.moved,
        }
        return "; ".join(f"{word}: {', '.join(columns)}" for word, columns in said.items() if columns) or "no drift"


def layout(schema: pa.Schema) -> Layout:
    """The party's columns in a schema of Raw."""
    return tuple(column for field in schema if field.name not in OWN for column in _columns(field, ""))


def _columns(field: pa.Field, within: str) -> Iterable[Column]:
    path = f"{within}.{field.name}" if within else field.name
    yield from _of_type(path, (field.metadata or {}).get(b"name", field.name.encode()).decode(), field.type)


def _of_type(path: str, name: str, kind: pa.DataType) -> Iterable[Column]:
    if pa.types.is_struct(kind):
        yield Column(path, name, "struct")
        for field in kind:
            yield from _columns(field, path)
    elif _is_list(kind):
        yield Column(path, name, "list")
        yield from _of_type(f"{path}[]", "", kind.value_type)
    else:
        yield Column(path, name, _word(kind))


def drift(before: Layout, now: Layout) -> Drift:
    """How `now` differs from `before`; equal layouts give an empty `Drift`."""
    old, new = ({column.path: column for column in columns} for columns in (before, now))
    same = {"", *(path for path, column in old.items() if path in new and new[path].type == column.type)}
    missing = [column for column in before if column.path not in new and column.parent in same]
    added = [column for column in now if column.path not in old and column.parent in same]
    return Drift(
        new=tuple(column.path for column in added),
        missing=tuple(column.path for column in missing),
        moved=_moved(before, now),
        renamed=_renamed(missing, added, _places(before, new), _places(now, old)),
        retyped=tuple(
            Retyped(name=path, old=column.type, new=new[path].type)
            for path, column in old.items()
            if path in new and new[path].type != column.type
        ),
    )


def _moved(before: Layout, now: Layout) -> tuple[str, ...]:
    """The fewest columns that, taken out, leave those of both in one order among their siblings."""
    rank = {column.path: position for position, column in enumerate(before)}
    siblings: dict[str, list[str]] = defaultdict(list)
    for column in now:
        if column.path in rank:
            siblings[column.parent].append(column.path)
    moved: set[str] = set()
    for paths in siblings.values():
        moved |= set(paths) - _longest_rising(paths, [rank[path] for path in paths])
    return tuple(column.path for column in now if column.path in moved)


def _longest_rising(paths: Sequence[str], ranks: Sequence[int]) -> set[str]:
    """The paths of a longest subsequence whose ranks rise."""
    ends: list[int] = []  # the lowest rank at which a rising subsequence of each length ends, and where that stands
    at: list[int] = []
    previous: list[int | None] = []
    for position, rank in enumerate(ranks):
        length = bisect.bisect(ends, rank)
        previous.append(at[length - 1] if length else None)
        ends[length : length + 1] = [rank]
        at[length : length + 1] = [position]
    found, here = set(), at[-1] if at else None
    while here is not None:
        found.add(paths[here])
        here = previous[here]
    return found


def _places(columns: Layout, others: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Where each column stands that `others` lack: behind which sibling that they have, and as the how-manieth."""
    common = set(others)
    places: dict[str, tuple[str, int]] = {}
    last: dict[str, tuple[str, int]] = {}
    for column in columns:
        behind, n = last.get(column.parent, ("", 0))
        if column.path in common:
            last[column.parent] = (column.path, 0)
        else:
            last[column.parent] = places[column.path] = (behind, n + 1)
    return places


def _renamed(
    missing: Sequence[Column],
    added: Sequence[Column],
    were: dict[str, tuple[str, int]],
    are: dict[str, tuple[str, int]],
) -> tuple[Renamed, ...]:
    """Pairs of one type within one parent with similar names; less similar ones do where the place is the same."""
    guesses = []
    for new in added:
        names = SequenceMatcher(b=new.path, autojunk=False)  # which remembers what it knows of its second text
        for old in missing:
            if (old.parent, old.type) != (new.parent, new.type):
                continue
            bonus = 0.5 if were[old.path] == are[new.path] else 0.0
            names.set_seq1(old.path)
            for alike in (names.real_quick_ratio, names.quick_ratio, names.ratio):  # from quick and too high to true
                if (sure := bonus + (1 - bonus) * alike()) < SURE:
                    break
            else:
                guesses.append(Renamed(old=old.path, new=new.path, sure=round(sure, 2)))
    found: list[Renamed] = []
    for guess in sorted(guesses, key=lambda guess: -guess.sure):
        if not any(guess.old == one.old or guess.new == one.new for one in found):
            found.append(guess)
    return tuple(found)


def fits(kind: pa.DataType, into: pa.DataType) -> bool:
    """Whether a table whose column is `into` reads values of `kind` from a file as they are.

    Iceberg (spec, "Schema Evolution") reads an int as long, a float as double, a decimal as one of more digits and the
    same scale. Fields are bound by name; those that only one of the two has are no hindrance.
    """
    if pa.types.is_struct(kind) and pa.types.is_struct(into):
        return all(fits(field.type, into.field(field.name).type) for field in kind if _has(into, field.name))
    if _is_list(kind) and _is_list(into):
        return fits(kind.value_type, into.value_type)
    if pa.types.is_map(kind) and pa.types.is_map(into):
        return fits(kind.key_type, into.key_type) and fits(kind.item_type, into.item_type)
    if pa.types.is_decimal(kind) and pa.types.is_decimal(into):
        return bool(kind.scale == into.scale and kind.precision <= into.precision)
    widened = {"int32": "int64", "float": "double"}
    return _word(into) in {_word(kind), widened.get(_word(kind))}


def united(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """One schema for rows of all of them: columns in the order of the first, then what the others add; the wider type.

    What a field says of itself is what the first schema says that has it. Raises `Drifted` where two types have no
    common one that Iceberg could promote both to.
    """
    return pa.schema(reduce(_fields, [list(schema) for schema in schemas]))


def _fields(one: Sequence[pa.Field], other: Sequence[pa.Field], within: str = "") -> list[pa.Field]:
    also = {field.name: field for field in other}
    both = [
        field.with_type(_wider(f"{within}{field.name}", field.type, also.pop(field.name).type))
        if field.name in also
        else field
        for field in one
    ]
    return both + list(also.values())


def _wider(path: str, one: pa.DataType, other: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        return pa.struct(_fields(list(one), list(other), f"{path}."))
    if _is_list(one) and _is_list(other):
        return pa.list_(one.value_field.with_type(_wider(f"{path}[]", one.value_type, other.value_type)))
    if fits(other, one):
        return one
    if fits(one, other):
        return other
    raise Drifted(f"{path} is {_word(one)} and {_word(other)}, which no table's column can both hold")


def kept(schema: pa.Schema, table: pa.Schema) -> bool:
    """Whether rows of `schema` need no column that the table lacks; raises `Drifted` where a type does not fit."""
    for column in schema:
        if column.name in table.names and not fits(column.type, table.field(column.name).type):
            was, now = _word(table.field(column.name).type), _word(column.type)
            raise Drifted(f"{column.name} is {now}, which does not fit the frozen table's {was}")
    return not drift(layout(table), layout(schema)).new


def _has(struct: pa.DataType, name: str) -> bool:
    return bool(struct.get_field_index(name) >= 0)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _word(kind: pa.DataType) -> str:
    """The type's name; pyiceberg shows text, bytes and lists as Arrow's large ones."""
    return str(kind).replace("large_", "")
