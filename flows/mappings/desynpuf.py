"""DE-SynPUF in the common schemas.

A carrier claim has its up to 13 lines, each several columns, in one row. A long institutional claim goes on in a second
segment, a row of the same number: the header is the first's; lines and diagnoses are of both. Amounts stand where the
file has them: those of a carrier claim in its lines.

Numbers of providers are made up, and some pass for real ones: they are identifiers of this source, not NPIs. State and
county are SSA's numbers; 54 is none of the states, and the county stays in Raw, as do institutional procedures.
Race 5, Hispanic, is an ethnicity.

Source: CMS, the files of DE-SynPUF and their codebook.
"""

from spark.mapping import (
    Expression,
    Mapping,
    code,
    date,
    drg,
    hcpcs,
    icd9cm,
    money,
    ndc,
    quantity,
    sex,
    state,
    text,
    unless,
)

Columns = dict[str, str | Expression]

CLAIMS = "Carrier_Claims|Inpatient_Claims|Outpatient_Claims|Prescription_Drug_Events"
"""What files of claims are named for, as a pattern."""


def day(column: str) -> Expression:
    """A day as these files have it."""
    return date(column, "yyyyMMdd")


TO_PATIENT = {
    "beneficiary_summary": Mapping(
        columns={
            "patient_id": text("desynpuf_id"),
            "sex": sex("bene_sex_ident_cd"),
            "race": code(unless("bene_race_cd", "5"), {"1": "white", "2": "black or african american", "3": "other"}),
            "ethnicity": f"if({text('bene_race_cd')} = '5', 'hispanic or latino', NULL)",
            "birth_date": day("bene_birth_dt"),
            "death_date": day("bene_death_dt"),
            "death_flag": f"{text('bene_death_dt')} IS NOT NULL",
            "state": state(unless("sp_state_code", "54"), "ssa"),
        }
    )
}

FIRST = f"{text('segment')} = '1'"

CLAIM: Columns = {
    "claim_id": text("clm_id"),
    "patient_id": text("desynpuf_id"),
    "payer": "'medicare'",
    "claim_start_date": day("clm_from_dt"),
    "claim_end_date": day("clm_thru_dt"),
    "diagnosis_code_type": "'icd-9-cm'",
    "principal_diagnosis_code": icd9cm("icd9_dgns_cd_1"),
}
FACILITY: Columns = {
    **CLAIM,
    "claim_type": "'institutional'",
    "admitting_diagnosis_code": icd9cm("admtng_icd9_dgns_cd"),
    "ccn": text("prvdr_num"),
    "attending_provider_id": text("at_physn_npi"),
    "operating_provider_id": text("op_physn_npi"),
    "other_provider_id": text("ot_physn_npi"),
    "paid_amount": money("clm_pmt_amt"),
    "primary_payer_amount": money("nch_prmry_pyr_clm_pd_amt"),
}
TO_CLAIM = {
    "inpatient_claims": Mapping(
        columns={
            **FACILITY,
            "claim_type_code": "'60'",
            "admission_date": day("clm_admsn_dt"),
            "discharge_date": day("nch_bene_dschrg_dt"),
            "drg_code_type": f"CASE WHEN {text('clm_drg_cd')} IS NOT NULL THEN 'ms-drg' END",
            "drg_code": drg("clm_drg_cd"),
            "coinsurance_amount": money("nch_bene_pta_coinsrnc_lblty_am"),
            "deductible_amount": money("nch_bene_ip_ddctbl_amt"),
        },
        where=FIRST,
    ),
    "outpatient_claims": Mapping(
        columns={
            **FACILITY,
            "claim_type_code": "'40'",
            "coinsurance_amount": money("nch_bene_ptb_coinsrnc_amt"),
            "deductible_amount": money("nch_bene_ptb_ddctbl_amt"),
        },
        where=FIRST,
    ),
    "carrier_claims": Mapping(columns={**CLAIM, "claim_type": "'professional'"}),
    "prescription_drug_events": Mapping(
        columns={
            "claim_id": text("pde_id"),
            "claim_type": "'pharmacy'",
            "patient_id": text("desynpuf_id"),
            "payer": "'medicare'",
            "claim_start_date": day("srvc_dt"),
            "total_cost_amount": money("tot_rx_cst_amt"),
        }
    ),
}

