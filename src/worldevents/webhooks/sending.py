"""One attempt: a POST to an endpoint, over connections to addresses that were checked. Nothing is decided here.

A name is resolved once for a connection, every address it has is checked, and one of those very addresses is connected
to; TLS is still spoken with the name. No redirect is followed, no proxy of the environment asked, and of an answer only
its beginning is read.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from ipaddress import ip_address
from typing import Final, cast

import httpcore2

from worldevents.errors import BodyInvalid
from worldevents.webhooks.addresses import Address, AddressRefused, Policy, Target
from worldevents.webhooks.schedule import Answer

TRY_S: Final = 15.0
"""How long an attempt may take, from the look-up of the name to the end of the answer."""
CONNECT_S: Final = 5.0
"""How long one address of several may take to be connected to."""
ADDRESSES_MAX: Final = 4
"""How many of a name's addresses are tried."""
ANSWER_MAX: Final = 16_384
"""How much of an answer is read, so that its connection can be used again."""
IDLE_S: Final = 3.0
"""How long a connection is kept that nothing is sent on: less than most servers keep it."""
CONNECTIONS_MAX: Final = 1_000

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Every address that a name has. Raises OSError."""


async def resolve(host: str, port: int) -> list[Address]:
    """As the system does it."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(address[0])) for *_, address in found]


class Checked(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that a policy allows, and to none else."""

    def __init__(
        self, policy: Policy, lookup: Resolve = resolve, under: httpcore2.AsyncNetworkBackend | None = None
    ) -> None:
        self._policy = policy
        self._resolve = lookup
        self._under = under or cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - the library's own contract
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to one of the addresses of a host. Raises AddressRefused where any of them may not be called."""
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError("no such host") from error
        for address in addresses:
            self._policy.check(host, address)
        failure: Exception = httpcore2.ConnectError("no such host")
        for address in addresses[:ADDRESSES_MAX]:
            try:
                return await self._under.connect_tcp(
                    str(address), port, timeout=CONNECT_S, local_address=local_address, socket_options=socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure


class Sender:
    """Sends; its connections are kept while `sending` is open."""

    def __init__(self, pool: httpcore2.AsyncConnectionPool, policy: Policy, *, try_s: float = TRY_S) -> None:
        self._pool = pool
        self._policy = policy
        self._try_s = try_s

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One attempt; whatever the other side does is an answer, and once it has said a status that is the one."""
        attempt = _Attempt(self._pool)
        try:
            address = _address(self._policy.target(url))
            async with asyncio.timeout(self._try_s):
                await attempt.make(address, headers, body)
        except (TimeoutError, httpcore2.TimeoutException):
            told = "no answer in time"
        except BodyInvalid as error:
            told = f"refused to call: {error.detail}"
        except AddressRefused as error:
            told = f"refused to call: {error}"
        except httpcore2.ConnectError as error:
            is_tls = any(isinstance(cause, ssl.SSLError) for cause in error.args)
            told = "no TLS" if is_tls else "no connection"
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError):
            told = "the connection broke"
        else:
            told = "no answer"
        return attempt.answer or Answer(None, told)


class _Attempt:
    """A request under way, and what is known of its answer."""

    def __init__(self, pool: httpcore2.AsyncConnectionPool) -> None:
        self._pool = pool
        self.answer: Answer | None = None

    async def make(self, url: httpcore2.URL, headers: Mapping[str, str], body: bytes) -> None:
        async with self._pool.stream("POST", url, headers=list(headers.items()), content=body) as response:
            found = {name.lower(): value for name, value in response.headers}
            asked = found.get(b"retry-after")
            told = None if asked is None else asked.decode("latin-1")
            self.answer = Answer(response.status, f"HTTP {response.status}", told)
            read = 0
            async with aclosing(response.aiter_stream()) as parts:
                async for part in parts:
                    read += len(part)
                    if read > ANSWER_MAX:
                        break


def _address(target: Target) -> httpcore2.URL:
    return httpcore2.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)


@asynccontextmanager
async def sending(
    policy: Policy, *, lookup: Resolve = resolve, trusted: ssl.SSLContext | None = None, try_s: float = TRY_S
) -> AsyncIterator[Sender]:
    """A sender; `trusted` says whose certificates count, else the system's."""
    async with httpcore2.AsyncConnectionPool(
        ssl_context=trusted,
        max_connections=CONNECTIONS_MAX,
        keepalive_expiry=IDLE_S,
        network_backend=Checked(policy, lookup),
    ) as pool:
        yield Sender(pool, policy, try_s=try_s)
