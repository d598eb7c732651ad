"""What is told to watchers: messages made once and shared by all, whatever each of them is written as."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from worldevents import codec
from worldevents.model import GoalState, TierUnlock

UPDATE: Final = "goal_update"
UNLOCKED: Final = "goal_tier_unlocked"
STARTED: Final = "goal_started"
COMPLETED: Final = "goal_completed"
ENDED: Final = "goal_ended"
STANDING: Final = "standing_update"
BYE: Final = "bye"

Payload = Callable[[datetime], codec.Json]
"""What a message says when it is made."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Message:
    """What is told to everybody who watches a goal: made once, shared by all."""

    event: str
    id: str
    """Where this stands in what the hub tells: to be given back unread when a watcher comes again."""
    data: bytes
    """A JSON object in one line of ASCII."""
    goal_id: str | None = None
    """The goal it is about; None concerns every watcher."""
    replaceable: bool = False
    """Whether a later such message about the same goal makes this one needless: it is a whole state."""
    snapshot: bool = False
    """Whether it is told for a start, not for a change."""
    key: str = ""
    """Names what is told, by whichever server it is told: the goal's epoch, id and seq first."""
    is_ours: bool = True
    """Whether its names are ours, and none of those of an envelope: a host may say anything."""
    _written: dict[Callable[[Message], bytes], bytes] = field(default_factory=dict, repr=False)

    def written(self, write: Callable[[Message], bytes]) -> bytes:
        """What `write` makes of this message; made at the first asking, and the same bytes for every watcher."""
        made = self._written.get(write)
        if made is None:
            made = self._written[write] = write(self)
        return made


def goal_message(event: str, payload: codec.Json, *, message_id: str, snapshot: bool = False) -> Message:
    """A message about a goal, from what it says."""
    key = f"{payload['epoch']}:{payload['goalId']}:{payload['seq']}"
    if event == UNLOCKED:
        key += f":{payload['threshold']}"
    elif event != UPDATE:
        key += f":{event}"
    return Message(
        event=event,
        id=message_id,
        data=json_bytes(payload),
        goal_id=payload["goalId"],
        replaceable=event == UPDATE,
        snapshot=snapshot,
        key=key,
    )


def update(state: GoalState) -> Payload:
    """What a goal stands at, by the moment at which that is told."""
    return lambda now: codec.update(state, now, snapshot=False)


def unlock(state: GoalState, unlocked: TierUnlock) -> Payload:
    """That a tier was reached."""
    return lambda _: codec.tier_unlocked(state, unlocked)


def json_bytes(value: codec.Json) -> bytes:
    """JSON in one line of ASCII."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")
