"""FAERS to the common schemas of adverse events, from the names of all its eras.

ISR and CASE became primaryid and caseid in 2012q4, gndr_cod sex in 2014q3; a few names were misspelled in 2012q4 alone.
Where there is no caseversion, as before 2012q4, the report's own number rises with each version; FOLL_SEQ is blank for
most. Some texts hold NUL characters.
"""

from collections.abc import Mapping as Dict

from spark.mapping import Expression, Mapping, boolean, code, date, partial_date, sex, text
from spark.schemas import (
    AdverseEvent,
    AdverseEventDrug,
    AdverseEventIndication,
    AdverseEventOutcome,
    AdverseEventReaction,
    Schema,
)

REPORT = text("coalesce(primaryid, isr)")
DAY = "yyyyMMdd"
YEARS = {"DEC": "* 10", "YR": "* 1", "MON": "/ 12", "WK": "* 7 / 365.25D", "DY": "/ 365.25D", "HR": "/ 8766"}
KILOGRAMS = {"KG": "* 1", "LBS": "* 0.45359237D", "GMS": "/ 1000"}


def free(column: str) -> str:
    """What somebody typed in, without NUL characters."""
    return text(rf"replace({column}, '\0', '')")


def measure(amount: str, unit: str, by: Dict[str, str]) -> Expression:
    """A number of units in the one of the common schema; null and counted where the unit is another, or none."""
    number = f"try_cast({text(amount)} AS double)"
    cases = " ".join(f"WHEN '{name}' THEN {number} {factor}" for name, factor in by.items())
    return Expression(f"CASE {text(unit)} {cases} END", text(amount))


TO_EVENT = Mapping(
    columns={
        "case_id": text("coalesce(caseid, `case`)"),
        "report_id": REPORT,
        "case_version": text("coalesce(caseversion, isr)"),
        "report_kind": code("coalesce(i_f_code, i_f_cod)", {"I": "initial", "F": "follow-up"}),
        "report_type": text("rept_cod"),
        "event_date": partial_date("event_dt"),
        "manufacturer_received_date": partial_date("mfr_dt"),
        "initial_fda_date": date("init_fda_dt", DAY),
        "fda_date": date("fda_dt", DAY),
        "report_date": partial_date("rept_dt"),
        "manufacturer_number": free("mfr_num"),
        "manufacturer": free("mfr_sndr"),
        "authority_number": free("auth_num"),
        "literature_reference": free("lit_ref"),
        "age_years": measure("age", "age_cod", YEARS),
        "age_group": code(
            "age_grp",
            {"N": "neonate", "I": "infant", "C": "child", "T": "adolescent", "A": "adult", "E": "elderly"},
        ),
        "sex": sex("coalesce(sex, gndr_cod)"),
        "weight_kg": measure("wt", "wt_cod", KILOGRAMS),
        "reporter_occupation": text("occp_cod"),
        "reporter_country": text("reporter_country"),
        "event_country": text("occr_country"),
        "is_electronic": boolean("e_sub"),
    },
    optional=(
        *("isr", "case", "i_f_cod", "gndr_cod", "primaryid", "caseid", "caseversion", "i_f_code", "init_fda_dt"),
        *("sex", "auth_num", "lit_ref", "age_grp", "reporter_country", "occr_country"),
    ),
)

GONE = Mapping(columns={"case_id": text("caseid")}, where=f"{text('caseid')} IS NOT NULL", deleted="true")

TO_DRUG = Mapping(
    columns={
        "report_id": REPORT,
        "drug_sequence": text("drug_seq"),
        "role": text("role_cod"),
        "drug_name": free("drugname"),
        "active_ingredient": free("prod_ai"),
        "is_valid_name": boolean("val_vbm", yes=["1"], no=["2"]),
        "route": text("route"),
        "dose": free("dose_vbm"),
        "dose_amount": text("dose_amt"),
        "dose_unit": text("dose_unit"),
        "dose_form": text("dose_form"),
        "dose_frequency": text("dose_freq"),
        "cumulative_dose": text("cum_dose_chr"),
        "cumulative_dose_unit": text("cum_dose_unit"),
        "dechallenge": text("dechal"),
        "rechallenge": text("rechal"),
        "lot_number": free("coalesce(lot_num, lot_nbr)"),
        "expiration_date": text("exp_dt"),
        "application_number": text("nda_num"),
    },
    optional=(
        *("isr", "primaryid", "lot_num", "lot_nbr", "prod_ai", "cum_dose_chr", "cum_dose_unit"),
        *("dose_amt", "dose_unit", "dose_form", "dose_freq"),
    ),
)

TO_INDICATION = Mapping(
    columns={
        "report_id": REPORT,
        "drug_sequence": text("coalesce(indi_drug_seq, drug_seq)"),
        "indication": text("indi_pt"),
    },
    optional=("isr", "primaryid", "indi_drug_seq", "drug_seq"),
)

TO_REACTION = Mapping(
    columns={"report_id": REPORT, "reaction": text("pt"), "recurred": text("drug_rec_act")},
    optional=("isr", "primaryid", "drug_rec_act"),
)

TO_OUTCOME = Mapping(
    columns={"report_id": REPORT, "outcome": text("coalesce(outc_cod, outc_code)")},
    optional=("isr", "primaryid", "outc_cod", "outc_code"),
)

MAPPED: Dict[Schema, Dict[str, Mapping]] = {
    AdverseEvent: {"demo": TO_EVENT, "deleted": GONE},  # first, as the others refer to it
    AdverseEventDrug: {"drug": TO_DRUG},
    AdverseEventIndication: {"indi": TO_INDICATION},
    AdverseEventReaction: {"reac": TO_REACTION},
    AdverseEventOutcome: {"outc": TO_OUTCOME},
}
