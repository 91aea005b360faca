"""Open Payments: what makers of drugs and devices pay to physicians and teaching hospitals (public, from CMS).

Every June a new program year comes out, and in January, as in June, all years that are still published come anew: a
year's publication is the whole of that year and replaces the one before it. Records change, vanish and come back; all
years but the newest have a list of those that were deleted by who reported them, or removed, as they may not be
published now. Years that are not published any more, kept in an archive as they were last, stay as they are. A year is
three files, or a zip of them and the list; the second date in newer names is the day that reports were taken up to.

CMS's catalogue (openpaymentsdata.cms.gov/api/1/metastore/schemas/distribution/items, field `downloadURL`) has the files
of each year on download.cms.gov/openpayments/, some of them again in the folder `staging`, and tables made of them; its
page of downloads has the zips. Files of three layouts are about: of 2013 to 2015, of 2016 to 2020, and since 2021, when
other practitioners and NPIs came in. Only their headers tell which a file has: columns are bound by name.

Source: CMS, the readmes of program year 2017 of January 2019 and of 2019 of June 2020, "Open Payments Public Use Files:
Methodology Overview and Data Dictionary", and the catalogue of January 2024.
"""

from datetime import timedelta

from flows.mappings.open_payments import TO_PAYMENT, TO_PRODUCT
from spark.readers import Csv
from spark.schemas import Payment, PaymentProduct
from tasks.cadence import Cadence
from tasks.convert import convert
from tasks.ingest import ingest
from tasks.profile import profile
from tasks.publish import publish
from tasks.source import Dataset, Delivery, Drop, Source
from tasks.transfer import transfer
from tasks.transform import transform
from tasks.unwrap import unwrap

TABLES = {"general": "DTL_GNRL", "research": "DTL_RSRCH", "ownership": "DTL_OWNRSHP", "removed": "REMOVED_DELETED"}
CSV = rf"OP_({'|'.join(TABLES.values())})_PGYR20(?P<program>\d\d)_P(?P<date>\d{{8}})(_\d{{8}})?\.csv"
ZIP = r"(?i)(OP_DTL_)?PGYR(20)?(?P<program>\d\d)_P(?P<date>"


def publication(names: str, dated: str = "%m%d%Y", expected: tuple[str, ...] = ()) -> Delivery:
    """The whole of a program year, as of the day that it was published."""
    key, part = "20{program}-%Y-%m-%d", "20{program}"
    return Delivery(kind="full", names=names, dated=dated, key=key, part=part, expected=expected)


OPEN_PAYMENTS = Source(
    slug="open-payments",
    at="open-payments",
    zone="America/New_York",
    deliveries=(
        publication(rf"{ZIP}\d{{8}})(_\d+)?\.zip"),  # PGYR2019_P01302025_01212025.zip
        publication(rf"{ZIP}\d{{6}})(_\d+)?\.zip", "%m%d%y"),  # PGYR19_P063020.ZIP
        publication(
            rf"(?!staging/)(.*/)?{CSV}", expected=tuple(rf"OP_{table}_.*" for table in list(TABLES.values())[:3])
        ),
    ),
    datasets={name: Dataset(members=rf"(.*/)?OP_{table}_.*\.csv", reader=Csv()) for name, table in TABLES.items()},
    ignores=(r"(?i).*readme.*\.txt",),
    cadence={"full": Cadence(days="FREQ=YEARLY;BYMONTH=1,6;BYMONTHDAY=1", grace=timedelta(days=35))},  # by month's end
    absent="deleted",  # of the year that a drop is of
    phi="no",  # who was paid is public by law
)


@ingest(OPEN_PAYMENTS)
def open_payments(drop: Drop) -> None:
    """Bring one publication of a program year of Open Payments into the lake."""
    landed = transfer(drop)
    parts = unwrap(landed)
    raw = convert(parts)
    profile(raw)
    publish(transform(raw, to=Payment, by=TO_PAYMENT))
    publish(transform(raw, to=PaymentProduct, by=TO_PRODUCT))
