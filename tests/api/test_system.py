"""The door itself: health, metrics, documentation, what is at no address, pages of elsewhere, and a host around it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

import worldevents
from tests.api.door import OPEN_GOAL, Door, opened
from tests.servers import PostgresServer
from worldevents.api.app import create_app
from worldevents.runtime import open_runtime
from worldevents.settings import Settings
from worldevents.testing import ManualClock
from worldevents.testing.builders import DURING

ONE = f"/v1/goals/{OPEN_GOAL}/contributions"
CONTRIBUTION = {"contributionId": "c1", "userId": "ann", "amount": 5}
PROGRESS = f"/v1/goals/{OPEN_GOAL}/progress"


async def test_health_and_version(shared_door: Door) -> None:
    """Alive, ready, and which version."""
    assert {"status": "ok"} == (await shared_door.get("/livez")).json
    assert (200, {"status": "ok"}) == ((answered := await shared_door.get("/readyz")).status, answered.json)
    assert {"version": worldevents.__version__} == (await shared_door.get("/version")).json


async def test_a_server_that_leaves_is_not_ready(door: Door) -> None:
    """503 once it says goodbye; it is alive still."""
    door.runtime.hub.close()
    answered = await door.get("/readyz")
    assert (503, {"status": "unavailable", "code": "closed"}) == (answered.status, answered.json)
    assert 200 == (await door.get("/livez")).status


async def test_without_its_ledger_it_is_not_ready(postgres: PostgresServer, postgres_url: str) -> None:
    """503 with Retry-After while the database is away; afterwards the same contribution counts once."""
    name = postgres_url.rpartition("/")[2]
    settings = Settings(database_url=postgres_url)
    async with open_runtime(settings, clock=ManualClock(DURING)) as runtime:
        await runtime.engine.publish(worldevents.load_event("winter"), author="test")
        door = Door(runtime, create_app(runtime), ManualClock(DURING))
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            away = await door.get("/readyz")
            refused = await door.post(ONE, CONTRIBUTION)
            shown = await door.get(PROGRESS)
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
        assert (503, {"status": "unavailable", "code": "ledger_unavailable"}) == (away.status, away.json)
        assert (503, "ledger_unavailable", None) == refused.refusal
        assert ("1", True, 0) == (
            refused.headers["retry-after"],
            refused.json["retryable"],
            shown.json["goal"]["currentValue"],
        )
        assert [201, 200] == [(await door.post(ONE, CONTRIBUTION)).status for _ in range(2)]
        assert 200 == (await door.get("/readyz")).status


async def test_metrics_are_read_by_prometheus(door: Door) -> None:
    """As text, with what was answered; nothing that a caller made up becomes a label."""
    await door.post(ONE, CONTRIBUTION)
    await door.post("/v1/goals/made-up/contributions", CONTRIBUTION)
    answered = await door.get("/metrics")
    assert answered.headers["content-type"].startswith("text/plain; version=")
    assert f'worldevents_answers_total{{answer="counted",goal="{OPEN_GOAL}"}} 1.0' in answered.body.decode()
    assert b"made-up" not in answered.body


async def test_the_documentation_needs_nobody_else(shared_door: Door) -> None:
    """It names every route, code and example, and nothing of it comes from another host."""
    answered = await shared_door.get("/docs")
    page = answered.body.decode()
    assert (200, "text/html; charset=utf-8") == (answered.status, answered.headers["content-type"])
    assert [] == re.findall(r"""(?:src|href|action)=["']?(?:https?:)?//|url\(|@import|<script""", page)
    assert "default-src 'none'" in answered.headers["content-security-policy"]
    for path in (await shared_door.get("/openapi.json")).json["paths"]:
        assert path in page
    for code in ("amount_invalid", "contribution_conflict", "ledger_unavailable"):
        assert f'id="{code}"' in page


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", ONE, "POST"),
        ("PUT", ONE, "POST"),
        ("DELETE", "/v1/contributions", "POST"),
        ("HEAD", "/v1/actions", "POST"),
        ("OPTIONS", "/v1/actions", "POST"),
        ("POST", "/v1/stream", "GET"),
        ("HEAD", "/v1/stream", "GET"),
        ("POST", "/v1/goals", "GET"),
        ("PATCH", PROGRESS, "GET"),
        ("OPTIONS", PROGRESS, "GET"),
        ("POST", "/v1/admin/events", "PUT"),
        ("GET", "/v1/admin/events/winter-2026/close", "POST"),
        ("DELETE", "/livez", "GET"),
        ("BREW", "/v1/goals", "GET"),
    ],
)
async def test_another_method_is_not_taken(shared_door: Door, method: str, path: str, allowed: str) -> None:
    """405, and the ones that are."""
    answered = await shared_door.ask(method, path)
    assert (405, "method_not_allowed", None) == answered.refusal
    assert allowed == answered.headers["allow"]


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/v1",
            "/v1/",
            "/v1/nothing",
            "/v1/goals/",
            f"/v1/goals/{OPEN_GOAL}",
            f"{PROGRESS}/",
            f"{ONE}/",
            "//v1/goals",
        ),
        *(
            "/v1/goals/a/b/progress",
            "/v1/contributions/",
            "/V1/goals",
            "/v1/stream/",
            "/livez/",
            "/redoc",
            "/docs/oauth2",
        ),
        *("/elements/nothing.js", "/elements/../api/app.py", "/elements/%2e%2e/settings.py", "/.env", "/%ff", "/%00"),
    ],
)
async def test_what_is_not_there(shared_door: Door, path: str) -> None:
    """404 as a problem, and the address is not said back."""
    answered = await shared_door.get(path)
    assert (404, "unknown_route", None) == answered.refusal
    assert {"type", "title", "status", "code", "detail", "retryable"} == answered.json.keys()
    assert "There is nothing at this address." == answered.json["detail"]


