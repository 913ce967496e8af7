"""The heart: text is released only once it was scored and cleared.

`Guard` screens a prompt and drives `StreamGuard`, the sans-I/O state machine of one answer.
"""

from lictor.guard.guard import Guard
from lictor.guard.session import GuardSession
from lictor.guard.stream import StreamGuard, hold_back_limit

__all__ = ["Guard", "GuardSession", "StreamGuard", "hold_back_limit"]
