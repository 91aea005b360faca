"""Every real sample of the sources: what is in it by an independent look, and what comes out.

A case says how a file is read and how many records it holds; their values are compared with what Python's csv,
openpyxl, pyreadstat, json, lxml, or slices by a published layout make of the same bytes. What is no data is refused
by name.
"""

import csv
import gzip
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest
from lxml import etree

from spark.errors import Damaged, DataError, Miscounted, UnexpectedMember, UnknownFormat, Unreadable
from spark.readers import X12, AnyReader, Csv, Excel, Fixed, Json, Layout, Sas, Xml
from tasks.local import Conversion, Input, convert_file

FAERS = Csv(delimiter="$", quote=None)
LAYOUTS = "cclf/layout-v36-csv"


@dataclass(frozen=True)
class Case:
    """`rows` and `rejected` of the file, or of its `member`, under `reader`; `found`: the same without being told."""

    file: str
    rows: int
    columns: int
    reader: AnyReader = field(default_factory=Csv)
    member: str | None = None
    rejected: int = 0
    found: bool = True

    def __str__(self) -> str:
        return f"{self.file}:{self.member}" if self.member else self.file


def under(folder: str, **files: tuple[int, int]) -> list[Case]:
    """Comma-separated files: rows and columns of each."""
    return [Case(f"{folder}/{name}.csv", *counts) for name, counts in files.items()]


def faers(archive: str, ending: str, **tables: tuple[int, int]) -> list[Case]:
    """As a package for R exported 100 cases: the field behind legacy records' last `$` has a name in the header."""
    return [
        Case(f"faers/{archive}.zip", *counts, reader=FAERS, member=f"ascii/{table}{ending}", found=False)
        for table, counts in tables.items()
    ]


