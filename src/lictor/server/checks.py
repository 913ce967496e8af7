"""Verdicts without generation: moderations, checks, and the generic contract of the LiteLLM gateway.

In: texts or messages. Out: a body in each protocol's shape, with the verdicts it tells. Knows no HTTP.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lictor.server.blocks import guard_failure
from lictor.server.errors import RequestError
from lictor.server.gateway import GatewayRequest
from lictor.server.record import decision_body
from lictor.server.requests import ChecksRequest, ModerationsRequest, conversation_of
from lictor.server.service import Ask, Service, Verdict, judge
from lictor.types import Action, Decision, Message

_GRAVITY: dict[Action, int] = {"allow": 0, "flag": 1, "block": 2}


@dataclass(frozen=True)
class Told:
    """What an endpoint answers, and on which verdicts."""

    body: Mapping[str, object]
    verdicts: Sequence[Verdict] = ()

    @property
    def decision(self) -> Decision | None:
        """The gravest of its decisions."""
        decisions = [verdict.decision for verdict in self.verdicts]
        return max(decisions, key=lambda decision: _GRAVITY[decision.action], default=None)

    @property
    def took_s(self) -> float:
        """All verdicts together."""
        return sum(verdict.took_s for verdict in self.verdicts)


async def moderations(service: Service, ask: Ask, request: ModerationsRequest) -> Told:
    """`POST /v1/moderations`: every input as a user's message.

    Raises:
        ServiceError: The guard failed on one, or there is no room.
    """
    category = service.served.category
    results: list[dict[str, object]] = []
    verdicts: list[Verdict] = []
    texts = request.texts()
    if len(texts) > service.settings.limits.messages:
        raise RequestError(f"expected at most {service.settings.limits.messages} inputs", "too_many_messages", "input")
    for text in texts:
        verdicts.append(await judge(service, replace(ask, conversation=(Message("user", text),))))
        decision = verdicts[-1].decision
        if decision.status == "error" and not decision.would_block:
            raise guard_failure(decision)
        shares = service.served.namer.shares(text) if service.served.namer else {}
        scores = {category: decision.p_harm, **{rule: decision.p_harm * share for rule, share in shares.items()}}
        flagged = {name: decision.action != "allow" and name in {category, decision.rule} for name in scores}
        results.append(
            {
                "flagged": flagged[category],
                "categories": flagged,
                "category_scores": scores,
                "category_applied_input_types": {name: ["text"] for name in scores},
            }
        )
    about = {"id": f"modr-{uuid.uuid4().hex}", "model": f"lictor-{service.served.guard.version}"}
    return Told(about | {"results": results}, verdicts)


async def checks(service: Service, ask: Ask, request: ChecksRequest) -> Told:
    """`POST /v1/checks`: the decision on messages; an answer at their end is read too.

    Raises:
        ServiceError: There is no room.
    """
    served = service.served
    if len(request.messages) > service.settings.limits.messages:
        message = f"expected at most {service.settings.limits.messages} messages"
        raise RequestError(message, "too_many_messages", "messages")
    verdict = await judge(service, replace(ask, conversation=conversation_of(request.messages, request.tools)))
    return Told(check_body(verdict, served.category), [verdict])


def check_body(verdict: Verdict, category: str) -> dict[str, object]:
    """A verdict as the checks endpoint tells it."""
    decision = verdict.decision
    found = decision_body(decision)
    triggered = decision.action != "allow"
    severity = "high" if triggered else "safe"
    named = {"name": category, "score": found["p_harm"], "triggered": triggered, "severity": severity}
    return {
        "status": "blocked" if decision.action == "block" else "passed",
        "valid": decision.action == "allow",
        "action": decision.action,
        "stage": decision.stage,
        "category": category if triggered else None,
        "rule": decision.rule,
        "categories": [named],
        "score": found["p_harm"],
        "threshold": replace(decision, score=decision.threshold).p_harm,
        "logit": found["score"],
        "threshold_logit": decision.threshold,
        "token_index": decision.token_index,
        "view": decision.view,
        "error": decision.error,
        "reason": decision.reason,
        "would_block": decision.would_block,
        "policy_version": decision.guard_version,
        "latency_ms": round(verdict.took_s * 1000, 1),
    }


async def gateway(service: Service, ask: Ask, request: GatewayRequest) -> Told:
    """`POST /beta/litellm_basic_guardrail_api`: a request as one conversation, every text of a response as an answer.

    Raises:
        ServiceError: There is no room.
    """
    if request.images:
        return Told({"action": "BLOCKED", "blocked_reason": "images are not read by the guard"})
    verdicts: list[Verdict] = []
    for conversation in request.conversations():
        verdicts.append(await judge(service, replace(ask, conversation=conversation)))
        if verdicts[-1].decision.action == "block":
            return Told({"action": "BLOCKED", "blocked_reason": service.settings.blocking.message}, verdicts)
    return Told({"action": "NONE"}, verdicts)
