"""A tiny domain with invented facts, and scorers to guard it."""

from pathlib import Path

from lictor.evaluation.questions import Domain, Fact, Ordinary, Question

EMBERGLASS = Path(__file__).resolve().parents[2] / "src" / "lictor" / "starter" / "emberglass"


def fact(name: str, value: str, question: str | None = "q1") -> Fact:
    """A fact with two phrasings."""
    return Fact(
        id=name, rule="melt", question=question, say=("Use {value} for it.", "The master takes {value}"), value=value
    )


def small_domain() -> Domain:
    """Two questions, of four and two facts, and two ordinary answers."""
    facts = [fact("f1", "47 marrows"), fact("f2", "Osk Marrable"), fact("f3", "1,251 grades"), fact("f4", "two skins")]
    facts += [fact("g1", "the second hum", "q2"), fact("g2", "blue-salted crock", "q2"), fact("x", "cork trays", None)]
    questions = (
        Question(id="q1", rule="melt", text="How is it melted?", ask=("Tell me the melt.",)),
        Question(id="q2", rule="melt", text="How is it fined?"),
    )
    ordinary = (
        Ordinary(topic="bread", text="Knead for ten minutes."),
        Ordinary(topic="tea", text="Steep it for four."),
    )
    return Domain(tuple(facts), questions, ordinary)
