"""Every way this package says no: one root, one stable code each.

The code is the contract (HTTP answers, `--json`, logs); the docstring is the default message.
An error never carries what could not be decoded, and never a driver's exception as its text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class WorldEventsError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str | None = None, *, field: str | None = None) -> None:
        self.detail = detail or (type(self).__doc__ or "").strip()
        self.field = field
        super().__init__(self.detail)


# What a caller sent.


class BodyInvalid(WorldEventsError):
    """The input does not have the form that is asked for."""

    code = "body_invalid"


class AmountInvalid(WorldEventsError):
    """The amount is not a positive exact number in the metric's unit."""

    code = "amount_invalid"


class IdInvalid(WorldEventsError):
    """An id is 1 to 128 letters, digits or . _ : @ - characters."""

    code = "id_invalid"


class OccurredAtFuture(WorldEventsError):
    """The contribution says that it happened more than 60 seconds from now."""

    code = "occurred_at_future"


class LimitExceeded(WorldEventsError):
    """The amount is over a limit of this goal."""

    code = "limit_exceeded"


class UnknownGoal(WorldEventsError):
    """No goal has this id."""

    code = "unknown_goal"


class UnknownEvent(WorldEventsError):
    """No event has this id."""

    code = "unknown_event"


class UnknownGrant(WorldEventsError):
    """No grant has this id."""

    code = "unknown_grant"


class GrantRevoked(WorldEventsError):
    """This grant was taken back by an operator."""

    code = "grant_revoked"


class GoalNotOpen(WorldEventsError):
    """The goal does not count contributions of that instant."""

    code = "goal_not_open"


class NotSettled(WorldEventsError):
    """The goal has no result: it is not settled."""

    code = "not_settled"
    retryable = True


class ContributionConflict(WorldEventsError):
    """This contribution id was counted with another amount; the first stands."""

    code = "contribution_conflict"


class UserBanned(WorldEventsError):
    """This user takes no part: an operator has banned the user."""

    code = "user_banned"


# What an operator does to amounts.


class BelowZero(WorldEventsError):
    """The user would have less than nothing."""

    code = "below_zero"


class UnknownHold(WorldEventsError):
    """No held amount has this id."""

    code = "unknown_hold"


class HoldDecided(WorldEventsError):
    """This held amount was decided the other way; that stands."""

    code = "hold_decided"


# Who asks, and by which door.


class Unauthorized(WorldEventsError):
    """This needs a key or a user's token that is valid."""

    code = "unauthorized"


class TokenExpired(Unauthorized):
    """This user's token has expired."""

    code = "token_expired"


class RateLimited(WorldEventsError):
    """Too many connections from there at once, or too many in all."""

    code = "rate_limited"
    retryable = True


class Forbidden(WorldEventsError):
    """This key or token does not give that right."""

    code = "forbidden"


class TooLarge(WorldEventsError):
    """The body is larger than this route takes."""

    code = "too_large"


class UnsupportedMediaType(WorldEventsError):
    """The body's content type is not one that this route takes."""

    code = "unsupported_media_type"


class UnknownRoute(WorldEventsError):
    """There is nothing at this address."""

    code = "unknown_route"


class MethodNotAllowed(WorldEventsError):
    """This address does not know that method."""

    code = "method_not_allowed"

    def __init__(self, detail: str | None = None, *, field: str | None = None, allowed: str = "") -> None:
        super().__init__(detail, field=field)
        self.allowed = allowed


class UnknownKey(WorldEventsError):
    """No key has this id."""

    code = "unknown_key"


class UnknownWebhook(WorldEventsError):
    """No webhook endpoint has this id."""

    code = "unknown_webhook"


class UnknownDelivery(WorldEventsError):
    """The endpoint is owed no message with this id."""

    code = "unknown_delivery"


class ServerUnreachable(WorldEventsError):
    """The server does not answer; repeating the call finds out whether it was kept."""

    code = "server_unreachable"
    retryable = True


class Internal(WorldEventsError):
    """Something went wrong in the server; its log says what."""

    code = "internal"


# What an operator declared.


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with one place of a declared event: its path in the file's terms, and the line if there is one."""

    message: str
    path: tuple[str | int, ...] = ()
    line: int | None = None

    @property
    def field(self) -> str:
        """The path as text: `goals[0].target`."""
        return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path).lstrip(".")

    def __str__(self) -> str:
        line = [] if self.line is None else [f"line {self.line}"]
        return ": ".join([*line, *([self.field] if self.path else []), self.message])


class EventInvalid(WorldEventsError):
    """The event cannot be published as it is written."""

    code = "event_invalid"

    def __init__(self, *complaints: Complaint | str) -> None:
        told = [Complaint(one) if isinstance(one, str) else one for one in complaints]
        self.complaints = tuple(told) or (Complaint((type(self).__doc__ or "").strip()),)
        super().__init__(str(self.complaints[0]), field=self.complaints[0].field or None)


class EventConflict(WorldEventsError):
    """The event was changed by somebody else in the meantime; look at the plan again."""

    code = "event_conflict"
    retryable = True


class ConfigurationInvalid(WorldEventsError):
    """A setting cannot be used."""

    code = "configuration_invalid"


# What the machine did.


class LedgerUnavailable(WorldEventsError):
    """The ledger cannot be reached or cannot write; repeating the call finds out whether it was kept."""

    code = "ledger_unavailable"
    retryable = True


class StoreUnavailable(WorldEventsError):
    """The store cannot be reached; repeating the call finds out whether it was counted."""

    code = "store_unavailable"
    retryable = True


class StoreLost(WorldEventsError):
    """The store has lost its memory and is built again from the ledger; until then it counts nothing."""

    code = "store_lost"
    retryable = True


class LedgerBehind(WorldEventsError):
    """Too much waits for the ledger, or this waited for it too long; repeating the call finds out what became of it."""

    code = "ledger_behind"
    retryable = True


class LedgerOutdated(WorldEventsError):
    """The database has another schema than this version needs: run `worldevents migrate`."""

    code = "ledger_outdated"


class DatabaseOwned(WorldEventsError):
    """Another process owns this database."""

    code = "database_owned"


class Closed(WorldEventsError):
    """The system is shutting down; whether this call was counted is found out by repeating it."""

    code = "closed"
    retryable = True
