"""Score many conversations in batches, as the guard would one by one.

In: scorers and conversations. Out: calibration traces. Text in which a view opens is scored by the guard itself,
since a view is a stream of its own, and so is text too long for a scorer, which the guard blocks; all other text needs
one batched pass. Knows no threshold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from lictor.assemble import Scorers
from lictor.calibration.traces import Trace
from lictor.evaluation.tracing import trace
from lictor.guard.guard import Guard
from lictor.guard.replay import run_peak
from lictor.guard.tokens import encode
from lictor.guard.views import view_texts
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
    found: dict[int, Trace] = {}
    plain = [i for i, item in enumerate(items) if _is_plain(item.conversation, scorers)]
    turns = [(i, end) for i in plain for end in _ends(items[i].conversation, "user")]
    prompts = [items[i].conversation[:end] for i, end in turns]
    prompt_peak = dict.fromkeys(plain, -inf)
    for (i, _), score in zip(turns, scorers.prompt.score_many(prompts), strict=True):
        prompt_peak[i] = max(prompt_peak[i], score)
    answers = [
        (i, items[i].conversation[end - 1].content) for i in plain for end in _ends(items[i].conversation, "assistant")
    ]
    ids = [[t.id for t in encode(scorers.answer.tokenizer, text)] for _, text in answers]
    scores: dict[int, list[list[float]]] = {i: [] for i in plain}
    for (i, _), logits in zip(answers, scorers.answer.score_many(ids), strict=True):
        scores[i].append(logits)
    for i in plain:
        found[i] = _trace(items[i], prompt_peak[i], scores[i], policy.debounce)
    guard = Guard(scorers.prompt, scorers.answer, policy)
    for i, item in enumerate(items):
        if i not in found:
            found[i] = trace(
                guard,
                item.conversation,
                conversation_id=item.id,
                source=item.source,
                bucket=item.bucket,
                is_restricted=item.is_restricted,
            )
    return [found[i] for i in range(len(items))]


def _trace(item: Item, prompt: float, answers: list[list[float]], debounce: int) -> Trace:
    """One answer keeps its scores; of several, the debounced peak is what counts."""
    kept = [np.asarray(a) for a in answers if a]
    if len(kept) > 1:
        kept = [np.asarray([max(run_peak(a, debounce) for a in kept)])]
    return Trace(item.id, item.source, item.bucket, item.is_restricted, prompt, kept[0] if kept else None)


def _is_plain(conversation: Conversation, scorers: Scorers) -> bool:
    """Whether no view opens in it, and every turn of it is short enough for its scorer."""
    answers = [conversation[end - 1].content for end in _ends(conversation, "assistant")]
    return (
        not any(view_texts(m.content) for m in conversation)
        and all(scorers.prompt.fits(conversation[:end]) for end in _ends(conversation, "user")[-1:])
        and all(scorers.answer.fits([t.id for t in encode(scorers.answer.tokenizer, text)]) for text in answers)
    )


def _ends(conversation: Conversation, role: str) -> list[int]:
    return [end for end, message in enumerate(conversation, start=1) if message.role == role]
