"""The composition root: a guard folder becomes a `Guard`, and the other way round.

In: scorer artefacts, a policy, a constitution. Out: a self-contained guard folder, and the guard it describes. The
only module that knows every concrete class.

A guard folder holds `guard.json` (backbone, cut, precision, task template, version), `input.safetensors`,
`stream.safetensors`, perhaps `exchange.safetensors`, `policy.json`, `constitution.yaml`, `rules.safetensors` (names the
rule of a restricted text), `README.md` (its card) and the manifest.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from lictor.artifacts import Manifest, open_artifact, write_artifact
from lictor.dataset.naming import RuleNamer
from lictor.errors import ArtifactError
from lictor.guard.guard import Guard as _Guard
from lictor.llm.local import Precision, shared_model
from lictor.llm.weights import locate
from lictor.model.backbone import Backbone, Cut
from lictor.model.exchange import ExchangeScorer
from lictor.model.heads import Head, HeadKind, readout_head, value_head
from lictor.model.probe import load_probe
from lictor.model.probing import AnswerReader, ProbeScorer
from lictor.model.scorers import AnswerScorer, PromptScorer
from lictor.model.text import input_template
from lictor.types import Policy

KIND = "guard"


class ProbeAbout(BaseModel):
    """A model, and what of it a probe reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    precision: Precision
    layers: tuple[int, ...]


@dataclass(frozen=True)
class Scorers:
    """The trained scorers of a guard; an answer is read by its head on the shared backbone, or by a probe."""

    backbone: Backbone
    prompt: PromptScorer
    answer: AnswerScorer | ProbeScorer
    exchange: ExchangeScorer | None = None
    """Reads in their conversation the answers that the stream scorer finds suspicious."""


def new_head(kind: HeadKind, backbone: Backbone) -> Head:
    """An untrained head of a kind."""
    return value_head(backbone) if kind == "stream" else readout_head(backbone)


def save_head(head: Head, path: Path) -> None:
    """Write a head's weights, in bf16, as safetensors."""
    tensors = {name: t.detach().to(torch.bfloat16).contiguous() for name, t in head.state_dict().items()}
    path.write_bytes(save(tensors))


def load_head(kind: HeadKind, backbone: Backbone, path: Path) -> Head:
    """A head with the weights in `path`.

    Raises:
        ArtifactError: The file is not a head of this kind on this backbone.
    """
    head = new_head(kind, backbone)
    try:
        head.load_state_dict({name: t.float() for name, t in load_file(path).items()})
    except (OSError, RuntimeError, SafetensorError) as error:
        raise ArtifactError(
            f"{path}: expected the {kind} head of {backbone.reference} {backbone.cut}: {error}"
        ) from error
    head.top.to(backbone.unembed.weight.dtype)
    return head.eval()


def load_scorers(
    reference: str, cut: Cut, heads: Mapping[HeadKind, Path], precision: Precision = "auto", *, window: int = 1
) -> Scorers:
    """The scorers over one backbone, whose trunk is to compute as it did in training, its logits averaged as then."""
    backbone = Backbone(reference, cut, precision)
    prompt = PromptScorer(backbone, load_head("input", backbone, heads["input"]))
    answer = AnswerScorer(backbone, load_head("stream", backbone, heads["stream"]), window=window)
    return Scorers(backbone, prompt, answer, _exchange(backbone, heads))


def _exchange(backbone: Backbone, heads: Mapping[HeadKind, Path]) -> ExchangeScorer | None:
    return ExchangeScorer(backbone, load_head("exchange", backbone, heads["exchange"])) if "exchange" in heads else None


def load_probed(
    reference: str, cut: Cut, files: Mapping[HeadKind, Path], precision: Precision, *, window: int, probe: ProbeAbout
) -> Scorers:
    """A prompt scorer on its backbone, and a probe on the protected model, which others may hold too.

    Raises:
        ArtifactError: A file is not what it should be, or is of another model.
    """
    backbone = Backbone(reference, cut, precision)
    prompt = PromptScorer(backbone, load_head("input", backbone, files["input"]))
    reader = AnswerReader(shared_model(probe.model, probe.precision), probe.layers)
    exchange = _exchange(backbone, files)
    if exchange and reader.model.tokenizer.get_vocab() != backbone.tokenizer.get_vocab():
        raise ArtifactError(
            f"{files['exchange']}: expected an exchange scorer that cuts text as {probe.model} does, got one on "
            f"{reference}; train on that model's tokenizer, or set training.exchange to false"
        )
    weights = load_probe(files["stream"])
    if weights.weight.shape != (len(probe.layers), reader.hidden_size):
        raise ArtifactError(
            f"{files['stream']}: expected a probe on {len(probe.layers)} layers of {reader.hidden_size} features of "
            f"{probe.model}, got one of shape {tuple(weights.weight.shape)}"
        )
    return Scorers(backbone, prompt, ProbeScorer(reader, weights, window=window), exchange)


