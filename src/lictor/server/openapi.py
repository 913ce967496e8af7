"""The OpenAPI description of the endpoints, made from the requests they read.

In: nothing. Out: a JSON object. Knows no server.
"""

from importlib.metadata import version

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from lictor.server.gateway import GatewayRequest
from lictor.server.messages_requests import MessagesRequest
from lictor.server.requests import ChatRequest, ChecksRequest, ModerationsRequest
from lictor.server.responses_requests import ResponsesRequest

_POSTS: dict[str, tuple[type[BaseModel], str]] = {
    "/v1/chat/completions": (ChatRequest, "A guarded answer, streamed or whole"),
    "/v1/responses": (ResponsesRequest, "The same in the Responses protocol"),
    "/v1/messages": (MessagesRequest, "The same in the Messages protocol"),
    "/v1/moderations": (ModerationsRequest, "Verdicts on texts, each as a user's message"),
    "/v1/checks": (ChecksRequest, "The decision on a conversation, without generation"),
    "/beta/litellm_basic_guardrail_api": (GatewayRequest, "LiteLLM's generic guard-rail contract"),
}
_GETS = {
    "/v1/models": "The protected model's list",
    "/healthz": "The process is alive",
    "/readyz": "It can serve: 200, or 503 with a reason",
    "/metrics": "Numbers for Prometheus",
}
_ERRORS = {
    "400": "The request is malformed, or the guard blocked it (code content_filter)",
    "401": "No valid API key",
    "413": "The body is too large",
    "429": "Too many requests or open streams; Retry-After says when",
    "502": "The protected model's endpoint failed",
    "503": "The guard failed, or the service is not ready",
    "504": "The protected model's endpoint did not answer in time",
}


def description() -> dict[str, object]:
    """The description, OpenAPI 3.1."""
    models = [(model, "validation") for model, _ in _POSTS.values()]
    _, schemas = models_json_schema(models, ref_template="#/components/schemas/{model}")  # pyright: ignore[reportArgumentType] -- a list of such pairs
    paths: dict[str, object] = {
        path: {"get": {"summary": summary, "responses": {"200": {"description": summary}}}}
        for path, summary in _GETS.items()
    }
    for path, (model, summary) in _POSTS.items():
        schema = {"$ref": f"#/components/schemas/{model.__name__}"}
        answers = {"200": summary} | _ERRORS
        paths[path] = {
            "post": {
                "summary": summary,
                "security": [{"key": []}],
                "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
                "responses": {status: {"description": text} for status, text in answers.items()},
            }
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lictor", "version": version("lictor")},
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }
