"""What a probe said of text while it was written, for the tokens a guard cuts it into."""

import pytest

from lictor.errors import ScoringError
from lictor.server.heard import Heard
from lictor.server.upstream_wire import ReadTo


def _heard(*read: tuple[int, float]) -> Heard:
    heard = Heard()
    heard.add([ReadTo(*one) for one in read])
    return heard


def test_tokens_cut_alike_have_their_own_logits() -> None:
    """One for one, however they are asked for."""
    heard = _heard((3, 1.0), (7, -2.0), (8, 5.0))

    assert heard.logits([3]) == [1.0]
    assert heard.logits([7, 8]) == [-2.0, 5.0]


def test_a_token_has_the_highest_logit_of_any_of_its_characters() -> None:
    """Where the model's tokens are longer, shorter or shifted; two tokens within one of the model's share its logit."""
    assert _heard((2, 1.0), (4, 9.0), (6, 0.0)).logits([6]) == [9.0]
    assert _heard((6, 3.0)).logits([2, 4, 6]) == [3.0, 3.0, 3.0]
    assert _heard((3, 1.0), (6, 4.0), (9, 2.0)).logits([4, 8, 9]) == [4.0, 4.0, 2.0]


def test_a_token_that_ends_where_the_last_one_did_shares_its_logit() -> None:
    """Parts of one character: each is scored."""
    assert _heard((1, 2.0), (2, 7.0)).logits([1, 1, 2]) == [2.0, 2.0, 7.0]


def test_text_nobody_read_has_no_logit() -> None:
    """The guard is told, and blocks."""
    heard = _heard((3, 1.0))
    assert heard.logits([3]) == [1.0]
    with pytest.raises(ScoringError) as caught:
        heard.logits([4])
    assert caught.value.reason == "probe_behind"
