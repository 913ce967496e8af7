"""An application behind the guard, in one process."""

from typing import Any

import httpx2
import openai
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp
from tests.server.serving import keyword_guard

from lictor.adapters.asgi import GuardMiddleware
from lictor.testing.upstreams import LEAK, SOUP, FakeUpstream, running, says

ASK: Any = [{"role": "user", "content": "What is for lunch?"}]


async def _about(_: Request) -> PlainTextResponse:
    return PlainTextResponse("the kitchen")


def application(upstream: FakeUpstream) -> ASGIApp:
    """An application that serves a model, a page, and what nobody guards."""
    app = upstream.app()
    app.router.routes += [Route("/about/us", _about), Route("/v1/embeddings", _about, methods=["POST"])]
    return GuardMiddleware(app, keyword_guard(), open_paths=["/about/"])


@pytest.mark.parametrize("stream", [False, True])
def test_answers_of_the_application_are_guarded(*, stream: bool) -> None:
    """A permitted answer passes, a restricted one is cut off, and the application learns who asked."""
    upstream = FakeUpstream()
    with running(application(upstream)) as url, openai.OpenAI(base_url=url + "/v1", api_key="mine") as client:
        fine: Any = client.chat.completions.create(model="up", messages=ASK, stream=stream)
        if stream:
            text = "".join(choice.delta.content or "" for part in fine for choice in part.choices)
        else:
            text = fine.choices[0].message.content
        upstream.script = says(LEAK * 3)
        raw = client.chat.completions.with_raw_response.create(model="up", messages=ASK, stream=stream)
        bad = raw.http_response.read().decode()

    assert text.strip() == SOUP.strip()
    assert "melt" not in bad
    assert "content_filter" in bad
    assert upstream.headers[0]["authorization"] == "Bearer mine"


def test_only_open_paths_pass_unguarded() -> None:
    """What is named as open reaches the application; all else is a typed 404, though the application serves it."""
    with running(application(FakeUpstream())) as url:
        opened = httpx2.get(url + "/about/us")
        closed = [httpx2.post(url + "/v1/embeddings"), httpx2.get(url + "/about"), httpx2.get(url + "/v1/files")]
        models = httpx2.get(url + "/v1/models").json()

    assert opened.text == "the kitchen"
    assert [(r.status_code, r.json()["error"]["code"]) for r in closed] == [(404, "unknown_endpoint")] * 3
    assert models["data"][0]["id"] == "up"
