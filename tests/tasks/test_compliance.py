"""Columns that say who somebody is want a decision before a source is published; names alone are said of them."""

import logging
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr

from blocks.lake import Lake
from spark.convert import raw_schema
from spark.errors import Undecided
from spark.mapping import Mapping, text
from spark.privacy import Drop as Dropped
from spark.privacy import Hash, Keep, Privacy, Year
from spark.profiling.profiler import profile
from spark.readers import Csv
from spark.schemas import Column, Schema
from spark.writer import write
from tasks import profiles
from tasks.compliance import assert_decided, published, said
from tasks.convert import Raw, RawDataset
from tasks.drop import Drop
from tasks.run import Run
from tasks.source import Dataset, Source

DROP = Drop(source="party", key="d1", as_of=datetime(2026, 1, 1, tzinfo=UTC), kind="full", revision=1, files=())
TO = Schema(
    name="thing", doc="", key=("id",), columns=(Column(name="id", required=True, doc=""), Column(name="v", doc=""))
)
NAMES = ("SSN", "Date of Birth", "Field 7", "Colour")
ROWS = [[f"{100 + n}-45-{6000 + n}", f"19{40 + n % 50}-02-03", f"jo{n}@example.org", "red"] for n in range(100)]
NAMED = {"last_name": "Lee", "plan": "P7"}
EXTRA = {"member": NAMED, "provider": NAMED, "items": ["seen by Dr. Lee"]}
"""Columns with fields and with elements within, the same in all rows."""

LOG = logging.getLogger("test")


class Site:
    """A drop in Raw, of a source with these decisions."""

    def __init__(self, lake: Lake, phi: Any, extra: dict[str, Any] | None = None, **privacy: Any) -> None:
        dataset = Dataset(members=".*", reader=Csv(), privacy=privacy)
        source = Source(slug="party", at="x", deliveries=(), datasets={"things": dataset}, phi=phi)
        self.run, schema = Run(source=source, lake=lake, id="run"), raw_schema(NAMES)
        for column in pa.Table.from_pylist([extra or {}]).schema:
            schema = schema.append(column)
        own = [
            dict(zip(schema.names, ["d1", "f", n, *row], strict=False)) | (extra or {}) for n, row in enumerate(ROWS, 1)
        ]
        self.table = pa.Table.from_pylist(own, schema)
        name = source.table("raw", "things")
        files = write([self.table], self.run.tables.folder(name), schema, lake.fs())
        self.run.tables.replace(
            name, schema, {"_drop": "d1"}, files, mark=("drop", "d1", {"fingerprint": "made", "run": "r"})
        )
        counts = RawDataset(rows=len(ROWS), rejected=0, reasons={}, nulls={})
        self.raw = Raw(drop=DROP, fingerprint="made", datasets={"things": counts})

    def profiled(self, fingerprint: str = "made") -> None:
        found = profile([self.table.select(range(2, self.table.num_columns))], self.table.schema)
        profiles.keep(self.run.lake, DROP, fingerprint, {"things": found})

    def publishes(self) -> None:
        mark = ("source", "party", {"fingerprint": "made", "run": "r", "applied": {}})
        self.run.tables.replace(f"current.{TO}", TO.arrow, {"_source": "party"}, [], mark=mark)

    def asks(self, *columns: str) -> None:
        by = {"things": Mapping(columns={"id": text(columns[0]), "v": f"concat({', '.join(columns)})"})}
        assert_decided(self.raw, TO, by, self.run, LOG)


def test_what_a_mapping_reads_wants_a_decision(local_lake: Lake) -> None:
    site = Site(local_lake, "yes")
    site.profiled()
    with pytest.raises(Undecided) as caught:
        site.asks("ssn", "DATE_OF_BIRTH", "field_7", "colour")  # as Spark, which knows no case
    assert "things.ssn (ssn), things.date_of_birth (birth date), things.field_7 (email). Nothing" in str(caught.value)
    assert not [value for row in ROWS for value in row[:3] if value in str(caught.value)]
    site.asks("colour")


def test_without_a_profile_of_these_data_names_have_to_do(local_lake: Lake) -> None:
    site = Site(local_lake, "unknown")
    for _ in range(2):
        with pytest.raises(Undecided, match=r"things.ssn \(ssn\), things.date_of_birth \(birth date\)\. Nothing"):
            site.asks("ssn", "date_of_birth", "field_7")
        site.profiled("made from something else")


