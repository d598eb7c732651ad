"""Who asks: every request passes here, whatever its route. While no key exists, only this machine is let in."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from urllib.parse import urlsplit

from worldevents.api.bodies import Headers
from worldevents.auth import Access, Caller
from worldevents.errors import Forbidden
from worldevents.hosts import is_loopback


class Gate:
    """The one place that turns a request's headers into a caller."""

    def __init__(self, access: Access, origins: Collection[str] = ()) -> None:
        """`origins` are those of pages that may call this server, beside its own and this machine's."""
        self._access = access
        self._origins = origins

    def check_neighbour(self, headers: Headers) -> None:
        """In open mode, refuse what did not come to and from this machine: a page elsewhere, a name that was rebound.

        Raises Forbidden.
        """
        if not self._access.is_open:
            return
        host, origin = headers.get(b"host"), headers.get(b"origin")
        if host is None or not is_loopback_host(host.decode("latin-1")):
            raise Forbidden("without a key this server answers only to its own machine", field="Host")
        if origin is not None and not is_loopback_origin(origin.decode("latin-1")):
            raise Forbidden("without a key this server answers only pages of its own machine", field="Origin")

    def check_origin(self, headers: Headers) -> None:
        """Refuse a page that may not call this server: what browsers see to elsewhere, they do not for a WebSocket.

        Raises Forbidden.
        """
        told = headers.get(b"origin")
        if told is None or "*" in self._origins:
            return
        origin = told.decode("latin-1")
        is_own = origin.partition("://")[2] == headers.get(b"host", b"").decode("latin-1")
        if not is_own and origin not in self._origins and not is_loopback_origin(origin):
            raise Forbidden("pages from there may not call this server: see WORLDEVENTS_ORIGINS", field="Origin")

    async def caller(self, headers: Headers, apikey: str | None = None) -> Caller:
        """Who this is, by `Authorization: Bearer` or else by the query's `apikey`. Raises Unauthorized."""
        told = headers.get(b"authorization")
        return await self._access.caller(None if told is None else told.decode("latin-1"), apikey)


@lru_cache(maxsize=64)
def is_loopback_host(text: str) -> bool:
    """Whether a Host header, or a host alone, means this machine."""
    try:
        name = urlsplit(f"//{text}").hostname
    except ValueError:
        return False
    return name is not None and is_loopback(name)


def is_loopback_origin(text: str) -> bool:
    """Whether an Origin header means a page that this machine serves."""
    scheme, _, host = text.partition("://")
    return scheme in ("http", "https") and is_loopback_host(host)
