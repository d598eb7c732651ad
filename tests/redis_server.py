"""A Redis of our own: found, started on a free port in a folder of its own, killed, started again."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

_START_S = 10.0


def find_redis() -> str | None:
    """Return the server's program: on the path, or where tools/real_servers puts it."""
    own = Path(__file__).parent.parent / ".servers/redis/redis-server"
    return shutil.which("redis-server") or (str(own) if own.is_file() else None)


def why_no_redis() -> str | None:
    """Return the reason why no Redis can be started here, or None if one can."""
    return None if find_redis() else "no redis-server on this machine (make setup looks for one)"


class RedisServer:
    """One Redis: `with RedisServer() as server`. It keeps everything on disk, unless it is told otherwise."""

    def __init__(self, *options: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="worldevents-redis-"))
        self._options = options or ("--appendonly", "yes", "--appendfsync", "always")
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, on the same port and folder as before, and wait until it answers."""
        program = find_redis()
        if program is None:
            raise LookupError(why_no_redis())
        place = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        self._process = subprocess.Popen([program, *place, "--save", "", *self._options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + _START_S
        with redis.Redis(port=self.port) as client:
            while time.monotonic() < deadline:
                with contextlib.suppress(redis.RedisError):
                    client.ping()
                    return
                time.sleep(0.005)
        raise TimeoutError("redis-server does not answer")

    def kill(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def wipe(self) -> None:
        """Lose the disk of a server that does not run."""
        shutil.rmtree(self._folder)
        self._folder.mkdir()

    def client(self) -> redis.Redis:
        """A client to look inside with."""
        return redis.Redis(port=self.port)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
