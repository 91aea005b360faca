import doctest
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.labelled import Labelled, header_only, labelled
from bench.recognise import Told, by_name, flags, of_texts, told
from spark.profiling.profiles import ColumnProfile
from spark.recognising import checks, hidden, recognise, recognise_table
from spark.recognising import words as splitting
from spark.recognising.words import words

REALDATA = Path(os.environ.get("INLET_REALDATA", ""))
real = pytest.mark.skipif("INLET_REALDATA" not in os.environ, reason="INLET_REALDATA names no folder of real files")


def column(name: str = "col7", *values: str, **more: object) -> ColumnProfile:
    given_ = {"values": dict.fromkeys(values, 1), "sampled": len(values), "rows": len(values)}
    return ColumnProfile.model_validate({"name": name.lower(), "original": name, **given_, **more})


def best(name: str = "col7", *values: str, **more: object) -> tuple[str, str | None]:
    found = recognise(column(name, *values, **more))
    return (found[0].kind, found[0].phi) if found else ("", None)


NPIS = ("1234567893", "1245319599", "1679576722", "1255334207")
SNOMEDS = ("195662009", "410620009", "185347001", "232353008")
ADDRESSES = ("12 Main St", "7 Oak Avenue Apt 4", "PO Box 12", "900 N 3rd Rd")

BY_VALUES: list[tuple[str, str | None, Sequence[str]]] = [
    ("npi", None, NPIS),
    ("taxonomy", None, ("207RC0000X", "1041C0700X", "261QM0801X", "103TC0700X")),
    ("icd10cm", None, ("E11.9", "I10", "C4A.0", "Z3A.20", "S72.001A")),
    ("icd10cm", None, ("e119", "i10", "z3a20", "m54")),
    ("icd10pcs", None, ("0DTJ4ZZ", "02703DZ", "B2111ZZ", "4A023N7")),
    ("icd9cm", None, ("25000", "4019", "V5869", "E8889", "0389")),
    ("hcpcs", None, ("99213", "G0008", "J1885", "A0425", "0001F")),
    ("ndc", None, ("0002-5123-30", "0078-0630-35", "64764-301-14", "12345-6789-0")),
    ("loinc", None, ("8302-2", "29463-7", "72514-3", "2160-0")),
    ("snomed", None, SNOMEDS),
    ("dea", None, ("AB1234563", "BX1234563", "FS1234563", "M91234563")),
    ("ssn", "ssn", ("123-45-6789", "219-09-9999", "457-55-5462", "001-01-0001")),
    ("ein", None, ("12-3456789", "95-1234567", "36-7654321", "04-1112223")),
    ("member_id", "health_plan_number", ("1EG4-TE5-MK73", "1EG4TE5MK72", "2A22C33YY44", "9AA9AA9AA99")),
    ("state", None, ("MA", "ny", "TX", "IN", "OR")),
    ("state", None, ("Massachusetts", "NEW YORK", "Texas", "District of Columbia")),
    ("country", None, ("United States", "Germany", "FRANCE", "Japan")),
    ("zip", "geography", ("02134-1000", "10001-0001", "60614-2222", "94103-9999")),
    ("phone", "phone", ("(617) 555-0123", "212-555-0199", "+1 415 555 0100", "303.555.0188")),
    ("email", "email", ("a@example.org", "B.C@Example.com", "d+e@mail.example.net")),
    ("url", "url", ("https://example.org/a", "http://example.com", "www.example.net/x?y=1")),
    ("ip", "ip", ("192.0.2.1", "198.51.100.7", "203.0.113.250", "2001:db8::1")),
    ("vehicle", "vehicle", ("1M8GDM9AXKP042788", "1HGCM82633A004352", "11111111111111111")),
    ("account", "account_number", ("4111 1111 1111 1111", "5500005555555559", "4012-8888-8888-1881")),
    ("device", "device", ("(01)00844588003288(17)141120", "(01)10884521062856(11)141231")),
    ("address", "geography", ADDRESSES),
    ("county", "geography", ("Cook County", "Orleans Parish", "Kings County")),
    ("city", "geography", ("Boston", "CHICAGO", "San Antonio", "Springfield", "Tulsa")),
    ("first_name", "name", ("Mary", "JAMES", "patricia", "Robert", "Linda")),
    ("last_name", "name", ("Nguyen", "HERNANDEZ", "Kowalski", "O'Brien", "Ramirez", "Schultz")),
    ("full_name", "name", ("Mary Smith", "SMITH, JOHN Q", "Robert Lee Jones", "Linda Nguyen")),
    ("organization", None, ("Mercy Hospital", "Acme Health LLC", "ST MARY CLINIC", "Blue Cross of X Inc.")),
    ("date", "date", ("2024-01-31", "2023-12-01", "1999-07-04")),
    ("date", "date", ("20240131", "19991231", "20000229")),
    ("date", "date", ("01/31/2024", "12/1/1999", "7/4/2001")),
    ("date", "date", ("31Jan2024", "04JUL1999", "01-Dec-2001")),
    ("date", "date", ("2024-01-31T10:00:00Z", "2023-12-01 08:15:00")),
    ("time", None, ("22:00", "05:30", "08:00:15")),
    ("sex", None, ("M", "F", "U")),
    ("race", None, ("White", "Black or African American", "ASIAN")),
    ("boolean", None, ("Y", "N")),
    ("money", None, ("$1,200.50", "$3.00", "-$7.25")),
    ("id", "other_number", ("3edac2e3-d223-6fae-d515-daf9d5a1b2c3", "9d188916-8390-282b-3ec2-73fcd5a1b2c4")),
    ("number", None, ("1.5", "-20.25", "3e-4", "7.125")),
    (
        "text",
        "text",
        ("the patient was seen in clinic and will return soon", "no change since the last visit, same doses"),
    ),
]


