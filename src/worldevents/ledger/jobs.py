"""Granting those who qualified before: jobs, worked off page by page, each page one transaction.

A job remembers how far it is in the transaction that got it there, so it may be killed anywhere; several processes may
work on one, for the writer's lock orders them.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, and_, exists, func, insert, literal, select, update

from worldevents.errors import UnknownGoal
from worldevents.ledger.append import Writing
from worldevents.ledger.granted import Granted
from worldevents.ledger.granting import CLAIMABLE
from worldevents.ledger.instants import microseconds
from worldevents.ledger.schema import contributor, goal, grant_job, promise, reward_grant
from worldevents.ledger.statements import upsert
from worldevents.model import Audience


def jobs(connection: Connection) -> int:
    """See `RewardLedger.jobs`."""
    undone = select(func.count()).select_from(grant_job).where(grant_job.c.done_at.is_(None))
    return connection.execute(undone).scalar_one()


def grant_page(connection: Connection, writing: Writing, at: datetime, *, size: int) -> Granted | None:
    """See `RewardLedger.grant_page`."""
    oldest = (
        select(promise, grant_job.c.after_user)
        .join(promise, promise.c.id == grant_job.c.promise_id)
        .where(grant_job.c.done_at.is_(None))
        .order_by(grant_job.c.asked_at, grant_job.c.promise_id)
        .limit(1)
    )
    job = connection.execute(oldest).one_or_none()
    if job is None:
        return None
    users, told = contributor.c, microseconds(at)
    own = and_(users.goal_id == job.goal_id, users.user_id > job.after_user)
    page = select(users.user_id).where(own).order_by(users.user_id).offset(size - 1).limit(1)
    last = connection.scalar(page) if job.is_open else None
    granted = 0
    if job.is_open and job.audience == Audience.CONTRIBUTORS:
        some = own if last is None else and_(own, users.user_id <= last)
        has_it = exists().where(reward_grant.c.user_id == users.user_id, reward_grant.c.promise_id == job.id)
        first = writing.granting.next_number()
        number = literal(first - 1) + func.row_number().over(order_by=users.user_id)
        qualified = select(
            number,
            literal(job.id),
            users.user_id,
            literal(job.version),
            literal(CLAIMABLE),
            literal(told),
            literal(None if job.claim_within is None else told + job.claim_within, type_=promise.c.claim_within.type),
        ).where(some, users.amount >= job.least, ~has_it)
        columns = ["number", "promise_id", "user_id", "version", "status", "granted_at", "claim_until"]
        connection.execute(insert(reward_grant).from_select(columns, qualified))
        granted = writing.granting.next_number() - first
    moved = {"done_at": told} if last is None else {"after_user": last}
    connection.execute(update(grant_job).where(grant_job.c.promise_id == job.id).values(**moved))
    return Granted(granted, is_done=last is None)


def sweep(connection: Connection, goal_id: str, at: datetime) -> int:
    """See `RewardLedger.sweep`."""
    if connection.scalar(select(goal.c.id).where(goal.c.id == goal_id)) is None:
        raise UnknownGoal(f"no goal {goal_id} in the ledger", field="goalId")
    columns = promise.c
    is_wanted = (columns.goal_id == goal_id, columns.is_open == 1, columns.audience == Audience.CONTRIBUTORS.value)
    found = connection.scalars(select(columns.id).where(*is_wanted)).all()
    new = upsert(connection.dialect, grant_job)
    values = {name: new.excluded[name] for name in ("after_user", "asked_at", "done_at")}
    again = new.on_conflict_do_update(index_elements=["promise_id"], set_=values)
    rows = [{"promise_id": one, "after_user": "", "asked_at": microseconds(at), "done_at": None} for one in found]
    if rows:
        connection.execute(again, rows)
    return len(rows)
