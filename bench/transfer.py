"""`make bench-transfer`: files from SFTP and HTTP into S3 on loopback, by inlet and by others, in turn.

Cases `<protocol>-<shape>`: `large` is one file, `medium` a hundred, `small` thousands. Systems:

- `inlet`: `land`, the plain function below the task `transfer`, with its listing, checks and manifest; no flow run
- `usual`: paramiko or requests to a temporary file and boto3's `upload_file` of it, file by file
- `rclone`: with the flags that were quickest for each case
- `limit`: the slower of `download`, which is OpenSSH's `sftp` (or curl) to /dev/null, and `upload`, the same bytes to
  S3 from memory by requests that are already signed

Files, temporary files and the S3 server's data are on a RAM disk, where one is large enough. A system's time includes
the start of its process, Python's and Prefect's too (case `start`), but for `upload`; its CPU time and memory are its
own process tree's, not the servers'. What has arrived is compared with what was sent outside that time, and a system
that brought anything else has no number. After a warm-up each is run three times (`full`) or once (`small`).
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest
import typer
from rich.console import Console
from rich.table import Column, Table

from bench import transfer_systems as systems
from bench.measure import Repeated, Result, measure, median, save
from bench.transfer_systems import BLOCK, Job
from tests import servers

Size = Literal["small", "full"]
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
PROTOCOLS = ("sftp", "http")
BUILT = Path(__file__).parents[1] / "build" / "bin"  # where `make bench-tools` leaves versitygw-<version>
COMPARED = 100  # files of a run whose SHA-256 is compared; names and sizes are of all


@dataclass(frozen=True)
class Shape:
    """So many files of so many bytes each."""

    files: int
    size: int

    @property
    def bytes(self) -> int:
        """Of all files."""
        return self.files * self.size


SHAPES: dict[Size, dict[str, Shape]] = {
    "small": {"large": Shape(1, 128 * MIB), "medium": Shape(10, 2 * MIB), "small": Shape(200, 20 * KIB)},
    "full": {"large": Shape(1, 2 * GIB), "medium": Shape(100, 20 * MIB), "small": Shape(5000, 20 * KIB)},
}
RUNS: dict[Size, int] = {"small": 1, "full": 3}
GOALS = {  # of `full`: inlet's time by the limit's, at most; the others' times by inlet's, at least
    "large": {"limit": 1.15, "rclone": 1.5},
    "medium": {"usual": 3.0, "rclone": 1.0},
    "small": {"usual": 3.0, "rclone": 1.0},
}


class Measured(Repeated, frozen=True):
    """One system's median of one case; `rows` is the number of files, `setting` where all of it was."""

    setting: str


