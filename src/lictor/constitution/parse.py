"""A constitution file as rules, or every reason why it is none.

In: a file or its text. Out: `Parsed`, whose rules know their lines. Every problem is a line of its own,
`file:line: what; expected, got; what to do`. Says nothing about whether the rules are good: check.py does.
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from lictor.constitution.rule import Rule
from lictor.constitution.tree import Listing, Mapping, Scalar, Tree, read_tree
from lictor.errors import ConstitutionError
from lictor.types import PERMITTED_BUCKETS, Bucket

MAX_BYTES = 1_000_000
VERSION = 1
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_ID_MEANS = "1 to 64 lower-case letters, digits, '-' or '_', the first a letter or digit"
_SHOWN_CHARACTERS = 40


class Parsed(NamedTuple):
    """What a constitution file says."""

    version: int
    name: str
    summary: str
    rules: tuple[Rule, ...]


@dataclass(slots=True)
class _Problems:
    """The problems of one file, gathered so that they can be told together."""

    name: str
    found: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def add(self, line: int, message: str) -> None:
        self.found.append((line, message))

    def raise_any(self) -> None:
        if self.found:
            lines = [f"{self.name}:{line}: {message}" for line, message in sorted(self.found)]
            raise ConstitutionError("\n".join(lines))


def read_text(path: Path) -> str:
    """The text of the file at `path`.

    Raises:
        ConstitutionError: It cannot be opened, is larger than `MAX_BYTES`, or is not UTF-8.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConstitutionError(
            f"{path}:1: expected a constitution file, could not open it ({error.strerror}); "
            "check the path, or start from a template with `lictor init`"
        ) from error
    if len(data) > MAX_BYTES:
        raise ConstitutionError(
            f"{path}:1: expected at most {MAX_BYTES:,} bytes, got more; "
            "a constitution is a short list of rules: keep data in a dataset"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConstitutionError(
            f"{path}:{line}: expected UTF-8, got the byte 0x{error.object[error.start]:02x} at byte offset "
            f"{error.start}; save the file as UTF-8"
        ) from error


def parse_text(text: str, name: str) -> Parsed:
    """The rules written in `text`; `name` stands for the file in messages.

    Raises:
        ConstitutionError: The text is no constitution; the message has a line for every problem found.
    """
    tree = read_tree(text, name)
    problems = _Problems(name)
    keys = ("version", "name", "summary", "restricted", "permitted")
    fields = _fields(tree, "the file", keys, (), problems)
    version = _version(fields.get("version"), problems)
    short_name = _id(fields.get("name"), "name", problems)
    summary = _text(fields.get("summary"), "summary", problems)
    rules = _rules(fields.get("restricted"), "restricted", problems)
    if "permitted" in fields:
        buckets = _fields(fields["permitted"], "permitted", (), PERMITTED_BUCKETS, problems)
        for bucket in PERMITTED_BUCKETS:
            rules += _rules(buckets.get(bucket), bucket, problems)
    _refuse_duplicate_ids(rules, problems)
    problems.raise_any()
    return Parsed(version, short_name, summary, tuple(sorted(rules, key=lambda rule: rule.line)))


def _fields(
    node: Tree, where: str, required: Sequence[str], optional: Sequence[str], problems: _Problems
) -> dict[str, Tree]:
    """The known keys of a mapping; missing, unknown and repeated ones become problems."""
    known = (*required, *optional)
    if not isinstance(node, Mapping):
        problems.add(node.line, f"{where}: expected a mapping with {', '.join(known)}, got {_shown(node)}")
        return {}
    found: dict[str, Tree] = {}
    for key, value in node.entries:
        if not isinstance(key, Scalar) or key.value not in known:
            problems.add(key.line, f"{where}: unknown key {_shown(key)}; {_meant(key, known)}")
        elif key.value in found:
            first = found[key.value].line
            problems.add(key.line, f"{where}: the key {key.value!r} is given twice (see line {first}); keep one")
        else:
            found[key.value] = value
    for key in required:
        if key not in found:
            problems.add(node.line, f"{where}: the key {key!r} is missing; add it")
    return found


def _meant(key: Tree, known: Sequence[str]) -> str:
    written = key.value if isinstance(key, Scalar) else ""
    close = difflib.get_close_matches(written[:64].lower(), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(known)}"


def _version(node: Tree | None, problems: _Problems) -> int:
    if node is not None and not (isinstance(node, Scalar) and node.kind == "a number" and node.value == str(VERSION)):
        problems.add(
            node.line, f"version: expected the number {VERSION}, got {_shown(node)}; this Lictor reads no other version"
        )
    return VERSION


def _text(node: Tree | None, where: str, problems: _Problems) -> str:
    """The text of a node; a missing one was reported where its mapping was read."""
    if node is None:
        return ""
    if not isinstance(node, Scalar) or node.kind not in ("text", "nothing"):
        advice = "put it in quotes" if isinstance(node, Scalar) else "write one text"
        problems.add(node.line, f"{where}: expected text, got {_shown(node)}; {advice}")
        return ""
    if node.kind == "nothing" or not node.value.strip():
        problems.add(node.line, f"{where}: expected text, got nothing; write it or remove the key")
        return ""
    return node.value.strip()


def _id(node: Tree | None, where: str, problems: _Problems) -> str:
    text = _text(node, where, problems)
    if node is not None and text and not _ID.fullmatch(text):
        problems.add(node.line, f"{where}: expected {_ID_MEANS}, got {_cut(text)}; rename it")
    return text


def _rules(node: Tree | None, bucket: Bucket, problems: _Problems) -> list[Rule]:
    if node is None:
        return []
    if not isinstance(node, Listing):
        problems.add(node.line, f"{bucket}: expected a list of rules, got {_shown(node)}; write `- id: ...` items")
        return []
    return [_rule(item, bucket, place, problems) for place, item in enumerate(node.items, start=1)]


def _rule(node: Tree, bucket: Bucket, place: int, problems: _Problems) -> Rule:
    where = f"{bucket} rule {place}"
    fields = _fields(node, where, ("id", "text"), ("examples",), problems)
    rule_id = _id(fields.get("id"), f"{where}: id", problems)
    text = _text(fields.get("text"), f"{where}: text", problems)
    examples: tuple[str, ...] = ()
    match fields.get("examples"):
        case None:
            pass
        case Listing(items=items):
            examples = tuple(_text(item, f"{where}: example", problems) for item in items)
        case other:
            problems.add(other.line, f"{where}: examples: expected a list of texts, got {_shown(other)}")
    return Rule(rule_id, text, bucket, examples, line=node.line)


def _refuse_duplicate_ids(rules: Sequence[Rule], problems: _Problems) -> None:
    first: dict[str, Rule] = {}
    for rule in rules:
        if rule.id and rule.id in first:
            earlier = first[rule.id]
            problems.add(
                rule.line,
                f"rule id {rule.id!r} is used twice (line {earlier.line}, in {earlier.bucket}); ids must be unique: "
                "rename one",
            )
        first.setdefault(rule.id, rule)


def _shown(node: Tree) -> str:
    if not isinstance(node, Scalar) or node.kind == "nothing":
        return node.kind
    return _cut(node.value) if node.kind == "text" else f"{node.kind} ({_cut(node.value)})"


def _cut(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "...")
