"""The verbs of the system as a host calls them, over a real store."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from worldevents import errors
from worldevents.actions import Activity, Boss, Workout, WorkoutSet
from worldevents.engine import Engine, Offer, Recorded
from worldevents.model import GoalStatus, Nature, PersonalChallenge, Receipt, Reward, SeasonalEvent
from worldevents.runtime import Runtime, open_runtime
from worldevents.settings import Settings
from worldevents.testing.builders import DURING, ENDS_AT, GRACE, STARTS_AT, a_goal, an_event, in_window
from worldevents.testing.clock import ManualClock
from worldevents.testing.opened import word

pytestmark = pytest.mark.usefixtures("no_leaks")

CHALLENGE = PersonalChallenge(
    id="ten-tons",
    name="Ten tons",
    goal_id="volume",
    target=100,
    reward=Reward(kind="title", name="Strong", nature=Nature.OWNERSHIP),
)


def winter(target: int = 1_000) -> SeasonalEvent:
    """An event with a goal for volume, one for workouts and a hidden one for bosses."""
    hidden = replace(a_goal("bosses", metric="bossesDefeated"), hidden=True)
    return an_event(a_goal(target=target), a_goal("workouts", metric="totalWorkouts"), hidden, challenges=[CHALLENGE])


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(DURING)


@pytest_asyncio.fixture
async def runtime(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Runtime]:
    async with open_runtime(Settings.load(database_url=f"sqlite:///{tmp_path}/ledger.db"), clock=clock) as runtime:
        await runtime.engine.publish(winter(), author="test")
        yield runtime


@pytest.fixture
def engine(runtime: Runtime) -> Engine:
    return runtime.engine


async def test_an_amount_is_in_the_metrics_unit(engine: Engine) -> None:
    """Whole numbers, decimals and decimal strings all mean kilograms."""
    amounts: list[int | Decimal | str] = [10, Decimal("10.0"), "10"]
    for index, amount in enumerate(amounts):
        receipt = await engine.contribute("volume", "ann", amount, contribution_id=f"c{index}")
        assert receipt.contribution.amount == 10
    assert receipt.current_value == 30


@pytest.mark.parametrize(
    ("offer", "code"),
    [
        (Offer("nowhere", "ann", 1, "c1"), "unknown_goal"),
        (Offer("volume", "an n", 1, "c1"), "id_invalid"),
        (Offer("volume", "ann", 1, ""), "id_invalid"),
        (Offer("volume", "ann", 0, "c1"), "amount_invalid"),
        (Offer("volume", "ann", "1.5", "c1"), "amount_invalid"),
        (Offer("volume", "ann", 1, "c1", datetime(2026, 12, 2)), "body_invalid"),  # noqa: DTZ001 - the point
        (Offer("volume", "ann", 1, "c1", None, "\n"), "body_invalid"),
        (Offer("volume", "ann", 1, "c1", STARTS_AT - timedelta(days=1)), "goal_not_open"),
        (Offer("volume", "ann", 1, "c1", DURING + timedelta(hours=1)), "occurred_at_future"),
        (Offer("volume", "ann", 2**53 - 1, "c1"), "limit_exceeded"),
        (Offer("volume", "ann", 11, "c0"), "contribution_conflict"),
    ],
)
async def test_one_offer_raises_what_many_answer(engine: Engine, offer: Offer, code: str) -> None:
    """What a single contribution raises stands in the answers of many, between those that count."""
    await engine.contribute("volume", "ann", 10, contribution_id="c0")
    with pytest.raises(errors.WorldEventsError) as refused:
        await engine.contribute(
            offer.goal_id,
            offer.user_id,
            offer.amount,
            contribution_id=offer.contribution_id,
            occurred_at=offer.occurred_at,
            display_name=offer.display_name,
        )
    assert refused.value.code == code
    good = Offer("workouts", "bob", 1, "c9")
    told = [word(answer) for answer in await engine.contribute_many([good, offer, good])]
    assert told == ["counted", code, "counted again"]
    assert (await engine.progress("volume")).state.total == 10


async def test_an_instant_is_told_in_any_offset(engine: Engine) -> None:
    """An instant with another offset is the same instant in UTC."""
    there = timezone(timedelta(hours=9))
    receipt = await engine.contribute("volume", "ann", 1, contribution_id="c1", occurred_at=DURING.astimezone(there))
    assert receipt.contribution.occurred_at == DURING
    assert receipt.contribution.occurred_at is not None
    assert receipt.contribution.occurred_at.tzinfo is UTC


async def test_an_action_feeds_every_goal_of_its_metrics(engine: Engine) -> None:
    """A workout counts as a workout and as volume, once however often it is reported."""
    workout = Workout(id="w1", user_id="ann", sets=[WorkoutSet(exercise="squat", weight=100, reps=3)])
    recorded = await engine.record(workout)
    assert {one.contribution.goal_id: one.contribution.amount for one in recorded.receipts} == {
        "workouts": 1,
        "volume": 300,
    }
    again = await engine.record(workout)
    assert [receipt.duplicate for receipt in again.receipts] == [True, True]
    assert (await engine.progress("volume", "ann")).user_contribution == 300


async def test_many_actions_are_answered_one_by_one(engine: Engine) -> None:
    """A bad action stands as its error between the good ones; one for no open goal gives nothing."""
    told = await engine.record_many(
        [
            Boss(id="b1", user_id="ann", count=2),
            Boss(id="b2", user_id="ann", count=0),
            Activity(user_id="bob"),
            Boss(id="b3", user_id="ann", occurred_at=STARTS_AT - timedelta(days=1)),
            Boss(id="b1", user_id="ann", count=3),
        ]
    )
    assert isinstance(told[0], Recorded)
    assert isinstance(told[0].receipts[0], Receipt)
    assert isinstance(told[1], errors.AmountInvalid)
    assert told[2:4] == [Recorded(), Recorded()]
    assert isinstance(told[4], Recorded)
    assert [problem.error.code for problem in told[4].problems] == ["contribution_conflict"]


@pytest.mark.parametrize("of", [Activity(user_id="ann"), Boss(id="b1", user_id="ann")], ids=["activity", "boss"])
@pytest.mark.parametrize("ahead", [timedelta(minutes=2), timedelta(days=3_000)])
async def test_an_action_from_the_future_is_refused(
    engine: Engine, tmp_path: Path, of: Activity | Boss, ahead: timedelta
) -> None:
    """Whether or not a goal would take its instant: it is an error, and leaves no mark on a day to come."""
    with pytest.raises(errors.OccurredAtFuture):
        await engine.record(replace(of, occurred_at=DURING + ahead))
    assert days_of_activity(tmp_path) == []


async def test_who_was_there_without_contributing_is_remembered(engine: Engine, tmp_path: Path) -> None:
    """A sign of activity, and an action that no goal takes, mark the user's UTC day, once."""
    earlier = STARTS_AT - timedelta(days=1)
    for _ in range(2):
        await engine.record_many([Activity(user_id="bob"), Boss(id="b1", user_id="ann", occurred_at=earlier)])
    assert days_of_activity(tmp_path) == [("ann", str(earlier.date())), ("bob", str(DURING.date()))]


