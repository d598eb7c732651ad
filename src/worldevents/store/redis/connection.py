"""The way to Redis: clients that never repeat a call by themselves, the function library, and what must be set there.

Nothing of the driver leaves this room: what cannot be reached or will not write is StoreUnavailable.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisClusterException, RedisError, ResponseError

from worldevents.errors import ConfigurationInvalid, StoreUnavailable

SOCKET_S: Final = 5.0
"""How long an answer of Redis may take."""
CONNECTIONS_MAX: Final = 32
TRIES: Final = 3
"""How often a call is made before its caller is told to repeat it; each is keyed, so that a repeat counts nothing."""
TRY_AGAIN_S: Final = 0.05
WAITAOF_SINCE: Final = (7, 2)
PARTS: Final = ("common", "contributing", "moving", "erasing", "carrying", "restoring", "reading", "leading")
LIBRARY: Final = "\n".join(
    files("worldevents.store.redis").joinpath(f"functions/{one}.lua").read_text() for one in PARTS
)
VERSION: Final = int(LIBRARY.partition("local VERSION = '")[2].partition("'")[0])

SAFE_POLICY: Final = "noeviction"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What one master is, and what is set there."""

    version: str
    policy: str
    """What it does when its memory is full."""
    has_file: bool
    """Whether it has an append-only file."""
    appendfsync: str | None
    """When that file is on the disk; None where the server does not say."""
    functions: int | None
    """The version of our functions there; None where they are not."""

    @property
    def evicts(self) -> bool:
        """Whether it throws keys away when its memory is full."""
        return self.policy != SAFE_POLICY

    @property
    def numbers(self) -> tuple[int, ...]:
        """The version up to its second number."""
        return tuple(map(int, self.version.split(".")[:2]))


class Connection:
    """One Redis, or one cluster of them."""

    def __init__(self, client: Redis | RedisCluster, listener: Redis | RedisCluster) -> None:
        self._client: Any = client
        self.listener: Any = listener
        """For subscriptions: it waits as long as it takes."""
        self.is_cluster = isinstance(client, RedisCluster)
        self.flushes_always = False
        """Whether an answer comes after the disk has it."""
        self.can_wait = False
        """Whether the server can be asked to wait for its disk (WAITAOF)."""

    @property
    def client(self) -> Any:
        """For commands of which a repeat does no harm."""
        return self._client

    async def call(self, function: str, key: str, *arguments: str | bytes) -> Any:
        """Call a function of the library; made again where no answer came, for it knows what it has done already."""
        for left in reversed(range(TRIES)):
            try:
                with failing():
                    return await self._client.fcall(f"worldevents_{function}", 1, key, *arguments)
            except _Missing:
                await self.load()
            except StoreUnavailable:
                if not left:
                    raise
                await asyncio.sleep(TRY_AGAIN_S)
        raise StoreUnavailable

    async def load(self) -> None:
        """See to it that every master has the library, in this version or a newer one."""
        for node in await self._masters():
            if (await _version_of_functions(node) or 0) >= VERSION:
                continue
            with failing():
                await node.function_load(LIBRARY, replace=True)

    async def _masters(self) -> list[Any]:
        if not self.is_cluster:
            return [self._client]
        with failing():
            await self._client.initialize()
        return [_Node(self._client, node) for node in self._client.get_primaries()]

    async def inspect(self) -> list[Inspection]:
        """What every master is and is set to. Raises StoreUnavailable."""
        return [await _inspected(node) for node in await self._masters()]

    async def check(self) -> None:
        """Refuse a server that may throw memory away. Raises ConfigurationInvalid, StoreUnavailable."""
        masters = await self.inspect()
        for one in masters:
            if one.evicts:
                message = f"Redis would evict keys ({one.policy}): set {SAFE_POLICY}"
                raise ConfigurationInvalid(message, field="redis_url")
            if not one.has_file:
                _log.warning("Redis has no append-only file: what it has not handed on is lost when it restarts")
        self.flushes_always = all(one.has_file and one.appendfsync == "always" for one in masters)
        self.can_wait = all(one.has_file and one.numbers >= WAITAOF_SINCE for one in masters)

    async def close(self) -> None:
        for one in (self._client, self.listener):
            with suppress(StoreUnavailable), failing():
                await one.aclose()


