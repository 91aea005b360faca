"""An HTTP server of an outside party."""

import base64
import codecs
import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from itertools import islice
from typing import BinaryIO
from urllib.parse import quote_from_bytes, unquote_to_bytes, urljoin, urlsplit

from pydantic import Field

from blocks.errors import Changed, Interrupted, Misconfigured, NotThere, PlaceError
from blocks.place import Place, RemoteFile, Status, inside, shown, text_of
from blocks.ranges import FIRST, RangedStream
from blocks.web import ASKING, Answer, Session, WebLogin


class HttpServer(Place, WebLogin):
    """A folder of an HTTP server that a party publishes files in.

    What is there is read from the folder's index page, from another page or file that lists it, or is said
    here. Exact sizes come from one HEAD request a file, as index pages round them: `only` keeps these few.
    A web page and a catalogue may speak of more than the folder: what is not below `url` is passed over there.
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
        description="Name or address, on this host or another, of what lists the files, if it is not the folder's "
        "own index page: a web page whose links count, a text with one name or address a line, a CSV file, or a "
        "JSON catalogue such as DCAT's data.json. Of several, with blanks between, all count.",
    )
    column: str | None = Field(
        default=None,
        description="Column of the CSV listing, or field at any depth of the JSON one, that holds names or "
        "addresses, such as downloadURL.",
    )
    names: list[str] = Field(
        default_factory=list, description="Names or addresses of the files, where nothing lists them."
    )
    levels: int = Field(default=1, ge=0, le=9, description="How many folders deep index pages are followed.")
    other_hosts: bool = Field(
        default=False,
        description="Follow redirects to other hosts, such as a download service; no secret is sent there.",
    )
    connections: int = Field(
        default=4, ge=1, le=16, description="How many connections a transfer may open to this server at once."
    )

    @property
    def server(self) -> str | None:
        """See `Place.server`."""
        return urlsplit(self.url).hostname

    @contextmanager
    def connect(self) -> Iterator["HttpFiles"]:
        """Make ready; the first request connects. Raises `Misconfigured`."""
        if self.names and self.listing:
            raise Misconfigured(f"{self.url} has both names and a listing")
        try:
            only = re.compile(self.only) if self.only else None
        except re.error as error:
            raise Misconfigured(f"{self.only!r} of {self.url} is no regular expression: {error}") from error
        with Session(self, other_hosts=self.other_hosts) as session:
            yield HttpFiles(session, self, only)


class HttpFiles:
    """The files of an HTTP server below the address of `place`."""

    def __init__(self, session: Session, place: HttpServer, only: re.Pattern[str] | None) -> None:
        self._session = session
        self._place = place
        self._only = only

    def list(self) -> Iterator[RemoteFile]:
        """Every file that `only` matches, with one HEAD request each, `ASKING` at a time, but for small ones of nginx.

        Its index shows sizes in bytes, and times to the minute: enough for what the first request brings whole. A
        listed file that is gone is passed over; one that the block itself names raises `NotThere`, and `Misconfigured`
        where it is a web page. Raises `Misconfigured` for an address that is not below the folder: in a web page or a
        JSON catalogue, which lead to much else, such ones are passed over, unless a catalogue has no others.
        """
        place = self._place
        if place.names:
            found: dict[bytes, tuple[int, datetime] | None] = {self._below(name): None for name in place.names}
        elif place.listing:
            found = dict.fromkeys(
                name for listing in place.listing.split() for name in self._listed(urljoin(place.url, listing))
            )
        else:
            found = dict(self._indexed(place.url))
        wanted = (
            (name, known)
            for name, known in ((text_of(raw), known) for raw, known in found.items())
            if self._only is None or self._only.fullmatch(name)
        )
        with ThreadPoolExecutor(ASKING) as pool:
            while batch := list(islice(wanted, 8 * ASKING)):
                yield from (RemoteFile(name=name, size=known[0], mtime=known[1]) for name, known in batch if known)
                yield from filter(None, pool.map(self._file, (name for name, known in batch if not known)))

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
            answer = self._session.send(url, "HEAD", allow={400, 403, 405, 501})
            answer.close()
            size = answer.headers.get("content-length")
            if not answer.success or size in {None, "0"}:  # no HEAD here, or no length in it
                answer = self._session.send(url, headers={"Range": "bytes=0-0"}, allow={416})
                answer.close()
                size = _total(answer)
        except NotThere:
            if self._place.names:
                raise
            return None
        if self._place.names:
            _refuse_page(answer, url)  # one that is only listed stops its own drop, when it is opened
        if size is None:
            raise PlaceError(f"{url} has no size: its server does not say how long it is")
        version = answer.headers.get("etag") or None
        return RemoteFile(name=name, size=int(size), mtime=_modified(answer), version=version)

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
            root, path = unquote_to_bytes(ours.path), unquote_to_bytes(parts.path)
        except ValueError:
            return None
        if elsewhere or parts.scheme not in {"http", "https"} or parts.query or not path.startswith(root):
            return None
        name = path[len(root) :]
        steps = name.removesuffix(b"/").split(b"/")
        return None if b"\0" in name or any(step in {b"", b".", b".."} for step in steps) else name

    def _listed(self, url: str) -> Iterator[bytes]:
        answer, data = self._session.page(url)
        if _is_page(answer):
            if self._place.column is not None:
                raise Misconfigured(f"The listing {url} is a web page, which has no column {self._place.column!r}")
            for link, _ in _links(data, answer.url):
                if (name := self._name(link)) and not name.endswith(b"/"):
                    yield name
            return
        if data.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in {b"{", b"["}:
            catalogue = _json(data)
            if catalogue is None and self._place.column is not None:
                raise Interrupted(f"The listing {url} is JSON that is not whole")
            if catalogue is not None:
                yield from self._catalogued(catalogue, url)
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

    def _catalogued(self, catalogue: object, url: str) -> Iterator[bytes]:
        """The files below the folder whose names or addresses stand in the catalogue's fields named `column`."""
        if self._place.column is None:
            raise Misconfigured(f"The listing {url} is JSON: `column` must say which field holds names or addresses")
        given = [text.strip() for text in _fields(catalogue, self._place.column) if text.strip()]
        if not given:
            raise Misconfigured(f"The listing {url} has no field {self._place.column!r} with a name or an address")
        found = [self._name(text) if _ADDRESS.match(text) else self._below(text) for text in given]
        files = [name for name in found if name and not name.endswith(b"/")]
        if not files:
            raise Misconfigured(f"None of the {len(given):,} addresses in {url} is of a file below {self._place.url}")
        yield from files

    def _indexed(self, root: str) -> Iterator[tuple[bytes, tuple[int, datetime] | None]]:
        folders = [(b"", self._place.levels)]
        seen = {b""}
        while folders:
            folder, levels = folders.pop()
            try:
                answer, data = self._session.page(root + quote_from_bytes(folder))
            except NotThere:
                if folder:
                    continue  # removed since its parent was listed
                raise
            if not _is_page(answer):
                raise Misconfigured(f"{root}{shown(folder)} is not an index page: name the files, or a listing")
            for link, behind in _links(data, answer.url):
                name = self._name(link)
                if not name or name in seen:
                    continue
                seen.add(name)
                if not name.endswith(b"/"):
                    yield name, _shown(behind)
                elif levels and name.startswith(folder):
                    folders.append((name, levels - 1))


