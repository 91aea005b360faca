"""An SFTP server of an outside party."""

import errno
import io
import stat
import struct
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal, cast

import paramiko
from paramiko.sftp import (
    CMD_ATTRS,
    CMD_CLOSE,
    CMD_DATA,
    CMD_FSTAT,
    CMD_NAME,
    CMD_OPENDIR,
    CMD_READ,
    CMD_READDIR,
    SFTP_EOF,
    SFTP_NO_SUCH_FILE,
    SFTP_OK,
    SFTP_PERMISSION_DENIED,
    SFTPError,
    int64,
)
from pydantic import Field

from blocks.errors import (
    AccessDenied,
    Changed,
    Interrupted,
    Misconfigured,
    NotThere,
    PlaceError,
)
from blocks.place import Place, RemoteFile, Status, bytes_of, inside, instant, shown, text_of
from blocks.ssh import Channel, Hop, Login, openssh, openssh_is_here, plain

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

REQUEST = 255 << 10  # bytes one read asks for: the most that OpenSSH gives (limits@openssh.com says so)
WINDOW = 32 * REQUEST  # bytes asked for ahead of the reader, about 8 MiB: what an open file takes of memory
SMALL = 64 << 10  # bytes taken from the line at once, while what comes is smaller
PACKET = 16 << 20  # bytes of a packet that no server sends
FOLDERS_AHEAD = 16  # READDIR requests in flight; OpenSSH answers each with up to 100 names


class JumpHost(Login):
    """An SSH server on the way to another, with a key and a login of its own."""


