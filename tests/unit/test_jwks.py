"""Users' tokens signed with an issuer's published keys, fetched from a real address on this machine."""

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import Iterator
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.unit.issuing import AUDIENCE, ISSUER, NOW, Claims, Publisher, SigningKey, claims, encode, forged, publishing
from worldevents.auth import user_tokens
from worldevents.auth.users import JWKS_COOLDOWN, JWKS_LAST, JWKS_LIFESPAN, UserTokens
from worldevents.errors import Unauthorized
from worldevents.testing import ManualClock
from worldevents.testing.builders import DURING

KEYS = {algorithm: SigningKey(f"key-{algorithm}", algorithm) for algorithm in ("RS256", "ES256", "EdDSA")}
STRANGER = SigningKey("key-RS256", "RS256")
NEW = SigningKey("key-new", "ES256")
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask this machine itself."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def issuer() -> Iterator[Publisher]:
    """Publish one key of each algorithm."""
    with publishing(*(key.public() for key in KEYS.values())) as publisher:
        yield publisher


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(DURING)


@pytest.fixture
def users(issuer: Publisher, clock: ManualClock) -> UserTokens:
    return reader(issuer.url, clock)


def reader(url: str, clock: ManualClock) -> UserTokens:
    users = user_tokens(secret="", jwks_url=url, issuer=ISSUER, audience=AUDIENCE, clock=clock)
    assert users is not None
    return users


async def user_of(users: UserTokens, token: str) -> str | None:
    """The user that a token is for, or None."""
    try:
        return (await users.caller(token)).user_id
    except Unauthorized:
        return None


def lasting(**changes: object) -> Claims:
    """What a good token says, for a year."""
    return claims(exp=NOW + 31_536_000, **changes)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
async def test_each_algorithm_is_read(users: UserTokens, key: SigningKey) -> None:
    """RS256, ES256 and EdDSA, each by its key; tampered or expired it is nobody's."""
    assert "ann" == await user_of(users, key.sign(claims()))
    header, _, signature = key.sign(claims()).split(".")
    assert await user_of(users, f"{header}.{encode(claims(sub='bob'))}.{signature}") is None
    assert await user_of(users, key.sign(claims(exp=NOW - 60))) is None


@pytest.mark.parametrize("changes", [{"alg": None}, {"use": None}, {"key_ops": ["verify"]}])
async def test_a_key_need_not_say_everything(clock: ManualClock, changes: Claims) -> None:
    """Without `alg` or `use`, the form of the key says what it is for."""
    for key in KEYS.values():
        published = {name: value for name, value in key.public(**changes).items() if value is not None}
        with publishing(published) as publisher:
            assert "ann" == await user_of(reader(publisher.url, clock), key.sign(claims()))


def _public_key_as_secret(form: Encoding) -> str:
    """A token whose HMAC is made with the published key as if that were a secret."""
    key = KEYS["RS256"]
    written = PublicFormat.SubjectPublicKeyInfo
    secret: bytes = key.private.public_key().public_bytes(form, written)
    return forged({"alg": "HS256", "kid": key.kid}, claims(), secret)


def _by_its_own_key() -> str:
    """A token that brings the key it was signed with."""
    return STRANGER.sign(claims(), jwk=STRANGER.public())


HOSTILE = {
    "stranger": STRANGER.sign(claims()),
    "own key": _by_its_own_key(),
    "HS256 with the public key": _public_key_as_secret(Encoding.PEM),
    "HS256 with the public key, DER": _public_key_as_secret(Encoding.DER),
    "HS256 with the key as published": forged(
        {"alg": "HS256", "kid": "key-RS256"}, claims(), json.dumps(KEYS["RS256"].public()).encode()
    ),
    "none": forged({"alg": "none", "kid": "key-RS256"}, claims()),
    "nOnE": forged({"alg": "nOnE", "kid": "key-RS256"}, claims()),
    "no kid": forged({"alg": "RS256"}, claims(), b"x"),
    "kid is empty": KEYS["RS256"].sign(claims(), kid=""),
    "kid is a number": forged({"alg": "RS256", "kid": 5}, claims(), b"x"),
    "kid of another key": KEYS["RS256"].sign(claims(), kid="key-ES256"),
    "another algorithm": forged({"alg": "RS512", "kid": "key-RS256"}, claims(), b"x"),
    "another algorithm of the list": forged({"alg": "ES256", "kid": "key-RS256"}, claims(), b"x"),
    "no exp": KEYS["ES256"].sign(claims(exp=None)),
    "other issuer": KEYS["ES256"].sign(claims(iss="https://evil.example.com")),
    "other audience": KEYS["ES256"].sign(claims(aud="other")),
    "crit": KEYS["ES256"].sign(claims(), crit=["exp"], exp=1),
}


