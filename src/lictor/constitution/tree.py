"""YAML text as a small tree that remembers its lines, or a refusal that names one.

In: text. Out: `Scalar | Listing | Mapping`. Refuses what a rule file has no use for and a hostile one does:
anchors, aliases, tags, several documents, deep nesting, unprintable characters. Knows nothing of rules.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import yaml

from lictor.errors import ConstitutionError

MAX_DEPTH = 12
_KINDS = {
    "tag:yaml.org,2002:str": "text",
    "tag:yaml.org,2002:int": "a number",
    "tag:yaml.org,2002:float": "a number",
    "tag:yaml.org,2002:bool": "true or false",
    "tag:yaml.org,2002:null": "nothing",
    "tag:yaml.org,2002:timestamp": "a date",
}


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as written, and what YAML takes it for."""

    value: str
    kind: str
    """`text`, `a number`, `true or false`, `nothing`, `a date`, `something else`."""
    line: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A sequence of nodes."""

    items: tuple["Tree", ...]
    line: int
    kind: str = "a list"


class Entry(NamedTuple):
    """One `key: value` of a mapping."""

    key: "Tree"
    value: "Tree"


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys and values in the order written, duplicates included."""

    entries: tuple[Entry, ...]
    line: int
    kind: str = "a mapping"


Tree = Scalar | Listing | Mapping


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been read yet."""

    line: int
    is_mapping: bool
    nodes: list[Tree] = field(default_factory=list[Tree])

    def close(self) -> Tree:
        if not self.is_mapping:
            return Listing(tuple(self.nodes), self.line)
        pairs = zip(self.nodes[::2], self.nodes[1::2], strict=True)
        return Mapping(tuple(Entry(key, value) for key, value in pairs), self.line)


def read_tree(text: str, name: str) -> Tree:
    """The one YAML document in `text`; `name` stands for the file in messages.

    Raises:
        ConstitutionError: It is not YAML, is empty, or uses what is refused here.
    """
    root = _Open(1, is_mapping=False)
    stack = [root]
    documents = 0
    for event in _events(text, name):
        line = _line(event)
        match event:
            case yaml.DocumentStartEvent():
                documents += 1
                if documents > 1:
                    raise ConstitutionError(f"{name}:{line}: expected one document, got a second `---`; remove it")
            case yaml.AliasEvent():
                raise ConstitutionError(f"{name}:{line}: aliases (*{event.anchor}) are refused; write the value out")
            case yaml.ScalarEvent():
                _refuse_properties(event, name)
                stack[-1].nodes.append(_scalar(event, name))
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                _refuse_properties(event, name)
                if len(stack) > MAX_DEPTH:
                    raise ConstitutionError(f"{name}:{line}: expected at most {MAX_DEPTH} levels of nesting, got more")
                stack.append(_Open(line, is_mapping=isinstance(event, yaml.MappingStartEvent)))
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                done = stack.pop()
                stack[-1].nodes.append(done.close())
            case _:
                pass
    if not root.nodes:
        raise ConstitutionError(
            f"{name}:1: the file is empty; expected a constitution; `lictor init --list` names templates to start from"
        )
    return root.nodes[0]


def _events(text: str, name: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise ConstitutionError(
            f"{name}:{line}: expected printable text, got the character U+{ord(text[error.position]):04X}; remove it"
        ) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        got = " ".join(part for part in (error.context, error.problem) if part).replace("\n", " ")
        raise ConstitutionError(
            f"{name}:{line}: expected YAML, got something else ({got}); "
            "check the indentation and quote texts that contain `: ` or `#`"
        ) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # PyYAML lets ValueError and OverflowError out for escapes such as "\UFFFFFFFF".
        got = str(error).replace("\n", " ")
        raise ConstitutionError(f"{name}:1: expected YAML, got something that cannot be read ({got})") from error


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _refuse_properties(event: yaml.ScalarEvent | yaml.CollectionStartEvent, name: str) -> None:
    line = _line(event)
    if event.anchor is not None:
        raise ConstitutionError(f"{name}:{line}: anchors (&{event.anchor}) are refused; write the value out")
    if event.tag is not None:
        raise ConstitutionError(f"{name}:{line}: tags ({event.tag}) are refused; write the plain value")


def _scalar(event: yaml.ScalarEvent, name: str) -> Scalar:
    line = _line(event)
    for character in event.value:
        if unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t":
            raise ConstitutionError(
                f"{name}:{line}: expected printable text, got the character U+{ord(character):04X}; remove it"
            )
    if not event.implicit[0]:
        return Scalar(event.value, "text", line)
    tag = yaml.resolver.Resolver().resolve(yaml.ScalarNode, event.value, (True, False))
    return Scalar(event.value, _KINDS.get(tag, "something else"), line)
