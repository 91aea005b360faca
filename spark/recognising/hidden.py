"""Identifiers of persons that free text hides."""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from stdnum import luhn

from spark.profiling.recognised import Recognised
from spark.recognising import checks
from spark.recognising.people import FIRST_NAMES, SURNAMES
from spark.recognising.places import CITIES
from spark.schemas.base import Phi


class _Sought(NamedTuple):
    """What is looked for in a text: which identifier it is, how surely, what it is called, and where it may be."""

    kind: str
    phi: Phi
    surely: float
    called: str
    pattern: re.Pattern[str]
    holds: Callable[[re.Match[str]], bool] = bool


def _is_name(found: re.Match[str]) -> bool:
    """Whether two words with capitals are a frequent first name and a surname, or a word that may be one."""
    first, last = found["first"].lower(), found["last"].lower()
    return (
        first in FIRST_NAMES
        and first not in _WORDS
        and last not in _WORDS
        and (last in SURNAMES or (len(last) > 3 and last not in CITIES))
    )


_PLAIN = (
    "may will mark art grant young long little park street avenue road drive hospital"
    " clinic center health march april june "
    "august see the and for was is are has had with from general normal high low day"
    " days hour patient university college "
    "memorial medical st saint north south east west new old drug oral tablet acid disease syndrome"
)
_WORDS = frozenset(_PLAIN.split())
"""Words that also are names, and what stands behind a name where it is none of a person."""

_MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec)[a-z]*"
_CAPITAL = r"[^\W\d_a-z][^\W\d_]+(?:['’-][^\W\d_]+)?"
_STREETS = (
    "street|st|avenue|ave|road|rd|drive|dr|lane|ln|boulevard|blvd|court|ct|circle|cir"
    "|place|pl|parkway|pkwy|highway|hwy|way"
    "|terrace|trail|square|close|crescent|grove|gasse|strasse|straße|rue|via|calle|plaza|loop|alley|route"
)

