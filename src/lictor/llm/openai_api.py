"""Any OpenAI-compatible endpoint as a chat model, through the official SDK.

In: conversations. Out: answers, streamed or many at once. Requests go at the pace the limits allow; what fails for a
passing reason is asked for again, later each time, or when the endpoint says. Knows no weights.
"""

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from openai import APIConnectionError, APIError, APIStatusError, AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from lictor.errors import GenerationError, ModelNotFoundError
from lictor.llm.pacing import Limits, Pace
from lictor.types import Conversation, OnAnswer, Sampling

CHARS_PER_TOKEN = 4
"""What a token of a prompt is taken to hold, before an endpoint has counted."""
LONGEST_WAIT_S = 60.0
_PASSING = frozenset({408, 409, 429, 500, 502, 503, 504, 529})


@dataclass
class Spent:
    """What an endpoint was asked for so far."""

    requests: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def cost(self, price_in: float, price_out: float) -> float:
        """In the currency of the prices, which are for a million tokens."""
        return (self.prompt_tokens * price_in + self.completion_tokens * price_out) / 1e6


class OpenAIModel:
    """One model of an endpoint. The key is read from the environment variable named, never given inline."""

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key_env: str = "OPENAI_API_KEY",
        limits: Limits | None = None,
    ) -> None:
        self._model = model
        self._base_url = base_url
        key = os.environ.get(api_key_env)
        if key is None and base_url is None:
            raise ModelNotFoundError(
                f"model openai:{model}: the environment variable {api_key_env} is not set; "
                "set it, or name an endpoint that needs no key (openai:MODEL@URL)"
            )
        self._key = key or "none"
        self._limits = limits or Limits()
        limits = self._limits
        self._requests = Pace(limits.requests_per_minute) if limits.requests_per_minute else None
        self._tokens = Pace(limits.tokens_per_minute) if limits.tokens_per_minute else None
        self.spent = Spent()

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
                OpenAI(base_url=self._base_url, api_key=self._key, timeout=self._limits.timeout_s) as client,
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

    def complete(
        self,
        conversations: Sequence[Conversation],
        sampling: Sequence[Sampling],
        *,
        on_answer: OnAnswer | None = None,
    ) -> list[str]:
        """Whole answers, as many at once as the limits allow; `on_answer` hears of each as it comes.

        Raises:
            GenerationError: The endpoint failed for good. What had come by then was told to `on_answer`.
        """
        answers = [""] * len(conversations)

        def keep(index: int, text: str) -> None:
            answers[index] = text
            if on_answer is not None:
                on_answer(index, text)

        try:
            asyncio.run(self._complete_all(list(zip(conversations, sampling, strict=True)), keep))
        except ExceptionGroup as group:
            error = _first(group)
            if isinstance(error, APIError):
                raise GenerationError(f"{self.name}: the endpoint failed: {error.message}") from error
            raise error from None
        return answers

    async def _complete_all(self, asked: Sequence[tuple[Conversation, Sampling]], keep: OnAnswer) -> None:
        waiting = iter(enumerate(asked))
        async with AsyncOpenAI(
            base_url=self._base_url, api_key=self._key, timeout=self._limits.timeout_s, max_retries=0
        ) as client:

            async def work() -> None:
                for index, (conversation, how) in waiting:
                    keep(index, await self._complete(client, conversation, how))

            async with asyncio.TaskGroup() as workers:
                for _ in range(min(self._limits.concurrency, len(asked))):
                    workers.create_task(work())

    async def _complete(self, client: AsyncOpenAI, conversation: Conversation, how: Sampling) -> str:
        messages = _wire(conversation)
        weight = sum(len(m.content) for m in conversation) / CHARS_PER_TOKEN + how.max_tokens
        retrying = AsyncRetrying(
            retry=retry_if_exception(_is_passing),
            stop=stop_after_attempt(self._limits.attempts),
            wait=_wait,
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                self.spent.retries += attempt.retry_state.attempt_number > 1
                await self._take_turn(weight)
                answer = await client.chat.completions.create(
                    model=self._model,
                    messages=messages,
                    max_tokens=how.max_tokens,
                    temperature=how.temperature,
                    top_p=how.top_p,
                    seed=how.seed,
                )
                self._count(answer)
                return answer.choices[0].message.content or ""
        raise AssertionError("retrying ends with an answer or an error")

    async def _take_turn(self, weight: float) -> None:
        now = time.monotonic()
        waits = [pace.book(by, now) for pace, by in ((self._requests, 1.0), (self._tokens, weight)) if pace is not None]
        await asyncio.sleep(max(waits, default=0.0))

    def _count(self, answer: ChatCompletion) -> None:
        self.spent.requests += 1
        if answer.usage is not None:
            self.spent.prompt_tokens += answer.usage.prompt_tokens
            self.spent.completion_tokens += answer.usage.completion_tokens


def _is_passing(error: BaseException) -> bool:
    """Whether asking again may help: no connection, no answer in time, too many requests, a fault of the server."""
    return isinstance(error, APIConnectionError) or (
        isinstance(error, APIStatusError) and error.status_code in _PASSING
    )


_exponential = wait_random_exponential(multiplier=0.5, max=LONGEST_WAIT_S)


def _wait(state: RetryCallState) -> float:
    """Seconds to wait: what the endpoint said, and at least a random time that doubles with each attempt."""
    error = state.outcome.exception() if state.outcome else None
    told = error.response.headers.get("retry-after") if isinstance(error, APIStatusError) else None
    try:
        asked_for = float(told or 0)
    except ValueError:  # a date: the random wait will do
        asked_for = 0.0
    return min(max(asked_for, _exponential(state)), LONGEST_WAIT_S)


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """The first thing that went wrong in a group of tasks."""
    found = group.exceptions[0]
    return _first(found) if isinstance(found, ExceptionGroup) else found


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
