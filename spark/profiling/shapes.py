"""How values are written: shapes, dates, damage, stand-ins for nothing. All of it of distinct values of a sample."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def offsets(texts: pa.Array) -> npt.NDArray[np.int32]:
    """Where in an array's bytes each text begins, and the last one ends. An array of none may have no offsets."""
    return np.frombuffer(texts.buffers()[1] or bytes(4), np.int32, len(texts) + 1, texts.offset * 4)


# --- shapes -----------------------------------------------------------------------------------------------


def _shape_of(character: str) -> str:
    if character.isalpha():
        return "A" if character.isupper() else "a"
    return "9" if character.isdigit() else character


_ASCII = bytes(ord(_shape_of(chr(code))) if code < 0x80 else code for code in range(256))


def shapes(values: pa.Array) -> pa.Array:
    """Each text with A for a capital, a for another letter, 9 for a digit, the rest as it is; no nulls among them."""
    _, offsets, data = values.buffers()
    if data is None:
        return values
    plain = pa.py_buffer(data.to_pybytes().translate(_ASCII))
    found = pa.Array.from_buffers(pa.string(), len(values), [None, offsets, plain], offset=values.offset)
    wide = pc.invert(pc.string_is_ascii(values))
    if not pc.any(wide).as_py():
        return found
    made = ["".join(map(_shape_of, text)) for text in values.filter(wide).to_pylist()]
    return pc.replace_with_mask(found, wide, pa.array(made, pa.string()))


_NUMBER = re.compile(r" *[-+]?(?:9+(?:\.9*)?|\.9+)(?:[Aa][-+]?99?)? *")
_OTHER = "[A-DF-Za-df-z]"  # than an exponent's
_WORD = re.compile("[Aa]{3}")


class Kind(NamedTuple):
    """What has this shape: maybe a number, maybe dates of some formats; whether there is a word in it."""

    number: bool
    formats: tuple[str, ...]
    word: bool


UNKNOWN = Kind(number=False, formats=(), word=False)
"""Of a shape that is not looked at."""


@lru_cache(1 << 14)
def kind(shape: str) -> Kind:
    """What texts of a shape may be."""
    formats = tuple(fmt for fmt, pattern in _SHAPED.items() if pattern.fullmatch(shape))
    return Kind(bool(_NUMBER.fullmatch(shape)), formats, bool(_WORD.search(shape)))


# --- dates ------------------------------------------------------------------------------------------------

_DAYS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%d.%m.%Y"),
    *("%m%d%Y", "%d%m%Y", "%m/%d/%y", "%d/%m/%y", "%m-%d-%y", "%d-%m-%y", "%d.%m.%y", "%d-%b-%Y", "%d-%b-%y"),
    *("%d%b%Y", "%d%b%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%Y-%m", "%Y%m", "%m/%Y", "%b %Y", "%B %Y"),
)
_CLOCKS = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f")
_INSTANTS = (
    *(f"%Y-%m-%d{between}{clock}{zone}" for between, clock, zone in product("T ", _CLOCKS, ("", "%z"))),
    *(f"{day} {clock}" for day in ("%m/%d/%Y", "%d/%m/%Y") for clock in (*_CLOCKS[:2], "%I:%M %p", "%I:%M:%S %p")),
    *("%d%b%Y:%H:%M:%S", "%d%b%y:%H:%M:%S", "%Y%m%d%H%M", "%Y%m%d%H%M%S"),
)
DATES = _DAYS + _INSTANTS
"""The formats, strptime's, by which dates are looked for; years are 1800 to 2199, or 9999."""

_VALUE = {
    **{"Y": "(?:1[89]|2[01])[0-9]{2}|9999", "y": "[0-9]{2}", "m": "0?[1-9]|1[0-2]", "d": "0?[1-9]|[12][0-9]|3[01]"},
    **{"b": "[A-Za-z]{3}", "B": "[A-Za-z]{3,9}", "H": "[01]?[0-9]|2[0-3]", "I": "0?[1-9]|1[0-2]", "M": "[0-5][0-9]"},
    **{"S": "[0-5][0-9]", "f": "[0-9]{1,6}", "p": "[AaPp][Mm]", "z": "Z|[-+][0-9]{2}:?[0-9]{2}"},
}
_SHAPE = {
    **{"Y": "9999", "y": "99", "m": "99?", "d": "99?", "b": "[Aa]{3}", "B": "[Aa]{3,9}", "H": "99?", "I": "99?"},
    **{"M": "99", "S": "99", "f": "9{1,6}", "p": "[Aa]{2}", "z": "A|[-+]99:?99"},
}


def _written(fmt: str, by: dict[str, str]) -> str:
    """A regular expression of what strptime's format reads; the letter T of a shape is an A."""
    found = re.sub(r"[^%\w ]|T", lambda m: "A" if m[0] == "T" and by is _SHAPE else re.escape(m[0]), fmt)
    if re.search("%[a-zA-Z]%[mdHMS]", fmt) and "%b" not in fmt:  # digits alone: each has its width
        by = {**by, "m": "99" if by is _SHAPE else "0[1-9]|1[0-2]"}
        by |= {"d": "99" if by["Y"] == "9999" else "0[1-9]|[12][0-9]|3[01]"}
        by |= {"H": "99" if by["Y"] == "9999" else "[01][0-9]|2[0-3]"}
    return re.sub("%([a-zA-Z])", lambda m: f"(?:{by[m[1]]})", found)


