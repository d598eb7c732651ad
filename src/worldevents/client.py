"""A running server's verbs: the same documents as in this process, over HTTP.

Every verb may be repeated without harm, because a contribution has its id and a change of an event its outcome; so what
gets no answer is asked again a few times (`asking`).
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Final
from urllib.parse import quote

from worldevents import catalog
from worldevents.asking import Asking, decoded, written
from worldevents.documents import Json
from worldevents.errors import (
    Internal,
    UnknownEvent,
    UnknownGoal,
    UnknownHold,
)
from worldevents.model import Ack, SeasonalEvent
from worldevents.prizes import read_grant_id
from worldevents.rules import check_id, check_user, is_slug

ITEMS_PER_CALL: Final = 1_000
"""The most items of a batch that go in one request."""
BYTES_PER_CALL: Final = 1_000_000
"""The most of them in bytes; one item that is larger goes alone."""


class Client(Asking):
    """`documents.Verbs` of the server at a URL: `async with Client(url, key) as verbs`.

    Besides what a verb raises by itself: ServerUnreachable when no try got an answer, Unauthorized and Forbidden where
    the key does not do. Amounts are sent as they are: a Decimal goes as text.
    """

    # Reading.

    async def goals(self, status: str = "active", *, event_id: str | None = None) -> Json:
        return await self._get("/v1/goals", status=status, eventId=event_id)

    async def progress(self, goal_id: str, user_id: str | None = None) -> Json:
        return await self._get(f"{_goal(goal_id)}/progress", userId=user_id)

    async def standing(self, goal_id: str, user_id: str) -> Json:
        return await self._get(f"{_goal(goal_id)}/standing", userId=user_id)

    async def leaderboard(
        self, goal_id: str, *, limit: int = 10, around: str | None = None, user_id: str | None = None
    ) -> Json:
        return await self._get(f"{_goal(goal_id)}/leaderboard", limit=str(limit), around=around, userId=user_id)

    async def events(self) -> Json:
        return await self._get("/v1/events")

    async def event(self, event_id: str, user_id: str | None = None) -> Json:
        return await self._get(f"/v1/events/{_event(event_id)}", userId=user_id)

    async def inspect(self, event_id: str, user_id: str | None = None) -> Json:
        return await self._get(f"/v1/admin/events/{_event(event_id)}", userId=user_id)

    # Contributing.

    async def contribute(self, goal_id: str, item: Json, *, ack: Ack | None = None) -> Json:
        return await self._ask("POST", f"{_goal(goal_id)}/contributions", written(item), ack=ack)

    async def contribute_many(self, items: Sequence[Json]) -> list[Json]:
        """As the protocol says; more than `ITEMS_PER_CALL` go in several requests, one after the other.

        When one of them fails, those before it are done, and the whole call may be repeated.
        """
        return await self._batches("/v1/contributions", items)

    async def record_many(self, items: Sequence[Json]) -> list[Json]:
        """As the protocol says, in several requests like `contribute_many`."""
        return await self._batches("/v1/actions", items)

    async def _batches(self, path: str, items: Sequence[Json]) -> list[Json]:
        told: list[Json] = []
        for batch, size in _batched([written(item) for item in items]):
            answer = await self._ask("POST", path, b'{"items":[' + b",".join(batch) + b"]}")
            results = answer.get("results")
            if not isinstance(results, list) or len(results) != size:
                raise Internal(f"the server did not answer {size} items with as many results")
            told += results
        return told

    # Rewards.

    async def rewards(self, user_id: str) -> Json:
        return await self._get(f"/v1/users/{quote(check_id(user_id, 'userId'), safe='')}/rewards")

    async def grants(self, *, after: int = 0, limit: int = ITEMS_PER_CALL) -> Json:
        return await self._get("/v1/grants", after=str(after), limit=str(limit))

    async def claim(self, grant_id: str) -> Json:
        return await self._ask("POST", f"/v1/rewards/{_grant(grant_id)}/claim", b"")

    async def deliver(self, grant_id: str) -> Json:
        return await self._ask("POST", f"/v1/rewards/{_grant(grant_id)}/deliver", b"")

    async def give(self, grant_id: str, *, author: str, reason: str) -> Json:
        told = {"author": author, "reason": reason}
        return await self._ask("POST", f"/v1/admin/grants/{_grant(grant_id)}/grant", written(told))

    async def revoke(self, grant_id: str, *, author: str, reason: str) -> Json:
        told = {"author": author, "reason": reason}
        return await self._ask("POST", f"/v1/admin/grants/{_grant(grant_id)}/revoke", written(told))

    async def grants_report(self) -> Json:
        return await self._get("/v1/admin/grants/report")

    # Results.

    async def result(self, goal_id: str, *, after: int = 0, limit: int = 10, user_id: str | None = None) -> Json:
        return await self._get(f"{_goal(goal_id)}/result", after=str(after), limit=str(limit), userId=user_id)

    async def settle(self, event_id: str) -> Json:
        if not is_slug(event_id):
            raise UnknownEvent(field="eventId")
        return await self._ask("POST", f"/v1/admin/events/{event_id}/settle", b"")

    # Operating.

    async def plan(self, event: SeasonalEvent) -> Json:
        return await self._put_event(event, dryRun="true")

    async def publish(self, event: SeasonalEvent, *, author: str, reason: str = "") -> Json:
        return await self._put_event(event, author=author, reason=reason or None)

    async def extend(self, event_id: str, ends_at: datetime, *, author: str, reason: str) -> Json:
        return await self._change(event_id, "extend", endsAt=ends_at.isoformat(), author=author, reason=reason)

    async def close(self, event_id: str, *, author: str, reason: str) -> Json:
        return await self._change(event_id, "close", author=author, reason=reason)

    async def cancel(self, event_id: str, *, author: str, reason: str) -> Json:
        return await self._change(event_id, "cancel", author=author, reason=reason)

    async def _put_event(self, event: SeasonalEvent, **query: str | None) -> Json:
        body = catalog.table_json(catalog.table(event)).encode()
        return await self._ask("PUT", "/v1/admin/events", body, query)

    async def _change(self, event_id: str, verb: str, **told: str) -> Json:
        return await self._ask("POST", f"/v1/admin/events/{_event(event_id)}/{verb}", written(told))

    async def correct(self, item: Json, *, preview: bool = False) -> Json:
        return await self._admin("corrections", item, preview=preview)

    async def withhold(self, item: Json, *, preview: bool = False) -> Json:
        return await self._admin("holds", item, preview=preview)

    async def holds(self, *, goal_id: str | None = None, after: str = "0", limit: int = 100) -> Json:
        return await self._get("/v1/admin/holds", goalId=goal_id, after=after, limit=str(limit))

    async def decide(self, hold_id: str, decision: str, item: Json, *, preview: bool = False) -> Json:
        if re.fullmatch("[0-9]{1,18}", hold_id) is None:
            raise UnknownHold(field="id")
        return await self._admin(f"holds/{hold_id}/{decision}", item, preview=preview)

    async def change_user(self, user_id: str, verb: str, item: Json, *, preview: bool = False) -> Json:
        return await self._admin(f"{_user(user_id)}/{verb}", item, preview=preview)

    async def export(self, user_id: str, *, after: str = "0", limit: int = 1_000) -> Json:
        return await self._get(f"/v1/admin/{_user(user_id)}/export", after=after, limit=str(limit))

    async def bans(self) -> Json:
        return await self._get("/v1/admin/users")

    async def audit(self, *, user_id: str | None = None, before: int | None = None, limit: int = 100) -> Json:
        told = None if before is None else str(before)
        return await self._get("/v1/admin/audit", userId=user_id, before=told, limit=str(limit))

    async def _admin(self, path: str, item: Json, *, preview: bool) -> Json:
        query = {"preview": "true" if preview else None}
        return await self._ask("POST", f"/v1/admin/{path}", written(item), query)

    # Watching.

    async def updates(self, *goal_ids: str) -> AsyncGenerator[Json]:
        """What each of these goals stands at, and then every change of it, as `codec.update` tells them, without end.

        A stream that ends or breaks is taken up again where it was. Raises ServerUnreachable when no try gets one.
        """
        for goal_id in goal_ids:
            _goal(goal_id)
        async with aclosing(self._stream("/v1/stream", {"goals": ",".join(goal_ids)})) as events:
            async for name, told in events:
                if name == "goal_update":
                    yield decoded(told)


def _goal(goal_id: str) -> str:
    """The path of a goal; what can be the id of none is not sent. Raises UnknownGoal."""
    if not is_slug(goal_id):
        raise UnknownGoal(field="goalId")
    return f"/v1/goals/{quote(goal_id, safe='')}"


def _event(event_id: str) -> str:
    if not is_slug(event_id):
        raise UnknownEvent(f"no event {event_id}", field="eventId")
    return quote(event_id, safe="")


def _user(user_id: str) -> str:
    return f"users/{quote(check_user(user_id, 'userId'), safe='')}"


def _grant(grant_id: str) -> str:
    read_grant_id(grant_id)
    return quote(grant_id, safe="")


def _batched(items: Sequence[bytes]) -> Iterator[tuple[Sequence[bytes], int]]:
    """Items in their order, as many together as one request takes."""
    batch: list[bytes] = []
    size = 0
    for item in items:
        if batch and (len(batch) == ITEMS_PER_CALL or size + len(item) > BYTES_PER_CALL):
            yield batch, len(batch)
            batch, size = [], 0
        batch.append(item)
        size += len(item) + 1
    if batch:
        yield batch, len(batch)
