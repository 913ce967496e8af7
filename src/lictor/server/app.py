"""The ASGI application: routes, and nothing a route decides.

In: a service. Out: an application for uvicorn, or any ASGI server. Whatever is not guarded is not there.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from lictor.server import checks
from lictor.server.answering import CHAT, admit, answer, decision_headers
from lictor.server.errors import RequestError, ServiceError
from lictor.server.gateway import GatewayRequest
from lictor.server.intake import Intake
from lictor.server.messages import MESSAGES, error_body
from lictor.server.messages_requests import MessagesRequest
from lictor.server.page import status_page
from lictor.server.requests import ChatRequest, ChecksRequest, ModerationsRequest, read_request
from lictor.server.responses import RESPONSES
from lictor.server.responses_requests import ResponsesRequest
from lictor.server.service import Ask, Service

Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(service: Service) -> ASGIApp:
    """The application of a service; its lifespan looks for new guards and lets go of threads and connections."""
    routes = [
        Route("/v1/chat/completions", _chat(service), methods=["POST"]),
        Route("/v1/responses", _responses(service), methods=["POST"]),
        Route("/v1/messages", _messages(service), methods=["POST"]),
        Route("/v1/models", _models(service), methods=["GET"]),
        Route("/v1/moderations", _moderations(service), methods=["POST"]),
        Route("/v1/checks", _checks(service), methods=["POST"]),
        Route("/beta/litellm_basic_guardrail_api", _gateway(service), methods=["POST"]),
        *_operations(service),
    ]
    handlers = {ServiceError: _typed(service), HTTPException: _unknown, Exception: _crashed}
    app = Starlette(routes=routes, lifespan=_lifespan(service), exception_handlers=handlers)
    return Intake(app, service.settings.limits, service.metrics.count_error, _error_body)


def _chat(service: Service) -> Endpoint:
    async def chat(request: Request) -> Response:
        client = admit(service, request)
        return await answer(service, request, client, read_request(ChatRequest, await request.body()), CHAT)

    return chat


def _responses(service: Service) -> Endpoint:
    async def responses(request: Request) -> Response:
        client = admit(service, request)
        asked = read_request(ResponsesRequest, await request.body())
        return await answer(service, request, client, asked.chat(), RESPONSES)

    return responses


def _messages(service: Service) -> Endpoint:
    async def messages(request: Request) -> Response:
        client = admit(service, request)
        asked = read_request(MessagesRequest, await request.body())
        return await answer(service, request, client, asked.chat(), MESSAGES)

    return messages


def _models(service: Service) -> Endpoint:
    async def models(request: Request) -> Response:
        admit(service, request)
        listed = [{"id": name, "object": "model", "created": 0, "owned_by": "upstream"} for name in await _names()]
        return JSONResponse({"object": "list", "data": listed})

    async def _names() -> list[str]:
        return await service.upstream.models()

    return models


def _moderations(service: Service) -> Endpoint:
    async def moderations(request: Request) -> Response:
        ask = _ask(service, request, "moderations")
        asked = read_request(ModerationsRequest, await request.body())
        return _told(await checks.moderations(service, ask, asked))

    return moderations


def _checks(service: Service) -> Endpoint:
    async def check(request: Request) -> Response:
        ask = _ask(service, request, "checks")
        return _told(await checks.checks(service, ask, read_request(ChecksRequest, await request.body())))

    return check


def _gateway(service: Service) -> Endpoint:
    async def gateway(request: Request) -> Response:
        ask = _ask(service, request, "gateway")
        asked = read_request(GatewayRequest, await request.body())
        return _told(await checks.gateway(service, ask, asked))

    return gateway


def _operations(service: Service) -> list[Route]:
    """What operators ask: alive, ready, numbers, a page."""

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_: Request) -> Response:
        reason = service.unready
        return JSONResponse({"ready": reason is None, "reason": reason}, status_code=503 if reason else 200)

    async def metrics(_: Request) -> Response:
        service.measure()
        service.metrics.tasks.set(len(asyncio.all_tasks()))
        return PlainTextResponse(service.metrics.page(), media_type="text/plain; version=0.0.4")

    async def page(_: Request) -> Response:
        policy = "default-src 'none'; style-src 'unsafe-inline'"
        return HTMLResponse(status_page(service), headers={"content-security-policy": policy})

    return [
        Route("/healthz", health),
        Route("/readyz", ready),
        Route("/metrics", metrics),
        Route("/", page),
    ]


def _ask(service: Service, request: Request, endpoint: str) -> Ask:
    """Who asks for a verdict; its conversation is filled in later."""
    client = admit(service, request)
    trace = request.headers.get("traceparent")
    return Ask(request.state.request_id, client, endpoint, model="", conversation=(), traceparent=trace)


def _told(told: checks.Told) -> Response:
    decision = told.decision
    headers = decision_headers(decision, decision.guard_version, told.took_s) if decision else {}
    return JSONResponse(told.body, headers=headers)


def _typed(service: Service) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def typed(request: Request, error: Exception) -> Response:
        if not isinstance(error, ServiceError):
            raise error
        if error.code == "overloaded":
            service.metrics.rejections.inc()
        service.metrics.count_error(error.code)
        return JSONResponse(_error_body(request.url.path, error), status_code=error.status, headers=error.headers)

    return typed


async def _unknown(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    message = f"{request.method} on this path is not guarded, so it is not served"
    body = _error_body(request.url.path, RequestError(message, "unknown_endpoint", status=error.status_code))
    return JSONResponse(body, status_code=error.status_code)


async def _crashed(request: Request, _: Exception) -> Response:
    """What nobody foresaw; the intake logs it, and nothing of it is told in words."""
    error = ServiceError("the service failed on this request", "internal_error")
    return JSONResponse(_error_body(request.url.path, error), status_code=error.status)


def _error_body(path: str, error: ServiceError) -> dict[str, object]:
    """An error in the words of the protocol that is spoken on a path."""
    return error_body(error) if path.startswith("/v1/messages") else error.body()


def _lifespan(service: Service) -> Callable[[Starlette], "asynccontextmanager[None]"]:  # pyright: ignore
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        watching = asyncio.create_task(service.shelf.watch())
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            await service.aclose()

    return lifespan
