"""An SFTP server of an outside party."""

import base64
import errno
import io
import re
import socket
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import paramiko
from paramiko.pkey import UnknownKeyType
from paramiko.sftp import (
    CMD_CLOSE,
    CMD_DATA,
    CMD_NAME,
    CMD_OPENDIR,
    CMD_READ,
    CMD_READDIR,
    SFTP_EOF,
    SFTP_NO_SUCH_FILE,
    SFTP_OK,
    SFTP_PERMISSION_DENIED,
    int64,
)
from paramiko.ssh_exception import IncompatiblePeer
from pydantic import Field, SecretStr

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
from blocks.place import Place, RemoteFile, bytes_of, inside, instant, shown, text_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

REQUEST = 255 << 10  # bytes one read asks for: the most that OpenSSH gives (limits@openssh.com says so)
WINDOW = 32 * REQUEST  # bytes asked for ahead of the reader, about 8 MiB: what an open file takes of memory
FOLDERS_AHEAD = 16  # READDIR requests in flight; OpenSSH answers each with up to 100 names


class SftpServer(Place):
    """An SFTP server that a party leaves files on.

    The server's key is compared before anything secret is sent. No agent, `known_hosts` or key file of
    the machine is looked at: what the block says is all there is.

    Example:
        List what is there:
        ```python
        from blocks.sftp import SftpServer

        server = SftpServer.load("BLOCK_NAME")
        with server.connect() as remote:
            for file in remote.list():
                ...
        ```
    """

    _block_type_name = "SFTP server"
    _block_type_slug = "sftp-server"
    _description = "An SFTP server that a party leaves files on: its address, its key, our login, the folder."

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
    root: str = Field(default=".", description="Folder on the server that holds the files; a dot is the login folder.")
    timeout: float = Field(
        default=60, gt=0, description="Seconds without an answer after which the server counts as gone."
    )

    @contextmanager
    def connect(self) -> Iterator["SftpFiles"]:
        """Log in.

        Raises `Unreachable`, `HostKeyMismatch` (before any secret is sent), `AccessDenied`, or
        `Misconfigured` for a host key, private key or passphrase that cannot be used.
        """
        known = self._known_keys()
        key = self._own_key()
        if key is None and self.password is None:
            raise Misconfigured(f"{self._say()} has neither a password nor a private key")
        transport = self._greet(known)
        try:
            self._log_in(transport, key)
            yield SftpFiles(self._session(transport), self.root, self._say())
        finally:
            transport.close()

    def _say(self) -> str:
        return f"sftp://{self.user}@{self.host}:{self.port}"

    def _known_keys(self) -> list[paramiko.PKey]:
        if re.search(r"(?m)^\s*@", self.host_key):
            raise Misconfigured(f"The host key of {self._say()} is a marked line (@…), which is not understood")
        keys = []
        for text in re.findall(r"(?:^|\s)(AAAA\S+)", self.host_key):
            try:
                blob = base64.b64decode(text, validate=True)
                keys.append(paramiko.PKey.from_type_string(paramiko.Message(blob).get_text(), blob))
            except (paramiko.SSHException, UnknownKeyType, ValueError, IndexError) as error:
                raise Misconfigured(f"The host key {text} of {self._say()} is damaged or no known type") from error
        if not keys:
            raise Misconfigured(f"The host key of {self._say()} is not a line such as 'ssh-ed25519 AAAA…'")
        return keys

    def _own_key(self) -> paramiko.PKey | None:
        if self.private_key is None:
            return None
        text = self.private_key.get_secret_value().replace("\r", "").strip() + "\n"  # as text fields leave it
        passphrase = self.passphrase.get_secret_value() if self.passphrase else None
        for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
            try:
                return kind.from_private_key(io.StringIO(text), passphrase)
            except paramiko.PasswordRequiredException as error:
                raise Misconfigured(f"The private key for {self._say()} needs its passphrase") from error
            except (paramiko.SSHException, ValueError, IndexError):  # another kind, or damaged
                continue
        raise Misconfigured(
            f"The private key for {self._say()} is no Ed25519, ECDSA or RSA key, or its passphrase is wrong"
        )

    def _greet(self, known: list[paramiko.PKey]) -> paramiko.Transport:
        """A connection whose server has proved to hold one of the keys; nobody is logged in yet."""
        try:
            sock = socket.create_connection((self.host, self.port), self.timeout)
        except OSError as error:
            raise Unreachable(f"{self._say()} does not answer: {error.strerror or error}") from error
        transport = paramiko.Transport(sock)
        try:
            transport.banner_timeout = transport.handshake_timeout = self.timeout
            transport.auth_timeout = transport.channel_timeout = self.timeout
            # A server has a key of each type: ask for the types we know first, or a right key looks wrong.
            options = transport.get_security_options()
            wanted = {key.get_name() for key in known}
            options.key_types = sorted(
                options.key_types, key=lambda name: re.sub(r"^rsa-sha2-\d+", "ssh-rsa", name) not in wanted
            )
            transport.start_client(timeout=self.timeout)
            offered = transport.get_remote_server_key()  # raises where the greeting timed out
            if offered not in known:
                raise HostKeyMismatch(
                    f"{self._say()} shows the key {_fingerprint(offered)}, "
                    f"the block expects {' or '.join(map(_fingerprint, known))}"
                )
            transport.set_keepalive(30)
        except IncompatiblePeer as error:
            transport.close()
            raise PlaceError(f"{self._say()} offers only outdated encryption: {error}") from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            transport.close()
            raise Unreachable(f"{self._say()} does not greet as an SSH server: {error}") from error
        except BaseException:
            transport.close()
            raise
        return transport

    def _log_in(self, transport: paramiko.Transport, key: paramiko.PKey | None) -> None:
        try:
            asked = transport.auth_publickey(self.user, key) if key else ["password"]
            if asked and self.password:
                asked = transport.auth_password(self.user, self.password.get_secret_value())
        except paramiko.BadAuthenticationType as error:
            allowed = ", ".join(error.allowed_types)
            raise AccessDenied(f"{self._say()} wants another way to log in: {allowed}") from error
        except paramiko.AuthenticationException as error:
            raise AccessDenied(f"{self._say()} does not let us in: {error}") from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise Interrupted(f"{self._say()} broke off while we logged in: {error}") from error
        if asked:
            raise AccessDenied(f"{self._say()} wants more to log in: {', '.join(asked)}")

    def _session(self, transport: paramiko.Transport) -> "_Client":
        try:
            # Twice what is ever asked for, so that the server never waits for leave to send.
            client = _Client.from_transport(transport, window_size=2 * WINDOW)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise AccessDenied(f"{self._say()} lets us in but opens no SFTP session: {error}") from error
        if client is None:
            raise Interrupted(f"{self._say()} closed the connection")
        client.sock.settimeout(self.timeout)
        return client


