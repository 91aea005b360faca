"""Limits, at and around them; references against files of Transformed and of current."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from spark.checks import Checks, Parent, Reference, failures, references
from spark.parts import DataFile
from spark.profiling.shown import Example
from spark.schemas import Column, Schema
from spark.transform import CONTRADICTS, Transformed
from spark.writer import write

CHILD = Schema(
    name="child",
    doc="",
    key=("id",),
    columns=(
        Column(name="id", doc="", required=True),
        Column(name="of", doc="", references="parent.name"),
        Column(name="n", type="int", doc=""),
    ),
)
PARENT = Schema(name="parent", doc="", key=("name",), columns=(Column(name="name", doc="", required=True),))
SLICE = "_source = 'party' AND _drop = 'd1'"


AT = {CONTRADICTS: (Example(file="f", record=1),)}


def done(**counts: Any) -> Transformed:
    return Transformed.model_validate(counts)


def of_held(n: int, rows: int, **more: Any) -> Transformed:
    return done(rows=rows, reasons={"n is required": n} if n else {}, **more)


LOST = {"examples": {"n": ("99/99",)}, "rows": 1000}
CASES: list[tuple[Transformed, dict[str, Any], Checks, list[str]]] = [
    (done(), {}, Checks(), []),
    (of_held(50, 950), {}, Checks(), []),
    (of_held(51, 949), {}, Checks(), ["held"]),
    (of_held(1, 0), {}, Checks(), []),  # one row is no share
    (of_held(2, 0), {}, Checks(), ["held"]),
    (of_held(2, 18), {}, Checks(), ["held"]),
    (of_held(1, 9), {}, Checks(held=0), ["held"]),
    (of_held(0, 9), {}, Checks(held=0), []),
    (of_held(50, 400, duplicates=300, superseded=250, skipped=9000), {}, Checks(), []),
    (of_held(51, 399, duplicates=300, superseded=250, skipped=9000), {}, Checks(), ["held"]),
    (done(lost={"n": 5}, given={"n": 100}, **LOST), {}, Checks(), []),
    (done(lost={"n": 6}, given={"n": 100}, **LOST), {}, Checks(), ["lost"]),
    (done(lost={"n": 6}, given={"n": 100}, **LOST), {}, Checks(lost=0.06), []),
    (done(lost={"n": 1}, given={"n": 1}, **LOST), {}, Checks(), []),
    (done(rows=1, conflicting=1, held_at=AT, reasons={CONTRADICTS: 1}), {}, Checks(held=1), ["keys"]),
    (done(rows=1, conflicting=9, held_at=AT, reasons={CONTRADICTS: 9}), {}, Checks(), ["keys"]),
    (done(rows=990, conflicting=10, reasons={CONTRADICTS: 10}), {}, Checks(conflicting=0.01, held=0), []),
    (done(rows=989, conflicting=11, reasons={CONTRADICTS: 11}), {}, Checks(conflicting=0.01), ["keys"]),
    (done(rows=1, conflicting=1, reasons={CONTRADICTS: 1}), {}, Checks(conflicting=0.01), []),
    (done(rows=1, conflicting=2, reasons={CONTRADICTS: 2}), {}, Checks(conflicting=0.01), ["keys"]),
    (done(rows=900), {"before": 1000}, Checks(), []),
    (done(rows=899), {"before": 1000}, Checks(), ["fewer"]),
    (done(rows=899), {}, Checks(), []),
    (done(rows=2000), {"before": 1000}, Checks(), []),
    (done(rows=2001), {"before": 1000}, Checks(), ["more"]),
    (done(rows=2001), {"before": 1000}, Checks(more=2), []),
    (done(rows=9), {"before": 0}, Checks(), ["more"]),
    (done(rows=9), {"before": 0}, Checks(more=None), []),
    (done(rows=0), {"before": 1}, Checks(), []),
    (done(rows=0), {"before": 2}, Checks(), ["fewer"]),
    (done(rows=7), {"refers": {"of": Reference(values=100, dangling=5)}}, Checks(), []),
    (done(rows=7), {"refers": {"of": Reference(values=100, dangling=6)}}, Checks(), ["references"]),
    (done(rows=7), {"refers": {"of": Reference(values=1, dangling=1)}}, Checks(dangling=0), ["references"]),
    (
        done(rows=1, reasons={"a": 9, CONTRADICTS: 1}, conflicting=1, lost={"n": 3}, given={"n": 3}),
        {"before": 50, "refers": {"of": Reference(values=3, dangling=3)}},
        Checks(),
        ["keys", "held", "lost", "references", "fewer"],
    ),
]


@pytest.mark.parametrize(("counts", "compared", "checks", "expected"), CASES)
def test_what_fails(counts: Transformed, compared: dict[str, Any], checks: Checks, expected: list[str]) -> None:
    found = failures(counts, CHILD, checks, slice_=SLICE, **compared)
    assert [failure.check for failure in found] == expected
    for failure in found:
        assert SLICE in failure.look
        assert any(f"{zone}.child where" in failure.look for zone in ("held", "candidate"))


def test_what_is_said_tells_how_much_of_what_and_where() -> None:
    [held, lost] = failures(
        of_held(60, 940, lost={"n": 70}, given={"n": 500}, examples={"n": ("99/99", "aaa")}),
        CHILD,
        Checks(),
        slice_=SLICE,
    )
    assert str(held) == (
        f"60 of 1,000 rows are held, 5.0% may be: 60 × n is required (look at held.child where {SLICE}: _reason, _raw)"
    )
    assert "70 of 500 values of n are lost, 5.0% may be; they look like '99/99' or 'aaa'" in str(lost)
    assert f"candidate.child where {SLICE} AND n IS NULL" in str(lost)


@pytest.mark.parametrize("limit", ["held", "lost", "dangling", "conflicting", "fewer", "more"])
def test_a_limit_below_nothing_is_refused(limit: str) -> None:
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        Checks.model_validate({limit: -0.1})


def files(folder: Path, rows: Sequence[dict[str, Any]], schema: pa.Schema) -> list[DataFile]:
    origin = {"_source": "party", "_drop": "d1", "_file": "f", "_record": 1, "_deleted": False}
    table = pa.Table.from_pylist(
        [{k: v for k, v in (origin | row).items() if k in schema.names} for row in rows], schema
    )
    return write([table], f"file://{folder}", schema)


def test_distinct_values_that_lead_nowhere(spark: SparkSession, tmp_path: Path) -> None:
    children = files(
        tmp_path,
        [
            *(
                {"id": str(n), "of": of}
                for n, of in enumerate(["a", "a", "b", "c", "x", "x", "x", "d", "e", "f", None])
            ),
            {"id": "gone", "of": "y", "_deleted": True},
        ],
        CHILD.arrow,
    )
    in_drop = files(
        tmp_path,
        [
            {"name": "a"},
            {"name": "b"},
            {"name": "c", "_drop": "d0"},
            {"name": "d", "_source": "other"},
            {"name": "e", "_deleted": True},
        ],
        PARENT.arrow,
    )
    current = pa.schema([field for field in PARENT.arrow if field.name != "_deleted"])
    now = files(tmp_path, [{"name": "f", "_drop": "d0"}, {"name": "d", "_source": "other"}, {"name": "a"}], current)
    made = Transformed(files=tuple(children), rows=12)

    def found(*parents: Parent) -> dict[str, Reference]:
        return references(spark, made, CHILD, "party", {"of": parents} if parents else {})

    of_drop, is_current = Parent([f.url for f in in_drop], "d1"), Parent([f.url for f in now], None)
    assert found(of_drop, is_current) == {"of": Reference(values=7, dangling=4)}  # c, x, d, e
    assert found(of_drop) == {"of": Reference(values=7, dangling=5)}
    assert found(is_current) == {"of": Reference(values=7, dangling=5)}
    assert found() == {}
    assert references(spark, Transformed(), CHILD, "party", {"of": [of_drop]}) == {}
