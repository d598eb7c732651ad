"""Laws 15 and 16 of the ledger: what becomes of a grant, and in which order hosts are told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any, cast

import pytest
import pytest_asyncio

from worldevents import codec, prizes
from worldevents.errors import GrantRevoked, UnknownGrant, UserBanned
from worldevents.grants import GrantStatus
from worldevents.ledger.base import Ledger
from worldevents.ledger.granted import DurableLedger
from worldevents.model import GoalTier, Nature, Reward
from worldevents.testing.builders import DURING, a_goal, an_event, with_target
from worldevents.testing.ledger_granting import FIRST, LATER, SECOND, Granting
from worldevents.testing.opened import LedgerOpener

MUCH_LATER = LATER + timedelta(days=8)
ANN = f"{FIRST}~ann"
NOBODY = ("", "tier~volume~25~bob", "tier~volume~26~ann", "challenge~winter~x~ann", "tier~volume~25~a b", "x", "~" * 9)
ODDS = ("70 Ice Shard", "25 Frost Orb", "5 Crown")


def a_reward(kind: str, **fields: Any) -> Reward:
    """A reward of a kind with its fields."""
    return Reward(kind=kind, name=kind.title(), nature=Nature.QUANTITY, fields=MappingProxyType(fields))


class ClaimingLaws:
    """Laws 15 and 16; `LedgerLaws` adds the fixtures."""

    @pytest_asyncio.fixture
    async def claiming(self, empty: Ledger) -> Granting:
        """A ledger with a goal whose tier at 25 % is unlocked, and Ann's grant of it."""
        claiming = Granting(cast("DurableLedger", empty))
        await self.granted(claiming)
        return claiming

    async def granted(self, claiming: Granting, **change: Any) -> None:
        """Publish a goal with one tier, changed so, and grant it to Ann."""
        goal = a_goal(percents=("25",))
        tier: GoalTier = replace(goal.tiers[0], **change)
        await claiming.publish(an_event(replace(goal, tiers=(tier,))))
        await claiming.count(("ann", 250))
        await claiming.work()

    async def test_law_15_a_claim_is_done_once(self, open_ledger: LedgerOpener, claiming: Granting) -> None:
        """Law 15: the first instant stays, at every repeat and for who opens the ledger later."""
        first = await claiming.ledger.claim(ANN, LATER)
        assert (GrantStatus.CLAIMED, LATER, {}) == (first.status, first.claimed_at, first.outcome)
        assert first == await claiming.ledger.claim(ANN, MUCH_LATER)
        async with open_ledger() as reopened:
            assert first == await cast("DurableLedger", reopened).claim(ANN, MUCH_LATER)

    @pytest.mark.parametrize("grant_id", NOBODY)
    async def test_law_15_an_unknown_grant_is_said_to_be_unknown(self, claiming: Granting, grant_id: str) -> None:
        """Law 15: whatever is asked of it."""
        before, ledger = await claiming.ledger.grants(), claiming.ledger
        for asked in (
            ledger.grant(grant_id),
            ledger.claim(grant_id, LATER),
            ledger.deliver(grant_id, LATER),
            ledger.revoke(grant_id, LATER, reason="why", author="who"),
        ):
            with pytest.raises(UnknownGrant):
                await asked
        assert before == await ledger.grants()

    async def test_law_15_a_crate_holds_the_same_for_ever(self, empty: Ledger) -> None:
        """Law 15: its prizes follow from a seed that is kept with it: as many as there are crates."""
        claiming = Granting(cast("DurableLedger", empty))
        await self.granted(claiming, reward=a_reward("crate", quantity=40, odds=ODDS))
        first = await claiming.ledger.claim(ANN, LATER)
        assert 40 == len(first.outcome["prizes"])
        assert prizes.opened(ODDS, first.outcome["seed"], 40) == first.outcome["prizes"]
        assert {"Ice Shard", "Frost Orb", "Crown"} >= set(first.outcome["prizes"])
        await claiming.ledger.revoke(ANN, LATER, reason="by mistake", author="op")
        await claiming.ledger.give(ANN, LATER, reason="it was one", author="op")
        assert first.outcome == (await claiming.ledger.claim(ANN, MUCH_LATER)).outcome

    async def test_law_15_a_boost_begins_when_it_is_claimed(self, empty: Ledger) -> None:
        """Law 15: and ends so many minutes later."""
        claiming = Granting(cast("DurableLedger", empty))
        await self.granted(claiming, reward=a_reward("boost", multiplier=2, minutes=90))
        claimed = await claiming.ledger.claim(ANN, LATER)
        expected = {"startsAt": codec.instant(LATER), "endsAt": codec.instant(LATER + timedelta(minutes=90))}
        assert expected == claimed.outcome

    async def test_law_15_no_more_are_claimed_than_there_are(self, empty: Ledger) -> None:
        """Law 15: of a stock, whoever claims first; the others wait until there is one again."""
        claiming = Granting(cast("DurableLedger", empty))
        mount = a_reward("mount", stock=2)
        await self.granted(claiming, reward=mount)
        users = ["ann", "bob", "cid", "dot", "eve"]
        await claiming.count(*((user, 1) for user in users))
        told = await asyncio.gather(*(claiming.ledger.claim(f"{FIRST}~{user}", LATER) for user in users))
        assert [GrantStatus.CLAIMED] * 2 + [GrantStatus.PENDING] * 3 == sorted(one.status for one in told)
        first, waiting = (
            next(one for one in told if one.status is status) for status in (GrantStatus.CLAIMED, GrantStatus.PENDING)
        )
        assert ({"reserved": True}, {"soldOut": True}) == (first.outcome, waiting.outcome)
        assert waiting == await claiming.ledger.claim(waiting.id, MUCH_LATER)
        await claiming.ledger.revoke(first.id, LATER, reason="a bot", author="op")
        assert GrantStatus.CLAIMED is (await claiming.ledger.claim(waiting.id, MUCH_LATER)).status
        await self.granted(claiming, reward=replace(mount, fields=MappingProxyType({"stock": 3})))
        left = [one for one in told if one.status is GrantStatus.PENDING and one.id != waiting.id]
        again = [(await claiming.ledger.claim(one.id, MUCH_LATER)).status for one in left]
        assert [GrantStatus.CLAIMED, GrantStatus.PENDING] == again

    async def test_law_15_a_grant_is_claimed_by_itself(self, empty: Ledger) -> None:
        """Law 15: at `claim_until`, where the tier has one; not before, and not what was claimed or revoked."""
        claiming = Granting(cast("DurableLedger", empty))
        await self.granted(claiming, claim_within=timedelta(days=7))
        await claiming.count(("bob", 1), ("cid", 1), ("dot", 1))
        await claiming.ledger.claim(f"{FIRST}~bob", LATER)
        await claiming.ledger.revoke(f"{FIRST}~cid", LATER, reason="why", author="op")
        grant = await claiming.ledger.grant(f"{FIRST}~dot")
        assert DURING + timedelta(days=7) == grant.claim_until
        assert 0 == await claiming.ledger.claim_due(DURING + timedelta(days=7, microseconds=-1))
        assert 2 == await claiming.ledger.claim_due(MUCH_LATER)
        assert 0 == await claiming.ledger.claim_due(MUCH_LATER)
        statuses = {one.user_id: one.status.value for one in await claiming.ledger.grants()}
        assert {"ann": "claimed", "bob": "claimed", "cid": "revoked", "dot": "claimed"} == statuses

    async def test_law_15_a_banned_user_claims_nothing(self, empty: Ledger) -> None:
        """Law 15: neither asking for it nor when it is due, until the ban is over; what was claimed is as it was."""
        claiming = Granting(cast("DurableLedger", empty))
        await self.granted(claiming, claim_within=timedelta(days=7))
        await claiming.count(("bob", 1), ("cid", 1))
        ledger = claiming.ledger
        claimed = await ledger.claim(f"{FIRST}~bob", LATER)
        bans = [await ledger.ban_user(user, at=LATER, reason="why", author="op") for user in ("ann", "bob")]
        with pytest.raises(UserBanned):
            await ledger.claim(ANN, LATER)
        assert claimed == await ledger.claim(f"{FIRST}~bob", LATER)
        assert 1 == await ledger.claim_due(MUCH_LATER)
        assert GrantStatus.CLAIMABLE is (await ledger.grant(ANN)).status
        await ledger.lift_ban(bans[0].number, at=MUCH_LATER)
        assert 1 == await ledger.claim_due(MUCH_LATER)
        assert (GrantStatus.CLAIMED, MUCH_LATER) == (
            (await ledger.grant(ANN)).status,
            (await ledger.grant(ANN)).claimed_at,
        )

    async def test_law_13_an_operator_takes_back_and_gives(self, claiming: Granting) -> None:
        """Law 13: with reason and author; a revoked grant cannot be claimed, and the first revocation stays."""
        ledger = claiming.ledger
        revoked = await ledger.revoke(ANN, LATER, reason="cheated", author="op")
        assert ("revoked", LATER, "cheated", "op") == (
            revoked.status.value,
            revoked.revoked_at,
            revoked.reason,
            revoked.author,
        )
        assert revoked == await ledger.revoke(ANN, MUCH_LATER, reason="again", author="other")
        for asked in (ledger.claim(ANN, MUCH_LATER), ledger.deliver(ANN, MUCH_LATER)):
            with pytest.raises(GrantRevoked):
                await asked
        await claiming.count(("ann", 500))
        await ledger.sweep("volume", LATER)
        assert 0 == await claiming.work()
        assert revoked == await ledger.grant(ANN)
        given = await ledger.give(ANN, MUCH_LATER, reason="was innocent", author="boss")
        assert ("claimable", None, "was innocent", "boss") == (
            given.status.value,
            given.revoked_at,
            given.reason,
            given.author,
        )
        assert (revoked.number, "claimed") == (given.number, (await ledger.claim(ANN, MUCH_LATER)).status.value)

    async def test_law_13_support_grants_whom_it_likes(self, claiming: Granting) -> None:
        """Law 13: one grant under the id that the user would have had; given again, or earned, it stays the same."""
        given = await claiming.ledger.give(f"{FIRST}~zoe", LATER, reason="lost a workout", author="op")
        assert ("zoe", "claimable", "lost a workout", "op") == (
            given.user_id,
            given.status.value,
            given.reason,
            given.author,
        )
        assert given == await claiming.ledger.give(f"{FIRST}~zoe", MUCH_LATER, reason="twice", author="op")
        await claiming.count(("zoe", 5))
        assert given == await claiming.ledger.grant(f"{FIRST}~zoe")
        for unknown in (f"{SECOND}~zoe", "challenge~winter~x~zoe"):
            with pytest.raises(UnknownGrant):
                await claiming.ledger.give(unknown, LATER, reason="why", author="op")

    async def test_law_15_a_delivery_is_noted_once(self, claiming: Granting) -> None:
        """Law 15: the first instant stays; a claim after it changes nothing."""
        first = await claiming.ledger.deliver(ANN, LATER)
        assert (GrantStatus.DELIVERED, LATER) == (first.status, first.delivered_at)
        assert first == await claiming.ledger.deliver(ANN, MUCH_LATER)
        assert first == await claiming.ledger.claim(ANN, MUCH_LATER)

    async def test_law_16_grants_come_in_pages(self, claiming: Granting) -> None:
        """Law 16: by number, none twice and none left out, the newest of a user's first."""
        await claiming.count(*((f"u{number}", 1) for number in range(4)))
        everything = await claiming.ledger.grants()
        pages = [await claiming.ledger.grants(limit=2)]
        while pages[-1]:
            pages.append(await claiming.ledger.grants(after=pages[-1][-1].number, limit=2))
        assert everything == [one for page in pages for one in page]
        numbers = [one.number for one in everything]
        assert sorted(set(numbers)) == numbers

    async def test_law_16_announcements_are_one_series(self, claiming: Granting) -> None:
        """Law 16: unlocks, completions and grants, by number, each once under a constant id."""
        await claiming.publish(an_event(with_target(a_goal(percents=("25", "100")), 500)))
        await claiming.count(("bob", 300))
        await claiming.work()
        told = await claiming.ledger.announcements()
        assert [
            ("goal.tier_unlocked", 25),
            ("reward.granted", "ann"),
            ("reward.granted", "bob"),
            ("goal.completed", "volume"),
            ("goal.tier_unlocked", 100),
            ("reward.granted", "ann"),
            ("reward.granted", "bob"),
        ] == [(one.kind, _subject(one.kind, one.document)) for one in told]
        assert sorted({one.number for one in told}) == [one.number for one in told]
        assert 7 == len({one.id for one in told})
        pages = [await claiming.ledger.announcements(limit=3)]
        while pages[-1]:
            pages.append(await claiming.ledger.announcements(after=pages[-1][-1].number, limit=3))
        assert list(told) == [one for page in pages for one in page]
        assert codec.grant(await claiming.ledger.grant(ANN)) == told[1].document

    async def test_law_16_a_completion_is_announced_once(self, claiming: Granting) -> None:
        """Law 16: by the append that reached the target; not again by more, nor by an edit."""
        await claiming.count(("bob", 750))
        await claiming.count(("bob", 1))
        await claiming.publish(an_event(with_target(a_goal(percents=("25",)), 900)))
        told = [one for one in await claiming.ledger.announcements() if one.kind == "goal.completed"]
        assert [(1000, 1000, DURING)] == [
            (one.document["currentValue"], one.document["targetValue"], one.at) for one in told
        ]


def _subject(kind: str, document: Mapping[str, Any]) -> object:
    return document[{"goal.tier_unlocked": "threshold", "goal.completed": "goalId", "reward.granted": "userId"}[kind]]
