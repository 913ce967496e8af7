"""Guard many exchanges at once: all scoring is done ahead, in batches, and the guard's own decisions are run over it.

In: a guard and exchanges. Out: what each stage makes of each exchange, whatever the other stage says. The decisions
are those of `GuardSession` and `StreamGuard`, views, debounce and hold-back included; only the forward passes are
shared. A scorer that cannot score many at once, and text too long for one, is scored as the guard would, piece by
piece. Knows no attack, target or file.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import inf
from typing import NamedTuple, Protocol, runtime_checkable

from lictor.errors import ScoringError
from lictor.guard.guard import Guard
from lictor.guard.session import readings
from lictor.guard.stream import StreamGuard, StreamStep
from lictor.types import (
    UNREADABLE,
    Cascade,
    Conversation,
    Decision,
    InputScorer,
    Policy,
    Released,
    ScoreRequest,
    ScorerName,
    Stage,
    StreamScorer,
)


class Exchange(NamedTuple):
    """A prompt, and the answer a model would give to it; None for a prompt alone."""

    prompt: Conversation
    answer: str | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a guard's stages make of one exchange, each as if the other blocked nothing."""

    screened: Decision | None
    """Verdict on the prompt; None without an input stage, or without a prompt."""
    streamed: Decision | None
    """Verdict on the answer; None without an output stage, or without an answer."""
    delivered: str
    """What the output stage lets through of the answer."""
    prompt_peak: float
    """Input threshold at or under which the prompt is refused; +inf where the stage failed, -inf without one."""
    answer_peak: float
    """Output threshold at or under which the answer is halted; infinities as above."""
    logits: tuple[float, ...]
    """The stream scorer's logit of each token of the answer itself."""
    scores: tuple[float, ...]
    """What each counts for, as it is held against the threshold: the exchange scorer's part and the prompt's too."""

    def is_unreadable(self, stage: Stage) -> bool:
        """Whether a stage blocks since the text cannot be read."""
        decision = self.screened if stage == "input" else self.streamed
        return decision is not None and decision.reason == UNREADABLE


@runtime_checkable
class ManyPrompts(Protocol):
    """An input scorer that scores prompts in batches."""

    def fits(self, conversation: Conversation) -> bool:
        """Whether it can score `conversation` at all."""
        ...

    def score_many(self, conversations: Sequence[Conversation]) -> list[float]:
        """The logit of each."""
        ...


@runtime_checkable
class ManyAnswers(Protocol):
    """A stream scorer that scores whole answers in batches."""

    def fits(self, token_ids: Sequence[int]) -> bool:
        """Whether it can score an answer of these tokens."""
        ...

    def score_many(self, answers: Sequence[Sequence[int]]) -> list[list[float]]:
        """The logits of each answer's tokens."""
        ...


@runtime_checkable
class ManyInContext(Protocol):
    """A stream scorer that scores whole answers in batches, each after its conversation."""

    def fits_after(self, conversation: Conversation, token_ids: Sequence[int]) -> bool:
        """Whether it can score an answer of these tokens there."""
        ...

    def score_answers(self, asked: Sequence[tuple[Conversation, Sequence[int]]]) -> list[list[float]]:
        """The logits of each answer's tokens."""
        ...


def read_ahead(guard: Guard, exchanges: Sequence[Exchange]) -> list[Reading]:
    """What `guard` makes of every exchange, in order. It is taken to enforce, also where its policy only monitors."""
    guard = Guard(
        guard.input_scorer,
        guard.stream_scorer,
        replace(guard.policy, enforcement="block"),
        exchange_scorer=guard.exchange_scorer,
        views=guard.views,
        version=guard.version,
    )
    screened = _screen_all(guard, [exchange.prompt for exchange in exchanges])
    streams = _stream_all(guard, exchanges, screened)
    return [
        Reading(
            screened=prompt,
            streamed=stream.decision if stream else None,
            delivered=stream.delivered if stream else exchange.answer or "",
            prompt_peak=_peak(prompt),
            answer_peak=stream.peak if stream else -inf,
            logits=stream.logits if stream else (),
            scores=stream.scores if stream else (),
        )
        for exchange, prompt, stream in zip(exchanges, screened, streams, strict=True)
    ]


def _peak(decision: Decision | None) -> float:
    if decision is None:
        return -inf
    return inf if decision.status == "error" or decision.reason == UNREADABLE else decision.score


