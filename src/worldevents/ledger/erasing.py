"""Erasing a user: the tombstone takes the user's place in every row, and what a caller has chosen goes.

Each public function is the verb of the same name in `PersonalLedger`, or a part of it. No sum is moved here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, Connection, Row, and_, delete, func, or_, select, union, update

from worldevents import movements, prizes
from worldevents.ledger import settling
from worldevents.ledger.append import Writing, digests
from worldevents.ledger.base import Entry
from worldevents.ledger.grants import GRANTED
from worldevents.ledger.instants import microseconds
from worldevents.ledger.migrate import Identity
from worldevents.ledger.personal import Barred, Renamed, user_digest
from worldevents.ledger.schema import (
    activity,
    audit,
    ban,
    contribution,
    contributor,
    dead_letter,
    erasure,
    goal,
    grant_job,
    hidden,
    player,
    promise,
    repair,
    reward_grant,
)
from worldevents.ledger.schema_outward import webhook_delivery, webhook_endpoint
from worldevents.ledger.schema_results import final_rank
from worldevents.ledger.statements import upsert
from worldevents.model import GoalContribution
from worldevents.movements import Erasure
from worldevents.prizes import Giver, Source

NAMING: Final[frozenset[Column[Any]]] = frozenset(
    {
        contribution.c.user_id,
        contribution.c.contribution_id,
        contributor.c.user_id,
        repair.c.user_id,
        reward_grant.c.user_id,
        reward_grant.c.reason,
        grant_job.c.after_user,
        webhook_delivery.c.message_id,
        webhook_delivery.c.last_told,
        player.c.user_id,
        player.c.display_name,
        activity.c.user_id,
        hidden.c.user_id,
        ban.c.user_id,
        ban.c.reason,
        audit.c.subject,
        audit.c.reason,
        audit.c.detail,
        dead_letter.c.payload,
        erasure.c.user_id,
        final_rank.c.user_id,
    }
)
"""Every column in which a user may be named: a test holds that there are no others, and that all of them are erased."""

NO_ONE: Final = "erased"
"""What stands where an id was that nothing else refers to."""


# An erasing, from its beginning to its end.


def begin_erasing(connection: Connection, user_id: str, *, tombstone: str, at: datetime) -> Erasure:
    """See `PersonalLedger.begin_erasing`."""
    row = {"user_id": user_id, "tombstone": tombstone, "at": microseconds(at)}
    connection.execute(upsert(connection.dialect, erasure).values(row).on_conflict_do_nothing())
    return _erasure(connection.execute(select(erasure).where(erasure.c.user_id == user_id)).one())


def erasing(connection: Connection, user_id: str) -> Erasure | None:
    """See `PersonalLedger.erasing`."""
    row = connection.execute(select(erasure).where(erasure.c.user_id == user_id)).one_or_none()
    return None if row is None else _erasure(row)


def under_way(connection: Connection, tombstone: str) -> Erasure | None:
    """The erasing that leaves this behind, while it is known whom it is about."""
    found = select(erasure).where(erasure.c.tombstone == tombstone, erasure.c.user_id.is_not(None))
    row = connection.execute(found).one_or_none()
    return None if row is None else _erasure(row)


def _erasure(row: Row[Any]) -> Erasure:
    return Erasure(row.number, row.user_id, row.tombstone)


def end_erasing(connection: Connection, told: Erasure) -> None:
    """See `PersonalLedger.end_erasing`."""
    connection.execute(update(erasure).where(erasure.c.number == told.number).values(user_id=None))


def barred(connection: Connection, who: Identity) -> Barred:
    """See `PersonalLedger.barred`."""
    found = connection.scalars(select(erasure.c.digest).where(erasure.c.digest.is_not(None)))
    return Barred(who.digest_key, [bytes(one) for one in found])


def take_again(connection: Connection, who: Identity, user_id: str) -> bool:
    """See `PersonalLedger.take_again`."""
    known = erasure.c.digest == user_digest(who.digest_key, user_id)
    return connection.execute(update(erasure).where(known).values(digest=None)).rowcount > 0


# In one goal.


def erase(connection: Connection, writing: Writing, goal_id: str, told: Erasure, *, at: datetime) -> Renamed:
    """See `PersonalLedger.erase`."""
    wanted, known = movements.erasing(goal_id, told), _place(connection, goal_id, told)
    if known is None:
        rename(connection, writing.identity, goal_id, told)
        appended = writing.append([wanted.contribution], lambda _: [Entry(wanted.status, at, at)])
        (position,) = (row.position for row in appended.rows if row is not None)
        return Renamed(position, appended.totals[goal_id].seq, is_new=True)
    return Renamed(known, connection.execute(select(goal.c.seq).where(goal.c.id == goal_id)).scalar_one(), is_new=False)


def _place(connection: Connection, goal_id: str, told: Erasure) -> int | None:
    """Where the row of an erasing stands in a goal."""
    item, columns = movements.erasing(goal_id, told).contribution, contribution.c
    own = and_(columns.goal_id == goal_id, columns.user_id == item.user_id)
    return connection.scalar(select(columns.position).where(own, columns.contribution_id == item.contribution_id))


def rename(connection: Connection, who: Identity, goal_id: str, told: Erasure) -> None:
    """Put the tombstone in the user's place in all that belongs to a goal."""
    _rename_rows(connection, who, goal_id, told)
    # What was ranked goes by the order of ids, too: unless the ranks stand, they are made again.
    settling.void_ranks(connection, goal_id)
    for table in (contributor, repair, final_rank):
        own = and_(table.c.goal_id == goal_id, table.c.user_id == told.user_id)
        connection.execute(update(table).where(own).values(user_id=told.tombstone))
    _rename_grants(connection, goal_id, told)
    # Who comes next is told by the order of ids, and that has changed: a job begins again, and grants nobody twice.
    of_goal = grant_job.c.promise_id.in_(select(promise.c.id).where(promise.c.goal_id == goal_id))
    has_passed = or_(grant_job.c.done_at.is_(None), grant_job.c.after_user == told.user_id)
    connection.execute(update(grant_job).where(of_goal, has_passed).values(after_user=""))


