"""Values as Python source, as a person would write and `ruff format` would leave it."""

import re
from collections.abc import Mapping

from pydantic import BaseModel

WIDTH = 120


def source(value: object, indent: int = 0, before: int = 0) -> str:
    """A value as source: in one line where it fits behind `before` characters, else a line an element."""
    flat = _flat(value)
    if indent + before + len(flat) + 1 <= WIDTH:
        return flat
    inner, pad = indent + 4, " " * (indent + 4)
    if isinstance(value, BaseModel):
        items = [f"{name}={source(of, inner, len(name) + 1)}" for name, of in _told(value)]
        opens, closes = f"{type(value).__name__}(", ")"
    elif isinstance(value, Mapping):
        items = [f"{_flat(key)}: {source(of, inner, len(_flat(key)) + 2)}" for key, of in value.items()]
        opens, closes = "{", "}"
    elif isinstance(value, tuple | list):
        items = [source(of, inner) for of in value]
        opens, closes = ("(", ")") if isinstance(value, tuple) else ("[", "]")
    else:
        return flat
    return f"{opens}\n" + "".join(f"{pad}{item},\n" for item in items) + f"{' ' * indent}{closes}"


def _told(value: BaseModel) -> list[tuple[str, object]]:
    """The fields that are not as by default; what a layout derives from its fields is not said."""
    fields = type(value).model_fields
    told = [(name, of) for name, of in value if fields[name].is_required() or of != fields[name].default]
    derived = "record_length" if type(value).__name__ == "Layout" else ""
    return [(name, of) for name, of in told if name != derived or of != value.end]  # type: ignore[attr-defined]


def _flat(value: object) -> str:
    if isinstance(value, BaseModel):
        return f"{type(value).__name__}({', '.join(f'{name}={_flat(of)}' for name, of in _told(value))})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flat(key)}: {_flat(of)}" for key, of in value.items()) + "}"
    if isinstance(value, tuple):
        return f"({', '.join(map(_flat, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, list):
        return f"[{', '.join(map(_flat, value))}]"
    if isinstance(value, str):
        return text(value)
    return repr(value)


def text(value: str) -> str:
    """A text in double quotes, as `ruff format` would have it."""
    shown = repr(value)
    if shown[0] == '"' or '"' in shown:
        return shown
    return f'"{shown[1:-1]}"'


def pattern(value: str, indent: int | None = None) -> str:
    """A regular expression as a raw literal where it holds a backslash; a long one over lines, between alternatives."""
    if indent is None or indent + len(value) + 12 <= WIDTH:
        return _raw(value)
    lines = [""]
    for each in re.split(r"(?<=\|)", value):
        if lines[-1] and indent + len(lines[-1]) + len(each) + 8 > WIDTH:
            lines.append("")
        lines[-1] += each
    if len(lines) == 1:
        return _raw(value)
    return "(\n" + "".join(f"{' ' * indent}    {_raw(line)}\n" for line in lines) + f"{' ' * indent})"


def _raw(value: str) -> str:
    if "\\" not in value or '"' in value or value.endswith("\\"):
        return text(value)
    return f'r"{value}"'
