"""`current`: of each key and source the latest version, by the order of what drops speak of."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel
from pyspark.sql import SparkSession, Window
from pyspark.sql.functions import broadcast, col, row_number
from pyspark.sql.pandas.types import from_arrow_schema

from spark.parts import DataFile
from spark.schemas import Schema
from spark.session import readable
from spark.transform import RESULT
from spark.writer import write


class Merged(BaseModel, frozen=True):
    """The files that were written, of one bucket each, and their rows."""

    files: tuple[DataFile, ...] = ()
    rows: int = 0


def current_schema(schema: Schema) -> pa.Schema:
    """Columns of a `current` table: those of the common schema but `_deleted`, which no row in it is."""
    fields = [field for field in schema.arrow if field.name != "_deleted"]
    return pa.schema(fields)


def merge(
    spark: SparkSession,
    files: Sequence[str],
    ranks: Mapping[str, int],
    schema: Schema,
    *,
    into: str,
) -> Merged:
    """Of each key in the transformed `files`, write the row of the drop with the highest rank, if it is no deletion.

    `ranks` orders drops by key; rows of other drops do not count.
    """
    if not files:
        return Merged()
    rows = spark.read.schema(from_arrow_schema(schema.arrow)).parquet(*map(readable, files))
    order = spark.createDataFrame(list(ranks.items()), "_drop string, _rank int")
    latest = Window.partitionBy("_bucket", *schema.key).orderBy(col("_rank").desc())
    winners = (
        rows.join(broadcast(order), "_drop")
        .repartition("_bucket")
        .withColumn("_version", row_number().over(latest))
        .where("_version = 1 AND NOT _deleted")
        .select(current_schema(schema).names)
        .sortWithinPartitions("_bucket", *schema.key)
    )
    results = winners.mapInArrow(
        partial(_write, schema=schema, into=into), f"{RESULT} string"
    ).collect()  # only files in this answer count
    merged = [Merged.model_validate_json(row[RESULT]) for row in results]
    return Merged(files=tuple(f for m in merged for f in m.files), rows=sum(m.rows for m in merged))


def _write(batches: Iterator[pa.RecordBatch], *, schema: Schema, into: str) -> Iterator[pa.RecordBatch]:
    """Write one partition, sorted by bucket, into files of one bucket each; yields one row, a `Merged` as JSON."""
    tables = (pa.Table.from_batches([batch]) for batch in batches)
    slices = (
        (bucket, table.filter(pc.equal(table["_bucket"], bucket)))
        for table in tables
        for bucket in pc.unique(table["_bucket"]).to_pylist()
    )
    files = [
        file
        for _, of_bucket in groupby(slices, key=itemgetter(0))
        for file in write((table for _, table in of_bucket), into, current_schema(schema))
    ]
    merged = Merged(files=tuple(files), rows=sum(f.rows for f in files))
    yield pa.RecordBatch.from_pylist([{RESULT: merged.model_dump_json()}])
