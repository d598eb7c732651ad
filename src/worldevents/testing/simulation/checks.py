"""What has to be true when everybody is well again, whatever happened before."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

from worldevents.ledger.base import DeadLetter
from worldevents.model import Ack
from worldevents.movements import effect
from worldevents.testing.simulation.database import POISON, Key, key_of
from worldevents.testing.simulation.scenario import Fault, Offered
from worldevents.testing.simulation.world import World


def complaints(world: World, differences: float) -> list[str]:
    """All that is amiss; `differences` is how often a syncer found the two sides at different sums."""
    checks = (_sums, _users, _rows, _moved, _bans, _answers, _tiers)
    found = world.complaints + [one for check in checks for one in check(world)]
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
        for which, what in enumerate(("counted", "held")):
            sums = {
                "rows": sum(effect(one.status, one.contribution.amount)[which] for one in rows),
                "total": (totals.total, totals.pending)[which],
                "users": sum(own[which] for own in users),
                "counter": sum((one.total, one.pending)[which] for one in shares),
                "sorted set": sum(own[which] for one in shares for own in one.users.values()),
            }
            if len(set(sums.values())) > 1:
                yield f"{goal_id} {what}: {sums}"


def _users(world: World) -> Iterator[str]:
    """Every user has the same on both sides."""
    for (goal_id, user_id), sums in world.database.tables.users.items():
        own = world.server.share(world.server.partition_of(goal_id, user_id)).users.get(user_id, (0, 0))
        if own != sums:
            yield f"{user_id} has {own} of {goal_id} in the store, {sums} in the ledger"
        if min(sums) < 0:
            yield f"{user_id} has less than nothing of {goal_id}: {sums}"


def _rows(world: World) -> Iterator[str]:
    """Every row was offered, every acknowledged contribution is a row, but what a lost memory alone had."""
    offered: dict[Key, set[int]] = {}
    for one in (one for own in world.plan.offered for one in own):
        offered.setdefault(_key(one), set()).add(one.amount)
    rows = world.database.tables.rows
    for key, kept in rows.items():
        if "#" not in key[2] and kept.entry.contribution.amount not in offered[key]:
            yield f"{key} has an amount that nobody offered"
    for one, receipt in world.heard.receipts:
        key = key_of(receipt.contribution)
        if key not in rows and key not in world.may_be_lost and not one.contribution_id.startswith(POISON):
            yield f"lost: {one}, answered as {receipt}"
    strange = [one for one in world.database.tables.dead_letters.values() if not _is_explained(world, one)]
    if strange:
        yield f"dead letters without a reason: {strange}"


def _is_explained(world: World, letter: DeadLetter) -> bool:
    """Whether there is a reason why the ledger did not take this."""
    if POISON in letter.payload or world.plan.has(Fault.CORRUPT):
        return True
    # A movement of what the store had counted twice, or had and the ledger never had.
    is_wrong = _is_short(world) or world.loses or any(POISON in str(own) for own in world.plan.offered)
    return "#" in letter.payload and is_wrong


def _moved(world: World) -> Iterator[str]:
    """Every movement that was answered is a row; each decision and withholding is about what it says."""
    rows = world.database.tables.rows
    for key, moved in world.operators.moved:
        found = rows.get(key)
        if found is None or (found.entry.contribution.amount, found.entry.status) != (moved.amount, moved.status):
            yield f"answered as {moved}: {found}"
    for (goal_id, user_id, row_id), kept in rows.items():
        what, _, about = row_id.partition("#")
        if what in ("hold", "withhold"):
            found = rows.get((goal_id, user_id, about))
            if found is None or found.entry.contribution.amount != kept.entry.contribution.amount:
                yield f"{kept} is about {found}"


def _bans(world: World) -> Iterator[str]:
    """Who is banned has nothing and is refused, on both sides; what a ban that is over moved out is back."""
    tables, server = world.database.tables, world.server
    banned = {one.user_id for one in world.database.bans()}
    for (goal_id, user_id), sums in tables.users.items():
        # A memory that had gone back may have taken something, or not have had all that there was to move out; and of
        # what was moved out, some may be in an entry that nobody can read.
        differs = world.plan.has(Fault.STALE) or world.plan.has(Fault.CORRUPT) or _was_refused(world, user_id)
        if user_id in banned and not differs and sums != _since_ban(world, goal_id, user_id):
            yield f"{user_id} is banned and has {sums} of {goal_id}"
    for partition, share in server.shares.items():
        own = {one for one in banned if server.partition_of(partition.goal_id, one) == partition}
        if set(share.banned) != own:
            yield f"{partition} refuses {share.banned}, the ledger {own}"
    for ban in tables.bans:
        rows = {key: kept.entry.contribution.amount for key, kept in tables.rows.items() if key[1] == ban.user_id}
        for goal_id in tables.totals:
            for tail in ("", "#held"):
                out = rows.get((goal_id, ban.user_id, f"ban#{ban.number}{tail}"), 0)
                back = rows.get((goal_id, ban.user_id, f"unban#{ban.number}{tail}"), 0)
                # A call that comes when its ban is over is made good where no other ban is in force.
                if out + back != 0 and ban.number in tables.lifted and ban.user_id not in banned:
                    yield f"{ban} moved {out} of {goal_id}, and its end {back}"


def _was_refused(world: World, user_id: str) -> bool:
    """Whether the ledger refused what a ban has moved out: then the same ban again moves the rest."""
    letters = [one.payload for one in world.database.tables.dead_letters.values()]
    return any(f"user_id={user_id!r}" in one and "contribution_id='ban#" in one for one in letters)


def _since_ban(world: World, goal_id: str, user_id: str) -> tuple[int, int]:
    """What a store has taken of a banned user because it was told late."""
    if not any(world.plan.trouble):
        return 0, 0
    number = next(one.number for one in world.database.bans() if one.user_id == user_id)
    rows = [kept for key, kept in world.database.tables.rows.items() if key[:2] == (goal_id, user_id)]
    out = [kept.order for kept in rows if kept.entry.contribution.contribution_id.startswith(f"ban#{number}")]
    since = [kept.entry for kept in rows if kept.order > max(out, default=0)]
    effects = [effect(one.status, one.contribution.amount) for one in since]
    return sum(counted for counted, _ in effects), sum(held for _, held in effects)


def _answers(world: World) -> Iterator[str]:
    """Nobody is told twice that the same contribution was counted for the first time."""
    firsts = Counter(_key(one) for one, receipt in world.heard.receipts if not receipt.duplicate)
    by_ledger = Counter(
        _key(one) for one, receipt in world.heard.receipts if one.ack is Ack.LEDGER and not receipt.duplicate
    )
    if world.plan.has(Fault.STALE):
        # A memory that went back may count a contribution again in the very place where the ledger has it.
        return
    yield from (f"{key} was counted {times} times by the ledger" for key, times in by_ledger.items() if times > 1)
    if not _is_short(world) and not world.loses:
        yield from (f"{key} was counted {times} times" for key, times in firsts.items() if times > 1)


def _is_short(world: World) -> bool:
    """Whether ids are forgotten while the schedule lasts."""
    return world.plan.bounds.window.total_seconds() < 1


def _tiers(world: World) -> Iterator[str]:
    """What the total reaches is unlocked, for ever and on both sides; nothing is that it never came to."""
    tables = world.database.tables
    for version in tables.events.values():
        for goal in version.event.goals:
            own = [one.entry for one in tables.rows.values() if one.entry.contribution.goal_id == goal.id]
            sums = itertools.accumulate((effect(one.status, one.contribution.amount)[0] for one in own), initial=0)
            highest, total = max(sums), tables.totals[goal.id].total
            reached = {tier.threshold for tier in goal.tiers if tier.threshold_value <= total}
            ever = {tier.threshold for tier in goal.tiers if tier.threshold_value <= highest}
            unlocked = {threshold for goal_id, threshold in tables.unlocks if goal_id == goal.id}
            told = [one.threshold for one in world.server.share(world.server.partitions(goal.id)[0]).unlocks]
            if not reached <= unlocked <= ever or sorted(unlocked) != sorted(told):
                yield f"{goal.id}: {reached} are reached, {unlocked} unlocked, {told} told by the store"


def _key(one: Offered) -> Key:
    return one.goal_id, one.user_id, one.contribution_id
