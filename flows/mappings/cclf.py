"""CCLF: how its columns become those of the common schemas.

A provider is named twice since 2022, as the claim has it and as CMS's register does; the claim's counts. Under revenue
center 0022 HIPPS codes stand in the column for HCPCS. Amounts of Part B are in its lines. A drug event is a claim of
one line. `paid_date` is the day on which CMS processed the claim.
"""

from spark.mapping import (
    Expression,
    Mapping,
    bill_type,
    code,
    date,
    drg,
    either,
    hcpcs,
    icd9cm,
    icd10cm,
    money,
    ndc,
    npi,
    place_of_service,
    quantity,
    revenue_code,
    sex,
    state,
    text,
    unless,
    zip_code,
)

Columns = dict[str, str | Expression]


def given(*columns: str) -> str:
    """The first of the columns that says anything."""
    texts = [unless(column, "~") for column in columns]
    return texts[0] if len(texts) == 1 else f"coalesce({', '.join(texts)})"


def day(column: str) -> Expression:
    """A day as these files have it."""
    return date(unless(column, "~", "1000-01-01", "9999-12-31"), "yyyy-MM-dd")


def icd(column: str) -> Expression:
    """A diagnosis of the edition that the record names."""
    return either(f"{text('dgns_prcdr_icd_ind')} = '9'", icd9cm(given(column)), icd10cm(given(column)))


def signed(column: str) -> Expression:
    """An amount, negative where the claim is a cancellation."""
    amount = money(given(column))
    return Expression(f"if({CANCELS}, -({amount.sql}), {amount.sql})", amount.given)


CANCELS = f"{text('clm_adjsmt_type_cd')} = '1'"
EDITION = code(unless("dgns_prcdr_icd_ind", "~", "U"), {"0": "icd-10-cm", "9": "icd-9-cm"})
MODIFIERS: Columns = {f"hcpcs_modifier_{n}": given(f"hcpcs_{n}_mdfr_cd") for n in range(1, 6)}
SINCE_2022 = (
    *("clm_blg_prvdr_oscar_num", "clm_blg_prvdr_npi_num", "clm_oprtg_prvdr_npi_num", "clm_atndg_prvdr_npi_num"),
    *(
        "clm_othr_prvdr_npi_num",
        "clm_cntl_num",
        "clm_org_cntl_num",
        "clm_rndrg_prvdr_npi_num",
        "clm_rfrg_prvdr_npi_num",
    ),
)

RACES = {
    "0": "unknown",
    "1": "white",
    "2": "black or african american",
    "3": "other",
    "4": "asian",
    "6": "american indian or alaska native",
}
TO_PATIENT = Mapping(
    columns={
        "patient_id": given("bene_mbi_id"),
        "member_id": given("bene_mbi_id"),
        "last_name": given("bene_last_name"),
        "first_name": given("bene_1st_name"),
        "middle_name": given("bene_midl_name"),
        "sex": sex(given("bene_sex_cd")),
        "race": code(unless("bene_race_cd", "~", "5"), RACES),
        "ethnicity": f"if({text('bene_race_cd')} = '5', 'hispanic or latino', NULL)",
        "birth_date": day("bene_dob"),
        "death_date": day("bene_death_dt"),
        "death_flag": f"{day('bene_death_dt').given} IS NOT NULL",
        "address_line_1": given("bene_line_1_adr"),
        "address_line_2": given("bene_line_2_adr"),
        "city": given("geo_zip_plc_name"),
        "county": f"{given('bene_fips_state_cd')} || {given('bene_fips_cnty_cd')}",
        "state": state(given("geo_usps_state_cd")),
        "zip_code": zip_code(
            f"concat_ws('-', {given('geo_zip5_cd', 'bene_zip_cd')}, {given('geo_zip4_cd')})",
        ),
    }
)

