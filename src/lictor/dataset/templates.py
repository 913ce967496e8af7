"""How a text opens, its content words left out: the template it may have been made from.

In: a text. Out: its template, or None where too little is left to be one. Knows English function words only; of a text
in another language nothing is left, so that it has none.
"""

import re

PIECES = 6
"""Words and gaps that a template holds: the opening of a request is what writers and generators repeat."""
LEAST = 3
"""Function words among them, at least."""
GAP = "_"

_FUNCTION_WORDS = (
    "a about after all am an and any are as at be because been before but by can could did do does don't for from get "
    "give had has have he help her here him his how i i'd i'm i've if in into is it it's its just know let like make "
    "may me might more most much must my need no not now of on one only or our out over please quite say she should "
    "so some someone something still take tell than thanks that the their them then there these they this those to "
    "today up us use very want was way we well were what what's when where which while who whole why will with "
    "without would yes you your"
)
_KNOWN = frozenset(_FUNCTION_WORDS.split())
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


def template_of(text: str) -> str | None:
    """The first words of `text` in small letters, with a gap for every run of content words."""
    kept: list[str] = []
    for word in _WORD.findall(text.lower().replace("’", "'")):
        if word in _KNOWN:
            kept.append(word)
        elif not kept or kept[-1] != GAP:
            kept.append(GAP)
        if len(kept) == PIECES:
            break
    return " ".join(kept) if len(kept) - kept.count(GAP) >= LEAST else None
