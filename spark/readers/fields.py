"""The fields of JSON records: declared as their values look, their types in Arrow, and how they are drafted."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Literal

import pyarrow as pa
from annotated_types import Len
from typing_extensions import TypeAliasType

from spark.names import normalise

Kind = Literal["text", "bool", "int", "double", "number", "json"]
"""What a value is: `int` is of 64 bits, `number` any as it is written, `json` anything as it is written."""

Shape = TypeAliasType(
    "Shape",
    "Kind | Annotated[list[Shape], Len(1, 1)] | Annotated[dict[str, Shape], Len(1)]",
)
"""Values of one place, written as they look: `"int"`; `["text"]` for a list; `{"city": "text"}` for an object with
these keys; `{"*": "double"}` for an object whose keys are data, which becomes a map."""

ANY = "*"
"""The key of an object that stands for all."""

ITSELF = "$"
"""The one field of records that are no objects: the record itself, whose column is called `value`."""

_DEEP = 20  # levels of objects and lists that are drafted; what is deeper is kept as JSON
_MANY = 256  # keys of objects of one place above which they are taken for data, if the values are alike
_EXACT = 15  # significant digits that every double gives back
_WIDEST = 17  # and those that a double needs
_INT64 = range(-(2**63), 2**63)


class Number(str):
    """A number as it is written."""


def stored(shape: Shape) -> pa.DataType:
    """The type of a column of such values. A field in a struct has its name in the lake; `name` is the file's."""
    match shape:
        case "bool":
            return pa.bool_()
        case "int":
            return pa.int64()
        case "double":
            return pa.float64()
        case str():
            return pa.string()
    if isinstance(shape, list):
        return pa.list_(stored(shape[0]))
    if list(shape) == [ANY]:
        return pa.map_(pa.string(), stored(shape[ANY]))
    return pa.struct(
        [
            pa.field(own, stored(value), metadata={"name": name})
            for (name, value), own in zip(shape.items(), normalise(list(shape)), strict=True)
        ]
    )


def parsed(shape: Shape) -> pa.DataType:
    """The type that Arrow's parser is told: null, which any value breaks, for what it cannot give as it is written."""
    if isinstance(shape, str):
        return pa.null() if shape in {"number", "json"} else stored(shape)
    if isinstance(shape, list):
        return pa.list_(parsed(shape[0]))
    if list(shape) == [ANY]:
        return pa.null()
    return pa.struct([(name, parsed(value)) for name, value in shape.items()])


def holds(shape: Shape, kind: str) -> bool:
    """Whether values of a kind are anywhere in it."""
    if isinstance(shape, str):
        return shape == kind
    return any(holds(inner, kind) for inner in (shape.values() if isinstance(shape, dict) else shape))


def is_text(value: str) -> bool:
    """Whether a string can be kept as such: one with half a surrogate pair cannot."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_int(number: str) -> bool:
    """Whether a number is written as an integer and is one of 64 bits."""
    return len(number) <= len("-9223372036854775808") and number.lstrip("-").isdigit() and int(number) in _INT64


def is_double(number: str) -> bool:
    """Whether a double is the number: as short as tells it from others, or with as many digits, it is written the same.

    So is every number of up to 15 digits that is not beyond the range of doubles.
    """
    if len(number) <= _EXACT and "e" not in number and "E" not in number:
        return True
    value = float(number)
    if repr(value) == number:
        return True
    mantissa = number.lower().partition("e")[0]
    digits = mantissa.lstrip("-").replace(".", "").strip("0")
    if not value or not digits:
        return not digits
    if len(digits) > _WIDEST or abs(value) == float("inf"):
        return False
    return Decimal(number) in {Decimal(repr(value)), Decimal(f"{value:.{len(digits) - 1}e}")}


class Seen:
    """What values have stood in one place."""

    def __init__(self, depth: int = 0) -> None:
        self._depth = depth
        self._kinds: set[str] = set()
        self._nulls = False
        self._items: Seen | None = None
        self._members: dict[str, Seen] = {}
        self._objects = self._present = 0

    def add(self, value: object) -> None:
        """Take in a value, its numbers as `Number`."""
        match value:
            case None:
                self._nulls = True
            case Number():
                self._kinds.add(_kind(value))
            case str():
                self._kinds.add("text")
            case bool():
                self._kinds.add("bool")
            case _ if self._depth >= _DEEP:
                self._kinds.add("deep")
            case list():
                self._kinds.add("list")
                self._items = self._items or Seen(self._depth + 1)
                for item in value:
                    self._items.add(item)
            case dict():
                self._kinds.add("object")
                self._add_object(value)

    def _add_object(self, value: Mapping[str, object]) -> None:
        self._objects += 1
        for key, member in value.items():
            if is_text(key):
                self._present += 1
                seen = self._members.get(key)
                if seen is None:
                    seen = self._members[key] = Seen(self._depth + 1)
                seen.add(member)

    def shape(self) -> Shape:
        """A shape that holds them all."""
        match sorted(self._kinds):
            case ["list"] if self._items:
                return [self._items.shape()]
            case ["object"] if self._members:
                return self._keyed() or {key: seen.shape() for key, seen in self._members.items()}
            case ["bool"]:
                return "bool"
            case ["text"]:
                return "text"
            case ["int"] | ["long"] | ["int", "long"]:
                return "int"
            case ["double"] | ["double", "int"]:
                return "double"
            case [*kinds] if kinds and not self._kinds - {"int", "long", "double", "number"}:
                return "number"
        return "json"

    def fields(self) -> dict[str, Shape]:
        """The fields of records that hold them all."""
        if not self._kinds:
            return {ITSELF: "json"} if self._nulls else {}
        if self._kinds != {"object"} or list(self._members) == [ITSELF]:
            return {ITSELF: self.shape()}
        return {key: seen.shape() for key, seen in self._members.items()}

    def _keyed(self) -> Shape | None:
        """The shape of an object whose keys are data: many, few of them in each object, and alike in what they have."""
        if len(self._members) <= _MANY or (
            self._objects > 1 and 2 * self._present > self._objects * len(self._members)
        ):
            return None
        alike = Seen(self._depth + 1)
        for seen in self._members.values():
            alike.merge(seen)
        shape = alike.shape()
        return {ANY: shape} if shape != "json" else None

    def merge(self, other: "Seen") -> None:
        """Take in what another place has seen."""
        self._kinds |= other._kinds
        self._objects += other._objects
        self._present += other._present
        if other._items:
            self._items = self._items or Seen(self._depth + 1)
            self._items.merge(other._items)
        for key, seen in other._members.items():
            self._members.setdefault(key, Seen(self._depth + 1)).merge(seen)


def _kind(number: Number) -> str:
    if is_int(number):
        return "int" if is_double(number) else "long"
    return "double" if is_double(number) else "number"


def top(fields: Mapping[str, Shape]) -> Iterable[tuple[str, Shape]]:
    """The columns of records: the file's names, and what stands in them."""
    return [("value", fields[ITSELF])] if list(fields) == [ITSELF] else list(fields.items())
