"""Whatever goes wrong on the way: the right error or the right bytes, no wrong manifest, and the next run completes.

Cut at random bytes, refused, lost, killed, full, replaced: after each the party's file lands as it is, and what was in
the lake by then is not sent again.
"""

import hashlib
import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.drive import Drive
from blocks.errors import (
    AccessDenied,
    ChecksumMismatch,
    Conflict,
    HostKeyMismatch,
    Interrupted,
    NoRoom,
    NotThere,
    PlaceError,
    Replaced,
    Unreachable,
)
from blocks.http import HttpServer
from blocks.lake import Lake
from blocks.place import Place
from blocks.s3 import S3Folder
from blocks.sftp import SftpServer
from tasks import engine, manifest
from tasks.source import Drop, Offered
from tasks.transfer import Landed, land
from tests import servers
from tests.faults import Detour, Run, disk
from tests.servers import S3, Link, Nginx, Sshd

MIB = 1 << 20
PART = 5 * MIB  # the least that S3 takes
SIZE = 17 * MIB + 12_345  # four parts
DATA = random.Random(1).randbytes(SIZE)
OTHER = random.Random(2).randbytes(SIZE)
SLACK = 2 * MIB  # what a server says besides, and what it has said ahead
BROKEN = (Interrupted, Unreachable)


Toxiproxy = Callable[[int], Link]


@dataclass
class Outside:
    """A party's server, at the end of a link, and how a file gets there."""

    place: Place
    link: Any
    put: Callable[..., object]

    def drop(self, key: str = "2026-11", revision: int = 1, **said: Any) -> Drop:
        """All that is there, as one drop; `said` is what the party says of each file."""
        with self.place.connect() as remote:
            files = [Offered(**file.model_dump(), **said) for file in remote.list()]
        return Drop(
            source="acme",
            key=key,
            as_of=datetime(2026, 11, 8, tzinfo=UTC),
            kind="full",
            revision=revision,
            files=tuple(sorted(files, key=lambda file: file.name)),
        )


def over_sftp(server: Sshd, port: int, root: str, **fields: Any) -> SftpServer:
    return SftpServer(
        host="127.0.0.1",
        port=port,
        user=server.user,
        private_key=server.private_key,  # type: ignore[arg-type]
        root=root,
        **{"host_key": server.host_key, "timeout": 2, "connections": 2} | fields,
    )


@pytest.fixture
def sftp(sshd: Sshd, toxiproxy: Toxiproxy, tmp_path: Path) -> Outside:
    folder = sshd.folder / tmp_path.name
    folder.mkdir()
    link = toxiproxy(sshd.port)
    return Outside(over_sftp(sshd, link.port, folder.name), link, lambda n, data: (folder / n).write_bytes(data))


@pytest.fixture
def http(nginx: Nginx, toxiproxy: Toxiproxy, tmp_path: Path) -> Outside:
    folder = nginx.folder / tmp_path.name
    folder.mkdir()
    link = toxiproxy(int(nginx.url.rstrip("/").rpartition(":")[2]))
    place = HttpServer(url=f"http://127.0.0.1:{link.port}/{folder.name}/", timeout=2, connections=2)
    return Outside(place, link, lambda name, data: (folder / name).write_bytes(data))


@pytest.fixture
def bucket(s3: S3, toxiproxy: Toxiproxy) -> Outside:
    link, name = toxiproxy(int(s3.endpoint.rpartition(":")[2])), s3.bucket()
    client = s3.credentials.get_s3_client()
    through = once(S3(f"http://127.0.0.1:{link.port}", s3.access_key, s3.secret_key).credentials)
    return Outside(
        S3Folder(bucket=name, credentials=through, timeout=2, connections=2),
        link,
        lambda key, data: client.put_object(Bucket=name, Key=key, Body=data),
    )


def once(credentials: AwsCredentials) -> AwsCredentials:
    """The same without botocore's own second try: there are enough of ours."""
    client = credentials.aws_client_parameters.model_copy(update={"config": {"retries": {"total_max_attempts": 1}}})
    return credentials.model_copy(update={"aws_client_parameters": client})


