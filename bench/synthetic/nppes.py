"""The synthetic outside world of NPPES, the US registry of health providers, in CMS's real layout.

A `World` is a registry that evolves: providers are enumerated, change, are deactivated and sometimes come
back. Everything about a provider is a pure function of (seed, number of the provider, day), so files can be
written in any order and memory does not grow with their size; `World.truth` tells what `current` must be
after the files written.

Layout: header lines are those of the files of March 2015 (329 columns) and June 2025 (330 columns, "V2");
CMS's readme of February 2025 says that every value is double-quoted and dates are MM/DD/YYYY. Real data files
are LF-terminated like their header files as far as seen (rows of 2018 were seen only re-saved with CRLF).

    world = World(seed=1, providers=20_000)
    world.monthly(date(2026, 11, 8), folder)
    world.weekly(date(2026, 11, 9), date(2026, 11, 15), folder)
    world.deactivations(date(2026, 11, 17), folder)
    world.truth()

A reader is right when it takes a provider as active unless the row has an NPI Deactivation Date and no NPI
Reactivation Date. Records that must not reach `current` (ragged ones, and ones with an NPI of 9 digits) are
always additional records about providers that exist nowhere else, so that truth does not depend on what a
reader does with a provider whose record it lost.

    python -m bench.synthetic.nppes --rows 20000 --seed 1 --out FOLDER
"""

import dataclasses
import io
import json
import random
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import IO, Annotated, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import typer

Era = Literal["2015", "2025"]
Kind = Literal["full", "incremental", "deletions"]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FIRST_DAY = date(2005, 5, 23)  # every monthly file starts its period here
CHUNK = 16_384  # providers looked at at once: about 20 MB of text
NEVER = np.iinfo(np.int64).max


# --- Layouts --------------------------------------------------------------------------------------


def _address(kind: str) -> list[str]:
    fields = ("City Name", "State Name", "Postal Code", "Country Code (If outside U.S.)")
    return [
        f"Provider First Line Business {kind} Address",
        f"Provider Second Line Business {kind} Address",
        *(f"Provider Business {kind} Address {field}" for field in fields),
        f"Provider Business {kind} Address Telephone Number",
        f"Provider Business {kind} Address Fax Number",
    ]


def header(era: Era) -> tuple[str, ...]:
    """Return the column names of the main file: 329 in "2015", 330 in "2025".

    Source: `npidata_20050523-20150308FileHeader.csv`, `npidata_pfile_20050523-20250608_fileheader.csv`.
    """
    person = ("Last Name", "First Name", "Middle Name")
    name = (*person, "Name Prefix Text", "Name Suffix Text", "Credential Text")
    official = (*person, "Title or Position", "Telephone Number")
    columns = ["NPI", "Entity Type Code", "Replacement NPI", "Employer Identification Number (EIN)"]
    columns += ["Provider Organization Name (Legal Business Name)", "Provider Last Name (Legal Name)"]
    columns += [f"Provider {part}" for part in name[1:]]
    columns += ["Provider Other Organization Name", "Provider Other Organization Name Type Code"]
    columns += [f"Provider Other {part}" for part in name]
    columns += ["Provider Other Last Name Type Code", *_address("Mailing"), *_address("Practice Location")]
    columns += ["Provider Enumeration Date", "Last Update Date"]
    columns += ["NPI Deactivation Reason Code", "NPI Deactivation Date", "NPI Reactivation Date"]
    columns += ["Provider Gender Code" if era == "2015" else "Provider Sex Code"]
    columns += [f"Authorized Official {part}" for part in official]
    for n in range(1, 16):
        columns += [f"Healthcare Provider Taxonomy Code_{n}", f"Provider License Number_{n}"]
        columns += [f"Provider License Number State Code_{n}"]
        columns += [f"Healthcare Provider Primary Taxonomy Switch_{n}"]
    for n in range(1, 51):
        columns += [f"Other Provider Identifier_{n}", f"Other Provider Identifier Type Code_{n}"]
        columns += [f"Other Provider Identifier State_{n}", f"Other Provider Identifier Issuer_{n}"]
    columns += ["Is Sole Proprietor", "Is Organization Subpart", "Parent Organization LBN"]
    columns += ["Parent Organization TIN"]
    columns += [f"Authorized Official {part}" for part in name[3:]]
    columns += [f"Healthcare Provider Taxonomy Group_{n}" for n in range(1, 16)]
    return tuple(columns if era == "2015" else [*columns, "Certification Date"])


def othername_header() -> tuple[str, ...]:
    """Return the 3 column names of the file of further names of organizations (June 2025)."""
    return ("NPI", "Provider Other Organization Name", "Provider Other Organization Name Type Code")


def pl_header() -> tuple[str, ...]:
    """Return the 10 column names of the file of further practice locations (June 2025).

    The doubled blank, the uneven hyphens and the fax column without "Secondary" are CMS's.
    """
    location = "Provider Secondary Practice Location Address"
    fields = ("City Name", "State Name", "Postal Code", "Country Code (If outside U.S.)")
    return (
        "NPI",
        f"{location}- Address Line 1",
        f"{location}-  Address Line 2",
        *(f"{location} - {field}" for field in fields),
        f"{location} - Telephone Number",
        f"{location} - Telephone Extension",
        "Provider Practice Location Address - Fax Number",
    )


def endpoint_header() -> tuple[str, ...]:
    """Return the 19 column names of the file of electronic endpoints (June 2025)."""
    address = ("Line One", "Line Two", "City", "State", "Country", "Postal Code")
    return (
        *("NPI", "Endpoint Type", "Endpoint Type Description", "Endpoint"),
        *("Affiliation", "Endpoint Description"),
        *("Affiliation Legal Business Name", "Use Code", "Use Description", "Other Use Description"),
        *("Content Type", "Content Description", "Other Content Description"),
        *(f"Affiliation Address {part}" for part in address),
    )


def header_line(columns: Iterable[str]) -> bytes:
    """Return the header as the publisher writes it: every name double-quoted, LF at the end."""
    return (",".join(f'"{column}"' for column in columns) + "\n").encode()


# --- What a file turned out to be -----------------------------------------------------------------


@dataclass(frozen=True)
class Rates:
    """How often ugly things occur, each as a share of records, and how fast the registry changes.

    The first six are properties of a provider's own values, at most one of them per record, and stay the same
    in every file until the provider changes: a share of the main file's records that have content. The next
    three are additional records, a share of all; a file has at least one of each whose rate is not 0.
    """

    line_feed: float = 1 / 500
    """LF inside an organization's name or the first line of an individual's practice address."""
    carriage_return: float = 1 / 1_000
    """CRLF, in the same places."""
    doubled_quote: float = 1 / 500
    """A double quote, doubled, in the same places. CMS says that it replaces these by single quotes."""
    latin1: float = 1 / 2_000
    """É as the one byte 0xC9 in the first line of the mailing address; the rest of the file is UTF-8."""
    accent: float = 1 / 100
    """A non-ASCII letter in proper UTF-8, in the name of the organization or the last name."""
    impossible_date: float = 1 / 5_000
    """13/45/2020 as Certification Date (2025) or NPI Reactivation Date (2015)."""
    surplus_field: float = 1 / 5_000
    """An additional record of one field too many."""
    missing_fields: float = 1 / 10_000
    """An additional record that ends after column 315 and one more field."""
    short_npi: float = 1 / 5_000
    """An additional, well-formed record whose NPI has 9 digits: the common schema must hold it back."""
    deactivated_per_year: float = 0.01
    """Share of active providers who are deactivated in a year."""
    reactivated: float = 0.15
    """Share of the deactivated who come back, 20 to 619 days later."""

    def clean(self) -> "Rates":
        """Return the same with every ugly thing off: pure ASCII, nothing to reject or hold."""
        return dataclasses.replace(self, **dict.fromkeys(_VALUE_KINDS + _FAULTS, 0.0))