CSV = [
    *under(
        "synthea",
        allergies=(40, 15),
        careplans=(49, 9),
        claims=(1_267, 31),
        claims_transactions=(5_228, 33),
        conditions=(438, 6),
        devices=(3, 7),
        encounters=(604, 15),
        imaging_studies=(1, 13),
        immunizations=(29, 6),
        medications=(663, 13),
        observations=(990, 9),
        organizations=(63, 11),
        patients=(27, 25),
        payer_transitions=(1_051, 8),
        payers=(10, 21),
        procedures=(249, 9),
        providers=(166, 12),
        supplies=(72, 6),
    ),
    *under(
        "desynpuf",
        DE1_0_2008_Beneficiary_Summary_File_Sample_0=(2, 32),
        DE1_0_2009_Beneficiary_Summary_File_Sample_0=(2, 32),
        DE1_0_2010_Beneficiary_Summary_File_Sample_0=(2, 32),
        DE1_0_2008_to_2010_Carrier_Claims_Sample_0A=(1, 142),
        DE1_0_2008_to_2010_Carrier_Claims_Sample_0B=(1, 142),
        DE1_0_2008_to_2010_Inpatient_Claims_Sample_0=(2, 81),
        DE1_0_2008_to_2010_Outpatient_Claims_Sample_0=(2, 76),
        DE1_0_2008_to_2010_Prescription_Drug_Events_Sample_0=(2, 8),
    ),
    *under(
        "desynpuf/etlcms-input",
        beneficiary_summary=(6, 33),
        carrier_claims=(2, 142),
        inpatient_claims=(2, 81),
        outpatient_claims=(2, 76),
        prescription_drug_events=(2, 8),
    ),
    *under(
        "cclf/tuva-seeds",  # headers alone
        beneficiary_demographics=(0, 33),
        beneficiary_xref=(0, 8),
        enrollment=(0, 6),
        parta_claims_header=(0, 47),
        parta_claims_revenue_center_detail=(0, 25),
        parta_diagnosis_code=(0, 16),
        parta_procedure_code=(0, 15),
        partb_dme=(0, 29),
        partb_physicians=(0, 54),
        partd_claims=(0, 23),
    ),
    *under(
        LAYOUTS,
        cclf_0=(7, 8),
        cclf_1=(45, 8),
        cclf_2=(23, 8),
        cclf_3=(13, 8),
        cclf_4=(14, 8),
        cclf_5=(52, 8),
        cclf_6=(27, 8),
        cclf_7=(21, 8),
        cclf_8=(31, 8),
        cclf_9=(6, 8),
        cclf_a=(33, 8),
        cclf_b=(21, 8),
    ),
    *under("meps", meps_file_names=(36, 15)),
    *under("nppes/derived-vhdir", **{"sample-nppes-organization-data": (40, 329)}),
    *under("nppes/derived-vhdir", **{"sample-nppes-practitioner-data": (20, 329)}),
    *under("nppes", **{"npidata_20050523-20150308FileHeader": (0, 329)}),
    *under(
        "nppes/headers-from-metadata-2025-06-V2",
        **{
            "endpoint_pfile_20050523-20250608_fileheader": (0, 19),
            "npidata_pfile_20050523-20250608_fileheader": (0, 330),
            "othername_pfile_20050523-20250608_fileheader": (0, 3),
            "pl_pfile_20050523-20250608_fileheader": (0, 10),
        },
    ),
    *under(
        "openpayments",
        **{
            "OP_DTL_RSRCH_PGYR2013_P06302016.iowa-extract": (46, 166),
            "OP_DTL_RSRCH_PGYR2014_P06302016.iowa-extract": (47, 166),
            "OP_DTL_RSRCH_PGYR2015_P06302016.iowa-extract": (41, 166),
        },
    ),
    *under(
        "openpayments/pgyr2019-header-and-one-row",
        OP_DTL_GNRL_PGYR2019_P06302020=(1, 75),
        OP_DTL_OWNRSHP_PGYR2019_P06302020=(1, 29),
        OP_DTL_RSRCH_PGYR2019_P06302020=(1, 176),
    ),
    *faers(
        "aers_ascii_2004q1",
        "04Q1.TXT",
        DEMO=(100, 23),
        DRUG=(386, 13),
        INDI=(124, 3),
        OUTC=(93, 3),
        REAC=(416, 3),
        RPSR=(119, 3),
        THER=(145, 7),
    ),
    *faers(
        "faers_ascii_2017q2",
        "17Q2.txt",
        DEMO=(100, 25),
        DRUG=(328, 20),
        INDI=(232, 4),
        OUTC=(75, 3),
        REAC=(286, 4),
        RPSR=(2, 3),
        THER=(142, 7),
    ),
    # One column, and no ending that says that it is CSV: it could be a text, so it is told.
    Case("cclf/bcda-archives/csv/P.PCPB.M2411.D181120.T1000000", 5, 1, found=False),
    Case("cclf/bcda-archives/csv/T.GUIDE.GUIDE-0001.Y25.D250630.T1000000", 5, 1, found=False),
    # CCLF0 is the control file, by bars, in a zip whose name does not say that it is one.
    *(
        Case(f"cclf/{file}", rows, 4, Csv(delimiter="|"), member)
        for file, rows, member in [
            ("bcda-archives/0/invalid/T.BCD.ACOB.ZC0Y18.D181120.E0001000", 11, None),
            ("bcda-archives/0/missing_data/T.BCD.A0001.ZCY18.D181120.T1000000", 9, None),
            ("bcda-archives/valid/T.BCD.ACOB.ZC0Y18.D181120.T0001000", 11, None),
            ("bcda-archives/valid/T.BCD.A0001.ZCY18.D181120.T1000000", 11, "*.ZC0*"),
            ("bcda-archives/valid/T.BCD.A9988.ZCY18.D181120.T1000000", 11, "*.ZC0*"),
            ("bcda-synthetic-dev/ZC0", 11, None),
        ]
    ),
]

CCLF = [  # file, member, number of its layout, rows, rejected, blanks at the end cut off
    ("bcda-archives/valid/T.BCD.A0001.ZCY18.D181120.T1000000", "*.ZC8*", "8", 7, 0, False),
    ("bcda-archives/valid/T.BCD.A0001.ZCY18.D181120.T1000000", "*.zc9*", "9", 6, 0, False),
    ("bcda-archives/valid/T.BCD.A9988.ZCY18.D181120.T1000000", "*.ZC8*", "8", 6, 0, False),
    ("bcda-archives/8/valid/T.BCD.A0001.ZCY18.D181121.T1000000", None, "8", 6, 0, False),
    ("bcda-synthetic-dev/ZC8", None, "8", 0, 200, False),
    ("bcda-synthetic-dev/ZC9", None, "9", 2, 0, True),
    ("bcda-cclf9/T.A0001.ACO.ZC9Y18.D181120.T1000009", None, "9", 0, 1, False),  # "intentionally blank"
]