class _Reader(RangedStream):
    """One remote file; the first request tells whether the server gives ranges, and perhaps the file's hashes."""

    def __init__(self, session: Session, url: str) -> None:
        answer = session.send(url, headers={"Range": f"bytes=0-{FIRST - 1}"}, allow={416})
        if answer.status == 416 and _total(answer) != "0":  # no range of it, or an empty file
            answer.close()
            answer = session.send(url)
        try:
            _refuse_page(answer, url)
            total, given = _total(answer), _range(answer)
            if answer.status == 206 and (given is None or given[0] != 0):
                raise PlaceError(f"{url} comes in ranges of which its server does not say what they are")
        except PlaceError:
            answer.close()
            raise
        size, ranged = None if total is None else int(total), answer.status in {206, 416}
        super().__init__(url, size, ranged=ranged)
        self._session = session
        self._answer = answer
        self._version = _version(answer)
        self._shown = Status(size, _modified(answer), answer.headers.get("etag"))
        self.digests = _digests(answer)
        self._begin(answer.chunks(), 0, min(FIRST, size or 0) if ranged else size)

    def status(self) -> Status:
        """As it was when it was opened: each range that is read is of this version."""
        return self._shown

    def close(self) -> None:
        if not self.closed:
            self._answer.close()
        super().close()

    def _ask(self, start: int, stop: int) -> tuple[Iterator[bytes], int]:
        self._answer.close()
        headers = {"Range": f"bytes={start}-{stop - 1}"}
        if self._version and not self._version.startswith("W/"):  # a weak one is not for this (RFC 9110, 13.1.5)
            headers["If-Range"] = self._version
        try:
            self._answer = self._session.send(self._what, headers=headers, allow={416})
        except NotThere as error:
            raise Changed(f"{self._what} went away while it was read") from error
        given = _range(self._answer)
        if given is None or _version(self._answer) != self._version or given[1] != self._size:
            self._answer.close()
            raise Changed(f"{self._what} changed while it was read")
        if given[0] != start:
            self._answer.close()
            raise Interrupted(f"{self._what} gave another range than it was asked for")
        return self._answer.chunks(), stop


