"""The verbs of operators over a real store: previews that come true, notes of all that was done, exactly once."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from worldevents import errors
from worldevents.model import Ack, Limits
from worldevents.moderation import Banned, Figures, Moderation
from worldevents.movements import By
from worldevents.runtime import Runtime, open_runtime
from worldevents.settings import Settings
from worldevents.testing.builders import a_goal, an_event, in_window

pytestmark = pytest.mark.usefixtures("no_leaks")

OPS = By(author="ops", reason="ticket 41")
NOW = datetime.now(UTC)


@pytest_asyncio.fixture(params=["embedded", pytest.param("redis", marks=pytest.mark.real)])
async def runtime(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Runtime]:
    """A system with a goal that holds what is over 300, and another one."""
    told: dict[str, Any] = {"database_url": f"sqlite:///{tmp_path}/ledger.db", "sync_interval_ms": 20}
    if request.param == "redis":
        told |= {"redis_url": request.getfixturevalue("redis_server").url, "redis_prefix": uuid.uuid4().hex[:8]}
    async with open_runtime(Settings.load(**told)) as runtime:
        event = an_event(a_goal(limits=Limits(per_contribution=300)), a_goal("workouts", metric="totalWorkouts"))
        await runtime.engine.publish(in_window(event, NOW - timedelta(days=1), NOW + timedelta(days=1)), author="test")
        yield runtime


@pytest.fixture
def moderation(runtime: Runtime) -> Moderation:
    return runtime.moderation


async def give(runtime: Runtime, *amounts: tuple[str, int], goal: str = "volume") -> None:
    for number, (user, amount) in enumerate(amounts):
        await runtime.engine.contribute(goal, user, amount, contribution_id=f"c{number}", ack=Ack.LEDGER)


async def actions(moderation: Moderation) -> list[tuple[str, str]]:
    """What was noted, oldest first."""
    return [(one.action, one.subject) for one in reversed(await moderation.notes())]


def told(figures: Figures) -> tuple[int, int, int, int, int]:
    return (
        figures.total,
        figures.pending,
        figures.participants,
        figures.user_contribution,
        figures.user_pending,
    )


# Corrections.


async def test_a_preview_says_what_then_happens(runtime: Runtime, moderation: Moderation) -> None:
    """Nothing is done and nothing noted by a preview; done for real, the figures are the ones it told."""
    await give(runtime, ("ann", 260), ("bob", 50))
    change: dict[str, Any] = {"correction_id": "k1", "by": OPS}
    would = await moderation.correct("volume", "ann", Decimal(-60), preview=True, **change)
    assert (310, 0, 2, 260, 0) == told(would.before)
    assert (250, 0, 2, 200, 0) == told(would.after)
    assert [] == await moderation.notes()
    moved = await moderation.correct("volume", "ann", "-60", **change)
    assert told(would.after) == told(moved.after)
    assert (Decimal(25),) == would.after.unlocked == moved.after.unlocked
    again = await moderation.correct("volume", "ann", -60, **change)
    assert (True, told(moved.after)) == (again.duplicate, told(again.after))
    assert [("correct", "ann")] == await actions(moderation)


async def test_what_was_done_is_noted_with_its_figures(runtime: Runtime, moderation: Moderation) -> None:
    """Who, why, what, and how it was before and after."""
    await give(runtime, ("ann", 60))
    await moderation.correct("volume", "ann", 240, correction_id="k1", by=OPS)
    (note,) = await moderation.notes(subject="ann")
    assert ("ops", "ticket 41", "correct", "ann") == (note.author, note.reason, note.action, note.subject)
    detail: Any = note.detail
    assert ("volume", "correct#k1", 240) == (detail["goalId"], detail["id"], detail["amount"])
    assert (60, 300) == (detail["before"]["userContribution"], detail["after"]["userContribution"])
    assert ([], ["25"]) == (detail["before"]["unlocked"], detail["after"]["unlocked"])
    assert [] == await moderation.notes(subject="bob")


@pytest.mark.parametrize(
    ("amount", "error"),
    [
        (-61, errors.BelowZero),
        ("-0", errors.AmountInvalid),
        (0, errors.AmountInvalid),
        ("--5", errors.AmountInvalid),
        (True, errors.AmountInvalid),
        (Decimal("0.5"), errors.AmountInvalid),
        (Decimal("nan"), errors.AmountInvalid),
    ],
)
async def test_a_correction_that_cannot_be_is_refused(
    runtime: Runtime, moderation: Moderation, amount: Any, error: type[errors.WorldEventsError]
) -> None:
    """Refused and not noted: nothing has changed."""
    await give(runtime, ("ann", 60))
    with pytest.raises(error):
        await moderation.correct("volume", "ann", amount, correction_id="k1", by=OPS)
    assert [] == await moderation.notes()
    assert 60 == (await runtime.engine.progress("volume", "ann")).user_contribution


async def test_an_id_is_one_correction(runtime: Runtime, moderation: Moderation) -> None:
    """The same id for another amount is a conflict; for another user it is another correction."""
    await give(runtime, ("ann", 60), ("bob", 60))
    await moderation.correct("volume", "ann", -5, correction_id="k1", by=OPS)
    with pytest.raises(errors.ContributionConflict):
        await moderation.correct("volume", "ann", -6, correction_id="k1", by=OPS)
    assert not (await moderation.correct("volume", "bob", -6, correction_id="k1", by=OPS)).duplicate


@pytest.mark.parametrize("by", [By(author="ops", reason=" "), By(author="", reason="why"), By(author="a", reason="\n")])
async def test_nothing_is_done_without_a_reason(runtime: Runtime, moderation: Moderation, by: By) -> None:
    """Every verb that changes something asks who and why."""
    await give(runtime, ("ann", 301))
    (hold,) = await moderation.holds()
    changes: list[Callable[[], Awaitable[object]]] = [
        lambda: moderation.correct("volume", "ann", 5, correction_id="k1", by=by),
        lambda: moderation.release(hold.id, by=by),
        lambda: moderation.ban("ann", by=by),
        lambda: moderation.unban("ann", by=by),
        lambda: moderation.hide("ann", by=by),
    ]
    for change in changes:
        with pytest.raises(errors.BodyInvalid):
            await change()


# Holds.


async def test_a_hold_is_released(runtime: Runtime, moderation: Moderation) -> None:
    """It is listed, counts once, and is listed no more."""
    await give(runtime, ("ann", 400), ("bob", 10))
    (hold,) = await moderation.holds(goal_id="volume")
    assert ("ann", "c0", 400) == (hold.user_id, hold.contribution_id, hold.amount)
    would = await moderation.release(hold.id, by=OPS, preview=True)
    moved = await moderation.release(hold.id, by=OPS)
    assert (410, 0, 2, 400, 0) == told(moved.after) == told(would.after)
    assert (await moderation.release(hold.id, by=OPS)).duplicate
    with pytest.raises(errors.HoldDecided):
        await moderation.reject(hold.id, by=OPS)
    assert [] == await moderation.holds()


async def test_a_hold_is_rejected(runtime: Runtime, moderation: Moderation) -> None:
    """It is gone from what is pending, and never counts."""
    await give(runtime, ("ann", 400))
    (hold,) = await moderation.holds()
    assert (0, 0, 0, 0, 0) == told((await moderation.reject(hold.id, by=OPS)).after)
    with pytest.raises(errors.HoldDecided):
        await moderation.release(hold.id, by=OPS)
    with pytest.raises(errors.UnknownHold):
        await moderation.release(hold.id + 5, by=OPS)


async def test_what_counted_is_held_and_released(runtime: Runtime, moderation: Moderation) -> None:
    """An operator may hold what has counted; it is a hold like any other."""
    await give(runtime, ("ann", 200))
    assert (0, 200, 0, 0, 200) == told((await moderation.withhold("volume", "ann", "c0", by=OPS)).after)
    (hold,) = await moderation.holds()
    assert (200, 0, 1, 200, 0) == told((await moderation.release(hold.id, by=OPS)).after)
    with pytest.raises(errors.BodyInvalid):
        await moderation.withhold("volume", "ann", "nothing", by=OPS)


# Bans.


async def test_a_ban_and_its_end(runtime: Runtime, moderation: Moderation) -> None:
    """The preview comes true in every goal, the user is refused, and the end brings every figure back."""
    await give(runtime, ("ann", 260), ("ann", 400), ("bob", 50))
    await give(runtime, ("ann", 7), goal="workouts")
    would = await moderation.ban("ann", by=OPS, preview=True)
    assert [] == await moderation.notes()
    done = await moderation.ban("ann", by=OPS)
    assert would == done
    assert [(50, 0, 1, 0, 0), (0, 0, 0, 0, 0)] == [told(one.after) for one in done.changes]
    assert [1, 1] == [one.before.user_rank for one in done.changes]
    assert (Decimal(25),) == done.changes[0].after.unlocked
    assert 1 == (await runtime.engine.progress("volume", "bob")).user_rank
    for change in (
        lambda: runtime.engine.contribute("volume", "ann", 5, contribution_id="new"),
        lambda: moderation.correct("volume", "ann", 5, correction_id="k", by=OPS),
    ):
        with pytest.raises(errors.UserBanned):
            await change()
    assert ["ann"] == [one.user_id for one in await moderation.bans()]
    assert (await moderation.ban("ann", by=OPS)).duplicate
    would_be = await moderation.unban("ann", by=OPS, preview=True)
    back = await moderation.unban("ann", by=OPS)
    assert [told(one.after) for one in would_be.changes] == [told(one.after) for one in back.changes]
    assert [one.before for one in done.changes] == [one.after for one in back.changes]
    assert (await moderation.unban("ann", by=OPS)).duplicate
    assert [("ban", "ann"), ("unban", "ann")] == await actions(moderation)
    await runtime.engine.contribute("volume", "ann", 5, contribution_id="new")


async def test_a_ban_says_what_becomes_of_the_grants(runtime: Runtime, moderation: Moderation) -> None:
    """All of them stay; what waits cannot be claimed, and can again afterwards; its preview says the same."""
    await give(runtime, ("ann", 260), ("bob", 250))
    await runtime.rewards.work_off()
    await runtime.rewards.claim("tier~volume~25~ann")

    def granted(told: Banned) -> list[tuple[str, str, bool]]:
        return [(one.id, one.status.value, told.suspends(one)) for one in told.grants]

    expected = [("tier~volume~50~ann", "claimable", True), ("tier~volume~25~ann", "claimed", False)]
    would = await moderation.ban("ann", by=OPS, preview=True)
    assert expected == granted(would)
    assert would == await moderation.ban("ann", by=OPS)
    with pytest.raises(errors.UserBanned):
        await runtime.rewards.claim("tier~volume~50~ann")
    (note,) = await moderation.notes(subject="ann")
    assert {"tier~volume~50~ann": "claimable", "tier~volume~25~ann": "claimed"} == note.detail["grants"]
    back = [(name, status, False) for name, status, _ in expected]
    assert back == granted(await moderation.unban("ann", by=OPS, preview=True))
    assert back == granted(await moderation.unban("ann", by=OPS))
    assert "claimed" == (await runtime.rewards.claim("tier~volume~50~ann")).status.value
    assert [] == list((await moderation.ban("zoe", by=OPS, preview=True)).grants)


async def test_a_standing_says_that_a_user_is_banned(runtime: Runtime, moderation: Moderation) -> None:
    """Beside that nothing counts any more; and not of others, nor when the ban is over."""
    await give(runtime, ("ann", 260), ("bob", 250))
    await moderation.ban("ann", by=OPS)

    async def lacks(user: str) -> list[list[str]]:
        return [[lack.value for lack in one.lacks] for one in (await runtime.engine.standing("volume", user)).tiers]

    assert [["nothing_counted", "banned"]] * 2 == (await lacks("ann"))[:2]
    assert [[]] == (await lacks("bob"))[:1]
    await moderation.unban("ann", by=OPS)
    assert [[], []] == (await lacks("ann"))[:2]


# Hiding.


async def test_the_end_of_a_ban_may_be_repeated(runtime: Runtime, moderation: Moderation) -> None:
    """Whoever built a goal again while a ban ended has the user refused there: the same command again mends it."""
    await moderation.ban("ann", by=OPS)
    (ban,) = await moderation.bans()
    await moderation.unban("ann", by=OPS)
    await runtime.store.ban("volume", ban)
    with pytest.raises(errors.UserBanned):
        await give(runtime, ("ann", 1))
    assert (await moderation.unban("ann", by=OPS)).duplicate
    await give(runtime, ("ann", 1))


async def test_a_hidden_user_counts_and_is_not_shown(runtime: Runtime, moderation: Moderation) -> None:
    """The row is left out, everything else is as before; shown again it is back."""
    await give(runtime, ("ann", 60), ("bob", 50))
    assert await moderation.hide("ann", by=OPS, preview=True)
    assert await moderation.hide("ann", by=OPS)
    assert not await moderation.hide("ann", by=OPS)
    board = await runtime.engine.leaderboard("volume", user_id="ann")
    assert [(2, "bob")] == [(row.rank, row.user_id) for row in board.contributors]
    assert (2, 1) == (board.participants, board.user and board.user.rank)
    assert await moderation.unhide("ann", by=OPS)
    assert 2 == len((await runtime.engine.leaderboard("volume")).contributors)
    assert [("hide", "ann"), ("unhide", "ann")] == await actions(moderation)
