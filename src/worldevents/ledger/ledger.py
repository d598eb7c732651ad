"""The ledger on SQLAlchemy Core, for SQLite and PostgreSQL: each verb is one query function run in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from worldevents.ledger import keys, moderating, outbox, publish, reads
from worldevents.ledger.append import Writing
from worldevents.ledger.base import (
    Appended,
    DeadLetter,
    Decide,
    Drained,
    GoalAudit,
    GoalTotals,
    Held,
    Standing,
    UserTotals,
    Watermark,
)
from worldevents.ledger.database import Database
from worldevents.ledger.migrate import Identity
from worldevents.ledger.statements import Statements, cursor_of
from worldevents.model import (
    AccessKey,
    EventVersion,
    GoalContribution,
    OutboxEntry,
    Partition,
    Repair,
    SeasonalEvent,
    TierUnlock,
    Unreadable,
)
from worldevents.movements import Ban, Hold, Note


class SqlLedger:
    """An `OutboxLedger` in an open database whose schema is the newest one."""

    def __init__(self, database: Database, identity: Identity) -> None:
        self._database = database
        self._identity = identity
        self._statements = Statements(database.dialect)

    async def epoch(self) -> str:
        return self._identity.epoch

    @property
    def at_once(self) -> bool:
        """Whether a write that begins now is done without a wait."""
        return self._database.at_once

    async def publish(
        self, event: SeasonalEvent, *, based_on: int, author: str, published_at: datetime, reason: str
    ) -> EventVersion:
        def query(connection: Connection) -> EventVersion:
            writing = Writing(cursor_of(connection), self._statements, self._identity)
            return publish.publish(
                connection,
                writing,
                event,
                based_on=based_on,
                author=author,
                published_at=published_at,
                reason=reason,
            )

        return await self._database.write(query)

    async def events(self) -> list[EventVersion]:
        return await self._database.read(publish.newest)

    async def history(self, event_id: str) -> list[EventVersion]:
        return await self._database.read(publish.history, event_id)

    async def append(self, batch: Sequence[GoalContribution], decide: Decide) -> Appended:
        def query(cursor: Any) -> Appended:
            return Writing(cursor, self._statements, self._identity).append(batch, decide)

        return await self._database.write_by_cursor(query)

    async def totals(self) -> dict[str, GoalTotals]:
        return await self._database.read(reads.totals)

    async def unlocks(self) -> list[TierUnlock]:
        return await self._database.read(reads.unlocks, self._identity.epoch)

    async def users(self, goal_id: str, *, after: str = "", limit: int = 10_000) -> list[UserTotals]:
        return await self._database.read(reads.users, goal_id, after=after, limit=limit)

    async def user_day_totals(self, goal_id: str) -> dict[tuple[str, date], int]:
        return await self._database.read(reads.user_day_totals, goal_id)

    async def display_names(self) -> dict[str, str]:
        return await self._database.read(reads.display_names)

    async def mark_active(self, users: Sequence[tuple[str, date]]) -> None:
        await self._database.write(reads.mark_active, users)

    async def audit(self) -> list[GoalAudit]:
        return await self._database.read(reads.audit)

    async def keys(self) -> list[AccessKey]:
        return await self._database.read(keys.keys)

    async def add_key(self, key: AccessKey) -> None:
        await self._database.write(keys.add_key, key)

    async def revoke_key(self, key_id: str, at: datetime) -> AccessKey:
        return await self._database.write(keys.revoke_key, key_id, at)

    # What operators do.

    async def note(self, told: Note) -> Note:
        return await self._database.write(moderating.note, told)

    async def notes(self, *, subject: str | None = None, before: int | None = None, limit: int = 100) -> list[Note]:
        return await self._database.read(moderating.notes, subject=subject, before=before, limit=limit)

    async def holds(self, *, goal_id: str | None = None, after: int = 0, limit: int = 100) -> list[Hold]:
        return await self._database.read(moderating.holds, self._identity, goal_id=goal_id, after=after, limit=limit)

    async def hold(self, hold_id: int) -> Hold:
        return await self._database.read(moderating.hold, self._identity, hold_id)

    async def ban_user(self, user_id: str, *, at: datetime, reason: str, author: str) -> Ban:
        return await self._database.write(moderating.ban_user, user_id, at=at, reason=reason, author=author)

    async def lift_ban(self, number: int, *, at: datetime) -> None:
        await self._database.write(moderating.lift_ban, number, at=at)

    async def bans(self) -> list[Ban]:
        return await self._database.read(moderating.bans)

    async def hide(self, user_id: str, *, at: datetime) -> None:
        await self._database.write(moderating.hide, user_id, at=at)

    async def unhide(self, user_id: str) -> None:
        await self._database.write(moderating.unhide, user_id)

    async def hidden(self) -> frozenset[str]:
        return await self._database.read(moderating.hidden)

    # Behind a store with an outbox.

    async def look_up(self, items: Sequence[GoalContribution]) -> list[Held | None]:
        return await self._database.read(outbox.look_up, self._identity, items)

    async def watermark(self, partition: Partition) -> Watermark | None:
        return await self._database.read(outbox.watermark, partition)

    async def standing(self, goal_id: str) -> Standing:
        return await self._database.read(outbox.standing, goal_id)

    async def drain(
        self, watermark: Watermark, run_id: str, entries: Sequence[OutboxEntry | Unreadable], *, at: datetime
    ) -> Drained | None:
        def query(connection: Connection) -> Drained | None:
            writing = Writing(cursor_of(connection), self._statements, self._identity)
            is_poison = self._database.is_poison
            return outbox.drain(connection, writing, watermark, run_id, entries, at=at, is_poison=is_poison)

        return await self._database.write(query)

    async def rewind(self, watermark: Watermark, run_id: str, *, seq: int) -> Watermark | None:
        return await self._database.write(outbox.rewind, watermark, run_id, seq)

    async def begin_epoch(self, goal_id: str, partitions: Sequence[Partition], *, at: datetime, reason: str) -> str:
        return await self._database.write(outbox.begin_epoch, goal_id, partitions, at=at, reason=reason)

    async def repairs(self, partition: Partition) -> list[Repair]:
        return await self._database.read(outbox.repairs, partition)

    async def repaired(self, repairs: Sequence[Repair], *, at: datetime) -> None:
        await self._database.write(outbox.repaired, repairs, at=at)

    async def recent(
        self, goal_id: str, since: datetime, *, before: int | None = None, limit: int = 10_000
    ) -> tuple[list[Held], int | None]:
        return await self._database.read(outbox.recent, self._identity, goal_id, since, before=before, limit=limit)

    async def user_days(self, goal_id: str, users: Sequence[str]) -> dict[tuple[str, date], int]:
        return await self._database.read(outbox.user_days, goal_id, users)

    async def dead_letters(self, *, limit: int = 1_000) -> list[DeadLetter]:
        return await self._database.read(outbox.dead_letters, limit=limit)
