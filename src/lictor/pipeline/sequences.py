"""What a scorer is trained on. In: examples. Out: distinct labelled token sequences, within a budget of tokens."""

from collections.abc import Sequence
from itertools import chain

from lictor.artifacts import fingerprint
from lictor.assemble import HeadKind, new_head
from lictor.errors import ScoringError
from lictor.guard.tokens import encode
from lictor.model.backbone import Backbone
from lictor.model.objective import Labelled
from lictor.model.scorers import AnswerScorer, answer_ids
from lictor.model.text import input_ids
from lictor.types import Example


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


def within_budget(*pools: Sequence[Labelled], budget_tokens: int) -> list[Labelled]:
    """As many sequences as fit: those of an earlier pool first, within a pool by what they hold alone."""
    kept: list[Labelled] = []
    spent = 0
    for sequence in chain(*(sorted(pool, key=lambda s: fingerprint(list(s.token_ids))) for pool in pools)):
        spent += len(sequence.token_ids)
        if spent > budget_tokens:
            break
        kept.append(sequence)
    return kept
