"""From the tags of many XML rows to Arrow columns, and single rows for what is not usual."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from spark.cutting import element_spans
from spark.cutting.bits import Flags, Positions
from spark.readers.xml_fields import MARKUP, SPECIAL_TYPE, TEXT, Path, Paths, local
from spark.readers.xml_tags import Ints, Scan, Shapes, Step, Unclear, scan


class Rows(NamedTuple):
    """Rows of a text: how many, which of them are in `columns`, `_special` the last, and which not, with their text."""

    total: int
    good: Positions
    columns: list[pa.Array]
    odd_at: Positions
    odd: list[bytes]


def blocks(text: bytes, row: str, size: int, shapes: Shapes, step: Step) -> Iterator[Scan]:
    """Scan whole rows of about `size` bytes at once."""
    begin = 0
    for stop in _row_starts(text, row, size):
        try:
            found = scan(text[begin:stop], shapes, step)
        except Unclear:
            break
        yield found
        begin = stop
    else:
        return
    text = text[begin:]  # what is passed ends outside of rows
    spans = list(element_spans(text, row))
    first = 0
    while first < len(spans):
        begin, last = spans[first][0], first + 1
        while last < len(spans) and spans[last][1] - begin <= size:
            last += 1
        rows = [(start - begin, stop - begin) for start, stop in spans[first:last]]
        yield scan(text[begin : spans[last - 1][1]], shapes, step, rows)
        first = last


def _row_starts(text: bytes, row: str, size: int) -> Iterator[int]:
    """Where a row begins, as it seems, about every `size` bytes; and the end of the text."""
    prefix = b"" if ":" in row else rb"(?:[^\s<>/:!?=\"'&;]++:)?+"
    tag = re.compile(rb"<" + prefix + re.escape(row.encode()) + rb"(?=[\s/>])")
    at = 0
    while found := tag.search(text, at + size):
        at = found.start()
        yield at
    yield len(text)


class Lookup:
    """From a parent's path and a child's name to the child's path, as far as fields are declared."""

    def __init__(self, paths: Paths, shapes: Shapes) -> None:
        self._paths = paths
        self._shapes = shapes
        self.inside, self.unknown = len(paths), len(paths) + 1
        self._table = np.zeros((len(paths) + 2, 0), np.int32)
        self._default = np.array([self.inside if path.is_markup else self.unknown for path in paths], np.int32)
        self._default = np.append(self._default, [self.inside, self.unknown]).astype(np.int32)
        self._spelled: dict[str, list[tuple[Path, Path]]] = {}
        for path in paths:
            for name, child in path.children.items():
                self._spelled.setdefault(name, []).append((path, child))

    def __call__(self, parents: Ints, names: Ints) -> Ints:
        """See `Step`."""
        new = self._shapes.names[self._table.shape[1] :]
        if new:
            columns = np.repeat(self._default[:, None], len(new), axis=1)
            for nth, name in enumerate(new):
                for spelling in {local(name): 0, name: 0}:  # the prefix, if declared, wins
                    for parent, child in self._spelled.get(spelling, []):
                        columns[parent.id, nth] = child.id
            self._table = np.hstack([self._table, columns])
        found: Ints = self._table[parents, names]
        return found


