"""A paged JSON API of an outside party."""

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Literal
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

from pydantic import BaseModel, Field, ValidationError

from blocks.errors import Changed, Interrupted, Misconfigured, NotThere
from blocks.place import Page, Place, RemoteFile
from blocks.web import Answer, Session, WebLogin

REFUSALS = {400, 404, 409, 410, 412, 422}  # of a request as such, in words that help
WORDS = 300  # characters of these words at most


class JsonApi(Place, WebLogin):
    """A JSON API whose pages together are one delivery.

    It offers one file, which is named for the data stamp of the API and `.json`, such as
    `2026-11-24T09:00:05.json`; without a stamp, for the day in UTC, such as `2026-11-24.json`. What a name cannot hold,
    such as a slash, stands percent-encoded. One way to prove who we are at most is filled in; it is sent to the host of
    `url` and to no other. Proxies are taken from the environment (HTTPS_PROXY). A page is at most 64 MiB long.

    Where something stands in an answer is said by a JSON Pointer (RFC 6901), whose first slash may be left out:
    `nextPageToken`, `meta/results/total`, `@odata.nextLink`.

    Example:
        See how current the data are, and read them:
        ```python
        from blocks.api import JsonApi

        api = JsonApi.load("BLOCK_NAME")
        with api.connect() as remote:
            for file in remote.list():
                for page in remote.pages(file.name):
                    ...
        ```
    """

    _block_type_name = "JSON API"
    _block_type_slug = "json-api"
    _description = "A JSON API that gives a party's data page by page: its address, how it pages, our login."

    if not TYPE_CHECKING:  # a page tells where the next one is; the form has nothing to ask here
        connections: ClassVar[int] = 1

    url: str = Field(description="Address of the API: https://host/api/v2/ (http:// where the party has no TLS).")
    path: str = Field(default="", description="What is asked for, below the address, such as studies.")
    parameters: dict[str, str] = Field(
        default_factory=dict, description="Query parameters of each request, such as a filter; no secrets."
    )
    paging: Literal["token", "next", "link", "offset", "page"] = Field(
        default="token",
        description="What leads to the next page: a token in the answer; an address in the answer; its Link header "
        "(rel=next); the number of records so far; the number of the page.",
    )
    next_at: str | None = Field(
        default=None, description="Where an answer holds the token or the address, such as nextPageToken."
    )
    page_parameter: str | None = Field(
        default=None,
        description="Query parameter that takes the token, the offset or the number: pageToken, skip, page.",
    )
    first_page: int = Field(default=1, ge=0, description="Number of the first page, where pages have numbers.")
    size_parameter: str | None = Field(
        default=None, description="Query parameter for the records of a page, such as pageSize or limit."
    )
    page_size: int | None = Field(default=None, ge=1, description="How many records a page is asked to have.")
    records: str | None = Field(
        default=None,
        description="Where an answer holds the list of its records, such as studies; a slash if it is that list.",
    )
    total: str | None = Field(
        default=None,
        description="Where an answer, if only the first, holds the number of all records, such as totalCount. Without "
        "it an offset or a page number ends with a page that is empty, or shorter than the one before.",
    )
    stamp: str | None = Field(
        default=None, description="Address that says how current the data are, below the API's, such as version."
    )
    stamp_at: str | None = Field(default=None, description="Where its answer holds the stamp, such as dataTimestamp.")
    per_minute: float | None = Field(
        default=None, gt=0, description="How many requests a minute the party allows one transfer."
    )

    @property
    def server(self) -> str | None:
        """See `Place.server`."""
        return urlsplit(self.url).hostname

    def check(self) -> None:
        """Read the stamp and the first page; raise a `PlaceError` that says in one sentence what is wrong."""
        with self.connect() as remote:
            for file in remote.list():
                next(remote.pages(file.name))

    @contextmanager
    def connect(self) -> Iterator["ApiPages"]:
        """Make ready; the first request connects. Raises `Misconfigured`."""
        needed = {
            "next_at": self.paging in {"token", "next"},
            "page_parameter": self.paging in {"token", "offset", "page"},
            "records": self.paging in {"offset", "page"} or self.total,
            "size_parameter": self.page_size,
            "page_size": self.size_parameter,
            "stamp_at": self.stamp,
            "stamp": self.stamp_at,
        }
        for name, wanted in needed.items():
            if wanted and not getattr(self, name):
                raise Misconfigured(f"{self.url} lacks {name}, which the rest of the block needs")
        with Session(self) as session:
            yield ApiPages(session, self)


class _Cursor(BaseModel, frozen=True):
    """Where a page is, and what the pages before it came to.

    `first` is the address of the first page, `url` that of this one; `last` the number of records of the page before.
    """

    first: str
    url: str
    pages: int = 0
    records: int = 0
    last: int = 0
    total: int | None = None


