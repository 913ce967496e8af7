"""The state machine of one answer, step by step."""

from math import inf, nan

import pytest

from lictor.errors import ScoringError, UsageError
from lictor.guard.stream import StreamGuard, StreamStep
from lictor.testing import PieceTokenizer
from lictor.types import Decision, Halted, Policy, Released, ScoreRequest, Token


class WordTokenizer:
    """One token a segment, numbered by its length."""

    def encode(self, segment: str) -> list[Token]:
        """The one token."""
        return [Token(len(segment), len(segment))]


def guard_of(*, views: bool = False, **policy: object) -> StreamGuard:
    """A guard with one token a word, stride 4, no warm-up and threshold 0."""
    settings = Policy(**{"input_threshold": 0.0, "output_threshold": 0.0, "stride": 4, "warmup": (), **policy})  # pyright: ignore[reportArgumentType]
    return StreamGuard(WordTokenizer(), settings) if views else StreamGuard(WordTokenizer(), settings, views={})


def answer(guard: StreamGuard, steps: list[StreamStep], hot: dict[str | None, int]) -> str:
    """Score every request with -1, or 4 for the tokens of the length `hot` names by view; what was delivered."""
    delivered = ""
    while steps:
        step = steps.pop(0)
        if isinstance(step, Released):
            delivered += step.text
        elif isinstance(step, ScoreRequest) and not guard.ended:
            logits = [4.0 if token_id == hot.get(step.view) else -1.0 for token_id in step.token_ids]
            steps = guard.scored(step.view, logits) + steps
    return delivered


def test_a_batch_ends_at_a_multiple_of_the_stride() -> None:
    """Nothing is asked before the stride is full, and nothing leaves before it is scored."""
    guard = guard_of()

    assert guard.push("a bb cc dd") == []
    assert guard.push(" ee") == [ScoreRequest(None, (1, 3, 3, 3), (1, 4, 7, 10))]
    assert guard.scored(None, [-1, -1, -1, -1]) == [Released("a bb cc dd")]
    assert guard.finish() == [ScoreRequest(None, (3,), (13,))]
    assert guard.scored(None, [-1]) == [Released(" ee")]
    assert guard.decision == Decision("allow", None, None, -1, 0.0)
    assert guard.ended


def test_warmup_ends_batches_early() -> None:
    """Batches also end at the warm-up indices."""
    guard = guard_of(warmup=(1, 2))

    assert guard.push("a bb cc dd ") == [
        ScoreRequest(None, (1,), (1,)),
        ScoreRequest(None, (3,), (4,)),
        ScoreRequest(None, (3, 3), (7, 10)),
    ]


def test_a_policy_can_hold_cleared_tokens_back() -> None:
    """The last one stays until more are cleared or the answer ends; a warm-up batch ends one token later."""
    guard = guard_of(hold_back=1, warmup=(1,))

    assert guard.push("a bb cc dd ee") == [ScoreRequest(None, (1, 3), (1, 4)), ScoreRequest(None, (3, 3), (7, 10))]
    assert guard.scored(None, [-1, -1]) == [Released("a")]
    assert guard.scored(None, [-1, -1]) == [Released(" bb cc")]
    guard.finish()
    assert guard.scored(None, [-1]) == [Released(" dd ee")]


def test_by_default_the_first_token_leaves_when_the_hold_back_lets_it() -> None:
    """One token after those held back, and not later."""
    guard = StreamGuard(WordTokenizer(), Policy(0.0, 0.0, hold_back=16), views={})
    words = "".join(f"{n:02} " for n in range(18))

    (at_stride, first) = (step for step in guard.push(words) if isinstance(step, ScoreRequest))
    assert (len(at_stride.token_ids), len(first.token_ids)) == (16, 1)
    assert guard.scored(None, [-1] * 16) == []
    assert guard.scored(None, [-1]) == [Released("00")]


def test_a_run_halts_and_nothing_of_it_leaves() -> None:
    """Two tokens over the threshold halt at the first of them, even where a later one clears again."""
    guard = guard_of()
    guard.push("a bb cc dd ee")

    released, halted = guard.scored(None, [-1, 2, 1, -1])

    assert released == Released("a")
    assert halted == Halted(Decision("block", "output", None, 1, 0.0, token_index=1))


def test_an_undecided_run_is_held_back_until_the_next_batch() -> None:
    """A single token over the threshold at the end of a batch waits for its successor."""
    guard = guard_of()
    guard.push("a bb cc dd ee ff gg hh ii")

    assert guard.scored(None, [-1, -1, -1, 5]) == [Released("a bb cc")]
    assert guard.scored(None, [-1, -1, -1, -1]) == [Released(" dd ee ff gg hh")]


def test_a_trailing_run_halts_at_the_end() -> None:
    """A run shorter than the debounce halts when the answer ends with it."""
    guard = guard_of()
    guard.push("a bb")
    guard.finish()

    assert guard.scored(None, [-1, 3]) == [
        Released("a"),
        Halted(Decision("block", "output", None, 3, 0.0, token_index=1)),
    ]


def test_an_empty_answer_passes() -> None:
    """Nothing to score is nothing to block; the score says that nothing was seen."""
    guard = guard_of()

    assert guard.finish() == []
    assert guard.decision == Decision("allow", None, None, -inf, 0.0)


