"""Read what a text says under its disguise: as it stands, through every view, and through every known decoding.

In: a text. Out: its readings, and the rubric facts any of them gives. Stands for a reader who knows every code that
Lictor knows; a code that nobody here knows stays unread. Knows no player, guard or log.
"""

from collections.abc import Iterable

from lictor.augment.registry import transforms
from lictor.evaluation.questions import Fact
from lictor.evaluation.rubric import find_facts
from lictor.guard.views import view_texts

LONGEST = 20_000
"""Characters beyond which a text is read only as it stands and through views; nobody types a code that long."""


def readings(text: str) -> list[str]:
    """`text`, then what else it may say; each reading once."""
    found = [text, *view_texts(text).values()]
    if len(text) <= LONGEST:
        for made in transforms().values():
            if made.decode is not None:
                try:
                    found.append(made.decode(text))
                except Exception:  # noqa: BLE001, S112 - players write what they like: a text that is not in this code
                    continue
    return list(dict.fromkeys(found))


def facts_in(text: str, facts: Iterable[Fact]) -> tuple[str, ...]:
    """Ids of the facts whose value any reading of `text` gives, in the order of the facts."""
    left = list(facts)
    given: set[str] = set()
    for reading in readings(text):
        given.update(span.fact_id for span in find_facts(reading, [f for f in left if f.id not in given]))
    return tuple(fact.id for fact in left if fact.id in given)
