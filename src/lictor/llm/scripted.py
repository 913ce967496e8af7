"""A chat model that follows a script: for tests, examples and dry runs. Knows no weights and no network."""

from collections.abc import Callable, Iterator, Sequence

from lictor.types import Conversation, OnAnswer, Sampling


class ScriptedModel:
    """Answers each conversation by calling `script`, and streams the answer word by word."""

    def __init__(self, script: Callable[[Conversation, Sampling], str], name: str = "scripted") -> None:
        self._script = script
        self._name = name

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[str]:
        """The script's answer, a word at a time."""
        words = self._script(conversation, sampling).split(" ")
        yield from (w if i == 0 else " " + w for i, w in enumerate(words))

    def complete(
        self,
        conversations: Sequence[Conversation],
        sampling: Sequence[Sampling],
        *,
        on_answer: OnAnswer | None = None,
    ) -> list[str]:
        """The script's answers, in order."""
        answers: list[str] = []
        for index, (conversation, how) in enumerate(zip(conversations, sampling, strict=True)):
            answers.append(self._script(conversation, how))
            if on_answer is not None:
                on_answer(index, answers[-1])
        return answers
