"""The store in Redis, alone or a cluster: functions.lua decides, the modules beside it speak to it."""

from __future__ import annotations

from worldevents.store.redis.store import OutboxBounds, RedisStore

__all__ = ["OutboxBounds", "RedisStore"]
