"""Diagnoses, from claims and from records of care.

Names follow The Tuva Project's input layer, `condition`; status FHIR R4's condition-clinical; `diagnosis_type` the
qualifiers of X12 837's HI segment (ABK, ABJ, ABF, ABN, APR) in words, and Tuva's `problem`. OMOP CDM 5.4 calls it
`condition_occurrence`. Departs: no normalised copy of the code, as inlet translates between no vocabularies.
"""

from spark.schemas.base import Column, Schema
from spark.schemas.terms import DIAGNOSIS_CODES

Diagnosis = Schema(
    name="diagnosis",
    doc="One row per diagnosis of a claim, a visit or a problem list.",
    key=("diagnosis_id",),
    columns=(
        Column(
            name="diagnosis_id",
            required=True,
            phi="other_number",
            doc="The source's identifier, or what makes it one: claim and rank; patient, visit, code and first day",
        ),
        Column(
            name="patient_id", required=True, references="patient.patient_id", phi="record_number", doc="Who has it"
        ),
        Column(name="encounter_id", references="encounter.encounter_id", phi="other_number", doc="Visit that found it"),
        Column(name="claim_id", references="claim.claim_id", phi="other_number", doc="Claim that states it"),
        Column(name="claim_line_number", type="int", least=0, doc="Line of the claim, where it is the line's own"),
        Column(name="diagnosis_rank", type="int", least=1, doc="Place among the claim's diagnoses, from 1"),
        Column(
            name="diagnosis_type",
            values=("principal", "admitting", "other", "external cause", "reason for visit", "problem"),
            doc="What it is to the claim or visit",
        ),
        Column(name="source_code_type", values=DIAGNOSIS_CODES, required=True, doc="Code system"),
        Column(name="source_code", required=True, doc="Code; an ICD code without its dot"),
        Column(name="source_description", doc="The source's words"),
        Column(
            name="present_on_admission_code",
            values=("Y", "N", "U", "W", "1"),
            doc="UB-04 present-on-admission indicator",
        ),
        Column(
            name="status",
            values=("active", "recurrence", "relapse", "inactive", "remission", "resolved"),
            doc="FHIR condition-clinical",
        ),
        Column(name="recorded_date", type="date", phi="date", doc="Day on which it was recorded; of a claim, its last"),
        Column(name="onset_date", type="date", phi="date", doc="First day"),
        Column(name="resolved_date", type="date", phi="date", doc="Last day"),
    ),
)
