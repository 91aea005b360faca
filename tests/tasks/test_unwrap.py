"""From Landed to parts: every record in its place whatever the wrapping, and nothing left of what is not proved."""

import bz2
import gzip
import hashlib
import io
import os
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import fsspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from prefect import flow
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr, ValidationError

from blocks.errors import NotThere
from blocks.lake import Lake
from blocks.pgp import PgpKey
from spark.errors import Damaged, Undecryptable, UnexpectedMember, UnknownWrapping, Unsafe
from spark.parts import Part, StagedFile
from spark.readers import Csv, Excel, Sas
from tasks import staging
from tasks.decompress import decompress
from tasks.decrypt import decrypt
from tasks.gpg import Decrypt, decrypter
from tasks.manifest import LandedFile
from tasks.opened import Opened
from tasks.run import Run, running
from tasks.source import Dataset, Delivery, Drop, Offered, Source
from tasks.spool import read_ahead
from tasks.transfer import Landed
from tasks.unwrap import Parts, clean, stage, sweep, unwrap
from tasks.wrappings import Bounds
from tests.servers import GpgKey

HEADER = b'"id","note"\n'
RECORDS = [b'"%d","line one of %d\nline ""two"""\n' % (i, i) for i in range(20_000)]
CSV = HEADER + b"".join(RECORDS)
PARTY = Source(
    slug="party",
    at="party",
    deliveries=(Delivery(kind="full", names=r"(?P<dataset>claims|members)_(?P<date>\d{8})\..*", dated="%Y%m%d"),),
    datasets={
        "claims": Dataset(members=r".*claims\.csv", reader=Csv()),
        "members": Dataset(reader=Csv()),
        "sheet": Dataset(members=r".*\.xlsx", reader=Excel()),
    },
    ignores=(r".*\.pdf", "MD5SUMS"),
    phi="no",
)


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


class Party:
    """Who locks messages for a key, as a party does with nothing but its public half."""

    def __init__(self, key: GpgKey, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        self._gpg = ["gpg", "--homedir", str(folder), "--batch", "--no-tty", "--quiet", "--trust-model", "always"]
        self._to = key.fingerprint
        subprocess.run([*self._gpg, "--import"], input=key.public_key.encode(), check=True)

    def lock(self, data: bytes, *options: str) -> bytes:
        command = [*self._gpg, *options, "--recipient", self._to, "--encrypt"]
        return subprocess.run(command, input=data, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def party(gpg_key: GpgKey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Party]:
    folder = tmp_path_factory.mktemp("party") / "home"
    yield Party(gpg_key, folder)
    subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], check=False)


@pytest.fixture(scope="module")
def key(gpg_key: GpgKey) -> PgpKey:
    return PgpKey(private_key=SecretStr(gpg_key.private_key), passphrase=SecretStr(gpg_key.passphrase))


@pytest.fixture(scope="module")
def opener(key: PgpKey) -> Iterator[Decrypt]:
    with key.home() as home:
        yield decrypter(home)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "PART", 300_000)
    monkeypatch.setattr(staging, "PIECE", 70_000)


def landed(lake: Lake, files: dict[str, bytes]) -> Landed:
    """A drop of these files, in the lake."""
    kept = []
    for name, data in files.items():
        path = f"landed/party/2026-11/r1/{name}"
        lake.fs().pipe_file(lake.path(*path.split("/")), data)
        sha256 = hashlib.sha256(data).hexdigest()
        kept.append(LandedFile(name=name, path=path, size=len(data), mtime=None, sha256=sha256))
    offered = tuple(Offered(name=name, size=len(data), mtime=None) for name, data in files.items())
    as_of = datetime(2026, 11, 1, tzinfo=UTC)
    drop = Drop(source="party", key="2026-11", as_of=as_of, kind="full", revision=1, files=offered)
    return Landed(drop=drop, files=tuple(kept))


def staged(lake: Lake) -> list[str]:
    """Every object that is staged, whoever staged it."""
    root = lake.path("staged")
    found = lake.fs().find(root, detail=True).values() if lake.fs().exists(root) else ()
    return sorted(info["name"] for info in found if info["type"] == "file")


