"""How the rows of well-known public sets read: for each, which columns hold what. Data, and little else.

In: nothing. Out: `SETS`, a shape by name. A set's labels follow its own policy, mostly a general one on safety; what
they mean under a constitution is for its owner to say. No row of any set stands here.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

Columns = Mapping[str, object]
Label = Callable[[Columns], int | None]
Unfold = Callable[[Iterable[Columns]], Iterator[Columns]]


@dataclass(frozen=True, slots=True)
class Shape:
    """Which columns of a row hold what; of several names the first that is there counts."""

    hub: str
    """Where the set stands: `hub:ORG/NAME`, and after further colons its configuration and split."""
    ask: tuple[str, ...] = ()
    """The request."""
    below: tuple[str, ...] = ()
    """Text that belongs to the request, put below it where there is any."""
    answer: tuple[str, ...] = ()
    turns: str = ""
    """The whole conversation, as a chat API carries it; instead of request and answer."""
    label: Label = lambda row: None
    """Of the prompt, by the set's own policy."""
    answer_label: Label = lambda row: None
    lang: str = ""
    source: str = ""
    """Where a row came from, in a file of several sets."""
    family: str = ""
    """What rows that say the same thing share."""
    unfold: Unfold = iter
    """Makes rows of one conversation each, where the set has them otherwise."""


def _always(label: int) -> Label:
    return lambda row: label


def _is_true(value: object) -> bool:
    """Whether a flag is set; CSV has them as text."""
    return value.strip().lower() in {"1", "true", "yes"} if isinstance(value, str) else bool(value)


def _flag(column: str) -> Label:
    return lambda row: None if row.get(column) is None else int(_is_true(row[column]))


def _unless(column: str) -> Label:
    """Permitted unless the column says otherwise; what it flags is unknown, since the flag is a machine's."""
    return lambda row: None if _is_true(row.get(column)) else 0


def _xstest(row: Columns) -> int | None:
    label = row.get("label")
    return int(label == "unsafe" if label else str(row.get("type", "")).startswith("contrast_"))


def _triggered(row: Columns) -> int | None:
    expected = row.get("expected_triggers")
    return int(any(cast("dict[str, bool]", expected).values())) if isinstance(expected, dict) else None


def _own(row: Columns) -> int | None:
    label = row.get("label")
    return None if label is None or label == "" else int(_is_true(label))


def _own_prompt(row: Columns) -> int | None:
    """A label of a row with an answer is the answer's: a harmful request may have been refused."""
    return None if row.get("response") else _own(row)


def _own_answer(row: Columns) -> int | None:
    return _own(row) if row.get("response") else None


def _by_language(rows: Iterable[Columns]) -> Iterator[Columns]:
    languages = ("en", "zh", "it", "vi", "ar", "ko", "th", "bn", "sw", "jv")
    for row in rows:
        yield from ({"id": row.get("id"), "lang": lang, "ask": row[lang]} for lang in languages if row.get(lang))


def _trees(rows: Iterable[Columns]) -> Iterator[Columns]:
    """The best-ranked path of each tree of messages, down to its last answer."""
    roots: list[Columns] = []
    below: dict[object, list[Columns]] = defaultdict(list)
    for row in rows:
        if row.get("parent_id"):
            below[row["parent_id"]].append(row)
        else:
            roots.append(row)
    for root in roots:
        path = [root]
        while replies := below[path[-1].get("message_id")]:
            path.append(min(replies, key=lambda reply: cast("int", reply.get("rank") or 0)))
        while path and path[-1].get("role") != "assistant":
            path.pop()
        if path:
            roles = {"prompter": "user", "assistant": "assistant"}
            turns = [{"role": roles.get(str(m.get("role"))), "content": m.get("text")} for m in path]
            yield {"id": root.get("message_id"), "lang": root.get("lang"), "messages": turns}


def _tutoring(rows: Iterable[Columns]) -> Iterator[Columns]:
    """Rows with a history of `Teacher:` and `Student:` lines as conversations; others as they are."""
    for row in rows:
        history = row.get("history")
        if not isinstance(history, list):
            yield row
            continue
        said = [str(line).partition(": ") for line in cast("list[object]", history)]
        turns = [{"role": "user", "content": row.get("problem")}]
        turns += [{"role": "assistant" if who == "Teacher" else "user", "content": text} for who, _, text in said]
        yield {**row, "messages": [*turns, {"role": "assistant", "content": row.get("response")}]}


_HARMLESS = _always(0)
_HARMFUL = _always(1)

SETS: Mapping[str, Shape] = MappingProxyType(
    {
        "alpaca": Shape(
            "hub:tatsu-lab/alpaca",
            ask=("instruction",),
            below=("input",),
            answer=("output",),
            label=_HARMLESS,
            answer_label=_HARMLESS,
        ),
        "do_not_answer": Shape("hub:LibrAI/do-not-answer", ask=("question",), label=_HARMFUL),
        "dolly": Shape(
            "hub:databricks/databricks-dolly-15k",
            ask=("instruction",),
            below=("context",),
            answer=("response",),
            label=_HARMLESS,
            answer_label=_HARMLESS,
        ),
        "harmbench": Shape(
            "hub:walledai/HarmBench:standard",
            ask=("Behavior", "prompt"),
            below=("ContextString", "context"),
            label=_HARMFUL,
            family="BehaviorID",
        ),
        "jailbreakbench": Shape(
            "hub:JailbreakBench/JBB-Behaviors:behaviors:harmful", ask=("Goal",), label=_HARMFUL, family="Behavior"
        ),
        "jailbreakbench_benign": Shape(
            "hub:JailbreakBench/JBB-Behaviors:behaviors:benign", ask=("Goal",), label=_HARMLESS, family="Behavior"
        ),
        "labelled": Shape(
            "",
            ask=("text", "prompt"),
            answer=("response",),
            turns="messages",
            label=_own_prompt,
            answer_label=_own_answer,
            lang="lang",
            source="src",
            unfold=_tutoring,
        ),
        "multijail": Shape(
            "hub:DAMO-NLP-SG/MultiJail", ask=("ask",), label=_HARMFUL, lang="lang", family="id", unfold=_by_language
        ),
        "oasst": Shape(
            "hub:OpenAssistant/oasst1",
            turns="messages",
            label=_HARMLESS,
            answer_label=_HARMLESS,
            lang="lang",
            unfold=_trees,
        ),
        "openai_guardrails": Shape("", ask=("data",), label=_triggered),
        "or_bench": Shape("hub:bench-llm/or-bench:or-bench-hard-1k", ask=("prompt",), label=_HARMLESS),
        "or_bench_toxic": Shape("hub:bench-llm/or-bench:or-bench-toxic", ask=("prompt",), label=_HARMFUL),
        "strongreject": Shape("hub:walledai/StrongREJECT", ask=("forbidden_prompt", "prompt"), label=_HARMFUL),
        "toxicchat": Shape(
            "hub:lmsys/toxic-chat:toxicchat0124",
            ask=("user_input",),
            answer=("model_output",),
            label=_flag("toxicity"),
        ),
        "wildchat": Shape(
            "hub:allenai/WildChat-1M",
            turns="conversation",
            label=_unless("toxic"),
            answer_label=_unless("toxic"),
            lang="language",
        ),
        "xstest": Shape("hub:walledai/XSTest", ask=("prompt",), label=_xstest),
    }
)
"""Shape of every set that is known, by name."""
