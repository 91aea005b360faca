"""What becomes of the columns of a dataset that say who somebody is, on the way from Raw to a common schema.

Each is a decision that stands in the source's file, by column under its name in the lake, or by the path of a field
within one, as `subscriber.last_name`. A mapping sees what was decided and nothing else, and so do held rows, candidates
and what is shown of lost values. What a drop, a year, three digits of a ZIP code and an age leave is what HIPAA's safe
harbour leaves, 45 CFR 164.514(b)(2); a hash is a pseudonym.

A keyed hash is HMAC-SHA-256, put together of Spark's own `sha2`. Its key is a row that is joined to the others: it
travels as data do, encrypted on the network and on disks, and stands in no plan, closure or setting.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, Field, SecretStr

from spark.errors import Misdeclared
from spark.profiling.recognised import Recognised
from spark.values import date, quoted, text

SMALL_2000 = (
    *("036", "059", "063", "102", "203", "556", "692", "790", "821"),
    *("823", "830", "831", "878", "879", "884", "890", "893"),
)
"""Beginnings of ZIP codes that 20,000 people or fewer share, by the census of 2000: HHS, "Guidance Regarding Methods
for De-identification of Protected Health Information", 2012-11-26, question 2.2."""

UNREAD = "?"
"""What a decision leaves of a text that it cannot read: the mapping loses and counts it, where it is to be a day."""

SURE = 0.5
"""Confidence from which a recognised identifier wants a decision."""

_TEXT = ("string", "void")
_WHOLE = ("tinyint", "smallint", "int", "bigint")
_BROKEN = ("float", "double")
_DAYS = ("date", "timestamp", "timestamp_ntz")


class Keep(BaseModel, frozen=True):
    """The column as it is, for a reason: the agreement or rule by which it may be."""

    kind: Literal["keep"] = "keep"
    why: str = Field(min_length=3)


class Drop(BaseModel, frozen=True):
    """Nothing: null in every row."""

    kind: Literal["drop"] = "drop"


class _OfText(BaseModel, frozen=True):
    """A decision that reads the column. `nothing` are texts that stand for no value, such as `~`: they become null."""

    nothing: tuple[str, ...] = ()


class Hash(_OfText, frozen=True):
    """64 hexadecimal digits that are the same for the same value and `key`, in every drop and source.

    `key` names a block of type `hash-key`. Before it is hashed a value is `trim`med of blanks, taken in `upper` case,
    or left with no more than its letters and digits (`alphanumeric`); what is hashed together must say the same. A
    blank value is null. Numbers are hashed as their digits.
    """

    kind: Literal["hash"] = "hash"
    key: str = Field(min_length=1)
    normal: tuple[Literal["trim", "upper", "alphanumeric"], ...] = ("trim",)


class Year(_OfText, frozen=True):
    """A day as the first of January of its year, written as it was: a mapping reads it as it would the day itself.

    `patterns`, in Spark's letters, say how days are written as text, `latest` what years of two digits mean, as in
    `spark.mapping.date`. Of a day of `birth`, a year by which somebody may be over 89 when the drop speaks becomes the
    last such year.
    """

    kind: Literal["year"] = "year"
    patterns: tuple[str, ...] = ("yyyy-MM-dd", "yyyyMMdd")
    latest: int | None = None
    birth: bool = False


class Zip3(_OfText, frozen=True):
    """The first three digits of a ZIP code and stars, as `021**`, of those that few people share (`small`) `000**`."""

    kind: Literal["zip3"] = "zip3"
    small: tuple[str, ...] = SMALL_2000


class Age(_OfText, frozen=True):
    """An age in years, 90 where it is over 89."""

    kind: Literal["age"] = "age"


Decision = Annotated[Keep | Drop | Hash | Year | Zip3 | Age, Field(discriminator="kind")]


class Privacy(NamedTuple):
    """What was decided on a dataset's columns, the keys by their blocks' names, and the instant a drop speaks up to."""

    decisions: Mapping[str, Decision] = {}
    keys: Mapping[str, SecretStr] = {}
    as_of: datetime | None = None

    def changes(self, column: str) -> Decision | None:
        """The decision by which a mapping sees something else than the column.

        `_special`, which holds text of any column, is dropped where another one is changed and nothing else decided.
        """
        found = self.decisions.get(column)
        if found is None and column == "_special" and any(d.kind != "keep" for d in self.decisions.values()):
            return Drop()
        return None if found is None or found.kind == "keep" else found

    def within(self, column: str) -> dict[str, Decision]:
        """The decisions by which a mapping sees something else than fields within a column, by their paths."""
        return {path: of for path in self.decisions if path.startswith(f"{column}.") and (of := self.changes(path))}


