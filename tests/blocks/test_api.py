"""A paged JSON API against a real HTTP server that pages in every style, and one that misbehaves."""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.api import JsonApi
from blocks.errors import AccessDenied, Changed, Interrupted, Misconfigured, NotThere, PlaceError, Unreachable
from blocks.place import Paged
from blocks.web import PAGE

STYLES: dict[str, dict[str, Any]] = {
    "token": {"next_at": "meta/next~1page", "page_parameter": "pageToken"},
    "next": {"next_at": "@odata.nextLink"},
    "link": {},
    "offset": {"page_parameter": "skip"},
    "page": {"page_parameter": "page"},
}
STAMP = "2026-11-24T09:00:05"


class Api(ThreadingHTTPServer):
    """Gives `records` in the style that a path names; `asked` has the requests, `sent` the bytes of each page."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.begin([{"id": number} for number in range(10)])

    def begin(self, records: list[Any]) -> None:
        self.records = records
        self.stamp: Any = STAMP
        self.total: Any = len(records)
        self.most = 1000  # records of a page, whatever is asked for
        self.changes_after: int | None = None  # pages
        self.other = ""
        self.asked: list[str] = []
        self.times: list[float] = []
        self.logins: list[str | None] = []
        self.sent: list[bytes] = []
        self.tokens: Counter[str] = Counter()
        self.files: dict[str, tuple[int, str, bytes, str]] = {}  # status, type, bytes, Link

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api/"

    def block(self, at: str, **changed: Any) -> JsonApi:
        """What stands at `at`, which names a style or a path."""
        given = {"url": self.url, "path": at, "timeout": 5, "stamp": "version", "stamp_at": "dataTimestamp"}
        style = {"paging": at, "records": "data/items"} | STYLES[at] if at in STYLES else {}
        return JsonApi.model_validate(given | style | changed)


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms for the client's acknowledgment
    server: Api

    def log_message(self, *_: object) -> None:
        pass

    def say(self, data: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        given = {"Content-Type": kind, "Content-Length": str(len(data))} | headers
        for name, value in given.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        server, parts = self.server, urlsplit(self.path)
        server.asked.append(self.path.removeprefix("/api/"))
        server.times.append(time.monotonic())
        server.logins.append(self.headers.get("Authorization") or self.headers.get("X-Party-Key"))
        name, query = parts.path.removeprefix("/api/"), dict(parse_qsl(parts.query))
        if name in server.files:
            status, kind, data, link = server.files[name]
            self.say(data, status, kind, **({"Link": link} if link else {}))
        elif name in STYLES:
            self.page(name, query)
        else:
            getattr(self, name, lambda _: self.say(b"no such thing", 404, "text/plain"))(query)

    def version(self, query: dict[str, str]) -> None:
        self.say(b'{"apiVersion":"2.0.5", "dataTimestamp":%s}' % json.dumps(self.server.stamp).encode())

    def page(self, style: str, query: dict[str, str]) -> None:
        server = self.server
        size = min(int(query.get("limit", server.most)), server.most)
        start = {
            "token": lambda: int(query.get("pageToken", "t+/=0")[4:]),
            "next": lambda: int(query.get("from", 0)),
            "link": lambda: int(query.get("from", 0)),
            "offset": lambda: int(query["skip"]),
            "page": lambda: (int(query["page"]) - 1) * size,
        }[style]()
        items, stop = server.records[start : start + size], start + size
        answer: dict[str, Any] = {"data": {"items": items, "count": server.total}}
        headers = {}
        if stop < len(server.records):
            onward = "?" + urlencode(query | {"from": stop})
            if style == "token":
                answer["meta"] = {"next/page": f"t+/={stop}"}
            elif style == "next":
                answer["@odata.nextLink"] = onward
            elif style == "link":
                first = f'<{server.url}link>; rel="first", '
                headers["Link"] = f'{first}<{onward}>; title="more, to come"; rel="Next"'
        data = json.dumps(answer, indent=3).encode() + b"\n  \n"  # as no serialiser of ours writes it
        server.sent.append(data)
        if len(server.sent) == server.changes_after:
            server.stamp = "2026-11-25T09:00:05"
        self.say(data, **headers)

    def circle(self, query: dict[str, str]) -> None:  # a token that leads back in two steps
        token = {"": "a", "a": "b", "b": "a"}[query.get("pageToken", "")]
        self.say(json.dumps({"studies": [token], "next": token}).encode())

    def deaf(self, query: dict[str, str]) -> None:  # knows no offset
        self.say(b'{"data": {"items": [1, 2, 3]}}')

    def elsewhere(self, query: dict[str, str]) -> None:
        self.say(json.dumps({"next": f"{self.server.other}token"}).encode())

    def moved(self, query: dict[str, str]) -> None:
        self.say(b"", 302, Location=f"{self.server.other}token")

    def html(self, query: dict[str, str]) -> None:
        self.say(b"<html>Log in</html>", kind="text/html; charset=utf-8")

    def torn(self, query: dict[str, str]) -> None:
        self.say(b'{"studies": [1, ')

    def cut(self, query: dict[str, str]) -> None:
        self.close_connection = True
        self.say(b'{"studies": [1, ', **{"Content-Length": "1000"})

    def long(self, query: dict[str, str]) -> None:
        self.say(b" " * (PAGE + 1))

    def busy(self, query: dict[str, str]) -> None:
        first = self.server.asked.count("busy") == 1
        self.say(b"", 429, Retry_After="1") if first else self.say(b"{}")

    def over(self, query: dict[str, str]) -> None:  # as ClinicalTrials.gov, where data change between pages
        if not query:
            return self.say(b'{"studies": [1], "next": "x"}')
        return self.say(b"The data have probably changed while you were paginating.\n", 400, "text/plain")

    def far(self, query: dict[str, str]) -> None:  # as openFDA, which ends at 25000
        if query["skip"] == "0":
            return self.say(b'{"data": {"items": [1], "count": 9}}')
        return self.say(b'{"error": {"message": "Skip value must 25000 or less."}}', 400)

    def keyed(self, query: dict[str, str]) -> None:
        known = {"Bearer party-token", "Bearer fresh-1", "party-key", "Basic dXNlcjpzZXNhbWU="}
        self.say(b"{}") if self.server.logins[-1] in known else self.say(b"", 401)

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.tokens["given"] += 1
        assert form["grant_type"] == ["client_credentials"]
        self.say(b'{"access_token": "fresh-%d"}' % self.server.tokens["given"])


@pytest.fixture(scope="module")
def running() -> Iterator[Api]:
    with Api() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def api(running: Api) -> Api:
    running.begin([{"id": number, "näme": "ü"} for number in range(10)])
    return running


def name_of(place: JsonApi) -> str:
    with place.connect() as remote:
        (file,) = remote.list()
        return file.name


def read(place: JsonApi, after: str | None = None, name: str = f"{STAMP}.json") -> tuple[list[bytes], list[str | None]]:
    """The pages' bytes, and what follows each."""
    with place.connect() as remote:
        pages = list(remote.pages(name, after))
    return [page.data for page in pages], [page.after for page in pages]


