"""Every format by the installed command, in process, and on Spark: the same rows, and those that were written."""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import fastavro
import pandas as pd
import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet as pq
import pyreadstat
import pytest
from fsspec.implementations.local import LocalFileSystem
from openpyxl import Workbook
from pyspark.sql import SparkSession

from spark.convert import Converted, Rows, Target, convert_file, convert_share, settled, split, total
from spark.parts import Part, StagedFile
from spark.readers import (
    READERS,
    X12,
    AnyReader,
    Avro,
    Csv,
    Excel,
    Field,
    Fixed,
    Json,
    Layout,
    Orc,
    Parquet,
    Sas,
    Xml,
    cuts,
)
from tests.spark.made import stage

INLET = Path(sys.executable).parent / "inlet"
FS = LocalFileSystem()
ROWS = 60
NAMES = [None if n % 7 == 3 else f"n\u00e9{n}" for n in range(ROWS)]  # never both, as that is a blank line
NUMBERS = [None if n % 7 == 5 else float(n * n) for n in range(ROWS)]


@dataclass(frozen=True)
class Format:
    """A file of `ROWS` records with a name and a number, how it is read, and how its reader shows a number."""

    file: str
    made: Callable[[], bytes]
    reader: AnyReader
    options: tuple[str, ...] = ()
    number: Callable[[float], Any] = lambda number: str(int(number))


def _csv() -> bytes:
    lines = [f"{name or ''};{'' if n is None else int(n)}" for name, n in zip(NAMES, NUMBERS, strict=True)]
    return "\r\n".join(["NAME;N", *lines, ""]).encode("cp1252")


def _fixed() -> bytes:
    pairs = zip(NAMES, NUMBERS, strict=True)
    return "".join(f"{name or '':8}{'' if n is None else int(n):>5}\n" for name, n in pairs).encode()


def _sas() -> bytes:
    frame = pd.DataFrame(
        {"NAME": [name or "" for name in NAMES], "N": [float("nan") if n is None else n for n in NUMBERS]}
    )
    with TemporaryDirectory() as folder:
        pyreadstat.write_xport(frame, f"{folder}/x.xpt", file_format_version=5)
        return Path(folder, "x.xpt").read_bytes()


def _xml() -> bytes:
    def element(tag: str, value: object) -> str:
        return "" if value is None else f"<{tag}>{value}</{tag}>"

    rows = [
        f"<row>{element('NAME', name)}{element('N', None if n is None else int(n))}</row>"
        for name, n in zip(NAMES, NUMBERS, strict=True)
    ]
    return f"<?xml version='1.0'?><rows>{''.join(rows)}</rows>".encode()


def _records() -> list[dict[str, Any]]:
    return [{"NAME": name, "N": n if n is None else int(n)} for name, n in zip(NAMES, NUMBERS, strict=True)]


def _json() -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in _records())


def _excel() -> bytes:
    book = Workbook()
    book.worksheets[0].append(["not this one"])
    sheet = book.create_sheet("data")
    sheet.append(["NAME", "N"])
    for record in _records():
        sheet.append(list(record.values()))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _table() -> pa.Table:
    return pa.table({"NAME": pa.array(NAMES, pa.string()), "N": pa.array(NUMBERS, pa.float64())})


def _parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(_table(), out, row_group_size=13)
    return out.getvalue()


def _orc() -> bytes:
    out = io.BytesIO()
    pa.orc.write_table(_table(), out)
    return out.getvalue()


def _avro() -> bytes:
    kinds = [{"name": "NAME", "type": ["null", "string"]}, {"name": "N", "type": ["null", "double"]}]
    records = [{"NAME": name, "N": n} for name, n in zip(NAMES, NUMBERS, strict=True)]
    out = io.BytesIO()
    fastavro.writer(out, {"type": "record", "name": "row", "fields": kinds}, records, sync_interval=200)
    return out.getvalue()


def _x12() -> bytes:
    """A claim each, in transactions of 20: what is missing in the others has no place here."""
    groups = []
    for first in range(0, ROWS, 20):
        claims = [
            f"CLM*{name or ''}*{'' if n is None else int(n)}***11:B:1*Y*A*Y*Y~LX*1~SV1*HC:99213*1*UN*1***1~"
            for name, n in list(zip(NAMES, NUMBERS, strict=True))[first : first + 20]
        ]
        body = (
            "BHT*0019*00*1*20260101*1200*CH~NM1*41*2*S*****46*1~NM1*40*2*R*****46*2~HL*1**20*1~NM1*85*2*P*****XX*1~"
            "HL*2*1*22*0~SBR*P*18*******MB~NM1*IL*1*L*F****MI*1~" + "".join(claims)
        )
        number = f"{first:04}"
        groups.append(f"ST*837*{number}*005010X222A1~{body}SE*{body.count('~') + 2}*{number}~")
    head = "ISA*00*          *00*          *ZZ*S              *ZZ*R              *260101*1200*^*00501*000000001*0*T*:~"
    return (
        f"{head}GS*HC*S*R*20260101*1200*1*X*005010X222A1~{''.join(groups)}GE*{len(groups)}*1~IEA*1*000000001~"
    ).encode()


