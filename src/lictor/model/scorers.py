"""The trained scorers as the guard sees them: an InputScorer and a StreamScorer over one shared trunk.

In: conversations, token ids. Out: logits. A stream's session keeps the state of trunk and top, so that no token is
read twice. Knows no threshold. Observer mode: a small model reads the text beside the protected one; the seam for
probes is `types.StreamScorer` itself, since a session is fed token by token and may hold any activations.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from lictor.errors import ScoringError
from lictor.model.backbone import Backbone, Layers, batches_by_length, pad_right
from lictor.model.heads import Head
from lictor.model.smoothing import SlidingMean
from lictor.model.text import MAX_INPUT_TOKENS, SegmentTokenizer, input_ids
from lictor.types import Context, Conversation, ScoringSession, Tokenizer


class PromptScorer:
    """Reads the whole conversation in the task template; its logit compares the two next-token answers."""

    def __init__(self, backbone: Backbone, head: Head, *, max_tokens: int = MAX_INPUT_TOKENS) -> None:
        self._backbone = backbone
        self._head = head
        self._limit = min(max_tokens, backbone.max_tokens)

    def score(self, conversation: Conversation) -> float:
        """Logit that `conversation` asks for something restricted.

        Raises:
            ScoringError: Over the most tokens it reads (`conversation_too_long`), or the model failed.
        """
        return self.score_many([conversation])[0]

    def fits(self, conversation: Conversation) -> bool:
        """Whether `conversation` is short enough to be scored."""
        try:
            input_ids(conversation, self._backbone.tokenizer, self._limit)
        except ScoringError:
            return False
        return True

    @torch.inference_mode()
    def score_many(self, conversations: Sequence[Conversation], *, batch_tokens: int = 4096) -> list[float]:
        """Logits of many conversations, in batches of like length."""
        sequences = [input_ids(c, self._backbone.tokenizer, self._limit) for c in conversations]
        logits = [0.0] * len(sequences)
        for batch in batches_by_length([len(s) for s in sequences], batch_tokens):
            ids, mask = pad_right([sequences[i] for i in batch])
            try:
                final = self._head.layers(self._backbone.read(ids, mask), mask)
                last = final[torch.arange(len(batch)), mask.sum(-1) - 1]
                found = self._head.read(last).tolist()
            except RuntimeError as error:
                raise ScoringError(f"the input scorer failed: {error}") from error
            for i, logit in zip(batch, found, strict=True):
                logits[i] = logit
        return logits


class AnswerScorer:
    """Reads an answer as it is written; one logit per token, the mean of the last `window` the head gave."""

    context: Context = "answer"

    def __init__(self, backbone: Backbone, head: Head, *, window: int = 1) -> None:
        self._backbone = backbone
        self._head = head
        self._window = window
        self._tokenizer = SegmentTokenizer(backbone.tokenizer)

    @property
    def tokenizer(self) -> Tokenizer:
        """The backbone's tokenizer, a segment at a time."""
        return self._tokenizer

    def fits(self, token_ids: Sequence[int]) -> bool:
        """Whether an answer of these tokens is short enough to be scored."""
        return len(token_ids) < self._backbone.max_tokens

    def open(self, conversation: Conversation) -> "AnswerSession":
        """A session for one answer; the conversation before it is not read."""
        del conversation
        return AnswerSession(self._backbone, self._head, self._window)

    @torch.inference_mode()
    def score_many(self, answers: Sequence[Sequence[int]], *, batch_tokens: int = 4096) -> list[list[float]]:
        """Per-token logits of many whole answers, given as token ids, in batches of like length."""
        found: list[list[float]] = [[] for _ in answers]
        start = _start(self._backbone)
        for batch in batches_by_length([len(a) + 1 for a in answers], batch_tokens):
            ids, mask = pad_right([[start, *answers[i]] for i in batch])
            logits = self._head(self._backbone.read(ids, mask), mask)
            for row, i in enumerate(batch):
                found[i] = SlidingMean(self._window).read(logits[row, 1 : len(answers[i]) + 1].tolist())
        return found


