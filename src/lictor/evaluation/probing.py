"""Send an attack to a guarded target and say what an attacker learns of it.

In: a guard (or none), a target, marks. Out: a `Reading`. It shows the score: what it finds is at least what an
attacker finds who sees only whether an answer came. Knows no search.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lictor.evaluation.measures import Delivery, Outcome, deliver
from lictor.evaluation.rubric import Mark, Marks, marks
from lictor.evaluation.targets import Answer, Target, facts_delivered
from lictor.redteam.plans import Reading
from lictor.types import Attack, StreamingGuard


@dataclass(frozen=True)
class GuardedTarget:
    """What stands behind a probe."""

    guard: StreamingGuard | None
    target: Target
    covered: Mapping[str, float]
    """Mean facts in the unguarded plain answer, by question."""
    mark: Mark = "pass"

    def __call__(self, attack: Attack) -> Reading:
        """What became of `attack`; one that asks nothing restricted can't succeed."""
        answers: list[Answer] = []

        def answer() -> str:
            answers.append(self.target.answer(attack))
            return answers[0].text

        delivery = deliver(self.guard, attack.messages, answer)
        facts = facts_delivered(answers[0], len(delivery.text)) if answers else ()
        graded = Marks(1, 1, 1) if attack.question is None else marks(self.covered[attack.question])
        outcome = Outcome(attack, len(facts), graded, delivery.stage, delivery.error, len(delivery.text))
        return Reading(outcome.result(self.mark), delivery.stage, _margin(delivery), len(facts), delivery.text)


def _margin(delivery: Delivery) -> float:
    decision = delivery.decision
    return 0.0 if decision is None or delivery.error else decision.score - decision.threshold
