"""The embedded store's picture of each goal, and the decisions over one batch against that picture."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from worldevents import rules
from worldevents.errors import WorldEventsError
from worldevents.ledger.base import Entry, Row
from worldevents.model import CommunityGoal, ContributionStatus, GoalContribution, GoalState, TierUnlock
from worldevents.store.ranking import Ranking


@dataclass(slots=True)
class LiveGoal:
    """A goal in memory: what is declared and all that it stands at."""

    goal: CommunityGoal
    ranking: Ranking
    held: Counter[str]
    days: Counter[tuple[str, date]] | None
    """Counted amounts by user and UTC day; None for a goal without a limit by day."""
    total: int = 0
    pending: int = 0
    seq: int = 0
    unlocks: tuple[TierUnlock, ...] = field(default=())

    def state(self, epoch: str) -> GoalState:
        return GoalState(
            goal=self.goal,
            total=self.total,
            pending=self.pending,
            participants=len(self.ranking),
            unlocks=self.unlocks,
            epoch=epoch,
            seq=self.seq,
        )


class Judge:
    """Decides a batch in its order, as a `Decide` of the ledger: changes nothing but its own running sums."""

    def __init__(self, goals: Mapping[str, LiveGoal], batch: Sequence[GoalContribution], arrived_at: datetime) -> None:
        self._goals = goals
        self._batch = batch
        self._arrived_at = arrived_at
        self._totals: defaultdict[str, int] = defaultdict(int)
        self._users: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._days: defaultdict[tuple[str, str, date], int] = defaultdict(int)
        self._kept: set[tuple[str, str, str]] = set()
        self.entries: list[Entry | None] = []
        self.refusals: dict[int, WorldEventsError] = {}

    def __call__(self, stored: Sequence[Row | None]) -> Sequence[Entry | None]:
        for index, (item, row) in enumerate(zip(self._batch, stored, strict=True)):
            key = item.goal_id, item.user_id, item.contribution_id
            entry = None if row is not None or key in self._kept else self._decide(index, item)
            if entry is not None:
                self._kept.add(key)
            self.entries.append(entry)
        return self.entries

    def _decide(self, index: int, item: GoalContribution) -> Entry | None:
        live = self._goals[item.goal_id]
        instant = item.occurred_at or self._arrived_at
        try:
            status = rules.judge(live.goal, item.occurred_at, self._arrived_at)
            if status is ContributionStatus.COUNTED:
                status = self._count(live, item, instant.date())
        except WorldEventsError as refusal:
            self.refusals[index] = refusal
            return None
        return Entry(status, instant, self._arrived_at)

    def _count(self, live: LiveGoal, item: GoalContribution, day: date) -> ContributionStatus:
        # Sums of a user are looked at, and kept, only where a limit asks for them.
        goal_id, user_id, of_user = item.goal_id, item.user_id, live.goal.metric.limits.per_user is not None
        status = rules.judge_amount(
            live.goal,
            item,
            total=live.total + live.pending + self._totals[goal_id],
            user_today=0 if live.days is None else live.days[user_id, day] + self._days[goal_id, user_id, day],
            user_total=live.ranking.amount(user_id) + self._users[goal_id, user_id] if of_user else 0,
        )
        self._totals[goal_id] += item.amount
        if status is ContributionStatus.COUNTED:
            if of_user:
                self._users[goal_id, user_id] += item.amount
            if live.days is not None:
                self._days[goal_id, user_id, day] += item.amount
        return status
