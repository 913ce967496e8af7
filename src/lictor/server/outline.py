"""An answer as a row of blocks: what the Responses and the Messages protocol stream.

In: cleared pieces of one choice, in order. Out: blocks opened, grown and closed. A change of channel ends a text block;
calls of tools stay open to the end, since they may take turns. Knows no wire format.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from lictor.server.upstream_wire import Piece

Kind = Literal["reasoning", "text", "refusal", "tool"]


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
    """The blocks of one choice."""

    blocks: list[Block] = field(default_factory=list[Block])
    _text: Block | None = None
    _tools: dict[int, Block] = field(default_factory=dict[int, Block])

    def take(self, piece: Piece) -> list[BlockEvent]:
        """What a piece does to the blocks."""
        kind = _kind(piece)
        events: list[BlockEvent] = []
        if self._text is not None and self._text.kind != kind:
            events.append(Closed(self._text))
            self._text = None
        block = self._tools.get(piece.tool) if kind == "tool" else self._text
        if block is None:
            block = self._open(kind, piece)
            events.append(Opened(block))
        if piece.channel != "tool_name":
            block.text += piece.text
            events.append(Grown(block, piece.text))
        return events

    def close(self) -> list[BlockEvent]:
        """End every block that is open."""
        still = [*([self._text] if self._text else []), *self._tools.values()]
        self._text, self._tools = None, {}
        return [Closed(block) for block in still]

    def _open(self, kind: Kind, piece: Piece) -> Block:
        block = Block(len(self.blocks), kind)
        self.blocks.append(block)
        if kind == "tool":
            block.name = piece.text if piece.channel == "tool_name" else ""
            block.call_id = piece.call_id or f"call_{piece.tool}"
            self._tools[piece.tool] = block
        else:
            self._text = block
        return block


def blocks_of(pieces: Iterable[Piece]) -> list[Block]:
    """The blocks of a whole choice."""
    outline = Outline()
    for piece in pieces:
        outline.take(piece)
    return outline.blocks


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
