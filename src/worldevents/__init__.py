"""Real-time community goals for games and fitness apps: every contribution counts exactly once.

Names are loaded when they are first used, so that `worldevents --help` does not wait for a database driver.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worldevents.actions import Activity, Boss, Challenge, Unit, Workout, WorkoutSet
    from worldevents.catalog import load_event, with_window
    from worldevents.engine import Engine, Offer, Published, Recorded, Refused
    from worldevents.errors import WorldEventsError
    from worldevents.grants import RewardGrant
    from worldevents.model import (
        CommunityGoal,
        ContributionStatus,
        Contributor,
        GoalProgress,
        GoalState,
        GoalStatus,
        GoalTier,
        GoalUpdate,
        Leaderboard,
        Metric,
        PersonalChallenge,
        Position,
        Receipt,
        Reward,
        SeasonalEvent,
        TierUnlock,
    )
    from worldevents.moderation import Moderation
    from worldevents.movements import By
    from worldevents.results import FinalBoard, FinalRow, GoalResult, Outcome
    from worldevents.rewards import Rewards
    from worldevents.runtime import Runtime, open_runtime
    from worldevents.settings import Settings
    from worldevents.settling import Settling
    from worldevents.standing import ExplainedStanding, Lack

__version__ = "0.1.0"

_HOMES = {
    "actions": ("Activity", "Boss", "Challenge", "Unit", "Workout", "WorkoutSet"),
    "catalog": ("load_event", "with_window"),
    "engine": ("Engine", "Offer", "Published", "Recorded", "Refused"),
    "errors": ("WorldEventsError",),
    "grants": ("RewardGrant",),
    "model": (
        "CommunityGoal",
        "ContributionStatus",
        "Contributor",
        "GoalProgress",
        "GoalState",
        "GoalStatus",
        "GoalTier",
        "GoalUpdate",
        "Leaderboard",
        "Metric",
        "PersonalChallenge",
        "Position",
        "Receipt",
        "Reward",
        "SeasonalEvent",
        "TierUnlock",
    ),
    "moderation": ("Moderation",),
    "movements": ("By",),
    "results": ("FinalBoard", "FinalRow", "GoalResult", "Outcome"),
    "rewards": ("Rewards",),
    "runtime": ("Runtime", "open_runtime"),
    "settings": ("Settings",),
    "settling": ("Settling",),
    "standing": ("ExplainedStanding", "Lack"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    # Opening the system
    "Runtime",
    "Settings",
    "open_runtime",
    # Its verbs
    "By",
    "Engine",
    "Moderation",
    "Offer",
    "Published",
    "Recorded",
    "Refused",
    "Rewards",
    "Settling",
    # What is declared
    "CommunityGoal",
    "GoalTier",
    "Metric",
    "PersonalChallenge",
    "Reward",
    "SeasonalEvent",
    "load_event",
    "with_window",
    # What happens
    "Activity",
    "Boss",
    "Challenge",
    "ContributionStatus",
    "Position",
    "Receipt",
    "RewardGrant",
    "TierUnlock",
    "Unit",
    "Workout",
    "WorkoutSet",
    # What is told
    "Contributor",
    "ExplainedStanding",
    "FinalBoard",
    "FinalRow",
    "GoalProgress",
    "GoalResult",
    "GoalState",
    "GoalStatus",
    "GoalUpdate",
    "Lack",
    "Leaderboard",
    "Outcome",
    # What goes wrong
    "WorldEventsError",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'worldevents' has no attribute {name!r}")
    return getattr(import_module(f"worldevents.{_HOME_OF[name]}"), name)
