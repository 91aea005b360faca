"""What a source offers, from a real folder, and what waits and why."""

import hashlib
import json
import os
import random
import shutil
import tempfile
import threading
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.drive import Drive
from blocks.errors import Interrupted, NotThere, PlaceError, Unreachable
from blocks.http import HttpServer
from blocks.lake import Lake
from blocks.place import Remote, RemoteFile
from blocks.sftp import SftpServer
from flows.nppes import NPPES
from spark.readers import Csv
from tasks.discover import Offer, offered, pending
from tasks.manifest import landed, now
from tasks.source import Cadence, Dataset, Delivery, FileList, Source
from tasks.transfer import land
from tests.servers import Sshd

QUIET = timedelta(minutes=10)
MINUTE = timedelta(minutes=1)
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


def look(source: Source, outside: Drive, lake: Lake, at: datetime | None = None, *, again: bool = False) -> Offer:
    with outside.connect() as remote:
        return offered(source, {source.places[0]: remote}, lake, at=at, again=again)


def of(delivery: Delivery, quiet: timedelta | None = None) -> Source:
    """A source with this delivery and tables `claims` and `members`."""
    datasets = {"claims": Dataset(reader=Csv()), "members": Dataset(reader=Csv())}
    return Source(slug="acme", at="acme", deliveries=(delivery,), datasets=datasets, phi="no", quiet=quiet)


def why(offer: Offer) -> dict[str, str]:
    return {p.key: p.reason for p in offer.pending}


def keys(offer: Offer) -> list[str]:
    return [drop.key for drop in offer.drops]


def take(source: Source, outside: Drive, lake: Lake) -> list[str]:
    """Land everything that is offered; its keys."""
    offer = look(source, outside, lake)
    for drop in offer.drops:
        land(drop, outside, lake, "run-00000000")
    return keys(offer)


def test_a_file_must_hold_still_by_our_clock(outside: Drive, lake: Lake) -> None:
    source, start = ACME.model_copy(update={"quiet": QUIET}), now()
    file = outside.path / "acme_20260101.csv"
    file.write_text("a")
    os.utime(file, (0, 0))  # by the party's clock it has held still for long
    for minute in (0, 9):
        offer = look(source, outside, lake, start + minute * MINUTE)
        assert keys(offer) == []
        assert why(offer) == {"2026-01-01": f"{file.name} has not held still for {QUIET} yet"}
    assert pending(source, lake) == ["2026-01-01"]
    file.write_text("ab")  # still being written
    assert keys(look(source, outside, lake, start + 11 * MINUTE)) == []
    assert keys(look(source, outside, lake, start + 20 * MINUTE)) == []
    assert keys(look(source, outside, lake, start + 21 * MINUTE)) == ["2026-01-01"]


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


def test_a_name_with_no_such_date_waits_and_stops_no_other(outside: Drive, local_lake: Lake) -> None:
    for date in ("20260231", "20260228"):
        (outside.path / f"acme_{date}.csv").write_text("x")
    offer = look(ACME, outside, local_lake)
    assert keys(offer) == ["2026-02-28"]
    assert why(offer) == {"acme_20260231.csv": "20260231 is no date as %Y%m%d reads it"}
    assert pending(ACME, local_lake) == ["2026-02-28", "acme_20260231.csv"]


def test_a_number_of_files_may_be_expected(outside: Drive, local_lake: Lake) -> None:
    source = of(Delivery(kind="full", names=r"part_(?P<date>\d{8})_\d\.csv", dated="%Y%m%d", expected=2))
    (outside.path / "part_20260101_1.csv").write_text("x")
    assert why(look(source, outside, local_lake)) == {"2026-01-01": "1 of 2 files are there"}
    (outside.path / "part_20260101_2.csv").write_text("x")
    assert keys(look(source, outside, local_lake)) == ["2026-01-01"]


