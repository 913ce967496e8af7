"""Score many conversations in batches, as the guard would one by one.

In: scorers and conversations. Out: calibration traces. Every answer goes through the guard's own state machine, views
included; what that asks for does not depend on scores, so all is asked first and scored together. What is too long for
a scorer scores +inf, since the guard blocks it. Knows no threshold.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

from lictor.assemble import Scorers
from lictor.calibration.traces import Answered, Trace
from lictor.errors import ScoringError
from lictor.guard.session import readings
from lictor.guard.stream import StreamGuard
from lictor.guard.views import VIEWS
from lictor.types import Bucket, Conversation, Policy, ScoreRequest


@dataclass(frozen=True, slots=True)
class Item:
    """One conversation to score, and what is known of it."""

    id: str
    conversation: Conversation
    source: str
    bucket: Bucket
    is_restricted: bool


def trace_all(scorers: Scorers, items: Sequence[Item], policy: Policy) -> list[Trace]:
    """What both stages say of every conversation, in the order given."""
    prompts = _prompt_scores(scorers, items)
    answers = _answer_peaks(scorers, items, policy)
    return [
        Trace(
            item.id,
            item.source,
            item.bucket,
            item.is_restricted,
            max((asked[end] for end in _ends(item.conversation, "user")), default=-inf),
            tuple(
                Answered(asked.get(end - 1, -inf), peak)
                for end, peak in zip(_ends(item.conversation, "assistant"), said, strict=True)
            ),
        )
        for item, asked, said in zip(items, prompts, answers, strict=True)
    ]


def _prompt_scores(scorers: Scorers, items: Sequence[Item]) -> list[dict[int, float]]:
    """The highest logit in any reading of each conversation up to each user turn, and before each answer, by length."""
    found: list[dict[int, float]] = []
    short: list[tuple[int, int, Conversation]] = []
    for at, item in enumerate(items):
        ends = {*_ends(item.conversation, "user"), *(end - 1 for end in _ends(item.conversation, "assistant"))} - {0}
        found.append(dict.fromkeys(ends, -inf))
        for end in ends:
            try:
                read = [reading for _, reading in readings(item.conversation[:end], VIEWS)]
            except ScoringError:
                read = []
            if read and all(scorers.prompt.fits(reading) for reading in read):
                short += [(at, end, reading) for reading in read]
            else:
                found[at][end] = inf  # the guard blocks what it cannot read
    distinct = list(dict.fromkeys(reading for *_, reading in short))
    logits = dict(zip(distinct, scorers.prompt.score_many(distinct), strict=True))
    for at, end, reading in short:
        found[at][end] = max(found[at][end], logits[reading])
    return found


def _answer_peaks(scorers: Scorers, items: Sequence[Item], policy: Policy) -> list[list[float]]:
    """The guard's own score of each answer of each conversation; +inf where it fails, -inf for an empty answer."""
    never = replace(policy, output_threshold=inf, prompt_weight=0.0)
    peaks = [[-inf] * len(_ends(item.conversation, "assistant")) for item in items]
    asked: dict[tuple[int, int], tuple[StreamGuard, list[ScoreRequest]]] = {}
    for at, item in enumerate(items):
        for place, end in enumerate(_ends(item.conversation, "assistant")):
            stream = StreamGuard(scorers.answer.tokenizer, never)
            steps = [*stream.push(item.conversation[end - 1].content), *stream.finish()]
            asked[at, place] = stream, [step for step in steps if isinstance(step, ScoreRequest)]
    logits = _score_ahead(scorers, {key: requests for key, (_, requests) in asked.items()})
    for (at, place), (stream, requests) in asked.items():
        _settle(stream, requests, logits[at, place])
        peaks[at][place] = inf if stream.decision.status == "error" else stream.decision.score
    return peaks


_Key = tuple[int, int]


def _score_ahead(
    scorers: Scorers, asked: Mapping[_Key, Sequence[ScoreRequest]]
) -> dict[_Key, dict[str | None, Iterator[float]]]:
    """The logits of every lane of every answer, each lane read as one sequence; those too long for it are left out.

    Equal sequences are read once: an answer that several prompts borrow, and its disguised copies as decoded.
    """
    lanes: dict[tuple[_Key, str | None], list[int]] = {}
    for key, requests in asked.items():
        for request in requests:
            lanes.setdefault((key, request.view), []).extend(request.token_ids)
    distinct = list(dict.fromkeys(tuple(ids) for ids in lanes.values() if scorers.answer.fits(ids)))
    logits = dict(zip(distinct, scorers.answer.score_many(distinct), strict=True))
    found: dict[_Key, dict[str | None, Iterator[float]]] = {key: {} for key in asked}
    for (key, view), ids in lanes.items():
        if tuple(ids) in logits:
            found[key][view] = iter(logits[tuple(ids)])
    return found


def _settle(
    stream: StreamGuard, requests: Sequence[ScoreRequest], logits: Mapping[str | None, Iterator[float]]
) -> None:
    for request in requests:
        if not stream.waiting:
            return
        if request.view in logits:
            stream.scored(request.view, [next(logits[request.view]) for _ in request.token_ids])
        else:
            stream.failed("answer_too_long")


def _ends(conversation: Conversation, role: str) -> list[int]:
    return [end for end, message in enumerate(conversation, start=1) if message.role == role]
