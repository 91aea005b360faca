"""One XML row read by expat: slowly, and with everything that may stand in it."""

import re
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from spark.readers.xml_fields import MARKUP, TEXT, Path

_START_TAG = re.compile(rb"""<(?>[^"'>]|"[^"]*"|'[^']*')*+>""")

_SLASH = ord("/")

Value = Any
"""A string, a dict by field, a list of either, or None."""


@dataclass(slots=True)
class Node:
    """An element; `start` and `close` are where its tags begin in the row's bytes, `close` of an empty one anywhere."""

    name: str
    attributes: list[tuple[str, str]]
    start: int
    close: int = 0
    children: list["Node"] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What stands in it beside elements."""
        return "".join(self.texts)

    @property
    def is_nil(self) -> bool:
        """Whether it says of itself that it is null."""
        return bool(self.attributes) and any(is_nil(name) and value in {"true", "1"} for name, value in self.attributes)

    def raw(self, row: bytes) -> str:
        """As it came."""
        return row[self.start : self._bounds(row)[2]].decode()

    def inner(self, row: bytes) -> str:
        """What it holds, as it came."""
        start, stop, _ = self._bounds(row)
        return row[start:stop].decode()

    def _bounds(self, row: bytes) -> tuple[int, int, int]:
        tag = _START_TAG.match(row, self.start)
        end = tag.end() if tag else self.start
        return (end, end, end) if row[end - 2] == _SLASH else (end, self.close, row.index(b">", self.close) + 1)


def is_nil(attribute: str) -> bool:
    """Whether an attribute is XML Schema's `nil`: by its usual prefix, as that is bound outside of rows."""
    return attribute == "xsi:nil"


def is_namespace(attribute: str) -> bool:
    """Whether an attribute declares a namespace."""
    return attribute == "xmlns" or attribute.startswith("xmlns:")


def parsed(row: bytes) -> Node:
    """The element that a row is. Raises `expat.ExpatError` where it is not well-formed."""
    parser = expat.ParserCreate("utf-8")
    parser.ordered_attributes = True
    parser.buffer_text = True
    roots: list[Node] = []
    stack: list[Node] = []

    def start(name: str, attributes: list[str]) -> None:
        pairs = list(zip(attributes[::2], attributes[1::2], strict=True)) if attributes else []
        node = Node(name, pairs, parser.CurrentByteIndex)
        (stack[-1].children if stack else roots).append(node)
        stack.append(node)

    def end(_name: str) -> None:
        stack.pop().close = parser.CurrentByteIndex

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = lambda text: stack[-1].texts.append(text)
    parser.Parse(row, True)
    return roots[0]


def fitted(row: bytes, root: Node, path: Path) -> tuple[dict[str, Value], dict[str, str]]:
    """The values of a row's fields, and by its path what does not fit, as it came."""
    special: dict[str, str] = {}
    return _struct(row, root, path, "", special), special


def _struct(row: bytes, node: Node, path: Path, at: str, special: dict[str, str]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    nil = node.is_nil
    if node.attributes:
        _attributes(node, path, at, special, values)
    if path.is_markup:
        values[path.labels[MARKUP]] = (node.inner(row) or None) if nil else node.inner(row)
        return values
    seen: dict[str, int] = {}
    for child in node.children:
        to = path.child(child.name)
        key = to.element.name if to else child.name
        seen[key] = nth = seen.get(key, 0) + 1
        many = to is not None and to.element.many
        where = f"{at}{key}[{nth}]" if many or nth > 1 else f"{at}{key}"
        if to is None or (nth > 1 and not many):
            special[where] = child.raw(row)
            continue
        value = _value(row, child, to, where, special)
        if many:
            values.setdefault(to.label, []).append(value)
        else:
            values[to.label] = value
    text = node.text
    if not node.children and path.has_text:
        values[path.labels[TEXT]] = None if nil and not text else text
    elif text.strip(" \t\r\n"):
        special[at + MARKUP] = node.inner(row)
    return values


def _value(row: bytes, node: Node, path: Path, at: str, special: dict[str, str]) -> Value:
    if not path.is_leaf:
        return _struct(row, node, path, f"{at}/", special)
    if node.children and not path.is_markup:
        special[at] = node.raw(row)
        return None
    if node.attributes:
        _attributes(node, path, f"{at}/", special, {})
    text = node.inner(row) if path.is_markup else node.text
    return None if node.is_nil and not text else text


def _attributes(node: Node, path: Path, at: str, special: dict[str, str], values: dict[str, Value]) -> None:
    for name, value in node.attributes:
        if is_namespace(name) or (is_nil(name) and value in {"true", "1", "false", "0"}):
            continue
        key = path.attribute(f"@{name}")
        if key is None or path.labels[key] in values:
            special[f"{at}@{name}"] = f"{name}={quoteattr(value)}"
        else:
            values[path.labels[key]] = value
