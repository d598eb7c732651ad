"""The store in Redis, alone or a cluster: the Lua functions decide, the modules beside it speak to it."""

from __future__ import annotations

from worldevents.store.redis.connection import Inspection, inspect
from worldevents.store.redis.moving import OutboxBounds
from worldevents.store.redis.store import RedisStore

__all__ = ["Inspection", "OutboxBounds", "RedisStore", "inspect"]
