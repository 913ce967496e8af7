"""Answers to queries: restricted ones and permitted ones, asked of a helpful-only generator, grounded in facts.

In: queries, rules, material. Out: prompts for the generator, and its answers made presentable. The wanted style is
drawn without regard to the label, so that a list or a figure is no sign of a restricted answer. Knows no model.

Cites: CC1 section 3.2 (harmful and harmless outputs for each synthetic input).
"""

import re

import numpy as np

from lictor.artifacts import fingerprint
from lictor.constitution import Constitution
from lictor.synthesis.material import Fact, Material, read_prompt
from lictor.synthesis.queries import Query, clean

STYLES = (
    "in 2 to 4 sentences",
    "in one plain paragraph",
    "in a short numbered list of 3 or 4 steps or points",
    "in 3 sentences with figures",
    "briefly, as to a friend",
    "in a few plain sentences, each with a detail",
)

MIN_ANSWER_CHARS = 60


def answer_prompt(query: Query, constitution: Constitution, material: Material, *, variant: int, seed: int) -> str:
    """What the generator is asked, to answer `query`."""
    rng = np.random.default_rng([seed, variant, int(fingerprint(query.id), 16) % 2**32])
    style = STYLES[rng.integers(len(STYLES))]
    bucket = constitution.bucket_of(query.rule)
    fields = {"style": style, "request": query.text, "subject": constitution.rule(query.rule).text, "notes": ""}
    if bucket in {"restricted", "same_domain"}:
        notes = pick_facts(query.text, [f for f in material.facts if f.rule == query.rule], 2, rng)
        said = [f.phrasings[rng.integers(len(f.phrasings))] for f in notes] + pick_passage(query.text, material)
        fields["notes"] = " ".join(said) or "none"
    name = {"restricted": "answer_restricted", "same_domain": "answer_same_domain"}.get(bucket, "answer_plain")
    return material.disguised(read_prompt(name).format(**fields)).strip()


def read_answer(text: str, material: Material) -> str | None:
    """The generator's answer cut back to its last whole sentence; None if little is left."""
    text = material.revealed(re.sub(r"\n{2,}", "\n", clean(text)))
    ends = [m.end() for m in re.finditer(r"[.!?](?=\s|$)(?<!\d\.)", text)]
    text = text[: ends[-1]].strip() if ends else ""
    return text if len(text) >= MIN_ANSWER_CHARS else None


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