def _rename_rows(connection: Connection, who: Identity, goal_id: str, told: Erasure) -> None:
    columns = contribution.c
    own = and_(columns.goal_id == goal_id, columns.user_id == told.user_id)
    of_operators = own, columns.contribution_id.contains("#", autoescape=True)

    def token(chosen: str) -> str:
        (digest,) = digests(who.digest_key, [GoalContribution(goal_id, told.user_id, chosen, 0)])
        return digest.hex()

    for position, row_id in connection.execute(
        select(columns.position, columns.contribution_id).where(*of_operators)
    ).all():
        named = {"contribution_id": movements.nameless(row_id, token), "user_id": told.tombstone}
        connection.execute(update(contribution).where(columns.position == position).values(**named))
    # What is left are contributions: their digest, which stays, is what they are called by from now on.
    is_server = connection.dialect.name == "postgresql"
    digest = func.encode(columns.digest, "hex") if is_server else func.lower(func.hex(columns.digest))
    connection.execute(update(contribution).where(own).values(contribution_id=digest, user_id=told.tombstone))


def _rename_grants(connection: Connection, goal_id: str, told: Erasure) -> None:
    columns = reward_grant.c
    own = (
        select(columns.number, columns.reason, promise.c.giver, promise.c.owner_id, promise.c.name)
        .join(promise, promise.c.id == columns.promise_id)
        .where(columns.user_id == told.user_id, promise.c.goal_id == goal_id)
    )
    for row in connection.execute(own).all():
        reason = None if row.reason is None else movements.unnamed(row.reason, told)
        connection.execute(
            update(reward_grant).where(columns.number == row.number).values(user_id=told.tombstone, reason=reason)
        )
        # A delivery's id is made of the grant's, and what its receiver has answered may be anything.
        grant_id = prizes.grant_id(Source(Giver(row.giver), row.owner_id, row.name), told.tombstone)
        delivery = webhook_delivery.c
        is_of_grant = delivery.endpoint_id.in_(select(webhook_endpoint.c.id)), delivery.number == row.number
        named = {"message_id": prizes.message_id(GRANTED, grant_id), "last_told": ""}
        connection.execute(update(webhook_delivery).where(*is_of_grant).values(**named))


# In what belongs to no goal.


