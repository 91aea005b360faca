"""An HTTP server of an outside party."""

import base64
import csv
import io
import re
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from itertools import islice
from typing import BinaryIO
from urllib.parse import quote_from_bytes, unquote_to_bytes, urljoin, urlsplit

import httpx
from pydantic import Field, SecretStr, field_validator

from blocks.errors import AccessDenied, Changed, Interrupted, Misconfigured, NotThere, PlaceError, Unreachable
from blocks.place import Place, RemoteFile, inside, shown, text_of
from blocks.ranges import FIRST, RangedStream

PAGE = 64 << 20  # bytes of a listing at most; 100,000 links take some 15 MB
ASKING = 8  # requests for sizes in flight
REDIRECTS = 5  # hops that one request follows at most
TRIES = 4  # times that a request is sent to a server that asks to wait


class HttpServer(Place):
    """A folder of an HTTP server that a party publishes files in.

    What is there is read from the folder's index page, from another page or file that lists it, or is said
    here. Exact sizes come from one HEAD request a file, as index pages round them: `only` keeps these few.
    One way to prove who we are at most is filled in; it is sent to the host of `url` and to no other. Proxies
    are taken from the environment (HTTPS_PROXY).

    Example:
        List what is there:
        ```python
        from blocks.http import HttpServer

        server = HttpServer.load("BLOCK_NAME")
        with server.connect() as remote:
            for file in remote.list():
                ...
        ```
    """

    _block_type_name = "HTTP server"
    _block_type_slug = "http-server"
    _description = "A web server that a party publishes files on: its address, how to list it, our login."

    url: str = Field(description="Address of the folder: https://host/folder/ (http:// where the party has no TLS).")
    only: str | None = Field(
        default=None,
        description="Regular expression for the files that count: the whole name below the folder, "
        r"such as sub/.*\.zip; all files if left empty.",
    )
    listing: str | None = Field(
        default=None,
        description="Name or address of what lists the files, if it is not the folder's own index page: a web "
        "page whose links count, a text with one name or address a line, or a CSV file.",
    )
    column: str | None = Field(default=None, description="Column of the CSV listing that holds names or addresses.")
    names: list[str] = Field(
        default_factory=list, description="Names or addresses of the files, where nothing lists them."
    )
    levels: int = Field(default=1, ge=0, le=9, description="How many folders deep index pages are followed.")
    user: str | None = Field(default=None, description="User name, where the server asks for name and password.")
    password: SecretStr | None = Field(default=None, description="Password of this user.")
    token: SecretStr | None = Field(default=None, description="Bearer token, where the party gave us one.")
    api_key: SecretStr | None = Field(default=None, description="Key that is sent in a header of its own.")
    api_key_header: str = Field(default="X-API-Key", description="Name of the header for this key.")
    client_id: str | None = Field(
        default=None, description="OAuth2 client, where tokens are fetched (client credentials)."
    )
    client_secret: SecretStr | None = Field(default=None, description="Secret of this client.")
    oauth_url: str | None = Field(default=None, description="Address that gives this client its tokens.")
    scope: str | None = Field(default=None, description="OAuth2 scope to ask for, if the party names one.")
    authority: str | None = Field(
        default=None,
        description="Certificate of the party's own authority: the whole text of its PEM file; the public ones "
        "count as well.",
    )
    other_hosts: bool = Field(
        default=False,
        description="Follow redirects to other hosts, such as a download service; no secret is sent there.",
    )
    timeout: float = Field(
        default=60, gt=0, description="Seconds without an answer after which the server counts as gone."
    )

    @field_validator("url")
    @classmethod
    def _folder(cls, url: str) -> str:
        """An address of a folder, with a slash at the end."""
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise Misconfigured(f"The address {url!r} is none") from error
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise Misconfigured(f"The address {parts.hostname or url!r} is not like https://host/folder/")
        if "@" in parts.netloc:
            raise Misconfigured(
                f"The address of {parts.hostname} holds a user: name and password have their own fields"
            )
        return url.rstrip("/") + "/"

    @contextmanager
    def connect(self) -> Iterator["HttpFiles"]:
        """Make ready; the first request connects. Raises `Misconfigured`."""
        ways = {
            "user and password": (self.user, self.password),
            "token": (self.token,),
            "API key": (self.api_key,),
            "OAuth2 client": (self.client_id, self.client_secret, self.oauth_url),
        }
        begun = [name for name, fields in ways.items() if any(fields)]
        if len(begun) > 1:
            raise Misconfigured(f"{self.url} has more than one way to log in: {', '.join(begun)}")
        if begun and not all(ways[begun[0]]):
            raise Misconfigured(f"{self.url} lacks a part of {begun[0]}")
        if self.names and self.listing:
            raise Misconfigured(f"{self.url} has both names and a listing")
        try:
            only = re.compile(self.only) if self.only else None
        except re.error as error:
            raise Misconfigured(f"{self.only!r} of {self.url} is no regular expression: {error}") from error
        with Session(self) as session:
            yield HttpFiles(session, self, only)


