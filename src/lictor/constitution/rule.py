"""One line of a constitution, and the fingerprint that says whether its meaning was edited.

In: the parts of a rule. Out: a `Rule`. Knows no file format.
"""

import unicodedata
from dataclasses import dataclass, field

from lictor.artifacts import fingerprint
from lictor.types import Bucket


@dataclass(frozen=True, slots=True)
class Rule:
    """One restricted or permitted thing, in the user's words."""

    id: str
    """Lower-case letters, digits, `-` and `_`; unique in its constitution."""
    text: str
    bucket: Bucket
    examples: tuple[str, ...] = ()
    """Seeds for synthesis, never test data."""
    line: int = field(default=0, compare=False)
    """Line of the file it was read from, counted from 1; 0 when it was not read from one."""

    @property
    def fingerprint(self) -> str:
        """Key of what the rule says: text, bucket and examples, whatever their layout and order."""
        examples = sorted({plain(example) for example in self.examples})
        return fingerprint({"text": plain(self.text), "bucket": self.bucket, "examples": examples})


def plain(text: str) -> str:
    """`text` in Unicode form NFC, with every run of white space as one space and none at the ends."""
    return " ".join(unicodedata.normalize("NFC", text).split())
