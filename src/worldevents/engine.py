"""The verbs of the system: what a host, the HTTP doors and the command line all call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple

from worldevents import actions, catalog, rules
from worldevents.acks import Acks
from worldevents.batcher import Batcher
from worldevents.clock import Clock
from worldevents.errors import BodyInvalid, EventConflict, EventInvalid, UnknownEvent, WorldEventsError
from worldevents.ledger.granted import DurableLedger
from worldevents.model import (
    Ack,
    ChallengeProgress,
    CommunityGoal,
    EventVersion,
    GoalContribution,
    GoalProgress,
    GoalState,
    GoalStatus,
    Leaderboard,
    Receipt,
    SeasonalEvent,
)
from worldevents.standing import ExplainedStanding, explain
from worldevents.store.base import Answer, Store

LEADERBOARD_MAX = 1_000
"""The most rows of a leaderboard in one answer."""


class Offer(NamedTuple):
    """A contribution as a caller brings it: the amount in the metric's unit, nothing checked yet."""

    goal_id: str
    user_id: str
    amount: rules.Amount
    contribution_id: str
    occurred_at: datetime | None = None
    display_name: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A contribution of an action that was not kept, and why."""

    goal_id: str
    contribution_id: str
    error: WorldEventsError


@dataclass(frozen=True, slots=True)
class Recorded:
    """What an action led to: receipts of what was kept, and why the rest was not."""

    receipts: tuple[Receipt, ...] = ()
    problems: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing did or would do: the version it made or found, and the changes from the one before."""

    version: EventVersion
    changes: tuple[str, ...] = field(default=())


