"""An FTP server of an outside party."""

import ftplib
import io
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import BinaryIO

from pydantic import Field, SecretStr

from blocks.errors import AccessDenied, Changed, Interrupted, Misconfigured, NotThere, PlaceError, Unreachable
from blocks.place import Place, RemoteFile, Status, bytes_of, inside, shown, text_of
from blocks.ranges import RangedStream

CHUNK = 256 << 10  # bytes that are taken from a data connection at a time


class FtpServer(Place):
    """An FTP server that a party leaves files on; its data connections are passive ones.

    With TLS (explicit, RFC 4217) the server's certificate is verified before the password is sent, and names
    and files are encrypted as well. The server must know MLSD (RFC 3659), REST, SIZE and MDTM.

    Example:
        List what is there:
        ```python
        from blocks.ftp import FtpServer

        server = FtpServer.load("BLOCK_NAME")
        with server.connect() as remote:
            for file in remote.list():
                ...
        ```
    """

    _block_type_name = "FTP server"
    _block_type_slug = "ftp-server"
    _description = "An FTP server that a party leaves files on: its address, our login, the folder."

    host: str = Field(description="Name or address of the server.")
    port: int = Field(default=21, ge=1, le=65535, description="Port of the server.")
    tls: bool = Field(default=True, description="Encrypt everything (FTPS, explicit); off only where the party cannot.")
    user: str = Field(default="anonymous", description="User name to log in with.")
    password: SecretStr = Field(default=SecretStr(""), description="Password of this user.")
    authority: str | None = Field(
        default=None,
        description="Certificate of the party's own authority: the whole text of its PEM file; the public ones "
        "count as well.",
    )
    root: str = Field(default=".", description="Folder on the server that holds the files; a dot is the login folder.")
    connections: int = Field(
        default=4, ge=1, le=16, description="How many connections a transfer may open to this server at once."
    )
    timeout: float = Field(
        default=60, gt=0, description="Seconds without an answer after which the server counts as gone."
    )

    @property
    def server(self) -> str | None:
        """See `Place.server`."""
        return self.host

    @contextmanager
    def connect(self) -> Iterator["FtpFiles"]:
        """Log in. Raises `Unreachable`, `AccessDenied`, or `Misconfigured` for a certificate that is not trusted."""
        files = FtpFiles(self)
        try:
            files.give(files.take())
            yield files
        finally:
            files.close()

    def log_in(self) -> ftplib.FTP:
        """A new connection; the caller closes it."""
        ftp = _Tls(context=self._context()) if self.tls else ftplib.FTP()  # noqa: S321  # what the party has
        ftp.encoding = "latin-1"  # has a character for each byte: names go and come as they are
        try:
            with _sayings(self.say(), Unreachable):
                ftp.connect(self.host, self.port, self.timeout)
                ftp.login(self.user, self.password.get_secret_value())  # with TLS it asks for that first
                if isinstance(ftp, ftplib.FTP_TLS):
                    ftp.prot_p()
                ftp.voidcmd("TYPE I")
        except BaseException:
            ftp.close()
            raise
        return ftp

    def say(self) -> str:
        """The server, in errors."""
        return f"{'ftps' if self.tls else 'ftp'}://{self.user}@{self.host}:{self.port}"

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        try:
            if self.authority:
                context.load_verify_locations(cadata=self.authority)
        except (ssl.SSLError, ValueError) as error:
            raise Misconfigured(f"The authority's certificate of {self.say()} is no PEM text") from error
        return context


class FtpFiles:
    """The files of an FTP server below the folder of `place`.

    A connection does one thing at a time, so each open file has its own; one that is done is used again.
    """

    stripes = False  # each jump in a file breaks a transfer off, and with it the connection

    def __init__(self, place: FtpServer) -> None:
        self._place = place
        self._root = b"" if place.root in {"", "."} else bytes_of(place.root).rstrip(b"/") + b"/"
        self._idle: list[ftplib.FTP] = []

    def list(self) -> Iterator[RemoteFile]:
        """Every regular file, folder by folder; sizes and times come with the names. Links are passed over.

        Raises `NotThere`, `AccessDenied` (also for one folder among many), `Interrupted`, and `PlaceError` for a
        server that does not know MLSD.
        """
        folders = [b""]
        while folders:
            folder = folders.pop()
            ftp = self.take()
            try:
                with _sayings(self._say(folder), Interrupted):
                    try:
                        entries = [*ftp.mlsd(self._path(folder), ["type", "size", "modify"])]
                    finally:
                        ftp.voidcmd("TYPE I")  # a listing is ASCII, in which servers tell no file's size
            except NotThere:
                self.give(ftp)
                if folder:
                    continue  # removed since its parent was listed
                raise
            except BaseException:
                ftp.close()
                raise
            self.give(ftp)
            for step, facts in entries:
                kind, name = facts.get("type", "").lower(), folder + step.encode("latin-1")
                if kind in {"file", "dir"} and (step in {"", ".", ".."} or "/" in step or "\0" in step):
                    raise PlaceError(f"{self._say(folder)} holds {step!r}, which no file can be called")
                if kind == "dir":
                    folders.append(name + b"/")
                elif kind == "file" and facts.get("size", "").isdigit():
                    yield RemoteFile(name=text_of(name), size=int(facts["size"]), mtime=_time(facts.get("modify")))

    def open(self, name: str) -> BinaryIO:
        """A seekable, buffered stream of one file.

        Raises `NotThere`, `AccessDenied`, `Unreachable`; reading raises `Interrupted`, and `Changed` where size
        or time are, after a jump, no longer what they were.
        """
        asked = inside(name, self._place.say())
        if b"\n" in asked or b"\r" in asked:
            raise NotThere(f"{name!r} is not a name that FTP can carry")
        return io.BufferedReader(_Reader(self, self._path(asked), self._say(asked)), CHUNK)

    def take(self) -> ftplib.FTP:
        """A connection that nobody uses."""
        return self._idle.pop() if self._idle else self._place.log_in()

    def give(self, ftp: ftplib.FTP) -> None:
        """Take back a connection that has answered everything."""
        self._idle.append(ftp)

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    def _path(self, name: bytes) -> str:
        path = self._root + name
        return (path.rstrip(b"/") or path[:1] or b".").decode("latin-1")

    def _say(self, name: bytes) -> str:
        return f"{self._place.say()}/{shown((self._root + name).strip(b'/'))}"


