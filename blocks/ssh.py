"""A way into an SSH server: through OpenSSH's own client, or through paramiko where there is none.

Both look only at what they are given (no configuration, agent, `known_hosts` or key file of the machine), compare
the server's key before anything secret is sent, try a password once, and raise the same errors:
`Unreachable`, `HostKeyMismatch`, `AccessDenied`, `Interrupted`, and `PlaceError` for outdated encryption.

OpenSSH's client moves bytes 1.4 to 1.6 times as fast as paramiko, at a quarter of Python's CPU time.
"""

import base64
import io
import math
import os
import pwd
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from paramiko.pkey import UnknownKeyType
from paramiko.ssh_exception import IncompatiblePeer
from pydantic import BaseModel, Field, SecretStr

from blocks.errors import AccessDenied, HostKeyMismatch, Interrupted, Misconfigured, PlaceError, Unreachable

# What OpenSSH can do and does not do unasked: SHA-1 in signatures and key exchange, CBC, MD5.
OLD_KEX = "diffie-hellman-group14-sha1,diffie-hellman-group-exchange-sha1,diffie-hellman-group1-sha1"
OLD_CIPHERS = "aes128-cbc,aes192-cbc,aes256-cbc,3des-cbc"
OLD_MACS = "hmac-sha1,hmac-sha1-96,hmac-md5,hmac-md5-96"


class Login(BaseModel):
    """Where an SSH server is, how it is known, and who we are there."""

    host: str = Field(description="Name or address of the server.")
    port: int = Field(default=22, ge=1, le=65535, description="Port of the server.")
    user: str = Field(description="User name to log in with.")
    password: SecretStr | None = Field(
        default=None, description="Password; beside a private key for a server that asks for both."
    )
    private_key: SecretStr | None = Field(
        default=None, description="Private key: the whole text of its file (OpenSSH or PEM)."
    )
    passphrase: SecretStr | None = Field(default=None, description="Passphrase of the private key, if it has one.")
    host_key: str = Field(
        description="The server's public key, as the party gives it or as a known_hosts line "
        "(ssh-ed25519 AAAA…); several lines while the party changes its key."
    )


@dataclass(frozen=True)
class Hop:
    """One server on the way, with keys that have been read. `what` names it in errors."""

    what: str
    host: str
    port: int
    user: str
    password: str | None = field(repr=False)
    key: paramiko.PKey | None = field(repr=False)
    known: list[paramiko.PKey]

    @classmethod
    def of(cls, login: Login, scheme: str = "ssh") -> "Hop":
        """Raises `Misconfigured` for a host key, private key or passphrase that cannot be used."""
        what = f"{scheme}://{login.user}@{login.host}:{login.port}"
        known, key = _known_keys(login.host_key, what), _own_key(login, what)
        password = login.password.get_secret_value() if login.password else None
        if key is None and not password:
            raise Misconfigured(f"{what} has neither a password nor a private key")
        for name in (login.host, login.user):
            if not name.isprintable() or name.startswith("-") or not name.strip():
                raise Misconfigured(f"{name!r} is no name of a host or user")
        return cls(what, login.host, login.port, login.user, password, key, known)

    def mismatch(self, offered: str) -> HostKeyMismatch:
        """The error for a server that shows the key with the fingerprint `offered`."""
        expected = " or ".join(map(fingerprint, self.known))
        return HostKeyMismatch(f"{self.what} shows the key {offered}, the block expects {expected}")


def fingerprint(key: paramiko.PKey) -> str:
    """As `ssh-keygen -l` prints it."""
    return f"{key.fingerprint} ({key.get_name()})"


def _known_keys(given: str, what: str) -> list[paramiko.PKey]:
    if re.search(r"(?m)^\s*@", given):
        raise Misconfigured(f"The host key of {what} is a marked line (@…), which is not understood")
    keys = []
    for text in re.findall(r"(?:^|\s)(AAAA\S+)", given):
        try:
            blob = base64.b64decode(text, validate=True)
            keys.append(paramiko.PKey.from_type_string(paramiko.Message(blob).get_text(), blob))
        except (paramiko.SSHException, UnknownKeyType, ValueError, IndexError) as error:
            raise Misconfigured(f"The host key {text} of {what} is damaged or no known type") from error
    if not keys:
        raise Misconfigured(f"The host key of {what} is not a line such as 'ssh-ed25519 AAAA…'")
    return keys


