"""An answer as a row of blocks: what the Responses and the Messages protocol stream.

In: cleared pieces of one choice, in order. Out: blocks opened, grown and closed, one after the other as both protocols
want it. A change of channel ends a text block. Calls of tools may take turns: what comes beside an open call waits for
its end, which is the answer's. Knows no wire format.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from lictor.server.upstream_wire import Piece

Kind = Literal["reasoning", "text", "refusal", "tool"]
_Key = tuple[Kind, int]
"""What pieces of one block have in common: the kind, and which call it is."""


@dataclass(slots=True)
class Block:
    """One block so far."""

    index: int
    kind: Kind
    name: str = ""
    """Of a tool."""
    call_id: str = ""
    text: str = ""
    """What it says, or the arguments of its call."""
    is_cut: bool = False
    """Whether the answer was cut off in it, or may have been."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A block begins."""

    block: Block


@dataclass(frozen=True, slots=True)
class Grown:
    """A block goes on."""

    block: Block
    text: str


@dataclass(frozen=True, slots=True)
class Closed:
    """A block is complete."""

    block: Block


BlockEvent = Opened | Grown | Closed


@dataclass
class Outline:
    """The blocks of one choice; one at a time is open."""

    blocks: list[Block] = field(default_factory=list[Block])
    _open: Block | None = None
    _key: _Key | None = None
    _waiting: dict[_Key, list[Piece]] = field(default_factory=dict[_Key, list[Piece]])

    def take(self, piece: Piece) -> list[BlockEvent]:
        """What a piece does to the blocks."""
        key = _key(piece)
        if self._open is not None and self._open.kind == "tool" and key != self._key:
            self._waiting.setdefault(key, []).append(piece)
            return []
        return self._place(piece)

    def close(self, *, is_cut: bool = False) -> list[BlockEvent]:
        """End what is open, and what waited for its end; `is_cut`: the answer was cut off there."""
        events = self._end(is_cut=is_cut)
        for pieces in self._waiting.values():
            for piece in pieces:
                events += self._place(piece)
            events += self._end(is_cut=is_cut)
        self._waiting.clear()
        return events

    def _place(self, piece: Piece) -> list[BlockEvent]:
        events: list[BlockEvent] = []
        block = self._open
        if block is None or _key(piece) != self._key:
            events += self._end()
            block = self._open = _block(len(self.blocks), piece)
            self._key = _key(piece)
            self.blocks.append(block)
            events.append(Opened(block))
        if piece.channel != "tool_name":
            block.text += piece.text
            events.append(Grown(block, piece.text))
        return events

    def _end(self, *, is_cut: bool = False) -> list[BlockEvent]:
        block, self._open, self._key = self._open, None, None
        if block is None:
            return []
        block.is_cut = is_cut
        return [Closed(block)]


def blocks_of(pieces: Iterable[Piece], *, is_cut: bool = False) -> list[Block]:
    """The blocks of a whole choice; `is_cut`: it ends in mid-sentence."""
    outline = Outline()
    for piece in pieces:
        outline.take(piece)
    outline.close()
    for block in outline.blocks[-1:]:
        block.is_cut = is_cut
    return outline.blocks


def _block(index: int, piece: Piece) -> Block:
    if _kind(piece) != "tool":
        return Block(index, _kind(piece))
    name = piece.text if piece.channel == "tool_name" else ""
    return Block(index, "tool", name, piece.call_id or f"call_{piece.tool}")


def _key(piece: Piece) -> _Key:
    kind = _kind(piece)
    return kind, piece.tool if kind == "tool" else 0


def _kind(piece: Piece) -> Kind:
    match piece.channel:
        case "content":
            return "text"
        case "refusal":
            return "refusal"
        case "reasoning" | "reasoning_content":
            return "reasoning"
        case "tool_name" | "tool_arguments":
            return "tool"
