"""The synthetic NPPES: its layout against the real headers, its counts and its truth against plain readers.

Everything that checks what was written reads it with the standard library's csv module and openpyxl.
"""

import csv
import hashlib
import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import date, datetime
from pathlib import Path

import numpy as np
import openpyxl
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from bench.synthetic import nppes
from bench.synthetic.nppes import Delivery, Era, Rates, Ugly, World

# The patterns of names seen at the publisher (March 2015 to 2026).
ZIP_NAME = re.compile(
    r"^NPPES_Data_Dissemination_(?:(?P<month>[A-Z][a-z]+)_(?P<year>\d{4})|(?P<from>\d{6})_(?P<to>\d{6})_Weekly)"
    r"(?P<v2>_V2)?\.zip$"
)
INNER_NAME = re.compile(r"^(npidata|othername|pl|endpoint)_pfile_(\d{8})-(\d{8})(_(?:f|F)ile(?:h|H)eader)?\.csv$")
REPORT_NAME = re.compile(r"^NPPES_Deactivated_NPI_Report_(\d{6})(_V2)?\.zip$")

MONTH = date(2026, 11, 8)
WEEKS = ((date(2026, 11, 2), MONTH), (date(2026, 11, 9), date(2026, 11, 15)), (date(2026, 11, 16), date(2026, 11, 22)))
REPORTS = (date(2026, 11, 10), date(2026, 11, 24))

# Everything often enough that a small world holds it, and weeks in which much happens.
OFTEN = Rates(
    line_feed=0.02,
    carriage_return=0.02,
    doubled_quote=0.02,
    latin1=0.02,
    accent=0.05,
    impossible_date=0.02,
    surplus_field=0.004,
    missing_fields=0.004,
    short_npi=0.004,
    deactivated_per_year=0.2,
    reactivated=0.6,
)


def _write(world: World, folder: Path) -> None:
    world.weekly(*WEEKS[2], folder)  # not in order of time: it must not matter
    world.monthly(MONTH, folder)
    for week in WEEKS[:2]:
        world.weekly(*week, folder)
    for day in REPORTS:
        world.deactivations(day, folder)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made = World(seed=7, providers=20_000, rates=OFTEN)
    _write(made, tmp_path_factory.mktemp("nppes"))
    return made


def _member(delivery: Delivery, dataset: str) -> bytes:
    with zipfile.ZipFile(delivery.path) as archive:
        (name,) = (
            name
            for name in archive.namelist()
            if name.startswith(f"{dataset}_") and not name.lower().endswith("header.csv")
        )
        return archive.read(name)


def _read(content: bytes) -> tuple[list[str], list[list[str]]]:
    """Return header and records; a byte that is not UTF-8 comes as a lone surrogate."""
    text = io.StringIO(content.decode("utf-8", "surrogateescape"), newline="")
    first, *rest = csv.reader(text, strict=True)
    return first, rest


def _full_and_weeklies(world: World) -> list[Delivery]:
    return [delivery for delivery in world.deliveries if delivery.kind != "deletions"]


def _luhn(npi: str) -> bool:
    """Luhn as it is written down everywhere: from the right, every second digit doubled."""
    digits = [int(digit) for digit in reversed("80840" + npi)]
    return sum(sum(divmod(digit * 2, 10)) if n % 2 else digit for n, digit in enumerate(digits)) % 10 == 0


class TestHeaders:
    @pytest.mark.parametrize(
        ("file", "columns"),
        [
            ("npidata_20050523-20150308FileHeader.csv", nppes.header("2015")),
            ("npidata_pfile_20050523-20250608_fileheader.csv", nppes.header("2025")),
            ("othername_pfile_20050523-20250608_fileheader.csv", nppes.othername_header()),
            ("pl_pfile_20050523-20250608_fileheader.csv", nppes.pl_header()),
            ("endpoint_pfile_20050523-20250608_fileheader.csv", nppes.endpoint_header()),
        ],
    )
    def test_equals_the_real_file(self, realdata: Path, file: str, columns: Sequence[str]) -> None:
        (real,) = realdata.rglob(file)
        assert nppes.header_line(columns) == real.read_bytes()

    def test_eras_differ_in_two_columns(self) -> None:
        old, new = nppes.header("2015"), nppes.header("2025")
        assert (len(old), len(new)) == (329, 330)
        assert set(old) ^ set(new) == {"Provider Gender Code", "Provider Sex Code", "Certification Date"}