_VALUE_KINDS = ("line_feed", "carriage_return", "doubled_quote", "latin1", "accent", "impossible_date")
_LATIN1, _ACCENT, _IMPOSSIBLE = 4, 5, 6
_FAULTS = ("surplus_field", "missing_fields", "short_npi")
_SHORT_NPI = 3


@dataclass(frozen=True)
class Ugly:
    """How many records of the main file have each ugly thing; see `Rates`."""

    line_feed: int = 0
    carriage_return: int = 0
    doubled_quote: int = 0
    latin1: int = 0
    accent: int = 0
    impossible_date: int = 0
    surplus_field: int = 0
    missing_fields: int = 0
    short_npi: int = 0


@dataclass(frozen=True)
class Delivery:
    """One file as written. Counts are of records, never of physical lines, and leave the header out."""

    path: Path
    kind: Kind
    as_of: date
    """The second date in the inner name, of a deactivation report its only date."""
    since: date | None
    """First day that an incremental covers (`as_of` is the last)."""
    well_formed: int
    """Records of the main file with the right number of fields (those of a short NPI among them)."""
    malformed: int
    """Records of the main file with too many or too few fields."""
    near_empty: int
    """Records that carry only NPI and deactivation date; part of `well_formed`."""
    csv_bytes: int
    """Length of the main CSV, uncompressed, with its header; 0 for a deactivation report."""
    ugly: Ugly
    othername: int = 0
    pl: int = 0
    endpoint: int = 0

    @property
    def held(self) -> int:
        """Well-formed records that a common schema must hold back."""
        return self.ugly.short_npi


# --- Vocabulary -----------------------------------------------------------------------------------


def _words(text: str, separator: str | None = None) -> pa.Array:
    """Return the words of a text, or its phrases where they are separated by something else than blanks."""
    return pa.array(text.split(separator))


_LAST = _words(
    """ABERNETHY ALDOUS ASHBY BARROW BELLAMY BRACKEN CALLOWAY CARDEN CHEN COLBY CROWE DASGUPTA DELANEY DRAPER
    EASTMAN ELLERY FARROW FENWICK GALLAGHER GARZA GREELEY HALVORSEN HARGROVE HOLLIS IBARRA INGRAM JANSEN JUDD
    KEATING KIM KOWALSKI LANGLEY LOMBARDI LUND MARCHETTI MERCER NAKAMURA NGUYEN NORCROSS OAKES OKAFOR ORTEGA
    PATEL PENHALLOW PRUITT QUIGLEY QUIST RAMIREZ RENNER ROURKE SANDOVAL SINGH STRAND TALBOT THORNE TRAN
    UNDERHILL VANCE VOSS WEATHERS WHITLOCK XIONG YARROW YOUNG ZELLER ZHOU O'HARA VAN-DYKE"""
)
_LAST_ACCENTED = _words("MUÑOZ LÉVESQUE MÜLLER GARCÍA BJÖRK NÚÑEZ CÔTÉ ŁUKASIK")
_FIRST = _words(
    """ADA ALBERT ALMA ANITA BASIL BEATRICE BRUNO CARLOS CELIA CLARA CYRUS DANIEL DINA EDGAR ELENA ESTHER
    FELIX FIONA GAVIN GLORIA HANNAH HUGO IRENE IVAN JOAN JONAS KAREN KENJI LENA LIONEL LUCIA MAGNUS MARTA MEI
    NADIA NOEL OLGA OSCAR PAUL PRIYA QUENTIN RAMON RITA ROSA SAMUEL SARA TARA THEO URSULA VERA VICTOR WANDA
    XAVIER YUSUF ZOE"""
)
_MIDDLE = pa.array([*[""] * 13, *"ABCDEFGHJKLMNPRSTW"])
_PREFIX = pa.array([*[""] * 8, "DR.", "MR.", "MS.", "MRS."])
_SUFFIX = pa.array([*[""] * 30, "JR.", "II", "III"])
_CREDENTIAL = _words("MD|M.D.|DO|RN|NP|FNP-C|PA-C|DDS|PT|LCSW|PHARMD||OD", "|")
_PLACE_WORD = _words(
    """ASPEN BAYSIDE BIRCH BRIGHTON CEDAR CENTRAL CLEARWATER CORNERSTONE EASTSIDE EVERGREEN FAIRVIEW FOUNTAIN
    GATEWAY GLENWOOD GRANITE HARBOR HIGHLAND JUNIPER KEYSTONE LAKESIDE LAUREL LIBERTY MAGNOLIA MEADOWS
    MERIDIAN MIDTOWN MOUNTAIN NORTHGATE OAKLAND PALMETTO PINNACLE PRAIRIE RIVERSIDE SEQUOIA SUMMIT SUNRISE
    TRINITY UNION VALLEY WESTBROOK WILLOW WOODLAND"""
)
_PLACE_ACCENTED = _words("CAÑADA SÃO-JOSÉ PEÑASCO RENÉE ÁGUILA")
_TRADE = _words(
    "FAMILY MEDICINE|HOME HEALTH|DENTAL GROUP|PHYSICAL THERAPY|EYE CARE|PHARMACY|IMAGING|SURGERY CENTER|"
    "HOSPITAL|BEHAVIORAL HEALTH|AMBULANCE SERVICE|PEDIATRICS|CARDIOLOGY ASSOCIATES|NURSING CENTER|"
    "LABORATORY|HOSPICE|MEDICAL SUPPLY|WOMENS HEALTH|CHIROPRACTIC|URGENT CARE",
    "|",
)
_LEGAL = _words("LLC INC INC. PC P.A. PLLC LTD CORPORATION LLP FOUNDATION")
_STREET = _words(
    "MAIN ST|OAK AVE|2ND ST|HOSPITAL DR|CENTER BLVD|MARKET ST|ELM ST|PARK AVE|STATE ROUTE 9|MEDICAL PLAZA|"
    "LAKE SHORE RD|COLLEGE AVE|WASHINGTON ST|N 14TH ST|SW HARBOR WAY|CHURCH ST|INDUSTRIAL PKWY|RIVER RD",
    "|",
)
_STREET_FRENCH = "PLACE DU MARCHÉ"
_SUITE = _words("|" * 14 + "STE 100|STE 210|SUITE B|FL 3|BLDG 2|UNIT 4|APT 12|RM 1-117", "|")
# City, state, first three digits of its ZIP codes; all ASCII, so that `Rates.accent` counts every accent.
_PLACES = [
    (place[:-7], place[-6:-4], place[-3:])
    for place in _words(
        "BOSTON MA 021|HARTFORD CT 061|NEWARK NJ 071|BROOKLYN NY 112|PITTSBURGH PA 152|BALTIMORE MD 212|"
        "RICHMOND VA 232|RALEIGH NC 276|ATLANTA GA 303|MIAMI FL 331|NASHVILLE TN 372|COLUMBUS OH 432|"
        "DETROIT MI 482|MADISON WI 537|ST PAUL MN 551|CHICAGO IL 606|SAINT LOUIS MO 631|OMAHA NE 681|"
        "NEW ORLEANS LA 701|DALLAS TX 752|HOUSTON TX 770|DENVER CO 802|BOISE ID 837|PHOENIX AZ 850|"
        "LAS VEGAS NV 891|LOS ANGELES CA 900|SAN DIEGO CA 921|FRESNO CA 937|HONOLULU HI 968|PORTLAND OR 972|"
        "SEATTLE WA 981|MAYAGUEZ PR 006",
        "|",
    ).to_pylist()
]
_CITY, _STATE, _ZIP3 = (pa.array([place[part] for place in _PLACES]) for part in range(3))
_CODES = {
    1: _words("207Q00000X 207R00000X 208000000X 363L00000X 225100000X 1223G0001X 1041C0700X 183500000X"),
    2: _words("261QP2300X 251E00000X 332B00000X 3336C0003X 282N00000X 291U00000X 314000000X 261QM1300X"),
}
_GROUPS = pa.array([*[""] * 12, "193200000X MULTI-SPECIALTY GROUP", "193400000X SINGLE SPECIALTY GROUP"])
_ISSUERS = _words("BLUE PLAN OF NOWHERE|EXAMPLE HEALTH|MEDICARE PTAN|ACME MUTUAL|RAILROAD MEDICARE|", "|")
_TITLE = _words("CEO|PRESIDENT|OWNER|MANAGER|ADMINISTRATOR|VP FINANCE|OFFICE MANAGER", "|")
# What CMS's readme says it writes over an SSN, ITIN or EIN typed in as a licence or identifier.
_MASKS = _words("$$$$$$$$$ ******** _________")


