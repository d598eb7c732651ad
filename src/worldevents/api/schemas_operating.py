"""The documents of operators' changes, as OpenAPI describes them. `operating` writes them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from worldevents.api.reward_schemas import Grant
from worldevents.api.schemas import Amount, Document, Id

SignedAmount = float | Annotated[str, Field(pattern=r"^-?[0-9]{1,64}(\.[0-9]{1,64})?$")]


UserId = Annotated[str, Field(pattern=r"^([A-Za-z0-9._:@-]{1,128}|erased#[0-9a-f]{16})$", examples=["ada"])]
"""A user's, or what is left of one who was erased."""


class Reason(Document):
    """Why something is changed, and by whom (else the key that was used)."""

    reason: str = Field(min_length=1, max_length=500, examples=["a typing error, see ticket 41"])
    author: str | None = Field(default=None, min_length=1, max_length=100)


class NewCorrection(Reason):
    """An amount to add to what a user has."""

    id: Id = Field(description="Yours to choose: it is done once for this goal and user.", examples=["ticket-41"])
    goal_id: str = Field(examples=["lift-the-frost"])
    user_id: UserId
    amount: SignedAmount = Field(description="In the metric's unit, not zero; a number or a text.", examples=[-50])


class NewHold(Reason):
    """A contribution that has counted, to be held."""

    goal_id: str = Field(examples=["lift-the-frost"])
    user_id: UserId
    contribution_id: Id = Field(examples=["workout-1:squat"])


class Figures(Document):
    """What a goal and one of its users stand at."""

    current_value: Amount
    pending_value: Amount
    participant_count: int
    user_contribution: Amount
    user_pending: Amount
    user_rank: int | None = Field(description="Null too where a preview cannot tell it.")
    tiers_unlocked: list[float] = Field(description="Percent of the target; what is unlocked stays so.")


class Moved(Document):
    """What a movement did, or as a preview would do; of a repeat both figures are today's."""

    id: str = Field(description="Of a correction its own, of a decision the hold's, of a new hold the contribution's.")
    goal_id: str
    user_id: str
    amount: Amount
    status: Literal["corrected", "released", "rejected", "withheld"]
    duplicate: bool
    preview: bool
    before: Figures
    after: Figures


class Hold(Document):
    """A held amount that nobody has decided about."""

    id: str = Field(examples=["1201"])
    goal_id: str
    user_id: str
    contribution_id: str
    amount: Amount
    occurred_at: datetime
    received_at: datetime


class Holds(Document):
    """Held amounts, oldest first."""

    holds: list[Hold]


class BannedGoal(Document):
    """What a ban or its end did in one goal."""

    goal_id: str
    before: Figures
    after: Figures


class BannedGrant(Document):
    """A grant of a user who is banned, or taken again; it stays the user's."""

    id: str = Field(examples=["tier~lift-the-frost~25~ada"])
    name: str = Field(examples=["Snow Crate"])
    kind: str = Field(examples=["crate"])
    status: Literal["pending", "claimable", "claimed", "delivered", "revoked"]
    suspended: bool = Field(description="Whether it cannot be claimed until the ban is over.")


class Banned(Document):
    """What a ban or its end did, or as a preview would do, in each goal where the user has something."""

    user_id: str
    banned: bool = Field(description="Whether the user is banned, now or once it is done.")
    duplicate: bool = Field(description="Whether it was so before.")
    preview: bool
    goals: list[BannedGoal]
    grants: list[BannedGrant] = Field(description="All that the user was granted, the newest first.")


class Ban(Document):
    """A ban that is not over."""

    user_id: str
    at: datetime
    author: str
    reason: str


class Users(Document):
    """Who is banned, oldest first, and who is left out of boards."""

    bans: list[Ban]
    hidden: list[str]


class Hidden(Document):
    """Whether a user is left out of boards, now or once it is done."""

    user_id: str
    hidden: bool
    duplicate: bool = Field(description="Whether it was so before.")
    preview: bool


class KeptShare(Document):
    """What somebody has in a goal."""

    goal_id: str
    unit: str | None = Field(description="Null where no event has the goal any more: then in smallest units.")
    user_contribution: Amount
    user_pending: Amount
    user_rank: int | None


class Erased(Document):
    """What an erasing did, or as a preview would do; every figure is as it was."""

    user_id: str
    erased: bool
    known: bool = Field(description="Whether there was anything to erase.")
    tombstone: str | None = Field(description="What stands in the user's place.", examples=["erased#09f2a4c81b7de635"])
    preview: bool
    goals: list[KeptShare] = Field(description="In which goals, and with what; hence the tombstone's.")
    contributions: int = Field(description="How many are kept, movements too.")
    grants: int
    active_days: int
    audit_entries: int


class Entry(Document):
    """What an operator did or set out to do."""

    id: int
    at: datetime
    author: str
    action: str = Field(examples=["correct"])
    user_id: str
    reason: str
    detail: dict[str, Any] = Field(description="What it is about, and the figures in smallest units.")


class Audit(Document):
    """What operators did, newest first."""

    entries: list[Entry]


class PastBan(Document):
    """A ban that there is or was."""

    at: datetime
    author: str
    reason: str
    lifted_at: datetime | None


class NotKept(Document):
    """An entry that the ledger could not keep, as text."""

    goal_id: str
    at: datetime
    reason: str
    entry: str


class AboutUser(Document):
    """All that is kept about a user, but for the contributions."""

    display_name: str | None
    goals: list[KeptShare]
    grants: list[Grant]
    active_days: list[date]
    hidden_since: datetime | None
    bans: list[PastBan]
    audit: list[Entry]
    not_kept: list[NotKept]


class KeptContribution(Document):
    """A contribution as it is kept, or what an operator moved."""

    id: str
    goal_id: str
    contribution_id: str = Field(description="Of what an operator moved it has a `#`.")
    amount: Amount
    status: Literal["counted", "held", "late", "corrected", "released", "rejected", "withheld"]
    occurred_at: datetime
    received_at: datetime


class Export(Document):
    """A page of all that is kept about a user."""

    user_id: str
    about: AboutUser | None = Field(description="With the first page.")
    contributions: list[KeptContribution] = Field(description="Oldest first.")
    next: str | None = Field(description="What to ask for `after`; null at the end.")


BODIES: Final = (Reason, NewCorrection, NewHold)
"""Those that routes decode themselves."""
