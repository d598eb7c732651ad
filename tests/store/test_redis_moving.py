"""What operators change in a store in Redis: refused as a whole or done as a whole, lost and found again."""

from datetime import timedelta

import pytest

from tests.store.inside import VOLUME, Opened
from worldevents import movements
from worldevents.errors import (
    BelowZero,
    ContributionConflict,
    GoalNotOpen,
    LedgerBehind,
    LimitExceeded,
    StoreLost,
    StoreUnavailable,
    UserBanned,
    WorldEventsError,
)
from worldevents.model import ContributionStatus, Limits, Position, Repair
from worldevents.movements import Movement
from worldevents.testing.builders import DURING, ENDS_AT, GRACE, a_contribution
from worldevents.testing.clock import ManualClock
from worldevents.testing.store_buffering import OWN, corrected, restoration

RELEASED, WITHHELD = ContributionStatus.RELEASED, ContributionStatus.WITHHELD


async def sums(opened: Opened) -> tuple[int, int, int]:
    """Total, pending and contributors, the same on both sides once all is carried."""
    assert await opened.syncer.once()
    (finding,) = await opened.syncer.reconcile(fix=False)
    assert finding.agrees
    state = await opened.store.state("volume")
    return state.total, state.pending, state.participants


@pytest.mark.parametrize(
    ("amount", "error"),
    [(-11, BelowZero), (2**53 - 10, LimitExceeded), (-4, ContributionConflict)],
)
async def test_what_cannot_be_moved_changes_no_key(opened: Opened, amount: int, error: type[WorldEventsError]) -> None:
    """A refusal comes before the first write."""
    await opened.tell(a_contribution("a", 13))
    await opened.store.move([corrected(-3)])
    before = opened.everything()
    with pytest.raises(error):
        await opened.store.move([corrected(amount, "k1" if error is ContributionConflict else "k2")])
    assert before == opened.everything()


async def test_a_held_amount_is_released_no_further(opened: Opened) -> None:
    """More than is held cannot be released, whatever is counted."""
    await opened.publish(Limits(per_contribution=50), based_on=1)
    await opened.tell(a_contribution("a", 60), a_contribution("b", 50))
    with pytest.raises(BelowZero):
        await opened.store.move([Movement(a_contribution(movements.decision("a"), 61), RELEASED)])
    await opened.store.move([Movement(a_contribution(movements.decision("a"), 60), RELEASED)])
    await opened.store.move([Movement(a_contribution(movements.withholding("b"), 50), WITHHELD)])
    assert (60, 50, 1) == await sums(opened)


async def test_after_the_grace_nothing_moves(opened: Opened, clock: ManualClock) -> None:
    """A settled goal stays as it is."""
    await opened.tell(a_contribution("a", 13))
    clock.set(ENDS_AT + GRACE)
    with pytest.raises(GoalNotOpen):
        await opened.store.move([corrected(-3)])


async def test_a_key_of_another_type_stops_no_movement_halfway(opened: Opened) -> None:
    """Somebody has put something else where a key of ours is."""
    await opened.tell(a_contribution("a", 13))
    opened.client.delete(opened.key("held"))
    opened.client.set(opened.key("held"), "not ours")
    before = opened.everything()
    with pytest.raises(StoreUnavailable):
        await opened.store.move([corrected(-3)])
    assert before == opened.everything()


async def test_a_movement_is_known_by_the_ledger_when_redis_has_forgotten_it(
    opened: Opened, clock: ManualClock
) -> None:
    """Long after its window an operator's repeat is still a repeat."""
    await opened.tell(a_contribution("a", 13))
    await opened.store.move([corrected(-3)])
    assert await opened.syncer.once()
    clock.move(timedelta(hours=4))
    (again,) = await opened.store.move([corrected(-3)])
    assert (True, 10) == (again.duplicate, again.user_contribution)
    assert (10, 0, 1) == await sums(opened)


async def test_a_lost_memory_knows_movements_and_bans_again(opened: Opened) -> None:
    """Flushed, it refuses; built again it has the sums, the ids and who is banned."""
    await opened.tell(a_contribution("a", 13), a_contribution("b", 5, user="bob"))
    await opened.store.move([corrected(-3)])
    ban = await opened.ledger.ban_user("bob", at=DURING, reason="cheats", author="ops")
    (moved,) = await opened.store.ban("volume", ban)
    assert await opened.syncer.once()
    opened.client.flushall()
    for change in (opened.store.move([corrected(-3)]), opened.store.ban("volume", ban)):
        with pytest.raises(StoreLost):
            await change
    assert (10, 0, 1) == await sums(opened)
    assert ["user_banned", "counted again"] == await opened.tell(
        a_contribution("c", 1, user="bob"), a_contribution("b", 5, user="bob")
    )
    assert [(True, moved.position, -5)] == [
        (one.duplicate, one.position, one.contribution.amount) for one in await opened.store.ban("volume", ban)
    ]
    (back,) = movements.moved_back("volume", "bob", ban.number, counted=5, held=0)
    with pytest.raises(UserBanned):
        await opened.store.move([back])
    await opened.store.unban(ban, [back], goal_id="volume")
    assert (15, 0, 2) == await sums(opened)