def plaintext(fs: fsspec.AbstractFileSystem, part: Part) -> bytes:
    """As `convert` reads a part."""
    data = zstandard.ZstdDecompressor().decompress(fs.cat_file(part.path), max_output_size=max(part.bytes, 1))
    assert len(data) == part.bytes
    return data


def records(fs: fsspec.AbstractFileSystem, file: StagedFile, csv: bytes = CSV) -> bytes:
    """What a file's parts hold together, each of them where it says it is."""
    assert file.columns == ("id", "note")
    offset, first = len(HEADER), 1
    for part in file.parts:
        data = plaintext(fs, part)
        assert (part.offset, part.first_record) == (offset, first)
        assert csv[offset : offset + part.bytes] == data
        assert part.records == data.count(b'"""\n')
        offset, first = offset + part.bytes, first + part.records
    assert offset == len(csv)
    return csv[len(HEADER) :]


TWO = zipped({"a/claims.csv": CSV, "b/claims.csv": CSV, "read.pdf": b"%"})
WRAPPED = [
    ("claims.csv", CSV, ("claims.csv",)),
    ("claims.csv.gz", gzip.compress(CSV), ("claims.csv.gz/claims.csv",)),
    ("claims.csv.bz2", bz2.compress(CSV), ("claims.csv.bz2/claims.csv",)),
    ("claims.csv.zst", zstandard.compress(CSV), ("claims.csv.zst/claims.csv",)),
    ("x.zip", TWO, ("x.zip/a/claims.csv", "x.zip/b/claims.csv")),
    ("x.zip.gz", gzip.compress(TWO), ("x.zip.gz/x.zip/a/claims.csv", "x.zip.gz/x.zip/b/claims.csv")),
]


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(("name", "data", "found"), WRAPPED, ids=[name for name, _, _ in WRAPPED])
def test_every_record_is_in_its_place(lake: Lake, name: str, data: bytes, found: tuple[str, ...]) -> None:
    parts = stage(landed(lake, {name: data}), PARTY, lake, "run")
    assert parts.keys() == {"claims"}
    assert tuple(file.file for file in parts["claims"]) == found
    for file in parts["claims"]:
        assert len(file.parts) == 3
        assert all(part.bytes <= staging.PART for part in file.parts)
        assert records(lake.fs(), file)
    written = [part.path for file in parts["claims"] for part in file.parts]
    assert staged(lake) == sorted(written)  # a zip that was staged to be sought in is gone
    assert all("/staged/party/2026-11/run/" in path for path in written)
    clean(lake, landed(lake, {}).drop, "run")
    assert staged(lake) == []


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    ("inner", "options"), [("claims.csv", ()), ("claims.csv.gz", ("--armor",)), ("x.zip", ("-z", "0"))]
)
def test_messages(lake: Lake, party: Party, opener: Decrypt, inner: str, options: tuple[str, ...]) -> None:
    data = {"claims.csv": CSV, "claims.csv.gz": gzip.compress(CSV), "x.zip": zipped({"claims.csv": CSV})}[inner]
    parts = stage(landed(lake, {f"{inner}.pgp": party.lock(data, *options)}), PARTY, lake, "run", decrypt=opener)
    [file] = parts["claims"]
    assert records(lake.fs(), file)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("inner", ["claims.csv", "claims.csv.gz", "x.zip"])
def test_nothing_is_listed_and_nothing_stays_of_a_message_that_is_not_proved(
    lake: Lake, party: Party, opener: Decrypt, monkeypatch: pytest.MonkeyPatch, inner: str
) -> None:
    csv = CSV * 10  # more than buffers hold
    data = {"claims.csv": csv, "claims.csv.gz": gzip.compress(csv, 0), "x.zip": zipped({"claims.csv": csv})}[inner]
    message = bytearray(party.lock(data, "-z", "0"))
    message[-10] ^= 1  # in the proof itself: all of the plaintext is right and comes out first
    written: list[str] = []
    write = staging._Draft.write

    def spy(draft: staging._Draft, fs: fsspec.AbstractFileSystem, path: str) -> Part:
        written.append(path)
        return write(draft, fs, path)

    monkeypatch.setattr(staging._Draft, "write", spy)
    files = {"a.zip": zipped({"claims.csv": CSV}), f"{inner}.pgp": bytes(message), "b.zip": zipped({"claims.csv": CSV})}
    with pytest.raises(Undecryptable, match=rf"{inner}\.pgp: .*tampered"):
        stage(landed(lake, files), PARTY, lake, "run", decrypt=opener)
    assert inner == "x.zip" or any("-000001-" in path for path in written)  # its plaintext was on its way
    assert staged(lake) == []
    with pytest.raises(Undecryptable, match="no key was given"):
        stage(landed(lake, {f"{inner}.pgp": bytes(message)}), PARTY, lake, "run")


