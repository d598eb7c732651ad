"""What a browser gets: the page with and without a key, below a host's path, and the elements' files."""

from __future__ import annotations

import gzip
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.api.door import OPEN_GOAL, Door, opened
from worldevents.auth import KeyKind, new_key
from worldevents.testing.builders import DURING

PUBLIC = new_key("page", kind=KeyKind.PUBLIC, created_at=DURING, randomness=bytes(32))
SCOPED = new_key("one", kind=KeyKind.PUBLIC, goals=[OPEN_GOAL], created_at=DURING, randomness=bytes([1] * 32))


async def test_without_a_key_the_page_says_how_to_get_one(declared: Path, tmp_path: Path) -> None:
    """401, in words for people, and nothing about any event."""
    async with opened(declared, tmp_path) as door:
        await door.runtime.ledger.add_key(PUBLIC.key)
        await door.runtime.access.refresh()
        for path in ("/", "/events/winter-2026", "/events/nowhere"):
            answered = await door.get(path)
            assert (401, "text/html; charset=utf-8") == (answered.status, answered.headers["content-type"])
            assert b"worldevents token create --public" in answered.body
            assert b"Frost" not in answered.body


async def test_the_page_hands_its_key_to_the_elements(declared: Path, tmp_path: Path) -> None:
    """The key of the address, or the one of the settings, is what the elements read with."""
    async with opened(declared, tmp_path, page_key=PUBLIC.text) as door:
        for key in (PUBLIC, SCOPED):
            await door.runtime.ledger.add_key(key.key)
        await door.runtime.access.refresh()
        own, asked = await door.get("/"), await door.get(f"/?apikey={SCOPED.text}")
        assert (200, 200) == (own.status, asked.status)
        assert f'key="{PUBLIC.text}"' in own.body.decode()
        assert f'key="{SCOPED.text}"' in asked.body.decode()
        assert "iron-march" in own.body.decode()
        assert "iron-march" not in asked.body.decode()


async def test_below_a_hosts_path_the_page_finds_its_elements(declared: Path, tmp_path: Path) -> None:
    """Its own files and the elements' server are named with the path before them."""
    async with opened(declared, tmp_path) as inner:
        door = replace(inner, app=Starlette(routes=[Mount("/community", app=inner.app)]))
        page = (await door.get("/community/")).body.decode()
        assert 'src="/community/elements/define.js"' in page
        assert '<community-goal-banner src="/community"' in page
        assert ' src="/' not in page.replace('"/community', "")


@pytest.mark.parametrize("name", ["define.js", "feed.js", "page.css"])
async def test_the_elements_are_served_small_and_fresh(shared_door: Door, name: str) -> None:
    """As they are in the package, compressed for whoever can read that, and asked for again after an upgrade."""
    plain = await shared_door.get(f"/elements/{name}")
    squeezed = await shared_door.get(f"/elements/{name}", accept_encoding="gzip")
    kept = await shared_door.get(f"/elements/{name}", if_none_match=plain.headers["etag"])

    assert resources.files("worldevents").joinpath("web", name).read_bytes() == plain.body
    assert gzip.decompress(squeezed.body) == plain.body if len(plain.body) > 500 else squeezed.body == plain.body
    assert ("no-cache", "nosniff") == (plain.headers["cache-control"], plain.headers["x-content-type-options"])
    assert (304, b"") == (kept.status, kept.body)
    assert plain.headers["content-type"].startswith("text/css" if name.endswith("css") else "text/javascript")
