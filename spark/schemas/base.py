"""What a common schema is."""

from datetime import date
from typing import Literal, Self

import pyarrow as pa
from pydantic import BaseModel, model_validator

from spark.values import quoted

Type = Literal[
    "string",
    "int",
    "bigint",
    "double",
    "decimal(18,2)",
    "decimal(18,4)",
    "boolean",
    "date",
    "timestamp",
    "array<string>",
]
"""Spark SQL's names of the types of columns; `decimal(18,2)` is for money, `decimal(18,4)` for quantities."""

REQUIRED = " is required"
"""How the reason ends, behind a column's name, for which a row that lacks a value there is held."""

_ARROW: dict[Type, pa.DataType] = {
    "string": pa.string(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "decimal(18,2)": pa.decimal128(18, 2),
    "decimal(18,4)": pa.decimal128(18, 4),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "array<string>": pa.list_(pa.field("element", pa.string())),
}

Phi = Literal[
    "name",
    "geography",
    "date",
    "phone",
    "fax",
    "email",
    "ssn",
    "record_number",
    "health_plan_number",
    "account_number",
    "license_number",
    "vehicle",
    "device",
    "url",
    "ip",
    "biometric",
    "photo",
    "other_number",
    "text",
]
"""The identifiers of a person that HIPAA's safe harbour takes out, 45 CFR 164.514(b)(2)(i)(A) to (R), in its order.

`geography` is smaller than a state, `date` finer than a year or an age that may be over 89; `text` is free text, which
may hold any of them.
"""

ORIGIN = ("_source", "_drop", "_file", "_record")
"""Columns that lead a row back to its record: strings, but `_record` (bigint, ordinal from 1 in the file)."""

EARLIEST, LATEST = date(1800, 1, 1), date(2199, 12, 31)
"""Between these lie all days and instants of every common schema: 0001-01-01, 9999-12-31 and the like mean nothing."""


class Column(BaseModel, frozen=True):
    """A column of a common schema.

    `values` are all that it may hold (each element of an array), `least` and `most` bound a number. A value outside is
    lost as one that does not convert. `references` names the schema and column, `claim.claim_id`, where its values
    stand for the same source: in the same drop, or in what is current. `phi` says which identifier of a person it is,
    if it is one.
    """

    name: str
    type: Type = "string"
    doc: str
    required: bool = False
    values: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None
    references: str | None = None
    phi: Phi | None = None

    @property
    def condition(self) -> str | None:
        """Spark SQL over the column's name, true of all that it may hold and not null; None where the type says all."""
        if self.values:
            allowed = f"IN ({', '.join(map(quoted, self.values))})"
            return (
                f"forall({self.name}, e -> e {allowed})" if self.type == "array<string>" else f"{self.name} {allowed}"
            )
        if self.type in ("date", "timestamp"):
            return f"CAST({self.name} AS date) BETWEEN DATE'{EARLIEST}' AND DATE'{LATEST}'"
        bounds = [f"{self.name} {sign} {n}" for sign, n in ((">=", self.least), ("<=", self.most)) if n is not None]
        return " AND ".join(bounds) or None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.values and self.type not in ("string", "array<string>"):
            raise ValueError(f"{self.name}: only text has a set of values")
        if (self.least, self.most) != (None, None) and self.type in ("string", "array<string>", "boolean", "date"):
            raise ValueError(f"{self.name}: only a number has bounds")
        return self


class Schema(BaseModel, frozen=True):
    """The table that every source on one subject is mapped to; `key` says what a row is about.

    A column may be added: it is null in older files. A column of another type, or another key, makes the next
    `version`, a table beside the old one. Of several rows of a key in a drop that with the greatest `latest` counts;
    without such a column, or where it is equal, they contradict each other unless they are alike. A deletion without it
    comes before all others.
    """

    name: str
    version: int = 1
    doc: str
    key: tuple[str, ...]
    latest: str | None = None
    columns: tuple[Column, ...]

    @property
    def arrow(self) -> pa.Schema:
        """Arrow fields: where the row came from, whether it says that its key is gone, then the columns."""
        return pa.schema(
            [
                ("_source", pa.string()),
                ("_drop", pa.string()),
                ("_file", pa.string()),
                ("_record", pa.int64()),
                ("_deleted", pa.bool_()),
                *(pa.field(c.name, _ARROW[c.type], metadata={"doc": c.doc}) for c in self.columns),
            ]
        )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        columns = {column.name: column for column in self.columns}
        if len(columns) != len(self.columns):
            raise ValueError(f"{self}: two columns have one name")
        if missing := [name for name in self.key if name not in columns or not columns[name].required]:
            raise ValueError(f"{self}: the key's {', '.join(missing)} must be a required column")
        if self.latest is not None and self.latest not in columns:
            raise ValueError(f"{self}: there is no column {self.latest}")
        return self

    def __str__(self) -> str:
        """The table's name: `claim`, then `claim_v2`."""
        return self.name if self.version == 1 else f"{self.name}_v{self.version}"
