"""CCLF: claims of the Medicare beneficiaries of an accountable care organization (from CMS to it, holds PHI).

Every month a zip, whose name does not say that it is one, in a PGP message: eleven files of fixed width, and CCLF0,
which says how many records each has, and how long. It has been wrong: then nothing is published until somebody accepts
the month. The runout of the year before, R for Y, comes in three more. `~` stands for nothing, and so do the days
1000-01-01 and 9999-12-31. Files named T are CMS's tests and not taken. Releases put fields behind those there were.

Claims are debits and credits: an original, its cancellation and an adjustment are each a claim with a number of its
own. Amounts have no sign; here a cancellation's are negative, so that they add up to what was paid. But for those of
revenue centers, which do not say what their claim is, and count only where they add up to their claim's payment.
Claims of Part B have no header of their own: each line repeats it, and what is repeated is removed and counted. A
beneficiary is a row for every stay in hospice. Identifiers (MBI) may change: those of older drops stay as they were,
since a mapping sees one row at a time, and CCLF9, in Raw, leads from them to the current ones.

Source: CMS, "Claim and Claim Line Feed Information Packet", version 36.0 of 2022-12-14, sections 2 to 5 and appendix B.
"""

from datetime import timedelta

from flows.mappings.cclf import TO_CLAIM, TO_CLAIM_LINE, TO_DIAGNOSIS, TO_PATIENT
from flows.mappings.cclf_layouts import FILES
from spark.privacy import Keep
from spark.readers import Csv, Fixed
from spark.schemas import Claim, ClaimLine, Diagnosis, Patient
from tasks.cadence import Cadence
from tasks.convert import convert
from tasks.ingest import ingest
from tasks.profile import profile
from tasks.publish import publish
from tasks.source import Contents, Dataset, Delivery, Drop, Source
from tasks.transfer import transfer
from tasks.transform import transform
from tasks.unwrap import unwrap

BY_AGREEMENT = Keep(why="claims of its own beneficiaries, for an ACO's operations: 42 CFR 425.704, agreed by 425.710")
IDENTIFIERS = (
    *("bene_mbi_id", "bene_1st_name", "bene_midl_name", "bene_last_name", "bene_dob", "bene_death_dt"),
    *("bene_line_1_adr", "bene_line_2_adr", "geo_zip_plc_name", "bene_fips_cnty_cd", "bene_zip_cd", "geo_zip5_cd"),
    *("geo_zip4_cd", "cur_clm_uniq_id", "clm_cntl_num", "clm_org_cntl_num", "clm_line_rx_srvc_rfrnc_num"),
    *("clm_from_dt", "clm_thru_dt", "clm_line_from_dt", "clm_line_thru_dt", "clm_efctv_dt"),
)
"""Columns that say who somebody is, wherever they are; of those that no mapping reads nothing is said."""


def named(number: str) -> str:
    """`P.A0001.ACO.ZC1Y26.D260110.T1200000` is CCLF1 of 2026, `…ZC1R25…` that of 2025's runout."""
    return rf"[PT]\..*\.ZC{number}[YR]?\d\d\.D\d{{6}}\.T\d{{7}}"


CCLF = Source(
    slug="cclf",
    at="cclf",
    zone="America/New_York",
    deliveries=(
        Delivery(
            kind="incremental",
            names=r"P\.(BCD\.)?(?P<aco>\w+)\.(ACO\.)?ZC(?P<run>[YR]?)\d\d\.D(?P<date>\d{6}\.T\d{7})(\.pgp|\.gpg)?",
            dated="%y%m%d.T%H%M%S%f",
            key="{aco}-{run}%Y-%m-%dT%H%M%S",
        ),
    ),
    datasets={
        "summary_statistics": Dataset(members=named("0"), reader=Csv(delimiter="|")),
        **{
            name: Dataset(
                members=named(n), reader=Fixed(layouts=eras), privacy=dict.fromkeys(IDENTIFIERS, BY_AGREEMENT)
            )
            for n, (name, eras) in FILES.items()
        },
    },
    contents=Contents(
        dataset="summary_statistics",
        name="file_number",
        records="total_records_count",
        length="record_length",
        files={f"CCLF{number}": named(number) for number in FILES},
    ),
    cadence={"incremental": Cadence(days="FREQ=MONTHLY", grace=timedelta(days=28))},  # some day in the month
    pgp_key="cclf",
    pgp_signer="any",  # of those whose public keys are in that block
    phi="yes",
)


@ingest(CCLF)
def cclf(drop: Drop) -> None:
    """Bring a month, or a month's runout, of an organization into the lake."""
    landed = transfer(drop)
    parts = unwrap(landed, expect=["pgp", "zip"])
    raw = convert(parts)
    profile(raw)
    publish(transform(raw, to=Patient, by={"beneficiary_demographics": TO_PATIENT}))
    publish(transform(raw, to=Claim, by=TO_CLAIM))
    publish(transform(raw, to=ClaimLine, by=TO_CLAIM_LINE))
    publish(transform(raw, to=Diagnosis, by=TO_DIAGNOSIS))
