"""The lake on disk and on a real S3 server."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr
from pyiceberg.catalog import load_catalog
from pyiceberg.catalog.glue import GlueCatalog

from blocks.errors import AccessDenied, Conflict, Misconfigured, NotThere, PlaceError, Unreachable
from blocks.lake import Lake, address, code_of
from tests.servers import S3, free_port

NAME = "with space, línea\nnueva, 日本, %2e, 😀"


def test_paths_and_urls() -> None:
    on_disk, on_s3 = Lake(root="/data/lake/"), Lake(root="s3://bucket/some/prefix/")
    assert on_disk.path("raw", "a/b") == "/data/lake/raw/a/b"
    assert on_disk.url("raw") == "file:///data/lake/raw"
    assert Lake(root="file:///data/lake") == on_disk
    assert on_s3.path("raw", "a/b") == "bucket/some/prefix/raw/a/b"
    assert on_s3.url() == "s3://bucket/some/prefix"
    assert Lake(root="lake").root == f"file://{Path.cwd()}/lake"


@pytest.mark.parametrize("part", ["..", "a/../b", "", "/a", "a//b", "."])
def test_no_path_leads_out(part: str) -> None:
    with pytest.raises(ValueError, match="no path below"):
        Lake(root="/lake").path("raw", part)


@pytest.mark.parametrize("root", ["", "gs://bucket", "s3://", "https://example.org/lake"])
def test_a_root_that_is_none(root: str) -> None:
    with pytest.raises(Misconfigured, match="root"):
        Lake(root=root)


def test_put_and_read(lake: Lake) -> None:
    path = lake.path("landed", NAME)
    assert lake.read(path) is None
    first = lake.put(path, b"1", None)
    assert lake.read(path) == (b"1", first)
    second = lake.put(path, b"2", first)
    assert lake.read(path) == (b"2", second)
    for stale in (None, first, '"never"'):
        with pytest.raises(Conflict) as caught:
            lake.put(path, b"3", stale)
        assert caught.value.retryable
    with pytest.raises(Conflict):
        lake.put(lake.path("landed", "missing"), b"4", first)
    assert lake.read(path) == (b"2", second)
    assert lake.read(lake.path("landed", "missing")) is None
    fs = lake.fs()
    assert [name.rpartition("/")[2] for name in fs.find(lake.path("landed"))] == [NAME]
    assert fs.cat_file(path) == b"2"


def race(lake: Lake, path: str, version: str | None) -> bytes:
    """What the winner of eight threads wrote that put at the same moment."""
    start = threading.Barrier(8)

    def run(number: int) -> bytes | None:
        data = f"{number} after {version} ".encode() * 1_000
        start.wait()
        try:
            lake.put(path, data, version)
        except Conflict:
            return None
        return data

    with ThreadPoolExecutor(8) as pool:
        (winner,) = filter(None, pool.map(run, range(8)))
    return winner


def test_one_of_eight_wins(lake: Lake) -> None:
    # Few turns: SeaweedFS lets who loses a race wait a second at times.
    path = lake.path("race")
    version = None
    for _ in range(4):
        winner = race(lake, path, version)
        found = lake.read(path)
        assert found
        assert found[0] == winner
        version = found[1]


def test_counting_together_loses_nothing(lake: Lake) -> None:
    path = lake.path("counter")
    lake.put(path, b"0", None)

    def add(_: int) -> None:
        while True:
            found = lake.read(path)
            assert found
            try:
                lake.put(path, str(int(found[0]) + 1).encode(), found[1])
            except Conflict:
                continue
            return

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(40)))
    assert (lake.read(path) or (b"",))[0] == b"40"


def test_a_reader_never_sees_half(local_lake: Lake) -> None:
    path = local_lake.path("file")
    version = local_lake.put(path, b"0" * 1_000_000, None)
    done = threading.Event()
    seen: set[tuple[int, int]] = set()

    def look() -> None:
        while not done.is_set():
            data = Path(path).read_bytes()
            seen.add((len(data), len(set(data))))

    reader = threading.Thread(target=look)
    reader.start()
    for turn in range(30):
        version = local_lake.put(path, str(turn % 10).encode() * 1_000_000, version)
    done.set()
    reader.join()
    assert seen == {(1_000_000, 1)}


def test_nothing_is_left_of_a_put_that_fails(local_lake: Lake) -> None:
    path = local_lake.path("zone", "file")
    local_lake.put(path, b"1", None)
    with pytest.raises(Conflict):
        local_lake.put(path, b"2", None)
    assert os.listdir(local_lake.path("zone")) == ["file"]


def test_an_iceberg_table(lake: Lake) -> None:
    catalog = load_catalog("lake", **lake.catalog_properties())
    catalog.create_namespace("raw")
    rows = pa.table({"_drop": ["2026-11", "2026-11"], "npi": ["1", "2"]})
    table = catalog.create_table("raw.nppes", rows.schema)
    assert table.location().startswith(lake.url())
    with lake.fs().open(lake.path("raw", "nppes", "part with space.parquet"), "wb") as stream:
        pq.write_table(rows, stream)
    table.add_files([lake.url("raw", "nppes", "part with space.parquet")])
    again = load_catalog("lake", **lake.catalog_properties()).load_table("raw.nppes")
    assert again.scan().to_arrow().column("npi").to_pylist() == ["1", "2"]


@pytest.mark.parametrize("io", ["pyiceberg.io.fsspec.FsspecFileIO", "pyiceberg.io.pyarrow.PyArrowFileIO"])
def test_both_ways_of_iceberg_read_and_write_s3(s3_lake: Lake, io: str) -> None:
    catalog = load_catalog("lake", **s3_lake.catalog_properties() | {"py-io-impl": io})
    catalog.create_namespace("raw")
    rows = pa.table({"a": [1, 2]})
    table = catalog.create_table("raw.a", rows.schema)
    table.append(rows)
    assert table.scan().to_arrow().num_rows == 2


def test_another_process_reaches_the_lake_by_its_environment(s3_lake: Lake) -> None:
    s3_lake.put(s3_lake.path("a"), b"seen", None)
    code = "import sys; from blocks.lake import Lake; print(Lake(root=sys.argv[1]).read(sys.argv[2]))"
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, "-c", code, s3_lake.root, s3_lake.path("a")],
        env=env | s3_lake.environment() | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "b'seen'" in done.stdout


WRITE = """
import sys
import fsspec, pyarrow as pa
from spark.writer import write
write([pa.table({"n": [1]})], sys.argv[1], pa.schema([("n", pa.int64())]))
"""


@pytest.mark.parametrize("of", [{"sse_s3": True}, {"kms_key": "people"}])
def test_all_that_is_written_is_tagged_and_encrypted(s3_lake: Lake, of: dict[str, object], tmp_path: Path) -> None:
    """By this process in parts or at once, as a copy, by pyiceberg, and by another that knows its environment alone."""
    lake = s3_lake.model_copy(update=of).tagged(phi="yes")
    fs, folder = lake.fs(), lake.path("raw")
    s3_lake.fs().pipe_file(f"{folder}/plain", b"1")
    fs.pipe_file(f"{folder}/whole", b"1")
    with fs.open(f"{folder}/parts", "wb", block_size=5 << 20) as stream:
        stream.write(b"1" * (12 << 20))
    fs.mv(f"{folder}/plain", f"{folder}/moved")
    lake.put(f"{folder}/put", b"1", None)
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env |= lake.environment() | {"PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", WRITE, lake.url("raw")], env=env, check=True)
    catalog = load_catalog("lake", **lake.catalog_properties())
    catalog.create_namespace("raw")
    rows = pa.table({"n": [1]})
    catalog.create_table("raw.t", rows.schema).append(rows)
    found = fs.find(folder)
    assert len(found) == 5 + 5  # of the table: its data, two versions of its metadata, a manifest and a list of those
    for path in found:
        head = lake.client().head_object(**address(path))
        tags = lake.client().get_object_tagging(**address(path))["TagSet"]
        assert tags == [{"Key": "phi", "Value": "yes"}], path
        assert head["ServerSideEncryption"] == lake.encryption["ServerSideEncryption"], path
    assert lake != s3_lake.model_copy(update=of)
    assert lake.url() == s3_lake.url()


def test_a_local_lake_needs_no_environment(local_lake: Lake) -> None:
    assert local_lake.environment() == {}


def test_a_kms_key_encrypts_what_is_written(s3_lake: Lake) -> None:
    lake = s3_lake.model_copy(update={"kms_key": "phi"})
    lake.put(lake.path("a"), b"1", None)
    lake.fs().pipe_file(lake.path("b"), b"2")
    catalog = load_catalog("lake", **lake.catalog_properties())
    catalog.create_namespace("raw")
    table = catalog.create_table("raw.t", pa.schema([("a", pa.int64())]))
    fs = lake.fs()
    for path in (lake.path("a"), lake.path("b"), table.metadata_location.removeprefix("s3://")):
        bucket, key, _ = fs.split_path(path)
        head = fs.call_s3("head_object", Bucket=bucket, Key=key)
        assert head.get("ServerSideEncryption") == "aws:kms", path
        assert "phi" in head["SSEKMSKeyId"]
    assert lake.read(lake.path("a")) is not None
    assert fs.cat_file(lake.path("b")) == b"2"


def test_secrets_are_masked(s3_lake: Lake, s3: S3) -> None:
    lake = s3_lake.model_copy(update={"catalog": SecretStr("postgresql://u:hunter2@h/db")})
    for text in (
        repr(lake),
        str(lake),
        lake.model_dump_json(),
        json.dumps(lake.model_dump(mode="json")),
        repr(lake.fs()),
    ):
        assert "hunter2" not in text
        assert s3.secret_key not in text


def test_the_keys_of_a_profile(s3_lake: Lake, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "credentials").write_text(
        f"[partner]\naws_access_key_id={s3.access_key}\naws_secret_access_key={s3.secret_key}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    by_profile = {"aws_access_key_id": None, "aws_secret_access_key": None, "profile_name": "partner"}
    lake = s3_lake.model_copy(update={"credentials": s3.credentials.model_copy(update=by_profile)})
    lake.check()
    assert lake.environment() == s3_lake.environment()
    lost = s3_lake.model_copy(
        update={"credentials": s3.credentials.model_copy(update=by_profile | {"profile_name": "nobody"})}
    )
    wrong(lost, Misconfigured, "no AWS credentials")


# --- check() says what is wrong --------------------------------------------------------------------------


def test_check_passes_and_leaves_nothing(lake: Lake) -> None:
    lake.check()
    assert not [name for name in lake.fs().find(lake.path()) if ".check" in name]


def wrong(lake: Lake, expected: type[PlaceError], words: str) -> None:
    with pytest.raises(expected, match=words) as caught:
        lake.check()
    assert "hunter2" not in str(caught.value)


def test_a_checksum_is_signed_instead_of_the_bytes_and_compared_with_them(s3_lake: Lake) -> None:
    signed = []
    client, place = s3_lake.client(), address(s3_lake.path("a"))
    client.meta.events.register("before-send.s3", lambda request, **_: signed.append(request.headers))
    right, wrong = (base64.b64encode(hashlib.sha256(data).digest()).decode() for data in (b"inlet", b"other"))
    s3_lake.ask("put_object", **place, Body=b"inlet", ChecksumSHA256=right)
    s3_lake.ask("put_object", **place, Body=b"inlet")
    said = [headers["X-Amz-Content-SHA256"] for headers in signed]
    assert said == [b"UNSIGNED-PAYLOAD", hashlib.sha256(b"inlet").hexdigest().encode()]
    assert b"x-amz-checksum-sha256" in signed[0]["Authorization"]
    with pytest.raises(OSError, match="BadDigest") as refused:
        s3_lake.ask("put_object", **place, Body=b"inlet", ChecksumSHA256=wrong)
    assert code_of(refused.value) == "BadDigest"


def test_no_catalog_on_s3(s3_lake: Lake) -> None:
    wrong(s3_lake.model_copy(update={"catalog": None}), Misconfigured, "no catalog")


def test_wrong_keys(s3_lake: Lake, s3: S3) -> None:
    for changed in ({"aws_secret_access_key": SecretStr("hunter2")}, {"aws_access_key_id": "nobody"}):
        credentials = s3.credentials.model_copy(update=changed)
        wrong(s3_lake.model_copy(update={"credentials": credentials}), AccessDenied, "credentials")


def test_no_such_bucket(s3_lake: Lake) -> None:
    # Not by check(): SeaweedFS makes a bucket that an administrator writes to.
    lake = Lake(root="s3://no-such-bucket-here/lake", credentials=s3_lake.credentials)
    with pytest.raises(NotThere, match="no-such-bucket-here"):
        lake.read(lake.path("a"))


def test_a_server_that_is_down(s3_lake: Lake, s3: S3) -> None:
    credentials = s3.credentials
    credentials.aws_client_parameters.endpoint_url = f"http://127.0.0.1:{free_port()}"
    credentials.aws_client_parameters.config = {"retries": {"max_attempts": 0}}
    wrong(s3_lake.model_copy(update={"credentials": credentials}), Unreachable, "EndpointConnectionError")


def test_a_root_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    wrong(Lake(root=str(tmp_path / "file" / "lake")), NotThere, "file")


@pytest.mark.parametrize(
    ("catalog", "error"),
    [
        ("nonsense hunter2", Misconfigured),
        ("mysql+nosuchdriver://u:hunter2@localhost/db", Misconfigured),
        ("sqlite:////proc/no/such/place/hunter2.db", PlaceError),
    ],
)
def test_a_catalog_that_cannot_be_opened(tmp_path: Path, catalog: str, error: type[PlaceError]) -> None:
    if "proc" in catalog:
        with pytest.raises(error):
            Lake(root=str(tmp_path), catalog=SecretStr(catalog)).check()
    else:
        wrong(Lake(root=str(tmp_path), catalog=SecretStr(catalog)), error, "catalog")


def test_a_catalog_in_glue_is_opened_with_the_keys_of_the_lake(s3_lake: Lake) -> None:
    lake = s3_lake.model_copy(update={"catalog": SecretStr("glue")})
    given = lake.catalog_properties()
    keys = s3_lake.credentials
    assert keys is not None
    assert given["type"] == "glue"
    assert "uri" not in given
    catalog = load_catalog("lake", **given)
    assert isinstance(catalog, GlueCatalog)
    assert catalog.glue.meta.region_name == keys.region_name
    assert given["botocore_session"].get_credentials().access_key == keys.aws_access_key_id
    assert lake.model_copy(update={"credentials": None})._glue() == {"type": "glue"}


def test_a_catalog_in_glue_of_a_lake_in_a_folder(tmp_path: Path) -> None:
    wrong(Lake(root=str(tmp_path), catalog=SecretStr("glue")), Misconfigured, "AWS Glue is a catalog of tables on S3")


def test_glue_that_does_not_answer(s3_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    wrong(s3_lake.model_copy(update={"catalog": SecretStr("glue")}), Unreachable, "AWS Glue cannot be opened")


def test_all_that_is_stored(lake: Lake) -> None:
    """What is below a prefix, whether it names a folder or only how names begin; removed it is gone."""
    for name in ("a/1", "a/b/2", "ab/3", "c/4"):
        lake.put(lake.path("zone", name), name.encode() * 10, None)
    before = list(lake.stored(f"{lake.path('zone', 'a')}/"))
    names = {stored.path.removeprefix(f"{lake.path('zone')}/"): stored for stored in before}
    assert names.keys() == {"a/1", "a/b/2"}
    assert names["a/b/2"].size == 50
    assert abs((datetime.now(UTC) - names["a/1"].written).total_seconds()) < 300
    assert all(stored.seen and stored.upload is None for stored in before)
    assert len(list(lake.stored(lake.path("zone", "a")))) == 3
    assert list(lake.stored(f"{lake.path('other')}/")) == list(lake.stored(lake.path("zone", "x"))) == []
    lake.erase(before)
    lake.erase(before)  # they are gone: nothing is raised
    left = [stored.path.removeprefix(f"{lake.path('zone')}/") for stored in lake.stored(f"{lake.path('zone')}/")]
    assert sorted(left) == ["ab/3", "c/4"]


def test_versions_and_uploads_that_are_stored(s3_lake: Lake) -> None:
    bucket = address(s3_lake.path("x"))["Bucket"]
    s3_lake.ask("put_bucket_versioning", Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    path, deleted, upload = (s3_lake.path("zone", name) for name in ("a", "deleted", "upload"))
    s3_lake.put(path, b"22", s3_lake.put(path, b"1", None))
    s3_lake.put(deleted, b"333", None)
    s3_lake.fs().rm_file(deleted)
    s3_lake.ask("create_multipart_upload", **address(upload))
    found = list(s3_lake.stored(f"{s3_lake.path('zone')}/"))
    assert sorted((s.path, s.size, s.seen, s.upload is not None) for s in found) == sorted(
        [
            (path, 1, False, False),
            (path, 2, True, False),
            (deleted, 3, False, False),
            (deleted, 0, False, False),  # what says that it is deleted
            (upload, 0, False, True),
        ]
    )
    s3_lake.erase([s for s in found if not s.seen])
    assert [(s.path, s.size) for s in s3_lake.stored(f"{s3_lake.path('zone')}/")] == [(path, 2)]
    assert s3_lake.read(path) is not None
    s3_lake.erase(found)
    assert list(s3_lake.stored(f"{s3_lake.path('zone')}/")) == []


def test_more_than_is_listed_and_removed_at_once(s3_lake: Lake) -> None:
    store, start = s3_lake.store(), address(s3_lake.path("zone"))["Key"]
    assert store is not None
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: store.put(f"{start}/{n:04}", b"x"), range(1_203)))
    found = list(s3_lake.stored(f"{s3_lake.path('zone')}/"))
    assert len({stored.path for stored in found}) == len(found) == 1_203
    s3_lake.erase(found)
    assert list(s3_lake.stored(f"{s3_lake.path('zone')}/")) == []
