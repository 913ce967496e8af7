"""Which prompts are read together, and what they share.

In: prompts as tokens. Out: batches of indices, how many tokens all begin with, and one tensor of them. Knows no model.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

import torch
from torch import Tensor

LEAST_ALIKE = 64
"""Tokens that prompts have to begin with alike to be put into batches of their own."""
LEAST_SHARED = 32
"""Tokens at the beginning of a batch's prompts that are read once, not row by row."""


def batches(prompts: Sequence[list[int]], max_tokens: Sequence[int], rows: int) -> Iterator[list[int]]:
    """Which prompts are read together: those that begin alike, if they fill half a batch, and else any."""
    begin = [tuple(prompt[:LEAST_ALIKE]) for prompt in prompts]
    count = Counter(begin)
    group = [one if count[one] >= max(2, rows / 2) else () for one in begin]
    order = sorted(range(len(prompts)), key=lambda i: (group[i], max_tokens[i], len(prompts[i])))
    for _, alike in groupby(order, key=lambda i: group[i]):
        found = list(alike)
        yield from (found[at : at + rows] for at in range(0, len(found), rows))


def shared_tokens(prompts: Sequence[list[int]]) -> int:
    """Tokens that all prompts of a batch begin with, if it is worth reading them once; each has one more at least."""
    if len(prompts) == 1:
        return 0
    first, last = min(prompts), max(prompts)  # what these two share, all between them do
    most = min(map(len, prompts)) - 1
    count = next((at for at in range(most) if first[at] != last[at]), most)
    return count if count >= LEAST_SHARED else 0


def pad_left(prompts: Sequence[list[int]], pad: int) -> tuple[Tensor, Tensor]:
    """Prompts that end together, (prompts, longest), and a mask of ones where they stand."""
    width = max(len(p) for p in prompts)
    ids = torch.tensor([[pad] * (width - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    return ids, mask
