"""What lands is what was offered, whatever it is called and whoever lands it at the same time."""

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import Any, BinaryIO

import pytest

from blocks import uploads
from blocks.drive import Drive
from blocks.errors import ChecksumMismatch, Conflict, Replaced
from blocks.lake import Lake
from blocks.place import Place
from blocks.sftp import SftpServer
from tasks import manifest
from tasks.source import Drop, Offered, Source
from tasks.transfer import Landed, copy, fetch, land, tidy
from tests.servers import S3, Sshd

NAMES = [
    "plain.csv",
    "with blank.csv",
    "new\nline.csv",
    "100%.csv",
    "ünïcödé 数据.csv",
    "a/b.csv",
    "a%2Fb.csv",
    "...",
    "_manifest.json",
    "q?*<>|'\".csv",
]


@pytest.fixture
def outside(tmp_path: Path) -> Drive:
    (tmp_path / "outside").mkdir()
    return Drive(path=tmp_path / "outside")


def drop_of(place: Place, key: str = "2026-11", revision: int = 1) -> Drop:
    """Everything that a place has, as one drop."""
    with place.connect() as remote:
        files = tuple(Offered(**f.model_dump()) for f in sorted(remote.list(), key=lambda file: file.name))
    as_of = datetime(2026, 11, 8, tzinfo=UTC)
    return Drop(source="acme", key=key, as_of=as_of, kind="full", revision=revision, files=files)


def objects(lake: Lake) -> set[str]:
    """Paths below the root of what has landed, without the manifests."""
    root = lake.path()
    found = {path.removeprefix(f"{root}/") for path in lake.fs().find(lake.path("landed"))}
    return {path for path in found if path.count("/") > 3}


def assert_right(lake: Lake, landed: Landed) -> None:
    """The manifest lists what was landed, all of it is there, and nothing else is."""
    found = manifest.read(lake, landed.drop.source, landed.drop.key)
    assert found is not None
    assert found[0].latest.files == landed.files
    for file in landed.files:
        data = lake.fs().cat_file(lake.path(*file.path.split("/")))
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file.size, file.sha256)
    assert objects(lake) == {file.path for revision in found[0].revisions for file in revision.files}


@pytest.mark.parametrize("key", ["2026-11", "..", "a b/ü\n"])
def test_names_are_kept_and_lead_nowhere(lake: Lake, outside: Drive, key: str) -> None:
    for name in NAMES:
        (outside.path / name).parent.mkdir(exist_ok=True)
        (outside.path / name).write_text(name)
    landed = land(drop_of(outside, key), outside, lake, "run-00000001")
    assert {file.name for file in landed.files} == set(NAMES)
    for file in landed.files:
        assert lake.fs().cat_file(lake.path(*file.path.split("/"))) == file.name.encode()
    assert len(objects(lake)) == len(NAMES)
    assert_right(lake, landed)


def test_from_sftp_to_s3(sshd: Sshd, s3_lake: Lake, tmp_path: Path) -> None:
    folder = sshd.folder / "transfer"
    folder.mkdir()
    (folder / "big.bin").write_bytes(os.urandom(60 << 20))  # s3fs sends parts of 50 MiB
    (folder / "empty.bin").touch()
    place = SftpServer(
        host=sshd.host,
        port=sshd.port,
        user=sshd.user,
        private_key=sshd.private_key,  # type: ignore[arg-type]
        host_key=sshd.host_key,
        root="transfer",
    )
    landed = land(drop_of(place), place, s3_lake, "run-00000001")
    big, empty = landed.files
    assert big.sha256 == hashlib.sha256((folder / "big.bin").read_bytes()).hexdigest()
    assert (empty.size, empty.sha256) == (0, hashlib.sha256(b"").hexdigest())
    assert_right(s3_lake, landed)


def test_what_is_unchanged_is_not_sent_again(lake: Lake, outside: Drive) -> None:
    same, touched, changed = (outside.path / name for name in ("same", "touched", "changed"))
    for file in (same, touched, changed):
        file.write_text("1")
    first = land(drop_of(outside), outside, lake, "run-00000001")

    os.utime(touched, (0, 0))
    second = land(drop_of(outside, revision=2), outside, lake, "run-00000002")
    assert second.drop.revision == 1
    assert [f.path for f in second.files] == [f.path for f in first.files]
    assert_right(lake, second)

    changed.write_text("2")
    third = land(drop_of(outside, revision=2), outside, lake, "run-00000003")
    assert third.drop.revision == 2
    assert {f.name for f in third.files if f not in second.files} == {"changed"}
    assert_right(lake, third)


