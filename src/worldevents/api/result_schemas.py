"""The documents of results, as OpenAPI describes them. `codec` and `documents.results` write them; a test compares."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from worldevents.api.schemas import Amount, Contributor, Document


class ReachedTier(Document):
    """A tier of the goal that was unlocked."""

    threshold: float = Field(description="Percent of the target.", examples=[25])
    unlocked_at: datetime


class GoalResult(Document):
    """What a settled goal came to; it never changes."""

    goal_id: str = Field(examples=["lift-the-frost"])
    event_id: str = Field(examples=["winter-2026"])
    name: str = Field(examples=["Lift the Frost"])
    metric: str = Field(examples=["totalVolume"])
    unit: str = Field(examples=["kg"])
    outcome: Literal["met", "near_missed", "missed"]
    target_value: Amount = Field(examples=[10_000_000])
    current_value: Amount = Field(examples=[9_400_000.5])
    pending_value: Amount = Field(description="Held amounts that nobody had decided about.", examples=[0])
    late_value: Amount = Field(description="What came after the grace, up to settling.", examples=[120])
    percent: float = Field(examples=[94])
    participant_count: int = Field(examples=[15_760])
    completed_at: datetime | None = Field(description="When the target was first reached.")
    tiers_unlocked: list[ReachedTier]
    consoled: bool = Field(description="Whether the goal's consolation was given.")
    settled_at: datetime


class FinalRow(Contributor):
    """A row of the final board."""

    place: int = Field(description="1, 2, 3, ... down the board, without ties.", examples=[1])


class SettledGoal(GoalResult):
    """What a settled goal came to, and a page of its final board."""

    contributors: list[FinalRow]
    next: int | None = Field(description="What the next page is asked for `after`; null at the end.")
    user: FinalRow | None = Field(description="The row of the user who was asked for, if there is one.")


class SettledEvent(Document):
    """An event whose grace is over, or not."""

    event_id: str = Field(examples=["winter-2026"])
    settled: bool = Field(description="Whether all its goals are settled.")
    goals: list[GoalResult]
    waiting: list[str] = Field(description="Goals that are not settled.", examples=[[]])