class _Anchors(HTMLParser):
    """Collects where the links of a page lead, and the text behind each."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[list[str]] = []
        self._behind = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._behind = False
        if tag == "a" and (href := dict(attrs).get("href")):
            self.found.append([href.strip(), ""])

    def handle_endtag(self, tag: str) -> None:
        self._behind = tag == "a"

    def handle_data(self, data: str) -> None:
        if self._behind and self.found:
            self.found[-1][1] += data


_ADDRESS = re.compile("[A-Za-z][A-Za-z0-9+.-]*://")  # RFC 3986, 3.1


def _json(data: bytes) -> object | None:
    """What a listing in JSON holds; None for one that only begins like it, as a text may."""
    try:
        found: object = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found


def _fields(value: object, name: str) -> Iterator[str]:
    """The texts in the fields of one name, at any depth, in no order."""
    left = [value]
    while left:
        here = left.pop()
        if isinstance(here, dict):
            if isinstance(text := here.get(name), str):
                yield text
            left.extend(here.values())
        elif isinstance(here, list):
            left.extend(here)


def _links(data: bytes, page: str) -> Iterator[tuple[str, str]]:
    """The addresses that a page leads to, and the text behind each."""
    parser = _Anchors()
    parser.feed(data.decode("utf-8", "surrogateescape"))
    for href, behind in parser.found:
        try:
            # what a party left unquoted, and is not UTF-8, is quoted so that its byte is kept
            to = urljoin(page, re.sub("[\udc80-\udcff]", lambda found: f"%{ord(found[0]) - 0xDC00:02X}", href))
        except ValueError:
            continue  # an address that is none
        yield to, behind


# As nginx's index shows a file: its time, in UTC unless the server is told otherwise, and its size in bytes.
_NGINX = re.compile(r"\s+(\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d)\s+(\d+)\s*")


def _shown(behind: str) -> tuple[int, datetime] | None:
    """Size and time of a small file as an index page shows them; None where they are rounded, or not there."""
    found = _NGINX.fullmatch(behind)
    if found is None or int(found[2]) > FIRST:
        return None
    return int(found[2]), datetime.strptime(found[1], "%d-%b-%Y %H:%M").replace(tzinfo=UTC)


def _is_page(answer: Answer) -> bool:
    kind: str = answer.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower() in {"text/html", "application/xhtml+xml"}


def _refuse_page(answer: Answer, url: str) -> None:
    """Raise `Misconfigured` for a page that stands where a file should, such as one to log in by."""
    if _is_page(answer) and not url.lower().endswith((".htm", ".html", ".xhtml")):
        raise Misconfigured(f"{url} is a web page and not a file, perhaps one to log in or of an error")


def _version(answer: Answer) -> str | None:
    """What tells one version of a file from another: the ETag, or the time where the server has none."""
    found: str | None = answer.headers.get("etag") or answer.headers.get("last-modified")
    return found


# What the registries of RFC 9530 and RFC 3230 call the algorithms that hashlib has.
_ALGORITHMS = {"md5": "md5", "sha": "sha1", "sha-256": "sha256", "sha-512": "sha512"}


def _digests(answer: Answer) -> dict[str, str]:
    """What the answer to a GET of a file, or of its first range, says the hashes of the whole file are.

    That of a range (206) says so by fewer headers: Content-Digest is of the bytes in the answer (RFC 9530, 2),
    Content-MD5 is of either, as servers differ (RFC 7231, B), and S3 gives the checksum of a part there.
    """
    if answer.status not in {200, 206}:
        return {}
    headers = answer.headers
    whole = answer.status == 200
    said = [headers.get("digest", ""), headers.get("repr-digest", "")]  # of the whole in any answer; the newer last
    # Google's is of the stored bytes, which are not those that come where they are decompressed on the way.
    if headers.get("x-goog-stored-content-encoding") == headers.get("content-encoding", "identity"):
        said.insert(0, headers.get("x-goog-hash", ""))
    if whole:
        said += [headers.get("content-digest", ""), f"md5={headers.get('content-md5', '')}"]
    if whole and headers.get("x-amz-checksum-type") == "FULL_OBJECT":
        said.append(f"sha-256={headers.get('x-amz-checksum-sha256', '')}")
    found = {}
    for name, value in re.findall(r"([\w.*-]+)=:?([A-Za-z0-9+/]+=*)", ", ".join(said)):  # RFC 9530 adds the colons
        algorithm = _ALGORITHMS.get(name.lower())
        if algorithm and len(digest := _decoded(value)) == hashlib.new(algorithm).digest_size:
            found[algorithm] = digest.hex()
    return found


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value)
    except ValueError:
        return b""


def _range(answer: Answer) -> tuple[int, int] | None:
    """Where a partial answer begins and how long the whole is."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("content-range", ""))
    return (int(found[1]), int(found[2])) if found and answer.status == 206 else None


def _total(answer: Answer) -> str | None:
    """Length of the whole file in bytes, from an answer to a GET of it or of a range."""
    if answer.status in {206, 416}:
        found = re.fullmatch(r"bytes .*/(\d+)", answer.headers.get("content-range", ""))
        return found[1] if found else None
    length: str | None = answer.headers.get("content-length")
    return length


def _modified(answer: Answer) -> datetime | None:
    try:
        found = parsedate_to_datetime(answer.headers["last-modified"])
    except (KeyError, ValueError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
