"""The page in a real browser, on a real server: true at once, and live."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from tests.web.conftest import OpenPage, seen
from tests.web.served import Served

pytestmark = [pytest.mark.real, pytest.mark.slow]

NOW = datetime.now(UTC).isoformat()


async def is_live(page: Page) -> None:
    """Wait until the stream is open."""
    await expect(page.locator("community-goal-banner")).to_have_attribute("data-state", "live")


async def test_without_script_the_page_says_what_is(served: Served, open_page: OpenPage) -> None:
    """A browser that runs no script shows the same numbers, tiers, own share and board."""
    goal = served.publish("plain")
    served.contribute(goal, "ada", 300.5, name="Ada")
    served.contribute(goal, "bob", 120)
    page = await open_page(f"{served.url}/events/plain?user=bob", java_script_enabled=False)

    await expect(page.get_by_role("heading", name="Season plain")).to_be_visible()
    await expect(page.get_by_role("progressbar", name="Goal plain")).to_have_attribute("value", "420.5")
    await expect(page.locator("community-goal-banner")).to_contain_text("42.05%")
    await expect(page.locator("community-goal-banner")).to_contain_text("You: 120 kg, rank 2 of 2")
    await expect(page.get_by_role("listitem").first).to_contain_text("Unlocked, yours")
    await expect(page.get_by_role("listitem").nth(1)).to_contain_text("79.5 kg to go")
    assert ["1 Ada 300.5", "2 bob (you) 120"] == [
        " ".join(text.split()) for text in await page.locator("tbody tr").all_inner_texts()
    ]


async def test_a_contribution_moves_the_page(served: Served, open_page: OpenPage) -> None:
    """Bar, percent, own share and board follow without a reload."""
    goal = served.publish("moves")
    page = await open_page(f"{served.url}/events/moves?user=ada")
    await is_live(page)
    await expect(seen(page, "No contributions yet. Be the first!")).to_be_visible()

    served.contribute(goal, "ada", 102.5, name="Ada")

    await expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "102.5")
    await expect(seen(page, "10.25%")).to_be_visible()
    await expect(seen(page, "You: 102.5 kg, rank 1 of 1")).to_be_visible()
    await expect(page.get_by_role("row", name="1 Ada (you) 102.5")).to_have_attribute("aria-current", "true")
    await expect(seen(page, "1 contributor")).to_be_visible()


async def test_a_tier_unlocks_before_the_eyes(served: Served, open_page: OpenPage) -> None:
    """The status line speaks, the list says so in words, and the host is told by an event that crosses the shadow."""
    goal = served.publish("tiers")
    served.contribute(goal, "ada", 200)
    page = await open_page(f"{served.url}/events/tiers?user=ada")
    await is_live(page)
    await expect(page.get_by_role("status")).to_have_text("")
    await page.evaluate(
        "addEventListener('tier-unlocked', ({detail: {tier}}) =>"
        " { document.documentElement.dataset.told = tier.reward.name })"
    )

    served.contribute(goal, "bob", 51)

    await expect(page.locator("html")).to_have_attribute("data-told", "Snow Crate")
    await expect(page.get_by_role("status")).to_have_text("Goal tiers: Snow Crate unlocked")
    await expect(page.get_by_role("listitem").first).to_contain_text("Unlocked, yours")


async def test_past_the_target_the_bar_clips_and_the_number_does_not(served: Served, open_page: OpenPage) -> None:
    """Completion is told once; percent and text stay true, the bar's value ends at the target."""
    goal = served.publish("beyond")
    page = await open_page(f"{served.url}/events/beyond")
    await is_live(page)

    served.contribute(goal, "ada", 1250)

    bar = page.get_by_role("progressbar")
    await expect(page.locator("community-goal-banner")).to_have_attribute("data-state", "completed")
    await expect(bar).to_have_attribute("aria-valuenow", "1000")
    await expect(bar).to_have_attribute("aria-valuetext", "1.2 thousand of 1 thousand kilograms, 125%")
    await expect(seen(page, "125%")).to_be_visible()
    await expect(page.get_by_role("status")).to_have_text("Goal beyond: goal reached")


