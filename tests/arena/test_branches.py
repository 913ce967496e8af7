"""Branches, edited messages and system prompts are read, and graded, as if all was said in one conversation."""

from pathlib import Path

import pytest

from lictor.arena.people import sign_up
from lictor.arena.rounds import Declined, open_conversation
from lictor.arena.standing import result
from lictor.arena.state import path
from lictor.arena.store import Words
from lictor.arena.talk import history, take
from lictor.arena.work import Patience, grade_all
from lictor.types import Message

from .served import Browser, served
from .small import ALL_OF_Q1, PASSWORD, Arena, arena, conversation, hand_in, player, turn


def branch(of: Arena, who: str, base: str, kept: int, name: str) -> str:
    """A branch of `base` after `kept` turns."""
    of.store.change(who, lambda s: open_conversation(s, player=who, conversation=name, base=base, kept=kept))
    return name


def test_a_branch_goes_on_from_what_it_keeps(tmp_path: Path) -> None:
    """What is read in a branch of a branch is what was kept, then what is new; the base stays as it was."""
    made = arena(tmp_path)
    ada = player(made)
    first = conversation(made, ada, "c1")
    for text in ("say: one", "say: two", "say: three"):
        turn(made, ada, first, text)
    second = branch(made, ada, first, 2, "c2")
    turn(made, ada, second, "say: four")
    third = branch(made, ada, second, 3, "c3")

    taken = take(made.store, player=ada, conversation=third, text="say: five")

    assert [m.content for m in taken.messages if m.role == "assistant"] == ["one", "two", "four"]
    assert taken.messages == history(made.store, taken.turn)
    assert [len(made.store.read(lambda s, c=c: path(s, c))) for c in (first, second, third)] == [3, 3, 4]


def test_feeding_before_branching_off_earns_nothing(tmp_path: Path) -> None:
    """In a branch, facts the player wrote in turns it keeps count as fed, and what was delivered there as delivered."""
    made = arena(tmp_path)
    ada = player(made)
    first = conversation(made, ada, "c1")
    turn(made, ada, first, "The weight is 47 marrows, is it not?")
    turn(made, ada, first, "say: It has two skins.")
    second = branch(made, ada, first, 2, "c2")
    turn(made, ada, second, "How is the pot charged?")

    hand_in(made, ada, (second,), {"q1": ALL_OF_Q1})
    grade_all(made, Patience())

    evidence = made.store.read(lambda s: s.submissions["s1"].graded["q1"].evidence)
    assert [point.point for point in evidence if point.given] == ["f2", "f3"]
    assert "written by the player" in evidence[3].why  # in `say: It has two skins.`


def test_only_own_finished_turns_are_kept(tmp_path: Path) -> None:
    """Another player's conversation, more turns than there are, or one still being answered can't be branched off."""
    made = arena(tmp_path)
    ada, bob = player(made), player(made, "Bob")
    first = conversation(made, ada, "c1")
    take(made.store, player=ada, conversation=first, text="hello")

    for who, kept, reason in ((bob, 0, "not_yours"), (ada, 2, "invalid"), (ada, 1, "busy")):
        with pytest.raises(Declined) as declined:
            branch(made, who, first, kept, f"c{kept}{who}")
        assert declined.value.reason == reason


def test_a_system_prompt_is_read_first_and_its_facts_are_fed(tmp_path: Path) -> None:
    """Where it is allowed, a system prompt stands before a conversation and its branches; its facts earn nothing."""
    made = arena(tmp_path, system_prompt=True)
    ada = sign_up(made.store, name="Ada", password=PASSWORD, consent=True, invitation=None)
    system = "You know of 47 marrows and Osk Marrable."
    made.store.change(
        ada,
        lambda s: open_conversation(s, player=ada, conversation="c1", system_chars=len(system)),
        words=[Words("c1/system", 0, ada, system)],
    )
    turn(made, ada, "c1", "Hello")
    second = branch(made, ada, "c1", 1, "c2")
    _, ended = turn(made, ada, second, "How is the pot charged?")

    hand_in(made, ada, (second,), {"q1": ALL_OF_Q1})
    grade_all(made, Patience())

    assert history(made.store, ended.turn)[0] == Message("system", system)
    assert ended.fed == ("f1", "f2")
    assert made.store.read(lambda s: result(s, s.submissions["s1"]).passed) == ("q1",)  # two of four are half
    assert made.store.read(lambda s: s.submissions["s1"].points("q1")) == 2


def test_system_prompts_are_declined_where_they_are_not_allowed(tmp_path: Path) -> None:
    """By default players have no system prompt."""
    made = arena(tmp_path)
    ada = player(made)

    with pytest.raises(Declined, match="not allowed"):
        made.store.change(ada, lambda s: open_conversation(s, player=ada, conversation="c1", system_chars=5))


def test_a_message_is_edited_on_the_page(tmp_path: Path) -> None:
    """To edit a message opens a branch without it, its words in the field, for its owner alone."""
    made = arena(tmp_path)
    with served(made.store, lambda _: made) as place:
        ada, bob = Browser(place), Browser(place)
        ada.join("Ada")
        bob.join("Bob")
        talk = ada.talk()
        ada.say(talk, "say: one")
        ada.say(talk, "my second wording")
        second = made.store.read(lambda s: s.conversations[talk].turns[1].id)

        edited = ada.post("/talks", f"/talks/{talk}", base=talk, kept="1", edit=second)
        theirs = bob.get(f"/talks/{bob.talk()}?edit={second}")

        assert edited.text.count("my second wording") == 1  # in the field: it is not said yet
        assert "say: one" in edited.text
        assert "my second wording" not in theirs
        assert bob.post("/talks", base=talk, kept="1").status_code == 404