@pytest.mark.parametrize(("kind", "phi", "values"), BY_VALUES, ids=lambda given_: str(given_)[:30])
def test_values_alone(kind: str, phi: str | None, values: Sequence[str]) -> None:
    assert best("col7", *values) == (kind, phi)


NEAR = [
    ("npi", "1234567890", "1245319590", "1679576720", "2234567893"),
    ("loinc", "8302-3", "29463-8", "72514-4", "2160-1"),
    ("snomed", "195662008", "410620008", "185347002", "232353001"),
    ("dea", "AB1234564", "BX1234560", "FS1234561", "M91234562"),
    ("vehicle", "1M8GDM9A0KP042788", "1HGCM82603A004352", "11111111211111111"),
    ("account", "4111111111111112", "5500005555555550", "4012888888881882"),
    ("taxonomy", "207RC0000Y", "1041C0700", "961QM0801X", "103TC07000X"),
    ("ssn", "000-12-3456", "666-12-3456", "123-00-4567", "123-45-0000"),
    ("member_id", "1EG4-TE5-MK7S", "0EG4TE5MK72", "2L22C33YY44", "1BG4TE5MK72"),
    ("ip", "192.0.2.256", "1.2.3", "300.1.1.1", "1.2.3.4.5"),
    ("state", "XX", "ZZ", "QQ", "YY"),
]


@pytest.mark.parametrize(("kind", "values"), [(near[0], near[1:]) for near in NEAR])
def test_a_near_miss_is_not_said_by_its_values(kind: str, values: Sequence[str]) -> None:
    assert kind not in {one.kind for one in recognise(column("col7", *values))}


