"""The Spark session: started once per process and only when a stage needs it.

Starting it takes the JVM 13 CPU seconds, half of them to load and check classes, which `archive` saves. `make
classes` makes that, in a minute or two; an image has it made when it is built.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import TimeoutExpired
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from pyspark import SparkContext
from pyspark.logger import PySparkLogger
from pyspark.sql import SparkSession

from spark import executors
from spark.errors import SparkEnded

LOG4J = Path(__file__).with_name("log4j2.properties")
"""What JVMs write to their standard error; in the image, and so in every pod of it, it is at the same place."""

SMALL = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=192m"
"""Java options that save the JVM's compiler and collector, 31 to 16 CPU seconds of a first transform of 20,000 rows.

With this compiler alone the JVM keeps 48 MB of code, and soon would throw some away and compile it once more.
"""

_EMPTY = "org.apache.spark.sql.execution.adaptive.AQEPropagateEmptyRelation"

_BUILD = Path(__file__).parent.parent / "build"
_starting = Lock()

for _name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):  # they repeat errors, and with these values
    PySparkLogger.getLogger(_name).addFilter(lambda _: False)

_SECRETS = ("fs.s3a.access.key", "fs.s3a.secret.key", "fs.s3a.session.token")
_SECRETS_OLD = tuple(f"fs.{s}.aws{k}" for s in ("s3", "s3n") for k in ("AccessKeyId", "SecretAccessKey"))


def jars() -> list[str]:
    """Paths of the jars with which the JVM reads S3, from `INLET_JARS` or where `make jars` puts them."""
    folder = Path(os.environ.get("INLET_JARS", _BUILD / "jars"))
    return sorted(str(jar) for jar in folder.glob("*.jar"))


def archive() -> Path:
    """Where the JVM finds Spark's classes as it had them in memory before, if they are there: `INLET_CLASSES` or
    `build/spark.jsa`. One that another Java or Spark made is passed over by the JVM.
    """
    return Path(os.environ.get("INLET_CLASSES", _BUILD / "spark.jsa"))


def session(environment: Mapping[str, str] | None = None, *, large: bool = False) -> SparkSession:
    """The running session, or a new one: `local[*]` unless `INLET_SPARK_MASTER` names another master; its driver
    has `INLET_SPARK_MEMORY` (2g) and `INLET_JAVA_OPTIONS` (none; `SMALL` halves the CPU time of small work).

    `large` work goes to executors where the run may have them (`spark.executors`): a session without them is ended and
    one with them begun, which later work of this process, large or small, finds.

    `environment` holds the lake's `AWS_*` variables: the JVM and the Python workers inherit them, so that no secret
    stands in a configuration. This process has them only until the JVM has begun: a party's S3 block that has no
    keys or endpoint of its own would take the lake's. Spark copies keys from the environment into Hadoop's; they are
    taken out again. Raises `NoExecutors` where the pod was not given what they need.
    """
    with _starting:
        if ended() is not None:
            _forget()
        running = SparkSession.getActiveSession()
        on_pods = large and "INLET_SPARK_MASTER" not in os.environ and executors.wanted()
        if running and on_pods and not str(running.sparkContext.master).startswith("k8s:"):
            running.stop()
            running = None
        if running:
            return running
        there = executors.settings(environment or {}) if on_pods else {}
        with _lent(environment or {}):
            return _started(on_pods, there)


def ended() -> int | None:
    """The exit code of this process's JVM, where there was one and it is no more; -9 if it was killed."""
    process = getattr(SparkContext._gateway, "proc", None)
    code: int | None = process.poll() if process else None
    return code


@contextmanager
def not_ended() -> Iterator[None]:
    """Let an error that came of the JVM's end say so: whatever it says itself, the data are not the cause.

    Raises `SparkEnded`. The next `session` is a new one.
    """
    try:
        yield
    except Exception as error:
        if (code := _waited()) is None:
            raise
        if (ends := _interrupted(error)) is not None:
            raise ends from None  # the signal that ends the run went to both, and py4j made a failed call of it
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise SparkEnded(f"Spark's process {how}") from error


def _interrupted(error: BaseException | None) -> BaseException | None:
    """What ends the process, where an error came of that."""
    while error is not None and isinstance(error, Exception):
        error = error.__cause__ or error.__context__
    return error


