"""A party's drops through their real stages: the reports in the lake, the artifacts, what is expected of a drop."""

import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.drive import Drive
from blocks.lake import Lake
from spark.profiling.expectations import Expectations
from spark.profiling.report import Report
from spark.profiling.shown import Phi
from spark.readers import Csv
from tasks import decisions, manifest, profiles
from tasks.cli import main
from tasks.convert import Raw, committed, convert, to_raw
from tasks.decisions import Decision, Refused
from tasks.expect import drafted, judge
from tasks.ingest import ingest
from tasks.manifest import Manifest, Revision
from tasks.profile import profile, reports, write
from tasks.purge import purge, remains
from tasks.run import Run, running
from tasks.source import Dataset, Delivery, Drop, Offered, Source
from tasks.transfer import land, transfer
from tasks.unwrap import unwrap
from tests.servers import PrefectServer

CANARY = "Xanthippe"
OURS = ArtifactFilter(key=ArtifactFilterKey(like_="the-party-%"))
SOURCE = Source(
    slug="the-party",
    at="the-party",
    deliveries=(Delivery(kind="full", names=r"claims_(?P<date>\d{6})\.csv", dated="%Y%m", key="%Y-%m"),),
    datasets={"claims": Dataset(members=r"claims.*", reader=Csv())},
    phi="yes",
    quiet=None,
    reject_limit=0.5,
)


def claims(month: int, rows: int = 400, *, wrong: bool = False) -> bytes:
    """A file of claims; `wrong`: sex is written otherwise, some have no amount, and two records are ragged."""
    chance = random.Random(month)
    lines = ["id,name,sex,paid"]
    for number in range(rows):
        sex = chance.choice("FM") if not wrong else chance.choice(["female", "male"])
        paid = "" if wrong and number % 4 == 1 else f"{chance.gauss(100, 15):.2f}"
        lines.append(f"{number:06},{CANARY}{number:04},{sex},{paid}")
    return "\n".join([*lines, *([f"1,{CANARY},F", "2,a,b,c,d,e"] if wrong else []), ""]).encode()


class Party:
    """Its folder outside, and the lake that its drops come to."""

    def __init__(self, lake: Lake, outside: Path, source: Source = SOURCE) -> None:
        self.lake, self.outside, self.source = lake, outside, source
        outside.mkdir(exist_ok=True)

    def run(self, **more: Any) -> Run:
        return Run(source=self.source, lake=self.lake, id="run-00000001", **more)

    def bring(self, month: int, data: bytes, kind: str = "full") -> Raw:
        """A drop to Raw, by the stages, without Prefect."""
        folder = self.outside / f"{month}"
        folder.mkdir(exist_ok=True)
        (folder / f"claims_2026{month:02}.csv").write_bytes(data)
        with Drive(path=folder).connect() as remote:
            files = [Offered(**file.model_dump()).model_dump() for file in remote.list()]
        as_of = datetime(2026, month, 1, tzinfo=UTC)
        about = {"source": self.source.slug, "key": f"2026-{month:02}", "as_of": as_of, "kind": kind, "revision": 1}
        landed = land(Drop.model_validate({**about, "files": files}), Drive(path=folder), self.lake, "run")
        run = self.run()
        with running(run):
            parts = unwrap.fn(landed, expect=[])
            if not parts.up_to_date:
                to_raw(parts, run)
        return committed(landed.drop, parts.fingerprint, run)

    def report(self, raw: Raw) -> Report:
        return reports(raw, self.run())["claims"]

    def pages(self) -> dict[str, bytes]:
        root = Path(self.lake.path("reports"))
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def party(local_lake: Lake, tmp_path: Path) -> Party:
    return Party(local_lake, tmp_path / "outside")


def found(report: Report) -> set[tuple[str, str | None]]:
    return {(finding.kind, finding.column) for finding in report.findings if finding.severity != "info"}


def test_a_drop_is_compared_with_the_one_before_it(party: Party) -> None:
    first = party.report(party.bring(1, claims(1)))
    assert (first.earlier, first.beside, first.findings) == ((), None, ())
    second = party.report(party.bring(2, claims(2)))
    assert ([e.drop for e in second.earlier], second.beside, found(second)) == (["2026-01"], "2026-01", set())
    assert second.recognised["sex"].kind == "sex"
    third = party.report(party.bring(3, claims(3, wrong=True)))
    assert [e.drop for e in third.earlier] == ["2026-01", "2026-02"]
    assert found(third) >= {("new values", "sex"), ("vanished values", "sex"), ("nulls", "paid")}
    late = party.report(party.bring(2, claims(2)))
    assert [e.drop for e in late.earlier] == ["2026-01"]  # by what they speak of, and not by when they came


