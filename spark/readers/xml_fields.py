"""What fields an XML row has: declared by hand or drafted, as Arrow types, and as paths that a tag is looked up by."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Self

import pyarrow as pa
from pydantic import BaseModel, BeforeValidator, SerializerFunctionWrapHandler, model_serializer, model_validator

from spark.names import normalise
from spark.readers.base import SPECIAL

TEXT, MARKUP = "#text", "#markup"
SPECIAL_TYPE = pa.map_(pa.string(), pa.string())
_NAME = re.compile(r"""@?[^\s<>/@#!?="'&;\[\]]+""")


class Element(BaseModel, frozen=True, extra="forbid"):
    """An element within a row, or, by the way its name begins, something else that an element has.

    - `"Year"`: an element that holds text alone; its value is the text, "" where it is empty
    - `"@UI"`: an attribute
    - `"#text"`: the text of an element that has other fields, too; null where child elements stand in its place
    - `"#markup"`: the inner XML, as it came, of an element that has attributes as well
    - `Element("Date", "Year", "Month")`: an element with these fields
    - `many`: it may occur more than once
    - `markup`: its value is its inner XML, as it came

    A name with a prefix is one spelled so in the file; one without is the local name under any prefix that is not
    declared beside it. As JSON a field without more to say is its name alone.
    """

    name: str
    fields: "Fields" = ()
    many: bool = False
    markup: bool = False

    def __init__(self, name: str, *fields: "Element | str", **options: Any) -> None:  # noqa: ANN401
        if fields:
            options["fields"] = fields
        super().__init__(name=name, **options)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        special = self.name.startswith(("@", "#"))
        if self.name not in {TEXT, MARKUP} and not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no name of an element, attribute, {TEXT} or {MARKUP}")
        if special and (self.fields or self.many or self.markup):
            raise ValueError(f"{self.name} is text, once, and has no fields")
        if self.markup and self.fields:
            raise ValueError(f"{self.name} is markup and has fields; name {MARKUP} among them instead")
        checked(self.fields)
        return self

    @model_serializer(mode="wrap")
    def _short(self, serialize: SerializerFunctionWrapHandler) -> Any:  # noqa: ANN401
        said = {key: value for key, value in serialize(self).items() if value}
        return self.name if len(said) == 1 else said

    def __repr__(self) -> str:
        options = [f"{option}=True" for option in ("many", "markup") if getattr(self, option)]
        inner = [repr(inner.name if inner.is_plain else inner) for inner in self.fields]
        return f"Element({', '.join([repr(self.name), *inner, *options])})"

    @property
    def is_plain(self) -> bool:
        """Whether its name says all."""
        return not (self.fields or self.many or self.markup)


Fields = tuple[Annotated[Element, BeforeValidator(lambda it: Element(it) if isinstance(it, str) else it)], ...]


def checked(fields: Sequence[Element]) -> None:
    """Raise `ValueError` where these cannot be the fields of one element."""
    names = [one.name for one in fields]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"{', '.join(sorted(twice))}: declared twice")
    if MARKUP in names and any(not name.startswith("@") for name in names if name != MARKUP):
        raise ValueError(f"beside {MARKUP} there can be attributes only: it holds the rest")


def schema_of(fields: Sequence[Element]) -> pa.Schema:
    """Columns of a table of rows: `_record`, the fields under their own names, `_special`."""
    columns = [pa.field(one.name, type_of(one)) for one in fields]
    return pa.schema([("_record", pa.int64()), *columns, (SPECIAL, SPECIAL_TYPE)])


def type_of(element: Element) -> pa.DataType:
    """A string, or a struct; of one that occurs more than once a list of them."""
    inner = pa.struct(_arrow(element.fields)) if element.fields else pa.string()
    return pa.list_(inner) if element.many else inner


def _arrow(fields: Sequence[Element]) -> list[pa.Field]:
    names = normalise([one.name for one in fields])
    return [pa.field(name, type_of(one), metadata={"name": one.name}) for name, one in zip(names, fields, strict=True)]


def local(name: str) -> str:
    """A name, of an attribute with its @, without its prefix."""
    at, _, rest = name.rpartition(":")
    return "@" + rest if at.startswith("@") else rest


@dataclass
class Path:
    """An element in the tree of a row's fields; `label` is the name of its field in the parent's type."""

    id: int
    parent: int
    element: Element
    label: str
    children: dict[str, "Path"] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    @cached_property
    def type(self) -> pa.DataType:
        """Of its field in the parent's type."""
        return type_of(self.element)

    @cached_property
    def inner(self) -> list[pa.Field]:
        """Of the struct that it is."""
        return list(self.type.value_type if self.element.many else self.type)

    @cached_property
    def has_text(self) -> bool:
        """Whether text in it is a value."""
        return self.is_leaf or TEXT in self.labels

    @cached_property
    def is_leaf(self) -> bool:
        """Whether its value is a string."""
        return not self.element.fields and self.parent >= 0

    @cached_property
    def is_markup(self) -> bool:
        """Whether what it holds is kept as it came."""
        return self.element.markup or MARKUP in self.labels

    def child(self, name: str) -> "Path | None":
        """The field of a child element."""
        return self.children.get(name) or self.children.get(local(name))

    def attribute(self, name: str) -> str | None:
        """The field's own name, `@…`, of an attribute, given as `@…`."""
        return name if name in self.labels else local(name) if local(name) in self.labels else None


class Paths(list[Path]):
    """All elements in the tree, the row first and every other behind its parent."""

    def __init__(self, row: str, fields: Sequence[Element]) -> None:
        super().__init__()
        names = [one.name for one in fields]
        self._add(Element(row, *fields), -1, row, dict(zip(names, names, strict=True)))

    def _add(self, element: Element, parent: int, label: str, labels: dict[str, str]) -> Path:
        path = Path(len(self), parent, element, label, labels=labels)
        self.append(path)
        for one in element.fields:
            if not one.name.startswith(("@", "#")):
                names = [inner.name for inner in one.fields]
                inner = dict(zip(names, normalise(names), strict=True))
                path.children[one.name] = self._add(one, path.id, labels[one.name], inner)
        return path

    def attributes(self) -> Iterator[tuple[Path, str]]:
        """Every attribute that is declared, and the element that has it."""
        for path in self:
            for name in path.labels:
                if name.startswith("@"):
                    yield path, name