class ApiPages:
    """What the API of `place` gives: one file, in pages."""

    def __init__(self, session: Session, place: JsonApi) -> None:
        self._session = session
        self._place = place
        query = place.parameters | (
            {place.size_parameter: str(place.page_size)} if place.size_parameter and place.page_size else {}
        )
        if place.page_parameter and place.paging in {"offset", "page"}:
            query[place.page_parameter] = "0" if place.paging == "offset" else str(place.first_page)
        self._first = _with(self._below(place.path), query)
        self._free_at = 0.0  # when the next request may be sent, by the monotonic clock

    def list(self) -> Iterator[RemoteFile]:
        """The one file, of a size that nobody knows; asks for the stamp only.

        `version` is the stamp as it is, `mtime` its instant where it reads as one (ISO 8601; UTC where it has no
        zone). Raises `AccessDenied`, `NotThere`, `Unreachable`, and `Misconfigured` for an answer without a stamp.
        """
        stamp = self._stamp()
        yield RemoteFile(name=_name(stamp), size=None, mtime=_instant(stamp), version=stamp)

    def open(self, name: str) -> BinaryIO:
        """Raises `Misconfigured`: there is nothing to open."""
        raise Misconfigured(f"{name} of {self._first} comes in pages and cannot be opened as a file")

    def pages(self, name: str, after: str | None = None) -> Iterator[Page]:
        """The pages of the file, from the first or from where the page that gave `after` ended.

        Raises `Changed` where the stamp is not, at the beginning or after the last page, the one in `name`; where the
        API refuses to go on; or where the records that came are not as many as it said: then the pages that came are
        no whole, and going on would not make them one. Raises `Misconfigured` for an answer that is no JSON or lacks
        what the block says it has, for pages that lead in circles, and for a next page at another server.
        """
        self._compare(name)
        cursor = self._begin(after)
        seen: set[str] = set()
        before: Sequence[Any] = ()
        while True:
            if cursor.url in seen:
                raise Misconfigured(f"{cursor.url} comes again as the next page: does the API know the page parameter?")
            seen.add(cursor.url)
            answer, data, said = self._get(cursor.url, going_on=cursor.pages > 0)
            records = self._records(cursor, said)
            if records and records == before:
                raise Misconfigured(f"{cursor.url} gives the page before again: does the API know the page parameter?")
            before, counted = records, self._count(cursor, records, said)
            to = self._next(counted, cursor.last, answer, said)
            if to is None:
                if counted.total not in {None, counted.records}:
                    raise Changed(f"{self._first} gave {counted.records:,} of {counted.total:,} records")
                self._compare(name)  # before the last page is given: who has that has a whole
                yield Page(data=data, after=None)
                return
            cursor = counted.model_copy(update={"url": to})
            yield Page(data=data, after=cursor.model_dump_json())

    def _begin(self, after: str | None) -> _Cursor:
        first = self._first
        if after is None:
            return _Cursor(first=first, url=first)
        try:
            cursor = _Cursor.model_validate_json(after)
        except ValidationError as error:
            raise Changed(f"Where to go on in {first} cannot be read") from error
        if cursor.first != first:
            raise Changed(f"{first} is asked for now, and the pages at hand are of {cursor.first}")
        return cursor

    def _compare(self, name: str) -> None:
        if self._place.stamp and (now := _name(self._stamp())) != name:
            raise Changed(f"{self._first} has other data now: {now} and no longer {name}")

    def _stamp(self) -> str | None:
        if not self._place.stamp:
            return None
        url = self._below(self._place.stamp)
        _, _, said = self._get(url)
        stamp = _at(said, self._place.stamp_at or "")
        if isinstance(stamp, bool) or not isinstance(stamp, str | int | float) or stamp == "":
            raise Misconfigured(f"{url} has no stamp at {self._place.stamp_at!r}")
        return str(stamp)

    def _below(self, path: str) -> str:
        return self._ours(self._place.url, path)

    def _ours(self, base: str, to: str) -> str:
        """The address that `to` is, seen from `base`; raises `Misconfigured` where our login may not be shown there."""
        try:
            url = urljoin(base, to)
            ours, parts = self._session.ours(url), urlsplit(url)
        except ValueError as error:
            raise Misconfigured(f"{base} leads to {to!r}, which is no address") from error
        if not ours:
            raise Misconfigured(f"{base} leads to another server, {parts.scheme}://{parts.netloc}")
        return url

    def _get(self, url: str, *, going_on: bool = False) -> tuple[Answer, bytes, Any]:
        """An answer, its bytes and what they say; waits as long as `per_minute` wants."""
        wait = self._free_at - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        self._free_at = time.monotonic() + (60 / self._place.per_minute if self._place.per_minute else 0)
        answer, data = self._session.page(self._ours(url, ""), allow=REFUSALS)
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not answer.success:
            words = "" if "html" in kind else " ".join(data.decode(errors="replace").split())[:WORDS]
            said = f"{url} answers {answer.line}: {words!r}"
            # A token or an address comes from the API itself: one that is refused is over, and so is this walk.
            if going_on and self._place.paging in {"token", "next", "link"}:
                raise Changed(said)
            raise NotThere(said) if answer.status in {404, 410} else Misconfigured(said)
        try:
            return answer, data, json.loads(data)
        except (ValueError, RecursionError) as error:
            if kind.endswith("json"):
                raise Interrupted(f"{url} gave JSON that is not whole: {error}") from error
            raise Misconfigured(f"{url} is no JSON but {kind or 'untyped'}, perhaps a page to log in by") from error

    def _records(self, cursor: _Cursor, said: Any) -> Sequence[Any]:  # noqa: ANN401  # any JSON, as below
        if not self._place.records:
            return ()
        found = _at(said, self._place.records)
        if not isinstance(found, list):
            raise Misconfigured(f"{cursor.url} has no list of records at {self._place.records!r}")
        return found

    def _count(self, cursor: _Cursor, records: Sequence[Any], said: Any) -> _Cursor:  # noqa: ANN401
        """The cursor with the page at hand counted."""
        total = cursor.total
        if self._place.total and ((found := _at(said, self._place.total)) is not None or total is None):
            try:
                total = int(found)  # some write it as text
            except (ValueError, TypeError, OverflowError) as error:
                raise Misconfigured(f"{cursor.url} has no number at {self._place.total!r}") from error
            if cursor.total not in {None, total}:
                raise Changed(f"{cursor.url} says {total:,} records, and {cursor.total:,} were said before")
        here = len(records)
        return cursor.model_copy(
            update={"pages": cursor.pages + 1, "records": cursor.records + here, "last": here, "total": total}
        )

    def _next(self, cursor: _Cursor, before: int, answer: Answer, said: Any) -> str | None:  # noqa: ANN401
        """The address of the next page, None after the last; `before` is how many records the page before had."""
        place, parameter = self._place, self._place.page_parameter or ""
        if place.paging in {"offset", "page"}:
            # Shorter than the one before, not than what was asked for: many an API gives less than that throughout.
            short = cursor.last < before if cursor.total is None else cursor.records >= cursor.total
            if short or not cursor.last:
                return None
            number = cursor.records if place.paging == "offset" else place.first_page + cursor.pages
            return _with(self._first, {parameter: str(number)})
        if place.paging == "link":
            found = _linked(answer.headers.get("link", ""), "next")
        else:
            found = _at(said, place.next_at or "")
        if not found:
            return None
        if isinstance(found, bool) or not isinstance(found, str | int):
            raise Misconfigured(f"{cursor.url} has no token or address at {place.next_at!r}")
        if place.paging == "token":
            return _with(self._first, {parameter: str(found)})
        return self._ours(answer.url, str(found))


