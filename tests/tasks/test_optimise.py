"""Joining what a source's daily increments leave, between its drops."""

import logging

import pytest

from blocks.lake import Lake, address
from spark.drift import Drift
from spark.optimise import Joined
from tasks.optimise import joined
from tests.tasks.test_convert import TABLE, Feed, source


def test_the_tables_of_a_source(local_lake: Lake, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "inlet")
    of = source().model_copy(update={"reject_limit": 0.5})
    feed = Feed(local_lake, of)
    assert joined(of, local_lake) == {}
    for day in (1, 2, 3):
        feed.bring(day, b"a,b\n%d,x\nragged\n" % day)
    before = feed.rows()
    assert joined(of, local_lake) == {
        TABLE: Joined(before=3, after=1),
        "rejected.acme_claims": Joined(before=3, after=1),
    }
    assert caplog.messages == [f"{name}: 3 data files joined to 1" for name in (TABLE, "rejected.acme_claims")]
    assert feed.rows() == before
    assert joined(of, local_lake) == {}
    assert feed.bring(2, b"a,b,c\n9,y,z\n").drift == Drift(new=("c",))  # a drop that is done again
    assert [row["a"] for row in feed.rows()] == ["1", "9", "3"]
    rejected = feed.tables.catalog.load_table("rejected.acme_claims").scan().to_arrow()
    assert sorted(rejected["_drop"].to_pylist()) == ["01", "03"]
    assert feed.bring(4, b"a,b,c\n4,y,z\n").drift == Drift(missing=(), new=("c",))
    assert joined(of, local_lake)[TABLE] == Joined(before=3, after=1)
    assert [row["a"] for row in feed.rows()] == ["1", "9", "3", "4"]


def test_what_is_joined_is_tagged_as_what_a_run_writes(s3_lake: Lake) -> None:
    of = source().model_copy(update={"phi": "yes"})
    feed = Feed(s3_lake, of)
    for day in (1, 2):
        feed.bring(day, b"a,b\n%d,x\n" % day)
    before = set(s3_lake.fs().find(s3_lake.path("raw")))
    assert joined(of, s3_lake) == {TABLE: Joined(before=2, after=1)}
    new = set(s3_lake.fs().find(s3_lake.path("raw"))) - before
    assert {path.rpartition(".")[2] for path in new} == {"parquet", "avro", "json"}
    for path in new:
        tags = s3_lake.client().get_object_tagging(**address(path))["TagSet"]
        assert tags == [{"Key": "phi", "Value": "yes"}], path
