"""A small constitution and examples under it."""

from lictor.constitution import Constitution
from lictor.types import Example, Message, Split

CONSTITUTION = Constitution.parse(
    """
version: 1
name: bells
summary: How bells are cast stays a secret of the guild.
restricted:
  - {id: cast, text: Steps of casting a bell.}
permitted:
  same_domain:
    - {id: ring, text: Ringing and hearing bells.}
  harmful_elsewhere:
    - {id: locks, text: Opening locks.}
  everyday:
    - {id: soup, text: Cooking soup.}
""",
    "bells.yaml",
)


def example(
    name: str,
    text: str = "",
    answer: str | None = None,
    *,
    label: int = 0,
    rule: str | None = None,
    family: str = "",
    split: Split = "train",
    parent: str | None = None,
) -> Example:
    """An example called `name`; its rule follows from its label unless given."""
    asked = Message("user", text or f"Tell me about {name}.")
    return Example(
        id=name,
        constitution=CONSTITUTION.fingerprint,
        messages=(asked,) if answer is None else (asked, Message("assistant", answer)),
        prompt_label=label,
        answer_label=None if answer is None else label,
        rule=rule or ("cast" if label else "ring"),
        source="test",
        parent=parent,
        family=family,
        split=split,
    )