class TestNpi:
    def test_known_one(self) -> None:
        assert _luhn("1234567893")  # CMS's own example of the check digit

    @given(st.lists(st.integers(0, 10**8 - 1), min_size=1, max_size=50, unique=True))
    def test_valid_and_unique(self, numbers: list[int]) -> None:
        npis = [str(npi) for npi in nppes.npis(np.array(numbers, dtype=np.int64))]
        assert len(set(npis)) == len(numbers)
        assert all(re.fullmatch(r"[12]\d{9}", npi) and _luhn(npi) for npi in npis)

    def test_unique_over_many(self) -> None:
        assert len(np.unique(nppes.npis(np.arange(1_000_000)))) == 1_000_000


class TestNames:
    def test_zips(self, world: World) -> None:
        for delivery in world.deliveries:
            pattern = REPORT_NAME if delivery.kind == "deletions" else ZIP_NAME
            assert pattern.match(delivery.path.name)
        assert [delivery.path.name for delivery in world.deliveries] == [
            "NPPES_Data_Dissemination_111626_112226_Weekly_V2.zip",
            "NPPES_Data_Dissemination_November_2026_V2.zip",
            "NPPES_Data_Dissemination_110226_110826_Weekly_V2.zip",
            "NPPES_Data_Dissemination_110926_111526_Weekly_V2.zip",
            "NPPES_Deactivated_NPI_Report_111026_V2.zip",
            "NPPES_Deactivated_NPI_Report_112426_V2.zip",
        ]
        assert not list(world.deliveries[0].path.parent.glob("*.part"))

    def test_members(self, world: World) -> None:
        for delivery in _full_and_weeklies(world):
            with zipfile.ZipFile(delivery.path) as archive:
                names = archive.namelist()
                assert archive.testzip() is None
                headings = {name: archive.read(name) for name in names if name.endswith("_fileheader.csv")}
            tables = [match for match in map(INNER_NAME.match, names) if match]
            pdfs = {"NPPES_Data_Dissemination_Readme_v.2.pdf", "NPPES_Data_Dissemination_CodeValues.pdf"}
            assert {name for name in names if not INNER_NAME.match(name)} == pdfs
            assert len(tables) == 8
            begin = delivery.since or date(2005, 5, 23)
            assert {match[2] for match in tables} == {f"{begin:%Y%m%d}"}
            assert {match[3] for match in tables} == {f"{delivery.as_of:%Y%m%d}"}
            for name, heading in headings.items():
                assert _member(delivery, name.split("_")[0]).startswith(heading)

    def test_before_2018(self, tmp_path: Path) -> None:
        delivery = World(seed=1, providers=50, era="2015").monthly(date(2015, 3, 8), tmp_path)
        assert delivery.path.name == "NPPES_Data_Dissemination_March_2015.zip"
        with zipfile.ZipFile(delivery.path) as archive:
            assert archive.namelist()[:2] == [
                "npidata_20050523-20150308.csv",
                "npidata_20050523-20150308FileHeader.csv",
            ]


