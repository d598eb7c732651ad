"""Results as JSON: what hosts are told of an event fits into a webhook, however many goals it has."""

from dataclasses import replace
from decimal import Decimal

from worldevents.codec.results import result, settled_event
from worldevents.grants import Announcement
from worldevents.model import Metric
from worldevents.results import GoalResult, Outcome, ReachedTier
from worldevents.testing.builders import DURING, ENDS_AT, GRACE, a_goal, an_event
from worldevents.webhooks import signing

OVER = ENDS_AT + GRACE
GOALS_MAX = 100
LARGEST = 2**53 - 1


def a_result(goal_id: str = "volume", *, total: int = 950) -> GoalResult:
    return GoalResult(
        goal=replace(a_goal(goal_id), metric=Metric(key="totalVolume", unit="kg", decimals=3), target=LARGEST),
        total=total,
        pending=1,
        late=2,
        participants=10_000_000,
        outcome=Outcome.NEAR_MISSED,
        completed_at=None,
        tiers=(ReachedTier(Decimal("33.33"), DURING),),
        consoled=True,
        settled_at=OVER,
    )


def test_a_result_is_told_in_the_metrics_unit() -> None:
    """All of it, amounts as numbers, instants in UTC."""
    assert {
        "goalId": "volume",
        "eventId": "winter",
        "name": "Volume",
        "metric": "totalVolume",
        "unit": "kg",
        "outcome": "near_missed",
        "targetValue": 9_007_199_254_740.991,
        "currentValue": 0.95,
        "pendingValue": 0.001,
        "lateValue": 0.002,
        "percent": 0,
        "participantCount": 10_000_000,
        "completedAt": None,
        "tiersUnlocked": [{"threshold": 33.33, "unlockedAt": "2026-12-10T18:30:00Z"}],
        "consoled": True,
        "settledAt": "2026-12-23T00:00:00Z",
    } == result(a_result())


def test_the_largest_event_fits_into_a_webhook() -> None:
    """A hundred goals with the longest ids and names, and the largest figures: otherwise it would never be sent."""
    ids = [f"{number:064}" for number in range(GOALS_MAX)]
    event = replace(an_event(*map(a_goal, ids), event_id="e" * 64), name="\N{FACE WITH TEARS OF JOY}" * 100)
    told = settled_event(event, [a_result(one, total=LARGEST) for one in reversed(ids)], OVER)
    assert ids == [one["goalId"] for one in told["goals"]]
    body = signing.body(Announcement(2**53, "msg_" + "0" * 32, "event.settled", OVER, told))
    assert len(body) <= signing.BODY_MAX
