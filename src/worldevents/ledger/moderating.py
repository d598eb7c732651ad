"""What operators did, whom they banned or hid, and what is held: rows beside those of contributions.

No sum is moved here.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, exists, insert, select, text, update

from worldevents.errors import UnknownHold
from worldevents.ledger.instants import instant, microseconds
from worldevents.ledger.migrate import Identity
from worldevents.ledger.schema import HOLDS, audit, ban, contribution
from worldevents.ledger.schema import hidden as hidden_users
from worldevents.ledger.statements import upsert
from worldevents.model import Position
from worldevents.movements import DECISION, Ban, Hold, Note

# What was done.


def note(connection: Connection, told: Note) -> Note:
    """See `Ledger.note`."""
    row = {
        "at": microseconds(told.at),
        "author": told.author,
        "action": told.action,
        "subject": told.subject,
        "reason": told.reason,
        "detail": json.dumps(dict(told.detail)),
    }
    return _note(connection.execute(insert(audit).values(row).returning(audit)).one())


def notes(connection: Connection, *, subject: str | None, before: int | None, limit: int) -> list[Note]:
    """See `Ledger.notes`."""
    query = select(audit).order_by(audit.c.number.desc()).limit(limit)
    if subject is not None:
        query = query.where(audit.c.subject == subject)
    if before is not None:
        query = query.where(audit.c.number < before)
    return list(map(_note, connection.execute(query)))


def _note(row: Row[Any]) -> Note:
    return Note(
        at=instant(row.at),
        author=row.author,
        action=row.action,
        subject=row.subject,
        reason=row.reason,
        detail=json.loads(row.detail),
        number=row.number,
    )


# What is held.


def holds(connection: Connection, who: Identity, *, goal_id: str | None, after: int, limit: int) -> list[Hold]:
    """See `Ledger.holds`."""
    decided = contribution.alias()
    columns = contribution.c
    is_decided = select(decided.c.position).where(
        decided.c.goal_id == columns.goal_id,
        decided.c.user_id == columns.user_id,
        decided.c.contribution_id == DECISION + columns.contribution_id,
    )
    query = _holds().where(columns.position > after, ~is_decided.exists()).order_by(columns.position).limit(limit)
    if goal_id is not None:
        query = query.where(columns.goal_id == goal_id)
    return [_hold(row, who) for row in connection.execute(query)]


def hold(connection: Connection, who: Identity, hold_id: int) -> Hold:
    """See `Ledger.hold`."""
    row = connection.execute(_holds().where(contribution.c.position == hold_id)).one_or_none()
    if row is None:
        raise UnknownHold(field="id")
    return _hold(row, who)


def _holds() -> Select[Any]:
    # As the index has it, word for word: only then SQLite uses it.
    return select(contribution).where(text(f"contribution.{HOLDS}"))


def _hold(row: Row[Any], who: Identity) -> Hold:
    return Hold(
        id=row.position,
        goal_id=row.goal_id,
        user_id=row.user_id,
        contribution_id=row.contribution_id,
        amount=row.amount,
        occurred_at=instant(row.occurred_at),
        received_at=instant(row.received_at),
        position=Position(who.epoch, row.position) if row.epoch is None else Position(row.epoch, row.place),
    )


# Who takes no part.


def ban_user(connection: Connection, user_id: str, *, at: datetime, reason: str, author: str) -> Ban:
    """See `Ledger.ban_user`."""
    row = {"user_id": user_id, "at": microseconds(at), "reason": reason, "author": author}
    connection.execute(upsert(connection.dialect, ban).values(row).on_conflict_do_nothing())
    return _ban(connection.execute(_open().where(ban.c.user_id == user_id)).one())


def lift_ban(connection: Connection, number: int, *, at: datetime) -> None:
    """See `Ledger.lift_ban`."""
    lifted = update(ban).where(ban.c.number == number, ban.c.lifted_at.is_(None))
    connection.execute(lifted.values(lifted_at=microseconds(at)))


def bans(connection: Connection) -> list[Ban]:
    """See `Ledger.bans`."""
    return list(map(_ban, connection.execute(_open().order_by(ban.c.number))))


def ban_of(connection: Connection, user_id: str) -> Ban | None:
    """See `Ledger.ban_of`."""
    row = connection.execute(_open().where(ban.c.user_id == user_id)).one_or_none()
    return None if row is None else _ban(row)


def is_banned(user_id: object) -> ColumnElement[bool]:
    """Whether a user, named or a column of another table, has a ban that is not over."""
    return exists().where(ban.c.user_id == user_id, ban.c.lifted_at.is_(None))


def _open() -> Select[Any]:
    return select(ban).where(ban.c.lifted_at.is_(None))


def _ban(row: Row[Any]) -> Ban:
    return Ban(row.user_id, row.number, instant(row.at), row.reason, row.author)


# Who is left out of boards.


def hide(connection: Connection, user_id: str, *, at: datetime) -> None:
    """See `Ledger.hide`."""
    row = {"user_id": user_id, "since": microseconds(at)}
    connection.execute(upsert(connection.dialect, hidden_users).values(row).on_conflict_do_nothing())


def unhide(connection: Connection, user_id: str) -> None:
    """See `Ledger.unhide`."""
    connection.execute(delete(hidden_users).where(hidden_users.c.user_id == user_id))


def hidden(connection: Connection) -> frozenset[str]:
    """See `Ledger.hidden`."""
    return frozenset(connection.scalars(select(hidden_users.c.user_id)))
