"""The servers of the tests do what the fault tests ask of them."""

from collections.abc import Callable

import psycopg
import pytest
import redis

from tests.servers import PostgresServer, RedisCluster, RedisServer
from tests.servers.ports import Port

Crash = Callable[[PostgresServer], None]


def test_no_two_have_one_port() -> None:
    """A port that is held is given to nobody else."""
    held = [Port() for _ in range(50)]
    try:
        assert 50 == len({port.number for port in held})
    finally:
        for port in held:
            port.give_back()


def test_a_killed_redis_comes_back_as_another_run(kept_redis: RedisServer) -> None:
    """What was answered is there after kill -9, on the same port, and the process has another name."""
    before = kept_redis.run_id()
    with kept_redis.client() as client:
        client.set("name", "winter")
        kept_redis.kill()
        with pytest.raises(redis.ConnectionError):
            client.get("name")
        kept_redis.start()
        assert b"winter" == client.get("name")
    assert before != kept_redis.run_id()


def test_a_wiped_redis_is_empty(kept_redis: RedisServer) -> None:
    """Without its folder it begins again with nothing."""
    with kept_redis.client() as client:
        client.set("name", "winter")
    kept_redis.kill()
    kept_redis.wipe()
    kept_redis.start()
    with kept_redis.client() as client:
        assert client.get("name") is None


def _kill(server: PostgresServer) -> None:
    server.kill()


def _stop_at_once(server: PostgresServer) -> None:
    server.stop_at_once()


@pytest.mark.parametrize("crash", [_kill, _stop_at_once])
def test_a_killed_postgres_comes_back(kept_postgres: PostgresServer, crash: Crash) -> None:
    """What was committed is there after a crash in mid-transaction, and what was not is not."""
    with psycopg.connect(kept_postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
    half = psycopg.connect(kept_postgres.url())
    half.execute("INSERT INTO kept VALUES (2)")
    crash(kept_postgres)
    with pytest.raises(psycopg.OperationalError):
        half.execute("SELECT 1")
    half.close()
    kept_postgres.start()
    with psycopg.connect(kept_postgres.url()) as connection:
        assert [(1,)] == connection.execute("SELECT number FROM kept").fetchall()


def test_a_cluster_has_all_slots(redis_cluster: RedisCluster) -> None:
    """Three masters serve all slots between them, and a key is found on whichever has it."""
    with redis.RedisCluster(host="127.0.0.1", port=redis_cluster.nodes[1].port) as client:
        for number in range(20):
            client.set(f"key-{number}", number)
        assert [str(number).encode() for number in range(20)] == [client.get(f"key-{number}") for number in range(20)]
        assert 3 == len(client.get_primaries())


def test_valkey_is_a_redis_too(valkey_server: RedisServer) -> None:
    """Where there is a Valkey it starts as a Redis does."""
    with valkey_server.client() as client:
        assert client.ping()
