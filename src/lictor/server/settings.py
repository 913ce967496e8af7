"""The server's settings: `server.yaml` under environment variables, read once and checked whole.

In: a YAML file or none, an environment. Out: frozen settings. Unknown keys are errors in both, and `${VAR:default}` in
the file is expanded. A variable names its key with a prefix and `__` between levels:
`LICTOR_SERVER__LIMITS__STREAMS=128`. Keys of endpoints are named by environment variable and keys of clients kept as
sha256, never inlined. Knows no server.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lictor.config_file import expand, line_of
from lictor.errors import ConfigError

PREFIX = "LICTOR_SERVER__"
Seconds = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A part of the settings: frozen, and without keys nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class UpstreamSection(Section):
    """The endpoint of the protected model."""

    url: str | None = None
    """Base URL of an OpenAI-compatible API, for example http://localhost:8001/v1."""
    model: str | None = None
    """Reference of local weights, instead of `url`."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the endpoint's key; no key is sent where it is not set."""
    connect_s: Seconds = 10
    first_chunk_s: Seconds = 120
    """Longest wait for the first chunk of an answer."""
    idle_s: Seconds = 60
    """Longest wait between two chunks."""
    total_s: Seconds = 900
    """Longest request, from its first byte to its last."""

    @model_validator(mode="after")
    def _one_model(self) -> "UpstreamSection":
        if self.url and self.model:
            raise ValueError("expected url or model, got both")
        return self


class LimitsSection(Section):
    """Sizes, times and counts beyond which a request is refused."""

    body_bytes: int = Field(default=4_000_000, ge=1_000)
    body_s: Seconds = 30
    """Longest time a client may take to send its request."""
    write_s: Seconds = 60
    """Longest time a client may take to accept a piece of its answer."""
    messages: int = Field(default=2_000, ge=1)
    choices: int = Field(default=8, ge=1)
    """Largest `n`."""
    streams: int = Field(default=64, ge=1)
    """Answers under way at once, over all clients, whatever the machine may carry."""
    wait_s: Seconds | None = 0.5
    """Wait for a score above which the machine carries no more answers: about as long as a model of 30 tokens a second
    takes to write the 16 that are scored at a time. Without it, load refuses nobody."""
    free_bytes: int = Field(default=256_000_000, ge=0)
    """Memory that has to be free for more answers at once than there ever were."""
    retry_after_s: int = Field(default=1, ge=1)
    score_s: Seconds = 30
    """Longest wait for a score; then the guard has failed."""
    remembered_prompts: int = Field(default=4096, ge=0)
    """Conversations whose prompt's score is kept, by digest and in memory; the same sent again is not read again."""


class BlockingSection(Section):
    """What a block looks like to a client."""

    on_input_block: Literal["error", "refusal"] = "error"
    """A block before the first delivered character: an HTTP 400, or an answer that is a refusal."""
    message: str = "I'm sorry, but I can't help with that. It is against the content policy of this service."
    """Says so in words by which clients and graders know a refusal."""
    replacement: str | None = None
    """Text that is delivered where an answer was cut off."""
    stream_block_style: Literal["finish", "error"] = "finish"
    """How a stream ends that is cut off: `finish_reason: content_filter`, or an error frame."""
    refusal_wait_ms: int = Field(default=2_000, ge=0)
    """A refused prompt waits so long at most for the answer's first verdict, so that both refusals take the same."""


