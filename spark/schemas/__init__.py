"""The common schemas: one table per subject, which every source on it is mapped to."""

from spark.schemas.base import Column, Schema
from spark.schemas.provider import Provider

SCHEMAS: dict[str, Schema] = {schema.name: schema for schema in (Provider,)}
"""Common schemas by name."""

__all__ = ["SCHEMAS", "Column", "Provider", "Schema"]
