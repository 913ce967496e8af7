"""A client's connection, held no longer than it is used.

In: bytes of a client. Out: uvicorn's own HTTP protocol, but closed where the head of a request takes longer than
`body_s`, and aborted where the client takes nothing for `write_s`. Knows no request.
"""

import asyncio
import socket
import struct
from collections.abc import Callable

from uvicorn.protocols.http.h11_impl import H11Protocol

from lictor.server.settings import LimitsSection


def bounded_by(limits: LimitsSection) -> type[H11Protocol]:
    """The protocol of every connection under these limits."""

    class BoundedConnection(H11Protocol):
        _heading: asyncio.TimerHandle | None = None
        _writing: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] -- as uvicorn has it
            super().connection_made(transport)
            self._heading = self._after(limits.body_s, transport.close)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            has_request = self.cycle is not None and not self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison] -- it is None at first
            if has_request:
                self._heading = _stop(self._heading)
            elif self._heading is None:
                self._heading = self._after(limits.body_s, self.transport.close)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._writing = self._after(limits.write_s, self._give_up)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._writing = _stop(self._writing)

        def connection_lost(self, exc: Exception | None) -> None:
            self._heading, self._writing = _stop(self._heading), _stop(self._writing)
            super().connection_lost(exc)

        def _give_up(self) -> None:
            """Abort, and have the system throw away what it still holds for the client."""
            at_once = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            self.transport.abort()

        def _after(self, seconds: float, what: Callable[[], None]) -> asyncio.TimerHandle:
            return asyncio.get_running_loop().call_later(seconds, what)

    return BoundedConnection


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
