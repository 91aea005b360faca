"""How columns of X12 are declared, and how segments become Arrow.

A place is written as the implementation guides do: `CLM05-3` is the third component of the fifth element of CLM,
`REF[F8]02` the second element of the REF whose first is F8; of several places the first in the file counts.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa

from spark.readers.x12_envelope import Separators

Segment = list[str]
"""A segment's name and elements."""

_PLACE = re.compile(r"([A-Z][A-Z0-9]{1,2})(?:\[(\w+)\])?(\d\d)(?:-(\d))?")

Value = str | None
Values = tuple[Value, ...]


class Column(NamedTuple):
    """A column of text: its name, its places, and what it is."""

    name: str
    places: str
    about: str


class Group(NamedTuple):
    """A column that repeats: its name, fields, what it is, and how its segments, by name, become the fields' values."""

    name: str
    fields: tuple[str, ...]
    about: str
    segments: tuple[str, ...]
    values: Callable[[Segment, str], Iterable[Values]]


class Party(NamedTuple):
    """A column that says who: its name, the code of who it is (NM101 or N101), and what it is."""

    name: str
    code: str
    about: str


class Level(NamedTuple):
    """The columns of one level of a transaction.

    Columns and groups take segments up to the first that `loops` names, where loops begin that are not the level's own;
    parties take those up to the first that `others` names. `parties` is a column with everybody; `segments` is one with
    all segments as they came.
    """

    segments: str
    segments_about: str
    columns: tuple[Column, ...] = ()
    groups: tuple[Group, ...] = ()
    who: tuple[Party, ...] = ()
    loops: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    parties: str = ""


PARTY = (
    *("entity", "entity_type", "last_name", "first_name", "middle_name", "suffix", "id_qualifier", "id", "tax_id"),
    *("address_1", "address_2", "city", "state", "zip", "country", "taxonomy", "birth_date", "sex"),
)
"""Fields of a party: NM101 to NM109 (or N101 to N104), REF02 of EI, SY or TJ, N3, N4, PRV03, DMG02 and DMG03.

An organisation's name is its `last_name`.
"""

_TEXT = pa.string()
_PARTY = pa.struct([(name, _TEXT) for name in PARTY])


class Builder:
    """Collects the values of one level, and makes Arrow of them; a record there is what was added at once."""

    def __init__(self, level: Level) -> None:
        self._level = level
        self._takers = _takers(level.columns)
        self._by_segment: dict[str, list[tuple[int, Group]]] = {}
        for at, group in enumerate(level.groups):
            for name in group.segments:
                self._by_segment.setdefault(name, []).append((at, group))
        self._rows: list[list[Value]] = []
        self._groups = [_Lists(len(group.fields)) for group in level.groups]
        self._who: list[list[Values | None]] = [[] for _ in level.who]
        self._parties = _Lists(len(PARTY))
        self._segments = _Lists(1)
        self._last: list[list[Values]] = []

    @property
    def count(self) -> int:
        """Records added."""
        return len(self._rows)

    def add(self, texts: Sequence[str], split: Separators) -> int:
        """Add a record, of its segments as they came; its number, from 0."""
        level, component = self._level, split.component
        row: list[Value] = [None] * len(level.columns)
        groups: list[list[Values]] = [[] for _ in level.groups]
        people: list[list[Value]] = []
        is_own = are_ours = True
        named = bool(level.who or level.parties)
        for text in texts:
            segment = text.split(split.element)
            name = segment[0]
            is_own = is_own and name not in level.loops
            are_ours = are_ours and name not in level.others
            if is_own:
                for column, qualifier, number, part in self._takers.get(name, ()):
                    if row[column] is None and (qualifier is None or element(segment, 1) == qualifier):
                        value = element(segment, number)
                        row[column] = value if part is None or value is None else element(value.split(component), part)
                for at, group in self._by_segment.get(name, ()):
                    groups[at].extend(group.values(segment, component))
            if named and are_ours:
                _tell(people, segment)
        self._rows.append(row)
        for lists, values in zip(self._groups, groups, strict=True):
            lists.add(values)
        if named:
            known = [tuple(party) for party in people]
            for who, party in zip(self._who, level.who, strict=True):
                who.append(next((values for values in known if values[0] == party.code), None))
            self._parties.add(known)
        self._segments.extend(texts)
        self._last = groups
        return self.count - 1

    def value(self, column: str) -> Value:
        """The value of a column in the record that was added last."""
        return self._rows[-1][[c.name for c in self._level.columns].index(column)]

    def values(self, group: str) -> list[Values]:
        """The values of a group in the record that was added last."""
        return self._last[[g.name for g in self._level.groups].index(group)]

    def arrays(self) -> list[pa.Array]:
        """In the order of `fields`."""
        level = self._level
        columns = zip(*self._rows, strict=True) if self._rows else [()] * len(level.columns)
        made = [pa.array(values, _TEXT) for values in columns]
        for party in self._who:
            values = list(zip(*(known or (None,) * len(PARTY) for known in party), strict=True))
            lacking = pa.array([known is None for known in party], pa.bool_())
            made.append(_struct(values or [()] * len(PARTY), PARTY, lacking))
        for group, lists in zip(level.groups, self._groups, strict=True):
            made.append(lists.array(group.fields))
        if level.parties:
            made.append(self._parties.array(PARTY))
        made.append(self._segments.array(()))
        return made


