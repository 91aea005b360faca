"""SFTP against OpenSSH, and against a server of paramiko's that misbehaves in ways OpenSSH never does."""

import contextlib
import dataclasses
import io
import json
import os
import random
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paramiko
import psutil
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
from blocks.ssh import openssh_is_here
from tests import servers
from tests.servers import Sshd, answers, free_port, require, running

NAMES = ["plain.csv", "with space.csv", "línea\nnueva.csv", "ünï/日本.csv", "..csv", "-rf", "%2e%2e", "😀"]


@pytest.fixture(params=["openssh", "paramiko"], autouse=True)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test runs over both, chosen as it is for users: by whether there is an `ssh`."""
    name: str = request.param
    if name == "openssh":
        require("ssh", "OpenSSH's client is not installed")
    monkeypatch.setattr("blocks.sftp.openssh_is_here", lambda: name == "openssh")
    return name


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


def test_sixteen_threads_connect_at_once(sshd: Sshd, other: Sshd, big: tuple[str, bytes]) -> None:
    name, data = big

    def read(number: int) -> bytes:
        place = block(sshd, jump=jump(other) if number % 2 else None)
        with place.connect() as remote, remote.open(name) as stream:
            stream.seek(number << 20)
            return stream.read(1 << 20)

    with ThreadPoolExecutor(16) as pool:
        for number, found in enumerate(pool.map(read, range(16))):
            assert found == data[number << 20 : (number + 1) << 20]


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

    def __init__(self, told: list[str], allowed: str) -> None:
        self.told = told
        self.allowed = allowed

    def check_auth_password(self, username: str, password: str) -> int:
        self.told.append(password)
        return AUTH_SUCCESSFUL if password == "sesame" else AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return self.allowed

    def check_auth_interactive(self, username: str, submethods: str) -> Any:
        return paramiko.server.InteractiveQuery("", "", ("Password: ", False))

    def check_auth_interactive_response(self, responses: Any) -> int:
        return self.check_auth_password("", responses[0])

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
        self.allowed = "password"
        self.hung = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
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
                transport.start_server(server=Manners(self.told, self.allowed))

    def block(self, **changed: Any) -> SftpServer:
        given = {
            "host": "127.0.0.1",
            "port": self.port,
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
    server.listener.shutdown(socket.SHUT_RDWR)  # or its thread would wait on, and could take the next one's for its own
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


# --- Keys, jump hosts, old servers ------------------------------------------------------------------------


def test_by_default_openssh_carries_the_bytes(sshd: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    require("ssh", "OpenSSH's client is not installed")
    assert openssh_is_here()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not openssh_is_here()
    block(sshd).check()
    with pytest.raises(Misconfigured, match="cannot be used where this runs"):
        block(sshd, transport="openssh").check()


@pytest.mark.parametrize("kind", [["ed25519"], ["rsa", "-b", "2048"], ["rsa", "-m", "PEM"], ["ecdsa"]])
@pytest.mark.parametrize("passphrase", ["", "horse"])
def test_each_type_of_key_lets_in(other: Sshd, kind: list[str], passphrase: str, tmp_path: Path) -> None:
    keygen("-t", *kind, "-N", passphrase, "-f", str(tmp_path / "key"))
    allowed = other.log.parent / "user.pub"
    before = allowed.read_text()
    try:
        allowed.write_text((tmp_path / "key.pub").read_text())
        key = (tmp_path / "key").read_text()
        block(other, private_key=key, passphrase=passphrase).check()
    finally:
        allowed.write_text(before)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A second server, with keys of its own."""
    with servers.sshd(tmp_path_factory.mktemp("other")) as server:
        yield server


def jump(sshd: Sshd, **changed: Any) -> dict[str, Any]:
    names = ("host", "port", "user", "private_key", "host_key")
    return {name: getattr(sshd, name) for name in names} | changed


def test_a_jump_host_leads_to_the_server(sshd: Sshd, other: Sshd, big: tuple[str, bytes]) -> None:
    name, data = big
    connections = other.log.read_text().count("Accepted publickey")
    with block(sshd, jump=jump(other)).connect() as remote, remote.open(name) as stream:
        assert stream.read() == data
    assert other.log.read_text().count("Accepted publickey") == connections + 1


def test_a_jump_host_leads_to_a_server_with_a_password(rude: Rude, other: Sshd) -> None:
    assert list(listed(rude.block(jump=jump(other)))) == ["data"]
    with pytest.raises(AccessDenied, match=f":{rude.port} does not let us in"):
        rude.block(jump=jump(other), password="guess").check()
    assert rude.told == ["sesame", "guess"]