@pytest.mark.parametrize("token", HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_token_is_nobody(users: UserTokens, token: str) -> None:
    """Signed by strangers, with the public key as a secret, not at all, or right and for somebody else."""
    assert await user_of(users, token) is None


@pytest.mark.parametrize("name", ["jku", "x5u"])
async def test_a_token_names_no_address(users: UserTokens, issuer: Publisher, name: str) -> None:
    """Where a token points nobody looks: a stranger's key published there counts nothing."""
    with publishing(STRANGER.public()) as elsewhere:
        assert await user_of(users, STRANGER.sign(claims(), **{name: elsewhere.url})) is None
        assert "ann" == await user_of(users, KEYS["ES256"].sign(claims(), **{name: elsewhere.url}))
        assert (0, 1) == (elsewhere.asked, issuer.asked)


PUBLISHED_SECRET = b"x" * 32


@pytest.mark.parametrize(
    "changes",
    [{"use": "enc"}, {"kid": None}, {"alg": "RS512"}, {"kty": "oct", "k": encode(PUBLISHED_SECRET), "alg": "HS256"}],
)
async def test_a_key_for_something_else_is_none(clock: ManualClock, changes: Claims) -> None:
    """A key for encryption, without a name, for another algorithm, or that is a secret, signs nobody's token."""
    key = KEYS["RS256"]
    forgery = forged({"alg": "HS256", "kid": key.kid}, claims(), PUBLISHED_SECRET)
    with publishing(key.public(**changes)) as publisher:
        users = reader(publisher.url, clock)
        assert [None, None] == [await user_of(users, key.sign(claims())), await user_of(users, forgery)]


async def test_a_short_key_is_none(clock: ManualClock) -> None:
    """What anybody could break signs nothing."""
    weak = SigningKey("weak", "RS256")
    weak.private = rsa.generate_private_key(65_537, 1_024)  # noqa: S505 - that is what is tested
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = weak.sign(claims())
    with publishing(weak.public()) as publisher:
        assert await user_of(reader(publisher.url, clock), token) is None


# Fetching.


async def test_keys_are_fetched_once(users: UserTokens, issuer: Publisher) -> None:
    """Many tokens at once wait for one fetch, and later ones for none."""
    tokens = [key.sign(claims(sub=f"u{number}")) for number in range(5) for key in KEYS.values()]
    assert None not in await asyncio.gather(*(user_of(users, token) for token in tokens))
    assert "ann" == await user_of(users, KEYS["RS256"].sign(claims()))
    assert 1 == issuer.asked


async def test_a_flood_of_unknown_keys_asks_once(users: UserTokens, issuer: Publisher, clock: ManualClock) -> None:
    """However many keys are named that nobody knows: one question per cool-down, and known keys go on."""
    flood = [STRANGER.sign(claims(), kid=f"unknown-{number}") for number in range(50)]
    assert {None} == set(await asyncio.gather(*(user_of(users, token) for token in flood)))
    assert 1 == issuer.asked
    clock.move(JWKS_COOLDOWN)
    assert {None} == set(await asyncio.gather(*(user_of(users, token) for token in flood)))
    assert "ann" == await user_of(users, KEYS["RS256"].sign(claims()))
    assert 2 == issuer.asked


async def test_a_new_key_is_found(users: UserTokens, issuer: Publisher, clock: ManualClock) -> None:
    """The issuer changes its key: tokens of the new one are read after the cool-down."""
    assert "ann" == await user_of(users, KEYS["RS256"].sign(claims()))
    issuer.publish(NEW.public())
    assert await user_of(users, NEW.sign(claims())) is None
    clock.move(JWKS_COOLDOWN)
    assert "ann" == await user_of(users, NEW.sign(claims()))


async def test_a_key_that_was_taken_back_counts_no_longer(
    users: UserTokens, issuer: Publisher, clock: ManualClock
) -> None:
    """After their life keys are asked for again; one that is gone signs nothing."""
    assert "ann" == await user_of(users, KEYS["RS256"].sign(lasting()))
    issuer.publish(NEW.public())
    clock.move(JWKS_LIFESPAN - SECOND)
    assert "ann" == await user_of(users, KEYS["RS256"].sign(lasting()))
    clock.move(SECOND)
    assert await user_of(users, KEYS["RS256"].sign(lasting())) is None


BROKEN: dict[str, bytes] = {
    "no JSON": b"<html>",
    "no text": b"\xff\xfe",
    "a list": b"[]",
    "no keys": b'{"keys": []}',
    "keys are no list": b'{"keys": 5}',
    "keys are no keys": b'{"keys": [5, null, "x"]}',
    "half a key": b'{"keys": [{"kty": "RSA", "kid": "key-RS256", "n": "AQAB"}]}',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
async def test_an_answer_that_is_none(
    users: UserTokens, issuer: Publisher, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever stands at the address: nobody is let in, and a line in the log says that keys are missing."""
    issuer.body = body
    assert await user_of(users, KEYS["RS256"].sign(claims())) is None
    assert ["WARNING"] == [one.levelname for one in caplog.records]
    assert "127.0.0.1" in caplog.text


@pytest.mark.parametrize("status", [301, 404, 500])
async def test_an_address_that_refuses(
    users: UserTokens, issuer: Publisher, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """An error is no key, and nobody is followed to another address."""
    with publishing(KEYS["RS256"].public()) as elsewhere:
        issuer.status, issuer.location = status, elsewhere.url
        assert await user_of(users, KEYS["RS256"].sign(claims())) is None
        assert (0, 1) == (elsewhere.asked, len(caplog.records))


async def test_an_issuer_that_is_away(
    users: UserTokens, issuer: Publisher, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Known keys go on for an hour; the address is asked at most once per cool-down; then nobody is let in."""
    token = KEYS["RS256"].sign(lasting())
    assert "ann" == await user_of(users, token)
    issuer.status = 503
    clock.move(JWKS_LIFESPAN)
    assert ["ann"] * 20 == [await user_of(users, token) for _ in range(20)]
    assert (2, 1) == (issuer.asked, len(caplog.records))
    clock.move(JWKS_LAST - JWKS_LIFESPAN)
    assert await user_of(users, token) is None
    issuer.status = 200
    clock.move(JWKS_COOLDOWN)
    assert "ann" == await user_of(users, token)


async def test_nobody_answers(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing listens it is Unauthorized with a line in the log, and not asked again at once."""
    with publishing() as gone:
        pass
    users = reader(gone.url, clock)
    assert [None] * 5 == [await user_of(users, KEYS["RS256"].sign(claims())) for _ in range(5)]
    assert 1 == len(caplog.records)


async def test_a_clock_that_is_set_back_locks_nobody_out(
    users: UserTokens, issuer: Publisher, clock: ManualClock
) -> None:
    """What was fetched in the future is fetched again."""
    clock.move(timedelta(days=300))
    assert "ann" == await user_of(users, KEYS["RS256"].sign(lasting()))
    clock.set(DURING)
    assert "ann" == await user_of(users, KEYS["RS256"].sign(lasting()))
    assert 2 == issuer.asked


async def test_a_caller_who_leaves_takes_nothing_along(users: UserTokens, issuer: Publisher) -> None:
    """Who goes away during the fetch does not keep the next one from being let in."""
    issuer.may_answer.clear()
    token = KEYS["RS256"].sign(claims())
    first = asyncio.create_task(user_of(users, token))
    await asyncio.to_thread(issuer.was_asked.wait)
    first.cancel()
    await asyncio.wait([first])
    assert first.cancelled()
    assert await user_of(users, token) is None
    issuer.may_answer.set()
    while await user_of(users, token) is None:
        """The answer is on its way; the test's own limit ends this."""
    assert 1 == issuer.asked


async def test_no_token_is_ever_logged(users: UserTokens, caplog: pytest.LogCaptureFixture) -> None:
    """Of a refused token the log has at most the kind of refusal."""
    caplog.set_level(logging.DEBUG, "worldevents")
    for token in HOSTILE.values():
        assert await user_of(users, token) is None
        for part in token.split(".")[1:]:
            assert not part or part not in caplog.text


def test_the_hmac_of_the_forger_is_right() -> None:
    """The forged HS256 tokens would be good where the public key were the secret."""
    text, _, signature = HOSTILE["HS256 with the public key"].rpartition(".")
    secret = KEYS["RS256"].private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert encode(hmac.digest(secret, text.encode(), hashlib.sha256)) == signature
