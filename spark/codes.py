"""Codes of health care and of the United States, one form of each in the lake, as Spark SQL.

Sources write the same code in many ways; each builder takes those that leave no doubt to one form, so that what is the
same comes out equal. What is in doubt becomes null and is counted. Codes are checked by their shape, and by their check
digit where they have one, not against a list: lists change yearly. As in `values`, no text makes an expression fail.
"""

from typing import Literal

from spark.values import Expression, matches, quoted, text


def npi(column: str) -> Expression:
    """A National Provider Identifier that is right: 10 digits, the last a Luhn check over `80840` and the others.

    CMS, "Requirements for National Provider Identifier (NPI) and NPI Check Digit".
    """
    value = text(column)
    return Expression(
        f"CASE WHEN {matches(value, '[12][0-9]{9}')} AND luhn_check(concat('80840', {value})) THEN {value} END", value
    )


def icd10cm(column: str) -> Expression:
    """An ICD-10-CM diagnosis, upper case, without the dot, as claims have it: `e11.9` is `E119`.

    A letter, a digit, a third character that may be A or B (C4A, C7B, Z3A), then up to four. CMS and NCHS, "ICD-10-CM
    Official Guidelines for Coding and Reporting" of 2025, I.A.2.
    """
    return _undotted(column, "[A-Z][0-9][0-9AB](?:[.]?[0-9A-Z]{1,4})?[.]?")


def icd10pcs(column: str) -> Expression:
    """An ICD-10-PCS procedure: seven digits and letters but I and O, upper case. CMS, "ICD-10-PCS Reference Manual"."""
    return _undotted(column, "[0-9A-HJ-NP-Z]{7}")


def icd9cm(column: str) -> Expression:
    """An ICD-9-CM diagnosis without the dot: `250.00` is `25000`, `38.9` is `0389`.

    Three digits, V and two, or E and three stand before the dot, so zeros lost there are known, where there is a dot.
    CMS and NCHS, "ICD-9-CM Official Guidelines for Coding and Reporting" of 2011.
    """
    value = text(column)
    shape = "(?:[0-9]{3}|V[0-9]{2})(?:[.]?[0-9]{1,2})?[.]?|E[0-9]{3}(?:[.]?[0-9])?[.]?"
    padded = f"concat(lpad(substring_index({value}, '.', 1), 3, '0'), substring_index({value}, '.', -1))"
    return Expression(
        f"CASE WHEN {matches(value, f'(?i){shape}')} THEN upper(replace({value}, '.', ''))"
        f" WHEN {matches(value, '[0-9]{1,2}[.][0-9]{1,2}')} THEN {padded} END",
        value,
    )


def icd9procedure(column: str) -> Expression:
    """An ICD-9-CM procedure without the dot: two digits, then up to two. `45.13` is `4513`."""
    return _undotted(column, "[0-9]{2}(?:[.]?[0-9]{1,2})?[.]?")


def hcpcs(column: str) -> Expression:
    """A HCPCS code, upper case: CPT (five digits, or four and A, F, M, T or U) or a letter A to V and four digits.

    CMS, "HCPCS General Information"; AMA, "CPT Overview and Code Approval".
    """
    return _undotted(column, "[0-9]{4}[0-9AFMTU]|[A-V][0-9]{4}")


def revenue_code(column: str) -> Expression:
    """A revenue centre's code: four digits, leading zeros restored. NUBC, UB-04 form locator 42."""
    return _digits(column, "[0-9]{1,4}", 4)


def place_of_service(column: str) -> Expression:
    """A place of service: two digits, a leading zero restored. CMS, "Place of Service Code Set"."""
    return _digits(column, "[0-9]{1,2}", 2)


def drg(column: str) -> Expression:
    """An MS-DRG: three digits, leading zeros restored or, of four digits, cut. CMS, "MS-DRG Definitions Manual"."""
    return _digits(column, "0?[0-9]{1,3}", 3)


def bill_type(column: str) -> Expression:
    """A type of bill: facility, classification and frequency, three characters without the zero before them.

    NUBC, UB-04 form locator 4: `0111` and `111` are one.
    """
    value = text(column)
    return Expression(
        f"CASE WHEN {matches(value, '(?i)0?[1-9][0-9][0-9A-Z]')} THEN upper(right({value}, 3)) END", value
    )


def ndc(column: str) -> Expression:
    """A packaged drug's National Drug Code as HIPAA writes it: 11 digits, 5-4-2 without hyphens.

    FDA's ten digits are 4-4-2, 5-3-2 or 5-4-1; the part that is short gets a zero in front (CMS and FDA, 21 CFR
    207.33). Ten digits without hyphens may be any of the three: null.
    """
    return _ndc(column, r"[0-9]{11}", r"[0-9]{4}-[0-9]{4}-[0-9]{2}|[0-9]{5}-(?:[0-9]{3,4}-[0-9]{2}|[0-9]{4}-[0-9])")


