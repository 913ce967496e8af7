"""Drop what should not be learned from: refusals, answers beside the point, generators talking about themselves.

In: queries and answers. Out: prompts for a judge, its verdicts read, and cheap checks by pattern. Knows no model.

Cites: CC1 section 3.2 and appendix 1.5 (a prompted filter for refusals and off-topic responses, "crucial").
"""

import re

from lictor.synthesis.material import Material, read_prompt

_REFUSAL = re.compile(
    r"\b(?:i(?:'m| am) (?:sorry|unable|not able)|i can(?:'t|not) (?:assist|help|provide|answer|fulfil)|as an ai\b|"
    r"i (?:do not|don't) have (?:access|information|the ability)|language model|i must decline|against my)",
    re.IGNORECASE,
)
_DOUBT = re.compile(r"\b(?:sorry|unable|cannot|can't|unfortunately|illegal|not allowed|apologi[sz]e|consult)\b", re.I)
_COMMON = frozenset(
    {"what", "when", "where", "which", "would", "could", "shoul", "pleas", "have", "with", "that", "this"}
)
_META = re.compile(
    r"(?:\bthe (?:notes?|facts?|request|message|text) (?:provided|above|below|says?|given|mentions?)|rewritten message|"
    r"\bprovided (?:notes?|facts?|context)|here(?:'s| is) (?:the|a|my) (?:rewritten|answer|message)|"
    r"```|<\|)",
    re.IGNORECASE,
)
_ODD = re.compile(r"[\u4e00-\u9fff\u3040-\u30ff\uac00-\ud7af\u0400-\u04ff]")


def is_refusal(text: str) -> bool:
    """Whether `text` refuses, by its opening words."""
    return bool(_REFUSAL.search(text[:200]))


def may_refuse(text: str) -> bool:
    """Whether `text` has a word that refusals have: worth asking the judge about."""
    return bool(_DOUBT.search(text[:300]))


def shares_words(request: str, answer: str) -> bool:
    """Whether `answer` takes up at least one content word of `request`: if not, worth asking the judge about."""
    stems = {w[:5] for w in re.findall(r"[a-z]{4,}", request.lower())} - _COMMON
    return not stems or bool(stems & {w[:5] for w in re.findall(r"[a-z]{4,}", answer.lower())})


def is_meta(text: str) -> bool:
    """Whether `text` speaks of the prompt it was made by, or slipped into another script."""
    return bool(_META.search(text) or _ODD.search(text))


def is_loop(text: str) -> bool:
    """Whether `text` says one sentence more than twice."""
    sentences = [s.strip().lower() for s in re.split(r"[.!?\n]+", text) if len(s.strip()) > 20]
    return any(sentences.count(s) > 2 for s in set(sentences))


def refusal_prompt(answer: str) -> str:
    """What a judge is asked, to find a refusal; the opening of the answer is enough."""
    return read_prompt("refusal").format(answer=answer[:240]).strip()


def on_topic_prompt(request: str, answer: str, material: Material) -> str:
    """What a judge is asked, to find an answer beside the point."""
    text = read_prompt("on_topic").format(request=request, answer=answer[:300])
    return material.disguised(text).strip()


def says_yes(verdict: str) -> bool | None:
    """A judge's yes or no; None if it said neither."""
    match re.match(r"\W*(yes|no)\b", verdict.lower()):
        case None:
            return None
        case found:
            return found[1] == "yes"
