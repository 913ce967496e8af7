"""What a scorer is trained on. In: examples. Out: distinct labelled token sequences, within a budget of tokens."""

from collections.abc import Sequence
from itertools import accumulate
from math import log

from lictor.artifacts import fingerprint
from lictor.assemble import HeadKind, new_head
from lictor.errors import ScoringError
from lictor.guard.tokens import encode
from lictor.model.backbone import Backbone
from lictor.model.scorers import AnswerScorer, answer_ids
from lictor.model.text import input_ids
from lictor.model.train import Labelled
from lictor.types import Example

DISGUISED = 0.25
"""Share of a budget that is kept for disguised copies, where there are any."""


def labelled(examples: Sequence[Example], kind: HeadKind, backbone: Backbone, max_tokens: int) -> list[Labelled]:
    """What a scorer of `kind` is trained on: distinct prompts in the task template, or distinct answers."""
    found: dict[tuple[int, ...], int] = {}
    tokenizer = AnswerScorer(backbone, new_head("stream", backbone)).tokenizer if kind == "stream" else None
    for example in examples:
        if tokenizer is None:
            ids, label = _prompt_ids(example, backbone, max_tokens), example.prompt_label
        else:
            ids = answer_ids(backbone, [t.id for t in encode(tokenizer, example.answer or "")])[:max_tokens]
            label = example.answer_label
        if len(ids) > 1 and label is not None:
            found.setdefault(tuple(ids), label)
    return [Labelled(ids, label) for ids, label in found.items()]


def _prompt_ids(example: Example, backbone: Backbone, max_tokens: int) -> list[int]:
    """None of them where there are more than `max_tokens`: half a prompt may be of the other label."""
    try:
        return input_ids(example.prompt, backbone.tokenizer, max_tokens)
    except ScoringError:
        return []


def within_budget(
    plain: Sequence[Labelled], disguised: Sequence[Labelled], *, budget_tokens: int, always: Sequence[Labelled] = ()
) -> list[Labelled]:
    """As many sequences as fit, chosen by nothing but what each holds: more of the short ones than of the long.

    A label of a long sequence costs many of a short one's, so a sequence is the likelier to be kept the shorter it is.
    Disguised copies have `DISGUISED` of the budget, and what plain text leaves of the rest; one that reads as a plain
    sequence does is none. Those of `always` are kept whatever they cost.
    """
    plain, disguised = _not_among(always, plain), _not_among([*always, *plain], disguised)
    budget_tokens = max(0, budget_tokens - _tokens(always))
    kept_for_copies = min(round(budget_tokens * DISGUISED), _tokens(disguised))
    kept = _drawn(plain, budget_tokens - kept_for_copies)
    return [*always, *kept, *_drawn(disguised, budget_tokens - _tokens(kept))]


def _not_among(others: Sequence[Labelled], pool: Sequence[Labelled]) -> list[Labelled]:
    known = {tuple(sequence.token_ids) for sequence in others}
    return [sequence for sequence in pool if tuple(sequence.token_ids) not in known]


def _tokens(pool: Sequence[Labelled]) -> int:
    return sum(len(sequence.token_ids) for sequence in pool)


def _drawn(pool: Sequence[Labelled], budget_tokens: int) -> list[Labelled]:
    """Drawn without replacement, weights one over the length (Efraimidis and Spirakis 2006), until no more fits."""
    drawn = sorted(pool, key=_arrival)
    spent = accumulate(len(sequence.token_ids) for sequence in drawn)
    return [sequence for sequence, tokens in zip(drawn, spent, strict=True) if tokens <= budget_tokens]


def _arrival(sequence: Labelled) -> float:
    """When it would come first, were it to come at the rate of its weight; the chance is the hash of what it holds."""
    chance = (int(fingerprint(list(sequence.token_ids))[:8], 16) + 1) / 2**32  # in (0, 1]
    return -log(chance) * len(sequence.token_ids)
