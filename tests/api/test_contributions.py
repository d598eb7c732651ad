"""Contributions over HTTP: one, many, lines and actions, and what each is answered."""

import json
from typing import Any

import pytest

from tests.api.door import OPEN_GOAL, Door, Json

ONE = f"/v1/goals/{OPEN_GOAL}/contributions"
MANY = "/v1/contributions"
ACTIONS = "/v1/actions"


def item(contribution_id: str = "c1", amount: object = 10, **fields: Any) -> Json:
    return {"contributionId": contribution_id, "userId": "ann", "amount": amount, **fields}


async def test_a_contribution_is_answered_with_its_receipt(door: Door) -> None:
    """201, the amount in the metric's unit, today's totals and the place of application."""
    answered = await door.post(ONE, item(amount=102.5, displayName="Ann"))
    assert (201, "application/json") == (answered.status, answered.headers["content-type"])
    assert {
        "contributionId": "c1",
        "goalId": OPEN_GOAL,
        "userId": "ann",
        "amount": 102.5,
        "status": "counted",
        "duplicate": False,
        "currentValue": 102.5,
        "userContribution": 102.5,
    } == {name: value for name, value in answered.json.items() if name != "position"}
    assert f"{await door.runtime.ledger.epoch()}:1" == answered.json["position"]


async def test_a_repeat_is_answered_and_not_counted(door: Door) -> None:
    """200 with the stored status and today's values; with another amount 409, and the first stands."""
    await door.post(ONE, item())
    await door.post(ONE, item("c2", 5))
    again = await door.post(ONE, item())
    other = await door.post(ONE, item(amount=11))

    assert (200, True, "counted", 15) == (
        again.status,
        again.json["duplicate"],
        again.json["status"],
        again.json["currentValue"],
    )
    assert (409, "contribution_conflict", "contributionId") == other.refusal
    assert 15 == (await door.get(f"/v1/goals/{OPEN_GOAL}/progress")).json["goal"]["currentValue"]


@pytest.mark.parametrize("amount", ["10.0", '"10"', '"10.000"', "1e1", "1000e-2", '"0010"'])
async def test_one_amount_has_many_spellings(door: Door, amount: str) -> None:
    """A number or a text, with zeros or without: it is the same amount, and so a repeat."""
    body = f'{{"contributionId": "c1", "userId": "ann", "amount": {amount}}}'.encode()
    assert 201 == (await door.post(ONE, item())).status
    assert 200 == (await door.post(ONE, body)).status


async def test_an_amount_is_what_was_written(door: Door) -> None:
    """A decimal that no float can hold is counted as it stands there."""
    for number in range(10):
        body = f'{{"contributionId": "c{number}", "userId": "ann", "amount": 0.1}}'.encode()
        assert 201 == (await door.post(ONE, body)).status
    assert 1 == (await door.get(f"/v1/goals/{OPEN_GOAL}/progress")).json["goal"]["currentValue"]


async def test_an_amount_over_the_limit_is_held(door: Door) -> None:
    """202 with status held: it waits for an operator and is part of no total."""
    answered = await door.post(ONE, item(amount=100_000.001))
    assert (202, "held", 0) == (answered.status, answered.json["status"], answered.json["currentValue"])


@pytest.mark.parametrize("key", ["c1", '"c1"', " c1 "])
async def test_the_header_may_carry_the_id(door: Door, key: str) -> None:
    """`Idempotency-Key`, bare or quoted, stands for the contribution's id, and may say the same as the body."""
    await door.post(ONE, item())
    bare = {name: value for name, value in item().items() if name != "contributionId"}
    assert (200, "c1") == await _id_of(door, bare, key)
    assert (200, "c1") == await _id_of(door, item(), key)


async def _id_of(door: Door, body: Json, key: str) -> tuple[int, str]:
    answered = await door.ask("POST", ONE, body, {"idempotency-key": key})
    return answered.status, answered.json["contributionId"]


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", 'Application/JSON;charset="utf8"', "", None])
async def test_json_has_many_names(door: Door, media_type: str | None) -> None:
    """With the charset that is the only one, in any case, and without a content type or an empty one."""
    headers = {} if media_type is None else {"content-type": media_type}
    assert 201 == (await door.ask("POST", ONE, json.dumps(item()).encode(), headers)).status


async def test_a_body_in_parts_is_one_body(door: Door) -> None:
    """Without a length, byte for byte."""
    body = json.dumps(item(displayName="Ünï🏋️")).encode()
    assert 201 == (await door.post(ONE, [body[at : at + 1] for at in range(len(body))])).status


