"""Settling goals: what they came to is written down, ranked page by page, and told when it is whole.

Each public function is a verb of `ResultLedger`, or its reading half: what takes long is read without the writer's
lock.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Row,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from worldevents import rules
from worldevents.codec.results import settled_event
from worldevents.errors import UnknownGoal
from worldevents.ledger import jobs, publish
from worldevents.ledger.append import LATE, Writing
from worldevents.ledger.instants import instant, microseconds
from worldevents.ledger.schema import contribution, contributor, goal, grant_job, hidden, player, promise, tier_unlock
from worldevents.ledger.schema_results import final_rank, goal_result
from worldevents.ledger.statements import Columns, Rows, of_arrays
from worldevents.model import CommunityGoal, GoalStatus
from worldevents.results import FinalRow, GoalResult, Outcome, ReachedTier

SETTLED: Final = "event.settled"


class Figures(NamedTuple):
    """What a goal came to, and the version of its state at which that was read."""

    total: int
    pending: int
    seq: int
    participants: int
    late: int


# Beginning.


def figures(connection: Connection, goal_id: str) -> Figures:
    """Count what the goal's row does not say."""
    columns, rows = contributor.c, contribution.c
    kept = connection.execute(select(goal).where(goal.c.id == goal_id)).one_or_none()
    if kept is None:
        raise UnknownGoal(f"no goal {goal_id} in the ledger", field="goalId")
    users = select(func.count()).select_from(contributor).where(columns.goal_id == goal_id, columns.amount > 0)
    late = select(func.coalesce(func.sum(rows.amount), 0)).where(rows.goal_id == goal_id, rows.status == LATE)
    return Figures(
        total=kept.total,
        pending=kept.pending,
        seq=kept.seq,
        participants=connection.execute(users).scalar_one(),
        late=int(connection.execute(late).scalar_one()),
    )


def begin(
    connection: Connection, writing: Writing, goal_id: str, told: Figures, *, version: int, at: datetime
) -> bool | None:
    """See `ResultLedger.begin_settling`; None where the goal was moved since its figures were read."""
    if _row(connection, goal_id) is not None:
        return True
    row = connection.execute(select(goal).where(goal.c.id == goal_id)).one()
    declared = _declared(connection, row.event_id, goal_id, version)
    if declared is None or rules.status_at(declared, at) is not GoalStatus.SETTLED:
        return False
    if (row.total, row.pending, row.seq) != told[:3]:
        return None
    outcome = rules.outcome(declared, row.total, completed=row.completed_at is not None)
    consoled = rules.consoles(declared, row.total, outcome)
    connection.execute(
        insert(goal_result),
        {
            "goal_id": goal_id,
            "event_id": row.event_id,
            "total": told.total,
            "pending": told.pending,
            "late": told.late,
            "participants": told.participants,
            "outcome": outcome.value,
            "completed_at": row.completed_at,
            "tiers": _reached(connection, goal_id),
            "consoled": int(consoled),
            "begun_at": microseconds(at),
        },
    )
    connection.execute(update(goal).where(goal.c.id == goal_id).values(settling_at=microseconds(at)))
    if consoled:
        writing.granting.console(goal_id, at)
    jobs.sweep(connection, goal_id, at)
    return True


def _row(connection: Connection, goal_id: str) -> Row[Any] | None:
    return connection.execute(select(goal_result).where(goal_result.c.goal_id == goal_id)).one_or_none()


def _declared(connection: Connection, event_id: str, goal_id: str, version: int) -> CommunityGoal | None:
    """The goal as that version of its event declares it; None where another one is the newest."""
    newest = publish.newest_of(connection, event_id)
    if newest is None or newest.version != version:
        return None
    return next((one for one in newest.event.goals if one.id == goal_id), None)


def _reached(connection: Connection, goal_id: str) -> str:
    columns = tier_unlock.c
    found = connection.execute(select(columns.threshold, columns.unlocked_at).where(columns.goal_id == goal_id))
    return json.dumps(sorted(map(list, found), key=lambda one: Decimal(one[0])))


# Ranking.


def _user_order(connection: Connection) -> ColumnElement[str]:
    """User ids in the order of their letters' numbers, as boards have them: databases may have one of a language."""
    return contributor.c.user_id.collate("C" if connection.dialect.name == "postgresql" else "BINARY")


def unranked(connection: Connection, goal_id: str, *, limit: int) -> Sequence[FinalRow]:
    """See `ResultLedger.unranked`."""
    columns, user_id = contributor.c, _user_order(connection)
    kept = select(final_rank).where(final_rank.c.goal_id == goal_id)
    last = connection.execute(kept.order_by(final_rank.c.place.desc()).limit(1)).one_or_none()
    wanted = select(columns.user_id, columns.amount).where(columns.goal_id == goal_id, columns.amount > 0)
    if last is not None:
        # No offset: what was kept is not walked through again, and a page begins where the last one has ended.
        is_next = or_(columns.amount < last.amount, and_(columns.amount == last.amount, user_id > last.user_id))
        wanted = wanted.where(is_next)
    place, rank, amount = (0, 0, None) if last is None else (last.place, last.rank, last.amount)
    rows = []
    for user, own in connection.execute(wanted.order_by(columns.amount.desc(), user_id).limit(limit)):
        place += 1
        rank = rank if own == amount else place
        amount = own
        rows.append(FinalRow(place=place, rank=rank, user_id=user, amount=own))
    return rows