_SHAPED = {fmt: re.compile(_written(fmt, _SHAPE)) for fmt in DATES}
_VALUED = {fmt: f"^(?:{_written(fmt, _VALUE)})$" for fmt in DATES}


def reads(values: pa.Array, fmt: str) -> Bools:
    """Which values, of shapes that the format has, read as a date by it."""
    fits: Bools = pc.match_substring_regex(values, _VALUED[fmt]).to_numpy(zero_copy_only=False)
    fits[fits] = [_reads(text, fmt) for text in values.filter(pa.array(fits)).to_pylist()]
    return fits


def numbers(values: pa.Array) -> tuple[Bools, Floats]:
    """Which values, of shapes that numbers have, are numbers, and these."""
    which: Bools = pc.string_is_ascii(values).to_numpy(zero_copy_only=False)  # there are other digits
    which &= ~pc.match_substring_regex(values, _OTHER).to_numpy(zero_copy_only=False)
    plain = pc.utf8_ltrim(pc.utf8_trim(values.filter(pa.array(which)), " "), "+")
    return which, plain.cast(pa.float64()).to_numpy()


@lru_cache(1 << 16)
def _reads(text: str, fmt: str) -> bool:
    """Whether it is a date: there is no 30 February."""
    try:
        datetime.strptime(text, fmt)  # only whether it reads
    except ValueError:
        return False
    return True


# --- damage and stand-ins ---------------------------------------------------------------------------------

DAMAGED = (
    "[\\x{FFFD}\\x{FEFF}\\x00-\\x08\\x0B\\x0C\\x0E-\\x1F\\x7F-\\x{9F}]"
    "|\u00c3[\\x{80}-\\x{BF}\u0192\u201a-\u201e\u2020-\u2022\u2026\u2030\u0160\u0152\u017d\u2018\u2019\u201c\u201d\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178]"
    "|\u00c2[\\x{80}-\\x{BF}]|\u00e2\u20ac|\u00ef\u00bb\u00bf|\u00ef\u00bf\u00bd"
)
"""What a text shows that was read by the wrong encoding, for RE2: U+FFFD, a byte order mark within, control characters,
and UTF-8's lead bytes C3, C2, E2 80, EF BB BF and EF BF BD read as Windows-1252 before one that follows them."""


def damaged(values: pa.Array) -> Bools:
    """Which values, none of them "", show a wrong encoding; only those that are not plain ASCII are looked through."""
    ends = offsets(values)
    data = np.frombuffer(values.buffers()[2], np.uint8)[ends[0] : ends[-1]]
    which: Bools = np.logical_or.reduceat((data < 0x20) | (data >= 0x7F), ends[:-1] - ends[0])
    odd = values.filter(pa.array(which))
    which[which] = pc.match_substring_regex(odd, DAMAGED).to_numpy(zero_copy_only=False)
    return which


_WORDS = ("null", "(null)", "<null>", "none", "nan", "na", "n/a", "#n/a", "n.a.", "nil", "unknown", "unk", "missing")
_SIGNS = (".", "-", "--", "---", "?", "*", "\\N", "N\\A")
_BELOW = frozenset(f"-{digit * n}{end}" for digit in "9876" for n in range(1, 6) for end in ("", ".0", ".00"))
_NINES = frozenset(f"{'9' * n}{end}" for n in range(4, 13) for end in ("", ".0", ".00", ".9", ".99"))
_YEARS = (("9999", "12", "31"), ("2999", "12", "31"), ("0001", "01", "01"), ("0000", "00", "00"), ("1900", "01", "01"))


def _days() -> Iterator[str]:
    months = {"12": "DEC", "01": "JAN", "00": "JAN"}
    for year, month, day in _YEARS:
        yield from (f"{year}-{month}-{day}{clock}" for clock in ("", " 00:00:00", "T00:00:00", "T00:00:00Z"))
        yield from (f"{year}-{month}-{day} 00:00:00.000000{zone}" for zone in ("", "Z"))
        yield from (f"{year}{month}{day}", f"{year}/{month}/{day}", f"{month}/{day}/{year}", f"{day}/{month}/{year}")
        yield from (f"{int(month)}/{int(day)}/{year}", f"{month}-{day}-{year}", f"{day}.{month}.{year}")
        yield from (f"{day}{months[month]}{year}", f"{day}-{months[month]}-{year}", f"{month}{day}{year}")


SENTINELS = frozenset(
    (*_WORDS, *(word.upper() for word in _WORDS), *(word.capitalize() for word in _WORDS), *_SIGNS, *_BELOW, *_NINES)
) | frozenset(_days())


def sentinels(values: Sequence[str], counts: Ints, numbers: Floats) -> dict[str, int]:
    """Values that may stand for "nothing", and how often each was met; `numbers` are those among them all.

    Negative ones count where no other number is negative, nines where no number is greater: elsewhere they are numbers.
    """
    known = SENTINELS.intersection(values)
    met = {text: int(counts[at]) for at, text in enumerate(values) if text in known} if known else {}
    below = [text for text in met if text in _BELOW]
    if below and not np.isin(numbers[numbers < 0], [float(text) for text in below]).all():
        met = {text: n for text, n in met.items() if text not in _BELOW}
    most = numbers.max(initial=0.0)
    return {text: n for text, n in met.items() if text not in _NINES or float(text) >= most}
