"""HTTP against nginx, and against a server that misbehaves in ways nginx never does."""

import base64
import hashlib
import io
import json
import os
import random
import re
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import psutil
import pytest

from blocks.errors import AccessDenied, Changed, Interrupted, Misconfigured, NotThere, PlaceError, Unreachable
from blocks.http import HttpServer, _shown
from blocks.place import RemoteFile, digests, text_of
from blocks.ranges import FIRST
from tests.servers import Nginx, free_port

NAMES = ["plain.csv", "with space.csv", "línea\nnueva.csv", "ünï/日本.csv", "a..csv", "%2e%2e", "😀", "a?b#c&d.csv"]


def block(server: Nginx, folder: Path | None = None, **changed: Any) -> HttpServer:
    url = server.url + (f"{folder.name}/" if folder else "")
    return HttpServer.model_validate({"url": url} | changed)


@pytest.fixture
def folder(nginx: Nginx, tmp_path: Path) -> Path:
    """A new folder on the server."""
    made = nginx.folder / tmp_path.name
    made.mkdir()
    return made


def listed(place: HttpServer) -> dict[str, RemoteFile]:
    with place.connect() as remote:
        return {file.name: file for file in remote.list()}


def test_lists_files_with_exact_size_and_utc_time(nginx: Nginx, folder: Path) -> None:
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "a.csv").write_bytes(b"1234")
    (folder / "sub" / "b.csv").write_bytes(b"x" * 123_457)
    (folder / "sub" / "deep" / "c.csv").touch()
    os.utime(folder / "a.csv", (0, 1_700_000_000))
    found = listed(block(nginx, folder))
    assert found["a.csv"] == RemoteFile(name="a.csv", size=4, mtime=datetime(2023, 11, 14, 22, 13, tzinfo=UTC))
    asked = listed(block(nginx, folder, names=["a.csv"]))["a.csv"]
    assert asked == RemoteFile(
        name="a.csv", size=4, mtime=datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), version='"6553f100-4"'
    )
    assert found["sub/b.csv"].size == 123_457
    assert found.keys() == {"a.csv", "sub/b.csv"}
    assert listed(block(nginx, folder, levels=0)).keys() == {"a.csv"}
    assert listed(block(nginx, folder, levels=2))["sub/deep/c.csv"].size == 0
    assert listed(block(nginx, folder, url=f"{nginx.url}{folder.name}")).keys() == {"a.csv", "sub/b.csv"}


def test_an_index_with_exact_sizes_is_all_that_is_asked_for(nginx: Nginx, folder: Path) -> None:
    for number in range(300):
        (folder / f"{number:03}.csv").write_text("1")
    assert listed(block(nginx, folder, only=r"00\d\.csv")).keys() == {f"00{n}.csv" for n in range(10)}
    time.sleep(0.1)  # nginx writes its log after it has answered
    assert nginx.log.read_text().count(f" /{folder.name}/") == 1


def test_of_a_list_without_sizes_only_what_counts_is_asked_for(nginx: Nginx, folder: Path) -> None:
    for number in range(300):
        (folder / f"{number:03}.csv").write_text("1")
    (folder / "list.txt").write_text("\n".join(f"{number:03}.csv" for number in range(300)))
    found = listed(block(nginx, folder, only=r"00\d\.csv", listing="list.txt"))
    assert found.keys() == {f"00{n}.csv" for n in range(10)}
    time.sleep(0.1)  # nginx writes its log after it has answered
    assert nginx.log.read_text().count(f" /{folder.name}/") == 11


@pytest.mark.parametrize(
    ("behind", "known"),
    [
        ("   14-Nov-2023 22:13               123457\n", (123_457, datetime(2023, 11, 14, 22, 13, tzinfo=UTC))),
        ("   14-Nov-2023 22:13           1234567890\n", None),  # more than one request: it must be told exactly
        ("   14-Nov-2023 22:13                    -\n", None),
        ("   2023-11-14 22:13  1.2M  \n", None),  # Apache's: rounded, and in its own time
        ("   2023-11-14 22:13  512  \n", None),
        ("", None),
    ],
)
def test_sizes_are_taken_from_an_index_where_they_are_exact(behind: str, known: tuple[int, datetime] | None) -> None:
    assert _shown(behind) == known


