"""What operators do with webhooks: endpoints, secrets, deliveries, replays, and what is owed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from worldevents import documents
from worldevents.api import schemas
from worldevents.api import webhook_schemas as told
from worldevents.api.operators import Author, author_and_reason, body_of, read_fields
from worldevents.api.routing import DOCUMENTED, Operator, answer
from worldevents.errors import BodyInvalid
from worldevents.rules import REASON_MAX, check_author, check_reason
from worldevents.settings import Settings
from worldevents.webhooks.documents import PATH, LocalWebhooks
from worldevents.webhooks.operating import DELIVERIES_MAX, Webhooks

Body = Callable[..., Awaitable[dict[str, Any]]]

BEFORE_MAX: Final = 2**63 - 1


def routes(webhooks: Webhooks, settings: Settings) -> APIRouter:
    """What is at and below `/v1/admin/webhooks`."""
    router = APIRouter(prefix=PATH, tags=["webhooks"], dependencies=DOCUMENTED)
    local = LocalWebhooks(webhooks)

    async def body(request: Request, *known: str) -> dict[str, Any]:
        return await read_fields(request, settings, *known)

    _looking(router, local)
    _coming_and_going(router, local, body)
    _changing(router, local, body)
    _sending(router, local, body)
    return router


def _looking(router: APIRouter, local: LocalWebhooks) -> None:
    @router.get("", response_model=told.WebhookEndpoints)
    async def list_webhooks(_: Operator) -> Response:
        """All endpoints, oldest first; their secrets are not shown."""
        return answer(await local.endpoints())

    @router.get("/report", response_model=told.WebhookReport)
    async def report_webhooks(_: Operator) -> Response:
        """Owed against delivered, for each endpoint: what was announced to it, and what it has."""
        return answer(await local.report())

    @router.get("/{endpointId}", response_model=told.OperatorsWebhookEndpoint)
    async def show_webhook(_: Operator, endpointId: str) -> Response:  # noqa: N803 - the path's name
        """One endpoint, with all that was done to it."""
        return answer(await local.endpoint(endpointId))

    @router.get("/{endpointId}/deliveries", response_model=told.WebhookDeliveries)
    async def list_webhook_deliveries(
        _: Operator,
        endpointId: str,  # noqa: N803
        status: Annotated[
            str | None, Query(json_schema_extra={"enum": ["pending", "delivered", "dead"]}, description="Only these.")
        ] = None,
        before: Annotated[
            int | None, Query(ge=0, le=BEFORE_MAX, description="The page that follows: `next` of the one before.")
        ] = None,
        limit: Annotated[int, Query(json_schema_extra={"minimum": 1, "maximum": DELIVERIES_MAX})] = 100,
    ) -> Response:
        """What an endpoint is told, the newest first."""
        return answer(await local.deliveries(endpointId, status=status, before=before, limit=limit))


def _coming_and_going(router: APIRouter, local: LocalWebhooks, body: Body) -> None:
    @router.post("", status_code=201, response_model=told.NewWebhookSecret, openapi_extra=body_of(told.NewWebhook))
    async def add_webhook(request: Request, caller: Operator) -> Response:
        """Make an endpoint. Its secret is in this answer alone."""
        found = await body(request, "url", "kinds", "since", "reason", "author")
        by = author_and_reason(caller, found)
        url, kinds = found.get("url"), found.get("kinds")
        if not isinstance(url, str):
            raise BodyInvalid("a text is wanted here", field="url")
        if kinds is not None and not (isinstance(kinds, list) and all(isinstance(one, str) for one in kinds)):
            raise BodyInvalid("a list of kinds is wanted here", field="kinds")
        since = documents.instant(found.get("since"), "since")
        return answer(await local.add(url, kinds=kinds or (), since=since, **by), status=201)

    @router.delete("/{endpointId}", response_model=told.RemovedWebhook)
    async def remove_webhook(
        caller: Operator,
        endpointId: str,  # noqa: N803
        *,
        reason: Annotated[str, Query(min_length=1, max_length=REASON_MAX, description="Why; it is kept.")],
        author: Author = None,
    ) -> Response:
        """Forget an endpoint and its secrets; what it does not have yet is dead."""
        name = check_author(author) if author else caller.hint
        why = check_reason(reason)
        return answer(await local.remove(endpointId, author=name, reason=why))


def _changing(router: APIRouter, local: LocalWebhooks, body: Body) -> None:
    @router.post("/{endpointId}/rotate", response_model=told.NewWebhookSecret, openapi_extra=body_of(told.Rotation))
    async def rotate_webhook_secret(request: Request, caller: Operator, endpointId: str) -> Response:  # noqa: N803
        """Make a new secret, which is in this answer alone; the previous one signs too for a while."""
        found = await body(request, "keepSeconds", "reason", "author")
        by, keep_s = author_and_reason(caller, found), found.get("keepSeconds")
        if keep_s is not None and (not isinstance(keep_s, int) or isinstance(keep_s, bool)):
            raise BodyInvalid("a whole number is wanted here", field="keepSeconds")
        return answer(await local.rotate(endpointId, keep_s=keep_s, **by))

    @router.post("/{endpointId}/enable", response_model=told.WebhookEndpoint, openapi_extra=body_of(schemas.Change))
    async def enable_webhook(request: Request, caller: Operator, endpointId: str) -> Response:  # noqa: N803
        """Deliver to an endpoint again, what has waited first."""
        by = author_and_reason(caller, await body(request, "reason", "author"))
        return answer(await local.enable(endpointId, **by))

    @router.post("/{endpointId}/disable", response_model=told.WebhookEndpoint, openapi_extra=body_of(schemas.Change))
    async def disable_webhook(request: Request, caller: Operator, endpointId: str) -> Response:  # noqa: N803
        """Deliver nothing to an endpoint until it is enabled; what is for it waits."""
        by = author_and_reason(caller, await body(request, "reason", "author"))
        return answer(await local.disable(endpointId, **by))


def _sending(router: APIRouter, local: LocalWebhooks, body: Body) -> None:
    @router.post("/{endpointId}/replay", response_model=told.Replayed, openapi_extra=body_of(told.Replay))
    async def replay_webhooks(request: Request, caller: Operator, endpointId: str) -> Response:  # noqa: N803
        """Send again, under the same ids: one message, or all since an instant."""
        found = await body(request, "messageId", "since", "deadOnly", "reason", "author")
        by = author_and_reason(caller, found)
        message_id, dead_only = found.get("messageId"), found.get("deadOnly")
        if message_id is not None and not isinstance(message_id, str):
            raise BodyInvalid("a text is wanted here", field="messageId")
        if dead_only is not None and not isinstance(dead_only, bool):
            raise BodyInvalid("true or false is wanted here", field="deadOnly")
        since = documents.instant(found.get("since"), "since")
        replayed = await local.replay(endpointId, message_id=message_id, since=since, dead_only=bool(dead_only), **by)
        return answer(replayed)

    @router.post("/{endpointId}/test", response_model=told.WebhookTest, openapi_extra=body_of(told.Nothing))
    async def try_webhook(request: Request, _: Operator, endpointId: str) -> Response:  # noqa: N803
        """Send one message of kind `webhook.test` right now, and say what came of it."""
        await body(request)
        return answer(await local.test(endpointId))
