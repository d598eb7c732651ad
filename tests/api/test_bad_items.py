"""Items that are wrong, by every route that takes them: each is refused by its code and field, and changes nothing.

In a batch the refusal stands in the item's place, and what is beside it is answered as if it were alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.api.door import OPEN_GOAL, Door, Stand
from tests.api.hostile_actions import ACTION_FAULTS, ActionFault
from tests.api.hostile_items import GOALS, ITEMS, Fault

pytestmark = pytest.mark.slow

ONE = f"/v1/goals/{OPEN_GOAL}/contributions"
MANY = "/v1/contributions"
ACTIONS = "/v1/actions"
GOAL = f'"{OPEN_GOAL}"'
NEIGHBOURS = [
    f'{{"goalId": {GOAL}, "contributionId": "good-{number}", "userId": "bob", "amount": 5}}' for number in range(2)
]
BOSSES = [f'{{"kind": "boss", "id": "good-{number}", "userId": "bob"}}' for number in range(2)]


def batch(*items: str) -> bytes:
    return f'{{"items": [{", ".join(items)}]}}'.encode()


def lines(*items: str) -> bytes:
    return "\n".join(items).encode()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def before(shared_door: Door) -> AsyncIterator[Stand]:
    """Count the neighbours, so that their repeats change nothing: what then must not move, to the last row."""
    await shared_door.post(MANY, batch(*NEIGHBOURS))
    await shared_door.post(ACTIONS, batch(*BOSSES))
    whole = await shared_door.state()
    yield await shared_door.stand()
    assert whole == await shared_door.state()


def told(problem: dict[str, object]) -> tuple[object, object, object]:
    return problem["status"], problem["code"], problem.get("field")


@pytest.mark.parametrize("fault", ITEMS, ids=lambda fault: fault.name)
async def test_one_contribution(shared_door: Door, before: Stand, fault: Fault) -> None:
    """Alone, it is the whole answer."""
    answered = await shared_door.post(ONE, fault.item().encode())
    assert fault.refusal == answered.refusal
    assert before == await shared_door.stand()


@pytest.mark.parametrize("fault", [*ITEMS, *GOALS], ids=lambda fault: fault.name)
async def test_a_contribution_of_a_batch(shared_door: Door, before: Stand, fault: Fault) -> None:
    """Between two good ones, which are answered."""
    answered = await shared_door.post(MANY, batch(NEIGHBOURS[0], fault.item(goalId=GOAL), NEIGHBOURS[1]))
    first, refused, last = answered.json["results"]
    assert (200, 200) == (first["status"], last["status"])
    assert fault.refusal == told(refused["problem"])
    assert fault.status == refused["status"]
    assert before == await shared_door.stand()


@pytest.mark.parametrize("fault", [*ITEMS, *GOALS], ids=lambda fault: fault.name)
async def test_a_contribution_among_lines(shared_door: Door, before: Stand, fault: Fault) -> None:
    """Between two good lines, which are answered."""
    body = lines(NEIGHBOURS[0], fault.item(goalId=GOAL), NEIGHBOURS[1])
    answered = await shared_door.ask("POST", MANY, body, {"content-type": "application/x-ndjson"})
    first, refused, last = answered.lines
    assert (200, 200) == (first["status"], last["status"])
    assert fault.refusal == told(refused["problem"])
    assert before == await shared_door.stand()


@pytest.mark.parametrize("fault", ACTION_FAULTS, ids=lambda fault: fault.name)
async def test_an_action(shared_door: Door, before: Stand, fault: ActionFault) -> None:
    """Between two good ones; nothing of it is counted, for no goal."""
    answered = await shared_door.post(ACTIONS, batch(BOSSES[0], fault.action, BOSSES[1]))
    first, refused, last = answered.json["results"]
    assert [True, True] == [one["duplicate"] for done in (first, last) for one in done["receipts"]]
    assert [] == refused["receipts"]
    assert {fault.refusal} == {told(problem) for problem in refused["problems"]}
    assert before == await shared_door.stand()


@pytest.mark.parametrize("item", ["null", "5", "true", '"c1"', "[]", "[[]]", "NaN"])
@pytest.mark.parametrize("route", [MANY, ACTIONS])
async def test_an_item_that_is_no_object(shared_door: Door, before: Stand, route: str, item: str) -> None:
    """It is refused in its place."""
    (result,) = (await shared_door.post(route, batch(item))).json["results"]
    problem = result["problem"] if route == MANY else result["problems"][0]
    assert "body_invalid" == problem["code"]
    assert before == await shared_door.stand()


async def test_good_neighbours_count(door: Door) -> None:
    """All faults at once, each between two good contributions: exactly the good ones are in the total."""
    items = []
    for number, fault in enumerate([*ITEMS, *GOALS]):
        items += [NEIGHBOURS[0].replace("good-0", f"n{number}"), fault.item(goalId=GOAL)]
    for start in range(0, len(items), 200):
        results = (await door.post(MANY, batch(*items[start : start + 200]))).json["results"]
        assert {201} == {one["status"] for one in results[::2]}
    goal = (await door.get(f"/v1/goals/{OPEN_GOAL}/progress")).json["goal"]
    assert (5 * len(items) / 2, 1) == (goal["currentValue"], goal["participantCount"])


async def test_good_actions_count(door: Door) -> None:
    """All faults at once, each between two good actions: exactly the good ones are in the total."""
    items = []
    for number, fault in enumerate(ACTION_FAULTS):
        items += [BOSSES[0].replace("good-0", f"n{number}"), fault.action]
    for start in range(0, len(items), 20):
        await door.post(ACTIONS, batch(*items[start : start + 20]))
    totals = {goal: one.total for goal, one in (await door.runtime.ledger.totals()).items() if one.total}
    assert {"slay-the-winter-king": len(items) / 2} == totals
