"""A mapping to a common schema, proposed from what columns are called and hold; only what leaves no doubt."""

import re
from collections.abc import Mapping as Dict
from collections.abc import Sequence
from textwrap import wrap
from typing import Any, NamedTuple

import pyarrow as pa

from spark import mapping
from spark.mapping import Expression, Mapping
from spark.profiling.profiles import ColumnProfile
from spark.profiling.recognised import Recognised
from spark.recognising.words import words
from spark.schemas import SCHEMAS, Schema
from spark.values import quoted
from tasks.new.code import WIDTH, source, text
from tasks.new.rules import ABOUT, FIRST, LEAST, RULES

_LETTERS = {"%Y": "yyyy", "%m": "MM", "%d": "dd", "%b": "MMM", "%B": "MMMM", "%H": "HH", "%M": "mm", "%S": "ss"}
_BUILDERS = {
    "sex": "sex",
    "zip_code": "zip_code",
    "practice_zip_code": "zip_code",
    "state": "state",
    "practice_state": "state",
    "phone": "phone",
    "practice_phone": "phone",
    "ndc_code": "ndc",
    "product_ndc": "ndc_product",
    "hcpcs_code": "hcpcs",
    "drg_code": "drg",
    "bill_type_code": "bill_type",
    "revenue_center_code": "revenue_code",
    "place_of_service_code": "place_of_service",
}


class Call(NamedTuple):
    """One expression of a mapping: a function of `spark.mapping` and what it is given; or, without one, Spark SQL."""

    function: str
    arguments: tuple[Any, ...]

    def made(self) -> str | Expression:
        """The expression itself."""
        made: str | Expression = (
            getattr(mapping, self.function)(*self.arguments) if self.function else self.arguments[0]
        )
        return made

    def code(self, before: int) -> str:
        """As source, behind `before` characters of a line."""
        given = ", ".join(source(argument) for argument in self.arguments)
        flat = f"{self.function}({given})" if self.function else given
        if before + len(flat) + 1 <= WIDTH or len(self.arguments) > 1:
            return flat
        lines = [text(line) for line in wrap(self.arguments[0], 100, drop_whitespace=False, break_long_words=False)]
        inner = "".join(f"            {line}\n" for line in lines)
        return f"{self.function}(\n{inner}        )"


class Proposed(NamedTuple):
    """A dataset as rows of a common schema."""

    dataset: str
    schema: Schema
    columns: dict[str, Call]

    @property
    def mapping(self) -> Mapping:
        """As the transform takes it."""
        return Mapping(columns={name: call.made() for name, call in self.columns.items()})

    @property
    def constant(self) -> str:
        """The name of the mapping in the flow's file."""
        return f"TO_{str(self.schema).upper()}"

    def code(self) -> str:
        """The assignment of the constant."""
        lines = "".join(f"        {text(name)}: {call.code(len(name) + 12)},\n" for name, call in self.columns.items())
        return f"{self.constant} = Mapping(\n    columns={{\n{lines}    }},\n)\n"

    def without(self, columns: Sequence[str]) -> "Proposed":
        """The same without some columns."""
        return self._replace(columns={name: call for name, call in self.columns.items() if name not in columns})


def propose(
    dataset: str,
    table: pa.Table,
    profiles: Dict[str, ColumnProfile],
    recognised: Dict[str, tuple[Recognised, ...]],
) -> Proposed | None:
    """The common schema that most of a dataset's columns belong to; None where no one's required columns are all there.

    The schema's key must be without nulls and unique in the sample, so that rows are what the schema says they are.
    """
    named = {name: words(of.original or name) for name, of in profiles.items() if "." not in name and not of.is_nested}
    found = [
        made
        for schema, rules in RULES.items()
        if (made := _made(dataset, SCHEMAS[schema], _matched(rules, named), table, profiles, recognised, named))
    ]
    return max(found, key=lambda made: len(made.columns), default=None)


def _matched(rules: Dict[str, tuple[str, ...]], named: Dict[str, str]) -> dict[str, str]:
    """The source's column for each of a schema's that has one; each is taken once."""
    found: dict[str, str] = {}
    for column, patterns in rules.items():
        for pattern in patterns:
            fits = (name for name, said in named.items() if re.search(pattern, said) and name not in found.values())
            if name := next(fits, None):
                found[column] = name
                break
    return found


def _made(
    dataset: str,
    schema: Schema,
    matched: dict[str, str],
    table: pa.Table,
    profiles: Dict[str, ColumnProfile],
    recognised: Dict[str, tuple[Recognised, ...]],
    named: Dict[str, str],
) -> Proposed | None:
    key = [matched.get(name, "") for name in schema.key]
    if len(matched) < LEAST or not _is_about(dataset, schema, key[0], list(named)) or not _is_key(key, table):
        return None
    types = {column.name: column.type for column in schema.columns}
    columns = {
        column: call
        for column, name in matched.items()
        if (call := _call(column, types[column], name, profiles[name], recognised.get(name, ())))
    }
    columns |= _derived(str(schema), columns, matched, named, profiles)
    order = [column.name for column in schema.columns if column.name in columns]
    if any(column.required and column.name not in columns for column in schema.columns) or len(order) < LEAST:
        return None
    return Proposed(dataset, schema, {name: columns[name] for name in order})


