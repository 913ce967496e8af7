"""`lictor doctor`: what it reads out of the machine, and what it never shows."""

import json
from pathlib import Path

from typer.testing import CliRunner

from lictor.cli.doctor import available_memory, cached_weights, hub_models, instruction_flags
from lictor.cli.main import app


def test_doctor_reports_the_machine_and_never_a_key(tmp_path: Path) -> None:
    """The JSON names packages, machine, models and settings; a key is `set`, its value nowhere."""
    (tmp_path / "small.gguf").write_bytes(b"")
    environment = {"OPENAI_API_KEY": "sk-very-private", "LICTOR_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1"}

    result = CliRunner().invoke(app, ["doctor", "--json"], env=environment)

    assert "sk-very-private" not in result.output
    found = json.loads(result.stdout)
    assert found["ready"] == (result.exit_code == 0)
    values = {check["name"]: check["value"] for check in found["checks"]}
    assert (values["OPENAI_API_KEY"], values["HF_HUB_OFFLINE"]) == ("set", "1")
    assert {"lictor", "torch", "cores", "memory", "bf16 instructions", "int8 instructions"} <= values.keys()
    assert f"path:{tmp_path / 'small.gguf'}" in values


def test_doctor_prints_for_people() -> None:
    """Without --json there is a table and a last line that says whether Lictor can work here."""
    result = CliRunner().invoke(app, ["doctor"])

    assert "transformers" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("ready" if result.exit_code == 0 else "not ready")


def test_instruction_sets_are_read_on_x86_and_arm() -> None:
    """Flags come from the `flags` lines of x86 and the `Features` lines of ARM, and from nowhere else."""
    x86 = "processor : 0\nmodel name : bf16 lover\nflags\t\t: fpu avx512_vnni amx_bf16\n"
    arm = "processor : 0\nFeatures\t: fp asimddp i8mm bf16\n"

    assert instruction_flags(x86) == {"fpu", "avx512_vnni", "amx_bf16"}
    assert instruction_flags(arm) == {"fp", "asimddp", "i8mm", "bf16"}
    assert instruction_flags("") == frozenset()


def test_memory_is_the_smaller_of_the_machine_and_its_limit() -> None:
    """A control group's limit counts where it is below what the machine has; `max` is no limit."""
    meminfo = "MemTotal: 16777216 kB\nMemAvailable:    8388608 kB\n"

    assert available_memory(meminfo, "max\n") == 8
    assert available_memory(meminfo, str(2 * 1024**3)) == 2
    assert available_memory("", "") is None


def test_models_in_the_caches_are_found(tmp_path: Path) -> None:
    """GGUF files, folders of safetensors and hub snapshots are named by the reference that loads them."""
    (tmp_path / "own" / "tiny").mkdir(parents=True)
    (tmp_path / "own" / "tiny" / "model.safetensors").write_bytes(b"")
    (tmp_path / "own" / "a.gguf").write_bytes(b"")
    snapshot = tmp_path / "hub" / "models--org--name" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(b"")

    assert cached_weights(tmp_path / "own") == [f"path:{tmp_path}/own/a.gguf", f"path:{tmp_path}/own/tiny"]
    assert hub_models(tmp_path / "hub") == ["hf:org/name"]
    assert hub_models(tmp_path / "nowhere") == []
