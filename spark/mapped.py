"""Raw rows as rows of a common schema, in Spark, in partitions that have a range of the key each."""

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any, NamedTuple

import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql.functions import broadcast, col, count, count_if, expr, lit, when
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import DataType, StructType

from spark.errors import Misdeclared, MissingColumns
from spark.mapping import Expression, Mapping, words
from spark.privacy import Decision, Hash, Privacy, decided, halves, named
from spark.schemas import Column, Schema
from spark.schemas.base import REQUIRED
from spark.session import readable
from spark.values import quoted

CUT = 20
"""Characters of a lost value that are looked at."""

_ROWS_A_TASK = 2_000_000
_LEAST_ROWS_A_TASK = 50_000
_SAMPLE = 20_000

_ORIGIN = ("_drop", "_file", "_record", "_position")
_NOTHING = Expression("NULL", "NULL")


class Input(NamedTuple):
    """A dataset of a drop: its raw data files, their columns, the number of the drop's rows in them, its mapping, and
    what of its columns the mapping may see.
    """

    files: Sequence[str]
    raw: pa.Schema
    rows: int
    mapping: Mapping
    privacy: Privacy = Privacy()


class Seen(NamedTuple):
    """Rows that were `raw`, that were `made` of them by `Mapping.each`, and that were `skipped` of these."""

    raw: int
    made: int
    skipped: int


