"""The Spark session: started once per process and only when a stage needs it."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

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

_SECRETS = ("fs.s3a.access.key", "fs.s3a.secret.key", "fs.s3a.session.token")
_SECRETS_OLD = tuple(f"fs.{s}.aws{k}" for s in ("s3", "s3n") for k in ("AccessKeyId", "SecretAccessKey"))


def jars() -> list[str]:
    """Paths of the jars with which the JVM reads S3, from `INLET_JARS` or where `make jars` puts them."""
    folder = Path(os.environ.get("INLET_JARS", Path(__file__).parent.parent / "build" / "jars"))
    return sorted(str(jar) for jar in folder.glob("*.jar"))


def session(environment: Mapping[str, str] | None = None) -> SparkSession:
    """The running session, or a new one: `local[*]` unless `INLET_SPARK_MASTER` names another master; its driver
    has `INLET_SPARK_MEMORY` (2g) and `INLET_JAVA_OPTIONS` (none; `SMALL` halves the CPU time of small work).

    `environment` holds the lake's `AWS_*` variables: the JVM and the Python workers inherit them, so that no secret
    stands in a configuration. Spark copies keys from the environment into Hadoop's; they are taken out again.
    """
    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    os.environ.update(environment or {})
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    home = Path(os.environ.get("INLET_SCRATCH", "build"))
    home.mkdir(parents=True, exist_ok=True)
    log4j = home / "log4j2.properties"
    log4j.write_text(_LOG4J)
    java = os.environ.get("INLET_JAVA_OPTIONS", "")
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
