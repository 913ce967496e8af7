"""Scores of prompts that were read a while ago, so that a prompt sent again is not read again.

In: an input scorer and conversations. Out: its scores. Keeps a digest and a score of the last conversations, in memory
and without their text. A regenerated answer, a branch or a copied prompt costs nothing then. Knows no guard: one that
is replaced takes its memory with it. What failed is read again.
"""

import hashlib
import threading
from collections import OrderedDict

from lictor.types import Conversation, InputScorer


class Remembered:
    """An input scorer with a memory; safe to use from many threads."""

    def __init__(self, scorer: InputScorer, limit: int = 4096) -> None:
        self._scorer = scorer
        self._limit = limit
        self._scores = OrderedDict[bytes, float]()
        self._lock = threading.Lock()

    def score(self, conversation: Conversation) -> float:
        """The scorer's logit of `conversation`, as it is now or was when the very same was read.

        Raises:
            ScoringError: The scorer failed, or the conversation is too long for it.
        """
        key = hashlib.sha256(repr(conversation).encode("utf-8", "backslashreplace")).digest()
        with self._lock:
            if key in self._scores:
                self._scores.move_to_end(key)
                return self._scores[key]
        score = self._scorer.score(conversation)
        with self._lock:
            self._scores[key] = score
            while len(self._scores) > self._limit:
                self._scores.popitem(last=False)
        return score
