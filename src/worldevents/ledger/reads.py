"""What the ledger is asked when a store starts, and when its sums are counted again.

Each function is the verb of the same name in `Ledger`, which says what it means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import ColumnElement, Connection, case, func, select

from worldevents.ledger.append import COUNTED, LATE, STATUSES
from worldevents.ledger.base import GoalAudit, GoalTotals, UserTotals
from worldevents.ledger.instants import instant
from worldevents.ledger.schema import activity, contribution, contributor, goal, player, tier_unlock
from worldevents.ledger.statements import upsert
from worldevents.model import Position, TierUnlock
from worldevents.movements import EFFECTS


def totals(connection: Connection) -> dict[str, GoalTotals]:
    rows = connection.execute(select(goal.c.id, goal.c.total, goal.c.pending, goal.c.seq))
    return {goal_id: GoalTotals(total, pending, seq) for goal_id, total, pending, seq in rows}


def unlocks(connection: Connection, epoch: str) -> list[TierUnlock]:
    rows = [
        TierUnlock(
            goal_id=row.goal_id,
            threshold=Decimal(row.threshold),
            unlocked_at=instant(row.unlocked_at),
            position=None if row.position is None else Position(row.epoch or epoch, row.position),
        )
        for row in connection.execute(select(tier_unlock))
    ]
    return sorted(rows, key=_moment)


def _moment(unlock: TierUnlock) -> tuple[datetime, int, str, Decimal]:
    # Sorted here: as text, a tier at 100 % would come before one at 25 %, and the databases disagree about nulls.
    position = 0 if unlock.position is None else unlock.position.seq
    return unlock.unlocked_at, position, unlock.goal_id, unlock.threshold


def users(connection: Connection, goal_id: str, *, after: str, limit: int) -> list[UserTotals]:
    columns = contributor.c
    query = (
        select(columns.user_id, columns.amount, columns.pending)
        .where(columns.goal_id == goal_id, columns.user_id > after)
        .order_by(columns.user_id)
        .limit(limit)
    )
    return [UserTotals(*row) for row in connection.execute(query)]


def late(connection: Connection, goal_id: str, user_id: str) -> int:
    columns = contribution.c
    query = select(func.coalesce(func.sum(columns.amount), 0)).where(
        columns.goal_id == goal_id, columns.user_id == user_id, columns.status == LATE
    )
    return int(connection.execute(query).scalar_one())


def user_day_totals(connection: Connection, goal_id: str) -> dict[tuple[str, date], int]:
    columns = contribution.c
    query = select(columns.user_id, columns.occurred_at, columns.amount).where(
        columns.goal_id == goal_id, columns.status == COUNTED
    )
    sums: Counter[tuple[str, date]] = Counter()
    for user_id, occurred_at, amount in connection.execute(query):
        sums[user_id, instant(occurred_at).date()] += amount
    return dict(sums)


def display_names(connection: Connection) -> dict[str, str]:
    rows = connection.execute(select(player.c.user_id, player.c.display_name))
    return {row.user_id: row.display_name for row in rows}


def mark_active(connection: Connection, marks: Sequence[tuple[str, date]]) -> None:
    rows = [{"user_id": user_id, "day": day} for user_id, day in sorted(set(marks))]
    if rows:
        connection.execute(upsert(connection.dialect, activity).on_conflict_do_nothing(), rows)


def audit(connection: Connection) -> list[GoalAudit]:
    columns = contribution.c
    counted, held = (func.coalesce(func.sum(columns.amount * _times(which)), 0) for which in (0, 1))
    by_rows = {
        goal_id: (int(total), int(pending))
        for goal_id, total, pending in connection.execute(
            select(columns.goal_id, counted, held).group_by(columns.goal_id)
        )
    }
    by_users = {
        goal_id: (int(total), int(pending))
        for goal_id, total, pending in connection.execute(
            select(contributor.c.goal_id, func.sum(contributor.c.amount), func.sum(contributor.c.pending)).group_by(
                contributor.c.goal_id
            )
        )
    }
    return [
        GoalAudit(
            goal_id=goal_id,
            kept=(kept.total, kept.pending),
            rows=by_rows.get(goal_id, (0, 0)),
            users=by_users.get(goal_id, (0, 0)),
        )
        for goal_id, kept in sorted(totals(connection).items())
    ]


def _times(which: int) -> ColumnElement[int]:
    """How many times a row's amount goes into what counts (0) or what is held (1)."""
    times = {number: EFFECTS[status][which] for number, status in enumerate(STATUSES)}
    return case(times, value=contribution.c.status, else_=0)
