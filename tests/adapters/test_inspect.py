"""A model under evaluation behind a guard; needs inspect_ai, which the development environment does not bring."""

import asyncio
import importlib
import importlib.util
from typing import Any

import pytest
from tests.server.serving import keyword_guard

from lictor.errors import UsageError
from lictor.testing.upstreams import LEAK, SOUP

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("inspect_ai") is None, reason="needs inspect_ai"),
    pytest.mark.filterwarnings("ignore"),  # of the libraries Inspect stands on
]


def ask(question: str, *said: str) -> Any:
    """The output of a guarded model that says `said`."""
    model: Any = importlib.import_module("inspect_ai.model")
    importlib.import_module("lictor.adapters.inspect")
    outputs = [model.ModelOutput.from_content("mockllm/model", text) for text in said]
    for output in outputs:
        output.usage = model.ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    guarded = model.get_model("lictor/mockllm/model", memoize=False, guard=keyword_guard(), custom_outputs=outputs)
    return asyncio.run(guarded.generate(question))


def test_a_permitted_answer_stands() -> None:
    """Text and stop reason are the model's; the decision is in the metadata."""
    output = ask("What is for lunch?", SOUP)

    assert (output.completion, output.stop_reason) == (SOUP, "stop")
    assert output.metadata["lictor"]["action"] == "allow"


def test_a_restricted_answer_is_cut_off() -> None:
    """What the guard released stays, and the reason is told."""
    output = ask("What is for lunch?", LEAK * 2)

    assert output.stop_reason == "content_filter"
    assert output.completion and LEAK.startswith(output.completion)
    assert "melt" not in output.model_dump_json()
    assert output.metadata["lictor"]["stage"] == "output"


def test_a_restricted_prompt_asks_no_model() -> None:
    """The model behind it, which has nothing to say, is not asked."""
    output = ask("the melt")

    assert output.stop_reason == "content_filter"
    assert output.metadata["lictor"]["stage"] == "input"


def test_a_guard_is_needed() -> None:
    """Without one the provider says what to give."""
    provider: Any = importlib.import_module("lictor.adapters.inspect")

    with pytest.raises(UsageError, match="-M guard="):
        provider.GuardedModel("mockllm/model")
