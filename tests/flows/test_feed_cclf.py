"""CCLF, from a payer's SFTP server, signed and sealed, to `current`: months, corrections, and what goes wrong."""

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from blocks.sftp import SftpServer
from flows.cclf import CCLF, cclf
from tasks import manifest, operate
from tasks.operate import By
from tasks.run import Run
from tests import claims as parties
from tests import servers
from tests.claims import Bill, Fill, Payer, Person, World, cclf_files, cclf_statistics, cclf_zip
from tests.flows.conftest import Feed

KEYS = {"patient": ("patient_id",), "claim": ("claim_id",), "diagnosis": ("diagnosis_id",)}
KINDS = {0: "original", 1: "cancellation", 2: "adjustment"}
TYPES = {"professional": "71", "inpatient": "60", "outpatient": "40"}


@dataclass(frozen=True)
class Month:
    """What a payer says in a month; `kinds` are those of claims that are not original."""

    world: World
    kinds: dict[str, int] = field(default_factory=dict)

    @property
    def files(self) -> dict[str, list[str]]:
        return cclf_files(self.world, self.kinds)


def truth(*months: Month) -> dict[str, dict[tuple[Any, ...], dict[str, Any]]]:
    """What `current` is after these months: every column that is not null, but for those that are always alike."""
    found: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}
    for month in months:
        said = parties.expected(month.world)
        for bill in month.world.bills:
            kind = month.kinds.get(bill.id, 0)
            sign, carrier = -1 if kind == 1 else 1, bill.kind == "professional"
            claim = said["claim"][(bill.id,)]
            claim |= {"adjustment_type": KINDS[kind], "claim_type_code": TYPES[bill.kind]}
            if bill.kind == "inpatient":
                claim |= {"drg_code_type": "ms-drg"}
            if not carrier:
                claim |= {"paid_amount": sign * bill.paid, "charge_amount": sign * bill.paid}
            for line in bill.lines:
                row = said["claim_line"][bill.id, line.number]
                row |= {"claim_line_start_date": bill.first, "claim_line_end_date": bill.last}
                row |= {"paid_amount": (sign if carrier else 1) * line.paid}
                if carrier:
                    row |= {"allowed_amount": sign * line.allowed, "diagnosis_code_type": "icd-9-cm"}
                else:
                    row |= {"revenue_center_code": "0450"}
            for rank in range(1, len(bill.diagnoses) + 1):
                said["diagnosis"][(f"{bill.id}-{rank}",)] |= {
                    "diagnosis_type": "principal" if carrier and rank == 1 else "other"
                }
        for fill in month.world.fills:
            said["claim"][(fill.id,)] |= {"adjustment_type": "original", "claim_type_code": "01"}
        for claim in said["claim"].values():
            claim["member_id"] = claim["patient_id"]
        for (person,), row in said["patient"].items():
            row |= {"patient_id": person, "member_id": person}
        for schema, rows in said.items():
            found[schema] = found.get(schema, {}) | rows
    return found


