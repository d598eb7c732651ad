"""What the framework's routes share: the rule each stands under, and how they answer.

Every route of the framework names one of these rules, or is in `PUBLIC`; a test walks them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Response
from fastapi.security import APIKeyQuery, HTTPBearer

from worldevents.api.answers import encode
from worldevents.api.gate import Gate
from worldevents.auth import Caller, Right

PUBLIC: Final = frozenset({"/livez", "/readyz", "/version", "/docs", "/openapi.json", "/asyncapi.json"})
"""What says nothing about any event or user, and needs no key."""

_bearer = HTTPBearer(auto_error=False, scheme_name="key", description="`we_secret_…`, `we_pub_…`, or a user's JWT.")
_query = APIKeyQuery(
    name="apikey", auto_error=False, scheme_name="apikey", description="The same key, where no header can be set."
)


async def caller(request: Request) -> Caller:
    """Who asks. Raises Unauthorized."""
    gate: Gate = request.app.state.gate
    return await gate.caller(dict(request.scope["headers"]), request.query_params.get("apikey"))


async def reader(told: Annotated[Caller, Depends(caller)]) -> Caller:
    """Somebody who may read something."""
    told.require_any(Right.READ)
    return told


async def reader_of(told: Annotated[Caller, Depends(caller)], goalId: str) -> Caller:  # noqa: N803 - the path's name
    """Somebody who may read this goal."""
    told.require(Right.READ, goalId)
    return told


async def operator(told: Annotated[Caller, Depends(caller)]) -> Caller:
    """Somebody who may operate."""
    told.require(Right.OPERATE)
    return told


Reader = Annotated[Caller, Depends(reader)]
ReaderOf = Annotated[Caller, Depends(reader_of)]
Operator = Annotated[Caller, Depends(operator)]

DOCUMENTED: Final = [Depends(_bearer), Depends(_query)]
"""For a router: says in the OpenAPI document by what its callers are known. The rules above do the work."""


def answer(document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A document as it is: what the verbs answer needs no second look."""
    return Response(encode(document), status, headers, media_type="application/json")
