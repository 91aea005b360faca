"""Builders by tables of what goes in and what comes out, all cases of one in one query, and by random text."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pyarrow.csv as pacsv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from spark import mapping as m
from spark.mapping import Expression
from spark.values import quoted

Cases = dict[str | None, Any]

NOTHING: Cases = {None: None, "": None, "  ": None, "\t\r\n": None}


def dec(text: str) -> Decimal:
    return Decimal(text)


BUILDERS: dict[str, tuple[Expression, Cases]] = {
    # the example in CMS's paper, and another whose check digit is right
    "npi": (m.npi("v"), {
        "1234567893": "1234567893", " 1245319599\t": "1245319599", "1234567890": None, "123456789": None,
        "0000000000": None, "3234567893": None, "1234567893\u0085": None, "1234567893.0": None, "١٢٣٤٥٦٧٨٩٣": None,
    }),
    # type 2 diabetes, a Merkel cell carcinoma, COVID-19, an encounter's sequela with its placeholder
    "icd10cm": (m.icd10cm("v"), {
        "E11.9": "E119", "e119": "E119", "E119 ": "E119", "C4A.0": "C4A0", "U07.1": "U071", "S52.301A": "S52301A",
        "T36.0X1A": "T360X1A", "A00": "A00", "A00.": "A00", "250.00": None, "E1.19": None, "E11..9": None, "E": None,
        "S52.301AAA": None, "ı10": None,
    }),
    "icd10pcs": (m.icd10pcs("v"), {
        "0FT44ZZ": "0FT44ZZ", "0ft44zz": "0FT44ZZ", "0FT44Z": None, "0FT44ZZZ": None, "0FT44ZO": None, "0FT44ZI": None,
    }),
    # 250.00 diabetes, 038.9 septicaemia, V10.3 and E880.9 of the supplementary classifications
    "icd9cm": (m.icd9cm("v"), {
        "250.00": "25000", "25000": "25000", "038.9": "0389", "38.9": "0389", "8.45": "00845", "0389": "0389",
        "V10.3": "V103", "v103": "V103", "V1588": "V1588", "E880.9": "E8809", "E8809": "E8809", "E880": "E880",
        "486": "486", "486.": "486", "E88.09": None, "250.001": None, "25": None, "E11.9": None, "2500.0": None,
    }),
    "icd9procedure": (m.icd9procedure("v"), {
        "45.13": "4513", "4513": "4513", "45": "45", "45.1": "451", "451.3": None, "45.131": None, "4": None,
    }),
    # 0001F a performance measure, 0042T new technology, 0001U a laboratory's, 0001A and 0002M of the AMA's lists
    "hcpcs": (m.hcpcs("v"), {
        "99213": "99213", "00100": "00100", "g0008": "G0008", "J1100": "J1100", "0001F": "0001F", "0042t": "0042T",
        "0001U": "0001U", "0002M": "0002M", "0001A": "0001A", "100": None, "9921": None, "992131": None, "W1234": None,
        "99213-25": None, "7384": None,
    }),
    "revenue_code": (m.revenue_code("v"), {
        "0450": "0450", "450": "0450", "1": "0001", "0001": "0001", "0000": None, "04500": None, "A450": None,
    }),
    "place_of_service": (m.place_of_service("v"), {
        "11": "11", "1": "01", "01": "01", "00": None, "111": None, "O1": None,
    }),
    "drg": (m.drg("v"), {"470": "470", "0470": "470", "65": "065", "1": "001", "000": None, "1470": None, "OTH": None}),
    "bill_type": (m.bill_type("v"), {
        "111": "111", "0111": "111", "11x": "11X", "0131": "131", "011": None, "1111": None, "11": None,
    }),
    # the three forms of FDA's ten digits, and the two of which ten bare digits may be
    "ndc": (m.ndc("v"), {
        "0071-0155-23": "00071015523", "51655-089-52": "51655008952", "58118-1397-3": "58118139703",
        "58118-1397-03": "58118139703", "61392018345": "61392018345", " 61392018345 ": "61392018345",
        "0071015523": None, "5165508952": None, "071-0155-23": None, "51655-089-5": None, "0071-0155": None,
        "00000000000": None, "0000-0000-00": None, "OTHER": None, "61392018345.0": None,
    }),
    "ndc_product": (m.ndc_product("v"), {
        "0071-0155": "000710155", "51655-089": "516550089", "58118-1397": "581181397", "581181397": "581181397",
        "58118139": None, "0071-155": None, "0071-0155-23": None,
    }),
    "zip_code": (m.zip_code("v"), {
        "02703": "02703", "2703": "02703", "601": "00601", "721139203": "72113-9203", "72113-9203": "72113-9203",
        "27031234": "02703-1234", "2703-1234": "02703-1234", "6011234": "00601-1234", "12345-0000": "12345",
        "123450000": "12345", "12345-": "12345", "00000": None, "000000000": None, "123456": None, "12": None,
        "K1A 0B6": None, "1234567890": None, "ABCDE": None, "02703.0": None,
    }),
    "state": (m.state("v"), {
        "MA": "MA", "ma": "MA", "Massachusetts": "MA", "NEW YORK": "NY", "new  york": "NY", "N.Y.": "NY", "D.C.": "DC",
        "District of Columbia": "DC", "Puerto Rico": "PR", "Virgin Islands": "VI", "U.S. Virgin Islands": "VI",
        "AE": "AE", "Palau": "PW", "Ontario": None, "ON": None, "XX": None, "25": None, "~": None,
    }),
    "state fips": (m.state("v", "fips"), {
        "25": "MA", "5": "AR", "05": "AR", "72": "PR", "MA": "MA", "03": None, "025": None,
    }),
    "state ssa": (m.state("v", "ssa"), {
        "25": "MS", "5": "CA", "05": "CA", "40": "PR", "15": "IN", "54": None, "98": "GU", "99": None, "-": None,
    }),
    "sex": (m.sex("v"), {
        "M": "male", "f": "female", "Male": "male", "FEMALE": "female", "1": "male", "2": "female", "0": "unknown",
        "U": "unknown", "UNK": "unknown", "NS": "unknown", "Not Specified": "unknown", "X": "other", "O": "other",
        "A": "other", "N": "other", "9": None, "YR": None, "MF": None,
    }),
    "phone": (m.phone("v"), {
        "5082225200": "5082225200", "(508) 222-5200": "5082225200", "508.222.5200": "5082225200",
        "1-877-267-2323": "8772672323", "+1 508 222 5200": "5082225200", "+33 1 49 95 81 69": "+33149958169",
        "0149958169": None, "1082225200": None, "5081225200": None, "222-5200": None, "508-222-5200 x12": None,
        "+0123456789": None, "508/222/5200": "5082225200",
    }),
    "money": (m.money("v"), {
        "1234.5": dec("1234.50"), "$1,234.50": dec("1234.50"), "-12.30": dec("-12.30"), "(12.30)": dec("-12.30"),
        "12.30-": dec("-12.30"), "-$5": dec("-5.00"), "$-5": dec("-5.00"), "($5.00)": dec("-5.00"), "+7": dec("7.00"),
        "0": dec("0.00"), ".5": dec("0.50"), "5.": dec("5.00"), "12.345": dec("12.35"), "12.344": dec("12.34"),
        "-0000000013000.00": dec("-13000.00"), "1.2E+3": dec("1200.00"), "1E-3": dec("0.00"),
        "1.0E7": dec("10000000.00"),
        "9999999999999999.99": dec("9999999999999999.99"), "10000000000000000": None, "1,23": None, "1,234,5": None,
        "1.234,50": None, "1 234.50": None, "-(5)": None, "5-5": None, "--5": None, "-5-": None, "": None, "$": None,
        "-": None, ".": None, "1.2.3": None, "NaN": None, "1e": None, "12f": None, "twelve": None, "١٢": None,
    }),
    "money in Europe": (m.money("v", point=","), {
        "1.234,50": dec("1234.50"), "1.234,50 €": dec("1234.50"), "€ 12,30": dec("12.30"), "-12,3": dec("-12.30"),
        "1.234": dec("1234.00"), "1,5": dec("1.50"), "1.5": None, "1,234.50": None,
    }),
    "money in cents": (m.money("v", implied=2), {
        "123450": dec("1234.50"), "0000000123": dec("1.23"), "5": dec("0.05"), "-5": dec("-0.05"), "123-": dec("-1.23"),
        "0": dec("0.00"), "12.3": None, "1,234": None, "1E3": None,
    }),
    "quantity": (m.quantity("v"), {
        "30": dec("30.0000"), "-000000000000000001.5000": dec("-1.5000"), "0.33333": dec("0.3333"),
        "2,000": dec("2000.0000"),
    }),
    "date": (m.date("v", "MM/dd/yyyy", "yyyyMMdd", "d-MMM-yyyy"), {
        "12/31/2020": date(2020, 12, 31), "20201231": date(2020, 12, 31), "5-Jan-1999": date(1999, 1, 5),
        "02/29/2024": date(2024, 2, 29), "0001": None, "02/29/2023": None, "13/01/2020": None, "2/3/2020": None,
        "12/31/20": None, "2020-12-31": None, "12/31/2020x": None, "01/01/+12019": None, "01/01/-2019": None,
        "5-Jan-+1999": None, "01/01/0001": date(1, 1, 1), "12/31/9999": date(9999, 12, 31), "00000000": None,
    }),
    "date either way": (m.date("v", "MM/dd/yyyy", "dd/MM/yyyy"), {
        "01/02/2020": date(2020, 1, 2), "13/02/2020": date(2020, 2, 13), "13/13/2020": None,
    }),
    "date of two digits": (m.date("v", "MM/dd/yy", latest=2025), {
        "01/02/45": date(1945, 1, 2), "01/02/25": date(2025, 1, 2), "01/02/26": date(1926, 1, 2),
        "02/29/00": date(2000, 2, 29), "01/02/2025": None, "01/02/5": None,
    }),
    "date a century back": (m.date("v", "MM/dd/yy", latest=1999), {"02/29/00": None, "02/28/00": date(1900, 2, 28)}),
    "date with a letter": (m.date("v", "yyyy-MM-dd'T'HH:mm"), {
        "2020-01-02T03:04": date(2020, 1, 2), "2020-01-02": None,
    }),
    # SAS counts from 1960-01-01
    "sas_date": (m.sas_date("v"), {
        "0": date(1960, 1, 1), "21915": date(2020, 1, 1), "21915.0": date(2020, 1, 1), "-1": date(1959, 12, 31),
        "-715509": date(1, 1, 1), "2936549": date(9999, 12, 31), "2936550": None, "-715510": None, "1.5": None,
        "1e300": None, "NaN": None, "Infinity": None, ".": None, "2020-01-01": None,
    }),
    "partial_date": (m.partial_date("v"), {
        "2019": "2019", "201905": "2019-05", "2019-05": "2019-05", "20190512": "2019-05-12", "2019-05-12": "2019-05-12",
        "20190230": None, "2019-02-30": None, "201913": None, "201900": None, "2019-0512": None, "201905-12": None,
        "0001": None, "9999": None, "19": None, "2019-5": None, "20190500": None, "2019/05": None,
    }),
    "instant": (m.instant("v"), {
        "2023-01-27T16:17:47Z": datetime(2023, 1, 27, 16, 17, 47, tzinfo=UTC),
        "2023-01-27 16:17": datetime(2023, 1, 27, 16, 17, tzinfo=UTC),
        "2023-01-27T16:17:47.5-05:00": datetime(2023, 1, 27, 21, 17, 47, 500_000, tzinfo=UTC),
        "16:17": None, "2023-01-27": None, "2023-02-30T00:00:00Z": None, "2023-01-27T25:00:00Z": None, "now": None,
        "2023-01-27T16:17:47Z or so": None,
    }),
    "boolean": (m.boolean("v"), {
        "Y": True, "yes": True, "TRUE": True, "1": True, "n": False, "No": False, "0": False, "2": None, "maybe": None,
    }),
    "boolean of CMS": (m.boolean("v", yes=["1"], no=["2"]), {"1": True, "2": False, "Y": None, "0": None}),
    "code": (m.code("v", {"1": "individual", "it's": "a\\b"}), {
        "1": "individual", " 1 ": "individual", "it's": "a\\b", "2": None,
    }),
    "markup": (Expression(m.markup("v"), m.text("v")), {
        "CO<sub>2</sub> in <i>E. coli</i>\n\t &amp; more": "CO2 in E. coli & more",
        "a&lt;b &gt; &quot;c&apos;": "a<b > \"c'", "&#0; &#xD800; &#9999999; &nbsp;": "&#0; &#xD800; &#9999999; &nbsp;",
        "&#946;-blocker, 5 &#x3bc;g &#x1F600;": "β-blocker, 5 μg 😀", "&amp;lt; &#38;gt; &#x26;#65;": "&lt; &gt; &#65;",
        "<b/>": None, "a<!-- <b>\nc --> d": "a d", "& <": "& <",
        '<mml:math xmlns:mml="u"><mml:mi>x</mml:mi></mml:math>': "x", "R&amp;D &amp;amp;": "R&D &amp;",
    }),
    "either": (m.either("v LIKE '%.%'", m.icd9cm("v"), m.icd10cm("v")), {
        "250.0": "2500", "E119": "E119", "E11.9": None,
    }),
}  # fmt: skip


def ask(spark: SparkSession, expressions: Sequence[str], values: Sequence[str | None]) -> list[tuple[Any, ...]]:
    """The expressions over `v`, a row for each value."""
    frame = spark.createDataFrame([(value,) for value in values], "v string")
    return [tuple(row) for row in frame.selectExpr(*(f"{sql} AS c{n}" for n, sql in enumerate(expressions))).collect()]


def in_utc(value: Any) -> Any:
    """Spark hands over instants as local times."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value


@pytest.mark.parametrize("name", BUILDERS)
def test_what_goes_in_and_what_comes_out(spark: SparkSession, name: str) -> None:
    expression, cases = BUILDERS[name]
    cases = cases | NOTHING
    answers = ask(spark, expression, list(cases))
    assert {value: in_utc(got) for value, (got, _) in zip(cases, answers, strict=True)} == cases
    # what had been given is known, so that a value which came to nothing is counted
    assert [given for _, given in answers] == [(value or "").strip(" \t\r\n") or None for value in cases]


def test_marks_for_nothing_are_no_loss(spark: SparkSession) -> None:
    marked = m.date(m.unless("v", "~", "NULL", "9999-12-31", "it's"), "yyyy-MM-dd")
    values = ["~", " ~ ", "NULL", "9999-12-31", "it's", "", None, "null", "2020-01-02"]
    day = date(2020, 1, 2)
    assert ask(spark, marked, values) == [(None, None)] * 7 + [(None, "null"), (day, "2020-01-02")]


def test_the_country_decides_whether_a_postal_code_is_a_zip(spark: SparkSession) -> None:
    by_country = m.zip_code("split_part(v, '|', 1)", country="split_part(v, '|', 2)")
    cases = {
        "2703|": "02703", "2703|US": "02703", "2703|United States": "02703", "2703|CH": "2703",
        "k1a 0b6|CA": "K1A 0B6", "k1a 0b6|us": None,
    }  # fmt: skip
    assert {value: got for value, (got, _) in zip(cases, ask(spark, by_country, list(cases)), strict=True)} == cases


