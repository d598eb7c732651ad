"""What happens in one schedule, all of it drawn from one seed: settings, contributions, faults and their instants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from random import Random
from typing import Final

from worldevents.model import Ack, Limits, OverLimit, SeasonalEvent
from worldevents.testing.builders import DURING, a_goal, an_event
from worldevents.testing.simulation.database import POISON
from worldevents.testing.simulation.share import Bounds

BEGINS: Final = DURING
USERS: Final = ("ann", "bob", "cid", "dan")
CALLERS: Final = 3
LASTS_S: Final = 1.0
"""Faults happen in the first so many seconds; then everybody is well again."""
PER_DAY: Final = 45
LEASE: Final = timedelta(seconds=0.3)


class Verb(StrEnum):
    """What operators do."""

    CORRECT = "correct"
    WITHHOLD = "withhold"
    DECIDE = "decide"
    BAN = "ban"
    UNBAN = "unban"


class Fault(StrEnum):
    """What can go wrong as a whole."""

    KILL = "a process is killed, and another one started"
    RESTART = "the store's server starts again with all it had"
    FLUSH = "the store's server forgets everything"
    EMPTY = "the store's server starts again with nothing"
    STALE = "the store's server starts again with what it had a while ago"
    DATABASE = "the database does not answer for a while"
    CORRUPT = "an entry of the outbox becomes unreadable"
    PUBLISH = "an operator adds a tier that is reached early"


LOSING: Final = (Fault.FLUSH, Fault.EMPTY, Fault.STALE)
"""What may lose contributions that only the store had."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A contribution as its caller brings it."""

    goal_id: str
    user_id: str
    contribution_id: str
    amount: int
    age_s: float | None
    """How long ago it occurred; None where it does not say."""
    ack: Ack
    repeats: int
    """How often it is told again after it was answered."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What an operator sets out to do."""

    what: Verb
    goal_id: str
    user_id: str
    id: str
    """Of a correction, or of what is withheld."""
    amount: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """One schedule, but for the delays on the way."""

    bounds: Bounds
    servers: int
    """Each with a batcher and a syncer of its own."""
    syncers: int
    interval_s: float
    batch_max: int
    calls_max: int
    trouble: tuple[float, float, float]
    offered: tuple[tuple[Offered, ...], ...]
    """By caller."""
    faults: tuple[tuple[float, Fault], ...]
    operations: tuple[tuple[Operation, ...], ...]
    """By operator; half of the schedules have none."""
    remembers_at: float
    """When the memory was to which the store goes back."""

    def has(self, *faults: Fault) -> bool:
        """Whether any of these happens."""
        return any(one in faults for _, one in self.faults)


def the_event(*, more: bool = False) -> SeasonalEvent:
    """Two goals, one with a limit that holds and one with a limit that refuses; with `more`, another tier each."""
    percents = ("5", "25", "50", "100") if more else ("25", "50", "100")
    holds = Limits(per_user_day=PER_DAY)
    refuses = Limits(per_contribution=9, over=OverLimit.REFUSE)
    return an_event(
        a_goal("volume", target=100, percents=percents, limits=holds),
        a_goal("kills", target=80, percents=percents, limits=refuses),
    )


def scenario(rng: Random) -> Scenario:
    """A schedule: calm ones, and ones in which everything fails."""
    faults = _faults(rng)
    is_stale = Fault.STALE in [fault for _, fault in faults]
    offered = tuple(_offered(rng, caller) for caller in range(CALLERS))
    return Scenario(
        bounds=Bounds(
            partitions=rng.choice((1, 1, 2)),
            outbox_max=rng.choice((4, 1_000, 1_000)),
            # A memory that goes back is mended from what is kept behind the watermark.
            kept=1_000 if is_stale else rng.choice((0, 2, 1_000)),
            window=timedelta(seconds=rng.choice((0.4, 3_600, 3_600))),
            lease=LEASE,
        ),
        servers=rng.choice((1, 2)),
        syncers=rng.choice((0, 1)),
        interval_s=rng.choice((0.06, 0.4)),
        batch_max=rng.choice((1, 3, 100)),
        calls_max=rng.choice((1, 2)),
        trouble=rng.choice(((0, 0, 0), (0.02, 0.02, 0.02), (0.05, 0.05, 0.1))),
        offered=offered,
        operations=tuple(_operations(rng, offered, operator) for operator in range(rng.choice((0, 0, 1, 2)))),
        faults=faults,
        remembers_at=rng.random() * LASTS_S / 2,
    )


def _faults(rng: Random) -> tuple[tuple[float, Fault], ...]:
    kinds = (*Fault, Fault.KILL, Fault.KILL, Fault.RESTART)
    return tuple(sorted((rng.random() * LASTS_S, rng.choice(kinds)) for _ in range(rng.choice((0, 1, 2, 4)))))


def _offered(rng: Random, caller: int) -> tuple[Offered, ...]:
    found: list[Offered] = []
    for number in range(rng.randint(2, 5)):
        before = rng.choice(found) if found and rng.random() < 0.1 else None
        name = before.contribution_id if before else f"{caller}{number}"
        is_poison = name.startswith(POISON) or (before is None and rng.random() < 0.01)
        found.append(
            Offered(
                goal_id=before.goal_id if before else rng.choice(("volume", "volume", "kills")),
                user_id=before.user_id if before else rng.choice(USERS),
                contribution_id=f"{POISON}{name}" if is_poison and before is None else name,
                # Told again with another amount, sometimes.
                amount=rng.randint(1, 10),
                age_s=rng.choice((None, None, 0.1, 7_200, 90_000)),
                ack=Ack.APPLIED if is_poison else rng.choice((Ack.APPLIED, Ack.APPLIED, Ack.LEDGER, Ack.FSYNCED)),
                repeats=rng.choice((0, 0, 0, 1, 2)),
            )
        )
    return tuple(found)


def _operations(rng: Random, offered: tuple[tuple[Offered, ...], ...], operator: int) -> tuple[Operation, ...]:
    # Bans of one user, for the most part: another one's end belongs to the same.
    banned = rng.choice(USERS)
    found = []
    for number in range(rng.randint(1, 5)):
        what, about = rng.choice(tuple(Verb)), rng.choice(rng.choice(offered))
        found.append(
            Operation(
                what=what,
                goal_id=about.goal_id,
                user_id=banned if what in (Verb.BAN, Verb.UNBAN) else about.user_id,
                id=about.contribution_id if what is Verb.WITHHOLD else f"{operator}{number}",
                amount=rng.choice((-9, -3, -1, 1, 3, 9, 30)),
            )
        )
    return tuple(found)
