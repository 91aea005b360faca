"""X12: real files counted by hand, what is written is read, cutting anywhere, envelopes that do not hold together."""

import io
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fsspec.implementations.local import LocalFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.lake import Lake
from spark.convert import Target, convert_file, settled, split
from spark.errors import Damaged, DataError, Miscounted, UnknownFormat, Unreadable
from spark.parts import Piece
from spark.readers import X12
from spark.tables import Tables
from tests.spark.made import Dribble, stage

HEAD = ("BHT*0019*00*B1*20260101*0932*CH", "NM1*41*2*SUBMITTER*****46*S1", "NM1*40*2*RECEIVER*****46*R1")
BILLING = (
    "HL*1**20*1",
    "PRV*BI*PXC*207Q00000X",
    "NM1*85*2*GROUP*****XX*1234567893",
    "N3*1 ROAD",
    "N4*TOWN*MD*20705",
    "REF*EI*12",
)
SUBSCRIBER = (
    "HL*2*1*22*0",
    "SBR*P*18*G1******MB",
    "NM1*IL*1*DOE*JO****MI*M1",
    "DMG*D8*19611124*F",
    "NM1*PR*2*PAYER*****PI*P1",
)
CLAIM = (
    "CLM*C1*300***11:B:1*Y*A*Y*Y",
    "DTP*431*D8*20260101",
    "REF*EA*R1",
    "HI*ABK:J0300*ABF:Z1159:::::::Y",
    "NM1*82*1*WELBY*MA****XX*1234567893",
    "PRV*PE*PXC*208D00000X",
)
LINES = (
    "LX*1",
    "SV1*HC:99213:25:59*100*UN*1*11**1:2",
    "DTP*472*D8*20260102",
    "REF*6R*L1",
    "LX*2",
    "SV1*HC:99214*200*UN*2***1",
)
CLAIMS = (*HEAD, *BILLING, *SUBSCRIBER, *CLAIM, *LINES)

PAYER = (
    "BPR*I*80*C*ACH************20260103",
    "TRN*1*T1*1999",
    "DTM*405*20260101",
    "N1*PR*PAYER*XV*P1",
    "N1*PE*CLINIC*XX*1234567893",
    "REF*TJ*12",
)
PAID = (
    "LX*1",
    "CLP*C1*1*300*100*50*MC*PC1*11*1",
    "CAS*PR*1*20*1*2*30",
    "NM1*QC*1*DOE*JO****MI*M1",
    "DTM*232*20260102",
    "AMT*AU*150",
)
PAID_LINES = ("SVC*HC:99213:25*300*100**1**2", "DTM*472*20260102", "CAS*CO*45*150", "REF*6R*L1", "LQ*HE*N1")
PLB = ("PLB*1234567893*20261231*WO:REF1*15*L6*5",)
PAYMENT = (*PAYER, *PAID, *PAID_LINES, *PLB)

GUIDES = {"837": ("HC", "005010X222A1"), "835": ("HP", "005010X221A1"), "834": ("BE", "005010X220A1")}


def interchange(
    *bodies: Sequence[str], kind: str = "837", separators: str = "*:^~", between: str = "\n", number: int = 1
) -> bytes:
    """One interchange of one group, whose transactions have these segments, written with `*` and `:`."""
    code, guide = GUIDES[kind]
    texts = [
        f"ISA*00*          *00*          *ZZ*{'SENDER':15}*ZZ*{'RECEIVER':15}*260101*1253*^*00501*{number:09}*0*T*:",
        f"GS*{code}*S*R*20260101*0802*7*X*{guide}",
    ]
    for nth, body in enumerate(bodies, 1):
        texts += [f"ST*{kind}*{nth:04}*{guide}", *body, f"SE*{len(body) + 2}*{nth:04}"]
    texts += [f"GE*{len(bodies)}*7", f"IEA*1*{number:09}"]
    return "".join(text + "~" + between for text in texts).translate(str.maketrans("*:^~", separators)).encode()


def pieces(data: bytes, reader: X12, size: int = 64 * 1024 * 1024) -> list[Piece]:
    return list(reader.cut(io.BytesIO(data), size))