class Statements:
    """The one that writes many rows, for one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        """With positional parameters, as `Prepared` hands them on."""
        self.keep_ranks: Rows | Columns
        names = [one.name for one in final_rank.columns]
        if dialect.name == "postgresql":
            rows = postgresql.insert(final_rank).from_select(names, of_arrays(final_rank))
            self.keep_ranks = Columns(rows.on_conflict_do_nothing(), dialect)
        else:
            row = sqlite.insert(final_rank).values({name: bindparam(name) for name in names})
            self.keep_ranks = Rows(row.on_conflict_do_nothing(), dialect)


def keep_ranks(cursor: Any, statements: Statements, goal_id: str, rows: Sequence[FinalRow]) -> None:
    """See `ResultLedger.keep_ranks`."""
    # In the order of the table's columns.
    told = [(goal_id, one.place, one.rank, one.user_id, one.amount) for one in rows]
    statements.keep_ranks.insert(cursor, told)


# Finishing.


def is_ranked(connection: Connection, goal_id: str) -> bool:
    """Whether everyone who contributed has a final rank, with the very amount; and nobody else."""
    row, columns, own = _row(connection, goal_id), final_rank.c, contributor.c
    if row is None:
        return False
    is_own = and_(own.goal_id == columns.goal_id, own.user_id == columns.user_id, own.amount == columns.amount)
    counted = select(func.count(), func.count(own.user_id)).select_from(final_rank.outerjoin(contributor, is_own))
    ranked, owned = connection.execute(counted.where(columns.goal_id == goal_id)).one()
    return (ranked, owned) == (row.participants, row.participants)


def void_ranks(connection: Connection, goal_id: str) -> None:
    """Begin the ranking again: a user was renamed while it was made, say."""
    row = _row(connection, goal_id)
    if row is not None and row.settled_at is None:
        connection.execute(delete(final_rank).where(final_rank.c.goal_id == goal_id))


def finish(connection: Connection, writing: Writing, goal_id: str, *, at: datetime) -> bool:
    """See `ResultLedger.finish_settling`, for one that `is_ranked`."""
    row = _row(connection, goal_id)
    if row is None or row.settled_at is not None:
        return row is not None
    waiting = exists().where(
        grant_job.c.promise_id == promise.c.id, promise.c.goal_id == goal_id, grant_job.c.done_at.is_(None)
    )
    if connection.scalar(select(waiting)):
        return False
    settled = update(goal_result).where(goal_result.c.goal_id == goal_id)
    connection.execute(settled.values(settled_at=microseconds(at)))
    _announce(connection, writing, row.event_id, at)
    return True


def _announce(connection: Connection, writing: Writing, event_id: str, at: datetime) -> None:
    """Tell hosts that an event is settled, if all its goals are."""
    newest, found = publish.newest_of(connection, event_id), results(connection, event_id)
    if newest is not None and {one.id for one in newest.event.goals} == {one.goal.id for one in found}:
        told = settled_event(newest.event, found, at)
        writing.granting.announce(SETTLED, event_id, told, at)


# Reading.


def results(connection: Connection, event_id: str | None) -> list[GoalResult]:
    """See `ResultLedger.results`."""
    columns = goal_result.c
    wanted = select(goal_result).where(columns.settled_at.is_not(None)).order_by(columns.settled_at, columns.goal_id)
    rows = connection.execute(wanted if event_id is None else wanted.where(columns.event_id == event_id)).all()
    if not rows:
        return []
    goals = {one.id: one for version in publish.newest(connection) for one in version.event.goals}
    return [_result(row, goals[row.goal_id]) for row in rows]


def _result(row: Row[Any], declared: CommunityGoal) -> GoalResult:
    return GoalResult(
        goal=declared,
        total=row.total,
        pending=row.pending,
        late=row.late,
        participants=row.participants,
        outcome=Outcome(row.outcome),
        completed_at=None if row.completed_at is None else instant(row.completed_at),
        tiers=tuple(ReachedTier(Decimal(threshold), instant(at)) for threshold, at in json.loads(row.tiers)),
        consoled=bool(row.consoled),
        settled_at=instant(row.settled_at),
    )


def final_rows(connection: Connection, goal_id: str, *, after: int, limit: int) -> Sequence[FinalRow]:
    """See `ResultLedger.final_rows`."""
    columns = final_rank.c
    is_hidden = exists().where(hidden.c.user_id == columns.user_id)
    own = _told().where(columns.goal_id == goal_id, columns.place > after, ~is_hidden)
    return [_final_row(row) for row in connection.execute(own.order_by(columns.place).limit(limit))]


def final_row(connection: Connection, goal_id: str, user_id: str) -> FinalRow | None:
    """See `ResultLedger.final_row`."""
    own = _told().where(final_rank.c.goal_id == goal_id, final_rank.c.user_id == user_id)
    row = connection.execute(own).one_or_none()
    return None if row is None else _final_row(row)


def _told() -> Any:
    is_settled = and_(goal_result.c.goal_id == final_rank.c.goal_id, goal_result.c.settled_at.is_not(None))
    named = final_rank.join(goal_result, is_settled).outerjoin(player, player.c.user_id == final_rank.c.user_id)
    return select(final_rank, player.c.display_name).select_from(named)


def _final_row(row: Row[Any]) -> FinalRow:
    return FinalRow(
        place=row.place, rank=row.rank, user_id=row.user_id, amount=row.amount, display_name=row.display_name
    )
