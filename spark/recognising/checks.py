"""What a single value may be: each test takes a value without blanks at either end, and answers how well it fits.

1 where the form and, if there is one, the check digit is right; `SHAPE` where the form alone is; else 0. Forms of codes
are those that `spark.codes` takes; check digits are python-stdnum's where it has them.
"""

import re
from collections.abc import Callable

from stdnum import iban, luhn, verhoeff
from stdnum.us import ein as us_ein

from spark.codes import STATES
from spark.recognising.people import FIRST_NAMES, SURNAMES
from spark.recognising.places import CITIES, COUNTRY_CODES, COUNTRY_NAMES

Test = Callable[[str], float]

SHAPE = 0.5
"""What a value of the right form scores whose check digit is wrong."""


def form(pattern: str, check: Callable[[str], bool] | None = None) -> Test:
    """A test for values that are `pattern` as a whole, in any case; `check` says whether their digit is right."""
    whole = re.compile(pattern, re.IGNORECASE).fullmatch
    if check is None:
        return lambda value: 1.0 if whole(value) else 0.0
    return lambda value: (1.0 if check(value.upper()) else SHAPE) if whole(value) else 0.0


def _npi(value: str) -> bool:
    return value[0] in "12" and luhn.is_valid("80840" + value)


def _loinc(value: str) -> bool:
    """Regenstrief Institute, "LOINC Users' Guide": mod 10 by Luhn's rule over the digits before the hyphen."""
    return bool(luhn.is_valid(value.replace("-", "")))


def _snomed(value: str) -> bool:
    """SNOMED International, "SCTID Representation": Verhoeff's digit, before it the partition."""
    return value[-3:-1] in ("00", "01", "02", "10", "11", "12") and bool(verhoeff.is_valid(value))


def _dea(value: str) -> bool:
    """Digits 1, 3 and 5, and twice digits 2, 4 and 6, add up to a number that ends in digit 7."""
    digits = [int(digit) for digit in value[-7:]]
    return (sum(digits[0:6:2]) + 2 * sum(digits[1:6:2])) % 10 == digits[6]


def _ssn(value: str) -> bool:
    """No area is 000 or 666, no group 00, no serial 0000. Areas from 900 on are the IRS's own, and made-up persons'."""
    digits = re.sub(r"\D", "", value)
    return digits[:3] not in ("000", "666") and digits[3:5] != "00" and digits[5:] != "0000"


def _ein(value: str) -> bool:
    return bool(us_ein.is_valid(value))


def _vin(value: str) -> bool:
    """49 CFR 565.15: a weighted sum modulo 11 in the ninth place."""
    worth = {letter: n for group in ("ABCDEFGH", "JKLMN*P*R", "*STUVWXYZ") for n, letter in enumerate(group, 1)}
    total = sum((int(c) if c.isdigit() else worth[c]) * w for c, w in zip(value, _VIN_WEIGHTS, strict=True))
    return "0123456789X"[total % 11] == value[8]


_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def _card(value: str) -> bool:
    return bool(luhn.is_valid(re.sub(r"\D", "", value)))


