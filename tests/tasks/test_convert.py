"""A history of drops whose columns change, or that are empty: what Raw has, what each drop's mark says, what stops."""

import io
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.lake import Lake
from spark.convert import REJECTED
from spark.drift import Drift, Policy, Renamed
from spark.errors import Drifted, Miscounted
from spark.readers import AnyReader, Csv, Element, Json, Parquet, Sas, Xml
from spark.tables import Mark, Tables
from tasks.convert import RawDataset, committed, convert, to_raw
from tasks.manifest import LandedFile
from tasks.run import Run, running
from tasks.source import KINDS, Dataset, Delivery, Drop, Kind, Offered, Source, fingerprint
from tasks.transfer import Landed
from tasks.unwrap import Parts, stage, unwrap
from tests.servers import PrefectServer

TABLE = "raw.acme_claims"
OWN = ["_drop", "_file", "_record"]


def source(policy: Policy = "evolve", reader: AnyReader | None = None) -> Source:
    return Source(
        slug="acme",
        at="acme",
        deliveries=(Delivery(kind="full", names=r"(?P<date>\d{8})\..*", dated="%Y%m%d"),),
        datasets={"claims": Dataset(members=".*", reader=reader or Csv(), drift=policy)},
        phi="no",
    )


class Feed:
    """Brings drops of one source into a lake; the day of the month is a drop's key."""

    def __init__(self, lake: Lake, of: Source) -> None:
        self.lake, self.source = lake, of

    def landed(self, day: int, files: dict[str, bytes], kind: Kind = "full", records: int | None = None) -> Landed:
        kept = []
        for name, data in files.items():
            path = f"landed/acme/{day:02}/r1/{name}"
            self.lake.fs().pipe_file(self.lake.path(*path.split("/")), data)
            kept.append(LandedFile(name=name, path=path, size=len(data), mtime=None, sha256=fingerprint(data) * 4))
        offered = tuple(Offered(name=n, size=len(data), mtime=None, records=records) for n, data in files.items())
        as_of = datetime(2026, 11, day, tzinfo=UTC)
        drop = Drop(source="acme", key=f"{day:02}", as_of=as_of, kind=kind, revision=1, files=offered)
        return Landed(drop=drop, files=tuple(kept))

    def run(self) -> Run:
        return Run(source=self.source, lake=self.lake, id="run-00000001")

    def bring(self, day: int, *files: bytes, ending: str = "csv", **more: Any) -> RawDataset:
        landed = self.landed(day, {f"{n}.{ending}": data for n, data in enumerate(files)}, **more)
        datasets = stage(landed, self.source, self.lake, f"run-{day}")
        to_raw(Parts(drop=landed.drop, fingerprint="f", up_to_date=False, datasets=datasets), self.run())
        return committed(landed.drop, "f", self.run()).datasets["claims"]

    @property
    def tables(self) -> Tables:
        return self.run().tables

    def rows(self, day: int | None = None) -> list[dict[str, Any]]:
        """What another reader than the project's finds, in order."""
        found: pa.Table = self.tables.catalog.load_table(TABLE).scan().to_arrow().sort_by([("_drop", "ascending")])
        rows = sorted(found.to_pylist(), key=lambda row: (row["_drop"], row["_file"], row["_record"]))
        drop = [row for row in rows if day is None or row["_drop"] == f"{day:02}"]
        return [{name: value for name, value in row.items() if name not in OWN} for row in drop]

    def mark(self, day: int) -> Mark:
        return self.tables.marks(TABLE, "drop")[f"{day:02}"]

    def files(self) -> int:
        """Parquet files below the table, whether it has them or not."""
        return len(self.lake.fs().glob(f"{self.lake.path('raw')}/**/*.parquet"))


@pytest.fixture
def feed(local_lake: Lake) -> Feed:
    return Feed(local_lake, source())