def read(data: bytes, reader: X12 | None = None, size: int = 64 * 1024 * 1024) -> pa.Table:
    reader = reader or X12()
    cut = pieces(data, reader, size)
    reader = reader.drafted(cut)
    tables = []
    for piece in cut:
        table, rejected = reader.read(piece)
        assert rejected == []
        assert table.num_rows == piece.records
        assert table.schema.equals(reader.schema)
        tables.append(table)
    whole = pa.concat_tables(tables)
    assert whole["_record"].to_pylist() == list(range(1, whole.num_rows + 1))
    return whole


def rows(data: bytes, reader: X12 | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read(data, reader).to_pylist()
    return found


def kept(found: Iterable[dict[str, Any]]) -> set[str]:
    """All segments that stand in some row."""
    return {text for row in found for name, texts in row.items() if name.endswith("_segments") for text in texts or ()}


def test_a_claim_with_what_stands_above_it() -> None:
    first, second = rows(interchange(CLAIMS))
    texts = {
        "form": "837P", "interchange": "000000001", "usage": "T", "version": "005010X222A1", "transaction": "0001",
        "batch_id": "B1", "batch_type": "CH", "billing_taxonomy": "207Q00000X", "payer_sequence": "P",
        "subscriber_relationship": "18", "group_number": "G1", "claim_filing": "MB", "claim_id": "C1",
        "claim_charge": "300", "place_of_service": "11", "claim_frequency": "1", "medical_record": "R1",
        "patient": None, "claim_balanced": True,
    }  # fmt: skip
    for row in (first, second):
        assert {name: row[name] for name in texts} == texts
        assert (row["submitter"]["last_name"], row["claims_receiver"]["id"]) == ("SUBMITTER", "R1")
        provider = {"entity": "85", "last_name": "GROUP", "id": "1234567893", "tax_id": "12", "address_1": "1 ROAD"}
        assert row["billing_provider"].items() >= provider.items()
        assert (
            row["subscriber"].items() >= {"first_name": "JO", "id": "M1", "birth_date": "19611124", "sex": "F"}.items()
        )
        assert row["payer"]["id"] == "P1"
        assert [(c["qualifier"], c["code"], c["present_on_admission"]) for c in row["codes"]] == [
            ("ABK", "J0300", None),
            ("ABF", "Z1159", "Y"),
        ]
        assert row["claim_dates"] == [{"qualifier": "431", "format": "D8", "value": "20260101"}]
        assert [(p["entity"], p["last_name"], p["taxonomy"]) for p in row["claim_parties"]] == [
            ("82", "WELBY", "208D00000X")
        ]
        assert row["claim_segments"] == list(CLAIM)
    line = {
        "line_number": "1", "procedure_qualifier": "HC", "procedure_code": "99213", "modifiers": ["25", "59"],
        "line_charge": "100", "unit": "UN", "quantity": "1", "line_place_of_service": "11", "service_date": "20260102",
        "diagnosis_pointers": ["1", "2"], "line_control": "L1", "line_segments": list(LINES[:4]),
    }  # fmt: skip
    assert {name: first[name] for name in line} == line
    assert (second["procedure_code"], second["modifiers"], second["quantity"]) == ("99214", [], "2")


def test_a_payment_with_what_stands_above_it() -> None:
    (row,) = rows(interchange(PAYMENT, kind="835"))
    texts = {
        "form": "835", "payment_amount": "80", "payment_method": "ACH", "payment_date": "20260103",
        "payment_number": "T1", "production_date": "20260101", "header_number": "1", "claim_id": "C1",
        "claim_status": "1", "claim_charge": "300", "claim_paid": "100", "patient_responsibility": "50",
        "payer_claim_id": "PC1", "procedure_code": "99213", "modifiers": ["25"], "line_charge": "300",
        "line_paid": "100", "quantity": "1", "submitted_quantity": "2", "service_date": "20260102",
        "payment_balanced": True, "claim_balanced": True, "line_balanced": False,
    }  # fmt: skip
    assert {name: row[name] for name in texts} == texts
    assert (row["payer"]["last_name"], row["payee"]["id"], row["payee"]["tax_id"]) == ("PAYER", "1234567893", "12")
    assert row["patient"]["first_name"] == "JO"
    adjustments = [tuple(a.values()) for a in row["claim_adjustments"] + row["line_adjustments"]]
    assert adjustments == [("PR", "1", "20", "1"), ("PR", "2", "30", None), ("CO", "45", "150", None)]
    assert [tuple(a.values()) for a in row["provider_adjustments"]] == [
        ("1234567893", "20261231", "WO", "REF1", "15"),
        ("1234567893", "20261231", "L6", None, "5"),
    ]
    assert row["line_remarks"] == [{"qualifier": "HE", "code": "N1"}]


@pytest.mark.parametrize(
    ("edits", "flags"),
    [
        ({}, (True, True, False)),
        ({"CAS*CO*45*150": "CAS*CO*45*200"}, (True, False, True)),
        ({"CAS*CO*45*150": "CAS*CO*45*200", "CAS*PR*1*20*1*2*30": "QTY*CA*1"}, (True, True, True)),
        ({"BPR*I*80*": "BPR*I*80.01*"}, (False, True, False)),
        ({"BPR*I*80*": "BPR*I*8O*"}, (None, True, False)),
        ({"SVC*HC:99213:25*300*100*": "SVC*HC:99213:25**100*"}, (True, True, None)),
        ({"CLP*C1*1*300*100*": "CLP*C1*22*-300*-100*", "BPR*I*80*": "BPR*I*-120*"}, (True, False, False)),
    ],
)
def test_whether_a_payment_adds_up(edits: dict[str, str], flags: tuple[bool | None, ...]) -> None:
    data = interchange(PAYMENT, kind="835").decode()
    for old, new in edits.items():
        assert old in data
        data = data.replace(old, new)
    (row,) = rows(data.encode())
    assert (row["payment_balanced"], row["claim_balanced"], row["line_balanced"]) == flags


@pytest.mark.parametrize(
    ("charge", "balanced"), [("300", True), ("300.00", True), ("301", False), ("", None), ("x", None)]
)
def test_whether_a_claim_adds_up(charge: str, balanced: bool | None) -> None:
    data = interchange(CLAIMS).replace(b"CLM*C1*300*", f"CLM*C1*{charge}*".encode())
    assert [row["claim_balanced"] for row in rows(data)] == [balanced, balanced]


@pytest.mark.parametrize(
    ("guide", "form", "line", "charge"),
    [
        ("005010X222A1", "837P", "SV1*HC:99213*300*UN*1", "300"),
        ("005010X223A2", "837I", "SV2*0300*HC:99213*300*UN*1", "300"),
        ("005010X224A2", "837D", "SV3*AD:99213*300****1", "300"),
        ("004010X098A1", "837P", "SV1*HC:99213*300*UN*1", "300"),
        ("004010X096A1", "837I", "SV2*0300*HC:99213*300*UN*1", "300"),
        ("005010", "837", "SV1*HC:99213*300*UN*1", "300"),
    ],
)
def test_professional_institutional_and_dental(guide: str, form: str, line: str, charge: str) -> None:
    data = interchange((*HEAD, *BILLING, *SUBSCRIBER, *CLAIM, "LX*1", line)).replace(b"005010X222A1", guide.encode())
    (row,) = rows(data)
    assert (row["form"], row["line_charge"], row["procedure_code"], row["quantity"]) == (form, charge, "99213", "1")
    assert row["revenue_code"] == ("0300" if form == "837I" else None)
    assert row["claim_balanced"] is True


def test_what_has_none_below_it_has_a_row_nevertheless() -> None:
    alone = (*HEAD, *BILLING, *SUBSCRIBER, *CLAIM, "CLM*C2*1", *LINES, "CLM*C3*2")
    found = rows(interchange(alone, HEAD))
    assert [(row["claim_id"], row["line_number"], row["transaction"]) for row in found] == [
        ("C1", None, "0001"),
        ("C2", "1", "0001"),
        ("C2", "2", "0001"),
        ("C3", None, "0001"),
        (None, None, "0002"),
    ]
    (row,) = rows(interchange((*PAYER, *PLB), kind="835"))
    assert (row["claim_id"], row["payment_balanced"], len(row["provider_adjustments"])) == (None, False, 2)


def test_levels_stand_where_the_hierarchy_puts_them() -> None:
    first = ("HL*2*1*22*1", "SBR*P", "NM1*IL*1*ONE")
    patient = ("HL*3*2*23*0", "PAT*19", "NM1*QC*1*CHILD")
    second = ("HL*4*1*22*0", "SBR*S", "NM1*IL*1*TWO")
    nobody = ("HL*5*1*22*0", "SBR*T", "NM1*IL*1*THREE")
    other = ("HL*6**20*1", "NM1*85*2*OTHER")
    body = (*HEAD, *BILLING, *first, *patient, "CLM*A*1", *second, "CLM*B*1", *nobody, *other, "HL*7*6*22*0", "CLM*C*1")
    found = rows(interchange(body))
    who = [
        (r["claim_id"], *(r[w] and r[w]["last_name"] for w in ("billing_provider", "subscriber", "patient")))
        for r in found
    ]
    assert who == [("A", "GROUP", "ONE", "CHILD"), ("B", "GROUP", "TWO", None), ("C", "OTHER", None, None)]
    assert found[0]["patient_relationship"] == "19"
    assert found[0]["level_segments"] == [*BILLING, *first, *patient]
    assert found[0]["other_segments"] == [*nobody, f"SE*{len(body) + 2}*0001"]


def test_other_payers_stay_apart() -> None:
    other = ("SBR*S*18*G2", "CAS*PR*1*7", "AMT*D*70", "NM1*IL*1*ELSE", "NM1*PR*2*OTHER", "REF*F8*X")
    body = (
        *HEAD,
        *BILLING,
        *SUBSCRIBER,
        *CLAIM,
        *other,
        *LINES,
        "SVD*P2*70*HC:99214",
        "CAS*PR*1*7",
        "DTP*573*D8*20260105",
    )
    found = rows(interchange(body))
    assert {row["payer_claim_id"] for row in found} == {None}
    assert [len(row["claim_parties"]) for row in found] == [1, 1]
    assert found[0]["claim_amounts"] == []
    assert found[0]["claim_segments"] == [*CLAIM, *other]
    assert found[1]["line_segments"][-3:] == list(body[-3:])
    assert found[1]["line_dates"] == []


REAL: list[tuple[str, X12, list[str], list[int], dict[str, Any]]] = [
    ("835/835_mult_loops.txt", X12(), ["2005555A"], [3], {"claim_balanced": True, "payment_balanced": True}),
    (
        "835/emedny_sample.txt",
        X12(),
        ["PATIENT ACCOUNT NUMBER"] * 3,
        [4, 2, 4],
        {"claim_balanced": True, "payment_balanced": True, "line_balanced": True, "payment_amount": "45.75"},
    ),
    (
        "835/united_healthcare_legacy_sample.txt",
        X12(),
        ["001-18573-358", "001-18604-358"],
        [2, 3],
        {"claim_balanced": True, "payment_balanced": True, "line_balanced": True, "procedure_qualifier": "HC"},
    ),
    (
        "imsweb-837/x12_valid.txt",
        X12(counts=False),
        ["A37YH556", "A37YH667"],
        [1, 1],
        {"form": "837P", "claim_charge": "500"},
    ),
    (
        "imsweb-837/x12_valid_different_separators.txt",
        X12(counts=False),
        ["A37YH556", "A37YH667"],
        [1, 1],
        {"place_of_service": "11", "modifiers": ["25"], "claim_balanced": False},
    ),
    ("imsweb-837/x12_bad_segment_identifier.txt", X12(counts=False), ["A37YH556", "A37YH667"], [1, 1], {}),
    ("imsweb-837/x12_missing_elements.txt", X12(counts=False), ["A37YH556", "A37YH667"], [1, 1], {}),
    ("imsweb-837/x12_segments_out_of_order.txt", X12(counts=False), ["A37YH556", "A37YH667"], [1, 1], {}),
    ("imsweb-837/x12_multiple_gs.txt", X12(counts=False), ["A37YH556", "A37YH667"] * 3, [1] * 6, {}),
    ("imsweb-837/x12_multiple_st.txt", X12(counts=False), ["A37YH556", "A37YH667"] * 2, [1] * 4, {}),
    (
        "imsweb-837/x12_multiple_isa.txt",
        X12(counts=False),
        ["A37YH556", "A37YH667", "A37YH5561", "A37YH6672"],
        [1] * 4,
        {"usage": "T"},
    ),
    (
        "imsweb-837/x12_complex.txt",
        X12(counts=False),
        ["A37YH556", "A37YH667", "A37YH668"] * 2,
        [2, 1, 2, 2, 1, 2],
        {"form": "837P"},
    ),
    ("imsweb-837/x12_writer_test.txt", X12(counts=False), ["A37YH556"], [1], {"service_date": "20200524-20200528"}),
    (
        "imsweb-837/x223-test.txt",
        X12(counts=False),
        ["A37YH556"],
        [1],
        {
            "form": "837I",
            "revenue_code": "0300",
            "procedure_code": "81099",
            "line_charge": "73.42",
            "patient_status": "30",
        },
    ),
]


@pytest.mark.parametrize(("name", "reader", "claims", "lines", "values"), REAL, ids=[r[0] for r in REAL])
def test_a_real_file(
    realdata: Path, name: str, reader: X12, claims: list[str], lines: list[int], values: dict[str, Any]
) -> None:
    data = (realdata / "sources/x12" / name).read_bytes()
    found = rows(data, reader)
    assert [row["claim_id"] for row in found] == [c for c, n in zip(claims, lines, strict=True) for _ in range(n)]
    for row in found:
        assert {column: row[column] for column in values} == values
    end, separator = data.decode()[105], data.decode()[3]
    segments = {text.strip() for text in data.decode().split(end)} - {""}
    left = {text for text in segments if text.split(separator)[0] not in ("GE", "IEA")}
    assert {text.strip() for text in kept(found)} == left


REFUSED: list[tuple[str, type[DataError], str]] = [
    ("835/blue_cross_nc_sample.txt", Unreadable, "begins with ST: its ISA segment"),
    ("imsweb-837/x12_no_isa_line.txt", Unreadable, "begins with GS: its ISA segment"),
    ("imsweb-837/x12_bad_first_line.txt", Damaged, "not 106 bytes long"),
    ("imsweb-837/x12_277CA_rejected.txt", UnknownFormat, "transaction set 277, a claim acknowledgment"),
    ("imsweb-837/x12_999_accepted.txt", UnknownFormat, "transaction set 999, an implementation acknowledgment"),
    ("imsweb-837/x12_999_rejected.txt", UnknownFormat, "transaction set 999"),
    ("imsweb-837/x12_valid.txt", Miscounted, "SE01 of a transaction counts 25 segments, but 34 came"),
    ("imsweb-837/x12_multiple_st.txt", Miscounted, "GE01 at byte 2,208 counts 1, but 2 came"),
    ("imsweb-837/x12_multiple_gs.txt", Miscounted, "IEA01 at byte 3,410 counts 1, but 3 came"),
]


@pytest.mark.parametrize(("name", "error", "said"), REFUSED, ids=[r[0] for r in REFUSED])
def test_a_real_file_that_is_refused(realdata: Path, name: str, error: type[DataError], said: str) -> None:
    with pytest.raises(error, match=said):
        read((realdata / "sources/x12" / name).read_bytes())


GOOD = interchange(CLAIMS, CLAIMS)


def edited(*edits: tuple[str, str]) -> bytes:
    data = GOOD.decode()
    for old, new in edits:
        assert old in data
        data = data.replace(old, new)
    return data.encode()


BROKEN: list[tuple[str, bytes, type[DataError], str]] = [
    ("empty", b"", Unreadable, "neither declared nor drafted"),
    ("text", b"a,b\n1,2\n", Unreadable, "no X12"),
    ("small letters", GOOD.lower(), Unreadable, "not in capitals"),
    ("EDIFACT", b"UNA:+.? 'UNB+UNOA:1+S+R'", Unreadable, "EDIFACT"),
    ("a short ISA", GOOD[:50] + GOOD[51:], Damaged, "106 bytes"),
    ("cut off in ISA", GOOD[:90], Damaged, "106 bytes"),
    ("one character for two", GOOD[:104] + b"*" + GOOD[105:], Damaged, "twice"),
    ("cut off in a segment", GOOD[: GOOD.index(b"CLM") + 9], Damaged, "ends within what ST opens"),
    ("cut off behind a segment", GOOD[: GOOD.index(b"CLM")], Damaged, "ends within what ST opens"),
    ("cut off behind a transaction", GOOD[: GOOD.rindex(b"ST*")], Damaged, "ends within what GS opens"),
    ("cut off before IEA", GOOD[: GOOD.index(b"IEA")], Damaged, "ends within what ISA opens"),
    ("no SE", edited(("SE*28*0001~\n", "")), Damaged, "ST stands in what ST opened"),
    ("no GS", edited(("GS*HC*S*R*20260101*0802*7*X*005010X222A1~\n", "")), Damaged, "ST stands in what ISA opened"),
    ("no ST", edited(("ST*837*0002*005010X222A1~\n", "")), Damaged, "(HL|BHT) stands in what GS opened"),
    ("more behind it", GOOD + b"and more", Unreadable, "no X12"),
    ("another number in SE", edited(("SE*28*0001", "SE*28*0003")), Damaged, "SE at byte .* another control number"),
    ("another number in GE", edited(("GE*2*7", "GE*2*8")), Damaged, "GE at byte .* another control number"),
    ("another number in IEA", edited(("IEA*1*000000001", "IEA*1*000000002")), Damaged, "IEA at byte"),
    ("a segment is lost", edited(("DTP*431*D8*20260101~\n", "")), Miscounted, "SE01 .* counts 28 segments, but 27"),
    ("a transaction is lost", edited(("GE*2*7", "GE*3*7")), Miscounted, "GE01 at byte .* counts 3, but 2 came"),
    ("a group is lost", edited(("IEA*1*", "IEA*2*")), Miscounted, "IEA01 at byte .* counts 2, but 1 came"),
    ("two kinds", GOOD + interchange(PAYMENT, kind="835"), UnknownFormat, "transaction set 835 at byte .*, where 837"),
    ("not UTF-8", edited(("DOE", "D\x80E")).replace(b"\xc2\x80", b"\x80"), Unreadable, "not utf-8 at byte"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "error", "said"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_what_does_not_hold_together(data: bytes, error: type[DataError], said: str) -> None:
    with pytest.raises(error, match=said):
        read(data)


def test_an_acknowledgment_alone_is_another_format() -> None:
    data = GOOD[: GOOD.index(b"GS*")] + b"TA1*000000001*260101*1253*A*000~\nIEA*0*000000001~\n"
    with pytest.raises(UnknownFormat, match="TA1"):
        read(data)


def test_other_kinds_than_the_declared_one_are_refused() -> None:
    with pytest.raises(UnknownFormat, match="where 835 belongs"):
        read(GOOD, X12(kind="835"))
    with pytest.raises(ValidationError):
        X12(kind="999")


NAMES = ["HL*1**20", "HL*2*1*22", "HL*3*2*23", "CLM*1*2", "LX*1", "SV1*HC:1*2", "SVC*HC:1*2*3", "CLP*1*1*2*3"]
MORE = ["PLB*1*2*WO:1*5", "NM1*IL*1*X", "REF*1*2", "*1", "", "CLM", "LX", "SE2*1", "CAS*CO*1", "HI**", "N4"]

ENROLLMENT = (
    "BGN*00*12456*20260101*1200****2",
    "N1*P5*ACME*FI*123456789",
    "INS*Y*18*021*20*A***FT",
    "REF*0F*M1",
    "NM1*IL*1*DOE*JO",
    "HD*021**HLT*A:B^C",
)


def segments(data: bytes) -> list[tuple[str, list[str]]]:
    """Each segment of transactions, by its name and elements, as simply as `*` and `~` allow it."""
    split = [text.strip().split("*") for text in data.decode().split("~")]
    inside = accumulate(({"ST": 1, "SE": -1}.get(name, 0) for name, *_ in [[""], *split[:-1]]), initial=0)
    return [(name, rest) for (name, *rest), n in zip(split, list(inside)[1:], strict=True) if n or name == "ST"]


def test_transactions_of_any_set_are_rows_of_segments() -> None:
    data = interchange(ENROLLMENT, ENROLLMENT[:1], kind="834") + interchange(CLAIMS, number=2)
    found = rows(data, X12(kind="segments"))
    assert [(r["segment"], [value or "" for value in r["elements"]]) for r in found] == segments(data)
    places = [(r["transaction_set"], r["interchange"], r["transaction"], r["position"]) for r in found]
    counted = [("834", 1, "0001", 8), ("834", 1, "0002", 3), ("837", 2, "0001", len(CLAIMS) + 2)]
    assert places == [(of, f"{i:09}", t, at) for of, i, t, n in counted for at in range(1, n + 1)]
    assert {(r["version"], r["component_separator"], r["repetition_separator"]) for r in found} == {
        ("005010X220A1", ":", "^"), ("005010X222A1", ":", "^"),
    }  # fmt: skip
    assert found[2]["elements"] == ["P5", "ACME", "FI", "123456789"]
    assert found[1]["elements"][4:] == [None, None, None, "2"]
    assert [text[:3] for text in found[0]["envelope_segments"]] == ["ISA", "GS*", "ST*"]


def test_a_set_that_has_no_columns_of_its_own_is_refused_with_what_takes_it() -> None:
    with pytest.raises(UnknownFormat, match=r"set 834, an enrollment, at byte .*X12\(kind='segments'\) takes any"):
        read(interchange(ENROLLMENT, kind="834"))


@pytest.mark.parametrize(("data", "error", "said"), [b[1:] for b in BROKEN[1:-2]], ids=[b[0] for b in BROKEN[1:-2]])
def test_segments_of_what_does_not_hold_together(data: bytes, error: type[DataError], said: str) -> None:
    with pytest.raises(error, match=said):
        read(data, X12(kind="segments"))


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.sampled_from([*NAMES, *MORE]), max_size=9), min_size=1, max_size=4),
    st.sampled_from(["", "\n", "\r\n"]),
    st.integers(1, 600),
    st.integers(1, 400),
)
def test_segments_are_read_wherever_they_are_cut(bodies: list[list[str]], between: str, size: int, most: int) -> None:
    data, reader = interchange(*bodies, kind="834", between=between), X12(kind="segments", counts=False)
    found = read(data, reader).to_pylist()
    assert [(r["segment"], [value or "" for value in r["elements"]]) for r in found] == [
        (name, rest) for name, rest in segments(data) if name or rest
    ]
    cut = list(reader.cut(Dribble(data, most), size))  # type: ignore[arg-type]
    assert [row for piece in cut for row in reader.read(piece)[0].to_pylist()] == found


