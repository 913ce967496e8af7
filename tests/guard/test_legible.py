"""Text that nobody can read: told from text that can be, where it begins, and what the policy makes of it."""

import codecs
from dataclasses import replace

import pytest

from lictor.errors import UsageError
from lictor.guard import Guard
from lictor.guard.legible import SPELT, WINDOW, Legibility, Spans, is_legible
from lictor.guard.stream import StreamGuard
from lictor.guard.tokens import Committer
from lictor.testing import FakeInputScorer, FakeStreamScorer, PieceTokenizer, ask
from lictor.types import UNREADABLE, GuardEvent, Halted, Policy, Refused, Released, Token

PROSE = "the kiln is warm and you wait until the glass in the pot will melt then stir it with the long iron rod again "
UNKNOWN = " ".join(f"vrqu{letter}zzap" for letter in "abcdefghijklmnopqrstuvw") + " "
BLOCK = Policy(0.0, 0.0, unreadable="block")


class Reader:
    """A tokenizer with a token for every word of `PROSE`; it spells any other in pairs of letters."""

    def encode(self, segment: str) -> list[Token]:
        """One token, or one for every two characters."""
        if segment.strip() in PROSE.split():
            return [Token(1, len(segment))]
        return [Token(2, end) for end in (*range(2, len(segment), 2), len(segment))]


def guard_of(policy: Policy = BLOCK, score: float = -1.0) -> Guard:
    """A guard that finds the same in all it reads."""
    stream = FakeStreamScorer(lambda _text, _place: score, tokenizer=Reader())
    return Guard(FakeInputScorer(lambda _: score), stream, policy)


def text_of(events: list[GuardEvent]) -> str:
    """All that was delivered."""
    return "".join(event.text for event in events if isinstance(event, Released))


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        PROSE.replace("kiln", "vrquazzap").replace("iron", "vrqubzzap"),
        UNKNOWN[: (SPELT - 1) * 10],
        " ".join(str(number) for number in range(1000, 1100)),
        " ".join("abcdefghijklmnopqrstuvwxyz"),
    ],
    ids=["prose", "with names", "too short to tell", "numbers", "single letters"],
)
def test_what_can_be_read(text: str) -> None:
    """Names, numbers, single letters and a few words nobody knows are no reason."""
    assert is_legible(Reader(), text)


@pytest.mark.parametrize(
    "text",
    [UNKNOWN, PROSE + UNKNOWN, UNKNOWN.upper(), "привет как дела " * 8, ".--. .-.. " * 12, UNKNOWN.replace(" ", ", ")],
    ids=["unknown", "after prose", "capitals", "another script", "signs", "with commas"],
)
def test_what_cannot(text: str) -> None:
    """Words that are spelt one after the other, in letters of any script or in signs."""
    assert not is_legible(Reader(), text)


def test_single_letters_are_no_words() -> None:
    """However many tokens one takes: spaced text is a view's to read."""
    assert is_legible(PieceTokenizer(bytewise=True), "é ü ñ ø å ß þ ð æ ç 😀 ☃ " * 3)