NHANES = {  # rows, columns
    "ApoB_E.XPT": (3_315, 4),
    "DEMO_E.XPT.gz": (10_149, 43),
    "OCQ_D.XPT": (6_139, 15),
    "PERNT_D.xpt": (8_086, 8),
    "PHYTO_D.xpt": (2_638, 15),
    "P_BMX.xpt.gz": (14_300, 22),
    "P_SLQ.xpt": (10_195, 11),
}

STUDIES = [
    "ctgov/v1-classic/NCT04780763.json",
    *(
        f"ctgov/v2-single-study/{study}.json"
        for study in (
            "NCT00465816",
            "NCT00763412",
            "NCT00973089",
            "NCT02210780",
            "NCT03418623",
            "NCT03475563",
            "NCT03630471",
            "NCT04207047",
            "NCT05594173",
            "NCT06171568",
        )
    ),
]
JSON = [
    *(Case(study, 1, 0, Json()) for study in STUDIES),
    Case("ctgov/v1-classic/ctg_api_all.json", 2, 0, Json(at="$.StudyFieldsResponse.StudyFields"), found=False),
    Case("ctgov/v2-from-docs/studies_page_with_nextPageToken.json", 1, 0, Json(at="$.studies"), found=False),
    Case("ctgov/v2-from-docs/version.json", 1, 0, Json()),
    Case("nppes/puffin/endpoint_pfile_20050523-20250608.metadata.json", 1, 0, Json()),
    Case("nppes/puffin/npidata_pfile_20050523-20250608.metadata.json", 1, 0, Json()),
    Case("nppes/puffin/othername_pfile_20050523-20250608.metadata.json", 1, 0, Json()),
    Case("nppes/puffin/pl_pfile_20050523-20250608.metadata.json", 1, 0, Json()),
    Case("openpayments/api/all-distribution-items.json", 201, 0, Json()),
    Case("openpayments/api/all-schema.json", 1, 0, Json()),
]

XML_ZIP = "ctgov/v1-classic/search_result_lacrosse_20160512.zip"  # 57 studies, one XML file each

WORKBOOK = "cclf/CCLF_IP_508_v36.xlsx"

_COUNTS = (Miscounted, "counts")  # SE01, GE01 or IEA01 is not what came: test data of programs that do not look
_NO_ISA = (Unreadable, "its ISA segment, which declares the separators, is missing")
EDI: dict[str, tuple[type[DataError], str] | None] = {  # what is said of a file; None where it is taken as it is
    "835/835_mult_loops.txt": None,
    "835/blue_cross_nc_sample.txt": _NO_ISA,
    "835/emedny_sample.txt": None,
    "835/united_healthcare_legacy_sample.txt": None,
    "imsweb-837/x12_277CA_rejected.txt": None,
    "imsweb-837/x12_999_accepted.txt": (Damaged, "IEA at byte 298 has another control number"),
    "imsweb-837/x12_999_rejected.txt": None,
    "imsweb-837/x12_bad_first_line.txt": (Damaged, "not 106 bytes long"),
    "imsweb-837/x12_bad_segment_identifier.txt": _COUNTS,
    "imsweb-837/x12_complex.txt": _COUNTS,
    "imsweb-837/x12_missing_elements.txt": _COUNTS,
    "imsweb-837/x12_multiple_gs.txt": _COUNTS,
    "imsweb-837/x12_multiple_isa.txt": _COUNTS,
    "imsweb-837/x12_multiple_st.txt": _COUNTS,
    "imsweb-837/x12_no_isa_line.txt": _NO_ISA,
    "imsweb-837/x12_segments_out_of_order.txt": _COUNTS,
    "imsweb-837/x12_valid.txt": _COUNTS,
    "imsweb-837/x12_valid_different_separators.txt": _COUNTS,
    "imsweb-837/x12_writer_test.txt": _COUNTS,
    "imsweb-837/x223-test.txt": _COUNTS,
}

