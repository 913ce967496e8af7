"""Measure whether ONNX Runtime, OpenVINO or torch.compile read faster than the observer does, and judge alike.

In: a guard folder. Out: JSON: for every way, milliseconds of one 16-token step of the stream scorer on a full kept
state and of one whole prompt, paired in turn with the guard's own precision in PyTorch, ratios with intervals, the
share of verdicts that are the same, and how far logits lie apart. A way that is not installed, or cannot be made, is
told and left out. Weights are exported from float32; int8 is ONNX Runtime's dynamic quantisation of that.

    pip install --target fast onnxruntime openvino onnx onnxscript
    PYTHONPATH=fast python benchmarks/fast_path.py demo/guard --texts 200 --rounds 20
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import bootstrap
from torch import Tensor, nn
from transformers import DynamicCache

from lictor.assemble import Guard, Parts, read_parts
from lictor.dataset.store import read_dataset
from lictor.guard.tokens import encode
from lictor.model.backbone import Backbone
from lictor.model.heads import Head
from lictor.model.reading import REACH, Kept, read_on
from lictor.model.scorers import AnswerScorer, PromptScorer, answer_ids
from lictor.model.smoothing import SlidingMean
from lictor.model.text import MAX_INPUT_TOKENS, input_ids
from lictor.starter.folders import resolve
from lictor.types import Conversation

STRIDE = 16
KEPT = REACH - STRIDE
Read = Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]
"""A compiled pass: arrays to arrays."""


class Prompt(nn.Module):
    """A whole prompt to its logit."""

    def __init__(self, backbone: Backbone, head: Head) -> None:
        super().__init__()
        self.embed, self.trunk, self.head = backbone.embed, backbone.trunk, head

    def forward(self, ids: Tensor) -> Tensor:
        """Ids (1, tokens) to (1, tokens) logits; the last one counts."""
        return self.head(self.trunk(self.embed(ids)))


class Step(nn.Module):
    """New tokens of an answer, on what is kept of it, to logits and what is kept then."""

    def __init__(self, backbone: Backbone, head: Head) -> None:
        super().__init__()
        self.embed, self.trunk, self.head = backbone.embed, backbone.trunk, head

    def forward(self, ids: Tensor, mask: Tensor, places: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, ...]:
        """Ids and places (1, new), mask (1, 1, new, kept + new), keys and values (layers, heads, kept, size)."""
        low, kept_low = self._state(keys, values, 0, self.trunk.depth)
        high, kept_high = self._state(keys, values, self.trunk.depth, self.head.top.depth)
        hidden = self.trunk(self.embed(ids), mask, low, places)
        logits = self.head.read(self.head.top(hidden, mask, high, places))
        layers = [*kept_low(), *kept_high()]
        return logits, torch.cat([k for k, _ in layers]), torch.cat([v for _, v in layers])

    @staticmethod
    def _state(keys: Tensor, values: Tensor, start: int, count: int) -> tuple[DynamicCache, Callable[[], Any]]:
        cache = DynamicCache()
        for at in range(count):
            cache.update(keys[start + at][None], values[start + at][None], at)
        held: Any = cache
        return cache, lambda: [(layer.keys, layer.values) for layer in held.layers]


@dataclass(frozen=True)
class Way:
    """One way to read."""

    name: str
    prompt: Read
    step: Read


@dataclass(frozen=True)
class Judged:
    """The guard's own scorers, what they are made of, and what both ways read."""

    prompts: PromptScorer
    answers: AnswerScorer
    parts: Parts
    backbone: Backbone
    conversations: Sequence[Conversation]
    said: Sequence[str]
    state: Sequence[np.ndarray]
    """Keys and values of a full kept state."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("guard", type=Path)
    parser.add_argument("--texts", type=int, default=200, help="conversations whose verdicts are compared")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        judged = judged_by(options.guard, options.texts)
        ways = made(judged, Path(folder), options.threads)
        rows = [compare(way, judged, options.rounds) for way in ways]
    print(json.dumps(rows, indent=1))


def judged_by(guard: Path, texts: int) -> Judged:
    """A guard, and so many conversations of the worked example's validation split for it."""
    own, parts = Guard.load(guard), read_parts(guard)
    prompts, answers = own.input_scorer, own.stream_scorer
    if not isinstance(prompts, PromptScorer) or not isinstance(answers, AnswerScorer):
        raise SystemExit(f"{guard}: expected a guard whose stream scorer is a head on a model beside")
    backbone = Backbone(parts.reference, parts.cut, "fp32")
    held = [e for e in read_dataset(resolve("starter:emberglass/pack", Path())) if e.split == "validation"]
    found = [e for e in held if e.answer][:texts]
    said = [e.answer for e in found if e.answer]
    filler = (backbone.tokenizer.encode("A quiet morning in a small harbour town. ") * KEPT)[:KEPT]
    state = state_of(backbone, parts.heads["stream"], filler)
    return Judged(prompts, answers, parts, backbone, [e.prompt for e in found], said, state)


