"""What every Python program has: the documents it exchanges with the test, one a line."""

import asyncio
import json
import sys
from functools import cache
from typing import Any


def tell(document: Any) -> None:
    """Say a document to the test."""
    sys.stdout.write(f"{json.dumps(document)}\n")
    sys.stdout.flush()


async def told() -> Any:
    """Wait for the test's next document; end the program when there are no more."""
    line = await (await _connected()).readline()
    if not line:
        raise SystemExit
    return json.loads(line)


@cache
def _connected() -> asyncio.Task[asyncio.StreamReader]:
    return asyncio.create_task(_connect())


async def _connect() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader
