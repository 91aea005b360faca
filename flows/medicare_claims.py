"""Claims of Medicare's years 2008 to 2010, then of a made-up population: two publishers' files from one party.

DE-SynPUF (public, from CMS, published once) is the history, on a drive. It has twenty samples, each of its own
beneficiaries: three yearly summaries of who they are, and the claims of all three years, carrier claims in two halves.
A summary is a drop that speaks up to the end of its year, so that a beneficiary is as the latest one says, and the
others are history. A header is quoted, values are not.

Synthea (public, the MITRE Corporation's generator) is what comes to S3 every week. A run of it writes a CSV file for
every table, into one folder or, where it is so configured, into one named for the instant, which may be zipped. A run
makes a whole population: who is in no later run is gone. It says nothing of DE-SynPUF's people.

Keys of the two cannot meet, and stay as they are: Synthea's are UUIDs of 36 characters; DE-SynPUF's have 15 digits, or
16 hexadecimal ones.

Source: CMS, "CMS 2008-2010 Data Entrepreneurs' Synthetic Public Use File (DE-SynPUF)", and its files; MITRE, "CSV File
Data Dictionary" of Synthea's wiki, and CSVExporter of its code.
"""

from datetime import timedelta
from functools import partial

from flows.mappings import desynpuf, synthea
from spark.checks import Checks
from spark.readers import Csv
from spark.schemas import Claim, ClaimLine, Diagnosis, Encounter, Organization, Patient
from tasks.cadence import Cadence
from tasks.convert import convert
from tasks.ingest import ingest
from tasks.profile import profile
from tasks.publish import publish
from tasks.source import Dataset, Delivery, Drop, Source
from tasks.transfer import transfer
from tasks.transform import transform
from tasks.unwrap import unwrap

SUMMARY = r"DE1_0_(?P<year>20\d\d)_(?P<dataset>Beneficiary_Summary)_File_Sample_(?P<sample>\d+)\.(csv|zip)"
CLAIMS = rf"DE1_0_2008_to_(?P<year>2010)_(?P<dataset>{desynpuf.CLAIMS})_Sample_(?P<sample>\d+)[AB]?\.(csv|zip)"
history = partial(Delivery, kind="incremental", as_of="end", at="medicare-claims-history", part="de-synpuf")

RUN = r"(.*/)?(?P<date>\d{4}_\d\d_\d\dT\d\d_\d\d_\d\dZ)"  # such as 2026_01_05T10_00_00Z
population = partial(Delivery, kind="full", part="synthea")
dated = partial(population, dated="%Y_%m_%dT%H_%M_%SZ", key="%Y-%m-%dT%H%M%S")
NEEDED = tuple(rf"(.*/)?{table}\.csv" for table in synthea.NEEDED)

MEDICARE_CLAIMS = Source(
    slug="medicare-claims",
    at="medicare-claims",
    deliveries=(
        history(names=SUMMARY, key="sample-{sample}-{year}"),
        history(names=CLAIMS, key="sample-{sample}", expected=5),
        dated(names=rf"{RUN}\.zip"),
        dated(names=rf"{RUN}/\w+\.csv", expected=NEEDED),
        population(names=r"\w+\.csv", expected=NEEDED),  # dated by when they were written
    ),
    datasets={
        **{name.lower(): Dataset(reader=Csv()) for name in ("Beneficiary_Summary", *desynpuf.CLAIMS.split("|"))},
        **{table: Dataset(members=rf"(.*/)?{table}\.csv", reader=Csv()) for table in synthea.TABLES},
    },
    cadence={"full": Cadence(days="FREQ=WEEKLY", grace=timedelta(days=7))},
    absent="deleted",  # of the part: a run of Synthea is of other people than the one before
    phi="no",
)

ANY_SIZE = Checks(fewer=0.9, more=None)  # how many people a run makes is whoever's wish who runs it; not nobody


@ingest(MEDICARE_CLAIMS)
def medicare_claims(drop: Drop) -> None:
    """Bring a part of DE-SynPUF, or a run of Synthea, into the lake."""
    landed = transfer(drop)
    parts = unwrap(landed)
    raw = convert(parts)
    profile(raw)
    publish(transform(raw, to=Patient, by=desynpuf.TO_PATIENT | synthea.TO_PATIENT, checks=ANY_SIZE))
    publish(transform(raw, to=Organization, by=synthea.TO_ORGANIZATION, checks=ANY_SIZE))
    publish(transform(raw, to=Encounter, by=synthea.TO_ENCOUNTER, checks=ANY_SIZE))
    publish(transform(raw, to=Claim, by=desynpuf.TO_CLAIM | synthea.TO_CLAIM, checks=ANY_SIZE))
    publish(transform(raw, to=ClaimLine, by=desynpuf.TO_CLAIM_LINE | synthea.TO_CLAIM_LINE, checks=ANY_SIZE))
    publish(transform(raw, to=Diagnosis, by=desynpuf.TO_DIAGNOSIS | synthea.TO_DIAGNOSIS, checks=ANY_SIZE))
