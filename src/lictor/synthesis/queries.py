"""Queries per rule: drafts composed from asks, frames and names; twins across the boundary; the generator's own.

In: a constitution, its material, a seed. Out: `Query`s, each with the family that keeps it, its twin and its
rewritings on one side of every split. Knows no model: what a generator is to be asked is planned here as text,
and what it answered is read here.

Cites: CC1 section 3.2 (queries spanning the constitution's categories); Q3G section 4 (paired prompts of one surface).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import numpy as np

from lictor.artifacts import fingerprint
from lictor.constitution import Constitution, Rule
from lictor.synthesis.material import Material, read_prompt
from lictor.synthesis.variety import Facets, deal_facets
from lictor.types import Conversation

ALIAS_SHARE = 0.4
"""Share of drafts naming the domain's subject in which an alias takes the name's place, on both sides alike."""

PERSONA_SHARE = 0.2
"""Share of drafts that say who is asking."""

PARROTED = 8
"""Words in a row that a message shares with its rule, from which on it is no message but the rule."""

CASES = 10
"""Ways in which a rule comes up that the generator is asked to name."""


@dataclass(frozen=True, slots=True)
class Query:
    """One user message made for a rule."""

    id: str
    rule: str
    text: str
    family: str
    """Queries of one family share an ask: they never stand on both sides of a split."""
    origin: str
    """`draft` (composed by code), `rewritten` (by the generator), `generated` (by the generator), `seed`."""
    parent: str | None = None
    ask: str = ""
    """The ask it was composed from, for drafts."""
    facets: Facets | None = None
    """What the generator was told about it, for generated ones."""
    turns: Conversation = ()
    """What was said before it, in a conversation that the generator wrote."""

    @property
    def said(self) -> str:
        """All that was said, its own text last; that alone where nothing was said before."""
        return self.talk if self.turns else self.text

    @property
    def talk(self) -> str:
        """All that was said, with who said it."""
        before = [f"{'Person' if m.role == 'user' else 'Assistant'}: {m.content}" for m in self.turns]
        return "\n".join([*before, f"Person: {self.text}"])


def draft_queries(constitution: Constitution, material: Material, *, per_ask: int, seed: int) -> list[Query]:
    """Drafts of every ask and of its twin, `per_ask` each, in different frames; deterministic in `seed`."""
    known = {rule.id for rule in constitution.rules}
    drafts: list[Query] = []
    for ask in material.asks:
        if ask.rule not in known:
            continue
        family = fingerprint([ask.rule, ask.text])
        rng = np.random.default_rng([seed, int(family, 16) % 2**32])
        frames = rng.permutation(len(material.frames))[:per_ask]
        made = [
            _draft(ask.rule, _framed(ask.text, material.frames[i], material, rng), family, ask.text) for i in frames
        ]
        drafts += made
        if ask.twin and ask.twin_rule in known:
            texts = [_framed(ask.twin, material.frames[i], material, rng) for i in frames]
            twins = [_draft(str(ask.twin_rule), text, family, ask.twin) for text in texts]
            drafts += [replace(twin, parent=query.id) for twin, query in zip(twins, made, strict=True)]
    return drafts


def seed_queries(constitution: Constitution) -> list[Query]:
    """The rules' own examples, one family each."""
    return [
        Query(fingerprint(["seed", rule.id, text])[:12], rule.id, text, fingerprint(["seed", text]), "seed")
        for rule in constitution.rules
        for text in rule.examples
    ]


def rewrite_prompt(query: Query, material: Material, seed: int) -> str:
    """What the generator is asked, to say `query` in another voice."""
    voice = material.voices[int(fingerprint([seed, query.id]), 16) % len(material.voices)]
    return read_prompt("voice").format(voice=voice, request=material.disguised(query.text)).strip()


def read_rewriting(query: Query, answer: str, material: Material) -> Query | None:
    """The rewritten query, or None where the generator answered, refused or lost the request.

    It must keep half of the draft's content words and add no more than it had: a small generator drifts.
    """
    text = material.revealed(clean(answer.split("\n", maxsplit=1)[0]))
    kept, had = _content(text), _content(query.text)
    if not 15 <= len(text) <= 400 or not had or len(kept & had) / len(had) < 0.5 or len(kept - had) > len(had) + 8:
        return None
    if material.name.lower() in query.text.lower() and material.name.lower() not in text.lower():
        return None
    identity = fingerprint(["rewritten", query.id, text])[:12]
    return replace(query, id=identity, text=text, origin="rewritten", parent=query.id)


class Call(NamedTuple):
    """What the generator is asked for messages with, and what they have in common."""

    prompt: str
    facets: Facets


def cases_prompt(rule: Rule, material: Material) -> str:
    """What the generator is asked, to name the ways in which a rule comes up: it writes plainer of one than of all."""
    return material.disguised(read_prompt(_sided("cases", rule)).format(count=CASES, subject=rule.text)).strip()


def read_cases(answer: str, material: Material) -> tuple[str, ...]:
    """The different ones of the list that it wrote, each in a few words."""
    named = [material.revealed(one) for one in _listed(answer)]
    return tuple(dict.fromkeys(one for one in named if 8 <= len(one) <= 120))


