"""Server-sent events: bytes in any pieces to whole frames, and data to frames.

In: bytes as the network cut them, inside a character or a line ending too. Out: the data of each whole frame. A frame
that its blank line never ended is dropped. Knows no JSON and no socket.
"""

import codecs
from collections.abc import Iterator

MAX_FRAME_CHARS = 1_000_000
DONE = "[DONE]"


class FrameTooLongError(ValueError):
    """A frame is over `MAX_FRAME_CHARS` characters without an end."""


class SSEReader:
    """Reads a stream of server-sent events. Lines end at LF, CR or CRLF; comments and other fields are skipped."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._line = ""
        self._data: list[str] = []
        self._size = 0
        self._after_cr = False

    def push(self, piece: bytes) -> Iterator[str]:
        """Data of every frame that `piece` completed: its `data:` lines, joined by newlines.

        Raises:
            FrameTooLongError: A frame does not end.
        """
        for line in self._lines(self._decoder.decode(piece)):
            if line:
                self._take(line)
            elif self._data:
                yield "\n".join(self._data)
                self._data, self._size = [], 0

    def _lines(self, text: str) -> Iterator[str]:
        if self._after_cr and text:
            text = text.removeprefix("\n")
            self._after_cr = False
        self._after_cr = text.endswith("\r") or (self._after_cr and not text)
        *lines, rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for line in lines:
            yield self._line + line
            self._line = ""
        self._line += rest
        if len(self._line) + self._size > MAX_FRAME_CHARS:
            raise FrameTooLongError(f"expected frames of at most {MAX_FRAME_CHARS} characters, got more")

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        if name == "data":
            self._data.append(value.removeprefix(" "))
            self._size += len(value) + 1  # an empty line is held too


def frame(data: str, *, event: str | None = None) -> bytes:
    """One frame. `data` has no line breaks, which JSON never has."""
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {data}\n\n".encode()
