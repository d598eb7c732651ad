"""Redis in front of PostgreSQL: into Redis beside redis-benchmark, to the ledger beside COPY, a rebuild, a lone caller.

The servers are this program's own: Redis with an append-only file (everysec), PostgreSQL with fsync, both of this
machine. redis-benchmark calls the same function with batches of the same size, over as many connections as the library
has calls under way; its ids and users are random digits.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from benchmarks.event import GOAL, open_event
from benchmarks.library import AMOUNT, user_of
from benchmarks.measuring import Figure, Report, arguments, compared, in_turns, tell
from tests.servers import PostgresServer, RedisServer
from worldevents import Settings, open_runtime
from worldevents.ledger import open_ledger
from worldevents.ledger.schema import contribution
from worldevents.model import Ack, Partition
from worldevents.runtime import CALL_MAX, CALLS_MAX, Runtime, open_syncer
from worldevents.store.keys import Keys

CALLERS = 1_024
TOTAL = 65_536
WAITING = 100_000
"""Contributions that wait in one round of the drain."""
LONE = 300
CROWD = 1_000_000
CROWD_S = 30.0
"""What a rebuild of so many contributors may take."""
_ITEM = ("u-__rand_int__", "c-__rand_int__", "__rand_int__", "5000", "", "0", "", "")

_CROWD = """
    INSERT INTO contributor SELECT %(goal)s, 'user-' || lpad(n::text, 7, '0'), 1 + n * 7368787::bigint %% 1000003, 0
        FROM generate_series(0, %(size)s - 1) AS n;
    INSERT INTO contribution
        SELECT row_number() OVER (), decode(lpad(to_hex(row_number() OVER ()), 32, '0'), 'hex'), goal_id, user_id, 'c',
               amount, 0, 0, 0, NULL, NULL FROM contributor;
    UPDATE goal SET total = (SELECT sum(amount) FROM contributor), seq = %(size)s WHERE id = %(goal)s;
"""


@dataclass(frozen=True, slots=True)
class Servers:
    """Both, and new places in them."""

    redis: RedisServer
    postgres: PostgresServer

    def settings(self, **more: Any) -> Settings:
        """A new database, and names of its own in Redis."""
        own = uuid.uuid4().hex[:8]
        url = self.postgres.create_database(f"bench_{own}")
        return Settings.load(redis_url=self.redis.url, redis_prefix=own, database_url=url, **more)


@asynccontextmanager
async def counting(settings: Settings) -> AsyncIterator[Runtime]:
    """The system with one goal that takes contributions."""
    async with open_runtime(settings) as runtime:
        await runtime.engine.publish(open_event(), author="benchmark")
        yield runtime


def keys_of(settings: Settings) -> str:
    """How the names of the goal's keys begin."""
    return Keys(settings.redis_prefix).partition(Partition(GOAL))


# Into Redis.


async def ours(servers: Servers, total: int) -> float:
    """Contributions per second through `engine.contribute`; nobody carries them on."""
    settings = servers.settings()
    async with counting(settings):
        pass
    async with open_runtime(settings.model_copy(update={"sync": False})) as runtime:
        numbers = iter(range(total))

        async def caller() -> None:
            for number in numbers:
                await runtime.engine.contribute(GOAL, user_of(number), AMOUNT, contribution_id=f"c-{number}")

        begun = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        took = time.perf_counter() - begun
        state = await runtime.store.state(GOAL)
    if state.total != total * AMOUNT * 1_000:
        raise RuntimeError(f"{total} were told, the total is {state.total}")
    return total / took


