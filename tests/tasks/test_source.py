"""How the names of real sources read: drop, instant, dataset. The names are those that the publishers give."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.place import RemoteFile
from flows.nppes import NPPES
from spark.readers import Csv
from tasks.source import Dataset, Delivery, Source

WRITTEN = datetime(2026, 11, 24, 3, 30, tzinfo=UTC)  # still the 23rd in New York


def source(*deliveries: Delivery, datasets: tuple[str, ...] = (), zone: str = "America/New_York") -> Source:
    tables = {name: Dataset(reader=Csv()) for name in datasets}
    return Source(slug="x", at="x", deliveries=deliveries, datasets=tables, phi="no", zone=zone)


FAERS = source(
    Delivery(
        kind="incremental",
        names=r"(?:ae|fae)rs_ascii_(?P<year>\d{4})[qQ](?P<quarter>[1-4])\.zip",
        key="{year}q{quarter}",
        as_of="end",
    )
)
OPENPAYMENTS = source(
    Delivery(
        kind="full",  # a publication replaces all program years that it has
        names=r"OP_DTL_(?P<dataset>GNRL|RSRCH|OWNRSHP)_PGYR\d{4}_P(?P<date>\d{8})(_\d{8})?\.csv",
        dated="%m%d%Y",
        expected=(".*GNRL.*", ".*RSRCH.*", ".*OWNRSHP.*"),
    ),
    Delivery(
        kind="full",
        names=r"PGYR(\d\d|\d{4})_P(?P<month>\d\d)(?P<day>\d\d)(?P<year>\d{4}|\d\d)(_\d{8})?\.ZIP",
        key="zip-%Y-%m-%d",
    ),
    datasets=("gnrl", "rsrch", "ownrshp"),
)
PUBMED = source(
    Delivery(
        kind="full",
        names=r"baseline/pubmed(?P<year>\d\d)n(?P<number>\d{4})\.xml\.gz",
        key="%Y-baseline",
    ),
    Delivery(
        kind="incremental",
        names=r"updatefiles/pubmed(?P<year>\d\d)n(?P<number>\d{4})\.xml\.gz",
        key="%Y-{number}",
    ),
)
CTGOV = source(
    Delivery(kind="full", names=r"(?P<date>.{19})\.json", dated="%Y-%m-%dT%H:%M:%S", key="%Y-%m-%dT%H%M"), zone="UTC"
)
NHANES = source(
    Delivery(kind="full", names=r"(?P<year>\d{4})/DataFiles/P_(?P<dataset>\w+)\.(xpt|XPT)", key="{year}-prepandemic"),
    Delivery(
        kind="full",
        names=r"(?P<year>\d{4})(-\d{4})?/(DataFiles/)?(?P<dataset>[A-Za-z0-9]+?)(_[A-Z])?\.(xpt|XPT)",
        key="{year}",
    ),
    datasets=("demo", "apob"),
)
CCLF = source(
    Delivery(
        kind="incremental",
        names=r"P\.(BCD\.)?(?P<aco>\w+)\.(ACO\.)?ZC(?P<run>[YR])\d\d\.D(?P<date>\d{6}\.T\d{7})",
        dated="%y%m%d.T%H%M%S%f",
        key="{aco}-{run}-%Y-%m-%dT%H%M%S",
    )
)
DESYNPUF = source(
    Delivery(
        kind="full",
        names=r"DE1_0_[\w]*?(?P<dataset>Beneficiary_Summary|Inpatient_Claims|Carrier_Claims)(_File)?"
        r"_Sample_(?P<sample>\d{1,2})[AB]?\.(csv|zip)",
        key="sample-{sample}",
    ),
    datasets=("beneficiary_summary", "inpatient_claims", "carrier_claims"),
)
SYNTHEA = source(Delivery(kind="full", names=r"(?P<dataset>\w+)\.csv", key="%Y-%m-%d"), datasets=("patients", "claims"))
NDC = source(Delivery(kind="full", names=r"ndctext\.zip"))
MEPS = source(
    Delivery(kind="full", names=r"h(?P<file>\d{1,3}[a-h]?)(i?f?\d)?(ssp|dat|v9|dta|xlsx?)?\.zip", key="h{file}")
)
STATES = source(
    Delivery(
        kind="full", names=r"(?P<state>[A-Z]{2})_(?P<month>[A-Za-z]+)[ _](?P<year>\d{4})\.csv", key="{state}-%Y-%m"
    )
)

READS: list[tuple[Source, str, str, str, str | None]] = [
    # source, name, key, as_of in the source's zone, dataset
    (NPPES, "NPPES_Data_Dissemination_November_2026_V2.zip", "2026-11", "2026-11-01", None),
    (NPPES, "NPPES_Data_Dissemination_110926_111526_Weekly_V2.zip", "2026-11-15", "2026-11-15", None),
    (NPPES, "NPPES_Data_Dissemination_110926_111526_Weekly.zip", "2026-11-15", "2026-11-15", None),
    (NPPES, "NPPES_Deactivated_NPI_Report_111026_V2.zip", "deactivated-2026-11-10", "2026-11-10", None),
    (FAERS, "faers_ascii_2026q3.zip", "2026q3", "2026-09-30", None),
    (FAERS, "faers_ascii_2018Q4.zip", "2018q4", "2018-12-31", None),
    (FAERS, "aers_ascii_2004q1.zip", "2004q1", "2004-03-31", None),
    (OPENPAYMENTS, "OP_DTL_GNRL_PGYR2019_P06302020.csv", "2020-06-30", "2020-06-30", "gnrl"),
    (OPENPAYMENTS, "OP_DTL_RSRCH_PGYR2023_P01302025_01212025.csv", "2025-01-30", "2025-01-30", "rsrch"),
    (OPENPAYMENTS, "OP_DTL_OWNRSHP_PGYR2022_P01182024.csv", "2024-01-18", "2024-01-18", "ownrshp"),
    (OPENPAYMENTS, "PGYR19_P063020.ZIP", "zip-2020-06-30", "2020-06-30", None),
    (OPENPAYMENTS, "PGYR2023_P01302025_01212025.ZIP", "zip-2025-01-30", "2025-01-30", None),
    (PUBMED, "baseline/pubmed26n0001.xml.gz", "2026-baseline", "2026-01-01T00:00:01", None),
    (PUBMED, "updatefiles/pubmed26n1275.xml.gz", "2026-1275", "2026-01-01T00:21:15", None),
    (CTGOV, "2026-09-25T09:00:05.json", "2026-09-25T0900", "2026-09-25T09:00:05", None),
    (NHANES, "2021/DataFiles/DEMO_L.xpt", "2021", "2021-01-01", "demo"),
    (NHANES, "2005-2006/ApoB_D.XPT", "2005", "2005-01-01", "apob"),
    (NHANES, "2017/DataFiles/P_DEMO.xpt", "2017-prepandemic", "2017-01-01", "demo"),
    (CCLF, "P.BCD.A0001.ZCY18.D181120.T1000000", "A0001-Y-2018-11-20T100000", "2018-11-20T10:00:00", None),
    (CCLF, "P.A0001.ACO.ZCR18.D181125.T1000087", "A0001-R-2018-11-25T100008", "2018-11-25T10:00:08.700000", None),
    (DESYNPUF, "DE1_0_2008_Beneficiary_Summary_File_Sample_1.zip", "sample-1", "2026-11-23", "beneficiary_summary"),
    (DESYNPUF, "DE1_0_2008_to_2010_Carrier_Claims_Sample_20B.zip", "sample-20", "2026-11-23", "carrier_claims"),
    (SYNTHEA, "output/csv/patients.csv", "2026-11-23", "2026-11-23", "patients"),
    (NDC, "ndctext.zip", "2026-11-23", "2026-11-23", None),
    (MEPS, "h163ssp.zip", "h163", "2026-11-23", None),
    (MEPS, "pufs/h206b/h206bv9.zip", "h206b", "2026-11-23", None),
    (STATES, "NY_Sept_2026.csv", "NY-2026-09", "2026-09-01", None),
    (STATES, "CA_november 2026.csv", "CA-2026-11", "2026-11-01", None),
]


def read(source: Source, name: str) -> tuple[str, datetime] | None:
    """Key and as_of, without a zone, by the first delivery that knows the name."""
    file = RemoteFile(name=name, size=1, mtime=WRITTEN)
    named = (delivery.read(file, ZoneInfo(source.zone)) for delivery in source.deliveries)
    return next(((n.key, n.as_of) for n in named if n), None)


@pytest.mark.parametrize(("source", "name", "key", "as_of", "dataset"), READS, ids=[name for _, name, *_ in READS])
def test_real_names(source: Source, name: str, key: str, as_of: str, dataset: str | None) -> None:
    assert read(source, name) == (key, datetime.fromisoformat(as_of))
    assert source.named_for(name) == dataset
    assert source.datasets_of("whatever.txt", name) == ((dataset,) if dataset else ())


@pytest.mark.parametrize(
    ("delivery", "name", "part"),
    [
        (NDC.deliveries[0], "ndctext.zip", ""),
        (
            Delivery(
                kind="full",
                names=r"OP_DTL_GNRL_PGYR(?P<program>\d{4})_P(?P<date>\d{8})\.csv",
                dated="%m%d%Y",
                part="{program}",
            ),
            "OP_DTL_GNRL_PGYR2019_P06302020.csv",
            "2019",
        ),
        (
            Delivery(kind="full", names=r"(?P<state>[A-Z]{2})?_(?P<date>\d{8})", dated="%Y%m%d", part="{state}-%Y"),
            "NY_20261104",
            "NY-2026",
        ),
        (
            Delivery(kind="full", names=r"(?P<state>[A-Z]{2})?_(?P<date>\d{8})", dated="%Y%m%d", part="{state}-%Y"),
            "_20261104",
            "-2026",
        ),
    ],
    ids=["none", "program", "state and year", "a group that does not match"],
)
def test_parts(delivery: Delivery, name: str, part: str) -> None:
    named = delivery.read(RemoteFile(name=name, size=1, mtime=WRITTEN), ZoneInfo("UTC"))
    assert named is not None
    assert named.part == part


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (NPPES, "NPPES_Data_Dissemination_110926_111526_Weekly_V3.zip"),
        (FAERS, "faers_ascii_2026q5.zip"),
        (PUBMED, "pubmed26n0001.xml.gz"),
        (PUBMED, "updatefiles/pubmed26n1275_stats.html"),
        (CCLF, "T.BCD.ACOB.ZC0Y18.D181120.E0001000"),
        (SYNTHEA, "csv"),
    ],
)
def test_what_is_not_the_sources(source: Source, name: str) -> None:
    assert read(source, name) is None


@pytest.mark.parametrize(
    ("source", "name", "why"),
    [
        (NPPES, "NPPES_Deactivated_NPI_Report_023126.zip", "023126 is no date as %m%d%y reads it"),
        (OPENPAYMENTS, "OP_DTL_GNRL_PGYR2019_P20200630.csv", "20200630 is no date as %m%d%Y reads it"),
        (STATES, "NY_Smarch_2026.csv", "2026 Sma is no date as %Y %b reads it"),
    ],
)
def test_a_date_that_is_none_is_told(source: Source, name: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read(source, name)


def test_a_file_without_any_date_is_told() -> None:
    with pytest.raises(ValueError, match="no date in its name, and the server does not say when"):
        NDC.deliveries[0].read(RemoteFile(name="ndctext.zip", size=1), ZoneInfo("UTC"))


@given(st.lists(st.integers(1, 9999), unique=True, min_size=2, max_size=20))
def test_numbered_files_are_ordered_by_number_whenever_they_were_written(numbers: list[int]) -> None:
    zone, update = ZoneInfo("UTC"), PUBMED.deliveries[1]

    def instant(number: int) -> datetime:
        written = WRITTEN - timedelta(days=number)  # copied to a mirror in any order
        named = update.read(RemoteFile(name=f"updatefiles/pubmed26n{number:04}.xml.gz", size=1, mtime=written), zone)
        assert named is not None
        return named.as_of

    assert sorted(numbers, key=instant) == sorted(numbers)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"names": r"(?P<date>\d{8})"}, "go together"),
        ({"names": r"\d{8}", "dated": "%Y%m%d"}, "go together"),
        ({"names": r"(?P<quarter>\d)"}, "a group `quarter` needs a group `year`"),
        ({"names": r"(?P<year>\d{4})(?P<day>\d\d)"}, "a group `day` needs a group `month`"),
        ({"names": r"(?P<state>..)", "key": "{stat}-%Y"}, "has no group stat"),
        ({"names": r"(?P<state>..)", "part": "{stat}-%Y"}, "{stat}-%Y: .* has no group stat"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(given: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Delivery(kind="full", **given)  # type: ignore[arg-type]