def items(pages: list[bytes]) -> list[Any]:
    return [item for page in pages for item in json.loads(page)["data"]["items"]]


def test_the_listing_asks_for_the_stamp_only(api: Api) -> None:
    with api.block("token").connect() as remote:
        assert isinstance(remote, Paged)
        (file,) = remote.list()
        with pytest.raises(Misconfigured, match="cannot be opened as a file"):
            remote.open(file.name)
    assert (file.name, file.size, file.version) == (f"{STAMP}.json", None, STAMP)
    assert file.mtime == datetime(2026, 11, 24, 9, 0, 5, tzinfo=UTC)
    assert api.asked == ["version"]
    dated = re.fullmatch(r"(?P<date>[\d-]{10}T[\d:]{8})\.json", file.name)  # as a source reads it
    assert dated
    assert datetime.strptime(dated["date"], "%Y-%m-%dT%H:%M:%S") == datetime(2026, 11, 24, 9, 0, 5)


@pytest.mark.parametrize(
    ("stamp", "name", "mtime"),
    [
        ("2026-11-24T09:00:05+02:00", "2026-11-24T09:00:05+02:00.json", datetime(2026, 11, 24, 7, 0, 5, tzinfo=UTC)),
        ("2026-11-24", "2026-11-24.json", datetime(2026, 11, 24, tzinfo=UTC)),
        ("Nov 24, 2026", "Nov 24, 2026.json", None),
        ("../24/11", "..%2F24%2F11.json", None),
        ("v1\n\0é%", "v1%0A%00%C3%A9%25.json", None),
        (1_732_438_805, "1732438805.json", None),
    ],
)
def test_names_are_the_stamp_made_safe(api: Api, stamp: Any, name: str, mtime: datetime | None) -> None:
    api.stamp = stamp
    with api.block("token").connect() as remote:
        (file,) = remote.list()
        assert (file.name, file.mtime, file.version) == (name, mtime, str(stamp))
        assert len(list(remote.pages(file.name))) == 1


