"""What the command does on single files: which reader a file has, which member is read, what is written."""

import csv
import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import Damaged, DataError, UnexpectedMember, UnknownFormat, Unreadable
from spark.readers import X12, AnyReader, Csv, Excel, Field, Fixed, Json, Layout, Orc, Parquet, Sas, Span, Xml
from tasks import local
from tasks.formats import choose, layout
from tasks.local import Input, convert_file, look
from tests import servers

ISA = b"ISA*00*          *00*          *ZZ*S              *ZZ*R              *260101*1200*^*00501*000000001*0*T*:~"
XPORT = b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!000000000000000000000000000000  "


def chosen(data: bytes, name: str = "x", fmt: str | None = None, *options: str) -> AnyReader:
    return choose(name, data, whole=True, fmt=fmt, options=options).reader


@pytest.mark.parametrize(
    ("name", "data", "reader"),
    [
        ("x.csv", b"a,b\n1,2\n3,4\n5,6\n", Csv()),
        ("x", b"a|b\n1|2\n3|4\n5|6\n7|8\n", Csv(delimiter="|")),
        ("claims.D20260101.T1", b"a\x01b\n1\x012\n3\x014\n5\x016\n7\x018\n", Csv(delimiter="\x01")),
        ("mbis.csv", b"MBI\nA1B2C3\nA1B2C4\nA1B2C5\nA1B2C6\n", Csv()),
        ("x.csv", XPORT, Sas()),  # content goes before the name
        ("x.txt", ISA, X12()),
        ("x.csv", b'\xef\xbb\xbf {"a": 1}\n{"a": 2}\n', Json()),
        ("x", b"[\n  {}]", Json()),
        ("x.dat", b"", None),
        ("x.txt", b"PAR1\x15\x04", Parquet()),
        ("x", b"ORC\n\x0b\x00", Orc()),
        ("x.dat", b"PK\x03\x04", Excel()),
        ("x.dat", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Excel()),
        ("x.dat", "<?xml version='1.0'?><r><row/><row/></r>".encode("utf-16"), Xml(row="row")),
        ("x.xpt", b"no data set", Sas()),  # whose error says what is wrong with it
        ("brackets.csv", b"[id],[name]\n1,a\n2,b\n3,c\n", Csv()),
        ("states.csv", b"ST,CITY\nNY,Albany\nMA,Boston\nVT,Barre\n", Csv()),
    ],
    ids=lambda value: "data" if isinstance(value, bytes) else str(value),
)
def test_the_reader_that_a_file_has(name: str, data: bytes, reader: AnyReader | None) -> None:
    if reader is None:
        with pytest.raises(UnknownFormat, match="empty"):
            chosen(data, name)
        return
    found = chosen(data, name)
    assert type(found) is type(reader)
    if isinstance(found, Csv) and isinstance(reader, Csv) and len(data.split(b"\n")[0]) > 3:
        assert found.delimiter == reader.delimiter
    if isinstance(found, Xml):
        assert found == reader


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("x.xpt", b"\n<!DOCTYPE html>\n<html><body>Not found</body></html>", "a web page"),
        ("x.csv", b"<html><head></head></html>", "a web page"),
        ("x.csv", b"<?xml version='1.0'?><!-- x -->\n<html xmlns='http://www.w3.org/1999/xhtml'/>", "a web page"),
        ("x", b"%PDF-1.7\n\xb5\xb6", "a PDF"),
        ("x", bytes(range(32)) * 40, "no text"),
        ("x.txt", b"This is a sentence, and no table.\nHere is the next one of them; it ends.\n" * 3, "--format csv"),
        ("x.txt", b"1234567890  JOHN      1940-10-27\n" * 2 + b"2234567890  JANE      1941-10-27\n" * 5, "layout"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused_rather_than_guessed(name: str, data: bytes, said: str) -> None:
    with pytest.raises(UnknownFormat, match=said) as refused:
        chosen(data, name)
    assert "JOHN" not in str(refused.value)


LAYOUT = Layout(fields=(Field(name="A", start=1, length=2),))
LAYOUT_JSON = f"layouts=[{LAYOUT.model_dump_json()}]"


@pytest.mark.parametrize(
    ("fmt", "options", "reader"),
    [
        ("csv", [r"delimiter=\x01"], Csv(delimiter="\x01")),
        ("csv", [r"delimiter=\t", "quote="], Csv(delimiter="\t", quote=None)),
        ("csv", ["delimiter=|^|"], Csv(delimiter="|^|")),
        ("csv", ["delimiter=,", "quote='", "escape=\\"], Csv(quote="'", escape="\\")),
        ("csv", ["delimiter=,", 'columns=["a","b"]'], Csv(columns=("a", "b"))),
        ("csv", ["delimiter=,", "header=false"], Csv(header=False)),
        ("csv", ["delimiter=,", "header=2", "skip=1"], Csv(header=2, skip=1)),
        ("csv", ["delimiter=1", "comment=#", "fallback=latin-1"], Csv(delimiter="1", comment="#", fallback="latin-1")),
        ("csv", ["delimiter=\u00a6"], Csv(delimiter="\u00a6")),
        ("excel", ["sheet=data"], Excel(sheet="data")),
        ("excel", ["sheet=2", "range=B3:F20"], Excel(sheet=2, range="B3:F20")),
        ("excel", ['sheet="2024"'], Excel(sheet="2024")),
        ("excel", ["typed=false"], Excel(typed=False)),
        ("sas", ["dataset=123", "temporal=false"], Sas(dataset="123", temporal=False)),
        ("json", ["at=$.results"], Json(at="$.results")),
        ("json", ['fields={"a": ["text"]}', "lines=true"], Json(fields={"a": ["text"]}, lines=True)),
        ("xml", ["row=book", 'fields=["title"]'], Xml(row="book", fields=("title",))),
        ("x12", ["kind=837", "counts=false"], X12(kind="837", counts=False)),
        ("fixed", [LAYOUT_JSON, "pad=true"], Fixed(layouts=(LAYOUT,), pad=True)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_as_text(fmt: str, options: list[str], reader: AnyReader) -> None:
    assert chosen(b"a,b\n", "x", fmt, *options) == reader


@given(delimiter=st.text(st.characters(codec="utf-8", exclude_characters='\r\n"'), min_size=1, max_size=3))
def test_any_delimiter_can_be_written(delimiter: str) -> None:
    escaped = "".join(f"\\U{ord(character):08x}" for character in delimiter)
    assert chosen(b"", "x", "csv", f"delimiter={escaped}") == Csv(delimiter=delimiter)


@pytest.mark.parametrize(
    ("fmt", "options", "said"),
    [
        ("csv", ["delimeter=;"], r"delimeter: Extra inputs.*it knows delimiter, quote"),
        ("csv", ["delimiter"], "name=value"),
        ("csv", ["delimiter=;", "delimiter=,"], "twice"),
        ("csv", ["delimiter=,", "columns=a,b"], "columns: "),
        ("csv", ["delimiter=,", "columns=[1]"], "columns.0: "),
        ("csv", [r"delimiter=\x"], "escape"),
        ("excel", ["range=a"], "range: "),
        ("json", ["fields={"], "fields"),
        ("fixed", [], "-o layout=FILE"),
        ("fixed", [LAYOUT_JSON, "year=now"], "no year"),
        ("parquet", ["layout=x"], "layout: Extra"),
        ("cobol", [], "there are csv, fixed, excel, sas, xml, json,"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_options_are_named(fmt: str, options: list[str], said: str) -> None:
    with pytest.raises(UnknownFormat, match=said):
        chosen(b"a,b\n", "x", fmt, *options)


def test_a_value_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "fields.json").write_text('{"a": "int"}')
    assert chosen(b"{}", "x", None, f"fields=@{tmp_path}/fields.json") == Json(fields={"a": "int"})
    with pytest.raises(FileNotFoundError):
        chosen(b"{}", "x", None, f"fields=@{tmp_path}/none.json")


def test_what_is_declared_goes_before_what_is_found() -> None:
    data = b"'a';'b'\n'1;2';'3'\n'4';'5'\n'6';'7'\n'8';'9'\n"
    assert chosen(data, "x.csv") == Csv(delimiter=";", quote="'")
    assert chosen(data, "x.csv", None, "quote=", "skip=1") == Csv(delimiter=";", quote=None, skip=1)


SAS_PROGRAM = "DATA x; INFILE 'x.dat' LRECL = 9; INPUT @1 AGE 3. @5 NAME $CHAR4.; RUN;"
HCUP_PROGRAM = "* HCUP load program; DATA x; INFILE 'x' LRECL = 9;\nINPUT @1 AGE N3PF. @5 NAME $CHAR4.;\nRUN;"
TEXAS = "Number\tFIELD NAME\tPosition\tLength\tField Type\n1\tAGE\t1\t3\tNumeric\n2\tNAME\t5\t4\tAlphanumeric\n"


@pytest.mark.parametrize(
    "text",
    [
        "name,start,length\nAGE,1,3\nNAME,5,4\n",
        "Field;From;To\nAGE;1;3\nNAME;5;8\n",
        "name\tstart\tlength\nAGE\t1\t3\nNAME\t5\t4\n",
        SAS_PROGRAM,
        HCUP_PROGRAM,
        TEXAS,
        '{"fields": [{"name": "AGE", "start": 1, "length": 3}, {"name": "NAME", "start": 5, "length": 4}]}',
    ],
    ids=["csv", "semicolons", "tabs", "sas", "hcup", "texas", "json"],
)
def test_layouts_are_known_by_their_content(text: str, tmp_path: Path) -> None:
    (tmp_path / "layout").write_text(text)
    (tmp_path / "x.dat").write_text(" 42 Ann\n  7 Bob \n")
    done = convert_file(
        Input(file=f"{tmp_path}/x.dat", options=(f"layout={tmp_path}/layout", "trim=both", "pad=true")),
        f"{tmp_path}/o.parquet",
    )
    assert (done.rows, done.columns) == (2, ["age", "name"])
    rows = pq.read_table(tmp_path / "o.parquet")
    assert rows.select(["age", "name"]).to_pylist() == [{"age": "42", "name": "Ann"}, {"age": "7", "name": "Bob"}]


def test_layouts_by_record_type_and_year(tmp_path: Path) -> None:
    (tmp_path / "head.csv").write_text("name,start,length\nkind,1,1\nday,2,4\n")
    (tmp_path / "old.csv").write_text("name,start,length\nkind,1,1\ncode,2,2\n")
    (tmp_path / "new.csv").write_text("Feld,start,length\nkind,1,1\ncode,2,3\n")
    (tmp_path / "x.dat").write_text("H0102\nD123\n")
    options = (
        f"layout={tmp_path}/head.csv?record_type=H",
        f"layout={tmp_path}/old.csv?record_type=D",
        f"layout={tmp_path}/new.csv?record_type=D&since=2020&name=Feld",
        'record_type={"start": 1, "length": 1}',
        "pad=true",
    )
    for year, code, rejected in ((2024, "123", 0), (2019, None, 1)):
        given = Input(file=f"{tmp_path}/x.dat", options=(*options, f"year={year}"))
        done = convert_file(given, f"{tmp_path}/o.parquet")
        assert done.rejected == rejected
        assert pq.read_table(tmp_path / "o.parquet")["code"].to_pylist() == ([None, code] if code else [None])
    assert Span(start=1, length=1) == chosen(b"", "x", "fixed", *options, "year=2024").record_type  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "spec", "error", "said"),
    [
        ("name,start,length\nA,1,2\n", "?nmae=x", UnknownFormat, "knows no 'nmae'"),
        ("name,start,length\nA,1,2\n", "?format=cobol", UnknownFormat, "json, csv, sas, hcup, texas"),
        ("name,start,length\nA,1,2\n", "?since=soon", Unreadable, "since"),
        ("a,b\n1,2\n", "", Unreadable, "layout"),
        ("{", "", Unreadable, "no layout"),
    ],
)
def test_a_layout_that_is_none_is_named(
    text: str, spec: str, error: type[DataError], said: str, tmp_path: Path
) -> None:
    (tmp_path / "layout").write_text(text)
    with pytest.raises(error, match=said) as refused:
        layout(f"{tmp_path}/layout{spec}")
    assert str(tmp_path) in refused.value.what


BOOKS = "<c><info><by>x</by></info><book><t>1</t></book><book><t>2</t><t>3</t></book></c>"
MIXED = "<c><a><n/></a><a><n/></a><b/><b/></c>"


def test_the_evident_rows_of_xml_are_taken_and_others_asked_for() -> None:
    found = choose("x.xml", BOOKS.encode(), whole=True)
    assert found.reader == Xml(row="book")
    assert found.evidence[-1] == "<book> is what <c> repeats"
    assert chosen(BOOKS[:60].encode(), "x.xml") == Xml(row="book")  # cut off, as the beginning of a file is
    for data, candidates in (
        (MIXED, r"a \(2 × /c/a\), b \(2 × /c/b\), n"),
        ("<one><a/></one>", r"one \(1 × /one\), a"),
    ):
        with pytest.raises(UnknownFormat, match=rf"-o row=TAG; there are {candidates}"):
            chosen(data.encode(), "x.xml")
    assert chosen(MIXED.encode(), "x.xml", None, "row=b") == Xml(row="b")


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """A zip of two folders, a compressed file and another zip."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("deep.csv", "deep,x\n1,2\n3,4\n5,6\n")
    with zipfile.ZipFile(tmp_path / "drop.zip", "w") as archive:
        archive.writestr("a/one.csv", "one,x\n1,2\n3,4\n5,6\n")
        archive.writestr("b/one.csv", "other,x\n1,2\n3,4\n5,6\n")
        archive.writestr("b/TWO.csv.gz", gzip.compress(b"two,x\n1,2\n3,4\n5,6\n"))
        archive.writestr("inner.zip", inner.getvalue())
    return tmp_path / "drop.zip"


@pytest.mark.parametrize(
    ("member", "found"),
    [
        ("a/one.csv", "one"),
        ("b/*.csv", None),  # two and TWO
        ("b/one*", "other"),
        ("two.csv", "two"),
        ("*.gz", "two"),
        ("b/TWO.csv.gz/b/TWO.csv", "two"),
        ("deep.csv", "deep"),
        ("inner.zip", "deep"),
        ("inner.zip/*", "deep"),
        ("one.csv", None),
        ("three.csv", None),
        (None, None),
    ],
)
def test_a_member_is_chosen_by_path_name_or_glob(member: str | None, found: str | None, drop: Path) -> None:
    out = drop.parent / "o.parquet"
    given = Input(file=str(drop), member=member)
    if found is None:
        with pytest.raises(
            UnexpectedMember, match=r"holds (\d files, one is chosen by --member: |no three\.csv, but )"
        ):
            convert_file(given, str(out))
        assert not out.exists()
        return
    done = convert_file(given, str(out))
    assert done.columns == [found, "x"]
    assert pq.read_table(out)["_file"].to_pylist() == [done.member] * 3


def test_many_members_are_not_all_listed(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        for number in range(50):
            data = f"a,b\n{number},1\n2,3\n4,5\n".encode()
            about = tarfile.TarInfo(f"part{number:02}.csv")
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
    given = Input(file=f"{tmp_path}/x.tar.gz")
    with pytest.raises(UnexpectedMember, match="50 files") as refused:
        convert_file(given, f"{tmp_path}/o.parquet")
    assert refused.value.what.count(".csv") == 20
    convert_file(given.model_copy(update={"member": "part37*"}), f"{tmp_path}/o.parquet")
    assert pq.read_table(tmp_path / "o.parquet")["a"].to_pylist()[0] == "37"


def test_small_pieces_make_large_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [[str(n), f"name {n}"] for n in range(20_000)]
    (tmp_path / "x.csv").write_text("n,name\n" + "".join(",".join(row) + "\n" for row in rows))
    cut = Csv.cut
    monkeypatch.setattr(Csv, "cut", lambda self, stream: cut(self, stream, 5_000))  # some 60 pieces
    given = Input(file=f"{tmp_path}/x.csv")
    convert_file(given, f"{tmp_path}/one.parquet")
    assert pq.ParquetFile(tmp_path / "one.parquet").metadata.num_row_groups == 1
    monkeypatch.setattr(local, "ROW_GROUP", 500_000)
    convert_file(given, f"{tmp_path}/several.parquet")
    about = pq.ParquetFile(tmp_path / "several.parquet").metadata
    groups = [about.row_group(i) for i in range(about.num_row_groups)]
    assert 2 <= len(groups) <= 5
    for file in ("one", "several"):
        assert [list(row.values())[2:] for row in pq.read_table(tmp_path / f"{file}.parquet").to_pylist()] == rows


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    good = "a,b\n" + f"1,{'x' * 100}\n" * 10_000
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(good.encode())[:-9])  # found out at its end
    out, rejects = tmp_path / "o.parquet", tmp_path / "r.parquet"
    out.write_bytes(b"before")
    with pytest.raises(Damaged):
        convert_file(Input(file=f"{tmp_path}/x.csv.gz"), str(out), str(rejects))
    assert {path.name for path in tmp_path.iterdir()} == {"x.csv.gz", "o.parquet"}
    assert out.read_bytes() == b"before"
    (tmp_path / "x.csv").write_text(good)
    for wrong in (f"{tmp_path}/none/o.parquet", str(tmp_path)):
        with pytest.raises(OSError, match=r"No such file|Is a directory"):
            convert_file(Input(file=f"{tmp_path}/x.csv"), str(rejects), wrong)
    assert not rejects.exists()
    assert convert_file(Input(file=f"{tmp_path}/x.csv"), str(out)).rows == pq.read_table(out).num_rows == 10_000


def test_to_and_from_s3(s3: servers.S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upload that fails leaves no object, and the one that was there as it was."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bucket = s3.bucket()
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3,4,5\n6,7\n8,9\n")
    out, rejects = f"s3://{bucket}/o.parquet", f"s3://{bucket}/r.parquet"
    assert convert_file(Input(file=f"{tmp_path}/x.csv"), out, rejects).rows == 3
    fs = fsspec.filesystem("s3")
    assert sorted(fs.find(bucket)) == [f"{bucket}/o.parquet", f"{bucket}/r.parquet"]
    with fs.open(out) as file:
        before = pq.read_table(file)
    assert before["a"].to_pylist() == ["1", "6", "8"]
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 99_999)[:-9])
    with pytest.raises(Damaged):
        convert_file(Input(file=f"{tmp_path}/x.csv.gz"), out, f"s3://{bucket}/new.parquet")
    fs.invalidate_cache()
    assert sorted(fs.find(bucket)) == [f"{bucket}/o.parquet", f"{bucket}/r.parquet"]
    assert look(Input(file=out)).rows == 3


def test_counts_are_those_of_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever pieces the file comes in."""
    records: list[list[str | None]] = [
        [str(n), None if n % 3 else "", "\u00e9" * (n % 11), str(n % 7) if n % 2 else None] for n in range(15_000)
    ]
    lines = [",".join("" if value is None else f'"{value}"' for value in record) for record in records]
    (tmp_path / "x.csv").write_text("id,blank,text,few\n" + "\n".join(lines) + "\n")
    cut = Csv.cut
    monkeypatch.setattr(Csv, "cut", lambda self, stream: cut(self, stream, 20_000))
    found = look(Input(file=f"{tmp_path}/x.csv"))
    assert (found.rows, found.rejected) == (15_000, 0)
    for count, values in zip(found.columns, zip(*records, strict=True), strict=True):
        there = [value for value in values if value is not None]
        distinct = len(set(there))
        assert count.model_dump(exclude={"name", "original", "type"}) == {
            "nulls": len(values) - len(there),
            "empties": there.count(""),
            "distinct": distinct if distinct <= local.DISTINCT else None,
            "shortest": min(map(len, there)),
            "longest": max(map(len, there)),
        }
    assert found.columns[0].distinct is None


def test_counts_of_columns_with_structure(tmp_path: Path) -> None:
    table = pa.table({"tags": [["a"], None, []], "n": [1, 1, None], "at": pa.array([0, 1, 2], pa.timestamp("us"))})
    pq.write_table(table, tmp_path / "x.parquet")
    pa.orc.write_table(table, tmp_path / "x.orc")
    for file in ("x.parquet", "x.orc"):
        counts = [c.model_dump(include={"nulls", "distinct"}) for c in look(Input(file=f"{tmp_path}/{file}")).columns]
        assert counts == [{"nulls": 1, "distinct": None}, {"nulls": 1, "distinct": 1}, {"nulls": 0, "distinct": 3}]


def test_the_reader_that_was_taken_can_be_given_again(tmp_path: Path) -> None:
    """As JSON in a file, for what is nested."""
    records: list[dict[str, Any]] = [{"id": n, "tags": [{"code": "x"}] * (n % 3)} for n in range(9)]
    (tmp_path / "x.json").write_text("\n".join(map(json.dumps, records)))
    first = convert_file(Input(file=f"{tmp_path}/x.json"), f"{tmp_path}/1.parquet")
    (tmp_path / "fields.json").write_text(json.dumps(first.reader["fields"]))
    given = Input(file=f"{tmp_path}/x.json", options=(f"fields=@{tmp_path}/fields.json",))
    again = convert_file(given, f"{tmp_path}/2.parquet")
    assert again.reader == first.reader
    assert pq.read_table(tmp_path / "1.parquet").equals(pq.read_table(tmp_path / "2.parquet"))
    (tmp_path / "x.csv").write_text("'a'|'b'\n'1'|'2'\n'3'|'4'\n'5'|'6'\n'7'|'8'\n")
    found = convert_file(Input(file=f"{tmp_path}/x.csv"), f"{tmp_path}/1.parquet")
    assert found.confidence is not None
    text = [f"{name}={value}" for name, value in found.reader.items() if name != "format"]
    told = convert_file(Input(file=f"{tmp_path}/x.csv", options=tuple(text)), f"{tmp_path}/2.parquet")
    assert (told.reader, told.confidence) == (found.reader, None)
    with (tmp_path / "x.csv").open(newline="") as file:
        header, *rows = csv.reader(file, delimiter="|", quotechar="'")
    assert [list(row.values())[2:] for row in pq.read_table(tmp_path / "2.parquet").to_pylist()] == rows
    assert told.columns == header


@pytest.mark.parametrize("name", ["none.csv", "none.TSV", "none.json", "none.ndjson"])
def test_an_empty_file_whose_name_says_what_it_is_gives_no_rows(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    done = convert_file(Input(file=str(tmp_path / name)), str(tmp_path / "o.parquet"))
    assert (done.records, done.rows, done.rejected) == (0, 0, 0)
    assert pq.read_table(tmp_path / "o.parquet").num_rows == 0
