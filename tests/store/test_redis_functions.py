"""What only a store in Redis can suffer: wrong keys, no memory, other functions; nothing is half done."""

import logging
from datetime import timedelta
from typing import Any

import pytest
import redis

from tests.servers import RedisServer
from tests.store.inside import BOUNDS, VOLUME, Opened
from worldevents.errors import StoreLost, StoreUnavailable
from worldevents.ledger import open_ledger
from worldevents.model import Broadcast, Limits, OverLimit, Position, Unreadable
from worldevents.store.redis import RedisStore
from worldevents.store.redis import connection as connections
from worldevents.testing.builders import DURING, a_contribution, a_goal, an_event
from worldevents.testing.clock import ManualClock

HOUR = timedelta(hours=1)


# Refused as a whole: nothing is written.


@pytest.mark.parametrize(
    "name", ["state", "goal", "board", "held", "days", "shapes", "shape", "outbox", "undone", "hours", "banned"]
)
async def test_a_key_of_another_type_stops_nothing_halfway(opened: Opened, name: str) -> None:
    """Somebody has put something else where a key of ours is: callers hear of it, and nothing is changed."""
    opened.client.delete(opened.key(name))
    opened.client.set(opened.key(name), "not ours")
    before = opened.everything()
    assert ["store_unavailable"] == await opened.tell(a_contribution("a"))
    assert before == opened.everything()


async def test_a_server_without_memory_does_nothing_by_halves(opened: Opened) -> None:
    """Redis refuses to write: callers are told to come again, reading goes on, and then all goes on."""
    await opened.tell(a_contribution("a"))
    before = opened.everything()
    opened.client.config_set("maxmemory", "1")
    try:
        assert ["store_unavailable"] == await opened.tell(a_contribution("b"))
        assert 10 == (await opened.store.state("volume")).total
    finally:
        opened.client.config_set("maxmemory", "0")
    assert before == opened.everything()
    assert ["counted"] == await opened.tell(a_contribution("b"))


async def test_an_amount_that_is_none_is_refused(opened: Opened) -> None:
    """What could never come from the engine does not get in by the back door either."""
    for amount in (0, -5):
        told = await opened.tell(a_contribution("a", 7), a_contribution("b", amount))
        assert ["store_unavailable"] * 2 == told
    assert 0 == (await opened.store.state("volume")).total


# The functions themselves.


async def test_functions_that_are_missing_are_loaded(opened: Opened) -> None:
    """Somebody has flushed the functions: the next call brings them back."""
    opened.client.function_flush()
    assert ["counted"] == await opened.tell(a_contribution("a"))


@pytest.mark.parametrize(("there", "then"), [("0", str(connections.VERSION)), ("99", "99")])
async def test_older_functions_are_replaced_and_newer_ones_are_not(
    opened: Opened, redis_server: RedisServer, there: str, then: str
) -> None:
    """Who connects brings the functions up to date; a process of the version before leaves newer ones alone."""
    ours = connections.LIBRARY
    opened.client.function_load(
        ours.replace(f"VERSION = '{connections.VERSION}'", f"VERSION = '{there}'"), replace=True
    )
    try:
        async with connections.connected(redis_server.url):
            found: Any = opened.client.fcall("worldevents_version", 0)
        assert then == found.decode()
    finally:
        opened.client.function_load(ours, replace=True)


# What Redis is set to.


