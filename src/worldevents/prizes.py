"""What a grant is called, and what claiming it gives: pure, and the same however often it is asked.

No dice are thrown here: what is in a crate follows from its grant and a secret, so that nobody opens it twice for
something better.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from worldevents import codec
from worldevents.errors import UnknownGrant
from worldevents.model import Reward

ODDS: Final = re.compile(r"([1-9][0-9]{0,8}) (\S.*)")
"""A weight and a prize, as a crate's `odds` list them."""
OPENED_MAX: Final = 100
"""Crates of one reward that are opened here."""

_SLUG: Final = "[a-z0-9-]{1,64}"
_GRANT: Final = re.compile(
    rf"(?:(tier)~({_SLUG})~([0-9]{{1,5}}(?:\.[0-9]{{1,4}})?)|(challenge)~({_SLUG})~({_SLUG})|(consolation)~({_SLUG})())"
    r"(?:~([A-Za-z0-9._:@-]{1,128}|erased#[0-9a-f]{16}))?"
)


class Giver(StrEnum):
    """What gives a reward."""

    TIER = "tier"
    CHALLENGE = "challenge"
    CONSOLATION = "consolation"


class Source(NamedTuple):
    """One tier of a goal, by its threshold; one personal challenge of an event, by its id; or a goal's consolation."""

    giver: Giver
    owner_id: str
    """The goal's id, or the event's."""
    name: str
    """Empty for a consolation: a goal has one."""


def grant_id(source: Source, user_id: str) -> str:
    """`tier~lift-the-frost~25~ann`, `challenge~winter-2026~first-ton~ann`, `consolation~lift-the-frost~ann`.

    Without a user it is the world's.
    """
    return "~".join(part for part in (*source, user_id) if part)


def read_grant_id(text: str) -> tuple[Source, str]:
    """What `grant_id` was made of, the user empty for the world. Raises UnknownGrant."""
    told = _GRANT.fullmatch(text)
    if told is None:
        raise UnknownGrant(field="grantId")
    giver, owner_id, name = (one for one in told.groups()[:-1] if one is not None)
    return Source(Giver(giver), owner_id, name), told[told.re.groups] or ""


def message_id(kind: str, subject: str) -> str:
    """The constant id of an announcement; of letters and digits, so that it can be signed as part of a message."""
    return f"msg_{hashlib.blake2b(f'{kind}~{subject}'.encode(), digest_size=16).hexdigest()}"


def outcome(reward: Reward, granted: str, *, secret: bytes, at: datetime) -> Mapping[str, Any]:
    """What claiming a grant gives, beyond what its reward says. Kinds of a host's own give nothing more."""
    fields = reward.fields
    match reward.kind, fields.get("odds"), fields.get("minutes"):
        case "crate", tuple() as odds, _:
            quantity = fields.get("quantity", 1)
            seed = hashlib.blake2b(granted.encode(), key=secret[:64], digest_size=16).hexdigest()
            return {"seed": seed, "prizes": opened(odds, seed, quantity if isinstance(quantity, int) else 1)}
        case "boost", _, int() as minutes:
            return {"startsAt": codec.instant(at), "endsAt": _later(at, minutes)}
        case _:
            return MappingProxyType({})


def opened(odds: Sequence[str], seed: str, quantity: int) -> list[str]:
    """What so many crates with these odds hold: anybody who knows the seed finds the same."""
    told = [match for one in odds if (match := ODDS.fullmatch(one))]
    weights = [int(one[1]) for one in told]
    found = []
    for number in range(min(quantity, OPENED_MAX)):
        digest = hashlib.sha256(f"{seed}:{number}".encode()).digest()
        # 256 bits over a total of less than 40: no prize is preferred.
        rest = int.from_bytes(digest) % sum(weights)
        for one, weight in zip(told, weights, strict=True):
            if rest < weight:
                found.append(one[2])
                break
            rest -= weight
    return found


def _later(at: datetime, minutes: int) -> str | None:
    try:
        return codec.instant(at + timedelta(minutes=minutes))
    except OverflowError:
        return None
