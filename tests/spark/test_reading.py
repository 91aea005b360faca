"""docs/reading.md: its code, as it stands there, over a lake with a source of two drops."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from blocks.lake import Lake
from spark.current import current_schema, history_schema
from spark.schemas import Provider
from spark.tables import Tables
from spark.writer import write

PAGE = Path(__file__).parents[2] / "docs" / "reading.md"
THEN, LATER = datetime(2026, 5, 31, tzinfo=UTC), datetime(2026, 7, 31, tzinfo=UTC)


def row(npi: str, state: str, since: datetime, until: datetime | None = None) -> dict[str, object]:
    mine = {"_source": "nppes", "_drop": f"{since:%Y-%m}", "_file": "f", "_record": 1, "_valid_from": since}
    return mine | {"_valid_to": until, "_closed_by": until and f"{until:%Y-%m}"} | {"npi": npi, "practice_state": state}


@pytest.fixture
def lake(local_lake: Lake) -> Lake:
    tables = Tables(local_lake.catalog_properties(), local_lake.url())
    zones = {
        "current": (current_schema(Provider), [row("1", "TX", LATER), row("2", "NY", THEN)]),
        "history": (history_schema(Provider), [row("1", "NY", THEN, LATER)]),
    }
    for zone, (schema, rows) in zones.items():
        name = f"{zone}.provider"
        mark = ("source", "nppes", {"fingerprint": "f", "run": "r"})
        files = write([pa.Table.from_pylist(rows, schema)], tables.folder(name), schema)
        tables.replace(name, schema, {"_source": "nppes"}, files, mark=mark)
    return local_lake


def test_the_code_of_the_page(lake: Lake, spark: SparkSession) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 5
    names: dict[str, object] = {}
    opened = f'Lake(root="{lake.root}")'
    found = []
    for block in blocks:
        exec(block.replace('Lake.load("lake")', opened), names)
        result = names.pop("by_state", names.pop("then", None))
        if result is not None:
            found.append(result)
    counts = [{tuple(pair) for pair in frame.to_numpy().tolist()} for frame in found[:3]]  # type: ignore[attr-defined]
    assert counts == [{("TX", 1), ("NY", 1)}] * 3
    assert sorted(found[3].select("npi", "practice_state").rows()) == [("1", "NY"), ("2", "NY")]  # type: ignore[attr-defined]
