"""Where text is cut, and what a broken tokenizer comes to."""

import pytest

from lictor.errors import ScoringError
from lictor.guard.tokens import Committer, encode, segments
from lictor.testing import PieceTokenizer
from lictor.types import Token


def test_a_segment_starts_with_its_whitespace() -> None:
    """Text is cut before the whitespace between words, however much of it there is."""
    assert segments("one two\n  three ") == ["one", " two", "\n  three", " "]


@pytest.mark.parametrize("text", ["x" * 70, " " * 70, "中" * 70])
def test_a_segment_is_at_most_32_characters(text: str) -> None:
    """Text without a place to cut is cut every 32 characters."""
    assert [len(segment) for segment in segments(text)] == [32, 32, 6]


def test_lone_surrogates_reach_the_tokenizer_as_replacement_characters() -> None:
    """The tokenizer sees U+FFFD, the text keeps its surrogate, and offsets stay."""
    seen: list[str] = []

    class Spy(PieceTokenizer):
        def encode(self, segment: str) -> list[Token]:
            seen.append(segment)
            return super().encode(segment)

    committer = Committer(Spy())
    found = [*committer.push("a\ud800\u200b\x00b c"), *committer.finish()]

    assert seen == ["a\ufffd\u200b\x00b", " c"]
    assert [segment.text for segment in found] == ["a\ud800\u200b\x00b", " c"]


def test_a_character_of_several_tokens_is_cleared_by_its_last() -> None:
    """The byte tokens of an emoji clear nothing until the last of them."""
    tokens = encode(PieceTokenizer(bytewise=True), "😀")

    assert [(token.start, token.end) for token in tokens] == [(0, 0), (0, 0), (0, 0), (0, 1)]


@pytest.mark.parametrize("ends", [[], [1], [2, 1, 3], [4], [-1, 3]])
def test_a_tokenizer_that_breaks_its_contract_is_an_error(ends: list[int]) -> None:
    """Token ends that are missing, decrease or do not reach the segment's end raise ScoringError."""

    class Broken:
        def encode(self, segment: str) -> list[Token]:
            return [Token(0, end) for end in ends]

    with pytest.raises(ScoringError, match="non-decreasing token ends up to 3"):
        encode(Broken(), "abc")
