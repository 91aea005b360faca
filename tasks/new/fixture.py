"""A sample that nobody delivered: files of made-up rows, named, written and wrapped as the party's are."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from xml.sax.saxutils import escape, quoteattr

import lz4.frame  # type: ignore[import-untyped]
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from pyarrow import orc

from spark.convert import read_whole
from spark.parts import Rejected
from spark.readers import X12, AnyReader, Csv, Excel, Fixed, Json, Orc, Parquet, Sas, Xml, cuts
from spark.readers.base import is_structured
from tasks.new.datasets import Found
from tasks.new.invented import ROWS, Inventor, x12
from tasks.new.sample import Plain
from tasks.wrappings import Member


class NotMade(Exception):
    """There is no fixture, and why."""


class Made(NamedTuple):
    """Rows that were made up for a dataset."""

    found: Found
    rows: list[dict[str, Any]]


def fixture(datasets: Sequence[Found]) -> tuple[dict[str, bytes], dict[str, int]]:
    """Files by their names at the party's place, one of each dataset or all in one archive, and rows by dataset.

    Raises `NotMade` where there is no writer, or where what was written does not
    read as it should.
    """
    inventor = Inventor()
    members: dict[Member, list[Made]] = {}
    for found in datasets:
        plain = found.plains[0]
        made = [] if isinstance(found.reader, X12) else inventor.rows(plain.table)
        members.setdefault(plain.member, []).append(Made(found, made))
    data, rows = list[tuple[Member, bytes]](), dict[str, int]()
    for member, by in members.items():
        content = _written(by)
        data.append((member, content))
        for found, _ in by:
            rows[found.name] = _counted(found, content)
            if not isinstance(found.reader, X12) and rows[found.name] != ROWS:
                raise NotMade(f"what was made up for {found.name} reads as {rows[found.name]} rows, not {ROWS}")
    by_name: dict[str, list[tuple[Member, bytes]]] = {}
    for member, content in data:
        by_name.setdefault(member.names[0], []).append((member, content))
    return {name: _wrapped(0, each) for name, each in by_name.items()}, rows


def _counted(found: Found, content: bytes) -> int:
    """The rows that the flow's reader makes of a plain file; raises `NotMade` where it makes none, or rejects any."""
    reader, stream = found.reader, io.BytesIO(content)
    try:
        if not cuts(reader):
            return sum(table.num_rows for table in read_whole(stream, reader, found.name)[1])
        pieces = list(reader.cut(stream))
        settled = reader.drafted(pieces) if is_structured(reader) else reader
        rejected, rows = list[Rejected](), 0
        for piece in pieces:
            table, wrong = settled.read(piece)
            rows, rejected = rows + table.num_rows, rejected + wrong
    except Exception as error:  # whatever it is, it is no fixture
        raise NotMade(f"what was made up for {found.name} does not read: {type(error).__name__}") from error
    if rejected:
        raise NotMade(f"of what was made up for {found.name}, {len(rejected)} records do not parse")
    return rows


def _written(by: Sequence[Made]) -> bytes:
    """A plain file of one kind of rows or of several."""
    (found, rows), *others = by
    plain, reader = found.plains[0], found.reader
    if isinstance(reader, X12):
        if not plain.text:
            raise NotMade("an interchange of this size is not made up")
        return x12(plain.text).encode(reader.encoding)
    if isinstance(reader, Json):
        return _json({of.reader.at or "": Made(of, these) for of, these in by if isinstance(of.reader, Json)})
    if isinstance(reader, Xml):
        elements = [_row(each, of) for of, these in by for each in these]
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<made_up>\n{"".join(elements)}</made_up>\n'.encode()
    if isinstance(reader, Excel):
        return _excel(by)
    if others:
        raise NotMade("a file of several kinds of rows")
    writer = next((write for kind, write in _WRITERS.items() if isinstance(reader, kind)), None)
    if writer is None:
        raise NotMade(f"nothing here writes {type(reader).__name__}")
    return writer(reader, plain, found.columns, rows)