class Mapped:
    """A dataset's rows by the columns of a common schema, and the counts of what went in.

    Expressions are steps over the names of the step before, so that none is worked out twice. `place` is the dataset's
    among those that go into the schema.
    """

    def __init__(
        self, spark: SparkSession, given: Input, drop: str | None, schema: Schema, source: str, place: int = 0
    ) -> None:
        self._mapping, self._schema, self._source = given.mapping, schema, source
        columns = self._mapping.columns
        if unknown := columns.keys() - {c.name for c in schema.columns}:
            raise Misdeclared(f"{source}: the mapping names {', '.join(sorted(unknown))}, which {schema} does not have")
        self._by = {name: e if isinstance(e, Expression) else Expression(e, e) for name, e in columns.items()}
        self._may_lose = {c.name for c in schema.columns if c.name in self._by and _may_lose(c, self._by[c.name])}
        self._used = words(*(e.sql for e in self._by.values()))
        view = spark.read.schema(from_arrow_schema(given.raw)).parquet(*map(readable, given.files))
        if drop is not None:
            view = view.where(col("_drop") == drop)
        # where rows are counted Spark does not see for itself which columns nobody reads
        named = self._mapping.reads | {"_drop", "_file", "_record"}
        read = view.select(*(f"`{name}`" for name in view.columns if name.lower() in named))
        self._view = _as_decided(spark, read, given.privacy)
        for name in self._mapping.optional:
            if name.lower() not in given.raw.names:
                self._view = self._view.withColumn(name, lit(None).cast("string"))
        self._counted = self._mapping.each is not None or self._mapping.where != "true"
        self._counts = Observation()
        self.later_wins = self._mapping.later == "wins"
        self._wins = f"{place}" if self.later_wins else "CAST(NULL AS int)"

    def rows(self) -> DataFrame:
        """The columns of the common schema and, beside them, `_position`; `_wins`, null but where the later of two rows
        with the same number wins; `_reason` and `_raw`, null but in held rows; and `_lost`, null but where a value is:
        how lost values begin, in the order of the schema's columns.

        Raises `MissingColumns` where an expression names a column that there is not, `Misdeclared` where it is wrong
        otherwise.
        """
        try:
            return self._judged(self._values())
        except AnalysisException as error:
            raise self._explained(error) from error

    def keys(self, share: float) -> DataFrame:
        """The first column of the key, as `key`, of a share of the raw rows."""
        first = next(c for c in self._schema.columns if c.name == self._schema.key[0])
        some = self._kept(self._view.sample(fraction=share, seed=0))
        return some.selectExpr(f"{self._cast(first)} AS key")

    def seen(self) -> Seen:
        """What went in, known once the rows have been asked for; nothing where each raw row becomes a row."""
        return Seen(**self._counts.get) if self._counted else Seen(0, 0, 0)

    def _exploded(self, view: DataFrame) -> DataFrame:
        """A row for every element, at least one for every raw row; without `each` these are the raw rows."""
        if self._mapping.each is None:
            return view.selectExpr("*", "1 AS _position")
        elements = view.selectExpr("*", f"posexplode_outer({self._mapping.each}) AS (_before, _each)")
        return elements.selectExpr("*", "_before + 1 AS _position").drop("_before")

    def _kept(self, view: DataFrame, counts: Observation | None = None) -> DataFrame:
        """The elements that are not skipped."""
        elements = self._exploded(view)
        if not self._counted:
            return elements
        kept = f"coalesce(_position IS NOT NULL AND ({self._mapping.where}), false) AS _kept"
        judged = elements.selectExpr("*", kept)
        if counts is not None:
            judged = judged.observe(
                counts,
                count_if(expr("coalesce(_position, 1) = 1")).alias("raw"),
                count(lit(1)).alias("made"),
                count_if(expr("NOT _kept")).alias("skipped"),
            )
        return judged.where("_kept")

    def _values(self) -> DataFrame:
        """Each column's value, and what its expression was given."""
        made = self._kept(self._view, self._counts)
        read = [f"`{name}`" for name in made.columns if name.lower() in self._used]
        return made.selectExpr(
            *_ORIGIN,
            f"struct({', '.join(read)}) AS _raw",
            f"coalesce({self._mapping.deleted}, false) AS _deleted",
            *(f"{self._cast(c)} AS {c.name}" for c in self._schema.columns),
            *(f"CAST(({self._by[name].given}) AS string) AS _given_{name}" for name in sorted(self._may_lose)),
        )

    def _judged(self, values: DataFrame) -> DataFrame:
        columns = self._schema.columns
        allowed = values.selectExpr(  # what a column may not hold is lost like what does not convert
            *(*_ORIGIN, "_raw", "_deleted"),
            *(f"CASE WHEN {c.condition or 'true'} THEN {c.name} END AS {c.name}" for c in columns),
            *(f"_given_{name}" for name in sorted(self._may_lose)),
        )
        missing = [
            f"CASE WHEN {c.name} IS NULL{unless_deleted} THEN '{c.name}{REQUIRED}' END"
            for c in columns
            if c.required
            for unless_deleted in ["" if c.name in self._schema.key else " AND NOT _deleted"]
        ]
        lost = [f"{name} IS NULL AND _given_{name} IS NOT NULL" for name in sorted(self._may_lose)]
        begins = [
            f"CASE WHEN {c.name} IS NULL THEN left(_given_{c.name}, {CUT}) END"
            if c.name in self._may_lose
            else "CAST(NULL AS string)"
            for c in columns
        ]
        return allowed.selectExpr(
            "*",
            f"nullif(concat_ws('; ', {', '.join(missing)}), '') AS _reason",
            f"CASE WHEN {' OR '.join(lost) or 'false'} THEN array({', '.join(begins)}) END AS _lost",
        ).selectExpr(
            f"'{self._source}' AS _source",
            *("_drop", "_file", "_record", "_deleted"),
            *(c.name for c in columns),
            *("_position", f"{self._wins} AS _wins"),
            *("_reason", "CASE WHEN _reason IS NOT NULL THEN to_json(_raw) END AS _raw", "_lost"),
        )

    def _cast(self, column: Column) -> str:
        return f"try_cast(({self._by.get(column.name, _NOTHING).sql}) AS {column.type})"

    def _parts(self) -> Iterator[tuple[str, str]]:
        """Every expression of the mapping, and what it is of."""
        if self._mapping.each is not None:
            yield "each", f"posexplode_outer({self._mapping.each})"
        yield "where", self._mapping.where
        yield "deleted", self._mapping.deleted
        for column in self._schema.columns:
            if column.name in self._by:
                yield column.name, self._by[column.name].given
                yield column.name, self._cast(column)

    def _explained(self, error: AnalysisException) -> MissingColumns | Misdeclared:
        """The error by the name of the expression that is wrong: each is tried alone."""
        what = "its mapping"
        for name, sql in self._parts():
            try:
                (self._view if name == "each" else self._exploded(self._view)).selectExpr(sql)
            except AnalysisException as alone:
                what, error = name, alone
                break
        said = f"{self._source} to {self._schema}, {what}: {str(error).strip().splitlines()[0]}"
        missing = (error.getCondition() or "").startswith("UNRESOLVED_COLUMN")
        return MissingColumns(said) if missing else Misdeclared(said)


