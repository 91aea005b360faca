"""How a format's bytes become Arrow, and where its stream may be cut: one small typed object a format."""

from spark.readers.base import FileReader, Reader, cuts
from spark.readers.columnar import Orc, Parquet
from spark.readers.csv import Csv
from spark.readers.excel import Excel
from spark.readers.fixed import Fixed, Span
from spark.readers.layouts import Field, Layout
from spark.readers.sas import Sas

AnyReader = Csv | Excel | Fixed | Sas | Parquet | Orc
"""What a dataset may be read by."""

READERS: dict[str, type[Csv] | type[Excel] | type[Sas] | type[Parquet] | type[Orc]] = {
    "csv": Csv,
    "excel": Excel,
    "sas": Sas,
    "parquet": Parquet,
    "orc": Orc,
}
"""Readers by the name that the command line uses."""

__all__ = [
    "READERS",
    "AnyReader",
    "Csv",
    "Excel",
    "Field",
    "FileReader",
    "Fixed",
    "Layout",
    "Orc",
    "Parquet",
    "Reader",
    "Sas",
    "Span",
    "cuts",
]
