"""Score many conversations in batches, as the guard would one by one.

In: scorers and conversations. Out: calibration traces. Text in which a view opens is scored by the guard itself,
since a view is a stream of its own, and so is text too long for a scorer, which the guard blocks; all other text needs
one batched pass. Knows no threshold.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

from lictor.assemble import Scorers
from lictor.calibration.traces import Answered, Trace
from lictor.errors import ScoringError
from lictor.guard.guard import Guard
from lictor.guard.replay import run_peak
from lictor.guard.session import readings
from lictor.guard.tokens import encode
from lictor.guard.views import VIEWS, view_texts
from lictor.types import Bucket, Conversation, Policy


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
    for (at, end, _), logit in zip(short, scorers.prompt.score_many([r for *_, r in short]), strict=True):
        found[at][end] = max(found[at][end], logit)
    return found


def _answer_peaks(scorers: Scorers, items: Sequence[Item], policy: Policy) -> list[list[float]]:
    """The debounced score of each answer of each conversation; the guard itself streams those in which a view opens."""
    peaks = [[-inf] * len(_ends(item.conversation, "assistant")) for item in items]
    alone = Guard(None, scorers.answer, replace(policy, input_threshold=inf, output_threshold=inf))
    plain: list[tuple[int, int, list[int]]] = []
    for at, item in enumerate(items):
        for place, end in enumerate(_ends(item.conversation, "assistant")):
            text = item.conversation[end - 1].content
            ids = [t.id for t in encode(scorers.answer.tokenizer, text)]
            if view_texts(text) or not scorers.answer.fits(ids):
                decision = alone.check(item.conversation[:end])
                peaks[at][place] = inf if decision.status == "error" else decision.score
            else:
                plain.append((at, place, ids))
    for (at, place, _), logits in zip(plain, scorers.answer.score_many([read for *_, read in plain]), strict=True):
        peaks[at][place] = run_peak(logits, policy.debounce)
    return peaks


def _ends(conversation: Conversation, role: str) -> list[int]:
    return [end for end, message in enumerate(conversation, start=1) if message.role == role]
