"""Fixtures that every test may use. Servers start when the first test asks, one of each a session and worker.

In a test: `def test_x(sshd: Sshd)` with `from tests.servers import Sshd`.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_SSL_CERT_FILE, temporary_settings
from pydantic import SecretStr
from xdist.scheduler import LoadFileScheduling

from blocks.lake import Lake
from spark.session import SMALL
from tests import faults, servers

os.environ.setdefault("INLET_JAVA_OPTIONS", SMALL)  # what Spark does here is little: starting takes most of its time


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, as files are shared out in this order: flows from end to end."""
    items.sort(key=lambda item: ("flows" not in item.path.parts, not item.path.name.startswith("test_feed_")))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are not spelled out: what `gzip.compress` gives has the time in it, and workers would differ in it."""
    return argname if isinstance(val, bytes) else None


class _FeedsTogether(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """A file's tests run in one worker, and those of all feeds do: they share their servers and Spark."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "feeds" if "/test_feed_" in file else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling | None:
    """Of `--dist loadfile`."""
    return _FeedsTogether(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Sshd]:
    """OpenSSH's server over a folder; see `servers.Sshd`."""
    with servers.sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Nginx]:
    """A web server over a folder; see `servers.Nginx`."""
    with servers.nginx(tmp_path_factory.mktemp("nginx")) as server:
        yield server


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.S3]:
    """An S3 server; see `servers.S3`."""
    with servers.weed(tmp_path_factory.mktemp("weed")) as server:
        yield server


@pytest.fixture(scope="session")
def detour(s3: servers.S3) -> Iterator[faults.Detour]:
    """A way to the S3 server, with faults; see `faults.Detour`."""
    with faults.Detour(s3).open() as way:
        yield way


@pytest.fixture(scope="session")
def toxiproxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], servers.Link]]:
    """Call it for a link to a server on a loopback port; see `servers.Link`."""
    with servers.toxiproxy(tmp_path_factory.mktemp("toxiproxy")) as link:
        yield link


@pytest.fixture(scope="session")
def gpg_key(tmp_path_factory: pytest.TempPathFactory) -> servers.GpgKey:
    """An OpenPGP key pair; see `servers.GpgKey`."""
    return servers.gpg_key(tmp_path_factory.mktemp("gpg"))


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.PrefectServer]:
    """A Prefect server; pass `prefect_server.env` to subprocesses."""
    # a run that finds its deployment's limit taken asks again after this, not after half a minute
    soon = {"PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "3"}
    with servers.prefect(tmp_path_factory.mktemp("prefect"), **soon) as server:
        few = server.env["PREFECT_API_SSL_CERT_FILE"]
        with temporary_settings({PREFECT_API_SSL_CERT_FILE: few}):
            yield server


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of real files, from INLET_REALDATA."""
    return Path(servers.require(os.environ.get("INLET_REALDATA"), "INLET_REALDATA names no folder of real files"))


@pytest.fixture
def local_lake(tmp_path: Path) -> Lake:
    """A new lake in a folder."""
    return Lake(root=f"file://{tmp_path}/lake")


@pytest.fixture
def s3_lake(s3: servers.S3, tmp_path: Path) -> Lake:
    """A new lake in a bucket, its catalog in a SQLite file."""
    return Lake(
        root=f"s3://{s3.bucket()}/lake",
        catalog=SecretStr(f"sqlite:///{tmp_path}/catalog.db"),
        credentials=s3.credentials,
    )


@pytest.fixture(params=["local", "s3"])
def lake(request: pytest.FixtureRequest) -> Lake:
    """A new lake, on disk and on S3 in turn."""
    found: Lake = request.getfixturevalue(f"{request.param}_lake")
    return found
