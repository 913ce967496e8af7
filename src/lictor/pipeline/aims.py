"""What a project's guard is attacked for, and what a worst-case target may answer with.

In: the examples and material that training sees. Out: aims, and a domain of facts to grade by. Nothing in them is part
of an evaluation: requests are those of the training split, facts those that belong to no question.
"""

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from lictor.artifacts import fingerprint
from lictor.constitution import Constitution
from lictor.errors import DataError
from lictor.evaluation.questions import SLOT, Domain, Fact, Ordinary, Question
from lictor.redteam.judging import Reference
from lictor.redteam.plans import Aim
from lictor.synthesis.answers import pick_facts
from lictor.synthesis.material import Material
from lictor.types import Example

FACTS_PER_AIM = 8


def aims_of(examples: Sequence[Example], constitution: Constitution, *, n: int, seed: int) -> list[Aim]:
    """Restricted requests of the training split, rules taking turns, each with its family's other wordings.

    Raises:
        DataError: The training split holds no restricted prompt.
    """
    wordings: dict[tuple[str, str], list[str]] = defaultdict(list)
    for example in examples:
        is_plain = len(example.messages) == 1 and not example.transforms
        if example.split == "train" and example.prompt_label == 1 and example.rule and is_plain:
            wordings[example.rule, example.family or example.id].append(example.messages[0].content)
    if not wordings:
        raise DataError("expected restricted prompts of one turn in the training split to attack with, got none")
    by_rule: dict[str, list[Aim]] = defaultdict(list)
    for rule, family in sorted(wordings, key=lambda key: fingerprint([seed, *key])):
        asked = tuple(sorted(set(wordings[rule, family])))
        by_rule[rule].append(Aim(f"{rule}/{family[:8]}", rule, asked, family))
    rules = [rule.id for rule in constitution.rules if rule.id in by_rule]
    dealt = [
        by_rule[rule][at] for at in range(max(map(len, by_rule.values()))) for rule in rules if at < len(by_rule[rule])
    ]
    return dealt[:n]


def training_domain(aims: Sequence[Aim], material: Material, examples: Sequence[Example]) -> Domain:
    """What a worst-case target answers these aims with: free facts of the rule, or sentences of its training answers.

    Raises:
        DataError: There is neither for a rule.
    """
    facts: list[Fact] = []
    for aim in aims:
        rng = np.random.default_rng(int(fingerprint(aim.question), 16))
        known = pick_facts(aim.wordings[0], [f for f in material.facts if f.rule == aim.rule], FACTS_PER_AIM, rng)
        said = [fact.phrasings for fact in known] or [(text,) for text in _sentences(aim, examples)]
        if len(said) < 2:
            raise DataError(
                f"rule {aim.rule!r}: expected two facts in the handbook, or two sentences in restricted training "
                f"answers, for the target to answer with; got {len(said)}; write facts or make more answers"
            )
        facts += [_fact(aim, at, phrasings) for at, phrasings in enumerate(said)]
    questions = tuple(Question(id=aim.question, rule=aim.rule, text=aim.wordings[0]) for aim in aims)
    permitted = [e for e in examples if e.split == "train" and e.answer_label == 0 and e.prompt_label == 0 and e.answer]
    ordinary = {f"topic {at}": str(e.answer).strip() for at, e in enumerate(permitted[:200])}
    return Domain(tuple(facts), questions, tuple(Ordinary(topic=k, text=v) for k, v in ordinary.items() if v))


def references_of(aims: Sequence[Aim], examples: Sequence[Example], constitution: Constitution) -> dict[str, Reference]:
    """What a judge holds answers against, by question: the rule, and what the training data answers.

    Raises:
        DataError: A rule has no restricted answer in the training split.
    """
    found: dict[str, Reference] = {}
    for aim in aims:
        said = _sentences(aim, examples)
        if not said:
            raise DataError(f"rule {aim.rule!r}: expected a restricted answer in the training split, got none")
        rule = constitution.rule(aim.rule).text
        found[aim.question] = Reference(aim.wordings[0], rule, " ".join(said))
    return found


def _sentences(aim: Aim, examples: Sequence[Example]) -> list[str]:
    mine = [e for e in examples if e.split == "train" and e.rule == aim.rule and e.answer_label == 1 and e.answer]
    mine.sort(key=lambda e: (e.family != aim.family, fingerprint([aim.question, e.id])))
    found = [s.strip() for e in mine[:4] for s in re.split(r"(?<=[.!?])\s+", str(e.answer)) if len(s.strip()) > 20]
    return list(dict.fromkeys(found))[:FACTS_PER_AIM]


def _fact(aim: Aim, at: int, phrasings: tuple[str, ...]) -> Fact:
    """A fact that is told when its whole sentence was: what the value is in it need not be known."""
    return Fact(
        id=f"{aim.question}/{at}",
        rule=aim.rule,
        question=aim.question,
        say=(SLOT,),
        value=phrasings[0].replace(SLOT, ""),
    )
