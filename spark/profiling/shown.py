"""Whether values of a source may be seen outside of the lake, and how they look where they may not.

All that leaves the lake asks here: reports, artifacts, logs, errors.
"""

import unicodedata
from typing import Literal

from pydantic import BaseModel

Phi = Literal["yes", "no", "unknown"]
"""Whether a source holds protected health information, as it declares it."""

MOST = 80
"""Characters of a value, or of its shape, that are shown."""


class Example(BaseModel, frozen=True):
    """Where to look: a record of a plain file, counted from 1, and what stands there, as it may be seen."""

    file: str
    record: int
    text: str = ""


def shows_values(phi: Phi) -> bool:
    """Only where a source declares that it holds none: what nobody has decided is kept back too."""
    return phi == "no"


def masked(text: str) -> str:
    """The shape of a value: A for a capital, a for any other letter, 9 for a digit, blanks and punctuation as they are.

    What is neither, such as a control character, is a dot. Of the value itself it holds no letter and no digit.
    """
    return _cut("".join(map(_shape, text[: MOST + 1])))


def shown(text: str, phi: Phi) -> str:
    """A value as it may be seen: itself, its length cut, or its shape."""
    return _cut(text) if shows_values(phi) else masked(text)


def _shape(character: str) -> str:
    kind = unicodedata.category(character)
    if kind in ("Lu", "Lt"):
        return "A"
    if kind[0] in "LM":
        return "a"
    if kind[0] == "N":
        return "9"
    return character if kind[0] in "PSZ" else "·"


def _cut(text: str) -> str:
    return text if len(text) <= MOST else f"{text[:MOST]}…"
