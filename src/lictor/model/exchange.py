"""The exchange scorer: a conversation and the answer so far, asked about again and again while the answer is written.

In: conversations, token ids of answers. Out: one logit per token. The dialog stands in the task template of the input
scorer. After an answer's first token, and every `EVERY`th, the template's closing question is read on a fork of the
kept state and dropped; the logit of that next-token readout holds until the next one. Where it is asked depends on
the count of tokens alone, and so do the logits. Knows no threshold.

Cites: CC2 section 3 (an answer scored in the context of its prompt, while it is generated).
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from lictor.errors import ScoringError
from lictor.model.backbone import BATCH_TOKENS, Backbone, batches_by_length, pad_right
from lictor.model.heads import Head
from lictor.model.reading import Kept, read_on
from lictor.model.text import MAX_INPUT_TOKENS, SegmentTokenizer, closing_ids, opening_ids
from lictor.types import Context, Conversation, Tokenizer

EVERY = 4
"""Answer tokens from one question to the next."""
PASS_TOKENS = 512
"""Most tokens of one conversation in one pass, the question not counted."""


def is_asked_after(count: int) -> bool:
    """Whether the question is asked after so many answer tokens."""
    return count == 1 or count % EVERY == 0


class ExchangeScorer:
    """Reads an answer after the conversation before it; one logit per token."""

    context: Context = "conversation"

    def __init__(self, backbone: Backbone, head: Head, *, max_tokens: int = MAX_INPUT_TOKENS) -> None:
        self._backbone = backbone
        self._head = head
        self._limit = min(max_tokens, backbone.max_tokens)
        self._tokenizer = SegmentTokenizer(backbone.tokenizer)
        self._closing = closing_ids(backbone.tokenizer)

    @property
    def tokenizer(self) -> Tokenizer:
        """The backbone's tokenizer, a segment at a time."""
        return self._tokenizer

    def tokens_before(self, conversation: Conversation) -> int:
        """Tokens it reads before an answer.

        Raises:
            ScoringError: The conversation is too long.
        """
        return len(self._opening(conversation))

    def tokens_read(self, answer_tokens: int, *, caught_up: int = 0) -> int:
        """Tokens it reads of an answer, questions included; the first `caught_up` in one go."""
        questions = sum(map(is_asked_after, range(caught_up + 1, answer_tokens + 1))) + (caught_up > 0)
        return answer_tokens + questions * len(self._closing)

    def open(self, conversation: Conversation) -> "ExchangeSession":
        """A session for the answer to `conversation`.

        Raises:
            ScoringError: The conversation is too long.
        """
        return ExchangeSession(self._backbone, self._head, self._opening(conversation), self._closing)

    def fits_after(self, conversation: Conversation, token_ids: Sequence[int]) -> bool:
        """Whether an answer of these tokens can be scored after `conversation`."""
        try:
            return self.open(conversation).fits(len(token_ids))
        except ScoringError:
            return False

    def score_answers(
        self, asked: Sequence[tuple[Conversation, Sequence[int]]], *, batch_tokens: int = BATCH_TOKENS
    ) -> list[list[float]]:
        """Logits of many whole answers, in batches of like length."""
        lengths = [len(self._opening(conversation)) + len(ids) for conversation, ids in asked]
        found: list[list[float]] = [[] for _ in asked]
        for batch in batches_by_length(lengths, batch_tokens):
            sessions = [self.open(asked[at][0]) for at in batch]
            for at, logits in zip(batch, score_exchanges(sessions, [asked[at][1] for at in batch]), strict=True):
                found[at] = list(logits)
        return found

    def _opening(self, conversation: Conversation) -> list[int]:
        return opening_ids(conversation, self._backbone.tokenizer, self._limit)


