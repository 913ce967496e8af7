"""`lictor check`: a decision for each conversation. In: a text, or a file of conversations. Out: decisions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lictor.cli.output import JsonOption, say, say_line
from lictor.errors import UsageError

if TYPE_CHECKING:
    from lictor.types import Decision


def check(
    text: Annotated[str | None, typer.Argument(help="A user's message to check.")] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="JSONL, CSV or Parquet with messages, or prompt and response."),
    ] = None,
    guard: Annotated[Path, typer.Option("--guard", "-g", help="The guard's folder.")] = Path("guard"),
    as_json: JsonOption = False,
) -> None:
    """Print the guard's decision on TEXT, or on every conversation of a file; with --json one object a line."""
    from lictor.assemble import Guard
    from lictor.dataset.pools import read_pool
    from lictor.types import Message

    if (text is None) == (file is None):
        raise UsageError("check: expected either TEXT or --file, got " + ("both" if text is not None else "neither"))
    conversations = (
        [("text", (Message("user", text),))]
        if text is not None
        else [(e.id, e.messages) for e in read_pool(Path(str(file)), source="check")]
    )
    loaded = Guard.load(guard)
    for identity, messages in conversations:
        decision = loaded.check(messages)
        if as_json:
            say_line({"id": identity, **decision_row(decision)})
        else:
            say(f"{decision.action}  {describe(decision)}" + ("" if text is not None else f"  {identity}"))


def decision_row(decision: "Decision") -> dict[str, object]:
    """A decision as a JSON object; a stage that scored nothing has a null score."""
    from dataclasses import asdict
    from math import isfinite

    row: dict[str, object] = asdict(decision)
    row["score"] = decision.score if isfinite(decision.score) else None
    row["p_harm"] = decision.p_harm
    return row


def describe(decision: "Decision") -> str:
    """A decision in a few words."""
    if decision.status == "error":
        return f"{decision.stage} stage failed: {decision.reason}"
    where = f"{decision.stage} stage, " if decision.stage else ""
    at = f", at token {decision.token_index}" if decision.token_index is not None else ""
    if decision.reason:
        return f"{where}{decision.reason}{at}"
    view = f", read as {decision.view}" if decision.view else ""
    return f"{where}score {decision.score:.2f} against {decision.threshold:.2f}{at}{view}"
