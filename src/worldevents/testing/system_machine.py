"""A hypothesis machine: long random lives of a whole system, held against a model in plain dictionaries.

A test subclasses it and overrides `database`. After every step both agree, in what the store tells and in what the
ledger holds; at the end they do so after a restart, with every sum counted again from its rows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from worldevents import movements
from worldevents.engine import Offer
from worldevents.model import Ack, GoalContribution, Limits, OutlierRule
from worldevents.moderation import Moved
from worldevents.movements import By
from worldevents.testing.builders import STARTS_AT, with_target
from worldevents.testing.clock import ManualClock
from worldevents.testing.models import Key, StoreModel
from worldevents.testing.opened import word
from worldevents.testing.system_draws import (
    DAY,
    GOALS,
    Ending,
    endings,
    goals,
    limits,
    offers,
    outliers,
    people,
    places,
    rewards,
    the_event,
    users,
)
from worldevents.testing.system_life import SystemLife
from worldevents.testing.system_model import decision

BY = By(author="ops", reason="test")
BETWEEN = 8
"""So many steps at least lie between two restarts: what takes long is done less often."""
IDLE = 16
"""What cannot do anything is asked for once in so many steps."""
ERASINGS = 3
"""The most users who are erased in one life, for the same reason."""
VERSIONS = 6
"""The most versions of an event in one life, for the same reason."""


ROWS = 12
"""An event that ends early has at least so many rows."""


class SystemMachine(SystemLife):
    """A system's life: contributions, operators, players, edits, time, restarts."""

    @initialize(rules=limits, outlier_rule=outliers, ending=endings)
    def begin(self, rules: Limits, outlier_rule: OutlierRule | None, ending: Ending | None) -> None:
        """Publish an event."""
        self.clock = ManualClock(STARTS_AT + timedelta(hours=1))
        self.opener = self._stack.enter_context(self.database())
        self.system = self.reopen(self.opener(self.clock))
        self._publish(the_event(rules, outlier_rule, ending))

    # Contributing.

    @rule(batch=st.lists(offers, max_size=6), is_safe=st.booleans())
    def contribute(self, batch: Sequence[Offer], is_safe: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        """A batch is answered as the model answers it, one by one."""
        if self.is_buffered:
            batch = [one if one.goal_id == "volume" else one._replace(display_name=None) for one in batch]
            # Redis that was emptied may count these for a moment, until the ledger has them taken back.
            batch = [one for one in batch if StoreModel.key(_item(one)) not in self.unsure]
        self.is_sound = False
        ack = Ack.LEDGER if is_safe else None
        told = [word(one) for one in self.run_to_end(self.system.engine.contribute_many(batch, ack=ack))]
        assert [self.model.contribute(_item(one), self.clock.now()) for one in batch] == told
        self.model.came(self.clock.now())
        if is_safe or not self.is_buffered:
            self._carried()
        self._did("contribute", *told)

    @rule(offer=offers)
    def contribute_one(self, offer: Offer) -> None:
        """A single one is answered as the model answers it."""
        self.contribute([offer], is_safe=False)

    @rule(offer=offers, times=st.integers(2, 3))
    def repeat(self, offer: Offer, times: int) -> None:
        """The same contribution several times in one batch, beside one with another amount."""
        self.contribute([offer] * times + [offer._replace(amount=53), offer], is_safe=False)

    @rule(user=users, goal=goals, amounts=st.lists(st.sampled_from([10, 25, 50]), min_size=1, max_size=4))
    def fill(self, user: str, goal: str, amounts: Sequence[int]) -> None:
        """One user's new contributions in one batch, up to the limits and over them."""
        first = len(self.model.rows)
        self.contribute(
            [Offer(goal, user, amount, f"{first}-{index}") for index, amount in enumerate(amounts)], is_safe=False
        )

    @precondition(lambda self: self.is_buffered)
    @rule()
    def carry(self) -> None:
        """What waits goes to the ledger."""
        self._carried()
        self._did("carry")

    # Operators.

    @rule(who=people, goal=goals, row=st.sampled_from("abcdef"), amount=st.sampled_from([-60, -25, -1, 1, 25, 60]))
    def correct(self, who: int, goal: str, row: str, amount: int) -> None:
        """An operator adds to what a user has, or takes from it; more than is there is refused."""
        user = self._person(who)
        verb = self.system.moderation.correct(goal, user, amount, correction_id=row, by=BY)
        self._moved(verb, (goal, user, movements.correction(row)), amount, "corrected")

    @precondition(lambda self: self.model.told())
    @rule(place=places)
    def withhold(self, place: int) -> None:
        """What has counted is held after all, if the ledger has it and the user still has so much."""
        rows = self.model.told()
        goal, user, row = key = rows[-1 - place % len(rows)]
        amount, status = self.model.rows[key]
        verb = self.system.moderation.withhold(goal, user, row, by=BY)
        if status == "counted" and self.model.in_ledger(key):
            self._moved(verb, (goal, user, movements.withholding(row)), amount, "withheld")
        else:
            assert self._told(verb) == "body_invalid"
            self._did("withheld", "body_invalid")

    @precondition(lambda self: self.holds)
    @rule(place=places, release=st.booleans())
    def decide(self, place: int, release: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        """What is held is released or rejected: once, whatever is tried after that."""
        key, hold_id = list(self.holds.items())[-1 - place % len(self.holds)]
        moderation = self.system.moderation
        verb = moderation.release(hold_id, by=BY) if release else moderation.reject(hold_id, by=BY)
        status = "released" if release else "rejected"
        self._moved(verb, decision(key), self.model.rows[key][0], status)

    def _moved(self, verb: Awaitable[Moved], key: Key, amount: int, status: str) -> None:
        told = self._told(verb)
        expected = self.model.move(*key[:2], [(key[2], amount, status)], self.clock.now())
        if status in ("released", "rejected") and expected == "contribution_conflict":
            expected = "hold_decided"
        assert told == expected
        if told == "moved":
            self._carried()
        self._did(status, told)

    @rule(who=people, ends=st.sampled_from([True, True, False]))
    def ban(self, who: int, ends: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        """A user is banned, or taken again with all that the ban took; what is so already stays so."""
        moderation, model, user = self.system.moderation, self.model, self._person(who)
        if ends and user in model.banned:
            # The ledger is asked what the ban took: what waits goes there with that, or a moment before.
            self._carried()
        assert self._told(moderation.unban(user, by=BY) if ends else moderation.ban(user, by=BY)) == "done"
        if (user in model.banned) is ends:
            # Each ban has a name of its own among the rows; where nothing moves any more there is none.
            number = self.bans[user] if ends else len(model.rows)
            for goal in () if self._is_over() else GOALS:
                (model.unban if ends else model.ban)(goal, user, number)
            self.bans[user] = number
            (model.banned.discard if ends else model.banned.add)(user)
        if ends:
            model.barred.discard(user)
        self._carried()
        self._did("unban" if ends else "ban")

    @rule(who=people, hide=st.booleans())
    def hide(self, who: int, hide: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        """A user is left out of boards, or shown again."""
        moderation, user = self.system.moderation, self._person(who)
        assert self._told(moderation.hide(user, by=BY) if hide else moderation.unhide(user, by=BY)) == "done"
        (self.model.hidden.add if hide else self.model.hidden.discard)(user)
        self._did("hide")

    @precondition(lambda self: len(self.model.tombstones) < ERASINGS and self.since_start % 4 == 0)
    @rule(user=users)
    def erase(self, user: str) -> None:
        """A user is erased: a tombstone has all of it, to the last row, and the ledger names nobody any more."""
        self.is_sound = False
        told = self.run_to_end(self.system.moderation.erase(user, by=BY))
        self._carried()
        words = ["erased" if told.is_known else "unknown user", *["ranked"] * (user in self.model.ranked())]
        if told.tombstone is None:
            assert not self.model.has(user)
        else:
            self._erased(user, told.tombstone)
        named = list(self.system.naming(user))
        assert named == [], named
        self._did("erase", *words)

    @precondition(lambda self: self.model.ranked() and self.since_start % 4 == 0)
    @rule(place=places)
    def erase_ranked(self, place: int) -> None:
        """Who has a place in a settled goal is erased: a tombstone has the place."""
        ranked = self.model.ranked()
        self.erase(ranked[place % len(ranked)])

    def _erased(self, user: str, tombstone: str) -> None:
        model = self.model
        found = self.run_to_end(self.system.moderation.rows(tombstone))
        for goal in GOALS:
            kept = [row for key, row in model.rows.items() if key[:2] == (goal, user)]
            assert kept == [(one.amount, one.status.value) for one in found if one.goal_id == goal]
        model.erase(
            user, tombstone, {goal: [one.contribution_id for one in found if one.goal_id == goal] for goal in GOALS}
        )
        self.holds = {model.erased.get(key, key): number for key, number in self.holds.items()}
        self.numbers = {model.renamed(one, user, tombstone): number for one, number in self.numbers.items()}
        if user in self.bans:
            self.bans[tombstone] = self.bans.pop(user)

    @precondition(lambda self: self.model.tombstones and self.since_start % IDLE == 0)
    @rule(place=places)
    def erase_again(self, place: int) -> None:
        """A tombstone is nobody, and cannot be erased."""
        tombstones = self.model.tombstones
        verb = self.system.moderation.erase(tombstones[place % len(tombstones)], by=BY)
        assert self._told(verb) == "id_invalid"
        self._did("erase_again")

    # Rewards.

    @precondition(lambda self: self.model.grants)
    @rule(place=places, what=st.sampled_from(["claim", "claim", "claim", "claim", "deliver", "revoke", "give"]))
    def ask_again(self, place: int, what: str) -> None:
        """A player claims what is there, once or again; or the host delivers it, or support takes it back."""
        granted = list(self.model.grants)
        self._did(what, self._asked(what, granted[-1 - place % len(granted)]))

    @precondition(lambda self: self.model.grants and self.since_start % 8 == 0)
    @rule()
    def rush(self) -> None:
        """Everybody claims everything, the last who was granted something first."""
        self._did("rush", *[self._asked("claim", grant_id) for grant_id in reversed(list(self.model.grants))])

    @precondition(lambda self: self.model.holders() and self.since_start % 4 == 0)
    @rule(place=places)
    def hand_on(self, place: int) -> None:
        """Who has one of a stock loses it, those who wait for one ask again, and support gives it back."""
        holders = self.model.holders()
        lost = holders[place % len(holders)]
        asked = ["revoke", *["claim"] * len(self.model.waiting()), "give", "claim"]
        grants = [lost, *self.model.waiting(), lost, lost]
        self._did("hand_on", *[self._asked(what, grant_id) for what, grant_id in zip(asked, grants, strict=True)])

    @rule(
        reward=rewards,
        who=st.sampled_from([None, *range(12)]),
        what=st.sampled_from(["give", "give", "give", "revoke", "deliver", "claim"]),
    )
    def ask(self, reward: str, who: int | None, what: str) -> None:
        """Support grants or takes back, the host delivers, somebody claims: what may be there or not."""
        self._did(what, self._asked(what, reward if who is None else f"{reward}~{self._person(who)}"))

    def _asked(self, what: str, grant_id: str) -> str:
        rewards, model, now = self.system.rewards, self.model, self.clock.now()
        by = {"author": BY.author, "reason": BY.reason}
        match what:
            case "claim":
                verb, expected = rewards.claim(grant_id), model.claim(grant_id)
            case "give":
                verb, expected = rewards.give(grant_id, **by), model.give(grant_id, now)
            case "revoke":
                verb, expected = rewards.revoke(grant_id, **by), model.revoke(grant_id)
            case _:
                verb, expected = rewards.deliver(grant_id), model.deliver(grant_id)
        told = self._told(verb)
        assert told == expected
        return told

    @rule()
    def work(self) -> None:
        """What the background does: jobs are worked off, and what is due is claimed."""
        self._work()
        self._did("work")

    # Edits, time, restarts.

    @precondition(lambda self: self.model.versions < VERSIONS)
    @rule(percent=st.integers(40, 110), minimum=st.sampled_from([0, 20, 30, 60]), outlier_rule=outliers)
    def edit(self, percent: int, minimum: int, outlier_rule: OutlierRule | None) -> None:
        """An edit lowers a target, and its tiers with it; it asks for more or less, holds outliers or does not."""
        first, *others = self.event.goals
        changed = with_target(first, max(4, first.target * percent // 100))
        tiers = [replace(one, minimum=minimum) if one.threshold == Decimal(50) else one for one in changed.tiers]
        changed = replace(changed, tiers=tuple(tiers), outliers=outlier_rule)
        event = replace(self.event, goals=(changed, *others))
        self.is_sound = False
        is_other = (changed.target, changed.tiers) != (first.target, first.tiers)
        if changed.target > first.target or (self._is_over() and is_other):
            assert self._told(self.system.engine.publish(event, author="test")) == "event_invalid"
        else:
            self._publish(event)
            if changed.outliers is not None and first.outliers is None:
                # The goal is built again where it is in front of the ledger.
                self.unsure = set(self.model.erased)
        self._did("edit")

    @rule(by=st.sampled_from([timedelta(milliseconds=1), timedelta(hours=5), DAY]))
    def wait(self, by: timedelta) -> None:
        """Time passes."""
        self.clock.move(by)
        self._did("wait")

    @precondition(lambda self: self._is_unsettled() or self.since_start % IDLE == 0)
    @rule()
    def settle(self) -> None:
        """What is over is settled, if the grace is over: once, and from then on nothing changes but names."""
        self._did("settle", *self._settle())

    @precondition(lambda self: len(self.model.rows) >= ROWS and len(self.model.ends) < len(GOALS))
    @rule()
    def finish(self) -> None:
        """The event is over and settled, and life goes on."""
        self.clock.move(self._left())
        self._did("finish", *self._settle())

    @precondition(lambda self: self.since_start >= BETWEEN)
    @rule()
    def restart(self) -> None:
        """The system is closed, and another one is opened over the same ledger."""
        self._restart()
        self._did("restart")

    @precondition(lambda self: self.is_buffered and self.since_start % 4 == 0)
    @rule()
    def lose(self) -> None:
        """The store's server loses its memory, and with it what was not in the ledger yet."""
        assert self.system.lose is not None
        self.is_sound = False
        self.run_to_end(self.system.lose())
        self.model.forget()
        self.unsure = set(self.model.erased)
        self._carried()
        self._did("lose")


def _item(offer: Offer) -> GoalContribution:
    return GoalContribution(
        offer.goal_id, offer.user_id, offer.contribution_id, int(offer.amount), offer.occurred_at, offer.display_name
    )
