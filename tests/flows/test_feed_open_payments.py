"""Open Payments from a catalogue and its files over HTTPS to `current` on S3, and real rows as they are mapped."""

import csv
import json
import zipfile
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bench.synthetic.open_payments import FILES, Kind, Publication, Year, header
from blocks.http import HttpServer
from flows.mappings.open_payments import PAYER
from flows.open_payments import OPEN_PAYMENTS, open_payments
from spark.schemas import Payment, PaymentProduct, Schema
from tasks import manifest
from tests.flows.conftest import Feed
from tests.servers import Nginx

JUNE, JANUARY = date(2022, 6, 30), date(2023, 1, 20)
PAGE = "<!DOCTYPE html>\n<html><head><title>Page not found, sorry</title></head>\n<body>404</body></html>\n"
Row = dict[str, Any]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it to let an hour pass by our clock: files that a run, also a dry one, has seen before have held still."""
    hours = iter(range(1, 100))

    def pass_an_hour() -> None:
        later = timedelta(hours=next(hours))
        monkeypatch.setattr("tasks.discover.now", lambda: manifest.now() + later)

    return pass_an_hour


def publish(site: Path, address: str, *publications: Publication, lost: Iterable[str] = ()) -> None:
    """Write the catalogue: as CMS's, most files twice, and among others; `lost` are listed and not there."""
    names = [str(path.relative_to(site)) for publication in publications for path in publication.files]
    addresses = [
        *(f"{address}{name}" for name in (*names, *lost, *names, "SMRY_P01202023/all-entities-profile-search.csv")),
        "https://openpaymentsdata.cms.gov/sites/default/files/harvest2022-06/data/OP_DTL_GNRL_PGYR2018_P06302022.csv",
    ]
    items = [{"identifier": str(n), "data": {"downloadURL": url}} for n, url in enumerate(addresses)]
    (site / "items.json").write_text(json.dumps(items, indent=2))


def assert_current(feed: Feed, *publications: Publication) -> None:
    """`current` has the rows of these publications, whole, and no others."""
    for schema, wants in (
        (Payment, {key: row for p in publications for key, row in p.payments.items()}),
        (PaymentProduct, {key: row for p in publications for key, row in p.products.items()}),
    ):
        have = {key: plain(row, schema) for key, row in feed.current(str(schema), *schema.key).items()}
        assert have.keys() == wants.keys(), schema
        want = {key: {column.name: row.get(column.name) for column in schema.columns} for key, row in wants.items()}
        assert [(have[key], row) for key, row in want.items() if have[key] != row] == [], schema
        assert feed.rows(f"held.{schema}") == []


def plain(row: Row, schema: Schema) -> Row:
    return {column.name: row[column.name] for column in schema.columns}


