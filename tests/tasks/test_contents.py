"""A party's list inside the wrapping: what is not as it says is said, and stops the drop until somebody accepts it."""

import io
import logging
import re
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.lake import Lake
from spark.errors import Mislisted, TooManyRejected
from spark.readers import Csv, Fixed, Json, Layout
from spark.readers.layouts import Field
from tasks import decisions
from tasks.contents import Cut, contradictions
from tasks.convert import record_length, to_raw
from tasks.decisions import Decision
from tasks.manifest import LandedFile
from tasks.run import Run
from tasks.source import Contents, Dataset, Delivery, Drop, Offered, Source, fingerprint
from tasks.transfer import Landed
from tasks.unwrap import Parts, stage

SPEC = Contents(dataset="list", name="file", records="rows", length="width", files={"A1": r"P\.A1.*"})
LIST = "in.zip/LIST"


def said(rows: list[dict[str, object]], files: dict[str, Cut], delivered: tuple[str, ...] = ("in.zip",)) -> list[str]:
    return contradictions(SPEC, {LIST: rows}, files, delivered, lambda name: name.endswith(".pdf"))


def row(file: str, rows: object, width: object = "9") -> dict[str, object]:
    return {"file": file, "rows": rows, "width": width}


@pytest.mark.parametrize(
    ("rows", "files", "found"),
    [
        pytest.param([row(" A1 ", " 1,234", "  9")], {"in.zip/P.A1.x": Cut(1234, 9)}, [], id="as it says"),
        pytest.param([row("b.txt", 5)], {"in.zip/b.txt": Cut(5, 9)}, [], id="its own name, a number of JSON"),
        pytest.param([row("d/b.txt", 5)], {"in.zip/d/b.txt": Cut(5, 9)}, [], id="its path"),
        pytest.param([row("b.txt", 5)], {"in.zip/d/b.txt": Cut(5, None)}, [], id="in a folder, of no fixed length"),
        pytest.param([row("A1", 0)], {}, [], id="no file where there is nothing"),
        pytest.param([row("notes.pdf", "?")], {}, [], id="what is no data"),
        pytest.param([row("A1", 7)], {f"in.zip/P.A1.{n}": Cut(n, 9) for n in (3, 4)}, [], id="several files of a name"),
        pytest.param(
            [row("A1", 6)],
            {"in.zip/P.A1.x": Cut(5, 9)},
            ["P.A1.x: 6 records by the list, 5 found"],
            id="too few",
        ),
        pytest.param(
            [row("A1", 6, 8)],
            {"in.zip/P.A1.x": Cut(6, 9)},
            ["P.A1.x: 8 columns a record by the list, 9 found"],
            id="longer",
        ),
        pytest.param([row("A1", 6)], {}, ["A1: 6 records by the list, but there is no such file"], id="missing"),
        pytest.param(
            [row("secret", 6)],
            {},
            ["record 1 of LIST: 6 records by the list, but there is no such file"],
            id="a name that nobody knows is not repeated",
        ),
        pytest.param(
            [],
            {"in.zip/P.A1.x": Cut(6, 9)},
            ["P.A1.x: 6 records found, and the list does not name it"],
            id="not named",
        ),
        pytest.param(
            [row("A1", "six", "Num")],
            {"in.zip/P.A1.x": Cut(6, 9)},
            ["P.A1.x: no number stands in the list as rows", "P.A1.x: no number stands in the list as width"],
            id="no numbers",
        ),
        pytest.param([row("", 6)], {}, ["in.zip/LIST: record 1 has no file"], id="no name"),
        pytest.param([{"name": "A1"}], {}, ["in.zip/LIST: record 1 has no file"], id="another header"),
    ],
)
def test_what_a_list_says(rows: list[dict[str, object]], files: dict[str, Cut], found: list[str]) -> None:
    assert said(rows, files) == found