def test_a_view_halts_at_the_source_of_its_run() -> None:
    """A run in a decoded reading halts where its disguise stands in the answer, and names the view."""
    guard = guard_of(views=True, debounce=1)
    delivered = answer(guard, [*guard.push("ok then h e l l o  w o r l d  "), *guard.finish()], {"spaced": 6})

    assert delivered == "ok then h e l l o"
    assert guard.decision == Decision("block", "output", None, 4, 0.0, token_index=7, view="spaced")


@pytest.mark.parametrize("rest", [" and then some more words that are plain", ""])
def test_the_end_of_a_disguise_ends_its_run(rest: str) -> None:
    """A disguise that ends over the threshold halts there: no later text is held back for it, none clears it."""
    guard = guard_of(views=True)
    steps = guard.push("ok h e l l o  w o r l d " + rest)
    text = answer(guard, [*steps, *([] if rest else guard.finish())], {"spaced": len(" world")})

    assert text == "ok h e l l o"
    assert (guard.decision.view, guard.decision.token_index, guard.decision.action) == ("spaced", 6, "block")


def test_the_earliest_run_decides() -> None:
    """When the text and a view halt in one round, the run that starts first in the answer is the one recorded."""
    early, late = (guard_of(views=True, stride=64, debounce=1) for _ in range(2))
    for guard, text in ((early, "spicy f a b u l o u s"), (late, "f a b u l o u s spicy")):
        hot = {None: len(text.split("f a")[0].rstrip() or " spicy"), "spaced": len("fabulous")}
        answer(guard, [*guard.push(text), *guard.finish()], hot)

    assert early.decision.view is None
    assert late.decision.view == "spaced"


def test_the_threshold_itself_counts() -> None:
    """A logit equal to the threshold is over it."""
    guard = guard_of(debounce=1)
    guard.push("a bb")
    guard.finish()

    assert guard.scored(None, [-1, 0])[-1] == Halted(Decision("block", "output", None, 0, 0.0, token_index=1))


def test_an_error_is_a_typed_halt() -> None:
    """After a failure the stream halts with its reason, and what waited is never delivered."""
    guard = guard_of()
    guard.push("a bb cc dd ee")

    halted = Halted(Decision("block", "output", None, -inf, 0.0, status="error", reason="scorer_failed"))
    assert guard.failed("scorer_failed") == [halted]
    assert guard.ended
    with pytest.raises(UsageError, match="finished or halted"):
        guard.push("more")


def test_an_open_policy_passes_what_could_not_be_scored() -> None:
    """With on_error open, all that waited leaves at once, the rest unscored, and the decision counts it."""
    guard = guard_of(on_error="open")
    guard.push("a bb cc dd ee")

    assert guard.failed("scorer_failed") == [Released("a bb cc dd ee")]
    assert guard.push(" ff") == [Released(" ff")]
    assert guard.finish() == []
    assert guard.ended
    assert (guard.decision.action, guard.decision.would_block, guard.decision.status) == ("flag", True, "error")


def test_an_open_policy_still_halts_on_a_score() -> None:
    """on_error open concerns errors alone."""
    guard = guard_of(on_error="open")
    guard.push("a bb cc dd ee")

    assert isinstance(guard.scored(None, [1, 1, 1, 1])[-1], Halted)


def test_monitoring_delivers_everything_and_records_the_block() -> None:
    """With enforcement monitor nothing is cut, and the decision is the one blocking would have come to."""
    guard = guard_of(enforcement="monitor")
    guard.push("a bb cc dd ee")

    assert guard.scored(None, [-1, 2, 1, -1]) == [Released("a"), Released(" bb cc dd ee")]
    assert guard.push("!") == [Released("!")]
    guard.finish()
    assert guard.decision == Decision("flag", "output", None, 1, 0.0, token_index=1, would_block=True)


def test_misuse_is_named() -> None:
    """Scores for the wrong view, none asked for, a decision too early and a stride of zero are wrong use."""
    guard = guard_of()
    with pytest.raises(UsageError, match="no decision yet"):
        _ = guard.decision
    with pytest.raises(UsageError, match="no ScoreRequest is unanswered"):
        guard.scored(None, [])
    guard.push("a bb cc dd ee")
    with pytest.raises(UsageError, match="scorer's logits of view None, got the stream scorer's of 'base64'"):
        guard.scored("base64", [0])
    guard.finish()
    with pytest.raises(UsageError, match="finish"):
        guard.finish()
    with pytest.raises(UsageError, match="got 0, 2 and 0"):
        guard_of(stride=0)


@pytest.mark.parametrize("logits", [[-1, -1, -1], [-1] * 5, [-1, nan, -1, -1]])
def test_scores_that_are_not_one_number_a_token_are_errors(logits: list[float]) -> None:
    """A wrong count or a NaN never clears a token."""
    guard = guard_of()
    guard.push("a bb cc dd ee")

    with pytest.raises(ScoringError, match=r"expected .*logits"):
        guard.scored(None, logits)


def test_a_failing_tokenizer_loses_no_text_of_an_open_policy() -> None:
    """When a tokenizer fails half-way through a chunk, the bypass still delivers all of the chunk."""

    class Failing(PieceTokenizer):
        def encode(self, segment: str) -> list[Token]:
            if "bad" in segment:
                raise ScoringError("no")
            return super().encode(segment)

    guard = StreamGuard(Failing(), Policy(0.0, 0.0, on_error="open"))
    with pytest.raises(ScoringError):
        guard.push("fine and bad and more")

    assert guard.failed("scorer_failed") == [Released("fine and bad and more")]
