"""Errors <-> problem documents (RFC 9457): what every door says when it says no, and the one table of HTTP statuses."""

from __future__ import annotations

import re
from typing import Any, Final

from worldevents import errors
from worldevents.errors import Complaint, EventInvalid, Internal, WorldEventsError

WHOLE_BODY: Final = "body"
"""The field of what is wrong with a body as such: it is not JSON, or no object. That is a 400, all else a 422."""

_STATUS: Final[dict[type[WorldEventsError], int]] = {
    errors.BodyInvalid: 422,
    errors.AmountInvalid: 422,
    errors.IdInvalid: 422,
    errors.OccurredAtFuture: 422,
    errors.LimitExceeded: 422,
    errors.EventInvalid: 422,
    errors.ConfigurationInvalid: 422,
    errors.Unauthorized: 401,
    errors.TokenExpired: 401,
    errors.Forbidden: 403,
    errors.UserBanned: 403,
    errors.UnknownGoal: 404,
    errors.UnknownEvent: 404,
    errors.UnknownGrant: 404,
    errors.NotSettled: 404,
    errors.UnknownKey: 404,
    errors.UnknownHold: 404,
    errors.UnknownWebhook: 404,
    errors.UnknownDelivery: 404,
    errors.UnknownRoute: 404,
    errors.MethodNotAllowed: 405,
    errors.GoalNotOpen: 409,
    errors.ContributionConflict: 409,
    errors.GrantRevoked: 409,
    errors.EventConflict: 409,
    errors.BelowZero: 409,
    errors.HoldDecided: 409,
    errors.TooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.RateLimited: 429,
    errors.LedgerUnavailable: 503,
    errors.StoreUnavailable: 503,
    errors.StoreLost: 503,
    errors.LedgerBehind: 503,
    errors.LedgerOutdated: 503,
    errors.DatabaseOwned: 503,
    errors.Closed: 503,
    errors.ServerUnreachable: 503,
    errors.Internal: 500,
}
_BY_CODE: Final = {error.code: error for error in _STATUS}
_PART: Final = re.compile(r'\[([0-9]+)\]|("(?:[^"\\]|\\.)*"|[^.\[]+)')
_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")

_FIELD: Final = re.compile(r"\w{1,64}", re.ASCII)

RETRY_AFTER_S: Final = 1
"""What a 503 asks its caller to wait before the same call is repeated."""


def named(field: str, *, inside: str = "") -> str:
    """A field of a caller's own as it is said back: its name if it could be one, else the whole body."""
    return f"{inside}{field}" if _FIELD.fullmatch(field) else WHOLE_BODY


def status(error: WorldEventsError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, errors.BodyInvalid) and error.field == WHOLE_BODY:
        return 400
    return _STATUS.get(type(error), 500)


def codes() -> dict[str, int]:
    """Every code and its usual status."""
    return {error.code: number for error, number in _STATUS.items()}


def descriptions() -> list[tuple[str, int, str]]:
    """Every code with its usual status and what it says."""
    return [(error.code, number, error().detail) for error, number in _STATUS.items()]


def problem(error: WorldEventsError) -> dict[str, Any]:
    """An error as a problem document."""
    told = {
        "type": f"/docs#{error.code}",
        "title": _WORD.sub(" ", type(error).__name__).capitalize(),
        "status": status(error),
        "code": error.code,
        "detail": error.detail,
        "retryable": error.retryable,
    }
    if error.field is not None:
        told["field"] = error.field
    if isinstance(error, EventInvalid):
        told["complaints"] = [
            {"line": one.line, "field": one.field, "message": one.message} for one in error.complaints
        ]
    return told


def error(document: object) -> WorldEventsError:
    """The error that a problem document tells of; what is no such document is Internal."""
    if not isinstance(document, dict) or document.get("code") not in _BY_CODE:
        return Internal("the server answered something that is no problem document")
    detail, field = document.get("detail"), document.get("field")
    if document["code"] == EventInvalid.code and isinstance(document.get("complaints"), list):
        return EventInvalid(*(_complaint(one) for one in document["complaints"]))
    return _BY_CODE[document["code"]](
        detail if isinstance(detail, str) else None, field=field if isinstance(field, str) else None
    )


def _complaint(document: object) -> Complaint:
    told = document if isinstance(document, dict) else {}
    line, field = told.get("line"), told.get("field")
    path = _path(field) if isinstance(field, str) else ()
    return Complaint(str(told.get("message", "")), path, line if isinstance(line, int) else None)


def _path(field: str) -> tuple[str | int, ...]:
    """The parts of a path that `Complaint.field` has written."""
    return tuple(int(place) if place else name for place, name in _PART.findall(field))
