"""Random lives of a system with Redis in front of PostgreSQL agree with the same model."""

from collections.abc import Callable

import pytest

from tests.servers import PostgresServer, RedisServer
from tests.system.lives import BUFFERED, IN_BUFFERED, check, on_redis


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", BUFFERED)
def test_a_system_in_redis_lives_as_the_model(
    redis_server: RedisServer, postgres: PostgresServer, part: int, say: Callable[[str], None]
) -> None:
    """The same, where what was answered is on its way to the ledger for a while, and Redis forgets everything."""
    with on_redis(redis_server, postgres) as machine:
        say(check(machine, part, IN_BUFFERED))
