"""Keys that end while a lake is at work, by a real S3 server with a token service whose keys last for seconds."""

import base64
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pytest
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from prefect_aws import AwsCredentials
from pydantic import SecretStr
from pyiceberg.catalog import load_catalog
from pyiceberg.catalog.glue import GlueCatalog

from blocks.errors import AccessDenied
from blocks.lake import Lake, address
from blocks.sessions import access, aio_session, botocore_session
from tests.servers import S3, weed

ROLE, LAST = "arn:aws:iam::000000000000:role/lake", 5
"""A role that may do everything, and how many seconds its keys last."""


def allowed(action: str, **more: object) -> dict[str, object]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": [action], **more}]}


@pytest.fixture(scope="module")
def sts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """SeaweedFS, whose only account may assume a role."""
    trust = allowed("sts:AssumeRole", Principal={"AWS": "*"})
    roles = {
        "sts": {
            "tokenDuration": f"{LAST}s",
            "maxSessionLength": "1h",
            "issuer": "inlet",
            "signingKey": base64.b64encode(os.urandom(32)).decode(),
        },
        "policy": {"defaultEffect": "Deny", "storeType": "memory"},
        "policies": [{"name": "all", "document": allowed("s3:*", Resource=["*"])}],
        "roles": [{"roleName": "lake", "roleArn": ROLE, "attachedPolicies": ["all"], "trustPolicy": trust}],
    }
    with weed(tmp_path_factory.mktemp("sts"), roles) as server:
        yield server


@pytest.fixture(params=["by the block's keys", "by a profile", "by the environment alone"])
def lake(request: pytest.FixtureRequest, sts: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake whose role is assumed: by the block, with its own keys or with a profile's; or by what botocore finds."""
    (tmp_path / "config").write_text(
        f"[profile party]\naws_access_key_id={sts.access_key}\naws_secret_access_key={sts.secret_key}\n"
        f"[profile role]\nrole_arn={ROLE}\nsource_profile=party\n"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.endpoint)
    by_role = {"assume_role_arn": ROLE}
    no_keys = {"aws_access_key_id": None, "aws_secret_access_key": None}
    given: dict[str, dict[str, object]] = {
        "by the block's keys": by_role,
        "by a profile": by_role | no_keys | {"profile_name": "party"},
        "by the environment alone": no_keys,
    }
    if request.param == "by the environment alone":
        monkeypatch.setenv("AWS_PROFILE", "role")
    return Lake(
        root=f"s3://{sts.bucket()}/lake",
        catalog=SecretStr(f"sqlite:///{tmp_path}/catalog.db"),
        credentials=sts.credentials.model_copy(update=given[request.param]),
    )


def test_what_is_open_outlives_its_keys(lake: Lake, sts: S3) -> None:
    """Tables, a file that is being written, and clients."""
    fs, client, store = lake.fs(), lake.client(), lake.store()
    catalog = load_catalog("lake", **lake.catalog_properties())
    catalog.create_namespace("raw")
    rows = pa.table({"n": [1]})
    table = catalog.create_table("raw.t", rows.schema)
    stale = with_keys_of_now(lake, sts)
    stale.put(lake.path("a"), b"1", None)
    with fs.open(lake.path("parts"), "wb", block_size=5 << 20) as stream:
        stream.write(b"1" * (6 << 20))
        time.sleep(LAST + 1)
        stream.write(b"1" * (6 << 20))
    with pytest.raises(AccessDenied):
        stale.put(lake.path("b"), b"1", None)
    table.append(rows)
    assert table.scan().to_arrow() == rows
    assert fs.info(lake.path("parts"))["size"] == 12 << 20
    client.put_object(**address(lake.path("b")), Body=b"1")
    assert store is not None
    assert bytes(store.get(address(lake.path("b"))["Key"]).bytes()) == b"1"


def with_keys_of_now(lake: Lake, sts: S3) -> Lake:
    """The same lake by keys that the role has now, and that nobody renews."""
    asked = sts.credentials.get_boto3_session().client("sts", endpoint_url=sts.endpoint)
    found = asked.assume_role(RoleArn=ROLE, RoleSessionName="stale")["Credentials"]
    keys = {
        "aws_access_key_id": found["AccessKeyId"],
        "aws_secret_access_key": SecretStr(found["SecretAccessKey"]),
        "aws_session_token": found["SessionToken"],
    }
    return lake.model_copy(update={"credentials": sts.credentials.model_copy(update=keys)})


def test_glue_is_asked_by_keys_of_now(lake: Lake, sts: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Glue is at hand: another server, which refuses, is asked in its place, and by which keys is looked at."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", sts.endpoint)
    catalog = load_catalog("lake", **lake.model_copy(update={"catalog": SecretStr("glue")}).catalog_properties())
    assert isinstance(catalog, GlueCatalog)
    signed: list[bytes] = []
    catalog.glue.meta.events.register("before-send.glue", lambda request, **_: signed.append(key_of(request.headers)))
    for _ in range(2):
        with pytest.raises(ClientError):
            catalog.glue.get_databases()
    assert len(set(signed)) == 2


def key_of(headers: Mapping[str, bytes]) -> bytes:
    """The key by which a request is signed."""
    return headers["Authorization"].partition(b"Credential=")[2].partition(b"/")[0]


def test_another_process_gets_keys_unless_it_finds_them_by_itself(lake: Lake, request: pytest.FixtureRequest) -> None:
    """Which those of a pod's role do, and renew them."""
    names = {name for name in lake.environment() if name.startswith("AWS_")}
    found = {"AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ENDPOINT_URL_S3"}
    keys = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    assert names == (found if "environment" in request.node.name else found | keys)


def test_a_role_that_may_not_be_assumed(lake: Lake, sts: S3) -> None:
    credentials = sts.credentials.model_copy(update={"assume_role_arn": f"{ROLE}-of-others"})
    with pytest.raises(AccessDenied, match=r"AWS gives no keys .* AssumeRole"):
        lake.model_copy(update={"credentials": credentials}).check()


def test_the_region_is_the_environments_where_a_block_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    keys = AwsCredentials(aws_access_key_id="a", aws_secret_access_key=SecretStr("b"))
    for given, region in (
        (None, "eu-west-3"),
        (keys, "eu-west-3"),
        (keys.model_copy(update={"region_name": "us-west-2"}), "us-west-2"),
    ):
        said = access(given)
        assert botocore_session(said).get_config_variable("region") == region
        assert aio_session(said).get_config_variable("region") == region
