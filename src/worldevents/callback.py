"""A host's own callback: it is told every grant, in the order of granting, until it has returned from it.

The ledger remembers how far that is. Of several processes one tells at a time; whoever is killed is followed by
another, which tells again what was not written down. Nothing else waits for this.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final, Protocol

from worldevents.clock import Clock
from worldevents.errors import LedgerUnavailable
from worldevents.grants import RewardGrant
from worldevents.ledger.granted import RewardLedger
from worldevents.ledger.outward import CallbackLedger

OnGrant = Callable[[RewardGrant], Awaitable[bool | None]]
"""What a host gives. True says that the player has the reward now; anything else, that the host has taken note of it.

Told again, a grant has the same id. An exception is no return: the grant is told again, and none after it before.
"""

PAGE: Final = 100
"""Grants that are read at once."""
MOVE_S: Final = 0.25
"""How much of what was told may be told again after a kill, in seconds of telling."""
CALL_S: Final = 30.0
"""How long one call may take; then it is cancelled, and has failed."""
LEASE_S: Final = 90.0
"""How long a process that was killed holds its turn: well over the longest call."""
LOOK_S: Final = 1.0
"""How often something new is looked for."""
FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 300.0
"""How long it is waited after a failure, and after many."""
DOUBLED_MAX: Final = 20
JITTER: Final = 0.2
FAREWELL_S: Final = 1.0
"""How long it may take to write down what was told, at the end."""

_log = logging.getLogger(__name__)


class _Ledger(RewardLedger, Protocol):
    @property
    def callback(self) -> CallbackLedger:
        """How far this is."""
        ...


class Callback:
    """Tells a host of grants; `run` is its one background task."""

    def __init__(
        self,
        ledger: _Ledger,
        clock: Clock,
        on_grant: OnGrant,
        *,
        chance: random.Random,
        lease_s: float = LEASE_S,
        look_s: float = LOOK_S,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._on_grant = on_grant
        self._chance = chance
        self._holder = f"{chance.getrandbits(64):016x}"
        self._lease = timedelta(seconds=lease_s)
        self._look_s = look_s
        self._asked = False
        """Whether the turn may be this one's: a cancelled question may have been answered."""
        self._seen = 0
        """A number that the cursor has passed."""
        self._told = 0
        """The number of the last grant that was told and is not written down; 0 is none."""
        self._delivered: list[int] = []
        self._failures = 0
        """Those in a row."""

    async def run(self) -> None:
        """Tell until cancelled."""
        try:
            while True:
                try:
                    wait_s = await self._turn()
                except LedgerUnavailable as error:
                    _log.warning("the callback waits for the ledger: %s", error.detail)
                    wait_s = self._look_s
                await asyncio.sleep(wait_s)
        finally:
            await self._leave()

    async def _turn(self) -> float:
        """Tell what is next, where there is anything and it is this process's turn; says how long to rest then."""
        await self._write_down()
        # Looked for without a lock: most of the time there is nothing.
        if not await self._ledger.grants(after=self._seen, limit=1):
            return self._look_s
        now, self._asked = self._clock.now(), True
        cursor = await self._ledger.callback.hold(self._holder, now=now, until=now + self._lease)
        if cursor is None:
            return self._look_s
        self._seen = cursor
        begun = time.monotonic()
        for one in await self._ledger.grants(after=cursor, limit=PAGE):
            if not await self._tell(one):
                self._failures += 1
                await self._write_down()
                return self._wait_s()
            self._failures = 0
            if time.monotonic() - begun > MOVE_S:
                break
        await self._write_down()
        return 0

    async def _tell(self, one: RewardGrant) -> bool:
        """Whether the host has returned from this."""
        try:
            async with asyncio.timeout(CALL_S):
                has_it = await self._on_grant(one)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            _log.error("on_grant was cancelled inside, for grant %s: it is told again", one.id)
            return False
        except Exception:  # noqa: BLE001 - whatever a host raises, the grant is told again
            _log.exception("on_grant has failed for grant %s: it is told again, and none after it before", one.id)
            return False
        self._told = one.number
        if has_it is True:
            self._delivered.append(one.number)
        return True

    async def _write_down(self) -> None:
        if not self._told:
            return
        number, delivered = self._told, self._delivered[:]
        await self._ledger.callback.told(number, delivered, at=self._clock.now())
        self._seen, self._told = number, 0
        del self._delivered[: len(delivered)]

    def _wait_s(self) -> float:
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(self._failures - 1, DOUBLED_MAX))
        return wait_s * self._chance.uniform(1 - JITTER, 1 + JITTER)

    async def _leave(self) -> None:
        """Write down what was told, and let another tell at once."""
        with suppress(LedgerUnavailable, TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await self._write_down()
                if self._asked:
                    now = self._clock.now()
                    await self._ledger.callback.hold(self._holder, now=now, until=now)