def test_evolve_takes_new_columns_and_leaves_missing_ones_null(feed: Feed) -> None:
    assert feed.bring(1, b"NPI,Provider Gender Code,x\n1,M,a\n").drift is None
    assert feed.bring(2, b"NPI,Provider Gender Code,x\n2,F,b\n").drift == Drift()
    found = feed.bring(3, b"NPI,Provider Sex Code,z,x\n3,F,z,c\n")
    assert found.drift == Drift(
        new=("provider_sex_code", "z"),
        missing=("provider_gender_code",),
        renamed=(Renamed(old="provider_gender_code", new="provider_sex_code", sure=0.91),),
    )
    blank = dict.fromkeys(["npi", "provider_gender_code", "x", "provider_sex_code", "z"])
    assert feed.rows() == [
        {**blank, "npi": "1", "provider_gender_code": "M", "x": "a"},
        {**blank, "npi": "2", "provider_gender_code": "F", "x": "b"},
        {**blank, "npi": "3", "provider_sex_code": "F", "z": "z", "x": "c"},
    ]


def test_what_a_drop_s_mark_says(feed: Feed) -> None:
    feed.bring(1, b"a,b\n1,2\n")
    feed.bring(2, b"a,b\n1,2\n")
    feed.bring(3, b"b,a,c\n1,2,3\n")
    first, second, third = (feed.mark(day) for day in (1, 2, 3))
    layouts = feed.tables.marks(TABLE, "columns")
    assert first["columns"] == second["columns"] != third["columns"]
    assert layouts.keys() == {first["columns"], third["columns"]}  # once for each that there was
    assert layouts[third["columns"]] == {"columns": [["b", "b", "string"], ["a", "a", "string"], ["c", "c", "string"]]}
    assert (first["as_of"], first["kind"], first["revision"]) == ("2026-11-01T00:00:00+00:00", "full", 1)
    assert (first["drift"], second["drift"]) == (None, Drift().model_dump(mode="json"))
    assert Drift.model_validate(third["drift"]) == Drift(new=("c",), moved=("b",))


def test_compared_is_with_the_drop_before_in_order_not_in_arrival(feed: Feed) -> None:
    feed.bring(9, b"a,c\n1,2\n")
    assert feed.bring(1, b"a\n1\n").drift is None  # nothing came before it
    assert feed.bring(5, b"a,b\n1,2\n").drift == Drift(new=("b",))
    assert feed.bring(9, b"a,c\n1,2\n").drift == Drift(new=("c",), missing=("b",))
    assert feed.bring(5, b"a,b\n1,2\n").drift == Drift(new=("b",))  # not with itself
    assert KINDS.index("full") < KINDS.index("incremental")
    same_day = Feed(feed.lake, feed.source)
    landed = same_day.landed(5, {"0.csv": b"a,b,d\n1,2,3\n"}, kind="incremental")
    drop = landed.drop.model_copy(update={"key": "05-weekly"})
    datasets = stage(landed, feed.source, feed.lake, "run-w")
    to_raw(Parts(drop=drop, fingerprint="f", up_to_date=False, datasets=datasets), feed.run())
    assert committed(drop, "f", feed.run()).datasets["claims"].drift == Drift(new=("d",))


def test_freeze_keeps_what_is_new_in_special(local_lake: Lake) -> None:
    feed = Feed(local_lake, source("freeze"))
    feed.bring(1, b"a,b\n1,2\n")
    names = feed.tables.schema(TABLE).names
    found = feed.bring(2, b'New One,b,"",a\n3,4,,5\n,6,7,8\n')
    assert found.drift is not None
    assert found.drift.new == ("new_one", "column_3")
    assert feed.tables.schema(TABLE).names == [*names, "_special"]
    assert feed.rows() == [
        {"a": "1", "b": "2", "_special": None},
        {"a": "5", "b": "4", "_special": [("New One", "3")]},
        {"a": "8", "b": "6", "_special": [("", "7")]},
    ]
    again = feed.bring(3, b"New One,b,a\n3,4,5\n")  # no drift against the drop before, yet not of the table
    assert again.drift == Drift(missing=("column_3",))
    assert feed.rows(3) == [{"a": "5", "b": "4", "_special": [("New One", "3")]}]
    assert feed.bring(4, b"b\n1\n").drift == Drift(missing=("new_one", "a"))
    assert feed.rows(4) == [{"a": None, "b": "1", "_special": None}]


def test_a_frozen_table_whose_only_drop_is_done_again_takes_its_columns(local_lake: Lake) -> None:
    feed = Feed(local_lake, source("freeze"))
    feed.bring(1, b"a\n1\n")
    feed.bring(1, b"a,b\n1,2\n")
    assert feed.rows() == [{"a": "1", "b": "2"}]