def generation_prompts(
    rule: Rule, material: Material, *, calls: int, per_call: int, seed: int, cases: Sequence[str] = ()
) -> Iterator[Call]:
    """What the generator is asked where nobody wrote asks for a rule: more messages like the rule's examples."""
    rng = np.random.default_rng([seed, int(rule.fingerprint, 16) % 2**32])
    for facets in deal_facets(rule, material, cases=cases, calls=calls, rng=rng):
        picked = rng.permutation(len(rule.examples))[:3]
        shown = [f"- {rule.examples[i]}" for i in picked]
        common = {"subject": rule.text, "count": per_call, "voice": facets.persona}
        if facets.form:
            told = asdict(facets) | common | {"examples": "".join(f"\n{one}" for one in shown)}
            text = read_prompt(_sided("text", rule)).format(**told)
        else:
            told = common | {"examples": "\n".join(shown), "facets": facets.described()}
            text = read_prompt("query").format(**told)
        yield Call(material.disguised(text).strip(), facets)


def read_generated(rule: Rule, answer: str, material: Material, facets: Facets | None = None) -> list[Query]:
    """The messages in a numbered list that the generator wrote for `rule`; each is a family of its own."""
    queries: list[Query] = []
    for text in map(material.revealed, _listed(answer)):
        if 15 <= len(text) <= 400 and not parrots(text, rule):
            key = fingerprint(["generated", rule.id, text])
            queries.append(Query(key[:12], rule.id, text, key, "generated", facets=facets))
    return queries


def parrots(text: str, rule: Rule) -> bool:
    """Whether `text` says `PARROTED` words of the rule in a row: a small generator gives back what it was told."""
    said, told = (re.findall(r"\w+", one.lower()) for one in (text, rule.text))
    runs = {tuple(told[at : at + PARROTED]) for at in range(len(told) - PARROTED + 1)}
    return any(tuple(said[at : at + PARROTED]) in runs for at in range(len(said) - PARROTED + 1))


def twin_prompt(query: Query, rule: Rule, material: Material) -> str:
    """What the generator is asked, to move `query` to the other side of the line, under `rule`."""
    text = read_prompt("text_twin" if material.forms else "twin").format(subject=rule.text, request=query.text)
    return material.disguised(text).strip()


def neighbours(rule: Rule, among: Sequence[Rule]) -> list[Rule]:
    """The rules of `among` that share at least half as many words with `rule` as the one that shares most."""
    shared = [len(_content(rule.text) & _content(other.text)) for other in among]
    return [other for other, n in zip(among, shared, strict=True) if 2 * n >= max(shared, default=0)]


def read_twin(query: Query, rule: Rule, answer: str, material: Material) -> Query | None:
    """The twin of `query`, of its family; None where it shares too few words with it, or all."""
    text = material.revealed(clean(answer.split("\n", maxsplit=1)[0]))
    mine, its = _content(text), _content(query.text)
    shared = len(mine & its) / max(1, len(mine | its))
    if not 15 <= len(text) <= 400 or not 0.2 <= shared < 1 or parrots(text, rule):
        return None
    key = fingerprint(["twin", query.id, text])[:12]
    return Query(key, rule.id, text, query.family, "generated", parent=query.id, facets=query.facets)


def clean(text: str) -> str:
    """`text` without the quotes, labels and mark-up that small generators wrap a message in."""
    text = re.sub(
        r"^\s*(?:Rewritten|Changed|Text|Message|Answer|Question)\s*:\s*", "", text.strip(), flags=re.IGNORECASE
    )
    text = text.replace("**", "").strip().strip("`").strip()
    if len(text) > 1 and text[0] in "\"'\u201c" and text[-1] in "\"'\u201d":
        text = text[1:-1]
    return re.sub(r"[ \t]+", " ", text).strip()


def rules_without_asks(constitution: Constitution, material: Material) -> list[Rule]:
    """The rules nobody wrote asks for: the generator must make their queries."""
    covered = {ask.rule for ask in material.asks}
    return [rule for rule in constitution.rules if rule.id not in covered]


def _sided(prompt: str, rule: Rule) -> str:
    """The prompt whose samples stand on the rule's own side of the line: a small generator writes as they do."""
    return f"{prompt}_{'restricted' if rule.bucket == 'restricted' else 'permitted'}"


def _listed(answer: str) -> list[str]:
    """The entries of a list."""
    found = (re.match(r"\s*(?:\d+[.)]|[-*])\s+(.*)", line) for line in answer.splitlines())
    return [clean(match[1]) for match in found if match]


def _draft(rule: str, text: str, family: str, ask: str) -> Query:
    return Query(fingerprint(["draft", rule, text])[:12], rule, text, family, "draft", ask=ask)


def _framed(ask: str, frame: str, material: Material, rng: np.random.Generator) -> str:
    if material.aliases and material.name in ask and rng.random() < ALIAS_SHARE:
        ask = ask.replace(material.name, material.aliases[rng.integers(len(material.aliases))])
    text = frame.format(ask=ask)
    if rng.random() < PERSONA_SHARE:
        voice = material.voices[rng.integers(len(material.voices))].split(",")[0].split(" who ")[0]
        text = f"I'm {voice}. {text}"
    return text[0].upper() + text[1:] if rng.random() < 0.7 else text.lower()


def _content(text: str) -> set[str]:
    return {w[:6] for w in re.findall(r"[a-z]{4,}", text.lower())} - _COMMON


_COMMON = frozenset(
    ("what", "when", "where", "which", "would", "could", "should", "please", "have", "with", "that", "this", "from")
)
