"""The numbers of `/metrics`, sent to an OpenTelemetry collector as well.

In: the registry that Prometheus reads. Out: the same numbers over OTLP, every minute and at the end, under
OpenTelemetry's own names. Nothing is sent where the environment names no collector. Knows no request.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Sample

from lictor.errors import UsageError
from lictor.server.metrics import Metrics

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import (
        HistogramDataPoint,
        Metric,
        MetricExporter,
        MetricsData,
        NumberDataPoint,
    )

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
_LABELS = {"error_type": "error.type", "rail_type": "rail.type", "gen_ai_token_type": "gen_ai.token.type"}


class MetricExport:
    """Sends a server's numbers in a thread of its own, until it is closed."""

    def __init__(self, metrics: Metrics, exporter: "MetricExporter", refresh: Callable[[], None]) -> None:
        self._metrics = metrics
        self._exporter = exporter
        self._refresh = refresh
        self._began_ns = time.time_ns()
        self._every_s = float(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL", "60000")) / 1000
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lictor-metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send once more, and end."""
        self._is_closed.set()
        self._thread.join(timeout=5)
        self._exporter.shutdown()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._is_closed.wait(self._every_s)
            self._refresh()
            self._exporter.export(metrics_data(self._metrics, self._began_ns, time.time_ns()))


def make_export(metrics: Metrics, refresh: Callable[[], None]) -> MetricExport | None:
    """What sends numbers to the collector that the environment names; None where it names none.

    Raises:
        UsageError: It names one, and the extra that speaks to it is not installed.
    """
    if not any(os.environ.get(name) for name in _ENDPOINTS) or os.environ.get("OTEL_METRICS_EXPORTER") == "none":
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    except ImportError:
        raise UsageError(f"{_ENDPOINTS[0]}: expected OpenTelemetry, found none; install 'lictor[otel]'") from None
    return MetricExport(metrics, OTLPMetricExporter(), refresh)


def metrics_data(metrics: Metrics, began_ns: int, now_ns: int) -> "MetricsData":
    """What the registry holds, in OpenTelemetry's terms."""
    from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from lictor.server.tracing import resource

    found = [_metric(family, metrics.names, began_ns, now_ns) for family in _families(metrics.registry)]
    scope = ScopeMetrics(InstrumentationScope("lictor"), found, "")
    return MetricsData([ResourceMetrics(resource(), [scope], "")])


def _families(registry: CollectorRegistry) -> Iterator[Family]:
    for family in registry.collect():
        family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
        if family.samples:
            yield family


def _metric(family: Family, names: dict[str, str], began_ns: int, now_ns: int) -> "Metric":
    from opentelemetry.sdk.metrics.export import AggregationTemporality, Gauge, Histogram, Metric, Sum

    cumulative = AggregationTemporality.CUMULATIVE
    match family.type:
        case "counter":
            data = Sum(_points(family.samples, began_ns, now_ns), cumulative, is_monotonic=True)
        case "histogram":
            data = Histogram(list(_histograms(family.samples, began_ns, now_ns)), cumulative)
        case _:
            data = Gauge(_points(family.samples, began_ns, now_ns))
    unit = "s" if family.name.endswith("_seconds") else "1"
    return Metric(names[family.name], family.documentation, unit, data)


def _points(samples: Iterable[Sample], began_ns: int, now_ns: int) -> "list[NumberDataPoint]":
    from opentelemetry.sdk.metrics.export import NumberDataPoint

    return [NumberDataPoint(_attributes(sample), began_ns, now_ns, sample.value) for sample in samples]


def _histograms(samples: Iterable[Sample], began_ns: int, now_ns: int) -> "Iterator[HistogramDataPoint]":
    from opentelemetry.sdk.metrics.export import HistogramDataPoint

    by_labels: dict[frozenset[tuple[str, str]], list[Sample]] = {}
    for sample in samples:
        key = frozenset((name, value) for name, value in sample.labels.items() if name != "le")
        by_labels.setdefault(key, []).append(sample)
    for group in by_labels.values():
        counts = [int(sample.value) for sample in group if "le" in sample.labels]
        bounds = [float(sample.labels["le"]) for sample in group if "le" in sample.labels]
        # Where values may be negative there is no sum.
        total = next((sample.value for sample in group if sample.name.endswith("_sum")), None)
        each = [count - before for before, count in zip([0, *counts], counts, strict=False)]
        about = _attributes(group[0])
        # The last bound is infinity, which goes without saying; the least and the greatest value are not known.
        yield HistogramDataPoint(about, began_ns, now_ns, counts[-1], total, each, bounds[:-1], None, None)  # pyright: ignore[reportArgumentType]


def _attributes(sample: Sample) -> dict[str, str]:
    return {_LABELS.get(name, name): value for name, value in sample.labels.items() if name != "le"}
