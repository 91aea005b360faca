"""FTP and FTPS against pyftpdlib's server."""

import os
import random
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.servers import ThreadedFTPServer

from blocks.errors import AccessDenied, Changed, Interrupted, Misconfigured, NotThere, PlaceError, Unreachable
from blocks.ftp import FtpServer
from blocks.place import RemoteFile
from tests.servers import certificate, free_port

NAMES = ["plain.csv", "with space.csv", " leading", "ünï/日本.csv", "..csv", "%2e%2e", "😀", "a;b=c.csv"]


@dataclass
class Ftpd:
    """A server over `folder` that user `inlet` may enter with the password `sesame`."""

    folder: Path
    port: int
    server: ThreadedFTPServer
    authority: str | None

    def block(self, **changed: Any) -> FtpServer:
        given = {"host": "127.0.0.1", "port": self.port, "user": "inlet", "password": "sesame"}
        tls = {"tls": self.authority is not None, "authority": self.authority}
        return FtpServer.model_validate(given | tls | {"timeout": 10} | changed)


@contextmanager
def serving(tmp_path: Path, tls: bool) -> Iterator[Ftpd]:
    folder = tmp_path / "files"
    folder.mkdir()
    users = DummyAuthorizer()
    users.add_user("inlet", "sesame", str(folder), perm="elr")
    kind: Any = type("Handler", (TLS_FTPHandler if tls else FTPHandler,), {"authorizer": users})
    authority = None
    if tls:
        authority = certificate(tmp_path)
        kind.certfile, kind.keyfile = f"{tmp_path}/cert.pem", f"{tmp_path}/key.pem"
        kind.tls_control_required = kind.tls_data_required = True
    server = ThreadedFTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, kwargs={"timeout": 0.05, "handle_exit": False}, daemon=True)
    thread.start()
    yield Ftpd(folder, server.address[1], server, authority)
    server.close_all()


@pytest.fixture(params=[False, True], ids=["ftp", "ftps"])
def ftpd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ftpd]:
    with serving(tmp_path, request.param) as server:
        yield server


def listed(place: FtpServer) -> dict[str, RemoteFile]:
    with place.connect() as remote:
        return {file.name: file for file in remote.list()}


def test_lists_files_with_size_and_utc_time(ftpd: Ftpd) -> None:
    (ftpd.folder / "sub" / "deep").mkdir(parents=True)
    (ftpd.folder / "sub" / "deep" / "a.csv").write_bytes(b"1234")
    os.utime(ftpd.folder / "sub" / "deep" / "a.csv", (0, 1_700_000_000))
    assert listed(ftpd.block()) == {
        "sub/deep/a.csv": RemoteFile(
            name="sub/deep/a.csv", size=4, mtime=datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
        )
    }
    assert listed(ftpd.block(root="sub/")).keys() == {"deep/a.csv"}


def test_any_name_is_listed_and_opened(ftpd: Ftpd) -> None:
    (ftpd.folder / "ünï").mkdir()
    for name in NAMES:
        (ftpd.folder / name).write_text(name)
    assert listed(ftpd.block()).keys() == {*NAMES}
    with ftpd.block().connect() as remote:
        for name in NAMES:
            with remote.open(name) as stream:
                assert stream.read().decode() == name
        assert len(remote._idle) == 1  # one connection did for all
        for name in ["../x", "/etc/passwd", "", "a\0b", "a\r\nDELE plain.csv", "missing"]:
            with pytest.raises(NotThere):
                remote.open(name)


def test_a_connection_that_has_listed_opens_files(ftpd: Ftpd) -> None:
    (ftpd.folder / "sub").mkdir()
    (ftpd.folder / "sub" / "a.csv").write_bytes(b"1\r\n2\n")
    with ftpd.block().connect() as remote:
        for _ in range(2):
            assert [file.name for file in remote.list()] == ["sub/a.csv"]
            with remote.open("sub/a.csv") as stream:
                assert stream.read() == b"1\r\n2\n"
        assert len(remote._idle) == 1


def test_random_reads_are_those_of_the_file(ftpd: Ftpd) -> None:
    chance = random.Random(5)
    data = chance.randbytes(3_000_017)
    (ftpd.folder / "data").write_bytes(data)
    (ftpd.folder / "empty").touch()
    with zipfile.ZipFile(ftpd.folder / "a.zip", "w") as archive:
        archive.writestr("member", data)
    with ftpd.block().connect() as remote:
        with remote.open("empty") as stream:
            assert stream.read() == b""
        with remote.open("data") as stream, remote.open("a.zip") as packed:
            assert stream.read(1_000_000) == data[:1_000_000]
            assert zipfile.ZipFile(packed).read("member") == data
            assert stream.read() == data[1_000_000:]
            for _ in range(12):
                start, length = chance.randrange(len(data) + 10), chance.randrange(400_000)
                stream.seek(start)
                assert stream.read(length) == data[start : start + length]


def test_a_file_that_changes_while_read(ftpd: Ftpd) -> None:
    (ftpd.folder / "data").write_bytes(b"a" * 5_000_000)
    with ftpd.block().connect() as remote, remote.open("data") as stream:
        stream.read(10)
        (ftpd.folder / "data").write_bytes(b"b" * 6_000_000)
        stream.seek(4_900_000)
        with pytest.raises(Changed) as caught:
            stream.read()
        assert caught.value.retryable


def test_a_connection_that_breaks_is_interrupted(ftpd: Ftpd) -> None:
    (ftpd.folder / "data").write_bytes(b"a" * 50_000_000)
    with ftpd.block().connect() as remote, remote.open("data") as stream:
        stream.read(10)
        os.truncate(ftpd.folder / "data", 1_000_000)  # what was promised never comes
        with pytest.raises(Interrupted) as caught:
            stream.read()
        assert caught.value.retryable


def test_check_says_what_is_wrong(ftpd: Ftpd) -> None:
    ftpd.block().check()
    with pytest.raises(AccessDenied) as caught:
        ftpd.block(password="hunter2").check()
    assert "hunter2" not in str(caught.value)
    with pytest.raises(NotThere, match="missing/folder"):
        ftpd.block(root="missing/folder").check()
    with pytest.raises(Unreachable):
        ftpd.block(port=free_port()).check()
    if ftpd.authority is None:
        with pytest.raises(PlaceError, match="AUTH"):
            ftpd.block(tls=True).check()
    else:
        with pytest.raises(PlaceError):  # no password in clear
            ftpd.block(tls=False).check()
        with pytest.raises(Misconfigured, match="not trusted"):
            ftpd.block(authority=None).check()
