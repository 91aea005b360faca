"""How many transfers use one server at once, by Prefect's global concurrency limits."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.drive import Drive
from blocks.http import HttpServer
from blocks.lake import Lake
from spark.readers import Csv
from tasks.convert import convert
from tasks.ingest import ingest
from tasks.limits import turn
from tasks.manifest import landed
from tasks.source import Dataset, Delivery, Drop, Source
from tasks.transfer import transfer
from tasks.unwrap import unwrap
from tests.servers import Nginx, PrefectServer

SITE = Source(
    slug="site",
    at="site",
    deliveries=(Delivery(kind="full", names=r"(?P<date>\d{8})\.csv", dated="%Y%m%d"),),
    datasets={"rows": Dataset(members=r".*", reader=Csv())},
    phi="no",
    quiet=None,
)


@ingest(SITE)
def site(drop: Drop) -> None:
    """Bring one drop into Raw."""
    convert(unwrap(transfer(drop), expect=[]))


@pytest.fixture
def limited(prefect_server: PrefectServer) -> Iterator[str]:
    """A server's name of which there is one slot."""
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}), get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name("127.0.0.1", 1)
        yield "127.0.0.1"
        client.delete_global_concurrency_limit_by_name("127.0.0.1")


def active(name: str) -> int:
    with get_client(sync_client=True) as client:
        return client.read_global_concurrency_limit_by_name(name).active_slots


def test_a_transfer_waits_for_its_turn_at_the_server_and_gives_it_back(
    limited: str, nginx: Nginx, local_lake: Lake
) -> None:
    (nginx.folder / "limited").mkdir()
    (nginx.folder / "limited" / "20261101.csv").write_text("id\n1\n")
    place = HttpServer(url=f"{nginx.url}limited/")
    place.save("site", overwrite=True)
    local_lake.save("lake", overwrite=True)
    with ThreadPoolExecutor(1) as pool:
        with turn(place):
            assert active(limited) == 1
            run = pool.submit(copy_context().run, partial(site, return_state=True))  # with this server
            time.sleep(8)
            assert not run.done(), run.result()
            assert landed(local_lake, SITE) == {}
        state = run.result(timeout=120)
    assert state.message == "Done: 2026-11-01"  # type: ignore[union-attr]
    assert active(limited) == 0


def test_without_a_limit_or_a_server_nobody_waits(limited: str, nginx: Nginx, tmp_path: Path) -> None:
    with turn(HttpServer(url="https://elsewhere.example.org/")), turn(Drive(path=tmp_path)):
        assert active(limited) == 0
