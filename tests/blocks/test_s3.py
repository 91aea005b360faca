"""An S3 folder against a real S3 server."""

import hashlib
import io
import random
import threading
import zipfile
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from prefect_aws import AwsClientParameters, AwsCredentials
from pydantic import SecretStr

from blocks.errors import AccessDenied, Changed, Interrupted, Misconfigured, NotThere, Unreachable
from blocks.place import digests
from blocks.ranges import FIRST
from blocks.s3 import S3Folder
from tests.servers import S3, free_port

NAMES = ["plain.csv", "with space.csv", "línea\nnueva.csv", "ünï/日本.csv", "..csv", "%2e%2e", "😀", "a?b#c&d+e.csv"]


@pytest.fixture(scope="module")
def bucket(s3: S3) -> str:
    return s3.bucket()


@pytest.fixture
def client(s3: S3) -> Any:
    return s3.credentials.get_s3_client()


def block(s3: S3, bucket: str, prefix: str, **changed: Any) -> S3Folder:
    return S3Folder(**({"bucket": bucket, "prefix": prefix, "credentials": s3.credentials} | changed))


def test_lists_objects_below_the_prefix(s3: S3, bucket: str, client: Any) -> None:
    for key in ("out/a.csv", "out/sub/b.csv", "out/marker/", "outer.csv"):
        client.put_object(Bucket=bucket, Key=key, Body=b"" if key.endswith("/") else b"1234")
    with block(s3, bucket, "/out").connect() as remote:
        found = {file.name: file for file in remote.list()}
    assert found.keys() == {"a.csv", "sub/b.csv"}
    assert found["a.csv"].size == 4
    assert found["a.csv"].version == '"81dc9bdb52d04dc20036dbd8313ed055"'
    assert found["a.csv"].mtime
    assert abs(found["a.csv"].mtime - datetime.now(UTC)) < timedelta(minutes=5)
    with block(s3, bucket, "").connect() as remote:
        assert "outer.csv" in [file.name for file in remote.list()]


