"""A project's settings: `lictor.yaml`, read once and checked whole.

In: a YAML file. Out: a `Project`. Unknown keys are errors; `${VAR:default}` is expanded from the environment; keys of
endpoints are named by environment variable, never inlined. Knows no stage.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lictor.augment import DEFAULT_HOLD_OUT
from lictor.calibration.thresholds import Promise
from lictor.config_file import expand, line_of
from lictor.errors import ConfigError
from lictor.llm.weights import EMBEDDED

Share = Annotated[float, Field(gt=0, lt=1)]


class Section(BaseModel):
    """A part of `lictor.yaml`: frozen, and without keys nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSection(Section):
    """Which chat model, and how it is loaded."""

    model: str = EMBEDDED
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    api_key_env: str = "OPENAI_API_KEY"
    concurrency: int = Field(default=16, ge=1)
    """Requests an endpoint is sent at once."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    timeout_s: float = Field(default=120.0, gt=0)
    price_in: float = Field(default=0.0, ge=0)
    """Of a million tokens of prompts, for estimates."""
    price_out: float = Field(default=0.0, ge=0)


class SynthesisSection(Section):
    """How much is made; see synthesis.engine.SynthesisConfig."""

    per_ask: int = Field(default=3, ge=1)
    queries_per_rule: int = Field(default=60, ge=5)
    rewrites: int = Field(default=400, ge=0)
    answers: int = Field(default=600, ge=0)
    composed: int = Field(default=400, ge=0)
    twins: int = Field(default=0, ge=0)
    votes: int = Field(default=0, ge=0, le=3)
    dialogues: int = Field(default=0, ge=0)
    across: int = Field(default=0, ge=0)
    long_answers: int = Field(default=0, ge=0)
    several_turns: float = Field(default=0.1, ge=0, le=1)
    """Joined conversations per one-turn example."""
    seed: int = 0

    def identity(self) -> dict[str, object]:
        """What decides which data is made; keys that came later count where they are set, so that old runs stand."""
        later = {"dialogues", "across", "long_answers"}
        return {key: value for key, value in self.model_dump().items() if value or key not in later}


class AugmentSection(Section):
    """Which disguises training sees."""

    per_example: int = Field(default=1, ge=0)
    compose: int = Field(default=2, ge=1, le=4)
    hold_out: tuple[str, ...] = DEFAULT_HOLD_OUT
    seed: int = 0


class TrainingSection(Section):
    """Backbone, cut and schedule; see model.train.TrainingConfig."""

    backbone: str = EMBEDDED
    trunk: int = Field(default=12, ge=0)
    """Layers that are frozen; their activations are computed once."""
    top: int = Field(default=16, ge=1)
    """Layers used in all; those from `trunk` up to here are trained."""
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    """How the frozen layers compute; `auto` is the fastest here, and the guard keeps to it."""
    loss: Literal["cumulative_max", "sliding_window", "token", "last_token"] = "cumulative_max"
    """Of the stream scorer; see model.losses."""
    epochs: float = Field(default=3.0, gt=0)
    max_tokens: int = Field(default=192, ge=16)
    """Longest training sequence; longer prompts are left out, longer answers cut."""
    budget_tokens: int = Field(default=400_000, ge=1_000)
    """Most tokens a scorer is trained on in one epoch: where there are more, disguised copies are left out first.
    The exchange scorer, which reads prompts and answers, has twice as many, half of them for disguised copies."""
    learning_rate: float = Field(default=8e-4, gt=0)
    batch_tokens: int = Field(default=1024, ge=64)
    """Tokens in one batch, padding included."""
    seed: int = 0
    tune: Literal["top", "lora", "full"] = "top"
    """What learns: the layers from `trunk` up, adapters beside these, or all layers up to `top`."""
    lora_rank: int = Field(default=16, ge=1)
    accumulate: int = Field(default=1, ge=1)
    """Batches whose gradients make one step, over all processes."""
    patience: int = Field(default=0, ge=0)
    """Epochs without a better log-AUROC of validation examples after which training ends; 0: none is measured."""
    processes: int = Field(default=1, ge=1)
    accelerate: Path | None = None
    """An accelerate configuration that says how many processes train, and where; `processes` then says nothing."""
    exchange: bool = False
    """Whether to train an exchange scorer, which reads in their conversation the answers that look suspicious."""

    @property
    def frozen(self) -> int:
        """Lowest layers that do not learn."""
        return 0 if self.tune == "full" else self.trunk

    @property
    def identity(self) -> dict[str, object]:
        """What decides the weights; settings younger than the first guards only where they are not at their default."""
        fields = type(self).model_fields
        at_default = {name for name in _LATER if getattr(self, name) == fields[name].default}
        return self.model_dump(exclude={"processes", "accelerate", "exchange"} | at_default)


_LATER = ("tune", "lora_rank", "accumulate", "patience")


class PolicySection(Section):
    """What the thresholds promise, and how the guard behaves."""

    budget_fpr: Share = 0.02
    confidence: Share = 0.95
    promise: Promise = "mean"
    compute: float = Field(default=1.5, ge=1)
    """Most tokens read for benign answers where an exchange scorer reads some too, over those that are read without."""
    stride: int = Field(default=16, ge=1)
    warmup: tuple[int, ...] = (1, 8)
    hold_back: int = Field(default=16, ge=0)
    debounce: int = Field(default=2, ge=1)
    on_error: Literal["closed", "open"] = "closed"
    unreadable: Literal["block", "pass"] = "pass"
    enforcement: Literal["block", "monitor"] = "block"


class PoolSection(Section):
    """A file of the user's own benign conversations, for calibration."""

    path: Path
    source: str
    rows_of: str | None = None
    """The public set whose rows these are; what it does not call harmless is left out."""