@pytest.fixture(params=["sftp", "http", "bucket"])
def outside(request: pytest.FixtureRequest) -> Outside:
    found: Outside = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def s3_lake(detour: Detour, tmp_path: Path) -> Lake:
    """In place of that of all tests: one at the end of a detour."""
    detour.heal()
    detour.calls.clear()
    return lake_at(detour.s3.credentials, tmp_path, detour.s3.bucket())


def lake_at(credentials: AwsCredentials, folder: Path, bucket: str) -> Lake:
    catalog = SecretStr(f"sqlite:///{folder}/catalog.db")
    return Lake(root=f"s3://{bucket}/lake", catalog=catalog, credentials=credentials)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small parts; and a place in a file is asked for twice, not six times in half a minute."""
    monkeypatch.setattr(engine, "PART", PART)
    monkeypatch.setattr(engine, "TRIES", 2)


@pytest.fixture
def chance() -> random.Random:
    """Other numbers in each run; a test that fails shows the seed."""
    seed = random.randrange(10**6)
    print("seed", seed)  # noqa: T201  # shown where the test fails
    return random.Random(seed)


def bytes_at(lake: Lake, path: str) -> bytes:
    data: bytes = lake.fs().cat_file(lake.path(*path.split("/")))
    return data


def listed(lake: Lake, key: str = "2026-11") -> dict[str, bytes] | None:
    """What the manifest lists, as the lake has it; None where there is none."""
    found = manifest.read(lake, "acme", key)
    if found is None:
        return None
    files = {file.name: bytes_at(lake, file.path) for file in found[0].latest.files}
    for file in found[0].latest.files:
        assert (file.size, file.sha256) == (len(files[file.name]), hashlib.sha256(files[file.name]).hexdigest())
        assert file.path.startswith("/".join([*manifest.folder("acme", key), "r"]))
    return files


def attempt(drop: Drop, place: Place, lake: Lake, *errors: type[PlaceError]) -> PlaceError | None:
    """Land under a fault: None, or one of these errors and no manifest."""
    try:
        land(drop, place, lake, "run-00000001")
    except errors as error:
        assert listed(lake, drop.key) is None
        return error
    return None


def completes(drop: Drop, place: Place, lake: Lake, files: dict[str, bytes]) -> Landed:
    """Without a fault it lands, and lists exactly these files."""
    landed = land(drop, place, lake, "run-00000002")
    assert listed(lake, drop.key) == files
    return landed


def held(lake: Lake, size: int = SIZE, part: int = PART) -> int:
    """Bytes of parts in uploads that no run has finished."""
    if not lake.on_s3:
        records = Path(lake.path()).rglob("*.draft.parts")
        parts = [json.loads(line)[0] for record in records for line in record.read_text().splitlines()]
        return sum(min(part, size - (number - 1) * part) for number in set(parts))
    fs, name = lake.fs(), lake.path().partition("/")[0]
    uploads = fs.call_s3("list_multipart_uploads", Bucket=name).get("Uploads", ())
    parts = [fs.call_s3("list_parts", Bucket=name, Key=u["Key"], UploadId=u["UploadId"]) for u in uploads]
    return sum(part["Size"] for answer in parts for part in answer.get("Parts", ()))


def assert_sent_once(detour: Detour) -> None:
    """No part that the lake took was sent to it again."""
    sent = Counter((call.key, call.part) for call in detour.done("UploadPart"))
    assert set(sent.values()) <= {1}, sent


# ---- between us and the party


@pytest.mark.parametrize("bounds", [(1, 20_000), (20_000, SIZE)])
def test_a_connection_cut_at_random_bytes(
    lake: Lake,
    outside: Outside,
    detour: Detour,
    chance: random.Random,
    monkeypatch: pytest.MonkeyPatch,
    bounds: tuple[int, int],
) -> None:
    outside.put("big", DATA)
    outside.put("small", b"small")
    drop = outside.drop()
    outside.link.toxic("limit_data", bytes=chance.randrange(*bounds))
    monkeypatch.setattr(engine, "TRIES", 1)
    attempt(drop, outside.place, lake, *BROKEN)
    outside.link.heal()
    had, before = held(lake), outside.link.received()
    completes(drop, outside.place, lake, {"big": DATA, "small": b"small"})
    assert had + outside.link.received() - before <= SIZE + SLACK
    assert_sent_once(detour)


@pytest.mark.parametrize(
    "toxics",
    [
        {"reset_peer": {"timeout": 300}},
        {"timeout": {"timeout": 0}},  # nothing comes any more, and nobody hangs up
        {
            "slicer": {"average_size": 20_000, "size_variation": 19_000, "delay": 1},
            "latency": {"latency": 20, "jitter": 20},
            "slow_close": {"delay": 300},
        },
    ],
    ids=["reset", "silent", "slow"],
)
def test_a_bad_link(
    s3_lake: Lake,
    outside: Outside,
    detour: Detour,
    monkeypatch: pytest.MonkeyPatch,
    toxics: dict[str, dict[str, int]],
) -> None:
    outside.put("big", DATA)
    drop = outside.drop()
    for kind, attributes in toxics.items():
        outside.link.toxic(kind, **attributes)
    monkeypatch.setattr(engine, "TRIES", 1)
    failed = attempt(drop, outside.place, s3_lake, *BROKEN)
    assert (failed is None) == ("slow_close" in toxics)
    outside.link.heal()
    completes(drop, outside.place, s3_lake, {"big": DATA})
    assert_sent_once(detour)


def test_the_processes_of_our_connections_killed(sftp: Outside, sshd: Sshd, lake: Lake, detour: Detour) -> None:
    sftp.put("big", DATA)
    drop = sftp.drop()
    sftp.link.toxic("bandwidth", rate=4_000)  # KB a second and connection
    with ThreadPoolExecutor(1) as pool:
        landing = pool.submit(land, drop, sftp.place, lake, "run-00000001")
        time.sleep(1)
        killed = psutil.Process(sshd.pid).children(recursive=True)
        for process in killed:
            process.kill()
        landing.result()
    assert killed
    assert listed(lake) == {"big": DATA}
    assert_sent_once(detour)


@pytest.mark.parametrize("way", ["sftp", "http"])
def test_a_server_that_is_gone_and_comes_back(
    lake: Lake, toxiproxy: Toxiproxy, detour: Detour, tmp_path: Path, way: str
) -> None:
    home = tmp_path / way
    folder = home / "files" / "drop"
    folder.mkdir(parents=True)
    (folder / "big").write_bytes(DATA)
    begin: Any = {"sftp": servers.sshd, "http": servers.nginx}[way]

    def port(server: Sshd | Nginx) -> int:
        return server.port if isinstance(server, Sshd) else int(server.url.rstrip("/").rpartition(":")[2])

    with begin(home) as server, ThreadPoolExecutor(1) as pool:
        link = toxiproxy(port(server))
        link.toxic("bandwidth", rate=4_000)
        at = f"http://127.0.0.1:{link.port}/drop/"
        place = over_sftp(server, link.port, "drop") if way == "sftp" else HttpServer(url=at, timeout=2, connections=2)
        drop = Outside(place, link, lambda *_: None).drop()
        landing = pool.submit(attempt, drop, place, lake, *BROKEN)
        time.sleep(1)
        link.change(enabled=False)  # ends the connections, whose processes sshd would leave alive
        assert landing.result()
    with begin(home) as server:
        link.change(enabled=True, upstream=f"127.0.0.1:{port(server)}")
        link.heal()
        had, before = held(lake), link.received()
        completes(drop, place, lake, {"big": DATA})
        assert had + link.received() - before <= SIZE + SLACK
    assert_sent_once(detour)


# ---- the file itself


def in_place(path: Path, data: bytes) -> None:
    """As an upload without a temporary name does it: the same file, and its time the one of the last write."""
    with path.open("r+b") as stream:
        stream.write(data)
        stream.truncate()


def by_rename(path: Path, data: bytes) -> None:
    draft = path.with_suffix(".new")
    draft.write_bytes(data)
    draft.replace(path)


CHANGES = {
    "grows": lambda path: in_place(path, DATA + b"more"),
    "is cut": lambda path: os.truncate(path, SIZE // 2),
    "is emptied": lambda path: os.truncate(path, 0),
    "is written over": lambda path: in_place(path, OTHER),
    "is replaced": lambda path: by_rename(path, OTHER),
    "is replaced by a longer one": lambda path: by_rename(path, OTHER + b"more"),
    "is removed": lambda path: path.unlink(),
}


@pytest.mark.parametrize(
    ("way", "change"),
    [
        *(("sftp", change) for change in CHANGES),
        *(("http", change) for change in ("grows", "is cut", "is written over", "is replaced")),
        *(("drive", change) for change in ("grows", "is written over")),
    ],
)
def test_a_file_that_changes_while_it_is_read(
    request: pytest.FixtureRequest,
    s3_lake: Lake,
    detour: Detour,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    change: str,
) -> None:
    """Not even a manifest of some old and some new bytes; once it holds still, it lands as it is."""
    if way == "drive":
        path = tmp_path / "big"
        outside = Outside(Drive(path=tmp_path), None, lambda _, data: path.write_bytes(data))
    else:
        outside = request.getfixturevalue(way)
        path = request.getfixturevalue("sshd" if way == "sftp" else "nginx").folder / tmp_path.name / "big"
    monkeypatch.setattr(engine, "MEMORY", PART)  # no part is read before the one ahead of it is in the lake
    outside.put("big", DATA)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    drop = outside.drop()
    first = detour.fault("UploadPart", "held")
    with ThreadPoolExecutor(1) as pool:
        landing = pool.submit(attempt, drop, outside.place, s3_lake, Replaced, NotThere)
        assert first.met.wait(30)
        CHANGES[change](path)
        first.healed.set()
        failed = landing.result()
    detour.heal()
    if failed is None:  # all of it was read from a file that has no name any more
        assert change.startswith(("is replaced", "is removed"))
        assert listed(s3_lake) == {"big": DATA}
    if path.exists():
        completes(outside.drop(), outside.place, s3_lake, {"big": path.read_bytes()})


def test_an_object_that_is_replaced_while_it_is_read(
    bucket: Outside, s3_lake: Lake, detour: Detour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MEMORY", PART)
    bucket.put("big", DATA)
    drop = bucket.drop()
    first = detour.fault("UploadPart", "held")
    with ThreadPoolExecutor(1) as pool:
        landing = pool.submit(attempt, drop, bucket.place, s3_lake, Replaced)
        assert first.met.wait(30)
        bucket.put("big", OTHER)
        first.healed.set()
        assert landing.result()
    completes(bucket.drop(), bucket.place, s3_lake, {"big": OTHER})


@contextmanager
def breaking(link: Link) -> Iterator[None]:
    """Each of two connections breaks in the middle of its second part, and is not tried again."""
    link.toxic("limit_data", bytes=PART + PART // 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "TRIES", 1)
        yield
    link.heal()


def test_a_file_that_is_replaced_between_two_tries(s3_lake: Lake, outside: Outside) -> None:
    """The second try has the listing of the first, as Prefect's does."""
    outside.put("big", DATA)
    drop = outside.drop()
    with breaking(outside.link):
        assert attempt(drop, outside.place, s3_lake, *BROKEN)
    assert held(s3_lake)
    time.sleep(1.1)  # SFTP and HTTP have times of whole seconds
    outside.put("big", OTHER)
    assert attempt(drop, outside.place, s3_lake, Replaced)
    completes(outside.drop(), outside.place, s3_lake, {"big": OTHER})


