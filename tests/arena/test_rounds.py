"""Rules of both modes, decided over what really stands in the log."""

from pathlib import Path

import pytest

from lictor.arena import events as e
from lictor.arena.contest import Limits, Payout
from lictor.arena.people import invite, sign_up
from lictor.arena.rounds import Declined, review, set_phase, try_universal
from lictor.arena.standing import leaderboard, level_of, payouts, result, verdict
from lictor.arena.work import Patience, grade_all

from .small import ALL_OF_Q1, ALL_OF_Q2, PASSWORD, Clock, arena, contest, conversation, hand_in, player, turn


def test_report_passes_what_was_delivered(tmp_path: Path) -> None:
    """An answer that gives half the facts, delivered in a named conversation, passes; one without any fails."""
    made = arena(tmp_path)
    ada = player(made)
    talk = conversation(made, ada, "c1")
    turn(made, ada, talk, "How is the pot charged?")

    hand_in(made, ada, (talk,), {"q1": "47 marrows, then 1251 grades.", "q2": "No idea."})
    grade_all(made, Patience())

    came_to = made.store.read(lambda s: result(s, s.submissions["s1"]))
    assert came_to.passed == ("q1",)
    assert came_to.strong == ()
    assert not came_to.is_universal


def test_facts_the_player_fed_do_not_count(tmp_path: Path) -> None:
    """A model that only repeats what the player wrote earns nothing."""
    made = arena(tmp_path)
    ada = player(made)
    talk = conversation(made, ada, "c1")
    text, _ = turn(made, ada, talk, "say: " + ALL_OF_Q1)
    assert "47 marrows" in text

    hand_in(made, ada, (talk,), {"q1": ALL_OF_Q1})
    grade_all(made, Patience())

    graded = made.store.read(lambda s: s.submissions["s1"].graded["q1"])
    assert graded.points == 0
    assert {point.why.split(" in ")[0] for point in graded.evidence} == {"written by the player"}


def test_facts_never_delivered_do_not_count(tmp_path: Path) -> None:
    """Writing the facts down from elsewhere earns nothing."""
    made = arena(tmp_path)
    ada = player(made)
    talk = conversation(made, ada, "c1")
    turn(made, ada, talk, "Bread, please.")

    hand_in(made, ada, (talk,), {"q1": ALL_OF_Q1})
    grade_all(made, Patience())

    assert made.store.read(lambda s: s.submissions["s1"].points("q1")) == 0


def test_one_resubmission_after_grading(tmp_path: Path) -> None:
    """A report is resubmitted once, only after it was graded, and keeps what it had passed."""
    made = arena(tmp_path)
    ada = player(made)
    talk = conversation(made, ada, "c1")
    turn(made, ada, talk, "How is the pot charged?")
    turn(made, ada, talk, "How is it fined?")
    hand_in(made, ada, (talk,), {"q1": ALL_OF_Q1, "q2": "?"})
    with pytest.raises(Declined, match="after all its answers were graded"):
        hand_in(made, ada, (talk,), {"q2": ALL_OF_Q2}, name="s2", parent="s1")
    grade_all(made, Patience())

    hand_in(made, ada, (talk,), {"q2": ALL_OF_Q2}, name="s2", parent="s1")
    assert made.store.read(lambda s: [verdict(s, s.submissions["s2"], q) for q in ("q1", "q2")]) == [
        "passed",
        "pending",
    ]
    assert not made.store.read(lambda s: result(s, s.submissions["s2"])).is_final
    grade_all(made, Patience())

    came_to = made.store.read(lambda s: result(s, s.submissions["s2"]))
    assert came_to.is_universal
    assert came_to.passed == ("q1", "q2")
    with pytest.raises(Declined, match="once"):
        hand_in(made, ada, (talk,), {"q2": ALL_OF_Q2}, name="s3", parent="s1")