class HttpFiles:
    """The files of an HTTP server below the address of `place`."""

    def __init__(self, session: "Session", place: HttpServer, only: re.Pattern[str] | None) -> None:
        self._session = session
        self._place = place
        self._only = only

    def list(self) -> Iterator[RemoteFile]:
        """Every file that `only` matches, each with one HEAD request, `ASKING` at a time.

        A listed file that is gone is passed over; one that the block itself names raises `NotThere`. Raises
        `Misconfigured` for a web page in a file's place and for an address that is not below the folder.
        """
        place = self._place
        if place.names:
            found: Iterable[bytes] = [self._below(name) for name in place.names]
        elif place.listing:
            found = self._listed(urljoin(place.url, place.listing))
        else:
            found = self._indexed(place.url)
        names = (text_of(name) for name in dict.fromkeys(found))
        wanted = (name for name in names if self._only is None or self._only.fullmatch(name))
        with ThreadPoolExecutor(ASKING) as pool:
            while batch := list(islice(wanted, 8 * ASKING)):
                yield from filter(None, pool.map(self._file, batch))

    def open(self, name: str) -> BinaryIO:
        """A buffered stream of one file, the bytes as they come (never decompressed).

        Seekable where the server gives ranges. One that does not give them sends the file once: then
        `seekable()` is False and `seek` raises `io.UnsupportedOperation`. Raises `NotThere`, `AccessDenied`,
        `Unreachable`, and `Misconfigured` for a web page in the file's place. Reading raises `Interrupted`,
        and `Changed` where the ETag (the time where there is none) or the size is no longer what it was.
        """
        return io.BufferedReader(_Reader(self._session, self._url(name)), 128 << 10)

    def _file(self, name: str) -> RemoteFile | None:
        url = self._url(name)
        try:
            response = self._session.send(url, "HEAD", allow={400, 403, 405, 501})
            response.close()
            size = response.headers.get("content-length")
            if not response.is_success or size in {None, "0"}:  # no HEAD here, or no length in it
                response = self._session.send(url, headers={"Range": "bytes=0-0"}, allow={416})
                response.close()
                size = _total(response)
        except NotThere:
            if self._place.names:
                raise
            return None
        _refuse_page(response, url)
        if size is None:
            raise PlaceError(f"{url} has no size: its server does not say how long it is")
        return RemoteFile(name=name, size=int(size), mtime=_modified(response))

    def _url(self, name: str) -> str:
        return self._place.url + quote_from_bytes(inside(name, self._place.url))

    def _below(self, name: str) -> bytes:
        """The name below the folder of a name or address that the block or a listing gives."""
        if not re.match("https?://", name):  # a name, which may hold `?`, `#`, `%` and blanks as they are
            raw = name.encode("utf-8", "surrogateescape")
            inside(text_of(raw), self._place.url)
            return raw
        found = self._name(name)
        if not found or found.endswith(b"/"):
            raise Misconfigured(f"{name} is not the address of a file below {self._place.url}")
        return found

    def _name(self, url: str) -> bytes | None:
        """What an address adds to the folder's; None for one that is elsewhere, or has a query."""
        try:
            ours, parts = urlsplit(self._place.url), urlsplit(url)
            elsewhere = (parts.hostname, parts.port) != (ours.hostname, ours.port)
        except ValueError:
            return None
        root, path = unquote_to_bytes(ours.path), unquote_to_bytes(parts.path)
        if elsewhere or parts.scheme not in {"http", "https"} or parts.query or not path.startswith(root):
            return None
        name = path[len(root) :]
        steps = name.removesuffix(b"/").split(b"/")
        return None if b"\0" in name or any(step in {b"", b".", b".."} for step in steps) else name

    def _listed(self, url: str) -> Iterator[bytes]:
        response, data = self._session.page(url)
        if _is_page(response):
            for link in _links(data, str(response.url)):
                if (name := self._name(link)) and not name.endswith(b"/"):
                    yield name
            return
        text = data.decode("utf-8-sig", "surrogateescape")
        if self._place.column is None:
            lines: Iterable[str] = text.splitlines()
        else:
            rows = csv.DictReader(io.StringIO(text, newline=""))
            if self._place.column not in (rows.fieldnames or ()):
                raise Misconfigured(f"The listing {url} has no column {self._place.column!r}")
            lines = (row[self._place.column] or "" for row in rows)
        for line in lines:
            if line.strip():
                yield self._below(line.strip())

    def _indexed(self, root: str) -> Iterator[bytes]:
        folders = [(b"", self._place.levels)]
        seen = {b""}
        while folders:
            folder, levels = folders.pop()
            try:
                response, data = self._session.page(root + quote_from_bytes(folder))
            except NotThere:
                if folder:
                    continue  # removed since its parent was listed
                raise
            if not _is_page(response):
                raise Misconfigured(f"{root}{shown(folder)} is not an index page: name the files, or a listing")
            for link in _links(data, str(response.url)):
                name = self._name(link)
                if not name or name in seen:
                    continue
                seen.add(name)
                if not name.endswith(b"/"):
                    yield name
                elif levels and name.startswith(folder):
                    folders.append((name, levels - 1))


