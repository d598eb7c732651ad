"""`worldevents openapi`: the description of the HTTP door, for who writes or generates a client."""

from __future__ import annotations

from typing import Any

from worldevents.cli import output
from worldevents.cli.commands.serve import serving
from worldevents.cli.options import Json


def openapi(*, as_json: Json = False) -> None:  # noqa: ARG001 - it is JSON anyway
    """Print the OpenAPI document of the server."""
    import asyncio

    serving()
    output.document(asyncio.run(_described()))


async def _described() -> dict[str, Any]:
    """What the application says of itself, on a database that is removed at once."""
    import tempfile

    from worldevents.api.app import describe
    from worldevents.runtime import open_runtime
    from worldevents.settings import Settings

    with tempfile.TemporaryDirectory(prefix="worldevents-") as folder:
        async with open_runtime(Settings.load(database_url=f"sqlite:///{folder}/openapi.db")) as runtime:
            return describe(runtime)
