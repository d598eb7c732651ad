"""Users' tokens signed with a shared secret: good ones are their user, hostile ones are nobody."""

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.issuing import AUDIENCE, ISSUER, NOW, SECRET, Claims, SigningKey, claims, encode, forged, signed
from worldevents.access_keys import AccessKey
from worldevents.auth import Access, Right, user_tokens
from worldevents.auth.users import UserTokens
from worldevents.errors import ConfigurationInvalid, Unauthorized
from worldevents.settings import Settings
from worldevents.testing import ManualClock
from worldevents.testing.builders import DURING, a_key

HEADER = {"alg": "HS256", "typ": "JWT"}
SECRET_BYTES = SECRET.encode()
RSA_KEY = SigningKey("k1", "RS256")


def reader(clock: ManualClock | None = None, **changes: Any) -> UserTokens:
    """What reads the tokens of the issuer."""
    told = {"secret": SECRET, "jwks_url": None, "issuer": ISSUER, "audience": AUDIENCE} | changes
    users = user_tokens(**told, clock=clock or ManualClock(DURING))
    assert users is not None
    return users


async def user_of(token: str, users: UserTokens | None = None) -> str | None:
    """The user that a token is for, or None."""
    try:
        return (await (users or reader()).caller(token)).user_id
    except Unauthorized:
        return None


async def test_a_good_token_is_its_user() -> None:
    """The subject is who asks: reads, speaks for nobody else, and is not trusted with an instant."""
    caller = await reader().caller(signed(claims()))
    assert ("ann", frozenset({Right.READ}), False) == (caller.user_id, caller.rights, caller.trusted)
    assert "user:ann" == caller.id


@pytest.mark.parametrize(
    "told",
    [
        claims(aud=["other", AUDIENCE]),
        claims(nbf=NOW - 1),
        claims(nbf=NOW + 60, iat=NOW + 60, exp=NOW - 59),
        claims(exp=NOW + 0.5, iat=NOW - 0.5),
        claims(jti="1", role="authenticated", extra={"deep": [1, None]}),
        claims(sub="a" * 128),
        claims(sub="Ann.Lee_1:x@example-1"),
    ],
)
async def test_what_a_good_token_may_say(told: Claims) -> None:
    """Several audiences, clocks that are a minute apart, fractions, more claims, any id of a user."""
    assert told["sub"] == await user_of(signed(told))


BAD_CLAIMS: dict[str, Claims] = {
    "expired": claims(exp=NOW - 60),
    "long expired": claims(exp=0),
    "not yet": claims(nbf=NOW + 61),
    "from the future": claims(iat=NOW + 61),
    "no exp": claims(exp=None),
    "no iat": claims(iat=None),
    "no iss": claims(iss=None),
    "no aud": claims(aud=None),
    "no sub": claims(sub=None),
    "other issuer": claims(iss="https://evil.example.com"),
    "issuer with more": claims(iss=ISSUER + "/"),
    "other audience": claims(aud="other"),
    "no audience in the list": claims(aud=[]),
    "empty subject": claims(sub=""),
    "subject with spaces": claims(sub="ann lee"),
    "subject with a line": claims(sub="ann\n"),
    "long subject": claims(sub="a" * 129),
    "infinite": claims(exp=float("inf")),
    "not a number": claims(exp=float("nan")),
    "nbf not a number": claims(nbf=float("nan")),
    "exp as text": claims(exp=str(NOW + 600)),
    "exp true": claims(exp=True),
    "iat true": claims(iat=True),
    "beyond all numbers": claims(exp=10**400),
    "negative": claims(exp=-1),
}

