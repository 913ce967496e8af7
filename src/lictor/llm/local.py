"""Local weights as a chat model, through transformers: batched, streaming, on CPU or GPU.

In: a reference that llm/weights.py can locate. Out: loaded models, answers, streams. A GGUF file is unpacked to
safetensors once, into the cache folder. Knows nothing of guards; model/backbone.py reads activations.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast
from weakref import WeakValueDictionary

import torch
from jinja2 import TemplateError
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.utils.logging import disable_progress_bar

from lictor.artifacts import sha256_file
from lictor.errors import DataError, ModelNotFoundError
from lictor.llm.batches import batches, pad_left, shared_tokens
from lictor.llm.growing import growing_cache
from lictor.llm.int8 import quantise
from lictor.llm.memory import keep_freed_memory
from lictor.llm.weights import cache_dir, locate, parse_reference
from lictor.types import Conversation, OnAnswer, Sampling

Precision = Literal["auto", "fp32", "bf16", "int8"]
"""Weights' number format. `int8` is for a CPU and inference alone, see llm/int8.py. `auto` is bf16 where the machine
computes in it."""

LOOP_TOKENS = 128
"""An answer of likeliest tokens ends once so many in a row repeat each other: small models fall into such circles."""
MOST_ALIVE = 0.75
"""Share of a batch's rows, at or below which those that ended leave it: what the others hold is copied for that."""
TOP_K = 64
"""Only the most likely tokens are ever sampled: nucleus sampling within these."""


def parse_precision(text: str) -> Precision:
    """`text` as a precision.

    Raises:
        ModelNotFoundError: It is none of the four.
    """
    match text:
        case "auto" | "fp32" | "bf16" | "int8":
            return text
        case _:
            raise ModelNotFoundError(f"precision {text!r}: expected auto, fp32, bf16 or int8")


def weights_folder(reference: str) -> Path:
    """A folder in Hugging Face layout for a local reference; a GGUF file is unpacked once.

    Raises:
        ModelNotFoundError: Nothing is there, or the GGUF file cannot be read.
    """
    found = locate(reference)
    if found.is_dir():
        return found
    folder = cache_dir() / "models" / f"{found.stem}-{sha256_file(found)[:12]}"
    if not (folder / "config.json").is_file():
        _unpack_gguf(found, folder)
    return folder


def compute_dtype(precision: Precision) -> torch.dtype:
    """The floating type that `precision` means on this machine."""
    if precision in {"fp32", "int8"}:
        return torch.float32
    if precision == "bf16" or torch.cuda.is_available():
        return torch.bfloat16
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32  # pyright: ignore[reportPrivateUsage] -- torch names no public twin


def fastest_precision() -> Precision:
    """What multiplies many rows at once fastest here: bf16 on a GPU or a CPU with AMX tiles, int8 on one with VNNI.

    AVX-512 with VNNI computes in bf16 at half the rate of fp32, and in int8 at about three times that rate. A CPU of
    AVX2 alone has fp32: in int8 and bf16 it computes at a fiftieth of that.
    """
    cpu = torch.cpu
    if torch.cuda.is_available() or cpu._is_amx_tile_supported():  # pyright: ignore[reportPrivateUsage] -- torch names no public twin
        return "bf16"
    return "int8" if cpu._is_vnni_supported() else "fp32"  # pyright: ignore[reportPrivateUsage] -- as above


def load_causal_lm(reference: str, precision: Precision = "auto") -> PreTrainedModel:
    """The causal language model behind a local reference, in evaluation mode.

    Raises:
        ModelNotFoundError: Nothing is there.
    """
    keep_freed_memory()
    disable_progress_bar()  # its bars would mix with our own progress, and with --json
    folder = weights_folder(reference)
    model = cast("PreTrainedModel", AutoModelForCausalLM.from_pretrained(folder, dtype=compute_dtype(precision)))
    if precision == "int8":
        quantise(model)
    elif torch.cuda.is_available():
        model = model.to("cuda")  # pyright: ignore[reportArgumentType] -- the stub lacks str
    return model.eval()


def load_tokenizer(reference: str) -> PreTrainedTokenizerFast:
    """The fast tokenizer behind a local reference."""
    return cast("PreTrainedTokenizerFast", AutoTokenizer.from_pretrained(weights_folder(reference)))


States = tuple[Tensor, ...]
"""Activations of the tokens fed in one pass: the embeddings', then each layer's, (batch, tokens, hidden) each."""


class Read(NamedTuple):
    """A piece of an answer, and the highest logit that its tokens were given."""

    text: str
    logit: float


