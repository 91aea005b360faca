"""Layouts of CMS's claim and claim line feed (CCLF): fields in their order, each with its number of characters.

Records are one field after another, without gaps. Releases have only ever put fields behind the others, so that an
older layout is how a newer one begins; a drop is read by the layout of the year that it speaks of.

Source: CMS, "Accountable Care Organization - Operational System, Claim and Claim Line Feed Information Packet",
version 36.0 of 2022-12-14: appendix B, for what came in 2022 the notes there, for 2023 the list of changes. The lengths
before 2022 are those that CCLF0 says in CMS's test files of 2018.
"""

from spark.readers import Layout
from spark.readers.layouts import Field


def _layouts(first: str, *added: tuple[int, str]) -> tuple[Layout, ...]:
    """The first layout, and for every year that added fields the one that holds from then on."""
    layouts, fields, end = list[Layout](), list[Field](), 0
    for since, listed in ((None, first), *added):
        for name, length in (field.split(":") for field in listed.split()):
            fields.append(Field(name=name, start=end + 1, length=int(length)))
            end += int(length)
        layouts.append(Layout(fields=tuple(fields), since=since))
    return tuple(layouts)


CCLF1 = _layouts(
    """
    cur_clm_uniq_id:13 prvdr_oscar_num:6 bene_mbi_id:11 bene_hic_num:11 clm_type_cd:2 clm_from_dt:10 clm_thru_dt:10
    clm_bill_fac_type_cd:1 clm_bill_clsfctn_cd:1 prncpl_dgns_cd:7 admtg_dgns_cd:7 clm_mdcr_npmt_rsn_cd:2
    clm_pmt_amt:17 clm_nch_prmry_pyr_cd:1 prvdr_fac_fips_st_cd:2 bene_ptnt_stus_cd:2 dgns_drg_cd:4
    clm_op_srvc_type_cd:1 fac_prvdr_npi_num:10 oprtg_prvdr_npi_num:10 atndg_prvdr_npi_num:10 othr_prvdr_npi_num:10
    clm_adjsmt_type_cd:2 clm_efctv_dt:10 clm_idr_ld_dt:10 bene_eqtbl_bic_hicn_num:11 clm_admsn_type_cd:2
    clm_admsn_src_cd:2 clm_bill_freq_cd:1 clm_query_cd:1 dgns_prcdr_icd_ind:1 clm_mdcr_instnl_tot_chrg_amt:15
    clm_mdcr_ip_pps_cptl_ime_amt:15 clm_oprtnl_ime_amt:22 clm_mdcr_ip_pps_dsprprtnt_amt:15
    clm_hipps_uncompd_care_amt:15 clm_oprtnl_dsprprtnt_amt:22
    """,
    (
        2022,
        """
        clm_blg_prvdr_oscar_num:20 clm_blg_prvdr_npi_num:10 clm_oprtg_prvdr_npi_num:10 clm_atndg_prvdr_npi_num:10
        clm_othr_prvdr_npi_num:10
        """,
    ),
    (2023, "clm_cntl_num:40 clm_org_cntl_num:40 clm_cntrctr_num:5"),
)
"""Part A: claims' headers."""

CCLF2 = _layouts(
    """
    cur_clm_uniq_id:13 clm_line_num:10 bene_mbi_id:11 bene_hic_num:11 clm_type_cd:2 clm_line_from_dt:10
    clm_line_thru_dt:10 clm_line_prod_rev_ctr_cd:4 clm_line_instnl_rev_ctr_dt:10 clm_line_hcpcs_cd:5
    bene_eqtbl_bic_hicn_num:11 prvdr_oscar_num:6 clm_from_dt:10 clm_thru_dt:10 clm_line_srvc_unit_qty:24
    clm_line_cvrd_pd_amt:17 hcpcs_1_mdfr_cd:2 hcpcs_2_mdfr_cd:2 hcpcs_3_mdfr_cd:2 hcpcs_4_mdfr_cd:2
    hcpcs_5_mdfr_cd:2 clm_rev_apc_hipps_cd:5
    """,
    (2022, "clm_fac_prvdr_oscar_num:20"),
)
"""Part A: revenue centers, the lines of its claims."""

CCLF3 = _layouts(
    """
    cur_clm_uniq_id:13 bene_mbi_id:11 bene_hic_num:11 clm_type_cd:2 clm_val_sqnc_num:2 clm_prcdr_cd:7
    clm_prcdr_prfrm_dt:10 bene_eqtbl_bic_hicn_num:11 prvdr_oscar_num:6 clm_from_dt:10 clm_thru_dt:10
    dgns_prcdr_icd_ind:1
    """,
    (2022, "clm_blg_prvdr_oscar_num:20"),
)
"""Part A: procedures."""

