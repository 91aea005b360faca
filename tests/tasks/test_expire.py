"""What a source's tables, and those that it shares, need no more."""

import logging
import os
from datetime import timedelta
from pathlib import Path

import pytest

from blocks.lake import Lake, address
from tasks.expire import expire_source, shared
from tests.tasks.test_purge import GONE, OTHER, SHARED, ZONES, fill, replace, tables_of, written, written_since

NOW = timedelta(0)


def age(lake: Lake) -> None:
    """Let all that is in a lake on disk be two days older."""
    for stored in list(lake.stored(f"{lake.path()}/")):
        then = stored.written.timestamp() - 2 * 86400
        os.utime(stored.path, (then, then))


def test_all_tables_that_it_has_rows_in(local_lake: Lake, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "inlet")
    assert expire_source(GONE, local_lake) == {}
    fill(local_lake, GONE, "a")
    fill(local_lake, OTHER, "b")
    tables = tables_of(local_lake)
    own = {"raw.acme_care_people", "rejected.acme_care_people"}
    common = {f"{zone}.person" for zone in ZONES}
    assert set(shared(tables)) == common
    rows = {name: tables.rows(name) for name in own | common}
    size = {name: sum(s.size for s in local_lake.stored(f"{local_lake.path(*name.split('.'))}/")) for name in rows}
    assert expire_source(GONE, local_lake) == {}  # none is a week old
    promised = expire_source(GONE, local_lake, older_than=NOW, dry_run=True)
    assert "would be removed" in caplog.text
    caplog.clear()
    done = expire_source(GONE, local_lake, older_than=NOW)
    assert done.keys() == own | common
    assert {n: f.snapshots for n, f in done.items()} == {n: f.snapshots for n, f in promised.items()}
    assert {name: tables.rows(name) for name in own | common} == rows
    assert len(caplog.messages) == 7
    for name, found in done.items():
        # a table may gain a snapshot that no more says what was once removed: its list, and the table's metadata
        now = sum(s.size for s in local_lake.stored(f"{local_lake.path(*name.split('.'))}/"))
        assert 0 <= now - (size[name] - found.bytes) < 20_000
    assert tables.get("raw.acme_people").history()[0] is not None  # type: ignore[union-attr]
    assert len(tables.get("raw.acme_people").snapshots()) == 3  # type: ignore[union-attr]
    assert expire_source(GONE, local_lake, older_than=NOW) == {}


def test_what_runs_have_left(local_lake: Lake) -> None:
    """Data files that nothing names and staged parts, of more than a day; a landed file stays for a week."""
    staged = Path(local_lake.path("staged", GONE.slug, "d", "run", "parts", "0.zst"))
    fill(local_lake, GONE, "a", 1, ["current"])
    local_lake.put(str(staged), b"0", None)
    age(local_lake)
    young = Path(local_lake.path("staged", GONE.slug, "d", "another", "0.zst"))
    local_lake.put(str(young), b"0", None)
    replaced = written(local_lake, "current.person", SHARED, 3, "a", _source=GONE.slug, _drop="d")
    found = expire_source(GONE, local_lake, dry_run=True)
    assert staged.exists()
    assert expire_source(GONE, local_lake) == found
    assert {name: said.files for name, said in found.items()} == {
        "raw.acme_care_people": 1,
        "rejected.acme_care_people": 1,
        "current.person": 1,
    }
    assert not staged.exists()
    assert young.exists()
    replace(local_lake, "current.person", {"_source": GONE.slug}, ("source", GONE.slug), replaced)
    assert tables_of(local_lake).rows("current.person") == 3


def test_on_s3(s3_lake: Lake) -> None:
    """In a bucket too; an upload of today may be another run's."""
    for _ in range(4):
        files = written(s3_lake, "current.person", SHARED, 3, "a", _source=GONE.slug, _drop="d")
        replace(s3_lake, "current.person", {"_source": GONE.slug}, ("source", GONE.slug), files)
    path = s3_lake.path("current", "person", "data", "big.parquet")
    s3_lake.ask("create_multipart_upload", **address(path))
    before = sum(s.size for s in s3_lake.stored(f"{s3_lake.path('current')}/") if s.path.endswith(".parquet"))
    done = expire_source(GONE, s3_lake, older_than=NOW)
    assert done["current.person"].snapshots == 2
    left = list(s3_lake.stored(f"{s3_lake.path('current')}/"))
    assert sum(s.size for s in left if s.path.endswith(".parquet")) == before // 2
    assert [s.path for s in left if s.upload] == [path]
    assert tables_of(s3_lake).rows("current.person") == 3
    assert expire_source(GONE, s3_lake, older_than=NOW) == {}


@pytest.mark.parametrize("of", [{"sse_s3": True}, {"kms_key": "people"}])
def test_what_it_writes_is_tagged_and_encrypted(s3_lake: Lake, of: dict[str, object]) -> None:
    """Metadata of tables that are the source's and of those that it shares: each anew, with a list of manifests."""
    fill(s3_lake, GONE, "a", zones=["current"])
    before = set(s3_lake.fs().find(s3_lake.path()))
    lake = s3_lake.model_copy(update=of)
    done = expire_source(GONE, lake, older_than=NOW)
    assert done.keys() == {"raw.acme_care_people", "rejected.acme_care_people", "current.person"}
    assert sorted(written_since(lake, before)) == ["avro"] * 3 + ["json"] * 3
