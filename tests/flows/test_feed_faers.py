"""FAERS, from FDA's page of zips to the five current tables of adverse events; and its real files."""

import io
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.synthetic.faers import TABLES, World, deleted_name, member, rows_of, zip_name
from blocks.http import HttpServer
from flows.faers import FAERS, FIELDS, faers
from flows.mappings.faers import MAPPED
from spark.schemas import Schema
from spark.transform import CONTRADICTS
from tests import servers
from tests.flows.conftest import Feed

PAGE = b"<!DOCTYPE html><html><head><title>FDA</title></head><body>Page Not Found</body></html>"


def current(feed: Feed, schema: Schema) -> dict[Any, dict[str, Any]]:
    """Rows of a common schema by key, with the columns that are the schema's."""
    names = [column.name for column in schema.columns]
    return {key: {name: row[name] for name in names} for key, row in feed.current(schema.name, *schema.key).items()}


def assert_true(feed: Feed, world: World) -> None:
    """`current` has what the quarters come to: each row, all of its columns, and nothing else."""
    truth = world.truth()
    for schema in MAPPED:
        have, want = current(feed, schema), truth[schema.name]
        assert have.keys() == want.keys(), schema.name
        assert [(have[key], row) for key, row in want.items() if have[key] != row] == [], schema.name


def held(feed: Feed, schema: str, drop: str) -> Counter[str]:
    return Counter(row["_reason"] for row in feed.rows(f"held.{schema}", _drop=drop))


class Site:
    """FDA's web server: a page, and the zips that it links, which stand in another folder."""

    def __init__(self, nginx: servers.Nginx, folder: Path) -> None:
        self._files, self._page = folder / "content" / "Exports", folder / "extensions" / "FAERS.html"
        for made in (self._files, self._page.parent):
            made.mkdir(parents=True)
        self._url = f"{nginx.https_url}{folder.name}/"
        self._authority = nginx.authority

    def publish(self, world: World, *keys: str) -> None:
        for key in keys:
            world.write(key, self._files)
        self._list()

    def publish_real(self, realdata: Path, *keys: str) -> None:
        for key in keys:
            shutil.copy(realdata / "sources" / "faers" / zip_name(key), self._files)
        self._list()

    def publish_page(self, key: str) -> None:
        """A web page where a quarter's zip should be, sent as if it were one."""
        (self._files / zip_name(key)).write_bytes(PAGE)
        self._list()

    def _list(self) -> None:
        links = [f"{self._url}content/Exports/{path.name}" for path in sorted(self._files.glob("*.zip"))]
        links += [link.replace("_ascii_", "_xml_") for link in links]  # which this server does not have
        rows = "".join(f"<tr><td><a href='{link}'>{link.rpartition('/')[2]}</a></td></tr>" for link in links)
        self._page.write_text(f"<html><body><a href='#top'>Top</a><table>{rows}</table></body></html>")

    @property
    def block(self) -> HttpServer:
        return HttpServer(
            url=f"{self._url}content/Exports/",
            listing=f"{self._url}extensions/FAERS.html",
            authority=self._authority,
            only=r"(?i).*_ascii_.*\.zip",
        )


def test_quarters_of_every_era_with_a_correction_and_deletions(
    feed: Callable[..., Feed], nginx: servers.Nginx, tmp_path: Path
) -> None:
    site, world = Site(nginx, nginx.folder / tmp_path.name), World(seed=3)
    world.add("2012q3", cases=160)
    world.add("2012q4", cases=120, follow_ups=25)
    world.add("2014q3", cases=100, follow_ups=25)
    site.publish(world, "2012q3", "2012q4", "2014q3")
    site.publish_page("2024q4")
    fda = feed(faers, FAERS, faers=site.block)

    state = fda.run()
    assert state.is_failed()
    assert "2024q4" in (state.message or "")
    assert "2014q3:" not in (state.message or "")
    assert_true(fda, world)
    for key in world.quarters:
        counted = {table: len(fda.rows(f"raw.faers_{table.lower()}", _drop=key)) for table in TABLES}
        wrong = {table: len(fda.rows(f"rejected.faers_{table.lower()}", _drop=key)) for table in TABLES}
        quarter = world.quarters[key]
        assert {table: counted[table] + wrong[table] for table in TABLES} == quarter.records
        assert {table: n for table, n in wrong.items() if n} == quarter.rejected
    glued, *broken = sorted(fda.rows("rejected.faers_drug", _drop="2012q3"), key=lambda row: row["_record"])
    assert glued["_reason"] == "25 fields where 13 belong"
    assert glued["_text"].count("$") == 24
    assert len(broken) == 2
    assert held(fda, "adverse_event", "2012q3") == {"case_id is required": 1}
    assert held(fda, "adverse_event", "2012q4") == {CONTRADICTS: 1}

    world.correct("2012q4")
    deleted = world.add("2024q4", cases=60, follow_ups=20, deleted=12).deleted
    assert deleted is not None
    before = current(fda, next(iter(MAPPED)))
    site.publish(world, "2012q4", "2024q4")
    assert "2" in fda.done()
    assert_true(fda, world)
    now = current(fda, next(iter(MAPPED)))
    assert len(before.keys() & set(deleted)) == 12
    assert not now.keys() & set(deleted)
    assert [row["_drop"] for row in fda.rows("raw.faers_deleted")] == ["2024q4"] * (len(deleted) + 1)


