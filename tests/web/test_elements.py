"""What the elements owe everybody who looks, listens or types: roles, words, themes, widths, text that stays text."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.web.conftest import OpenPage, seen
from tests.web.served import Served

pytestmark = [pytest.mark.real, pytest.mark.slow]

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def goal(served: Served) -> str:
    """A goal with twelve contributors, two of them equal, one with a name that is no name."""
    goal = served.publish("board")
    for at in range(10):
        served.contribute(goal, f"user-{at}", 50 - at)
    served.contribute(goal, "user-9a", 41, name=HOSTILE)
    served.contribute(goal, "zoe", 2.5, name="Zoë")
    return goal


async def opened(open_page: OpenPage, url: str, **options: object) -> Page:
    """Open a page and wait until both elements show their own."""
    page = await open_page(url, **options)
    await expect(page.locator("community-goal-banner")).to_have_attribute("data-state", "live")
    await expect(page.locator("goal-contributors [part=table]")).to_be_visible()
    return page


async def test_the_bar_says_what_it_shows(served: Served, goal: str, open_page: OpenPage) -> None:
    """It is a progressbar with a name and a text in units; milestones are a list, the board is a captioned table."""
    page = await opened(open_page, f"{served.url}/events/{goal}")

    bar = page.get_by_role("progressbar", name="Goal board")
    await expect(bar).to_have_attribute("aria-valuemin", "0")
    await expect(bar).to_have_attribute("aria-valuemax", "1000")
    await expect(bar).to_have_attribute("aria-valuenow", "498.5")
    await expect(bar).to_have_attribute("aria-valuetext", "498.5 of 1 thousand kilograms, 49%")
    await expect(page.get_by_role("list").get_by_role("listitem")).to_have_count(3)
    await expect(page.get_by_role("table", name="Top contributors")).to_be_visible()
    await expect(page.get_by_role("columnheader")).to_have_text(["Rank", "Contributor", "Amount (kg)"])
    await expect(page.get_by_role("heading", name="Goal board", level=3)).to_be_visible()


async def test_who_is_not_among_the_ten_has_a_row_of_their_own(served: Served, goal: str, open_page: OpenPage) -> None:
    """Equal amounts share a rank; the viewer stands below the ten, marked as the current one."""
    page = await opened(open_page, f"{served.url}/events/{goal}?user=zoe")

    rows = [" ".join(text.split()) for text in await page.locator("[part=table] tbody tr").all_inner_texts()]
    assert ["1 user-0 50", "2 user-1 49"] == rows[:2]
    assert ["10 user-9 41", "12 Zoë (you) 2.5"] == rows[-2:]
    assert 11 == len(rows)
    await expect(page.locator("[part=table] [aria-current]")).to_have_text("12Zoë (you)2.5")
    await expect(seen(page, "12 contributors")).to_be_visible()
    await expect(seen(page, "You: 2.5 kg, rank 12 of 12")).to_be_visible()


@pytest.mark.parametrize("has_script", [True, False])
async def test_a_hostile_name_is_text(served: Served, goal: str, open_page: OpenPage, *, has_script: bool) -> None:
    """Markup in a display name is shown as it was typed, by the server and by the elements."""
    page = await open_page(f"{served.url}/events/{goal}?user=user-9a", java_script_enabled=has_script)

    await expect(page.get_by_role("row").filter(has_text=HOSTILE)).to_be_visible()
    await expect(page.locator("img")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("direction", ["ltr", "rtl"])
async def test_nothing_is_wider_than_a_small_screen(
    served: Served, goal: str, open_page: OpenPage, *, theme: str, direction: str
) -> None:
    """At 320 px nothing scrolls sideways, in both themes and directions; the bar grows from the text's start."""
    page = await opened(open_page, f"{served.url}/events/{goal}?user=zoe", width=320, color_scheme=theme)
    await page.evaluate("direction => document.documentElement.dir = direction", direction)

    assert 320 == await page.evaluate("document.documentElement.scrollWidth")
    fill = await page.locator("community-goal-banner .fill").bounding_box()
    bar = await page.locator("community-goal-banner .bar").bounding_box()
    assert fill is not None
    assert bar is not None
    assert (direction == "ltr") == (fill["x"] == pytest.approx(bar["x"], abs=1))