def test_nothing_is_judged_that_views_have_not_read() -> None:
    """What waits in a view is judged when the view has read it, and counts as read then if it was."""
    legibility, read = Legibility(), Spans()
    committer = Committer(Reader())
    for segment in (*committer.push(UNKNOWN), *committer.finish()):
        legibility.add(segment)

    assert legibility.judge(len(UNKNOWN) // 4, read) is None
    read.add(0, len(UNKNOWN), joins=False)
    assert legibility.judge(None, read) is None


def test_it_takes_most_words_of_a_window() -> None:
    """As many spelt words, thinly spread, are none."""
    unknown = UNKNOWN.split()
    dense = unknown[:SPELT] + ["the"] * (WINDOW - SPELT)
    thin = [word for one in unknown[:SPELT] for word in (one, "the")]

    assert not is_legible(Reader(), " ".join(dense))
    assert is_legible(Reader(), " ".join(thin))


def test_an_answer_halts_where_it_can_no_longer_be_read() -> None:
    """Prose leaves; of the rest, no more than what no window could yet tell."""
    events = list(guard_of().stream(ask("wait until the glass will melt"), [PROSE, UNKNOWN, PROSE]))
    halt = events[-1]

    assert isinstance(halt, Halted)
    assert halt.decision.action == "block"
    assert halt.decision.reason == UNREADABLE
    assert halt.decision.status == "ok"
    assert halt.decision.error is None
    assert text_of(events).startswith(PROSE.rstrip())
    assert len(text_of(events)) < len(PROSE) + SPELT * len("vrquazzap ")


def test_an_answer_too_short_for_a_round_halts_at_its_end() -> None:
    """The end of an answer is judged like any other place."""
    events = list(guard_of(replace(BLOCK, stride=500, warmup=())).stream(ask("wait"), [UNKNOWN]))

    assert isinstance(events[-1], Halted)
    assert text_of(events) == ""


def test_a_score_over_the_threshold_is_the_reason_before_this_is() -> None:
    """What the scorers do find is told as found."""
    events = list(guard_of(score=1.0).stream(ask("wait"), [UNKNOWN]))

    assert isinstance(events[-1], Refused)
    assert events[-1].decision.reason is None


def test_a_prompt_that_cannot_be_read_is_refused() -> None:
    """The last user turn, as it stands and as views read it."""
    decision = guard_of().check(ask(UNKNOWN))

    assert (decision.action, decision.stage, decision.reason) == ("block", "input", UNREADABLE)
    assert guard_of().check(ask(PROSE)).action == "allow"


def test_what_a_view_reads_is_read() -> None:
    """A disguise that a view undoes is no reason; the same disguise over words nobody knows is."""
    for text, action in ((PROSE, "allow"), (UNKNOWN, "block")):
        hidden = codecs.encode(PROSE + text + PROSE, "rot13")

        assert guard_of().check(ask(hidden)).action == action
        events = list(guard_of().stream(ask("wait"), [hidden]))
        assert isinstance(events[-1], Halted) == (action == "block")
        assert action == "block" or text_of(events) == hidden


def test_a_readable_disguise_excuses_only_itself() -> None:
    """Snippets that a view reads do not let what stands between them pass."""
    snippet = codecs.encode("wait until the glass in the pot will melt then stir it", "rot13")
    mixed = f"{PROSE}{snippet} {UNKNOWN}{snippet} {UNKNOWN}"

    assert isinstance(list(guard_of().stream(ask("wait"), [mixed]))[-1], Halted)


def test_without_the_setting_all_passes() -> None:
    """Guards made before there was the setting stay as they were."""
    events = list(guard_of(Policy(0.0, 0.0)).stream(ask(UNKNOWN), [UNKNOWN]))

    assert text_of(events) == UNKNOWN
    assert not any(isinstance(event, (Halted, Refused)) for event in events)


def test_a_monitor_only_notes_it() -> None:
    """The answer passes whole, and the record says what would have been."""
    guard = guard_of(replace(BLOCK, enforcement="monitor"))
    session = guard.open(ask("wait"))
    events = [*session.settle(), *session.push(UNKNOWN), *session.settle(), *session.finish(), *session.settle()]

    assert text_of(events) == UNKNOWN
    assert (session.decision.action, session.decision.would_block) == ("flag", True)
    assert session.decision.reason == UNREADABLE


def test_an_open_guard_still_blocks_it() -> None:
    """That text cannot be read is no error."""
    events = list(guard_of(replace(BLOCK, on_error="open")).stream(ask("wait"), [UNKNOWN]))

    assert isinstance(events[-1], Halted)


def test_a_guard_needs_a_tokenizer_for_it() -> None:
    """A prompt stage alone cannot tell words."""
    with pytest.raises(UsageError, match=r"a stream scorer where policy\.unreadable is block"):
        Guard(FakeInputScorer(lambda _: 0.0), None, BLOCK)


def test_halting_names_a_token_of_the_answer() -> None:
    """The token index is one of the unreadable part, or of what was not yet delivered of it."""
    stream = StreamGuard(Reader(), replace(BLOCK, stride=500, warmup=()))
    steps = [*stream.push(PROSE + UNKNOWN), *stream.finish()]
    for step in steps:
        stream.scored(getattr(step, "view", None), [-1.0] * len(getattr(step, "token_ids", ())))

    assert stream.decision.token_index == len(PROSE.split())
