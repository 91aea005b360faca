"""How a format's bytes become Arrow, and where its stream may be cut: one small typed object a format."""

from spark.readers.avro import Avro
from spark.readers.base import FileReader, Reader, cuts
from spark.readers.columnar import Orc, Parquet
from spark.readers.csv import Csv
from spark.readers.excel import Excel
from spark.readers.fixed import Fixed, Span
from spark.readers.json import Json
from spark.readers.layouts import Field, Layout
from spark.readers.sas import Sas
from spark.readers.x12 import X12
from spark.readers.xml import Xml
from spark.readers.xml_fields import Element

AnyReader = Csv | Fixed | Excel | Sas | Xml | Json | Parquet | Avro | Orc | X12
"""What a dataset may be read by."""

READERS: dict[str, type[AnyReader]] = {
    "csv": Csv,
    "fixed": Fixed,
    "excel": Excel,
    "sas": Sas,
    "xml": Xml,
    "json": Json,
    "parquet": Parquet,
    "avro": Avro,
    "orc": Orc,
    "x12": X12,
}
"""Readers by the name that the command line uses."""

__all__ = [
    "READERS",
    "X12",
    "AnyReader",
    "Avro",
    "Csv",
    "Element",
    "Excel",
    "Field",
    "FileReader",
    "Fixed",
    "Json",
    "Layout",
    "Orc",
    "Parquet",
    "Reader",
    "Sas",
    "Span",
    "Xml",
    "cuts",
]