async def test_nothing_moves_when_the_elements_take_over(served: Served, goal: str, open_page: OpenPage) -> None:
    """What the server wrote and what the elements show are of one size."""
    without = await open_page(f"{served.url}/events/{goal}?user=zoe", java_script_enabled=False)
    alive = await opened(open_page, f"{served.url}/events/{goal}?user=zoe")

    for tag in ("community-goal-banner", "goal-contributors"):
        before, after = [await page.locator(tag).bounding_box() for page in (without, alive)]
        assert before is not None
        assert after == pytest.approx(before, abs=2)


async def test_with_reduced_motion_and_forced_colors_the_numbers_are_there(
    served: Served, goal: str, open_page: OpenPage
) -> None:
    """Nothing counts up, nothing slides, and the system's own colours draw the bar."""
    page = await opened(
        open_page, f"{served.url}/events/{goal}", reduced_motion="reduce", forced_colors="active", locale="de-DE"
    )

    assert "0s" == await page.locator(".fill").evaluate("node => getComputedStyle(node).transitionDuration")
    assert "1px" == await page.locator(".bar").evaluate("node => getComputedStyle(node).borderTopWidth")


async def test_the_language_and_every_word_can_be_another(served: Served, goal: str, open_page: OpenPage) -> None:
    """`locale` changes numbers and units, `messages` the words."""
    page = await opened(open_page, f"{served.url}/events/{goal}")
    banner = page.locator("community-goal-banner")
    await banner.evaluate(
        "node => { node.setAttribute('locale', 'de'); node.messages = {of: target => `von ${target}`,"
        " left: span => `noch ${span}`, progress: (value, target, percent) => `${value} von ${target}, ${percent}`} }"
    )

    await expect(seen(page, "von 1.000 kg")).to_be_visible()
    await expect(seen(page, "noch 19 Tage, 23 Stunden")).to_be_visible()
    await expect(page.get_by_role("progressbar")).to_have_attribute(
        "aria-valuetext", "498,5 von 1 Tausend Kilogramm, 49\N{NO-BREAK SPACE}%"
    )


async def test_a_host_may_ask_the_server_itself(served: Served, goal: str, open_page: OpenPage) -> None:
    """A document given as `snapshot` is shown as it is, also when it came before the tag was known."""
    page = await opened(open_page, f"{served.url}/events/{goal}")
    await page.evaluate(
        """async goal => {
            const get = async (name) => (await fetch(`/v1/goals/${goal}/${name}`)).json();
            const [progress, board] = await Promise.all([get('progress'), get('leaderboard')]);
            const banner = document.createElement('community-goal-banner');
            banner.snapshot = {...progress, goal: {...progress.goal, name: 'Given', percent: 77.7}};
            const contributors = document.createElement('goal-contributors');
            contributors.snapshot = {...board, goal: progress.goal};
            document.querySelector('main').append(banner, contributors);
        }""",
        goal,
    )

    await expect(page.get_by_role("heading", name="Given")).to_be_visible()
    await expect(seen(page, "77.7%")).to_be_visible()
    await expect(page.get_by_role("table")).to_have_count(2)


async def test_an_unknown_goal_is_said_and_can_be_tried_again(served: Served, goal: str, open_page: OpenPage) -> None:
    """The element says that it cannot show the goal; the button works by keyboard once there is something to show."""
    page = await opened(open_page, f"{served.url}/events/{goal}")
    await page.route("**/v1/goals/late/progress?*", lambda route: route.fulfill(status=404, json={"status": 404}))
    await page.evaluate(
        "document.querySelector('main').append(Object.assign(document.createElement('community-goal-banner'),"
        " {id: 'late'})); document.querySelector('#late').setAttribute('goal', 'late')"
    )
    late = page.locator("#late")
    await expect(late).to_have_attribute("data-state", "error")
    await expect(page.get_by_role("alert")).to_contain_text("This goal cannot be shown now.")
    await page.unroute("**/v1/goals/late/progress?*")
    served.publish("late")

    await page.get_by_role("button", name="Try again").focus()
    await page.keyboard.press("Enter")

    await expect(late.get_by_role("heading", name="Goal late")).to_be_visible()
