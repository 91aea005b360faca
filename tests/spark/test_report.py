"""The report's page: self-contained, without values where there may be none, and as a browser shows it.

INLET_PICTURE=docs/report.png takes the picture of docs/report.md anew.
"""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree, html
from playwright.sync_api import Browser, sync_playwright

from spark.profiling.compare import compare
from spark.profiling.expectations import broken, draft
from spark.profiling.findings import Finding
from spark.profiling.profiles import ColumnProfile, DatasetProfile
from spark.profiling.recognised import Recognised
from spark.profiling.report import Earlier, Example, File, Refused, Report, Unfit, render
from spark.profiling.report.words import asks, markdown, percent, short, verdict
from spark.profiling.shown import Phi, masked, shown
from spark.recognising import recognise
from tests import servers
from tests.spark.profiled import claims, profile_of

PHI: tuple[Phi, ...] = ("yes", "unknown", "no")
RAGGED = "000183774651|0004711A|40|M|08/14/2026|211.80|1|I10|1234567893|||CA|25||x"


FIRST = "claims_202608_part1.txt"
UNFIT = Unfit(
    to="claim",
    datasets=("claims", "voids"),
    reasons={
        "claim_id is required": 4,
        "claim_id is required; billing_npi is required": 1,
        "contradicts another record of its key": 2,
    },
    held_at={"claim_id is required": (Example(file=FIRST, record=1_412), Example(file=FIRST, record=2_020))},
    given={"billing_npi": 2_600, "service_date": 2_611},
    lost={"billing_npi": 3, "service_date": 65},
    lost_at={
        "billing_npi": (Example(file=FIRST, record=77, text="9999999999"),),
        "service_date": (Example(file=FIRST, record=5, text="9999-99-99"),),
    },
    made_of={"claim_id": ("claim_id",), "billing_npi": ("rendering_npi",), "service_date": ("service_dt",)},
)


@lru_cache
def report(phi: Phi, drops: int = 7) -> Report:
    """A month after the party changed its system, beside those before."""
    before = [Earlier(drop=f"2026-{month:02}", profile=_month(month)) for month in range(8 - drops, 8)]
    now = profile_of(claims(8, 2_620, wrong=True))
    beside = before[-1].profile if before else None
    failed = broken(now, draft(_month(7), phi), beside)
    changed = compare(beside, now) if beside else ()
    meanings = {name: recognise(column)[:1] for name, column in now.columns.items()}
    ragged = tuple(Example(file=FIRST, record=n, text=shown(RAGGED, phi)) for n in (211, 984, 1001))
    places = tuple(Example(file=FIRST, record=n) for n in (3, 17, 20, 29, 34))
    return Report(
        source="northwind-health",
        dataset="claims",
        drop="2026-08",
        as_of=datetime(2026, 8, 31, tzinfo=UTC),
        kind="full",
        revision=1,
        phi=phi,
        now=now,
        files=(File(name=FIRST, bytes=48_213_991), File(name="claims_202608_part2.txt", bytes=None)),
        refused=(Refused(reason="15 fields, not 14", records=9, examples=ragged),),
        unfit=(UNFIT,),
        earlier=tuple(before),
        beside=before[-1].drop if before else None,
        recognised={name: best[0] for name, best in meanings.items() if best and best[0].confidence > 0.6},
        broken=failed,
        changed=changed,
        located={str(finding): places for finding in failed if finding.kind == "nulls"},
    )


@lru_cache
def _month(month: int) -> DatasetProfile:
    return profile_of(claims(month, 4_000 + 37 * month * (-1) ** month))


@pytest.mark.parametrize("phi", PHI)
def test_the_page_needs_nothing_from_elsewhere(phi: Phi) -> None:
    page = render(report(phi))
    assert not re.search(r"https?://|//[a-z]|<script|<link|<img|<iframe|@import|url\(|\bsrc=|javascript:", page)
    assert len(page) < 200_000
    assert page == render(report(phi))


@pytest.mark.parametrize("phi", PHI)
def test_the_page_is_whole_and_says_what_its_pictures_show(phi: Phi) -> None:
    page = render(report(phi))
    parser = html.HTMLParser(recover=False)
    document = html.fromstring(page, parser=parser)
    new = {
        "header",
        "main",
        "section",
        "article",
        "footer",
        "figure",
        "figcaption",
        "details",
        "summary",
        "svg",
        "path",
    }
    wrong = [e.message for e in parser.error_log if not any(f"Tag {tag}" in e.message for tag in SVG | new)]
    assert wrong == []
    assert document.xpath("//title/text()") == ["northwind-health claims, drop 2026-08"]
    pictures = document.xpath("//*[local-name()='svg']")
    assert len(pictures) > 10
    assert all(picture.get("role") == "img" and picture.get("aria-label") for picture in pictures)
    ids = document.xpath("//@id")
    assert len(ids) == len(set(ids))
    assert set(document.xpath("//@aria-labelledby")) <= set(ids)
    for picture in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        etree.fromstring(picture)


SVG = {"svg", "rect", "path", "line", "polygon", "polyline", "circle"}


