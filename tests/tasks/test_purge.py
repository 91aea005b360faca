"""All of a source removed: no value of it is left in any file of the lake, and others have what they had."""

import hashlib
import io
import json
import os
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from blocks.errors import AccessDenied
from blocks.lake import Lake, Stored, address
from spark.errors import Damaged, Remaining
from spark.parts import DataFile
from spark.readers import Csv
from spark.tables import Tables
from spark.writer import write
from tasks import purge as module
from tasks.decisions import Decision, record
from tasks.purge import Gone, Purged, purge, remains
from tasks.source import Dataset, Delivery, Source

TOKEN = "Qz7Vx"
"""Begins every value of the source that is purged: it also stands in what metadata keeps of columns' bounds."""

RAW = pa.schema([("_drop", pa.string()), ("_record", pa.int64()), ("name", pa.string())])
SHARED = pa.schema([("_source", pa.string()), ("_drop", pa.string()), ("_record", pa.int64()), ("name", pa.string())])
ZONES = ("transformed", "held", "candidate", "current", "history")


def source(slug: str, *datasets: str) -> Source:
    delivery = Delivery(names=r"(?P<dataset>[a-z]+)-(?P<date>\d{8})\.csv", dated="%Y%m%d", kind="full")
    return Source(
        slug=slug,
        at=slug,
        deliveries=(delivery,),
        datasets={name: Dataset(reader=Csv()) for name in datasets or ("people",)},
        phi="yes",
    )


GONE, OTHER = source("acme-care"), source("acme")


def tables_of(lake: Lake) -> Tables:
    return Tables(lake.catalog_properties(), lake.url())


def written(lake: Lake, name: str, schema: pa.Schema, rows: int, value: str, **constant: str) -> list[DataFile]:
    columns: dict[str, Any] = {"_record": range(rows), "name": [f"{value} {n}" for n in range(rows)]}
    columns |= {key: [said] * rows for key, said in constant.items()}
    made = pa.table({field.name: columns[field.name] for field in schema}, schema)
    return write([made], tables_of(lake).folder(name), schema, lake.fs()) if rows else []


def replace(lake: Lake, name: str, where: dict[str, str], key: tuple[str, str], files: list[DataFile]) -> None:
    schema = RAW if "_source" not in where else SHARED
    said = {"fingerprint": f"{len(files)}", "run": "r", "rows": 1}
    tables_of(lake).replace(name, schema, where, files, mark=(*key, said))


def fill(lake: Lake, of: Source, value: str, drops: int = 2, zones: Sequence[str] = ZONES) -> None:
    """Some of everything that a source has in the lake, with what was replaced in it, and what runs left that died."""
    for zone, name in (("landed", "r1/0a/people.csv"), ("landed", "_manifest.json"), ("staged", "run/parts/0.zst")):
        for drop in range(drops):
            lake.put(lake.path(zone, of.slug, f"d{drop}", *name.split("/")), f"{value} {zone}".encode(), None)
    for dataset in of.datasets:
        for zone in ("raw", "rejected"):
            name = of.table(zone, dataset)  # type: ignore[arg-type]
            for drop in [*range(drops), 0]:
                files = written(lake, name, RAW, 4, value, _drop=f"d{drop}")
                replace(lake, name, {"_drop": f"d{drop}"}, ("drop", f"d{drop}"), files)
            written(lake, name, RAW, 2, value, _drop="orphan")
    for zone in zones:
        name = f"{zone}.person"
        for drop in [*range(drops), 0]:
            files = written(lake, name, SHARED, 4, value, _source=of.slug, _drop=f"d{drop}")
            if zone in ("current", "history"):
                replace(lake, name, {"_source": of.slug}, ("source", of.slug), files)
            else:
                key = f"{of.slug}/d{drop}"
                replace(lake, name, {"_source": of.slug, "_drop": f"d{drop}"}, ("drop", key), files)
        written(lake, name, SHARED, 2, value, _source=of.slug, _drop="orphan")


