"""A Redis Cluster of our own: three masters, each with a third of the slots, and no replicas."""

import time
from contextlib import ExitStack
from itertools import pairwise
from types import TracebackType
from typing import Final, Self

from tests.servers.ports import Port
from tests.servers.process import POLL_S, START_S
from tests.servers.redis import KEPT, RedisServer

NODES: Final = 3
SLOTS: Final = 16_384


class RedisCluster:
    """`with RedisCluster() as cluster`: each of its nodes is a RedisServer, to be killed and started as any."""

    def __init__(self) -> None:
        self.nodes: list[RedisServer] = []
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        return f"redis+cluster://127.0.0.1:{self.nodes[0].port}"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for _ in range(NODES):
                bus = Port()
                stack.callback(bus.give_back)
                options = {
                    **KEPT,
                    "appendfsync": "everysec",
                    "cluster-enabled": "yes",
                    "cluster-port": str(bus.number),
                    "cluster-node-timeout": "2000",
                }
                self.nodes.append(stack.enter_context(RedisServer(options)))
            self._join()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _join(self) -> None:
        """Give each node its slots, have them meet, and wait until each one says that all is served."""
        bounds = [SLOTS * number // NODES for number in range(NODES + 1)]
        for node, (first, behind) in zip(self.nodes, pairwise(bounds), strict=True):
            with node.client() as client:
                client.execute_command("CLUSTER ADDSLOTSRANGE", first, behind - 1)
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", self.nodes.index(node) + 1)
        with self.nodes[0].client() as client:
            for node in self.nodes[1:]:
                client.execute_command("CLUSTER MEET", "127.0.0.1", node.port, node.options["cluster-port"])
        self.wait()

    def wait(self) -> None:
        """Return when every node says that all slots are served."""
        deadline = time.monotonic() + START_S
        while not all(map(_is_whole, self.nodes)):
            if time.monotonic() > deadline:
                raise TimeoutError("the cluster does not come together")
            time.sleep(POLL_S)


def _is_whole(node: RedisServer) -> bool:
    with node.client() as client:
        told: dict[str, str] = client.execute_command("CLUSTER INFO")
    return ("ok", str(NODES)) == (told["cluster_state"], told["cluster_known_nodes"])
