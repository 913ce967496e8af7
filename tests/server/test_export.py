"""Numbers sent to an OpenTelemetry collector."""

import re
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.server.serving import guarded

from lictor.testing.upstreams import LEAK, FakeUpstream, running, says

CONVENTIONS = {
    "guardrails.requests",
    "guardrails.requests.blocked",
    "guardrails.request.duration",
    "guardrails.requests.active",
    "guardrails.stream.active",
    "guardrails.stream.rejections",
    "gen_ai.client.token.usage",
    "gen_ai.client.operation.duration",
    "gen_ai.client.operation.time_to_first_chunk",
    "gen_ai.client.operation.time_per_output_chunk",
}


def test_a_collector_is_told_what_prometheus_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under OpenTelemetry's names and labels: counts, sums and buckets are those of `/metrics`, also at the end."""
    received: list[Any] = []

    async def collect(request: Request) -> Response:
        received.append(ExportMetricsServiceRequest.FromString(await request.body()))
        return Response(b"", media_type="application/x-protobuf")

    with running(Starlette(routes=[Route("/v1/metrics", collect, methods=["POST"])])) as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "guarded-chat")
        with guarded(FakeUpstream(says(LEAK))) as server:
            body = {"model": "up", "messages": [{"role": "user", "content": "Read to me."}]}
            httpx2.post(server.url + "/v1/chat/completions", json=body)
            page = httpx2.get(server.url + "/metrics").text

    (sent,) = received[-1].resource_metrics
    told: dict[str, Any] = {metric.name: metric for metric in sent.scope_metrics[0].metrics}
    assert {a.key: a.value.string_value for a in sent.resource.attributes}["service.name"] == "guarded-chat"
    assert told.keys() >= CONVENTIONS
    (blocked,) = told["guardrails.requests.blocked"].sum.data_points
    assert [(a.key, a.value.string_value) for a in blocked.attributes] == [("rail.type", "output")]
    assert blocked.as_double == 1.0
    (gaps,) = told["gen_ai.client.operation.time_per_output_chunk"].histogram.data_points
    counted = re.search(r"time_per_output_chunk_seconds_count ([\d.]+)", page)
    assert counted and gaps.count == sum(gaps.bucket_counts) == float(counted[1])
    assert len(gaps.bucket_counts) == len(gaps.explicit_bounds) + 1
    assert told["gen_ai.client.operation.duration"].unit == "s"


def test_no_numbers_are_sent_unless_a_collector_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """No endpoint in the environment, or metrics switched off: no export."""
    for endpoint, exporter in (("", ""), ("http://127.0.0.1:9", "none")):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        monkeypatch.setenv("OTEL_METRICS_EXPORTER", exporter)
        with guarded() as server:
            assert server.service.export is None
