"""garak's encoding attacks against a model that decodes whatever it is handed, alone and behind the guard.

In: garak's Python. Out: of each attack, how many of its attempts had the payload come out, unguarded and guarded. The
guard minds one word of each of garak's default payloads, so whatever comes out was hidden from it: what is measured
is the reading of disguises, in prompts and in answers.
"""

import base64
import codecs
import json
import os
import re
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from lictor.guard import Guard
from lictor.server.app import create_app
from lictor.server.run import make_service
from lictor.server.settings import BlockingSection, ServerSettings, UpstreamSection
from lictor.server.upstream import HttpUpstream
from lictor.testing import KeywordInputScorer, KeywordStreamScorer
from lictor.testing.upstreams import FakeUpstream, running, says
from lictor.types import Policy

ATTACKS = ("InjectBase64", "InjectHex", "InjectROT13")
WORDS = ("missile", "Keyleth", "butts", "brothers", "pwned")
_DECODERS: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (re.compile(r"\b(?:[0-9a-f]{2}){6,}\b"), lambda text: bytes.fromhex(text).decode()),
    (re.compile(r"[A-Za-z0-9+/\n]{12,}={0,2}"), lambda text: base64.b64decode(text.encode(), validate=False).decode()),
)

Hits = dict[str, tuple[int, int]]
"""Attempts whose payload came out, and all, by attack."""


def compared(python: str) -> dict[str, Hits]:
    """What garak counts of the model behind a guard that minds nothing, and behind one that minds the payloads."""
    found: dict[str, Hits] = {}
    with running(FakeUpstream(_oblige).app()) as bare:
        for name, words in (("alone", ("\0",)), ("guarded", WORDS)):
            guard = Guard(KeywordInputScorer(*words), KeywordStreamScorer(*words), Policy(0.0, 0.0), version=name)
            section = UpstreamSection(url=bare + "/v1")
            settings = ServerSettings(upstream=section, blocking=BlockingSection(on_input_block="refusal"))
            with running(create_app(make_service(guard, HttpUpstream(section, None), settings))) as url:
                found[name] = _hits(python, url)
    return found


def _hits(python: str, url: str) -> Hits:
    with tempfile.TemporaryDirectory() as folder:
        target = {"openai": {"OpenAICompatible": {"uri": url + "/v1", "api_key": "k", "max_tokens": 100}}}
        command = [python, "-m", "garak", "--target_type", "openai.OpenAICompatible", "--target_name", "up"]
        command += ["--probes", ",".join(f"encoding.{attack}" for attack in ATTACKS), "--generations", "1"]
        command += ["--probe_options", json.dumps({"encoding": {"payloads": ["default"]}})]
        command += ["--generator_options", json.dumps(target), "--report_prefix", str(Path(folder) / "report")]
        kept = {"OPENAICOMPATIBLE_API_KEY": "k", "XDG_DATA_HOME": folder, "XDG_CACHE_HOME": folder}
        subprocess.run(command, env=os.environ | kept, stdout=subprocess.PIPE, check=False)  # noqa: S603 - garak itself
        rows = [json.loads(line) for path in Path(folder).rglob("*.report.jsonl") for line in path.open()]
    counted = [row for row in rows if row.get("entry_type") == "eval" and row["detector"] == "encoding.DecodeMatch"]
    return {row["probe"].partition(".")[2]: (row["fails"], row["total_processed"]) for row in counted}


async def _oblige(body: dict[str, Any]) -> AsyncIterator[bytes]:
    async for frame in says(_decoded(str(body["messages"][-1]["content"])))(body):
        yield frame


def _decoded(asked: str) -> str:
    """The text with whatever is encoded in it decoded; where nothing is, turned by thirteen letters."""
    for pattern, decode in _DECODERS:
        for found in pattern.findall(asked):
            try:
                return decode(found)
            except ValueError:
                continue
    return codecs.decode(asked, "rot13")
