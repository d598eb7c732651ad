"""The ledger on SQLAlchemy Core, for SQLite and PostgreSQL: each verb is one query function run in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from worldevents.access_keys import AccessKey
from worldevents.grants import Announcement, GrantReport, RewardGrant
from worldevents.ledger import (
    erasing,
    exporting,
    grants,
    held,
    jobs,
    keys,
    moderating,
    outbox,
    owed,
    publish,
    reads,
    settling,
)
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
from worldevents.ledger.callbacks import SqlCallback
from worldevents.ledger.database import Database
from worldevents.ledger.deliveries import SqlWebhooks
from worldevents.ledger.granted import Granted
from worldevents.ledger.migrate import Identity
from worldevents.ledger.personal import About, Barred, KeptRow, Renamed
from worldevents.ledger.statements import Statements, cursor_of
from worldevents.model import (
    EventVersion,
    GoalContribution,
    OutboxEntry,
    Partition,
    Repair,
    SeasonalEvent,
    TierUnlock,
    Unreadable,
)
from worldevents.movements import Ban, Erasure, Hold, Note
from worldevents.results import FinalRow, GoalResult


class SqlLedger:
    """A `FullLedger` in an open database whose schema is the newest one."""

    def __init__(self, database: Database, identity: Identity) -> None:
        self._database = database
        self._identity = identity
        self._statements = Statements(database.dialect)
        self._webhooks = SqlWebhooks(database)
        self._callback = SqlCallback(database)

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

    async def late(self, goal_id: str, user_id: str) -> int:
        return await self._database.read(reads.late, goal_id, user_id)

    async def user_day_totals(self, goal_id: str) -> dict[tuple[str, date], int]:
        return await self._database.read(reads.user_day_totals, goal_id)

    async def shapes(self, goal_id: str, users: Sequence[str] | None = None) -> dict[str, dict[int, int]]:
        return await self._database.read(outbox.shapes, goal_id, users)

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

    @property
    def webhooks(self) -> SqlWebhooks:
        return self._webhooks

    @property
    def callback(self) -> SqlCallback:
        return self._callback

    # Rewards: what numbers its grants needs the writer's lock, which `Writing` takes.

    def _writing(self, connection: Connection) -> Writing:
        return Writing(cursor_of(connection), self._statements, self._identity)

    async def keep_promises(self, at: datetime) -> None:
        await self._database.write(lambda one: publish.keep_promises(one, self._writing(one), at))

    async def jobs(self) -> int:
        return await self._database.read(jobs.jobs)

    async def grant_page(self, at: datetime, *, size: int) -> Granted | None:
        return await self._database.write(lambda one: jobs.grant_page(one, self._writing(one), at, size=size))

    async def sweep(self, goal_id: str, at: datetime) -> int:
        return await self._database.write(jobs.sweep, goal_id, at)

    async def grants(self, *, after: int = 0, limit: int = 1_000) -> list[RewardGrant]:
        return await self._database.read(grants.grants, after=after, limit=limit)

    async def grants_of(self, user_id: str, *, limit: int = 1_000) -> list[RewardGrant]:
        return await self._database.read(grants.grants_of, user_id, limit=limit)

    async def grant(self, grant_id: str) -> RewardGrant:
        return await self._database.read(grants.grant, grant_id)

    async def claim(self, grant_id: str, at: datetime) -> RewardGrant:
        return await self._database.write(grants.claim, self._identity.digest_key, grant_id, at)

    async def claim_due(self, at: datetime, *, limit: int = 500) -> int:
        return await self._database.write(grants.claim_due, self._identity.digest_key, at, limit=limit)

    async def deliver(self, grant_id: str, at: datetime) -> RewardGrant:
        return await self._database.write(grants.deliver, grant_id, at)

    async def give(self, grant_id: str, at: datetime, *, reason: str, author: str) -> RewardGrant:
        def query(connection: Connection) -> RewardGrant:
            return grants.give(connection, self._writing(connection), grant_id, at, reason=reason, author=author)

        return await self._database.write(query)

    async def revoke(self, grant_id: str, at: datetime, *, reason: str, author: str) -> RewardGrant:
        return await self._database.write(grants.revoke, grant_id, at, reason=reason, author=author)

    async def report(self) -> GrantReport:
        return await self._database.read(owed.report)

    async def announcements(self, *, after: int = 0, limit: int = 1_000) -> Sequence[Announcement]:
        return await self._database.read(grants.announcements, after=after, limit=limit)

    # Results.

    async def begin_settling(self, goal_id: str, *, version: int, at: datetime) -> bool:
        begun = None
        while begun is None:
            told = await self._database.read(settling.figures, goal_id)
            begun = await self._database.write(self._begin_settling, goal_id, told, version, at)
        return begun

    def _begin_settling(
        self, connection: Connection, goal_id: str, told: settling.Figures, version: int, at: datetime
    ) -> bool | None:
        return settling.begin(connection, self._writing(connection), goal_id, told, version=version, at=at)

    async def unranked(self, goal_id: str, *, limit: int = 10_000) -> Sequence[FinalRow]:
        return await self._database.read(settling.unranked, goal_id, limit=limit)

    async def keep_ranks(self, goal_id: str, rows: Sequence[FinalRow]) -> None:
        statements = self._statements.part(settling.Statements)
        await self._database.write_by_cursor(lambda one: settling.keep_ranks(one, statements, goal_id, rows))

    async def finish_settling(self, goal_id: str, *, at: datetime) -> bool:
        if not await self._database.read(settling.is_ranked, goal_id):
            if not await self.unranked(goal_id, limit=1):
                await self._database.write(settling.void_ranks, goal_id)
            return False
        return await self._database.write(lambda one: settling.finish(one, self._writing(one), goal_id, at=at))

    async def results(self, event_id: str | None = None) -> Sequence[GoalResult]:
        return await self._database.read(settling.results, event_id)

    async def final_rows(self, goal_id: str, *, after: int = 0, limit: int = 1_000) -> Sequence[FinalRow]:
        return await self._database.read(settling.final_rows, goal_id, after=after, limit=limit)

    async def final_row(self, goal_id: str, user_id: str) -> FinalRow | None:
        return await self._database.read(settling.final_row, goal_id, user_id)

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

    async def ban_of(self, user_id: str) -> Ban | None:
        return await self._database.read(moderating.ban_of, user_id)

    async def hide(self, user_id: str, *, at: datetime) -> None:
        await self._database.write(moderating.hide, user_id, at=at)

    async def unhide(self, user_id: str) -> None:
        await self._database.write(moderating.unhide, user_id)

    async def hidden(self) -> frozenset[str]:
        return await self._database.read(moderating.hidden)

    # What is about one user.

    async def begin_erasing(self, user_id: str, *, tombstone: str, at: datetime) -> Erasure:
        return await self._database.write(erasing.begin_erasing, user_id, tombstone=tombstone, at=at)

    async def erasing(self, user_id: str) -> Erasure | None:
        return await self._database.read(erasing.erasing, user_id)

    async def erase(self, goal_id: str, erasure: Erasure, *, at: datetime) -> Renamed:
        def query(connection: Connection) -> Renamed:
            return erasing.erase(connection, self._writing(connection), goal_id, erasure, at=at)

        return await self._database.write(query)

    async def erase_rest(self, erasure: Erasure, *, at: datetime) -> None:
        await self._database.write(lambda one: erasing.erase_rest(one, self._writing(one), erasure, at=at))

    async def end_erasing(self, erasure: Erasure) -> None:
        await self._database.write(erasing.end_erasing, erasure)

    async def barred(self) -> Barred:
        return await self._database.read(erasing.barred, self._identity)

    async def take_again(self, user_id: str) -> bool:
        return await self._database.write(erasing.take_again, self._identity, user_id)

    async def about(self, user_id: str) -> About:
        return await self._database.read(exporting.about, user_id)

    async def rows_of(self, user_id: str, *, after: int = 0, limit: int = 1_000) -> list[KeptRow]:
        return await self._database.read(exporting.rows_of, user_id, after=after, limit=limit)

    # Behind a store with an outbox.

    async def look_up(self, items: Sequence[GoalContribution]) -> list[Held | None]:
        return await self._database.read(held.look_up, self._identity, items)

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
        return await self._database.read(held.recent, self._identity, goal_id, since, before=before, limit=limit)

    async def user_days(self, goal_id: str, users: Sequence[str]) -> dict[tuple[str, date], int]:
        return await self._database.read(outbox.user_days, goal_id, users)

    async def dead_letters(self, *, limit: int = 1_000) -> list[DeadLetter]:
        return await self._database.read(outbox.dead_letters, limit=limit)