class AnswerSession:
    """One answer being read: the state of trunk and top layers after the tokens so far."""

    def __init__(self, backbone: Backbone, head: Head, window: int) -> None:
        self._backbone = backbone
        self._head = head
        self._mean = SlidingMean(window)
        self._trunk_state = DynamicCache()
        self._top_state = DynamicCache()
        self._seen = 0

    @torch.inference_mode()
    def score(self, token_ids: Sequence[int]) -> Sequence[float]:
        """One logit per token, reading on from the last call.

        Raises:
            ScoringError: More tokens than the backbone was made for, or the model failed.
        """
        opening = [] if self._seen else [_start(self._backbone)]
        ids = [*opening, *token_ids]
        if self._seen + len(ids) > self._backbone.max_tokens:
            raise ScoringError(
                f"the answer is over {self._backbone.max_tokens} tokens, the most the stream scorer reads",
                reason="answer_too_long",
            )
        try:
            hidden = self._backbone.read(torch.tensor([ids]), None, self._trunk_state)
            logits = self._head(hidden, None, self._top_state)[0, len(opening) :]
        except RuntimeError as error:
            raise ScoringError(f"the stream scorer failed: {error}") from error
        self._seen += len(ids)
        return self._mean.read(logits.tolist())

    @property
    def seen(self) -> int:
        """Tokens read so far, the start token included."""
        return self._seen

    def joins(self, count: int) -> bool:
        """Whether its next `count` tokens may be read in a batch."""
        return self._seen <= BATCH_PAST_TOKENS and self._seen + count < self._backbone.max_tokens

    @property
    def family(self) -> tuple[int, int]:
        """Equal for sessions that can be read in one pass."""
        return id(self._backbone), id(self._head)

    @staticmethod
    @torch.inference_mode()
    def score_together(
        sessions: Sequence["AnswerSession"], token_ids: Sequence[Sequence[int]]
    ) -> list[Sequence[float]]:
        """`score` of several sessions of one family, each short of the backbone's longest answer, in one pass."""
        backbone, head = sessions[0]._backbone, sessions[0]._head
        past = [session._seen for session in sessions]
        opening = [[] if seen else [_start(backbone)] for seen in past]
        ids, fresh = pad_right([[*o, *t] for o, t in zip(opening, token_ids, strict=True)])
        longest = max(past)
        kept = torch.tensor([[0] * (longest - seen) + [1] * seen for seen in past], dtype=fresh.dtype)
        mask = torch.cat([kept, fresh], dim=1)  # (batch, longest + new)
        places = torch.tensor(past)[:, None] + torch.arange(ids.shape[1])
        counts = fresh.sum(-1).tolist()
        hidden = backbone.embed(ids)
        hidden = _read_on(backbone.trunk, hidden, [s._trunk_state for s in sessions], counts, mask=mask, places=places)
        hidden = hidden.to(next(head.top.parameters()).dtype)
        final = _read_on(head.top, hidden, [s._top_state for s in sessions], counts, mask=mask, places=places)
        logits = head.read(final)
        for session, count in zip(sessions, counts, strict=True):
            session._seen += count
        return [
            session._mean.read(logits[row, len(o) : len(o) + len(t)].tolist())
            for row, (session, o, t) in enumerate(zip(sessions, opening, token_ids, strict=True))
        ]


BATCH_SESSIONS = 16
BATCH_PAST_TOKENS = 512
"""Longest answer that is read in a batch: beyond it, joining the states costs more than one pass saves."""


