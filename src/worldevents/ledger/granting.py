"""Granting in the transaction that makes somebody qualify, on the driver's cursor; next to nothing where nobody does.

What was missed before a promise was opened is left to a job (`grants`): here nobody is ever looked for.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Dialect, Integer, bindparam, func, literal_column, null, select, update

from worldevents import codec, prizes
from worldevents.grants import GrantStatus
from worldevents.ledger.document import event_from_document, reward_from_document
from worldevents.ledger.instants import microseconds
from worldevents.ledger.schema import (
    announcement,
    event_version,
    goal,
    grant_job,
    promise,
    promised_reward,
    reward_grant,
)
from worldevents.ledger.statements import Prepared, Rows, upsert
from worldevents.model import Audience, CommunityGoal, Reward, TierUnlock
from worldevents.prizes import Giver, Source

STATUSES: Final = (
    GrantStatus.CLAIMABLE,
    GrantStatus.CLAIMED,
    GrantStatus.PENDING,
    GrantStatus.DELIVERED,
    GrantStatus.REVOKED,
)
CLAIMABLE: Final = STATUSES.index(GrantStatus.CLAIMABLE)
CLAIMED: Final = STATUSES.index(GrantStatus.CLAIMED)
WORLD: Final = ""
"""The user of what is for everyone."""
UNLOCKED: Final = "goal.tier_unlocked"
COMPLETED: Final = "goal.completed"


class Promise(NamedTuple):
    """An open promise to contributors, as far as an append has to know it."""

    id: int
    least: int
    version: int
    claim_within: int | None


class Statements:
    """The statements of this file, for one dialect; and which promises are open, as of each goal's last change."""

    def __init__(self, dialect: Dialect) -> None:
        """With positional parameters, as `Prepared` hands them on."""

        def prepare(statement: Any) -> Prepared:
            return Prepared(statement, dialect)

        self.open: dict[str, tuple[int, Sequence[Promise]]] = {}
        self.promises = prepare(_PROMISES)
        self.last_numbers = prepare(_LAST_NUMBERS)
        self.insert_grants = Rows(_insert_grants(dialect), dialect)
        self.open_promise = prepare(_OPEN_PROMISE)
        self.reward = prepare(_REWARD)
        self.insert_job = prepare(_insert_job(dialect))
        self.announce = prepare(upsert(dialect, announcement).on_conflict_do_nothing())
        self.touch = prepare(_TOUCH)
        self.complete = prepare(_COMPLETE)
        self.event = prepare(_EVENT)


class Granting:
    """What one transaction grants. It holds the writer's lock: numbers are given out in the order of commits."""

    def __init__(self, cursor: Any, statements: Statements, secret: bytes) -> None:
        self._cursor = cursor
        self._statements = statements
        self._secret = secret

    # In an append.

    def promised(self, goal_id: str, promises: int | None) -> Sequence[Promise]:
        """What is open to a goal's contributors; `promises` is the goal's, as it stands."""
        if promises is None:
            return ()
        known, found = self._statements.open.get(goal_id, (None, ()))
        if known != promises:
            found = [Promise(*row) for row in self._statements.promises.rows(self._cursor, {"goal_id": goal_id})]
            self._statements.open[goal_id] = promises, found
        return found

    def crossed(self, promised: Sequence[Promise], moved: Iterable[tuple[str, int, int]], at: datetime) -> None:
        """Grant those whose own amount went over what a promise asks for; `moved` is users, before and after."""
        new = [(one, user_id) for user_id, before, after in moved for one in promised if before < one.least <= after]
        if new:
            self._grant(new, at)

    def _grant(self, new: Sequence[tuple[Promise, str]], at: datetime) -> None:
        number, granted_at = self.next_number(), microseconds(at)
        rows = [
            (number + place, one.id, user_id, one.version, CLAIMABLE, granted_at, _until(granted_at, one.claim_within))
            for place, (one, user_id) in enumerate(new)
        ]
        self._statements.insert_grants.insert(self._cursor, [(*row, None, None) for row in rows])

    def next_number(self) -> int:
        """The number of the next grant or announcement."""
        ((grants, announcements),) = self._statements.last_numbers.rows(self._cursor, {})
        return max(grants or 0, announcements or 0) + 1

    # When a tier was unlocked, or a goal completed.

    def unlocked(self, unlocks: Sequence[TierUnlock]) -> None:
        """Open what these tiers promise, leave who has qualified before to a job, and announce it."""
        for one in unlocks:
            for row in self._open(Source(Giver.TIER, one.goal_id, f"{one.threshold:f}")):
                self._opened(one, *row)
        for goal_id in {one.goal_id for one in unlocks}:
            self.touch(goal_id)

    def _open(self, source: Source) -> list[Any]:
        """Open what this promises; says what that is, if it was not open."""
        giver, owner_id, name = source
        key = {"giver": giver.value, "owner_id": owner_id, "name": name}
        return self._statements.open_promise.rows(self._cursor, key)

    def console(self, goal_id: str, at: datetime) -> None:
        """Open a goal's consolation, and have it granted to all who qualify."""
        source = Source(Giver.CONSOLATION, goal_id, "")
        for number, version, audience, _ in self._open(source):
            self.look_back(number, version, Audience(audience), source, at)
        self.touch(goal_id)

    def _opened(self, unlock: TierUnlock, number: int, version: int, audience: str, event_id: str) -> None:
        threshold = f"{unlock.threshold:f}"
        source = Source(Giver.TIER, unlock.goal_id, threshold)
        self.look_back(number, version, Audience(audience), source, unlock.unlocked_at)
        told = codec.unlocked_tier(self._goal(event_id, unlock.goal_id), unlock)
        self.announce(UNLOCKED, f"{unlock.goal_id}~{threshold}", told, unlock.unlocked_at)

    def look_back(self, promise_id: int, version: int, audience: Audience, source: Source, at: datetime) -> None:
        """Grant an open promise to the world, or have a job look for those who have qualified before."""
        told = microseconds(at)
        if audience is not Audience.EVERYONE:
            self._statements.insert_job.many(self._cursor, [{"promise_id": promise_id, "asked_at": told}])
            return
        # Nobody could claim what belongs to nobody: it is in effect at once.
        given = prizes.outcome(
            self._reward(promise_id, version), prizes.grant_id(source, WORLD), secret=self._secret, at=at
        )
        row = (self.next_number(), promise_id, WORLD, version, CLAIMED, told, None, told, json.dumps(dict(given)))
        self._statements.insert_grants.insert(self._cursor, [row])

    def completed(self, goal_id: str, at: datetime) -> None:
        """Write down that a goal's total has reached its target, and announce it: once."""
        key = {"goal_id": goal_id, "completed_at": microseconds(at)}
        for event_id, total in self._statements.complete.rows(self._cursor, key):
            told = codec.completed_goal(self._goal(event_id, goal_id), total, at)
            self.announce(COMPLETED, goal_id, told, at)

    def touch(self, goal_id: str) -> None:
        """Say that what a goal promises has changed. At random: a value that was rolled back must not come again."""
        change = {"goal_id": goal_id, "promises": secrets.randbits(62)}
        self._statements.touch.many(self._cursor, [change])

    def _reward(self, promise_id: int, version: int) -> Reward:
        ((document,),) = self._statements.reward.rows(self._cursor, {"promise_id": promise_id, "version": version})
        return reward_from_document(json.loads(document))

    def _goal(self, event_id: str, goal_id: str) -> CommunityGoal:
        ((document,),) = self._statements.event.rows(self._cursor, {"event_id": event_id})
        declared = event_from_document(json.loads(document))
        return next(one for one in declared.goals if one.id == goal_id)

    def announce(self, kind: str, subject: str, document: Mapping[str, object], at: datetime) -> None:
        """Tell hosts that something happened, once for this kind and subject."""
        row = {
            "number": self.next_number(),
            "id": prizes.message_id(kind, subject),
            "kind": kind,
            "at": microseconds(at),
            "document": json.dumps(document, ensure_ascii=False),
        }
        self._statements.announce.many(self._cursor, [row])


