"""What can happen in an arena, as frozen rows that are written once and never changed.

In: values. Out: events, their JSON, and the `Entry` a log keeps of one. No event holds a word that a player or a
model wrote: those stand apart under the name that `words` gives them, so that they can be erased while the log stays.
"""

from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from lictor.arena.contest import Asked, Contest, Limits
from lictor.types import Stage

Phase = Literal["draft", "open", "paused", "closed"]
Role = Literal["player", "organiser"]
Outcome = Literal["released", "refused", "halted", "error", "left", "interrupted"]
"""How a turn ended. `left`: the player's connection went; `interrupted`: the server was stopped."""
Kind = Literal["report", "level", "universal"]
GradeStatus = Literal["ok", "refused", "error"]


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Created(_Event):
    """The arena was set up."""

    kind: Literal["created"] = "created"
    contest: Contest


class PhaseSet(_Event):
    """An organiser opened, paused or closed the arena."""

    kind: Literal["phase"] = "phase"
    phase: Phase
    reason: str = ""


class LimitsSet(_Event):
    """An organiser changed the limits."""

    kind: Literal["limits"] = "limits"
    limits: Limits


class QuestionsSet(_Event):
    """The marks of the questions changed, with what grades them."""

    kind: Literal["questions"] = "questions"
    questions: tuple[Asked, ...]
    run: str = ""
    """The regrading it was made for."""


class Invited(_Event):
    """An organiser made an invitation; its sha256 is kept, not the invitation."""

    kind: Literal["invited"] = "invited"
    invitation: str
    role: Role
    label: str = ""


class Started(_Event):
    """A server began to serve the arena."""

    kind: Literal["started"] = "started"
    guard: str
    target: str
    domain: str


class Joined(_Event):
    """Somebody signed up and accepted the terms."""

    kind: Literal["joined"] = "joined"
    player: str
    role: Role
    terms: str
    """sha256 of the terms accepted."""
    consent: bool
    """Whether successes may be used to train guards."""
    invitation: str | None = None


class ConsentSet(_Event):
    """A player gave or withdrew consent to training."""

    kind: Literal["consent"] = "consent"
    player: str
    consent: bool


class Surveyed(_Event):
    """A player said how many hours they spent."""

    kind: Literal["surveyed"] = "surveyed"
    player: str
    hours: float = Field(ge=0)


class Erased(_Event):
    """A player's account and words were erased."""

    kind: Literal["erased"] = "erased"
    player: str


class Opened(_Event):
    """A conversation began."""

    kind: Literal["opened"] = "opened"
    conversation: str
    player: str
    attempt: str = ""
    """The universal attempt it is a part of."""
    question: str = ""
    """What the attempt asks in it."""
    base: str = ""
    """The conversation it branches off from."""
    kept: int = Field(default=0, ge=0)
    """How many turns it shares with that one, from the first."""
    has_system: bool = False
    """Whether the player wrote a system prompt; its words are `words(conversation, "system")`."""


class Sent(_Event):
    """A player's message was taken; its words are `words(turn, "sent")`."""

    kind: Literal["sent"] = "sent"
    turn: str
    conversation: str
    chars: int


class Answered(_Event):
    """A turn ended; the words delivered are `words(turn, "delivered")`."""

    kind: Literal["answered"] = "answered"
    turn: str
    conversation: str
    outcome: Outcome
    stage: Stage | None = None
    score: float | None = None
    threshold: float | None = None
    token_index: int | None = None
    view: str | None = None
    reason: str | None = None
    guard: str = ""
    """Version of the guard."""
    facts: tuple[str, ...] = ()
    """Rubric facts whose value was delivered."""
    fed: tuple[str, ...] = ()
    """Rubric facts whose value the player's own message gave."""
    chars: int = 0
    seconds: float = 0.0


class Submitted(_Event):
    """A player submitted: answers are `words(submission, question)`, the strategy `words(submission, "strategy")`."""

    kind: Literal["submitted"] = "submitted"
    submission: str
    player: str
    form: Kind
    questions: tuple[str, ...]
    conversations: tuple[str, ...]
    strategies: tuple[str, ...] = ()
    """What the player says was used."""
    suggested: tuple[str, ...] = ()
    """What the player's messages look like."""
    parent: str | None = None
    """The report this one resubmits."""


class Evidence(_Event):
    """Why one rubric point counts or does not."""

    point: str
    given: bool
    why: str
    """A fact's turn of delivery, or the quotation a judge relied on."""


class Graded(_Event):
    """One answer was graded."""

    kind: Literal["graded"] = "graded"
    submission: str
    question: str
    run: str = ""
    """Empty for the first grading; the name of a later regrading."""
    is_second: bool = False
    """A second opinion, for agreement only."""
    grader: str
    version: str
    """Of the grader: its rubric, prompts and code."""
    points: int
    status: GradeStatus = "ok"
    answers_it: bool | None = None
    """A final check by a judge; None where there is none."""
    evidence: tuple[Evidence, ...] = ()
    suspicious: tuple[str, ...] = ()
    """Passages that speak to the grader."""


class Reviewed(_Event):
    """An organiser set the verdict on one answer."""

    kind: Literal["reviewed"] = "reviewed"
    submission: str
    question: str
    points: int = Field(ge=0)
    reason: str = Field(min_length=1)


Event = Annotated[
    Created
    | PhaseSet
    | LimitsSet
    | QuestionsSet
    | Invited
    | Started
    | Joined
    | ConsentSet
    | Surveyed
    | Erased
    | Opened
    | Sent
    | Answered
    | Submitted
    | Graded
    | Reviewed,
    Field(discriminator="kind"),
]
AUDITED = ("created", "phase", "limits", "questions", "invited", "reviewed", "erased", "started")
"""Kinds that an organiser or a server caused, for the audit page."""


class Entry(NamedTuple):
    """One line of the log."""

    seq: int
    at: float
    """Seconds since 1970, UTC."""
    actor: str
    """Id of who did it; `server` and `cli` for what nobody did on a page."""
    event: Event


def to_json(event: Event) -> str:
    """The event as canonical JSON."""
    return event.model_dump_json()


def codec() -> TypeAdapter[Event]:
    """What reads events back; it refuses kinds and fields it does not know."""
    return TypeAdapter[Event](Event)


def words(owner: str, part: str) -> str:
    """The name under which words stand apart from the log."""
    return f"{owner}/{part}"
