"""Drops that arrive in any order, are redone, held and released: `current` and `history` are what they say."""

import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from blocks.lake import Lake
from spark.errors import CountMismatch, NothingBefore, TableMoved
from spark.schemas import Column, Schema
from spark.session import session
from spark.tables import Tables
from spark.writer import ParquetWriter
from tasks import decisions, publish
from tasks.decisions import Decision
from tasks.drop import Drop
from tasks.publish import Published, apply, rollback
from tasks.run import Run, running
from tasks.source import Source
from tasks.transform import Candidate
from tests import servers

THING = Schema(
    name="thing",
    doc="For tests.",
    key=("id", "part"),
    columns=(
        Column(name="id", type="string", doc="", required=True),
        Column(name="part", type="int", doc="", required=True),
        Column(name="value", type="string", doc=""),
        Column(name="codes", type="array<string>", doc=""),
    ),
)
DAYS = Schema(
    name="day",
    doc="For tests.",
    key=("day",),
    columns=(
        Column(name="day", type="date", doc="", required=True),
        Column(name="value", type="string", doc=""),
        Column(name="codes", type="array<string>", doc=""),
    ),
)
Kind = Literal["full", "incremental", "deletions"]
KINDS: tuple[Kind, ...] = ("full", "incremental", "deletions")
Rows = dict[tuple[Any, ...], str | None]
START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ("current", "history")


