"""`extract`: what lands in the folder, and that nothing half does."""

import gzip
import hashlib
import io
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import fsspec
import pytest
from pydantic import SecretStr

from blocks.pgp import PgpKey
from spark.errors import Damaged, Undecryptable, UnknownWrapping, Unsafe
from tasks.decompress import Extracted, extract
from tasks.gpg import decrypter
from tasks.local import keyring, known_passwords
from tests import servers
from tests.servers import GpgKey

CSV = b"id,name\n" + b"".join(b"%d,x\n" % i for i in range(50_000))


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def locked(data: bytes, home: Path) -> bytes:
    command = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback"]
    command += ["--passphrase", "word", "-z", "0", "-c"]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A GnuPG home without keys: the messages here are locked by a passphrase."""
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    yield home
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"], check=False)


SCENARIOS: list[tuple[str, bytes, dict[str, bytes]]] = [
    ("a.csv", CSV, {"a.csv": CSV}),
    ("a.csv.gz", gzip.compress(CSV), {"a.csv": CSV}),
    ("a.tar.gz", gzip.compress(tarred({"x/b.csv": CSV, "c": b""})), {"x/b.csv": CSV, "c": b""}),
    ("a.zip", zipped({"b.csv": CSV, "c.zip": zipped({"b.csv": b"2"})}), {"b.csv": CSV, "c.zip/b.csv": b"2"}),
    ("a.zip", zipped({"b.csv.gz": gzip.compress(CSV)}), {"b.csv": CSV}),
    ("a.zip.gz", gzip.compress(zipped({"b.csv": CSV})), {"b.csv": CSV}),
    ("a.zip", zipped({"a/b": b"1", "a/b/c": b"2"}), {"a/b": b"1", "a%2Fb%2Fc": b"2"}),
    ("a.zip", zipped({"a/b/c": b"2", "a/b": b"1"}), {"a/b/c": b"2", "a%2Fb": b"1"}),
    ("a.zip", zipped({}), {}),
]


@pytest.mark.parametrize(("name", "data", "files"), SCENARIOS)
def test_scenarios(tmp_path: Path, out: Path, name: str, data: bytes, files: dict[str, bytes]) -> None:
    (tmp_path / name).write_bytes(data)
    extracted = extract(tmp_path / name, out)
    assert contents(out) == files
    assert {e.path: (e.bytes, e.sha256) for e in extracted} == {
        path: (len(content), hashlib.sha256(content).hexdigest()) for path, content in files.items()
    }
    assert extract(tmp_path / name, out) == extracted  # again, over what is there
    assert contents(out) == files


def test_what_is_reported(out: Path) -> None:
    [extracted] = extract(io.BytesIO(gzip.compress(zipped({"b.csv": b"1"}))), out, name="a.zip.gz")
    assert extracted == Extracted(
        path="b.csv",
        bytes=1,
        sha256=hashlib.sha256(b"1").hexdigest(),
        wrappings=("gzip", "zip"),
        member="a.zip.gz/a.zip/b.csv",
    )
    assert Extracted.model_validate_json(extracted.model_dump_json()) == extracted


def test_onto_another_file_system() -> None:
    extracted = extract(io.BytesIO(zipped({"x/b.csv": CSV})), "memory://unwrapped/here", name="a.zip")
    fs = fsspec.filesystem("memory")
    assert [e.path for e in extracted] == ["x/b.csv"]
    assert fs.find("/unwrapped") == ["/unwrapped/here/x/b.csv"]
    assert fs.cat_file("/unwrapped/here/x/b.csv") == CSV


def test_a_message_inside_and_out(out: Path, home: Path) -> None:
    decrypt = decrypter(home, "word")
    message = locked(zipped({"b.csv": CSV}), home)
    [extracted] = extract(io.BytesIO(message), out, name="a.zip.pgp", decrypt=decrypt, expect=["pgp", "zip"])
    assert extracted.wrappings == ("pgp", "zip")
    assert contents(out) == {"b.csv": CSV}


@pytest.mark.parametrize("name", ["a.csv.pgp", "a.csv.zip"])
def test_a_passphrase_from_the_environment(
    out: Path, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """What `inlet unwrap` does without a key."""
    (tmp_path / "a.csv").write_bytes(CSV)
    if name.endswith("zip"):
        servers.require("zip", "zip is not installed")
        subprocess.run(["zip", "-q", "-P", "word", name, "a.csv"], cwd=tmp_path, check=True)
        message = (tmp_path / name).read_bytes()
    else:
        message = locked(CSV, home)
    for word in ("word", "wrong", None):
        monkeypatch.delenv("INLET_PASSPHRASE", raising=False)
        if word:
            monkeypatch.setenv("INLET_PASSPHRASE", word)
        expected = nullcontext() if word == "word" else pytest.raises(Undecryptable)
        with keyring(None) as decrypt, expected:
            extract(io.BytesIO(message), out, name=name, decrypt=decrypt, passwords=known_passwords())
        assert contents(out) == {"a.csv": CSV}


@pytest.mark.parametrize("signer", [None, "ours", "0" * 40])
def test_a_key_and_a_signer(
    out: Path, gpg_key: GpgKey, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, signer: str | None
) -> None:
    """The key has signed for itself."""
    (tmp_path / "key.asc").write_text(gpg_key.private_key)
    monkeypatch.setenv("INLET_PASSPHRASE", gpg_key.passphrase)
    with keyring(tmp_path / "key.asc", gpg_key.fingerprint if signer == "ours" else signer) as decrypt:
        block = PgpKey(private_key=SecretStr(gpg_key.private_key), passphrase=SecretStr(gpg_key.passphrase))
        with block.home() as home:
            command = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--trust-model", "always"]
            command += ["-s", "-u", gpg_key.fingerprint, "-r", gpg_key.fingerprint, "-e"]
            message = subprocess.run(command, input=CSV, capture_output=True, check=True).stdout
        refused = pytest.raises(Undecryptable, match="not signed by 0000") if signer == "0" * 40 else nullcontext()
        with refused:
            extract(io.BytesIO(message), out, name="a.csv.pgp", decrypt=decrypt)
    assert contents(out) == ({} if signer == "0" * 40 else {"a.csv": CSV})


def damaged_zip() -> bytes:
    """The second member's checksum is wrong."""
    archive = bytearray(zipped({"b.csv": CSV, "c.csv": CSV}))
    archive[archive.rindex(b"PK\1\2") + 16] ^= 1
    return bytes(archive)


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("a.zip", damaged_zip(), Damaged),
        ("a.tar", tarred({"b.csv": CSV, "../c": b"1"}), Unsafe),
        ("a.tar.gz", gzip.compress(tarred({"b.csv": CSV}))[:-1], Damaged),
        ("a.zip", zipped({"b.csv": CSV, "c.zip": b"no zip"}), UnknownWrapping),
        ("a.tar", tarred({"b.csv": CSV, "x" * 300: b""}), Unsafe),
    ],
)
def test_nothing_stays_of_what_fails(out: Path, name: str, data: bytes, error: type[Exception]) -> None:
    (out / "before").write_bytes(b"kept")
    with pytest.raises(error):
        extract(io.BytesIO(data), out, name=name)
    assert contents(out) == {"before": b"kept"}
    assert [path.name for path in out.iterdir()] == ["before"]


@pytest.mark.parametrize("inside", [CSV, tarred({"b.csv": CSV, "c.csv": CSV}), zipped({"b.csv": CSV})])
def test_nothing_stays_of_a_message_that_was_tampered_with(out: Path, home: Path, inside: bytes) -> None:
    message = bytearray(locked(inside, home))
    message[-10] ^= 1  # in the proof itself: all of the plaintext is right and comes out first
    with pytest.raises(Undecryptable, match="tampered"):
        extract(io.BytesIO(bytes(message)), out, name="a.pgp", decrypt=decrypter(home, "word"))
    assert list(out.iterdir()) == []