def test_numbers_must_have_no_gap_before_what_follows(outside: Drive, local_lake: Lake) -> None:
    numbers = r"(?P<year>\d\d)n(?P<number>\d{4})"
    source = of(Delivery(kind="full", names=f"all/{numbers}", key="all-%Y", gapless=True))
    more = Delivery(kind="incremental", names=f"more/{numbers}", key="%Y-{number}")
    source = source.model_copy(update={"deliveries": (*source.deliveries, more)})
    for folder in ("all", "more"):
        (outside.path / folder).mkdir()

    def put(*names: str) -> None:
        for name in names:
            (outside.path / name).write_text("x")

    put("all/25n0002", "all/25n0004", "more/24n0009")
    gap = {"all-2025": "numbers that are missing from 1 to 4: 1, 3"}
    assert why(look(source, outside, local_lake)) == gap
    put("all/25n0001", "all/25n0003", "more/25n0006")
    offer = look(source, outside, local_lake)
    assert (keys(offer), why(offer)) == (
        ["2024-0009", "2025-0006"],
        {"all-2025": "its files end with number 4, and number 6 follows"},
    )
    put("more/25n0005")
    assert take(source, outside, local_lake) == ["2024-0009", "all-2025", "2025-0005", "2025-0006"]
    (outside.path / "more/25n0005").unlink()  # it follows all the same: it has landed
    (outside.path / "all/25n0002").unlink()  # and so has this
    (outside.path / "all/25n0003").write_text("again")
    (drop,) = look(source, outside, local_lake).drops
    assert (drop.key, drop.revision, len(drop.files)) == ("all-2025", 2, 4)
    put("all/26n0001", "all/26n0002")  # nobody says that it goes on
    assert keys(look(source, outside, local_lake)) == ["all-2025", "all-2026"]
    with pytest.raises(ValueError, match="gapless"):
        Delivery(kind="full", names=r"(?P<year>\d\d)", gapless=True)


def test_the_expected_files_must_be_there_in_folders_too(outside: Drive, local_lake: Lake) -> None:
    source = of(
        Delivery(
            kind="full",
            names=r"(?P<date>\d{8})/(?P<dataset>\w+)\.csv",
            dated="%Y%m%d",
            expected=(r"claims\.csv", r"members\.csv"),
        )
    )
    folder = outside.path / "20260101"
    folder.mkdir()
    (folder / "claims.csv").write_text("x")
    assert why(look(source, outside, local_lake)) == {"2026-01-01": r"no file is there that is named members\.csv"}
    (folder / "members.csv").write_text("x")
    (drop,) = look(source, outside, local_lake).drops
    assert [source.named_for(file.name) for file in drop.files] == ["claims", "members"]


FILES = r"(?P<dataset>\w+)_(?P<date>\d{8})\.csv"


@pytest.mark.parametrize(
    ("names", "done", "file", "right", "wrong"),
    [
        (FILES, r"(?P<date>\d{8})\.done", "claims_20260101.csv", "20260101.done", "20260102.done"),
        (FILES, r"(?P<name>.+)\.ok", "claims_20260101.csv", "claims_20260101.csv.ok", "members_20260101.csv.ok"),
        (FILES, r"_SUCCESS", "20260101/claims_20260101.csv", "20260101/_SUCCESS", "20260102/_SUCCESS"),
        (FILES, r"control/(?P<date>\d{8})", "in/claims_20260101.csv", "control/20260101", "control/20260102"),
    ],
)
def test_a_done_file_is_waited_for_and_does_not_land(
    outside: Drive, local_lake: Lake, names: str, done: str, file: str, right: str, wrong: str
) -> None:
    source = of(Delivery(kind="full", names=names, dated="%Y%m%d", done=done))
    for name in (file, wrong):
        (outside.path / name).parent.mkdir(exist_ok=True)
        (outside.path / name).write_text("x")
    assert f"no done-file ({done}) for {file} is there yet" in why(look(source, outside, local_lake)).values()
    (outside.path / right).parent.mkdir(exist_ok=True)
    (outside.path / right).touch()
    (drop,) = look(source, outside, local_lake).drops
    assert [f.name for f in drop.files] == [file]


MD5 = hashlib.md5(b"x").hexdigest()
SHA256 = hashlib.sha256(b"x").hexdigest()


