"""Erase and export as verbs: previews that come true, notes, all that is kept; interrupted anywhere, it is finished."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.servers import RedisServer
from worldevents import errors
from worldevents.model import Ack, Limits
from worldevents.moderation import Moderation
from worldevents.movements import By
from worldevents.runtime import Runtime, open_runtime
from worldevents.settings import Settings
from worldevents.testing.builders import a_goal, an_event, in_window

pytestmark = pytest.mark.usefixtures("no_leaks")

OPS = By(author="ops", reason="it is ann-s wish: so said ann. ticket 41")
NOW = datetime.now(UTC)
GOALS = ("volume", "workouts")


@pytest_asyncio.fixture(params=["embedded", pytest.param("redis", marks=pytest.mark.real)])
async def runtime(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Runtime]:
    """A system with a goal that holds what is over 300, and another one."""
    told: dict[str, Any] = {"database_url": f"sqlite:///{tmp_path}/ledger.db", "sync_interval_ms": 20}
    if request.param == "redis":
        told |= {"redis_url": request.getfixturevalue("redis_server").url, "redis_prefix": uuid.uuid4().hex[:8]}
    async with open_runtime(Settings.load(**told)) as runtime:
        event = an_event(a_goal(limits=Limits(per_contribution=300)), a_goal("workouts", metric="totalWorkouts"))
        await runtime.engine.publish(in_window(event, NOW - timedelta(days=1), NOW + timedelta(days=1)), author="test")
        for user, number, amount, name in (("ann", 1, 260, "Ann"), ("ann", 2, 400, None), ("bob", 1, 50, "Bob")):
            await runtime.engine.contribute(
                "volume", user, amount, contribution_id=f"c{number}", display_name=name, ack=Ack.LEDGER
            )
        await runtime.rewards.work_off()
        yield runtime


@pytest.fixture
def moderation(runtime: Runtime) -> Moderation:
    return runtime.moderation


async def board(runtime: Runtime, goal_id: str = "volume") -> list[tuple[int, str, int, str | None]]:
    found = await runtime.engine.leaderboard(goal_id, limit=10)
    return [(one.rank, one.user_id, one.amount, one.display_name) for one in found.contributors]


async def agrees(runtime: Runtime) -> bool:
    assert all(one.agrees for one in await runtime.ledger.audit())
    return runtime.syncer is None or all(one.agrees for one in await runtime.syncer.reconcile(fix=False))


async def test_a_preview_says_what_then_happens(runtime: Runtime, moderation: Moderation) -> None:
    """A preview does and notes nothing; then the tombstone stands where the user stood, and it is noted under it."""
    would = await moderation.erase("ann", by=OPS, preview=True)
    assert (True, None, 2, [("volume", 260, 400, 1)]) == (
        would.is_known,
        would.tombstone,
        would.rows,
        [(one.goal.id, one.amount, one.pending, one.rank) for one in would.shares],
    )
    assert [] == await moderation.notes()
    assert [(1, "ann", 260, "Ann"), (2, "bob", 50, "Bob")] == await board(runtime)
    done = await moderation.erase("ann", by=OPS)
    assert done.tombstone is not None
    assert (would.shares, would.rows, would.grants) == (done.shares, done.rows, done.grants)
    assert [(1, done.tombstone, 260, None), (2, "bob", 50, "Bob")] == await board(runtime)
    (note,) = await moderation.notes()
    assert ("erase", done.tombstone, f"it is {done.tombstone}-s wish: so said {done.tombstone}. ticket 41") == (
        note.action,
        note.subject,
        note.reason,
    )
    assert await agrees(runtime)


async def test_nobody_is_erased_who_is_not_known(runtime: Runtime, moderation: Moderation) -> None:
    """It says so, and changes and notes nothing; so does the same command again when it has ended."""
    await moderation.erase("ann", by=OPS)
    before = await runtime.ledger.notes()
    for user in ("nobody", "ann"):
        told = await moderation.erase(user, by=OPS)
        assert (False, None, 0, []) == (told.is_known, told.tombstone, told.rows, list(told.shares))
    assert before == await runtime.ledger.notes()


@pytest.mark.real
async def test_who_is_on_the_way_to_the_ledger_is_known(
    tmp_path: Path, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what came late no sum tells, and a second later it would have been there under the user's name."""
    told: dict[str, Any] = {"redis_url": redis_server.url, "redis_prefix": uuid.uuid4().hex[:8]}
    settings = Settings.load(database_url=f"sqlite:///{tmp_path}/ledger.db", sync_interval_ms=600_000, **told)
    async with open_runtime(settings) as runtime:
        event = in_window(an_event(a_goal()), NOW - timedelta(days=4), NOW - timedelta(days=3))
        await runtime.engine.publish(event, author="test")
        late = await runtime.engine.contribute(
            "volume", "ann", 5, contribution_id="c", occurred_at=NOW - timedelta(days=3, hours=1)
        )
        would = await runtime.moderation.erase("ann", by=OPS, preview=True)
        done = await runtime.moderation.erase("ann", by=OPS)
        assert ("late", True, 1) == (late.status, would.is_known, would.rows)
        assert done.tombstone is not None
        assert (await runtime.ledger.about("ann")).is_empty
        assert 1 == (await runtime.ledger.about(done.tombstone)).rows

        # Nobody carries: so nobody can say.
        await runtime.engine.contribute(
            "volume", "bob", 5, contribution_id="c", occurred_at=NOW - timedelta(days=3, hours=1)
        )
        monkeypatch.setattr(runtime.moderation._acks, "_nudge", None)
        monkeypatch.setattr(runtime.moderation._acks, "_timeout_s", 0.3)
        with pytest.raises(errors.LedgerBehind):
            await runtime.moderation.erase("bob", by=OPS)


