"""What `bench.transform` sets side by side: each system does one case in a process of its own.

    python -m bench.transform_systems SYSTEM CASE LAKE ROWS OUT

LAKE is what `made_raw` or `made_current` made. What comes out are Parquet files, and `said.json` in OUT: `Said`. A
system yields once it is ready to begin and once it is done; what it answers with then is found outside its time.
`spark` and `duckdb` do the same by what they have themselves, write zstd, and to publish write all of `current` again.
"""

# ruff: noqa: S608  the SQL is made of this file's names and paths

import os
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import psutil
from pydantic import BaseModel

from bench.synthetic import claims
from bench.synthetic.claims import TO_CLAIM, Pattern
from bench.transform_lakes import SEQUENCE, Files, drop, fresh, increment, made_current, made_raw, pattern_of
from bench.transform_sequence import Point, sequence
from spark.current import SLAB
from spark.parts import DataFile
from spark.schemas import Claim

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from tasks.run import Run

COMPARED = (
    *("claim_id", "patient_id", "claim_start_date", "claim_end_date", "paid_date", "charge_amount", "paid_amount"),
    *("bill_type_code", "drg_code", "principal_diagnosis_code", "facility_npi", "attending_npi", "adjustment_type"),
)


class Said(BaseModel, frozen=True):
    """What a system took, in seconds, and what it wrote: `rows`, and `aside` what is held or closed, None if nothing.

    Of inlet's publishing, `before` and `touched` are the number of files that current had and of those that it no
    longer has. What `arrived`, what was `written`, and `history` are in bytes.
    """

    python: float = 0
    session: float = 0
    prepared: float = 0
    seconds: float = 0
    rows: tuple[str, ...] = ()
    aside: tuple[str, ...] | None = None
    before: int = 0
    touched: int = 0
    arrived: int = 0
    written: int = 0
    history: int = 0
    points: tuple[Point, ...] = ()


Work = Generator[Said, None, Said]
"""Yields what it took to begin, and then, when it is done, anything."""


# --- systems ----------------------------------------------------------------------------------------------


def inlet(case: str, folder: Path, rows: int, out: Path) -> Work:
    """What the tasks do but for Prefect: map by Spark, merge by Arrow, commit to Iceberg tables."""
    if case == "full":
        return (yield from _inlet_full(folder, rows))
    if case == "sequence":
        yield Said()
        points = [point for pattern in get_args(Pattern) for point in sequence(pattern, folder, rows)]
        yield Said()
        return Said(points=tuple(points))
    return (yield from _inlet_publish(pattern_of(case), folder, rows))


def _inlet_full(folder: Path, rows: int) -> Work:
    from tasks.convert import Raw, RawDataset
    from tasks.transform import to_schema

    lake = fresh(folder)
    yield Said(session=_session())
    raw = Raw(
        drop=drop(0),
        fingerprint="raw",
        datasets={"part_a": RawDataset(rows=rows, rejected=0, reasons={}, nulls={})},
    )
    to_schema(raw, Claim, {"part_a": TO_CLAIM}, "made", lake)
    yield Said()
    done, held = Files.of(lake, f"transformed.{Claim}"), Files.of(lake, f"held.{Claim}")
    return Said(rows=tuple(done.sizes), aside=tuple(held.sizes), written=sum(done.sizes.values()))


def _inlet_publish(pattern: Pattern, folder: Path, rows: int) -> Work:
    from tasks.publish import apply

    lake = fresh(folder)
    files, prepared = increment(lake, pattern, 1, rows)
    before = Files.of(lake, f"current.{Claim}")
    yield Said(prepared=prepared)
    apply(Claim, lake)
    yield Said()
    now, history = Files.of(lake, f"current.{Claim}"), Files.of(lake, f"history.{Claim}")
    return Said(
        rows=tuple(now.sizes),
        aside=tuple(history.sizes),
        before=len(before.sizes),
        touched=now.gone(before),
        arrived=sum(file.bytes for file in files),
        written=now.new(before),
        history=sum(history.sizes.values()),
    )


