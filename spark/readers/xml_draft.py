"""Finding the fields that XML rows have."""

from dataclasses import dataclass, field
from xml.parsers import expat

import numpy as np

from spark.cutting.bits import Flags
from spark.readers.xml_columns import blocks
from spark.readers.xml_fields import MARKUP, TEXT, Element, local
from spark.readers.xml_nodes import Node, is_namespace, is_nil, parsed
from spark.readers.xml_tags import Ints, Scan, Shapes

_BLOCK = 4 * 1024 * 1024
DEEPEST = 16
"""Elements within one another that are told apart."""
WIDEST = 1_000
"""Elements of different names in one that are; where there are more, names are data."""


@dataclass
class _Seen:
    """What is seen of the elements at one path; `folded`: there are elements in it that are not told apart."""

    id: int
    name: str
    above: tuple[str, ...]
    children: dict[str, "_Seen"] = field(default_factory=dict)
    attributes: dict[str, None] = field(default_factory=dict)
    many: bool = False
    text: bool = False
    mixed: bool = False
    folded: bool = False

    @property
    def is_closed(self) -> bool:
        """Whether what stands in it is not told apart."""
        return self.name in self.above or len(self.above) >= DEEPEST

    def element(self) -> Element:
        """As a field."""
        if not self.attributes and (self.mixed or self.folded):
            return Element(self.name, many=self.many, markup=True)
        if not self.attributes and not self.children:
            return Element(self.name, many=self.many)
        return Element(self.name, many=self.many, fields=self.fields())

    def fields(self) -> tuple[Element, ...]:
        """Its own: attributes, text or markup, elements."""
        named = list(_short(list(self.attributes)).values())
        found = [Element(name) for name in named]
        if self.mixed or self.folded:
            return (*found, Element(MARKUP))
        if self.text:
            found.append(Element(TEXT))
        short = _short(list(self.children))
        inner = (child.element() for child in self.children.values())
        return (*found, *(one.model_copy(update={"name": short[one.name]}) for one in inner))


def _short(names: list[str]) -> dict[str, str]:
    """Names without prefixes where that leaves them different."""
    count: dict[str, int] = {}
    for name in names:
        count[local(name)] = count.get(local(name), 0) + 1
    return {name: local(name) if count[local(name)] == 1 else name for name in names}


class Draft:
    """Collects what is seen of rows, in whatever number of texts."""

    def __init__(self, row: str) -> None:
        self._row = row
        self._shapes = Shapes(row)
        self._all = [_Seen(0, row, ())]
        self._table = np.full((64, 64), -1, np.int32)

    def add(self, text: bytes) -> None:
        """See the rows of a text; one that is not well-formed is passed over."""
        for tags in blocks(text, self._row, _BLOCK, self._shapes, self._step):
            self._see(tags)
            for nth in np.flatnonzero(tags.odd).tolist():
                try:
                    self._see_node(parsed(tags.text[slice(*tags.rows[nth])]), self._all[0])
                except expat.ExpatError:
                    continue

    def fields(self) -> tuple[Element, ...]:
        """Fields that hold all that was seen."""
        return self._all[0].fields()

    def _child(self, seen: _Seen, name: str) -> _Seen | None:
        """What is seen of elements of this name in another; None where they are not told apart."""
        if seen.is_closed or (name not in seen.children and len(seen.children) >= WIDEST):
            seen.folded = True
            return None
        if name not in seen.children:
            child = _Seen(len(self._all), name, (*seen.above, seen.name))
            self._all.append(child)
            seen.children[name] = child
        return seen.children[name]

    def _step(self, parents: Ints, names: Ints) -> Ints:
        """See `Step`; paths are numbers of `_all`, and one more for all that is not told apart, written -2 here."""
        self._grow(len(self._shapes.names))
        found = self._table[parents, names]
        new = np.flatnonzero((found == -1) & (parents != _INSIDE))
        if len(new):
            keys = parents[new].astype(np.int64) * len(self._shapes.names) + names[new]
            _, firsts = np.unique(keys, return_index=True)
            for at in new[np.sort(firsts)].tolist():
                parent, name = int(parents[at]), int(names[at])
                child = self._child(self._all[parent], self._shapes.names[name])
                self._table[parent, name] = child.id if child else _INSIDE
            self._grow(0)
            found = self._table[parents, names]
        return np.where(parents == _INSIDE, _INSIDE, found).astype(np.int32)

    def _grow(self, names: int) -> None:
        rows, columns = self._table.shape
        more_rows, more_columns = max(rows, 2 * len(self._all)), columns if names <= columns else 2 * names
        if (more_rows, more_columns) != (rows, columns):
            table = np.full((more_rows, more_columns), -1, np.int32)
            table[:rows, :columns] = self._table
            self._table = table

    def _see(self, tags: Scan) -> None:
        good = ~tags.odd[tags.record]
        told = good & (tags.path != _INSIDE)
        starts = np.flatnonzero(told & (tags.kind >= 0))
        starts = starts[np.argsort(tags.path[starts], kind="stable")]
        path, parent = tags.path[starts], tags.parent[starts]
        twice = (path[1:] == path[:-1]) & (parent[1:] == parent[:-1]) & (parent[1:] >= 0)
        for one in np.unique(path[1:][twice]).tolist():
            self._all[one].many = True
        kept = np.flatnonzero(tags.value_tag >= 0)
        kept = kept[told[tags.value_tag[kept]]]
        keys = (
            tags.path[tags.value_tag[kept]].astype(np.int64) * len(self._shapes.attributes) + tags.value_attribute[kept]
        )
        _, firsts = np.unique(keys, return_index=True)
        for at in kept[np.sort(firsts)].tolist():
            name = self._shapes.attributes[tags.value_attribute[at]]
            if not (is_namespace(name[1:]) or is_nil(name[1:])):
                self._all[tags.path[tags.value_tag[at]]].attributes.setdefault(name)
        self._see_text(tags, told)

    def _see_text(self, tags: Scan, told: Flags) -> None:
        starts = np.flatnonzero(told & (tags.kind == 1))
        alone = np.zeros(len(tags.path), bool)
        alone[starts] = tags.end[starts] == starts + 1
        around = tags.path.copy()
        behind = np.flatnonzero(tags.kind <= 0)
        around[behind] = np.where(tags.parent[behind] >= 0, tags.path[tags.parent[behind]], _INSIDE)
        look = np.flatnonzero((around != _INSIDE) & ~tags.odd[tags.record])
        known = np.zeros(
            len(self._all), bool
        )  # looking on is of no use where text is seen and nothing stands beside it
        known[[one.id for one in self._all if one.text]] = True
        look = look[~(alone[look] & known[around[look]])]
        look = look[~tags.is_blank(look)]
        for one in np.unique(around[look[alone[look]]]).tolist():
            self._all[one].text = True
        for one in np.unique(around[look[~alone[look]]]).tolist():
            self._all[one].mixed = True

    def _see_node(self, node: Node, seen: _Seen) -> None:
        for name, value in node.attributes:
            if not is_namespace(name) and not (is_nil(name) and value in {"true", "1", "false", "0"}):
                seen.attributes.setdefault(f"@{name}")
        if node.text.strip(" \t\r\n"):
            if node.children:
                seen.mixed = True
            else:
                seen.text = True
        counts: dict[str, int] = {}
        for one in node.children:
            counts[one.name] = counts.get(one.name, 0) + 1
            if child := self._child(seen, one.name):
                child.many = child.many or counts[one.name] > 1
                self._see_node(one, child)


_INSIDE = -2