BY_NAME: list[tuple[str, str, str | None]] = [
    ("dob", "birth_date", "date"),
    ("bene_birth_dt", "birth_date", "date"),
    ("PatientDOB", "birth_date", "date"),
    ("ptdob", "birth_date", "date"),
    ("clm_from_dt", "service_date", "date"),
    ("DATE OF SERVICE", "service_date", "date"),
    ("NCH_BENE_DSCHRG_DT", "discharge_date", "date"),
    ("admittime", "admission_date", "date"),
    ("BENE_DEATH_DT", "death_date", "date"),
    ("paid_dt", "paid_date", "date"),
    ("created_at", "date", "date"),
    ("FILE_DATE", "date", None),
    ("Provider Enumeration Date", "date", None),
    ("prvdr_npi", "npi", None),
    ("NPI Deactivation Date", "date", None),
    ("dgns_cd", "diagnosis", None),
    ("ICD10_DX_1", "icd10cm", None),
    ("ICD9_PRCDR_CD_1", "icd9procedure", None),
    ("cpt_code", "hcpcs", None),
    ("HCPCS_1_MDFR_CD", "code", None),
    ("CLM_LINE_NDC_CD", "ndc", None),
    ("loinc", "loinc", None),
    ("Healthcare Provider Taxonomy Code_1", "taxonomy", None),
    ("prescriber_dea", "dea", None),
    ("mbi_id", "member_id", "health_plan_number"),
    ("hic", "member_id", "health_plan_number"),
    ("SubscriberNumber", "member_id", "health_plan_number"),
    ("policy_no", "member_id", "health_plan_number"),
    ("SSN", "ssn", "ssn"),
    ("MBR_SOC_SEC_NBR", "ssn", "ssn"),
    ("Employer Identification Number (EIN)", "ein", None),
    ("MRN", "mrn", "record_number"),
    ("chart_no", "mrn", "record_number"),
    ("Patient Account Number", "account", "account_number"),
    ("drivers_license_no", "license", "license_number"),
    ("Provider License Number_1", "license", None),
    ("license_plate", "vehicle", "vehicle"),
    ("device_serial_number", "device", "device"),
    ("zip5", "zip", "geography"),
    ("member_zip_cd", "zip", "geography"),
    ("Provider Business Mailing Address Postal Code", "zip", None),
    ("st", "state", None),
    ("BENE_FIPS_CNTY_CD", "county", "geography"),
    ("city_name", "city", "geography"),
    ("addr1", "address", "geography"),
    ("ADD_LINE_2", "address", "geography"),
    ("country_cd", "country", None),
    ("ph_num", "phone", "phone"),
    ("HOMEPHONE", "phone", "phone"),
    ("fax_no", "fax", "fax"),
    ("e-mail address", "email", "email"),
    ("client ip", "ip", "ip"),
    ("website", "url", "url"),
    ("BENE_1ST_NAME", "first_name", "name"),
    ("lastName", "last_name", "name"),
    ("Provider Last Name (Legal Name)", "last_name", None),
    ("Provider Other Last Name Type Code", "code", None),
    ("mbr_mid_init", "middle_name", "name"),
    ("patientName", "full_name", "name"),
    ("facility_name", "organization", None),
    ("sex_cd", "sex", None),
    ("BENE_RACE_CD", "race", None),
    ("age_years", "age", "date"),
    ("PATIENTID", "id", "other_number"),
    ("CLM_CNTL_NUM", "id", "other_number"),
    ("provider_id", "id", None),
    ("CLM_LINE_NUM", "number", None),
    ("days_supply", "number", None),
    ("TOT_RX_CST_AMT", "money", None),
    ("is_active", "boolean", None),
    ("clinical_notes", "text", "text"),
    ("REASONDESCRIPTION", "description", None),
    ("lat", "coordinates", "geography"),
    ("PROGRAM_YEAR", "year", None),
    ("photo", "photo", "photo"),
    ("fingerprint", "biometric", "biometric"),
]


@pytest.mark.parametrize(("name", "kind", "phi"), BY_NAME)
def test_names_alone(name: str, kind: str, phi: str | None) -> None:
    assert best(name) == (kind, phi)


def test_nothing_is_said_where_nothing_fits() -> None:
    assert recognise(column("qzx")) == ()


