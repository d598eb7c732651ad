"""HTML answers: the templates, and the headers that keep a page to this server's own scripts and styles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fastapi import Response
from jinja2 import Environment, PackageLoader, StrictUndefined

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_HEADERS: Final = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def templates(**filters: Callable[..., str]) -> Environment:
    """The templates of this package, with filters: everything is escaped, and a name that is not given is an error."""
    environment = Environment(
        loader=PackageLoader("worldevents.api"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment


def html(text: str, *, status: int = 200) -> Response:
    """A page."""
    return Response(text, status, _HEADERS, media_type="text/html")