class TestCounts:
    def test_records(self, world: World) -> None:
        for delivery in _full_and_weeklies(world):
            columns, records = _read(_member(delivery, "npidata"))
            assert tuple(columns) == nppes.header("2025")
            widths = Counter(map(len, records))
            assert widths.pop(330) == delivery.well_formed
            assert widths == {331: delivery.ugly.surplus_field, 316: delivery.ugly.missing_fields}
            assert sum(widths.values()) == delivery.malformed
            near_empty = [r for r in records if [n for n, value in enumerate(r, 1) if value] == [1, 40]]
            assert len(near_empty) == delivery.near_empty

    def test_monthly_holds_everybody(self, world: World) -> None:
        (full,) = (delivery for delivery in world.deliveries if delivery.kind == "full")
        assert full.well_formed - full.held == world.providers == world.enumerated_by(MONTH)

    def test_other_datasets(self, world: World) -> None:
        headers = {"othername": nppes.othername_header(), "pl": nppes.pl_header(), "endpoint": nppes.endpoint_header()}
        for delivery in _full_and_weeklies(world):
            for dataset, expected in headers.items():
                columns, records = _read(_member(delivery, dataset))
                assert tuple(columns) == expected
                assert {len(record) for record in records} <= {len(expected)}
                assert len(records) == getattr(delivery, dataset)

    def test_every_ugly_thing_is_there_and_counted(self, world: World) -> None:
        for delivery in _full_and_weeklies(world):
            _, records = _read(_member(delivery, "npidata"))
            assert delivery.ugly == _ugly(records, 330)
        (full,) = (delivery for delivery in world.deliveries if delivery.kind == "full")
        assert all(getattr(full.ugly, field.name) > 20 for field in fields(Ugly))

    @pytest.mark.parametrize("era", ["2015", "2025"])
    def test_plain_main_file(self, tmp_path: Path, era: Era) -> None:
        path = tmp_path / "npidata.csv"
        delivery = nppes.main_csv(20_000, seed=3, path=path, era=era)
        columns, records = _read(path.read_bytes())
        assert tuple(columns) == nppes.header(era)
        assert path.stat().st_size == delivery.csv_bytes
        assert len(records) == delivery.well_formed + delivery.malformed
        assert delivery.well_formed == 20_000 + delivery.held
        assert delivery.ugly == _ugly(records, len(columns))
        assert delivery.malformed >= 2
        assert delivery.held >= 1

    def test_clean_is_clean(self, tmp_path: Path) -> None:
        path = tmp_path / "npidata.csv"
        delivery = nppes.main_csv(5_000, seed=3, path=path, dirty=False)
        content = path.read_bytes()
        assert content.isascii()
        assert content.count(b"\n") == 5_001
        assert b"\r" not in content
        assert (delivery.well_formed, delivery.malformed, delivery.ugly) == (5_000, 0, Ugly())


def _ugly(records: list[list[str]], width: int) -> Ugly:
    """Count the ugly things, independently of how they were made."""
    counts: Counter[str] = Counter()
    for record in records:
        if len(record) != width:
            counts["surplus_field" if len(record) > width else "missing_fields"] += 1
            continue
        text = "\x1f".join(record)
        counts["short_npi"] += len(record[0]) == 9
        counts["carriage_return"] += "\r\n" in text
        counts["line_feed"] += "\n" in text.replace("\r\n", "")
        counts["doubled_quote"] += '"' in text
        counts["latin1"] += "\udcc9" in text
        counts["accent"] += any(ord(c) > 127 and not 0xDC80 <= ord(c) <= 0xDCFF for c in text)
        counts["impossible_date"] += "13/45/2020" in record
    return Ugly(**counts)


