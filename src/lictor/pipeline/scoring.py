"""Score many conversations in batches, as the guard would one by one.

In: scorers and conversations. Out: calibration traces. Text in which a view opens is scored by the guard itself,
since a view is a stream of its own, and so is text too long for a scorer, which the guard blocks; all other text needs
one batched pass. Knows no threshold.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from lictor.assemble import Scorers
from lictor.calibration.traces import Trace
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
    prompts = _prompt_peaks(scorers, items)
    answers = _answer_peaks(scorers, items, policy)
    return [
        Trace(
            item.id, item.source, item.bucket, item.is_restricted, prompt, None if not said else np.asarray([max(said)])
        )
        for item, prompt, said in zip(items, prompts, answers, strict=True)
    ]


def _prompt_peaks(scorers: Scorers, items: Sequence[Item]) -> list[float]:
    """The highest logit of any user turn of each conversation, in any reading."""
    peaks = [-inf] * len(items)
    short: list[tuple[int, Conversation]] = []
    for at, item in enumerate(items):
        try:
            read = [r for end in _ends(item.conversation, "user") for _, r in readings(item.conversation[:end], VIEWS)]
        except ScoringError:
            read = []
        if read and all(scorers.prompt.fits(reading) for reading in read):
            short += [(at, reading) for reading in read]
        elif _ends(item.conversation, "user"):
            peaks[at] = inf  # the guard blocks what it cannot read
    for (at, _), logit in zip(short, scorers.prompt.score_many([r for _, r in short]), strict=True):
        peaks[at] = max(peaks[at], logit)
    return peaks


def _answer_peaks(scorers: Scorers, items: Sequence[Item], policy: Policy) -> list[list[float]]:
    """The debounced score of each answer of each conversation; the guard itself streams those in which a view opens."""
    peaks: list[list[float]] = [[] for _ in items]
    alone = Guard(None, scorers.answer, replace(policy, input_threshold=inf, output_threshold=inf))
    plain: list[tuple[int, list[int]]] = []
    for at, item in enumerate(items):
        for end in _ends(item.conversation, "assistant"):
            text = item.conversation[end - 1].content
            ids = [t.id for t in encode(scorers.answer.tokenizer, text)]
            if view_texts(text) or not scorers.answer.fits(ids):
                decision = alone.check(item.conversation[:end])
                peaks[at].append(inf if decision.status == "error" else decision.score)
            else:
                plain.append((at, ids))
    for (at, _), logits in zip(plain, scorers.answer.score_many([read for _, read in plain]), strict=True):
        if logits:
            peaks[at].append(run_peak(np.asarray(logits), policy.debounce))
    return peaks


def _ends(conversation: Conversation, role: str) -> list[int]:
    return [end for end, message in enumerate(conversation, start=1) if message.role == role]
