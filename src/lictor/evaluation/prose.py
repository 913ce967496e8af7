"""Write facts down as an answer: in some order and layout, with words between them.

In: facts and a random generator. Out: a text that knows where each value stands. Knows no question or model.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lictor.evaluation.questions import SLOT, Fact
from lictor.evaluation.spans import ValueSpan

_INTROS = (
    "",
    "",
    "Of course. ",
    "Happy to help. ",
    "Here is what you need.\n\n",
    "Sure, in full:\n\n",
    "Good question; it is simpler than it looks. ",
    "Let me go through it from the start.\n\n",
)
_CONNECTIVES = ("Then", "Next", "After that", "Also", "Keep in mind:", "From there", "One more point:", "And")
_HEADINGS = ("The essentials", "In practice", "Details", "What to watch", "The rest")
_LEADING = {"the", "a", "an", "use", "expect", "ask", "order", "dig", "go", "leave", "sand", "one", "you", "it", "most"}
_CLOSINGS = ("", "", " That is all of it.", "\n\nLet me know how it goes.", "\n\nAsk if any step is unclear.")


class Prose(NamedTuple):
    """An answer in plain words, and where the facts' values stand in it."""

    text: str
    facts: tuple[ValueSpan, ...]


def compose(facts: Sequence[Fact], rng: np.random.Generator) -> Prose:
    """All of `facts`, each once, as a paragraph, a list, numbered steps or headed sections."""
    ordered = [facts[int(index)] for index in rng.permutation(len(facts))] if rng.random() < 0.5 else list(facts)
    layout = ("paragraph", "bullets", "numbers", "headings")[int(rng.integers(4))]
    text = _INTROS[int(rng.integers(len(_INTROS)))]
    spans: list[ValueSpan] = []
    for index, fact in enumerate(ordered):
        text += _lead(layout, index, text, rng)
        before, after = _halves(fact, layout, index, rng)
        start = len(text) + len(before)
        spans.append(ValueSpan(fact.id, start, start + len(fact.value)))
        text += before + fact.value + after
    return Prose(text + _CLOSINGS[int(rng.integers(len(_CLOSINGS)))], tuple(spans))


def _halves(fact: Fact, layout: str, index: int, rng: np.random.Generator) -> tuple[str, str]:
    """What stands before and after the value: one phrasing, perhaps after a connective."""
    before, _, after = fact.say[int(rng.integers(len(fact.say)))].partition(SLOT)
    if layout in ("paragraph", "headings") and index > 0 and rng.random() < 0.4:
        word = before.partition(" ")[0]
        lowered = before[:1].lower() + before[1:] if word.lower() in _LEADING else before
        before = f"{_CONNECTIVES[int(rng.integers(len(_CONNECTIVES)))]} {lowered}"
    return before, after if (after or fact.value).endswith((".", "!", "?")) else after + "."


def _lead(layout: str, index: int, so_far: str, rng: np.random.Generator) -> str:
    """What separates a fact from the text before it."""
    newline = "" if not so_far or so_far.endswith("\n") else "\n"
    match layout:
        case "bullets":
            return f"{newline}- "
        case "numbers":
            return f"{newline}{index + 1}. "
        case "headings" if index % 4 == 0:
            gap = newline * 2
            return f"{gap}## {_HEADINGS[min(index // 4, len(_HEADINGS) - 1)]}\n\n"
        case _:
            opened = not so_far or so_far.endswith((" ", "\n"))
            return "" if opened else ("\n\n" if rng.random() < 0.15 else " ")
