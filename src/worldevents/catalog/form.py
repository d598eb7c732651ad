"""The form of an event file: which fields there are, what each may hold. What they mean together is in `reading`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, ClassVar, Final, Literal, LiteralString, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from worldevents.model import Audience, Nature, OverLimit
from worldevents.prizes import ODDS, OPENED_MAX

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LINE_END = re.compile(r"[\t\n\u2028\u2029]")


def _clean(text: str) -> str:
    if _CONTROL.search(text):
        raise PydanticCustomError("control", "has control characters")
    return text


def _one_line(text: str) -> str:
    if _LINE_END.search(text):
        raise PydanticCustomError("one_line", "has to be one line")
    return text


def _number(value: object) -> int | Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite():
        raise PydanticCustomError("number", "has to be a number")
    return value


def _matching(pattern: str, words: LiteralString) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise PydanticCustomError("form", words)
        return text

    return AfterValidator(check)


Slug = Annotated[str, _matching(r"[a-z0-9-]{1,64}", "has to be 1 to 64 of a-z, 0-9 and -")]
MetricKey = Annotated[str, _matching(r"[A-Za-z][A-Za-z0-9]{0,63}", "has to be a letter and up to 63 letters or digits")]
Duration = Annotated[str, _matching(r"[0-9]{1,6}[mhd]", "has to be a whole number of minutes, hours or days, as 24h")]
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100, strip_whitespace=True),
    AfterValidator(_clean),
    AfterValidator(_one_line),
]
Odds = Annotated[Name, _matching(ODDS.pattern, "has to be a weight and a prize, as 70 Ice Shard")]
Text = Annotated[str, StringConstraints(max_length=2_000), AfterValidator(_clean)]
Number = Annotated[int | Decimal, PlainValidator(_number)]
"""An amount in a metric's unit; how many decimals it may have is the metric's to say."""
Whole = Annotated[int, Field(ge=1, le=2**53 - 1)]


class Form(BaseModel):
    """A table of the file: unknown fields and values of another type are complaints."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class MetricForm(Form):
    """A metric the spec does not know, or other limits for one that it does."""

    key: MetricKey
    unit: Name | None = None
    decimals: Annotated[int, Field(ge=0, le=6)] | None = None
    max_per_contribution: Number | None = None
    max_per_user_day: Number | None = None
    max_per_user: Number | None = None
    over_limit: Literal["hold", "refuse"] = OverLimit.HOLD.value


class GivingForm(Form):
    """What is given, and to whom."""

    reward: dict[str, object]
    audience: Literal["contributors", "everyone"] = Audience.CONTRIBUTORS.value
    minimum: Number | None = None
    claim_within: Duration | None = None


class TierForm(GivingForm):
    """A percentage of the target and what it unlocks."""

    threshold: Annotated[Number, Field(gt=0, le=10_000)]


class ConsolationForm(GivingForm):
    """What a goal that misses its target gives all the same; without a threshold, for a near miss."""

    threshold: Annotated[Number, Field(gt=0, lt=100)] | None = None


class OutlierForm(Form):
    """When an amount is so far out of line that it is held."""

    deviations: Annotated[int, Field(ge=1, le=100)] = 6
    own_least: Annotated[int, Field(ge=1, le=10_000)] = 5
    everyones_least: Annotated[int, Field(ge=1, le=1_000_000)] = 50


class GoalForm(Form):
    """A community goal."""

    id: Slug
    name: Name
    description: Text = ""
    metric: MetricKey
    target: Number
    hidden: bool = False
    target_may_rise: bool = False
    players_contribute: bool = False
    outliers: OutlierForm | None = None
    near_miss: Annotated[Number, Field(gt=0, lt=100)] = 90
    consolation: ConsolationForm | None = None
    tiers: Annotated[list[TierForm], Field(max_length=100)] = []


class ChallengeForm(Form):
    """A target for one user on a metric of this event."""

    id: Slug
    name: Name
    description: Text = ""
    metric: MetricKey
    target: Number
    reward: dict[str, object]
    claim_within: Duration | None = None


class WindowForm(Form):
    """The event itself: its name and its time."""

    id: Slug
    name: Name
    description: Text = ""
    starts_at: datetime
    ends_at: datetime
    grace: Duration = "24h"


class EventForm(Form):
    """A whole event file."""

    event: WindowForm
    metrics: Annotated[list[MetricForm], Field(max_length=100)] = []
    challenges: Annotated[list[ChallengeForm], Field(max_length=100)] = []
    goals: Annotated[list[GoalForm], Field(min_length=1, max_length=100)]


# Rewards: one form per kind. A host adds kinds by passing a longer table to `read_event`.


class RewardForm(Form):
    """Any reward; a kind's own fields are added by its form."""

    nature: ClassVar[Nature] = Nature.OWNERSHIP
    kind: str
    name: Name


class Crate(RewardForm):
    """A sealed box. With `odds` it is opened here, when it is claimed; `table` names odds that the host has."""

    nature: ClassVar[Nature] = Nature.QUANTITY
    quantity: Whole = 1
    table: Name | None = None
    odds: Annotated[list[Odds], Field(min_length=1, max_length=100)] | None = None

    @model_validator(mode="after")
    def _can_be_opened(self) -> Self:
        if self.odds is not None and self.quantity > OPENED_MAX:
            raise PydanticCustomError("opened", "with odds, at most 100 crates come in one reward")
        return self


class ItemSet(RewardForm):
    """Several pieces that belong together."""

    pieces: Annotated[list[Name], Field(max_length=100)] = []


class Boost(RewardForm):
    """More of something for a time, for one user or the whole world."""

    nature: ClassVar[Nature] = Nature.QUANTITY
    multiplier: Annotated[Number, Field(gt=1, le=1_000)]
    minutes: Whole
    scope: Literal["world", "personal"] = "personal"
    stacks: Literal["extend", "replace"] = "extend"


class Currency(RewardForm):
    """An amount of the currency that `name` names."""

    nature: ClassVar[Nature] = Nature.QUANTITY
    amount: Whole


class Mount(RewardForm):
    """A mount, limited where there is a stock."""

    stock: Whole | None = None


class Item(RewardForm):
    """So many of a thing."""

    nature: ClassVar[Nature] = Nature.QUANTITY
    quantity: Whole = 1


REWARD_KINDS: Final[Mapping[str, type[RewardForm]]] = MappingProxyType(
    {
        "crate": Crate,
        "title": RewardForm,
        "item_set": ItemSet,
        "boost": Boost,
        "cosmetic": RewardForm,
        "currency": Currency,
        "mount": Mount,
        "item": Item,
    }
)
