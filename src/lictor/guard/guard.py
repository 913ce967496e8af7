"""Screen a prompt, then let its answer through as it is cleared.

In: a conversation, the chunks of its answer, scorers and a policy. Out: guard events and a decision.
Knows no model, server or clock. `GuardSession` decides; `check`, `stream` and `astream` only drive it.
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator

from lictor.errors import UsageError
from lictor.guard.session import GuardSession
from lictor.guard.stream import OnScore
from lictor.guard.views import VIEWS, Views
from lictor.types import Conversation, Decision, ExchangeScorer, GuardEvent, InputScorer, Policy, StreamScorer


class Guard:
    """Scorers and a policy: screens the prompt, drives the stream.

    The input or the stream scorer may be None: that stage is then absent, and lets everything pass. An exchange scorer
    reads what the policy's cascade escalates.
    """

    def __init__(
        self,
        input_scorer: InputScorer | None,
        stream_scorer: StreamScorer | None,
        policy: Policy,
        *,
        exchange_scorer: ExchangeScorer | None = None,
        views: Views = VIEWS,
        version: str = "",
    ) -> None:
        if input_scorer is None and stream_scorer is None:
            raise UsageError("Guard: expected an input scorer, a stream scorer or both, got neither")
        if policy.unreadable == "block" and stream_scorer is None:
            raise UsageError("Guard: expected a stream scorer where policy.unreadable is block, got none")
        if policy.cascade and stream_scorer and exchange_scorer is None:
            raise UsageError("Guard: expected an exchange scorer, since the policy escalates answers to one, got none")
        self.input_scorer = input_scorer
        self.stream_scorer = stream_scorer
        self.exchange_scorer = exchange_scorer
        self.policy = policy
        self.views = views
        self.version = version

    def open(self, conversation: Conversation, *, on_score: OnScore | None = None) -> GuardSession:
        """A session for the answer to `conversation`; the caller drives it, and is told the score of each token.

        Raises:
            UsageError: The conversation has no message.
        """
        if not conversation:
            raise UsageError("Guard: expected a conversation of at least one message, got none")
        return self._session(conversation, on_score)

    def check(self, conversation: Conversation) -> Decision:
        """Verdict on a whole conversation: its prompt, and its answer if it ends with one.

        An empty prompt is scored like any other. Where both stages pass, the one nearer its threshold is reported.
        A conversation that is an answer alone has no prompt to screen: the verdict rests on the answer.

        Raises:
            UsageError: The conversation has no message.
        """
        if not conversation or conversation[-1].role != "assistant":
            session = self.open(conversation)
            session.settle()
            return session.decision
        session = self._session(conversation[:-1])
        for _ in _drive(session, [conversation[-1].content]):
            pass
        return session.decision

    def stream(self, conversation: Conversation, chunks: Iterable[str]) -> Iterator[GuardEvent]:
        """Screen the prompt, then let the answer's chunks through as they are cleared.

        `chunks` is not touched when the prompt is refused, and no further after a halt; closing it is the caller's.

        Raises:
            UsageError: The conversation has no message.
        """
        return _drive(self.open(conversation), chunks)

    def astream(self, conversation: Conversation, chunks: AsyncIterable[str]) -> AsyncIterator[GuardEvent]:
        """`stream` for asynchronous chunks. Scoring runs in a thread, so that the event loop stays free.

        Raises:
            UsageError: The conversation has no message.
        """
        return _adrive(self.open(conversation), chunks)

    def _session(self, prompt: Conversation, on_score: OnScore | None = None) -> GuardSession:
        return GuardSession(
            prompt,
            self.input_scorer,
            self.stream_scorer,
            self.policy,
            exchange_scorer=self.exchange_scorer,
            views=self.views,
            version=self.version,
            on_score=on_score,
        )


def _drive(session: GuardSession, chunks: Iterable[str]) -> Iterator[GuardEvent]:
    yield from session.settle()
    if session.ended:
        return
    for chunk in chunks:
        yield from (*session.push(chunk), *session.settle())
        if session.ended:
            return
    yield from (*session.finish(), *session.settle())


async def _adrive(session: GuardSession, chunks: AsyncIterable[str]) -> AsyncIterator[GuardEvent]:
    for event in await session.asettle():
        yield event
    if session.ended:
        return
    async for chunk in chunks:
        for event in (*session.push(chunk), *await session.asettle()):
            yield event
        if session.ended:
            return
    for event in (*session.finish(), *await session.asettle()):
        yield event