def score_batch(
    sessions: Sequence[ScoringSession], token_ids: Sequence[Sequence[int]]
) -> list[Sequence[float] | Exception]:
    """Logits of the next tokens of several answers, or what went wrong, in the order asked.

    Answers of one scorer, of like length, are read in one pass; their logits are those of `score` but for rounding.
    """
    found: dict[int, Sequence[float] | Exception] = {}
    groups: dict[tuple[int, ...], list[int]] = {}
    for at, (session, ids) in enumerate(zip(sessions, token_ids, strict=True)):
        if isinstance(session, AnswerSession) and session.joins(len(ids)):
            alike = *session.family, session.seen.bit_length(), len(ids).bit_length()
            groups.setdefault(alike, []).append(at)
        else:
            found[at] = _attempt(session, token_ids[at])
    for group in groups.values():
        for start in range(0, len(group), BATCH_SESSIONS):
            batch = group[start : start + BATCH_SESSIONS]
            alike = [session for at in batch if isinstance(session := sessions[at], AnswerSession)]
            logits = _score_alike(alike, [token_ids[at] for at in batch])
            found |= zip(batch, logits, strict=True)
    return [found[at] for at in range(len(sessions))]


def _attempt(session: ScoringSession, token_ids: Sequence[int]) -> Sequence[float] | Exception:
    try:
        return session.score(token_ids)
    except Exception as error:  # noqa: BLE001 - handed to the answer it belongs to
        return error


def _score_alike(
    sessions: list[AnswerSession], token_ids: Sequence[Sequence[int]]
) -> Sequence[Sequence[float] | Exception]:
    if len(sessions) == 1:
        return [_attempt(sessions[0], token_ids[0])]
    try:
        return AnswerSession.score_together(sessions, token_ids)
    except RuntimeError as error:
        return [ScoringError(f"the stream scorer failed: {error}")] * len(sessions)


def _read_on(
    layers: Layers,
    hidden: Tensor,
    states: Sequence[DynamicCache],
    counts: Sequence[int],
    *,
    mask: Tensor,
    places: Tensor,
) -> Tensor:
    """Hidden states after `layers`, every row reading on from its own state; the states take their new tokens."""
    longest = mask.shape[1] - hidden.shape[1]
    decoder: Any = layers.decoder
    joined = DynamicCache()
    depth = len(decoder.layers)
    for layer in range(depth if longest else 0):
        joined.update(*_join(states, layer, longest), layer)
    out: Any = decoder(inputs_embeds=hidden, attention_mask=mask, position_ids=places, cache=joined, use_cache=True)
    for layer in range(depth):
        keys, values = _tensors(joined, layer)
        for row, (state, count) in enumerate(zip(states, counts, strict=True)):
            new = slice(longest, longest + count)
            state.update(keys[row : row + 1, :, new].clone(), values[row : row + 1, :, new].clone(), layer)
    return out.last_hidden_state


def _join(states: Sequence[DynamicCache], layer: int, longest: int) -> tuple[Tensor, Tensor]:
    """Keys and values of several answers, padded on the left: (batch, heads, longest, size) each."""
    filled = [(row, *_tensors(state, layer)) for row, state in enumerate(states) if state.get_seq_length()]
    _, first, _ = filled[0]
    keys = first.new_zeros(len(states), first.shape[1], longest, first.shape[3])
    values = keys.clone()
    for row, k, v in filled:
        keys[row, :, longest - k.shape[2] :] = k[0]
        values[row, :, longest - k.shape[2] :] = v[0]
    return keys, values


def _tensors(state: DynamicCache, layer: int) -> tuple[Tensor, Tensor]:
    held: Any = state.layers[layer]
    return held.keys, held.values


def answer_ids(backbone: Backbone, token_ids: Sequence[int]) -> list[int]:
    """What a stream scorer reads of an answer, whole: its start token and the answer's own."""
    return [_start(backbone), *token_ids]


def _start(backbone: Backbone) -> int:
    """The token before an answer's first: an attention sink, so that the first word is read like any other."""
    start = backbone.tokenizer.bos_token_id
    return start if isinstance(start, int) else 0
