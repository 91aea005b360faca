"""Adverse events reported for drugs: cases, and the drugs, indications, reactions and outcomes of each report.

Names and codes follow FDA's FAERS quarterly files ("ASC_NTS", revised June 2016) in words; FHIR R4's AdverseEvent has
no place for most of them. The case is the report's latest version: `report_id` (primaryid; ISR before 2012q4) leads to
the other tables' rows for it, and rows of a version before are those that it does not lead to. Dates are partial in
FAERS and stay so. Departs: age and weight are in one unit.
"""

from spark.schemas.base import Column, Schema
from spark.schemas.terms import SEX

_REPORT = Column(
    name="report_id",
    required=True,
    references="adverse_event.report_id",
    phi="other_number",
    doc="The report's version",
)
_DRUG = Column(
    name="drug_sequence", type="bigint", required=True, least=0, doc="Number of the drug in the report (DRUG_SEQ)"
)

AdverseEvent = Schema(
    name="adverse_event",
    doc="One row per case, as its latest version has it.",
    key=("case_id",),
    latest="case_version",
    columns=(
        Column(
            name="case_id", required=True, phi="other_number", doc="Number of the case (CASEID; CASE before 2012q4)"
        ),
        Column(name="report_id", required=True, phi="other_number", doc="Number of this version (PRIMARYID; ISR)"),
        Column(
            name="case_version",
            type="bigint",
            required=True,
            least=0,
            doc="Rises with each version (CASEVERSION; before 2012q4 the ISR itself)",
        ),
        Column(
            name="report_kind",
            values=("initial", "follow-up"),
            doc="First report of the case or a later one (I_F_CODE)",
        ),
        Column(name="report_type", doc="EXP expedited, PER periodic, DIR direct, … (REPT_COD)"),
        Column(name="event_date", phi="date", doc="When the event began, a FHIR date: YYYY, YYYY-MM or YYYY-MM-DD"),
        Column(name="manufacturer_received_date", phi="date", doc="When the manufacturer first heard, a FHIR date"),
        Column(name="initial_fda_date", type="date", phi="date", doc="Day on which FDA received the first version"),
        Column(name="fda_date", type="date", phi="date", doc="Day on which FDA received this version"),
        Column(name="report_date", phi="date", doc="When the report was sent, a FHIR date"),
        Column(name="manufacturer_number", phi="other_number", doc="The manufacturer's number of the report"),
        Column(name="manufacturer", doc="Manufacturer that sent the report, as given"),
        Column(name="authority_number", phi="other_number", doc="A regulatory authority's number of the case"),
        Column(name="literature_reference", phi="text", doc="Article that the case is taken from"),
        Column(name="age_years", type="double", least=0, most=150, phi="date", doc="Age at the event in years"),
        Column(
            name="age_group",
            values=("neonate", "infant", "child", "adolescent", "adult", "elderly"),
            doc="Age group (AGE_GRP)",
        ),
        Column(name="sex", values=SEX, doc="FHIR administrative-gender"),
        Column(name="weight_kg", type="double", least=0, most=1000, doc="Weight in kilograms"),
        Column(name="reporter_occupation", doc="MD physician, PH pharmacist, CN consumer, LW lawyer, … (OCCP_COD)"),
        Column(name="reporter_country", doc="The reporter's country as given"),
        Column(name="event_country", doc="Country of the event, as given (OCCR_COUNTRY)"),
        Column(name="is_electronic", type="boolean", doc="Whether it was sent electronically (E_SUB)"),
    ),
)

AdverseEventDrug = Schema(
    name="adverse_event_drug",
    doc="One row per drug in a report.",
    key=("report_id", "drug_sequence"),
    columns=(
        _REPORT,
        _DRUG,
        Column(name="role", doc="PS primary suspect, SS secondary suspect, C concomitant, I interacting, … (ROLE_COD)"),
        Column(name="drug_name", required=True, doc="Name of the product, valid trade name or as reported"),
        Column(name="active_ingredient", doc="Active ingredient (PROD_AI, since 2014q3)"),
        Column(name="is_valid_name", type="boolean", doc="Whether the name is a valid trade name (VAL_VBM 1)"),
        Column(name="route", doc="Route of administration"),
        Column(name="dose", phi="text", doc="Dose, frequency and route as reported (DOSE_VBM)"),
        Column(name="dose_amount", doc="Amount of a dose, as given"),
        Column(name="dose_unit", doc="Unit of that amount"),
        Column(name="dose_form", doc="Form"),
        Column(name="dose_frequency", doc="Frequency, as given"),
        Column(name="cumulative_dose", doc="Cumulative dose to the first reaction, as given"),
        Column(name="cumulative_dose_unit", doc="Its unit"),
        Column(
            name="dechallenge", values=("Y", "N", "U", "D"), doc="Whether it abated without the drug; D does not apply"
        ),
        Column(name="rechallenge", values=("Y", "N", "U", "D"), doc="Whether it came back with the drug"),
        Column(name="lot_number", doc="Lot, as given"),
        Column(name="expiration_date", doc="Expiry, as given"),
        Column(name="application_number", doc="Number of the drug's application (NDA_NUM)"),
    ),
)

AdverseEventIndication = Schema(
    name="adverse_event_indication",
    doc="One row per reason for which a drug in a report was taken.",
    key=("report_id", "drug_sequence", "indication"),
    columns=(_REPORT, _DRUG, Column(name="indication", required=True, doc="MedDRA preferred term (INDI_PT)")),
)

AdverseEventReaction = Schema(
    name="adverse_event_reaction",
    doc="One row per reaction in a report.",
    key=("report_id", "reaction"),
    columns=(
        _REPORT,
        Column(name="reaction", required=True, doc="MedDRA preferred term (PT)"),
        Column(name="recurred", doc="Term of what came back when the drug was taken again (DRUG_REC_ACT)"),
    ),
)

AdverseEventOutcome = Schema(
    name="adverse_event_outcome",
    doc="One row per outcome for the patient in a report.",
    key=("report_id", "outcome"),
    columns=(
        _REPORT,
        Column(
            name="outcome",
            required=True,
            values=("DE", "LT", "HO", "DS", "CA", "RI", "OT"),
            doc="DE death, LT life-threatening, HO hospitalization, DS disability, CA congenital anomaly, "
            "RI intervention to prevent impairment, OT other serious (OUTC_COD)",
        ),
    ),
)
