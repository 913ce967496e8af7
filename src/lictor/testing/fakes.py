"""Public fakes: a tokenizer and scorers that say what a test tells them to, and record what they read.

In: functions of text. Out: objects that follow the protocols of types.py. Knows no model.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from lictor.types import Context, Conversation, Message, Token, Tokenizer

_CODE = 0x110001
_BYTE = _CODE**5

ScoreToken = Callable[[str, int], float]
"""Logit of a token from its text and its place in the stream."""


class PieceTokenizer:
    """Cuts a segment into pieces of 1 to 4 characters, the length of each given by its first character.

    With `bytewise`, a character outside ASCII becomes one token for each of its UTF-8 bytes, all ending at the
    character's end, as byte-level tokenizers do it.
    """

    def __init__(self, *, bytewise: bool = False) -> None:
        self._bytewise = bytewise

    def encode(self, segment: str) -> list[Token]:
        """Tokens of `segment`; `piece_text` tells what an id stands for."""
        tokens: list[Token] = []
        start = 0
        while start < len(segment):
            if self._bytewise and not segment[start].isascii():
                tokens += [Token(_BYTE + byte, start + 1) for byte in segment[start].encode()]
                start += 1
                continue
            end = min(len(segment), start + 1 + ord(segment[start]) % 4)
            if self._bytewise:
                end = next((at for at in range(start + 1, end) if not segment[at].isascii()), end)
            tokens.append(Token(_piece_id(segment[start:end]), end))
            start = end
        return tokens


def piece_text(token_id: int) -> str:
    """The text of a PieceTokenizer's token; `<xx>` for a byte."""
    if token_id >= _BYTE:
        return f"<{token_id - _BYTE:02x}>"
    text = ""
    while token_id:
        token_id, code = divmod(token_id, _CODE)
        text = chr(code - 1) + text
    return text


@dataclass
class FakeSession:
    """A scoring session that records what it read."""

    score_token: ScoreToken
    before_call: Callable[[], None]
    read: list[str] = field(default_factory=list[str])
    """Text of every token scored, in order."""
    batches: list[int] = field(default_factory=list[int])
    """Tokens in each call."""

    def catch_up(self, token_ids: Sequence[int]) -> None:
        """Read tokens without scoring them."""
        self.read += map(piece_text, token_ids)

    def score(self, token_ids: Sequence[int]) -> list[float]:
        """One logit per token, from the function the scorer was made with."""
        self.before_call()
        self.batches.append(len(token_ids))
        logits: list[float] = []
        for token_id in token_ids:
            text = piece_text(token_id)
            logits.append(self.score_token(text, len(self.read)))
            self.read.append(text)
        return logits


class FakeStreamScorer:
    """A StreamScorer, or an ExchangeScorer, whose logits are a function of token text and place.

    Args:
        score_token: The function.
        fail_at: Number of the call to `score`, over all sessions and from 0, that raises `error`.
        error: What that call raises.
    """

    def __init__(
        self,
        score_token: ScoreToken,
        *,
        tokenizer: Tokenizer | None = None,
        context: Context = "answer",
        fail_at: int | None = None,
        error: Exception | None = None,
    ) -> None:
        self._score_token = score_token
        self._fail_at = fail_at
        self._error = error
        self.tokenizer: Tokenizer = tokenizer or PieceTokenizer()
        self.context: Context = context
        self.sessions: list[FakeSession] = []
        self.opened_for: list[Conversation] = []
        self.calls = 0

    def open(self, conversation: Conversation) -> FakeSession:
        """A session; it stays in `sessions`."""
        session = FakeSession(self._score_token, self._count_call)
        self.sessions.append(session)
        self.opened_for.append(conversation)
        return session

    def _count_call(self) -> None:
        self.calls += 1
        if self._error is not None and self.calls - 1 == self._fail_at:
            raise self._error


class KeywordStreamScorer(FakeStreamScorer):
    """A StreamScorer that gives 10 from the token on that completes one of `words`, and -10 before it."""

    def __init__(self, *words: str, tokenizer: Tokenizer | None = None) -> None:
        super().__init__(lambda _text, _place: 0.0, tokenizer=tokenizer)
        self._words = words

    def open(self, conversation: Conversation) -> FakeSession:
        """A session; it stays in `sessions`."""
        session = super().open(conversation)

        def score_token(text: str, _place: int) -> float:
            read = "".join(session.read) + text
            return 10.0 if any(word in read for word in self._words) else -10.0

        session.score_token = score_token
        return session


class FakeInputScorer:
    """An InputScorer whose logit is a function of the conversation; an exception it returns is raised."""

    def __init__(self, score_conversation: Callable[[Conversation], float | Exception]) -> None:
        self._score_conversation = score_conversation
        self.read: list[Conversation] = []

    def score(self, conversation: Conversation) -> float:
        """The logit, or the exception."""
        self.read.append(conversation)
        result = self._score_conversation(conversation)
        if isinstance(result, Exception):
            raise result
        return result


class KeywordInputScorer(FakeInputScorer):
    """An InputScorer that gives 10 where the conversation contains one of `words`, and -10 elsewhere."""

    def __init__(self, *words: str) -> None:
        def score(conversation: Conversation) -> float:
            return 10.0 if any(word in message.content for message in conversation for word in words) else -10.0

        super().__init__(score)


def ask(question: str) -> Conversation:
    """A conversation of one user turn."""
    return (Message("user", question),)


def cut_text(text: str, sizes: Iterable[int]) -> Iterator[str]:
    """`text` in chunks of the given sizes, which repeat; sizes below 1 count as empty chunks."""
    rounds = list(sizes) or [len(text) or 1]
    if max(rounds) < 1:
        rounds.append(1)
    start = turn = 0
    while start < len(text):
        size = max(0, rounds[turn % len(rounds)])
        yield text[start : start + size]
        start += size
        turn += 1


def _piece_id(piece: str) -> int:
    number = 0
    for char in piece:
        number = number * _CODE + ord(char) + 1
    return number
