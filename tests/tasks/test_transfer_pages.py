"""An export of an API lands page by page, and counts only as one whole."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from blocks.errors import Replaced, Unreachable
from blocks.lake import Lake
from tasks import manifest
from tasks.discover import offered
from tasks.progress import Progress
from tasks.source import Delivery, Drop, Offered, Source
from tasks.transfer import Landed, land
from tests.blocks.test_api import STAMP, Api

PAGES = 4  # of 3 records, the last of 1


@pytest.fixture
def api() -> Iterator[Api]:
    import threading

    with Api() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def drop_of(api: Api) -> Drop:
    with api.block("token", size_parameter="limit", page_size=3).connect() as remote:
        files = tuple(Offered(**file.model_dump()) for file in remote.list())
    return Drop(source="acme", key="x", as_of=datetime(2026, 11, 24, tzinfo=UTC), kind="full", revision=1, files=files)


class Killed(Progress):
    """Stops a transfer after some pages, as a killed process would, but for what it lets go of."""

    def __init__(self, after: int) -> None:
        super().__init__("x", 0)
        self.left = after

    def tick(self) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def bring(api: Api, lake: Lake, progress: Progress | None = None, drop: Drop | None = None) -> Landed:
    place = api.block("token", size_parameter="limit", page_size=3)
    return land(drop or drop_of(api), place, lake, "run-00000001", progress=progress)


def landed_objects(lake: Lake) -> list[str]:
    fs = lake.fs()
    return [path for path in fs.find(lake.path("landed")) if "/r" in path and not path.endswith("next.json")]


def assert_whole(api: Api, lake: Lake, landed: Landed) -> None:
    files = landed.files
    assert [file.name for file in files] == [f"{STAMP}.json/{n:06}.json" for n in range(1, PAGES + 1)]
    assert {file.of for file in files} == {f"{STAMP}.json"}
    datas = [lake.fs().cat_file(lake.path(*file.path.split("/"))) for file in files]
    assert datas == api.sent[-PAGES:]
    assert [file.sha256 for file in files] == [hashlib.sha256(data).hexdigest() for data in datas]
    found = manifest.read(lake, "acme", "x")
    assert found
    assert found[0].latest.files == files
    assert found[0].shows(landed.drop.files)


def test_each_page_is_an_object_of_the_bytes_that_came(api: Api, lake: Lake) -> None:
    landed = bring(api, lake)
    assert_whole(api, lake, landed)
    assert landed.drop.revision == 1
    asked = len(api.asked)
    assert bring(api, lake).files == landed.files
    assert len(api.asked) == asked + 1, "only the listing asks again"


@pytest.mark.parametrize("after", range(1, PAGES + 1))
def test_pages_that_are_in_the_lake_are_not_asked_for_again(api: Api, lake: Lake, after: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        bring(api, lake, Killed(after))
    assert manifest.read(lake, "acme", "x") is None
    assert_whole(api, lake, bring(api, lake))
    assert len([path for path in api.asked if path.startswith("token")]) == PAGES


def test_pages_of_other_data_are_thrown_away_and_begun_anew(api: Api, lake: Lake) -> None:
    drop = drop_of(api)
    api.changes_after = 2
    with pytest.raises(Replaced, match="has other data now"):
        bring(api, lake, drop=drop)
    assert landed_objects(lake) == []
    assert manifest.read(lake, "acme", "x") is None

    api.begin(api.records)
    assert_whole(api, lake, bring(api, lake))


def test_an_export_whose_data_change_on_the_way_lands_as_the_drop_of_the_new_data(api: Api, lake: Lake) -> None:
    named = Delivery(kind="full", names=r"(?P<date>.*)\.json", dated="%Y-%m-%dT%H:%M:%S", key="%Y-%m-%dT%H%M%S")
    acme = Source(slug="acme", at="acme", deliveries=(named,), datasets={}, quiet=None, phi="no")
    place = api.block("token", size_parameter="limit", page_size=3)
    with place.connect() as remote:
        [drop] = offered(acme, {"acme": remote}, lake).drops
    assert drop.key == "2026-11-24T090005"
    api.changes_after = 2
    landed = land(drop, place, lake, "run-00000001", restarts=1, source=acme)
    assert landed.drop.key == "2026-11-25T090005"
    assert landed.drop.as_of == datetime(2026, 11, 25, 9, 0, 5, tzinfo=UTC)
    assert [file.name for file in landed.files] == [
        f"2026-11-25T09:00:05.json/{number:06}.json" for number in range(1, PAGES + 1)
    ]
    datas = [lake.fs().cat_file(lake.path(*file.path.split("/"))) for file in landed.files]
    assert datas == api.sent[-PAGES:]
    assert len(landed_objects(lake)) == PAGES, "nothing stays of what was begun"
    assert manifest.landed(lake, acme).keys() == {"2026-11-25T090005"}

    # one that meets the new data after another run has landed them answers with what is there
    asked = len(api.asked)
    assert land(drop, place, lake, "run-00000002", restarts=1, source=acme).files == landed.files
    assert not [path for path in api.asked[asked:] if path.startswith("token")]


def test_an_api_that_goes_away_leaves_its_pages_for_the_next_try(api: Api, lake: Lake) -> None:
    drop = drop_of(api)
    with pytest.raises(KeyboardInterrupt):
        bring(api, lake, Killed(2))
    api.files["token"] = (503, "text/plain", b"closed", "")
    with pytest.raises(Unreachable):
        bring(api, lake, drop=drop)
    assert len(landed_objects(lake)) == 2
    del api.files["token"]
    assert_whole(api, lake, bring(api, lake))
