"""The tags of many XML rows at once, in arrays: no step in Python is taken for a single one.

In well-formed XML without comments, CDATA and instructions every `<` begins a tag. A tag without its attributes' values
is its shape; there are few, so that each is parsed by expat once, and a tag is known by its shape's number. What else
well-formedness asks for is seen by comparing arrays: tags that match, references, characters. A row in which
anything is unusual, be it right or wrong, is `odd`, to be read alone by a parser proper.

Whether a row's tags are nested is told level by level: sorted by depth, an element's end stands right behind its start.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast
from xml.parsers import expat

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spark.cutting import is_utf8
from spark.cutting.bits import Bytes, Flags, Positions, equal, positions
from spark.readers.xml_fields import local
from spark.readers.xml_nodes import is_namespace, is_nil
from spark.readers.xml_references import References, find, strings, unescaped

Ints = npt.NDArray[np.int32]
Small = npt.NDArray[np.int8]

_LT, _GT, _SLASH = (ord(char) for char in "<>/")
_DEEPEST = 254
_END_TAG = re.compile(r"</([^\s</>]+)\s*>")


class Shape(NamedTuple):
    """A tag without its attributes' values: `kind` is 1 for a start, -1 for an end, 0 for an empty element."""

    kind: int
    name: int
    attributes: tuple[int, ...]
    good: bool


class Shapes:
    """All shapes met; `names` are those of elements, `attributes` those of attributes, as `@…`."""

    def __init__(self, row: str) -> None:
        self._row = row
        self.names: list[str] = []
        self.attributes: list[str] = []
        self._name_ids: dict[str, int] = {}
        self._attribute_ids: dict[str, int] = {}
        self._ids: dict[bytes, int] = {}
        self._all = [Shape(0, self._number("", self._name_ids, self.names), (), good=False)]
        self._collect()

    def numbers(self, tags: pa.Array, without: bytes) -> Ints:
        """The number of each of these tags, new ones learned; 0 is for what is no tag, or holds a byte of `without`."""
        encoded = tags.dictionary_encode()
        known, before = [], len(self._all)
        for tag in encoded.dictionary.to_pylist():
            number = self._ids.get(tag, 0)
            if any(byte in tag for byte in without):
                number = 0
            elif not number and (shape := self._parsed(tag)):
                number = self._ids[tag] = len(self._all)
                self._all.append(shape)
            known.append(number)
        if len(self._all) > before:
            self._collect()
        numbers: Ints = np.array(known, np.int32)[encoded.indices.to_numpy()]
        return numbers

    def _collect(self) -> None:
        shapes = self._all
        self.kind = np.array([shape.kind for shape in shapes], np.int8)
        self.good = np.array([shape.good for shape in shapes], np.int8)
        self.name = np.array([shape.name for shape in shapes], np.int32)
        self.flat = np.array([one for shape in shapes for one in shape.attributes], np.int32)
        self.first = np.cumsum([0, *(len(shape.attributes) for shape in shapes)]).astype(np.int32)
        rows = [self._row in {name, local(name)} for name in self.names]
        self.is_row = np.array([shape.good and rows[shape.name] for shape in shapes], np.int8)

    def _parsed(self, tag: bytes) -> Shape | None:
        try:
            text = tag.decode()
        except UnicodeDecodeError:
            return None
        closing = _END_TAG.fullmatch(text)
        kind = -1 if closing else 0 if text.endswith("/>") else 1
        found: list[tuple[str, list[str]]] = []
        parser = expat.ParserCreate("utf-8")
        parser.ordered_attributes = True
        parser.StartElementHandler = lambda name, attributes: found.append((name, attributes))
        try:
            parser.Parse(f"<{closing[1]}/>" if closing else text[:-1].removesuffix("/") + "/>", True)
        except expat.ExpatError:
            return None
        ((name, attributes),) = found
        if any(attributes[1::2]):
            return None
        ids = tuple(self._number(f"@{one}", self._attribute_ids, self.attributes) for one in attributes[::2])
        return Shape(kind, self._number(name, self._name_ids, self.names), ids, good=True)

    @staticmethod
    def _number(name: str, ids: dict[str, int], names: list[str]) -> int:
        if name not in ids:
            ids[name] = len(names)
            names.append(name)
        return ids[name]

    def no_data(self) -> Flags:
        """Of each attribute, whether it is no data."""
        flags: Flags = np.array([is_namespace(name[1:]) or is_nil(name[1:]) for name in self.attributes], bool)
        return flags

    def nil(self) -> int:
        """The number of the attribute that says that an element is null; -1 where there is none."""
        return next((number for number, name in enumerate(self.attributes) if is_nil(name[1:])), -1)


