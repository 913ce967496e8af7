"""What a person should look at again in a constitution that can be read.

In: a Constitution. Out: findings, in the order of the file. Works on words alone: it knows no model, so it
points at likely trouble (two rules that say nearly the same, wording two people would read differently)
and never claims to have found all of it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from lictor.constitution.rule import Rule, plain
from lictor.constitution.rules import Constitution
from lictor.types import PERMITTED_BUCKETS, Bucket

Severity = Literal["error", "warning"]

MAX_WORDS = 60
NEAR_DUPLICATE = 0.75
"""Share of two rules' content words that they have in common, at or above which they say nearly the same."""
NEAR_TWIN_WORDS = 2
"""Content words a permitted rule must share with a restricted one to count as its near neighbour."""
VAGUE = (
    "inappropriate", "appropriate", "bad", "etc", "and so on", "and the like", "and similar", "sensitive",
    "some", "certain", "problematic", "unsafe", "questionable", "stuff", "things",
    "as needed", "if necessary", "reasonable", "unacceptable", "offensive", "objectionable",
)  # fmt: skip
_EXCEPTIONS = re.compile(r"\b(?:unless|except|excepting|excluding|apart from|other than|but not|not)\b", re.IGNORECASE)
_PRONOUN = re.compile(r"\b(?:it|its|this|that|these|those|they|them|their|he|she|such)\b", re.IGNORECASE)
_STOP_WORDS = """
a about after all an and any are as at be been before being but by can do does doing for from get getting give
giving had has have having how if in into is it its made make making may more most no nor not of on one only or
other our out over own should so someone such than that the their them then there these they this those to under
up use used using very was what when where which while who whom whose why will with without you your
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at again."""

    severity: Severity
    """An error makes the guard's labels contradict each other or leaves nothing to guard; the rest are warnings."""
    line: int
    """Counted from 1; 0 when the constitution was not read from a file."""
    rule: str | None
    """Id of the rule it is about; None for the whole constitution."""
    code: str
    """Short stable name, for example `near-duplicate`."""
    message: str


def lint(constitution: Constitution) -> list[Finding]:
    """Everything worth a second look in `constitution`, by line."""
    findings = [
        *_find_missing_sides(constitution),
        *_find_clashes(constitution.rules),
        *_find_lonely_rules(constitution),
        *(finding for rule in constitution.rules for finding in _find_wording(rule)),
        *_find_example_trouble(constitution),
    ]
    return sorted(findings, key=lambda finding: (finding.line, finding.code))


def content_words(text: str) -> frozenset[str]:
    """The words of `text` that carry its topic, in lower case and without common endings."""
    words = re.findall(r"[^\W_]+", plain(text).lower())
    stop_words = _STOP_WORDS.split()
    return frozenset(_stem(word) for word in words if word not in stop_words and len(word) > 1)


