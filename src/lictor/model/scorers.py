"""The trained scorers as the guard sees them: an InputScorer and a StreamScorer over one shared trunk.

In: conversations, token ids. Out: logits. A stream's session keeps the state of trunk and top, so that no token is
read twice. Knows no threshold. Observer mode: a small model reads the text beside the protected one; the seam for
probes is `types.StreamScorer` itself, since a session is fed token by token and may hold any activations.
"""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch

from lictor.errors import ScoringError
from lictor.model.backbone import BATCH_TOKENS, Backbone, batches_by_length, pad_right
from lictor.model.heads import Head
from lictor.model.reading import REACH, Kept, read_on
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
    def score_many(self, conversations: Sequence[Conversation], *, batch_tokens: int = BATCH_TOKENS) -> list[float]:
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
    def score_many(self, answers: Sequence[Sequence[int]], *, batch_tokens: int = BATCH_TOKENS) -> list[list[float]]:
        """Per-token logits of many whole answers, given as token ids, in batches of like length."""
        found: list[list[float]] = [[] for _ in answers]
        short = [i for i, answer in enumerate(answers) if len(answer) < REACH]
        for batch in batches_by_length([len(answers[i]) + 1 for i in short], batch_tokens):
            ids, mask = pad_right([answer_ids(self._backbone, answers[short[row]]) for row in batch])
            logits = self._head(self._backbone.read(ids, mask), mask)
            for row, at in enumerate(batch):
                i = short[at]
                found[i] = SlidingMean(self._window).read(logits[row, 1 : len(answers[i]) + 1].tolist())
        for i in set(range(len(answers))).difference(short):
            found[i] = list(self.open(()).score(answers[i]))
        return found


class AnswerSession:
    """One answer being read: what trunk and top layers keep of the tokens so far."""

    def __init__(self, backbone: Backbone, head: Head, window: int) -> None:
        self._backbone = backbone
        self._head = head
        self._mean = SlidingMean(window)
        self._trunk = Kept()
        self._top = Kept()

    def score(self, token_ids: Sequence[int]) -> Sequence[float]:
        """One logit per token, reading on from the last call.

        Raises:
            ScoringError: More tokens than the backbone was made for, or the model failed.
        """
        if not self.fits(len(token_ids)):
            raise ScoringError(
                f"the answer is over {self._backbone.max_tokens} tokens, the most the stream scorer reads",
                reason="answer_too_long",
            )
        parts = [token_ids[at : at + PASS_TOKENS] for at in range(0, len(token_ids), PASS_TOKENS)]
        try:
            return [logit for part in parts for logit in self.score_together([self], [part])[0]]
        except RuntimeError as error:
            raise ScoringError(f"the stream scorer failed: {error}") from error

    @property
    def seen(self) -> int:
        """Tokens read so far, the start token included."""
        return self._trunk.seen

    def fits(self, count: int) -> bool:
        """Whether `count` more tokens stay within what the backbone was made for."""
        return max(self.seen, 1) + count <= self._backbone.max_tokens

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
        opening = [[] if session.seen else [_start(backbone)] for session in sessions]
        ids, fresh = pad_right([[*o, *t] for o, t in zip(opening, token_ids, strict=True)])
        counts = fresh.sum(-1).tolist()
        hidden = read_on(backbone.trunk, backbone.embed(ids.to(backbone.device)), [s._trunk for s in sessions], counts)
        hidden = hidden.to(next(head.top.parameters()))
        logits = head.read(read_on(head.top, hidden, [s._top for s in sessions], counts))
        return [
            session._mean.read(logits[row, len(o) : len(o) + len(t)].tolist())
            for row, (session, o, t) in enumerate(zip(sessions, opening, token_ids, strict=True))
        ]


PASS_TOKENS = 512
"""Most tokens of one answer in one pass."""
BATCH_SESSIONS = 16


@runtime_checkable
class Together(ScoringSession, Protocol):
    """A session that can be read in one pass with others of its family."""

    @property
    def family(self) -> tuple[int, int]:
        """Equal for sessions that go together."""
        ...

    @property
    def seen(self) -> int:
        """Tokens read so far."""
        ...

    def fits(self, count: int) -> bool:
        """Whether `count` more tokens can be scored."""
        ...

    @staticmethod
    def score_together(sessions: Sequence[Any], token_ids: Sequence[Sequence[int]]) -> list[Sequence[float]]:
        """`score` of several sessions of one family, each of which its tokens fit."""
        ...


def score_batch(
    sessions: Sequence[ScoringSession], token_ids: Sequence[Sequence[int]]
) -> list[Sequence[float] | Exception]:
    """Logits of the next tokens of several answers, or what went wrong, in the order asked.

    Answers of one scorer, of like length, are read in one pass; their logits are those of `score` but for rounding.
    """
    found: dict[int, Sequence[float] | Exception] = {}
    groups: dict[tuple[int, ...], list[int]] = {}
    for at, (session, ids) in enumerate(zip(sessions, token_ids, strict=True)):
        if isinstance(session, Together) and session.fits(len(ids)) and len(ids) <= PASS_TOKENS:
            alike = *session.family, min(session.seen, REACH).bit_length(), len(ids).bit_length()
            groups.setdefault(alike, []).append(at)
        else:
            found[at] = _attempt(session, token_ids[at])
    for group in groups.values():
        for start in range(0, len(group), BATCH_SESSIONS):
            batch = group[start : start + BATCH_SESSIONS]
            alike = [session for at in batch if isinstance(session := sessions[at], Together)]
            logits = _score_alike(alike, [token_ids[at] for at in batch])
            found |= zip(batch, logits, strict=True)
    return [found[at] for at in range(len(sessions))]


def _attempt(session: ScoringSession, token_ids: Sequence[int]) -> Sequence[float] | Exception:
    try:
        return session.score(token_ids)
    except Exception as error:  # noqa: BLE001 - handed to the answer it belongs to
        return error


def _score_alike(sessions: list[Together], token_ids: Sequence[Sequence[int]]) -> Sequence[Sequence[float] | Exception]:
    if len(sessions) == 1:
        return [_attempt(sessions[0], token_ids[0])]
    try:
        return sessions[0].score_together(sessions, token_ids)
    except RuntimeError as error:
        return [ScoringError(f"the scorer of answers failed: {error}")] * len(sessions)


def answer_ids(backbone: Backbone, token_ids: Sequence[int]) -> list[int]:
    """What a stream scorer reads of an answer, whole: its start token and the answer's own."""
    return [_start(backbone), *token_ids]


def _start(backbone: Backbone) -> int:
    """The token before an answer's first: an attention sink, so that the first word is read like any other."""
    start = backbone.tokenizer.bos_token_id
    return start if isinstance(start, int) else 0
