"""Those who contribute: over HTTP, in small batches, the same ids again and again until each one is answered."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import httpx2

from worldevents.errors import Closed, LedgerBehind, LedgerUnavailable, StoreLost, StoreUnavailable

AGAIN_S: Final = 0.02
CALLERS: Final = 4
"""Calls of one writer at the same time."""
ITEMS_MAX: Final = 20
REPEATED: Final = 0.02
"""The share of contributions that are told again although they were answered."""
USERS: Final = 40
TIMEOUT_S: Final = 5.0

_AGAIN: Final = {error.code for error in (Closed, LedgerBehind, LedgerUnavailable, StoreLost, StoreUnavailable)}


class Told(NamedTuple):
    """A contribution as it is told."""

    goal: str
    user: str
    contribution_id: str
    amount: int

    @property
    def document(self) -> dict[str, Any]:
        return {
            "goalId": self.goal,
            "userId": self.user,
            "contributionId": self.contribution_id,
            "amount": self.amount,
        }


@dataclass
class Heard:
    """What all writers were answered."""

    acknowledged: dict[Told, str] = field(default_factory=dict)
    """What was answered, and whether as counted or as a repeat."""
    retries: Counter[str] = field(default_factory=Counter)
    """Calls that had to be made again, by what was wrong."""
    repeats: int = 0
    """Contributions that were told again on purpose."""
    counted_again: list[Told] = field(default_factory=list)
    """Those of them that were not known any more."""
    refused: Counter[str] = field(default_factory=Counter)
    """Answers that should not be."""


class Writer:
    """One who contributes until told to stop, and then until all that was begun is answered."""

    def __init__(
        self, name: str, urls: Sequence[str], goals: Sequence[str], heard: Heard, *, chance: random.Random
    ) -> None:
        self._name = name
        self._urls = urls
        self._goals = goals
        self._heard = heard
        self._chance = chance
        self._made = 0
        self.stopping = False
        self.pause_s = 0.0
        """Between two batches, so that there is no more than the test needs."""

    async def run(self) -> None:
        async with (
            httpx2.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client,
            asyncio.TaskGroup() as tasks,
        ):
            for _ in range(CALLERS):
                tasks.create_task(self._call(client))

    async def _call(self, client: httpx2.AsyncClient) -> None:
        while not self.stopping:
            batch = [self._new() for _ in range(self._chance.randint(1, ITEMS_MAX))]
            await self._tell(client, batch)
            again = [one for one in batch if self._chance.random() < REPEATED]
            if again:
                self._heard.repeats += len(again)
                await self._tell(client, again, is_repeat=True)
            await asyncio.sleep(self.pause_s)

    def _new(self) -> Told:
        self._made += 1
        user = f"user-{self._chance.randrange(USERS)}"
        return Told(self._chance.choice(self._goals), user, f"{self._name}-{self._made}", self._chance.randint(1, 9))

    async def _tell(self, client: httpx2.AsyncClient, batch: Sequence[Told], *, is_repeat: bool = False) -> None:
        """Tell it to one server or another until every item has its answer."""
        left = list(batch)
        while left:
            url = self._chance.choice(self._urls)
            body = {"items": [one.document for one in left]}
            try:
                answered = await client.post(f"{url}/v1/contributions", json=body)
            except httpx2.TransportError as error:
                self._heard.retries[type(error).__name__] += 1
                await asyncio.sleep(AGAIN_S)
                continue
            if answered.status_code != 200:
                self._heard.retries[answered.json()["code"]] += 1
                await asyncio.sleep(AGAIN_S)
                continue
            results = answered.json()["results"]
            left = [one for one, result in zip(left, results, strict=True) if not self._hear(one, result, is_repeat)]
            if left:
                await asyncio.sleep(AGAIN_S)

    def _hear(self, one: Told, result: dict[str, Any], is_repeat: bool) -> bool:  # noqa: FBT001 - private
        """Whether that was an answer."""
        if "problem" in result:
            code = result["problem"]["code"]
            if code in _AGAIN:
                self._heard.retries[code] += 1
                return False
            self._heard.refused[code] += 1
            return True
        is_known = result["receipt"]["duplicate"]
        if is_repeat and not is_known:
            self._heard.counted_again.append(one)
        if not is_repeat:
            self._heard.acknowledged[one] = "repeat" if is_known else "counted"
        return True