def test_stop_refuses_before_a_byte_is_written(local_lake: Lake) -> None:
    feed = Feed(local_lake, source("stop"))
    feed.bring(1, b"a,Old Name,c\n1,2,3\n")
    assert feed.bring(2, b"c,a,Old Name\n1,2,3\n").drift is not None  # moved columns are bound by name
    files, marks = feed.files(), feed.tables.marks(TABLE, "drop")
    with pytest.raises(Drifted) as caught:
        feed.bring(3, b"a,New Name,c\n1,2,3\n")
    said = str(caught.value)
    assert said.startswith("acme 03 claims: its policy is to stop")
    assert "new: new_name; missing: old_name; perhaps renamed: old_name to new_name" in said
    assert 'set drift="evolve"' in said
    assert (feed.files(), feed.tables.marks(TABLE, "drop")) == (files, marks)
    feed.source = source("evolve")
    assert feed.bring(3, b"a,New Name,c\n1,2,3\n").rows == 1


def test_the_policy_is_no_reason_to_do_a_drop_again(local_lake: Lake) -> None:
    """A source that says stop, then evolve, does not bring all of its history anew."""

    def made_from(policy: Policy) -> str:
        with running(Run(source=source(policy), lake=local_lake, id="run-00000001")):
            return unwrap.fn(Feed(local_lake, source()).landed(1, {"0.csv": b"a\n1\n"})).fingerprint

    assert made_from("stop") == made_from("evolve") == made_from("freeze")


def parquet(rows: dict[str, pa.Array]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(rows), out)
    return out.getvalue()


N, D = pa.array([1, 2], pa.int32()), pa.array(["1.50", "2.25"]).cast(pa.decimal128(5, 2))


def test_a_type_that_iceberg_can_promote(local_lake: Lake) -> None:
    feed = Feed(local_lake, source(reader=Parquet()))
    home = pa.array([{"zip": 1}, None], pa.struct([("zip", pa.int32())]))
    feed.bring(1, parquet({"n": N, "d": D, "f": pa.array([0.5, 1.5], pa.float32()), "home": home}), ending="parquet")
    wide = pa.array([{"zip": 2**40, "city": "x"}, None], pa.struct([("zip", pa.int64()), ("city", pa.string())]))
    found = feed.bring(
        2,
        parquet({"n": N.cast(pa.int64()), "d": D.cast(pa.decimal128(9, 2)), "f": pa.array([0.1, 0.2]), "home": wide}),
        ending="parquet",
    )
    assert found.drift is not None
    assert [(r.name, r.old, r.new) for r in found.drift.retyped] == [
        ("n", "int32", "int64"),
        ("d", "decimal128(5, 2)", "decimal128(9, 2)"),
        ("f", "float", "double"),
        ("home.zip", "int32", "int64"),
    ]
    assert found.drift.new == ("home.city",)
    feed.bring(3, parquet({"n": N, "d": D}), ending="parquet")  # the narrower one again
    schema = feed.tables.schema(TABLE)
    assert [schema.field(name).type for name in ("n", "d", "f")] == [pa.int64(), pa.decimal128(9, 2), pa.float64()]
    assert [row["n"] for row in feed.rows()] == [1, 2] * 3
    assert [row["home"] for row in feed.rows()] == [
        {"zip": 1, "city": None},
        None,
        {"zip": 2**40, "city": "x"},
        None,
        None,
        None,
    ]
    by_polars = pl.scan_iceberg(feed.tables.catalog.load_table(TABLE)).sort("_drop", "_record").collect()
    assert by_polars["n"].to_list() == [1, 2] * 3


@pytest.mark.parametrize("policy", ["evolve", "freeze"])
def test_a_type_that_does_not_fit(policy: Policy, local_lake: Lake) -> None:
    feed = Feed(local_lake, source(policy, Parquet()))
    feed.bring(1, parquet({"n": N}), ending="parquet")
    files = feed.files()
    with pytest.raises(Drifted, match=r"acme 02 claims: n is (int32 and string|string, which does not fit)"):
        feed.bring(2, parquet({"n": pa.array(["x"])}), ending="parquet")
    if policy == "freeze":
        with pytest.raises(Drifted, match="n is int64, which does not fit the frozen table's int32"):
            feed.bring(2, parquet({"n": N.cast(pa.int64())}), ending="parquet")
    assert feed.files() == files


