"""Spans about requests, for OpenTelemetry.

In: finished requests. Out: a span for each, with one for every stage of the guard and one for the model, written after
the fact from the times that were taken. Names follow OpenTelemetry's GenAI conventions and those of other guard
servers. Nothing is sent where `OTEL_EXPORTER_OTLP_ENDPOINT` is not set. Knows no request's text.
"""

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lictor.errors import UsageError
from lictor.server.record import Record

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import SpanKind

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
Attributes = Mapping[str, str | int | float | bool]


def make_provider() -> "TracerProvider | None":
    """What sends spans to the collector that the environment names; None where it names none.

    Raises:
        UsageError: It names one, and the extra that speaks to it is not installed.
    """
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise UsageError(f"{_ENDPOINTS[0]}: expected OpenTelemetry, found none; install 'lictor[otel]'") from None
    provider = TracerProvider(resource=resource())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def resource() -> "Resource":
    """What this process is to a collector."""
    from opentelemetry.sdk.resources import Resource

    return Resource.create({} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "lictor"})


class Tracing:
    """Writes spans to a provider."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("lictor")
        self._propagator = TraceContextTextMapPropagator()

    def write(self, record: Record) -> None:
        """The spans of one finished request, under that of its client if it named one."""
        from opentelemetry import trace
        from opentelemetry.trace import SpanKind

        duration_s = record.times.now()
        began = time.time() - duration_s
        parent = self._propagator.extract({"traceparent": record.traceparent} if record.traceparent else {})
        root = self._tracer.start_span(
            "guardrails.request", parent, SpanKind.SERVER, request_attributes(record), start_time=_ns(began)
        )
        inside = trace.set_span_in_context(root)
        for name, kind, attributes, start, end in _parts(record, duration_s):
            span = self._tracer.start_span(name, inside, kind, attributes, start_time=_ns(began + start))
            span.end(_ns(began + end))
        if record.outcome == "failed":
            root.set_status(trace.StatusCode.ERROR, record.error)
        root.end(_ns(began + duration_s))

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def request_attributes(record: Record) -> Attributes:
    """What a request's span says."""
    decision = record.decision
    found: dict[str, str | int | float | bool] = {
        "lictor.endpoint": record.endpoint,
        "lictor.client": record.client,
        "lictor.request_id": record.request_id,
        "lictor.outcome": record.outcome,
        "lictor.result": record.result,
        "lictor.action": decision.action,
        "lictor.policy_version": decision.guard_version,
    }
    if decision.rule:
        found["lictor.rule"] = decision.rule
    if record.error:
        found["error.type"] = record.error
    return found


def _parts(record: Record, duration_s: float) -> "list[tuple[str, SpanKind, Attributes, float, float]]":
    """Name, kind, attributes, begin and end of every part of a request, in seconds since its begin."""
    from opentelemetry.trace import SpanKind

    times, decision = record.times, record.decision
    found: list[tuple[str, SpanKind, Attributes, float, float]] = []
    for stage, end in (("input", times.screened), ("output", duration_s if times.first_chunk is not None else None)):
        if end is not None:
            is_stop = decision.action == "block" and decision.stage == stage
            about = {"rail.type": stage, "rail.name": record.guard, "rail.stop": is_stop}
            waited = {"lictor.scoring_s": times.scoring} if stage == "output" else {}
            start = times.first_chunk or 0.0 if stage == "output" else 0.0
            found.append(("guardrails.rail", SpanKind.INTERNAL, about | waited, start, end))
    if times.first_chunk is not None:
        about = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": record.model,
            "gen_ai.usage.input_tokens": record.prompt_tokens,
            "gen_ai.usage.output_tokens": record.completion_tokens,
            "gen_ai.server.time_to_first_token": times.first_chunk,
        }
        found.append((f"chat {record.model}", SpanKind.CLIENT, about, 0.0, duration_s))
    return found


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
