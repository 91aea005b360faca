"""From a record back to its byte: the index says what the file shows."""

import csv
import gzip
import io
from pathlib import Path

import pytest

from blocks.lake import Lake
from spark.readers import Csv
from tasks import staging
from tasks.convert import to_raw
from tasks.index import Found, find, keep
from tasks.run import Run
from tasks.source import Dataset, Delivery, Source
from tasks.unwrap import Parts, stage
from tests.tasks.test_unwrap import landed

RECORDS = [f'{i},"line one of {i}\nline ""two"""\n'.encode() for i in range(5_000)]
SOURCE = Source(
    slug="party",
    at="party",
    deliveries=(Delivery(kind="full", names=r"claims_(?P<date>\d{8})\..*", dated="%Y%m%d"),),
    datasets={"claims": Dataset(members=r"claims.*\.csv", reader=Csv())},
    phi="no",
)


def test_a_record_leads_to_its_byte_in_the_plain_file(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "PART", 30_000)
    monkeypatch.setattr(staging, "PIECE", 7_000)
    plain = b"id,note\n" + b"".join(RECORDS)
    drop = landed(lake, {"claims_20260101.csv.gz": gzip.compress(plain)})
    staged = stage(drop, SOURCE, lake, "run")
    (file,) = staged["claims"]
    assert len(file.parts) > 3
    keep(lake, drop.drop, "made", staged)
    for record in (1, 2, 700, 2_500, 5_000):
        found = find(lake, "party", drop.drop.key, "claims", file.file, record, "made")
        assert found is not None
        rows = list(csv.reader(io.StringIO(plain[found.offset :].decode())))
        assert rows[found.nth - 1][0] == str(record - 1)
    assert find(lake, "party", drop.drop.key, "claims", file.file, 1, "made otherwise") is None
    assert find(lake, "party", drop.drop.key, "claims", "other.csv", 1, "made") is None
    keep(lake, drop.drop, "made otherwise", staged)
    assert find(lake, "party", drop.drop.key, "claims", file.file, 1, "made otherwise") is not None


def test_a_drop_without_an_index_leads_nowhere(tmp_path: Path) -> None:
    lake = Lake(root=str(tmp_path))
    assert find(lake, "party", "2026", "claims", "x.csv", 1, "made") is None


def test_a_drop_in_raw_has_its_index(local_lake: Lake) -> None:
    drop = landed(local_lake, {"claims_20260101.csv": b"id,note\n1,a\n2,b\n"})
    staged = stage(drop, SOURCE, local_lake, "run")
    parts = Parts(drop=drop.drop, fingerprint="made", up_to_date=False, datasets=staged)
    to_raw(parts, Run(source=SOURCE, lake=local_lake, id="run"))
    assert find(local_lake, "party", drop.drop.key, "claims", "claims_20260101.csv", 2, "made") == Found(8, 2)
