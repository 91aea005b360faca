import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import ValidationError

from spark.errors import Unreadable
from spark.readers.layouts import Field, Layout

# ---- SAS programs

PROGRAM = """
/* A comment; with a semicolon, and it's apostrophe */
* Another one: don't take it for a string;
PROC FORMAT;
  INVALUE N2PF '-9' = .  '-8', '-7' = .A  OTHER = (|2.|) ;
  INVALUE N8P2F
    '-9999.99' = .
    OTHER = [8.2]
  ;
  INVALUE $YES 'Y' = '1' ' ' = ' ';
  VALUE SEX 1 = 'INPUT @1 X 1.;';
RUN;
DATA OUT.STAY (COMPRESS=YES);
  INFILE IN1 LRECL = 90 PAD MISSOVER;
  LENGTH NAME $5 AGE 3 D1 - D2 $ 4 AGE2 3 KIN2  $ 2 X Y $2;
  ATTRIB CODE LENGTH=$3 LABEL="A ""code""; of three"
         PAID LENGTH=8 FORMAT=COMMA12.2 LABEL='What''s paid';
  INFORMAT SEEN MMDDYY10.;
  INPUT %s;
  LABEL AGE = 'Age in years' NAME="Name";
RUN;
"""


class Says(NamedTuple):
    """What INPUT says, and fields as (name, start, length, type, decimals)."""

    statement: str
    fields: list[tuple[str, int, int, str, int]]


SAYS = {
    "formatted": Says(
        "@1 CODE $CHAR3. @4 AGE 3. @7 PAID 8.2",
        [("CODE", 1, 3, "text", 0), ("AGE", 4, 3, "number", 0), ("PAID", 7, 8, "number", 2)],
    ),
    "MEPS": Says(
        "@1     DUID        5.0\r\n@6     PID         $3.0\r\n  @9 WT 12.6",
        [("DUID", 1, 5, "number", 0), ("PID", 6, 3, "text", 0), ("WT", 9, 12, "number", 6)],
    ),
    "columns": Says(
        "NAME 1-5 SEX $ 6 AGE 7 -  9 WT 10-17 .2 DAY 18",
        [
            ("NAME", 1, 5, "text", 0),
            ("SEX", 6, 1, "text", 0),
            ("AGE", 7, 3, "number", 0),
            ("WT", 10, 8, "number", 2),
            ("DAY", 18, 1, "number", 0),
        ],
    ),
    "types by LENGTH": Says(
        "AGE2 1 KIN2 2-3 X 4 Y 5 D2 6",
        [
            ("AGE2", 1, 1, "number", 0),
            ("KIN2", 2, 2, "text", 0),
            ("X", 4, 1, "text", 0),
            ("Y", 5, 1, "text", 0),
            ("D2", 6, 1, "text", 0),
        ],
    ),
    "dollar beside the columns": Says("NAME $1-5 A$6-7", [("NAME", 1, 5, "text", 0), ("A", 6, 2, "text", 0)]),
    "without pointers": Says(
        "A $2. B 3. +2 C 1.", [("A", 1, 2, "text", 0), ("B", 3, 3, "number", 0), ("C", 8, 1, "number", 0)]
    ),
    "back and over": Says(
        "@5 A 2. @1 B 4. @1 ALL $6.", [("A", 5, 2, "number", 0), ("B", 1, 4, "number", 0), ("ALL", 1, 6, "text", 0)]
    ),
    "informats of the program": Says(
        "@1 AGE N2PF. @3 PAID N8P2F. @11 OK $YES. @12 WIDE N2PF4.",
        [
            ("AGE", 1, 2, "number", 0),
            ("PAID", 3, 8, "number", 2),
            ("OK", 11, 1, "text", 0),
            ("WIDE", 12, 4, "number", 0),
        ],
    ),
    "dates and times": Says(
        "@1 A MMDDYY10. @11 B DATE9. @20 C TIME8. @28 D DATETIME18. @46 E YYMMDD8. @54 F ANYDTDTE10.",
        [
            ("A", 1, 10, "date", 0),
            ("B", 11, 9, "date", 0),
            ("C", 20, 8, "time", 0),
            ("D", 28, 18, "datetime", 0),
            ("E", 46, 8, "date", 0),
            ("F", 54, 10, "date", 0),
        ],
    ),
    "an informat declared before": Says("@1 CODE $3. @4 SEEN", [("CODE", 1, 3, "text", 0), ("SEEN", 4, 10, "date", 0)]),
    "groups": Says(
        "@3 (D1-D2 X) ($4.) @20 (P1-P3) (2. $1.)",
        [
            ("D1", 3, 4, "text", 0),
            ("D2", 7, 4, "text", 0),
            ("X", 11, 4, "text", 0),
            ("P1", 20, 2, "number", 0),
            ("P2", 22, 1, "text", 0),
            ("P3", 23, 2, "number", 0),
        ],
    ),
    "zoned": Says("@1 A ZD5.2", [("A", 1, 5, "text", 0)]),
    "no blank before the pointer": Says("@1A 2.@3 B 1.", [("A", 1, 2, "number", 0), ("B", 3, 1, "number", 0)]),
    "quiet about errors": Says("@1 A ?? 5. B ? $2.", [("A", 1, 5, "number", 0), ("B", 6, 2, "text", 0)]),
    "recoded afterwards": Says(
        "@1 A 2.; IF A = -9 THEN A = .; ELSE A = INPUT(PUT(A, 2.), 2.)", [("A", 1, 2, "number", 0)]
    ),
    "held and gone on": Says("@1 A 1. @; INPUT @2 B 2.", [("A", 1, 1, "number", 0), ("B", 2, 2, "number", 0)]),
    "comments within": Says(
        "/* the; key */ @1 A 1. /* it's */ @2 B 2.", [("A", 1, 1, "number", 0), ("B", 2, 2, "number", 0)]
    ),
}


