"""What has to be true when everybody is well again, whatever happened before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from worldevents.model import Ack, ContributionStatus
from worldevents.testing.simulation.database import POISON, Key, key_of
from worldevents.testing.simulation.scenario import Fault, Offered
from worldevents.testing.simulation.world import World

COUNTED, HELD = ContributionStatus.COUNTED, ContributionStatus.HELD


def complaints(world: World, differences: float) -> list[str]:
    """All that is amiss; `differences` is how often a syncer found the two sides at different sums."""
    found = [*world.complaints, *_sums(world), *_users(world), *_rows(world), *_answers(world), *_tiers(world)]
    if differences and not world.may_differ:
        found.append(f"a syncer found {differences:g} differences, and nothing had made them")
    if world.server.shut_open and _is_calm(world):
        found.append(f"a goal was built again without a reason: {list(world.database.tables.epochs.values())}")
    return found


def _is_calm(world: World) -> bool:
    """Whether nothing gives a reason to build a goal again: no loss, and no call that is done after its time."""
    is_whole = world.plan.bounds.partitions == 1
    return is_whole and not any(world.plan.trouble) and not world.loses and not world.plan.has(Fault.KILL)


def _sums(world: World) -> Iterator[str]:
    """Rows, totals, users, counter and sorted set are one sum, counted and held."""
    tables, server = world.database.tables, world.server
    for goal_id, totals in tables.totals.items():
        rows = [kept.entry for kept in tables.rows.values() if kept.entry.contribution.goal_id == goal_id]
        users = [sums for (goal, _), sums in tables.users.items() if goal == goal_id]
        shares = [server.share(one) for one in server.partitions(goal_id)]
        for which, status in enumerate((COUNTED, HELD)):
            sums = {
                "rows": sum(one.contribution.amount for one in rows if one.status is status),
                "total": (totals.total, totals.pending)[which],
                "users": sum(own[which] for own in users),
                "counter": sum((one.total, one.pending)[which] for one in shares),
                "sorted set": sum(own[which] for one in shares for own in one.users.values()),
            }
            if len(set(sums.values())) > 1:
                yield f"{goal_id} {status}: {sums}"


def _users(world: World) -> Iterator[str]:
    """Every user has the same on both sides."""
    for (goal_id, user_id), sums in world.database.tables.users.items():
        own = world.server.share(world.server.partition_of(goal_id, user_id)).users.get(user_id, (0, 0))
        if own != sums:
            yield f"{user_id} has {own} of {goal_id} in the store, {sums} in the ledger"


def _rows(world: World) -> Iterator[str]:
    """Every row was offered, every acknowledged contribution is a row, but what a lost memory alone had."""
    offered: dict[Key, set[int]] = {}
    for one in (one for own in world.plan.offered for one in own):
        offered.setdefault(_key(one), set()).add(one.amount)
    rows = world.database.tables.rows
    for key, kept in rows.items():
        if kept.entry.contribution.amount not in offered[key]:
            yield f"{key} has an amount that nobody offered"
    for one, receipt in world.heard.receipts:
        key = key_of(receipt.contribution)
        if key not in rows and key not in world.may_be_lost and not one.contribution_id.startswith(POISON):
            yield f"lost: {one}, answered as {receipt}"
    letters = world.database.tables.dead_letters.values()
    strange = [one for one in letters if POISON not in one.payload and not world.plan.has(Fault.CORRUPT)]
    if strange:
        yield f"dead letters without a reason: {strange}"


def _answers(world: World) -> Iterator[str]:
    """Nobody is told twice that the same contribution was counted for the first time."""
    is_short = world.plan.bounds.window.total_seconds() < 1
    firsts = Counter(_key(one) for one, receipt in world.heard.receipts if not receipt.duplicate)
    by_ledger = Counter(
        _key(one) for one, receipt in world.heard.receipts if one.ack is Ack.LEDGER and not receipt.duplicate
    )
    if world.plan.has(Fault.STALE):
        # A memory that went back may count a contribution again in the very place where the ledger has it.
        return
    yield from (f"{key} was counted {times} times by the ledger" for key, times in by_ledger.items() if times > 1)
    if not is_short and not world.loses:
        yield from (f"{key} was counted {times} times" for key, times in firsts.items() if times > 1)


def _tiers(world: World) -> Iterator[str]:
    """What the total reaches is unlocked, once, on both sides; nothing else is."""
    tables = world.database.tables
    for version in tables.events.values():
        for goal in version.event.goals:
            total = tables.totals[goal.id].total
            reached = {tier.threshold for tier in goal.tiers if tier.threshold_value <= total}
            unlocked = {threshold for goal_id, threshold in tables.unlocks if goal_id == goal.id}
            told = [one.threshold for one in world.server.share(world.server.partitions(goal.id)[0]).unlocks]
            if reached != unlocked or sorted(unlocked) != sorted(told):
                yield f"{goal.id}: {reached} are reached, {unlocked} unlocked, {told} told by the store"


def _key(one: Offered) -> Key:
    return one.goal_id, one.user_id, one.contribution_id
