"""NHANES, from web pages that list its files to `current`: cycles, revisions in place, and a page kept as a file."""

import gzip
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from bench.synthetic.nhanes import CYCLES, World
from blocks.http import HttpServer
from flows.nhanes import NHANES, nhanes
from spark.schemas import SCHEMAS
from tasks.manifest import landed
from tests.flows.conftest import Feed
from tests.servers import Nginx

KEYS = {"patient": ("patient_id",), "survey_participant": ("patient_id", "cycle"), "observation": ("observation_id",)}
PAGES = ("Demographics", "Examination", "Laboratory")
ERROR_PAGE = b"<!DOCTYPE html>\n<html><head><title>Page Not Found | CDC</title></head></html>\n"


class Site:
    """NCHS's site below a folder of the server: files, and pages that list them beside much else."""

    def __init__(self, nginx: Nginx, folder: Path) -> None:
        self._nginx, self._folder = nginx, nginx.folder / folder.name
        self.public = self._folder / "Public"
        self.public.mkdir(parents=True)
        self.list([])

    def block(self) -> HttpServer:
        """As the flow's file says that it is filled in."""
        root = f"{self._nginx.https_url}{self._folder.name}/"
        return HttpServer(
            url=f"{root}Public/",
            listing=" ".join(f"{root}{page}.html" for page in PAGES),
            only=r"(?i).*/(P_)?(DEMO|BMX|BPXO?|GHB|LAB10|L10|TCHOL|LAB13|L13)(_[A-L])?\.xpt",
            authority=self._nginx.authority,
        )

    def list(self, names: Iterable[str]) -> None:
        """Write the pages: each third of the names on one of them."""
        names = list(names)
        for nth, page in enumerate(PAGES):
            rows = "".join(
                f'<tr><td><a href="/{self._folder.name}/Public/{name.replace(".xpt", ".htm")}">Doc</a></td>'
                f'<td><a href="/{self._folder.name}/Public/{name}">XPT</a></td></tr>'
                for name in [*names[nth::3], f"2007/DataFiles/OTHER{nth}_E.xpt"]
            )
            menu = '<a href="https://www.cdc.gov/">CDC</a><a href="#top">Top</a>'
            (self._folder / f"{page}.html").write_text(f"<html>{menu}<table>{rows}</table></html>")

    def put(self, name: str, data: bytes) -> None:
        path = self.public / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.fixture
def site(nginx: Nginx, tmp_path: Path) -> Site:
    return Site(nginx, tmp_path)


def current(feed: Feed) -> dict[str, dict[Any, dict[str, Any]]]:
    """Every table, by its key and the columns that have a value."""
    return {
        schema: {
            at: {column.name: row[column.name] for column in SCHEMAS[schema].columns if row[column.name] is not None}
            for at, row in feed.current(schema, *key).items()
        }
        for schema, key in KEYS.items()
    }


def truth(*files: tuple[World, str, str]) -> dict[str, dict[Any, dict[str, Any]]]:
    """What all of these files say."""
    found: dict[str, dict[Any, dict[str, Any]]] = {schema: {} for schema in KEYS}
    for world, cycle, component in files:
        for schema, rows in world.truth(cycle, component).items():
            found[schema] |= rows
    return found