def _until(granted_at: int, claim_within: int | None) -> int | None:
    return None if claim_within is None else granted_at + claim_within


# Constants are written out: `Prepared` hands on what it is given, and nothing else.
_YES: Final[ColumnElement[int]] = literal_column("1", Integer)

_PROMISES = select(promise.c.id, promise.c.least, promise.c.version, promise.c.claim_within).where(
    promise.c.goal_id == bindparam("goal_id"),
    promise.c.is_open == _YES,
    promise.c.audience == literal_column(f"'{Audience.CONTRIBUTORS}'"),
)

_LAST_NUMBERS = select(
    select(func.max(reward_grant.c.number)).scalar_subquery(), select(func.max(announcement.c.number)).scalar_subquery()
)

_INSERTED = (
    *("number", "promise_id", "user_id", "version", "status", "granted_at"),
    *("claim_until", "claimed_at", "outcome"),
)


def _insert_grants(dialect: Dialect) -> Any:
    """In the order of the table's columns, as `Rows` takes them."""
    new = upsert(dialect, reward_grant).values({name: bindparam(name) for name in _INSERTED})
    return new.on_conflict_do_nothing()


def _insert_job(dialect: Dialect) -> Any:
    new = upsert(dialect, grant_job).values(
        promise_id=bindparam("promise_id"),
        after_user=literal_column("''"),
        asked_at=bindparam("asked_at"),
        done_at=null(),
    )
    values = {name: new.excluded[name] for name in ("after_user", "asked_at", "done_at")}
    return new.on_conflict_do_update(index_elements=["promise_id"], set_=values)


_OPEN_PROMISE = (
    update(promise)
    .where(
        promise.c.giver == bindparam("giver"),
        promise.c.owner_id == bindparam("owner_id"),
        promise.c.name == bindparam("name"),
        promise.c.is_open != _YES,
    )
    .values(is_open=_YES)
    .returning(
        promise.c.id,
        promise.c.version,
        promise.c.audience,
        promise.c.event_id,
    )
)

_REWARD = select(promised_reward.c.document).where(
    promised_reward.c.promise_id == bindparam("promise_id"), promised_reward.c.version == bindparam("version")
)

_VERSIONS = event_version.alias()
_EVENT = select(event_version.c.document).where(
    event_version.c.event_id == bindparam("event_id"),
    event_version.c.version
    == select(func.max(_VERSIONS.c.version)).where(_VERSIONS.c.event_id == event_version.c.event_id).scalar_subquery(),
)

_TOUCH = update(goal).where(goal.c.id == bindparam("goal_id")).values(promises=bindparam("promises"))

_COMPLETE = (
    update(goal)
    .where(goal.c.id == bindparam("goal_id"), goal.c.completed_at.is_(None))
    .values(completed_at=bindparam("completed_at"))
    .returning(goal.c.event_id, goal.c.total)
)