def test_a_frozen_table_and_a_typed_file_with_more(local_lake: Lake) -> None:
    feed = Feed(local_lake, source("freeze", Parquet()))
    feed.bring(1, parquet({"n": N}), ending="parquet")
    feed.bring(2, parquet({"d": D, "n": N, "t": pa.array([None, "x"])}), ending="parquet")
    assert feed.rows(2) == [
        {"n": 1, "_special": [("d", "1.50")]},
        {"n": 2, "_special": [("d", "2.25"), ("t", "x")]},
    ]


def test_files_of_one_drop_that_differ(feed: Feed) -> None:
    found = feed.bring(1, b"a,b\n1,2\n", b"b,c\n3,4\n")
    assert (found.rows, found.drift) == (2, None)
    assert feed.rows() == [{"a": "1", "b": "2", "c": None}, {"a": None, "b": "3", "c": "4"}]
    typed = Feed(feed.lake, source(reader=Parquet()))
    with pytest.raises(Drifted, match="acme 02 claims: n is int32 and string"):
        typed.bring(2, parquet({"n": N}), parquet({"n": pa.array(["x"])}), ending="parquet")


def test_drift_is_one_line_in_the_log(feed: Feed, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "inlet")
    feed.bring(1, b"a,b\n1,2\n")
    feed.bring(2, b"a,b\n1,2\n")
    assert caplog.messages == []
    feed.bring(3, b"a,c\n1,2\n")
    assert caplog.messages == ["acme 03 claims: columns drifted (evolve): new: c; missing: b"]


def test_in_a_flow(feed: Feed, prefect_server: PrefectServer) -> None:
    @flow
    def once(day: int, data: bytes) -> Any:
        with running(feed.run()):
            return convert(unwrap(feed.landed(day, {"0.csv": data})))

    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        once(1, b"a\n1\n")
        assert once(2, b"a,b\n1,2\n").datasets["claims"].drift == Drift(new=("b",))
        assert once(2, b"a,b\n1,2\n").datasets["claims"].drift == Drift(new=("b",))  # as it is committed


def xport(rows: int, folder: Path) -> bytes:
    frame = pd.DataFrame({"SEQN": pd.Series([1.0] * rows, dtype=float), "NAME": pd.Series(["x"] * rows, dtype=object)})
    path = folder / f"{rows}.xpt"
    pyreadstat.write_xport(frame, path, table_name="DEMO", file_format_version=5)
    return path.read_bytes()


EMPTY = [
    pytest.param(Csv(), b"", b"a,b\n1,2\n", ["a", "b"], [], id="csv of no bytes"),
    pytest.param(Csv(), b"\xef\xbb\xbf\r\n\n", b"a,b\n1,2\n", ["a", "b"], [], id="csv of blank lines"),
    pytest.param(Csv(), b"a,b\n", b"a,b\n1,2\n", ["a", "b"], ["a", "b"], id="csv of a header"),
    pytest.param(Csv(), b"a,b", b"a,b\n1,2\n", ["a", "b"], ["a", "b"], id="csv of a header without line end"),
    pytest.param(Csv(columns=("a",)), b"h\n", b"h\nx\n", ["a"], ["a"], id="csv of declared columns"),
    pytest.param(Csv(header=False), b"", b"1,2\n", ["column_1", "column_2"], [], id="csv without header"),
    pytest.param(Parquet(), parquet({"n": N[:0]}), parquet({"n": N}), ["n"], ["n"], id="parquet"),
]


def check_readers(feed: Feed, types: dict[str, pa.DataType]) -> None:
    """pyiceberg and polars read no rows of these types."""
    table = feed.tables.catalog.load_table(TABLE)
    found = table.scan().to_arrow()
    assert found.num_rows == 0
    assert found.column_names == [*OWN, *types]
    assert [found.schema.field(name).type for name in types] == list(types.values())
    by_polars = pl.scan_iceberg(table).collect()
    assert (by_polars.height, by_polars.columns) == (0, [*OWN, *types])