def _own_key(login: Login, what: str) -> paramiko.PKey | None:
    if not login.private_key:
        return None
    text = login.private_key.get_secret_value().replace("\r", "").strip() + "\n"  # as text fields leave it
    passphrase = login.passphrase.get_secret_value() if login.passphrase else None
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(text), passphrase)
        except paramiko.PasswordRequiredException as error:
            raise Misconfigured(f"The private key for {what} needs its passphrase") from error
        except (paramiko.SSHException, ValueError, IndexError):  # another kind, or damaged
            continue
    raise Misconfigured(f"The private key for {what} is no Ed25519, ECDSA or RSA key, or its passphrase is wrong")


# --- OpenSSH's client -------------------------------------------------------------------------------------


def openssh_is_here() -> bool:
    """Whether `openssh` can be used: there is an `ssh` of 2020 (8.4, whose options we use) or later, Linux to keep
    secrets in memory, and a name for our user.
    """
    try:
        pwd.getpwuid(os.getuid())  # ssh ends without one, and a container's arbitrary user has none
    except KeyError:
        return False
    if not hasattr(os, "memfd_create") or not os.access(f"/proc/{os.getpid()}/fd", os.X_OK):
        return False
    program = shutil.which("ssh")
    return program is not None and _version(program) >= (8, 4)


@cache
def _version(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "-V"], capture_output=True, check=False, text=True, errors="replace").stderr
    found = re.match(r"OpenSSH_(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else ()


class Channel:
    """What an SSH subsystem says and hears, for `paramiko.SFTPClient`: the stdin and stdout of an `ssh` process.

    Until the first bytes come, whatever goes wrong is raised as the `PlaceError` that `ssh` gives the reason for.
    """

    def __init__(
        self, sock: socket.socket, process: "subprocess.Popen[bytes]", hops: list[Hop], logs: list[int]
    ) -> None:
        self._sock = sock
        self._process = process
        self._hops = hops
        self._logs = logs
        self._begun = False
        self.secrets = ExitStack()  # closed once they are no longer needed

    def settimeout(self, seconds: float) -> None:
        """The kernel's timeout, which unlike Python's leaves the socket blocking, as MSG_WAITALL needs."""
        whole, rest = divmod(round(seconds * 1e6), 1_000_000)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", whole, rest))

    def send(self, data: bytes) -> int:
        """Raises `TimeoutError` where the server takes nothing for so long."""
        try:
            return self._sock.send(data)
        except OSError as error:
            if not self._begun:
                raise self._trouble() from error
            if isinstance(error, BlockingIOError):
                raise TimeoutError from error
            raise

    def recv(self, length: int) -> bytes:
        """All of `length` bytes, less at the end or where the server pauses; raises `TimeoutError`."""
        return self._recv(length, socket.MSG_WAITALL)

    def recv_some(self, length: int) -> bytes:
        """What has come, at most `length` bytes; waits for one of them. Raises `TimeoutError`."""
        return self._recv(length, 0)

    def _recv(self, length: int, flags: int) -> bytes:
        try:
            data = self._sock.recv(length, flags)
        except OSError as error:
            if not self._begun:
                raise self._trouble() from error
            if isinstance(error, BlockingIOError):
                raise TimeoutError from error
            raise
        if not self._begun:
            if not data:
                raise self._trouble()
            self._begun = True
            self.secrets.close()
        return data

    def fileno(self) -> int:
        """The socket's."""
        return self._sock.fileno()

    def get_name(self) -> str:
        """For paramiko's log."""
        return "openssh"

    def get_transport(self) -> None:
        """There is none of paramiko's."""

    def close(self) -> None:
        """Hang up, which ends `ssh`; see that it is gone, with all that it has started."""
        self.secrets.close()
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)  # also where a forked child holds the socket
        self._sock.close()
        self._ended(2 if self._begun else 0.2)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # a jump host's ssh may be left, or all
        self._process.wait()

    def _ended(self, seconds: float) -> bool:
        """Whether the process has ended by then; it is not waited for, so that its number stays its own."""
        deadline = time.monotonic() + seconds
        with suppress(ChildProcessError):
            while not os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.005)
        return True

    def _trouble(self) -> PlaceError:
        late = not self._ended(1)
        for hop, there, log in zip(self._hops, [*self._hops[1:], None], self._logs, strict=True):
            said = os.pread(log, 1 << 20, 0).decode(errors="replace")
            if trouble := _trouble(hop, there, said, late):
                return trouble
        return Interrupted(f"{self._hops[-1].what} closed the connection")


