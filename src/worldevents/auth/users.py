"""End users' tokens: JWTs of one issuer, checked with keys that are set here and never with what a token names.

Which algorithms count follows from the setting alone: HS256 with a secret, or public-key ones with the keys of an
address. What is wrong with a token is told to nobody but for its having expired.
"""

from __future__ import annotations

import asyncio
import http.client
import logging
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import jwt

from worldevents import rules
from worldevents.auth.callers import Caller, user_caller
from worldevents.clock import Clock
from worldevents.errors import ConfigurationInvalid, IdInvalid, TokenExpired, Unauthorized
from worldevents.hosts import is_loopback

SECRET_BYTES_MIN: Final = 32
"""As long as what HS256 signs with."""
TOKEN_LETTERS_MAX: Final = 8_192
LEEWAY: Final = timedelta(seconds=60)
"""How far the issuer's clock may be from ours."""
JWKS_TIMEOUT_S: Final = 5
JWKS_LIFESPAN: Final = timedelta(minutes=5)
"""How long fetched keys hold before they are asked for again."""
JWKS_LAST: Final = timedelta(hours=1)
"""How long they go on while the issuer cannot be reached; a key that was taken back there counts no longer."""
JWKS_COOLDOWN: Final = timedelta(seconds=30)
"""The least time between two fetches, however many unknown keys are named and whether the first one worked."""

_FORM: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_INVALID: Final = "this user's token is not valid"
_LAST_SECOND: Final = 2**53
_LAST_INSTANT: Final = datetime.max.replace(tzinfo=UTC).timestamp() - 1
_REQUIRED: Final = ("exp", "iat", "iss", "aud", "sub")

_log = logging.getLogger(__name__)


class KeySource(Protocol):
    """Where the key that a token was signed with comes from, and which algorithms go with it."""

    @property
    def algorithms(self) -> Sequence[str]:
        """The only ones that count."""
        ...

    async def key(self, header: Mapping[str, Any]) -> str | jwt.PyJWK:
        """The key for a token with this header, which nobody has checked yet. Raises Unauthorized."""
        ...


class Secret:
    """One secret that the issuer shares with us."""

    algorithms = ("HS256",)

    def __init__(self, secret: str) -> None:
        if len(secret.encode(errors="replace")) < SECRET_BYTES_MIN:
            raise ConfigurationInvalid(f"a secret has at least {SECRET_BYTES_MIN} bytes", field="jwt_secret")
        self._secret = secret

    async def key(self, header: Mapping[str, Any]) -> str:  # noqa: ARG002 - there is one key, whatever is named
        return self._secret


class Jwks:
    """The issuer's public keys, from one address that is set here; what a token says about addresses is not read."""

    algorithms = ("RS256", "ES256", "EdDSA")

    def __init__(self, url: str, clock: Clock) -> None:
        self._host = _check_address(url)
        self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=JWKS_TIMEOUT_S)
        self._clock = clock
        self._fetching = asyncio.Lock()
        self._tried_at: datetime | None = None
        # One attribute, for it is set by the thread that fetches.
        self._held: tuple[Mapping[str, jwt.PyJWK], datetime | None] = ({}, None)

    async def key(self, header: Mapping[str, Any]) -> jwt.PyJWK:
        kid = header.get("kid")
        if not isinstance(kid, str):
            raise Unauthorized(_INVALID)
        if not self._holds(kid, JWKS_LIFESPAN):
            # Whoever comes during a fetch waits for it, and finds what it brought.
            async with self._fetching:
                if not self._holds(kid, JWKS_LIFESPAN) and not self._is_within(self._tried_at, JWKS_COOLDOWN):
                    await self._fetch()
        if not self._holds(kid, JWKS_LAST):
            raise Unauthorized(_INVALID)
        return self._held[0][kid]

    def _holds(self, kid: str, lifespan: timedelta) -> bool:
        keys, fetched_at = self._held
        return kid in keys and self._is_within(fetched_at, lifespan)

    def _is_within(self, instant: datetime | None, span: timedelta) -> bool:
        # A clock that was set back makes an instant of the future: that is long ago.
        return instant is not None and timedelta(0) <= self._clock.now() - instant < span

    async def _fetch(self) -> None:
        now = self._tried_at = self._clock.now()
        try:
            # The thread keeps what it fetched: a caller who has gone away in the meantime is no reason to lose it.
            await asyncio.to_thread(self._keep, now)
        except (jwt.PyJWTError, OSError, ValueError, RecursionError, http.client.HTTPException) as error:
            _log.warning("the issuer's keys could not be fetched from %s (%s)", self._host, type(error).__name__)

    def _keep(self, now: datetime) -> None:
        keys = self._client.get_signing_keys()
        self._held = ({key.key_id: key for key in keys if key.key_id is not None}, now)