@pytest.mark.parametrize(
    ("files", "checksum"),
    [
        ({"acme_20260101.csv.md5": f"{MD5}\n"}, f"md5:{MD5}"),
        ({"acme_20260101.csv.MD5": f"{MD5.upper()}  acme_20260101.csv\r\n"}, f"md5:{MD5}"),
        ({"acme_20260101.csv.md5": f"MD5(acme_20260101.csv)= {MD5}\n"}, f"md5:{MD5}"),
        ({"acme_20260101.csv.sha256": f"SHA256 (/out/acme_20260101.csv) = {SHA256}\n"}, f"sha256:{SHA256}"),
        ({"acme_20260101.csv.md5": MD5, "SHA256SUMS": f"{SHA256} *./acme_20260101.csv"}, f"sha256:{SHA256}"),
        ({"MD5SUMS": f"{MD5}  other.csv\n{MD5}  acme_20260101.csv\n"}, f"md5:{MD5}"),
        ({"MD5SUMS": f"{MD5}  other.csv\n"}, None),
        ({"other.csv.md5": MD5}, None),
    ],
)
def test_checksums_are_found_without_being_declared(
    outside: Drive, local_lake: Lake, files: dict[str, str], checksum: str | None
) -> None:
    any_name = Delivery(kind="full", names=r".*_(?P<date>\d{8})\.csv.*", dated="%Y%m%d")  # would take sidecars too
    for name, text in {"acme_20260101.csv": "x", **files}.items():
        (outside.path / name).write_text(text)
    (drop,) = look(of(any_name), outside, local_lake).drops
    assert [(file.name, file.checksum) for file in drop.files] == [("acme_20260101.csv", checksum)]


def test_sums_stand_in_a_folder_above_and_a_sidecar_that_says_nothing_is_waited_for(
    outside: Drive, local_lake: Lake
) -> None:
    (outside.path / "a" / "b").mkdir(parents=True)
    (outside.path / "a" / "b" / "acme_20260101.csv").write_text("x")
    (outside.path / "a" / "sha256sum.txt").write_text(f"{SHA256}  b/acme_20260101.csv\n")
    (drop,) = look(ACME, outside, local_lake).drops
    assert drop.files[0].checksum == f"sha256:{SHA256}"
    (outside.path / "a" / "b" / "acme_20260101.csv.md5").touch()
    name = "a/b/acme_20260101.csv"
    assert why(look(ACME, outside, local_lake)) == {"2026-01-01": f"{name}.md5 holds no checksum of {name} yet"}


LIST = FileList(names=r"list_(?P<date>\d{8})\.\w+", name="file", size="bytes", records="rows", checksum="hash")
HEADLESS = LIST.model_copy(update={"delimiter": "|", "header": ("file", "bytes", "rows", "hash")})
ROW = {"file": "claims_20260101.csv", "bytes": 1, "rows": 7, "hash": MD5}


