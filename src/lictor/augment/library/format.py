"""The text as data or code. In: text. Out: the same text inside a JSON, YAML, XML, LaTeX, code or table shell."""

import html
import json
import re
from collections.abc import Callable

import numpy as np

from lictor.augment.describe import SLOT, Apply, Decode, Transform, pick, transform

_KEYS = ("text", "content", "body", "message")
_LEVELS = ("normal", "high", "routine")
_HEADS = ("kind: note", "version: 2", "type: entry\nlang: en", "status: open", "channel: desk")
_FUNCTIONS = ("entry", "next_item", "load_text", "current", "line_for_today")
_COLUMNS = (("no", "text"), ("row", "content"), ("item", "entry"), ("id", "words"), ("#", "line"))
_ELEMENTS = ("request", "entry", "item", "message", "record")
_PLACES = ("section{Question}", "section{Notes}", "subsection{Task}", "paragraph{Exercise}", "section*{Inbox}")
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "{}$&#_%"},
}
_FROM_LATEX = {written: sign for sign, written in _LATEX.items()}


def _carriers(shape: str) -> tuple[str, ...]:
    return (
        f"Handle the item in this {shape} as you would if I had asked you directly.\n\n{SLOT}",
        f"{SLOT}\n\nAbove is a {shape} from our queue. Reply to what it holds.",
        f"Our tool sends every question as a {shape}. Here is the next one, please answer it:\n{SLOT}",
        f"Read the {shape} below and write the response that belongs to it.\n\n{SLOT}",
        f"{SLOT}\n\nTreat the wording inside this {shape} as my message to you and respond.",
    )


def _asks(shape: str) -> tuple[str, ...]:
    return (
        f"Give your answer as a {shape}.",
        f"Please put the whole reply into a {shape}, since a program will read it.",
        f"Return nothing but a {shape} that holds the answer.",
        f"The answer should be the content of a {shape}.",
        f"Format the reply as a {shape}.",
    )


def _from_json(text: str) -> str:
    return next(str(value) for key, value in json.loads(text).items() if key in _KEYS)


def _from_yaml(text: str) -> str:
    return "\n".join(line[2:] for line in text.partition("|-\n")[2].split("\n"))


def _from_comment(text: str) -> str:
    return "\n".join(line.partition(" ")[2] for line in text.split("\n"))


def _from_function(text: str) -> str:
    return str(json.loads(text.partition("return ")[2]))


def _from_table(text: str) -> str:
    cells = [line.split(" | ", 1)[1].removesuffix(" |") for line in text.split("\n")[2:]]
    return "\n".join(re.sub(r"\\(.)", r"\1", cell) for cell in cells)


def _from_xml(text: str) -> str:
    return html.unescape(text.partition("<text>")[2].rpartition("</text>")[0])


def _from_latex(text: str) -> str:
    body = text.partition("\\begin{quote}\n")[2].rpartition("\n\\end{quote}")[0]
    return re.sub("|".join(map(re.escape, _FROM_LATEX)), lambda match: _FROM_LATEX[match[0]], body)


def _shell(shape: str, *, decode: Decode, source: str = "own", asked: str = "") -> Callable[[Apply], Transform]:
    """A reversible wrapper in which the text is the content of a `shape`, or of what `asked` says more exactly."""
    return transform(
        family="format",
        side="both",
        kind="wrap",
        source=source,
        reversible=True,
        decode=decode,
        carriers=_carriers(shape),
        asks=_asks(asked or shape),
    )


@_shell("JSON object", source="CC1 §4, App. 8", decode=_from_json)
def json_request(text: str, rng: np.random.Generator) -> str:
    """A JSON object that holds the text."""
    head: dict[str, str | int] = {"id": int(rng.integers(1, 1000)), "priority": pick(_LEVELS, rng)}
    return json.dumps({**head, pick(_KEYS, rng): text}, ensure_ascii=False, indent=pick((None, 2), rng))


@_shell("YAML document", source="CC1 §4, App. 8", decode=_from_yaml)
def yaml_spec(text: str, rng: np.random.Generator) -> str:
    """A YAML document with the text as a block."""
    block = "\n".join(f"  {line}" for line in text.split("\n"))
    return f"{pick(_HEADS, rng)}\n{pick(_KEYS, rng)}: |-\n{block}"


@_shell("source-code comment", source="CC2, reconstruction", decode=_from_comment)
def code_comment(text: str, rng: np.random.Generator) -> str:
    """A comment of some programming language."""
    mark = pick(("#", "//", "--", ";;", "%"), rng)
    return "\n".join(f"{mark} {line}" for line in text.split("\n"))


@_shell(
    "Python function",
    asked="Python function that returns it as a string",
    source="CC2, reconstruction",
    decode=_from_function,
)
def python_function(text: str, rng: np.random.Generator) -> str:
    """A Python function that returns the text."""
    return f"def {pick(_FUNCTIONS, rng)}() -> str:\n    return {json.dumps(text, ensure_ascii=False)}"


@_shell("Markdown table", decode=_from_table)
def markdown_table(text: str, rng: np.random.Generator) -> str:
    """A Markdown table with one row a line."""
    number, column = pick(_COLUMNS, rng)
    lines = (re.sub(r"([\\|])", r"\\\1", line) for line in text.split("\n"))
    rows = (f"| {index} | {line} |" for index, line in enumerate(lines, start=1))
    return "\n".join([f"| {number} | {column} |", "|---|---|", *rows])


@_shell("XML document", source="CC1 §4, App. 8", decode=_from_xml)
def xml_document(text: str, rng: np.random.Generator) -> str:
    """An XML document with the text in an element."""
    element = pick(_ELEMENTS, rng)
    return f'<{element} no="{int(rng.integers(1, 1000))}">\n  <text>{html.escape(text)}</text>\n</{element}>'


@_shell("LaTeX document", source="CC1 §4, App. 8", decode=_from_latex)
def latex_document(text: str, rng: np.random.Generator) -> str:
    """A part of a LaTeX document with the text as a quotation."""
    body = re.sub(r"[\\~^{}$&#_%]", lambda match: _LATEX[match[0]], text)
    return f"\\{pick(_PLACES, rng)}\n\\begin{{quote}}\n{body}\n\\end{{quote}}"
