"""A store in Redis with a hand inside: its keys beside its verbs, and the syncer behind it."""

from dataclasses import dataclass, replace
from typing import Any, Final

import redis

from worldevents.ledger.base import OutboxLedger
from worldevents.model import GoalContribution, Limits, OutlierRule, Partition
from worldevents.store.redis import OutboxBounds, RedisStore
from worldevents.syncer import Syncer
from worldevents.testing.builders import DURING, a_goal, an_event
from worldevents.testing.opened import word

VOLUME: Final = Partition("volume")
BOUNDS: Final = OutboxBounds(kept_max=500, kept_s=60, bytes_max=100_000)


@dataclass
class Opened:
    store: RedisStore
    ledger: OutboxLedger
    syncer: Syncer
    client: redis.Redis
    prefix: str

    def key(self, name: str) -> str:
        return f"{self.prefix}:{{volume:0}}:{name}"

    def field(self, name: str) -> str:
        found: Any = self.client.hget(self.key("state"), name)
        return (found or b"").decode()

    def everything(self) -> dict[bytes, bytes | None]:
        """All of this store's keys, as they are."""
        names: Any = self.client.keys(f"{self.prefix}:*")
        return {name: self.client.dump(name) for name in names}

    async def tell(self, *batch: GoalContribution) -> list[str]:
        return [word(answer) for answer in await self.store.contribute(batch)]

    async def publish(self, limits: Limits, *, based_on: int = 0, outliers: OutlierRule | None = None) -> None:
        event = an_event(replace(a_goal(target=10**15, limits=limits), outliers=outliers))
        await self.ledger.publish(event, based_on=based_on, author="test", published_at=DURING, reason="")
        await self.store.announce("winter")
        assert await self.syncer.once()
