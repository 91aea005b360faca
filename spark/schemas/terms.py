"""Value sets that more than one common schema has."""

SEX = ("male", "female", "other", "unknown")
"""FHIR R4, administrative-gender."""

DIAGNOSIS_CODES = ("icd-10-cm", "icd-9-cm", "snomed-ct")
"""Code systems of diagnoses, by Tuva's names."""

PROCEDURE_CODES = ("icd-10-pcs", "icd-9-pcs", "hcpcs", "snomed-ct")
"""Code systems of procedures, by Tuva's names."""

DRG_CODES = ("ms-drg", "apr-drg")
"""Systems of diagnosis related groups, by Tuva's names."""