BOTH: list[tuple[str, Sequence[str], str, str | None]] = [
    ("npi", ("8914837640", "6513947302", "426619309"), "npi", None),  # CMS's synthetic files have no right digits
    ("CODE", SNOMEDS, "snomed", None),
    ("DIAGNOSIS1", SNOMEDS, "snomed", None),
    ("dx", ("E119", "I10", "J449", "N186"), "icd10cm", None),
    ("NAME", ("STURDY MEMORIAL HOSPITAL", "CAMBRIDGE HEALTH ALLIANCE", "MERCY CLINIC INC"), "organization", None),
    ("NAME", ("Mary Smith", "John Q. Jones", "Linda Nguyen", "Robert Lee"), "full_name", "name"),
    ("START_YEAR", ("2014-10-14T04:17:47Z", "2015-10-20T04:17:47Z"), "date", "date"),
    ("zip", ("2134", "60614", "941030001"), "zip", "geography"),  # a spreadsheet's lost zeros
    ("st", ("25", "36", "06"), "state", None),
    ("dob", (" 1950-01-01", "1961-12-31 ", "9999-12-31", "", "N/A", "1900-01-01"), "birth_date", "date"),
    ("dob", ("1950", "1961-12"), "birth_date", "date"),
    ("email", ("A@EXAMPLE.ORG ", "unknown", "b@example.org", "c\ufffdd@example.org"), "email", "email"),
    ("phone", ("6175550123", "2125550199", "4155550100x12", "N/A"), "phone", "phone"),
    ("first", ("Curt84", "Jackie93", "Maynard46"), "first_name", "name"),
    ("status", ("A", "T", "P"), "code", None),
]


@pytest.mark.parametrize(("name", "values", "kind", "phi"), BOTH)
def test_name_and_values_together(name: str, values: Sequence[str], kind: str, phi: str | None) -> None:
    assert best(name, *values) == (kind, phi)


@pytest.mark.parametrize(
    ("type_", "values", "expected"),
    [
        ("date32[day]", ("2024-01-31",), ("date", "date")),
        ("timestamp[us]", ("2017-03-14 15:36:56.546000",), ("date", "date")),
        ("double", tuple(f"{npi}.0" for npi in NPIS), ("npi", None)),
        ("int64", NPIS, ("npi", None)),
        ("bool", ("true", "false"), ("boolean", None)),
        ("double", ("19983.6", "43441.437", "0.0"), ("number", None)),
    ],
)
def test_typed_columns(type_: str, values: Sequence[str], expected: tuple[str, str | None]) -> None:
    assert best("col7", *values, type=type_) == expected


@pytest.mark.parametrize(
    ("path", "phi"),
    [("member.last_name", "name"), ("billing_provider.last_name", None), ("provider.patient.last_name", "name")],
)
def test_whose_a_field_within_a_column_is_the_column_says(path: str, phi: str | None) -> None:
    field = column("last_name", "Lee", "Garcia", "Brown").model_copy(update={"name": path})
    assert [found.phi for found in recognise(field) if found.kind == "last_name"] == [phi]


def test_a_label_says_what_a_name_does_not() -> None:
    assert best("RIDAGEYR", label="Age at Screening Adjudicated - Recode") == ("age", "date")
    assert best("SEQN", "41475", "41476", "41477", label="Respondent sequence number") == ("id", "other_number")


def test_a_name_that_its_values_contradict_is_doubted() -> None:
    found = {one.kind: one.confidence for one in recognise(column("npi", "Mercy Hospital", "Acme Health LLC"))}
    assert found.get("npi", 0.0) < 0.3 < found["organization"]


def test_examples_count_where_no_value_is_frequent() -> None:
    assert recognise(ColumnProfile(name="x", original="x", examples=NPIS))[0].kind == "npi"


VALUES = (
    "Zebulon Quartermain",
    "zq@example.org",
    "123-45-6789",
    "12 Hidden Lane",
    "Mr. Wu called 617-555-0123 on 1/2/2024",
)


@pytest.mark.parametrize("name", ["col7", "name", "note", "ssn", "address", "email"])
def test_evidence_shows_no_value(name: str) -> None:
    found = [*recognise(column(name, *VALUES)), *hidden(VALUES)]
    assert found
    said = " ".join(sentence for one in found for sentence in one.evidence)
    assert all(one.evidence for one in found)
    for secret in ("Zebulon", "zq@", "6789", "Hidden", "Wu", "0123", "2024"):
        assert secret not in said


