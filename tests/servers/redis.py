"""A Redis of our own, or a Valkey."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.servers.process import Server

_OWN: Final = Path(__file__).parents[2] / ".servers"
_OLDEST: Final = {"redis": 7, "valkey": 7}

KEPT: Final = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
"""What is answered is on the disk."""


def find_redis() -> str | None:
    """Return the program of a Redis that has functions (7.0 or newer), or None."""
    return _find("redis")


def find_valkey() -> str | None:
    """Return the program of a Valkey, or None."""
    return _find("valkey")


def _find(kind: str) -> str | None:
    """Look where tools/real_servers looks."""
    candidates = (
        os.environ.get(f"WORLDEVENTS_TEST_{kind.upper()}"),
        f"{kind}-server",
        str(_OWN / kind / f"{kind}-server"),
    )
    found = [path for one in candidates if one and (path := shutil.which(one))]
    return next((path for path in found if _version(path) >= _OLDEST[kind]), None)


def _version(program: str) -> int:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\bv=(\d+)\.", told)
    return int(found[1]) if found else 0


def why_no_redis() -> str | None:
    """Return the reason why no Redis can be started here, or None if one can."""
    return None if find_redis() else "no redis-server from 7.0 on this machine (make setup looks for one)"


def why_no_valkey() -> str | None:
    """Return the reason why no Valkey can be started here, or None if one can."""
    return None if find_valkey() else "no Valkey to be had here"


class RedisServer(Server):
    """One Redis: `with RedisServer() as server`. What it answers is on its disk, unless it is told otherwise."""

    name = "redis"

    def __init__(self, options: Mapping[str, str] = KEPT, *, program: str | None = None) -> None:
        """`options` are those of its configuration file, and stay until they are changed."""
        found = program or find_redis()
        if found is None:
            raise LookupError(why_no_redis())
        self._program = found
        self.options = dict(options)
        super().__init__()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def set(self, option: str, value: str) -> None:
        """Change an option, now and at every start."""
        self.options[option] = value
        with self.client() as client:
            client.config_set(option, value)

    def client(self) -> redis.Redis:
        """A client to look inside with, which does not try again."""
        return redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0), socket_timeout=10)

    def run_id(self) -> str:
        """The name of the process that answers."""
        with self.client() as client:
            return str(client.info("server")["run_id"])

    def _prepare(self) -> None:
        return

    def _command(self) -> Sequence[str]:
        place = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self.folder), "save": ""}
        options = {**place, "enable-debug-command": "local", **self.options}
        return [
            self._program,
            *(word for name, value in options.items() for word in (f"--{name}", *_words(name, value))),
        ]

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def _words(name: str, value: str) -> list[str]:
    """Some options have more than one word; an empty value is a word."""
    return value.split() if name == "replicaof" else [value]