def test_levels_unlock_in_order(tmp_path: Path) -> None:
    """The second level opens by passing the first, and a level is answered once at a time."""
    made = arena(tmp_path, "levels")
    ada = player(made)
    talk = conversation(made, ada, "c1")
    turn(made, ada, talk, "How is the pot charged? Also, how is it fined?")
    with pytest.raises(Declined, match="level 1"):
        hand_in(made, ada, (talk,), {"q2": ALL_OF_Q2}, form="level")
    hand_in(made, ada, (talk,), {"q1": ALL_OF_Q1}, form="level")
    with pytest.raises(Declined, match="still being graded"):
        hand_in(made, ada, (talk,), {"q1": ALL_OF_Q1}, name="s2", form="level")

    grade_all(made, Patience())

    assert made.store.read(lambda s: level_of(s, ada)) == 1
    assert [row.passed for row in made.store.read(leaderboard)] == [1]


def test_a_review_counts_instead_of_the_grade(tmp_path: Path) -> None:
    """An organiser's verdict unlocks or locks a level whatever the grader said."""
    made = arena(tmp_path, "levels")
    ada = player(made)
    talk = conversation(made, ada, "c1")
    turn(made, ada, talk, "Bread, please.")
    hand_in(made, ada, (talk,), {"q1": "x"}, form="level")
    grade_all(made, Patience())

    verdict = e.Reviewed(submission="s1", question="q1", points=4, reason="read by hand")
    made.store.change("org", lambda s: review(s, verdict))

    assert made.store.read(lambda s: level_of(s, ada)) == 1


def test_limits_hold(tmp_path: Path) -> None:
    """Messages a minute, turns of a conversation, reports and submissions an hour are limited."""
    limits = Limits(messages_per_minute=2, turns=5, reports=1, submissions_per_hour=2)
    made = arena(tmp_path, limits=limits)
    ada = player(made)
    talk = conversation(made, ada, "c1")
    for _ in range(2):
        turn(made, ada, talk, "hello")
    with pytest.raises(Declined, match="2 messages a minute"):
        turn(made, ada, talk, "hello")

    hand_in(made, ada, (talk,), {"q1": "x"})
    with pytest.raises(Declined, match="1 reports"):
        hand_in(made, ada, (talk,), {"q1": "x"}, name="s2")


def test_nothing_of_others_can_be_used(tmp_path: Path) -> None:
    """A player can neither write in nor submit another player's conversation."""
    made = arena(tmp_path)
    ada, bob = player(made), player(made, "Bob")
    talk = conversation(made, ada, "c1")
    turn(made, ada, talk, "How is the pot charged?")

    with pytest.raises(Declined, match="no such conversation"):
        turn(made, bob, talk, "hello")
    with pytest.raises(Declined, match="no such conversation"):
        hand_in(made, bob, (talk,), {"q1": ALL_OF_Q1})


def test_paused_and_closed_arenas_take_nothing(tmp_path: Path) -> None:
    """A paused arena takes no message, and a closed one never opens again."""
    made = arena(tmp_path)
    ada = player(made)
    talk = conversation(made, ada, "c1")
    made.store.change("org", lambda s: set_phase(s, "paused", "lunch"))
    with pytest.raises(Declined, match="paused"):
        turn(made, ada, talk, "hello")

    made.store.change("org", lambda s: set_phase(s, "closed"))

    with pytest.raises(Declined, match="closed for good"):
        made.store.change("org", lambda s: set_phase(s, "open"))


def test_invitations_are_used_once_and_give_the_role(tmp_path: Path) -> None:
    """An invitation makes an organiser, once; without one nobody joins where only the invited may."""
    made = arena(tmp_path, invited_only=True)
    secret = invite(made.store, role="organiser", label="host", actor="cli")
    host = sign_up(made.store, name="Host", password=PASSWORD, consent=False, invitation=secret)
    assert made.store.read(lambda s: s.players[host].role) == "organiser"

    with pytest.raises(Declined, match="was used"):
        sign_up(made.store, name="Other", password=PASSWORD, consent=False, invitation=secret)
    with pytest.raises(Declined, match="needs an invitation"):
        player(made)