def test_where_to_look_is_said_by_file_and_record(party: Party) -> None:
    party.bring(1, claims(1))
    report = party.report(party.bring(2, claims(2, wrong=True)))
    where = {finding.kind: report.located.get(str(finding), ()) for finding in report.findings}
    file = "claims_202602.csv"
    assert [(e.file, e.record) for e in where["nulls"]] == [(file, n) for n in (2, 6, 10, 14, 18)]
    assert [(e.file, e.record) for e in where["new values"]] == [(file, n) for n in (1, 2, 3, 4, 5)]
    told = {example.record: example.text for refused in report.refused for example in refused.examples}
    assert told == {401: "9,Aaaaaaaaa,A", 402: "9,a,a,a,a,a"}
    assert report.refused_records == 2


@pytest.mark.parametrize("phi", ["yes", "unknown", "no"])
def test_values_stand_on_the_page_only_where_they_may(party: Party, phi: Phi) -> None:
    party.source = SOURCE.model_copy(update={"phi": phi})
    party.bring(1, claims(1))
    report = party.report(party.bring(2, claims(2, wrong=True)))
    write(report, party.lake)
    [page] = party.pages().values()
    assert (CANARY.encode() in page, b"female" in page) == (phi == "no", phi == "no")
    assert CANARY not in repr(report.findings)


def test_the_same_report_is_written_once(party: Party) -> None:
    raw = party.bring(1, claims(1))
    url = write(party.report(raw), party.lake)
    assert url == party.lake.url("reports", "the-party", "2026-01", "claims.html")
    path = Path(party.lake.path("reports", "the-party", "2026-01", "claims.html"))
    before = path.stat()
    write(party.report(raw), party.lake)
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    raw = party.bring(1, claims(1, 300))  # the drop has other rows
    write(party.report(raw), party.lake)
    assert path.stat().st_mtime_ns != before.st_mtime_ns
    assert len(party.pages()) == 1


def test_an_increment_misses_no_keys(party: Party) -> None:
    party.bring(1, claims(1), kind="incremental")
    party.bring(2, claims(2), kind="full")
    new = party.bring(3, claims(3).replace(b"\n0", b"\n9"), kind="incremental")
    report = party.report(new)
    assert (report.beside, found(report)) == ("2026-01", set())
    again = party.bring(4, claims(4).replace(b"\n0", b"\n9"), kind="full")
    assert ("vanished keys", "id") in found(party.report(again))


def test_a_drop_whose_profile_was_not_kept(party: Party) -> None:
    raws = [party.bring(month, claims(month)) for month in (1, 2)]
    Path(party.lake.path("landed", "the-party", "2026-01", "_profile.json.zst")).unlink()
    assert party.report(raws[1]).earlier == ()
    assert reports(raws[0], party.run()) == {}
    assert profiles.read(party.lake, raws[1].drop, "another fingerprint") == {}


def test_a_drop_that_did_not_go_all_the_way_is_shown_and_no_measure(party: Party) -> None:
    good = party.bring(1, claims(1))
    manifest.settle(party.lake, good.drop)
    party.bring(2, claims(2, wrong=True))
    report = party.report(party.bring(3, claims(3, wrong=True)))
    assert ([e.drop for e in report.earlier], report.beside) == (["2026-01", "2026-02"], "2026-01")
    assert ("new values", "sex") in found(report)
    at = datetime(2026, 3, 2, tzinfo=UTC)
    held = Decision(verb="hold", drop="2026-02", reason="another coding", actor="ann", at=at)
    decisions.record(party.lake, "the-party", held)
    assert [e.drop for e in party.report(party.bring(3, claims(3, wrong=True))).earlier] == ["2026-01"]


def test_what_is_expected_is_drafted_from_a_good_drop_and_judged(party: Party) -> None:
    party.source = SOURCE.model_copy(update={"phi": "no"})
    good = party.bring(1, claims(1))
    [(name, code)] = drafted(party.source, party.lake, "2026-01")
    expected: Expectations = eval(code)
    assert (name, expected.rows, expected.values) == ("claims", (260, 600), {"sex": ("F", "M")})
    dataset = party.source.datasets["claims"].model_copy(update={"expect": expected})
    assert repr(dataset) == repr(party.source.datasets["claims"])  # what is in Raw is no other for it
    party.source = party.source.model_copy(update={"datasets": {"claims": dataset}})
    assert judge(good, ["claims"], party.run()) == ()
    failed = judge(party.bring(2, claims(2, wrong=True)), ["claims"], party.run())
    assert [f.check for f in failed] == ["expected"] * len(failed)
    assert any("claims sex: 2 values that are not expected" in str(failure) for failure in failed)
    assert any("look at raw.the_party_claims where _drop = '2026-02': paid" in str(failure) for failure in failed)
    assert judge(party.bring(2, claims(2, wrong=True)), [], party.run()) == ()
    few = party.bring(3, claims(3, 20))
    Path(party.lake.path("landed", "the-party", "2026-03", "_profile.json.zst")).unlink()
    assert any("20 records, 260 to 600 are expected" in str(f) for f in judge(few, ["claims"], party.run()))


