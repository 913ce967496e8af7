"""Which restricted rule a text falls under, told by its spelling.

In: labelled examples and the rules' own words. Out: weights over groups of characters, and the rule they name for a
text. For people who look at decisions, and for categories; no decision rests on it. Knows no model.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from lictor.constitution import Constitution
from lictor.errors import ArtifactError
from lictor.types import Example

_BUCKETS = 2**15
_LONGEST = 4_000
"""Characters that are read, from the end."""


@dataclass(frozen=True)
class RuleNamer:
    """A linear classifier over hashed groups of three to five characters."""

    rules: tuple[str, ...]
    weights: NDArray[np.float16]  # (bucket, rule)
    bias: NDArray[np.float16]  # (rule,)

    def shares(self, text: str) -> dict[str, float]:
        """Of each rule, the probability that a restricted text falls under it."""
        buckets, values = features(text)
        logits = values @ self.weights[buckets].astype(np.float32) + self.bias
        odds = np.exp(logits - logits.max())
        return dict(zip(self.rules, (odds / odds.sum()).tolist(), strict=True))

    def name(self, text: str) -> str:
        """The likeliest rule of a restricted text."""
        shares = self.shares(text)
        return max(shares, key=lambda rule: shares[rule])

    def to_bytes(self) -> bytes:
        """The weights as `read_namer` takes them."""
        return save({"weights": self.weights, "bias": self.bias}, {"rules": "\n".join(self.rules)})


def read_namer(path: Path, rules: Sequence[str]) -> RuleNamer:
    """The namer in a file, for the rules it was fitted on, in their order.

    Raises:
        ArtifactError: It is none, or one of other rules.
    """
    try:
        tensors = load(path.read_bytes())
        weights, bias = tensors["weights"], tensors["bias"]
    except (OSError, SafetensorError, KeyError) as error:
        raise ArtifactError(f"{path}: expected the weights of a rule namer, got something else ({error})") from error
    if weights.shape != (_BUCKETS, len(rules)) or bias.shape != (len(rules),):
        raise ArtifactError(f"{path}: expected weights of {len(rules)} rules, got {weights.shape}")
    return RuleNamer(tuple(rules), weights, bias)


def fit_namer(examples: Iterable[Example], constitution: Constitution) -> RuleNamer | None:
    """A namer from restricted texts and the restricted rules' own words; None where there is but one rule."""
    from scipy.sparse import csr_array
    from sklearn.linear_model import LogisticRegression

    rules = [rule.id for rule in constitution.restricted]
    if len(rules) < 2:
        return None
    texts = [(text, rules.index(rule.id)) for rule in constitution.restricted for text in (rule.text, *rule.examples)]
    for example in examples:
        if example.rule in rules:
            texts += [(text, rules.index(example.rule)) for text in restricted_texts(example)]
    rows = [features(text) for text, _ in texts]
    matrix = csr_array(
        (
            np.concatenate([values for _, values in rows]),
            np.concatenate([buckets for buckets, _ in rows]),
            np.cumsum([0, *(len(values) for _, values in rows)]),
        ),
        shape=(len(rows), _BUCKETS),
    )
    fitted = LogisticRegression(C=10, max_iter=500).fit(matrix, [at for _, at in texts])
    weights = np.vstack([-fitted.coef_, fitted.coef_]) if len(rules) == 2 else fitted.coef_
    bias = np.array([-fitted.intercept_[0], fitted.intercept_[0]]) if len(rules) == 2 else fitted.intercept_
    # Contiguous, because a file holds bytes as they lie in memory.
    return RuleNamer(tuple(rules), np.ascontiguousarray(weights.T, np.float16), bias.astype(np.float16))


def restricted_texts(example: Example) -> list[str]:
    """What of an example its rule speaks of: its last question, and its answer, where they are restricted."""
    asked = [message.content for message in example.prompt if message.role == "user"][-1:]
    answered = [example.answer or ""] if example.answer_label == 1 else []
    return [*(asked if example.prompt_label == 1 else []), *answered]


def features(text: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Buckets of a text's groups of characters, and their weights: logarithmic counts, of length one together."""
    padded = [f" {word} " for word in text[-_LONGEST:].lower().split()] or [" "]
    groups = (
        word[at : at + size] for word in padded for size in (3, 4, 5) for at in range(max(1, len(word) - size + 1))
    )
    counts = Counter(crc32(group.encode("utf-8", "surrogatepass")) % _BUCKETS for group in groups)
    values = 1 + np.log(np.fromiter(counts.values(), np.float32))
    return np.fromiter(counts.keys(), np.int32), (values / np.linalg.norm(values)).astype(np.float32)
