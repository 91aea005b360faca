"""Encounters: visits and stays.

Names follow The Tuva Project's input layer, `encounter`; `encounter_class` FHIR R4's Encounter.class with the codes of
HL7 v3 ActEncounterCode. OMOP CDM 5.4 calls it `visit_occurrence`. Departs: the source's own type is kept beside the
class instead of Tuva's fifty encounter types, and instants stand beside the days where a source has them.
"""

from spark.schemas.base import Column, Schema
from spark.schemas.terms import DIAGNOSIS_CODES, DRG_CODES

Encounter = Schema(
    name="encounter",
    doc="One row per visit or stay.",
    key=("encounter_id",),
    columns=(
        Column(name="encounter_id", required=True, phi="other_number", doc="The source's identifier"),
        Column(
            name="patient_id", required=True, references="patient.patient_id", phi="record_number", doc="Who was seen"
        ),
        Column(
            name="encounter_class",
            values=("AMB", "EMER", "FLD", "HH", "IMP", "ACUTE", "NONAC", "OBSENC", "PRENC", "SS", "VR"),
            doc="HL7 v3 ActEncounterCode: AMB ambulatory, EMER emergency, HH home health, IMP inpatient, VR virtual, …",
        ),
        Column(name="encounter_type_code", doc="The source's code for the kind of visit"),
        Column(name="encounter_type", doc="The source's words for the kind of visit"),
        Column(name="encounter_start_date", type="date", required=True, phi="date", doc="First day"),
        Column(name="encounter_end_date", type="date", phi="date", doc="Last day"),
        Column(
            name="encounter_start", type="timestamp", phi="date", doc="When it began, where the source says the time"
        ),
        Column(name="encounter_end", type="timestamp", phi="date", doc="When it ended, where the source says the time"),
        Column(name="admit_source_code", doc="Where the patient came from, UB-04 form locator 15"),
        Column(name="admit_type_code", doc="Priority of admission, UB-04 form locator 14"),
        Column(name="discharge_disposition_code", doc="Where the patient went, UB-04 form locator 17"),
        Column(name="attending_provider_id", doc="The source's identifier of the provider"),
        Column(name="attending_npi", doc="The provider's NPI, checked"),
        Column(name="facility_id", references="organization.organization_id", doc="Where it took place"),
        Column(name="facility_npi", doc="The facility's NPI, checked"),
        Column(name="payer", doc="Who paid, as the source names or numbers it"),
        Column(name="primary_diagnosis_code_type", values=DIAGNOSIS_CODES, doc="Code system of the main diagnosis"),
        Column(name="primary_diagnosis_code", doc="Main diagnosis; an ICD code without its dot"),
        Column(name="primary_diagnosis_description", doc="Main diagnosis in the source's words"),
        Column(name="drg_code_type", values=DRG_CODES, doc="System of the diagnosis related group"),
        Column(name="drg_code", doc="Diagnosis related group, 3 digits for MS-DRG"),
        Column(name="charge_amount", type="decimal(18,2)", doc="Charged for it, US dollars"),
        Column(name="allowed_amount", type="decimal(18,2)", doc="Allowed by the payer, US dollars"),
        Column(name="paid_amount", type="decimal(18,2)", doc="Paid by the payer, US dollars"),
    ),
)
