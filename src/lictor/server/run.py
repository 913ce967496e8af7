"""One server from its settings to its end.

In: settings. Out: a process that serves until it is told to stop, then lets open answers end. Loads the guard before
the port is open, so that what listens is ready.
"""

import asyncio
import logging
import os
import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TextIO

import uvicorn

from lictor.errors import UsageError
from lictor.guard import Guard
from lictor.server.app import create_app
from lictor.server.connection import bounded_by
from lictor.server.local_upstream import LocalUpstream, Written
from lictor.server.record import JsonLines
from lictor.server.scoring import ScoringThread
from lictor.server.service import Service
from lictor.server.settings import ServerSettings, UpstreamSection
from lictor.server.shelf import Shelf, spare_collector
from lictor.server.tracing import Tracing, make_provider
from lictor.server.upstream import HttpUpstream, Upstream
from lictor.types import StreamScorer

if TYPE_CHECKING:
    from lictor.llm.local import LocalModel

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_GRACE_S = 5


class DrainingServer(uvicorn.Server):
    """A server that, told to stop, takes nothing new and gives open answers some time before it ends them."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain."""
        self._service.is_draining = True
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] -- sockets are passed on untouched
        """Wait for open answers, end those that remain with a typed error, and stop."""
        loop = asyncio.get_running_loop()
        ending = loop.call_later(self._service.settings.drain_s, self._service.end_all)
        try:
            await super().shutdown(sockets)  # pyright: ignore[reportArgumentType]
        finally:
            ending.cancel()


def run_server(settings: ServerSettings, log: TextIO, *, guard: Guard | None = None) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: What to serve, and how.
        log: Where lines of JSON go.
        guard: Instead of the one in the settings' folder.

    Raises:
        LictorError: The guard or the model cannot be loaded, or the port cannot be had.
    """
    from lictor.llm.cores import leave_a_core

    _log_to(log)
    if not settings.upstream.model:  # a model in this process needs every core
        leave_a_core()
    service = make_service(guard or settings.guard, make_upstream(settings.upstream), settings)
    service.try_out()
    spare_collector()
    config = uvicorn.Config(
        create_app(service),
        http=bounded_by(settings.limits),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=int(settings.drain_s) + _GRACE_S,
    )
    logger = logging.getLogger("lictor.server")
    if settings.host not in _LOOPBACK and not settings.keys:
        logger.warning("no keys are set: whoever reaches this port may use it")
    for ending in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again once it has drained; by then all is done, so the process ends with 0.
        signal.signal(ending, lambda _signal, _frame: None)
    try:
        DrainingServer(config, service).run()
    except SystemExit as error:
        # uvicorn logs why it could not listen, and exits.
        if error.code:
            raise UsageError(
                f"{settings.host}:{settings.port}: could not serve there; choose another --port"
            ) from error


def make_service(guard: Guard | Path | str, upstream: Upstream, settings: ServerSettings) -> Service:
    """A service in front of `upstream`, with a guard or the guard in a folder.

    Raises:
        LictorError: The folder is not that of a guard.
    """
    from lictor.model.scorers import score_batch

    if isinstance(guard, Guard):
        shelf = Shelf(settings, load_guard)
        shelf.put(guard, "restricted")
    else:
        shelf = Shelf(settings.model_copy(update={"guard": Path(guard)}), load_guard)
        shelf.load()
    provider = make_provider()
    return Service(settings, shelf, ScoringThread(score_batch), upstream, Tracing(provider) if provider else None)


def load_guard(folder: Path) -> Guard:
    """The guard in a folder.

    Raises:
        LictorError: It cannot be loaded.
    """
    from lictor.assemble import Guard as LoadedGuard

    return LoadedGuard.load(folder)


def make_upstream(section: UpstreamSection) -> Upstream:
    """The protected model that the settings name.

    Raises:
        ModelNotFoundError: It is not on this machine.
    """
    if not section.model:
        return HttpUpstream(section, os.environ.get(section.api_key_env))
    from lictor.llm.load import load_chat_model
    from lictor.llm.local import shared_model
    from lictor.llm.weights import parse_reference

    if parse_reference(section.model).scheme == "openai":
        return LocalUpstream(load_chat_model(section.model), name=section.model)
    model = shared_model(section.model)
    return LocalUpstream(model, name=section.model, read_by=lambda scorer: _read_by(model, scorer))


def _read_by(model: "LocalModel", scorer: StreamScorer | None) -> Written | None:
    """The model's answers, read in the passes that write them, if the scorer is a probe on this model."""
    from lictor.model.probing import ProbeScorer

    if isinstance(scorer, ProbeScorer) and scorer.reader.model is model:
        return lambda asked, how: model.stream_read(asked, how, scorer.tap())
    return None


def _log_to(stream: TextIO) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    for name in ("lictor.server", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(os.environ.get("LOG_LEVEL", "INFO").upper())
        logger.propagate = False