@pytest.mark.parametrize("size", [1_000, SIZE])
def test_a_checksum_that_the_bytes_do_not_have(lake: Lake, http: Outside, size: int) -> None:
    data, outside = DATA[:size], http
    outside.put("file", data)
    right, wrong = (f"md5:{hashlib.md5(bytes_).hexdigest()}" for bytes_ in (data, OTHER))
    for _ in range(2):
        assert attempt(outside.drop(checksum=wrong), outside.place, lake, ChecksumMismatch)
    landed = completes(outside.drop(checksum=right), outside.place, lake, {"file": data})
    assert [file.checksum for file in landed.files] == [right]


def test_a_wrong_checksum_is_found_after_a_break_too(lake: Lake, sftp: Outside) -> None:
    sftp.put("big", DATA)
    drop = sftp.drop(checksum=f"sha256:{hashlib.sha256(OTHER).hexdigest()}")
    with breaking(sftp.link):
        assert attempt(drop, sftp.place, lake, *BROKEN)
    assert held(lake)
    assert attempt(drop, sftp.place, lake, ChecksumMismatch)
    completes(sftp.drop(), sftp.place, lake, {"big": DATA})


def test_nothing_of_zero_bytes_is_lost(lake: Lake, outside: Outside) -> None:
    outside.put("empty", b"")
    assert attempt(outside.drop("alone"), outside.place, lake) is None
    assert listed(lake, "alone") == {"empty": b""}
    outside.put("full", b"data")
    completes(outside.drop(), outside.place, lake, {"full": b"data", "empty": b""})