class SftpFiles:
    """The files of an SFTP server below `root`; `what` names the server in errors."""

    def __init__(self, client: "_Client", root: str, what: str) -> None:
        self._client = client
        self._root = b"" if root in {"", "."} else bytes_of(root).rstrip(b"/") + b"/"
        self._what = what

    def list(self) -> Iterator[RemoteFile]:
        """Every regular file, folder by folder; sizes and times come with the names.

        A link to a file counts as a file (one more request each); links to folders are passed over, as they
        may lead in circles. Raises `NotThere`, `AccessDenied` (also for one folder among many: left out, it
        would look empty) or `Interrupted`.
        """
        folders = [b""]
        while folders:
            folder = folders.pop()
            with _sayings(self._say(folder)):
                try:
                    entries = self._client.folder(self._path(folder))
                except FileNotFoundError:
                    if folder:
                        continue  # removed since its parent was listed
                    raise
            for step, attributes in entries:
                name = folder + step
                if stat.S_ISDIR(attributes.st_mode or 0):
                    folders.append(name + b"/")
                elif file := self._file(name, attributes):
                    yield file

    def open(self, name: str) -> BinaryIO:
        """A buffered stream of one file, which reads ahead up to `WINDOW` bytes while it is read in order.

        Raises `NotThere` and `AccessDenied`; reading raises `Interrupted`, and `Changed` where the file has
        become shorter than it was when it was opened.
        """
        asked = inside(name, self._what)
        with _sayings(self._say(asked)):
            return io.BufferedReader(_Reader(self._client, self._path(asked), self._say(asked)), REQUEST)

    def _file(self, name: bytes, attributes: paramiko.SFTPAttributes) -> RemoteFile | None:
        if attributes.st_mode is None or attributes.st_size is None or stat.S_ISLNK(attributes.st_mode):
            with _sayings(self._say(name)):
                try:
                    attributes = self._client.stat(self._path(name))
                except FileNotFoundError:
                    return None  # removed since, or a link that leads nowhere
        if attributes.st_size is None or not stat.S_ISREG(attributes.st_mode or stat.S_IFREG):
            return None
        return RemoteFile(name=text_of(name), size=attributes.st_size, mtime=instant(attributes.st_mtime))

    def _path(self, name: bytes) -> bytes:
        path = self._root + name
        return path.rstrip(b"/") or path[:1] or b"."

    def _say(self, name: bytes) -> str:
        return f"{self._what}/{shown(self._path(name).lstrip(b'/'))}"


