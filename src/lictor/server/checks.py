"""Verdicts without generation: moderations, checks, and the generic contract of the LiteLLM gateway.

In: texts or messages. Out: a body in each protocol's shape. Knows no HTTP.
"""

import uuid
from dataclasses import replace

from lictor.server.blocks import guard_failure
from lictor.server.errors import RequestError
from lictor.server.gateway import GatewayRequest
from lictor.server.record import decision_body
from lictor.server.requests import ChecksRequest, ModerationsRequest, conversation_of
from lictor.server.service import Ask, Service, judge
from lictor.types import Decision, Message


async def moderations(service: Service, ask: Ask, request: ModerationsRequest) -> dict[str, object]:
    """`POST /v1/moderations`: every input as a user's message.

    Raises:
        ServiceError: The guard failed on one, or there is no room.
    """
    category = service.served.category
    results: list[dict[str, object]] = []
    texts = request.texts()
    if len(texts) > service.settings.limits.messages:
        raise RequestError(f"expected at most {service.settings.limits.messages} inputs", "too_many_messages", "input")
    for text in texts:
        decision = await judge(service, replace(ask, conversation=(Message("user", text),)))
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
    return {"id": f"modr-{uuid.uuid4().hex}", "model": f"lictor-{service.served.guard.version}", "results": results}


async def checks(service: Service, ask: Ask, request: ChecksRequest) -> dict[str, object]:
    """`POST /v1/checks`: the decision on messages; an answer at their end is read too.

    Raises:
        ServiceError: There is no room.
    """
    served = service.served
    if len(request.messages) > service.settings.limits.messages:
        message = f"expected at most {service.settings.limits.messages} messages"
        raise RequestError(message, "too_many_messages", "messages")
    decision = await judge(service, replace(ask, conversation=conversation_of(request.messages, request.tools)))
    return check_body(decision, served.category)


def check_body(decision: Decision, category: str) -> dict[str, object]:
    """A verdict as the checks endpoint tells it."""
    found = decision_body(decision)
    triggered = decision.action != "allow"
    named = {"name": category, "score": found["p_harm"], "triggered": triggered}
    return {
        "status": "blocked" if decision.action == "block" else "passed",
        "valid": decision.action == "allow",
        "action": decision.action,
        "stage": decision.stage,
        "category": category if triggered else None,
        "rule": decision.rule,
        "categories": [named],
        "score": found["p_harm"],
        "logit": found["score"],
        "threshold_logit": decision.threshold,
        "token_index": decision.token_index,
        "view": decision.view,
        "error": decision.reason,
        "would_block": decision.would_block,
        "policy_version": decision.guard_version,
    }


async def gateway(service: Service, ask: Ask, request: GatewayRequest) -> dict[str, object]:
    """`POST /beta/litellm_basic_guardrail_api`: a request as one conversation, every text of a response as an answer.

    Raises:
        ServiceError: There is no room.
    """
    if request.images:
        return {"action": "BLOCKED", "blocked_reason": "images are not read by the guard"}
    for conversation in request.conversations():
        decision = await judge(service, replace(ask, conversation=conversation))
        if decision.action == "block":
            return {"action": "BLOCKED", "blocked_reason": service.settings.blocking.message}
    return {"action": "NONE"}
