"""SFTP against OpenSSH, and against a server of paramiko's that misbehaves in ways OpenSSH never does."""

import contextlib
import io
import os
import random
import resource
import socket
import stat
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paramiko
import pytest
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED
from paramiko.sftp import SFTP_FAILURE, SFTP_PERMISSION_DENIED
from paramiko.sftp_server import SFTPServer

from blocks.errors import (
    AccessDenied,
    Changed,
    HostKeyMismatch,
    Interrupted,
    Misconfigured,
    NotThere,
    PlaceError,
    Unreachable,
)
from blocks.place import RemoteFile, text_of
from blocks.sftp import REQUEST, WINDOW, SftpServer
from tests.servers import Sshd, free_port

NAMES = ["plain.csv", "with space.csv", "línea\nnueva.csv", "ünï/日本.csv", "..csv", "-rf", "%2e%2e", "😀"]


def block(sshd: Sshd, **changed: Any) -> SftpServer:
    given: dict[str, Any] = {
        "host": sshd.host,
        "port": sshd.port,
        "user": sshd.user,
        "private_key": sshd.private_key,
        "host_key": sshd.host_key,
    }
    return SftpServer.model_validate(given | changed)


@pytest.fixture
def folder(sshd: Sshd, tmp_path: Path) -> Path:
    """A new folder on the server; its name is relative to the login folder's."""
    made = sshd.folder / tmp_path.name
    made.mkdir()
    return made


def listed(place: SftpServer) -> dict[str, RemoteFile]:
    with place.connect() as remote:
        return {file.name: file for file in remote.list()}


def test_lists_files_with_size_and_utc_time(sshd: Sshd, folder: Path) -> None:
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "sub" / "deep" / "a.csv").write_bytes(b"1234")
    os.utime(folder / "sub" / "deep" / "a.csv", (0, 1_700_000_000))
    found = listed(block(sshd, root=folder.name))
    assert found == {
        "sub/deep/a.csv": RemoteFile(
            name="sub/deep/a.csv", size=4, mtime=datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
        )
    }
    assert listed(block(sshd, root=f"{folder}/")).keys() == {"sub/deep/a.csv"}
    assert f"{folder.name}/sub/deep/a.csv" in listed(block(sshd))


def test_any_name_is_listed_and_opened(sshd: Sshd, folder: Path) -> None:
    (folder / "ünï").mkdir()
    for name in NAMES:
        (folder / name).write_text(name)
    raw = b"latin-\xe9.csv"
    Path(os.fsdecode(os.fsencode(folder) + b"/" + raw)).write_text("raw")
    place = block(sshd, root=folder.name)
    assert listed(place).keys() == {*NAMES, text_of(raw)}
    with place.connect() as remote:
        for name in NAMES:
            assert remote.open(name).read().decode() == name
        assert remote.open(text_of(raw)).read() == b"raw"


def test_links_to_files_are_followed_and_links_to_folders_are_not(sshd: Sshd, folder: Path) -> None:
    (folder / "file").write_bytes(b"12345")
    (folder / "link").symlink_to("file")
    (folder / "loop").symlink_to(".")
    (folder / "dangling").symlink_to("nothing")
    os.mkfifo(folder / "pipe")
    assert {name: file.size for name, file in listed(block(sshd, root=folder.name)).items()} == {
        "file": 5,
        "link": 5,
    }


def test_names_that_lead_out_are_refused(sshd: Sshd, folder: Path) -> None:
    (folder / "sub").mkdir()
    with block(sshd, root=folder.name).connect() as remote:
        for name in ["../x", "/etc/passwd", "", "a//b", "sub/../sub", "a\0b", "sub", "missing"]:
            with pytest.raises(NotThere):
                remote.open(name)


def test_five_thousand_files_while_others_are_opened(sshd: Sshd, folder: Path) -> None:
    for number in range(5_000):
        (folder / f"{number}").write_text(str(number))
    with block(sshd, root=folder.name).connect() as remote:
        names = []
        for count, file in enumerate(remote.list()):
            names.append(file.name)
            if count % 500 == 0:
                assert remote.open(file.name).read().decode() == file.name
    assert sorted(names, key=int) == [str(number) for number in range(5_000)]