def erase_rest(connection: Connection, writing: Writing, told: Erasure, *, at: datetime) -> None:
    """See `PersonalLedger.erase_rest`."""
    who = writing.identity
    is_undone = erasure.c.number == told.number, erasure.c.done_at.is_(None)
    if connection.execute(update(erasure).where(*is_undone).values(done_at=microseconds(at))).rowcount == 0:
        # What has come since is a new user's.
        return
    for goal_id in _goals_of(connection, told.user_id):
        if _place(connection, goal_id, told) is None:
            rename(connection, who, goal_id, told)
    connection.execute(delete(player).where(player.c.user_id == told.user_id))
    for table in (activity, hidden):
        connection.execute(update(table).where(table.c.user_id == told.user_id).values(user_id=told.tombstone))
    _rename_bans(connection, who, told)
    _rename_notes(connection, told)
    _rename_unkept(connection, told)


def _goals_of(connection: Connection, user_id: str) -> list[str]:
    # By goals, as the indexes begin.
    every = select(goal.c.id)
    named = [
        select(table.c.goal_id).where(table.c.goal_id.in_(every), table.c.user_id == user_id)
        for table in (contribution, contributor, repair)
    ]
    granted = select(promise.c.goal_id).join(reward_grant, reward_grant.c.promise_id == promise.c.id)
    return list(connection.scalars(union(*named, granted.where(reward_grant.c.user_id == user_id))))


def _rename_bans(connection: Connection, who: Identity, told: Erasure) -> None:
    for row in connection.execute(select(ban).where(ban.c.user_id == told.user_id)).all():
        named = {"user_id": told.tombstone, "reason": movements.unnamed(row.reason, told)}
        connection.execute(update(ban).where(ban.c.number == row.number).values(**named))
        if row.lifted_at is None:
            kept = update(erasure).where(erasure.c.number == told.number)
            connection.execute(kept.values(digest=user_digest(who.digest_key, told.user_id)))


def _rename_notes(connection: Connection, told: Erasure) -> None:
    for row in connection.execute(select(audit).where(audit.c.subject == told.user_id)).all():
        detail = _told_again(json.loads(row.detail), told)
        if isinstance(detail.get("id"), str):
            detail["id"] = movements.nameless(detail["id"], lambda _: NO_ONE)
        named = {"subject": told.tombstone, "reason": movements.unnamed(row.reason, told), "detail": json.dumps(detail)}
        connection.execute(update(audit).where(audit.c.number == row.number).values(**named))


def _rename_unkept(connection: Connection, told: Erasure) -> None:
    columns = dead_letter.c
    key = columns.goal_id, columns.number, columns.epoch, columns.place
    for row in unkept(connection, told.user_id):
        own = and_(*(column == getattr(row, column.name) for column in key))
        connection.execute(update(dead_letter).where(own).values(payload=_nameless(row.payload, told)))


def unkept(connection: Connection, user_id: str) -> Iterator[Row[Any]]:
    """Dead letters in which a user is named."""
    named = select(dead_letter).where(dead_letter.c.payload.contains(user_id, autoescape=True))
    word = re.compile(rf"(?<![A-Za-z0-9._:@-]){re.escape(user_id)}(?![A-Za-z0-9._:@-])")
    return (row for row in connection.execute(named).all() if word.search(row.payload))


def _nameless(payload: str, told: Erasure) -> str:
    document = json.loads(payload)
    if not isinstance(document, dict) or document.get("user_id") != told.user_id:
        return json.dumps(NO_ONE)
    return json.dumps(
        document
        | {
            "user_id": told.tombstone,
            "contribution_id": movements.nameless(str(document.get("contribution_id")), lambda _: NO_ONE),
            "display_name": None,
        }
    )


# Texts.


def _told_again(value: Any, told: Erasure) -> Any:
    """A document with the tombstone in all its texts, but for the ids of goals: a user may be called like one."""
    if isinstance(value, str):
        return movements.unnamed(value, told)
    if isinstance(value, list):
        return [_told_again(one, told) for one in value]
    if isinstance(value, dict):
        return {_key(name, told): one if name == "goalId" else _told_again(one, told) for name, one in value.items()}
    return value


def _key(name: str, told: Erasure) -> str:
    """What something is called in a document: the ids of grants have their users in them, all others are goals'."""
    source, mark, user_id = name.rpartition("~")
    return f"{source}{mark}{told.tombstone}" if mark and user_id == told.user_id else name
