"""What a source offers, from a real folder, and what waits and why."""

import os
import time
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

from blocks.drive import Drive
from blocks.lake import Lake
from flows.nppes import NPPES
from spark.readers import Csv
from tasks.discover import Offer, offered, pending
from tasks.source import Dataset, Delivery, Source
from tasks.transfer import land

QUIET = timedelta(seconds=0.5)
ACME = Source(
    slug="acme",
    at="acme",
    deliveries=(Delivery(kind="full", names=r"acme_(?P<date>\d{8})\.csv", dated="%Y%m%d", key="%Y-%m-%d"),),
    datasets={"acme": Dataset(members=r"acme_.*\.csv", reader=Csv())},
    phi="no",
    quiet=None,
)
MONTH = "NPPES_Data_Dissemination_November_2026{}.zip"
MAIN = "npidata_pfile_20050523-20261108.csv"


@pytest.fixture
def outside(tmp_path: Path) -> Drive:
    (tmp_path / "outside").mkdir()
    return Drive(path=tmp_path / "outside")


def look(source: Source, outside: Drive, lake: Lake) -> Offer:
    with outside.connect() as remote:
        return offered(source, remote, lake)


def keys(offer: Offer) -> list[str]:
    return [drop.key for drop in offer.drops]


def take(source: Source, outside: Drive, lake: Lake) -> list[str]:
    """Land everything that is offered; its keys."""
    offer = look(source, outside, lake)
    for drop in offer.drops:
        land(drop, outside, lake, "run-00000000")
    return keys(offer)


def test_a_file_must_hold_still_by_our_clock(outside: Drive, lake: Lake) -> None:
    source = ACME.model_copy(update={"quiet": QUIET})
    file = outside.path / "acme_20260101.csv"
    file.write_text("a")
    os.utime(file, (0, 0))  # by the party's clock it has held still for long
    for _ in range(2):
        offer = look(source, outside, lake)
        assert keys(offer) == []
        assert offer.pending[0].reason == f"{file.name} has not held still for {QUIET} yet"
    assert pending(source, lake) == ["2026-01-01"]
    time.sleep(QUIET.total_seconds())
    file.write_text("ab")  # still being written
    assert keys(look(source, outside, lake)) == []
    time.sleep(QUIET.total_seconds())
    assert keys(look(source, outside, lake)) == ["2026-01-01"]


def test_only_what_is_new_is_offered_however_old_it_looks(outside: Drive, lake: Lake) -> None:
    (outside.path / "acme_20260301.csv").write_text("march")
    assert take(ACME, outside, lake) == ["2026-03-01"]
    assert take(ACME, outside, lake) == []
    late = outside.path / "an older folder" / "a ü\n" / "acme_20250101.csv"
    late.parent.mkdir(parents=True)
    late.write_text("january")
    os.utime(late, (1, 1))
    assert take(ACME, outside, lake) == ["2025-01-01"]
    late.write_text("january, corrected")
    (drop,) = look(ACME, outside, lake).drops
    assert (drop.key, drop.revision) == ("2025-01-01", 2)
    late.unlink()  # the party may take away what it likes
    assert take(ACME, outside, lake) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("whole", None),
        ("truncated", "File is not a zip file"),
        ("empty", "File is not a zip file"),
        ("without", "no member is named npidata"),
    ],
)
def test_a_zip_shows_by_itself_whether_it_is_whole(
    outside: Drive, local_lake: Lake, content: str, reason: str | None
) -> None:
    file = outside.path / MONTH.format("_V2")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.pdf" if content == "without" else MAIN, "x" * 1_000)
    if content in {"truncated", "empty"}:
        os.truncate(file, {"truncated": file.stat().st_size - 30, "empty": 0}[content])
    offer = look(NPPES, outside, local_lake)
    assert keys(offer) == ([] if reason else ["2026-11"])
    assert (reason or "") in "".join(p.reason for p in offer.pending)
    assert [p.key for p in offer.pending] == (["2026-11"] if reason else [])


@pytest.mark.parametrize("order", [("", "_V2"), ("_V2", ""), ("", "-", "_V2"), ("_V2", "-", "")])
def test_the_second_version_is_preferred_whichever_comes_first(
    outside: Drive, local_lake: Lake, order: tuple[str, ...]
) -> None:
    """A hyphen is a run between the two."""
    for version in order:
        if version == "-":
            take(NPPES, outside, local_lake)
            continue
        with zipfile.ZipFile(outside.path / MONTH.format(version), "w") as archive:
            archive.writestr(MAIN, f"the month{version}")
    offer = look(NPPES, outside, local_lake)
    if order == ("_V2", "-", ""):
        assert keys(offer) == []
        return
    (drop,) = offer.drops
    assert [file.name for file in drop.files] == [MONTH.format("_V2")]
    assert drop.revision == (2 if "-" in order else 1)
    assert drop.as_of.isoformat() == "2026-11-08T05:00:00+00:00"  # midnight in New York


def test_a_name_with_no_such_date_stops_no_other(outside: Drive, local_lake: Lake) -> None:
    for date in ("20260231", "20260228"):
        (outside.path / f"acme_{date}.csv").write_text("x")
    assert keys(look(ACME, outside, local_lake)) == ["2026-02-28"]