def test_an_empty_file_of_a_declared_kind_has_columns() -> None:
    table = read(b"", X12(kind="835"))
    assert table.num_rows == 0
    assert "claim_paid" in table.column_names


def test_a_transaction_has_a_limit() -> None:
    data = interchange((*HEAD, *BILLING, *SUBSCRIBER, *(f"CLM*{n}*1" for n in range(300_000))))
    with pytest.raises(Unreadable, match="open at byte 149 is longer than 1,000,000 bytes"):
        pieces(data, X12(max_transaction=1_000_000))


def test_other_encodings() -> None:
    data = interchange(CLAIMS).decode().replace("DOE", "MÜLLER").encode("latin-1")
    assert {row["subscriber"]["last_name"] for row in rows(data, X12(encoding="latin-1"))} == {"MÜLLER"}


SEPARATORS = ["*:^~", "|>!\n", "~^`_", "\x1d\x1f\x1c\x1e", "*:U~"]


@pytest.mark.parametrize("separators", SEPARATORS)
@pytest.mark.parametrize("between", ["", "\n", "\r\n", " \n"])
def test_separators_are_those_that_are_declared(separators: str, between: str) -> None:
    first = interchange(CLAIMS, separators=separators, between=between)
    found = rows(b"\xef\xbb\xbf" + first + interchange(CLAIMS, number=2) + b"\x1a")
    assert [(row["claim_id"], row["procedure_code"], row["interchange"]) for row in found] == [
        ("C1", code, number) for number in ("000000001", "000000002") for code in ("99213", "99214")
    ]
    assert found[0]["claim_segments"] == [text.translate(str.maketrans("*:^~", separators)) for text in CLAIM]


