"""The same commands with a server on the database as without: the same words, documents and exit codes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.cli.conftest import Run, window
from tests.cli.served import serving

pytestmark = pytest.mark.slow

LIFT = "lift-the-frost"
BROKEN_EDIT = ("--from", "2020-01-01", "--to", window()[-1])
SCENARIO = [
    "events plan winter {window}",
    "events apply winter {window} --author ada",
    "events apply winter {window} --author bob --reason again",
    "events plan winter {window}",
    "events plan winter {broken}",
    "events list",
    "events list --status settled",
    "rewards grant tier~slay-the-winter-king~100~ada --reason support --author eve",
    "rewards claim tier~slay-the-winter-king~100~ada",
    "rewards revoke tier~slay-the-winter-king~100~ada --reason cheated --author eve",
    "rewards claim tier~slay-the-winter-king~100~ada",
    "rewards claim nothing",
    "rewards report",
    "rewards list --user ada",
    "rewards list --user nobody",
    f"contribute {LIFT} ada 1_000.125 --id w1 --name Ada",
    f"contribute {LIFT} ada 1000.125 --id w1",
    f"contribute {LIFT} ada 1001 --id w1",
    f"contribute {LIFT} bob 9007199254740.991 --id w2",
    f"contribute {LIFT} bob 0.001 --id w3",
    f"contribute {LIFT} bob ten --id w4",
    f"contribute {LIFT} bo/b 10 --id w4",
    f"contribute {LIFT} bob 10 --id w4 --occurred-at 2020-01-01",
    "contribute slay-the-winter-king cyd 1_250 --id b1",
    "contribute no-goal ada 1 --id x",
    "contribute No/goal ada 1 --id x",
    "goals list",
    "goals list --status all",
    "goals list --status cancelled",
    f"goals show {LIFT}",
    "goals show slay-the-winter-king --user cyd",
    "goals show iron-march --user nobody",
    "goals show .. --user nobody",
    f"goals result {LIFT}",
    "goals result ..",
    "events settle winter-2026",
    "events settle nope",
    "events settle ..",
    f"leaderboard {LIFT}",
    f"leaderboard {LIFT} --around bob --limit 1 --user ada",
    f"standing {LIFT} ada",
    f"standing {LIFT} bob",
    f"standing {LIFT} nobody",
    "standing slay-the-winter-king cyd",
    f"standing {LIFT} bo/b",
    "standing No/goal ada",
    "leaderboard iron-march",
    "leaderboard nope",
    f"correct {LIFT} ada -0.125 --id k1 --reason typo --author eve --preview",
    f"correct {LIFT} ada -0.125 --id k1 --reason typo --author eve",
    f"correct {LIFT} ada -0.125 --id k1 --reason typo --author eve",
    f"correct {LIFT} ada 1_000 --id k1 --reason typo --author eve",
    f"correct {LIFT} ada -9_000 --id k2 --reason typo --author eve",
    f"correct {LIFT} ada ten --id k2 --reason typo --author eve",
    f"correct {LIFT} ada -1 --id k2 --author eve",
    "correct nope ada -1 --id k2 --reason typo --author eve",
    f"contribute {LIFT} cyd 100_001 --id w8",
    "holds list",
    "holds list --goal iron-march",
    "holds release 4 --reason seen --author eve --preview",
    "holds release 4 --reason seen --author eve",
    "holds reject 4 --reason seen --author eve",
    "holds reject x/y --reason seen --author eve",
    f"holds add {LIFT} ada w1 --reason strange --author eve",
    f"holds add {LIFT} ada w7 --reason strange --author eve",
    "holds list",
    "users ban cyd --reason cheats --author eve --preview",
    "users ban cyd --reason cheats --author eve",
    "users ban cyd --reason cheats --author eve --yes",
    "users ban cyd --reason cheats --author eve --yes",
    f"contribute {LIFT} cyd 1 --id w10",
    "users hide bob --reason asked --author eve",
    "users hide bo/b --reason asked --author eve",
    "users list",
    f"leaderboard {LIFT}",
    "users unban cyd --reason mistake --author eve",
    "users unhide bob --reason asked --author eve",
    "users list",
    "users audit",
    "users export bob",
    "users export nobody --json",
    "users export bo/b",
    "users erase bob --reason asked --author eve --preview",
    "users erase nobody --reason asked --author eve --yes",
    "users erase bob --reason asked --author eve",
    "users audit --user cyd --limit 1",
    "events show winter-2026",
    "events show nope",
    "events extend winter-2026 --to {later} --reason snow --author eve",
    "events extend winter-2026 --to 2020-01-01 --reason snow",
    "events close winter-2026 --reason thaw --author eve",
    "events close winter-2026 --reason thaw --author eve --yes",
    "events cancel winter-2026 --reason thaw --author eve --yes",
    "events cancel winter-2026 --reason thaw --author eve --yes",
    "events show winter-2026 --user ada",
    f"contribute {LIFT} ada 5 --id w9",
]
MOMENTS = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[0-9:.]*(Z|\+00:00| UTC)")
EPOCHS = re.compile(r'"[0-9]+-[0-9a-f]+(:\d+)?"')


def _lines() -> Iterator[list[str]]:
    words = {"window": " ".join(window()), "broken": " ".join(BROKEN_EDIT), "later": window(60)[-1]}
    for line in SCENARIO:
        yield line.format(**words).split()


def _plain(text: str) -> str:
    """A text without what is another at every run: moments, and the names of a database's order."""
    return EPOCHS.sub("EPOCH", MOMENTS.sub("MOMENT", text))


