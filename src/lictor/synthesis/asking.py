"""Put a whole stage of requests before the generator, or before judges, and count what came of it.

In: a chat model, prompts. Out: answers in their order, votes, and a `Report`. Knows no rule and no example.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lictor.artifacts import fingerprint
from lictor.synthesis.filters import says_yes
from lictor.synthesis.material import TURN
from lictor.synthesis.votes import bears_out
from lictor.types import ChatModel, Conversation, Message, Sampling

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, requests done, requests in all."""


@dataclass
class Report:
    """What came in and what was kept, by filter and by reason."""

    counts: Counter[str] = field(default_factory=Counter[str])
    coverage: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    """Of queries that were kept: for each rule, how many of each origin, of several turns, and of each value of an axis
    of variety, where a generator wrote them."""

    def note(self, reason: str, by: int = 1) -> None:
        """Count `by` more under `reason`."""
        self.counts[reason] += by


class Generator:
    """The model, asked for a whole stage at once, with progress: it is never idle between parts of one."""

    def __init__(self, model: ChatModel, seed: int, progress: Progress) -> None:
        self.name = model.name
        self._model = model
        self._seed = seed
        self._progress = progress

    def __call__(self, stage: str, prompts: Sequence[str], max_tokens: int, temperature: float) -> list[str]:
        """The answers to a stage's prompts, each asked with a seed of its own."""
        sampling = [Sampling(max_tokens, temperature, 0.9, int(fingerprint([self._seed, p])[:8], 16)) for p in prompts]
        done = 0

        def note(_: int, __: str) -> None:
            nonlocal done
            done += 1
            self._progress(stage, done, len(prompts))

        self._progress(stage, 0, len(prompts))
        return self._model.complete([turns(p) for p in prompts], sampling, on_answer=note)


def turns(prompt: str) -> Conversation:
    """A prompt as it is sent: behind every second `TURN` stands an answer to learn from.

    A small generator follows a talk that it seems to have had better than samples inside one request.
    """
    parts = enumerate(prompt.split(TURN))
    return tuple(Message("assistant" if at % 2 else "user", part.strip()) for at, part in parts)


def elected(
    what: str, labels: list[int], prompts: Mapping[str, list[str]], ask: Generator, report: Report
) -> list[bool]:
    """For each text, whether a majority of the judges, asked their prompts about it, bears its label out."""
    votes = {judge: ask(f"judge: {judge}", of, 2, 0.0) for judge, of in prompts.items()}
    for judge, said in votes.items():
        found = [says_yes(vote) for vote in said]
        report.note(
            f"votes: {judge} agreed", sum(vote == bool(label) for label, vote in zip(labels, found, strict=True))
        )
        report.note(f"votes: {judge} said yes or no", len(found) - found.count(None))
    kept = [bears_out(label, [said[at] for said in votes.values()]) for at, label in enumerate(labels)]
    report.note(f"{what} put to the vote", len(labels))
    report.note(f"{what} dropped: outvoted", kept.count(False))
    return kept
