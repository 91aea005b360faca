"""A web server of an outside party: who we are there, and requests to it."""

import base64
import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from io import BufferedIOBase
from typing import Any
from urllib.parse import quote_from_bytes, unquote, urlencode, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi
from pydantic import BaseModel, Field, SecretStr, field_validator
from urllib3 import (
    BaseHTTPResponse,
    HTTPConnectionPool,
    HTTPHeaderDict,
    HTTPSConnectionPool,
    PoolManager,
    ProxyManager,
    Timeout,
    make_headers,
)
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, LocationValueError

from blocks.errors import AccessDenied, Interrupted, Misconfigured, NotThere, PlaceError, Unreachable

PAGE = 64 << 20  # bytes of a page at most; 100,000 links take some 15 MB
ASKING = 8  # requests in flight
REDIRECTS = 5  # hops that one request follows at most
TRIES = 4  # times that a request is sent to a server that asks to wait
CHUNK = 256 << 10  # bytes of a body that are read at once, at most: as many as have come, so that none are lost
REST = 64 << 10  # bytes of a body that are read, though nobody wants them, to keep the connection


class WebLogin(BaseModel):
    """Where a web server is, how it is trusted, and who we are there: one way to prove it at most."""

    url: str = Field(description="Address of the folder that everything asked for is below.")
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


