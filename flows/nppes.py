"""NPPES: who may bill in US health care, by National Provider Identifier (public, from CMS).

A full file every month, an increment every week, and every month the list of all deactivated identifiers, each a
zip; since December 2024 a second version of each (`_V2`), alike but for longer names. Every value is quoted. Columns
come and go over the years and are bound by name: `Provider Gender Code` became `Provider Sex Code` in 2025. A
deactivated provider keeps a row with little but number and date; one that came back has a reactivation date too.
Further names, places of practice and endpoints stay in Raw: each is many to a provider, and has no schema yet.

Its block, an HTTP server, says: `https://download.cms.gov/nppes/`, listed by the page `NPI_Files.html`.

Source: CMS, "NPPES Data Dissemination - Readme" of 2025-02-01, and the files that it describes.
"""

from datetime import timedelta

from flows.mappings.nppes import GONE, TO_PROVIDER
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


def deliveries(version: str) -> tuple[Delivery, ...]:
    """Of names such as `…_November_2026_V2.zip`, `…_110926_111526_Weekly_V2.zip` and `…_NPI_Report_111026_V2.zip`.

    The day that a file speaks of stands inside.
    """
    month = rf"NPPES_Data_Dissemination_(?P<date>[A-Z][a-z]+_\d{{4}}){version}\.zip"
    week = rf"NPPES_Data_Dissemination_\d{{6}}_(?P<date>\d{{6}})_Weekly{version}\.zip"
    sheet = r"NPPES Deactivated NPI Report (?P<date>\d{8})\.xlsx"
    gone = rf"NPPES_Deactivated_NPI_Report_(?P<date>\d{{6}}){version}\.zip"
    return (
        Delivery(kind="full", names=month, dated="%B_%Y", key="%Y-%m", inside=MAIN),
        Delivery(kind="incremental", names=week, dated="%m%d%y", key="%Y-%m-%d", inside=MAIN),
        Delivery(kind="deletions", names=gone, dated="%m%d%y", key="deactivated-%Y-%m-%d", inside=sheet),
    )


NPPES = Source(
    slug="nppes",
    at="nppes",
    zone="America/New_York",
    deliveries=(*deliveries("_V2"), *deliveries("")),  # the first that there is
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


@ingest(NPPES)
def nppes(drop: Drop) -> None:
    """Bring one drop of NPPES into the lake: a month, a week, or a list of deactivated identifiers."""
    landed = transfer(drop)
    parts = unwrap(landed, expect=["zip"])
    raw = convert(parts)
    profile(raw)
    publish(transform(raw, to=Provider, by={"npidata": TO_PROVIDER, "deactivated": GONE}))