@pytest.fixture(scope="module")
def big(sshd: Sshd) -> Iterator[tuple[str, bytes]]:
    """A file of four windows and a bit."""
    data = random.Random(1).randbytes(4 * WINDOW + 12_345)
    (sshd.folder / "big").write_bytes(data)
    yield "big", data
    (sshd.folder / "big").unlink()


@pytest.mark.parametrize("size", [-1, 1_000, 64 << 10, REQUEST, REQUEST + 1, 3 << 20, 2 * WINDOW + 7])
def test_reads_are_whole_whatever_their_size(sshd: Sshd, big: tuple[str, bytes], size: int) -> None:
    name, data = big
    with block(sshd).connect() as remote, remote.open(name) as stream:
        assert b"".join(iter(lambda: stream.read(size), b"")) == data


def test_random_reads(sshd: Sshd, big: tuple[str, bytes]) -> None:
    name, data = big
    dice = random.Random(2)
    with block(sshd).connect() as remote, remote.open(name) as one, remote.open(name) as two:
        for _ in range(300):
            stream = dice.choice([one, two])
            if dice.random() < 0.6:
                at = dice.randrange(len(data) + 100)
                assert stream.seek(at) == at
            at, length = stream.tell(), int(10 ** (dice.random() * 6))
            assert stream.read(length) == data[at : at + length]
        assert one.seek(-5, io.SEEK_END) == len(data) - 5
        assert one.read() == data[-5:]
        assert one.read() == b""


