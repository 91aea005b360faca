"""metrics: files, bytes, rows, rejects and lag by source, sent by OpenTelemetry (docs/alerts.md).

Runs are short-lived processes, which nobody comes to scrape: what they count is pushed by OTLP over HTTP, every minute
and before the process ends. Only OpenTelemetry's own environment variables configure it; where none names an endpoint
nothing is loaded.
"""

import logging
import os
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")

COUNTED = {
    "files": ("{file}", "Files that came into a zone"),
    "bytes": ("By", "Bytes of these files"),
    "rows": ("{row}", "Rows that were written into a zone's tables"),
    "rejected": ("{row}", "Records that did not parse (zone raw), rows that do not fit (zone transformed)"),
}
"""Counters by name, with unit and description."""


def add(source: str, zone: str, **counts: int) -> None:
    """Count what a stage brought into a zone of the lake (landed, raw, transformed, current); names as in `COUNTED`."""
    if counters := _instruments():
        for name, count in counts.items():
            counters[name].add(count, {"source": source, "zone": zone})


def lag(source: str, zone: str, seconds: float) -> None:
    """Say how far behind now it is what a zone has of a source."""
    if instruments := _instruments():
        instruments["lag"].set(seconds, {"source": source, "zone": zone})


@cache
def _instruments() -> dict[str, Any]:
    """Every instrument by its name without `inlet.`; none where nothing is to be sent."""
    if not any(map(os.environ.get, ENDPOINTS)):
        return {}
    try:
        meter = _meter()
    except ImportError as error:
        logging.getLogger("inlet").warning("no metrics are sent, as %s: install inlet[metrics]", error)
        return {}
    counters = {name: meter.create_counter(f"inlet.{name}", *about) for name, about in COUNTED.items()}
    return {**counters, "lag": meter.create_gauge("inlet.lag", "s", "How far behind now it is what a zone has")}


def _meter() -> "Meter":
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import Counter, MeterProvider
    from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource

    # what short processes counted adds up as it is; totals of each would have to be told apart
    given = os.environ.get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE")
    exporter = OTLPMetricExporter(preferred_temporality=None if given else {Counter: AggregationTemporality.DELTA})
    named = Resource.create()
    if str(named.attributes["service.name"]).startswith("unknown_service"):
        named = named.merge(Resource({"service.name": "inlet"}))
    return MeterProvider([PeriodicExportingMetricReader(exporter)], named).get_meter("inlet")