LAYOUT = Layout(fields=(Field(name="NAME", start=1, length=8), Field(name="N", start=9, length=5)))
FORMATS = {
    "csv": Format("x.csv", _csv, Csv(delimiter=";", encoding="cp1252"), ("delimiter=;", "encoding=cp1252")),
    "fixed": Format(
        "x.dat", _fixed, Fixed(layouts=(LAYOUT,), trim="both"), (f"layouts=[{LAYOUT.model_dump_json()}]", "trim=both")
    ),
    "excel": Format("x.xlsx", _excel, Excel(sheet="data"), ("sheet=data",), int),
    "sas": Format("x.xpt", _sas, Sas(), (), float),
    "xml": Format("x.xml", _xml, Xml(row="row")),
    "json": Format("x.json", _json, Json(), (), int),
    "parquet": Format("x.parquet", _parquet, Parquet(), (), float),
    "avro": Format("x.avro", _avro, Avro(), (), float),
    "orc": Format("x.orc", _orc, Orc(), (), float),
    "x12": Format("x.txt", _x12, X12()),
}


def check(rows: pa.Table, of: Format) -> None:
    """Whether these are the records, in order."""
    assert rows["_record"].to_pylist() == list(range(1, ROWS + 1))
    name, number = ("claim_id", "claim_charge") if of.reader == X12() else ("name", "n")
    assert [value or None for value in rows[name].to_pylist()] == NAMES
    assert rows[number].to_pylist() == [None if n is None else of.number(n) for n in NUMBERS]


def test_every_format_has_a_case() -> None:
    assert set(FORMATS) == set(READERS)


@pytest.mark.parametrize("name", FORMATS)
def test_by_the_command(name: str, tmp_path: Path) -> None:
    """Options as text; with none the format is found."""
    of = FORMATS[name]
    (tmp_path / of.file).write_bytes(of.made())
    options = [part for option in of.options for part in ("-o", option)]
    command = [INLET, "convert", tmp_path / of.file, tmp_path / "out.parquet", *options, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["records"], said["rows"], said["rejected"]) == (ROWS, ROWS, 0)
    assert said["reader"]["format"] == name
    check(pq.read_table(tmp_path / "out.parquet"), of)


def staged(of: Format, folder: Path) -> StagedFile:
    """As unwrapping leaves it: in several parts where the format can be cut, else whole."""
    data = of.made()
    if cuts(of.reader):
        return stage(data, of.file, of.reader, folder / "parts", 500)
    (folder / of.file).write_bytes(data)
    part = Part(path=str(folder / of.file), offset=0, first_record=1, records=None, bytes=len(data))
    return StagedFile(file=of.file, columns=(), parts=(part,))


def several(file: StagedFile, reader: AnyReader) -> Sequence[Sequence[Part] | Rows]:
    """A share for each place that a task may begin at; by itself so small a file has one."""
    if cuts(reader):
        return [[part] for part in file.parts]
    (part,) = file.parts
    with FS.open(part.path, "rb") as stream:
        return [Rows(part=part, spans=(tuple(span),)) for span in reader.spans(stream, 20)]


def read(done: Converted) -> pa.Table:
    files = [pq.read_table(file.url.removeprefix("file://"), partitioning=None) for file in done.files]
    return pa.concat_tables(files).sort_by("_record")


@pytest.mark.parametrize("name", FORMATS)
def test_on_spark(name: str, tmp_path: Path, spark: SparkSession) -> None:
    """The same function in this process and on executors, one task a share."""
    of = FORMATS[name]
    file = staged(of, tmp_path)
    reader = settled(of.reader, [file], FS)
    shares = split(file, reader, 3, FS)._replace(shares=several(file, reader))
    assert len(shares.shares) > 1 or name in ("excel", "orc")  # which have one place to begin at here
    here, there = (
        Target(
            drop="d", file=of.file, columns=file.columns, rows=f"{tmp_path}/{at}", rejects=f"{tmp_path}/{at}-rejects"
        )
        for at in ("here", "there")
    )
    alone = convert_file(shares, reader, here, FS, 2)
    tasks = spark.sparkContext.parallelize(shares.shares, len(shares.shares))
    done = total(tasks.map(lambda share: convert_share(share, reader, there)).collect(), shares, of.file)
    counts = {"records", "rows", "reasons", "nulls"}
    assert done.model_dump(include=counts) == alone.model_dump(include=counts)
    assert read(done).equals(read(alone))
    check(read(done), of)