def _waited() -> int | None:
    """As `ended`, of a JVM that may be on its way out: calls fail before it has ended."""
    context, gateway = SparkContext._active_spark_context, SparkContext._gateway
    if context is None or gateway is None:
        return None
    with suppress(Exception):  # it answers no more
        if not context._jsc.sc().isStopped():
            return None
    with suppress(TimeoutExpired):
        gateway.proc.wait(30)
    return ended()


def _forget() -> None:
    """Take a session whose JVM is gone for none: pyspark would go on to ask it."""
    SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None
    SparkSession._instantiatedSession = None


@contextmanager
def _lent(environment: Mapping[str, str]) -> Iterator[None]:
    """Have variables in this process's environment, of which pyspark makes the JVM's, for as long as that takes."""
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _started(on_pods: bool, there: Mapping[str, str]) -> SparkSession:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", os.environ.get("INLET_POD_IP", "127.0.0.1"))
    java, log4j = os.environ.get("INLET_JAVA_OPTIONS", ""), f"-Dlog4j2.configurationFile={LOG4J.as_uri()}"
    if archive().exists():
        java = f"-XX:SharedArchiveFile={archive().resolve()} {java}"
    builder = (
        SparkSession.Builder()
        .appName("inlet")
        .master(executors.master() if on_pods else os.environ.get("INLET_SPARK_MASTER", "local[*]"))
        .config("spark.driver.memory", os.environ.get("INLET_SPARK_MEMORY", "2g"))
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.speculation", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "50000")
        .config("spark.sql.shuffle.partitions", "16")
        # a plan that proves empty would be replaced, and what counts its rows on the way go with it
        .config("spark.sql.adaptive.optimizer.excludedRules", _EMPTY)
        .config("spark.sql.files.maxPartitionBytes", "64m")
        .config("spark.authenticate", "true")
        .config("spark.network.crypto.enabled", "true")
        .config("spark.io.encryption.enabled", "true")
        .config("spark.driver.extraJavaOptions", f"{log4j} {java}")
        .config("spark.executor.extraJavaOptions", log4j)
    )
    for name, value in {**_s3a(), **there}.items():
        builder = builder.config(name, value)
    if jars():
        builder = builder.config("spark.jars", ",".join(jars()))
    spark = builder.getOrCreate()
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    for name in (*_SECRETS, *_SECRETS_OLD):
        hadoop.unset(name)
    return spark


def _s3a() -> dict[str, str]:
    """How the JVM reaches S3, by the variables that it inherits."""
    provider = "EnvironmentVariable" if "AWS_ACCESS_KEY_ID" in os.environ else "Default"
    found = {
        "aws.credentials.provider": f"software.amazon.awssdk.auth.credentials.{provider}CredentialsProvider",
    }
    if endpoint := os.environ.get("AWS_ENDPOINT_URL_S3"):
        found |= {"endpoint": endpoint, "path.style.access": "true"}
        if urlsplit(endpoint).scheme == "http":
            found["connection.ssl.enabled"] = "false"
    return {f"spark.hadoop.fs.s3a.{name}": value for name, value in found.items()}


def readable(url: str) -> str:
    """A data file's URL as the JVM reads it: S3 goes by S3A."""
    return url.replace("s3://", "s3a://", 1)


def make_archive() -> None:
    """Do a little of what Spark is used for, and have the JVM keep the classes that took."""
    target = archive().resolve()
    target.unlink(missing_ok=True)
    draft = target.with_suffix(f".{os.getpid()}")
    target.parent.mkdir(parents=True, exist_ok=True)
    os.environ["INLET_JAVA_OPTIONS"] = f"-XX:ArchiveClassesAtExit={draft} -Xlog:cds=off -Xlog:cds+dynamic=off"
    spark = session()
    spark.sparkContext.parallelize([1, 2], 2).map(str).collect()
    with TemporaryDirectory() as folder:
        path = f"file://{folder}/t"
        spark.range(1000).selectExpr("id", "id % 7 AS k", "string(id) AS s").write.parquet(path)
        rows = spark.read.parquet(path).selectExpr("k", "try_cast(s AS date) AS d", "coalesce(s, '') AS s")
        rows.groupBy("k").count().join(rows, "k").orderBy("k").limit(10).toArrow()
    spark.stop()
    gateway: Any = SparkContext._gateway
    gateway.shutdown()
    gateway.proc.stdin.close()  # the JVM ends, and writes
    gateway.proc.wait()
    draft.rename(target)


if __name__ == "__main__":
    make_archive()
