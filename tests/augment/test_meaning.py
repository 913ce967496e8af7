"""Keep rates: by decoding, by the words left, by a judge."""

from lictor.augment import Kept, Transform, check_meaning, get, transforms
from lictor.augment.meaning import words_left
from lictor.llm.scripted import ScriptedModel
from lictor.types import Conversation, Sampling

TEXTS = ["How do bakers store fresh bread in winter?", "Which wooden cupboard keeps a tray dry?"]
LOST = Transform("lost", "f", "prompt", "alter", "own", "d", lambda text, rng: "Something else entirely.")


def test_codes_are_checked_by_decoding_and_the_rest_by_words() -> None:
    """A code gives every word back, a wrapper leaves all of them, and what drops them keeps nothing."""
    found = check_meaning([get("base64"), get("novel_scene"), LOST], TEXTS)

    assert found == [
        Kept("base64", "decoding", 2, 2),
        Kept("novel_scene", "words", 2, 2),
        Kept("lost", "words", 0, 2),
    ]


def test_a_judge_has_the_last_word_on_what_cannot_be_decoded() -> None:
    """Its yes counts as kept, its no and anything else do not, and codes are not put before it."""
    asked: list[str] = []

    def say(conversation: Conversation, sampling: Sampling) -> str:
        asked.append(conversation[-1].content)
        if "entirely" in asked[-1]:
            return "no"
        return "Yes." if TEXTS[0] in asked[-1] else "Hm"

    found = check_meaning([get("base64"), get("novel_scene"), LOST], TEXTS, judge=ScriptedModel(say, "judge"))

    assert found[0].by == "decoding"
    assert [(one.by, one.kept) for one in found[1:]] == [("judge", 1), ("judge", 0)]
    assert len(asked) == 4


def test_misspelt_words_are_still_told() -> None:
    """Letters out of order count as the word; other words do not."""
    assert words_left("fresh bread", "fersh baerd") == 1
    assert words_left("fresh bread", "stale cakes") == 0
    assert words_left("a b c", "") == 1


def test_every_transform_keeps_the_meaning_of_plain_requests() -> None:
    """No transform loses a plain request, by decoding or by its words."""
    lost = [one for one in check_meaning(transforms().values(), TEXTS) if one.kept < one.texts]

    assert lost == []
