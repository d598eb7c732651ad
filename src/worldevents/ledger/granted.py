"""The ledger's memory of rewards: who was granted what, and what became of it. Words only, as in `base`.

Its laws, which `worldevents.testing.LedgerLaws` holds every back end to:

13. A grant is unique for a tier or challenge and a user, for ever, and is never deleted. It carries the reward as it
    was declared when it was made. Nothing but an operator takes it back: no correction, no hold, no ban, no edit.
14. Who qualifies in an append for a tier that is unlocked, or for a challenge, is granted in that append, by whatever
    kind of row, and though a later row of it takes away again. Who qualified before is granted by a job, which the
    append or publish that opened the tier has written, by what the user has when it looks: page by page, each page
    one transaction. When no job is left, nobody is missing. What is for everyone is one grant of the world.
15. Claiming is done once: its outcome stays. Of a reward with a stock no more are claimed than there are. Of a user who
    is banned nothing is claimed, neither by the user nor by itself; what was claimed before is answered as it is.
16. Grants and announcements have one series of numbers, which rises in the order in which they became facts: who has
    seen all up to a number finds what is new behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from worldevents.grants import Announcement, GrantReport, RewardGrant
from worldevents.ledger.base import OutboxLedger
from worldevents.ledger.settled import ResultLedger


class Granted(NamedTuple):
    """What one page of a job did."""

    grants: int
    is_done: bool
    """Whether it was the last page of its job."""


class RewardLedger(Protocol):
    """The durable memory of rewards. Every verb raises LedgerUnavailable where the database cannot be used."""

    async def keep_promises(self, at: datetime) -> None:
        """Follow every event's newest version once more: for a database that an older version has written.

        Tiers that are unlocked are open from then on, with a job for each that had none. Done again, it does nothing.
        """
        ...

    async def jobs(self) -> int:
        """How many jobs are not done."""
        ...

    async def grant_page(self, at: datetime, *, size: int) -> Granted | None:
        """Look at the next contributors, so many at most, of the oldest job, and grant those who qualify (law 14).

        None where there is no job.
        """
        ...

    async def sweep(self, goal_id: str, at: datetime) -> int:
        """Have every open promise of a goal looked through again; says how many jobs that is. Raises UnknownGoal."""
        ...

    async def grants(self, *, after: int = 0, limit: int = 1_000) -> list[RewardGrant]:
        """A page of all grants by number, those after `after` (law 16); an empty page is the end."""
        ...

    async def grants_of(self, user_id: str, *, limit: int = 1_000) -> list[RewardGrant]:
        """One user's grants, the newest first; those of the world for an empty user."""
        ...

    async def grant(self, grant_id: str) -> RewardGrant:
        """One grant. Raises UnknownGrant."""
        ...

    async def claim(self, grant_id: str, at: datetime) -> RewardGrant:
        """Claim a grant, now or long ago (law 15). Raises UnknownGrant, GrantRevoked, UserBanned."""
        ...

    async def claim_due(self, at: datetime, *, limit: int = 500) -> int:
        """Claim grants whose `claim_until` is past (law 15); says how many those were."""
        ...

    async def deliver(self, grant_id: str, at: datetime) -> RewardGrant:
        """The host says that the player has it: the first instant stays. Raises UnknownGrant, GrantRevoked."""
        ...

    async def give(self, grant_id: str, at: datetime, *, reason: str, author: str) -> RewardGrant:
        """Grant by hand: to a user who does not qualify, or once more after a revocation; else nothing changes.

        Raises UnknownGrant where no tier or challenge was ever declared that gives it.
        """
        ...

    async def revoke(self, grant_id: str, at: datetime, *, reason: str, author: str) -> RewardGrant:
        """Take a grant back, now or long ago; a place in its stock is free again. Raises UnknownGrant."""
        ...

    async def report(self) -> GrantReport:
        """What is owed of all grants on every way that hosts hear of them, at one moment."""
        ...

    async def announcements(self, *, after: int = 0, limit: int = 1_000) -> Sequence[Announcement]:
        """A page of all announcements by number, those after `after` (law 16)."""
        ...


class DurableLedger(OutboxLedger, RewardLedger, ResultLedger, Protocol):
    """All that the ledger is."""
