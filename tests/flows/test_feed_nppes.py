"""NPPES, from CMS's page and its folder on an HTTPS server to `current.provider`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from bench.synthetic.nppes import Delivery, World
from blocks.http import HttpServer
from flows.nppes import NPPES, nppes
from tasks.manifest import landed
from tests.flows.conftest import Feed
from tests.servers import Nginx

DAY = timedelta(days=1)
START = date(2026, 11, 8)
SAME = {
    "organization_name": "organization_name",
    "last_name": "last_name",
    "first_name": "first_name",
    "practice_city": "practice_city",
    "practice_state": "practice_state",
    "primary_taxonomy_code": "primary_taxonomy",
    "enumeration_date": "enumeration_date",
    "last_updated": "last_update_date",
}
"""Columns of `current` that are those of the truth as they are, but for null, which is "" there."""


@dataclass(frozen=True)
class Site:
    """CMS's folder, with the page that links what is in it, and our feed of it."""

    folder: Path
    feed: Feed

    def link(self) -> None:
        """Have the page link every zip, and what else CMS's page links."""
        links = [f'<li><a href="./{path.name}">{path.name}</a></li>' for path in sorted(self.folder.glob("*.zip"))]
        elsewhere = '<a href="https://www.cms.gov/">CMS</a><a href="#top">top</a>'
        page = f"<html><head><title>NPI Files</title></head><body>{elsewhere}<ul>{''.join(links)}</ul></body></html>"
        (self.folder / "NPI_Files.html").write_text(page)

    def assert_true(self, world: World, deliveries: Sequence[Delivery]) -> None:
        """`current` is the truth, and Raw holds every record of what counts, each once."""
        want = {row["npi"]: row for row in world.truth(deliveries).to_pylist()}
        have = self.feed.current("provider", "npi")
        assert have.keys() == want.keys()
        for npi, row in want.items():
            assert {name: have[npi][name] or "" for name in SAME} == {name: row[of] for name, of in SAME.items()}, npi
            assert have[npi]["entity_type"] == {"1": "individual", "2": "organization"}[row["entity_type"]]
            zip_code = row["practice_postal_code"]
            extension = f"-{zip_code[5:]}" if zip_code[5:].strip("0") else ""
            assert (have[npi]["practice_zip_code"] or "") == zip_code[:5] + extension
        counts = {
            "npidata": sum(delivery.well_formed for delivery in deliveries if delivery.kind != "deletions"),
            "deactivated": sum(delivery.well_formed for delivery in deliveries if delivery.kind == "deletions"),
            **{name: sum(getattr(d, name) for d in deliveries) for name in ("othername", "pl", "endpoint")},
        }
        for dataset, count in counts.items():
            records = [(r["_drop"], r["_file"], r["_record"]) for r in self.feed.rows(f"raw.nppes_{dataset}")]
            assert (len(records), len(set(records))) == (count, count), dataset
        malformed = sum(delivery.malformed for delivery in deliveries)
        assert len(self.feed.rows("rejected.nppes_npidata")) == malformed > 0


@pytest.fixture
def site(feed: Callable[..., Feed], nginx: Nginx, tmp_path: Path) -> Site:
    folder = nginx.folder / f"nppes-{tmp_path.name}"
    folder.mkdir()
    place = HttpServer(
        url=f"{nginx.https_url}{folder.name}/",
        listing="NPI_Files.html",
        authority=nginx.authority,  # CMS's is signed by one that everybody knows
    )
    return Site(folder, feed(nppes, NPPES, nppes=place))


def test_a_month_a_week_who_is_gone_and_a_month_that_is_published_again(site: Site) -> None:
    world = World(seed=3, providers=1_500)
    month = world.monthly(START, site.folder)
    other = World(seed=4, providers=900, era="2015").monthly(START, site.folder)  # under the old name: not taken
    assert other.path.name == month.path.name.replace("_V2", "")
    site.link()
    assert site.feed.done() == "Done: 2026-11"
    site.assert_true(world, [month])

    # four weeks: a single one of so few providers would have too large a share of ragged records
    week = world.weekly(START + DAY, START + 28 * DAY, site.folder)
    gone = world.deactivations(START + 40 * DAY, site.folder)
    cut_off = site.folder / "NPPES_Data_Dissemination_120726_121326_Weekly_V2.zip"
    cut_off.write_bytes(week.path.read_bytes()[:-500])  # is still being written
    site.link()
    assert site.feed.done() == "Done: 2026-12-06, deactivated-2026-12-18; 1 not complete yet"
    after = [month, week, gone]
    site.assert_true(world, after)
    assert world.truth([month, week]).num_rows > world.truth(after).num_rows  # some were in the report alone

    # the month is published again, as it was two days later: those whom nothing has happened to since are as it says
    again = world.monthly(START + 2 * DAY, site.folder)
    assert again.path == month.path
    assert world.truth([again]) != world.truth([month])
    cut_off.write_text("<html><body>The system is down for maintenance.</body></html>")
    site.link()
    assert site.feed.done() == "Done: 2026-11; 1 not complete yet"
    site.assert_true(world, [again, week, gone])
    manifests = landed(site.feed.lake, NPPES)
    assert {key: [r.number for r in m.revisions] for key, m in manifests.items()} == {
        "2026-11": [1, 2],
        "2026-12-06": [1],
        "deactivated-2026-12-18": [1],
    }
    assert [file.name for file in manifests["2026-11"].latest.files] == [month.path.name]
