"""A causal language model cut in two: a frozen trunk that reads, and top layers that learn.

In: a local model reference, and where to cut. Out: activations of tokens, with or without state kept between calls.
The trunk's activations of a dataset can be computed once and trained on many times; scorers that share a trunk
share its weights. Works for any Hugging Face decoder that has its layers in one list. Knows no label and no loss.
"""

import copy
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerFast

from lictor.errors import ModelNotFoundError
from lictor.llm.int8 import quantise
from lictor.llm.local import Precision, fastest_precision, load_causal_lm, load_tokenizer

BATCH_TOKENS = 2048
"""Tokens read in one pass, padding included: what a layer makes of more no longer fits a processor's cache."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Which layers of a backbone are used: `[0, trunk)` frozen, `[trunk, top)` trained, the rest left out."""

    trunk: int
    top: int


_ENTERING: ContextVar[Tensor] = ContextVar("entering")
"""Hidden states on their way to the first of some upper layers."""

FINAL_NORMS = ("norm", "ln_f", "final_layer_norm", "final_layernorm", "norm_f")
"""What decoders call the norm after their last layer."""


class Layers(nn.Module):
    """A run of a decoder's layers as a module: hidden states in, hidden states out, causal, with optional state."""

    def __init__(self, decoder: PreTrainedModel, start: int, stop: int, *, is_top: bool) -> None:
        """Layers `[start, stop)`; the trunk is fed embeddings, the top what the trunk gave, and norms it at the end."""
        super().__init__()
        part: Any = copy.copy(decoder)
        part._modules = dict(decoder._modules)
        part.config = copy.deepcopy(decoder.config)
        part.config.num_hidden_layers = stop - start
        if kinds := getattr(part.config, "layer_types", None):
            part.config.layer_types = kinds[start:stop]
        layers = nn.ModuleList(layers_of(decoder)[start:stop])
        setattr(part, _list_name(decoder), layers)
        for at, layer in enumerate(layers):
            for module in layer.modules():
                if hasattr(module, "layer_idx"):
                    module.layer_idx = at  # pyright: ignore[reportArgumentType] -- a number, not a parameter
        self.depth = stop - start
        if is_top:
            layers[0].register_forward_pre_hook(_enter, with_kwargs=True)
        else:
            setattr(part, _norm_name(decoder), nn.Identity())
        self.decoder = cast("nn.Module", part)
        self._is_top = is_top

    def parts(self) -> list[nn.Module]:
        """What of it learns: the layers and the norm after them."""
        decoder = cast("PreTrainedModel", self.decoder)
        return [*layers_of(decoder), final_norm(decoder)]

    def forward(
        self,
        hidden: Tensor,
        mask: Tensor | None = None,
        state: DynamicCache | None = None,
        places: Tensor | None = None,
    ) -> Tensor:
        """Hidden states after these layers, (batch, seq, hidden).

        Args:
            hidden: (batch, seq, hidden).
            mask: (batch, seq), 1 where a token is; or what is added to attention scores, (batch, 1, seq, seen + seq).
            state: Keys and values of tokens seen before; takes the new ones.
            places: (batch, seq) positions, from 0; counted on from `state` where none are given.
        """
        token = _ENTERING.set(hidden)
        try:
            out: Any = self.decoder(
                inputs_embeds=hidden,
                attention_mask=mask,
                position_ids=places,
                cache=state,
                use_cache=state is not None,
            )
        finally:
            _ENTERING.reset(token)
        return out.last_hidden_state


