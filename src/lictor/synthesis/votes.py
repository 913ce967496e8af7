"""Labels put to the vote: several judges, each asked in another way, say which side of the line a text is on.

In: messages, and answers, with the rule they were made for. Out: prompts for the judges, and whether a majority bears
the label out.
Knows no model. A judge that answers neither yes nor no abstains; a tie keeps the label that generation gave.
"""

from collections.abc import Sequence

from lictor.constitution import Constitution, Rule
from lictor.synthesis.answers import Wanted
from lictor.synthesis.filters import says_yes
from lictor.synthesis.material import Material, read_prompt

JUDGES = ("vote_asks", "vote_answer", "vote_rule")
"""Prompts, each in a file of prompts/: what is asked for, what a full answer would give, which text fits better."""
ANSWER_JUDGES = ("vote_reply_gives", "vote_reply_learns", "vote_reply_rule")
"""The same for answers: what it does, what somebody has from it, which text fits better."""


def vote_prompt(judge: str, text: str, rule: str, constitution: Constitution, material: Material) -> str:
    """What one judge is asked about a message made for `rule`; yes means restricted."""
    return material.disguised(read_prompt(judge).format(message=text, **_sides(rule, constitution))).strip()


def answer_vote_prompt(judge: str, wanted: Wanted, answer: str, constitution: Constitution, material: Material) -> str:
    """What one judge is asked about an answer; yes means restricted."""
    fields = {"talk": wanted.query.talk, "answer": answer[:900], **_sides(wanted.rule, constitution)}
    return material.disguised(read_prompt(judge).format(**fields)).strip()


def bears_out(label: int, verdicts: Sequence[str]) -> bool:
    """Whether the judges that said something agree with `label`, by majority; a tie counts as agreement."""
    said = [vote for vote in map(says_yes, verdicts) if vote is not None]
    agreeing = sum(vote == bool(label) for vote in said)
    return 2 * agreeing >= len(said)


def _sides(rule: str, constitution: Constitution) -> dict[str, str]:
    """The rule itself on its own side, and all there is near it on the other."""
    own = constitution.rule(rule)
    is_restricted = own in constitution.restricted
    near = constitution.in_bucket("same_domain") or constitution.permitted
    return {
        "restricted": own.text if is_restricted else _all(constitution.restricted),
        "permitted": _all(near) if is_restricted else own.text,
    }


def _all(rules: Sequence[Rule]) -> str:
    return "; ".join(rule.text.rstrip(".") for rule in rules[:6])
