"""From a section of lictor.yaml to a chat model. In: a section. Out: the model, kept to its limits."""

from dataclasses import replace

from lictor.errors import UsageError
from lictor.llm.load import load_chat_model
from lictor.llm.pacing import Limits
from lictor.pipeline.config import ModelSection
from lictor.types import ChatModel

IDENTITY = {"model", "precision", "api_key_env"}
"""What decides which answers come; the rest of a section is about how fast and at what price."""


def chat_model(section: ModelSection) -> ChatModel:
    """The model a section names.

    Raises:
        ModelNotFoundError: The reference is malformed, or leads nowhere from this machine.
    """
    return load_chat_model(
        section.model, precision=section.precision, api_key_env=section.api_key_env, limits=_limits(section)
    )


def chat_model_on_ray(section: ModelSection, workers: int) -> ChatModel:
    """The same model, its answers made by actors of a Ray cluster; a rate is shared out among them.

    Raises:
        ModelNotFoundError: The reference is malformed.
        UsageError: Ray is not installed.
    """
    try:
        from lictor.llm.ray_model import RayModel
    except ImportError as error:
        raise UsageError(f"--on ray: Ray is not installed ({error}); run: pip install 'lictor[ray]'") from error
    limits = _limits(section)
    shared = replace(
        limits,
        requests_per_minute=limits.requests_per_minute and limits.requests_per_minute / workers,
        tokens_per_minute=limits.tokens_per_minute and limits.tokens_per_minute / workers,
    )
    return RayModel(section.model, section.precision, section.api_key_env, shared, workers=workers)


def _limits(section: ModelSection) -> Limits:
    return Limits(section.concurrency, section.requests_per_minute, section.tokens_per_minute, section.timeout_s)