class TestValues:
    def test_every_value_is_quoted_and_the_last_line_ended(self, tmp_path: Path) -> None:
        path = tmp_path / "npidata.csv"
        nppes.main_csv(2_000, seed=5, path=path, dirty=False)
        quoted = re.compile(r'"[^"]*"(,"[^"]*")*\n')
        with path.open(newline="") as lines:
            assert all(quoted.fullmatch(line) for line in lines)

    def test_plausible(self, world: World) -> None:
        (full,) = (delivery for delivery in world.deliveries if delivery.kind == "full")
        columns, records = _read(_member(full, "npidata"))
        named = [dict(zip(columns, r, strict=True)) for r in records if len(r) == 330 and r[1]]
        taxonomies, identifiers, masks = Counter[int](), Counter[int](), 0
        for row in named:
            organization = row["Entity Type Code"] == "2"
            assert bool(row["Provider Organization Name (Legal Business Name)"]) == organization
            assert bool(row["Provider Last Name (Legal Name)"]) != organization
            assert row["Employer Identification Number (EIN)"] == ("<UNAVAIL>" if organization else "")
            assert re.fullmatch(r"\d{5}(\d{4})?", row["Provider Business Mailing Address Postal Code"])
            switches = [row[f"Healthcare Provider Primary Taxonomy Switch_{n}"] for n in range(1, 16)]
            assert switches.count("Y") == 1
            taxonomies[sum(map(bool, switches))] += 1
            identifiers[sum(bool(row[f"Other Provider Identifier_{n}"]) for n in range(1, 51))] += 1
            masks += "$$$$$$$$$" in row.values()
        assert taxonomies[1] + taxonomies[2] > 0.8 * len(named)
        assert max(taxonomies) == 15
        assert max(identifiers) > 40
        assert masks > 10


class TestDeactivations:
    def test_sheet(self, world: World) -> None:
        for delivery in (d for d in world.deliveries if d.kind == "deletions"):
            title, heading, *rows = _sheet(delivery)
            assert str(title[0]).startswith("NPPES Deactivated NPI Report")
            assert heading == ("NPI", "NPPES Deactivation Date")
            assert len(rows) == delivery.well_formed > 1_000
            assert all(_luhn(npi) and _day(gone) <= delivery.as_of for npi, gone in rows)

    def test_agrees_with_the_monthly_file(self, tmp_path: Path) -> None:
        world = World(seed=2, providers=3_000, rates=OFTEN)
        _, records = _read(_member(world.monthly(MONTH, tmp_path), "npidata"))
        listed = _sheet(world.deactivations(MONTH, tmp_path))[2:]
        assert sorted(listed) == sorted((r[0], r[39]) for r in records if len(r) == 330 and not r[1])


def _sheet(delivery: Delivery) -> list[tuple[str, ...]]:
    with zipfile.ZipFile(delivery.path) as archive:
        (name,) = archive.namelist()
        assert name == f"NPPES Deactivated NPI Report {delivery.as_of:%Y%m%d}.xlsx"
        book = openpyxl.load_workbook(io.BytesIO(archive.read(name)), read_only=True)
    return [tuple(map(str, row[:2])) for row in book.worksheets[0].iter_rows(values_only=True)]


def _day(text: str) -> date:
    return datetime.strptime(text, "%m/%d/%Y").date()


class TestTruth:
    def test_is_what_replaying_the_files_gives(self, world: World) -> None:
        expected = {row.pop("npi"): row for row in world.truth().to_pylist()}
        assert expected == _replay(world.deliveries)
        assert len(expected) > 10_000

    def test_of_a_part_of_the_files(self, world: World) -> None:
        some = [d for d in world.deliveries if d.as_of <= REPORTS[0]]
        expected = {row.pop("npi"): row for row in world.truth(some).to_pylist()}
        assert expected == _replay(some)
        assert not world.truth([]).num_rows

    def test_each_kind_of_file_matters(self, world: World) -> None:
        everything = world.truth()
        for without in world.deliveries:
            if without.as_of > REPORTS[0]:
                assert world.truth([d for d in world.deliveries if d is not without]) != everything

    def test_reactivated_ones_are_back(self, world: World) -> None:
        latest = _replay(world.deliveries)
        weekly = world.deliveries[0]
        back = [r[0] for r in _read(_member(weekly, "npidata"))[1] if len(r) == 330 and r[1] and r[39] and r[40] > ""]
        assert len(set(back) & set(latest)) > 10


