"""uvicorn's protocols, with bounds on what one client may cost: a slow head, a large frame, an unread answer."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode
from websockets.http11 import Request

from worldevents.api.realtime import DENY, DROP
from worldevents.api.stream import ABORT

HEAD_MAX: Final = 65_536
"""The largest head of a request, in bytes; a chunk that just arrived is not counted."""
HEAD_S: Final = 20.0
"""How long a connection may take to send a request's head."""
FRAME_MAX: Final = 65_536
"""The largest frame that a client may send, in bytes."""
UNSENT_MAX: Final = 16_384
"""How many bytes may wait for one client to read before its writer waits: with thousands who do not, it is memory."""
FAREWELL_S: Final = 2.0
"""How long a socket that is dropped has for reading why."""


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's, with bounds on a request's head, and a way to drop a client that does not read."""

    _head = 0
    _in_head = True
    _hurry: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=UNSENT_MAX)
        self._hurry = self.loop.call_later(HEAD_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._is_timely()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._in_head:
            return
        self._head += len(data)
        if self._head > HEAD_MAX:
            self.transport.abort()
        elif self._hurry is None and self._head:
            self._hurry = self.loop.call_later(HEAD_S, self.transport.abort)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head = True, 0
        self.scope["extensions"] = {ABORT: {"call": self.transport.abort}}

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._is_timely()
        super().on_headers_complete()

    def _is_timely(self) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, with bounds on what waits for its client, and a way to drop one that does not read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=UNSENT_MAX)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.handshake_complete:
            self.scope["extensions"] = {DENY: {}, DROP: {"call": self._drop}}

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == f"{DENY}.body" and self.close_sent:
            # Else every refusal is logged as an application that forgot to answer.
            self.handshake_complete = True

    def _drop(self) -> None:
        """Say that it was too slow, behind all that it has not read; and let it go soon, read or not."""
        if not self.close_sent and not self.transport.is_closing():
            self.conn.send_close(CloseCode.TRY_AGAIN_LATER, "too slow")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.loop.call_later(FAREWELL_S, self.transport.abort)