class _Client(paramiko.SFTPClient):
    """Paramiko's client with answers that need not be UTF-8, and names that are bytes."""

    if TYPE_CHECKING:  # paramiko's machinery, which its stubs leave out

        def _request(self, kind: int, *arguments: object) -> tuple[int, paramiko.Message]: ...
        def _async_request(self, receiver: object, kind: int, *arguments: object) -> int: ...
        def _read_response(self, waitfor: int | None = None) -> object: ...

    def _convert_status(self, message: paramiko.Message) -> None:
        code, text = message.get_int(), message.get_string().decode(errors="replace")
        if code == SFTP_EOF:
            raise EOFError(text)
        if code == SFTP_NO_SUCH_FILE:
            raise FileNotFoundError(errno.ENOENT, text)
        if code == SFTP_PERMISSION_DENIED:
            raise PermissionError(errno.EACCES, text)
        if code != SFTP_OK:
            raise OSError(text)

    def folder(self, path: bytes) -> list[tuple[bytes, paramiko.SFTPAttributes]]:
        """What one folder holds, as names of one step each.

        Not by `listdir_iter`: that fails on a name that is not UTF-8, and loses answers if anything is asked
        between two of its entries. Raises `PlaceError` for a name that would lead out of the folder.
        """
        _, message = self._request(CMD_OPENDIR, path)
        names = _Names(self, message.get_string())
        try:
            names.read()
        finally:
            self._async_request(type(None), CMD_CLOSE, names.handle)
        for step, _ in names.found:
            if not step or b"/" in step or b"\0" in step:
                raise PlaceError(f"The server lists {step!r} in {path!r}, which no file can be called")
        return names.found


class _Names:
    """Receives the answers to the READDIR requests for one folder."""

    def __init__(self, client: _Client, handle: bytes) -> None:
        self.client = client
        self.handle = handle
        self.found: list[tuple[bytes, paramiko.SFTPAttributes]] = []
        self.waiting = 0
        self.ended = False

    def read(self) -> None:
        while not self.ended:
            if self.waiting < FOLDERS_AHEAD:
                self.waiting += 1
                self.client._async_request(self, CMD_READDIR, self.handle)
            else:
                self.client._read_response()

    def _async_response(self, kind: int, message: paramiko.Message, number: int) -> None:
        self.waiting -= 1
        if self.ended:
            return  # the end is said once for each request in flight
        if kind != CMD_NAME:
            self.ended = True
            try:
                self.client._convert_status(message)
            except EOFError:
                return
        for _ in range(message.get_int()):
            name = message.get_string()
            message.get_string()  # the line as `ls -l` prints it
            attributes = paramiko.SFTPAttributes()
            attributes._unpack(message)  # type: ignore[attr-defined]
            if name not in {b".", b".."}:
                self.found.append((name, attributes))


@dataclass(slots=True, eq=False)
class _Piece:
    """A range of a file that was asked for; `answer` is None until it has come."""

    start: int
    length: int
    answer: bytes | Exception | None = None


