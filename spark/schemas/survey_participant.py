"""How people take part in a survey: age when asked, and the weights without which nothing may be estimated.

Follows no public model, as none has a survey's design: columns are those that NCHS and AHRQ tell analysts of NHANES and
MEPS to use, in words. Who they are stands in `patient`, which has no age, as elsewhere there is a day of birth.
"""

from spark.schemas.base import Column, Schema

SurveyParticipant = Schema(
    name="survey_participant",
    doc="One row per person and cycle of a survey.",
    key=("patient_id", "cycle"),
    columns=(
        Column(
            name="patient_id", required=True, references="patient.patient_id", phi="record_number", doc="Who took part"
        ),
        Column(name="cycle", required=True, doc="Years of the survey, such as 2017-2018"),
        Column(
            name="participation",
            values=("interviewed", "examined"),
            doc="How far the person took part; who was examined was interviewed too",
        ),
        Column(
            name="age",
            type="int",
            least=0,
            most=150,
            phi="date",
            doc="Years when asked; the source may cut it, as at 80",
        ),
        Column(name="age_in_months", type="int", least=0, phi="date", doc="Months when asked, where they are told"),
        Column(
            name="age_in_months_at_exam",
            type="int",
            least=0,
            phi="date",
            doc="Months when examined, where they are told",
        ),
        Column(name="pregnant", type="boolean", doc="Whether she was pregnant when examined"),
        Column(name="education", doc="Highest level of an adult, in the source's words"),
        Column(name="household_size", type="int", least=1, doc="People in the household; the source may cut it"),
        Column(name="income_to_poverty", type="double", least=0, doc="Family income by the poverty threshold"),
        Column(name="interview_weight", type="double", least=0, doc="How many people an interview stands for"),
        Column(name="exam_weight", type="double", least=0, doc="How many an examination stands for; 0 without one"),
        Column(name="variance_stratum", type="int", doc="Masked stratum, for the variance"),
        Column(name="variance_unit", type="int", doc="Masked primary sampling unit in it, for the variance"),
    ),
)
