"""The operator's verbs on lakes that are as the stages leave them: what is refused, and what `current` says then."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from blocks.lake import Lake
from spark.errors import TooManyRejected
from spark.readers import Csv
from spark.schemas import Organization, Provider, Schema
from spark.tables import Mark
from spark.writer import write
from tasks import decisions, manifest, operate, publish
from tasks.decisions import Decision, Refused
from tasks.drop import Drop
from tasks.manifest import Manifest, Revision
from tasks.operate import By, Change
from tasks.run import Run
from tasks.source import Dataset, Delivery, Source
from tasks.status import standing
from tests.tasks.test_convert import Feed
from tests.tasks.test_convert import source as acme

ANA = By(actor="ana@example.org", reason="columns have moved")
FIRST = datetime(2026, 11, 1, tzinfo=UTC)

Says = dict[str, str | None]
"""What a drop says of identifiers: a name, None: that it is gone."""


def source(slug: str = "acme") -> Source:
    return Source(
        slug=slug,
        at=slug,
        deliveries=(Delivery(kind="incremental", names=r"(?P<date>\d{8})\..*", dated="%Y%m%d"),),
        datasets={"claims": Dataset(members=".*", reader=Csv())},
        phi="no",
    )


class Site:
    """A source in a lake: drops that landed and were brought as far as `current`; the day of a drop is its key."""

    def __init__(self, lake: Lake, slug: str = "acme") -> None:
        self.lake, self.slug = lake, slug
        self.run = Run(source=source(slug), lake=lake, id="run-1")

    def landed(self, day: int, *, revision: int = 1, finished: int = 0, failed: str | None = None) -> Drop:
        made = [
            Revision(number=n, as_of=FIRST + timedelta(day), kind="incremental", files=(), run="run-1", landed_at=FIRST)
            for n in range(1, revision + 1)
        ]
        now = Manifest(source=self.slug, drop=f"{day:02}", revisions=tuple(made), finished=finished, failed=failed)
        found = manifest.read(self.lake, self.slug, now.drop)
        manifest.write(self.lake, now, found[1] if found else None)
        return now.as_drop()

    def transformed(
        self, day: int, says: Says, schema: Schema = Provider, zone: str = "transformed", **more: object
    ) -> Mark:
        """Leave in a table of all sources what a drop says, and its mark."""
        key, of = schema.key[0], {"_source": self.slug, "_drop": f"{day:02}", "_file": "f.csv"}
        rows = [
            of | {"_record": n, "_deleted": said is None, key: id, "name": said}
            for n, (id, said) in enumerate(sorted(says.items()), 1)
        ]
        name, files = f"{zone}.{schema}", []
        if rows:
            table = pa.Table.from_pylist(rows, schema.arrow)
            files = write([table], self.run.tables.folder(name), schema.arrow, self.lake.fs())
        mark = self.run.mark(
            repr(says),
            rows=len(rows),
            as_of=(FIRST + timedelta(day)).isoformat(),
            kind="incremental",
            revision=1,
            **more,
        )
        where = {name: of[name] for name in ("_source", "_drop")}
        self.run.tables.replace(name, schema.arrow, where, files, mark=("drop", f"{self.slug}/{day:02}", mark))
        return mark

    def bring(self, day: int, says: Says, schema: Schema = Provider) -> None:
        """All stages of a drop, but without a file that it came from."""
        self.landed(day, finished=1)
        self.transformed(day, says, schema)
        publish.apply(schema, self.run)

    def current(self, schema: Schema = Provider) -> Says:
        urls = self.run.tables.files(f"current.{schema}", _source=self.slug)
        rows = [row for url in urls for row in pq.read_table(url.removeprefix("file://")).to_pylist()]
        return {row[schema.key[0]]: row["name"] for row in rows}

    @property
    def made(self) -> list[tuple[str, str | None]]:
        return [(d.verb, d.drop) for d in decisions.read(self.lake, self.slug).made]


@pytest.fixture
def site(local_lake: Lake) -> Site:
    return Site(local_lake)


@pytest.fixture
def two(site: Site) -> Site:
    """Two drops are in `current`: the second has renamed 1 and taken 2 away."""
    site.bring(1, {"1": "a", "2": "b"})
    site.bring(2, {"1": "moved", "2": None})
    assert site.current() == {"1": "moved"}
    return site


def test_a_held_drop_has_no_say_until_it_is_released(two: Site) -> None:
    outcome = operate.hold(two.run, ANA, ["02"])
    assert two.current() == {"1": "a", "2": "b"}
    assert outcome.done == "acme 02 is held: current.provider 2 rows, before 1"
    assert outcome.then == "Until: inlet release acme 02 --reason …"
    assert outcome.tables == (Change(table="current.provider", before=1, after=2),)
    (hold,) = decisions.read(two.lake, "acme").made
    assert (hold.actor, hold.reason, hold.found) == (ANA.actor, ANA.reason, "current.provider 2 rows, before 1")
    two.bring(3, {"3": "c"})
    assert two.current() == {"1": "a", "2": "b", "3": "c"}
    outcome = operate.release(two.run, ANA, ["02"])
    assert two.current() == {"1": "moved", "3": "c"}
    assert (outcome.done, outcome.then) == ("acme 02 is released: current.provider 2 rows, before 3", None)
    assert two.made == [("hold", "02"), ("release", "02")]


def test_every_schema_that_a_drop_speaks_of_is_published(two: Site) -> None:
    two.transformed(2, {"x": "X"}, Organization)
    publish.apply(Organization, two.run)
    other = Site(two.lake, "other")
    other.bring(2, {"9": "z"})
    before = {name: two.run.tables.marks(f"current.{name}", "source")["other"] for name in ["provider"]}
    outcome = operate.hold(two.run, ANA, ["02"])
    assert {change.table for change in outcome.tables} == {"current.provider", "current.organization"}
    assert two.current(Organization) == {}
    assert outcome.done == "acme 02 is held: current.provider 2 rows, before 1; current.organization 0 rows, before 1"
    assert other.current() == {"9": "z"}
    assert before["provider"] == two.run.tables.marks("current.provider", "source")["other"]


def test_a_drop_that_is_not_there_yet_is_held_and_then_brought_in(site: Site) -> None:
    site.landed(1, failed="Damaged: x")
    outcome = operate.hold(site.run, ANA, ["01", "01"])
    assert outcome.done == "acme 01 is held: current stays as it is"
    assert site.made == [("hold", "01")]
    outcome = operate.release(site.run, ANA, ["01"])
    assert outcome.then == "The next run brings in 01: prefect deployment run acme/ingest -p drops=01"


def test_while_all_is_held_nothing_is_published(two: Site) -> None:
    outcome = operate.hold(two.run, ANA)
    assert outcome.done == "acme is held: current stays as it is"
    outcome = operate.hold(two.run, ANA, ["02"])
    assert outcome.then is not None
    assert outcome.then.startswith("All of acme is held, so it counts once that is released: columns have moved (ana@")
    assert two.current() == {"1": "moved"}
    outcome = operate.release(two.run, ANA)
    assert two.current() == {"1": "a", "2": "b"}
    assert outcome.then == "The next run brings in what is new: prefect deployment run acme/ingest"


def nobody(by: By) -> By:
    return by.model_copy(update={"actor": " "})


REFUSED: tuple[tuple[Callable[[Run], object], str], ...] = (
    (lambda run: operate.hold(run, ANA, ["20"]), "acme has no drop '20', only 02, 01"),
    (lambda run: operate.hold(run, ANA, ["1", "01"]), "acme has no drop '1', only 01 and 1 more"),
    (lambda run: operate.release(run, ANA), "acme is not held; nothing is"),
    (lambda run: operate.release(run, ANA, ["01"]), "acme 01 is not held; nothing is"),
    (lambda run: operate.accept(run, ANA, []), "accept wants a drop"),
    (lambda run: operate.accept(run, ANA, ["1"]), "acme has no landed drop '1', only 01 and 1 more"),
    (lambda run: operate.accept(run, ANA, ["01"]), "acme 01 went all the way: there is nothing to accept"),
    (lambda run: operate.rollback(run, ANA, "claim"), "acme has published to no schema 'claim', only provider"),
    (
        lambda run: operate.rollback(run, ANA, "providers"),
        "acme has published to no schema 'providers', only provider",
    ),
    (lambda run: operate.purge(run, ANA, confirm=None), "purge removes all of acme from "),
    (lambda run: operate.purge(run, ANA, confirm="acm"), "purge removes all of acme from "),
    (lambda run: operate.hold(run, By(actor="ana")), "hold wants a reason"),
    (lambda run: operate.hold(run, By(actor="ana", reason="  x ")), "hold wants a reason"),
    (lambda run: operate.optimise(run, By(actor="ana", reason="x")), "optimise wants a reason"),
    (lambda run: operate.rollback(run, nobody(ANA), "provider"), "rollback wants an actor"),
    (lambda run: operate.known("acmee"), "there is no source 'acmee', only "),
)


def test_what_cannot_be_is_refused_and_changes_nothing(two: Site) -> None:
    before = two.current()
    for does, error in REFUSED:
        with pytest.raises(Refused) as refused:
            does(two.run)
        assert str(refused.value).startswith(error)
        assert "\n" not in str(refused.value)
    assert two.current() == before
    assert two.made == []


def test_what_was_done_is_not_done_twice(two: Site) -> None:
    operate.hold(two.run, ANA)
    operate.hold(two.run, ANA, ["01"])
    for drops, name in (([], "acme"), (["01"], "acme 01"), (["02", "01"], "acme 01")):
        with pytest.raises(Refused, match=rf"^{name} is held already: columns have moved \(ana@example.org, "):
            operate.hold(two.run, ANA, drops)
    with pytest.raises(Refused, match=r"^acme 02 is not held; acme and 01 are$"):
        operate.release(two.run, ANA, ["02"])
    operate.release(two.run, ANA)
    with pytest.raises(Refused, match=r"^acme is released already: "):
        operate.release(two.run, ANA)


def test_a_verb_that_was_killed_is_done_by_saying_it_again(two: Site) -> None:
    """It was recorded, and nothing was published."""
    killed = Decision(verb="hold", drop="02", actor="ana", reason="columns", at=FIRST)
    decisions.record(two.lake, "acme", killed)
    (stands,) = standing([two.run.source], two.lake)
    assert f"acme: not known to be done, so do it again: {killed}" in stands.notes()
    assert two.current() == {"1": "moved"}
    operate.hold(two.run, ANA, ["02"])
    assert two.current() == {"1": "a", "2": "b"}
    (stands,) = standing([two.run.source], two.lake)
    assert [note.split(": ")[0] for note in stands.notes()] == ["acme 02 is held"]


def test_another_run_that_publishes_meanwhile_wins_nothing(two: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commit comes between what the verb has looked at and its own commit, which is then done again."""
    two.landed(3, finished=1)
    two.transformed(3, {"3": "c"})
    commit, raced = publish.commit, list[str]()

    def late(run: Run, table: str, *more: Any, **said: str) -> None:
        if not raced:
            raced.append(table)
            other = Run(source=run.source, lake=run.lake, id="run-2")
            with monkeypatch.context() as patch:  # a run that does not know of the hold yet
                patch.setattr(decisions, "read", lambda lake, slug: decisions.Decisions(source=slug))
                publish.apply(Provider, other)
        commit(run, table, *more, **said)

    monkeypatch.setattr(publish, "commit", late)
    operate.hold(two.run, ANA, ["02"])
    assert raced
    assert two.current() == {"1": "a", "2": "b", "3": "c"}


