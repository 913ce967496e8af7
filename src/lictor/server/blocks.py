"""What a block is to a client: an error, a refusal, or the end of a stream.

In: a block and the settings. Out: the error to send, or None where the answer ends by its finish reason. Before the
first delivered character the outcome is the same whichever stage spoke. Knows no wire format.
"""

from dataclasses import dataclass

from lictor.server.errors import BlockedError, GuardFailedError, RequestError, ServiceError
from lictor.server.flow import Blocked
from lictor.server.settings import BlockingSection
from lictor.types import Decision


@dataclass(frozen=True, slots=True)
class BlockStyle:
    """How blocks are told, and the category they are told under."""

    section: BlockingSection
    category: str

    def error(self, block: Blocked) -> ServiceError | None:
        """The error that ends the answer; None where it ends as an answer does."""
        if block.decision.status == "error":
            return guard_failure(block.decision)
        style = self.section.on_input_block if block.is_first else self.section.stream_block_style
        return BlockedError(self.section.message, self.category) if style == "error" else None


def guard_failure(decision: Decision) -> ServiceError:
    """A decision of status `error` as the error a client sees."""
    if decision.reason == "conversation_too_long":
        return RequestError("the conversation is longer than the guard reads", "conversation_too_long", "messages")
    return GuardFailedError("the guard could not judge this request, so it was declined", decision.reason or "failed")
