"""How a format's bytes become Arrow, and where its stream may be cut: one small typed object a format."""

from spark.readers.base import Reader
from spark.readers.csv import Csv
from spark.readers.excel import Excel

READERS: dict[str, type[Csv] | type[Excel]] = {"csv": Csv, "excel": Excel}
"""Readers by the name that the command line uses."""

__all__ = ["READERS", "Csv", "Excel", "Reader"]
