"""SAS files: every real one against its truth, and made ones for what no real file at hand has.

pyreadstat is the second reader. It must find the same in every file, but for dates from the year 4000 on.
"""

import contextlib
import csv
import gzip
import io
import json
import math
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import fsspec
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.compute as pc
import pyreadstat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark.errors import Damaged, DataError, Unreadable
from spark.readers.sas import Described, Sas
from spark.readers.sas_compression import ross, run_length
from spark.readers.sas_values import Kind, kind_of
from tests.servers import S3

REALDATA = Path(os.environ.get("INLET_REALDATA", ""))
TRUTH = json.loads((REALDATA / "truth.json").read_text()) if os.environ.get("INLET_REALDATA") else {}
READABLE = sorted(k for k, v in TRUTH.items() if k.startswith("sas/") and v.get("pyreadstat", {}).get("names"))
REFUSED = {
    "sas/pandas/corrupt.sas7bdat": (Damaged, "cut off"),
    "sas/pyreadstat/missing_formats.sas7bcat": (Unreadable, "catalog"),
    "sas/pyreadstat/test_formats_win.sas7bcat": (Unreadable, "catalog"),
    "sources/nhanes/DEMO_L.NOT_XPT_html_error_page.xpt": (Unreadable, "web page"),
}
NHANES = ["ApoB_E.XPT", "DEMO_E.XPT.gz", "OCQ_D.XPT", "PERNT_D.xpt", "PHYTO_D.xpt", "P_BMX.xpt.gz", "P_SLQ.xpt"]


def real(key: str) -> bytes:
    data = (REALDATA / key).read_bytes()
    return gzip.decompress(data) if key.endswith(".gz") else data


def read(data: bytes, reader: Sas | None = None, **options: Any) -> tuple[Described, pa.Table]:
    """What a file says about itself and all of its rows; that one agrees with the other is checked."""
    reader = reader or Sas(**options)
    described = reader.describe(io.BytesIO(data))
    table = pa.Table.from_batches(reader.batches(io.BytesIO(data)), described.schema)
    table.validate(full=True)
    assert table["_record"].to_pylist() == list(range(1, described.rows + 1))
    return described, table


def special(table: pa.Table) -> list[dict[str, str]]:
    return [dict(row or ()) for row in table["_special"].to_pylist()]


def other(data: bytes, xport: bool) -> dict[str, list[Any]]:
    """The columns as pyreadstat reads them: numbers as they are, a special missing value as its letter."""
    reader: Callable[..., Any] = pyreadstat.read_xport if xport else pyreadstat.read_sas7bdat
    options = {} if xport else {"user_missing": True}
    columns, _ = reader(io.BytesIO(data), output_format="dict", disable_datetime_conversion=True, **options)
    return {
        name: [None if isinstance(value, float) and math.isnan(value) else value for value in values]
        for name, values in columns.items()
    }


def assert_as_other(data: bytes, xport: bool) -> None:
    _, table = read(data, temporal=False)
    specials, expected = special(table), other(data, xport)
    assert table.column_names == ["_record", *expected, "_special"]
    for name, values in expected.items():
        own = [
            row[name].removeprefix(".") if name in row else value
            for value, row in zip(table[name].to_pylist(), specials, strict=True)
        ]
        assert own == values, name


# --- real files


@pytest.mark.skipif(not TRUTH, reason="INLET_REALDATA names no folder of real files")
def test_no_real_file_is_left_out() -> None:
    files = {k for k in TRUTH if re.fullmatch(r"sas/.*\.(sas7b.at|xpt\d?)", k)}
    assert files == {*READABLE, *(k for k in REFUSED if k.startswith("sas/"))}


@pytest.mark.parametrize("key", READABLE)
def test_a_real_file_is_as_its_truth_says(key: str) -> None:
    truth = TRUTH[key]["pyreadstat"]
    described, table = read(real(key), temporal=False)
    assert described.rows == TRUTH[key].get("parso_csv", truth)["rows"]
    assert table.column_names[1:-1] == truth["names"]
    if truth["table"] is not None:  # where the truth leaves out what would be long
        assert (described.dataset, described.label or None) == (truth["table"], truth["file_label"])
    for name in truth["names"]:
        field, expected = described.schema.field(name), (truth["columns"] or {}).get(name)
        about = {k.decode(): v.decode() for k, v in field.metadata.items()}
        assert field.type == {"double": pa.float64(), "string": pa.string()}[truth["types"][name]]
        assert (about.get("sas.format") or None) == (truth["formats"][name] or None)
        if expected is None:
            continue
        column = table[name]
        assert column.null_count == expected["nulls"]
        if field.type == pa.string():
            assert column.to_pylist()[:1] == [expected["first"]][: len(column)]
        else:
            assert pc.min_max(column).as_py() == {"min": expected["min"], "max": expected["max"]}
            assert sum(column.drop_null().to_pylist()) == pytest.approx(expected["sum"], rel=1e-12)
    labels = [field.metadata[b"doc"].decode() for field in described.schema if b"doc" in (field.metadata or {})]
    assert labels == truth["labels"]