def test_files_of_several_datasets_keep_their_order(local_lake: Lake, realdata: Path) -> None:
    sheet = next(realdata.glob("sources/**/*.xlsx")).read_bytes()
    files = {f"members_202611{day:02}.csv": HEADER + b"".join(RECORDS[:day]) for day in range(1, 20)}
    files |= {"x.zip": zipped({"claims.csv": CSV, "one.xlsx": sheet, "read.pdf": b"%PDF"}), "MD5SUMS": b"0"}
    parts = stage(landed(local_lake, files), PARTY, local_lake, "run")
    assert [file.file for file in parts["members"]] == list(files)[:19]
    assert [[part.records for part in file.parts] for file in parts["members"]] == [[day] for day in range(1, 20)]
    assert [file.file for file in parts["claims"]] == ["x.zip/claims.csv"]
    [workbook] = parts["sheet"]
    assert [local_lake.fs().cat_file(part.path) for part in workbook.parts] == [sheet]  # whole, as it is sought in


@pytest.mark.parametrize(
    ("files", "error", "words"),
    [
        ({"x.zip": zipped({"other.csv": CSV})}, UnexpectedMember, r"party 2026-11: x\.zip/other\.csv"),
        ({"claims.csv.gz": gzip.compress(CSV)[:-9]}, Damaged, r"claims\.csv\.gz \(gzip\): .*byte"),
        ({"claims.csv.gz": gzip.compress(CSV) + b"x"}, Damaged, r"claims\.csv\.gz \(gzip\): .*after its end"),
        ({"claims.csv.gz": CSV}, UnknownWrapping, "its name says gzip"),
        ({"claims.csv.gz": gzip.compress(gzip.compress(CSV))}, UnknownWrapping, "expected are gzip"),
        ({"claims.csv": CSV}, UnknownWrapping, "wrappings found are none; expected are gzip"),
    ],
)
def test_what_is_wrong_leaves_nothing(
    local_lake: Lake, files: dict[str, bytes], error: type[Exception], words: str
) -> None:
    expect = None if error is UnexpectedMember else ["gzip"]
    good = {f"{n}.csv.gz": gzip.compress(CSV) for n in ("0claims", "1claims")}
    with pytest.raises(error, match=words):
        stage(landed(local_lake, good | files), PARTY, local_lake, "run", expect)
    assert staged(local_lake) == []


def test_bounds_are_the_sources(local_lake: Lake) -> None:
    drop = landed(local_lake, {"claims.csv.gz": gzip.compress(CSV)})
    tight = PARTY.model_copy(update={"bounds": Bounds(free=10, ratio=2)})
    with pytest.raises(Unsafe, match="more than 2 times"):
        stage(drop, tight, local_lake, "run")


def test_a_file_that_is_gone(lake: Lake) -> None:
    drop = landed(lake, {"claims.csv": CSV})
    lake.fs().rm(lake.path("landed"), recursive=True)
    with pytest.raises(NotThere):
        stage(drop, PARTY, lake, "run")


