"""What a standing means: the rank and the next one, and what each tier says, held against trying it out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldevents.codec import Json, standings
from worldevents.model import Audience, CommunityGoal, GoalState, GoalStatus, TierUnlock
from worldevents.results import GoalResult, Outcome
from worldevents.standing import ExplainedStanding, Lack, NextRank, Standing, explain, minimums
from worldevents.testing.builders import DURING, a_goal
from worldevents.testing.models import place_of

NOW = datetime(2026, 12, 10, 18, 30, tzinfo=UTC)
BOARDS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 6))
LOCKED, NOTHING, BELOW = Lack.NOT_UNLOCKED, Lack.NOTHING_COUNTED, Lack.BELOW_MINIMUM


def a_goal_asking(*minimums: int) -> CommunityGoal:
    """A goal of 1,000 with a tier for each of these minimums, at 10, 20, ... percent."""
    goal = a_goal(percents=[str(10 * place) for place in range(1, len(minimums) + 1)])
    tiers = (replace(tier, minimum=least) for tier, least in zip(goal.tiers, minimums, strict=True))
    return replace(goal, tiers=tuple(tiers))


def a_standing(
    user: str, amounts: dict[str, int], goal: CommunityGoal, *, pending: int = 0, unlocked: int = 0
) -> Standing:
    """A user's place among these amounts; the goal's first tiers are unlocked."""
    unlocks = [
        TierUnlock(goal_id=goal.id, threshold=tier.threshold, unlocked_at=DURING, position=None)
        for tier in goal.tiers[:unlocked]
    ]
    total = sum(amounts.values())
    state = GoalState(
        goal=goal, total=total, pending=pending, participants=len(amounts), unlocks=tuple(unlocks), epoch="1-a", seq=1
    )
    amount, above, tied, more, as_many, reached = place_of(user, amounts, minimums(goal))
    return Standing(
        state=state,
        amount=amount,
        pending=pending,
        above=above,
        tied=tied,
        next_amount=more,
        next_tied=as_many,
        reached=reached,
    )


def explained(
    standing: Standing,
    *,
    late: int = 0,
    status: GoalStatus = GoalStatus.ACTIVE,
    user: str = "ann",
    is_banned: bool = False,
) -> ExplainedStanding:
    return explain(standing, user, late=late, status=status, is_banned=is_banned)


def documented(told: ExplainedStanding) -> Json:
    return standings.standing(told, NOW)


def lacks(told: ExplainedStanding) -> list[tuple[Lack, ...]]:
    return [one.lacks for one in told.tiers]


# Ranks.


@given(BOARDS, st.sampled_from("abcz"))
def test_the_next_rank_is_the_first_that_trying_gives(amounts: dict[str, int], user: str) -> None:
    """One unit more, and one more, until the rank is a better one: that many are missing, and so many share it."""
    told = explained(a_standing(user, amounts, a_goal()), user=user).next_rank

    def ranked(more: int) -> tuple[int, int]:
        own = amounts.get(user, 0) + more
        others = [amount for one, amount in amounts.items() if one != user]
        return 1 + sum(amount > own for amount in others), 1 + others.count(own)

    before = ranked(0)[0] if user in amounts else len(amounts) + 2
    better = [more for more in range(1, 8) if ranked(more)[0] < before]
    expected = NextRank(rank=ranked(better[0])[0], missing=better[0], tied=ranked(better[0])[1]) if better else None
    assert expected == told


@given(BOARDS, st.sampled_from("abcz"))
def test_everybody_is_above_beside_or_behind(amounts: dict[str, int], user: str) -> None:
    """The three make up the board, and who is behind has strictly less."""
    standing = a_standing(user, amounts, a_goal())
    assert sum(amount < amounts.get(user, 0) for amount in amounts.values()) == standing.behind
    assert (standing.rank is None) == (user not in amounts)


def test_the_percentile_says_of_whom_and_in_which_direction() -> None:
    """So many of so many have strictly less; who has as much is not behind; floored, and the first of 3 is no 100 %."""
    amounts = {"ann": 5, "bob": 5, "cid": 2, "dan": 1, "eve": 9, "fay": 1}

    def ahead(user: str, board: dict[str, int]) -> object:
        return documented(explained(a_standing(user, board, a_goal())))["ahead"]

    assert {"count": 3, "of": 6, "percent": 50} == ahead("ann", amounts) == ahead("bob", amounts)
    assert {"count": 5, "of": 6, "percent": 83.33} == ahead("eve", amounts)
    assert {"count": 0, "of": 6, "percent": 0} == ahead("dan", amounts)
    assert {"count": 0, "of": 1, "percent": 0} == ahead("ann", {"ann": 5})
    assert None is ahead("zoe", amounts)


# Tiers.


def test_a_tier_is_a_users_when_it_is_unlocked_and_its_minimum_is_there() -> None:
    """Each tier for itself, with how many others have what it asks for."""
    goal = a_goal_asking(0, 5, 6, 6)
    told = explained(a_standing("ann", {"ann": 5, "bob": 6, "cid": 1}, goal, unlocked=3))
    assert [(), (), (BELOW,), (LOCKED, BELOW)] == lacks(told)
    assert [0, 0, 1, 1] == [one.missing for one in told.tiers]
    assert [2, 1, 1, 1] == [one.others for one in told.tiers]
    assert (goal.tiers[3], goal.tiers[2]) == (told.next_tier, told.next_minimum)


def test_who_gave_nothing_is_told_so() -> None:
    """The least that counts is missing, even where a tier has no minimum; a tier for everyone misses nothing."""
    goal = a_goal_asking(0, 5, 0)
    everyone = replace(goal.tiers[2], audience=Audience.EVERYONE, minimum=3)
    goal = replace(goal, tiers=(*goal.tiers[:2], everyone))
    told = explained(a_standing("zoe", {"ann": 5}, goal, unlocked=3))
    assert [(NOTHING,), (NOTHING,), ()] == lacks(told)
    assert [1, 5, 0] == [one.missing for one in told.tiers]
    assert [1, 1, 1] == [one.others for one in told.tiers]
    assert (None, goal.tiers[0]) == (told.next_tier, told.next_minimum)


def test_what_does_not_count_is_named_where_something_is_missing() -> None:
    """Held and late amounts explain what is missing, and are no reason where nothing is."""
    goal = a_goal_asking(0, 5)
    some = explained(a_standing("ann", {"ann": 2}, goal, pending=9, unlocked=2), late=4)
    none = explained(a_standing("ann", {}, goal, pending=9, unlocked=2))
    late = explained(a_standing("ann", {}, goal, unlocked=2), late=4)
    assert [(), (BELOW, Lack.HELD, Lack.LATE)] == lacks(some)
    assert [(NOTHING, Lack.HELD)] * 2 == lacks(none)
    assert [(NOTHING, Lack.LATE)] * 2 == lacks(late)


def test_a_banned_users_tiers_are_not_the_users() -> None:
    """Those that the user has what they ask for neither, as in a goal that was settled; what is for everyone is."""
    goal = a_goal_asking(0, 5, 0)
    goal = replace(goal, tiers=(*goal.tiers[:2], replace(goal.tiers[2], audience=Audience.EVERYONE)))
    told = explained(a_standing("ann", {"ann": 2}, goal, unlocked=3), is_banned=True)
    assert [(Lack.BANNED,), (BELOW, Lack.BANNED), ()] == lacks(told)


@pytest.mark.parametrize(
    ("status", "lack"),
    [
        (GoalStatus.UPCOMING, Lack.NOT_UNLOCKED),
        (GoalStatus.ACTIVE, Lack.NOT_UNLOCKED),
        (GoalStatus.GRACE, Lack.NOT_UNLOCKED),
        (GoalStatus.SETTLED, Lack.MISSED),
        (GoalStatus.CANCELLED, Lack.CANCELLED),
    ],
)
def test_a_locked_tier_says_whether_it_may_still_be(status: GoalStatus, lack: Lack) -> None:
    """Until the goal is settled, or was called off."""
    told = explained(a_standing("ann", {"ann": 2}, a_goal_asking(0)), status=status)
    assert [(lack,)] == lacks(told)


# What consoles.


def a_result(goal: CommunityGoal, outcome: Outcome, *, consoled: bool) -> GoalResult:
    return GoalResult(
        goal=goal,
        total=9,
        pending=0,
        late=0,
        participants=2,
        outcome=outcome,
        completed_at=DURING if outcome is Outcome.MET else None,
        tiers=(),
        consoled=consoled,
        settled_at=NOW,
    )


@pytest.mark.parametrize(
    ("outcome", "consoled", "why"),
    [
        (None, False, (Lack.NOT_SETTLED,)),
        (Outcome.MET, False, (Lack.MET,)),
        (Outcome.MISSED, False, (Lack.MISSED,)),
        (Outcome.NEAR_MISSED, True, ()),
    ],
)
def test_a_consolation_says_whose_it_is(outcome: Outcome | None, *, consoled: bool, why: tuple[Lack, ...]) -> None:
    """It is decided when the goal is settled, and asks of the user what a tier asks, where the goal gives it or not."""
    goal = a_goal_asking(0)
    goal = replace(goal, consolation=replace(goal.tiers[0], minimum=5))
    result = None if outcome is None else a_result(goal, outcome, consoled=consoled)
    board = {"ann": 5, "bob": 4, "cid": 7}
    told = {
        user: explain(a_standing(user, board, goal), user, late=0, status=GoalStatus.SETTLED, result=result).consolation
        for user in board
    }
    assert {"ann": why, "bob": (*why, BELOW), "cid": why} == {
        user: one.lacks for user, one in told.items() if one is not None
    }
    assert [(0, 1), (1, 2), (0, 1)] == [(one.missing, one.others) for one in told.values() if one is not None]


def test_a_consolation_is_not_the_tier_of_its_percent() -> None:
    """That one may be unlocked: the consolation is decided by itself."""
    goal = a_goal_asking(0)
    goal = replace(goal, consolation=goal.tiers[0])
    told = explained(a_standing("ann", {"ann": 5}, goal, unlocked=1)).consolation
    assert told is not None
    assert (None, (Lack.NOT_SETTLED,)) == (told.unlock, told.lacks)


def test_a_goal_that_was_called_off_consoles_nobody() -> None:
    """And one that declares nothing to console with says nothing of it."""
    goal = a_goal_asking(0)
    cancelled = replace(goal, consolation=goal.tiers[0])
    told = explained(a_standing("ann", {"ann": 5}, cancelled), status=GoalStatus.CANCELLED).consolation
    assert told is not None
    assert (Lack.CANCELLED,) == told.lacks
    assert None is explained(a_standing("ann", {"ann": 5}, goal)).consolation


# The document.


def test_the_document_has_exact_amounts_in_the_metrics_unit() -> None:
    """What is counted in grams is told in kilograms; a share is floored to a millionth of a percent."""
    goal = a_goal_asking(0, 2_500)
    goal = replace(goal, target=3_000_000, metric=replace(goal.metric, decimals=3), consolation=goal.tiers[0])
    told = documented(explained(a_standing("ann", {"ann": 1_001, "bob": 2_000}, goal, pending=7), late=3))
    tiers, consolation = told.pop("tiers"), told.pop("consolation")
    assert told == {
        "goalId": "volume",
        "eventId": "winter",
        "userId": "ann",
        "metric": "totalVolume",
        "unit": "kg",
        "status": "active",
        "currentValue": 3.001,
        "pendingValue": 0.007,
        "targetValue": 3_000,
        "participantCount": 2,
        "userContribution": 1.001,
        "userPending": 0.007,
        "userLate": 0.003,
        "userRank": 2,
        "rankSharedBy": 1,
        "ahead": {"count": 0, "of": 2, "percent": 0},
        "share": {"percentOfTotal": 33.355548, "percentOfTarget": 0.033366},
        "nextRank": {"rank": 1, "missing": 0.999, "sharedBy": 2},
        "nextTier": {"threshold": 10, "thresholdValue": 0.1, "missing": 0},
        "nextMinimum": {"threshold": 20, "minimum": 2.5, "missing": 1.499},
        "epoch": "1-a",
        "seq": 1,
        "serverTime": "2026-12-10T18:30:00Z",
    }
    assert {"threshold": 20, "unlocked": False, "minimum": 2.5}.items() <= tiers[1].items()
    assert {
        "qualifies": False,
        "whyNot": ["not_unlocked", "below_minimum", "held", "late"],
        "missing": 1.499,
        "others": 0,
    }.items() <= tiers[1].items()
    assert {"threshold": 10, "qualifies": False, "whyNot": ["not_settled"], "others": 1}.items() <= consolation.items()
    assert "unlocked" not in consolation


def test_the_document_of_who_gave_nothing() -> None:
    """Zero and null where there is nothing, and what the first contribution would give."""
    told = documented(explained(a_standing("zoe", {"ann": 5}, a_goal(), unlocked=3), user="zoe"))
    assert [0, None, None, None, None] == [
        told[name] for name in ("userContribution", "userRank", "rankSharedBy", "ahead", "nextTier")
    ]
    assert {"percentOfTotal": 0, "percentOfTarget": 0} == told["share"]
    assert {"rank": 2, "missing": 1, "sharedBy": 1} == told["nextRank"]
    assert Decimal(25) == told["nextMinimum"]["threshold"]


def test_the_document_of_the_first() -> None:
    """At the top there is no next rank, and with all that tiers ask for no next minimum."""
    told = documented(explained(a_standing("ann", {"ann": 5}, a_goal(), unlocked=3)))
    assert [None, None, None] == [told[name] for name in ("nextRank", "nextTier", "nextMinimum")]
    assert [True] * 3 == [one["qualifies"] for one in told["tiers"]]
