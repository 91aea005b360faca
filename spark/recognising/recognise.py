"""A column's kinds, by its name and its values together, best first."""

import re
from typing import NamedTuple

from spark.profiling.profiles import ColumnProfile
from spark.profiling.recognised import Recognised
from spark.recognising.contents import Contents
from spark.recognising.hidden import HARD, hidden
from spark.recognising.kinds import KINDS, OF_A_PATIENT, OF_A_PROVIDER, OF_NOBODY, Kind
from spark.recognising.words import words
from spark.schemas.base import Phi

LEAST = 0.25
"""Confidence below which nothing is said."""

SEARCHED = 25
"""Values of a column of text that identifiers are sought in; all of a column's texts are `hidden`'s."""

_BY_NAME = {kind.name: kind for kind in KINDS}
_TYPES = {"date": "date", "timestamp": "date", "time": "time", "bool": "boolean"}
"""What a column of Arrow's type is where nothing else says so."""


def recognise(column: ColumnProfile) -> tuple[Recognised, ...]:
    """What a column may hold, best first; empty where nothing fits.

    Its name, its label and its values are asked alike; one of them is enough. The evidence shows no value.
    """
    said = words(column.original or column.name), words(column.label)
    contents = Contents(column)
    found = [r for kind in KINDS if (r := _judged(kind, said, contents, column))]
    found += _otherwise(contents, column)
    best: dict[str, _Said] = {}
    for one in found:
        if one.confidence >= LEAST and (one.kind not in best or one.confidence > best[one.kind].confidence):
            best[one.kind] = one
    about = " ".join((words(column.name.rpartition(".")[0]), *said)).strip()  # whose a field within it is, it says
    ranked = tuple(
        Recognised(kind=one.kind, confidence=round(one.confidence, 3), evidence=one.evidence, phi=_phi(one.kind, about))
        for one in sorted(best.values(), key=lambda one: -one.confidence)
    )
    return (_searched(ranked[0], contents), *ranked[1:]) if ranked and ranked[0].kind in _TEXTS else ranked


_TEXTS = ("text", "description")


def _searched(one: Recognised, contents: Contents) -> Recognised:
    """Text, or labels, with what is hidden in some of them; labels in which numbers of persons are, are text."""
    found = hidden(contents.values[:SEARCHED])
    phi: Phi | None = "text" if any(inside.kind in HARD for inside in found) else one.phi
    evidence = (*one.evidence, *(said for inside in found for said in inside.evidence))
    return one.model_copy(update={"phi": phi, "evidence": evidence})


class _Said(NamedTuple):
    kind: str
    confidence: float
    evidence: tuple[str, ...]


def _judged(kind: Kind, said: tuple[str, str], contents: Contents, column: ColumnProfile) -> _Said | None:
    """Whether the column is of a kind, and how surely.

    A name alone gives 0.85 of its strength. With values it gives 0.75, and that they fit adds to it; where hardly any
    does, the name means something else.
    """
    strength, evidence = _named(kind, said)
    if not contents.values:
        return _Said(kind.name, 0.85 * strength, (*evidence, "it has no values to look at")) if strength else None
    alone = contents.share(kind.alone) if kind.alone and kind.among(contents.values) else 0.0
    count = len(contents.values)
    enough = 0.55 + 0.45 * min(1.0, count / 4)
    if strength:
        share = contents.share(kind.fits) if kind.fits else 0.0
        if kind.fits:
            evidence = (*evidence, f"{share:.0%} of {count} distinct values fit its form")
            if share < 0.2:
                return _Said(kind.name, 0.2 * strength, evidence)
        adds = max(kind.trust * share, kind.surely * enough * alone)
        held = min(1.0, 0.5 + share) if kind.fits else 1.0
        return _Said(kind.name, (1 - (1 - 0.75 * strength) * (1 - min(adds, 0.99))) * held, evidence)
    textual = column.type in ("string", "large_string") or kind.name in _TYPED
    if alone < kind.least or not textual:
        return None
    surely = min(0.99, kind.surely * enough * min(1.0, alone + 0.25))
    return _Said(kind.name, surely, (f"{alone:.0%} of {count} distinct values are of its form",))


_TYPED = frozenset({"npi", "snomed", "date", "time"})
"""Kinds that columns of another type than text may be without a name that says so."""


def _named(kind: Kind, said: tuple[str, str]) -> tuple[float, tuple[str, ...]]:
    """How strongly name and label say a kind, and in which words."""
    name = max((s for s, pattern in kind.names if pattern.search(said[0])), default=0.0)
    label = max((0.95 * s for s, pattern in kind.names if said[1] and pattern.search(said[1])), default=0.0)
    if label > name:
        return label, (f"its label says so: {said[1]}",)
    return name, ((f"its name says so: {said[0]}",) if name else ())


def _otherwise(contents: Contents, column: ColumnProfile) -> list[_Said]:
    """What the column is by its type, or by what its values are like in general."""
    found: list[_Said] = []
    typed = next((kind for begin, kind in _TYPES.items() if column.type.startswith(begin)), None)
    if typed:
        found.append(_Said(typed, 0.9, (f"its type is {column.type}",)))
    if contents.values:
        guess = contents.guess()
        found.append(_Said(guess.kind, guess.confidence, (f"its values are {guess.why}",)))
    return found


def _phi(kind: str, said: str) -> Phi | None:
    """Which identifier of a person a kind is, unless the name says that it is no patient's."""
    phi = _BY_NAME[kind].phi
    if kind == "ein":
        return phi if OF_A_PATIENT.search(said) else None
    if phi is None or phi == "text" or OF_A_PATIENT.search(said):
        return phi
    if phi == "date":
        return None if kind == "date" and OF_NOBODY.search(said) else phi
    if kind in _ALWAYS or _OF_A_CLAIM.search(said):
        return phi
    return None if OF_A_PROVIDER.search(said) else phi


_OF_A_CLAIM = re.compile(r"\b(?:control|reference|accession) number$")
_ALWAYS = frozenset({"ssn", "mrn", "member_id"})
"""Kinds that are a patient's, whatever else the name says."""