@pytest.mark.parametrize(
    ("spec", "ending", "text"),
    [
        (LIST, "csv", f"file,bytes,rows,hash\nclaims_20260101.csv,1,7,{MD5}\n"),
        (LIST, "csv", f"\ufeffhash , file, bytes, rows\r\n{MD5},claims_20260101.csv,1, 7\r\n\r\n"),
        (LIST, "csv", f'file,bytes,rows,hash\n"./out/claims_20260101.csv",1,"7",{MD5.upper()}\n'),
        (HEADLESS, "txt", f"claims_20260101.csv|1|7|{MD5}\n"),
        (LIST, "json", json.dumps([ROW])),
        (LIST, "json", json.dumps({"created": "2026-01-01", "files": [ROW]})),
        (LIST, "json", json.dumps(ROW)),
    ],
)
def test_a_list_of_the_party_tells_sizes_records_and_hashes(
    outside: Drive, local_lake: Lake, spec: FileList, ending: str, text: str
) -> None:
    source = of(Delivery(kind="full", names=FILES, dated="%Y%m%d", manifest=spec))
    (outside.path / "claims_20260101.csv").write_text("x")
    (outside.path / f"list_20260101.{ending}").write_text(text)
    (drop,) = look(source, outside, local_lake).drops
    assert [(f.name, f.size, f.records, f.checksum) for f in drop.files] == [
        ("claims_20260101.csv", 1, 7, f"md5:{MD5}")
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, r"no list \(list_.*\) that names claims_20260101.csv is there yet"),
        ("", "list_20260101.csv does not name claims_20260101.csv"),
        ("file,bytes\nclaims_20260101.csv,2\n", "has 1 bytes, list_20260101.csv says 2"),
        ("file,bytes\nmembers_20260101.csv,2\n", "list_20260101.csv names members_20260101.csv, which is not there"),
        ("file,bytes\nclaims_20260101.csv,\n", "nothing stands as bytes of a file"),
        ("name,bytes\nclaims_20260101.csv,1\n", r"has no file where it names a file \(there is name, bytes\)"),
        ('{"files": [', "Expecting value"),
    ],
)
def test_a_list_that_does_not_agree_is_waited_for_and_stops_no_other(
    outside: Drive, local_lake: Lake, text: str | None, reason: str
) -> None:
    spec = FileList(names=r"list_(?P<date>\d{8})\.csv", name="file", size="bytes")
    source = of(Delivery(kind="full", names=FILES, dated="%Y%m%d", manifest=spec))
    for day in ("01", "02"):
        (outside.path / f"claims_202601{day}.csv").write_text("x")
    (outside.path / "list_20260102.csv").write_text("file,bytes\nclaims_20260102.csv,1\n")
    if text is not None:
        (outside.path / "list_20260101.csv").write_text(text)
    offer = look(source, outside, local_lake)
    assert keys(offer) == ["2026-01-02"]
    assert [p.key for p in offer.pending] == ["2026-01-01"]
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(offer.pending[0].reason)


def test_one_list_of_all_drops_keeps_those_of_drops_that_are_gone(outside: Drive, local_lake: Lake) -> None:
    spec = FileList(names="files.csv", name="file")
    source = of(Delivery(kind="full", names=FILES, dated="%Y%m%d", manifest=spec))
    (outside.path / "claims_20260102.csv").write_text("x")
    listed = ["claims_20250101.csv", "readme.pdf", "claims_20260102.csv"]
    (outside.path / "files.csv").write_text("\n".join(["file", *listed]))
    assert keys(look(source, outside, local_lake)) == ["2026-01-02"]
    (outside.path / "files.csv").write_text("\n".join(["file", *listed, "members_20260102.csv"]))
    assert why(look(source, outside, local_lake)) == {
        "2026-01-02": "files.csv names members_20260102.csv, which is not there"
    }


def test_a_control_file_that_says_something_else_makes_the_drop_be_looked_at_again(outside: Drive, lake: Lake) -> None:
    file, sums = outside.path / "acme_20260101.csv", outside.path / "MD5SUMS"
    file.write_text("x")
    assert take(ACME, outside, lake) == ["2026-01-01"]
    sums.write_text(f"{MD5}  {file.name}\n")  # late
    (drop,) = look(ACME, outside, lake).drops
    assert (drop.revision, drop.files[0].checksum) == (2, f"md5:{MD5}")
    assert take(ACME, outside, lake) == ["2026-01-01"]
    assert landed(lake, ACME)["2026-01-01"].latest.number == 1  # the bytes are the same
    assert take(ACME, outside, lake) == []
    sums.write_text(f"{MD5}  {file.name}\n{MD5}  acme_20260102.csv\n")  # of others it may say what it likes
    assert take(ACME, outside, lake) == []
    sums.write_text(f"{hashlib.md5(b'y').hexdigest()}  {file.name}\n")  # corrected
    assert keys(look(ACME, outside, lake)) == ["2026-01-01"]
    sums.unlink()
    assert take(ACME, outside, lake) == []