@dataclass
class _Row:
    """One conversation of a batch that is still being answered."""

    index: int
    sampling: Sampling
    rng: torch.Generator
    tokens: list[int]
    has_ended: bool = False


class LocalModel:
    """Local weights that answer conversations, alone (streamed) or in batches."""

    def __init__(self, reference: str, precision: Precision = "auto", batch_rows: int = 48) -> None:
        self._name = f"{_public_name(reference)}#{precision}"
        self._lm = load_causal_lm(reference, precision)
        self._tokenizer = load_tokenizer(reference)
        self._batch_rows = batch_rows
        self._stops = _stop_ids(self._lm, self._tokenizer)

    @property
    def lm(self) -> PreTrainedModel:
        """The language model itself."""
        return self._lm

    @property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """Its tokenizer."""
        return self._tokenizer

    @property
    def name(self) -> str:
        """Reference and precision; of a path, its last part alone."""
        return self._name

    def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[str]:
        """The answer in pieces; a piece ends where the text so far is whole characters."""
        tokens: list[int] = []
        shown = ""
        for row in self._decode([self.prompt_ids(conversation)], [sampling]):
            tokens = row.tokens
            text = self._text(tokens)
            if not text.endswith("\ufffd"):
                yield text[len(shown) :]
                shown = text
        yield self._text(tokens)[len(shown) :]

    def stream_read(
        self, conversation: Conversation, sampling: Sampling, tap: Callable[[States], Sequence[float]]
    ) -> Iterator[Read]:
        """`stream`, every token read by `tap` in the pass that the next one is made in; so each comes a token later.

        Args:
            conversation: What to answer.
            sampling: How.
            tap: Gives one logit for each token that was fed; the prompt's are not asked for.
        """
        told: list[float] = []
        is_prompt = True

        def watch(states: States) -> None:
            nonlocal is_prompt
            if not is_prompt:
                told.extend(tap(states))
            is_prompt = False

        # The last token is fed as well, for its activations; what would follow it is dropped.
        one_more = replace(sampling, max_tokens=sampling.max_tokens + 1)
        tokens: list[int] = []
        shown, read = "", 0
        for row in self._decode([self.prompt_ids(conversation)], [one_more], watch=watch):
            tokens = row.tokens
            text = self._text(tokens[: len(told)])
            if len(text) > len(shown) and not text.endswith("\ufffd"):
                yield Read(text[len(shown) :], max(told[read:]))
                shown, read = text, len(told)
        rest = self._text(tokens[: len(told)])[len(shown) :]
        if rest:
            yield Read(rest, max(told[read:]))

    def complete(
        self,
        conversations: Sequence[Conversation],
        sampling: Sequence[Sampling],
        *,
        on_answer: OnAnswer | None = None,
    ) -> list[str]:
        """Whole answers in the order asked, made in batches of prompts that begin alike and are of like length."""
        prompts = [self.prompt_ids(c) for c in conversations]
        answers = [""] * len(prompts)
        for batch in batches(prompts, [s.max_tokens for s in sampling], self._batch_rows):
            rows = {r.index: r for r in self._decode([prompts[i] for i in batch], [sampling[i] for i in batch])}
            for at, i in enumerate(batch):
                answers[i] = self._text(rows[at].tokens).strip() if at in rows else ""
                if on_answer is not None:
                    on_answer(i, answers[i])
        return answers

    def prompt_ids(self, conversation: Conversation) -> list[int]:
        """What it reads before it answers: the conversation in its chat template; lone surrogates as question marks.

        Raises:
            DataError: Its template has no place for such a conversation.
        """
        turns = [{"role": m.role, "content": m.content.encode("utf-8", "replace").decode()} for m in conversation]
        try:
            ids = self._tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
        except (ValueError, TemplateError) as error:
            roles = ", ".join(message.role for message in conversation) or "none"
            raise DataError(f"{self._name}: its chat template takes no turns of these roles: {roles}") from error
        return cast("list[int]", ids)

    def _text(self, tokens: list[int]) -> str:
        return cast("str", self._tokenizer.decode(tokens, skip_special_tokens=True))

    @torch.inference_mode()
    def _decode(
        self,
        prompts: Sequence[list[int]],
        sampling: Sequence[Sampling],
        *,
        watch: Callable[[States], None] | None = None,
    ) -> Iterator[_Row]:
        """Yield a row each time it gained a token; rows that ended leave in groups. `watch` sees every pass."""
        device = self._lm.device
        rows = [_Row(i, s, torch.Generator().manual_seed(s.seed % 2**63), []) for i, s in enumerate(sampling)]
        cache = growing_cache(self._lm.config)
        shared = shared_tokens(prompts)
        if shared:
            self._lm(input_ids=torch.tensor([prompts[0][:shared]], device=device), cache=cache, logits_to_keep=1)
            cache.batch_repeat_interleave(len(prompts))
        ids, mask = pad_left([prompt[shared:] for prompt in prompts], _pad_id(self._tokenizer))
        mask = torch.cat([torch.ones(len(prompts), shared, dtype=mask.dtype), mask], dim=1)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, shared:]
        while True:
            out: Any = self._lm(
                input_ids=ids.to(device),
                attention_mask=mask.to(device),
                position_ids=positions.to(device),
                cache=cache,
                use_cache=True,
                logits_to_keep=1,
                output_hidden_states=watch is not None,
            )
            if watch is not None:
                watch(out.hidden_states)
            logits = out.logits[:, -1].float().cpu()  # (rows, vocabulary)
            picked = [0 if row.has_ended else _sample(logits[at], row) for at, row in enumerate(rows)]
            for row, token in zip(rows, picked, strict=True):
                if row.has_ended or token in self._stops:
                    row.has_ended = True
                    continue
                row.tokens.append(token)
                yield row
                row.has_ended = len(row.tokens) >= row.sampling.max_tokens or _loops(row)
            alive = [at for at, row in enumerate(rows) if not row.has_ended]
            if not alive:
                return
            if len(alive) > MOST_ALIVE * len(rows):
                alive = list(range(len(rows)))
            keep = torch.tensor(alive)
            if len(alive) < len(rows):
                cache.batch_select_indices(keep.to(device))
            rows = [rows[at] for at in alive]
            ids = torch.tensor([[picked[at]] for at in alive])
            mask = torch.cat([mask[keep], torch.ones(len(alive), 1, dtype=mask.dtype)], dim=1)
            positions = positions[keep, -1:] + 1