def _csv(reader: AnyReader, _plain: Plain, columns: Mapping[str, str], rows: Sequence[dict[str, Any]]) -> bytes:
    if not isinstance(reader, Csv) or reader.trailer is not None:
        raise NotMade("a trailer is not made up")
    names = list(rows[0])
    header = [[columns[name] for name in names], *([""] * len(names) for _ in range(int(reader.header) - 1))]
    lines = [f"made up {at}" for at in range(reader.skip)] + [_line(reader, cells) for cells in header[: reader.header]]
    end = reader.delimiter if reader.trailing else ""
    lines += [_line(reader, [row[name] or "" for name in names]) + end for row in rows]
    lines += ["end"] * reader.footer
    return ("\n".join(lines) + "\n").encode(reader.encoding, "replace")


def _line(reader: Csv, cells: Sequence[str]) -> str:
    quote, marks = reader.quote, (reader.delimiter, reader.quote or "\n", reader.escape or "\n", "\n", "\r")
    if quote is None:
        plain = [cell.translate(dict.fromkeys(map(ord, "".join(marks)), " ")) for cell in cells]
        return reader.delimiter.join(plain)
    return reader.delimiter.join(
        f"{quote}{cell.translate(dict.fromkeys(map(ord, quote + (reader.escape or '')), ' '))}{quote}" for cell in cells
    )


def _fixed(reader: AnyReader, _plain: Plain, columns: Mapping[str, str], rows: Sequence[dict[str, Any]]) -> bytes:
    if not isinstance(reader, Fixed) or reader.record_type or reader.trailer or len(reader.layouts) > 1:
        raise NotMade("records of several kinds are not made up")
    (layout,) = reader.layouts
    names = {original: name for name, original in columns.items()}
    lines = ["made up"] * reader.skip
    for row in rows:
        cells = [" "] * layout.record_length
        for field in layout.fields:
            value = (row.get(names.get(field.name, ""), "") or "")[: field.length].ljust(field.length)
            cells[field.start - 1 : field.end] = value
        lines.append("".join(cells))
    return ("\n".join([*lines, *["end"] * reader.footer]) + "\n").encode(reader.encoding, "replace")


def _json(by: Mapping[str, Made]) -> bytes:
    if "" in by:
        found, rows = by[""]
        fields = _fields(found)
        whole = [field for field in fields if field.metadata[b"name"] == b"value" and len(fields) == 1]
        made = [_named(row, fields) for row in rows]
        return b"".join(orjson.dumps(row["value"] if whole else row, default=str) + b"\n" for row in made)
    root: dict[str, Any] = {}
    for at, (found, rows) in by.items():
        *above, last = at.removeprefix("$.").split(".")
        inner = root
        for key in above:
            inner = inner.setdefault(key, {})
        inner[last] = [_named(row, _fields(found)) for row in rows]
    return orjson.dumps(root, default=str, option=orjson.OPT_INDENT_2)


def _fields(found: Found) -> list[pa.Field]:
    return [field for field in list(found.plains[0].schema)[3:] if field.name != "_special"]


def _named(row: Mapping[str, Any], fields: Sequence[pa.Field]) -> dict[str, Any]:
    """A row under the party's names, at every depth; without what is null."""
    return {_original(field): _deep(row[field.name], field.type) for field in fields if row.get(field.name) is not None}


def _deep(value: Any, kind: pa.DataType) -> Any:  # noqa: ANN401  # JSON
    if pa.types.is_struct(kind):
        return _named(value, list(kind))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [_deep(each, kind.value_type) for each in value]
    return value


def _original(field: pa.Field) -> str:
    return str((field.metadata or {}).get(b"name", field.name.encode()).decode())


def _row(row: Mapping[str, Any], found: Found) -> str:
    if not isinstance(found.reader, Xml):
        raise NotMade("XML beside another format")
    return _element(found.reader.row, _named(row, _fields(found))) + "\n"


def _element(name: str, value: Any) -> str:  # noqa: ANN401  # text, or what is nested
    if isinstance(value, list):
        return "".join(_element(name, each) for each in value)
    if not isinstance(value, dict):
        return f"<{name}>{escape(str(value))}</{name}>"
    said = "".join(f" {key[1:]}={quoteattr(str(of))}" for key, of in value.items() if key.startswith("@"))
    inner = "".join(
        escape(str(of)) if key.startswith("#") else _element(key, of)
        for key, of in value.items()
        if not key.startswith("@")
    )
    return f"<{name}{said}>{inner}</{name}>"