class Columns:
    """Reads rows into columns."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._shapes = Shapes(paths[0].element.name)
        self._lookup = Lookup(paths, self._shapes)
        self._attributes = list(paths.attributes())
        self._attribute_table = np.zeros((len(paths) + 2, 0), np.int32)

    def read(self, text: bytes, size: int) -> Iterator[Rows]:
        """The rows of a text, about `size` bytes of it at once."""
        for found in blocks(text, self._paths[0].element.name, size, self._shapes, self._lookup):
            yield self._rows(found)

    def _rows(self, tags: Scan) -> Rows:
        starts = np.flatnonzero(tags.kind >= 0)
        starts = starts[np.argsort(tags.path[starts].astype(np.int16), kind="stable")]
        over = _Over(tags, self._paths, self._shapes, starts)
        attribute_path = self._attribute_paths(tags)
        values = np.argsort(attribute_path.astype(np.int16), kind="stable")
        self._find_odd(tags, attribute_path, values)
        starts = starts[tags.path[starts] < len(self._paths)]
        odd = tags.odd
        if odd.any():
            starts = starts[~odd[tags.record[starts]]]
            values = values[~odd[tags.record[tags.value_tag[values]]]]
        good, odd_at = np.flatnonzero(~odd), np.flatnonzero(odd)
        build = _Build(tags, self._paths, starts, values, attribute_path, self._attributes, len(good))
        unknown = values[attribute_path[values] > len(self._attributes)]
        columns = [*build.columns(), over.column(unknown, good)]
        return Rows(len(odd), good, columns, odd_at, [tags.text[slice(*tags.rows[nth])] for nth in odd_at.tolist()])

    def _attribute_paths(self, tags: Scan) -> Ints:
        """Of each attribute's value the number of its field; where it has none, one or two more than there are."""
        table = self._attribute_table
        if table.shape[1] < len(self._shapes.attributes):
            table = self._attribute_table = self._looked_up()
        kept = np.flatnonzero(tags.value_tag >= 0)
        tags.value_tag, tags.value_attribute = tags.value_tag[kept], tags.value_attribute[kept]
        tags.values = tags.values.take(pa.array(kept)) if len(kept) < len(tags.values) else tags.values
        found: Ints = table[tags.path[tags.value_tag], tags.value_attribute]
        return found

    def _looked_up(self) -> Ints:
        """By path and attribute, the number of its field."""
        known = {(path.id, name): nth for nth, (path, name) in enumerate(self._attributes)}
        none, unknown = len(known), len(known) + 1
        table = np.full((len(self._paths) + 2, len(self._shapes.attributes)), unknown, np.int32)
        for nth, name in enumerate(self._shapes.attributes):
            for path in self._paths:
                if field := path.attribute(name):
                    table[path.id, nth] = known[path.id, field]
        table[[self._lookup.inside, self._lookup.unknown]] = none
        table[:, self._shapes.no_data()] = none
        return table

    def _find_odd(self, tags: Scan, attribute_path: Ints, values: Positions) -> None:
        """Add the rows that only a parser proper can fit to those that are odd."""
        odd, path, parent, record = tags.odd, tags.path, tags.parent, tags.record
        owner = tags.value_tag[values]
        twice = (attribute_path[values[1:]] == attribute_path[values[:-1]]) & (owner[1:] == owner[:-1])
        twice &= attribute_path[values[1:]] < len(self._attributes)
        odd[record[owner[1:][twice]]] = True
        # Text where there should be none: behind every tag but those that are followed by a value, or within markup.
        around = path.copy()
        behind = np.flatnonzero(tags.kind <= 0)
        around[behind] = np.where(parent[behind] >= 0, path[parent[behind]], self._lookup.inside)
        strict = np.array([not (one.is_markup or one.is_leaf) for one in self._paths] + [False, False])
        texts = np.array([one.has_text for one in self._paths] + [False, False])
        alone = np.zeros(len(path), bool)
        begins = np.flatnonzero(tags.kind == 1)
        alone[begins] = tags.end[begins] == begins + 1
        look = np.flatnonzero(strict[around] & ~(alone & texts[around]))
        wrong = look[~tags.is_blank(look)]
        odd[record[wrong]] = True


class _Over:
    """What is left over in rows that fit otherwise: elements and attributes that no field is declared for.

    Of an element that is not `many` and occurs again, tags get the path of what is unknown, and so do those within it.
    """

    def __init__(self, tags: Scan, paths: Paths, shapes: Shapes, starts: Positions) -> None:
        self._tags, self._paths, self._shapes = tags, paths, shapes
        self._unknown = len(paths) + 1
        self._where: dict[int, str] = {}
        path, parent = tags.path, tags.parent
        leaf = np.array([one.is_leaf and not one.is_markup for one in paths] + [False, False])
        inner = np.flatnonzero((parent >= 0) & (path == self._unknown) & leaf[path[parent]])
        tags.odd[tags.record[inner]] = True
        self._path = path
        first = np.ones(len(starts), bool)
        first[1:] = (path[starts[1:]] != path[starts[:-1]]) | (parent[starts[1:]] != parent[starts[:-1]])
        self._nth = np.zeros(len(path), np.int64)
        order = np.arange(len(starts))
        self._nth[starts] = order - np.maximum.accumulate(np.where(first, order, 0)) + 1
        single = np.array([not one.element.many for one in paths] + [False, False])
        again = starts[~first & single[path[starts]] & (parent[starts] >= 0)]
        if len(again):
            self._path = path.copy()
            for start in np.sort(again).tolist():
                path[start : max(int(tags.end[start]), start) + 1] = self._unknown

    def column(self, attributes: Positions, good: Positions) -> pa.Array:
        """What is left over of each good row; `attributes` are the values of those without a field."""
        tags = self._tags
        top = (tags.path == self._unknown) & (tags.kind >= 0) & ~tags.odd[tags.record]
        top[top] = tags.path[tags.parent[top]] != self._unknown
        tops = np.flatnonzero(top).tolist()
        if not tops and not len(attributes):
            return pa.nulls(len(good), SPECIAL_TYPE)
        rows: dict[int, list[tuple[str, str]]] = {}
        counts: dict[tuple[int, str], int] = {}
        for start in tops:
            parent, path = int(tags.parent[start]), int(self._path[start])
            if path == self._unknown:
                name = self._shapes.names[tags.name[start]]
                counts[parent, name] = nth = counts.get((parent, name), 0) + 1
            else:
                name, nth = self._paths[path].element.name, int(self._nth[start])
            where = self._at(parent) + (name if nth == 1 else f"{name}[{nth}]")
            stop = max(int(tags.end[start]), start)
            raw = tags.text[tags.bounds[2 * tags.tag[start]] : tags.bounds[2 * tags.tag[stop] + 1]]
            rows.setdefault(int(tags.record[start]), []).append((where, raw.decode()))
        for value in attributes.tolist():
            start, name = int(tags.value_tag[value]), self._shapes.attributes[tags.value_attribute[value]]
            written = f"{name[1:]}={quoteattr(tags.values[value].as_py())}"
            rows.setdefault(int(tags.record[start]), []).append((self._at(start) + name, written))
        return pa.array([sorted(rows[nth]) if nth in rows else None for nth in good.tolist()], SPECIAL_TYPE)

    def _at(self, start: int) -> str:
        """The path of what stands in an element."""
        found = self._where.get(start)
        if found is None:
            above = int(self._tags.parent[start])
            element = self._paths[self._tags.path[start]].element
            name = f"{element.name}[{self._nth[start]}]/" if element.many else f"{element.name}/"
            found = self._where[start] = self._at(above) + name if above >= 0 else ""
        return found