def test_accepted_is_a_revision_and_it_takes_effect_at_the_next_run(site: Site) -> None:
    drop = site.landed(1, revision=2, finished=1, failed="TooManyRejected: acme 01 claims: 3 of 9 records")
    outcome = operate.accept(site.run, ANA, ["01"])
    assert outcome.done == "acme 01 (revision 2) is accepted"
    run = "prefect deployment run acme/ingest -p drops=01 -p start_from=landed"
    assert outcome.then == f"It takes effect at the next run: {run}"
    now = decisions.read(site.lake, "acme")
    assert now.accepted(drop) == now.made[0]
    with pytest.raises(Refused, match=r"^acme 01 is accepted already: columns have moved"):
        operate.accept(site.run, ANA, ["01"])
    assert now.accepted(site.landed(1, revision=3, finished=1, failed="TooManyRejected: more")) is None
    operate.accept(site.run, ANA, ["01"])


def test_a_drop_whose_checks_failed_is_accepted_from_raw_on(site: Site) -> None:
    for day in (1, 2, 3):
        site.landed(day, failed="ChecksFailed: …", revision=2 if day == 3 else 1)
    site.transformed(1, {"1": "a"}, zone="candidate", failures=["5 of 9 rows are held"])
    site.transformed(2, {}, zone="candidate", failures=[])  # it has passed since, and failed otherwise
    site.transformed(3, {"1": "a"}, zone="candidate", failures=["5 of 9 rows are held"])  # in the revision before
    zones = [(operate.accept(site.run, ANA, [f"{day:02}"]).then or "")[-8:].strip("=") for day in (1, 2, 3)]
    assert zones == ["from=raw", "m=landed", "m=landed"]
    site.landed(4, failed="ChecksFailed: …")
    site.landed(5, failed="ChecksFailed: …")
    outcome = operate.accept(site.run, ANA, ["04", "05"])
    assert outcome.done == "acme 04 (revision 1) and 05 (revision 1) are accepted"
    assert outcome.then is not None
    assert outcome.then.endswith("""run acme/ingest -p 'drops=["04", "05"]' -p start_from=landed""")


