"""What the prompt's score means for its answer: the stages are summed in logit space.

In: a policy and the logit of a prompt. Out: what is added to every logit of its answer. Knows no scorer and no stream.

Only suspicion counts: a prompt that looks harmless takes nothing off, or an attack could buy itself room by hiding.

Cites: CC2 section 6 (a weighted sum of both stages' logits).
"""

from math import isfinite

from lictor.types import Policy


def suspicion(policy: Policy, prompt_score: float) -> float:
    """What a prompt of this logit adds to every logit of its answer, at least 0; an infinite one speaks for itself."""
    return policy.prompt_weight * max(0.0, prompt_score - policy.prompt_floor) if isfinite(prompt_score) else 0.0
