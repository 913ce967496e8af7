"""What a scorer is trained on. In: examples. Out: distinct labelled token sequences, within a budget of tokens."""

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Protocol, TypeVar

from transformers import PreTrainedTokenizerFast

from lictor.artifacts import fingerprint
from lictor.assemble import HeadKind
from lictor.errors import ScoringError
from lictor.guard.tokens import encode
from lictor.model.backbone import Backbone
from lictor.model.objective import Labelled
from lictor.model.scorers import answer_ids
from lictor.model.text import SegmentTokenizer, closing_ids, input_ids, opening_ids
from lictor.types import Conversation, Example

STRANGERS = 0.3
"""Share of answers that the exchange scorer learns after another conversation's prompt: what was said is to count, too,
and not what was asked alone."""
CUTS = 2
"""Beginnings of an answer that the exchange scorer learns beside the whole of it."""


_Read = Callable[[Conversation, PreTrainedTokenizerFast, int], list[int]]


def labelled(
    examples: Sequence[Example], kind: HeadKind, backbone: Backbone, max_tokens: int, *, seed: int
) -> list[Labelled]:
    """What a scorer of `kind` is trained on, each once.

    Prompts in the task template, or answers; or, for the exchange scorer, both together, of up to `max_tokens` each,
    the answer whole and cut. `seed` decides where, and which answers follow another conversation's prompt.
    """
    match kind:
        case "input":
            sequences = ((_prompt_ids(e, input_ids, backbone, max_tokens), e.prompt_label) for e in examples)
        case "stream":
            said = zip(_answers(examples, backbone, max_tokens), examples, strict=True)
            sequences = ((answer_ids(backbone, ids)[:max_tokens], e.answer_label) for ids, e in said)
        case "exchange":
            sequences = _exchanges(examples, backbone, max_tokens, seed)
    found: dict[tuple[int, ...], int] = {}
    for ids, label in sequences:
        if len(ids) > 1 and label is not None:
            found.setdefault(tuple(ids), label)
    return [Labelled(ids, label) for ids, label in found.items()]


def _answers(examples: Sequence[Example], backbone: Backbone, max_tokens: int) -> list[list[int]]:
    tokenizer = SegmentTokenizer(backbone.tokenizer)
    return [[token.id for token in encode(tokenizer, example.answer or "")][:max_tokens] for example in examples]


def _exchanges(
    examples: Sequence[Example], backbone: Backbone, max_tokens: int, seed: int
) -> Iterator[tuple[Sequence[int], int | None]]:
    """Every answer whole and cut, after its own prompt or, some of them, after another that is not too long."""
    openings = [_prompt_ids(example, opening_ids, backbone, max_tokens) for example in examples]
    strangers, closing = [ids for ids in openings if ids], closing_ids(backbone.tokenizer)
    for example, own, said in zip(examples, openings, _answers(examples, backbone, max_tokens), strict=True):
        rng = random.Random(f"{seed} {example.id}")
        opening = rng.choice(strangers) if strangers and rng.random() < STRANGERS else own
        if not opening or not said:
            continue
        for count in (len(said), *(rng.randint(1, len(said)) for _ in range(CUTS))):
            yield [*opening, *said[:count], *closing], example.answer_label


def _prompt_ids(example: Example, read: _Read, backbone: Backbone, max_tokens: int) -> list[int]:
    """None of a prompt of more than `max_tokens`: half of it may be of the other label."""
    try:
        return read(example.prompt, backbone.tokenizer, max_tokens)
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
