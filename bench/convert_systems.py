"""What `bench.convert` sets side by side: each system converts one file in a process of its own.

    python -m bench.convert_systems SYSTEM CASE FILE FOLDER

writes Parquet below FOLDER, and `said.json`: the `seconds` that took, and before them those in which Python, Spark's
`session` and its Python `workers` started. A system yields these once it is ready to begin. Every one keeps text as
text, writes zstd and is given the options that are right for the file.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:  # what a system needs is loaded when it is measured
    from spark.readers import AnyReader
    from tasks.run import Run
    from tasks.unwrap import Parts

WIDTHS = {
    "cur_clm_uniq_id": 13,
    "prvdr_oscar_num": 6,
    "bene_mbi_id": 11,
    "bene_hic_num": 11,
    "clm_type_cd": 2,
    "clm_from_dt": 10,
    "clm_thru_dt": 10,
    "clm_bill_fac_type_cd": 1,
    "clm_bill_clsfctn_cd": 1,
    "prncpl_dgns_cd": 7,
    "admtg_dgns_cd": 7,
    "clm_mdcr_npmt_rsn_cd": 2,
    "clm_pmt_amt": 17,
    "clm_nch_prmry_pyr_cd": 1,
    "prvdr_fac_fips_st_cd": 2,
    "bene_ptnt_stus_cd": 2,
    "dgns_drg_cd": 4,
    "clm_op_srvc_type_cd": 1,
    "fac_prvdr_npi_num": 10,
    "oprtg_prvdr_npi_num": 10,
    "atndg_prvdr_npi_num": 10,
    "othr_prvdr_npi_num": 10,
    "clm_adjsmt_type_cd": 2,
    "clm_efctv_dt": 10,
    "clm_idr_ld_dt": 10,
    "bene_eqtbl_bic_hicn_num": 11,
}
"""Fields of the `fwf` case and their columns, in the manner of CMS's claim feed, part A header (CCLF1)."""

ROW = "PubmedArticle"
CHUNK = 50_000  # rows that pandas and pyreadstat hold at once
Said = dict[str, float]
Work = Iterator[Said]


def inlet(case: str, file: Path, out: Path, spark_from: int | None = None) -> Work:
    """What a drop's run does but for Prefect: peel, cut and stage, convert, commit to Iceberg tables."""
    from tasks.convert import to_raw
    from tasks.cores import SPARK_FROM

    yield _session(workers=True) if spark_from is not None else {}
    parts, run = staged(reader(case), file, out)
    to_raw(parts, run, spark_from=SPARK_FROM * 10**6 if spark_from is None else spark_from)
    run.lake.fs().rm(run.lake.path("staged"), recursive=True)


def reader(case: str) -> "AnyReader":
    """What inlet reads a case by."""
    from bench.synthetic.pubmed import PUBMED
    from spark.readers import Csv, Field, Fixed, Layout, Sas

    match case:
        case "xport" | "sas":
            return Sas()
        case "xml":
            return PUBMED
        case "fwf":
            ends = [sum(list(WIDTHS.values())[:n]) for n in range(len(WIDTHS))]
            starts = zip(WIDTHS.items(), ends, strict=True)
            fields = tuple(Field(name=name, start=end + 1, length=width) for (name, width), end in starts)
            return Fixed(layouts=(Layout(fields=fields),))
        case _:
            return Csv()


def staged(reader: "AnyReader", file: Path, out: Path) -> tuple["Parts", "Run"]:
    """A drop of one file, peeled, cut and staged in a lake below `out`."""
    from blocks.lake import Lake
    from tasks.drop import Drop
    from tasks.run import Run
    from tasks.source import Dataset, Source
    from tasks.staging import Choice, Stage, Wrapped
    from tasks.unwrap import Parts

    dataset = Dataset(members=".*", reader=reader)
    source = Source(slug="bench", at="bench", deliveries=(), datasets={"data": dataset}, phi="no")
    run = Run(source, Lake(root=f"file://{out}/lake"), "run")
    drop = Drop(source="bench", key="one", as_of=datetime(2026, 11, 1, tzinfo=UTC), kind="full", revision=1, files=())
    fs, folder = run.lake.fs(), run.lake.path("staged")
    fs.makedirs(folder)
    stage = Stage(fs, folder, lambda _, member: Choice("data", dataset.reader), os.cpu_count() or 1)
    found = tuple(one for _, one in stage.files([Wrapped(str(file), (file.name,))]))
    return Parts(drop=drop, fingerprint="f", up_to_date=False, datasets={"data": found}), run


