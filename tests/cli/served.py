"""A server as an operator starts it: `worldevents serve` in a process of its own."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cli.conftest import PROGRAM


@contextmanager
def serving(*arguments: str, **environment: str) -> Iterator[str]:
    """Serve while the context is open, on a port that is free; gives the URL, and asks it to leave politely."""
    with subprocess.Popen(
        [*PROGRAM, "serve", "--port", "0", "--json", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        told = process.stdout.readline()
        try:
            assert told, process.stderr.read()
            yield json.loads(told)["url"]
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()
    assert process.returncode == 0