# ---- who the server is


@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[Sshd]:
    """Another server, which has a key of its own and lets us in."""
    (tmp_path / "impostor").mkdir()
    with servers.sshd(tmp_path / "impostor") as server:
        yield server


def test_a_wrong_host_key_stops_before_any_secret(sftp: Outside, sshd: Sshd, impostor: Sshd, lake: Lake) -> None:
    sftp.put("big", DATA)
    drop = sftp.drop()
    wrong = over_sftp(sshd, sftp.link.port, sftp.place.root, host_key=impostor.host_key)  # type: ignore[attr-defined]
    said = sshd.log.stat().st_size
    assert attempt(drop, wrong, lake, HostKeyMismatch)
    assert "publickey" not in sshd.log.read_text()[said:]
    completes(drop, sftp.place, lake, {"big": DATA})


def test_a_server_that_is_another_one_after_a_break(
    sftp: Outside, sshd: Sshd, impostor: Sshd, s3_lake: Lake, detour: Detour
) -> None:
    """It asks for no password and has a file that looks the same."""
    sftp.put("big", DATA)
    drop = sftp.drop()
    folder = impostor.folder / sftp.place.root  # type: ignore[attr-defined]
    folder.mkdir()
    (folder / "big").write_bytes(OTHER)
    sftp.link.toxic("bandwidth", rate=4_000)
    with ThreadPoolExecutor(1) as pool:
        landing = pool.submit(attempt, drop, sftp.place, s3_lake, HostKeyMismatch)
        time.sleep(1)
        sftp.link.change(upstream=f"127.0.0.1:{impostor.port}")
        assert landing.result()
    sftp.link.change(upstream=f"127.0.0.1:{sshd.port}")
    sftp.link.heal()
    completes(drop, sftp.place, s3_lake, {"big": DATA})
    assert_sent_once(detour)