_SHARED: WeakValueDictionary[tuple[str, torch.dtype, bool], LocalModel] = WeakValueDictionary()


def shared_model(reference: str, precision: Precision = "auto") -> LocalModel:
    """The local model behind a reference, one for all who ask while somebody holds it.

    Raises:
        ModelNotFoundError: Nothing is there.
    """
    key = reference, compute_dtype(precision), precision == "int8"
    model = _SHARED.get(key)
    if model is None:
        _SHARED[key] = model = LocalModel(reference, precision)
    return model


def _public_name(reference: str) -> str:
    parsed = parse_reference(reference)
    return Path(parsed.name).name.removesuffix(".gguf") if parsed.scheme == "path" else reference


def _sample(logits: Tensor, row: _Row) -> int:
    """One token by temperature and nucleus sampling; the likeliest at temperature 0."""
    if row.sampling.temperature <= 0:
        return int(logits.argmax())
    top, at = logits.topk(min(TOP_K, logits.shape[-1]))
    p = torch.softmax(top / row.sampling.temperature, -1)
    p = torch.where(p.cumsum(-1) - p < row.sampling.top_p, p, 0.0)
    return int(at[torch.multinomial(p, 1, generator=row.rng)])


def _loops(row: _Row) -> bool:
    """Whether an answer of likeliest tokens has gone round in a circle for `LOOP_TOKENS`: it would go on for ever."""
    if row.sampling.temperature > 0 or len(row.tokens) % LOOP_TOKENS:
        return False
    last = row.tokens[-LOOP_TOKENS:]
    return any(last[period:] == last[:-period] for period in range(1, LOOP_TOKENS // 4 + 1))


def _pad_id(tokenizer: PreTrainedTokenizerFast) -> int:
    pad = tokenizer.pad_token_id
    return pad if isinstance(pad, int) else 0


def _stop_ids(lm: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> frozenset[int]:
    configured: Any = lm.generation_config.eos_token_id if lm.generation_config else None
    named = [tokenizer.convert_tokens_to_ids(t) for t in ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<end_of_turn>")]
    known = [t for t in named if t != tokenizer.unk_token_id]
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset(t for t in (*listed, *known, tokenizer.eos_token_id) if isinstance(t, int))


def _unpack_gguf(file: Path, folder: Path) -> None:
    """Write the GGUF's weights as bf16 safetensors with their tokenizer; whole or not at all."""
    from transformers import GgufConfig

    staging = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            file.parent,
            gguf_file=file.name,
            dtype=torch.float32,
            quantization_config=GgufConfig(dequantize=True),
        )
        model.hf_quantizer = None
        model.is_quantized = False
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.to(torch.bfloat16).save_pretrained(staging)
        AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(staging)
        if not folder.exists():
            staging.rename(folder)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelNotFoundError(f"{file}: could not be unpacked to {folder}: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
