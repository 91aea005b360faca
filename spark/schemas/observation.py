"""What was measured or found about a person: body measures, blood pressure, laboratory results, answers.

Names follow The Tuva Project's input layer, `observation`; `category` with its values and `effective_period` FHIR
R4's Observation, `value_as_number` OMOP CDM 5.4's `measurement`. Departs: a value is text and, where it is one, a
number too; one `unit`, where Tuva has the source's and a normalised one; no ranges of reference.
"""

from spark.schemas.base import Column, Schema

Observation = Schema(
    name="observation",
    doc="One row per person and thing observed, at one time.",
    key=("observation_id",),
    columns=(
        Column(
            name="observation_id",
            required=True,
            phi="other_number",
            doc="The source's identifier, or what makes it one: person, time and code",
        ),
        Column(
            name="patient_id", required=True, references="patient.patient_id", phi="record_number", doc="Whose it is"
        ),
        Column(name="encounter_id", references="encounter.encounter_id", phi="other_number", doc="Visit that found it"),
        Column(
            name="category",
            values=(
                *("social-history", "vital-signs", "imaging", "laboratory", "procedure"),
                *("survey", "exam", "therapy", "activity"),
            ),
            doc="FHIR observation-category",
        ),
        Column(name="source_code_type", required=True, doc="System of the code, such as loinc, or the source's own"),
        Column(name="source_code", required=True, doc="Code of what was observed; a survey's variable"),
        Column(name="source_description", doc="The source's words for it"),
        Column(name="observation_date", type="date", phi="date", doc="Day on which it was observed"),
        Column(name="effective_period", doc="When it was, where no day is known, such as a survey's cycle 2017-2018"),
        Column(name="result", doc="The value as text: the number, or what the source's code for it means"),
        Column(name="value_as_number", type="double", doc="The value where it is a number"),
        Column(name="unit", doc="Unit of the number, a UCUM code such as mm[Hg]"),
    ),
)
