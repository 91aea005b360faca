"""A drop in a common schema: what passes, what fails its checks, what is accepted, and what is done again."""

import hmac
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort
from prefect.settings import PREFECT_API_URL, temporary_settings
from pyiceberg.expressions import EqualTo

from blocks.errors import Misconfigured
from blocks.hash_key import HashKey
from blocks.lake import Lake
from spark.checks import Checks
from spark.convert import raw_schema
from spark.errors import ChecksFailed, SchemaChanged
from spark.mapping import Mapping
from spark.privacy import Drop as Dropped
from spark.privacy import Hash, Keep
from spark.profiling.expectations import Expectations
from spark.profiling.profiler import profile
from spark.readers import Csv
from spark.schemas import Column, Schema
from spark.tables import Tables
from spark.writer import write
from tasks import decisions, profiles
from tasks.convert import Raw, RawDataset
from tasks.decisions import Decision
from tasks.drop import Drop
from tasks.profile import draw
from tasks.run import Run, Step, running
from tasks.source import Dataset, Source
from tasks.transform import CHECKS, Candidate, transform
from tests import servers

THING = Schema(
    name="thing",
    doc="",
    key=("id",),
    columns=(
        Column(name="id", doc="", required=True),
        Column(name="n", type="int", doc="", required=True),
        Column(name="of", doc="", references="parent.id"),
    ),
)
PARENT = Schema(name="parent", doc="", key=("id",), columns=(THING.columns[0],))
COLUMNS = ("id", "n", "of")
BY = {"things": Mapping(columns={"id": "id", "n": "n", "of": "of"})}
Rows = Sequence[tuple[str | None, ...]]
SOURCE = Source(
    slug="the-party",
    at="x",
    deliveries=(),
    datasets={"things": Dataset(members="t.*", reader=Csv()), "others": Dataset(members="o.*", reader=Csv())},
    phi="no",
)