class SftpServer(Place, Login):
    """An SFTP server that a party leaves files on.

    The server's key is compared before anything secret is sent. No configuration, agent, `known_hosts` or key
    file of the machine is looked at: what the block says is all there is.

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

    root: str = Field(default=".", description="Folder on the server that holds the files; a dot is the login folder.")
    jump: JumpHost | None = Field(
        default=None, description="SSH server to go through, where the SFTP server is only reached from there."
    )
    connections: int = Field(
        default=4, ge=1, le=16, description="How many connections a transfer may open to this server at once."
    )
    timeout: float = Field(
        default=60, gt=0, description="Seconds without an answer after which the server counts as gone."
    )
    old_algorithms: bool = Field(
        default=False,
        description="Also speak the outdated encryption (SHA-1, CBC) of an old server; needs OpenSSH's client.",
    )
    transport: Literal["auto", "openssh", "paramiko"] = Field(
        default="auto",
        description="What carries the bytes: OpenSSH's client (fast), paramiko, or the first where it is found.",
    )

    @property
    def server(self) -> str | None:
        """See `Place.server`."""
        return self.host

    @contextmanager
    def connect(self) -> Iterator["SftpFiles"]:
        """Log in.

        Raises `Unreachable`, `HostKeyMismatch` (before any secret is sent), `AccessDenied`, or
        `Misconfigured` for a host key, private key or passphrase that cannot be used.
        """
        server = Hop.of(self, "sftp")
        hops = [Hop.of(self.jump), server] if self.jump else [server]
        way = self._openssh if self._by_openssh() else self._paramiko
        with way(hops) as client:
            yield SftpFiles(client, self.root, server.what)

    def _by_openssh(self) -> bool:
        if self.transport == "openssh" and not openssh_is_here():
            raise Misconfigured("OpenSSH's client (ssh) cannot be used where this runs")
        return self.transport == "openssh" or (self.transport == "auto" and openssh_is_here())

    @contextmanager
    def _openssh(self, hops: list[Hop]) -> Iterator["_Client"]:
        with openssh(hops, "sftp", self.timeout, self.old_algorithms) as channel:
            with _opening(hops[-1]):
                client = _Client(cast(paramiko.Channel, channel))
            channel.settimeout(self.timeout)
            yield client

    @contextmanager
    def _paramiko(self, hops: list[Hop]) -> Iterator["_Client"]:
        with plain(hops, self.timeout, self.old_algorithms) as transport:
            with _opening(hops[-1]):
                # Twice what is ever asked for, so that the server never waits for leave to send.
                client = _Client.from_transport(transport, window_size=2 * WINDOW)
            if client is None:
                raise Interrupted(f"{hops[-1].what} closed the connection")
            client.sock.settimeout(self.timeout)
            yield client


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
    """Paramiko's client with answers that need not be UTF-8, and names that are bytes.

    Requests are sent together, once an answer is waited for, and small answers are taken together: each call of the
    kernel lets go of the interpreter, and may wait 5 ms to get it back.
    """

    _unsent = b""
    _unread = b""
    _large = False  # whether the last packet was

    if TYPE_CHECKING:  # paramiko's machinery, which its stubs leave out

        def _request(self, kind: int, *arguments: object) -> tuple[int, paramiko.Message]: ...
        def _async_request(self, receiver: object, kind: int, *arguments: object) -> int: ...
        def _read_response(self, waitfor: int | None = None) -> object: ...

    def flush(self) -> None:
        """Send the requests that were made."""
        unsent, self._unsent = self._unsent, b""
        while unsent:
            unsent = unsent[self.sock.send(unsent) :]

    def _write_all(self, out: bytes) -> None:
        self._unsent += out

    def _read_packet(self) -> tuple[int, bytes]:
        self.flush()
        size, kind = struct.unpack(">IB", self._take(5))
        if not 0 < size <= PACKET:
            raise SFTPError("The server sends what is no SFTP")
        content = self._take(size - 1)
        self._large = size > SMALL
        return kind, content

    def _take(self, count: int) -> bytes:
        while len(self._unread) < count:
            missing = count - len(self._unread)
            if self._large or missing > SMALL or not isinstance(self.sock, Channel):
                more = self.sock.recv(missing)
            else:
                more = self.sock.recv_some(SMALL)
            if not more:
                raise EOFError
            self._unread += more
        taken, self._unread = self._unread[:count], self._unread[count:]
        return taken

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


class _Stat:
    """Asks how an open file is, and receives the answer."""

    def __init__(self, client: _Client, file: paramiko.SFTPFile) -> None:
        self._client = client
        self._answer: paramiko.SFTPAttributes | OSError | EOFError | None = None
        client._async_request(self, CMD_FSTAT, file.handle)

    def read(self) -> paramiko.SFTPAttributes:
        """The answer, which is waited for; raises `OSError` or `EOFError`."""
        while self._answer is None:
            self._client._read_response()
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def _async_response(self, kind: int, message: paramiko.Message, number: int) -> None:
        try:
            if kind != CMD_ATTRS:
                self._client._convert_status(message)
                raise OSError("The server answers with no attributes")
        except (OSError, EOFError) as error:
            self._answer = error
            return
        self._answer = paramiko.SFTPAttributes()
        self._answer._unpack(message)  # type: ignore[attr-defined]


@dataclass(slots=True, eq=False)
class _Piece:
    """A range of a file that was asked for; `answer` is None until it has come."""

    start: int
    length: int
    answer: bytes | Exception | None = None


class _Reader(io.RawIOBase):
    """One remote file. Reads are pipelined, and go on ahead of the reader as long as it reads in order.

    Of a file of one request, all that there is to ask is asked at once: how it is, its bytes, and how it is after them.
    Two round trips instead of four are most of the time that a small file takes.

    Not by paramiko's `prefetch`, which holds the whole file in memory and may wait for ever (paramiko issues
    1788, 2453), nor its `readv`, which loses its pipeline, and keeps what it has, once a server answers one
    with fewer bytes than were asked for: many give 32 KiB at most.
    """

    def __init__(self, client: _Client, path: bytes, what: str) -> None:
        self._client = client
        self._what = what
        self._file = client.open(path)
        self.stop: int | None = None  # see `blocks.place.bound`
        self._position = 0
        self._ahead = self._request = REQUEST
        self._asked: dict[int, _Piece] = {}  # by request number
        self._early: tuple[int, paramiko.Message, int] | None = None  # an answer that came before the size
        self._size = -1  # not known yet
        before, first = _Stat(client, self._file), _Piece(0, REQUEST)
        self._send(first)
        self._after: _Stat | None = _Stat(client, self._file)
        status = before.read()
        if status.st_size is None or not stat.S_ISREG(status.st_mode or stat.S_IFREG):
            raise NotThere(f"{what} is not a file")
        self._size = status.st_size
        self._next = first.length = min(REQUEST, self._size)  # where the next request begins
        self._pieces = deque([first])  # one after the other, the first at or before the position
        if self._early:
            self._async_response(*self._early)

    def status(self) -> Status:
        """As it was once all that was asked for had been read: a server answers in order about one file.

        That is what the second draft of SFTP's version 3 demands (draft-ietf-secsh-filexfer-02, 6.1).
        """
        with _sayings(self._what):
            found = (self._after or _Stat(self._client, self._file)).read()
        self._after = None
        return Status(found.st_size, instant(found.st_mtime))

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
        if self.stop is not None and self.stop > self._position:
            until = min(until, self.stop)
        while self._next < until:
            piece = _Piece(self._next, min(self._request, self._size - self._next))
            self._pieces.append(piece)
            self._send(piece)
            self._next += piece.length
        self._client.flush()

    def _send(self, piece: _Piece) -> None:
        self._after = None  # it would be too early
        handle, start = self._file.handle, int64(piece.start)
        self._asked[self._client._async_request(self, CMD_READ, handle, start, piece.length)] = piece

    def _async_response(self, kind: int, message: paramiko.Message, number: int) -> None:
        if self._size < 0:
            self._early = (kind, message, number)
            return
        piece = self._asked.pop(number, None)
        if piece is None:
            return  # asked for before a jump
        # a file may have grown between the first two answers
        if kind == CMD_DATA and (data := message.get_string()[: piece.length]):
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


@contextmanager
def _opening(server: Hop) -> Iterator[None]:
    """Turn what goes wrong between the login and the first answer into a `PlaceError`."""
    try:
        yield
    except (paramiko.SSHException, SFTPError, EOFError, OSError) as error:
        raise AccessDenied(f"{server.what} lets us in but opens no SFTP session: {error}") from error


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
