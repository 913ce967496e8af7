"""The frozen vocabulary: what a conversation, an example, an event, a decision and a policy are.

In: nothing. Out: dataclasses and protocols every folder shares. Knows no file, model or clock.
"""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

Role = Literal["system", "user", "assistant", "tool"]
Bucket = Literal["restricted", "same_domain", "harmful_elsewhere", "everyday"]
Split = Literal["train", "validation", "calibration", "test"]
Stage = Literal["input", "output"]
Action = Literal["allow", "block", "flag"]
Status = Literal["ok", "error"]
Context = Literal["answer", "conversation"]
"""What a StreamScorer reads: the answer alone, or the conversation before it too."""
ScorerName = Literal["stream", "exchange"]
"""Who reads answers: the stream scorer every one, the exchange scorer those that are escalated to it."""

PERMITTED_BUCKETS: tuple[Bucket, ...] = ("same_domain", "harmful_elsewhere", "everyday")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation, as plain text."""

    role: Role
    content: str


Conversation = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled conversation. It ends with a user turn (a prompt) or an assistant turn (an answer)."""

    id: str
    constitution: str
    """Fingerprint of the constitution the labels belong to."""
    messages: Conversation
    prompt_label: int | None
    """1 = the conversation up to the last user turn asks for something restricted, 0 = permitted, None = unknown."""
    answer_label: int | None
    """1 = the last assistant turn gives something restricted, 0 = it does not, None = there is none."""
    rule: str | None
    """Id of the rule it was made for: a restricted rule, or a permitted one."""
    source: str
    """Where it came from: `synthesis`, `pool:<name>`, ..."""
    generator: str = ""
    onset_char: int | None = None
    """Index in the last answer of the first restricted character, where known."""
    lang: str = "en"
    transforms: tuple[str, ...] = ()
    parent: str | None = None
    """Id of the example it was derived from: its query, its twin, its plain form."""
    family: str = ""
    """Examples of one family (an ask, its twin, their rewritings) never stand on both sides of a split."""
    split: Split = "train"

    @property
    def answer(self) -> str | None:
        """The last assistant turn, or None for a prompt."""
        last = self.messages[-1]
        return last.content if last.role == "assistant" else None

    @property
    def prompt(self) -> Conversation:
        """The conversation up to and including the last user turn."""
        return self.messages[:-1] if self.messages[-1].role == "assistant" else self.messages


# --- scoring ---------------------------------------------------------------------------------------------


class Token(NamedTuple):
    """One token of a scorer's tokenizer, and the character of its segment where it ends."""

    id: int
    end: int


class Tokenizer(Protocol):
    """Turns one segment of text (guard/tokens.py cuts them) into tokens, independently of its neighbours."""

    def encode(self, segment: str) -> Sequence[Token]:
        """Tokens of `segment` in order. `end` never decreases; the last one equals `len(segment)`."""
        ...


class ScoringSession(Protocol):
    """One stream being read by a StreamScorer; it keeps its own state, so nothing is rescanned."""

    def score(self, token_ids: Sequence[int]) -> Sequence[float]:
        """One logit of restrictedness per token, reading on from where the last call ended.

        Raises:
            ScoringError: The scorer failed; the session is of no further use.
        """
        ...


class InputScorer(Protocol):
    """Gives the logit that the conversation so far asks for something restricted."""

    def score(self, conversation: Conversation) -> float:
        """Logit of restrictedness of `conversation`, which ends with a user turn.

        Raises:
            ScoringError: The scorer failed, or the conversation is too long for it.
        """
        ...


class StreamScorer(Protocol):
    """Gives a logit of restrictedness on every token of an answer."""

    @property
    def context(self) -> Context:
        """What it reads before the answer."""
        ...

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer whose token ids `score` takes."""
        ...

    def open(self, conversation: Conversation) -> ScoringSession:
        """A fresh session for the answer to `conversation`."""
        ...


class ExchangeSession(ScoringSession, Protocol):
    """One answer being read by an exchange scorer, which may come to it late."""

    def catch_up(self, token_ids: Sequence[int]) -> None:
        """Read tokens whose scores nobody waits for any more; `score` reads on from their end.

        Raises:
            ScoringError: As `score`.
        """
        ...


class ExchangeScorer(Protocol):
    """A StreamScorer that reads an answer in its conversation, from the beginning or from later on."""

    @property
    def context(self) -> Context:
        """What it reads before the answer."""
        ...

    @property
    def tokenizer(self) -> Tokenizer:
        """That of the stream scorer beside it."""
        ...

    def open(self, conversation: Conversation) -> ExchangeSession:
        """A fresh session for the answer to `conversation`.

        Raises:
            ScoringError: The conversation is too long for it.
        """
        ...


UNREADABLE = "unreadable"
"""Reason of a block that no score decided: the text cannot be read, and the policy blocks what cannot."""


# --- policy and decisions --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Policy:
    """Thresholds, hold-back and failure mode, with what they were fitted on."""

    input_threshold: float
    """Logit at or above which a prompt is refused."""
    output_threshold: float
    """Logit at or above which an answer token counts towards a halt."""
    stride: int = 16
    """Answer tokens scored in one forward pass."""
    warmup: tuple[int, ...] = (1, 8)
    """How many answer tokens may leave before a whole stride can: a batch also ends `hold_back` tokens after each."""
    hold_back: int = 0
    """Answer tokens that stay behind those cleared last, until more are cleared or the answer ends: what a halt that
    comes a little late still keeps in."""
    debounce: int = 2
    """Consecutive answer tokens at or over the threshold that halt a stream."""
    prompt_weight: float = 0.0
    """What each logit of the prompt's score above `prompt_floor` adds to every logit of its answer; at least 0."""
    prompt_floor: float = 0.0
    """The prompt's logit up to which it adds nothing."""
    cascade: "Cascade | None" = None
    """When an answer is escalated to the exchange scorer, and what that weighs; None where there is none."""
    on_error: Literal["closed", "open"] = "closed"
    unreadable: Literal["block", "pass"] = "pass"
    """What becomes of text that neither the scorers nor a view can read; see guard/legible.py. With `block`, it is
    blocked for the reason `UNREADABLE`."""
    enforcement: Literal["block", "monitor"] = "block"
    fitted_on: Mapping[str, object] = field(default_factory=dict[str, object])
    """Budget, confidence, sizes of the splits, upper bound reached, per source."""