@pytest.fixture(scope="module", autouse=True)
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Prefect server, and Spark on two cores, for all tests of this module."""
    servers.require("java", "there is no Java")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_DIRS", str(tmp_path_factory.mktemp("spark")))
        patch.setenv("INLET_SPARK_MASTER", os.environ.get("INLET_SPARK_MASTER", "local[2]"))
        with (
            servers.prefect(tmp_path_factory.mktemp("prefect")) as server,
            temporary_settings({PREFECT_API_URL: server.api_url}),
        ):
            yield


@dataclass
class Site:
    """A lake, and one source's drops in Raw."""

    lake: Lake
    raws: dict[str, Raw] = field(default_factory=dict)
    source: Source = SOURCE

    @property
    def tables(self) -> Tables:
        return Tables(self.lake.catalog_properties(), self.lake.url())

    def arrives(
        self,
        key: str,
        rows: Rows,
        day: int = 1,
        kind: str = "full",
        revision: int = 1,
        dataset: str = "things",
        part: str = "",
    ) -> None:
        """Put a drop into Raw."""
        as_of = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
        about = {"source": SOURCE.slug, "key": key, "as_of": as_of, "kind": kind, "revision": revision, "part": part}
        drop = Drop.model_validate({**about, "files": ()})
        table, made = SOURCE.table("raw", dataset), raw_schema(COLUMNS)
        own = [dict(zip(made.names, [key, "f", n, *row], strict=False)) for n, row in enumerate(rows, 1)]
        files = write([pa.Table.from_pylist(own, made)], self.tables.folder(table), made, self.lake.fs())
        before = self.raws.get(key)
        fingerprint = f"{key}-{revision}-{dataset}-{before and before.fingerprint}"
        mark = ("drop", key, {"fingerprint": fingerprint, "run": "r"})
        self.tables.replace(table, made, {"_drop": key}, files, mark=mark)
        counts = RawDataset(rows=len(rows), rejected=0, reasons={}, nulls={})
        has = before.datasets if before else {}
        self.raws[key] = Raw(drop=drop, fingerprint=fingerprint, datasets={**has, dataset: counts})

    def knows(self, key: str) -> None:
        """Keep what the drop's rows are like, as `convert` does."""
        rows = self.tables.get(SOURCE.table("raw", "things"))
        assert rows is not None
        here = rows.scan(row_filter=EqualTo("_drop", key)).to_arrow()
        raw = self.raws[key]
        profiles.keep(self.lake, raw.drop, raw.fingerprint, {"things": profile([here], raw_schema(COLUMNS))})

    def do(self, key: str, to: Schema = THING, checks: Checks = CHECKS, by: Any = None, **more: Any) -> Candidate:
        """Transform a drop, as its flow does."""
        with running(Run(source=self.source, lake=self.lake, id="run", **more)):
            return transform(self.raws[key], to, by or BY, checks)

    def fails(self, key: str, **more: Any) -> str:
        with pytest.raises(ChecksFailed) as caught:
            self.do(key, **more)
        return str(caught.value)

    def expects(self, **limits: Any) -> None:
        """Declare what each drop of things is to be like, from now on."""
        things = SOURCE.datasets["things"].model_copy(update={"expect": Expectations(**limits)})
        self.source = SOURCE.model_copy(update={"datasets": {**SOURCE.datasets, "things": things}})

    def plan(self, key: str, **more: Any) -> Step:
        steps: list[Step] = []
        self.do(key, dry=steps, **more)
        [step] = steps
        return step

    def decides(self, verb: Any, drop: str, revision: int | None = None) -> None:
        made = {
            "verb": verb,
            "drop": drop,
            "revision": revision,
            "reason": "looked",
            "actor": "me",
            "at": "2026-01-01T00:00Z",
        }
        decisions.record(self.lake, SOURCE.slug, Decision.model_validate(made))

    def rows(self, table: str) -> list[dict[str, Any]]:
        found = self.tables.get(table)
        rows: list[dict[str, Any]] = found.scan().to_arrow().to_pylist() if found else []
        return rows

    def ids(self, table: str) -> list[str]:
        return sorted(row["id"] for row in self.rows(table))

    def mark(self, table: str, key: str) -> Any:
        return self.tables.marks(table, "drop").get(f"{SOURCE.slug}/{key}")


@pytest.fixture
def site(local_lake: Lake) -> Site:
    return Site(local_lake)


def numbered(count: int, wrong: int = 0) -> list[tuple[str | None, ...]]:
    """Rows, of which the last are such as will be held."""
    return [(f"{n:04}", "x" if n >= count - wrong else "1", None) for n in range(count)]


def test_what_passes_is_in_transformed_and_stays(site: Site) -> None:
    site.arrives("d1", [*numbered(39, wrong=1), ("0001", "1", None)])
    assert site.plan("d1") == Step(drop="d1", stage="transform", why="never done", bytes=site.plan("d1").bytes)
    assert site.plan("d1").bytes > 500
    assert site.tables.get("transformed.thing") is None
    done = site.do("d1")
    assert (done.raw, done.rows, done.held, done.duplicates) == (40, 38, 1, 1)
    assert (done.lost, done.given["n"], done.examples) == ({"n": 1}, 40, {"n": ("a",)})
    assert site.ids("transformed.thing") == [row[0] for row in numbered(38)]
    [held] = site.rows("held.thing")
    assert (held["_record"], held["_reason"]) == (39, "n is required")
    files = site.tables.files("transformed.thing")
    assert site.plan("d1") == Step(drop="d1", stage="transform", why=None)
    assert site.do("d1") == done
    assert site.tables.files("transformed.thing") == files
    assert site.do("d1", force=True) == done
    assert site.tables.files("transformed.thing") != files
    assert site.tables.get("candidate.thing") is None
    site.arrives("d1", numbered(3), revision=2)
    assert site.plan("d1").why == "its inputs or its declaration changed"
    assert site.plan("d1", force=True).why == "forced"
    with get_client(sync_client=True) as client:
        ours = ArtifactFilter(key=ArtifactFilterKey(any_=["the-party-transformed-thing"]))
        [shown, *_] = client.read_artifacts(artifact_filter=ours, sort=ArtifactSort.CREATED_DESC)
    assert "n lost" in str(shown.data)
    assert "n is required" in str(shown.data)