@pytest.fixture(params=["local", "s3"])
def lake(request: pytest.FixtureRequest) -> Lake:
    """A lake on disk, and one in a bucket that keeps versions."""
    where: Lake = request.getfixturevalue(f"{request.param}_lake")
    if where.on_s3:
        place = address(where.path("x"))["Bucket"]
        where.ask("put_bucket_versioning", Bucket=place, VersioningConfiguration={"Status": "Enabled"})
    return where


def everything(lake: Lake) -> dict[tuple[str, str | None], bytes]:
    """The bytes of all that is in the lake, by path and version, as if no library kept tables of it."""
    found = {}
    for stored in lake.stored(f"{lake.path()}/"):
        if lake.on_s3:
            if stored.size:
                answer = lake.ask("get_object", **address(stored.path), VersionId=stored.version)
                found[stored.path, stored.version] = answer["Body"].read()
        else:
            found[stored.path, None] = Path(stored.path).read_bytes()
    return found


def text(path: str, data: bytes) -> str:
    """What a file holds, bounds of columns included."""
    if path.endswith(".parquet") and data.endswith(b"PAR1"):
        file = pq.ParquetFile(io.BytesIO(data))
        return f"{file.read().to_pylist()}{[file.metadata.row_group(0).to_dict()]}"
    if path.endswith(".avro"):
        return str(list(fastavro.reader(io.BytesIO(data))))
    return data.decode(errors="replace")


def holding(lake: Lake, *words: str) -> list[str]:
    """Paths of the files that hold one of these words."""
    return sorted(
        path.removeprefix(f"{lake.path()}/")
        for (path, _), data in everything(lake).items()
        if not path.endswith(("catalog.db", "decisions/acme-care.json")) and any(w in text(path, data) for w in words)
    )


def written_since(lake: Lake, before: set[str]) -> list[str]:
    """How the names of the files end that are new; each of them says `phi` and is encrypted."""
    new = sorted(set(lake.fs().find(lake.path())) - before)
    for path in new:
        tags = lake.client().get_object_tagging(**address(path))["TagSet"]
        assert tags == [{"Key": "phi", "Value": "yes"}], path
        head = lake.client().head_object(**address(path))
        assert head["ServerSideEncryption"] == lake.encryption["ServerSideEncryption"], path
    return [path.rpartition(".")[2] for path in new]


def of_the_other(lake: Lake) -> tuple[dict[str, str], dict[str, list[dict[str, Any]]], dict[str, Any]]:
    """Hashes of the other source's files, its rows in all tables, and its marks."""
    tables = tables_of(lake)
    own = [OTHER.table("raw", "people"), OTHER.table("rejected", "people")]
    names = [name for name in (*own, *(f"{zone}.person" for zone in ZONES)) if tables.get(name) is not None]
    hashes, rows, marks = {}, {}, {}
    for name in names:
        where = {} if name.startswith(("raw", "rejected")) else {"_source": OTHER.slug}
        for url in tables.files(name, **where):
            with lake.fs().open(url) as stream:
                hashes[url] = hashlib.sha256(stream.read()).hexdigest()
        found = tables.catalog.load_table(name).scan().to_arrow().to_pylist()
        rows[name] = sorted((r for r in found if r.get("_source", OTHER.slug) == OTHER.slug), key=str)
        said = tables.catalog.load_table(name).properties
        marks[name] = {k: v for k, v in said.items() if k == "inlet.source.acme" or k.startswith("inlet.drop.acme/")}
    return hashes, rows, marks


