"""How a source's columns become a common schema's: one Spark SQL expression per column, over names in the lake."""

from typing import NamedTuple

from pydantic import BaseModel


class Expression(NamedTuple):
    """A Spark SQL expression, and the one that says what it was given: a value that is lost on the way is counted."""

    sql: str
    given: str


class Mapping(BaseModel, frozen=True):
    """Expressions by column of the common schema; columns that are not named become null.

    `deleted` is a condition: rows that meet it say that their key is gone, and need nothing but the key. `optional` are
    columns that some of the source's files lack, null there.
    """

    columns: dict[str, str | Expression]
    deleted: str = "false"
    optional: tuple[str, ...] = ()


def text(column: str) -> str:
    """The text without blanks around it; null where nothing is left."""
    return f"nullif(trim(BOTH ' \\t\\r\\n' FROM {column}), '')"


def date(column: str, pattern: str) -> Expression:
    """A day written by `pattern`, in Spark's letters; what does not fit becomes null and is counted."""
    return Expression(f"CAST(try_to_timestamp({text(column)}, '{pattern}') AS date)", text(column))


def npi(column: str) -> Expression:
    """A National Provider Identifier that is right: 10 digits, the last a Luhn check over `80840` and the others.

    CMS, "Requirements for National Provider Identifier (NPI) and NPI Check Digit".
    """
    value = text(column)
    return Expression(
        f"CASE WHEN {value} RLIKE '^[12][0-9]{{9}}$' AND luhn_check(concat('80840', {value})) THEN {value} END", value
    )


def code(column: str, meanings: dict[str, str]) -> Expression:
    """A coded value by its meaning; a code without one becomes null and is counted."""
    whens = " ".join(f"WHEN '{k}' THEN '{v}'" for k, v in meanings.items())
    return Expression(f"CASE {text(column)} {whens} END", text(column))