HOSTILE: dict[str, str] = {
    "none": forged({"alg": "none"}, claims()),
    "nOnE": forged({"alg": "nOnE"}, claims()),
    "none with a signature": forged({"alg": "none"}, claims(), SECRET_BYTES),
    "no alg": forged({"typ": "JWT"}, claims(), SECRET_BYTES),
    "alg is a list": forged({"alg": ["HS256"]}, claims(), SECRET_BYTES),
    "alg is null": forged({"alg": None}, claims(), SECRET_BYTES),
    "small letters": forged({"alg": "hs256"}, claims(), SECRET_BYTES),
    "HS512": signed(claims(), "x" * 64, algorithm="HS512"),
    "RS256": RSA_KEY.sign(claims()),
    "another secret": signed(claims(), "another secret of at least 32 bytes"),
    "no secret": forged(HEADER, claims(), b""),
    "no signature": forged(HEADER, claims()),
    "tampered": ".".join([signed(claims()).split(".")[0], encode(claims(sub="bob")), signed(claims()).split(".")[2]]),
    "cut": signed(claims())[:-1],
    "padded": signed(claims()) + "==",
    "crit": forged(HEADER | {"crit": ["exp"], "exp": 1}, claims(), SECRET_BYTES),
    "crit b64": forged(HEADER | {"crit": ["b64"], "b64": False}, claims(), SECRET_BYTES),
    "kid is a number": forged(HEADER | {"kid": 1}, claims(), SECRET_BYTES),
    "header is a list": forged([HEADER], claims(), SECRET_BYTES),
    "payload is a list": forged(HEADER, [claims()], SECRET_BYTES),
    "payload is no JSON": forged(HEADER, b"{", SECRET_BYTES),
    "payload is not UTF-8": forged(HEADER, b'{"sub": "\xff"}', SECRET_BYTES),
    "deep payload": forged(HEADER, b"[" * 2_000, SECRET_BYTES),
    "many digits": forged(HEADER, b'{"exp": ' + b"1" * 5_000 + b"}", SECRET_BYTES),
    "audience of numbers": forged(HEADER, claims(aud=[1]), SECRET_BYTES),
    "issuer is a list": forged(HEADER, claims(iss=[ISSUER]), SECRET_BYTES),
    "subject is a number": forged(HEADER, claims(sub=1), SECRET_BYTES),
    "jti is a number": forged(HEADER, claims(jti=1), SECRET_BYTES),
    "exp is null": forged(HEADER, claims() | {"exp": None}, SECRET_BYTES),
    "long": signed(claims(extra="x" * 8_192)),
    "two parts": ".".join(signed(claims()).split(".")[:2]),
    "four parts": signed(claims()) + ".x",
    "five parts": "a.b.c.d.e",
    "dots": "..",
    "no text": "",
    "surrogate": "\ud800.a.b",
    "accents": "é.é.é",
    "a line": signed(claims()) + "\n",
} | {name: forged(HEADER, told, SECRET_BYTES) for name, told in BAD_CLAIMS.items()}


@pytest.mark.parametrize("token", HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_token_is_nobody(token: str) -> None:
    """Whatever is wrong, it is Unauthorized and no other error."""
    with pytest.raises(Unauthorized):
        await reader().caller(token)


async def test_the_forger_can_forge() -> None:
    """A token of the forger with nothing wrong is good: what is refused is refused for what is wrong with it."""
    assert "ann" == await user_of(forged(HEADER, claims(), SECRET_BYTES))


async def test_another_hash_is_another_algorithm() -> None:
    """The right secret with HS512 is refused: the algorithm is set and not chosen."""
    long = SECRET * 2
    assert "ann" == await user_of(signed(claims(), long), reader(secret=long))
    assert await user_of(signed(claims(), long, algorithm="HS512"), reader(secret=long)) is None


@pytest.mark.parametrize("header", [{"jku": "http://127.0.0.1:1/"}, {"x5u": "http://127.0.0.1:1/"}, {"kid": "../../x"}])
async def test_what_a_token_names_is_not_looked_at(header: dict[str, str]) -> None:
    """An address or a key's name in a token changes nothing: the secret decides."""
    assert "ann" == await user_of(signed(claims(), **header))
    assert await user_of(signed(claims(), "another secret of at least 32 bytes", **header)) is None


@given(st.lists(st.text() | st.from_regex(r"[A-Za-z0-9_-]{0,40}", fullmatch=True), max_size=4).map(".".join))
async def test_any_text_is_a_token_or_is_refused(text: str) -> None:
    """Nothing but Unauthorized comes of what is no token."""
    assert await user_of(text) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(["exp", "iat", "nbf", "iss", "aud", "sub", "jti"]), json_values)
async def test_any_claim_is_good_or_refused(name: str, value: object) -> None:
    """Whatever JSON an issuer writes into a claim: a user, or Unauthorized."""
    told = json.loads(json.dumps(claims() | {name: value}))
    user = await user_of(forged(HEADER, told, SECRET_BYTES))
    assert user in (None, told["sub"])


async def test_a_token_expires() -> None:
    """A minute after its time it is refused, and told so: that alone an honest user can mend."""
    clock = ManualClock(DURING)
    users, token = reader(clock), signed(claims(exp=NOW + 100))
    clock.move(timedelta(seconds=159))
    assert "ann" == await user_of(token, users)
    clock.move(timedelta(seconds=1))
    with pytest.raises(Unauthorized, match="expired"):
        await users.caller(token)


