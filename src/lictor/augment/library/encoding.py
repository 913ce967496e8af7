"""Encodings of bytes, characters and the Latin alphabet. In: text. Out: the same text in a code."""

import base64 as b64
import codecs
import re
from string import ascii_lowercase, ascii_uppercase

import numpy as np

from lictor.augment.describe import code

_ALPHABETS = (ascii_lowercase, ascii_uppercase)
_LETTERS = "".join(_ALPHABETS)
_ON = str.maketrans(_LETTERS, "".join(alphabet[3:] + alphabet[:3] for alphabet in _ALPHABETS))
_BACK = {moved: letter for letter, moved in _ON.items()}
_MIRRORED = str.maketrans(_LETTERS, "".join(alphabet[::-1] for alphabet in _ALPHABETS))


def _from_base64(text: str) -> str:
    return b64.b64decode(text).decode("utf-8", "surrogatepass")


def _from_hex(text: str) -> str:
    return bytes.fromhex(text).decode("utf-8", "surrogatepass")


def _rotate(text: str) -> str:
    return codecs.encode(text, "rot13")


def _from_url(text: str) -> str:
    return _from_hex(text.replace("%", ""))


def _from_html(text: str) -> str:
    return re.sub(r"&#(\d+);", lambda match: chr(int(match[1])), text)


def _from_base32(text: str) -> str:
    return b64.b32decode(text).decode("utf-8", "surrogatepass")


def _from_bits(text: str) -> str:
    return bytes(int(bits, 2) for bits in text.split()).decode("utf-8", "surrogatepass")


def _from_decimal(text: str) -> str:
    return "".join(chr(int(code)) for code in text.split())


def _from_backslash(text: str) -> str:
    return re.sub(r"\\u\{?([0-9a-f]+)\}?", lambda match: chr(int(match[1], 16)), text)


def _back_three(text: str) -> str:
    return text.translate(_BACK)


def _mirror(text: str) -> str:
    return text.translate(_MIRRORED)


@code("in base64", family="encoding", source="CC1 §3.2", decode=_from_base64, view="base64")
def base64(text: str, rng: np.random.Generator) -> str:
    """The UTF-8 bytes in base64."""
    return b64.b64encode(text.encode("utf-8", "surrogatepass")).decode()


@code("in hexadecimal", name="hex", family="encoding", source="CC1 §3.2", decode=_from_hex, view="hex")
def hex_bytes(text: str, rng: np.random.Generator) -> str:
    """The UTF-8 bytes as hexadecimal digits, together or in pairs."""
    data = text.encode("utf-8", "surrogatepass")
    return data.hex(" ") if rng.random() < 0.5 else data.hex()


@code("in ROT13", family="encoding", source="CC1 §3.2", decode=_rotate, view="rot")
def rot13(text: str, rng: np.random.Generator) -> str:
    """Each Latin letter moved by half the alphabet."""
    return _rotate(text)


@code(
    "with every letter moved three places on in the alphabet",
    family="encoding",
    source="CC1 §3.2",
    decode=_back_three,
    view="rot",
)
def caesar_shift(text: str, rng: np.random.Generator) -> str:
    """Each Latin letter moved three places on in the alphabet."""
    return text.translate(_ON)


@code("in Atbash, a for z and z for a", family="encoding", decode=_mirror, view="atbash")
def atbash(text: str, rng: np.random.Generator) -> str:
    """Each Latin letter exchanged for its mirror image in the alphabet."""
    return _mirror(text)


@code("in percent codes, as in a web address", family="encoding", decode=_from_url, view="percent")
def url_escapes(text: str, rng: np.random.Generator) -> str:
    """Every UTF-8 byte as a percent escape."""
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))


@code("in numeric HTML entities", family="encoding", decode=_from_html, view="html")
def html_entities(text: str, rng: np.random.Generator) -> str:
    """Every character as a numeric HTML entity."""
    return "".join(f"&#{ord(character)};" for character in text)


@code("in base32", family="encoding", source="CC1 §3.2", decode=_from_base32, view="base32")
def base32(text: str, rng: np.random.Generator) -> str:
    """The UTF-8 bytes in base32."""
    return b64.b32encode(text.encode("utf-8", "surrogatepass")).decode()


@code("in binary, eight bits a byte", family="encoding", source="CC1 §3.2", decode=_from_bits, view="binary")
def binary_bits(text: str, rng: np.random.Generator) -> str:
    """The UTF-8 bytes as zeros and ones."""
    return " ".join(f"{byte:08b}" for byte in text.encode("utf-8", "surrogatepass"))


@code("as decimal character codes", family="encoding", source="CC1 §3.2", decode=_from_decimal, view="decimal")
def decimal_codes(text: str, rng: np.random.Generator) -> str:
    """Every character as the decimal number of its code point."""
    return " ".join(str(ord(character)) for character in text)


@code("in backslash escapes, as in source code", family="encoding", decode=_from_backslash, view="backslash")
def backslash_escapes(text: str, rng: np.random.Generator) -> str:
    r"""Every character as a \u escape."""
    return "".join(
        f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\u{{{ord(character):x}}}" for character in text
    )