def days_of_activity(folder: Path) -> list[tuple[str, str]]:
    """What the ledger remembers of who was there, by user."""
    with contextlib.closing(sqlite3.connect(folder / "ledger.db")) as connection:
        return connection.execute("SELECT user_id, day FROM activity ORDER BY user_id").fetchall()


async def test_goals_are_listed_by_status(engine: Engine, clock: ManualClock) -> None:
    """Listed are goals of the asked status, those hidden never, in the order in which they were declared."""
    assert [state.goal.id for state in await engine.goals()] == ["volume", "workouts"]
    assert await engine.goals(GoalStatus.GRACE) == []
    assert [state.goal.id for state in await engine.goals(None, event_id="winter")] == ["volume", "workouts"]
    assert await engine.goals(event_id="summer") == []
    clock.set(ENDS_AT + GRACE)
    assert await engine.goals() == []
    assert len(await engine.goals(GoalStatus.SETTLED)) == 2


async def test_a_board_has_a_bounded_length(engine: Engine) -> None:
    """From 1 to 1000 rows, and ids are checked."""
    assert (await engine.leaderboard("volume", limit=1_000)).contributors == ()
    for limit in (0, 1_001):
        with pytest.raises(errors.BodyInvalid) as refused:
            await engine.leaderboard("volume", limit=limit)
        assert refused.value.field == "limit"
    with pytest.raises(errors.IdInvalid):
        await engine.leaderboard("volume", around="no id")
    with pytest.raises(errors.IdInvalid):
        await engine.progress("volume", "no id")