async def test_the_counting_number_never_passes_the_servers(served: Served, open_page: OpenPage) -> None:
    """Every number that the page ever shows on its way up is between the two that the server told."""
    goal = served.publish("counts")
    served.contribute(goal, "ada", 100)
    page = await open_page(f"{served.url}/events/counts")
    await is_live(page)
    value = page.locator("community-goal-banner article .value")
    await value.evaluate(
        "node => { window.shown = [];"
        " new MutationObserver(() => shown.push(Number(node.textContent))).observe(node, {childList: true}) }"
    )

    served.contribute(goal, "ada", 300.75)
    await expect(value).to_have_text("400")

    shown = await page.evaluate("shown")
    assert sorted(shown) == shown
    assert (100, 400) == (min([100, *shown]), max(shown))


async def test_the_page_heals_when_its_server_is_killed(served: Served, open_page: OpenPage) -> None:
    """The connection is lost and says so; on a new server at the same address the page goes on with what is new."""
    goal = served.publish("heals")
    served.contribute(goal, "ada", 100)
    page = await open_page(f"{served.url}/events/heals?user=ada")
    await is_live(page)

    served.kill()
    await expect(page.locator("community-goal-banner")).to_have_attribute("data-state", "stale")
    await expect(page.get_by_role("status")).to_have_text("Connection lost")
    await expect(seen(page, re.compile(r"^Reconnecting, as of \d+ seconds? ago$"))).to_be_visible()
    await expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "100")
    served.start()
    served.contribute(goal, "ada", 50)

    await expect(page.locator("community-goal-banner")).to_have_attribute("data-state", "live", timeout=30_000)
    await expect(page.get_by_role("status")).to_have_text("Connected again")
    await expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "150")
    await expect(seen(page, "You: 150 kg, rank 1 of 1")).to_be_visible()
    served.contribute(goal, "ada", 25)
    await expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "175")


async def test_repeats_and_stragglers_change_nothing(served: Served, open_page: OpenPage) -> None:
    """Within an epoch a state is only followed by a newer one; another epoch begins anew, whatever its numbers."""
    goal = served.publish("orders")
    page = await open_page("about:blank")

    async def stream(route: Route) -> None:
        await page.wait_for_selector("community-goal-banner article")
        events = [
            f"id: {at}\nevent: goal_update\ndata: {json.dumps(update(goal, epoch=epoch, seq=seq, value=value))}\n\n"
            for at, (epoch, seq, value) in enumerate(
                [("8-a", 10, 500), ("8-a", 9, 400), ("8-a", 10, 450), ("9-b", 1, 7), ("9-b", 2, 8)]
            )
        ]
        await route.fulfill(content_type="text/event-stream", body="".join(events))

    await page.route("**/v1/stream?*", stream, times=1)
    await page.add_init_script(
        "addEventListener('goal-update', ({detail: {goal}, currentTarget: {document: {documentElement: {dataset}}}}) =>"
        " { dataset.told = `${dataset.told ?? ''} ${goal.currentValue}` })"
    )
    await page.goto(f"{served.url}/events/orders")

    await expect(page.locator("html")).to_have_attribute("data-told", re.compile("^ 0 500 7 8"))


def update(goal: str, *, epoch: str, seq: int, value: int) -> dict[str, Any]:
    """Make the payload of a `goal_update` with what the banner needs of it."""
    percent = {"percent": value / 10, "targetValue": 1000, "status": "active", "tiersUnlocked": []}
    return {
        "goalId": goal,
        "newValue": value,
        "epoch": epoch,
        "seq": seq,
        "contributors": 1,
        "serverTime": NOW,
        **percent,
    }


async def test_where_no_stream_gets_through_the_page_asks(served: Served, open_page: OpenPage) -> None:
    """Behind a proxy that refuses streams the numbers still come, and the page says how."""
    goal = served.publish("polled")
    page = await open_page("about:blank")
    await page.route("**/v1/stream?*", lambda route: route.fulfill(status=503))
    await page.goto(f"{served.url}/events/polled")
    await expect(page.locator("community-goal-banner")).to_have_attribute("data-state", "polling", timeout=30_000)

    served.contribute(goal, "ada", 33)

    await expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "33", timeout=30_000)


async def test_an_upcoming_event_counts_down(served: Served, open_page: OpenPage) -> None:
    """Nothing runs yet: the page says so, and when it will."""
    served.publish("soon", starts_in_days=3)
    page = await open_page(f"{served.url}/events/soon")

    await expect(page.locator("community-goal-banner")).to_have_attribute("data-state", "upcoming")
    await expect(page.get_by_role("heading", name="All is quiet, for now")).to_be_visible()
    await expect(seen(page, re.compile(r"^Starts in 2 days 23 hours$"))).to_be_visible()
