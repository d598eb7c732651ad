"""Where a webhook may go: pure decisions about URLs and about the addresses that their names resolve to.

A URL that somebody types must not make this server knock at doors that only it can reach. Names are not resolved here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from worldevents.errors import BodyInvalid
from worldevents.hosts import is_loopback

Address = IPv4Address | IPv6Address

URL_MAX: Final = 1_024
HTTPS_PORT: Final = 443

# No user, no fragment, no letter that two parsers may read in two ways: a name in another script is in punycode.
_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?)"
)
_DEFAULT_PORTS: Final = {"https": HTTPS_PORT, "http": 80}

_REFUSED: Final = {
    ip_network(network): what
    for what, networks in {
        "unspecified": ("0.0.0.0/8", "::/128"),
        "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"),
        "shared by a carrier (CGNAT)": ("100.64.0.0/10",),
        "loopback": ("127.0.0.0/8", "::1/128"),
        "link-local": ("169.254.0.0/16", "fe80::/10"),
        "for protocols": ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "100::/64", "5f00::/16"),
        "for documentation": ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),
        "for benchmarks": ("198.18.0.0/15",),
        "multicast": ("224.0.0.0/4", "ff00::/8"),
        "reserved": ("240.0.0.0/4",),
        "an IPv4 address inside IPv6 (mapped)": ("::ffff:0:0/96", "::/96", "::ffff:0:0:0/96"),
        "an IPv4 address inside IPv6 (NAT64)": ("64:ff9b::/96", "64:ff9b:1::/48"),
        "an IPv4 address inside IPv6 (6to4)": ("2002::/16",),
        "an IPv4 address inside IPv6 (Teredo)": ("2001::/32",),
    }.items()
    for network in networks
}
# The narrowest network says what an address is.
_BY_WIDTH: Final = sorted(_REFUSED, key=lambda network: network.prefixlen, reverse=True)


class AddressRefused(Exception):
    """An address that no webhook goes to; its text says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in its parts, each as it goes out."""

    scheme: str
    host: str
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class Policy:
    """Which URLs and addresses webhooks may have. `loopback` lets this machine's own be used too: for development."""

    ports: frozenset[int] = frozenset({HTTPS_PORT})
    loopback: bool = False

    def target(self, url: str) -> Target:
        """The parts of a URL that webhooks may have. Raises BodyInvalid for `url`."""
        found = _URL.fullmatch(url) if len(url) <= URL_MAX else None
        if found is None:
            raise BodyInvalid("an endpoint is named as https://example.com/webhooks, in ASCII", field="url")
        scheme, host = found["scheme"], found["host"].strip("[]").lower()
        port = int(found["port"] or _DEFAULT_PORTS[scheme])
        target = Target(
            scheme, host, port, found["target"] if found["target"].startswith("/") else f"/{found['target']}"
        )
        if self.is_near(host):
            if not 0 < port < 1 << 16:
                raise BodyInvalid("this is no port", field="url")
            return target
        if scheme != "https":
            raise BodyInvalid("webhooks go out over https alone", field="url")
        if port not in self.ports:
            raise BodyInvalid(f"the port is one of {', '.join(map(str, sorted(self.ports)))}", field="url")
        try:
            literal = ip_address(host)
        except ValueError:
            return target
        try:
            self.check(host, literal)
        except AddressRefused as error:
            raise BodyInvalid(f"no webhook goes there: {error}", field="url") from None
        return target

    def is_near(self, host: str) -> bool:
        """Whether this host is this machine, and may be."""
        return self.loopback and is_loopback(host)

    def check(self, host: str, address: Address) -> None:
        """Raise AddressRefused where an address that `host` has resolved to is not to be connected to."""
        if self.is_near(host):
            if not address.is_loopback:
                raise AddressRefused(f"{host} is {address}, which is not this machine")
            return
        why = refusal(address)
        if why is not None:
            raise AddressRefused(f"{address} is {why}")


def refusal(address: Address) -> str | None:
    """Why no webhook goes to an address; None where it is one of the public internet."""
    for network in _BY_WIDTH:
        if address.version == network.version and address in network:
            return _REFUSED[network]
    # What the tables of later years know and this one does not, and what of IPv6 nobody has been given yet.
    if not address.is_global or (address.version == 6 and address not in _GLOBAL_UNICAST):  # noqa: PLR2004 - IPv6
        return "not public"
    return None


_GLOBAL_UNICAST: Final = ip_network("2000::/3")
