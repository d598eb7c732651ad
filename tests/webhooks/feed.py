"""A feed of one's own: announcements that follow from their number."""

from __future__ import annotations

from datetime import datetime, timedelta

from worldevents.grants import Announcement
from worldevents.testing.builders import DURING
from worldevents.webhooks.operating import KINDS


def announcement(number: int, *, at: datetime | None = None) -> Announcement:
    """The announcement with this number: each a second after the one before, of each kind in turn."""
    kind = KINDS[number % len(KINDS)]
    document = {"grantId": f"g{number}", "userId": f"user-{number % 7}"}
    return Announcement(number, f"msg_{number}", kind, at or DURING + timedelta(seconds=number), document)


class Feed:
    """The first so many announcements."""

    def __init__(self, size: int = 0, *, at: datetime | None = None) -> None:
        self.size = size
        self._at = at

    async def announcements(self, *, after: int, limit: int) -> list[Announcement]:
        last = min(after + limit, self.size)
        return [announcement(number, at=self._at) for number in range(after + 1, last + 1)]