@pytest.mark.parametrize(
    ("user", "by", "error"),
    [
        ("a b", OPS, errors.IdInvalid),
        ("erased#0123456789abcdef", OPS, errors.IdInvalid),
        ("ann", By(author="ops", reason=" "), errors.BodyInvalid),
        ("ann", By(author="", reason="why"), errors.BodyInvalid),
    ],
)
async def test_what_is_wrong_is_refused(
    runtime: Runtime, moderation: Moderation, user: str, by: By, error: type[errors.WorldEventsError]
) -> None:
    """No id, nobody, no reason; a tombstone has nobody behind it."""
    before = await board(runtime)
    with pytest.raises(error):
        await moderation.erase(user, by=by)
    assert before == await board(runtime)


async def test_old_ids_stay_known_and_the_rest_is_new(runtime: Runtime, moderation: Moderation) -> None:
    """A retry of what was there is told as one; whatever else comes begins at nothing."""
    await moderation.erase("ann", by=OPS)
    again = await runtime.engine.contribute("volume", "ann", 260, contribution_id="c1", ack=Ack.LEDGER)
    assert (True, 0, 310) == (again.duplicate, again.user_contribution, again.current_value)
    new = await runtime.engine.contribute("volume", "ann", 5, contribution_id="c9", ack=Ack.LEDGER)
    assert (False, 5, 315) == (new.duplicate, new.user_contribution, new.current_value)
    with pytest.raises(errors.BodyInvalid):
        await moderation.withhold("volume", "ann", "c1", by=OPS)
    assert await agrees(runtime)