def test_each_delivered_file_has_a_list_which_speaks_of_what_is_in_it() -> None:
    files = {"in.zip/P.A1": Cut(2, 9), "other.zip/P.A1": Cut(3, 9)}
    assert said([row("A1", 2)], files, ("in.zip", "other.zip")) == [
        "other.zip: there is no list of its files (list) in it"
    ]
    both = {LIST: [row("A1", 2)], "other.zip/LIST": [row("A1", 3)]}
    assert contradictions(SPEC, both, files, ("in.zip", "other.zip"), lambda _: False) == []


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 10**9)), st.data())
def test_one_number_that_differs_is_found_and_no_other(counts: dict[str, int], data: st.DataObject) -> None:
    files = {f"in.zip/{name}": Cut(records, 9) for name, records in counts.items()}
    rows = [row(name, records) for name, records in counts.items()]
    assert said(rows, files) == []
    if rows:
        wrong = data.draw(st.sampled_from(rows))
        wrong["rows"] = str(int(str(wrong["rows"])) + data.draw(st.integers(1, 10)))
        assert [found.partition(":")[0] for found in said(rows, files)] == [wrong["file"]]


def test_a_declaration_that_leads_nowhere_is_refused() -> None:
    for wrong in ({"dataset": "lists", "name": "file"}, {"dataset": "list", "name": "file", "files": {"A": "("}}):
        with pytest.raises((ValidationError, re.error)):
            party(Contents(**wrong))


def layout(*lengths: int) -> Layout:
    fields = [Field(name=f"f{n}", start=sum(lengths[:n]) + 1, length=length) for n, length in enumerate(lengths)]
    return Layout(fields=tuple(fields))


def test_the_length_of_a_record() -> None:
    assert record_length(Fixed(layouts=(layout(4, 5),))) == 9
    kinds = [layout(4, n).model_copy(update={"record_type": str(n)}) for n in (5, 6)]
    assert record_length(Fixed(layouts=tuple(kinds), record_type={"start": 1, "length": 1})) is None
    assert record_length(Csv()) is None


def party(contents: Contents = SPEC) -> Source:
    return Source(
        slug="acme",
        at="acme",
        deliveries=(Delivery(kind="full", names=r"(?P<date>\d{8})\.zip", dated="%Y%m%d"),),
        datasets={
            "list": Dataset(members="LIST", reader=Csv(delimiter="|")),
            "index": Dataset(members=r"index\.json", reader=Json()),
            "claims": Dataset(members=r"P\.A1.*", reader=Fixed(layouts=(layout(4, 5),))),
        },
        contents=contents,
        phi="yes",
    )


class Site:
    """Brings a drop, a zip of these members, into Raw."""

    def __init__(self, lake: Lake, source: Source) -> None:
        self.run, self.source = Run(source=source, lake=lake, id="run-00000001"), source

    def bring(self, revision: int = 1, **members: str) -> None:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name, text in members.items():
                archive.writestr(name.replace("_", "."), text)
        lake, path = self.run.lake, f"landed/acme/01/r{revision}/in.zip"
        lake.fs().pipe_file(lake.path(*path.split("/")), out.getvalue())
        sha256 = fingerprint(out.getvalue()) * 4
        drop = Drop(
            source="acme",
            key="01",
            as_of=datetime(2026, 11, 1, tzinfo=UTC),
            kind="full",
            revision=revision,
            files=(Offered(name="in.zip", size=len(out.getvalue()), mtime=None),),
        )
        file = LandedFile(name="in.zip", path=path, size=len(out.getvalue()), mtime=None, sha256=sha256)
        datasets = stage(Landed(drop=drop, files=(file,)), self.source, lake, self.run.id)
        to_raw(Parts(drop=drop, fingerprint=sha256, up_to_date=False, datasets=datasets), self.run)

    def accept(self, revision: int) -> None:
        made = {"verb": "accept", "drop": "01", "revision": revision, "reason": "their list is wrong", "actor": "ann"}
        decided = Decision.model_validate({**made, "at": datetime(2026, 11, 2, tzinfo=UTC), "found": "…"})
        decisions.record(self.run.lake, "acme", decided)

    def rows(self, table: str) -> int:
        return self.run.tables.rows(table)


LISTED = "file  |rows |width\nA1    |{}|  {}"
RECORDS = "1   Smith\n2   Jones\n"


