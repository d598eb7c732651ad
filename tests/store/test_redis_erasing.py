"""Erasing in a store in Redis: in the order of its outbox, through rewinds and rebuilds, to the last key."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from tests.store.inside import VOLUME, Opened
from worldevents.errors import LedgerBehind, StoreLost, StoreUnavailable
from worldevents.model import Limits, OutlierRule
from worldevents.movements import Erasure
from worldevents.store.redis import users
from worldevents.testing.builders import DURING, a_contribution
from worldevents.testing.clock import ManualClock
from worldevents.testing.store_buffering import OWN

USER, NAME = "Zyx.the.Zeroth", "Zed Zedly"
RULE = OutlierRule(deviations=5, own_least=3, everyones_least=3)


async def begun(opened: Opened) -> Erasure:
    tombstone = opened.store.tombstone(USER)
    return await opened.ledger.begin_erasing(USER, tombstone=tombstone, at=DURING)


async def finish(opened: Opened, erasure: Erasure) -> None:
    """What follows when the ledger has the erasing's rows."""
    await opened.ledger.erase_rest(erasure, at=DURING)
    await opened.store.forget(erasure)
    await opened.ledger.end_erasing(erasure)


async def carried(opened: Opened) -> dict[str, int]:
    """What everybody has, the same on both sides once all is carried."""
    assert await opened.syncer.once()
    (finding,) = await opened.syncer.reconcile(fix=False)
    assert finding.agrees
    told = {one.user_id: one.amount for one in await opened.ledger.users("volume") if one.amount}
    board = (await opened.store.leaderboard("volume", limit=100)).contributors
    assert told == {one.user_id: one.amount for one in board}
    return told


def mine(name: str, amount: int = 10, **told: Any) -> Any:
    return a_contribution(name, amount, user=USER, **told)


def left(opened: Opened) -> set[str]:
    """The keys in which the user is named, whatever they are: in their name, or in what they hold."""
    client, found = opened.client, set()
    for key in client.scan_iter(f"{opened.prefix}:*"):
        match client.type(key):
            case b"hash":
                told: Any = client.hgetall(key)
            case b"zset":
                told = client.zrange(key, 0, -1)
            case b"stream":
                told = client.xrange(key)
            case _:
                told = client.get(key)
        text = repr((key, told))
        if any(word in text for word in (USER, NAME, "raw-")):
            found.add(key.decode().rpartition(":")[2])
    return found


async def test_nothing_in_redis_names_who_was_erased(opened: Opened) -> None:
    """Board, held, days, histories, names, bans, the outbox: all had the user, and none has; the others stay."""
    await opened.publish(Limits(per_contribution=50, per_user_day=100), based_on=1, outliers=RULE)
    await opened.tell(
        mine("raw-1", display_name=NAME), mine("raw-2", 60), a_contribution("b", 7, user="bob", display_name="Bob")
    )
    await opened.ledger.ban_user("cid", at=DURING, reason="x", author="ops")
    assert {USER: 10, "bob": 7} == await carried(opened)
    assert {"board", "held", "days", "shapes", "outbox", "names"} == left(opened)
    before = await opened.store.state("volume")
    erasure = await begun(opened)
    await opened.store.erase("volume", erasure)
    assert {"outbox", "names", "erased"} == left(opened)
    assert {erasure.tombstone: 10, "bob": 7} == await carried(opened)
    await finish(opened, erasure)
    assert set() == left(opened)
    after = await opened.store.state("volume")
    assert (before.total, before.pending, before.participants) == (after.total, after.pending, after.participants)
    assert {b"bob": b"Bob"} == opened.client.hgetall(f"{opened.prefix}:names")
    assert {erasure.tombstone: 10, "bob": 7} == await carried(opened)


async def test_what_was_accepted_before_is_the_tombstones(opened: Opened) -> None:
    """All of it waits in the outbox: before the erasing, the erasing, and what came after."""
    await opened.tell(mine("raw-1"), a_contribution("b", 7, user="bob"))
    erasure = await begun(opened)
    receipt = await opened.store.erase("volume", erasure)
    assert (False, 10, 17) == (receipt.duplicate, receipt.user_contribution, receipt.current_value)
    assert ["counted again", "counted"] == await opened.tell(mine("raw-1"), mine("raw-2", 3))
    assert {erasure.tombstone: 10, USER: 3, "bob": 7} == await carried(opened)
    await finish(opened, erasure)
    assert {erasure.tombstone: 10, USER: 3, "bob": 7} == await carried(opened)


