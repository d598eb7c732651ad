"""Making a key: its text, which is shown once, and what is kept of it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final

from worldevents import rules
from worldevents.access_keys import AccessKey, KeyKind, Right
from worldevents.errors import BodyInvalid

KEY_PREFIX: Final = "we_"
"""How every key begins, and no user's token."""
KIND_PREFIXES: Final = MappingProxyType({KeyKind.SECRET: "we_secret_", KeyKind.PUBLIC: "we_pub_"})
DEFAULT_RIGHTS: Final = MappingProxyType(
    {
        KeyKind.SECRET: frozenset({Right.READ, Right.CONTRIBUTE}),
        KeyKind.PUBLIC: frozenset({Right.READ}),
    }
)
RANDOM_BYTES: Final = 32
"""How much chance a key has: 256 bits."""
NAME_MAX: Final = 64

_ID_LETTERS: Final = 12
_HINT_LETTERS: Final = 4


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: what is kept, and the text that is shown this once."""

    key: AccessKey
    text: str = field(repr=False)


def digest_of(text: bytes) -> bytes:
    """What is kept of a key: with 256 bits of chance in it, a plain hash cannot be turned back."""
    return hashlib.sha256(text).digest()


def new_key(
    name: str,
    *,
    kind: KeyKind = KeyKind.SECRET,
    rights: Iterable[Right] | None = None,
    goals: Iterable[str] = (),
    created_at: datetime,
    randomness: bytes,
) -> NewKey:
    """A key from 32 random bytes. Without `rights` it has those of its kind; without `goals` it is for all.

    Raises BodyInvalid with the field: a name that cannot be shown, a goal that cannot be one, a public key that would
    do more than read, a key that would do nothing.
    """
    if len(randomness) != RANDOM_BYTES:
        raise ValueError(f"a key is made of {RANDOM_BYTES} random bytes")
    granted = DEFAULT_RIGHTS[kind] if rights is None else frozenset(rights)
    if kind is KeyKind.PUBLIC and granted != DEFAULT_RIGHTS[kind]:
        raise BodyInvalid("a public key only reads", field="rights")
    if not granted:
        raise BodyInvalid("a key without a right does nothing", field="rights")
    text = KIND_PREFIXES[kind] + base64.urlsafe_b64encode(randomness).decode().rstrip("=")
    digest = digest_of(text.encode())
    key = AccessKey(
        id=digest.hex()[:_ID_LETTERS],
        name=_check_name(name),
        kind=kind,
        rights=granted,
        goals=frozenset(map(_check_goal, goals)),
        digest=digest,
        hint=f"{KIND_PREFIXES[kind]}…{text[-_HINT_LETTERS:]}",
        created_at=created_at,
    )
    return NewKey(key, text)


def _check_name(name: str) -> str:
    if not 1 <= len(name) <= NAME_MAX or not name.isprintable() or not name.strip():
        raise BodyInvalid(f"a key's name is 1 to {NAME_MAX} printable characters", field="name")
    return name


def _check_goal(goal_id: str) -> str:
    if not rules.is_slug(goal_id):
        raise BodyInvalid("a goal's id is 1 to 64 of a-z, 0-9 and -", field="goals")
    return goal_id