@pytest.mark.parametrize("stamp", [None, "", True, {}, []])
def test_an_answer_without_a_stamp(api: Api, stamp: Any) -> None:
    api.stamp = stamp
    with pytest.raises(Misconfigured, match="no stamp"):
        api.block("token").check()


def test_without_a_stamp_the_day_names_the_file(api: Api) -> None:
    place = api.block("token", stamp=None, stamp_at=None)
    before = datetime.now(UTC)
    name = name_of(place)
    assert name in {f"{day:%Y-%m-%d}.json" for day in (before, datetime.now(UTC))}
    assert api.asked == []
    assert items(read(place, name=name)[0]) == api.records
    assert api.asked == ["token"]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("total", [None, "data/count"])
@pytest.mark.parametrize("most", [4, 5, 10, 100])
def test_pages_come_as_they_are(api: Api, style: str, total: str | None, most: int) -> None:
    api.most = most  # fewer than are asked for
    place = api.block(style, total=total, parameters={"a b": "c&d"}, size_parameter="limit", page_size=50)
    pages, afters = read(place)
    assert pages == api.sent
    assert items(pages) == api.records
    assert afters[-1] is None
    assert all(afters[:-1])
    asked = [parse_qs(urlsplit(at).query) for at in api.asked if not at.startswith("version")]
    assert all(query["a b"] == ["c&d"] and query["limit"] == ["50"] for query in asked)
    assert api.asked.count("version") == 2
    place.check()


@settings(max_examples=60, deadline=None)
@given(
    style=st.sampled_from(sorted(STYLES)),
    count=st.integers(0, 25),
    most=st.integers(1, 8),
    totals=st.booleans(),
    data=st.data(),
)
def test_pages_that_go_on_from_anywhere_join_to_the_same(
    running: Api, style: str, count: int, most: int, totals: bool, data: st.DataObject
) -> None:
    running.begin([{"id": number} for number in range(count)])
    running.most = most
    place = running.block(style, total="data/count" if totals else None)
    whole, afters = read(place)
    assert items(whole) == running.records
    stop = data.draw(st.integers(0, len(whole) - 1))
    rest, more = read(place, afters[stop]) if stop < len(whole) - 1 else ([], [])
    assert whole[: stop + 1] + rest == whole
    assert afters[: stop + 1] + more == afters


def test_a_killed_transfer_goes_on_where_it_stopped(api: Api) -> None:
    api.most = 3
    place = api.block("token", total="data/count")
    with place.connect() as remote:
        pages = remote.pages(f"{STAMP}.json")
        next(pages)
        after = next(pages).after
    api.asked.clear()
    rest, _ = read(place, after)
    assert items(rest) == api.records[6:]
    assert api.asked == ["version", "token?pageToken=t%2B%2F%3D6", "token?pageToken=t%2B%2F%3D9", "version"]


def test_data_that_change_while_they_are_read(api: Api) -> None:
    api.most, api.changes_after = 3, 4
    place, got = api.block("token"), []
    with place.connect() as remote, pytest.raises(Changed, match="2026-11-25T09:00:05") as caught:
        got.extend(remote.pages(f"{STAMP}.json"))  # keeps what came before the error
    assert caught.value.retryable
    assert all(page.after for page in got)  # the last page never came, so nobody holds it for a whole
    with pytest.raises(Changed):  # and nobody goes on with data that are gone
        read(place, got[0].after)
    assert items(read(place, name=name_of(place))[0]) == api.records


def test_pages_of_another_question_are_not_gone_on_with(api: Api) -> None:
    api.most = 3
    _, afters = read(api.block("token"))
    with pytest.raises(Changed, match="asked for now"):
        read(api.block("token", parameters={"filter": "new"}), afters[0])
    with pytest.raises(Changed, match="cannot be read"):
        read(api.block("token"), "t+/=3")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("told", [9, 11, "12"])
def test_another_number_of_records_than_was_said_is_a_change(api: Api, style: str, told: Any) -> None:
    api.total, api.most = told, 5
    with pytest.raises(Changed, match="gave 10 of") as caught:
        read(api.block(style, total="data/count"))
    assert caught.value.retryable