def test_years_are_published_refreshed_and_corrected(
    nginx: Nginx,
    tmp_path: Path,
    feed: Callable[..., Feed],
    clock: Callable[[], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = nginx.folder / tmp_path.name
    site.mkdir()
    address = f"{nginx.https_url}{tmp_path.name}/"
    place = HttpServer(
        url=address,
        listing=f"{nginx.url}{tmp_path.name}/items.json",  # on another server than the files
        column="downloadURL",
        only=r"PGYR\d+_.*",
        authority=nginx.authority,
    )
    payments = feed(open_payments, OPEN_PAYMENTS, open_payments=place)

    # June: two program years, each in the layout of its time, one as a zip
    old, new = Year(seed=1, program=2015, records=150), Year(seed=1, program=2019, records=250)
    archived, june = old.publish(JUNE, site, "2013", zipped=True), new.publish(JUNE, site, "2016")
    publish(site, address, archived, june)
    payments.done(dry_run=True)  # has seen the files once
    clock()
    assert payments.done() == "Done: 2015-2022-06-30, 2019-2022-06-30"
    assert_current(payments, archived, june)

    # January: 2015 has gone to the archive; 2019 comes in the layout of 2021, at first without one of its files
    january = new.evolve().publish(JANUARY, site, "2021")
    assert {"CHANGED", "UNCHANGED", "NEW", "ADD", "REMOVED", "DELETED"} == january.changes.keys()
    general, _, ownership, _ = january.files
    whole = {path: path.read_bytes() for path in january.files}
    ownership.unlink()
    publish(site, address, january)
    payments.done(dry_run=True)
    clock()
    assert payments.done() == "Nothing is new; 1 not complete yet"
    assert "2019-2023-01-20: waits: no file is there that is named OP_DTL_OWNRSHP" in caplog.text
    assert_current(payments, archived, june)

    # a web page in the file's place
    ownership.write_text(PAGE)
    payments.done(dry_run=True)
    clock()
    failed = payments.run()
    assert failed.is_failed()
    assert "2019-2023-01-20" in (failed.message or "")
    assert_current(payments, archived, june)

    # a file that was cut off in the middle, between two records: only its number of records shows it
    ownership.write_bytes(whole[ownership])
    lines = whole[general].splitlines(keepends=True)
    middle = next(n for n in range(len(lines) // 2, len(lines)) if lines[n].startswith(b'"'))
    general.write_bytes(b"".join(lines[:middle]))
    payments.done(dry_run=True)
    clock()
    failed = payments.run()
    assert failed.is_failed()
    assert "fewer" in (failed.message or "")
    assert_current(payments, archived, june)

    # as it should be
    general.write_bytes(whole[general])
    payments.done(dry_run=True)
    clock()
    assert payments.done() == "Done: 2019-2023-01-20"
    assert_current(payments, archived, january)
    assert len(payments.rows("raw.open_payments_removed")) == january.changes["REMOVED"] + january.changes["DELETED"]

    # corrected under the same names
    corrected = new.amend(0.3).publish(JANUARY, site, "2021", again=True)
    assert corrected.changes["CHANGED"] > january.changes["CHANGED"]
    payments.done(dry_run=True)
    clock()
    assert payments.done() == "Done: 2019-2023-01-20"
    assert_current(payments, archived, corrected)
    assert payments.done() == "Nothing is new"


@pytest.mark.parametrize("kind", FILES)
def test_the_generators_layouts_are_those_of_real_files(realdata: Path, kind: Kind) -> None:
    samples = realdata / "sources" / "openpayments"
    later = samples / "pgyr2019-header-and-one-row" / f"OP_DTL_{FILES[kind]}_PGYR2019_P06302020.csv"
    assert later.read_text().splitlines()[0].split(",") == header(kind, "2016")
    for first in samples.glob(f"OP_DTL_{FILES[kind]}_PGYR201*.csv"):
        assert first.read_text().splitlines()[0].split(",") == header(kind, "2013")
    assert len(header(kind, "2021")) == {"general": 91, "research": 252, "ownership": 30}[kind]


def test_real_rows_are_mapped(
    realdata: Path, nginx: Nginx, tmp_path: Path, feed: Callable[..., Feed], clock: Callable[[], None]
) -> None:
    samples, site = realdata / "sources" / "openpayments", nginx.folder / tmp_path.name
    site.mkdir()
    first = {path.name.replace(".iowa-extract", ""): path for path in sorted(samples.glob("*.iowa-extract.csv"))}
    later = {path.name: path for path in (samples / "pgyr2019-header-and-one-row").iterdir()}
    for name, members in {"PGYR15_P063016.ZIP": first, "PGYR2019_P06302020.zip": later}.items():
        with zipfile.ZipFile(site / name, "w") as archive:
            for member, path in members.items():
                archive.write(path, member)
            archive.write(samples / "OP_PGYR2019_README_P06302020.txt", "OP_PGYR2019_README_P06302020.txt")
    place = HttpServer(url=f"{nginx.https_url}{tmp_path.name}/", authority=nginx.authority)  # and its index page
    payments = feed(open_payments, OPEN_PAYMENTS, open_payments=place)
    payments.done(dry_run=True)
    clock()
    assert payments.done() == "Done: 2015-2016-06-30, 2019-2020-06-30"

    files = {**first, **later}
    real = {row["Record_ID"]: row for path in files.values() for row in csv.DictReader(path.open(newline=""))}
    have = payments.current("payment", "record_id")
    assert (len(real), have.keys()) == (46 + 47 + 41 + 3, real.keys())
    for schema in (Payment, PaymentProduct):
        assert payments.rows(f"held.{schema}") == []
    for id_, row in real.items():
        assert {name: have[id_][name] for name in EXPECTED} == {name: read(row) for name, read in EXPECTED.items()}, id_
    products = payments.current("payment_product", "record_id", "product_number")
    assert {key: product["product_name"] for key, product in products.items()} == {
        (id_, number): row[column].strip()
        for id_, row in real.items()
        for column, number in PRODUCTS.items()
        if row.get(column)
    }
    codes = {product["product_name"]: product["ndc_code"] for product in products.values()}
    # 0078-0630-35, 66302-206-01, 00018-607-76; and 0002512330, which may be any of three
    assert [codes[name] for name in ("TOBI PODHALER", "TYVASO", "BRILINTA", "EFFIENT")] == [
        *("00078063035", "66302020601", "00018060776"),
        None,
    ]
    [device] = [product for key, product in products.items() if key[0] == "618989345"]
    assert (device["product_type"], device["product_category"], device["is_covered"]) == (
        *("device", "General Dental and Oral Health"),
        True,
    )


def day(text: str) -> date:
    return datetime.strptime(text, "%m/%d/%Y").date()


EXPECTED: dict[str, Callable[[dict[str, str]], object]] = {
    "program_year": lambda row: int(row["Program_Year"]),
    "change_type": lambda row: row["Change_Type"],
    "recipient_type": lambda row: {
        "Covered Recipient Physician": "physician",
        "Covered Recipient Teaching Hospital": "teaching hospital",
        "Non-covered Recipient Entity": "non-covered entity",
    }[row.get("Covered_Recipient_Type", "Covered Recipient Physician")],
    "recipient_profile_id": lambda row: row["Physician_Profile_ID"] or None,
    "recipient_last_name": lambda row: row["Physician_Last_Name"] or None,
    "recipient_specialty": lambda row: row["Physician_Specialty"] or None,
    "recipient_organization_name": lambda row: (
        row.get("Teaching_Hospital_Name", "") or row.get("Noncovered_Recipient_Entity_Name", "") or None
    ),
    "teaching_hospital_ccn": lambda row: row.get("Teaching_Hospital_CCN", "") or None,
    "recipient_city": lambda row: row["Recipient_City"],
    "recipient_state": lambda row: row["Recipient_State"],
    "recipient_zip_code": lambda row: row["Recipient_Zip_Code"],
    "manufacturer_id": lambda row: row[f"{PAYER}_ID"],
    "manufacturer_state": lambda row: row[f"{PAYER}_State"] or None,
    "manufacturer_country": lambda row: row[f"{PAYER}_Country"],
    "amount": lambda row: Decimal(
        row.get("Total_Amount_of_Payment_USDollars") or row["Total_Amount_Invested_USDollars"]
    ),
    "interest_value": lambda row: Decimal(row["Value_of_Interest"]) if "Value_of_Interest" in row else None,
    "payment_date": lambda row: day(row["Date_of_Payment"]) if "Date_of_Payment" in row else None,
    "is_disputed": lambda row: {"Yes": True, "No": False}[row["Dispute_Status_for_Publication"]],
    "is_product_related": lambda row: {"None": False, "No": False, "": None}.get(
        row.get("Product_Indicator") or row.get("Related_Product_Indicator", ""), True
    ),
    "study_name": lambda row: row.get("Name_of_Study", "").strip() or None,
    "nct_id": lambda row: row.get("ClinicalTrials_Gov_Identifier", "") or None,
    "publication_date": lambda row: day(row["Payment_Publication_Date"]),
}
"""What the common schema has of a real row, by its columns."""

PRODUCTS = {
    **{f"Name_of_Drug_or_Biological_or_Device_or_Medical_Supply_{n}": n for n in range(1, 6)},
    **{f"Name_of_Associated_Covered_Drug_or_Biological{n}": n for n in range(1, 6)},
    **{f"Name_of_Associated_Covered_Device_or_Medical_Supply{n}": 5 + n for n in range(1, 6)},
}
"""Columns that name a product, and its place."""