@dataclass
class Site:
    """A lake with one source's drops in Transformed, and the same in dictionaries: (kind, day, what it says); part."""

    lake: Lake
    absent: Literal["kept", "deleted"] = "kept"
    schema: Schema = THING
    slug: str = "party"
    drops: dict[str, tuple[Kind, int, int, Rows]] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    times: int = 0

    @property
    def tables(self) -> Tables:
        return Tables(self.lake.catalog_properties(), self.lake.url())

    def run(self) -> Run:
        self.times += 1
        source = Source(slug=self.slug, at="x", deliveries=(), datasets={}, phi="no", absent=self.absent)
        return Run(source=source, lake=self.lake, id=f"run{self.times}")

    def arrives(self, key: str, kind: Kind, day: int, says: Rows, revision: int = 1, part: str = "") -> None:
        """Commit a drop's rows, by several files and row groups, as the transform does; again, in their place."""
        self.drops[key], self.parts[key] = (kind, day, revision, says), part
        tables, table = self.tables, f"transformed.{self.schema}"
        rows = [
            {"_source": self.slug, "_drop": key, "_file": "f", "_record": n, "_deleted": said is None}
            | dict(zip(self.schema.key, of, strict=True))
            | {"value": said, "codes": None if said is None else [said] * n}
            for n, (of, said) in enumerate(sorted(says.items()), 1)
        ]
        made = pa.Table.from_pylist(rows, self.schema.arrow)
        first = made[self.schema.key[0]].to_pylist()
        cut = next((n for n in range(len(first) // 2, len(first)) if n and first[n] != first[n - 1]), len(first))
        files = []
        for half in (made[:cut], made[cut:]):
            with ParquetWriter(tables.folder(table), self.schema.arrow, self.lake.fs(), row_group=60) as writer:
                for n in range(0, half.num_rows, 2):
                    writer.write(half[n : n + 2])
                files += writer.close()
        mark = self.run().mark(
            publish.fingerprint(repr(says), *([part] if part else [])),
            as_of=(START + timedelta(days=day)).isoformat(),
            kind=kind,
            revision=revision,
            **({"part": part} if part else {}),  # marks of before parts were known have none
        )
        here = {"_source": self.slug, "_drop": key}
        tables.replace(table, self.schema.arrow, here, files, mark=("drop", f"{self.slug}/{key}", mark))

    def decides(self, verb: Literal["hold", "release"], drop: str) -> None:
        (self.held.add if verb == "hold" else self.held.discard)(drop)
        decision = Decision(verb=verb, drop=drop, reason="test", actor="test", at=datetime.now(UTC))
        decisions.record(self.lake, self.slug, decision)

    def apply(self, **more: Any) -> Published:
        return apply(self.schema, self.run(), **{"slab": 700, **more})

    def rows(self, table: str) -> list[dict[str, Any]]:
        """What a reader that knows nothing of us sees of the source."""
        found = self.tables.get(f"{table}.{self.schema}")
        if found is None:
            return []
        rows = found.scan(row_filter=f"_source = '{self.slug}'").to_arrow().to_pylist()
        return sorted(
            rows, key=lambda row: repr((*(row[k] for k in self.schema.key), row["_valid_from"], row["_drop"]))
        )

    def both(self) -> list[list[dict[str, Any]]]:
        return [self.rows(name) for name in NAMES]

    def model(self) -> list[list[tuple[Any, ...]]]:
        """What the drops say, applied one after another: open versions, and closed ones."""
        now: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        closed = []
        of: dict[tuple[Any, ...], str] = {}  # the part of the drop that had the last say
        said = {k: d for k, d in self.drops.items() if k not in self.held}
        for name, (kind, day, _, rows) in sorted(said.items(), key=lambda d: (d[1][1], KINDS.index(d[1][0]), d[1][2])):
            at = START + timedelta(days=day)
            ends = kind == "full" and self.absent == "deleted"
            numbers = {key: n for n, key in enumerate(sorted(rows), 1)}
            absent = {key for key in now.keys() - rows.keys() if ends and of[key] == self.parts[name]}
            for key, value in {**rows, **dict.fromkeys(absent)}.items():
                says = None if value is None else (value, [value] * numbers[key])
                before = now.get(key)
                if before and (before[1:3] != says or of[key] != self.parts[name]):
                    closed.append((*now.pop(key), at, name))
                of[key] = self.parts[name]
                if says is not None and key not in now:
                    now[key] = (key, *says, name, at)
        return [sorted(now.values(), key=repr), sorted(closed, key=repr)]

    def told(self) -> list[list[tuple[Any, ...]]]:
        def one(row: dict[str, Any]) -> tuple[Any, ...]:
            ended = (row["_valid_to"], row["_closed_by"]) if "_valid_to" in row else ()
            key = tuple(row[name] for name in self.schema.key)
            return (key, row["value"], row["codes"], row["_drop"], row["_valid_from"], *ended)

        return [sorted(map(one, rows), key=repr) for rows in self.both()]

    def assert_true(self) -> None:
        assert self.told() == self.model()
        assert len({row[0] for row in self.told()[0]}) == len(self.told()[0]), "a key twice"
        marks = [self.tables.marks(f"{name}.{self.schema}", "source").get(self.slug) for name in NAMES]
        assert marks[0] == marks[1]
        if marks[0]:
            assert marks[0]["applied"].keys() == self.drops.keys() - self.held
        found = self.tables.ranges(f"current.{self.schema}", self.schema.key[0], _source=self.slug)
        ranges = sorted((f.low, f.high) for f in found)
        assert all(one[1] < other[0] for one, other in pairwise(ranges)), "files overlap"
        for file in found:
            table = pq.read_table(self.lake.fs().open(file.url))
            first = table[self.schema.key[0]].to_pylist()
            assert (file.low, file.high) == (min(first), max(first))
            assert table.equals(table.sort_by([(name, "ascending") for name in self.schema.key]))


def site(folder: str | Path, **more: Any) -> Site:
    return Site(Lake(root=f"file://{folder}/lake"), **more)


ids = st.sampled_from(["", "a", "a\0", "ab", "b", "é", "￿", "\U00010000", "z" * 20 + "1", "z" * 20 + "2"])
keys = st.tuples(ids, st.integers(1, 2))
texts = st.sampled_from(["x", "y"])
parts = st.sampled_from(["", "A", "B"])


def says(kind: Kind, of: st.SearchStrategy[tuple[Any, ...]]) -> st.SearchStrategy[Rows]:
    value = {"full": texts, "incremental": st.none() | texts, "deletions": st.none()}[kind]
    return st.dictionaries(of, value, max_size=9)


Step = tuple[Any, ...]


def steps(of: st.SearchStrategy[tuple[Any, ...]]) -> st.SearchStrategy[list[Step]]:
    """Drops that arrive, or come again as something else or of another part, are held, released; and publishes."""
    place = st.sampled_from([(kind, day, revision) for kind in KINDS for day in range(4) for revision in (1, 2)])
    arrival = place.flatmap(lambda p: st.tuples(st.just("arrives"), st.just(p), says(p[0], of), parts))
    redone = st.tuples(st.just("redone"), st.integers(0, 9), st.none() | st.dictionaries(of, texts, max_size=9), parts)
    decided = st.tuples(st.sampled_from(["hold", "release"]), st.integers(0, 9))
    others = st.sampled_from([("publish",), ("publish",), ("again",), ("rebuilt",)])
    return st.lists(arrival | arrival | redone | decided | others, min_size=3, max_size=14)


def play(site: Site, steps: Sequence[Step]) -> None:
    for step in [*steps, ("publish",)]:
        some = list(site.drops)
        match step:
            case ("arrives", (kind, day, revision), rows, part):
                site.arrives(f"{kind}-{day}-{revision}", kind, day, rows, revision, part)
            case ("redone", which, rows, part) if some:
                key = some[which % len(some)]
                kind, day, revision, before = site.drops[key]
                new = before if rows is None else rows if kind == "full" else dict.fromkeys(rows)
                site.arrives(key, kind, day, new, revision, part)
            case ("hold" | "release", which) if some:
                site.decides(step[0], some[which % len(some)])
            case ("publish",) | ("again",):
                done = site.apply(again=step[0] == "again")
                site.assert_true()
                assert done.rows == len(site.rows("current"))
                assert site.apply() == Published(rows=done.rows, applied=())
            case ("rebuilt",):
                site.apply()
                found = site.both()
                with tempfile.TemporaryDirectory() as folder:
                    other = Site(Lake(root=f"file://{folder}/lake"), site.absent, site.schema)
                    for key, (kind, day, revision, rows) in site.drops.items():
                        if key not in site.held:
                            other.arrives(key, kind, day, rows, revision, site.parts[key])
                    other.apply()
                    assert other.both() == found


@pytest.mark.parametrize("absent", ["kept", "deleted"])
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=steps(keys))
def test_current_and_history_are_what_drops_say(absent: Any, steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        play(site(folder, absent=absent), steps)


def letters(some: str, value: str | None = "x", part: int = 1) -> Rows:
    return {(letter, part): value for letter in some}


@pytest.fixture
def party(local_lake: Lake) -> Site:
    """A full drop and an increment, published one after the other."""
    made = Site(local_lake, absent="deleted")
    made.arrives("full", "full", 1, letters("abcdefgh"))
    made.apply()
    made.arrives("more", "incremental", 2, letters("bh", "y") | letters("c", None) | letters("i"))
    made.apply()
    made.assert_true()
    return made


def test_a_rollback_goes_back_publish_by_publish_and_release_brings_all_again(party: Site) -> None:
    two = party.both()
    other = Site(party.lake, slug="other")
    other.arrives("theirs", "incremental", 1, letters("abz", "o"))
    other.apply()
    party.arrives("third", "full", 3, letters("az"))
    party.apply()
    three = party.both()
    other.arrives("more", "incremental", 2, letters("ay", "p"))
    other.apply()
    theirs = other.both()
    assert rollback(THING, party.run()).undone == ("third",)
    assert party.both() == two
    assert rollback(THING, party.run()) == publish.RolledBack(rows=8, undone=("more",))
    assert [row["_drop"] for row in party.rows("current")] == ["full"] * 8
    assert party.rows("history") == []
    with pytest.raises(NothingBefore, match="which is the first"):
        rollback(THING, party.run())
    assert other.both() == theirs
    other.assert_true()
    assert party.apply().applied == ("more", "third")
    assert party.both() == three
    party.assert_true()
    assert rollback(THING, party.run()).undone == ("more", "third")
    assert [row["_drop"] for row in party.rows("current")] == ["full"] * 8


def test_a_rollback_of_a_replay_brings_the_old_content_back(party: Site) -> None:
    before = party.both()
    party.arrives("more", "incremental", 2, letters("d", "z"))
    party.apply()
    party.assert_true()
    assert party.both() != before
    assert rollback(THING, party.run()).undone == ("more",)
    assert party.both() == before
    party.apply()
    party.assert_true()


def test_nothing_to_roll_back(local_lake: Lake) -> None:
    with pytest.raises(NothingBefore, match="party has published nothing to thing"):
        rollback(THING, Site(local_lake).run())


def test_a_rollback_whose_snapshot_is_expired(party: Site) -> None:
    table = party.tables.get("current.thing")
    assert table is not None
    table.maintenance.expire_snapshots().by_id(table.snapshots()[0].snapshot_id).commit()
    with pytest.raises(NothingBefore, match="has been expired"):
        rollback(THING, party.run())
    party.assert_true()


class Killed(BaseException):
    """As by SIGKILL: nothing is cleaned up."""


def killed_before(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next commit to a table does not happen."""
    real = publish.commit

    def dies(run: Run, name: str, *more: Any, **said: Any) -> None:
        if name == table:
            monkeypatch.setattr(publish, "commit", real)
            raise Killed
        real(run, name, *more, **said)

    monkeypatch.setattr(publish, "commit", dies)


@pytest.mark.parametrize("new", [False, True], ids=["same drops", "a new drop"])
@pytest.mark.parametrize("table", ["current.thing", "history.thing"])
def test_killed_before_a_commit_and_run_again(
    party: Site, table: str, new: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "WAIT", 0.1)
    party.arrives("third", "full", 3, letters("az"))
    killed_before(table, monkeypatch)
    with pytest.raises(Killed):
        party.apply()
    if new:
        party.arrives("fourth", "incremental", 4, letters("b"))
    party.apply()
    party.assert_true()
    assert party.apply().applied == ()


def test_a_rollback_that_was_killed_goes_no_further_when_run_again(
    party: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = party.both()
    party.arrives("third", "full", 3, letters("az"))
    party.apply()
    killed_before("history.thing", monkeypatch)
    with pytest.raises(Killed):
        rollback(THING, party.run())
    assert party.both() != before
    assert rollback(THING, party.run()) == publish.RolledBack(rows=len(before[0]), undone=("third",))
    assert party.both() == before


def test_a_publish_that_was_killed_can_be_rolled_back(party: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    before = party.both()
    party.arrives("third", "full", 3, letters("az"))
    killed_before("history.thing", monkeypatch)
    with pytest.raises(Killed):
        party.apply()
    assert rollback(THING, party.run()).undone == ("third",)
    assert party.both() == before


def test_publishers_that_race(party: Site) -> None:
    """Each drop by a publisher of its own, all at once; who finds the table moved looks again."""
    for n in range(3):
        party.arrives(f"d{n}", "incremental", 3 + n, letters("abz"[n:], f"v{n}"))
    gate = threading.Barrier(3)
    failed: list[BaseException] = []

    def publisher() -> None:
        gate.wait()
        for _ in range(20):
            try:
                party.apply()
                return
            except TableMoved:
                continue
            except BaseException as error:
                failed.append(error)
                return
        failed.append(AssertionError("it never came to an end"))

    racers = [threading.Thread(target=publisher) for _ in range(3)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert failed == []
    party.apply()
    party.assert_true()


def test_who_finds_current_without_its_history_waits_for_the_other(
    party: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    party.arrives("third", "incremental", 3, letters("az", "y"))
    party.arrives("fourth", "incremental", 4, letters("q"))
    real, between = publish.commit, threading.Event()

    def slow(run: Run, name: str, *more: Any, **said: Any) -> None:
        if name == "history.thing" and not between.is_set():
            between.set()
            other.join(0.5)
        real(run, name, *more, **said)

    monkeypatch.setattr(publish, "commit", slow)
    done: list[Published] = []

    def publisher() -> None:
        between.wait()
        done.append(party.apply())

    other = threading.Thread(target=publisher)
    other.start()
    party.apply()
    other.join()
    assert [one.written for one in done] == [0]  # it found all done
    party.assert_true()


def test_spark_does_the_same_and_is_not_started_for_little(
    party: Site, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    servers.require("java", "there is no Java")
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path_factory.mktemp("spark")))  # other tests have the same session
    asked: list[SparkSession] = []

    def counted(environment: Any, large: bool) -> SparkSession:
        asked.append(session(environment, large=large))
        return asked[-1]

    monkeypatch.setattr(publish, "session", counted)
    party.arrives("third", "incremental", 3, letters("agz", "y"))
    party.apply()
    assert not asked
    party.assert_true()
    party.arrives("fourth", "incremental", 4, letters("bhz", "w"))
    party.apply(spark_from=0)
    assert len(asked) == 1
    party.assert_true()


def test_a_day_as_key(local_lake: Lake) -> None:
    days = Site(local_lake, schema=DAYS)
    for n in range(4):
        rows: Rows = {((START + timedelta(days=d * 37 - 20_000)).date(),): f"v{n}" for d in range(n, 40, n + 1)}
        days.arrives(f"d{n}", "incremental", n, rows)
        days.apply()
        days.assert_true()
    assert len(days.tables.files("current.day")) > 3


def test_a_source_that_names_its_parts_later(local_lake: Lake) -> None:
    """A year restated ends nothing of another year; who had none when a drop was published is asked again."""
    years = Site(local_lake, absent="deleted")
    years.arrives("2019", "full", 1, letters("abc"))
    years.arrives("2020", "full", 2, letters("xyz"))
    years.apply()
    years.assert_true()
    assert [row["id"] for row in years.rows("current")] == ["x", "y", "z"]  # all of it, as far as was said
    years.arrives("2020", "full", 2, letters("xyz"), part="2020")
    assert years.apply().applied == ("2020",)
    years.assert_true()
    assert [row["id"] for row in years.rows("current")] == ["a", "b", "c", "x", "y", "z"]
    years.arrives("2019", "full", 1, letters("abc"), part="2019")
    years.arrives("2019 restated", "full", 3, letters("ab"), part="2019")
    assert years.apply().applied == ("2019", "2019 restated")
    years.assert_true()
    assert [row["id"] for row in years.rows("current")] == ["a", "b", "x", "y", "z"]
    years.arrives("2019 corrected", "incremental", 4, letters("x"), part="2019")
    years.arrives("2020 restated", "full", 5, letters("y"), part="2020")
    years.apply()
    years.assert_true()
    assert [row["id"] for row in years.rows("current")] == ["a", "b", "x", "y"]


def test_what_does_not_add_up_is_not_committed(party: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    real, before = publish.engine.total, party.both()
    monkeypatch.setattr(publish.engine, "total", lambda done: real(done).model_copy(update={"opened": 99}))
    party.arrives("third", "incremental", 3, letters("q"))
    with pytest.raises(CountMismatch, match="of 8 rows 0 ended and 99 were opened, but there would be 9"):
        party.apply()
    assert party.both() == before


def test_a_dry_run_says_what_would_be_done_and_does_nothing(party: Site) -> None:
    def planned(key: str, **more: Any) -> list[tuple[str, str | None, bool]]:
        steps: list[Any] = []
        kind, day, revision, rows = party.drops[key]
        drop = Drop(source="party", key=key, as_of=START + timedelta(days=day), kind=kind, revision=revision, files=())
        with running(replace(party.run(), dry=steps, **more)):
            publish.publish(Candidate(drop=drop, to=THING, fingerprint=publish.fingerprint(repr(rows))))
        return [(step.stage, step.why, step.bytes > 0) for step in steps]

    before = party.both()
    party.arrives("third", "incremental", 3, letters("z"))
    assert planned("more") == [("publish", None, True)]
    assert planned("third") == [("publish", "never done", True)]
    assert planned("more", force=True) == [("publish", "forced", True)]
    party.arrives("more", "incremental", 2, letters("q"))
    assert planned("more") == [("publish", "its inputs or its declaration changed", True)]
    party.decides("hold", "more")
    assert planned("more") == [("publish", None, True)]
    assert party.both() == before


def test_what_is_forced_by_many_runs_at_once_is_made_anew_once(party: Site) -> None:
    """Every drop's run of a forced backfill publishes; what one has made anew since another began is done."""
    before = party.both()
    early = replace(party.run(), force=True)
    kind, day, revision, rows = party.drops["more"]
    drop = Drop(source="party", key="more", as_of=START + timedelta(days=day), kind=kind, revision=revision, files=())
    more = Candidate(drop=drop, to=THING, fingerprint=publish.fingerprint(repr(rows)))

    def publishes(run: Run) -> str:
        with running(run):
            steps: list[Any] = []
            with running(replace(run, dry=steps)):
                publish.publish(more)
            return str(steps[0].why)

    assert publishes(early) == "forced"
    party.apply(again=True)
    assert publishes(early) == "None"
    assert publishes(replace(party.run(), force=True)) == "forced"
    assert party.both() == before


@pytest.mark.parametrize("drop", [None, "third"], ids=["the source", "a drop"])
def test_what_is_held_while_it_is_published_gets_in_nowhere(
    party: Site, drop: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = party.both()
    party.arrives("third", "incremental", 3, letters("az", "y"))
    real = publish.engine.merge

    def slow(*some: Any, **more: Any) -> Any:
        done = real(*some, **more)
        decision = Decision(verb="hold", drop=drop, reason="test", actor="test", at=datetime.now(UTC))
        decisions.record(party.lake, party.slug, decision)
        return done

    with monkeypatch.context() as patch:
        patch.setattr(publish.engine, "merge", slow)
        with pytest.raises(TableMoved, match="held or released while"):
            party.apply()
    assert party.apply().applied == ()
    assert party.both() == before


def test_a_rollback_to_what_is_expired_meanwhile_is_refused(party: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    party.arrives("third", "incremental", 3, letters("az", "y"))
    party.apply()
    before = party.both()
    real = publish.commit

    def late(run: Run, table: str, *more: Any, **said: Any) -> None:
        live = party.tables.get(table)
        assert live is not None
        live.maintenance.expire_snapshots().by_id(more[5]).commit()
        real(run, table, *more, **said)

    monkeypatch.setattr(publish, "commit", late)
    with pytest.raises(ValueError, match="snapshot"):
        rollback(THING, party.run())
    assert party.both() == before