class _Tails(NamedTuple):
    """Ready-made ends of a repeating group: columns from its second member to its last, already joined.

    Members beyond the first are rare, and joining 250 mostly empty columns per row would be most of the work.
    """

    text: pa.Array
    """Array of text with `","` between the columns."""
    has_primary: Bools
    primary: pa.Array
    """Array of the taxonomy code whose switch is Y, or empty."""


@cache
def _taxonomy_tails(entity: int) -> _Tails:
    """Return 1,024 ends of the taxonomy groups 2 to 15 (columns 52 to 107)."""
    pick = random.Random(f"taxonomies {entity}")
    codes, masks = _CODES[entity].to_pylist(), _MASKS.to_pylist()
    texts, primaries = [], []
    for _ in range(1_024):
        more = pick.choices([0, 1, 2, pick.randint(3, 14)], weights=[70, 20, 6, 4])[0]
        primary = pick.randrange(more) if more and pick.random() < 0.3 else None
        fields = []
        for n in range(more):
            licence = str(pick.randint(10_000, 9_999_999))
            if pick.random() < 0.2:
                licence = pick.choice(["", *masks])
            fields += [pick.choice(codes), licence, pick.choice(_PLACES)[1], "Y" if n == primary else "N"]
        primaries.append("" if primary is None else fields[4 * primary])
        texts.append('","'.join(fields + [""] * (56 - len(fields))))
    return _Tails(pa.array(texts), np.array([bool(code) for code in primaries]), pa.array(primaries))


@cache
def _identifier_tails() -> pa.Array:
    """Return 512 ends of the identifier groups 2 to 50 (columns 112 to 307)."""
    pick = random.Random("identifiers")
    masks, issuers = _MASKS.to_pylist(), _ISSUERS.to_pylist()
    texts = []
    for _ in range(512):
        fields: list[str] = []
        for _ in range(pick.choices([0, 1, 3, pick.randint(4, 49)], weights=[60, 25, 12, 3])[0]):
            number = pick.choice(masks) if pick.random() < 0.02 else str(pick.randint(10_000, 99_999_999))
            fields += [number, pick.choice(["01", "05"]), pick.choice(_PLACES)[1], pick.choice(issuers)]
        texts.append('","'.join(fields + [""] * (196 - len(fields))))
    return pa.array(texts)


@cache
def _numbers(digits: int) -> pa.Array:
    """Return all numbers of so many digits, zero-filled, and at the very end the empty text."""
    return pa.array([*(f"{n:0{digits}d}" for n in range(10**digits)), ""])


_DATES_FROM, _DATES_COUNT = date(2005, 1, 1), 60 * 366


@cache
def _date_texts() -> pa.Array:
    days = (_DATES_FROM + timedelta(days=n) for n in range(_DATES_COUNT))
    return pa.array([*(f"{day:%m/%d/%Y}" for day in days), ""])


def _dates(days: Ints) -> pa.Array:
    """Write days since 1970 as MM/DD/YYYY; NEVER and negative ones as empty text."""
    at = days - _day(_DATES_FROM)
    return _date_texts().take(pa.array(np.where((at < 0) | (at >= _DATES_COUNT), _DATES_COUNT, at)))


def _day(day: date) -> int:
    return (day - date(1970, 1, 1)).days


# --- Chance ---------------------------------------------------------------------------------------


class _Draw:
    """Random values that depend on (seed, topic, provider, version) only, for arrays of providers.

    A counter-based generator (splitmix64's finaliser over a linear mix) in place of a stream of random
    numbers: that is what lets any row be computed alone, in any order.
    """

    def __init__(self, seed: int, index: Ints, version: Ints | None = None) -> None:
        self._seed = seed
        self._mixed = index.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        if version is not None:
            self._mixed += version.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)

    def bits(self, topic: str) -> npt.NDArray[np.uint64]:
        """Return 64 bits each."""
        key = (self._seed * 0xD6E8FEB86659FD93 + zlib.crc32(topic.encode()) * 0xA0761D6478BD642F) % 2**64
        x = self._mixed + np.uint64(key)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))

    def below(self, topic: str, bound: int) -> Ints:
        """Return whole numbers from 0 to bound - 1."""
        return (self.bits(topic) % np.uint64(bound)).astype(np.int64)

    def unit(self, topic: str) -> npt.NDArray[np.float64]:
        """Return numbers in [0, 1)."""
        return (self.bits(topic) >> np.uint64(11)).astype(np.float64) / 2**53

    def chance(self, topic: str, share: float) -> Bools:
        """Return True with the given probability."""
        return self.unit(topic) < share

    def pick(self, topic: str, words: pa.Array) -> pa.Array:
        """Return one of the words each."""
        return words.take(pa.array(self.below(topic, len(words))))


def npis(index: Ints) -> Ints:
    """Return the NPI of each provider number (0 to 99,999,999): unique, scattered, 2 % beginning with 2.

    The check digit is Luhn's over the NPI with the prefix 80840 of US health applications, which adds 24.
    """
    # 61,803,399 has no factor in common with 10**8: a permutation of the eight digits after the first.
    base = np.where(index % 50 == 49, 2, 1) * 10**8 + (index * 61_803_399 + 31_415_926) % 10**8
    total, rest = np.full(len(index), 24, dtype=np.int64), base
    for place in range(9):
        digit, rest = rest % 10, rest // 10
        if place % 2 == 0:
            digit = np.where(digit > 4, 2 * digit - 9, 2 * digit)
        total += digit
    return base * 10 + -total % 10


# --- The registry ---------------------------------------------------------------------------------


