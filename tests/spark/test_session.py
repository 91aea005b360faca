import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from blocks.lake import Lake
from spark.session import jars, readable
from spark.writer import write
from tests.servers import S3, require

TOKEN = "not-a-token-that-the-server-checks"

# Started with the secrets as `session(environment)` gets them from a lake; says what it finds as JSON.
PROGRAM = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from spark.session import session
from pyspark import SparkConf

told = json.load(sys.stdin)
spark = session(told["environment"])
context, jvm = spark.sparkContext, spark._jvm

def dump(configuration):
    writer = jvm.java.io.StringWriter()
    jvm.org.apache.hadoop.conf.Configuration.dumpConfiguration(configuration, writer)
    return writer.toString()

places = {
    "SparkConf": json.dumps(context.getConf().getAll()),
    "SQL": json.dumps([list(row) for row in spark.sql("SET -v").collect()]),
    "Hadoop": dump(context._jsc.hadoopConfiguration()),
    "Hadoop of a query": dump(spark._jsparkSession.sessionState().newHadoopConf()),
    "system properties": jvm.java.lang.System.getProperties().toString(),
    "command line": str(jvm.java.lang.management.ManagementFactory.getRuntimeMXBean().getInputArguments()),
}
answer = {"leaks": [name for name, text in places.items() if any(s in text for s in told["secrets"])]}
answer["command line"] = places["command line"]
answer["sizes"] = {name: len(text) for name, text in places.items()}
answer["again"] = session() is spark
with ThreadPoolExecutor(2) as pool:
    answer["elsewhere"] = [found is spark for found in pool.map(lambda _: session(), range(2))]
if "read" in told:
    answer["rows"] = spark.read.parquet(told["read"]).count()
    def in_a_worker(_):
        from spark.writer import write
        import pyarrow as pa
        return write([pa.table({"n": [1, 2]})], told["write"], pa.schema([("n", pa.int64())]))
    answer["written"] = context.parallelize([0], 1).flatMap(in_a_worker).map(lambda f: f.rows).collect()
print(json.dumps(answer))
"""


def start(told: dict[str, Any], folder: Path) -> dict[str, Any]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env |= {"INLET_SCRATCH": str(folder), "INLET_SPARK_MASTER": "local[1]"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=json.dumps(told), env=env, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert not any(secret in done.stderr for secret in told["secrets"])
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_no_secret_stands_in_a_configuration(tmp_path: Path) -> None:
    environment = {
        "AWS_ACCESS_KEY_ID": "AKIAINLETTEST",
        "AWS_SECRET_ACCESS_KEY": "s3cr3t/inlet",
        "AWS_SESSION_TOKEN": TOKEN,
    }
    answer = start({"environment": environment, "secrets": ["s3cr3t/inlet", TOKEN]}, tmp_path)
    assert answer["leaks"] == []
    assert all(size > 500 for size in answer["sizes"].values() if size != answer["sizes"]["command line"])
    assert answer["again"]
    assert answer["elsewhere"] == [True, True]


def test_an_archive_that_is_none_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "spark.jsa"
    archive.write_bytes(b"no archive")
    monkeypatch.setenv("INLET_CLASSES", str(archive))
    answer = start({"environment": {}, "secrets": [str(tmp_path / "never")]}, tmp_path)
    assert answer["again"]
    assert str(archive) in answer["command line"]


def test_the_jvm_reads_s3_and_a_worker_writes_it(s3: S3, s3_lake: Lake, tmp_path: Path) -> None:
    require(Path(jars()[0]).parent if jars() else None, "Spark's S3 jars are not there (make jars)")
    schema = pa.schema([("n", pa.int64())])
    (file,) = write([pa.table({"n": [1, 2, 3]})], s3_lake.path("t"), schema, s3_lake.fs())
    told = {
        "environment": s3_lake.environment(),
        "secrets": [s3.secret_key],
        "read": readable(file.url),
        "write": s3_lake.url("out"),
    }
    answer = start(told, tmp_path)
    assert answer["rows"] == 3
    assert answer["written"] == [2]
    assert answer["leaks"] == []
    assert len(s3_lake.fs().find(s3_lake.path("out"))) == 1


@pytest.mark.parametrize(
    ("url", "expected"), [("s3://b/s3://x", "s3a://b/s3://x"), ("file:///s3", "file:///s3"), ("s3a://b/k", "s3a://b/k")]
)
def test_readable(url: str, expected: str) -> None:
    assert readable(url) == expected
