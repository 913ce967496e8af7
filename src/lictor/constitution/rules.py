"""A whole constitution: its rules by side, by bucket and by id, and its fingerprint.

In: a file, its text, or rules made in code. Out: a `Constitution`. Knows no YAML: parse.py reads it.
"""

from dataclasses import dataclass
from pathlib import Path

from lictor.artifacts import fingerprint
from lictor.constitution.parse import parse_text, read_text
from lictor.constitution.rule import Rule, plain
from lictor.errors import UsageError
from lictor.types import Bucket

__all__ = ["Constitution", "Rule"]


@dataclass(frozen=True, slots=True)
class Constitution:
    """The user's rules: restricted ones, and permitted ones in three buckets."""

    version: int
    name: str
    summary: str
    """One sentence for people and for prompts."""
    rules: tuple[Rule, ...]
    """In the order of the file."""

    @classmethod
    def load(cls, path: Path | str) -> "Constitution":
        """The constitution in the file at `path`.

        Raises:
            ConstitutionError: It cannot be read as one; every problem found is a line `file:line: ...`.
        """
        return cls.parse(read_text(Path(path)), str(path))

    @classmethod
    def parse(cls, text: str, name: str) -> "Constitution":
        """The constitution written in `text`; `name` stands for the file in messages.

        Raises:
            ConstitutionError: It cannot be read as one; every problem found is a line `name:line: ...`.
        """
        found = parse_text(text, name)
        return cls(found.version, found.name, found.summary, found.rules)

    @property
    def restricted(self) -> tuple[Rule, ...]:
        """The rules that say what must not be given."""
        return tuple(rule for rule in self.rules if rule.bucket == "restricted")

    @property
    def permitted(self) -> tuple[Rule, ...]:
        """The rules that say what must be let through, of all three buckets."""
        return tuple(rule for rule in self.rules if rule.bucket != "restricted")

    def in_bucket(self, bucket: Bucket) -> tuple[Rule, ...]:
        """The rules of one bucket, in the order of the file."""
        return tuple(rule for rule in self.rules if rule.bucket == bucket)

    def rule(self, rule_id: str) -> Rule:
        """The rule called `rule_id`.

        Raises:
            UsageError: There is none.
        """
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        known = ", ".join(rule.id for rule in self.rules)
        raise UsageError(f"constitution {self.name!r} has no rule {rule_id!r}; expected one of: {known}")

    def bucket_of(self, rule_id: str) -> Bucket:
        """The bucket of the rule called `rule_id`.

        Raises:
            UsageError: There is no such rule.
        """
        return self.rule(rule_id).bucket

    @property
    def fingerprint(self) -> str:
        """Key of everything the constitution says; the order of rules and the layout of the file do not matter."""
        return fingerprint(
            {
                "version": self.version,
                "name": self.name,
                "summary": plain(self.summary),
                "rules": sorted((rule.id, rule.fingerprint) for rule in self.rules),
            }
        )