def made(judged: Judged, folder: Path, threads: int) -> Sequence[Way]:
    """Every way that can be made here."""
    prompt = Prompt(judged.backbone, judged.parts.heads["input"]).eval()
    step = Step(judged.backbone, judged.parts.heads["stream"]).eval()
    ways = [Way("torch fp32", _torch(prompt), _torch(step))]
    makers: list[tuple[str, Callable[[], list[Way]]]] = [
        ("torch.compile", lambda: [_compiled(prompt, step)]),
        ("onnx", lambda: _onnx(prompt, step, judged.state, folder, threads)),
    ]
    for name, make in makers:
        try:
            ways += make()
        except Exception as error:  # noqa: BLE001 - told, and the others go on
            print(f"{name}: left out, {type(error).__name__}: {str(error)[:300]}", file=sys.stderr)
    return ways


def _torch(module: Callable[..., object]) -> Read:
    def read(given: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        out: Any = module(*map(torch.from_numpy, given))
        return [t.numpy() for t in (out if isinstance(out, tuple) else (out,))]

    return read


def _compiled(prompt: Prompt, step: Step) -> Way:
    parts = [torch.compile(module, dynamic=True) for module in (prompt, step)]
    return Way("torch.compile fp32", *(_torch(part) for part in parts))


def _onnx(prompt: Prompt, step: Step, state: Sequence[np.ndarray], folder: Path, threads: int) -> list[Way]:
    """ONNX Runtime and OpenVINO, each in fp32 and in int8."""
    from onnxruntime.quantization import QuantType, quantize_dynamic  # pyright: ignore[reportMissingImports]

    tokens, new, kept = (torch.export.Dim(name, min=2, max=4096) for name in ("tokens", "new", "kept"))
    sample = tuple(map(torch.from_numpy, [*_placed([5] * STRIDE, KEPT), *state]))
    joint = torch.export.Dim("joint", min=2, max=8192)
    shapes = ({1: new}, {2: new, 3: joint}, {1: new}, {2: kept}, {2: kept})
    exports = (
        ("prompt", prompt, (torch.ones(1, 24, dtype=torch.long),), ({1: tokens},)),
        ("step", step, sample, shapes),
    )
    for name, module, given, dynamic in exports:
        torch.onnx.export(module, given, folder / f"{name}.onnx", dynamo=True, dynamic_shapes=dynamic, verbose=False)
        quantize_dynamic(folder / f"{name}.onnx", folder / f"{name}-int8.onnx", weight_type=QuantType.QInt8)
    ways: list[Way] = []
    for runtime, load in (("onnxruntime", _ort), ("openvino", _openvino)):
        for suffix, precision in (("", "fp32"), ("-int8", "int8")):
            paths = [folder / f"{name}{suffix}.onnx" for name in ("prompt", "step")]
            try:
                ways.append(Way(f"{runtime} {precision}", *(load(path, threads) for path in paths)))
            except Exception as error:  # noqa: BLE001 - told, and the others go on
                print(f"{runtime} {precision}: left out, {type(error).__name__}: {str(error)[:300]}", file=sys.stderr)
    return ways


def _ort(path: Path, threads: int) -> Read:
    import onnxruntime  # pyright: ignore[reportMissingImports]

    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def read(given: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        return session.run(None, dict(zip(names, given, strict=True)))

    return read


def _openvino(path: Path, threads: int) -> Read:
    import openvino  # pyright: ignore[reportMissingImports]

    core: Any = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    compiled: Any = core.compile_model(str(path), "CPU", settings)
    request: Any = compiled.create_infer_request()

    def read(given: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        request.infer(dict(enumerate(given)))
        return [request.get_output_tensor(at).data.copy() for at in range(len(compiled.outputs))]

    return read


def state_of(backbone: Backbone, head: Head, ids: Sequence[int]) -> list[np.ndarray]:
    """Keys and values, (layers, heads, tokens, size) each, of tokens that were read."""
    low, high = Kept(), Kept()
    hidden = read_on(backbone.trunk, backbone.embed(torch.tensor([ids])), [low], [len(ids)])
    read_on(head.top, hidden, [high], [len(ids)])
    layers = [*low.layers, *high.layers]
    return [torch.cat([k for k, _ in layers]).numpy(), torch.cat([v for _, v in layers]).numpy()]


def _placed(ids: Sequence[int], kept: int) -> list[np.ndarray]:
    """New tokens, which keys each looks at, and their places, after so many that are kept and all looked at."""
    new = len(ids)
    seen = np.concatenate([np.ones((new, kept), bool), np.tril(np.ones((new, new), bool))], 1)
    mask = np.where(seen, 0.0, np.finfo(np.float32).min / 2).astype(np.float32)
    return [np.asarray([ids]), mask[None, None], np.arange(kept, kept + new)[None]]


def compare(way: Way, judged: Judged, rounds: int) -> dict[str, object]:
    """How fast one way is beside the guard's own, and whether it judges alike."""
    scorer, parts = judged.prompts, judged.parts
    read = [input_ids(c, judged.backbone.tokenizer, MAX_INPUT_TOKENS) for c in judged.conversations]
    theirs = [float(way.prompt([np.asarray([ids])])[0][0, -1]) for ids in read]
    typical = sorted(range(len(read)), key=lambda at: len(read[at]))[len(read) // 2]
    asked, given = judged.conversations[typical], [np.asarray([read[typical]])]
    step = [*_placed(read[typical][:STRIDE], KEPT), *judged.state]
    return {
        "way": way.name,
        "prompt": {
            **_agreement(scorer.score_many(judged.conversations), theirs, parts.policy.input_threshold),
            **_paced(lambda: scorer.score(asked), lambda: way.prompt(given), rounds),
        },
        "step": {
            **_judge_answers(way, judged),
            **_paced(_own_step(judged.answers, read[typical]), lambda: way.step(step), rounds),
        },
    }


def _judge_answers(way: Way, judged: Judged) -> dict[str, float]:
    """Agreement on answers of up to what is kept, read in strides; the highest logit of each is its score."""
    read = [[t.id for t in encode(judged.answers.tokenizer, text)][:KEPT] for text in judged.said]
    ours = [max(logits) for logits in judged.answers.score_many(read)]
    theirs = [_highest(way, judged, answer_ids(judged.backbone, ids)) for ids in read]
    return _agreement(ours, theirs, judged.parts.policy.output_threshold)


def _highest(way: Way, judged: Judged, ids: Sequence[int]) -> float:
    keys, values = (kept[:, :, :0] for kept in judged.state)
    logits: list[float] = []
    for at in range(0, len(ids), STRIDE):
        found, keys, values = way.step([*_placed(ids[at : at + STRIDE], at), keys, values])
        logits += found[0].tolist()
    return max(SlidingMean(judged.parts.window).read(logits[1:]))


def _own_step(scorer: AnswerScorer, ids: Sequence[int]) -> Callable[[], object]:
    session = scorer.open(())
    for _ in range(REACH // STRIDE + 1):
        session.score(ids[:STRIDE])
    return lambda: session.score(ids[:STRIDE])


def _agreement(ours: Sequence[float], theirs: Sequence[float], threshold: float) -> dict[str, float]:
    own, other = np.asarray(ours), np.asarray(theirs)
    same = (own >= threshold) == (other >= threshold)
    return {"n": own.size, "same_verdict": float(same.mean()), "widest_gap": float(np.abs(own - other).max())}


def _paced(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> dict[str, object]:
    """Milliseconds of both, in turn, and how many times as fast the other is, with its interval."""
    spent = np.asarray([[_seconds(ours), _seconds(theirs)] for _ in range(rounds + 2)])[2:]  # two warm up
    ratio = spent[:, 0] / spent[:, 1]
    found: Any = bootstrap((ratio,), np.median, confidence_level=0.95, rng=np.random.default_rng(0)).confidence_interval
    own_ms, other_ms = 1e3 * np.median(spent, 0)
    faster = [float(np.median(ratio)), float(found.low), float(found.high)]
    return {"own_ms": float(own_ms), "ms": float(other_ms), "times_as_fast": faster}


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
