"""The documents of the API, as OpenAPI describes them. `codec` and `documents` write them; a test compares."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Amount = float
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:@-]{1,128}$")]
InAmount = Annotated[float, Field(gt=0)] | Annotated[str, Field(pattern=r"^[0-9]{1,64}(\.[0-9]{1,64})?$")]
Quantity = Annotated[float, Field(ge=0)] | Annotated[str, Field(pattern=r"^[0-9]{1,64}(\.[0-9]{1,64})?$")]
_GOAL = "lift-the-frost"


class Document(BaseModel):
    """JSON with camelCase names."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class Reward(Document):
    """A kind, a name, and the kind's own fields."""

    model_config = ConfigDict(extra="allow")
    kind: str = Field(examples=["crate"])
    name: str = Field(examples=["Snow Crate"])


class Promised(Document):
    """A percentage of the target, and what is given for it."""

    threshold: float = Field(description="Percent of the target.", examples=[25])
    threshold_value: Amount = Field(description="The total that it asks for, in the metric's unit.")
    reward: Reward
    audience: Literal["contributors", "everyone"]
    minimum: Amount = Field(description="The least own amount that qualifies; 0 asks for one counted contribution.")


class Tier(Promised):
    """A percentage of the target that unlocks a reward, once."""

    unlocked: bool
    unlocked_at: datetime | None


class CommunityGoal(Document):
    """A goal and all that it stands at."""

    id: str = Field(examples=[_GOAL])
    event_id: str = Field(examples=["winter-2026"])
    name: str = Field(examples=["Lift the Frost"])
    description: str
    metric: str = Field(examples=["totalVolume"])
    unit: str = Field(examples=["kg"])
    target_value: Amount = Field(examples=[10_000_000])
    current_value: Amount = Field(examples=[4_211_300.5])
    pending_value: Amount = Field(description="Held amounts, never part of the current value.", examples=[0])
    percent: float = Field(description="Floored to 2 decimals; goes on past 100.", examples=[42.11])
    reward_tiers: list[Tier]
    near_miss: float = Field(description="The percent from which missing the target is a near miss.", examples=[90])
    consolation: Promised | None = Field(description="What is given if the goal settles without its target.")
    starts_at: datetime
    ends_at: datetime
    status: Literal["upcoming", "active", "grace", "settled", "cancelled"]
    participant_count: int = Field(examples=[15_760])
    epoch: str = Field(description="`<generation>-<random>`; a higher generation is newer.")
    seq: int = Field(description="The version of this state: within one epoch a higher one is newer.")
    server_time: datetime


class Goals(Document):
    """Goals, by the start of their event and as declared."""

    goals: list[CommunityGoal]


class Progress(Document):
    """A goal and one user's share of it."""

    goal: CommunityGoal
    user_contribution: Amount = Field(examples=[1_250])
    user_pending: Amount = Field(description="What of this user's is held.", examples=[0])
    user_rank: int | None = Field(description="1 + the number of contributors with strictly more.", examples=[214])
    participant_count: int = Field(examples=[15_760])


class Contributor(Document):
    """A row of the ranking; equal amounts share a rank."""

    rank: int = Field(examples=[1])
    user_id: str = Field(examples=["ada"])
    display_name: str | None = Field(examples=["Ada"])
    amount: Amount = Field(examples=[102.5])


class Leaderboard(Document):
    """Rows of a goal's ranking."""

    contributors: list[Contributor]
    participant_count: int
    user: Contributor | None = Field(description="The row of the user who was asked for, if there is one.")


class ContributionInGoal(Document):
    """One user's amount, under an id that its caller chose and repeats on a retry."""

    contribution_id: Id = Field(
        description="Counts once for this goal and user, for ever. `Idempotency-Key` may stand for it.",
        examples=["workout-1:squat"],
    )
    user_id: Id = Field(examples=["ada"])
    amount: InAmount = Field(
        description="More than zero, in the metric's unit and with no more decimals than it has; a number or a text.",
        examples=[102.5],
    )
    occurred_at: datetime | None = Field(default=None, description="From trusted callers; else the arrival counts.")
    display_name: str | None = Field(default=None, min_length=1, max_length=64, examples=["Ada"])


class Contribution(ContributionInGoal):
    """One user's amount for one goal."""

    goal_id: str = Field(examples=[_GOAL])


class Contributions(Document):
    """A batch."""

    items: list[Contribution] = Field(min_length=1, max_length=1_000)


class Receipt(Document):
    """The answer to a contribution that was kept; on a repeat `status` is the stored one, the values are today's."""

    contribution_id: str
    goal_id: str = Field(examples=[_GOAL])
    user_id: str = Field(examples=["ada"])
    amount: Amount = Field(examples=[102.5])
    status: Literal["counted", "held", "late"]
    duplicate: bool
    current_value: Amount = Field(examples=[4_211_300.5])
    user_contribution: Amount = Field(examples=[1_250])
    position: str = Field(description="Place in the order of application: `<epoch>:<number>`.")


class Complaint(Document):
    """What is wrong with one place of an event file."""

    line: int | None
    field: str
    message: str


class Problem(Document):
    """What went wrong, as RFC 9457 has it."""

    type: str = Field(examples=["/docs#amount_invalid"])
    title: str = Field(examples=["Amount invalid"])
    status: int = Field(examples=[422])
    code: str = Field(description="Stable: decide by it.", examples=["amount_invalid"])
    detail: str
    field: str | None = Field(default=None, description="The field that is meant.", examples=["amount"])
    retryable: bool = Field(description="Whether the same call may succeed later.")
    complaints: list[Complaint] = Field(default=[], description="Everything that is wrong with an event file.")
    goal_id: str | None = Field(default=None, description="Of an action: the goal that refused its contribution.")
    contribution_id: str | None = Field(default=None, description="Of an action: the contribution that was refused.")