# ---- the lake


READS = ("ListMultipartUploads", "GetObject")
WRITES = ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "PutObject", "PutObjectTagging")


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ((*READS, *WRITES), {"kind": "answer", "status": 500, "code": "InternalError"}),
        ((*READS, *WRITES), {"kind": "answer", "status": 503, "code": "SlowDown"}),
        (["CompleteMultipartUpload"], {"kind": "answer", "status": 200, "code": "InternalError"}),  # S3 does so
        ((*READS, *WRITES), {"kind": "reset"}),
        ((*READS, *WRITES), {"kind": "lost"}),
        (("ListMultipartUploads", "UploadPart", "CompleteMultipartUpload"), {"kind": "cut"}),
    ],
    ids=lambda value: value["kind"] + str(value.get("status", "")) if isinstance(value, dict) else "",
)
def test_a_fault_of_s3_that_passes(
    s3_lake: Lake, tmp_path: Path, detour: Detour, names: list[str], fault: dict[str, Any]
) -> None:
    """Each of these calls meets it once, and is made again."""
    drop, place = on_a_drive(tmp_path)
    met = [detour.fault(name, **fault) for name in names]
    completes(drop, place, s3_lake, {"big": DATA, "small": b"small"})
    assert all(fault.met.is_set() for fault in met)
    assert not held(s3_lake)
    assert len(detour.done("CompleteMultipartUpload")) == 1


