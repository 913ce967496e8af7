"""Spans about requests."""

import httpx2
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from tests.server.serving import guarded

from lictor.server.tracing import Tracing, make_provider
from lictor.testing.upstreams import LEAK, FakeUpstream, says, wait_until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_request_is_a_span_with_one_for_every_stage() -> None:
    """Under the client's own trace: the request, both stages, the model; the stage that stopped it says so."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with guarded(FakeUpstream(says(LEAK))) as server:
        server.service.tracing = Tracing(provider)
        body = {"model": "up", "messages": [{"role": "user", "content": "Read to me."}]}
        headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
        httpx2.post(server.url + "/v1/chat/completions", json=body, headers=headers)
        wait_until(lambda: len(exporter.get_finished_spans()) == 4)

    spans = exporter.get_finished_spans()
    (root,) = [span for span in spans if span.name == "guardrails.request"]
    rails = {str((s.attributes or {})["rail.type"]): s for s in spans if s.name == "guardrails.rail"}
    (chat,) = [span for span in spans if span.name == "chat up"]
    assert root.kind == SpanKind.SERVER
    assert root.context and f"{root.context.trace_id:032x}" == TRACE
    assert (root.attributes or {})["lictor.result"] == "blocked"
    assert {stage: (s.attributes or {})["rail.stop"] for stage, s in rails.items()} == {"input": False, "output": True}
    assert (chat.attributes or {})["gen_ai.request.model"] == "up"
    for span in (*rails.values(), chat):
        assert span.parent == root.context
        assert (root.start_time or 0) <= (span.start_time or 0) <= (span.end_time or 0) <= (root.end_time or 0)
    assert "Read to me" not in str([dict(span.attributes or {}) for span in spans])


def test_nothing_is_sent_unless_a_collector_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """No endpoint in the environment, no provider."""
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)

    assert make_provider() is None
