"""All settings: one frozen object, read from the environment with the prefix WORLDEVENTS_, or given by a host."""

from __future__ import annotations

import reprlib
from typing import Any, Literal, Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from worldevents.errors import ConfigurationInvalid
from worldevents.model import Ack


class Settings(BaseSettings):
    """Each field's default serves one process on one machine; `load` reports a bad value with its name."""

    model_config = SettingsConfigDict(env_prefix="WORLDEVENTS_", frozen=True, extra="forbid")

    database_url: str = Field(default="sqlite:///worldevents.db", repr=False)
    """The ledger: `sqlite:///file` or `postgresql://user@host/name`."""

    redis_url: str = Field(default="", repr=False)
    """The store in front of the ledger: `redis://`, `rediss://` or `redis+cluster://host`; without it, this process."""

    redis_prefix: str = Field(default="we", pattern=r"^[A-Za-z0-9._-]{1,32}$")
    """What the name of every key in Redis begins with: one for each deployment that shares a server."""

    ack: Ack = Ack.APPLIED
    """How safe a contribution is before it is answered: `applied`, `fsynced` or `ledger`; without Redis always that."""

    ack_timeout_s: float = Field(default=10.0, gt=0, le=300)
    """How long a caller that asked for `ledger` waits for its row, in seconds; then it is told to repeat the call."""

    dedupe_window_s: int = Field(default=7_200, ge=60, le=2_592_000)
    """How long Redis itself remembers contribution ids, in seconds; the ledger knows all of them for ever."""

    sync: bool = True
    """Whether this process carries contributions from Redis to the ledger; off where `worldevents sync` does it."""

    sync_interval_ms: int = Field(default=250, ge=1, le=600_000)
    """The most time between two looks for what waits for the ledger, in milliseconds: what a lost Redis may lose."""

    sync_batch_max: int = Field(default=5_000, ge=1, le=50_000)
    """The most contributions that go to the ledger in one transaction."""

    lag_max_s: float = Field(default=300.0, gt=0)
    """How long the oldest contribution may wait for the ledger before this process is not ready, in seconds."""

    outbox_max: int = Field(default=5_000_000, ge=1)
    """The most contributions of one partition that wait for the ledger; further ones are refused until it caught up."""

    outbox_bytes_max: int = Field(default=1_073_741_824, ge=1_024)
    """The most that they may take in Redis, about, in bytes."""

    outbox_kept_max: int = Field(default=1_000_000, ge=0)
    """The most contributions that are in the ledger and still kept in Redis, should the ledger lose its last ones."""

    outbox_kept_s: int = Field(default=3_600, ge=0)
    """How long those are kept, in seconds."""

    auto_migrate: bool = True
    """Bring the database's schema up to date at the start; off, an older schema refuses to start."""

    batch_max: int = Field(default=512, ge=1, le=10_000)
    """The most contributions that one call to the store carries, and so one commit."""

    waiting_max: int = Field(default=100_000, ge=1)
    """The most contributions that wait for the store at once; further callers wait for room."""

    items_max: int = Field(default=1_000, ge=1, le=10_000)
    """The most items in one batch over HTTP."""

    lines_max: int = Field(default=100_000, ge=1)
    """The most lines in one stream of contributions over HTTP."""

    body_max: int = Field(default=65_536, ge=1_024)
    """The largest body of a single contribution, and the longest line of a stream, in bytes."""

    batch_body_max: int = Field(default=1_048_576, ge=1_024)
    """The largest body of a batch, in bytes."""

    stream_body_max: int = Field(default=33_554_432, ge=1_024)
    """The largest stream of lines, in bytes."""

    event_body_max: int = Field(default=65_536, ge=1_024)
    """The largest event file over HTTP, in bytes."""

    update_interval_ms: int = Field(default=400, ge=10, le=60_000)
    """The least time between two live updates of one goal, in milliseconds; unlocks, starts and ends do not wait."""

    connections_max: int = Field(default=20_000, ge=1)
    """The most open streams and sockets of this process; further ones are refused."""

    connections_per_address: int = Field(default=1_000, ge=1)
    """The most of them from one address; this machine's own has no such bound, for a proxy may stand there."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What a server logs on stderr: this and what is worse."""

    trusted_proxies: str = ""
    """Addresses or networks of proxies whose X-Forwarded headers a server believes, separated by commas; none."""

    origins: str = ""
    """Where pages that may call this server come from, separated by commas; pages of this machine may."""

    supabase_url: str = ""
    """A Supabase project to which live updates are published too: https, or http on this machine; without it, none."""

    supabase_key: str = Field(default="", repr=False)
    """The project's secret key; goes with `supabase_url`."""

    supabase_topic: str = "community_goals"
    """The topic there."""

    supabase_private: bool = False
    """Whether that topic is private there: on a public one, whoever has the project's public key can forge updates."""

    webhooks: bool = True
    """Whether this process delivers webhooks, once there are endpoints; off where others do."""

    webhook_ports: str = "443"
    """The ports that endpoints of webhooks may have, separated by commas."""

    webhook_loopback: bool = False
    """Whether endpoints may be on this machine, over plain http and at any port too: for development alone."""

    webhook_kept_s: int = Field(default=2_592_000, ge=3_600, le=315_360_000)
    """How long it is kept what became of a webhook that was delivered, in seconds; so long it can be sent again."""

    page_key: str = Field(default="", repr=False)
    """The public key that the page at `/` hands to browsers, once there are keys; without it the page asks for one."""

    jwt_secret: str = Field(default="", repr=False)
    """What an issuer of users' tokens signs them with (HS256), at least 32 bytes; excludes `jwt_jwks_url`."""

    jwt_jwks_url: str = ""
    """Where that issuer's public keys are (RS256, ES256, EdDSA): https, or http on this machine."""

    jwt_issuer: str = ""
    """The `iss` of users' tokens; goes with either of the two."""

    jwt_audience: str = ""
    """The `aud` of users' tokens; goes with either of the two."""

    def allowed_origins(self) -> tuple[str, ...]:
        """Each of `origins`."""
        return tuple(one.strip().rstrip("/") for one in self.origins.split(",") if one.strip())

    @classmethod
    def load(cls, **values: Any) -> Self:
        """The settings from the environment under these values; ConfigurationInvalid names the first bad one."""
        try:
            return cls(**{name: value for name, value in values.items() if value is not None})
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            name = ".".join(map(str, first["loc"]))
            # A text setting may hold a password, in an address or as such: its value is never shown.
            is_text = cls.model_fields[name].annotation is str if name in cls.model_fields else True
            shown = "" if is_text else f" (is {reprlib.repr(first['input'])})"
            raise ConfigurationInvalid(f"{name}: {first['msg']}{shown}", field=name) from None
