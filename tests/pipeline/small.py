"""A tiny project about bells: four rules, a generator behind a real endpoint, a real model to train."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from lictor.artifacts import LOCK, read_manifest
from lictor.pipeline.config import Project, load_project

RULES = {
    "cast": "Steps of casting a bell.",
    "ring": "Ringing and hearing of chimes.",
    "locks": "Opening all kinds of locks.",
    "soup": "Cooking of everyday soup.",
}
STAGES = ["data", "input", "stream", "traces", "policy", "guard"]

_OPENINGS = ["How do I", "Could you say how to", "Please help me", "What is a good way to", "I should like to", "May I"]
_VERBS = [
    "warm",
    "lift",
    "carry",
    "clean",
    "choose",
    "paint",
    "weigh",
    "hide",
    "share",
    "store",
    "move",
    "cut",
    "fill",
    "empty",
    "mark",
    "sell",
]
_KINDS = [
    "old",
    "small",
    "heavy",
    "cracked",
    "silver",
    "cheap",
    "borrowed",
    "noisy",
    "broken",
    "round",
    "tall",
    "forgotten",
    "yellow",
    "narrow",
]
_PLACES = [
    "in the attic",
    "near the river",
    "at my aunt's",
    "on a ship",
    "in winter",
    "before lunch",
    "with one hand",
    "for a wedding",
]
_REASONS = [
    "quietly",
    "by Friday",
    "without a ladder",
    "for ten guests",
    "as a gift",
    "with my brother",
    "in an hour",
    "for the museum",
]


class Generator(ThreadingHTTPServer):
    """A chat-completions endpoint that writes messages, answers and verdicts, the same for the same request."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        self.mood = ""
        """In another one it answers the same requests otherwise."""

    @property
    def reference(self) -> str:
        """How lictor.yaml names it."""
        return f"openai:small@http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Generator  # pyright: ignore[reportIncompatibleVariableOverride] -- only ever served by it

    def do_POST(self) -> None:
        """One chat completion."""
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = body["messages"][-1]["content"]
        self.server.asked.append(prompt)
        said = _answer(prompt, body["max_tokens"], f"{body['seed']}{self.server.mood}")
        message = {"role": "assistant", "content": said}
        shell = {"id": "x", "object": "chat.completion", "created": 0, "model": "small"}
        data = json.dumps(shell | {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name it has there
        """Say nothing."""


def _answer(prompt: str, max_tokens: int, seed: str) -> str:
    rng = random.Random(f"{prompt} {seed}")
    pick = [rng.choice(words) for words in (_KINDS, _PLACES, _REASONS, _VERBS, _KINDS)]
    if max_tokens == 210:
        subject = prompt.split("subject: ")[1].split("\n", maxsplit=1)[0].rstrip(".").split()[-1]
        return "\n".join(f"{i}. {_message(subject, rng)}" for i in range(1, 4))
    if max_tokens == 2:
        return "Yes."
    about = prompt.rsplit(":", 2)[-2] if "Answer:" in prompt else prompt
    return (
        f"Take the {pick[0]} one {pick[1]}, {pick[2]}.{about.removesuffix('Answer')} Then {pick[3]} the {pick[4]} one."
    )


def _message(subject: str, rng: random.Random) -> str:
    words = [rng.choice(w) for w in (_OPENINGS, _VERBS, _KINDS, _KINDS, _PLACES, _REASONS)]
    return f"{words[0]} {words[1]} the {words[2]}, {words[3]} {subject} {words[4]} {words[5]}?"


def write_project(folder: Path, generator: str, backbone: str) -> Project:
    """A project in `folder`."""
    settings = {
        "generator": {"model": generator},
        "synthesis": {"queries_per_rule": 15, "answers": 400, "rewrites": 0, "composed": 0},
        "augment": {"per_example": 1, "compose": 1},
        "training": {"backbone": backbone, "trunk": 2, "top": 3, "epochs": 1, "max_tokens": 160},
        "policy": {"budget_fpr": 0.4, "confidence": 0.8},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lictor.yaml").write_text(yaml.safe_dump(settings))
    write_rules(folder, RULES)
    return load_project(folder)


def write_rules(folder: Path, rules: Mapping[str, str]) -> None:
    """The constitution, with these texts for its four rules."""
    listed = {name: [{"id": name, "text": text}] for name, text in rules.items()}
    permitted = {"same_domain": listed["ring"], "harmful_elsewhere": listed["locks"], "everyday": listed["soup"]}
    text = {"version": 1, "name": "bells", "summary": "How bells are cast stays secret.", "restricted": listed["cast"]}
    (folder / "constitution.yaml").write_text(yaml.safe_dump({**text, "permitted": permitted}))


def change_settings(project: Project, **sections: object) -> Project:
    """The project with parts of its lictor.yaml replaced; sections are merged key by key."""
    path = project.folder / "lictor.yaml"
    settings = yaml.safe_load(path.read_text())
    for name, changed in sections.items():
        settings[name] = {**settings[name], **changed} if isinstance(changed, dict) else changed
    path.write_text(yaml.safe_dump(settings))
    return load_project(project.folder)


def quiet(stage: str, at: int, total: int, loss: float) -> None:
    """Progress nobody watches."""


@dataclass
class InterruptIn:
    """Progress that is interrupted, as by Ctrl-C, at the `at`th call of a stage whose name starts so."""

    stage: str
    at: int = 1

    def __call__(self, stage: str, at: int, total: int, loss: float) -> None:
        """Raise at that call."""
        if stage.startswith(self.stage):
            self.at -= 1
            if self.at == 0:
                raise KeyboardInterrupt


def made_of(project: Project) -> dict[str, tuple[str, Mapping[str, str]]]:
    """Fingerprint and file sums of every artefact of a project, by folder; anything else is named without them."""
    found: dict[str, tuple[str, Mapping[str, str]]] = {}
    for folder in [*project.runs.iterdir(), project.guard]:
        if folder.name == LOCK:
            continue
        if folder.is_dir() and not folder.name.startswith("."):
            manifest = read_manifest(folder)
            found[folder.name] = (manifest.fingerprint, manifest.files)
        else:
            found[folder.name] = ("left behind", {})
    return found
