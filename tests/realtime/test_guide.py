"""The examples of docs/live.md, as they stand there, on real servers and in real clients."""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from playwright.async_api import expect
from websockets.asyncio.client import connect

from tests.clients.programs import Program
from tests.test_docs import blocks
from tests.unit.issuing import AUDIENCE, ISSUER, SECRET
from tests.web.conftest import OpenPage
from tests.web.served import Served
from worldevents.access_keys import KeyKind, Right
from worldevents.auth import new_key
from worldevents.keyring import keep

pytestmark = [pytest.mark.real, pytest.mark.slow]

PAGE = "docs/live.md"
GOAL = "lift-the-frost"
THERE = "http://localhost:8000"
"""Where the page has its server."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    """Give a server in open mode with the goal of the examples."""
    with Served(tmp_path) as served:
        served.publish(GOAL)
        yield served


def example(language: str, number: int, server: Served) -> str:
    """One example of the page, for a server that is elsewhere."""
    return blocks(PAGE, language)[number].replace(THERE, server.url)


async def test_supabases_client(server: Served, node: Callable[..., Program]) -> None:
    """It prints the goal and its value, and the next one."""
    program = "const updateGoalProgress = (id, value) => tell([id, value]);\n" + example("js", 0, server)
    async with node(program) as page:
        assert [GOAL, 0] == await page.told()
        server.contribute(GOAL, "ada", 102.5)
        assert [GOAL, 102.5] == await page.told()


async def test_a_users_own_topic(tmp_path: Path, node: Callable[..., Program]) -> None:
    """The user is told of the own amount and rank."""
    now = datetime.now(UTC)
    public = new_key("page", kind=KeyKind.PUBLIC, created_at=now, randomness=bytes([1] * 32))
    secret = new_key("game", rights=list(Right), created_at=now, randomness=bytes([2] * 32))
    settings = {"jwt_secret": SECRET, "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
    server = Served(tmp_path, settings, key=secret.text)
    for one in (public, secret):
        await keep(server.database_url, one, migrate=True)
    token = jwt.encode(
        {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": time.time(), "exp": time.time() + 600}, SECRET
    )
    with server:
        server.publish(GOAL)
        program = f"const usersToken = {json.dumps(token)}, showStanding = (...told) => tell(told);\n" + example(
            "js", 1, server
        ).replace("we_pub_…", public.text)
        async with node(program) as page:
            assert [GOAL, 0, None] == await page.told()
            server.contribute(GOAL, "ada", 7)
            assert [GOAL, 7, 1] == await page.told()


async def test_the_program_in_python(server: Served) -> None:
    """It prints what it is told, line by line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-c", example("python", 0, server), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            assert f"{GOAL} 0\n".encode() == await process.stdout.readline()
            server.contribute(GOAL, "ada", 102.5)
            assert f"{GOAL} 102.5\n".encode() == await process.stdout.readline()
    finally:
        process.kill()
        await process.communicate()


async def test_the_frames(server: Served) -> None:
    """Each that is sent is answered by those that follow it on the page; dots stand for what is left out."""
    (told,) = blocks(PAGE, "frames")
    address = f"{server.url.replace('http', 'ws')}/realtime/v1/websocket?vsn=2.0.0&apikey=…"
    async with connect(address) as wire:
        for line in told.splitlines():
            direction, _, text = line.partition(" ")
            if direction == ">":
                await wire.send(text)
            else:
                assert _within(json.loads(text.replace(", …", "")), json.loads(await wire.recv()))


def _within(some: Any, whole: Any) -> bool:
    """Whether a document holds all that another one says."""
    if isinstance(some, dict):
        return all(name in whole and _within(value, whole[name]) for name, value in some.items())
    if isinstance(some, list):
        return len(some) == len(whole) and all(_within(one, other) for one, other in zip(some, whole, strict=True))
    return bool(some == whole)


# In Chromium.


@contextmanager
def elsewhere(html: str, script: str = "") -> Iterator[str]:
    """A page of one's own on a server of its own, which is another origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_script = self.path.endswith(".js")
            self.send_response(200)
            self.send_header("content-type", f"text/{'javascript' if is_script else 'html'}; charset=utf-8")
            self.end_headers()
            self.wfile.write((script if is_script else html).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as pages:
        thread = threading.Thread(target=pages.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{pages.server_address[1]}/"
        finally:
            pages.shutdown()
            thread.join()


SCRIPT = (
    '<!doctype html><link rel="icon" href="data:,"><div id="root"></div><script type="module" src="/page.js"></script>'
)


async def test_a_plain_page(server: Served, open_page: OpenPage) -> None:
    """It shows the value, and goes on after the server was killed."""
    with elsewhere(example("html", 0, server)) as url:
        page = await open_page(url)
        value = page.locator("#value")
        await expect(value).to_have_text("0")
        server.contribute(GOAL, "ada", 102.5)
        await expect(value).to_have_text("102.5")
        server.kill()
        server.start()
        server.contribute(GOAL, "ada", 1)
        await expect(value).to_have_text("103.5", timeout=20_000)


async def test_supabases_client_in_a_page(server: Served, open_page: OpenPage, bundle: Callable[[str], str]) -> None:
    """The same lines as in node, and after a restart it comes back by itself."""
    show = "(id, value) => { document.getElementById('root').textContent = `${id} ${value}` }"
    source = f"const updateGoalProgress = {show};\n{example('js', 0, server)}"
    with elsewhere(SCRIPT, bundle(source)) as url:
        root = (await open_page(url)).locator("#root")
        await expect(root).to_have_text(f"{GOAL} 0")
        server.contribute(GOAL, "ada", 102.5)
        await expect(root).to_have_text(f"{GOAL} 102.5")
        await asyncio.to_thread(server.stop)
        server.start()
        server.contribute(GOAL, "ada", 1)
        await expect(root).to_have_text(f"{GOAL} 103.5", timeout=20_000)


async def test_react(server: Served, open_page: OpenPage, bundle: Callable[[str], str]) -> None:
    """The hook shows the goal, though its effects are mounted twice, and follows it."""
    source = example("jsx", 0, server) + (
        'import { StrictMode } from "react";\n'
        'import { createRoot } from "react-dom/client";\n'
        f'createRoot(document.getElementById("root")).render(<StrictMode><GoalBar goalId="{GOAL}" /></StrictMode>);\n'
    )
    with elsewhere(SCRIPT, bundle(source)) as url:
        page = await open_page(url)
        await expect(page.get_by_role("progressbar")).to_have_attribute("value", "0")
        server.contribute(GOAL, "ada", 250)
        await expect(page.get_by_role("progressbar")).to_have_attribute("value", "250")
        await expect(page.locator("label")).to_contain_text(f"Goal {GOAL}: 25%")


# What the page says of the server.


def test_the_example_of_an_update_has_every_name(server: Served) -> None:
    """And no other."""
    told = json.loads(blocks(PAGE, "json")[0])
    with httpx2.stream("GET", f"{server.url}/v1/stream") as stream:
        line = next(line for line in stream.iter_lines() if line.startswith("data: "))
    assert list(json.loads(line.removeprefix("data: "))) == list(told)
