"""SIGKILL at random moments of December: nothing that was answered is lost, and nothing counts twice."""

import contextlib
import multiprocessing
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.acceptance.december import (
    END,
    START,
    Key,
    december,
    expected_stand,
    first_amounts,
    kept,
    key,
    offers,
    smallest,
    snapshot,
    stand,
    sums,
)
from tests.chaos.replaying import live
from worldevents.demo.replay import prepare
from worldevents.documents import Local
from worldevents.engine import Offer
from worldevents.runtime import open_runtime
from worldevents.settings import Settings

KILLS = 100
DELAY_MS = 30
MORE = 2_000
"""What a life that is to be killed could do beyond its share: more than it does in the time of the delay."""

_NEW_ROWS = """
    SELECT goal_id, user_id, contribution_id, amount, position FROM contribution WHERE position > ? ORDER BY position
"""


@dataclass
class Lives:
    """What the parent knows between two lives: which offers were answered, and which rows it has seen in the ledger."""

    url: str
    offers: Sequence[Offer]
    file: Path
    answers: dict[int, str] = field(default_factory=dict)
    kept: dict[Key, int] = field(default_factory=dict)
    position: int = 0
    unheard: int = 0
    """Rows that a life left in the ledger without having told its answer."""

    def __post_init__(self) -> None:
        self._lines = [_line(number, offer) for number, offer in enumerate(self.offers)]
        # Every life is a process of its own, forked from one that has imported everything and done nothing yet.
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload([live.__module__])

    def left(self) -> list[int]:
        return [number for number in range(len(self.offers)) if number not in self.answers]

    def live(self, kill_after: int | None, delay_ms: float) -> int | None:
        """Run one life on what is left, killed a moment after so many answers (None: never); say how it ended."""
        # A life that is killed gets a part of it, more than it can do: to read it all takes longer than to live.
        most = None if kill_after is None else kill_after + MORE
        self.file.write_text("".join(self._lines[number] for number in self.left()[:most]))
        told, telling = self._processes.Pipe(duplex=False)
        process = self._processes.Process(target=live, args=(self.url, self.file, telling))
        process.start()
        telling.close()
        own: dict[int, str] = {}
        with told, contextlib.suppress(EOFError):
            while answer := told.recv_bytes().decode():
                own[int(answer[:-1])] = answer[-1]
                if len(own) == kill_after:
                    # The one sleep of these tests: a kill is to come at any moment, not always right after an answer.
                    time.sleep(delay_ms / 1000)
                    process.kill()
        process.join()
        self._check(own)
        return process.exitcode

    def _check(self, told: dict[int, str]) -> None:
        """Whatever the moment of the kill: the sums agree, no id is there twice, and a row is behind every answer."""
        self.answers |= told
        found = sums(self.url)
        assert {goal: (total, total, total) for goal, (total, _, _) in found.items()} == found
        heard = {key(self.offers[number]) for number in told}
        for goal, user, contribution, amount, position in self._new_rows():
            assert (goal, user, contribution) not in self.kept
            self.kept[goal, user, contribution] = amount
            self.position = position
            self.unheard += (goal, user, contribution) not in heard
        for number, outcome in told.items():
            offer = self.offers[number]
            assert (outcome == "=") == (smallest(offer) == self.kept[key(offer)])

    def _new_rows(self) -> list[tuple[str, str, str, int, int]]:
        connection = sqlite3.connect(self.url.removeprefix("sqlite:///"))
        try:
            return connection.execute(_NEW_ROWS, (self.position,)).fetchall()
        finally:
            connection.close()


def _line(number: int, offer: Offer) -> str:
    assert offer.occurred_at is not None
    words = (offer.goal_id, offer.user_id, offer.amount, offer.contribution_id, offer.occurred_at.isoformat())
    return f"{number} {' '.join(map(str, words))}\n"


@pytest.mark.timeout(300)
async def test_a_hundred_kills_lose_nothing_and_double_nothing(tmp_path: Path, chance: random.Random) -> None:
    """A process killed a hundred times, whose callers repeat what was not answered, ends at December's figures."""
    settings = Settings(database_url=f"sqlite:///{tmp_path}/ledger.db")
    async with open_runtime(settings) as runtime:
        await prepare(Local(runtime.engine), START, END)
    lives = Lives(settings.database_url, offers(december()), tmp_path / "offers")
    for kill in range(KILLS):
        # On the average two thirds of an equal share of what is left, so that all kills come before the end.
        share = len(lives.left()) / (KILLS - kill + 1)
        ended = lives.live(chance.randint(1, int(share * 4 / 3)), chance.uniform(0, DELAY_MS))
        assert (-signal.SIGKILL, kill) == (ended, kill)
    assert 0 == lives.live(None, 0)
    assert [] == lives.left()
    # The kills were at telling moments: some came between a commit and its answers.
    assert lives.unheard > 0
    assert first_amounts(lives.offers) == lives.kept
    await _check_the_end(settings, lives.offers)


async def _check_the_end(settings: Settings, told: Sequence[Offer]) -> None:
    """The ledger holds every id once with its first amount, and totals, contributors and ranking follow from it."""
    rows = kept(settings.database_url)
    expected = first_amounts(told)
    assert len(expected) == len(rows)
    assert expected == dict(rows)
    async with open_runtime(settings) as runtime:
        assert expected_stand() == await stand(runtime.engine)
        assert [] == [one for one in await runtime.ledger.audit() if not one.agrees]
        for goal_id, seen in (await snapshot(runtime.engine)).items():
            users: Counter[str] = Counter()
            for (goal, user, _), amount in rows:
                users[user] += amount if goal == goal_id else 0
            ranked = sorted((-amount, user) for user, amount in users.items() if amount)
            board = [(-row.amount, row.user_id) for row in seen.board.contributors]
            assert users.total() == seen.state.total
            assert len(ranked) == seen.state.participants == seen.board.participants
            assert ranked[: len(board)] == board
