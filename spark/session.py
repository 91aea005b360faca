"""The Spark session: started once per process and only when a stage needs it.

Starting it takes the JVM 13 CPU seconds, half of them to load and check classes, which `archive` saves. `make
classes` makes that, in a minute or two; an image has it made when it is built.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from pyspark import SparkContext
from pyspark.sql import SparkSession

_LOG4J = """\
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n
logger.gateway.name = org.apache.spark.api.python.PythonGatewayServer
logger.gateway.level = error
"""

SMALL = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Java options that save the JVM's compiler and collector, 31 to 16 CPU seconds of a first transform of 20,000 rows."""

_EMPTY = "org.apache.spark.sql.execution.adaptive.AQEPropagateEmptyRelation"

_BUILD = Path(__file__).parent.parent / "build"
_starting = Lock()

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


def session(environment: Mapping[str, str] | None = None) -> SparkSession:
    """The running session, or a new one: `local[*]` unless `INLET_SPARK_MASTER` names another master; its driver
    has `INLET_SPARK_MEMORY` (2g) and `INLET_JAVA_OPTIONS` (none; `SMALL` halves the CPU time of small work).

    `environment` holds the lake's `AWS_*` variables: the JVM and the Python workers inherit them, so that no secret
    stands in a configuration. Spark copies keys from the environment into Hadoop's; they are taken out again.
    """
    with _starting:
        return SparkSession.getActiveSession() or _started(environment)


def _started(environment: Mapping[str, str] | None) -> SparkSession:
    os.environ.update(environment or {})
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    home = Path(os.environ.get("INLET_SCRATCH", "build"))
    home.mkdir(parents=True, exist_ok=True)
    log4j = home / "log4j2.properties"
    log4j.write_text(_LOG4J)
    java = os.environ.get("INLET_JAVA_OPTIONS", "")
    if archive().exists():
        java = f"-XX:SharedArchiveFile={archive().resolve()} {java}"
    builder = (
        SparkSession.Builder()
        .appName("inlet")
        .master(os.environ.get("INLET_SPARK_MASTER", "local[*]"))
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
        .config("spark.driver.extraJavaOptions", f"-Dlog4j2.configurationFile={log4j.resolve().as_uri()} {java}")
    )
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3")
    if jars():
        builder = builder.config("spark.jars", ",".join(jars())).config(
            "spark.hadoop.fs.s3a.aws.credentials.provider",
            "software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider"
            if "AWS_ACCESS_KEY_ID" in os.environ
            else "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider",
        )
        if endpoint:
            builder = builder.config("spark.hadoop.fs.s3a.endpoint", endpoint).config(
                "spark.hadoop.fs.s3a.path.style.access", "true"
            )
            if urlsplit(endpoint).scheme == "http":
                builder = builder.config("spark.hadoop.fs.s3a.connection.ssl.enabled", "false")
    spark = builder.getOrCreate()
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    for name in (*_SECRETS, *_SECRETS_OLD):
        hadoop.unset(name)
    return spark


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