@pytest.mark.parametrize("key", [*READABLE, *(f"sources/nhanes/{name}" for name in NHANES if TRUTH)])
def test_a_real_file_is_as_pyreadstat_reads_it(key: str) -> None:
    assert_as_other(real(key), xport="xpt" in key.lower())


@pytest.mark.parametrize("key", [k for k in READABLE if "parso_csv" in TRUTH[k] and "date_formats" not in k])
def test_a_real_file_is_as_its_twin(key: str) -> None:
    described, table = read(real(key), temporal=False)
    twin = (REALDATA / key.replace(".sas7bdat", ".csv")).read_text("utf-8-sig", "replace")
    header, *rows = csv.reader(io.StringIO(twin))
    assert "\ufffd" in twin or header == table.column_names[1:-1]  # one twin has lost its Chinese name
    for name, values in zip(table.column_names[1:-1], zip(*rows, strict=True), strict=True):
        if described.schema.field(name).type == pa.string():
            assert table[name].to_pylist() == list(values)
        else:
            assert table[name].is_null().to_pylist() == [not value for value in values]
            expected = [float(value) for value in values if value]
            assert table[name].drop_null().to_pylist() == pytest.approx(expected, rel=1e-14)
    meta = (REALDATA / key.replace(".sas7bdat", "_meta.csv")).read_text("utf-8-sig")
    assert f"\nName: {described.dataset}\n" in meta.replace("\r", "")
    for line, field in zip(meta.splitlines()[1:], list(described.schema)[1:-1], strict=False):
        _, name, type_, length, form, *_ = next(csv.reader([line]))
        assert (name, int(length)) == (field.name, int(field.metadata[b"sas.length"]))
        assert type_ == ("Character" if field.type == pa.string() else "Numeric")
        assert form.rstrip(".") == field.metadata.get(b"sas.format", b"").decode()


SHOWN = [
    ("date", "DATE11", "%d-%b-%Y"),
    ("ddmmyy", "DDMMYYD10", "%d-%m-%Y"),
    ("yymmdd", "YYMMDDD10", "%Y-%m-%d"),
    ("datetime", "DATETIME24_3", "%d%b%Y:%H:%M:%S.%f"),
    ("time", "TIME12_3", "%H:%M:%S.%f"),
]


@pytest.mark.parametrize(("name", "column", "pattern"), SHOWN)
@pytest.mark.skipif(not TRUTH, reason="INLET_REALDATA names no folder of real files")
def test_dates_and_times_are_what_sas_shows(name: str, column: str, pattern: str) -> None:
    path = f"sas/parso-dates/date_format_{name}"
    _, table = read(real(f"{path}.sas7bdat"))
    at = table.column_names.index(column) - 1
    shown = [line.split("\t")[at].strip() for line in (REALDATA / f"{path}.tsv").read_text("latin-1").splitlines()]
    count = 0
    for value, text, row in zip(table[column].to_pylist(), shown, special(table), strict=True):
        if text == "." or column in row:  # missing, or no time of day
            assert value is None
            assert text == "." or text.startswith("-") or float(row[column]) >= 86_400
            continue
        if isinstance(value, time):  # SAS rounds to what it shows
            value = datetime.combine(date(1960, 1, 1), value)
            micro = Fraction(text.split(":")[2]) + 60 * int(text.split(":")[1]) + 3600 * int(text.split(":")[0])
            assert abs((value - datetime(1960, 1, 1)).total_seconds() - micro) <= 0.0005001
        else:
            expected = datetime.strptime(text, pattern)
            assert value == expected.date() if type(value) is date else abs((value - expected).total_seconds()) < 1e-3
        count += 1
    assert count > 15


@pytest.mark.skipif(not TRUTH, reason="INLET_REALDATA names no folder of real files")
def test_dates_between_1677_and_2262() -> None:
    _, table = read(real("sas/pandas/datetime.sas7bdat"))
    twin = pd.read_csv(io.BytesIO(real("sas/pandas/datetime.csv")), dtype=str)
    for name in ("Date1", "Date2", "DateTimeHi"):
        expected = pa.array(twin[name].tolist()).cast(table.schema.field(name).type)
        # the twin cuts off what is less than a microsecond
        off = pc.subtract(
            table[name].combine_chunks().cast(pa.int64() if "Time" in name else pa.int32()),
            expected.cast(pa.int64() if "Time" in name else pa.int32()),
        )
        assert set(off.to_pylist()) <= ({0, 1, -1} if "Time" in name else {0})


@pytest.mark.parametrize(("key", "error", "says"), [(k, *v) for k, v in REFUSED.items() if TRUTH])
def test_a_real_file_is_refused(key: str, error: type[DataError], says: str) -> None:
    with pytest.raises(error, match=says):
        read(real(key))


