"""Codes of health care."""

from collections.abc import Sequence

from spark.recognising import checks
from spark.recognising.kinds.base import END, Kind, kind


def _mixed(values: Sequence[str]) -> bool:
    """Codes of several lengths, or with a dot: what tells ICD from other codes."""
    return len({len(value) for value in values}) > 1 or any("." in value for value in values)


def _lettered(values: Sequence[str]) -> bool:
    """Some begin with a letter, but not all have to: what tells a code from a number."""
    return any(value[0].isalpha() for value in values)


CODES: tuple[Kind, ...] = (
    kind(
        "npi",
        None,
        (1.0, rf"\bnpi{END}"),
        (1.0, r"\bnational provider id"),
        fits=checks.npi,
        alone=checks.npi,
        surely=0.97,
    ),
    kind(
        "taxonomy",
        None,
        (1.0, rf"\btaxonomy(?: code)?{END}"),
        (0.5, r"\btaxonomy\b(?!.*\b(?:switch|group|description)\b)"),
        fits=checks.taxonomy,
        alone=checks.taxonomy,
        surely=0.97,
    ),
    kind(
        "icd10cm",
        None,
        (1.0, r"\bicd10\b(?!.*\b(?:procedure|pcs|indicator|description)\b)"),
        fits=checks.icd10cm,
        alone=checks.icd10cm,
        surely=0.9,
        least=0.9,
        among=_mixed,
    ),
    kind(
        "icd10pcs",
        None,
        (1.0, r"\b(?:icd10.*\bprocedure|procedure.*\bicd10|pcs)\b"),
        fits=checks.icd10pcs,
        alone=checks.icd10pcs,
        surely=0.85,
        least=0.95,
    ),
    kind(
        "icd9cm",
        None,
        (1.0, r"\bicd9\b(?!.*\bprocedure\b)"),
        fits=checks.icd9cm,
        alone=checks.icd9cm,
        surely=0.8,
        least=0.95,
        among=lambda v: _mixed(v) and _lettered(v) and sum(x.isdigit() for x in v) * 2 > len(v),
    ),
    kind("icd9procedure", None, (1.0, r"\bicd9.*\bprocedure\b|\bprocedure.*\bicd9\b"), fits=checks.icd9procedure),
    kind(
        "diagnosis",
        None,
        (0.9, r"(?<!number of )\bdiagnosis(?: code)?(?: (?:x|r|value|text))*$"),
        (0.95, r"^diagnosis code$|\b(?:principal|admitting|primary|other|secondary) diagnosis code"),
        fits=lambda v: max(checks.icd10cm(v), checks.icd9cm(v), checks.snomed(v)),
    ),
    kind(
        "procedure",
        None,
        (0.9, r"(?<!number of )\bprocedure(?: code)?(?: (?:x|r|value|text))*$"),
        fits=lambda v: max(checks.icd10pcs(v), checks.icd9procedure(v), checks.hcpcs(v), checks.snomed(v)),
    ),
    kind(
        "hcpcs",
        None,
        (1.0, rf"\b(?:hcpcs|cpt)\b(?: procedure)?(?: code)?{END}"),
        fits=checks.hcpcs,
        alone=checks.hcpcs,
        surely=0.8,
        least=0.95,
        among=_lettered,
    ),
    kind(
        "ndc",
        None,
        (1.0, r"\bndc\b(?!.*\b(?:description|name|flag|date|exclude|count)\b)"),
        (0.8, r"\bnational drug code"),
        (0.95, r"^product service id$"),
        fits=checks.ndc,
        alone=checks.ndc_hyphened,
        surely=0.95,
    ),
    kind("loinc", None, (1.0, rf"\bloinc{END}"), fits=checks.loinc, alone=checks.loinc, surely=0.97),
    kind("snomed", None, (1.0, r"\b(?:snomed|sctid|sct)\b"), fits=checks.snomed, alone=checks.snomed, surely=0.96),
    kind("dea", None, (1.0, rf"\bdea(?: registration)?{END}"), fits=checks.dea, alone=checks.dea, surely=0.97),
)