@pytest.mark.parametrize(("reader", "empty", "full", "columns", "said"), EMPTY)
def test_an_empty_file(
    reader: AnyReader, empty: bytes, full: bytes, columns: list[str], said: list[str], local_lake: Lake
) -> None:
    """First, in the middle of a history, and last: typed, counted, and no drift where it says no columns."""
    feed = Feed(local_lake, source("stop", reader))
    done = feed.bring(1, empty)
    assert (done.rows, done.rejected, done.drift) == (0, 0, None)
    assert feed.tables.schema(TABLE).names == [*OWN, *said]
    kind = pa.int32() if isinstance(reader, Parquet) else pa.large_string()
    check_readers(feed, dict.fromkeys(said, kind))
    assert feed.bring(2, full).drift == (Drift() if said else None)
    assert feed.bring(3, empty).drift == (Drift() if said else None)
    assert feed.bring(4, full).drift == Drift()
    assert [row["_drop"] for row in feed.tables.catalog.load_table(TABLE).scan().to_arrow().to_pylist()].count(
        "03"
    ) == 0
    assert feed.mark(3)["rows"] == 0
    assert feed.tables.schema(TABLE).names == [*OWN, *columns]
    if said:  # and against an empty file that does say them, drift is found
        assert feed.mark(3)["columns"] == feed.mark(4)["columns"]


def test_an_empty_xport_file(local_lake: Lake, tmp_path: Path) -> None:
    feed = Feed(local_lake, source("stop", Sas()))
    assert feed.bring(1, xport(0, tmp_path), ending="xpt").rows == 0
    found = feed.tables.catalog.load_table(TABLE).scan().to_arrow()
    assert found.column_names == [*OWN, "seqn", "name", "_special"]
    assert found.schema.field("seqn").type == pa.float64()
    assert feed.bring(2, xport(1, tmp_path), ending="xpt").drift == Drift()
    assert feed.bring(3, xport(0, tmp_path), ending="xpt").drift == Drift()
    assert feed.bring(4, xport(1, tmp_path), ending="xpt").rows == 1


def test_an_empty_drop_takes_the_rows_of_its_former_self_away(feed: Feed) -> None:
    feed.bring(1, b"a\n1\n")
    feed.bring(2, b"a\n2\n")
    assert feed.bring(1, b"").rows == 0
    assert feed.rows() == [{"a": "2"}]
    assert pl.scan_iceberg(feed.tables.catalog.load_table(TABLE)).collect()["a"].to_list() == ["2"]


def test_an_empty_file_beside_a_full_one(feed: Feed) -> None:
    feed.bring(1, b"", b"a,b\n1,2\n")
    assert feed.rows() == [{"a": "1", "b": "2"}]


def test_a_party_that_counts_no_records(feed: Feed) -> None:
    assert feed.bring(1, b"a\n", records=0).rows == 0
    with pytest.raises(Miscounted):
        feed.bring(2, b"a\n", records=1)


def test_rejected_is_there_as_well(feed: Feed) -> None:
    feed.bring(1, b"")
    assert feed.tables.schema("rejected.acme_claims").names == REJECTED.names


XML = Xml(row="r", fields=("a", Element("c", "d", many=True)))
STRUCTURED = [
    pytest.param(Json(), b"", b'{"a":"1"}\n', id="ndjson"),
    pytest.param(Json(at="$"), b"[]", b'[{"a":"1"}]', id="array"),
    pytest.param(Json(at="$.rows"), b'{"rows":[]}', b'{"rows":[{"a":"1"}]}', id="array under a path"),
    pytest.param(Json(fields={"a": "text"}), b"\n", b'{"a":"1"}\n', id="declared"),
    pytest.param(Xml(row="r"), b"<x/>", b"<x><r><a>1</a></r></x>", id="xml"),
    pytest.param(XML, b"<x/>", b"<x><r><a>1</a><c><d>2</d></c></r></x>", id="declared xml"),
]


@pytest.mark.parametrize(("reader", "empty", "full"), STRUCTURED)
def test_an_empty_file_of_records_with_fields(reader: AnyReader, empty: bytes, full: bytes, local_lake: Lake) -> None:
    feed = Feed(local_lake, source("stop", reader))
    assert feed.bring(1, empty, ending="x").rows == 0
    assert feed.bring(2, full, ending="x").rows == 1
    assert feed.bring(3, empty, ending="x").rows == 0
    assert feed.bring(4, full, ending="x").drift == Drift()
    assert [row["a"] for row in feed.rows()] == ["1", "1"]
    assert {*OWN, "a", "_special"} <= {*feed.tables.catalog.load_table(TABLE).scan().to_arrow().column_names}