def _as_decided(spark: SparkSession, view: DataFrame, privacy: Privacy) -> DataFrame:
    """The columns as the mapping may see them. A key is a row beside all others, not part of the plan."""
    changed: dict[str, Decision] = {}
    for name in view.columns:
        found = privacy.changes(name)
        changed |= {name: found} if found else privacy.within(name)
    keys = sorted({decision.key for decision in changed.values() if isinstance(decision, Hash)})
    types = {field.name: field.dataType for field in view.schema}
    for place, key in enumerate(keys):
        row = spark.sparkContext.parallelize([halves(privacy.keys[key])], 1)
        beside = spark.createDataFrame(row, "inner binary, outer binary").selectExpr(f"struct(*) AS _key_{place}")
        view = view.crossJoin(broadcast(beside))

    def seen(path: str, type_: DataType) -> str:
        if decision := changed.get(path):
            key = f"_key_{keys.index(decision.key)}" if isinstance(decision, Hash) else ""
            return decided(decision, path, type_.simpleString(), privacy.as_of, key)
        below = [inner for inner in changed if inner.startswith(f"{path}.")]
        if not below:
            return named(path)
        if not isinstance(type_, StructType):
            raise Misdeclared(f"{below[0]}: {path} is {type_.typeName()}, and is kept or dropped as a whole")
        fields = [f"{quoted(field.name)}, {seen(f'{path}.{field.name}', field.dataType)}" for field in type_]
        return f"CASE WHEN {named(path)} IS NOT NULL THEN named_struct({', '.join(fields)}) END"

    return view.selectExpr(*(f"{seen(name, type_)} AS `{name}`" for name, type_ in types.items()))


def ranged(inputs: Sequence[Mapped], rows: int, schema: Schema, parallelism: int) -> DataFrame:
    """All rows, in partitions by ranges of the key's first column, each sorted so that the row of a key which stays
    comes first.

    A deletion without the schema's `latest` comes before what has it, as it speaks of all of its key; a row that is no
    deletion and lacks it, last. Of rows of a dataset whose later ones win the last by file and place comes first. What
    has no key, and is held, goes anywhere.
    """
    together = reduce(DataFrame.union, [mapped.rows() for mapped in inputs])
    tasks, bounds = _bounds(inputs, rows, parallelism)
    key = col(schema.key[0])
    anywhere = (col("_record") % tasks).cast("int")
    placed = together.repartitionById(tasks, when(key.isNull(), anywhere).otherwise(_range(key, bounds)))
    by_latest = (
        [expr(f"_deleted AND {schema.latest} IS NULL").desc(), col(schema.latest).desc_nulls_last()]
        if schema.latest
        else []
    )
    place = ("_file", "_record", "_position")
    latest_place = [expr(f"CASE WHEN _wins IS NOT NULL THEN {name} END").desc_nulls_last() for name in place]
    by_place = [col("_wins"), *latest_place] if any(mapped.later_wins for mapped in inputs) else []
    return placed.sortWithinPartitions(*schema.key, *by_latest, *by_place, *place)


def _bounds(inputs: Sequence[Mapped], rows: int, parallelism: int) -> tuple[int, list[Any]]:
    """How many tasks write, and where the range of each but the first begins, by a sample of the key's first column."""
    if rows < 2 * _LEAST_ROWS_A_TASK:
        return 1, []
    share = min(1.0, _SAMPLE / rows)
    keys = reduce(DataFrame.union, [mapped.keys(share) for mapped in inputs]).toArrow()["key"]
    made = int(len(keys) / share)
    tasks = max(1, -(-made // _ROWS_A_TASK), min(parallelism, made // _LEAST_ROWS_A_TASK))
    known = keys.drop_null().sort()
    starts = [known[len(known) * task // tasks].as_py() for task in range(1, tasks)] if len(known) else []
    return tasks, list(dict.fromkeys(starts))


def _range(key: SparkColumn, bounds: Sequence[Any], first: int = 0) -> SparkColumn:
    """How many of the sorted bounds are not above the key, found by halving."""
    if not bounds:
        return lit(first)
    middle = len(bounds) // 2
    above = _range(key, bounds[middle + 1 :], first + middle + 1)
    return when(key < lit(bounds[middle]), _range(key, bounds[:middle], first)).otherwise(above)


def _may_lose(column: Column, by: Expression) -> bool:
    """Whether a value that was given may come to nothing: not where text becomes text that may be any."""
    return by.sql != by.given or column.type not in ("string", "array<string>") or column.condition is not None
