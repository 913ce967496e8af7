"""The trained scorers as the guard sees them: an InputScorer and a StreamScorer over one shared trunk.

In: conversations, token ids. Out: logits. A stream's session keeps the state of trunk and top, so that no token is
read twice. Knows no threshold. Observer mode: a small model reads the text beside the protected one; the seam for
probes is `types.StreamScorer` itself, since a session is fed token by token and may hold any activations.
"""

from collections.abc import Sequence

import torch
from transformers import DynamicCache

from lictor.errors import ScoringError
from lictor.model.backbone import Backbone, batches_by_length, pad_right
from lictor.model.heads import Head
from lictor.model.text import MAX_INPUT_TOKENS, SegmentTokenizer, input_ids
from lictor.types import Context, Conversation, Tokenizer


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
    """Reads an answer as it is written; one logit per token."""

    context: Context = "answer"

    def __init__(self, backbone: Backbone, head: Head) -> None:
        self._backbone = backbone
        self._head = head
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
        return AnswerSession(self._backbone, self._head)

    @torch.inference_mode()
    def score_many(self, answers: Sequence[Sequence[int]], *, batch_tokens: int = 4096) -> list[list[float]]:
        """Per-token logits of many whole answers, given as token ids, in batches of like length."""
        found: list[list[float]] = [[] for _ in answers]
        start = _start(self._backbone)
        for batch in batches_by_length([len(a) + 1 for a in answers], batch_tokens):
            ids, mask = pad_right([[start, *answers[i]] for i in batch])
            logits = self._head(self._backbone.read(ids, mask), mask)
            for row, i in enumerate(batch):
                found[i] = logits[row, 1 : len(answers[i]) + 1].tolist()
        return found


class AnswerSession:
    """One answer being read: the state of trunk and top layers after the tokens so far."""

    def __init__(self, backbone: Backbone, head: Head) -> None:
        self._backbone = backbone
        self._head = head
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
        return logits.tolist()


def answer_ids(backbone: Backbone, token_ids: Sequence[int]) -> list[int]:
    """What a stream scorer reads of an answer, whole: its start token and the answer's own."""
    return [_start(backbone), *token_ids]


def _start(backbone: Backbone) -> int:
    """The token before an answer's first: an attention sink, so that the first word is read like any other."""
    start = backbone.tokenizer.bos_token_id
    return start if isinstance(start, int) else 0
