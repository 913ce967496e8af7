"""Any OpenAI-compatible endpoint as a chat model, through the official SDK.

In: conversations. Out: answers, streamed or many at once. Retries and back-off are the SDK's own. Knows no weights.
"""

import asyncio
import os
from collections.abc import Iterator, Sequence

from openai import APIError, AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam

from lictor.errors import GenerationError, ModelNotFoundError
from lictor.types import Conversation, Sampling

CONCURRENCY = 16
TIMEOUT_S = 120.0


class OpenAIModel:
    """One model of an endpoint. The key is read from the environment variable named, never given inline."""

    def __init__(self, model: str, base_url: str | None = None, api_key_env: str = "OPENAI_API_KEY") -> None:
        self._model = model
        self._base_url = base_url
        key = os.environ.get(api_key_env)
        if key is None and base_url is None:
            raise ModelNotFoundError(
                f"model openai:{model}: the environment variable {api_key_env} is not set; "
                "set it, or name an endpoint that needs no key (openai:MODEL@URL)"
            )
        self._key = key or "none"

    @property
    def name(self) -> str:
        """Model and endpoint; never the key."""
        return f"openai:{self._model}@{self._base_url or 'default'}"

    def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[str]:
        """The answer's content deltas as they come; the endpoint is hung up on when the reader stops.

        Raises:
            GenerationError: The endpoint failed after the SDK's retries.
        """
        try:
            with (
                OpenAI(base_url=self._base_url, api_key=self._key, timeout=TIMEOUT_S) as client,
                client.chat.completions.create(
                    model=self._model,
                    messages=_wire(conversation),
                    max_tokens=sampling.max_tokens,
                    temperature=sampling.temperature,
                    top_p=sampling.top_p,
                    seed=sampling.seed,
                    stream=True,
                ) as chunks,
            ):
                for chunk in chunks:
                    if chunk.choices and chunk.choices[0].delta.content:
                        yield chunk.choices[0].delta.content
        except APIError as error:
            raise GenerationError(f"{self.name}: the endpoint failed: {error.message}") from error

    def complete(self, conversations: Sequence[Conversation], sampling: Sequence[Sampling]) -> list[str]:
        """Whole answers, up to 16 requests at once.

        Raises:
            GenerationError: The endpoint failed after the SDK's retries.
        """
        return asyncio.run(self._complete_all(conversations, sampling))

    async def _complete_all(self, conversations: Sequence[Conversation], sampling: Sequence[Sampling]) -> list[str]:
        gate = asyncio.Semaphore(CONCURRENCY)
        async with AsyncOpenAI(base_url=self._base_url, api_key=self._key, timeout=TIMEOUT_S) as client:

            async def one(conversation: Conversation, how: Sampling) -> str:
                async with gate:
                    answer = await client.chat.completions.create(
                        model=self._model,
                        messages=_wire(conversation),
                        max_tokens=how.max_tokens,
                        temperature=how.temperature,
                        top_p=how.top_p,
                        seed=how.seed,
                    )
                return answer.choices[0].message.content or ""

            try:
                return await asyncio.gather(*(one(c, s) for c, s in zip(conversations, sampling, strict=True)))
            except APIError as error:
                raise GenerationError(f"{self.name}: the endpoint failed: {error.message}") from error


def _wire(conversation: Conversation) -> list[ChatCompletionMessageParam]:
    wire: list[ChatCompletionMessageParam] = []
    for message in conversation:
        match message.role:
            case "system":
                wire.append({"role": "system", "content": message.content})
            case "assistant":
                wire.append({"role": "assistant", "content": message.content})
            case "user" | "tool":
                wire.append({"role": "user", "content": message.content})
    return wire