@dataclass(frozen=True, slots=True)
class Cascade:
    """When an answer is escalated, and how both scorers' logits make one."""

    prompt_escalation: float
    """Logit of the prompt at or above which its whole answer is escalated."""
    answer_escalation: float
    """Logit of an answer token, given by the stream scorer, at or above which the answer is escalated from there on."""
    weight: float
    """The exchange scorer's part in the score of an escalated token, in 0..1; the rest is the stream scorer's."""
    scale: float
    """What brings a logit of the exchange scorer to the stream scorer's scale: it is multiplied by this,"""
    shift: float
    """and then this is added."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The record of one verdict."""

    action: Action
    stage: Stage | None
    """Which stage spoke; None when every stage passed."""
    rule: str | None
    score: float
    """The logit that decided: the highest seen at the deciding stage."""
    threshold: float
    token_index: int | None = None
    """Index of the first answer token of the run that halted the stream."""
    view: str | None = None
    """Name of the view whose reading decided; None for the text itself."""
    status: Status = "ok"
    reason: str | None = None
    """Type of the error when `status` is `error`, for example `scorer_failed` or `conversation_too_long`; or
    `UNREADABLE`, where that is what was blocked. None where the score decided."""
    escalated: bool = False
    """Whether the exchange scorer read any of the answer."""
    would_block: bool = False
    """True when `enforcement` is `monitor`, or `on_error` is `open`, and this would have been a block."""
    guard_version: str = ""

    @property
    def error(self) -> str | None:
        """Type of the error, where `status` is `error`."""
        return self.reason if self.status == "error" else None

    @property
    def p_harm(self) -> float:
        """`score` as a probability in 0..1."""
        from math import exp

        return 1 / (1 + exp(-max(min(self.score, 60.0), -60.0)))


# --- events ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Released:
    """Text that may leave. Only scoring makes one."""

    text: str


@dataclass(frozen=True, slots=True)
class Halted:
    """The stream is over: nothing more of it may leave."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class Refused:
    """The prompt is refused before anything was generated."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Token ids the driver must have scored, in order, by the session of `view` (None = the text itself)."""

    view: str | None
    token_ids: tuple[int, ...]
    ends: tuple[int, ...] = ()
    """Where each token of the text itself ends, in characters of the answer; empty for views."""
    scorer: ScorerName = "stream"
    """Whose session."""
    said: tuple[int, ...] = ()
    """Tokens before these, to be read by the session first and not scored: the exchange scorer comes to them late."""


StreamEvent = Released | Halted
GuardEvent = Released | Halted | Refused


class StreamingGuard(Protocol):
    """What red-teaming, evaluation and servers need of a guard."""

    def check(self, conversation: Conversation) -> Decision:
        """Verdict on a whole conversation: its prompt, and its answer if it ends with one."""
        ...

    def stream(self, conversation: Conversation, chunks: Iterable[str]) -> Iterator[GuardEvent]:
        """Screen the prompt, then let the answer's chunks through as they are cleared."""
        ...

    def astream(self, conversation: Conversation, chunks: AsyncIterable[str]) -> AsyncIterator[GuardEvent]:
        """`stream` for asynchronous chunks, over the same decision function."""
        ...


# --- attacks ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attack:
    """One attempt, restricted or (for wrapper-matched requests) permitted."""

    id: str
    question: str | None
    """Id of the target question; None for a permitted request."""
    messages: Conversation
    """What is sent to the guard."""
    output_chain: tuple[str, ...]
    """Answer-side transforms it asks the target to carry out."""
    strategy: str
    family: str = ""
    """Wrapper family, for tables."""
    request: str | None = None
    """What a permitted request is about; an ordinary topic gets the answer that belongs to it."""


# --- chat models -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a chat model is to sample."""

    max_tokens: int = 256
    temperature: float = 0.7
    top_p: float = 0.95
    seed: int = 0


OnAnswer = Callable[[int, str], None]
"""Told of each answer as it is made: its place among those asked for, and its text."""


class ChatModel(Protocol):
    """A model that answers conversations: local weights, an endpoint, or a script."""

    @property
    def name(self) -> str:
        """Its reference and what pins its weights; part of every cache key."""
        ...

    def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[str]:
        """The answer in pieces as they are made."""
        ...

    def complete(
        self,
        conversations: Sequence[Conversation],
        sampling: Sequence[Sampling],
        *,
        on_answer: OnAnswer | None = None,
    ) -> list[str]:
        """Whole answers in the order asked, made in the order the model likes best.

        `on_answer` hears of each as soon as it is made, in the thread that asked.
        """
        ...
