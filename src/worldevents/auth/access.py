"""The live view of all keys: what a running server asks at every request.

Other processes make and revoke keys beside it, so the small table is read again every two seconds. Before it has been
read once nobody is let in.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

from worldevents.access_keys import AccessKey
from worldevents.auth.callers import OPEN, OPERATOR, Caller, caller_of
from worldevents.auth.keys import KEY_PREFIX, digest_of
from worldevents.errors import LedgerUnavailable, Unauthorized

if TYPE_CHECKING:
    from worldevents.auth.users import UserTokens

KEYS_REFRESH_S: Final = 2.0
"""How long a key that was made or revoked by another process may go unnoticed."""
KEY_LETTERS_MAX: Final = 128
"""A longer text is no key, and is not hashed."""

Load = Callable[[], Awaitable[list[AccessKey]]]
Holders = Mapping[bytes, tuple[bytes, Caller | None]]
"""By the digest of a key: that digest, and who holds it."""

_NOBODY: Final = (b"", None)

_log = logging.getLogger(__name__)


class Access:
    """Turns what a request shows into a `Caller`. `load` gives every key that was ever made: `Ledger.keys`."""

    def __init__(
        self,
        load: Load,
        *,
        users: UserTokens | None = None,
        run_token: str | None = None,
        refresh_s: float = KEYS_REFRESH_S,
    ) -> None:
        self._load = load
        self._users = users
        self._refresh_s = refresh_s
        self._always = {} if run_token is None else _held(digest_of(run_token.encode()), OPERATOR)
        self._holders: Holders = self._always
        self._is_open = False
        self._is_behind = False

    @property
    def is_open(self) -> bool:
        """Whether no key has ever been made; a revoked one counts, so revoking the last does not open the door."""
        return self._is_open

    @property
    def has_users(self) -> bool:
        """Whether users' tokens are read."""
        return self._users is not None

    async def refresh(self) -> None:
        """Read the keys again. Raises LedgerUnavailable; then what was known still holds."""
        keys = await self._load()
        holders = dict(self._always)
        for key in keys:
            if key.revoked_at is None:
                holders |= _held(key.digest, caller_of(key))
        self._holders = holders
        self._is_open = not keys

    async def run(self) -> None:
        """Read the keys again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._refresh_s)
            try:
                await self.refresh()
            except LedgerUnavailable as error:
                if not self._is_behind:
                    _log.warning("keys cannot be read, those known still hold: %s", error.detail)
                self._is_behind = True
            else:
                self._is_behind = False

    def caller_of_key(self, bearer: bytes | str) -> Caller | None:
        """The holder of this key, or None: for routes that cannot wait. It is the text alone, without `Bearer`."""
        text = bearer.encode(errors="replace") if isinstance(bearer, str) else bearer
        if not 0 < len(text) <= KEY_LETTERS_MAX:
            return None
        digest = digest_of(text)
        # What is looked up is a hash of what was shown: how long that takes tells nothing about any key.
        known, caller = self._holders.get(digest, _NOBODY)
        return caller if hmac.compare_digest(known, digest) else None

    async def caller(self, authorization: str | None, apikey: str | None = None) -> Caller:
        """Who asks, by the `Authorization` header, or without one by an `apikey`. Raises Unauthorized.

        A bearer that is wrong is refused in open mode too; an apikey is not, for a Supabase client always has one, and
        says it in both places.
        """
        bearer = bearer_of(authorization)
        if bearer is not None and (bearer != apikey or not self._is_open or bearer.startswith(KEY_PREFIX)):
            return await self._caller_of_bearer(bearer)
        if self._is_open:
            return OPEN
        caller = None if apikey is None else self.caller_of_key(apikey)
        if caller is None:
            raise Unauthorized
        return caller

    async def _caller_of_bearer(self, bearer: str) -> Caller:
        caller = self.caller_of_key(bearer)
        if caller is not None:
            return caller
        if bearer.startswith(KEY_PREFIX):
            raise Unauthorized("this key is not known, or it was revoked")
        if self._users is None:
            raise Unauthorized
        return await self._users.caller(bearer)


def _held(digest: bytes, caller: Caller) -> dict[bytes, tuple[bytes, Caller | None]]:
    return {digest: (digest, caller)}


def bearer_of(authorization: str | None) -> str | None:
    """The key or token in an `Authorization` header; None without one. Raises Unauthorized for other schemes."""
    told = (authorization or "").split()
    if not told:
        return None
    match told:
        case [scheme, bearer] if scheme.lower() == "bearer":
            return bearer
        case _:
            raise Unauthorized("the Authorization header holds the word Bearer and a key or token")