async def test_what_is_held_is_decided_for_the_tombstone(runtime: Runtime, moderation: Moderation) -> None:
    """Once, as if nothing had been; a decision from before stands."""
    await runtime.engine.contribute("volume", "ann", 301, contribution_id="c3", ack=Ack.LEDGER)
    first, second = await moderation.holds()
    await moderation.release(first.id, by=OPS)
    tombstone = (await moderation.erase("ann", by=OPS)).tombstone
    assert tombstone is not None
    assert [(second.id, tombstone)] == [(one.id, one.user_id) for one in await moderation.holds()]
    assert (await moderation.release(first.id, by=OPS)).duplicate
    with pytest.raises(errors.HoldDecided):
        await moderation.reject(first.id, by=OPS)
    moved = await moderation.release(second.id, by=OPS)
    assert (tombstone, 961, 0) == (moved.user_id, moved.after.user_contribution, moved.after.user_pending)
    moved = await moderation.correct("volume", tombstone, -60, correction_id="k", by=OPS)
    assert 901 == moved.after.user_contribution
    assert await agrees(runtime)


async def test_a_cheater_does_not_come_back_by_being_erased(runtime: Runtime, moderation: Moderation) -> None:
    """Refused under the same id, until the ban is taken back by that id; what it moved out is the tombstone's."""
    await moderation.ban("ann", by=OPS)
    tombstone = (await moderation.erase("ann", by=OPS)).tombstone
    assert tombstone is not None
    with pytest.raises(errors.UserBanned):
        await runtime.engine.contribute("volume", "ann", 5, contribution_id="c9")
    with pytest.raises(errors.UserBanned):
        await moderation.correct("volume", tombstone, 5, correction_id="k", by=OPS)
    assert (await runtime.engine.contribute("volume", "ann", 260, contribution_id="c1")).duplicate
    would = await moderation.unban("ann", by=OPS, preview=True)
    assert (False, False) == (would.is_banned, would.duplicate)
    assert would == await moderation.unban("ann", by=OPS)
    assert (await moderation.unban("ann", by=OPS)).duplicate
    await runtime.engine.contribute("volume", "ann", 5, contribution_id="c9", ack=Ack.LEDGER)
    (change,) = (await moderation.unban(tombstone, by=OPS)).changes
    assert (260, 400) == (change.after.user_contribution, change.after.user_pending)
    assert await agrees(runtime)


async def test_nothing_is_moved_for_who_is_refused(moderation: Moderation) -> None:
    """A correction under the id of who was banned when erased is refused, by its preview, too, and not noted."""
    await moderation.ban("ann", by=OPS)
    await moderation.erase("ann", by=OPS)
    for preview in (True, False):
        with pytest.raises(errors.UserBanned):
            await moderation.correct("volume", "ann", 5, correction_id="k", by=OPS, preview=preview)
    assert [] == await moderation.notes(subject="ann")


async def test_one_command_takes_again_who_was_banned_twice(runtime: Runtime, moderation: Moderation) -> None:
    """Banned when erased, and banned again under the same id: the end of that ban is the end of both."""
    await moderation.ban("ann", by=OPS)
    await moderation.erase("ann", by=OPS)
    await moderation.ban("ann", by=OPS)
    assert not (await moderation.unban("ann", by=OPS)).duplicate
    assert 5 == (await runtime.engine.contribute("volume", "ann", 5, contribution_id="c9")).user_contribution
    assert (await moderation.unban("ann", by=OPS)).duplicate


async def test_counting_goes_on_meanwhile(runtime: Runtime, moderation: Moderation) -> None:
    """The user goes on contributing while being erased: each is the tombstone's or the new user's, and none is lost."""
    sent = {"ann": 0, "bob": 0}
    enough = asyncio.Event()

    async def play(user: str) -> None:
        while not enough.is_set():
            told = await runtime.engine.contribute("volume", user, 1, contribution_id=f"p{sent[user]}")
            assert not told.duplicate
            sent[user] += 1
            await asyncio.sleep(0)

    async def some_more() -> None:
        least = min(sent.values()) + 20
        while min(sent.values()) < least:  # noqa: ASYNC110 - whoever plays does not wait for us
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        for user in sent:
            tasks.create_task(play(user))
        await some_more()
        tombstone = (await moderation.erase("ann", by=OPS)).tombstone
        await some_more()
        enough.set()
    found = {user: amount for _, user, amount, _ in await board(runtime)}
    assert 50 + sent["bob"] == found["bob"]
    assert 260 + sent["ann"] == found["ann"] + found[tombstone or ""]
    assert min(found["ann"], found[tombstone or ""] - 260) >= 20
    for number in range(sent["ann"]):
        assert (await runtime.engine.contribute("volume", "ann", 1, contribution_id=f"p{number}")).duplicate
    assert await agrees(runtime)