DAMAGED: dict[str, tuple[type[DataError], str]] = {
    "cclf/bcda-archives/corrupted/T.BCD.A0001.ZCY18.D181120.T1000000": (Damaged, "not a zip file"),
    "cclf/bcda-archives/8/invalid/T.BCD.A0001.ZCY18.D181125.T1000087": (UnexpectedMember, "holds no file"),  # empty zip
}

_README = "a text for people"
_PAGE = "a web page"
_DTD = "a grammar of XML"
NOT_DATA = {
    "ctgov/v2-from-docs/error_unknown_parameter.txt": "an error message, served as text",
    "faers/FAERS-ASC_NTS-rev2016-06.extracted.txt": _README,
    "faers/FAERS-schema-doc-2020-ASC_NTS.pdf": "a PDF",
    "meps/Quick_Reference_README.md": _README,
    "nhanes/DEMO_L.NOT_XPT_html_error_page.xpt": _PAGE,
    "nhanes/OCQ_D.html": _PAGE,
    "nhanes/PERNT_D.htm": _PAGE,
    "nhanes/PHYTO_D.htm": _PAGE,
    "nhanes/apo_e.html": _PAGE,
    "nhanes/demo_e.html": _PAGE,
    "nppes/NPPES_ReadMe_And_CodeValues.md": _README,
    "nppes/puffin/nppes_pl_ReadMe.md": _README,
    "openpayments/OP_PGYR2019_README_P06302020.txt": _README,
    "openpayments/PGYR2014_README.txt": _README,
    "openpayments/phys_readme.txt": _README,
    "pubmed/README.2023-02-07.txt": _README,
    "pubmed/dtd/nlmmedlinecitationset_150101.dtd": _DTD,
    "pubmed/dtd/pubmed_180101.dtd": _DTD,
    "pubmed/dtd/pubmed_190101.dtd": _DTD,
    "pubmed/dtd/pubmed_230101.dtd": _DTD,
    "pubmed/dtd/pubmed_240101.dtd": _DTD,
    "pubmed/dtd/pubmed_250101.dtd": _DTD,
    "pubmed/from-docs/pubmed22n0002.xml.gz.md5": "a checksum",
    "pubmed/from-docs/updatefiles_index_excerpt.html": _PAGE,
}


def told_and_found(cases: list[Case]) -> Iterator[Any]:
    """Each case with its reader, and without where it is found as well."""
    for case in cases:
        yield pytest.param(case, True, id=f"{case}-told")
        if case.found:
            yield pytest.param(case, False, id=f"{case}-found")


def test_every_sample_is_in_a_table(realdata: Path) -> None:
    root = realdata / "sources"
    there = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} - {"INDEX.md"}
    listed = {case.file for case in (*CSV, *JSON)} | {f"cclf/{file}" for file, *_ in CCLF}
    listed |= {f"nhanes/{file}" for file in NHANES} | {f"x12/{file}" for file in EDI}
    listed |= {XML_ZIP, WORKBOOK, *DAMAGED, *NOT_DATA}
    assert len(there) == 156
    assert listed == there


def converted(
    realdata: Path, folder: Path, file: str, member: str | None = None, reader: AnyReader | None = None
) -> tuple[Conversion, pa.Table, pa.Table]:
    """Counts, rows and rejected records."""
    given = Input(file=str(realdata / "sources" / file), member=member, reader=reader)
    done = convert_file(given, str(folder / "rows.parquet"), str(folder / "rejected.parquet"))
    rows, rejected = pq.read_table(folder / "rows.parquet"), pq.read_table(folder / "rejected.parquet")
    assert (done.rows, done.rejected) == (rows.num_rows, rejected.num_rows)
    return done, rows, rejected


def plaintext(path: Path, member: str | None = None) -> bytes:
    """The one file, or that whose name ends as a glob does, in what is wrapped by zip or gzip at most."""
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        return gzip.decompress(data)
    if not data.startswith(b"PK"):
        return data
    with zipfile.ZipFile(path) as archive:
        pattern = re.escape(member or "").replace(r"\*", ".*")
        (name,) = (name for name in archive.namelist() if re.search(pattern, name, re.IGNORECASE) and name[-1] != "/")
        return archive.read(name)