@contextmanager
def openssh(hops: list[Hop], subsystem: str, timeout: float, old: bool) -> Iterator[Channel]:
    """A subsystem of the last of `hops` (one, or a jump host and the server) through an `ssh` process.

    Keys, passwords and logs are in memory only, under no name: `ssh` opens them by /proc/<our pid>/fd, and
    they go with this process, however it ends. `ssh` ends by itself when the channel's other end is closed.
    """
    with ExitStack() as stack:
        secrets = stack.enter_context(ExitStack())
        logs = [_memory(stack) for _ in hops]
        env = {"PATH": os.environ.get("PATH", os.defpath), "SHELL": "/bin/sh", "LC_ALL": "C", "DISPLAY": "none"}
        proxy: list[str] = []
        for number, hop in enumerate(hops):
            command, asks = _command(hop, secrets, (number + 1) * timeout, timeout, old)
            if proxy:
                command += ["-o", "ProxyCommand=" + proxy[0]]
            if hop is not hops[-1]:
                there = hops[number + 1]
                address = f"[{there.host}]:{there.port}" if ":" in there.host else f"{there.host}:{there.port}"
                line = shlex.join(["env", *(f"{name}={value}" for name, value in asks.items()), *command])
                line += f" -W {shlex.quote(address)} -- {shlex.quote(hop.host)} 2>>{_path(logs[number])}"
                proxy = [line.replace("%", "%%")]
        ours, theirs = socket.socketpair()
        stack.enter_context(ours)
        with theirs:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            process = subprocess.Popen(
                [*command, "-s", "--", hops[-1].host, subsystem],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=logs[-1],
                env=env | asks,
                cwd="/",
                start_new_session=True,  # Ctrl-C is ours to handle; a group to end as one
            )
        channel = Channel(ours, process, hops, logs)
        stack.callback(channel.close)
        channel.secrets = secrets.pop_all()
        channel.settimeout((len(hops) + 1) * timeout + 1)  # a little more than ssh gives it, whose reason is better
        yield channel


def _command(
    hop: Hop, secrets: ExitStack, connect: float, timeout: float, old: bool
) -> tuple[list[str], dict[str, str]]:
    """The `ssh` for one hop without the address, and what its environment needs for a password."""
    known = "".join(f"inlet {key.get_name()} {key.get_base64()}\n" for key in hop.known)
    types = [name for key in hop.known for name in _host_key_algorithms(key.get_name(), old)]
    methods = ["publickey"] * bool(hop.key) + ["password", "keyboard-interactive"] * bool(hop.password)
    key = _path(_memory(secrets, _unlocked(hop.key))) if hop.key else "none"
    options = {
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": _path(_memory(secrets, known.encode())),
        "GlobalKnownHostsFile": "none",
        "HostKeyAlias": "inlet",
        "HostKeyAlgorithms": "^" + ",".join(dict.fromkeys(types)),  # or a right key of another type looks wrong
        "CheckHostIP": "no",
        "VerifyHostKeyDNS": "no",
        "UpdateHostKeys": "no",
        "IdentityFile": key,
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "AddKeysToAgent": "no",
        "PKCS11Provider": "none",
        "PreferredAuthentications": ",".join(methods),
        "GSSAPIAuthentication": "no",
        "HostbasedAuthentication": "no",
        "NumberOfPasswordPrompts": "1",
        "BatchMode": "no" if hop.password else "yes",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "ClearAllForwardings": "yes",
        "PermitLocalCommand": "no",
        "ControlMaster": "no",
        "ControlPath": "none",
        "CanonicalizeHostname": "no",
        "Tunnel": "no",
        "RequestTTY": "no",
        "EscapeChar": "none",
        "Compression": "no",
        "ConnectTimeout": str(math.ceil(connect)),
        "ServerAliveInterval": str(math.ceil(timeout / 3)),
        "ServerAliveCountMax": "3",
        "Ciphers": "^aes128-gcm@openssh.com",  # the fastest; the others remain
        "LogLevel": "DEBUG1",  # says the fingerprint and how far it came; a few KB
    }
    command = [shutil.which("ssh") or "ssh", "-F", "none", "-p", str(hop.port), "-l", hop.user]
    for name, value in options.items():
        command += ["-o", f"{name}={value}"]
    if old:
        # Of two lists for one name the first counts, so the fast cipher leads and is not named again.
        at = command.index("Ciphers=^aes128-gcm@openssh.com")
        command[at] = "Ciphers=+" + OLD_CIPHERS
        command += ["-o", "KexAlgorithms=+" + OLD_KEX, "-o", "MACs=+" + OLD_MACS]
        command += ["-o", "PubkeyAcceptedKeyTypes=+ssh-rsa"]  # the name of the option that all versions know
    asks = {}
    if hop.password:
        asks = {"SSH_ASKPASS": _path(_askpass(secrets, hop.password)), "SSH_ASKPASS_REQUIRE": "force"}
    return command, asks