def test_any_name_is_listed_and_opened(nginx: Nginx, folder: Path) -> None:
    (folder / "ünï").mkdir()
    for name in NAMES:
        (folder / name).write_text(name)
    raw = b"latin-\xe9.csv"
    Path(os.fsdecode(os.fsencode(folder) + b"/" + raw)).write_text("raw")
    place = block(nginx, folder)
    assert listed(place).keys() == {*NAMES, text_of(raw)}
    with place.connect() as remote:
        for name in NAMES:
            assert remote.open(name).read().decode() == name
        assert remote.open(text_of(raw)).read() == b"raw"


def test_names_that_lead_out_are_refused(nginx: Nginx, folder: Path) -> None:
    with block(nginx, folder).connect() as remote:
        for name in ["../x", "/etc/passwd", "", "a//b", "sub/../sub", "a\0b", "missing"]:
            with pytest.raises(NotThere):
                remote.open(name)


def test_listings(nginx: Nginx, folder: Path) -> None:
    (folder / "sub").mkdir()
    for name in ("a b.csv", "sub/c.csv", "d.csv"):
        (folder / name).write_text(name)
    here = f"{nginx.url}{folder.name}"
    (folder / "list.txt").write_text(f"a b.csv\r\n\r\n{here}/sub/c.csv\ngone.csv\n")
    (folder / "list.csv").write_text('id,path\n1,"a b.csv"\n2,d.csv\n')
    (folder / "page.html").write_text(
        f"<a HREF='./d.csv'>d</a> <a href='/'>up</a> <a href='sub/'>s</a> <a href='?C=N'>n</a>"
        f"<a href='https://elsewhere.invalid/x'>x</a><a href='{here}/a%20b.csv#top'>a</a><a href='http://[/'>b</a>"
    )
    assert listed(block(nginx, folder, listing="list.txt")).keys() == {"a b.csv", "sub/c.csv"}
    assert listed(block(nginx, folder, listing="list.csv", column="path")).keys() == {"a b.csv", "d.csv"}
    assert listed(block(nginx, folder, listing=f"{here}/page.html")).keys() == {"a b.csv", "d.csv"}
    both = listed(block(nginx, folder, listing=f"list.txt {here}/page.html"))
    assert both.keys() == {"a b.csv", "d.csv", "sub/c.csv"}
    assert listed(block(nginx, folder, names=["d.csv", f"{here}/sub/c.csv"])).keys() == {"d.csv", "sub/c.csv"}
    with pytest.raises(NotThere, match="gone"):
        listed(block(nginx, folder, names=["d.csv", "gone.csv"]))
    with pytest.raises(Misconfigured, match="no column"):
        listed(block(nginx, folder, listing="list.csv", column="file"))
    with pytest.raises(Misconfigured, match="below"):
        listed(block(nginx, folder, names=["https://elsewhere.invalid/d.csv"]))


def distribution(address: object, **more: object) -> dict[str, object]:
    """An item as DKAN, the program of CMS's catalogues, gives it: the address stands there again in a reference."""
    reference = {"identifier": "7", "data": {"filePath": f"{address}?copy", "version": "1652923542", "checksum": None}}
    return {"identifier": "6", "data": {"downloadURL": address, "%Ref:downloadURL": [reference], **more}}


