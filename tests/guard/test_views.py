"""What the views read, and what they leave alone."""

import hashlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable

import pytest

from lictor.guard.views import VIEWS, view_texts

PLAIN = "Warm the glass to twelve hundred degrees – naïve 中文 ok?"


@pytest.mark.parametrize("width", [200, 76, 20, 5, 1])
@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
def test_base64_is_decoded_in_place(width: int, encode: Callable[[bytes], bytes]) -> None:
    """Base64 of either alphabet is read where it stands, broken into lines of any width or not."""
    code = encode(PLAIN.encode()).decode().rstrip("=")
    lines = "\n".join(code[at : at + width] for at in range(0, len(code), width))

    assert view_texts(f"Read this:\n{lines} and go.")["base64"] == f"Read this:\n{PLAIN} and go."


def test_base64_is_decoded_as_it_comes() -> None:
    """From its sixteenth character on, each group of four is read at once, with its source characters."""
    view = VIEWS["base64"]()

    assert view.push(b64encode(b"hello, world").decode()[:15]) == []
    assert view.pending_start == 0
    pieces = view.push("k")
    assert ["".join(piece.text for piece in pieces), pieces[-1].start, pieces[-1].end] == ["hello, world"[:12], 12, 16]
    assert view.pending_start == 16


@pytest.mark.parametrize("letter_gap", [" ", "-", ".", "\u200b", "\n"])
def test_letters_set_apart_are_joined(letter_gap: str) -> None:
    """Single letters with one same separator are read as the word they spell."""
    assert view_texts("Say " + letter_gap.join("gentle") + ", then")["spaced"] == "Say gentle, then"


def test_a_wider_gap_is_a_gap_between_words() -> None:
    """Two separators, or whitespace, stand for the space between two words."""
    assert view_texts("h e l l o  w o r l d")["spaced"] == "hello world"
    assert view_texts("h-e-l-l-o w-o-r-l-d")["spaced"] == "hello world"


@pytest.mark.parametrize(
    "text",
    [
        "The a b c of it is x = a + b, and I am a fan of U.S. law.",
        "def function_with_a_long_name(argument_one, argument_two): return argument_one / argument_two",
        "https://example.org/path/to/some-resource_name/with/parts?query=abcdefabcdef1234",
        "commit 79706c0d6a1f5f0e3a7c9d1b2e4f6a8b0c2d4e6f",
        "short aGVsbG8= code",
        "你好，世界。今天天气很好，我们去公园散步吧。",
        "",
    ],
)
def test_plain_text_opens_no_view(text: str) -> None:
    """Prose, code, and addresses are read by no view."""
    assert view_texts(text) == {}


def test_hashes_hardly_ever_open_a_view() -> None:
    """Fewer than 1% of hexadecimal hashes happen to decode to printable text."""
    hashes = [hashlib.sha256(seed.to_bytes(2, "big")).hexdigest() for seed in range(1000)]

    assert sum(bool(view_texts(text)) for text in hashes) < 10


def test_plain_words_hold_nothing_back() -> None:
    """A word that decodes to nothing readable is given up in its first group."""
    base64, spaced = VIEWS["base64"](), VIEWS["spaced"]()
    for word in ("Thermal", "conductivity", "of", "ordinary", "windowpanes"):
        base64.push(word + " ")
        spaced.push(word + " ")
        assert (base64.pending_start, spaced.pending_start) == (None, None)


def test_a_wide_gap_ends_a_disguise() -> None:
    """Blank space without end holds nothing back: a disguise is over after a few characters of it."""
    base64, spaced = VIEWS["base64"](), VIEWS["spaced"]()
    base64.push(b64encode(PLAIN.encode()).decode()[:30])
    spaced.push("h e l l o  w o r l d")
    assert None not in (base64.pending_start, spaced.pending_start)

    base64.push("\n" * 5)
    spaced.push(" " * 6)

    assert (base64.pending_start, spaced.pending_start) == (None, None)