@dataclass(frozen=True)
class Bench:
    """Servers that run, and where: `scratch` for temporary files, `setting` in words."""

    sshd: servers.Sshd
    nginx: servers.Nginx
    s3: servers.S3
    scratch: Path
    setting: str
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)

    def compare(self, protocol: str, name: str, shape: Shape, runs: int) -> list[Measured]:
        """Each system's median of one case. What went wrong has no number: it is in `failures`, by case and system.

        Programs that a system needs and that are not here are in `absent`.
        """
        case = f"{protocol}-{name}"
        found: dict[str, list[Result]] = {}
        with self._files(case, shape) as sums:
            for _ in range(runs):
                for system in ("inlet", "usual", "rclone", "download", "upload"):
                    if (case, system) not in self.failures:
                        found.setdefault(system, []).extend(self._run(case, system, shape, sums))
        medians = [median(results) for results in found.values() if len(results) == runs]
        halves = [result for result in medians if result.system in {"download", "upload"}]
        if len(halves) == 2:
            medians.append(max(halves, key=lambda half: half.seconds).model_copy(update={"system": "limit"}))
        return [Measured(**result.model_dump(), setting=self.setting) for result in medians]

    def start(self, system: str, modules: str) -> Measured:
        """How long a system's Python takes to come up, which its times include."""
        command, env = [sys.executable, "-c", f"import {modules}"], os.environ | {"PREFECT_HOME": str(self.scratch)}
        took = [measure(command, case="start", system=system, size=0, rows=0, env=env) for _ in range(3)]
        return Measured(**median(took).model_dump(), setting=self.setting)

    @contextmanager
    def _files(self, case: str, shape: Shape) -> Iterator[dict[str, str]]:
        """Random files in both servers' folders; gives their SHA-256 by name."""
        folders = [server.folder / case for server in (self.sshd, self.nginx)]
        for folder in folders:
            folder.mkdir()
        try:
            sums = {}
            for number in range(shape.files):
                path = folders[0] / f"{number:05}.bin"
                digest = hashlib.sha256()
                with path.open("wb") as file:
                    for start in range(0, shape.size, BLOCK):
                        block = os.urandom(min(BLOCK, shape.size - start))
                        digest.update(block)
                        file.write(block)
                (folders[1] / path.name).hardlink_to(path)
                sums[path.name] = digest.hexdigest()
            yield sums
        finally:
            for folder in folders:
                shutil.rmtree(folder)

    def _run(self, case: str, system: str, shape: Shape, sums: dict[str, str]) -> list[Result]:
        """One run of one system into a new bucket; nothing where the system is not here or failed."""
        job = Job(
            case=case,
            names=list(sums),
            local=str(self.sshd.folder / case),
            scratch=str(self.scratch),
            bucket=self.s3.bucket(),
            endpoint=self.s3.endpoint,
            access_key=self.s3.access_key,
            secret_key=self.s3.secret_key,
            url=f"{self.nginx.url}{case}/",
            host=self.sshd.host,
            port=self.sshd.port,
            user=self.sshd.user,
            folder=case,
            key=self.sshd.private_key,
            host_key=self.sshd.host_key,
        )
        try:
            env = job.environment()
            if system == "rclone":
                command, env = systems.rclone(job)
            else:
                command = systems.download(job) if system == "download" else job.python(system)
            program = path_of(command[0])
            if program is None:
                self.absent.add(command[0])
                return []
            command[0] = program
            if system == "upload":
                # by its own account: the start of Python and the reading of the files are no part of the limit
                said = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout
                result = Result(case=case, system=system, bytes=shape.bytes, rows=shape.files, **json.loads(said))
            else:
                result = measure(command, case=case, system=system, size=shape.bytes, rows=shape.files, env=env)
            if system != "download":
                self._verify(job.bucket, shape, sums)
        except (subprocess.CalledProcessError, ValueError) as error:
            self.failures[case, system] = str(error)
            return []
        finally:
            self._empty(job.bucket)
        return [result]

    def _verify(self, bucket: str, shape: Shape, sums: dict[str, str]) -> None:
        """Raise `ValueError` unless the bucket holds these files, in whatever folder, and at most inlet's manifest."""
        keys = {}
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for entry in page.get("Contents", []):
                name = entry["Key"].rpartition("/")[2]
                if name == "_manifest.json":
                    continue
                if name in keys or name not in sums or entry["Size"] != shape.size:
                    raise ValueError(f"{entry['Key']} of {entry['Size']:,} bytes was not to be brought")
                keys[name] = entry["Key"]
        if len(keys) != shape.files:
            raise ValueError(f"{len(keys):,} of {shape.files:,} files have arrived")
        for name in list(sums)[:: -(-shape.files // COMPARED)]:
            digest = hashlib.sha256()
            for block in self._s3.get_object(Bucket=bucket, Key=keys[name])["Body"].iter_chunks(BLOCK):
                digest.update(block)
            if digest.hexdigest() != sums[name]:
                raise ValueError(f"{keys[name]} has arrived with other bytes than were sent")

    def _empty(self, bucket: str) -> None:
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            if there := [{"Key": entry["Key"]} for entry in page.get("Contents", [])]:
                self._s3.delete_objects(Bucket=bucket, Delete={"Objects": there})
        for left in self._s3.list_multipart_uploads(Bucket=bucket).get("Uploads") or []:
            self._s3.abort_multipart_upload(Bucket=bucket, Key=left["Key"], UploadId=left["UploadId"])
        self._s3.delete_bucket(Bucket=bucket)

    @property
    def _s3(self) -> Any:  # noqa: ANN401  # boto3 has no types
        return self.s3.credentials.get_s3_client()


def path_of(program: str) -> str | None:
    """The path of a program that is on the PATH or beside this Python."""
    return shutil.which(program, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))


# --- the servers ------------------------------------------------------------------------------------------


@contextmanager
def disk(size: Size) -> Iterator[tuple[Path, str]]:
    """A folder in memory, where that has room for the largest case, or on disk; and which of the two, in words."""
    # the files, the usual way's copy or the `upload`, the server's parts and the object that it joins them to, to spare
    need = 5 * max(shape.bytes for shape in SHAPES[size].values()) + GIB
    memory = Path("/dev/shm")  # noqa: S108  # a folder of our own is made in it
    there = memory.is_dir() and min(shutil.disk_usage(memory).free, psutil.virtual_memory().available) > need
    with tempfile.TemporaryDirectory(prefix="inlet-bench-", dir=memory if there else None) as folder:
        where = "a RAM disk" if there else f"a disk: {memory} or memory is too small, {need / 1e9:.0f} GB are wanted"
        yield Path(folder), f"on {where}"


@contextmanager
def versitygw(program: Path, home: Path) -> Iterator[servers.S3]:
    """versitygw over a folder: the quickest S3 server of those that keep conditional writes and check signatures."""
    data, attributes = home / "data", home / "attributes"
    for folder in (data, attributes):
        folder.mkdir()
    server = servers.S3(f"http://127.0.0.1:{servers.free_port()}", "inlet", "loopback only")
    port = int(server.endpoint.rpartition(":")[2])
    # keep-alive, as every S3 has it: without it each request of each system pays for a connection
    command = [str(program), "--quiet", "--keep-alive", "--port", f"127.0.0.1:{port}"]
    env = os.environ | {"ROOT_ACCESS_KEY": server.access_key, "ROOT_SECRET_KEY": server.secret_key}
    try:
        os.setxattr(home, "user.inlet", b"")
        command += ["posix", str(data)]
    except OSError:  # a RAM disk before Linux 6.6
        command += ["posix", "--sidecar", str(attributes), str(data)]
    with servers.running(command, servers.answers(port), home / "versitygw.log", env):
        yield server


@contextmanager
def bench(size: Size) -> Iterator[Bench]:
    """All servers, each in a folder of its own."""
    with disk(size) as (folder, where):
        homes = {name: folder / name for name in ("sshd", "nginx", "s3", "scratch")}
        for home in homes.values():
            home.mkdir()
        built = next(BUILT.glob("versitygw-v*"), None)
        store = versitygw(built, homes["s3"]) if built else servers.weed(homes["s3"])
        name = built.name if built else "SeaweedFS, for want of versitygw,"
        with (
            servers.sshd(homes["sshd"]) as sshd,
            servers.nginx(homes["nginx"]) as nginx,
            store as s3,
        ):
            yield Bench(sshd, nginx, s3, homes["scratch"], f"{name} {where}, {os.cpu_count()} cores")


# --- results ----------------------------------------------------------------------------------------------


def table(results: Iterable[Measured]) -> Table:
    """One line for each system of each case."""
    names = ("seconds", "from", "to", "MB/s", "CPU s/GiB", "peak MB")
    shown = Table(Column("case", no_wrap=True), "system", *(Column(name, justify="right") for name in names))
    last = None
    for result in results:
        if last not in {None, result.case}:
            shown.add_section()
        last = result.case
        rate = (f"{result.bytes / 1e6 / result.seconds:,.1f}", f"{result.cpu_seconds * GIB / result.bytes:.1f}")
        times = (f"{seconds:.2f}" for seconds in (result.seconds, result.fastest, result.slowest))
        shown.add_row(result.case, result.system, *times, *rate, f"{result.peak_rss_mb:,.0f}")
    return shown


def ratios(results: Sequence[Measured], goals: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Inlet against each other system, with the goal, if there is one, and whether it is met."""
    seconds = {(result.case, result.system): result.seconds for result in results}
    for case in dict.fromkeys(result.case for result in results):
        for other in ("limit", "rclone", "usual"):
            if {(case, "inlet"), (case, other)} <= seconds.keys():
                goal = goals.get(case.partition("-")[2], {}).get(other)
                times = seconds[case, other] / seconds[case, "inlet"]
                if other == "limit":
                    said, wanted, met = f"takes {1 / times:.2f} x the limit", "at most", goal and 1 / times <= goal
                else:
                    said, wanted, met = f"is {times:.2f} x as fast as {other}", "at least", goal and times >= goal
                verdict = f" (goal: {wanted} {goal:.2f}, {'met' if met else 'NOT met'})" if goal else ""
                yield f"{case}: inlet {said}{verdict}"


def main(size: Size = "small") -> None:
    """Measure all cases, show them beside their goals and save them; exits with 1 where a system failed."""
    console = Console()
    try:
        with bench(size) as running, console.status("warming up") as status:
            starts = [
                running.start("inlet", "tasks.transfer, blocks.sftp, blocks.http"),
                running.start("usual", "boto3, paramiko"),
            ]
            results: list[Measured] = []
            for protocol in PROTOCOLS:
                running.compare(protocol, "warm-up", Shape(20, 20 * KIB), 1)
                for name, shape in SHAPES[size].items():
                    status.update(f"{protocol}-{name}: {shape.files:,} x {shape.size / MIB:,.2f} MiB")
                    results += running.compare(protocol, name, shape, RUNS[size])
    except pytest.skip.Exception as error:  # how tests/servers.py says that a program is not here
        console.print(f"{error}: make tools")
        raise typer.Exit(1) from error
    path = save("transfer", [*starts, *results])
    console.print(table(results), f"{datetime.now(UTC):%Y-%m-%d}, {running.setting}; see {path}")
    console.print("Of these, Python's start:", ", ".join(f"{start.system} {start.seconds:.2f} s" for start in starts))
    for line in ratios(results, GOALS if size == "full" else {}):
        console.print(line)
    for program in sorted(running.absent):
        console.print(f"{program} is not here, and was not measured")
    for (case, system), failure in running.failures.items():
        console.print(f"{case}: {system} FAILED: {failure}")
    raise typer.Exit(1 if running.failures else 0)


if __name__ == "__main__":
    typer.run(main)
