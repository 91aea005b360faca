"""Rows of nobody: values of the shapes that a sample's columns have, none of them a value of the sample."""

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa

ROWS = 5
"""Rows of each dataset that are made up."""

_SEEN = 2_000
_SHORT = 3
_DAYS = (
    *("%Y-%m-%d", "%Y%m%d", "%m/%d/%Y", "%m-%d-%Y", "%d%b%Y", "%d-%b-%Y", "%m/%d/%y", "%Y/%m/%d", "%d.%m.%Y"),
    *("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M"),
)


class Inventor:
    """Makes values up, column by column. Columns of one name have equal values in all datasets, so that keys join."""

    def __init__(self) -> None:
        self._of: dict[str, list[str | None]] = {}

    def rows(self, table: pa.Table, count: int = ROWS) -> list[dict[str, Any]]:
        """So many rows like those of a table, under its columns' names."""
        columns = {
            name: self._column(name, table[name].combine_chunks(), count)
            for name in table.column_names
            if name not in ("_record", "_special")
        }
        return [{name: values[at] for name, values in columns.items()} for at in range(count)]

    def _column(self, name: str, values: pa.Array, count: int) -> list[Any]:
        kind = values.type
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            return [[value] for value in self._column(name, values.flatten(), count)]
        if pa.types.is_map(kind):
            return [[] for _ in range(count)]
        if pa.types.is_struct(kind):
            parts = values.filter(values.is_valid()).flatten()
            inner = {f.name: self._column(f"{name}.{f.name}", part, count) for f, part in zip(kind, parts, strict=True)}
            return [{key: of[at] for key, of in inner.items()} for at in range(count)]
        present = values.drop_null().slice(0, _SEEN)
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            known = self._of.get(name.lower())
            if known is None or len(known) != count:
                known = self._of[name.lower()] = self._texts(name, present.to_pylist(), count)
            return list(known)
        return [_typed(_random(f"{name}/{at}"), kind) if len(present) else None for at in range(count)]

    def _texts(self, name: str, values: Sequence[str], count: int) -> list[str | None]:
        real = [value for value in values if value.strip()]
        if not real:
            return [values[0] if values else None] * count
        seen, made = set(real), list[str | None]()
        make = _maker(real)
        for at in range(count):
            rng = _random(f"{name}/{at}")
            text = make(rng)
            for _ in range(50):  # unlike any of the sample, and no other's
                if len(text) <= _SHORT or (text not in seen and text not in made):
                    break
                text = make(rng)
            made.append(text)
        return made


def _random(seed: str) -> Random:
    return Random(seed)  # noqa: S311  # nothing depends on it but that it is the same each time


def _maker(real: Sequence[str]) -> Callable[[Random], str]:
    """What makes texts like these: codes of a few letters are drawn from them, days are days, the rest is shaped."""
    if all(len(value) <= _SHORT for value in real):
        return lambda rng: rng.choice(real)
    some = real[:50]
    for fmt in _DAYS:
        if all(_reads(value, fmt) for value in some):
            return lambda rng: (datetime(1921, 1, 1) + timedelta(days=rng.randrange(2_000))).strftime(fmt)
    if all(re.fullmatch(r"[12]\d{9}", value) and _luhn(f"80840{value}") for value in some):
        return _npi
    return lambda rng: shaped(rng.choice(some), rng)


def _reads(value: str, fmt: str) -> bool:
    try:
        return datetime.strptime(value, fmt).strftime(fmt).lower() == value.lower()
    except ValueError:
        return False


def shaped(value: str, rng: Random) -> str:
    """A text of the same shape, at most 40 characters of it; its letters and digits are others."""
    return "".join(_like(character, rng) for character in value[:40])


def _like(character: str, rng: Random) -> str:
    if character.isdigit():
        return rng.choice("23456789")
    if character.isalpha():
        return rng.choice("abcdefgh" if character.islower() else "ABCDEFGH")
    return character if character in " .,;:-_/()#@+*'&%$" else " "


def _npi(rng: Random) -> str:
    nine = f"1{rng.randrange(10**8):08}"
    return next(f"{nine}{digit}" for digit in range(10) if _luhn(f"80840{nine}{digit}"))


def _luhn(digits: str) -> bool:
    doubled = [int(d) * (2 if at % 2 else 1) for at, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def _typed(rng: Random, kind: pa.DataType) -> Any:  # noqa: ANN401  # a value of that type
    if pa.types.is_boolean(kind):
        return rng.random() < 0.5
    if pa.types.is_integer(kind):
        return rng.randrange(100)
    if pa.types.is_floating(kind):
        return float(rng.randrange(1_000))
    if pa.types.is_decimal(kind):
        return Decimal(rng.randrange(9))
    if pa.types.is_date(kind):
        return date(1921, 1, 1) + timedelta(days=rng.randrange(2_000))
    if pa.types.is_timestamp(kind):
        return datetime(1921, 1, 1) + timedelta(minutes=rng.randrange(10**6))
    if pa.types.is_time(kind):
        return time(rng.randrange(24), rng.randrange(60))
    if pa.types.is_duration(kind):
        return timedelta(minutes=rng.randrange(1_000))
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return bytes(rng.randrange(256) for _ in range(kind.byte_width if pa.types.is_fixed_size_binary(kind) else 8))
    return None


_NAMES = {"NM1": (3, 4, 5), "N1": (2,)}
"""Elements in which names stand, of whatever length."""


def x12(text: str) -> str:
    """An interchange of the same segments: names and all that is longer than a code are others, equal where they were.

    Separators, segments' names, qualifiers, counts, guides and the ISA segment's widths stay.
    """
    element, end = text[3], text[105]
    others: dict[str, str] = {}
    segments = [segment.split(element) for segment in text.split(end)]
    for values in segments:
        name = values[0].strip()
        if name not in ("SE", "GE", "IEA"):
            names = _NAMES.get(name, ())
            values[1:] = [_other(v, others, 0 if at in names else _SHORT) for at, v in enumerate(values[1:], 1)]
        elif len(values) > 2:
            values[2] = _other(values[2], others)
    return end.join(element.join(values) for values in segments)


def _other(value: str, others: dict[str, str], short: int = _SHORT) -> str:
    if len(value.strip()) <= short or re.fullmatch(r"00[45]010X\d{3}(A\d)?|00\d{3}", value):
        return value
    if value not in others:
        rng = _random(f"{len(others)}/{len(value)}")
        day = date(1921, 1, 1) + timedelta(days=rng.randrange(2_000))
        dated = re.fullmatch(r"(19|20)\d{6}", value)
        others[value] = f"{day:%Y%m%d}" if dated else "".join(_like(c, rng) if c.isalnum() else c for c in value)
    return others[value]
