"""What a common schema is."""

from typing import Literal

import pyarrow as pa
from pydantic import BaseModel

Type = Literal["string", "int", "bigint", "double", "boolean", "date", "timestamp"]
"""Spark SQL's names of the types that columns may have."""

_ARROW: dict[Type, pa.DataType] = {
    "string": pa.string(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}

ORIGIN = ("_source", "_drop", "_file", "_record")
"""Columns that lead a row back to its record: strings, but `_record` (bigint, ordinal from 1 in the file)."""


class Column(BaseModel, frozen=True):
    """A column of a common schema."""

    name: str
    type: Type
    doc: str
    required: bool = False


class Schema(BaseModel, frozen=True):
    """The table that every source on one subject is mapped to; `key` says what a row is about."""

    name: str
    doc: str
    key: tuple[str, ...]
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
                ("_bucket", pa.int32()),
                *(pa.field(c.name, _ARROW[c.type], metadata={"doc": c.doc}) for c in self.columns),
            ]
        )

    def __str__(self) -> str:
        return self.name