_SOUGHT = (
    _Sought(
        "email", "email", 0.99, "an e-mail address", re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
    ),
    _Sought(
        "url",
        "url",
        0.95,
        "a web address",
        re.compile(
            r"(?i)\b(?:https?://|www\.)\S+|(?<![@\w.-])[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,6}\.(?:com|org"
            r"|net|gov|edu|io)\b(?!@)"
        ),
    ),
    _Sought(
        "ip",
        "ip",
        0.9,
        "an IP address",
        re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])|\b(?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4}\b"),
        lambda m: bool(checks.ip(m[0])),
    ),
    _Sought(
        "ssn",
        "ssn",
        0.95,
        "a Social Security number",
        re.compile(
            r"(?<![\d-])\d{3}[- ]\d{2}[- ]\d{4}(?![\d-])|(?i:\b(?:ssn"
            r"|social security)\D{0,20})\d{9}\b"
        ),
    ),
    _Sought(
        "mrn",
        "record_number",
        0.9,
        "a record's number",
        re.compile(
            r"(?i)\b(?:mrn|medical record|chart|record)\s*(?:no\.?|number|num|id|#)?\s*(?:is|:"
            r"|#)?\s*[A-Z]{0,3}\d{4,}"
        ),
    ),
    _Sought(
        "member_id",
        "health_plan_number",
        0.9,
        "a health plan's number",
        re.compile(
            r"(?i)\b(?:member|policy|subscriber|insurance|medicare|medicaid|mbi|hicn)\s*(?:no\.?"
            r"|number|id|#)\s*(?:is|:)?\s*[A-Z0-9-]*\d{4,}[A-Z0-9-]*"
        ),
    ),
    _Sought(
        "account",
        "account_number",
        0.85,
        "an account's or a card's number",
        re.compile(
            r"(?<![\d-])(?:\d[ -]?){12,18}\d(?![\d-])|(?i:\baccount\s*(?:no\.?|number|#)?\s*(?:is"
            r"|:)?\s*)\d{5,}"
        ),
        lambda m: not m[0][0].isdigit() or bool(checks.card(m[0])) or bool(luhn.is_valid(re.sub(r"\D", "", m[0]))),
    ),
    _Sought(
        "phone",
        "phone",
        0.9,
        "a telephone number",
        re.compile(
            r"(?<![\w-])(?:\+\d{1,3}[-. ]?)?(?:\(\d{1,5}\) ?\d{2,4}[-. ]?\d{2,4}"
            r"(?:[-. ]?\d{1,4})?|\d{3}[-. ]\d{3}[-. ]\d{4}"
            r"|0\d{1,4}[- ]\d{2,4}[- ]\d{2,5}(?:[- ]\d{2,4})?)(?:\s*(?:x|ext\.?)\s*\d+)?(?![\w-])"
            r"|\+\d[\d ().-]{7,16}\d|(?i:\b(?:call|phone|phone number|tel|cell|mobile"
            r"|fax)\b\D{0,20}?)\d[\d ().-]{6,14}\d"
        ),
    ),
    _Sought(
        "date",
        "date",
        0.9,
        "a date",
        re.compile(
            rf"(?i)\b\d{{4}}-\d\d-\d\d\b|(?<![\d.])\d{{1,2}}[-/.]\d{{1,2}}[-/.](?:\d{{4}}|\d\d)\b(?!\.\d)"
            rf"|\b{_MONTH}\.? \d{{1,2}}(?:st|nd|rd|th)?,? (?:\d{{4}})\b|\b\d{{1,2}}(?:st|nd|rd"
            rf"|th)? (?:of )?{_MONTH},?(?: \d{{4}})?\b|\b(?:january|february|march|april|june|july"
            rf"|august|september|october|november|december) \d{{1,2}}(?:st|nd|rd|th)?\b"
        ),
    ),
    _Sought("age", "date", 0.9, "an age over 89", re.compile(r"(?i)\b(?:9\d|1[01]\d)[- ]?(?:years?[- ]old|y/?o|yr)\b")),
    _Sought(
        "address",
        "geography",
        0.85,
        "a street address",
        re.compile(
            rf"(?i)\b\d{{1,5}}[a-z]? (?:[\w.'’-]{{1,30}} ){{1,4}}?(?:{_STREETS})\b\.?"
            rf"|\b[\w.'’-]{{0,30}}(?:strasse|straße|gasse|gatan|vej|gade|weg|straat|laan) \d{{1,4}}\b"
            rf"|\bp\.? ?o\.? box \d+|\b(?:apt|suite|unit)\.? ?#?\d+|\b(?:apo|fpo) a[aep]\b"
        ),
    ),
    _Sought(
        "zip",
        "geography",
        0.85,
        "a postal code",
        re.compile(
            r"\b[A-Z]{2},? \d{5}(?:-\d{4})?\b|(?i:\b(?:zip|postal code"
            r"|postcode)\W{0,3}(?:code)?\W{0,3}(?:is )?)[A-Z0-9]{3,5}[ -]?[A-Z0-9]{0,4}\d"
        ),
    ),
    _Sought(
        "city",
        "geography",
        0.7,
        "a city",
        re.compile(
            rf"\b(?:[Ii]n|[Ff]rom|[Aa]t|[Nn]ear|[Tt]o|[Oo]f|[Ll]ive[sd]? in"
            rf"|[Bb]orn in) (?P<city>{_CAPITAL}(?: {_CAPITAL})?)"
        ),
        lambda m: m["city"].lower() in CITIES or m["city"].split()[0].lower() in CITIES,
    ),
    _Sought(
        "name",
        "name",
        0.9,
        "a name behind a title",
        re.compile(
            rf"\b(?i:mr|mrs|ms|miss|mx|dr|prof|sir|madam|patient|pt"
            rf"|nurse)\.? (?P<last>{_CAPITAL})\b"
        ),
        lambda m: (m["last"].lower() not in _WORDS and not m["last"].isupper()) or m["last"].lower() in SURNAMES,
    ),
    _Sought(
        "name",
        "name",
        0.85,
        "a name that is said to be one",
        re.compile(
            rf"(?i:\b(?:name(?:'s| is)?|named|called|i am|i'm|signed|sincerely|regards|dear"
            rf"|spoke (?:to|with))\b[:,]? +)(?P<last>{_CAPITAL})"
        ),
        lambda m: m["last"].lower() not in _WORDS,
    ),
    _Sought(
        "name",
        "name",
        0.8,
        "a first name with a surname",
        re.compile(rf"\b(?=(?P<first>{_CAPITAL})(?: [A-Z]\.?)? (?P<last>{_CAPITAL}))"),
        _is_name,
    ),
    _Sought(
        "name",
        "name",
        0.7,
        "a surname with a first name behind a comma",
        re.compile(rf"\b(?P<last>{_CAPITAL}), (?P<first>{_CAPITAL})\b"),
        lambda m: _is_name(m) and m["last"].lower() in SURNAMES,
    ),
    _Sought(
        "name",
        "name",
        0.6,
        "a first name",
        re.compile(r"\b(?P<first>[^\W\d_a-z][a-z]{2,})\b(?! (?:Street|Avenue|Road|County|Hospital))"),
        lambda m: (
            m["first"].lower() in FIRST_NAMES and m["first"].lower() not in _WORDS and m["first"].lower() not in CITIES
        ),
    ),
    _Sought(
        "vehicle",
        "vehicle",
        0.85,
        "a vehicle's number",
        re.compile(r"\b[A-HJ-NPR-Z0-9]{17}\b"),
        lambda m: checks.vin(m[0]) == 1.0,
    ),
    _Sought(
        "device",
        "device",
        0.85,
        "a device's number",
        re.compile(r"(?i)\(01\)\d{14}|\b(?:serial|device)\s*(?:no\.?|number|#)\s*:?\s*[A-Z0-9-]{5,}"),
    ),
    _Sought(
        "license",
        "license_number",
        0.85,
        "a license's number",
        re.compile(
            r"(?i)\b(?:licen[sc]e|driver'?s? licen[sc]e|passport)\s*(?:no\.?|number|#)?\s*(?:is"
            r"|:)?\s*[A-Z]{0,3}\d{4,}\w*"
        ),
    ),
)

HARD = frozenset({"email", "ssn", "mrn", "member_id", "phone"})
"""What is told by its form, and no label of a closed set has."""


def hidden(texts: Iterable[str]) -> tuple[Recognised, ...]:
    """Which identifiers stand in texts, the most frequent first; the evidence says in how many, and shows none.

    Names are told by titles, by what is said before them, and by lists of those that are frequent in the United States:
    others stay hidden, so none found is no proof of none.
    """
    whole = list(texts)
    met: dict[str, list[_Sought]] = {}
    counts: dict[str, int] = {}
    for text in whole:
        kinds: set[str] = set()
        for sought in _SOUGHT:
            if sought.kind not in kinds and any(map(sought.holds, sought.pattern.finditer(text))):
                kinds.add(sought.kind)
                met.setdefault(sought.kind, []).append(sought)
        for kind in kinds:
            counts[kind] = counts.get(kind, 0) + 1
    return tuple(
        Recognised(
            kind=kind,
            confidence=max(sought.surely for sought in met[kind]),
            evidence=(f"{count:,} of {len(whole):,} texts hold {met[kind][0].called}",),
            phi=met[kind][0].phi,
        )
        for kind, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )
