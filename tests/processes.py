"""Processes that begin at once: each is forked from one that has imported everything and done nothing yet."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

PRELOADED: Final = (__name__, "worldevents.serving", "worldevents.store.redis")


def begun(main: Callable[..., None], *arguments: Any, log: Path) -> tuple[BaseProcess, Connection]:
    """A process that does this, with what it says appended to a log; it is killed when the connection closes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOADED])
    theirs, held = context.Pipe(duplex=False)
    process = context.Process(target=_live, args=(main, arguments, log, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, held


def _live(main: Callable[..., None], arguments: tuple[Any, ...], log: Path, parent: Connection) -> None:
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    main(*arguments)


def _leave_with(parent: Connection) -> None:
    """Nobody stays behind when the tests are killed."""
    parent.poll(None)
    os.kill(os.getpid(), signal.SIGKILL)