@pytest.mark.parametrize("size", [0, 5, 20])
def test_a_file_of_another_size_than_listed_has_changed(lake: Lake, outside: Drive, size: int) -> None:
    (outside.path / "a").write_text("whole")
    (outside.path / "b").write_text("0123456789")
    drop = drop_of(outside)
    (outside.path / "b").write_bytes(b"x" * size)
    with pytest.raises(Replaced, match=f"b was 10 bytes long when listed and (gave|has) {size}"):
        land(drop, outside, lake, "run-00000001")
    assert manifest.read(lake, "acme", "2026-11") is None
    assert {path.rpartition("/")[2] for path in objects(lake)} <= {"a"}


class Meddling(Drive):
    """A drive whose party gives a file another size once it has been opened."""

    _block_type_slug = "meddling"
    size: int

    @contextmanager
    def connect(self) -> Iterator[Any]:
        with super().connect() as remote:
            yield SimpleNamespace(open=lambda name: self.meddled(remote.open(name), name))

    def meddled(self, stream: BinaryIO, name: str) -> BinaryIO:
        os.truncate(self.path / name, self.size)
        return stream


@pytest.mark.parametrize("size", [5 << 20, 20 << 20])
def test_a_file_that_is_cut_or_grows_while_it_is_read_has_changed(lake: Lake, outside: Drive, size: int) -> None:
    (outside.path / "a").write_bytes(bytes(9 << 20))
    drop = drop_of(outside)

    place = Meddling(path=outside.path, size=size)
    with pytest.raises(Replaced, match="a was 9,437,184 bytes long"):
        land(drop, place, lake, "run-00000001")
    assert objects(lake) == set()


def test_a_file_that_changed_since_it_was_listed_is_listed_and_begun_anew(
    lake: Lake, outside: Drive, caplog: pytest.LogCaptureFixture
) -> None:
    (outside.path / "a").write_bytes(b"early")
    (outside.path / "b").write_bytes(b"same")
    drop = drop_of(outside)
    (outside.path / "a").write_bytes(b"and late")
    landed = land(drop, outside, lake, "run-00000001", restarts=1)
    assert "a was 5 bytes long when listed and has 8 now; it is begun anew" in caplog.text
    assert {f.name: f.size for f in landed.files} == {"a": 8, "b": 4}
    assert landed.drop.files == drop_of(outside).files
    assert_right(lake, landed)

    (outside.path / "b").unlink()
    (outside.path / "a").write_bytes(b"later still")
    with pytest.raises(Replaced):
        land(drop, outside, lake, "run-00000002", again=True, restarts=1)


class Breaking(io.RawIOBase):
    """A connection that breaks after 60 MiB."""

    left = 60 << 20

    def read(self, size: int = -1, /) -> bytes:
        if self.left <= 0:
            raise ConnectionResetError("gone")
        self.left -= size
        return bytes(size)


def test_a_connection_that_breaks_leaves_no_object(lake: Lake) -> None:
    stream: BinaryIO = Breaking()  # type: ignore[assignment]
    with pytest.raises(ConnectionResetError, match="gone"):
        copy(stream, lake.fs(), lake.path("landed", "acme", "x", "r1", "file"))
    assert objects(lake) == set()
    if lake.on_s3:
        bucket = lake.path().partition("/")[0]
        assert not lake.fs().call_s3("list_multipart_uploads", Bucket=bucket).get("Uploads")


@pytest.mark.parametrize("differ", [False, True])
def test_of_two_runs_that_land_one_drop_one_is_right(lake: Lake, tmp_path: Path, differ: bool) -> None:
    """`differ`: the party replaced the file, same length and time, between the two runs' reads of it."""
    places = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "file").write_bytes(bytes([number if differ else 0]) * (3 << 20))
        os.utime(folder / "file", (1_000_000, 1_000_000))
        places.append(Drive(path=folder))
    barrier = Barrier(2)

    def one(number: int, key: str) -> Landed | None:
        drop = drop_of(places[number], key)
        barrier.wait()
        try:
            return land(drop, places[number], lake, f"run-0000000{number}")
        except Conflict:
            return None

    for round_ in range(4):
        with ThreadPoolExecutor(2) as pool:
            landed = [result for result in pool.map(one, range(2), [f"{round_}"] * 2) if result]
        found = manifest.read(lake, "acme", f"{round_}")
        assert found is not None
        assert found[0].latest.files in [result.files for result in landed]
        (file,) = found[0].latest.files
        data = lake.fs().cat_file(lake.path(*file.path.split("/")))
        assert hashlib.sha256(data).hexdigest() == file.sha256