@pytest.mark.parametrize(("case", "told"), [*told_and_found(CSV)])
def test_delimited(case: Case, told: bool, realdata: Path, tmp_path: Path) -> None:
    done, rows, rejected = converted(realdata, tmp_path, case.file, case.member, case.reader if told else None)
    assert (done.rows, done.rejected, len(done.columns)) == (case.rows, case.rejected, case.columns)
    reader = case.reader
    assert isinstance(reader, Csv)
    text = plaintext(realdata / "sources" / case.file, case.member).decode("utf-8-sig")
    quoting = csv.QUOTE_MINIMAL if reader.quote else csv.QUOTE_NONE
    header, *records = (
        r for r in csv.reader(io.StringIO(text, newline=""), delimiter=reader.delimiter, quoting=quoting) if r
    )
    assert [field.metadata[b"name"].decode() for field in list(rows.schema)[2:]] == header
    assert rows["_record"].to_pylist() == list(range(1, case.rows + 1))
    assert rejected.num_rows == 0
    found = rows.drop_columns(["_file", "_record"]).columns
    assert [[value or "" for value in column.to_pylist()] for column in found] == [
        list(values) for values in zip(*records, strict=True)
    ] or not records


def as_the_fda_writes_it(realdata: Path, table: str) -> tuple[list[str], list[bytes]]:
    """Header and records of a table of 2004q1 as they were before their export: the last field has no name, CRLF."""
    data = plaintext(realdata / "sources/faers/aers_ascii_2004q1.zip", f"{table}04Q1.TXT")
    header, *records = data.splitlines()
    names = header.decode().upper().split("$")
    assert re.fullmatch(r"V\d+", names.pop())
    assert all(record.endswith(b"$") for record in records)
    return names, records


@pytest.mark.parametrize("table", ["DEMO", "DRUG", "OUTC", "REAC", "RPSR", "THER"])
def test_faers_records_with_one_mark_more_than_the_header(table: str, realdata: Path, tmp_path: Path) -> None:
    """No record is lost where the names are said, and nothing is lost silently where they are not."""
    names, records = as_the_fda_writes_it(realdata, table)
    file = tmp_path / f"{table}04Q1.TXT"
    file.write_bytes(b"".join(line + b"\r\n" for line in ("$".join(names).encode(), *records)))
    reader = FAERS.model_copy(update={"columns": (*names, "")})
    done, rows, _ = converted(realdata, tmp_path, str(file), reader=reader)
    assert (done.rows, done.rejected) == (len(records), 0)
    assert rows[2].to_pylist() == [record.split(b"$")[0].decode() for record in records]
    assert rows[-1].null_count == len(records)
    untold = convert_file(Input(file=str(file), reader=FAERS), str(tmp_path / "untold.parquet"))
    assert (untold.rows, untold.rejected) == (0, len(records))


def test_faers_records_that_went_wrong(realdata: Path, tmp_path: Path) -> None:
    """As they occur in the quarters: two glued to one, a mark within a value, an open quote, a NUL."""
    names, records = as_the_fda_writes_it(realdata, "DRUG")
    good = len(records)
    glued = records[0] + records[1]
    split, quoted, nul = (
        b"$".join([*fields[:3], begun + fields[3], *fields[4:]])  # the drug's name
        for begun, fields in zip((b"A$B", b'"', b"\0"), (record.split(b"$") for record in records[2:5]), strict=True)
    )
    lines = ["$".join(names).encode(), *records, glued, split, quoted, nul, records[5]]
    (tmp_path / "DRUG.TXT").write_bytes(b"".join(line + b"\r\n" for line in lines))
    reader = FAERS.model_copy(update={"columns": (*names, "")})
    done, rows, rejected = converted(realdata, tmp_path, str(tmp_path / "DRUG.TXT"), reader=reader)
    assert (done.rows, done.rejected) == (good + 3, 2)
    assert rejected["_record"].to_pylist() == [good + 1, good + 2]
    assert rejected["_text"].to_pylist() == [glued.decode(), split.decode()]
    assert [name[:1] for name in rows["drugname"].slice(good).to_pylist()[:2]] == ['"', "\0"]


