"""The systems of `make bench-transfer`, each a process of its own: inlet, the usual way, rclone, the limit's halves.

`python -m bench.transfer_systems NAME JOB` runs one of those written in Python; each imports only what it needs.
"""

import contextlib
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

BLOCK = 1 << 20  # bytes that are read or written at a time


@dataclass(frozen=True)
class Job:
    """What one run brings over: the files `names` of a party's folder into an empty bucket."""

    case: str  # <protocol>-<shape>
    names: list[str]
    local: str  # where the files really are, which the limit's upload takes them from
    scratch: str
    bucket: str
    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    url: str  # of the folder, by HTTP; with a slash at the end
    host: str
    port: int
    user: str
    folder: str  # as SFTP's login folder has it
    key: str = field(repr=False)
    host_key: str

    @property
    def protocol(self) -> str:
        """`sftp` or `http`."""
        return self.case.partition("-")[0]

    def file(self, name: str, text: str) -> str:
        """The path of a file in `scratch` that holds `text`, for its owner alone."""
        path = Path(self.scratch, name)
        path.touch(0o600)
        path.write_text(text)
        return str(path)

    def key_file(self) -> str:
        """The path of our key for the SFTP server."""
        return self.file("key", self.key)

    def known_hosts(self) -> str:
        """The path of a known_hosts that holds the SFTP server's key."""
        return self.file("known_hosts", f"[{self.host}]:{self.port} {self.host_key}\n")

    def environment(self) -> dict[str, str]:
        """What a system's process is given: keys for S3, a folder for temporary files, no telemetry, no proxy."""
        return os.environ | {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "PREFECT_HOME": self.scratch,
            "PREFECT_LOGGING_LEVEL": "WARNING",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "TMPDIR": self.scratch,
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def python(self, system: str) -> list[str]:
        """The command of a system that is written here."""
        return [sys.executable, "-m", "bench.transfer_systems", system, self.file("job.json", json.dumps(asdict(self)))]


# --- inlet ------------------------------------------------------------------------------------------------


def inlet(job: Job) -> None:
    """What a flow does with one drop, without the flow: list, `land` with all its checks, write the manifest."""
    from datetime import UTC, datetime

    from prefect_aws import AwsClientParameters, AwsCredentials
    from pydantic import SecretStr

    from blocks.http import HttpServer
    from blocks.lake import Lake
    from blocks.sftp import SftpServer
    from tasks.source import Drop, Offered
    from tasks.transfer import land

    credentials = AwsCredentials(
        aws_access_key_id=job.access_key,
        aws_secret_access_key=SecretStr(job.secret_key),
        region_name="us-east-1",
        aws_client_parameters=AwsClientParameters(endpoint_url=job.endpoint),
    )
    place: SftpServer | HttpServer
    if job.protocol == "sftp":
        place = SftpServer(
            host=job.host,
            port=job.port,
            user=job.user,
            private_key=SecretStr(job.key),
            host_key=job.host_key,
            root=job.folder,
        )
    else:
        place = HttpServer(url=job.url)
    with place.connect() as remote:
        files = tuple(Offered(**file.model_dump()) for file in remote.list())
    drop = Drop(source="bench", key=job.case, as_of=datetime.now(UTC), kind="full", revision=1, files=files)
    land(drop, place, Lake(root=f"s3://{job.bucket}/lake", credentials=credentials), "bench")


# --- the usual way ----------------------------------------------------------------------------------------


def usual(job: Job) -> None:
    """File by file: a download to a temporary file, then an upload of it, as Airflow's SFTPToS3 does.

    We are generous to it: one connection for all, the temporary file on a RAM disk, names given instead of listed.
    """
    import boto3  # type: ignore[import-untyped]

    s3 = boto3.client("s3", endpoint_url=job.endpoint)
    with (_by_sftp if job.protocol == "sftp" else _by_http)(job) as get:
        for name in job.names:
            with tempfile.NamedTemporaryFile() as local:
                get(name, local.name)
                s3.upload_file(local.name, job.bucket, name)


@contextlib.contextmanager
def _by_sftp(job: Job) -> Iterator[Callable[[str, str], None]]:
    import paramiko

    with paramiko.SSHClient() as ssh:
        ssh.load_host_keys(job.known_hosts())
        ssh.connect(job.host, job.port, job.user, key_filename=job.key_file(), allow_agent=False, look_for_keys=False)
        sftp = ssh.open_sftp()
        yield lambda name, local: sftp.get(f"{job.folder}/{name}", local)


@contextlib.contextmanager
def _by_http(job: Job) -> Iterator[Callable[[str, str], None]]:
    import requests

    with requests.Session() as session:

        def get(name: str, local: str) -> None:
            with session.get(job.url + name, stream=True, timeout=60) as answer, open(local, "wb") as file:
                answer.raise_for_status()
                for block in answer.iter_content(BLOCK):
                    file.write(block)

        yield get


# --- rclone -----------------------------------------------------------------------------------------------

# The quickest of what was tried with rclone 1.75.2, OpenSSH 9.2, nginx 1.22 and versitygw 1.8.0 on two cores, in turn
# and two or three times each: SFTP in pieces of 32k (the default) and 255k; ciphers as they come and AES-GCM; rclone's
# own SSH and the external one (slower: twice the CPU time); requests in flight 16, 64 and 128; parts of 5, 16, 32 and
# 64 MiB, 2, 4 and 8 at once; 0, 2, 4 and 8 streams a file; 2 to 32 transfers; 4 connections and any number; 2, 8 and 32
# checkers; buffers of 0, 16 and 64 MiB; payloads signed and not; with and without looks at the lake before and after a
# file, HEAD, fstat, MD5 and system metadata. As it comes, rclone takes about twice as long over SFTP, and 40 times with
# files of 20 KiB: it starts a process on the server for the hash of each.
_RCLONE = ["--no-check-dest", "--s3-no-check-bucket", "--s3-no-head", "--s3-disable-checksum"]
_RCLONE += ["--s3-use-unsigned-payload", "true"]
_RCLONE_BY_PROTOCOL = {
    "sftp": ["--sftp-disable-hashcheck", "--sftp-chunk-size", "255k", "--sftp-ciphers", "aes128-gcm@openssh.com"],
    "http": [],
}
_PARTS = ["--s3-upload-concurrency", "4", "--s3-chunk-size", "16M"]
_RCLONE_BY_CASE = {
    "sftp-large": [*_PARTS, "--multi-thread-streams", "0"],
    "sftp-medium": ["--transfers", "4", "--no-traverse"],
    "sftp-small": ["--transfers", "16"],
    "http-large": [*_PARTS, "--multi-thread-streams", "2"],
    "http-medium": ["--transfers", "4", "--no-traverse", "--buffer-size", "0"],
    "http-small": ["--transfers", "16", "--http-no-head"],
}


def rclone(job: Job) -> tuple[list[str], dict[str, str]]:
    """rclone's command with its best flags, and its environment with both remotes."""
    given = {
        "LAKE_TYPE": "s3",
        "LAKE_PROVIDER": "Other",
        "LAKE_ENDPOINT": job.endpoint,
        "LAKE_REGION": "us-east-1",
        "LAKE_ENV_AUTH": "true",
        "PARTY_TYPE": job.protocol,
        "PARTY_URL": job.url,
        "PARTY_HOST": job.host,
        "PARTY_PORT": str(job.port),
        "PARTY_USER": job.user,
        "PARTY_KEY_FILE": job.key_file(),
        "PARTY_KNOWN_HOSTS_FILE": job.known_hosts(),
    }
    env = job.environment() | {"RCLONE_CONFIG": os.devnull}
    env |= {f"RCLONE_CONFIG_{name}": value for name, value in given.items()}
    flags = [*_RCLONE, *_RCLONE_BY_PROTOCOL[job.protocol], *_RCLONE_BY_CASE.get(job.case, [])]
    party = f"party:{job.folder if job.protocol == 'sftp' else ''}"
    return ["rclone", "copy", "--quiet", *flags, party, f"lake:{job.bucket}"], env


# --- the limit --------------------------------------------------------------------------------------------

_PART = 64 << 20  # bytes of a part of the limit's upload, and
_THREADS = 8  # how many it sends at once: 2 to 8 of 16 or 64 MiB are equally fast within the noise, this one most often


def download(job: Job) -> list[str]:
    """The quickest client of its kind, to /dev/null: OpenSSH's `sftp` with its best options, or curl."""
    if job.protocol == "http":
        lines = [f'url = "{job.url}{name}"\noutput = "{os.devnull}"\n' for name in job.names]
        quiet = ["--silent", "--show-error", "--no-progress-meter", "--fail"]
        return ["curl", "-q", *quiet, "--parallel", "--config", job.file("urls", "".join(lines))]
    options = ["-q", "-B", "262000", "-R", "64", "-c", "aes128-gcm@openssh.com", "-P", str(job.port)]
    options += ["-F", "none", "-i", job.key_file(), "-o", "IdentitiesOnly=yes", "-o", "GlobalKnownHostsFile=none"]
    options += ["-o", f"UserKnownHostsFile={job.known_hosts()}"]
    batch = job.file("batch", "".join(f"get {job.folder}/{name} {os.devnull}\n" for name in job.names))
    return ["sftp", *options, "-b", batch, f"{job.user}@{job.host}"]


def upload(job: Job) -> None:
    """Bytes that are in memory, to S3, by requests that are signed; prints what the sending alone took, as JSON.

    Nothing is hashed, and boto3 is not on the way: for many small files it, not the server, would be the limit.
    """
    import http.client
    import threading
    from urllib.parse import urlsplit

    import boto3
    from botocore.config import Config  # type: ignore[import-untyped]

    config = Config(signature_version="s3v4", request_checksum_calculation="when_required")
    s3 = boto3.client("s3", endpoint_url=job.endpoint, config=config)
    own = threading.local()

    def put(url: str, body: bytes) -> str:
        if not hasattr(own, "connection"):
            own.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=600, blocksize=BLOCK)
        own.connection.request("PUT", url[url.index("/", len("http://")) :], body)
        answer = own.connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"S3 says {answer.status}: {said[:500]}")
        return str(answer.headers["ETag"])

    urls: list[str] = []
    bodies: list[bytes] = []
    uploads: list[tuple[dict[str, str], range]] = []  # with the places of their parts in the lists above
    for name in job.names:
        target, first = {"Bucket": job.bucket, "Key": name}, len(urls)
        with Path(job.local, name).open("rb") as file:
            parts = list(iter(partial(file.read, _PART), b""))
        if len(parts) == 1:
            urls.append(s3.generate_presigned_url("put_object", target))
        else:
            target["UploadId"] = s3.create_multipart_upload(**target)["UploadId"]
            numbers = range(1, len(parts) + 1)
            urls += [s3.generate_presigned_url("upload_part", target | {"PartNumber": number}) for number in numbers]
            uploads.append((target, range(first, len(urls))))
        bodies += parts
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    with ThreadPoolExecutor(_THREADS) as pool:
        tags = list(pool.map(put, urls, bodies))
    for target, places in uploads:
        done = [{"PartNumber": number, "ETag": tags[place]} for number, place in enumerate(places, 1)]
        s3.complete_multipart_upload(**target, MultipartUpload={"Parts": done})
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    took = {"seconds": round(seconds, 3), "cpu_seconds": round(cpu, 3), "peak_rss_mb": round(_peak(), 1)}
    sys.stdout.write(json.dumps(took))


def _peak() -> float:
    """This process's highest RSS in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    {"inlet": inlet, "usual": usual, "upload": upload}[sys.argv[1]](Job(**json.loads(Path(sys.argv[2]).read_text())))
