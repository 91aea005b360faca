"""PubMed: citations of the biomedical literature (public, from NLM): a baseline a year, and updates by the day.

The baseline of a year, made in December after the year's MeSH, is a thousand-odd files numbered from 1; it replaces all
that was given out before. Update files go on counting from its last, and are to be applied by number: new, revised and
deleted citations, of which a file may have one more than once. Then the later counts, and deletions, which stand behind
the articles, come last. The next year counts from 1 again. Each file has an MD5 sum beside it, in OpenSSL's form. The
first update is big; there are none for weeks while the next baseline is made. The DTD changes with the year.

Until its first update is there nobody says which file is a baseline's last: it is then whole when none has come for an
hour, and one that was taken too early lacks a tenth of the citations before it, or is made good by a revision. A
deletion is of a citation with all of its versions.

Source: NLM, README.txt of ftp.ncbi.nlm.nih.gov/pubmed of 2023-02-07; "Overview of Annual Baseline Distribution of
MEDLINE/PubMed Data" of 2015; pubmed_250101.dtd.
"""

from datetime import timedelta

from flows.mappings.pubmed import BOOK_TO_PUBLICATION, GONE, TO_PUBLICATION
from flows.mappings.pubmed_fields import ARTICLES, BOOKS, DELETIONS
from spark.schemas import Publication
from tasks.cadence import Cadence
from tasks.convert import convert
from tasks.ingest import ingest
from tasks.profile import profile
from tasks.publish import publish
from tasks.source import Dataset, Delivery, Drop, Source
from tasks.transfer import transfer
from tasks.transform import transform
from tasks.unwrap import unwrap

FILE = r"pubmed(?P<year>\d\d)n(?P<number>\d{4})\.xml\.gz"
MD5 = r"(?P<name>.+)\.md5"
PLAIN = r"pubmed\d\dn\d{4}\.xml"

PUBMED = Source(
    slug="pubmed",
    at="pubmed",
    zone="America/New_York",
    deliveries=(
        Delivery(kind="full", names=f"(.*/)?baseline/{FILE}", key="baseline-%Y", gapless=True, done=MD5),
        Delivery(kind="incremental", names=f"(.*/)?updatefiles/{FILE}", key="%Y-{number}", done=MD5),
    ),
    datasets={
        "article": Dataset(members=f"(.*/)?{PLAIN}", reader=ARTICLES),
        "book": Dataset(members=f"(.*/)?{PLAIN}", reader=BOOKS),
        "deleted": Dataset(members=f"(.*/)?updatefiles/{PLAIN}", reader=DELETIONS),
    },
    quiet=timedelta(hours=1),
    cadence={
        "full": Cadence(days="FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=1", grace=timedelta(days=45), by="mtime"),
        # none while a baseline is made, and none on some days
        "incremental": Cadence(days="FREQ=DAILY;BYMONTH=2,3,4,5,6,7,8,9,10", grace=timedelta(days=4), by="mtime"),
    },
    absent="deleted",  # a baseline replaces everything
    phi="no",
)


@ingest(PUBMED)
def pubmed(drop: Drop) -> None:
    """Bring one drop of PubMed into the lake: a year's baseline, or one update."""
    landed = transfer(drop)
    parts = unwrap(landed, expect=["gzip"])
    raw = convert(parts)
    profile(raw)
    by = {"article": TO_PUBLICATION, "book": BOOK_TO_PUBLICATION, "deleted": GONE}
    publish(transform(raw, to=Publication, by=by))