class Session:
    """Requests to one server, with our login and its errors; several threads may use it."""

    def __init__(self, place: HttpServer) -> None:
        context = httpx.create_ssl_context()
        try:
            if place.authority:
                context.load_verify_locations(cadata=place.authority)
        except (ssl.SSLError, ValueError) as error:
            raise Misconfigured(f"The authority's certificate of {place.url} is no PEM text") from error
        self._place = place
        self._token: tuple[str, float] | None = None  # and when it ends, by the monotonic clock
        self._lock = threading.Lock()
        self._client = httpx.Client(
            verify=context,
            timeout=place.timeout,
            limits=httpx.Limits(max_keepalive_connections=ASKING),
            # identity: a length and a range are of the file's bytes, not of what a server compresses on the way
            headers={"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "inlet"},
        )

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def send(
        self, url: str, method: str = "GET", headers: dict[str, str] | None = None, allow: Iterable[int] = ()
    ) -> httpx.Response:
        """An answer of success, or one of the statuses of `allow`, whose body is still to be read; close it.

        Waits as long as a busy server asks us to, if that is no longer than the timeout. Raises `AccessDenied`,
        `NotThere`, `Unreachable`, `Misconfigured`, or `PlaceError` for other statuses.
        """
        renewed = False
        for turn in range(1, TRIES + 1):
            response = self._follow(method, url, headers or {})
            status = response.status_code
            if response.is_success or status in allow:
                return response
            response.close()
            if status == 401 and self._place.client_id and not renewed:
                renewed, self._token = True, None  # withdrawn before its time
                continue
            wait = _retry_after(response)
            if status not in {429, 503} or wait is None or wait > self._place.timeout or turn == TRIES:
                break
            time.sleep(wait)
        said = f"{url} answers {status} {response.reason_phrase}".rstrip()
        if status in {401, 403, 407}:
            raise AccessDenied(said)
        if status in {404, 410}:
            raise NotThere(said)
        if status in {408, 425, 429} or status >= 500:
            raise Unreachable(said + (f" and asks to wait {wait:.0f} s" if wait else ""))
        raise PlaceError(said)

    def page(self, url: str) -> tuple[httpx.Response, bytes]:
        """A page and its bytes, `PAGE` at most."""
        response, data = self.send(url), bytearray()
        with _breaking(url):
            try:
                for chunk in response.iter_bytes():
                    data += chunk
                    if len(data) > PAGE:
                        raise PlaceError(f"{url} is longer than any listing ({PAGE:,} bytes)")
            finally:
                response.close()
        return response, bytes(data)

    def _follow(self, method: str, url: str, headers: dict[str, str]) -> httpx.Response:
        at = httpx.URL(url)
        for _ in range(REDIRECTS + 1):
            login = self._login() if self._ours(at) else {}
            with _answering(str(at)):
                response = self._client.send(
                    self._client.build_request(method, at, headers=headers | login), stream=True
                )
            if not response.has_redirect_location:
                return response
            response.close()
            try:
                to = at.join(response.headers["location"])
            except httpx.InvalidURL as error:
                raise PlaceError(f"{at} redirects to an address that is none") from error
            if to.scheme != "https" and (at.scheme == "https" or to.scheme != "http"):
                raise Misconfigured(f"{at} redirects to {to.scheme}://{to.host}, which is not protected")
            if to.host != httpx.URL(url).host and not self._place.other_hosts:
                raise Misconfigured(f"{at} redirects to another host, {to.host}, which the block does not allow")
            at = to
        raise PlaceError(f"{url} redirects more than {REDIRECTS} times")

    def _ours(self, url: httpx.URL) -> bool:
        """Whether our login may be shown there: at the place's own origin, or its host where that turns to HTTPS."""
        own = httpx.URL(self._place.url)
        upgraded = (own.scheme, own.port, url.scheme, url.port) == ("http", None, "https", None)
        return url.host == own.host and (upgraded or (url.scheme, url.port) == (own.scheme, own.port))

    def _login(self) -> dict[str, str]:
        place = self._place
        if place.user is not None and place.password is not None:
            return {"Authorization": _basic(place.user, place.password)}
        if place.token is not None:
            return {"Authorization": f"Bearer {place.token.get_secret_value()}"}
        if place.api_key is not None:
            return {place.api_key_header: place.api_key.get_secret_value()}
        if place.client_id is not None and place.client_secret is not None and place.oauth_url is not None:
            with self._lock:
                if self._token is None or self._token[1] <= time.monotonic():
                    self._token = self._fetch_token(place.oauth_url, place.client_id, place.client_secret)
                return {"Authorization": f"Bearer {self._token[0]}"}
        return {}

    def _fetch_token(self, url: str, client: str, secret: SecretStr) -> tuple[str, float]:
        """A token and when it ends. RFC 6749, 4.4 and 5.1; the client in a header, or else in the body (2.3.1)."""
        form = {"grant_type": "client_credentials"} | ({"scope": self._place.scope} if self._place.scope else {})
        with _answering(url):
            answer = self._client.post(url, data=form, headers={"Authorization": _basic(client, secret)})
            if answer.status_code in {400, 401}:
                form |= {"client_id": client, "client_secret": secret.get_secret_value()}
                answer = self._client.post(url, data=form)
        if answer.status_code == 429 or answer.status_code >= 500:
            raise Unreachable(f"{url} answers {answer.status_code} and gives no token")
        if not answer.is_success:
            raise AccessDenied(f"{url} gives our client no token ({answer.status_code})")
        try:
            found = answer.json()
            token, seconds = str(found["access_token"]), float(found.get("expires_in", 300))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise Misconfigured(f"{url} answers with something that is no OAuth2 token") from error
        return token, time.monotonic() + max(seconds - 30, seconds / 2)


class _Reader(RangedStream):
    """One remote file; the first request tells whether the server gives ranges."""

    def __init__(self, session: Session, url: str) -> None:
        response = session.send(url, headers={"Range": f"bytes=0-{FIRST - 1}"}, allow={416})
        if response.status_code == 416 and _total(response) != "0":  # no range of it, or an empty file
            response.close()
            response = session.send(url)
        try:
            _refuse_page(response, url)
            total, given = _total(response), _range(response)
            if response.status_code == 206 and (given is None or given[0] != 0):
                raise PlaceError(f"{url} comes in ranges of which its server does not say what they are")
        except PlaceError:
            response.close()
            raise
        size, ranged = None if total is None else int(total), response.status_code in {206, 416}
        super().__init__(url, size, ranged=ranged)
        self._session = session
        self._response = response
        self._version = _version(response)
        self._begin(_chunks(response, url), 0, min(FIRST, size or 0) if ranged else size)

    def close(self) -> None:
        if not self.closed:
            self._response.close()
        super().close()

    def _ask(self, start: int, stop: int) -> tuple[Iterator[bytes], int]:
        self._response.close()
        headers = {"Range": f"bytes={start}-{stop - 1}"}
        if self._version and not self._version.startswith("W/"):  # a weak one is not for this (RFC 9110, 13.1.5)
            headers["If-Range"] = self._version
        try:
            self._response = self._session.send(self._what, headers=headers, allow={416})
        except NotThere as error:
            raise Changed(f"{self._what} went away while it was read") from error
        given = _range(self._response)
        if given is None or _version(self._response) != self._version or given[1] != self._size:
            self._response.close()
            raise Changed(f"{self._what} changed while it was read")
        if given[0] != start:
            self._response.close()
            raise Interrupted(f"{self._what} gave another range than it was asked for")
        return _chunks(self._response, self._what), stop


def _chunks(response: httpx.Response, url: str) -> Iterator[bytes]:
    with _breaking(url):
        yield from response.iter_raw()


class _Anchors(HTMLParser):
    """Collects where the links of a page lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a" and (href := dict(attrs).get("href")):
            self.found.append(href.strip())


def _links(data: bytes, page: str) -> Iterator[str]:
    parser = _Anchors()
    parser.feed(data.decode("utf-8", "surrogateescape"))
    for href in parser.found:
        try:
            # what a party left unquoted, and is not UTF-8, is quoted so that its byte is kept
            yield urljoin(page, re.sub("[\udc80-\udcff]", lambda found: f"%{ord(found[0]) - 0xDC00:02X}", href))
        except ValueError:
            continue  # an address that is none


def _is_page(response: httpx.Response) -> bool:
    kind: str = response.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower() in {"text/html", "application/xhtml+xml"}


def _refuse_page(response: httpx.Response, url: str) -> None:
    """Raise `Misconfigured` for a page that stands where a file should, such as one to log in by."""
    if _is_page(response) and not url.lower().endswith((".htm", ".html", ".xhtml")):
        raise Misconfigured(f"{url} is a web page and not a file, perhaps one to log in or of an error")


def _version(response: httpx.Response) -> str | None:
    """What tells one version of a file from another: the ETag, or the time where the server has none."""
    found: str | None = response.headers.get("etag") or response.headers.get("last-modified")
    return found


def _range(response: httpx.Response) -> tuple[int, int] | None:
    """Where a partial answer begins and how long the whole is."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("content-range", ""))
    return (int(found[1]), int(found[2])) if found and response.status_code == 206 else None


def _total(response: httpx.Response) -> str | None:
    """Length of the whole file in bytes, from an answer to a GET of it or of a range."""
    if response.status_code in {206, 416}:
        found = re.fullmatch(r"bytes .*/(\d+)", response.headers.get("content-range", ""))
        return found[1] if found else None
    length: str | None = response.headers.get("content-length")
    return length


def _modified(response: httpx.Response) -> datetime | None:
    try:
        found = parsedate_to_datetime(response.headers["last-modified"])
    except (KeyError, ValueError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that a busy server asks us to wait (RFC 9110, 10.2.3: seconds or a date)."""
    said: str | None = response.headers.get("retry-after")
    if said is None:
        return None
    try:
        return max(0.0, float(said) if said.isdigit() else parsedate_to_datetime(said).timestamp() - time.time())
    except ValueError:
        return None


def _basic(user: str, password: SecretStr) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password.get_secret_value()}".encode()).decode()


@contextmanager
def _answering(url: str) -> Iterator[None]:
    """Turn what httpx raises before there is an answer from `url` into a `PlaceError`."""
    try:
        yield
    except httpx.TransportError as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise Misconfigured(
                    f"{url} shows a certificate that is not trusted: {cause.verify_message or cause}"
                ) from error
            cause = cause.__cause__ or cause.__context__
        raise Unreachable(f"{url} does not answer: {error or type(error).__name__}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise PlaceError(f"{url} cannot be asked: {error or type(error).__name__}") from error


@contextmanager
def _breaking(url: str) -> Iterator[None]:
    """Turn what httpx raises while a body comes from `url` into `Interrupted`."""
    try:
        yield
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise Interrupted(f"Reading {url} failed: {error or type(error).__name__}") from error