LINE = {
    "hcpcs": "hcpcs_cd",
    "npi": "prf_physn_npi",
    "tin": "tax_num",
    "diagnosis": "line_icd9_dgns_cd",
    "processing": "line_prcsg_ind_cd",
    "paid": "line_nch_pmt_amt",
    "deductible": "line_bene_ptb_ddctbl_amt",
    "primary_payer": "line_bene_prmry_pyr_pd_amt",
    "coinsurance": "line_coinsrnc_amt",
    "allowed": "line_alowd_chrg_amt",
}
"""What a line of a carrier claim says, and the columns that say it, which end in the line's number."""

LINES = ", ".join(
    "named_struct(" + ", ".join(f"'{name}', {column}_{n}" for name, column in LINE.items()) + ")" for n in range(1, 14)
)
HCPCS = f"array({', '.join(f'hcpcs_cd_{n}' for n in range(1, 46))})"

SERVICE = Mapping(
    each=HCPCS,
    where=f"{text('_each')} IS NOT NULL",
    columns={
        "claim_id": text("clm_id"),
        "claim_line_number": "_position + 45 * (try_cast(segment AS int) - 1)",
        "hcpcs_code": hcpcs("_each"),
    },
)
TO_CLAIM_LINE = {
    "inpatient_claims": SERVICE,
    "outpatient_claims": SERVICE,
    "carrier_claims": Mapping(
        each=f"array({LINES})",
        # lines that there are not have no codes, and zeros for amounts
        where=f"coalesce({', '.join(text(f'_each.{name}') for name in list(LINE)[:5])}) IS NOT NULL",
        columns={
            "claim_id": text("clm_id"),
            "claim_line_number": "_position",
            "hcpcs_code": hcpcs("_each.hcpcs"),
            "diagnosis_code_type": f"CASE WHEN {text('_each.diagnosis')} IS NOT NULL THEN 'icd-9-cm' END",
            "diagnosis_code": icd9cm("_each.diagnosis"),
            "rendering_provider_id": text("_each.npi"),
            "rendering_tin": text("_each.tin"),
            "allowed_amount": money("_each.allowed"),
            "paid_amount": money("_each.paid"),
            "primary_payer_amount": money("_each.primary_payer"),
            "coinsurance_amount": money("_each.coinsurance"),
            "deductible_amount": money("_each.deductible"),
            "processing_code": text("_each.processing"),
        },
    ),
    "prescription_drug_events": Mapping(
        columns={
            "claim_id": text("pde_id"),
            "claim_line_number": "1",
            "claim_line_start_date": day("srvc_dt"),
            "ndc_code": ndc("prod_srvc_id"),
            "quantity": quantity("qty_dspnsd_num"),
            "days_supply": text("days_suply_num"),
            "patient_paid_amount": money("ptnt_pay_amt"),
            "total_cost_amount": money("tot_rx_cst_amt"),
        }
    ),
}


def diagnoses(codes: int, rank: str) -> Mapping:
    """The diagnoses of a claim, which has so many columns for them."""
    return Mapping(
        each=f"array({', '.join(f'icd9_dgns_cd_{n}' for n in range(1, codes + 1))})",
        where=f"{text('_each')} IS NOT NULL",
        columns={
            "diagnosis_id": f"concat({text('clm_id')}, '-', {rank})",
            "patient_id": text("desynpuf_id"),
            "claim_id": text("clm_id"),
            "diagnosis_rank": rank,
            "diagnosis_type": f"if({rank} = 1, 'principal', 'other')",
            "source_code_type": "'icd-9-cm'",
            "source_code": icd9cm("_each"),
            "recorded_date": day("clm_thru_dt"),
        },
    )


OF_SEGMENT = "_position + 10 * (try_cast(segment AS int) - 1)"
TO_DIAGNOSIS = {
    "inpatient_claims": diagnoses(10, OF_SEGMENT),
    "outpatient_claims": diagnoses(10, OF_SEGMENT),
    "carrier_claims": diagnoses(8, "_position"),
}
