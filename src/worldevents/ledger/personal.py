"""The ledger's side of erasing a user, and of telling what it holds about one. Words only, as in `base`.

Its laws, which `worldevents.testing.LedgerLaws` holds every back end to:

22. An erasing goes through the goals one by one, in each of them at one place in its order and once: what came before
    is the tombstone's, what comes after is a new user's. A row without amount says so. No sum, unlock or grant is
    another then, and an id that was kept stays known: its digest is kept, the id is not.
23. When an erasing has ended, neither the user's id, nor the name, nor the ids of the contributions are anywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple, Protocol

from worldevents.model import ContributionStatus
from worldevents.movements import Erasure


class Renamed(NamedTuple):
    """Where the row of an erasing stands in a goal, and the version that the goal is at."""

    position: int
    seq: int
    is_new: bool


class KeptRow(NamedTuple):
    """A contribution or movement as it is kept."""

    id: int
    goal_id: str
    contribution_id: str
    amount: int
    status: ContributionStatus
    occurred_at: datetime
    received_at: datetime


class KeptSums(NamedTuple):
    """What a user's rows in a goal come to: what counts, and what is held."""

    goal_id: str
    amount: int
    pending: int


class KeptBan(NamedTuple):
    """A ban that there is or was."""

    at: datetime
    reason: str
    author: str
    lifted_at: datetime | None


class Unkept(NamedTuple):
    """An entry of an outbox that could not be kept, as text."""

    goal_id: str
    at: datetime
    reason: str
    payload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """All that is kept about a user, beside the rows, the grants and the notes, of which here is only how many."""

    user_id: str
    display_name: str | None
    sums: Sequence[KeptSums]
    days: Sequence[date]
    hidden_since: datetime | None
    bans: Sequence[KeptBan]
    unkept: Sequence[Unkept]
    rows: int
    grants: int
    notes: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known of this user."""
        some = (self.display_name, self.hidden_since, self.rows, self.grants, self.notes)
        return not any((*some, self.sums, self.days, self.bans, self.unkept))


class Barred:
    """Users who were banned when they were erased: known by a keyed digest, and by nothing else."""

    def __init__(self, key: bytes = b"", digests: Sequence[bytes] = ()) -> None:
        self._key = key
        self._digests = frozenset(digests)

    def __bool__(self) -> bool:
        return bool(self._digests)

    def __contains__(self, user_id: str) -> bool:
        return bool(self._digests) and user_digest(self._key, user_id) in self._digests


def user_digest(key: bytes, user_id: str) -> bytes:
    """What a barred user is known by."""
    return hashlib.blake2b(f"user\0{user_id}".encode(), key=key, digest_size=16).digest()


class PersonalLedger(Protocol):
    """What is done with all that is about one user."""

    async def begin_erasing(self, user_id: str, *, tombstone: str, at: datetime) -> Erasure:
        """Note that this user is being erased: the erasing that was begun and has not ended, or a new one."""
        ...

    async def erasing(self, user_id: str) -> Erasure | None:
        """The user's erasing that was begun and has not ended."""
        ...

    async def erase(self, goal_id: str, erasure: Erasure, *, at: datetime) -> Renamed:
        """Erase a user in a goal without an outbox (law 22); done again, it changes nothing. Raises UnknownGoal."""
        ...

    async def erase_rest(self, erasure: Erasure, *, at: datetime) -> None:
        """Erase a user in all that belongs to no goal, and in the goals where it was not done (law 23); once."""
        ...

    async def end_erasing(self, erasure: Erasure) -> None:
        """Forget whom this was about: it is done everywhere."""
        ...

    async def barred(self) -> Barred:
        """Of whom nothing is taken, though nobody knows any more who they are."""
        ...

    async def take_again(self, user_id: str) -> bool:
        """Take a barred user again; whether this one was barred."""
        ...

    async def about(self, user_id: str) -> About:
        """What is kept about a user."""
        ...

    async def rows_of(self, user_id: str, *, after: int = 0, limit: int = 1_000) -> list[KeptRow]:
        """A page of a user's rows in all goals, oldest first, those after one's id."""
        ...
