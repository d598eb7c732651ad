"""Rewards: the verbs of hosts, players and operators, and the one task that grants whom an unlock left to a job.

Who is granted is decided by the ledger alone, and a job remembers there how far it is: this may be killed anywhere, and
run in several processes at once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from worldevents import prizes, rules
from worldevents.clock import Clock
from worldevents.errors import BodyInvalid, LedgerUnavailable
from worldevents.grants import GrantReport, RewardGrant
from worldevents.ledger.granted import RewardLedger

PAGE: Final = 500
"""Contributors in one page of a job: counting waits for a page to end."""
REST: Final = 4.0
"""Between two pages the ledger is left to counting, this many times as long as a page took, and no less than..."""
REST_LEAST_S: Final = 0.005
LOOK_S: Final = 1.0
"""How often a new job, and what is to be claimed by itself, is looked for."""
IDLE_LOOK_S: Final = 0.05
DUE_MAX: Final = 100
"""Grants that are claimed by themselves in one transaction."""
LIST_MAX: Final = 1_000
"""The most grants in one answer."""

_log = logging.getLogger(__name__)


class Rewards:
    """What was granted and what becomes of it. Made by `worldevents.open_runtime`."""

    def __init__(self, ledger: RewardLedger, clock: Clock, *, page: int = PAGE) -> None:
        """With `page` contributors in one transaction of a job."""
        self._ledger = ledger
        self._clock = clock
        self._page = page

    # What players and hosts do.

    async def of_user(self, user_id: str, *, limit: int = LIST_MAX) -> list[RewardGrant]:
        """One user's grants, the newest first. Raises IdInvalid, BodyInvalid."""
        return await self._ledger.grants_of(rules.check_id(user_id, "userId"), limit=_limit(limit))

    async def of_world(self, *, limit: int = LIST_MAX) -> list[RewardGrant]:
        """What was granted to everyone, the newest first. Raises BodyInvalid."""
        return await self._ledger.grants_of("", limit=_limit(limit))

    async def grants(self, *, after: int = 0, limit: int = LIST_MAX) -> list[RewardGrant]:
        """All grants by number, those after `after`: for a host that polls. Raises BodyInvalid."""
        if not 0 <= after < rules.TOTAL_BOUND:
            raise BodyInvalid("the number of the last grant that was seen, or 0", field="after")
        return await self._ledger.grants(after=after, limit=_limit(limit))

    async def grant(self, grant_id: str) -> RewardGrant:
        """One grant. Raises UnknownGrant."""
        return await self._ledger.grant(grant_id)

    async def claim(self, grant_id: str) -> RewardGrant:
        """Claim a grant; claimed before, it is answered as it is. Raises UnknownGrant, GrantRevoked, UserBanned."""
        return await self._ledger.claim(grant_id, self._clock.now())

    async def deliver(self, grant_id: str) -> RewardGrant:
        """Say that the player has it, for good. Raises UnknownGrant, GrantRevoked."""
        return await self._ledger.deliver(grant_id, self._clock.now())

    async def report(self) -> GrantReport:
        """What is owed of all grants on every way that hosts hear of them."""
        return await self._ledger.report()

    # What operators do.

    async def give(self, grant_id: str, *, author: str, reason: str) -> RewardGrant:
        """Grant to a user who does not qualify, or again after a revocation; else nothing changes.

        `grant_id` is `tier~GOAL~THRESHOLD~USER` or `challenge~EVENT~CHALLENGE~USER`. Raises UnknownGrant where no such
        tier or challenge was ever declared, BodyInvalid without a reason or an author.
        """
        by = {"reason": rules.check_reason(reason), "author": rules.check_author(author)}
        return await self._ledger.give(grant_id, self._clock.now(), **by)

    async def revoke(self, grant_id: str, *, author: str, reason: str) -> RewardGrant:
        """Take a grant back. Raises UnknownGrant, BodyInvalid as `give`."""
        by = {"reason": rules.check_reason(reason), "author": rules.check_author(author)}
        return await self._ledger.revoke(grant_id, self._clock.now(), **by)

    async def sweep(self, goal_id: str) -> int:
        """Look once more through all contributors of a goal, and grant those who were missed; says how many.

        For a goal that settles: there are none. Raises UnknownGoal.
        """
        await self._ledger.sweep(goal_id, self._clock.now())
        return await self.work_off()

    # The task.

    async def run(self) -> None:
        """Work jobs off and claim what is due, until cancelled."""
        is_behind = is_followed = False
        while True:
            try:
                if not is_followed:
                    await self._ledger.keep_promises(self._clock.now())
                    is_followed = True
                await self.work_off()
                await self._claim_due()
            except LedgerUnavailable as error:
                if not is_behind:
                    _log.warning("rewards wait for the ledger: %s", error.detail)
                is_behind = True
            else:
                is_behind = False
            await asyncio.sleep(LOOK_S)

    async def work_off(self) -> int:
        """Work off every job that there is, with time for counting between the pages; says how many grants it made."""
        made = 0
        # Looked for without the writer's lock: most of the time there is none.
        while await self._ledger.jobs():
            begun = time.perf_counter()
            page = await self._ledger.grant_page(self._clock.now(), size=self._page)
            if page is None:
                break
            made += page.grants
            await self._rest(REST * (time.perf_counter() - begun))
        return made

    async def idle(self) -> None:
        """Return when no job is left, whoever works them off."""
        while await self._ledger.jobs():
            await self._rest(IDLE_LOOK_S)

    async def _rest(self, seconds: float) -> None:
        await asyncio.sleep(max(REST_LEAST_S, seconds))

    async def _claim_due(self) -> None:
        while await self._ledger.claim_due(self._clock.now(), limit=DUE_MAX):
            await self._rest(0)


def user_of(grant_id: str) -> str | None:
    """Whose grant this is; None for the world's. Raises UnknownGrant."""
    return prizes.read_grant_id(grant_id)[1] or None


def _limit(limit: int) -> int:
    if not 1 <= limit <= LIST_MAX:
        raise BodyInvalid(f"from 1 to {LIST_MAX}", field="limit")
    return limit