class KeySection(Section):
    """A client's key."""

    name: str = Field(max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """sha256 of the key, in hex."""
    requests_per_minute: int | None = Field(default=None, ge=1)
    streams: int | None = Field(default=None, ge=1)
    """Answers under way at once."""
    tokens_per_day: int | None = Field(default=None, ge=1)
    """Tokens read and written between two midnights, UTC."""


class DecisionsSection(Section):
    """The decision log."""

    folder: Path | None = None
    """Where it is kept, one JSONL file a day; none is kept where this is not set."""
    keep_days: int = Field(default=30, ge=1)
    content: bool = False
    """Whether requests and what was delivered are kept too."""
    required: bool = False
    """Whether requests are refused while the log cannot be written."""


class ProbesSection(Section):
    """When a client's requests look like a campaign: a search for what the guard lets through."""

    margin: float = Field(default=2.0, gt=0)
    """Logits under the threshold from which a request counts as near; blocked ones count too."""
    count: int = Field(default=20, ge=2)
    """So many near requests within the window are a campaign."""
    share: float = Field(default=0.05, ge=0, le=1)
    """But only where they are this share of all the client's requests: a busy client is not an attacker."""
    variants: int = Field(default=5, ge=2)
    """So many near requests that reword another one are a campaign too."""
    similarity: float = Field(default=0.5, gt=0, le=1)
    """Share of their spelling from which two requests are rewordings of one another."""
    window_s: Seconds = 3_600
    throttle_per_minute: int | None = Field(default=None, ge=1)
    """Requests a minute that such a client has from then on; it is not slowed down where this is not set."""
    throttle_s: Seconds = 600
    """How long."""


class ServerSettings(Section):
    """All of `server.yaml`."""

    version: Literal[1] = 1
    guard: Path = Path("guard")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    upstream: UpstreamSection = UpstreamSection()
    limits: LimitsSection = LimitsSection()
    blocking: BlockingSection = BlockingSection()
    enforcement: Literal["block", "monitor"] | None = None
    """Instead of the guard's own."""
    on_error: Literal["closed", "open"] | None = None
    """Instead of the guard's own."""
    keys: tuple[KeySection, ...] = ()
    """Clients that may call; everybody may where none is listed."""
    decisions: DecisionsSection = DecisionsSection()
    probes: ProbesSection = ProbesSection()
    reload_s: Seconds = 5
    """How often the guard folder is looked at for another guard."""
    drain_s: Seconds = 30
    """How long open streams may go on after SIGTERM."""


def load_settings(
    path: Path | None, environment: Mapping[str, str], *, overrides: Mapping[str, object] | None = None
) -> ServerSettings:
    """The settings of a file (or the defaults), then of the environment, then of the command line.

    Raises:
        ConfigError: The file cannot be read, or a key or value is not as expected.
    """
    text = _read(path, environment) if path else ""
    found = _parse(path, text) if path else {}
    for name in sorted(environment):
        if name.startswith(PREFIX):
            keys = name.removeprefix(PREFIX).lower().split("__")
            _put(found, keys, yaml.safe_load(environment[name]), where=name)
    for name, value in (overrides or {}).items():
        _put(found, name.split("."), value, where=name)
    try:
        return ServerSettings.model_validate(found)
    except ValidationError as error:
        problems = (_problem(path, text, item["loc"], item["msg"]) for item in error.errors(include_url=False))
        raise ConfigError("\n".join(problems)) from error


def _problem(path: Path | None, text: str, where: tuple[int | str, ...], message: str) -> str:
    keys = [str(key) for key in where]
    # A key that the file does not name was set by the environment or the command line.
    place = f"{path}:{line_of(text, keys)}" if keys and f"{keys[-1]}:" in text else path or "server settings"
    return f"{place}: {'.'.join(keys) or 'the file'}: {message[0].lower() + message[1:]}"


def _read(path: Path, environment: Mapping[str, str]) -> str:
    try:
        return expand(path.read_text(encoding="utf-8"), environment, path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected a settings file in UTF-8, got none ({error})") from error


def _parse(path: Path, text: str) -> dict[str, object]:
    try:
        found: object = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: expected YAML, got {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: expected YAML, got {error}") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: expected a mapping of settings, got {type(found).__name__}")
    return {str(key): value for key, value in found.items()}


def _put(settings: dict[str, object], keys: list[str], value: object, *, where: str) -> None:
    """Set one key, some levels down, without changing what was read."""
    *outer, last = keys
    level = settings
    for key in outer:
        inner = level.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{where}: expected {key} to be a section, got {type(inner).__name__}")
        level[key] = copied = {str(k): v for k, v in inner.items()}
        level = copied
    level[last] = value
