"""Which hosts are this machine: one answer for whoever is let in, listens, or is spoken to without a proxy."""

from __future__ import annotations

import ipaddress
from typing import Final

_NAMES: Final = frozenset({"localhost", "ip6-localhost"})


def is_loopback(host: str) -> bool:
    """Whether this name or address, without a port, never leaves the machine."""
    try:
        return host in _NAMES or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
