"""What a store in Redis is asked: states, shares and boards, merged from all partitions of a goal."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from worldevents import rules
from worldevents.errors import StoreLost, UnknownGoal
from worldevents.model import CommunityGoal, Contributor, GoalProgress, GoalState, Leaderboard, Partition
from worldevents.standing import Standing, minimums
from worldevents.store.keys import Keys, number_of
from worldevents.store.redis import words
from worldevents.store.redis.connection import Connection, failing

SUM_PAGE: Final = 5_000
"""Users whose amounts are added up in one call."""


class Reading:
    """The reading half of the store in Redis."""

    _connection: Connection
    _keys: Keys
    _partitions: int
    _goals: dict[str, CommunityGoal]
    _hidden: frozenset[str]

    def goal(self, goal_id: str) -> CommunityGoal:
        """A published goal, as this process knows it."""
        try:
            return self._goals[goal_id]
        except KeyError:
            raise unknown(goal_id) from None

    def partitions(self, goal_id: str) -> Sequence[Partition]:
        """The shares that a goal is cut into."""
        return [Partition(goal_id, number) for number in range(self._partitions)]

    async def _call(self, function: str, partition: Partition, *arguments: str | bytes) -> Any:
        return await self._connection.call(function, self._keys.partition(partition), *arguments)

    # Reading.

    async def _asked(self, function: str, goal_id: str, *arguments: str) -> list[Any]:
        """The same question to every partition of a goal that is there."""
        self.goal(goal_id)
        told = await asyncio.gather(*(self._call(function, one, *arguments) for one in self.partitions(goal_id)))
        if any(one[0][1] != b"1" for one in told):
            raise StoreLost
        return list(told)

    async def state(self, goal_id: str) -> GoalState:
        told = await self._asked("progress", goal_id, "")
        return words.state(self.goal(goal_id), [one[0] for one in told])

    async def progress(self, goal_id: str, user_id: str | None) -> GoalProgress:
        told = await self._asked("progress", goal_id, user_id or "")
        state = words.state(self.goal(goal_id), [one[0] for one in told])
        if user_id is None:
            return GoalProgress(state=state)
        place = number_of(user_id, self._partitions)
        own = int(told[place][1])
        return GoalProgress(
            state=state,
            user_contribution=own,
            user_pending=int(told[place][2]),
            user_rank=await self._rank(goal_id, own, place, int(told[place][3])) if own else None,
        )

    async def _rank(self, goal_id: str, amount: int, place: int, above: int) -> int:
        others = [one for one in self.partitions(goal_id) if one.number != place]
        more = await asyncio.gather(*(self._call("above", one, str(amount)) for one in others))
        return 1 + above + sum(map(int, more))

    async def standing(self, goal_id: str, user_id: str) -> Standing:
        goal, parts = self.goal(goal_id), self.partitions(goal_id)
        asked, place = minimums(goal), number_of(user_id, self._partitions)
        own = await self._call("standing", parts[place], user_id, "", *map(str, asked))
        # The others do not know what the user has.
        also = await asyncio.gather(
            *(
                self._call("standing", one, user_id, str(int(own[1])), *map(str, asked))
                for one in parts
                if one.number != place
            )
        )
        told = [*also[:place], own, *also[place:]]
        if any(one[0][1] != b"1" for one in told):
            raise StoreLost
        return words.standing(goal, told, own, asked)

    async def leaderboard(
        self, goal_id: str, *, limit: int, around: str | None = None, user_id: str | None = None
    ) -> Leaderboard:
        start = 0 if around is None else await self._start(goal_id, around, limit)
        first = "0" if self._partitions > 1 else str(start)
        told = await self._asked("rows", goal_id, first, str(start + limit + len(self._hidden)))
        parts = [[(-int(one[1][n + 1]), one[1][n].decode()) for n in range(0, len(one[1]), 2)] for one in told]
        board = heapq.merge(*([(-amount, user) for amount, user in part] for part in parts))
        skipped = start if self._partitions > 1 else 0
        rows = [(user, -amount) for amount, user in board][skipped:]
        own = None if user_id is None else await self.progress(goal_id, user_id)
        ranked = await self._ranked(goal_id, rows[: limit + len(self._hidden)], start)
        shown = [one for one in ranked if one.user_id not in self._hidden][:limit]
        wanted = [one.user_id for one in shown] + ([user_id] if user_id and own and own.user_rank else [])
        names = await self._names(wanted)
        contributors = [replace(one, display_name=names.get(one.user_id)) for one in shown]
        user = None
        if user_id is not None and own is not None and own.user_rank is not None:
            name = names.get(user_id)
            user = Contributor(rank=own.user_rank, user_id=user_id, amount=own.user_contribution, display_name=name)
        return Leaderboard(
            goal=self.goal(goal_id),
            contributors=tuple(contributors),
            participants=words.state(self.goal(goal_id), [one[0] for one in told]).participants,
            user=user,
        )

    async def _start(self, goal_id: str, around: str, limit: int) -> int:
        """Where the rows around a user begin; at the top where that one is not on the board."""
        progress = await self.progress(goal_id, around)
        if progress.user_rank is None:
            return 0
        amount = str(progress.user_contribution)
        before = await asyncio.gather(*(self._call("place", one, amount, around) for one in self.partitions(goal_id)))
        return max(0, min(sum(map(int, before)) - limit // 2, progress.state.participants - limit))

    async def _ranked(self, goal_id: str, rows: Sequence[tuple[str, int]], start: int) -> list[Contributor]:
        found: list[Contributor] = []
        for place, (user, amount) in enumerate(rows, start=start + 1):
            if found and found[-1].amount == amount:
                rank = found[-1].rank
            elif found or place == 1:
                rank = place
            else:
                more = await asyncio.gather(
                    *(self._call("above", one, str(amount)) for one in self.partitions(goal_id))
                )
                rank = 1 + sum(map(int, more))
            found.append(Contributor(rank=rank, user_id=user, amount=amount))
        return found

    async def sum_of_users(self, partition: Partition) -> int | None:
        total, start, versions = 0, 0, set()
        while True:
            epoch, seq, found, amount = await self._call("sum", partition, str(start), str(SUM_PAGE))
            versions.add((epoch, seq))
            total, start = total + int(amount), start + int(found)
            if int(found) < SUM_PAGE:
                return total if len(versions) == 1 else None

    async def _names(self, users: Sequence[str]) -> dict[str, str]:
        if not users:
            return {}
        with failing():
            names = await self._connection.client.hmget(self._keys.names, list(users))
        return {user: name.decode() for user, name in zip(users, names, strict=True) if name is not None}


def unknown(goal_id: str) -> UnknownGoal:
    """Anything may stand where an id should; only what could be one is said back."""
    return UnknownGoal(f"no goal {goal_id}" if rules.is_slug(goal_id) else None, field="goalId")
