"""What stands behind the question mark of an address, for bare callables."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from worldevents.api.answers import Scope


def query(scope: Scope) -> Mapping[str, list[str]]:
    """All parameters with all their values."""
    return parse_qs(scope["query_string"].decode("latin-1"))


def last(told: Mapping[str, list[str]], name: str) -> str | None:
    """The value of a parameter: of several, the last one's."""
    return told[name][-1] if name in told else None