npi = form(r"\d{10}", _npi)
taxonomy = form(r"[1-4]\d{2}[0-9A-Z][0-9A-Z]{5}X")
icd10cm = form(r"[A-Z][0-9][0-9AB](?:[.]?[0-9A-Z]{1,4})?[.]?")
icd10pcs = form(r"(?=.*[A-Z])(?=.*[0-9])[0-9A-HJ-NP-Z]{7}")
icd9cm = form(r"(?:[0-9]{3}|V[0-9]{2})(?:[.]?[0-9]{1,2})?[.]?|E[0-9]{3}(?:[.]?[0-9])?[.]?")
icd9procedure = form(r"[0-9]{2}(?:[.]?[0-9]{1,2})?[.]?")
hcpcs = form(r"[0-9]{4}[0-9AFMTU]|[A-V][0-9]{4}")
ndc = form(
    r"[0-9]{10,11}|[0-9]{4}-[0-9]{4}-[0-9]{2}|[0-9]{5}-(?:[0-9]{3,4}-[0-9]{2}"
    r"|[0-9]{4}-[0-9])|[0-9]{5}-[0-9]{3,4}"
)
ndc_hyphened = form(r"[0-9]{4}-[0-9]{4}-[0-9]{2}|[0-9]{5}-(?:[0-9]{3,4}-[0-9]{2}|[0-9]{4}-[0-9])")
loinc = form(r"[0-9]{1,5}-[0-9]", _loinc)
snomed = form(r"[1-9][0-9]{5,17}", _snomed)
dea = form(r"[A-Z][A-Z9][0-9]{7}", _dea)
ssn = form(r"[0-9]{3}-?[0-9]{2}-?[0-9]{4}|[0-9]{3} [0-9]{2} [0-9]{4}", _ssn)
ssn_hyphened = form(r"[0-9]{3}[- ][0-9]{2}[- ][0-9]{4}", _ssn)
ein = form(r"[0-9]{2}-?[0-9]{7}", _ein)
ein_hyphened = form(r"[0-9]{2}-[0-9]{7}", _ein)
mbi = form(
    r"[1-9][AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y][0-9]-?[AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y][0-9]-?[AC-HJKMNP-RT-Y]{2}[0-9]{2}"
)
"""CMS, "Understanding the Medicare Beneficiary Identifier (MBI) Format": no S, L, O, I, B or Z."""
hicn = form(r"[0-9]{9}[A-FHJKMTW][0-9A-Z]?")
vin = form(r"[A-HJ-NPR-Z0-9]{17}", _vin)
udi = form(r"\(01\)[0-9]{14}.*")
card = form(r"[2-6][0-9]{3}([ -]?)[0-9]{4}\1[0-9]{4}\1[0-9]{1,7}", _card)
email = form(r"[\w.+'-]+@[\w-]+(?:\.[\w-]+)+")
url = form(r"(?:https?|ftp|sftp)://\S+|www\.\S+|(?:[a-z0-9-]+\.)+(?:com|org|net|gov|edu|io|us)(?:/\S*)?")
ip = form(
    r"(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})"
    r"|(?=.*:.*:)[0-9a-f:]{3,39}"
)
uuid = form(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\{[0-9a-f-]{36}\}|[0-9a-f]{32}")
oid = form(r"[0-2](?:\.[0-9]+){5,}")
zip_code = form(r"[0-9]{5}(?:-?[0-9]{4})?|[0-9]{3,4}")
zip_nine = form(r"[0-9]{5}(?:-?[0-9]{4})?")
zip_plus = form(r"[0-9]{5}-[0-9]{4}|[A-Z]{1,2}[0-9][0-9A-Z]? [0-9][A-Z]{2}|[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]")
"""ZIP+4, or a British or Canadian postal code."""
phone = form(
    r"(?:\+?1[-. ]?)?\(?[2-9][0-9]{2}\)?[-. ]{0,2}[2-9][0-9]{2}[-. ]?[0-9]{4}(?: ?(?:x"
    r"|ext)\.? ?[0-9]{1,6})?|\+?\(?[0-9][0-9 ().-]{6,17}[0-9]|[0-9]{3,7}"
)
phone_formatted = form(
    r"(?:\+?1[-. ]?)?(?:\([2-9][0-9]{2}\) ?"
    r"|[2-9][0-9]{2}[-. ])[2-9][0-9]{2}[-. ][0-9]{4}(?: ?(?:x|ext)\.? ?[0-9]{1,6})?"
    r"|\+[1-9][0-9 ().-]{7,17}[0-9]|0[0-9]{2,4} [0-9]{3,4} [0-9]{3,4}|1-8[0-9]{2}-[0-9]{3}-[0-9]{4}"
)
phone_plain = form(r"1?[2-9][0-9]{2}[2-9][0-9]{6}")
money = form(r"[-+(]?\$? ?-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?:\.[0-9]+)?\)?(?<=[0-9)])")
money_signed = form(r"[-+(]?\$ ?-?[0-9][0-9,]*(?:\.[0-9]{1,2})?\)?")
cents = form(r"[-+]?[0-9][0-9,]*\.[0-9]{2}")
number = form(r"[-+]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)?(?:\.[0-9]*)?(?:e[-+]?[0-9]+)?(?<=[0-9.])|nan|[-+]?inf")
whole = form(r"[-+]?[0-9]+")
small = form(r"[0-9]{1,3}(?:\.[0-9]{1,2})?")
year = form(r"(?:1[89]|20|21)[0-9]{2}")
date = form(
    r"(?:1[89]|20|21)[0-9]{2}(?:(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])|[-/. ][01]?[0-9][-/. ][0-3]?[0-9])"
    r"(?:[T :]?\d\d:?\d\d.*)?|[0-3]?[0-9][-/.: ][0-3]?[0-9][-/.: ](?:(?:1[89]|20"
    r"|21)[0-9]{2}|[0-9]{2})(?:[T :]+\d{1,2}:\d\d.*)?"
    r"|(?:[a-z]{3,9}, )?[0-3]?[0-9](?:st|nd|rd|th)?[- ]?(?:jan|feb|mar|apr|may|jun|jul"
    r"|aug|sep|oct|nov|dec)[a-z]*[-, ]{0,2}[0-9]{2,4}(?:[T :].*)?"
    r"|(?:[a-z]{3,9}, )?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov"
    r"|dec)[a-z]*\.? [0-3]?[0-9](?:st|nd|rd|th)?,? [0-9]{2,4}(?:[T :].*)?"
    r"|(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:19|20)[0-9]{2}"
)
date_partial = form(r"(?:19|20)[0-9]{2}(?:[-/]?(?:0[1-9]|1[0-2]))?|(?:0?[1-9]|1[0-2])/?(?:19|20)[0-9]{2}")
"""A year, or a year and a month, as dates in part unknown are written."""
time = form(r"[0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?(?: ?[ap]\.?m\.?)?")
coordinates = form(
    r"[-+]?(?:1[0-7][0-9]|[0-9]{1,2})(?:\.[0-9]+)?(?:[, ] ?[-+]?1?[0-9]{1,2}\.[0-9]+)?"
    r"|POINT ?\(.*\)|[0-9]{1,3}[^0-9A-Za-z][0-9]{1,2}['’′].*"
)
coordinates_fine = form(r"[-+]?(?:1[0-7][0-9]|[0-9]{2})\.[0-9]{4,}(?:[, ] ?[-+]?1?[0-9]{1,2}\.[0-9]+)?")
boolean = form(r"y|n|yes|no|true|false|t|f|x")
flag = form(r"[01]|y|n|yes|no|true|false|t|f|x|u")
sex = form(r"m|f|male|female|o|u|x|unk|unknown|other|ns|[0-9]|transgender.*|man|woman")
sex_words = form(r"m|f|male|female|unk|unknown|u")
race = form(
    r"(?=.{0,60}$).*\b(?:white|black|asian|hispanic|hawaiian|native|latino|african|caucasian|indian"
    r"|islander|nonhispanic)\b.*"
)
code = form(r"[0-9A-Z][0-9A-Z_.+/*-]{0,11}")
identifier = form(r"[0-9A-Z][0-9A-Z_.:/-]{1,49}")

address = form(
    r"(?:.*[ ,])?\d+[A-Z]?(?:-\d+)? +(?:[\w.'&-]+ +){1,5}?(?:st|ave?|rd|dr|ln|blvd|ct|cir"
    r"|pl|pkwy|pky|hwy|way|ter|trl|sq|street|avenue|road|drive"
    r"|lane|boulevard|court|circle|place|parkway|highway|terrace|trail|square|broadway"
    r"|loop|run|row|plaza|close|grove|crescent|gardens|reach|green|park|hill|mews"
    r"|estates?|"
    r"underpass|route|path|walk|alley|view|pike|center|turnpike)\.?(?:[ ,#].*)?"
    r"|p\.? ?o\.? *(?:box|drawer).*|(?:ste|suite|apt|unit|room|rm|floor|fl|bldg|building"
    r"|dept|department)\b[ .#].*|.* (?:ste|suite|apt|unit|floor)\.? ?#?\w+"
    r"|(?:rr|route|hwy|highway) *\d+.*"
)
address_loose = form(r"(?=.*[A-Z]{2}).*\d.*|.*\b(?:department|building|floor|plaza|street|tower|center|road)\b.*")
address_begin = form(r"\d{1,5} (?!(?:mg|ml|mcg|g|day|days|hr|unt|actuat|meq|mm|cm)\b)[A-Z][\w.'-]+ [A-Z][\w.'-]+.*")
county_word = form(r".+ (?:county|parish|borough|census area|municipio)")
organization = form(
    r"(?=\S+(?: +\S+){0,7}$).*\b(?:inc|llc|l\.l\.c|ltd|corp|co|corporation|company|companies|pc|p\.c|pa|pllc"
    r"|llp|plc|gmbh|hospitals?|clinics?|centers?|centre|health|healthcare|medical"
    r"|associates|group|"
    r"university|univ|college|school|services?|pharmacy|pharmaceuticals?|pharma"
    r"|laborator(?:y|ies)|labs?|institute|foundation|department|systems?|insurance"
    r"|medicare|medicaid|care|"
    r"bank|agency|partners|physicians|surgery|therapeutics|biologics?|sciences|blue cross"
    r"|humana|aetna|cigna|anthem|united ?health\w*|dental|corps|board|council|commission"
    r"|authority|trust)\b.*"
)
name_part = form(
    r"(?:mr|mrs|ms|miss|dr|prof|rev|sr|jr|i{1,3}|iv|v|m\.?d|d\.?o|ph\.?d|r\.?n|d\.?d\.?s"
    r"|n\.?p|p\.?a(?:-?c)?|au\.?d|d\.?c|o\.?d|d\.?p\.?m|esq|hon|sir|dame)\.?(?:[, ].*)?"
)

_STATE_WORDS = frozenset(s[0].lower() for s in STATES) | frozenset(s[3].lower() for s in STATES)
_STATE_NUMBERS = frozenset(number.lstrip("0") for s in STATES for number in s[1:3] if number != "-")
_WORD = re.compile(r"[^\W\d_][^\W\d_'’.-]*")


def state(value: str) -> float:
    """Two letters or a name."""
    return float(value.lower() in _STATE_WORDS)


def state_or_number(value: str) -> float:
    """As `state`, or the number that FIPS or the SSA gives it."""
    return float(value.lower() in _STATE_WORDS or (len(value) <= 2 and value.lstrip("0") in _STATE_NUMBERS))


def country(value: str) -> float:
    """ISO 3166's two or three letters, or a name."""
    return float((plain := value.lower()) in COUNTRY_CODES or plain in COUNTRY_NAMES)


def country_name(value: str) -> float:
    """A country's name, or its three letters."""
    plain = value.lower()
    return float(plain in COUNTRY_NAMES or (len(plain) == 3 and plain in COUNTRY_CODES))


def city(value: str) -> float:
    """A larger city, maybe with what it lies in behind a comma."""
    return float(re.split(",|  ", value.lower())[0].strip() in CITIES)


def first_name(value: str) -> float:
    """One or two words, the first a frequent first name."""
    found = _WORD.findall(value.lower())
    return float(1 <= len(found) <= 2 and found[0].strip(".") in FIRST_NAMES)


def last_name(value: str) -> float:
    """One or two words, the last a frequent surname."""
    found = _WORD.findall(value.lower())
    return float(1 <= len(found) <= 2 and found[-1].strip(".") in SURNAMES)


def full_name(value: str) -> float:
    """Two to four words, among them a frequent first name and, apart from it, a surname or what may be one."""
    found = [word.strip(".") for word in _WORD.findall(value.lower())]
    found = [word for word in found if not name_part(word)] or found
    if not 2 <= len(found) <= 4:
        return 0.0
    first, last = (found[1], found[0]) if "," in value else (found[0], found[-1])
    if first in FIRST_NAMES:
        return 1.0 if last in SURNAMES else 0.8
    return SHAPE if last in SURNAMES and len(first) == 1 else 0.0


def worded(value: str) -> float:
    """One to five words that may be a name: letters, no digit but at a word's end."""
    return float(_WORDED(value) is not None)


_WORDED = re.compile(r"(?:[^\W\d_][^\W\d_'’.-]*\d{0,4}[ ,.]{0,2}){1,5}").fullmatch


def bank_account(value: str) -> float:
    """An IBAN, or the number of a payment card."""
    return 1.0 if _IBAN(value) and iban.is_valid(value) else card(value)


_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[0-9A-Z ]{10,36}").fullmatch
