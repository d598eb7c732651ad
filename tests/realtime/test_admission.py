"""Who gets a connection at all: pages by their origin, and as many from one address as there are places."""

import json
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from websockets.exceptions import InvalidStatus

from tests.api.served import Server, begun, served, watching
from tests.realtime.connected import phone
from worldevents.access_keys import KeyKind
from worldevents.api.connections import Connections
from worldevents.auth import new_key
from worldevents.errors import RateLimited
from worldevents.settings import Settings
from worldevents.testing.builders import DURING

pytestmark = pytest.mark.usefixtures("no_leaks")
PUBLIC = new_key("app", kind=KeyKind.PUBLIC, created_at=DURING, randomness=bytes([1] * 32))


def settings_in(folder: Path, **changes: Any) -> Settings:
    return Settings.load(database_url=f"sqlite:///{folder}/served.db", **changes)


@pytest_asyncio.fixture
async def keyed(tmp_path: Path) -> AsyncIterator[Server]:
    """Give a server with a public key, which pages of one origin may call."""
    settings = settings_in(tmp_path, origins="https://game.example, https://www.game.example/")
    await begun(settings, keys=[PUBLIC.key])
    async with served(settings) as server:
        yield server


@pytest.mark.parametrize("origin", ["https://game.example", "https://www.game.example", "http://localhost:3000", None])
async def test_pages_that_may_call(keyed: Server, origin: str | None) -> None:
    """Those that are named, those of this machine, and what is no page at all."""
    headers = {} if origin is None else {"Origin": origin}
    async with phone(keyed, apikey=PUBLIC.text, additional_headers=headers) as one:
        assert "ok" == (await one.join()).status


async def test_the_servers_own_page_may_call(keyed: Server) -> None:
    """Whatever name it is reached by."""
    headers = {"Origin": "https://goals.example", "Host": "goals.example"}
    async with phone(keyed, apikey=PUBLIC.text, additional_headers=headers) as one:
        assert "ok" == (await one.join()).status


@pytest.mark.parametrize(
    "origin", ["https://elsewhere.example", "null", "https://game.example.elsewhere.example", "", "x"]
)
async def test_other_pages_may_not(keyed: Server, origin: str) -> None:
    """Browsers themselves let any page dial a WebSocket."""
    with pytest.raises(InvalidStatus) as refused:
        async with phone(keyed, apikey=PUBLIC.text, additional_headers={"Origin": origin}):
            pass
    response = refused.value.response
    assert (403, "forbidden", "Origin") == (response.status_code, *_of(response.body, "code", "field"))


def _of(body: bytes | bytearray | None, *names: str) -> list[Any]:
    told = json.loads(body or b"{}")
    return [told[name] for name in names]


async def test_a_server_has_so_many_places(tmp_path: Path) -> None:
    """For streams and sockets together; who leaves makes room, and all else is answered meanwhile."""
    settings = settings_in(tmp_path, connections_max=2)
    await begun(settings)
    async with served(settings) as server:
        async with phone(server) as one, watching(server.client) as events:
            await anext(events)
            with pytest.raises(InvalidStatus) as refused:
                async with phone(server):
                    pass
            response = refused.value.response
            assert (429, ["rate_limited"]) == (response.status_code, _of(response.body, "code"))
            stream = await server.client.get("/v1/stream")
            assert (429, "1") == (stream.status_code, stream.headers["retry-after"])
            assert 201 == await server.contribute("c1", 1)
            assert "ok" == (await one.join()).status
        async with phone(server) as another:
            assert "ok" == (await another.join()).status


def test_one_address_has_so_many_places() -> None:
    """Another one has its own; this machine's have no such bound, for a proxy may stand there."""
    connections = Connections(most=100, per_address=2)

    def scope(address: str | None) -> dict[str, Any]:
        return {"client": None if address is None else (address, 5_000)}

    with ExitStack() as taken:
        for address in ["203.0.113.7"] * 2 + ["203.0.113.8"] + ["127.0.0.1"] * 5 + ["::1"] * 5 + [None] * 5:
            taken.enter_context(connections.place(scope(address)))
        with pytest.raises(RateLimited):
            taken.enter_context(connections.place(scope("203.0.113.7")))
    with connections.place(scope("203.0.113.7")), connections.place(scope("203.0.113.7")):
        assert {"203.0.113.7": 2} == connections._by_address
    assert {} == connections._by_address
