"""Which drops a run does, which of their stages and why, how that is shown, and that it changes nothing."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from blocks.drive import Drive
from blocks.lake import Lake
from spark.errors import Damaged
from spark.readers import Csv
from spark.tables import Tables
from tasks import manifest
from tasks.convert import convert, to_raw
from tasks.decisions import Decision
from tasks.discover import Pending
from tasks.manifest import Manifest, Revision
from tasks.plan import Chosen, Plan, Work, choose, period, plan, size
from tasks.profile import profile
from tasks.run import Run, Step, running
from tasks.source import Dataset, Drop, Kind, Offered, Source
from tasks.transfer import land, transfer
from tasks.unwrap import unwrap

ACME = Source(
    slug="acme",
    at="acme",
    deliveries=(),
    datasets={"claims": Dataset(members=r"claims.*", reader=Csv()), "members": Dataset(members=r"m.*", reader=Csv())},
    phi="no",
    quiet=None,
)
NEW_YORK = ACME.model_copy(update={"zone": "America/New_York"})
HOLD = Decision(verb="hold", drop="2026-11", reason="wrong year", actor="ann", at=datetime(2026, 11, 9, 8, tzinfo=UTC))

# key, kind, UTC instant (midnight in New York), whether it went all the way
LANDED: list[tuple[str, Kind, datetime, bool]] = [
    ("2026-11", "full", datetime(2026, 11, 8, 5, tzinfo=UTC), True),
    ("2026-11-08", "incremental", datetime(2026, 11, 8, 5, tzinfo=UTC), True),
    ("deactivated-2026-11-08", "deletions", datetime(2026, 11, 8, 5, tzinfo=UTC), True),
    ("2026-11-01", "incremental", datetime(2026, 11, 1, 4, tzinfo=UTC), True),  # before the clocks changed
    ("2026-12", "full", datetime(2026, 12, 31, 5, tzinfo=UTC), False),
    ("2015-03", "full", datetime(2015, 3, 8, 5, tzinfo=UTC), True),
]
ALL = ["2015-03", "2026-11-01", "2026-11", "2026-11-08", "deactivated-2026-11-08", "2026-12"]


@pytest.fixture
def run(local_lake: Lake) -> Run:
    for key, kind, as_of, finished in LANDED:
        revision = Revision(number=1, as_of=as_of, kind=kind, offered=(), files=(), run="run", landed_at=as_of)
        made = Manifest(source="acme", drop=key, revisions=(revision,), finished=int(finished))
        manifest.write(local_lake, made, None)
    return Run(source=NEW_YORK, lake=local_lake, id="run-00000001", start_from="landed")


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2025", "2025-01-01", "2026-01-01"),
        (2025, "2025-01-01", "2026-01-01"),
        ("2025-12", "2025-12-01", "2026-01-01"),
        ("2025-11", "2025-11-01", "2025-12-01"),
        ("2025-12-31", "2025-12-31", "2026-01-01"),
        ("2024-02-28", "2024-02-28", "2024-02-29"),
        ("2024-02", "2024-02-01", "2024-03-01"),
    ],
)
def test_period(text: str | int, start: str, end: str) -> None:
    assert period(text) == (datetime.fromisoformat(start), datetime.fromisoformat(end))


@pytest.mark.parametrize("text", ["", "soon", "2025-13", "2025-02-30", "25", 202512, "2025-01-01T00:00", "2025/01", -1])
def test_what_is_no_period(text: str | int) -> None:
    with pytest.raises(ValueError, match="is no day, month or year, such as 2025-12-31, 2025-12 or 2025"):
        period(text)


@pytest.mark.parametrize(
    ("chosen", "keys"),
    [
        ({}, ALL),
        ({"drops": []}, ALL),
        ({"drops": ""}, ALL),
        ({"drops": "2026-11"}, ["2026-11"]),
        ({"drops": ["deactivated-2026-11-08", "2015-03"]}, ["2015-03", "deactivated-2026-11-08"]),
        ({"since": 2026}, ALL[1:]),
        ({"since": "2026-11-08"}, ALL[2:]),
        ({"since": "2026-11-09"}, ["2026-12"]),
        ({"until": "2026-11-08"}, ALL[:5]),
        ({"until": "2026-11-07"}, ALL[:2]),
        ({"until": "2026-12"}, ALL),
        ({"since": "2026-11", "until": "2026-11-01"}, ["2026-11-01"]),
        ({"since": "2027"}, []),
        ({"drops": "2026-12", "until": "2026-11"}, []),
    ],
)
def test_drops_are_chosen_by_key_and_period(run: Run, chosen: dict[str, Any], keys: list[str]) -> None:
    assert [drop.key for drop in choose(run, **chosen).drops] == keys


@pytest.mark.parametrize(
    ("drops", "why"),
    [
        ("2026-1", r"2026-1: neither offered nor landed \(there is 2026-1"),
        (["2026-11", "2026_12"], r"^acme cannot do 2026_12: neither offered nor landed \(there is 2026-12"),
        ("x", r"x: neither offered nor landed \(there is 2026-12, deactivated-2026-11-08, 2026-11-08\)$"),
    ],
)
def test_an_unknown_key_is_answered_with_known_ones(run: Run, drops: str | list[str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        choose(run, drops)


def test_an_empty_lake_has_no_plan_and_no_keys(local_lake: Lake) -> None:
    run = Run(source=NEW_YORK, lake=local_lake, id="run-00000001", start_from="raw")
    assert choose(run).drops == ()
    with pytest.raises(ValueError, match=r"acme cannot do 2026-11: neither offered nor landed$"):
        choose(run, "2026-11")


def test_what_is_held_is_left_out_and_no_selection(run: Run) -> None:
    held = {"2026-11": HOLD, "elsewhere": HOLD}
    found = choose(run, since=2026, held=held)
    assert [drop.key for drop in found.drops] == [key for key in ALL[1:] if key != "2026-11"]
    assert found.held == {"2026-11": HOLD}
    assert choose(run, until=2020, held=held).held == {}  # of those that would be done
    why = r"^acme cannot do 2026-11: held: wrong year \(ann, 2026-11-09 08:00 UTC\); "
    with pytest.raises(ValueError, match=why + "first: inlet release acme 2026-11 --reason …"):
        choose(run, ["2026-11", "2015-03"], held=held)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


def offer(outside: Path, key: str = "2026-11", revision: int = 1, **files: bytes) -> Drop:
    """A drop of files that the party has from now on."""
    for name, data in files.items():
        (outside / f"{name}.csv").write_bytes(data)
    with Drive(path=outside).connect() as remote:
        listed = [Offered(**file.model_dump()) for file in remote.list()]
    as_of = datetime(2026, 11, 8, tzinfo=UTC)
    return Drop(source="acme", key=key, as_of=as_of, kind="full", revision=revision, files=tuple(listed))


def life(drop: Drop) -> None:
    profile(convert(unwrap(transfer(drop), expect=[])))


def bring(run: Run, drop: Drop, outside: Path, to: str = "raw") -> Drop:
    """Bring a drop into the lake, without Prefect; as it landed."""
    landed = land(drop, Drive(path=outside), run.lake, run.id)
    if to == "raw":
        with running(run):
            to_raw(unwrap.fn(landed, expect=[]), run)
    return landed.drop


def steps(run: Run, drop: Drop) -> list[tuple[str, str | None, int]]:
    (work,) = plan(run, life, Chosen(drops=(drop,))).works
    assert work.error is None
    assert {step.drop for step in work.steps} == {drop.key}
    return [(step.stage, step.why, step.bytes) for step in work.steps]


def everything(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*") if path.is_file()}


CLAIMS, MEMBERS = b"id\n1\n", b"id,name\n11,A\n2,B\n"
NEVER = [("unwrap", "never done", 22), ("convert", "never done", 22)]
CHANGED = "its inputs or its declaration changed"


def test_the_stages_of_a_drop_and_why_each_is_done(local_lake: Lake, outside: Path, tmp_path: Path) -> None:
    run = Run(source=ACME, lake=local_lake, id="run-00000001")
    drop = offer(outside, claims=CLAIMS, members=MEMBERS)
    assert steps(run, drop) == [("transfer", "not landed", 22), *NEVER]
    assert manifest.read(local_lake, "acme", "2026-11") is None

    drop = bring(run, drop, outside, to="landed")
    assert steps(run, drop) == [("transfer", None, 0), *NEVER]

    bring(run, drop, outside)
    before = everything(tmp_path)
    up_to_date = [("transfer", None, 0), ("unwrap", None, 22), ("convert", None, 22)]
    assert steps(run, drop) == up_to_date
    other = ACME.model_copy(
        update={"datasets": {**ACME.datasets, "claims": Dataset(members="claims.*", reader=Csv(delimiter=";"))}}
    )
    changed = [("transfer", None, 0), ("unwrap", CHANGED, 22), ("convert", CHANGED, 22)]
    assert steps(Run(source=other, lake=local_lake, id="run-00000002"), drop) == changed
    for start_from, forced in {"landed": 2, "raw": 0}.items():
        again = Run(source=ACME, lake=local_lake, id="run-00000003", start_from=start_from, force=True)  # type: ignore[arg-type]
        assert [why for _, why, _ in steps(again, drop)] == [None] * (3 - forced) + ["forced"] * forced

    republished = offer(outside, revision=2, claims=CLAIMS + b"2\n")
    assert steps(run, republished) == [
        ("transfer", "its files changed", 7),  # the other file is kept
        ("unwrap", CHANGED, 24),
        ("convert", CHANGED, 24),
    ]
    (outside / "claims.csv").write_bytes(CLAIMS)
    assert everything(tmp_path).keys() == before.keys()
    assert {path for path, was in before.items() if everything(tmp_path)[path] != was} == {outside / "claims.csv"}


def test_a_drop_that_was_killed_between_two_datasets_is_not_up_to_date(local_lake: Lake, outside: Path) -> None:
    run = Run(source=ACME, lake=local_lake, id="run-00000001")
    drop = bring(run, offer(outside, claims=CLAIMS, members=MEMBERS), outside)
    run.tables.catalog.drop_table("raw.acme_members")
    run = Run(source=ACME, lake=local_lake, id="run-00000002")
    assert [why for _, why, _ in steps(run, drop)] == [None, "not done to its end", "not done to its end"]


def test_a_drop_that_cannot_be_planned_stops_no_other(local_lake: Lake, outside: Path) -> None:
    run = Run(source=ACME, lake=local_lake, id="run-00000001")
    drops = [offer(outside, key, claims=CLAIMS) for key in ("1", "2", "3")]

    def torn(drop: Drop) -> None:
        landed = transfer(drop)
        if drop.key == "2":
            raise Damaged("acme 2: byte 7")
        unwrap(landed, expect=[])

    found = plan(run, torn, Chosen(drops=tuple(drops)))
    assert [[step.stage for step in work.steps] for work in found.works] == [
        ["transfer", "unwrap"],
        ["transfer"],
        ["transfer", "unwrap"],
    ]
    said = str(found.works[1])
    assert said.startswith("transfer (not landed); cannot be planned further: Damaged: acme 2: byte 7. Ask the party")
    assert found.to_do == tuple(drops)  # it is tried: the run meets the error, and notes it


def test_many_drops_are_planned_in_a_moment(local_lake: Lake, outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each table is loaded once, however many drops look at it."""
    run = Run(source=ACME, lake=local_lake, id="run-00000001")
    first = bring(run, offer(outside, "0", claims=CLAIMS, members=MEMBERS), outside)
    drops = [first, *(first.model_copy(update={"key": f"{n}"}) for n in range(1, 24))]
    loaded: list[str] = []
    get = Tables.get
    monkeypatch.setattr(Tables, "get", lambda self, name: loaded.append(name) or get(self, name))
    found = plan(run, life, Chosen(drops=tuple(drops)))
    assert sorted(loaded) == ["raw.acme_claims", "raw.acme_members"]
    assert [work.up_to_date for work in found.works] == [True] + [False] * 23


