"""The caller of a request, and what it may do: pure, and the one place where that is decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from worldevents.access_keys import AccessKey, KeyKind, Right
from worldevents.errors import Forbidden
from worldevents.model import CommunityGoal


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, as far as it matters: a key, a user with a token, this machine, or anybody in open mode."""

    id: str
    """Tells callers apart, for limits and logs; says nothing secret."""
    hint: str
    """How lists and logs name the caller: of a key its beginning and last four letters."""
    rights: frozenset[Right]
    goals: frozenset[str] = frozenset()
    """The goals that the rights are for; empty is all."""
    user_id: str | None = None
    """The one user that this caller is; None for a server, which speaks for all of its users."""
    trusted: bool = False
    """Whether it may say when something happened."""
    until: datetime | None = None
    """When what it showed counts no longer; None for a key."""

    @property
    def is_unbounded(self) -> bool:
        """Whether it may contribute to any goal, for any user, at any instant: nothing is left to ask of an item."""
        return Right.CONTRIBUTE in self.rights and self.trusted and self.user_id is None and not self.goals

    def may(self, right: Right, goal_id: str | None = None) -> bool:
        """Whether it has a right for a goal; without a goal: for everything."""
        return right in self.rights and (not self.goals or goal_id in self.goals)

    def require(self, right: Right, goal_id: str | None = None) -> None:
        """Forbidden unless it has the right for this goal; without a goal, for everything."""
        if right not in self.rights:
            raise Forbidden(f"this needs the right to {right}")
        if not self.may(right, goal_id):
            raise Forbidden(f"this key has the right to {right} for certain goals alone", field="goalId")

    def require_any(self, right: Right) -> None:
        """Forbidden unless there may be a goal for which it has the right; which one is asked later.

        A user may turn out to contribute to some goal.
        """
        if right not in self.rights and not (right is Right.CONTRIBUTE and self.user_id is not None):
            raise Forbidden(f"this needs the right to {right}")

    def require_server(self, right: Right, goal_id: str | None = None) -> None:
        """Forbidden unless it is a server with a secret key that has the right for this goal, or for everything."""
        if self.user_id is not None or not self.trusted:
            raise Forbidden("this is for servers, by a secret key")
        self.require(right, goal_id)

    def require_contribute(self, goal: CommunityGoal) -> None:
        """Forbidden unless it may contribute to this goal: by its right, or as a player where the goal takes those."""
        if self.user_id is None:
            self.require(Right.CONTRIBUTE, goal.id)
        elif not goal.players_contribute:
            raise Forbidden("players do not contribute to this goal themselves", field="goalId")

    def require_actions(self) -> None:
        """Forbidden unless it may contribute to every goal: an action feeds all that are open."""
        self.require(Right.CONTRIBUTE)

    def check_user(self, user_id: str | None) -> None:
        """Forbidden where a user asks about another one, or contributes as another one."""
        if self.user_id is not None and user_id is not None and user_id != self.user_id:
            raise Forbidden("a user's token is for that user alone", field="userId")


OPEN: Final = Caller(id="open", hint="open mode", rights=frozenset(Right), trusted=True)
"""Anybody, while no key exists."""
OPERATOR: Final = Caller(id="run", hint="run token", rights=frozenset(Right), trusted=True)
"""The command line on the server's own machine."""


def caller_of(key: AccessKey) -> Caller:
    """What the holder of a key may do."""
    is_secret = key.kind is KeyKind.SECRET
    return Caller(
        id=f"key:{key.id}",
        hint=key.hint,
        rights=key.rights if is_secret else key.rights & {Right.READ},
        goals=key.goals,
        trusted=is_secret,
    )


def user_caller(user_id: str, until: datetime) -> Caller:
    """What a user with a token may do until then: read, and what goals give to players."""
    rights = frozenset({Right.READ})
    return Caller(id=f"user:{user_id}", hint="a user's token", rights=rights, user_id=user_id, until=until)