@dataclass(frozen=True)
class Answer:
    """What a server answers at `url`, after redirects: its head, and its body, which is still to be read."""

    url: str
    body: BaseHTTPResponse

    @property
    def status(self) -> int:
        """The status code."""
        return self.body.status

    @property
    def headers(self) -> HTTPHeaderDict:
        """By name, in whatever case."""
        return self.body.headers

    @property
    def success(self) -> bool:
        """Whether the server did what it was asked for."""
        return 200 <= self.status < 300

    @property
    def line(self) -> str:
        """Status and reason, as the server says them."""
        return f"{self.status} {self.body.reason or ''}".rstrip()

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes, never decompressed; raises `Interrupted`."""
        with breaking(self.url):
            while chunk := self.body.read1(CHUNK, decode_content=False):
                yield chunk

    def close(self) -> None:
        """Let go of the connection: for the next request, where little or nothing is left to read."""
        left = self.body.length_remaining
        if left is not None and left <= REST:
            self.body.drain_conn()  # raises nothing
        self.body.close()


class Session:
    """Requests to one server, with our login and its errors; several threads may use it.

    A redirect to another host is followed only with `other_hosts`, and without our login. Raises `Misconfigured`
    for a login that is not one, and for a certificate that is none.
    """

    def __init__(self, place: WebLogin, *, other_hosts: bool = False) -> None:
        _one_login(place)
        try:
            self._trusted = _trusting(place.authority)
        except (ssl.SSLError, ValueError) as error:
            raise Misconfigured(f"The authority's certificate of {place.url} is no PEM text") from error
        self._place = place
        self._other_hosts = other_hosts
        self._lock = threading.RLock()  # guards what follows; whoever fetches a token needs a connection, too
        self._token: tuple[str, float] | None = None  # and when it ends, by the monotonic clock
        self._pools: dict[tuple[str, str], PoolManager] = {}  # by scheme and host

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        for pool in self._pools.values():
            pool.clear()

    def send(
        self, url: str, method: str = "GET", headers: dict[str, str] | None = None, allow: Iterable[int] = ()
    ) -> Answer:
        """An answer of success, or one of the statuses of `allow`, whose body is still to be read; close it.

        Waits as long as a busy server asks us to, if that is no longer than the timeout. Raises `AccessDenied`,
        `NotThere`, `Unreachable`, `Misconfigured`, or `PlaceError` for other statuses.
        """
        renewed = False
        for turn in range(1, TRIES + 1):
            answer = self._follow(method, url, headers or {})
            status = answer.status
            if answer.success or status in allow:
                return answer
            answer.close()
            if status == 401 and self._place.client_id and not renewed:
                renewed, self._token = True, None  # withdrawn before its time
                continue
            wait = _retry_after(answer)
            if status not in {429, 503} or wait is None or wait > self._place.timeout or turn == TRIES:
                break
            time.sleep(wait)
        said = f"{url} answers {answer.line}"
        if status in {401, 403, 407}:
            raise AccessDenied(said)
        if status in {404, 410}:
            raise NotThere(said)
        if status in {408, 425, 429} or status >= 500:
            raise Unreachable(said + (f" and asks to wait {wait:.0f} s" if wait else ""))
        raise PlaceError(said)

    def page(self, url: str, allow: Iterable[int] = ()) -> tuple[Answer, bytes]:
        """A page and its bytes, `PAGE` at most."""
        answer, data = self.send(url, allow=allow), bytearray()
        with breaking(url):
            try:
                while chunk := answer.body.read(REST, decode_content=True):
                    data += chunk
                    if len(data) > PAGE:
                        raise PlaceError(f"{url} is longer than any listing or page may be ({PAGE:,} bytes)")
            finally:
                answer.close()
        return answer, bytes(data)

    def _follow(self, method: str, url: str, headers: dict[str, str]) -> Answer:
        at = url
        for _ in range(REDIRECTS + 1):
            login = self._login() if self.ours(at) else {}
            answer = Answer(at, self._ask(method, at, headers | login))
            location = answer.headers.get("location")
            if location is None or answer.status not in _REDIRECTS:
                return answer
            answer.close()
            try:
                # headers come as Latin-1; what is no ASCII in them is quoted so that its bytes are kept
                to = urljoin(at, quote_from_bytes(location.encode("latin-1"), safe=_PRINTED))
                scheme, host, _ = origin(to)
            except ValueError as error:
                raise PlaceError(f"{at} redirects to an address that is none") from error
            if scheme != "https" and (scheme != "http" or origin(at)[0] == "https"):
                raise Misconfigured(f"{at} redirects to {scheme}://{host}, which is not protected")
            if host != origin(url)[1] and not self._other_hosts:
                raise Misconfigured(f"{at} redirects to another host, {host}, which the block does not allow")
            at = to
        raise PlaceError(f"{url} redirects more than {REDIRECTS} times")

    def _ask(self, method: str, url: str, headers: dict[str, str], body: str | None = None) -> BaseHTTPResponse:
        with answering(url):
            return self._pool(url).request(
                method, url, body=body, headers=_HEADERS | headers, preload_content=False, redirect=False, retries=False
            )

    def _pool(self, url: str) -> PoolManager:
        scheme, host, _ = origin(url)
        with self._lock:
            if (scheme, host) not in self._pools:
                self._pools[scheme, host] = self._connections(scheme, host)
            return self._pools[scheme, host]

    def _connections(self, scheme: str, host: str) -> PoolManager:
        """The connections to a server, by way of the proxy that the environment names for it."""
        seconds = self._place.timeout
        timeout = Timeout(connect=seconds, read=seconds)
        proxies = {} if proxy_bypass(host) else getproxies()
        proxy = proxies.get(scheme) or proxies.get("all")
        if proxy is None:
            pool = PoolManager(maxsize=ASKING, timeout=timeout, ssl_context=self._trusted)
        else:
            address = proxy if "://" in proxy else f"http://{proxy}"
            user, _, _ = urlsplit(address).netloc.rpartition("@")
            login = make_headers(proxy_basic_auth=unquote(user)) if user else {}
            pool = ProxyManager(
                address, proxy_headers=login, maxsize=ASKING, timeout=timeout, ssl_context=self._trusted
            )
        pool.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
        return pool

    def ours(self, url: str) -> bool:
        """Whether our login may be shown there: at the place's own origin, or its host where that turns to HTTPS."""
        own, there = origin(self._place.url), origin(url)
        host = own[1]
        return there == own or (own, there) == (("http", host, 80), ("https", host, 443))

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
        answer = self._post(url, form, {"Authorization": _basic(client, secret)})
        if answer.status in {400, 401}:
            answer = self._post(url, form | {"client_id": client, "client_secret": secret.get_secret_value()})
        if answer.status == 429 or answer.status >= 500:
            raise Unreachable(f"{url} answers {answer.status} and gives no token")
        if not 200 <= answer.status < 300:
            raise AccessDenied(f"{url} gives our client no token ({answer.status})")
        try:
            found = json.loads(answer.data)
            token, seconds = str(found["access_token"]), float(found.get("expires_in", 300))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise Misconfigured(f"{url} answers with something that is no OAuth2 token") from error
        return token, time.monotonic() + max(seconds - 30, seconds / 2)

    def _post(self, url: str, form: dict[str, str], headers: dict[str, str] | None = None) -> BaseHTTPResponse:
        """The answer to a form, read whole."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self._ask("POST", url, kind | (headers or {}), urlencode(form))
        with answering(url):
            answer.data  # noqa: B018  # reads it
        return answer


class _Head:
    """A stream of whole lines."""

    def __init__(self, stream: BufferedIOBase) -> None:
        self._stream = stream
        self.close = stream.close

    def readline(self, limit: int) -> bytes:
        line = self._stream.readline(limit)
        if not line.endswith(b"\n") and len(line) < limit:
            raise http.client.RemoteDisconnected("The server hung up before the end of its answer's head")
        return line


class _Response(http.client.HTTPResponse):
    """Refuses a head that was cut off, which `http.client` takes for a whole one with fewer headers."""

    fp: Any

    def begin(self) -> None:
        stream, self.fp = self.fp, _Head(self.fp)
        try:
            super().begin()
        finally:
            if self.fp is not None:  # None: nothing follows
                self.fp = stream


class _HttpConnection(HTTPConnection):
    response_class = _Response


class _HttpsConnection(HTTPSConnection):
    response_class = _Response


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


# identity: a length and a range are of the file's bytes, not of what a server compresses on the way
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "inlet"}
_REDIRECTS = {301, 302, 303, 307, 308}
_PRINTED = "".join(map(chr, range(0x21, 0x7F)))  # ASCII that stands in an address for itself
_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address; raises `ValueError` where it is none."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)


def _trusting(authority: str | None) -> ssl.SSLContext:
    """Raises `ValueError` or `ssl.SSLError` for a certificate that is none."""
    if authority is None:
        return _public()
    context = _public.__wrapped__()
    context.load_verify_locations(cadata=authority)
    return context


@cache
def _public() -> ssl.SSLContext:
    """Trusts the public authorities, the machine's and Mozilla's; takes 20 ms."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _one_login(place: WebLogin) -> None:
    ways = {
        "user and password": (place.user, place.password),
        "token": (place.token,),
        "API key": (place.api_key,),
        "OAuth2 client": (place.client_id, place.client_secret, place.oauth_url),
    }
    begun = [name for name, fields in ways.items() if any(fields)]
    if len(begun) > 1:
        raise Misconfigured(f"{place.url} has more than one way to log in: {', '.join(begun)}")
    if begun and not all(ways[begun[0]]):
        raise Misconfigured(f"{place.url} lacks a part of {begun[0]}")


