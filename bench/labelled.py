"""Columns of the real samples whose meaning is labelled by hand, in `bench/labels`, with their profiles.

A label names the file below INLET_REALDATA, the kinds that are right for the column, the first of which is counted, and
which identifier of a person it is. Files are read by inlet's own readers; of a layout there are names alone.
"""

import gzip
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa
import yaml

from spark.convert import parse, read_whole, schema_of
from spark.detect import detect
from spark.profiling.profiler import profile
from spark.profiling.profiles import ColumnProfile
from spark.readers.layouts import Layout
from spark.readers.sas import Sas

LABELS = Path(__file__).parent / "labels"

Part = Literal["tuning", "held_out"]
"""`tuning` is what the rules were made with, `held_out` what they had not seen."""


class Labelled(NamedTuple):
    """A column, and what it holds. `phi` is None where it is no identifier of a person."""

    file: str
    column: ColumnProfile
    kinds: tuple[str, ...]
    phi: str | None


def labelled(root: Path, part: Part) -> Iterator[Labelled]:
    """All columns that are labelled; raises `KeyError` where a file has no such column."""
    for file, groups in yaml.safe_load((LABELS / f"{part}.yaml").read_text()).items():
        columns: dict[str, ColumnProfile] = {}
        for column in profiles(root, file):
            columns.setdefault(column.original, column)
        for label, names in groups.items():
            kinds, _, phi = label.partition(" ")
            for name in names:
                yield Labelled(file, columns[str(name)], tuple(kinds.split("|")), phi or None)


def header_only(part: Literal["names", "wild"]) -> Iterator[Labelled]:
    """Names of columns of other systems, labelled; there are no values of them."""
    for system, groups in yaml.safe_load((LABELS / f"{part}.yaml").read_text()).items():
        for label, names in groups.items():
            kinds, _, phi = label.partition(" ")
            for name in names:
                column = ColumnProfile(name=name.lower(), original=name)
                yield Labelled(system, column, tuple(kinds.split("|")), phi or None)


def profiles(root: Path, file: str) -> list[ColumnProfile]:
    """The columns of a file below `root`; `a.zip!b` is a member of an archive."""
    outer, _, member = file.partition("!")
    data = (root / outer).read_bytes()
    if member:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data = archive.read(member)
    if file.endswith(".gz"):
        data = gzip.decompress(data)
    suffix = Path(file.removesuffix(".gz")).suffix.lower()
    if suffix == ".sas" or "layouts" in file:
        return _of_layout(data.decode("latin-1"), suffix)
    if suffix in (".xpt", ".sas7bdat"):
        schema, tables = read_whole(io.BytesIO(data), Sas(), file)
        return _columns(tables, schema)
    reader = detect(data, whole=True).reader
    pieces = list(reader.cut(io.BytesIO(data)))
    schema = schema_of(reader, pieces[0].columns)
    return _columns((table for table, _ in parse(pieces, reader, file)), schema)


def _columns(tables: Iterator[pa.Table], schema: pa.Schema) -> list[ColumnProfile]:
    return list(profile(tables, schema).columns.values())


def _of_layout(text: str, suffix: str) -> list[ColumnProfile]:
    layout = Layout.from_hcup(text) if suffix == ".sas" else Layout.from_texas(text)
    return [ColumnProfile(name=f.name.lower(), original=f.name, label=f.label) for f in layout.fields]