def fields(level: Level) -> list[pa.Field]:
    """The columns of a level in Arrow, with what they are."""
    made = [
        _field(column.name, _TEXT, f"{column.places.replace('|', ' or ')}, {column.about}") for column in level.columns
    ]
    made += [_field(party.name, _PARTY, f"{party.about} ({party.code})") for party in level.who]
    for group in level.groups:
        kind = pa.struct([(name, _TEXT) for name in group.fields]) if group.fields[0] else _TEXT
        made.append(_field(group.name, pa.list_(kind), f"{' or '.join(group.segments)}, {group.about}"))
    if level.parties:
        made.append(_field(level.parties, pa.list_(_PARTY), "NM1, everybody named in loops of its own"))
    made.append(_field(level.segments, pa.list_(_TEXT), level.segments_about))
    return made


class _Lists:
    """A list of tuples a record."""

    def __init__(self, width: int) -> None:
        self._columns: list[list[Value]] = [[] for _ in range(width)]
        self._ends = [0]

    def add(self, rows: Sequence[Values]) -> None:
        """Add one list."""
        for row in rows:
            for column, value in zip(self._columns, row, strict=True):
                column.append(value)
        self._ends.append(len(self._columns[0]))

    def extend(self, values: Sequence[Value]) -> None:
        """Add one list, of text alone."""
        self._columns[0].extend(values)
        self._ends.append(len(self._columns[0]))

    def array(self, names: Sequence[str]) -> pa.Array:
        """Lists of structs of these names; of text where there are none."""
        values = _struct(self._columns, names) if names and names[0] else pa.array(self._columns[0], _TEXT)
        return pa.ListArray.from_arrays(pa.array(self._ends, pa.int32()), values)


def _struct(columns: Sequence[Sequence[Value]], names: Sequence[str], mask: pa.Array | None = None) -> pa.Array:
    return pa.StructArray.from_arrays([pa.array(column, _TEXT) for column in columns], names=list(names), mask=mask)


def _field(name: str, kind: pa.DataType, about: str) -> pa.Field:
    return pa.field(name, kind, metadata={"doc": about})


_Taker = tuple[int, Value, int, int | None]
"""A column by its number, the qualifier that its segment has, its element, and its component where it is one."""


def _takers(columns: Sequence[Column]) -> dict[str, list[_Taker]]:
    """What of a segment goes into columns, by the segment's name."""
    found: dict[str, list[_Taker]] = {}
    for at, column in enumerate(columns):
        for name, qualifier, number, part in _PLACE.findall(column.places):
            taker = (at, qualifier or None, int(number), int(part) - 1 if part else None)
            found.setdefault(name, []).append(taker)
    return found


def name_of(text: str, split: Separators) -> str:
    """A segment's name; "" where nothing stands behind it."""
    return text[: max(0, text.find(split.element))]


def element(segment: Segment, number: int) -> Value:
    """An element of a segment, from 1; None where it is empty."""
    return (segment[number] or None) if number < len(segment) else None


def _tell(people: list[list[Value]], segment: Segment) -> None:
    """Learn from a segment who is named, or more of whom was named last."""
    name = segment[0]
    if name in ("NM1", "N1"):
        party: list[Value] = [None] * len(PARTY)
        for at, number in _NAMES[name]:
            party[at] = element(segment, number)
        people.append(party)
    elif people and name in _OF_PARTY:
        qualifiers, at, numbers = _OF_PARTY[name]
        if not qualifiers or element(segment, 1) in qualifiers:
            people[-1][at : at + len(numbers)] = [element(segment, number) for number in numbers]


_NAMES = {
    "NM1": tuple(enumerate((1, 2, 3, 4, 5, 7, 8, 9))),
    "N1": ((0, 1), (2, 2), (6, 3), (7, 4)),
}
_OF_PARTY: dict[str, tuple[tuple[str, ...], int, tuple[int, ...]]] = {
    "REF": (("EI", "SY", "TJ"), PARTY.index("tax_id"), (2,)),
    "N3": ((), PARTY.index("address_1"), (1, 2)),
    "N4": ((), PARTY.index("city"), (1, 2, 3, 4)),
    "PRV": ((), PARTY.index("taxonomy"), (3,)),
    "DMG": ((), PARTY.index("birth_date"), (2, 3)),
}