def _retry_after(answer: Answer) -> float | None:
    """Seconds that a busy server asks us to wait (RFC 9110, 10.2.3: seconds or a date)."""
    said = answer.headers.get("retry-after")
    if said is None:
        return None
    try:
        return max(0.0, float(said) if said.isdigit() else parsedate_to_datetime(said).timestamp() - time.time())
    except ValueError:
        return None


def _basic(user: str, password: SecretStr) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password.get_secret_value()}".encode()).decode()


@contextmanager
def answering(url: str) -> Iterator[None]:
    """Turn what urllib3 raises before there is an answer from `url` into a `PlaceError`."""
    try:
        yield
    except (LocationValueError, ValueError) as error:
        raise PlaceError(f"{url} cannot be asked: {error or type(error).__name__}") from error
    except HTTPError as error:
        cause = _cause(error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise Misconfigured(
                f"{url} shows a certificate that is not trusted: {cause.verify_message or cause}"
            ) from error
        raise Unreachable(f"{url} does not answer: {cause or type(cause).__name__}") from error


@contextmanager
def breaking(url: str) -> Iterator[None]:
    """Turn what urllib3 raises while a body comes from `url` into `Interrupted`."""
    try:
        yield
    except HTTPError as error:
        cause = _cause(error)
        raise Interrupted(f"Reading {url} failed: {cause or type(cause).__name__}") from error


def _cause(error: BaseException) -> BaseException:
    """What an error began with, which is said in fewer words."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error
