"""The ledger on SQLAlchemy Core, for SQLite and PostgreSQL: each verb is one query function run in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import Connection

from worldevents.ledger import keys, publish, reads
from worldevents.ledger.append import Writing
from worldevents.ledger.base import Appended, Decide, GoalAudit, GoalTotals, UserTotals
from worldevents.ledger.database import Database
from worldevents.ledger.migrate import Identity
from worldevents.ledger.statements import Statements
from worldevents.model import AccessKey, EventVersion, GoalContribution, SeasonalEvent, TierUnlock


class SqlLedger:
    """A `Ledger` in an open database whose schema is the newest one."""

    def __init__(self, database: Database, identity: Identity) -> None:
        self._database = database
        self._identity = identity
        self._statements = Statements(database.dialect)

    async def epoch(self) -> str:
        return self._identity.epoch

    async def publish(
        self, event: SeasonalEvent, *, based_on: int, author: str, published_at: datetime, reason: str
    ) -> EventVersion:
        def query(connection: Connection) -> EventVersion:
            writing = Writing(connection, self._statements, self._identity)
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
        def query(connection: Connection) -> Appended:
            return Writing(connection, self._statements, self._identity).append(batch, decide)

        return await self._database.write(query)

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
