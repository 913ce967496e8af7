"""What a cascade is fitted on: the answers of the validation split, read by both scorers from their beginning.

In: the scorers of a guard, conversations. Out: when an answer is escalated and what the exchange scorer weighs, and
that in a file of the traces' artefact. Knows no threshold.

A benign conversation's answers are all benign. Of a restricted one only the last answer's label is known: it counts if
it gives what is restricted. A refusal, or what was said before, is neither; taken for restricted, it would make the
scorer look best that goes by the prompt alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from lictor.assemble import Scorers
from lictor.calibration.cascade import CascadeReport, TwiceRead, fit_cascade
from lictor.errors import ArtifactError
from lictor.evaluation.ahead import Exchange, read_ahead
from lictor.evaluation.suites import exchanges_of
from lictor.guard.guard import Guard
from lictor.model.exchange import ExchangeScorer
from lictor.pipeline.scoring import Item
from lictor.types import Conversation, Policy

CASCADE = "cascade.json"


def fit_on(scorers: Scorers, items: Sequence[Item], *, debounce: int, compute: float) -> CascadeReport | None:
    """The cascade of these scorers; None where there is no exchange scorer. What one cannot read is counted apart.

    Raises:
        CalibrationError: There is no benign or no restricted answer among them.
    """
    if scorers.exchange is None:
        return None
    never = Policy(inf, inf, debounce=debounce)
    asked = [(item, exchange) for item in items for exchange in answers_of(item)]
    exchanges = [exchange for _, exchange in asked]
    by_stream = read_ahead(Guard(scorers.prompt, scorers.answer, never), exchanges)
    by_exchange = read_ahead(Guard(None, scorers.exchange, never, views={}), exchanges)
    read = [
        TwiceRead(
            item.source,
            item.is_restricted,
            stream.prompt_peak,
            np.asarray(stream.logits),
            np.asarray(other.logits),
            _cost(scorers.exchange, exchange.prompt, len(stream.logits)),
        )
        for (item, exchange), stream, other in zip(asked, by_stream, by_exchange, strict=True)
        if len(stream.logits) == len(other.logits) > 0 and stream.prompt_peak < inf
    ]
    return replace(fit_cascade(read, debounce=debounce, compute=compute), n_unread=len(asked) - len(read))


def answers_of(item: Item) -> list[Exchange]:
    """The answers of a conversation whose label is the conversation's own."""
    answered = [exchange for exchange in exchanges_of(item.conversation) if exchange.answer]
    if not item.is_restricted:
        return answered
    ends_so = item.answer_label == 1 and item.conversation[-1].role == "assistant"
    return answered[-1:] if ends_so else []


def read_cascade(traces: Path) -> CascadeReport | None:
    """What the traces' cascade was fitted on; None where they have none.

    Raises:
        ArtifactError: The file holds something else.
    """
    path = traces / CASCADE
    if not path.is_file():
        return None
    try:
        return TypeAdapter(CascadeReport).validate_json(path.read_bytes())
    except ValidationError as error:
        raise ArtifactError(f"{path}: expected a cascade, got something else: {error}") from error


def _cost(scorer: ExchangeScorer, prompt: Conversation, tokens: int) -> Callable[[int], int]:
    before = scorer.tokens_before(prompt)
    return lambda first: before + scorer.tokens_read(tokens, caught_up=first)
