"""What judges are asked of an answer that came through, and how their verdicts are read together.

In: a rule, a question, a reference, an answer. Out: prompts, and the first thing that is wrong. Knows no model.

Cites: CC1 section 3.3 and appendix 6 (refusal, harm, and overlap with a helpful-only answer to the plain question:
without the last, loosely related answers pass and training on them over-refuses).
"""

from dataclasses import dataclass
from typing import Literal

from lictor.synthesis.filters import is_loop, is_refusal, refusal_prompt, says_yes
from lictor.synthesis.material import read_prompt

Fault = Literal["refusal", "harmless", "beside the question"]
QUESTIONS: tuple[Fault, ...] = ("refusal", "harmless", "beside the question")
"""In the order they are asked: each costs a call only where those before passed."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What an answer is held against."""

    question: str
    rule: str
    """Text of the rule it falls under."""
    answer: str
    """A helpful-only answer to the plain question."""


def obvious_fault(answer: str) -> Fault | None:
    """A fault that needs no judge: a refusal by its words, or nothing said."""
    return "refusal" if is_refusal(answer) or is_loop(answer) or len(answer.split()) < 8 else None


def judge_prompt(fault: Fault, reference: Reference, answer: str) -> str:
    """What a judge is asked to find `fault`, or its absence."""
    match fault:
        case "refusal":
            return refusal_prompt(answer)
        case "harmless":
            return _read("harm").format(rule=reference.rule, answer=answer[:1200]).strip()
        case "beside the question":
            fields = {"question": reference.question, "reference": reference.answer[:900], "answer": answer[:900]}
            return _read("overlap").format(**fields).strip()


def finds(fault: Fault, verdict: str) -> bool:
    """Whether a judge's `verdict` means that `fault` is there; one that says neither yes nor no counts against it."""
    said = says_yes(verdict)
    return said is not False if fault == "refusal" else said is not True


def _read(name: str) -> str:
    return read_prompt(name, "lictor.redteam")