def test_an_accepted_drop_is_taken_over_its_reject_limit(local_lake: Lake, caplog: pytest.LogCaptureFixture) -> None:
    feed, site = Feed(local_lake, acme()), Site(local_lake)
    site.landed(1)
    bad = b"a,b\n1,x\nragged\n2,y\n"
    with pytest.raises(TooManyRejected) as refused:
        feed.bring(1, bad)
    site.landed(1, failed=f"TooManyRejected: {refused.value}")
    operate.accept(site.run, ANA, ["01"])
    with caplog.at_level(logging.INFO, "inlet"):
        assert (feed.bring(1, bad).rows, feed.bring(1, bad).rejected) == (2, 1)
    assert any("1 of 3 records" in said and "columns have moved (ana@example.org" in said for said in caplog.messages)
    assert "columns have moved" in feed.mark(1)["accepted"]
    site.landed(2)
    with pytest.raises(TooManyRejected):
        feed.bring(2, bad)


def test_a_rollback_holds_the_source_and_a_release_publishes_what_is_right(two: Site) -> None:
    outcome = operate.rollback(two.run, ANA, "provider")
    assert two.current() == {"1": "a", "2": "b"}
    assert outcome.done == "acme is rolled back and held, 02 undone: current.provider 2 rows, before 1"
    now = decisions.read(two.lake, "acme")
    assert [(d.verb, d.table, d.reason, d.found is not None) for d in now.made] == [
        ("hold", None, ANA.reason, True),
        ("rollback", "current.provider", ANA.reason, True),
    ]
    assert now.held == now.made[0]
    operate.hold(two.run, ANA, ["02"])
    two.landed(3, finished=1)
    two.transformed(3, {"3": "c"})
    operate.release(two.run, ANA)
    assert two.current() == {"1": "a", "2": "b", "3": "c"}