def layout(realdata: Path, number: str) -> tuple[Layout, list[dict[str, str]]]:
    """As inlet reads it and as Python does; the published table calls the name label, and the label name."""
    text = (realdata / "sources" / LAYOUTS / f"cclf_{number}.csv").read_text()
    return Layout.from_csv(text, {"name": "field_label", "label": "field_name"}), list(
        csv.DictReader(io.StringIO(text))
    )


@pytest.mark.parametrize(("file", "member", "number", "rows", "rejected", "pad"), CCLF)
def test_fixed(
    file: str, member: str | None, number: str, rows: int, rejected: int, pad: bool, realdata: Path, tmp_path: Path
) -> None:
    kind, places = layout(realdata, number)
    done, table, _ = converted(realdata, tmp_path, f"cclf/{file}", member, Fixed(layouts=(kind,), pad=pad))
    assert (done.rows, done.rejected, len(done.columns)) == (rows, rejected, len(places))
    lines = plaintext(realdata / "sources/cclf" / file, member).decode().splitlines()
    assert len(lines) == rows + rejected
    for place, column in zip(places, table.columns[2:], strict=True):
        start, end = int(place["Start Position"]), int(place["End Position"])
        sliced = [line[start - 1 : end].rstrip() or None for line in lines]
        assert column.to_pylist() == (sliced if rows else [])
    if pad:
        return
    with pytest.raises(UnknownFormat):  # and it is not taken for delimited, its first record not for a header
        converted(realdata, tmp_path, f"cclf/{file}", member)


@pytest.mark.parametrize("told", [True, False], ids=["told", "found"])
@pytest.mark.parametrize("file", NHANES)
def test_nhanes(file: str, told: bool, realdata: Path, tmp_path: Path) -> None:
    done, rows, _ = converted(realdata, tmp_path, f"nhanes/{file}", reader=Sas() if told else None)
    names = [name for name in done.columns if name != "_special"]
    assert (done.rows, len(names)) == NHANES[file]
    (tmp_path / "plain.xpt").write_bytes(plaintext(realdata / "sources/nhanes" / file))
    frame, _ = pyreadstat.read_xport(tmp_path / "plain.xpt")
    for name, column in zip(names, frame, strict=True):
        assert rows[name].to_pylist() == [None if value != value else value for value in frame[column].tolist()], name