def _is_about(dataset: str, schema: Schema, key: str, columns: Sequence[str]) -> bool:
    """Whether a table's rows are what the schema's are: its name says so, or its key is among the first columns.

    Else the key of another table is referred to, which happens to be there once.
    """
    first = columns.index(key) if key in columns else len(columns)
    return str(schema).partition("_")[0] in dataset or (first < FIRST and "id" not in columns[:first])


def _is_key(columns: Sequence[str], table: pa.Table) -> bool:
    """Whether these columns of a sample have values everywhere, and no combination of them twice."""
    if not table.num_rows or any(name not in table.column_names for name in columns):
        return False
    if any(table[name].null_count or pa.types.is_nested(table[name].type) for name in columns):
        return False
    return bool(table.select(columns).group_by(list(columns)).aggregate([]).num_rows == table.num_rows)


def _call(column: str, kind: str, name: str, profile: ColumnProfile, recognised: tuple[Recognised, ...]) -> Call | None:
    """The expression that makes a source's column a schema's; None where what it holds leaves that in doubt."""
    kinds = {one.kind for one in recognised if one.confidence >= 0.5}
    if column == "npi" or column.endswith("_npi"):
        return Call("npi", (name,)) if "npi" in kinds else None
    if kind == "date":
        patterns = day_patterns(profile)
        if patterns and patterns[0].startswith("yyyy-MM-dd'T'"):
            return Call("date", (f"left({name}, 10)", "yyyy-MM-dd"))
        return Call("date", (name, *patterns)) if patterns and "HH" not in patterns[0] else None
    if kind == "timestamp":
        return Call("instant", (name,))
    if kind == "decimal(18,2)":
        return Call("money", (name,))
    if kind == "decimal(18,4)":
        return Call("quantity", (name,))
    if kind == "boolean":
        return Call("boolean", (name,))
    if column == "entity_type":
        values = set(profile.values)
        if values and values <= {"1", "2"}:
            return Call("code", (name, {"1": "individual", "2": "organization"}))
        if values and values <= {"I", "O"}:
            return Call("code", (name, {"I": "individual", "O": "organization"}))
        return None
    return Call(_BUILDERS.get(column, "text"), (name,))


def day_patterns(profile: ColumnProfile) -> tuple[str, ...]:
    """How the days of a column are written, in Spark's letters; () where it holds none, or years of two digits."""
    if profile.type.startswith("date"):
        return ("yyyy-MM-dd",)
    if profile.type != "string" or not profile.dates:
        return ()
    most = max(profile.dates.values())
    formats = [fmt for fmt, count in profile.dates.items() if count == most][:1]
    return tuple(letters for fmt in formats if (letters := _spark(fmt)))


def _spark(fmt: str) -> str | None:
    """A format of strptime in Spark's letters; None where it has letters that Spark has no like of."""
    parts = re.findall(r"%[A-Za-z]|[^%]+", fmt)
    if any(part[0] == "%" and part not in _LETTERS for part in parts):
        return None
    return "".join(_LETTERS.get(part) or re.sub("[A-Za-z]+", lambda word: f"'{word[0]}'", part) for part in parts)


def _derived(
    schema: str,
    columns: Dict[str, Call],
    matched: Dict[str, str],
    named: Dict[str, str],
    profiles: Dict[str, ColumnProfile],
) -> dict[str, Call]:
    """Columns that follow from several others, or from what the table is about."""
    made: dict[str, Call] = {}
    last, organization = matched.get("last_name"), matched.get("organization_name")
    if schema == "provider":
        if "entity_type" not in columns and (last or organization):
            individual, body = quoted("individual"), quoted("organization")
            if last and organization:
                made["entity_type"] = Call("", (f"if({_some(last)}, {individual}, {body})",))
            else:
                made["entity_type"] = Call("", (individual if last else body,))
        names = [matched[name] for name in ("first_name", "middle_name") if name in matched]
        parts = ", ".join([f"concat({last}, ',')", *names])
        person = f"concat_ws(' ', {parts})" if last else None
        if person and organization:
            made["name"] = Call("text", (f"if({_some(last or '')}, {person}, {organization})",))
        elif person or organization:
            made["name"] = Call("text", (person or organization,))
    if schema == "claim":
        said = " | ".join(named.values())
        kind = next((kind for kind, pattern in ABOUT.items() if re.search(pattern, said)), None)
        if kind:
            made["claim_type"] = Call("", (quoted(kind),))
    return made


def _some(column: str) -> str:
    return f"nullif(trim({column}), '') IS NOT NULL"