def test_a_total_that_moves_is_a_change(api: Api) -> None:
    api.most = 5
    place = api.block("offset", total="data/count")
    with place.connect() as remote:
        pages = remote.pages(f"{STAMP}.json")
        next(pages)
        api.total = 12
        with pytest.raises(Changed, match="12 records"):
            next(pages)


def test_tokens_that_lead_in_a_circle(api: Api) -> None:
    place = api.block("circle", next_at="next", page_parameter="pageToken")
    with pytest.raises(Misconfigured, match="comes again"):
        read(place)
    ignored = api.block("token", page_parameter="token")
    api.most = 3
    with pytest.raises(Misconfigured, match="page before again"):
        read(ignored)


@pytest.mark.parametrize("style", ["offset", "page"])
def test_an_api_that_does_not_know_the_page_parameter(api: Api, style: str) -> None:
    with pytest.raises(Misconfigured, match="page before again"):
        read(api.block(style, path="deaf"))


def test_no_secret_goes_to_another_host(api: Api) -> None:
    with Api() as other:
        threading.Thread(target=other.serve_forever, args=(0.05,), daemon=True).start()
        for address in (other.url, other.url.replace("127.0.0.1", "localhost"), api.url.replace("http", "ftp")):
            api.other = address
            with pytest.raises(Misconfigured, match="another server"):
                read(api.block("elsewhere", paging="next", next_at="next", token="party-token"))
        api.other = other.url.replace("127.0.0.1", "localhost")
        with pytest.raises(Misconfigured, match="another host"):
            read(api.block("moved", paging="link", token="party-token"))
        for changed in ({"path": f"{other.url}token"}, {"stamp": f"{other.url}version"}):
            with pytest.raises(Misconfigured, match="another server"):
                api.block("token", token="party-token", **changed).check()
        forged = json.dumps({"first": f"{api.url}token", "url": f"{other.url}token", "pages": 1})
        with pytest.raises(Misconfigured, match="another server"):
            read(api.block("token", token="party-token"), forged)
        assert other.asked == []
        other.shutdown()


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("html", Misconfigured, "no JSON but text/html, perhaps a page to log in by"),
        ("torn", Interrupted, "not whole"),
        ("cut", Interrupted, "failed"),
        ("long", PlaceError, "longer"),
        ("missing", NotThere, "no such thing"),
        ("token", Misconfigured, "no list of records at 'studies'"),
    ],
)
def test_check_says_what_is_wrong(api: Api, path: str, error: type[PlaceError], words: str) -> None:
    given = {"paging": "link", "records": "studies"}
    with pytest.raises(error, match=words) as caught:
        api.block(path, **given).check()
    assert type(caught.value) is error


def test_what_the_api_says_of_a_refusal(api: Api) -> None:
    with pytest.raises(Changed, match="probably changed") as caught:
        read(api.block("over", next_at="next", page_parameter="pageToken"))
    assert caught.value.retryable
    with pytest.raises(Misconfigured, match="25000 or less"):
        read(api.block("offset", path="far", total="data/count"))


def test_no_answer_is_unreachable(api: Api) -> None:
    with pytest.raises(Unreachable):
        api.block("token", url="http://no-such-host.invalid/").check()


def test_a_busy_api_is_waited_for(api: Api) -> None:
    began = time.monotonic()
    assert read(api.block("busy", paging="link"))[0] == [b"{}"]
    assert time.monotonic() - began >= 1
    assert api.asked == ["version", "busy", "busy", "version"]


def test_requests_are_as_far_apart_as_the_party_wants(api: Api) -> None:
    """Each begins 0.1 s after the one before did: none comes sooner, though each may be later by its way."""
    api.most = 4
    began = time.monotonic()
    read(api.block("offset", per_minute=600))
    assert len(api.times) == 5
    assert all(came - began >= 0.1 * before for before, came in enumerate(api.times))


@pytest.mark.parametrize(
    "login",
    [
        {"token": "party-token"},
        {"api_key": "party-key", "api_key_header": "X-Party-Key"},
        {"user": "user", "password": "sesame"},
        {"client_id": "inlet", "client_secret": "sesame", "oauth_url": "OAUTH"},
    ],
)
def test_logins(api: Api, login: dict[str, str]) -> None:
    login = {name: value.replace("OAUTH", f"{api.url}oauth") for name, value in login.items()}
    api.block("keyed", paging="link", **login).check()
    if "client_id" in login:
        assert api.tokens["given"] == 1
    with pytest.raises(AccessDenied, match="401"):
        api.block("keyed", paging="link", token="wrong").check()