def decided(decision: Decision, column: str, type_: str, as_of: datetime | None = None, key: str = "") -> str:
    """What a mapping sees of a column, as Spark SQL: of the same type, or text where that is hashed or cut.

    `column` may be the path of a field within one. `type_` is Spark's name of its type, `key` the name of the column
    that has the two halves of a key (`halves`). Raises `Misdeclared` where the type is none that the decision is for.
    """
    name, plain = named(column), type_.partition("(")[0]
    if isinstance(decision, Drop):
        return f"CAST(NULL AS {type_})"
    if plain not in (*_TEXT, *_WHOLE, *_BROKEN, *_DAYS, "decimal", "boolean"):
        raise Misdeclared(f"{column} is {plain.partition('<')[0]}: such a column can be kept or dropped")
    if isinstance(decision, Year) and plain in _DAYS:
        return f"CAST({_january(f'CAST({name} AS date)', decision, as_of)} AS {type_})"
    if isinstance(decision, Age) and plain in (*_WHOLE, *_BROKEN, "decimal"):
        return f"CASE WHEN {name} >= 90 THEN CAST(90 AS {type_}) ELSE {name} END"
    if isinstance(decision, Year | Zip3 | Age) and plain in (*_DAYS, "boolean"):
        raise Misdeclared(f"{column} is {plain}: no text or number that {decision.kind} is for")
    written = _written(name, plain)
    value = text(written)
    if isinstance(decision, Keep):
        return name
    if decision.nothing:
        marks = ", ".join(map(quoted, decision.nothing))
        value, written = (f"CASE WHEN {value} NOT IN ({marks}) THEN {whole} END" for whole in (value, written))
    match decision:
        case Hash():
            return _hashed(value if "trim" in decision.normal else written, decision, key)
        case Year():
            days = [(pattern, date(value, pattern, latest=decision.latest).sql) for pattern in decision.patterns]
            cut = [
                f"WHEN {day} IS NOT NULL THEN date_format({_january(day, decision, as_of)}, {quoted(pattern)})"
                for pattern, day in days
            ]
        case Zip3():
            digits = f"regexp_extract({value}, r'^([0-9]{{3}})[0-9]{{2}}-?(?:[0-9]{{4}})?\\z', 1)"
            if plain not in _TEXT:  # a number has lost its leading zeros
                digits = f"left(lpad({value}, CASE WHEN length({value}) > 5 THEN 9 ELSE 5 END, '0'), 3)"
            small = ", ".join(map(quoted, decision.small)) or "''"
            cut = [f"WHEN {digits} IN ({small}) THEN '000**'", f"WHEN {digits} != '' THEN concat({digits}, '**')"]
        case Age():
            number = f"CASE WHEN {value} RLIKE r'^[0-9]+([.][0-9]*)?\\z' THEN try_cast({value} AS double) END"
            cut = [f"WHEN {number} >= 90 THEN '90'", f"WHEN {number} < 90 THEN {value}"]
    return f"CASE WHEN {value} IS NULL THEN NULL {' '.join(cut)} ELSE '{UNREAD}' END"


def named(path: str) -> str:
    """A column, or a field within one, as Spark SQL names it."""
    return ".".join(f"`{name}`" for name in path.split("."))


def _written(name: str, plain: str) -> str:
    """A value as text: of a number that is whole, its digits."""
    if plain in _TEXT:
        return name
    if plain in _BROKEN:
        whole = f"CAST(CAST(try_cast({name} AS decimal(38,0)) AS decimal(38,0)) AS string)"
        return f"CASE WHEN {name} = floor({name}) THEN {whole} ELSE CAST({name} AS string) END"
    return f"CAST({name} AS string)"


def _january(day: str, decision: Year, as_of: datetime | None) -> str:
    year = f"year({day})"
    if decision.birth:
        if as_of is None:
            raise ValueError("a day of birth is judged by the instant that a drop speaks up to, and none is known")
        year = f"greatest({year}, {as_of.year - 90})"
    return f"CASE WHEN {day} IS NOT NULL THEN make_date({year}, 1, 1) END"


def _hashed(value: str, decision: Hash, key: str) -> str:
    if "upper" in decision.normal:
        value = f"upper({value})"
    if "alphanumeric" in decision.normal:
        value = f"regexp_replace({value}, r'[^\\p{{L}}\\p{{N}}]', '')"
    value = f"nullif({value}, '')"
    inner = f"sha2(concat({key}.inner, encode({value}, 'UTF-8')), 256)"
    return f"sha2(concat({key}.outer, unhex({inner})), 256)"


def halves(key: SecretStr) -> tuple[bytes, bytes]:
    """A key as HMAC-SHA-256 puts it before what it hashes, inside and outside (RFC 2104): 64 bytes each."""
    given = key.get_secret_value().encode()
    padded = (hashlib.sha256(given).digest() if len(given) > 64 else given).ljust(64, b"\0")
    return bytes(byte ^ 0x36 for byte in padded), bytes(byte ^ 0x5C for byte in padded)


def known_by(key: SecretStr) -> str:
    """By what a key is told from another, and that says nothing of it: its hash of a text that is no value."""
    return hmac.new(key.get_secret_value().encode(), b"\0inlet", hashlib.sha256).hexdigest()[:16]


def flagged(recognised: Iterable[Recognised]) -> Recognised | None:
    """As what identifier of a person a column is recognised, best first, if it wants a decision."""
    best = next(iter(recognised), None)
    return best if best and best.phi and best.confidence >= SURE else None


def decisions_for(
    recognised: Mapping[str, Recognised], key: str, patterns: Mapping[str, tuple[str, ...]] | None = None
) -> dict[str, Decision]:
    """What is proposed for columns that are recognised as identifiers of a person, by column: safe harbour's rules.

    Numbers by which rows are joined are hashed with the key of the block `key`; `patterns` say how days are written.
    An age, a ZIP code and a day are cut, all else is dropped. Nothing is proposed to be kept.
    """
    return {
        column: _proposed(found, key, (patterns or {}).get(column))
        for column, found in recognised.items()
        if found.phi is not None
    }


def _proposed(found: Recognised, key: str, patterns: tuple[str, ...] | None) -> Decision:
    words = set(found.kind.split("_"))
    match found.phi:
        case "record_number" | "health_plan_number" | "account_number" | "other_number":
            return Hash(key=key)
        case "geography" if "zip" in words:
            return Zip3()
        case "date" if "age" in words:
            return Age()
        case "date":
            year = Year(birth="birth" in words)
            return year.model_copy(update={"patterns": patterns}) if patterns else year
    return Drop()