class _Node:
    """One master of a cluster, by the commands that are asked of each."""

    def __init__(self, cluster: RedisCluster, node: Any) -> None:
        self._cluster: Any = cluster
        self._node = node

    async def execute_command(self, *words: Any) -> Any:
        return await self._cluster.execute_command(*words, target_nodes=self._node)

    async def fcall(self, name: str, keys: int) -> Any:
        return await self.execute_command("FCALL", name, keys)

    async def function_load(self, code: str, *, replace: bool) -> Any:
        return await self.execute_command("FUNCTION", "LOAD", *(["REPLACE"] if replace else []), code)

    async def info(self, section: str) -> Any:
        return await self._cluster.info(section, target_nodes=self._node)

    async def config_get(self, name: str) -> Any:
        return await self._cluster.config_get(name, target_nodes=self._node)


async def _inspected(node: Any) -> Inspection:
    with failing():
        memory, persistence = await node.info("memory"), await node.info("persistence")
        server = await node.info("server")
    setting = {}
    with suppress(StoreUnavailable), failing():
        setting = await node.config_get("appendfsync")
    return Inspection(
        version=server.get("redis_version", "0.0"),
        policy=memory.get("maxmemory_policy", SAFE_POLICY),
        has_file=bool(persistence.get("aof_enabled")),
        appendfsync=setting.get("appendfsync"),
        functions=await _version_of_functions(node),
    )


async def _version_of_functions(node: Any) -> int | None:
    try:
        with failing():
            return int(await node.fcall("worldevents_version", 0))
    except _Missing:
        return None


class _Missing(Exception):
    """The server does not have the library."""


@contextmanager
def failing() -> Iterator[None]:
    """The driver's errors as ours; and a cancellation that the driver has swallowed is one again."""
    try:
        yield
        _heed_cancellation()
    except ResponseError as error:
        _heed_cancellation()
        told = str(error)
        if "Function not found" in told:
            raise _Missing from error
        _log.error("Redis refused a call: %s", told)
        raise StoreUnavailable(f"Redis refused ({told.partition(' ')[0]})") from error
    except (RedisError, RedisClusterException, OSError) as error:
        _heed_cancellation()
        raise StoreUnavailable(f"Redis cannot be reached ({type(error).__name__})") from error
    except (RuntimeError, AttributeError) as error:
        _heed_cancellation()
        if not _is_closed(error):
            raise
        raise StoreUnavailable("Redis cannot be reached (its connection was closed)") from error


def _is_closed(error: RuntimeError | AttributeError) -> bool:
    """Whether that is what becomes of a call whose connection is closed in that very moment; redis-py hands it on."""
    if isinstance(error, AttributeError):
        # Its own connection, of a cluster that is looked at anew, has lost its writer.
        return error.obj is None and error.name in ("writelines", "drain")
    # uvloop's word.
    return "handler is closed" in str(error)


def _heed_cancellation() -> None:
    # redis-py 8.1 loses one that comes in the very moment of an answer: the task would go on for ever.
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def inspect(url: str) -> list[Inspection]:
    """What every master at this address is and is set to; nothing is changed. Raises as `connected` does."""
    connection = Connection(_client(url, SOCKET_S), _client(url, None))
    try:
        return await connection.inspect()
    finally:
        await connection.close()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """A checked connection, closed when the context ends. Raises ConfigurationInvalid, StoreUnavailable."""
    connection = Connection(_client(url, SOCKET_S), _client(url, None))
    try:
        await connection.check()
        await connection.load()
        yield connection
    finally:
        await connection.close()


def _client(url: str, timeout: float | None) -> Redis | RedisCluster:
    scheme = urlsplit(url).scheme
    if scheme not in ("redis", "rediss", "redis+cluster", "rediss+cluster"):
        raise _no_address()
    retry: Any = Retry(NoBackoff(), 0)
    options: dict[str, Any] = {"socket_timeout": timeout, "socket_connect_timeout": SOCKET_S, "protocol": 2}
    try:
        if scheme.endswith("+cluster"):
            plain = url.replace("+cluster", "", 1)
            return RedisCluster.from_url(plain, retry=retry, **options)
        pool = BlockingConnectionPool.from_url(
            url, retry=retry, max_connections=CONNECTIONS_MAX, timeout=SOCKET_S, **options
        )
        return Redis.from_pool(pool)
    except (ValueError, NoConnection):
        raise _no_address() from None


def _no_address() -> ConfigurationInvalid:
    return ConfigurationInvalid("a Redis address is redis://, rediss:// or redis+cluster://", field="redis_url")