class _Reader(io.RawIOBase):
    """One remote file. Reads are pipelined, and go on ahead of the reader as long as it reads in order.

    Not by paramiko's `prefetch`, which holds the whole file in memory and may wait for ever (paramiko issues
    1788, 2453), nor its `readv`, which loses its pipeline, and keeps what it has, once a server answers one
    with fewer bytes than were asked for: many give 32 KiB at most.
    """

    def __init__(self, client: _Client, path: bytes, what: str) -> None:
        self._client = client
        self._what = what
        self._file = client.open(path)
        status = self._file.stat()
        if status.st_size is None or not stat.S_ISREG(status.st_mode or stat.S_IFREG):
            raise NotThere(f"{what} is not a file")
        self._size = status.st_size
        self._position = 0
        self._next = 0  # where the next request begins
        self._ahead = self._request = REQUEST
        self._pieces: deque[_Piece] = deque()  # one after the other, the first at or before the position
        self._asked: dict[int, _Piece] = {}  # by request number

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative position {base + offset}")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        if self._position >= self._size or not view:
            return 0
        with _sayings(self._what):
            self._ask(len(view))
            piece = self._pieces[0]
            while piece.answer is None:
                self._client._read_response()
            if isinstance(piece.answer, Exception):
                raise piece.answer
        at = self._position - piece.start
        data = piece.answer[at : at + len(view)]
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._pieces.clear()
            self._asked.clear()
            # Nothing hangs on the answer for a file that was only read; a dead server would not give one.
            with suppress(paramiko.SSHException, EOFError, OSError):
                self._file._close(async_=True)  # type: ignore[attr-defined]
        super().close()

    def _ask(self, length: int) -> None:
        """Drop what lies behind the position, ask for what lies ahead of it."""
        while self._pieces and self._pieces[0].start + self._pieces[0].length <= self._position:
            self._pieces.popleft()
            self._ahead = min(2 * self._ahead, WINDOW)
        if self._next != self._position and (not self._pieces or self._pieces[0].start > self._position):
            self._pieces.clear()  # a jump
            self._asked.clear()
            self._ahead = REQUEST
            self._next = self._position
        until = min(self._size, self._position + max(self._ahead, min(length, WINDOW)))
        while self._next < until:
            piece = _Piece(self._next, min(self._request, self._size - self._next))
            self._pieces.append(piece)
            self._send(piece)
            self._next += piece.length

    def _send(self, piece: _Piece) -> None:
        handle, start = self._file.handle, int64(piece.start)
        self._asked[self._client._async_request(self, CMD_READ, handle, start, piece.length)] = piece

    def _async_response(self, kind: int, message: paramiko.Message, number: int) -> None:
        piece = self._asked.pop(number, None)
        if piece is None:
            return  # asked for before a jump
        if kind == CMD_DATA and (data := message.get_string()):
            piece.answer = data
            if missing := piece.length - len(data):  # the server gives less at a time: ask for less from now on
                self._request = min(self._request, max(len(data), 4096))
                piece.length = len(data)
                rest = _Piece(piece.start + len(data), missing)
                self._pieces.insert(self._pieces.index(piece) + 1, rest)
                self._send(rest)
            return
        try:
            if kind != CMD_DATA:
                self._client._convert_status(message)
            raise EOFError
        except EOFError:
            piece.answer = Changed(f"{self._what} has become shorter since it was opened")
        except OSError as error:
            piece.answer = error


def _fingerprint(key: paramiko.PKey) -> str:
    """As `ssh-keygen -l` prints it."""
    return f"{key.fingerprint} ({key.get_name()})"


@contextmanager
def _sayings(what: str) -> Iterator[None]:
    """Turn what paramiko and the socket raise about `what` into a `PlaceError`."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotThere(f"{what} is not there") from error
    except PermissionError as error:
        raise AccessDenied(f"{what} may not be read by this user") from error
    except TimeoutError as error:
        raise Interrupted(f"The server has stopped answering about {what}") from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise Interrupted(f"Reading {what} failed: {error or type(error).__name__}") from error