def test_nothing_is_left(lake: Lake) -> None:
    for turn, (of, value) in enumerate([(OTHER, "kept"), (GONE, TOKEN), (OTHER, "kept"), (GONE, f"{TOKEN}2")]):
        if turn < 2:
            fill(lake, of, value)
        else:  # what one has is replaced after the other came
            files = written(lake, "current.person", SHARED, 5, value, _source=of.slug, _drop="d9")
            replace(lake, "current.person", {"_source": of.slug}, ("source", of.slug), files)
    if lake.on_s3:
        for path in (lake.path("landed", GONE.slug, "d1", "big"), lake.path("staged", GONE.slug, "big")):
            lake.ask("create_multipart_upload", **address(path))
    why = Decision(verb="purge", reason="the contract has ended", actor="ana", at=datetime(2026, 11, 1, tzinfo=UTC))
    record(lake, GONE.slug, why)
    held = holding(lake, TOKEN)
    for where in ("landed/acme-care/", "raw/acme_care_people/metadata", "current/person/metadata", "candidate/"):
        assert any(path.startswith(where) for path in held), where
    assert any(path.startswith("current/person/metadata") and path.endswith("avro") for path in held)
    before = of_the_other(lake)

    done = purge(GONE, lake)

    assert holding(lake, TOKEN) == []
    assert holding(lake, "acme-care", "acme_care") == []
    assert remains(GONE, lake) == []
    after = of_the_other(lake)
    assert after == before
    assert {zone: gone.rows for zone, gone in done.zones.items()} == {
        **{"landed": 0, "staged": 0, "raw": 8, "rejected": 8},
        **{"transformed": 8, "held": 8, "candidate": 8, "current": 5, "history": 4},
    }
    assert all(gone.objects > 1 and gone.bytes > 10 for gone in done.zones.values())
    tables = tables_of(lake)
    for zone in ZONES:
        table = tables.catalog.load_table(f"{zone}.person")
        assert len(table.snapshots()) == 1
        assert GONE.slug not in table.metadata.model_dump_json()
        assert set(table.scan().to_arrow()["_source"].to_pylist()) == {OTHER.slug}
    assert tables.get("raw.acme_care_people") is None
    assert json.loads(lake.fs().cat_file(lake.path("decisions", "acme-care.json")))["made"][0]["actor"] == "ana"
    if not lake.on_s3:
        assert not Path(lake.path("landed", GONE.slug)).exists()
        assert not Path(lake.path("raw", "acme_care_people")).exists()

    paths = [stored.path for stored in lake.stored(f"{lake.path()}/")]
    assert purge(GONE, lake) == Purged()
    assert str(Purged()) == "nothing there"
    assert [stored.path for stored in lake.stored(f"{lake.path()}/")] == paths
    files = written(lake, "current.person", SHARED, 7, "more", _source=OTHER.slug, _drop="d9")
    replace(lake, "current.person", {"_source": OTHER.slug}, ("source", OTHER.slug), files)  # and the table goes on
    assert tables.rows("current.person") == 7


def test_what_it_writes_of_others_is_tagged_and_encrypted(s3_lake: Lake) -> None:
    for of, value in ((OTHER, "kept"), (GONE, TOKEN)):
        fill(s3_lake, of, value, zones=["current"])
    before = set(s3_lake.fs().find(s3_lake.path()))
    lake = s3_lake.model_copy(update={"kms_key": "people"})
    purge(GONE, lake)
    assert set(written_since(lake, before)) == {"avro", "json"}


def test_a_source_without_anything(local_lake: Lake) -> None:
    assert purge(GONE, local_lake) == Purged()
    fill(local_lake, OTHER, "kept", 1, ["current"])
    before = everything(local_lake)
    assert purge(GONE, local_lake) == Purged()
    assert everything(local_lake) == before


def test_a_table_that_only_its_snapshots_remember(local_lake: Lake) -> None:
    """Its rows were taken away by an empty drop, and no mark speaks of it."""
    name = "transformed.person"
    for of, value in ((OTHER, "kept"), (GONE, TOKEN)):
        files = written(local_lake, name, SHARED, 4, value, _source=of.slug, _drop="d")
        replace(local_lake, name, {"_source": of.slug, "_drop": "d"}, ("drop", f"{of.slug}/d"), files)
    replace(local_lake, name, {"_source": GONE.slug, "_drop": "d"}, ("other", "x"), [])
    table = tables_of(local_lake).catalog.load_table(name)
    with table.transaction() as change:
        change.remove_properties("inlet.drop.acme-care/d")
    assert any(path.endswith(".parquet") for path in holding(local_lake, TOKEN))
    assert remains(GONE, local_lake) != []
    done = purge(GONE, local_lake).zones["transformed"]
    assert done.rows == 0
    assert done.objects > 0
    assert holding(local_lake, TOKEN) == []


