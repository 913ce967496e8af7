"""The mean of the last logits, whatever pieces they come in."""

from hypothesis import given
from hypothesis import strategies as st

from lictor.model.smoothing import SlidingMean


def test_a_mean_holds_the_window_and_no_more() -> None:
    """Near the start it holds what there is."""
    assert SlidingMean(2).read([1.0, 3.0, 5.0]) == [1.0, 2.0, 4.0]
    assert SlidingMean(1).read([1.0, 3.0, 5.0]) == [1.0, 3.0, 5.0]


@given(st.lists(st.floats(-50, 50), max_size=40), st.integers(0, 40), st.integers(1, 16))
def test_pieces_change_nothing(logits: list[float], cut: int, window: int) -> None:
    """Read in two pieces, every token gets the same number bit for bit."""
    state = SlidingMean(window)

    assert state.read(logits[:cut]) + state.read(logits[cut:]) == SlidingMean(window).read(logits)