def _replay(deliveries: Sequence[Delivery]) -> dict[str, dict[str, object]]:
    """Return `current` by applying files in the order of (as_of, full < incremental < deletions)."""
    order = {"full": 0, "incremental": 1, "deletions": 2}
    current: dict[str, dict[str, object]] = {}
    for delivery in sorted(deliveries, key=lambda d: (_inner_date(d), order[d.kind])):
        if delivery.kind == "deletions":
            for npi, _ in _sheet(delivery)[2:]:
                current.pop(npi, None)
            continue
        if delivery.kind == "full":
            current = {}
        for npi, row in _rows(delivery):
            if row is None:
                current.pop(npi, None)
            else:
                current[npi] = row
    return current


def _inner_date(delivery: Delivery) -> str:
    with zipfile.ZipFile(delivery.path) as archive:
        return str(re.findall(r"\d{8}", archive.namelist()[0])[-1])


def _rows(delivery: Delivery) -> Iterator[tuple[str, dict[str, object] | None]]:
    columns, records = _read(_member(delivery, "npidata"))
    for record in records:
        if len(record) != len(columns) or not _luhn(record[0]) or len(record[0]) != 10:
            continue
        row = dict(zip(columns, record, strict=True))
        if row["NPI Deactivation Date"] and not row["NPI Reactivation Date"]:
            yield record[0], None
            continue
        practice = "Provider Business Practice Location Address"
        (primary,) = (
            row[f"Healthcare Provider Taxonomy Code_{n}"]
            for n in range(1, 16)
            if row[f"Healthcare Provider Primary Taxonomy Switch_{n}"] == "Y"
        )
        yield (
            record[0],
            {
                "entity_type": row["Entity Type Code"],
                "organization_name": row["Provider Organization Name (Legal Business Name)"],
                "last_name": row["Provider Last Name (Legal Name)"],
                "first_name": row["Provider First Name"],
                "practice_line": row["Provider First Line Business Practice Location Address"],
                "practice_city": row[f"{practice} City Name"],
                "practice_state": row[f"{practice} State Name"],
                "practice_postal_code": row[f"{practice} Postal Code"],
                "primary_taxonomy": primary,
                "enumeration_date": _day(row["Provider Enumeration Date"]),
                "last_update_date": _day(row["Last Update Date"]),
            },
        )


class TestSeed:
    def test_same_seed_same_bytes(self, tmp_path: Path) -> None:
        digests = []
        for folder in (tmp_path / "a", tmp_path / "b"):
            world = World(seed=11, providers=2_000)
            _write(world, folder)
            digests.append([hashlib.sha256(d.path.read_bytes()).hexdigest() for d in world.deliveries])
        assert digests[0] == digests[1]

    def test_other_seed_other_bytes(self, tmp_path: Path) -> None:
        contents = []
        for seed in (1, 2):
            path = tmp_path / f"{seed}.csv"
            nppes.main_csv(100, seed=seed, path=path)
            contents.append(path.read_bytes())
        assert contents[0] != contents[1]

    def test_order_of_writing_does_not_matter(self, tmp_path: Path) -> None:
        one, other = World(seed=11, providers=2_000), World(seed=11, providers=2_000)
        one.monthly(MONTH, tmp_path / "a")
        first = one.weekly(*WEEKS[1], tmp_path / "a").path.read_bytes()
        assert other.weekly(*WEEKS[1], tmp_path / "b").path.read_bytes() == first

    def test_a_world_of_one(self, tmp_path: Path) -> None:
        world = World(seed=1, providers=1)
        _write(world, tmp_path)
        assert world.truth().num_rows == 1

    @pytest.mark.parametrize("providers", [0, 40_000_001])
    def test_impossible_sizes(self, providers: int) -> None:
        with pytest.raises(ValueError, match="give 1 to 40,000,000"):
            World(seed=1, providers=providers)


def test_command_line(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(nppes._main)
    result = CliRunner().invoke(app, ["--rows", "500", "--seed", "4", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert len(result.output.splitlines()) == len(list(tmp_path.iterdir())) == 4