def test_confidence_is_between_0_and_1_and_the_best_comes_first() -> None:
    for name, _, _ in BY_NAME:
        found = [one.confidence for one in recognise(column(name, *NPIS))]
        assert found == sorted(found, reverse=True)
        assert all(0 <= confidence <= 1 for confidence in found)


def tables(*columns: ColumnProfile) -> dict[str, str | None]:
    found = recognise_table({one.name: one for one in columns})
    return {name: kinds[0].phi if kinds else None for name, kinds in found.items()}


def test_a_registry_of_organizations_flags_none_of_its_addresses() -> None:
    registry = [column("Id"), column("NAME", "Mercy Hospital", "Acme Health LLC", "ST MARY CLINIC"), column("ADDRESS")]
    assert set(tables(*registry, column("PHONE"), column("ZIP")).values()) == {None}


@pytest.mark.parametrize("extra", ["BIRTHDATE", "PATIENT", "claim_id", "admit_dt", "SSN", "notes", "visit_type"])
def test_one_word_of_a_person_or_of_care_and_all_are_flagged(extra: str) -> None:
    registry = [column("NAME", "Mercy Hospital", "Acme Health LLC", "ST MARY CLINIC"), column("ADDRESS"), column("npi")]
    flagged = tables(*registry, column("ZIP"), column(extra))
    assert (flagged["address"], flagged["zip"]) == ("geography", "geography")


def test_a_table_without_a_sign_of_a_registry_is_flagged() -> None:
    assert set(tables(column("ADDRESS"), column("ZIP"), column("PHONE")).values()) == {"geography", "phone"}


HIDDEN = [
    ("reach her at a.b@example.org", {"email"}),
    ("SSN 123-45-6789 on file", {"ssn"}),
    ("call 617-555-0123 before noon", {"phone"}),
    ("MRN: 00123456 transferred", {"record_number"}),
    ("member id W123456789", {"health_plan_number"}),
    ("seen on 03/04/2024 and March 9, 2024", {"date"}),
    ("a 93 year old woman", {"date"}),
    ("Mrs. Kowalski reports pain", {"name"}),
    ("spoke with Linda Nguyen today", {"name"}),
    ("lives at 12 Oak Street", {"geography"}),
    ("charged 4111 1111 1111 1111", {"account_number"}),
    ("logged in from 192.0.2.17", {"ip"}),
    ("take 20 mg twice daily with food", set()),
    ("Acute viral pharyngitis (disorder)", set()),
    ("blood pressure 120/80, pulse 72, no change", set()),
    ("Encounter for symptom", set()),
]


@pytest.mark.parametrize(("text", "phi"), HIDDEN)
def test_what_texts_hide(text: str, phi: set[str]) -> None:
    assert {one.phi for one in hidden([text])} == phi