class UserTokens:
    """Turns a token into the user that it was given to."""

    def __init__(self, source: KeySource, *, issuer: str, audience: str, clock: Clock) -> None:
        self._source = source
        self._issuer = issuer
        self._audience = audience
        self._clock = clock

    async def caller(self, token: str) -> Caller:
        """The user. Raises Unauthorized, whatever is wrong and whether the issuer answers."""
        if len(token) > TOKEN_LETTERS_MAX or _FORM.fullmatch(token) is None:
            raise Unauthorized(_INVALID)
        try:
            key = await self._source.key(jwt.get_unverified_header(token))
            claims = jwt.decode(
                token,
                key,
                algorithms=self._source.algorithms,
                issuer=self._issuer,
                audience=self._audience,
                options={
                    "require": list(_REQUIRED),
                    "enforce_minimum_key_length": True,
                    # Below, by our clock.
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
            user_id = rules.check_id(claims["sub"], "sub")
        except (jwt.PyJWTError, IdInvalid, ValueError) as error:
            _log.debug("a user's token was refused (%s)", type(error).__name__)
            raise Unauthorized(_INVALID) from None
        return user_caller(user_id, self._check_times(claims))

    def _check_times(self, claims: Mapping[str, Any]) -> datetime:
        """The instant from which the token counts no longer."""
        now, leeway = self._clock.now().timestamp(), LEEWAY.total_seconds()
        times = [claims["exp"], claims["iat"], claims.get("nbf", claims["iat"])]
        for one in times:
            if isinstance(one, bool) or not isinstance(one, int | float) or not 0 <= one <= _LAST_SECOND:
                raise Unauthorized(_INVALID)
        expires_at, *not_before = times
        if any(one > now + leeway for one in not_before):
            raise Unauthorized(_INVALID)
        if expires_at <= now - leeway:
            raise TokenExpired
        return datetime.fromtimestamp(min(expires_at + leeway, _LAST_INSTANT), UTC)


def key_source(*, secret: str | None, jwks_url: str | None, clock: Clock) -> KeySource:
    """What tokens are checked with; the two exclude each other, for a public key must never pass for a secret."""
    match secret, jwks_url:
        case str(told), None:
            return Secret(told)
        case None, str(url):
            return Jwks(url, clock)
        case None, None:
            raise ConfigurationInvalid("an issuer needs jwt_secret or jwt_jwks_url", field="jwt_secret")
        case _:
            raise ConfigurationInvalid("jwt_secret and jwt_jwks_url exclude each other", field="jwt_jwks_url")


def required(told: str | None, field: str) -> str:
    """A setting that users' tokens cannot do without."""
    if not told:
        raise ConfigurationInvalid(f"users' tokens need {field}", field=field)
    return told


def _check_address(url: str) -> str:
    """The host of an address that keys may be fetched from: https, or http on this machine."""
    try:
        told = urlsplit(url)
        host, scheme = told.hostname or "", told.scheme if told.port != 0 else ""
    except ValueError:
        host, scheme = "", ""
    is_safe = scheme == "https" or (scheme == "http" and is_loopback(host))
    if not host or not is_safe or "@" in url:
        message = "the issuer's keys are at https://…, or on this machine at http://…, without a password"
        raise ConfigurationInvalid(message, field="jwt_jwks_url")
    return host
