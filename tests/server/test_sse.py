"""Server-sent events, read from bytes cut anywhere."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor.server.errors import UpstreamError
from lictor.server.sse import MAX_FRAME_CHARS, FrameTooLongError, SSEReader, frame
from lictor.server.upstream_wire import Chunk, read_chunk


def read(pieces: list[bytes]) -> list[str]:
    """Data of every frame."""
    reader = SSEReader()
    return [data for piece in pieces for data in reader.push(piece)]


def cut(raw: bytes, sizes: list[int]) -> list[bytes]:
    """`raw` in pieces of the given sizes, which repeat."""
    pieces, at, turn = [], 0, 0
    while at < len(raw):
        size = max(1, sizes[turn % len(sizes)]) if sizes else len(raw)
        pieces.append(raw[at : at + size])
        at, turn = at + size, turn + 1
    return pieces


_lines = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20)


@given(
    frames=st.lists(st.lists(_lines, min_size=1, max_size=3), max_size=5),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    comment=st.booleans(),
    sizes=st.lists(st.integers(1, 9), max_size=4),
)
def test_frames_are_read_however_they_are_cut(
    frames: list[list[str]], end: str, sizes: list[int], *, comment: bool
) -> None:
    """Each frame's data lines are joined by line breaks, whatever the line endings, pieces and comments."""
    extra = f": note{end}event: x{end}" if comment else ""
    raw = "".join(extra + "".join(f"data: {line}{end}" for line in lines) + end for lines in frames).encode()

    assert read(cut(raw, sizes)) == ["\n".join(lines) for lines in frames]


@given(raw=st.binary(max_size=200), sizes=st.lists(st.integers(1, 9), max_size=4))
def test_any_bytes_are_read_the_same_in_any_pieces(raw: bytes, sizes: list[int]) -> None:
    """Garbage never raises, and its cutting changes nothing."""
    assert read(cut(raw, sizes)) == read([raw])


def test_an_unterminated_frame_is_dropped() -> None:
    """Only a blank line ends a frame."""
    assert read([b"data: a\n\ndata: b\n"]) == ["a"]


def test_a_frame_without_end_is_an_error() -> None:
    """Memory is bounded, in one line and over many."""
    with pytest.raises(FrameTooLongError):
        read([b"data: " + b"x" * MAX_FRAME_CHARS, b"y"])
    with pytest.raises(FrameTooLongError):
        read([b"data: " + b"x" * 1000 + b"\n"] * (MAX_FRAME_CHARS // 1000 + 2))
    with pytest.raises(FrameTooLongError):
        read([b"data:\n" * 1000] * (MAX_FRAME_CHARS // 1000 + 2))


def test_a_written_frame_is_read_back() -> None:
    """What `frame` writes, a reader reads."""
    assert read([frame('{"a": 1}', event="x")]) == ['{"a": 1}']


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_NAMES = ("content", "role", "refusal", "reasoning_content", "tool_calls", "function", "id", "index", "name")
_part = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(_NAMES, _json),
)
_choice = st.fixed_dictionaries(
    {}, optional={"index": st.integers(-1, 3) | _json, "delta": _part | _json, "finish_reason": _json, "message": _part}
)
_chunks = st.fixed_dictionaries(
    {}, optional={"choices": st.lists(_choice | _json, max_size=3) | _json, "usage": _json, "error": st.none() | _json}
)


@settings(max_examples=150)
@given(found=_chunks | _json)
def test_any_json_is_a_chunk_or_a_typed_error(found: object) -> None:
    """An upstream that lies gets no further than an UpstreamError."""
    try:
        chunk = read_chunk(json.dumps(found), 2)
    except UpstreamError:
        return

    assert isinstance(chunk, Chunk)
    assert all(0 <= delta.index < 2 for delta in chunk.deltas)
    assert all(isinstance(piece.text, str) for delta in chunk.deltas for piece in delta.pieces)