def test_a_rollback_with_nothing_before_leaves_the_source_held(site: Site) -> None:
    site.bring(1, {"1": "a"})
    with pytest.raises(Refused, match=r"^acme is held, but not rolled back: .* there is nothing before"):
        operate.rollback(site.run, ANA, "provider")
    assert site.current() == {"1": "a"}
    now = decisions.read(site.lake, "acme")
    assert [d.verb for d in now.made] == ["hold", "rollback"]
    assert (now.held, now.interrupted) == (now.made[0], [])
    with pytest.raises(Refused, match="not rolled back"):
        operate.rollback(site.run, ANA, "provider")
    assert [d.verb for d in decisions.read(site.lake, "acme").made] == ["hold", "rollback", "rollback"]


def test_a_purge_holds_the_source_and_leaves_what_was_decided(two: Site) -> None:
    other = Site(two.lake, "other")
    other.bring(1, {"9": "z"})
    outcome = operate.purge(two.run, ANA, confirm="acme")
    assert outcome.done.startswith("acme is purged and held: ")
    assert two.current() == {}
    assert manifest.landed(two.lake, two.run.source) == {}
    assert other.current() == {"9": "z"}
    now = decisions.read(two.lake, "acme")
    assert [d.verb for d in now.made] == ["hold", "purge"]
    assert now.held
    assert outcome.done.endswith(now.made[1].found or "?")
    assert operate.purge(two.run, ANA, confirm="acme").done == "acme is purged and held: nothing there"


