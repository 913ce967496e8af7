"""What a scorer is trained on. In: examples. Out: distinct labelled token sequences, within a budget of tokens."""

from collections.abc import Sequence
from itertools import chain

from lictor.artifacts import fingerprint
from lictor.assemble import HeadKind, new_head
from lictor.guard.tokens import encode
from lictor.model.backbone import Backbone
from lictor.model.scorers import AnswerScorer, answer_ids
from lictor.model.text import MAX_INPUT_TOKENS, input_ids
from lictor.model.train import Labelled
from lictor.types import Example


def labelled(examples: Sequence[Example], kind: HeadKind, backbone: Backbone, max_tokens: int) -> list[Labelled]:
    """What a scorer of `kind` is trained on: distinct prompts in the task template, or distinct answers."""
    found: dict[tuple[int, ...], int] = {}
    tokenizer = AnswerScorer(backbone, new_head("stream", backbone)).tokenizer if kind == "stream" else None
    for example in examples:
        if tokenizer is None:
            ids, label = input_ids(example.prompt, backbone.tokenizer, MAX_INPUT_TOKENS), example.prompt_label
            ids = ids if len(ids) <= max_tokens else []
        else:
            ids = answer_ids(backbone, [t.id for t in encode(tokenizer, example.answer or "")])[:max_tokens]
            label = example.answer_label
        if len(ids) > 1 and label is not None:
            found.setdefault(tuple(ids), label)
    return [Labelled(ids, label) for ids, label in found.items()]


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
