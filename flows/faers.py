"""FAERS: adverse events of drugs as reported to FDA, a zip of `$`-delimited files a quarter (public, since 2004).

A quarter holds what came in during it: new cases and later versions of older ones, seven tables to a report. Quotes are
data. To 2012q3 every data row ends with a `$` more than the header, and a case may have several versions in a quarter;
then reports had other numbers, and names of columns changed in 2012q4 and in 2014q3. Line ends are CRLF or LF.

A record with a `$` in a value, or with a line end in it, or glued to the next one as in DRUG11Q2 to Q4, has a wrong
number of fields: it is rejected and kept. Glued ones are not taken apart, as a `$` in a value looks no other.

Since 2019 a quarter lists cases, of any year, that FDA has deleted. A case leads to its latest report: what a
superseded report, or one of a deleted case, says of drugs and reactions stays in their tables, where no case leads to
it. A few reports contradict themselves (four in 2012q4): what stays is the first row.

Source: FDA, "ASC_NTS" of the quarterly data files, revised June 2016; the page FPD-QDE-FAERS, which links the zips.
"""

from datetime import timedelta

from flows.mappings.faers import MAPPED
from spark.checks import Checks
from spark.readers import Csv
from tasks.cadence import Cadence
from tasks.convert import convert
from tasks.ingest import ingest
from tasks.profile import profile
from tasks.publish import publish
from tasks.source import Dataset, Delivery, Drop, Source
from tasks.transfer import transfer
from tasks.transform import transform
from tasks.unwrap import unwrap

FIELDS = Csv(delimiter="$", quote=None, trailing=True, fallback="latin-1")
IDS = Csv(delimiter="$", quote=None, header=False, columns=("caseid",))

FAERS = Source(
    slug="faers",
    at="faers",
    zone="America/New_York",
    deliveries=(
        Delivery(
            kind="incremental",
            names=r"(?i)f?aers_ascii_(?P<year>\d{4})q(?P<quarter>[1-4])\.zip",  # aers_ to 2012q3
            key="{year}q{quarter}",
            as_of="end",
        ),
    ),
    datasets={
        table: Dataset(members=rf"(?i)(.*/)?{table}\d\dq[1-4](_new)?\.txt", reader=FIELDS)
        for table in ("demo", "drug", "indi", "outc", "reac", "rpsr", "ther")
    }
    | {"deleted": Dataset(members=r"(?i).*delet.*\.txt", reader=IDS)},
    ignores=(r"(?i)(.*/)?(stat|size)\d\dq[1-4]\.txt", r"(?i).*\.(pdf|docx?)"),
    quiet=None,  # a zip ends with its directory: one that opens is whole
    cadence={"incremental": Cadence(days="FREQ=YEARLY;BYMONTH=3,6,9,12;BYMONTHDAY=-1", grace=timedelta(days=75))},
    phi="no",
)

# in old quarters many rows are of a report that was superseded within the quarter, so that no case leads to it
CHECKS = Checks(dangling=0.5, conflicting=0.01)


@ingest(FAERS)
def faers(drop: Drop) -> None:
    """Bring a quarter of FAERS into the lake: its reports, and the cases that are deleted."""
    landed = transfer(drop)
    parts = unwrap(landed, expect=["zip"])
    raw = convert(parts)
    profile(raw)
    for schema, by in MAPPED.items():
        publish(transform(raw, to=schema, by=by, checks=CHECKS))