def on_a_drive(folder: Path) -> tuple[Drop, Drive]:
    (folder / "out").mkdir()
    for file, data in (("big", DATA), ("small", b"small")):
        (folder / "out" / file).write_bytes(data)
    place = Drive(path=folder / "out")
    return Outside(place, None, place.check).drop(), place


STAYING = [
    *(
        ("UploadPart", {"kind": "answer", "status": status, "code": code}, errors)
        for status, code, errors in (
            (503, "SlowDown", BROKEN),
            (500, "InternalError", BROKEN),
            (403, "AccessDenied", (AccessDenied,)),
            (507, "XMinioStorageFull", (NoRoom,)),
            (403, "QuotaExceeded", (NoRoom,)),  # Ceph's
        )
    ),
    ("UploadPart", {"kind": "reset"}, BROKEN),
    ("CompleteMultipartUpload", {"kind": "answer", "status": 503, "code": "SlowDown"}, BROKEN),
    ("CompleteMultipartUpload", {"kind": "lost"}, BROKEN),
    ("PutObject", {"kind": "answer", "status": 507, "code": "InsufficientStorage"}, (NoRoom,)),
    ("PutObject", {"kind": "lost"}, BROKEN),
]


@pytest.mark.parametrize(("name", "fault", "errors"), STAYING)
def test_a_fault_of_s3_that_stays_until_the_next_run(
    s3_lake: Lake,
    tmp_path: Path,
    detour: Detour,
    name: str,
    fault: dict[str, Any],
    errors: tuple[type[PlaceError], ...],
) -> None:
    drop, place = on_a_drive(tmp_path)
    impatient = lake_at(once(detour.s3.credentials), tmp_path, s3_lake.path().partition("/")[0])
    detour.fault(name, times=99, after=2 if name == "UploadPart" else 0, **fault)
    failed = attempt(drop, place, impatient, *errors)
    assert failed or fault["kind"] == "lost"  # such a call is done, and may be known to be
    detour.heal()
    completes(drop, place, s3_lake, {"big": DATA, "small": b"small"})
    assert_sent_once(detour)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MEMORY", PART)  # one part after the other, so that the first ones are whole
    drop, place = on_a_drive(tmp_path)
    with disk(tmp_path / "disk", 12) as resize:
        lake = Lake(root=str(tmp_path / "disk" / "lake"))
        assert attempt(drop, place, lake, NoRoom)
        assert held(lake) == 2 * PART
        resize(60)
        completes(drop, place, lake, {"big": DATA, "small": b"small"})


# ---- us


BIG = 64 * MIB + 54_321
BIG_DATA = random.Random(3).randbytes(BIG)
REAL_PART = engine.PART


def test_killed_at_ten_random_moments(lake: Lake, sftp: Outside, detour: Detour, chance: random.Random) -> None:
    """What is in the lake is not asked for again: not by the run after a kill, nor the one after the next."""
    sftp.put("big", BIG_DATA)
    place = sftp.place.model_copy(update={"connections": 4})
    sftp.link.toxic("bandwidth", rate=20_000)  # KB a second and connection, of four
    kills = landed = 0
    while kills <= 10:
        assert landed < 10
        drop = sftp.drop(f"{landed}")
        had, before = held(lake, BIG, REAL_PART), sftp.link.received()
        run = Run(land, drop, place, lake, f"run-{kills:08}")
        if run.ends(chance.uniform(0, 1.6) if kills < 10 else 60):
            assert isinstance(run.result(), Landed)
            assert had + sftp.link.received() - before <= BIG + SLACK
            assert listed(lake, drop.key) == {"big": BIG_DATA}
            landed += 1
            kills += kills == 10
            continue
        run.kill()
        kills += 1
        detour.heal()
        assert listed(lake, drop.key) in (None, {"big": BIG_DATA})
    assert landed
    assert_sent_once(detour)