CCLF4 = _layouts(
    """
    cur_clm_uniq_id:13 bene_mbi_id:11 bene_hic_num:11 clm_type_cd:2 clm_prod_type_cd:1 clm_val_sqnc_num:2
    clm_dgns_cd:7 bene_eqtbl_bic_hicn_num:11 prvdr_oscar_num:6 clm_from_dt:10 clm_thru_dt:10 clm_poa_ind:7
    dgns_prcdr_icd_ind:1
    """,
    (2022, "clm_blg_prvdr_oscar_num:20"),
)
"""Part A: diagnoses."""

CCLF5 = _layouts(
    """
    cur_clm_uniq_id:13 clm_line_num:10 bene_mbi_id:11 bene_hic_num:11 clm_type_cd:2 clm_from_dt:10 clm_thru_dt:10
    rndrg_prvdr_type_cd:3 rndrg_prvdr_fips_st_cd:2 clm_prvdr_spclty_cd:2 clm_fed_type_srvc_cd:1 clm_pos_cd:2
    clm_line_from_dt:10 clm_line_thru_dt:10 clm_line_hcpcs_cd:5 clm_line_cvrd_pd_amt:15 clm_line_prmry_pyr_cd:1
    clm_line_dgns_cd:7 clm_rndrg_prvdr_tax_num:10 rndrg_prvdr_npi_num:10 clm_carr_pmt_dnl_cd:2 clm_prcsg_ind_cd:2
    clm_adjsmt_type_cd:2 clm_efctv_dt:10 clm_idr_ld_dt:10 clm_cntl_num:40 bene_eqtbl_bic_hicn_num:11
    clm_line_alowd_chrg_amt:17 clm_line_srvc_unit_qty:24 hcpcs_1_mdfr_cd:2 hcpcs_2_mdfr_cd:2 hcpcs_3_mdfr_cd:2
    hcpcs_4_mdfr_cd:2 hcpcs_5_mdfr_cd:2 clm_disp_cd:2 clm_dgns_1_cd:7 clm_dgns_2_cd:7 clm_dgns_3_cd:7
    clm_dgns_4_cd:7 clm_dgns_5_cd:7 clm_dgns_6_cd:7 clm_dgns_7_cd:7 clm_dgns_8_cd:7 dgns_prcdr_icd_ind:1
    clm_dgns_9_cd:7 clm_dgns_10_cd:7 clm_dgns_11_cd:7 clm_dgns_12_cd:7 hcpcs_betos_cd:3
    """,
    (2022, "clm_rndrg_prvdr_npi_num:10 clm_rfrg_prvdr_npi_num:10"),
    (2023, "clm_cntrctr_num:5"),
)
"""Part B: lines of physicians' claims, each with its header."""

CCLF6 = _layouts(
    """
    cur_clm_uniq_id:13 clm_line_num:10 bene_mbi_id:11 bene_hic_num:11 clm_type_cd:2 clm_from_dt:10 clm_thru_dt:10
    clm_fed_type_srvc_cd:1 clm_pos_cd:2 clm_line_from_dt:10 clm_line_thru_dt:10 clm_line_hcpcs_cd:5
    clm_line_cvrd_pd_amt:15 clm_prmry_pyr_cd:1 payto_prvdr_npi_num:10 ordrg_prvdr_npi_num:10 clm_carr_pmt_dnl_cd:2
    clm_prcsg_ind_cd:2 clm_adjsmt_type_cd:2 clm_efctv_dt:10 clm_idr_ld_dt:10 clm_cntl_num:40
    bene_eqtbl_bic_hicn_num:11 clm_line_alowd_chrg_amt:17 clm_disp_cd:2
    """,
    (2022, "clm_blg_prvdr_npi_num:10 clm_rfrg_prvdr_npi_num:10"),
)
"""Part B: lines of claims for equipment (DMEPOS), each with its header."""

CCLF7 = _layouts(
    """
    cur_clm_uniq_id:13 bene_mbi_id:11 bene_hic_num:11 clm_line_ndc_cd:11 clm_type_cd:2 clm_line_from_dt:10
    prvdr_srvc_id_qlfyr_cd:2 clm_srvc_prvdr_gnrc_id_num:20 clm_dspnsng_stus_cd:1 clm_daw_prod_slctn_cd:1
    clm_line_srvc_unit_qty:24 clm_line_days_suply_qty:9 prvdr_prsbng_id_qlfyr_cd:2 clm_prsbng_prvdr_gnrc_id_num:20
    clm_line_bene_pmt_amt:13 clm_adjsmt_type_cd:2 clm_efctv_dt:10 clm_idr_ld_dt:10 clm_line_rx_srvc_rfrnc_num:12
    clm_line_rx_fill_num:9 clm_phrmcy_srvc_type_cd:2
    """,
)
"""Part D: prescription drug events."""

