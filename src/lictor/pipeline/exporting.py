"""`export`: a guard's scorers as folders that Hugging Face's tools open.

In: a guard folder. Out: one folder a scorer, each with weights, tokenizer and a card. What makes a guard of them, the
views, the reading in strides and the state between, stays behind: these are for study, and for other servers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from lictor.artifacts import write_artifact
from lictor.assemble import HeadKind, Parts, read_parts
from lictor.errors import UsageError
from lictor.model.exchange import EVERY
from lictor.model.export import export_head
from lictor.model.reading import REACH
from lictor.model.text import input_template
from lictor.pipeline.standing import key_of
from lictor.types import Cascade


@dataclass(frozen=True, slots=True)
class Exported:
    """A scorer that was exported."""

    kind: HeadKind
    folder: Path
    is_token_classifier: bool


def export_guard(guard: Path, out: Path) -> list[Exported]:
    """Write every head of a guard into a folder of its own below `out`: all of them, or nothing.

    Raises:
        UsageError: Something stands there already.
        ArtifactError: The guard is incomplete or altered, or the disk refused a write.
    """
    if out.exists():
        raise UsageError(f"{out}: expected a folder that is not there yet, so that nothing is overwritten")
    parts, found = read_parts(guard), list[Exported]()

    def fill(staging: Path) -> None:
        for kind in parts.heads:
            (staging / kind).mkdir()
            found.append(Exported(kind, out / kind, _export(parts, kind, staging / kind)))

    key = key_of(guard)
    write_artifact(out, fill, kind="exported-scorers", key=key, parents={"guard": key})
    return found


def _export(parts: Parts, kind: HeadKind, folder: Path) -> bool:
    try:
        is_classifier = export_head(parts.reference, parts.cut, parts.heads[kind], folder)
    except SafetensorError as error:  # what its writer makes of a full disk
        raise OSError(str(error)) from error
    (folder / "README.md").write_text(_card(parts, kind, is_classifier), encoding="utf-8")
    return is_classifier


def _card(parts: Parts, kind: HeadKind, is_classifier: bool) -> str:
    task = "token-classification" if is_classifier else "text-generation"
    return f"""---
library_name: transformers
pipeline_tag: {task}
{_base(parts.reference)}tags: [guardrail, safety, lictor]
---

# {_TITLES[kind]}

{_OPENS[is_classifier]} {_reading(parts, kind)}

The guard it comes from decides in the precision it was calibrated in; logits here are in float32 and differ by
rounding. Its card follows.

{parts.card}"""


def _base(reference: str) -> str:
    """Where the backbone comes from, if others can find it there."""
    return f"base_model: {reference.removeprefix('hf:')}\n" if reference.startswith("hf:") else ""


def _reading(parts: Parts, kind: HeadKind) -> str:
    if kind == "stream":
        return (
            f"Feed it the start token and the answer alone. A token's score is the mean of the last {parts.window} "
            f"logits; the guard halts at {parts.policy.output_threshold:.3f} or more, debounced. A token looks "
            f"back {REACH} tokens in the guard and as far as the model goes here, so that longer answers differ."
        )
    before, after = input_template()
    if kind == "exchange":
        return (
            "The last token's logit is the score of the answer so far; the guard asks after the first and every "
            f"{EVERY}th token of an answer that it escalates. {_weighed(parts.policy.cascade)} A token looks back "
            f"{REACH} tokens of the answer in the guard. The text, where the answer, what stands before it and what "
            f"follows are tokenised each by itself:\n\n```text\n{before}user: ...\nassistant:ANSWER{after}\n```"
        )
    return (
        "The last token's logit is the score of the whole text; the guard refuses at "
        f"{parts.policy.input_threshold:.3f} or more. The text, `ROLE: content` a line for the dialog:\n\n"
        f"```text\n{before}user: ...{after}\n```"
    )


def _weighed(cascade: Cascade | None) -> str:
    if cascade is None:
        return "In this guard it decides nothing."
    return (
        f"{cascade.scale:.4g} times the logit {cascade.shift:+.4g} weighs {cascade.weight:g} in the token's score, "
        f"the stream scorer's logit {1 - cascade.weight:g}."
    )


_TITLES: Mapping[HeadKind, str] = {
    "input": "Input scorer of a guard",
    "stream": "Stream scorer of a guard",
    "exchange": "Exchange scorer of a guard",
}
_OPENS = {
    True: "`AutoModelForTokenClassification.from_pretrained` opens it: one label, the logit of restrictedness.",
    False: "`AutoModelForCausalLM.from_pretrained` opens it; on its final hidden states, `value.safetensors` holds the "
    "linear layer that gives the logit of restrictedness.",
}