CLAIM: Columns = {
    "claim_id": given("cur_clm_uniq_id"),
    "claim_type_code": given("clm_type_cd"),
    "patient_id": given("bene_mbi_id"),
    "member_id": given("bene_mbi_id"),
    "payer": "'medicare'",
    "adjustment_type": code(given("clm_adjsmt_type_cd"), {"0": "original", "1": "cancellation", "2": "adjustment"}),
    "paid_date": day("clm_efctv_dt"),
}
OF_DAYS: Columns = {"claim_start_date": day("clm_from_dt"), "claim_end_date": day("clm_thru_dt")}
CARRIER: Columns = {
    **CLAIM,
    **OF_DAYS,
    "claim_type": "'professional'",
    "claim_control_number": given("clm_cntl_num"),
    "claim_status": given("clm_carr_pmt_dnl_cd"),
}
TO_CLAIM = {
    "parta_claims_header": Mapping(
        columns={
            **CLAIM,
            **OF_DAYS,
            "claim_type": "'institutional'",
            "claim_control_number": given("clm_cntl_num"),
            "original_claim_control_number": given("clm_org_cntl_num"),
            "claim_status": given("clm_mdcr_npmt_rsn_cd"),
            "admit_source_code": given("clm_admsn_src_cd"),
            "admit_type_code": unless("clm_admsn_type_cd", "~", "0"),
            "discharge_disposition_code": given("bene_ptnt_stus_cd"),
            "bill_type_code": bill_type(
                " || ".join(given(f"clm_bill_{part}_cd") for part in ("fac_type", "clsfctn", "freq"))
            ),
            "drg_code_type": f"if({unless('dgns_drg_cd', '~', '0000', '000')} IS NULL, NULL, 'ms-drg')",
            "drg_code": drg(unless("dgns_drg_cd", "~", "0000", "000")),
            "diagnosis_code_type": EDITION,
            "principal_diagnosis_code": icd("prncpl_dgns_cd"),
            "admitting_diagnosis_code": icd("admtg_dgns_cd"),
            "ccn": given("clm_blg_prvdr_oscar_num", "prvdr_oscar_num"),
            "facility_npi": npi(given("clm_blg_prvdr_npi_num", "fac_prvdr_npi_num")),
            "attending_npi": npi(given("clm_atndg_prvdr_npi_num", "atndg_prvdr_npi_num")),
            "operating_npi": npi(given("clm_oprtg_prvdr_npi_num", "oprtg_prvdr_npi_num")),
            "other_npi": npi(given("clm_othr_prvdr_npi_num", "othr_prvdr_npi_num")),
            "charge_amount": signed("clm_mdcr_instnl_tot_chrg_amt"),
            "paid_amount": signed("clm_pmt_amt"),
        },
        optional=SINCE_2022,
    ),
    "partb_physicians": Mapping(
        columns={
            **CARRIER,
            "diagnosis_code_type": EDITION,
            "principal_diagnosis_code": icd("clm_dgns_1_cd"),
        }
    ),
    "partb_dme": Mapping(columns=CARRIER),
    "partd_claims": Mapping(
        columns={**CLAIM, "claim_type": "'pharmacy'", "claim_start_date": day("clm_line_from_dt")},
    ),
}

