"""Say examples in other languages: by Apertium, offline and rough, or by a chat model.

In: examples, languages, a translator. Out: new examples in those languages, and how many were kept. Every label gets
the same shares of every language, so that a language is no sign of one. Knows no transform: a translated example goes
through them like any other.

Cites: CC1 §3.2 (translation among the augmentations).
"""

import shutil
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from lictor.artifacts import fingerprint
from lictor.augment.meaning import LEAST_WORDS, words_left
from lictor.errors import GenerationError, UsageError
from lictor.types import ChatModel, Example, Message, Sampling

_MODES = {"ca": ("eng-cat", "cat-eng"), "es": ("eng-spa", "spa-eng"), "gl": ("en-gl", "gl-en")}
_NAMES = {
    "ar": "Arabic", "bn": "Bengali", "ca": "Catalan", "de": "German", "es": "Spanish", "fr": "French", "gl": "Galician",
    "hi": "Hindi", "it": "Italian", "ja": "Japanese", "ko": "Korean", "pt": "Portuguese", "ru": "Russian",
    "sw": "Swahili", "th": "Thai", "tr": "Turkish", "vi": "Vietnamese", "zh": "Chinese", "zu": "Zulu",
}  # fmt: skip
_REQUEST = "Translate into {language}. Write the translation and nothing else.\n\n{text}"
_REQUEST_BACK = "Translate into English. Write the translation and nothing else.\n\n{text}"


class Translator(Protocol):
    """Turns English texts into another language, and back."""

    @property
    def name(self) -> str:
        """What the new examples name as their generator."""
        ...

    def translate(self, texts: Sequence[str], language: str) -> list[str]:
        """The texts in `language`, in their order."""
        ...

    def back(self, texts: Sequence[str], language: str) -> list[str]:
        """Texts of `language` in English, in their order."""
        ...


class Translated(NamedTuple):
    """What translating gave."""

    examples: list[Example]
    tried: int
    """Examples translated; those whose words a translation back does not give are left out."""


class Apertium:
    """Rule-based translation by the program `apertium`, from Debian's packages."""

    name = "apertium"

    def translate(self, texts: Sequence[str], language: str) -> list[str]:
        """The texts in `language`.

        Raises:
            UsageError: The program or the pair of languages is not installed, or not known here.
        """
        return _apertium(texts, _mode(language)[0])

    def back(self, texts: Sequence[str], language: str) -> list[str]:
        """Texts of `language` in English."""
        return _apertium(texts, _mode(language)[1])


class ModelTranslator:
    """A chat model told to translate."""

    def __init__(self, model: ChatModel) -> None:
        self._model = model
        self.name = model.name

    def translate(self, texts: Sequence[str], language: str) -> list[str]:
        """The texts in `language`.

        Raises:
            GenerationError: The model could not be asked.
        """
        return self._ask([_REQUEST.format(language=_NAMES.get(language, language), text=text) for text in texts])

    def back(self, texts: Sequence[str], language: str) -> list[str]:
        """Texts of `language` in English."""
        return self._ask([_REQUEST_BACK.format(text=text) for text in texts])

    def _ask(self, requests: Sequence[str]) -> list[str]:
        asked = [(Message("user", request),) for request in requests]
        sampling = [Sampling(max_tokens=64 + len(request), temperature=0.0) for request in requests]
        return [answer.strip() for answer in self._model.complete(asked, sampling)]


def translate_examples(
    examples: Sequence[Example], languages: Sequence[str], translator: Translator, *, seed: int = 0
) -> Translated:
    """Each example once, in one of `languages`; those with too few words of their own after a way back are left out.

    Every turn is translated. Labels, split, rule and family stay; `onset_char` is None.

    Raises:
        UsageError: There are no languages, or the translator lacks one.
        GenerationError: The translator failed.
    """
    if not languages:
        raise UsageError("expected at least one language to translate into, got none")
    kept: list[Example] = []
    for language, given in _dealt(examples, languages, seed).items():
        texts = list(dict.fromkeys(message.content for example in given for message in example.messages))
        said = dict(zip(texts, translator.translate(texts, language), strict=True))
        again = dict(zip(texts, translator.back([said[text] for text in texts], language), strict=True))
        kept += [
            _in_language(example, language, said, translator.name)
            for example in given
            if all(words_left(m.content, again[m.content]) >= LEAST_WORDS for m in example.messages)
        ]
    return Translated(kept, len(examples))


def _dealt(examples: Sequence[Example], languages: Sequence[str], seed: int) -> dict[str, list[Example]]:
    """Examples by language, the languages in turn within every split and combination of labels."""
    groups: dict[tuple[object, ...], list[Example]] = defaultdict(list)
    for example in sorted(examples, key=lambda e: fingerprint(["language", seed, e.id])):
        groups[example.split, example.prompt_label, example.answer_label].append(example)
    dealt: dict[str, list[Example]] = {language: [] for language in languages}
    for group in groups.values():
        for index, example in enumerate(group):
            dealt[languages[index % len(languages)]].append(example)
    return dealt


def _in_language(example: Example, language: str, said: dict[str, str], translator: str) -> Example:
    return replace(
        example,
        id=fingerprint(["translated", example.id, language, translator]),
        messages=tuple(replace(message, content=said[message.content]) for message in example.messages),
        lang=language,
        parent=example.id,
        family=example.family or example.id,
        generator=translator,
        onset_char=None,
    )


def _mode(language: str) -> tuple[str, str]:
    if language not in _MODES:
        raise UsageError(
            f"apertium: expected a language of {', '.join(_MODES)}, got {language!r}; name a model instead"
        )
    return _MODES[language]


def _apertium(texts: Sequence[str], mode: str) -> list[str]:
    """All texts in one call; the program leaves line ends where they are."""
    program = shutil.which("apertium")
    if program is None:
        raise UsageError("expected the program apertium, found none; install apertium, or name a model instead")
    lines = [text.splitlines() or [""] for text in texts]
    joined = "\n".join(line for text in lines for line in text)
    done = subprocess.run(  # noqa: S603 -- fixed command
        [program, "-u", mode], input=joined, capture_output=True, text=True, check=False, errors="replace"
    )
    if done.returncode:
        raise UsageError(f"apertium {mode}: {done.stderr.strip() or done.stdout.strip()}; install apertium-{mode}")
    found, expected = done.stdout.split("\n"), joined.count("\n") + 1
    if len(found) != expected:
        raise GenerationError(f"apertium {mode}: expected {expected} lines as in the texts, got {len(found)}")
    said = iter(found)
    return ["\n".join(next(said) for _ in text) for text in lines]