# What is kept about one.


async def test_an_export_is_all_that_is_kept(runtime: Runtime, moderation: Moderation) -> None:
    """Sums and ranks, grants, days, who hid and banned and why, and every row, page by page; of others nothing."""
    await runtime.store.mark_active([("ann", date(2026, 12, 9))])
    await moderation.hide("ann", by=OPS)
    await moderation.correct("volume", "ann", 5, correction_id="k", by=OPS)
    told = await moderation.about("ann")
    assert ("Ann", 3, [date(2026, 12, 9)]) == (told.kept.display_name, told.kept.rows, list(told.kept.days))
    assert [("volume", 265, 400, 1)] == [(one.goal.id, one.amount, one.pending, one.rank) for one in told.shares]
    assert ["correct", "hide"] == [one.action for one in told.notes]
    assert ["tier~volume~25~ann"] == [one.id for one in told.grants]
    rows = await moderation.rows("ann", limit=2)
    rows += await moderation.rows("ann", after=rows[-1].id, limit=2)
    assert [("c1", 260, "counted"), ("c2", 400, "held"), ("correct#k", 5, "corrected")] == [
        (one.contribution_id, one.amount, one.status) for one in rows
    ]
    assert (True, []) == ((await moderation.about("cid")).kept.is_empty, await moderation.rows("cid"))
    with pytest.raises(errors.BodyInvalid):
        await moderation.rows("ann", limit=1_001)
    with pytest.raises(errors.IdInvalid):
        await moderation.about("a#b")


# Interrupted.


class Cut(Exception):
    """The process is gone."""


class Cutting:
    """Something whose verbs end the process: so many of them in, before it is done or when it is."""

    def __init__(self, inner: Any, tick: Callable[[], bool]) -> None:
        self._inner = inner
        self._tick = tick

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in ("begin_erasing", "note", "erase", "erase_rest", "forget", "end_erasing"):
            return found

        async def cut(*args: Any, **kwargs: Any) -> Any:
            if self._tick():
                raise Cut
            told = await found(*args, **kwargs)
            if self._tick():
                raise Cut
            return told

        return cut


@pytest.mark.parametrize("at", range(14))
async def test_cut_anywhere_the_same_command_finishes_it(runtime: Runtime, moderation: Moderation, at: int) -> None:
    """Before or after each step: the same tombstone is left, once, with every figure; nobody is named any more."""
    left = iter(range(at + 1))

    def tick() -> bool:
        return next(left, None) == at

    cutting = Moderation(
        Cutting(runtime.store, tick), Cutting(runtime.ledger, tick), runtime.clock, acks=moderation._acks
    )
    with pytest.raises(Cut):
        await cutting.erase("ann", by=OPS)
    begun = await runtime.ledger.erasing("ann")
    new = await runtime.engine.contribute("volume", "ann", 5, contribution_id="c9", ack=Ack.LEDGER)
    assert not new.duplicate
    told = await moderation.erase("ann", by=OPS)
    assert told.is_known or begun is None
    found = {user: amount for _, user, amount, _ in await board(runtime)}
    assert found.pop("bob") == 50
    assert 265 == sum(found.values())
    if begun is not None:
        assert begun.tombstone in found
        assert told.tombstone == begun.tombstone
    assert await runtime.ledger.erasing("ann") is None
    assert await agrees(runtime)
    if found.pop("ann", None) is None:
        assert (await runtime.ledger.about("ann")).is_empty
    else:
        assert [5] == [one.amount for one in await moderation.rows("ann")]
    assert set(found) <= {user for user in found if user.startswith("erased#")}