def _stem(word: str) -> str:
    """`word` without the endings that make one English word look like two. Crude on purpose."""
    for ending in ("ings", "ing", "ies", "ed", "es", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _find_missing_sides(constitution: Constitution) -> Iterator[Finding]:
    if not constitution.restricted:
        yield Finding("error", 1, None, "no-restricted", "no restricted rule: there is nothing to guard; add one")
    for bucket in PERMITTED_BUCKETS:
        if not constitution.in_bucket(bucket):
            yield Finding(
                "warning",
                1,
                None,
                "empty-bucket",
                f"permitted.{bucket} is empty: a guard that never sees such requests as permitted refuses them; "
                "add what must pass",
            )


def _find_clashes(rules: Sequence[Rule]) -> Iterator[Finding]:
    """Rules that say the same as, or nearly the same as, an earlier one."""
    words = {id(rule): content_words(rule.text) for rule in rules}
    for first, second in combinations(rules, 2):
        opposed = (first.bucket == "restricted") != (second.bucket == "restricted")
        where = f"rule {first.id!r} (line {first.line}, {first.bucket})"
        if _id_key(first.id) == _id_key(second.id):
            severity: Severity = "error" if first.id == second.id else "warning"
            message = f"the id {second.id!r} cannot be told from that of {where}; rename one"
            yield Finding(severity, second.line, second.id, "overlapping-id", message)
        share = _share(words[id(first)], words[id(second)])
        if plain(first.text).lower() == plain(second.text).lower():
            message = f"the text of rule {second.id!r} is that of {where}"
            advice = "one side must go" if opposed else "merge them"
            yield Finding(
                "error" if opposed else "warning", second.line, second.id, "duplicate-text", f"{message}; {advice}"
            )
        elif share >= NEAR_DUPLICATE:
            advice = "say what tells them apart" if opposed else "merge them or say what tells them apart"
            message = f"rule {second.id!r} shares {share:.0%} of its content words with {where}; {advice}"
            yield Finding("warning", second.line, second.id, "near-duplicate", message)


def _find_lonely_rules(constitution: Constitution) -> Iterator[Finding]:
    """Restricted rules with no permitted rule of the same domain close by."""
    neighbours = constitution.in_bucket("same_domain")
    if not neighbours:
        return
    vocabularies = [(rule, _vocabulary(rule)) for rule in neighbours]
    for rule in constitution.restricted:
        own = _vocabulary(rule)
        nearest, words = max(vocabularies, key=lambda pair: len(own & pair[1]))
        shared = own & words
        if len(shared) < NEAR_TWIN_WORDS:
            common = f"the nearest, {nearest.id!r}, shares only {', '.join(sorted(shared)) or 'no word'}"
            message = (
                f"restricted rule {rule.id!r} has no near neighbour in permitted.same_domain ({common}); "
                "the guard learns where the rule ends from what lies just outside it: add the nearest permitted request"
            )
            yield Finding("warning", rule.line, rule.id, "no-near-permitted", message)


def _find_wording(rule: Rule) -> Iterator[Finding]:
    """Words and shapes of a rule that two people would read differently."""
    text = plain(rule.text)
    lower = text.lower()
    for vague in VAGUE:
        if re.search(rf"\b{re.escape(vague)}\b", lower):
            message = f"rule {rule.id!r} says {vague!r}, which two people read differently; name what is meant"
            yield Finding("warning", rule.line, rule.id, "ambiguous-word", message)
    pronoun = _PRONOUN.search(text)
    if pronoun is not None and not content_words(text[: pronoun.start()]):
        message = f"rule {rule.id!r} says {pronoun.group()!r} before naming anything it could stand for; name the thing"
        yield Finding("warning", rule.line, rule.id, "unclear-pronoun", message)
    count = len(text.split())
    if count > MAX_WORDS:
        message = f"rule {rule.id!r} has {count} words, over {MAX_WORDS}; split it into rules of one idea"
        yield Finding("warning", rule.line, rule.id, "long-rule", message)
    chain = [word.lower() for word in _EXCEPTIONS.findall(text)]
    if len(set(chain) - {"not"}) > 1 or (len(chain) > 2 and "not" in chain):
        message = f"rule {rule.id!r} chains exceptions ({' ... '.join(chain)}); make each exception a permitted rule"
        yield Finding("warning", rule.line, rule.id, "exception-chain", message)


def _find_example_trouble(constitution: Constitution) -> Iterator[Finding]:
    restricted = {_key(text): rule for rule in constitution.restricted for text in rule.examples}
    for rule in constitution.permitted:
        for text in rule.examples:
            other = restricted.get(_key(text))
            if other is not None:
                message = (
                    f"an example of permitted rule {rule.id!r} is also one of restricted rule {other.id!r} "
                    f"(line {other.line}); keep it on one side: {text[:60]!r}"
                )
                yield Finding("error", rule.line, rule.id, "example-on-both-sides", message)
    buckets: tuple[Bucket, ...] = ("restricted", *PERMITTED_BUCKETS)
    for bucket in buckets:
        bare = [rule for rule in constitution.in_bucket(bucket) if not rule.examples]
        if bare:
            names = ", ".join(rule.id for rule in bare)
            message = f"no examples in {bucket}: {names}; two to five requests each steer what is generated"
            yield Finding("warning", bare[0].line, None, "no-examples", message)


def _vocabulary(rule: Rule) -> frozenset[str]:
    return content_words(" ".join((rule.text, *rule.examples)))


def _share(first: frozenset[str], second: frozenset[str]) -> float:
    """Words in common over words in either (Jaccard), 0..1."""
    return len(first & second) / len(first | second) if first or second else 0.0


def _key(text: str) -> str:
    return plain(text).lower()


def _id_key(rule_id: str) -> str:
    return rule_id.replace("-", "").replace("_", "").removesuffix("s")