def text(page: str) -> str:
    """What a reader of the page may find in it, attributes included, without its styles and measures of pictures."""
    document = html.fromstring(re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL))
    said = [*document.itertext(), *document.xpath("//@aria-label"), *document.xpath("//@title")]
    return "\n".join(said)


CANARIES = {
    "name": [f"Zoë Quagmire{n % 7}" for n in range(60)],
    "code": [("QX77", "ZK31", "PP04")[n % 3] for n in range(60)],
    "many": [f"K9V{n:04}W" for n in range(60)],
    "born": [f"19{n % 40 + 51}-07-1{n % 9}" for n in range(60)],
    "paid": [f"{73_131.25 + 17 * n:.2f}" for n in range(60)],
    "note": [f"patient Sandlewood{n % 3} <b>called</b> & wept" for n in range(60)],
    "sentinel": ["9999-12-31" if n % 2 else "2026-01-30" for n in range(60)],
}


@pytest.mark.parametrize("phi", ["yes", "unknown"])
def test_no_value_stands_on_the_page(phi: Phi) -> None:
    before = profile_of(
        {**CANARIES, "code": ["AB12", "CD34"] * 30, "paid": [f"{41.25 + n / 100:.2f}" for n in range(60)]}
    )
    now = profile_of(CANARIES)
    changed, failed = compare(before, now), broken(now, draft(before, "no"), before)
    assert {finding.kind for finding in changed} >= {"new values", "vanished values", "distribution"}
    shows = Report(
        **{**_plain(phi), "now": now, "earlier": (Earlier(drop="a", profile=before),), "beside": "a"},
        changed=changed,
        broken=failed,
        refused=(Refused(reason="x", records=1, examples=(Example(file="f", record=1, text=shown("QX77|Zoë", phi)),)),),
    )
    page = render(shows)
    said = text(page) + markdown(shows, "x")
    values = {value for column in CANARIES.values() for value in column} | {"AB12", "CD34", "41.25", "41.84"}
    for value in {*values, "Quagmire", "Sandlewood", "QX77", "73131", "73.1k", "1951", "9999-12-31", "Zo"}:
        assert value not in said, value
        assert len(value) < 4 or value not in page
    assert "Aaa Aaaaaaaa9" in said
    shows = shows.model_copy(update={"phi": "no"})
    assert all(value in text(render(shows)) for value in ("QX77", "Zoë Quagmire1", "73.1k"))


def _plain(phi: Phi) -> dict[str, object]:
    as_of = datetime(2026, 1, 1, tzinfo=UTC)
    about = {"source": "s", "dataset": "d", "drop": "b", "as_of": as_of, "kind": "full", "revision": 1}
    return {**about, "phi": phi, "now": DatasetProfile()}


anything = st.text(max_size=12)
counts = st.dictionaries(anything, st.integers(1, 50), max_size=4)
columns = st.builds(
    ColumnProfile,
    name=anything,
    original=anything,
    label=anything,
    rows=st.just(50),
    nulls=st.integers(0, 50),
    sampled=st.just(50),
    filled=st.integers(0, 50),
    longest=st.none() | st.integers(0, 9),
    shortest=st.none() | st.integers(0, 9),
    values=counts,
    patterns=counts,
    sentinels=counts,
    damaged=st.integers(0, 2),
)


@settings(max_examples=30)
@given(st.lists(columns, max_size=4, unique_by=lambda column: column.name), st.sampled_from(PHI), anything)
def test_whatever_columns_and_reasons_say_is_text(some: list[ColumnProfile], phi: Phi, said: str) -> None:
    now = DatasetProfile(rows=50, sampled=50, columns={column.name: column for column in some})
    finding = Finding(kind="rows", severity="problem", measured=1, limit=0, sentence=f"<i>{said}", values=(said,))
    shows = Report(
        **{**_plain(phi), "now": now, "source": f"<b>{said}"},
        refused=(Refused(reason=f"<script>{said}", records=1),),
        unfit=(
            Unfit(
                to=f"<script>{said}",
                datasets=(f"<script>{said}", "b"),
                reasons={f"<script>{said} is required": 1, f"<script>{said}": 1},
                given={f"<script>{said}": 1},
                lost={f"<script>{said}": 1},
                lost_at={f"<script>{said}": (Example(file=f"<script>{said}", record=1, text=f"<script>{said}"),)},
                made_of={f"<script>{said}": (f"<script>{said}", "b")},
            ),
        ),
        broken=(finding,),
        earlier=(Earlier(drop=said, profile=now),),
        beside=said,
        recognised={column.name: Recognised(kind="npi", confidence=1) for column in some},
    )
    page = render(shows)
    assert "<script" not in page
    assert "<b>" not in re.sub(r"<b>[\d,]*</b>|<b>[^<]*</b></span>", "", page)
    html.fromstring(page)


def test_a_dataset_without_rows_or_columns_has_a_page() -> None:
    assert "Nothing is wrong that we can see." in render(Report(**_plain("yes")))
    only = DatasetProfile(columns={"a": ColumnProfile(name="a", original="A")})
    assert "0 records" in render(Report(**{**_plain("no"), "now": only}))


