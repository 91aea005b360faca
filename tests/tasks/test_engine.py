"""What an engine must not do: send what is there, hold more than it may, trust what does not add up."""

import hashlib
import io
import logging
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blocks import uploads
from blocks.drive import Drive
from blocks.errors import Changed, ChecksumMismatch, Interrupted, NotThere, Unreachable
from blocks.http import HttpServer
from blocks.lake import Lake
from tasks import engine
from tasks.engine import Job, part_size, send
from tasks.source import Offered
from tests.servers import S3, Nginx

MIB = 1 << 20
PART = 5 * MIB  # the least that S3 takes of all parts but the last


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PART", PART)
    monkeypatch.setattr(engine, "TRIES", 2)


class Faulty(Drive):
    """A drive that can do less than one: `faults` are what it raises, `reads` what was read of it (start, stop)."""

    _block_type_slug = "faulty"
    _reads: list[tuple[int, int]] = []  # noqa: RUF012  # pydantic copies it
    _fail_at: int | None = None
    _error: type[Exception] = NotThere
    _ranged: bool = True
    _most: int = 16
    _open: int = 0
    _peak: int = 0  # connections that were open at once
    _seconds: float = 0  # that a read takes

    @contextmanager
    def connect(self) -> Iterator[Any]:
        if self._open >= self._most:
            raise Unreachable("The server takes no further session")
        self._open += 1
        self._peak = max(self._peak, self._open)
        try:
            with super().connect() as remote:
                yield SimpleNamespace(open=lambda name: io.BufferedReader(_Reading(remote.open(name), self), 1))
        finally:
            self._open -= 1


class _Reading(io.RawIOBase):
    """The file of a `Faulty`."""

    def __init__(self, stream: BinaryIO, place: Faulty) -> None:
        self._stream = stream
        self._place = place

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._place._ranged

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        assert self._place._ranged
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def status(self) -> tuple[int | None, datetime | None]:
        return self._stream.raw.status()  # type: ignore[attr-defined,no-any-return]

    def readinto(self, buffer: Any, /) -> int:
        at, place = self._stream.tell(), self._place
        time.sleep(place._seconds)
        if place._fail_at is not None and at >= place._fail_at:
            raise place._error("it broke")
        most = len(buffer) if place._fail_at is None else min(len(buffer), place._fail_at - at)
        got = self._stream.readinto(memoryview(buffer)[: max(1, most)])  # type: ignore[attr-defined]
        place._reads.append((at, at + got))
        return int(got)


@pytest.fixture
def place(tmp_path: Path) -> Faulty:
    (tmp_path / "outside").mkdir()
    found = Faulty(path=tmp_path / "outside")
    found._reads = []
    return found


def offered(place: Drive, name: str, data: bytes, **more: Any) -> Offered:
    (place.path / name).write_bytes(data)
    with Drive.connect(place) as remote:
        file = next(file for file in remote.list() if file.name == name)
    return Offered(**file.model_dump() | more)


def content(lake: Lake, job: Job) -> bytes:
    data: bytes = lake.fs().cat_file(job.path)
    return data