async def test_prefer_changes_nothing(door: Door) -> None:
    """Every answer is from the ledger already, whatever is preferred."""
    for preference in ("ack=ledger", "ack=applied", "return=minimal", "☃".encode().decode("latin-1")):
        assert (await door.ask("POST", ONE, item(), {"prefer": preference})).status in (200, 201)


async def test_a_batch_is_answered_in_its_order(door: Door) -> None:
    """A status for each, and a receipt or a problem; what is wrong with one does not keep the others out."""
    items = [
        item(goalId=OPEN_GOAL),
        item("c2", goalId="nowhere"),
        item(goalId=OPEN_GOAL),
        item("c3", 100_001, goalId=OPEN_GOAL),
        item("c4", goalId="iron-march"),
    ]
    answered = await door.post(MANY, {"items": items})
    results = answered.json["results"]
    assert (200, [201, 404, 200, 202, 201]) == (answered.status, [one["status"] for one in results])
    assert ("unknown_goal", "goalId", False) == tuple(
        results[1]["problem"][name] for name in ("code", "field", "retryable")
    )
    assert ["counted", "counted", "held", "counted"] == [
        one["receipt"]["status"] for one in results if "receipt" in one
    ]


async def test_a_batch_has_up_to_a_thousand_items(door: Door) -> None:
    """A thousand are taken, each once."""
    items = [item(f"c{number}", goalId=OPEN_GOAL) for number in range(1_000)]
    answered = await door.post(MANY, {"items": items})
    assert [201] * 1_000 == [one["status"] for one in answered.json["results"]]
    assert 10_000 == answered.json["results"][-1]["receipt"]["currentValue"]


async def test_lines_are_answered_by_lines(door: Door) -> None:
    """As a batch; blank lines are none, and the last one needs no end."""
    lines = [json.dumps(item(f"c{number}", goalId=OPEN_GOAL)) for number in range(3)]
    body = f"{lines[0]}\r\n\n{lines[1]}\nnot json\n   \n{lines[2]}".encode()
    answered = await door.ask("POST", MANY, body, {"content-type": "application/x-ndjson"})
    assert (200, "application/x-ndjson") == (answered.status, answered.headers["content-type"])
    assert [201, 201, 400, 201] == [one["status"] for one in answered.lines]


async def test_actions_feed_every_goal_that_is_open(door: Door) -> None:
    """A workout gives its volume and itself; a boss, a challenge and a sign of activity are answered in order."""
    items = [
        {"kind": "workout", "id": "w1", "userId": "ann", "sets": [{"exercise": "squat", "weight": "61.25", "reps": 8}]},
        {"kind": "challenge", "id": "ch1", "userId": "ann", "workouts": ["w1", "w2"]},
        {"kind": "boss", "id": "b1", "userId": "ann", "count": 3},
        {"kind": "activity", "userId": "ann"},
    ]
    workout, challenge, boss, activity = (await door.post(ACTIONS, {"items": items})).json["results"]
    told = [(one["goalId"], one["contributionId"], one["amount"]) for one in workout["receipts"]]
    assert [("iron-march", "w1", 1), (OPEN_GOAL, "w1:squat", 490), ("march-yourself", "w1:squat", 490)] == sorted(told)
    assert [("w1", True), ("w2", False)] == [(one["contributionId"], one["duplicate"]) for one in challenge["receipts"]]
    assert ["slay-the-winter-king"] == [one["goalId"] for one in boss["receipts"]]
    assert {"receipts": [], "problems": []} == activity


async def test_a_refused_part_of_an_action_says_whose_it_is(door: Door) -> None:
    """The problem of one goal stands beside the receipts of the others, with the goal and the contribution."""
    first = {"kind": "boss", "id": "b1", "userId": "ann", "count": 1}
    await door.post(ACTIONS, {"items": [first]})
    (told,) = (await door.post(ACTIONS, {"items": [{**first, "count": 2}]})).json["results"]
    (problem,) = told["problems"]
    assert [] == told["receipts"]
    assert ("contribution_conflict", "slay-the-winter-king", "b1") == tuple(
        problem[name] for name in ("code", "goalId", "contributionId")
    )


async def test_an_action_may_be_too_much_for_one_goal(door: Door) -> None:
    """A volume that no total can hold is refused for its goal; that there was a workout still counts."""
    heavy = {"exercise": "squat", "weight": 9_007_199_254_740, "reps": 1_000_000}
    action = {"kind": "workout", "id": "w1", "userId": "ann", "sets": [heavy]}
    (told,) = (await door.post(ACTIONS, {"items": [action]})).json["results"]
    assert ["iron-march"] == [one["goalId"] for one in told["receipts"]]
    assert {("amount_invalid", OPEN_GOAL), ("amount_invalid", "march-yourself")} == {
        (one["code"], one["goalId"]) for one in told["problems"]
    }
