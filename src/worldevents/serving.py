"""The server process: a runtime behind HTTP, until a signal asks it to leave; then it leaves politely and at once.

Open streams are told goodbye first, for a server that waits for them would wait for ever. Nothing is decided here about
requests: the application does that.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import re
import secrets
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager, closing, contextmanager, nullcontext, suppress
from typing import Any, Final

try:
    import resource
except ImportError:  # Windows has no such bound
    resource = None  # type: ignore[assignment]

import uvicorn
from uvicorn.server import HANDLED_SIGNALS

from worldevents.api.app import create_app
from worldevents.clock import Clock
from worldevents.errors import ConfigurationInvalid, Internal
from worldevents.ledger import Address, announced
from worldevents.live.hub import Hub
from worldevents.protocols import FRAME_MAX, UNSENT_MAX, HttpProtocol, SocketProtocol
from worldevents.runtime import Runtime, open_runtime
from worldevents.settings import Settings

LEAVE_S: Final = 10
"""How long requests under way may take once the server is asked to leave."""
FILES_BESIDE: Final = 256
"""Files that a process opens beside its streams and sockets."""
SOCKETS_LEAVE_S: Final = 3.5
"""How long sockets may take to leave, which spread over three seconds; then the rest is closed."""
LOOK_S: Final = 0.05
UNHEARD_MS: Final = 30_000
"""How long a client may leave unacknowledged what it is sent; then its connection is over, where Linux can tell."""
PING_S: Final = 20.0
"""How often a socket is asked whether it is there, and how long it may take to answer; browsers do without script."""
PORT_MAX: Final = 65_535

App = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Any]], Callable[[MutableMapping[str, Any]], Awaitable[None]]],
    Awaitable[None],
]

_log = logging.getLogger(__name__)


def run(
    settings: Settings,
    *,
    host: str,
    port: int,
    clock: Clock | None = None,
    on_ready: Callable[[str], None] | None = None,
    make_app: Callable[[Runtime], App] = create_app,
) -> None:
    """Be the server process: as `serve`, with the logs on stderr and the quickest event loop there is."""
    log_to_stderr(settings.log_level)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(settings, host=host, port=port, clock=clock, on_ready=on_ready, make_app=make_app))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - it is not there on every system
    except ImportError:
        return None
    return uvloop.new_event_loop


async def serve(
    settings: Settings,
    *,
    host: str,
    port: int,
    clock: Clock | None = None,
    on_ready: Callable[[str], None] | None = None,
    make_app: Callable[[Runtime], App] = create_app,
) -> None:
    """Open a runtime and serve it until SIGINT, SIGTERM or a cancellation; port 0 takes a free one.

    `on_ready` is told the URL once requests are answered. Raises what `bound` and `open_runtime` raise, and Internal
    where a background task has died: its end is in the log.
    """
    _allow_files(settings.connections_max)
    with closing(bound(host, port)) as listener:
        token = secrets.token_urlsafe(32)
        try:
            async with open_runtime(settings, clock=clock, run_token=token) as runtime:
                trusted = settings.trusted_proxies
                async with listening(make_app(runtime), listener, hub=runtime.hub, trusted_proxies=trusted) as leaving:
                    url = url_of(listener)
                    # Behind Redis nobody owns the database: other processes come to it as this one did.
                    with nullcontext() if settings.redis_url else announced(settings.database_url, Address(url, token)):
                        _log.info("serving at %s", url)
                        if on_ready is not None:
                            on_ready(url)
                        await leaving
        except ExceptionGroup as group:
            _log.critical("a background task has died", exc_info=group)
            raise Internal from group
    _log.info("served")


def _allow_files(connections: int) -> None:
    """Have the system let this process open so many connections; each is a file, and the usual bound is 1,024."""
    if resource is None:
        return
    wanted = connections + FILES_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted - FILES_BESIDE:
        _log.warning(
            "connections_max is %d, the system lets this process open %d files", wanted - FILES_BESIDE, allowed
        )


@asynccontextmanager
async def listening(
    app: App, listener: socket.socket, *, hub: Hub, trusted_proxies: str = ""
) -> AsyncIterator[asyncio.Task[None]]:
    """Answer requests while the context is open; then streams are told goodbye, and requests under way are finished.

    Gives a task that ends when a signal asks the process to leave. Who is given here closes the runtime afterwards.
    """
    config = uvicorn.Config(
        app,
        http=HttpProtocol,
        ws=SocketProtocol,
        ws_max_size=FRAME_MAX,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=trusted_proxies,
        timeout_graceful_shutdown=LEAVE_S,
    )
    config.load()
    server = _Server(config, hub)
    server.lifespan = config.lifespan_class(config)
    with server.capture_signals():
        try:
            await server.startup(sockets=[listener])
        except OSError as error:
            raise _refused(error) from error
        leaving = asyncio.create_task(server.main_loop(), name="server")
        try:
            yield leaving
        finally:
            leaving.cancel()
            await server.shutdown(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn's, but for its end."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave when asked to. The original raises the signal again at the end, before the runtime is closed."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in HANDLED_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let nobody in, tell everybody, and wait until the sockets have left in their own time."""
        for server in self.servers:
            server.close()
        self._hub.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(SOCKETS_LEAVE_S):
                while any(isinstance(one, SocketProtocol) for one in self.server_state.connections):  # noqa: ASYNC110 - uvicorn's
                    await asyncio.sleep(LOOK_S)
        await super().shutdown(sockets)


# Where to listen.


def bound(host: str, port: int) -> socket.socket:
    """A socket at this address, not yet listening; ConfigurationInvalid names `host` or `port`."""
    if not 0 <= port <= PORT_MAX:
        raise ConfigurationInvalid(f"a port is 0 to {PORT_MAX}", field="port")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise ConfigurationInvalid("no such host to listen at", field="host") from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Inherited by every connection: a viewer that is gone without a word is noticed.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNHEARD_MS)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            # Else megabytes wait in the kernel for one that does not read, before anybody notices.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_MAX)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _refused(error) from error
    return listener


def _refused(error: OSError) -> ConfigurationInvalid:
    is_port = error.errno in (errno.EADDRINUSE, errno.EACCES)
    field = "port" if is_port else "host"
    message = "another process listens there" if error.errno == errno.EADDRINUSE else f"cannot listen: {error.strerror}"
    return ConfigurationInvalid(f"{field}: {message}", field=field)


def url_of(listener: socket.socket) -> str:
    """Where to find it from this machine."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened at
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104 - the same
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


# Logs.


class _Plain(logging.Formatter):
    """One line each, in UTC; what looks like a key in an address is left out."""

    converter = time.gmtime  # type: ignore[assignment] # its own hint leaves the argument out
    _secret = re.compile(r"(?i)((?:apikey|token|key|secret|password)=)[^&\s\"']+")

    def format(self, record: logging.LogRecord) -> str:
        return self._secret.sub(r"\1***", super().format(record))


def log_to_stderr(level: str) -> None:
    """Have this process log to stderr: this package from a level on, libraries only what is wrong."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Plain("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # Its warnings are about what clients send: anybody could fill the log with them.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    logging.getLogger("worldevents").setLevel(level.upper())