def assert_stored(lake: Lake, job: Job, data: bytes) -> None:
    assert content(lake, job) == data
    assert job.stored is not None
    assert (job.stored.size, job.stored.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def nothing_open(lake: Lake) -> bool:
    """Whether no upload and no draft is left."""
    if lake.on_s3:
        bucket = lake.path().partition("/")[0]
        return not lake.fs().call_s3("list_multipart_uploads", Bucket=bucket).get("Uploads")
    return not [path for path in Path(lake.path()).rglob("*") if ".draft" in path.name]


@pytest.mark.parametrize(
    ("size", "part"),
    [
        (32 * MIB + 1, 16),
        (160_000 * MIB, 16),
        (160_000 * MIB + 1, 17),
        (500 * 10**9, 48),
        (5 * 2**40, 525),
        (5 * 10**12, 477),
    ],
)
def test_every_file_fits_in_ten_thousand_parts(size: int, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PART", 16 * MIB)
    assert part_size(size) == part * MIB
    assert -(-size // part_size(size)) <= 10_000


@pytest.mark.parametrize("size", [1, 100, PART, 2 * PART])
def test_a_file_of_two_parts_is_sent_as_one(size: int) -> None:
    assert part_size(size) == size
    assert part_size(2 * PART + 1) == PART


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 3 * PART, 4 * PART + 17])
@pytest.mark.parametrize("ranged", [True, False])
def test_files_of_every_size_arrive(lake: Lake, place: Faulty, size: int, ranged: bool) -> None:
    place._ranged = ranged
    data = os.urandom(size)
    job = Job(offered(place, "a", data), lake.path("landed", "a"))
    send([job], place, lake)
    assert_stored(lake, job, data)
    assert nothing_open(lake)


@pytest.mark.parametrize("ranged", [True, False])
def test_what_is_in_the_lake_is_not_sent_again(
    lake: Lake, place: Faulty, ranged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    data = os.urandom(4 * PART + 17)
    place._ranged = ranged
    place.connections = 1  # else parts behind the break may be sent as well
    file = offered(place, "a", data)
    job = Job(file, lake.path("landed", "a"))
    place._fail_at, place._error = 2 * PART + 100, NotThere
    with pytest.raises(NotThere):
        send([job], place, lake)
    assert not lake.fs().exists(job.path)

    place._fail_at = None
    place._reads.clear()
    parts: list[int] = []
    sent: list[int] = []
    kind = uploads._Multipart if lake.on_s3 else uploads._Draft
    put = kind.put
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.INFO):
        patch.setattr(kind, "put", lambda self, number, *rest: (parts.append(number), put(self, number, *rest))[1])
        job = Job(file, job.path)
        send([job], place, lake, sent=sent.append)
    assert_stored(lake, job, data)
    assert sorted(parts) == [3, 4, 5]
    assert sum(sent) == len(data)
    assert min(start for start, _ in place._reads) == (2 * PART if ranged else 0)
    assert f"a goes on: {2 * PART} of its {len(data)} bytes are in the lake" in caplog.text
    assert ("comes in one stream" in caplog.text) is not ranged
    assert nothing_open(lake)


def test_a_run_that_died_before_it_completed_an_upload_is_completed(lake: Lake, place: Faulty) -> None:
    data = os.urandom(2 * PART + 1)
    file = offered(place, "a", data)
    path = lake.path("landed", "a")
    upload = uploads.begin(lake, path, len(data), PART)
    for number in (1, 2, 3):
        piece = bytearray(data[(number - 1) * PART : number * PART])
        upload.put(number, piece)
    upload.close()
    job = Job(file, path)
    send([job], place, lake)
    assert_stored(lake, job, data)
    assert place._reads == []
    assert nothing_open(lake)


def test_a_file_that_is_in_its_place_is_read_back_and_not_sent(lake: Lake, place: Faulty) -> None:
    data = os.urandom(2 * PART)
    file = offered(place, "a", data, checksum="md5:" + hashlib.md5(data).hexdigest())
    path = lake.path("landed", "a")
    lake.fs().makedirs(lake.path("landed"), exist_ok=True)
    lake.fs().pipe_file(path, data)
    job = Job(file, path, there=True)
    send([job], place, lake)
    assert_stored(lake, job, data)
    assert job.stored
    assert job.stored.checksum == file.checksum
    assert place._reads == []


def test_a_file_that_another_run_put_there_first_stays(lake: Lake, place: Faulty) -> None:
    """The other run's bytes are what the manifest must speak of, even where ours differ."""
    theirs, ours = os.urandom(2 * PART), os.urandom(2 * PART)
    file = offered(place, "a", ours)
    path = lake.path("landed", "a")
    lake.fs().makedirs(lake.path("landed"), exist_ok=True)
    lake.fs().pipe_file(path, theirs)
    job = Job(file, path)
    send([job], place, lake)
    assert_stored(lake, job, theirs)
    assert nothing_open(lake)


def test_what_another_run_put_there_is_not_removed_for_a_checksum_that_we_were_told(lake: Lake, place: Faulty) -> None:
    """Its manifest may list it."""
    theirs, ours = b"theirs", b"ours"
    file = offered(place, "a", ours, checksum="md5:" + hashlib.md5(ours).hexdigest())
    path = lake.path("landed", "a")
    lake.fs().makedirs(lake.path("landed"), exist_ok=True)
    lake.fs().pipe_file(path, theirs[: len(ours)])
    with pytest.raises(ChecksumMismatch):
        send([Job(file, path)], place, lake)
    assert lake.fs().cat_file(path) == theirs[: len(ours)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.integers(0, 60),
    there=st.sets(st.integers(1, 9)),
    rotten=st.sets(st.integers(1, 9)),
    ranged=st.booleans(),
    connections=st.integers(1, 4),
    memory=st.integers(1, 40),
)
def test_whatever_was_sent_before_the_whole_arrives(
    tmp_path_factory: pytest.TempPathFactory,
    size: int,
    there: set[int],
    rotten: set[int],
    ranged: bool,
    connections: int,
    memory: int,
) -> None:
    folder = tmp_path_factory.mktemp("h")
    (folder / "outside").mkdir()
    lake, place = Lake(root=f"file://{folder}/lake"), Faulty(path=folder / "outside", connections=connections)
    place._ranged = ranged
    place._reads = []
    data = bytes(range(size))
    file, path = offered(place, "a", data), lake.path("a")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "PART", 7)
        patch.setattr(engine, "part_size", lambda size: 7)
        patch.setattr(engine, "MEMORY", memory)
        if size > 7:
            upload = uploads.begin(lake, path, size, 7)
            for number in sorted(n for n in there if (n - 1) * 7 < size):
                piece = bytearray(data[(number - 1) * 7 : number * 7])
                upload.put(number, piece)
                if number in rotten:  # a machine that lost power kept the record and not the bytes
                    os.pwrite(upload._file, bytes(len(piece)), (number - 1) * 7)  # type: ignore[attr-defined]
            upload.close()
        job = Job(file, path)
        send([job], place, lake)
    assert_stored(lake, job, data)
    assert nothing_open(lake)