def test_a_jump_host_that_is_not_the_one(sshd: Sshd, other: Sshd) -> None:
    with pytest.raises(HostKeyMismatch, match=f"{other.port} shows the key SHA256:.* expects SHA256:"):
        block(sshd, jump=jump(other, host_key=sshd.host_key)).check()
    with pytest.raises(HostKeyMismatch, match=f"{sshd.port} shows the key SHA256:.* expects SHA256:"):
        block(sshd, jump=jump(other), host_key=other.host_key).check()


def test_a_jump_host_that_does_not_let_us_in(sshd: Sshd, other: Sshd) -> None:
    for changed in ({"private_key": sshd.private_key}, {"private_key": None, "password": "sesame"}):
        with pytest.raises(AccessDenied, match=f"^ssh://{other.user}@{other.host}:{other.port} "):
            block(sshd, jump=jump(other, **changed)).check()
    with pytest.raises(Misconfigured, match=f"{other.port} has neither"):
        block(sshd, jump=jump(other, private_key=None)).check()


def test_a_jump_host_with_no_way_on(sshd: Sshd, other: Sshd) -> None:
    with pytest.raises(Unreachable, match="does not answer to the jump host"):
        block(sshd, jump=jump(other), port=free_port()).check()
    with pytest.raises(Unreachable, match=r"ssh://.* does not answer"):
        block(sshd, jump=jump(other, port=free_port())).check()


def test_a_jump_host_that_lets_nobody_on(sshd: Sshd, tmp_path: Path) -> None:
    with other_settings(sshd, tmp_path, "AllowTcpForwarding no") as server:
        place = block(sshd, jump=jump(server))
        with pytest.raises(AccessDenied, match=f"not on to sftp://{sshd.user}@{sshd.host}:{sshd.port}"):
            place.check()


def test_the_secrets_of_a_jump_host_are_secret(sshd: Sshd) -> None:
    secret = SftpServer.model_json_schema()["secret_fields"]
    assert {"password", "private_key", "passphrase", "jump.password", "jump.private_key", "jump.passphrase"} == {
        *secret
    }
    place = block(sshd, jump=jump(sshd, password="hunter2"))
    assert "hunter2" not in repr(place) + str(place.model_dump()) + place.model_dump_json()


@contextlib.contextmanager
def other_settings(sshd: Sshd, home: Path, *lines: str) -> Iterator[Sshd]:
    """The same server, on a port of its own, with other settings before its own."""
    port = free_port()
    text = (sshd.log.parent / "sshd_config").read_text().replace(str(sshd.port), str(port))
    (home / "sshd_config").write_text("\n".join(lines) + text)
    program = require("sshd", "OpenSSH's sshd is not installed")
    with running([program, "-D", "-e", "-f", str(home / "sshd_config")], answers(port), home / "sshd.log"):
        yield dataclasses.replace(sshd, port=port)


OLD = {
    "kex": "KexAlgorithms diffie-hellman-group14-sha1",
    "cipher": "Ciphers aes128-cbc",
    "mac": "MACs hmac-md5\nCiphers aes128-ctr",
    "host key": "HostKeyAlgorithms ssh-rsa",
}


@pytest.mark.parametrize("what", OLD)
def test_old_algorithms_are_spoken_only_when_asked_for(sshd: Sshd, tmp_path: Path, what: str, transport: str) -> None:
    keygen("-t", "rsa", "-b", "2048", "-N", "", "-f", str(tmp_path / "rsa"))
    lines = [OLD[what], f"HostKey {tmp_path}/rsa"]
    keys = f"{sshd.host_key}\n{(tmp_path / 'rsa.pub').read_text()}"
    with other_settings(sshd, tmp_path, *lines) as server:
        with pytest.raises(PlaceError, match="outdated encryption"):
            block(server, host_key=keys).check()
        if transport == "openssh" or what in {"cipher", "mac"}:  # the others are gone from paramiko 5
            block(server, host_key=keys, old_algorithms=True).check()


def test_a_server_without_sftp_is_access_denied(sshd: Sshd, tmp_path: Path) -> None:
    said = "ForceCommand echo This account is closed; exit 1"
    with other_settings(sshd, tmp_path, said) as server, pytest.raises(AccessDenied, match="opens no SFTP session"):
        block(server).check()


def test_a_server_that_wants_more_is_access_denied(sshd: Sshd, tmp_path: Path) -> None:
    for methods, changed, words in [
        ("publickey,password", {}, "wants more to log in: password"),
        ("publickey", {"private_key": None, "password": "sesame"}, "wants another way to log in: publickey"),
    ]:
        with other_settings(sshd, tmp_path, f"AuthenticationMethods {methods}") as server:
            place = block(server, **changed)
            with pytest.raises(AccessDenied, match=words):
                place.check()


def test_a_banner_deceives_nobody(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "banner").write_text("Host key verification failed.\nPermission denied (all).\n")
    with other_settings(sshd, tmp_path, f"Banner {tmp_path}/banner") as server:
        block(server).check()
        keygen("-t", "ed25519", "-N", "", "-f", str(tmp_path / "other"))
        place = block(server, private_key=(tmp_path / "other").read_text())
        with pytest.raises(AccessDenied):
            place.check()