def test_the_real_quarters(feed: Callable[..., Feed], nginx: servers.Nginx, realdata: Path, tmp_path: Path) -> None:
    site = Site(nginx, nginx.folder / tmp_path.name)
    site.publish_real(realdata, "2004q1", "2017q2")
    fda = feed(faers, FAERS, faers=site.block)
    fda.done()
    for key in ("2004q1", "2017q2"):
        for table, lines in real(realdata, key).items():
            assert len(fda.rows(f"raw.faers_{table.lower()}", _drop=key)) == len(lines) - 1
            assert fda.rows(f"rejected.faers_{table.lower()}", _drop=key) == []
        for schema in MAPPED:
            assert held(fda, schema.name, key) == {}, (key, schema.name)
    events = fda.current("adverse_event", "case_id")
    assert events.keys() == {line.split("$")[1] for key in ("2004q1", "2017q2") for line in rows(realdata, key, "DEMO")}
    assert events["4064419"]["report_id"] == "4264028"
    assert (events["4064419"]["event_date"], events["4064419"]["weight_kg"]) == ("2003-11-27", 71.0)
    assert events["4057482"]["weight_kg"] == pytest.approx(152 * 0.45359237)
    assert (events["10979236"]["report_id"], events["10979236"]["age_group"]) == ("109792364", "adult")
    assert events["10979236"]["event_date"] == "2003"
    drugs = fda.current("adverse_event_drug", "report_id", "drug_sequence")
    assert drugs["109792364", 1]["active_ingredient"] == "RISPERIDONE"
    assert drugs["4263742", 1004516269]["drug_name"] == "CITALOPRAM"


def real(realdata: Path, key: str) -> dict[str, list[str]]:
    """The lines of a real quarter's files, by table."""
    with zipfile.ZipFile(realdata / "sources" / "faers" / zip_name(key)) as archive:
        names = {table: next(n for n in archive.namelist() if f"/{table}" in n) for table in TABLES}
        return {table: archive.read(name).decode("latin-1").splitlines() for table, name in names.items()}


def rows(realdata: Path, key: str, table: str) -> list[str]:
    return real(realdata, key)[table][1:]


@pytest.mark.parametrize("table", TABLES)
def test_real_rows_under_the_header_that_fda_wrote(table: str, realdata: Path) -> None:
    header, *rows = real(realdata, "2004q1")[table]
    names = [name.upper() for name in header.split("$") if not name[1:].isdecimal()]  # v23 is none of FDA's
    data = "\r\n".join(["$".join(names), *rows, ""]).encode("latin-1")
    found = [row for batch in FIELDS.batches(io.BytesIO(data)) for row in batch.to_pylist()]
    assert [list(row) for row in found] == [["_record", *names]] * len(rows)
    values = [row.split("$")[: len(names)] for row in rows]
    assert [[row[name] or "" for name in names] for row in found] == values


@pytest.mark.parametrize("key", ["2004q1", "2012q4", "2018q1", "2019q4", "2020q2", "2020q3", "2021q3", "2025q3"])
def test_every_style_of_names(key: str) -> None:
    [delivery] = FAERS.deliveries
    assert (delivery.groups(zip_name(key)) or {})["quarter"] == key[5]
    for table in TABLES:
        assert FAERS.datasets_of(member(table, key)) == (table.lower(),)
    assert FAERS.datasets_of(deleted_name(key)) == ("deleted",)
    assert FAERS.ignored(member("STAT", key))


def test_a_corrected_quarter_says_something_else() -> None:
    world = World(seed=3)
    first = rows_of(world.add("2012q4", cases=120))
    again = rows_of(world.correct("2012q4"))
    for schema in MAPPED:
        assert first[schema.name] != again[schema.name]
    assert len(first["adverse_event"]) == len(again["adverse_event"]) + 1
