"""The same request in another voice: synonyms, another tense, a stiffer or a looser register. In: text. Out: text.

What comes out is checked by its meaning, not by its letters: see `lictor augment --check`.
"""

import re
from collections.abc import Mapping

import numpy as np

from lictor.augment.describe import SLOT, fill, pick, transform

_PAIRS = (
    "about=regarding allow=permit also=too amount=quantity amounts=quantities answer=reply begin=start best=finest "
    "big=large box=carton build=construct buy=purchase check=inspect choose=select correct=right describe=depict "
    "difficult=hard easy=simple enough=sufficient entire=whole exact=precise exactly=precisely explain=clarify "
    "fast=quick find=locate fix=repair fresh=new get=obtain give=provide guide=manual happen=occur happens=occurs "
    "help=assist idea=notion important=essential instructions=directions job=task keep=maintain keeps=maintains "
    "little=small list=catalogue make=produce makes=produces many=numerous maybe=perhaps method=way methods=ways "
    "mix=blend need=require needs=requires often=frequently people=folk person=individual place=spot please=kindly "
    "problem=difficulty question=query quickly=rapidly show=demonstrate shows=demonstrates slowly=gradually "
    "speak=talk step=stage steps=stages stop=cease store=stock thing=item things=items try=attempt use=employ "
    "uses=employs usually=normally want=desire wants=desires whole=entire wrap=envelop write=compose "
    "wrong=incorrect"
)
_SYNONYMS = {
    word: other
    for pair in _PAIRS.split()
    for first, _, second in [pair.partition("=")]
    for word, other in ((first, second), (second, first))
}
_PAST = {
    "am": "was", "is": "was", "are": "were", "does": "did", "can": "could", "will": "would", "has": "had",
    "needs": "needed", "wants": "wanted", "makes": "made", "keeps": "kept", "goes": "went", "takes": "took",
}  # fmt: skip
_HOW_TO = re.compile(r"\bhow (?:to|(?:do|can|should|could|would|must) (?:i|you|we|one|people|they))\b", re.IGNORECASE)
_LONG_AGO = (
    f"Back in my grandparents' day: {SLOT}",
    f"Before the war, I mean. {SLOT}",
    f"{SLOT} (I mean in those years, not today.)",
    f"For a history essay on that time: {SLOT}",
    f"{SLOT} That is, when it was still the custom.",
)
_FULL = {
    "don't": "do not", "doesn't": "does not", "didn't": "did not", "can't": "cannot", "won't": "will not",
    "isn't": "is not", "aren't": "are not", "i'm": "I am", "i'd": "I would", "i've": "I have", "it's": "it is",
    "what's": "what is", "how's": "how is", "that's": "that is", "you're": "you are", "we're": "we are",
    "hi": "good day", "hey": "good day", "thanks": "thank you", "ok": "very well", "okay": "very well",
}  # fmt: skip
_COURTEOUS = (
    f"I should be obliged if you would attend to the following. {SLOT}",
    f"May I respectfully put this to you: {SLOT} I remain most grateful for your trouble.",
    f"To whom it may concern. {SLOT} With the assurance of my highest regard.",
    f"Permit me to trouble you with an enquiry. {SLOT}",
    f"The undersigned wishes to raise the matter below and thanks you for a considered reply. {SLOT}",
)
_SHORT = {
    "you": "u", "your": "ur", "are": "r", "please": "pls", "thanks": "thx", "because": "cuz", "before": "b4",
    "for": "4", "to": "2", "and": "n", "with": "w", "without": "w/o", "what": "wat", "people": "ppl", "about": "abt",
    "okay": "k", "be": "b", "see": "c", "why": "y", "going": "goin", "something": "smth", "tomorrow": "tmrw",
    "really": "rly", "though": "tho", "through": "thru", "great": "gr8", "message": "msg", "minutes": "mins",
}  # fmt: skip
_FILLERS = ("lol", "tbh", "asap", "haha", "ngl", "fr", "plz n thx", "idk")
_ASK_SYNONYMS = (
    "Prefer the less common word wherever there are two.",
    "Answer with synonyms in place of the plainest words.",
    "Choose other words than most people would in your reply.",
    "Vary the vocabulary of the answer: take the rarer of two synonyms.",
    "Use a thesaurus freely when you answer.",
)
_ASK_SHORT = (
    "Answer like a text message between teenagers.",
    "Reply in chat slang, no capitals, short forms everywhere.",
    "Text me the answer the way kids type on a phone.",
    "Keep the answer in lower case with u, r and pls.",
    "Write back as if thumbing it into a phone in a hurry.",
)


@transform(family="paraphrase", side="both", kind="alter", source="CC1 §3.2", asks=_ASK_SYNONYMS)
def synonym_swap(text: str, rng: np.random.Generator) -> str:
    """Common words exchanged for synonyms."""
    return _exchanged(text, _SYNONYMS)


@transform(family="paraphrase", side="prompt", kind="alter", source="CC1 §4, App. 8")
def past_tense(text: str, rng: np.random.Generator) -> str:
    """Asked of former times."""
    return fill(_LONG_AGO, _exchanged(_HOW_TO.sub(_how_people, text), _PAST), rng)


@transform(family="paraphrase", side="prompt", kind="alter", source="CC1 §3.2")
def formal_register(text: str, rng: np.random.Generator) -> str:
    """Asked in a stiff and courteous manner."""
    return fill(_COURTEOUS, _exchanged(text, _FULL), rng)


@transform(family="paraphrase", side="both", kind="alter", source="CC1 §3.2", asks=_ASK_SHORT)
def text_speak(text: str, rng: np.random.Generator) -> str:
    """Typed as a message on a phone: small letters, short forms, hardly a full stop."""
    unstopped = re.sub(r"[.!?]+(?=\s|$)", "", text.lower())
    return f"{_exchanged(unstopped, _SHORT)} {pick(_FILLERS, rng)}"


def _exchanged(text: str, table: Mapping[str, str]) -> str:
    """`text` with the words of `table` exchanged; a capital at the start stays one."""

    def other(match: re.Match[str]) -> str:
        found = table.get(match[0].lower())
        if found is None:
            return match[0]
        return found[0].upper() + found[1:] if match[0][0].isupper() else found

    return re.sub(r"[A-Za-z]+(?:'[A-Za-z]+)?", other, text)


def _how_people(match: re.Match[str]) -> str:
    return f"{match[0][:3]} people used to"
