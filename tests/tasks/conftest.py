"""Fixtures of the tests of tasks: parties' places on real servers, filled with what a test says."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blocks.drive import Drive
from blocks.http import HttpServer
from blocks.place import Place
from blocks.s3 import S3Folder
from blocks.sftp import SftpServer
from tests.blocks.test_ftp import serving
from tests.servers import S3, Nginx, Sshd

Fill = Callable[[dict[str, bytes]], Place]


def _write(folder: Path, contents: dict[str, bytes]) -> None:
    for name, data in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


@pytest.fixture
def drive(tmp_path: Path) -> Fill:
    def fill(contents: dict[str, bytes]) -> Place:
        _write(tmp_path / "outside", contents)
        return Drive(path=tmp_path / "outside")

    return fill


@pytest.fixture
def sftp(sshd: Sshd, tmp_path: Path) -> Fill:
    def fill(contents: dict[str, bytes]) -> Place:
        _write(sshd.folder / tmp_path.name, contents)
        given: dict[str, Any] = {"host": sshd.host, "port": sshd.port, "user": sshd.user, "host_key": sshd.host_key}
        return SftpServer(**given, private_key=sshd.private_key, root=tmp_path.name)  # type: ignore[arg-type]

    return fill


@pytest.fixture
def paramiko(sftp: Fill) -> Fill:
    return lambda contents: sftp(contents).model_copy(update={"transport": "paramiko"})


@pytest.fixture
def http(nginx: Nginx, tmp_path: Path) -> Fill:
    def fill(contents: dict[str, bytes]) -> Place:
        _write(nginx.folder / tmp_path.name, contents)
        return HttpServer(url=f"{nginx.url.rstrip('/')}/{tmp_path.name}/")

    return fill


@pytest.fixture
def ftp(tmp_path: Path) -> Iterator[Fill]:
    with serving(tmp_path, tls=True) as ftpd:

        def fill(contents: dict[str, bytes]) -> Place:
            _write(ftpd.folder, contents)
            return ftpd.block()

        yield fill


@pytest.fixture
def bucket(s3: S3) -> Fill:
    def fill(contents: dict[str, bytes]) -> Place:
        name, client = s3.bucket(), s3.credentials.get_s3_client()
        for key, data in contents.items():
            client.put_object(Bucket=name, Key=f"outbound/{key}", Body=data)
        return S3Folder(bucket=name, prefix="outbound", credentials=s3.credentials)

    return fill


@pytest.fixture(params=["drive", "sftp", "paramiko", "http", "ftp", "bucket"])
def fill(request: pytest.FixtureRequest) -> Fill:
    found: Fill = request.getfixturevalue(request.param)
    return found