def _table(plain: Plain, columns: Mapping[str, str], rows: Sequence[dict[str, Any]]) -> pa.Table:
    fields = [field for field in list(plain.schema)[3:] if field.name != "_special"]
    table = pa.Table.from_pylist(list(rows), schema=pa.schema([f.remove_metadata() for f in fields]))
    return table.rename_columns([columns[name] for name in table.column_names])


def _parquet(_reader: AnyReader, plain: Plain, columns: Mapping[str, str], rows: Sequence[dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    pq.write_table(_table(plain, columns, rows), out)
    return out.getvalue()


def _orc(_reader: AnyReader, plain: Plain, columns: Mapping[str, str], rows: Sequence[dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    orc.write_table(_table(plain, columns, rows), out)
    return out.getvalue()


def _excel(by: Sequence[Made]) -> bytes:
    """A workbook of the sheets that datasets have."""
    try:
        from openpyxl import Workbook  # a tool of development, as whoever drafts a source has
    except ImportError:
        raise NotMade("openpyxl is not installed, which writes workbooks") from None
    book = Workbook()
    for found, rows in by:
        reader = found.reader
        if not isinstance(reader, Excel) or reader.range or reader.footer:
            raise NotMade("a part of a sheet is not made up")
        if isinstance(reader.sheet, str):
            sheet = book.create_sheet(reader.sheet)
        else:
            while len(book.worksheets) <= reader.sheet:
                book.create_sheet()
            sheet = book.worksheets[reader.sheet]
        top = reader.header_row or 1
        for row in range(1, top):
            sheet.cell(row, 1, "made up")
        for at, name in enumerate(rows[0], 1):
            for row in range(top, top + reader.header):
                sheet.cell(row, at, found.columns[name])
            for row, each in enumerate(rows, top + reader.header):
                sheet.cell(row, at, each[name])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _sas(_reader: AnyReader, plain: Plain, columns: Mapping[str, str], rows: Sequence[dict[str, Any]]) -> bytes:
    """XPORT, which is read wherever sas7bdat is: nothing but SAS writes that."""
    from tempfile import NamedTemporaryFile

    try:
        import pyreadstat
    except ImportError:
        raise NotMade("pyreadstat is not installed, which writes XPORT") from None
    frame = _table(plain, columns, rows).to_pandas()
    with NamedTemporaryFile(suffix=".xpt") as file:
        try:
            pyreadstat.write_xport(frame, file.name, file_format_version=8)
        except Exception as error:  # whatever a name or type is that it does not write
            raise NotMade(f"pyreadstat does not write it: {type(error).__name__}") from error
        file.seek(0)
        return file.read()


_WRITERS: dict[type, Callable[[AnyReader, Plain, Mapping[str, str], Sequence[dict[str, Any]]], bytes]] = {
    Csv: _csv,
    Fixed: _fixed,
    Parquet: _parquet,
    Orc: _orc,
    Sas: _sas,
}


def _wrapped(depth: int, members: Sequence[tuple[Member, bytes]]) -> bytes:
    """What is inside of so many wrappings, wrapped again."""
    member, content = members[0]
    if len(member.wrappings) <= depth:
        return content
    kind = member.wrappings[depth]
    inside: dict[str, list[tuple[Member, bytes]]] = {}
    for each in members:
        inside.setdefault(each[0].names[depth + 1], []).append(each)
    parts = {name: _wrapped(depth + 1, of) for name, of in inside.items()}
    if kind == "zip":
        return _zip(parts)
    if kind == "tar":
        return _tar(parts)
    (data,) = parts.values()
    packed: dict[str, Callable[[], bytes]] = {
        "gzip": lambda: gzip.compress(data, mtime=0),
        "bzip2": lambda: bz2.compress(data),
        "xz": lambda: lzma.compress(data),
        "zstd": lambda: zstandard.ZstdCompressor().compress(data),
        "lz4": lambda: lz4.frame.compress(data),
    }
    if kind not in packed:
        raise NotMade(f"nothing here writes {kind}")
    return packed[kind]()


def _zip(parts: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def _tar(parts: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in parts.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()
