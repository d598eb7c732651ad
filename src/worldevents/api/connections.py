"""How many streams and sockets are open, in all and from each address: nobody may take every place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from worldevents.api.answers import Scope
from worldevents.errors import RateLimited
from worldevents.hosts import is_loopback


class Connections:
    """The places of one process."""

    def __init__(self, *, most: int, per_address: int) -> None:
        self._most = most
        self._per_address = per_address
        self._taken = 0
        self._by_address: Counter[str] = Counter()

    @contextmanager
    def place(self, scope: Scope) -> Iterator[None]:
        """Have a place while the context is open. Raises RateLimited."""
        client = scope.get("client")
        address = "" if client is None else client[0]
        is_near = client is None or is_loopback(address)
        if self._taken >= self._most:
            raise RateLimited("this server has as many open streams and sockets as it takes")
        if not is_near and self._by_address[address] >= self._per_address:
            raise RateLimited("too many open streams and sockets from one address")
        self._taken += 1
        self._by_address[address] += 1
        try:
            yield
        finally:
            self._taken -= 1
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
