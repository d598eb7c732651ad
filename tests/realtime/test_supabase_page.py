"""The examples of docs/supabase.md are run: what is published is read, what hosts say is heard."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from tests.clients.programs import Program
from tests.realtime.connected import ALL
from tests.realtime.saying import Keyed, a_message, joined, keyed_server
from tests.servers import PostgresServer
from tests.test_docs import ROOT, answer_to, blocks
from worldevents.live.supabase import Project
from worldevents.settings import Settings

PAGE = "docs/supabase.md"
TEXT = (ROOT / PAGE).read_text()
PROJECT, HERE = "https://abcdefgh.supabase.co", "http://localhost:8000"
Start = Callable[..., Program]


@pytest_asyncio.fixture
async def keyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Keyed]:
    async with keyed_server(tmp_path) as found:
        monkeypatch.setenv("KEY", found.secret)
        yield found


def url_of(keyed: Keyed) -> str:
    return str(keyed.server.client.base_url).rstrip("/")


def test_every_example_is_run() -> None:
    """There are as many as the tests of this file take."""
    found = [len(blocks(PAGE, language)) for language in ("env", "shell", "sql", "js", "sh", "python")]
    assert [1, 1, 1, 2, 1, 1] == found
    assert 2 * sum(found) == TEXT.count("```")


def test_the_settings_are_such() -> None:
    """What stands first names a project."""
    lines = dict(one.split("=") for one in blocks(PAGE, "env")[0].splitlines())
    names = {name.removeprefix("WORLDEVENTS_").lower(): value for name, value in lines.items()}
    settings = Settings.load(**{**names, "supabase_key": names["supabase_key"].replace("…", "x")})
    project = Project(
        url=settings.supabase_url,
        key=settings.supabase_key,
        topic=settings.supabase_topic,
        private=settings.supabase_private,
    )
    assert (PROJECT, "community_goals", True) == (project.url, project.topic, project.private)


def test_the_policy_is_one(postgres: PostgresServer, postgres_url: str) -> None:
    """On tables as a project has them, a player reads the broadcasts of that topic and no others."""
    assert postgres
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for line in (
            "create schema realtime",
            "create table realtime.messages (extension text, topic text)",
            "create function realtime.topic() returns text return current_setting('realtime.topic', true)",
            "alter table realtime.messages enable row level security",
            "drop role if exists authenticated",
            "create role authenticated",
            "grant usage on schema realtime to authenticated",
            "grant select, insert on realtime.messages to authenticated",
            "insert into realtime.messages values ('broadcast', 'x'), ('presence', 'x')",
            blocks(PAGE, "sql")[0],
            "set role authenticated",
        ):
            connection.execute(line.encode())
        counts = []
        for topic in ("community_goals", "lobby"):
            connection.execute("select set_config('realtime.topic', %s, false)", (topic,))
            counts.append(connection.execute("select count(*) from realtime.messages").fetchall())
        assert [[(1,)], [(0,)]] == counts
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("insert into realtime.messages values ('broadcast', 'x')")
        connection.execute("reset role")
        connection.execute("drop owned by authenticated")
        connection.execute("drop role authenticated")


async def test_the_reader_reads_both_forms(keyed: Keyed, node: Start) -> None:
    """A state in the envelope alone, as a project sends it, and one of ours with its fields beside it."""
    program = f"const updateGoalProgress = (id, value) => tell([id, value]);\n{blocks(PAGE, 'js')[0]}"
    async with node(program.replace(PROJECT, url_of(keyed))) as reader:
        # Who joins us has our own goals first.
        assert [["lifts", 0], ["volume", 0]] == sorted([await reader.told() for _ in range(2)])
        said = a_message(event="goal_update", payload={"goalId": "lift-the-frost", "newValue": 5})
        assert 202 == (await keyed.say(said)).status_code
        assert ["lift-the-frost", 5] == await reader.told()


async def test_what_curl_says_is_heard(keyed: Keyed) -> None:
    """To all and to one goal, in a batch and alone."""
    commands = blocks(PAGE, "sh")[0].replace("\\\n", " ").replace("$KEY", keyed.secret)
    asked = [shlex.split(one.replace("lift-the-frost", "volume")) for one in commands.split("\n\n")]
    assert ["curl", "curl"] == [words[0] for words in asked]
    async with AsyncExitStack() as stack:
        phones = [await joined(stack, keyed, topic) for topic in (ALL, "realtime:goal:volume")]
        for words in asked:
            assert "" == await asyncio.to_thread(answer_to, words[1:], url_of(keyed).removeprefix("http://"))
        heard = [(await one.hear()).payload for one in phones]
    assert [("boss_enraged", {"boss": "Frost Giant"}), ("cheer", {"from": "ada"})] == [
        (one["event"], one["payload"]) for one in heard
    ]


async def test_what_clients_say_is_heard(keyed: Keyed, node: Start, python: Start) -> None:
    """Supabase's in JavaScript and in Python."""
    in_node, in_python = blocks(PAGE, "js")[1], blocks(PAGE, "python")[0]
    async with AsyncExitStack() as stack:
        phones = [await joined(stack, keyed, topic) for topic in (ALL, "realtime:user:ada")]
        async with node(in_node.replace(HERE, url_of(keyed))) as program:
            assert 0 == await program.ended()
        async with python(in_python.replace(HERE, url_of(keyed))) as program:
            assert 0 == await program.ended()
        heard = [(await one.hear()).payload for one in phones]
    assert [("boss_enraged", {"boss": "Frost Giant"}), ("gift", {"item": "Snow Crate"})] == [
        (one["event"], one["payload"]) for one in heard
    ]


def test_the_key_is_made_as_the_manual_says() -> None:
    """The command is one that docs/keys.md has."""
    (command,) = re.findall(r"\$\((.*)\)", blocks(PAGE, "shell")[0])
    assert f"$({command})" in (ROOT / "docs" / "keys.md").read_text()