async def test_asked_for_again_it_is_done_once(opened: Opened, clock: ManualClock) -> None:
    """Known by Redis, and long after that by the ledger: what has come since is left alone."""
    await opened.tell(mine("raw-1"))
    erasure = await begun(opened)
    first = await opened.store.erase("volume", erasure)
    await opened.tell(mine("raw-2", 3))
    again = await opened.store.erase("volume", erasure)
    assert (True, first.position) == (again.duplicate, again.position)
    await carried(opened)
    clock.move(timedelta(hours=4))
    again = await opened.store.erase("volume", erasure)
    assert (True, first.position) == (again.duplicate, again.position)
    assert {erasure.tombstone: 10, USER: 3} == await carried(opened)


async def test_a_rewind_gives_nobody_anything(opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    """After a failover the outbox is carried again, in batches with holes between: nothing is another or amiss."""
    for one in range(4):
        await opened.tell(*(mine(f"raw-{one}-{two}") for two in range(5)), a_contribution(f"b{one}", 1, user="bob"))
    erasure = await begun(opened)
    await opened.store.erase("volume", erasure)
    await opened.tell(mine("new", 3))
    before = await carried(opened)
    assert {erasure.tombstone: 200, USER: 3, "bob": 4} == before
    for _ in ("begun", "finished"):
        for batch_max in (1, 1_000):
            opened.syncer._batch_max = batch_max
            mark = await opened.ledger.watermark(VOLUME)
            assert mark is not None
            assert await opened.ledger.rewind(mark, "another", seq=mark.seq) is not None
            opened.syncer._watermarks.clear()
            assert before == await carried(opened)
        if await opened.ledger.erasing(USER):
            await finish(opened, erasure)
    assert [] == [one for one in caplog.records if one.levelno > logging.WARNING]
    assert 6 == opened.client.xlen(opened.key("outbox")), "four of bob's, the erasing, and what came after"


async def test_a_lost_memory_is_built_with_the_tombstone(opened: Opened) -> None:
    """Flushed, Redis does not know old ids any more; the ledger does, and has what counted again taken back."""
    await opened.tell(mine("raw-1"), a_contribution("b", 7, user="bob"))
    erasure = await begun(opened)
    await opened.store.erase("volume", erasure)
    await carried(opened)
    await finish(opened, erasure)
    opened.client.flushall()
    with pytest.raises(StoreLost):
        await opened.store.erase("volume", erasure)
    assert {erasure.tombstone: 10, "bob": 7} == await carried(opened)
    assert set() == left(opened)
    await opened.tell(mine("raw-1"))
    assert {erasure.tombstone: 10, "bob": 7} == await carried(opened)


async def test_long_after_the_window_an_old_id_counts_no_more(opened: Opened, clock: ManualClock) -> None:
    """Redis has forgotten it and counts it for a moment; the ledger has it taken back from who sent it."""
    await opened.tell(mine("raw-1"))
    erasure = await begun(opened)
    await opened.store.erase("volume", erasure)
    await carried(opened)
    await finish(opened, erasure)
    clock.move(timedelta(hours=4))
    assert ["counted", "counted"] == await opened.tell(mine("raw-1"), mine("new", 3))
    assert {erasure.tombstone: 10, USER: 3} == await carried(opened)


async def test_lost_before_the_ledger_had_it_it_is_asked_for_again(opened: Opened) -> None:
    """What Redis alone had is lost with it, the erasing too; the same command again does it."""
    await opened.tell(mine("raw-1"))
    await carried(opened)
    erasure = await begun(opened)
    await opened.store.erase("volume", erasure)
    opened.client.flushall()
    assert {USER: 10} == await carried(opened)
    assert not (await opened.store.erase("volume", erasure)).duplicate
    assert {erasure.tombstone: 10} == await carried(opened)


async def test_what_counted_twice_before_is_taken_back_from_the_tombstone(opened: Opened, clock: ManualClock) -> None:
    """The ledger finds it after the erasing was done in Redis; what counted twice after it is the new user's."""
    await opened.tell(mine("raw-1"))
    await carried(opened)
    clock.move(timedelta(hours=4))
    assert ["counted"] == await opened.tell(mine("raw-1")), "Redis has forgotten it"
    erasure = await begun(opened)
    assert 20 == (await opened.store.erase("volume", erasure)).user_contribution
    await opened.tell(mine("new", 3))
    opened.syncer._batch_max = 1
    assert {erasure.tombstone: 10, USER: 3} == await carried(opened)
    clock.move(timedelta(hours=4))
    assert ["counted"] == await opened.tell(mine("new", 3))
    assert {erasure.tombstone: 10, USER: 3} == await carried(opened)


async def test_the_outbox_is_looked_through_page_by_page(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is before the erasing and the user's goes; what the user has sent since stays."""
    monkeypatch.setattr(users, "PAGE", 2)
    await opened.tell(*(mine(f"raw-{one}") for one in range(5)), a_contribution("b", 7, user="bob"))
    erasure = await begun(opened)
    await opened.store.erase("volume", erasure)
    await opened.tell(mine("new"))
    await carried(opened)
    await finish(opened, erasure)
    found: Any = opened.client.xrange(opened.key("outbox"))
    assert [(b"bob", b"b"), (erasure.tombstone.encode(), b"erase#1"), (USER.encode(), b"new")] == [
        (told[b"u"], told[b"c"]) for _, told in found
    ]


async def test_an_outbox_with_holes_is_trimmed(opened: Opened, clock: ManualClock) -> None:
    """Where all that trimming looks at first was the user's, the entries behind it still go when they are old."""
    holes = {1 + 2**power for power in range(10)}
    for start in range(1, 401, 100):
        names = [USER if start + n in holes else "bob" for n in range(100)]
        await opened.tell(*(a_contribution(f"c{start}-{n}", 1, user=user) for n, user in enumerate(names)))
    erasure = await begun(opened)
    await opened.store.erase("volume", erasure)
    await carried(opened)
    await finish(opened, erasure)
    clock.move(timedelta(minutes=5))
    await opened.tell(a_contribution("last", 1, user="bob"))
    assert await opened.syncer.once()
    assert opened.client.xlen(opened.key("outbox")) < 300


async def test_a_ban_is_dropped_or_kept(opened: Opened) -> None:
    """It is the user's until the end, in a memory that was built in between too: then the user is barred.

    Who is banned anew under the same id stays so.
    """
    await opened.tell(mine("raw-1"))
    ban = await opened.ledger.ban_user(USER, at=DURING, reason="cheats", author="ops")
    await opened.store.ban("volume", ban)
    await carried(opened)
    erasure = await begun(opened)
    await opened.store.erase("volume", erasure)
    assert [USER.encode()] == opened.client.hkeys(opened.key("banned"))
    await carried(opened)
    opened.client.flushall()
    await carried(opened)
    assert [USER.encode()] == opened.client.hkeys(opened.key("banned"))
    await finish(opened, erasure)
    assert [] == opened.client.hkeys(opened.key("banned"))
    assert ["user_banned", "counted again"] == await opened.tell(mine("new"), mine("raw-1"))
    again = await opened.ledger.begin_erasing(USER, tombstone=opened.store.tombstone(USER), at=DURING)
    await opened.ledger.ban_user(USER, at=DURING, reason="cheats", author="ops")
    await opened.store.ban("volume", (await opened.ledger.bans())[-1])
    await opened.store.erase("volume", again)
    await carried(opened)
    opened.client.hset(opened.key("banned"), USER, "9")
    await opened.store.forget(again)
    assert b"9" == opened.client.hget(opened.key("banned"), USER)


async def test_of_another_epoch_nothing_is_looked_through(opened: Opened) -> None:
    """A memory that was built again has nothing of the user: its outbox is new."""
    await opened.tell(mine("raw-1"))
    erasure = await begun(opened)
    await opened.store.erase("volume", erasure)
    await carried(opened)
    opened.client.flushall()
    await carried(opened)
    await opened.tell(mine("new"))
    await finish(opened, erasure)
    assert 1 == opened.client.xlen(opened.key("outbox"))


async def test_what_cannot_be_done_now_changes_no_key(opened: Opened) -> None:
    """A goal that is shut, an outbox that is full, a key of another type: later, and nothing was done."""
    await opened.tell(mine("raw-1"))
    erasure = await begun(opened)
    held = opened.key("held")
    opened.client.set(held, "not ours")
    before = opened.everything()
    with pytest.raises(StoreUnavailable):
        await opened.store.erase("volume", erasure)
    assert before == opened.everything()
    opened.client.delete(held)
    opened.client.hset(opened.key("state"), "bytes", str(10**9))
    with pytest.raises(LedgerBehind):
        await opened.store.erase("volume", erasure)
    opened.client.hset(opened.key("state"), "bytes", "100")
    assert await opened.store.shut({VOLUME: opened.field("epoch")}, token=OWN)
    with pytest.raises(StoreLost):
        await opened.store.erase("volume", erasure)


async def test_who_has_nothing_leaves_a_row_alone(opened: Opened) -> None:
    """There is no place to take."""
    await opened.tell(a_contribution("b", 7, user="bob"))
    erasure = await begun(opened)
    await opened.store.erase("volume", erasure)
    assert {"bob": 7} == await carried(opened)
