"""The guard in use, and its replacement while streams go on.

In: a guard folder. Out: the guard to open new requests with; a request keeps the one it began with. A folder that
cannot be loaded changes nothing. Knows no server.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lictor.artifacts import read_manifest
from lictor.constitution import Constitution
from lictor.errors import ConstitutionError, LictorError
from lictor.guard import Guard
from lictor.server.settings import ServerSettings

LoadGuard = Callable[[Path], Guard]
_log = logging.getLogger("lictor.server")


@dataclass(frozen=True)
class Served:
    """A guard with what is told of it."""

    guard: Guard
    category: str
    """Name of its constitution: what blocks are reported under."""


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

    def put(self, guard: Guard, category: str) -> None:
        """Use `guard` from now on, under the settings' enforcement and failure mode."""
        policy = guard.policy
        if self._settings.enforcement:
            policy = replace(policy, enforcement=self._settings.enforcement)
        if self._settings.on_error:
            policy = replace(policy, on_error=self._settings.on_error)
        kept = Guard(guard.input_scorer, guard.stream_scorer, policy, views=guard.views, version=guard.version)
        self._served = Served(kept, category)

    def load(self) -> None:
        """Use the guard in the folder.

        Raises:
            LictorError: It cannot be loaded; the one in use stays.
        """
        folder = self._settings.guard
        fingerprint = _mark(folder)
        guard = self._load(folder)
        self.put(guard, _category(folder / "constitution.yaml"))
        self._fingerprint = fingerprint

    async def watch(self) -> None:
        """Look for another guard for ever; load it in a thread, so that streams go on."""
        while True:
            await asyncio.sleep(self._settings.reload_s)
            await self.look()

    async def look(self) -> None:
        """Load the folder's guard if it is another one."""
        try:
            if _mark(self._settings.guard) == self._fingerprint:
                self.reload_error = None
                return
            await asyncio.to_thread(self.load)
            self.reload_error = None
            _log.info("guard reloaded", extra={"fields": {"guard_version": self._version()}})
        except LictorError as error:
            if self.reload_error != str(error):
                _log.error("guard not reloaded", extra={"fields": {"error": str(error)}})
            self.reload_error = str(error)

    def _version(self) -> str:
        return self._served.guard.version if self._served else ""


def _mark(folder: Path) -> str:
    manifest = read_manifest(folder, kind="guard")
    return manifest.fingerprint + "".join(sorted(manifest.files.values()))


def _category(constitution: Path) -> str:
    try:
        return Constitution.load(constitution).name
    except ConstitutionError:
        return "restricted"