def _enter(_layer: nn.Module, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Feed the first upper layer what entered, whatever its decoder did to it: some add positions to embeddings."""
    hidden = _ENTERING.get()
    return ((hidden, *args[1:]), options) if args else ((), {**options, "hidden_states": hidden})


def layers_of(decoder: PreTrainedModel) -> nn.ModuleList:
    """The layers of a decoder."""
    return cast("nn.ModuleList", decoder.get_submodule(_list_name(decoder)))


def final_norm(decoder: PreTrainedModel) -> nn.Module:
    """The norm after the last layer of a decoder."""
    return decoder.get_submodule(_norm_name(decoder))


def _list_name(decoder: PreTrainedModel) -> str:
    depth = decoder.config.num_hidden_layers
    names = [name for name, m in decoder.named_children() if isinstance(m, nn.ModuleList) and len(m) == depth]
    if len(names) != 1:
        raise ModelNotFoundError(f"{type(decoder).__name__}: expected one list of {depth} layers, found {len(names)}")
    return names[0]


def _norm_name(decoder: PreTrainedModel) -> str:
    for name, _ in decoder.named_children():
        if name in FINAL_NORMS:
            return name
    raise ModelNotFoundError(f"{type(decoder).__name__}: expected a final norm called one of {', '.join(FINAL_NORMS)}")


class Backbone:
    """The shared, frozen part of a language model, its tokenizer, and copies of its upper layers to train."""

    def __init__(self, reference: str, cut: Cut, precision: Precision = "auto") -> None:
        self.reference = reference
        self.cut = cut
        self.precision: Precision = fastest_precision() if precision == "auto" else precision
        lm = load_causal_lm(reference, "fp32" if self.precision == "int8" else self.precision)
        decoder = cast("PreTrainedModel", lm.get_decoder())
        depth = len(layers_of(decoder))
        if not 0 <= cut.trunk < cut.top <= depth:
            raise ModelNotFoundError(f"{reference}: expected 0 <= trunk < top <= {depth} layers, got {cut}")
        self.tokenizer: PreTrainedTokenizerFast = load_tokenizer(reference)
        self.embed = lm.get_input_embeddings()
        self.unembed = cast("nn.Linear", lm.get_output_embeddings())
        self.hidden_size = int(decoder.config.hidden_size)
        self._decoder = decoder
        self.trunk = Layers(decoder, 0, cut.trunk, is_top=False)
        if self.precision == "int8":
            quantise(self.trunk)
        for parameter in lm.parameters():
            parameter.requires_grad = False

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.unembed.weight.device

    @property
    def max_tokens(self) -> int:
        """The longest sequence it was made for."""
        return int(self._decoder.config.max_position_embeddings)

    def fresh_top(self) -> Layers:
        """A copy of the layers above the trunk, in float32, to be trained."""
        top = Layers(copy.deepcopy(self._decoder), self.cut.trunk, self.cut.top, is_top=True).float()
        cast("PreTrainedModel", top.decoder).set_input_embeddings(cast("Any", None))
        for part in top.parts():
            part.requires_grad_(True)
        return top

    @torch.inference_mode()
    def read(self, token_ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Trunk activations of tokens: (batch, seq) ids to (batch, seq, hidden), on its own device."""
        mask = None if mask is None else mask.to(self.device)
        return self.trunk(self.embed(token_ids.to(self.device)), mask)

    def activations(
        self,
        sequences: Sequence[Sequence[int]],
        *,
        batch_tokens: int = BATCH_TOKENS,
        on_read: Callable[[int], None] | None = None,
    ) -> list[Tensor]:
        """Trunk activations of whole sequences, each (its length, hidden) in bf16 on the CPU, in the order given.

        Sequences are padded on the right to batches of like length of about `batch_tokens`; `on_read` is told after
        each how many sequences were read.
        """
        found: list[Tensor | None] = [None] * len(sequences)
        done = 0
        for batch in batches_by_length([len(s) for s in sequences], batch_tokens):
            ids, mask = pad_right([sequences[i] for i in batch])
            hidden = self.read(ids, mask)
            for row, i in enumerate(batch):
                found[i] = hidden[row, : len(sequences[i])].to("cpu", torch.bfloat16, copy=True)
            done += len(batch)
            if on_read is not None:
                on_read(done)
        return [h for h in found if h is not None]


def batches_by_length(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Indices grouped so that a padded batch holds about `batch_tokens` tokens, shortest first."""
    batches: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if not batches or (len(batches[-1]) + 1) * lengths[i] > batch_tokens:
            batches.append([])
        batches[-1].append(i)
    return batches


def pad_right(sequences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Token ids padded to one length with 0, and their mask: two (batch, seq) tensors."""
    width = max(len(s) for s in sequences)
    ids = torch.tensor([[*s, *([0] * (width - len(s)))] for s in sequences])
    mask = torch.tensor([[1] * len(s) + [0] * (width - len(s)) for s in sequences])
    return ids, mask