@pytest.mark.parametrize("name", SAYS)
@pytest.mark.parametrize(
    "write", [str, str.lower, lambda text: text.replace("\n", "\r\n")], ids=["as it is", "lower", "CRLF"]
)
def test_what_input_says(name: str, write: Any) -> None:
    statement, fields = SAYS[name]
    layout = Layout.from_sas(write(PROGRAM % statement))
    found = [(f.name.upper(), f.start, f.length, f.type, f.decimals) for f in layout.fields]
    assert found == fields
    assert layout.record_length == 90


def test_labels_and_missing_codes_of_a_sas_program() -> None:
    fields = Layout.from_sas(PROGRAM % "@1 CODE $3. @4 AGE N2PF. @6 PAID N8P2F. @14 NAME $5.").fields
    assert [field.label for field in fields] == ['A "code"; of three', "Age in years", "What's paid", "Name"]
    assert [field.missing for field in fields] == [(), ("-9", "-8", "-7"), ("-9999.99",), ()]


REFUSED = {
    "list input": "NAME $ AGE",
    "list input with an informat": "NAME : $5.",
    "several lines a record": "@1 A 1. / @1 B 2.",
    "a line's number": "#2 @1 B 2.",
    "packed decimals": "@1 A PD4.2",
    "an informat that is none": "@1 A .",
    "binary": "@1 A S370FIB4.",
    "an informat from elsewhere": "@1 A ELSEF.",
    "a macro": "@1 &VARS 5.",
    "nothing": "",
    "backwards": "A 5-1",
    "before the first column": "@0 A 5.",
    "repeated informats": "(A B) (2*5.)",
    "several lines by several statements": "@1 A 1.; INPUT @1 B 1.",
    "one kind of record": "@1 KIND $1. @; IF KIND = 'A' THEN INPUT @2 A 1.",
    "one kind of record, in a block": "@1 KIND $1. @; IF KIND = 'A' THEN DO; INPUT @2 A 1.; END",
    "two kinds of record": "@1 KIND $1. @; IF KIND = 'A' THEN INPUT @2 A 1.; ELSE INPUT @2 B 2.",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_layout_cannot_say_is_refused(name: str) -> None:
    with pytest.raises(Unreadable):
        Layout.from_sas(PROGRAM % REFUSED[name])


def test_one_of_several_data_steps_is_chosen_by_name() -> None:
    program = "DATA A; INPUT X 1-2; RUN; DATA L.B; SET A; DATA C; INPUT Y 3-4;"
    with pytest.raises(Unreadable, match="A, C"):
        Layout.from_sas(program)
    assert Layout.from_sas(program, data="c").fields == (Field(name="Y", start=3, length=2, type="number"),)
    with pytest.raises(Unreadable):
        Layout.from_sas(program, data="B")


@pytest.mark.parametrize("junk", ["", "<html>Page Not Found</html>", "a,b\n1,2\n", ";;;'\"/*", "\0\xff" * 20])
def test_what_is_no_program_is_refused(junk: str) -> None:
    with pytest.raises(Unreadable):
        Layout.from_sas(junk)
    with pytest.raises(Unreadable):
        Layout.from_texas(junk)
    with pytest.raises(Unreadable):
        Layout.from_csv(junk)


# ---- HCUP

HCUP = {
    "AZ_SID_2011_CORE": (232, []),
    "MD_SID_2012_CORE": (250, ["HospitalUnit"]),
    "NY_SEDD_2010_CORE": (196, []),
}
"""Fields, and those among them for which the program has no label."""


@pytest.mark.parametrize("name", HCUP)
def test_hcup_load_programs(name: str, realdata: Path) -> None:
    program = (realdata / "fwf/hcup-layouts" / f"{name}.sas").read_text()
    said = json.loads((realdata / "truth.json").read_text())[f"fwf/hcup-layouts/{name}.sas"]["layout"]
    layout = Layout.from_hcup(program)
    fields, unlabelled = HCUP[name]
    assert layout.record_length == layout.end == said["lrecl"]
    assert len(layout.fields) == fields
    # every pointer of the program, counted without the parser
    places = re.findall(r"@(\d+) +(\w+)", program)
    assert [(str(field.start), field.name) for field in layout.fields] == places
    # fields touch: widths agree with the next pointer
    ends = [field.end + 1 for field in layout.fields]
    assert ends[:-1] == [field.start for field in layout.fields[1:]]
    assert [field.name for field in layout.fields if not field.label] == unlabelled
    assert Layout.from_sas(program) == layout


def test_hcup_fields_know_their_missing_codes(realdata: Path) -> None:
    layout = Layout.from_hcup((realdata / "fwf/hcup-layouts/AZ_SID_2011_CORE.sas").read_text())
    by_name = {field.name: field for field in layout.fields}
    assert by_name["AGE"] == Field(
        name="AGE", start=1, length=3, type="number", missing=("-99", "-88", "-66"), label="Age in years at admission"
    )
    assert by_name["AMONTH"].missing == ("-9", "-8", "-6", "-5")
    assert by_name["DISP_X"].type == "text"
    assert by_name["TOTCHG"].length == 10
    assert by_name["TOTCHG"].missing[0] == "-999999999"


def test_hcup_programs_that_leave_their_informats_out() -> None:
    program = "DATA X; INFILE I; INPUT @1 AGE N2PF. @3 COST N12P2F. @15 BORN DATE10F. @25 KEY 14.;"
    layout = Layout.from_hcup(program)
    assert [(f.length, f.type, f.decimals) for f in layout.fields] == [
        (2, "number", 0),
        (12, "number", 2),
        (10, "date", 0),
        (14, "number", 0),
    ]
    assert layout.fields[0].missing == ("-9", "-8", "-7", "-6", "-5")
    assert layout.fields[1].missing == ("-99999999.99", "-88888888.88", "-77777777.77", "-66666666.66")
    with pytest.raises(Unreadable):
        Layout.from_sas(program)


# ---- Texas

TEXAS = {
    "tx_pudf_2012_base_definition_1": (194, 950, Field(name="FILLER_SPACE", start=894, length=57)),
    "tx_pudf_2012_charges_definition": (13, 80, Field(name="CHRGS_NON_COV", start=67, length=14, type="number")),
}


@pytest.mark.parametrize("name", TEXAS)
def test_texas(name: str, realdata: Path) -> None:
    count, length, last = TEXAS[name]
    text = (realdata / "fwf/tx-pudf-layouts" / f"{name}.txt").read_text("cp1252")
    lines = json.loads((realdata / "truth.json").read_text())[f"fwf/tx-pudf-layouts/{name}.txt"]["lines"]
    layout = Layout.from_texas(text)
    assert len(layout.fields) == count == lines - 1
    assert (layout.record_length, layout.fields[-1]) == (length, last)
    assert layout.fields[0].name == "RECORD_ID"
    assert layout.fields[0].label.startswith("Does NOT match")
    assert [f.start for f in layout.fields[1:]] == [f.end + 1 for f in layout.fields[:-1]]


def test_texas_by_blanks_and_with_numbers_that_bear_a_letter() -> None:
    text = "NUMBER FIELD NAME POSITION LENGTH FIELD TYPE\r\n1 DISCHARGE 1 6 Alphanumeric\r\n"
    text += "12a\t\tUNIT_1 (2 of 3)\t7\t1\tNumeric\r\n"
    assert Layout.from_texas(text).fields == (
        Field(name="DISCHARGE", start=1, length=6),
        Field(name="UNIT_1", start=7, length=1, type="number", label="(2 of 3)"),
    )


# ---- tables of fields

CCLF = {
    "0": (7, 69),
    "1": (45, 437),
    "2": (23, 199),
    "3": (13, 114),
    "4": (14, 112),
    "5": (52, 388),
    "6": (27, 247),
    "7": (21, 195),
    "8": (31, 549),
    "9": (6, 55),
    "a": (33, 324),
    "b": (21, 128),
}


@pytest.mark.parametrize("number", CCLF)
def test_cclf(number: str, realdata: Path) -> None:
    text = (realdata / f"sources/cclf/layout-v36-csv/cclf_{number}.csv").read_text()
    layout = Layout.from_csv(text, {"name": "field_label", "label": "field_name"})
    assert (len(layout.fields), layout.record_length) == CCLF[number]
    assert [f.start for f in layout.fields[1:]] == [f.end + 1 for f in layout.fields[:-1]]
    assert not [f.name for f in layout.fields if "_" in f.name and re.search(r"\s", f.name)]
    assert all(f.type == "date" for f in layout.fields if f.name.endswith("_DT"))


TABLES = {
    "start and length": ("name,start,length\na,1,2\nb,3,4\n", {}),
    "start and end": ("name,start,end\na,1,2\nb,3,6\n", {}),
    "end and length": ("Name,End,Length\na,2,2\nb,6,4\n", {}),
    "lengths": ("name,length\na,2\nb,4\n", {}),
    "ranges": ("Variable,Columns\na,1-2\nb,3 - 6\n", {}),
    "ends": ("field,end\na,2\nb,6\n", {}),
    "a byte order mark, blank rows and other columns": (
        "\ufeffNo,Field Name,Start Position,Width\r\n1,a,1,2\r\n\r\n2,b,3,4\r\n",
        {},
    ),
    "other headings": ("what;where;long\na;1;2\nb;3;4\n", {"name": "what", "start": "where", "length": "long"}),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_says_where_fields_are(name: str) -> None:
    text, columns = TABLES[name]
    layout = Layout.from_csv(text, columns, delimiter=";" if ";" in text else ",")
    assert [(f.name, f.start, f.length) for f in layout.fields] == [("a", 1, 2), ("b", 3, 4)]
    assert layout.record_length == 6


TYPES = {
    "": ("text", 0),
    "Alphanumeric": ("text", 0),
    "X(06)": ("text", 0),
    "A(3)": ("text", 0),
    "Numeric": ("number", 0),
    "9(13)": ("number", 0),
    "999": ("number", 0),
    "S9(7)V99": ("number", 2),
    "9(5)V9(4)": ("number", 4),
    "-9(11).99": ("number", 0),
    "YYYY-MM- DD": ("date", 0),
    "MMDDYYYY": ("date", 0),
    "CCYYMMDD": ("date", 0),
    "date": ("date", 0),
    "$CHAR8.": ("text", 0),
    "8.2": ("number", 2),
    "MMDDYY10.": ("date", 0),
    "D": ("text", 0),
    "whatever": ("text", 0),
}


@pytest.mark.parametrize("type_", TYPES)
def test_types(type_: str) -> None:
    (field,) = Layout.from_csv(f"name,length,type\na,9,{type_}\n").fields
    assert (field.type, field.decimals) == TYPES[type_]


def test_decimals_missing_codes_and_labels() -> None:
    text = "name,start,length,type,decimals,missing,label\npaid,1,8,number,2,-9 -8; -7,What is  paid\n"
    (field,) = Layout.from_csv(text).fields
    assert field == Field(
        name="paid", start=1, length=8, type="number", decimals=2, missing=("-9", "-8", "-7"), label="What is paid"
    )


@pytest.mark.parametrize(
    "text",
    [
        "name,start,end,length\na,1,3,2\n",
        "name,start,length\na,0,2\n",
        "name,start,length\na,1,0\n",
        "name,start,length\na,one,2\n",
        "name,start,end\na,5,2\n",
        "name,length,type\na,5,S9(7)V99 COMP-3\n",
        "name,label\na,b\n",
        "start,length\n1,2\n",
        "name,start,length\n",
    ],
    ids=["contradiction", "column 0", "no column", "a word", "backwards", "packed", "no place", "no name", "no row"],
)
def test_a_table_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        Layout.from_csv(text)


@pytest.mark.parametrize("columns", [{"name": "nobody"}, {"colour": "name"}])
def test_headings_that_are_not_there_are_refused(columns: dict[str, str]) -> None:
    with pytest.raises(Unreadable):
        Layout.from_csv("name,start,length\na,1,2\n", columns)


def test_a_record_shorter_than_its_fields_is_refused() -> None:
    with pytest.raises(ValidationError):
        Layout(fields=(Field(name="a", start=1, length=5),), record_length=4)
    with pytest.raises(Unreadable):
        Layout.from_csv("name,length\na,5\n", record_length=4)


def test_a_layout_survives_json() -> None:
    layout = Layout.from_sas(PROGRAM % "@1 AGE N2PF. @3 PAID N8P2F.", record_type="A", since=2011)
    assert Layout.model_validate_json(layout.model_dump_json()) == layout
    assert (layout.record_type, layout.since) == ("A", 2011)