class BroadcastProblem(Problem):
    """What went wrong, and beside it what Supabase's clients read."""

    message: str = Field(description="The detail again; of a 401, Supabase's own word.")
    errors: dict[str, list[str]] = Field(default={}, description="Of a 422: the field and the detail again.")


class BroadcastMessage(Document):
    """What a host says to those on a topic. Other fields are not looked at."""

    model_config = ConfigDict(extra="ignore")
    topic: str = Field(description="`community_goals`, `goal:<id>` or `user:<id>`.", examples=["community_goals"])
    event: str = Field(min_length=1, max_length=255, description="Printable characters.", examples=["boss_enraged"])
    payload: dict[str, Any] = Field(examples=[{"boss": "Frost Giant"}])
    private: bool = Field(default=False, description="Of a user's topic: true.")
    id: str | None = Field(default=None, min_length=1, max_length=255, description="Comes back as `meta.id`.")


class BroadcastMessages(Document):
    """A batch, said as a whole or not at all."""

    model_config = ConfigDict(extra="ignore")
    messages: list[BroadcastMessage] = Field(min_length=1, max_length=100)


class Result(Document):
    """What became of one contribution of a batch: a receipt or a problem."""

    status: int = Field(examples=[201])
    receipt: Receipt | None = None
    problem: Problem | None = None


class Results(Document):
    """What became of a batch, in its order."""

    results: list[Result]


class WorkoutSet(Document):
    """So many repetitions with one weight."""

    exercise: str = Field(examples=["squat"])
    weight: Quantity = Field(examples=[100])
    unit: Literal["kg", "lb"] = "kg"
    reps: int = Field(ge=0, le=1_000_000, examples=[5])


class WorkoutAction(Document):
    """A finished workout, told by its sets or by its volume in kg per exercise."""

    kind: Literal["workout"]
    id: Id = Field(examples=["workout-2"])
    user_id: Id = Field(examples=["ada"])
    sets: list[WorkoutSet] | None = None
    volume: dict[str, Quantity] | None = None
    prs: list[str] | None = Field(default=None, description="Exercises with a personal record.")
    occurred_at: datetime | None = None


class ChallengeAction(Document):
    """A finished challenge: the workouts it consisted of."""

    kind: Literal["challenge"]
    id: Id
    user_id: Id
    workouts: list[Id] = Field(min_length=1, max_length=1_000)
    occurred_at: datetime | None = None


class BossAction(Document):
    """Bosses that a user defeated in one fight."""

    kind: Literal["boss"]
    id: Id
    user_id: Id
    count: int = Field(default=1, ge=1, le=1_000_000)
    occurred_at: datetime | None = None


class ActivityAction(Document):
    """A sign that a user was there."""

    kind: Literal["activity"]
    user_id: Id
    occurred_at: datetime | None = None


class Actions(Document):
    """A batch of game actions."""

    items: list[WorkoutAction | ChallengeAction | BossAction | ActivityAction] = Field(min_length=1, max_length=1_000)


class Recorded(Document):
    """What an action led to: receipts of what was kept, and why the rest was not."""

    receipts: list[Receipt]
    problems: list[Problem]


class RecordedMany(Document):
    """What became of a batch of actions, in its order."""

    results: list[Recorded]


class PersonalChallenge(Document):
    """A target for one user."""

    id: str
    name: str
    description: str
    metric: str
    unit: str
    target_value: Amount
    reward: Reward
    user_contribution: Amount | None = Field(default=None, description="Of the user who was asked for.")
    completed: bool | None = Field(default=None, description="By the user who was asked for.")


class Event(Document):
    """A seasonal event, in its newest version."""

    id: str = Field(examples=["winter-2026"])
    name: str
    description: str
    starts_at: datetime
    ends_at: datetime
    grace_seconds: int
    status: Literal["upcoming", "active", "grace", "settled", "cancelled"]
    version: int
    author: str
    published_at: datetime
    goal_ids: list[str]
    challenges: list[PersonalChallenge]


class Events(Document):
    """Every event, by start."""

    events: list[Event]


class Version(Document):
    """Who published a version of an event, when and why."""

    version: int
    author: str
    published_at: datetime
    reason: str


class OperatorsGoal(CommunityGoal):
    """A goal as operators see it."""

    hidden: bool


class OperatorsEvent(Event):
    """An event with all its goals and versions."""

    goals: list[OperatorsGoal]
    versions: list[Version]


class Plan(Document):
    """What publishing would change, and the version that stands (0: none)."""

    event_id: str
    version: int
    changes: list[str] = Field(examples=[["+ goal lift-the-frost: 10,000,000 kg"]])


class Published(Version):
    """The version that stands after a publish, and the changes that made it."""

    event_id: str
    changes: list[str]


class Change(Document):
    """Why something is changed, and by whom (else the key that was used)."""

    reason: str = Field(min_length=1, max_length=500)
    author: str | None = Field(default=None, min_length=1, max_length=100)


class Extension(Change):
    """A new end."""

    ends_at: datetime


class Health(Document):
    """Whether the server is well."""

    status: Literal["ok", "unavailable"]
    code: str | None = Field(default=None, description="Why it is not.")


class ServerVersion(Document):
    """Which version runs."""

    version: str = Field(examples=["0.1.0"])


def schema_of(model: type[BaseModel], *, definitions: dict[str, Any]) -> dict[str, Any]:
    """A model's JSON schema for OpenAPI, its parts put among the `definitions`; a reference to it."""
    told = model.model_json_schema(ref_template="#/components/schemas/{model}")
    definitions.update(told.pop("$defs", {}))
    definitions[model.__name__] = told
    return {"$ref": f"#/components/schemas/{model.__name__}"}