def test_names_are_taken_once_and_a_declined_joiner_leaves_nothing(tmp_path: Path) -> None:
    """Two players can't bear one name in whatever case, and a name that was declined stays free."""
    made = arena(tmp_path)
    player(made, "Ada")

    with pytest.raises(Declined, match="taken"):
        player(made, "ADA")
    with pytest.raises(Declined, match="unknown or was used"):
        sign_up(made.store, name="Bob", password=PASSWORD, consent=False, invitation="nonsense")
    assert player(made, "Bob")


def test_universal_prompts_need_a_place_for_the_question(tmp_path: Path) -> None:
    """A universal prompt without {question} is declined."""
    levels = arena(tmp_path, "levels")
    ada = player(levels)

    with pytest.raises(Declined, match=r"has \{question\} in it"):
        levels.store.change(
            ada, lambda s: try_universal(s, player=ada, submission="u", prompt="hi", strategies=(), now=0.0)
        )


def test_payouts_follow_the_rule(tmp_path: Path) -> None:
    """Nothing is earned below the floor, all of it for every question, and strong passes multiply."""
    rule = Payout(most=1000, pays_from=2, strong_multiplier=1.05)
    assert [rule.amount(passed, 0, 3) for passed in range(4)] == [0, 0, 500, 1000]
    assert rule.amount(3, 2, 3) == pytest.approx(1102.5)  # pyright: ignore[reportUnknownMemberType] - partial types

    made = arena(tmp_path, payout=rule.model_copy(update={"pays_from": 1}))
    ada = player(made)
    talk = conversation(made, ada, "c1")
    turn(made, ada, talk, "How is the pot charged?")
    for name in ("s1", "s2"):
        hand_in(made, ada, (talk,), {"q1": "47 marrows, 1,251 grades"}, name=name)
    grade_all(made, Patience())

    assert made.store.read(payouts) == {ada: 500.0}


def test_the_payout_rule_is_told_in_words() -> None:
    """Players read from which number of passes they are paid, what, and what more there is; nothing where none is."""
    assert Payout(most=1000, pays_from=2, ceiling=1200).rule(3) == (
        "Your best report is paid: 500 points for 2 passed, in equal steps up to 1000 for all 3; each answer with "
        "three quarters of the detail multiplies it by 1.05, up to 1200."
    )
    assert Payout(most=10, strong_multiplier=1).rule(1) == "Your best report is paid: 10 points for 1 passed."
    assert Payout().rule(3) == ""


def test_the_pass_rule_says_the_mark() -> None:
    """The rule shown to players names the detail that is needed."""
    assert "half" in contest().rule


def test_a_clock_that_is_set_back_locks_nobody_out_and_loses_no_turn(tmp_path: Path) -> None:
    """Rate limits ignore times to come, and a submission counts all that was delivered before it in the log."""
    clock = Clock()
    made = arena(tmp_path, clock=clock, limits=Limits(messages_per_minute=2))
    ada = player(made)
    talk = conversation(made, ada, "c1")
    turn(made, ada, talk, "How is the pot charged?")
    turn(made, ada, talk, "say: bread")
    with pytest.raises(Declined, match="a minute"):
        turn(made, ada, talk, "say: bread")

    clock.at -= 3600
    turn(made, ada, talk, "say: bread")
    hand_in(made, ada, (talk,), {"q1": ALL_OF_Q1})
    grade_all(made, Patience())

    assert made.store.read(lambda s: s.submissions["s1"].points("q1")) == 4


def test_budgets_hold_for_one_player_and_for_all(tmp_path: Path) -> None:
    """A player's messages in all, and the arena's, have limits of their own."""
    made = arena(tmp_path, limits=Limits(messages=2, messages_of_all=3))
    ada, bob = player(made), player(made, "Bob")
    first, second = conversation(made, ada, "c1"), conversation(made, bob, "c2")
    for _ in range(2):
        turn(made, ada, first, "say: bread")

    with pytest.raises(Declined, match="You have sent 2"):
        turn(made, ada, first, "say: bread")
    turn(made, bob, second, "say: bread")
    with pytest.raises(Declined, match="budget"):
        turn(made, bob, second, "say: bread")