class ExchangeSession:
    """One answer being read in its conversation: what trunk and top layers keep of both so far."""

    def __init__(self, backbone: Backbone, head: Head, opening: Sequence[int], closing: Sequence[int]) -> None:
        self.backbone = backbone
        self.head = head
        self.closing = closing
        self.unread = list(opening)
        """Tokens taken that no question was asked after yet: read with the next one."""
        self.trunk = Kept(sink=len(opening))
        self.top = Kept(sink=len(opening))
        self.last = 0.0
        """What the last question was answered with."""
        self._count = 0

    @property
    def seen(self) -> int:
        """Tokens taken so far, the conversation included."""
        return self.trunk.seen + len(self.unread)

    def fits(self, count: int) -> bool:
        """Whether `count` more tokens stay within what the backbone was made for."""
        return self.seen + count + len(self.closing) <= self.backbone.max_tokens

    @property
    def family(self) -> tuple[int, int]:
        """Equal for sessions that can be read in one pass."""
        return id(self.backbone), id(self.head)

    @staticmethod
    def score_together(
        sessions: Sequence["ExchangeSession"], token_ids: Sequence[Sequence[int]]
    ) -> list[Sequence[float]]:
        """`score` of several sessions of one family that these tokens fit."""
        return score_exchanges(sessions, token_ids)

    def score(self, token_ids: Sequence[int]) -> Sequence[float]:
        """One logit per token, reading on from the last call.

        Raises:
            ScoringError: More tokens than the backbone was made for, or the model failed.
        """
        self._refuse_unless_fits(len(token_ids))
        try:
            return score_exchanges([self], [token_ids])[0]
        except RuntimeError as error:
            raise ScoringError(f"the exchange scorer failed: {error}") from error

    def catch_up(self, token_ids: Sequence[int]) -> None:
        """Take answer tokens whose scores nobody waits for: read at once, and asked about where that counts later.

        Raises:
            ScoringError: As `score`.
        """
        self._refuse_unless_fits(len(token_ids))
        ends = range(self._count + 1, self._count + len(token_ids) + 1)
        asked = max((end - self._count for end in ends if is_asked_after(end)), default=0)
        try:
            for part in (token_ids[:asked], token_ids[asked:]):
                if self.take(part):
                    _ask([self])
        except RuntimeError as error:
            raise ScoringError(f"the exchange scorer failed: {error}") from error

    def parts(self, token_ids: Sequence[int]) -> list[Sequence[int]]:
        """`token_ids` cut after each that a question is asked after."""
        cuts = [at for at in range(1, len(token_ids)) if is_asked_after(self._count + at)]
        return [token_ids[start:end] for start, end in pairwise([0, *cuts, len(token_ids)])] if token_ids else []

    def take(self, token_ids: Sequence[int]) -> bool:
        """Take answer tokens in, unread; whether a question is asked after the last of them."""
        self.unread += token_ids
        self._count += len(token_ids)
        return bool(token_ids) and is_asked_after(self._count)

    def _refuse_unless_fits(self, count: int) -> None:
        if not self.fits(count):
            raise ScoringError(
                f"conversation and answer are over {self.backbone.max_tokens} tokens, the most that can be read",
                reason="answer_too_long",
            )


@torch.inference_mode()
def score_exchanges(sessions: Sequence[ExchangeSession], token_ids: Sequence[Sequence[int]]) -> list[Sequence[float]]:
    """Logits of the next tokens of several sessions of one family, from one question to the next together."""
    found: list[list[float]] = [[] for _ in sessions]
    parts = [session.parts(ids) for session, ids in zip(sessions, token_ids, strict=True)]
    for turn in range(max(map(len, parts), default=0)):
        rows = [row for row, of in enumerate(parts) if turn < len(of)]
        for row in rows:
            found[row] += [sessions[row].last] * (len(parts[row][turn]) - 1)
        _ask([sessions[row] for row in rows if sessions[row].take(parts[row][turn])])
        for row in rows:
            found[row].append(sessions[row].last)
    return [*found]


@torch.inference_mode()
def _ask(sessions: Sequence[ExchangeSession]) -> None:
    """Read what each has taken, and put the question on a fork."""
    if not sessions:
        return
    for session in sessions:
        while len(session.unread) > PASS_TOKENS:
            _pass([session], [session.unread[:PASS_TOKENS]], forked=0)
            session.unread = session.unread[PASS_TOKENS:]
    rows = [[*session.unread, *session.closing] for session in sessions]
    final = _pass(sessions, rows, forked=len(sessions[0].closing))
    ends = torch.tensor([len(row) - 1 for row in rows])
    logits = sessions[0].head.read(final[torch.arange(len(rows)), ends])
    for session, logit in zip(sessions, logits.tolist(), strict=True):
        session.unread, session.last = [], logit


def _pass(sessions: Sequence[ExchangeSession], rows: Sequence[Sequence[int]], *, forked: int) -> Tensor:
    """Final hidden states of new tokens, (batch, new, hidden)."""
    backbone, head = sessions[0].backbone, sessions[0].head
    ids, _ = pad_right(rows)
    counts = [len(row) for row in rows]
    hidden = backbone.embed(ids.to(backbone.device))
    hidden = read_on(backbone.trunk, hidden, [session.trunk for session in sessions], counts, forked=forked)
    hidden = hidden.to(next(head.top.parameters()))
    return read_on(head.top, hidden, [session.top for session in sessions], counts, forked=forked)