def test_a_zip_is_read_by_few_requests(sshd: Sshd, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        for number in range(50):
            archive.writestr(str(number), random.Random(number).randbytes(200_000))
    asked = []
    send = paramiko.SFTPClient._async_request  # type: ignore[attr-defined]

    def count(client: object, *given: object) -> object:
        asked.append(given)
        return send(client, *given)

    with block(sshd, root=folder.name).connect() as remote, remote.open("a.zip") as stream:
        monkeypatch.setattr(paramiko.SFTPClient, "_async_request", count)
        archive = zipfile.ZipFile(stream)
        assert len(asked) <= 3
        assert archive.read("25") == random.Random(25).randbytes(200_000)
        assert len(asked) <= 8


def test_memory_is_bounded(sshd: Sshd, folder: Path) -> None:
    with (folder / "sparse").open("wb") as stream:
        stream.truncate(600 << 20)  # beyond 512 MiB, where paramiko changes its keys under way
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with block(sshd, root=folder.name).connect() as remote, remote.open("sparse") as file:
        assert sum(len(data) for data in iter(lambda: file.read(1 << 20), b"")) == 600 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


def test_a_file_that_shrinks_is_changed(sshd: Sshd, folder: Path) -> None:
    (folder / "a").write_bytes(bytes(3 * WINDOW))
    with block(sshd, root=folder.name).connect() as remote, remote.open("a") as stream:
        stream.read(1 << 20)
        os.truncate(folder / "a", 2 * WINDOW)
        with pytest.raises(Changed):
            stream.read()


def test_several_connections_at_once(sshd: Sshd, big: tuple[str, bytes]) -> None:
    name, data = big
    with block(sshd).connect() as one, block(sshd).connect() as two:
        assert one.open(name).read(1000) == two.open(name).read(1000) == data[:1000]


def keygen(*arguments: str) -> None:
    subprocess.run(["ssh-keygen", "-q", *arguments], check=True)


def test_a_wrong_host_key_shows_both_fingerprints(sshd: Sshd, tmp_path: Path) -> None:
    keygen("-t", "ed25519", "-N", "", "-f", str(tmp_path / "other"))
    with pytest.raises(HostKeyMismatch) as caught:
        block(sshd, host_key=(tmp_path / "other.pub").read_text()).check()
    assert str(caught.value).count("SHA256:") == 2
    assert not caught.value.retryable


def test_a_host_key_may_be_given_in_several_ways(sshd: Sshd, tmp_path: Path) -> None:
    keygen("-t", "rsa", "-N", "", "-f", str(tmp_path / "old"))
    key = sshd.host_key
    for given in [
        key,
        f"[{sshd.host}]:{sshd.port} {key} comment",
        f"# a comment\n{(tmp_path / 'old.pub').read_text()}\n{key}\n",
        key.split()[1],
    ]:
        block(sshd, host_key=given).check()


@pytest.mark.parametrize(
    "given", ["", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-ed25519 AAAA!", "@revoked * ssh-ed25519 AAAA"]
)
def test_a_host_key_that_is_none(sshd: Sshd, given: str) -> None:
    with pytest.raises(Misconfigured, match="host key"):
        block(sshd, host_key=given).check()


def test_a_refused_key_is_access_denied(sshd: Sshd, tmp_path: Path) -> None:
    keygen("-t", "ed25519", "-N", "", "-f", str(tmp_path / "other"))
    with pytest.raises(AccessDenied):
        block(sshd, private_key=(tmp_path / "other").read_text()).check()


def test_a_wrong_password_is_access_denied(sshd: Sshd) -> None:
    with pytest.raises(AccessDenied) as caught:
        block(sshd, private_key=None, password="sesame").check()
    assert "sesame" not in str(caught.value)


def test_keys_with_and_without_passphrase(sshd: Sshd, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(sshd.private_key)
    path.chmod(0o600)
    keygen("-p", "-f", str(path), "-N", "horse")
    under = path.read_text()
    block(sshd, private_key=under, passphrase="horse").check()
    block(sshd, private_key=sshd.private_key.strip().replace("\n", "\r\n"), passphrase="superfluous").check()
    for passphrase, words in [(None, "needs its passphrase"), ("wrong", "passphrase is wrong")]:
        with pytest.raises(Misconfigured, match=words):
            block(sshd, private_key=under, passphrase=passphrase).check()
    for kind in (["rsa", "-b", "2048"], ["rsa", "-m", "PEM"], ["ecdsa"], ["ecdsa", "-m", "PEM"]):
        path.unlink()
        keygen("-t", *kind, "-N", "horse", "-f", str(path))
        with pytest.raises(AccessDenied):  # it is read, and the server does not know it
            block(sshd, private_key=path.read_text(), passphrase="horse").check()


def test_no_key_and_no_password_is_misconfigured(sshd: Sshd) -> None:
    with pytest.raises(Misconfigured, match="neither"):
        block(sshd, private_key=None).check()


def test_a_missing_root_is_not_there(sshd: Sshd) -> None:
    with pytest.raises(NotThere, match="missing/folder"):
        block(sshd, root="missing/folder").check()


def test_a_server_that_is_down_is_unreachable(sshd: Sshd) -> None:
    with pytest.raises(Unreachable) as caught:
        block(sshd, port=free_port()).check()
    assert caught.value.retryable
    with pytest.raises(Unreachable):
        block(sshd, host="no-such-host.invalid").check()


def test_a_server_that_says_nothing_is_unreachable(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(Unreachable):
        block(sshd, port=mute.getsockname()[1], timeout=0.5).check()


# --- A server that misbehaves -----------------------------------------------------------------------------


class Manners(paramiko.ServerInterface):
    """Lets in user `inlet` with password `sesame`, and remembers what it was told."""

    def __init__(self, told: list[str]) -> None:
        self.told = told

    def check_auth_password(self, username: str, password: str) -> int:
        self.told.append(password)
        return AUTH_SUCCESSFUL if password == "sesame" else AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED


class Files(paramiko.SFTPServerInterface):
    """`data` is 3 MB of which 32 KiB come at a time; `evil` lists a way out; `stuck` never answers."""

    def __init__(self, server: Any, hung: threading.Event) -> None:
        super().__init__(server)
        self.hung = hung

    def list_folder(self, path: str) -> Any:
        if path == "denied":
            return SFTP_PERMISSION_DENIED
        file = paramiko.SFTPAttributes()
        file.filename, file.st_mode, file.st_size = "data", stat.S_IFREG, len(DATA)
        if path == "evil":
            file.filename = "../../etc/passwd"
        if path == "bare":  # no attributes: they are asked for
            file.st_mode = file.st_size = None
        return [file]

    def stat(self, path: str) -> Any:
        found = paramiko.SFTPAttributes()
        found.st_mode, found.st_size, found.st_mtime, found.st_atime = stat.S_IFREG, len(DATA), 0, 0
        return found

    def open(self, path: str, flags: int, attr: Any) -> Any:
        return Handle(path, self.hung)


class Handle(paramiko.SFTPHandle):
    def __init__(self, path: str, hung: threading.Event) -> None:
        super().__init__()
        self.path = path
        self.hung = hung

    def stat(self) -> Any:
        return Files.stat(None, self.path)  # type: ignore[arg-type]

    def read(self, offset: int, length: int) -> Any:
        if offset > 1 << 20 and self.path.endswith("stuck"):
            self.hung.wait(20)
        if offset > 1 << 20 and self.path.endswith("sick"):
            return SFTP_FAILURE
        return DATA[offset : offset + min(length, 32 << 10)]


DATA = random.Random(3).randbytes(3_000_000)


class Rude:
    """A paramiko server on a port of its own."""

    def __init__(self) -> None:
        self.key = paramiko.ECDSAKey.generate()
        self.told: list[str] = []
        self.hung = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.transports: list[paramiko.Transport] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(sock)
            transport.add_server_key(self.key)
            transport.set_subsystem_handler("sftp", SFTPServer, Files, self.hung)
            self.transports.append(transport)
            with contextlib.suppress(paramiko.SSHException, EOFError, OSError):  # the client has gone away
                transport.start_server(server=Manners(self.told))

    def block(self, **changed: Any) -> SftpServer:
        given = {
            "host": "127.0.0.1",
            "port": self.listener.getsockname()[1],
            "user": "inlet",
            "password": "sesame",
            "host_key": f"{self.key.get_name()} {self.key.get_base64()}",
        }
        return SftpServer.model_validate(given | changed)


@pytest.fixture
def rude() -> Iterator[Rude]:
    server = Rude()
    yield server
    server.hung.set()
    server.listener.close()
    for transport in server.transports:
        transport.close()


def test_a_password_lets_in(rude: Rude) -> None:
    assert list(listed(rude.block())) == ["data"]
    assert rude.told == ["sesame"]


def test_no_password_is_sent_to_a_server_with_another_key(rude: Rude, sshd: Sshd) -> None:
    with pytest.raises(HostKeyMismatch):
        rude.block(host_key=sshd.host_key).check()
    assert rude.told == []


def test_a_password_is_tried_once(rude: Rude) -> None:
    with pytest.raises(AccessDenied):
        rude.block(password="guess").check()
    assert rude.told == ["guess"]  # a second try would bring us nearer to being locked out


def test_short_answers_are_completed(rude: Rude) -> None:
    with rude.block().connect() as remote, remote.open("data") as stream:
        assert stream.read() == DATA
        stream.seek(1234)
        assert stream.read(500_000) == DATA[1234:501_234]


def test_a_name_that_leads_out_is_an_error(rude: Rude) -> None:
    with pytest.raises(PlaceError, match="no file can be called"):
        listed(rude.block(root="evil"))


def test_a_refused_folder_is_access_denied(rude: Rude) -> None:
    with pytest.raises(AccessDenied):
        listed(rude.block(root="denied"))


def test_missing_attributes_are_asked_for(rude: Rude) -> None:
    assert listed(rude.block(root="bare"))["data"].size == len(DATA)


def test_a_server_that_stops_answering_is_interrupted(rude: Rude) -> None:
    with rude.block(timeout=1).connect() as remote, remote.open("stuck") as stream, pytest.raises(Interrupted):
        stream.read()


def test_a_read_that_fails_is_interrupted(rude: Rude) -> None:
    with rude.block().connect() as remote, remote.open("sick") as stream, pytest.raises(Interrupted):
        stream.read()


def test_a_connection_that_breaks_is_interrupted(rude: Rude) -> None:
    with rude.block().connect() as remote, remote.open("data") as stream:
        stream.read(10)
        rude.transports[0].close()
        with pytest.raises(Interrupted) as caught:
            stream.read()
        assert caught.value.retryable
        with pytest.raises(Interrupted):
            list(remote.list())
