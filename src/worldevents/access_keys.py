"""The words of who may ask: what a caller may do, and a key as it is kept. They decide nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Right(StrEnum):
    """What a caller may do."""

    READ = "read"
    CONTRIBUTE = "contribute"
    OPERATE = "operate"
    """Declare and change events, correct, hold, ban: all that live-ops does."""


class KeyKind(StrEnum):
    """Where a key is kept."""

    SECRET = "secret"  # noqa: S105 - the word itself
    """On a server, where nobody else reads it."""
    PUBLIC = "public"
    """In a page, where everybody does: it only reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """A key as it is kept: what it may do, and its digest. Its text is shown when it is made and never again."""

    id: str
    """Short and public; names the key in lists and when it is revoked."""
    name: str
    kind: KeyKind
    rights: frozenset[Right]
    goals: frozenset[str] = frozenset()
    """The goals that it is for; empty is all."""
    digest: bytes = field(repr=False)
    """SHA-256 of the whole text."""
    hint: str
    """The text's beginning and last four letters, for lists and logs."""
    created_at: datetime
    revoked_at: datetime | None = None
