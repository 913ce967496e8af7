"""Where answers come from: a chat model in this process.

In: a chat request. Out: chunks of its answer, made in a thread of its own. A chat model knows text alone, so tools and
forced formats are refused by name. Knows no guard and no weights.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lictor.server.errors import RequestError, UpstreamError
from lictor.server.requests import ChatRequest, conversation_of
from lictor.server.upstream_wire import ChoiceDelta, Chunk, FinishReason, Piece, ReadTo
from lictor.types import ChatModel, Conversation, Sampling, StreamScorer

AHEAD = 8
"""Pieces made before the reader takes them; then the model waits."""
_FOREIGN = ("tools", "tool_choice", "response_format", "logit_bias", "presence_penalty", "frequency_penalty")


@dataclass(frozen=True, slots=True)
class _End:
    reason: FinishReason
    error: Exception | None = None


Written = Callable[[Conversation, Sampling], Iterator[tuple[str, float | None]]]
"""An answer as it is written, each piece with what a probe made of it, where there is one."""
ReadBy = Callable[[StreamScorer | None], Written | None]
"""How the model writes while a guard's stream scorer reads; None of one that is no probe on this model."""


class LocalUpstream:
    """A chat model as an upstream: up to `threads` answers at once, the others wait their turn."""

    def __init__(
        self, model: ChatModel, *, name: str | None = None, threads: int = 2, read_by: ReadBy | None = None
    ) -> None:
        self._model = model
        self._read_by: ReadBy = read_by or (lambda scorer: None)
        self._name = name or model.name
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="lictor-model")

    async def stream(self, request: ChatRequest, scorer: StreamScorer | None = None) -> AsyncGenerator[Chunk]:
        """See `Upstream.stream`; several choices are made one after the other, with seeds one apart.

        A `scorer` that is a probe on this model reads along, and its logits come with the text.
        """
        asked = request.model_dump(exclude_none=True)
        foreign = next((name for name in _FOREIGN if asked.get(name) not in (None, {"type": "text"}, 0, [], {})), None)
        if foreign:
            raise RequestError(f"{foreign}: this model does text alone", "unsupported_by_model", foreign)
        conversation = conversation_of(request.messages)
        stops = [request.stop] if isinstance(request.stop, str) else list(request.stop or [])
        written = self._read_by(scorer) or self._unread
        for index in range(request.n or 1):
            yield Chunk((ChoiceDelta(index),))
            sampling = _sampling(request, index)
            async for piece in self._pieces(written(conversation, sampling), sampling.max_tokens, stops):
                match piece:
                    case _End(reason):
                        yield Chunk((ChoiceDelta(index, finish=reason),))
                    case Piece():
                        yield Chunk((ChoiceDelta(index, (piece,)),))

    def is_read_by(self, scorer: StreamScorer | None) -> bool:
        """Whether what `scorer` makes of an answer comes with its text."""
        return self._read_by(scorer) is not None

    def _unread(self, asked: Conversation, how: Sampling) -> Iterator[tuple[str, float | None]]:
        return ((text, None) for text in self._model.stream(asked, how))

    async def models(self) -> list[str]:
        """The one model there is."""
        return [self._name]

    async def aclose(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _pieces(
        self, written: Iterator[tuple[str, float | None]], most: int, stops: list[str]
    ) -> AsyncGenerator[Piece | _End]:
        loop = asyncio.get_running_loop()
        made: asyncio.Queue[Piece | _End] = asyncio.Queue()
        room = threading.Semaphore(AHEAD)
        gone = threading.Event()

        def hand_over(piece: Piece | _End) -> None:
            loop.call_soon_threadsafe(made.put_nowait, piece)

        def work() -> None:
            end = _End("stop")
            try:
                count = 0
                read: list[ReadTo] = []
                for text in _until_stop(_noted(written, read), stops):
                    room.acquire()
                    if gone.is_set():
                        return
                    count += 1
                    hand_over(Piece("content", text, read=tuple(read)))
                    read.clear()
                end = _End("length" if count >= most else "stop")
            except Exception as error:  # noqa: BLE001 - whatever broke: who waits for the answer is told
                end = _End("stop", error)
            hand_over(end)

        running = self._pool.submit(work)
        try:
            while True:
                piece = await made.get()
                room.release()
                if isinstance(piece, _End) and piece.error is not None:
                    raise UpstreamError("the model failed", "upstream_failed") from piece.error
                yield piece
                if isinstance(piece, _End):
                    return
        finally:
            gone.set()
            room.release()
            running.cancel()


def _sampling(request: ChatRequest, index: int) -> Sampling:
    defaults = Sampling()
    return Sampling(
        max_tokens=request.max_completion_tokens or request.max_tokens or defaults.max_tokens,
        temperature=defaults.temperature if request.temperature is None else request.temperature,
        top_p=defaults.top_p if request.top_p is None else request.top_p,
        seed=(request.seed or 0) + index,
    )


def _noted(written: Iterator[tuple[str, float | None]], read: list[ReadTo]) -> Iterator[str]:
    """The text alone; what the probe made of it goes into `read`."""
    end = 0
    for text, logit in written:
        end += len(text)
        if logit is not None:
            read.append(ReadTo(end, logit))
        yield text


def _until_stop(pieces: Iterator[str], stops: list[str]) -> Iterator[str]:
    """The pieces up to the first of `stops`; text that may begin one is kept back."""
    longest = max(map(len, stops), default=0)
    held = ""
    for piece in pieces:
        held += piece
        ends = [at for stop in stops if stop and (at := held.find(stop)) >= 0]
        if ends:
            yield held[: min(ends)]
            return
        safe = max(0, len(held) - longest + 1) if longest else len(held)
        if safe:
            yield held[:safe]
            held = held[safe:]
    if held:
        yield held
