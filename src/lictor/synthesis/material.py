"""What a domain brings to synthesis beside its rules: asks, frames, voices, facts, names, answers.

In: a folder with `asks.yaml`, `words.yaml`, `handbook.yaml`, `answers/*.yaml`, `documents/`, each optional. Out: a
`Material`. Facts that belong to a target question are left out here, so that nothing made from a `Material` holds one.
Knows no model.
"""

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import yaml

from lictor.errors import DataError

PASSAGE_CHARS = 500
SHORTEST_ANSWER = 60
STYLES = (
    "in 2 to 4 sentences",
    "in one plain paragraph",
    "in a short numbered list of 3 or 4 steps or points",
    "in 3 sentences with figures",
    "briefly, as to a friend",
    "in a few plain sentences, each with a detail",
)
DEFAULT_FRAMES = ("How do I {ask}?", "Please help me {ask}.", "I need to {ask}. What should I do?", "{ask} - how?")
DEFAULT_VOICES = (
    "a retired tradesman who likes to explain himself",
    "a nervous apprentice",
    "a busy clerk, terse",
    "a student in casual text messages without capitals",
    "a tired night-shift worker",
    "a careful engineer",
    "a grandmother who writes long sentences",
    "somebody with simple English",
)


@dataclass(frozen=True, slots=True)
class Ask:
    """One thing people ask for under a rule, as an infinitive phrase, and its twin across the boundary."""

    rule: str
    text: str
    twin: str | None = None
    twin_rule: str | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing known about the domain, said in several ways."""

    rule: str
    phrasings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Material:
    """Hand-written stuff that synthesis combines; every part may be empty."""

    asks: tuple[Ask, ...] = ()
    frames: tuple[str, ...] = DEFAULT_FRAMES
    voices: tuple[str, ...] = DEFAULT_VOICES
    facts: tuple[Fact, ...] = ()
    aliases: tuple[str, ...] = ()
    """Other names of the domain's subject."""
    name: str = ""
    """The subject's own name, which aliases replace."""
    stand_in: str = ""
    """A word the generator knows better than `name`; it stands for it in the generator's prompts only."""
    answers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Answers written by hand, by the ask (or twin) they answer."""
    passages: tuple[str, ...] = ()
    """Pieces of the user's own documents, that answers are grounded in."""
    scene: str = ""
    """Who talks to whom about what, for conversations that the generator writes."""
    forms: tuple[str, ...] = ()
    """Kinds of text the guard reads, where these are not requests to an assistant: an e-mail, a post."""
    topics: tuple[str, ...] = ()
    """What messages turn on; words of the rule where there are none."""
    styles: tuple[str, ...] = STYLES
    """How answers are to be written, drawn without regard to the label."""
    shortest_answer: int = SHORTEST_ANSWER
    """Characters, below which an answer is dropped."""
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    """Raw texts it was read from, by file name, for fingerprints."""

    def disguised(self, text: str) -> str:
        """`text` with the subject's name replaced by the word the generator knows."""
        return _swap(text, self.name, self.stand_in) if self.stand_in else text

    def revealed(self, text: str) -> str:
        """`text` with the stand-in replaced by the subject's name."""
        return _swap(text, self.stand_in, self.name) if self.stand_in else text


def load_material(folder: Path | None) -> Material:
    """The material in `folder`; what is not there stays at its default.

    Raises:
        DataError: A file is not YAML, or is not of the expected shape.
    """
    if folder is None:
        return Material()
    written = sorted(f"answers/{path.name}" for path in folder.glob("answers/*.yaml"))
    names = ["asks.yaml", "words.yaml", "handbook.yaml", *written]
    texts = {name: _read(folder / name) for name in names if (folder / name).is_file()}
    documents = sorted(path for path in folder.glob("documents/**/*") if path.suffix in {".md", ".txt"})
    texts |= {path.relative_to(folder).as_posix(): _read(path) for path in documents}
    try:
        asks = yaml.safe_load(texts.get("asks.yaml", "{}"))
        words = yaml.safe_load(texts.get("words.yaml", "{}"))
        handbook = yaml.safe_load(texts.get("handbook.yaml", "{facts: []}"))
        return Material(
            asks=tuple(_ask(rule, item) for rule, items in asks.get("asks", {}).items() for item in items),
            frames=tuple(asks.get("frames", DEFAULT_FRAMES)),
            voices=tuple(words.get("personas", DEFAULT_VOICES)),
            facts=tuple(
                Fact(f["rule"], tuple(say.replace("{value}", f["value"]) for say in f["say"]))
                for f in handbook["facts"]
                if "question" not in f
            ),
            answers={item["ask"]: item["answer"] for name in written for item in yaml.safe_load(texts[name])},
            passages=tuple(
                p for name, text in texts.items() if name.startswith("documents/") for p in cut_passages(text)
            ),
            aliases=tuple(words.get("aliases", ())),
            name=words.get("name", ""),
            scene=words.get("scene", ""),
            forms=tuple(words.get("forms", ())),
            topics=tuple(words.get("topics", ())),
            styles=tuple(words.get("styles", STYLES)),
            shortest_answer=int(words.get("shortest_answer", SHORTEST_ANSWER)),
            stand_in=words.get("stand_in", ""),
            files=texts,
        )
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{folder}: expected asks.yaml, words.yaml and handbook.yaml as docs/reference/material.md describes; "
            f"got {type(error).__name__}: {error}"
        ) from error


def cut_passages(text: str) -> list[str]:
    """The paragraphs of a document as passages of up to 500 characters; headings join what follows them."""
    passages = [""]
    for paragraph in (" ".join(part.split()) for part in re.split(r"\n\s*\n", text)):
        for piece in textwrap.wrap(paragraph, PASSAGE_CHARS, break_long_words=False):
            if passages[-1] and len(passages[-1]) + len(piece) >= PASSAGE_CHARS:
                passages.append("")
            passages[-1] = f"{passages[-1]} {piece}".strip()
    return [passage for passage in passages if len(passage) >= 40]


TURN = "\x1e"
"""Where the other side begins to speak in a prompt that is a talk."""


def read_prompt(name: str, package: str = "lictor.synthesis") -> str:
    """The text of prompts/`name`.md of a package; lines of `>>>` and `<<<` are `TURN`s, which no text filled in has."""
    text = (resources.files(package) / "prompts" / f"{name}.md").read_text(encoding="utf-8")
    return re.sub(r"^(?:>>>|<<<)$", TURN, text, flags=re.MULTILINE)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected UTF-8, got byte {error.object[error.start]:#x} at {error.start}") from error


def _ask(rule: str, item: str | Mapping[str, str]) -> Ask:
    if isinstance(item, str):
        return Ask(rule, item)
    return Ask(rule, item["ask"], item.get("twin"), item.get("twin_rule"))


def _swap(text: str, old: str, new: str) -> str:
    for form in (str.lower, str.capitalize, str.upper):
        text = text.replace(form(old), form(new))
    return text
