"""How a source's columns become a common schema's: one Spark SQL expression per column, over names in the lake."""

import re
from collections.abc import Collection
from typing import Literal

from pydantic import BaseModel

from spark.codes import (
    bill_type,
    drg,
    hcpcs,
    icd9cm,
    icd9procedure,
    icd10cm,
    icd10pcs,
    ndc,
    ndc_product,
    npi,
    phone,
    place_of_service,
    revenue_code,
    sex,
    state,
    zip_code,
)
from spark.values import (
    Expression,
    boolean,
    code,
    date,
    either,
    instant,
    markup,
    money,
    partial_date,
    quantity,
    sas_date,
    text,
    unless,
)

__all__ = [
    "Expression",
    "Mapping",
    "bill_type",
    "boolean",
    "code",
    "date",
    "drg",
    "either",
    "hcpcs",
    "icd9cm",
    "icd9procedure",
    "icd10cm",
    "icd10pcs",
    "instant",
    "markup",
    "money",
    "ndc",
    "ndc_product",
    "npi",
    "partial_date",
    "phone",
    "place_of_service",
    "quantity",
    "revenue_code",
    "sas_date",
    "sex",
    "state",
    "text",
    "unless",
    "words",
    "zip_code",
]


class Mapping(BaseModel, frozen=True):
    """Expressions by column of the common schema; columns that are not named become null.

    `where` is a condition: rows that do not meet it say nothing on the subject, and are counted as skipped. By `each`,
    an array in Spark SQL such as `array(code_1, code_2)`, a raw row becomes a row for every element, which expressions
    name `_each`, and its place, from 1, `_position`; one whose array is null or empty is skipped. `where` may name both
    and leave out empty elements: `_each IS NOT NULL`. `deleted` is a condition too: rows that meet it say that their
    key is gone, and need nothing but the key. `optional` are columns that some of the source's files lack, null there.

    `later` says what it means that a record says something else of a key than one before it in the drop, by file and
    place, where the schema's `latest` is equal: it contradicts that one, or it wins, as a party that writes down what
    happened one after another means it. Records of two datasets have no order, and contradict each other.
    """

    columns: dict[str, str | Expression]
    where: str = "true"
    each: str | None = None
    deleted: str = "false"
    later: Literal["contradicts", "wins"] = "contradicts"
    optional: tuple[str, ...] = ()

    @property
    def reads(self) -> frozenset[str]:
        """The words in its expressions, in lower case, among which are all columns that it reads.

        Spark finds a column however its name is spelt.
        """
        by = (expression for column in self.columns.values() for expression in _sql(column))
        return words(*by, self.where, self.deleted, self.each or "")

    def made_of(self, column: str, there: Collection[str]) -> tuple[str, ...]:
        """The columns of those that are `there`, or fields within them by their paths, that a column's values are
        taken from.
        """
        by = self.columns.get(column, "")
        given = by.given if isinstance(by, Expression) else by
        if self.each and "_each" in words(given):
            given = f"{given} {self.each}"
        names = {name.lower() for name in there}
        paths = (path.replace("`", "") for path in _PATH.findall(_TEXT.sub("", given)))
        return tuple(dict.fromkeys(path for path in paths if path.partition(".")[0].lower() in names))


_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'")
_PATH = re.compile(r"(?<![\w.`])`?\w+`?(?:\.`?\w+`?)*(?![\w.`]|\s*\()")  # no name of a function


def words(*expressions: str) -> frozenset[str]:
    """The words in expressions, in lower case."""
    return frozenset(re.findall(r"\w+", " ".join(expressions).lower()))


def _sql(column: str | Expression) -> tuple[str, ...]:
    return (column,) if isinstance(column, str) else (column.sql, column.given)
