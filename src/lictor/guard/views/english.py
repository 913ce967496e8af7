"""What English looks like to a view: its commonest words, and how often its letters occur.

In: a word, or letters counted. Out: whether the word is common, or how well the counts fit. Knows no view.
The letters of other languages in the Latin alphabet fit nearly as well; those of codes and random keys do not.
"""

from collections.abc import Sequence
from math import log

_WORDS = """
a about above add after again all almost also always am an and another answer any anything are around as ask at away
back be because been before being below best better between both bring but by call can cannot change clear close come
could day describe detail did different do does doing done down during each easy either else end enough even ever every
everything exactly example explain few find first follow following for four from full get give go going good great had
hand has have having he heat help her here high him his hold hours how however i if important in include information
into is it its just keep kind know large last later least left less let life like line list little long look made make
makes making many material may me mean might minutes more most much must my name need needed never new next no not
nothing now number of off often old on once one only open or order other our out over own part people place please
point possible process put question quite rather ready really right safe same say second see seem set several she
should show side since slowly small so some something soon start step steps still stop such sure take tell than that
the their them then there these they thing things think this those three through time to together too try turn two
under until up upon us use used using very wait want was water way we well were what when where whether which while
who whole why will with within without word words work world would write year years yes yet you your
"""
COMMON = frozenset(_WORDS.split())
"""Words that make up about half of any running English text."""

_PER_MILLE = (
    82,
    15,
    28,
    43,
    127,
    22,
    20,
    61,
    70,
    1.5,
    7.7,
    40,
    24,
    67,
    75,
    19,
    1,
    60,
    63,
    91,
    28,
    9.8,
    24,
    1.5,
    20,
    0.7,
)
_LOG_SHARE = tuple(log(share / sum(_PER_MILLE)) for share in _PER_MILLE)


def letter_counts(text: str) -> list[int]:
    """How often each letter a to z occurs in `text`, of either case."""
    folded = text.lower()
    return [folded.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"]


def fit(counts: Sequence[int]) -> float:
    """Mean natural logarithm of the English share of the letters counted: -2.9 for English, -3.7 for random ones.

    Args:
        counts: Counts of the letters a to z, not all of them zero.
    """
    return sum(count * share for count, share in zip(counts, _LOG_SHARE, strict=True)) / sum(counts)
