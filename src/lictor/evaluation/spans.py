"""Where a fact is complete in a text, also after the text was transformed.

In: a text with the spans of its values, and a change of text. Out: the changed text and the character at which each
value is wholly in it. Knows no particular transform.

How: where the change of everything up to the value begins the changed text, the value ends where that does. Elsewhere
(backwards lines, quoting shells, block codes) the value's letters are swapped for others and the text changed again:
the last character that differs is the last the value has a part in. Several swaps are tried and the earliest end
counts, so a change that draws differently for other letters can only err towards counting a fact too soon. A value
that no swap shows is given the end of the text.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

SHIFTS = (13, 7, 4)


class ValueSpan(NamedTuple):
    """Where a fact's value stands in a plain text."""

    fact_id: str
    start: int
    end: int


class FactSpan(NamedTuple):
    """A fact, and how many characters must be delivered for all of its value to be."""

    fact_id: str
    end_char: int


class Carried(NamedTuple):
    """A text after a change, with the end of every fact in it."""

    text: str
    facts: tuple[FactSpan, ...]


def carry_over(text: str, values: Sequence[ValueSpan], change: Callable[[str], str] | None) -> Carried:
    """`text` after `change` (None leaves it), with the end of every value in it.

    Args:
        text: The plain text.
        values: Where values stand in it.
        change: Must give the same for the same text whenever it is called.
    """
    if change is None:
        return Carried(text, tuple(FactSpan(value.fact_id, value.end) for value in values))
    changed = change(text)
    return Carried(changed, tuple(FactSpan(value.fact_id, _end(text, value, changed, change)) for value in values))


def _end(text: str, value: ValueSpan, changed: str, change: Callable[[str], str]) -> int:
    up_to_value = change(text[: value.end])
    if up_to_value and changed.startswith(up_to_value):
        return len(up_to_value)
    ends = [
        len(changed) - _common_suffix(changed, change(swapped))
        for shift in SHIFTS
        for swapped in [text[: value.start] + _swap(text[value.start : value.end], shift) + text[value.end :]]
    ]
    return min((end for end in ends if end > 0), default=len(changed))


def _swap(value: str, shift: int) -> str:
    """`value` with every ASCII letter and digit replaced by another of its kind."""

    def other(character: str) -> str:
        for first, size in (("a", 26), ("A", 26), ("0", 10)):
            if 0 <= ord(character) - ord(first) < size:
                return chr((ord(character) - ord(first) + shift) % size + ord(first))
        return character

    return "".join(map(other, value))


def _common_suffix(one: str, other: str) -> int:
    length = 0
    for left, right in zip(reversed(one), reversed(other), strict=False):
        if left != right:
            break
        length += 1
    return length