LETTERS = st.text("ABC 0123456789.-'", min_size=1, max_size=6).map(str.strip).filter(bool)


@st.composite
def claims(draw: st.DrawFn) -> list[tuple[str, list[str]]]:
    """Claims by their id and the procedures of their lines."""
    return draw(st.lists(st.tuples(LETTERS, st.lists(LETTERS, max_size=3)), max_size=4))


def written(kind: str, made: list[tuple[str, list[str]]]) -> list[str]:
    body = [*HEAD, *BILLING, *SUBSCRIBER] if kind == "837" else [*PAYER, "LX*1"]
    for name, lines in made:
        body.append(f"CLM*{name}*1" if kind == "837" else f"CLP*{name}*1*1*1")
        for nth, line in enumerate(lines):
            body += [f"LX*{nth}", f"SV1*HC:{line}*1"] if kind == "837" else [f"SVC*HC:{line}*1*1"]
    return body


@settings(max_examples=40)
@given(
    st.sampled_from(["837", "835"]),
    st.lists(st.lists(claims(), min_size=1, max_size=3), min_size=1, max_size=3),
    st.sampled_from(SEPARATORS),
    st.sampled_from(["", "\n", "\r\n"]),
    st.integers(1, 3_000),
    st.integers(1, 400),
)
def test_what_is_written_is_read_wherever_it_is_cut(
    kind: str, made: list[list[list[tuple[str, list[str]]]]], separators: str, between: str, size: int, most: int
) -> None:
    data = b"".join(
        interchange(
            *[written(kind, t) for t in transactions], kind=kind, separators=separators, between=between, number=n
        )
        for n, transactions in enumerate(made, 1)
    )
    cut = list(X12().cut(Dribble(data, most), size))  # type: ignore[arg-type]
    assert [p.first_record for p in cut] == [1 + sum(p.records or 0 for p in cut[:n]) for n in range(len(cut))]
    offsets = [*(piece.offset for piece in cut), len(data)]
    assert offsets[0] == 0
    for piece, start, stop in zip(cut, offsets, offsets[1:], strict=False):  # its bytes, behind a copy of ISA and GS
        copy = piece.data.removesuffix(data[start:stop])
        assert copy == b"" or copy[:3] + copy[106:108] == b"ISAGS"
        assert len(copy) + stop - start == len(piece.data)
    found = read(data, size=size).to_pylist()
    expected = [
        (f"{n:09}", f"{t:04}", name, line)
        for n, transactions in enumerate(made, 1)
        for t, transaction in enumerate(transactions, 1)
        for name, lines in transaction or [(None, [])]
        for line in lines or [None]
    ]
    assert [(r["interchange"], r["transaction"], r["claim_id"], r["procedure_code"]) for r in found] == expected
    as_one = Piece(data=b"".join(piece.data for piece in cut), offset=0, first_record=1, records=len(found))
    assert X12(kind=kind).read(as_one)[0].to_pylist() == found == read(data).to_pylist()


@settings(max_examples=60)
@given(st.sampled_from(["837", "835"]), st.lists(st.sampled_from(NAMES + MORE), max_size=14))
def test_segments_in_any_order_are_counted_and_kept(kind: str, body: list[str]) -> None:
    unique = [f"{text}*u{n}" if "*" in text else text for n, text in enumerate(body)]
    data = interchange(unique, kind=kind)
    assert kept(rows(data, X12(counts=False))) >= {text for text in unique if text}


@pytest.mark.parametrize(
    ("kind", "body", "declared", "records", "about"),
    [
        ("837", CLAIMS, X12(), 2, "claim_id: CLM01, "),
        ("835", PAYMENT, X12(), 1, "claim_id: CLP01, "),
        ("834", ENROLLMENT, X12(kind="segments"), 8, "transaction_set: ST01, "),
    ],
)
def test_the_whole_way_into_a_table(
    kind: str, body: Sequence[str], declared: X12, records: int, about: str, local_lake: Lake, tmp_path: Path
) -> None:
    data = interchange(*[body] * 50, kind=kind)
    staged = stage(data, "x.edi", declared, tmp_path, 2_500)
    assert len(staged.parts) > 3
    fs = LocalFileSystem()
    reader = settled(declared, [staged], fs)
    shares = split(staged, reader, 2, fs)
    tables = Tables(local_lake.catalog_properties(), local_lake.url())
    folder = tables.folder("raw.party_x12")
    to = Target(drop="d", file="x.edi", columns=(), rows=folder, rejects=folder)
    done = convert_file(shares, reader, to, fs, 2)
    assert (done.records, done.rows, done.rejected) == (50 * records, 50 * records, 0)
    mark = {"fingerprint": "f", "run": "r"}
    tables.replace("raw.party_x12", shares.schema, {"_drop": "d"}, done.files, mark=("drop", "d", mark))
    table = tables.catalog.load_table("raw.party_x12")
    back = table.scan().to_arrow().sort_by("_record")
    assert back.drop_columns(["_drop", "_file"]).to_pylist() == read(data, declared).to_pylist()
    name = about.partition(":")[0]
    assert table.schema().find_field(name).doc.startswith(about)
