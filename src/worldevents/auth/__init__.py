"""Who may do what: keys with rights, users' tokens, and the caller that a request turns out to have.

Nothing here knows HTTP or a database, and nothing shows, logs or raises a key or a token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from worldevents.access_keys import AccessKey, KeyKind, Right
from worldevents.auth.access import KEYS_REFRESH_S, Access
from worldevents.auth.callers import Caller
from worldevents.auth.keys import NewKey, new_key
from worldevents.clock import Clock
from worldevents.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from worldevents.auth.users import UserTokens

__all__ = [
    "KEYS_REFRESH_S",
    "Access",
    "AccessKey",
    "Caller",
    "KeyKind",
    "NewKey",
    "Right",
    "new_key",
    "user_tokens",
]


def user_tokens(
    *, secret: str | None, jwks_url: str | None, issuer: str | None, audience: str | None, clock: Clock
) -> UserTokens | None:
    """What reads users' tokens by these settings; None where none of them is set.

    Raises ConfigurationInvalid, which names the setting and never shows the secret.
    """
    if not any((secret, jwks_url, issuer, audience)):
        return None
    try:
        # Only here: PyJWT comes with the server, and keys alone do not need it.
        from worldevents.auth import users  # noqa: PLC0415
    except ImportError as error:
        message = "users' tokens need PyJWT: pip install 'worldevents[server]'"
        raise ConfigurationInvalid(message, field="jwt_issuer") from error
    return users.UserTokens(
        users.key_source(secret=secret or None, jwks_url=jwks_url or None, clock=clock),
        issuer=users.required(issuer, "jwt_issuer"),
        audience=users.required(audience, "jwt_audience"),
        clock=clock,
    )