class HoldOutSection(Section):
    """What training must not see; see dataset.holdout."""

    rules: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


class ProjectConfig(Section):
    """All of `lictor.yaml`."""

    version: Literal[1] = 1
    constitution: Path = Path("constitution.yaml")
    knowledge: str | None = None
    """Folder with asks.yaml, words.yaml, handbook.yaml, answers/, each optional; or `starter:NAME`."""
    pack: str | None = None
    """A dataset folder to start from, or `starter:NAME/pack`; rules it was not made for are generated."""
    generator: ModelSection = ModelSection()
    protected: ModelSection = ModelSection()
    synthesis: SynthesisSection = SynthesisSection()
    augment: AugmentSection = AugmentSection()
    training: TrainingSection = TrainingSection()
    policy: PolicySection = PolicySection()
    hold_out: HoldOutSection = HoldOutSection()
    benign: tuple[PoolSection, ...] = ()
    attacks: tuple[Path, ...] = ()
    """Dataset folders of finds that join the training data."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project folder and its settings."""

    folder: Path
    config: ProjectConfig

    @property
    def runs(self) -> Path:
        """Where finished stages stand."""
        return self.folder / "runs"

    @property
    def traffic(self) -> Path:
        """Where benign traffic of the project's own stands, a file for each source."""
        return self.folder / "traffic"

    @property
    def guard(self) -> Path:
        """The guard in use."""
        return self.folder / "guard"

    def with_generator(self, **given: str | None) -> "Project":
        """The project with the settings of its generator that are given, and not None, in the place of its own."""
        changed = {name: value for name, value in given.items() if value is not None}
        generator = self.config.generator.model_copy(update=changed)
        return replace(self, config=self.config.model_copy(update={"generator": generator}))


def load_project(folder: Path, environment: Mapping[str, str] | None = None) -> Project:
    """The project in `folder`.

    Raises:
        ConfigError: There is no lictor.yaml, it is not YAML, or a key or value is not as expected.
    """
    path = folder / "lictor.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: expected a project file, found none; run `lictor init` first") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected a UTF-8 file, got something unreadable ({error})") from error
    text = expand(text, os.environ if environment is None else environment, path)
    try:
        found = yaml.safe_load(text)
        return Project(folder, ProjectConfig.model_validate(found if found is not None else {}))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: expected YAML, got {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: expected YAML, got {error}") from error
    except ValidationError as error:
        problems = "\n".join(_problem(path, text, item["loc"], item["msg"]) for item in error.errors())
        raise ConfigError(problems) from error


def _problem(path: Path, text: str, where: tuple[int | str, ...], message: str) -> str:
    keys = [str(k) for k in where]
    return f"{path}:{line_of(text, keys)}: {'.'.join(keys) or 'the file'}: {message[0].lower() + message[1:]}"
