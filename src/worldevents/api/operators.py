"""What operators do to events: declare, look, extend, close, cancel."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, Final, TypedDict

from fastapi import APIRouter, Query, Request, Response

from worldevents import catalog, documents
from worldevents.api import bodies, schemas
from worldevents.api.routing import DOCUMENTED, Operator, answer
from worldevents.auth import Caller
from worldevents.engine import Engine
from worldevents.errors import BodyInvalid
from worldevents.model import SeasonalEvent
from worldevents.rules import AUTHOR_MAX, REASON_MAX, check_author, check_reason
from worldevents.settings import Settings

DryRun = Annotated[bool, Query(alias="dryRun", description="Say what would change, and change nothing.")]
Preview = Annotated[bool, Query(description="Say what would change, beside the version that stands.")]
Author = Annotated[str | None, Query(max_length=AUTHOR_MAX, description="Who does it; else the key that was used.")]
Reason = Annotated[str, Query(max_length=REASON_MAX, description="Why; it is kept with the version.")]


def routes(engine: Engine, settings: Settings) -> APIRouter:
    """What is below `/v1/admin/events`."""
    router = APIRouter(prefix="/v1/admin/events", tags=["operators"], dependencies=DOCUMENTED)
    _declaring(router, engine, settings)
    _changing(router, engine, settings)
    return router


def _declaring(router: APIRouter, engine: Engine, settings: Settings) -> None:
    local = documents.Local(engine)

    @router.put("", response_model=schemas.Published | schemas.Plan, openapi_extra=_FILE)
    async def publish_event(
        request: Request, caller: Operator, *, dry_run: DryRun = False, author: Author = None, reason: Reason = ""
    ) -> Response:
        """Make an event file the event's newest version. Sent again, it changes nothing."""
        headers = dict(request.scope["headers"])
        kind = bodies.media_type(headers, bodies.TOML, bodies.JSON)
        body = await bodies.read(headers, request.receive, settings.event_body_max)
        event = _event_from_toml(body) if kind == bodies.TOML else _event_from_json(body)
        if dry_run:
            return answer(await local.plan(event))
        name = check_author(author) if author else caller.hint
        why = check_reason(reason) if reason else ""
        return answer(await local.publish(event, author=name, reason=why))

    @router.get("/{eventId}", response_model=schemas.OperatorsEvent)
    async def inspect_event(
        _: Operator,
        eventId: str,  # noqa: N803
        user_id: Annotated[str | None, Query(alias="userId")] = None,
    ) -> Response:
        """An event with all its goals, hidden ones too, and its versions."""
        return answer(await local.inspect(eventId, user_id))


def _changing(router: APIRouter, engine: Engine, settings: Settings) -> None:
    async def change(request: Request, *known: str) -> dict[str, Any]:
        return await read_fields(request, settings, "reason", "author", *known)

    @router.post("/{eventId}/extend", response_model=schemas.Published, openapi_extra=body_of(schemas.Extension))
    async def extend_event(
        request: Request,
        caller: Operator,
        eventId: str,  # noqa: N803
        *,
        preview: Preview = False,
    ) -> Response:
        """Move an event's end to another instant that is not past."""
        told = await change(request, "endsAt")
        ends_at = documents.instant(told.get("endsAt"), "endsAt")
        if ends_at is None:
            raise BodyInvalid("the new end is wanted here", field="endsAt")
        moved = await engine.extend(eventId, ends_at, **author_and_reason(caller, told), preview=preview)
        return answer(documents.published(moved))

    @router.post("/{eventId}/close", response_model=schemas.Published, openapi_extra=body_of(schemas.Change))
    async def close_event(
        request: Request,
        caller: Operator,
        eventId: str,  # noqa: N803
        *,
        preview: Preview = False,
    ) -> Response:
        """End an event now; its grace begins."""
        by = author_and_reason(caller, await change(request))
        return answer(documents.published(await engine.close(eventId, **by, preview=preview)))

    @router.post("/{eventId}/cancel", response_model=schemas.Published, openapi_extra=body_of(schemas.Change))
    async def cancel_event(
        request: Request,
        caller: Operator,
        eventId: str,  # noqa: N803
        *,
        preview: Preview = False,
    ) -> Response:
        """Call an event off for good."""
        by = author_and_reason(caller, await change(request))
        return answer(documents.published(await engine.cancel(eventId, **by, preview=preview)))


class By(TypedDict):
    """What is kept with a change."""

    reason: str
    author: str


def author_and_reason(caller: Caller, told: dict[str, Any]) -> By:
    """Who does it, else the key that was used, and why: from a body. Raises BodyInvalid."""
    author = told.get("author")
    return {
        "reason": check_reason(told.get("reason")),
        "author": caller.hint if author is None else check_author(author),
    }


async def read_fields(request: Request, settings: Settings, *known: str) -> dict[str, Any]:
    """As `read_object`: one with these fields and no other."""
    told = await read_object(request, settings)
    documents.only(told, set(known))
    return told


async def read_object(request: Request, settings: Settings) -> dict[str, Any]:
    """The body of a route that decodes it itself. Raises BodyInvalid, TooLarge, UnsupportedMediaType."""
    headers = dict(request.scope["headers"])
    bodies.media_type(headers, bodies.JSON)
    return bodies.decode_object(await bodies.read(headers, request.receive, settings.body_max))


def _event_from_toml(body: bytes) -> SeasonalEvent:
    try:
        return catalog.read_event(body.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise BodyInvalid("the body is not UTF-8", field="body") from None


def _event_from_json(body: bytes) -> SeasonalEvent:
    table = bodies.decode_object(body)
    window = table.get("event")
    if isinstance(window, dict):
        # JSON has no instants of its own; what is none stays, to be complained about with all the rest.
        for name in ("starts_at", "ends_at"):
            if isinstance(window.get(name), str):
                with suppress(BodyInvalid):
                    window[name] = documents.instant(window[name])
    return catalog.event_from_table(table)


def body_of(model: type[schemas.Document]) -> dict[str, Any]:
    """The body of a route that decodes it itself, for OpenAPI."""
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {bodies.JSON: {"schema": reference}}}}


_EXAMPLE: Final = """\
[event]
id = "winter-2026"
name = "Winter Event"
starts_at = 2026-12-01T00:00:00Z
ends_at = 2027-01-01T00:00:00Z

[[goals]]
id = "lift-the-frost"
name = "Lift the Frost"
metric = "totalVolume"
target = 10_000_000
  [[goals.tiers]]
  threshold = 25
  reward = { kind = "crate", name = "Snow Crate" }
"""

_FILE: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            bodies.TOML: {"schema": {"type": "string"}, "example": _EXAMPLE},
            bodies.JSON: {"schema": {"type": "object", "description": "The same tables as JSON."}},
        },
    }
}
