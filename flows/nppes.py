"""NPPES: who may bill in US health care, by National Provider Identifier (public, from CMS).

A full file every month, an increment every week, and every month the list of all deactivated identifiers, each a
zip; since December 2024 a second version of each (`_V2`), alike but for longer names. Every value is quoted. Columns
come and go over the years and are bound by name: `Provider Gender Code` became `Provider Sex Code` in 2025. A
deactivated provider keeps a row with little but number and date; one that came back has a reactivation date too.

Source: CMS, "NPPES Data Dissemination - Readme" of 2025-02-01, and the files that it describes.
"""

from collections.abc import Callable
from datetime import timedelta

from spark.mapping import Expression, Mapping, code, date, either, npi, phone, state, text, zip_code
from spark.readers import Csv, Excel
from spark.schemas import Provider
from tasks.cadence import Cadence
from tasks.convert import convert
from tasks.ingest import ingest
from tasks.profile import profile
from tasks.publish import publish
from tasks.source import Dataset, Delivery, Drop, Source
from tasks.transfer import transfer
from tasks.transform import transform
from tasks.unwrap import unwrap

MAIN = r"npidata_(pfile_)?\d{8}-(?P<date>\d{8})\.csv"  # the second date is the day up to which the file speaks
CSV = Csv(fallback="latin-1")  # UTF-8, but for what providers pasted in
REPORT = Excel(header_row=2, typed=False)  # a title above; identifiers stay text, however their cells are formatted


def monthly(version: str) -> Delivery:
    """`NPPES_Data_Dissemination_November_2026_V2.zip`; the day it speaks of stands inside."""
    names = rf"NPPES_Data_Dissemination_(?P<date>[A-Z][a-z]+_\d{{4}}){version}\.zip"
    return Delivery(kind="full", names=names, dated="%B_%Y", key="%Y-%m", inside=MAIN)


def weekly(version: str) -> Delivery:
    """`NPPES_Data_Dissemination_110926_111526_Weekly_V2.zip`."""
    names = rf"NPPES_Data_Dissemination_\d{{6}}_(?P<date>\d{{6}})_Weekly{version}\.zip"
    return Delivery(kind="incremental", names=names, dated="%m%d%y", key="%Y-%m-%d", inside=MAIN)


def deactivations(version: str) -> Delivery:
    """`NPPES_Deactivated_NPI_Report_111026_V2.zip`."""
    inside = r"NPPES Deactivated NPI Report (?P<date>\d{8})\.xlsx"
    names = rf"NPPES_Deactivated_NPI_Report_(?P<date>\d{{6}}){version}\.zip"
    return Delivery(kind="deletions", names=names, dated="%m%d%y", key="deactivated-%Y-%m-%d", inside=inside)


NPPES = Source(
    slug="nppes",
    at="nppes",
    zone="America/New_York",
    deliveries=tuple(kind(version) for version in ("_V2", "") for kind in (monthly, weekly, deactivations)),
    datasets={
        "npidata": Dataset(members=MAIN, reader=CSV),
        "othername": Dataset(members=r"othername_pfile_.*\d\.csv", reader=CSV),
        "pl": Dataset(members=r"pl_pfile_.*\d\.csv", reader=CSV),
        "endpoint": Dataset(members=r"endpoint_pfile_.*\d\.csv", reader=CSV),
        "deactivated": Dataset(members=r"NPPES Deactivated NPI Report \d{8}\.xlsx", reader=REPORT),
    },
    ignores=(r"(?i).*fileheader\.csv", r"(?i).*\.pdf"),
    quiet=None,  # a zip ends with its directory: one that opens is whole
    cadence={
        "full": Cadence(days="FREQ=MONTHLY;BYDAY=2SU", grace=timedelta(days=14)),
        "incremental": Cadence(days="FREQ=WEEKLY;BYDAY=SU", grace=timedelta(days=7)),
        "deletions": Cadence(days="FREQ=MONTHLY", grace=timedelta(days=28)),  # some day in the month
    },
    absent="deleted",  # a full file replaces the one before it
    reject_limit=0.05,
    phi="no",
)

PRACTICE = "provider_business_practice_location_address"
COUNTRY = f"{PRACTICE}_country_code_if_outside_u_s"  # filled in also for the United States


def at_home(column: str, reading: Callable[[str], Expression]) -> Expression:
    """A reading for the United States; what stands in an address elsewhere stays as it is."""
    return either(f"{text(COUNTRY)} <> 'US'", Expression(text(column), text(column)), reading(column))


NAME = "concat_ws(' ', concat(provider_last_name_legal_name, ','), provider_first_name, provider_middle_name)"

TO_PROVIDER = Mapping(
    columns={
        "npi": npi("npi"),
        "entity_type": code("entity_type_code", {"1": "individual", "2": "organization"}),
        "name": text(f"if(entity_type_code = '2', provider_organization_name_legal_business_name, {NAME})"),
        "last_name": text("provider_last_name_legal_name"),
        "first_name": text("provider_first_name"),
        "middle_name": text("provider_middle_name"),
        "credential": text("provider_credential_text"),
        "organization_name": text("provider_organization_name_legal_business_name"),
        "parent_organization_name": text("parent_organization_lbn"),
        "sex": code("coalesce(provider_sex_code, provider_gender_code)", {"M": "male", "F": "female", "X": "other"}),
        "primary_taxonomy_code": text(
            "CASE 'Y' "
            + " ".join(
                f"WHEN healthcare_provider_primary_taxonomy_switch_{i} THEN healthcare_provider_taxonomy_code_{i}"
                for i in range(1, 16)
            )
            + " END"
        ),
        "practice_address_line_1": text("provider_first_line_business_practice_location_address"),
        "practice_address_line_2": text("provider_second_line_business_practice_location_address"),
        "practice_city": text(f"{PRACTICE}_city_name"),
        "practice_state": at_home(f"{PRACTICE}_state_name", state),
        "practice_zip_code": zip_code(f"{PRACTICE}_postal_code", country=COUNTRY),
        "practice_country": text(COUNTRY),
        "practice_phone": at_home(f"{PRACTICE}_telephone_number", phone),
        "enumeration_date": date("provider_enumeration_date", "MM/dd/yyyy"),
        "last_updated": date("last_update_date", "MM/dd/yyyy"),
        "certification_date": date("certification_date", "MM/dd/yyyy"),
    },
    deleted="nullif(npi_deactivation_date, '') IS NOT NULL AND nullif(npi_reactivation_date, '') IS NULL",
    optional=("provider_sex_code", "provider_gender_code", "certification_date"),
)
GONE = Mapping(columns={"npi": npi("npi")}, deleted="true")


@ingest(NPPES)
def nppes(drop: Drop) -> None:
    """Bring one drop of NPPES into the lake: a month, a week, or a list of deactivated identifiers."""
    landed = transfer(drop)
    parts = unwrap(landed, expect=["zip"])
    raw = convert(parts)
    profile(raw)
    publish(transform(raw, to=Provider, by={"npidata": TO_PROVIDER, "deactivated": GONE}))
