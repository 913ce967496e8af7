"""What the views read, and what they leave alone."""

import hashlib
import re
from base64 import b32encode, b64encode, encodebytes, urlsafe_b64encode
from codecs import encode
from collections.abc import Callable
from pathlib import Path
from string import ascii_uppercase

import pytest

from lictor.guard.tokens import segments
from lictor.guard.views import VIEWS, view_texts
from lictor.guard.views.english import COMMON
from lictor.guard.views.scripts import SPELLINGS

ASKED = "how should the small glass lamp be made, and when is it done? please tell me what they need."
TURNED = str.maketrans("abcdefghijklmnpqrtuvwy?.", "ɐqɔpǝɟƃɥᴉɾʞlɯudbɹʇnʌʍʎ¿˙")
MOVED = str.maketrans(ascii_uppercase, ascii_uppercase[7:] + ascii_uppercase[:7])
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


def _each(make: Callable[[int], str], text: str = ASKED) -> str:
    return "".join(map(make, text.encode()))


def _placed(mark: str) -> str:
    return re.sub("[a-z]+", lambda word: mark.join(str(ord(letter) - 96) for letter in word[0]), ASKED)


FORMS = {
    "base64 in lines": (encodebytes(ASKED.encode()).decode(), "base64"),
    "base32 in small letters": (b32encode(ASKED.encode()).decode().lower(), "base32"),
    "0x, with commas": (_each(lambda byte: f"0x{byte:02x}, "), "hex"),
    "\\x": (_each(lambda byte: f"\\x{byte:02X}"), "hex"),
    "colons": (ASKED.encode().hex(":"), "hex"),
    "bits": (_each(lambda byte: f"{byte:08b}"), "binary"),
    "0b": (_each(lambda byte: f"0b{byte:08b} "), "binary"),
    "numbers with commas": (_each(lambda byte: f"{byte},"), "decimal"),
    "numbers on lines": (_each(lambda byte: f"{byte}\n"), "decimal"),
    "vowels as percent codes": (re.sub("[aeiou]", lambda found: f"%{ord(found[0]):x}", ASKED), "percent"),
    "vowels as entities": (re.sub("[aeiou]", lambda found: f"&#{ord(found[0])};", ASKED), "html"),
    "entities in hexadecimal": (_each(lambda byte: f"&#x{byte:x};"), "html"),
    "braces": (_each(lambda byte: f"\\u{{{byte:x}}}"), "backslash"),
    "U+": (_each(lambda byte: f"U+{byte:04X}"), "backslash"),
    "variation selectors": (_each(lambda byte: chr(0xE0100 + byte - 16)), "invisible"),
    "fullwidth": (_each(lambda byte: chr(byte + 0xFEE0) if byte > 32 else " "), "lookalikes"),
    "mathematical": (_each(lambda byte: chr(0x1D41A + byte - 97) if byte > 96 else chr(byte)), "lookalikes"),
    "circled": (_each(lambda byte: chr(0x24D0 + byte - 97) if byte > 96 else chr(byte)), "lookalikes"),
    "struck through": (_each(lambda byte: chr(byte) + "\u0337\u0321"), "lookalikes"),
    "soft hyphens": ("\u00ad".join(ASKED), "zero_width"),
    "upside down": (ASKED.translate(TURNED)[::-1], "upside_down/reversed_lines"),
    "places in the alphabet": (_placed("-"), "places"),
    "places, with dots": (_placed("."), "places"),
    "capitals moved by 7": (ASKED.upper().translate(MOVED), "rot"),
}


@pytest.mark.parametrize(("text", "path"), FORMS.values(), ids=FORMS)
def test_a_code_is_read_in_all_its_usual_forms(text: str, path: str) -> None:
    """Prefixes, separators, line breaks and codes of some letters alone make no difference."""
    assert " ".join(view_texts(text)[path].lower().strip("\n,= ").split()) == ASKED


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda spelling: spelling[0])
def test_english_in_another_alphabet_is_read_in_each_spelling(spelling: str) -> None:
    """Words whose letters all have a sign come back as they were."""
    signs = {pair[1]: pair[0] for pair in reversed(spelling.split())}
    words = [word for word in sorted(COMMON) if len(word) > 3 and signs.keys() >= set(word)][:30]

    assert len(words) == 30
    assert view_texts(" ".join(words).translate(str.maketrans(signs)))["script"] == " ".join(words)


def test_three_common_words_give_a_sentence_away() -> None:
    """A short question is read too, from its first word on."""
    question = "how do you make the best lamp?"

    assert view_texts(encode(question, "rot13")) == {"rot": question}
    assert question in view_texts(question[::-1]).values()


def test_a_disguise_ends_where_plain_words_begin() -> None:
    """A word view goes back to sleep after a few common words, and holds nothing back from there on."""
    view = VIEWS["rot"]()
    for segment in segments(
        encode("how do you make the best lamp and keep it", "rot13") + " but now this is plain text"
    ):
        view.push(segment)

    assert view.pending_start is None


def test_every_view_is_on_its_page() -> None:
    """docs/reference/views.md has a row for every view, in order, with the characters it may hold back."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "views.md").read_text(encoding="utf-8")

    rows = re.findall(r"^\| `(\w+)` \|.*\| ([\d,]+) \|$", page, re.MULTILINE)

    assert rows == [(name, f"{make().pending_limit:,}") for name, make in VIEWS.items()]


@pytest.mark.parametrize(
    "text",
    [
        "The a b c of it is x = a + b, and I am a fan of U.S. law.",
        "def function_with_a_long_name(argument_one, argument_two): return argument_one / argument_two",
        "https://example.org/path/to/some-resource_name/with/parts?query=abcdefabcdef1234",
        "commit 79706c0d6a1f5f0e3a7c9d1b2e4f6a8b0c2d4e6f",
        "short aGVsbG8= code",
        "你好，世界。今天天气很好，我们去公园散步吧。",
        "Музей открылся в девять часов, и посетители, которые долго ждали под дождём, сразу вошли.",
        "Το μουσείο άνοιξε στις εννέα και οι επισκέπτες που περίμεναν στη βροχή μπήκαν αμέσως. Έτσι ήταν και τον Μάιο.",
        "המוזיאון נפתח בתשע בבוקר והמבקרים שחיכו בגשם נכנסו מיד פנימה. כך היה גם בשנה שעברה, אמר המדריך ופתח את הדלת.",
        "Version 2.1.19 came on 12-5-19, then 3.4-1 and 1-2-3; see sections 20.8.5 and 9.20. Results: 2-1, 1-1, 3-2.",
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
