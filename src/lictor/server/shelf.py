"""The guard in use, and its replacement while streams go on.

In: a guard folder. Out: the guard to open new requests with; a request keeps the one it began with. A folder that
cannot be loaded changes nothing. Knows no server.
"""

import asyncio
import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lictor.artifacts import read_manifest
from lictor.constitution import Constitution
from lictor.dataset.naming import RuleNamer, read_namer
from lictor.errors import ConstitutionError
from lictor.guard import Guard
from lictor.server.remembered import Remembered
from lictor.server.settings import ServerSettings
from lictor.types import Decision

LoadGuard = Callable[[Path], Guard]
_log = logging.getLogger("lictor.server")


@dataclass(frozen=True)
class Served:
    """A guard with what is told of it."""

    guard: Guard
    category: str
    """Name of its constitution: what blocks are reported under."""
    namer: RuleNamer | None = None
    """Tells the rule of a restricted text, where the guard has what that takes."""

    def named(self, decision: Decision, text: str) -> Decision:
        """A decision against `text`, with the rule that this most likely falls under."""
        if self.namer is None or decision.action == "allow" or decision.reason is not None:
            return decision
        return replace(decision, rule=self.namer.name(text))


class Shelf:
    """Holds the guard in use; `watch` replaces it when its folder holds another one."""

    def __init__(self, settings: ServerSettings, load: LoadGuard) -> None:
        self._settings = settings
        self._load = load
        self._served: Served | None = None
        self._fingerprint = ""
        self.reload_error: str | None = None
        """Why the guard in the folder is not the one in use."""

    @property
    def served(self) -> Served | None:
        """The guard in use; None before the first was loaded."""
        return self._served

    def put(self, guard: Guard, category: str, namer: RuleNamer | None = None) -> None:
        """Use `guard` from now on, under the settings' enforcement and failure mode."""
        policy = guard.policy
        if self._settings.enforcement:
            policy = replace(policy, enforcement=self._settings.enforcement)
        if self._settings.on_error:
            policy = replace(policy, on_error=self._settings.on_error)
        prompts = guard.input_scorer and Remembered(guard.input_scorer, self._settings.limits.remembered_prompts)
        kept = Guard(
            prompts,
            guard.stream_scorer,
            policy,
            exchange_scorer=guard.exchange_scorer,
            views=guard.views,
            version=guard.version,
        )
        self._served = Served(kept, category, namer)

    def load(self) -> None:
        """Use the guard in the folder.

        Raises:
            LictorError: It cannot be loaded; the one in use stays.
        """
        folder = self._settings.guard
        fingerprint = _mark(folder)
        guard = self._load(folder)
        self.put(guard, *_names(folder))
        self._fingerprint = fingerprint

    async def watch(self) -> None:
        """Look for another guard for ever, if this one came from a folder; load it in a thread: streams go on."""
        while self._fingerprint:
            await asyncio.sleep(self._settings.reload_s)
            await self.look()

    async def look(self) -> None:
        """Load the folder's guard if it is another one."""
        try:
            if _mark(self._settings.guard) == self._fingerprint:
                self.reload_error = None
                return
            await asyncio.to_thread(self.load)
            spare_collector()
            self.reload_error = None
            _log.info("guard reloaded", extra={"fields": {"guard_version": self._version()}})
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the guard in use stays and is watched over
            if self.reload_error != str(error):
                _log.error("guard not reloaded", extra={"fields": {"error": str(error)}})
            self.reload_error = str(error)

    def _version(self) -> str:
        return self._served.guard.version if self._served else ""


def spare_collector() -> None:
    """Have the garbage collector pass over what stands now: a guard's half a million objects, at each look 0.4 s."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _mark(folder: Path) -> str:
    manifest = read_manifest(folder, kind="guard")
    return manifest.fingerprint + "".join(sorted(manifest.files.values()))


def _names(folder: Path) -> tuple[str, RuleNamer | None]:
    """What blocks are reported under: the constitution's name, and what names its rules."""
    try:
        constitution = Constitution.load(folder / "constitution.yaml")
    except ConstitutionError:
        return "restricted", None
    path = folder / "rules.safetensors"
    rules = [rule.id for rule in constitution.restricted]
    return constitution.name, read_namer(path, rules) if path.is_file() else None
