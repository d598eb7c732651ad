"""Where no webhook goes: every row of the table of targets that a server must not be made to call."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from worldevents.errors import BodyInvalid
from worldevents.webhooks.addresses import AddressRefused, Policy, Target, refusal

REFUSED = {
    "0.0.0.0": "unspecified",  # noqa: S104 - it is refused
    "0.1.2.3": "unspecified",
    "10.0.0.1": "private",
    "10.255.255.255": "private",
    "100.64.0.1": "CGNAT",
    "100.127.255.255": "CGNAT",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "169.254.169.254": "link-local",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.1": "protocols",
    "192.0.2.1": "documentation",
    "192.88.99.1": "protocols",
    "192.168.0.1": "private",
    "198.18.0.1": "benchmarks",
    "198.51.100.1": "documentation",
    "203.0.113.1": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "unspecified",
    "::1": "loopback",
    "::7f00:1": "mapped",
    "::ffff:127.0.0.1": "mapped",
    "::ffff:8.8.8.8": "mapped",
    "::ffff:0:127.0.0.1": "mapped",
    "64:ff9b::7f00:1": "NAT64",
    "64:ff9b::808:808": "NAT64",
    "64:ff9b:1::1": "NAT64",
    "100::1": "protocols",
    "2001::1": "Teredo",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2": "Teredo",
    "2001:20::1": "protocols",
    "2001:db8::1": "documentation",
    "2002:7f00:1::": "6to4",
    "2002:808:808::1": "6to4",
    "3fff::1": "documentation",
    "4000::1": "not public",
    "5f00::1": "protocols",
    "fc00::1": "private",
    "fd00:ec2::254": "private",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fec0::1": "private",
    "ff02::1": "multicast",
}
PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450::200e"]


@pytest.mark.parametrize(("address", "why"), REFUSED.items())
def test_an_address_that_is_refused(address: str, why: str) -> None:
    """With the reason in words, and in a URL too."""
    found = ip_address(address)
    assert why in str(refusal(found))
    with pytest.raises(AddressRefused, match=why.replace("(", "").replace(")", "")):
        Policy().check("example.com", found)
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(BodyInvalid) as refused:
        Policy().target(f"https://{host}/")
    assert "url" == refused.value.field


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet(address: str) -> None:
    """Is let through."""
    assert refusal(ip_address(address)) is None
    Policy().check("example.com", ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "https://user@example.com/",
        "https://user:pass@example.com/",
        "https://example.com@10.0.0.1/",
        "https://example.com:22/",
        "https://example.com:80/",
        "https://example.com:8443/",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:+443/",
        "https://example.com/#fragment",
        "https://example.com\\@10.0.0.1/",
        "https://exa mple.com/",
        "https://example.com/\r\nHost: other",
        "https://example.com/\x00",
        "https://ex\u00e4mple.com/",
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://[::1%25eth0]/",
        "https://[v1.x]/",
        "https:///path",
        "https://",
        "//example.com/",
        "example.com",
        "",
        "https://example.com/" + "a" * 1_024,
    ],
)
def test_a_url_that_is_refused(url: str) -> None:
    """Before anything is looked up."""
    with pytest.raises(BodyInvalid) as refused:
        Policy().target(url)
    assert "url" == refused.value.field


def test_a_url_in_its_parts() -> None:
    """As they go out."""
    assert Target("https", "example.com", 443, "/") == Policy().target("https://Example.com")
    assert Target("https", "example.com", 443, "/a/b?c=d&e") == Policy().target("https://example.com/a/b?c=d&e")
    assert Target("https", "example.com", 443, "/?a") == Policy().target("https://example.com?a")
    assert Target("https", "2606:4700::1111", 443, "/") == Policy().target("https://[2606:4700::1111]/")
    assert 8443 == Policy(ports=frozenset({443, 8443})).target("https://example.com:8443/").port


def test_this_machine_is_for_development() -> None:
    """With leave, and by its own names alone; what only resolves to it stays refused."""
    near = Policy(loopback=True)
    assert Target("http", "localhost", 8000, "/x") == near.target("http://localhost:8000/x")
    assert Target("https", "127.0.0.1", 443, "/") == near.target("https://127.0.0.1")
    near.check("localhost", ip_address("::1"))
    for host, address in (("localhost", "10.0.0.1"), ("example.com", "127.0.0.1")):
        with pytest.raises(AddressRefused):
            near.check(host, ip_address(address))
    with pytest.raises(BodyInvalid):
        near.target("http://example.com/")
    with pytest.raises(BodyInvalid):
        near.target("http://localhost:0/")