def spark(case: str, folder: Path, rows: int, out: Path) -> Work:
    """A session of its own without encryption, the expressions of the mapping, Spark's own Parquet writer."""
    lake = fresh(folder)
    arrived, prepared = _arrived(case, lake, rows)
    began = time.monotonic()
    running = _plain_session()
    yield Said(prepared=prepared, session=time.monotonic() - began)
    if case == "full":
        _spark_full(running, _files(lake, lake.source.table("raw", "part_a")), out)
        yield Said()
        return _wrote(out, aside=True)
    current = running.read.parquet(*_files(lake, f"current.{Claim}"))
    added = running.read.parquet(*(file.url for file in arrived))
    columns = [column for column in current.columns if column in added.columns]
    rest = current.select(columns).join(added, list(Claim.key), "left_anti")
    rest.unionByName(added.select(columns)).write.option("compression", "zstd").parquet(f"{out}/rows")
    yield Said()
    return _wrote(out)


def _spark_full(running: "SparkSession", files: Sequence[str], out: Path) -> None:
    """Two passes, one for what fits and one, over few columns, for what is held."""
    given = {name: e if isinstance(e, str) else e.sql for name, e in TO_CLAIM.columns.items()}
    required = [c.name for c in Claim.columns if c.required]
    mapped = (
        running.read.parquet(*files)
        .selectExpr(
            *("_drop", "_file", "_record"),
            *(f"try_cast(({given.get(c.name, 'NULL')}) AS {c.type}) AS {c.name}" for c in Claim.columns),
        )
        .selectExpr(
            *("_drop", "_file", "_record"),
            *(f"CASE WHEN {c.condition or 'true'} THEN {c.name} END AS {c.name}" for c in Claim.columns),
        )
    )
    reasons = ", ".join(f"CASE WHEN {name} IS NULL THEN '{name} is required' END" for name in required)
    fits = " AND ".join(f"{name} IS NOT NULL" for name in required)
    held = mapped.where(f"NOT ({fits})").selectExpr("*", f"concat_ws('; ', {reasons}) AS _reason")
    for name, frame in {"rows": mapped.where(fits).dropDuplicates(list(Claim.key)), "aside": held}.items():
        frame.write.option("compression", "zstd").parquet(f"{out}/{name}")


def duckdb(case: str, folder: Path, rows: int, out: Path) -> Work:
    """DuckDB's SQL for the same: `try_cast`, `regexp_full_match`, the check digit of an NPI reckoned."""
    import duckdb

    lake = fresh(folder)
    arrived, prepared = _arrived(case, lake, rows)
    raw, current = _files(lake, lake.source.table("raw", "part_a")), _files(lake, f"current.{Claim}")
    db = duckdb.connect()
    db.execute(f"SET temp_directory = '{out}/spilled'; SET preserve_insertion_order = false")
    for part in ("rows", "aside"):
        (out / part).mkdir()
    yield Said(prepared=prepared)
    to = "(FORMAT parquet, COMPRESSION zstd)"
    if case == "full":
        db.execute(_MACROS)
        mapped = _duckdb_mapped(raw)
        fits = " AND ".join(f"{c.name} IS NOT NULL" for c in Claim.columns if c.required)
        reasons = ", ".join(
            f"CASE WHEN {c.name} IS NULL THEN '{c.name} is required' END" for c in Claim.columns if c.required
        )
        one = f"QUALIFY row_number() OVER (PARTITION BY {', '.join(Claim.key)} ORDER BY _file, _record) = 1"
        db.execute(f"COPY (SELECT * FROM ({mapped}) WHERE {fits} {one}) TO '{out}/rows/rows.parquet' {to}")
        held = f"SELECT *, concat_ws('; ', {reasons}) AS _reason FROM ({mapped}) WHERE NOT ({fits})"
        db.execute(f"COPY ({held}) TO '{out}/aside/held.parquet' {to}")
        yield Said()
        return _wrote(out, aside=True)
    added = f"read_parquet({[file.url.removeprefix('file://') for file in arrived]})"
    columns = ", ".join(("_source", "_drop", "_file", "_record", *(c.name for c in Claim.columns)))
    key = ", ".join(Claim.key)
    db.execute(
        f"COPY (SELECT {columns} FROM read_parquet({current}) AS was ANTI JOIN {added} AS now USING ({key})"
        f" UNION ALL SELECT {columns} FROM {added}) TO '{out}/rows/rows.parquet' {to}"
    )
    yield Said()
    return _wrote(out)


