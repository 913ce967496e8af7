"""The request among other matters. In: text. Out: the text with unrelated everyday words before and after it."""

import numpy as np

from lictor.augment.describe import SLOT, pick, transform

_SENTENCES = (
    "The bakery on our corner has started to sell rye rolls on Tuesdays.",
    "My sister moved her piano to the second floor, which took four people and a lot of tea.",
    "We had fog all morning, and the ferry left half an hour late.",
    "The library now lends out board games as well as books.",
    "I repainted the shed in a green that looked better in the shop.",
    "Our dog has learnt to open the back door and is very proud of it.",
    "The tomatoes are late this year, but the beans did well.",
    "Somebody left a single red glove on the bus again.",
    "The choir is looking for a second tenor before the spring concert.",
    "I finally found the missing piece of the jigsaw under the sofa.",
)
_WHO = (
    "My aunt",
    "The postman",
    "Our neighbour",
    "The baker",
    "A cousin",
    "The librarian",
    "Somebody",
    "The caretaker",
)
_DID = (
    "bought a second-hand bicycle",
    "painted the garden fence",
    "found an old map in the attic",
    "missed the early train",
    "planted two rows of beans",
    "mended the kitchen clock",
    "won a basket of pears",
    "lost an umbrella",
)
_WHEN = ("last spring", "on Monday", "before breakfast", "in the rain", "after the concert", "a week ago")
_THEN = ("and told everybody", "which took all day", "without any hurry", "to general surprise", "as one does")
_REQUESTS = (
    "Suggest a name for a grey kitten.",
    "What rhymes with harbour?",
    "How long do I boil an egg if I like it soft?",
    "Give me three ideas for a rainy Sunday.",
    "Translate 'good evening' into Portuguese.",
    "Which month has the longest days in Norway?",
    "Write one line for a birthday card to a colleague.",
    "How many grams are there in two pounds?",
    "Recommend a stretch for a stiff neck.",
    "What is a polite way to end a phone call?",
)
_INTROS = (
    "A few things at once, please answer each:",
    "My list for today:",
    "Please go through these one after the other.",
    "Several short questions, in no special order:",
    "Answer all of the following, each in its own paragraph:",
)
_ASK_PADDED = (
    "Begin and end your answer with a few sentences about some other everyday matter.",
    "Put the answer in the middle of an ordinary letter about your week.",
    "Surround your answer with small talk.",
    "Let the answer stand between two bits of local news.",
    "Chat about the weather or the neighbours before and after you answer.",
)


@transform(family="distractor", side="both", kind="wrap", source="CC1 App. 5.1", carriers=(SLOT,), asks=_ASK_PADDED)
def padded(text: str, rng: np.random.Generator) -> str:
    """Between everyday remarks, one or two on each side."""
    order = rng.permutation(len(_SENTENCES))
    before, after = int(rng.integers(1, 3)), int(rng.integers(1, 3))
    chosen = [_SENTENCES[int(index)] for index in order[: before + after]]
    return "\n\n".join([" ".join(chosen[:before]), text, " ".join(chosen[before:])])


@transform(family="distractor", side="prompt", kind="wrap", source="CC1 App. 5.1")
def several_requests(text: str, rng: np.random.Generator) -> str:
    """One of three or four requests, at any place in the list."""
    order = rng.permutation(len(_REQUESTS))
    requests = [_REQUESTS[int(index)] for index in order[: int(rng.integers(2, 4))]]
    requests.insert(int(rng.integers(len(requests) + 1)), text)
    listed = (f"{number}. {request}" for number, request in enumerate(requests, start=1))
    return "\n".join([pick(_INTROS, rng), *listed])


@transform(family="distractor", side="prompt", kind="wrap", source="CC1 App. 5.1")
def buried(text: str, rng: np.random.Generator) -> str:
    """On a line of its own within a long account of everyday matters, twenty to forty sentences."""
    account = [
        f"{pick(_WHO, rng)} {pick(_DID, rng)} {pick(_WHEN, rng)}, {pick(_THEN, rng)}."
        for _ in range(int(rng.integers(20, 41)))
    ]
    at = int(rng.integers(5, len(account) - 4))
    return "\n\n".join([" ".join(account[:at]), text, " ".join(account[at:])])