def test_what_is_decided_however_passes(local_lake: Lake) -> None:
    site = Site(local_lake, "yes", ssn=Dropped(), date_of_birth=Year(birth=True), field_7=Keep(why="they agreed"))
    site.profiled()
    site.asks("ssn", "date_of_birth", "field_7", "colour")


@pytest.mark.parametrize("is_profiled", [True, False])
def test_a_field_within_a_column_wants_a_decision_on_the_column(local_lake: Lake, is_profiled: bool) -> None:
    site = Site(local_lake, "yes", extra=EXTRA)
    if is_profiled:
        site.profiled()
    for expression in ("member.last_name", "`Member` . `Plan`", "to_json(member)"):  # a held row has all of it
        with pytest.raises(Undecided, match=r"nobody has decided on things\.member\.last_name \(last name\)\. Nothing"):
            site.asks(expression)
    site.asks("last_name", "provider.last_name")
    for decided in ({"member": Keep(why="they agreed")}, {"member.last_name": Dropped()}):
        Site(local_lake, "yes", extra=EXTRA, **decided).asks("member.last_name")


def test_no_profile_looks_into_lists_so_that_they_want_one(local_lake: Lake) -> None:
    site = Site(local_lake, "yes", extra=EXTRA)
    site.profiled()
    with pytest.raises(Undecided, match=r"things\.items \(list\)"):
        site.asks("items[0]")
    Site(local_lake, "yes", extra=EXTRA, items=Dropped()).asks("items[0]")


def test_data_of_nobody_want_none(local_lake: Lake) -> None:
    Site(local_lake, "no").asks("ssn", "date_of_birth")


def test_once_it_is_published_it_is_a_warning(local_lake: Lake, caplog: pytest.LogCaptureFixture) -> None:
    site = Site(local_lake, "yes")
    assert not published(site.run, TO)
    site.publishes()
    assert published(site.run, TO)
    site.asks("ssn")
    [said] = [record.getMessage() for record in caplog.records if record.name == "test"]
    assert said == "party d1 to thing: nobody has decided on things.ssn (ssn), and it has been published before"


def test_the_same_decisions_make_the_same() -> None:
    """Only what a mapping sees counts: not the reason for which a column is kept, nor what nobody reads."""
    by = {"things": Mapping(columns={"id": "a", "v": "b"})}

    def made(key: str = "x" * 32, **decisions: Any) -> list[str]:
        return said({"things": Privacy(decisions, {"k": SecretStr(key)})}, by)

    assert made() == made(a=Keep(why="so it is")) == made(c=Dropped()) == []
    assert made(a=Dropped()) != made(b=Dropped()) != made(b=Year()) != made(b=Year(birth=True))
    assert made(a=Hash(key="k")) == made(a=Hash(key="k"), c=Dropped())
    assert made(a=Hash(key="k")) != made("y" * 32, a=Hash(key="k"))
    assert "x" * 32 not in str(made(a=Hash(key="k")))
    assert made(**{"b.c": Dropped()}) != made(**{"b.d": Dropped()}) != made()
    assert made(**{"c.b": Dropped()}) == []


def test_decisions_are_no_matter_of_raw() -> None:
    one, other = (Dataset(members=".*", reader=Csv(), privacy=p) for p in ({}, {"ssn": Dropped()}))
    assert repr(one) == repr(other)  # of which Raw's fingerprints are made


@pytest.mark.parametrize("name", ["SSN", "first name", "2nd", "member.lastName", "member..name"])
def test_a_column_is_named_as_in_the_lake(name: str) -> None:
    with pytest.raises(ValueError, match="in the lake"):
        Dataset(members=".*", reader=Csv(), privacy={name: Dropped()})


def test_a_field_of_what_is_dropped_is_not_decided_on() -> None:
    within = {"member.name.last": Keep(why="they agreed")}
    with pytest.raises(ValueError, match=r"member\.name\.last is within member, on which as a whole"):
        Dataset(members=".*", reader=Csv(), privacy={"member": Dropped(), **within})
    Dataset(members=".*", reader=Csv(), privacy={"member": Keep(why="they agreed"), "member.name": Dropped()})