def work(key: str, *steps: tuple[str, str | None, int], day: date = date(2026, 11, 8)) -> Work:
    as_of = datetime(day.year, day.month, day.day, 5, tzinfo=UTC)
    drop = Drop(source="acme", key=key, as_of=as_of, kind="full", revision=1, files=())
    return Work(drop=drop, steps=tuple(Step(drop=key, stage=s, why=why, bytes=n) for s, why, n in steps))


FRESH = (("transfer", "not landed", 2_000_000), ("unwrap", "never done", 2_000_000), ("publish", "never done", 0))
REMAPPED = (("transfer", None, 0), ("unwrap", None, 0), ("publish", CHANGED, 1_500_000_000))
DONE = (("transfer", None, 0), ("unwrap", None, 0), ("publish", None, 7))


def test_how_a_plan_is_shown() -> None:
    works = (work("2026-09", *DONE), work("2026-10", *REMAPPED), work("2026-12", *FRESH))
    shown = Plan(
        chosen=Chosen(drops=(), held={"2026-11": HOLD}, pending=(Pending(key="x", reason="grows"),)), works=works
    )
    rows = shown.rows("America/New_York")
    assert [tuple(row.values()) for row in rows] == [
        ("2026-09", "full", "2026-11-08", 1, "up to date", ""),
        ("2026-10", "full", "2026-11-08", 1, "publish (its inputs or its declaration changed)", "1.5 GB"),
        ("2026-12", "full", "2026-11-08", 1, "transfer (not landed); unwrap, publish (never done)", "4.0 MB"),
        ("2026-11", "", "", "", "held: wrong year (ann, 2026-11-09 08:00 UTC)", ""),
        ("x", "", "", "", "waits: grows", ""),
        ("3 drops", "", "", "", "transfer 1 ×, unwrap 1 ×, publish 2 ×", "1.5 GB"),
    ]
    assert list(rows[0]) == ["drop", "kind", "as of", "revision", "to do", "reads"]