def test_fetch_copies_between_urls(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("AWS_ACCESS_KEY_ID", s3.access_key),
        ("AWS_SECRET_ACCESS_KEY", s3.secret_key),
        ("AWS_ENDPOINT_URL_S3", s3.endpoint),
    ):
        monkeypatch.setenv(name, value)
    (tmp_path / "a").write_bytes(b"hello")
    url = f"s3://{s3.bucket()}/x/a"
    said = fetch(str(tmp_path / "a"), url)
    assert said == (5, hashlib.sha256(b"hello").hexdigest()) == fetch(url, str(tmp_path / "deep" / "b"))
    assert (tmp_path / "deep" / "b").read_bytes() == b"hello"
    with pytest.raises(ValueError, match="carries no password"):
        fetch("sftp://user:secret@host/a", url)


def test_a_checksum_that_is_published_later_is_verified(lake: Lake, outside: Drive) -> None:
    (outside.path / "a").write_bytes(b"hello")
    first = land(drop_of(outside), outside, lake, "run-00000001")

    def later(checksum: str) -> Drop:
        drop = drop_of(outside, revision=2)
        return drop.model_copy(update={"files": (drop.files[0].model_copy(update={"checksum": checksum}),)})

    with pytest.raises(ChecksumMismatch):
        land(later("md5:" + "0" * 32), outside, lake, "run-00000002")
    found = manifest.read(lake, "acme", "2026-11")
    assert found
    assert found[0].latest.files == first.files

    right = later("md5:" + hashlib.md5(b"hello").hexdigest())
    second = land(right, outside, lake, "run-00000003")
    assert second.drop.revision == 1
    assert second.files[0].checksum == right.files[0].checksum
    assert_right(lake, second)


def test_what_no_manifest_lists_is_removed_once_it_is_old(lake: Lake, outside: Drive) -> None:
    source = Source(slug="acme", at="acme", deliveries=(), datasets={}, phi="no")
    (outside.path / "a").write_bytes(b"hello")
    landed = land(drop_of(outside), outside, lake, "run-00000001")
    orphan = lake.path("landed", "acme", "2026-11", "r2", "x", "orphan")
    lake.fs().makedirs(lake.fs()._parent(orphan), exist_ok=True)
    lake.fs().pipe_file(orphan, b"left by a run that was killed")
    uploads.begin(lake, lake.path("landed", "acme", "2026-12", "r1", "x", "b"), 20 << 20, 16 << 20).close()

    assert tidy(lake, source) == []
    assert lake.fs().exists(orphan)
    gone = tidy(lake, source, timedelta(seconds=-5))
    assert len(gone) == 2
    assert orphan in gone
    assert_right(lake, landed)
    assert tidy(lake, source, timedelta(seconds=-5)) == []


def test_what_is_too_old_to_go_on_with_is_sent_again(
    lake: Lake, outside: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The janitor of another run may be about to remove it."""
    (outside.path / "a").write_bytes(b"hello")
    drop = drop_of(outside)
    land(drop, outside, lake, "run-00000001")
    lake.fs().rm_file(lake.path("landed", "acme", "2026-11", "_manifest.json"))
    monkeypatch.setattr("tasks.transfer.ABANDONED", timedelta(seconds=-20))
    before = (outside.path / "a").stat()
    (outside.path / "a").write_bytes(b"olleh")
    os.utime(outside.path / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
    landed = land(drop, outside, lake, "run-00000002")
    assert landed.files[0].sha256 == hashlib.sha256(b"olleh").hexdigest()
    assert_right(lake, landed)


def test_a_transfer_starts_without_what_only_tables_and_readers_need() -> None:
    """Each of these takes 0.2 s or more to load; those of Prefect's own stay."""
    heavy = {"numpy", "pandas", "pyarrow", "pyiceberg", "pyspark", "s3fs", "sqlalchemy"}
    script = "import sys, tasks.transfer, blocks.sftp, blocks.http; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert "tasks.transfer" in said.split()
    assert not heavy & set(said.split())
