"""Programs that tests run as processes of their own: each opens a ledger, says so, and waits until it may go on."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

HEADER = """
import asyncio, sys
from worldevents.errors import WorldEventsError
from worldevents.ledger import open_ledger

url = sys.argv[1]
"""

OPEN = """
async def main():
    async with open_ledger(url) as ledger:
        print(await ledger.epoch())

print("ready", flush=True)
sys.stdin.read()
asyncio.run(main())
"""

OWN = """
async def main():
    try:
        async with open_ledger(url, own=True) as ledger:
            print("owner", flush=True)
            sys.stdin.read()
    except WorldEventsError as error:
        print(error.code, error.detail, flush=True)

asyncio.run(main())
"""


@contextmanager
def running(program: str, url: str) -> Iterator[subprocess.Popen[str]]:
    """A process with this program; what is left of it at the end is killed."""
    command = [sys.executable, "-c", HEADER + program, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def line(process: subprocess.Popen[str]) -> str:
    """The next line that a process says; empty when it has ended."""
    assert process.stdout is not None
    return process.stdout.readline().strip()