def test_a_password_may_be_asked_for_by_a_dialogue(rude: Rude) -> None:
    rude.allowed = "keyboard-interactive"
    assert list(listed(rude.block())) == ["data"]
    assert rude.told == ["sesame"]
    rude.allowed = "password,keyboard-interactive"
    with pytest.raises(AccessDenied):
        rude.block(password="guess").check()
    assert rude.told == ["sesame", "guess"]


def test_any_password_arrives_as_it_is(rude: Rude) -> None:
    for word in [" two words ", "\\n$HOME`'\"%s%%", "pässwörd 日本", "-n"]:
        with pytest.raises(AccessDenied) as caught:
            rude.block(password=word).check()
        assert rude.told.pop() == word
        assert word not in str(caught.value)


# --- What is left behind ----------------------------------------------------------------------------------


def children(of: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(of).children(recursive=True) if child.name() in {"ssh", "sh", "env"}]


@pytest.fixture
def only_openssh(transport: str) -> None:
    if transport != "openssh":
        pytest.skip("paramiko starts no process")


@pytest.mark.usefixtures("only_openssh")
def test_ssh_that_dies_is_interrupted(sshd: Sshd, other: Sshd, big: tuple[str, bytes]) -> None:
    name, _ = big
    for way in (None, jump(other)):
        with block(sshd, jump=way).connect() as remote, remote.open(name) as stream:
            stream.read(10)
            for child in children(os.getpid()):
                child.kill()
            with pytest.raises(Interrupted) as caught:
                stream.read()
            assert caught.value.retryable
            with pytest.raises(Interrupted):
                list(remote.list())


@pytest.fixture
def written() -> Iterator[list[str]]:
    """The files that this process opens for writing."""
    found: list[str] = []
    on = True

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if on and event == "open" and isinstance(given[0], str) and given[2] & (os.O_RDWR | os.O_WRONLY | os.O_CREAT):
            found.append(given[0])

    sys.addaudithook(hook)  # for ever
    yield found
    on = False


@pytest.mark.usefixtures("only_openssh")
def test_nothing_is_left_and_no_secret_shows(rude: Rude, sshd: Sshd, other: Sshd, written: list[str]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    found = []
    for _ in range(3):
        with rude.block(jump=jump(other, password="hunter2")).connect() as remote:
            found += children(os.getpid())
            for process in found[-2:]:
                given = " ".join(process.cmdline()) + str(process.environ())
                for secret in ("sesame", "hunter2", "PRIVATE KEY"):
                    assert secret not in given
            list(remote.list())
        with pytest.raises(HostKeyMismatch):
            rude.block(host_key=sshd.host_key).check()
        with pytest.raises(AccessDenied):
            rude.block(password="guess").check()
    assert len(found) == 6
    _, alive = psutil.wait_procs(found, 5)
    assert not alive
    assert children(os.getpid()) == []
    assert [name for name in written if not name.startswith("/dev/null")] == []
    for transport in rude.transports:
        transport.close()
    deadline = time.monotonic() + 10  # the server's threads close what is theirs
    while len(os.listdir("/proc/self/fd")) > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(os.listdir("/proc/self/fd")) <= before


CLIENT = """
import sys
from blocks.sftp import SftpServer
with SftpServer.model_validate_json(sys.stdin.readline()).connect() as remote, remote.open("big") as stream:
    stream.read(1 << 20)
    print("reading", flush=True)
    {wait}
"""


IDLE, BUSY = "sys.stdin.read()", "while True: stream.seek(0), stream.read()"


@pytest.mark.usefixtures("only_openssh", "big")
@pytest.mark.parametrize(
    ("how", "by", "wait"),
    [
        (signal.SIGKILL, "straight", IDLE),
        (signal.SIGKILL, "straight", BUSY),
        (signal.SIGKILL, "jump", IDLE),
        (signal.SIGKILL, "jump", BUSY),
        (signal.SIGTERM, "jump", BUSY),
    ],
)
def test_ssh_ends_with_the_process_that_reads(sshd: Sshd, other: Sshd, wait: str, how: signal.Signals, by: str) -> None:
    given = jump(sshd) | ({"jump": jump(other)} if by == "jump" else {})
    with subprocess.Popen(
        [sys.executable, "-c", CLIENT.format(wait=wait)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PREFECT_LOGGING_LEVEL": "ERROR"},
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(given).encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"reading\n"
        found = children(process.pid)
        assert len(found) == (2 if by == "jump" else 1)
        process.send_signal(how)
        process.wait(10)
        _, alive = psutil.wait_procs(found, 5)
        assert not alive