def _host_key_algorithms(name: str, old: bool) -> list[str]:
    return ["rsa-sha2-512", "rsa-sha2-256", *["ssh-rsa"] * old] if name == "ssh-rsa" else [name]


def _askpass(secrets: ExitStack, password: str) -> int:
    """A program that says the password once. Asked again, it ends `ssh`: a second try may lock us out."""
    read, write = os.pipe()
    secrets.callback(os.close, read)
    with open(write, "wb") as pipe:
        pipe.write(password.encode() + b"\n")
    script = (
        f"#!/bin/sh\nIFS= read -r word <{_path(read)}\n"
        '[ -n "$word" ] || { echo "inlet: asked again" >&2; kill $PPID; exit 1; }\n'
        "printf '%s\\n' \"$word\"\n"
    )
    return _memory(secrets, script.encode(), mode=0o500)


def _memory(stack: ExitStack, data: bytes | None = None, mode: int = 0o400) -> int:
    """A file that has no name: with `data` to be read or run by our children, else for one to write to."""
    file = os.memfd_create("inlet")
    if data is None:
        os.fchmod(file, 0o600)
        stack.callback(os.close, file)
        return file
    with open(file, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fchmod(file, mode)
        reader = os.open(f"/proc/self/fd/{file}", os.O_RDONLY)  # nothing open for writing can be run
    stack.callback(os.close, reader)
    return reader


def _path(file: int) -> str:
    return f"/proc/{os.getpid()}/fd/{file}"


def _unlocked(key: paramiko.PKey) -> bytes:
    """The text of a private key file without a passphrase."""
    if isinstance(key, paramiko.Ed25519Key):  # whose own write_private_key paramiko lacks
        seed = bytes(key._signing_key)  # type: ignore[attr-defined]
        ours = Ed25519PrivateKey.from_private_bytes(seed)
        return ours.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    out = io.StringIO()
    key.write_private_key(out)
    return out.getvalue().encode()


def _trouble(hop: Hop, there: Hop | None, said: str, late: bool) -> PlaceError | None:
    """What `ssh` says went wrong at one hop, from which we go on to `there`; None for one that did its part."""
    lines = [line.strip() for line in said.splitlines()]
    reasons = [line for line in lines if line and not line.startswith(("debug1: ", "OpenSSH_", "@", "Authenticated"))]
    reason = reasons[-1].rstrip(".") if reasons else "it does not answer in time" if late else "it hung up"
    if re.search(r"^(command-line|Bad |unknown option|.*: Bad configuration option|.*invalid characters)", reason):
        return PlaceError(f"The ssh of this machine cannot be used for {hop.what}: {reason}")
    greeting = said.partition("SSH2_MSG_NEWKEYS received")[0]  # before a banner could say what ssh says
    if found := re.search(r"no matching (.+) found", greeting):
        return PlaceError(f"{hop.what} offers only outdated encryption: no common {found[1]}")
    if "Host key verification failed" in greeting:
        offered = re.search(r"Server host key: (\S+) (SHA256:\S+)", greeting)
        return hop.mismatch(f"{offered[2]} ({offered[1]})" if offered else "that ssh does not name")
    if found := re.search(r"Load key .*: (.+)", said):
        return Misconfigured(f"The private key for {hop.what} cannot be used by ssh: {found[1].strip()}")
    if re.search(r"(?m)^(debug1: )?Authenticated to ", said):
        return _trouble_inside(hop, there, said, reason)
    methods = re.findall(r"Authentications that can continue: (\S+)", said)
    if found := re.search(r"Permission denied \((.+)\)", said):
        methods = [*methods, found[1]]
        asked = found[1].replace(",", ", ")
        if "with partial success" in said:
            return AccessDenied(f"{hop.what} wants more to log in: {asked}")
        ways = ["publickey"] * bool(hop.key) + ["password", "keyboard-interactive"] * bool(hop.password)
        if not set(ways) & set(found[1].split(",")):
            return AccessDenied(f"{hop.what} wants another way to log in: {asked}")
    if len(methods) > 1 or "inlet: asked again" in said or "Too many authentication failures" in said:
        return AccessDenied(f"{hop.what} does not let us in: the login is refused")
    if "SSH2_MSG_NEWKEYS received" in said:
        return Interrupted(f"{hop.what} broke off while we logged in: {reason}")
    if reason.startswith("ssh: "):
        return Unreachable(f"{hop.what} does not answer: {reason.rpartition(': ')[2]}")
    return Unreachable(f"{hop.what} does not greet as an SSH server: {reason}")


def _trouble_inside(hop: Hop, there: Hop | None, said: str, reason: str) -> PlaceError | None:
    if there:
        if "administratively prohibited" in said:
            return AccessDenied(f"The jump host {hop.what} lets us in but not on to {there.what}")
        if found := re.search(r"open failed: (?:connect failed: )?(.+)", said):
            return Unreachable(f"{there.what} does not answer to the jump host: {found[1].strip()}")
        return None
    if re.search("closed by remote host|Connection reset|Broken pipe|not responding|in time", said + reason):
        return Interrupted(f"{hop.what} broke off after we logged in: {reason}")
    return AccessDenied(f"{hop.what} lets us in but opens no SFTP session: {reason}")


# --- paramiko ---------------------------------------------------------------------------------------------


@contextmanager
def plain(hops: list[Hop], timeout: float, old: bool) -> Iterator[paramiko.Transport]:
    """A logged-in transport of paramiko's to the last of `hops` (one, or a jump host and the server)."""
    with ExitStack() as stack:
        transport: paramiko.Transport | None = None
        for hop in hops:
            transport = _greet(hop, transport, timeout, old)
            stack.callback(transport.close)
            _log_in(transport, hop)
        if transport is None:
            raise ValueError("no server")
        yield transport


def _line(hop: Hop, through: paramiko.Transport | None, timeout: float) -> "socket.socket | paramiko.Channel":
    if through is None:
        try:
            return socket.create_connection((hop.host, hop.port), timeout)
        except OSError as error:
            raise Unreachable(f"{hop.what} does not answer: {error.strerror or error}") from error
    try:
        return through.open_channel("direct-tcpip", (hop.host, hop.port), ("127.0.0.1", 0), timeout=timeout)
    except paramiko.ChannelException as error:
        if error.code == 1:  # administratively prohibited
            raise AccessDenied(f"The jump host lets us in but not on to {hop.what}") from error
        raise Unreachable(f"{hop.what} does not answer to the jump host: {error.text}") from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise Unreachable(f"{hop.what} does not answer by way of the jump host: {error}") from error


def _greet(hop: Hop, through: paramiko.Transport | None, timeout: float, old: bool) -> paramiko.Transport:
    """A connection whose server has proved to hold one of the keys; nobody is logged in yet."""
    transport = paramiko.Transport(_line(hop, through, timeout))
    try:
        transport.banner_timeout = transport.handshake_timeout = timeout
        transport.auth_timeout = transport.channel_timeout = timeout
        # A server has a key of each type: ask for the types we know first, or a right key looks wrong.
        options = transport.get_security_options()
        wanted = {key.get_name() for key in hop.known}
        options.key_types = sorted(
            options.key_types, key=lambda name: re.sub(r"^rsa-sha2-\d+", "ssh-rsa", name) not in wanted
        )
        options.ciphers = sorted(options.ciphers, key=lambda name: name != "aes128-gcm@openssh.com")  # the fastest
        if not old:  # as OpenSSH; SHA-1 in signatures and key exchange is gone from paramiko 5
            options.ciphers = [name for name in options.ciphers if not name.endswith("-cbc")]
            options.digests = [name for name in options.digests if not re.search("md5|-96$", name)]
        transport.start_client(timeout=timeout)
        offered = transport.get_remote_server_key()  # raises where the greeting timed out
        if offered not in hop.known:
            raise hop.mismatch(fingerprint(offered))
        transport.set_keepalive(30)
    except IncompatiblePeer as error:
        transport.close()
        raise PlaceError(f"{hop.what} offers only outdated encryption: {error}") from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        transport.close()
        raise Unreachable(f"{hop.what} does not greet as an SSH server: {error}") from error
    except BaseException:
        transport.close()
        raise
    return transport


def _log_in(transport: paramiko.Transport, hop: Hop) -> None:
    try:
        asked = transport.auth_publickey(hop.user, hop.key) if hop.key else ["password"]
        if asked and hop.password:
            asked = transport.auth_password(hop.user, hop.password)
    except paramiko.BadAuthenticationType as error:
        allowed = ", ".join(error.allowed_types)
        raise AccessDenied(f"{hop.what} wants another way to log in: {allowed}") from error
    except paramiko.AuthenticationException as error:
        raise AccessDenied(f"{hop.what} does not let us in: {error}") from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise Interrupted(f"{hop.what} broke off while we logged in: {error}") from error
    if asked:
        raise AccessDenied(f"{hop.what} wants more to log in: {', '.join(asked)}")
