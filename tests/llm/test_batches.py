"""Which prompts are read together: those that begin alike, however they are mixed, and all of them once."""

from lictor.llm.batches import LEAST_ALIKE, LEAST_SHARED, batches, pad_left, shared_tokens


def test_prompts_that_begin_alike_make_batches_of_their_own() -> None:
    """Two kinds in turn, of the same lengths; what begins like too few others goes with any."""
    kinds = [[kind] * LEAST_ALIKE + [at] * (at % 3) for at in range(8) for kind in (1, 2)]
    prompts = [*kinds, [3] * LEAST_ALIKE, [4]]
    found = list(batches(prompts, [9] * len(prompts), rows=4))

    assert sorted(at for batch in found for at in batch) == list(range(len(prompts)))
    assert all(len(batch) <= 4 for batch in found)
    begun = [{prompts[at][0] for at in batch} for batch in found]
    assert sorted(map(sorted, begun)) == [[1], [1], [2], [2], [3, 4]]


def test_a_batch_is_of_like_lengths() -> None:
    """Short answers first, then short prompts, so that little is padded."""
    prompts = [[at] * length for at, length in enumerate((9, 1, 8, 2))]

    assert list(batches(prompts, [5, 5, 5, 5], rows=2)) == [[1, 3], [2, 0]]
    assert list(batches(prompts, [5, 9, 5, 9], rows=2)) == [[2, 0], [1, 3]]
    assert list(batches([], [], rows=2)) == []


def test_shared_tokens_leave_one_to_read() -> None:
    """Equal prompts share all but their last token; one prompt alone, and a short beginning, share nothing."""
    begin = list(range(LEAST_SHARED))

    assert shared_tokens([[*begin, 1, 2], [*begin, 1, 3], [*begin, 1]]) == LEAST_SHARED
    assert shared_tokens([[*begin, 1], [*begin, 1]]) == LEAST_SHARED
    assert shared_tokens([[*begin, 1]]) == 0
    assert shared_tokens([begin, begin]) == 0
    assert shared_tokens([[*begin, 1], [9, *begin]]) == 0


def test_padding_stands_before() -> None:
    """So that all prompts end together."""
    ids, mask = pad_left([[5, 6, 7], [8]], 0)

    assert ids.tolist() == [[5, 6, 7], [0, 0, 8]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1]]
