"""The page as HTML from documents: complete, escaped, and friendly where there is nothing to show."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import escape

from worldevents import codec
from worldevents.api.page import PageEvent, PageGoal, render
from worldevents.catalog import load_event, with_window
from worldevents.model import Contributor, EventVersion, GoalProgress, GoalState, Leaderboard, TierUnlock

STARTS, NOW, ENDS = (datetime(2026, 12, day, hour, tzinfo=UTC) for day, hour in ((1, 0), (11, 18), (31, 0)))
HOSTILE = "\"'><script>alert(1)</script>"


def shown(
    *, total: int = 4_212_345_678, is_own: bool = False, name: str | None = None, now: datetime = NOW
) -> PageEvent:
    """The winter's first goal at a total in grams, all of it one contributor's."""
    event = with_window(load_event("winter"), STARTS, ENDS)
    goal = event.goals[0]
    unlocks = tuple(
        TierUnlock(goal_id=goal.id, threshold=tier.threshold, unlocked_at=now, position=None)
        for tier in goal.tiers
        if tier.threshold_value <= total
    )
    state = GoalState(goal=goal, total=total, pending=0, participants=1, unlocks=unlocks, epoch="1-a", seq=7)
    row = Contributor(rank=1, user_id="ada", amount=total, display_name=name)
    progress = GoalProgress(state=state, user_contribution=total * is_own, user_rank=1 if is_own else None)
    board = Leaderboard(goal=goal, contributors=(row,), participants=1, user=row if is_own else None)
    version = EventVersion(event=event, version=1, author="test", published_at=STARTS)
    documents = PageGoal(progress=codec.progress(progress, now), leaderboard=codec.leaderboard(board))
    return PageEvent(event=codec.event(version, now), goals=(documents,))


def text(html: str) -> str:
    """What is between the tags, with single blanks."""
    return " ".join(re.sub(r"<[^>]*>", " ", html.partition("<body>")[2]).split())


def test_it_says_what_the_goal_stands_at() -> None:
    """Numbers are rounded down and marked by thousands; tiers, time, pace and board are there."""
    page = text(render(events=[shown(name="Ada")]))

    assert "Lift the Frost At 18:00 UTC" in page
    assert "4,212,345 42.12% 42.12% of 10,000,000 kg 19 days 6 hours left" in page
    assert "25% Snow Crate Unlocked 50% Frost Title 787,654.322 kg to go" in page
    assert "100% Ice Armor Set (Helm, Cuirass, Gauntlets, Greaves)" in page
    assert "On track for Dec 26" in page
    assert "Rank Contributor Amount (kg) 1 Ada 4,212,345.678 1 contributor" in page
    assert "You" not in page


def test_it_says_where_its_viewer_stands() -> None:
    """The own share, the own rewards and the own row are named as such."""
    html = render(events=[shown(is_own=True)], user="ada")

    assert "You: 4,212,345.678 kg, rank 1 of 1" in text(html)
    assert "Snow Crate Unlocked, yours" in text(html)
    assert '<tr data-medal="1" aria-current="true">' in html


def test_who_has_not_contributed_is_told_so() -> None:
    """A viewer without a share has no row, and no reward."""
    page = text(render(events=[shown()], user="zoe"))

    assert "You have not contributed yet" in page
    assert "Snow Crate Unlocked 50%" in page


def test_the_elements_know_goal_viewer_and_key() -> None:
    """Each tag carries what its element asks with; without a viewer or a key there is no such attribute."""
    with_both = render(events=[shown()], user="ada", key="we_pub_1")
    without = render(events=[shown()])

    assert ["lift-the-frost", "lift-the-frost"] == re.findall(r' goal="([^"]*)" user="ada" key="we_pub_1">', with_both)
    assert 2 == len(re.findall(r'<(?:community-goal-banner|goal-contributors) goal="lift-the-frost">', without))


def test_markup_is_shown_as_it_was_typed() -> None:
    """Names, viewers and keys cannot leave their places."""
    html = render(events=[shown(name=HOSTILE)], user=HOSTILE, key=HOSTILE)

    assert HOSTILE not in html
    assert 1 == html.count("<script")
    assert escape(HOSTILE).replace("&quot;", "&#34;").replace("&#x27;", "&#39;") in html


def test_everything_it_loads_is_the_servers_own() -> None:
    """No inline style or script, no foreign address."""
    html = render(events=[shown()])

    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! type=\"module\" src=\"/elements/)", html)
    assert {"/elements/", "data:image"} == {
        re.match(r"(/elements/|data:image|.*)", url).group()  # type: ignore[union-attr] # it matches anything
        for url in re.findall(r'(?:src|href)="([^"#%]*)', html)
    }


def test_before_the_start_and_after_the_end() -> None:
    """The page says that nothing runs, and the goal when it starts or that it ended."""
    before = text(render(events=[shown(total=0, now=datetime(2026, 11, 28, tzinfo=UTC))]))
    grace = text(render(events=[shown(now=datetime(2026, 12, 31, 3, tzinfo=UTC))]))
    after = text(render(events=[shown(now=datetime(2027, 1, 5, tzinfo=UTC))]))

    assert "All is quiet, for now" in before
    assert "Starts in 3 days 0 hours" in before
    assert "All is quiet" not in grace
    assert "Ended, late entries still count" in grace
    assert "All is quiet, for now" in after
    assert "Ended 25%" in after


def test_without_any_event_it_says_how_to_begin() -> None:
    """A fresh server's page is not empty."""
    assert "No event yet" in text(render(events=[]))
    assert "worldevents events apply winter" in render(events=[])
