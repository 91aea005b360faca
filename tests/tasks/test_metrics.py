"""Metrics by OTLP over HTTP: what a collector on loopback gets of a real run, and that nothing is loaded without."""

import os
import subprocess
import sys
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from tasks.manifest import now
from tests import servers
from tests.servers import PrefectServer, Receiver

ROOT = Path(__file__).parents[2]

FLOW = """
    import os
    import flows
    flows.__path__.append(os.environ["SOURCES"])
    from blocks.drive import Drive
    from blocks.lake import Lake
    from flows.party import party
    from flows.freshness import freshness

    Drive(path=os.environ["OUTSIDE"]).save("the-party", overwrite=True)
    Lake(root=os.environ["LAKE"]).save("lake", overwrite=True)
    print(party(return_state=True).message)
    print(freshness(return_state=True).message)
"""

Sums = dict[tuple[str, str, str], float]


def run(script: str, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "OTEL_"))}
    return subprocess.run(
        [sys.executable, "-c", dedent(script)],
        env=kept | {"PYTHONPATH": str(ROOT)} | env,
        capture_output=True,
        text=True,
        timeout=300,
    )


def sums(receiver: Receiver) -> Sums:
    """What was counted by metric, source and zone; of a gauge the last value."""
    found: Sums = defaultdict(float)
    for path, body in receiver.got:
        assert path == "/v1/metrics"
        request = ExportMetricsServiceRequest.FromString(body)
        for resource in request.resource_metrics:
            named = {a.key: a.value.string_value for a in resource.resource.attributes}
            assert named["service.name"] == "inlet"
            for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                points = metric.gauge.data_points if metric.HasField("gauge") else metric.sum.data_points
                if metric.HasField("sum"):
                    assert metric.sum.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
                for point in points:
                    labels = {a.key: a.value.string_value for a in point.attributes}
                    key = (metric.name, labels["source"], labels["zone"])
                    value = point.as_double if point.HasField("as_double") else point.as_int
                    found[key] = value if metric.HasField("gauge") else found[key] + value
    return found


def test_a_collector_gets_files_bytes_rows_rejects_and_lag(prefect_server: PrefectServer, tmp_path: Path) -> None:
    servers.require("java", "there is no Java")
    outside = tmp_path / "outside"
    outside.mkdir()
    rows = [f"{n},{n}" for n in range(300)]
    texts = {4: ["id,paid", *rows, "300,1,1", "301,many"], 3: ["id,paid", *rows, "300,4"]}
    size = 0
    for ago, lines in texts.items():
        file = outside / f"things_{now() - timedelta(days=ago):%Y%m%d}.csv"
        file.write_text("\n".join(lines) + "\n")
        size += file.stat().st_size
    with servers.receiver() as receiver:
        done = run(
            FLOW,
            **prefect_server.env,
            SOURCES=str(ROOT / "tests" / "sources"),
            OUTSIDE=str(outside),
            LAKE=str(tmp_path / "lake"),
            INLET_CADENCE="off",
            SPARK_LOCAL_DIRS=str(tmp_path),
            INLET_SPARK_MASTER=os.environ.get("INLET_SPARK_MASTER", "local[2]"),
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        )
        assert done.returncode == 0, done.stderr
        assert "Done: " in done.stdout, done.stdout + done.stderr
        found = sums(receiver)
    lag = {zone: found.pop(("inlet.lag", "the-party", zone)) for zone in ("landed", "current")}
    for seconds in lag.values():
        assert 3 * 86400 <= seconds <= 4 * 86400
    written = {zone: found.pop(("inlet.bytes", "the-party", zone)) for zone in ("raw", "current")}
    assert all(count > 0 for count in written.values())
    files = {zone: found.pop(("inlet.files", "the-party", zone)) for zone in ("raw", "current")}
    assert files == {"raw": 2, "current": 2}
    assert found == {
        ("inlet.files", "the-party", "landed"): 2,
        ("inlet.bytes", "the-party", "landed"): size,
        ("inlet.rows", "the-party", "raw"): 301 + 301,
        ("inlet.rejected", "the-party", "raw"): 1,
        ("inlet.rows", "the-party", "transformed"): 300 + 301,
        ("inlet.rejected", "the-party", "transformed"): 1,
        ("inlet.rows", "the-party", "current"): 300 + 301,
    }


def test_without_an_endpoint_nothing_is_loaded() -> None:
    script = """
        import sys
        from tasks import metrics
        metrics.add("nobody", "raw", rows=1)
        metrics.lag("nobody", "raw", 1)
        assert not [name for name in sys.modules if name.startswith("opentelemetry.sdk")]
    """
    done = run(script)
    assert done.returncode == 0, done.stderr


def test_a_collector_that_is_gone_fails_nothing() -> None:
    done = run(
        'from tasks import metrics; metrics.add("nobody", "raw", rows=1)',
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{servers.free_port()}",
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
    )
    assert done.returncode == 0, done.stderr


def test_where_the_exporter_is_not_installed_it_is_said_once() -> None:
    script = """
        import sys
        sys.modules["opentelemetry.exporter.otlp.proto.http.metric_exporter"] = None  # for Python it is not there
        from tasks import metrics
        metrics.add("nobody", "raw", rows=1)
        metrics.add("nobody", "raw", rows=1)
    """
    done = run(script, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("install inlet[metrics]") == 1