def test_a_table_of_the_source_alone(local_lake: Lake) -> None:
    """It stays, empty, for others to come."""
    fill(local_lake, GONE, TOKEN, zones=["current"])
    purge(GONE, local_lake)
    assert holding(local_lake, TOKEN) == []
    tables = tables_of(local_lake)
    assert tables.rows("current.person") == 0
    fill(local_lake, OTHER, "kept", zones=["current"])
    assert tables.rows("current.person") == 4


def test_a_mark_alone(local_lake: Lake) -> None:
    replace(local_lake, "current.person", {"_source": GONE.slug}, ("source", GONE.slug), [])
    assert [(left.what, left.stored) for left in remains(GONE, local_lake)] == [("current.person", None)]
    purge(GONE, local_lake)
    assert tables_of(local_lake).marks("current.person", "source") == {}


@pytest.mark.parametrize(
    ("slug", "others", "table", "goes"),
    [
        pytest.param("acme", ["acme-care"], "raw.acme_care_people", False, id="another source's, whose name goes on"),
        pytest.param("acme", [], "raw.acme_care_people", True, id="a dataset of once"),
        pytest.param("acme-care", ["acme"], "raw.acme_care_old", False, id="perhaps another source's, of a short name"),
        pytest.param("acme-care", ["acme"], "raw.acme_care_people", True, id="declared"),
        pytest.param("acme", [], "raw.acmes_people", False, id="a name that only begins alike"),
    ],
)
def test_whose_a_table_is(slug: str, others: list[str], table: str, goes: bool, local_lake: Lake) -> None:
    for other in others:
        local_lake.put(local_lake.path("landed", other, "d", "_manifest.json"), b"{}", None)
    replace(local_lake, table, {"_drop": "d"}, ("drop", "d"), written(local_lake, table, RAW, 3, "x", _drop="d"))
    done = purge(source(slug), local_lake)
    assert (tables_of(local_lake).get(table) is None) is goes
    assert (done == Purged()) is not goes
    assert Path(local_lake.path(*table.split("."))).exists() is not goes


def test_orphans_of_others_stay(local_lake: Lake) -> None:
    """A run of another source is about to commit them."""
    fill(local_lake, GONE, TOKEN, zones=["current"])
    files = written(local_lake, "current.person", SHARED, 7, "kept", _source=OTHER.slug, _drop="d")
    purge(GONE, local_lake)
    replace(local_lake, "current.person", {"_source": OTHER.slug}, ("source", OTHER.slug), files)
    assert tables_of(local_lake).rows("current.person") == 7


def test_beside_another_source(local_lake: Lake) -> None:
    """One that publishes meanwhile loses no row."""
    failed: list[BaseException] = []
    fill(local_lake, GONE, TOKEN, zones=["current"])
    started = threading.Event()

    def run() -> None:
        try:
            for turn in range(6):
                files = written(local_lake, "current.person", SHARED, turn + 1, "kept", _source=OTHER.slug, _drop="d")
                publish = partial(replace, local_lake, "current.person", {"_source": OTHER.slug})
                try:
                    publish(("source", OTHER.slug), files)
                except FileNotFoundError:  # of metadata that it read when it was removed; then it is done again
                    publish(("source", OTHER.slug), files)
                started.set()
        except BaseException as error:
            failed.append(error)
            started.set()

    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    purge(GONE, local_lake)
    thread.join()
    assert failed == []
    table = tables_of(local_lake).catalog.load_table("current.person")
    assert table.scan().to_arrow()["_source"].to_pylist() == [OTHER.slug] * 6
    purge(GONE, local_lake)  # of races that were lost meanwhile
    assert holding(local_lake, TOKEN) == []


def test_killed_anywhere_and_run_again(local_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after every step that it takes, in turn; each time it goes on from there."""
    fill(local_lake, OTHER, "kept", 1, ["transformed", "current"])
    fill(local_lake, GONE, TOKEN, 1, ["transformed", "current"])
    before = of_the_other(local_lake)
    kills = 0

    class Killed(BaseException):
        pass

    forget, erase, tables = module.forget, Lake.erase, module.Tables

    def forget_and_die(*given: Any) -> Any:
        found = forget(*given)
        if found.unnamed:
            raise Killed
        return found

    def erase_some_and_die(lake: Lake, what: list[Stored]) -> None:
        erase(lake, what[:7])
        raise Killed

    class DropsAndDies(Tables):
        @property
        def catalog(self) -> Any:
            found = super().catalog
            drop = type(found).drop_table

            def drop_and_die(name: str) -> None:
                drop(found, name)
                raise Killed

            found.drop_table = drop_and_die  # type: ignore[method-assign, assignment]
            return found

    for name, value in (("forget", forget_and_die), ("Tables", DropsAndDies)):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(Lake, "erase", erase_some_and_die)
    for _ in range(200):
        try:
            purge(GONE, local_lake)
        except Killed:
            kills += 1
        else:
            break
    assert kills > 10
    monkeypatch.setattr(Lake, "erase", erase)
    monkeypatch.setattr(module, "forget", forget)
    monkeypatch.setattr(module, "Tables", tables)
    assert purge(GONE, local_lake) == Purged()
    assert holding(local_lake, TOKEN, "acme-care", "acme_care") == []
    assert of_the_other(local_lake) == before


def test_what_is_not_finished(local_lake: Lake) -> None:
    """Whose a half file is, nobody can tell: it is not passed over, and goes when no run can be at it any more."""
    fill(local_lake, GONE, TOKEN, 1, ["current"])
    half = Path(local_lake.path("current", "person", "data", "half.parquet"))
    half.write_bytes(b"PAR1" + TOKEN.encode())
    with pytest.raises(Remaining, match=r"half\.parquet .a file that is not finished") as caught:
        purge(GONE, local_lake)
    assert "after a day" in str(caught.value)
    assert [left.sure for left in remains(GONE, local_lake)] == [False]
    assert holding(local_lake, TOKEN) == ["current/person/data/half.parquet"]
    then = datetime.now(UTC) - timedelta(days=1, minutes=1)
    os.utime(half, (then.timestamp(), then.timestamp()))
    assert purge(GONE, local_lake).zones == {"current": Gone(objects=1, bytes=9)}
    assert holding(local_lake, TOKEN) == []


def test_an_upload_that_is_not_finished(s3_lake: Lake) -> None:
    fill(s3_lake, GONE, TOKEN, 1, ["history"])
    path = s3_lake.path("history", "person", "data", "big.parquet")
    upload = s3_lake.ask("create_multipart_upload", **address(path))["UploadId"]
    with pytest.raises(Remaining, match=r"big\.parquet .an upload"):
        purge(GONE, s3_lake)
    s3_lake.ask("abort_multipart_upload", **address(path), UploadId=upload)
    assert purge(GONE, s3_lake) == Purged()


def test_a_file_that_is_not_of_one_source(local_lake: Lake) -> None:
    """Where `_source` is no partition column nothing is removed: other sources' rows would go as well."""
    name = "current.person"
    rows = pa.table({"_source": ["acme", "acme-care"], "_drop": ["d", "d"], "_record": [1, 2], "name": ["kept", TOKEN]})
    files = write([rows], tables_of(local_lake).folder(name), SHARED, local_lake.fs())
    said = {"fingerprint": "f", "run": "r"}
    tables_of(local_lake).replace(name, SHARED, {"_drop": "d"}, files, mark=("source", "acme-care", said))
    before = everything(local_lake)
    with pytest.raises(Damaged, match="several sources"):
        purge(GONE, local_lake)
    assert everything(local_lake) == before


def test_an_object_that_is_locked(s3_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """What S3 does not remove is said, though its answer to the request as a whole is that all went well."""
    s3_lake.put(s3_lake.path("landed", GONE.slug, "d", "file"), TOKEN.encode(), None)
    ask = Lake.ask

    def locked(lake: Lake, method: str, **given: Any) -> dict[str, Any]:
        if method == "delete_objects":
            return {"Errors": [{"Key": "file", "Code": "AccessDenied"}]}
        return ask(lake, method, **given)

    monkeypatch.setattr(Lake, "ask", locked)
    with pytest.raises(AccessDenied):
        purge(GONE, s3_lake)