@pytest.mark.parametrize(
    ("path", "changed", "words"),
    [
        ("token", {"next_at": None}, "lacks next_at"),
        ("next", {"next_at": ""}, "lacks next_at"),
        ("token", {"page_parameter": None}, "lacks page_parameter"),
        ("offset", {"records": None}, "lacks records"),
        ("token", {"records": None, "total": "count"}, "lacks records"),
        ("token", {"page_size": 10}, "lacks size_parameter"),
        ("token", {"stamp_at": None}, "lacks stamp_at"),
        ("token", {"total": "data/items"}, "no number"),
        ("token", {"total": "data/none"}, "no number"),
        ("token", {"next_at": "data"}, "no token"),
        ("token", {"token": "t", "api_key": "k"}, "more than one way"),
        ("token", {"user": "u"}, "lacks a part of user"),
    ],
)
def test_blocks_that_cannot_be_used(api: Api, path: str, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        api.block(path, **changed).check()


@pytest.mark.parametrize("changed", [{"paging": "guess"}, {"page_size": 0}, {"per_minute": 0}])
def test_fields_that_make_no_sense(api: Api, changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        api.block("token", **changed)


def test_an_answer_that_is_itself_the_list(api: Api) -> None:
    api.files["list"] = (200, "application/json", b"\xef\xbb\xbf [1, 2] ", "")
    api.files["none"] = (200, "application/json", b"[]", "")
    assert read(api.block("list", paging="link", records="/"))[0] == [b"\xef\xbb\xbf [1, 2] "]
    assert read(api.block("none", paging="offset", page_parameter="skip", records="/"))[0] == [b"[]"]


# --- What ClinicalTrials.gov really answers ---------------------------------------------------------------


@pytest.fixture
def ctgov(api: Api, realdata: Path) -> tuple[Api, Path]:
    """The server with the version that ClinicalTrials.gov gave on 2026-08-21."""
    folder = realdata / "sources" / "ctgov"
    version = (folder / "v2-from-docs" / "version.json").read_bytes()
    api.files["version"] = (200, "application/json", version, "")
    return api, folder


def studies(api: Api, **changed: Any) -> JsonApi:
    given = {"next_at": "nextPageToken", "page_parameter": "pageToken", "records": "studies"}
    return api.block("studies", **(given | changed))


def test_real_studies_arrive_byte_for_byte(ctgov: tuple[Api, Path]) -> None:
    api, folder = ctgov
    found = sorted((folder / "v2-single-study").glob("*.json"))
    assert len(found) == 10
    for file, later in zip(found, [*found[1:], None], strict=True):
        link = f'<{later.name}>; rel="next"' if later else ""
        api.files[file.name] = (200, "application/json", file.read_bytes(), link)
    place = api.block(found[0].name, paging="link")
    assert name_of(place) == "2026-08-20T09:00:05.json"
    pages, _ = read(place, name="2026-08-20T09:00:05.json")
    assert pages == [file.read_bytes() for file in found]


def test_a_real_page_leads_on_by_its_token(ctgov: tuple[Api, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    api, folder = ctgov
    page = (folder / "v2-from-docs" / "studies_page_with_nextPageToken.json").read_bytes()
    one = (folder / "v2-single-study" / "NCT00465816.json").read_bytes()
    last = b'{"studies":[' + one + b"]}"

    def answer(self: Answer, query: dict[str, str]) -> None:
        token = query.get("pageToken")
        assert token in {None, "ZVt07cGHkvI2wRk2CJf6_LLqy5DbMtMod7KrgP4cnjySufE"}
        self.say(last if token else page)

    monkeypatch.setattr(Answer, "studies", answer, raising=False)
    place = studies(api, size_parameter="pageSize", page_size=1)
    assert read(place, name="2026-08-20T09:00:05.json")[0] == [page, last]


def test_a_real_refusal_is_quoted(ctgov: tuple[Api, Path]) -> None:
    api, folder = ctgov
    said = (folder / "v2-from-docs" / "error_unknown_parameter.txt").read_bytes()
    api.files["studies"] = (400, "text/plain;charset=utf-8", said, "")
    with pytest.raises(Misconfigured, match=re.escape("`filter.phase` is unknown parameter")):
        studies(api, parameters={"filter.phase": "PHASE2"}).check()