def test_what_a_party_clears_away_stays_part_of_what_has_landed(outside: Drive, lake: Lake) -> None:
    source = of(Delivery(kind="full", names=FILES, dated="%Y%m%d", expected=(r"claims.*", r"members.*")))
    claims, members = (outside.path / f"{name}_20260101.csv" for name in ("claims", "members"))
    claims.write_text("x")
    members.write_text("x")
    assert take(source, outside, lake) == ["2026-01-01"]
    members.unlink()
    assert take(source, outside, lake) == []
    assert pending(source, lake) == []
    claims.write_text("corrected")
    assert take(source, outside, lake) == ["2026-01-01"]
    manifest = landed(lake, source)["2026-01-01"]
    assert [(f.name, f.size) for f in manifest.latest.files] == [(claims.name, 9), (members.name, 1)]
    assert manifest.latest.number == 2
    claims.unlink()
    offer = look(source, outside, lake)
    assert offer == Offer(drops=(), pending=(), nothing="no file is there, where 1 drops came from")


def test_what_goes_before_it_has_landed_is_waited_for_once(outside: Drive, local_lake: Lake) -> None:
    source, start = of(Delivery(kind="full", names=FILES, dated="%Y%m%d"), QUIET), now()
    claims, members = (outside.path / f"{name}_20260101.csv" for name in ("claims", "members"))
    claims.write_text("x")
    members.write_text("x")
    look(source, outside, local_lake, start)
    members.unlink()
    assert why(look(source, outside, local_lake, start + QUIET)) == {
        "2026-01-01": "members_20260101.csv has gone since the last look"
    }
    assert keys(look(source, outside, local_lake, start + 2 * QUIET)) == ["2026-01-01"]


def test_equal_times_and_old_ones_are_not_lost(outside: Drive, local_lake: Lake) -> None:
    for number, day in enumerate(("03", "01", "02")):
        (outside.path / f"acme_202601{day}.csv").write_text("x")
        os.utime(outside.path / f"acme_202601{day}.csv", (1, 1))
        assert take(ACME, outside, local_lake) == [f"2026-01-{day}"], number


def test_forced_a_landed_drop_is_offered_as_it_is_listed(outside: Drive, local_lake: Lake) -> None:
    (outside.path / "acme_20260101.csv").write_text("x")
    take(ACME, outside, local_lake)
    (drop,) = look(ACME, outside, local_lake, again=True).drops
    assert (drop.key, drop.revision, len(drop.files)) == ("2026-01-01", 1, 1)


def test_a_drop_is_of_one_part_which_it_keeps_in_the_lake(outside: Drive, local_lake: Lake) -> None:
    names = r"(?P<state>[A-Z]{2})_(?P<date>\d{8})_(?P<dataset>\w+)\.csv"
    source = of(Delivery(kind="full", names=names, dated="%Y%m%d", key="{state}-%Y-%m-%d", part="{state}"))
    for name in ("NY_20260101_claims", "NY_20260101_members", "CA_20260101_claims"):
        (outside.path / f"{name}.csv").write_text(name)
    drops = look(source, outside, local_lake).drops
    assert {drop.key: drop.part for drop in drops} == {"NY-2026-01-01": "NY", "CA-2026-01-01": "CA"}
    take(source, outside, local_lake)
    assert {key: m.as_drop().part for key, m in landed(local_lake, source).items()} == {d.key: d.part for d in drops}
    wrong = of(source.deliveries[0].model_copy(update={"key": "%Y-%m-%d"}))
    assert why(look(wrong, outside, local_lake)) == {"2026-01-01": "its files are of several parts: CA, NY"}
    whole = of(source.deliveries[0].model_copy(update={"part": ""}))  # declared otherwise later, and forced
    for drop in look(whole, outside, local_lake, again=True).drops:
        land(drop, outside, local_lake, "run-00000001", again=True)
    assert [(m.as_drop().part, m.latest.number) for m in landed(local_lake, whole).values()] == [("", 1), ("", 1)]


HISTORY = Delivery(kind="incremental", names=r"acme_(?P<date>\d{8})\.csv", dated="%Y%m%d", key="old-%Y", at="drive")
TWO = ACME.model_copy(update={"deliveries": (*ACME.deliveries, HISTORY)})


