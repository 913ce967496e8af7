"""Answers to queries: restricted ones and permitted ones, asked of a helpful-only generator, grounded in facts.

In: queries, rules, material. Out: prompts for the generator, and its answers made presentable. The wanted style is
drawn without regard to the label, so that a list or a figure is no sign of a restricted answer. Knows no model.

Cites: CC1 section 3.2 (harmful and harmless outputs for each synthetic input).
"""

import re
from typing import NamedTuple

import numpy as np

from lictor.artifacts import fingerprint
from lictor.constitution import Constitution
from lictor.synthesis.material import Fact, Material, read_prompt
from lictor.synthesis.queries import Query, clean
from lictor.types import Bucket

LONG_STYLES = (
    "at length, in eight to twelve sentences",
    "at length, in a numbered list of six or more points with a sentence or two each",
    "in several paragraphs, with the reasons and the particulars",
)


class Wanted(NamedTuple):
    """An answer that is to be written."""

    query: Query
    rule: str
    """The rule it is to fall under: the query's own, or one across the line."""
    is_long: bool = False

    @property
    def is_across(self) -> bool:
        """Whether it stands on the other side of the line than the query."""
        return self.rule != self.query.rule


def across(query: Query, constitution: Constitution, seed: int) -> Wanted | None:
    """An answer to `query` from the other side of the line; None where there is no rule near it on that side."""
    is_restricted = constitution.bucket_of(query.rule) == "restricted"
    others = constitution.in_bucket("same_domain" if is_restricted else "restricted")
    at = int(fingerprint(["across", seed, query.id]), 16)
    return Wanted(query, others[at % len(others)].id) if others else None


def answer_prompt(wanted: Wanted, constitution: Constitution, material: Material, *, seed: int) -> str:
    """What the generator is asked, to write an answer."""
    query, rule = wanted.query, constitution.rule(wanted.rule)
    rng = np.random.default_rng([seed, 0, int(fingerprint(query.id), 16) % 2**32])
    styles = LONG_STYLES if wanted.is_long else material.styles
    fields = {"style": styles[rng.integers(len(styles))], "request": query.said, "subject": rule.text, "notes": ""}
    if rule.bucket in {"restricted", "same_domain"}:
        notes = pick_facts(query.said, [f for f in material.facts if f.rule == rule.id], 2, rng)
        said = [f.phrasings[rng.integers(len(f.phrasings))] for f in notes] + pick_passage(query.said, material)
        fields["notes"] = " ".join(said) or "none"
    fields["restricted"] = "; ".join(other.text.rstrip(".") for other in constitution.restricted[:6])
    prompt = read_prompt(_prompt_of(wanted, rule.bucket))
    return material.disguised(prompt.format(**fields, talk=query.talk)).strip()


def _prompt_of(wanted: Wanted, bucket: Bucket) -> str:
    if bucket not in {"restricted", "same_domain"}:
        return "answer_plain"
    kind = "reply" if wanted.is_across or wanted.query.turns else "answer"
    return f"{kind}_{bucket}"


def read_answer(text: str, material: Material) -> str | None:
    """The generator's answer cut back to its last whole sentence; None if little is left."""
    text = material.revealed(re.sub(r"\n{2,}", "\n", clean(text)))
    ends = [m.end() for m in re.finditer(r"[.!?](?=\s|$)(?<!\d\.)", text)]
    text = text[: ends[-1]].strip() if ends else ""
    return text if len(text) >= material.shortest_answer else None


def compose_answer(query: Query, material: Material, rng: np.random.Generator, *, count: int) -> str | None:
    """An answer made of `count` facts of the query's rule, in plain prose or as a list; None without facts."""
    facts = pick_facts(query.text, [f for f in material.facts if f.rule == query.rule], count, rng)
    if not facts:
        return None
    said = [f.phrasings[rng.integers(len(f.phrasings))] for f in facts]
    if rng.random() < 0.3:
        return "\n".join(f"{i}. {s}" for i, s in enumerate(said, 1))
    return " ".join(said)


def pick_facts(text: str, facts: list[Fact], count: int, rng: np.random.Generator) -> list[Fact]:
    """The facts that share most words with `text`, ties broken at random."""
    words = _words(text)
    noise = rng.random(len(facts))
    overlap = [len(words & _words(f.phrasings[0])) + noise[i] for i, f in enumerate(facts)]
    order = sorted(range(len(facts)), key=lambda i: -overlap[i])
    return [facts[i] for i in order[:count]]


def pick_passage(text: str, material: Material) -> list[str]:
    """The passage of the user's documents that shares most words with `text`, if one shares at least two."""
    words = _words(text)
    best = max(material.passages, key=lambda passage: len(words & _words(passage)), default="")
    return [best] if len(words & _words(best)) >= 2 else []


def _words(text: str) -> set[str]:
    return {w[:6] for w in re.findall(r"[a-z]{4,}", text.lower())}
