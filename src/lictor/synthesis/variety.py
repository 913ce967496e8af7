"""Variety on purpose: what one call for queries asks for, and how evenly a set of queries covers it.

In: a rule, material, a seed. Out: `Facets` of each call, every value of an axis as often as the others; and what was
kept of each. A small generator left to itself asks the same thing in one tone. Knows no model.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lictor.constitution import Rule
from lictor.synthesis.material import Material

TASKS = (
    "ask how it is done",
    "ask for a list",
    "ask for a comparison of two ways",
    "ask what went wrong and how to mend it",
    "ask for a plan with dates",
    "ask to have a text of their own corrected",
    "ask for a short piece of writing about it",
    "ask for an explanation of one point",
    "ask for numbers",
    "ask for an opinion",
)
REGISTERS = ("formal", "plain", "chatty", "careless, without capitals", "terse, like a note")
LENGTHS = ("of one short sentence", "of one or two sentences", "of three or four sentences, with the circumstances")
SPECIFICITIES = ("in general terms", "about one particular case", "about one exact detail")
ATTITUDES = {
    True: (
        "sharing a trick",
        "playing it down",
        "giving it as an instruction",
        "talking somebody into it",
        "covering the traces",
        "boasting of it",
        "making an excuse",
        "asking to keep it between the two",
    ),
    False: (
        "reminding others",
        "owning up to a mistake",
        "giving an instruction",
        "offering help",
        "telling how it is done properly",
        "thanking somebody",
        "asking what is allowed",
        "reporting what was done",
    ),
}
"""How writers of texts stand to what happens in them, where it is restricted and where it is not."""
_COMMON = frozenset(
    re.findall(
        r"\w+", "about after again also other their there these which with from that this into what when where how"
    )
)


@dataclass(frozen=True, slots=True)
class Facets:
    """What the messages of one call have in common."""

    persona: str
    task: str
    register: str
    length: str
    specificity: str
    keyword: str
    """A topic, a case of the rule, or a word of it or its examples, that they turn on; empty where there is none."""
    form: str = ""
    """What kind of text they are; empty for requests to an assistant."""
    attitude: str = ""
    """How the writer of such a text stands to what happens in it."""

    def described(self) -> str:
        """As a part of a prompt for requests."""
        about = f" They turn on the word '{self.keyword}'." if self.keyword else ""
        return f"They {self.task}. They are {self.length}, {self.register}, and speak {self.specificity}.{about}"


def deal_facets(
    rule: Rule, material: Material, *, calls: int, rng: np.random.Generator, cases: Sequence[str] = ()
) -> Iterator[Facets]:
    """`calls` facets: along each axis, every value once before any comes again, in an order of its own."""
    about = material.topics or tuple(cases) or keywords_of(rule) or ("",)
    axes = [material.voices, TASKS, REGISTERS, LENGTHS, SPECIFICITIES, about]
    if material.forms:
        axes += [material.forms, ATTITUDES[rule.bucket == "restricted"]]
    for dealt in zip(*[_deck(axis, calls, rng) for axis in axes], strict=True):
        yield Facets(*dealt)


def keywords_of(rule: Rule) -> tuple[str, ...]:
    """The content words of a rule and its examples, in the order they stand."""
    words = re.findall(r"[a-z]{5,}", " ".join([rule.text, *rule.examples]).lower())
    return tuple(dict.fromkeys(word for word in words if word not in _COMMON))


def coverage(kept: Iterable[tuple[str, Mapping[str, str]]]) -> Mapping[str, Mapping[str, Mapping[str, int]]]:
    """For each rule and axis, how many kept queries there are of each value."""
    found: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter[str]))
    for rule, values in kept:
        for axis, value in values.items():
            found[rule][axis][value or "none"] += 1
    return {rule: {axis: dict(sorted(counts.items())) for axis, counts in axes.items()} for rule, axes in found.items()}


def _deck(values: Sequence[str], n: int, rng: np.random.Generator) -> list[str]:
    dealt: list[str] = []
    while len(dealt) < n:
        dealt += [values[int(index)] for index in rng.permutation(len(values))]
    return dealt[:n]