LINE: Columns = {
    "claim_id": given("cur_clm_uniq_id"),
    "claim_line_number": given("clm_line_num"),
    "claim_line_start_date": day("clm_line_from_dt"),
    "claim_line_end_date": day("clm_line_thru_dt"),
    "hcpcs_code": hcpcs(given("clm_line_hcpcs_cd")),
}
CARRIER_LINE: Columns = {
    **LINE,
    "place_of_service_code": place_of_service(given("clm_pos_cd")),
    "allowed_amount": signed("clm_line_alowd_chrg_amt"),
    "paid_amount": signed("clm_line_cvrd_pd_amt"),
    "processing_code": given("clm_prcsg_ind_cd"),
}
TO_CLAIM_LINE = {
    "parta_claims_revenue_center_detail": Mapping(
        columns={
            **LINE,
            **MODIFIERS,
            "revenue_center_code": revenue_code(given("clm_line_prod_rev_ctr_cd")),
            "hcpcs_code": hcpcs(f"if({text('clm_line_prod_rev_ctr_cd')} = '0022', NULL, {given('clm_line_hcpcs_cd')})"),
            "service_unit_quantity": quantity(given("clm_line_srvc_unit_qty")),
            "paid_amount": money(given("clm_line_cvrd_pd_amt")),
        }
    ),
    "partb_physicians": Mapping(
        columns={
            **CARRIER_LINE,
            **MODIFIERS,
            "diagnosis_code_type": Expression(
                f"if({given('clm_line_dgns_cd')} IS NULL, NULL, {EDITION.sql})", given("clm_line_dgns_cd")
            ),
            "diagnosis_code": icd("clm_line_dgns_cd"),
            "service_unit_quantity": quantity(given("clm_line_srvc_unit_qty")),
            "rendering_npi": npi(given("clm_rndrg_prvdr_npi_num", "rndrg_prvdr_npi_num")),
            "rendering_tin": given("clm_rndrg_prvdr_tax_num"),
            "ordering_npi": npi(given("clm_rfrg_prvdr_npi_num")),
        },
        optional=SINCE_2022,
    ),
    "partb_dme": Mapping(
        columns={
            **CARRIER_LINE,
            "rendering_npi": npi(given("clm_blg_prvdr_npi_num", "payto_prvdr_npi_num")),
            "ordering_npi": npi(given("clm_rfrg_prvdr_npi_num", "ordrg_prvdr_npi_num")),
        },
        optional=SINCE_2022,
    ),
    "partd_claims": Mapping(
        columns={
            "claim_id": given("cur_clm_uniq_id"),
            "claim_line_number": "1",
            "claim_line_start_date": day("clm_line_from_dt"),
            "ndc_code": ndc(given("clm_line_ndc_cd")),
            "quantity": quantity(given("clm_line_srvc_unit_qty")),
            "days_supply": given("clm_line_days_suply_qty"),
            "fill_number": given("clm_line_rx_fill_num"),
            "prescription_number": given("clm_line_rx_srvc_rfrnc_num"),
            "prescribing_npi": npi(
                f"if({text('prvdr_prsbng_id_qlfyr_cd')} = '01', {given('clm_prsbng_prvdr_gnrc_id_num')}, NULL)"
            ),
            "dispensing_npi": npi(
                f"if({text('prvdr_srvc_id_qlfyr_cd')} = '01', {given('clm_srvc_prvdr_gnrc_id_num')}, NULL)"
            ),
            "patient_paid_amount": signed("clm_line_bene_pmt_amt"),
        }
    ),
}

DIAGNOSIS: Columns = {
    "patient_id": given("bene_mbi_id"),
    "claim_id": given("cur_clm_uniq_id"),
    "source_code_type": EDITION,
    "recorded_date": day("clm_thru_dt"),
}
NUMBER = "try_cast(clm_val_sqnc_num AS int)"
TO_DIAGNOSIS = {
    "parta_diagnosis_code": Mapping(  # E and 1 are external causes, numbered by themselves
        columns={
            **DIAGNOSIS,
            "diagnosis_id": f"concat_ws('-', cur_clm_uniq_id, nullif({text('clm_prod_type_cd')}, 'D'), {NUMBER})",
            "diagnosis_rank": f"if({text('clm_prod_type_cd')} = 'D', {NUMBER}, NULL)",
            "diagnosis_type": code(
                given("clm_prod_type_cd"), {"D": "other", "E": "external cause", "1": "external cause"}
            ),
            "source_code": icd("clm_dgns_cd"),
            "present_on_admission_code": given("clm_poa_ind"),
        }
    ),
    "partb_physicians": Mapping(
        each=f"array({', '.join(f'clm_dgns_{n}_cd' for n in range(1, 13))})",
        where=f"{given('_each')} IS NOT NULL",
        columns={
            **DIAGNOSIS,
            "diagnosis_id": f"concat({given('cur_clm_uniq_id')}, '-', _position)",
            "diagnosis_rank": "_position",
            "diagnosis_type": "if(_position = 1, 'principal', 'other')",
            "source_code": icd("_each"),
        },
    ),
}
