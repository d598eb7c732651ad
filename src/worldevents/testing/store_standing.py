"""Law 4 of the store once more: what it tells of one user's place on the board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from worldevents.model import Audience, CommunityGoal, Limits
from worldevents.testing.builders import a_contribution, a_goal, an_event
from worldevents.testing.models import place_of
from worldevents.testing.opened import OpenStore

MOST = 9
"""More than this in one contribution is held."""
MINIMUMS = (0, 3, 7, 40)


def asking(*minimums: int, everyone: bool = False) -> CommunityGoal:
    """A goal with a tier for each of these minimums; the last one's is for everyone, if that is asked for."""
    percents = [str(10 * place) for place in range(1, len(minimums) + 1)]
    goal = a_goal(limits=Limits(per_contribution=MOST), percents=percents)
    tiers = [replace(tier, minimum=least) for tier, least in zip(goal.tiers, minimums, strict=True)]
    if everyone:
        tiers[-1] = replace(tiers[-1], audience=Audience.EVERYONE)
    return replace(goal, tiers=tuple(tiers))


async def check_places(opened: OpenStore, amounts: Mapping[str, int], *minimums: int) -> None:
    """The store tells each of these users, and one who gave nothing, what comparing with everybody tells."""
    for user in [*amounts, "nobody"]:
        found = await opened.store.standing("volume", user)
        told = (found.amount, found.above, found.tied, found.next_amount, found.next_tied, dict(found.reached))
        assert told == place_of(user, amounts, minimums)
        progress = await opened.store.progress("volume", user)
        assert (found.state, found.pending, found.rank) == (progress.state, progress.user_pending, progress.user_rank)


class StandingLaws:
    """Law 4; `StoreLaws` adds the fixtures."""

    async def test_law_4_a_standing_is_what_comparing_with_everybody_tells(self, empty: OpenStore) -> None:
        """Law 4: who has more, who has as much, who is next, and how many have what each tier asks for."""
        await empty.publish(an_event(asking(*MINIMUMS, everyone=True)))
        amounts = {f"user-{number}": 1 + number * number % MOST for number in range(40)}
        batch = [a_contribution("first", amount, user=user) for user, amount in amounts.items()]
        assert ["counted"] * 40 == await empty.tell(*batch)
        await check_places(empty, amounts, 1, 3, 7)
        raised = [f"user-{number}" for number in range(0, 40, 3)]
        assert ["counted"] * 14 == await empty.tell(*(a_contribution("next", 2, user=user) for user in raised))
        await check_places(empty, {user: amount + 2 * (user in raised) for user, amount in amounts.items()}, 1, 3, 7)

    async def test_law_4_a_standing_on_an_empty_board(self, opened: OpenStore) -> None:
        """Law 4: before anybody gave anything nobody is above anybody."""
        await check_places(opened, {}, 1)

    async def test_law_4_what_is_held_is_beside_the_place(self, empty: OpenStore) -> None:
        """Law 4: a held amount is told, and moves nobody; who has only that has no rank."""
        await empty.publish(an_event(asking(0, 5)))
        told = await empty.tell(a_contribution("c1", 4), a_contribution("c2", 90), a_contribution("c1", 80, user="bob"))
        assert ["counted", "held", "held"] == told
        await check_places(empty, {"ann": 4, "bob": 0}, 1, 5)
        assert 90 == (await empty.store.standing("volume", "ann")).pending
        assert None is (await empty.store.standing("volume", "bob")).rank

    async def test_law_4_a_standing_follows_what_tiers_ask_for(self, empty: OpenStore) -> None:
        """Law 4: after an edit of the event the new minimums are counted."""
        await empty.publish(an_event(asking(0, 5)))
        amounts = {"ann": 4, "bob": 6, "cid": 8}
        await empty.tell(*(a_contribution("c1", amount, user=user) for user, amount in amounts.items()))
        await empty.publish(an_event(asking(2, 7)))
        await check_places(empty, amounts, 2, 7)
