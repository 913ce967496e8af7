"""Which rules an edit touched, so that only their data is made again.

In: two constitutions. Out: ids of rules added, removed, changed and unchanged. Knows no pipeline.
"""

from dataclasses import dataclass

from lictor.constitution.rule import plain
from lictor.constitution.rules import Constitution


@dataclass(frozen=True, slots=True)
class Difference:
    """Rule ids by what happened to them, each in the order of the constitution that has them."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    """In both, with another text, bucket or set of examples."""
    unchanged: tuple[str, ...]
    frame_changed: bool
    """The version, name or summary differs, which prompts may quote for every rule."""

    @property
    def to_generate(self) -> tuple[str, ...]:
        """Rules of the new constitution whose data must be made: added or changed."""
        return self.added + self.changed

    @property
    def is_empty(self) -> bool:
        """True when both constitutions say the same."""
        return not (self.added or self.removed or self.changed or self.frame_changed)


def diff(old: Constitution, new: Constitution) -> Difference:
    """What has to be redone to go from `old` to `new`. A renamed rule is one removed and one added."""
    before = {rule.id: rule.fingerprint for rule in old.rules}
    after = {rule.id: rule.fingerprint for rule in new.rules}
    kept = [rule_id for rule_id in after if rule_id in before]
    return Difference(
        added=tuple(rule_id for rule_id in after if rule_id not in before),
        removed=tuple(rule_id for rule_id in before if rule_id not in after),
        changed=tuple(rule_id for rule_id in kept if before[rule_id] != after[rule_id]),
        unchanged=tuple(rule_id for rule_id in kept if before[rule_id] == after[rule_id]),
        frame_changed=(old.version, old.name, plain(old.summary)) != (new.version, new.name, plain(new.summary)),
    )