def test_what_fails_is_a_candidate_until_the_limits_let_it_pass(site: Site) -> None:
    site.arrives("d1", numbered(2))
    site.do("d1")
    site.arrives("d1", numbered(40, wrong=4), revision=2)
    said = site.fails("d1")
    assert "the-party d1 to thing: 4 of 40 rows are held, 5.0% may be: 4 × n is required" in said
    assert "held.thing where _source = 'the-party' AND _drop = 'd1'" in said
    assert site.ids("transformed.thing") == ["0000", "0001"]
    assert site.ids("candidate.thing") == [row[0] for row in numbered(36)]
    assert len(site.rows("held.thing")) == 4
    files = site.tables.files("candidate.thing")
    assert all(file.startswith(site.tables.folder("candidate.thing")) and Path(file[7:]).exists() for file in files)
    named = {Path(file).name for file in site.tables.files("transformed.thing")}
    assert {file.name for file in Path(site.tables.folder("transformed.thing")[7:]).rglob("*.parquet")} == named
    assert site.fails("d1") == said
    assert site.tables.files("candidate.thing") == files  # at once: nothing was done again
    assert site.plan("d1") == Step(drop="d1", stage="transform", why="its checks failed, and nobody accepted it")
    done = site.do("d1", checks=Checks(held=0.1, lost=0.1))
    assert (done.rows, done.failures, done.accepted) == (36, (), None)
    assert site.ids("transformed.thing") == [row[0] for row in numbered(36)]
    assert site.rows("candidate.thing") == []
    assert site.mark("candidate.thing", "d1")["failures"] == []
    assert site.do("d1") == done  # what is committed stays


def test_what_is_accepted_is_taken_at_that_revision(site: Site) -> None:
    rows: Rows = [("1", "1", None), ("1", "2", None), ("2", "1", None)]
    site.arrives("d1", rows)
    assert "1 rows contradict another of their key, among them f record 2" in site.fails("d1")
    site.decides("accept", "d1", revision=1)
    done = site.do("d1")
    assert "contradict" in done.failures[0]
    assert done.accepted is not None
    assert "looked" in done.accepted
    assert site.ids("transformed.thing") == ["1", "2"]
    assert [row["_record"] for row in site.rows("held.thing")] == [2]
    assert site.rows("candidate.thing") == []
    assert site.do("d1") == done
    site.arrives("d1", rows, revision=2)
    assert "contradict" in site.fails("d1")
    assert site.mark("transformed.thing", "d1")["revision"] == 1


def test_a_drop_that_is_not_as_expected_waits_until_it_is_accepted(site: Site) -> None:
    site.arrives("d1", numbered(40))
    site.expects(rows=(50, 90))
    said = site.fails("d1")
    assert "the-party d1 to thing: things 40 records, 50 to 90 are expected (look at raw.the_party_things" in said
    assert site.ids("candidate.thing") == [row[0] for row in numbered(40)]
    assert site.tables.get("transformed.thing") is None
    assert site.fails("d1") == said
    assert site.plan("d1").why == "its checks failed, and nobody accepted it"
    site.expects(rows=(30, 90))
    assert site.plan("d1").why == "never done"  # the limits are others
    assert site.do("d1").failures == ()
    site.arrives("d2", numbered(40), 2)
    site.expects(rows=(50, 90))
    assert site.do("d1").failures == ()  # what is committed stays
    site.fails("d2")
    site.decides("accept", "d2", revision=1)
    assert "40 records, 50 to 90 are expected" in site.do("d2").failures[0]
    assert len(site.rows("transformed.thing")) == 80
    others = {"others": Mapping(columns={"id": "id"})}
    site.arrives("d3", [("p0",)], 3, dataset="others")
    site.expects(rows=(50, 90))
    assert site.do("d3", PARENT, by=others).rows == 1  # of another dataset nothing is expected


