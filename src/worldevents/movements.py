"""Movements: what an operator changes of what a user has, kept as rows like contributions. Pure words and decisions.

A row moves two sums of its user and goal, what counts and what is held; its status says which way. Amounts of movements
may be negative. Their ids have a `#` in them, which no caller's id can have (`rules.check_id`), and say what was moved:
so each of them happens once, however often it is repeated. No time is read here and nothing is remembered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from worldevents.errors import BelowZero, GoalNotOpen, LimitExceeded
from worldevents.model import CommunityGoal, ContributionStatus, GoalContribution, Position
from worldevents.rules import TOTAL_BOUND

EFFECTS: Final[Mapping[ContributionStatus, tuple[int, int]]] = {
    ContributionStatus.COUNTED: (1, 0),
    ContributionStatus.HELD: (0, 1),
    ContributionStatus.LATE: (0, 0),
    ContributionStatus.CORRECTED: (1, 0),
    ContributionStatus.RELEASED: (1, -1),
    ContributionStatus.REJECTED: (0, -1),
    ContributionStatus.WITHHELD: (-1, 1),
    ContributionStatus.ERASED: (0, 0),
}
"""How many times its amount a row of each status adds to what counts, and to what is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who changes something, and why."""

    author: str
    reason: str


class Movement(NamedTuple):
    """A change of what one user has in a goal, as a row has it: its id and amount, and what it does."""

    contribution: GoalContribution
    """Its amount may be negative."""
    status: ContributionStatus


class Ban(NamedTuple):
    """A user who takes no part: what the user had was moved out, and nothing more is taken."""

    user_id: str
    number: int
    """Which ban it is, of all that there ever were."""
    at: datetime
    reason: str
    author: str


class Erasure(NamedTuple):
    """A user who is being erased: the tombstone takes the user's place in everything."""

    number: int
    user_id: str
    tombstone: str


class Hold(NamedTuple):
    """A held amount that nobody has released or rejected yet."""

    id: int
    """The place of its row in the ledger."""
    goal_id: str
    user_id: str
    contribution_id: str
    amount: int
    occurred_at: datetime
    received_at: datetime
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What an operator did or set out to do: written before it is done, so that nothing is done without it."""

    at: datetime
    author: str
    action: str
    subject: str
    reason: str
    detail: Mapping[str, object]
    """What it is about, and the figures before and after, as JSON."""
    number: int = 0
    """Its place in the order of all notes; 0 before it is kept."""


def effect(status: ContributionStatus, amount: int) -> tuple[int, int]:
    """What a row of this status and amount adds to what counts and to what is held."""
    counted, held = EFFECTS[status]
    return counted * amount, held * amount


def sums(movements: Iterable[Movement]) -> tuple[int, int]:
    """What movements together add to what counts and to what is held."""
    effects = [effect(one.status, one.contribution.amount) for one in movements]
    return sum(counted for counted, _ in effects), sum(held for _, held in effects)


def judge(
    goal: CommunityGoal,
    movements: Sequence[Movement],
    *,
    now: datetime,
    user: tuple[int, int],
    goal_sums: tuple[int, int],
) -> None:
    """Whether one user's movements may be done, all of them; `user` and `goal_sums` are what counts and what is held.

    Raises GoalNotOpen after the grace, BelowZero, and LimitExceeded where the goal cannot hold so much.
    """
    if now - goal.ends_at >= goal.grace:
        raise GoalNotOpen(f"{goal.id} is settled: nothing moves any more")
    counted, held = sums(movements)
    if user[0] + counted < 0 or user[1] + held < 0:
        raise BelowZero(field="amount")
    if counted + held > 0 and sum(goal_sums) + counted + held >= TOTAL_BOUND:
        raise LimitExceeded("the goal cannot hold so much", field="amount")


# Ids.


def erasing(goal_id: str, erasure: Erasure) -> Movement:
    """The row that says where, in the order of a goal, a user was erased: what is before it is the tombstone's."""
    row = GoalContribution(goal_id, erasure.tombstone, f"erase#{erasure.number}", 0)
    return Movement(row, ContributionStatus.ERASED)


def tombstone(letters: str) -> str:
    """What stands for an erased user: the letters are 16 of 0-9 and a-f, at random, and say nothing about the user."""
    return f"erased#{letters}"


def unnamed(text: str, erasure: Erasure) -> str:
    """A text that somebody wrote, with the tombstone where the user's id is a word of it; dots and dashes end one."""
    return re.sub(rf"(?<![A-Za-z0-9_]){re.escape(erasure.user_id)}(?![A-Za-z0-9_])", erasure.tombstone, text)


def nameless(row_id: str, token: Callable[[str], str]) -> str:
    """The id of a row without the id that a caller chose: `token` gives what stands for that."""
    if row_id.startswith(("ban#", "unban#", "erase#")):
        return row_id
    head, mark, chosen = row_id.rpartition("#")
    return f"{head}{mark}{token(chosen)}"


DECISION: Final = "hold#"
"""How the id of a row begins that decides about what is held."""


def correction(correction_id: str) -> str:
    """The id of a correction's row."""
    return f"correct#{correction_id}"


def decision(held_id: str) -> str:
    """The id of the row that releases or rejects what is held under an id: there is one of them, whichever it is."""
    return f"{DECISION}{held_id}"


def withholding(contribution_id: str) -> str:
    """The id of the row that holds what had counted under an id."""
    return f"withhold#{contribution_id}"


def moved_out(goal_id: str, user_id: str, number: int, *, counted: int, held: int) -> list[Movement]:
    """What a ban moves out of a goal, where its user has this."""
    return _by_ban(goal_id, user_id, f"ban#{number}", -counted, held)


def moved_back(goal_id: str, user_id: str, number: int, *, counted: int, held: int) -> list[Movement]:
    """What moves the same in again."""
    return _by_ban(goal_id, user_id, f"unban#{number}", counted, -held)


def _by_ban(goal_id: str, user_id: str, row_id: str, corrected: int, rejected: int) -> list[Movement]:
    both = [
        Movement(GoalContribution(goal_id, user_id, row_id, corrected), ContributionStatus.CORRECTED),
        Movement(GoalContribution(goal_id, user_id, f"{row_id}#held", rejected), ContributionStatus.REJECTED),
    ]
    return [one for one in both if one.contribution.amount]
