"""Public fakes for your own tests: scorers that say what a test tells them to, and, in `upstreams`, a scripted model.

`upstreams` needs `lictor[server]`; the rest needs nothing.
"""

from lictor.testing.fakes import (
    FakeInputScorer,
    FakeSession,
    FakeStreamScorer,
    KeywordInputScorer,
    KeywordStreamScorer,
    PieceTokenizer,
    ScoreToken,
    ask,
    cut_text,
    piece_text,
)

__all__ = [
    "FakeInputScorer",
    "FakeSession",
    "FakeStreamScorer",
    "KeywordInputScorer",
    "KeywordStreamScorer",
    "PieceTokenizer",
    "ScoreToken",
    "ask",
    "cut_text",
    "piece_text",
]