@pytest.fixture
def drive(tmp_path: Path) -> Drive:
    (tmp_path / "drive").mkdir()
    return Drive(path=tmp_path / "drive")


def look_at_both(outside: Remote | PlaceError, drive: Remote | PlaceError, lake: Lake, source: Source = TWO) -> Offer:
    return offered(source, {"acme": outside, "drive": drive}, lake)


def test_files_of_one_name_at_two_places_are_of_two_drops(outside: Drive, drive: Drive, local_lake: Lake) -> None:
    assert TWO.places == ("acme", "drive")
    name = "acme_20260101.csv"
    (outside.path / name).write_text("new")
    (drive.path / name).write_text("history")
    (drive.path / f"{name}.md5").write_text(hashlib.md5(b"history").hexdigest())
    (outside.path / "acme_2026013.csv").write_text("a name of neither")
    with outside.connect() as here, drive.connect() as there:
        offer = look_at_both(here, there, local_lake)
        assert [(drop.key, drop.kind, drop.at, drop.bytes) for drop in offer.drops] == [
            ("2026-01-01", "full", None, 3),
            ("old-2026", "incremental", "drive", 7),
        ]
        assert [drop.files[0].checksum for drop in offer.drops] == [None, f"md5:{hashlib.md5(b'history').hexdigest()}"]
        assert pending(TWO, local_lake) == ["2026-01-01", "old-2026"]
        for drop, place in zip(offer.drops, (outside, drive), strict=True):
            land(drop, place, local_lake, "run-00000000")
        assert look_at_both(here, there, local_lake) == Offer(drops=(), pending=())
        assert pending(TWO, local_lake) == []
        (drive.path / name).write_text("corrected")
        (drive.path / f"{name}.md5").unlink()
        (drop,) = look_at_both(here, there, local_lake).drops
    assert (drop.key, drop.revision, drop.at, drop.bytes) == ("old-2026", 2, "drive", 9)
    assert {key: manifest.as_drop().at for key, manifest in landed(local_lake, TWO).items()} == {
        "2026-01-01": None,
        "old-2026": "drive",
    }


def test_a_file_holds_still_at_its_own_place(outside: Drive, drive: Drive, local_lake: Lake) -> None:
    source, start = TWO.model_copy(update={"quiet": QUIET}), now()
    name = "acme_20260101.csv"
    (drive.path / name).write_text("history")
    with outside.connect() as here, drive.connect() as there:
        remotes: dict[str, Remote | PlaceError] = {"acme": here, "drive": there}
        assert keys(offered(source, remotes, local_lake, at=start)) == []
        (outside.path / name).write_text("history")
        os.utime(outside.path / name, ns=(0, (drive.path / name).stat().st_mtime_ns))  # alike in name, size and time
        assert keys(offered(source, remotes, local_lake, at=start + QUIET)) == ["old-2026"]
        assert keys(offered(source, remotes, local_lake, at=start + 2 * QUIET)) == ["2026-01-01", "old-2026"]


def test_a_place_that_cannot_be_listed_waits_and_stops_no_other(outside: Drive, drive: Drive, local_lake: Lake) -> None:
    (outside.path / "acme_20260101.csv").write_text("x")
    gone = NotThere("the drive is not there")
    with outside.connect() as here:
        offer = look_at_both(here, gone, local_lake)
        assert (keys(offer), why(offer)) == (["2026-01-01"], {"drive": str(gone)})
        assert take(ACME, outside, local_lake) == ["2026-01-01"]
        offer = look_at_both(here, gone, local_lake)  # what has landed may have to be gone on with
        assert (keys(offer), why(offer), offer.nothing) == ([], {"drive": str(gone)}, "")
        with pytest.raises(Unreachable):  # which may pass
            look_at_both(here, Unreachable("no answer"), local_lake)


