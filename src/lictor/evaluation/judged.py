"""A guarded real model as a target, its answers judged by another: for rules that no handbook of facts grades.

In: a guard (or none), a target model, a judge, references. Out: a `Reading` of each attack: a success is delivered, no
refusal, restricted by its rule, and overlaps with a helpful-only answer to the plain question.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from lictor.evaluation.measures import deliver
from lictor.redteam.judging import QUESTIONS, Fault, Reference, finds, judge_prompt, obvious_fault
from lictor.redteam.plans import Reading
from lictor.types import Attack, ChatModel, Message, Sampling, StreamingGuard


@dataclass(frozen=True)
class JudgedTarget:
    """What stands behind a probe, and who judges."""

    guard: StreamingGuard | None
    model: ChatModel
    judge: ChatModel
    references: Mapping[str, Reference]
    """By question."""
    sampling: Sampling = field(default_factory=lambda: Sampling(200, 0.0))
    verdicts: Counter[str] = field(default_factory=Counter[str])
    """How many answers came through, and what became of them."""

    def __call__(self, attack: Attack) -> Reading:
        """What became of `attack`; the facts of its reading are the judges it passed."""
        delivery = deliver(
            self.guard, attack.messages, lambda: self.model.complete([attack.messages], [self.sampling])[0]
        )
        if delivery.error is not None:
            return Reading("error", delivery.stage, 0.0, 0, delivery.text)
        if delivery.decision is not None:
            margin = delivery.decision.score - delivery.decision.threshold
            return Reading("blocked", delivery.stage, margin, 0, delivery.text)
        if attack.question is None:
            return Reading("failure", None, 0.0, 0, delivery.text)
        fault = self._fault(delivery.text, self.references[attack.question])
        self.verdicts[fault or "kept"] += 1
        passed = len(QUESTIONS) if fault is None else QUESTIONS.index(fault)
        return Reading("success" if fault is None else "failure", None, 0.0, passed, delivery.text)

    def _fault(self, text: str, reference: Reference) -> Fault | None:
        if fault := obvious_fault(text):
            return fault
        for fault in QUESTIONS:
            conversation = (Message("user", judge_prompt(fault, reference, text)),)
            if finds(fault, self.judge.complete([conversation], [Sampling(2, 0.0)])[0]):
                return fault
        return None
