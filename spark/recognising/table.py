"""The columns of a table, each told beside the others: whose name and address it has."""

import re
from collections.abc import Mapping

from spark.profiling.profiles import ColumnProfile
from spark.profiling.recognised import Recognised
from spark.recognising.kinds import OF_A_PATIENT
from spark.recognising.recognise import recognise
from spark.recognising.words import words

_REACHED = frozenset({"name", "geography", "phone", "fax", "email", "url", "other_number"})
"""Identifiers that bodies and providers have as well as patients."""

_CARE = re.compile(
    r"\b(?:claim|encounter|visit|admission|discharge|diagnosis|procedure|case|death|birth|age|race|service)\b"
)
"""Words of what is done for a person."""

_KINDS = (
    "birth_date death_date admission_date discharge_date service_date paid_date age race ssn mrn member_id account"
    " license passport icd10cm icd10pcs icd9cm icd9procedure diagnosis procedure hcpcs ndc loinc snomed text"
)
_PERSONAL = frozenset(_KINDS.split())
_REGISTRY = frozenset({"npi", "taxonomy", "organization"})
_TRADE = re.compile(r"\b(?:specialty|speciality|taxonomy|credential|npi|ccn|revenue|headquartered|website)\b")


def recognise_table(columns: Mapping[str, ColumnProfile]) -> dict[str, tuple[Recognised, ...]]:
    """What each column of a table holds, as `recognise` says it, by the columns' names.

    Where the table is a registry of organizations or providers, names, places and numbers in it are theirs and no
    patient's: they are flagged no more. That takes a column that only such a table has, such as an NPI, a specialty or
    organizations' names, and none that says a word of a person, of care, or of any date but a registry's own.
    """
    found = {name: recognise(column) for name, column in columns.items()}
    said = {name: f"{words(column.original or column.name)} {words(column.label)}" for name, column in columns.items()}
    if not _is_registry(found, said):
        return found
    why = "the table is one of organizations or providers, and says nothing of a person's care"

    def freed(one: Recognised) -> Recognised:
        return one.model_copy(update={"phi": None, "evidence": (*one.evidence, why)}) if one.phi in _REACHED else one

    return {name: tuple(map(freed, kinds)) for name, kinds in found.items()}


def _is_registry(found: Mapping[str, tuple[Recognised, ...]], said: Mapping[str, str]) -> bool:
    best = [kinds[0] for kinds in found.values() if kinds]
    if any(OF_A_PATIENT.search(text) or _CARE.search(text) for text in said.values()):
        return False
    if any(one.kind in _PERSONAL or one.phi == "date" for one in best):
        return False
    return any(one.kind in _REGISTRY and one.confidence > 0.6 for one in best) or any(map(_TRADE.search, said.values()))
