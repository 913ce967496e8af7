"""A reader's word on a random sample of a dataset.

In: examples, and what a reader said of some of them. Out: which to read, and how many of those read are right. Knows no
audit: the sample is drawn from all examples alike, flagged or not.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, cast, get_args

from lictor.artifacts import fingerprint
from lictor.errors import DataError
from lictor.types import Example

Verdict = Literal["right", "wrong label", "unusable"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


class Read(NamedTuple):
    """How many of a group of examples got a verdict."""

    group: str
    verdict: Verdict
    examples: int
    of: int


def draw_sample(examples: Sequence[Example], size: int) -> list[Example]:
    """`size` of the examples, each as likely as any other, and always the same ones."""
    return sorted(examples, key=lambda example: fingerprint(["review", example.id]))[:size]


def count_skipped(examples: Sequence[Example], verdicts: Mapping[str, Verdict]) -> int:
    """How many of the draw were passed over for ones that come later: what was picked is no random sample."""
    return len({example.id for example in draw_sample(examples, len(verdicts))}.difference(verdicts))


def read_verdicts(path: Path) -> dict[str, Verdict]:
    """What the page of a sample saved: a verdict by id.

    Raises:
        DataError: The file is of another shape.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: expected the verdicts that a sample's page saves, got none ({error})") from error
    if not isinstance(found, dict) or not found or not set(map(str, found.values())) <= set(VERDICTS):
        raise DataError(f"{path}: expected an object of ids with one of {', '.join(VERDICTS)} each")
    return cast("dict[str, Verdict]", found)


def count_verdicts(examples: Sequence[Example], verdicts: Mapping[str, Verdict]) -> list[Read]:
    """The verdicts over all examples read, and over those of each source.

    Raises:
        DataError: A verdict is on an example that is not there.
    """
    source_of = {example.id: example.source for example in examples}
    if strange := sorted(set(verdicts) - set(source_of)):
        raise DataError(f"verdicts on {len(strange)} examples that the dataset does not have, {strange[0]} among them")
    groups = ["all", *sorted({source_of[name] for name in verdicts})]
    of = Counter([*(source_of[name] for name in verdicts), *["all"] * len(verdicts)])
    said = Counter([*((source_of[name], v) for name, v in verdicts.items()), *(("all", v) for v in verdicts.values())])
    return [Read(group, verdict, said[group, verdict], of[group]) for group in groups for verdict in VERDICTS]
