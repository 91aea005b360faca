"""Every block against Prefect's standards for blocks, and on a real Prefect server."""

import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import prefect_aws
import pytest
from prefect.blocks.core import Block
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite
from pydantic import SecretStr

import blocks
from blocks.api import JsonApi
from blocks.archive import ArchivePassword
from blocks.drive import Drive
from blocks.ftp import FtpServer
from blocks.hash_key import HashKey
from blocks.http import HttpServer
from blocks.lake import Lake
from blocks.pgp import PgpKey
from blocks.place import Place
from blocks.s3 import S3Folder
from blocks.sftp import SftpServer
from tests.servers import HTTP, PrefectServer

MODULES = [importlib.import_module(f"blocks.{module.name}") for module in pkgutil.iter_modules(blocks.__path__)]
BLOCKS = sorted(
    {
        kind
        for module in MODULES
        for kind in vars(module).values()
        if Block.is_block_class(kind) and kind.__module__ == module.__name__ and kind is not Place
    },
    key=lambda kind: kind.__name__,
)
EXAMPLES = [
    ArchivePassword(password=SecretStr("hunter2-word"), previous_password=SecretStr("hunter2-before")),
    Drive(path=Path("/mnt/outside")),
    FtpServer(host="host", user="user", password=SecretStr("hunter2-word")),
    HashKey(key=SecretStr("hunter2-key-that-nobody-can-guess")),
    HttpServer(
        url="https://host/files/",
        password=SecretStr("hunter2-word"),
        token=SecretStr("hunter2-token"),
        api_key=SecretStr("hunter2-key"),
        client_secret=SecretStr("hunter2-client"),
    ),
    JsonApi(
        url="https://host/api/",
        parameters={"format": "json"},
        next_at="nextPageToken",
        page_parameter="pageToken",
        password=SecretStr("hunter2-word"),
        token=SecretStr("hunter2-token"),
        api_key=SecretStr("hunter2-key"),
        client_secret=SecretStr("hunter2-client"),
    ),
    Lake(
        root="s3://bucket/lake",
        catalog=SecretStr("postgresql://u:hunter2@host/db"),
        credentials=prefect_aws.AwsCredentials(
            aws_access_key_id="id", aws_secret_access_key=SecretStr("hunter2-key"), region_name="us-east-1"
        ),
    ),
    PgpKey(private_key=SecretStr("hunter2-pgp"), passphrase=SecretStr("hunter2-pass")),
    S3Folder(
        bucket="bucket",
        credentials=prefect_aws.AwsCredentials(
            aws_access_key_id="id", aws_secret_access_key=SecretStr("hunter2-key"), region_name="us-east-1"
        ),
    ),
    SftpServer(
        host="host",
        user="user",
        host_key="ssh-ed25519 AAAA",
        password=SecretStr("hunter2-word"),
        private_key=SecretStr("hunter2-ssh"),
        passphrase=SecretStr("hunter2-phrase"),
    ),
]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
class TestStandards(BlockStandardTestSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        raise NotImplementedError  # the parameter takes its place

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        """Prefect's own fetches the logo from the network; ours have none."""
        assert block._logo_url is None

    def test_has_a_documentation_url(self, block: type[Block]) -> None:
        """A page that is not there yet would be worse than none."""
        assert block._documentation_url is None

    def test_the_code_example_compiles(self, block: type[Block]) -> None:
        (code,) = re.findall(r"```python\n(.*?)```", block.get_code_example() or "", re.DOTALL)
        compile(code, block.__name__, "exec")

    def test_secret_fields_are_secret(self, block: type[Block]) -> None:
        for name, field in block.model_fields.items():
            if re.search("password|passphrase|private|secret|token|catalog", name):
                assert "SecretStr" in str(field.annotation), name


def test_each_slug_is_ours_alone() -> None:
    # Two classes with one slug: the last one imported wins, with no more than a warning (Prefect 3.9).
    others = [kind for kind in vars(prefect_aws).values() if Block.is_block_class(kind)]
    importlib.import_module("prefect.blocks.system")
    others += [kind for kind in Block.__subclasses__() if kind.__module__.startswith("prefect")]
    slugs = [kind.get_block_type_slug() for kind in {*BLOCKS, *others}]
    for kind in BLOCKS:
        assert kind._block_type_slug == kind.get_block_type_slug()
        assert slugs.count(kind.get_block_type_slug()) == 1


def test_every_block_has_an_example_here() -> None:
    assert [type(example) for example in EXAMPLES] == BLOCKS


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_a_saved_block_masks_its_secrets_and_loads(example: Block, prefect_server: PrefectServer) -> None:
    kind = type(example)
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        example.save("example", overwrite=True)
        shown = HTTP.post(f"{prefect_server.api_url}/block_documents/filter", json={}).text
        assert f'"{kind.get_block_type_slug()}"' in shown
        assert "hunter2" not in shown
        loaded = kind.load("example")
    assert isinstance(loaded, Block)
    assert loaded.model_dump() == example.model_dump()
    assert "hunter2" not in repr(loaded) + str(loaded.model_dump()) + loaded.model_dump_json()


@pytest.mark.parametrize("module", ["api", "archive", "drive", "ftp", "http", "lake", "pgp", "s3", "sftp"])
def test_the_cli_registers_the_block_and_not_its_base(module: str, prefect_server: PrefectServer) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "block", "register", "-m", f"blocks.{module}"],
        env=prefect_server.env | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Successfully registered" in done.stdout
    assert "Place" not in done.stdout