_MACROS = r"""
CREATE MACRO given(v) AS nullif(trim(v, E' \t\r\n'), '');
CREATE MACRO digit(n, place) AS (n // (10 ** place)::BIGINT) % 10;
CREATE MACRO twice(d) AS 2 * d - 9 * (d > 4)::INT;
CREATE MACRO luhn(n) AS (24 + digit(n, 0) + digit(n, 2) + digit(n, 4) + digit(n, 6) + digit(n, 8) + twice(digit(n, 1))
    + twice(digit(n, 3)) + twice(digit(n, 5)) + twice(digit(n, 7)) + twice(digit(n, 9))) % 10 = 0;
CREATE MACRO npi(v) AS CASE WHEN regexp_full_match(v, '[12][0-9]{9}') AND luhn(try_cast(v AS BIGINT)) THEN v END;
CREATE MACRO a_day(v) AS CASE WHEN v NOT IN ('~', '9999-12-31') AND regexp_full_match(v, '[0-9]{4}-[0-9]{2}-[0-9]{2}')
    THEN try_strptime(v, '%Y-%m-%d')::DATE END;
CREATE MACRO day(v) AS CASE WHEN a_day(v) BETWEEN DATE '1800-01-01' AND DATE '2199-12-31' THEN a_day(v) END;
CREATE MACRO icd9(v) AS CASE
    WHEN regexp_full_match(v,
        '(?i)(?:[0-9]{3}|V[0-9]{2})(?:[.]?[0-9]{1,2})?[.]?|E[0-9]{3}(?:[.]?[0-9])?[.]?') THEN upper(replace(v, '.', ''))
    WHEN regexp_full_match(v, '[0-9]{1,2}[.][0-9]{1,2}')
        THEN lpad(split_part(v, '.', 1), 3, '0') || split_part(v, '.', 2) END;
CREATE MACRO icd10(v) AS CASE WHEN regexp_full_match(v, '(?i)[A-Z][0-9][0-9AB](?:[.]?[0-9A-Z]{1,4})?[.]?')
    THEN upper(replace(v, '.', '')) END;
CREATE MACRO icd(edition, v) AS CASE WHEN edition = '9' THEN icd9(v) ELSE icd10(v) END;
CREATE MACRO drg(v) AS CASE WHEN regexp_full_match(v, '0?[0-9]{1,3}') THEN nullif(right('000' || v, 3), '000') END;
CREATE MACRO bill(v) AS CASE WHEN regexp_full_match(v, '(?i)0?[1-9][0-9][0-9A-Z]') THEN upper(right(v, 3)) END;
CREATE MACRO money(v) AS try_cast(CASE
    WHEN regexp_full_match(v, '[-+]?[$€£]? ?NUMBER ?[$€£]?|[$€£]? ?[-+]NUMBER|[$€£]? ?NUMBER-|[(][$€£]? ?NUMBER[)]')
        THEN CASE WHEN regexp_matches(v, '[-(]') THEN '-' ELSE '' END || translate(v, '-+()$€£, ', '')
    WHEN regexp_full_match(v, '[-+]?[0-9]+(?:[.][0-9]+)?[eE][-+]?[0-9]{1,2}') THEN v END AS DECIMAL(18, 2));
""".replace("NUMBER", "(?:(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:[.][0-9]*)?|[.][0-9]+)")


