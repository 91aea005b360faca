"""Every access method into both kinds of lake: what lands is what was offered, and a resumed one too."""

import hashlib
import os
import random
from typing import Any

import pytest

from blocks.lake import Lake
from tasks import engine, manifest
from tasks.transfer import Landed, land
from tests.servers import S3, Nginx
from tests.tasks.conftest import Fill
from tests.tasks.test_transfer import assert_right, drop_of

PART = 5 << 20
SIZES = {"empty.bin": 0, "one part.csv": PART, "ünï/large.zip": 3 * PART + 17, "small.csv": 12_345}


@pytest.fixture
def contents(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    monkeypatch.setattr(engine, "PART", PART)
    return {name: random.Random(name).randbytes(size) for name, size in SIZES.items()}


def assert_all(lake: Lake, landed: Landed, contents: dict[str, bytes]) -> None:
    assert_right(lake, landed)
    assert {f.name: (f.size, f.sha256) for f in landed.files} == {
        name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in contents.items()
    }


def test_what_is_offered_lands(fill: Fill, lake: Lake, contents: dict[str, bytes]) -> None:
    place = fill(contents)
    assert_all(lake, land(drop_of(place), place, lake, "run-00000001"), contents)


def test_a_transfer_that_was_stopped_goes_on(
    fill: Fill, s3_lake: Lake, contents: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = fill(contents)
    drop = drop_of(place)
    upload = engine.uploads._Multipart
    put = upload.put

    def third_fails(self: Any, number: int, data: bytearray) -> None:
        if number == 3:
            raise KeyboardInterrupt
        put(self, number, data)

    with monkeypatch.context() as patch:
        patch.setattr(upload, "put", third_fails)
        with pytest.raises(KeyboardInterrupt):
            land(drop, place, s3_lake, "run-00000001")
    assert manifest.read(s3_lake, "acme", "2026-11") is None

    again: list[int] = []
    monkeypatch.setattr(upload, "put", lambda self, number, data: (again.append(number), put(self, number, data))[1])
    assert_all(s3_lake, land(drop, place, s3_lake, "run-00000002"), contents)
    assert 3 in again
    assert len(again) < 4, "parts that were in the lake were sent again"


def test_what_the_server_says_of_a_file_is_verified(nginx: Nginx, s3: S3, lake: Lake, bucket: Fill) -> None:
    """S3 gives the MD5 of what was sent in one piece; the manifest says what was proved."""
    data = os.urandom(100)
    place = bucket({"a": data})
    landed = land(drop_of(place), place, lake, "run-00000001")  # type: ignore[arg-type]
    assert landed.files[0].checksum == "md5:" + hashlib.md5(data).hexdigest()

    published = "sha512:" + hashlib.sha512(data).hexdigest()  # is what is kept, where there is both
    drop = drop_of(place, "2026-12")
    file = drop.files[0].model_copy(update={"checksum": published})
    landed = land(drop.model_copy(update={"files": (file,)}), place, lake, "run-00000001")
    assert landed.files[0].checksum == published