def theirs(servers: Servers, program: str, total: int) -> float:
    """Contributions per second of redis-benchmark, which calls the same function."""
    settings = servers.settings()
    asyncio.run(_begin(settings))
    calls = max(CALLS_MAX, total // CALL_MAX)
    places = ["-p", str(servers.redis.port), "-n", str(calls), "-c", str(CALLS_MAX), "-r", "2000000000", "--csv"]
    bounds = ["", "7200000000", "5000000", "1073741824", str(2**53)]
    call = ["FCALL", "worldevents_contribute", "1", keys_of(settings), *bounds, *(_ITEM * CALL_MAX)]
    told = subprocess.run([program, *places, *call], capture_output=True, text=True, check=True)  # noqa: S603
    with servers.redis.client() as client:
        found: Any = client.hget(f"{keys_of(settings)}:state", "last")
    # Of so many random numbers some come twice.
    if not 0.999 * calls * CALL_MAX <= int(found) <= calls * CALL_MAX:
        raise RuntimeError(f"{calls * CALL_MAX} were told, {found!r} are there")
    # Its last line: "FCALL …","calls per second",…
    return float(told.stdout.strip().splitlines()[-1].rpartition('"FCALL')[2].split('","')[1]) * CALL_MAX


async def _begin(settings: Settings) -> None:
    async with counting(settings):
        pass


# To the ledger.


async def _filled(servers: Servers, waiting: int) -> Settings:
    settings = servers.settings()
    await _begin(settings)
    async with open_runtime(settings.model_copy(update={"sync": False})) as runtime:
        for start in range(0, waiting, 10_000):
            await asyncio.gather(
                *(
                    runtime.engine.contribute(GOAL, user_of(one), AMOUNT, contribution_id=f"c-{one}")
                    for one in range(start, min(waiting, start + 10_000))
                )
            )
    return settings


async def drained(settings: Settings, waiting: int) -> float:
    """Contributions per second that the syncer carries."""
    async with open_syncer(settings) as (_, syncer):
        begun = time.perf_counter()
        await syncer.once()
        took = time.perf_counter() - begun
    async with open_ledger(settings.database_url) as ledger:
        (total,) = [one.total for one in (await ledger.totals()).values()]
    if total != waiting * AMOUNT * 1_000:
        raise RuntimeError(f"{waiting} waited, the ledger has {total}")
    return waiting / took


def copied(settings: Settings, waiting: int) -> float:
    """Rows per second of COPY alone: the same rows into a table like theirs, in as many transactions."""
    size, names = settings.sync_batch_max, [column.name for column in contribution.columns]
    with psycopg.connect(settings.database_url) as connection:
        connection.execute("CREATE TABLE plain (LIKE contribution INCLUDING ALL)")
        rows = connection.execute("SELECT * FROM contribution ORDER BY position").fetchall()
        connection.commit()
        begun = time.perf_counter()
        for start in range(0, waiting, size):
            with connection.cursor() as cursor, cursor.copy(f"COPY plain ({', '.join(names)}) FROM STDIN") as copy:
                for row in rows[start : start + size]:
                    copy.write_row(row)
            connection.commit()
        return waiting / (time.perf_counter() - begun)


def draining(servers: Servers, rounds: int, waiting: int) -> Figure:
    """COPY of the rows that the syncer has carried just before."""
    found: dict[str, list[float]] = {"COPY": [], "syncer": []}
    for _ in range(rounds):
        settings = asyncio.run(_filled(servers, waiting))
        found["syncer"].append(asyncio.run(drained(settings, waiting)))
        found["COPY"].append(copied(settings, waiting))
    return compared("from the outbox to the ledger", "contributions/s", found, at_least=0.1)


# A lone caller, and a crowd.


async def lone(servers: Servers, ack: Ack) -> str:
    """The time of one contribution when nothing else happens, in milliseconds."""
    async with counting(servers.settings()) as runtime:
        times = []
        for number in range(LONE):
            begun = time.perf_counter()
            await runtime.engine.contribute(GOAL, "ann", AMOUNT, contribution_id=f"c-{number}", ack=ack)
            times.append((time.perf_counter() - begun) * 1_000)
        cuts = statistics.quantiles(times, n=100)
    return f"p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms"


async def rebuilt(servers: Servers, size: int) -> dict[str, str]:
    """How long a goal of so many contributors takes from the ledger into Redis, and what each takes there."""
    settings = servers.settings()
    await _begin(settings)
    with psycopg.connect(settings.database_url) as connection, psycopg.ClientCursor(connection) as cursor:
        cursor.execute(_CROWD.encode(), {"goal": GOAL, "size": size})
    with servers.redis.client() as client:
        client.flushall()
        begun = time.perf_counter()
        async with open_runtime(settings) as runtime:
            took = time.perf_counter() - begun
            if (participants := (await runtime.store.state(GOAL)).participants) != size:
                raise RuntimeError(f"{size} contributors were expected, {participants} are there")
        board: Any = client.memory_usage(f"{keys_of(settings)}:board", samples=0)
    verdict = "met" if took < CROWD_S else "MISSED"
    return {
        f"rebuild of {size:,} contributors": f"{took:.1f} s (wanted < {CROWD_S:g}: {verdict})",
        "Redis, a contributor": f"{board / size:.0f} bytes",
    }


def sizes(settings: Settings, servers: Servers, count: int) -> dict[str, str]:
    """What an id and an entry take in Redis."""
    base = keys_of(settings)
    with servers.redis.client() as client:
        seen: Any = client.keys(f"{base}:seen:*")
        ids = sum(client.memory_usage(name, samples=0) or 0 for name in seen)
        outbox: Any = client.memory_usage(f"{base}:outbox", samples=0)
    return {"Redis, an id": f"{ids / count:.0f} bytes", "Redis, an entry of the outbox": f"{outbox / count:.0f} bytes"}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and tell."""
    parser = arguments(__doc__ or "", rounds=5)
    parser.add_argument("--scale", type=float, default=1.0, help="how much of the full size (default: %(default)s)")
    chosen = parser.parse_args(argv)
    scaled: Callable[[int], int] = lambda full: max(CALLERS, int(full * chosen.scale))  # noqa: E731
    with RedisServer({"appendonly": "yes", "appendfsync": "everysec"}) as redis, PostgresServer(fsync=True) as postgres:
        servers = Servers(redis, postgres)
        figures: list[Figure] = []
        notes: dict[str, str] = {}
        program = shutil.which("redis-benchmark")
        if program is not None:
            sides = {
                "redis-benchmark": lambda: theirs(servers, program, scaled(TOTAL)),
                "worldevents": lambda: asyncio.run(ours(servers, scaled(TOTAL))),
            }
            figures.append(compared("into Redis", "contributions/s", in_turns(chosen.rounds, sides), at_least=0.3))
        figures.append(draining(servers, chosen.rounds, scaled(WAITING)))
        notes |= {f"a lone caller, {ack}": asyncio.run(lone(servers, ack)) for ack in (Ack.APPLIED, Ack.LEDGER)}
        notes |= sizes(asyncio.run(_filled(servers, scaled(TOTAL))), servers, scaled(TOTAL))
        notes |= asyncio.run(rebuilt(servers, scaled(CROWD)))
    tell(Report("Redis in front of PostgreSQL", figures, notes), as_json=chosen.json)


if __name__ == "__main__":
    main()