# --- prompts ---------------------------------------------------------------------------------------------


def _screen_all(guard: Guard, prompts: Sequence[Conversation]) -> list[Decision | None]:
    scorer = guard.input_scorer
    if scorer is None:
        return [None] * len(prompts)
    known = _logits_of_prompts(scorer, [reading for prompt in prompts for reading in _readings(guard, prompt)])
    alone = Guard(
        _Known(scorer, known),
        guard.stream_scorer,
        guard.policy,
        exchange_scorer=guard.exchange_scorer,
        views=guard.views,
        version=guard.version,
    )
    return [_screen(alone, prompt) if prompt else None for prompt in prompts]


def _screen(guard: Guard, prompt: Conversation) -> Decision:
    session = guard.open(prompt)
    session.settle()
    return session.decision


def _readings(guard: Guard, prompt: Conversation) -> list[Conversation]:
    try:
        return [reading for _, reading in readings(prompt, guard.views)] if prompt else []
    except ScoringError:  # more views than the guard reads: it will say so itself
        return []


def _logits_of_prompts(scorer: InputScorer, asked: Sequence[Conversation]) -> dict[Conversation, float]:
    if not isinstance(scorer, ManyPrompts):
        return {}
    fitting = [conversation for conversation in dict.fromkeys(asked) if scorer.fits(conversation)]
    return dict(zip(fitting, scorer.score_many(fitting), strict=True))


@dataclass(frozen=True, slots=True)
class _Known:
    """An input scorer that looks logits up, and asks the one behind it for what is not there."""

    scorer: InputScorer
    logits: Mapping[Conversation, float]

    def score(self, conversation: Conversation) -> float:
        found = self.logits.get(conversation)
        return self.scorer.score(conversation) if found is None else found


# --- answers ---------------------------------------------------------------------------------------------


_Text = tuple[Conversation, tuple[int, ...]]
"""Tokens, and the conversation they are read after; none where the scorer reads them alone."""


class _Heard(NamedTuple):
    """All a scorer says of one view of an answer, and why it says no more."""

    logits: Sequence[float]
    failure: ScoringError | None


_Key = tuple[ScorerName, str | None]
"""A scorer, and the view of an answer that it reads."""


@dataclass(frozen=True, slots=True)
class _Streamed:
    decision: Decision
    delivered: str
    peak: float
    logits: tuple[float, ...]
    scores: tuple[float, ...]


class _Asked(NamedTuple):
    """An answer wholly pushed into the guard's state machine, and what that said."""

    stream: StreamGuard
    steps: list[StreamStep]
    prompt_score: float
    """Counts in the answer's, where the policy says so."""
    scores: list[float]
    """Of the tokens decided so far."""

    @property
    def by_view(self) -> dict[_Key, list[ScoreRequest]]:
        """What it wants the stream scorer to score, of the text itself (None) and of each view."""
        found: dict[_Key, list[ScoreRequest]] = {}
        for step in self.steps:
            if isinstance(step, ScoreRequest):
                found.setdefault((step.scorer, step.view), []).append(step)
        return found

    def escalated(self, cascade: Cascade | None, heard: Mapping[_Key, _Heard]) -> dict[_Key, list[ScoreRequest]]:
        """What the exchange scorer may be asked: all of every view that is escalated at some token."""
        if cascade is None:
            return {}
        at_once = self.prompt_score >= cascade.prompt_escalation
        return {
            ("exchange", view): requests
            for (scorer, view), requests in self.by_view.items()
            if at_once or max(heard[scorer, view].logits, default=-inf) >= cascade.answer_escalation
        }


def _stream_all(
    guard: Guard, exchanges: Sequence[Exchange], screened: Sequence[Decision | None]
) -> list[_Streamed | None]:
    scorer = guard.stream_scorer
    if scorer is None:
        return [None] * len(exchanges)
    asked = [
        None if e.answer is None else _ask(guard, scorer, guard.policy, e.answer, prompt.score if prompt else -inf)
        for e, prompt in zip(exchanges, screened, strict=True)
    ]
    prompts = [exchange.prompt for exchange in exchanges]
    heard = _hear_all(scorer, prompts, [one.by_view if one else {} for one in asked])
    if guard.exchange_scorer:
        cascade = guard.policy.cascade
        escalated = [one.escalated(cascade, said) if one else {} for one, said in zip(asked, heard, strict=True)]
        further = _hear_all(guard.exchange_scorer, prompts, escalated)
        heard = [{**said, **more} for said, more in zip(heard, further, strict=True)]
    return [
        None if one is None or exchange.answer is None else _decide(guard, scorer, exchange.answer, one, said)
        for exchange, one, said in zip(exchanges, asked, heard, strict=True)
    ]


