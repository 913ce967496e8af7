"""The official client with a guard inside, against a real endpoint."""

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from tests.server.serving import keyword_guard

from lictor.adapters.openai import guarded_openai
from lictor.server.settings import ServerSettings
from lictor.testing.upstreams import LEAK, SOUP, FakeUpstream, running, says, wait_until

ASK: Any = [{"role": "user", "content": "What is for lunch?"}]
BAD: Any = [{"role": "user", "content": "Tell me about the melt"}]


@contextmanager
def inside(upstream: FakeUpstream, **settings: Any) -> Generator[openai.OpenAI]:
    """A guarded client of an endpoint."""
    with running(upstream.app()) as url:
        plain = openai.OpenAI(base_url=url + "/v1", api_key="secret", default_headers={"x-team": "kitchen"})
        with guarded_openai(plain, keyword_guard(), settings=ServerSettings.model_validate(settings)) as client:
            yield client


def text_of(chunks: Any) -> tuple[str, str | None]:
    """Delivered content, and the finish reason."""
    text, reason = "", None
    for part in chunks:
        for choice in part.choices:
            text += choice.delta.content or ""
            reason = choice.finish_reason or reason
    return text, reason


def test_permitted_answers_pass_whole_and_streamed() -> None:
    """The endpoint gets the client's key and headers; the client gets the text, usage and tool calls of its types."""
    upstream = FakeUpstream()
    with inside(upstream) as client:
        whole = client.chat.completions.create(model="up", messages=ASK)
        streamed = text_of(client.chat.completions.create(model="up", messages=ASK, stream=True))
        models = [model.id for model in client.models.list()]

    assert (whole.choices[0].message.content or "").strip() == SOUP.strip() == streamed[0].strip()
    assert whole.usage and whole.usage.total_tokens == 18
    assert models == ["up"]
    assert upstream.headers[0]["authorization"] == "Bearer secret"
    assert upstream.headers[0]["x-team"] == "kitchen"


def test_restricted_streams_are_halted_and_the_endpoint_is_hung_up_on() -> None:
    """What was cleared arrives, then `content_filter`; options of the client keep the guard."""
    upstream = FakeUpstream(says(LEAK + SOUP * 50, delay_s=0.01))
    with inside(upstream) as client:
        text, reason = text_of(
            client.with_options(timeout=9).chat.completions.create(model="up", messages=ASK, stream=True)
        )
        wait_until(lambda: upstream.open == 0)

    assert reason == "content_filter"
    assert text and LEAK.startswith(text)
    assert upstream.sent < 100


def test_restricted_prompts_raise() -> None:
    """`BadRequestError` with the code that clients know, and no second try."""
    upstream = FakeUpstream()
    with inside(upstream) as client, pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="up", messages=BAD)

    assert caught.value.code == "content_filter"
    assert len(upstream.asked) == 1


def test_a_stream_that_is_closed_early_ends_at_the_endpoint_too() -> None:
    """Leaving the stream cancels the answer and frees its slot."""
    upstream = FakeUpstream(says(SOUP * 50, delay_s=0.01))
    with inside(upstream) as client:
        with client.chat.completions.create(model="up", messages=ASK, stream=True) as stream:
            next(iter(stream))
        wait_until(lambda: upstream.open == 0)

    assert upstream.sent < 200


def test_what_is_not_guarded_never_reaches_the_endpoint() -> None:
    """Embeddings are a typed 404; moderations and responses are answered under guard."""
    upstream = FakeUpstream()
    with inside(upstream) as client:
        with pytest.raises(openai.NotFoundError) as caught:
            client.embeddings.create(model="up", input="soup")
        flagged = client.moderations.create(input="the melt").results[0].flagged
        response = client.responses.create(model="up", input="What is for lunch?")

    assert caught.value.code == "unknown_endpoint"
    assert flagged
    assert response.output_text.strip() == SOUP.strip()


def test_many_asynchronous_streams_share_one_guard() -> None:
    """Each gets its own text, and the asynchronous client ends cleanly."""

    async def ask_all(url: str) -> list[str]:
        plain = openai.AsyncOpenAI(base_url=url + "/v1", api_key="secret")
        async with guarded_openai(plain, keyword_guard()) as client:

            async def ask() -> str:
                text = ""
                async for part in await client.chat.completions.create(model="up", messages=ASK, stream=True):
                    text += "".join(choice.delta.content or "" for choice in part.choices)
                return text

            return list(await asyncio.gather(*(ask() for _ in range(8))))

    with running(FakeUpstream().app()) as url:
        texts = asyncio.run(ask_all(url))

    assert [text.strip() for text in texts] == [SOUP.strip()] * 8


def test_several_threads_share_one_client() -> None:
    """Requests of many threads are answered, and closing ends the guard's threads."""
    found: list[str] = []

    def ask(client: openai.OpenAI) -> None:
        found.append(client.chat.completions.create(model="up", messages=ASK).choices[0].message.content or "")

    with inside(FakeUpstream()) as client:
        threads = [threading.Thread(target=ask, args=(client,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    wait_until(lambda: not {"lictor-loop", "lictor-scoring"} & {thread.name for thread in threading.enumerate()})

    assert [text.strip() for text in found] == [SOUP.strip()] * 6


def test_an_endpoint_that_fails_is_told_as_the_client_tells_it() -> None:
    """A busy endpoint raises the client's own rate-limit error, after its own retries."""
    upstream = FakeUpstream(status=429)
    with inside(upstream) as client, pytest.raises(openai.RateLimitError):
        client.with_options(max_retries=1).chat.completions.create(model="up", messages=ASK)

    assert len(upstream.asked) == 2
