"""`worldevents openapi`: the description of the HTTP door, for who writes or generates a client."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from worldevents.cli import output
from worldevents.cli.commands.serve import serving
from worldevents.cli.options import Json


def openapi(*, as_json: Json = False) -> None:  # noqa: ARG001 - it is JSON anyway
    """Print the OpenAPI document of the server."""
    import asyncio
    import json

    serving()
    output.document(json.loads(asyncio.run(_get("/openapi.json"))))


async def _get(path: str) -> bytes:
    """What the application answers at an address, on a database that is removed at once."""
    import tempfile

    from worldevents.api.app import create_app
    from worldevents.runtime import open_runtime
    from worldevents.settings import Settings

    body = bytearray()

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        body.extend(message.get("body", b""))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 80),
    }
    with tempfile.TemporaryDirectory(prefix="worldevents-") as folder:
        async with open_runtime(Settings.load(database_url=f"sqlite:///{folder}/openapi.db")) as runtime:
            await create_app(runtime)(scope, receive, send)
    return bytes(body)
