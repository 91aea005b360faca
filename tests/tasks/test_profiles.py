"""A drop's profile in the lake: made in the conversion's pass, the same when it is made again, gone with a purge."""

import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fsspec.implementations.local import LocalFileSystem

from blocks.lake import Lake
from spark import convert
from spark.profiling import sketches
from spark.profiling.profiles import DatasetProfile
from spark.readers import Csv
from tasks import profiles, staging
from tasks.convert import to_raw
from tasks.purge import purge
from tasks.run import Run
from tasks.source import Dataset, Delivery, Source
from tasks.unwrap import Parts, stage
from tests.tasks.test_unwrap import landed

ROWS = 9_000
CSV = b"id,born,note\n" + b"".join(
    f'{n},{1940 + n % 60}-0{n % 9 + 1}-1{n % 10},"{"" if n % 5 else "it was so"}"\n'.encode() for n in range(ROWS)
)
NAME = "claims_20260101.csv.gz"
SOURCE = Source(
    slug="party",
    at="party",
    deliveries=(Delivery(kind="full", names=r"claims_(?P<date>\d{8})\..*", dated="%Y%m%d"),),
    datasets={"claims": Dataset(members=r"claims.*\.csv", reader=Csv())},
    phi="yes",
)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "PART", 40_000)
    monkeypatch.setattr(staging, "PIECE", 9_000)


def convert_drop(lake: Lake, run: str = "run") -> Parts:
    """Bring one drop to Raw."""
    drop = landed(lake, {NAME: gzip.compress(CSV)})
    staged = stage(drop, SOURCE, lake, run)
    assert len(staged["claims"][0].parts) > 4
    parts = Parts(drop=drop.drop, fingerprint="made", up_to_date=False, datasets=staged)
    to_raw(parts, Run(source=SOURCE, lake=lake, id=run))
    return parts


def same(one: DatasetProfile, other: DatasetProfile) -> None:
    """Equal but for numbers' sketches, which draw by chance where they are full."""
    assert one.model_dump(exclude={"columns"}) == other.model_dump(exclude={"columns"})
    assert list(one.columns) == list(other.columns)
    for name, column in one.columns.items():
        assert column.model_dump(exclude={"kll"}) == other.columns[name].model_dump(exclude={"kll"})


def test_it_is_kept_with_the_drop_and_says_what_the_drop_holds(lake: Lake) -> None:
    parts = convert_drop(lake)
    found = profiles.read(lake, parts.drop)
    claims = found["claims"]
    assert list(found) == ["claims"]
    assert (claims.rows, list(claims.columns)) == (ROWS, ["id", "born", "note"])
    assert 500 < claims.sampled < ROWS
    born, note = claims.columns["born"], claims.columns["note"]
    assert (born.least, born.most, born.dates) == ("1940-01-10", "1999-09-19", {"%Y-%m-%d": claims.sampled})
    assert (note.empties, note.longest, note.nulls) == (ROWS * 4 // 5, 9, 0)
    assert sketches.estimate(claims.columns["id"].hll) == pytest.approx(claims.sampled, rel=0.1)
    assert claims.keys == (("id",),)
    assert profiles.read(lake, parts.drop, "made") == found
    assert profiles.read(lake, parts.drop, "made otherwise") == {}


def test_a_drop_from_before_there_were_profiles_has_none(lake: Lake) -> None:
    assert profiles.read(lake, landed(lake, {NAME: b""}).drop) == {}


def test_a_later_run_takes_the_place_of_an_earlier_one(lake: Lake) -> None:
    drop = landed(lake, {NAME: b""}).drop
    for fingerprint in ("one", "two"):
        profiles.keep(lake, drop, fingerprint, {"claims": DatasetProfile(rows=len(fingerprint))})
    assert profiles.read(lake, drop, "two") == {"claims": DatasetProfile(rows=3)}


def test_a_conversion_that_is_killed_and_done_again_gives_the_same(
    local_lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken = profiles.read(local_lake, convert_drop(local_lake).drop)["claims"]
    other = Lake(root=f"file://{tmp_path}/other")
    real, calls = convert.convert_share, Counter[str]()

    def dies(*given: Any) -> convert.Converted:
        calls["share"] += 1
        if calls["share"] == 2:
            raise KeyboardInterrupt
        return real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(convert, "convert_share", dies)
        with pytest.raises(KeyboardInterrupt):
            convert_drop(other, "run-1")
    again = convert_drop(other, "run-2")
    same(profiles.read(other, again.drop)["claims"], unbroken)


def test_threads_give_the_same_as_one(local_lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = profiles.read(local_lake, convert_drop(local_lake).drop)["claims"]
    monkeypatch.setattr("tasks.convert.CORES", 1)
    one = profiles.read(other := Lake(root=f"file://{tmp_path}/other"), convert_drop(other).drop)["claims"]
    assert (one.rows, one.sampled, one.keys) == (whole.rows, whole.sampled, whole.keys)
    for name, column in one.columns.items():
        differ = {"hll", "kll", "values", "sentinels"}  # capped and estimated by share
        assert column.model_dump(exclude=differ) == whole.columns[name].model_dump(exclude=differ)


class _Nothing:
    """In the profiler's place: it looks at nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def add(self, _: pa.Table) -> None:
        pass

    def close(self, _: Any) -> DatasetProfile:
        return DatasetProfile()


def test_it_costs_no_second_read(local_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are opened once each, and what is written is opened as often as without a profile: once, by the commit."""
    opened = Counter[str]()
    real = LocalFileSystem._open

    def counting(self: LocalFileSystem, path: str, mode: str = "rb", **more: Any) -> Any:
        if mode == "rb":
            opened[path] += 1
        return real(self, path, mode, **more)

    drop = landed(local_lake, {NAME: gzip.compress(CSV)})
    staged = stage(drop, SOURCE, local_lake, "run")
    parts = Parts(drop=drop.drop, fingerprint="made", up_to_date=False, datasets=staged)
    monkeypatch.setattr(LocalFileSystem, "_open", counting)

    def reads() -> tuple[list[int], list[int]]:
        opened.clear()
        to_raw(parts, Run(source=SOURCE, lake=local_lake, id="run"))
        written = [n for path, n in opened.items() if "/raw/" in path and path.endswith(".parquet")]
        return [opened[part.path] for part in staged["claims"][0].parts], written

    profiled = reads()
    assert profiles.read(local_lake, drop.drop)["claims"].rows == ROWS
    assert profiled[0] == [1] * len(staged["claims"][0].parts)
    assert set(profiled[1]) == {1}
    with monkeypatch.context() as patch:
        patch.setattr(convert, "Profiler", _Nothing)
        assert reads() == profiled
    assert profiles.read(local_lake, drop.drop)["claims"].rows == 0  # it was switched off indeed


def test_purge_takes_it_away(lake: Lake) -> None:
    parts = convert_drop(lake)
    assert profiles.read(lake, parts.drop)
    purge(SOURCE, lake)
    assert profiles.read(lake, parts.drop) == {}
    assert list(lake.stored(f"{lake.path('landed', 'party')}/")) == []


def test_no_value_is_in_what_a_conversion_shows(local_lake: Lake) -> None:
    found = convert.Converted(profile=profiles.read(local_lake, convert_drop(local_lake).drop)["claims"])
    assert "it was so" in found.model_dump_json()
    assert "it was so" not in f"{found} {found!r}"