def inlet_spark(case: str, file: Path, out: Path) -> Work:
    """The same, each file shared out by Spark."""
    yield from inlet(case, file, out, spark_from=0)


def spark(case: str, file: Path, out: Path) -> Work:
    """Spark's own readers and its own Parquet writer."""
    from pyspark.sql.functions import rtrim, substring

    from bench.synthetic.pubmed import articles
    from spark.session import session

    said = _session(workers=False)
    if case == "xml":  # both systems have their schema before: Spark infers it from a sample
        articles(out / "sample.xml", 2_000_000, 2)
        schema = session().read.format("xml").option("rowTag", ROW).load(str(out / "sample.xml")).schema
    yield said
    read = session().read
    if case == "xml":
        frame = read.format("xml").option("rowTag", ROW).schema(schema).load(str(file))
    elif case == "fwf":
        start, columns = 1, []
        for name, width in WIDTHS.items():
            columns.append(rtrim(substring("value", start, width)).alias(name))
            start += width
        frame = read.text(str(file)).select(columns)
    else:
        frame = read.option("header", True).option("escape", '"').csv(str(file))
    frame.write.option("compression", "zstd").parquet(str(out / "rows"))


def duckdb(case: str, file: Path, out: Path) -> Work:
    """DuckDB's CSV reader; of fixed width its lines, cut by `substring`."""
    import duckdb

    yield {}
    said = "header = true, all_varchar = true, delim = ',', quote = '\"', escape = '\"'"
    columns = "*"
    if case == "fwf":
        said = "header = false, columns = {'line': 'VARCHAR'}, delim = '\\x01', quote = '', escape = ''"
        start, cut = 1, []
        for name, width in WIDTHS.items():
            cut.append(f"rtrim(substring(line, {start}, {width})) AS {name}")
            start += width
        columns = ", ".join(cut)
    (out / "rows").mkdir()
    duckdb.execute("SET preserve_insertion_order = false")
    duckdb.execute(
        f"COPY (SELECT {columns} FROM read_csv('{file}', {said}))"  # noqa: S608
        f" TO '{out}/rows/rows.parquet' (FORMAT parquet, COMPRESSION zstd)"
    )


def polars(case: str, file: Path, out: Path) -> Work:
    """Polars' streaming engine; of fixed width its lines, cut by `str.slice`."""
    import polars as pl

    yield {}
    if case == "fwf":
        lines = pl.scan_csv(file, has_header=False, new_columns=["line"], separator="\x01", quote_char=None)
        start, columns = 0, []
        for name, width in WIDTHS.items():
            columns.append(pl.col("line").str.slice(start, width).str.strip_chars_end(" ").alias(name))
            start += width
        frame = lines.select(columns)
    else:
        frame = pl.scan_csv(file, infer_schema=False)
    (out / "rows").mkdir()
    frame.sink_parquet(out / "rows" / "rows.parquet", compression="zstd")


def pandas(case: str, file: Path, out: Path) -> Work:
    """Pandas in chunks of 50,000 rows; of XML three fields only, by `iterparse`: nested elements it does not read."""
    import pandas as pd  # type: ignore[import-untyped]

    yield {}
    chunks: Iterable[Any]
    match case:
        case "fwf":
            chunks = pd.read_fwf(
                file,
                widths=list(WIDTHS.values()),
                names=list(WIDTHS),
                dtype=str,
                header=None,
                keep_default_na=False,
                chunksize=CHUNK,
            )
        case "xport" | "sas":
            chunks = pd.read_sas(
                file, format="sas7bdat" if case == "sas" else "xport", encoding="utf-8", chunksize=CHUNK
            )
        case "xml":
            fields = ["PMID", "ArticleTitle", "ISSN"]
            chunks = [pd.read_xml(file, iterparse={ROW: fields}, names=fields, dtype=str)]
        case _:
            chunks = pd.read_csv(file, dtype=str, keep_default_na=False, chunksize=CHUNK)
    _write(chunks, out)


