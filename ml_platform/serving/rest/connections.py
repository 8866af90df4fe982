"""Connections that send nothing are closed: each takes one of those that a worker holds."""

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

SECONDS = 10.0  # a connection without a request is looked at so often, and closed at the second look


class ImpatientProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # uvicorn chooses the class by what is installed
    """Uvicorn's protocol, which by itself waits for the headers of a request for ever."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._earlier_cycle: Any = self  # no cycle of it
        self._look = self.loop.call_later(SECONDS, self._close_if_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        self._look.cancel()
        super().connection_lost(exc)

    def _close_if_idle(self) -> None:
        """Close it if it has no request under way, as at the look before, and had none in between."""
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self.cycle is self._earlier_cycle:
            self.transport.close()
            return
        self._earlier_cycle = self.cycle if is_idle else self
        self._look = self.loop.call_later(SECONDS, self._close_if_idle)
