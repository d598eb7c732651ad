"""The page that players see, as HTML from documents: pure, complete without script, and kept live by the elements.

It reads nothing and knows no request: whoever has the documents gives them. Its words and numbers are those of the
elements in English, so that nothing jumps when they take over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from functools import cache
from typing import Final

from jinja2 import Environment

from worldevents.api.html import templates
from worldevents.codec import Json

_RUNNING: Final = frozenset({"active", "grace"})
_OVER: Final = frozenset({"settled", "cancelled"})
_SINGULAR: Final = {"workouts": "workout", "bosses": "boss", "records": "record"}
_SPANS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class PageGoal:
    """A goal as the page shows it: the documents of its progress and of its leaderboard's first ten rows."""

    progress: Json
    leaderboard: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class PageEvent:
    """An event's document and the goals that players are shown of it."""

    event: Json
    goals: tuple[PageGoal, ...]


def render(*, events: Sequence[PageEvent], user: str | None = None, key: str | None = None, root: str = "") -> str:
    """The whole page. `user` is the player it is seen as, `key` the public key with which the elements read.

    `root` is the path below which a host has mounted this.
    """
    running = any(one.event["status"] in _RUNNING for one in events)
    title = events[0].event["name"] if len(events) == 1 else "World Events"
    page = _environment().get_template("page.html")
    return page.render(title=title, events=events, running=running, user=user, key=key, root=root)


def render_locked(*, root: str = "") -> str:
    """What is shown to whoever comes without the key that this server asks for."""
    return _environment().get_template("locked.html").render(root=root)


@cache
def _environment() -> Environment:
    environment = templates(
        number=_number, whole=_whole, amount=_amount, percent=_percent, day=_day, time=_time, reward=_reward
    )
    environment.globals.update(time_left=_time_left, pace=_pace, is_own=_is_own)
    return environment


def _number(value: float) -> str:
    """With thousands marked and no more decimals than there are."""
    return f"{Decimal(str(value)):,f}"


def _whole(value: float) -> str:
    """Rounded down: nothing shown is more than there is."""
    return f"{Decimal(str(value)).to_integral_value(ROUND_FLOOR):,f}"


def _amount(value: float, unit: str) -> str:
    return f"{_number(value)} {_SINGULAR.get(unit, unit) if value == 1 else unit}"


def _percent(value: float) -> str:
    return f"{_number(value)}%"


def _day(instant: str) -> str:
    moment = datetime.fromisoformat(instant)
    return f"{moment.day} {moment:%B %Y}"


def _time(instant: str) -> str:
    return f"{datetime.fromisoformat(instant):%H:%M} UTC"


def _reward(reward: Json) -> str:
    """A reward in words: its name, and what its kind says beside it."""
    words = [str(reward["amount"])] if "amount" in reward else []
    words.append(reward["name"])
    if reward.get("quantity", 1) > 1:
        words.append(f"×{reward['quantity']}")  # noqa: RUF001 - "times"
    if "multiplier" in reward:
        words.append(f"×{reward['multiplier']}")  # noqa: RUF001 - "times"
    if "minutes" in reward:
        words.append(f"{reward['minutes']} min")
    if "pieces" in reward:
        words.append(f"({', '.join(reward['pieces'])})")
    return " ".join(words)


def _is_own(tier: Json, progress: Json) -> bool:
    """Whether the user whose progress this is has a share in a tier's reward."""
    own = progress["userContribution"]
    return bool(tier["audience"] == "everyone" or (own > 0 and own >= tier["minimum"]))


def _moments(goal: Json) -> tuple[datetime, datetime, datetime]:
    """When a goal's document was made, the goal's start and its end."""
    now, starts, ends = (datetime.fromisoformat(goal[name]) for name in ("serverTime", "startsAt", "endsAt"))
    return now, starts, ends


def _time_left(goal: Json) -> str:
    """How far it is to a goal's start or end, from the moment its document was made."""
    now, starts, ends = _moments(goal)
    if goal["status"] in _OVER:
        return "Ended"
    if now < starts:
        return f"Starts in {_span(starts - now)}"
    return f"{_span(ends - now)} left" if now < ends else "Ended, late entries still count"


def _pace(goal: Json) -> str:
    """Where a goal gets to, going on as it went so far."""
    now, starts, ends = _moments(goal)
    value, target = goal["currentValue"], goal["targetValue"]
    if not (goal["status"] == "active" and now > starts and 0 < value < target):
        return ""
    share = (now - starts) / (ends - starts)
    reached = value / share
    if reached > target:
        day = starts + (now - starts) * (target / value)
        return f"On track for {day:%b} {day.day}"
    return f"{_whole(reached / target * 100)}% by the end at this pace"


def _span(span: timedelta) -> str:
    """Its two largest parts."""
    rest = int(span.total_seconds())
    first = next((at for at, (_, size) in enumerate(_SPANS) if rest >= size), len(_SPANS) - 1)
    words = []
    for name, size in _SPANS[first : first + 2]:
        count, rest = divmod(rest, size)
        words.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " ".join(words)
