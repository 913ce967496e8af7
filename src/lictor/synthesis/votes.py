"""Labels put to the vote: several judges, each asked in another way, say which side of the line a message is on.

In: messages with the rule they were made for. Out: prompts for the judges, and whether a majority bears the label out.
Knows no model. A judge that answers neither yes nor no abstains; a tie keeps the label that generation gave.
"""

from collections.abc import Sequence

from lictor.constitution import Constitution, Rule
from lictor.synthesis.filters import says_yes
from lictor.synthesis.material import Material, read_prompt

JUDGES = ("vote_asks", "vote_answer", "vote_rule")
"""Prompts, each in a file of prompts/: what is asked for, what a full answer would give, which text fits better."""


def vote_prompt(judge: str, text: str, rule: str, constitution: Constitution, material: Material) -> str:
    """What one judge is asked about a message made for `rule`; yes means restricted."""
    own = constitution.rule(rule)
    is_restricted = own in constitution.restricted
    restricted = own.text if is_restricted else _all(constitution.restricted)
    permitted = _all(constitution.in_bucket("same_domain") or constitution.permitted) if is_restricted else own.text
    fields = {"message": text, "restricted": restricted, "permitted": permitted}
    return material.disguised(read_prompt(judge).format(**fields)).strip()


def bears_out(label: int, verdicts: Sequence[str]) -> bool:
    """Whether the judges that said something agree with `label`, by majority; a tie counts as agreement."""
    said = [vote for vote in map(says_yes, verdicts) if vote is not None]
    agreeing = sum(vote == bool(label) for vote in said)
    return 2 * agreeing >= len(said)


def _all(rules: Sequence[Rule]) -> str:
    return "; ".join(rule.text.rstrip(".") for rule in rules[:6])
