"""A scorer as a folder in Hugging Face's layout, for programs that know nothing of Lictor.

In: a backbone's reference, a cut, a trained head. Out: a token classifier of one label: its logit on a token is the
head's there; where transformers has no such class for the backbone, the language model with the trained layers in it,
and the head's linear layer beside it. Weights are safetensors in float32, nothing quantised. Knows no threshold.
"""

from pathlib import Path
from typing import Any, cast

from safetensors.torch import save_file
from torch import nn
from transformers import AutoModelForTokenClassification, PreTrainedModel

from lictor.llm.local import load_causal_lm, load_tokenizer
from lictor.model.backbone import Cut, final_norm, layers_of
from lictor.model.heads import Head

VALUE = "value.safetensors"


def export_head(reference: str, cut: Cut, head: Head, folder: Path) -> bool:
    """Write `head` on its backbone into `folder`; returns whether it is a token classifier."""
    lm = load_causal_lm(reference, "fp32")
    decoder = cast("PreTrainedModel", lm.get_decoder())
    _put(head, cut, decoder)
    config: Any = lm.config
    config.num_hidden_layers = cut.top
    if kinds := getattr(config, "layer_types", None):
        config.layer_types = kinds[: cut.top]
    load_tokenizer(reference).save_pretrained(folder)
    try:
        config.num_labels, config.id2label, config.label2id = 1, {0: "restricted"}, {"restricted": 0}
        classifier = cast("PreTrainedModel", AutoModelForTokenClassification.from_config(config))
    except ValueError:  # transformers has none of this make
        lm.save_pretrained(folder)
        save_file({name: t.float().contiguous() for name, t in head.value.state_dict().items()}, folder / VALUE)
        return False
    classifier.base_model.load_state_dict(decoder.state_dict())
    linear = next(child for child in classifier.children() if isinstance(child, nn.Linear))
    linear.load_state_dict(head.value.state_dict())
    classifier.save_pretrained(folder)
    return True


def _put(head: Head, cut: Cut, decoder: PreTrainedModel) -> None:
    """Replace a decoder's layers by the trained ones, and leave out those above them."""
    layers, trained = layers_of(decoder), cast("PreTrainedModel", head.top.decoder)
    final_norm(decoder).load_state_dict(final_norm(trained).state_dict())
    for at, layer in enumerate(layers_of(trained), cut.trunk):
        layers[at].load_state_dict(layer.state_dict())
    del layers[cut.top :]
    decoder.config.num_hidden_layers = cut.top
