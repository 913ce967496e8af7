"""One choice under guard: all its channels as one text."""

from hypothesis import given
from hypothesis import strategies as st

from lictor.guard import StreamGuard
from lictor.server.choice import ChoiceGuard, ChoiceStep
from lictor.server.upstream_wire import Channel, Piece
from lictor.testing import KeywordStreamScorer
from lictor.types import Halted, Policy, ScoreRequest, ScoringSession

POLICY = Policy(0.0, 0.0)
CHANNELS: tuple[Channel, ...] = ("content", "reasoning_content", "tool_name", "tool_arguments")


def deliver(pieces: list[Piece], *words: str) -> tuple[list[Piece], bool]:
    """What leaves of `pieces`, and whether they were halted."""
    scorer = KeywordStreamScorer(*words)
    choice = ChoiceGuard(StreamGuard(scorer.tokenizer, POLICY))
    sessions: dict[str | None, ScoringSession] = {}
    left: list[Piece] = []

    def settle(steps: list[ChoiceStep]) -> None:
        queue = list(steps)
        while queue and not choice.halted:
            match queue.pop(0):
                case ScoreRequest() as request:
                    session = sessions.setdefault(request.view, scorer.open(()))
                    queue += choice.scored(request, session.score(request.token_ids))
                case Piece() as piece:
                    left.append(piece)
                case Halted():
                    return

    for piece in pieces:
        settle(choice.push(piece))
        if choice.halted:
            return left, True
    settle(choice.finish())
    return left, choice.halted is not None


def joined(pieces: list[Piece]) -> list[tuple[str, int, str]]:
    """Neighbouring pieces of one channel as one; names stay apart."""
    runs: list[tuple[str, int, str]] = []
    for piece in pieces:
        if runs and runs[-1][:2] == (piece.channel, piece.tool) and piece.channel != "tool_name":
            runs[-1] = (*runs[-1][:2], runs[-1][2] + piece.text)
        else:
            runs.append((piece.channel, piece.tool, piece.text))
    return runs


_pieces = st.lists(
    st.builds(Piece, st.sampled_from(CHANNELS), st.text(min_size=1, max_size=12), st.integers(0, 2)), max_size=12
)


@given(pieces=_pieces)
def test_permitted_pieces_leave_in_order_and_unchanged(pieces: list[Piece]) -> None:
    """Every channel's text arrives where it came from, and names arrive whole."""
    left, is_halted = deliver(pieces)

    assert not is_halted
    assert joined(left) == joined(pieces)
    assert [p.text for p in left if p.channel == "tool_name"] == [p.text for p in pieces if p.channel == "tool_name"]


@given(pieces=_pieces, after=_pieces, channel=st.sampled_from(CHANNELS))
def test_nothing_leaves_from_a_restricted_word_on(pieces: list[Piece], after: list[Piece], channel: Channel) -> None:
    """Whatever channel says the word, what leaves is a beginning of what came before it."""
    restricted = Piece(channel, " of the melt now ", 5)

    left, is_halted = deliver([*pieces, restricted, *after], "melt")

    assert is_halted
    assert "melt" not in "".join(piece.text for piece in left)
    whole = joined([*pieces, restricted])
    assert all(found[:2] == run[:2] and run[2].startswith(found[2]) for found, run in zip(joined(left), whole))  # noqa: B905


def test_words_do_not_grow_together_over_channels() -> None:
    """A line break stands between two channels: half a word in each is no word."""
    left, is_halted = deliver([Piece("content", "we me"), Piece("refusal", "lt it")], "melt")

    assert not is_halted
    assert joined(left) == [("content", 0, "we me"), ("refusal", 0, "lt it")]


def test_an_id_repeated_with_every_part_of_a_call_breaks_no_text() -> None:
    """Arguments are read as one text, however often the endpoint says whose they are."""
    again = Piece("tool_name", "", 0, "call_1")
    parts = [Piece("tool_name", "look", 0, "call_1"), *(Piece("tool_arguments", part) for part in ("we me", "lt it"))]

    left, is_halted = deliver([parts[0], again, parts[1], again, parts[2], again], "melt")
    allowed, _ = deliver([parts[0], again, parts[1], again, parts[2]])

    assert is_halted
    assert "melt" not in "".join(piece.text for piece in left)
    assert joined(allowed) == [("tool_name", 0, "look"), ("tool_arguments", 0, "we melt it")]


def test_without_a_stream_scorer_all_passes() -> None:
    """A guard of prompts alone lets answers through as they come."""
    choice = ChoiceGuard(None)

    assert choice.push(Piece("content", "melt")) == [Piece("content", "melt")]
    assert choice.finish() == []