def _ask(guard: Guard, scorer: StreamScorer, policy: Policy, answer: str, prompt_score: float) -> _Asked:
    scores: list[float] = []
    stream = StreamGuard(scorer.tokenizer, policy, views=guard.views, version=guard.version, on_score=scores.append)
    stream.after_prompt(prompt_score)
    return _Asked(stream, [*stream.push(answer), *stream.finish()], prompt_score, scores)


def _hear_all(
    scorer: StreamScorer,
    prompts: Sequence[Conversation],
    asked: Sequence[Mapping[_Key, Sequence[ScoreRequest]]],
) -> list[dict[_Key, _Heard]]:
    heard: list[dict[_Key, _Heard]] = [{} for _ in asked]
    together: dict[_Text, list[tuple[int, _Key]]] = {}
    for at, by_view in enumerate(asked):
        for view, requests in by_view.items():
            ids = tuple(token for request in requests for token in request.token_ids)
            if isinstance(scorer, ManyInContext) and scorer.fits_after(prompts[at], ids):
                together.setdefault((prompts[at], ids), []).append((at, view))
            elif isinstance(scorer, ManyAnswers) and scorer.context == "answer" and scorer.fits(ids):
                together.setdefault(((), ids), []).append((at, view))
            else:
                heard[at][view] = _hear(scorer, prompts[at], requests)
    for asking, logits in zip(together.values(), _score_all(scorer, list(together)), strict=True):
        heard_alike = _Heard(logits, None)
        for at, view in asking:
            heard[at][view] = heard_alike
    return heard


def _score_all(scorer: StreamScorer, texts: Sequence[_Text]) -> list[list[float]]:
    if isinstance(scorer, ManyInContext):
        return scorer.score_answers(texts)
    return scorer.score_many([ids for _, ids in texts]) if isinstance(scorer, ManyAnswers) else []


def _hear(scorer: StreamScorer, prompt: Conversation, requests: Sequence[ScoreRequest]) -> _Heard:
    logits: list[float] = []
    try:
        session = scorer.open(prompt)
        for request in requests:
            logits += session.score(request.token_ids)
    except ScoringError as error:
        return _Heard(logits, error)
    return _Heard(logits, None)


def _decide(guard: Guard, scorer: StreamScorer, answer: str, asked: _Asked, heard: Mapping[_Key, _Heard]) -> _Streamed:
    """The guard's decision on an answer, and the score it would have had with nothing to halt it."""
    delivered = _settle(asked, heard)
    decision = asked.stream.decision
    final, scores = decision, asked.scores
    if decision.action == "block" and decision.status == "ok":
        unhalted = _ask(guard, scorer, replace(guard.policy, output_threshold=inf), answer, asked.prompt_score)
        _settle(unhalted, heard)
        final, scores = unhalted.stream.decision, unhalted.scores
    text: _Key = ("stream", None)
    logits = tuple(heard[text].logits) if text in heard else ()
    return _Streamed(decision, delivered, _peak(final), logits, tuple(scores))


def _settle(asked: _Asked, heard: Mapping[_Key, _Heard]) -> str:
    """Answer everything asked, oldest first, until nothing waits any more; what is delivered."""
    told = {key: _tell(said) for key, said in heard.items()}
    delivered = ""
    steps = deque(asked.steps)
    while steps:
        match steps.popleft():
            case ScoreRequest() as request if asked.stream.waiting:
                steps.extendleft(reversed(_answer(asked.stream, request, told[request.scorer, request.view])))
            case Released(text):
                delivered += text
            case _:
                pass
    return delivered


def _tell(heard: _Heard) -> Iterator[float]:
    yield from heard.logits
    if heard.failure:
        raise heard.failure


def _answer(stream: StreamGuard, request: ScoreRequest, told: Iterator[float]) -> list[StreamStep]:
    try:
        deque(islice(told, len(request.said)), maxlen=0)  # read, and not asked about
        return stream.scored(request.view, [next(told) for _ in request.token_ids], request.scorer)
    except ScoringError as error:
        return stream.failed(error.reason)
