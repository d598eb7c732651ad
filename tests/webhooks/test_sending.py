"""One attempt over real sockets: what is connected to, what is sent, and what every answer is called."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

import httpcore2
import pytest

from tests.webhooks.receiver import OK, Receiver, answered, receiving
from tests.webhooks.test_addresses import REFUSED
from worldevents.webhooks.addresses import Address, Policy
from worldevents.webhooks.schedule import Answer
from worldevents.webhooks.sending import ANSWER_MAX, Checked, Resolve, resolve, sending

pytestmark = pytest.mark.usefixtures("no_leaks")
NEAR = Policy(loopback=True)
HEADERS = {"webhook-id": "msg_1", "content-type": "application/json"}


async def posted(url: str, policy: Policy = NEAR, *, lookup: Resolve = resolve, try_s: float = 5.0) -> Answer:
    async with sending(policy, lookup=lookup, try_s=try_s) as sender:
        return await sender.post(url, HEADERS, b"{}")


def known_as(*addresses: str) -> Resolve:
    """A look-up that gives these addresses for any name."""

    async def lookup(_host: str, _port: int) -> list[Address]:
        return [ip_address(one) for one in addresses]

    return lookup


class Watched(httpcore2.AsyncNetworkBackend):
    """Connects to nothing, and remembers where it was to."""

    def __init__(self, *, refuses: Iterable[str] = ()) -> None:
        self.asked: list[tuple[str, int]] = []
        self._refuses = set(refuses)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - the library's own contract
        local_address: str | None = None,  # noqa: ARG002 - the same
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,  # noqa: ARG002 - the same
    ) -> httpcore2.AsyncNetworkStream:
        self.asked.append((host, port))
        if host in self._refuses:
            raise httpcore2.ConnectError
        return httpcore2.AsyncMockStream([OK])


async def test_a_message_arrives_as_it_is(receiver: Receiver) -> None:
    """Its path, headers and body; connections are used again."""
    async with sending(NEAR) as sender:
        for _ in range(3):
            assert Answer(204, "HTTP 204") == await sender.post(f"{receiver.url}?a=b", HEADERS, b'{"a":1}')
    (first, *_) = receiver.sent
    assert ("/webhooks?a=b", b'{"a":1}', "msg_1") == (first.target, first.body, first.id)
    assert receiver.url.split("/")[2] == first.headers["host"]
    assert 3 == len(receiver.sent)


@pytest.mark.parametrize("address", REFUSED)
async def test_a_name_of_a_refused_address_is_not_called(address: str) -> None:
    """Alone, or as the last of several that may be called: nothing is connected to."""
    for found in ([address], ["1.1.1.1", "2606:4700::1111", address]):
        watched = Watched()
        backend = Checked(Policy(), known_as(*found), watched)
        async with httpcore2.AsyncConnectionPool(network_backend=backend) as pool:
            with pytest.raises(Exception, match="is "):
                await pool.request("POST", "https://example.com/")
        assert [] == watched.asked
        answer = await posted("https://example.com/", Policy(), lookup=known_as(*found))
        assert (None, True) == (answer.status, answer.told.startswith("refused to call"))


@pytest.mark.parametrize(
    "host",
    ["0177.0.0.1", "0x7f.1", "127.1", "2130706433", "0x7f000001", "017700000001", "0", "localhost"],
)
async def test_this_machine_by_its_other_names_is_not_called(host: str) -> None:
    """What the system itself makes an address of this machine, is one."""
    answer = await posted(f"https://{host}/", Policy())
    assert answer.status is None
    assert answer.told.startswith("refused to call: "), answer
    assert "loopback" in answer.told or "unspecified" in answer.told


async def test_the_address_that_was_checked_is_connected_to() -> None:
    """A name that is another address a moment later is not looked up again: one look-up for a connection."""
    told = [["93.184.216.34"], ["127.0.0.1"]]
    looked: list[str] = []

    async def rebinding(host: str, _port: int) -> list[Address]:
        looked.append(host)
        return [ip_address(one) for one in told[len(looked) - 1]]

    watched = Watched()
    backend = Checked(Policy(), rebinding, watched)
    await backend.connect_tcp("example.com", 443)
    assert ([("93.184.216.34", 443)], ["example.com"]) == (watched.asked, looked)
    with pytest.raises(Exception, match="loopback"):
        await backend.connect_tcp("example.com", 443)
    assert 1 == len(watched.asked)


async def test_of_several_addresses_one_that_answers_is_used() -> None:
    """In their order."""
    watched = Watched(refuses=["1.1.1.1"])
    await Checked(Policy(), known_as("1.1.1.1", "8.8.8.8"), watched).connect_tcp("example.com", 443)
    assert [("1.1.1.1", 443), ("8.8.8.8", 443)] == watched.asked
    with pytest.raises(httpcore2.ConnectError):
        await Checked(Policy(), known_as("1.1.1.1"), watched).connect_tcp("example.com", 443)


async def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    """It is an answer like any other, and nothing else is called."""
    async with receiving() as elsewhere:
        receiver.answer = lambda _: answered("307 Temporary Redirect", f"location: {elsewhere.url}")
        assert Answer(307, "HTTP 307") == await posted(receiver.url)
        assert [] == elsewhere.sent


async def test_the_environments_proxy_is_not_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands there."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert 204 == (await posted(receiver.url)).status


async def test_of_a_large_answer_the_beginning_is_read(receiver: Receiver) -> None:
    """What it says first counts; the rest is left where it is."""
    receiver.answer = lambda _: answered("200 OK", body=b"x" * 200 * ANSWER_MAX)
    assert Answer(200, "HTTP 200") == await posted(receiver.url)
    receiver.answer = lambda _: b"HTTP/1.1 200 OK\r\nx: " + b"x" * 10_000_000
    assert (await posted(receiver.url)).status is None


async def test_an_answer_that_does_not_end_counts(receiver: Receiver) -> None:
    """A status is an answer, though what follows it breaks or never comes."""
    receiver.answer = lambda _: b"HTTP/1.1 202 Accepted\r\ncontent-length: 100\r\n\r\nhalf"
    assert Answer(202, "HTTP 202") == await posted(receiver.url, try_s=0.2)


async def test_what_a_receiver_asks_for_is_told_on(receiver: Receiver) -> None:
    """Its Retry-After, as it stands."""
    receiver.answer = lambda _: answered("429 Too Many Requests", "Retry-After: 120")
    assert Answer(429, "HTTP 429", "120") == await posted(receiver.url)


async def test_what_goes_wrong_is_an_answer(receiver: Receiver, unused_tcp_port_url: str) -> None:
    """Silence, a closed door, a broken connection, a name that is none, something else than HTTP."""
    receiver.answer = lambda _: None
    assert Answer(None, "no answer in time") == await posted(receiver.url, try_s=0.1)
    receiver.answer = lambda _: b""
    assert Answer(None, "the connection broke") == await posted(receiver.url)
    receiver.answer = lambda _: b"SSH-2.0-OpenSSH_9.2\r\n\r\n"
    assert Answer(None, "the connection broke") == await posted(receiver.url)
    assert Answer(None, "no connection") == await posted(unused_tcp_port_url)
    assert (await posted("https://nowhere.invalid/", Policy())).status is None
    refused = await posted("http://example.com/", Policy())
    assert Answer(None, "refused to call: webhooks go out over https alone") == refused


async def test_a_slow_look_up_is_within_the_time() -> None:
    """All of an attempt is."""

    async def slow(_host: str, _port: int) -> list[Address]:
        await asyncio.get_running_loop().create_future()
        return []

    assert Answer(None, "no answer in time") == await posted("https://a.example/", Policy(), lookup=slow, try_s=0.05)


@pytest.fixture
def unused_tcp_port_url() -> str:
    """Give an address at which nobody is."""
    return "http://127.0.0.1:9/"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for `localhost`, with its key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, *names, "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


async def test_tls_is_spoken_with_the_name(certificate: Path) -> None:
    """Though an address is connected to, the certificate has to be the name's; one that is not trusted does not do."""
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(certificate)
    asked: list[str | None] = []
    serving.sni_callback = lambda _socket, name, _context: asked.append(name)
    trusted = ssl.create_default_context(cafile=f"{certificate}.crt")
    async with receiving(tls=serving) as receiver:
        async with sending(NEAR, trusted=trusted, lookup=known_as("127.0.0.1")) as sender:
            assert 204 == (await sender.post(receiver.url, HEADERS, b"{}")).status
            by_address = receiver.url.replace("localhost", "127.0.0.1")
            assert Answer(None, "no TLS") == await sender.post(by_address, HEADERS, b"{}")
        assert "localhost" == asked[0]
        assert Answer(None, "no TLS") == await posted(receiver.url)
        assert 1 == len(receiver.sent)
