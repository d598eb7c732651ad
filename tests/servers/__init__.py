"""Real servers for the tests: found, started on ports and folders of their own, killed, started again, stopped.

Nothing here installs anything (tools/real_servers does), and nothing touches a server that is already running.
"""

from tests.servers.cluster import RedisCluster
from tests.servers.postgres import PostgresServer, find_postgres, why_no_postgres
from tests.servers.redis import RedisServer, find_redis, find_valkey, why_no_redis, why_no_valkey

__all__ = [
    "PostgresServer",
    "RedisCluster",
    "RedisServer",
    "find_postgres",
    "find_redis",
    "find_valkey",
    "why_no_postgres",
    "why_no_redis",
    "why_no_valkey",
]