def test_many_files_over_several_connections(lake: Lake, place: Faulty) -> None:
    sizes = [0, 1, 100, PART, 2 * PART + 3, 7, PART + 1] * 3
    place.connections = 4
    jobs, contents = [], []
    for number, size in enumerate(sizes):
        contents.append(os.urandom(size))
        jobs.append(Job(offered(place, str(number), contents[-1]), lake.path("landed", str(number))))
    send(jobs, place, lake)
    for job, data in zip(jobs, contents, strict=True):
        assert_stored(lake, job, data)
    assert nothing_open(lake)


def test_a_server_that_takes_one_session_gets_one(
    local_lake: Lake, place: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    place._most, place.connections, place._seconds = 1, 4, 0.1
    data = os.urandom(10 * PART)  # a second: long enough for the engine to ask for more connections
    job = Job(offered(place, "a", data), local_lake.path("a"))
    with caplog.at_level(logging.INFO):
        send([job], place, local_lake)
    assert_stored(local_lake, job, data)
    assert "The server takes 1 at once and no further connection (The server takes no further session)" in caplog.text


def test_a_slow_server_is_read_over_all_connections(local_lake: Lake, place: Faulty) -> None:
    place.connections, place._seconds = 3, 0.1
    data = os.urandom(15 * PART)
    job = Job(offered(place, "a", data), local_lake.path("a"))
    send([job], place, local_lake)
    assert_stored(local_lake, job, data)
    assert place._peak == 3


def test_a_connection_that_breaks_is_made_anew_and_goes_on_where_it_broke(
    lake: Lake, place: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    data = os.urandom(2 * PART)
    job = Job(offered(place, "a", data), lake.path("landed", "a"))
    place.connections = 1
    place._fail_at, place._error = PART + 1000, Interrupted
    mended = []

    def mend() -> None:
        if caplog.text and not mended:
            mended.append(place._reads[-1][1])
            place._fail_at = None

    with caplog.at_level(logging.WARNING):
        send([job], place, lake, tick=mend)
    assert_stored(lake, job, data)
    assert "it broke; trying again in" in caplog.text
    assert sum(stop - start for start, stop in place._reads) == len(data)


@pytest.mark.parametrize("ranged", [True, False])
def test_parts_that_are_too_large_to_be_held_are_streamed(
    lake: Lake, place: Faulty, ranged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "HELD", PART - 1)
    place._ranged = ranged
    data = os.urandom(3 * PART + 17)
    job = Job(
        offered(place, "a", data, checksum=f"sha256:{hashlib.sha256(data).hexdigest()}"), lake.path("landed", "a")
    )
    send([job], place, lake)
    assert_stored(lake, job, data)
    assert max(stop - start for start, stop in place._reads) <= MIB
    assert nothing_open(lake)


@pytest.mark.parametrize("size", [0, 100, 2 * PART + 1])
@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_published_checksums_are_verified(lake: Lake, place: Faulty, size: int, algorithm: str) -> None:
    data = os.urandom(size)
    right = hashlib.new(algorithm, data).hexdigest()
    wrong = hashlib.new(algorithm, data + b"x").hexdigest()
    bad = Job(offered(place, "a", data, checksum=f"{algorithm}:{wrong}"), lake.path("landed", "a"))
    with pytest.raises(ChecksumMismatch, match=f"a has the {algorithm} {right}, and {wrong} was published for it"):
        send([bad], place, lake)
    assert not lake.fs().exists(bad.path)
    assert nothing_open(lake)

    good = Job(offered(place, "a", data, checksum=f"{algorithm}:{right.upper()}"), lake.path("landed", "a"))
    send([good], place, lake)
    assert_stored(lake, good, data)
    assert good.stored
    assert good.stored.checksum == f"{algorithm}:{right}"


def test_a_checksum_is_verified_after_a_resume_too(lake: Lake, place: Faulty) -> None:
    data = os.urandom(3 * PART)
    file = offered(place, "a", data, checksum="md5:" + "0" * 32)
    job = Job(file, lake.path("landed", "a"))
    place._fail_at, place._error, place.connections = 2 * PART, NotThere, 1
    with pytest.raises(NotThere):
        send([job], place, lake)
    place._fail_at = None
    with pytest.raises(ChecksumMismatch):
        send([Job(file, job.path)], place, lake)
    assert not lake.fs().exists(job.path)
    assert nothing_open(lake)


@pytest.mark.parametrize("size", [100, 3 * PART])
@pytest.mark.parametrize("change", [lambda path: path.write_bytes(path.read_bytes()[:-1]), os.utime])
def test_a_file_that_is_not_the_one_that_was_listed_is_not_taken(
    lake: Lake, place: Faulty, size: int, change: Any
) -> None:
    job = Job(offered(place, "a", os.urandom(size)), lake.path("landed", "a"))
    change(place.path / "a")
    with pytest.raises(Changed, match=r"a was (written|[0-9,]* bytes)"):
        send([job], place, lake)
    assert not lake.fs().exists(job.path)
    assert nothing_open(lake)


def test_objects_say_where_they_come_from_and_are_encrypted(s3: S3, place: Faulty, tmp_path: Path) -> None:
    """On a server that honours SSE: it says so itself, object by object."""
    key = "inlet-test"
    for number, (rule, said) in enumerate(
        [
            ({}, None),
            ({"sse_s3": True}, "AES256"),
            ({"kms_key": key}, "aws:kms"),
            ({"kms_key": key, "sse_s3": True}, "aws:kms"),
        ]
    ):
        lake = Lake(root=f"s3://{s3.bucket()}/lake", credentials=s3.credentials, **rule)
        for size in (10, 2 * PART):
            data = os.urandom(size)
            job = Job(offered(place, f"{number}-{size}", data), lake.path("landed", "ü"))
            job.path += str(size)
            about = {"source": "acme", "drop": "2026-11", "origin": "sftp-server/acme:ü\n.zip"}
            send([job], place, lake, about=lambda _, about=about: about, tags={"phi": "yes"})  # type: ignore[misc]
            assert_stored(lake, job, data)
            bucket, name, _ = lake.fs().split_path(job.path)
            head = lake.fs().call_s3("head_object", Bucket=bucket, Key=name)
            assert head.get("ServerSideEncryption") == said
            assert head.get("SSEKMSKeyId", "").endswith(key if said == "aws:kms" else "")
            assert head["Metadata"] == about | {"origin": "sftp-server/acme:%C3%BC%0A.zip"}
            tags = lake.fs().call_s3("get_object_tagging", Bucket=bucket, Key=name)["TagSet"]
            assert {tag["Key"]: tag["Value"] for tag in tags} == {
                "phi": "yes",
                "sha256": hashlib.sha256(data).hexdigest(),
            }


def test_what_was_abandoned_is_removed_and_what_is_young_stays(lake: Lake) -> None:
    path = lake.path("landed", "acme", "a")
    upload = uploads.begin(lake, path, 2 * PART, PART)
    upload.put(1, bytearray(PART))
    upload.close()
    now = datetime.now(UTC)
    assert uploads.abort_older(lake, lake.path("landed"), now - timedelta(hours=1)) == []
    assert not nothing_open(lake)
    (gone,) = uploads.abort_older(lake, lake.path("landed"), now + timedelta(hours=1))
    assert gone.startswith(path)
    assert nothing_open(lake)


def test_http_without_ranges_gives_one_stream(
    nginx: Nginx, local_lake: Lake, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = nginx.folder / "norange" / tmp_path.name
    folder.mkdir(parents=True)
    data = os.urandom(3 * PART)
    (folder / "a.bin").write_bytes(data)
    place = HttpServer(url=f"{nginx.url}norange/{tmp_path.name}/")
    with place.connect() as remote:
        (file,) = remote.list()
    job = Job(Offered(**file.model_dump()), local_lake.path("a"))
    with caplog.at_level(logging.INFO):
        send([job], place, local_lake)
    assert_stored(local_lake, job, data)
    assert "a.bin comes in one stream: its server gives no ranges" in caplog.text


def test_memory_does_not_grow_with_the_file(s3: S3, tmp_path: Path) -> None:
    """RSS grows by less than 300 MiB (the issue's bound), here over a file of 1.5 GiB into S3 with four readers."""
    with (tmp_path / "big").open("wb") as file:
        block = os.urandom(MIB)
        for _ in range(1536):
            file.write(block)
    script = f"""
        import resource, sys
        from pathlib import Path
        from pydantic import SecretStr
        from prefect_aws import AwsClientParameters, AwsCredentials
        from blocks.drive import Drive
        from blocks.lake import Lake
        from tasks.engine import Job, send
        from tasks.source import Offered
        place = Drive(path=Path({str(tmp_path)!r}), connections=4)
        lake = Lake(root="s3://{s3.bucket()}/lake", credentials=AwsCredentials(
            aws_access_key_id={s3.access_key!r}, aws_secret_access_key=SecretStr({s3.secret_key!r}),
            region_name="us-east-1", aws_client_parameters=AwsClientParameters(endpoint_url={s3.endpoint!r})))
        with place.connect() as remote:
            file = next(file for file in remote.list() if file.name == "big")
        list(lake.fs().find(lake.path()))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        job = Job(Offered(**file.model_dump()), lake.path("landed", "big"))
        send([job], place, lake)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, job.stored.size)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, capture_output=True, text=True)
    grown, size = map(int, done.stdout.split())
    assert size == 1536 * MIB
    assert grown < 300 * 1024, f"{grown / 1024:.0f} MiB"