async def test_a_server_without_a_file_is_warned_of(tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Without an append-only file it works, and every start says what that means; `fsynced` is not promised."""
    with RedisServer({"appendonly": "no"}) as server, caplog.at_level(logging.WARNING):
        async with (
            open_ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger,
            RedisStore.open(server.url, ledger) as store,
        ):
            assert not store.can_flush
    assert "Redis has no append-only file" in caplog.text


# The way there.


@pytest.mark.parametrize(
    "error",
    [
        redis.ConnectionError("gone"),
        redis.RedisClusterException("no node answers"),
        OSError("reset"),
        TimeoutError(),
        # uvloop's word for a connection that was closed a moment before.
        RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed"),
        # What redis-py meets where a cluster is looked at anew while it connects.
        AttributeError("'NoneType' object has no attribute 'writelines'", name="writelines", obj=None),
    ],
    ids=lambda one: type(one).__name__,
)
async def test_whatever_the_driver_raises_is_told_as_ours(error: Exception) -> None:
    """A connection that is lost has many names."""
    with pytest.raises(StoreUnavailable), connections.failing():
        raise error


@pytest.mark.parametrize("mistake", [RuntimeError("ours"), AttributeError("ours", name="total", obj=None)])
async def test_a_mistake_of_our_own_keeps_its_name(mistake: Exception) -> None:
    """It is no server that is away."""
    with pytest.raises(type(mistake), match="ours"), connections.failing():
        raise mistake


# Judging.


async def test_what_a_goal_cannot_hold_is_refused(opened: Opened) -> None:
    """A total stays below 2^53, for then it is exact."""
    assert ["counted", "limit_exceeded"] == await opened.tell(
        a_contribution("a", 2**53 - 1), a_contribution("b", 1, user="bob")
    )


async def test_limits_hold_or_refuse(opened: Opened) -> None:
    """Each of the three limits, one after the other, for those who hold and those who refuse."""
    await opened.publish(Limits(per_contribution=50, per_user=80), based_on=1)
    assert ["held", "counted", "held", "counted"] == await opened.tell(
        a_contribution("a", 51), a_contribution("b", 50), a_contribution("c", 31), a_contribution("d", 30)
    )
    await opened.publish(Limits(per_contribution=50, over=OverLimit.REFUSE), based_on=2)
    assert ["limit_exceeded", "counted"] == await opened.tell(a_contribution("e", 51), a_contribution("f", 50))
    assert ["counted"] == await opened.tell(a_contribution("g", 1, user="bob"))


async def test_what_is_only_held_is_restored_as_that(opened: Opened) -> None:
    """A user without a counted amount is not on the board, before a restoration or after it."""
    await opened.publish(Limits(per_contribution=50), based_on=1)
    assert ["held"] == await opened.tell(a_contribution("a", 51))
    assert await opened.syncer.once()
    opened.client.flushall()
    assert await opened.syncer.once()
    state = await opened.store.state("volume")
    assert (0, 51, 0) == (state.total, state.pending, state.participants)


async def test_the_future_is_refused(opened: Opened) -> None:
    """What has not happened is not counted, but for a minute by which clocks differ."""
    assert ["counted", "occurred_at_future"] == await opened.tell(
        a_contribution("a", occurred_at=DURING + timedelta(seconds=60)),
        a_contribution("b", occurred_at=DURING + timedelta(seconds=61)),
    )


async def test_what_comes_late_is_no_update(opened: Opened, clock: ManualClock) -> None:
    """After the grace a contribution is kept, changes no sum, and is told to nobody."""
    before = await opened.store.state("volume")
    clock.set(before.goal.ends_at + before.goal.grace)
    assert ["late"] == await opened.tell(a_contribution("a", occurred_at=DURING))
    assert before == await opened.store.state("volume")
    assert await opened.syncer.once()
    assert 1 == len([one for one in await opened.ledger.look_up([a_contribution("a")]) if one])


async def test_a_limit_by_day_that_comes_later_counts_what_was(opened: Opened) -> None:
    """With a new limit by day a goal takes nothing until its days were brought from the ledger; then they count."""
    await opened.tell(a_contribution("a", 40))
    event = an_event(a_goal(target=10**15, limits=Limits(per_user_day=50)))
    await opened.ledger.publish(event, based_on=1, author="test", published_at=DURING, reason="")
    await opened.store.announce("winter")
    assert ["store_lost"] == await opened.tell(a_contribution("b", 11))
    assert await opened.syncer.once()
    assert ["held", "counted"] == await opened.tell(a_contribution("b", 11), a_contribution("c", 10))


# Standing.


async def test_a_standing_is_asked_by_user_or_by_amount(opened: Opened) -> None:
    """A user's own partition knows the amount; another one is told it. Zero is written without a sign."""
    await opened.tell(a_contribution("a", 5), a_contribution("b", 5, user="bob"), a_contribution("c", 9, user="cid"))
    base = opened.key("")[:-1]

    def told(*asked: str) -> list[Any]:
        found: Any = opened.client.fcall("worldevents_standing", 1, base, *asked)
        return [int(one) if one else None for one in found[1:]]

    assert [5, 0, 1, 2, 9, 1, 3, 1] == told("ann", "", "1", "6")
    assert [9, 0, 0, 1, None, 0] == told("ann", "9")
    assert [0, 0, 3, 0, 5, 2] == told("zoe", "")
    assert [2**53 - 1, 0, 0, 0, None, 0, 3] == told("zoe", str(2**53 - 1), "5")


async def test_a_store_that_was_lost_tells_no_standing(opened: Opened) -> None:
    """Whoever asks is told to come again, as with everything else."""
    await opened.tell(a_contribution("a", 5))
    opened.client.flushall()
    with pytest.raises(StoreLost):
        await opened.store.standing("volume", "ann")


# The outbox.


async def test_what_is_acknowledged_goes_when_it_is_old(opened: Opened, clock: ManualClock) -> None:
    """Of what the ledger has, the newest and the youngest stay; the rest goes, and nothing else does."""
    for number in range(4):
        await opened.tell(*(a_contribution(f"{number}-{n}", 1) for n in range(100)))
        assert await opened.syncer.once()
    assert 400 == opened.client.xlen(opened.key("outbox"))
    clock.move(timedelta(seconds=61))
    await opened.tell(a_contribution("last", 1))
    assert await opened.syncer.once()
    assert 1 <= opened.client.xlen(opened.key("outbox")) <= 200
    assert 401 == (await opened.store.state("volume")).total


async def test_more_than_enough_goes_though_it_is_young(opened: Opened) -> None:
    """Beyond the count that is kept, age does not matter; an outbox that is empty is no trouble."""
    opened.client.delete(opened.key("outbox"))
    await opened.store.acknowledge(VOLUME, Position(opened.field("epoch"), 0))
    for number in range(8):
        await opened.tell(*(a_contribution(f"{number}-{n}", 1) for n in range(100)))
    await opened.store.acknowledge(VOLUME, Position(opened.field("epoch"), 800))
    assert BOUNDS.kept_max <= opened.client.xlen(opened.key("outbox")) <= BOUNDS.kept_max + 100


async def test_bytes_have_a_bound_too(opened: Opened) -> None:
    """Entries with long names fill the outbox sooner than their number does."""
    told: list[str] = []
    while told[-1:] != ["ledger_behind"]:
        told += await opened.tell(a_contribution(f"{len(told)}", 1, display_name="N" * 200))
    assert 300 < len(told) < 500


async def test_what_nobody_can_read_is_a_dead_letter(opened: Opened) -> None:
    """An entry that was tampered with is put aside, the others are carried, and the sums are the ledger's."""
    await opened.tell(a_contribution("a", 5), a_contribution("b", 6), a_contribution("c", 7))
    opened.client.xdel(opened.key("outbox"), "3-0")
    opened.client.hset(opened.key("state"), "last", "4")
    opened.client.xadd(opened.key("outbox"), {"u": "ann"}, id="4-0")
    found = await opened.store.backlog(VOLUME, after=0, limit=9)
    assert [False, False, True] == [isinstance(one, Unreadable) for one in found.entries]
    assert await opened.syncer.once()
    (letter,) = await opened.ledger.dead_letters()
    assert (4, "it cannot be read") == (letter.position.seq, letter.reason)
    assert 11 == (await opened.store.state("volume")).total == (await opened.ledger.totals())["volume"].total


async def test_ids_go_when_their_window_has_passed(opened: Opened, clock: ManualClock) -> None:
    """Redis remembers ids for the window; after that the ledger knows them."""
    await opened.tell(a_contribution("a", 5))
    assert await opened.syncer.once()
    assert opened.client.keys(f"{opened.key('seen')}:*")
    clock.move(4 * HOUR)
    await opened.tell(a_contribution("b", 5))
    assert await opened.syncer.once()
    assert 1 == opened.client.zcard(opened.key("hours"))
    assert ["counted"] == await opened.tell(a_contribution("a", 5)), "until the syncer has looked"
    assert await opened.syncer.once()
    assert 10 == (await opened.store.state("volume")).total
    assert ["counted again"] == await opened.tell(a_contribution("a", 5, occurred_at=DURING))


# Reading.


async def test_a_board_with_ties_is_by_name(opened: Opened) -> None:
    """Among equals the order is by user id, wherever one looks in."""
    users = [f"u{number}" for number in range(9)]
    await opened.tell(*(a_contribution("a", 5, user=user) for user in reversed(users)), a_contribution("a", 9))
    for user in users:
        found = await opened.store.leaderboard("volume", limit=3, around=user)
        assert user in [row.user_id for row in found.contributors]
        assert sorted(found.contributors, key=lambda row: (-row.amount, row.user_id)) == list(found.contributors)


# Speaking.

ONE, TWO = "one", "two"


async def test_a_role_is_taken_renewed_and_given_up(opened: Opened) -> None:
    """Its key holds who has it for so long; nobody else's asking changes that, or ends it."""
    key = f"{opened.prefix}:role:speaker"
    assert await opened.store.lead("speaker", token=ONE, ttl_s=60)
    assert not await opened.store.lead("speaker", token=TWO, ttl_s=3_600)
    await opened.store.resign("speaker", token=TWO)
    left: Any = opened.client.pttl(key)
    assert 0 < left <= 60_000
    assert await opened.store.lead("speaker", token=ONE, ttl_s=3_600)
    left = opened.client.pttl(key)
    assert 60_000 < left <= 3_600_000
    await opened.store.resign("speaker", token=ONE)
    assert 0 == opened.client.exists(key)
    await opened.store.resign("speaker", token=ONE)


async def test_a_role_of_another_type_is_nobodys(opened: Opened) -> None:
    """Somebody has put something else there: nobody leads, and it stays."""
    opened.client.hset(f"{opened.prefix}:role:speaker", "not", "ours")
    before = opened.everything()
    with pytest.raises(StoreUnavailable):
        await opened.store.lead("speaker", token=ONE, ttl_s=60)
    assert before == opened.everything()


async def test_what_is_no_broadcast_is_left_out(opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    """Something that another version says on the channel does not stop those who listen."""
    with opened.store.broadcasts() as heard:
        for strange in (
            b"?",
            b"{}",
            b"5",
            b"[[1, 2]]",
            b'[["id", "topic", "event", 5]]',
            b'[["i", "t", "e", "\\u00e9"]]',
        ):
            opened.store._hear_said(strange)
        opened.store._hear_said(b'[["id", "topic", "event", "{}"]]')
        assert Broadcast(id="id", topic="topic", event="event", payload=b"{}") == await anext(heard)
    assert 5 == len([one for one in caplog.messages if "cannot be read" in one])