@pytest.mark.parametrize("way", ["sftp", "http"])
def test_two_runs_at_once(request: pytest.FixtureRequest, lake: Lake, detour: Detour, way: str) -> None:
    """In two processes. Either lands what is right or says that the other one has; one of them does land."""
    outside: Outside = request.getfixturevalue(way)
    files = {"big": BIG_DATA[: 40 * MIB], "empty": b"", "small": b"small"}
    for name, data in files.items():
        outside.put(name, data)
    for turn in range(2):
        drop = outside.drop(f"{turn}")
        runs = [Run(land, drop, outside.place, lake, f"run-{turn}{number:07}") for number in range(2)]
        results = [run.result() for run in runs]
        assert listed(lake, drop.key) == files
        assert any(isinstance(result, Landed) for result in results), results
        assert all(isinstance(result, Landed | Conflict) for result in results), results
        found = manifest.read(lake, "acme", drop.key)
        assert found
        assert len(found[0].revisions) == 1
        assert not held(lake)


# ---- names


KEYS = (
    "/etc/passwd",
    "../../_manifest.json",
    "a//b",
    "a/./b",
    "..",
    ".",
    "/",
    "new\nline",
    "~",
    "%2e%2e/x",
    "数" * 300,
)
NAMES = ("with blank.csv", "ünïcödé 数据.csv", "new\nline.csv", "-rf", "x...", "100%.csv", "#one?two=3.csv", "数" * 80)


class Keys(Drive):
    """What a bucket may hold, and no server of ours does: files under any name at all. Theirs here are numbers."""

    _block_type_slug = "keys"

    @contextmanager
    def connect(self) -> Iterator[Any]:
        with super().connect() as remote:
            yield SimpleNamespace(
                list=lambda: [file.model_copy(update={"name": KEYS[int(file.name)]}) for file in remote.list()],
                open=lambda name: remote.open(str(KEYS.index(name))),
            )


def assert_below(lake: Lake, count: int) -> None:
    """All that is in the lake is the manifest of the drop and so many files of its first revision."""
    root = lake.path()
    found = {path.removeprefix(f"{root}/") for path in lake.fs().find(root)} - {".lock"}
    pattern = re.compile("landed/acme/2026-11/(_manifest.json|r1/[0-9a-f]{8}/[^/]+)")
    assert [path for path in found if not pattern.fullmatch(path)] == []
    assert len(found) == count + 1


def test_any_key_of_a_bucket_is_a_name(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for number, key in enumerate(KEYS):
        (tmp_path / "out" / str(number)).write_text(key)
    place = Keys(path=tmp_path / "out")
    drop = Outside(place, None, place.check).drop()
    completes(drop, place, lake, {key: key.encode() for key in KEYS})
    assert_below(lake, len(KEYS))


def test_odd_names(outside: Outside, lake: Lake) -> None:
    for name in NAMES:
        outside.put(name, name.encode())
    completes(outside.drop(), outside.place, lake, {name: name.encode() for name in NAMES})
    assert_below(lake, len(NAMES))


@pytest.mark.parametrize("way", ["sftp", "http", "drive"])
def test_a_name_that_leads_elsewhere_is_none(
    request: pytest.FixtureRequest, lake: Lake, tmp_path: Path, way: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "secret").write_text("ours")
    outside = (
        Outside(Drive(path=tmp_path / "out"), None, lambda name, data: (tmp_path / "out" / name).write_bytes(data))
        if way == "drive"
        else request.getfixturevalue(way)
    )
    outside.put("file", b"data")
    drop = outside.drop()
    for name in ("../secret", "/etc/passwd", "a/../../secret", "..", "", "a\0b", "gone"):
        bad = drop.model_copy(update={"files": (Offered(name=name, size=4),)})
        assert attempt(bad, outside.place, lake, NotThere), name
    completes(drop, outside.place, lake, {"file": b"data"})
    assert_below(lake, 1)