def pyreadstat(case: str, file: Path, out: Path) -> Work:
    """ReadStat, on one thread, in chunks of 50,000 rows."""
    import pyreadstat

    yield {}
    read = pyreadstat.read_sas7bdat if case == "sas" else pyreadstat.read_xport
    _write((frame for frame, _ in pyreadstat.read_file_in_chunks(read, str(file), chunksize=CHUNK)), out)


def dlt(case: str, file: Path, out: Path) -> Work:
    """dlt's filesystem source, by its DuckDB reader, to its filesystem destination as Parquet."""
    import dlt
    from dlt.sources.filesystem import readers

    yield {}
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["DATA_WRITER__COMPRESSION"] = "zstd"
    rows = readers(bucket_url=file.parent.as_uri(), file_glob=file.name).read_csv_duckdb(
        use_pyarrow=True, all_varchar=True, header=True
    )
    pipeline = dlt.pipeline(
        "bench", str(out / "pipelines"), destination=dlt.destinations.filesystem(str(out)), dataset_name="rows"
    )
    pipeline.run(
        rows.with_name("data"), loader_file_format="parquet", write_disposition="replace"
    ).raise_on_failed_jobs()


SYSTEMS: dict[str, Callable[[str, Path, Path], Work]] = {
    "inlet": inlet,
    "inlet_spark": inlet_spark,
    "spark": spark,
    "duckdb": duckdb,
    "polars": polars,
    "pandas": pandas,
    "pyreadstat": pyreadstat,
    "dlt": dlt,
}

ABSENT: dict[str, dict[str, str]] = {
    "spark": dict.fromkeys(("xport", "sas"), "Spark 4 has no SAS reader"),
    "duckdb": dict.fromkeys(("xport", "sas", "xml"), "DuckDB reads it by no extension of its own"),
    "polars": dict.fromkeys(("xport", "sas", "xml"), "polars has no reader for it"),
    "pyreadstat": dict.fromkeys(("csv", "csv_gz", "xml", "fwf"), "it reads statistics packages' files"),
    "dlt": dict.fromkeys(("xport", "sas", "xml", "fwf"), "its filesystem source reads CSV, JSONL and Parquet"),
}
"""Why a system does not do a case."""


def _session(*, workers: bool) -> Said:
    """Start Spark; and its Python workers, as far as importing what converts."""
    from spark.session import session

    started = time.monotonic()
    context = session().sparkContext
    up = time.monotonic()
    if workers:
        context.parallelize(range(context.defaultParallelism), context.defaultParallelism).map(_up).collect()
    return {"session": round(up - started, 3), "workers": round(time.monotonic() - up, 3)}


def _up(number: int) -> int:
    import spark.convert  # noqa: F401

    return number


def _write(frames: Iterable[Any], out: Path) -> None:
    writer: pq.ParquetWriter | None = None
    (out / "rows").mkdir()
    for frame in frames:
        table = pa.Table.from_pandas(frame, schema=writer and writer.schema, preserve_index=False)
        writer = writer or pq.ParquetWriter(out / "rows" / "rows.parquet", table.schema, compression="zstd")
        writer.write_table(table)
    if writer:
        writer.close()


def main(system: str, case: str, file: str, out: str) -> None:
    """Run one system and leave what it took."""
    work = SYSTEMS[system](case, Path(file), Path(out))
    said = next(work)
    python = time.time() - psutil.Process().create_time() - sum(said.values())
    began = time.monotonic()
    next(work, None)
    said |= {"python": round(python, 3), "seconds": round(time.monotonic() - began, 3)}
    (Path(out) / "said.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
