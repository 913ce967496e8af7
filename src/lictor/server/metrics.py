"""Numbers about requests, for Prometheus.

In: finished requests and what is open. Out: the text of `/metrics`. Names follow OpenTelemetry's GenAI conventions and
those of other guard servers; label sets are bounded. One registry a server. Knows no request's text.
"""

from math import isfinite

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from lictor.guard import Guard
from lictor.server.record import Record

_DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_GENERATION = tuple(0.01 * 2**k for k in range(14))
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384)
_LOGITS = (-20, -15, -10, -7.5, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 7.5, 10, 15, 20)


class Metrics:
    """Every instrument of one server."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter("guardrails_requests", "Requests", ["endpoint"], registry=registry)
        self._errors = Counter("guardrails_requests_errors", "Requests that failed", ["error_type"], registry=registry)
        self._blocked = Counter("guardrails_requests_blocked", "Requests blocked", ["rail_type"], registry=registry)
        self._duration = Histogram(
            "guardrails_request_duration_seconds", "Whole requests", ["endpoint"], buckets=_DURATIONS, registry=registry
        )
        self.active = Gauge("guardrails_requests_active", "Requests under way", registry=registry)
        self.streams = Gauge("guardrails_stream_active", "Answers under way", registry=registry)
        self.rejections = Counter("guardrails_stream_rejections", "Refused for want of room", registry=registry)
        self._tokens = Histogram(
            "gen_ai_client_token_usage", "Tokens", ["gen_ai_token_type"], buckets=_TOKENS, registry=registry
        )
        self._operation = Histogram(
            "gen_ai_client_operation_duration_seconds", "Whole answers", buckets=_GENERATION, registry=registry
        )
        self._first_chunk = Histogram(
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "Until the model's first chunk",
            buckets=_GENERATION,
            registry=registry,
        )
        self._first_delivered = Histogram(
            "lictor_time_to_first_delivered_token_seconds",
            "Until the first cleared text",
            buckets=_GENERATION,
            registry=registry,
        )
        self._guard = Histogram(
            "lictor_guard_latency_seconds",
            "Waiting for the guard, a stage",
            ["guardrail", "phase", "result", "error_type"],
            buckets=_DURATIONS,
            registry=registry,
        )
        self._detection = Histogram(
            "lictor_tokens_to_detection", "Answer tokens before a halt", buckets=_TOKENS, registry=registry
        )
        self._overhead = Histogram(
            "lictor_overhead_ratio",
            "Scoring time over the whole answer's time",
            buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1),
            registry=registry,
        )
        self._score = Histogram(
            "lictor_score", "Deciding logits", ["stage", "policy_version"], buckets=_LOGITS, registry=registry
        )
        self._threshold = Gauge("lictor_threshold", "Thresholds", ["stage", "policy_version"], registry=registry)
        self._rules = Counter(
            "lictor_restricted",
            "Decisions against a text, by likeliest rule",
            ["rule", "result"],
            registry=registry,
        )
        self._waiting = Gauge("lictor_scoring_queue", "Scoring jobs waiting", registry=registry)
        self._log_errors = Counter("lictor_decision_log_errors", "Decisions not recorded", registry=registry)
        self._campaigns = Counter("lictor_probe_campaigns", "Clients seen probing", ["kind"], registry=registry)

    def count(self, record: Record, guardrail: str) -> None:
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
        if decision.rule:
            self._rules.labels(decision.rule, record.result).inc()
        reason = (decision.reason or "") if decision.status == "error" else ""
        if times.screened is not None:
            self._guard.labels(guardrail, "input", record.result, reason).observe(times.screened)
        if times.first_chunk is not None:
            self._guard.labels(guardrail, "output", record.result, reason).observe(times.scoring)
            self._first_chunk.observe(times.first_chunk)
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

    def page(self, *, waiting: int) -> bytes:
        """The text of `/metrics`."""
        self._waiting.set(waiting)
        return generate_latest(self.registry)