def _told(run: Run, *more: str) -> list[tuple[str, int, str, str]]:
    answers = [(" ".join(line), run(*line, *more)) for line in _lines()]
    return [(line, said.code, _plain(said.out), _plain(said.err)) for line, said in answers]


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["people", "json"])
def test_every_command_says_the_same_through_a_server(
    worldevents: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    """A whole season, once with the database to itself and once beside its server: no word is another."""
    expected = _told(worldevents, *more)
    monkeypatch.setenv("WORLDEVENTS_DATABASE_URL", f"sqlite:///{tmp_path}/served.db")
    with serving():
        assert expected == _told(worldevents, *more)
    assert {0, 1, 2} == {code for _, code, _, _ in expected}


def _post(url: str, path: str, body: object, key: str) -> int:
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    with urlopen(Request(url + path, json.dumps(body).encode(), headers)) as answer:  # noqa: S310 - our own server
        return int(answer.status)


def test_a_server_is_named_with_its_key(worldevents: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From elsewhere a server is reached by its URL and a key, said as options or by the environment."""
    key = worldevents("token", "create", "--operate", "--json").document["key"]
    with serving() as url:
        # Elsewhere, there is no database.
        monkeypatch.setenv("WORLDEVENTS_DATABASE_URL", f"sqlite:///{tmp_path}/elsewhere.db")
        assert worldevents("events", "apply", "winter", *window(), "--server", url, "--key", key).code == 0
        refused = worldevents("goals", "list", "--server", url)
        assert (refused.code, refused.err.split(":")[0]) == (1, "error unauthorized")
        monkeypatch.setenv("WORLDEVENTS_SERVER", url)
        monkeypatch.setenv("WORLDEVENTS_KEY", key)
        assert len(worldevents("goals", "list", "--json").document["goals"]) == 3
        item = {"contributionId": "w1", "userId": "ada", "amount": "12.5"}
        assert _post(url, f"/v1/goals/{LIFT}/contributions", item, key) == 201
        assert worldevents("leaderboard", LIFT, "--json").document["contributors"][0]["amount"] == 12.5
        # A database that is named stands over the environment's server.
        absent = worldevents("goals", "list", "--database", f"sqlite:///{tmp_path}/none.db")
        assert absent.err.startswith("error configuration_invalid: there is no such database yet")
    assert not (tmp_path / "elsewhere.db").exists()


def test_a_server_that_is_not_there_is_said_so(worldevents: Run) -> None:
    """After a few tries it counts as unreachable; an address that is none is refused at once."""
    said = worldevents("goals", "list", "--server", "http://127.0.0.1:1", "--json")
    assert (said.code, said.problem["code"], said.problem["retryable"]) == (1, "server_unreachable", True)
    said = worldevents("goals", "list", "--server", "localhost:8000")
    assert (said.code, said.err) == (
        1,
        "error configuration_invalid: a server is named as http://127.0.0.1:8000\n",
    )


def test_a_server_and_a_database_exclude_each_other(worldevents: Run) -> None:
    """What cannot be meant together is a usage error; so is a key for nothing."""
    both = worldevents("goals", "list", "--server", "http://127.0.0.1:1", "--database", "sqlite:///x.db")
    assert (both.code, "--server" in both.err) == (2, True)
    alone = worldevents("goals", "list", "--key", "we_secret_x")
    assert (alone.code, "--key" in alone.err) == (2, True)


def test_a_replay_through_a_server_tells_the_same(worldevents: Run, tmp_path: Path) -> None:
    """By both doors, in many requests, the figures are those of a replay in this process."""
    days = ("--from", "2023-12-23", "--to", "2023-12-25", "--json")
    expected = worldevents("replay", *days, "--database", f"sqlite:///{tmp_path}/other.db").document
    with serving() as url:
        assert expected == worldevents("replay", *days, "--server", url).document
        again = worldevents("replay", *days, "--server", url, "--through", "actions").document
    for metric in ("totalVolume", "totalWorkouts", "totalPRs", "bossesDefeated"):
        first, second = expected[metric], again[metric]
        assert first["counted"] + first["duplicates"] == second["duplicates"]
        assert [first[name] for name in ("total", "top", "conflicts")] == [
            second[name] for name in ("total", "top", "conflicts")
        ]
