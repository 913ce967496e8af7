"""A probe as the guard sees it: a StreamScorer that reads an answer with the protected model itself, in context.

In: a local model, a probe, conversations, token ids. Out: logits. Where the model writes the answer in this process,
`ProbeScorer.tap` reads the very pass that makes the next token, and nothing is read twice; where it does not, the
model reads along like any observer. Knows no threshold.

Cites: CC2 section 5 (probes on the protected model's own activations; sliding-window mean of their logits).
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from lictor.errors import DataError, ScoringError, UsageError
from lictor.llm.local import LocalModel, States
from lictor.model.backbone import BATCH_TOKENS, batches_by_length, pad_right
from lictor.model.probe import Probe
from lictor.model.smoothing import SlidingMean
from lictor.model.text import SegmentTokenizer
from lictor.types import Context, Conversation, Message, Tokenizer

PASS_TOKENS = 512
"""Most tokens of one answer in one pass."""


def chosen(states: States, layers: Sequence[int]) -> Tensor:
    """Activations after each of `layers`, counted from 1: (batch, tokens, layers, hidden)."""
    return torch.stack([states[layer] for layer in layers], dim=2)


class AnswerReader:
    """Reads answers in their conversations with a local model, for the activations of their tokens.

    Raises:
        UsageError: The model has no such layer.
    """

    def __init__(self, model: LocalModel, layers: Sequence[int]) -> None:
        depth = int(model.lm.config.num_hidden_layers)
        if not layers or not all(1 <= layer <= depth for layer in layers):
            raise UsageError(f"{model.name}: expected layers of 1 to {depth} to probe, got {list(layers)}")
        self.model = model
        self.layers = tuple(layers)
        self._decoder: Any = model.lm.get_decoder()

    @property
    def hidden_size(self) -> int:
        """Features of a layer."""
        return int(self.model.lm.config.hidden_size)

    @property
    def max_tokens(self) -> int:
        """The longest conversation, answer included, that the model was made for."""
        return int(self.model.lm.config.max_position_embeddings)

    def prefix(self, conversation: Conversation) -> list[int]:
        """What the model reads before the answer to `conversation`; before one to nothing, an empty question.

        Raises:
            ScoringError: The model's chat template has no place for it.
        """
        try:
            return self.model.prompt_ids(conversation or (Message("user", ""),))
        except DataError as error:
            raise ScoringError(str(error), reason="conversation_unreadable") from error

    @torch.inference_mode()
    def read(self, ids: Tensor, cache: DynamicCache | None = None) -> Tensor:
        """Activations (batch, tokens, layers, hidden) of token ids (batch, tokens), read on from `cache`."""
        out = self._decoder(
            input_ids=ids.to(self.model.lm.device),
            cache=cache,
            use_cache=cache is not None,
            output_hidden_states=True,
        )
        return chosen(out.hidden_states, self.layers)

    def read_many(
        self, asked: Sequence[tuple[Conversation, Sequence[int]]], take: Callable[[int, Tensor], None]
    ) -> None:
        """Hand every answer's activations (its tokens, layers, hidden) to `take`, with its place in `asked`."""
        prefixes = [self.prefix(conversation) for conversation, _ in asked]
        whole = [[*prefix, *ids] for prefix, (_, ids) in zip(prefixes, asked, strict=True)]
        for batch in batches_by_length([len(ids) for ids in whole], BATCH_TOKENS):
            ids, _ = pad_right([whole[at] for at in batch])
            found = self.read(ids)  # causal: what pads a row on the right is seen by no token of it
            for row, at in enumerate(batch):
                take(at, found[row, len(prefixes[at]) : len(whole[at])])


class ProbeScorer:
    """Reads an answer as it is written, after the conversation before it; one logit per token.

    The logit is the mean of the last `window` that the probe gave.
    """

    context: Context = "conversation"

    def __init__(self, reader: AnswerReader, probe: Probe, *, window: int = 1) -> None:
        self.reader = reader
        self._probe = probe.to(reader.model.lm.device)
        self._window = window
        self._tokenizer = SegmentTokenizer(reader.model.tokenizer)

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's own tokenizer, a segment at a time."""
        return self._tokenizer

    def open(self, conversation: Conversation) -> "ProbeSession":
        """A session for the answer to `conversation`."""
        return ProbeSession(self.reader, self.tap_activations(), conversation)

    def tap(self) -> Callable[[States], Sequence[float]]:
        """Reads the answer that the model writes, pass by pass; one for each answer."""
        read = self.tap_activations()
        return lambda states: read(chosen(states, self.reader.layers)[0])

    def tap_activations(self) -> Callable[[Tensor], Sequence[float]]:
        """From activations (tokens, layers, hidden) of one answer, in order, to logits; NaN is a ScoringError."""
        mean = SlidingMean(self._window)
        return lambda activations: mean.read(self._logits(activations))

    def fits_after(self, conversation: Conversation, token_ids: Sequence[int]) -> bool:
        """Whether an answer of these tokens can be scored after `conversation`."""
        try:
            return len(self.reader.prefix(conversation)) + len(token_ids) <= self.reader.max_tokens
        except ScoringError:
            return False

    def score_answers(self, asked: Sequence[tuple[Conversation, Sequence[int]]]) -> list[list[float]]:
        """Logits of many whole answers, in batches of like length."""
        found: list[list[float]] = [[] for _ in asked]

        def take(at: int, activations: Tensor) -> None:
            found[at] = list(self.tap_activations()(activations))

        self.reader.read_many(asked, take)
        return found

    @torch.inference_mode()
    def _logits(self, activations: Tensor) -> list[float]:
        logits = self._probe(activations)
        if logits.isnan().any():  # of several logits the highest counts, and NaN is neither higher nor lower
            raise ScoringError("probe: expected logits, got NaN")
        return logits.tolist()


class ProbeSession:
    """One answer being read along, from what the model keeps of the conversation and the answer so far."""

    def __init__(
        self, reader: AnswerReader, logits: Callable[[Tensor], Sequence[float]], conversation: Conversation
    ) -> None:
        self._reader = reader
        self._logits = logits
        self._cache = DynamicCache(config=reader.model.lm.config)
        self._unread = reader.prefix(conversation)
        self._seen = 0

    def score(self, token_ids: Sequence[int]) -> Sequence[float]:
        """One logit per token, reading on from the last call.

        Raises:
            ScoringError: More tokens than the model was made for, or it failed.
        """
        if self._seen + len(self._unread) + len(token_ids) > self._reader.max_tokens:
            raise ScoringError(
                f"the conversation is over {self._reader.max_tokens} tokens, the most the model reads",
                reason="answer_too_long",
            )
        try:
            parts = [token_ids[at : at + PASS_TOKENS] for at in range(0, len(token_ids), PASS_TOKENS)]
            return [logit for part in parts for logit in self._read(part)]
        except RuntimeError as error:
            raise ScoringError(f"the probe's model failed: {error}") from error

    def _read(self, token_ids: Sequence[int]) -> Sequence[float]:
        ids = [*self._unread, *token_ids]
        found = self._reader.read(torch.tensor([ids]), self._cache)[0, len(self._unread) :]
        self._unread = []
        self._seen += len(ids)
        return self._logits(found)
