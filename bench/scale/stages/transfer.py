"""Every way into the lake: the client's processes, ssh among them, not the servers'."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from bench.measure import measure
from bench.scale.measuring import FILES, SMALL, Bench, command
from bench.scale.points import GIB, Point

if TYPE_CHECKING:
    from prefect_aws import AwsCredentials

    from blocks.lake import Lake
    from blocks.place import Place
    from tests.servers import S3


class Access(BaseModel, frozen=True):
    """A server of S3, and the account that it knows."""

    endpoint: str
    key: str
    secret: str

    @classmethod
    def to(cls, server: "S3", endpoint: str | None = None) -> "Access":
        """A server of the tests', where told by another way than straight."""
        return cls(endpoint=endpoint or server.endpoint, key=server.access_key, secret=server.secret_key)

    def credentials(self) -> "AwsCredentials":
        """The block."""
        from prefect_aws import AwsClientParameters, AwsCredentials
        from pydantic import SecretStr

        return AwsCredentials(
            aws_access_key_id=self.key,
            aws_secret_access_key=SecretStr(self.secret),
            region_name="us-east-1",
            aws_client_parameters=AwsClientParameters(endpoint_url=self.endpoint),
        )

    def lake(self, root: str, catalog: str | None = None) -> "Lake":
        """A lake there."""
        from pydantic import SecretStr

        from blocks.lake import Lake

        return Lake(root=root, credentials=self.credentials(), catalog=SecretStr(catalog) if catalog else None)


def transfer(bench: Bench) -> Iterator[Point]:
    """Files of three sizes one at a time, and small ones by their number, by every access."""
    from tests import servers

    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=bench.scratch)))
        for name in ("sshd", "nginx", "s3", "drive"):
            (home / name).mkdir()
        s3 = stack.enter_context(servers.weed(home / "s3"))
        sshd = stack.enter_context(servers.sshd(home / "sshd"))
        nginx = stack.enter_context(servers.nginx(home / "nginx"))
        login = {"host": sshd.host, "port": sshd.port, "user": sshd.user, "private_key": sshd.private_key}
        ways: dict[str, tuple[Path, Callable[[Path], dict[str, Any]]]] = {
            "sftp": (Path(sshd.folder), lambda _: {**login, "host_key": sshd.host_key, "root": "files"}),
            "http": (Path(nginx.folder), lambda _: {"url": f"{nginx.url}files/"}),
            "s3": (home, lambda folder: {"bucket": _uploaded(folder, s3)}),
            "drive": (home, lambda folder: {"path": str(folder)}),
        }
        for access, (below, place_of) in ways.items():
            for files, size in [*((1, size) for size in bench.sizes), *((number, SMALL) for number in FILES)]:
                folder = below / "files"
                folder.mkdir()
                for number in range(files):
                    (folder / f"{number:05}.bin").write_bytes(os.urandom(size))
                place = place_of(folder)
                given = {"access": access, "place": place, "s3": Access.to(s3), "root": f"s3://{s3.bucket()}/lake"}
                yield _measured(bench, given, access, files, size)
                shutil.rmtree(folder)


def _uploaded(folder: Path, s3: "S3") -> str:
    """The bucket that has the files of a folder."""
    bucket = s3.bucket()
    for path in folder.iterdir():
        s3.credentials.get_s3_client().upload_file(str(path), bucket, path.name)
    return bucket


def _measured(bench: Bench, given: dict[str, object], access: str, files: int, size: int) -> Point:
    """The whole process with its children."""
    env = os.environ | {"PREFECT_HOME": str(bench.scratch), "PREFECT_LOGGING_LEVEL": "ERROR"}
    result = measure(command(land_from, given), case=access, system="inlet", size=files * size, rows=files, env=env)
    several = size == SMALL
    return Point(
        stage="transfer",
        case=f"{access}, files" if several else access,
        unit="files" if several else "GiB",
        amount=files if several else files * size / GIB,
        cores=bench.cores,
        seconds=result.seconds,
        cpu=result.cpu_seconds,
        peak_mb=result.peak_rss_mb,
    )


def land_from(access: str, place: dict[str, Any], s3: Access, root: str) -> Sequence[Point]:
    """Land all that a place offers; it is measured from outside."""
    from blocks.drive import Drive
    from blocks.http import HttpServer
    from blocks.s3 import S3Folder
    from blocks.sftp import SftpServer

    if access == "s3":
        place = {**place, "credentials": s3.credentials()}
    kinds: dict[str, type[Place]] = {"sftp": SftpServer, "http": HttpServer, "s3": S3Folder, "drive": Drive}
    land_all(kinds[access](**place), s3.lake(root))
    return []


def land_all(place: "Place", lake: "Lake") -> list[str]:
    """Land all that a place offers; the paths of what landed."""
    from tasks.source import Drop, Offered
    from tasks.transfer import land

    with place.connect() as remote:
        files = tuple(Offered(**file.model_dump()) for file in remote.list())
    drop = Drop(source="bench", key="one", as_of=datetime.now(UTC), kind="full", revision=1, files=files)
    return [file.path for file in land(drop, place, lake, "bench").files]