def save_guard(
    folder: Path,
    *,
    reference: str,
    cut: Cut,
    precision: Precision,
    window: int,
    heads: Mapping[HeadKind, Path],
    policy: Policy,
    constitution_text: str,
    card: str,
    key: str,
    parents: Mapping[str, str],
    namer: RuleNamer | None = None,
    probe: ProbeAbout | None = None,
) -> Manifest:
    """Write a guard folder in one step."""

    def fill(staging: Path) -> None:
        for kind, path in heads.items():
            (staging / f"{kind}.safetensors").write_bytes(path.read_bytes())
        about = {
            "backbone": reference,
            "trunk": cut.trunk,
            "top": cut.top,
            "precision": precision,
            "window": window,
            "template": input_template(),
            "version": key,
            **({"probe": probe.model_dump()} if probe else {}),
        }
        (staging / "guard.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        text = json.dumps(asdict(policy), indent=2, default=str, allow_nan=False)
        (staging / "policy.json").write_text(text + "\n", encoding="utf-8")
        (staging / "constitution.yaml").write_text(constitution_text, encoding="utf-8")
        (staging / "README.md").write_text(card, encoding="utf-8")
        if namer is not None:
            (staging / "rules.safetensors").write_bytes(namer.to_bytes())

    return write_artifact(folder, fill, kind=KIND, key=key, parents=parents)


class Guard(_Guard):
    """A guard that can be loaded from its folder; all it does is in `lictor.guard.guard.Guard`."""

    @classmethod
    def load(cls, path: Path | str) -> "Guard":
        """The guard in a folder that `lictor run` made, every file checked against its manifest.

        Raises:
            ArtifactError: The folder is missing, incomplete or altered, or made for another task template.
            ModelNotFoundError: Its backbone's weights are not on this machine.
        """
        folder = Path(path)
        manifest = open_artifact(folder, kind=KIND)
        about = _read_about(folder / "guard.json")
        if about.template != input_template():
            raise ArtifactError(
                f"{folder}: expected a guard that read prompts in the task template {input_template()}, "
                f"got one made with {about.template}, by another version of Lictor; make it anew with `lictor run`"
            )
        locate(about.backbone)
        heads = _head_files(folder)
        cut = Cut(about.trunk, about.top)
        if about.probe:
            locate(about.probe.model)
            scorers = load_probed(about.backbone, cut, heads, about.precision, window=about.window, probe=about.probe)
        else:
            scorers = load_scorers(about.backbone, cut, heads, about.precision, window=about.window)
        policy = read_policy(folder / "policy.json")
        if policy.cascade and scorers.exchange is None:
            raise ArtifactError(f"{folder}: expected exchange.safetensors, since the policy escalates; found none")
        return cls(
            scorers.prompt,
            scorers.answer,
            policy,
            exchange_scorer=scorers.exchange,
            version=manifest.fingerprint,
        )


@dataclass(frozen=True)
class Parts:
    """What a guard folder is made of."""

    reference: str
    """Of the backbone."""
    cut: Cut
    heads: Mapping[HeadKind, Head]
    """Without the stream's where that is a probe on another model."""
    window: int
    """Logits of an answer that are averaged."""
    policy: Policy
    card: str


def read_parts(folder: Path) -> Parts:
    """What a guard is made of, its heads in float32.

    Raises:
        ArtifactError: The folder is no guard, incomplete or altered.
        ModelNotFoundError: Its backbone's weights are not on this machine.
    """
    open_artifact(folder, kind=KIND)
    about = _read_about(folder / "guard.json")
    files = _head_files(folder)
    if about.probe:
        del files["stream"]
    backbone = Backbone(about.backbone, Cut(about.trunk, about.top), "fp32")
    heads: dict[HeadKind, Head] = {kind: load_head(kind, backbone, path) for kind, path in files.items()}
    policy, card = read_policy(folder / "policy.json"), (folder / "README.md").read_text(encoding="utf-8")
    return Parts(about.backbone, backbone.cut, heads, about.window, policy, card)


def _head_files(folder: Path) -> dict[HeadKind, Path]:
    """The files of a guard's heads; the stream's may be a probe's."""
    files: dict[HeadKind, Path] = {"input": folder / "input.safetensors", "stream": folder / "stream.safetensors"}
    if (exchange := folder / "exchange.safetensors").is_file():
        files["exchange"] = exchange
    return files


def read_policy(path: Path) -> Policy:
    """The policy in a JSON file.

    Raises:
        ArtifactError: It is not one, or a threshold or a part of the cascade is not a finite number.
    """
    try:
        policy = TypeAdapter(Policy).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ArtifactError(f"{path}: expected a policy, got something else: {error}") from error
    thresholds = policy.input_threshold, policy.output_threshold, *(astuple(policy.cascade) if policy.cascade else ())
    if not all(math.isfinite(threshold) for threshold in thresholds):
        raise ArtifactError(f"{path}: expected finite thresholds, got {thresholds}")
    if policy.cascade and not 0 <= policy.cascade.weight <= 1:
        raise ArtifactError(f"{path}: expected a cascade's weight in 0..1, got {policy.cascade.weight}")
    return policy


class _About(BaseModel):
    """`guard.json`: how the scorers of a guard compute."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: str
    trunk: int
    top: int
    precision: Precision
    window: int = Field(ge=1)
    template: tuple[str, str]
    version: str
    probe: ProbeAbout | None = None
    """What the stream scorer is a probe on; None: it is a head on the backbone."""


def _read_about(path: Path) -> _About:
    try:
        return _About.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ArtifactError(f"{path}: expected what a guard is made of, got something else: {error}") from error
