"""The rule for outliers in Redis: it remembers by the steps that Python has, whatever is repeated or taken back."""

from dataclasses import replace
from typing import Any

from tests.store.inside import VOLUME, Opened
from worldevents.model import ContributionStatus, Limits, OutlierRule, Position, Repair
from worldevents.outliers import History
from worldevents.testing.builders import DURING, a_contribution, a_goal, an_event
from worldevents.testing.store_buffering import OWN

RULE = OutlierRule(deviations=6, own_least=3, everyones_least=3)


def _history(opened: Opened) -> tuple[dict[str, dict[int, int]], dict[int, int]]:
    """What Redis remembers of each user's amounts, and of everyone's."""
    told: Any = opened.client.hgetall(opened.key("shapes"))
    users = {
        user.decode(): {int(step): int(count) for step, count in (one.split(b"=") for one in shape.split())}
        for user, shape in told.items()
    }
    every: Any = opened.client.hgetall(opened.key("shape"))
    return users, {int(step): int(count) for step, count in every.items()}


async def test_a_history_is_what_the_rule_makes_of_it(opened: Opened) -> None:
    """Every amount is in the step that Python finds, for each user and for all; restored, it is the same."""
    await opened.publish(Limits(), based_on=1, outliers=OutlierRule(own_least=10_000))
    edges = [2**power + more for power in range(3, 53) for more in (-1, 0, 1)]
    amounts = [*range(1, 70), *edges, *(7**power for power in range(15))]
    items = [a_contribution(f"c{n}", one, user=f"u{n % 3}") for n, one in enumerate(amounts) if one < 2**44]
    expected = History()
    for item in items:
        expected.add(item.user_id, item.amount)
    for start in range(0, len(items), 100):
        assert {"counted"} == set(await opened.tell(*items[start : start + 100]))
    assert (expected.users, expected.everyones) == _history(opened)
    assert await opened.syncer.once()
    opened.client.flushall()
    assert await opened.syncer.once()
    assert (expected.users, expected.everyones) == _history(opened)


async def test_a_restoration_may_say_a_user_again(opened: Opened) -> None:
    """A call whose answer was lost is made again: everyone's history has each amount once."""
    await opened.publish(Limits(), based_on=1, outliers=RULE)
    base, epoch = opened.key("")[:-1], opened.field("epoch")
    assert await opened.store.shut({VOLUME: epoch}, token=OWN)
    assert 1 == opened.client.fcall("worldevents_wipe", 1, base, "own", "9-new")
    for _ in range(2):
        told = ("ann", "12", "0", "16=2 18=1", "0", "bob", "4", "0", "16=1", "0")
        assert 1 == opened.client.fcall("worldevents_fill_users", 1, base, "own", "9-new", *told)
    assert ({"ann": {16: 2, 18: 1}, "bob": {16: 1}}, {16: 3, 18: 1}) == _history(opened)


async def test_what_is_taken_back_is_no_history(opened: Opened) -> None:
    """What was counted twice is forgotten once, by the user's history and by everyone's."""
    await opened.publish(Limits(), based_on=1, outliers=RULE)
    await opened.tell(a_contribution("a", 8), a_contribution("b", 8), a_contribution("c", 9))
    epoch = opened.field("epoch")
    repairs = [
        Repair(VOLUME, Position(epoch, place), "ann", amount, ContributionStatus.COUNTED)
        for place, amount in ((2, 8), (3, 9))
    ]
    await opened.store.take_back(repairs)
    await opened.store.take_back(repairs)
    assert ({"ann": {24: 1}}, {24: 1}) == _history(opened)


async def test_a_rule_for_outliers_holds_and_comes_later(opened: Opened) -> None:
    """Turned on in the middle it takes nothing until the history is there; then it holds what is far from it."""
    await opened.tell(*(a_contribution(f"c{n}", 100 + n) for n in range(4)))
    event = an_event(replace(a_goal(target=10**15), outliers=RULE))
    await opened.ledger.publish(event, based_on=1, author="test", published_at=DURING, reason="")
    await opened.store.announce("winter")
    assert ["store_lost"] == await opened.tell(a_contribution("x", 1_000))
    assert await opened.syncer.once()
    told = await opened.tell(
        a_contribution("x", 1_000), a_contribution("y", 500), a_contribution("z", 1_000, user="new")
    )
    assert ["held", "counted", "counted"] == told


async def test_a_rule_that_comes_after_a_loss_knows_what_was(opened: Opened) -> None:
    """The outbox is as new as the memory then, and that is no sign that nobody has contributed."""
    await opened.tell(a_contribution("a", 8))
    assert await opened.syncer.once()
    opened.client.flushall()
    while not await opened.syncer.once():
        continue
    await opened.publish(Limits(), based_on=1, outliers=RULE)
    assert ({"ann": {24: 1}}, {24: 1}) == _history(opened)