class _State(NamedTuple):
    """Where providers stand on a day. Days are days since 1970."""

    enumerated: Ints
    version: Ints
    updated: Ints
    deactivated: Ints
    """NEVER if not by then."""
    reactivated: Ints
    """NEVER if not by then."""
    active: Bools
    changed: Ints
    """Day of the last thing that happened."""

    def where(self, chosen: Bools | Ints) -> "_State":
        return _State._make(field[chosen] for field in self)


class _Batch:
    """Some providers as a file shows them, and the random values that are theirs.

    index: their numbers.
    oddity: what is ugly in each one's values: 0, or 1 + the position in _VALUE_KINDS.
    """

    def __init__(self, seed: int, index: Ints, state: _State, oddity: Ints) -> None:
        self.index = index
        self.state = state
        self.oddity = oddity
        self.fixed = _Draw(seed, index)
        """Never changes for a provider."""
        self.slow = _Draw(seed, index, state.version // 3)
        """Changes at every third change: names."""
        self.now = _Draw(seed, index, state.version)
        """Changes at every change: addresses, phones."""
        self.organization = self.fixed.chance("organization", _ORGANIZATIONS)


def _oddities(seed: int, index: Ints, state: _State, rates: Rates) -> Ints:
    shares = np.cumsum([getattr(rates, kind) for kind in _VALUE_KINDS])
    drawn = np.searchsorted(shares, _Draw(seed, index, state.version).unit("oddity"), side="right")
    oddity = ((drawn + 1) % (len(_VALUE_KINDS) + 1)).astype(np.int64)
    # An impossible date stands where 2015 has the reactivation date: not on who has a real one.
    oddity[(oddity == _IMPOSSIBLE) & (state.deactivated < NEVER)] = 0
    return oddity


class _Facts(NamedTuple):
    """What is true of active providers: Arrow arrays of text as it is meant, before quoting."""

    organization_name: pa.Array
    last_name: pa.Array
    first_name: pa.Array
    street_number: pa.Array
    street: pa.Array
    practice_line: pa.Array
    place: pa.Array
    """Position in _PLACES."""
    postal_code: pa.Array
    code: pa.Array
    """Taxonomy code 1."""
    tail: pa.Array
    """Position in _taxonomy_tails."""
    switch: pa.Array
    primary: pa.Array


_ORGANIZATIONS = 0.22
_OPENING = pa.array([" ", "\n", "\r\n", ' "', " ", " ", " "])  # by oddity, between the two halves of a value
_CLOSING = pa.array(["", "", "", '"', "", "", ""])


def _facts(batch: _Batch) -> _Facts:
    fixed, slow, now = batch.fixed, batch.slow, batch.now
    org, accent = batch.organization, batch.oddity == _ACCENT
    in_name, in_line = pa.array(np.where(org, batch.oddity, 0)), pa.array(np.where(org, 0, batch.oddity))
    name = pc.binary_join_element_wise(
        _if(accent, slow.pick("place word", _PLACE_ACCENTED), slow.pick("place word", _PLACE_WORD)),
        _OPENING.take(in_name),
        slow.pick("trade", _TRADE),
        _CLOSING.take(in_name),
        " ",
        fixed.pick("legal form", _LEGAL),
        "",
    )
    last = _if(accent, slow.pick("last name", _LAST_ACCENTED), slow.pick("last name", _LAST))
    number = pc.cast(pa.array(1 + now.below("number", 9_999)), pa.string())
    street = now.pick("street", _STREET)
    line = pc.binary_join_element_wise(number, _OPENING.take(in_line), street, _CLOSING.take(in_line), "")

    place = pa.array(now.below("place", len(_PLACES)))
    plus4 = now.below("plus 4", 10_000)
    plus4[now.chance("five digits", 0.4)] = 10_000  # the empty text at the end of the table
    last_two = _numbers(2).take(pa.array(now.below("zip", 100)))
    postal = pc.binary_join_element_wise(_ZIP3.take(place), last_two, _numbers(4).take(pa.array(plus4)), "")

    tail = fixed.below("more taxonomies", 1_024)
    of_1, of_2 = _taxonomy_tails(1), _taxonomy_tails(2)
    code = _if(org, fixed.pick("code", _CODES[2]), fixed.pick("code", _CODES[1]))
    in_tail = np.where(org, of_2.has_primary[tail], of_1.has_primary[tail])
    tail_primary = _if(org, of_2.primary.take(pa.array(tail)), of_1.primary.take(pa.array(tail)))
    return _Facts(
        organization_name=_if(org, name),
        last_name=_if(org, "", last),
        first_name=_if(org, "", fixed.pick("first name", _FIRST)),
        street_number=number,
        street=street,
        practice_line=line,
        place=place,
        postal_code=postal,
        code=code,
        tail=pa.array(tail),
        switch=_if(in_tail, "N", "Y"),
        primary=_if(in_tail, tail_primary, code),
    )


def _if(condition: Bools, then: pa.Array | str, otherwise: pa.Array | str = "") -> pa.Array:
    return pc.if_else(pa.array(condition), then, otherwise)


def _npi_texts(index: Ints) -> pa.Array:
    return pc.cast(pa.array(npis(index)), pa.string())


# --- Rows -----------------------------------------------------------------------------------------


class _Block(NamedTuple):
    """The text of columns `first` to `last` (from 1); of several, with the quotes and commas between them."""

    first: int
    last: int
    text: pa.Array


def _one(column: int, text: pa.Array) -> _Block:
    return _Block(column, column, text)


def _records(blocks: Sequence[_Block], width: int, tail: pa.Array | None = None) -> pa.Array:
    """Join blocks, in the order of columns, to CSV records: an Arrow array of binary.

    Columns that no block gives are empty. `tail`, if given, is all that follows the last block, line end
    included. The joined array's values lie one after the other in memory: they are the text of the file.
    """
    pieces: list[Any] = [b'"']
    column = 1
    for block in blocks:
        pieces += [b'","' * (block.first - column), block.text]
        column = block.last
    pieces.append(b'","' * (width - column) + b'"\n' if tail is None else tail)
    binary = [pa.scalar(p, pa.binary()) if isinstance(p, bytes) else pc.cast(p, pa.binary()) for p in pieces]
    return pc.binary_join_element_wise(*binary, pa.scalar(b"", pa.binary()))


def _text_of(records: pa.Array) -> memoryview:
    """Return the records' bytes without copying."""
    offsets = np.frombuffer(records.buffers()[1], dtype=np.int32)
    first, last = offsets[records.offset], offsets[records.offset + len(records)]
    return memoryview(records.buffers()[2])[first:last]


def _escaped(text: pa.Array) -> pa.Array:
    return pc.replace_substring(text, '"', '""')


def _phones(draw: _Draw, topic: str) -> pa.Array:
    """Return numbers of the North American plan: neither area nor exchange begins with 0 or 1."""
    area, exchange = np.divmod(draw.below(topic, 789 * 800 * 10_000) // 10_000, 800)
    line = draw.below(f"{topic} line", 10_000)
    return pc.cast(pa.array((201 + area) * 10_000_000 + (200 + exchange) * 10_000 + line), pa.string())


def _masked(draw: _Draw, topic: str, present: float) -> pa.Array:
    """Return licence or identifier numbers: some absent, 1 % masked."""
    numbers = pc.cast(pa.array(10_000 + draw.below(topic, 99_990_000)), pa.string())
    numbers = _if(draw.chance(f"{topic} masked", 0.01), draw.pick(f"{topic} mask", _MASKS), numbers)
    return _if(draw.chance(f"{topic} present", present), numbers)


def _near_empty(index: Ints, state: _State, era: Era) -> pa.Array:
    """Return the records of deactivated providers: NPI and deactivation date only, as CMS says."""
    blocks = [_one(1, _npi_texts(index)), _one(40, _dates(state.deactivated))]
    return _records(blocks, len(header(era)))


def _main_records(batch: _Batch, fault: Ints, era: Era) -> pa.Array:
    """Return the full records of providers; `fault` is 0 or 1 + the position in _FAULTS."""
    facts = _facts(batch)
    npi = _npi_texts(batch.index)
    other_name = pc.binary_join_element_wise(
        batch.fixed.pick("other word", _PLACE_WORD), batch.fixed.pick("other trade", _TRADE), " "
    )
    blocks = [
        _one(1, _if(fault == _SHORT_NPI, pc.utf8_slice_codeunits(npi, 0, 9), npi)),
        *_name_blocks(batch, facts, other_name),
        *_address_blocks(batch, facts),
        *_status_blocks(batch, era),
        *_taxonomy_blocks(batch, facts),
        *_identifier_blocks(batch, facts),
        *_organization_blocks(batch, other_name),
    ]
    return _records(blocks, len(header(era)), _ending(fault, _certification(batch, era), era))


def _name_blocks(batch: _Batch, facts: _Facts, other_name: pa.Array) -> list[_Block]:
    """Return columns 2 to 20: who it is."""
    fixed, org, person = batch.fixed, batch.organization, ~batch.organization
    other_org = org & fixed.chance("other name", 0.15)
    other_last = person & fixed.chance("other name", 0.05)
    return [
        _one(2, _if(org, "2", "1")),
        _one(4, _if(org, "<UNAVAIL>")),
        _one(5, _escaped(facts.organization_name)),
        _one(6, facts.last_name),
        _one(7, facts.first_name),
        _one(8, _if(person, fixed.pick("middle", _MIDDLE))),
        _one(9, _if(person, fixed.pick("prefix", _PREFIX))),
        _one(10, _if(person, fixed.pick("suffix", _SUFFIX))),
        _one(11, _if(person, fixed.pick("credential", _CREDENTIAL))),
        _one(12, _if(other_org, other_name)),
        _one(13, _if(other_org, "3")),
        _one(14, _if(other_last, fixed.pick("other last", _LAST))),
        _one(15, _if(other_last, facts.first_name)),
        _one(20, _if(other_last, "1")),
    ]


def _address_blocks(batch: _Batch, facts: _Facts) -> list[_Block]:
    """Return columns 21 to 36: mailing and practice address. They differ in the first line at most."""
    now, latin1 = batch.now, batch.oddity == _LATIN1
    box = pc.binary_join_element_wise("PO BOX", facts.street_number, " ")
    plain = pc.binary_join_element_wise(facts.street_number, _if(latin1, _STREET_FRENCH, facts.street), " ")
    mailing = pc.cast(_if(~latin1 & now.chance("box", 0.2), box, plain), pa.binary())
    mailing = pc.replace_substring(mailing, "É".encode(), "É".encode("latin-1"))
    rest = (
        now.pick("suite", _SUITE),
        _CITY.take(facts.place),
        _STATE.take(facts.place),
        facts.postal_code,
        pa.scalar("US"),
        _phones(now, "phone"),
        _if(now.chance("has fax", 0.6), _phones(now, "fax")),
    )
    return [
        _one(first + n, value)
        for first, line in ((21, mailing), (29, _escaped(facts.practice_line)))
        for n, value in enumerate((line, *rest))
    ]


def _status_blocks(batch: _Batch, era: Era) -> list[_Block]:
    """Return columns 37 to 47: dates, sex, authorized official."""
    state, slow, org = batch.state, batch.slow, batch.organization
    reactivation = _dates(state.reactivated)
    if era == "2015":
        reactivation = _if(batch.oddity == _IMPOSSIBLE, _IMPOSSIBLE_DATE, reactivation)
    return [
        _one(37, _dates(state.enumerated)),
        _one(38, _dates(state.updated)),
        _one(40, _dates(state.deactivated)),
        _one(41, reactivation),
        _one(42, _if(~org, batch.fixed.pick("sex", pa.array(["F", "M"])))),
        _one(43, _if(org, slow.pick("official last", _LAST))),
        _one(44, _if(org, slow.pick("official first", _FIRST))),
        _one(46, _if(org, slow.pick("official title", _TITLE))),
        _one(47, _if(org, _phones(batch.now, "official phone"))),
    ]


def _taxonomy_blocks(batch: _Batch, facts: _Facts) -> list[_Block]:
    """Return columns 48 to 107: one to fifteen taxonomies with exactly one primary switch Y."""
    tail_1, tail_2 = (_taxonomy_tails(entity).text.take(facts.tail) for entity in (1, 2))
    return [
        _one(48, facts.code),
        _one(49, _masked(batch.fixed, "licence", 0.75)),
        _one(50, _STATE.take(facts.place)),
        _one(51, facts.switch),
        _Block(52, 107, _if(batch.organization, tail_2, tail_1)),
    ]


def _identifier_blocks(batch: _Batch, facts: _Facts) -> list[_Block]:
    """Return columns 108 to 307: other identifiers, mostly none, up to fifty."""
    fixed = batch.fixed
    present, medicaid = fixed.chance("identifier", 0.35), fixed.chance("medicaid", 0.5)
    tail, no_tail = fixed.pick("more identifiers", _identifier_tails()), '","' * 195
    return [
        _one(108, _if(present, _masked(fixed, "identifier", 1.0))),
        _one(109, _if(present, _if(medicaid, "05", "01"))),
        _one(110, _if(present, _STATE.take(facts.place))),
        _one(111, _if(present & ~medicaid, fixed.pick("issuer", _ISSUERS))),
        _Block(112, 307, _if(present, tail, no_tail)),
    ]


def _organization_blocks(batch: _Batch, other_name: pa.Array) -> list[_Block]:
    """Return columns 308 to 315: what an individual or organization is part of."""
    fixed, org = batch.fixed, batch.organization
    subpart = org & fixed.chance("subpart", 0.1)
    return [
        _one(308, _if(~org, fixed.pick("sole", pa.array(["N", "Y", "X"])))),
        _one(309, _if(org, _if(subpart, "Y", "N"))),
        _one(310, _if(subpart, other_name)),
        _one(311, _if(subpart, "<UNAVAIL>")),
        _one(312, _if(org, batch.slow.pick("official prefix", _PREFIX))),
        _one(315, _if(org, fixed.pick("group", _GROUPS))),
    ]


_IMPOSSIBLE_DATE = "13/45/2020"


def _certification(batch: _Batch, era: Era) -> pa.Array:
    """Return the certification date, in use since 2020; empty in the era that has no such column."""
    updated = batch.state.updated
    if era == "2015":
        return _dates(np.full(len(updated), NEVER))
    dates = _dates(np.where(updated >= _day(date(2020, 5, 1)), updated, NEVER))
    return _if(batch.oddity == _IMPOSSIBLE, _IMPOSSIBLE_DATE, dates)


def _ending(fault: Ints, last: pa.Array, era: Era) -> pa.Array:
    """Return what follows column 315: empty columns, the last column, and what makes a record ragged."""
    between = b'","' * (len(header(era)) - 315)
    # A record of too few fields puts its last value right after column 315.
    glue = pa.array([between, between, b'","', between], pa.binary()).take(pa.array(fault))
    close = pa.array([b'"\n', b'","SURPLUS"\n', b'"\n', b'"\n'], pa.binary()).take(pa.array(fault))
    return pc.binary_join_element_wise(glue, pc.cast(last, pa.binary()), close, pa.scalar(b"", pa.binary()))


def _othername_records(seed: int, index: Ints, state: _State) -> pa.Array:
    chosen = _Draw(seed, index)
    index = index[chosen.chance("organization", _ORGANIZATIONS) & chosen.chance("further name", 0.15)]
    draw = _Draw(seed, index)
    name = pc.binary_join_element_wise(draw.pick("further word", _PLACE_WORD), draw.pick("further trade", _TRADE), " ")
    npi = _npi_texts(index)
    return _records([_one(1, npi), _one(2, name), _one(3, draw.pick("type", pa.array(["3", "5"])))], 3)


def _pl_records(seed: int, index: Ints, state: _State) -> pa.Array:
    draw = _Draw(seed, index)
    times = np.where(draw.chance("locations", 0.06), 1 + draw.below("how many locations", 3), 0)
    index, version = np.repeat(index, times), np.repeat(state.version, times)
    # The position within the repetition makes each location differ.
    nth = np.arange(len(index)) - np.repeat(np.cumsum(times) - times, times)
    draw = _Draw(seed, index, version * 4 + nth)
    place = pa.array(draw.below("location place", len(_PLACES)))
    last_two = _numbers(2).take(pa.array(draw.below("location zip", 100)))
    number = pc.cast(pa.array(1 + draw.below("location number", 9_999)), pa.string())
    values = (
        _npi_texts(index),
        pc.binary_join_element_wise(number, draw.pick("location street", _STREET), " "),
        draw.pick("location suite", _SUITE),
        _CITY.take(place),
        _STATE.take(place),
        pc.binary_join_element_wise(_ZIP3.take(place), last_two, ""),
        pa.scalar("US"),
        _phones(draw, "location phone"),
        _if(draw.chance("extension", 0.05), "101"),
        _if(draw.chance("location fax", 0.5), _phones(draw, "location fax number")),
    )
    return _records([_one(n, value) for n, value in enumerate(values, 1)], len(pl_header()))


def _endpoint_records(seed: int, index: Ints, state: _State) -> pa.Array:
    index = index[_Draw(seed, index).chance("endpoint", 0.05)]
    draw = _Draw(seed, index)
    npi = _npi_texts(index)
    direct = draw.chance("direct", 0.8)
    direct_address = pc.binary_join_element_wise("provider.", npi, "@direct.example.org", "")
    fhir_address = pc.binary_join_element_wise("https://fhir.example.org/r4/Practitioner/", npi, "")
    blocks = [
        _one(1, npi),
        _one(2, _if(direct, "DIRECT", "FHIR")),
        _one(3, _if(direct, "Direct Messaging Address", "FHIR URL")),
        _one(4, _if(direct, direct_address, fhir_address)),
        _one(5, pa.scalar("N")),
        _one(8, _if(direct, "DIRECT", "HIE")),
        _one(9, _if(direct, "Direct", "Health Information Exchange (HIE)")),
    ]
    return _records(blocks, len(endpoint_header()))


# --- Files ----------------------------------------------------------------------------------------


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Write a zip beside its place and move it there when it is whole: somebody may be polling the folder.

    Members opened by name carry the time 1980-01-01, so that equal contents give equal bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    with _zip(partial) as archive:
        yield archive
    partial.replace(path)


def _zip(to: Path | IO[bytes]) -> zipfile.ZipFile:
    return zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, compresslevel=1)


def _put(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    with archive.open(name, "w") as out:  # not writestr, which takes the time of day
        out.write(content)


def _pdf(title: str) -> bytes:
    """Return a file that looks like a small PDF to whoever asks for its first bytes."""
    return f"%PDF-1.4\n% {title}: synthetic, nothing to read here\n%%EOF\n".encode()


def _sheet(title: str, columns: Sequence[str]) -> tuple[dict[str, str], bytes, bytes]:
    """Return an xlsx workbook of one sheet: its other members, and what comes before and after its data rows.

    Written by hand, as openpyxl stamps the time of saving into the file.
    """
    office = "http://schemas.openxmlformats.org"
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    xml = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    package, document = f"{office}/package/2006", f"{office}/officeDocument/2006/relationships"
    relation = f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" Type="{document}'
    members = {
        "[Content_Types].xml": f'{xml}<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kinds}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kinds}.worksheet+xml"/></Types>',
        "_rels/.rels": f'{xml}{relation}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'{xml}<workbook xmlns="{office}/spreadsheetml/2006/main" xmlns:r="{document}">'
        '<sheets><sheet name="Deactivated NPIs" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'{xml}{relation}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
    }
    rows = "".join(
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in row) + "</row>"
        for row in ([title], columns)
    )
    before = f'{xml}<worksheet xmlns="{office}/spreadsheetml/2006/main"><sheetData>{rows}'
    return members, before.encode(), b"</sheetData></worksheet>"


# --- The world ------------------------------------------------------------------------------------


_RecordsOf = Callable[[int, Ints, _State], pa.Array]


class World:
    """A registry of providers that evolves.

    seed: equal seeds give equal bytes.
    providers: how many NPIs have been given out by the end of `start`; the pace goes on after it.
    rates: of ugly things and of change; `Rates().clean()` for a registry without ugly things.
    era: layout and names of "2015" or "2025"; `start` is 2015-03-08 or 2026-11-08 unless given.

    Two things that CMS does not say clearly are decided here: deactivated providers stand in monthly and
    weekly files as near-empty rows, and a weekly holds who was enumerated, changed, deactivated or
    reactivated in its days, as they are at their end.
    """

    def __init__(
        self,
        seed: int,
        providers: int,
        *,
        rates: Rates | None = None,
        era: Era = "2025",
        start: date | None = None,
    ) -> None:
        if not 1 <= providers <= 40_000_000:
            raise ValueError(f"providers is {providers}: give 1 to 40,000,000, as NPIs are 10**8")
        self.seed = seed
        self.providers = providers
        self.rates = rates or Rates()
        self.era: Era = era
        self.start = start or (date(2015, 3, 8) if era == "2015" else date(2026, 11, 8))
        self._span = (self.start - FIRST_DAY).days
        if self._span < 365:
            raise ValueError(f"start is {self.start}: give a day at least a year after {FIRST_DAY}")
        self._deliveries: list[Delivery] = []

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """All files written so far, in the order of writing."""
        return tuple(self._deliveries)

    # What is so on a day

    def enumerated_by(self, day: date) -> int:
        """Return how many providers have got an NPI by the end of that day."""
        return max(0, -(-(day - FIRST_DAY).days * self.providers // self._span))

    def _state(self, index: Ints, day: date) -> _State:
        """Return where these providers (numbers below `enumerated_by(day)`) stand at the end of that day."""
        today, draw = _day(day), _Draw(self.seed, index)
        enumerated = _day(FIRST_DAY) + 1 + index * self._span // self.providers
        period = 250 + draw.below("period", 2_251)  # days from one change to the next
        version = (today - enumerated) // period
        updated = enumerated + version * period
        # Exponential waiting time; the lower bound keeps the logarithm finite.
        waiting = -np.log(np.maximum(draw.unit("deactivation"), 1e-12)) * 365.25
        waiting = np.minimum(waiting / max(self.rates.deactivated_per_year, 1e-9), 1e9)
        deactivated = enumerated + 1 + waiting.astype(np.int64)
        returns = draw.chance("returns", self.rates.reactivated)
        reactivated = np.where(returns, deactivated + 20 + draw.below("absence", 600), NEVER)
        gone, back = deactivated <= today, reactivated <= today
        updated = np.where(back, np.maximum(updated, reactivated), updated)
        active = ~gone | back
        return _State(
            enumerated=enumerated,
            version=version,
            updated=updated,
            deactivated=np.where(gone, deactivated, NEVER),
            reactivated=np.where(back, reactivated, NEVER),
            active=active,
            changed=np.where(active, updated, deactivated),
        )

    def _chunks(self, as_of: date, since: date | None) -> Iterator[tuple[Ints, _State]]:
        """Yield the providers of a file: all as of a day, or those that something happened to since a day."""
        total = self.enumerated_by(as_of)
        for low in range(0, total, CHUNK):
            index = np.arange(low, min(low + CHUNK, total), dtype=np.int64)
            state = self._state(index, as_of)
            if since is not None:
                chosen = state.changed >= _day(since)
                index, state = index[chosen], state.where(chosen)
            if len(index):
                yield index, state

    # Files

    def monthly(self, day: date, folder: Path) -> Delivery:
        """Write the full file of everybody as of `day`, named after the day's month."""
        name = f"NPPES_Data_Dissemination_{day:%B_%Y}{self._version}.zip"
        return self._dissemination(folder / name, "full", day, None)

    def weekly(self, start: date, end: date, folder: Path) -> Delivery:
        """Write the incremental file of the days from `start` to `end`, both included."""
        name = f"NPPES_Data_Dissemination_{start:%m%d%y}_{end:%m%d%y}_Weekly{self._version}.zip"
        return self._dissemination(folder / name, "incremental", end, start)

    def deactivations(self, day: date, folder: Path) -> Delivery:
        """Write the report of everybody who is deactivated as of `day`: zip of an xlsx, values as text.

        The real workbook has a title row above its header; its title and its cells' types were not seen.
        """
        inner = f"NPPES Deactivated NPI Report {day:%Y%m%d}"
        members, before, after = _sheet(inner, ("NPI", "NPPES Deactivation Date"))
        count = 0
        book = io.BytesIO()  # small, and some readers want sizes ahead of a member, as only a file can have
        with _zip(book) as workbook:
            for name, text in members.items():
                _put(workbook, name, text.encode())
            with workbook.open("xl/worksheets/sheet1.xml", "w") as sheet:
                sheet.write(before)
                for index, state in self._chunks(day, None):
                    gone = ~state.active
                    sheet.write(self._sheet_rows(index[gone], state.where(gone)))
                    count += int(gone.sum())
                sheet.write(after)
        path = folder / f"NPPES_Deactivated_NPI_Report_{day:%m%d%y}{self._version}.zip"
        with _archive(path) as archive:
            _put(archive, f"{inner}.xlsx", book.getvalue())
        return self._remember(Delivery(path, "deletions", day, None, count, 0, 0, 0, Ugly()))

    @property
    def _version(self) -> str:
        return "" if self.era == "2015" else "_V2"

    @staticmethod
    def _sheet_rows(index: Ints, state: _State) -> bytes:
        npi = _npi_texts(index)
        rows = pc.binary_join_element_wise(
            '<row><c t="inlineStr"><is><t>',
            npi,
            '</t></is></c><c t="inlineStr"><is><t>',
            _dates(state.deactivated),
            "</t></is></c></row>",
            "",
        )
        return "".join(rows.to_pylist()).encode()

    def _dissemination(self, path: Path, kind: Kind, as_of: date, since: date | None) -> Delivery:
        period = f"{since or FIRST_DAY:%Y%m%d}-{as_of:%Y%m%d}"
        stem, heading = ("npidata", "FileHeader") if self.era == "2015" else ("npidata_pfile", "_fileheader")
        others: dict[str, tuple[tuple[str, ...], _RecordsOf]] = {
            "othername": (othername_header(), _othername_records),
            "pl": (pl_header(), _pl_records),
            "endpoint": (endpoint_header(), _endpoint_records),
        }
        if self.era == "2015":  # these files came later
            others = {}
        expected = 0 if since else self.enumerated_by(as_of) * 1_600
        counts: dict[str, int] = {}
        with _archive(path) as archive:
            # Above 4 GiB a member is zip64, and that must be said before it is written.
            with archive.open(f"{stem}_{period}.csv", "w", force_zip64=expected > 2**31) as out:
                main, size = self.write_main(out, kind, as_of, since)
            _put(archive, f"{stem}_{period}{heading}.csv", header_line(header(self.era)))
            for dataset, (columns, records_of) in others.items():
                name = f"{dataset}_pfile_{period}"
                with archive.open(f"{name}.csv", "w", force_zip64=expected > 2**34) as out:
                    counts[dataset] = self._write_other(out, columns, records_of, as_of, since)
                _put(archive, f"{name}_fileheader.csv", header_line(columns))
            suffix = "" if self.era == "2015" else "_v.2"
            _put(archive, f"NPPES_Data_Dissemination_Readme{suffix}.pdf", _pdf("Readme"))
            _put(archive, "NPPES_Data_Dissemination_CodeValues.pdf", _pdf("Code values"))
        return self._remember(self._delivery(path, kind, as_of, since, main, size, counts))

    def _write_other(
        self,
        out: IO[bytes],
        columns: Sequence[str],
        records_of: _RecordsOf,
        as_of: date,
        since: date | None,
    ) -> int:
        out.write(header_line(columns))
        count = 0
        for index, state in self._chunks(as_of, since):
            records = records_of(self.seed, index[state.active], state.where(state.active))
            out.write(_text_of(records))
            count += len(records)
        return count

    def write_main(
        self, out: IO[bytes], kind: Kind, as_of: date, since: date | None = None
    ) -> tuple[Counter[str], int]:
        """Write the main CSV with its header; return counts by name and the number of bytes.

        Counts: `active`, `near_empty`, and one per field of `Ugly`.
        """
        counts: Counter[str] = Counter()
        size = out.write(header_line(header(self.era)))
        for index, state in self._chunks(as_of, since):
            size += out.write(_text_of(self._main_chunk(index, state, f"{kind} {as_of}", counts)))
        # At least one of each fault, however short the file: records about numbers not used otherwise.
        lacking = [n for n, name in enumerate(_FAULTS, 1) if getattr(self.rates, name) and not counts[name]]
        if lacking:
            fault = np.array(lacking, dtype=np.int64)
            host = self._state(np.zeros(len(lacking), dtype=np.int64), as_of)
            index = 10**8 - 1 - self.enumerated_by(as_of) - fault
            batch = _Batch(self.seed, index, host, np.zeros_like(fault))
            counts.update(_FAULTS[n - 1] for n in lacking)
            size += out.write(_text_of(_main_records(batch, fault, self.era)))
        return counts, size

    def _main_chunk(self, index: Ints, state: _State, file: str, counts: Counter[str]) -> pa.Array:
        """Return the records of these providers in their order, with additional faulty ones after some."""
        fault = self._faults(index, file)
        hosts, active = np.flatnonzero(fault), np.flatnonzero(state.active)
        gone = np.flatnonzero(~state.active)
        # A faulty record's provider number is counted down from the last possible one, where no provider is.
        full_index = np.concatenate([index[active], 10**8 - 1 - index[hosts]])
        full_fault = np.concatenate([np.zeros_like(active), fault[hosts]])
        full_state = state.where(np.concatenate([active, hosts]))
        oddity = _oddities(self.seed, full_index, full_state, self.rates)
        oddity[full_fault > 0] = 0
        records = _main_records(_Batch(self.seed, full_index, full_state, oddity), full_fault, self.era)
        counts["active"] += len(active)
        counts["near_empty"] += len(gone)
        for n, name in enumerate(_VALUE_KINDS, 1):
            counts[name] += int((oddity == n).sum())
        for n, name in enumerate(_FAULTS, 1):
            counts[name] += int((fault == n).sum())
        if not len(hosts) and not len(gone):
            return records
        records = pa.concat_arrays([records, _near_empty(index[gone], state.where(gone), self.era)])
        order = np.argsort(np.concatenate([2 * active, 2 * hosts + 1, 2 * gone]), kind="stable")
        return records.take(pa.array(order))

    def _faults(self, index: Ints, file: str) -> Ints:
        """Return for each provider of a file which fault an additional record after it has, or 0."""
        shares = np.cumsum([getattr(self.rates, name) for name in _FAULTS])
        chosen = np.searchsorted(shares, _Draw(self.seed, index).unit(f"fault {file}"), side="right")
        return ((chosen + 1) % (len(_FAULTS) + 1)).astype(np.int64)

    @staticmethod
    def _delivery(
        path: Path,
        kind: Kind,
        as_of: date,
        since: date | None,
        counts: Counter[str],
        size: int,
        others: dict[str, int],
    ) -> Delivery:
        ugly = Ugly(**{field.name: counts[field.name] for field in dataclasses.fields(Ugly)})
        well_formed = counts["active"] + counts["near_empty"] + ugly.short_npi
        malformed = ugly.surplus_field + ugly.missing_fields
        near_empty = counts["near_empty"]
        return Delivery(path, kind, as_of, since, well_formed, malformed, near_empty, size, ugly, **others)

    def _remember(self, delivery: Delivery) -> Delivery:
        self._deliveries.append(delivery)
        return delivery

    # Truth

    def truth(self, deliveries: Iterable[Delivery] | None = None) -> pa.Table:
        """Return what `current` must hold after these deliveries (all written, if not given), sorted by NPI.

        Deliveries apply in the order of (`as_of`, full < incremental < deletions), whatever order they are
        given in. Columns: npi, entity_type, organization_name, last_name, first_name, practice_line,
        practice_city, practice_state, practice_postal_code, primary_taxonomy as text ("" where the file has
        an empty value); enumeration_date, last_update_date as date32. Only active providers. Text is as it
        is meant: doubled quotes are single, line breaks are in it.
        """
        ranks: dict[Kind, int] = {"full": 0, "incremental": 1, "deletions": 2}
        given = self._deliveries if deliveries is None else deliveries
        ordered = sorted(given, key=lambda d: (d.as_of, ranks[d.kind]))
        tables = [_TRUTH.empty_table()]
        total = max((self.enumerated_by(d.as_of) for d in ordered), default=0)
        for low in range(0, total, CHUNK):
            index = np.arange(low, min(low + CHUNK, total), dtype=np.int64)
            tables.append(self._truth_of(index, ordered))
        return pa.concat_tables(tables).sort_by("npi")

    def _truth_of(self, index: Ints, ordered: Sequence[Delivery]) -> pa.Table:
        """Replay deliveries for some providers: for each, the state that the last file with a row showed."""
        shown = np.zeros(len(index), dtype=np.bool_)
        state = self._state(index, self.start)  # overwritten below for all who are shown at the end
        for delivery in ordered:
            then = self._state(index, delivery.as_of)
            known = index < self.enumerated_by(delivery.as_of)
            if delivery.kind == "full":
                listed, shown = known, np.zeros_like(shown)
            elif delivery.since is not None:
                listed = known & (then.changed >= _day(delivery.since))
            else:
                shown &= ~(known & ~then.active)
                continue
            state = _State._make(np.where(listed, new, old) for new, old in zip(then, state, strict=True))
            shown = np.where(listed, then.active, shown)
        index, state = index[shown], state.where(shown)
        batch = _Batch(self.seed, index, state, _oddities(self.seed, index, state, self.rates))
        facts = _facts(batch)
        values = [
            _npi_texts(index),
            _if(batch.organization, "2", "1"),
            facts.organization_name,
            facts.last_name,
            facts.first_name,
            facts.practice_line,
            _CITY.take(facts.place),
            _STATE.take(facts.place),
            facts.postal_code,
            facts.primary,
            pa.array(state.enumerated.astype(np.int32)).cast(pa.date32()),
            pa.array(state.updated.astype(np.int32)).cast(pa.date32()),
        ]
        return pa.Table.from_arrays(values, schema=_TRUTH)


_TRUTH = pa.schema(
    [
        *((name, pa.string()) for name in ("npi", "entity_type")),
        *((f"{part}_name", pa.string()) for part in ("organization", "last", "first")),
        *((f"practice_{part}", pa.string()) for part in ("line", "city", "state", "postal_code")),
        ("primary_taxonomy", pa.string()),
        ("enumeration_date", pa.date32()),
        ("last_update_date", pa.date32()),
    ]
)


def main_csv(rows: int, seed: int, path: Path, dirty: bool = True, era: Era = "2025") -> Delivery:
    """Write only the plain main CSV of a full file with `rows` providers, about 1.2 kB each.

    Faulty records (see `Rates`) are in addition to `rows`; with `dirty=False` there is nothing ugly.
    """
    world = World(seed, rows, era=era, rates=None if dirty else Rates().clean())
    with path.open("wb") as out:
        counts, size = world.write_main(out, "full", world.start)
    return World._delivery(path, "full", world.start, None, counts, size, {})


def publish(rows: int, seed: int, folder: Path) -> World:
    """Write what the outside world publishes in a month: a full file, two weeks and the deactivation report.

    The first week has the same as_of as the full file: a tie for the reader to resolve.
    """
    world = World(seed, rows)
    end, week = world.start, timedelta(days=7)
    world.monthly(end, folder)
    world.weekly(end - timedelta(days=6), end, folder)
    world.weekly(end + timedelta(days=1), end + week, folder)
    world.deactivations(end + timedelta(days=2), folder)
    return world


def _main(
    rows: Annotated[int, typer.Option(help="Providers in the monthly file.", min=1)],
    out: Annotated[Path, typer.Option(help="Folder to write into.", file_okay=False)],
    seed: Annotated[int, typer.Option(help="Equal seeds give equal bytes.", min=0)] = 1,
) -> None:
    """Write one monthly file, two weeklies and a deactivation report; say as JSON lines what they hold."""
    for delivery in publish(rows, seed, out).deliveries:
        typer.echo(json.dumps(dataclasses.asdict(delivery), default=str))


if __name__ == "__main__":
    typer.run(_main)