Step = Callable[[Ints, Ints], Ints]
"""From the path of each of some parents, and the name of its child, to the child's path."""


@dataclass
class Scan:
    """The tags in the rows of some text.

    Of each tag in a row that is not `odd` from the outset: `tag` its number among all tags of the text, `record` its
    row's number, `kind` and `name` its shape's; `parent` is the tag that starts the element round it, -1 for a row's,
    and `path` the number of its element's path: of an end tag, both are its start's. `end` is the end tag of a start,
    `null` whether the tag says so of its element.
    """

    text: bytes
    bounds: Positions
    references: References | None
    rows: Sequence[tuple[int, int]]
    odd: Flags
    tag: Positions
    record: Positions
    kind: Small
    name: Ints
    path: Ints
    parent: Positions
    end: Positions
    null: Flags
    values: pa.Array
    value_tag: Positions
    value_attribute: Ints

    def between(self) -> pa.Array:
        """The text, as segments: of number 2n tag n, 2n + 1 what stands behind it, references replaced; the last ""."""
        text, bounds = unescaped(self.text, self.bounds, self.references)
        return strings(pa.string(), bounds, text)

    def spans(self, starts: Positions) -> pa.Array:
        """The inner XML of elements that start at these tags, none within another, as it came."""
        stops = np.where(self.kind[starts] == 1, self.end[starts], starts)
        begin = self.bounds[2 * self.tag[starts] + 1]
        end = np.maximum(self.bounds[2 * self.tag[stops]], begin)
        bounds = np.append(np.ravel(np.column_stack([begin, end])), 0)
        bounds[-1] = bounds[-2] if len(bounds) > 1 else 0
        return strings(pa.string(), bounds, self.text).take(pa.array(np.arange(0, 2 * len(starts), 2)))

    def is_blank(self, after: Positions) -> Flags:
        """Whether there is white space alone behind these tags, up to the next."""
        segment = 2 * self.tag[after] + 1
        begin, end = self.bounds[segment], self.bounds[segment + 1]
        flags = begin == end
        bytes_ = np.frombuffer(self.text, np.uint8)
        maybe = np.flatnonzero(~flags)
        maybe = maybe[_WHITE[bytes_[begin[maybe]]]]
        maybe_text = strings(pa.binary(), self.bounds, self.text).take(pa.array(segment[maybe])).dictionary_encode()
        blank = np.array([not text.strip(b" \t\n") for text in maybe_text.dictionary.to_pylist()], bool)
        flags[maybe] = blank[maybe_text.indices.to_numpy()]
        return cast(Flags, flags)


_WHITE = np.zeros(256, bool)
_WHITE[list(b" \t\n")] = True


class Unclear(Exception):
    """Where rows are cannot be told by their tags alone."""


def scan(text: bytes, shapes: Shapes, step: Step, rows: Sequence[tuple[int, int]] | None = None) -> Scan:
    """Scan text whose line ends are LF; `rows` is where rows start and end, unless their tags may tell.

    Raises `Unclear` where they cannot.
    """
    bytes_ = np.frombuffer(text, np.uint8)
    starts, stops, good, more = _tags(bytes_)
    bounds = np.empty(2 * len(starts) + 2, np.int64)
    bounds[0:-2:2], bounds[1:-2:2], bounds[-2:] = starts, stops, len(text)
    all_tags = strings(pa.binary(), bounds, text)
    number, values, value_tag, value_attribute = _numbers(bytes_, all_tags, starts, stops, shapes)
    good &= shapes.good[number].astype(bool)
    first, last, rows = _row_tags(starts, stops, shapes, number, good) if rows is None else _between(starts, rows)

    odd = _odd_characters(text, bytes_, rows, more=more)
    references = find(text)
    if references is not None:
        odd[_rows_of(references.at[~references.known], rows)] = True
    counts = last - first
    record = np.repeat(np.arange(len(rows)), counts)
    tag = np.arange(len(record)) + np.repeat(first - np.append(0, np.cumsum(counts)[:-1]), counts)
    odd[record[~good[tag]]] = True

    kind = shapes.kind[number[tag]]
    if odd.any():
        tag, record, kind = _without(odd, tag, record, kind)
    level, unbalanced = _levels(kind, record, len(rows))
    if unbalanced.any():
        odd |= unbalanced
        tag, record, kind, level = _without(odd, tag, record, kind, level)
    name = shapes.name[number[tag]]
    order = np.argsort(level.astype(np.uint8), kind="stable")
    begins = np.flatnonzero(kind[order] == 1)
    end = np.full(len(tag), -1, np.int64)
    end[order[begins]] = order[begins + 1]
    wrong = name[order[begins]] != name[order[begins + 1]]
    odd[record[order[begins[wrong]]]] = True
    path, parent = _paths(order, level, kind, name, step)
    path[order[begins + 1]], parent[order[begins + 1]] = path[order[begins]], parent[order[begins]]

    null = np.zeros(len(tag), bool)
    if len(value_tag):
        place = np.full(len(starts), -1, np.int64)
        place[tag] = np.arange(len(tag))
        value_tag = place[value_tag]
        if (nil := shapes.nil()) >= 0:
            says = np.flatnonzero((value_attribute == nil) & (value_tag >= 0))
            found = values.take(pa.array(says))
            null[value_tag[says[_among(found, ["true", "1"])]]] = True
            other = says[~_among(found, ["true", "1", "false", "0"])]
            odd[record[value_tag[other]]] = True
    return Scan(
        text=text,
        bounds=bounds,
        references=references,
        rows=rows,
        odd=odd,
        tag=tag,
        record=record,
        kind=kind,
        name=name,
        path=path,
        parent=parent,
        end=end,
        null=null,
        values=values,
        value_tag=value_tag,
        value_attribute=value_attribute,
    )


def _among(values: pa.Array, some: Sequence[str]) -> Flags:
    flags: Flags = pc.is_in(values, pa.array(some)).to_numpy(zero_copy_only=False)
    return flags


def _tags(bytes_: Bytes) -> tuple[Positions, Positions, Flags, bool]:
    """Where tags start, where they end, whether they do before the next one starts; whether there are other >."""
    starts, stops = positions(equal(bytes_, _LT)), positions(equal(bytes_, _GT))
    if len(starts) == len(stops) and (starts < stops).all() and (stops[:-1] < starts[1:]).all():
        return starts, stops + 1, np.ones(len(starts), bool), False
    nth = np.searchsorted(stops, starts)
    found = np.append(stops, len(bytes_))[nth]
    good = found < np.append(starts[1:], len(bytes_))
    return starts, np.where(good, found, starts) + 1, good, True


def _numbers(
    bytes_: Bytes, all_tags: pa.Array, starts: Positions, stops: Positions, shapes: Shapes
) -> tuple[Ints, pa.Array, Positions, Ints]:
    """The shape of every tag; the values of attributes, the tag of each, and which attribute it is."""
    number = np.empty(len(starts), np.int32)
    before = bytes_[np.maximum(stops - 2, 0)]
    before = np.where(before == _SLASH, bytes_[np.maximum(stops - 3, 0)], before)
    quoted = np.flatnonzero(_MAY_END_QUOTED[before])
    mark = ord('"')
    values, value_tag, value_attribute = pa.array([], pa.string()), np.zeros(0, np.int64), np.zeros(0, np.int32)
    if len(quoted):
        tags = all_tags.take(pa.array(2 * quoted))
        ends = np.frombuffer(tags.buffers()[1], np.int32)[1 : len(quoted) + 1].astype(np.int64)
        data = tags.buffers()[2]
        tag_bytes = np.frombuffer(data, np.uint8)[: ends[-1]]
        marks = np.flatnonzero(tag_bytes == mark)
        if not len(marks):
            mark = ord("'")
            marks = np.flatnonzero(tag_bytes == mark)
        each = np.diff(np.searchsorted(marks, ends), prepend=0)
        if (each % 2).any():  # these are left for what they are, which no shape is
            quoted = quoted[each % 2 == 0]
            tags = all_tags.take(pa.array(2 * quoted))
            ends = np.frombuffer(tags.buffers()[1], np.int32)[1 : len(quoted) + 1].astype(np.int64)
            data = tags.buffers()[2]
            tag_bytes = np.frombuffer(data, np.uint8)[: ends[-1] if len(ends) else 0]
            marks = np.flatnonzero(tag_bytes == mark)
            each = np.diff(np.searchsorted(marks, ends), prepend=0)
        inner = marks.copy()
        inner[::2] += 1  # a mark that opens belongs to what is before the value, one that closes to what is behind
        segments = strings(pa.binary(), np.concatenate([[0], inner, [len(tag_bytes)]]), data)
        outside = segments.take(pa.array(np.arange(0, len(marks) + 1, 2)))
        values = segments.take(pa.array(np.arange(1, len(marks) + 1, 2))).view(pa.string())
        lost = np.append(0, np.cumsum(inner[1::2] - inner[::2]))
        shape_ends = ends - lost[np.cumsum(each // 2)]
        shape_tags = strings(pa.binary(), np.append(0, shape_ends), outside.buffers()[2])
        number[quoted] = shapes.numbers(shape_tags, b"'" if mark == ord('"') else b"")
        value_tag = np.repeat(quoted, each // 2)
        nth = np.arange(len(value_tag)) - np.repeat(np.cumsum(each // 2) - each // 2, each // 2)
    plain = np.ones(len(starts), bool)
    plain[quoted] = False
    number[plain] = shapes.numbers(all_tags.take(pa.array(2 * np.flatnonzero(plain))), b"\"'")
    if len(value_tag):
        value_bounds = np.frombuffer(values.buffers()[1], np.int32)[: len(values) + 1].astype(np.int64)
        value_bytes = np.frombuffer(values.buffers()[2], np.uint8)[: value_bounds[-1]]
        white = np.flatnonzero((value_bytes == 9) | (value_bytes == 10))  # each is a blank, to a parser
        number[value_tag[np.searchsorted(value_bounds, white, "right") - 1]] = 0
        value_text = values.buffers()[2]
        value_text, value_bounds = unescaped(value_text, value_bounds, find(value_text))
        values = strings(pa.string(), value_bounds, value_text)
        shape = number[value_tag]
        good = shapes.good[shape].astype(bool)
        if not good.all():
            kept = np.flatnonzero(good)
            values, value_tag, shape, nth = values.take(pa.array(kept)), value_tag[kept], shape[kept], nth[kept]
        value_attribute = shapes.flat[shapes.first[shape] + nth]
    return number, values, value_tag, value_attribute


_MAY_END_QUOTED = np.zeros(256, bool)
_MAY_END_QUOTED[list(b"\"' \t\n")] = True


def _row_tags(
    starts: Positions, stops: Positions, shapes: Shapes, number: Ints, good: Flags
) -> tuple[Positions, Positions, Sequence[tuple[int, int]]]:
    """Of each row its first tag, one past its last, and where it stands."""
    if not good.all():
        raise Unclear
    at = np.flatnonzero(shapes.is_row[number])
    kind = shapes.kind[number[at]]
    depth = np.cumsum(kind)
    if len(at) and (depth[-1] or ((depth != 0) & (depth != 1)).any() or (depth[kind == 0] != 0).any()):
        raise Unclear
    first, last = at[kind >= 0], at[kind <= 0]
    return first, last + 1, list(zip(starts[first].tolist(), stops[last].tolist(), strict=True))


def _between(
    starts: Positions, rows: Sequence[tuple[int, int]]
) -> tuple[Positions, Positions, Sequence[tuple[int, int]]]:
    spans = np.array(rows, np.int64).reshape(-1, 2)
    return np.searchsorted(starts, spans[:, 0]), np.searchsorted(starts, spans[:, 1]), rows


def _rows_of(at: Positions, rows: Sequence[tuple[int, int]]) -> Positions:
    """The rows, by number, in which these bytes stand."""
    spans = np.array(rows, np.int64).reshape(-1, 2)
    nth = np.searchsorted(spans[:, 0], at, "right") - 1
    nth, at = nth[nth >= 0], at[nth >= 0]
    found: Positions = nth[at < spans[nth, 1]]
    return found


def _odd_characters(text: bytes, bytes_: Bytes, rows: Sequence[tuple[int, int]], *, more: bool) -> Flags:
    """Rows with what XML does not allow in text; `more`: there are > that end no tag."""
    odd = np.zeros(len(rows), bool)
    control = bytes_ < 32
    if np.count_nonzero(control) != np.count_nonzero(bytes_ == 10) + np.count_nonzero(bytes_ == 9):
        at = np.flatnonzero(control)
        odd[_rows_of(at[~_WHITE[bytes_[at]]], rows)] = True
    if more:
        odd[_rows_of(np.array([match.start() for match in re.finditer(b"]]>", text)], np.int64), rows)] = True
    last = np.flatnonzero(bytes_ == 0xEF)  # U+FFFE and U+FFFF are EF BF BE and EF BF BF
    last = last[last < len(text) - 2]
    last = last[(bytes_[last + 1] == 0xBF) & (bytes_[last + 2] >= 0xBE)]
    odd[_rows_of(last, rows)] = True
    try:
        strings(pa.string(), np.array([0, len(text)]), text).validate(full=True)
    except pa.ArrowInvalid:
        odd |= np.array([not is_utf8(text[start:stop]) for start, stop in rows], bool)
    return odd


def _without(
    odd: Flags, tag: Positions, record: Positions, kind: Small, *more: Positions
) -> tuple[npt.NDArray[np.int64], ...]:
    kept = ~odd[record]
    return tuple(cast(Positions, one)[kept] for one in (tag, record, kind, *more))


def _levels(kind: Small, record: Positions, rows: int) -> tuple[Positions, Flags]:
    """How deep each tag's element is, 0 a row; and the rows of which that cannot be told."""
    level = np.cumsum(kind, dtype=np.int64)
    starts = np.flatnonzero(np.diff(record, prepend=-1))
    level -= kind > 0
    unbalanced = np.zeros(rows, bool)
    if not len(record):
        return level, unbalanced
    lengths = np.diff(starts, append=len(record))
    base = level[starts]
    if base.any():
        level -= np.repeat(base, lengths)
    lowest, highest = np.minimum.reduceat(level, starts), np.maximum.reduceat(level, starts)
    zeros = np.add.reduceat((level == 0).astype(np.int64), starts)
    ends = level[starts + lengths - 1]
    expected = np.where(lengths == 1, 1, 2)
    single = (lengths == 1) & (kind[starts] != 0)
    closed = (lengths == 1) | (kind[starts + lengths - 1] == -1)
    wrong = (
        (lowest < 0) | (highest > _DEEPEST) | (zeros != expected) | (ends != 0) | single | ~closed | (kind[starts] < 0)
    )
    unbalanced[record[starts[wrong]]] = True
    return level, unbalanced


def _paths(order: Positions, level: Positions, kind: Small, name: Ints, step: Step) -> tuple[Ints, Positions]:
    """Of each start, the path of its element and the start of the element round it."""
    path = np.zeros(len(level), np.int32)
    parent = np.full(len(level), -1, np.int64)
    ends = np.cumsum(np.bincount(level)) if len(level) else np.zeros(0, np.int64)
    above = np.zeros(0, np.int64)
    for depth, stop in enumerate(ends):
        here = order[ends[depth - 1] if depth else 0 : stop]
        here = here[kind[here] >= 0]
        if depth:
            parent[here] = above[np.searchsorted(above, here) - 1]
            path[here] = step(path[parent[here]], name[here])
        above = here[kind[here] == 1]
    return path, parent