def _with(url: str, query: Mapping[str, str]) -> str:
    """The address with these parameters in its query, in the place of those of the same names."""
    parts = urlsplit(url)
    there = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in query]
    return urlunsplit(parts._replace(query=urlencode([*there, *query.items()], quote_via=quote)))


def _linked(header: str, relation: str) -> str | None:
    """The first target of this relation in a Link header (RFC 8288, 3)."""
    for target, parameters in re.findall(r'<([^>]*)>((?:[^,"]|"(?:[^"\\]|\\.)*")*)', header):
        found = re.search(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;"]+))', parameters, re.IGNORECASE)
        if found and relation in (found[1] or found[2] or "").lower().split():
            return str(target)
    return None


def _at(answer: Any, pointer: str) -> Any:  # noqa: ANN401  # any JSON
    """What stands at a JSON Pointer (RFC 6901), None where nothing does."""
    pointer = pointer.removeprefix("/")
    for step in pointer.split("/") if pointer else ():
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(answer, dict):
            answer = answer.get(key)
        elif isinstance(answer, list) and key.isdecimal() and int(key) < len(answer):
            answer = answer[int(key)]
        else:
            return None
    return answer


def _name(stamp: str | None) -> str:
    """The name of the file, by which two stamps can be told apart."""
    return quote(stamp if stamp is not None else f"{datetime.now(UTC):%Y-%m-%d}", safe=":+, ") + ".json"


def _instant(stamp: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(stamp or "")
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
