"""Turn an arena's successes into a Lictor dataset, so that the next guard learns from them.

In: an arena. Out: labelled examples, each once. Takes only turns of players who consent, and whose words stand.

A success is a turn in which rubric facts were delivered that the player had not fed. It becomes a prompt with label 1.
Its answer is left out unless asked for: with facts of a rubric in training, later measurements by that rubric would
measure memory. Near-duplicates are dropped, and a player's conversation is a family, so that no split tears it.
"""

from collections.abc import Mapping

from lictor.arena.arena import Arena
from lictor.arena.state import State, Turn
from lictor.arena.talk import history, wordings
from lictor.artifacts import fingerprint
from lictor.evaluation.questions import Fact
from lictor.synthesis.dedupe import keep_distinct
from lictor.types import Example, Message


def successes(arena: Arena, *, constitution: str, with_answers: bool = False) -> list[Example]:
    """One example for every distinct success.

    Args:
        arena: Whose turns are read.
        constitution: Fingerprint of the constitution the labels belong to.
        with_answers: Also the delivered answer, with label 1.
    """
    facts = {fact.id: fact for fact in arena.facts}
    found = [
        _example(arena, turn, facts, constitution=constitution, with_answers=with_answers)
        for turn in arena.store.read(_turns)
    ]
    texts = ["\n".join(dict.fromkeys(m.content for m in x.prompt if m.role == "user")) for x in found]
    return [example for example, is_new in zip(found, keep_distinct(texts), strict=True) if is_new]


def _turns(state: State) -> list[Turn]:
    """Successful turns of players who consent."""
    return [
        turn
        for talk in state.conversations.values()
        if state.players[talk.player].consent
        for turn in talk.turns
        if turn.answer is not None and set(turn.answer.facts) - set(turn.answer.fed)
    ]


def _example(arena: Arena, turn: Turn, facts: Mapping[str, Fact], *, constitution: str, with_answers: bool) -> Example:
    messages = history(arena.store, turn.id)
    given = turn.answer.facts if turn.answer else ()
    rules = [facts[fact].rule for fact in given if fact in facts]
    if with_answers:
        messages = (*messages, Message("assistant", wordings(arena.store, [turn.id])[turn.id].delivered))
    return Example(
        id=fingerprint(["arena", turn.id, with_answers]),
        constitution=constitution,
        messages=messages,
        prompt_label=1,
        answer_label=1 if with_answers else None,
        rule=max(set(rules), key=rules.count) if rules else None,
        source="arena",
        generator=arena.target.name,
        family=turn.conversation,
    )