async def test_head_is_get_without_a_body(shared_door: Door) -> None:
    """The status and headers of GET; the server leaves the body out."""
    for path in (PROGRESS, "/livez", "/docs", "/v1/goals?status=nope"):
        head, get = await shared_door.ask("HEAD", path), await shared_door.get(path)
        assert (get.status, get.headers) == (head.status, head.headers)


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "https://127.0.0.1:8443", "http://[::1]", "https://game.example"]
)
async def test_a_page_may_ask(declared: Path, tmp_path: Path, origin: str) -> None:
    """A preflight from this machine or a configured place is answered with what it may send."""
    async with opened(declared, tmp_path, origins="https://game.example/, https://other.example") as door:
        for path, method in ((ONE, "POST"), (PROGRESS, "GET"), ("/v1/admin/events", "PUT"), ("/v1/stream", "GET")):
            preflight = await door.ask(
                "OPTIONS",
                path,
                headers={
                    "origin": origin,
                    "access-control-request-method": method,
                    "access-control-request-headers": "authorization, content-type, idempotency-key",
                },
            )
            assert (200, origin) == (preflight.status, preflight.headers["access-control-allow-origin"])
            assert method in preflight.headers["access-control-allow-methods"]
            assert "idempotency-key" in preflight.headers["access-control-allow-headers"]
            assert "access-control-allow-credentials" not in preflight.headers


async def test_a_page_of_elsewhere_may_not(shared_door: Door) -> None:
    """No header lets it in, not at a preflight and not at a refusal."""
    headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    for answered in (
        await shared_door.ask("OPTIONS", ONE, headers=headers),
        await shared_door.ask("POST", ONE, CONTRIBUTION, {"origin": "https://evil.example"}),
        await shared_door.get(PROGRESS, origin="https://evil.example"),
    ):
        assert answered.status in (400, 403)
        assert "access-control-allow-origin" not in answered.headers


async def test_a_page_reads_refusals_too(shared_door: Door) -> None:
    """A page of this machine is told what was wrong, and sees the ETag."""
    origin = "http://localhost:3000"
    refused = await shared_door.ask("POST", ONE, {**CONTRIBUTION, "amount": -1}, {"origin": origin})
    assert ((422, "amount_invalid", "amount"), origin) == (
        refused.refusal,
        refused.headers["access-control-allow-origin"],
    )
    shown = await shared_door.get(PROGRESS, origin=origin)
    assert "etag" in shown.headers["access-control-expose-headers"]
    assert "Origin" in shown.headers["vary"]


@pytest.mark.parametrize("root", ["/community", "/a/b"])
async def test_a_host_may_mount_it(declared: Path, tmp_path: Path, root: str) -> None:
    """Below a path of a host's own application every route is there: bare ones, the framework's and the elements."""
    async with opened(declared, tmp_path) as inner:
        host = Starlette(routes=[Mount(root, app=inner.app)])
        door = replace(inner, app=host)
        assert 201 == (await door.post(root + ONE, CONTRIBUTION)).status
        assert 5 == (await door.get(root + PROGRESS)).json["goal"]["currentValue"]
        assert 200 == (await door.get(f"{root}/livez")).status
        assert 200 == (await door.get(f"{root}/docs")).status
        assert 200 == (await door.get(f"{root}/elements/feed.js")).status
        assert 405 == (await door.get(root + ONE)).status
        assert 404 == (await door.get(ONE)).status
        told = (await door.get(f"{root}/openapi.json")).json
        assert [{"url": root}] == told["servers"]


async def test_a_proxy_may_say_where_it_is(declared: Path, tmp_path: Path) -> None:
    """With a root path that the server was told."""
    async with opened(declared, tmp_path) as inner:
        door = replace(inner, root_path="/community")
        assert 201 == (await door.post(ONE, CONTRIBUTION)).status
        assert 200 == (await door.get(PROGRESS)).status
        assert [{"url": "/community"}] == (await door.get("/openapi.json")).json["servers"]
        assert "servers" not in (await inner.get("/openapi.json")).json
        live = [(await one.get("/asyncapi.json")).json["servers"].values() for one in (door, inner)]
        assert [{"/community"}, {None}] == [{one.get("pathname") for one in servers} for servers in live]


async def test_a_websocket_is_not_taken(shared_door: Door) -> None:
    """It is refused before it begins."""
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        sent.append(message["type"])

    scope = {"type": "websocket", "path": "/v1/stream", "raw_path": b"/v1/stream", "query_string": b"", "headers": []}
    await shared_door.app({**scope, "scheme": "ws", "root_path": "", "subprotocols": []}, receive, send)
    assert ["websocket.close"] == sent