def test_a_drive_whose_history_has_landed_is_not_missed(outside: Drive, drive: Drive, local_lake: Lake) -> None:
    gone, silent = NotThere("the drive is not there"), Unreachable("no answer")
    for year in ("2024", "2025"):
        (drive.path / f"acme_{year}0101.csv").write_text("history")
    with outside.connect() as here, drive.connect() as there:
        older, newer = look_at_both(here, there, local_lake).drops
        land(older, drive, local_lake, "run-00000000")
        assert why(look_at_both(here, gone, local_lake)) == {"drive": str(gone)}  # 2025 has not landed
    land(newer, drive, local_lake, "run-00000000")
    with outside.connect() as here:
        assert look_at_both(here, gone, local_lake) == Offer(
            drops=(), pending=(), nothing="no file is there, where 2 drops came from"
        )
        with pytest.raises(Unreachable):
            look_at_both(silent, gone, local_lake)  # with no place left, the error of the one that is missed
        yearly = TWO.model_copy(update={"cadence": {"incremental": Cadence(days="FREQ=YEARLY", grace=QUIET)}})
        assert why(look_at_both(here, gone, local_lake, yearly)) == {"drive": str(gone)}
        keyed = HISTORY.model_copy(update={"key": "old-%Y", "at": None})  # as if the history came to both places
        (outside.path / "acme_20250101.csv").write_text("another")
        both = TWO.model_copy(update={"deliveries": (keyed, HISTORY)})
        assert look_at_both(here, gone, local_lake, both) == Offer(drops=(), pending=())  # it is the drive's drop


class Unsized:
    """An API's export: nobody knows its size before it is read, and nothing of it can be opened."""

    def list(self) -> "list[RemoteFile]":  # type: ignore[override]
        stamp = datetime(2026, 9, 25, 9, 0, 5, tzinfo=UTC)
        return [RemoteFile(name="2026-09-25T09:00:05.json", size=None, mtime=stamp, version="2026-09-25T09:00:05")]

    def open(self, name: str) -> BinaryIO:
        raise Interrupted(name)


def test_what_has_no_size_need_not_hold_still(local_lake: Lake) -> None:
    delivery = Delivery(kind="full", names=r"(?P<date>.{19})\.json", dated="%Y-%m-%dT%H:%M:%S")
    (drop,) = offered(of(delivery, QUIET), {"acme": Unsized()}, local_lake).drops  # type: ignore[dict-item]
    assert (drop.key, drop.as_of, drop.bytes) == ("2026-09-25", datetime(2026, 9, 25, 9, 0, 5, tzinfo=UTC), 0)


class Flaky:
    """A real folder whose connection breaks when some files are opened."""

    def __init__(self, remote: Remote, breaks: Callable[[str], bool]) -> None:
        self.list, self._open, self._breaks = remote.list, remote.open, breaks

    def open(self, name: str) -> BinaryIO:
        if self._breaks(name):
            raise Interrupted(f"{name} broke off")
        return self._open(name)


def test_one_file_that_cannot_be_read_stops_no_other_but_an_outage_is_no_success(
    outside: Drive, local_lake: Lake
) -> None:
    for month in ("October", "November"):
        with zipfile.ZipFile(outside.path / MONTH.format("_V2").replace("November", month), "w") as archive:
            archive.writestr(MAIN, "x")
    with outside.connect() as remote:
        offer = offered(NPPES, {"nppes": Flaky(remote, lambda name: "October" in name)}, local_lake)
        assert keys(offer) == ["2026-11"]
        assert "broke off" in why(offer)["2026-10"]
        with pytest.raises(Interrupted):
            offered(NPPES, {"nppes": Flaky(remote, lambda _: True)}, local_lake)