def test_a_full_drop_is_compared_with_the_full_one_before_it_that_is_not_held(site: Site) -> None:
    for key, count, day, kind in [("a", 20, 1, "full"), ("b", 100, 5, "full"), ("c", 3, 4, "incremental")]:
        site.arrives(key, numbered(count), day, kind)
    site.do("a")
    assert "100 rows, where the last full drop has 20: 100.0% more may be" in site.fails("b")
    site.do("b", checks=Checks(more=9))
    assert site.do("c").rows == 3  # an increment has as many as it has
    site.arrives("d", numbered(21), 3)
    assert site.do("d").rows == 21  # the one before it is a, by what they speak of
    site.arrives("e", numbered(22), 6)
    assert "22 rows, where the last full drop has 100" in site.fails("e")
    site.decides("hold", "b")
    assert site.do("e").rows == 22


def test_a_full_drop_is_compared_with_the_one_before_it_of_its_part(site: Site) -> None:
    for key, count, day, part in [("a", 20, 1, ""), ("b", 100, 2, "B"), ("c", 21, 3, ""), ("d", 50, 4, "B")]:
        site.arrives(key, numbered(count), day, part=part)
    site.do("a")
    old = {name: value for name, value in site.mark("transformed.thing", "a").items() if name != "part"}
    here, name = {"_source": SOURCE.slug, "_drop": "a"}, f"{SOURCE.slug}/a"
    site.tables.replace("transformed.thing", THING.arrow, here, [], mark=("drop", name, old))  # as before parts
    assert site.do("b").rows == 100
    assert site.do("c").rows == 21
    assert "50 rows, where the last full drop has 100: 10.0% fewer may be" in site.fails("d")


def test_a_drop_of_another_part_is_done_again(site: Site) -> None:
    site.arrives("a", numbered(3))
    site.do("a")
    assert site.mark("transformed.thing", "a")["part"] == ""
    raw = site.raws["a"]
    for part in ("A", "B", ""):
        site.raws["a"] = raw.model_copy(update={"drop": raw.drop.model_copy(update={"part": part})})
        assert site.plan("a").why == "its inputs or its declaration changed"
        site.do("a")
        assert site.plan("a").why is None
        assert site.mark("transformed.thing", "a")["part"] == part


def test_what_leads_nowhere_fails_until_it_is_there(site: Site) -> None:
    things = [(f"{n}", "1", f"p{n % 4}") for n in range(8)]
    site.arrives("d1", things)
    done = site.do("d1")
    assert done.unchecked == ("of",)
    parent = {"others": Mapping(columns={"id": "id"})}
    site.arrives("d2", things, 2)
    site.arrives("d2", [("p0",), ("p1",)], 2, dataset="others")
    site.do("d2", PARENT, by=parent)
    assert "2 of 4 values of of are not in parent.id" in site.fails("d2")
    site.arrives("d2", [("p0",), ("p1",), ("p2",)], 2, dataset="others")
    site.do("d2", PARENT, by=parent)
    assert site.do("d2").unchecked == ()  # one value may lead nowhere
    assert len(site.rows("transformed.thing")) == 16


def with_columns(*columns: Column, **change: Any) -> Schema:
    return THING.model_copy(update={"columns": (*THING.columns, *columns), **change})


def test_an_added_column_is_null_in_what_was_there(site: Site) -> None:
    site.arrives("d1", numbered(2))
    site.do("d1")
    site.arrives("d2", numbered(2), 2)
    added = with_columns(Column(name="more", type="array<string>", doc=""))
    by = {"things": Mapping(columns={**BY["things"].columns, "more": "array(n)"})}
    site.do("d2", added, by=by)
    found = sorted((row["_drop"], row["id"], row["more"]) for row in site.rows("transformed.thing"))
    assert found == [("d1", "0000", None), ("d1", "0001", None), ("d2", "0000", ["1"]), ("d2", "0001", ["1"])]
    assert site.do("d1", added, by=by).rows == 2  # its declaration changed: done again
    assert all(row["more"] == ["1"] for row in site.rows("transformed.thing"))


