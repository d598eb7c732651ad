"""Laws 1 to 4 of the ledger: what is kept, once, whole, and in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import pytest

from worldevents.errors import LimitExceeded, UnknownGoal
from worldevents.ledger.base import Decide, Entry, GoalTotals, Ledger, Row, UserTotals
from worldevents.model import ContributionStatus
from worldevents.testing.builders import DURING, STARTS_AT, a_contribution
from worldevents.testing.opened import LedgerOpener, ledger_state

COUNTED, HELD, LATE = ContributionStatus.COUNTED, ContributionStatus.HELD, ContributionStatus.LATE


def keep(*statuses: ContributionStatus | None, at: datetime = DURING, occurred: datetime = DURING) -> Decide:
    """Keep a batch under these statuses, item by item (None: not at all); without any, count all of it."""

    def decide(rows: Sequence[Row | None]) -> Sequence[Entry | None]:
        chosen = statuses or (COUNTED,) * len(rows)
        return [
            None if row is not None or status is None else Entry(status, occurred, at)
            for row, status in zip(rows, chosen, strict=True)
        ]

    return decide


class CountingLaws:
    """Laws 1 to 4; `LedgerLaws` adds the fixtures."""

    async def test_law_1_a_repeat_is_told_the_first_row(self, ledger: Ledger) -> None:
        """Law 1: the same id again keeps nothing and is told what is held."""
        first = await ledger.append([a_contribution("c1", 10)], keep())
        before = await ledger_state(ledger)
        again = await ledger.append([a_contribution("c1", 10)], keep())
        assert list(again.rows) == list(first.rows)
        assert await ledger_state(ledger) == before

    async def test_law_1_another_amount_does_not_replace_the_first(self, ledger: Ledger) -> None:
        """Law 1: the same id with another amount finds the first one's row."""
        await ledger.append([a_contribution("c1", 10)], keep())
        before = await ledger_state(ledger)
        again = await ledger.append([a_contribution("c1", 99)], keep())
        assert [row and row.amount for row in again.rows] == [10]
        assert await ledger_state(ledger) == before

    async def test_law_1_for_ever(self, open_ledger: LedgerOpener, ledger: Ledger) -> None:
        """Law 1: an id is still known after the ledger was opened again."""
        first = await ledger.append([a_contribution("c1", 10)], keep())
        async with open_ledger() as reopened:
            again = await reopened.append([a_contribution("c1", 10)], keep())
            assert list(again.rows) == list(first.rows)
            assert (await reopened.totals())["volume"].total == 10

    async def test_law_1_an_id_belongs_to_a_goal_and_a_user(self, ledger: Ledger) -> None:
        """Law 1: nobody can use up another user's id, nor one of another goal."""
        batch = [
            a_contribution("c1", 10, user="ann"),
            a_contribution("c1", 20, user="bob"),
            a_contribution("c1", 30, user="ann", goal="workouts"),
        ]
        kept = await ledger.append(batch, keep())
        assert [row and row.amount for row in kept.rows] == [10, 20, 30]
        assert {goal: one.total for goal, one in (await ledger.totals()).items()} == {"volume": 30, "workouts": 30}

    async def test_law_1_ids_that_only_look_alike_are_two(self, ledger: Ledger) -> None:
        """Law 1: where one word of a key ends and the next begins makes a difference."""
        kept = await ledger.append([a_contribution("bc", user="a"), a_contribution("c", user="ab")], keep())
        assert len({row.position for row in kept.rows if row}) == 2

    async def test_law_1_what_was_not_kept_may_still_be(self, ledger: Ledger) -> None:
        """Law 1: an id that was refused is free."""
        refused = await ledger.append([a_contribution("c1", 10)], keep(None))
        assert list(refused.rows) == [None]
        kept = await ledger.append([a_contribution("c1", 7)], keep())
        assert [row and row.amount for row in kept.rows] == [7]

    async def test_law_1_repeats_in_one_batch_keep_the_first(self, ledger: Ledger) -> None:
        """Law 1: of one id three times in a batch the first that may be kept is kept, and all are told of it."""
        batch = [a_contribution("c1", amount) for amount in (5, 6, 7)]
        appended = await ledger.append(batch, keep(None, COUNTED, COUNTED))
        assert [row and row.amount for row in appended.rows] == [6, 6, 6]
        assert appended.totals["volume"].total == 6
        assert all(one.agrees for one in await ledger.audit())

    async def test_law_1_concurrent_appends_keep_one(self, ledger: Ledger) -> None:
        """Law 1: of many appends of one id at the same time one is kept, and all are told of it."""
        appended = await asyncio.gather(*(ledger.append([a_contribution("c1", 10)], keep()) for _ in range(20)))
        assert len({row for one in appended for row in one.rows}) == 1
        assert (await ledger.totals())["volume"].total == 10

    async def test_law_1_decide_is_told_what_is_held(self, ledger: Ledger) -> None:
        """Law 1: the decision is asked once, item by item in the batch's order, with the rows that are held."""
        first = await ledger.append([a_contribution("c2", 5)], keep(HELD))
        asked: list[Sequence[Row | None]] = []

        def decide(rows: Sequence[Row | None]) -> Sequence[Entry | None]:
            asked.append(list(rows))
            return keep()(rows)

        await ledger.append([a_contribution("c1"), a_contribution("c2", 5), a_contribution("c3")], decide)
        assert asked == [[None, first.rows[0], None]]

    async def test_law_2_sums_by_status(self, ledger: Ledger) -> None:
        """Law 2: counted rows make the total, held rows the pending, late rows neither."""
        batch = [a_contribution(f"c{amount}", amount) for amount in (1, 10, 100)]
        appended = await ledger.append(batch, keep(COUNTED, HELD, LATE))
        assert [row and row.status for row in appended.rows] == [COUNTED, HELD, LATE]
        assert appended.totals["volume"] == (await ledger.totals())["volume"]
        assert (appended.totals["volume"].total, appended.totals["volume"].pending) == (1, 10)
        assert await ledger.users("volume") == [UserTotals("ann", 1, 10)]

    async def test_law_2_what_came_late_is_a_users_own(self, ledger: Ledger) -> None:
        """Law 2: late rows are in no sum, and added up for the one user and goal they are of."""
        batch = [a_contribution("c1", 1), a_contribution("c2", 10), a_contribution("c3", 100)]
        await ledger.append([*batch, a_contribution("c1", 7, user="bob")], keep(COUNTED, LATE, LATE, LATE))
        await ledger.append([a_contribution("c1", 9, goal="workouts")], keep(LATE))
        assert [await ledger.late("volume", user) for user in ("ann", "bob", "cid")] == [110, 7, 0]
        assert await ledger.late("workouts", "ann") == 9

    async def test_law_2_shapes_count_what_counted(self, ledger: Ledger) -> None:
        """Law 2: how many counted amounts of each user are in each step, of all users or of these."""
        batch = [a_contribution(f"c{place}", amount) for place, amount in enumerate((8, 8, 9, 100, 200))]
        bob = a_contribution("c1", 1, user="bob")
        await ledger.append([*batch, bob], keep(COUNTED, COUNTED, COUNTED, HELD, LATE, COUNTED))
        await ledger.append([a_contribution("c1", 16, goal="workouts")], keep())
        assert await ledger.shapes("volume") == {"ann": {24: 2, 25: 1}, "bob": {0: 1}}
        assert await ledger.shapes("volume", ["bob", "cid"]) == {"bob": {0: 1}}
        assert await ledger.shapes("workouts") == {"ann": {32: 1}}

    async def test_law_2_users_add_up(self, ledger: Ledger) -> None:
        """Law 2: each user's sums are those of that user's rows, over several appends."""
        await ledger.append([a_contribution("c1", 1), a_contribution("c2", 2, user="bob")], keep())
        await ledger.append([a_contribution("c3", 4), a_contribution("c4", 8)], keep(COUNTED, HELD))
        assert await ledger.users("volume") == [UserTotals("ann", 5, 8), UserTotals("bob", 2, 0)]
        assert all(one.agrees for one in await ledger.audit())

    async def test_law_2_users_come_in_pages(self, ledger: Ledger) -> None:
        """Law 2: pages of users by id, none twice and none left out, and an empty page at the end."""
        await ledger.append([a_contribution("c1", 1, user=f"u{number}") for number in range(5)], keep())
        pages = [await ledger.users("volume", limit=2)]
        while pages[-1]:
            pages.append(await ledger.users("volume", after=pages[-1][-1].user_id, limit=2))
        names = [[user.user_id for user in page] for page in pages]
        assert names == [["u0", "u1"], ["u2", "u3"], ["u4"], []]

    async def test_law_2_the_audit_counts_the_rows(self, ledger: Ledger) -> None:
        """Law 2: the audit shows every goal's sums three times, and they agree."""
        await ledger.append([a_contribution("c1", 3), a_contribution("c2", 4)], keep(COUNTED, HELD))
        shown = {one.goal_id: (one.kept, one.rows, one.users) for one in await ledger.audit()}
        assert shown == {"volume": ((3, 4),) * 3, "workouts": ((0, 0),) * 3}

    async def test_law_2_days_are_utc_days_of_occurrence(self, ledger: Ledger) -> None:
        """Law 2: a user's day is that on which the counted amounts occurred, not that of their arrival."""
        midnight = STARTS_AT + timedelta(days=1)
        before = midnight - timedelta(microseconds=1)
        await ledger.append([a_contribution("c1", 1), a_contribution("c2", 2)], keep(occurred=before))
        await ledger.append([a_contribution("c3", 4), a_contribution("c4", 8)], keep(COUNTED, HELD, occurred=midnight))
        days = {("ann", date(2026, 12, 1)): 3, ("ann", date(2026, 12, 2)): 4}
        assert await ledger.user_day_totals("volume") == days

    async def test_law_3_an_unknown_goal_undoes_the_whole_append(self, ledger: Ledger) -> None:
        """Law 3: with one contribution to no goal, none of the batch is kept."""
        before = await ledger_state(ledger)
        with pytest.raises(UnknownGoal):
            await ledger.append([a_contribution("c1"), a_contribution("c2", goal="nowhere")], keep())
        assert await ledger_state(ledger) == before
        assert (await ledger.append([a_contribution("c1")], keep(None))).rows[0] is None

    async def test_law_3_a_decision_that_raises_keeps_nothing(self, ledger: Ledger) -> None:
        """Law 3: what `decide` raises comes out as it is, and nothing has changed."""

        def decide(_rows: Sequence[Row | None]) -> Sequence[Entry | None]:
            raise LimitExceeded

        before = await ledger_state(ledger)
        with pytest.raises(LimitExceeded):
            await ledger.append([a_contribution("c1", display_name="Ann")], decide)
        assert await ledger_state(ledger) == before

    async def test_law_3_nothing_kept_changes_nothing(self, ledger: Ledger) -> None:
        """Law 3: an append of which nothing is kept leaves no trace, not even a name."""
        before = await ledger_state(ledger)
        appended = await ledger.append([a_contribution("c1", display_name="Ann")], keep(None))
        assert (list(appended.rows), dict(appended.totals), list(appended.unlocks)) == ([None], {}, [])
        assert await ledger_state(ledger) == before

    async def test_law_3_an_answer_is_on_disk(self, open_ledger: LedgerOpener, ledger: Ledger) -> None:
        """Law 3: all that was answered is there when the ledger is opened again."""
        batch = [a_contribution("c1", 600, display_name="Ann"), a_contribution("c2", 9, user="bob")]
        await ledger.append(batch, keep(COUNTED, HELD))
        before = await ledger_state(ledger)
        async with open_ledger() as reopened:
            assert await ledger_state(reopened) == before

    async def test_law_3_a_long_batch_is_one_append(self, ledger: Ledger) -> None:
        """Law 3: more contributions than one statement takes are still all or nothing."""
        long = [a_contribution(f"c{number}", 1, user=f"u{number % 7}") for number in range(2_500)]
        with pytest.raises(UnknownGoal):
            await ledger.append([*long, a_contribution("c1", goal="nowhere")], keep())
        assert (await ledger.totals())["volume"].total == 0
        first = await ledger.append(long, keep())
        again = await ledger.append(long, keep())
        assert list(again.rows) == list(first.rows)
        assert (await ledger.totals())["volume"].total == 2_500

    async def test_law_4_positions_rise_in_the_batch_and_across_goals(self, ledger: Ledger) -> None:
        """Law 4: later in the batch is later in the ledger, whichever goal it is."""
        batch = [a_contribution(f"c{number}", goal=goal) for number in range(3) for goal in ("volume", "workouts")]
        first = await ledger.append(batch, keep())
        second = await ledger.append([a_contribution("c9")], keep())
        positions = [row.position for row in [*first.rows, *second.rows] if row]
        assert len(positions) == 7
        assert positions == sorted(set(positions))

    async def test_law_4_positions_go_on_after_a_restart(self, open_ledger: LedgerOpener, ledger: Ledger) -> None:
        """Law 4: a ledger that is opened again keeps its epoch and counts on."""
        epoch, (first,) = await ledger.epoch(), (await ledger.append([a_contribution("c1")], keep())).rows
        async with open_ledger() as reopened:
            (second,) = (await reopened.append([a_contribution("c2")], keep())).rows
            assert await reopened.epoch() == epoch
        assert first is not None
        assert second is not None
        assert second.position > first.position

    async def test_the_latest_display_name_stands(self, ledger: Ledger) -> None:
        """A user has the name that was given last, in a batch and after it; none where none was given."""
        await ledger.append([a_contribution("c1", display_name="A"), a_contribution("c2", display_name="Ann")], keep())
        await ledger.append([a_contribution("c3"), a_contribution("c4", user="bob")], keep())
        assert await ledger.display_names() == {"ann": "Ann"}
        await ledger.append([a_contribution("c5", display_name="Änn ✨")], keep())
        assert await ledger.display_names() == {"ann": "Änn ✨"}

    async def test_activity_may_be_told_again(self, ledger: Ledger) -> None:
        """The same user on the same day is no mistake, in one call or in two."""
        before = await ledger_state(ledger)
        for _ in range(2):
            await ledger.mark_active(
                [("ann", date(2026, 12, 1)), ("ann", date(2026, 12, 1)), ("bob", date(2026, 12, 2))]
            )
        await ledger.mark_active([])
        assert await ledger_state(ledger) == before

    async def test_a_goal_holds_as_much_as_it_may(self, ledger: Ledger) -> None:
        """Law 2: sums just below 2^53 are exact."""
        largest = 2**53 - 1
        await ledger.append([a_contribution("c1", largest - 2), a_contribution("c2", 2)], keep())
        assert (await ledger.totals())["volume"] == GoalTotals(largest, 0, (await ledger.totals())["volume"].seq)
        assert (await ledger.audit())[0].rows == (largest, 0)