def studies(value: Any) -> Iterator[str]:
    """Every NCT number below a key `nctId` or `NCTId`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("nctId", "NCTId", "nctid", "nct_id"):
                yield from inner if isinstance(inner, list) else [inner]
            else:
                yield from studies(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from studies(inner)


@pytest.mark.parametrize(("case", "told"), [*told_and_found(JSON)])
def test_json(case: Case, told: bool, realdata: Path, tmp_path: Path) -> None:
    done, rows, rejected = converted(realdata, tmp_path, case.file, reader=case.reader if told else None)
    assert (done.rows, done.rejected) == (case.rows, 0), rejected["_reason"].to_pylist()
    assert done.reader["format"] == "json"
    value = json.loads((realdata / "sources" / case.file).read_text())
    found = list(studies([dict(row) for row in rows.drop_columns(["_special"]).to_pylist()]))
    assert sorted(found) == sorted(studies(value))
    if case.file in STUDIES:
        assert Path(case.file).stem in found
    if case.file.startswith("nppes"):
        assert rows["original_column_names"].to_pylist() == [value["original_column_names"]]
    if isinstance(value, list):
        assert rows["identifier"].to_pylist() == [item.get("identifier") for item in value]


def test_xml(realdata: Path, tmp_path: Path) -> None:
    """57 files in one archive: one is chosen, and its root is its only record."""
    with pytest.raises(UnexpectedMember, match=r"57 files.*NCT00939211\.xml.* …"):
        converted(realdata, tmp_path, XML_ZIP)
    with zipfile.ZipFile(realdata / "sources" / XML_ZIP) as archive:
        names = archive.namelist()
        assert len(names) == 57
        for name in names[::8]:
            root = etree.fromstring(archive.read(name))
            done, rows, _ = converted(realdata, tmp_path, XML_ZIP, name, Xml(row="clinical_study"))
            assert (done.rows, done.rejected) == (1, 0)
            assert rows["brief_title"].to_pylist() == [root.findtext("brief_title")]
            assert next(iter(studies(rows.to_pylist()))) == root.findtext("id_info/nct_id") == Path(name).stem


def lines_of_claims(text: str) -> list[tuple[str, str]]:
    """Claim and, where it has one, procedure of every service line; a claim without lines is one."""
    mark, end = text[3], text[105]
    found: list[tuple[str, str]] = []
    claim, lines = "", 1
    for segment in text.split(end):
        name, *elements = segment.strip().split(mark)
        if name in ("CLM", "CLP"):
            if not lines:
                found.append((claim, ""))
            claim, lines = elements[0], 0
        elif name in ("SV1", "SV2", "SVC"):
            code = elements[name == "SV2"].split(text[104]) if len(elements) > (name == "SV2") else []
            found.append((claim, code[1] if len(code) > 1 else ""))
            lines += 1
    return found if lines else [*found, (claim, "")]


def segments(text: str) -> list[list[str]]:
    """The segments of transactions, each by its name and elements."""
    every = [segment.strip().split(text[3]) for segment in text.split(text[105])]
    return [segment for segment in every if segment[0] not in ("ISA", "TA1", "GS", "GE", "IEA", "")]


@pytest.mark.parametrize("file", EDI)
def test_x12(file: str, realdata: Path, tmp_path: Path) -> None:
    said = EDI[file]
    if said is not None:
        with pytest.raises(said[0], match=said[1]) as refused:
            converted(realdata, tmp_path, f"x12/{file}")
        assert Path(file).name in refused.value.what
        assert list(tmp_path.iterdir()) == []
    if said not in (None, _COUNTS):
        return
    if re.search(r"_(277CA|999)_", file):
        done, rows, _ = converted(realdata, tmp_path, f"x12/{file}")
        given = segments((realdata / "sources/x12" / file).read_text())
        read = zip(rows["segment"].to_pylist(), rows["elements"].to_pylist(), strict=True)
        assert [[name, *(value or "" for value in elements)] for name, elements in read] == given
        assert (done.rows, done.rejected) == (len(given), 0)
        return
    done, rows, rejected = converted(realdata, tmp_path, f"x12/{file}", reader=X12(counts=False))
    wanted = lines_of_claims((realdata / "sources/x12" / file).read_text())
    assert (done.rows, done.rejected) == (len(wanted), 0), rejected["_reason"].to_pylist()
    found = zip(rows["claim_id"].to_pylist(), rows["procedure_code"].to_pylist(), strict=True)
    assert [(claim, code or "") for claim, code in found] == wanted


@pytest.mark.parametrize("sheet", [f"cclf_{number}" for number in "019ab"])
def test_excel(sheet: str, realdata: Path, tmp_path: Path) -> None:
    """Cells that hold something, row by row: its columns lie under merged cells, and most hold nothing."""
    done, rows, _ = converted(realdata, tmp_path, WORKBOOK, reader=Excel(sheet=sheet, typed=False))
    book = openpyxl.load_workbook(realdata / "sources" / WORKBOOK, read_only=True)
    cells = [[str(cell) for cell in row if cell is not None] for row in book[sheet].iter_rows(values_only=True)]
    header, *records = (row for row in cells if row)
    assert [f.metadata[b"name"].decode() for f in list(rows.schema)[2:] if f.metadata[b"name"]] == header
    found = zip(*(column.to_pylist() for column in rows.columns[2:]), strict=True)
    assert [[value for value in record if value is not None] for record in found] == records
    assert (done.rows, done.rejected) == (len(records), 0)


@pytest.mark.parametrize("file", DAMAGED)
def test_damaged(file: str, realdata: Path, tmp_path: Path) -> None:
    error, said = DAMAGED[file]
    with pytest.raises(error, match=said):
        converted(realdata, tmp_path, file)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", NOT_DATA)
def test_what_is_no_data_is_refused_and_not_guessed(file: str, realdata: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownFormat) as refused:
        converted(realdata, tmp_path, file)
    assert NOT_DATA[file] not in (_PAGE, "a PDF") or NOT_DATA[file] in refused.value.what
    assert list(tmp_path.iterdir()) == []