def test_what_we_ask_for_is_of_what_is_wrong() -> None:
    asked = dict(asks(report("yes")))
    assert asked["Please correct the 9 records that could not be read, and send them again."] == ()
    assert asked["Please tell us why values are missing, and send the file again if they should be there."] == [
        "claim_type",
        "rendering_npi",
    ]
    lack = asked["Please fill in what these records must have and lack, or tell us why they lack it."]
    assert lack == ["claim_id", "rendering_npi"]
    assert asked["Please tell us which is right of records that contradict each other."] == ()
    unusable = "Please correct the values that cannot be used, or tell us how they are meant."
    assert asked[unusable] == ["service_dt"]  # of the other column hardly any were lost
    assert verdict(report("yes")).startswith(
        "We found 9 records that could not be read, 7 records that cannot be used, 1 column with values that cannot"
    )
    assert list(asks(Report(**_plain("yes")))) == []


def test_what_a_common_schema_could_not_use_is_said_in_the_names_of_the_file() -> None:
    said = re.sub(r"\s+", " ", text(render(report("yes"))))
    assert "the common table claim , which claims and voids make together" in said
    assert "4 records : without a valid claim_id See record 1,412 of claims_202608_part1.txt; record 2,020" in said
    assert "1 record : without a valid claim_id and billing_npi (made of rendering_npi)" in said
    assert "2 records : each contradicts another record of its key" in said
    assert "service_date (made of service_dt) 65 of 2,611 cannot be used record 5 of claims_202608_part1.txt (" in said
    short_ = markdown(report("yes"), "there")
    assert "- 4 records: without a valid claim_id\n" in short_
    assert "- 65 of 2,611 values of service_date (made of service_dt) cannot be used" in short_
    assert "3 of 2,600" not in short_


def test_what_is_lost_now_and_then_is_shown_and_no_warning() -> None:
    now = DatasetProfile(rows=50, columns={"a": ColumnProfile(name="a", original="A")})
    few = Unfit(to="claim", datasets=("claims",), given={"npi": 1_000}, lost={"npi": 3})
    page = render(Report(**{**_plain("yes"), "now": now}, unfit=(few,)))
    assert "Nothing is wrong that we can see." in page
    assert "3 of 1,000" in page


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("Zoë O'Neil-3", "Aaa A'Aaaa-9"),
        ("٣٤ Δδ 漢字", "99 Aa aa"),
        ("e\u0301", "aa"),
        ("a\x00\tb", "a··a"),
        ("a" * 200, "a" * 80 + "…"),
        ("", ""),
    ],
)
def test_the_shape_of_a_value(text: str, shape: str) -> None:
    assert masked(text) == shape
    assert (shown(text, "yes"), shown(text, "unknown")) == (shape, shape)
    assert shown(text[:80], "no") == text[:80]


@given(st.text(max_size=30))
def test_a_shape_holds_no_letter_and_no_digit_of_its_value(value: str) -> None:
    assert set(re.findall(r"\w", masked(value))) <= {"A", "a", "9", "_"}


@pytest.mark.parametrize(
    ("n", "said"), [(0, "0"), (12.5, "12.5"), (999, "999"), (1_234, "1.23k"), (999_999, "1M"), (4.2e9, "4.2B")]
)
def test_short_numbers(n: float, said: str) -> None:
    assert short(n) == said


@pytest.mark.parametrize(
    ("share", "said"), [(0, "0%"), (1, "100%"), (0.0001, "< 0.1%"), (0.99999, "> 99.9%"), (0.384, "38.4%")]
)
def test_shares(share: float, said: str) -> None:
    assert percent(share) == said


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = servers.require("chromium", "there is no Chromium")
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as found,
    ):
        yield found


@pytest.mark.parametrize("phi", ["yes", "no"])
def test_a_browser_shows_it_at_any_width_without_a_request(browser: Browser, tmp_path: Path, phi: Phi) -> None:
    file = tmp_path / "claims.html"
    file.write_text(render(report(phi)), encoding="utf-8")
    for width in (400, 1280):
        page = browser.new_page(viewport={"width": width, "height": 860})
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message, said=said: said.append(message.text))
        page.on("pageerror", lambda error, said=said: said.append(str(error)))
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto(file.as_uri())
        assert (said, asked) == ([], [file.as_uri()])
        assert page.evaluate("document.documentElement.scrollWidth") == width  # nothing sticks out
        for heading in ("What arrived", "What is wrong", "What we ask for", "What moved", "What is empty"):
            assert page.get_by_role("heading", name=heading).is_visible()
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        page.close()


def test_the_picture_of_the_docs(browser: Browser, tmp_path: Path) -> None:
    target = os.environ.get("INLET_PICTURE") or str(tmp_path / "report.png")
    page = browser.new_page(viewport={"width": 1080, "height": 1250})
    page.set_content(render(report("yes")))
    page.screenshot(path=target)
    page.close()
    assert 20_000 < Path(target).stat().st_size < 150_000