@pytest.mark.parametrize(
    ("asked", "said"),
    [(("2026-09",), "has no drop 2026-09"), (("2026-01", "x"), "no dataset x, but claims")],
)
def test_nothing_is_drafted_of_what_is_not_there(party: Party, asked: tuple[str, ...], said: str) -> None:
    party.bring(1, claims(1))
    with pytest.raises(Refused, match=said):
        list(drafted(party.source, party.lake, *asked))


def test_a_purge_takes_the_reports(lake: Lake, tmp_path: Path) -> None:
    party = Party(lake, tmp_path / "outside")
    party.bring(1, claims(1))
    report = party.report(party.bring(2, claims(2, wrong=True)))
    assert [(e.file, e.record) for e in report.refused[0].examples] == [("claims_202602.csv", 401)]
    for _ in range(2):
        write(report, lake)
    assert {left.zone for left in remains(party.source, lake)} >= {"landed", "raw", "reports"}
    assert purge(party.source, lake).zones["reports"].objects == 1
    assert remains(party.source, lake) == []
    assert lake.read(lake.path("reports", "the-party", "2026-02", "claims.html")) is None


@ingest(SOURCE)
def the_party(drop: Drop) -> None:
    """Bring one drop into Raw, and say what is wrong with it."""
    profile(convert(unwrap(transfer(drop), expect=[])))


@pytest.fixture
def served(prefect_server: PrefectServer, party: Party) -> Iterator[Party]:
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        Drive(path=party.outside).save("the-party", overwrite=True)
        party.lake.save("lake", overwrite=True)
        yield party


def artifacts() -> dict[str, list[str]]:
    with get_client(sync_client=True) as client:
        made: dict[str, list[str]] = {}
        # A page has 200 at most, and the server has what other tests made too.
        for artifact in client.read_artifacts(artifact_filter=OURS, sort=ArtifactSort.CREATED_DESC):
            made.setdefault(artifact.key or "", []).append(str(artifact.data))
        return made


def test_what_a_run_shows(served: Party) -> None:
    for month in (1, 2):
        (served.outside / f"claims_2026{month:02}.csv").write_bytes(claims(month, wrong=month == 2))
    the_party(dry_run=True)
    assert served.pages() == {}
    the_party()
    before = served.pages()
    assert set(before) == {"the-party/2026-01/claims.html", "the-party/2026-02/claims.html"}
    made = artifacts()
    said = next(text for text in made["the-party-report"] if "2026-02/claims.html" in text)
    assert "could not be read" in said
    assert f"[The report]({served.lake.url('reports', 'the-party', '2026-02', 'claims.html')})" in said
    assert "| warning | sex |" in said
    table = next(rows for text in made["the-party-raw"] if (rows := json.loads(text)) and rows[0]["rejected"])
    assert (table[0]["rows"], table[0]["warnings"] > 0) == (400, True)
    assert CANARY not in str(made)
    profiled(served)  # once more, of what is in Raw
    assert served.pages() == before
    assert len(artifacts()["the-party-report"]) == len(made["the-party-report"]) + 2
    Path(served.lake.path("landed", "the-party", "2026-01", "_profile.json.zst")).write_bytes(b"not zstd")
    profiled(served)  # no report stops no drop
    assert served.pages() == before
    assert len(artifacts()["the-party-raw"]) == len(made["the-party-raw"]) + 4


@flow
def profiled(party: Party) -> None:
    """Profile what landed."""
    run = party.run()
    with running(run):
        for landed in manifest.landed(party.lake, party.source).values():
            mark = run.tables.marks("raw.the_party_claims", "drop")[landed.drop]
            profile(committed(landed.as_drop(), mark["fingerprint"], run))


def test_the_command_prints_what_is_to_be_pasted(
    party: Party, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at = datetime(2026, 11, 8, tzinfo=UTC)
    revision = Revision(number=1, as_of=at, kind="full", files=(), run="run", landed_at=at)
    manifest.write(party.lake, Manifest(source="nppes", drop="2026-11", revisions=(revision,)), None)
    drop = Drop(source="nppes", key="2026-11", as_of=at, kind="full", revision=1, files=())
    raw = party.bring(1, claims(1))
    profiles.keep(party.lake, drop, "f", {"npidata": profiles.read(party.lake, raw.drop)["claims"]})
    monkeypatch.setattr(sys, "argv", ["inlet", "expect", "nppes", "2026-11", "--lake", party.lake.path()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    title, _, code = capsys.readouterr().out.partition("\n")
    assert title == "# npidata, drafted from 2026-11"
    assert eval(code.removeprefix("expect=").strip().rstrip(",")) == Expectations(
        rows=(260, 600),
        nulls=dict.fromkeys(["id", "name", "sex", "paid"], 0.013),
        values={"sex": ("F", "M")},
        lengths={"id": (6, 6), "name": (13, 13)},
        psi=0.2,
    )
