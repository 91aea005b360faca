"""Claims and their lines: institutional, professional and pharmacy.

Names follow The Tuva Project's input layer, `medical_claim` and `pharmacy_claim`, as its connector for CCLF fills them;
`claim_type` FHIR R4's claim-type. Departs: Tuva repeats a claim's header on every line, here it is a row of its own;
diagnoses are rows of `diagnosis`; a pharmacy claim is a claim of one line; what a source adjusts is told apart, an
original, its cancellation and an adjustment being claims of their own. Amounts stand where the source has them: of some
claims in the header, of others in the lines alone. An NPI is one that may be joined with `provider`: numbers that a
source made up, or that are its own, are identifiers (`…_provider_id`).
"""

from spark.schemas.base import Column, Schema
from spark.schemas.terms import DIAGNOSIS_CODES, DRG_CODES, PROCEDURE_CODES

Claim = Schema(
    name="claim",
    doc="One row per claim: its header.",
    key=("claim_id",),
    columns=(
        Column(name="claim_id", required=True, phi="other_number", doc="The source's identifier of the claim"),
        Column(
            name="claim_type",
            required=True,
            values=("institutional", "professional", "pharmacy", "oral", "vision"),
            doc="FHIR claim-type",
        ),
        Column(name="claim_type_code", doc="The source's finer type, as NCH claim type 60, inpatient"),
        Column(
            name="patient_id",
            required=True,
            references="patient.patient_id",
            phi="record_number",
            doc="Whose claim it is",
        ),
        Column(name="member_id", phi="health_plan_number", doc="Number under which the plan insures the person"),
        Column(
            name="encounter_id", references="encounter.encounter_id", phi="other_number", doc="Visit that it is for"
        ),
        Column(name="payer", doc="Who insures, as the source names or numbers it"),
        Column(name="plan", doc="The payer's plan"),
        Column(name="claim_control_number", phi="other_number", doc="The payer's number of the claim"),
        Column(
            name="original_claim_control_number", phi="other_number", doc="The number of the claim that this adjusts"
        ),
        Column(
            name="adjustment_type",
            values=("original", "cancellation", "adjustment"),
            doc="CCLF's CLM_ADJSMT_TYPE_CD 0, 1 and 2 in words",
        ),
        Column(name="claim_status", doc="State of the claim in the source's words"),
        Column(name="claim_start_date", type="date", required=True, phi="date", doc="First day of service"),
        Column(name="claim_end_date", type="date", phi="date", doc="Last day of service"),
        Column(name="admission_date", type="date", phi="date", doc="Day of admission"),
        Column(name="discharge_date", type="date", phi="date", doc="Day of discharge"),
        Column(name="paid_date", type="date", phi="date", doc="Day of payment"),
        Column(name="admit_source_code", doc="Where the patient came from, UB-04 form locator 15"),
        Column(name="admit_type_code", doc="Priority of admission, UB-04 form locator 14"),
        Column(name="discharge_disposition_code", doc="Where the patient went, UB-04 form locator 17"),
        Column(name="bill_type_code", doc="UB-04 type of bill, 3 characters without the leading zero"),
        Column(name="drg_code_type", values=DRG_CODES, doc="System of the diagnosis related group"),
        Column(name="drg_code", doc="Diagnosis related group, 3 digits for MS-DRG"),
        Column(name="diagnosis_code_type", values=DIAGNOSIS_CODES, doc="Code system of the two codes that follow"),
        Column(name="principal_diagnosis_code", doc="Principal or first diagnosis; an ICD code without its dot"),
        Column(name="admitting_diagnosis_code", doc="Diagnosis at admission; an ICD code without its dot"),
        Column(name="ccn", doc="CMS certification number (OSCAR) of the facility, 6 characters"),
        Column(name="facility_npi", doc="The facility's NPI, checked"),
        Column(name="billing_npi", doc="Who bills: NPI, checked"),
        Column(name="billing_tin", doc="Who bills: tax number"),
        Column(name="attending_npi", doc="Attending provider's NPI, checked"),
        Column(name="operating_npi", doc="Operating provider's NPI, checked"),
        Column(name="referring_npi", doc="Referring or ordering provider's NPI, checked"),
        Column(name="other_npi", doc="Another provider's NPI, checked"),
        Column(name="billing_provider_id", doc="Who bills: the source's identifier, where it has no NPI"),
        *(
            Column(
                name=f"{who}_provider_id",
                doc=f"{who.capitalize()} provider: the source's identifier, where it has no NPI",
            )
            for who in ("attending", "operating", "other")
        ),
        Column(name="charge_amount", type="decimal(18,2)", doc="Charged, US dollars; negative where taken back"),
        Column(
            name="allowed_amount",
            type="decimal(18,2)",
            doc="Allowed by the payer, US dollars; negative where taken back",
        ),
        Column(
            name="paid_amount", type="decimal(18,2)", doc="Paid by the payer, US dollars; negative where taken back"
        ),
        Column(name="primary_payer_amount", type="decimal(18,2)", doc="Paid by a payer before this one, US dollars"),
        Column(name="coinsurance_amount", type="decimal(18,2)", doc="The patient's coinsurance, US dollars"),
        Column(name="copayment_amount", type="decimal(18,2)", doc="The patient's copayment, US dollars"),
        Column(name="deductible_amount", type="decimal(18,2)", doc="The patient's deductible, US dollars"),
        Column(name="total_cost_amount", type="decimal(18,2)", doc="Paid by all together, US dollars"),
    ),
)