def ndc_product(column: str) -> Expression:
    """A drug's National Drug Code without its package, labeler and product: 9 digits, 5-4, from 4-4, 5-3 or 5-4.

    The first nine digits of `ndc`. Eight digits without a hyphen may be either: null.
    """
    return _ndc(column, r"[0-9]{9}", r"[0-9]{4}-[0-9]{4}|[0-9]{5}-[0-9]{3,4}")


def _ndc(column: str, whole: str, parts: str) -> Expression:
    value = text(column)
    part = [f"split_part({value}, '-', {n})" for n in (1, 2, 3)]
    # without a third part nothing is added: lpad makes zeros only of what is there
    package = f"CASE WHEN {part[2]} = '' THEN '' ELSE lpad({part[2]}, 2, '0') END"
    joined = f"concat(lpad({part[0]}, 5, '0'), lpad({part[1]}, 4, '0'), {package})"
    code = f"CASE WHEN {matches(value, whole)} THEN {value} WHEN {matches(value, parts)} THEN {joined} END"
    return Expression(f"CASE WHEN {code} NOT LIKE '00000%' THEN {code} END", value)  # no labeler has this number


def zip_code(column: str, country: str | None = None) -> Expression:
    """A postal code: `12345` or `12345-6789` in the United States.

    Read with the hyphen or without; leading zeros that a spreadsheet lost are restored, and `-0000`, a filler, is left
    out. `021**`, which `spark.privacy.Zip3` leaves, stays. `country` is an expression: where it is neither null nor the
    United States, the code stays as it is, in upper case. USPS, Publication 28.
    """
    value = text(column)
    digits = f"replace({value}, '-', '')"
    five = f"lpad({digits}, 5, '0')"
    nine = f"lpad({digits}, 9, '0')"
    american = (
        f"CASE WHEN {matches(value, '[0-9]{3,5}-?')} THEN nullif({five}, '00000')"
        f" WHEN {matches(value, '[0-9]{3,5}-[0-9]{4}|[0-9]{7,9}')} AND {nine} NOT LIKE '00000%'"
        f" THEN concat(left({nine}, 5), coalesce(concat('-', nullif(right({nine}, 4), '0000')), ''))"
        f" WHEN {matches(value, '[0-9]{3}[*]{2}')} THEN {value} END"
    )
    if country is None:
        return Expression(american, value)
    at_home = ", ".join(quoted(name) for name in ("US", "USA", "UNITED STATES", "UNITED STATES OF AMERICA"))
    home = f"coalesce(upper({text(country)}), 'US') IN ({at_home})"
    return Expression(f"CASE WHEN {home} THEN {american} ELSE upper({value}) END", value)


def state(column: str, numbers: Literal["fips", "ssa"] | None = None) -> Expression:
    """A state's or territory's two letters as USPS has them, from those letters, its name, or its number.

    `numbers` says which numbers: FIPS 5-2, or the SSA's, which Medicare's older files have (`05` is California in the
    one, Arkansas in the other). SSA's 99 is in doubt: American Samoa in county 000, else unknown. USPS Publication 28,
    appendix B; Census Bureau, "ANSI Codes for States"; CMS, Blue Button variable STATE_CD.
    """
    value = text(column)
    letters = f"regexp_replace(upper({value}), '[ .]+', '')"
    meanings = {name.upper().replace(" ", ""): code for code, _, _, name in STATES}
    meanings |= {"VIRGINISLANDS": "VI", "WASHINGTONDC": "DC", "NORTHERNMARIANAS": "MP"}
    known = f"CASE WHEN {letters} IN ({', '.join(quoted(s[0]) for s in STATES)}) THEN {letters}"
    if numbers:
        number = {s[at]: s[0] for at in [1 if numbers == "fips" else 2] for s in STATES if s[at] != "-"}
        two = f"lpad({value}, 2, '0')"
        known += f" WHEN {matches(value, '[0-9]{1,2}')} THEN {_meaning(two, number)}"
    return Expression(f"{known} ELSE {_meaning(letters, meanings)} END", value)


