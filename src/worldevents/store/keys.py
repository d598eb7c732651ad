"""The name of every key in Redis, and which of them live together: all of one partition share a slot by its tag."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from zlib import crc32

from worldevents.model import Partition

DIGEST_BYTES = 12


@dataclass(frozen=True, slots=True)
class Keys:
    """Names under one prefix, which is the deployment's."""

    prefix: str

    def partition(self, partition: Partition) -> str:
        """What all keys of a partition begin with."""
        return f"{self.prefix}:{{{partition.goal_id}:{partition.number}}}"

    def updates(self, partition: Partition) -> str:
        """The channel on which a partition's changes are told."""
        return f"{self.partition(partition)}:updates"

    @property
    def events(self) -> str:
        """The channel on which newly published events are told, by id."""
        return f"{self.prefix}:events"

    @property
    def said(self) -> str:
        """The channel on which broadcasts are told."""
        return f"{self.prefix}:said"

    def role(self, role: str) -> str:
        """Who has a role."""
        return f"{self.prefix}:role:{role}"

    @property
    def names(self) -> str:
        """The hash of users' display names, for all goals."""
        return f"{self.prefix}:names"


def number_of(user_id: str, partitions: int) -> int:
    """The partition that a user is in, the same in every process."""
    return crc32(user_id.encode()) % partitions if partitions > 1 else 0


def digest(user_id: str, contribution_id: str) -> bytes:
    """What stands for a contribution's id within a partition."""
    return hashlib.blake2b(f"{user_id}\0{contribution_id}".encode(), digest_size=DIGEST_BYTES).digest()