def test_what_is_routine_is_recorded_where_it_did_something(two: Site) -> None:
    for day in (1, 2, 3):
        two.transformed(day, {f"{day}": "x"}, zone="held")
        Site(two.lake, "other").transformed(day, {f"{day}": "x"}, zone="held")
    ana = By(actor="ana")
    outcome = operate.optimise(two.run, ana)
    assert outcome.done == "acme: 3 data files joined to 1 in held.provider"
    held = {slug: len(two.run.tables.files("held.provider", _source=slug)) for slug in ("acme", "other")}
    assert held == {"acme": 1, "other": 3}  # and each file is of one source
    assert len(two.run.tables.files("transformed.provider", _source="acme")) == 2
    assert operate.optimise(two.run, ana).done == "acme has no small files to join"
    assert operate.expire(two.run, ana).done == "acme has no snapshots to expire"
    outcome = operate.expire(two.run, ana, older_than=timedelta(0))
    assert "snapshots and " in outcome.done
    assert two.made == [("optimise", None), ("expire", None)]
    assert [d.reason for d in decisions.read(two.lake, "acme").made] == [None, None]


def test_how_a_source_stands(two: Site) -> None:
    two.landed(3, failed="Damaged: 03.csv")
    two.landed(4, failed="ChecksFailed: …")
    two.landed(5, failed="ChecksFailed: …")
    for day in (4, 5):
        two.transformed(day, {"7": "g"}, zone="candidate", failures=["3 of 9 rows are held", "1 key contradicts"])
    operate.hold(two.run, ANA, ["01"])
    operate.accept(two.run, ANA, ["05"])
    (stands,) = standing([two.run.source], two.lake)
    assert [(c.table, c.rows) for c in stands.current] == [("current.provider", 1)]
    at = stands.current[0].at
    assert at is not None
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=5)
    assert (stands.landed, stands.last_drop, stands.unfinished) == (5, "05", ["03", "04", "05"])
    notes = [note.partition(" (ana@example.org, ")[0] for note in stands.notes()]
    assert notes == [
        "acme 01 is held: columns have moved",
        "acme 04 failed its checks: 3 of 9 rows are held; 1 key contradicts",
        "acme 05 failed its checks: 3 of 9 rows are held; 1 key contradicts",
        "acme 03 failed: Damaged: 03.csv",
        "acme 05 is accepted, for the next run: columns have moved",
    ]


def test_a_publish_long_ago_is_known_while_a_snapshot_says_so(two: Site) -> None:
    """And what is published to one schema does not count for another source in it."""
    other = Site(two.lake, "other")
    other.bring(1, {"9": "z"})
    mine, others = standing([two.run.source, other.run.source], two.lake)
    assert mine.current[0].at is not None
    assert others.current[0].at is not None
    assert mine.current[0].at < others.current[0].at
    operate.expire(two.run, ANA, older_than=timedelta(0))
    (again,) = standing([two.run.source], two.lake)
    assert again.current[0].at in {mine.current[0].at, None}
