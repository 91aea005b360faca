"""PubMed from NLM's server to `current`: baselines and updates by FTP, a real citation by HTTPS; fields by the DTDs."""

import gzip
import hashlib
import io
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from bench.synthetic.pubmed import World
from blocks.http import HttpServer
from blocks.place import Place
from flows.mappings.pubmed_fields import ARTICLES, BOOKS, DELETIONS
from flows.pubmed import PUBMED, pubmed
from spark.readers.xml import Xml
from spark.readers.xml_fields import Element
from spark.schemas import Publication
from tasks.discover import offered
from tasks.manifest import landed, now
from tests.blocks.test_ftp import serving
from tests.flows.conftest import Feed
from tests.servers import Nginx

NAMES = [column.name for column in Publication.columns]


def held_still(feed: Feed, place: Place) -> dict[str, str]:
    """Let what is on the server have been there for two hours; why drops wait that are not taken all the same."""
    with place.connect() as remote:
        there = {PUBMED.at: remote}
        offered(PUBMED, there, feed.lake, at=now() - timedelta(hours=2))
        return {waits.key: waits.reason for waits in offered(PUBMED, there, feed.lake).pending}


def current(feed: Feed) -> dict[str, dict[str, Any]]:
    """The columns of what is current, by PMID."""
    return {pmid: {name: row[name] for name in NAMES} for pmid, row in feed.current("publication", "pmid").items()}


