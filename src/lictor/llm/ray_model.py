"""The same requests on a Ray cluster: a chat model whose answers are made by actors on Ray Data.

In: a model reference, how many actors. Out: a `types.ChatModel` of the same name as the model on this machine, so that
caches and results are the same. Actors that die are started again, and what they had in hand is asked for again. Where
the cluster is comes from `RAY_ADDRESS`; without it, one is started here. Knows no weights.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import ray  # pyright: ignore[reportMissingImports] -- an extra
import ray.data  # pyright: ignore[reportMissingImports] -- as above

from lictor.llm.load import chat_model_name, load_chat_model
from lictor.llm.pacing import Limits
from lictor.types import ChatModel, Conversation, Message, OnAnswer, Sampling

BATCH = 48
"""Requests an actor takes at once: as many as a local model batches."""


class RayModel:
    """A chat model spread over `workers` actors; limits hold for each of them."""

    def __init__(
        self, reference: str, precision: str, api_key_env: str, limits: Limits, *, workers: int = 2, batch: int = BATCH
    ) -> None:
        self._how = (reference, precision, api_key_env, limits)
        self._workers = workers
        self._batch = batch
        self._local: ChatModel | None = None
        self.name = chat_model_name(reference, precision)

    def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[str]:
        """One answer, made on this machine."""
        if self._local is None:
            self._local = _load(*self._how)
        return self._local.stream(conversation, sampling)

    def complete(
        self,
        conversations: Sequence[Conversation],
        sampling: Sequence[Sampling],
        *,
        on_answer: OnAnswer | None = None,
    ) -> list[str]:
        """Whole answers in the order asked; `on_answer` hears of a batch when its actor is done with it."""
        if not conversations:
            return []
        if not ray.is_initialized():
            ray.init(log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
        ray.data.DataContext.get_current().enable_progress_bars = False
        asked = [
            {"index": index, "asked": json.dumps([[asdict(m) for m in conversation], asdict(how)])}
            for index, (conversation, how) in enumerate(zip(conversations, sampling, strict=True))
        ]
        rows = ray.data.from_items(asked, override_num_blocks=-(-len(asked) // self._batch)).map_batches(
            _Actor, fn_constructor_args=self._how, concurrency=self._workers, batch_size=self._batch
        )
        answers = [""] * len(asked)
        for row in rows.iter_rows():
            index, text = int(row["index"]), str(row["text"])
            answers[index] = text
            if on_answer is not None:
                on_answer(index, text)
        return answers


class _Actor:
    """One worker: it loads the model once and answers batches."""

    def __init__(self, reference: str, precision: str, api_key_env: str, limits: Limits) -> None:
        self._model = _load(reference, precision, api_key_env, limits)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        read: list[Any] = [json.loads(text) for text in batch["asked"]]
        conversations = [tuple(Message(**message) for message in turns) for turns, _ in read]
        answers = self._model.complete(conversations, [Sampling(**how) for _, how in read])
        return {"index": batch["index"], "text": np.array(answers, dtype=object)}


def _load(reference: str, precision: str, api_key_env: str, limits: Limits) -> ChatModel:
    return load_chat_model(reference, precision=precision, api_key_env=api_key_env, limits=limits)