def test_a_server_without_ranges_leaves_only_dates_inside_open(outside: Drive, local_lake: Lake) -> None:
    with zipfile.ZipFile(outside.path / MONTH.format("_V2"), "w") as archive:
        archive.writestr(MAIN, "x")
    (outside.path / "plain_20261108.csv").write_text("x")
    plain = Delivery(kind="full", names=r"plain_(?P<date>\d{8})\.csv", dated="%Y%m%d", key="plain-%Y")
    source = NPPES.model_copy(update={"deliveries": (*NPPES.deliveries, plain)})
    handler = partial(SimpleHTTPRequestHandler, directory=str(outside.path))  # the standard library's knows no ranges
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with HttpServer(url=f"http://127.0.0.1:{server.server_port}/").connect() as remote:
            offer = offered(source, {source.at: remote}, local_lake)
        server.shutdown()
    assert keys(offer) == ["plain-2026"]
    assert "the server gives no ranges" in why(offer)["2026-11"]


def files_of(sshd: Sshd, folder: str, count: int, folders: int) -> SftpServer:
    """A place with so many files of one byte, those of one day in one folder."""
    for day in range(folders):
        (sshd.folder / folder / f"{day:02}").mkdir(parents=True)
        date = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
        for number in range(count // folders):
            (sshd.folder / folder / f"{day:02}" / f"acme_{date:%Y%m%d}_{number:05}.csv").write_bytes(b"x")
    return SftpServer(
        host=sshd.host,
        port=sshd.port,
        user=sshd.user,
        private_key=sshd.private_key,  # type: ignore[arg-type]
        host_key=sshd.host_key,
        root=folder,
    )


def test_100_000_files_are_listed_in_one_pass(sshd: Sshd, local_lake: Lake) -> None:
    count, folders = 100_000, 5
    place = files_of(sshd, "many", count, folders)
    source = of(Delivery(kind="full", names=r"acme_(?P<date>\d{8})_\d+\.csv", dated="%Y%m%d"), QUIET)
    start = now()
    for at, complete, traced in ((start, 0, False), (start + QUIET, folders, False), (start + QUIET, folders, True)):
        if traced:  # which takes its time
            tracemalloc.start()
        began = time.monotonic()
        with place.connect() as remote:
            before = remote._client.request_number
            offer = offered(source, {source.at: remote}, local_lake, at=at)
            requests = remote._client.request_number - before
        seconds = time.monotonic() - began
        assert [len(drop.files) for drop in offer.drops] == [count // folders] * complete
        assert requests < count / 50  # OpenSSH gives a hundred names an answer, and sizes and times with them
        assert seconds < 60 or traced, seconds
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400 << 20, peak
    assert Path(local_lake.path("landed", "acme", "_seen.json.zst")).stat().st_size < 20 * count
    shutil.rmtree(sshd.folder / "many")


DAYS = ("20260101", "20260102", "20260103")
EVERYTHING = [f"{name}_{day}.csv" for day in DAYS for name in ("claims", "members")] + [f"{day}.done" for day in DAYS]


@settings(max_examples=40, deadline=None)
@given(st.permutations(EVERYTHING), st.sets(st.integers(0, len(EVERYTHING) - 1)), st.booleans())
def test_whatever_the_order_of_arrival_each_drop_is_taken_once_and_whole(
    order: list[str], looks: set[int], clears: bool
) -> None:
    """A look after some of the arrivals; the party may clear a drop away as soon as it has been taken."""
    source = of(
        Delivery(
            kind="full",
            names=FILES,
            dated="%Y%m%d",
            expected=(r"claims.*", r"members.*"),
            done=r"(?P<date>\d{8})\.done",
        )
    )
    with tempfile.TemporaryDirectory() as home:
        outside, lake = Drive(path=Path(home) / "out"), Lake(root=f"{home}/lake")
        outside.path.mkdir()
        taken = []
        for number, name in enumerate([*order, None]):
            if name:
                (outside.path / name).write_text("x")
                os.utime(outside.path / name, (random.randrange(10), 1))
            if name is None or number in looks:
                for drop in look(source, outside, lake).drops:
                    assert len(drop.files) == 2
                    assert drop.revision == 1
                    land(drop, outside, lake, "run-00000000")
                    taken.append(drop.key)
                    for file in drop.files if clears else ():
                        (outside.path / file.name).unlink()
        assert sorted(taken) == ["2026-01-01", "2026-01-02", "2026-01-03"]
        assert keys(look(source, outside, lake)) == []
