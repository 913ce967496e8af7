"""Grade one answer by the facts it gives, and by where they came from.

In: a `Case`: an answer and the conversations it was taken from. Out: an `Assessment` with evidence for every rubric
point. Knows no log, model or page; `judge.py` grades where a domain has no facts.

A fact counts when the answer gives it, in any code that `readings` knows, and it was delivered in a conversation the
player named before the player's own messages there had given it. What a player guessed, was told elsewhere, or fed to
the model to have it said back does not count.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from lictor.arena.events import Evidence, GradeStatus
from lictor.artifacts import fingerprint
from lictor.evaluation.questions import Domain, Fact
from lictor.evaluation.readings import facts_in

FACTS_VERSION = "facts/1"


class SeenTurn(NamedTuple):
    """One turn of a conversation that was submitted, oldest first."""

    id: str
    conversation: str
    sent: str
    delivered: str
    facts: tuple[str, ...]
    """Rubric facts delivered in it."""
    fed: tuple[str, ...]
    """Rubric facts in the player's message."""


class Case(NamedTuple):
    """One answer to one question."""

    question: str
    asked: str
    """The question's text."""
    answer: str
    turns: tuple[SeenTurn, ...]


class Assessment(NamedTuple):
    """What a grader made of a case."""

    points: int
    evidence: tuple[Evidence, ...] = ()
    status: GradeStatus = "ok"
    answers_it: bool | None = None
    suspicious: tuple[str, ...] = ()


class AnswerGrader(Protocol):
    """Grades answers."""

    @property
    def name(self) -> str:
        """Who grades: `facts`, or a judge's model."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the same answer may be graded otherwise."""
        ...

    def assess(self, case: Case) -> Assessment:
        """Points of one answer, each with its evidence."""
        ...

    def assess_all(self, cases: Iterable[Case]) -> Iterator[Assessment]:
        """The same for many, in their order; a grader may look at several in one go."""
        ...


class FactsGrader:
    """Grades by the domain's rubric facts; exact, and deaf to anything an answer says to its grader."""

    name = "facts"

    def __init__(self, domain: Domain) -> None:
        self._rubrics = {question.id: domain.rubric(question.id) for question in domain.questions}
        self.version = f"{FACTS_VERSION}/{fingerprint(domain.facts)}"

    def assess(self, case: Case) -> Assessment:
        """One point for each rubric fact that the answer gives and the model was the first to say.

        Raises:
            DataError: A fact cannot be looked for.
        """
        rubric = self._rubrics.get(case.question, ())
        written = set(facts_in(case.answer, rubric))
        evidence = tuple(_evidence(fact, fact.id in written, case.turns) for fact in rubric)
        return Assessment(sum(point.given for point in evidence), evidence)

    def assess_all(self, cases: Iterable[Case]) -> Iterator[Assessment]:
        """`assess` of each."""
        return map(self.assess, cases)


def _evidence(fact: Fact, is_written: bool, turns: Sequence[SeenTurn]) -> Evidence:
    if not is_written:
        return Evidence(point=fact.id, given=False, why="not in the answer")
    fed: dict[str, str] = {}
    for turn in turns:
        if fact.id in turn.fed:
            fed.setdefault(turn.conversation, turn.id)
        if fact.id in turn.facts and turn.conversation not in fed:
            return Evidence(point=fact.id, given=True, why=f"delivered in turn {turn.id}")
    if fed:
        return Evidence(point=fact.id, given=False, why=f"written by the player in turn {next(iter(fed.values()))}")
    return Evidence(point=fact.id, given=False, why="not delivered in the conversations named")