@pytest.mark.parametrize(
    ("works", "message"),
    [
        ([], "Nothing is new: no file is there"),
        ([REMAPPED], "Done: 1"),
        ([REMAPPED, FRESH, DONE], "Done: 1, 2, 1 was up to date"),
        ([DONE, DONE], "Up to date: 1, 2"),
        ([FRESH] * 12 + [DONE] * 3, "Done: 12 drops (1 … 12), 3 were up to date"),
    ],
)
def test_what_a_run_says_in_the_end(works: list[Any], message: str) -> None:
    done = Plan(
        chosen=Chosen(drops=(), nothing="no file is there"),
        works=tuple(work(f"{n}", *w) for n, w in enumerate(works, 1)),
    )
    assert done.said("Done", done.to_do) == message


def test_what_is_left_out_is_said_too() -> None:
    chosen = Chosen(drops=(), held={"2026-11": HOLD}, pending=(Pending(key="x", reason="grows"),))
    left = "1 not complete yet; 2026-11 is held: wrong year (ann, 2026-11-09 08:00 UTC)"
    assert Plan(chosen=chosen, works=()).said("Done", ()) == f"Nothing is new; {left}"
    one = Plan(chosen=chosen, works=(work("1", *FRESH),))
    assert one.said("Done", one.to_do) == f"Done: 1; {left}"
    assert one.said("Done", (), held=["1"]) == f"{left}; 1 was held meanwhile"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (10**9 - 1, "1,000.0 MB"), (25 * 10**14, "2,500.0 TB")],
)
def test_size(count: int, text: str) -> None:
    assert size(count) == text
