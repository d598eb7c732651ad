"""What the ledger holds about one user. Each function is the verb of the same name in `PersonalLedger`."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Table, func, select

from worldevents.ledger import erasing
from worldevents.ledger.append import ERASED, STATUSES
from worldevents.ledger.instants import instant
from worldevents.ledger.personal import About, KeptBan, KeptRow, KeptSums, Unkept
from worldevents.ledger.schema import (
    activity,
    audit,
    ban,
    contribution,
    contributor,
    goal,
    hidden,
    player,
    reward_grant,
)


def about(connection: Connection, user_id: str) -> About:
    """See `PersonalLedger.about`."""
    since = connection.scalar(select(hidden.c.since).where(hidden.c.user_id == user_id))
    sums = select(contributor).where(_in_goals(contributor, user_id)).order_by(contributor.c.goal_id)
    days = select(activity.c.day).where(activity.c.user_id == user_id).order_by(activity.c.day)
    bans = select(ban).where(ban.c.user_id == user_id).order_by(ban.c.number)

    def count(table: Table, own: ColumnElement[bool]) -> int:
        return connection.execute(select(func.count()).select_from(table).where(own)).scalar_one()

    return About(
        user_id=user_id,
        display_name=connection.scalar(select(player.c.display_name).where(player.c.user_id == user_id)),
        sums=[KeptSums(row.goal_id, row.amount, row.pending) for row in connection.execute(sums)],
        days=list(connection.scalars(days)),
        hidden_since=None if since is None else instant(since),
        bans=[
            KeptBan(instant(row.at), row.reason, row.author, None if row.lifted_at is None else instant(row.lifted_at))
            for row in connection.execute(bans)
        ],
        unkept=[
            Unkept(row.goal_id, instant(row.at), row.reason, row.payload) for row in erasing.unkept(connection, user_id)
        ],
        rows=count(contribution, _rows(user_id)),
        grants=count(reward_grant, reward_grant.c.user_id == user_id),
        notes=count(audit, audit.c.subject == user_id),
    )


def rows_of(connection: Connection, user_id: str, *, after: int, limit: int) -> list[KeptRow]:
    """See `PersonalLedger.rows_of`."""
    columns = contribution.c
    own = select(contribution).where(_rows(user_id), columns.position > after)
    return [
        KeptRow(
            id=row.position,
            goal_id=row.goal_id,
            contribution_id=row.contribution_id,
            amount=row.amount,
            status=STATUSES[row.status],
            occurred_at=instant(row.occurred_at),
            received_at=instant(row.received_at),
        )
        for row in connection.execute(own.order_by(columns.position).limit(limit))
    ]


def _rows(user_id: str) -> ColumnElement[bool]:
    # The row that says where somebody was erased is nobody's.
    return _in_goals(contribution, user_id) & (contribution.c.status != ERASED)


def _in_goals(table: Table, user_id: str) -> ColumnElement[bool]:
    # The indexes begin with the goal.
    return table.c.goal_id.in_(select(goal.c.id)) & (table.c.user_id == user_id)