def _duckdb_mapped(files: Sequence[str]) -> str:
    used = sorted(set(claims.RAW.names[3:]) - claims.UNUSED.keys())
    adjusted, edition = (
        f"CASE {name} {' '.join(f'''WHEN '{k}' THEN '{v}' ''' for k, v in meanings.items())} END"
        for name, meanings in claims.CODES.items()
    )
    given = {
        **claims.TEXTS,
        **{column: f"npi({name})" for column, name in claims.NPIS.items()},
        **{column: f"day({name})" for column, name in claims.DAYS.items()},
        **{column: f"money({name})" for column, name in claims.AMOUNTS.items()},
        "claim_type": "'institutional'",
        "adjustment_type": adjusted,
        "bill_type_code": f"bill({' || '.join(claims.BILL)})",
        "drg_code_type": "CASE WHEN dgns_drg_cd IS NOT NULL THEN 'ms-drg' END",
        "drg_code": "drg(dgns_drg_cd)",
        "diagnosis_code_type": edition,
        "principal_diagnosis_code": "icd(dgns_prcdr_icd_ind, prncpl_dgns_cd)",
        "admitting_diagnosis_code": "icd(dgns_prcdr_icd_ind, admtg_dgns_cd)",
    }
    kinds = {"string": "VARCHAR", "int": "INTEGER"}
    columns = [f"({given.get(c.name, 'NULL')})::{kinds.get(c.type, c.type)} AS {c.name}" for c in Claim.columns]
    texts = ", ".join(f"given({name}) AS {name}" for name in used)
    return (
        f"SELECT _drop, _file, _record, {', '.join(columns)}"
        f" FROM (SELECT _drop, _file, _record, {texts} FROM read_parquet({list(files)}))"
    )


def _arrived(case: str, lake: "Run", rows: int) -> tuple[list[DataFile], float]:
    """The increment's files, none in `full`; and the seconds that making them took."""
    return ([], 0.0) if case == "full" else increment(lake, pattern_of(case), 1, rows)


def _files(lake: "Run", table: str) -> list[str]:
    return list(Files.of(lake, table).sizes)


def _wrote(out: Path, *, aside: bool = False) -> Said:
    rows, beside = ([str(path) for path in (out / part).rglob("*.parquet")] for part in ("rows", "aside"))
    return Said(rows=tuple(rows), aside=tuple(beside) if aside else None, written=sum(map(os.path.getsize, rows)))


def _session() -> float:
    from spark.session import session

    began = time.monotonic()
    context = session().sparkContext
    context.parallelize(range(context.defaultParallelism), context.defaultParallelism).map(_up).collect()
    return time.monotonic() - began


def _up(number: int) -> int:
    """What Python workers import when they start."""
    import spark.transform  # noqa: F401

    return number


def _plain_session() -> "SparkSession":
    from pyspark.sql import SparkSession

    from spark.session import archive

    java = f"-XX:SharedArchiveFile={archive().resolve()}" if archive().exists() else ""
    return (
        SparkSession.Builder()
        .master(os.environ.get("INLET_SPARK_MASTER", "local[*]"))
        .config("spark.driver.memory", os.environ.get("INLET_SPARK_MEMORY", "2g"))
        .config("spark.driver.extraJavaOptions", java)
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "16")
        .getOrCreate()
    )


SYSTEMS: dict[str, Callable[[str, Path, int, Path], Work]] = {"inlet": inlet, "spark": spark, "duckdb": duckdb}


def run(system: str, case: str, lake: Path, rows: int, out: Path) -> Said:
    """Let one system do one case in this process."""
    work = SYSTEMS[system](case, lake, rows, out)
    began = next(work)
    python = time.time() - psutil.Process().create_time() - began.session - began.prepared
    clock = time.monotonic()
    next(work)
    took = {"python": python, "session": began.session, "seconds": time.monotonic() - clock}
    try:
        next(work)
    except StopIteration as ended:
        said: Said = ended.value
        return said.model_copy(update=took)
    raise RuntimeError(f"{system} does {case} in more than one step")


def main(system: str, case: str, lake: str, rows: str, out: str) -> None:
    """Run one system and leave what it took; `make` makes the lake of a case."""
    if system == "make" and case == "full":
        made_raw(Path(lake), int(rows))
    elif system == "make":
        made_current(Path(lake), int(rows), SLAB // SEQUENCE if case == "sequence" else SLAB)
    else:
        said = run(system, case, Path(lake), int(rows), Path(out))
        (Path(out) / "said.json").write_text(said.model_dump_json())


if __name__ == "__main__":
    main(*sys.argv[1:])