class Engine:
    """Counts contributions and answers questions about goals. Made by `worldevents.open_runtime`."""

    def __init__(
        self,
        store: Store,
        ledger: DurableLedger,
        batcher: Batcher,
        clock: Clock,
        *,
        acks: Acks | None = None,
        opened: Callable[[Sequence[str]], Awaitable[None]] | None = None,
    ) -> None:
        """Without `acks` what the store answers is in the ledger already.

        `opened` waits until goals that were just published can be counted; None where they can be at once.
        """
        self._store = store
        self._ledger = ledger
        self._batcher = batcher
        self._clock = clock
        self._acks = acks
        self._opened = opened

    def now(self) -> datetime:
        """The instant by which statuses are told."""
        return self._clock.now()

    # Contributing.

    async def contribute(
        self,
        goal_id: str,
        user_id: str,
        amount: rules.Amount,
        *,
        contribution_id: str,
        occurred_at: datetime | None = None,
        display_name: str | None = None,
        ack: Ack | None = None,
    ) -> Receipt:
        """Count an amount, in the metric's unit, once for this id however often it is repeated.

        The receipt comes when it is as safe as `ack` says; None is what the settings say. Raises UnknownGoal,
        IdInvalid, AmountInvalid, BodyInvalid, GoalNotOpen, OccurredAtFuture, LimitExceeded, ContributionConflict; and
        LedgerUnavailable, StoreUnavailable, StoreLost, LedgerBehind or Closed, after which the same call may be
        repeated.
        """
        offer = Offer(goal_id, user_id, amount, contribution_id, occurred_at, display_name)
        (answer,) = await self._apply((self._accept(offer),), ack)
        if isinstance(answer, WorldEventsError):
            raise answer
        return answer

    async def contribute_many(self, offers: Sequence[Offer], *, ack: Ack | None = None) -> list[Answer]:
        """As `contribute` for each, in order; what one would raise stands in its place."""
        answers: list[Answer | None] = []
        accepted: list[GoalContribution] = []
        for offer in offers:
            try:
                accepted.append(self._accept(offer))
                answers.append(None)
            except WorldEventsError as refusal:
                answers.append(refusal)
        applied = iter(await self._apply(accepted, ack))
        return [next(applied) if answer is None else answer for answer in answers]

    async def _apply(self, accepted: Sequence[GoalContribution], ack: Ack | None) -> Sequence[Answer]:
        level = self.ack(ack)
        answers = await self._batcher.contribute(accepted)
        return answers if self._acks is None else await self._acks.wait(answers, level)

    def ack(self, asked: Ack | None = None) -> Ack:
        """How safe a receipt is for a caller who asks for this; None is what the settings say."""
        return Ack.LEDGER if self._acks is None else self._acks.level(asked)

    def _accept(self, offer: Offer) -> GoalContribution:
        goal_id, user_id, amount, contribution_id, occurred_at, display_name = offer
        goal = self._store.goal(goal_id)
        # By place, here and for receipts: by name takes twice as long.
        return GoalContribution(
            goal.id,
            rules.check_id(user_id, "userId"),
            rules.check_id(contribution_id, "contributionId"),
            rules.check_amount(amount, goal.metric),
            rules.check_occurred_at(occurred_at),
            rules.check_display_name(display_name),
        )

    async def record(self, action: actions.Action, *, ack: Ack | None = None) -> Recorded:
        """Feed a game action to every goal of its metrics that takes its instant.

        Raises what `actions.parts` raises, and OccurredAtFuture.
        """
        (recorded,) = await self.record_many([action], ack=ack)
        if isinstance(recorded, WorldEventsError):
            raise recorded
        return recorded

    async def record_many(
        self, many: Sequence[actions.Action], *, ack: Ack | None = None
    ) -> list[Recorded | WorldEventsError]:
        """As `record` for each, in order; what one would raise stands in its place."""
        now = self._clock.now()
        offered = [self._offered(action, now) for action in many]
        present = [
            (action.user_id, (action.occurred_at or now).astimezone(UTC).date())
            for action, own in zip(many, offered, strict=True)
            if own == []
        ]
        if present:
            await self._store.mark_active(present)
        offers = [offer for own in offered if not isinstance(own, WorldEventsError) for offer in own]
        answers = iter(await self.contribute_many(offers, ack=ack))
        return [own if isinstance(own, WorldEventsError) else _recorded(own, answers) for own in offered]

    def _offered(self, action: actions.Action, now: datetime) -> list[Offer] | WorldEventsError:
        try:
            return self._offers(action, now)
        except WorldEventsError as refusal:
            return refusal

    def _offers(self, action: actions.Action, now: datetime) -> list[Offer]:
        parts = actions.parts(action)
        instant = action.occurred_at or now
        rules.check_not_future(instant, now)
        open_goals = [
            goal
            for version in self._store.events.values()
            for goal in version.event.goals
            if rules.takes(goal, instant, now)
        ]
        return [
            Offer(goal.id, action.user_id, part.amount, part.contribution_id, action.occurred_at)
            for part in parts
            for goal in open_goals
            if goal.metric.key == part.metric
        ]

    # Reading.

    async def goals(
        self, status: GoalStatus | None = GoalStatus.ACTIVE, *, event_id: str | None = None
    ) -> list[GoalState]:
        """What the listed goals stand at, those of one status (None: all), by start of their event and as declared."""
        now = self._clock.now()
        return [
            await self._store.state(goal.id)
            for version in self.events()
            if event_id in (None, version.event.id)
            for goal in version.event.goals
            if not goal.hidden and status in (None, rules.status_at(goal, now))
        ]

    def goal(self, goal_id: str) -> CommunityGoal:
        """A published goal as it is declared. Raises UnknownGoal."""
        return self._store.goal(goal_id)

    async def progress(self, goal_id: str, user_id: str | None = None) -> GoalProgress:
        """What a goal stands at and one user's share of it. Raises UnknownGoal, IdInvalid."""
        return await self._store.progress(goal_id, None if user_id is None else rules.check_id(user_id, "userId"))

    async def standing(self, goal_id: str, user_id: str) -> ExplainedStanding:
        """Where a user stands in a goal, why, and what is missing, with or without a contribution.

        Raises UnknownGoal, IdInvalid.
        """
        standing = await self._store.standing(goal_id, rules.check_id(user_id, "userId"))
        late, ban = await self._ledger.late(goal_id, user_id), await self._ledger.ban_of(user_id)
        goal = standing.state.goal
        status, result = rules.status_at(goal, self._clock.now()), None
        if goal.consolation is not None and status is GoalStatus.SETTLED:
            told = await self._ledger.results(goal.event_id)
            result = next((one for one in told if one.goal.id == goal.id), None)
        return explain(standing, user_id, late=late, status=status, is_banned=ban is not None, result=result)

    async def leaderboard(
        self, goal_id: str, *, limit: int = 10, around: str | None = None, user_id: str | None = None
    ) -> Leaderboard:
        """The top contributors or those around one (the top where that user has none), and a user's own row."""
        if not 1 <= limit <= LEADERBOARD_MAX:
            raise BodyInvalid(f"from 1 to {LEADERBOARD_MAX}", field="limit")
        for name, value in (("around", around), ("userId", user_id)):
            if value is not None:
                rules.check_id(value, name)
        return await self._store.leaderboard(goal_id, limit=limit, around=around, user_id=user_id)

    def events(self) -> list[EventVersion]:
        """The newest version of every event, by start and id."""
        return sorted(self._store.events.values(), key=lambda one: (one.event.starts_at, one.event.id))

    def event(self, event_id: str) -> EventVersion:
        """The newest version of an event. Raises UnknownEvent."""
        try:
            return self._store.events[event_id]
        except KeyError:
            # Only what could be an id is said back.
            raise UnknownEvent(f"no event {event_id}" if rules.is_slug(event_id) else None, field="eventId") from None

    async def challenges(self, event_id: str, user_id: str) -> list[ChallengeProgress]:
        """How far a user is in each personal challenge of an event. Raises UnknownEvent, IdInvalid."""
        found = []
        for challenge in self.event(event_id).event.challenges:
            progress = await self.progress(challenge.goal_id, user_id)
            amount = progress.user_contribution
            found.append(
                ChallengeProgress(
                    challenge=challenge,
                    metric=progress.state.goal.metric,
                    amount=amount,
                    completed=amount >= challenge.target,
                )
            )
        return found

    # Publishing.

    async def plan(self, event: SeasonalEvent) -> tuple[str, ...]:
        """The changes that publishing this event would make; none where it already stands so.

        Raises EventInvalid where an edit would break a promise to players.
        """
        return await self._plan(event, self._clock.now())

    async def _plan(self, event: SeasonalEvent, now: datetime) -> tuple[str, ...]:
        current = self._store.events.get(event.id)
        if current is None:
            return catalog.changes(None, event)
        states = [await self._store.state(goal.id) for goal in current.event.goals]
        complaints = catalog.edit_complaints(current.event, event, states, now)
        if complaints:
            raise EventInvalid(*complaints)
        return catalog.changes(current.event, event)

    async def publish(self, event: SeasonalEvent, *, author: str, reason: str = "") -> Published:
        """Make this the event's newest version; without changes there is none, and the standing version is answered.

        Raises EventInvalid, and EventConflict where somebody else published in the meantime.
        """
        return await self._publish(event, self._clock.now(), author=author, reason=reason)

    async def _publish(
        self, event: SeasonalEvent, now: datetime, *, author: str, reason: str, preview: bool = False
    ) -> Published:
        changes = await self._plan(event, now)
        current = self._store.events.get(event.id)
        if current is not None and (preview or not changes):
            return Published(current, changes)
        based_on = 0 if current is None else current.version
        try:
            version = await self._ledger.publish(
                event, based_on=based_on, author=author, published_at=now, reason=reason
            )
        except EventConflict:
            # Another process published, or an answer to this one was lost: the next plan starts from what stands.
            await self._store.announce(event.id)
            raise
        await self._store.announce(event.id)
        if self._opened is not None:
            await self._opened([goal.id for goal in event.goals])
        return Published(version, changes)

    async def history(self, event_id: str) -> list[EventVersion]:
        """All versions of an event, oldest first. Raises UnknownEvent."""
        self.event(event_id)
        return await self._ledger.history(event_id)

    async def extend(
        self, event_id: str, ends_at: datetime, *, author: str, reason: str, preview: bool = False
    ) -> Published:
        """Move the end of an event to another instant that is not past. A preview tells the changes, and makes none."""
        event, now = self.event(event_id).event, self._clock.now()
        moved = catalog.with_window(event, event.starts_at, ends_at)
        return await self._publish(moved, now, author=author, reason=reason, preview=preview)

    async def close(self, event_id: str, *, author: str, reason: str, preview: bool = False) -> Published:
        """End an event now; its grace begins. One that has ended stays as it is."""
        event, now = self.event(event_id).event, self._clock.now()
        if event.ends_at <= now:
            return Published(self.event(event_id))
        # One instant for the new end and for the check that it is not past: a second look at the clock would be later.
        ended = catalog.with_window(event, event.starts_at, now)
        return await self._publish(ended, now, author=author, reason=reason, preview=preview)

    async def cancel(self, event_id: str, *, author: str, reason: str, preview: bool = False) -> Published:
        """Call an event off: from now on its goals take nothing."""
        event, now = self.event(event_id).event, self._clock.now()
        if event.cancelled_at is not None:
            return Published(self.event(event_id))
        goals: tuple[CommunityGoal, ...] = tuple(replace(goal, cancelled_at=now) for goal in event.goals)
        called_off = replace(event, cancelled_at=now, goals=goals)
        return await self._publish(called_off, now, author=author, reason=reason, preview=preview)


def _recorded(offers: Sequence[Offer], answers: Iterator[Answer]) -> Recorded:
    receipts: list[Receipt] = []
    problems: list[Refused] = []
    for offer in offers:
        answer = next(answers)
        if isinstance(answer, Receipt):
            receipts.append(answer)
        else:
            problems.append(Refused(offer.goal_id, offer.contribution_id, answer))
    return Recorded(tuple(receipts), tuple(problems))