# As part of who is let in.


async def no_keys() -> list[AccessKey]:
    return []


async def one_key() -> list[AccessKey]:
    return [a_key()]


async def test_a_user_may_say_the_token_twice() -> None:
    """A Supabase client has its token in both places: with keys it is the user's, as without the apikey."""
    access = Access(one_key, users=reader())
    await access.refresh()
    token = signed(claims())
    for apikey in (token, None, "anything"):
        assert "ann" == (await access.caller(f"Bearer {token}", apikey)).user_id
    with pytest.raises(Unauthorized):
        await access.caller(None, token)


async def test_a_bearer_may_be_a_users_token() -> None:
    """In open mode too a user is that user and no more; a wrong token is refused, and so is one without an issuer."""
    access = Access(no_keys, users=reader())
    await access.refresh()
    assert ("ann", True) == ((await access.caller(f"Bearer {signed(claims())}")).user_id, access.has_users)
    with pytest.raises(Unauthorized):
        await access.caller(f"Bearer {signed(claims(exp=0))}")
    without = Access(no_keys)
    await without.refresh()
    assert not without.has_users
    with pytest.raises(Unauthorized):
        await without.caller(f"Bearer {signed(claims())}")


# Settings.


def test_without_settings_there_are_no_users() -> None:
    """Nothing set, or set to nothing, is nothing to read."""
    for nothing in (None, ""):
        told = dict.fromkeys(("secret", "jwks_url", "issuer", "audience"), nothing)
        assert user_tokens(**told, clock=ManualClock(DURING)) is None


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("jwt_issuer", {"issuer": None}),
        ("jwt_audience", {"audience": ""}),
        ("jwt_secret", {"secret": None}),
        ("jwt_secret", {"secret": "canary-of-31-bytes-0123456789ab"}),
        ("jwt_jwks_url", {"jwks_url": "https://login.example.com/keys"}),
        *(
            ("jwt_jwks_url", {"secret": None, "jwks_url": url})
            for url in (
                "http://login.example.com/keys",
                "http://127.0.0.1.example.com/keys",
                "http://10.0.0.1/keys",
                "https://ann:canary@login.example.com/keys",
                "https://login.example.com:port/keys",
                "file:///etc/passwd",
                "ftp://127.0.0.1/keys",
                "//login.example.com/keys",
                "https:///keys",
                "http://[::1/keys",
                "keys",
                " ",
            )
        ),
    ],
)
def test_settings_that_cannot_be_are_named(field: str, changes: dict[str, Any]) -> None:
    """Half of what is needed, a short secret, both sources at once, or an address that anybody may answer."""
    with pytest.raises(ConfigurationInvalid) as refused:
        reader(**changes)
    assert (field, False) == (refused.value.field, "canary" in repr(refused.value))


@pytest.mark.parametrize(
    "url", ["http://localhost:1/k", "http://127.8.9.1/k", "http://[::1]:1/k", "https://a.example/k"]
)
def test_addresses_that_may_be(url: str) -> None:
    """Https anywhere, and this machine without it."""
    assert reader(secret=None, jwks_url=url)


async def test_no_token_is_ever_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Neither logs nor errors nor reprs hold the secret or a token, good or bad."""
    caplog.set_level(logging.DEBUG)
    users = reader()
    good, bad = signed(claims()), signed(claims(), "canary another secret of 32 bytes")
    shown = [repr(users), repr(users._source), repr(await users.caller(good))]
    for token in (bad, good[:-3], signed(claims(sub="canary canary"))):
        with pytest.raises(Unauthorized) as refused:
            await users.caller(token)
        assert refused.value.__suppress_context__ or refused.value.__context__ is None
        shown += [repr(refused.value), refused.value.detail]
    told = "\n".join([*shown, caplog.text])
    for canary in ("canary", SECRET, *good.split(".")[1:], *bad.split(".")[1:]):
        assert canary not in told


def test_the_settings_keep_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read from the environment, and shown neither with the settings nor in what is wrong with them."""
    monkeypatch.setenv("WORLDEVENTS_JWT_SECRET", SECRET)
    settings = Settings.load(jwt_issuer=ISSUER)
    assert (SECRET, ISSUER) == (settings.jwt_secret, settings.jwt_issuer)
    assert "canary" not in f"{settings!r} {settings}"
    with pytest.raises(ConfigurationInvalid) as refused:
        Settings.load(jwt_secret=b"canary\xff")
    assert ("jwt_secret", False) == (refused.value.field, "canary" in repr(refused.value))
