import json
import os
import signal
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
import json, os, sys
from pathlib import Path
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
answer["left"] = sorted(name for name in os.environ if name.startswith("AWS_"))
answer["again"] = session() is spark
with ThreadPoolExecutor(2) as pool:
    answer["elsewhere"] = [found is spark for found in pool.map(lambda _: session(), range(2))]
if "shuffles" in told:
    names = spark.range(20_000).selectExpr(f"concat('{told['shuffles']}', id % 1000, uuid()) AS name")
    names.repartition(4, "name").groupBy("name").count().count()
    files = [path.read_bytes() for path in Path(os.environ["SPARK_LOCAL_DIRS"]).rglob("shuffle_*.data")]
    answer["shuffled"] = [sum(map(len, files)), sum(file.count(told["shuffles"].encode()) for file in files)]
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
    env |= {"INLET_SPARK_MASTER": "local[1]", "SPARK_LOCAL_DIRS": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=json.dumps(told), env=env, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert not any(secret in done.stderr for secret in told["secrets"])
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_no_secret_stands_in_a_configuration_nor_data_on_a_disk(tmp_path: Path) -> None:
    environment = {
        "AWS_ACCESS_KEY_ID": "AKIAINLETTEST",
        "AWS_SECRET_ACCESS_KEY": "s3cr3t/inlet",
        "AWS_SESSION_TOKEN": TOKEN,
    }
    told = {"environment": environment, "secrets": ["s3cr3t/inlet", TOKEN], "shuffles": "canary"}
    answer = start(told, tmp_path)
    assert answer["leaks"] == []
    assert answer["left"] == [], "the lake's keys, for which a party's block would ask botocore"
    size, found = answer["shuffled"]
    assert size > 100_000
    assert not found, "what Spark shuffles stands on the disk as it is"
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


# A JVM that is killed while it works, as for memory; what comes of the work, and whether a new session works, as JSON.
KILLED = """
import json, os, signal, sys
from threading import Timer
from spark.errors import SparkEnded
from spark.session import not_ended, session
from pyspark import SparkContext

@not_ended()
def work():
    session().range(10**11).selectExpr("sum(sqrt(id))").collect()

session()
Timer(2, lambda: os.kill(SparkContext._gateway.proc.pid, int(sys.argv[1]))).start()
try:
    work()
except SparkEnded as error:
    told = str(error), error.retryable
with not_ended():
    rows = session().range(10).count()
print(json.dumps([*told, rows]))
"""


@pytest.mark.parametrize(
    ("number", "how"), [(signal.SIGKILL, "was ended by signal 9"), (signal.SIGTERM, "ended with exit code 143")]
)
def test_a_jvm_that_is_killed_is_told_of_as_that_and_the_next_session_is_new(
    number: signal.Signals, how: str, tmp_path: Path
) -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_")}
    command = [sys.executable, "-c", KILLED, str(int(number))]
    done = subprocess.run(command, env=bare, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    said, retryable, rows = json.loads(done.stdout.splitlines()[-1])
    assert said.startswith(f"Spark's process {how}. Run it again")
    assert (retryable, rows) == (True, 10)


# A process whose run is ended while Spark works: the signal goes to the JVM as well.
ENDED = """
import os, signal, time
from threading import Timer
from spark.session import not_ended, session
from pyspark import SparkContext

class Ended(BaseException):
    pass

def end(number, frame):
    raise Ended

@not_ended()
def work():
    session().range(10**11).selectExpr("sum(sqrt(id))").collect()

def both():
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(SparkContext._gateway.proc.pid, signal.SIGTERM)

session()
signal.signal(signal.SIGTERM, end)
Timer(2, both).start()
try:
    work()
except Ended:
    print("ended")
"""


def test_a_signal_that_ends_a_run_is_not_taken_for_the_jvms_end() -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_")}
    done = subprocess.run(
        [sys.executable, "-c", ENDED], env=bare, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.splitlines()[-1:] == ["ended"], done.stderr[-3000:]
