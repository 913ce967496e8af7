"""What the exchange scorer is trained on."""

from dataclasses import replace

from lictor.guard.tokens import encode
from lictor.model.backbone import Backbone, Cut
from lictor.model.objective import Labelled
from lictor.model.text import SegmentTokenizer, closing_ids, opening_ids
from lictor.pipeline.sequences import CUTS, labelled, shared_budget
from lictor.types import Example, Message

EXAMPLES = [
    Example(
        id=f"e{n}",
        constitution="c",
        messages=(
            Message("user", f"How are {n} bells cast?"),
            Message("assistant", f"Melt {n} old ones in the morning."),
        ),
        prompt_label=n % 2,
        answer_label=n % 2,
        rule="cast",
        source="synthesis",
    )
    for n in range(40)
]


def test_answers_are_learnt_whole_and_cut_after_their_own_prompts_and_others(tiny: str) -> None:
    """Each with the question at its end and the label of the whole; the same ones every time, none too long."""
    backbone = Backbone(tiny, Cut(2, 3), "fp32")
    tokenizer, closing = SegmentTokenizer(backbone.tokenizer), closing_ids(backbone.tokenizer)
    openings = {e.id: opening_ids(e.prompt, backbone.tokenizer, 999) for e in EXAMPLES}
    said = {e.id: [token.id for token in encode(tokenizer, e.answer or "")] for e in EXAMPLES}

    found = labelled(EXAMPLES, "exchange", backbone, 400, seed=0)

    assert 2 * len(EXAMPLES) < len(found) <= (1 + CUTS) * len(EXAMPLES)
    assert found == labelled(EXAMPLES, "exchange", backbone, 400, seed=0)
    own = 0
    for sequence in found:
        ids = list(sequence.token_ids)
        assert ids[-len(closing) :] == closing
        read = ids[: -len(closing)]
        [opening] = [name for name, before in openings.items() if read[: len(before)] == before]
        rest = read[len(openings[opening]) :]
        whose = {e.id for e in EXAMPLES if said[e.id][: len(rest)] == rest and e.answer_label == sequence.label}
        assert whose
        own += opening in whose
    assert found != labelled(EXAMPLES, "exchange", backbone, 400, seed=1)
    assert len(found) / 2 < own < len(found)
    assert labelled(EXAMPLES, "exchange", backbone, 20, seed=0) == []


def test_a_prompt_that_is_too_long_is_nobodys(tiny: str) -> None:
    """Its own answer is learnt after another's prompt or not at all; no other answer is lost by it."""
    backbone = Backbone(tiny, Cut(2, 3), "fp32")
    long = [
        replace(e, id=f"long{at}", messages=(Message("user", "Ring! " * 999), Message("assistant", f"No, {at}.")))
        for at, e in enumerate(EXAMPLES)
    ]

    found = labelled([*EXAMPLES, *long], "exchange", backbone, 400, seed=0)

    tokenizer, closing = SegmentTokenizer(backbone.tokenizer), closing_ids(backbone.tokenizer)
    ends = {e.id: [*(token.id for token in encode(tokenizer, e.answer or "")), *closing] for e in [*EXAMPLES, *long]}
    whole = {name for name, ids in ends.items() if any(list(s.token_ids[-len(ids) :]) == ids for s in found)}
    assert whole >= {e.id for e in EXAMPLES}
    assert 3 < len(whole - {e.id for e in EXAMPLES}) < 24


def test_the_exchange_scorer_learns_disguised_answers_too() -> None:
    """Plain ones have half the budget, or what the others leave; each pool's own choice stays the same."""
    plain, disguised = ([Labelled([kind, at] * 5, 0) for at in range(20)] for kind in (1, 2))

    def kept(budget: int, count: int = 20) -> list[int]:
        found = shared_budget(plain, disguised[:count], budget_tokens=budget)
        return [sum(s.token_ids[0] == kind for s in found) for kind in (1, 2)]

    assert kept(200) == [10, 10]
    assert kept(200, count=4) == [16, 4]
    assert kept(999) == [20, 20]
    assert kept(200, count=0) == [20, 0]
