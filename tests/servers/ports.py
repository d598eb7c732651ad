"""Ports that stay ours while the server that listens there is killed and started again.

They lie below those that the system hands out by itself: a client that calls a server which is away could be given the
server's own port, and talk to itself. A lock keeps every other test process of this machine from taking them.
"""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import IO

_FIRST, _LAST = 12_000, 32_000
_TRIES = 1_000


class Port:
    """A loopback port that nobody else takes until it is given back."""

    def __init__(self) -> None:
        folder = Path(tempfile.gettempdir()) / f"worldevents-ports-{os.geteuid()}"
        folder.mkdir(exist_ok=True)
        for _ in range(_TRIES):
            number = random.randrange(_FIRST, _LAST)  # noqa: S311 - nothing is secret here
            lock = (folder / str(number)).open("wb")
            if _is_taken(lock) or not _is_free(number):
                lock.close()
                continue
            self.number = number
            self._lock = lock
            return
        raise LookupError(f"no free port between {_FIRST} and {_LAST}")

    def give_back(self) -> None:
        """Let others have it."""
        self._lock.close()


def _is_taken(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _is_free(number: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", number)).close()
    except OSError:
        return False
    return True