class _Build:
    """The columns of rows that fit."""

    def __init__(
        self,
        tags: Scan,
        paths: Paths,
        starts: Positions,
        values: Positions,
        attribute_path: Ints,
        attributes: Sequence[tuple[Path, str]],
        rows: int,
    ) -> None:
        self._tags = tags
        self._paths = paths
        self._rows = rows
        self._starts = np.split(starts, np.searchsorted(tags.path[starts], np.arange(1, len(paths) + 1)))
        self._values = np.split(values, np.searchsorted(attribute_path[values], np.arange(1, len(attributes) + 1)))
        self._attribute = {(path.id, name): nth for nth, (path, name) in enumerate(attributes)}
        self._slot = np.zeros(len(tags.path), np.int64)
        self._between = tags.between()
        self._empty = len(self._between) - 1
        self._leafy = np.where(tags.kind == 0, self._empty, 2 * tags.tag + 1)
        begin, end = tags.bounds[2 * tags.tag + 1], tags.bounds[2 * tags.tag + 2]
        self._absent = tags.null & ((tags.kind == 0) | ((tags.end == np.arange(len(tags.end)) + 1) & (begin == end)))

    def columns(self) -> list[pa.Array]:
        """Of the row's fields."""
        self._slot[self._starts[0]] = np.arange(self._rows)
        return self._fields(self._paths[0], self._rows)

    def _fields(self, path: Path, slots: int) -> list[pa.Array]:
        """What the fields of an element hold, in each of its slots."""
        children = []
        for one in path.element.fields:
            if one.name == TEXT:
                children.append(self._text(path, slots))
            elif one.name == MARKUP:
                children.append(self._markup(path, slots))
            elif one.name.startswith("@"):
                values = self._values[self._attribute[path.id, one.name]]
                at = self._slot[self._tags.value_tag[values]]
                children.append(_placed(self._tags.values, values, at, slots))
            else:
                children.append(self._element(path.children[one.name], slots))
        return children

    def _element(self, path: Path, slots: int) -> pa.Array:
        """An element in each slot of its parent, or a list of those there."""
        starts = self._starts[path.id]
        above = self._slot[self._tags.parent[starts]]
        if not path.element.many:
            self._slot[starts] = above
            return self._value(path, starts, slots)
        self._slot[starts] = np.arange(len(starts))
        items = self._value(path, starts, len(starts))
        counts = np.bincount(above, minlength=slots)
        offsets = pa.array(np.append(0, np.cumsum(counts)).astype(np.int32))
        return pa.ListArray.from_arrays(offsets, items, type=path.type, mask=pa.array(counts == 0))

    def _value(self, path: Path, starts: Positions, slots: int) -> pa.Array:
        if path.is_leaf:
            return self._markup(path, slots) if path.is_markup else self._text(path, slots)
        absent = np.ones(slots, bool)
        absent[self._slot[starts]] = False
        mask = pa.array(absent) if absent.any() else None
        return pa.StructArray.from_arrays(self._fields(path, slots), fields=path.inner, mask=mask)

    def _text(self, path: Path, slots: int) -> pa.Array:
        starts = self._starts[path.id]
        if not path.is_leaf:
            starts = starts[(self._tags.kind[starts] == 0) | (self._tags.end[starts] == starts + 1)]
        starts = starts[~self._absent[starts]]
        return _placed(self._between, self._leafy[starts], self._slot[starts], slots)

    def _markup(self, path: Path, slots: int) -> pa.Array:
        starts = self._starts[path.id]
        starts = starts[~self._absent[starts]]
        return _placed(self._tags.spans(starts), np.arange(len(starts)), self._slot[starts], slots)


def _placed(texts: pa.Array, which: npt.NDArray[np.int64], slots: Positions, count: int) -> pa.Array:
    """Some of the texts, each in its slot; null where there is none."""
    if len(which) == count:
        return texts.take(pa.array(which))
    at = np.zeros(count, np.int64)
    absent: Flags = np.ones(count, bool)
    at[slots], absent[slots] = which, False
    return texts.take(pa.array(at, mask=absent))