def test_numbers_that_a_typed_source_has_are_read(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(12.5, date(2020, 1, 2), 3)], "a double, b date, c int")
    wanted = (m.money("a"), m.date("b", "yyyy-MM-dd"), m.drg("c"), m.sas_date("c"))
    row = frame.selectExpr(*(e.sql for e in wanted)).collect()[0]
    assert tuple(row) == (dec("12.50"), date(2020, 1, 2), "003", date(1960, 1, 4))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: m.date("v"), "no pattern"),
        (lambda: m.date("v", "MM/dd/yy"), "latest year"),
        (lambda: m.date("v", "MM/dd/yyyy", "yyMMdd"), "latest year"),
        (lambda: m.date("v", "yyMMdd", latest=2150), "latest year"),
        (lambda: m.money("v", point=";"), "decimals"),
    ],
)
def test_what_cannot_be_read_is_said_where_it_is_declared(wrong: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        wrong()


SHAPES = {
    "npi": "[12][0-9]{9}", "icd10cm": "[A-Z][0-9][0-9AB][0-9A-Z]{0,4}", "icd10pcs": "[0-9A-HJ-NP-Z]{7}",
    "icd9cm": "[0-9]{3,5}|V[0-9]{2,4}|E[0-9]{3,4}", "icd9procedure": "[0-9]{2,4}",
    "hcpcs": "[0-9]{4}[0-9AFMTU]|[A-V][0-9]{4}",
    "revenue_code": "[0-9]{4}", "place_of_service": "[0-9]{2}", "drg": "[0-9]{3}", "bill_type": "[1-9][0-9][0-9A-Z]",
    "ndc": "[0-9]{11}", "ndc_product": "[0-9]{9}", "zip_code": "[0-9]{5}(-[0-9]{4})?", "state": "[A-Z]{2}",
    "state fips": "[A-Z]{2}", "state ssa": "[A-Z]{2}", "phone": "[2-9][0-9]{9}|[+][2-9][0-9]{7,14}",
    "partial_date": "[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?",
}  # fmt: skip
"""What a code has to look like when it comes out, and go in again unchanged."""

PIECES = [
    "$",
    "-",
    "(",
    ")",
    ".",
    ",",
    "/",
    "+",
    "%",
    "'",
    "\\",
    "\u0085",
    "\u2028",
    "٣",
    "ı",
    "€",
    "E",
    "0",
    "1",
    "99",
    "٠",
]
TEXT = st.one_of(
    st.text(max_size=24),
    st.lists(st.sampled_from(PIECES) | st.integers(0, 10**12).map(str), max_size=8).map("".join),
    *(st.from_regex(re.compile(rf"\s?({shape})[^0-9]?", re.ASCII)) for shape in SHAPES.values()),
    st.dates().map(lambda day: day.strftime("%m/%d/%Y")),
    st.sampled_from([value for _, cases in BUILDERS.values() for value in cases if value]),
)


@given(st.lists(TEXT, min_size=150, max_size=250))
@settings(max_examples=2)
def test_no_text_makes_an_expression_fail(spark: SparkSession, values: list[str]) -> None:
    assert spark.conf.get("spark.sql.ansi.enabled") == "true"
    assert len(ask(spark, [e.sql for e, _ in BUILDERS.values()], values)) == len(values)


@given(st.lists(TEXT, min_size=150, max_size=250))
@settings(max_examples=2)
def test_a_code_has_its_form_and_keeps_it(spark: SparkSession, values: list[str]) -> None:
    once = [BUILDERS[name][0].sql for name in SHAPES]
    codes = [row for row in ask(spark, once, values) if any(row)]
    for row in codes:
        assert all(code is None or re.fullmatch(shape, code) for shape, code in zip(SHAPES.values(), row, strict=True))
    frame = spark.createDataFrame(codes, ", ".join(f"c{n} string" for n in range(len(once)))) if codes else None
    if frame is not None:
        again = [re.sub(r"\bv\b", f"c{n}", sql) for n, sql in enumerate(once)]
        assert [tuple(row) for row in frame.selectExpr(*again).collect()] == codes


@given(st.lists(st.decimals(-(10**15), 10**15, places=3), min_size=50, max_size=200))
@settings(max_examples=2)
def test_an_amount_is_the_same_however_it_is_written(spark: SparkSession, amounts: list[Decimal]) -> None:
    cents = [amount.quantize(Decimal("0.01"), ROUND_HALF_UP) for amount in amounts]
    forms = {
        m.money("v").sql: [[f"{a}", f"{a:,}", f"${a:,}" if a >= 0 else f"(${-a:,})", f"{-a}-" if a < 0 else f"+{a}"]
                           for a in amounts],
        m.money("v", point=",").sql: [[f"{a:,}".translate(str.maketrans(".,", ",."))] for a in amounts],
        m.money("v", implied=3).sql: [[f"{int(a * 1000)}", f"{int(a * 1000):020}"] for a in amounts],
    }  # fmt: skip
    for sql, written in forms.items():
        flat = [form for each in written for form in each]
        expected = [amount for amount, each in zip(cents, written, strict=True) for _ in each]
        assert [got for (got,) in ask(spark, [sql], flat)] == expected


@given(st.lists(st.dates(date(1926, 1, 1), date(2025, 12, 31)), min_size=50, max_size=200))
@settings(max_examples=2)
def test_a_day_is_the_same_however_it_is_written(spark: SparkSession, days: list[date]) -> None:
    readings = {
        m.date("v", "yyyy-MM-dd", "MM/dd/yyyy").sql: "%m/%d/%Y",
        m.date("v", "yyyyMMdd").sql: "%Y%m%d",
        m.date("v", "MM/dd/yy", latest=2025).sql: "%m/%d/%y",
        f"CAST({m.partial_date('v').sql} AS date)": "%Y%m%d",
    }
    for sql, pattern in readings.items():
        assert [got for (got,) in ask(spark, [sql], [day.strftime(pattern) for day in days])] == days
    counted = [str((day - date(1960, 1, 1)) // timedelta(days=1)) for day in days]
    assert [got for (got,) in ask(spark, [m.sas_date("v").sql], counted)] == days


@given(st.lists(st.tuples(st.integers(1, 99999), st.integers(0, 9999), st.integers(0, 99)), min_size=50, max_size=200))
@settings(max_examples=2)
def test_a_drug_is_the_same_however_it_is_written(spark: SparkSession, drugs: list[tuple[int, int, int]]) -> None:
    written: list[str] = []
    expected: list[str] = []
    for labeler, product, package in drugs:
        forms = [f"{labeler:05}-{product:04}-{package:02}", f"{labeler:05}{product:04}{package:02}"]
        forms += [f"{labeler:04}-{product:04}-{package:02}"] if labeler < 10_000 else []
        forms += [f"{labeler:05}-{product:03}-{package:02}"] if product < 1_000 else []
        forms += [f"{labeler:05}-{product:04}-{package}"] if package < 10 else []
        written += forms
        expected += [forms[1]] * len(forms)
    assert [got for (got,) in ask(spark, [m.ndc("v").sql], written)] == expected


REAL: list[tuple[str, str, Expression, int]] = [
    # file, column, how it is read, values that come to nothing
    ("synthea/organizations.csv", "ZIP", m.zip_code("v"), 0),
    ("synthea/organizations.csv", "STATE", m.state("v"), 0),
    ("synthea/organizations.csv", "PHONE", m.phone("v"), 0),
    ("synthea/patients.csv", "STATE", m.state("v"), 0),
    ("synthea/patients.csv", "GENDER", m.sex("v"), 0),
    ("synthea/patients.csv", "BIRTHDATE", m.date("v", "yyyy-MM-dd"), 0),
    ("synthea/patients.csv", "HEALTHCARE_EXPENSES", m.money("v"), 0),
    ("synthea/encounters.csv", "START", m.instant("v"), 0),
    ("synthea/encounters.csv", "TOTAL_CLAIM_COST", m.money("v"), 0),
    ("synthea/payers.csv", "PHONE", m.phone("v"), 0),
    ("desynpuf/DE1_0_2008_Beneficiary_Summary_File_Sample_0.csv", "BENE_BIRTH_DT", m.date("v", "yyyyMMdd"), 0),
    ("desynpuf/DE1_0_2008_Beneficiary_Summary_File_Sample_0.csv", "SP_STATE_CODE", m.state("v", "ssa"), 0),
    ("desynpuf/DE1_0_2008_Beneficiary_Summary_File_Sample_0.csv", "BENE_SEX_IDENT_CD", m.sex("v"), 0),
    ("desynpuf/DE1_0_2008_to_2010_Prescription_Drug_Events_Sample_0.csv", "PROD_SRVC_ID", m.ndc("v"), 0),
    ("desynpuf/DE1_0_2008_to_2010_Carrier_Claims_Sample_0A.csv", "ICD9_DGNS_CD_1", m.icd9cm("v"), 0),
    ("desynpuf/DE1_0_2008_to_2010_Carrier_Claims_Sample_0A.csv", "HCPCS_CD_1", m.hcpcs("v"), 0),
    ("desynpuf/DE1_0_2008_to_2010_Carrier_Claims_Sample_0A.csv", "LINE_NCH_PMT_AMT_1", m.money("v"), 0),
    ("desynpuf/DE1_0_2008_to_2010_Outpatient_Claims_Sample_0.csv", "AT_PHYSN_NPI", m.npi("v"), 1),  # made up by CMS
    ("openpayments/pgyr2019-header-and-one-row/OP_DTL_GNRL_PGYR2019_P06302020.csv", "Recipient_Zip_Code",
     m.zip_code("v", country="'United States'"), 0),
    ("openpayments/pgyr2019-header-and-one-row/OP_DTL_GNRL_PGYR2019_P06302020.csv", "Date_of_Payment",
     m.date("v", "MM/dd/yyyy"), 0),
]  # fmt: skip


@pytest.mark.parametrize("file", sorted({file for file, *_ in REAL}))
def test_real_columns_are_read(spark: SparkSession, realdata: Path, file: str) -> None:
    wanted = [row for row in REAL if row[0] == file]
    strings = pacsv.ConvertOptions(
        column_types={column: "string" for _, column, *_ in wanted}, strings_can_be_null=True
    )
    table = pacsv.read_csv(realdata / "sources" / file, convert_options=strings)
    for _, column, expression, lost in wanted:
        answers = ask(spark, expression, table[column].to_pylist())
        assert any(got is not None for got, _ in answers), column
        assert sum(got is None and given is not None for got, given in answers) == lost, column


def test_a_quoted_text_is_itself(spark: SparkSession) -> None:
    texts = ["it's", "a\\b", "\\'", "\\n", 'say "é"\n', "%_", ""]
    assert tuple(
        spark.sql("SELECT " + ", ".join(f"{quoted(t)} AS c{n}" for n, t in enumerate(texts))).collect()[0]
    ) == tuple(texts)


@pytest.mark.parametrize(
    ("column", "each", "made_of"),
    [
        (m.date("Service_Dt", "%Y%m%d"), None, ("Service_Dt",)),
        (m.npi("subscriber.npi"), None, ("subscriber.npi",)),
        ("coalesce(nullif(`zip`, 'date'), date(zip), other.date)", None, ("zip",)),
        ("'it''s date' || date || 'a\\'zip'", None, ("date",)),
        (m.icd10cm("_each"), "array(dx_1, dx_2)", ("dx_1", "dx_2")),
        ("'constant'", "array(dx_1, dx_2)", ()),
    ],
)
def test_of_which_columns_a_column_is_made(
    column: str | Expression, each: str | None, made_of: tuple[str, ...]
) -> None:
    there = ["service_dt", "subscriber", "date", "zip", "dx_1", "dx_2", "npi"]
    assert m.Mapping(columns={"x": column}, each=each).made_of("x", there) == made_of
    assert m.Mapping(columns={}).made_of("x", there) == ()
