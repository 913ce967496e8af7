"""What a scorer is trained on. In: examples. Out: distinct labelled token sequences, within a budget of tokens."""

import random
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Protocol, TypeVar

from lictor.artifacts import fingerprint
from lictor.assemble import HeadKind
from lictor.errors import ScoringError
from lictor.guard.tokens import encode
from lictor.model.backbone import Backbone
from lictor.model.objective import Labelled
from lictor.model.scorers import answer_ids
from lictor.model.text import SegmentTokenizer, closing_ids, input_ids, opening_ids
from lictor.types import Example

STRANGERS = 0.3
"""Share of answers that the exchange scorer learns after another conversation's prompt: what was said is to count, too,
and not what was asked alone."""
CUTS = 2
"""Beginnings of an answer that the exchange scorer learns beside the whole of it."""


def labelled(examples: Sequence[Example], kind: HeadKind, backbone: Backbone, max_tokens: int) -> list[Labelled]:
    """What a scorer of `kind` is trained on, each once.

    Prompts in the task template, or answers; or, for the exchange scorer, both together, of up to `max_tokens` each,
    the answer whole and cut.
    """
    found: dict[tuple[int, ...], int] = {}
    for ids, label in _sequences(examples, kind, backbone, max_tokens):
        if len(ids) > 1 and label is not None:
            found.setdefault(tuple(ids), label)
    return [Labelled(ids, label) for ids, label in found.items()]


def _sequences(
    examples: Sequence[Example], kind: HeadKind, backbone: Backbone, max_tokens: int
) -> Iterator[tuple[Sequence[int], int | None]]:
    if kind == "input":
        for example in examples:
            yield _prompt_ids(example, backbone, max_tokens), example.prompt_label
        return
    tokenizer = SegmentTokenizer(backbone.tokenizer)
    for example in examples:
        said = [token.id for token in encode(tokenizer, example.answer or "")][:max_tokens]
        if kind == "stream":
            yield answer_ids(backbone, said)[:max_tokens], example.answer_label
        elif said:
            yield from _exchange_ids(example, said, examples, backbone, max_tokens)


def _exchange_ids(
    example: Example, said: Sequence[int], others: Sequence[Example], backbone: Backbone, max_tokens: int
) -> Iterator[tuple[Sequence[int], int | None]]:
    rng = random.Random(example.id)
    prompt = rng.choice(others).prompt if rng.random() < STRANGERS else example.prompt
    try:
        opening = opening_ids(prompt, backbone.tokenizer, max_tokens)
    except ScoringError:
        return
    for count in (len(said), *(rng.randint(1, len(said)) for _ in range(CUTS))):
        yield [*opening, *said[:count], *closing_ids(backbone.tokenizer)], example.answer_label


def _prompt_ids(example: Example, backbone: Backbone, max_tokens: int) -> list[int]:
    """None of them where there are more than `max_tokens`: half a prompt may be of the other label."""
    try:
        return input_ids(example.prompt, backbone.tokenizer, max_tokens)
    except ScoringError:
        return []


class Tokenised(Protocol):
    """A sequence of tokens, whatever else is known of it."""

    @property
    def token_ids(self) -> Sequence[int]:
        """What it costs a budget."""
        ...


Learnt = TypeVar("Learnt", bound=Tokenised)


def within_budget(*pools: Sequence[Learnt], budget_tokens: int) -> list[Learnt]:
    """As many sequences as fit: those of an earlier pool first, within a pool by what they hold alone."""
    kept: list[Learnt] = []
    spent = 0
    for sequence in chain(*(sorted(pool, key=lambda s: fingerprint(list(s.token_ids))) for pool in pools)):
        spent += len(sequence.token_ids)
        if spent > budget_tokens:
            break
        kept.append(sequence)
    return kept


def shared_budget(*pools: Sequence[Learnt], budget_tokens: int) -> list[Learnt]:
    """As many sequences as fit, as many tokens from every pool; what one does not need goes to the larger ones."""
    kept: list[Learnt] = []
    for at, pool in enumerate(sorted(pools, key=_tokens)):
        kept += within_budget(pool, budget_tokens=(budget_tokens - _tokens(kept)) // (len(pools) - at))
    return kept


def _tokens(sequences: Sequence[Tokenised]) -> int:
    return sum(len(sequence.token_ids) for sequence in sequences)
