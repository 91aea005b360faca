"""What tests of the sources' flows share, from a real server to `current` on S3.

Their files are named `test_feed_*.py`: they run in one worker, and so have one Prefect server, one S3 server and one
Spark session among them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prefect import Flow
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.lake import Lake
from blocks.place import Place
from spark.tables import Tables
from tasks.source import Source
from tests import servers


@dataclass(frozen=True)
class Feed:
    """A source's flow in this process, its place and its lake."""

    flow: Flow[..., object]
    source: Source
    lake: Lake

    @property
    def tables(self) -> Tables:
        """The lake's tables."""
        return Tables(self.lake.catalog_properties(), self.lake.url())

    def run(self, **parameters: Any) -> State[Any]:
        """Run the flow, whatever comes of it."""
        state: State[Any] = self.flow(**parameters, return_state=True)  # type: ignore[assignment]
        return state

    def done(self, **parameters: Any) -> str:
        """Run the flow to its end and say what it says."""
        state = self.run(**parameters)
        assert state.is_completed(), state.message
        return state.message or ""

    def rows(self, table: str, **where: str) -> list[dict[str, Any]]:
        """The rows of a table, such as `current.provider`; all of them, or those of a drop."""
        fs: fsspec.AbstractFileSystem = self.lake.fs()
        found = []
        for url in self.tables.files(table, **where):
            with fs.open(url.partition("://")[2] if "://" in url else url, "rb") as stream:
                found.append(pq.read_table(stream))
        rows: list[dict[str, Any]] = pa.concat_tables(found, promote_options="permissive").to_pylist() if found else []
        return [row for row in rows if all(row[name] == value for name, value in where.items())]

    def current(self, schema: str, *key: str) -> dict[Any, dict[str, Any]]:
        """What `current` has for a schema, by one column of its key or several; each key is there once."""
        rows = self.rows(f"current.{schema}")
        found = {row[key[0]] if len(key) == 1 else tuple(row[name] for name in key): row for row in rows}
        assert len(found) == len(rows), f"current.{schema} has a key twice"
        return found


@pytest.fixture
def feed(
    s3_lake: Lake, prefect_server: servers.PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Feed]]:
    """Call it with a flow, its source and the block of each place, by name, for a feed into a new lake on S3."""
    servers.require("java", "there is no Java")
    monkeypatch.setenv("INLET_CADENCE", "off")  # what these tests publish has days of its own

    def made(flow: Flow[..., object], source: Source, **places: Place) -> Feed:
        s3_lake.save("lake", overwrite=True)  # type: ignore[call-arg]
        for name, place in places.items():
            place.save(name.replace("_", "-"), overwrite=True)  # type: ignore[call-arg]
        return Feed(flow, source, s3_lake)

    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        yield made