def test_the_first_file_that_fails_stops_the_others(local_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left to read of them is not read."""
    monkeypatch.setattr(staging, "PIECE", 1000)
    monkeypatch.setattr("tasks.unwrap.cores", lambda: 2)
    failed = threading.Event()
    cut, taken = Csv.cut, []

    def slow(reader: Csv, stream: BinaryIO, size: int) -> Iterator[object]:
        for number, piece in enumerate(cut(reader, stream, size)):
            if number == 5:
                assert failed.wait(30)
                time.sleep(0.5)  # until the caller has heard of it
            taken.append(piece)
            yield piece

    class Fails(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            failed.set()
            return super().read(size)

    monkeypatch.setattr(Csv, "cut", slow)
    opened = staging.open_file
    monkeypatch.setattr(
        staging, "open_file", lambda fs, path: Fails(b"\x1f\x8b\x08") if path.endswith("gz") else opened(fs, path)
    )
    with pytest.raises(Damaged):
        stage(landed(local_lake, {"claims.csv": CSV, "z.csv.gz": b""}), PARTY, local_lake, "run")
    assert len(taken) < 10


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b"").replace(b'"', b""))),
    piece=st.integers(1, 200),
    part=st.integers(1, 400),
    threads=st.integers(1, 3),
)
def test_parts_together_are_the_file(lines: list[bytes], piece: int, part: int, threads: int) -> None:
    csv = b"id\n" + b"".join(b'"%s"\n' % line for line in lines)
    fs = fsspec.filesystem("memory")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staging, "PIECE", piece)
        patch.setattr(staging, "PART", part)
        file = staging.cut(io.BytesIO(csv), "x.csv", Csv(), fs, "/hypothesis/x", threads)
    assert b"".join(plaintext(fs, p) for p in file.parts) == csv[3:]
    offset, first = 3, 1
    for p in file.parts:
        assert (p.offset, p.first_record, p.records) == (offset, first, plaintext(fs, p).count(b"\n"))
        offset, first = offset + p.bytes, first + (p.records or 0)
    assert first == len(lines) + 1


def test_what_cannot_be_cut_is_staged_whole_as_it_is(lake: Lake, realdata: Path) -> None:
    """As SAS, which its reader seeks in."""
    data = next(realdata.glob("sas/**/*.sas7bdat")).read_bytes()
    fs, folder = lake.fs(), lake.path("staged", "party", "2026-11", "run")
    path = landed(lake, {"x.zip": zipped({"x.sas7bdat": data})}).files[0].path
    stage_ = staging.Stage(fs, folder, lambda file, member: staging.Choice("x", Sas()), cores=2)
    [(_, file)] = stage_.files([staging.Wrapped(lake.path(*path.split("/")), ("x.zip",))])
    [part] = file.parts
    assert file == StagedFile(file="x.zip/x.sas7bdat", columns=(), parts=(part,))
    assert part == Part(path=part.path, offset=0, first_record=1, records=None, bytes=len(data))
    with fs.open(part.path, "rb") as staged_:
        assert staged_.read() == data
        staged_.seek(0)
        assert Sas().describe(staged_).rows >= 0


def test_what_killed_runs_staged_goes_after_a_day(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    drop = landed(lake, {"claims.csv": CSV})
    for run in ("killed", "lives"):
        stage(drop, PARTY, lake, run)
    assert len(staged(lake)) == 2
    sweep(lake, PARTY)
    assert len(staged(lake)) == 2
    sweep(lake, PARTY, older_than=timedelta(seconds=-1))
    assert staged(lake) == []
    assert lake.fs().find(lake.path("landed"))


@pytest.fixture
def keyed(prefect_server: object, key: PgpKey, gpg_key: GpgKey) -> Iterator[Source]:
    """A source whose key is a block on a server."""
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):  # type: ignore[attr-defined]
        key.save("party-key", overwrite=True)
        yield PARTY.model_copy(update={"pgp_key": "party-key"})


def test_one_wrapping_after_the_other_or_all_in_one_pass(local_lake: Lake, party: Party, keyed: Source) -> None:
    files = {
        "x.zip.pgp": party.lock(zipped({"a/claims.csv": CSV, "read.pdf": b"%"})),
        "members_20261101.csv.gz.pgp": party.lock(gzip.compress(CSV)),
    }
    drop = landed(local_lake, files)

    @flow
    def one_by_one() -> tuple[Opened, Opened, Parts]:
        decrypted = decrypt(drop)
        decompressed = decompress(decrypted, expect=None)
        return decrypted, decompressed, unwrap(decompressed, expect=[])

    @flow
    def at_once() -> Parts:
        return unwrap(drop)

    with running(Run(source=keyed, lake=local_lake, id="steps")):
        decrypted, decompressed, steps = one_by_one()
    with running(Run(source=keyed, lake=local_lake, id="once")):
        once = at_once()

    assert [file.names[1:] for file in decrypted.files] == [("x.zip",), ("members_20261101.csv.gz",)]
    assert [file.name for file in decompressed.files] == [
        "x.zip.pgp/x.zip/a/claims.csv",
        "members_20261101.csv.gz.pgp/members_20261101.csv.gz/members_20261101.csv",
    ]
    assert {file.sha256 for file in decompressed.files} == {hashlib.sha256(CSV).hexdigest()}
    assert steps.datasets.keys() == once.datasets.keys() == {"claims", "members"}
    for dataset, files_ in once.datasets.items():
        assert [file.file for file in files_] == [file.file for file in steps.datasets[dataset]]
        for file in (*files_, *steps.datasets[dataset]):
            assert records(local_lake.fs(), file)
    for run in ("steps", "once"):
        clean(local_lake, drop.drop, run)
    assert staged(local_lake) == []


def test_a_source_that_wants_a_signature(local_lake: Lake, party: Party, keyed: Source, gpg_key: GpgKey) -> None:
    signed = keyed.model_copy(update={"pgp_signer": gpg_key.fingerprint})
    drop = landed(local_lake, {"claims.csv.pgp": party.lock(CSV)})
    for task in (decrypt.fn, unwrap.fn):
        with (
            running(Run(source=signed, lake=local_lake, id="run")),
            pytest.raises(Undecryptable, match=f"not signed by {gpg_key.fingerprint}"),
        ):
            task(drop)
    assert staged(local_lake) == []
    for wrong in ({"pgp_signer": "x"}, {"pgp_signer": gpg_key.fingerprint, "pgp_key": None}):
        with pytest.raises(ValidationError):
            Source.model_validate({**PARTY.model_dump(), **wrong})


class Broken(io.BytesIO):
    """Fails after so many bytes."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= 5 << 20:
            raise Damaged("the party's file")
        return super().read(size)


def test_what_is_read_ahead_is_the_same_and_fails_at_the_same_place() -> None:
    data = os.urandom(10 << 20)
    with read_ahead(io.BytesIO(data)) as ahead:
        assert ahead.read(10) + ahead.read() + ahead.read() == data
    with read_ahead(Broken(data)) as ahead:
        assert ahead.read(4 << 20) == data[: 4 << 20]
        for _ in range(2):  # again and again, and never the end
            with pytest.raises(Damaged):
                ahead.read()
    source = io.BytesIO(data * 3)
    with read_ahead(source) as ahead:
        ahead.read(1)
    time.sleep(0.1)
    assert source.tell() <= 8 << 20  # and nothing reads on
    assert not [thread for thread in threading.enumerate() if thread.name == "read-ahead"]


def test_a_file_that_two_datasets_read_is_staged_for_each(lake: Lake, tmp_path: Path) -> None:
    """As one XML file with articles and, behind them, what is deleted; beside a file that one dataset reads."""
    reader, by_pipe = Csv(), Csv(delimiter="|")
    twice = PARTY.model_copy(
        update={
            "datasets": {
                "claims": Dataset(members=r"(claims|both)\.csv", reader=reader),
                "lines": Dataset(members=r"both\.csv", reader=by_pipe),
            }
        }
    )
    drop = landed(lake, {"claims_20260101.zip": zipped({"claims.csv": b"a,b\n1,2\n", "both.csv": b"a|b\n3|4\n5|6\n"})})
    staged = stage(drop, twice, lake, "run")
    assert [(f.file.rpartition("/")[2], f.columns) for f in staged["claims"]] == [
        ("claims.csv", ("a", "b")),
        ("both.csv", ("a|b",)),
    ]
    (lines,) = staged["lines"]
    assert (lines.file.rpartition("/")[2], lines.columns, lines.parts[0].records) == ("both.csv", ("a", "b"), 2)
    paths = [part.path for files in staged.values() for file in files for part in file.parts]
    assert len(set(paths)) == 3
    assert all(lake.fs().exists(path) for path in paths)


def test_an_empty_zip_inside_pgp_is_empty_and_not_damaged(lake: Lake, party: Party, opener: Decrypt) -> None:
    message = landed(lake, {"claims_20261101.zip.pgp": party.lock(zipped({}))})
    assert stage(message, PARTY, lake, "run-00000001", ["pgp", "zip"], opener) == {}
