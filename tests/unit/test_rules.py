"""Names, instants and edits: who is a valid user, when a contribution counts, what a running goal may become."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldevents import rules
from worldevents.errors import BodyInvalid, GoalNotOpen, IdInvalid, OccurredAtFuture
from worldevents.model import CommunityGoal, ContributionStatus, GoalStatus
from worldevents.testing.builders import DURING, ENDS_AT, GRACE, STARTS_AT, a_goal, with_target

MS, US = timedelta(milliseconds=1), timedelta(microseconds=1)
DEADLINE = ENDS_AT + GRACE
COUNTED, LATE = ContributionStatus.COUNTED, ContributionStatus.LATE


# Names.


@pytest.mark.parametrize("good", ["a", "A1", "user@example.org", "a:b", "a.b_c-d", "-", "0", "x" * 128])
def test_an_id_is_letters_digits_and_a_few_signs(good: str) -> None:
    """What systems use as ids is taken as it is."""
    assert good == rules.check_id(good, "userId")


BAD_IDS = [
    "",
    " ",
    " a",
    "a ",
    "a\n",
    "\na",
    "a\r",
    "a\0",
    "\0",
    "\ud800",
    "a/b",
    "a b",
    "a,b",
    "a;b",
    "a{b}",
    "a%20",
    "ä",
    "\u0661",
    "\uff41",
    "x" * 129,
    "x" * 1_000_000,
    None,
    1,
    True,
    b"a",
    ["a"],
]


@pytest.mark.parametrize("bad", BAD_IDS, ids=lambda bad: f"{bad!r:.20}-{len(repr(bad))}")
def test_any_other_id_is_refused_with_its_field(bad: object) -> None:
    """An id of another form is refused, and the message does not repeat it."""
    with pytest.raises(IdInvalid) as refused:
        rules.check_id(bad, "userId")
    assert refused.value.field == "userId"
    assert str(refused.value) == IdInvalid.__doc__


@pytest.mark.parametrize("good", ["a", "winter-2026", "-", "0", "x" * 64])
def test_a_slug_is_small_letters_digits_and_dashes(good: str) -> None:
    """Ids that people write into event files are short and plain."""
    assert rules.is_slug(good)


@pytest.mark.parametrize("bad", ["", "A", "a_b", "a b", "a\n", "ä", "a.b", "x" * 65, "\ud800", "\u0661"])
def test_anything_else_is_no_slug(bad: str) -> None:
    """Capitals, other signs, a newline at the end, too many letters: no slug."""
    assert not rules.is_slug(bad)


@pytest.mark.parametrize("good", ["a", "Zoë", "O'Brien", "山田 太郎", "🏋", "🏋\u200d♀", "x" * 64, None])
def test_a_display_name_is_what_people_are_called(good: str | None) -> None:
    """Names of all scripts are shown as they are; none is fine too."""
    assert good == rules.check_display_name(good)


@pytest.mark.parametrize(
    "bad",
    ["", " ", "\u200d", "a\n", "\n", "a\0", "\ud800", "\x1b[31m", "a\u202eb", "\u2028", "x" * 65, 5, True, b"a", ["a"]],
    ids=repr,
)
def test_a_display_name_holds_nothing_that_cannot_be_printed(bad: object) -> None:
    """Control characters, text that turns around and overlong names are refused."""
    with pytest.raises(BodyInvalid) as refused:
        rules.check_display_name(bad)
    assert refused.value.field == "displayName"


# Instants.


class _Nowhere(tzinfo):
    """A time zone that does not know its offset."""

    def utcoffset(self, _: datetime | None) -> None:
        return None

    def dst(self, _: datetime | None) -> None:
        return None

    def tzname(self, _: datetime | None) -> str:
        return "nowhere"


def test_an_instant_is_given_in_utc() -> None:
    """The same instant in another offset is told in UTC."""
    told = rules.check_occurred_at(datetime(2026, 12, 10, 20, 30, tzinfo=timezone(timedelta(hours=2))))
    assert told == DURING
    assert told is not None
    assert told.tzinfo is UTC


def test_no_instant_is_none() -> None:
    """None is the instant of arrival."""
    assert rules.check_occurred_at(None) is None


@pytest.mark.parametrize(
    "bad",
    [
        DURING.replace(tzinfo=None),
        DURING.replace(tzinfo=_Nowhere()),
        DURING.date(),
        DURING.isoformat(),
        1_765_000_000,
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=10))),
        datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-10))),
    ],
)
def test_an_instant_without_a_place_in_utc_is_refused(bad: object) -> None:
    """Local times, dates, texts, and instants that no year of UTC holds are refused."""
    with pytest.raises(BodyInvalid) as refused:
        rules.check_occurred_at(bad)
    assert refused.value.field == "occurredAt"


@pytest.mark.parametrize(
    ("expected", "now"),
    [
        (GoalStatus.UPCOMING, STARTS_AT - US),
        (GoalStatus.ACTIVE, STARTS_AT),
        (GoalStatus.ACTIVE, ENDS_AT - US),
        (GoalStatus.GRACE, ENDS_AT),
        (GoalStatus.GRACE, DEADLINE - US),
        (GoalStatus.SETTLED, DEADLINE),
        (GoalStatus.SETTLED, datetime.max.replace(tzinfo=UTC)),
        (GoalStatus.UPCOMING, datetime.min.replace(tzinfo=UTC)),
    ],
)
def test_a_status_is_a_function_of_the_present(expected: GoalStatus, now: datetime) -> None:
    """Each bound of the window belongs to what begins with it."""
    assert expected is rules.status_at(a_goal(), now)


@pytest.mark.parametrize("cancelled", [STARTS_AT - MS, DURING, ENDS_AT, DEADLINE])
def test_a_cancelled_goal_is_cancelled_from_that_instant(cancelled: datetime) -> None:
    """Up to the instant the goal is what it was, from then on it is cancelled."""
    goal = replace(a_goal(), cancelled_at=cancelled)
    assert rules.status_at(a_goal(), cancelled - US) is rules.status_at(goal, cancelled - US)
    assert rules.status_at(goal, cancelled) is GoalStatus.CANCELLED


def test_a_goal_may_end_with_the_last_year_there_is() -> None:
    """A grace that reaches past the year 9999 still has a status and still counts."""
    last = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    goal = replace(a_goal(), ends_at=last, grace=timedelta(days=999_999))
    assert rules.status_at(goal, last + MS) is GoalStatus.GRACE
    assert rules.judge(goal, DURING, last + MS) is COUNTED


# (status, when it happened, when it arrives); without the first it is not open, without the second it is the arrival.
JUDGED = [
    (None, None, STARTS_AT - MS),
    (None, None, STARTS_AT - US),
    (COUNTED, None, STARTS_AT),
    (COUNTED, None, STARTS_AT + US),
    (COUNTED, None, ENDS_AT - MS),
    (COUNTED, None, ENDS_AT - US),
    (None, None, ENDS_AT),
    (None, None, ENDS_AT + US),
    (None, STARTS_AT - MS, DURING),
    (None, STARTS_AT - US, DURING),
    (COUNTED, STARTS_AT, DURING),
    (COUNTED, ENDS_AT - US, ENDS_AT),
    (COUNTED, ENDS_AT - US, DEADLINE - MS),
    (COUNTED, ENDS_AT - US, DEADLINE - US),
    (LATE, ENDS_AT - US, DEADLINE),
    (LATE, ENDS_AT - US, DEADLINE + MS),
    (LATE, STARTS_AT, DEADLINE + timedelta(days=3_650)),
    (None, ENDS_AT, DEADLINE - MS),
    (None, ENDS_AT, DEADLINE + MS),
    (None, STARTS_AT - US, DEADLINE + MS),
    (COUNTED, STARTS_AT, STARTS_AT - rules.FUTURE_TOLERANCE),
    (COUNTED, DURING + rules.FUTURE_TOLERANCE, DURING),
    (None, ENDS_AT, ENDS_AT - rules.FUTURE_TOLERANCE),
]


def _judged(goal: CommunityGoal, occurred_at: datetime | None, arrived_at: datetime) -> ContributionStatus | None:
    try:
        return rules.judge(goal, occurred_at, arrived_at)
    except GoalNotOpen:
        return None


@pytest.mark.parametrize(("expected", "occurred_at", "arrived_at"), JUDGED)
def test_a_contribution_counts_inside_the_window_and_before_the_end_of_the_grace(
    expected: ContributionStatus | None, occurred_at: datetime | None, arrived_at: datetime
) -> None:
    """The start belongs to the window, the end does not; the grace ends where it says."""
    assert expected is _judged(a_goal(), occurred_at, arrived_at)


@pytest.mark.parametrize("ahead", [US, MS, timedelta(days=1)])
def test_more_than_a_minute_ahead_is_the_future(ahead: timedelta) -> None:
    """A clock may be a minute fast, not more."""
    with pytest.raises(OccurredAtFuture) as refused:
        rules.judge(a_goal(), DURING + rules.FUTURE_TOLERANCE + ahead, DURING)
    assert refused.value.field == "occurredAt"


def test_without_a_grace_the_end_is_the_end() -> None:
    """What arrives after the end of a goal without grace is late."""
    assert rules.judge(replace(a_goal(), grace=timedelta(0)), DURING, ENDS_AT) is LATE


def test_a_cancelled_goal_takes_nothing_more() -> None:
    """From the instant it is cancelled nothing counts, whenever it happened; before, all is as always."""
    goal = replace(a_goal(), cancelled_at=DURING)
    assert rules.judge(goal, None, DURING - US) is COUNTED
    for occurred_at in (None, STARTS_AT, DURING - US):
        with pytest.raises(GoalNotOpen, match="volume was cancelled"):
            rules.judge(goal, occurred_at, DURING)


def test_a_refusal_says_when_the_goal_starts_or_ended() -> None:
    """Who comes too early or too late is told the bound."""
    with pytest.raises(GoalNotOpen, match="volume starts at 2026-12-01T00:00:00Z"):
        rules.judge(a_goal(), None, STARTS_AT - US)
    with pytest.raises(GoalNotOpen, match="volume ended at 2026-12-22T00:00:00Z"):
        rules.judge(a_goal(), None, ENDS_AT)


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_what_counts_happened_in_the_window_and_is_told_in_time(occurred_at: datetime, arrived_at: datetime) -> None:
    """For every pair of instants, the answer is the rule written out."""
    if occurred_at - arrived_at > rules.FUTURE_TOLERANCE:
        return
    inside = STARTS_AT <= occurred_at < ENDS_AT
    expected = (COUNTED if arrived_at < DEADLINE else LATE) if inside else None
    assert expected is _judged(a_goal(), occurred_at, arrived_at)


# Edits.

GOAL = a_goal()
FINER = replace(GOAL, metric=replace(GOAL.metric, decimals=3))
OTHER = replace(GOAL, metric=replace(GOAL.metric, key="totalPRs"))
NEW_START = replace(GOAL, starts_at=STARTS_AT + timedelta(days=1))
MAY_RISE = replace(GOAL, target_may_rise=True)


@pytest.mark.parametrize(
    ("expected", "new"),
    [
        (None, GOAL),
        (None, with_target(GOAL, 900)),
        (None, replace(GOAL, name="Another", description="words", hidden=True)),
        (None, replace(GOAL, ends_at=ENDS_AT + timedelta(days=1))),
        (None, replace(GOAL, ends_at=DURING)),
        (None, replace(GOAL, tiers=())),
        (None, replace(GOAL, grace=timedelta(0))),
        ("metric", FINER),
        ("metric", OTHER),
        ("target", with_target(GOAL, 1_001)),
        ("target_may_rise", MAY_RISE),
    ],
)
def test_a_running_goal_keeps_its_promises(expected: str | None, new: CommunityGoal) -> None:
    """After the start the metric and a higher target are out of reach; the rest may be edited."""
    complaints = rules.goal_edit_complaints(GOAL, new, now=DURING, unlocked=[])
    assert ([] if expected is None else [expected]) == [complaint.field for complaint in complaints]


@pytest.mark.parametrize("new", [FINER, OTHER, with_target(GOAL, 5_000), MAY_RISE])
def test_before_the_start_everything_may_change(new: CommunityGoal) -> None:
    """Nothing was promised to players yet."""
    assert rules.goal_edit_complaints(GOAL, new, now=STARTS_AT - US, unlocked=[]) == []


def test_the_start_itself_is_after_the_start() -> None:
    """With its first instant a goal is running."""
    assert len(rules.goal_edit_complaints(GOAL, OTHER, now=STARTS_AT, unlocked=[])) == 1


def test_a_target_declared_so_may_rise() -> None:
    """A goal that said so before the start may grow."""
    assert rules.goal_edit_complaints(MAY_RISE, with_target(MAY_RISE, 5_000), now=DURING, unlocked=[]) == []


def test_an_unlocked_tier_stays() -> None:
    """A tier that players have reached cannot be taken away; one that they have not can."""
    fewer = replace(GOAL, tiers=GOAL.tiers[1:])
    complaints = rules.goal_edit_complaints(GOAL, fewer, now=DURING, unlocked=[Decimal(25), Decimal(50)])
    assert list(map(str, complaints)) == ["tiers: 25 % is unlocked and stays"]


def test_every_broken_promise_is_told() -> None:
    """Several complaints about one edit come together."""
    new = replace(with_target(OTHER, 2_000), tiers=(), target_may_rise=True)
    complaints = rules.goal_edit_complaints(GOAL, new, now=DURING, unlocked=[Decimal(25)])
    assert ["metric", "target", "target_may_rise", "tiers"] == [complaint.field for complaint in complaints]
