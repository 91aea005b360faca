"""A web server of an outside party: who we are there, and requests to it."""

import base64
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, Field, SecretStr, field_validator

from blocks.errors import AccessDenied, Interrupted, Misconfigured, NotThere, PlaceError, Unreachable

PAGE = 64 << 20  # bytes of a page at most; 100,000 links take some 15 MB
ASKING = 8  # requests in flight
REDIRECTS = 5  # hops that one request follows at most
TRIES = 4  # times that a request is sent to a server that asks to wait


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


class Session:
    """Requests to one server, with our login and its errors; several threads may use it.

    A redirect to another host is followed only with `other_hosts`, and without our login. Raises `Misconfigured`
    for a login that is not one, and for a certificate that is none.
    """

    def __init__(self, place: WebLogin, *, other_hosts: bool = False) -> None:
        _one_login(place)
        context = httpx.create_ssl_context()
        try:
            if place.authority:
                context.load_verify_locations(cadata=place.authority)
        except (ssl.SSLError, ValueError) as error:
            raise Misconfigured(f"The authority's certificate of {place.url} is no PEM text") from error
        self._place = place
        self._other_hosts = other_hosts
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

    def page(self, url: str, allow: Iterable[int] = ()) -> tuple[httpx.Response, bytes]:
        """A page and its bytes, `PAGE` at most."""
        response, data = self.send(url, allow=allow), bytearray()
        with breaking(url):
            try:
                for chunk in response.iter_bytes():
                    data += chunk
                    if len(data) > PAGE:
                        raise PlaceError(f"{url} is longer than any listing or page may be ({PAGE:,} bytes)")
            finally:
                response.close()
        return response, bytes(data)

    def _follow(self, method: str, url: str, headers: dict[str, str]) -> httpx.Response:
        at = httpx.URL(url)
        for _ in range(REDIRECTS + 1):
            login = self._login() if self.ours(at) else {}
            with answering(str(at)):
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
            if to.host != httpx.URL(url).host and not self._other_hosts:
                raise Misconfigured(f"{at} redirects to another host, {to.host}, which the block does not allow")
            at = to
        raise PlaceError(f"{url} redirects more than {REDIRECTS} times")

    def ours(self, url: httpx.URL) -> bool:
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
        with answering(url):
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
def answering(url: str) -> Iterator[None]:
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
def breaking(url: str) -> Iterator[None]:
    """Turn what httpx raises while a body comes from `url` into `Interrupted`."""
    try:
        yield
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise Interrupted(f"Reading {url} failed: {error or type(error).__name__}") from error