CCLF8 = _layouts(
    """
    bene_mbi_id:11 bene_hic_num:11 bene_fips_state_cd:2 bene_fips_cnty_cd:3 bene_zip_cd:5 bene_dob:10 bene_sex_cd:1
    bene_race_cd:1 bene_age:3 bene_mdcr_stus_cd:2 bene_dual_stus_cd:2 bene_death_dt:10 bene_rng_bgn_dt:10
    bene_rng_end_dt:10 bene_1st_name:30 bene_midl_name:15 bene_last_name:40 bene_orgnl_entlmt_rsn_cd:1
    bene_entlmt_buyin_ind:1 bene_part_a_enrlmt_bgn_dt:10 bene_part_b_enrlmt_bgn_dt:10 bene_line_1_adr:45
    bene_line_2_adr:45 bene_line_3_adr:40 bene_line_4_adr:40 bene_line_5_adr:40 bene_line_6_adr:40
    geo_zip_plc_name:100 geo_usps_state_cd:2 geo_zip5_cd:5 geo_zip4_cd:4
    """,
)
"""Beneficiaries."""

CCLF9 = _layouts(
    """
    hicn_mbi_xref_ind:1 crnt_num:11 prvs_num:11 prvs_id_efctv_dt:10 prvs_id_obslt_dt:10 bene_rrb_num:12
    """,
)
"""Beneficiaries' current and former identifiers."""

CCLFA = _layouts(
    """
    cur_clm_uniq_id:13 bene_mbi_id:11 bene_hic_num:11 clm_type_cd:2 clm_actv_care_from_dt:10 clm_ngaco_pbpmt_sw:1
    clm_ngaco_pdschrg_hcbs_sw:1 clm_ngaco_snf_wvr_sw:1 clm_ngaco_tlhlth_sw:1 clm_ngaco_cptatn_sw:1
    clm_demo_1st_num:2 clm_demo_2nd_num:2 clm_demo_3rd_num:2 clm_demo_4th_num:2 clm_demo_5th_num:2
    clm_pbp_inclsn_amt:19 clm_pbp_rdctn_amt:19 clm_ngaco_cmg_wvr_sw:1
    """,
    (
        2022,
        """
        clm_instnl_per_diem_amt:19 clm_mdcr_ip_bene_ddctbl_amt:15 clm_mdcr_coinsrnc_amt:19 clm_blood_lblty_amt:15
        clm_instnl_prfnl_amt:15 clm_ncvrd_chrg_amt:19 clm_mdcr_ddctbl_amt:19 clm_rlt_cond_cd:2
        clm_oprtnl_outlr_amt:19 clm_mdcr_new_tech_amt:19 clm_islet_isoln_amt:19 clm_sqstrtn_rdctn_amt:19
        clm_1_rev_cntr_ansi_rsn_cd:3 clm_1_rev_cntr_ansi_grp_cd:2 clm_mips_pmt_amt:19
        """,
    ),
)
"""Part A: benefit enhancements and demonstrations."""

CCLFB = _layouts(
    """
    cur_clm_uniq_id:13 clm_line_num:10 bene_mbi_id:11 bene_hic_num:11 clm_type_cd:2 clm_line_ngaco_pbpmt_sw:1
    clm_line_ngaco_pdschrg_hcbs_sw:1 clm_line_ngaco_snf_wvr_sw:1 clm_line_ngaco_tlhlth_sw:1
    clm_line_ngaco_cptatn_sw:1 clm_demo_1st_num:2 clm_demo_2nd_num:2 clm_demo_3rd_num:2 clm_demo_4th_num:2
    clm_demo_5th_num:2 clm_pbp_inclsn_amt:15 clm_pbp_rdctn_amt:15 clm_ngaco_cmg_wvr_sw:1
    """,
    (2022, "clm_mdcr_ddctbl_amt:19 clm_sqstrtn_rdctn_amt:15 clm_line_carr_hpsa_scrcty_cd:1"),
)
"""Part B: benefit enhancements and demonstrations."""

FILES = {
    "1": ("parta_claims_header", CCLF1),
    "2": ("parta_claims_revenue_center_detail", CCLF2),
    "3": ("parta_procedure_code", CCLF3),
    "4": ("parta_diagnosis_code", CCLF4),
    "5": ("partb_physicians", CCLF5),
    "6": ("partb_dme", CCLF6),
    "7": ("partd_claims", CCLF7),
    "8": ("beneficiary_demographics", CCLF8),
    "9": ("beneficiary_xref", CCLF9),
    "A": ("parta_be_demo_codes", CCLFA),
    "B": ("partb_be_demo_codes", CCLFB),
}
"""By a file's number its dataset and its layouts."""
