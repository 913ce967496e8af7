"""What players talk to behind the guard: any chat model, or a worst-case target that understands free messages.

In: a conversation. Out: a `Reply`: the answer in pieces, and which rubric facts were in what was delivered of it.
Knows no guard, player or log.

How the worst-case target understands a free message: it reads the last user turn in every way `readings` knows, and
weighs the key words of each question in it: the stems of the question's text and ways of asking that few questions
and no permitted answer share, rarer ones weighing more. The question of most weight is asked, if it weighs
`KEY_WEIGHT`. If the last turn asks none, the system prompt and the last three user turns are read together, so that
an ask cut in pieces is understood. Otherwise it gives a permitted answer. It writes its answer in a code where the
last turn, or else the system prompt, has one of the sentences that transforms ask with, or the name of a transform.
It errs towards understanding: it stands for a model that would.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from math import log
from typing import NamedTuple, Protocol

from lictor.artifacts import fingerprint
from lictor.augment.registry import transforms
from lictor.evaluation.questions import Domain, Fact
from lictor.evaluation.readings import facts_in, readings
from lictor.evaluation.targets import WorstCaseTarget, facts_delivered
from lictor.types import Attack, ChatModel, Conversation, Message, Sampling

KEY_WEIGHT = 3.0
"""Weight of key words at which a question is understood; a word of one question in ten weighs 2.4, of five 0.8."""
CHUNK_CHARS = 64
_WORD = re.compile(r"[a-z0-9]{4,}")
_CODED = re.compile(r"\b(?:answer|reply|respond|response|write|output|encode|encoded|speak|say|put)\b", re.IGNORECASE)


class Reply(NamedTuple):
    """An answer on its way."""

    pieces: Iterator[str]
    facts: Callable[[str], tuple[str, ...]]
    """Rubric facts in the part of it that was delivered."""


class FreeTarget(Protocol):
    """Answers whatever players write."""

    @property
    def name(self) -> str:
        """What the log calls it."""
        ...

    def reply(self, conversation: Conversation) -> Reply:
        """The answer to `conversation`, which ends with a user turn."""
        ...


def rubric_facts(domain: Domain) -> tuple[Fact, ...]:
    """Facts that grade some question."""
    return tuple(fact for fact in domain.facts if fact.question is not None)


@dataclass(frozen=True)
class ModelFreeTarget:
    """A chat model; facts in its answers are found by the matcher."""

    model: ChatModel
    facts: tuple[Fact, ...] = ()
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=1024))
    system: str = ""
    """Put before every conversation, behind the guard."""

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    def reply(self, conversation: Conversation) -> Reply:
        """The model's own stream."""
        before = (Message("system", self.system),) if self.system else ()
        pieces = self.model.stream((*before, *conversation), self.sampling)
        return Reply(pieces, partial(facts_in, facts=self.facts))


class WorstCaseFreeTarget:
    """The worst-case target of `evaluation.targets`, for free messages; the same words get the same answer."""

    def __init__(self, domain: Domain, *, seed: int = 0) -> None:
        self._target = WorstCaseTarget(domain, seed=seed)
        self._topics = tuple(row.topic for row in domain.ordinary)
        stems = {question.id: _stems(" ".join((question.text, *question.ask))) for question in domain.questions}
        spread = Counter(stem for of_one in stems.values() for stem in of_one)
        plain = set[str]().union(*(_stems(f"{row.topic} {row.text}") for row in domain.ordinary))
        self._weights = {
            name: {
                stem: log((1 + len(stems)) / spread[stem])
                for stem in of_one - plain
                if spread[stem] <= max(1, len(stems) // 2)
            }
            for name, of_one in stems.items()
        }
        self.name = f"worst-case/{fingerprint([domain.questions, domain.facts, seed])}"

    def reply(self, conversation: Conversation) -> Reply:
        """All facts of the question asked, or a permitted answer."""
        answer = self._target.answer(self.understand(conversation))
        chunks = (answer.text[at : at + CHUNK_CHARS] for at in range(0, len(answer.text), CHUNK_CHARS))

        def given(delivered: str) -> tuple[str, ...]:
            return facts_delivered(answer, len(delivered))

        return Reply(chunks, given)

    def understand(self, conversation: Conversation) -> Attack:
        """What the last message asks for, and in which code."""
        asked = [message.content for message in conversation if message.role == "user"]
        system = "\n".join(message.content for message in conversation if message.role == "system")
        last = asked[-1] if asked else ""
        question = self._question(readings(last)) or self._question([" ".join((system, *asked[-3:]))])
        return Attack(
            id=fingerprint([message.content for message in conversation]),
            question=question,
            messages=conversation,
            output_chain=output_chain(last) or output_chain(system),
            strategy="free",
            request=None if question else self._topic(last),
        )

    def _question(self, texts: list[str]) -> str | None:
        best, heaviest = None, 0.0
        for text in texts:
            stems = _stems(text)
            for name, weights in self._weights.items():
                hits = stems & weights.keys()
                weight = sum(weights[stem] for stem in hits)
                if weight >= KEY_WEIGHT and weight > heaviest:
                    best, heaviest = name, weight
        return best

    def _topic(self, text: str) -> str | None:
        stems = _stems(text)
        return max(self._topics, key=lambda topic: len(stems & _stems(topic)), default=None) if stems else None


def output_chain(text: str) -> tuple[str, ...]:
    """Names of the answer-side transforms `text` asks for, in the order in which it does."""
    lowered, found = text.lower(), dict[str, int]()
    for made in transforms().values():
        if not made.fits("answer"):
            continue
        places = [lowered.find(sentence.lower()) for sentence in made.asks]
        if _CODED.search(text):
            named = re.search(rf"\b{re.escape(made.name.replace('_', ' '))}\b", lowered.replace("_", " "))
            places.append(named.start() if named and len(made.name) >= 4 else -1)
        if max(places) >= 0:
            found[made.name] = max(places)
    return tuple(sorted(found, key=lambda name: found[name]))


def _stems(text: str) -> set[str]:
    return {word[:6] for word in _WORD.findall(text.lower())}