def test_a_json_catalogue_lists_what_is_below_the_folder(nginx: Nginx, folder: Path) -> None:
    (folder / "sub").mkdir()
    for name in ("a b.csv", "sub/c.csv", "d.csv", "e.csv"):
        (folder / name).write_text(name)
    here, other = f"{nginx.url}{folder.name}", f"{nginx.url}another"
    items = [
        distribution(f"{here}/a%20b.csv", title="Détail – “A”", size=None),
        distribution(f"{here}/sub/c.csv"),
        distribution(f"{here}/sub/c.csv"),  # CMS lists most files twice
        distribution(f"{here}/gone.csv"),
        *(distribution(address) for address in (f"{other}/d.csv", f"{here}/d.csv?v=2", f"{here}/sub/", here)),
        *(distribution(address) for address in ("https://elsewhere.invalid/d.csv", "ftp://host/d.csv", "http://[/")),
        *(distribution(address) for address in (None, 7, "", f"{here}/\ud800.csv", {"downloadURL": "d.csv"})),
    ]
    (folder / "items.json").write_text(json.dumps(items, indent=2))
    catalogue: dict[str, Any] = {"listing": "items.json", "column": "downloadURL"}
    assert listed(block(nginx, folder, **catalogue)).keys() == {"a b.csv", "sub/c.csv", "d.csv"}
    assert listed(block(nginx, folder, **catalogue, only="sub/.*")).keys() == {"sub/c.csv"}
    dcat = {
        "conformsTo": "https://project-open-data.cio.gov/v1.1/schema",
        "dataset": [{"distribution": [{"downloadURL": f"{here}/e.csv"}, {"accessURL": f"{here}/d.csv"}]}],
    }
    (folder / "data.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(dcat).encode())
    assert listed(block(nginx, folder, listing=f"{here}/data.json", column="downloadURL")).keys() == {"e.csv"}
    assert listed(block(nginx, folder, listing=f"{here}/data.json", column="accessURL")).keys() == {"d.csv"}


def test_what_is_no_catalogue_of_the_folder_is_refused(nginx: Nginx, folder: Path) -> None:
    (folder / "[a].csv").write_text("1")
    (folder / "items.json").write_text(json.dumps([distribution("https://elsewhere.invalid/d.csv")]))
    (folder / "cut.json").write_text(json.dumps([distribution(f"{nginx.url}{folder.name}/[a].csv")])[:-5])
    (folder / "deep.json").write_text("[" * 100_000 + "]" * 100_000)
    (folder / "page.html").write_text("<a href='[a].csv'>a</a>")
    (folder / "list.txt").write_text("[a].csv\n")

    def refusal(listing: str, column: str | None = "downloadURL") -> PlaceError:
        with pytest.raises(PlaceError) as caught:
            listed(block(nginx, folder, listing=listing, column=column))
        return caught.value

    assert "None of the 1 addresses" in str(refusal("items.json"))
    assert "no field 'accessURL'" in str(refusal("items.json", "accessURL"))
    assert "`column` must say" in str(refusal("items.json", None))
    assert "web page" in str(refusal("page.html"))
    for broken in ("cut.json", "deep.json"):
        assert "not whole" in str(refusal(broken))
        assert refusal(broken).retryable
    assert listed(block(nginx, folder, listing="list.txt")).keys() == {"[a].csv"}  # begins like JSON, and is a name


def test_the_real_catalogue_of_open_payments(nginx: Nginx, folder: Path, realdata: Path) -> None:
    real = (realdata / "sources/openpayments/api/all-distribution-items.json").read_text()
    assert real.count('"downloadURL"') == 201
    here = f"{nginx.url}{folder.name}/"
    (folder / "items.json").write_text(real.replace("https://download.cms.gov/openpayments/", here))
    names = [f"PGYR22_P011824/OP_DTL_{kind}_PGYR2022_P01182024.csv" for kind in ("GNRL", "RSRCH", "OWNRSHP")]
    for name in (*names, "staging/PGYR16_P011824/OP_DTL_GNRL_PGYR2016_P01182024.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("1")
    only = r"PGYR[^/]+/.*\.csv"
    assert listed(block(nginx, folder, listing="items.json", column="downloadURL", only=only)).keys() == set(names)
    time.sleep(0.1)  # nginx writes its log after it has answered
    assert nginx.log.read_text().count(f'"HEAD /{folder.name}/') == 22  # three of each of seven years, and an older one


def test_streams_seek(nginx: Nginx, folder: Path) -> None:
    data = random.Random(7).randbytes(5_000_000)
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("member", data)
    with block(nginx, folder).connect() as remote, remote.open("a.zip") as stream:
        assert stream.seekable()
        assert zipfile.ZipFile(stream).read("member") == data


def test_random_reads_are_those_of_the_file(nginx: Nginx, folder: Path) -> None:
    chance = random.Random(5)
    data = chance.randbytes(9 * FIRST + 17)
    (folder / "data").write_bytes(data)
    (folder / "empty").touch()
    with block(nginx, folder).connect() as remote:
        assert remote.open("empty").read() == b""
        with remote.open("data") as stream:
            for _ in range(150):
                start, length = chance.randrange(len(data) + 10), chance.randrange(2 * FIRST)
                assert stream.seek(start) == start
                assert stream.read(length) == data[start : start + length]
            assert stream.seek(-5, io.SEEK_END) == len(data) - 5
            assert stream.read() == data[-5:]


def test_a_file_is_read_several_times_at_once(nginx: Nginx, folder: Path) -> None:
    data = random.Random(9).randbytes(3 * FIRST + 5)
    (folder / "data").write_bytes(data)
    with block(nginx, folder).connect() as remote:
        streams = [remote.open("data") for _ in range(12)]
        got = [b""] * len(streams)
        while any(pieces := [stream.read(100_000) for stream in streams]):
            got = [before + piece for before, piece in zip(got, pieces, strict=True)]
    assert got == [data] * len(streams)


def test_a_long_file_is_not_held_in_memory(nginx: Nginx, folder: Path) -> None:
    digest, block_of = hashlib.sha256(), random.Random(1).randbytes(1 << 20)
    with (folder / "long").open("wb") as out:
        for _ in range(200):
            digest.update(block_of)
            out.write(block_of)
    before, most, again = psutil.Process().memory_info().rss, 0, hashlib.sha256()
    with block(nginx, folder).connect() as remote, remote.open("long") as stream:
        while chunk := stream.read(1 << 20):
            again.update(chunk)
            most = max(most, psutil.Process().memory_info().rss)
    (folder / "long").unlink()
    assert again.digest() == digest.digest()
    assert most - before < 60 << 20


def test_basic_login(nginx: Nginx) -> None:
    (nginx.folder / "private" / "a.csv").write_text("secret")
    url = f"{nginx.url}private/"
    with block(nginx, url=url, user=nginx.user, password=nginx.password).connect() as remote:
        assert [file.name for file in remote.list()] == ["a.csv"]
        assert remote.open("a.csv").read() == b"secret"
    for login in ({}, {"user": nginx.user, "password": "wrong-word"}):
        with pytest.raises(AccessDenied) as caught:
            block(nginx, url=url, **login).check()
        assert "wrong-word" not in str(caught.value)


def test_tls_is_verified(nginx: Nginx, folder: Path) -> None:
    (folder / "a.csv").write_text("1234")
    url = f"{nginx.https_url}{folder.name}/"
    assert listed(block(nginx, url=url, authority=nginx.authority))["a.csv"].size == 4
    with pytest.raises(Misconfigured, match="not trusted"):
        block(nginx, url=url).check()
    with pytest.raises(Misconfigured, match="not trusted"):  # another name than the certificate's
        block(nginx, url=url.replace("127.0.0.1", "localhost"), authority=nginx.authority).check()
    with pytest.raises(Misconfigured, match="PEM"):
        block(nginx, url=url, authority="no certificate").check()


def test_a_file_that_changes_while_read(nginx: Nginx, folder: Path) -> None:
    (folder / "data").write_bytes(b"a" * 3_000_000)
    with block(nginx, folder).connect() as remote:
        with remote.open("data") as stream:
            stream.read(10)
            (folder / "new").write_bytes(b"b" * 3_000_000)
            os.utime(folder / "new", (0, 1_700_000_000))
            (folder / "new").rename(folder / "data")
            with pytest.raises(Changed) as caught:
                stream.read()
            assert caught.value.retryable
        with remote.open("data") as stream:
            stream.read(10)
            (folder / "data").unlink()
            with pytest.raises(Changed, match="went away"):
                stream.read()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"user": "u"}, "lacks a part of user"),
        ({"client_id": "c", "client_secret": "s"}, "lacks a part of OAuth2"),
        ({"user": "u", "password": "p", "token": "t"}, "more than one way"),
        ({"names": ["a"], "listing": "b"}, "both"),
        ({"only": "("}, "regular expression"),
    ],
)
def test_blocks_that_cannot_be_used(given: dict[str, Any], words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        HttpServer.model_validate({"url": "http://127.0.0.1/"} | given).check()


@pytest.mark.parametrize(
    "url", ["", "host/folder", "file:///etc", "https://host/?a=b", "https://u:hunter2@host/", "http://["]
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        HttpServer(url=url)
    assert "hunter2" not in str(caught.value)


def test_a_server_that_is_down_or_mute_is_unreachable() -> None:
    with pytest.raises(Unreachable) as caught:
        HttpServer(url=f"http://127.0.0.1:{free_port()}/").check()
    assert caught.value.retryable
    with pytest.raises(Unreachable):
        HttpServer(url="http://no-such-host.invalid/").check()


# --- A server that misbehaves -----------------------------------------------------------------------------

DATA = random.Random(3).randbytes(1_000_000)


class Rude(ThreadingHTTPServer):
    """Answers as its paths say; `asked` counts requests by method and path, `logins` has what proved who we are."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: Counter[str] = Counter()
        self.logins: dict[str, list[str | None]] = {}
        self.lifetime = 3600
        self.other = ""
        self.says: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def block(self, *names: str, **changed: Any) -> HttpServer:
        return HttpServer.model_validate({"url": self.url, "names": list(names), "timeout": 5} | changed)


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Rude

    def log_message(self, *_: object) -> None:
        pass

    def say(self, status: int, data: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        given = {"Content-Length": str(len(data))} | {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in given.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path[1:]
        self.server.asked[f"{self.command} {path}"] += 1
        seen = self.server.logins.setdefault(path, [])
        seen.append(self.headers.get("Authorization") or self.headers.get("X-Party-Key"))
        getattr(self, path.split(".")[0].split("/")[0])(path)

    def ranged(self, path: str, **headers: str) -> None:
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not found:
            return self.say(200, DATA, **headers)
        start, end = int(found[1]), min(int(found[2] or len(DATA)), len(DATA) - 1)
        return self.say(206, DATA[start : end + 1], Content_Range=f"bytes {start}-{end}/{len(DATA)}", **headers)

    def once(self, path: str) -> None:
        self.say(200, DATA)

    def chunked(self, path: str) -> None:
        self.say(200, DATA, Content_Length="", Connection="close")
        self.close_connection = True

    def digested(self, path: str) -> None:
        self.ranged(path, **self.server.says)

    def digestedonce(self, path: str) -> None:
        self.say(200, DATA, **self.server.says)

    def nohead(self, path: str) -> None:
        self.say(405) if self.command == "HEAD" else self.ranged(path)

    def denies(self, path: str) -> None:
        self.say(403) if self.command == "HEAD" else self.ranged(path)

    def lies(self, path: str) -> None:
        self.say(200) if self.command == "HEAD" else self.ranged(path)

    def weak(self, path: str) -> None:
        if self.headers.get("If-Range"):
            return self.say(200, DATA)
        return self.ranged(path, ETag='W/"1"')

    def etag(self, path: str) -> None:  # a server that knows no If-Range and gives a new version all the same
        self.ranged(path, ETag=f'"{self.server.asked[f"GET {path}"]}"')

    def cut(self, path: str) -> None:
        self.close_connection = True
        self.say(200, DATA[:500_000], Content_Length=str(len(DATA)))

    def headcut(self, path: str) -> None:
        self.close_connection = True
        head = f"HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\nContent-Range: bytes 0-3/{len(DATA)}\r\n\r\n"
        self.wfile.write(head.encode()[: int(path.rpartition("/")[2])])

    def catalogue(self, path: str) -> None:
        self.say(200, json.dumps([distribution(f"{self.server.url}keyed.csv")]).encode())

    def busy(self, path: str) -> None:
        first = self.server.asked[f"{self.command} {path}"] == 1
        self.say(503, Retry_After="0") if first else self.ranged(path)

    def down(self, path: str) -> None:
        self.say(503, Retry_After="3600")

    def login(self, path: str) -> None:
        self.say(200, b"<html>Log in</html>", Content_Type="text/html; charset=utf-8")

    def moved(self, path: str) -> None:
        self.say(302, Location=f"/once.{path}")

    def away(self, path: str) -> None:
        self.say(302, Location=f"{self.server.other}once.csv")

    def loop(self, path: str) -> None:
        self.say(302, Location=self.path)

    def keyed(self, path: str) -> None:
        known = {"Bearer party-token", "Bearer fresh-2", "party-key"}
        self.ranged(path) if self.server.logins[path][-1] in known else self.say(401)

    def oauth(self, path: str) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.asked["token"] += 1
        if form.get("client_secret") != ["sesame"]:
            return self.say(401)  # knows no Basic, as many
        assert form["grant_type"] == ["client_credentials"]
        assert form["scope"] == ["files"]
        token = b'{"access_token": "fresh-%d", "expires_in": %d}' % (self.server.asked["token"], self.server.lifetime)
        return self.say(200, token)

    do_POST = do_GET  # noqa: N815


@pytest.fixture
def rude() -> Iterator[Rude]:
    with Rude() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize("name", ["once.csv", "chunked.csv"])
def test_a_server_without_ranges_gives_one_stream(rude: Rude, name: str) -> None:
    with rude.block(name).connect() as remote, remote.open(name) as stream:
        assert not stream.seekable()
        with pytest.raises(io.UnsupportedOperation):
            stream.seek(10)
        assert stream.read() == DATA
    assert rude.asked == {f"GET {name}": 1}


@pytest.mark.parametrize("name", ["nohead.csv", "denies.csv", "lies.csv"])
def test_a_server_without_a_good_head_is_asked_for_a_byte(rude: Rude, name: str) -> None:
    assert listed(rude.block(name))[name].size == len(DATA)


def test_a_server_without_ranges_sends_several_streams_at_once(rude: Rude) -> None:
    with rude.block().connect() as remote, remote.open("once.csv") as one, remote.open("once.csv") as other:
        assert one.read(1000) + other.read(1000) == 2 * DATA[:1000]
        assert one.read() == other.read() == DATA[1000:]


MD5, SHA256 = (base64.b64encode(hashlib.new(name, DATA).digest()).decode() for name in ("md5", "sha256"))
SAID_MD5, SAID = {"md5": hashlib.md5(DATA).hexdigest()}, {"sha256": hashlib.sha256(DATA).hexdigest()}


@pytest.mark.parametrize(
    ("headers", "ranged", "whole"),
    [
        ({"Repr-Digest": f"sha-256=:{SHA256}:, unixsum=:AAA=:, md5=:{MD5}:"}, SAID | SAID_MD5, SAID | SAID_MD5),
        ({"Content-Digest": f"sha-256=:{SHA256}:"}, {}, SAID),
        ({"Digest": f"SHA-256={SHA256},MD5={MD5},adler32=03da0195"}, SAID | SAID_MD5, SAID | SAID_MD5),
        ({"Digest": f"id-sha-256={SHA256}"}, {}, {}),  # of the file without its compression
        ({"Content-MD5": MD5}, {}, SAID_MD5),
        ({"x-amz-checksum-sha256": SHA256, "x-amz-checksum-type": "FULL_OBJECT"}, {}, SAID),
        ({"x-amz-checksum-sha256": SHA256, "x-amz-checksum-type": "COMPOSITE"}, {}, {}),
        ({"x-amz-checksum-sha256": SHA256}, {}, {}),
        (
            {"x-goog-hash": f"crc32c=AAAAAA==,md5={MD5}", "x-goog-stored-content-encoding": "identity"},
            SAID_MD5,
            SAID_MD5,
        ),
        ({"x-goog-hash": f"md5={MD5}", "x-goog-stored-content-encoding": "gzip"}, {}, {}),
        ({"Repr-Digest": f"sha-256=:{MD5}:, sha-512=::, md5=:A:, md5=:é:"}, {}, {}),
        ({"Repr-Digest": f"a.sha-256=:{SHA256}:"}, {}, {}),
    ],
)
def test_hashes_that_the_server_says(
    rude: Rude, headers: dict[str, str], ranged: dict[str, str], whole: dict[str, str]
) -> None:
    rude.says = headers
    with rude.block().connect() as remote:
        for name, said in {"digested.csv": ranged, "digestedonce.csv": whole}.items():
            with remote.open(name) as stream:
                assert digests(stream) == said, name
                assert stream.read() == DATA


def test_versions_are_etags_as_they_are(rude: Rude) -> None:
    assert listed(rude.block("weak.csv"))["weak.csv"].version == 'W/"1"'
    assert listed(rude.block("nohead.csv"))["nohead.csv"].version is None


def test_a_weak_etag_is_compared_and_not_sent(rude: Rude) -> None:
    with rude.block().connect() as remote, remote.open("weak.csv") as stream:
        assert stream.read() == DATA


def test_a_file_without_a_length_cannot_be_listed(rude: Rude) -> None:
    with pytest.raises(PlaceError, match="how long"):
        listed(rude.block("chunked.csv"))


def test_a_new_etag_is_a_change(rude: Rude) -> None:
    with rude.block().connect() as remote, remote.open("etag.csv") as stream, pytest.raises(Changed):
        stream.read()


def test_a_body_that_ends_early_is_interrupted(rude: Rude) -> None:
    with rude.block().connect() as remote, remote.open("cut.csv") as stream, pytest.raises(Interrupted) as caught:
        stream.read()
    assert caught.value.retryable


@pytest.mark.parametrize("sent", [0, 5, 30, 31, 50, 81, 84])
def test_a_head_that_is_cut_off_is_no_head(rude: Rude, sent: int) -> None:
    """`http.client` takes the end of a connection for the end of a head: an answer without the rest of its headers."""
    with rude.block("a").connect() as remote, pytest.raises(Unreachable, match=r"hung up|closed connection"):
        remote.open(f"headcut/{sent}")


def test_a_busy_server_is_waited_for_as_long_as_it_asks_in_reason(rude: Rude) -> None:
    assert listed(rude.block("busy.csv"))["busy.csv"].size == len(DATA)
    with pytest.raises(Unreachable, match="3600 s"):
        listed(rude.block("down.csv"))


def test_a_file_in_the_place_of_a_page_is_refused(rude: Rude) -> None:
    with pytest.raises(Misconfigured, match="not an index page"):
        rude.block(url=f"{rude.url}once/").check()


def test_a_page_in_the_place_of_a_file_is_refused(rude: Rude) -> None:
    with pytest.raises(Misconfigured, match="web page and not a file"):
        listed(rude.block("login.csv"))
    with rude.block().connect() as remote:
        with pytest.raises(Misconfigured, match="web page"):
            remote.open("login.csv")
        assert remote.open("login.html").read().startswith(b"<html>")


def test_a_page_in_the_place_of_a_listed_file_stops_no_other(rude: Rude, nginx: Nginx, folder: Path) -> None:
    (folder / "list.txt").write_text("login.csv\nbusy.csv\n")
    place = rude.block(listing=f"{nginx.url}{folder.name}/list.txt")
    assert listed(place).keys() == {"login.csv", "busy.csv"}
    with place.connect() as remote:
        assert remote.open("busy.csv").read() == DATA
        with pytest.raises(Misconfigured, match="web page and not a file"):
            remote.open("login.csv")


def test_redirects_stay_on_the_host_unless_allowed(rude: Rude) -> None:
    rude.other = rude.url.replace("127.0.0.1", "localhost")
    assert listed(rude.block("moved.csv", token="party-token"))["moved.csv"].size == len(DATA)
    assert rude.logins["once.moved.csv"] == ["Bearer party-token"]
    with pytest.raises(Misconfigured, match="another host, localhost"):
        listed(rude.block("away.csv"))
    assert listed(rude.block("away.csv", token="party-token", other_hosts=True))["away.csv"].size == len(DATA)
    assert rude.logins["once.csv"] == [None]  # no secret goes there
    with pytest.raises(PlaceError, match="more than 5"):
        listed(rude.block("loop.csv"))


def test_a_catalogue_on_another_host_gets_no_secret(rude: Rude) -> None:
    elsewhere = rude.url.replace("127.0.0.1", "localhost")
    given = {"column": "downloadURL", "token": "party-token"}
    assert listed(rude.block(**given, listing=f"{elsewhere}catalogue.json"))["keyed.csv"].size == len(DATA)
    assert rude.logins["catalogue.json"] == [None]
    assert rude.logins["keyed.csv"] == ["Bearer party-token"]
    assert listed(rude.block(**given, listing="catalogue.json")).keys() == {"keyed.csv"}
    assert rude.logins["catalogue.json"] == [None, "Bearer party-token"]  # this one is on the block's own


@pytest.mark.parametrize("login", [{"token": "party-token"}, {"api_key": "party-key", "api_key_header": "X-Party-Key"}])
def test_tokens_and_keys(rude: Rude, login: dict[str, str]) -> None:
    assert listed(rude.block("keyed.csv", **login))["keyed.csv"].size == len(DATA)
    with pytest.raises(AccessDenied, match="401"):
        listed(rude.block("keyed.csv", token="wrong"))


def test_oauth_tokens_are_fetched_once_and_again_when_refused_or_over(rude: Rude) -> None:
    login = {"client_id": "inlet", "client_secret": "sesame", "oauth_url": f"{rude.url}oauth", "scope": "files"}
    with rude.block(**login).connect() as remote:
        for _ in range(3):
            assert remote.open("keyed.csv").read() == DATA
    assert rude.asked["token"] == 2  # Basic refused, then one token
    rude.asked["token"], rude.lifetime = 0, 0
    with rude.block(**login).connect() as remote:
        remote.open("keyed.csv").close()
        remote.open("once.csv").close()
    assert rude.asked["token"] == 4
    with pytest.raises(AccessDenied, match="no token") as caught:
        rude.block("keyed.csv", **(login | {"client_secret": "hunter2"})).check()
    assert "hunter2" not in str(caught.value)
