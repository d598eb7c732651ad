"""What the ledger's database holds, and each of its transactions in one step.

Plain dictionaries. A transaction is a function here: it is done as a whole, or was never begun.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from worldevents.errors import EventConflict, UnknownHold
from worldevents.ledger.base import DeadLetter, Drained, GoalTotals, Held, Standing, UserTotals, Watermark
from worldevents.model import (
    ContributionStatus,
    EventVersion,
    GoalContribution,
    OutboxEntry,
    Partition,
    Position,
    Repair,
    TierUnlock,
    Unreadable,
)
from worldevents.movements import DECISION, Ban, Hold, Note, effect

COUNTED = ContributionStatus.COUNTED
POISON: Final = "poison"
"""How an id begins that the database does not take."""
PAGE: Final = 3
"""Rows in a page at most: small, so that a schedule has pages."""

Key = tuple[str, str, str]


class Kept(NamedTuple):
    """A row."""

    order: int
    entry: OutboxEntry
    partition: Partition


def key_of(item: GoalContribution) -> Key:
    """What makes a contribution the same."""
    return item.goal_id, item.user_id, item.contribution_id


@dataclass(slots=True)
class Tables:
    """Everything that is committed."""

    events: dict[str, EventVersion] = field(default_factory=dict)
    rows: dict[Key, Kept] = field(default_factory=dict)
    totals: dict[str, GoalTotals] = field(default_factory=dict)
    users: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """Counted and held, by goal and user."""
    names: dict[str, str] = field(default_factory=dict)
    unlocks: dict[tuple[str, Decimal], TierUnlock] = field(default_factory=dict)
    watermarks: dict[Partition, Watermark] = field(default_factory=dict)
    generation: int = 0
    epochs: dict[tuple[str, datetime, int], str] = field(default_factory=dict)
    """Why each began."""
    repairs: dict[tuple[Partition, Position], Repair] = field(default_factory=dict)
    done: dict[tuple[Partition, Position], datetime] = field(default_factory=dict)
    """When repairs were done, or became void: they are remembered."""
    dead_letters: dict[tuple[Partition, Position], DeadLetter] = field(default_factory=dict)
    bans: list[Ban] = field(default_factory=list)
    """All that there ever were."""
    lifted: set[int] = field(default_factory=set)
    notes: list[Note] = field(default_factory=list)


class Database:
    """The tables and what is done to them."""

    def __init__(self) -> None:
        self.tables = Tables()
        self._epochs = 0

    def publish(self, version: EventVersion) -> EventVersion:
        """Make this the newest version, and unlock what the totals already reach."""
        event, known = version.event, self.tables.events.get(version.event.id)
        if version.version != (known.version if known else 0) + 1:
            raise EventConflict
        self.tables.events[event.id] = version
        for goal in event.goals:
            self.tables.totals.setdefault(goal.id, GoalTotals(0, 0, 0))
            self._unlock(goal.id, [], version.published_at)
            self._see(goal.id)
        return version

    # Draining.

    def drain(
        self, watermark: Watermark, run_id: str, entries: Sequence[OutboxEntry | Unreadable], now: datetime
    ) -> Drained | None:
        """Keep entries and move the watermark."""
        tables, partition = self.tables, watermark.partition
        if tables.watermarks.get(partition) != watermark:
            return None
        repairs, letters = len(tables.repairs), len(tables.dead_letters)
        for entry in entries:
            if isinstance(entry, Unreadable):
                self._bury(partition, entry, now)
        kept = self._append(watermark, [one for one in entries if isinstance(one, OutboxEntry)], now)
        names = self._name(kept)
        unlocks = self._unlock(partition.goal_id, kept, now)
        own = [one.position.seq for one in entries if one.position.epoch == watermark.epoch]
        seq = max([watermark.seq, *own])
        moved = watermark._replace(run_id=run_id, seq=seq, reached=max(watermark.reached, seq))
        if kept:
            self._see(partition.goal_id)
        tables.watermarks[partition] = moved
        return Drained(
            watermark=moved,
            kept=len(kept),
            repairs=len(tables.repairs) - repairs,
            dead_letters=len(tables.dead_letters) - letters,
            unlocks=unlocks,
            names=names,
        )

    def _append(self, watermark: Watermark, entries: Sequence[OutboxEntry], now: datetime) -> list[OutboxEntry]:
        """Keep what is new; what the database does not take, or its user does not have, is found by halves."""
        new: dict[Key, OutboxEntry] = {}
        for entry in entries:
            if key_of(entry.contribution) not in self.tables.rows:
                new.setdefault(key_of(entry.contribution), entry)
        if any(key[2].startswith(POISON) for key in new) or self._leaves_less_than_nothing(new.values()):
            if len(entries) == 1:
                self._bury(watermark.partition, entries[0], now)
                self._repair(watermark, entries[0])
                return []
            half = len(entries) // 2
            first = self._append(watermark, entries[:half], now)
            return first + self._append(watermark, entries[half:], now)
        for entry in new.values():
            self._keep(watermark.partition, entry)
        for entry in entries:
            if self.tables.rows[key_of(entry.contribution)].entry.position != entry.position:
                self._repair(watermark, entry)
        return list(new.values())

    def _leaves_less_than_nothing(self, new: Iterable[OutboxEntry]) -> bool:
        sums: dict[tuple[str, str], tuple[int, int]] = {}
        for one in new:
            item = one.contribution
            key, moved = (item.goal_id, item.user_id), effect(one.status, item.amount)
            own = sums.get(key) or self.tables.users.get(key, (0, 0))
            sums[key] = own[0] + moved[0], own[1] + moved[1]
        return any(min(own) < 0 for own in sums.values())

    def _keep(self, partition: Partition, entry: OutboxEntry) -> None:
        tables, item = self.tables, entry.contribution
        tables.rows[key_of(item)] = Kept(len(tables.rows) + 1, entry, partition)
        counted, held = effect(entry.status, item.amount)
        goal = tables.totals[item.goal_id]
        tables.totals[item.goal_id] = GoalTotals(goal.total + counted, goal.pending + held, goal.seq)
        if counted or held:
            own = tables.users.get((item.goal_id, item.user_id), (0, 0))
            tables.users[item.goal_id, item.user_id] = own[0] + counted, own[1] + held

    def _see(self, goal_id: str) -> None:
        goal = self.tables.totals[goal_id]
        self.tables.totals[goal_id] = GoalTotals(goal.total, goal.pending, goal.seq + 1)

    def _name(self, kept: Iterable[OutboxEntry]) -> dict[str, str]:
        named = [one.contribution for one in kept if one.contribution.display_name is not None]
        names = {one.user_id: one.display_name for one in named if one.display_name is not None}
        self.tables.names.update(names)
        return names

    def _unlock(self, goal_id: str, kept: Sequence[OutboxEntry], now: datetime) -> list[TierUnlock]:
        """Unlock what the total reaches, by the row that reached it."""
        tables, unlocks = self.tables, []
        total = tables.totals[goal_id].total
        moved = [effect(one.status, one.contribution.amount)[0] for one in kept]
        # The highest sum on the way counts.
        sums = list(itertools.accumulate(moved, initial=total - sum(moved)))
        tiers = [
            tier
            for version in tables.events.values()
            for goal in version.event.goals
            if goal.id == goal_id
            for tier in goal.tiers
            if tier.threshold_value <= max(sums)
        ]
        for tier in tiers:
            if (goal_id, tier.threshold) in tables.unlocks:
                continue
            reached = next(place for place, one in enumerate(sums) if one >= tier.threshold_value)
            by = kept[reached - 1] if reached else None
            unlock = TierUnlock(
                goal_id=goal_id,
                threshold=tier.threshold,
                unlocked_at=by.received_at if by else now,
                position=by.position if by else None,
            )
            tables.unlocks[goal_id, tier.threshold] = unlock
            unlocks.append(unlock)
        return unlocks

    def _bury(self, partition: Partition, entry: OutboxEntry | Unreadable, now: datetime) -> None:
        letter = DeadLetter(partition, entry.position, str(entry), "not taken", now)
        self.tables.dead_letters.setdefault((partition, entry.position), letter)

    def _repair(self, watermark: Watermark, entry: OutboxEntry) -> None:
        """Remember what the store counted and the ledger did not keep; an older epoch's memory is gone anyway."""
        place = watermark.partition, entry.position
        if entry.position.epoch != watermark.epoch or place in self.tables.repairs or place in self.tables.done:
            return
        if any(effect(entry.status, 1)):
            item = entry.contribution
            self.tables.repairs[place] = Repair(*place, item.user_id, item.amount, entry.status)

    # Watermarks and epochs.

    def rewind(self, watermark: Watermark, run_id: str, seq: int) -> Watermark | None:
        """Start again from a position, for another run."""
        if self.tables.watermarks.get(watermark.partition) != watermark:
            return None
        moved = self.tables.watermarks[watermark.partition] = watermark._replace(run_id=run_id, seq=seq)
        return moved

    def begin_epoch(self, goal_id: str, partitions: Sequence[Partition], now: datetime, reason: str) -> str:
        """A new epoch, in which nothing is to be repaired yet."""
        tables = self.tables
        tables.epochs[goal_id, now, tables.generation] = reason
        tables.generation += 1
        self._epochs += 1
        epoch = f"{tables.generation}-{self._epochs:x}"
        for partition in partitions:
            tables.watermarks[partition] = Watermark(partition, epoch, "", 0)
        void = [place for place in tables.repairs if place[0].goal_id == goal_id]
        for place in void:
            tables.done[place] = now
            del tables.repairs[place]
        return epoch

    def repairs(self, partition: Partition) -> list[Repair]:
        """What is not done yet."""
        return [one for (where, _), one in self.tables.repairs.items() if where == partition]

    def repaired(self, repairs: Sequence[Repair], now: datetime) -> None:
        """These are done."""
        for one in repairs:
            place = one.partition, one.position
            if self.tables.repairs.pop(place, None) is not None:
                self.tables.done[place] = now

    # What operators do.

    def note(self, told: Note) -> Note:
        """Keep what somebody is about to do."""
        self.tables.notes.append(told)
        return told

    def holds(self, goal_id: str | None, after: int, limit: int) -> list[Hold]:
        """What is held and not decided yet."""
        rows = self.tables.rows
        undecided = [
            hold
            for (goal, user, row_id), kept in rows.items()
            if goal_id in (None, goal) and kept.order > after and (goal, user, f"{DECISION}{row_id}") not in rows
            if (hold := _hold(kept)) is not None
        ]
        return undecided[:limit]

    def hold(self, hold_id: int) -> Hold:
        """What is or was held under an id."""
        kept = next((one for one in self.tables.rows.values() if one.order == hold_id), None)
        found = None if kept is None else _hold(kept)
        if found is None:
            raise UnknownHold(field="id")
        return found

    def ban_user(self, user_id: str, at: datetime, reason: str, author: str) -> Ban:
        """The ban that there is, or a new one."""
        known = self.ban_of(user_id)
        if known is None:
            known = Ban(user_id, len(self.tables.bans) + 1, at, reason, author)
            self.tables.bans.append(known)
        return known

    def lift_ban(self, number: int, _at: datetime) -> None:
        """A ban is over."""
        self.tables.lifted.add(number)

    def bans(self) -> list[Ban]:
        """Every ban that is not over."""
        return [one for one in self.tables.bans if one.number not in self.tables.lifted]

    def ban_of(self, user_id: str) -> Ban | None:
        """A user's ban that is not over."""
        return next((one for one in self.bans() if one.user_id == user_id), None)

    # Looking.

    def events(self) -> list[EventVersion]:
        """The newest version of each."""
        return list(self.tables.events.values())

    def unlocks(self) -> list[TierUnlock]:
        """Every tier that was reached, in that order."""
        return list(self.tables.unlocks.values())

    def display_names(self) -> dict[str, str]:
        """The latest of each user."""
        return dict(self.tables.names)

    def watermark(self, partition: Partition) -> Watermark | None:
        """How far a partition is."""
        return self.tables.watermarks.get(partition)

    def look_up(self, items: Sequence[GoalContribution]) -> list[Held | None]:
        """What is kept under each id."""
        return [self.held(self.tables.rows.get(key_of(one))) for one in items]

    def held(self, kept: Kept | None) -> Held | None:
        """A row as it is told."""
        if kept is None:
            return None
        _, entry, _ = kept
        item = entry.contribution
        return Held(item.user_id, item.contribution_id, entry.position, item.amount, entry.status)

    def standing(self, goal_id: str) -> Standing:
        """A goal's totals and watermarks."""
        tables = self.tables
        return Standing(
            totals=tables.totals[goal_id],
            participants=sum(own[0] > 0 for (goal, _), own in tables.users.items() if goal == goal_id),
            watermarks=[mark for partition, mark in tables.watermarks.items() if partition.goal_id == goal_id],
            repairs=sum(place[0].goal_id == goal_id for place in tables.repairs),
        )

    def users(self, goal_id: str, after: str, limit: int) -> list[UserTotals]:
        """A page of users."""
        own = sorted(
            (user, *sums) for (goal, user), sums in self.tables.users.items() if goal == goal_id and user > after
        )
        return [UserTotals(*one) for one in own[: min(limit, PAGE)]]

    def user_days(self, goal_id: str, users: Sequence[str]) -> dict[tuple[str, date], int]:
        """What counted for these users on each day."""
        days: dict[tuple[str, date], int] = {}
        for _, entry, _ in self.tables.rows.values():
            item = entry.contribution
            if item.goal_id == goal_id and item.user_id in users and entry.status is COUNTED:
                day = item.user_id, entry.occurred_at.date()
                days[day] = days.get(day, 0) + item.amount
        return days

    def recent(self, goal_id: str, since: datetime, before: int | None, limit: int) -> tuple[list[Held], int | None]:
        """A page of rows received since, the newest first."""
        page = [
            kept
            for kept in reversed(self.tables.rows.values())
            if kept.entry.contribution.goal_id == goal_id and (before is None or kept.order < before)
        ][: min(limit, PAGE)]
        recent = [kept for kept in page if kept.entry.received_at >= since]
        told = [one for kept in recent if (one := self.held(kept)) is not None]
        return told, page[-1].order if len(page) == PAGE and page[-1] in recent else None


def _hold(kept: Kept) -> Hold | None:
    order, (position, item, status, occurred_at, received_at), _ = kept
    if status not in (ContributionStatus.HELD, ContributionStatus.WITHHELD):
        return None
    return Hold(order, *item[:4], occurred_at, received_at, position)