def test_cycles_revisions_and_a_page_in_the_place_of_a_file(feed: Callable[..., Feed], site: Site) -> None:
    first, revised = World(seed=3), World(seed=3, revised={"E"})
    names = {key: first.name(*key) for key in ((cycle, c) for cycle in CYCLES for c in CYCLES[cycle].components)}
    for component in ("DEMO", "BMX", "BPX"):
        first.write("E", component, site.public)
    site.put(names["E", "GHB"], ERROR_PAGE)
    site.list(names["E", component] for component in ("DEMO", "BMX", "BPX", "GHB"))
    survey = feed(nhanes, NHANES, nhanes=site.block())
    state = survey.run()
    assert state.is_failed()
    assert "GHB-2007: " in str(state.message)
    assert "a web page, as a server sends it for a file that it does not have" in str(state.message)
    assert "Done: BMX-2007, BPX-2007, DEMO-2007" in str(state.message)
    assert current(survey) == truth(*((first, "E", component) for component in ("DEMO", "BMX", "BPX")))

    # the next cycle comes, with other variables; of the first one the page is put right, and two files are revised
    for component in ("DEMO", "BMX", "BPXO", "TCHOL"):
        first.write("L", component, site.public)
    first.write("E", "GHB", site.public)
    for component in ("DEMO", "BMX"):
        revised.write("E", component, site.public)
    site.list(names.values())  # some are announced, and are not there
    assert survey.done().startswith("Done: 7 drops (")
    now = truth(
        *((revised, "E", component) for component in ("DEMO", "BMX")),
        *((first, "E", component) for component in ("BPX", "GHB")),
        *((first, "L", component) for component in ("DEMO", "BMX", "BPXO", "TCHOL")),
    )
    assert current(survey) == now
    withdrawn = first.truth("E", "DEMO")["patient"].keys() - revised.truth("E", "DEMO")["patient"].keys()
    assert withdrawn
    assert not survey.rows("history.patient"), "a revision takes the place of its file: what it left out never was"
    manifests = landed(survey.lake, NHANES)
    assert {key: (found.latest.number, found.failed) for key, found in manifests.items()} == {
        **dict.fromkeys(("BMX-2007", "DEMO-2007", "GHB-2007"), (2, None)),
        **dict.fromkeys(("BPX-2007", "BMX-2021", "BPXO-2021", "DEMO-2021", "TCHOL-2021"), (1, None)),
    }
    assert survey.done().startswith("Nothing is new")


def test_real_files(feed: Callable[..., Feed], site: Site, realdata: Path) -> None:
    """Participants of 2007, body measures up to March 2020, and the page that somebody kept as DEMO_L.xpt."""
    real = realdata / "sources" / "nhanes"
    names = ["2007/DataFiles/DEMO_E.XPT", "2017/DataFiles/P_BMX.xpt", "2021/DataFiles/DEMO_L.xpt"]
    for name, file in zip(names[:2], ("DEMO_E.XPT.gz", "P_BMX.xpt.gz"), strict=True):
        site.put(name, gzip.decompress((real / file).read_bytes()))
    shutil.copyfile(real / "DEMO_L.NOT_XPT_html_error_page.xpt", site.public / "page")
    site.put(names[2], (site.public / "page").read_bytes())
    site.list(names)
    survey = feed(nhanes, NHANES, nhanes=site.block())
    message = str(survey.run().message)
    assert "DEMO-2021: " in message
    assert "a web page" in message
    assert "Done: DEMO-2007, P_BMX-2017" in message

    # as its codebook counts them
    people = survey.current("patient", "patient_id").values()
    assert len(people) == 10_149
    assert Counter(row["sex"] for row in people) == {"male": 5096, "female": 5053}
    assert Counter(row["race"] for row in people) == {
        None: 2157 + 1201,
        "white": 4115,
        "black or african american": 2211,
        "other": 465,
    }
    assert Counter(row["marital_status"] for row in people) == {
        **{"M": 3116, "W": 562, "D": 657, "L": 203, "S": 992, "T": 401},
        None: 4214 + 4,
    }
    taking_part = survey.current("survey_participant", "patient_id").values()
    assert Counter(row["participation"] for row in taking_part) == {"interviewed": 387, "examined": 9762}
    assert Counter(row["pregnant"] for row in taking_part) == {True: 57, False: 1096, None: 8941 + 55}
    assert Counter(row["education"] for row in taking_part)[None] == 4214 + 2 + 5
    assert {row["cycle"] for row in taking_part} == {"2007-2008"}
    assert sum(row["age"] == 80 for row in taking_part) == 439
    # their weights add up to the people who live there, outside of institutions
    assert 290e6 < sum(row["interview_weight"] for row in taking_part) < 305e6

    measured = survey.rows("current.observation")
    assert {row["effective_period"] for row in measured} == {"2017-2020"}
    raw = survey.rows("raw.nhanes_bmx")
    assert len(raw) == 14_300
    variables = [name for name in raw[0] if name.startswith("bmx") or name == "bmdbmic"]
    assert len(variables) == 11
    assert Counter(row["source_code"].lower() for row in measured) == {
        name: sum(row[name] is not None for row in raw) for name in variables
    }
    for row in measured[:: len(measured) // 100]:
        assert row["result"] if row["value_as_number"] is None else float(row["result"]) == row["value_as_number"]
