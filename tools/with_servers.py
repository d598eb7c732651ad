"""Runs a command beside a Redis and a PostgreSQL of its own, which are gone afterwards.

python tools/with_servers.py worldevents demo --redis {redis} --database {database}
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.servers import PostgresServer, RedisServer, why_no_postgres, why_no_redis


def main(command: list[str]) -> int:
    """The command's exit code; 1 where a server is not to be had."""
    missing = [reason for reason in (why_no_redis(), why_no_postgres()) if reason is not None]
    if missing:
        print(*missing, "`make setup` looks for them, or install them yourself.", sep="\n", file=sys.stderr)  # noqa: T201
        return 1
    with RedisServer() as redis, PostgresServer(fsync=True) as postgres:
        addresses = {"{redis}": redis.url, "{database}": postgres.create_database("worldevents")}
        child = subprocess.Popen([addresses.get(word, word) for word in command])  # noqa: S603 - what the caller typed
        # Ctrl-C reaches the child too: it ends by itself, and then the servers do.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        return child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