async def test_a_challenge_is_completed_exactly_at_its_target(engine: Engine) -> None:
    """A personal challenge is measured by what its user gave to the goal."""
    for amount, completed in ((99, False), (1, True)):
        await engine.contribute("volume", "ann", amount, contribution_id=f"c{amount}")
        (progress,) = await engine.challenges("winter", "ann")
        assert progress.completed is completed
    with pytest.raises(errors.UnknownEvent):
        await engine.challenges("summer", "ann")


async def test_publishing_the_same_again_makes_no_version(engine: Engine) -> None:
    """An event as it stands is answered with the version that holds."""
    published = await engine.publish(winter(), author="eve")
    assert (published.version.version, published.version.author, published.changes) == (1, "test", ())
    assert await engine.plan(winter()) == ()


async def test_a_change_makes_a_version(engine: Engine) -> None:
    """A lowered target is version 2, with author, time and reason, and holds at once."""
    published = await engine.publish(winter(900), author="eve", reason="too hard")
    assert (published.version.version, published.version.author, published.version.reason) == (2, "eve", "too hard")
    assert any("target" in change for change in published.changes)
    assert [one.version for one in await engine.history("winter")] == [1, 2]
    assert engine.event("winter").event == winter(900)


async def test_a_broken_promise_is_refused(engine: Engine) -> None:
    """A target cannot rise after the start; nothing has changed."""
    with pytest.raises(errors.EventInvalid, match="target"):
        await engine.publish(winter(1_001), author="eve")
    assert len(await engine.history("winter")) == 1


async def test_after_a_conflict_the_plan_shows_what_others_did(runtime: Runtime) -> None:
    """Somebody else published meanwhile: the change is refused once, then planned from the new state."""
    other = winter(950)
    await runtime.ledger.publish(other, based_on=1, author="other", published_at=DURING, reason="")
    with pytest.raises(errors.EventConflict):
        await runtime.engine.publish(winter(900), author="eve")
    assert runtime.engine.event("winter").event == other
    published = await runtime.engine.publish(winter(900), author="eve")
    assert published.version.version == 3


async def test_an_end_is_moved_and_an_event_closed(engine: Engine, clock: ManualClock) -> None:
    """Extended, an event ends later; closed, it ends now and its grace begins."""
    later = ENDS_AT + timedelta(days=1)
    assert (await engine.extend("winter", later, author="eve", reason="more")).version.event.ends_at == later
    clock.move(timedelta(hours=1))
    closed = await engine.close("winter", author="eve", reason="enough")
    assert closed.version.event == in_window(winter(), STARTS_AT, clock.now())
    assert len(await engine.goals(GoalStatus.GRACE)) == 2
    with pytest.raises(errors.GoalNotOpen):
        await engine.contribute("volume", "ann", 1, contribution_id="c1")


async def test_a_cancelled_event_takes_nothing(engine: Engine) -> None:
    """Called off, an event's goals are cancelled, once and for all."""
    await engine.cancel("winter", author="eve", reason="snow")
    again = await engine.cancel("winter", author="bob", reason="more snow")
    assert (again.version.version, again.version.author) == (2, "eve")
    assert [state.goal.id for state in await engine.goals(GoalStatus.CANCELLED)] == ["volume", "workouts"]
    with pytest.raises(errors.GoalNotOpen):
        await engine.contribute("volume", "ann", 1, contribution_id="c1")
    with pytest.raises(errors.EventInvalid):
        await engine.publish(winter(), author="eve")


async def test_unknown_events(engine: Engine) -> None:
    """Every verb about one event raises UnknownEvent where there is none."""
    with pytest.raises(errors.UnknownEvent):
        engine.event("summer")
    with pytest.raises(errors.UnknownEvent):
        await engine.history("summer")
    with pytest.raises(errors.UnknownEvent):
        await engine.cancel("summer", author="eve", reason="")
