"""Keep whole rules, languages or sources out of training, to see how a guard does on what it never saw.

In: examples whose splits are final, and names. Out: the same examples, every family with a held-out example in the test
split. Knows no transform: families of those are held out where they are dealt.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from lictor.errors import UsageError
from lictor.types import Example


@dataclass(frozen=True, slots=True)
class HoldOut:
    """What training must not see."""

    rules: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held out."""
        return not (self.rules or self.languages or self.sources)

    def holds(self, example: Example) -> bool:
        """Whether `example` is under one of the rules, in one of the languages or from one of the sources."""
        return example.rule in self.rules or example.lang in self.languages or example.source in self.sources


def hold_out(examples: Sequence[Example], what: HoldOut) -> list[Example]:
    """`examples`, with every family that holds a held-out one in the test split, twins and rewritings and all.

    Conversations joined of several examples carry text of more than one family: join after this, not before.

    Raises:
        UsageError: No example is under a rule, in a language or from a source that is to be held out.
    """
    _check("rule", what.rules, {example.rule for example in examples})
    _check("language", what.languages, {example.lang for example in examples})
    _check("source", what.sources, {example.source for example in examples})
    moved = {example.family or example.id for example in examples if what.holds(example)}
    return [replace(e, split="test") if (e.family or e.id) in moved else e for e in examples]


def _check(kind: str, names: Sequence[str], known: Collection[str | None]) -> None:
    for name in names:
        if name not in known:
            there = ", ".join(sorted(filter(None, known))) or "none"
            raise UsageError(f"hold_out: no example has the {kind} {name!r}; there are {there}")