@pytest.mark.parametrize("key", READABLE)
@pytest.mark.parametrize("part", [0.0, 0.3, 0.7, 1.0])
def test_a_real_file_cut_off_is_refused(key: str, part: float) -> None:
    data = real(key)
    with pytest.raises((Damaged, Unreadable)):
        read(data[: int(part * (len(data) - 1))])


@pytest.mark.parametrize("key", READABLE)
def test_broken_bytes_end_in_a_named_error_or_in_rows(key: str) -> None:
    data, chance = real(key), np.random.default_rng(0)
    for _ in range(8):
        broken = bytearray(data)
        for at in chance.integers(0, min(len(data), 80_000), 3):
            broken[at] = chance.choice([0, 255, int(chance.integers(256))])
        with contextlib.suppress(DataError):
            read(bytes(broken))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"**COMPRESSED** **COMPRESSED** **COMPRESSED** **COMPRESSED** **COMPRESSED**" + bytes(500), "CPORT"),
        (b"<!DOCTYPE html><html>" + bytes(500), "web page"),
        (b"\n\n  <?xml version='1.0'?>", "web page"),
        (b"PK\x03\x04" + bytes(100), "zip"),
        (gzip.compress(b"x" * 1000), "gzip"),
        (b"a,b\n1,2\n", "unknown"),
    ],
    ids=lambda value: (
        value if isinstance(value, str) else ""
    ),  # gzip's bytes hold the time: workers would collect others
)
def test_another_file_is_refused_by_what_it_seems_to_be(data: bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        Sas().describe(io.BytesIO(data))


@pytest.mark.parametrize("key", [*READABLE, "sources/nhanes/OCQ_D.XPT"] if TRUTH else [])
@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_spans_are_the_file(key: str, rows: int) -> None:
    data = real(key)
    if "OCQ" in key:
        rows *= 500
    described, table = read(data)
    reader = Sas()
    spans = reader.spans(io.BytesIO(data), rows)
    assert [s.start for s in spans] == np.cumsum([0, *(s.rows for s in spans)])[:-1].tolist()
    assert sum(s.rows for s in spans) == described.rows
    parts = [b for span in reversed(spans) for b in reader.batches(io.BytesIO(data), *span)]
    assert pa.Table.from_batches(parts, described.schema).sort_by("_record").equals(table)
    part = list(reader.batches(io.BytesIO(data), 3, 4, size=1))  # anywhere, without a span
    assert pa.Table.from_batches(part, described.schema).equals(table.slice(3, 4))


@pytest.mark.skipif(not TRUTH, reason="INLET_REALDATA names no folder of real files")
def test_what_a_column_says_is_in_its_field() -> None:
    described, _ = read(real("sas/pandas/datetime.sas7bdat"))
    assert described.schema.field("DateTimeHi").metadata == {
        b"sas.format": b"DATETIME28.9",
        b"sas.informat": b"F23.9",
        b"sas.length": b"8",
    }


@pytest.mark.skipif(not TRUTH, reason="INLET_REALDATA names no folder of real files")
def test_special_missing_values_keep_their_letter() -> None:
    _, table = read(real("sas/pyreadstat/missing_test.sas7bdat"))
    letters = {f"var{i}": f".{letter}" for i, letter in enumerate("ABCXYZ_", 1)}
    assert special(table) == [letters]
    assert table.slice(0, 1).to_pylist()[0]["var9"] == 1.0


# --- values


FORMATS = [
    ("DATE9", Kind.DATE),
    ("DATE", Kind.DATE),
    ("date9", Kind.DATE),
    ("YYMMDD10", Kind.DATE),
    ("YYMMDDN8", Kind.DATE),
    ("MMDDYYS10", Kind.DATE),
    ("YYQRC6", Kind.DATE),
    ("E8601DA10", Kind.DATE),
    ("NLDATE20", Kind.DATE),
    ("NLDATEWN", Kind.DATE),
    ("DATETIME22.3", Kind.DATETIME),
    ("E8601DT23.3", Kind.DATETIME),
    ("DTDATE9", Kind.DATETIME),
    ("NLDATM", Kind.DATETIME),
    ("TIME8", Kind.TIME),
    ("TIME12.3", Kind.TIME),
    ("HHMM5", Kind.TIME),
    ("E8601TM15.6", Kind.TIME),
    ("NLTIME", Kind.TIME),
    ("TOD12.3", Kind.NUMBER),
    ("", Kind.NUMBER),
    ("BEST12.2", Kind.NUMBER),
    ("12.2", Kind.NUMBER),
    ("DOLLAR10.2", Kind.NUMBER),
    ("DATESEX", Kind.NUMBER),
]


@pytest.mark.parametrize(("name", "kind"), FORMATS)
def test_what_a_format_shows(name: str, kind: Kind) -> None:
    assert kind_of(name) is kind


# --- a sas7bdat file, made: as SAS does, so that pyreadstat reads it too


def made(
    columns: Sequence[tuple[str, int]],
    rows: Sequence[bytes],
    *,
    wide: bool = True,
    order: str = "<",
    compression: bytes = b"",
    deleted: frozenset[int] = frozenset(),
    formats: Sequence[tuple[str, int, int]] = (),
    encoding: int = 20,
    page: int = 8192,
    gap: int = 0,
) -> bytes:
    """A sas7bdat file of `columns`, by name and length, negative for character, and rows as they stand in it.

    The first page holds the description, then, not compressed, rows; `gap` bytes are between the last row of a page and
    the list of those `deleted`. Compressed rows have a page's subheaders to themselves.
    """
    word, width = ("Q", 8) if wide else ("I", 4)
    head, pointer = (40, 24) if wide else (24, 12)
    length = sum(abs(n) for _, n in columns)

    def packed(types: str, *values: Any) -> bytes:
        return struct.pack(order + types.replace("n", word), *values)

    texts, references = bytearray(b"\0\0" + bytes(10) + compression.ljust(8)), []

    def text(value: str) -> bytes:
        texts.extend(b"\0" * (-len(texts) % 4))
        references.append(packed("HHH", 0, len(texts), len(value.encode())))
        texts.extend(value.encode())
        return references[-1]

    def signature(kind: int) -> bytes:
        if not wide:
            return packed("I", kind)
        if kind in (0xF7F7F7F7, 0xF6F6F6F6):
            return packed("I", kind) + bytes(4)
        return packed("q", kind - (1 << 32))

    label, compressed_by = text("A made file"), packed("HHH", 0, 12, len(compression))
    names = b"".join(text(name) + bytes(2) for name, _ in columns)
    places, at = b"", 0
    for _, n in columns:
        places += packed("nIHBB", at, abs(n), 0, 2 if n < 0 else 1, 0)
        at += abs(n)
    shown = [*formats, *[("", 0, 0)] * (len(columns) - len(formats))]
    described = []
    for (name, _), (form, digits, decimals) in zip(columns, shown, strict=True):
        sub = bytearray(signature(0xFFFFFBFE) + bytes(3 * width + 40 - width))
        sub[3 * width : 3 * width + 4] = packed("HH", digits, decimals)
        sub[3 * width + 22 : 3 * width + 34] = text(form) + text(f"Label of {name}")
        described.append(bytes(sub) + bytes(64 - len(sub)))
    texts.extend(b"\0" * (-len(texts) % 8))

    def counted(kind: int, body: bytes) -> bytes:
        sub = signature(kind) + body
        remainder = len(sub) - (4 + 2 * width)
        return signature(kind) + packed("H", remainder) + body[2:]

    size = bytearray(signature(0xF7F7F7F7).ljust(808 if wide else 480, b"\0"))
    description = [
        b"",
        signature(0xF6F6F6F6) + packed("n", len(columns)) + bytes(width),
        counted(0xFFFFFFFD, bytes(texts)),
        counted(0xFFFFFFFF, bytes(8) + names + bytes(4 + width)),
        counted(0xFFFFFFFC, bytes(8) + places + bytes(4 + width)),
        *described,
    ]

    def paged(kind: int, blocks: int, subheaders: Sequence[tuple[bytes, int, int]], plain: bytes = b"") -> bytes:
        begin, pointers, bodies = page, b"", b""
        for body, state, data in subheaders:
            begin -= len(body)
            bodies = body + bodies
            pointers += packed("nnBB", begin, len(body), state, data) + bytes(width - 2)
        front = packed("HHHH", kind, blocks, len(subheaders), 0) + pointers
        front = bytes(24 if wide else 12) + packed("n", gap) + front
        if kind & 0x200:
            front += bytes(-len(front) % 8)
        assert len(front) + len(plain) + len(bodies) <= page, "the page is too small"
        return (front + plain).ljust(page - len(bodies), b"\0") + bodies

    def listed(chosen: Sequence[int]) -> bytes:
        """The rows, and behind them one bit for each, that says whether it is deleted."""
        bits = np.packbits(np.array([i in deleted for i in chosen], bool)).tobytes()
        return b"".join(rows[i] for i in chosen) + (bytes(gap) + bits if deleted else b"")

    flag = 0x80 if deleted else 0
    subheaders = len(description)
    free = page - head - subheaders * pointer - 8 - sum(map(len, description)) - len(size) - gap
    mixed = 0 if compression else max(0, min(len(rows), (free - len(rows) // 8 - 1) // max(length, 1)))
    size[5 * width : 8 * width] = packed("nnn", length, len(rows), len(deleted))
    size[13 * width : 14 * width], size[15 * width : 16 * width] = packed("n", page), packed("n", mixed)
    size[-130:-124], size[-118:-112] = label, compressed_by
    description[0] = bytes(size)
    parts = [(body, 0, 0) for body in description]
    if not compression:
        pages = [paged(0x200 | flag, subheaders + mixed, parts, listed(range(mixed)))]
        each = (page - head - gap - 8) * 8 // (length * 8 + 1)
        for i in range(mixed, len(rows), each):
            chosen = range(i, min(i + each, len(rows)))
            pages.append(paged(0x100 | flag, len(chosen), [], listed(chosen)))
    else:
        pages, room = [paged(0, subheaders, parts)], page - head
        waiting: list[tuple[bytes, int, int]] = []
        for i, row in enumerate(rows):
            short = {b"SASYZCRL": to_run_length, b"SASYZCR2": to_ross}[compression](row)
            body, state = (short, 4) if len(short) < length else (row, 0)
            if room < len(body) + pointer:
                pages.append(paged(flag, len(waiting), waiting))
                waiting, room = [], page - head
            waiting.append((body, state + (i in deleted), 1))
            room -= len(body) + pointer
        pages.append(paged(flag, len(waiting), waiting))
    start = bytearray(8192)
    start[:32] = bytes(12) + bytes.fromhex("c2ea8160b31411cfbd92080009c7318c181f1011")
    start[32], start[35], start[37], start[70] = ord("3" if wide else "2"), ord("3"), order == "<", encoding
    start[39:40], start[84:92], start[156:164] = b"1", b"SAS FILE", b"DATA    "
    start[92:156] = b"MADE".ljust(64)
    start[168:184] = packed("dd", 1e9, 1e9)
    start[200 : 208 + 2 * 4 + (4 if wide else 0)] = packed("IIn", 8192, page, len(pages)) + bytes(4)
    start[220 + 4 * wide : 228 + 4 * wide] = b"9.0401M6"
    return bytes(start) + b"".join(pages)


def to_run_length(row: bytes) -> bytes:
    """A row by `COMPRESS=CHAR`, with every token that there is."""
    out, copied = bytearray(), bytearray()

    def flush() -> None:
        while copied:
            part = bytes(copied[: 64 + 4095])
            if len(part) >= 64:
                out.extend([(len(part) - 64) >> 8, (len(part) - 64) & 255])
            else:
                base, token = max((b, t) for b, t in ((1, 8), (17, 9), (33, 10), (49, 11)) if b <= len(part))
                out.append(token << 4 | len(part) - base)
            out.extend(part)
            del copied[: len(part)]

    for found in re.finditer(rb"(.)\1*", row, re.DOTALL):
        byte, count = found[1][0], len(found[0])
        known = b"@ \0".find(byte) + 1
        while count >= (2 if known else 3):
            flush()
            if known and count >= 17:
                take = min(count, 17 + 4095)
                out.extend([0x40 + known * 16 | take - 17 >> 8, take - 17 & 255])
            elif known:
                take = min(count, 17)
                out.append(0xC0 + known * 16 | take - 2)
            elif count >= 19:
                take = min(count, 18 + 15 * 16 + 255)
                low = max(0, take - 18 - 255 + 15) // 16
                out.extend([0x40 | low, take - 18 - low * 16, byte])
            else:
                take = min(count, 18)
                out.extend([0xC0 | take - 3, byte])
            count -= take
        copied.extend([byte] * count)
    flush()
    return bytes(out)


def _same(row: bytes, at: int, back: int) -> int:
    """How many bytes, without reaching into themselves, are as those `back` before."""
    most = min(271, back, len(row) - at)
    return next((k for k in range(most) if row[at + k] != row[at + k - back]), most)


def to_ross(row: bytes) -> bytes:
    """A row by `COMPRESS=BINARY`, with every token that there is."""
    tokens: list[tuple[int, bytes]] = []
    at = 0
    while at < len(row):
        run = 1
        while at + run < len(row) and run < 4114 and row[at + run] == row[at]:
            run += 1
        found = ((back, _same(row, at, back)) for back in range(3, min(at, 300) + 1))
        back, long = max(found, key=lambda f: f[1], default=(0, 0))
        if run >= 3 and run >= long:
            if run <= 18:
                tokens.append((1, bytes([run - 3, row[at]])))
            else:
                tokens.append((1, bytes([0x10 | run - 19 & 15, run - 19 >> 4, row[at]])))
            at += run
        elif long >= 16:
            tokens.append((1, bytes([0x20 | back - 3 & 15, back - 3 >> 4, long - 16])))
            at += long
        elif long >= 3:
            tokens.append((1, bytes([long << 4 | back - 3 & 15, back - 3 >> 4])))
            at += long
        else:
            tokens.append((0, row[at : at + 1]))
            at += 1
    out = bytearray()
    for i in range(0, len(tokens), 16):
        bits = sum(bit << 15 - k for k, (bit, _) in enumerate(tokens[i : i + 16]))
        out += bits.to_bytes(2, "big") + b"".join(token for _, token in tokens[i : i + 16])
    return bytes(out)


CELLS: list[tuple[str, float, object, str | None]] = [
    ("DATE", 0.0, date(1960, 1, 1), None),
    ("DATE", -1.0, date(1959, 12, 31), None),
    ("DATE", 21_883.0, date(2019, 11, 30), None),
    ("DATE", 745_153.0, date(4000, 2, 28), None),
    ("DATE", 745_154.0, date(4000, 3, 1), None),  # SAS has no 29 February in 4000
    ("DATE", 2_936_547.0, date(9999, 12, 31), None),
    ("DATE", 1.5, None, "1.5"),
    ("DATE", 1e12, None, "1000000000000.0"),
    ("DATETIME", 0.0, datetime(1960, 1, 1), None),
    ("DATETIME", 1679169181.321, datetime(2013, 3, 17, 19, 53, 1, 321000), None),
    ("DATETIME", -0.25, datetime(1959, 12, 31, 23, 59, 59, 750000), None),
    ("DATETIME", 253_717_747_199.0, datetime(9999, 12, 31, 23, 59, 59), None),
    ("DATETIME", 1e300, None, "1e+300"),
    ("TIME", 0.0, time(0), None),
    ("TIME", 86_399.5, time(23, 59, 59, 500000), None),
    ("TIME", 86_400.0, None, "86400.0"),
    ("TIME", 133_200.0, None, "133200.0"),
    ("TIME", -1.0, None, "-1.0"),
    ("TOD", 86_399.5, 86_399.5, None),
    ("BEST", 1.5, 1.5, None),
]


@pytest.mark.parametrize(("form", "number", "value", "kept"), CELLS)
def test_a_number_by_its_format(form: str, number: float, value: object, kept: str | None) -> None:
    data = made([("X", 8)], [struct.pack("<d", number)], formats=[(form, 0, 0)])
    _, table = read(data)
    assert table["X"].to_pylist() == [value]
    assert special(table) == [{"X": kept} if kept else {}]
    assert read(data, temporal=False)[1]["X"].to_pylist() == [number]


TEXTS: list[tuple[int, str | None, bytes, str | None, str | None]] = [
    (20, None, "Ünï 名".encode(), "Ünï 名", None),
    (20, None, b"caf\xc3", None, "'636166C3'x"),  # cut within a character
    (20, "latin-1", b"caf\xe9", "café", None),
    (62, None, b"caf\xe9 \x80", "café €", None),
    (62, None, b"\x81", None, "'81'x"),
    (138, None, "日本".encode("cp932"), "日本", None),
    (167, None, "日本".encode("iso2022-jp"), "日本", None),
    (47, None, b"5%", "5٪", None),
    (0, None, b"\x80", "€", None),
    (119, None, b"ascii", "ascii", None),  # no decoder, none needed
    (119, None, b"\xc4\xe3", None, "'C4E3'x"),
    (20, None, b"", "", None),
    (20, None, b"  a b", "  a b", None),
    (20, None, b"a\0b\0", "a\0b", None),
]


@pytest.mark.parametrize(("code", "encoding", "stored", "text", "kept"), TEXTS)
def test_a_text_by_its_encoding(code: int, encoding: str | None, stored: bytes, text: str | None, kept: str) -> None:
    data = made([("N", 8), ("T", -12)], [bytes(8) + stored.ljust(12), bytes(8) + b"x".ljust(12)], encoding=code)
    _, table = read(data, encoding=encoding)
    assert table["T"].to_pylist() == [text, "x"]
    assert special(table) == [{"T": kept} if kept else {}, {}]


def test_an_encoding_that_nobody_knows_is_asked_for() -> None:
    data = made([("Größe", 8)], [bytes(8)], encoding=119)
    with pytest.raises(Unreadable, match="encoding as 119"):
        read(data)
    assert read(data, encoding="utf-8")[1].column_names[1] == "Größe"
    with pytest.raises(ValueError, match="no encoding"):
        Sas(encoding="klingon")


# --- sas7bdat


def number(value: float, length: int, order: str) -> bytes:
    return struct.pack(">d", value)[:length] if order == ">" else struct.pack("<d", value)[8 - length :]


@pytest.mark.parametrize("deleted", [frozenset(), frozenset({0, 5, 6, 300, 699})], ids=["whole", "deleted"])
@pytest.mark.parametrize("compression", [b"", b"SASYZCRL", b"SASYZCR2"], ids=["none", "char", "binary"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("wide", [True, False], ids=["64", "32"])
def test_every_layout(wide: bool, order: str, compression: bytes, deleted: frozenset[int]) -> None:
    chance = np.random.default_rng(0)
    columns = [("ID", 8), ("NAME", -20), ("SHORT", 3), ("TEXT", -37)]
    rows = [
        number(i, 8, order)
        + bytes(chance.choice(list(b"abc@ "), chance.integers(0, 21)).tolist()).ljust(20)
        + number(i % 100, 3, order)
        + (b"x" * int(chance.integers(0, 38))).ljust(37)
        for i in range(700)
    ]
    data = made(columns, rows, wide=wide, order=order, compression=compression, deleted=deleted, gap=3)
    described, table = read(data)
    assert (described.dataset, described.label) == ("MADE", "A made file")
    kept = [i for i in range(700) if i not in deleted]
    assert table["ID"].to_pylist() == kept
    assert table["SHORT"].to_pylist() == [i % 100 for i in kept]
    assert table["TEXT"].to_pylist() == [rows[i][31:].decode().rstrip() for i in kept]
    assert_as_other(data, xport=False)
    spans = Sas().spans(io.BytesIO(data), 100)
    assert len(spans) > 3
    parts = [b for span in spans for b in Sas().batches(io.BytesIO(data), *span)]
    assert pa.Table.from_batches(parts).equals(table)


@pytest.mark.parametrize(("columns", "rows"), [([], [b""] * 3), ([], []), ([("X", 8)], [])])
def test_nothing_in_it(columns: list[tuple[str, int]], rows: list[bytes]) -> None:
    data = made(columns, rows)
    described, table = read(data)
    assert described.rows == table.num_rows == 0
    assert table.column_names == ["_record", *(name for name, _ in columns), "_special"]
    assert Sas().spans(io.BytesIO(data)) == []


@pytest.mark.parametrize("wide", [True, False])
def test_rows_fewer_than_declared_are_damage(wide: bool) -> None:
    data = bytearray(made([("X", 8)], [struct.pack("<d", i) for i in range(20)], wide=wide))
    at = data.index(b"\xf7\xf7\xf7\xf7") + 6 * (8 if wide else 4)
    assert data[at] == 20
    data[at] = 21
    with pytest.raises(Damaged, match="1 of 21"):
        read(bytes(data))


@given(
    st.lists(
        st.binary(min_size=40, max_size=40) | st.from_regex(rb"[ab @\0]{40}", fullmatch=True), min_size=1, max_size=30
    )
)
def test_rows_come_back_from_compression(rows: list[bytes]) -> None:
    for compress, decompress in ((to_run_length, run_length), (to_ross, ross)):
        assert_decompressed(rows, compress, decompress)


@settings(max_examples=8)
@given(st.lists(st.tuples(st.sampled_from(b"@ \0xyz"), st.integers(1, 5000)), min_size=1, max_size=6))
def test_long_rows_come_back_from_compression(runs: list[tuple[int, int]]) -> None:
    row = b"".join(bytes([byte]) * count for byte, count in runs) + bytes(range(256)) * 20 + bytes(range(256)) * 2
    for compress, decompress in ((to_run_length, run_length), (to_ross, ross)):
        assert_decompressed([row, row[::-1]], compress, decompress)


def assert_decompressed(rows: list[bytes], compress: Callable[[bytes], bytes], decompress: Callable[..., Any]) -> None:
    short = [compress(row) for row in rows]
    lengths = np.array([len(s) for s in short], np.int64)
    starts = np.cumsum(lengths) - lengths
    out = decompress(np.frombuffer(b"".join(short), np.uint8), starts, lengths, len(rows[0]))
    assert [row.tobytes() for row in out] == rows


@pytest.mark.parametrize("decompress", [run_length, ross])
@given(st.binary(min_size=1, max_size=60))
def test_no_bytes_are_taken_for_a_row_that_is_not_whole(decompress: Callable[..., Any], data: bytes) -> None:
    one = np.array([0]), np.array([len(data)])
    with contextlib.suppress(Damaged):
        assert decompress(np.frombuffer(data, np.uint8), *one, 50).shape == (1, 50)


def test_a_repetition_may_reach_into_itself() -> None:
    data = bytes([0b00010000, 0]) + b"abc" + bytes([0x50, 0])  # three as they are, then five from three before
    out = ross(np.frombuffer(data, np.uint8), np.array([0]), np.array([len(data)]), 8)
    assert out.tobytes() == b"abcabcab"


# --- XPORT


def xport(frame: pd.DataFrame, tmp_path: Path, version: Literal[5, 8], **options: Any) -> bytes:
    path = tmp_path / "made.xpt"
    pyreadstat.write_xport(frame, str(path), file_format_version=version, table_name="MADE", **options)
    return path.read_bytes()


numbers = st.just(math.nan) | st.floats(-1e70, 1e70)


@pytest.mark.parametrize("version", [5, 8])
@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.tuples(numbers.filter(lambda v: not 0 < abs(v) < 1e-70), st.text("aé 1", max_size=9))))
def test_what_pyreadstat_writes(
    rows: list[tuple[float, str]], version: Literal[5, 8], tmp_path_factory: pytest.TempPathFactory
) -> None:
    frame = pd.DataFrame({"X": [r[0] for r in rows] + [1.0], "T": [r[1].rstrip() for r in rows] + ["end"]})
    data = xport(frame, tmp_path_factory.mktemp("xport"), version, column_labels=["A number", "A text"], file_label="L")
    described, table = read(data)
    assert (described.kind, described.dataset, described.label) == (f"xport{version}", "MADE", "L")
    assert table["X"].to_pylist() == [None if math.isnan(v) else v for v in frame["X"]]
    assert table["T"].to_pylist() == frame["T"].tolist()
    assert_as_other(data, xport=True)


@given(st.integers(0, 2**64 - 1))
def test_an_ibm_number_is_the_nearest_double(bits: int) -> None:
    """Against exact fractions. 56 bits of fraction are more than a double's 53."""
    data = xport_of([bits.to_bytes(8, "big")])
    _, table = read(data)
    (value,), (row,) = table["X"].to_pylist(), special(table)
    first, fraction = bits >> 56, bits & (1 << 56) - 1
    if not fraction and chr(first) in "._ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        assert value is None
        assert row == ({} if chr(first) == "." else {"X": f".{chr(first)}"})
        return
    exact = Fraction(fraction, 1 << 56) * Fraction(16) ** ((first & 0x7F) - 64) * (-1 if first & 0x80 else 1)
    assert value == float(exact)
    assert row == {}


def xport_of(values: Sequence[bytes], length: int = 8, name: bytes = b"MADE") -> bytes:
    """An XPORT file of one numeric column X, whose values are given as they stand in it."""

    def header(name: str, number: str = "0" * 30) -> bytes:
        return f"HEADER RECORD*******{name:8}HEADER RECORD!!!!!!!{number}  ".encode()

    column = struct.pack(">hhhh8s40s8shhh2s8shhl52s", 1, 0, length, 1, b"X".ljust(8), b" " * 40, b" " * 8, 0, 0, 0,
                         b"  ", b" " * 8, 0, 0, 0, bytes(52))  # fmt: skip
    about = b"SAS     " + name.ljust(8) + b"SASDATA 9.4     X64".ljust(48) + b"24NOV26:12:00:00"
    parts = [
        header("LIBRARY"),
        b"SAS     SAS     SASLIB  ".ljust(80),
        b" " * 80,
        header("MEMBER", "000000000000000001600000000140"),
        header("DSCRPTR"),
        about,
        b" " * 80,
        header("NAMESTR", "000000000100000000000000000000"),
        column.ljust(160),
        header("OBS"),
    ]
    rows = b"".join(values)
    return b"".join(parts) + rows + b" " * (-len(rows) % 80)


def test_numbers_cut_short_and_when_it_was_made() -> None:
    described, table = read(xport_of([bytes.fromhex("411800"), b"Z\0\0", b".\0\0"], 3))
    assert described.created == datetime(2026, 11, 24, 12)
    assert table["X"].to_pylist() == [1.5, None, None]
    assert special(table) == [{}, {"X": ".Z"}, {}]


def test_several_data_sets_in_one_file() -> None:
    one, two = (xport_of([bytes([0x41, 16 * n]) + bytes(6)] * 25 * n, name=b"SET%d" % n) for n in (1, 2))
    data = one + two[240:]
    with pytest.raises(Unreadable, match="another data set begins at byte 1,120"):
        read(data)
    for n in (1, 2):
        described, table = read(data, dataset=f"set{n}")
        assert (described.dataset, table["X"].to_pylist()) == (f"SET{n}", [float(n)] * 25 * n)
    with pytest.raises(Unreadable, match="SET1, SET2"):
        read(data, dataset="SET3")


@pytest.mark.parametrize("rows", [0, 1, 9, 10, 11])
def test_the_blank_rest_of_the_last_record_is_no_row(rows: int) -> None:
    assert read(xport_of([bytes(8)] * rows))[1]["X"].to_pylist() == [0.0] * rows


def test_a_file_that_ends_within_a_row_is_damaged() -> None:
    with pytest.raises(Damaged, match="ends within row 12"):
        read(xport_of([bytes(7)] * 80, 7)[: 10 * 80 + 2 * 80])


# --- streams and sizes


def test_a_stream_from_s3(s3: S3) -> None:
    rows = [struct.pack("<d", i) for i in range(20_000)]
    data = made([("X", 8)], rows, compression=b"SASYZCRL")
    fs = fsspec.filesystem("s3", key=s3.access_key, secret=s3.secret_key, endpoint_url=s3.endpoint)
    path = f"{s3.bucket()}/made.sas7bdat"
    fs.pipe_file(path, data)
    reader = Sas()
    with fs.open(path, "rb") as file:
        spans = reader.spans(file, 5000)
        parts: Iterator[pa.RecordBatch] = (b for span in spans for b in reader.batches(file, *span))
        assert pa.Table.from_batches(parts)["X"].to_pylist() == [float(i) for i in range(20_000)]


MEMORY = """
import re, sys
from spark.readers.sas import Sas
rows = sum(batch.num_rows for batch in Sas().batches(open(sys.argv[1], "rb")))
# the kernel's peak of this program alone: getrusage counts what the process was before it began, too
print(rows, int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024)
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "large.xpt"
    begin = xport_of([])
    with file.open("wb") as out:
        out.write(begin)
        for _ in range(40):
            out.write(bytes.fromhex("4110000000000000") * 1_000_000)
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", MEMORY, file], capture_output=True, text=True, cwd=root, check=True)
    rows, mebibytes = map(int, done.stdout.split())
    assert rows == 40_000_000
    assert mebibytes < 1024
