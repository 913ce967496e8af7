"""Numbers about requests, for Prometheus.

In: finished requests and what is open. Out: the text of `/metrics`. Names follow OpenTelemetry's GenAI conventions and
those of other guard servers; label sets are bounded. One registry a server. Knows no request's text.
"""

from collections.abc import Sequence
from math import isfinite

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from lictor.guard import Guard
from lictor.server.record import Record

_DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_GENERATION = tuple(0.01 * 2**k for k in range(14))
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384)
_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1)
_LOGITS = (-20, -15, -10, -7.5, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 7.5, 10, 15, 20)


class Metrics:
    """Every instrument of one server."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.names: dict[str, str] = {}
        """OpenTelemetry's name for each of Prometheus'."""

        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(self._name(name), about, labels, registry=registry)

        def gauge(name: str, about: str, *labels: str) -> Gauge:
            return Gauge(self._name(name), about, labels, registry=registry)

        def histogram(name: str, about: str, buckets: Sequence[float], *labels: str) -> Histogram:
            return Histogram(self._name(name), about, labels, buckets=buckets, registry=registry)

        def seconds(name: str, about: str, *labels: str, buckets: Sequence[float] = _GENERATION) -> Histogram:
            return Histogram(self._name(name, "seconds"), about, labels, buckets=buckets, registry=registry)

        self._requests = counter("guardrails.requests", "Requests", "endpoint")
        self._errors = counter("guardrails.requests.errors", "Requests that failed", "error_type")
        self._blocked = counter("guardrails.requests.blocked", "Requests blocked", "rail_type")
        self._duration = seconds("guardrails.request.duration", "Whole requests", "endpoint", buckets=_DURATIONS)
        self.active = gauge("guardrails.requests.active", "Requests under way")
        self.streams = gauge("guardrails.stream.active", "Answers under way")
        self.rejections = counter("guardrails.stream.rejections", "Refused for want of room")
        self._tokens = histogram("gen_ai.client.token.usage", "Tokens", _TOKENS, "gen_ai_token_type")
        operation = "gen_ai.client.operation"
        self._operation = seconds(f"{operation}.duration", "Whole answers")
        self._first_chunk = seconds(f"{operation}.time_to_first_chunk", "Until the model's first chunk")
        self._per_chunk = seconds(f"{operation}.time_per_output_chunk", "Between the model's chunks")
        self._first_delivered = seconds("lictor.time_to_first_delivered_token", "Until the first cleared text")
        stage = ("guardrail", "phase", "result", "error_type")
        self._guard = seconds("lictor.guard.latency", "Waiting for the guard, a stage", *stage, buckets=_DURATIONS)
        self._detection = histogram("lictor.tokens_to_detection", "Answer tokens before a halt", _TOKENS)
        self._overhead = histogram("lictor.overhead_ratio", "Scoring time over the whole answer's time", _SHARES)
        self._score = histogram("lictor.score", "Deciding logits", _LOGITS, "stage", "policy_version")
        self._threshold = gauge("lictor.threshold", "Thresholds", "stage", "policy_version")
        self._rules = counter("lictor.restricted", "Decisions against a text, by likeliest rule", "rule", "result")
        self._escalated = counter("lictor.escalated", "Requests whose answer the exchange scorer read too")
        self.waiting = gauge("lictor.scoring_queue", "Scoring jobs waiting")
        self.capacity = gauge("lictor.stream_capacity", "Answers at once that scores can be had for in time")
        self.tasks = gauge("lictor.tasks", "Tasks of the event loop")
        self._log_errors = counter("lictor.decision_log_errors", "Decisions not recorded")
        self._campaigns = counter("lictor.probe_campaigns", "Clients seen probing", "kind")

    def _name(self, name: str, unit: str = "") -> str:
        """Prometheus' name for one of OpenTelemetry's; both are kept."""
        flat = "_".join([*name.split("."), *([unit] if unit else [])])
        self.names[flat] = name
        return flat

    def count(self, record: Record) -> None:
        """Take one finished request into every instrument."""
        decision, times = record.decision, record.times
        self._requests.labels(record.endpoint).inc()
        self._duration.labels(record.endpoint).observe(times.now())
        if record.error and record.outcome == "failed":
            self._errors.labels(record.error).inc()
        if record.result == "blocked":
            self._blocked.labels(decision.stage or "input").inc()
            if decision.token_index is not None:
                self._detection.observe(decision.token_index + 1)
        if decision.escalated:
            self._escalated.inc()
        if decision.rule:
            self._rules.labels(decision.rule, record.result).inc()
        reason = decision.error or ""
        if times.screened is not None:
            self._guard.labels(record.guard, "input", record.result, reason).observe(times.screened)
        if times.first_chunk is not None:
            self._guard.labels(record.guard, "output", record.result, reason).observe(times.scoring)
            self._first_chunk.observe(times.first_chunk)
            for gap in times.chunk_gaps:
                self._per_chunk.observe(gap)
            self._operation.observe(times.now())
            self._overhead.observe(times.scoring / max(times.now(), 1e-9))
            self._tokens.labels("input").observe(record.prompt_tokens)
            self._tokens.labels("output").observe(record.completion_tokens)
        if times.first_delivered is not None:
            self._first_delivered.observe(times.first_delivered)
        if isfinite(decision.score):
            stage = decision.stage or "passed"
            self._score.labels(stage, decision.guard_version).observe(decision.score)

    def show_guard(self, guard: Guard) -> None:
        """Set the thresholds in use."""
        self._threshold.clear()
        self._threshold.labels("input", guard.version).set(guard.policy.input_threshold)
        self._threshold.labels("output", guard.version).set(guard.policy.output_threshold)

    def count_error(self, code: str) -> None:
        """A request that ended before it had a decision."""
        self._errors.labels(code).inc()

    def count_log_error(self) -> None:
        """A decision the log did not take."""
        self._log_errors.inc()

    def count_campaign(self, kind: str) -> None:
        """A client that probes."""
        self._campaigns.labels(kind).inc()

    def page(self) -> bytes:
        """The text of `/metrics`."""
        return generate_latest(self.registry)