def test_the_report_says_what_did_not_fit_by_file_and_record(site: Site) -> None:
    page = Path(site.lake.path("reports", "the-party", "d1", "things.html"))

    def said() -> str:
        return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.read_text()))

    site.arrives("d1", [*numbered(29), ("0029", "x7", None), ("0030", None, None), ("0001", "2", None)])
    site.fails("d1")
    assert not page.exists()  # what the drop holds is not known
    site.knows("d1")
    site.fails("d1", force=True)
    assert "We found 3 records that cannot be used and 1 column with values that cannot be used." in said()
    assert "2 records : without a valid n See record 30 of f; record 31 of f." in said()
    assert "1 record : each contradicts another record of its key See record 32 of f." in said()
    assert "n 1 of 31 cannot be used record 30 of f ( a9 )" in said()
    taken = {"id": "id", "n": "coalesce(try_cast(n AS int), try_cast(of AS int), 7)"}
    site.fails("d1", by={"things": Mapping(columns=taken)})
    assert "We found 1 record that cannot be used." in said()  # as it is now
    site.do("d1", by={"things": Mapping(columns={"id": "concat(id, _record)", "n": "7"})})
    assert "Nothing is wrong that we can see." in said()
    site.arrives("d1", [*numbered(5), ("0029", None, None)], revision=2)
    site.knows("d1")
    with running(Run(source=site.source, lake=site.lake, id="run")) as run:
        draw(site.raws["d1"], run)
    assert "Nothing is wrong that we can see." in said()  # what was found was of another Raw


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            THING.model_copy(update={"columns": (THING.columns[0], Column(name="n", doc="", required=True))}),
            "transformed.thing: n is int32, not string",
        ),
        (with_columns(key=("id", "n")), "transformed.thing: its key is id, not id, n"),
    ],
    ids=["type", "key"],
)
def test_another_type_or_key_is_refused_before_anything_is_done(site: Site, changed: Schema, said: str) -> None:
    site.arrives("d1", numbered(2))
    site.do("d1")
    files = site.tables.files("transformed.thing")
    by = {"things": Mapping(columns={"id": "id", "n": "n"})}
    with pytest.raises(SchemaChanged, match=said):
        site.do("d1", changed, by=by)
    assert site.tables.files("transformed.thing") == files
    assert site.do("d1", changed.model_copy(update={"version": 2}), by=by).rows == 2
    assert len(site.rows("transformed.thing_v2")) == 2


def test_another_decision_or_key_transforms_anew_and_its_reason_does_not(site: Site) -> None:
    site.arrives("d1", [("1", "2", None)])
    site.do("d1")

    def why(**privacy: Any) -> str | None:
        things = SOURCE.datasets["things"].model_copy(update={"privacy": privacy})
        source, steps = SOURCE.model_copy(update={"datasets": {"things": things}}), list[Step]()
        with running(Run(source=source, lake=site.lake, id="run", dry=steps)):
            transform(site.raws["d1"], THING, BY)
        return steps[0].why

    def saved(key: str) -> None:
        HashKey(key=key).save("people", overwrite=True)  # type: ignore[arg-type,call-arg]

    assert why() is why(n=Keep(why="so it is")) is why(other=Dropped()) is None
    assert why(n=Dropped()) == "its inputs or its declaration changed"
    with pytest.raises(Misconfigured, match="there is no hash key block named 'people'"):
        why(id=Hash(key="people"))
    things = SOURCE.datasets["things"].model_copy(update={"privacy": {"id": Hash(key="people")}})
    source = SOURCE.model_copy(update={"datasets": {"things": things}})
    saved("x" * 32)
    with running(Run(source=source, lake=site.lake, id="run")):
        transform(site.raws["d1"], THING, BY)
    assert site.ids("transformed.thing") == [hmac.new(b"x" * 32, b"1", "sha256").hexdigest()]
    assert why(id=Hash(key="people")) is None
    saved("y" * 32)
    assert why(id=Hash(key="people")) == "its inputs or its declaration changed"
