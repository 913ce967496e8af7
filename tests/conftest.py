"""What many tests share: a tiny real model, and guards made of it."""

import gc
import os
import subprocess
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from lictor.types import Policy

settings.register_profile("any-machine", deadline=None)  # a loaded machine is no failure
settings.load_profile("any-machine")

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SaveGuard = Callable[[Path, Policy], Path]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while all is imported: that takes half the time of it, and finds none. Later, look less."""
    gc.disable()
    collected = yield
    gc.freeze()  # what was imported is never looked at again
    gc.set_threshold(20_000, 20, 20)
    gc.enable()
    return collected


@pytest.fixture(scope="session", autouse=True)
def no_authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nobody here speaks TLS: no client reads the machine's certificates, which takes one 30 ms."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("SSL_CERT_FILE", raising=False)
        environment.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("authorities")))
        yield


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Reference of a Llama of four layers with random weights, and a byte-level tokenizer, on disk."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-model")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(["a restricted bell and an allowed soup in the morning"] * 4, trainer)
    named = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named)
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=2,
        max_position_embeddings=2048,
        initializer_range=0.3,
        bos_token_id=tokenizer.token_to_id("<|im_start|>"),
        eos_token_id=tokenizer.token_to_id("<|im_end|>"),
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return f"path:{folder}"


@pytest.fixture(scope="session")
def tiny_heads(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of an input and a stream head on the tiny model, cut (2, 3), with random weights."""
    import torch

    from lictor.assemble import new_head, save_head
    from lictor.model.backbone import Backbone, Cut

    folder = tmp_path_factory.mktemp("tiny-heads")
    backbone = Backbone(tiny, Cut(2, 3), "int8")
    torch.manual_seed(1)
    files: dict[str, Path] = {}
    for kind in ("input", "stream"):
        head = new_head(kind, backbone)
        torch.nn.init.normal_(head.value.weight, std=0.3)
        files[kind] = folder / f"{kind}.safetensors"
        save_head(head, files[kind])
    return files


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes a real file system of a size such as `1m`."""
    disk = tmp_path / "disk"

    def mount(size: str) -> Path:
        if os.geteuid() != 0:
            pytest.skip("only root may mount a small file system")
        disk.mkdir()
        command = ["/bin/mount", "-t", "tmpfs", "-o", f"size={size}", "lictor-test", str(disk)]
        if subprocess.run(command, capture_output=True, check=False).returncode:  # noqa: S603 -- fixed command
            pytest.skip("mount is not allowed here")
        return disk

    yield mount
    if disk.is_mount():
        subprocess.run(["/bin/umount", str(disk)], check=True)  # noqa: S603 -- fixed command


@pytest.fixture(scope="session")
def save_tiny_guard(tiny: str, tiny_heads: dict[str, Path]) -> SaveGuard:
    """Saves a guard of the tiny model with a policy of the test's choice, and returns its folder."""
    from lictor.assemble import save_guard
    from lictor.model.backbone import Cut

    def save(folder: Path, policy: Policy) -> Path:
        save_guard(
            folder,
            reference=tiny,
            cut=Cut(2, 3),
            precision="int8",
            window=16,
            heads={"input": tiny_heads["input"], "stream": tiny_heads["stream"]},
            policy=policy,
            constitution_text="version: 1\n",
            card="# Guard\n",
            key="0123456789abcdef",
            parents={},
        )
        return folder

    return save


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder of this test's own."""
    monkeypatch.setenv("LICTOR_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache"