async def test_a_ban_of_who_has_nothing_is_a_ban(opened: Opened) -> None:
    """Nothing is moved, and nothing is taken."""
    ban = await opened.ledger.ban_user("ann", at=DURING, reason="cheats", author="ops")
    assert [] == await opened.store.ban("volume", ban)
    assert ["user_banned"] == await opened.tell(a_contribution("a"))


async def test_what_counted_twice_and_was_moved_is_put_right(opened: Opened, clock: ManualClock) -> None:
    """A correction on the strength of a contribution that Redis had counted twice is taken back with it, and told."""
    await opened.tell(a_contribution("a", 10))
    assert await opened.syncer.once()
    clock.move(timedelta(hours=4))
    assert ["counted"] == await opened.tell(a_contribution("a", 10)), "Redis has forgotten it"
    await opened.store.move([corrected(-15)])
    assert (10, 0, 1) == await sums(opened)
    assert ["BelowZero"] == [one.reason for one in await opened.ledger.dead_letters()]
    (moved,) = await opened.store.move([corrected(-10)])
    assert (False, -10) == (moved.duplicate, moved.contribution.amount), "what was taken back may be done again"
    assert (0, 0, 0) == await sums(opened)


async def test_a_ban_of_what_counted_twice_is_done_again(opened: Opened, clock: ManualClock) -> None:
    """The first one is taken back with the surplus; the user stays refused, and the same ban again moves the rest."""
    await opened.tell(a_contribution("a", 10))
    assert await opened.syncer.once()
    clock.move(timedelta(hours=4))
    await opened.tell(a_contribution("a", 10))
    ban = await opened.ledger.ban_user("ann", at=DURING, reason="cheats", author="ops")
    assert [-20] == [one.contribution.amount for one in await opened.store.ban("volume", ban)]
    assert (10, 0, 1) == await sums(opened)
    assert ["user_banned"] == await opened.tell(a_contribution("b", 1))
    assert [-10] == [one.contribution.amount for one in await opened.store.ban("volume", ban)]
    assert (0, 0, 0) == await sums(opened)


async def test_a_ban_between_two_repairs_comes_later(opened: Opened, clock: ManualClock) -> None:
    """While the user has less than nothing, nobody knows how much there is to move out."""
    await opened.tell(a_contribution("a", 10))
    assert await opened.syncer.once()
    clock.move(timedelta(hours=4))
    await opened.tell(a_contribution("a", 10))
    ban = await opened.ledger.ban_user("ann", at=DURING, reason="cheats", author="ops")
    await opened.store.ban("volume", ban)
    position = Position(opened.field("epoch"), 2)
    await opened.store.take_back([Repair(VOLUME, position, "ann", 10, ContributionStatus.COUNTED)])
    before = opened.everything()
    with pytest.raises(LedgerBehind):
        await opened.store.ban("volume", ban)
    assert before == opened.everything()


async def test_a_ban_after_the_grace_moves_nothing(opened: Opened, clock: ManualClock) -> None:
    """The user is refused, and keeps what there is in a goal that has settled."""
    await opened.tell(a_contribution("a", 10))
    clock.set(ENDS_AT + GRACE)
    ban = await opened.ledger.ban_user("ann", at=DURING, reason="cheats", author="ops")
    assert [] == await opened.store.ban("volume", ban)
    assert (10, 0, 1) == await sums(opened)
    assert ["user_banned"] == await opened.tell(a_contribution("b", 1))


async def test_who_is_refused_follows_the_ledger(opened: Opened, clock: ManualClock) -> None:
    """A ban that the store has missed is made good a minute later, and so is the end of one."""
    await opened.tell(a_contribution("a", 10), a_contribution("b", 5, user="bob"))
    assert await opened.syncer.once()
    ban = await opened.ledger.ban_user("ann", at=DURING, reason="cheats", author="ops")
    clock.move(timedelta(seconds=61))
    assert (15, 0, 2) == await sums(opened), "to move it out is the ban's own"
    assert {"ann": ban.number} == await opened.store.refused(VOLUME)
    assert ["user_banned"] == await opened.tell(a_contribution("c", 1))
    await opened.ledger.lift_ban(ban.number, at=DURING)
    clock.move(timedelta(seconds=61))
    assert await opened.syncer.once()
    assert ["counted"] == await opened.tell(a_contribution("c", 1))


async def test_nobody_fills_in_bans_of_a_goal_that_is_not_his(opened: Opened) -> None:
    """Bans are filled in by who has shut the goal, like all else."""
    assert await opened.store.shut({VOLUME: opened.field("epoch")}, token=OWN)
    base = opened.key("")[:-1]
    assert 0 == opened.client.fcall("worldevents_fill_banned", 1, base, "another", "8-new", "ann", "1")
    assert await opened.store.restore("volume", restoration("8-new"), token=OWN)
    assert ["user_banned"] == await opened.tell(a_contribution("z", 1, user="cid"))
