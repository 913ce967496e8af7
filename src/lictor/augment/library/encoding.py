"""Encodings of bytes and letters. In: text. Out: the same text in a code."""

import base64 as b64
import codecs
import re

import numpy as np

from lictor.augment.describe import asks_for, carriers_for, transform


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


@transform(
    family="encoding",
    side="both",
    kind="hide",
    source="CC1 §3.2",
    reversible=True,
    decode=_from_base64,
    view="base64",
    carriers=carriers_for("in base64"),
    asks=asks_for("in base64"),
)
def base64(text: str, rng: np.random.Generator) -> str:
    """The UTF-8 bytes in base64."""
    return b64.b64encode(text.encode("utf-8", "surrogatepass")).decode()


@transform(
    name="hex",
    family="encoding",
    side="both",
    kind="hide",
    source="CC1 §3.2",
    reversible=True,
    decode=_from_hex,
    view="hex",
    carriers=carriers_for("in hexadecimal"),
    asks=asks_for("in hexadecimal"),
)
def hex_bytes(text: str, rng: np.random.Generator) -> str:
    """The UTF-8 bytes as hexadecimal digits, together or in pairs."""
    data = text.encode("utf-8", "surrogatepass")
    return data.hex(" ") if rng.random() < 0.5 else data.hex()


@transform(
    family="encoding",
    side="both",
    kind="hide",
    source="CC1 §3.2",
    reversible=True,
    decode=_rotate,
    view="rot",
    carriers=carriers_for("in ROT13"),
    asks=asks_for("in ROT13"),
)
def rot13(text: str, rng: np.random.Generator) -> str:
    """Each Latin letter moved by half the alphabet."""
    return _rotate(text)


@transform(
    family="encoding",
    side="both",
    kind="hide",
    reversible=True,
    decode=_from_url,
    view="percent",
    carriers=carriers_for("in percent codes, as in a web address"),
    asks=asks_for("in percent codes, as in a web address"),
)
def url_escapes(text: str, rng: np.random.Generator) -> str:
    """Every UTF-8 byte as a percent escape."""
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))


@transform(
    family="encoding",
    side="both",
    kind="hide",
    reversible=True,
    decode=_from_html,
    view="html",
    carriers=carriers_for("in numeric HTML entities"),
    asks=asks_for("in numeric HTML entities"),
)
def html_entities(text: str, rng: np.random.Generator) -> str:
    """Every character as a numeric HTML entity."""
    return "".join(f"&#{ord(character)};" for character in text)
