"""Answers over bare ASGI: JSON documents and problems, without a framework between a contribution and its receipt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

from pydantic_core import to_json

from worldevents import problems
from worldevents.errors import MethodNotAllowed, Unauthorized, WorldEventsError

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
RawHeaders = Sequence[tuple[bytes, bytes]]

PROBLEM: Final = "application/problem+json"
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_JSON_TYPE: Final = (b"content-type", b"application/json")


def encode(document: object) -> bytes:
    """A document as the bytes of its JSON."""
    return to_json(document)


async def send_json(send: Send, status: int, document: object, headers: RawHeaders = ()) -> None:
    """Answer with one JSON document."""
    await _send(send, status, encode(document), [_JSON_TYPE, *headers])


async def send_nothing(send: Send, status: int) -> None:
    """Answer with a status alone."""
    await _send(send, status, b"", [])


async def send_problem(send: Send, error: WorldEventsError, also: Mapping[str, Any] = _NOTHING) -> None:
    """Answer that something went wrong; `also` stands in the document besides."""
    headers = [(b"content-type", PROBLEM.encode())]
    headers += [(name.encode(), value.encode()) for name, value in problem_headers(error).items()]
    await _send(send, problems.status(error), encode({**problems.problem(error), **also}), headers)


def problem_headers(error: WorldEventsError) -> Mapping[str, str]:
    """The headers that a problem's status asks for."""
    status = problems.status(error)
    told = {"cache-control": "no-store"}
    if isinstance(error, Unauthorized):
        told["www-authenticate"] = "Bearer"
    elif isinstance(error, MethodNotAllowed):
        told["allow"] = error.allowed
    elif status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        told["retry-after"] = str(problems.RETRY_AFTER_S)
    elif status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        # The body is not read to its end: the connection cannot carry another request.
        told["connection"] = "close"
    return told


async def _send(send: Send, status: int, body: bytes, headers: RawHeaders) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