@dataclass(frozen=True)
class Site:
    """A payer's folder on its server, and our feed of it."""

    payer: Payer
    folder: Path
    feed: Feed

    def publish(self, data: bytes, day: date, aco: str = "A9999", ending: str = "") -> str:
        """Leave a file; returns the key of its drop."""
        (self.folder / f"P.{aco}.ACO.ZCY{day:%y}.D{day:%y%m%d}.T1200000{ending}").write_bytes(data)
        return f"{aco}-Y{day}T120000"

    def month(self, month: Month, day: date, ending: str = "", **more: Any) -> str:
        """Leave a month as it should be, but for what CCLF0 says wrong."""
        stamp, files = f"{day:%y}.D{day:%y%m%d}.T1200000", month.files
        archive = cclf_zip(files, stamp, cclf_statistics(files, day.year % 100, **more))
        return self.publish(self.payer.sealed(archive), day, ending=ending)

    def run(self, **parameters: Any) -> State[Any]:
        """Run the flow when files have held still for long enough; a plan before that sees them for the first time."""
        self.feed.run(dry_run=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tasks.discover.now", lambda: manifest.now() + timedelta(hours=1))
            return self.feed.run(**parameters)

    def accept(self, *drops: str) -> None:
        run = Run(source=CCLF, lake=self.feed.lake, id="by-hand")
        outcome = operate.accept(run, By(actor="ann@example.org", reason="CCLF0 is wrong, says the payer"), drops)
        assert (outcome.then or "").endswith("start_from=landed")

    def assert_current(self, want: dict[str, dict[tuple[Any, ...], dict[str, Any]]]) -> None:
        """`current` is the truth: each key once, every column as it is known or null."""
        for schema, key in {**KEYS, "claim_line": ("claim_id", "claim_line_number")}.items():
            rows = self.feed.rows(f"current.{schema}")
            have = {tuple(row[name] for name in key): row for row in rows}
            assert (len(have), have.keys()) == (len(rows), want[schema].keys()), schema
            for of, row in want[schema].items():
                own = {n: v for n, v in have[of].items() if n[0] != "_" and n not in key and v is not None}
                assert own == {n: v for n, v in row.items() if n not in key and v is not None}, (schema, of)

    def assert_nothing_is_lost(self) -> None:
        """What landed last is, byte for byte, what the payer left."""
        fs, lake = self.feed.lake.fs(), self.feed.lake
        for landed in manifest.landed(lake, CCLF).values():
            for file in landed.latest.files:
                assert fs.cat_file(lake.path(*file.path.split("/"))) == (self.folder / file.name).read_bytes()


@pytest.fixture(scope="module")
def payer(gpg_key: servers.GpgKey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Payer]:
    with parties.payer(gpg_key, tmp_path_factory.mktemp("payer")) as found:
        yield found


@pytest.fixture
def site(feed: Callable[..., Feed], sshd: servers.Sshd, payer: Payer, tmp_path: Path) -> Site:
    folder = sshd.folder / f"cclf-{tmp_path.name}"
    folder.mkdir()
    server = SftpServer(
        host=sshd.host,
        port=sshd.port,
        user=sshd.user,
        private_key=sshd.private_key,  # type: ignore[arg-type]
        host_key=sshd.host_key,
        root=folder.name,
    )
    payer.block().save("cclf", overwrite=True)  # type: ignore[call-arg]
    return Site(payer, folder, feed(cclf, CCLF, cclf=server))


def moved(world: World, seed: int) -> tuple[Person, ...]:
    """The people a month later: some live elsewhere, one has died, and there is one more."""
    others = parties.world(seed, people=len(world.people) + 1, bills=0, fills=0).people
    *people, new = (
        replace(one, zip5=other.zip5, state=other.state) if n % 4 == 0 else one
        for n, (one, other) in enumerate(zip((*world.people, others[-1]), others, strict=True))
    )
    people[1] = replace(people[1], died=date(2010, 12, 24))
    return (*people, new)


def next_month(world: World) -> Month:
    """New claims; one of each kind of the month before is cancelled, and paid otherwise by an adjustment."""
    people = moved(world, seed=21)
    later = parties.world(seed=22, people=len(people), bills=45, fills=30)

    def of(person: Person) -> Person:
        return next(p for p in people if p.id == person.id)

    bills = [replace(b, id=f"{int(b.id) + 10**6}", person=of(b.person)) for b in later.bills]
    fills = [replace(f, id=f"{int(f.id) + 10**6}", person=of(f.person)) for f in later.fills]
    kinds = {}
    for old in (world.of(kind)[0] for kind in TYPES):
        cancelled = replace(old, id=f"{int(old.id) + 2 * 10**6}", person=of(old.person))
        lines = tuple(replace(line, paid=line.paid + 1, allowed=line.allowed + 2) for line in old.lines)
        adjusted = replace(cancelled, id=f"{int(old.id) + 3 * 10**6}", lines=lines, paid=old.paid + Decimal("12.34"))
        kinds |= {cancelled.id: 1, adjusted.id: 2}
        bills += [cancelled, adjusted]
    return Month(World(people, tuple(bills), tuple(fills)), kinds)


def corrected(world: World) -> World:
    """A month as it should have been: without a claim, another one paid otherwise, and somebody's name put right."""
    others = list(world.bills[1:])
    stay = next(n for n, bill in enumerate(others) if bill.kind == "inpatient")
    others[stay] = replace(others[stay], paid=Decimal("99.99"))
    person, *people = world.people
    right = replace(person, last="Roe")

    def bill(one: Bill) -> Bill:
        return replace(one, person=right) if one.person == person else one

    def fill(one: Fill) -> Fill:
        return replace(one, person=right) if one.person == person else one

    return World((right, *people), tuple(map(bill, others)), tuple(map(fill, world.fills)))


def test_months_and_a_correction_that_comes_late(site: Site) -> None:
    first = Month(parties.world(seed=20, people=20, bills=90, fills=60))
    january = site.month(first, date(2025, 1, 10))
    state = site.run()
    assert state.message == f"Done: {january}"
    site.assert_current(truth(first))

    second = next_month(first.world)
    february = site.month(second, date(2025, 2, 12), ending=".pgp")
    assert site.run().message == f"Done: {february}"
    site.assert_current(truth(first, second))
    rows = site.feed.rows("raw.cclf_summary_statistics", _drop=february)
    assert {row["file_number"].strip(): int(row["total_records_count"]) for row in rows} == {
        f"CCLF{number}": len(second.files.get(number, ())) for number in parties.CCLF_DESCRIPTIONS
    }

    right = Month(corrected(first.world))
    assert site.month(right, date(2025, 1, 10)) == january
    assert site.run().message == f"Done: {january}"
    assert [r.number for r in manifest.landed(site.feed.lake, CCLF)[january].revisions] == [1, 2]
    want = truth(right, second)
    assert (first.world.bills[0].id,) not in want["claim"]
    site.assert_current(want)
    site.assert_nothing_is_lost()
    assert site.run().message == "Nothing is new"


def test_what_is_wrong_with_a_month_is_said_and_stops_no_other(site: Site) -> None:
    good = Month(parties.world(seed=30, people=12, bills=30, fills=150))
    archive = cclf_zip(good.files, "25.D250310.T1200000", cclf_statistics(good.files, 25))
    broken = archive[:2000] + bytes([archive[2000] ^ 1]) + archive[2001:]
    empty = cclf_zip({}, "25.D250310.T1200000", None)
    sealed, day = site.payer.sealed, date(2025, 3, 10)
    listed = site.month(good, day, wrong={"8": (1, 0), "9": (0, -1)})
    bad = {
        site.publish(sealed(broken), day, "A0001"): "Damaged: ",
        site.publish(sealed(empty), day, "A0002"): "there is no list of its files (summary_statistics) in it",
        site.publish(sealed(archive)[:-900], day, "A0003"): "Undecryptable: ",
        site.publish(sealed(archive, signed=False), day, "A0004"): "it is not signed by any of our signers",
        site.publish(archive, day, "A0005"): "UnknownWrapping: ",
        site.publish(b"<html><body>Please log in</body></html>\n", day, "A0006"): "UnknownWrapping: ",
    }
    short = good.files
    lost = short["7"].pop(99)
    short["7"].insert(99, lost[:150])
    april = site.publish(sealed(cclf_zip(short, "25.D250410.T1200000", cclf_statistics(short, 25))), date(2025, 4, 10))

    state = site.run()
    said = state.message or ""
    assert state.is_failed()
    assert f"Done: {april}" in said
    assert {drop: why for drop, why in bad.items() if why not in of(said, drop)} == {}
    for drop in bad:
        assert f"P.{drop[:5]}.ACO.ZCY25.D250310.T1200000" in of(said, drop)  # every error names its file
    assert "Mislisted: " in of(said, listed)
    people = len(good.files["8"])
    assert f"P.A9999.ACO.ZC8Y25.D250310.T1200000: {people + 1} records by the list, {people} found" in of(said, listed)
    assert "inlet accept SOURCE DROP --reason" in of(said, listed)
    assert site.feed.rows("raw.cclf_parta_claims_header", _drop=listed) == []

    (rejected,) = site.feed.rows("rejected.cclf_partd_claims")
    assert (rejected["_record"], rejected["_reason"], rejected["_text"]) == (
        100,
        "150 columns where 195 belong",
        lost[:150],
    )
    assert rejected["_file"].endswith("T1200000/P.A9999.ACO.ZC7Y25.D250410.T1200000")
    without = tuple(fill for fill in good.world.fills if fill.id != lost[:13])
    site.assert_current(truth(Month(replace(good.world, fills=without))))

    site.accept(listed)
    assert site.feed.done(drops=listed, start_from="landed") == f"Done: {listed}"
    site.assert_current(truth(good))
    site.assert_nothing_is_lost()


def of(said: str, drop: str) -> str:
    """What a run says of a drop."""
    return said.partition(f"{drop}: ")[2].partition("; A")[0]


def test_cms_s_own_archives(site: Site, realdata: Path) -> None:
    """CMS's test files, of which the source takes none for what they are: here they are renamed, signed and sealed."""
    folder = realdata / "sources" / "cclf" / "bcda-archives"
    for archive, aco in {
        "valid/T.BCD.A0001.ZCY18.D181120.T1000000": "A0001",
        "valid/T.BCD.A9988.ZCY18.D181120.T1000000": "A9988",
        "8/valid/T.BCD.A0001.ZCY18.D181121.T1000000": "A0008",
        "8/invalid/T.BCD.A0001.ZCY18.D181125.T1000087": "A0009",
        "0/missing_data/T.BCD.A0001.ZCY18.D181120.T1000000": "A0010",
        "corrupted/T.BCD.A0001.ZCY18.D181120.T1000000": "A0011",
    }.items():
        site.publish(site.payer.sealed((folder / archive).read_bytes()), date(2018, 11, 20), aco)
    for name in (  # of no month of an organization: of one file, of another feed, or tests by their names
        "valid/T.BCD.ACOB.ZC0Y18.D181120.T0001000",
        "0/invalid/T.BCD.ACOB.ZC0Y18.D181120.E0001000",
        "csv/P.PCPB.M2411.D181120.T1000000",
        "valid/T.BCD.A0001.ZCY18.D181120.T1000000",
    ):
        path = folder / name
        (site.folder / path.name).write_bytes(site.payer.sealed(path.read_bytes()))
    (site.folder / "P.BCD.ACOB.ZC0Y18.D181120.T0001000").write_bytes(b"as one of ours, but of CCLF0 alone")

    state = site.run()
    said, day = state.message or "", "Y2018-11-20T120000"
    for aco, why in {
        "A0001": "; 7 more",  # of ten: CCLF8 is right, and CCLF9 is longer than CCLF0 says; the others are not there
        "A9988": "; 7 more",
        "A0008": "there is no list of its files",
        "A0009": "there is no list of its files",
        "A0010": "CCLF1: 6 records by the list, but there is no such file",
        "A0011": "Damaged: ",
    }.items():
        assert why in of(said, f"{aco}-{day}"), aco
    assert manifest.landed(site.feed.lake, CCLF).keys() == {
        f"{aco}-{day}" for aco in ("A0001", "A9988", "A0008", "A0009", "A0010", "A0011")
    }

    site.accept(f"A0001-{day}")
    assert site.feed.done(drops=f"A0001-{day}", start_from="landed") == f"Done: A0001-{day}"
    assert len(site.feed.rows("raw.cclf_beneficiary_xref")) == 6
    archive = zipfile.ZipFile(folder / "valid" / "T.BCD.A0001.ZCY18.D181120.T1000000")
    lines = archive.read("T.BCD.A0001.ZC8Y18.D181120.T1000009").decode().splitlines()
    assert len(site.feed.rows("raw.cclf_beneficiary_demographics")) == len(lines) == 7
    people = site.feed.current("patient", "patient_id")
    assert {id: row["birth_date"].isoformat() for id, row in people.items()} == {
        line[:11]: line[32:42] for line in lines
    }
    site.assert_nothing_is_lost()