class _Reader(RangedStream):
    """One file. FTP sends from an offset to the end; a jump breaks that off and begins anew."""

    def __init__(self, files: FtpFiles, path: str, what: str) -> None:
        self._files = files
        self._path = path
        self._data: socket.socket | None = None
        self._ftp = files.take()
        try:
            self._version = self._look(what)
        except BaseException:
            self._ftp.close()
            raise
        super().__init__(what, self._version[0])

    def status(self) -> Status:
        """Size and time: as the server says now, once the file was read; before, what it said when it was opened."""
        if self._data is not None and self._end():
            self._data = None
            self._version = self._look(self._what)
        return Status(self._version[0], _time(self._version[1].partition(" ")[2]))

    def close(self) -> None:
        if not self.closed:
            if self._end():
                self._files.give(self._ftp)
            else:
                self._ftp.close()
        super().close()

    def _look(self, what: str) -> tuple[int, str]:
        with _sayings(what, Interrupted):
            return self._ftp.size(self._path) or 0, self._ftp.sendcmd(f"MDTM {self._path}")

    def _ask(self, start: int, stop: int) -> tuple[Iterator[bytes], int]:
        again = self._data is not None
        if not self._end():
            self._ftp.close()
            self._ftp = self._files.take()
        try:
            if again and self._look(self._what) != self._version:
                raise Changed(f"{self._what} changed while it was read")
        except NotThere as error:
            raise Changed(f"{self._what} went away while it was read") from error
        with _sayings(self._what, Interrupted):
            self._data = self._ftp.transfercmd(f"RETR {self._path}", rest=start)
        return self._receive_from(self._data), self._version[0]

    def _receive_from(self, data: socket.socket) -> Iterator[bytes]:
        with _sayings(self._what, Interrupted):
            while chunk := data.recv(CHUNK):
                yield chunk
            self._ftp.voidresp()  # says why the data ended early

    def _end(self) -> bool:
        """End the transfer at hand; whether the connection can be used again."""
        if self._data is None:
            return True
        self._data.close()
        # A file that was read to its end has one answer left. One that was not may have none for long, or two.
        if self._start + len(self._chunk) != self._size:
            return False
        with suppress(ftplib.Error, EOFError, OSError):
            self._ftp.voidresp()
            return True
        return False


class _Tls(ftplib.FTP_TLS):
    """Resumes the session of the control connection for data, as many servers demand (CPython issue 63699)."""

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321  # wrapped below
        control = self.sock
        session = control.session if isinstance(control, ssl.SSLSocket) else None
        return self.context.wrap_socket(conn, server_hostname=self.host, session=session), size


def _time(modify: str | None) -> datetime | None:
    """RFC 3659, 2.3: YYYYMMDDHHMMSS in UTC, perhaps with a fraction, which is left out."""
    try:
        return datetime.strptime((modify or "")[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


@contextmanager
def _sayings(what: str, broken: type[PlaceError]) -> Iterator[None]:
    """Turn what ftplib and the socket raise about `what` into a `PlaceError`, `broken` for a lost connection."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise Misconfigured(f"{what} shows a certificate that is not trusted: {error.verify_message}") from error
    except ftplib.error_perm as error:
        said, code = str(error).rstrip("."), str(error)[:3]
        if code in {"530", "532"} or (code in {"550", "553"} and "denied" in said.lower()):
            raise AccessDenied(f"{what} is refused: {said}") from error
        if code in {"501", "550"}:  # 501 is MLSD's word for what is no folder (RFC 3659, 7.2.1)
            raise NotThere(f"{what} is not there: {said}") from error
        raise PlaceError(f"{what} cannot be had: the server answers {said}") from error
    except ftplib.error_temp as error:
        raise broken(f"{what} cannot be had now: the server answers {str(error).rstrip('.')}") from error
    except (ftplib.Error, EOFError, OSError) as error:
        raise broken(f"The connection about {what} failed: {error or type(error).__name__}") from error
