"""Decoded readings of text that hides its meaning, scored beside the original. One file a view.

`VIEWS` names every view there is. A new one is a class that follows `View`, and a line here.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from lictor.guard.views.base64 import Base64View
from lictor.guard.views.protocol import Decoded, View
from lictor.guard.views.spaced import SpacedView

Views = Mapping[str, Callable[[], View]]
"""How to make a fresh view, by name, in the order in which they are scored."""

VIEWS: Views = MappingProxyType({"base64": Base64View, "spaced": SpacedView})
"""Every view there is."""


def view_texts(text: str, views: Views = VIEWS) -> dict[str, str]:
    """The whole text as each view reads it, decoded where it stands; views that find nothing are left out."""
    readings: dict[str, str] = {}
    for name, make in views.items():
        view = make()
        pieces = [*view.push(text), *view.finish()]
        if pieces:
            readings[name] = _in_place(text, pieces)
    return readings


def _in_place(text: str, pieces: list[Decoded]) -> str:
    parts: list[str] = []
    read = 0
    for piece in pieces:
        parts += [text[read : piece.start] if piece.opens else "", piece.text]
        read = piece.end
    return "".join([*parts, text[read:]])


__all__ = ["VIEWS", "Base64View", "Decoded", "SpacedView", "View", "Views", "view_texts"]
