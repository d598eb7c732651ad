"""Every library starts, at the version that is asked for; and what the programs around them say and do not say."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.programs import HERE, ROOT, Program

Start = Callable[..., Program]

LIBRARIES = """
import { readFileSync } from "node:fs";
for (const name of args) {
  const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`));
  tell([version, Object.keys(await import(name))]);
}
"""

USED = {
    "@supabase/supabase-js": "createClient",
    "esbuild": "build",
    "eventsource": "EventSource",
    "phoenix": "Socket",
    "react": "useEffect",
    "react-dom": "createPortal",
    "standardwebhooks": "Webhook",
    "supabase-js-2-90": "createClient",
    "ws": "WebSocketServer",
}
"""What the tests take of each."""


async def test_each_javascript_library_starts_at_its_version(node: Start) -> None:
    """Each library has the version of package.json and what the tests take of it."""
    asked = json.loads((HERE / "package.json").read_text())["dependencies"]
    assert {*USED, "@asyncapi/specs"} == asked.keys()
    async with node(LIBRARIES, *USED) as program:
        for name, used in USED.items():
            version, exports = await program.told()
            assert asked[name].rpartition("@")[2] == version
            assert used in exports
        assert 0 == await program.ended()


async def test_node_has_a_websocket_of_its_own(node: Start) -> None:
    """The wheel's node is new enough for Supabase's client."""
    async with node("tell([Number.parseInt(process.versions.node), typeof WebSocket])") as program:
        major, kind = await program.told()
    assert 24 <= major
    assert "function" == kind


async def test_supabase_for_python_starts_at_its_version(python: Start) -> None:
    """The client is the one of its lock file, and so is the WebSocket library below it."""
    program = """
from importlib.metadata import version
import realtime, websockets
from tests.clients.lines import tell
tell([version("realtime"), websockets.__version__, hasattr(realtime, "AsyncRealtimeClient")])
"""
    locked = (ROOT / "requirements" / "realtime.txt").read_text()
    async with python(program) as running:
        client, below, has_client = await running.told()
        assert 0 == await running.ended()
    assert f"realtime=={client} " in locked
    assert f"websockets=={below} " in locked
    assert has_client


def test_asyncapi_has_its_schema(node_modules: Path) -> None:
    """The schema of AsyncAPI 3.0.0 is there to be read."""
    schema = json.loads((node_modules / "@asyncapi" / "specs" / "schemas" / "3.0.0.json").read_text())
    assert "AsyncAPI 3.0.0 schema." == schema["title"]


def test_a_page_gets_its_libraries_in_one_module(bundle: Callable[[str], str]) -> None:
    """A line that imports Supabase's client, and one of JSX, become a module that imports nothing any more."""
    made = bundle("""
import { createClient } from "@supabase/supabase-js";
import { createRoot } from "react-dom/client";
createRoot(document.body).render(<p>{createClient("http://127.0.0.1:1", "key").realtime.endPoint}</p>);
""")
    assert "RealtimeClient" in made
    assert "\nimport " not in made


def test_a_page_that_cannot_be_made_says_why(bundle: Callable[[str], str]) -> None:
    """The bundler's own words reach the test."""
    with pytest.raises(AssertionError, match='Could not resolve "no-such-library"'):
        bundle('import "no-such-library";')


ECHO = "for (;;) tell([args, await told()]);"
PYTHON_ECHO = """
import asyncio, sys
from tests.clients.lines import tell, told
async def main():
    while True:
        tell([sys.argv[1:], await told()])
asyncio.run(main())
"""


@pytest.mark.usefixtures("no_leaks")
async def test_node_and_the_test_speak_in_turn(node: Start) -> None:
    """Arguments and documents arrive as they were given, and the end of them ends the program."""
    async with node(ECHO, "--flag", 1) as program:
        for document in ({"a": [1, None, "ü\n"]}, "x" * 1_000_000):
            program.tell(document)
            assert [["--flag", "1"], document] == await program.told()
        assert 0 == await program.ended()


@pytest.mark.usefixtures("no_leaks")
async def test_python_and_the_test_speak_in_turn(python: Start) -> None:
    """Arguments and documents arrive as they were given, and the end of them ends the program."""
    async with python(PYTHON_ECHO, "--flag", 1) as program:
        for document in ({"a": [1, None, "ü\n"]}, "x"):
            program.tell(document)
            assert [["--flag", "1"], document] == await program.told()
        assert 0 == await program.ended()


async def test_a_program_in_a_file_imports_the_libraries(node: Start, python: Start, tmp_path: Path) -> None:
    """A file finds them wherever it is, and does not hide one that it is named after."""
    in_node, in_python = tmp_path / "phoenix.mjs", tmp_path / "realtime.py"
    in_node.write_text('import { Socket } from "phoenix"; tell([Socket.name, args]);')
    in_python.write_text(
        "import sys, realtime\n"
        "from tests.clients.lines import tell\n"
        "tell([realtime.AsyncRealtimeClient.__name__, sys.argv[1:]])"
    )
    async with node(str(in_node), "a") as one, python(str(in_python), "b") as two:
        assert ["Socket", ["a"]] == await one.told()
        assert ["AsyncRealtimeClient", ["b"]] == await two.told()


async def test_a_program_that_fails_is_shown(node: Start) -> None:
    """Its end and what it wrote to stderr stand in the test's failure."""
    with pytest.raises(AssertionError, match="ended with 1") as failure:
        async with node('throw new Error("as it happens")') as program:
            await program.told()
    assert "as it happens" in "".join(failure.value.__notes__)


async def test_a_failure_nobody_waited_for_is_shown(node: Start) -> None:
    """A program that failed by itself fails the test, though the test was content."""
    with pytest.raises(AssertionError, match="as it happens"):
        async with node('throw new Error("as it happens")') as program:
            assert 1 == await program.ended()


@pytest.mark.usefixtures("no_leaks")
async def test_a_silent_program_is_shown_and_killed(node: Start) -> None:
    """A wait has an end, and the program does not outlive the test."""
    program = node('console.error("busy"); tell(process.pid); setInterval(() => {}, 1000);')
    with pytest.raises(AssertionError, match=r"said nothing for 0[.]5 s") as failure:
        await _told_again(program)
    assert "busy" in "".join(failure.value.__notes__)
    with pytest.raises(ProcessLookupError):
        os.kill(program.number, 0)


async def _told_again(program: Program) -> None:
    async with program:
        assert program.number == await program.told()
        await program.told(within_s=0.5)


async def test_chatter_is_no_document(node: Start) -> None:
    """A library that writes to stdout is found out."""
    with pytest.raises(AssertionError, match="what is no document"):
        async with node('console.log("hello")') as program:
            await program.told()


async def test_programs_run_side_by_side(node: Start) -> None:
    """Several clients at once, each with its own documents."""
    async with node(ECHO, 1) as one, node(ECHO, 2) as two:
        two.tell("b")
        one.tell("a")
        assert [[["1"], "a"], [["2"], "b"]] == list(await asyncio.gather(one.told(), two.told()))
