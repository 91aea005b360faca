"""Which encoding a sample of a text file is in, told by its bytes alone."""

import codecs
import re
from collections.abc import Callable
from typing import NamedTuple

_MARKS = (  # the longest first, as UTF-32's begins as UTF-16's does
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SINGLE = ("cp1252", "mac-roman", "cp437", "cp850", "cp1250", "cp1251", "cp1253", "koi8-r", "cp866", "iso8859-2")
_MOST = 2_000  # characters beyond ASCII that are looked at
_COMMON = "áàâäãåæçéèêëíìîïñóòôöõøœúùûüßαειοντσςοеаинтср"  # western, Greek and Cyrillic
_RUN = re.compile(rb"[\x80-\xff]{4,}")


class Charset(NamedTuple):
    """`fallback` is for lines that are not in `encoding`; `text` the sample decoded; `sure` from 0 to 1."""

    encoding: str
    fallback: str | None
    text: str
    sure: float
    evidence: str


def charset(sample: bytes) -> Charset:
    """The encoding of a sample, which may end within a character.

    In this order: a byte order mark; NUL bytes where UTF-16 or UTF-32 have them; UTF-8; and of the single-byte
    encodings the one that makes the most of its letters stand where letters do: beside letters of their script, and
    small ones behind small ones. cp1252 is taken before latin-1, whose characters from 0x80 to 0x9f are controls.
    Encodings of several bytes a character other than Unicode's are not told apart; of those `sure` is low.
    """
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            exact = {"utf-8": "utf-8-sig"}.get(encoding, encoding)
            return Charset(encoding, None, _text(sample, exact), 1.0, f"{encoding.upper()} by its byte order mark")
    if wide := _wide(sample):
        return Charset(wide, None, _text(sample, wide), 0.95, f"{wide.upper()} by where its NUL bytes are")
    if sample.isascii():
        return Charset("utf-8", None, sample.decode(), 1.0, "ASCII alone, read as UTF-8")
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(sample)
    wrong = sum("\udc80" <= character <= "\udcff" for character in text)
    right = sum(character > "\x7f" for character in text) - wrong
    if not wrong:
        return Charset("utf-8", None, text, 1.0, "UTF-8 throughout")
    best, fit = _single(sample)
    if right > wrong:
        text = sample.decode("utf-8", "replace")
        return Charset("utf-8", best, text, 0.8, f"UTF-8, but for lines that are read as {best}")
    in_runs = sum(len(run) for run in _RUN.findall(sample))
    high = sum(byte > 0x7F for byte in sample[: 64 * 1024])
    if best not in {"cp1251", "cp1253", "koi8-r", "cp866"} and in_runs > 0.7 * high:
        evidence = f"perhaps of several bytes a character, as Shift JIS is: name the encoding, it is read as {best}"
        return Charset(best, None, _text(sample, best), 0.2, evidence)
    return Charset(
        best, None, _text(sample, best), 0.6 + 0.3 * max(fit, 0.0), f"not UTF-8; {best} fits its letters best"
    )


def _text(sample: bytes, encoding: str) -> str:
    return codecs.getincrementaldecoder(encoding)("replace").decode(sample)


def _wide(sample: bytes) -> str | None:
    """UTF-16 or UTF-32 by the places in a unit where its NUL bytes are: those of blanks and line ends at least."""
    for width, name in ((4, "utf-32"), (2, "utf-16")):
        units = len(sample) // width
        if units < 2:
            continue
        nul = [sample[place : units * width : width].count(0) / units for place in range(width)]
        for order, text, zeros in (("le", nul[0], nul[1:]), ("be", nul[-1], nul[:-1])):
            foreign = sum(byte > 0x7F for byte in sample[:4096]) > 0.15 * min(len(sample), 4096)
            if text < 0.02 and min(zeros) > (0.02 if foreign or (width == 4 and max(zeros) > 0.9) else 0.6):
                decoded = _text(sample[: units * width], f"{name}-{order}")
                if "\ufffd" not in decoded and re.search(r"[\n\r,;\t|]", decoded):
                    return f"{name}-{order}"
    return None


def _single(sample: bytes) -> tuple[str, float]:
    """The single-byte encoding that fits best, the first of equals, and how well, from -3 to 1."""
    at = [match.start() for match in re.finditer(rb"[\x80-\xff]", sample)][:_MOST]
    best, most = _SINGLE[0], -9.0
    for encoding in _SINGLE:
        text = sample.decode(encoding, "replace")  # one character a byte
        fit = sum(_fit(text, place) for place in at) / len(at)
        if fit > most + (0.15 if best == _SINGLE[0] else 0.05):
            best, most = encoding, fit
    return best, min(most, 1.0)


def _fit(text: str, at: int) -> float:
    """How well a character beyond ASCII stands between its neighbours."""
    one = text[at]
    before, behind = text[at - 1 : at] or " ", text[at + 1 : at + 2] or " "
    if one == "\ufffd" or "\x80" <= one < "\xa0":
        return -3.0
    if not one.isalpha():
        if any(one in marks and fits(before, behind) for marks, fits in _MARKED):
            return 1.0
        if before.isalpha() and behind.isalpha():
            return -2.0
        return -1.0 if "\u2500" <= one <= "\u25ff" else 0.0
    script = _script(one)
    common = 0.3 * (one in _COMMON)
    if any(other.isalpha() and _script(other) != script for other in (before, behind)):
        return -2.0
    if before.isalpha():
        if one.isupper() and (before.islower() or behind.islower()):
            return -2.0
        if script == "latin" and before > "\x7f":
            return -0.5
        return -2.0 if one == "\u03c2" and behind.isalpha() else 1.0 + common
    return 1.0 + common if behind.isalpha() and not (one.islower() and behind.isupper()) else 0.0


_MARKED: tuple[tuple[str, Callable[[str, str], bool]], ...] = (  # marks, and between what they stand
    ("\u2019", lambda before, behind: before.isalnum()),
    ("\u201c\u2018\u201e\u00ab", lambda before, behind: not before.isalnum() and behind.isalnum()),
    ("\u201d\u00bb", lambda before, behind: not behind.isalnum() and before not in " ,"),
    ("\u2013\u2014", lambda before, behind: before.isalpha() == behind.isalpha()),
    ("\u20ac\u00a3\u00a7", lambda before, behind: behind.isdigit() or before.isdigit()),
    ("\u00b0\u00bd\u00bc", lambda before, behind: before.isdigit() and not behind.isalpha()),
)


def _script(letter: str) -> str:
    if "\u0370" <= letter <= "\u03ff":
        return "greek"
    return "cyrillic" if "\u0400" <= letter <= "\u04ff" else "latin"