ClaimLine = Schema(
    name="claim_line",
    doc="One row per service, product or drug that a claim bills.",
    key=("claim_id", "claim_line_number"),
    columns=(
        Column(
            name="claim_id",
            required=True,
            references="claim.claim_id",
            phi="other_number",
            doc="The claim that it is of",
        ),
        Column(name="claim_line_number", type="int", required=True, least=0, doc="Number of the line in its claim"),
        Column(name="claim_line_start_date", type="date", phi="date", doc="First day of service; day of dispensing"),
        Column(name="claim_line_end_date", type="date", phi="date", doc="Last day of service"),
        Column(name="place_of_service_code", doc="CMS place of service, 2 digits"),
        Column(name="revenue_center_code", doc="UB-04 revenue code, 4 digits"),
        Column(name="hcpcs_code", doc="HCPCS or CPT code, 5 characters"),
        *(Column(name=f"hcpcs_modifier_{n}", doc=f"Modifier {n} of the code, 2 characters") for n in range(1, 6)),
        Column(name="procedure_code_type", values=PROCEDURE_CODES, doc="Code system of a procedure that is not HCPCS"),
        Column(name="procedure_code", doc="Procedure in that code system"),
        Column(name="procedure_description", doc="What was done or supplied, in the source's words"),
        Column(name="diagnosis_code_type", values=DIAGNOSIS_CODES, doc="Code system of the line's diagnosis"),
        Column(name="diagnosis_code", doc="The line's own diagnosis; an ICD code without its dot"),
        Column(name="service_unit_quantity", type="decimal(18,4)", doc="Units of service"),
        Column(name="ndc_code", doc="National Drug Code, 11 digits"),
        Column(name="quantity", type="decimal(18,4)", doc="Quantity dispensed, in the drug's unit"),
        Column(name="days_supply", type="int", least=0, doc="Days that the quantity lasts"),
        Column(name="fill_number", type="int", least=0, doc="0 for the first filling of a prescription, then 1, 2, …"),
        Column(name="prescription_number", phi="other_number", doc="The pharmacy's number of the prescription"),
        Column(name="rendering_npi", doc="Who did it: NPI, checked"),
        Column(name="rendering_tin", doc="Who did it: tax number"),
        Column(name="rendering_provider_id", doc="Who did it: the source's identifier, where it has no NPI"),
        Column(name="ordering_npi", doc="Who ordered or referred: NPI, checked"),
        Column(name="prescribing_npi", doc="Who prescribed: NPI, checked"),
        Column(name="dispensing_npi", doc="The pharmacy's NPI, checked"),
        Column(name="charge_amount", type="decimal(18,2)", doc="Charged, US dollars; negative where taken back"),
        Column(
            name="allowed_amount",
            type="decimal(18,2)",
            doc="Allowed by the payer, US dollars; negative where taken back",
        ),
        Column(
            name="paid_amount", type="decimal(18,2)", doc="Paid by the payer, US dollars; negative where taken back"
        ),
        Column(name="primary_payer_amount", type="decimal(18,2)", doc="Paid by a payer before this one, US dollars"),
        Column(name="coinsurance_amount", type="decimal(18,2)", doc="The patient's coinsurance, US dollars"),
        Column(name="copayment_amount", type="decimal(18,2)", doc="The patient's copayment, US dollars"),
        Column(name="deductible_amount", type="decimal(18,2)", doc="The patient's deductible, US dollars"),
        Column(name="patient_paid_amount", type="decimal(18,2)", doc="Paid by the patient in all, US dollars"),
        Column(name="total_cost_amount", type="decimal(18,2)", doc="Paid by all together, US dollars"),
        Column(name="processing_code", doc="How the payer processed the line, in its own code, as allowed or denied"),
    ),
)