@pytest.fixture
def site(lake: Lake) -> Site:
    return Site(lake, party())


def test_a_list_that_is_right_is_in_raw_as_well(site: Site) -> None:
    site.bring(LIST=LISTED.format(2, 9), P_A1=RECORDS)
    assert (site.rows("raw.acme_list"), site.rows("raw.acme_claims")) == (1, 2)


def test_a_rejected_record_is_one_that_the_list_counts(site: Site) -> None:
    site.source = party().model_copy(update={"reject_limit": 0.5})
    site.run = Run(source=site.source, lake=site.run.lake, id="run-00000001")
    site.bring(LIST=LISTED.format(3, 9), P_A1=f"{RECORDS}short\n")
    assert (site.rows("raw.acme_claims"), site.rows("rejected.acme_claims")) == (2, 1)


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"LIST": LISTED.format(3, 9), "P_A1": RECORDS}, "P.A1: 3 records by the list, 2 found"),
        ({"LIST": LISTED.format(2, 12), "P_A1": RECORDS}, "P.A1: 12 columns a record by the list, 9 found"),
        ({"LIST": "", "P_A1": RECORDS}, "P.A1: 2 records found, and the list does not name it"),
        ({"P_A1": RECORDS}, "in.zip: there is no list of its files (list) in it"),
        ({"LIST": LISTED.format(2, 9)}, "A1: 2 records by the list, but there is no such file"),
    ],
)
def test_a_drop_that_is_not_as_its_list_says_is_refused_until_it_is_accepted(
    site: Site, members: dict[str, str], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Mislisted) as refused:
        site.bring(**members)
    assert str(refused.value).startswith(f"acme 01: {why}. Nothing was committed.")
    assert "inlet accept SOURCE DROP --reason" in str(refused.value)
    for dataset in ("list", "claims"):
        assert site.run.tables.get(f"raw.acme_{dataset}") is None
    site.accept(revision=2)  # another one than that which landed
    with pytest.raises(Mislisted):
        site.bring(**members)
    site.accept(revision=1)
    with caplog.at_level(logging.WARNING, "inlet"):
        site.bring(**members)
    assert any(why in text and "their list is wrong (ann" in text for text in caplog.messages)
    assert site.rows("raw.acme_claims" if "P_A1" in members else "raw.acme_list") > 0


def test_what_is_accepted_is_so_for_its_list_and_its_rejects(site: Site) -> None:
    members: dict[str, Any] = {"LIST": LISTED.format(9, 9), "P_A1": f"{RECORDS}short\n"}
    with pytest.raises(Mislisted):
        site.bring(**members)
    members["LIST"] = LISTED.format(3, 9)
    with pytest.raises(TooManyRejected):
        site.bring(**members)
    site.accept(revision=1)
    site.bring(**members)
    assert (site.rows("raw.acme_claims"), site.rows("rejected.acme_claims")) == (2, 1)


def test_an_error_shows_the_first_contradictions_and_the_log_all(lake: Lake, caplog: pytest.LogCaptureFixture) -> None:
    spec = SPEC.model_copy(update={"files": {f"A{n}": rf"P\.A{n}" for n in range(1, 8)}})
    site, rows = Site(lake, party(spec)), "\n".join(f"A{n}|{n}|9" for n in range(1, 8))
    with caplog.at_level(logging.WARNING, "inlet"), pytest.raises(Mislisted, match=r"A3: .*; 4 more, which the log"):
        site.bring(LIST=f"file|rows|width\n{rows}\n")
    assert sum("but there is no such file" in text for text in caplog.messages) == 7


def test_a_list_in_json(lake: Lake) -> None:
    spec = SPEC.model_copy(update={"dataset": "index", "files": {}})
    site = Site(lake, party(spec))
    site.bring(**{"index_json": '{"file": "P.A1", "rows": 2, "width": 9}\n', "P_A1": RECORDS})
    with pytest.raises(Mislisted, match=r"P\.A1: 3 records by the list, 2 found"):
        site.bring(**{"index_json": '{"file": "P.A1", "rows": 3, "width": 9}\n', "P_A1": RECORDS})