def test_more_than_one_page(s3: S3, bucket: str, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(7):
        client.put_object(Bucket=bucket, Key=f"many/{number}", Body=b"")
    with block(s3, bucket, "many").connect() as remote:
        paginate = remote._client.get_paginator("list_objects_v2").paginate
        kind = type(remote._client.get_paginator("list_objects_v2"))
        monkeypatch.setattr(kind, "paginate", lambda self, **given: paginate(**given, PaginationConfig={"PageSize": 3}))
        assert [file.name for file in remote.list()] == [str(number) for number in range(7)]


def test_any_name_is_listed_and_opened(s3: S3, bucket: str, client: Any) -> None:
    for name in NAMES:
        client.put_object(Bucket=bucket, Key=f"names/{name}", Body=name.encode())
    with block(s3, bucket, "names").connect() as remote:
        assert {file.name for file in remote.list()} == {*NAMES}
        for name in NAMES:
            assert remote.open(name).read().decode() == name
        for name in ("", "missing"):
            with pytest.raises(NotThere):
                remote.open(name)


def test_random_reads_are_those_of_the_object(s3: S3, bucket: str, client: Any) -> None:
    chance = random.Random(5)
    data = chance.randbytes(9 * FIRST + 17)
    client.put_object(Bucket=bucket, Key="data/data", Body=data)
    client.put_object(Bucket=bucket, Key="data/empty", Body=b"")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("member", data)
    client.put_object(Bucket=bucket, Key="data/a.zip", Body=packed.getvalue())
    with block(s3, bucket, "data").connect() as remote:
        assert remote.open("empty").read() == b""
        with remote.open("data") as stream:
            assert stream.read() == data
            for _ in range(60):
                start, length = chance.randrange(len(data) + 10), chance.randrange(2 * FIRST)
                stream.seek(start)
                assert stream.read(length) == data[start : start + length]
        with remote.open("a.zip") as stream:
            assert zipfile.ZipFile(stream).read("member") == data


def test_an_object_that_changes_while_read(s3: S3, bucket: str, client: Any) -> None:
    client.put_object(Bucket=bucket, Key="moving/data", Body=b"a" * 3_000_000)
    with block(s3, bucket, "moving").connect() as remote:
        with remote.open("data") as stream:
            stream.read(10)
            client.put_object(Bucket=bucket, Key="moving/data", Body=b"b" * 3_000_000)
            with pytest.raises(Changed) as caught:
                stream.read()
            assert caught.value.retryable
        with remote.open("data") as stream:
            stream.read(10)
            client.delete_object(Bucket=bucket, Key="moving/data")
            with pytest.raises(Changed):
                stream.read()


def test_an_object_is_read_several_times_at_once(s3: S3, bucket: str, client: Any) -> None:
    data = random.Random(9).randbytes(3 * FIRST + 5)
    client.put_object(Bucket=bucket, Key="twice/data", Body=data)
    with block(s3, bucket, "twice").connect() as remote:
        streams = [remote.open("data") for _ in range(12)]
        got = [b""] * len(streams)
        while any(pieces := [stream.read(100_000) for stream in streams]):
            got = [before + piece for before, piece in zip(got, pieces, strict=True)]
    assert got == [data] * len(streams)


def test_what_s3_says_of_the_hash_of_the_whole(s3: S3, bucket: str, client: Any) -> None:
    data = random.Random(8).randbytes(6 << 20)
    md5, sha1, sha256 = (hashlib.new(name, data).hexdigest() for name in ("md5", "sha1", "sha256"))
    client.put_object(Bucket=bucket, Key="sums/plain", Body=data)
    client.put_object(Bucket=bucket, Key="sums/sha1", Body=data, ChecksumAlgorithm="SHA1")
    client.put_object(
        Bucket=bucket, Key="sums/sha256", Body=data, ChecksumAlgorithm="SHA256", ServerSideEncryption="AES256"
    )
    client.put_object(
        Bucket=bucket,
        Key="sums/kms",
        Body=data,
        ChecksumAlgorithm="SHA256",
        ServerSideEncryption="aws:kms",
        SSEKMSKeyId="ours",
    )
    client.put_object(Bucket=bucket, Key="sums/empty", Body=b"")
    upload = {"Bucket": bucket, "Key": "sums/parts"}
    upload["UploadId"] = client.create_multipart_upload(**upload, ChecksumAlgorithm="SHA256")["UploadId"]
    parts = []
    for number, part in enumerate((data[: 5 << 20], data[5 << 20 :]), 1):
        sent = client.upload_part(**upload, PartNumber=number, Body=part, ChecksumAlgorithm="SHA256")
        parts.append({"PartNumber": number, "ETag": sent["ETag"], "ChecksumSHA256": sent["ChecksumSHA256"]})
    client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    expected = {
        "plain": {"md5": md5},
        "sha1": {"md5": md5, "sha1": sha1},
        "sha256": {"md5": md5, "sha256": sha256},
        "kms": {"sha256": sha256},
        "empty": {"md5": hashlib.md5(b"").hexdigest()},
        "parts": {},
    }
    with block(s3, bucket, "sums").connect() as remote:
        for name, said in expected.items():
            with remote.open(name) as stream:
                stream.read(1000)
                assert digests(stream) == said, name
        with remote.open("plain") as stream:
            client.put_object(Bucket=bucket, Key="sums/plain", Body=b"another")
            assert digests(stream) == {}


def test_check_says_what_is_wrong(s3: S3, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    block(s3, bucket, "").check()
    block(s3, bucket, "", requester_pays=True).check()
    with pytest.raises(NotThere, match="bucket that is not there"):
        block(s3, "no-such-bucket", "").check()
    wrong = s3.credentials.model_copy(update={"aws_secret_access_key": SecretStr("hunter2")})
    with pytest.raises(AccessDenied) as caught:
        block(s3, bucket, "", credentials=wrong).check()
    assert "hunter2" not in str(caught.value)
    with pytest.raises(Misconfigured):
        block(s3, "Not A Bucket", "").check()
    down = S3(f"http://127.0.0.1:{free_port()}", "a", "b").credentials
    with pytest.raises(Unreachable):
        block(s3, bucket, "", credentials=down).check()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nonexistent")
    keyless = AwsCredentials(
        region_name="us-east-1", aws_client_parameters=AwsClientParameters(endpoint_url=s3.endpoint)
    )
    with pytest.raises(Misconfigured, match="no AWS credentials"):
        block(s3, bucket, "", credentials=keyless).check()


class Rude(BaseHTTPRequestHandler):
    """Breaks off in the middle of `cut`; is always too busy for `busy`; the role's keys are over for `late`."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.close_connection = True
        refusal = {"busy": (503, "SlowDown"), "late": (400, "ExpiredToken")}.get(self.path.rpartition("/")[2])
        body = f"<Error><Code>{refusal[1]}</Code></Error>".encode() if refusal else b"x" * 1000
        self.send_response(refusal[0] if refusal else 206)
        self.send_header("Content-Length", str(len(body) if refusal else FIRST))
        self.send_header("Content-Range", f"bytes 0-{FIRST - 1}/{2 * FIRST}")
        self.send_header("ETag", '"1"')
        self.end_headers()
        self.wfile.write(body)


@pytest.mark.parametrize(
    ("bucket", "headers", "said"),
    [
        ("bucket", {}, {"md5": "0" * 32}),
        ("bucket", {"x-amz-server-side-encryption": "AES256"}, {"md5": "0" * 32}),
        ("bucket", {"x-amz-server-side-encryption": "aws:kms:dsse"}, {}),
        ("bucket", {"x-amz-server-side-encryption": "aws:fsx"}, {}),
        ("bucket", {"x-amz-server-side-encryption-customer-algorithm": "AES256"}, {}),
        ("lambda-abc--ol-s3", {}, {}),
        ("point-abc-s3alias", {}, {}),
        ("bucket", {"ETag": '"00000000000000000000000000000000-1"'}, {}),
        ("bucket", {"ETag": '"opaque"'}, {}),
        ("bucket", {"ETag": '"o"', "x-amz-checksum-sha512": "AAAA", "x-amz-checksum-type": "FULL_OBJECT"}, "000000"),
        ("bucket", {"ETag": '"o-2"', "x-amz-checksum-sha512": "AAAA", "x-amz-checksum-type": "FULL_OBJECT"}, "000000"),
        ("bucket", {"ETag": '"o-2"', "x-amz-checksum-sha512": "AAAA-2", "x-amz-checksum-type": "COMPOSITE"}, {}),
        ("bucket", {"ETag": '"o"', "x-amz-checksum-sha512": "AAAA", "x-amz-checksum-type": "COMPOSITE"}, {}),
        ("bucket", {"ETag": '"o-2"', "x-amz-checksum-sha512": "AAAA"}, {}),
        ("bucket", {"ETag": '"o"', "x-amz-checksum-sha512": "AAAA-1"}, {}),
        ("bucket", {"status": "403"}, {}),
    ],
)
def test_a_hash_is_told_only_where_it_is_surely_of_the_whole(
    bucket: str, headers: dict[str, str], said: dict[str, str] | str
) -> None:
    class Says(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:  # a range: what it says of checksums is of a part
            self.send_response(206)
            self.send_header("Content-Range", "bytes 0-0/1")
            self.send_header("x-amz-checksum-sha256", "AAAA")
            self.finish_with("x")

        def do_HEAD(self) -> None:
            self.send_response(int(headers.get("status", 200)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.finish_with("")

        def finish_with(self, body: str) -> None:
            if "ETag" not in headers:
                self.send_header("ETag", f'"{"0" * 32}"')
            elif body:
                self.send_header("ETag", headers["ETag"])
            self.send_header("Content-Length", "1")
            self.end_headers()
            self.wfile.write(body.encode())

    with ThreadingHTTPServer(("127.0.0.1", 0), Says) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        access = AwsCredentials(
            aws_access_key_id="a",
            aws_secret_access_key=SecretStr("b"),
            region_name="us-east-1",
            aws_client_parameters=AwsClientParameters(
                endpoint_url=f"http://127.0.0.1:{server.server_port}",
                config={"s3": {"addressing_style": "path"}, "response_checksum_validation": "when_required"},
            ),
        )
        with block(S3("", "", ""), bucket, "", credentials=access).connect() as remote, remote.open("data") as stream:
            assert digests(stream) == ({"sha512": said} if isinstance(said, str) else said)
        server.shutdown()


def test_a_server_that_breaks_off_or_is_busy() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Rude) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        place = block(S3(f"http://127.0.0.1:{server.server_port}", "a", "b"), "bucket", "")
        with place.connect() as remote:
            with remote.open("cut") as stream, pytest.raises(Interrupted) as caught:
                stream.read()
            assert caught.value.retryable
            with pytest.raises(Unreachable, match="SlowDown"):
                remote.open("busy")
            with pytest.raises(Interrupted, match="have ended"):
                remote.open("late")
        server.shutdown()