@pytest.mark.parametrize("piece", ["a", "A", "1", "1-", "a.", "Ab ", "12 a b ", "1 ", "a@", "x"])
def test_no_text_takes_long(piece: str) -> None:
    begun = time.process_time()
    hidden([piece * (10_000 // len(piece))])
    assert time.process_time() - begun < 1


def test_hidden_counts_texts_not_finds() -> None:
    (found,) = hidden(["a@example.org, b@example.org", "nothing", "c@example.org"])
    assert found.evidence == ("2 of 3 texts hold an e-mail address",)


def test_labels_with_numbers_of_persons_in_them_are_text() -> None:
    labels = ["Call back patient", "Left message with family", "Reach at 617-555-0123 instead"]
    assert best("description", *labels) == ("description", "text")
    assert best("description", *labels[:2]) == ("description", None)


DIGITS = st.text("0123456789", min_size=9, max_size=9)


@pytest.mark.parametrize(
    ("test", "write"),
    [
        (checks.npi, lambda d, last: f"1{d[1:]}{last}"),
        (checks.loinc, lambda d, last: f"{d[:5]}-{last}"),
        (checks.snomed, lambda d, last: f"1{d[:6]}00{last}"),
        (checks.dea, lambda d, last: f"AB{d[:6]}{last}"),
    ],
    ids=["npi", "loinc", "snomed", "dea"],
)
@given(digits=DIGITS)
def test_of_ten_check_digits_one_is_right(test: checks.Test, write: Callable[[str, int], str], digits: str) -> None:
    assert sorted(test(write(digits, last)) for last in range(10)) == [checks.SHAPE] * 9 + [1.0]


@pytest.mark.parametrize(
    ("test", "right"), [(checks.npi, NPIS), (checks.snomed, SNOMEDS), (checks.loinc, ("72514-3",))]
)
@given(data=st.data())
def test_no_digit_can_be_mistyped_unseen(test: checks.Test, right: Sequence[str], data: st.DataObject) -> None:
    code = data.draw(st.sampled_from(right))
    at = data.draw(st.sampled_from([n for n, c in enumerate(code) if c.isdigit()]))
    other = data.draw(st.sampled_from([d for d in "0123456789" if d != code[at]]))
    assert test(code) == 1.0 > test(code[:at] + other + code[at + 1 :])


@settings(max_examples=40)
@given(
    st.text(), st.lists(st.text(max_size=40), max_size=8), st.sampled_from(["string", "double", "date32[day]", "bool"])
)
def test_no_column_is_too_odd(name: str, values: list[str], type_: str) -> None:
    for one in recognise(column(name or "x", *values, type=type_)):
        assert 0 <= one.confidence <= 1
    hidden(values)


def test_the_docstring_is_true() -> None:
    assert doctest.testmod(splitting).failed == 0
    assert doctest.testmod(splitting).attempted == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("PRIMARYPATIENTINSURANCEID", "primary patient insurance id"),
        ("ADMTG_DGNS_CD", "admtg diagnosis code"),
        ("lastBilledDate1", "last billed date"),
        ("Provider Business Mailing Address Country Code (If outside U.S.)", None),
        ("statin", "statin"),
        ("ethnicity", "ethnicity"),
        ("candidate", "candidate"),
        ("icd-10-cm code", "icd10 code"),
        ("", ""),
    ],
)
def test_words(name: str, expected: str | None) -> None:
    assert words(name) == (expected if expected is not None else "provider business mailing address country code")


def test_a_wide_dataset_takes_less_than_a_second() -> None:
    wide = [column(name, *values) for _, _, values in BY_VALUES for name in ("col7", "prvdr_zip_cd", "BENE_DT")]
    wide = (wide * 3)[:330]
    begun = time.process_time()
    for one in wide:
        recognise(one)
    assert time.process_time() - begun < 1


FLOORS = {"tuning": (0.99, 0.83, 0.96), "held_out": (0.94, 0.81, 0.84)}
"""Recall and precision of flags, and the share of kinds that are right, below which somebody broke something."""


@real
@pytest.mark.parametrize("part", ["tuning", "held_out"])
def test_columns_of_real_samples(part: str) -> None:
    columns: list[Labelled] = list(labelled(REALDATA, "tuning" if part == "tuning" else "held_out"))
    found: list[Told] = told(columns)
    recall, precision, right = FLOORS[part]
    assert flags(found).recall >= recall
    assert flags(found).precision >= precision
    assert sum(kind in one.kinds for one, kind, _ in found) / len(found) >= right
    assert flags(told(columns, by_name)).recall >= 0.9


def test_columns_of_other_systems() -> None:
    score = flags(told(header_only("names")))
    assert score.recall >= 0.96
    assert score.precision >= 0.96


@real
def test_texts_of_presidio() -> None:
    found = of_texts(REALDATA / "pii/presidio/generated_small.json")
    for phi in ("email", "ssn", "phone", "account_number", "ip", "url"):
        assert found[phi].recall == 1
    assert found["name"].recall >= 0.6