def test_baselines_and_updates(feed: Callable[..., Feed], tmp_path: Path) -> None:
    with serving(tmp_path, tls=False) as ftpd:
        world = World(ftpd.folder, seed=5, citations=90)
        place = ftpd.block()
        at = feed(pubmed, PUBMED, pubmed=place)
        first, second, third = world.baseline(2025, files=3)
        world.put(first, third)
        assert held_still(at, place) == {"baseline-2025": "numbers that are missing from 1 to 3: 2"}
        world.put(second)
        (first_update, second_update) = (world.update(new=8, revised=12, repeated=5, deleted=6) for _ in range(2))
        world.put(second_update)
        assert held_still(at, place) == {"baseline-2025": "its files end with number 3, and number 5 follows"}

        world.put(first_update, md5=b"something else")
        assert held_still(at, place) == {}
        state = at.run()
        assert state.is_failed()
        assert "pubmed25n0004.xml.gz" in (state.message or "")
        assert {"baseline-2025", "2025-0005"} < landed(at.lake, PUBMED).keys() | {"2025-0004"}
        assert current(at) == world.truth()  # the baseline and the second update

        world.put(first_update)
        third_update = world.update(new=3, revised=30, repeated=2, deleted=9)
        world.put(third_update, damage=lambda data: data[: len(data) * 2 // 3])  # its sum is of what is left
        assert held_still(at, place) == {}
        state = at.run()
        assert state.is_failed()
        assert "pubmed25n0006.xml.gz" in (state.message or "")
        assert current(at) == world.truth()

        world.put(third_update, world.corrected(second_update))
        assert held_still(at, place) == {}
        assert at.done() == "Done: 2025-0005, 2025-0006"
        assert landed(at.lake, PUBMED)["2025-0005"].latest.number == 2
        assert current(at) == world.truth()

        before = world.truth()
        world.put(*world.baseline(2026, files=2, maintained=15, vanished=4))
        world.put(world.update(new=2, revised=20, repeated=3, deleted=2))
        assert held_still(at, place) == {}
        assert at.done() == "Done: baseline-2026, 2026-0003"
        truth = world.truth()
        assert len(before.keys() - truth.keys()) == 4 + 2
        assert current(at) == truth
        assert at.rows("held.publication") == []
        raw = at.rows("raw.pubmed_article", _drop="baseline-2026")
        kept = [row["_special"] for row in raw if row["_special"]]  # what the next year's DTD has added
        assert kept == [[("MedlineCitation/Article/@Preprint", 'Preprint="N"')]] * 15


def test_a_real_citation_by_https(feed: Callable[..., Feed], nginx: Nginx, realdata: Path) -> None:
    folder = nginx.folder / "pubmed"
    world = World(folder, seed=6, citations=20)
    place = HttpServer(url=f"{nginx.https_url}pubmed/", authority=nginx.authority)
    at = feed(pubmed, PUBMED, pubmed=place)
    world.put(*world.baseline(2025, files=2))
    real = (realdata / "xml" / "pubmed" / "pubmed-29768149.xml").read_bytes()
    update = folder / "updatefiles" / "pubmed25n0003.xml.gz"
    update.write_bytes(b"<html>Service unavailable</html>")  # a page in place of the file
    sum_of = hashlib.md5(gzip.compress(real, mtime=0), usedforsecurity=False).hexdigest()
    update.with_name(f"{update.name}.md5").write_text(f"MD5({update.name})= {sum_of}\n")
    assert held_still(at, place) == {}
    state = at.run()
    assert state.is_failed()
    assert update.name in (state.message or "")
    assert current(at) == world.truth()

    update.write_bytes(gzip.compress(real, mtime=0))
    assert held_still(at, place) == {}
    assert at.done() == "Done: 2025-0003"
    found = current(at)
    said = found.pop("29768149")
    assert found == world.truth()
    abstract = said.pop("abstract").split("\n")
    assert [line.partition(": ")[0] for line in abstract] == ["BACKGROUND", "METHODS", "RESULTS", "CONCLUSIONS"]
    assert "a fast-acting β 2-agonist may be" in abstract[0]  # the file was indented, a blank is before its <sub>
    mesh = dict(zip(said.pop("mesh_ids"), said.pop("mesh_terms"), strict=True))
    assert len(mesh) == 23
    assert mesh["D001249"] == "Asthma"
    assert {name: value for name, value in said.items() if value is not None} == {
        "pmid": "29768149",
        "version": 1,
        "title": "Inhaled Combined Budesonide-Formoterol as Needed in Mild Asthma.",
        "journal_title": "The New England journal of medicine",
        "journal_abbreviation": "N Engl J Med",
        "nlm_unique_id": "0255562",
        "issn": "0028-4793",
        "volume": "378",
        "issue": "20",
        "pages": "1865-1876",
        "publication_date": "2018-05-17",
        "completed_date": date(2018, 5, 24),
        "revised_date": date(2022, 4, 10),
        "publication_status": "ppublish",
        "doi": "10.1056/NEJMoa1715274",
        "languages": ["eng"],
        "country": "United States",
        "authors": [
            *("O'Byrne, Paul M", "FitzGerald, J Mark", "Bateman, Eric D", "Barnes, Peter J", "Zhong, Nanshan"),
            *("Keen, Christina", "Jorup, Carin", "Lamarca, Rosa", "Ivanov, Stefan", "Reddel, Helen K"),
        ],
        "publication_types": [
            *("Clinical Trial, Phase III", "Comparative Study", "Journal Article", "Multicenter Study"),
            *("Randomized Controlled Trial", "Research Support, Non-U.S. Gov't"),
        ],
        "chemicals": [
            *("Bronchodilator Agents", "Drug Combinations", "Glucocorticoids"),
            *("Budesonide", "Terbutaline", "Formoterol Fumarate"),
        ],
        "nct_ids": ["NCT02149199"],
    }


INLINE = {"b", "i", "sub", "sup", "u", "DispFormula"}


@pytest.mark.parametrize("reader", [ARTICLES, BOOKS, DELETIONS], ids=lambda reader: reader.row)
def test_all_that_the_dtds_allow_is_declared(reader: Xml, realdata: Path) -> None:
    allowed = 0
    for path in sorted((realdata / "sources" / "pubmed" / "dtd").glob("*.dtd")):
        # MathML, which is in a file of its own, stands among text alone
        text = re.sub(r"<!ENTITY % mathml-in-pubmed[^>]*>\s*%mathml-in-pubmed;", "", path.read_text())
        dtd = etree.DTD(
            io.StringIO(re.sub(r"\| mml:math|\(mml:math\)", lambda m: "" if "|" in m[0] else "EMPTY", text))
        )
        elements = {element.name: element for element in dtd.iterelements()}
        row = Element(reader.row, *(reader.fields or ()))
        top = row if reader.row in elements else row.fields[0]  # in 2015 citations stood alone, and books elsewhere
        allowed += undeclared(top, elements, top.name) if top.name in elements else 0
    assert allowed > {"PubmedArticle": 900, "PubmedBookArticle": 500, "DeleteCitation": 5}[reader.row]


def undeclared(declared: Element, elements: dict[str, Any], path: str) -> int:
    """How many elements and attributes a DTD allows within an element, all of which must be declared."""
    own, children, has_text = elements[declared.name], dict[str, bool](), False

    def walk(content: Any, many: bool) -> None:
        nonlocal has_text
        if content is None:
            return
        many = many or content.occur in ("mult", "plus")
        if content.type == "pcdata":
            has_text = True
        elif content.type == "element":
            children[content.name] = children.get(content.name, False) or many
        else:
            walk(content.left, many)
            walk(content.right, many)

    walk(own.content, False)
    fields = {one.name: one for one in declared.fields}
    if declared.markup:
        return 1
    assert {f"@{attribute.name}" for attribute in own.iterattributes()} <= fields.keys(), path
    if children.keys() & INLINE:
        assert "#markup" in fields, path
        return len(fields)
    assert has_text == (not children), path
    assert not has_text or not fields or "#text" in fields, path
    assert children.keys() <= fields.keys(), path
    assert all(fields[name].many for name, many in children.items() if many), path
    return len(fields) + sum(undeclared(fields[name], elements, f"{path}/{name}") for name in children)