def sex(column: str) -> Expression:
    """male, female, other or unknown: FHIR R4's administrative-gender.

    From words and letters by HL7's map of v2 table 0001 ("HL7 Version 2 to FHIR" 1.0.0), X as in NPPES, UNK and NS as
    in FAERS, and 0, 1, 2 as CMS and NHANES number them.
    """
    value = text(column)
    meanings = {
        "male": ("M", "MALE", "MAN", "1"),
        "female": ("F", "FEMALE", "WOMAN", "2"),
        "other": ("O", "OTHER", "A", "AMBIGUOUS", "N", "X"),
        "unknown": ("U", "UNK", "UNKNOWN", "NS", "NOT SPECIFIED", "0"),
    }
    whens = " ".join(
        f"WHEN upper({value}) IN ({', '.join(map(quoted, w))}) THEN {quoted(m)}" for m, w in meanings.items()
    )
    return Expression(f"CASE {whens} END", value)


def phone(column: str) -> Expression:
    """A telephone number: ten digits in North America, `+` and 8 to 15 digits with another country's prefix.

    A number with an extension is none of these. North American Numbering Plan: neither area nor
    exchange begins with 0 or 1; ITU-T E.164.
    """
    value = text(column)
    digits = f"regexp_replace({value}, '[^0-9]', '')"
    written = "[-+() ./0-9]+"
    american = matches(digits, "1?[2-9][0-9]{2}[2-9][0-9]{6}")
    foreign = f"{value} LIKE '+%' AND {matches(digits, '[2-9][0-9]{7,14}')}"
    at_home = f"({value} NOT LIKE '+%' OR {value} LIKE '+1%')"
    return Expression(
        f"CASE WHEN NOT {matches(value, written)} THEN NULL WHEN {at_home} AND {american} THEN right({digits}, 10)"
        f" WHEN {foreign} THEN concat('+', {digits}) END",
        value,
    )


def _undotted(column: str, shape: str) -> Expression:
    value = text(column)
    return Expression(f"CASE WHEN {matches(value, f'(?i){shape}')} THEN upper(replace({value}, '.', '')) END", value)


def _digits(column: str, shape: str, width: int) -> Expression:
    """A number of so many digits, none of which means nothing where all are zeros."""
    value = text(column)
    padded = f"right(concat('{'0' * width}', {value}), {width})"
    return Expression(f"CASE WHEN {matches(value, shape)} THEN nullif({padded}, '{'0' * width}') END", value)


def _meaning(key: str, meanings: dict[str, str]) -> str:
    entries = ", ".join(f"{quoted(k)}, {quoted(v)}" for k, v in meanings.items())
    return f"try_element_at(map({entries}), {key})"


STATES = [
    tuple(line.split(maxsplit=3))
    for line in """\
AL 01 01 Alabama
AK 02 02 Alaska
AZ 04 03 Arizona
AR 05 04 Arkansas
CA 06 05 California
CO 08 06 Colorado
CT 09 07 Connecticut
DE 10 08 Delaware
DC 11 09 District of Columbia
FL 12 10 Florida
GA 13 11 Georgia
HI 15 12 Hawaii
ID 16 13 Idaho
IL 17 14 Illinois
IN 18 15 Indiana
IA 19 16 Iowa
KS 20 17 Kansas
KY 21 18 Kentucky
LA 22 19 Louisiana
ME 23 20 Maine
MD 24 21 Maryland
MA 25 22 Massachusetts
MI 26 23 Michigan
MN 27 24 Minnesota
MS 28 25 Mississippi
MO 29 26 Missouri
MT 30 27 Montana
NE 31 28 Nebraska
NV 32 29 Nevada
NH 33 30 New Hampshire
NJ 34 31 New Jersey
NM 35 32 New Mexico
NY 36 33 New York
NC 37 34 North Carolina
ND 38 35 North Dakota
OH 39 36 Ohio
OK 40 37 Oklahoma
OR 41 38 Oregon
PA 42 39 Pennsylvania
RI 44 41 Rhode Island
SC 45 42 South Carolina
SD 46 43 South Dakota
TN 47 44 Tennessee
TX 48 45 Texas
UT 49 46 Utah
VT 50 47 Vermont
VA 51 49 Virginia
WA 53 50 Washington
WV 54 51 West Virginia
WI 55 52 Wisconsin
WY 56 53 Wyoming
AS 60 - American Samoa
GU 66 98 Guam
MP 69 97 Northern Mariana Islands
PR 72 40 Puerto Rico
VI 78 48 US Virgin Islands
UM 74 - US Minor Outlying Islands
FM 64 - Federated States of Micronesia
MH 68 - Marshall Islands
PW 70 - Palau
AA - - Armed Forces Americas
AE - - Armed Forces Europe
AP - - Armed Forces Pacific
""".splitlines()
]
"""Two letters, FIPS number, SSA number, name; `-` where there is none."""
