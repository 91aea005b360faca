"""The words of a column's name: `BENE_1ST_NAME` is beneficiary, first, name.

Names are cut at blanks, signs, digits and capitals. What is left is a word, an abbreviation of one, or several that
were glued together. CMS's abbreviations drop vowels (`prncpl`, `srvc`), so a token without any that has a word's first
letter and consonants is that word; the others stand in `vocabulary`.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby

from spark.recognising.vocabulary import ABBREVIATIONS, WORDS

_KEPT = re.compile(r"icd[\s_-]*o?[\s_-]*(?P<of>9|10)(?:[\s_-]*(?:cm|pcs))?", re.IGNORECASE)
_TOKEN = re.compile(r"icd9|icd10|\d+(?i:st|nd|rd|th)\b|[A-Z]{2,}s\b|[A-Z]+(?![^\W\d_A-Z])|[A-Z]?[^\W\d_A-Z]+|[A-Z]|\d+")
_VOWELS = re.compile(r"(?<!^)[aeiouy]")


@lru_cache(maxsize=65536)
def words(name: str) -> str:
    """The words of a name, lower case, one blank between.

    Digits that number a column, and what stands in parentheses behind another word, are left out.

    >>> words("BENE_1ST_NAME"), words("PatientDOB"), words("ICD9_DGNS_CD_1"), words("ZIPCODE")
    ('beneficiary first name', 'patient birth date', 'icd9 diagnosis code', 'zip code')
    """
    plain = re.sub(r"(?<=[^\s(])\s*\([^)]*\)", " ", name)
    plain = _KEPT.sub(lambda found: f" icd{found['of']} ", plain).replace("'", "")
    plain = re.sub(r"(?i)(?<![a-z])e[-_ ]?mail", "email", plain).replace("_", " ")
    return " ".join(word for token in _TOKEN.findall(plain) for word in _expanded(token.lower()) if word)


def _expanded(token: str) -> Iterator[str]:
    if token.isdigit():
        return
    if known := _known(token):
        yield known
    elif glued := _cut(token):
        yield from glued
    else:
        yield token if _VOWELS.search(token) else _SKELETONS.get(_skeleton(token), token)


def _known(token: str) -> str | None:
    """The word that a token is or stands for."""
    if token in ABBREVIATIONS:
        return ABBREVIATIONS[token]
    if token in WORDS:
        return token
    single = token.removesuffix("s")
    return ABBREVIATIONS.get(single, single) if single in WORDS and len(single) > 2 else None


@lru_cache(maxsize=4096)
def _cut(token: str) -> tuple[str, ...]:
    """The fewest words that a token is glued of, none where it is no such thing."""
    best: list[tuple[str, ...] | None] = [()] + [None] * len(token)
    for end in range(2, len(token) + 1):
        for start in range(max(0, end - 16), end - 1):
            before, piece = best[start], token[start:end]
            if before is None or not (len(piece) > 3 or piece in _GLUED or (len(piece) == 3 and piece in WORDS)):
                continue
            if piece in _INNER and (start == 0 or end == len(token)):
                continue
            known = best[end]
            if (word := _known(piece)) and (known is None or len(before) + 1 < len(known)):
                best[end] = (*before, word)
    if (found := best[-1]) and len(found) > 1:
        return found
    head = _HEAD.fullmatch(token)
    return (head[1], _known(head[2]) or head[2]) if head else ()


_HEAD = re.compile(r"(\w{3,}?)(date|name|code|type|flag|time|phone|number|address|county|street|amount|status)")
"""What an unknown token may be: something, and a word that says what of it."""

_INNER = frozenset({"of", "to"})
_SHORT = "id cd dt no nm yr is dob dod num nbr amt zip cod cnt qty ind flg hic mbi tot cov pat pt mbr mem"
_GLUED = _INNER.union(_SHORT.split())  # other short ones would be found in words that are none


def _skeleton(word: str) -> str:
    """First letter and consonants, doubled ones once: `diagnosis` and `dgns` are alike."""
    return "".join(letter for letter, _ in groupby(_VOWELS.sub("", word)))


_SKELETONS = {_skeleton(word): word for word in sorted(WORDS, reverse=True) if len(_skeleton(word)) > 2}
